package hosts

import (
	"net/netip"
	"time"

	"github.com/weir-nta/weir/internal/oui"
)

const (
	// believe is how long frames must have told the same of an address before
	// they are believed: a router shows itself by then, by what else it sends.
	believe = time.Minute
	// young is how old a device without a link-layer address may be to be taken
	// for the one whose lease or ARP comes after its first packets.
	young = 10 * time.Minute
	// idle is how long an address may have been silent to be taken for the same
	// device when its link-layer address becomes known.
	idle = time.Hour
	// maxShared is how many IPv4 addresses a link-layer address may announce to
	// be that of one device. More have those who answer for others.
	maxShared = 8
)

// A mac is a link-layer address of 48 bits, 0 for none.
type mac uint64

// frames is what is known of the frames from one link-layer address.
type frames struct {
	mac    mac
	device *device
	router bool          // it forwards for others
	addrs  [2]netip.Addr // the first IPv4 addresses in its frames
	bound  uint8         // IPv4 addresses that ARP and leases gave it
}

// Beginnings of the link-layer addresses of virtual routers, whose holder
// changes: VRRP (RFC 9568, 7.3), HSRP 1 and 2, GLBP.
var virtual = []struct {
	value mac
	bits  int
}{
	{0x00005e000100, 40}, {0x00005e000200, 40}, {0x00000c07ac00, 40}, {0x00000c9ff000, 36}, {0x0007b4000000, 32},
}

// parseMAC reads "02:00:5e:10:00:01"; 0 if it is none, or one that no single
// device has.
func parseMAC(s string) (m mac) {
	if len(s) != 17 {
		return 0
	}
	for i := 0; i < 17; i++ {
		c := s[i]
		if i%3 == 2 {
			if c != ':' && c != '-' {
				return 0
			}
			continue
		}
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0
		}
		m = m<<4 | mac(c)
	}
	return m.own()
}

// own returns m, or 0 where it cannot be the address of one device: groups,
// and virtual routers.
func (m mac) own() mac {
	if m>>40&1 != 0 {
		return 0
	}
	for _, v := range virtual {
		if m>>(48-v.bits) == v.value>>(48-v.bits) {
			return 0
		}
	}
	return m
}

// fromAddr returns the link-layer address that an IPv6 address was made of
// (RFC 4291, appendix A), 0 if it was made otherwise.
func fromAddr(a netip.Addr) mac {
	if !a.Is6() {
		return 0
	}
	b := a.As16()
	if b[11] != 0xff || b[12] != 0xfe {
		return 0
	}
	m := mac(b[8]^2)<<40 | mac(b[9])<<32 | mac(b[10])<<24 | mac(b[13])<<16 | mac(b[14])<<8 | mac(b[15])
	if m>>40&2 != 0 && !a.IsLinkLocalUnicast() {
		return 0 // as likely the address is random: one in 65,536 looks like this
	}
	return m.own()
}

func (m mac) octets() [6]byte {
	return [6]byte{byte(m >> 40), byte(m >> 32), byte(m >> 24), byte(m >> 16), byte(m >> 8), byte(m)}
}

// String returns m as records write it.
func (m mac) String() string {
	const digits = "0123456789abcdef"
	s := make([]byte, 0, 17)
	for i, o := range m.octets() {
		if i > 0 {
			s = append(s, ':')
		}
		s = append(s, digits[o>>4], digits[o&15])
	}
	return string(s)
}

// heard returns what is known of the frames from m.
func (e *Enricher) heard(m mac) *frames {
	v, ok := e.macs.Get(m)
	if !ok {
		v = &frames{mac: m}
		e.macs.Put(m, v)
	}
	return v
}

// carried learns from a frame that came from a local address, or went to it.
func (e *Enricher) carried(b *binding, text string, at int64) {
	if b.frame != text {
		m := parseMAC(text)
		b.frame, b.since, b.via = text, at, nil
		if m != 0 {
			b.via = e.heard(m)
			e.sent(b.via, b.addr)
		}
	}
	if b.device.mac == 0 && b.via != nil && at-b.since >= int64(believe) {
		e.believe(b, at)
	}
}

