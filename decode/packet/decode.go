package packet

import (
	"encoding/binary"
	"errors"
)

// What Decode returns. The values are fixed, so that refusing a packet costs
// no memory.
var (
	// ErrNotIP says that the packet is sound but carries no IP: ARP, spanning
	// tree, LLDP, PPPoE discovery and so on. To most users it is no error.
	// Where Packet.Frame is not 0 there is something to read in it.
	ErrNotIP = errors.New("not an IP packet")
	// ErrShort says that the captured bytes end before the headers do.
	ErrShort = errors.New("captured bytes end within the headers")
	// ErrHeader says that a header contradicts itself or what carries it.
	ErrHeader = errors.New("malformed header")
	// ErrLinkType says that packets of this link type cannot be read, see [LinkType.Known].
	ErrLinkType = errors.New("unknown link type")
	// ErrDeep says that the packet lies in more than four encapsulations, of
	// which none is itself an IP packet that could stand for it.
	ErrDeep = errors.New("more than four encapsulations")
)

// EtherTypes (IEEE 802; GRE uses the same numbers).
const (
	etherIPv4    = 0x0800
	etherARP     = 0x0806
	etherBridged = 0x6558 // an Ethernet frame again
	etherVLAN    = 0x8100
	etherIPv6    = 0x86dd
	etherPPP     = 0x880b
	etherMPLS    = 0x8847
	etherMPLSup  = 0x8848
	etherPPPoE   = 0x8864
	etherQinQ    = 0x88a8
	etherLLDP    = 0x88cc
	etherVNTag   = 0x8926 // interface tag of virtualised ports (802.1BR's forerunner)
	etherQinQ91  = 0x9100 // tags of tags before 802.1ad
	etherQinQ92  = 0x9200
	etherMinimum = 0x0600 // what is less is the length of an 802.3 frame
)

// Config sets up a [Decoder].
type Config struct {
	// Fragments is how many first fragments are remembered for the ports of
	// those that follow, rounded up to a power of two. 0 means 4096, which
	// takes 350 kB once the first fragment arrives.
	Fragments int
}

// Counters count what a [Decoder] has met.
type Counters struct {
	Packets    uint64 // packets given to Decode
	NotIP      uint64 // refused with ErrNotIP
	Frames     uint64 // of these, with something to read in them
	Short      uint64 // refused with ErrShort
	BadHeaders uint64 // refused with ErrHeader
	BadLinks   uint64 // refused with ErrLinkType

	Tunnelled        uint64 // packets taken out of an encapsulation
	TooDeep          uint64 // packets of which an encapsulation after the fourth was left closed
	CutHeaders       uint64 // packets whose transport header is there in part only: ports, perhaps no flags
	FirstFragments   uint64
	LaterFragments   uint64
	OverlapFragments uint64 // later fragments that begin within the first
	OrphanFragments  uint64 // later fragments without ports: the first was not seen, or is forgotten
}

// A Decoder decodes packets one after the other. It remembers first fragments
// and nothing else. It is for one goroutine.
type Decoder struct {
	fragments fragments
	counters  Counters

	// Of the packet at hand:
	now    int64 // its time, Unix nanoseconds
	cut    int   // bytes that followed on the wire, beyond what is at hand
	inside bool  // it was taken out of something that tells its length
}

// NewDecoder returns a Decoder.
func NewDecoder(c Config) *Decoder {
	return &Decoder{fragments: fragments{size: c.Fragments}}
}

// Counters returns what d has counted so far.
func (d *Decoder) Counters() Counters { return d.counters }

// Decode fills p, whatever it held before, with what the headers of one packet
// say: data as captured, wireLen as it was long on the wire, taken at ts (Unix
// nanoseconds). If it returns an error, one of those of this package, p holds
// nothing of use, but for [ErrHeader] where p.Bytes is not 0: then the IP
// header was sound, and what it says is in p; and for [ErrNotIP] where p.Frame
// is not 0: then p has that frame. It keeps data only in p.Payload.
func (d *Decoder) Decode(p *Packet, link LinkType, data []byte, wireLen int, ts int64) error {
	*p = Packet{}
	d.now, d.cut, d.inside = ts, max(wireLen-len(data), 0), false
	err := d.link(p, link, data)
	d.count(p, err)
	return err
}

