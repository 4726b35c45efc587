package sasl

import (
	"encoding/base64"
	"testing"
)

func TestUser(t *testing.T) {
	for _, c := range []struct {
		mechanism string
		responses []string
		want      string
	}{
		{"plain", []string{"\x00bob\x00secret"}, "bob"},
		{"PLAIN", []string{"admin\x00bob\x00secret"}, "bob"},
		{"PLAIN", []string{"\x00secret"}, ""},
		{"LOGIN", []string{"bob@example.com", "secret"}, "bob@example.com"},
		{"CRAM-MD5", []string{"a b 0123456789abcdef"}, "a b"},
		{"XOAUTH2", []string{"user=bob\x01auth=Bearer abc\x01\x01"}, "bob"},
		{"OAUTHBEARER", []string{"n,a=bob,\x01host=a\x01auth=Bearer abc\x01\x01"}, "bob"},
		{"SCRAM-SHA-256", []string{"n,,n=bob,r=abc", "c=biws,r=abc,p=secret"}, "bob"},
		{"DIGEST-MD5", []string{`username="bob",realm="a",response=abc`}, "bob"},
		{"NTLM", []string{"secret"}, ""},
		{"X-OWN", []string{"secret"}, ""},
	} {
		var e Exchange
		e.Begin([]byte(c.mechanism))
		got := ""
		for _, r := range c.responses {
			got += string(e.Response([]byte(base64.StdEncoding.EncodeToString([]byte(r)))))
		}
		if got != c.want {
			t.Errorf("%s %q: user %q, want %q", c.mechanism, c.responses, got, c.want)
		}
	}
	var e Exchange
	if e.Begin([]byte("\x1b[0m")); e.Mechanism != "unknown" {
		t.Errorf("mechanism %q, want unknown", e.Mechanism)
	}
	e.Begin([]byte("PLAIN"))
	if got := e.Response([]byte("!!not base64!!")); got != nil {
		t.Errorf("not base64: %q, want nothing", got)
	}
}
