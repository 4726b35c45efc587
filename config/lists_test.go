package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-nta/weir/query"
)

func TestLists(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"weir.yaml":     "lists:\n  scanners: [10.20.0.40, 10.9.0.0/24]\n  ports: [22, 3389]\n  doh: doh.txt\nintel:\n  misp: misp.csv\n  feed: feed.jsonl\n  own:\n    - 203.0.113.77\n    - {value: Login.Evil.Example., expires: 2026-12-24, source: cert}\n",
		"doh.txt":       "# resolvers\n192.0.2.53\n\ndoh.resolver.example # the one we know\nMozilla/5.0 (a, b)\n",
		"misp.csv":      "source,value,expires\ncircl,evil.example,2026-11-21T00:00:00Z\n# no more\n,203.0.113.0/24,\n",
		"feed.jsonl":    `{"value":"D41D8CD98F00B204E9800998ECF8427E"}` + "\n",
		"bad.yaml":      "lists: {x: nosuch.txt}",
		"bad-time.yaml": "intel: {x: [{value: a, expires: soon}]}",
		"bad-key.yaml":  "intel: {x: [{value: a, until: 2026-12-24}]}",
		"bad-name.yaml": "lists: {\"a b\": [1]}",
		"bad-kind.yaml": "lists: {a: {b: c}}",
		"empty.yaml":    "lists: {a: [\"\"]}",
		"comma.yaml":    "intel: {a: comma.csv}",
		"comma.csv":     "10.0.0.1,2026-12-01\n10.0.0.2,later,x\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := Load(filepath.Join(dir, "weir.yaml"), nil)
	if err != nil {
		t.Fatal(err)
	}
	day := func(d int, m time.Month) time.Time { return time.Date(2026, m, d, 0, 0, 0, 0, time.UTC) }
	want := &query.Lists{
		Named: map[string][]query.Entry{
			"scanners": {{Value: "10.20.0.40"}, {Value: "10.9.0.0/24"}}, "ports": {{Value: "22"}, {Value: "3389"}},
			"doh": {{Value: "192.0.2.53"}, {Value: "doh.resolver.example"}, {Value: "Mozilla/5.0 (a, b)"}},
		},
		Intel: []query.Entry{
			{Value: "d41d8cd98f00b204e9800998ecf8427e", Source: "feed"},
			{Value: "evil.example", Source: "circl", Expires: day(21, time.November)}, {Value: "203.0.113.0/24", Source: "misp"},
			{Value: "203.0.113.77", Source: "own"}, {Value: "login.evil.example", Source: "cert", Expires: day(24, time.December)},
		},
	}
	if d := cmp.Diff(want, c.Lists); d != "" {
		t.Errorf("lists (-want +got):\n%s", d)
	}
	for name, want := range map[string]string{
		"bad.yaml":      "lists: x: open",
		"bad-time.yaml": `intel: x: value 1: expires: "soon" is not a time`,
		"bad-key.yaml":  "unknown key until",
		"bad-name.yaml": "a name has letters",
		"bad-kind.yaml": "want values, or the path of a file",
		"empty.yaml":    "value 1: no value",
		"comma.yaml":    `line 2: expires: "later" is not a time`,
	} {
		_, err := Load(filepath.Join(dir, name), nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want %q in it", name, err, want)
		}
	}
}
