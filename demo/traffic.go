package demo

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/weir-nta/weir"
)

// A generator makes the records of one day after another.
type generator struct {
	rng      *rand.Rand
	flows    []weir.Flow
	dns      []weir.DNSTransaction
	services []weir.Record // what applications told, besides
	known    map[handshakeKey]*handshake
	ports    map[netip.Addr]uint16 // how many each host has used on this day

	// talks, if keep is set, are the conversations behind the flows that were
	// told in one record each: what packets can be made of.
	keep  bool
	talks []talk
}

func newGenerator() *generator { return &generator{known: map[handshakeKey]*handshake{}} }

// A talk is a conversation before anybody has metered it.
type talk struct {
	start      time.Time
	dur        time.Duration
	src, dst   netip.Addr
	srcPort    uint16 // 0 stands for one of the ephemeral ports
	port       uint16
	app        string
	up, down   int // octets of payload
	chunk      int // payload of a segment, 0 for full ones
	sensor     string
	from, to   system // where src and dst are announced, if outside
	client     *client
	server     *server
	sni        string
	unanswered bool // TCP and UDP: nothing comes back
	refused    bool // TCP: a reset comes back
	deaf       bool // TCP: the sensor hears the originator alone
	proto      weir.Proto
	datagrams  int // UDP: how many each way
}

const (
	// ipHeader is that of IPv4 without options.
	ipHeader  = 20
	udpHeader = 8
	// tcpHeader has the timestamps in it (RFC 7323), synHeader the segment
	// size, the window scale and the permission of selective acknowledgement
	// as well.
	tcpHeader = 32
	synHeader = 40
	// segment is the payload of a full TCP segment: 1,500 octets without headers.
	segment = 1500 - ipHeader - tcpHeader
	// activeTimeout is after which time the meters of the office report a
	// conversation that goes on.
	activeTimeout = 30 * time.Minute
)

// A turn is what one side says before the other one answers.
type turn struct {
	up   bool
	n    int // octets of payload
	size int // of a segment
}

func (t turn) segments() int {
	if t.n == 0 {
		return 0
	}
	return (t.n + t.size - 1) / t.size
}

// turns returns what is said in t, turn by turn; hs is its TLS handshake, nil
// if there is none. It enlarges t's payload to what the handshake takes.
func (t *talk) turns(hs *handshake) [6]turn {
	size := segment
	if t.chunk > 0 {
		size = t.chunk
	}
	if hs == nil {
		return [6]turn{{true, t.up, size}, {false, t.down, size}}
	}
	up, down := hs.hello+hs.clientEnd, hs.flight+hs.serverEnd
	t.up, t.down = max(t.up, up+minRecord), max(t.down, down+minRecord)
	return [6]turn{
		{true, hs.hello, segment}, {false, hs.flight, segment}, {true, hs.clientEnd, segment}, {false, hs.serverEnd, segment},
		{true, t.up - up, size}, {false, t.down - down, size},
	}
}

// tcp adds the flow of an established or attempted TCP connection.
func (g *generator) tcp(t talk) {
	t.proto = weir.TCP
	g.prepare(&t)
	f := g.flow(&t)
	switch {
	case t.deaf:
		f.PacketsUp, f.DataUp = 5, uint64(t.up)
		f.BytesUp = f.DataUp + (ipHeader+synHeader)*1 + (ipHeader+tcpHeader)*4
		f.State, f.History, f.FlagsUp = weir.StateS0, "SAD", weir.SYN|weir.ACK|weir.PSH
	case t.unanswered:
		f.PacketsUp, f.BytesUp = 1, ipHeader+synHeader
		f.State, f.History, f.FlagsUp = weir.StateS0, "S", weir.SYN
	case t.refused:
		f.PacketsUp, f.BytesUp = 1, ipHeader+synHeader
		f.PacketsDown, f.BytesDown = 1, ipHeader+20 // a bare reset has no options
		f.State, f.History, f.FlagsUp, f.FlagsDown = weir.StateREJ, "Sr", weir.SYN, weir.RST|weir.ACK
	default:
		g.established(f, &t)
	}
	g.add(f, &t)
}

