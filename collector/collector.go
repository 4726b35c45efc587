package collector

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/flowrec"
	"github.com/weir-nta/weir/decode/netflow"
	"github.com/weir-nta/weir/decode/sflow"
	"github.com/weir-nta/weir/stitch"
)

// A Collector knows exporters and makes flows of what they send.
//
// Datagrams may be given to it from many goroutines: each exporter has a lock
// of its own, and decoding is done where the datagram arrived. The records wait
// in a queue until Each, Take or Close puts them together, which one goroutine
// does at a time; so decoding goes on while flows are made, enriched and kept.
// The queue has no bound of its own: who brings datagrams without end calls
// Wait between them.
type Collector struct {
	config   Config
	settings *settings
	input    *Input
	queue    queue
	scratch  sync.Pool // of *scratch

	table    table
	counters counters

	first, latest atomic.Int64 // arrival, Unix nanoseconds; 0 for nothing yet

	stitching sync.Mutex // guards what follows
	stitcher  *stitch.Stitcher
	inputs    []*Input
	batch     *weir.Batch
	hint      int // how many flows the last batch had
	emit      func(*weir.Batch) error
	err       error // of emit
	since     time.Time
	state     state
}

// New checks the configuration and returns a collector for it. A saved state
// that cannot be read is counted (Counters.StateErrors) and no error.
func New(c Config) (*Collector, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	col := &Collector{config: c, settings: newSettings(&c)}
	col.table.byKey = map[key]*exporter{}
	col.scratch.New = func() any { return new(scratch) }
	col.queue.init(c.MaxWaiting, c.BatchRecords)
	var err error
	if col.stitcher, err = stitch.New(c.Stitch, col.flow); err != nil {
		return nil, fmt.Errorf("stitch: %w", err)
	}
	if err := col.state.open(&c, &col.counters); err != nil {
		return nil, err
	}
	col.input = col.Input(c.Input, "")
	return col, nil
}

// An Input is one place that datagrams come in by: a socket, a capture. Its
// own row of health tells of datagrams that belong to no exporter.
type Input struct {
	c          *Collector
	name, kind string

	// Of what no exporter's row tells; since the last row.
	datagrams, bytes   atomic.Uint64
	limited, unread    atomic.Uint64
	latest             atomic.Int64
	kernel, kernelTold atomic.Uint64 // in all, and of them in rows
	odd                oddities
}

// Input makes an input of the given name, such as "udp [::]:2055", and kind,
// such as "udp"; without a kind its rows tell of losses only.
func (c *Collector) Input(name, kind string) *Input {
	in := &Input{c: c, name: name, kind: kind}
	c.stitching.Lock()
	defer c.stitching.Unlock()
	c.inputs = append(c.inputs, in)
	return in
}

// Dropped tells how many datagrams the kernel has dropped in all, because they
// were not fetched in time.
func (in *Input) Dropped(inAll uint64) {
	in.c.counters.kernel.Add(inAll - in.kernel.Swap(inAll))
}

// A scratch is what decoding one datagram needs and the next uses again.
type scratch struct {
	message  netflow.Message
	datagram sflow.Datagram
}

// Datagram takes one datagram of NetFlow, IPFIX or sFlow, told by content. It
// keeps nothing of b.
func (c *Collector) Datagram(b []byte, from netip.AddrPort, at time.Time) {
	c.input.Datagram(b, from, at)
}

