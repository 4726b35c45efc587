package packet

import (
	"encoding/binary"
	"net/netip"
)

// v4Prefix is the lower word of ::ffff:0.0.0.0, under which IPv4 addresses lie.
const v4Prefix = 0xffff << 32

// AddrFrom returns a without its zone. The zero netip.Addr gives the zero Addr.
func AddrFrom(a netip.Addr) Addr {
	if !a.IsValid() {
		return Addr{}
	}
	b := a.As16()
	return addr6(b[:])
}

// Netip returns a as a netip.Addr, IPv4 unmapped. The zero Addr is "::".
func (a Addr) Netip() netip.Addr {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], a.Hi)
	binary.BigEndian.PutUint64(b[8:], a.Lo)
	return netip.AddrFrom16(b).Unmap()
}

// Is4 says whether a is an IPv4 address.
func (a Addr) Is4() bool { return a.Hi == 0 && a.Lo>>32 == 0xffff }

func addr4(b []byte) Addr {
	return Addr{Lo: v4Prefix | uint64(binary.BigEndian.Uint32(b))}
}

func addr6(b []byte) Addr {
	return Addr{Hi: binary.BigEndian.Uint64(b), Lo: binary.BigEndian.Uint64(b[8:16])}
}
