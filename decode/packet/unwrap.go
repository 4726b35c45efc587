package packet

import (
	"encoding/binary"

	"github.com/weir-nta/weir"
)

// IP protocol numbers of encapsulations.
const (
	protoIPv4     weir.Proto = 4
	protoIPv6     weir.Proto = 41
	protoEtherIP  weir.Proto = 97
	protoMPLSinIP weir.Proto = 137
)

// UDP ports of encapsulations (IANA; 8472 is what Linux used for VXLAN before
// it had a number).
const (
	portGTPU     = 2152
	portTeredo   = 3544
	portVXLAN    = 4789
	portVXLANGPE = 4790
	portGENEVE   = 6081
	portVXLANold = 8472
)

// A wrapping is what an encapsulation carries.
type wrapping struct {
	kind  Tunnel // 0 where what follows names itself (MPLS)
	ether uint16 // what inside begins with, as an EtherType
	// inside is what was captured of it, without the header of the
	// encapsulation; nil if there is none.
	inside []byte
}

// unwrap looks whether p carries another packet. If it does and that one can
// be read, p becomes it; else p stays what it is. Missing is how much of p is
// in later fragments.
func (d *Decoder) unwrap(p *Packet, missing int) {
	if p.Proto == weir.TCP { // most packets leave here
		return
	}
	w := wrapped(p)
	if w.inside == nil {
		return
	}
	outer := *p
	if w.kind != 0 && !p.Tunnel.push(w.kind) {
		d.counters.TooDeep++
		return
	}
	*p = Packet{SrcMAC: p.SrcMAC, DstMAC: p.DstMAC, VLAN: p.VLAN, Tunnel: p.Tunnel, FirstFragment: missing > 0}
	d.cut = outer.PayloadLen - len(outer.Payload) + missing
	d.inside = true
	if err := d.etherType(p, w.ether, w.inside); err != nil {
		if err == ErrDeep {
			d.counters.TooDeep++
		}
		*p = outer
	}
}

// wrapped returns what p encapsulates, going by its protocol or port and the
// header found there.
func wrapped(p *Packet) wrapping {
	switch p.Proto {
	case weir.UDP:
		switch {
		case p.DstPort == portVXLAN || p.DstPort == portVXLANold:
			return vxlan(p.Payload)
		case p.DstPort == portVXLANGPE:
			return vxlanGPE(p.Payload)
		case p.DstPort == portGENEVE || p.SrcPort == portGENEVE:
			return geneve(p.Payload)
		case p.DstPort == portGTPU || p.SrcPort == portGTPU:
			return gtpu(p.Payload)
		case p.DstPort == portTeredo || p.SrcPort == portTeredo:
			return teredo(p.Payload)
		}
	case weir.GRE:
		return gre(p.Payload)
	case protoIPv4:
		return wrapping{tunnelIPIP, etherIPv4, p.Payload}
	case protoIPv6:
		if p.V6 {
			return wrapping{tunnelIPIP, etherIPv6, p.Payload}
		}
		return wrapping{tunnel6in4, etherIPv6, p.Payload}
	case protoEtherIP: // RFC 3378: version 3 and twelve zero bits
		if b := p.Payload; len(b) > 2 && b[0] == 0x30 && b[1] == 0 {
			return wrapping{tunnelEtherIP, etherBridged, b[2:]}
		}
	case protoMPLSinIP: // RFC 4023
		return wrapping{0, etherMPLS, p.Payload}
	}
	return wrapping{}
}

// vxlan reads the header of VXLAN (RFC 7348, section 5), reserved bits ignored
// as it says.
func vxlan(b []byte) wrapping {
	if len(b) <= 8 || b[0]&0x08 == 0 {
		return wrapping{}
	}
	return wrapping{tunnelVXLAN, etherBridged, b[8:]}
}

// vxlanGPE reads the header of VXLAN with its generic protocol extension
// (draft-ietf-nvo3-vxlan-gpe, section 3), which says what is inside. Without
// its P bit that is Ethernet, as in VXLAN, and the octet is 0; there are
// senders that set the octet and forget the bit.
func vxlanGPE(b []byte) wrapping {
	if len(b) <= 8 || b[0]&0x08 == 0 {
		return wrapping{}
	}
	switch b[3] {
	case 0:
		if b[0]&0x04 == 0 {
			return vxlan(b)
		}
	case 1, 2:
		return ipWrapping(tunnelVXLAN, b[8:])
	case 3:
		return wrapping{tunnelVXLAN, etherBridged, b[8:]}
	}
	return wrapping{}
}

// geneve reads the header of GENEVE (RFC 8926, section 3.4) and passes over its options.
func geneve(b []byte) wrapping {
	if len(b) < 8 || b[0]>>6 != 0 {
		return wrapping{}
	}
	header := 8 + int(b[0]&0x3f)*4
	if len(b) <= header {
		return wrapping{}
	}
	return wrapping{tunnelGENEVE, binary.BigEndian.Uint16(b[2:]), b[header:]}
}

