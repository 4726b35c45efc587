package packet

import (
	"math/bits"

	"github.com/weir-nta/weir"
)

// A Key is what the packets of one conversation, in both directions, have in
// common. End A is the lesser of the two (address, port), unless it is one-way.
//
// Neither VLAN nor tunnel is part of it, as in Zeek: mirrored traffic often
// carries each direction in a VLAN of its own, and a path may change its
// tunnel. Networks that use the same addresses need a sensor each.
type Key struct {
	A, B         Addr
	APort, BPort uint16 // ports; for ICMP type and type of the answer, or type and code
	ID           uint16 // ICMP identifier
	Proto        weir.Proto
	OneWay       bool // ICMP messages that nobody answers: the direction counts
}

// Order makes A the lesser end, unless k is one-way. It returns the end that A
// was before: 0 for A, 1 for B.
func (k *Key) Order() (end uint8) {
	if k.OneWay || !less(k.B, k.BPort, k.A, k.APort) {
		return 0
	}
	k.A, k.B, k.APort, k.BPort = k.B, k.A, k.BPort, k.APort
	return 1
}

func less(a Addr, ap uint16, b Addr, bp uint16) bool {
	if a.Hi != b.Hi {
		return a.Hi < b.Hi
	}
	if a.Lo != b.Lo {
		return a.Lo < b.Lo
	}
	return ap < bp
}

// A Seed keeps others from choosing keys whose hashes collide.
type Seed [4]uint64

// Hash returns the seeded hash of k.
func (k *Key) Hash(s *Seed) uint32 {
	h := mix(k.A.Hi^s[0], k.A.Lo^s[1]) ^ mix(k.B.Hi^s[2], k.B.Lo^s[3])
	rest := uint64(k.APort)<<48 | uint64(k.BPort)<<32 | uint64(k.ID)<<16 | uint64(k.Proto)<<8
	if k.OneWay {
		rest |= 1
	}
	h = mix(h^rest, s[0]|1)
	return uint32(h ^ h>>32)
}

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// The ICMP types that are answered by another type, as for Community ID (RFC
// 792, 950, 1256, 4443, 4861, 3810): 1 + the type of the other side.
var icmpPeer, icmp6Peer [256]uint16

func init() {
	for _, pair := range [...][2]uint8{{8, 0}, {13, 14}, {15, 16}, {17, 18}, {10, 9}} {
		icmpPeer[pair[0]], icmpPeer[pair[1]] = uint16(pair[1])+1, uint16(pair[0])+1
	}
	for _, pair := range [...][2]uint8{{128, 129}, {130, 131}, {133, 134}, {135, 136}, {139, 140}, {144, 145}} {
		icmp6Peer[pair[0]], icmp6Peer[pair[1]] = uint16(pair[1])+1, uint16(pair[0])+1
	}
}

// ICMPPorts returns what stands in the place of ports for an ICMP or ICMPv6
// message: its type and that of its answer or, for one that nobody answers,
// its type and code.
func ICMPPorts(proto weir.Proto, typ, code uint8) (own, peer uint16, oneWay bool) {
	peers := &icmpPeer
	if proto == weir.ICMPv6 {
		peers = &icmp6Peer
	}
	if t := peers[typ]; t != 0 {
		return uint16(typ), t - 1, false
	}
	return uint16(typ), uint16(code), true
}
