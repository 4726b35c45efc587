package meter

import (
	"bytes"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/app"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/decode/http"
	"github.com/weir-nta/weir/decode/packet"
	"github.com/weir-nta/weir/decode/tls"
	"github.com/weir-nta/weir/internal/wire"
)

// A head is the beginning of one direction of a TCP connection, put in order,
// or what the reader of a conversation has left of it. Most handshakes fit into
// one segment and are read from the packet itself; a head is kept only while
// more is wanted.
type head struct {
	place        // among all heads, by the time of their latest octets
	buf   []byte // of one of the sizes that are pooled; holds octets from side.base on
	have  [maxSpans]span
	n     uint8 // spans in use, ascending, with holes between them
	stall uint8 // segments since the last that could be read
	next  *head // in the free list
}

// A span is a stretch of a stream.
type span struct{ lo, hi uint64 }

const (
	maxSpans = 8
	// easyReads is how often a direction is shown to the readers in vain with
	// every segment. From then on they see it only when twice as much has come,
	// or when the other end answers it: a sender of one-octet segments would have
	// them read the same over and over. After maxReads it is given up.
	easyReads = 64
	maxReads  = 250
	// maxStall is how many segments may come behind a gap before it is taken
	// as one that will not be filled: a window of 64 KB has 45.
	maxStall = 48
	// unknownBytes and unknownReads are how much of one direction is looked at
	// for a protocol that can be recognised. All of them show in their first lines.
	unknownBytes = 2048
	unknownReads = 8
	unknownLeast = 64 // of which more is waited for, however many reads it takes
	// greetingBytes is how much of a greeting is kept until it is answered.
	greetingBytes = 8 << 10
	// maxDNSStream holds the longest DNS message over TCP and its length.
	maxDNSStream = 2 + 1<<16
	minBuffer    = 2 << 10
)

// fresh is what a segment brings that follows on what has been read: it is
// shown as it lies in the packet, without a copy.
type fresh struct {
	f   *flow // nil: none
	end uint8
	b   []byte
}

// stream takes the next data of one direction, which begin at rel.
func (m *Meter) stream(f *flow, end uint8, rel uint64, ts int64, p *packet.Packet) {
	s, r := &f.s[end], &f.rest[end]
	b := p.Payload
	if s.done || len(b) == 0 {
		return
	}
	if r.base == 0 {
		m.firstOctets(f, end, rel)
	}
	m.showHeld(f, end^1, ts)    // it is being answered
	for len(b) > 0 && !s.done { // each turn moves on in b, or in the stream
		if rel < r.base {
			if uint64(len(b)) <= r.base-rel {
				return
			}
			b, rel = b[r.base-rel:], r.base
		}
		if r.head == nil && rel == r.base {
			m.showFresh(f, end, ts, b)
			return
		}
		off := rel - r.base
		if off >= uint64(m.limit(f)) {
			if !m.overflow(f, end, off, ts) {
				return
			}
			continue
		}
		kept := m.keep(f, end, off, ts, b)
		b, rel = b[kept:], rel+uint64(kept)
		if kept > 0 {
			m.showKept(f, end, ts)
		}
	}
}

// firstOctets decides where a stream begins.
func (m *Meter) firstOctets(f *flow, end uint8, rel uint64) {
	r := &f.rest[end]
	if r.base = 1; f.history.seen&f.bit(sawSYN, end) == 0 {
		r.base = rel // from the middle: what comes first may well be a beginning
	}
	if f.rest[end^1].base == 0 {
		f.spoke = end
	}
}

// showFresh shows the octets of a packet, and keeps what is left of them.
func (m *Meter) showFresh(f *flow, end uint8, ts int64, b []byte) {
	m.fresh = fresh{f, end, b}
	m.show(f, end, ts)
	b = m.fresh.b
	m.fresh = fresh{}
	if len(b) > 0 && !f.s[end].done {
		m.keep(f, end, 0, ts, b)
	}
}

// showKept shows what a new segment has made readable of a head.
func (m *Meter) showKept(f *flow, end uint8, ts int64) {
	if m.show(f, end, ts) {
		if h := f.rest[end].head; h != nil {
			h.stall = 0
		}
	} else if h := f.rest[end].head; h != nil {
		if _, gap := h.gap(); gap {
			h.stall++
		}
	}
	m.settle(f, end, ts)
}

// settle gives up the gaps of a head that will not be filled: those before
// what the other end has acknowledged, and those that have been there for long.
func (m *Meter) settle(f *flow, end uint8, ts int64) {
	s, r := &f.s[end], &f.rest[end]
	for r.head != nil {
		behind, gap := r.head.gap()
		if !gap || r.base+behind > s.front && r.head.stall <= maxStall {
			return
		}
		m.lost(f, end, ts)
	}
}

