package packet

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"

	"github.com/weir-nta/weir"
)

const (
	fa, sa, pa = weir.FIN | weir.ACK, weir.SYN | weir.ACK, weir.PSH | weir.ACK
)

var abc = []byte("abc")

// A decodeCase is one packet and what describe says of it, or the error.
type decodeCase struct {
	name string
	link LinkType
	in   []byte
	want string
}

func (c decodeCase) test(t *testing.T) {
	t.Helper()
	d := NewDecoder(Config{})
	var p Packet
	got := ""
	if err := d.Decode(&p, c.link, c.in, len(c.in), 0); err != nil {
		got = err.Error()
	} else {
		got = describe(&p)
	}
	if got != c.want {
		t.Errorf("%s\n got %s\nwant %s\n for %x", c.name, got, c.want, c.in)
	}
}

func TestDecodeLink(t *testing.T) {
	const ppp4 = "\xff\x03\x00\x21"
	for _, c := range []decodeCase{
		{"Ethernet II", LinkEthernet, eth(0x0800, web()), webWant},
		{"Ethernet II, IPv6", LinkEthernet, eth(0x86dd, ip6(17, udp(1111, 53, abc))), "[2001:db8::1]:1111 > [2001:db8::2]:53 udp 51/3"},
		{"padding", LinkEthernet, join(eth(0x0800, ip4(17, udp(1111, 53, nil))), make([]byte, 18)), "192.0.2.1:1111 > 198.51.100.2:53 udp 28/0"},
		{"802.3 with SNAP", LinkEthernet, eth(64, join([]byte{0xaa, 0xaa, 3, 0, 0, 0, 8, 0}, web())), webWant},
		{"802.3, spanning tree", LinkEthernet, eth(38, join([]byte{0x42, 0x42, 3}, make([]byte, 35))), ErrNotIP.Error()},
		{"802.3, XID of three bytes", LinkEthernet, eth(6, []byte{0, 1, 0xaf, 0x81, 1, 0}), ErrNotIP.Error()},
		{"802.3, length in a length", LinkEthernet, eth(38, join([]byte{0xaa, 0xaa, 3, 0, 0, 0, 0, 9}, make([]byte, 35))), ErrNotIP.Error()},
		{"ARP", LinkEthernet, eth(0x0806, make([]byte, 28)), ErrNotIP.Error()},
		{"VLAN", LinkEthernet, eth(0x8100, tag(12, 0x0800, web())), webWant + " vlan 12"},
		{"VLAN with priority", LinkEthernet, eth(0x8100, tag(0xe00c, 0x0800, web())), webWant + " vlan 12"},
		{"priority tag", LinkEthernet, eth(0x8100, tag(0xe000, 0x0800, web())), webWant},
		{"QinQ", LinkEthernet, eth(0x88a8, tag(100, 0x8100, tag(12, 0x0800, web()))), webWant + " vlan 100"},
		{"QinQ before 802.1ad", LinkEthernet, eth(0x9100, tag(100, 0x8100, tag(12, 0x86dd, ip6(17, udp(1, 2, abc))))), "[2001:db8::1]:1 > [2001:db8::2]:2 udp 51/3 vlan 100"},
		{"VN-Tag before a VLAN", LinkEthernet, eth(0x8926, join([]byte{0, 1, 0, 2}, u16(0x8100), tag(100, 0x0800, web()))), webWant + " vlan 100"},
		{"VLAN with SNAP", LinkEthernet, eth(0x8100, tag(12, 64, join([]byte{0xaa, 0xaa, 3, 0, 0, 0, 8, 0}, web()))), webWant + " vlan 12"},
		{"raw", LinkRaw, web(), webWant},
		{"raw, BSD", LinkRawBSD, web(), webWant},
		{"raw, OpenBSD", LinkRawOpen, ip6(17, udp(1, 2, abc)), "[2001:db8::1]:1 > [2001:db8::2]:2 udp 51/3"},
		{"raw, neither version", LinkRaw, []byte{0x50, 1, 2, 3}, ErrNotIP.Error()},
		{"IPv4", LinkIPv4, web(), webWant},
		{"IPv6", LinkIPv6, ip6(17, udp(1, 2, abc)), "[2001:db8::1]:1 > [2001:db8::2]:2 udp 51/3"},
		{"null, little endian", LinkNull, join([]byte{2, 0, 0, 0}, web()), webWant},
		{"null, big endian", LinkNull, join([]byte{0, 0, 0, 2}, web()), webWant},
		{"null, IPv6 of macOS", LinkNull, join([]byte{30, 0, 0, 0}, ip6(17, udp(1, 2, abc))), "[2001:db8::1]:1 > [2001:db8::2]:2 udp 51/3"},
		{"null, AppleTalk", LinkNull, join([]byte{16, 0, 0, 0}, web()), ErrNotIP.Error()},
		{"loop, IPv6 of OpenBSD", LinkLoop, join([]byte{0, 0, 0, 24}, ip6(17, udp(1, 2, abc))), "[2001:db8::1]:1 > [2001:db8::2]:2 udp 51/3"},
		{"PPP", LinkPPP, join([]byte(ppp4), web()), webWant},
		{"PPP without address and control", LinkPPP, join([]byte{0, 0x21}, web()), webWant},
		{"PPP, protocol compressed", LinkPPP, join([]byte{0x21}, web()), webWant},
		{"PPP, IPv6", LinkPPP, join([]byte{0xff, 3, 0, 0x57}, ip6(17, udp(1, 2, abc))), "[2001:db8::1]:1 > [2001:db8::2]:2 udp 51/3"},
		{"PPP, LCP", LinkPPP, []byte{0xff, 3, 0xc0, 0x21, 1, 1, 0, 4}, ErrNotIP.Error()},
		{"PPP in HDLC framing", LinkPPPHDLC, join([]byte(ppp4), web()), webWant},
		{"Cisco HDLC", LinkCHDLC, join([]byte{0x0f, 0, 8, 0}, web()), webWant},
		{"PPPoE", LinkEthernet, eth(0x8864, join([]byte{0x11, 0, 0, 9, 0, 58, 0, 0x21}, web())), webWant + " in pppoe"},
		{"PPPoE link", LinkPPPoE, join([]byte{0x11, 0, 0, 9, 0, 58, 0, 0x21}, web()), webWant + " in pppoe"},
		{"PPPoE discovery", LinkEthernet, eth(0x8863, make([]byte, 40)), ErrNotIP.Error()},
		{"PPPoE, session ends", LinkEthernet, eth(0x8864, []byte{0x11, 0xa7, 0, 9, 0, 0}), ErrNotIP.Error()},
		{"Linux cooked", LinkSLL, join(make([]byte, 14), []byte{8, 0}, web()), webWant},
		{"Linux cooked, VLAN", LinkSLL, join(make([]byte, 14), []byte{0x81, 0}, tag(12, 0x0800, web())), webWant + " vlan 12"},
		{"Linux cooked, LLC", LinkSLL, join(make([]byte, 14), []byte{0, 4, 0x42, 0x42, 3}, make([]byte, 35)), ErrNotIP.Error()},
		{"Linux cooked v2", LinkSLL2, join([]byte{0x86, 0xdd}, make([]byte, 18), ip6(17, udp(1, 2, abc))), "[2001:db8::1]:1 > [2001:db8::2]:2 udp 51/3"},
		{"MPLS", LinkEthernet, eth(0x8847, join([]byte{0, 1, 0x01, 64}, web())), webWant + " in mpls"},
		{"MPLS, three labels", LinkEthernet, eth(0x8847, join([]byte{0, 1, 0, 64, 0, 2, 0, 64, 0, 3, 1, 64}, ip6(17, udp(1, 2, abc)))), "[2001:db8::1]:1 > [2001:db8::2]:2 udp 51/3 in mpls"},
		{"MPLS link", LinkMPLS, join([]byte{0, 1, 0x01, 64}, web()), webWant + " in mpls"},
		{"MPLS, Ethernet with control word", LinkEthernet, eth(0x8848, join([]byte{0, 1, 0x01, 64, 0, 0, 0, 1}, eth(0x0800, web()))), webWant + " in mpls"},
		{"MPLS, Ethernet without", LinkEthernet, eth(0x8847, join([]byte{0, 1, 0x01, 64}, eth(0x8100, tag(5, 0x0800, web())))), webWant + " vlan 5 in mpls"},
		{"MPLS, MAC address begins like IPv4", LinkEthernet, eth(0x8847, join([]byte{0, 1, 0x01, 64, 0x45, 0, 9, 9, 9, 9}, eth(0x0800, web())[6:])), webWant + " in mpls"},
		{"MPLS without an end", LinkEthernet, eth(0x8847, bytes.Repeat([]byte{0, 1, 0, 64}, 9)), ErrShort.Error()},
		{"PPPoE in VLAN, MPLS in it", LinkEthernet, eth(0x8100, tag(3, 0x8864, join([]byte{0x11, 0, 0, 9, 0, 58, 2, 0x81, 0, 1, 1, 64}, web()))), webWant + " vlan 3 in pppoe/mpls"},
		{"unknown link", LinkType(105), web(), ErrLinkType.Error()},
		{"nothing", LinkEthernet, nil, ErrShort.Error()},
	} {
		c.test(t)
	}
}

