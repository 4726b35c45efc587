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
	limit int
	seed  maphash.Seed

	values     pages[distinctValue]
	valueIndex index
	freeValue  uint32 // the first value not in use, 0 for none; linked by next
	keys       pages[distinctKey[K]]
	keyIndex   index
	freeKey    uint32   // the first key not in use, 0 for none; linked by next
	panes      []uint32 // by pane modulo the length: the first of the values last added in it, 0 for none

	oldest int64 // pane that still counts
	newest int64 // pane that was reached
	begun  bool
	lost   uint64
}

// A distinctValue is a value of a key, known by the hash of both: of a million
// values two have the same 64 bits with p = 3e-8.
type distinctValue struct {
	hash       uint64
	pane       int64  // in which it was last added
	key        uint32 // number of its key
	prev, next uint32 // values of the same pane
}

// A distinctKey is one that has values.
type distinctKey[K comparable] struct {
	key   K
	first int64 // Unix nanoseconds: when a value was first added
	hash  uint32
	n     int32 // how many values
	next  uint32
}

// A Count is how many different values a key has.
type Count struct {
	N     int
	Added bool // the value was a new one
	first int64
}

// First returns when the first value was added, not before the time from which
// values count: the values added since then are those that are counted. It is
// the zero time if there are none.
func (c Count) First() time.Time {
	if c.N == 0 {
		return time.Time{}
	}
	return time.Unix(0, c.first).UTC()
}

// NewDistinct returns a Distinct over windows of the given length, cut into so
// many panes, that holds at most limit values.
func NewDistinct[K, V comparable](window time.Duration, panes, limit int) *Distinct[K, V] {
	d := &Distinct[K, V]{pane: window / time.Duration(panes), limit: limit, seed: maphash.MakeSeed(), panes: make([]uint32, panes+1)}
	d.values.add() // number 0 stands for none
	d.keys.add()
	return d
}

// Add counts v for k at time t. It returns how many different values k has
// now. A time before the window changes nothing.
func (d *Distinct[K, V]) Add(k K, v V, t time.Time) Count {
	at := d.advance(t)
	keyHash := maphash.Comparable(d.seed, k)
	if at < d.oldest {
		return d.count(d.findKey(uint32(keyHash), k), false)
	}
	h := mix(keyHash) ^ maphash.Comparable(d.seed, v)
	if i := d.findValue(h); i != 0 {
		d.move(i, at)
		key := d.values.at(i).key
		d.sawAt(key, t)
		return d.count(key, false)
	}
	if d.full() {
		d.lost++
		key := d.findKey(uint32(keyHash), k)
		d.sawAt(key, t)
		return d.count(key, false)
	}
	key := d.findKey(uint32(keyHash), k)
	if key == 0 {
		key = d.addKey(uint32(keyHash), k, t)
	}
	d.addValue(h, key, at)
	d.sawAt(key, t)
	return d.count(key, true)
}

// Count returns how many different values k has.
func (d *Distinct[K, V]) Count(k K) Count {
	return d.count(d.findKey(uint32(maphash.Comparable(d.seed, k)), k), false)
}

// Keys returns the number of keys that have values.
func (d *Distinct[K, V]) Keys() int { return d.keyIndex.used }

// Lost returns how many values were refused or forgotten early at the limit.
func (d *Distinct[K, V]) Lost() uint64 { return d.lost }

func (d *Distinct[K, V]) count(key uint32, added bool) Count {
	if key == 0 {
		return Count{}
	}
	k := d.keys.at(key)
	return Count{N: int(k.n), Added: added, first: max(k.first, d.oldest*int64(d.pane))}
}

func (d *Distinct[K, V]) findKey(h uint32, k K) uint32 {
	i, at := d.keyIndex.next(h, h)
	for i != 0 && d.keys.at(i).key != k {
		i, at = d.keyIndex.next(h, at)
	}
	return i
}

