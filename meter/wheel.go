package meter

import "math/bits"

// A wheel holds each flow in the slot of the moment at which it was last known
// to end. A packet that makes it last longer does not move it: when the slot
// comes up, the flow is asked again and put where it belongs then. So a packet
// costs the wheel nothing, and a flow one move per timeout.
type wheel struct {
	slots [wheelSlots]uint32 // first flow of each slot, 0: none
	used  [wheelSlots / 64]uint64
	now   int64 // the tick that has not come up yet
}

const (
	tickShift  = 27   // a tick is 2^27 ns, 134 ms
	wheelSlots = 4096 // 9 minutes; what lasts longer is asked again by then
)

func tickOf(ns int64) int64 { return ns >> tickShift }

// schedule puts a flow, which is in no slot, into that of its deadline.
func (m *Meter) schedule(i uint32, f *flow) {
	w := &m.wheel
	t := min(max(tickOf(m.deadline(f)), w.now), w.now+wheelSlots-1)
	s := uint32(t & (wheelSlots - 1))
	f.slot, f.prev, f.next = int16(s), 0, w.slots[s]
	if f.next != 0 {
		m.flow(f.next).prev = i
	}
	w.slots[s] = i
	w.used[s/64] |= 1 << (s % 64)
}

// unschedule takes a flow out of its slot.
func (m *Meter) unschedule(f *flow) {
	w := &m.wheel
	if f.next != 0 {
		m.flow(f.next).prev = f.prev
	}
	if f.prev != 0 {
		m.flow(f.prev).next = f.next
		return
	}
	if w.slots[f.slot] = f.next; f.next == 0 {
		w.used[f.slot/64] &^= 1 << (f.slot % 64)
	}
}

// reschedule is for a flow that will end earlier than it was known to.
func (m *Meter) reschedule(i uint32, f *flow) {
	m.unschedule(f)
	m.schedule(i, f)
}

// nextSlot returns the first slot in use from tick t on, and its tick; false
// if the wheel is empty.
func (w *wheel) nextSlot(t int64) (uint32, int64, bool) {
	from := uint32(t & (wheelSlots - 1))
	for n := uint32(0); n <= wheelSlots/64; n++ {
		word := (from/64 + n) % (wheelSlots / 64)
		set := w.used[word]
		if n == 0 {
			set &= ^uint64(0) << (from % 64)
		} else if n == wheelSlots/64 {
			set &= 1<<(from%64) - 1
		}
		if set != 0 {
			s := word*64 + uint32(bits.TrailingZeros64(set))
			return s, t + int64((s-from)&(wheelSlots-1)), true
		}
	}
	return 0, 0, false
}

// advance ends all flows whose time has come by clock.
func (m *Meter) advance(clock int64) {
	end := tickOf(clock)
	for m.wheel.now < end {
		s, t, ok := m.wheel.nextSlot(m.wheel.now)
		if !ok || t >= end {
			break
		}
		// What is asked again goes into a later slot than this one.
		m.wheel.now = t + 1
		m.turn(s, clock)
	}
	m.wheel.now = end
}

func (m *Meter) turn(s uint32, clock int64) {
	w := &m.wheel
	i := w.slots[s]
	w.slots[s] = 0
	w.used[s/64] &^= 1 << (s % 64)
	for i != 0 {
		f := m.flow(i)
		next := f.next
		if m.deadline(f) <= clock {
			f.slot = noSlot
			m.end(i, f, ended)
		} else {
			m.schedule(i, f)
		}
		i = next
	}
}

// evict ends the flow that would have ended soonest. It asks a bounded number
// of flows, since most of those in the next slots may have gone on meanwhile.
func (m *Meter) evict() {
	const asked = 16
	m.count.Early++
	for n := 1; ; n++ {
		s, t, ok := m.wheel.nextSlot(m.wheel.now)
		if !ok {
			return
		}
		i := m.wheel.slots[s]
		f := m.flow(i)
		if n < asked && tickOf(m.deadline(f)) > t {
			m.reschedule(i, f)
			continue
		}
		m.end(i, f, early)
		return
	}
}
