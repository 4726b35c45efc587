package snmp

import (
	"bytes"
	"testing"
)

// TestLongOID: an object identifier of the longest arcs there are is cut.
func TestLongOID(t *testing.T) {
	oid := append([]byte{0x2b}, bytes.Repeat([]byte("\xff\xff\xff\xff\xff\xff\xff\x7f"), 39)...)
	for _, arcs := range []int{8, 10, allArcs} {
		if s := cut(oid, arcs); len(s) > maxOID+len("…") || len(s) < 100 {
			t.Errorf("%d arcs: %d octets, want %d at most", arcs, len(s), maxOID)
		}
	}
}
