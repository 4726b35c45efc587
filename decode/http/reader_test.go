package http

import (
	"encoding/base64"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/decode/dialog/dialogtest"
	"github.com/weir-nta/weir/internal/uri"
	"github.com/weir-nta/weir/internal/wire"
)

func c(s string) dialogtest.Turn { return dialogtest.Turn{From: dialog.Client, Data: s} }
func s(s string) dialogtest.Turn { return dialogtest.Turn{From: dialog.Server, Data: s} }

type turns = []dialogtest.Turn

// plain returns the transactions without what all have.
func plain(list []weir.HTTPTransaction) []weir.HTTPTransaction {
	var out []weir.HTTPTransaction
	for _, x := range list {
		x.Endpoints = weir.Endpoints{}
		out = append(out, x)
	}
	return out
}

// sizes are the pieces in which every case is shown.
var sizes = []int{1, 2, 7, 60, 1 << 20}

func basic(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

var cases = map[string]struct {
	said turns
	want []weir.HTTPTransaction
}{
	"one": {
		turns{c("GET / HTTP/1.1\r\nHost: WWW.Example.com:8080\r\nUser-Agent: curl/8\r\n\r\n"), s("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Type: Text/HTML; charset=x\r\n\r\nhello")},
		[]weir.HTTPTransaction{{Method: "GET", URI: "/", Host: "www.example.com", UserAgent: "curl/8", Version: "1.1", Status: 200, BodyDown: 5, TypeDown: "text/html"}},
	},
	"masked": {
		turns{c("POST /login?user=bob&pw=secret&x HTTP/1.0\nhost:a\nReferer: http://u:p@b/c?d=e\nContent-Length: 9\nContent-Type: application/x-www-form-urlencoded\n\npw=secret"), s("HTTP/1.0 302 Found\nContent-Length: 0\n\n")},
		[]weir.HTTPTransaction{{Method: "POST", URI: "/login?user=*&pw=*&x", Host: "a", Referrer: "http://b/c?d=*", Version: "1.0", Status: 302, BodyUp: 9, TypeUp: "application/x-www-form-urlencoded"}},
	},
	"absolute": {
		turns{c("GET http://bob:pw@Example.com/a?t=1 HTTP/1.1\r\nHost: other\r\n\r\n"), s("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")},
		[]weir.HTTPTransaction{{Method: "GET", URI: "http://Example.com/a?t=*", Host: "example.com", Version: "1.1", Status: 200}},
	},
	"pipelined": {
		turns{
			c("GET /1 HTTP/1.1\r\n\r\nHEAD /2 HTTP/1.1\r\n\r\nPOST /3 HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET /4 HTTP/1.1\r\n\r\n"),
			s("HTTP/1.1 204 None\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 7000\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nxxHTTP/1.1 304 Same\r\nContent-Length: 9\r\n\r\n"),
		},
		[]weir.HTTPTransaction{
			{Method: "GET", URI: "/1", Version: "1.1", Status: 204},
			{Method: "HEAD", URI: "/2", Version: "1.1", Status: 200},
			{Method: "POST", URI: "/3", Version: "1.1", Status: 404, BodyUp: 3, BodyDown: 2},
			{Method: "GET", URI: "/4", Version: "1.1", Status: 304},
		},
	},
	"chunked": {
		turns{
			c("PUT /a HTTP/1.1\r\nTransfer-Encoding: gzip,\r\n chunked\r\n\r\n5;x=y\r\nhello\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\nGET /b HTTP/1.1\r\n\r\n"),
			s("HTTP/1.1 100 Continue\r\nContent-Length: 900\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 201 Made\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"),
		},
		[]weir.HTTPTransaction{
			{Method: "PUT", URI: "/a", Version: "1.1", Status: 201, BodyUp: 15, BodyDown: 3},
			{Method: "GET", URI: "/b", Version: "1.1", Status: 200, BodyDown: 1},
		},
	},
	"until close": {
		turns{c("GET /a HTTP/1.0\r\n\r\n"), s("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")},
		[]weir.HTTPTransaction{{Method: "GET", URI: "/a", Version: "1.0", Status: 200, BodyDown: 15}},
	},
	"credentials": {
		turns{
			c("GET /1 HTTP/1.1\r\nAuthorization: Basic " + basic("admin:secret") + "\r\n\r\nGET /2 HTTP/1.1\r\nAuthorization: Digest realm=\"a,username=\\\"x\\\"\", username=\"bob\", response=\"1234\"\r\n\r\n" +
				"GET /3 HTTP/1.1\r\nAuthorization: basic " + basic(strings.Repeat("t", 40)+":") + "\r\n\r\nGET /4 HTTP/1.1\r\nAuthorization: Bearer abcdefgh\r\nProxy-Authorization: Basic " + basic("me:x") + "\r\n\r\n" +
				"GET /5 HTTP/1.1\r\nAuthorization: Basic " + basic("justatoken") + "\r\n\r\n"),
		},
		[]weir.HTTPTransaction{
			{Method: "GET", URI: "/1", Version: "1.1", User: "admin"}, {Method: "GET", URI: "/2", Version: "1.1", User: "bob"}, {Method: "GET", URI: "/3", Version: "1.1", User: "*"},
			{Method: "GET", URI: "/4", Version: "1.1", User: "me"}, {Method: "GET", URI: "/5", Version: "1.1"},
		},
	},
	"answer alone": {
		turns{s("HTTP/1.1 408 Timeout\r\nContent-Length: 2\r\n\r\nxx")},
		[]weir.HTTPTransaction{{Version: "1.1", Status: 408, BodyDown: 2}},
	},
	"from the middle": {
		turns{c("rest of a body\r\nwith lines\r\nGET /a HTTP/1.1\r\n\r\n"), s("</html>\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")},
		[]weir.HTTPTransaction{{Method: "GET", URI: "/a", Version: "1.1", Status: 200}},
	},
	"refused before the body": {
		turns{
			c("PUT /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1000000\r\n\r\n"), s("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"),
			c("PUT /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"), s("HTTP/1.1 100 Continue\r\n\r\n"), c("abc"), s("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
		},
		[]weir.HTTPTransaction{
			{Method: "PUT", URI: "/a", Version: "1.1", Status: 401},
			{Method: "PUT", URI: "/a", Version: "1.1", Status: 200, BodyUp: 3},
		},
	},
	"answered while sent": {
		turns{c("POST /a HTTP/1.1\r\nContent-Length: 6\r\n\r\nabc"), s("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"), c("defGET /b HTTP/1.1\r\n\r\n"), s("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")},
		[]weir.HTTPTransaction{{Method: "POST", URI: "/a", Version: "1.1", Status: 200, BodyUp: 6, BodyDown: 1}, {Method: "GET", URI: "/b", Version: "1.1", Status: 404}},
	},
	"coding goes before length": {
		turns{c("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 50\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n")},
		[]weir.HTTPTransaction{{Method: "POST", URI: "/", Version: "1.1"}, {Method: "GET", URI: "/smuggled", Version: "1.1"}},
	},
	"length of no number": {
		turns{c("POST / HTTP/1.1\r\nContent-Length: 18446744073709551615\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n")},
		[]weir.HTTPTransaction{{Method: "POST", URI: "/", Version: "1.1"}, {Method: "GET", URI: "/smuggled", Version: "1.1"}},
	},
	"lengths that differ": {
		turns{c("POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4, 3\r\n\r\nabc\r\nGET /b HTTP/1.1\r\n\r\n")},
		[]weir.HTTPTransaction{{Method: "POST", URI: "/", Version: "1.1"}, {Method: "GET", URI: "/b", Version: "1.1"}},
	},
	"chunk of 2^64": {
		turns{c("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n")},
		[]weir.HTTPTransaction{{Method: "POST", URI: "/", Version: "1.1"}, {Method: "GET", URI: "/smuggled", Version: "1.1"}},
	},
	"long field": {
		turns{c("GET / HTTP/1.1\r\nCookie: " + strings.Repeat("a", 40000) + "\r\nHost: b\r\n\r\n"), s("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")},
		[]weir.HTTPTransaction{{Method: "GET", URI: "/", Host: "b", Version: "1.1", Status: 200}},
	},
	"unfinished": {
		turns{c("GET /slow HTTP/1.1\r\nHost: b\r\nX-a: b\r\n")},
		[]weir.HTTPTransaction{{Method: "GET", URI: "/slow", Host: "b", Version: "1.1"}},
	},
	"no version": {
		turns{c("DELETE /a?b=c HTTP/1.\r\nHost: b\r\n\r\n"), s("HTTP/1.0 400 No\r\nContent-Length: 2\r\n\r\nno")},
		[]weir.HTTPTransaction{{Method: "DELETE", URI: "/a?b=*", Host: "b", Status: 400, BodyDown: 2}},
	},
	"refused tunnel": {
		turns{c("CONNECT a:443 HTTP/1.1\r\n\r\n"), s("HTTP/1.1 407 No\r\nContent-Length: 2\r\n\r\nno"), c("GET http://a/ HTTP/1.1\r\n\r\n"), s("HTTP/1.1 200 OK\r\n\r\nbody")},
		[]weir.HTTPTransaction{{Method: "CONNECT", URI: "a:443", Host: "a", Version: "1.1", Status: 407, BodyDown: 2}, {Method: "GET", URI: "http://a/", Host: "a", Version: "1.1", Status: 200, BodyDown: 4}},
	},
}

func TestRead(t *testing.T) {
	for name, one := range cases {
		for _, size := range sizes {
			told := dialogtest.Stream(New(), size, one.said...)
			if got := plain(told.Batch.HTTP); !reflect.DeepEqual(got, one.want) {
				t.Errorf("%s, in pieces of %d:\n got %+v\nwant %+v", name, size, got, one.want)
			}
		}
	}
}

// TestLengthsThatCame: of a body that breaks off, what came is counted; and a
// transaction is of the time of its request.
func TestLengthsThatCame(t *testing.T) {
	for _, size := range sizes {
		told := dialogtest.Stream(New(), size,
			c("POST / HTTP/1.1\r\nContent-Length: 5000000\r\n\r\n"+strings.Repeat("a", 500)))
		if got := told.Batch.HTTP; len(got) != 1 || got[0].BodyUp != 500 || !got[0].Time.Equal(dialogtest.Base.Time.Add(time.Millisecond)) {
			t.Errorf("in pieces of %d: %+v, want a body of 500 from the first millisecond", size, got)
		}
		told = dialogtest.Stream(New(), size, c("GET / HTTP/1.1\r\n\r\n"), s("HTTP/1.1 200 OK\r\n\r\n"+strings.Repeat("a", 500)))
		if got := told.Batch.HTTP; len(got) != 1 || got[0].BodyDown != 500 {
			t.Errorf("in pieces of %d: %+v, want a body of 500", size, got)
		}
	}
}

func TestSummary(t *testing.T) {
	want := weir.HTTP{Method: "GET", URI: "/a", Host: "b", UserAgent: "c", Status: 404}
	for _, size := range sizes {
		told := dialogtest.Stream(New(), size,
			c("GET /a HTTP/1.1\r\nHost: b\r\nUser-Agent: c\r\n\r\nGET /b HTTP/1.1\r\n\r\n"),
			s("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
		if told.HTTP == nil || *told.HTTP != want {
			t.Errorf("in pieces of %d: %+v, want %+v", size, told.HTTP, want)
		}
	}
}

// TestChange: what a connection changes to.
func TestChange(t *testing.T) {
	const hello = "\x16\x03\x01hello"
	for name, one := range map[string]struct {
		said turns
		app  string
		anew bool
		rest [2]string
	}{
		"tunnel": {turns{c("CONNECT a:443 HTTP/1.1\r\n\r\n"), s("HTTP/1.1 200 Connected\r\nContent-Length: 5\r\n\r\n"), c(hello), s("bye")}, "", true, [2]string{hello, "bye"}},
		"eager":  {turns{c("CONNECT a:443 HTTP/1.1\r\n\r\n" + hello), s("HTTP/1.1 200 Connected\r\n\r\nbye")}, "", true, [2]string{hello, "bye"}},
		"websocket": {turns{c("GET /chat HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"), s("HTTP/1.1 101 Switching\r\nUpgrade: WebSocket\r\n\r\n\x81\x05hello"), c("\x81\x05GET / HTTP/1.1\r\n\r\n")},
			"websocket", false, [2]string{}},
		"h2c":   {turns{c("GET / HTTP/1.1\r\nUpgrade: h2c\r\n\r\n"), s("HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\n\r\nframes")}, "http2", false, [2]string{}},
		"tls":   {turns{c("OPTIONS * HTTP/1.1\r\nUpgrade: TLS/1.0\r\n\r\n"), s("HTTP/1.1 101 Switching\r\nUpgrade: TLS/1.0, HTTP/1.1\r\n\r\n"), c(hello)}, "", true, [2]string{hello, ""}},
		"wsman": {turns{c("POST /wsman?PSVersion=5.1 HTTP/1.1\r\n\r\n"), s("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")}, "winrm", false, [2]string{}},
	} {
		for _, size := range sizes {
			told := dialogtest.Stream(New(), size, one.said...)
			if told.App != one.app || told.Anew != one.anew || told.Rest != one.rest || len(told.Batch.HTTP) != 1 {
				t.Errorf("%s, in pieces of %d: app %q, anew %v, rest %q, %d transactions; want %q, %v, %q, 1", name, size, told.App, told.Anew, told.Rest, len(told.Batch.HTTP), one.app, one.anew, one.rest)
			}
		}
	}
}

// TestOdd: contradictions are told.
func TestOdd(t *testing.T) {
	for name, want := range map[string]string{
		"coding goes before length": "http_length", "lengths that differ": "http_length", "length of no number": "http_length", "chunk of 2^64": "http_chunk",
	} {
		told := dialogtest.Stream(New(), 1<<20, cases[name].said...)
		if odd := told.Oddities; len(odd) == 0 || odd[0].Name != want || odd[0].Src != dialogtest.Base.Src {
			t.Errorf("%s: %+v, want %s of the client", name, odd, want)
		}
	}
}

func TestFiles(t *testing.T) {
	program := "MZ\x90\x00\x03\x00\x00\x00" + strings.Repeat("\x00", 92)
	for name, one := range map[string]struct {
		said turns
		want []weir.File
	}{
		"named": {turns{c("GET /a HTTP/1.1\r\n\r\n"), s("HTTP/1.1 200 OK\r\nContent-Disposition: attachment; filename=\"../in;voice.xlsx\"\r\nContent-Length: 9\r\n\r\nno excel!")},
			[]weir.File{{Protocol: "http", Name: "in;voice.xlsx", Size: 9, Total: 9}}},
		"a program": {turns{c("GET /a.gif HTTP/1.1\r\n\r\n"), s("HTTP/1.1 200 OK\r\nContent-Type: image/gif\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n" + program + "\r\n0\r\n\r\n")},
			[]weir.File{{Protocol: "http", Type: "application/x-dosexec", Size: 100}}},
		"sent": {turns{c("PUT /a HTTP/1.1\r\nContent-Length: 200\r\nContent-Disposition: attachment; filename*=utf-8''a.zip\r\n\r\nPK\x03\x04aaaaaa")},
			[]weir.File{{Protocol: "http", Name: "a.zip", Type: "application/zip", FromSrc: true, Size: 10, Total: 200}}},
		"a page":     {turns{c("GET /a HTTP/1.1\r\n\r\n"), s("HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n<!DOCTYPE html>\n")}, nil},
		"compressed": {turns{c("GET /a HTTP/1.1\r\n\r\n"), s("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 16\r\n\r\n\x1f\x8b\x08\x00aaaaaaaaaaaa")}, nil},
	} {
		for _, size := range sizes {
			told := dialogtest.Stream(New(), size, one.said...)
			var got []weir.File
			for _, f := range told.Files {
				f.Endpoints, f.Duration = weir.Endpoints{}, 0
				got = append(got, f)
			}
			if !reflect.DeepEqual(got, one.want) {
				t.Errorf("%s, in pieces of %d:\n got %+v\nwant %+v", name, size, got, one.want)
			}
		}
	}
}

// TestLogon: a logon by NTLM has the outcome that the status tells.
func TestLogon(t *testing.T) {
	const (
		offer     = "TlRMTVNTUAABAAAAB4IIogAAAAAAAAAAAAAAAAAAAAAKAGFKAAAADw=="
		challenge = "TlRMTVNTUAACAAAADAAMADgAAAAFgomiASNFZ4mrze8AAAAAAAAAAAAAAAAAAAAACgBhSgAAAA9TAEUAUgBWAEUAUgA="
	)
	answer := base64.StdEncoding.EncodeToString(authenticate("CORP", "bob", "WS1"))
	for status, want := range map[string]string{"200 OK": "true", "401 No": "false"} {
		told := dialogtest.Stream(New(), 100,
			c("POST /wsman HTTP/1.1\r\nAuthorization: Negotiate "+offer+"\r\nContent-Length: 0\r\n\r\n"),
			s("HTTP/1.1 401 No\r\nWWW-Authenticate: Negotiate "+challenge+"\r\nContent-Length: 0\r\n\r\n"),
			c("POST /wsman HTTP/1.1\r\nAuthorization: Negotiate "+answer+"\r\nContent-Length: 0\r\n\r\n"),
			s("HTTP/1.1 "+status+"\r\nContent-Length: 0\r\n\r\n"))
		if got := told.NTLM; len(got) != 1 || got[0].User != "bob" || got[0].Domain != "CORP" || got[0].Host != "WS1" || got[0].Success != want || got[0].Status != status[:3] {
			t.Errorf("%s: %+v, want bob of CORP and %s", status, got, want)
		}
	}
}

// authenticate makes the third message of NTLM (MS-NLMP 2.2.1.3).
func authenticate(domain, user, host string) []byte {
	b := append([]byte("NTLMSSP\x00\x03\x00\x00\x00"), make([]byte, 52)...)
	b[60], b[61] = 0x05, 0x82
	field := func(at int, data []byte) {
		b[at], b[at+2] = byte(len(data)), byte(len(data))
		b[at+4], b[at+5] = byte(len(b)), byte(len(b)>>8)
		b = append(b, data...)
	}
	field(12, make([]byte, 24))
	field(20, make([]byte, 24))
	for i, text := range []string{domain, user, host} {
		var wide []byte
		for _, c := range []byte(text) {
			wide = append(wide, c, 0)
		}
		field(28+8*i, wide)
	}
	return b
}

// A script calls a reader as a meter would that has lost something.
type script struct {
	r     *Reader
	batch weir.Batch
	now   time.Time
}

func (p *script) with(what func(d *dialog.Dialog)) {
	var d dialog.Dialog
	e := dialogtest.Base
	e.Time = p.now
	d.Reset(e, &p.batch, nil)
	what(&d)
}

func (p *script) say(from dialog.End, text string) {
	p.with(func(d *dialog.Dialog) {
		for b := []byte(text); len(b) > 0; {
			n := p.r.Read(d, from, b)
			if n <= 0 {
				break
			}
			b = b[min(n, len(b)):]
		}
	})
}

func (p *script) lose(from dialog.End, n int) {
	p.with(func(d *dialog.Dialog) { p.r.Lost(d, from, n) })
}

func (p *script) end() []weir.HTTPTransaction {
	p.with(p.r.Close)
	return plain(p.batch.HTTP)
}

func TestLost(t *testing.T) {
	get := func(uri string, status uint16, body uint64) weir.HTTPTransaction {
		return weir.HTTPTransaction{Method: "GET", URI: uri, Version: "1.1", Status: status, BodyDown: body}
	}
	const next = "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"
	for name, one := range map[string]struct {
		do   func(p *script)
		want []weir.HTTPTransaction
	}{
		"within a body": {func(p *script) {
			p.say(dialog.Client, "GET /a HTTP/1.1\r\n\r\n")
			p.say(dialog.Server, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
			p.lose(dialog.Server, 90)
			p.say(dialog.Server, strings.Repeat("x", 10))
			p.say(dialog.Client, "GET /b HTTP/1.1\r\n\r\n")
			p.say(dialog.Server, next)
		}, []weir.HTTPTransaction{get("/a", 200, 100), get("/b", 404, 0)}},
		"the end of a chunk": {func(p *script) {
			p.say(dialog.Client, "GET /a HTTP/1.1\r\n\r\n")
			p.say(dialog.Server, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n")
			p.lose(dialog.Server, 100)
			p.say(dialog.Server, "\r\n0\r\n\r\n")
			p.say(dialog.Client, "GET /b HTTP/1.1\r\n\r\n")
			p.say(dialog.Server, next)
		}, []weir.HTTPTransaction{get("/a", 200, 100), get("/b", 404, 0)}},
		"the head of an answer": {func(p *script) {
			p.say(dialog.Client, "GET /a HTTP/1.1\r\n\r\n")
			p.lose(dialog.Server, 90)
			p.say(dialog.Server, "Server: x\r\n\r\nbody\n")
			p.say(dialog.Client, "GET /b HTTP/1.1\r\n\r\n")
			p.say(dialog.Server, next)
		}, []weir.HTTPTransaction{get("/a", 0, 0), get("/b", 404, 0)}},
		"a request": {func(p *script) {
			p.say(dialog.Client, "GET /a HTTP/1.1\r\n\r\n")
			p.say(dialog.Server, next)
			p.lose(dialog.Client, 50)
			p.say(dialog.Server, "HTTP/1.1 500 No\r\nContent-Length: 1\r\n\r\nx")
			p.say(dialog.Client, "GET /c HTTP/1.1\r\n\r\n")
			p.say(dialog.Server, next)
		}, []weir.HTTPTransaction{get("/a", 404, 0), {Version: "1.1", Status: 500, BodyDown: 1}, get("/c", 404, 0)}},
	} {
		p := &script{r: New(), now: dialogtest.Base.Time}
		one.do(p)
		if got := p.end(); !reflect.DeepEqual(got, one.want) {
			t.Errorf("%s:\n got %+v\nwant %+v", name, got, one.want)
		}
	}
}

// TestImpatience: what takes longer than a minute is told with the length that
// was announced, once.
func TestImpatience(t *testing.T) {
	p := &script{r: New(), now: dialogtest.Base.Time}
	p.say(dialog.Client, "GET /a HTTP/1.1\r\n\r\n")
	p.say(dialog.Server, "HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n0123456789")
	p.now = p.now.Add(2 * time.Minute)
	p.say(dialog.Server, "0123456789")
	if got := p.batch.HTTP; len(got) != 1 || got[0].BodyDown != 30 {
		t.Errorf("after two minutes: %+v, want one of 30 octets", got)
	}
	p.say(dialog.Server, "0123456789")
	if got := p.end(); len(got) != 1 {
		t.Errorf("at the end: %d, want 1", len(got))
	}
}

// TestBounds: whoever sends requests without waiting for the answers is told of,
// and fills nothing.
func TestBounds(t *testing.T) {
	p := &script{r: New(), now: dialogtest.Base.Time}
	const n = 1000
	long := strings.Repeat("a", 3000)
	for i := range n {
		p.say(dialog.Client, fmt.Sprintf("GET /%d/%s HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\n\r\n", i, long, long, long))
	}
	if len(p.r.waiting) > maxWaiting+1 || p.r.text > maxWaitingText+uri.MaxMasked+uri.MaxHost+maxUserAgent {
		t.Errorf("%d wait, with %d octets", len(p.r.waiting), p.r.text)
	}
	for range n {
		p.say(dialog.Server, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nxx")
	}
	p.say(dialog.Client, "GET /last HTTP/1.1\r\n\r\n")
	p.say(dialog.Server, "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")
	got := p.end()
	if len(got) != n+1 || got[n].URI != "/last" || got[n].Status != 404 {
		t.Errorf("%d told, the last %+v; want %d and the answer of the last", len(got), got[len(got)-1], n+1)
	}
	if x := got[0]; len(x.URI) != uri.MaxMasked || len(x.Host) != uri.MaxHost || len(x.UserAgent) != maxUserAgent {
		t.Errorf("lengths %d %d %d, want %d %d %d", len(x.URI), len(x.Host), len(x.UserAgent), uri.MaxMasked, uri.MaxHost, maxUserAgent)
	}
	if p.r.untracked != 0 || p.r.text != 0 || len(p.r.waiting) != 0 {
		t.Errorf("left: %d untracked, %d octets, %d waiting", p.r.untracked, p.r.text, len(p.r.waiting))
	}
}

// TestLooks: no beginning of a message is taken for something else, and what is
// none is not taken for one.
func TestLooks(t *testing.T) {
	for _, client := range []bool{true, false} {
		in := "GET /index.html HTTP/1.1\r\n"
		if !client {
			in = "HTTP/1.1 200 "
		}
		for i := range in {
			if got := Looks(client, []byte(in[:i])); got != wire.More {
				t.Errorf("Looks(%v, %q) = %v, want More", client, in[:i], got)
			}
		}
		if got := Looks(client, []byte(in)); got != wire.Done {
			t.Errorf("Looks(%v, %q) = %v, want Done", client, in, got)
		}
	}
	for _, in := range []string{"\x16\x03\x01", "get / HTTP/1.1\r\n", "EHLO a\r\n", "GET /\r\n", "GET / HTTP/2.0\r\n", " GET", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "A  HTTP/1.1\r\n", "A HTTP/1.1\r\n", strings.Repeat("A", 30), "GET /" + strings.Repeat("a", maxLine)} {
		if got := Looks(true, []byte(in)); got != wire.No {
			t.Errorf("Looks(client, %.40q) = %v, want No", in, got)
		}
	}
	for _, in := range []string{"220 ready", "HTTP/2 200 \r\n", "HTTP/1.1 2000", "HTTP/1.1 abc ", "HTTP/1.1 099 ", "HTTP/1.1\n200 "} {
		if got := Looks(false, []byte(in)); got != wire.No {
			t.Errorf("Looks(server, %q) = %v, want No", in, got)
		}
	}
}

func FuzzRead(f *testing.F) {
	var seeds []turns
	for _, one := range cases {
		seeds = append(seeds, one.said)
	}
	dialogtest.Fuzz(f, func() dialog.Reader { return New() }, seeds...)
}

// TestAllocations: a request like the one before it costs its target and its
// referrer, two each.
func TestAllocations(t *testing.T) {
	r := New()
	var d dialog.Dialog
	var batch weir.Batch
	batch.HTTP = make([]weir.HTTPTransaction, 0, 4096)
	n := testing.AllocsPerRun(1000, func() {
		d.Reset(dialogtest.Base, &batch, nil)
		d.HTTP = &summary
		r.Read(&d, dialog.Client, benchRequest)
		r.Read(&d, dialog.Server, benchAnswer)
	})
	if n > 4 {
		t.Errorf("%v allocations per transaction, want 4 at most", n)
	}
	if len(batch.HTTP) != 1001 {
		t.Errorf("%d transactions, want 1001", len(batch.HTTP))
	}
}

var (
	summary      = weir.HTTP{Status: 200}
	benchRequest = []byte("GET /index.html?id=4711&session=abcdef HTTP/1.1\r\nHost: portal.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: */*\r\nAccept-Language: en\r\nReferer: http://portal.example.com/\r\nConnection: keep-alive\r\n\r\n")
	benchAnswer  = []byte("HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Sat, 21 Nov 2026 09:00:00 GMT\r\nContent-Type: text/html\r\nContent-Length: 100\r\nConnection: keep-alive\r\n\r\n" + strings.Repeat("x", 100))
)

// BenchmarkRead reads a request and its answer of a connection that is kept.
func BenchmarkRead(b *testing.B) {
	r := New()
	var d dialog.Dialog
	var batch weir.Batch
	b.SetBytes(int64(len(benchRequest) + len(benchAnswer)))
	b.ReportAllocs()
	for b.Loop() {
		if len(batch.HTTP) >= 1024 {
			batch.HTTP = batch.HTTP[:0]
		}
		d.Reset(dialogtest.Base, &batch, nil)
		d.HTTP = &summary
		r.Read(&d, dialog.Client, benchRequest)
		r.Read(&d, dialog.Server, benchAnswer)
	}
}

// TestHead reads heads without their conversation, whole and cut.
func TestHead(t *testing.T) {
	request := "GET /a?b=c HTTP/1.1\r\nHost: WWW.example.com:80\r\nUser-Agent: curl\r\n\r\nbody"
	var got weir.HTTP
	if s, want := Client(&got, []byte(request)), (weir.HTTP{Method: "GET", URI: "/a?b=*", Host: "www.example.com", UserAgent: "curl"}); s != wire.Done || got != want {
		t.Errorf("Client = %v, %+v; want %+v", s, got, want)
	}
	got = weir.HTTP{}
	if s := Client(&got, []byte(request[:50])); s != wire.More || got.Host != "www.example.com" {
		t.Errorf("Client of a part = %v, %+v; want More and the host", s, got)
	}
	for in, want := range map[string]uint16{
		"HTTP/1.1 200 OK\r\n": 200, "HTTP/1.0 404\r\n": 404, "HTTP/1.1 101 Switching\r\n": 101,
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: a\r\n\r\nHTTP/1.1 302 Found\r\n": 302,
	} {
		var got weir.HTTP
		if s := Server(&got, []byte(in)); s != wire.Done || got.Status != want {
			t.Errorf("Server(%q) = %v, %d, want %d", in, s, got.Status, want)
		}
	}
}

// FuzzHead: of a head alone, what is kept is bounded and printable, and nothing
// is kept of what is none.
func FuzzHead(f *testing.F) {
	f.Add([]byte("POST /login?user=bob&pw=secret;x HTTP/1.0\nhost:a\n\npw=secret"))
	f.Add([]byte("GET http://u@[::1]:80/a;b=c/d HTTP/1.1\r\nHost: a\r\nUser-Agent: b\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 302 Found\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var got weir.HTTP
		if s := Client(&got, b); s == wire.No && got != (weir.HTTP{}) {
			t.Errorf("Client(%q) = No, but filled %+v", b, got)
		}
		for _, text := range []string{got.Method, got.URI, got.Host, got.UserAgent} {
			if len(text) > uri.MaxMasked || text != uri.Printable([]byte(text), len(text)) {
				t.Errorf("%q of %d octets", text, len(text))
			}
		}
		Server(&got, b)
	})
}
