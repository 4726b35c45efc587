package utf16le

import (
	"testing"
	"unicode/utf16"
)

func encode(s string) (b []byte) {
	for _, u := range utf16.Encode([]rune(s)) {
		b = append(b, byte(u), byte(u>>8))
	}
	return b
}

func TestPrintable(t *testing.T) {
	for _, c := range []struct {
		in   []byte
		n    int
		want string
	}{
		{nil, 10, ""},
		{encode("ADMIN$"), 10, "ADMIN$"},
		{encode("Bücher/資料"), 40, "Bücher/資料"},
		{encode("a\x00b"), 10, "a"},
		{encode("a\nb\x7f"), 20, `a\u000ab\u007f`},
		{encode("😀"), 10, "😀"},
		{[]byte{0x3d, 0xd8}, 10, `\ud83d`},
		{[]byte{0x3d, 0xd8, 'a', 0}, 10, `\ud83da`},
		{encode("\U000e0001"), 12, `\U000e0001`},
		{[]byte{'a', 0, 'b'}, 10, "a"},
		{encode("資料"), 4, "資"},
		{encode("long name"), 4, "long"},
	} {
		if got := Printable(c.in, c.n); got != c.want {
			t.Errorf("Printable(%x, %d) = %q, want %q", c.in, c.n, got, c.want)
		}
	}
}
