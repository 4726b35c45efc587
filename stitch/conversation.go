package stitch

import (
	"math"
	"math/bits"
	"net/netip"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/flowrec"
	"github.com/weir-nta/weir/decode/packet"
)

// A conversation is what records of one key have told, as long as more may
// come. Times are in microseconds since 1970; all but touched and heard are
// those of the records.
type conversation struct {
	key  packet.Key
	hash uint32

	sides   [2]side // by end of the key
	born    int64   // the first packet
	start   int64   // the first packet of what is not emitted yet
	last    int64   // the latest packet
	longest int64   // the time that the longest record told of
	// touched is when its latest record arrived.
	touched int64

	// exporters are those that told of it, in the order in which they did.
	exporters [maxExporters]*Exporter
	moreBytes int32
	pending   uint32 // records not emitted yet
	slices    uint32 // flows emitted
	sampling  uint32
	icmp      weir.ICMP

	from            uint8 // the end that sent the first record
	orig            uint8 // the end that began, once decided
	told            uint8 // 1 + the end that began by an exporter's word, 0: none
	decided         bool
	guessed         bool // orig is a guess
	hasFlags        bool // a record told TCP flags
	goesOn          bool // the exporter says, or it looks, as if it cut the latest record
	ended           bool // an exporter says that it saw the end
	samplingUnknown bool
}

// maxExporters is how many exporters of one conversation are told apart and
// named. Of more the counters still are not used twice.
const maxExporters = 4

// A side is one direction of a conversation. The first three count what is not
// emitted yet.
type side struct {
	bytes, packets, data uint64

	first, last int64 // packets
	from        int64 // the first packet of its latest record
	syn         int64 // when it sent SYN, 0: that was not told
	heard       int64 // when the exporter whose counters are used last told of it
	flags       weir.TCPFlags
	owner       uint8 // 1 + index of that exporter, 0: the direction was not told
	observed    flowrec.Observed
	sent        bool // it has ever sent a packet

	reason         flowrec.EndReason
	tos            uint8
	vlan           uint16
	srcMAC, dstMAC flowrec.MAC
	inIf, outIf    uint32
	srcAS, dstAS   uint32
	domain         uint32
	next           netip.Addr
	more           *flowrec.More
}

func (d *side) told() bool { return d.owner != 0 }

// keyOf returns the key of r, and which end of it is Src.
//
// Neither domain nor VLAN nor routing instance is part of it: the two
// directions of a conversation often differ in them, as on the line cards of a
// router or where routes leak from one instance to another, and a conversation
// told by several exporters is to be found by all. Sites that use the same
// addresses with the same ports at the same time are taken for one.
func keyOf(r *flowrec.Record) (k packet.Key, end uint8) {
	k = packet.Key{A: packet.AddrFrom(r.Src), B: packet.AddrFrom(r.Dst), APort: r.SrcPort, BPort: r.DstPort, Proto: r.Proto}
	if k.Proto == weir.ICMPv4 || k.Proto == weir.ICMPv6 {
		// Exporters do not tell the identifier: the pings of one host to another
		// are one conversation. Without types, so is all their ICMP.
		k.APort, k.BPort = 0, 0
		if r.HasICMP {
			k.APort, k.BPort, k.OneWay = packet.ICMPPorts(r.Proto, r.ICMPType, r.ICMPCode)
		}
	}
	return k, k.Order()
}

// A verdict is what becomes of the counters of one direction of a record.
type verdict uint8

const (
	count     verdict = iota // they are added
	duplicate                // another exporter's are used
	mirrored                 // those of the exporter's other side are used
)

// handshake is how far apart the clocks of two exporters may be, and how late
// an answer to a SYN, without being taken for another connection.
const handshake = 5e6

