package longconn

import (
	"fmt"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/detect"
)

// finding says what e shows.
func (r *run) finding(k key, e *evidence) weir.Finding {
	s, against, couldNotCheck := r.score(k, e)
	f := weir.Finding{
		Time: e.end, First: e.first, Last: e.end,
		Src: k.host, Dst: e.dst, DstPort: e.port, DstName: k.service.Name, Key: fmt.Sprintf("%v %s", k.host, k.service),
		Summary: summary(k, e), Terms: s.Terms, Query: question(k, e), Techniques: techniques(e),
		Against: append(against, "long connections are common: push, meetings, web sockets, VPN"),
		CouldNotCheck: append(couldNotCheck,
			"interactive use and regular keep-alives: records do not hold the times of packets"),
	}
	if e.oneWay {
		f.CouldNotCheck = append(f.CouldNotCheck, "answers: the sensor hears one direction only")
	}
	f.Checks = r.checks(k, e)
	f.Severity = detect.Severity(s.Value(), weir.Medium)
	f.Certainty = detect.Certainty(s.Value(), f.Checks)
	return f
}

func summary(k key, e *evidence) string {
	kept := "kept"
	if e.ongoing {
		kept = "keeps"
	}
	what := fmt.Sprintf("a connection to %s open for %s", k.service, detect.Span(e.open))
	if e.connections > 1 {
		what = fmt.Sprintf("%d connections to %s open for %s together, the longest for %s", e.connections, k.service, detect.Span(e.open), detect.Span(e.longest))
	}
	return fmt.Sprintf("%v %s %s; %s up and %s down", k.host, kept, what, detect.Volume(float64(e.up)), detect.Volume(float64(e.down)))
}

func techniques(e *evidence) []string {
	if e.admin != "" {
		return []string{"T1071", "T1572", "T1219"}
	}
	return []string{"T1071", "T1572"}
}

// question reproduces the longest connection and the bytes. The union of
// several, or of pieces, is not among the aggregates of the language.
func question(k key, e *evidence) string {
	where := fmt.Sprintf("dst.ip = %v", e.dst)
	if e.moved {
		where = "dir != internal" // the service has moved between addresses
	}
	return fmt.Sprintf("from conn %s src.ip = %v and %s and dst.port = %d and proto = %v | stats longest = max(dur), up = sum(bytes.up), down = sum(bytes.down)",
		detect.Since(e.first, e.last), k.host, where, e.port, e.proto)
}

func (r *run) checks(k key, e *evidence) []weir.Check {
	users, active := r.context.Hosts(k.service)
	admin := 0.0
	if e.admin != "" {
		admin = 1
	}
	checks := []weir.Check{
		{ID: "open", Label: "open for long", Value: e.open.Seconds(), Unit: "s", Op: ">=", Threshold: usual.Seconds(), Text: "open for " + detect.Span(e.open)},
		{ID: "longest", Label: "long by itself", Value: e.longest.Seconds(), Unit: "s", Op: ">=", Threshold: r.Min.Seconds(), Text: "the longest connection took " + detect.Span(e.longest)},
		{ID: "single", Label: "a single connection", Value: float64(e.connections), Unit: "connections", Op: "=", Threshold: 1, Text: fmt.Sprintf("%d connections", e.connections)},
		{ID: "rare", Label: "rare here", Value: float64(users), Unit: "hosts", Op: "<=", Threshold: 2, Text: fmt.Sprintf("%d of %d hosts used it in the last 7 days", users, active)},
		{ID: "admin", Label: "remote administration", Value: admin, Op: "=", Threshold: 1, Text: adminText(e)},
	}
	if e.stitched {
		checks[1].ID, checks[1].Text = "stitched", "pieces of one connection took "+detect.Span(e.longest)
	}
	for i := range checks {
		c := &checks[i]
		c.Pass = c.Op == ">=" && c.Value >= c.Threshold || c.Op == "<=" && c.Value <= c.Threshold || c.Op == "=" && c.Value == c.Threshold
	}
	return checks
}

func adminText(e *evidence) string {
	if e.admin == "" {
		return "no protocol or name of remote administration"
	}
	return "it is " + e.admin
}
