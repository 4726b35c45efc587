package meter

import (
	"math"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/packet"
)

// shapePackets is of how many packets a shape tells.
const shapePackets = 20

// A shape is how a conversation begins. It is kept from the first packet with
// payload to the first record: a SYN costs none. At MaxShapes the conversation
// that has one for longest loses it, so that in a flood those still have a
// shape that are over before as many others have begun.
type shape struct {
	place         // among all shapes
	at      int64 // time of the latest packet told
	lengths [shapePackets]int32
	gaps    [shapePackets]uint32
	downs   uint32 // bits: those sent by end 1
	n       uint8
	samples [2]sample // by end
	next    *shape    // in the free list
}

// A sample is of the first octets that an end sends: they are kept until there
// are enough to tell how even they are.
type sample struct {
	b       [sampleEnough]byte
	n       uint8
	done    bool
	entropy float32
}

const (
	sampleEnough = 64
	sampleMost   = 256
)

// addShape takes the next packet that carries payload.
func (m *Meter) addShape(f *flow, end uint8, ts int64, p *packet.Packet) {
	s := f.shape
	if s == nil {
		if s = m.newShape(f); s == nil {
			f.shaping = false
			return
		}
	}
	s.lengths[s.n] = int32(p.PayloadLen)
	s.gaps[s.n] = uint32(min(max(ts-s.at, 0)/1000, math.MaxUint32))
	s.downs |= uint32(end) << s.n
	s.at = max(s.at, ts)
	if s.n++; s.n == shapePackets {
		f.shaping = false
	}
	s.samples[end].add(p.Payload)
}

func (s *sample) add(b []byte) {
	if s.done {
		return
	}
	if int(s.n)+len(b) < sampleEnough {
		s.n += uint8(copy(s.b[s.n:], b))
		return
	}
	s.entropy = entropy(s.b[:s.n], b[:min(len(b), sampleMost-int(s.n))])
	s.done = true
}

func (s *sample) value() float64 {
	if !s.done {
		return float64(entropy(s.b[:s.n], nil))
	}
	return float64(s.entropy)
}

// entropy returns Shannon's of what is in a and b together, up to 256 octets,
// in bits per octet.
func entropy(a, b []byte) float32 {
	n := len(a) + len(b)
	if n == 0 {
		return 0
	}
	var count [256]uint16
	sum := float32(0)
	for _, c := range a {
		sum += logSteps[count[c]]
		count[c]++
	}
	for _, c := range b {
		sum += logSteps[count[c]]
		count[c]++
	}
	return max(logs[n]-sum/float32(n), 0)
}

// logs are those of 0 to 256 to the base 2; logSteps are how much n·log2(n)
// grows from n to n+1.
var (
	logs     [sampleMost + 1]float32
	logSteps [sampleMost]float32
)

func init() {
	for n := 1; n <= sampleMost; n++ {
		logs[n] = float32(math.Log2(float64(n)))
		logSteps[n-1] = float32(float64(n)*math.Log2(float64(n)) - float64(n-1)*math.Log2(math.Max(float64(n-1), 1)))
	}
}

// shapeSlab is how many shapes are allocated together.
const shapeSlab = 64

// newShape gives a flow its shape, nil if there are to be none.
func (m *Meter) newShape(f *flow) *shape {
	if m.config.MaxShapes == 0 {
		return nil
	}
	if m.shapes.n >= m.config.MaxShapes {
		m.count.ShapesEvicted++
		m.shapes.oldest.f.shaping = false
		m.releaseShape(m.shapes.oldest.f)
	}
	if m.freeShapes == nil {
		slab := make([]shape, shapeSlab)
		for i := range slab {
			slab[i].next, m.freeShapes = m.freeShapes, &slab[i]
		}
	}
	s := m.freeShapes
	m.freeShapes, s.next = s.next, nil
	s.f, s.at = f, f.born
	f.shape = s
	m.shapes.add(&s.place)
	return s
}

func (m *Meter) releaseShape(f *flow) {
	s := f.shape
	if s == nil {
		return
	}
	m.shapes.remove(&s.place)
	*s = shape{next: m.freeShapes}
	m.freeShapes, f.shape = s, nil
}

// recordSlab is how many parts of records are allocated together.
const recordSlab = 128

// shapeRecord returns the shape of a flow for its first record, and forgets it.
func (m *Meter) shapeRecord(f *flow) *weir.Shape {
	s := f.shape
	f.shaping = false
	if s == nil {
		return nil
	}
	defer m.releaseShape(f)
	if f.kind == isDNS { // it became known late
		return nil
	}
	n := int(s.n)
	if len(m.shapeRecords) == 0 {
		m.shapeRecords = make([]weir.Shape, recordSlab)
	}
	if len(m.lengths) < n {
		m.lengths, m.gaps = make([]int32, recordSlab*8), make([]uint32, recordSlab*8)
	}
	r := &m.shapeRecords[0]
	m.shapeRecords = m.shapeRecords[1:]
	r.Lengths, r.Gaps = m.lengths[:n:n], m.gaps[:n:n]
	m.lengths, m.gaps = m.lengths[n:], m.gaps[n:]
	copy(r.Gaps, s.gaps[:])
	for i := range r.Lengths {
		if r.Lengths[i] = s.lengths[i]; uint8(s.downs>>i&1) != f.orig {
			r.Lengths[i] = -s.lengths[i]
		}
	}
	r.EntropyUp, r.EntropyDown = s.samples[f.orig].value(), s.samples[f.orig^1].value()
	return r
}

func micros(n uint32) time.Duration { return time.Duration(n) * time.Microsecond }