func (d *Decoder) count(p *Packet, err error) {
	d.counters.Packets++
	switch err {
	case nil:
		if p.Tunnel != 0 {
			d.counters.Tunnelled++
		}
	case ErrNotIP:
		d.counters.NotIP++
		if p.Frame != 0 {
			d.counters.Frames++
		}
	case ErrShort:
		d.counters.Short++
	case ErrLinkType:
		d.counters.BadLinks++
	case ErrDeep:
		d.counters.TooDeep++
	default:
		d.counters.BadHeaders++
	}
}

func (d *Decoder) link(p *Packet, link LinkType, b []byte) error {
	switch link {
	case LinkEthernet:
		if len(b) >= 12 {
			p.DstMAC, p.SrcMAC = MAC(b), MAC(b[6:])
		}
		return d.etherType(p, etherBridged, b)
	case LinkRaw, LinkRawBSD, LinkRawOpen:
		return d.ip(p, b)
	case LinkIPv4:
		return d.ipv4(p, b)
	case LinkIPv6:
		return d.ipv6(p, b)
	case LinkNull, LinkLoop:
		return d.loopback(p, b)
	case LinkSLL:
		if len(b) >= 12 && binary.BigEndian.Uint16(b[4:]) == 6 && ethernetLike(b[2:]) {
			p.SrcMAC = MAC(b[6:])
		}
		return d.cooked(p, b, 16, 14)
	case LinkSLL2:
		if len(b) >= 18 && b[11] == 6 && ethernetLike(b[8:]) {
			p.SrcMAC = MAC(b[12:])
		}
		return d.cooked(p, b, 20, 0)
	case LinkPPP, LinkPPPHDLC:
		return d.ppp(p, b)
	case LinkPPPoE:
		return d.pppoe(p, b)
	case LinkCHDLC: // address, control, EtherType
		return d.cooked(p, b, 4, 2)
	case LinkMPLS:
		return d.mpls(p, b)
	}
	return ErrLinkType
}

// ethernetLike says whether a device type (ARPHRD_ of Linux) has addresses like
// those of Ethernet: Ethernet itself, other networks of IEEE 802, 802.11.
func ethernetLike(b []byte) bool {
	const ethernet, ieee802, ieee80211 = 1, 6, 801
	kind := binary.BigEndian.Uint16(b)
	return kind == ethernet || kind == ieee802 || kind == ieee80211
}

// etherType reads what follows an EtherType, by way of any tags and LLC.
func (d *Decoder) etherType(p *Packet, ether uint16, b []byte) error {
	for {
		switch ether {
		case etherIPv4:
			return d.ipv4(p, b)
		case etherIPv6:
			return d.ipv6(p, b)
		case etherBridged:
			if len(b) < 14 {
				return ErrShort
			}
			ether, b = binary.BigEndian.Uint16(b[12:]), b[14:]
		case etherVLAN, etherQinQ, etherQinQ91, etherQinQ92:
			if len(b) < 4 {
				return ErrShort
			}
			if p.VLAN == 0 {
				p.VLAN = binary.BigEndian.Uint16(b) & 0xfff
			}
			ether, b = binary.BigEndian.Uint16(b[2:]), b[4:]
		case etherVNTag:
			if len(b) < 6 {
				return ErrShort
			}
			ether, b = binary.BigEndian.Uint16(b[4:]), b[6:]
		case etherMPLS, etherMPLSup:
			return d.mpls(p, b)
		case etherPPPoE:
			return d.pppoe(p, b)
		case etherPPP:
			return d.ppp(p, b)
		default:
			if ether >= etherMinimum {
				return frame(p, ether, b)
			}
			if len(b) > 0 && b[0] != 0xaa { // LLC of spanning tree and others, which may be short
				return ErrNotIP
			}
			if len(b) < 8 {
				return ErrShort
			}
			if string(b[:8]) == "\xaa\xaa\x03\x00\x00\x0c\x20\x00" {
				p.Frame, p.Payload = FrameCDP, b[8:]
				return ErrNotIP
			}
			if !snap(b) {
				return ErrNotIP
			}
			ether, b = binary.BigEndian.Uint16(b[6:]), b[8:]
			if ether < etherMinimum { // no length again after a length
				return ErrNotIP
			}
		}
	}
}

