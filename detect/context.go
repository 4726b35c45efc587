package detect

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/weir-nta/weir"
)

// Limits bound what a [Context] remembers.
type Limits struct {
	Services int // services and client fingerprints, each
	Askers   int // hosts whose DNS is seen
}

// DefaultLimits suit 10,000 hosts: about 600 MB if reached, which takes two
// million services.
var DefaultLimits = Limits{Services: 2_000_000, Askers: 200_000}

const (
	// young is how long a deployment must last before the age of a service
	// means anything: until then everything is new.
	young = 14 * 24 * time.Hour
	// serviceFor is how long an unused service is remembered.
	serviceFor = 90 * 24 * time.Hour
	// small is the number of hosts below which it says little that few use a
	// service, and tiny that up to which it says nothing: two of two.
	small, tiny = 50, 2
	// bulky is the answer, in bytes, from which a flow is media or bulk.
	bulky = 64 << 10
	// The sum of all terms of a context lies between these.
	contextMin, contextMax = -5, 4
)

// A Context knows what is usual around a conversation: how many hosts use its
// service and since when, whether a name leads to it, what its handshakes
// show. It turns that into log-odds, the same for all detectors. A detector
// that wants one makes its own and shows it every flow and DNS transaction.
type Context struct {
	services *LRU[Service, service]
	ja4      *Prevalence
	askers   *Askers
	hosts    HostSet
	began    time.Time // of the first flow
	latest   time.Time
}

// A service is what a Context knows of one service.
type service struct {
	hosts      HostSet
	first      time.Time
	named      bool   // by handshake or look-up
	selfSigned bool   // subject and issuer of its certificate are the same
	certSeen   bool   // a certificate was seen
	heard      bool   // its conversations were seen as packets, or with their handshakes
	odd        string // what was said on oddPort, where that is not expected
	oddPort    uint16
	ja4        string // of its latest client
	flows      uint32
	bulky      uint32 // flows with more than bulky bytes down
}

// NewContext returns an empty Context.
func NewContext(l Limits) *Context {
	return &Context{
		services: NewLRU[Service, service](l.Services, serviceFor),
		ja4:      NewPrevalence(l.Services),
		askers:   NewAskers(l.Askers),
	}
}

// Flow learns from f and returns what it talks to, as [ServiceOf] does.
func (c *Context) Flow(f *weir.Flow) Service {
	svc := ServiceOf(f)
	if c.began.IsZero() || f.Start.Before(c.began) {
		c.began = f.Start
	}
	if f.End.After(c.latest) {
		c.latest = f.End
	}
	if f.Direction == weir.Inbound || !f.Src.IsValid() {
		return svc // its source is none of the hosts whose habits count
	}
	c.hosts.Add(f.Src, f.End)
	s, isNew := c.touch(svc, f.End)
	if isNew || f.Start.Before(s.first) {
		s.first = f.Start
	}
	s.hosts.Add(f.Src, f.End)
	s.learn(f)
	s.named = s.named || svc.Name != ""
	if f.TLS != nil && f.TLS.JA4 != "" {
		c.ja4.Add(f.TLS.JA4, f.Src, f.End)
	}
	return svc
}

// touch returns what is known of svc. What is kept has a copy of the name, for
// the text of a record may be part of a large one.
func (c *Context) touch(svc Service, t time.Time) (s *service, isNew bool) {
	if s = c.services.TouchKnown(svc, t); s != nil {
		return s, false
	}
	svc.Name = strings.Clone(svc.Name)
	return c.services.Touch(svc, t)
}

// DNS learns from d.
func (c *Context) DNS(d *weir.DNSTransaction) {
	c.askers.DNS(d)
	if d.Time.After(c.latest) {
		c.latest = d.Time
	}
}

// Evicted returns how much was forgotten because of the limits.
func (c *Context) Evicted() uint64 {
	return c.services.Evicted() + c.ja4.Evicted() + c.askers.Evicted()
}

