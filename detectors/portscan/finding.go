package portscan

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
		Src: src.addr, Dst: e.dst, Key: fmt.Sprintf("%v %s", src.addr, src.protoName()),
		Summary: summary(src, e), Terms: s.Terms, Query: question(src, e),
		Techniques: techniques(e),
	}
	f.Checks = r.checks(src, e)
	f.Against = against(s, e)
	f.CouldNotCheck = r.couldNotCheck(e)
	f.Severity = detect.Severity(s.Value(), weir.High)
	f.Certainty = detect.Certainty(s.Value(), f.Checks)
	return f
}

func (s source) protoName() string {
	if s.proto == 0 {
		return "ip"
	}
	return s.proto.String()
}

// things is what was tried, in the plural.
func (s source) things() string {
	if s.proto == 0 {
		return "IP protocols"
	}
	return s.proto.String() + " ports"
}

func summary(src source, e *evidence) string {
	within := detect.Span(e.last.Sub(e.first))
	if !e.dst.IsValid() {
		return fmt.Sprintf("%v tried %d services (host and port) in vain, on %d different %s, within %s", src.addr, e.n, e.ports, src.things(), within)
	}
	text := fmt.Sprintf("%v tried %d %s of %v in vain within %s", src.addr, e.n, src.things(), e.dst, within)
	if e.answered > 0 {
		text += fmt.Sprintf("; %d answered", e.answered)
	}
	if e.targets > 1 {
		text += fmt.Sprintf("; %d services of %d hosts in all", e.tried, e.targets)
	}
	return text
}

// techniques are those of scanning from inside, or from outside.
func techniques(e *evidence) []string {
	if e.inbound {
		return []string{"T1595.001", "T1046"}
	}
	return []string{"T1046"}
}

// question reproduces the number of the summary.
func question(src source, e *evidence) string {
	filter := fmt.Sprintf("from conn %s src.ip = %v and %s and %s", detect.Since(e.first, e.last), src.addr, src.protoFilter(), detect.FailedFilter(src.proto))
	field := "dst.port"
	if src.proto == 0 {
		field = "proto"
	}
	if e.dst.IsValid() {
		return fmt.Sprintf("%s and dst.ip = %v | stats ports = dcount(%s)", filter, e.dst, field)
	}
	return fmt.Sprintf("%s and missing dst.host | stats tries = count() by dst.ip, %s | stats services = count()", filter, field)
}

func (s source) protoFilter() string {
	if s.proto == 0 {
		return "proto not in (tcp, udp, sctp)"
	}
	return "proto = " + s.proto.String()
}

func (r *run) checks(src source, e *evidence) []weir.Check {
	failed := float64(e.n) / float64(e.n+e.answered)
	allowed := detect.InAny(src.addr, r.Scanners) || detect.InAny(src.addr, r.Discovery)
	checks := []weir.Check{
		{ID: e.kind.id, Label: e.kind.label, Value: float64(e.n), Unit: e.kind.id, Op: ">=", Threshold: float64(e.threshold),
			Text: fmt.Sprintf("%d from %v to %v", e.n, e.first.UTC().Format("15:04:05"), e.last.UTC().Format("15:04:05"))},
		{ID: "failed", Label: "hardly any answered", Value: failed, Unit: "ratio", Op: ">=", Threshold: 0.2,
			Text: fmt.Sprintf("%d failed, %d answered", e.n, e.answered)},
		{ID: "allowed", Label: "not an authorised scanner", Value: count(allowed), Op: "=", Threshold: 0,
			Text: fmt.Sprintf("%v is on %d of the two lists", src.addr, int(count(allowed)))},
	}
	if e.dst.IsValid() {
		checks = append(checks, weir.Check{ID: "unnamed", Label: "target not asked for by name", Value: count(e.named), Unit: "names", Op: "=", Threshold: 0,
			Text: fmt.Sprintf("%d names of the target looked up by the source", int(count(e.named)))})
	} else {
		checks = append(checks, weir.Check{ID: "spread", Label: "many different ports", Value: float64(e.ports), Unit: "ports", Op: ">=",
			Threshold: float64(r.MinPorts), Text: fmt.Sprintf("%d different ports", e.ports)})
	}
	for i := range checks {
		c := &checks[i]
		c.Pass = c.Op == ">=" && c.Value >= c.Threshold || c.Op == "=" && c.Value == c.Threshold
	}
	return checks
}

func count(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func against(s *detect.Score, e *evidence) []string {
	list := detect.Against(s)
	if e.named && e.dst.IsValid() {
		list = append(list, "the source had looked the target up by name")
	}
	return list
}

func (r *run) couldNotCheck(e *evidence) []string {
	var list []string
	if e.oneWay {
		list = append(list, "answers: the sensor hears one direction only; the thresholds are doubled for that")
	}
	if !e.sawDNS && !e.named {
		list = append(list, "names: no DNS of the source was seen, so the target may have been asked for by name")
	}
	if len(r.Scanners) == 0 {
		list = append(list, "authorised scanners: none are configured")
	}
	return append(list, "dark addresses: none are configured")
}
