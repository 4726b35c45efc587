package live

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/bpf"

	"github.com/weir-nta/weir/decode/packet"
)

// CompileFilter turns an expression in the syntax of tcpdump (pcap-filter(7))
// into a program for the kernel, which lets in snapLen bytes of the packets
// that fit and nothing of the others. "" fits all.
//
// Other than with tcpdump, filters look behind VLAN tags: "tcp port 80" means it
// in any VLAN and without one, and "vlan 10 and tcp port 80" in that VLAN. Names
// of hosts and networks are not looked up; gateway, protochain, mpls, pppoes,
// wlan and the like are not known.
func CompileFilter(expr string, link packet.LinkType, snapLen int) ([]bpf.RawInstruction, error) {
	a := &assembler{}
	yes, no := a.label(), a.label()
	if strings.TrimSpace(expr) != "" {
		p := filterParser{}
		fits, err := p.parse(expr, link)
		if err != nil {
			return nil, fmt.Errorf("filter %q: %w", expr, err)
		}
		begin(a, link)
		fits(a, yes, no)
	}
	a.at(yes)
	if snapLen >= maxSnapLen {
		snapLen = 1 << 18 // all of it, as tcpdump says
	}
	a.add(bpf.RetConstant{Val: uint32(snapLen)})
	a.at(no)
	a.add(bpf.RetConstant{Val: 0})
	program, err := a.assemble()
	if err != nil {
		return nil, fmt.Errorf("filter %q: %w", expr, err)
	}
	return program, nil
}

// Where a filter keeps the type of a packet and where its network header
// begins; from memFree on it computes.
const (
	memType = 0
	memNet  = 1
	memFree = 2
	memEnd  = 16
)

// begin finds out what the packet is behind its VLAN tags.
func begin(a *assembler, link packet.LinkType) {
	if link != packet.LinkEthernet {
		a.add(bpf.LoadExtension{Num: bpf.ExtProto}, bpf.StoreScratch{Src: bpf.RegA, N: memType},
			bpf.LoadConstant{Dst: bpf.RegX, Val: 0}, bpf.StoreScratch{Src: bpf.RegX, N: memNet})
		return
	}
	found := a.label()
	for tags := range uint32(3) {
		off := 14 + tagBytes*tags
		a.add(bpf.LoadConstant{Dst: bpf.RegX, Val: off}, bpf.LoadAbsolute{Off: off - 2, Size: 2})
		if tags == 2 {
			break
		}
		again := a.label()
		a.jump(bpf.JumpEqual, etherVLAN, again, next)
		a.jump(bpf.JumpEqual, etherQinQ, again, next)
		a.jump(bpf.JumpEqual, etherOld, again, found)
		a.at(again)
	}
	a.at(found)
	a.add(bpf.StoreScratch{Src: bpf.RegA, N: memType}, bpf.StoreScratch{Src: bpf.RegX, N: memNet})
}

// A cond writes code that goes to one label if the packet fits, else to the other.
type cond func(a *assembler, yes, no label)

func and(list ...cond) cond {
	return func(a *assembler, yes, no label) {
		for i, c := range list {
			if i == len(list)-1 {
				c(a, yes, no)
				return
			}
			on := a.label()
			c(a, on, no)
			a.at(on)
		}
	}
}

func or(list ...cond) cond {
	return func(a *assembler, yes, no label) {
		for i, c := range list {
			if i == len(list)-1 {
				c(a, yes, no)
				return
			}
			on := a.label()
			c(a, yes, on)
			a.at(on)
		}
	}
}

func not(c cond) cond { return func(a *assembler, yes, no label) { c(a, no, yes) } }

func never(a *assembler, _, no label) { a.goTo(no) }

// ofType fits packets of an EtherType.
func ofType(t uint32) cond {
	return func(a *assembler, yes, no label) {
		a.add(bpf.LoadScratch{Dst: bpf.RegA, N: memType})
		a.jump(bpf.JumpEqual, t, yes, no)
	}
}

// netIs compares so many bytes at off in the network header, less what mask
// leaves out.
func netIs(off uint32, size int, mask, value uint32) cond {
	return func(a *assembler, yes, no label) {
		a.add(bpf.LoadScratch{Dst: bpf.RegX, N: memNet}, bpf.LoadIndirect{Off: off, Size: size})
		compare(a, mask, value, yes, no)
	}
}

// linkIs does so in the link header.
func linkIs(off uint32, size int, mask, value uint32) cond {
	return func(a *assembler, yes, no label) {
		a.add(bpf.LoadAbsolute{Off: off, Size: size})
		compare(a, mask, value, yes, no)
	}
}