// frame notes what is read without being IP.
func frame(p *Packet, ether uint16, b []byte) error {
	switch ether {
	case etherARP:
		p.Frame = FrameARP
	case etherLLDP:
		p.Frame = FrameLLDP
	default:
		return ErrNotIP
	}
	p.Payload = b
	return ErrNotIP
}

// snap says whether b begins with LLC and SNAP (RFC 1042) that lead to an EtherType.
func snap(b []byte) bool {
	return b[0] == 0xaa && b[1] == 0xaa && b[2] == 3 && b[3] == 0 && b[4] == 0 && b[5] == 0
}

// ip reads an IP packet of either version.
func (d *Decoder) ip(p *Packet, b []byte) error {
	if len(b) == 0 {
		return ErrShort
	}
	switch b[0] >> 4 {
	case 4:
		return d.ipv4(p, b)
	case 6:
		return d.ipv6(p, b)
	}
	return ErrNotIP
}

// loopback reads the address family of BSD's null and loop links. The first is
// in the byte order of the machine that captured, so either order will do.
func (d *Decoder) loopback(p *Packet, b []byte) error {
	if len(b) < 4 {
		return ErrShort
	}
	family := binary.BigEndian.Uint32(b)
	if family > 0xffff {
		family = binary.LittleEndian.Uint32(b)
	}
	switch family {
	case 2: // AF_INET everywhere
		return d.ipv4(p, b[4:])
	case 10, 23, 24, 28, 30: // AF_INET6 of Linux, Windows, NetBSD and OpenBSD, FreeBSD, macOS
		return d.ipv6(p, b[4:])
	}
	return ErrNotIP
}

// cooked reads a link header of a fixed size with an EtherType at a fixed place.
func (d *Decoder) cooked(p *Packet, b []byte, size, at int) error {
	if len(b) < size {
		return ErrShort
	}
	return d.etherType(p, binary.BigEndian.Uint16(b[at:]), b[size:])
}

// ppp reads a PPP frame (RFC 1661), with or without address and control field,
// its protocol field compressed or not.
func (d *Decoder) ppp(p *Packet, b []byte) error {
	if len(b) >= 2 && b[0] == 0xff && b[1] == 3 {
		b = b[2:]
	}
	if len(b) < 2 {
		return ErrShort
	}
	protocol, rest := uint16(b[0]), b[1:]
	if protocol&1 == 0 { // the last byte of the number is the odd one
		protocol, rest = binary.BigEndian.Uint16(b), b[2:]
	}
	switch protocol {
	case 0x21:
		return d.ipv4(p, rest)
	case 0x57:
		return d.ipv6(p, rest)
	case 0x281, 0x283:
		return d.mpls(p, rest)
	}
	return ErrNotIP
}

// pppoe reads a PPPoE session packet (RFC 2516, section 4).
func (d *Decoder) pppoe(p *Packet, b []byte) error {
	if len(b) < 6 {
		return ErrShort
	}
	if b[0] != 0x11 || b[1] != 0 { // version 1, type 1, session data
		return ErrNotIP
	}
	if !p.Tunnel.push(tunnelPPPoE) {
		return ErrDeep
	}
	return d.ppp(p, b[6:])
}

// mpls takes the labels off (RFC 3032). Nothing says what is below them, so
// the first half byte has to tell, as routers also guess: 4 and 6 begin IP
// packets, and 16 zero bits a control word with an Ethernet frame behind it
// (RFC 4448, section 4.6); any of them may also begin a MAC address. What is
// not coherent is tried as the next.
func (d *Decoder) mpls(p *Packet, b []byte) error {
	if !p.Tunnel.push(tunnelMPLS) {
		return ErrDeep
	}
	for bottom := false; !bottom; b = b[4:] {
		if len(b) < 5 {
			return ErrShort
		}
		bottom = b[2]&1 != 0
	}
	d.inside = true
	before, cut := *p, d.cut
	if d.ip(p, b) == nil {
		return nil
	}
	*p, d.cut = before, cut
	if len(b) > 4 && b[0] == 0 && b[1] == 0 {
		if d.etherType(p, etherBridged, b[4:]) == nil {
			return nil
		}
		*p, d.cut = before, cut
	}
	return d.etherType(p, etherBridged, b)
}
