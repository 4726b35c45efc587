package meter

import (
	"math/bits"
	"math/rand/v2"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/packet"
)

// A key is what the packets of one flow, in both directions, have in common.
// End a is the lesser of the two (address, port), unless the flow is one-way.
//
// Neither VLAN nor tunnel is part of it, as in Zeek: mirrored traffic often
// carries each direction in a VLAN of its own, and a path may change its
// tunnel. Networks that use the same addresses need a sensor each.
type key struct {
	a, b   packet.Addr
	ap, bp uint16 // ports; for ICMP type and type of the answer, or type and code
	id     uint16 // ICMP identifier
	proto  weir.Proto
	oneWay bool // ICMP messages that nobody answers: the direction counts
}

// keyOf returns the key of p, and the end that sent it: 0 for a, 1 for b.
func keyOf(p *packet.Packet) (k key, end uint8) {
	k = key{a: p.Src, b: p.Dst, ap: p.SrcPort, bp: p.DstPort, proto: p.Proto}
	if p.Proto == weir.ICMPv4 || p.Proto == weir.ICMPv6 {
		k.ap, k.bp, k.oneWay = icmpPair(p)
		k.id = p.ICMPID
	}
	if !k.oneWay && less(k.b, k.bp, k.a, k.ap) {
		k.a, k.b, k.ap, k.bp = k.b, k.a, k.bp, k.ap
		end = 1
	}
	return k, end
}

func less(a packet.Addr, ap uint16, b packet.Addr, bp uint16) bool {
	if a.Hi != b.Hi {
		return a.Hi < b.Hi
	}
	if a.Lo != b.Lo {
		return a.Lo < b.Lo
	}
	return ap < bp
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

func icmpPair(p *packet.Packet) (own, peer uint16, oneWay bool) {
	peers := &icmpPeer
	if p.Proto == weir.ICMPv6 {
		peers = &icmp6Peer
	}
	if t := peers[p.ICMPType]; t != 0 {
		return uint16(p.ICMPType), t - 1, false
	}
	return uint16(p.ICMPType), uint16(p.ICMPCode), true
}

// A table finds flows by key: open addressing with linear probing, so that a
// look-up that hits touches one line of the table and one of the flow. The
// hash is seeded, so that nobody outside can choose addresses that collide.
//
// It is not there for speed: a look-up among 100,000 flows takes 5 to 14 % longer
// than in a map[key]uint32 (BenchmarkTable, BenchmarkMap, 2026-11-22; the misses
// of the cache decide). It takes 16 to 32 octets a flow, where the map keeps a
// second copy of each key and takes 50 to 100, and the hash that it is asked with
// is computed once and stays with the flow.
type table struct {
	slots []slot // a power of two of them, at most half in use
	used  int
	seed  [4]uint64
}

type slot struct {
	hash uint32
	flow uint32 // 0: free
}

const minSlots = 1 << 12

func newTable() table {
	return table{
		slots: make([]slot, minSlots),
		seed:  [4]uint64{rand.Uint64(), rand.Uint64(), rand.Uint64(), rand.Uint64()},
	}
}

func (t *table) hash(k *key) uint32 {
	h := mix(k.a.Hi^t.seed[0], k.a.Lo^t.seed[1]) ^ mix(k.b.Hi^t.seed[2], k.b.Lo^t.seed[3])
	rest := uint64(k.ap)<<48 | uint64(k.bp)<<32 | uint64(k.id)<<16 | uint64(k.proto)<<8
	if k.oneWay {
		rest |= 1
	}
	h = mix(h^rest, t.seed[0]|1)
	return uint32(h ^ h>>32)
}

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// add puts a flow whose key is not in the table.
func (t *table) add(hash, flow uint32) {
	if t.used++; t.used > len(t.slots)/2 {
		t.grow()
	}
	t.put(slot{hash, flow})
}

func (t *table) put(s slot) {
	mask := uint32(len(t.slots) - 1)
	i := s.hash & mask
	for t.slots[i].flow != 0 {
		i = (i + 1) & mask
	}
	t.slots[i] = s
}

func (t *table) grow() {
	old := t.slots
	t.slots = make([]slot, 2*len(old))
	for _, s := range old {
		if s.flow != 0 {
			t.put(s)
		}
	}
}

// remove takes a flow out and moves those behind it up, so that no look-up
// stops at the hole.
func (t *table) remove(hash, flow uint32) {
	mask := uint32(len(t.slots) - 1)
	i := hash & mask
	for t.slots[i].flow != flow {
		i = (i + 1) & mask
	}
	t.used--
	for j := (i + 1) & mask; t.slots[j].flow != 0; j = (j + 1) & mask {
		// What stands at j may move to i unless it belongs behind i.
		if (j-t.slots[j].hash)&mask >= (j-i)&mask {
			t.slots[i] = t.slots[j]
			i = j
		}
	}
	t.slots[i] = slot{}
}