func (d *Distinct[K, V]) findValue(h uint64) uint32 {
	i, at := d.valueIndex.next(uint32(h), uint32(h))
	for i != 0 && d.values.at(i).hash != h {
		i, at = d.valueIndex.next(uint32(h), at)
	}
	return i
}

func (d *Distinct[K, V]) addKey(h uint32, k K, t time.Time) uint32 {
	i := d.freeKey
	if i != 0 {
		d.freeKey = d.keys.at(i).next
	} else {
		i = d.keys.add()
	}
	*d.keys.at(i) = distinctKey[K]{key: k, hash: h, first: t.UnixNano()}
	d.keyIndex.add(h, i)
	return i
}

// sawAt notes that a value of the key was added at t, be it an earlier time.
func (d *Distinct[K, V]) sawAt(key uint32, t time.Time) {
	if key != 0 {
		k := d.keys.at(key)
		k.first = min(k.first, t.UnixNano())
	}
}

func (d *Distinct[K, V]) addValue(h uint64, key uint32, pane int64) {
	i := d.freeValue
	if i != 0 {
		d.freeValue = d.values.at(i).next
	} else {
		i = d.values.add()
	}
	*d.values.at(i) = distinctValue{hash: h, key: key, pane: pane}
	d.valueIndex.add(uint32(h), i)
	d.keys.at(key).n++
	d.link(i)
}

// move notes that value i was added again. A pane before its own changes nothing.
func (d *Distinct[K, V]) move(i uint32, pane int64) {
	v := d.values.at(i)
	if pane <= v.pane {
		return
	}
	d.unlink(i)
	v.pane = pane
	d.link(i)
}

func (d *Distinct[K, V]) link(i uint32) {
	v := d.values.at(i)
	list := d.list(v.pane)
	v.prev, v.next = 0, *list
	if v.next != 0 {
		d.values.at(v.next).prev = i
	}
	*list = i
}

func (d *Distinct[K, V]) unlink(i uint32) {
	v := d.values.at(i)
	if v.prev != 0 {
		d.values.at(v.prev).next = v.next
	} else {
		*d.list(v.pane) = v.next
	}
	if v.next != 0 {
		d.values.at(v.next).prev = v.prev
	}
}

// list returns the list of the values of a pane.
func (d *Distinct[K, V]) list(pane int64) *uint32 {
	n := int64(len(d.panes))
	return &d.panes[(pane%n+n)%n]
}

// advance returns the pane of t and lets those go that it leaves behind.
func (d *Distinct[K, V]) advance(t time.Time) int64 {
	at := paneOf(t, d.pane)
	switch {
	case !d.begun:
		d.begun, d.newest, d.oldest = true, at, at-int64(len(d.panes))+1
	case at > d.newest:
		d.newest = at
		d.forget(at - int64(len(d.panes)) + 1)
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
	for d.valueIndex.used >= d.limit && d.oldest < d.newest {
		before := d.valueIndex.used
		d.forget(d.oldest + 1)
		d.lost += uint64(before - d.valueIndex.used)
	}
	return d.valueIndex.used >= d.limit
}

// forget drops what was last added before the pane oldest.
func (d *Distinct[K, V]) forget(oldest int64) {
	if oldest <= d.oldest {
		return
	}
	for pane := d.oldest; pane < min(oldest, d.oldest+int64(len(d.panes))); pane++ {
		list := d.list(pane)
		for i := *list; i != 0; {
			next := d.values.at(i).next
			d.remove(i)
			i = next
		}
		*list = 0
	}
	d.oldest = oldest
}

// remove forgets value i, which is taken off its list, and its key with the
// last value.
func (d *Distinct[K, V]) remove(i uint32) {
	v := d.values.at(i)
	d.valueIndex.remove(uint32(v.hash), i)
	k := d.keys.at(v.key)
	if k.n--; k.n == 0 {
		d.keyIndex.remove(k.hash, v.key)
		*k = distinctKey[K]{next: d.freeKey}
		d.freeKey = v.key
	}
	*v = distinctValue{next: d.freeValue}
	d.freeValue = i
}
