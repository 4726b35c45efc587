package meter

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dhcp"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/decode/discovery"
	"github.com/weir-nta/weir/decode/dns"
	"github.com/weir-nta/weir/decode/packet"
	"github.com/weir-nta/weir/internal/flowtable"
	"github.com/weir-nta/weir/internal/recent"
)

// A Meter turns packets into records. It belongs to one goroutine.
type Meter struct {
	config Config
	emit   func(*weir.Batch) error
	err    error // what emit returned; the meter does nothing more then
	batch  *weir.Batch
	count  Counters

	clock   int64 // the latest time believed
	started bool
	through int64 // what the last batch said of Through
	held    held

	seed  packet.Seed
	table flowtable.Table
	slabs [][]flow
	free  uint32 // first free flow
	wheel wheel

	freeHeads *head
	freeHoles *holes
	buffers   [][][]byte // free buffers by size: minBuffer << i
	heads     queue
	holes     int // directions that have some

	headBytes, pooledBytes int // of buffers in use, and of free ones

	fresh    fresh
	pressing bool // nothing is held back

	shapes     queue
	freeShapes *shape
	// What the next records take their parts from.
	shapeRecords []weir.Shape
	lengths      []int32
	gaps         []uint32
	tcpHeads     []weir.TCPHead

	waiting waiting
	message dns.Message

	dialog       dialog.Dialog
	at           *packet.Packet // being metered, nil in between
	on           *flow          // which it belongs to
	from         uint8          // the end that sent it
	readings     queue          // of the conversations that are read
	hellos       queue          // of those whose reader keeps a hello, see maxHello
	freeReadings *reading
	expected     *recent.Map[expectation, string]
	tell         telling
	announced    *recent.Map[weir.Announcement, int64]
	local        discovery.Local
	dhcp         dialog.Reader // of all conversations: an exchange crosses them

	tls       weir.TLS // what the recognisers write into
	histories *texts
	options   map[string]string // names of the options of TCP, by their kinds
	macs      *macTexts
	oddities  map[oddity]int // those of the batch, by their place
}

// New returns a meter that hands its records to emit, in batches which then
// belong to emit. An error of emit ends the metering: Packet returns it from
// then on.
func New(config Config, emit func(*weir.Batch) error) (*Meter, error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	m := &Meter{
		config:    config,
		emit:      emit,
		seed:      packet.Seed{rand.Uint64(), rand.Uint64(), rand.Uint64(), rand.Uint64()},
		table:     flowtable.NewTable(),
		histories: newTexts(),
		options:   map[string]string{},
		macs:      new(macTexts),
		oddities:  map[oddity]int{},
		announced: newAnnounced(),
		expected:  recent.New[expectation, string](maxExpected),
		dhcp:      dhcp.New(),
	}
	m.waiting.init()
	m.beginTelling()
	m.newBatch()
	return m, nil
}

// Counters returns what the meter has done so far.
func (m *Meter) Counters() Counters { return m.count }

// Packet takes the next packet, seen at ts (nanoseconds since 1970). It keeps
// nothing of p. The error is that of emit.
func (m *Meter) Packet(ts int64, p *packet.Packet) error {
	if m.err != nil {
		return m.err
	}
	m.count.Packets++
	m.count.Bytes += uint64(max(p.Bytes, 0))
	if m.believe(&ts, p) {
		m.take(ts, p)
	}
	return m.err
}

// Frame takes a frame that is not IP, as [packet.Decoder.Decode] tells it: what
// devices say of themselves below IP. Like Packet it keeps nothing of p.
func (m *Meter) Frame(ts int64, p *packet.Packet) error {
	if m.err != nil {
		return m.err
	}
	m.count.Frames++
	if m.believe(&ts, p) {
		m.take(ts, p)
	}
	return m.err
}

// Flush hands on what there is, for a live source whose traffic pauses.
func (m *Meter) Flush() error {
	if m.err == nil && m.batch.Len() > 0 {
		m.flush(m.promise())
	}
	return m.err
}

// Close reports all that has not ended. Nothing may be given to the meter after it.
func (m *Meter) Close() error {
	if m.err != nil {
		return m.err
	}
	if m.held.packet != nil {
		m.believeHeld()
	}
	m.endAll(closed)
	if m.err == nil && (m.started || m.batch.Len() > 0) { // oddities come without packets, too
		m.flush(m.clock)
	}
	return m.err
}

