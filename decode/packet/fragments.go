package packet

import (
	"math/bits"

	"github.com/weir-nta/weir"
)

// fragmentLife is how long a first fragment is remembered, in nanoseconds: as
// long as a receiver waits for the rest (RFC 8200, section 4.5).
const fragmentLife = 60e9

// fragments remembers the ports of first fragments.
//
// It holds size of them, four to a slot. A fifth in the same slot takes the
// place of the oldest, whose later fragments are then orphans: counted, and
// metered as a flow without ports. Somebody who floods it gains that for the
// fragments of others, and nothing else. Fragments that arrive before their
// first are orphans as well: nothing is kept back to wait for it.
type fragments struct {
	size  int
	slots [][4]fragment // a power of two of them, made when the first fragment arrives
	shift int           // takes a hash to its slot
}

type fragment struct {
	src, dst Addr
	id       uint32
	key      weir.Proto // the protocol for IPv4, whose id is per protocol; 0 for IPv6
	live     bool
	proto    weir.Proto
	kind     uint8 // of ICMP
	code     uint8
	icmpID   uint16
	srcPort  uint16
	dstPort  uint16
	size     uint16 // octets behind the headers of IP
	at       int64
}

// defaultFragments is some hundred times what a healthy gigabit link has under way.
const defaultFragments = 4096

// remember keeps what the later fragments of p need.
func (f *fragments) remember(p *Packet, id uint32, size int, now int64) {
	if f.slots == nil {
		f.make()
	}
	slot := f.slot(p, id)
	at := 0
	for i := range slot {
		e := &slot[i]
		if !e.live || e.is(p, id) {
			at = i
			break
		}
		if e.at < slot[at].at {
			at = i
		}
	}
	slot[at] = fragment{
		src: p.Src, dst: p.Dst, id: id, key: fragmentKey(p), live: true, at: now,
		proto: p.Proto, kind: p.ICMPType, code: p.ICMPCode, icmpID: p.ICMPID,
		srcPort: p.SrcPort, dstPort: p.DstPort, size: uint16(min(size, 1<<16-1)),
	}
}

// recall fills into p, a later fragment that begins at offset, what its first
// fragment said. It says whether it knew.
func (f *fragments) recall(p *Packet, id uint32, offset int, now int64) bool {
	if f.slots == nil {
		return false
	}
	slot := f.slot(p, id)
	for i := range slot {
		e := &slot[i]
		if !e.live || !e.is(p, id) {
			continue
		}
		if age := now - e.at; age > fragmentLife || age < -fragmentLife {
			return false
		}
		p.Proto = e.proto
		p.SrcPort, p.DstPort = e.srcPort, e.dstPort
		p.ICMPType, p.ICMPCode, p.ICMPID = e.kind, e.code, e.icmpID
		p.OverlapsFirst = offset < int(e.size)
		return true
	}
	return false
}

func (f *fragments) make() {
	size := f.size
	if size <= 0 {
		size = defaultFragments
	}
	width := bits.Len(uint((size - 1) / 4)) // slots are at least as many as asked for
	f.slots = make([][4]fragment, 1<<width)
	f.shift = 64 - width
}

// slot returns where the fragments of a packet lie. The hash has no secret:
// there is little to gain from collisions, and runs are to be repeatable.
func (f *fragments) slot(p *Packet, id uint32) *[4]fragment {
	h := p.Src.Lo ^ bits.RotateLeft64(p.Dst.Lo, 17) ^ p.Src.Hi ^ bits.RotateLeft64(p.Dst.Hi, 41)
	h = (h ^ uint64(id)<<20 ^ uint64(fragmentKey(p))) * 0x9e3779b97f4a7c15
	h ^= h >> 32
	h *= 0x9e3779b97f4a7c15
	return &f.slots[h>>f.shift]
}

func (e *fragment) is(p *Packet, id uint32) bool {
	return e.id == id && e.src == p.Src && e.dst == p.Dst && e.key == fragmentKey(p)
}

func fragmentKey(p *Packet) weir.Proto {
	if p.V6 {
		return 0
	}
	return p.Proto
}
