package detect

import (
	"testing"

	"pgregory.net/rapid"
)

// TestIndexIsLikeAMap adds and removes keys whose hashes collide much and
// compares with a map.
func TestIndexIsLikeAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var x index
		hashes := map[uint32]uint32{} // by entry
		for _, e := range rapid.SliceOf(rapid.Uint32Range(1, 200)).Draw(t, "entries") {
			if h, ok := hashes[e]; ok {
				x.remove(h, e)
				delete(hashes, e)
			} else {
				h := rapid.Uint32Range(0, 90).Draw(t, "hash") << rapid.SampledFrom([]int{0, 25}).Draw(t, "shift")
				x.add(h, e)
				hashes[e] = h
			}
			if x.used != len(hashes) || 2*x.used > len(x.slots) {
				t.Fatalf("%d used of %d slots, want %d and at most half", x.used, len(x.slots), len(hashes))
			}
			for e, h := range hashes {
				got, at := x.next(h, h)
				for got != e && got != 0 {
					got, at = x.next(h, at)
				}
				if got != e {
					t.Fatalf("entry %d with hash %d is not found", e, h)
				}
			}
			h := hashes[e]
			for got, at := x.next(h, h); got != 0; got, at = x.next(h, at) {
				if want, ok := hashes[got]; !ok || want != h {
					t.Fatalf("entry %d is found for hash %d, which has %d, known %v", got, h, want, ok)
				}
			}
		}
	})
}