func (g *generator) established(f *weir.Flow, t *talk) {
	var hs *handshake
	if t.client != nil {
		hs = g.handshake(t.client, t.server, t.sni)
		facts := hs.facts
		f.TLS = &facts
	}
	var up, down int
	history := "ShA"
	for _, turn := range t.turns(hs) {
		n, count := turn.segments(), &down
		if turn.up {
			count = &up
		}
		if n > 0 && *count == 0 {
			history += side(turn.up, "D", "d")
		}
		if turn.up && up < ackEvery && up+n >= ackEvery {
			history += "a"
		}
		*count += n
	}
	f.DataUp, f.DataDown = uint64(t.up), uint64(t.down)
	// SYN, ACK, FIN and the ACK of the other's FIN; SYN-ACK and FIN.
	f.PacketsUp, f.PacketsDown = uint64(4+up+down/ackEvery), uint64(2+down+up/ackEvery)
	f.BytesUp = f.DataUp + ipHeader + synHeader + (f.PacketsUp-1)*(ipHeader+tcpHeader)
	f.BytesDown = f.DataDown + ipHeader + synHeader + (f.PacketsDown-1)*(ipHeader+tcpHeader)
	f.State, f.History = weir.StateSF, history+"Ff"
	f.FlagsUp, f.FlagsDown = weir.SYN|weir.ACK|weir.PSH|weir.FIN, weir.SYN|weir.ACK|weir.PSH|weir.FIN
}

// ackEvery is how many segments are acknowledged at once (RFC 9293, 3.8.6.3).
const ackEvery = 2

func side[T any](up bool, a, b T) T {
	if up {
		return a
	}
	return b
}

// udp adds the flow of n datagrams each way, none back if t.unanswered; the
// payload is spread over them.
func (g *generator) udp(t talk, n int) {
	t.proto, t.datagrams = weir.UDP, n
	g.prepare(&t)
	f := g.flow(&t)
	f.PacketsUp, f.DataUp = uint64(n), uint64(t.up)
	f.BytesUp = f.DataUp + f.PacketsUp*(ipHeader+udpHeader)
	f.State, f.History = weir.StateS0, "D"
	if !t.unanswered {
		f.PacketsDown, f.DataDown = uint64(n), uint64(t.down)
		f.BytesDown = f.DataDown + f.PacketsDown*(ipHeader+udpHeader)
		f.State, f.History = weir.StateSF, "Dd"
	}
	g.add(f, &t)
}

// ping adds the flow of an ICMP echo and its reply with size octets of payload each.
func (g *generator) ping(t talk, size int) {
	t.proto, t.up, t.down = weir.ICMPv4, size, size
	g.prepare(&t)
	f := g.flow(&t)
	f.SrcPort, f.DstPort, f.ICMP = 0, 0, &weir.ICMP{Type: 8}
	f.PacketsUp, f.PacketsDown = 1, 1
	f.DataUp, f.DataDown = uint64(size), uint64(size)
	f.BytesUp = f.DataUp + ipHeader + 8
	f.BytesDown = f.BytesUp
	f.State = weir.StateSF
	g.add(f, &t)
}

func (g *generator) prepare(t *talk) {
	if t.srcPort == 0 {
		t.srcPort = g.port(t.src)
	}
	if t.sensor == "" {
		t.sensor = "core-1"
	}
	t.start = t.start.Truncate(time.Microsecond)
	t.dur = t.dur.Truncate(time.Microsecond)
}

// port returns one of the ephemeral ports of RFC 6335, for a host the next
// after the one before, so that no two conversations of a day share theirs.
func (g *generator) port(host netip.Addr) uint16 {
	const first, count = 49152, 16384
	n := g.ports[host]
	g.ports[host] = n + 1
	return first + (uint16(last(host))*331+n)%count
}

// flow returns a record of t without its counters.
func (g *generator) flow(t *talk) *weir.Flow {
	return &weir.Flow{
		Start: t.start, End: t.start.Add(t.dur), Duration: t.dur, Sensor: t.sensor,
		Src: t.src, Dst: t.dst, SrcPort: t.srcPort, DstPort: t.port, Proto: t.proto,
		App: t.app, AppGuessed: t.app != "" && t.client == nil,
		SrcASN: t.from.number, SrcOrg: t.from.org, SrcCountry: t.from.country,
		DstASN: t.to.number, DstOrg: t.to.org, DstCountry: t.to.country,
	}
}

// add adds f, in slices if it lasted longer than the active timeout.
func (g *generator) add(f *weir.Flow, t *talk) {
	if f.Duration <= activeTimeout {
		g.flows = append(g.flows, *f)
		if g.keep {
			g.talks = append(g.talks, *t)
		}
		return
	}
	n := uint64((f.Duration + activeTimeout - 1) / activeTimeout)
	for i := range n {
		g.flows = append(g.flows, g.slice(f, i, n))
	}
}

