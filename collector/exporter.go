package collector

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-nta/weir/decode/netflow"
	"github.com/weir-nta/weir/decode/sflow"
	"github.com/weir-nta/weir/stitch"
)

// A key tells exporters apart: by address, and by name where a file does not
// say who exported.
type key struct {
	addr netip.Addr
	name string
}

// A table holds the exporters known.
type table struct {
	domains atomic.Int64 // of all of them

	mu     sync.RWMutex // never waited for with the lock of an exporter held
	byKey  map[key]*exporter
	looked time.Time // when a place was last looked for in vain
}

// An exporter is one address that sends exports.
type exporter struct {
	addr   netip.Addr
	number int // how many were known when it came
	set    Setting
	seen   atomic.Int64 // arrival of its last datagram, Unix nanoseconds
	stitch *stitch.Exporter
	told   uint64 // of stitch.Flows, in rows; guarded by Collector.stitching
	table  *table
	most   int // domains in the table

	mu       sync.Mutex // guards what follows
	netflow  *netflow.Decoder
	sflow    *sflow.Decoder
	sessions int // open
	domains  map[domainKey]*domain
	last     *domain // that was spoken of
	odd      oddities
}

// maxDomains is how many observation domains one exporter may have: a chassis
// has one for each line card or process.
const maxDomains = 256

type domainKey struct {
	kind  string
	id    uint32
	input *Input // nil for a file
	file  string
}

// exporter returns who sends from addr, nil if its datagrams are not to be
// looked at, which it counts.
func (c *Collector) exporter(addr netip.Addr, n *counters, at time.Time) *exporter {
	k := key{addr: addr}
	c.table.mu.RLock()
	e := c.table.byKey[k]
	c.table.mu.RUnlock()
	if e == nil {
		if !c.settings.allowed(addr) {
			n.notAllowed.Add(1)
			return nil
		}
		if e = c.admit(k, c.settings.of(addr), at); e == nil {
			n.exporters.Add(1)
			return nil
		}
	}
	e.seen.Store(at.UnixNano())
	return e
}

// origin returns whose records a file holds, nil if there are too many.
func (c *Collector) origin(o *Origin, at time.Time) *exporter {
	k := key{addr: o.Addr.Unmap().WithZone("")}
	var set Setting
	if k.addr.IsValid() {
		set = c.settings.of(k.addr)
	} else {
		k.name = o.Sensor
		if k.name == "" {
			k.name = o.Input
		}
		set = Setting{Name: k.name, Sampling: c.config.Sampling}
	}
	if o.Sensor != "" {
		set.Name = o.Sensor
	}
	c.table.mu.RLock()
	e := c.table.byKey[k]
	c.table.mu.RUnlock()
	if e == nil {
		e = c.admit(k, set, at)
	}
	if e != nil {
		e.seen.Store(at.UnixNano())
	}
	return e
}

// admit makes an exporter, nil if there is no place for one.
func (c *Collector) admit(k key, set Setting, at time.Time) *exporter {
	t := &c.table
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.byKey[k]; e != nil { // somebody else was faster
		return e
	}
	if len(t.byKey) >= c.config.MaxExporters && !c.makePlace(at) {
		return nil
	}
	e := &exporter{
		addr: k.addr, number: len(t.byKey), set: set, table: t, most: c.config.MaxDomains,
		stitch:  &stitch.Exporter{Name: set.Name, Addr: k.addr},
		domains: map[domainKey]*domain{},
	}
	e.seen.Store(at.UnixNano())
	t.byKey[k] = e
	return e
}

// makePlace forgets the exporter that has been silent for longest, if that is
// long enough. It looks once a second only: there may be a flood of new ones.
func (c *Collector) makePlace(at time.Time) bool {
	t := &c.table
	if since := at.Sub(t.looked); since >= 0 && since < time.Second {
		return false
	}
	t.looked = at
	oldest, when := key{}, at.Add(-c.config.IdleAfter).UnixNano()
	for k, e := range t.byKey {
		if seen := e.seen.Load(); seen < when && e.idle() {
			oldest, when = k, seen
		}
	}
	e := t.byKey[oldest]
	if e == nil {
		return false
	}
	t.looked = time.Time{} // there may be more
	delete(t.byKey, oldest)
	e.mu.Lock()
	t.domains.Add(-int64(len(e.domains)))
	e.mu.Unlock()
	c.counters.forgotten.Add(1)
	c.state.keep(e)
	return true
}

// idle says whether nothing of e waits to be told.
func (e *exporter) idle() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, d := range e.domains {
		if !d.quiet() {
			return false
		}
	}
	return e.sessions == 0 && e.odd.empty()
}

// share is the part of a limit for all that the exporter with this number may
// use: the first few all of most, later ones less, down to least. So the sum
// stays in bounds, and forged exporters, who come later, get little.
func share(all, most, least, number int) int {
	return min(most, max(least, all/(number+1)))
}

// What all exporters together may keep, to within the logarithm of their number.
const (
	allHeldBytes = 16 << 20
	allTemplates = 16 << 10
	allFacts     = 256 << 10
	allCached    = 16 << 10
	allSources   = 64 << 10
)

// newNetFlow makes a decoder for e, with what is known of it from before.
func (c *Collector) newNetFlow(e *exporter) *netflow.Decoder {
	d := netflow.NewDecoder(c.netflowConfig(e))
	if saved := c.state.of(e.addr); saved != nil {
		if err := d.LoadState(saved); err != nil {
			c.counters.stateErrors.Add(1)
		}
	}
	return d
}

func (c *Collector) netflowConfig(e *exporter) netflow.Config {
	n := c.config.NetFlow
	n.Sampling = e.set.Sampling
	n.MaxHeldBytes = share(allHeldBytes, n.MaxHeldBytes, 16<<10, e.number)
	n.MaxTemplates = share(allTemplates, n.MaxTemplates, 64, e.number)
	n.MaxFacts = share(allFacts, n.MaxFacts, 256, e.number)
	n.MaxCached = share(allCached, n.MaxCached, 16, e.number)
	return n
}

func (c *Collector) sflowConfig(e *exporter) sflow.Config {
	s := c.config.SFlow
	s.Sampling = e.set.Sampling
	s.MaxSources = share(allSources, s.MaxSources, 64, e.number)
	return s
}

// domain returns the domain that a datagram with header h speaks for, nil if
// there are too many.
func (e *exporter) domain(h *header, in *Input) *domain {
	return e.open(domainKey{kind: h.kind.String(), id: h.domain, input: in}, in.name)
}

// file returns the domain that records of a file belong to.
func (e *exporter) file(o *Origin) *domain {
	return e.open(domainKey{kind: o.Kind, id: o.Domain, file: o.Input}, o.Input)
}

func (e *exporter) open(k domainKey, input string) *domain {
	d := e.domains[k]
	if d == nil {
		if len(e.domains) >= maxDomains || e.table.domains.Load() >= int64(e.most) {
			return nil
		}
		e.table.domains.Add(1)
		d = &domain{kind: k.kind, id: k.id, input: input}
		e.domains[k] = d
	}
	e.last = d
	return d
}

// all returns the exporters known.
func (t *table) all() []*exporter {
	t.mu.RLock()
	defer t.mu.RUnlock()
	out := make([]*exporter, 0, len(t.byKey))
	for _, e := range t.byKey {
		out = append(out, e)
	}
	return out
}