// gtpu reads the header of a user data message of GTP-U and passes over its
// extension headers (3GPP TS 29.281, section 5).
func gtpu(b []byte) wrapping {
	const userData = 255
	if len(b) < 8 || b[0]>>4 != 3 || b[1] != userData { // version 1, GTP and not GTP'
		return wrapping{}
	}
	flags, next := b[0], byte(0)
	b = b[8:]
	if flags&7 != 0 { // one of sequence number, N-PDU number, extension: room for all
		if len(b) < 4 {
			return wrapping{}
		}
		if flags&4 != 0 {
			next = b[3]
		}
		b = b[4:]
	}
	for next != 0 {
		if len(b) == 0 {
			return wrapping{}
		}
		size := int(b[0]) * 4
		if size == 0 || size > len(b) {
			return wrapping{}
		}
		next, b = b[size-1], b[size:]
	}
	return ipWrapping(tunnelGTPU, b)
}

// teredo passes over the indications that may precede the IPv6 packet in a
// Teredo packet (RFC 4380, section 5.1.1).
func teredo(b []byte) wrapping {
	if len(b) >= 4 && b[0] == 0 && b[1] == 1 { // authentication: two lengths, two fields, nonce, confirmation
		size := 4 + int(b[2]) + int(b[3]) + 9
		if size > len(b) {
			return wrapping{}
		}
		b = b[size:]
	}
	if len(b) >= 8 && b[0] == 0 && b[1] == 0 { // origin: port and address
		b = b[8:]
	}
	if len(b) < 40 || b[0]>>4 != 6 {
		return wrapping{}
	}
	return wrapping{tunnelTeredo, etherIPv6, b}
}

// ipWrapping is that of an encapsulation that leaves it to the packet to say
// which version of IP it is.
func ipWrapping(kind Tunnel, b []byte) wrapping {
	if len(b) == 0 {
		return wrapping{}
	}
	switch b[0] >> 4 {
	case 4:
		return wrapping{kind, etherIPv4, b}
	case 6:
		return wrapping{kind, etherIPv6, b}
	}
	return wrapping{}
}

// Flags of GRE.
const (
	greChecksum = 0x8000
	greRouting  = 0x4000 // RFC 1701
	greKey      = 0x2000
	greSequence = 0x1000
	greAck      = 0x0080 // version 1 only
	greVersion  = 0x0007
)

// EtherTypes that occur in GRE alone.
const (
	etherWCCP      = 0x883e
	etherERSPAN    = 0x88be // types I and II
	etherERSPANIII = 0x22eb
)

// gre reads the header of GRE (RFC 2784, 2890 and 1701), or of PPTP's version
// of it (RFC 2637).
func gre(b []byte) wrapping {
	if len(b) < 4 {
		return wrapping{}
	}
	flags, ether := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	if flags&greVersion > 1 {
		return wrapping{}
	}
	header := 4
	for _, option := range [...]uint16{greChecksum | greRouting, greKey, greSequence, greAck} {
		if flags&option != 0 {
			header += 4
		}
	}
	if len(b) < header {
		return wrapping{}
	}
	b = b[header:]
	if flags&greRouting != 0 {
		b = greRoutes(b)
	}
	if len(b) == 0 { // an acknowledgement, or a keepalive
		return wrapping{}
	}
	switch ether {
	case etherERSPAN:
		if flags&greSequence == 0 { // type I has no header
			return wrapping{tunnelERSPAN, etherBridged, b}
		}
		return erspan2(b)
	case etherERSPANIII:
		return erspan3(b)
	case etherWCCP: // its second version puts four bytes before the packet
		if b[0]>>4 != 4 && len(b) > 4 {
			b = b[4:]
		}
		return wrapping{tunnelGRE, etherIPv4, b}
	}
	return wrapping{tunnelGRE, ether, b}
}

// greRoutes passes over source route entries, the last of which is all zero
// (RFC 1701). It returns nothing if they do not end.
func greRoutes(b []byte) []byte {
	for len(b) >= 4 {
		last := binary.BigEndian.Uint32(b) == 0
		size := 4 + int(b[3])
		if size > len(b) {
			return nil
		}
		b = b[size:]
		if last {
			return b
		}
	}
	return nil
}

// erspan2 passes over the header of ERSPAN type II
// (draft-foschiano-erspan-03, section 4.2).
func erspan2(b []byte) wrapping {
	if len(b) <= 8 {
		return wrapping{}
	}
	return wrapping{tunnelERSPAN, etherBridged, b[8:]}
}

// erspan3 passes over the header of ERSPAN type III and its optional
// subheader (draft-foschiano-erspan-03, section 4.3).
func erspan3(b []byte) wrapping {
	if len(b) <= 12 {
		return wrapping{}
	}
	header := 12
	if b[11]&1 != 0 {
		header += 8
	}
	if len(b) <= header {
		return wrapping{}
	}
	if frame := b[10] >> 2 & 0x1f; frame == 2 {
		return ipWrapping(tunnelERSPAN, b[header:])
	}
	return wrapping{tunnelERSPAN, etherBridged, b[header:]}
}
