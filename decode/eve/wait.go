package eve

import (
	"container/list"
	"time"
)

// A waiting keeps values until what they wait for comes, in the order in which
// they were used last, for some time and up to a number.
type waiting[K comparable, V any] struct {
	index map[K]*list.Element
	order *list.List // of *entry, the one used last in front
	max   int
	wait  time.Duration
}

type entry[K comparable, V any] struct {
	key   K
	value V
	at    time.Time // when it was used last, by the clock of the log
}

func newWaiting[K comparable, V any](limit int, wait time.Duration) *waiting[K, V] {
	return &waiting[K, V]{index: map[K]*list.Element{}, order: list.New(), max: limit, wait: wait}
}

// get returns the value of k, which is used by that at the given time; nil if
// there is none.
func (w *waiting[K, V]) get(k K, at time.Time) *V {
	el, ok := w.index[k]
	if !ok {
		return nil
	}
	w.order.MoveToFront(el)
	e := el.Value.(*entry[K, V])
	e.at = at
	return &e.value
}

func (w *waiting[K, V]) put(k K, v V, at time.Time) *V {
	e := &entry[K, V]{k, v, at}
	w.index[k] = w.order.PushFront(e)
	return &e.value
}

// take removes the value of k and returns it.
func (w *waiting[K, V]) take(k K) (v V, ok bool) {
	el, ok := w.index[k]
	if !ok {
		return v, false
	}
	delete(w.index, k)
	return w.order.Remove(el).(*entry[K, V]).value, true
}

// due calls emit for the values that have waited too long at the given time,
// and for those that are too many, the oldest first.
func (w *waiting[K, V]) due(now time.Time, emit func(*V)) {
	for el := w.order.Back(); el != nil; el = w.order.Back() {
		e := el.Value.(*entry[K, V])
		if w.order.Len() <= w.max && now.Sub(e.at) < w.wait {
			return
		}
		w.order.Remove(el)
		delete(w.index, e.key)
		emit(&e.value)
	}
}

// all calls emit for all values, the oldest first, and forgets them.
func (w *waiting[K, V]) all(emit func(*V)) {
	for el := w.order.Back(); el != nil; el = w.order.Back() {
		e := w.order.Remove(el).(*entry[K, V])
		delete(w.index, e.key)
		emit(&e.value)
	}
}