// fits returns how far r lies from c in time, 0 where they overlap; false if it
// tells of another conversation on the same ports.
func (s *Stitcher) fits(c *conversation, end uint8, r *span, x *Exporter) (distance int64, ok bool) {
	own, other := &c.sides[end], &c.sides[end^1]
	tolerance := int64(0)
	if own.told() && (c.exporters[own.owner-1] != x || own.observed != r.observed) {
		tolerance = handshake
	}
	switch {
	case r.syn && own.told() && r.start > own.last+tolerance:
		return 0, false // a new SYN
	case own.syn != 0 && r.end < own.syn-handshake:
		return 0, false // before the SYN of this one
	case r.start > c.last:
		distance = r.start - c.last
		if r.syn && !own.told() && distance > handshake {
			return 0, false
		}
	case r.end < c.born:
		distance = c.born - r.end
		if other.syn != 0 && !own.told() && distance > handshake {
			return 0, false
		}
	}
	return distance, distance <= s.gap(c, x)
}

// gap returns how long c may be silent and still be the same conversation:
// after a cut at the exporter's active timeout the next packet may be that
// much later where it tells only busy stretches. TCP that tells its flags and
// goes on without a SYN has a pause, as long as the meter would think so.
func (s *Stitcher) gap(c *conversation, x *Exporter) int64 {
	if c.key.Proto != weir.TCP {
		return s.config.Gap.Microseconds()
	}
	gap := s.activeOf(x)
	if c.hasFlags {
		gap = max(gap, s.config.Active.Microseconds())
	}
	return gap + handshake
}

// A span is what a record says of when it was, cleaned.
type span struct {
	start, end int64
	syn        bool
	observed   flowrec.Observed
}

// maxMicros is the year 2116: times beyond it would overflow sums.
const maxMicros = 1 << 62 / 1000

func spanOf(r *flowrec.Record) span {
	start, end := min(max(r.Start, 0), maxMicros), min(max(r.End, 0), maxMicros)
	switch {
	case start == 0:
		start = end
	case end == 0:
		end = start
	case end < start:
		start, end = end, start
	}
	return span{start, end, r.Proto == weir.TCP && r.HasFlags && r.Flags&weir.SYN != 0, r.Observed}
}

// judge returns what becomes of the counters that x tells of a direction: those
// of the first exporter are used, of its first side, until it falls silent.
func (s *Stitcher) judge(c *conversation, d *side, r *span, x *Exporter) verdict {
	if !d.told() {
		return count
	}
	owner := c.exporters[d.owner-1]
	sameSide := d.observed == r.observed || d.observed == flowrec.Anywhere || r.observed == flowrec.Anywhere
	if owner == x && sameSide {
		return count
	}
	if r.start > d.last && s.clock-d.heard > s.activeOf(owner)+s.config.Wait.Microseconds() {
		s.count.Switched++
		return count
	}
	if owner == x {
		return mirrored
	}
	return duplicate
}

// index returns the place of x among the exporters of c, where it is put if it
// is not there. The last place is taken over if all are in use by others.
func (c *conversation) index(x *Exporter) uint8 {
	for i, y := range c.exporters {
		if y == x {
			return uint8(i)
		}
		if y == nil {
			c.exporters[i] = x
			return uint8(i)
		}
	}
	for i := uint8(maxExporters - 1); ; i-- {
		if c.sides[0].owner != i+1 && c.sides[1].owner != i+1 {
			c.exporters[i] = x // two sides cannot use all four
			return i
		}
	}
}

// A tally is what a record counted of one direction.
type tally struct {
	bytes, packets, data uint64
	hasData              bool
	flags                weir.TCPFlags
}

// add counts t as of end.
func (s *Stitcher) add(c *conversation, end uint8, t *tally, r *flowrec.Record, sp *span, x *Exporter) {
	d := &c.sides[end]
	n := uint64(max(r.Sampling, 1))
	data := t.data
	if !t.hasData {
		data = payload(&c.key, t, r.HasFlags)
	}
	d.bytes = sum(d.bytes, times(t.bytes, n))
	d.packets = sum(d.packets, times(t.packets, n))
	d.data = sum(d.data, times(data, n))
	place := c.index(x)
	if !d.sent && (t.packets > 0 || t.bytes > 0) {
		d.sent = true
		if c.sides[end^1].sent {
			c.paired()
		}
	}
	if !d.told() {
		d.first, d.last = sp.start, sp.end
	} else {
		d.first, d.last = min(d.first, sp.start), max(d.last, sp.end)
	}
	d.from = sp.start
	d.owner, d.observed, d.heard = place+1, sp.observed, s.clock
}

