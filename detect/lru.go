package detect

import (
	"hash/maphash"
	"time"
)

// An LRU is a map that holds at most a given number of keys, and none longer
// than a given time after it was last touched, by the clock of the traffic.
// At the limit the key touched longest ago is forgotten and counted: whoever
// invents keys shortens the memory for all, but can neither fill it nor stop
// it from learning.
type LRU[K comparable, V any] struct {
	limit   int
	ttl     time.Duration
	seed    maphash.Seed
	index   index
	entries pages[lruEntry[K, V]]
	links   []lruLink // of the entries with the same number; 0 is the root
	free    uint32    // the first entry that belongs to no key, 0 for none; linked by older
	evicted uint64
}

type lruEntry[K comparable, V any] struct {
	key   K
	value V
}

// A lruLink is apart from its entry, because the links of the neighbours are
// written at each touch and their entries are not looked at.
type lruLink struct {
	newer, older uint32 // of the root: the oldest, the newest
	touched      int64  // Unix nanoseconds
}

// NewLRU returns an LRU of at most limit keys that forgets a key once it has
// not been touched for ttl.
func NewLRU[K comparable, V any](limit int, ttl time.Duration) *LRU[K, V] {
	l := &LRU[K, V]{limit: max(limit, 1), ttl: ttl, seed: maphash.MakeSeed(), links: make([]lruLink, 1)}
	l.entries.add() // the root's, without key
	return l
}

// Touch returns the value of k, a new zero one if it was not known at t, and
// keeps it from being forgotten. The pointer is valid until k is forgotten.
func (l *LRU[K, V]) Touch(k K, t time.Time) (v *V, isNew bool) {
	now := t.UnixNano()
	l.expire(now)
	h := l.hash(k)
	i := l.find(h, k)
	if i == 0 {
		i = l.add(h, k)
		isNew = true
	} else {
		l.unlink(i)
	}
	l.linkNewest(i)
	l.links[i].touched = max(l.links[i].touched, now) // records come a little out of order
	return &l.entries.at(i).value, isNew
}

// TouchKnown is like Touch for a key that is known at t, and returns nil if it
// is not.
func (l *LRU[K, V]) TouchKnown(k K, t time.Time) *V {
	now := t.UnixNano()
	i := l.known(k, now)
	if i == 0 {
		return nil
	}
	l.expire(now)
	l.unlink(i)
	l.linkNewest(i)
	l.links[i].touched = max(l.links[i].touched, now)
	return &l.entries.at(i).value
}

// Get returns the value of k, nil if it is not known at t. It does not keep
// the key from being forgotten.
func (l *LRU[K, V]) Get(k K, t time.Time) *V {
	if i := l.known(k, t.UnixNano()); i != 0 {
		return &l.entries.at(i).value
	}
	return nil
}

// Delete forgets k.
func (l *LRU[K, V]) Delete(k K) {
	h := l.hash(k)
	if i := l.find(h, k); i != 0 {
		l.remove(h, i)
	}
}

// All yields the keys and values, those touched longest ago first. The loop
// may delete the key it is at.
func (l *LRU[K, V]) All(yield func(K, *V) bool) {
	for i := l.links[0].newer; i != 0; {
		e := l.entries.at(i)
		i = l.links[i].newer
		if !yield(e.key, &e.value) {
			return
		}
	}
}

// Len returns the number of keys held.
func (l *LRU[K, V]) Len() int { return l.index.used }

// Evicted returns how many keys were forgotten because the limit was reached.
func (l *LRU[K, V]) Evicted() uint64 { return l.evicted }

func (l *LRU[K, V]) hash(k K) uint32 { return uint32(maphash.Comparable(l.seed, k)) }

// find returns the number of the entry of k, whose hash is h; 0 if there is none.
func (l *LRU[K, V]) find(h uint32, k K) uint32 {
	i, at := l.index.next(h, h)
	for i != 0 && l.entries.at(i).key != k {
		i, at = l.index.next(h, at)
	}
	return i
}

// known is like find, and returns 0 also if k is to be forgotten now.
func (l *LRU[K, V]) known(k K, now int64) uint32 {
	i := l.find(l.hash(k), k)
	if i != 0 && now-l.links[i].touched >= int64(l.ttl) {
		return 0
	}
	return i
}

func (l *LRU[K, V]) expire(now int64) {
	for i := l.links[0].newer; i != 0 && now-l.links[i].touched >= int64(l.ttl); i = l.links[0].newer {
		l.removeAt(i)
	}
}

// add returns a new entry for k, which is not linked yet. At the limit the
// oldest makes room.
func (l *LRU[K, V]) add(h uint32, k K) uint32 {
	if l.index.used >= l.limit {
		l.evict()
	}
	i := l.free
	if i != 0 {
		l.free = l.links[i].older
	} else {
		i = l.entries.add()
		l.links = append(l.links, lruLink{})
	}
	l.entries.at(i).key = k
	l.links[i] = lruLink{touched: -1 << 63}
	l.index.add(h, i)
	return i
}

// evict forgets the key touched longest ago, which there is.
func (l *LRU[K, V]) evict() {
	l.removeAt(l.links[0].newer)
	l.evicted++
}

func (l *LRU[K, V]) removeAt(i uint32) { l.remove(l.hash(l.entries.at(i).key), i) }

// remove forgets entry i, whose key has hash h, and what it points to.
func (l *LRU[K, V]) remove(h, i uint32) {
	l.index.remove(h, i)
	l.unlink(i)
	*l.entries.at(i) = lruEntry[K, V]{}
	l.links[i].older = l.free
	l.free = i
}

func (l *LRU[K, V]) unlink(i uint32) {
	n := l.links[i]
	l.links[n.newer].older = n.older
	l.links[n.older].newer = n.newer
}

func (l *LRU[K, V]) linkNewest(i uint32) {
	newest := l.links[0].older
	l.links[i].newer, l.links[i].older = 0, newest
	l.links[newest].newer, l.links[0].older = i, i
}