func extIs(ext bpf.Extension, mask, value uint32) cond {
	return func(a *assembler, yes, no label) {
		a.add(bpf.LoadExtension{Num: ext})
		compare(a, mask, value, yes, no)
	}
}

func compare(a *assembler, mask, value uint32, yes, no label) {
	if mask != 1<<32-1 {
		a.add(bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: mask})
	}
	a.jump(bpf.JumpEqual, value, yes, no)
}

const whole = 1<<32 - 1

var (
	isIP4      = ofType(etherIP4)
	isIP6      = ofType(etherIP6)
	unbroken   = netIs(ip4Frag, 2, 0x1fff, 0) // the first fragment, or all there is
	ip4Is      = func(proto uint32) cond { return and(isIP4, netIs(ip4Proto, 1, whole, proto)) }
	ip6Is      = func(proto uint32) cond { return and(isIP6, ip6Carries(proto)) }
	ip6Carries = func(proto uint32) cond {
		const fragment = 44
		return or(netIs(ip6Next, 1, whole, proto), and(netIs(ip6Next, 1, whole, fragment), netIs(ip6End, 1, whole, proto)))
	}
)

// protocols are the words that mean one, by themselves and after proto.
var protocols = map[string]uint32{
	"icmp": 1, "igmp": 2, "tcp": 6, "udp": 17, "esp": 50, "ah": 51, "icmp6": 58, "igrp": 9, "pim": 103, "vrrp": 112, "sctp": 132, "gre": 47, "ipv6": 41,
}

var etherTypes = map[string]uint32{
	"ip": etherIP4, "ip6": etherIP6, "arp": etherARP, "rarp": etherRARP, "aarp": 0x80f3, "atalk": 0x809b, "decnet": 0x6003, "loopback": 0x9000, "lldp": 0x88cc,
}

// bare returns what a protocol means by itself.
func bare(word string) cond {
	switch word {
	case "ip", "ip6", "arp", "rarp", "aarp", "atalk", "decnet":
		return ofType(etherTypes[word])
	case "icmp", "igmp", "igrp", "vrrp":
		return ip4Is(protocols[word])
	case "icmp6":
		return ip6Is(protocols[word])
	case "tcp", "udp", "sctp", "esp", "ah", "pim":
		return or(ip4Is(protocols[word]), ip6Is(protocols[word]))
	case "stp":
		return and(func(a *assembler, yes, no label) {
			a.add(bpf.LoadAbsolute{Off: 12, Size: 2})
			a.jump(bpf.JumpGreaterThan, 1500, no, yes)
		}, linkIs(14, 1, whole, 0x42))
	}
	return nil
}

// Directions.
const (
	eitherEnd = iota
	srcEnd
	dstEnd
	bothEnds
)

// ends puts a test of the source and one of the destination together.
func ends(dir int, src, dst cond) cond {
	switch dir {
	case srcEnd:
		return src
	case dstEnd:
		return dst
	case bothEnds:
		return and(src, dst)
	}
	return or(src, dst)
}

// A quality is what stands before an identifier.
type quality struct {
	proto string // "", or the protocol
	dir   int
	what  string // host, net, port, portrange, proto, or "" where it is not said
}

// of returns the condition that id fits q.
func (q quality) of(id string, link packet.LinkType) (cond, error) {
	switch q.what {
	case "port", "portrange":
		return q.port(id)
	case "proto":
		return q.number(id)
	}
	if q.proto == "ether" || q.proto == "link" {
		return q.mac(id, link)
	}
	if _, transport := protocols[q.proto]; transport {
		return nil, fmt.Errorf("%s has no addresses: %s port %s? ip host %s?", q.proto, q.proto, id, id)
	}
	prefix, err := q.prefix(id)
	if err != nil {
		return nil, err
	}
	return q.addresses(prefix)
}

// prefix reads an address or a network.
func (q quality) prefix(id string) (netip.Prefix, error) {
	if q.what == "net" || q.what == "" && strings.Contains(id, "/") {
		return parseNet(id)
	}
	a, err := netip.ParseAddr(id)
	switch {
	case strings.Contains(id, "/"):
		return netip.Prefix{}, fmt.Errorf("%s is a network: net %s", id, id)
	case err != nil || a.Zone() != "":
		return netip.Prefix{}, fmt.Errorf("%q is no address; names are not looked up", id)
	}
	return netip.PrefixFrom(a, a.BitLen()), nil
}

