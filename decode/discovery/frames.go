package discovery

import (
	"encoding/binary"
	"net/netip"
	"strconv"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/decode/packet"
)

// A frame collects what one frame of LLDP or CDP says, for the address of the
// device may come last.
type frame struct {
	mac  string // the device's own
	addr netip.Addr
	said []weir.Announcement
	room [16]weir.Announcement
}

func (f *frame) add(kind string, b []byte) {
	if t := printable(b); t != "" && len(f.said) < maxTold {
		a := weir.Announcement{Kind: kind, Text: t}
		if kind == "name" {
			a.Name, a.Text = t, ""
		}
		f.said = append(f.said, a)
	}
}

// roles adds those of which the bit is set.
func (f *frame) roles(bits uint32, names []role) {
	for _, r := range names {
		if bits&r.bit != 0 {
			f.add("role", []byte(r.name))
		}
	}
}

// A role is what a bit says that a device is there for.
type role struct {
	bit  uint32
	name string
}

// tell announces all of it.
func (f *frame) tell(d *dialog.Dialog, protocol string) {
	d.Src = f.addr
	s := speaker{d: d, left: maxTold, say: weir.Announcement{Protocol: protocol, MAC: f.mac}}
	for _, a := range f.said {
		s.tell(a)
	}
	if f.addr.IsValid() {
		s.tell(weir.Announcement{Kind: "address", Addr: f.addr})
	}
}

// The capabilities of LLDP (IEEE 802.1AB, table 8-4).
var lldpRoles = []role{
	{0x02, "repeater"}, {0x04, "switch"}, {0x08, "access point"}, {0x10, "router"}, {0x20, "telephone"}, {0x40, "docsis"}, {0x80, "station"},
}

// The types of LLDP's elements (IEEE 802.1AB, 8.4).
const (
	lldpEnd          = 0
	lldpChassis      = 1
	lldpPort         = 2
	lldpSystemName   = 5
	lldpSystem       = 6
	lldpCapabilities = 7
	lldpManagement   = 8
	lldpOrganisation = 127
)

// lldp reads the elements of a frame of LLDP.
func lldp(d *dialog.Dialog, p *packet.Packet) {
	f := frame{mac: d.SrcMAC}
	f.said = f.room[:0]
	b := p.Payload
	for range maxRecords {
		if len(b) < 2 {
			break
		}
		head := binary.BigEndian.Uint16(b)
		kind, n := head>>9, int(head&0x1ff)
		if kind == lldpEnd || len(b) < 2+n {
			break
		}
		f.lldp(kind, b[2:2+n])
		b = b[2+n:]
	}
	f.tell(d, "lldp")
}

// lldp takes one element.
func (f *frame) lldp(kind uint16, v []byte) {
	const ofMAC, ofPortMAC = 4, 3
	switch kind {
	case lldpChassis:
		if len(v) == 7 && v[0] == ofMAC {
			f.mac = packet.MAC(v[1:]).String()
		}
	case lldpPort:
		if len(v) > 1 && v[0] == ofPortMAC && len(v) == 7 {
			f.add("port", []byte(packet.MAC(v[1:]).String()))
		} else if len(v) > 1 {
			f.add("port", v[1:])
		}
	case lldpSystemName:
		f.add("name", v)
	case lldpSystem:
		f.add("software", v)
	case lldpCapabilities:
		if len(v) >= 4 { // what there is, what is enabled
			f.roles(uint32(binary.BigEndian.Uint16(v[2:])), lldpRoles)
		}
	case lldpManagement:
		f.management(v)
	case lldpOrganisation:
		f.organisation(v)
	}
}

// management takes the first address of IP.
func (f *frame) management(v []byte) {
	const ipv4, ipv6 = 1, 2
	if f.addr.IsValid() || len(v) < 2 || len(v) < 1+int(v[0]) {
		return
	}
	switch {
	case v[1] == ipv4 && v[0] == 5:
		f.addr = netip.AddrFrom4([4]byte(v[2:6]))
	case v[1] == ipv6 && v[0] == 17:
		f.addr = netip.AddrFrom16([16]byte(v[2:18]))
	}
	if !spoken(f.addr) {
		f.addr = netip.Addr{}
	}
}

