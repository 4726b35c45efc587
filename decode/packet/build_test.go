package packet

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/weir-nta/weir"
)

// The packets of the tests are put together here, from the inside out:
//
//	eth(0x0800, ip4(17, udp(1111, 53, []byte("abc"))))

// join puts byte slices behind one another.
func join(parts ...[]byte) []byte { return slices.Concat(parts...) }

func u16(v int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(v)) }
func u32(v int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(v)) }

// eth is an Ethernet frame.
func eth(ether int, payload []byte) []byte {
	return join([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}, u16(ether), payload)
}

// tag is what follows the EtherType of a VLAN tag.
func tag(id, ether int, payload []byte) []byte { return join(u16(id), u16(ether), payload) }

var (
	client4 = netip.MustParseAddr("192.0.2.1")
	server4 = netip.MustParseAddr("198.51.100.2")
	client6 = netip.MustParseAddr("2001:db8::1")
	server6 = netip.MustParseAddr("2001:db8::2")
	outer4  = [2]netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")}
)

// ip4 is an IPv4 packet from client4 to server4.
func ip4(proto int, payload []byte) []byte { return ip4between(client4, server4, proto, payload) }

// out4 is an IPv4 packet between the ends of a tunnel.
func out4(proto int, payload []byte) []byte {
	return ip4between(outer4[0], outer4[1], proto, payload)
}

func ip4between(src, dst netip.Addr, proto int, payload []byte) []byte {
	return join([]byte{0x45, 0}, u16(20+len(payload)), u16(7), u16(0), []byte{63, byte(proto)}, u16(0),
		src.AsSlice(), dst.AsSlice(), payload)
}

// fragment4 makes a fragment of an IPv4 packet: offset in bytes.
func fragment4(id, offset int, more bool, packet []byte) []byte {
	b := slices.Clone(packet)
	copy(b[4:], u16(id))
	copy(b[6:], u16(offset/8|flag(more, 0x2000)))
	return b
}

func flag(on bool, bit int) int {
	if on {
		return bit
	}
	return 0
}

// ip6 is an IPv6 packet from client6 to server6.
func ip6(next int, payload []byte) []byte {
	return join([]byte{0x60, 0, 0, 0}, u16(len(payload)), []byte{byte(next), 62},
		client6.AsSlice(), server6.AsSlice(), payload)
}

// ext is an extension header of IPv6 of 8 bytes.
func ext(next int, payload []byte) []byte {
	return join([]byte{byte(next), 0, 1, 4, 0, 0, 0, 0}, payload)
}

// fragment6 is a fragment header of IPv6: offset in bytes.
func fragment6(next, id, offset int, more bool, payload []byte) []byte {
	return join([]byte{byte(next), 0}, u16(offset|flag(more, 1)), u32(id), payload)
}

func udp(src, dst int, payload []byte) []byte {
	return join(u16(src), u16(dst), u16(8+len(payload)), u16(0), payload)
}

// tcp is a segment with ten bytes of options padded to twelve.
func tcp(src, dst int, flags weir.TCPFlags, payload []byte) []byte {
	return join(u16(src), u16(dst), u32(1000), u32(2000), []byte{8 << 4, byte(flags)}, u16(512), u16(0), u16(0),
		[]byte{8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 1}, payload)
}

func icmp(kind, code, id int, payload []byte) []byte {
	return join([]byte{byte(kind), byte(code)}, u16(0), u16(id), u16(1), payload)
}

// web is the packet that most tunnels of the tests carry: 4 bytes of TCP payload.
func web() []byte { return ip4(6, tcp(40000, 80, weir.PSH|weir.ACK, []byte("GET "))) }

const webWant = "192.0.2.1:40000 > 198.51.100.2:80 tcp PA 56/4"

// describe writes p as the tables of the tests do: ends, protocol, flags or
// type, length of the packet and of the payload, and what else it has.
func describe(p *Packet) string {
	var b strings.Builder
	end := func(a Addr, port uint16) {
		if b.Len() > 0 {
			b.WriteString(" > ")
		}
		if port == 0 {
			b.WriteString(a.Netip().String())
			return
		}
		b.WriteString(netip.AddrPortFrom(a.Netip(), port).String())
	}
	end(p.Src, p.SrcPort)
	end(p.Dst, p.DstPort)
	fmt.Fprintf(&b, " %v", p.Proto)
	if p.Proto == weir.TCP {
		fmt.Fprintf(&b, " %v", p.Flags)
	}
	if p.Proto == weir.ICMPv4 || p.Proto == weir.ICMPv6 {
		fmt.Fprintf(&b, " %d.%d id %d", p.ICMPType, p.ICMPCode, p.ICMPID)
	}
	fmt.Fprintf(&b, " %d/%d", p.Bytes, p.PayloadLen)
	if len(p.Payload) != p.PayloadLen {
		fmt.Fprintf(&b, " captured %d", len(p.Payload))
	}
	if p.VLAN != 0 {
		fmt.Fprintf(&b, " vlan %d", p.VLAN)
	}
	if p.Tunnel != 0 {
		fmt.Fprintf(&b, " in %v", p.Tunnel)
	}
	if p.LaterFragment {
		b.WriteString(" later")
	}
	if p.FirstFragment {
		b.WriteString(" first")
	}
	return b.String()
}
