package dnstunnel

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/detect"
	"github.com/weir-nta/weir/query"
)

const (
	perE             = 1.2 // nats for each factor e of information above what is even
	infoMin, infoMax = -4, 5
	longNames        = 20
	oddShare         = 0.3
	onceShare        = 0.8
	emptyShare       = 0.5
	resolverFactor   = 2 // a resolver asks for many hosts
	allowed          = -3
	enoughNames      = 50
)

func (d *detector) judge(k key, s *state, resolver bool) {
	t := s.total()
	iterative := t.answered > 0 && 2*t.iterative >= t.answered
	factor := 1.0
	if resolver || iterative {
		factor = resolverFactor
	}
	m, ok := d.strongest(s, factor)
	if !ok || resolver && d.told.Get(k.domain, forever) != nil {
		return
	}
	score := &detect.Score{}
	d.addEvidence(score, s, &t, &m, factor)
	against, couldNotCheck := d.context.Score(score, k.client, detect.Service{Name: k.domain, Port: dnsPort}, detect.Pattern{})
	couldNotCheck = slices.DeleteFunc(couldNotCheck, func(s string) bool { return strings.HasPrefix(s, "certificate") })
	if allow := d.allowed(k.domain, s); allow != "" {
		score.Add("allow-list", allowed, "%s is asked for reputation, which takes up to %s", allow, detect.Volume(d.AllowBytes))
		against = append(against, score.Terms[len(score.Terms)-1].Text)
	}
	if !d.flows {
		couldNotCheck = append(couldNotCheck, "contacts: no flows were seen")
	}
	if factor > 1 {
		against = append(against, "it asks as a resolver does, for others: the thresholds are doubled")
	}
	value := score.Value()
	severity := detect.Severity(value, weir.High)
	if value < d.MinScore || !s.news(severity, m.info(), d.longest) {
		return
	}
	s.tell(severity, m.info())
	if !resolver {
		d.told.Touch(k.domain, time.UnixMicro(s.latest))
	}
	f := weir.Finding{
		Time: time.UnixMicro(s.latest), First: time.UnixMicro(m.first), Last: time.UnixMicro(s.latest), Severity: severity,
		Src: k.client, Dst: s.resolver, DstPort: dnsPort, DstName: k.domain, Key: k.client.String() + " " + k.domain,
		Summary: summary(k, &t, &m), Checks: d.checks(s, &t, &m), Terms: score.Terms,
		Against: append(against, lookAlikes(&m)...), CouldNotCheck: couldNotCheck, Query: d.query(k, s, &m),
	}
	f.Certainty = detect.Certainty(value, f.Checks)
	d.report(f)
}

// news reports whether there is more to tell than has been told.
func (s *state) news(severity weir.Severity, info float64, quiet time.Duration) bool {
	switch {
	case !s.isTold || severity > s.told:
		return true
	case s.atEnd:
		return info >= detect.Again*s.toldInfo
	}
	return s.latest-s.toldAt >= quiet.Microseconds()
}

func (s *state) tell(severity weir.Severity, info float64) {
	s.isTold, s.told, s.toldInfo, s.toldAt = true, severity, info, s.latest
}

// strongest returns the window that says most, if any says enough.
func (d *detector) strongest(s *state, factor float64) (best measure, ok bool) {
	for _, w := range d.Windows {
		m := s.measure(w)
		m.thresholds *= factor
		if m.names < leastSeen || m.info() < leastInfo {
			continue
		}
		if !ok || m.info()/m.thresholds > best.info()/best.thresholds {
			best, ok = m, true
		}
	}
	return best, ok
}

func (d *detector) addEvidence(score *detect.Score, s *state, t *pane, m *measure, factor float64) {
	which := "told by names"
	if m.down/2 > m.up {
		which = "told by answers, which count half"
	}
	score.Add("information", detect.Clamp(perE*math.Log(m.info()/m.thresholds), infoMin, infoMax),
		"%s %s in %s, even at %s", detect.Volume(m.info()), which, detect.Span(m.Over), detect.Volume(m.thresholds))
	if m.length >= longNames {
		score.Add("long names", 0.5, "the names have %.0f characters on average", m.length)
	}
	if odd := share(t.odd, t.asked); odd >= oddShare {
		score.Add("odd types", 0.5, "%s of the questions are of types that clients seldom ask for: %s", detect.Percent(odd), t.typeList())
	}
	if m.once >= onceShare {
		score.Add("asked once", 0.5, "%s of the names are asked for only once, as no cache would need to", detect.Percent(m.once))
	}
	if d.flows && !s.contacted {
		score.Add("no contact", 0.7, "nothing of the domain was contacted")
	}
	if empty := share(t.empty, t.answered); t.answered > 0 && empty >= emptyShare {
		score.Add("no answers", 0.5, "%s of the answers are empty or deny the name", detect.Percent(empty))
	}
}