// slice returns the i-th of n records of the conversation f. Its counters are
// chosen so that those of all slices add up to those of f.
func (g *generator) slice(f *weir.Flow, i, n uint64) weir.Flow {
	s := *f
	s.Slice, s.Ongoing = uint32(i), i < n-1
	if i > 0 {
		s.Start = f.Start.Add(time.Duration(i)*activeTimeout + g.upTo(5*time.Second))
		s.FlagsUp, s.FlagsDown = s.FlagsUp&^weir.SYN, s.FlagsDown&^weir.SYN
	}
	if s.Ongoing {
		s.End = f.Start.Add(time.Duration(i+1)*activeTimeout - g.upTo(5*time.Second))
		s.Duration = s.End.Sub(f.Start)
		if f.Proto == weir.TCP {
			s.State, s.History = weir.StateS1, f.History[:len(f.History)-len("Ff")]
			s.FlagsUp, s.FlagsDown = s.FlagsUp&^weir.FIN, s.FlagsDown&^weir.FIN
		}
	} else if s.Start.After(s.End) {
		s.Start = s.End
	}
	for _, c := range []*uint64{&s.BytesUp, &s.BytesDown, &s.PacketsUp, &s.PacketsDown, &s.DataUp, &s.DataDown} {
		*c = *c*(i+1)/n - *c*i/n
	}
	if f.TLS != nil {
		facts := *f.TLS
		s.TLS = &facts
	}
	return s
}

// A question is what a DNS client asks and is told.
type question struct {
	time     time.Time
	src, dst netip.Addr
	name     string
	typ      string // A if empty
	code     string // NOERROR if empty
	answers  []string
	ttl      uint32
	rtt      time.Duration // 0 stands for some milliseconds
}

// ask adds the transaction of q.
func (g *generator) ask(q question) {
	d := weir.DNSTransaction{
		Time: q.time.Truncate(time.Microsecond), Sensor: "core-1", Src: q.src, Dst: q.dst,
		SrcPort: g.port(q.src), DstPort: 53, Proto: weir.UDP, App: "dns",
		ID: uint16(g.rng.IntN(1 << 16)), Query: q.name, Type: q.typ, Class: "IN", Code: q.code,
		Answers: q.answers, RTT: q.rtt.Truncate(time.Microsecond),
		RecursionDesired: true, RecursionAvailable: true, EDNSSize: 1232,
	}
	if d.Type == "" {
		d.Type = "A"
	}
	if d.Code == "" {
		d.Code = "NOERROR"
	}
	if d.RTT == 0 {
		d.RTT = time.Millisecond + g.upTo(30*time.Millisecond)
	}
	for range q.answers {
		d.TTLs = append(d.TTLs, q.ttl)
	}
	d.BytesUp, d.BytesDown = messageSizes(&d)
	g.dns = append(g.dns, d)
}

// messageSizes returns how long the messages of d are on the wire: names in
// the answers are pointers to that of the question (RFC 1035, 4.1.4).
func messageSizes(d *weir.DNSTransaction) (query, response uint64) {
	const header, option, record = 12, 11, 12
	query = uint64(header + len(d.Query) + 2 + 4 + option)
	response = query
	for _, a := range d.Answers {
		switch d.Type {
		case "A":
			response += record + 4
		case "AAAA":
			response += record + 16
		case "TXT":
			response += record + uint64(len(a)) + 1
		case "SRV":
			response += record + 6 + uint64(len(srvTarget(a))) + 2
		}
	}
	return query, response
}

// upTo returns a duration of less than d, in whole microseconds.
func (g *generator) upTo(d time.Duration) time.Duration {
	return time.Duration(g.rng.Int64N(int64(d/time.Microsecond))) * time.Microsecond
}

// around returns d, more or less by up to the share given in percent.
func (g *generator) around(d time.Duration, percent int) time.Duration {
	part := d * time.Duration(percent) / 100
	return d - part + g.upTo(2*part)
}

// size returns a length that is spread as those of files are: log-normal,
// with the median given and sigma the standard deviation of its logarithm.
func (g *generator) size(median, sigma float64) int {
	// The conversions keep the compiler from fusing multiplication and
	// addition, which would give other lengths on other processors.
	x := float64(sigma * g.rng.NormFloat64())
	return int(float64(median * math.Exp(min(x, 5))))
}

func pick[T any](g *generator, list []T) T { return list[g.rng.IntN(len(list))] }
