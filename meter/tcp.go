package meter

import (
	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/packet"
)

// How long a TCP connection lingers once it is known to be over, so that
// trailing packets do not open another one (Zeek's tcp_attempt_delay,
// tcp_close_delay and tcp_reset_delay).
const (
	attemptDelay = 5e9   // a SYN that nobody answers
	closeDelay   = 5e9   // after FIN or RST
	resetDelay   = 100e6 // after a RST that follows the sender's own FIN
)

// tooFar is a step of sequence numbers that no SYN, RST or acknowledgment of
// zero is believed.
const tooFar = 1 << 20

// The states of one end of a connection, as Zeek has them.
type tcpPhase uint8

const (
	inactive    tcpPhase = iota
	synSent              // sent a SYN
	synAckSent           // sent a SYN with ACK though it was taken for the originator
	partial              // seen in the middle, without SYN
	established          // handshake complete
	finished             // sent a FIN
	reset                // sent a RST
)

func (e *side) turn(to tcpPhase) {
	if e.phase != to {
		e.before, e.phase = e.phase, to
	}
}

func (e *side) began(seq uint32) {
	e.first, e.ack = seq, seq
	e.lastWraps, e.ackWraps = 0, 0
}

func (e *side) sentUpTo(seq uint32) {
	if seq < e.last {
		e.lastWraps++
	}
	e.last = seq
}

func (e *side) ackedUpTo(seq uint32) {
	if seq < e.ack {
		e.ackWraps++
	}
	e.ack = seq
}

// relative returns seq relative to the first number, given the latest number
// of its kind and how often that has wrapped. False means that it lies before
// the first.
func (e *side) relative(seq, latest uint32, wraps uint16) (uint64, bool) {
	switch delta := int32(seq - latest); {
	case delta < 0 && wraps > 0 && seq > latest:
		wraps--
	case delta > 0 && seq < latest:
		wraps++
	}
	if wraps == 0 {
		delta := int32(seq - e.first)
		return uint64(int64(delta)), delta >= 0
	}
	return uint64(wraps)<<32 + uint64(seq) - uint64(e.first), true
}

// size returns how many octets of data it has sent, by sequence numbers.
func (e *side) size(peer *side) uint64 {
	noneAcked := e.ack == e.first || e.ack == e.first+1
	if e.before == synSent && e.phase == reset && peer.phase == inactive && !noneAcked {
		return 0
	}
	end := max(uint64(e.lastWraps)<<32+uint64(e.last), uint64(e.ackWraps)<<32+uint64(e.ack))
	n := end - uint64(e.first)
	if n > 0 {
		n--
	}
	if e.sentFIN && n > 0 {
		n--
	}
	return n
}

// tcp takes the next packet of a connection. The order of the steps is Zeek's,
// on which conn_state and history depend.
func (m *Meter) tcp(i uint32, f *flow, end uint8, ts int64, p *packet.Packet) {
	e, peer := &f.s[end], &f.s[end^1]
	flags := p.Flags
	e.flags |= flags
	f.notePartial(end, flags)

	length := p.PayloadLen
	next := p.Seq + segmentLen(length, flags)
	if flags&weir.SYN != 0 {
		m.synOptions(f, end, p)
	}
	if f.handshake != measured {
		f.measure(end, ts, flags)
	}
	e.init(flags, p.Seq, next)
	rel, inOrder := e.relative(p.Seq, e.last, e.lastWraps)
	m.noteEvents(f, end, flags, rel, length)
	if p.Window == 0 && flags&weir.RST == 0 && peer.phase != finished && e.phase != reset {
		m.scaled(f, end, 'W', &f.rest[end].zero)
	}
	if flags&weir.FIN != 0 {
		e.sentFIN = true
		e.fin = rel + uint64(segmentLen(length, flags))
	}
	acked := uint64(0)
	if flags&weir.ACK != 0 {
		acked = peer.acknowledged(p.Ack, flags)
	}
	m.noteSent(f, end, next, flags, length)

	m.noteAfterEnd(f, end, ts, flags, rel, p)
	over := f.step(m, end, p)
	if acked != 0 {
		m.missing(f, end^1, acked, ts)
	}
	f.seen |= 1 << end
	if flags&weir.SYN != 0 {
		rel++
	}
	if length > 0 && flags&weir.RST == 0 && inOrder && !m.stale(f, end, rel, ts, p) {
		m.cover(f, end, rel, rel+uint64(length))
		m.stream(f, end, rel, ts, p)
	}
	if over {
		f.close(end, ts)
	}
	m.retime(i, f, end, ts, flags)
}

