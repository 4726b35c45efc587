package collector

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/flowrec"
	"github.com/weir-nta/weir/decode/netflow"
	"github.com/weir-nta/weir/decode/sflow"
)

// A domain is one observation domain of an exporter: what came of it since its
// last row, and the state of its numbers and clock.
type domain struct {
	kind  string
	id    uint32
	input string
	seen  time.Time

	streams streams
	recent  recent
	skew    skew

	// What goes on from row to row.
	templates, interfaces uint32
	sampling              uint32
	samplingUnknown       bool

	// Since the last row.
	counts
	missing []uint32
}

// counts are those of one row.
type counts struct {
	datagrams, bytes, records     uint64
	held, heldLost                uint64
	malformed, limited, ifaceErrs uint64
	tally                         tally
}

// maxMissing is how many missing templates one row names.
const maxMissing = 64

// take counts one datagram.
func (d *domain) take(n int, at time.Time) {
	d.datagrams++
	d.bytes += uint64(n)
	if at.After(d.seen) {
		d.seen = at
	}
}

// quiet says whether there is nothing to tell.
func (d *domain) quiet() bool { return d.counts == (counts{}) }

// follow takes the sequence number of a datagram into account.
func (d *domain) follow(st step, at time.Time, n *counters) {
	before := d.tally
	d.streams.of(&st.header, at, &d.tally).follow(st, at, &d.tally)
	d.settle(&before, n)
}

// settle counts what the numbers have told since before. sFlow numbers both
// datagrams and samples: what counts as lost is samples, which the decoder
// tells, and datagrams are counted by the side.
func (d *domain) settle(before *tally, n *counters) {
	lost := d.tally.lost - before.lost
	if d.kind == sflow5.String() {
		n.lostDatagrams.Add(lost)
		d.tally.lost = before.lost
	} else {
		n.lost.Add(lost)
	}
	n.reordered.Add(d.tally.reordered - before.reordered)
	n.restarts.Add(d.tally.restarts - before.restarts)
}

// message takes what a message of NetFlow or IPFIX tells of its exporter.
func (d *domain) message(m *netflow.Message, dec *netflow.Decoder, n *counters) {
	for _, s := range m.Missing {
		if s.Held {
			d.held++
			n.held.Add(1)
		} else {
			d.heldLost++
			n.heldLost.Add(1)
		}
		id := uint32(s.Template)
		if len(d.missing) < maxMissing && !slices.Contains(d.missing, id) {
			d.missing = append(d.missing, id)
		}
	}
	d.heldLost += uint64(m.ExpiredSets)
	n.heldLost.Add(uint64(m.ExpiredSets))
	d.malformed += uint64(m.RefusedTemplates + m.ReservedSets)
	d.limited += uint64(m.EvictedTemplates + m.IgnoredOptions)
	n.replayed.Add(m.ReplayedData)
	n.noFlow.Add(m.NoFlow)
	n.reservedSets.Add(uint64(m.ReservedSets))
	n.ignoredOptions.Add(uint64(m.IgnoredOptions))
	n.cutElements.Add(uint64(m.CutExtra))
	n.refusedTemplates.Add(uint64(m.RefusedTemplates))
	n.evictedTemplates.Add(uint64(m.EvictedTemplates))
	if m.NewTemplates+m.ChangedTemplates+m.Withdrawn+m.EvictedTemplates > 0 || d.templates == 0 {
		d.templates = uint32(dec.Templates(m.Domain))
	}
	if m.Sampling != 0 {
		d.sampling = m.Sampling
	}
	d.samplingUnknown = m.SamplingUnknown
	d.rate(m.Records)
}

// rate takes the sampling rate from records where the exporter tells it by
// sampler instead of for all its traffic.
func (d *domain) rate(records []flowrec.Record) {
	if len(records) == 0 {
		return
	}
	r := &records[len(records)-1]
	d.samplingUnknown = r.SamplingUnknown
	if r.Sampling > 1 || d.sampling > 1 && !r.SamplingUnknown {
		d.sampling = r.Sampling
	}
}