// parseNet reads 10, 10.1, 10.1.0.0/16, 2001:db8::/32.
func parseNet(id string) (netip.Prefix, error) {
	address, bits, given := strings.Cut(id, "/")
	length := -1
	if !strings.Contains(address, ":") {
		n := strings.Count(address, ".") + 1
		if n < 4 {
			length = 8 * n
			address += strings.Repeat(".0", 4-n)
		}
	}
	a, err := netip.ParseAddr(address)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, fmt.Errorf("%q is no network, such as 10.0.0.0/8; names are not looked up", id)
	}
	if given {
		if length, err = strconv.Atoi(bits); err != nil || length < 0 || length > a.BitLen() {
			return netip.Prefix{}, fmt.Errorf("%q: /%s is no length of a network", id, bits)
		}
	} else if length < 0 {
		length = a.BitLen()
	}
	p := netip.PrefixFrom(a, length)
	if p.Masked() != p {
		return netip.Prefix{}, fmt.Errorf("%s has bits beyond its length: %v", id, p.Masked())
	}
	return p, nil
}

// addresses returns the condition that an end of the packet lies in p.
func (q quality) addresses(p netip.Prefix) (cond, error) {
	if !p.Addr().Is4() {
		if q.proto != "" && q.proto != "ip6" {
			return nil, fmt.Errorf("%v is an IPv6 address, not of %s", p, q.proto)
		}
		return and(isIP6, ends(q.dir, addressIs(ip6Src, p), addressIs(ip6Src+16, p))), nil
	}
	const arpSender, arpTarget = 14, 24
	ip := and(isIP4, ends(q.dir, addressIs(ip4Src, p), addressIs(ip4Dst, p)))
	arp := ends(q.dir, addressIs(arpSender, p), addressIs(arpTarget, p))
	switch q.proto {
	case "":
		return or(ip, and(or(ofType(etherARP), ofType(etherRARP)), arp)), nil
	case "ip":
		return ip, nil
	case "arp", "rarp":
		return and(ofType(etherTypes[q.proto]), arp), nil
	}
	return nil, fmt.Errorf("%v is an IPv4 address, not of %s", p, q.proto)
}

// addressIs compares the words of an address at off of the network header.
func addressIs(off uint32, p netip.Prefix) cond {
	b := p.Addr().AsSlice()
	var list []cond
	for i, bits := 0, p.Bits(); bits > 0; i, bits = i+4, bits-32 {
		mask := uint32(whole)
		if bits < 32 {
			mask <<= 32 - bits
		}
		word := uint32(b[i])<<24 | uint32(b[i+1])<<16 | uint32(b[i+2])<<8 | uint32(b[i+3])
		list = append(list, netIs(off+uint32(i), 4, mask, word))
	}
	if list == nil { // a network of all
		return func(a *assembler, yes, _ label) { a.goTo(yes) }
	}
	return and(list...)
}

func (q quality) mac(id string, link packet.LinkType) (cond, error) {
	m, err := net.ParseMAC(id)
	if err != nil || len(m) != 6 {
		return nil, fmt.Errorf("%q is no address of Ethernet, such as 00:53:00:12:34:56", id)
	}
	if link != packet.LinkEthernet {
		return never, nil
	}
	at := func(off uint32) cond {
		return and(linkIs(off, 4, whole, uint32(m[0])<<24|uint32(m[1])<<16|uint32(m[2])<<8|uint32(m[3])), linkIs(off+4, 2, whole, uint32(m[4])<<8|uint32(m[5])))
	}
	return ends(q.dir, at(6), at(0)), nil
}

