package detect

import "testing"

func TestVolume(t *testing.T) {
	for in, want := range map[float64]string{0: "0 B", 999: "999 B", 999.6: "1 kB", 839_400: "839 kB", 1_617_000: "1.62 MB", 4.2e9: "4.2 GB", 2.5e12: "2.5 TB"} {
		if got := Volume(in); got != want {
			t.Errorf("Volume(%v) = %q, want %q", in, got, want)
		}
	}
}

func TestThousands(t *testing.T) {
	for in, want := range map[int]string{0: "0", 999: "999", 1371: "1,371", 1234567: "1,234,567"} {
		if got := Thousands(in); got != want {
			t.Errorf("Thousands(%d) = %q, want %q", in, got, want)
		}
	}
}
