package oui

import "testing"

func TestHolder(t *testing.T) {
	for _, c := range []struct {
		mac  [6]byte
		want string
	}{
		{[6]byte{0x00, 0x00, 0x0c, 1, 2, 3}, "Cisco Systems, Inc"},
		{[6]byte{0x02, 0x00, 0x0c, 1, 2, 3}, ""},          // made up
		{[6]byte{0x01, 0x00, 0x5e, 0, 0, 0xfb}, ""},       // of a group
		{[6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, ""}, // everybody
	} {
		if got := Holder(c.mac); got != c.want {
			t.Errorf("Holder(%x) = %q, want %q", c.mac, got, c.want)
		}
	}
}

// TestDivided: a part of a block wins over the block.
func TestDivided(t *testing.T) {
	h := load()
	if len(h.of24) < 30_000 || len(h.of28) < 5_000 || len(h.of36) < 5_000 {
		t.Fatalf("%d, %d and %d blocks of 24, 28 and 36 bits", len(h.of24), len(h.of28), len(h.of36))
	}
	for prefix, want := range h.of36 {
		n := prefix << 12
		mac := [6]byte{byte(n >> 40), byte(n >> 32), byte(n >> 24), byte(n >> 16), byte(n >> 8), 7}
		if got := Holder(mac); got != want && n&(local|group) == 0 {
			t.Fatalf("Holder(%x) = %q, want %q", mac, got, want)
		}
	}
}

func TestIsLocal(t *testing.T) {
	if !IsLocal([6]byte{0x52, 0x54, 0, 1, 2, 3}) || IsLocal([6]byte{0, 0, 0xc, 1, 2, 3}) {
		t.Error("IsLocal goes by another bit than 0x02 of the first octet")
	}
}

func BenchmarkHolder(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Holder([6]byte{0x00, 0x00, 0x0c, 1, 2, 3})
	}
}