func TestDecodeIP(t *testing.T) {
	options := join([]byte{0x46, 0}, u16(24+31), u16(1), u16(0), []byte{9, 17}, u16(0), client4.AsSlice(), server4.AsSlice(),
		[]byte{0x94, 4, 0, 0}, udp(1111, 53, bytes.Repeat([]byte("x"), 23)))
	offload := web()
	copy(offload[2:], u16(0))
	ah := func(next int, b []byte) []byte { return join([]byte{byte(next), 4}, make([]byte, 22), b) }
	jumbo := ip6(6, tcp(40000, 80, weir.ACK, make([]byte, 70000)))
	copy(jumbo[4:], u16(0))
	routing := func(next int, b []byte) []byte { return join([]byte{byte(next), 2, 0, 1}, make([]byte, 20), b) }
	lying := ip4(17, udp(1, 2, abc))
	copy(lying[24:], u16(999))
	for _, c := range []decodeCase{
		{"options", LinkRaw, options, "192.0.2.1:1111 > 198.51.100.2:53 udp 55/23"},
		{"length 0 from segmentation offload", LinkRaw, offload, webWant},
		{"length 0 of a jumbogram", LinkRaw, jumbo, "[2001:db8::1]:40000 > [2001:db8::2]:80 tcp A 70072/70000"},
		{"no next header", LinkRaw, ip6(59, nil), "2001:db8::1 > 2001:db8::2 59 40/0"},
		{"no next header, padded", LinkEthernet, join(eth(0x86dd, ip6(59, nil)), make([]byte, 6)), "2001:db8::1 > 2001:db8::2 59 40/0"},
		{"hop-by-hop", LinkRaw, ip6(0, ext(58, icmp(143, 0, 0, nil))), "2001:db8::1 > 2001:db8::2 icmp6 143.0 id 0 56/0"},
		{"hop-by-hop, routing, destination", LinkRaw, ip6(0, ext(43, routing(60, ext(17, udp(1, 2, abc))))), "[2001:db8::1]:1 > [2001:db8::2]:2 udp 91/3"},
		{"AH in IPv6", LinkRaw, ip6(51, ah(6, tcp(1, 2, weir.SYN, nil))), "[2001:db8::1]:1 > [2001:db8::2]:2 tcp S 96/0"},
		{"AH in IPv4", LinkRaw, ip4(51, ah(17, udp(1, 2, abc))), "192.0.2.1:1 > 198.51.100.2:2 udp 55/3"},
		{"AH that ends early", LinkRaw, ip4(51, []byte{17, 4, 0, 0}), "192.0.2.1 > 198.51.100.2 ah 24/4"},
		{"AH without anything", LinkRaw, ip4(51, nil), "192.0.2.1 > 198.51.100.2 ah 20/0"},
		{"UDP without anything, of a protocol scan", LinkRaw, ip4(17, nil), "192.0.2.1 > 198.51.100.2 udp 20/0"},
		{"ESP", LinkRaw, ip6(50, make([]byte, 30)), "2001:db8::1 > 2001:db8::2 esp 70/30"},
		{"atomic fragment", LinkRaw, ip6(44, fragment6(17, 9, 0, false, udp(1, 2, abc))), "[2001:db8::1]:1 > [2001:db8::2]:2 udp 59/3"},
		{"extension beyond the packet", LinkRaw, ip6(60, []byte{17, 9, 0, 0, 0, 0, 0, 0}), ErrHeader.Error()},
		{"OSPF", LinkRaw, ip4(89, make([]byte, 24)), "192.0.2.1 > 198.51.100.2 ospf 44/24"},
		{"wrong version", LinkIPv4, ip6(17, udp(1, 2, abc)), ErrHeader.Error()},
		{"header of 16 bytes", LinkRaw, join([]byte{0x44}, web()[1:]), ErrHeader.Error()},
		{"length less than the header", LinkRaw, join([]byte{0x45, 0, 0, 19}, web()[4:]), ErrHeader.Error()},
		{"UDP length beyond the packet", LinkRaw, lying, "192.0.2.1:1 > 198.51.100.2:2 udp 31/3"},
	} {
		c.test(t)
	}
}