// datagram takes what a datagram of sFlow tells of its agent.
func (d *domain) datagram(g *sflow.Datagram, dec *sflow.Decoder, n *counters) {
	d.tally.lost += g.Lost
	n.lost.Add(g.Lost)
	// Samples that come late had been counted lost. What a row has told stays told.
	found := min(uint64(g.Late), d.tally.lost)
	d.tally.lost -= found
	n.lost.Add(-found)
	d.ifaceErrs += g.Errors
	d.malformed += uint64(g.BadSamples + g.BadHeaders)
	d.interfaces = uint32(dec.Interfaces())
	n.samples.Add(uint64(g.FlowSamples))
	n.notIP.Add(uint64(g.NotIP))
	n.badSamples.Add(uint64(g.BadSamples))
	n.badHeaders.Add(uint64(g.BadHeaders))
	n.unknownSamples.Add(uint64(g.UnknownSamples))
	n.unknownRecords.Add(uint64(g.UnknownRecords))
	n.untracked.Add(uint64(g.Untracked))
	n.cutElements.Add(uint64(g.CutExtra))
	n.agentDrops.Add(g.Drops)
	d.rate(g.Records)
}

// giveUp counts as lost what still waits for late datagrams, or for templates:
// there will be none. The caller holds c.stitching.
func (c *Collector) giveUp() {
	for _, e := range c.table.all() {
		e.mu.Lock()
		for _, d := range e.domains {
			before := d.tally
			for _, s := range d.streams {
				s.giveUp(&d.tally)
			}
			d.settle(&before, &c.counters)
		}
		if e.netflow != nil {
			e.lose(e.netflow, &c.counters)
		}
		e.mu.Unlock()
	}
}

// lose counts what a decoder holds that will not be asked again.
func (e *exporter) lose(dec *netflow.Decoder, n *counters) {
	held := uint64(dec.Held())
	e.last.heldLost += held
	n.heldLost.Add(held)
}

// health adds the rows of all exporters and inputs, and their oddities, to the
// batch. The caller holds c.stitching.
func (c *Collector) health(at time.Time) {
	exporters := c.table.all()
	slices.SortFunc(exporters, func(a, b *exporter) int {
		return cmp.Or(a.addr.Compare(b.addr), cmp.Compare(a.set.Name, b.set.Name))
	})
	for _, e := range exporters {
		c.tell(e, at)
	}
	for _, in := range c.inputs {
		c.tellInput(in, at)
	}
	c.since = at
}

// tell adds the rows of one exporter.
func (c *Collector) tell(e *exporter, at time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	flows := e.stitch.Flows - e.told
	e.told = e.stitch.Flows
	domains := make([]*domain, 0, len(e.domains))
	for _, d := range e.domains {
		before := d.tally
		for _, s := range d.streams {
			s.expire(at, &d.tally)
		}
		d.settle(&before, &c.counters)
		if !d.quiet() || d == e.last && flows > 0 {
			domains = append(domains, d)
		}
	}
	slices.SortFunc(domains, func(a, b *domain) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.id, b.id), cmp.Compare(a.input, b.input))
	})
	busiest := busiest(domains)
	for _, d := range domains {
		row := e.row(d, c.since, at)
		if d == busiest { // joining does not know of domains
			row.Flows = flows
		}
		c.row(row)
	}
	c.odd(e.odd.take(), e.set.Name, at)
}

// busiest returns the domain with the most records.
func busiest(domains []*domain) *domain {
	if len(domains) == 0 {
		return nil
	}
	return slices.MaxFunc(domains, func(a, b *domain) int { return cmp.Compare(a.records, b.records) })
}

