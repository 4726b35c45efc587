package flowtable

import "math/bits"

// Slots is how many ticks ahead a wheel reaches.
const Slots = 1 << 12

// A Wheel holds each flow in the slot of the tick at which it was last known
// to end. What makes the flow last longer does not move it: when the slot
// comes up, its owner asks the flow again and puts it where it belongs then.
// So a packet or record costs the wheel nothing, and a flow one move per
// timeout.
type Wheel struct {
	// Now is the first tick that has not come up yet.
	Now int64

	slots [Slots]uint32 // first flow of each slot, 0: none
	used  [Slots / 64]uint64
	links []link // by number of the flow
}

type link struct {
	prev, next uint32
	slot       int32 // 1 + the slot, 0: in none
}

// Put puts a flow that is in no slot into that of the tick, or the nearest one
// there is.
func (w *Wheel) Put(flow uint32, tick int64) {
	for int(flow) >= len(w.links) {
		w.links = append(w.links, make([]link, SlabFlows)...)
	}
	t := min(max(tick, w.Now), w.Now+Slots-2) // the slot before Now is the one that Due empties
	s := uint32(t & (Slots - 1))
	w.links[flow] = link{next: w.slots[s], slot: int32(s) + 1}
	if n := w.slots[s]; n != 0 {
		w.links[n].prev = flow
	}
	w.slots[s] = flow
	w.used[s/64] |= 1 << (s % 64)
}

// Has reports whether the flow is in a slot.
func (w *Wheel) Has(flow uint32) bool { return int(flow) < len(w.links) && w.links[flow].slot != 0 }

// Tick returns the tick at which a flow that is in a slot comes up.
func (w *Wheel) Tick(flow uint32) int64 {
	return w.Now + (int64(w.links[flow].slot-1)-w.Now)&(Slots-1)
}

// Remove takes out a flow that is in a slot.
func (w *Wheel) Remove(flow uint32) {
	l := &w.links[flow]
	s := uint32(l.slot - 1)
	if l.next != 0 {
		w.links[l.next].prev = l.prev
	}
	if l.prev != 0 {
		w.links[l.prev].next = l.next
	} else if w.slots[s] = l.next; l.next == 0 {
		w.used[s/64] &^= 1 << (s % 64)
	}
	*l = link{}
}

// First returns a flow of the first slot in use from tick t on, and its tick;
// 0 if the wheel is empty.
func (w *Wheel) First(t int64) (flow uint32, tick int64) {
	from := uint32(t & (Slots - 1))
	for n := uint32(0); n <= Slots/64; n++ {
		word := (from/64 + n) % (Slots / 64)
		set := w.used[word]
		if n == 0 {
			set &= ^uint64(0) << (from % 64)
		} else if n == Slots/64 {
			set &= 1<<(from%64) - 1
		}
		if set != 0 {
			s := word*64 + uint32(bits.TrailingZeros64(set))
			return w.slots[s], t + int64((s-from)&(Slots-1))
		}
	}
	return 0, 0
}

// Due takes out a flow of a slot that comes up before tick end, and moves Now
// behind that slot, so that it may be put back; 0, and Now at end, if there is
// none.
func (w *Wheel) Due(end int64) uint32 {
	if w.Now <= end {
		if flow, t := w.First(w.Now - 1); flow != 0 && t < end {
			w.Now = t + 1
			w.Remove(flow)
			return flow
		}
	}
	w.Now = max(w.Now, end)
	return 0
}