func TestDecodeTransport(t *testing.T) {
	for _, c := range []decodeCase{
		{"TCP FIN", LinkRaw, ip4(6, tcp(1, 2, fa, nil)), "192.0.2.1:1 > 198.51.100.2:2 tcp FA 52/0"},
		{"TCP SYN ACK", LinkRaw, ip4(6, tcp(1, 2, sa, nil)), "192.0.2.1:1 > 198.51.100.2:2 tcp SA 52/0"},
		{"TCP ends within its header", LinkRaw, ip4(6, tcp(1, 2, sa, nil)[:19]), ErrHeader.Error()},
		{"TCP ends within its options", LinkRaw, ip4(6, tcp(1, 2, sa, nil)[:28]), "192.0.2.1:1 > 198.51.100.2:2 tcp SA 48/0"},
		{"TCP header of 16 bytes", LinkRaw, ip4(6, join(tcp(1, 2, sa, nil)[:12], []byte{4 << 4}, make([]byte, 19))), ErrHeader.Error()},
		{"UDP ends within its header", LinkRaw, ip4(17, udp(1, 2, nil)[:7]), ErrHeader.Error()},
		{"UDP padded within IP", LinkRaw, ip4(17, join(udp(1, 2, abc), make([]byte, 5))), "192.0.2.1:1 > 198.51.100.2:2 udp 36/3"},
		{"UDP-Lite", LinkRaw, ip4(136, udp(1, 2, abc)), "192.0.2.1:1 > 198.51.100.2:2 udplite 31/3"},
		{"SCTP", LinkRaw, ip4(132, join(u16(36412), u16(2905), make([]byte, 8), make([]byte, 20))), "192.0.2.1:36412 > 198.51.100.2:2905 sctp 52/20"},
		{"echo", LinkRaw, ip4(1, icmp(8, 0, 77, abc)), "192.0.2.1 > 198.51.100.2 icmp 8.0 id 77 31/3"},
		{"echo reply of IPv6", LinkRaw, ip6(58, icmp(129, 0, 77, abc)), "2001:db8::1 > 2001:db8::2 icmp6 129.0 id 77 51/3"},
		{"timestamp", LinkRaw, ip4(1, icmp(13, 0, 5, make([]byte, 12))), "192.0.2.1 > 198.51.100.2 icmp 13.0 id 5 40/12"},
		{"unreachable has no id", LinkRaw, ip4(1, icmp(3, 3, 77, web()[:28])), "192.0.2.1 > 198.51.100.2 icmp 3.3 id 0 56/28"},
		{"ICMP of four bytes", LinkRaw, ip4(1, []byte{8, 0, 0, 0}), "192.0.2.1 > 198.51.100.2 icmp 8.0 id 0 24/0"},
		{"ICMP of three bytes", LinkRaw, ip4(1, []byte{8, 0, 0}), ErrHeader.Error()},
	} {
		c.test(t)
	}
}

func TestDecodeFields(t *testing.T) {
	d := NewDecoder(Config{})
	p := Packet{ICMPID: 9, LaterFragment: true} // what it held before is gone
	in := eth(0x0800, web())
	if err := d.Decode(&p, LinkEthernet, in, len(in), 0); err != nil {
		t.Fatal(err)
	}
	want := Packet{
		Src: AddrFrom(client4), Dst: AddrFrom(server4), Proto: weir.TCP, SrcPort: 40000, DstPort: 80,
		Bytes: 56, PayloadLen: 4, Payload: []byte("GET "), Flags: pa, Seq: 1000, Ack: 2000, Window: 512, TTL: 63,
	}
	if !bytes.Equal(p.Payload, want.Payload) {
		t.Errorf("payload %q, want %q", p.Payload, want.Payload)
	}
	p.Payload, want.Payload = nil, nil
	if got, want := describe(&p), describe(&want); got != want || p.Seq != 1000 || p.Ack != 2000 || p.Window != 512 || p.TTL != 63 || p.LaterFragment || p.ICMPID != 0 {
		t.Errorf("got %s, %+v\nwant %s", got, p, want)
	}
}

// TestMACs: link-layer addresses are those of the outermost frame, where the
// link tells them.
func TestMACs(t *testing.T) {
	const from, to = "02:00:00:00:00:02", "02:00:00:00:00:01"
	address := []byte{2, 0, 0, 0, 0, 2, 0, 0}
	cooked := func(kind, size int) []byte {
		return join(u16(0), u16(kind), u16(size), address, u16(0x0800), web())
	}
	inner := join([]byte{9, 9, 9, 9, 9, 9, 8, 8, 8, 8, 8, 8}, u16(0x0800), web())
	for _, c := range []struct {
		name     string
		link     LinkType
		in       []byte
		src, dst string
	}{
		{"Ethernet", LinkEthernet, eth(0x0800, web()), from, to},
		{"802.3 with SNAP", LinkEthernet, eth(64, join([]byte{0xaa, 0xaa, 3, 0, 0, 0, 8, 0}, web())), from, to},
		{"VXLAN", LinkEthernet, eth(0x0800, out4(17, udp(1, 4789, join([]byte{8, 0, 0, 0, 0, 0, 1, 0}, inner)))), from, to},
		{"bridged in MPLS", LinkEthernet, eth(0x8847, join([]byte{0, 1, 1, 64, 0, 0, 0, 0}, inner)), from, to},
		{"Linux cooked", LinkSLL, cooked(1, 6), from, ""},
		{"Linux cooked, PPP", LinkSLL, cooked(512, 6), "", ""},
		{"Linux cooked, no address", LinkSLL, cooked(1, 0), "", ""},
		{"Linux cooked v2", LinkSLL2, join(u16(0x0800), u16(0), u32(1), u16(1), []byte{0, 6}, address, web()), from, ""},
		{"raw", LinkRaw, web(), "", ""},
	} {
		p := Packet{SrcMAC: MAC{1}, DstMAC: MAC{1}} // what it held before is gone
		d := NewDecoder(Config{})
		if err := d.Decode(&p, c.link, c.in, len(c.in), 0); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if src, dst := p.SrcMAC.String(), p.DstMAC.String(); src != c.src || dst != c.dst {
			t.Errorf("%s: from %q to %q, want %q, %q", c.name, src, dst, c.src, c.dst)
		}
	}
}

