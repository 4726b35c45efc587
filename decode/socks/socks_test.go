package socks

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/decode/dialog/dialogtest"
)

type turns = []dialogtest.Turn

func c(s string) dialogtest.Turn { return dialogtest.Client(s) }
func s(s string) dialogtest.Turn { return dialogtest.Server(s) }

// brief writes a command in one line.
func brief(c *weir.Command) string {
	text := c.Client + " " + c.Command
	for _, f := range []struct{ name, value string }{{"object", c.Object}, {"user", c.User}, {"status", c.Status}, {"success", c.Success}} {
		if f.value != "" {
			text += " " + f.name + "=" + f.value
		}
	}
	return text
}

const (
	granted4 = "\x00\x5a\x00\x00\x00\x00\x00\x00"
	granted5 = "\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"
	hello    = "\x16\x03\x01"
)

var cases = map[string]struct {
	said turns
	want string
	anew bool
	rest [2]string
}{
	"4":            {turns{c("\x04\x01\x01\xbb\x0a\x00\x00\x01bob\x00"), s(granted4), c(hello), s("bye")}, "socks4 connect object=10.0.0.1:443 user=bob status=request granted success=true", true, [2]string{hello, "bye"}},
	"4A":           {turns{c("\x04\x01\x00\x50\x00\x00\x00\x01\x00example.com\x00" + hello), s(granted4)}, "socks4 connect object=example.com:80 status=request granted success=true", true, [2]string{hello, ""}},
	"4 refused":    {turns{c("\x04\x01\x01\xbb\x0a\x00\x00\x01\x00"), s("\x00\x5b\x00\x00\x00\x00\x00\x00")}, "socks4 connect object=10.0.0.1:443 status=request rejected or failed success=false", false, [2]string{}},
	"5":            {turns{c("\x05\x02\x00\x02"), s("\x05\x00"), c("\x05\x01\x00\x03\x0bexample.com\x01\xbb"), s(granted5), c(hello)}, "socks5 connect object=example.com:443 status=succeeded success=true", true, [2]string{hello, ""}},
	"5 in a hurry": {turns{c("\x05\x01\x00\x05\x01\x00\x01\x0a\x00\x00\x01\x00\x50" + hello), s("\x05\x00" + granted5 + "x")}, "socks5 connect object=10.0.0.1:80 status=succeeded success=true", true, [2]string{hello, "x"}},
	"5 with password": {turns{c("\x05\x01\x02"), s("\x05\x02"), c("\x01\x03bob\x06secret"), s("\x01\x00"), c("\x05\x01\x00\x04\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x50"), s("\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00")},
		"socks5 connect object=[2001:db8::1]:80 user=bob status=connection refused success=false", false, [2]string{}},
	"5 wrong password": {turns{c("\x05\x01\x02"), s("\x05\x02"), c("\x01\x03bob\x06secret"), s("\x01\x01")}, "socks5 authenticate user=bob status=authentication failed success=false", false, [2]string{}},
	"5 no method":      {turns{c("\x05\x01\x01"), s("\x05\xff")}, "socks5 authenticate status=no acceptable methods success=false", false, [2]string{}},
	"5 bind":           {turns{c("\x05\x01\x00"), s("\x05\x00"), c("\x05\x02\x00\x01\x0a\x00\x00\x01\x00\x50"), s(granted5), s(granted5 + "x")}, "socks5 bind object=10.0.0.1:80 status=succeeded success=true", true, [2]string{"", "x"}},
	"5 for UDP":        {turns{c("\x05\x01\x00"), s("\x05\x00"), c("\x05\x03\x00\x01\x00\x00\x00\x00\x00\x00"), s(granted5)}, "socks5 udp_associate object=0.0.0.0:0 status=succeeded success=true", false, [2]string{}},
	"unanswered":       {turns{c("\x05\x01\x00"), s("\x05\x00"), c("\x05\x01\x00\x01\x0a\x00\x00\x01\x00\x50")}, "socks5 connect object=10.0.0.1:80", false, [2]string{}},
	"GSS-API":          {turns{c("\x05\x01\x01"), s("\x05\x01"), c("\x01\x01\x00\x01a")}, "", false, [2]string{}},
	"no SOCKS":         {turns{c("GET / HTTP/1.1\r\n\r\n"), s("HTTP/1.1 200 OK\r\n\r\n")}, "", false, [2]string{}},
}

func TestRead(t *testing.T) {
	for name, one := range cases {
		for _, size := range []int{1, 2, 7, 1 << 20} {
			told := dialogtest.Stream(New(), size, one.said...)
			var got []string
			for i := range told.Commands {
				got = append(got, brief(&told.Commands[i]))
				if strings.Contains(fmt.Sprint(told.Commands[i]), "secret") {
					t.Errorf("%s: %+v tells a secret", name, told.Commands[i])
				}
			}
			if got := strings.Join(got, "\n"); got != one.want || told.Anew != one.anew || told.Anew && told.Rest != one.rest {
				t.Errorf("%s, in pieces of %d: anew %v, rest %q\n%s\nwant %v, %q\n%s", name, size, told.Anew, told.Rest, got, one.anew, one.rest, one.want)
			}
		}
	}
}

// TestLost: a gap in the negotiation ends it; what was asked for is told.
func TestLost(t *testing.T) {
	told := &dialogtest.Told{}
	r := New()
	var d dialog.Dialog
	d.Reset(dialogtest.Base, &told.Batch, nil)
	r.Read(&d, dialog.Client, []byte("\x04\x01\x01\xbb\x0a\x00\x00\x01bob\x00"))
	if r.Lost(&d, dialog.Server, 8) {
		t.Error("goes on behind a gap")
	}
	r.Close(&d)
	if len(told.Commands) != 1 || told.Commands[0].Success != "" {
		t.Errorf("%+v, want the request without a reply", told.Commands)
	}
}

func TestBounds(t *testing.T) {
	r := New()
	var d dialog.Dialog
	d.Reset(dialogtest.Base, &weir.Batch{}, nil)
	if got := r.Read(&d, dialog.Client, []byte("\x04\x01\x01\xbb\x0a\x00\x00\x01"+strings.Repeat("a", 2000))); got != dialog.Stop {
		t.Errorf("Read of a user without end = %d, want Stop", got)
	}
}

func FuzzRead(f *testing.F) {
	var seeds []turns
	for _, one := range cases {
		seeds = append(seeds, one.said)
	}
	dialogtest.Fuzz(f, New, seeds...)
}

func BenchmarkRead(b *testing.B) {
	var d dialog.Dialog
	var batch weir.Batch
	said := cases["5 with password"].said
	b.ReportAllocs()
	for b.Loop() {
		batch.Commands = batch.Commands[:0]
		r := New()
		for _, t := range said {
			d.Reset(dialogtest.Base, &batch, nil)
			r.Read(&d, t.From, []byte(t.Data))
		}
		r.Close(&d)
	}
}