// payload returns a lower bound of the octets of payload in what was counted,
// for exporters that do not tell it: for UDP it is exact but for options and
// padding; for TCP all headers are taken to carry time stamps, and only PSH or
// packets of some size show that there was any.
func payload(k *packet.Key, t *tally, hasFlags bool) uint64 {
	header := uint64(40)
	if k.A.Is4() {
		header = 20
	}
	least := uint64(0)
	switch k.Proto {
	case weir.UDP, weir.ICMPv4, weir.ICMPv6:
		header += 8
	case weir.TCP:
		header += 32
		if hasFlags && t.flags&weir.PSH != 0 {
			least = 1
		} else if t.bytes <= times(t.packets, 100) {
			return 0
		}
	}
	headers := times(t.packets, header)
	if k.Proto == weir.TCP && t.flags&weir.SYN != 0 {
		headers = sum(headers, 8)
	}
	if t.bytes <= headers {
		return least
	}
	return t.bytes - headers
}

// sum and times stop at the largest number.
func sum(a, b uint64) uint64 {
	if s, carry := bits.Add64(a, b, 0); carry == 0 {
		return s
	}
	return math.MaxUint64
}

func times(a, b uint64) uint64 {
	if hi, lo := bits.Mul64(a, b); hi == 0 {
		return lo
	}
	return math.MaxUint64
}

// learn takes from r what holds for the conversation as a whole, be its
// counters used or not.
func (s *Stitcher) learn(c *conversation, end uint8, r *flowrec.Record, sp *span, x *Exporter) {
	c.index(x)
	d := &c.sides[end]
	if r.HasFlags {
		c.hasFlags = true
		d.learnFlags(r.Flags, sp)
		c.sides[end^1].learnFlags(r.RevFlags, sp)
	}
	switch r.Initiator {
	case flowrec.SrcBegan:
		c.told = 1 + end
	case flowrec.DstBegan:
		c.told = 1 + (end ^ 1)
	}
	if r.Reason == flowrec.End {
		c.ended = true
	}
	if r.Sampling > 1 {
		c.sampling = max(c.sampling, r.Sampling)
	}
	c.samplingUnknown = c.samplingUnknown || r.SamplingUnknown
	s.learnMore(c, d, r.More)
}

func (d *side) learnFlags(flags weir.TCPFlags, sp *span) {
	d.flags |= flags
	if flags&weir.SYN != 0 && (d.syn == 0 || sp.start < d.syn) {
		d.syn = sp.start
	}
}

// paired tells the exporters of c that both directions of it were told.
func (c *conversation) paired() {
	for _, x := range c.exporters {
		if x != nil {
			x.learnPair()
		}
	}
}

// way keeps the way through the device, of the records whose counters are used.
func (d *side) way(r *flowrec.Record) {
	d.reason = r.Reason
	if d.inIf|d.outIf == 0 {
		d.inIf, d.outIf = r.InIf, r.OutIf
	}
	if d.srcAS|d.dstAS == 0 {
		d.srcAS, d.dstAS = r.SrcAS, r.DstAS
	}
	if d.srcMAC == (flowrec.MAC{}) {
		d.srcMAC, d.dstMAC = r.SrcMAC, r.DstMAC
	}
	if d.domain == 0 {
		d.domain = r.Domain
	}
	if d.vlan == 0 {
		d.vlan = r.VLAN
	}
	if d.tos == 0 {
		d.tos = r.TOS
	}
	if !d.next.IsValid() {
		d.next = r.Next
	}
}

// over reports whether c has ended by what it, or its exporter, said.
func (c *conversation) over() bool {
	if c.ended {
		return true
	}
	if c.key.Proto != weir.TCP {
		return false
	}
	a, b := c.sides[0].flags, c.sides[1].flags
	return a&b&weir.FIN != 0 || (a|b)&weir.RST != 0
}

// attempt reports whether c is TCP in which one direction only was told, and
// never an ACK: nobody answered, or an answer would have been acknowledged.
func (c *conversation) attempt() bool {
	return c.key.Proto == weir.TCP && c.hasFlags && !c.both() && (c.sides[0].flags|c.sides[1].flags)&weir.ACK == 0
}

// both reports whether both directions were told.
func (c *conversation) both() bool { return c.sides[0].told() && c.sides[1].told() }
