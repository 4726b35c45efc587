package http

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/sharedtest"
	"github.com/weir-nta/weir/internal/uri"
	"github.com/weir-nta/weir/internal/wire"
)

func TestClient(t *testing.T) {
	for in, want := range map[string]weir.HTTP{
		"GET / HTTP/1.1\r\nHost: WWW.Example.com:8080\r\nUser-Agent: curl/8\r\n\r\n":       {Method: "GET", URI: "/", Host: "www.example.com", UserAgent: "curl/8"},
		"POST /login?user=bob&pw=secret&x HTTP/1.0\nhost:a\n\npw=secret":                   {Method: "POST", URI: "/login?user=*&pw=*&x", Host: "a"},
		"CONNECT Example.com:443 HTTP/1.1\r\n\r\n":                                         {Method: "CONNECT", URI: "Example.com:443", Host: "example.com"},
		"GET http://bob:pw@Example.com/a?t=1 HTTP/1.1\r\nHost: other\r\n\r\n":              {Method: "GET", URI: "http://Example.com/a?t=*", Host: "example.com"},
		"GET /a;jsessionid=12AB/b HTTP/1.1\r\nHost: [2001:DB8::1]:80\r\n\r\n":              {Method: "GET", URI: "/a;jsessionid=*/b", Host: "2001:db8::1"},
		"OPTIONS * HTTP/1.1\r\n\r\n":                                                       {Method: "OPTIONS", URI: "*"},
		"GET /?" + strings.Repeat("k", 33) + "&a= HTTP/1.1\r\nUser-Agent: \x1b[0m\r\n\r\n": {Method: "GET", URI: "/?*&a=", UserAgent: `\x1b[0m`},
		"GET /a b HTTP/1.1\r\n\r\n":                                                        {Method: "GET", URI: "/a b"},
		"GET /?redirect=http://u:p@h/?a=b HTTP/1.1\r\nHost: first\r\nHost: second\r\n\r\n": {Method: "GET", URI: "/?redirect=*", Host: "first"},
	} {
		var got weir.HTTP
		if s := Client(&got, []byte(in)); s != wire.Done || got != want {
			t.Errorf("Client(%q) = %v:\n got %+v\nwant %+v", in, s, got, want)
		}
	}
}

// TestPrefixes: no beginning of a request is taken for something else.
func TestPrefixes(t *testing.T) {
	in := "GET /index.html HTTP/1.1\r\nHost: a\r\n\r\n"
	for i := range in {
		if s := Client(new(weir.HTTP), []byte(in[:i])); s != wire.More {
			t.Errorf("Client(%q) = %v, want More", in[:i], s)
		}
	}
	in = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200"
	for i := range in {
		if s := Server(new(weir.HTTP), []byte(in[:i])); s != wire.More {
			t.Errorf("Server(%q) = %v, want More", in[:i], s)
		}
	}
}

func TestNotHTTP(t *testing.T) {
	for _, in := range []string{"\x16\x03\x01", "get / HTTP/1.1\r\n", "EHLO a\r\n", "GET /\r\n", "GET / HTTP/2.0\r\n", " GET", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "A  HTTP/1.1\r\n", strings.Repeat("A", 30), "GET /" + strings.Repeat("a", maxHead)} {
		var got weir.HTTP
		if s := Client(&got, []byte(in)); s != wire.No || got != (weir.HTTP{}) {
			t.Errorf("Client(%.40q) = %v with %+v, want No", in, s, got)
		}
	}
	for _, in := range []string{"220 ready", "HTTP/2 200 \r\n", "HTTP/1.1 2000", "HTTP/1.1 abc ", "HTTP/1.1 099 "} {
		if s := Server(new(weir.HTTP), []byte(in)); s != wire.No {
			t.Errorf("Server(%q) = %v, want No", in, s)
		}
	}
}

func TestServer(t *testing.T) {
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

func TestBounds(t *testing.T) {
	in := fmt.Sprintf("GET /%s HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\n\r\n", strings.Repeat("\xff", 3000), strings.Repeat("h", 1000), strings.Repeat("u", 1000))
	var got weir.HTTP
	if s := Client(&got, []byte(in)); s != wire.Done || len(got.URI) != uri.MaxMasked || len(got.Host) != uri.MaxHost || len(got.UserAgent) != maxUserAgent {
		t.Errorf("%v, lengths %d %d %d, want %d %d %d", s, len(got.URI), len(got.Host), len(got.UserAgent), uri.MaxMasked, uri.MaxHost, maxUserAgent)
	}
}

// TestCaptures: no value of a query survives, in any request of Zeek's traces.
func TestCaptures(t *testing.T) {
	requests := 0
	for _, file := range sharedtest.Captures(t, "conformance/zeek/testing/btest/Traces/http") {
		for _, c := range sharedtest.Conversations(t, file) {
			var got weir.HTTP
			if Client(&got, c.Up) != wire.Done {
				continue
			}
			requests++
			_, query, _ := strings.Cut(got.URI, "?")
			for pair := range strings.FieldsFuncSeq(query, func(r rune) bool { return r == '&' || r == ';' }) {
				if _, value, _ := strings.Cut(pair, "="); value != "" && value != "*" {
					t.Errorf("%s: %s keeps %q", file, got.URI, value)
				}
			}
			if _, err := url.Parse("http://" + got.Host); err != nil && got.Host != "" && !strings.Contains(got.Host, ":") {
				t.Logf("%s: host %q: %v", file, got.Host, err)
			}
		}
	}
	t.Logf("%d requests", requests)
	if requests < 39 {
		t.Errorf("%d requests, want 39", requests)
	}
}

func FuzzClient(f *testing.F) {
	f.Add([]byte("POST /login?user=bob&pw=secret;x HTTP/1.0\nhost:a\n\npw=secret"))
	f.Add([]byte("GET http://u@[::1]:80/a;b=c/d HTTP/1.1\r\nHost: a\r\nUser-Agent: b\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 302 Found\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var got weir.HTTP
		s := Client(&got, b)
		if s == wire.No && got != (weir.HTTP{}) {
			t.Errorf("Client(%q) = No, but filled %+v", b, got)
		}
		for _, text := range []string{got.Method, got.URI, got.Host, got.UserAgent} {
			if len(text) > uri.MaxMasked {
				t.Errorf("%d bytes", len(text))
			}
			for i := range len(text) {
				if text[i] < ' ' || text[i] >= 0x7f {
					t.Errorf("%q is not printable", text)
				}
			}
		}
		Server(&got, b)
	})
}

// TestAllocations: what is not HTTP costs nothing.
func TestAllocations(t *testing.T) {
	in := []byte("\x16\x03\x01\x02\x00")
	var got weir.HTTP
	if n := testing.AllocsPerRun(100, func() { Client(&got, in); Server(&got, in) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func BenchmarkClient(b *testing.B) {
	in := []byte("GET /index.html?id=4711&session=abcdef HTTP/1.1\r\nHost: portal.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: */*\r\nAccept-Language: en\r\nConnection: keep-alive\r\n\r\n")
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		var got weir.HTTP
		Client(&got, in)
	}
}