// Datagram takes one datagram that came in here. It keeps nothing of b.
func (in *Input) Datagram(b []byte, from netip.AddrPort, at time.Time) {
	c := in.c
	c.arrived(at, len(b))
	addr := from.Addr().Unmap().WithZone("")
	h := readHeader(b)
	if h.kind == unknown {
		c.counters.unknown.Add(1)
		in.refuse(&in.unread, len(b), at)
		if c.settings.allowed(addr) { // else anybody could fill the list
			in.odd.add("export_unknown_version", addr, from.Port(), version(b), at)
		}
		return
	}
	e := c.exporter(addr, &c.counters, at)
	if e == nil {
		in.refuse(&in.limited, len(b), at)
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	d := e.domain(&h, in)
	if d == nil {
		c.counters.domains.Add(1)
		in.refuse(&in.limited, len(b), at)
		return
	}
	d.take(len(b), at)
	if d.recent.seen(xxh3.Hash(b), at) {
		d.tally.duplicated++
		c.counters.duplicated.Add(1)
		return
	}
	s := c.scratch.Get().(*scratch)
	defer c.scratch.Put(s)
	if h.kind == sflow5 {
		c.sflow(e, d, s, b, &h, from.Port(), at)
		return
	}
	if e.netflow == nil {
		e.netflow = c.newNetFlow(e)
	}
	_ = c.netflow(e, d, e.netflow, s, b, &h, from.Port(), at) // counted there; nobody can be told
}

// refuse counts a datagram that belongs to no exporter.
func (in *Input) refuse(why *atomic.Uint64, n int, at time.Time) {
	why.Add(1)
	in.datagrams.Add(1)
	in.bytes.Add(uint64(n))
	in.latest.Store(at.UnixNano())
}

// arrived counts what came, and how late it is.
func (c *Collector) arrived(at time.Time, n int) {
	c.counters.datagrams.Add(1)
	c.counters.bytes.Add(uint64(n))
	ns := at.UnixNano()
	if c.first.Load() == 0 {
		c.first.CompareAndSwap(0, ns)
	}
	if ns > c.latest.Load() {
		c.latest.Store(ns) // of two at once either will do
	}
}

// netflow decodes one datagram or message of NetFlow or IPFIX.
func (c *Collector) netflow(e *exporter, d *domain, dec *netflow.Decoder, s *scratch, b []byte, h *header, port uint16, at time.Time) error {
	m := &s.message
	err := dec.Decode(m, b, port, at)
	c.read(e, d, h, err, port, at)
	d.message(m, dec, &c.counters)
	if h.kind != netflow1 { // which has no numbers
		h.sender = uint64(port)
		units, known := m.Advance()
		st := step{header: *h, units: units, other: units, unsure: !known || err != nil && h.kind == ipfix}
		switch h.kind {
		case netflow9:
			st.other = uint32(m.Data)
		case ipfix:
			st.other = 1
		}
		d.follow(st, at, &c.counters)
	}
	d.skew.add(at.Sub(h.exported))
	told := timeouts{m.ActiveTimeout, m.InactiveTimeout}
	m.Records = c.hand(e, d, m.Records, told, at)
	return err
}

// sflow decodes one datagram of sFlow.
func (c *Collector) sflow(e *exporter, d *domain, s *scratch, b []byte, h *header, port uint16, at time.Time) {
	if e.sflow == nil {
		e.sflow = sflow.NewDecoder(c.sflowConfig(e))
	}
	g := &s.datagram
	err := e.sflow.Decode(g, b, at)
	c.read(e, d, h, err, port, at)
	d.datagram(g, e.sflow, &c.counters)
	d.follow(step{header: *h, units: 1, other: 1}, at, &c.counters)
	g.Records = c.hand(e, d, g.Records, timeouts{}, at)
}

// read notes whether a datagram could be read to its end.
func (c *Collector) read(e *exporter, d *domain, h *header, err error, port uint16, at time.Time) {
	if err == nil {
		return
	}
	d.malformed++
	c.counters.malformed.Add(1)
	e.odd.add("export_malformed", e.addr, port, fmt.Sprintf("%v: %v", h.kind, err), at)
}

// hand puts the records in the queue and returns a slice to be used instead.
func (c *Collector) hand(e *exporter, d *domain, records []flowrec.Record, told timeouts, at time.Time) []flowrec.Record {
	d.records += uint64(len(records))
	c.counters.records.Add(uint64(len(records)))
	if len(records) == 0 && told == (timeouts{}) {
		return records
	}
	return c.queue.put(slab{records, e, told, at})
}

// An Origin says whose records are given to Records.
type Origin struct {
	Addr   netip.Addr // of the exporter; the zero Addr if not known
	Sensor string     // empty: the name in the settings, else the address or Input
	Kind   string     // as weir.Exporter.Kind
	Domain uint32
	Input  string // the file
}

// Records takes records that were decoded elsewhere, from a file. It keeps
// nothing of them but More.
func (c *Collector) Records(o Origin, records []flowrec.Record, at time.Time) {
	c.arrived(at, 0)
	e := c.origin(&o, at)
	if e == nil {
		c.counters.refusedRecords.Add(uint64(len(records)))
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	d := e.file(&o)
	if d == nil {
		c.counters.refusedRecords.Add(uint64(len(records)))
		return
	}
	d.take(0, at)
	c.hand(e, d, append(c.queue.spare(), records...), timeouts{}, at)
}

// Wait waits until there is room for more records, or ctx is done.
func (c *Collector) Wait(ctx context.Context) { c.queue.wait(ctx) }

// Ready is sent to when enough records for a batch wait.
func (c *Collector) Ready() <-chan struct{} { return c.queue.ready }

// Each puts together what has arrived and hands the records that are ready to
// emit, in batches which then belong to emit. The time is that of arrival. An
// error of emit ends it and is returned.
func (c *Collector) Each(at time.Time, emit func(*weir.Batch) error) error {
	c.stitching.Lock()
	defer c.stitching.Unlock()
	c.begin(emit)
	c.stitch()
	c.stitcher.Advance(at)
	if c.since.IsZero() {
		c.since = c.started(at)
	}
	if at.Sub(c.since) >= c.config.HealthEvery {
		c.health(at)
		c.state.save(c, at)
	}
	return c.end()
}

// Take puts together what has arrived and returns the records that are ready,
// nil if there are none. The time is that of arrival.
func (c *Collector) Take(at time.Time) *weir.Batch {
	var all *weir.Batch
	_ = c.Each(at, joining(&all)) // joining does not fail
	return all
}

// CloseEach puts together and hands to emit all that is left, as Each does, and
// saves the state. Nothing may be given to the collector after it.
func (c *Collector) CloseEach(emit func(*weir.Batch) error) error {
	c.stitching.Lock()
	defer c.stitching.Unlock()
	c.begin(emit)
	c.stitch()
	c.stitcher.Close()
	at := c.since
	if ns := c.latest.Load(); ns > at.UnixNano() {
		at = time.Unix(0, ns)
	}
	if c.since.IsZero() {
		c.since = c.started(at)
	}
	c.giveUp()
	c.health(at)
	c.state.save(c, at)
	return c.end()
}

// Close returns all that is left, however much it is, nil if there is nothing.
// Nothing may be given to the collector after it.
func (c *Collector) Close() *weir.Batch {
	var all *weir.Batch
	_ = c.CloseEach(joining(&all)) // joining does not fail
	return all
}

// joining returns an emit that makes one batch of all.
func joining(all **weir.Batch) func(*weir.Batch) error {
	return func(b *weir.Batch) error {
		if *all == nil {
			*all = b
			return nil
		}
		a := *all
		a.Flows = append(a.Flows, b.Flows...)
		a.DNS = append(a.DNS, b.DNS...)
		a.Oddities = append(a.Oddities, b.Oddities...)
		a.Exporters = append(a.Exporters, b.Exporters...)
		return nil
	}
}

// started returns when the first datagram came, at if none has.
func (c *Collector) started(at time.Time) time.Time {
	if ns := c.first.Load(); ns != 0 {
		return time.Unix(0, ns)
	}
	return at
}

func (c *Collector) begin(emit func(*weir.Batch) error) {
	c.emit, c.err = emit, nil
	c.batch = &weir.Batch{}
}

// end hands on what is left and forgets emit.
func (c *Collector) end() error {
	c.flush()
	c.emit, c.batch = nil, nil
	return c.err
}

// stitch takes the queue as it is now.
func (c *Collector) stitch() {
	slabs := c.queue.take()
	for i := range slabs {
		s := &slabs[i]
		s.told.tell(s.from.stitch)
		for r := range s.records {
			rec := &s.records[r]
			c.stitcher.Add(rec, s.from.stitch, s.at)
			if rec.More != nil && rec.More.DNS != nil {
				c.dns(rec.More.DNS, s.from)
			}
		}
		c.queue.done(s.records)
		if c.err != nil {
			break // nobody takes any more
		}
	}
	c.queue.recycle(slabs)
}

// dns adds a transaction that a record told, or that was sampled.
func (c *Collector) dns(d *weir.DNSTransaction, from *exporter) {
	t := *d
	t.Sensor = from.stitch.Name
	c.batch.DNS = append(c.batch.DNS, t)
	c.counters.dns.Add(1)
	if len(c.batch.DNS) >= c.config.BatchRecords {
		c.flush()
	}
}

// flow takes a conversation from the stitcher.
func (c *Collector) flow(f *weir.Flow) {
	if c.batch.Flows == nil {
		c.batch.Flows = make([]weir.Flow, 0, min(c.hint+c.hint/4+16, c.config.BatchRecords))
	}
	c.batch.Flows = append(c.batch.Flows, *f)
	if len(c.batch.Flows) >= c.config.BatchRecords {
		c.flush()
	}
}

// flush hands the batch on if there is anything in it.
func (c *Collector) flush() {
	b := c.batch
	if b.Len() == 0 || c.err != nil {
		return
	}
	c.hint = len(b.Flows)
	c.batch = &weir.Batch{}
	c.err = c.emit(b)
}
