package ftp

import (
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/decode/dialog/dialogtest"
)

type turns = []dialogtest.Turn

func c(s string) dialogtest.Turn { return dialogtest.Client(s) }
func s(s string) dialogtest.Turn { return dialogtest.Server(s) }

var cases = map[string]struct {
	said turns
	want string
	anew bool
}{
	"a session": {turns{
		s("220-ProFTPD 1.3.5 Server\r\n  of many lines\r\n2200 is no code\r\n220 ready\r\n"), c("USER bob\r\n"), s("331 Password?\r\n"), c("PASS secret\r\n"), s("530 No\r\n"),
		c("user bob\r\npass secret\r\n"), s("331 Password?\r\n230-Welcome\r\n230 in\r\n"), c("TYPE I\r\nCWD /pub dir\r\nPASV\r\n"), s("200 ok\r\n250 ok\r\n227 Entering Passive Mode (10,20,0,15,4,1).\r\n"),
		c("RETR a b.txt\r\n"), s("150 Opening BINARY mode data connection for a b.txt (1234 bytes).\r\n226 done\r\n"), c("SIZE x\r\n"), s("213 99\r\n"),
		c("STOR ../x\x1b\r\n"), s("125 go\r\n426 no\r\n"), c("\xff\xf4\xff\xf2ABOR\r\n"), s("226 ok\r\n"), c("NOOP\r\nNOOP\r\n"), s("200 ok\r\n200 ok\r\n"), c("QUIT\r\n"), s("221 bye\r\n"),
	}, "PASS user=bob status=530 success=false server=ProFTPD 1.3.5 Server\nPASS user=bob status=230 success=true server=ProFTPD 1.3.5 Server\nTYPE object=I user=bob status=200 success=true\n" +
		"CWD object=/pub dir user=bob status=250 success=true\nPASV object=10.20.0.15:1025 user=bob status=227 success=true\nRETR object=a b.txt user=bob status=226 success=true size=1234\n" +
		"SIZE object=x user=bob status=213 success=true size=99\nSTOR object=../x\\x1b user=bob status=426 success=false\nABOR user=bob status=226 success=true\n" +
		"NOOP user=bob status=200 success=true count=2\nQUIT user=bob status=221 success=true", false},
	"no password": {turns{s("220 x\r\n"), c("USER anonymous\r\n"), s("230 in\r\n"), c("secret\r\nxpwd\r\n"), s("500 what\r\n257 \"/\"\r\n")},
		"USER user=anonymous status=230 success=true server=x\nunknown user=anonymous status=500 success=false\nXPWD user=anonymous status=257 success=true", false},
	"tls": {turns{s("220 x\r\n"), c("AUTH TLS\r\n\x16\x03\x01"), s("234 go\r\n")}, "AUTH object=TLS status=234 success=true", true},
	"no tls": {turns{s("220 x\r\n"), c("AUTH TLS\r\nUSER a\r\n"), s("500 no\r\n"), c("PASS b\r\n"), s("331 pw\r\n230 in\r\n")},
		"AUTH object=TLS status=500 success=false\nPASS user=a status=230 success=true server=x", false},
	"no code": {turns{s("220 x\r\n"), c("PASV\r\nQUIT\r\n"), s("99 what\r\n221 bye\r\n")}, "PASV\nQUIT status=221 success=true", false},
	"bounce": {turns{s("220 x\r\n"), c("PORT 192,168,0,9,0,80\r\nEPRT |2|2001:db8::1|4711|\r\n"), s("500 Illegal PORT\r\n200 ok\r\n")},
		"PORT object=192.168.0.9:80 status=500 success=false\nEPRT object=[2001:db8::1]:4711 status=200 success=true", false},
	"cut off": {turns{s("220 x\r\n"), c("PASS secret\r\nRETR a\r\n"), s("230 in\r\n150 go\r\n")}, "PASS status=230 success=true server=x\nRETR object=a", false},
}