// octets returns what there is of a direction in order and has not been taken.
func (m *Meter) octets(f *flow, end uint8) []byte {
	if m.fresh.f == f && m.fresh.end == end {
		return m.fresh.b
	}
	if h := f.rest[end].head; h != nil {
		return h.buf[:h.ready()]
	}
	return nil
}

// show shows an end's octets as long as there are any that have not been shown,
// then those of the other end if that has changed what they are taken for. It
// returns false if there was nothing to show.
func (m *Meter) show(f *flow, end uint8, ts int64) bool {
	any := false
	for m.showEnd(f, end, ts) {
		any = true
		end ^= 1
	}
	return any
}

func (m *Meter) showEnd(f *flow, end uint8, ts int64) bool {
	s, r := &f.s[end], &f.rest[end]
	any := false
	for !s.done { // each turn takes or has shown more, but for a change of protocol, see maxAnew
		b := m.octets(f, end)
		held := r.reads >= easyReads && len(b) < 2*int(r.shown) && !m.pressing
		if len(b) <= int(r.shown) || held {
			break
		}
		r.shown = uint32(len(b))
		m.read(f, end, ts, b)
		any = true
	}
	return any
}

// showHeld shows what was held back because little had come at a time.
func (m *Meter) showHeld(f *flow, end uint8, ts int64) {
	if r := &f.rest[end]; r.reads < easyReads || r.head == nil {
		return
	}
	m.pressing = true
	m.show(f, end, ts)
	m.pressing = false
}

// showAgain has everything shown anew that was not taken.
func (f *flow) showAgain() {
	for e := range f.s {
		f.rest[e].shown, f.rest[e].reads = 0, 0
	}
}

// pass moves on by n octets, which have been read for good or are not wanted.
// They need not have come yet.
func (m *Meter) pass(f *flow, end uint8, n uint64) {
	r := &f.rest[end]
	r.base += n
	if n > 0 {
		r.shown = 0 // what is left may be a message of its own
	}
	if m.fresh.f == f && m.fresh.end == end {
		m.fresh.b = m.fresh.b[min(n, uint64(len(m.fresh.b))):]
	} else if r.head != nil {
		if r.head.drop(n); r.head.n == 0 {
			m.release(f, end)
		}
	}
}

// ready returns how many octets are there without a gap.
func (h *head) ready() int {
	if h.n == 0 || h.have[0].lo != 0 {
		return 0
	}
	return int(h.have[0].hi)
}

// gap returns what the first gap ends at, false if there is none.
func (h *head) gap() (uint64, bool) {
	i := uint8(0)
	if h.ready() > 0 {
		i = 1
	}
	return h.have[i%maxSpans].lo, i < h.n
}

// drop forgets the first n octets, whether they have come or not.
func (h *head) drop(n uint64) {
	if end := h.have[h.n-1].hi; end > n {
		copy(h.buf, h.buf[n:end])
	}
	left := h.have[:0]
	for _, sp := range h.have[:h.n] {
		if sp.hi > n {
			left = append(left, span{sp.lo - min(sp.lo, n), sp.hi - n})
		}
	}
	h.n = uint8(len(left))
}

// limit is how much of a direction is kept.
func (m *Meter) limit(f *flow) int {
	if f.kind == isDNS {
		return maxDNSStream
	}
	return m.config.MaxHeadBytes
}

// overflow makes way for octets that lie too far ahead to be kept. It returns
// false if they are not wanted.
func (m *Meter) overflow(f *flow, end uint8, off uint64, ts int64) bool {
	h := f.rest[end].head
	if f.kind != isRead {
		if h == nil || h.ready() >= m.limit(f) {
			m.giveUp(f, end)
		} else if h.stall++; h.stall > maxStall { // what is before them may still come
			m.giveUp(f, end)
		}
		return false
	}
	if h != nil {
		if _, gap := h.gap(); gap {
			m.lost(f, end, ts)
			return true
		}
	}
	m.miss(f, end, off, ts) // all of it: the reader wants more in one piece than is kept
	return true
}

// keep copies of b into the head at off what there is room for, and returns how
// much that is. Of octets that have come before the first copy stays. It
// returns 0, and has given up, if they cannot be kept.
func (m *Meter) keep(f *flow, end uint8, off uint64, ts int64, b []byte) int {
	r := &f.rest[end]
	limit := m.limit(f)
	b = b[:min(len(b), limit-int(off))]
	if !m.room(f, end, int(off)+len(b)) {
		m.giveUp(f, end)
		return 0
	}
	new := span{off, off + uint64(len(b))}
	if r.head.differs(new, b) {
		m.count.Overlaps++
		m.oddFlow(f, end, ts, "tcp_overlap", "")
	}
	if !r.head.insert(new, b) {
		m.giveUp(f, end)
		return 0
	}
	return len(b)
}

