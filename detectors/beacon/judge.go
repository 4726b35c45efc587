package beacon

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/detect"
	"github.com/weir-nta/weir/internal/periodic"
	"github.com/weir-nta/weir/query"
)

const (
	// timingLimit is the most that timing says, in nats: every benign timer
	// passes it too, so context must decide.
	timingLimit = 2
	timingLeast = -4
	// Most timers are no implants, and inside least of all.
	bias, biasInside = -2, -3
	// A service that never answers is a dead server or a sinkhole.
	deadShare, deadWeight = 0.8, 0.5
	// hopeless is the timing from which no context leads to a report.
	hopeless = -2.5

	atMostRare   = 2
	lastedFrom   = 2 * time.Hour // media and open tabs seldom last as long
	enoughStarts = 20
	widest       = 0.64 // spread of a sleep with a jitter of 90 %
	sizesBelow   = 0.5
)

// forever is a time at which nothing has expired: a channel is judged by its
// own latest check-in, however old.
var forever = time.UnixMicro(0)

// judgeAll judges the channels with new check-ins, those of single names
// before those of domains.
func (d *detector) judgeAll() {
	for _, domains := range []bool{false, true} {
		for _, k := range d.touched {
			c := d.channels.Get(k, forever)
			if c == nil || domains != (k.proto == allNames) {
				continue // forgotten since, or of the other kind
			}
			c.touched = false
			d.forgetOld(c)
			d.judge(k, c)
		}
	}
	d.touched = d.touched[:0]
}

// end judges what is left and tells anew, with the full numbers, of channels
// that have grown much since they were told.
func (d *detector) end() {
	d.judgeAll()
	for k, c := range d.channels.All {
		if c.isTold && c.total >= detect.Again*c.toldTotal {
			c.isTold = false
			d.judge(k, c)
		}
	}
}

// forgetOld lets go of what no window reaches any more: that is no loss.
func (d *detector) forgetOld(c *channel) {
	d.starts -= c.expire(c.latest - weekWin.Microseconds())
}

// A window is a stretch of a channel with what was measured in it.
type window struct {
	timing     periodic.Timing
	zs, spread float64 // of sizes
	starts     int
	up, down   uint64
	medianUp   float64
	medianDown float64
	first      time.Time
	last       time.Time
}

func (w *window) evidence() float64 { return periodic.Combine(w.timing.ZT, w.zs) }

// judge judges the day up to the latest check-in and, if there are few, the
// week, and takes the better one.
func (d *detector) judge(k key, c *channel) {
	w := d.measure(c, c.latest-dayWindow.Microseconds())
	if w.timing.N < slow && w.starts < len(c.starts) {
		if week := d.measure(c, math.MinInt64); week.timing.M >= w.timing.M && week.evidence() > w.evidence() {
			w = week
		}
	}
	if c.questions != nil && c.questions.contacted || d.memberTold(k) {
		return // its flows speak, or one name for all
	}
	if c.questions != nil && w.last.Sub(w.first) < pageLoad {
		return // the names of one page, one after the other
	}
	if w.timing.M < promoteAt-1 || periodic.LogOdds(w.evidence()) < hopeless || d.splitFlow(c, &w) {
		return
	}
	d.decide(k, c, &w)
}

func (d *detector) measure(c *channel, after int64) window {
	d.times, d.up, d.down = d.times[:0], d.up[:0], d.down[:0]
	w := window{first: time.UnixMicro(c.latest), last: time.UnixMicro(c.latest)}
	for _, s := range c.starts {
		if s.at <= after {
			continue
		}
		w.starts++
		w.up += uint64(s.up)
		w.down += uint64(s.down)
		d.times = append(d.times, float64(s.at)/1e6)
		d.up = append(d.up, float64(s.up))
		d.down = append(d.down, float64(s.down))
		if t := time.UnixMicro(s.at); t.Before(w.first) {
			w.first = t
		}
	}
	w.timing = d.measurer.Measure(d.times)
	if c.sampling <= 1 { // else sizes are multiples of the rate
		w.zs, w.spread = periodic.Sizes(d.up, d.down)
	}
	slices.Sort(d.up)
	slices.Sort(d.down)
	w.medianUp, w.medianDown = periodic.Quantile(d.up, 0.5), periodic.Quantile(d.down, 0.5)
	return w
}

// splitFlow reports whether the channel looks like one conversation that an
// exporter has cut at its timeout: most intervals are one of the timeouts, and
// the port never changed.
func (d *detector) splitFlow(c *channel, w *window) bool {
	if c.portChanges || c.lastPort == 0 {
		return false
	}
	for _, timeout := range d.ExporterTimeouts {
		s := timeout.Seconds()
		if math.Abs(w.timing.Q10-s) <= 0.01*s && math.Abs(w.timing.Q90-s) <= 0.01*s { // four of five, at least
			return true
		}
	}
	return false
}

