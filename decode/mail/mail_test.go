package mail

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/decode/dialog/dialogtest"
	"github.com/weir-nta/weir/internal/uri"
)

type turns = []dialogtest.Turn

func c(s string) dialogtest.Turn { return dialogtest.Client(s) }
func s(s string) dialogtest.Turn { return dialogtest.Server(s) }

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

var cases = map[string]struct {
	open func() dialog.Reader
	said turns
	want string
	anew bool
	rest string // of the client
}{
	"smtp": {NewSMTP, turns{
		s("220-mx.example.com ESMTP Postfix\r\n220 hello\r\n"), c("EHLO ws1.example.com\r\n"), s("250-mx.example.com\r\n250-PIPELINING\r\n250 SIZE\r\n"),
		c("MAIL FROM:<a@example.com> SIZE=100 BODY=8BITMIME\r\nRCPT TO:<b@example.com>\r\nRCPT TO: <c@example.com>\r\nDATA\r\n"),
		s("250 ok\r\n250 ok\r\n550 no\r\n354 go on\r\n"), c("Subject: x\r\n\r\n.. .\r\nQUIT\r\n.\r\nQUIT\r\n"), s("250 queued\r\n221 bye\r\n"),
	}, "EHLO object=ws1.example.com status=250 success=true server=mx.example.com ESMTP Postfix\nMAIL object=a@example.com status=250 success=true size=100\n" +
		"RCPT object=b@example.com status=250 success=true\nRCPT object=c@example.com status=550 success=false\nDATA status=250 success=true size=26\nQUIT status=221 success=true", false, ""},
	"smtp logons": {NewSMTP, turns{
		s("220 mx ESMTP\r\n"), c("HELO a\r\n"), s("250 hi\r\n"), c("AUTH PLAIN " + b64("\x00bob\x00secret") + "\r\n"), s("535 no\r\n"),
		c("AUTH LOGIN\r\n"), s("334 VXNlcm5hbWU6\r\n"), c(b64("bob@a") + "\r\n"), s("334 UGFzc3dvcmQ6\r\n"), c(b64("secret") + "\r\n"), s("235 welcome\r\n"),
		c("VRFY root\r\n"), s("252 perhaps\r\n"), c("secret\r\n"), s("500 what\r\n"),
	}, "HELO object=a status=250 success=true server=mx ESMTP\nAUTH object=PLAIN user=bob status=535 success=false server=mx ESMTP\n" +
		"AUTH object=LOGIN user=bob@a status=235 success=true server=mx ESMTP\nVRFY object=root user=bob@a status=252 success=true\nunknown user=bob@a status=500 success=false", false, ""},
	"smtp starttls": {NewSMTP, turns{s("220 mx\r\n"), c("EHLO a\r\n"), s("250 STARTTLS\r\n"), c("STARTTLS\r\n\x16\x03\x01"), s("220 go\r\n")},
		"EHLO object=a status=250 success=true server=mx\nSTARTTLS status=220 success=true", true, "\x16\x03\x01"},
	"smtp bdat": {NewSMTP, turns{
		s("220 mx\r\n"), c("EHLO a\r\n"), s("250 CHUNKING\r\n"), c("BDAT 8\r\nMAIL\r\n..BDAT 5 LAST\r\n\r\n.\r\nQUIT\r\n"), s("250 ok\r\n250 ok\r\n221 bye\r\n"),
	}, "EHLO object=a status=250 success=true server=mx\nBDAT status=250 success=true size=8\nBDAT status=250 success=true size=5\nQUIT status=221 success=true", false, ""},
	"smtp refused data": {NewSMTP, turns{s("220 mx\r\n"), c("DATA\r\n"), s("503 no\r\n"), c("QUIT\r\n"), s("221 bye\r\n")},
		"DATA status=503 success=false\nQUIT status=221 success=true", false, ""},
	"smtp of one side": {NewSMTP, turns{c("EHLO a\r\nAUTH LOGIN\r\n" + b64("bob") + "\r\n" + b64("pw") + "\r\nMAIL FROM:<a@b>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n")},
		"EHLO object=a\nAUTH object=LOGIN user=bob\nMAIL object=a@b\nDATA size=3\nQUIT", false, ""},
	"pop3": {NewPOP3, turns{
		s("+OK Dovecot ready.\r\n"), c("USER bob\r\n"), s("+OK\r\n"), c("PASS secret\r\n"), s("-ERR no\r\n"), c("USER bob\r\nPASS secret2\r\n"), s("+OK\r\n+OK in\r\n"),
		c("LIST\r\n"), s("+OK 2\r\n1 10\r\n2 20\r\n.\r\n"), c("LIST 1\r\n"), s("+OK 1 10\r\n"), c("RETR 1\r\nRETR 2\r\nDELE 1\r\n"), s("+OK\r\nSubject\r\n\r\n..\r\n.\r\n+OK\r\n.\r\n-ERR\r\n"), c("QUIT\r\n"), s("+OK\r\n"),
	}, "PASS user=bob status=-ERR success=false server=Dovecot ready.\nPASS user=bob status=+OK success=true server=Dovecot ready.\nLIST user=bob status=+OK success=true count=2\n" +
		"RETR user=bob status=+OK success=true size=15\nRETR user=bob status=+OK success=true\nDELE user=bob status=-ERR success=false\nQUIT user=bob status=+OK success=true", false, ""},
	"pop3 logons": {NewPOP3, turns{
		s("+OK <1@a>\r\n"), c("APOP bob c4c9334bac560ecc979e58001b3e22fb\r\n"), s("-ERR\r\n"), c("AUTH\r\n"), s("+OK\r\nPLAIN\r\n.\r\n"),
		c("AUTH PLAIN\r\n"), s("+ \r\n"), c(b64("\x00bob\x00pw") + "\r\n"), s("+OK\r\n"),
	}, "APOP user=bob status=-ERR success=false server=<1@a>\nAUTH status=+OK success=true server=<1@a>\nAUTH object=PLAIN user=bob status=+OK success=true server=<1@a>", false, ""},
	"pop3 stls": {NewPOP3, turns{s("+OK hi\r\n"), c("CAPA\r\n"), s("+OK\r\nSTLS\r\n.\r\n"), c("STLS\r\n\x16"), s("+OK go\r\n")},
		"CAPA status=+OK success=true\nSTLS status=+OK success=true", true, "\x16"},
	"imap": {NewIMAP, turns{
		s("* OK [CAPABILITY IMAP4rev1] Dovecot ready.\r\n"), c("a1 LOGIN \"bob\" \"secret\"\r\n"), s("a1 NO no\r\n"), c("a2 login {3}\r\n"), s("+ go\r\n"), c("bob {6}\r\n"), s("+ go\r\n"), c("secret\r\n"), s("a2 OK in\r\n"),
		c("a3 SELECT \"IN BOX\"\r\na4 UID FETCH 1 BODY[]\r\n"), s("* 1 EXISTS\r\na3 OK\r\n* 1 FETCH (BODY[] {12}\r\na4 OK NO\r\n\r\n)\r\na4 OK\r\n"),
		c("a5 APPEND Sent (\\Seen) {10+}\r\na6 LOGOUT\r\n"), s("a5 OK\r\n"), c("a6 IDLE\r\n"), s("+ idling\r\n"), c("DONE\r\n"), s("a6 OK\r\n"), c("a7 LOGOUT\r\n"), s("* BYE\r\na7 OK\r\n"),
	}, "LOGIN user=bob status=NO success=false server=Dovecot ready.\nLOGIN user=bob status=OK success=true server=Dovecot ready.\nSELECT object=IN BOX user=bob status=OK success=true\n" +
		"UID FETCH user=bob status=OK success=true\nAPPEND object=Sent user=bob status=OK success=true size=10\nIDLE user=bob status=OK success=true\nLOGOUT user=bob status=OK success=true", false, ""},
	"imap authenticate": {NewIMAP, turns{
		s("* OK hi\r\n"), c("1 AUTHENTICATE PLAIN\r\n"), s("+ \r\n"), c(b64("\x00bob\x00pw") + "\r\n"), s("1 OK\r\n"), c("2 STARTTLS\r\n"), s("2 OK\r\n"), c("\x16\x03"),
	}, "AUTHENTICATE object=PLAIN user=bob status=OK success=true server=hi\nSTARTTLS user=bob status=OK success=true", true, "\x16\x03"},
	"imap compressed": {NewIMAP, turns{s("* OK hi\r\n"), c("1 COMPRESS DEFLATE\r\n"), s("1 OK\r\nxxx\r\n"), c("1 LOGIN a b\r\n")},
		"COMPRESS object=DEFLATE status=OK success=true", false, ""},
}

