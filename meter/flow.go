package meter

import (
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/packet"
	"github.com/weir-nta/weir/decode/tunnel"
)

// A flow is a conversation that has not ended yet. What every packet touches
// comes first, in as few cache lines as it can: slabs are aligned to them.
type flow struct {
	key   packet.Key
	last  int64 // time of the latest packet
	start int64 // time of the first packet of the slice
	fixed int64 // when it ends whatever comes, 0: when it has been idle

	s [2]side // by end, not by role: roles may be swapped

	hash       uint32
	prev, next uint32 // neighbours in the slot of the wheel, or in the free list
	slot       int16  // of the wheel; noSlot while in none
	orig       uint8  // the end that began: 0 for key.A, 1 for key.B
	kind       kind   // what the heads have shown so far
	tries      uint8  // datagrams shown to the recognisers
	partial    bool   // TCP: the beginning was not seen (Zeek's is_partial)
	seen       uint8  // TCP: ends that have sent a packet, one bit each
	flipped    bool   // the originator was guessed to be the other end
	spoke      uint8  // TCP: the end whose data came first
	anew       uint8  // times that it has changed to another protocol
	handshake  handshake
	shaping    bool // f.shape is not complete yet
	icmp       weir.ICMP
	history    history

	born   int64 // time of the first packet
	rest   [2]rest
	rtts   [2]uint32 // microseconds from the sensor to each end and back, 0: unknown, or none
	slices uint32

	oldest, newest uint32 // DNS queries that wait for a response
	queries        int32  // how many

	media   [2]tunnel.RTP // UDP: what the datagrams of each end look like
	vlan    uint16
	tunnel  packet.Tunnel
	app     string
	tls     *weir.TLS
	http    *weir.HTTP
	shape   *shape
	reading *reading // of isRead
}

const noSlot = -1

// A side is one end of a flow: one cache line. The first three count what
// belongs to the slice. The others are what it has told of the state of its
// connection. Sequence numbers relative to the first one count the SYN as octet
// 0, so that data begins at 1, also where the SYN was not seen.
type side struct {
	packets, bytes, data uint64

	front uint64 // everything before has come or is known to be missing, relative
	fin   uint64 // behind the FIN, relative

	first, last, ack    uint32 // first and latest number sent, latest one acknowledged by the peer
	lastWraps, ackWraps uint16 // how often these have gone past 2^32
	phase, before       tcpPhase
	flags               weir.TCPFlags // all it has sent
	ttl                 uint8         // of its first packet
	closed              bool          // its end was taken note of
	sentFIN             bool
	holey               bool // rest.holes has some
	done                bool // no more of the stream is wanted
}

// A rest is what most packets of an end do not touch.
type rest struct {
	holes   *holes // what has come beyond side.front
	head    *head  // what has come of the stream, while it is wanted
	options string // of its SYN
	base    uint64 // where the head begins, in relative sequence numbers
	shown   uint32 // octets from there on that the readers have seen and left
	stamp   uint32 // the latest timestamp sent in order (RFC 7323), while the stream is wanted

	lastSYN, lastF, lastR uint32 // numbers of those in the history, relative
	again, zero, gap      uint32 // retransmissions, zero windows and gaps so far
	retrans               uint32 // retransmissions of the slice

	window, mss uint16 // of its SYN
	scale       uint8
	reads       uint8      // times that it was shown to the readers in vain
	mac         packet.MAC // in the first packet
}

// A kind says what the heads of a conversation have shown it to be.
type kind uint8

const (
	unknown  kind = iota // nothing yet
	isTLS                // TLS; a side that is not done is still read
	isDNS                // DNS, all of whose messages are read
	isRead               // something that flow.reading reads
	isOther              // something else that was recognised
	isSilent             // nothing that anybody recognised
)

// A history is Zeek's: the letters of the events in their order, upper case
// for the originator.
type history struct {
	seen    uint32 // bits of the events that happened, the responder's shifted by 16
	letters [maxHistory]byte
	n       uint8
}

// maxHistory is how many letters are kept. An ordinary connection has 8; only
// SYN, FIN and RST with ever new sequence numbers make more than 40.
const maxHistory = 48

// The events of which a history tells only the first, per direction.
const (
	sawSYN uint32 = 1 << iota
	sawFIN
	sawRST
	sawData
	sawACK
	sawMulti
	sawFINRST
)

