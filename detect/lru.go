package detect

import "time"

// An LRU is a map that holds at most a given number of keys, and none longer
// than a given time after it was last touched, by the clock of the traffic.
// At the limit the key touched longest ago is forgotten and counted: whoever
// invents keys shortens the memory for all, but can neither fill it nor stop
// it from learning.
type LRU[K comparable, V any] struct {
	limit   int
	ttl     time.Duration
	nodes   map[K]*node[K, V]
	root    node[K, V] // root.next is the newest, root.prev the oldest
	evicted uint64
}

type node[K comparable, V any] struct {
	key        K
	value      V
	touched    time.Time
	prev, next *node[K, V]
}

// NewLRU returns an LRU of at most limit keys that forgets a key once it has
// not been touched for ttl.
func NewLRU[K comparable, V any](limit int, ttl time.Duration) *LRU[K, V] {
	l := &LRU[K, V]{limit: max(limit, 1), ttl: ttl, nodes: map[K]*node[K, V]{}}
	l.root.prev, l.root.next = &l.root, &l.root
	return l
}

// Touch returns the value of k, a new zero one if it was not known at t, and
// keeps it from being forgotten. The pointer is valid until k is forgotten.
func (l *LRU[K, V]) Touch(k K, t time.Time) (v *V, isNew bool) {
	l.expire(t)
	n := l.nodes[k]
	if n == nil {
		n = l.room()
		n.key = k
		l.nodes[k] = n
		isNew = true
	} else {
		n.unlink()
	}
	if t.After(n.touched) { // records come a little out of order
		n.touched = t
	}
	n.linkAfter(&l.root)
	return &n.value, isNew
}

// Get returns the value of k, nil if it is not known at t. It does not keep
// the key from being forgotten.
func (l *LRU[K, V]) Get(k K, t time.Time) *V {
	n := l.nodes[k]
	if n == nil || t.Sub(n.touched) >= l.ttl {
		return nil
	}
	return &n.value
}

// Delete forgets k.
func (l *LRU[K, V]) Delete(k K) {
	if n := l.nodes[k]; n != nil {
		n.unlink()
		delete(l.nodes, k)
	}
}

// All yields the keys and values, those touched longest ago first. The loop
// may delete the key it is at.
func (l *LRU[K, V]) All(yield func(K, *V) bool) {
	for n := l.root.prev; n != &l.root; {
		older := n
		n = n.prev
		if !yield(older.key, &older.value) {
			return
		}
	}
}

// Len returns the number of keys held.
func (l *LRU[K, V]) Len() int { return len(l.nodes) }

// Evicted returns how many keys were forgotten because the limit was reached.
func (l *LRU[K, V]) Evicted() uint64 { return l.evicted }

func (l *LRU[K, V]) expire(t time.Time) {
	for n := l.root.prev; n != &l.root && t.Sub(n.touched) >= l.ttl; n = l.root.prev {
		l.Delete(n.key)
	}
}

// room returns a node that belongs to no key: at the limit that of the oldest.
func (l *LRU[K, V]) room() *node[K, V] {
	if len(l.nodes) < l.limit {
		return &node[K, V]{}
	}
	n := l.evict()
	*n = node[K, V]{}
	return n
}

// evict forgets the key touched longest ago, which there is.
func (l *LRU[K, V]) evict() *node[K, V] {
	n := l.root.prev
	l.Delete(n.key)
	l.evicted++
	return n
}

func (n *node[K, V]) unlink() {
	n.prev.next, n.next.prev = n.next, n.prev
}

func (n *node[K, V]) linkAfter(m *node[K, V]) {
	n.prev, n.next = m, m.next
	m.next.prev = n
	m.next = n
}
