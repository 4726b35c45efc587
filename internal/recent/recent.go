// Package recent keeps what was used lately, in bounded memory.
package recent

import "iter"

// A Map keeps values by key, at least those used last. It has two generations:
// a key that is put or found belongs to the young one; when that is full, it
// becomes the old one, and what was in the old one is forgotten and counted.
// That is nearly a least-recently-used list, at the price of two map look-ups
// and without any links to follow.
//
// Whoever invents keys makes it forget sooner, but can neither fill it nor
// stop it from learning.
type Map[K comparable, V any] struct {
	max        int // of each generation
	young, old map[K]V
	forgotten  uint64
}

// New returns a Map of at most limit keys, of which the limit/2 used last are
// never forgotten. The least limit is 2.
func New[K comparable, V any](limit int) *Map[K, V] {
	return &Map[K, V]{max: max(limit/2, 1), young: map[K]V{}, old: map[K]V{}}
}

// Get returns the value of k.
func (m *Map[K, V]) Get(k K) (v V, ok bool) {
	if v, ok = m.young[k]; ok {
		return v, true
	}
	if v, ok = m.old[k]; ok {
		m.Put(k, v)
	}
	return v, ok
}

// Put sets the value of k.
func (m *Map[K, V]) Put(k K, v V) {
	if len(m.young) >= m.max {
		if _, ok := m.young[k]; !ok {
			m.age(k)
		}
	}
	delete(m.old, k)
	m.young[k] = v
}

// age makes the young generation the old one. Key k is being put: it is not lost.
func (m *Map[K, V]) age(k K) {
	delete(m.old, k)
	m.forgotten += uint64(len(m.old))
	clear(m.old)
	m.young, m.old = m.old, m.young
}

// All returns the keys held and their values, in no order.
func (m *Map[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for _, generation := range [...]map[K]V{m.young, m.old} {
			for k, v := range generation {
				if !yield(k, v) {
					return
				}
			}
		}
	}
}

// Len returns the number of keys held.
func (m *Map[K, V]) Len() int { return len(m.young) + len(m.old) }

// Forgotten returns how many keys have been forgotten for want of room.
func (m *Map[K, V]) Forgotten() uint64 { return m.forgotten }