// Hosts returns how many hosts used svc and how many were active at all, in
// the last seven days.
func (c *Context) Hosts(svc Service) (users, active int) {
	active, _ = c.hosts.Count(c.latest)
	if s := c.services.Get(svc, c.latest); s != nil {
		users, _ = s.hosts.Count(c.latest)
	}
	return users, active
}

func (s *service) learn(f *weir.Flow) {
	s.flows++
	s.heard = s.heard || len(f.Exporters) == 0 || f.TLS != nil || f.HTTP != nil
	if f.BytesDown > bulky {
		s.bulky++
	}
	if mismatched(f) {
		s.oddPort = f.DstPort
		if s.odd != f.App {
			s.odd = strings.Clone(f.App)
		}
	}
	if f.TLS == nil {
		return
	}
	if f.TLS.JA4 != "" {
		s.ja4 = f.TLS.JA4
	}
	if f.TLS.Subject != "" {
		s.certSeen = true
		s.selfSigned = f.TLS.Subject == f.TLS.Issuer
	}
}

// tlsPorts are those on which TLS is no surprise.
var tlsPorts = []uint16{
	443, 465, 563, 587, 636, 853, 989, 990, 992, 993, 994, 995, 2083, 2087, 2096, 3269, 3389, 4443, 5061, 5223, 5228, 5229,
	5230, 5349, 5671, 5986, 6443, 6514, 6697, 8443, 8883, 9443,
}

// Mismatch says in words what f speaks on which port if that is unusual: TLS
// on a port not known for it, or something else on 443. A guess from the port
// shows nothing.
func Mismatch(f *weir.Flow) string {
	if !mismatched(f) {
		return ""
	}
	return onPort(f.App, f.DstPort)
}

func mismatched(f *weir.Flow) bool {
	switch {
	case f.App == "" || f.AppGuessed || f.Proto != weir.TCP:
		return false
	case f.App == "tls":
		return !slices.Contains(tlsPorts, f.DstPort)
	}
	return f.DstPort == 443
}

func onPort(app string, port uint16) string {
	if app == "tls" {
		app = "TLS"
	}
	return fmt.Sprintf("%s on port %d", app, port)
}

// A Pattern is what a detector has measured of a conversation and a Context
// needs to judge it.
type Pattern struct {
	// Timing says that the finding rests on times, to which media and bulk
	// downloads are natural.
	Timing bool
	// Interval is the typical time between two conversations, 0 if there is none.
	Interval time.Duration
	// Bytes is the typical size of one conversation, both ways, 0 if unknown.
	Bytes float64
}

// Score adds to s what the context of host using svc (as told by
// [Context.Flow]) says, each term by itself and their sum between -5 and
// +4. It returns in words what speaks against a finding, and what could not
// be checked.
func (c *Context) Score(s *Score, host netip.Addr, svc Service, p Pattern) (against, couldNotCheck []string) {
	v := &verdict{Score: s, start: len(s.Terms)}
	k := c.services.Get(svc, c.latest)
	if k == nil {
		v.cannot("prevalence, age, names and certificates: the service is not remembered")
	} else {
		c.prevalence(v, k)
		c.age(v, k)
		c.names(v, host, k)
		k.handshake(v, p)
	}
	if e, ok := IsBenignPeriodic(svc.String(), p.Interval, p.Bytes); ok {
		v.add("allow-list", -3, "%s calls this often and this much for good reason (benign-periodic list %s)", e.Class, BenignVersion)
	}
	v.cannot("popularity rank of the domain: no list is built in")
	v.cannot("hosting, tunnelling and dynamic-DNS suffixes: no list is built in")
	v.cannot("threat intelligence: no indicators are loaded")
	v.limit()
	return v.against, v.couldNotCheck
}

// A verdict collects terms and, from the negative ones, what speaks against.
type verdict struct {
	*Score
	start                  int
	against, couldNotCheck []string
}

func (v *verdict) add(name string, logOdds float64, format string, args ...any) {
	v.Add(name, logOdds, format, args...)
	if logOdds < 0 {
		v.against = append(v.against, v.Terms[len(v.Terms)-1].Text)
	}
}

func (v *verdict) cannot(text string) { v.couldNotCheck = append(v.couldNotCheck, text) }

