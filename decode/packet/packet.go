// Package packet decodes the headers of a packet, from the link layer through
// tunnels to the transport, without allocating.
package packet

import "github.com/weir-nta/weir"

// An Addr is an IPv4 or IPv6 address as two words, IPv4 mapped into IPv6
// (::ffff:a.b.c.d): half the size of a netip.Addr, hashed and compared faster.
type Addr struct{ Hi, Lo uint64 }

// A MAC is a link-layer address (EUI-48). The zero MAC stands for none.
type MAC [6]byte

// A Packet is what the headers of one packet say. Its slices point into the
// captured bytes and are valid as long as those are.
type Packet struct {
	Src, Dst         Addr
	V6               bool
	Proto            weir.Proto
	SrcPort, DstPort uint16 // 0 where the protocol has none

	// Bytes is the length of the IP packet by its own header, headers
	// included, Ethernet padding not: what counts as traffic, however little
	// was captured. For an IPv6 jumbogram or TCP segmentation offload, whose
	// header says 0, it is the length on the wire.
	Bytes int
	// PayloadLen is the length of the transport payload as the headers tell it.
	PayloadLen int
	// Payload is what was captured of the transport payload: PayloadLen bytes,
	// or fewer where the snaplen cut the packet. For an ICMP error it is what
	// the message quotes. Of a first fragment it is the part that is in it; a
	// later fragment, which means nothing without those before, has none.
	Payload []byte

	// TCP only.
	Flags    weir.TCPFlags
	Seq, Ack uint32
	Window   uint16
	Options  []byte // as far as they were captured

	// ICMP and ICMPv6 only.
	ICMPType, ICMPCode uint8
	ICMPID             uint16 // identifier of echo and the other pairs, else 0

	// SrcMAC and DstMAC are the link-layer addresses of the outermost frame,
	// zero where the link has none: of a packet that came in a tunnel those of
	// the frame that the tunnel went in. Linux "any" links tell the sender's alone.
	SrcMAC, DstMAC MAC

	VLAN   uint16 // outermost VLAN id, 0 if none
	Tunnel Tunnel // what the packet came in, outermost first
	TTL    uint8
	TOS    uint8 // type of service or traffic class: DSCP and ECN

	// Frame says what the packet is if it is not IP ([ErrNotIP]): Payload is then
	// what the frame carries, and of the rest only SrcMAC, DstMAC, VLAN and
	// Tunnel are told.
	Frame Frame
	// ICMPRest is the rest of the header of ICMP and ICMPv6: the four octets
	// that follow the checksum.
	ICMPRest [4]byte

	// LaterFragment says that this is a fragment other than the first: it has
	// no ports of its own. The decoder fills in those of the first fragment
	// if it remembers it.
	LaterFragment bool
	// OverlapsFirst says that a later fragment begins within the first one: what
	// a receiver makes of that is its own affair (RFC 1858, RFC 5722).
	OverlapsFirst bool
	// FirstFragment says that what the packet carries goes on in later
	// fragments: Payload is only its beginning. So is that of a packet that
	// came in the first fragment of its tunnel.
	FirstFragment bool
}

// A Frame is what a frame carries that is not IP and is read all the same.
type Frame uint8

// The frames that are told. FrameCDP is that of Cisco's discovery protocol,
// behind LLC and SNAP.
const (
	FrameARP Frame = 1 + iota
	FrameLLDP
	FrameCDP
)

// A Tunnel is a stack of up to four encapsulations, outermost in the lowest byte.
type Tunnel uint32