// sent notes that frames of v carried an address.
func (e *Enricher) sent(v *frames, a netip.Addr) {
	if !a.Is4() || v.router || v.addrs[0] == a || v.addrs[1] == a {
		return
	}
	switch {
	case !v.addrs[0].IsValid():
		v.addrs[0] = a
	case !v.addrs[1].IsValid():
		v.addrs[1] = a
	}
	if v.device != nil && v.device.guessed && v.addrs[1].IsValid() {
		e.disown(v.device)
	}
}

// forwards notes that a frame for or from another network came by v: it is a
// router's.
func (e *Enricher) forwards(text string) {
	m := parseMAC(text)
	if m == 0 {
		return
	}
	v := e.heard(m)
	if v.router {
		return
	}
	v.router = true
	e.stats.Shared++
	if v.device == nil {
		return
	}
	if v.device.guessed {
		e.disown(v.device)
		return
	}
	e.learn(v.device, byPlace, behind)
}

// disown takes from a device a link-layer address that was guessed, and turned
// out to be a router's.
func (e *Enricher) disown(d *device) {
	e.heard(d.mac).device = nil
	d.mac, d.id, d.guessed = 0, "", false
	e.change(d)
}

// believe takes the frames of a flow for those of the device itself, if nothing
// speaks against it: they carried no other IPv4 address, and nothing of other
// networks.
func (e *Enricher) believe(b *binding, at int64) {
	v := b.via
	if v.router || v.addrs[1].IsValid() || b.device.mac != 0 {
		return
	}
	if v.device != nil && b.addr.Is4() && v.addrs[0] != b.addr {
		return
	}
	guessed := v.device == nil
	e.join(b.addr, v, at)
	if d := e.byAddr[b.addr].device; d.mac == v.mac && guessed {
		d.guessed = true
	}
}

// believeAtLast believes what frames told of a device when no more will come.
func (e *Enricher) believeAtLast(d *device) {
	for i := 0; i < len(d.bindings) && d.mac == 0; i++ {
		if b := d.bindings[i]; b.via != nil && b.via.device == nil {
			e.believe(b, d.last)
		}
	}
}

// bind notes that ARP, neighbour discovery or a lease gave an address to m. It
// returns the device, nil if m answers for too many to be one.
func (e *Enricher) bind(a netip.Addr, m mac, at int64) *device {
	v := e.heard(m)
	b := e.byAddr[a]
	if b != nil && b.device.mac == m {
		b.device.guessed = false
		e.see(b.device, at)
		b.last = max(b.last, at)
		return b.device
	}
	if a.Is4() {
		if v.bound >= maxShared {
			return nil
		}
		v.bound++
	}
	return e.join(a, v, at)
}

// join makes a an address of the device whose frames v are.
func (e *Enricher) join(a netip.Addr, v *frames, at int64) *device {
	b := e.byAddr[a]
	if b == nil {
		b = &binding{addr: a}
	}
	old := b.device
	switch {
	case v.device == nil && old != nil && old.mac == 0 && at-old.last <= int64(idle):
		e.own(old, v)
	case v.device == nil:
		e.own(e.newDevice(at), v)
		e.give(b, v.device)
	case old != nil && old.mac == 0 && len(old.bindings) == 1 && at-old.first <= int64(young):
		e.merge(old, v.device)
	default:
		e.give(b, v.device)
	}
	if old != nil && old != v.device && old.mac != 0 {
		e.stats.Moved++
	}
	e.see(v.device, at)
	b.last = max(b.last, at)
	return v.device
}

// own gives a device its link-layer address.
func (e *Enricher) own(d *device, v *frames) {
	v.device = d
	d.mac, d.id, d.guessed = v.mac, "mac:"+v.mac.String(), false
	if vendor := oui.Holder(v.mac.octets()); vendor != "" {
		e.learn(d, byVendor, vendor)
	}
	if v.router {
		e.learn(d, byPlace, behind)
	}
	e.change(d)
}

// withMAC returns the device of a link-layer address, made if there is none.
func (e *Enricher) withMAC(m mac, at int64) *device {
	v := e.heard(m)
	if v.device == nil {
		e.own(e.newDevice(at), v)
	}
	e.see(v.device, at)
	return v.device
}