// limit keeps the sum of the context between its bounds: however many weak
// signs agree, they are signs of the same thing.
func (v *verdict) limit() {
	sum := 0.0
	for _, t := range v.Terms[v.start:] {
		sum += t.Value
	}
	if bounded := Clamp(sum, contextMin, contextMax); bounded != sum {
		v.Add("context limit", bounded-sum, "the context counts %+g at most, however much agrees", bounded)
	}
}

func (c *Context) prevalence(v *verdict, k *service) {
	n, exact := k.hosts.Count(c.latest)
	active, _ := c.hosts.Count(c.latest)
	about := ""
	if !exact {
		about = "about "
	}
	text := fmt.Sprintf("%s%d of %d hosts used it in the last 7 days", about, n, active)
	share := float64(n) / float64(max(active, 1))
	switch {
	case active <= tiny:
		v.cannot(fmt.Sprintf("prevalence: only %d hosts were seen", active))
	case active < small:
		if n <= 2 {
			v.add("prevalence", 0.6, "%s; half weight in a network of fewer than %d", text, small)
		} else {
			v.cannot(fmt.Sprintf("prevalence: %d hosts are too few for a share", active))
		}
	case float64(n) <= max(2, 0.005*float64(active)):
		v.add("prevalence", 1.2, "%s", text)
	case share <= 0.02:
		v.add("prevalence", 0.5, "%s", text)
	case share <= 0.1:
		v.add("prevalence", -0.5, "%s", text)
	case share <= 0.5:
		v.add("prevalence", -1.5, "%s", text)
	default:
		v.add("prevalence", -2.5, "%s", text)
	}
	c.fingerprint(v, k, active)
}

func (c *Context) fingerprint(v *verdict, k *service, active int) {
	if k.ja4 == "" || active <= tiny {
		return
	}
	n := c.ja4.Hosts(k.ja4, c.latest)
	if n > 2 && float64(n) > 0.005*float64(active) {
		return
	}
	weight := 1.0
	if active < small {
		weight = 0.5
	}
	v.add("rare client", weight, "the client's TLS fingerprint %s is that of %d of %d hosts", k.ja4, n, active)
}

func (c *Context) age(v *verdict, k *service) {
	const day = 24 * time.Hour
	if c.latest.Sub(c.began) < young {
		v.cannot("age: less than 14 days of history")
		return
	}
	age := c.latest.Sub(k.first)
	switch {
	case age < 3*day:
		v.add("age", 1, "first used here %.1f days ago", age.Hours()/24)
	case age < 14*day:
		v.add("age", 0.5, "first used here %.0f days ago", age.Hours()/24)
	case age > 60*day:
		v.add("age", -1, "in use here for %.0f days", age.Hours()/24)
	}
}

func (c *Context) names(v *verdict, host netip.Addr, k *service) {
	switch {
	case k.named:
	case !c.askers.Has(host, c.latest) && !k.heard:
		v.cannot("name: the flows come from an exporter that tells none, and no DNS of this host was seen")
	case !c.askers.Has(host, c.latest):
		v.cannot("name: no DNS of this host was seen, so a missing name says nothing")
	case !k.heard:
		v.add("no name", 0.7, "no name leads there: none was looked up")
	default:
		v.add("no name", 0.7, "no name leads there: none looked up, none in a handshake")
	}
}

func (s *service) handshake(v *verdict, p Pattern) {
	switch {
	case s.selfSigned:
		v.add("self-signed", 0.7, "its certificate is signed by itself")
	case !s.certSeen && !s.heard:
		v.cannot("certificate and client fingerprint: the flows come from an exporter that tells no handshakes")
	case !s.certSeen:
		v.cannot("certificate: none was seen (TLS 1.3 hides it)")
	}
	if s.odd != "" {
		v.add("port", 0.5, "%s", onPort(s.odd, s.oddPort))
	}
	if p.Timing && 2*s.bulky > s.flows {
		v.add("bulk", -1.5, "more than half of its conversations bring over 64 KiB down, as media and downloads do")
	}
}
