package irc

import (
	"encoding/base64"
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
	"a bot": {turns{
		c("PASS secret\r\nNICK bot1\r\nUSER x 0 * :A Bot\r\n"), s(":irc.example.com 433 * bot1 :in use\r\n"), c("NICK bot2\r\n"),
		s(":irc.example.com 001 bot2 :Welcome\r\n:irc.example.com 004 bot2 irc.example.com unreal3.2 io lv\r\n"), c("JOIN #c2 secret\r\n"),
		s(":bot2!x@a JOIN :#c2\r\n:irc.example.com 366 bot2 #c2 :End\r\n"),
		s("@time=1 :boss!b@c PRIVMSG #c2 :!secret 1\r\n:boss!b@c PRIVMSG #c2 :!scan\r\nPING :1\r\n"), c("PONG :1\r\nPRIVMSG #c2 :secret done\r\nprivmsg #c2 :x\r\nPRIVMSG boss :x\r\n"),
		c("WEBIRC secret\r\nQUIT :secret\r\n"),
	}, "NICK object=bot1 status=433 success=false\nPASS status=001 success=true\nNICK object=bot2 user=bot1 status=001 success=true\nUSER object=x user=bot1 status=001 success=true\n" +
		"JOIN object=#c2 user=bot2 success=true server=unreal3.2\nPRIVMSG object=#c2 user=bot2 status=received count=2\nPRIVMSG object=#c2 user=bot2 count=2\nPRIVMSG object=boss user=bot2\nunknown user=bot2\nQUIT user=bot2", false},
	"sasl": {turns{c("CAP LS 302\r\nNICK a\r\nUSER a 0 * a\r\nAUTHENTICATE PLAIN\r\n"), s("AUTHENTICATE +\r\n"), c("AUTHENTICATE " + base64.StdEncoding.EncodeToString([]byte("\x00bob\x00secret")) + "\r\n"), s(":s 904 a :no\r\n")},
		"CAP object=LS\nAUTHENTICATE object=PLAIN user=bob status=904 success=false\nNICK object=a\nUSER object=a user=a", false},
	"banned":   {turns{c("NICK a\r\nUSER a 0 * a\r\n"), s(":s 465 a :no\r\n")}, "NICK object=a status=465 success=false\nUSER object=a user=a status=465 success=false", false},
	"starttls": {turns{c("STARTTLS\r\n\x16\x03"), s(":s 670 * :go\r\n")}, "STARTTLS status=670 success=true", true},
	"files": {turns{s(":b!b@c PRIVMSG me :\x01DCC SEND \"a b.exe\" 3232235777 5000 1234\x01\r\n"), c("PRIVMSG you :\x01DCC SEND x.zip 0 0\x01\r\nPRIVMSG you :\x01DCC SEND x y\r\n")},
		"DCC SEND object=a b.exe status=received size=1234\nDCC SEND object=x.zip\nPRIVMSG object=you", false},
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

// TestExpected: who is offered a file fetches it.
func TestExpected(t *testing.T) {
	var got []dialog.Expected
	var batch weir.Batch
	var d dialog.Dialog
	d.Reset(dialogtest.Base, &batch, nil)
	d.Expect = func(e dialog.Expected) { got = append(got, e) }
	for _, turn := range cases["files"].said {
		New().Read(&d, turn.From, []byte(turn.Data))
	}
	want := []dialog.Expected{{From: dialogtest.Base.Src, To: netip.MustParseAddr("192.168.1.1"), Port: 5000, App: dccApp}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestBounds(t *testing.T) {
	r := New().(*reader)
	long := strings.Repeat("\xff", 1000)
	told := dialogtest.Stream(r, 1<<20, c(strings.Repeat("NICK "+long+"\r\nJOIN "+strings.Repeat(" a", 1000)+"\r\n", 500)))
	n := uint64(0)
	for _, c := range told.Commands {
		if n += c.Count; len(c.Object) > maxObject || len(c.User) > maxObject {
			t.Errorf("object of %d octets, user of %d", len(c.Object), len(c.User))
		}
	}
	if n != 1000 || cap(r.list) > 2*maxPending {
		t.Errorf("%d commands told, room for %d; want 1000, %d", n, cap(r.list), maxPending)
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
	said := cases["a bot"].said
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
