package stitch

import (
	"cmp"
	"slices"
	"unsafe"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/flowrec"
)

// learnMore keeps what a record tells beyond addresses and counters; what came
// first stays.
func (s *Stitcher) learnMore(c *conversation, d *side, m *flowrec.More) {
	if m == nil || m == d.more {
		return
	}
	if m.DNS != nil { // a table of its own
		flow := *m
		flow.DNS = nil
		if same(&flow, &flowrec.More{}) {
			return
		}
		m = &flow
	}
	merged := m
	if d.more != nil {
		if merged = join(d.more, m); merged == nil {
			return
		}
	}
	// Of what was there before only what was added counts anew; the strings of
	// both are the same.
	size := sizeOf(merged)
	if d.more != nil {
		size -= sizeOf(d.more)
	}
	if s.moreBytes+size > s.config.MaxMoreBytes && !s.makeRoom(c, size) {
		s.count.MoreLost++
		return
	}
	d.more = merged
	c.moreBytes += int32(size)
	s.moreBytes += size
}

// makeRoom emits other conversations early until size octets are free. It
// gives up after a few: those that are due soonest may hold nothing.
func (s *Stitcher) makeRoom(c *conversation, size int) bool {
	const most = 32
	if size > s.config.MaxMoreBytes {
		return false
	}
	for range most {
		if s.moreBytes+size <= s.config.MaxMoreBytes {
			return true
		}
		if !s.evict(c) {
			return false
		}
	}
	return s.moreBytes+size <= s.config.MaxMoreBytes
}

// join returns a with what only b has, nil if b has nothing to add.
func join(a, b *flowrec.More) *flowrec.More {
	m := *a
	m.App = cmp.Or(a.App, b.App)
	m.TLS = cmp.Or(a.TLS, b.TLS)
	m.HTTP = cmp.Or(a.HTTP, b.HTTP)
	m.NAT = cmp.Or(a.NAT, b.NAT)
	m.SrcUser, m.DstUser = cmp.Or(a.SrcUser, b.SrcUser), cmp.Or(a.DstUser, b.DstUser)
	m.SrcHost, m.DstHost = cmp.Or(a.SrcHost, b.SrcHost), cmp.Or(a.DstHost, b.DstHost)
	m.Tunnel = cmp.Or(a.Tunnel, b.Tunnel)
	m.Action = a.Action
	if a.Action == "" || a.Action == "created" && b.Action != "" {
		m.Action = b.Action // what a firewall did in the end
	}
	m.ACL, m.VRF = cmp.Or(a.ACL, b.ACL), cmp.Or(a.VRF, b.VRF)
	m.Extra = a.Extra
	if len(a.Extra) == 0 {
		m.Extra = b.Extra
	}
	if same(&m, a) {
		return nil
	}
	return &m
}

func same(a, b *flowrec.More) bool {
	return a.App == b.App && a.TLS == b.TLS && a.HTTP == b.HTTP && a.NAT == b.NAT &&
		a.SrcUser == b.SrcUser && a.DstUser == b.DstUser && a.SrcHost == b.SrcHost && a.DstHost == b.DstHost &&
		a.Tunnel == b.Tunnel && a.Action == b.Action && a.ACL == b.ACL && a.VRF == b.VRF &&
		slices.Equal(a.Extra, b.Extra)
}

// turned returns m as seen from the other side.
func turned(m *flowrec.More) *flowrec.More {
	t := *m
	t.SrcUser, t.DstUser = m.DstUser, m.SrcUser
	t.SrcHost, t.DstHost = m.DstHost, m.SrcHost
	if n := m.NAT; n != nil {
		t.NAT = &weir.NAT{Src: n.Dst, SrcPort: n.DstPort, Dst: n.Src, DstPort: n.SrcPort, Event: n.Event}
	}
	return &t
}

// sizeOf returns about how many octets m takes.
func sizeOf(m *flowrec.More) int {
	n := int(unsafe.Sizeof(*m)) + len(m.App) + len(m.SrcUser) + len(m.DstUser) + len(m.SrcHost) + len(m.DstHost) +
		len(m.Tunnel) + len(m.Action) + len(m.ACL) + len(m.VRF)
	for _, e := range m.Extra {
		n += int(unsafe.Sizeof(e)) + len(e)
	}
	if t := m.TLS; t != nil {
		n += int(unsafe.Sizeof(*t)) + len(t.Version) + len(t.Cipher) + len(t.SNI) + len(t.ALPN) + len(t.JA3) + len(t.JA3S) +
			len(t.JA4) + len(t.Subject) + len(t.Issuer) + len(t.SHA256)
	}
	if h := m.HTTP; h != nil {
		n += int(unsafe.Sizeof(*h)) + len(h.Method) + len(h.Host) + len(h.URI) + len(h.UserAgent)
	}
	if m.NAT != nil {
		n += int(unsafe.Sizeof(*m.NAT))
	}
	return n
}
