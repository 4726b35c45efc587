// Package passivedns gives addresses the names by which they were looked up:
// it listens to DNS and remembers which host learnt which address by which
// name.
package passivedns

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/recent"
)

// Default is the configuration where the operator says nothing.
var Default = Config{MaxNames: 1_000_000, Keep: 24 * time.Hour}

// slack is how much later than a flow a look-up may seem to end and still be
// its reason: clocks of sensors and of logs differ, and a client may race its
// own question.
const slack = 2 * time.Second

// maxAnswers is how many answers of one response are remembered. No client
// tries more, and the memory is not for one response to fill.
const maxAnswers = 64

// Config is what an operator may set.
type Config struct {
	// MaxNames is how many pairs of host and address are remembered, about
	// 250 bytes each.
	MaxNames int `yaml:"max_names"`
	// Keep is how long a name is believed after it was last looked up.
	// Programs keep addresses far beyond their time to live.
	Keep time.Duration `yaml:"keep"`
}

// An Enricher fills DstHost. It remembers a bounded number of look-ups and
// forgets those least lately used: whoever looks up many addresses shortens
// the memory, and flows lose names that were learnt long before.
type Enricher struct {
	keep  time.Duration
	names *recent.Map[pair, names]
	stats Stats
}

// Stats counts what an Enricher has done.
type Stats struct {
	Learnt    uint64 // addresses in answers
	Ignored   uint64 // answers beyond the 64th of a response
	Looked    uint64 // flows named by a look-up
	Shaken    uint64 // flows named by their handshake alone
	Unnamed   uint64 // flows without any name
	Forgotten uint64 // pairs of host and address forgotten for want of room
}

type pair struct{ host, addr netip.Addr }

// names are the last two names by which a host looked up one address, the
// later one first. Two, because hosts of a content network share addresses,
// and the look-up of a second name must not rename flows that began before.
type names [2]span

// A span is a name and the time in which it was looked up again and again, in
// Unix nanoseconds.
type span struct {
	name       string
	from, last int64
}

// New checks the configuration and returns its enricher.
func (c Config) New() (*Enricher, error) {
	switch {
	case c.MaxNames < 2:
		return nil, fmt.Errorf("max_names: got %d, want 2 or more", c.MaxNames)
	case c.Keep < time.Minute:
		return nil, fmt.Errorf("keep: got %v, want 1m or more", c.Keep)
	}
	return &Enricher{keep: c.Keep, names: recent.New[pair, names](c.MaxNames)}, nil
}

// Stats returns the counters.
func (e *Enricher) Stats() Stats {
	s := e.stats
	s.Forgotten = e.names.Forgotten()
	return s
}

// Enrich implements [enrich.Enricher]. It learns from all look-ups of a batch
// before it names the flows, for a flow comes at its end, or a slice of it
// late, and the look-up before it began; what was learnt too late for a flow
// is told by its time.
func (e *Enricher) Enrich(b *weir.Batch) {
	for i := range b.DNS {
		e.learn(&b.DNS[i])
	}
	for i := range b.Flows {
		e.name(&b.Flows[i])
	}
}

func (e *Enricher) learn(d *weir.DNSTransaction) {
	if d.Query == "" || d.Type != "A" && d.Type != "AAAA" {
		return
	}
	at := d.Time.Add(d.RTT).UnixNano()
	for i, a := range d.Answers {
		if i == maxAnswers {
			e.stats.Ignored += uint64(len(d.Answers) - maxAnswers)
			break
		}
		if !startsAddress(a) {
			continue // a name on the way: the one asked for is the one that counts
		}
		addr, err := netip.ParseAddr(a)
		if err != nil {
			continue
		}
		e.stats.Learnt++
		k := pair{d.Src.Unmap(), addr.Unmap().WithZone("")}
		n, _ := e.names.Get(k)
		n.learn(d.Query, at, e.keep)
		e.names.Put(k, n)
	}
}

// startsAddress spares most names the cost of an error.
func startsAddress(s string) bool {
	return len(s) > 1 && (s[0] >= '0' && s[0] <= '9' || strings.IndexByte(s, ':') >= 0)
}

func (n *names) learn(name string, at int64, keep time.Duration) {
	if n[1].name == name {
		n[0], n[1] = n[1], n[0]
	}
	if n[0].name != name {
		n[1], n[0] = n[0], span{name: name, from: at, last: at}
		return
	}
	if at-n[0].last > int64(keep) {
		n[0].from = at
	}
	n[0].last = max(n[0].last, at)
	n[0].from = min(n[0].from, at) // logs come out of order
}

// name fills DstHost from the look-up, else from the handshake. Which of two
// looked-up names it is, the handshake decides.
func (e *Enricher) name(f *weir.Flow) {
	if f.DstHost != "" {
		return // a log source knew
	}
	said := saidName(f)
	f.DstHost = e.lookedUp(f, said)
	switch {
	case f.DstHost != "":
		e.stats.Looked++
	case said != "":
		f.DstHost = said
		e.stats.Shaken++
	default:
		e.stats.Unnamed++
	}
}

func (e *Enricher) lookedUp(f *weir.Flow, said string) string {
	if !f.Src.IsValid() || !f.Dst.IsValid() {
		return ""
	}
	n, ok := e.names.Get(pair{f.Src.Unmap(), f.Dst.Unmap().WithZone("")})
	if !ok {
		return ""
	}
	began := f.First().UnixNano()
	found := ""
	for _, s := range n {
		known := s.name != "" && s.from <= began+int64(slack) && began-s.last <= int64(e.keep)
		if known && (found == "" || s.name == said) {
			found = s.name
		}
	}
	return found
}

// saidName is the name in the handshake. It is what the client claims, and
// nothing keeps it from claiming another one.
func saidName(f *weir.Flow) string {
	name := ""
	switch {
	case f.TLS != nil && f.TLS.SNI != "":
		name = f.TLS.SNI
	case f.HTTP != nil:
		name = f.HTTP.Host
	}
	name = strings.TrimSuffix(name, ".")
	if startsAddress(name) && isAddress(name) {
		return "" // an address in the Host header is no name
	}
	return name
}

func isAddress(s string) bool {
	if s[0] == '[' && s[len(s)-1] == ']' {
		s = s[1 : len(s)-1]
	}
	_, err := netip.ParseAddr(s)
	return err == nil
}