// segmentLen is how far a segment moves the sequence number. What a RST
// carries is not part of the stream.
func segmentLen(length int, flags weir.TCPFlags) uint32 {
	n := uint32(length)
	if flags&weir.RST != 0 {
		n = 0
	}
	if flags&weir.SYN != 0 {
		n++
	}
	if flags&weir.FIN != 0 {
		n++
	}
	return n
}

// notePartial decides by the first packet of each end whether the beginning
// of the connection was missed.
func (f *flow) notePartial(end uint8, flags weir.TCPFlags) {
	if f.seen>>end&1 != 0 {
		return
	}
	if end == f.orig {
		f.partial = flags&(weir.SYN|weir.ACK) != weir.SYN
	} else if !f.partial {
		f.partial = flags&weir.SYN == 0
	}
}

// init sets the first sequence number by the first packet, or by a SYN that
// makes a new start likely.
func (e *side) init(flags weir.TCPFlags, seq, next uint32) {
	syn := flags&weir.SYN != 0
	switch e.phase {
	case inactive:
		if !syn {
			// As if there had been a SYN before it; and it is not a repetition of itself.
			e.began(seq - 1)
			e.last = seq
			return
		}
	case synSent, synAckSent:
		if !syn || seq == e.first {
			return
		}
	case established, partial:
		if !syn {
			return
		}
	case reset:
		if !syn || e.before != inactive {
			return
		}
	default:
		return
	}
	e.began(seq)
	e.last = next
}

// noteEvents adds to the history what the flags say.
func (m *Meter) noteEvents(f *flow, end uint8, flags weir.TCPFlags, rel uint64, length int) {
	switch flags & (weir.SYN | weir.FIN | weir.RST) {
	case 0:
		if length > 0 {
			m.mark(f, end, sawData, 'D')
		} else if flags&weir.ACK != 0 {
			m.mark(f, end, sawACK, 'A')
		}
	case weir.SYN:
		letter := byte('S')
		if flags&weir.ACK != 0 {
			letter = 'H'
		}
		m.noteControl(f, end, sawSYN, letter, &f.rest[end].lastSYN, uint32(rel))
	case weir.FIN:
		m.noteControl(f, end, sawFIN, 'F', &f.rest[end].lastF, uint32(rel)+uint32(length))
	case weir.RST:
		m.noteControl(f, end, sawRST, 'R', &f.rest[end].lastR, uint32(rel))
	case weir.FIN | weir.RST, weir.FIN | weir.RST | weir.SYN:
		m.mark(f, end, sawFINRST, 'I')
	default:
		m.mark(f, end, sawMulti, 'Q')
	}
}

// noteControl tells a SYN, FIN or RST again if it has another sequence number.
func (m *Meter) noteControl(f *flow, end uint8, event uint32, letter byte, latest *uint32, seq uint32) {
	if m.mark(f, end, event, letter) && seq != *latest {
		m.letterOf(f, end, letter)
	}
	*latest = seq
}

// scaled counts an event and tells the 1st, 10th, 100th … of its kind.
func (m *Meter) scaled(f *flow, end uint8, letter byte, n *uint32) {
	*n++
	next := uint32(1)
	for next < *n && next < 1e9 {
		next *= 10
	}
	if *n == next {
		m.letterOf(f, end, letter)
	}
}

