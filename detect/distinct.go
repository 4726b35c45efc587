package detect

import (
	"hash/maphash"
	"time"
)

// A Distinct counts different values for each key over a sliding window of
// time, cut into panes: a value counts for at least the window since it was
// last added, and one pane longer at most. The counts are exact.
//
// It holds at most as many values, over all keys, as it was made for. At the
// limit the oldest pane is forgotten early, and only if there is no older one
// are new values refused; both are counted. Whoever invents keys can so
// shorten the window for all, but not fill the memory.
type Distinct[K, V comparable] struct {
	pane  time.Duration
	ring  int64 // panes that count, the current one included
	limit int
	seed  maphash.Seed

	values map[uint64]int64 // hash of key and value: the pane it was last added in
	keys   map[K]*paneCounts
	oldest int64 // pane that still counts
	newest int64 // pane that was reached
	begun  bool
	lost   uint64
}

// paneCounts is how many values of one key were last added in each pane.
type paneCounts struct {
	first time.Time // a value was added
	sum   int
	pane  []int32 // by pane modulo the length
}

type pairOf[K, V comparable] struct {
	key   K
	value V
}

// NewDistinct returns a Distinct over windows of the given length, cut into so
// many panes, that holds at most limit values.
func NewDistinct[K, V comparable](window time.Duration, panes, limit int) *Distinct[K, V] {
	return &Distinct[K, V]{
		pane: window / time.Duration(panes), ring: int64(panes) + 1, limit: limit, seed: maphash.MakeSeed(),
		values: map[uint64]int64{}, keys: map[K]*paneCounts{},
	}
}

// Add counts v for k at time t. It returns how many different values k has
// now, and whether v is a new one. A time before the window changes nothing.
func (d *Distinct[K, V]) Add(k K, v V, t time.Time) (n int, added bool) {
	at := d.advance(t)
	if at < d.oldest {
		return d.Count(k), false
	}
	h := maphash.Comparable(d.seed, pairOf[K, V]{k, v}) // 64 bits: of a million values two are the same with p = 3e-8
	was, known := d.values[h]
	c := d.keys[k]
	switch {
	case known && was >= at:
	case known && c != nil:
		d.values[h] = at
		c.move(was, -1)
		c.move(at, 1)
	case d.full():
		d.lost++
	default:
		if c = d.keys[k]; c == nil { // or forgotten just now, to make room
			c = &paneCounts{pane: make([]int32, d.ring)}
			d.keys[k] = c
		}
		d.values[h] = at
		c.move(at, 1)
		added = true
	}
	if c != nil && (c.first.IsZero() || t.Before(c.first)) {
		c.first = t
	}
	return d.Count(k), added
}

// Count returns how many different values k has.
func (d *Distinct[K, V]) Count(k K) int {
	if c := d.keys[k]; c != nil {
		return c.sum
	}
	return 0
}

// First returns when the first value of k was added, not before the time from
// which values count; the zero time if k has none. The values added since then
// are those that are counted.
func (d *Distinct[K, V]) First(k K) time.Time {
	c := d.keys[k]
	if c == nil {
		return time.Time{}
	}
	since := time.Unix(0, 0).Add(time.Duration(d.oldest) * d.pane).UTC()
	if c.first.Before(since) {
		return since
	}
	return c.first
}

// Keys returns the number of keys that have values.
func (d *Distinct[K, V]) Keys() int { return len(d.keys) }

// Lost returns how many values were refused or forgotten early at the limit.
func (d *Distinct[K, V]) Lost() uint64 { return d.lost }

func (c *paneCounts) move(pane int64, n int) {
	c.sum += n
	c.pane[c.index(pane)] += int32(n)
}

func (c *paneCounts) index(pane int64) int64 {
	n := int64(len(c.pane))
	return (pane%n + n) % n
}

// advance returns the pane of t and lets those go that it leaves behind.
func (d *Distinct[K, V]) advance(t time.Time) int64 {
	at := paneOf(t, d.pane)
	switch {
	case !d.begun:
		d.begun, d.newest, d.oldest = true, at, at-d.ring+1
	case at > d.newest:
		d.newest = at
		d.forget(max(d.oldest, at-d.ring+1))
	}
	return at
}

// paneOf returns the number of the pane of t, counted from 1970, rounded down.
func paneOf(t time.Time, pane time.Duration) int64 {
	n := t.UnixNano()
	p := n / int64(pane)
	if n%int64(pane) < 0 {
		p--
	}
	return p
}

// full makes room at the limit and reports whether it could not.
func (d *Distinct[K, V]) full() bool {
	for len(d.values) >= d.limit && d.oldest < d.newest {
		before := len(d.values)
		d.forget(d.oldest + 1)
		d.lost += uint64(before - len(d.values))
	}
	return len(d.values) >= d.limit
}

// forget drops what was last added before the pane oldest.
func (d *Distinct[K, V]) forget(oldest int64) {
	if oldest <= d.oldest {
		return
	}
	from := d.oldest
	d.oldest = oldest
	for h, at := range d.values {
		if at < oldest {
			delete(d.values, h)
		}
	}
	for k, c := range d.keys {
		for at := from; at < min(oldest, from+d.ring); at++ {
			c.move(at, -int(c.pane[c.index(at)]))
		}
		if c.sum == 0 {
			delete(d.keys, k)
		}
	}
}
