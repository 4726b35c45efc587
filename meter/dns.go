package meter

import (
	"encoding/binary"
	"math/bits"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/app"
	"github.com/weir-nta/weir/decode/dns"
	"github.com/weir-nta/weir/decode/packet"
	"github.com/weir-nta/weir/decode/tunnel"
)

// maxDatagrams is how many datagrams of a UDP flow are shown to those who may
// recognise it.
const maxDatagrams = 8

// maxFlowQueries is how many queries of one flow wait for their response at a
// time, since a response is looked for among all of them. Beyond it the oldest
// one of the flow is reported as unanswered.
const maxFlowQueries = 128

// datagram takes the payload of a UDP packet.
func (m *Meter) datagram(f *flow, end uint8, ts int64, p *packet.Packet) {
	if p.LaterFragment || len(p.Payload) == 0 {
		return
	}
	switch f.kind {
	case isDNS:
		m.dnsMessage(f, end, ts, p.Payload, cutShort(p))
	case isRead:
		if !f.s[end].done {
			m.readDatagram(f, end, ts, p.Payload)
		}
	case unknown:
		m.firstDatagrams(f, end, ts, p)
	}
}

func (m *Meter) firstDatagrams(f *flow, end uint8, ts int64, p *packet.Packet) {
	if dns.Looks(p.Payload) || dnsPort(f.key.APort) || dnsPort(f.key.BPort) {
		if m.dnsMessage(f, end, ts, p.Payload, cutShort(p)) {
			f.kind, f.app = isDNS, dns.Dialect(p.SrcPort, p.DstPort)
			return
		}
	}
	kept := m.octets(f, end^1)
	client, server := p.Payload, kept
	if end != f.orig {
		client, server = kept, p.Payload
	}
	if name := app.Recognise(weir.UDP, client, server); name != "" {
		f.call(name)
		if f.kind = isOther; m.beginReading(f, name) {
			if kept != nil {
				m.readDatagram(f, end^1, ts, kept)
			}
			if f.kind == isRead && !f.s[end].done {
				m.readDatagram(f, end, ts, p.Payload)
			}
		}
		m.forgetDatagrams(f)
		return
	}
	switch {
	case tunnel.IsRTCP(p.Payload):
		f.call("rtcp")
		f.kind = isOther
		return
	case f.media[end].Next(p.Payload):
		f.call("rtp")
		f.kind = isOther
		return
	}
	if f.tries++; f.tries >= maxDatagrams {
		f.kind = isSilent
		m.forgetDatagrams(f)
	} else if app.AwaitsAnswer(p.Payload) && m.octets(f, end) == nil {
		m.keep(f, end, 0, ts, p.Payload[:min(len(p.Payload), maxKeptDatagram)])
	}
}

// maxKeptDatagram is how much is kept of a datagram that only its answer can
// tell what it is.
const maxKeptDatagram = 1500

func (m *Meter) forgetDatagrams(f *flow) {
	for end := range f.s {
		m.release(f, uint8(end))
	}
}

// cutShort reports whether more of a datagram was on the wire than is in p.
func cutShort(p *packet.Packet) bool { return p.FirstFragment || len(p.Payload) < p.PayloadLen }

func dnsPort(port uint16) bool {
	return port == 53 || port == 5353 || port == 5355 || port == 137
}

// dnsBegins reports whether a TCP stream is one of DNS (RFC 1035, 4.2.2).
func (m *Meter) dnsBegins(f *flow, b []byte) bool {
	const header = 12
	if len(b) < 2+header {
		return false
	}
	n := 2 + int(binary.BigEndian.Uint16(b))
	whole := n >= 2+header && len(b) >= n && dns.Looks(b[2:n])
	begun := n >= 2+header && len(b) < n && (f.key.APort == 53 || f.key.BPort == 53) && dns.Begins(b[2:])
	if !whole && !begun {
		return false
	}
	f.kind, f.app = isDNS, "dns"
	return true
}