// row makes the row of d and begins the next.
func (e *exporter) row(d *domain, since, at time.Time) weir.Exporter {
	r := weir.Exporter{
		Time: at, Since: since, Sensor: e.set.Name, Addr: e.addr, Input: d.input, Kind: d.kind, Domain: d.id, Seen: d.seen,
		Datagrams: d.datagrams, Bytes: d.bytes, Records: d.records,
		Templates: d.templates, MissingTemplates: d.missing, Held: d.held, HeldLost: d.heldLost,
		Sampling: d.sampling, SamplingUnknown: d.samplingUnknown,
		Lost: d.tally.lost, Reordered: d.tally.reordered, Duplicated: d.tally.duplicated, Restarts: d.tally.restarts,
		Skew:          d.skew.estimate(),
		ActiveTimeout: e.stitch.ActiveTimeout(), InactiveTimeout: e.stitch.InactiveTimeout(), OneWay: e.stitch.OneWay(),
		Interfaces: d.interfaces, InterfaceErrors: d.ifaceErrs,
		DroppedDecoder: d.malformed, DroppedLimit: d.limited,
	}
	if s := at.Sub(since).Seconds(); s > 0 {
		r.Rate = float64(d.records) / s
	}
	if e.set.Sampling != 0 {
		r.Sampling, r.SamplingUnknown = e.set.Sampling, false
	}
	if r.Sampling == 1 { // every packet was looked at: not sampled
		r.Sampling = 0
	}
	slices.Sort(r.MissingTemplates)
	d.counts, d.missing = counts{}, nil
	return r
}

// tellInput adds the row of an input: what no exporter's row tells.
func (c *Collector) tellInput(in *Input, at time.Time) {
	c.odd(in.odd.take(), in.name, at)
	kernel := in.kernel.Load()
	r := weir.Exporter{
		Time: at, Since: c.since, Sensor: in.name, Input: in.name, Kind: in.kind,
		Datagrams: in.datagrams.Swap(0), Bytes: in.bytes.Swap(0),
		DroppedKernel:  kernel - in.kernelTold.Swap(kernel),
		DroppedDecoder: in.unread.Swap(0), DroppedLimit: in.limited.Swap(0),
	}
	if ns := in.latest.Load(); ns != 0 {
		r.Seen = time.Unix(0, ns)
	}
	if r.Datagrams > 0 || r.DroppedKernel > 0 || in.kind != "" {
		c.row(r)
	}
}

func (c *Collector) row(r weir.Exporter) {
	c.batch.Exporters = append(c.batch.Exporters, r)
	if len(c.batch.Exporters) >= c.config.BatchRecords {
		c.flush()
	}
}

func (c *Collector) odd(list []weir.Oddity, sensor string, at time.Time) {
	for i := range list {
		list[i].Sensor = sensor
	}
	c.batch.Oddities = append(c.batch.Oddities, list...)
	if len(c.batch.Oddities) >= c.config.BatchRecords {
		c.flush()
	}
}

// maxOddities is how many senders of odd datagrams one input tells of by
// themselves between two rows. Those of more are counted with the last.
const maxOddities = 64

// oddities are malformed datagrams, told once for each sender and kind.
type oddities struct {
	mu   sync.Mutex
	list []weir.Oddity
}

func (o *oddities) add(name string, from netip.Addr, port uint16, detail string, at time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range o.list {
		if p := &o.list[i]; p.Name == name && p.Src == from {
			p.Count++
			return
		}
	}
	odd := weir.Oddity{Time: at, Src: from, SrcPort: port, Proto: weir.UDP, Name: name, Detail: detail, Count: 1}
	if n := len(o.list); n == maxOddities {
		last := &o.list[n-1]
		odd.Count += last.Count
		odd.Src, odd.SrcPort = netip.Addr{}, 0
		odd.Detail = "from many addresses"
		*last = odd
		return
	}
	o.list = append(o.list, odd)
}

// take returns the oddities and begins anew.
func (o *oddities) take() []weir.Oddity {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := o.list
	o.list = nil
	return list
}

func (o *oddities) empty() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.list) == 0
}

// version says how an unknown datagram begins.
func version(b []byte) string {
	if len(b) < 2 {
		return fmt.Sprintf("%d bytes", len(b))
	}
	return fmt.Sprintf("version 0x%02x%02x, %d bytes", b[0], b[1], len(b))
}
