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

// A head is the beginning of one direction of a TCP connection, put in order.
// Most handshakes fit into one segment and are read from the packet itself;
// a head is kept only while more is wanted.
type head struct {
	buf   []byte // of one of the sizes that are pooled; holds octets from side.base on
	have  [maxSpans]span
	n     uint8 // spans in use, ascending, with holes between them
	shown int   // octets that the readers have seen
	stall uint8 // segments since the last that could be read
	next  *head // in the free list
}

// A span is a stretch of a stream.
type span struct{ lo, hi uint64 }

// holes are the stretches of a stream that have come beyond a gap.
type holes struct {
	spans [maxSpans]span
	n     uint8
	next  *holes
}

const (
	maxSpans = 8
	// maxReads is how often a direction is shown to the readers: a sender of
	// one-octet segments would have them read the same over and over.
	maxReads = 64
	// maxStall is how many segments may come behind a gap before it is taken
	// as one that will not be filled: a window of 64 KB has 45.
	maxStall = 48
	// unknownBytes and unknownReads are how much of one direction is looked at
	// for a protocol that can be recognised. All of them show in their first lines.
	unknownBytes = 2048
	unknownReads = 8
	// maxDNSStream holds the longest DNS message over TCP and its length.
	maxDNSStream = 2 + 1<<16
	minBuffer    = 2 << 10
)

// stream takes the next data of one direction, which begin at rel.
func (m *Meter) stream(f *flow, end uint8, rel uint64, ts int64, p *packet.Packet) {
	s := &f.s[end]
	b := p.Payload
	if s.done || len(b) == 0 {
		return
	}
	if s.base == 0 {
		if s.base = 1; f.history.seen&f.bit(sawSYN, end) == 0 {
			s.base = rel // from the middle: what comes first may well be a beginning
		}
	}
	if rel < s.base {
		if uint64(len(b)) <= s.base-rel {
			return
		}
		b, rel = b[s.base-rel:], s.base
	}
	if f.kind == isRead && rel+uint64(len(b))-s.base > uint64(m.config.MaxHeadBytes) {
		m.miss(f, end, rel-s.base, ts) // more than is kept has come behind a gap, or is wanted in one piece
		if s.done {
			return
		}
	}
	off := rel - s.base
	if s.head == nil && off == 0 {
		used := m.read(f, end, ts, b)
		s.base += uint64(used)
		if s.done || used >= len(b) {
			return
		}
		b = b[used:]
		if m.keep(f, end, 0, ts, b) {
			s.head.shown = len(b)
		}
		return
	}
	if !m.keep(f, end, off, ts, b) {
		return
	}
	if !m.show(f, end, ts) {
		if s.head.stall++; s.head.stall > maxStall {
			m.lost(f, end, ts)
		}
	}
}

// show shows what a head has in order and has not shown yet. It returns false
// if there is nothing.
func (m *Meter) show(f *flow, end uint8, ts int64) bool {
	s := &f.s[end]
	shown := false
	for s.head != nil && s.head.ready() > s.head.shown { // each turn takes or has shown more
		ready := s.head.ready()
		s.head.shown, s.head.stall = ready, 0
		m.consume(s, m.read(f, end, ts, s.head.buf[:ready]))
		shown = true
	}
	return shown
}

// ready returns how many octets are there without a gap.
func (h *head) ready() int {
	if h.n == 0 || h.have[0].lo != 0 {
		return 0
	}
	return int(h.have[0].hi)
}

// limit is how much of a direction is kept.
func (m *Meter) limit(f *flow) int {
	if f.kind == isDNS {
		return maxDNSStream
	}
	return m.config.MaxHeadBytes
}

