package discovery

import (
	"encoding/binary"
	"net/netip"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/decode/packet"
	"github.com/weir-nta/weir/internal/recent"
)

// A Local reads what belongs to no conversation: frames of ARP, LLDP and CDP,
// and neighbour discovery. It belongs to one goroutine. Its zero value is ready
// for use.
type Local struct {
	bindings *recent.Map[netip.Addr, binding]
}

// A binding is which device an address was last said to be at.
type binding struct {
	mac  packet.MAC
	seen int64 // when, Unix nanoseconds
	told int64 // when a conflict was told last
}

const (
	// maxBindings is how many addresses are watched for conflicts: whoever
	// invents more makes others be forgotten, and then a conflict of these is
	// only seen when both speak again.
	maxBindings = 4096
	// conflictWithin is how long ago the other device must have spoken for an
	// address: later, it may well have passed on, as by a lease that ended.
	conflictWithin = int64(5 * 60e9)
	// conflictEvery is how often one address is told to be in conflict.
	conflictEvery = int64(60e9)
)

// Read takes a frame or a packet of neighbour discovery and tells in d what it
// says. It returns a sentence if it contradicts what was said before.
func (l *Local) Read(d *dialog.Dialog, p *packet.Packet) (conflict string) {
	switch {
	case p.Frame == packet.FrameARP:
		return l.arp(d, p)
	case p.Frame == packet.FrameLLDP:
		lldp(d, p)
	case p.Frame == packet.FrameCDP:
		cdp(d, p)
	case IsNeighbour(p):
		return l.neighbour(d, p)
	}
	return ""
}

// arp reads a packet of ARP for Ethernet and IPv4 (RFC 826). Requests and
// answers alike say where the sender is.
func (l *Local) arp(d *dialog.Dialog, p *packet.Packet) (conflict string) {
	const ethernetIPv4, request, reply = 0x0001_0800_0604, 1, 2
	b := p.Payload
	if len(b) < 28 || binary.BigEndian.Uint64(b)>>16 != ethernetIPv4 {
		return ""
	}
	op := binary.BigEndian.Uint16(b[6:])
	if op != request && op != reply {
		return ""
	}
	mac := packet.MAC(b[8:14])
	sender, target := netip.AddrFrom4([4]byte(b[14:18])), netip.AddrFrom4([4]byte(b[24:28]))
	d.Src, d.Dst = sender, target
	s := speaker{d: d, left: maxTold, say: weir.Announcement{Protocol: "arp", MAC: macText(d, p, mac)}}
	switch {
	case sender.IsUnspecified() && op == request: // RFC 5227, 1.1
		s.tell(weir.Announcement{Kind: "probe", Addr: target})
		return ""
	case !spoken(sender):
		return ""
	}
	s.tell(weir.Announcement{Kind: "binding", Addr: sender})
	if op == request && target != sender && spoken(target) {
		s.tell(weir.Announcement{Kind: "request", Addr: target})
	}
	return l.bind(d, sender, mac)
}

// spoken reports whether a can be the address of a device.
func spoken(a netip.Addr) bool {
	return a.IsValid() && !a.IsUnspecified() && !a.IsMulticast() && !a.IsLoopback() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// macText returns the MAC that a packet tells of its sender; mostly it is that
// of the frame, which is written already.
func macText(d *dialog.Dialog, p *packet.Packet, mac packet.MAC) string {
	if mac == p.SrcMAC {
		return d.SrcMAC
	}
	return mac.String()
}

// bind notes that addr is at mac, and returns a sentence if another device has
// just said that it is there.
func (l *Local) bind(d *dialog.Dialog, addr netip.Addr, mac packet.MAC) (conflict string) {
	if l.bindings == nil {
		l.bindings = recent.New[netip.Addr, binding](maxBindings)
	}
	now := d.Time.UnixNano()
	old, ok := l.bindings.Get(addr)
	next := binding{mac: mac, seen: now, told: old.told}
	if ok && old.mac != mac && now-old.seen < conflictWithin && (old.told == 0 || now-old.told >= conflictEvery) {
		next.told = now
		conflict = addr.String() + " is at " + mac.String() + ", was at " + old.mac.String()
	}
	l.bindings.Put(addr, next)
	return conflict
}
