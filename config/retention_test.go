package config

import (
	"strings"
	"testing"
	"time"
)

func TestRetention(t *testing.T) {
	for _, c := range []struct {
		text string
		want Retention
	}{
		{"", DefaultRetention},
		{"retention: {age: 30d}", Retention{Age: Age(30 * 24 * time.Hour), Size: 50e9}},
		{"retention: {age: 0, size: 0}", Retention{}},
		{"retention: {age: 36h, size: 1.5GiB}", Retention{Age: Age(36 * time.Hour), Size: 3 << 29}},
		{"retention: {size: 2TB}", Retention{Size: 2e12}},
		{"retention: {size: 700 MB}", Retention{Size: 7e8}},
		{"retention: {size: 4096}", Retention{Size: 4096}},
		{"retention: {size: 64KB}", Retention{Size: 64e3}},
		{"retention: {size: 64KiB}", Retention{Size: 64 << 10}},
	} {
		got, err := Parse([]byte(c.text), nil)
		if err != nil {
			t.Errorf("Parse(%q): %v", c.text, err)
			continue
		}
		if got.Retention != c.want {
			t.Errorf("Parse(%q) = %+v, want %+v", c.text, got.Retention, c.want)
		}
	}
}

func TestRetentionRefuses(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"retention: {age: soon}", "soon"},
		{"retention: {age: -3d}", "-3d"},
		{"retention: {size: 5 parsecs}", "no size"},
		{"retention: {size: -5GB}", "no size"},
		{"retention: {size: 99999999999TB}", "more than there is"},
		{"retention: {days: 3}", "unknown key days"},
	} {
		_, err := Parse([]byte(c.text), nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Parse(%q): %v, want an error with %q", c.text, err, c.want)
		}
	}
}