// TestRead shows each case in pieces: the same is told, and no secret.
func TestRead(t *testing.T) {
	for name, one := range cases {
		for _, size := range []int{1, 2, 7, 100, 1 << 20} {
			told := dialogtest.Stream(one.open(), size, one.said...)
			if got := told.Brief(); got != one.want || told.Anew != one.anew || told.Rest[0] != one.rest {
				t.Errorf("%s, in pieces of %d: anew %v, rest %q\n%s\nwant %v, %q\n%s", name, size, told.Anew, told.Rest[0], got, one.anew, one.rest, one.want)
			}
			for _, c := range told.Commands {
				if strings.Contains(strings.ToLower(fmt.Sprint(c)), "secret") {
					t.Errorf("%s: %+v tells a secret", name, c)
				}
			}
		}
	}
}

// lossy calls a reader as the meter does when octets were lost.
func lossy(r dialog.Reader, do func(say func(from dialog.End, text string), lose func(from dialog.End, n int))) string {
	told := &dialogtest.Told{}
	with := func(what func(d *dialog.Dialog)) {
		var d dialog.Dialog
		d.Reset(dialogtest.Base, &told.Batch, nil)
		what(&d)
	}
	do(func(from dialog.End, text string) {
		with(func(d *dialog.Dialog) { r.Read(d, from, []byte(text)) })
	}, func(from dialog.End, n int) {
		with(func(d *dialog.Dialog) { r.Lost(d, from, n) })
	})
	with(r.Close)
	return told.Brief()
}