// dnsStream reads the messages that are complete.
func (m *Meter) dnsStream(f *flow, end uint8, ts int64, b []byte) (used int) {
	for len(b) >= 2 {
		n := 2 + int(binary.BigEndian.Uint16(b))
		if len(b) < n {
			break
		}
		if n > 2 {
			m.dnsMessage(f, end, ts, b[2:n], false)
		}
		b, used = b[n:], used+n
	}
	return used
}

// dnsMessage takes one message that an end of f has sent, and reports whether
// it could be read. Of a flow that is known to be DNS, a message that ends too
// early is taken for what it has. If it is known to be cut, by the snaplen or as
// the first fragment of a long response, that is no damage: its query was
// answered all the same.
func (m *Meter) dnsMessage(f *flow, end uint8, ts int64, b []byte, cut bool) bool {
	const header = 12
	if err := dns.Decode(&m.message, b); err != nil {
		if cut && err == dns.ErrShort {
			m.count.DNSCut++
		} else {
			m.count.DNSDamaged++
			m.oddFlow(f, end, ts, "dns_damaged", err.Error())
		}
		if f.kind != isDNS || err != dns.ErrShort || len(b) < header {
			return false
		}
	}
	if f.kind == isDNS && f.app != "dns" || f.kind == unknown && dns.Dialect(f.key.APort, f.key.BPort) != "dns" {
		m.overhear(f, end, ts)
	}
	if m.message.Response {
		m.response(f, end, ts, b)
	} else {
		m.query(f, end, ts, b)
	}
	return true
}

// A transaction is a query that waits for its response.
type transaction struct {
	d        weir.DNSTransaction
	asked    int64
	question uint64
	end      uint8 // that asked

	before, after uint32 // in the order of the flow; after also links the free ones
	older, newer  uint32 // in the order of all
	owner         *flow
}

// waiting are the queries of all flows, oldest first: they wait equally long,
// so the first is the next to time out. Whoever sends queries that nobody
// answers makes others be reported as unanswered before their time, and their
// responses as unasked; each is counted, none is lost.
type waiting struct {
	list          []transaction // [0] stands for none
	free          uint32
	first, latest uint32
	n             int
}

func (w *waiting) init() { w.list = make([]transaction, 1, 64) }

// query notes a query, or reports it at once where no response is to come to
// the same ports.
func (m *Meter) query(f *flow, end uint8, ts int64, b []byte) {
	d := weir.DNSTransaction{Time: timeOf(ts), BytesUp: uint64(len(b))}
	m.dnsEnds(&d, f, end)
	m.message.FillQuery(&d)
	if toMany(f, end) {
		m.unanswered(&d)
		return
	}
	w := &m.waiting
	if w.n >= m.config.MaxQueries {
		m.count.DNSEvicted++
		m.lose(w.first)
	}
	if f.queries >= maxFlowQueries {
		m.count.DNSEvicted++
		m.lose(f.oldest)
	}
	i := w.take()
	q := &w.list[i]
	*q = transaction{d: d, asked: ts, question: question(m.message.ID, b), end: end, owner: f, before: f.newest, older: w.latest}
	if f.newest != 0 {
		w.list[f.newest].after = i
	} else {
		f.oldest = i
	}
	if w.latest != 0 {
		w.list[w.latest].newer = i
	} else {
		w.first = i
	}
	f.newest, w.latest = i, i
	f.queries++
	w.n++
}

// response finds the query of a response and reports both; without one it
// reports what the response says alone.
func (m *Meter) response(f *flow, end uint8, ts int64, b []byte) {
	w := &m.waiting
	want, bare := question(m.message.ID, b), question(m.message.ID, nil)
	i := f.oldest
	for i != 0 {
		q := &w.list[i]
		if q.end != end && (q.question == want || want == bare && q.d.ID == m.message.ID) {
			break
		}
		i = q.after
	}
	if i != 0 {
		q := &w.list[i]
		m.message.FillResponse(&q.d)
		q.d.BytesDown = uint64(len(b))
		q.d.RTT = max(timeOf(ts).Sub(q.d.Time), 0)
		m.transaction(&q.d)
		m.forget(i)
		return
	}
	d := weir.DNSTransaction{Time: timeOf(ts), BytesDown: uint64(len(b))}
	if toMany(f, end) {
		m.dnsEnds(&d, f, end) // an announcement: nobody asked, so Src is who speaks
	} else {
		m.dnsEnds(&d, f, end^1)
	}
	m.message.FillResponse(&d)
	m.count.DNSUnasked++
	m.transaction(&d)
}