// organisation takes the VLAN of a port (IEEE 802.1Q, annex D) and the
// inventory of endpoints (ANSI/TIA-1057, 10.2.6).
func (f *frame) organisation(v []byte) {
	if len(v) < 4 {
		return
	}
	oui, kind, v := string(v[:3]), v[3], v[4:]
	const portVLAN, software, manufacturer, model = 1, 7, 9, 10
	switch {
	case oui == "\x00\x80\xc2" && kind == portVLAN && len(v) == 2:
		f.vlan(v)
	case oui == "\x00\x12\xbb" && kind == software:
		f.add("software", v)
	case oui == "\x00\x12\xbb" && kind == manufacturer:
		f.add("vendor", v)
	case oui == "\x00\x12\xbb" && kind == model:
		f.add("model", v)
	}
}

func (f *frame) vlan(v []byte) {
	if id := binary.BigEndian.Uint16(v); id != 0 {
		f.add("vlan", strconv.AppendUint(nil, uint64(id), 10))
	}
}

// The capabilities of CDP (Cisco, Discovery Protocol frame format; Wireshark,
// packet-cdp.c).
var cdpRoles = []role{
	{0x01, "router"}, {0x08, "switch"}, {0x10, "station"}, {0x40, "repeater"}, {0x80, "telephone"},
}

// The types of CDP's elements.
const (
	cdpDevice       = 1
	cdpAddresses    = 2
	cdpPort         = 3
	cdpCapabilities = 4
	cdpVersion      = 5
	cdpPlatform     = 6
	cdpNativeVLAN   = 10
	cdpManagement   = 22
)

// cdp reads the elements of a frame of CDP, behind version, time to live and
// checksum.
func cdp(d *dialog.Dialog, p *packet.Packet) {
	f := frame{mac: d.SrcMAC}
	f.said = f.room[:0]
	b := p.Payload
	if len(b) < 4 || b[0] == 0 || b[0] > 2 {
		return
	}
	b = b[4:]
	for range maxRecords {
		if len(b) < 4 {
			break
		}
		kind, n := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		if n < 4 || len(b) < n {
			break
		}
		f.cdp(kind, b[4:n])
		b = b[n:]
	}
	f.tell(d, "cdp")
}

// cdp takes one element.
func (f *frame) cdp(kind uint16, v []byte) {
	switch kind {
	case cdpDevice:
		f.add("name", v)
	case cdpAddresses, cdpManagement:
		f.addresses(v)
	case cdpPort:
		f.add("port", v)
	case cdpCapabilities:
		if len(v) == 4 {
			f.roles(binary.BigEndian.Uint32(v), cdpRoles)
		}
	case cdpVersion:
		f.add("software", v)
	case cdpPlatform:
		f.add("model", v)
	case cdpNativeVLAN:
		if len(v) == 2 {
			f.vlan(v)
		}
	}
}

// addresses takes the first address of IP of a list.
func (f *frame) addresses(v []byte) {
	if f.addr.IsValid() || len(v) < 4 {
		return
	}
	count := binary.BigEndian.Uint32(v)
	v = v[4:]
	for range min(count, maxRecords) {
		if len(v) < 2 || len(v) < 2+int(v[1])+2 {
			return
		}
		protocol := string(v[2 : 2+int(v[1])])
		v = v[2+int(v[1]):]
		n := int(binary.BigEndian.Uint16(v))
		if len(v) < 2+n {
			return
		}
		addr, ok := netip.AddrFromSlice(v[2 : 2+n])
		ip := protocol == "\xcc" && n == 4 || protocol == "\xaa\xaa\x03\x00\x00\x00\x86\xdd" && n == 16
		if ok && ip && spoken(addr) {
			f.addr = addr
			return
		}
		v = v[2+n:]
	}
}
