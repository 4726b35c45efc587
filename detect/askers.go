package detect

import (
	"net/netip"
	"time"

	"github.com/weir-nta/weir"
)

// Askers remembers which hosts asked for names in the last 24 hours, which is
// how long a looked-up name is believed: of them a flow without a name says
// something, of others it does not. It holds at most as many hosts as it was
// made for and forgets the one silent for longest: a forgotten host looks as
// if none of its DNS could be seen, and its findings then say so.
type Askers struct {
	hosts *LRU[netip.Addr, struct{}]
}

// NewAskers returns an Askers of at most limit hosts.
func NewAskers(limit int) *Askers {
	return &Askers{NewLRU[netip.Addr, struct{}](limit, 24*time.Hour)}
}

// DNS learns from d.
func (a *Askers) DNS(d *weir.DNSTransaction) { a.hosts.Touch(d.Src, d.Time) }

// Has reports whether host asked for a name in the 24 hours up to t.
func (a *Askers) Has(host netip.Addr, t time.Time) bool { return a.hosts.Get(host, t) != nil }

// Evicted returns how many hosts were forgotten because of the limit.
func (a *Askers) Evicted() uint64 { return a.hosts.Evicted() }
