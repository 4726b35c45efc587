package hosts

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// How little is believed before anything is known: a device is of no class and
// has no role until something says so. Natural logarithms of odds.
const (
	priorClass = -2.5
	priorOS    = -1.5
	priorRole  = -2.0
)

// How sure a claim must be to be told. An operating system has no certainty in
// its record, so it must be surer; a role in a flow lets detectors judge
// otherwise, so it must be surest.
const (
	tellClass = 0.5
	tellOS    = 0.7
	tellRole  = 0.5
	markRole  = 0.8
	mostSure  = 0.99
)

// known is what is told of a device.
type known struct {
	class, os, role string
	classCertainty  float64
	roleCertainty   float64
}

// scale holds the weights of all claims.
type scale [lastRole + 1]float64

// weigh says what d seems to be.
func (d *device) weigh() (k known) {
	var s scale
	d.addClues(&s)
	d.offered(&s)
	d.used(&s)
	k.class, k.classCertainty = class(&s)
	k.os = system(&s)
	k.role, k.roleCertainty = role(&s, k.class, k.classCertainty)
	return k
}

// addClues adds the reasons up: of each kind the strongest for a claim and the
// strongest against it.
func (d *device) addClues(s *scale) {
	var most, least [kinds]scale
	for _, c := range d.clues {
		r := &rules[c.rule]
		for _, w := range r.is {
			most[r.kind][w.what] = max(most[r.kind][w.what], w.ln)
			least[r.kind][w.what] = min(least[r.kind][w.what], w.ln)
		}
	}
	for k := range kinds {
		for c := range s {
			s[c] += most[k][c] + least[k][c]
		}
	}
}

// crowd is how much more a service says that many use.
func crowd(n int) float64 { return 0.7 * math.Log(float64(max(n, 1))) }

// An offer is what offering an application says. What many use says more,
// where that is so for a claim.
type offer struct {
	is   []weight
	many claim // 0 for none
}

// Applications, and ports whose application has no name.
var (
	offers = map[string]offer{
		"kerberos":   {is(domainController, 2.5, server, fair), 0},
		"ldap":       {is(domainController, 1.5, server, weak), 0},
		"dns":        {is(dnsServer, 2.5, domainController, slight), dnsServer},
		"smb":        {is(fileServer, slight, domainController, slight, windows, weak), fileServer},
		"nfs":        {is(fileServer, 2.5, server, weak), fileServer},
		"ftp":        {is(fileServer, 1.5), fileServer},
		"smtp":       {is(mailServer, 2.5, server, 1.5), mailServer},
		"imap":       {is(mailServer, fair, server, 1.5), mailServer},
		"pop3":       {is(mailServer, fair, server, 1.5), mailServer},
		"mysql":      {is(database, good, server, fair), database},
		"postgresql": {is(database, good, server, fair), database},
		"tds":        {is(database, good, server, fair), database},
		"mongodb":    {is(database, good, server, fair), database},
		"redis":      {is(database, 2.5, server, fair), database},
		"http":       {is(webServer, weak), webServer},
		"tls":        {is(webServer, weak), webServer},
		"quic":       {is(webServer, weak), webServer},
		"ipp":        {is(printer, fair), 0},
		"rtsp":       {is(camera, fair), 0},
		"modbus":     {is(controller, strong), 0},
		"s7comm":     {is(controller, strong), 0},
		"dnp3":       {is(controller, strong), 0},
		"enip":       {is(controller, strong), 0},
		"bacnet":     {is(controller, good), 0},
		"ntp":        {is(timeServer, 1.5), timeServer},
		"socks":      {is(proxy, 2.5), proxy},
		"sip":        {is(tabletop, weak), 0},
		"rdp":        {is(windows, 2.5), 0},
		"ssh":        {is(linux, weak), 0},
		"telnet":     {is(embedded, slight, router, slight), 0},
		"bgp":        {is(router, good, gateway, fair), 0},
	}
	offersAt = map[uint16]offer{
		515:   {is(printer, 2.5), 0},
		631:   {is(printer, fair), 0},
		9100:  {is(printer, good), 0},
		2049:  {is(fileServer, 2.5, server, weak), fileServer},
		1521:  {is(database, 2.5, server, fair), database},
		3268:  {is(domainController, fair, server, weak), 0}, // global catalogue
		5985:  {is(windows, fair), 0},
		8009:  {is(media, fair), 0},
		44818: {is(controller, strong), 0},
		47808: {is(controller, good), 0},
		62078: {is(iOS, good, phone, good), 0},
	}
)

// says returns what offering s says, no claims for nothing.
func (s *service) says() offer {
	if o, ok := offersAt[s.port]; ok {
		return o
	}
	return offers[s.app]
}

// offered adds what d offers. Different applications are reasons of their own,
// so they add up; one on several ports is one. What the port alone tells counts
// less.
func (d *device) offered(to *scale) {
	list := slices.Clone(d.offers)
	slices.SortFunc(list, func(a, b service) int { return cmp.Compare(b.many(), a.many()) })
	var counted [maxServices]string
	for i := range list {
		s := &list[i]
		if n := s.many(); n >= 3 {
			to[server] += 0.5 * crowd(n)
			to[workstation] -= 0.5 * crowd(n)
		}
		app := cmp.Or(s.app, strconv.Itoa(int(s.port)))
		if !slices.Contains(counted[:i], app) {
			counted[i] = app
			s.add(to)
		}
	}
}

