// Package hosts learns the devices of the local networks from all records
// there are: who is behind an address, how it is called, what it seems to be,
// and what it is there for. It names them in flows, and tells of them in
// records of table host.
package hosts

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/recent"
)

// Default is the configuration where the operator says nothing.
var Default = Config{MaxHosts: 50_000}

// Config is what an operator may set.
type Config struct {
	// MaxHosts is how many devices are remembered, 2 to 10 KB each.
	MaxHosts int `yaml:"max_hosts"`
}

// New checks the configuration and returns its enricher. It asks local whether
// an address is of the local networks.
func (c Config) New(local func(netip.Addr) bool) (*Enricher, error) {
	if c.MaxHosts < 2 {
		return nil, fmt.Errorf("max_hosts: got %d, want 2 or more", c.MaxHosts)
	}
	return &Enricher{
		max:     c.MaxHosts,
		local:   local,
		byAddr:  map[netip.Addr]*binding{},
		stacks:  map[stack]uint16{},
		matches: recent.New[text, uint16](maxTexts),
		macs:    recent.New[mac, *frames](4 * c.MaxHosts),
	}, nil
}

// An Enricher fills SrcDevice, DstDevice, SrcRole and DstRole of flows with
// what is known by then, and appends records of table host to the batches that
// it is given. It remembers a bounded number of devices and forgets those that
// were silent longest: whoever invents addresses shortens its memory, and what
// was forgotten is learnt anew.
type Enricher struct {
	max    int
	local  func(netip.Addr) bool
	byAddr map[netip.Addr]*binding
	macs   *recent.Map[mac, *frames]
	// latest and oldest are the ends of the list of devices by when they were
	// seen; count is its length.
	latest, oldest *device
	count          int
	due            agenda
	now            int64 // how far the traffic has got, in Unix nanoseconds

	stacks  map[stack]uint16          // what is known of TCP/IP stacks seen
	matches *recent.Map[text, uint16] // what rules say of texts seen
	stats   Stats
}

// Stats counts what an Enricher has done.
type Stats struct {
	Devices   int    // known now
	Forgotten uint64 // devices forgotten for want of room
	Moved     uint64 // addresses that went from one device to another
	Shared    uint64 // link-layer addresses that turned out to be a router's
	Told      uint64 // records made
	Refused   uint64 // reasons not kept: a device has 32 at most
}

// Stats returns the counters.
func (e *Enricher) Stats() Stats {
	s := e.stats
	s.Devices = e.count
	return s
}

// Enrich implements [enrich.Enricher]. It learns from all of a batch but its
// flows before it looks at these: a flow comes at its end, and the lease before
// it began.
func (e *Enricher) Enrich(b *weir.Batch) {
	for i := range b.DHCP {
		e.lease(&b.DHCP[i])
	}
	for i := range b.Announcements {
		e.announced(&b.Announcements[i])
	}
	e.said(b)
	for i := range b.Flows {
		e.flow(&b.Flows[i])
	}
	e.advance(b.Latest())
	e.tellDue(b)
}

// Close returns what is to be told at the end of all input: a record of each
// device that was seen since its last one.
func (e *Enricher) Close() *weir.Batch {
	b := &weir.Batch{}
	for d := e.oldest; d != nil; d = d.newer {
		e.believeAtLast(d)
	}
	for d := e.oldest; d != nil; d = d.newer {
		if d.flows > 0 || d.changed || d.told < d.last {
			e.tell(d, b)
		}
	}
	return b
}

// advance moves the clock of the traffic. Where it goes back, as from one
// capture to the next or after a record from the future, what was due by the
// old time is due by the new one.
func (e *Enricher) advance(t time.Time) {
	if t.IsZero() {
		return
	}
	now := t.UnixNano()
	if now < e.now-int64(day) {
		e.due.before(now + int64(quiet))
	}
	e.now = now
}