// endAll ends every flow and query, in the order in which they would have ended.
func (m *Meter) endAll(why reason) {
	for t := m.wheel.now; m.err == nil; {
		s, at, ok := m.wheel.nextSlot(t)
		if !ok {
			break
		}
		t = at
		i := m.wheel.slots[s]
		m.end(i, m.flow(i), why)
	}
	m.loseAll()
}

// take meters a packet whose time is believed.
func (m *Meter) take(ts int64, p *packet.Packet) {
	if ts > m.clock {
		m.clock = ts
		if tickOf(ts) > m.wheel.now {
			m.advance(ts)
			m.timeOut(ts)
		}
	}
	if p.Frame != 0 {
		m.hear(ts, p)
		return
	}
	k, end := keyOf(p)
	hash := k.Hash(&m.seed)
	i, f := m.find(&k, hash)
	if f != nil && (m.clock >= m.deadline(f) || p.Proto == weir.TCP && !p.LaterFragment && f.reused(end, p)) {
		m.end(i, f, ended)
		f = nil
	}
	if f == nil {
		i, f = m.open(&k, hash, end, ts, p)
	} else if ts-f.start >= int64(m.config.Active) {
		m.cut(f, ts)
	}
	m.add(i, f, end, ts, p)
	if f.slot == noSlot {
		m.schedule(i, f)
	}
}

func (m *Meter) find(k *packet.Key, hash uint32) (uint32, *flow) {
	for at := hash; ; {
		i, next := m.table.Next(hash, at)
		if i == 0 {
			return 0, nil
		}
		if f := m.flow(i); f.key == *k {
			return i, f
		}
		at = next
	}
}

// add counts a packet of a flow and shows it to the protocol's own part.
func (m *Meter) add(i uint32, f *flow, end uint8, ts int64, p *packet.Packet) {
	f.last = max(f.last, ts)
	s := &f.s[end]
	s.packets++
	s.bytes += uint64(max(p.Bytes, 0))
	s.data += uint64(max(p.PayloadLen, 0))
	if s.ttl == 0 {
		f.introduce(end, p)
	}
	m.at, m.on, m.from = p, f, end
	switch {
	case p.OverlapsFirst:
		m.oddFlow(f, end, ts, "ip_fragment_overlap", "")
	case p.Proto == weir.UDP:
		m.mark(f, end, sawData, 'D')
		m.datagram(f, end, ts, p)
	case p.LaterFragment:
		// It has no header to look at. Of TCP the hole in the stream remains.
	case p.Proto == weir.TCP:
		m.tcp(i, f, end, ts, p)
	case p.Proto == weir.ICMPv6 && discovery.IsNeighbour(p):
		m.hear(ts, p)
	}
	if f.shaping && p.PayloadLen > 0 && f.kind != isDNS {
		m.addShape(f, end, ts, p)
	}
	m.at = nil
}

// nextFlow returns the next record of the batch, to be made in place: a copy
// of a Flow costs as much as the rest of its making.
func (m *Meter) nextFlow() *weir.Flow {
	m.fill()
	b := m.batch
	if n := len(b.Flows); n < cap(b.Flows) {
		b.Flows = b.Flows[:n+1] // zero: no batch is used twice
	} else {
		b.Flows = append(b.Flows, weir.Flow{})
	}
	return &b.Flows[len(b.Flows)-1]
}

// fill hands on the batch if it is full.
func (m *Meter) fill() {
	if m.batch.Len() >= m.config.BatchRecords {
		m.flush(m.promise())
	}
}

func (m *Meter) newBatch() {
	m.batch = &weir.Batch{}
	clear(m.oddities)
}

func (m *Meter) flush(through int64) {
	b := m.batch
	m.through = max(m.through, through)
	b.Through = timeOf(m.through)
	flows, queries := len(b.Flows), len(b.DNS)
	m.newBatch()
	if m.err == nil {
		m.err = m.emit(b)
	}
	// The next batch is likely to be like this one.
	m.batch.Flows = make([]weir.Flow, 0, min(flows+flows/4, m.config.BatchRecords))
	m.batch.DNS = make([]weir.DNSTransaction, 0, min(queries+queries/4, m.config.BatchRecords))
}

// An oddity is what is counted together in one batch.
type oddity struct {
	name string
	src  packet.Addr
}