// allowed returns the entry of the allow-list that covers the domain and what
// was asked of it, empty if none does. Too much information has no excuse.
func (d *detector) allowed(domain string, s *state) string {
	i := slices.IndexFunc(d.Allow, func(entry string) bool { return covers(entry, domain, s) })
	if i < 0 {
		return ""
	}
	longest := s.measure(d.Windows[len(d.Windows)-1])
	if longest.info() > d.AllowBytes {
		return ""
	}
	return d.Allow[i]
}

// covers reports whether entry is the domain, or a name below it that has all
// names of s below itself.
func covers(entry, domain string, s *state) bool {
	if entry == domain {
		return true
	}
	below, isBelow := strings.CutSuffix(entry, domain)
	below, dotted := strings.CutSuffix(below, ".")
	return isBelow && dotted && !slices.ContainsFunc(s.names.items, func(n name) bool { return n.sub != below && !strings.HasSuffix(n.sub, "."+below) })
}

func (d *detector) checks(s *state, t *pane, m *measure) []weir.Check {
	list := []weir.Check{
		{ID: "information", Label: "information", Pass: m.info() >= m.thresholds, Value: m.info(), Unit: "bytes", Op: ">=", Threshold: m.thresholds,
			Text: fmt.Sprintf("%s told by names, %s by answers, in %s", detect.Volume(m.up), detect.Volume(m.down), detect.Span(m.Over))},
		{ID: "names", Label: "many names", Pass: m.names >= enoughNames, Value: m.names, Unit: "names", Op: ">=", Threshold: enoughNames,
			Text: fmt.Sprintf("%s different names", m.count())},
		{ID: "length", Label: "long names", Pass: m.length >= longNames, Value: m.length, Unit: "characters", Op: ">=", Threshold: longNames,
			Text: fmt.Sprintf("%.0f characters of %.1f bits on average", m.length, m.entropy)},
		{ID: "once", Label: "asked once", Pass: m.once >= onceShare, Value: m.once, Unit: "ratio", Op: ">=", Threshold: onceShare,
			Text: detect.Percent(m.once) + " of the names"},
	}
	odd := share(t.odd, t.asked)
	list = append(list, weir.Check{ID: "types", Label: "odd types", Pass: odd >= oddShare, Value: odd, Unit: "ratio", Op: ">=", Threshold: oddShare,
		Text: detect.Percent(odd) + " of the questions, among " + t.typeList()})
	if d.flows {
		contacts := 0.0
		if s.contacted {
			contacts = 1
		}
		list = append(list, weir.Check{ID: "contact", Label: "nothing contacted", Pass: !s.contacted, Value: contacts, Op: "=", Threshold: 0,
			Text: "whether anything of the domain was contacted"})
	}
	return list
}

func summary(k key, t *pane, m *measure) string {
	return fmt.Sprintf("%v told %s to names below %s and was told %s, in %s: %s different names of %.0f characters, such as %s; asked for as %s", k.client,
		detect.Volume(m.up), k.domain, detect.Volume(m.down), detect.Span(max(m.Over, 0)), m.count(), m.length, m.examples(), t.typeList())
}

func (m *measure) count() string {
	if m.estimated {
		return fmt.Sprintf("about %.0f", m.names)
	}
	return fmt.Sprintf("%.0f", m.names)
}

// examples quotes some names, cut short: they are of somebody else's making.
func (m *measure) examples() string {
	const most = 32
	var list []string
	for _, s := range m.sampled {
		if len(s) > most {
			s = s[:most] + "…"
		}
		list = append(list, strconv.QuoteToASCII(s))
	}
	return strings.ReplaceAll(strings.Join(list, ", "), `\u2026`, "...")
}

// typeList names the types asked for, the most frequent first.
func (p *pane) typeList() string {
	types := slices.DeleteFunc(p.types[:], func(t typeCount) bool { return t.asked == 0 })
	slices.SortStableFunc(types, func(a, b typeCount) int { return int(b.asked) - int(a.asked) })
	var names []string
	for _, t := range types {
		names = append(names, t.name)
	}
	return strings.Join(names, ", ")
}

func lookAlikes(m *measure) (list []string) {
	if m.names < enoughNames {
		list = append(list, "content networks and telemetry put identifiers into a few names as well")
	}
	if m.once < onceShare {
		list = append(list, "names that are asked for again and again carry nothing new")
	}
	return list
}

// question is the question that gives the numbers of the summary.
func (d *detector) query(k key, s *state, m *measure) string {
	return fmt.Sprintf("from dns %s src.ip = %v and domain = %s | stats n = count(), different = dcount(query), up = sum(bytes.up), down = sum(bytes.down)",
		detect.Since(time.UnixMicro(m.first), time.UnixMicro(s.latest)), k.client, query.Quote(k.domain))
}

func share(n, of uint32) float64 { return float64(n) / float64(max(of, 1)) }