func (d *detector) decide(k key, c *channel, w *window) {
	s := &detect.Score{}
	d.addTiming(s, w)
	against, couldNotCheck := d.context.Score(s, k.host, c.service, detect.Pattern{
		Timing: true, Interval: seconds(w.timing.Median), Bytes: w.medianUp + w.medianDown,
	})
	if c.questions != nil {
		couldNotCheck = append(withoutCertificates(couldNotCheck), d.addQuestions(s, c)...)
	} else {
		couldNotCheck = append(couldNotCheck, d.addDead(s, k, c)...)
	}
	if c.sampling > 1 {
		couldNotCheck = append(couldNotCheck, fmt.Sprintf("sizes: 1 packet in %d was seen", c.sampling))
	}
	if c.internal {
		s.Add("bias", biasInside, "timers between hosts of one's own are the rule")
	} else {
		s.Add("bias", bias, "most timers are no implants")
	}
	score := s.Value()
	severity := detect.Severity(score, weir.High)
	if score < d.MinScore || c.isTold && severity <= c.told {
		return
	}
	c.told, c.toldTotal, c.isTold = severity, c.total, true
	f := weir.Finding{
		Time: w.last, First: w.first, Last: w.last, Severity: severity,
		Src: k.host, Dst: c.addr, DstPort: k.port, DstName: k.name, Key: k.host.String() + " " + c.service.String(),
		Summary: summary(k, c, w), Checks: d.checks(c, w), Terms: s.Terms,
		Against: append(against, lookAlikes(k, w)...), CouldNotCheck: couldNotCheck,
		Techniques: techniques(k, c), Query: question(k, c, w),
	}
	f.Certainty = detect.Certainty(score, f.Checks)
	d.tellMember(k, c)
	d.report(f)
}

// addTiming adds what times and sizes say, limited.
func (d *detector) addTiming(s *detect.Score, w *window) {
	timing := periodic.LogOdds(w.timing.ZT)
	sizes := periodic.LogOdds(w.evidence()) - timing
	s.Add("timing", timing, "%d check-ins, typically %s apart, spread %s: evidence %.1f, even at 3", w.timing.N,
		interval(w.timing.Median), detect.Percent(bestSpread(w)), w.timing.ZT)
	if w.zs != 0 {
		s.Add("sizes", sizes, "sizes spread by %s: evidence %.1f, counted by a fifth", detect.Percent(w.spread), w.zs)
	}
	if sum := timing + sizes; sum != detect.Clamp(sum, timingLeast, timingLimit) {
		bounded := detect.Clamp(sum, timingLeast, timingLimit)
		s.Add("timing limit", bounded-sum, "a timer counts %+g at most: benign ones are as regular", bounded)
	}
}

// addDead adds that nobody answers, where that can be told.
func (d *detector) addDead(s *detect.Score, k key, c *channel) (couldNotCheck []string) {
	share := float64(c.unanswered) / float64(c.total)
	switch {
	case share < deadShare || k.name != "":
	case d.vantage.OneWay():
		return []string{"answers: only one side of conversations is heard here"}
	default:
		s.Add("dead server", deadWeight, "%s of the connections got no answer, and no name leads there", detect.Percent(share))
	}
	return nil
}

// bestSpread is the spread that the evidence rests on.
func bestSpread(w *window) float64 {
	if w.timing.M >= 12 {
		return min(w.timing.Spread, w.timing.LocalSpread)
	}
	return w.timing.Spread
}

func (d *detector) checks(c *channel, w *window) []weir.Check {
	t := &w.timing
	spread := bestSpread(w)
	span := w.last.Sub(w.first)
	list := []weir.Check{
		{ID: "regular", Label: "regular", Pass: spread < widest, Value: spread, Unit: "ratio", Op: "<", Threshold: widest,
			Text: fmt.Sprintf("one every %s, spread %s; a sleep of %s with %s jitter would look so", interval(t.Median), detect.Percent(spread), interval(t.Q90), detect.Percent(1-t.Q10/t.Q90))},
		{ID: "lasted", Label: "lasted", Pass: span >= lastedFrom, Value: span.Seconds(), Unit: "s", Op: ">=", Threshold: lastedFrom.Seconds(),
			Text: "for " + clock(span)},
		{ID: "enough", Label: "often enough", Pass: t.N >= enoughStarts, Value: float64(t.N), Unit: "check-ins", Op: ">=", Threshold: enoughStarts,
			Text: detect.Thousands(t.N) + " check-ins"},
	}
	if w.zs != 0 {
		list = append(list, weir.Check{ID: "sizes", Label: "always the same size", Pass: w.spread < sizesBelow, Value: w.spread, Unit: "ratio", Op: "<", Threshold: sizesBelow,
			Text: fmt.Sprintf("typically %s up and %s down, spread %s", detect.Volume(w.medianUp), detect.Volume(w.medianDown), detect.Percent(w.spread))})
	}
	if users, active := d.context.Hosts(c.service); active > atMostRare {
		list = append(list, weir.Check{ID: "rare", Label: "rare here", Pass: users <= atMostRare, Value: float64(users), Unit: "hosts", Op: "<=", Threshold: atMostRare,
			Text: fmt.Sprintf("used by %d of %d hosts in the last 7 days", users, active)})
	}
	return list
}