func gtpExtended(b []byte) []byte {
	return join([]byte{0x34, 255}, u16(len(b)+8), u32(1), u16(0), []byte{0, 0x85, 1, 0x10, 0, 0}, b)
}

func TestDecodeTunnels(t *testing.T) {
	vx := func(b []byte) []byte { return udp(5555, 4789, join([]byte{8, 0, 0, 0, 0, 0, 42, 0}, b)) }
	gr := func(ether int, b []byte) []byte { return join(u16(0), u16(ether), b) }
	plain := func(port int, b []byte, n int) string {
		p := Packet{Src: AddrFrom(outer4[0]), Dst: AddrFrom(outer4[1]), Proto: 17, SrcPort: 5555, DstPort: uint16(port),
			Bytes: 28 + n, PayloadLen: n, Payload: make([]byte, n)}
		return describe(&p)
	}
	fiveDeep := out4(47, gr(0x0800, out4(4, out4(47, gr(0x6558, eth(0x0800, out4(17, vx(eth(0x0800, out4(4, web()))))))))))
	for _, c := range []decodeCase{
		{"GRE", LinkRaw, out4(47, gr(0x0800, web())), webWant + " in gre"},
		{"GRE, IPv6", LinkRaw, out4(47, gr(0x86dd, ip6(17, udp(1, 2, abc)))), "[2001:db8::1]:1 > [2001:db8::2]:2 udp 51/3 in gre"},
		{"GRE, checksum, key, sequence", LinkRaw, out4(47, join(u16(0xb000), u16(0x0800), make([]byte, 12), web())), webWant + " in gre"},
		{"GRE, source routes", LinkRaw, out4(47, join(u16(0x4000), u16(0x0800), make([]byte, 4), []byte{8, 0, 0, 4, 1, 2, 3, 4, 0, 0, 0, 0}, web())), webWant + " in gre"},
		{"GRE, source routes without end", LinkRaw, out4(47, join(u16(0x4000), u16(0x0800), make([]byte, 4), []byte{8, 0, 0, 4, 1, 2, 3, 4, 0, 0})), "10.0.0.1 > 10.0.0.2 gre 38/18"},
		{"GRE, bridged", LinkRaw, out4(47, gr(0x6558, eth(0x8100, tag(12, 0x0800, web())))), webWant + " vlan 12 in gre"},
		{"GRE, bridged ARP", LinkRaw, out4(47, gr(0x6558, eth(0x0806, make([]byte, 28)))), "10.0.0.1 > 10.0.0.2 gre 66/46"},
		{"GRE, MPLS", LinkRaw, out4(47, gr(0x8847, join([]byte{0, 1, 1, 64}, web()))), webWant + " in gre/mpls"},
		{"GRE, keepalive", LinkRaw, out4(47, gr(0, nil)), "10.0.0.1 > 10.0.0.2 gre 24/4"},
		{"GRE, version 2", LinkRaw, out4(47, join(u16(2), u16(0x0800), web())), "10.0.0.1 > 10.0.0.2 gre 80/60"},
		{"GRE, WCCP", LinkRaw, out4(47, gr(0x883e, web())), webWant + " in gre"},
		{"GRE, WCCP 2", LinkRaw, out4(47, gr(0x883e, join(u32(1), web()))), webWant + " in gre"},
		{"PPTP", LinkRaw, out4(47, join(u16(0x3081), u16(0x880b), make([]byte, 12), []byte{0xff, 3, 0, 0x21}, web())), webWant + " in gre"},
		{"PPTP, acknowledgement", LinkRaw, out4(47, join(u16(0x2081), u16(0x880b), make([]byte, 8))), "10.0.0.1 > 10.0.0.2 gre 32/12"},
		{"ERSPAN I", LinkRaw, out4(47, gr(0x88be, eth(0x0800, web()))), webWant + " in erspan"},
		{"ERSPAN II", LinkRaw, out4(47, join(u16(0x1000), u16(0x88be), make([]byte, 4), []byte{0x10, 5, 0, 0, 0, 0, 0, 0}, eth(0x0800, web()))), webWant + " in erspan"},
		{"ERSPAN III", LinkRaw, out4(47, join(u16(0x1000), u16(0x22eb), make([]byte, 4), []byte{0x20, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, eth(0x0800, web()))), webWant + " in erspan"},
		{"ERSPAN III, subheader", LinkRaw, out4(47, join(u16(0x1000), u16(0x22eb), make([]byte, 4), []byte{0x20, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, make([]byte, 8), eth(0x0800, web()))), webWant + " in erspan"},
		{"ERSPAN III, IP frames", LinkRaw, out4(47, join(u16(0x1000), u16(0x22eb), make([]byte, 4), []byte{0x20, 5, 0, 0, 0, 0, 0, 0, 0, 0, 2 << 2, 0}, web())), webWant + " in erspan"},
		{"IP in IP", LinkRaw, out4(4, web()), webWant + " in ipip"},
		{"IPv4 in IPv6", LinkRaw, ip6(4, web()), webWant + " in ipip"},
		{"IPv6 in IPv6", LinkRaw, ip6(41, ip6(17, udp(1, 2, abc))), "[2001:db8::1]:1 > [2001:db8::2]:2 udp 51/3 in ipip"},
		{"6in4", LinkRaw, out4(41, ip6(17, udp(1, 2, abc))), "[2001:db8::1]:1 > [2001:db8::2]:2 udp 51/3 in 6in4"},
		{"EtherIP", LinkRaw, out4(97, join([]byte{0x30, 0}, eth(0x0800, web()))), webWant + " in etherip"},
		{"MPLS in IP", LinkRaw, out4(137, join([]byte{0, 1, 1, 64}, web())), webWant + " in mpls"},
		{"VXLAN", LinkRaw, out4(17, vx(eth(0x0800, web()))), webWant + " in vxlan"},
		{"VXLAN, outer VLAN is kept", LinkEthernet, eth(0x8100, tag(7, 0x0800, out4(17, vx(eth(0x8100, tag(12, 0x0800, web())))))), webWant + " vlan 7 in vxlan"},
		{"VXLAN, old port", LinkRaw, out4(17, udp(5555, 8472, join([]byte{8, 0, 0, 0, 0, 0, 42, 0}, eth(0x0800, web())))), webWant + " in vxlan"},
		{"VXLAN, reserved bits set", LinkRaw, out4(17, udp(5555, 4789, join([]byte{0xff, 1, 2, 3, 0, 0, 42, 9}, eth(0x0800, web())))), webWant + " in vxlan"},
		{"VXLAN-GPE, Ethernet", LinkRaw, out4(17, udp(5555, 4790, join([]byte{12, 0, 0, 3, 0, 0, 42, 0}, eth(0x0800, web())))), webWant + " in vxlan"},
		{"VXLAN-GPE, IP", LinkRaw, out4(17, udp(5555, 4790, join([]byte{12, 0, 0, 1, 0, 0, 42, 0}, web()))), webWant + " in vxlan"},
		{"VXLAN-GPE, IP without the bit that says so", LinkRaw, out4(17, udp(5555, 4790, join([]byte{8, 0, 0, 1, 0, 0, 42, 0}, web()))), webWant + " in vxlan"},
		{"VXLAN on the port of VXLAN-GPE", LinkRaw, out4(17, udp(5555, 4790, join([]byte{8, 0, 0, 0, 0, 0, 42, 0}, eth(0x0800, web())))), webWant + " in vxlan"},
		{"VXLAN-GPE, NSH", LinkRaw, out4(17, udp(5555, 4790, join([]byte{12, 0, 0, 4, 0, 0, 42, 0}, web()))), plain(4790, nil, 64)},
		{"VXLAN, ARP inside", LinkRaw, out4(17, vx(eth(0x0806, make([]byte, 28)))), plain(4789, nil, 50)},
		{"VXLAN, no such flag", LinkRaw, out4(17, udp(5555, 4789, join(make([]byte, 8), eth(0x0800, web())))), plain(4789, nil, 78)},
		{"VXLAN, inner longer than outer", LinkRaw, out4(17, vx(eth(0x0800, web()[:50]))), plain(4789, nil, 72)},
		{"VXLAN, DNS by chance", LinkRaw, out4(17, udp(5555, 4789, []byte("\x08\x00\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www"))), plain(4789, nil, 16)},
		{"GENEVE", LinkRaw, out4(17, udp(5555, 6081, join([]byte{0, 0, 0x65, 0x58, 0, 0, 42, 0}, eth(0x0800, web())))), webWant + " in geneve"},
		{"GENEVE, options, IP inside", LinkRaw, out4(17, udp(5555, 6081, join([]byte{2, 0, 8, 0, 0, 0, 42, 0}, make([]byte, 8), web()))), webWant + " in geneve"},
		{"GENEVE, options beyond the end", LinkRaw, out4(17, udp(5555, 6081, join([]byte{0x3f, 0, 8, 0, 0, 0, 42, 0}, web()))), plain(6081, nil, 64)},
		{"GTP-U", LinkRaw, out4(17, udp(2152, 2152, join([]byte{0x30, 255}, u16(56), u32(1), web()))), webWant + " in gtpu"},
		{"GTP-U, sequence", LinkRaw, out4(17, udp(2152, 2152, join([]byte{0x32, 255}, u16(60), u32(1), u32(5<<16), web()))), webWant + " in gtpu"},
		{"GTP-U, PDU session container", LinkRaw, out4(17, udp(2152, 2152, gtpExtended(web()))), webWant + " in gtpu"},
		{"GTP-U, extension of length 0", LinkRaw, out4(17, udp(5555, 2152, join([]byte{0x34, 255}, u16(60), u32(1), u32(0x85), make([]byte, 8)))), plain(2152, nil, 20)},
		{"GTP-U, echo", LinkRaw, out4(17, udp(5555, 2152, join([]byte{0x32, 1}, u16(4), u32(0), u32(0)))), plain(2152, nil, 12)},
		{"Teredo", LinkRaw, out4(17, udp(5555, 3544, ip6(17, udp(1, 2, abc)))), "[2001:db8::1]:1 > [2001:db8::2]:2 udp 51/3 in teredo"},
		{"Teredo, authentication and origin", LinkRaw, out4(17, udp(3544, 5555, join([]byte{0, 1, 0, 0}, make([]byte, 9), make([]byte, 8), ip6(17, udp(1, 2, abc))))), "[2001:db8::1]:1 > [2001:db8::2]:2 udp 51/3 in teredo"},
		{"GRE, ERSPAN with VXLAN in it", LinkEthernet, eth(0x0800, out4(47, gr(0x88be, eth(0x0800, out4(17, vx(eth(0x0800, web()))))))), webWant + " in erspan/vxlan"},
		{"four deep", LinkRaw, out4(47, gr(0x0800, out4(4, out4(47, gr(0x6558, eth(0x0800, out4(17, vx(eth(0x0800, web()))))))))), webWant + " in gre/ipip/gre/vxlan"},
		{"five deep", LinkRaw, fiveDeep, "10.0.0.1 > 10.0.0.2 ipip 76/56 in gre/ipip/gre/vxlan"},
	} {
		c.test(t)
	}

	d := NewDecoder(Config{})
	var p Packet
	if err := d.Decode(&p, LinkRaw, fiveDeep, len(fiveDeep), 0); err != nil || d.Counters().TooDeep != 1 || d.Counters().Tunnelled != 1 {
		t.Errorf("five deep: error %v, counters %+v; want one tunnelled and one too deep", err, d.Counters())
	}
}

// TestDecodeWithoutCarrier nests encapsulations that have no IP packet
// between them, so that none can stand for what is too deep.
func TestDecodeWithoutCarrier(t *testing.T) {
	b := web()
	for range 5 {
		b = join([]byte{0, 1, 1, 64}, eth(0x8847, b))
	}
	decodeCase{"five MPLS stacks", LinkMPLS, join([]byte{0, 1, 1, 64}, eth(0x8847, b)), ErrDeep.Error()}.test(t)
}

// TestDecodeCut cuts one packet after every byte, as a snaplen does.
func TestDecodeCut(t *testing.T) {
	whole := eth(0x0800, web())
	for n := range whole {
		d := NewDecoder(Config{})
		var p Packet
		err := d.Decode(&p, LinkEthernet, whole[:n], len(whole), 0)
		switch c := d.Counters(); {
		case n < 14+20+4: // neither IP nor ports
			if err != ErrShort || c.Short != 1 {
				t.Errorf("cut after %d: error %v, counters %+v; want %v, counted", n, err, c, ErrShort)
			}
			continue
		case n < 14+20+32:
			if c.CutHeaders != 1 {
				t.Errorf("cut after %d: counters %+v, want one cut header", n, c)
			}
		case c.CutHeaders != 0:
			t.Errorf("cut after %d: counters %+v, want no cut header", n, c)
		}
		flags, length := weir.TCPFlags(0), 16 // without flags nothing says how long the header is
		if n >= 14+20+14 {
			flags, length = pa, 4
		}
		if err != nil || p.Bytes != 56 || p.SrcPort != 40000 || p.DstPort != 80 || p.Flags != flags || p.PayloadLen != length || len(p.Payload) != max(0, n-66) {
			t.Errorf("cut after %d: %s, error %v; want %s", n, describe(&p), err, webWant)
		}
	}
	for _, c := range []struct {
		name string
		in   []byte
		cut  int
		want string
	}{
		{"UDP", ip4(17, udp(1111, 53, make([]byte, 100))), 60, "192.0.2.1:1111 > 198.51.100.2:53 udp 128/100 captured 32"},
		{"UDP header", ip4(17, udp(1111, 53, make([]byte, 100))), 25, "192.0.2.1:1111 > 198.51.100.2:53 udp 128/100 captured 0"},
		{"echo", ip4(1, icmp(8, 0, 7, make([]byte, 100))), 28, "192.0.2.1 > 198.51.100.2 icmp 8.0 id 7 128/100 captured 0"},
		{"in VXLAN", out4(17, udp(5, 4789, join([]byte{8, 0, 0, 0, 0, 0, 42, 0}, eth(0x0800, web())))), 90, webWant + " captured 0 in vxlan"},
		{"before what is in VXLAN", out4(17, udp(5, 4789, join([]byte{8, 0, 0, 0, 0, 0, 42, 0}, eth(0x0800, web())))), 60, "10.0.0.1:5 > 10.0.0.2:4789 udp 106/78 captured 32"},
		{"UDP of length 0 by IP", join([]byte{0x45, 0, 0, 0}, ip4(17, udp(1111, 53, make([]byte, 100)))[4:]), 60, "192.0.2.1:1111 > 198.51.100.2:53 udp 128/100 captured 32"},
	} {
		var p Packet
		if err := NewDecoder(Config{}).Decode(&p, LinkRaw, c.in[:c.cut], len(c.in), 0); err != nil || describe(&p) != c.want {
			t.Errorf("%s cut after %d: got %s, error %v\nwant %s", c.name, c.cut, describe(&p), err, c.want)
		}
	}
}

func TestAddr(t *testing.T) {
	for _, s := range []string{"0.0.0.0", "192.0.2.1", "255.255.255.255", "::", "::1", "2001:db8::ffff:1"} {
		want := netip.MustParseAddr(s)
		a := AddrFrom(want)
		if got := a.Netip(); got != want || a.Is4() != want.Is4() {
			t.Errorf("AddrFrom(%s).Netip() = %v, Is4 %v", s, got, a.Is4())
		}
	}
	if got := AddrFrom(netip.MustParseAddr("fe80::1%eth0")); got != AddrFrom(netip.MustParseAddr("fe80::1")) {
		t.Errorf("with zone: got %v", got)
	}
	if got := AddrFrom(netip.Addr{}); got != (Addr{}) {
		t.Errorf("AddrFrom of nothing = %v", got)
	}
}

func TestTunnelString(t *testing.T) {
	var u Tunnel
	for i, want := range []string{"", "gre", "gre/mpls", "gre/mpls/vxlan", "gre/mpls/vxlan/6in4"} {
		if got := u.String(); got != want {
			t.Errorf("%d encapsulations: got %q, want %q", i, got, want)
		}
		kinds := []Tunnel{tunnelGRE, tunnelMPLS, tunnelVXLAN, tunnel6in4}
		if i < len(kinds) && !u.push(kinds[i]) {
			t.Errorf("no room for encapsulation %d", i)
		}
	}
	if u.push(tunnelGRE) {
		t.Error("room for a fifth encapsulation")
	}
}

func TestLinkType(t *testing.T) {
	for link, want := range map[LinkType]string{1: "Ethernet", 105: "IEEE 802.11", 147: "link type 147"} {
		if got := link.String(); got != want {
			t.Errorf("LinkType(%d) = %q, want %q", uint32(link), got, want)
		}
	}
	// Known and Decode must agree, or a capture is refused that could be read.
	for link := range LinkType(300) {
		err := NewDecoder(Config{}).Decode(new(Packet), link, nil, 0, 0)
		if (err != ErrLinkType) != link.Known() {
			t.Errorf("%v: Known %v, Decode says %v", link, link.Known(), err)
		}
	}
}

func TestCounters(t *testing.T) {
	d := NewDecoder(Config{})
	var p Packet
	for _, in := range [][]byte{
		eth(0x0800, web()), eth(0x0806, nil), eth(0x0800, nil), eth(0x0800, join([]byte{0x44}, web()[1:])),
		eth(0x0800, out4(4, web())),
	} {
		_ = d.Decode(&p, LinkEthernet, in, len(in), 0)
	}
	_ = d.Decode(&p, 105, nil, 0, 0)
	want := Counters{Packets: 6, NotIP: 1, Frames: 1, Short: 1, BadHeaders: 1, BadLinks: 1, Tunnelled: 1}
	if got := d.Counters(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestFragments(t *testing.T) {
	second := int64(1e9)
	first := ip4(17, udp(1111, 53, make([]byte, 8)))
	rest := ip4(17, make([]byte, 24))
	type step struct {
		at   int64
		in   []byte
		want string
	}
	for _, c := range []struct {
		name  string
		steps []step
		want  Counters
	}{
		{"in order", []step{
			{0, fragment4(9, 0, true, first), "192.0.2.1:1111 > 198.51.100.2:53 udp 36/8 first"},
			{0, fragment4(9, 16, true, rest), "192.0.2.1:1111 > 198.51.100.2:53 udp 44/24 captured 0 later"},
			{second, fragment4(9, 40, false, rest), "192.0.2.1:1111 > 198.51.100.2:53 udp 44/24 captured 0 later"},
		}, Counters{Packets: 3, FirstFragments: 1, LaterFragments: 2}},
		{"first one unknown", []step{
			{0, fragment4(9, 16, true, rest), "192.0.2.1 > 198.51.100.2 udp 44/24 captured 0 later"},
		}, Counters{Packets: 1, LaterFragments: 1, OrphanFragments: 1}},
		{"another id", []step{
			{0, fragment4(9, 0, true, first), "192.0.2.1:1111 > 198.51.100.2:53 udp 36/8 first"},
			{0, fragment4(8, 16, true, rest), "192.0.2.1 > 198.51.100.2 udp 44/24 captured 0 later"},
		}, Counters{Packets: 2, FirstFragments: 1, LaterFragments: 1, OrphanFragments: 1}},
		{"too late", []step{
			{0, fragment4(9, 0, true, first), "192.0.2.1:1111 > 198.51.100.2:53 udp 36/8 first"},
			{61 * second, fragment4(9, 16, true, rest), "192.0.2.1 > 198.51.100.2 udp 44/24 captured 0 later"},
		}, Counters{Packets: 2, FirstFragments: 1, LaterFragments: 1, OrphanFragments: 1}},
		{"id used again", []step{
			{0, fragment4(9, 0, true, first), "192.0.2.1:1111 > 198.51.100.2:53 udp 36/8 first"},
			{0, fragment4(9, 0, true, ip4(17, udp(2222, 53, make([]byte, 8)))), "192.0.2.1:2222 > 198.51.100.2:53 udp 36/8 first"},
			{0, fragment4(9, 16, false, rest), "192.0.2.1:2222 > 198.51.100.2:53 udp 44/24 captured 0 later"},
		}, Counters{Packets: 3, FirstFragments: 2, LaterFragments: 1}},
		{"echo", []step{
			{0, fragment4(9, 0, true, ip4(1, icmp(8, 0, 77, make([]byte, 8)))), "192.0.2.1 > 198.51.100.2 icmp 8.0 id 77 36/8 first"},
			{0, fragment4(9, 16, false, ip4(1, make([]byte, 24))), "192.0.2.1 > 198.51.100.2 icmp 8.0 id 77 44/24 captured 0 later"},
		}, Counters{Packets: 2, FirstFragments: 1, LaterFragments: 1}},
		{"TCP header cut by fragmentation", []step{
			{0, fragment4(9, 0, true, ip4(6, tcp(40000, 80, pa, nil)[:24])), "192.0.2.1:40000 > 198.51.100.2:80 tcp PA 44/0 first"},
			{0, fragment4(9, 24, false, ip4(6, make([]byte, 24))), "192.0.2.1:40000 > 198.51.100.2:80 tcp  44/24 captured 0 later"},
		}, Counters{Packets: 2, FirstFragments: 1, LaterFragments: 1, CutHeaders: 1}},
		{"IPv6, protocol behind an extension", []step{
			{0, ip6(44, fragment6(60, 70000, 0, true, ext(17, udp(1111, 53, make([]byte, 8))))), "[2001:db8::1]:1111 > [2001:db8::2]:53 udp 72/8 first"},
			{0, ip6(44, fragment6(60, 70000, 24, false, make([]byte, 24))), "[2001:db8::1]:1111 > [2001:db8::2]:53 udp 72/24 captured 0 later"},
		}, Counters{Packets: 2, FirstFragments: 1, LaterFragments: 1}},
		{"of a tunnel: the first holds the inner headers", []step{
			{0, fragment4(9, 0, true, out4(47, join(u16(0), u16(0x0800), web()[:52]))), webWant + " captured 0 in gre first"},
			{0, fragment4(9, 56, false, out4(47, []byte("GET "))), "10.0.0.1 > 10.0.0.2 gre 24/4 captured 0 later"},
		}, Counters{Packets: 2, FirstFragments: 1, LaterFragments: 1, Tunnelled: 1}},
	} {
		d := NewDecoder(Config{})
		for i, s := range c.steps {
			var p Packet
			if err := d.Decode(&p, LinkRaw, s.in, len(s.in), s.at); err != nil || describe(&p) != s.want {
				t.Errorf("%s, fragment %d: error %v\n got %s\nwant %s", c.name, i, err, describe(&p), s.want)
			}
		}
		if got := d.Counters(); got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
	}
}

// TestFragmentLimit floods the memory of fragments: it does not grow, and what
// is forgotten is counted.
func TestFragmentLimit(t *testing.T) {
	d := NewDecoder(Config{Fragments: 64})
	first, rest := ip4(17, udp(1111, 53, make([]byte, 8))), ip4(17, make([]byte, 24))
	var p Packet
	for id := range 1000 {
		b := fragment4(id, 0, true, first)
		_ = d.Decode(&p, LinkRaw, b, len(b), int64(id))
	}
	for id := range 1000 {
		b := fragment4(id, 16, false, rest)
		_ = d.Decode(&p, LinkRaw, b, len(b), 1000)
	}
	c := d.Counters()
	if kept := c.LaterFragments - c.OrphanFragments; c.LaterFragments != 1000 || kept == 0 || kept > 64 {
		t.Errorf("%d of 1000 remembered, want 1 to 64; counters %+v", kept, c)
	}
	if n := 4 * len(d.fragments.slots); n != 64 {
		t.Errorf("room for %d, want 64", n)
	}
	// The newest in each slot are the ones kept.
	b := fragment4(999, 16, false, rest)
	if _ = d.Decode(&p, LinkRaw, b, len(b), 1000); p.SrcPort != 1111 {
		t.Errorf("the newest was forgotten: %s", describe(&p))
	}
}

// hot is the traffic of the allocation test and the benchmark: what a network
// carries, a tunnel and fragments among it.
func hot() [][]byte {
	ack := eth(0x0800, ip4(6, tcp(40000, 443, weir.ACK, nil)))
	data := eth(0x0800, ip4(6, tcp(443, 40000, weir.ACK, make([]byte, 1400))))
	return [][]byte{
		data, ack, data, data, ack, data, data, ack,
		eth(0x0800, ip4(17, udp(50000, 53, make([]byte, 40)))),
		eth(0x86dd, ip6(17, udp(50000, 443, make([]byte, 1200)))),
		eth(0x8100, tag(12, 0x86dd, ip6(6, tcp(40000, 443, weir.ACK, nil)))),
		eth(0x0800, out4(17, udp(5555, 4789, join([]byte{8, 0, 0, 0, 0, 0, 42, 0}, data)))),
		eth(0x0800, fragment4(9, 0, true, ip4(17, udp(1111, 53, make([]byte, 1472))))),
		eth(0x0800, fragment4(9, 1480, false, ip4(17, make([]byte, 600)))),
		eth(0x0806, make([]byte, 28)),
		eth(0x0800, ip4(1, icmp(8, 0, 77, make([]byte, 56)))),
	}
}

func TestDecodeAllocs(t *testing.T) {
	d := NewDecoder(Config{})
	var p Packet
	packets := hot()
	if n := testing.AllocsPerRun(100, func() {
		for _, in := range packets {
			_ = d.Decode(&p, LinkEthernet, in, len(in), 0)
		}
	}); n != 0 {
		t.Errorf("%v allocations per %d packets, want 0", n, len(packets))
	}
}

func BenchmarkDecode(b *testing.B) {
	d := NewDecoder(Config{})
	var p Packet
	packets := hot()
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		in := packets[i&15]
		_ = d.Decode(&p, LinkEthernet, in, len(in), 0)
		i++
	}
}

// seeds are the packets of hot and one of each kind of tunnel.
func seeds() [][]byte {
	return append(hot(),
		eth(0x0800, out4(47, join(u16(0xb000), u16(0x0800), make([]byte, 12), web()))),
		eth(0x0800, out4(47, join(u16(0x1000), u16(0x22eb), make([]byte, 4), []byte{0x20, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, make([]byte, 8), eth(0x0800, web())))),
		eth(0x0800, out4(17, udp(2152, 2152, gtpExtended(web())))),
		eth(0x0800, out4(17, udp(5555, 6081, join([]byte{2, 0, 8, 0, 0, 0, 42, 0}, make([]byte, 8), web())))),
		eth(0x8847, join([]byte{0, 1, 0, 64, 0, 2, 1, 64}, web())),
		eth(0x8864, join([]byte{0x11, 0, 0, 9, 0, 58, 0, 0x21}, web())),
		eth(0x86dd, ip6(0, ext(44, fragment6(60, 7, 0, true, ext(17, udp(1, 2, abc)))))),
		eth(64, join([]byte{0xaa, 0xaa, 3, 0, 0, 0, 8, 0}, web())),
	)
}

func FuzzDecode(f *testing.F) {
	for _, in := range seeds() {
		f.Add(uint16(LinkEthernet), uint16(0), in)
		f.Add(uint16(LinkRaw), uint16(7), in[14:])
	}
	d := NewDecoder(Config{Fragments: 16})
	f.Fuzz(func(t *testing.T, link, missing uint16, in []byte) {
		kept := slices.Clone(in)
		var p Packet
		err := d.Decode(&p, LinkType(link), in, len(in)+int(missing), 0)
		if !bytes.Equal(in, kept) {
			t.Fatal("the packet was changed")
		}
		if err != nil {
			return
		}
		wire := len(in) + int(missing)
		if len(p.Payload) > p.PayloadLen || p.PayloadLen > p.Bytes || p.PayloadLen < 0 || p.Bytes < 20 || p.Bytes > max(wire, 40+65535)+fragmentSlack {
			t.Fatalf("lengths: %s, of %d on the wire", describe(&p), wire)
		}
		// Whatever else was decoded in between, the same bytes say the same.
		var q Packet
		if fresh := NewDecoder(Config{}); fresh.Decode(&q, LinkType(link), in, wire, 0) != nil || !p.LaterFragment && describe(&q) != describe(&p) {
			t.Fatalf("a fresh decoder says %s, this one %s", describe(&q), describe(&p))
		}
	})
}

// TestFragmentOverlap: a later fragment that begins within the first one is told.
func TestFragmentOverlap(t *testing.T) {
	whole := ip4(17, udp(1111, 53, make([]byte, 24))) // 32 octets behind IP
	first := fragment4(9, 0, true, whole)
	whole6 := func(offset int, more bool, n int) []byte {
		return ip6(44, fragment6(17, 9, offset, more, make([]byte, n)))
	}
	for _, c := range []struct {
		name  string
		first []byte
		later []byte
		want  bool
	}{
		{"behind", first, fragment4(9, 32, false, ip4(17, make([]byte, 8))), false},
		{"within", first, fragment4(9, 24, false, ip4(17, make([]byte, 8))), true},
		{"over the header", first, fragment4(9, 8, true, ip4(17, make([]byte, 8))), true},
		{"of another packet", first, fragment4(10, 8, true, ip4(17, make([]byte, 8))), false},
		{"IPv6, behind", whole6(0, true, 16), whole6(16, false, 8), false},
		{"IPv6, within", whole6(0, true, 16), whole6(8, false, 8), true},
	} {
		d := NewDecoder(Config{})
		var p Packet
		for _, b := range [][]byte{c.first, c.later} {
			if err := d.Decode(&p, LinkRaw, b, len(b), 0); err != nil {
				t.Fatal(c.name, err)
			}
		}
		if n := d.Counters().OverlapFragments; p.OverlapsFirst != c.want || n == 1 != c.want {
			t.Errorf("%s: overlaps %v, %d counted; want %v", c.name, p.OverlapsFirst, n, c.want)
		}
	}
}