func TestLost(t *testing.T) {
	got := lossy(NewSMTP(), func(say func(dialog.End, string), lose func(dialog.End, int)) {
		say(dialog.Server, "220 a\r\n")
		say(dialog.Client, "MAIL FROM:<a@b>\r\n")
		lose(dialog.Server, 10)
		say(dialog.Server, "of a line\r\n")
		say(dialog.Client, "DATA\r\n")
		say(dialog.Server, "354 go\r\n")
		lose(dialog.Client, 1000)
		say(dialog.Client, "x\r\n.\r\nQUIT\r\n")
		say(dialog.Server, "250 ok\r\n221 bye\r\n")
	})
	if want := "MAIL object=a@b\nDATA status=250 success=true size=1003\nQUIT status=221 success=true"; got != want {
		t.Errorf("SMTP:\n%s\nwant\n%s", got, want)
	}
	got = lossy(NewPOP3(), func(say func(dialog.End, string), lose func(dialog.End, int)) {
		say(dialog.Server, "+OK a\r\n")
		say(dialog.Client, "RETR 1\r\n")
		say(dialog.Server, "+OK\r\n")
		lose(dialog.Server, 500)
		say(dialog.Server, "\r\n.\r\n")
		say(dialog.Client, "QUIT\r\n")
		say(dialog.Server, "+OK\r\n")
	})
	if want := "RETR status=+OK success=true size=502\nQUIT status=+OK success=true"; got != want {
		t.Errorf("POP3:\n%s\nwant\n%s", got, want)
	}
	got = lossy(NewIMAP(), func(say func(dialog.End, string), lose func(dialog.End, int)) {
		say(dialog.Server, "* OK a\r\n")
		say(dialog.Client, "1 FETCH 1 BODY[]\r\n")
		say(dialog.Server, "* 1 FETCH (BODY[] {500}\r\n")
		say(dialog.Client, "2 NOOP\r\n")
		lose(dialog.Server, 700)
		say(dialog.Server, "rest\r\n2 OK\r\n")
		say(dialog.Client, "3 NOOP\r\n")
		say(dialog.Server, "3 OK\r\n")
	})
	if want := "FETCH\nNOOP\nNOOP status=OK success=true"; got != want {
		t.Errorf("IMAP:\n%s\nwant\n%s", got, want)
	}
}

// TestBounds: commands without answers fill nothing, and are told.
func TestBounds(t *testing.T) {
	r := NewSMTP().(*smtpReader)
	told := dialogtest.Stream(r, 1<<20, c(strings.Repeat("VRFY "+strings.Repeat("\xff", 1000)+"\r\n", 1000)+"QUIT\r\n"), s(strings.Repeat("250 ok\r\n", 1000)))
	n := uint64(0)
	for _, c := range told.Commands {
		n += c.Count
		if len(c.Object) > maxObject {
			t.Errorf("object of %d octets", len(c.Object))
		}
	}
	if n != 1001 || cap(r.list) > 2*maxPending {
		t.Errorf("%d commands told, room for %d; want 1001, %d", n, cap(r.list), maxPending)
	}
}

func FuzzRead(f *testing.F) {
	var seeds []turns
	for _, one := range cases {
		seeds = append(seeds, one.said)
	}
	dialogtest.Fuzz(f, func() dialog.Reader { return dialogtest.All(NewSMTP(), NewPOP3(), NewIMAP()) }, seeds...)
}

// TestPrintable: whatever is said, what is kept of it can be printed.
func TestPrintable(t *testing.T) {
	told := dialogtest.Stream(NewSMTP(), 100, s("220 \x1b[0m\xff\r\n"), c("EHLO \x00\x01\r\n"), s("250 ok\r\n"))
	for _, c := range told.Commands {
		for _, text := range []string{c.Object, c.Server, c.User} {
			if text != uri.Printable([]byte(text), 1000) {
				t.Errorf("%q", text)
			}
		}
	}
}

func BenchmarkRead(b *testing.B) {
	var d dialog.Dialog
	var batch weir.Batch
	said := cases["smtp"].said
	b.ReportAllocs()
	for b.Loop() {
		batch.Commands = batch.Commands[:0]
		r := NewSMTP()
		for _, t := range said {
			d.Reset(dialogtest.Base, &batch, nil)
			r.Read(&d, t.From, []byte(t.Data))
		}
		r.Close(&d)
	}
}