// keep copies b into the head at off. Of octets that have come before the
// first copy stays. It returns false, and has given up, if there is no room.
func (m *Meter) keep(f *flow, end uint8, off uint64, ts int64, b []byte) bool {
	s := &f.s[end]
	limit := uint64(m.limit(f))
	if off >= limit {
		if s.head == nil || s.head.ready() >= int(limit) {
			m.giveUp(f, end)
			return false
		}
		b, off = nil, limit // beyond what is wanted; what is before may still come
	}
	b = b[:min(uint64(len(b)), limit-off)]
	if !m.room(s, int(off)+len(b), int(limit)) {
		m.giveUp(f, end)
		return false
	}
	if len(b) == 0 {
		return true
	}
	new := span{off, off + uint64(len(b))}
	if s.head.differs(new, b) {
		m.count.Overlaps++
		m.oddFlow(f, end, ts, "tcp_overlap", "")
	}
	if !s.head.insert(new, b) {
		m.giveUp(f, end)
		return false
	}
	return true
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

// consume drops octets that have been read for good from the front of a head,
// and passes over as many more as used is beyond them.
func (m *Meter) consume(s *side, used int) {
	h := s.head
	if used == 0 || h == nil {
		return
	}
	s.base += uint64(used)
	h.shown -= min(h.shown, used)
	if end := h.have[h.n-1].hi; end > uint64(used) {
		copy(h.buf, h.buf[used:end])
	}
	left := h.have[:0]
	for _, sp := range h.have[:h.n] {
		if sp.hi > uint64(used) {
			left = append(left, span{sp.lo - min(sp.lo, uint64(used)), sp.hi - uint64(used)})
		}
	}
	if h.n = uint8(len(left)); h.n == 0 {
		m.release(s)
	}
}

// lost takes the first gap of a head as one that will not be filled. Only
// readers that can go on behind it are interested.
func (m *Meter) lost(f *flow, end uint8, ts int64) {
	h := f.s[end].head
	if f.kind != isRead {
		m.giveUp(f, end)
		return
	}
	i := 0
	if h.have[0].lo == 0 {
		i = 1 // what is before the gap waits for what was in it
	}
	if i == int(h.n) {
		m.miss(f, end, h.have[i-1].hi, ts)
		return
	}
	h.stall = 0
	m.miss(f, end, h.have[i].lo, ts)
	m.show(f, end, ts)
}

// miss gives up the next n octets of a direction that a reader reads.
func (m *Meter) miss(f *flow, end uint8, n uint64, ts int64) {
	s := &f.s[end]
	if n > 0 {
		m.count.ReadersLost++
		if !m.ask(f, ts, func(d *dialog.Dialog) bool { return f.reader.Lost(d, f.role(end), int(min(n, 1<<30))) }) {
			m.finish(s)
			return
		}
	}
	if s.head == nil {
		s.base += n
		return
	}
	s.head.shown = 0
	m.consume(s, int(n))
}

// room makes place for n octets.
func (m *Meter) room(s *side, n, limit int) bool {
	if s.head != nil && n <= len(s.head.buf) {
		return true
	}
	class, size := 0, minBuffer
	for size < n {
		class, size = class+1, size*2
	}
	old := 0
	if s.head != nil {
		old = len(s.head.buf)
	}
	if m.headBytes+size-old > m.config.MaxHeadTotal {
		return false
	}
	buf := m.buffer(class, size)
	if s.head == nil {
		s.head = m.newHead()
	} else {
		copy(buf, s.head.buf)
		m.recycle(s.head.buf)
	}
	s.head.buf = buf
	return true
}

// release gives the memory of a head back.
func (m *Meter) release(s *side) {
	if s.head == nil {
		return
	}
	m.recycle(s.head.buf)
	*s.head = head{next: m.freeHeads}
	m.freeHeads, s.head = s.head, nil
}

func (m *Meter) newHead() *head {
	h := m.freeHeads
	if h == nil {
		return &head{}
	}
	m.freeHeads, h.next = h.next, nil
	return h
}

// buffer takes a buffer from the pool of its size, or makes one.
func (m *Meter) buffer(class, size int) []byte {
	m.headBytes += size
	for len(m.buffers) <= class {
		m.buffers = append(m.buffers, nil)
	}
	pool := m.buffers[class]
	if len(pool) == 0 {
		return make([]byte, size)
	}
	m.buffers[class] = pool[:len(pool)-1]
	return pool[len(pool)-1]
}

func (m *Meter) recycle(buf []byte) {
	m.headBytes -= len(buf)
	class := 0
	for size := minBuffer; size < len(buf); size *= 2 {
		class++
	}
	m.buffers[class] = append(m.buffers[class], buf)
}

// finish ends the reading of one direction, whose handshake is known.
func (m *Meter) finish(s *side) {
	s.done = true
	m.count.HeadsRead++
	m.release(s)
}

// giveUp ends the reading of one direction without result.
func (m *Meter) giveUp(f *flow, end uint8) {
	s := &f.s[end]
	s.done = true
	m.count.HeadsGivenUp++
	m.lastWord(f)
	m.release(s)
	if f.kind == unknown && f.s[end^1].done {
		f.kind = isSilent
	}
}

// read shows one direction, in order from its beginning, to whom it concerns.
// It returns how many octets need not be shown again.
func (m *Meter) read(f *flow, end uint8, ts int64, b []byte) int {
	s := &f.s[end]
	f.tries = min(f.tries, 254) + 1
	if f.kind != isDNS {
		if s.reads = min(s.reads, 254) + 1; s.reads > maxReads {
			m.giveUp(f, end)
			return 0
		}
	}
	switch f.kind {
	case unknown:
		return m.recognise(f, end, ts, b)
	case isTLS:
		if tlsSays(f.tls, end == f.orig, b) != wire.More {
			m.finish(s)
		}
	case isHTTP:
		if httpSays(f.http, end == f.orig, b) != wire.More {
			m.finish(s)
		}
	case isDNS:
		return m.dnsStream(f, end, ts, b)
	case isRead:
		return m.readMore(f, end, ts, b)
	}
	return 0
}

func tlsSays(dst *weir.TLS, client bool, b []byte) wire.Status {
	if client {
		return tls.Client(dst, b)
	}
	return tls.Server(dst, b)
}

func httpSays(dst *weir.HTTP, client bool, b []byte) wire.Status {
	if client {
		return http.Client(dst, b)
	}
	return http.Server(dst, b)
}

// recognise finds out what a connection speaks.
func (m *Meter) recognise(f *flow, end uint8, ts int64, b []byte) int {
	client := end == f.orig
	if used, ok := m.dnsBegins(f, end, ts, b); ok {
		return used
	}
	m.tls = weir.TLS{}
	asTLS := tlsSays(&m.tls, client, b)
	if asTLS == wire.Done {
		f.kind, f.tls = isTLS, shared(&m.tls)
		f.call("tls")
		m.known(f, end, ts)
		return 0
	}
	m.http = weir.HTTP{}
	asHTTP := httpSays(&m.http, client, b)
	if asHTTP == wire.Done {
		f.kind, f.http = isHTTP, shared(&m.http)
		f.call("http")
		m.known(f, end, ts)
		return 0
	}
	if asTLS == wire.No && asHTTP == wire.No {
		return m.other(f, end, ts, b)
	}
	return 0
}

// known ends the direction that showed the protocol, and shows the other one,
// if something of it was kept, to the same reader.
func (m *Meter) known(f *flow, end uint8, ts int64) {
	m.finish(&f.s[end])
	if h := f.s[end^1].head; h != nil && h.ready() > 0 {
		m.consume(&f.s[end^1], m.read(f, end^1, ts, h.buf[:h.ready()]))
	}
}

// other asks for the other protocols, some of which are read.
func (m *Meter) other(f *flow, end uint8, ts int64, b []byte) int {
	client, server := m.shown(f, f.orig), m.shown(f, f.orig^1)
	if end == f.orig {
		client = b
	} else {
		server = b
	}
	if name := app.Recognise(f.key.Proto, client, server); name != "" {
		f.call(name)
		if m.beginReading(f, name) {
			return m.readFirst(f, end, ts, b)
		}
		f.kind = isOther
		m.finish(&f.s[0])
		m.finish(&f.s[1])
		return 0
	}
	if s := &f.s[end]; len(b) >= unknownBytes || s.reads >= unknownReads {
		m.giveUp(f, end)
	}
	return 0
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
	client, server := m.shown(f, f.orig), m.shown(f, f.orig^1)
	if f.kind != unknown || client == nil && server == nil {
		return
	}
	if name := app.Recognise(f.key.Proto, client, server); name != "" {
		f.kind = isOther
		f.call(name)
	}
}

// shown returns what is kept of a direction, in order from its beginning.
func (m *Meter) shown(f *flow, end uint8) []byte {
	h := f.s[end].head
	if h == nil {
		return nil
	}
	return h.buf[:h.ready()]
}

// cover notes that the octets from lo to hi of a stream have come.
func (m *Meter) cover(e *endpoint, lo, hi uint64) {
	e.front = max(e.front, 1)
	if hi <= e.front {
		return
	}
	if lo <= e.front {
		e.front = hi
		if e.holes != nil {
			m.absorb(e)
		}
		return
	}
	if e.holes == nil {
		e.holes = m.newHoles()
	}
	h := e.holes
	var ok bool
	if h.n, ok = join(&h.spans, h.n, span{lo, hi}); !ok {
		// Too many holes: the first is no longer told apart from what has come.
		m.count.HolesMerged++
		h.spans[0].lo = e.front
		m.absorb(e)
		m.cover(e, lo, hi)
	}
}

// absorb moves the front over what has come beyond it.
func (m *Meter) absorb(e *endpoint) {
	h := e.holes
	for h.n > 0 && h.spans[0].lo <= e.front {
		e.front = max(e.front, h.spans[0].hi)
		copy(h.spans[:], h.spans[1:h.n])
		h.n--
	}
	if h.n == 0 {
		m.releaseHoles(e)
	}
}

func (m *Meter) newHoles() *holes {
	h := m.freeHoles
	if h == nil {
		return &holes{}
	}
	m.freeHoles, h.next = h.next, nil
	return h
}

func (m *Meter) releaseHoles(e *endpoint) {
	if e.holes == nil {
		return
	}
	*e.holes = holes{next: m.freeHoles}
	m.freeHoles, e.holes = e.holes, nil
}

// missing takes an acknowledgment up to acked of what an end has sent: what
// has not come until then was missed by the sensor.
func (m *Meter) missing(f *flow, end uint8, acked uint64) {
	e := &f.s[end].tcp
	e.front = max(e.front, 1)
	if e.sentFIN && acked >= e.fin {
		acked = e.fin - 1
	}
	if acked <= e.front || acked <= 2 && f.partial || acked > e.front+1<<31 {
		return
	}
	for e.holes != nil && e.holes.spans[0].lo < acked {
		m.gap(f, end)
		e.front = e.holes.spans[0].lo
		m.absorb(e)
	}
	if acked > e.front {
		m.gap(f, end)
		e.front = acked
	}
}

// gap tells of one, but only of a connection that was seen from its beginning
// and is not torn down: elsewhere they are mere guesses.
func (m *Meter) gap(f *flow, end uint8) {
	e, peer := &f.s[end].tcp, &f.s[end^1].tcp
	if e.clean() && peer.clean() {
		m.scaled(f, end, 'G', &e.gap, &e.gapAt)
	}
}

func (e *endpoint) clean() bool {
	return e.phase == established || e.phase == finished && e.before == established
}