// differs reports whether b says something else than what is there already.
func (h *head) differs(new span, b []byte) bool {
	for _, old := range h.have[:h.n] {
		lo, hi := max(old.lo, new.lo), min(old.hi, new.hi)
		if lo < hi && !bytes.Equal(h.buf[lo:hi], b[lo-new.lo:hi-new.lo]) {
			return true
		}
	}
	return false
}

// insert copies the parts of b that are not there yet.
func (h *head) insert(new span, b []byte) bool {
	at := new.lo
	for _, old := range h.have[:h.n] {
		if at < old.lo && at < new.hi {
			copy(h.buf[at:min(old.lo, new.hi)], b[at-new.lo:])
		}
		at = max(at, old.hi)
	}
	if at < new.hi {
		copy(h.buf[at:new.hi], b[at-new.lo:])
	}
	var ok bool
	h.n, ok = join(&h.have, h.n, new)
	return ok
}

// join adds a span to n others that are in order and do not touch. It returns
// false if there is no place for one more.
func join(list *[maxSpans]span, n uint8, new span) (uint8, bool) {
	i := uint8(0)
	for i < n && list[i].hi < new.lo {
		i++
	}
	j := i // list[i:j] touch the new one
	for j < n && list[j].lo <= new.hi {
		new.lo, new.hi = min(new.lo, list[j].lo), max(new.hi, list[j].hi)
		j++
	}
	if i == j {
		if n == maxSpans {
			return n, false
		}
		copy(list[i+1:n+1], list[i:n])
		list[i] = new
		return n + 1, true
	}
	list[i] = new
	copy(list[i+1:], list[j:n])
	return n - (j - i - 1), true
}

// lost takes the first gap of a head as one that will not be filled. Only
// readers can go on behind it.
func (m *Meter) lost(f *flow, end uint8, ts int64) {
	if f.kind != isRead {
		m.giveUp(f, end)
		return
	}
	h := f.rest[end].head
	h.stall = 0
	n, _ := h.gap()
	m.miss(f, end, n, ts)
	m.show(f, end, ts)
}

// miss gives up the next n octets of a direction that a reader reads: some of
// them may have come, and have waited for the others.
func (m *Meter) miss(f *flow, end uint8, n uint64, ts int64) {
	m.count.ReadersLost++
	goesOn := m.ask(f, ts, func(d *dialog.Dialog) bool {
		return f.reading.reader.Lost(d, f.role(end), int(min(n, 1<<30)))
	})
	if !goesOn {
		m.stopReading(f, end)
		return
	}
	m.pass(f, end, n)
	f.rest[end].shown = 0
}

// room makes place for n octets of an end.
func (m *Meter) room(f *flow, end uint8, n int) bool {
	r := &f.rest[end]
	if r.head != nil && n <= len(r.head.buf) {
		m.heads.renew(&r.head.place)
		return true
	}
	class, size := 0, minBuffer
	for size < n {
		class, size = class+1, size*2
	}
	old := 0
	if r.head != nil {
		old = len(r.head.buf)
		m.heads.remove(&r.head.place) // not to be driven out by itself
	}
	for m.headBytes+size-old > m.config.MaxHeadTotal {
		if m.heads.oldest == nil {
			if r.head != nil {
				m.heads.add(&r.head.place)
			}
			return false
		}
		m.evictHead()
	}
	buf := m.buffer(class, size)
	if r.head == nil {
		r.head = m.newHead()
		r.head.f, r.head.end = f, end
	} else {
		copy(buf, r.head.buf)
		m.recycle(r.head.buf)
	}
	r.head.buf = buf
	m.heads.add(&r.head.place)
	return true
}

// evictHead gives up the head that has waited longest. Handshakes begun and
// never finished drive out each other so, and one that goes on only if as much
// as MaxHeadTotal comes between two of its segments.
func (m *Meter) evictHead() {
	f, end := m.heads.oldest.f, m.heads.oldest.end
	m.count.HeadsEvicted++
	if f.kind == isRead {
		h := f.rest[end].head
		m.miss(f, end, h.have[h.n-1].hi, m.clock)
	} else {
		m.giveUp(f, end)
	}
}

// release gives the memory of a head back.
func (m *Meter) release(f *flow, end uint8) {
	r := &f.rest[end]
	if r.head == nil {
		return
	}
	m.heads.remove(&r.head.place)
	m.recycle(r.head.buf)
	*r.head = head{next: m.freeHeads}
	m.freeHeads, r.head = r.head, nil
}

func (m *Meter) newHead() *head {
	h := m.freeHeads
	if h == nil {
		return &head{}
	}
	m.freeHeads, h.next = h.next, nil
	return h
}