// number returns the condition for a protocol by number or name.
func (q quality) number(id string) (cond, error) {
	names, most := protocols, uint64(255)
	if q.proto == "ether" || q.proto == "link" {
		names, most = etherTypes, 65535
	}
	n, known := names[strings.TrimPrefix(id, `\`)]
	if !known {
		v, err := strconv.ParseUint(id, 0, 32)
		if err != nil || v > most {
			return nil, fmt.Errorf("%q is no protocol: a number up to %d, or a name that is known", id, most)
		}
		n = uint32(v)
	}
	switch q.proto {
	case "ether", "link":
		return ofType(n), nil
	case "ip":
		return ip4Is(n), nil
	case "ip6":
		return ip6Is(n), nil
	case "":
		return or(ip4Is(n), ip6Is(n)), nil
	}
	return nil, fmt.Errorf("%s proto: want ip, ip6 or ether before proto", q.proto)
}

// port returns the condition for a port or a range of them.
func (q quality) port(id string) (cond, error) {
	if q.proto != "" && q.proto != "tcp" && q.proto != "udp" && q.proto != "sctp" {
		return nil, fmt.Errorf("%s has no ports", q.proto)
	}
	low, high, err := q.ports(id)
	if err != nil {
		return nil, err
	}
	transports := []uint32{6, 17, 132}
	if proto := cmp.Or(q.proto, serviceOf(id)); proto != "" {
		transports = []uint32{protocols[proto]}
	}
	var of4, of6 []cond
	for _, t := range transports {
		of4, of6 = append(of4, netIs(ip4Proto, 1, whole, t)), append(of6, netIs(ip6Next, 1, whole, t))
	}
	return or(
		and(isIP4, or(of4...), unbroken, ends(q.dir, portIn(true, 0, low, high), portIn(true, 2, low, high))),
		and(isIP6, or(of6...), ends(q.dir, portIn(false, 0, low, high), portIn(false, 2, low, high))),
	), nil
}

func (q quality) ports(id string) (low, high uint32, err error) {
	if q.what == "port" {
		low, err = q.onePort(id)
		return low, low, err
	}
	a, b, two := strings.Cut(id, "-")
	if !two {
		return 0, 0, fmt.Errorf("%q is no range of ports, such as 8000-8099", id)
	}
	if low, err = q.onePort(a); err != nil {
		return 0, 0, err
	}
	if high, err = q.onePort(b); err != nil {
		return 0, 0, err
	}
	return min(low, high), max(low, high), nil
}

func (q quality) onePort(id string) (uint32, error) {
	if v, err := strconv.ParseUint(id, 0, 16); err == nil {
		return uint32(v), nil
	}
	for _, network := range []string{"tcp", "udp"} {
		if n, err := lookupPort(network, id); err == nil && isName(id) && (q.proto == "" || q.proto == network) {
			return uint32(n), nil
		}
	}
	return 0, fmt.Errorf("%q is no port: a number up to 65535, or the name of a service", id)
}

// lookupPort returns the port of a service; that is in a file of this machine.
func lookupPort(network, service string) (int, error) {
	return net.DefaultResolver.LookupPort(context.Background(), network, service)
}

func isName(id string) bool { return id != "" && isLetter(id[0]) }

// serviceOf returns the one protocol that a service is of, "" if it is of
// several, or of none.
func serviceOf(id string) string {
	if !isName(id) {
		return ""
	}
	_, notTCP := lookupPort("tcp", id)
	_, notUDP := lookupPort("udp", id)
	switch {
	case notTCP == nil && notUDP != nil:
		return "tcp"
	case notTCP != nil && notUDP == nil:
		return "udp"
	}
	return ""
}

// portIn compares a port that stands off behind the header of IPv4 or IPv6.
func portIn(v4 bool, off, low, high uint32) cond {
	return func(a *assembler, yes, no label) {
		if v4 {
			transport(a)
			a.add(bpf.TAX{}, bpf.LoadIndirect{Off: off, Size: 2})
		} else {
			a.add(bpf.LoadScratch{Dst: bpf.RegX, N: memNet}, bpf.LoadIndirect{Off: ip6End + off, Size: 2})
		}
		if low == high {
			a.jump(bpf.JumpEqual, low, yes, no)
			return
		}
		a.jump(bpf.JumpGreaterOrEqual, low, next, no)
		a.jump(bpf.JumpGreaterThan, high, no, yes)
	}
}

// transport leaves in A where the header behind that of IPv4 begins.
func transport(a *assembler) {
	a.add(bpf.LoadScratch{Dst: bpf.RegX, N: memNet}, bpf.LoadIndirect{Off: 0, Size: 1},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xf}, bpf.ALUOpConstant{Op: bpf.ALUOpShiftLeft, Val: 2}, bpf.ALUOpX{Op: bpf.ALUOpAdd})
}

// inVLAN fits packets with a tag, of this VLAN if it is not negative: one that
// the kernel has taken out, or one that is still in its place.
func inVLAN(id int64, link packet.LinkType) cond {
	mask, value := uint32(0xfff), uint32(id)
	if id < 0 {
		mask, value = 0, 0
	}
	list := []cond{and(extIs(bpf.ExtVLANTagPresent, whole, 1), extIs(bpf.ExtVLANTag, mask, value))}
	if link == packet.LinkEthernet {
		list = append(list, and(or(linkIs(12, 2, whole, etherVLAN), linkIs(12, 2, whole, etherQinQ), linkIs(12, 2, whole, etherOld)), linkIs(14, 2, mask, value)))
	}
	return or(list...)
}