// add adds what offering s says.
func (s *service) add(to *scale) {
	o := s.says()
	for _, w := range o.is {
		ln := w.ln
		if w.what == o.many {
			ln += crowd(s.many())
		}
		if s.guessed {
			ln = max(ln-1, 0)
		}
		to[w.what] += ln
	}
}

// watches is how long a device must have asked others how they are to be taken
// for one that is there to do so: what scans does not last.
const watches = 20 * time.Hour

// used adds what d uses of others.
func (d *device) used(to *scale) {
	web := 0
	for i := range d.uses {
		s := &d.uses[i]
		n := s.many()
		switch {
		case s.app == "http" || s.app == "tls" || s.app == "quic":
			web += n
		case s.app == "kerberos" && !s.guessed:
			to[windows] += slight
			to[workstation] += slight
		case s.app == "snmp" && n >= 5 && d.last-d.first >= int64(watches):
			to[monitoring] += 1.5 + crowd(n)
		}
	}
	if web >= 10 {
		to[workstation] += min(0.5*math.Log(float64(web)/5), 1.5)
	}
}

// shares turns the weights of claims that exclude each other into
// probabilities. That it is none of them has the weight 0.
func shares(s *scale, from, to claim, prior float64) (p []float64) {
	sum := 1.0
	for c := from; c <= to; c++ {
		p = append(p, math.Exp(prior+s[c]))
		sum += p[len(p)-1]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

func class(s *scale) (string, float64) {
	p := shares(s, workstation, lastClass, priorClass)
	best := slices.Index(p, slices.Max(p))
	if p[best] < tellClass {
		return "", 0
	}
	return claims[workstation+claim(best)], round(p[best])
}

// system names the operating system, or two that are kin where more is not
// known.
func system(s *scale) string {
	p := shares(s, windows, lastOS, priorOS)
	best := slices.Index(p, slices.Max(p))
	apple, unix := p[macOS-windows]+p[iOS-windows], p[linux-windows]+p[android-windows]
	switch c := windows + claim(best); {
	case p[best] >= tellOS:
		return claims[c]
	case apple >= tellOS:
		return "macOS or iOS"
	case unix >= tellOS:
		return "Linux" // Android is one
	}
	return ""
}

// rank says how much a role is told rather than an equally sure other one: a
// domain controller and a gateway are much else besides.
func rank(c claim) float64 {
	if c == domainController || c == gateway {
		return 0.1
	}
	return -0.01 * float64(c-domainController)
}

// role returns what a device is for. Roles do not exclude each other: a domain
// controller answers DNS. The surest is told, of about equal ones the special
// one before the general; the class where the network knows none.
func role(s *scale, class string, sure float64) (string, float64) {
	best, most, first := "", 0.0, 0.0
	for c := domainController; c <= lastRole; c++ {
		p := 1 / (1 + math.Exp(-priorRole-s[c]))
		r := p + rank(c)
		if p >= tellRole && r > first {
			best, most, first = claims[c], p, r
		}
	}
	if class != "" && class != claims[router] && sure > first {
		best, most = class, sure
	}
	return best, round(most)
}

func round(p float64) float64 { return math.Round(min(p, mostSure)*100) / 100 }

// reasons are the sentences for what is told of d, the strongest first.
func (d *device) reasons() (out []string) {
	type reason struct {
		text string
		ln   float64
	}
	var list []reason
	for _, c := range d.clues {
		r := &rules[c.rule]
		if len(r.is) > 0 {
			list = append(list, reason{says[r.kind][0] + c.text + says[r.kind][1], strongest(r.is)})
		}
	}
	for i := range d.offers {
		if o := d.offers[i].says(); len(o.is) > 0 {
			list = append(list, reason{says[byOffer][0] + d.offers[i].words("client"), strongest(o.is)})
		}
	}
	slices.SortStableFunc(list, func(a, b reason) int { return cmp.Compare(b.ln, a.ln) })
	for _, r := range list {
		out = append(out, r.text)
	}
	return out
}

func strongest(list []weight) (most float64) {
	for _, w := range list {
		most = max(most, math.Abs(w.ln))
	}
	return most
}

// words writes a service as records have it: "445/tcp smb (12 clients)".
func (s *service) words(whom string) string {
	what := s.proto.String()
	if s.port != 0 {
		what = strconv.Itoa(int(s.port)) + "/" + what
	}
	if s.app != "" && s.app != what {
		what += " " + s.app
	}
	n := s.many()
	if n != 1 {
		whom += "s"
	}
	guess := ""
	if s.guessed {
		guess = ", by its port"
	}
	return fmt.Sprintf("%s (%d %s%s)", what, n, whom, guess)
}

func utoa[T uint8 | uint16](n T) string { return strconv.Itoa(int(n)) }
