package hostsweep

import (
	"fmt"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/detect"
)

// finding says what e shows.
func (r *run) finding(src source, e *evidence) weir.Finding {
	s := r.score(src, e)
	f := weir.Finding{
		Time: e.last, First: e.first, Last: e.last,
		Src: src.addr, DstPort: e.port, Key: fmt.Sprintf("%v %v", src.addr, src.proto),
		Summary: summary(src, e), Terms: s.Terms, Query: question(src, e),
		Techniques: techniques(src, e), Against: detect.Against(s),
	}
	f.Checks = r.checks(src, e)
	f.CouldNotCheck = r.couldNotCheck(e)
	f.Severity = detect.Severity(s.Value(), weir.High)
	f.Certainty = detect.Certainty(s.Value(), f.Checks)
	return f
}

func summary(src source, e *evidence) string {
	within := detect.Span(e.last.Sub(e.first))
	var text string
	switch {
	case e.kind.opened && src.pings():
		text = fmt.Sprintf("%v pinged %d internal hosts for the first time within %s, and they answered", src.addr, e.n, within)
	case e.kind.opened:
		text = fmt.Sprintf("%v reached %v port %d of %d internal hosts for the first time within %s, with %d packets each at most", src.addr, src.proto, e.port, e.n, within, brief)
	case src.pings():
		text = fmt.Sprintf("%v pinged %d hosts in vain within %s", src.addr, e.n, within)
	default:
		text = fmt.Sprintf("%v tried %v port %d of %d hosts in vain within %s", src.addr, src.proto, e.port, e.n, within)
	}
	if !e.kind.opened && e.answered > 0 {
		text += fmt.Sprintf("; %d answered", e.answered)
	}
	if more := e.tried - e.n - e.answered; more > 0 && !e.kind.opened {
		text += fmt.Sprintf("; with its other ports %d contacts in all", e.tried)
	}
	return text
}

func (s source) pings() bool { return s.proto == weir.ICMPv4 || s.proto == weir.ICMPv6 }

func techniques(src source, e *evidence) []string {
	switch {
	case e.inbound:
		return []string{"T1595.001"}
	case src.pings():
		return []string{"T1018"}
	}
	return []string{"T1018", "T1046"}
}

// question reproduces the number of the summary.
func question(src source, e *evidence) string {
	service := fmt.Sprintf("dst.port = %d", e.port)
	switch src.proto {
	case weir.ICMPv4:
		service = "icmp.type = 8"
	case weir.ICMPv6:
		service = "icmp.type = 128"
	}
	outcome := detect.FailedFilter(src.proto)
	if e.kind.opened {
		outcome = fmt.Sprintf("slice = 0 and pkts.down > 0 and pkts.up <= %d and dir = internal", brief)
	}
	return fmt.Sprintf("from conn %s src.ip = %v and proto = %v and %s and %s and missing dst.host | stats hosts = dcount(dst.ip)",
		detect.Since(e.first, e.last), src.addr, src.proto, service, outcome)
}

func (r *run) checks(src source, e *evidence) []weir.Check {
	allowed := 0.0
	if detect.InAny(src.addr, r.Scanners) || detect.InAny(src.addr, r.Discovery) {
		allowed = 1
	}
	checks := []weir.Check{
		{ID: "hosts", Label: e.kind.label, Value: float64(e.n), Unit: "hosts", Op: ">=", Threshold: float64(e.threshold),
			Text: fmt.Sprintf("%d from %v to %v", e.n, e.first.UTC().Format("15:04:05"), e.last.UTC().Format("15:04:05"))},
		{ID: "answered", Label: "few answered", Value: e.successRate(), Unit: "ratio", Op: "<=", Threshold: 0.8,
			Text: fmt.Sprintf("%d hosts answered on the port", e.answered)},
		{ID: "allowed", Label: "not an authorised scanner", Value: allowed, Op: "=", Threshold: 0,
			Text: fmt.Sprintf("%v is on %d of the two lists", src.addr, int(allowed))},
	}
	if !e.oneWay {
		checks = append(checks, weir.Check{ID: "random_walk", Label: "first contacts fail", Value: e.walk, Unit: "nats", Op: ">=", Threshold: detect.WalkDecides,
			Text: fmt.Sprintf("the sequential test stands at %.1f", e.walk)})
	}
	for i := range checks {
		c := &checks[i]
		c.Pass = c.Op == ">=" && c.Value >= c.Threshold || c.Op == "<=" && c.Value <= c.Threshold || c.Op == "=" && c.Value == c.Threshold
	}
	return checks
}

func (r *run) couldNotCheck(e *evidence) []string {
	var list []string
	if e.oneWay {
		list = append(list, "answers: the sensor hears one direction only; the thresholds are doubled for that, and first contacts are not judged")
	}
	if !e.sawDNS {
		list = append(list, "names: no DNS of the source was seen, so the hosts may have been asked for by name")
	}
	if len(r.Scanners) == 0 {
		list = append(list, "authorised scanners: none are configured")
	}
	return append(list, "dark addresses: none are configured")
}