// acknowledged takes an acknowledgment of what e has sent and returns it
// relative; 0 if it means nothing.
func (e *side) acknowledged(ack uint32, flags weir.TCPFlags) uint64 {
	if e.phase == inactive {
		e.began(ack - 1)
		e.last = ack - 1
		return 1
	}
	rel, ok := e.relative(ack, e.ack, e.ackWraps)
	if !ok {
		return 0
	}
	delta := int32(ack - e.ack)
	if flags&weir.RST == 0 && delta > 0 && !(ack == 0 && delta > tooFar) {
		e.ackedUpTo(ack)
	}
	return rel
}

// noteSent moves the latest sequence number, or counts a retransmission.
func (m *Meter) noteSent(f *flow, end uint8, next uint32, flags weir.TCPFlags, length int) {
	e := &f.s[end]
	delta := int32(next - e.last)
	switch {
	case flags&(weir.SYN|weir.RST) != 0 && (delta > tooFar || delta < -tooFar):
	case flags&weir.FIN != 0 && e.last == e.first+1:
		e.sentUpTo(next) // more than 2 GB of which only SYN and FIN were seen
	case e.phase == reset:
	case delta > 0:
		e.sentUpTo(next)
	case length > 0:
		m.scaled(f, end, 'T', &f.rest[end].again)
		f.rest[end].retrans++
	}
}

// step moves the state machine and reports whether this end is over.
func (f *flow) step(m *Meter, end uint8, p *packet.Packet) (over bool) {
	e := &f.s[end]
	switch e.phase {
	case inactive:
		return f.stepInactive(m, end, p)
	case synSent, synAckSent:
		return e.stepHandshake(p.Flags)
	case established, partial:
		return e.stepEstablished(&f.s[end^1], p.Flags)
	case finished:
		if p.Flags&weir.RST != 0 && f.s[end^1].phase != finished {
			e.turn(reset)
			return !e.closed
		}
	}
	return false
}

// stepInactive is the first step of an end.
func (f *flow) stepInactive(m *Meter, end uint8, p *packet.Packet) (over bool) {
	e, peer := &f.s[end], &f.s[end^1]
	flags := p.Flags
	isOrig := end == f.orig
	if flags&weir.SYN != 0 {
		f.stepFirstSYN(m, end, p)
	}
	if flags&weir.FIN != 0 {
		e.turn(finished)
		over = true
	}
	if flags&weir.RST != 0 {
		e.turn(reset)
		over = true
	}
	if e.phase != inactive {
		return over
	}
	switch {
	case !isOrig && p.PayloadLen == 0 && peer.phase == synSent:
		// Some acknowledge the SYN before they answer it.
	case flags&weir.ACK != 0 && peer.phase == established:
		// SYN-ACK and then an ACK: the SYN was missed.
		e.turn(established)
		f.partial = false
	default:
		e.turn(partial)
	}
	return over
}

func (f *flow) stepFirstSYN(m *Meter, end uint8, p *packet.Packet) {
	e, peer := &f.s[end], &f.s[end^1]
	ack := p.Flags&weir.ACK != 0
	if end == f.orig {
		if ack {
			e.turn(synAckSent)
		} else {
			e.turn(synSent)
		}
		return
	}
	if !ack && peer.phase == synAckSent && p.Seq == e.first {
		// SYN and SYN-ACK came in the wrong order.
		f.partial = false
		f.flip(m)
		peer.turn(established)
	}
	if peer.phase == synSent {
		peer.turn(established)
	}
	e.turn(established)
}

func (e *side) stepHandshake(flags weir.TCPFlags) (over bool) {
	if flags&weir.FIN != 0 {
		e.turn(finished)
		over = true
	}
	if flags&weir.RST != 0 {
		e.turn(reset)
		over = true
	}
	return over
}

func (e *side) stepEstablished(peer *side, flags weir.TCPFlags) (over bool) {
	if flags&(weir.SYN|weir.ACK) == weir.SYN && e.phase == partial && peer.phase == inactive {
		e.turn(synSent)
	}
	if flags&(weir.FIN|weir.RST) == weir.FIN {
		e.turn(finished)
		if peer.phase == reset && peer.before == finished {
			peer.turn(finished) // its RST came after its FIN: an orderly end
		}
		over = true
	}
	if flags&weir.RST != 0 {
		e.turn(reset)
		over = true
	}
	return over
}

