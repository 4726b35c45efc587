package weir

import (
	"encoding/json"
	"net/netip"
	"testing"
	"time"
)

// TestJSONRoundTrip sets every column of every table, by the example of its
// own documentation where there is one, writes the record and reads it back.
func TestJSONRoundTrip(t *testing.T) {
	for _, table := range Tables {
		want := table.New()
		for i, c := range table.Columns {
			if c.Computed {
				continue
			}
			if err := want.Set(i, sample(&c)); err != nil {
				t.Errorf("%s.%s: %v", table.Name, c.Name, err)
			}
		}
		text := AppendJSON(nil, want)
		got := table.New()
		if err := ParseJSON(got, text); err != nil {
			t.Fatalf("ParseJSON(%s): %v", text, err)
		}
		if again := AppendJSON(nil, got); string(again) != string(text) {
			t.Errorf("%s: got  %s\nwant %s", table.Name, again, text)
		}
	}
}

func sample(c *Column) any {
	if c.List {
		one := *c
		one.List = false
		return []any{sample(&one), sample(&one)}
	}
	switch c.Type {
	case Int:
		return int64(7)
	case Float, Duration:
		return 1.5
	case Bool:
		return true
	case Addr:
		return netip.MustParseAddr("2001:db8::7")
	case Time:
		return time.Date(2026, 11, 21, 9, 14, 1, 123456000, time.UTC)
	case JSON:
		return json.RawMessage(`[]`)
	}
	if c.Enum != nil {
		return c.Enum[len(c.Enum)-1]
	}
	if c.Name == "flags.up" || c.Name == "flags.down" {
		return "SA"
	}
	return "x"
}

func TestParseJSONRefuses(t *testing.T) {
	for _, in := range []string{
		`{"src.ip":"10.0.0.300"}`, `{"src.port":65536}`, `{"src.port":-1}`, `{"src.port":"http"}`,
		`{"state":"S9"}`, `{"no.such":1}`, `[]`, `{`,
	} {
		if err := ParseJSON(new(Flow), []byte(in)); err == nil {
			t.Errorf("ParseJSON(%s) = nil, want an error", in)
		}
	}
}

func TestAppendJSONStringIsSafe(t *testing.T) {
	for in, want := range map[string]string{
		"a\x1b[31m":          `"a\u001b[31m"`,
		"<script>&":          `"\u003cscript\u003e\u0026"`,
		"\u202egnp.exe":      `"\u202egnp.exe"`,
		"\xff":               `"\ufffd"`,
		"quote\" back\\ é 世": `"quote\" back\\ é 世"`,
	} {
		if got := string(AppendJSONString(nil, in)); got != want {
			t.Errorf("AppendJSONString(%q) = %s, want %s", in, got, want)
		}
	}
}

func FuzzParseJSON(f *testing.F) {
	f.Add([]byte(`{"ts":"2026-11-21T09:14:01Z","src.ip":"10.0.0.1","tls.sni":"x","bytes.up":12}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		var r Flow
		if ParseJSON(&r, in) != nil {
			return
		}
		var again Flow
		if err := ParseJSON(&again, AppendJSON(nil, &r)); err != nil {
			t.Errorf("own output of %s refused: %v", in, err)
		}
	})
}
