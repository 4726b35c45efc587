package uri

import (
	"strings"
	"testing"
)

func TestMasked(t *testing.T) {
	for in, want := range map[string]string{
		"":                                     "",
		"/a?user=x&pw=secret&flag":             "/a?user=*&pw=*&flag",
		"/a;jsessionid=1234/b?x=":              "/a;jsessionid=*/b?x=",
		"http://me:pw@h.example/p?q=1":         "http://h.example/p?q=*",
		"/?" + strings.Repeat("t", 40):         "/?*",
		"/\x1b?k\x00=v":                        `/\x1b?k\x00=*`,
		"/" + strings.Repeat("a", 2*MaxMasked): "/" + strings.Repeat("a", MaxMasked-1),
	} {
		if got := Masked([]byte(in)); got != want {
			t.Errorf("Masked(%.60q) = %.60q, want %.60q", in, got, want)
		}
	}
}

func TestHost(t *testing.T) {
	for in, want := range map[string]string{"": "", "WWW.Example.com:8080": "www.example.com", "[2001:DB8::1]:443": "2001:db8::1", "2001:db8::1": "2001:db8::1"} {
		if got := Host([]byte(in)); got != want {
			t.Errorf("Host(%q) = %q, want %q", in, got, want)
		}
	}
}

// TestHostWithoutUser: who logs on is left out where only a host belongs.
func TestHostWithoutUser(t *testing.T) {
	for in, want := range map[string]string{
		"joe:hunter2@example.com:80": "example.com", "joe:hunter2@example.com": "example.com", "joe:hunter2@[2001:db8::1]:443": "2001:db8::1",
		"a@b@example.com": "example.com", "example.com:8080": "example.com",
	} {
		if got := Host([]byte(in)); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}
