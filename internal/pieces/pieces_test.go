package pieces

import (
	"bytes"
	"testing"
)

func TestOrder(t *testing.T) {
	whole := []byte("what comes in pieces")
	for _, order := range [][][2]int{
		{{0, 20}},
		{{10, 20}, {0, 10}},
		{{15, 20}, {0, 5}, {5, 8}, {6, 16}},
		{{0, 12}, {0, 12}, {8, 20}},
	} {
		var s Stream
		for _, p := range order {
			if !s.Put(uint64(p[0]), whole[p[0]:p[1]]) {
				t.Errorf("%v: not taken", p)
			}
		}
		if got := s.Append(nil, s.Ready()); !bytes.Equal(got, whole) || s.Differs {
			t.Errorf("%v: %q, differs %v; want %q", order, got, s.Differs, whole)
		}
		s.Skip(5)
		if got := s.Append(nil, 5); string(got) != "comes" || s.Ready() != 15 {
			t.Errorf("%v: %q and %d ready behind what was skipped", order, got, s.Ready())
		}
		if s.Append(nil, 16) != nil {
			t.Error("more than there is")
		}
	}
}

func TestDiffers(t *testing.T) {
	var s Stream
	s.Put(2, []byte("cd"))
	s.Put(0, []byte("abCd"))
	if got := s.Append(nil, 4); !s.Differs || string(got) != "abCd" {
		t.Errorf("%q, differs %v", got, s.Differs)
	}
}

func TestBounds(t *testing.T) {
	var s Stream
	for i := range 2 * MaxPieces {
		if got, want := s.Put(uint64(2*i), []byte{byte(i)}), i < MaxPieces; got != want {
			t.Fatalf("piece %d taken: %v, want %v", i, got, want)
		}
	}
	s = Stream{}
	for i := range 100 {
		s.Put(uint64(i), make([]byte, 1000))
	}
	if len(s.octets) > MaxBytes || s.Put(MaxBytes, []byte{1}) || s.Put(1<<64-1, []byte{1, 2}) {
		t.Errorf("%d octets kept, want %d at most and none behind", len(s.octets), MaxBytes)
	}
}