func summary(k key, c *channel, w *window) string {
	who := k.name
	switch {
	case who == "":
		who = k.addr.String()
	case k.proto == allNames:
		who = "changing names of " + who
	}
	latest := ""
	if w.starts < c.total {
		latest = "the latest "
	}
	if c.questions != nil {
		return questionSummary(k, w, latest)
	}
	return fmt.Sprintf("%v calls %s by a timer: %s%s connections in %s, one every %s (spread %s), %s up, %s down", k.host, hostPort(who, k.port),
		latest, detect.Thousands(w.starts), clock(w.last.Sub(w.first)), interval(w.timing.Median), detect.Percent(bestSpread(w)), detect.Volume(w.up), detect.Volume(w.down))
}

// hostPort writes host and port as one, host alone if there is no port.
func hostPort(host string, port uint16) string {
	if port == 0 {
		return host
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return netip.AddrPortFrom(a, port).String()
	}
	return host + ":" + strconv.Itoa(int(port))
}

// lookAlikes names the benign timers that have the measured interval.
func lookAlikes(k key, w *window) (list []string) {
	s := w.timing.Median
	round := math.Abs(s/60-math.Round(s/60))*60 <= 0.02*s && s >= 30
	switch {
	case k.port == 123:
		list = append(list, "clocks are set over this port (NTP)")
	case k.port == 5222 || k.port == 5223 || k.port >= 5228 && k.port <= 5230:
		list = append(list, "push services keep in touch over this port")
	case s >= 1800:
		list = append(list, "updates are looked for as rarely as this")
	case round:
		list = append(list, "monitoring, mail and telemetry run at full minutes like this")
	case s <= 12 && w.medianDown > 64<<10:
		list = append(list, "media come in pieces of some seconds")
	}
	if c := w.timing; c.M >= 12 && c.Spread > 3*c.LocalSpread && c.Spread > widest {
		list = append(list, "it is regular only in stretches, as open pages that refresh themselves are")
	}
	return list
}

func techniques(k key, c *channel) []string {
	var list []string
	web := c.app == "tls" || c.app == "http" || c.app == "quic" || c.names&(inSNI|inHTTP) != 0
	switch {
	case c.app == "dns" || k.port == dnsPort:
		list = append(list, "T1071.004")
	case web || c.app == "" && (k.port == 80 || k.port == 443):
		list = append(list, "T1071.001")
	default:
		list = append(list, "T1095")
	}
	if c.app == "tls" || c.app == "quic" || c.names&inSNI != 0 || c.app == "" && k.port == 443 {
		list = append(list, "T1573")
	}
	if c.mismatch != "" || !slices.Contains([]uint16{dnsPort, 80, 443, 8080, 8443}, k.port) {
		list = append(list, "T1571")
	}
	return list
}

// question is the question that gives the numbers of the summary.
func question(k key, c *channel, w *window) string {
	if c.questions != nil {
		return questionQuery(k, w)
	}
	to := fmt.Sprintf("dst.ip = %v and missing dst.host and proto = %v", k.addr, k.proto)
	if k.proto == allNames {
		to = "dst.domain = " + query.Quote(k.name)
	} else if k.name != "" {
		var fields []string
		name := query.Quote(k.name)
		for _, f := range []struct {
			in   nameField
			name string
		}{{inSNI, "tls.sni"}, {inHTTP, "http.host"}, {inDst, "dst.host"}} {
			if c.names&f.in != 0 {
				fields = append(fields, f.name+" = "+name)
			}
		}
		to = strings.Join(fields, " or ")
		if len(fields) > 1 {
			to = "(" + to + ")"
		}
	}
	return fmt.Sprintf("from conn %s src.ip = %v and %s and dst.port = %d and slice = 0 | stats n = count(), p = period(ts), up = sum(bytes.up), down = sum(bytes.down)",
		detect.Since(w.first, w.last), k.host, to, k.port)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func interval(s float64) string { return detect.Span(seconds(s)) }

// clock writes a duration as "22 h 49 min".
func clock(d time.Duration) string {
	switch d = d.Round(time.Second); {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d days %d h", int(d.Hours())/24, int(d.Hours())%24)
}
