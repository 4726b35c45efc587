package dnstunnel

import (
	"fmt"
	"math"
	"net/netip"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/detect"
)

// What flows alone show, from section 3.1 of the method: where an exporter
// tells of conversations with port 53 and nobody of the questions in them,
// tunnels still ask longer questions, and more of them, than others do.
const (
	volumeOver  = time.Hour
	volumePanes = 6
	leastAsked  = 200     // questions of one host to one server in an hour
	longQuery   = 90      // octets of a question with its IP header, on average, at which it is even
	outsideUp   = 1 << 20 // octets to a server outside in an hour at which it is even

	perLength = 6    // nats for each factor e of length: questions of 128 octets are as good as it gets
	perVolume = 1.2  // the same of volume
	mostNats  = 1.32 // the score stays below 0.79: nothing was seen of the names
	// mostPairs bounds what is known of hosts and servers, at 200 octets each. At
	// the limit the pair silent for longest is forgotten.
	mostPairs = 50_000
)

// A pair is a host and the server that it asks.
type pair struct{ client, server netip.Addr }

// A volume is what a host has sent to a server, in panes of ten minutes.
type volume struct {
	panes [volumePanes]struct {
		number         int64 // of the pane since 1970
		queries, bytes uint64
	}
	evidence lengths
}

// lengths is the strongest that there was of a pair.
type lengths struct {
	queries, bytes uint64
	nats           float64
	byVolume       bool
	outside        bool
	factor         float64 // of the thresholds
	first, last    time.Time
	sampling       uint32
}

func (l *lengths) mean() float64 { return float64(l.bytes) / float64(max(l.queries, 1)) }

// exported counts a conversation with port 53 that an exporter told of.
func (d *detector) exported(f *weir.Flow) {
	if f.Proto != weir.UDP && f.Proto != weir.TCP || f.PacketsUp == 0 || f.Direction == weir.Inbound {
		return
	}
	if f.Answered() {
		d.servers.Touch(f.Dst, f.Start)
	}
	if d.askers.Has(f.Src, f.Start) {
		return // its questions are seen, and say more
	}
	k := pair{f.Src, f.Dst}
	v, _ := d.volumes.Touch(k, f.End)
	now := f.End.UnixNano() / int64(volumeOver/volumePanes)
	p := &v.panes[uint64(now)%volumePanes]
	if p.number != now {
		p.number, p.queries, p.bytes = now, 0, 0
	}
	if f.Proto == weir.UDP { // a packet of TCP is no question
		p.queries += f.PacketsUp
	}
	p.bytes += f.BytesUp
	e := lengths{first: f.First(), last: f.End, outside: f.Direction == weir.Outbound, factor: 1, sampling: f.Sampling}
	for i := range v.panes {
		if p := &v.panes[i]; now-p.number < volumePanes {
			e.queries, e.bytes = e.queries+p.queries, e.bytes+p.bytes
		}
	}
	if !v.evidence.first.IsZero() && f.End.Sub(v.evidence.first) < volumeOver {
		e.first = v.evidence.first
	}
	if e.weigh(d.servers.Get(f.Src, f.Start) != nil); e.nats > v.evidence.nats || e.first != v.evidence.first {
		v.evidence = e
	}
	if e.nats > 0 {
		d.peaks.Offer(k, f.End, float64(e.bytes), false, e)
	}
}

// weigh judges the hour; of a host that others ask, it is even at twice as much.
func (l *lengths) weigh(resolver bool) {
	if resolver {
		l.factor = resolverFactor
	}
	if l.queries >= uint64(leastAsked*l.factor) {
		l.nats = perLength * math.Log(l.mean()/(longQuery*l.factor))
	}
	if l.outside {
		if v := perVolume * math.Log(float64(l.bytes)/(outsideUp*l.factor)); v > l.nats {
			l.nats, l.byVolume = v, true
		}
	}
	l.nats = detect.Clamp(l.nats, -mostNats, mostNats)
}

// byLength tells what flows alone show of a pair.
func (d *detector) byLength(k pair, l *lengths) {
	score := &detect.Score{}
	if l.byVolume {
		score.Add("volume", l.nats, "%s to a server outside in an hour, even at %s", detect.Volume(l.bytes), detect.Volume(outsideUp*l.factor))
	} else {
		score.Add("long questions", l.nats, "%.0f octets a question, even at %.0f", l.mean(), longQuery*l.factor)
	}
	against := []string{"nothing was seen of the names: long questions may be those of a resolver that validates, or of another service on port 53"}
	if l.factor > 1 {
		against = append(against, "it answers others: the thresholds are doubled")
	}
	couldNotCheck := []string{"names, types and answers: the flows come from an exporter, which tells none; the score stays below 0.8 for that"}
	if l.sampling > 1 {
		couldNotCheck = append(couldNotCheck, fmt.Sprintf("numbers: 1 packet in %d was seen, they are estimates", l.sampling))
	}
	f := weir.Finding{
		Time: l.last, First: l.first, Last: l.last, Severity: detect.Severity(score.Value(), weir.High),
		Src: k.client, Dst: k.server, DstPort: dnsPort, Key: fmt.Sprintf("%v %v", k.client, k.server),
		Summary: fmt.Sprintf("%v sent %d questions of %.0f octets on average to %v, %s within %s; what they ask for was not seen",
			k.client, l.queries, l.mean(), k.server, detect.Volume(l.bytes), detect.Span(l.last.Sub(l.first))),
		Checks: []weir.Check{
			{ID: "queries", Label: "many questions", Pass: l.queries >= uint64(leastAsked*l.factor), Value: float64(l.queries), Unit: "questions",
				Op: ">=", Threshold: leastAsked * l.factor, Text: fmt.Sprintf("%d packets in an hour", l.queries)},
			{ID: "question_bytes", Label: "long questions", Pass: l.mean() >= longQuery*l.factor, Value: l.mean(), Unit: "bytes",
				Op: ">=", Threshold: longQuery * l.factor, Text: fmt.Sprintf("%.0f octets with the IP header", l.mean())},
			{ID: "volume", Label: "much to a server outside", Pass: l.outside && float64(l.bytes) >= outsideUp*l.factor, Value: float64(l.bytes), Unit: "bytes",
				Op: ">=", Threshold: outsideUp * l.factor, Text: detect.Volume(l.bytes) + " in an hour"},
		},
		Terms: score.Terms, Against: against, CouldNotCheck: couldNotCheck,
		Query: fmt.Sprintf("from conn %s src.ip = %v and dst.ip = %v and dst.port = 53 | stats queries = sum(pkts.up), up = sum(bytes.up)",
			detect.Since(l.first, l.last), k.client, k.server),
	}
	f.Certainty = detect.Certainty(score.Value(), f.Checks)
	d.report(f)
}
