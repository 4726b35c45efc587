package ntlm_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/decode/dialog/dialogtest"
	"github.com/weir-nta/weir/decode/ntlm"
	"github.com/weir-nta/weir/decode/ntlm/ntlmtest"
)

func begin() (*dialog.Dialog, *weir.Batch) {
	b := &weir.Batch{}
	d := &dialog.Dialog{}
	d.Reset(dialogtest.Base, b, nil)
	return d, b
}

// told writes the logons of a batch, one a line.
func told(b *weir.Batch) string {
	var s strings.Builder
	for _, n := range b.NTLM {
		fmt.Fprintf(&s, "%s %s %s %s %s %s %s\n", n.User, n.Domain, n.Host, n.ServerName, n.ServerDomain, n.Success, n.Status)
	}
	return s.String()
}

var (
	negotiate    = ntlmtest.Negotiate()
	challenge    = ntlmtest.Challenge("FS01", "CORP", "Corp.example")
	authenticate = ntlmtest.Authenticate("j.döe", "CORP", "WS-0023")
)

func TestLogon(t *testing.T) {
	for _, c := range []struct {
		name   string
		tokens []string
		end    func(*ntlm.Logon, *dialog.Dialog)
		user   string
		want   string
	}{
		{"bare", []string{negotiate, challenge, authenticate}, success, `CORP\j.döe`, "j.döe CORP WS-0023 FS01 corp.example true SUCCESS\n"},
		{"wrapped", []string{ntlmtest.Init(negotiate), ntlmtest.Response(1, challenge), ntlmtest.Response(-1, authenticate)}, failure,
			`CORP\j.döe`, "j.döe CORP WS-0023 FS01 corp.example false LOGON_FAILURE\n"},
		{"anonymous", []string{negotiate, challenge, ntlmtest.Authenticate("", "", "WS")}, success, "ANONYMOUS LOGON", "  WS FS01 corp.example true SUCCESS\n"},
		{"principal", []string{negotiate, challenge, ntlmtest.Authenticate("a@corp.example", "CORP", "")}, success, "a@corp.example", "a@corp.example CORP  FS01 corp.example true SUCCESS\n"},
		{"the challenge was missed", []string{negotiate, authenticate}, success, `CORP\j.döe`, "j.döe CORP WS-0023   true SUCCESS\n"},
		{"the end was missed", []string{negotiate, challenge, authenticate}, (*ntlm.Logon).Close, `CORP\j.döe`, "j.döe CORP WS-0023 FS01 corp.example  \n"},
		{"nobody logs on", []string{negotiate, challenge}, success, "", ""},
		{"again, without outcome of the first", []string{negotiate, challenge, authenticate, negotiate, challenge, ntlmtest.Authenticate("b", "", "")}, success, "b",
			"j.döe CORP WS-0023 FS01 corp.example  \nb   FS01 corp.example true SUCCESS\n"},
		{"cut short", []string{negotiate, challenge[:60], authenticate[:85]}, success, "", " CORP    true SUCCESS\n"},
		{"short", []string{"NTLMSSP\x00\x03\x00\x00\x00", "NTLMSSP\x00", "NTLMSSP\x00\x02\x00\x00\x00\x00"}, success, "", ""},
	} {
		d, b := begin()
		var l ntlm.Logon
		for _, token := range c.tokens {
			if m := l.Token(d, []byte(token)); m != ntlm.NTLM {
				t.Errorf("%s: Token = %v, want ntlm", c.name, m)
			}
		}
		c.end(&l, d)
		if got := told(b); got != c.want {
			t.Errorf("%s: got\n%swant\n%s", c.name, got, c.want)
		}
		if got := l.User(); got != c.user {
			t.Errorf("%s: User = %q, want %q", c.name, got, c.user)
		}
		if l.Pending() {
			t.Errorf("%s: still pending", c.name)
		}
	}
}

func success(l *ntlm.Logon, d *dialog.Dialog) { l.End(d, true, "SUCCESS") }
func failure(l *ntlm.Logon, d *dialog.Dialog) { l.End(d, false, "LOGON_FAILURE") }

func TestHeader(t *testing.T) {
	for _, scheme := range []string{"NTLM ", "Negotiate  ", ""} {
		d, b := begin()
		var l ntlm.Logon
		l.Header(d, []byte(scheme+base64.StdEncoding.EncodeToString([]byte(challenge))))
		if m := l.Header(d, []byte(scheme+base64.StdEncoding.EncodeToString([]byte(authenticate))+"\r\n")); m != ntlm.NTLM {
			t.Errorf("%q: Header = %v, want ntlm", scheme, m)
		}
		l.End(d, false, "401")
		if got, want := told(b), "j.döe CORP WS-0023 FS01 corp.example false 401\n"; got != want {
			t.Errorf("%q: got %q, want %q", scheme, got, want)
		}
	}
	d, _ := begin()
	if m := new(ntlm.Logon).Header(d, []byte("Basic ****")); m != ntlm.None {
		t.Errorf("Header of Basic = %v, want none", m)
	}
}