// ended, early, cut: why a record is made.
type reason uint8

const (
	ended  reason = iota // the conversation is over
	early                // it had to make room
	cut                  // it goes on in the next slice
	closed               // the input is at its end
)

func (m *Meter) flow(i uint32) *flow { return &m.slabs[i/slabFlows][i%slabFlows] }

// slabFlows is how many flows are allocated together.
const slabFlows = 512

// newFlow returns an empty flow and its number.
func (m *Meter) newFlow() (uint32, *flow) {
	if m.free == 0 {
		m.slabs = append(m.slabs, make([]flow, slabFlows))
		first := uint32(len(m.slabs)-1) * slabFlows
		for i := uint32(slabFlows); i > 0; i-- {
			if n := first + i - 1; n != 0 { // 0 stands for none
				m.flow(n).next = m.free
				m.free = n
			}
		}
	}
	i := m.free
	f := m.flow(i)
	m.free = f.next
	f.next = 0
	return i, f
}

// open begins a flow with its first packet.
func (m *Meter) open(k *packet.Key, hash uint32, end uint8, ts int64, p *packet.Packet) (uint32, *flow) {
	if m.table.Len() >= m.config.MaxFlows {
		m.evict()
	}
	i, f := m.newFlow()
	f.key, f.hash, f.orig, f.slot = *k, hash, end, noSlot
	f.born, f.start, f.last = ts, ts, ts
	f.vlan, f.tunnel = p.VLAN, p.Tunnel
	f.rest[end].mac, f.rest[end^1].mac = p.SrcMAC, p.DstMAC
	f.shaping = m.config.Shapes
	if p.Proto == weir.ICMPv4 || p.Proto == weir.ICMPv6 {
		f.icmp = weir.ICMP{Type: p.ICMPType, Code: p.ICMPCode}
	}
	if flipped(p) {
		f.flip(m)
	}
	m.meet(f)
	m.count.Flows++
	m.table.Add(hash, i)
	return i, f
}

// flip swaps originator and responder.
func (f *flow) flip(m *Meter) {
	f.orig ^= 1
	f.flipped = true
	m.letter(f, '^')
}

// idle returns how long a flow may be silent.
func (m *Meter) idle(f *flow) int64 {
	switch f.key.Proto {
	case weir.TCP:
		return int64(m.config.TCPIdle)
	case weir.ICMPv4, weir.ICMPv6:
		return int64(m.config.ICMPIdle)
	default:
		return int64(m.config.UDPIdle)
	}
}

// deadline returns when f will end if nothing more comes.
func (m *Meter) deadline(f *flow) int64 {
	if f.fixed != 0 {
		return f.fixed
	}
	return f.last + m.idle(f)
}

// end reports a flow and forgets it.
func (m *Meter) end(i uint32, f *flow, why reason) {
	if f.slot != noSlot {
		m.unschedule(f)
	}
	m.loseQueries(f)
	m.showHeld(f, 0, f.last)
	m.showHeld(f, 1, f.last)
	m.lastWord(f)
	m.closeReader(f)
	m.record(f, why)
	for e := range f.s {
		m.release(f, uint8(e))
		m.releaseHoles(f, uint8(e))
	}
	m.releaseShape(f)
	m.table.Remove(f.hash, i)
	*f = flow{next: m.free}
	m.free = i
}

// cut reports what f has sent since the last slice and begins the next one.
func (m *Meter) cut(f *flow, ts int64) {
	m.record(f, cut)
	m.count.Slices++
	f.slices++
	f.start = ts
	for e := range f.s {
		s := &f.s[e]
		s.packets, s.bytes, s.data = 0, 0, 0
		f.rest[e].retrans = 0
	}
}