// dnsEnds sets who asked whom.
func (m *Meter) dnsEnds(d *weir.DNSTransaction, f *flow, asker uint8) {
	k := &f.key
	d.Sensor, d.Proto, d.App = m.config.Sensor, k.Proto, dns.Dialect(k.APort, k.BPort)
	d.Src, d.Dst, d.SrcPort, d.DstPort = k.A.Netip(), k.B.Netip(), k.APort, k.BPort
	if asker == 1 {
		d.Src, d.Dst, d.SrcPort, d.DstPort = d.Dst, d.Src, d.DstPort, d.SrcPort
	}
}

// toMany reports whether what an end sends goes to a group or to all.
func toMany(f *flow, end uint8) bool {
	dst := f.key.B
	if end == 1 {
		dst = f.key.A
	}
	if dst.Is4() {
		v4 := uint32(dst.Lo)
		return v4>>28 == 0xe || v4&0xff == 0xff && f.key.APort == 137 && f.key.BPort == 137
	}
	return dst.Hi>>56 == 0xff
}

// question returns what a message asks, with its identifier, as a number:
// names that differ in case only are the same (RFC 4343). A message without
// question has the number of its identifier alone.
func question(id uint16, b []byte) uint64 {
	const prime = 0x9E3779B97F4A7C15
	h := mix(uint64(id)+1, prime)
	if len(b) < 12 || binary.BigEndian.Uint16(b[4:]) == 0 {
		return h
	}
	const longest = 255 + 4 // a name, type and class
	b = b[12:min(len(b), 12+longest)]
	for i, c := range b {
		if c == 0 {
			for _, c := range b[i:min(len(b), i+5)] {
				h = mix(h^uint64(c), prime)
			}
			break
		}
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		h = mix(h^uint64(c), prime)
	}
	return h
}

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

func (w *waiting) take() uint32 {
	if w.free == 0 {
		w.list = append(w.list, transaction{})
		return uint32(len(w.list) - 1)
	}
	i := w.free
	w.free = w.list[i].after
	return i
}

// forget takes a query out of both orders.
func (m *Meter) forget(i uint32) {
	w := &m.waiting
	q := &w.list[i]
	f := q.owner
	if q.before != 0 {
		w.list[q.before].after = q.after
	} else {
		f.oldest = q.after
	}
	if q.after != 0 {
		w.list[q.after].before = q.before
	} else {
		f.newest = q.before
	}
	if q.older != 0 {
		w.list[q.older].newer = q.newer
	} else {
		w.first = q.newer
	}
	if q.newer != 0 {
		w.list[q.newer].older = q.older
	} else {
		w.latest = q.older
	}
	f.queries--
	w.n--
	*q = transaction{after: w.free}
	w.free = i
}

// lose reports a query as unanswered.
func (m *Meter) lose(i uint32) {
	m.unanswered(&m.waiting.list[i].d)
	m.forget(i)
}

func (m *Meter) loseQueries(f *flow) {
	for f.oldest != 0 {
		m.lose(f.oldest)
	}
}

func (m *Meter) loseAll() {
	for m.waiting.first != 0 {
		m.lose(m.waiting.first)
	}
}

// timeOut reports the queries that have waited long enough.
func (m *Meter) timeOut(clock int64) {
	w := &m.waiting
	for w.first != 0 && w.list[w.first].asked+int64(m.config.QueryTimeout) <= clock {
		m.lose(w.first)
	}
}

func (m *Meter) unanswered(d *weir.DNSTransaction) {
	m.count.DNSUnanswered++
	m.transaction(d)
}

func (m *Meter) transaction(d *weir.DNSTransaction) {
	m.fill()
	m.batch.DNS = append(m.batch.DNS, *d)
	m.count.DNS++
	if d.Time.Before(time.UnixMicro(m.through / 1000)) {
		m.count.LateRecords++
	}
}