// TestAnnounced: both machines say who they are, each in its own name.
func TestAnnounced(t *testing.T) {
	d, b := begin()
	var l ntlm.Logon
	l.Token(d, []byte(challenge))
	l.Token(d, []byte(authenticate))
	var got strings.Builder
	for _, a := range b.Announcements {
		fmt.Fprintf(&got, "%v %s %s %s\n", a.Src, a.Kind, a.Name, a.Text)
	}
	want := "10.20.0.15 name FS01 fs01.Corp.example\n10.20.0.15 domain FS01 CORP\n10.20.0.15 os FS01 Windows 10.0.19041\n" +
		"10.10.1.23 name WS-0023 \n10.10.1.23 os WS-0023 Windows 10.0.19041\n"
	if got.String() != want {
		t.Errorf("got\n%swant\n%s", got.String(), want)
	}
	if d.Src != dialogtest.Base.Src {
		t.Errorf("Src is left as %v", d.Src)
	}
}

// TestSecrets: nothing of a response is in a record, also where fields overlap.
func TestSecrets(t *testing.T) {
	token := []byte(authenticate)
	copy(token[28:36], token[20:28]) // the domain is where the response is
	d, b := begin()
	var l ntlm.Logon
	l.Token(d, token)
	l.Close(d)
	if got := b.NTLM[0].Domain; got != "" {
		t.Errorf("Domain = %q: that is the response", got)
	}
}

func TestUnwrap(t *testing.T) {
	kerberos := "\x60\x13\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01\x00\x6e\x04abcd"
	for _, c := range []struct {
		name, in  string
		mechanism ntlm.Mechanism
		state     ntlm.State
		body      string
	}{
		{"nothing", "", ntlm.None, ntlm.NoState, ""},
		{"other", "GET / HTTP/1.1", ntlm.None, ntlm.NoState, ""},
		{"bare NTLM", negotiate, ntlm.NTLM, ntlm.NoState, negotiate},
		{"NTLM", ntlmtest.Init(negotiate), ntlm.NTLM, ntlm.NoState, negotiate},
		{"answer", ntlmtest.Response(1, challenge), ntlm.NTLM, ntlm.Incomplete, challenge},
		{"completed", ntlmtest.Response(0, ""), ntlm.None, ntlm.Completed, ""},
		{"rejected", ntlmtest.Response(2, ""), ntlm.None, ntlm.Rejected, ""},
		{"unknown state", ntlmtest.Response(9, ""), ntlm.None, ntlm.NoState, ""},
		{"Kerberos by GSS-API", kerberos, ntlm.Kerberos, ntlm.NoState, "\x6e\x04abcd"},
		{"Kerberos", ntlmtest.Response(-1, kerberos), ntlm.Kerberos, ntlm.NoState, "\x6e\x04abcd"},
		{"endless length", "\x60\x80\x00\x00", ntlm.None, ntlm.NoState, ""},
		{"long length", "\x60\x85\x01\x01\x01\x01\x01", ntlm.None, ntlm.NoState, ""},
	} {
		got := ntlm.Unwrap([]byte(c.in))
		if got.Mechanism != c.mechanism || got.State != c.state || string(got.Body) != c.body {
			t.Errorf("%s: Unwrap = %v %v %q, want %v %v %q", c.name, got.Mechanism, got.State, got.Body, c.mechanism, c.state, c.body)
		}
	}
}

func FuzzToken(f *testing.F) {
	for _, s := range []string{negotiate, challenge, authenticate, ntlmtest.Init(negotiate), ntlmtest.Response(1, challenge), ntlmtest.Response(-1, authenticate)} {
		f.Add([]byte(s), []byte(challenge))
	}
	f.Fuzz(func(t *testing.T, one, two []byte) {
		d, b := begin()
		var l ntlm.Logon
		l.Token(d, one)
		l.Token(d, two)
		l.Header(d, one)
		l.Close(d)
		if len(b.NTLM) > 3 {
			t.Errorf("%d logons of three tokens", len(b.NTLM))
		}
	})
}

func BenchmarkToken(b *testing.B) {
	d, batch := begin()
	tokens := [][]byte{[]byte(ntlmtest.Init(negotiate)), []byte(ntlmtest.Response(1, challenge)), []byte(ntlmtest.Response(-1, authenticate))}
	b.ReportAllocs()
	for b.Loop() {
		var l ntlm.Logon
		for _, token := range tokens {
			l.Token(d, token)
		}
		l.End(d, true, "SUCCESS")
		batch.NTLM, batch.Announcements = batch.NTLM[:0], batch.Announcements[:0]
	}
}
