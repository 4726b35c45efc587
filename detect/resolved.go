package detect

import (
	"net/netip"
	"time"

	"github.com/weir-nta/weir"
)

// resolvedFor is how long a host may use an address that it looked up:
// programs keep addresses beyond their time to live.
const resolvedFor = 24 * time.Hour

// A Resolved remembers which host looked up which address by which name in the
// last 24 hours (passive DNS). It holds at most as many pairs as it was made
// for and forgets the oldest: a forgotten pair makes a contact look as if
// nobody had asked for its name.
type Resolved struct {
	names *LRU[hostAddr, string]
	hosts *LRU[netip.Addr, struct{}]
}

type hostAddr struct{ host, addr netip.Addr }

// NewResolved returns a Resolved of at most limit pairs of host and address.
func NewResolved(limit int) *Resolved {
	return &Resolved{
		names: NewLRU[hostAddr, string](limit, resolvedFor),
		hosts: NewLRU[netip.Addr, struct{}](limit, resolvedFor),
	}
}

// DNS learns the addresses in the answers of d.
func (r *Resolved) DNS(d *weir.DNSTransaction) {
	r.hosts.Touch(d.Src, d.Time)
	for _, a := range d.Answers {
		if !looksLikeAddr(a) {
			continue // a name, a text: not every answer is an address
		}
		addr, err := netip.ParseAddr(a)
		if err != nil {
			continue
		}
		name, _ := r.names.Touch(hostAddr{d.Src, addr.WithZone("")}, d.Time)
		*name = d.Query
	}
}

// Name returns the name by which host looked up addr in the 24 hours up to t.
func (r *Resolved) Name(host, addr netip.Addr, t time.Time) (name string, ok bool) {
	p := r.names.Get(hostAddr{host, addr}, t)
	if p == nil {
		return "", false
	}
	return *p, true
}

// Sees reports whether any DNS question of host was seen in the 24 hours up to
// t: without, it proves nothing that a name is missing.
func (r *Resolved) Sees(host netip.Addr, t time.Time) bool { return r.hosts.Get(host, t) != nil }

// Evicted returns how many pairs and hosts were forgotten because of the limit.
func (r *Resolved) Evicted() uint64 { return r.names.Evicted() + r.hosts.Evicted() }