// close takes note that an end is over, and lets the connection linger if
// there is nothing more to come from the other.
func (f *flow) close(end uint8, ts int64) {
	e, peer := &f.s[end], &f.s[end^1]
	again := e.closed
	e.closed = true
	if e.phase == reset && e.before == finished {
		f.linger(ts + resetDelay)
		return
	}
	if !again && (e.phase == reset || peer.closed || peer.phase == inactive) {
		f.linger(ts + closeDelay)
	}
}

// linger sets the end of the connection, unless it is set already.
func (f *flow) linger(until int64) {
	if over := f.fixed != 0 && (f.s[0].closed && f.s[1].closed); !over || until < f.fixed {
		f.fixed = until
	}
}

// retime gives an unanswered attempt its end, takes it away when the attempt
// is answered, and tells the wheel of an end that has moved nearer.
func (m *Meter) retime(i uint32, f *flow, end uint8, ts int64, flags weir.TCPFlags) {
	up, down := &f.s[f.orig], &f.s[f.orig^1]
	attempt := (up.phase == synSent || up.phase == synAckSent) && down.phase == inactive
	switch {
	case attempt && f.fixed == 0:
		f.fixed = ts + attemptDelay
	case !attempt && f.fixed != 0 && !up.closed && !down.closed:
		f.fixed = 0
	}
	if f.slot != noSlot && f.fixed != 0 && tickOf(f.fixed) < m.slotTick(f) {
		m.reschedule(i, f)
	}
}

// slotTick returns the tick at which the slot of f comes up.
func (m *Meter) slotTick(f *flow) int64 {
	return m.wheel.now + (int64(f.slot)-m.wheel.now)&(wheelSlots-1)
}

// reused reports whether p begins a new connection on the ports of f.
func (f *flow) reused(end uint8, p *packet.Packet) bool {
	if p.Flags&weir.SYN == 0 {
		return false
	}
	up, down := &f.s[f.orig], &f.s[f.orig^1]
	e := up
	if p.Flags&weir.ACK != 0 {
		if up.phase != inactive {
			return false
		}
		e = down
	}
	if up.closed && down.closed {
		return true
	}
	if p.Seq == e.first {
		return false
	}
	reversed := p.Flags&weir.ACK == 0 && e.phase == synAckSent && down.phase == inactive && p.Seq == down.first
	return !reversed
}

// tcpState returns conn_state as Zeek's scripts derive it.
func tcpState(up, down *side, history []byte) weir.State {
	upQuiet := up.phase == inactive || up.phase == partial
	downQuiet := down.phase == inactive || down.phase == partial
	switch {
	case down.phase == reset:
		if up.phase == synSent || up.phase == synAckSent ||
			up.phase == reset && up.size(down) == 0 && down.size(up) == 0 {
			return weir.StateREJ
		}
		if upQuiet {
			return weir.StateRSTRH
		}
		return weir.StateRSTR
	case up.phase == reset:
		if !downQuiet {
			return weir.StateRSTO
		}
		if synThenReset(history) {
			return weir.StateRSTOS0
		}
		return weir.StateOTH
	case up.phase == finished && down.phase == finished:
		return weir.StateSF
	case up.phase == finished:
		if downQuiet {
			return weir.StateSH
		}
		return weir.StateS2
	case down.phase == finished:
		if upQuiet {
			return weir.StateSHR
		}
		return weir.StateS3
	case up.phase == synSent && down.phase == inactive:
		return weir.StateS0
	case up.phase == established && down.phase == established:
		return weir.StateS1
	default:
		return weir.StateOTH
	}
}

// synThenReset matches Zeek's ^?S[^HAFGIQ]*R.
func synThenReset(h []byte) bool {
	if len(h) > 0 && h[0] == '^' {
		h = h[1:]
	}
	if len(h) == 0 || h[0] != 'S' {
		return false
	}
	for _, c := range h[1:] {
		switch c {
		case 'R':
			return true
		case 'H', 'A', 'F', 'G', 'I', 'Q':
			return false
		}
	}
	return false
}