// Oddity reports that a packet was odd: name is one of a fixed list of the
// caller's. Those of one name and sender become one record per batch.
func (m *Meter) Oddity(ts int64, p *packet.Packet, name, detail string) {
	if m.again(name, p.Src) {
		return
	}
	m.fill()
	m.count.Oddities++
	m.oddities[oddity{name, p.Src}] = len(m.batch.Oddities)
	m.batch.Oddities = append(m.batch.Oddities, weir.Oddity{
		Time: timeOf(ts), Sensor: m.config.Sensor,
		Src: p.Src.Netip(), Dst: p.Dst.Netip(), SrcPort: p.SrcPort, DstPort: p.DstPort, Proto: p.Proto,
		Name: name, Detail: detail, Count: 1,
	})
}

// again counts an oddity that the batch already tells of.
func (m *Meter) again(name string, src packet.Addr) bool {
	i, ok := m.oddities[oddity{name, src}]
	if ok {
		m.count.Oddities++
		m.batch.Oddities[i].Count++
	}
	return ok
}

// oddFlow reports something odd in what an end of f has sent.
func (m *Meter) oddFlow(f *flow, end uint8, ts int64, name, detail string) {
	k := &f.key
	p := packet.Packet{Src: k.A, Dst: k.B, SrcPort: k.APort, DstPort: k.BPort, Proto: k.Proto}
	if end == 1 {
		p.Src, p.Dst, p.SrcPort, p.DstPort = k.B, k.A, k.BPort, k.APort
	}
	m.Oddity(ts, &p, name, detail)
}

// late is how far behind the clock a packet may be without a record of it
// being older than promised.
const late = 10 * int64(time.Second)

// promise returns the time before which no record to come ends: what has been
// silent for longer than any timeout has been reported.
func (m *Meter) promise() int64 {
	c := &m.config
	idle := max(c.TCPIdle, c.UDPIdle, c.ICMPIdle, c.QueryTimeout)
	return max(m.clock-int64(idle)-late, 0)
}

// maxStep is a step of time, forward or back, that one packet alone is not
// believed: longer than any timeout but shorter than the error of a clock
// that lost its date.
const maxStep = int64(time.Hour)

// A held packet has a time that only the next packet can confirm.
type held struct {
	packet  *packet.Packet // nil: none
	ts      int64
	own     packet.Packet
	payload []byte
	options []byte
}

// believe decides what time a packet is taken to have. It returns false if it
// holds the packet back until the next one.
//
// The clock of a meter is the latest time seen. One damaged time stamp must
// neither end all flows by jumping ahead nor make all that follows look old.
// So a packet more than an hour from the clock waits: if the next one is near
// it, the step was real (captures of several days in a row); if not, it is
// counted, reported, and metered by the clock. A step back that is confirmed
// ends all flows and sets the clock anew. Two damaged packets in a row that
// agree can therefore still cut flows in two, and no more.
func (m *Meter) believe(ts *int64, p *packet.Packet) bool {
	*ts = min(max(*ts, 0), 1<<62) // the year 2116; so that no sum overflows
	if !m.started {
		m.started = true
		m.setClock(*ts)
		return true
	}
	if m.held.packet != nil {
		if step := *ts - m.held.ts; step > maxStep || step < -maxStep {
			m.denyHeld()
		} else {
			m.believeHeld()
		}
	}
	step := *ts - m.clock
	if step > maxStep || step < -maxStep {
		m.hold(*ts, p)
		return false
	}
	if step < 0 {
		m.count.Backwards++
		if -step > late && !m.again("clock_backwards", p.Src) {
			m.Oddity(*ts, p, "clock_backwards", time.Duration(-step).Round(time.Second).String())
		}
	}
	return true
}

func (m *Meter) setClock(ts int64) {
	m.clock = ts
	m.wheel.now = tickOf(ts)
}

func (m *Meter) hold(ts int64, p *packet.Packet) {
	h := &m.held
	h.payload = append(h.payload[:0], p.Payload...)
	h.own, h.ts = *p, ts
	h.own.Payload = h.payload
	h.options = append(h.options[:0], p.Options...)
	h.own.Options = h.options
	h.packet = &h.own
}

func (m *Meter) denyHeld() {
	p := m.held.packet
	m.held.packet = nil
	m.count.Jumps++
	m.Oddity(m.clock, p, "clock_jump", fmt.Sprintf("to %s", timeOf(m.held.ts).Format(time.RFC3339)))
	m.take(m.clock, p)
}

func (m *Meter) believeHeld() {
	p, ts := m.held.packet, m.held.ts
	m.held.packet = nil
	if ts < m.clock {
		m.count.ClockResets++
		m.Oddity(m.clock, p, "clock_reset", fmt.Sprintf("to %s", timeOf(ts).Format(time.RFC3339)))
		m.endAll(early)
		m.setClock(ts)
	}
	m.take(ts, p)
}
