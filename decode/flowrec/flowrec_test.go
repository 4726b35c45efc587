package flowrec

import (
	"testing"
	"unsafe"
)

// TestSize keeps a record from growing unseen: each is written once and read
// once, and the time that takes is that of its size.
func TestSize(t *testing.T) {
	if got := unsafe.Sizeof(Record{}); got > 256 {
		t.Errorf("a record takes %d bytes, want at most 256", got)
	}
}

func TestMAC(t *testing.T) {
	for m, want := range map[MAC]string{{}: "", {0, 1, 0xab, 0xcd, 0xef, 0xff}: "00:01:ab:cd:ef:ff"} {
		if got := m.String(); got != want {
			t.Errorf("MAC %v.String() = %q, want %q", [6]byte(m), got, want)
		}
	}
}