func TestRead(t *testing.T) {
	for name, one := range cases {
		for _, size := range []int{1, 2, 7, 100, 1 << 20} {
			told := dialogtest.Stream(New(), size, one.said...)
			if got := told.Brief(); got != one.want || told.Anew != one.anew {
				t.Errorf("%s, in pieces of %d: anew %v\n%s\nwant %v\n%s", name, size, told.Anew, got, one.anew, one.want)
			}
			for _, c := range told.Commands {
				if strings.Contains(strings.ToLower(fmt.Sprint(c)), "secret") {
					t.Errorf("%s: %+v tells a secret", name, c)
				}
			}
		}
	}
}

// TestExpected: the connections for data, and who may begin them.
func TestExpected(t *testing.T) {
	client, server := dialogtest.Base.Src, dialogtest.Base.Dst
	other := netip.MustParseAddr("192.168.0.9")
	var got []dialog.Expected
	var batch weir.Batch
	r := New()
	say := func(from dialog.End, text string) {
		var d dialog.Dialog
		d.Reset(dialogtest.Base, &batch, nil)
		d.Expect = func(e dialog.Expected) { got = append(got, e) }
		r.Read(&d, from, []byte(text))
	}
	say(dialog.Server, "220 x\r\n")
	say(dialog.Client, "PASV\r\nEPSV\r\nPASV\r\nPASV\r\nPORT 10,10,1,23,1,0\r\nEPRT |1|10.10.1.23|257|\r\n")
	say(dialog.Server, "227 Entering (10,20,0,15,4,1)\r\n229 Entering (|||4711|)\r\n227 Passive 192,168,0,9,4,2\r\n227 nothing\r\n")
	want := []dialog.Expected{
		{From: server, To: client, Port: 256, App: dataApp}, {From: server, To: client, Port: 257, App: dataApp},
		{From: client, To: server, Port: 1025, App: dataApp}, {From: client, To: server, Port: 4711, App: dataApp},
		{From: client, To: server, Port: 1026, App: dataApp}, {From: client, To: other, Port: 1026, App: dataApp},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestArguments(t *testing.T) {
	for _, in := range []string{"", "1,2,3,4,5", "1,2,3,4,5,256", "a,b,c,d,e,f", ",,,,,"} {
		if at, ok := hostPort([]byte(in)); ok {
			t.Errorf("hostPort(%q) = %v, want nothing", in, at)
		}
	}
	for _, in := range []string{"", "|||", "|1|a|2|", "|||65536|", "|||-1|", "||||||"} {
		if at, ok := extended([]byte(in)); ok {
			t.Errorf("extended(%q) = %v, want nothing", in, at)
		}
	}
}

// TestLost: what was lost may have held replies; none is given to the wrong
// command.
func TestLost(t *testing.T) {
	told := &dialogtest.Told{}
	r := New()
	with := func(what func(d *dialog.Dialog)) {
		var d dialog.Dialog
		d.Reset(dialogtest.Base, &told.Batch, nil)
		what(&d)
	}
	with(func(d *dialog.Dialog) { r.Read(d, dialog.Client, []byte("DELE a\r\nDELE b\r\n")) })
	with(func(d *dialog.Dialog) { r.Lost(d, dialog.Server, 10) })
	with(func(d *dialog.Dialog) { r.Read(d, dialog.Server, []byte("0 ok\r\n")) })
	with(func(d *dialog.Dialog) { r.Read(d, dialog.Client, []byte("DELE c\r\n")) })
	with(func(d *dialog.Dialog) { r.Read(d, dialog.Server, []byte("550 no\r\n")) })
	with(r.Close)
	if got, want := told.Brief(), "DELE object=a\nDELE object=b\nDELE object=c status=550 success=false"; got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

func TestBounds(t *testing.T) {
	r := New().(*reader)
	told := dialogtest.Stream(r, 1<<20, c(strings.Repeat("DELE "+strings.Repeat("\xff", 1000)+"\r\n", 1000)), s(strings.Repeat("550 no\r\n", 1000)))
	n := uint64(0)
	for _, c := range told.Commands {
		if n += c.Count; len(c.Object) > maxObject {
			t.Errorf("object of %d octets", len(c.Object))
		}
	}
	if n != 1000 || cap(r.list) > 2*maxPending || r.untracked != 0 {
		t.Errorf("%d commands told, room for %d, %d untracked; want 1000, %d, 0", n, cap(r.list), r.untracked, maxPending)
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
	said := cases["a session"].said
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