// record adds a record of f to the batch.
func (m *Meter) record(f *flow, why reason) {
	up, down := &f.s[f.orig], &f.s[f.orig^1]
	r := m.nextFlow()
	r.Start, r.End = timeOf(f.start), timeOf(f.last)
	r.Duration = r.End.Sub(timeOf(f.born))
	r.Slice = f.slices
	r.Ongoing = why == cut || why == early || why == closed && !f.over()
	r.Sensor = m.config.Sensor
	m.endpoints(f, r)
	r.Proto = f.key.Proto
	if r.Proto == weir.ICMPv4 || r.Proto == weir.ICMPv6 {
		r.ICMP = &weir.ICMP{Type: f.icmp.Type, Code: f.icmp.Code}
	}
	r.State = f.state()
	r.History = m.histories.text(f.history.letters[:f.history.n])
	r.BytesUp, r.PacketsUp, r.DataUp, r.FlagsUp = up.bytes, up.packets, up.data, up.flags
	r.BytesDown, r.PacketsDown, r.DataDown, r.FlagsDown = down.bytes, down.packets, down.data, down.flags
	r.VLAN, r.Tunnel = f.vlan, f.tunnel.String()
	r.SrcMAC, r.DstMAC = m.macs.text(f.rest[f.orig].mac), m.macs.text(f.rest[f.orig^1].mac)
	r.TTLUp, r.TTLDown = up.ttl, down.ttl
	if f.key.Proto == weir.TCP {
		r.TCP = m.tcpHead(f)
	}
	r.Shape = m.shapeRecord(f)
	r.App = f.app
	if r.App == "tls" && tunnel.IsTor(f.tls) {
		r.App = "tor"
	}
	r.TLS, r.HTTP = f.tls, f.http
	if why == cut {
		r.TLS, r.HTTP = shared(f.tls), shared(f.http) // the meter goes on writing to its own
	}
	if r.App == "" {
		r.App = guess(f, r)
		r.AppGuessed = r.App != ""
	}
	m.count.Records++
	if f.last < m.through {
		m.count.LateRecords++
	}
}

func shared[T any](v *T) *T {
	if v == nil {
		return nil
	}
	c := *v
	return &c
}

// endpoints sets addresses and ports. Those of ICMP are no ports.
func (m *Meter) endpoints(f *flow, r *weir.Flow) {
	k := &f.key
	r.Src, r.Dst, r.SrcPort, r.DstPort = k.A.Netip(), k.B.Netip(), k.APort, k.BPort
	if f.orig == 1 {
		r.Src, r.Dst, r.SrcPort, r.DstPort = r.Dst, r.Src, r.DstPort, r.SrcPort
	}
	if k.Proto == weir.ICMPv4 || k.Proto == weir.ICMPv6 {
		r.SrcPort, r.DstPort = 0, 0
	}
}

// over reports whether the conversation has ended by what it said itself.
func (f *flow) over() bool {
	return f.key.Proto == weir.TCP && f.fixed != 0 && (f.s[0].closed || f.s[1].closed)
}

// state returns Zeek's conn_state.
func (f *flow) state() weir.State {
	up, down := &f.s[f.orig], &f.s[f.orig^1]
	switch {
	case f.key.Proto == weir.TCP:
		return tcpState(up, down, f.history.letters[:f.history.n])
	case f.key.Proto != weir.UDP:
		return weir.StateOTH
	case !f.sentUDP(f.orig):
		return weir.StateSHR
	case !f.sentUDP(f.orig ^ 1):
		return weir.StateS0
	default:
		return weir.StateSF
	}
}

// sentUDP reports whether an end has ever sent anything. Its counters are
// those of the slice, so the history knows.
func (f *flow) sentUDP(end uint8) bool { return f.history.seen&f.bit(sawData, end) != 0 }

// bit moves the bit of an event to where it stands for that end.
func (f *flow) bit(event uint32, end uint8) uint32 {
	if end != f.orig {
		return event << 16
	}
	return event
}

// mark notes an event: it returns false and adds the letter the first time.
func (m *Meter) mark(f *flow, end uint8, event uint32, letter byte) bool {
	bit := f.bit(event, end)
	if f.history.seen&bit != 0 {
		return true
	}
	f.history.seen |= bit
	m.letterOf(f, end, letter)
	return false
}

// letterOf adds a letter in the case of that end.
func (m *Meter) letterOf(f *flow, end uint8, letter byte) {
	if end != f.orig {
		letter |= 0x20
	}
	m.letter(f, letter)
}

func (m *Meter) letter(f *flow, letter byte) {
	h := &f.history
	if h.n == maxHistory {
		m.count.HistoriesCut++
		return
	}
	h.letters[h.n] = letter
	h.n++
}

// timeOf returns a time in UTC, in microseconds as records have them.
func timeOf(ns int64) time.Time { return time.UnixMicro(ns / 1000).UTC() }
