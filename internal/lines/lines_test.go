package lines

import (
	"reflect"
	"strings"
	"testing"
)

// feed shows b to next in pieces, what was left again.
func feed(b string, size int, next func(b []byte) int) (left string) {
	var kept []byte
	for len(b) > 0 {
		n := min(size, len(b))
		kept = append(kept, b[:n]...)
		b = b[n:]
		kept = kept[next(kept):]
	}
	return string(kept)
}

func TestCutter(t *testing.T) {
	long := strings.Repeat("x", 2*Max)
	in := "one\r\n\ntwo\n" + long + "\r\nthree\r\nrest"
	want := []string{"one", "", "two", long[:Max], "three"}
	for _, size := range []int{1, 2, 3, 100, 1 << 20} {
		var c Cutter
		var got []string
		left := feed(in, size, func(b []byte) (used int) {
			for {
				line, n, ok := c.Next(b[used:])
				used += n
				if !ok {
					return used
				}
				got = append(got, string(line))
			}
		})
		if !reflect.DeepEqual(got, want) || left != "rest" {
			t.Errorf("in pieces of %d: %.200q and %q left, want %.200q", size, got, left, want)
		}
	}
}

func TestCutterLost(t *testing.T) {
	var c Cutter
	c.Lost()
	if line, used, ok := c.Next([]byte("rest of it\r\nnext\r\n")); string(line) != "next" || used != 18 || !ok {
		t.Errorf("%q, %d, %v; want next", line, used, ok)
	}
}

func TestBlock(t *testing.T) {
	for in, want := range map[string]struct {
		size uint64
		left string
	}{
		"a\r\nb\r\n.\r\nQUIT":        {6, "QUIT"},
		".\r\nQUIT":                  {0, "QUIT"},
		".\nQUIT":                    {0, "QUIT"},
		"..\r\n.a\r\n.\r\n":          {8, ""},
		"\r\n.\rx\r\n.\n":            {7, ""},
		"..\n.\n":                    {3, ""},
		".\r.\n.\n":                  {4, ""},
		"a.\r\n\n.\nQ":               {5, "Q"},
		"a\n.\r\r\n.\r\n.\r\nafter.": {6, ".\r\nafter."},
	} {
		for _, size := range []int{1, 2, 3, 100} {
			var block Block
			ended := false
			left := feed(in, size, func(b []byte) int {
				if ended {
					return 0
				}
				n, end := block.Take(b)
				ended = end
				return n
			})
			if block.Size != want.size || left != want.left || !ended {
				t.Errorf("%q in pieces of %d: %d octets, %q left, ended %v; want %d, %q", in, size, block.Size, left, ended, want.size, want.left)
			}
		}
	}
}

func TestCode(t *testing.T) {
	for in, want := range map[string]struct {
		code     string
		last, ok bool
	}{
		"220 hello": {"220", true, true}, "250-a": {"250", false, true}, "221": {"221", true, true}, "22": {}, "2200 a": {}, " 220": {}, "abc d": {},
	} {
		if code, last, ok := Code([]byte(in)); code != want.code || last != want.last || ok != want.ok {
			t.Errorf("Code(%q) = %q, %v, %v; want %v", in, code, last, ok, want)
		}
	}
	for in, want := range map[string]string{"150": "", "": "", "226": "true", "331": "true", "421": "false", "530": "false"} {
		if got := Success(in); got != want {
			t.Errorf("Success(%q) = %q, want %q", in, got, want)
		}
	}
}
