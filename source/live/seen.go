package live

import (
	"math/bits"
	"strconv"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/packet"
)

// Seen is what a point has shown so far.
type Seen struct {
	Packets  int64
	Bytes    int64 // on the wire
	Outgoing int64 // packets that this machine sent itself
	Cut      int64 // packets longer than SnapLen
	Merged   int64 // packets longer than the interface carries
	Dropped  int64 // packets that the kernel dropped
	VLANs    []uint16

	// Conversations are TCP connections of which enough packets were seen to
	// tell directions by, a sample of those of the last minute; OneWay are those
	// of them of which one direction alone was seen.
	Conversations, OneWay int
	// Looked are packets that would be seen twice if the mirror copied them
	// twice, a sample; Twice are those that came again within copyWithin.
	Looked, Twice int64
}

// A View is what a point shows, for who watches it.
type View struct {
	Point
	Seen
	Notes []string // what the user should know, one sentence each
}

// How much is seen before it is judged, and from which share on it is told.
const (
	judgeConversations = 10
	judgeCopies        = 200
	tellOneWay         = 0.2
	tellTwice          = 0.05
)

// OneWayShare returns the share of conversations of which one direction alone
// is seen; false if too few were seen to tell.
func (s *Seen) OneWayShare() (float64, bool) {
	return share(int64(s.OneWay), int64(s.Conversations), judgeConversations)
}

// TwiceShare returns the share of packets that came twice; false if too few
// were seen to tell.
func (s *Seen) TwiceShare() (float64, bool) { return share(s.Twice, s.Looked, judgeCopies) }

func share(n, of, least int64) (float64, bool) {
	if of < least {
		return 0, false
	}
	return float64(n) / float64(of), true
}

// add adds what another worker has seen.
func (s *Seen) add(o *Seen) {
	s.Packets += o.Packets
	s.Bytes += o.Bytes
	s.Outgoing += o.Outgoing
	s.Cut += o.Cut
	s.Merged += o.Merged
	s.Dropped += o.Dropped
	s.Conversations += o.Conversations
	s.OneWay += o.OneWay
	s.Looked += o.Looked
	s.Twice += o.Twice
}

const (
	slots = 1 << 12
	// A conversation is judged when this many packets of it were seen, the first
	// of them so long ago that the other end would have answered.
	judgePackets, judgeAfter = 3, 2
	// forgetAfter is how long a conversation keeps its slot, in seconds.
	forgetAfter = 60
	// copyWithin is how far apart the two copies of a mirror are at most. What
	// an end sends again comes later, but for a LAN's fastest.
	copyWithin = int64(10 * time.Millisecond)
	// Of many packets one in 16 is looked at: 4,096 slots then remember
	// copyWithin of 6 million packets a second.
	manyPackets, oneOf = 100_000, 16
)

// An observer learns from the packets of one worker what the mirror does to
// them. It takes 120 kB, allocates nothing, and whoever fills its tables with
// conversations of his own makes only its sample his.
type observer struct {
	vlans  [4096 / 64]uint64
	talks  [slots]talk
	copies [slots]sighting

	looked, twice int64
	mask          uint64 // of the hashes of packets to look at
}

// A talk is a TCP connection.
type talk struct {
	hash  uint32
	first uint32 // second
	from  [2]uint16
}

// A sighting is a packet.
type sighting struct {
	hash uint64
	at   int64
}

// see takes in a packet.
func (o *observer) see(ts int64, p *packet.Packet) {
	if p.VLAN != 0 {
		o.vlans[p.VLAN>>6&63] |= 1 << (p.VLAN & 63)
	}
	if p.LaterFragment {
		return
	}
	src, dst := endHash(p.Src, p.SrcPort), endHash(p.Dst, p.DstPort)
	if p.Proto == weir.TCP && p.Flags&weir.ACK != 0 {
		o.converse(uint32(ts/int64(time.Second)), src, dst)
	}
	if p.PayloadLen == 0 && p.Flags&(weir.SYN|weir.FIN) == 0 {
		return // an acknowledgement may well be repeated at once
	}
	h := mix(src^uint64(p.Seq)<<32^uint64(p.Ack), dst^uint64(p.PayloadLen)<<8^uint64(p.Flags))
	if h&o.mask != 0 {
		return
	}
	if p.Proto != weir.TCP {
		h = mix(h, sample(p.Payload))
	}
	o.look(h|1, ts)
}

func endHash(a packet.Addr, port uint16) uint64 {
	return mix(a.Hi^0x9e3779b97f4a7c15, a.Lo^uint64(port)<<48^0xbf58476d1ce4e5b9)
}

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a|1, b^0x94d049bb133111eb)
	return hi ^ lo
}

// sample folds the first bytes of a payload.
func sample(b []byte) (h uint64) {
	for _, c := range b[:min(len(b), 24)] {
		h = h*0x100000001b3 ^ uint64(c)
	}
	return h
}

// converse notes a packet of a connection that goes from src to dst.
func (o *observer) converse(second uint32, src, dst uint64) {
	sum := src + dst
	hash := uint32(sum>>32) | 1
	t := &o.talks[sum%slots]
	if t.hash != hash {
		if t.hash != 0 && second-t.first < forgetAfter && second >= t.first {
			return
		}
		*t = talk{hash: hash, first: second}
	}
	end := 0
	if src > dst {
		end = 1
	}
	if t.from[end] < 1<<16-1 {
		t.from[end]++
	}
}

// look notes a packet and whether it was here just now.
func (o *observer) look(h uint64, ts int64) {
	c := &o.copies[h>>32%slots]
	o.looked++
	if c.hash == h && ts-c.at <= copyWithin && c.at-ts <= copyWithin {
		o.twice++
		c.hash = 0 // a third copy is the first of others
		return
	}
	c.hash, c.at = h, ts
}

// tell writes into s what was learnt by a time, of packets that came at a rate.
func (o *observer) tell(s *Seen, now time.Time, rate float64) {
	s.Conversations, s.OneWay = 0, 0
	second := uint32(now.Unix())
	for i := range o.talks {
		t := &o.talks[i]
		if t.hash == 0 || int(t.from[0])+int(t.from[1]) < judgePackets || second-t.first < judgeAfter || second-t.first > 2*forgetAfter {
			continue
		}
		s.Conversations++
		if t.from[0] == 0 || t.from[1] == 0 {
			s.OneWay++
		}
	}
	s.Looked, s.Twice = o.looked, o.twice
	o.mask = 0
	if rate > manyPackets {
		o.mask = oneOf - 1
	}
}

// vlanList lists the VLANs whose bits are set.
func vlanList(set *[4096 / 64]uint64) (list []uint16) {
	for i, word := range set {
		for ; word != 0; word &= word - 1 {
			list = append(list, uint16(64*i+bits.TrailingZeros64(word)))
		}
	}
	return list
}

// thousands writes n with commas.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
