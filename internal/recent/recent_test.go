package recent

import (
	"maps"
	"testing"

	"pgregory.net/rapid"
)

func TestMap(t *testing.T) {
	m := New[int, string](4)
	m.Put(1, "a")
	m.Put(2, "b")
	m.Put(3, "c") // 1 and 2 grow old
	if v, ok := m.Get(1); v != "a" || !ok {
		t.Errorf("Get(1) = %q, %v, want a", v, ok)
	}
	m.Put(4, "d") // 2, not used again, goes
	if v, ok := m.Get(2); ok {
		t.Errorf("Get(2) = %q, want it forgotten", v)
	}
	for k, want := range map[int]string{1: "a", 3: "c", 4: "d"} {
		if v, ok := m.Get(k); v != want || !ok {
			t.Errorf("Get(%d) = %q, %v, want %q", k, v, ok, want)
		}
	}
	if got := m.Forgotten(); got != 1 {
		t.Errorf("Forgotten = %d, want 1", got)
	}
	if got := maps.Collect(m.All()); !maps.Equal(got, map[int]string{1: "a", 3: "c", 4: "d"}) {
		t.Errorf("All = %v, want what Get gives", got)
	}
	for range m.All() {
		break // ends it
	}
}

// TestBounds: it never holds more than the limit, never loses one of the
// limit/2 used last, and counts every key that it lost.
func TestBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(2, 10).Draw(t, "limit")
		m := New[int, int](limit)
		var order []int // keys by last use
		use := func(k int) {
			for i, o := range order {
				if o == k {
					order = append(order[:i], order[i+1:]...)
					break
				}
			}
			order = append(order, k)
		}
		added := uint64(0)
		for i, k := range rapid.SliceOf(rapid.IntRange(0, 15)).Draw(t, "keys") {
			if _, ok := m.Get(k); !ok {
				added++
			}
			m.Put(k, i)
			use(k)
			if m.Len() > limit {
				t.Fatalf("holds %d, limit %d", m.Len(), limit)
			}
			if m.Forgotten()+uint64(m.Len()) != added {
				t.Fatalf("%d forgotten and %d held of %d", m.Forgotten(), m.Len(), added)
			}
			for _, k := range order[max(0, len(order)-limit/2):] {
				if _, young := m.young[k]; young {
					continue
				}
				if _, old := m.old[k]; !old {
					t.Fatalf("%d of the last %d is lost", k, limit/2)
				}
			}
		}
	})
}