// buffer takes a buffer from the pool of its size, or makes one. What lies in
// pools and what is in use do not take more than MaxHeadTotal together.
func (m *Meter) buffer(class, size int) []byte {
	m.headBytes += size
	for len(m.buffers) <= class {
		m.buffers = append(m.buffers, nil)
	}
	if pool := m.buffers[class]; len(pool) > 0 {
		m.pooledBytes -= size
		m.buffers[class] = pool[:len(pool)-1]
		return pool[len(pool)-1]
	}
	for c := len(m.buffers) - 1; c >= 0 && m.headBytes+m.pooledBytes > m.config.MaxHeadTotal; {
		n := len(m.buffers[c])
		if n == 0 {
			c--
			continue
		}
		m.pooledBytes -= minBuffer << c
		m.buffers[c][n-1] = nil
		m.buffers[c] = m.buffers[c][:n-1]
	}
	return make([]byte, size)
}

func (m *Meter) recycle(buf []byte) {
	m.headBytes -= len(buf)
	m.pooledBytes += len(buf)
	class := 0
	for size := minBuffer; size < len(buf); size *= 2 {
		class++
	}
	m.buffers[class] = append(m.buffers[class], buf)
}

// finish ends the reading of one direction, whose handshake is known.
func (m *Meter) finish(f *flow, end uint8) {
	f.s[end].done = true
	m.count.HeadsRead++
	m.release(f, end)
}

// giveUp ends the reading of one direction without result.
func (m *Meter) giveUp(f *flow, end uint8) {
	s := &f.s[end]
	s.done = true
	m.count.HeadsGivenUp++
	m.lastWord(f)
	m.release(f, end)
	if f.kind == unknown && f.s[end^1].done {
		f.kind = isSilent
	}
}

// read shows one direction, in order from its beginning, to whom it concerns.
func (m *Meter) read(f *flow, end uint8, ts int64, b []byte) {
	r := &f.rest[end]
	f.tries = min(f.tries, 254) + 1
	if f.kind != isDNS {
		if r.reads = min(r.reads, 254) + 1; r.reads > maxReads {
			m.giveUp(f, end)
			return
		}
	}
	switch f.kind {
	case unknown:
		m.recognise(f, end, ts, b)
	case isTLS:
		if tlsSays(f.tls, end == f.orig, b) != wire.More {
			m.finish(f, end)
		}
	case isDNS:
		if used := m.dnsStream(f, end, ts, b); used > 0 {
			m.pass(f, end, uint64(used))
		}
	case isRead:
		m.readMore(f, end, ts, b)
	}
}

func tlsSays(dst *weir.TLS, client bool, b []byte) wire.Status {
	if client {
		return tls.Client(dst, b)
	}
	return tls.Server(dst, b)
}

// recognise finds out what a connection speaks. Then what has been kept of
// both ends is shown to those whom it concerns.
func (m *Meter) recognise(f *flow, end uint8, ts int64, b []byte) {
	if m.dnsBegins(f, b) {
		f.showAgain()
		return
	}
	client := end == f.orig
	m.tls = weir.TLS{}
	asTLS := tlsSays(&m.tls, client, b)
	if asTLS == wire.Done {
		f.kind, f.tls = isTLS, shared(&m.tls)
		f.call("tls")
		f.showAgain()
		m.finish(f, end)
		return
	}
	if asTLS == wire.No && http.Looks(client, b) != wire.More { // a first line of HTTP may be long
		m.other(f, end, ts, b)
	}
}

// other asks for the other protocols, some of which are read.
func (m *Meter) other(f *flow, end uint8, ts int64, b []byte) {
	client, server := m.octets(f, f.orig), m.octets(f, f.orig^1)
	if name := app.Recognise(f.key.Proto, client, server); name != "" {
		f.call(name)
		if m.beginReading(f, name) {
			f.showAgain()
			if f.spoke != end {
				m.showEnd(f, end^1, ts) // in the order in which they spoke
			}
			return
		}
		f.kind = isOther
		m.finish(f, 0)
		m.finish(f, 1)
		return
	}
	r, most := &f.rest[end], unknownBytes
	if app.Greets(client, server) {
		most = greetingBytes
	} else if len(b) >= unknownLeast && r.reads >= unknownReads {
		most = 0
	}
	if len(b) >= most {
		m.giveUp(f, end)
	}
}

// call names what a conversation speaks. What it changes to later has no name
// of its own there: SMTP stays SMTP when TLS begins in it.
func (f *flow) call(name string) {
	if f.app == "" {
		f.app = name
	}
}

// lastWord names a connection of which no more is to come by what there is: a
// reader that waited for the rest of its message has only said "perhaps".
func (m *Meter) lastWord(f *flow) {
	if f.kind != unknown {
		return
	}
	client, server := m.octets(f, f.orig), m.octets(f, f.orig^1)
	if client == nil && server == nil {
		return
	}
	if name := app.Recognise(f.key.Proto, client, server); name != "" {
		f.kind = isOther
		f.call(name)
	}
}
