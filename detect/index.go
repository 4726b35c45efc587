package detect

// An index finds entries, which lie in a slice of its owner, by the hash of
// their keys. It is a hash table with open addressing that holds numbers only:
// a look-up goes to one cache line of it and then to the entry, and the garbage
// collector need not look at it. The owner compares the keys themselves.
// Against a Go map of pointers to nodes, [LRU.Touch] over 100,000 pairs of
// addresses took a quarter less of a processor that was shared with others
// (BenchmarkLRU, November 2026).
type index struct {
	slots []indexSlot // a power of two of them, at most half of them in use
	used  int
}

type indexSlot struct {
	hash  uint32
	entry uint32 // from 1 on; 0 where the slot is free
}

// leastSlots is how many slots an index has at first.
const leastSlots = 64

// next returns an entry whose key has hash h, and where to go on: at is h for
// the first call. It returns 0 after the last one.
func (x *index) next(h, at uint32) (entry, after uint32) {
	mask := uint32(len(x.slots) - 1)
	if len(x.slots) == 0 {
		return 0, 0
	}
	for i := at & mask; ; i = (i + 1) & mask {
		s := &x.slots[i]
		if s.hash == h || s.entry == 0 {
			return s.entry, i + 1
		}
	}
}

// add adds an entry whose key has hash h. It must not be there yet.
func (x *index) add(h, entry uint32) {
	if 2*(x.used+1) > len(x.slots) {
		x.grow()
	}
	x.used++
	x.put(indexSlot{h, entry})
}

func (x *index) put(s indexSlot) {
	mask := uint32(len(x.slots) - 1)
	i := s.hash & mask
	for x.slots[i].entry != 0 {
		i = (i + 1) & mask
	}
	x.slots[i] = s
}

func (x *index) grow() {
	old := x.slots
	x.slots = make([]indexSlot, max(leastSlots, 2*len(old)))
	for _, s := range old {
		if s.entry != 0 {
			x.put(s)
		}
	}
}

// remove removes an entry, which is there and whose key has hash h. What comes
// after it moves up, so that nothing that is looked for lies behind a free slot
// (Knuth, The Art of Computer Programming 3, 6.4, algorithm R).
func (x *index) remove(h, entry uint32) {
	mask := uint32(len(x.slots) - 1)
	free := h & mask
	for x.slots[free].entry != entry {
		free = (free + 1) & mask
	}
	for i := (free + 1) & mask; x.slots[i].entry != 0; i = (i + 1) & mask {
		home := x.slots[i].hash & mask
		if (i-home)&mask >= (i-free)&mask { // it is looked for at the free slot too
			x.slots[free] = x.slots[i]
			free = i
		}
	}
	x.slots[free] = indexSlot{}
	x.used--
}

// pages hold entries, by number from 0 on, that never move.
type pages[E any] struct {
	list [][]E
	len  uint32
}

// pageBits makes pages of 64 entries: few enough that a small one costs
// little.
const pageBits = 6

// at returns entry i, which there is.
func (p *pages[E]) at(i uint32) *E { return &p.list[i>>pageBits][i&(1<<pageBits-1)] }

// add returns the number of a further entry.
func (p *pages[E]) add() uint32 {
	if p.len>>pageBits == uint32(len(p.list)) {
		p.list = append(p.list, make([]E, 1<<pageBits))
	}
	p.len++
	return p.len - 1
}
