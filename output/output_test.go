package output

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/query"
)

var columns = []query.Column{
	{Name: "ts", Type: weir.Time},
	{Name: "src.ip", Type: weir.Addr},
	{Name: "name", Type: weir.String},
	{Name: "n", Type: weir.Int},
	{Name: "list", Type: weir.String, List: true},
	{Name: "p", Fields: []query.Column{{Name: "score", Type: weir.Float}}},
}

var rows = []query.Row{
	{time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC), netip.MustParseAddr("10.0.0.1"), "=cmd()|\x1b[31m", int64(-7), []any{"a", "b"}, query.Record{0.5}},
	{time.Date(1970, 1, 1, 0, 0, 1, 500000000, time.UTC), nil, nil, nil, nil, nil},
}

func write(t *testing.T, o Options) string {
	t.Helper()
	var b strings.Builder
	w, err := New(&b, columns, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if err := w.Row(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(&Summary{Complete: true, Matched: 2, Shown: 2, Scanned: 9}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestFormats(t *testing.T) {
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{Format: "csv"}, "ts,src.ip,name,n,list,p\n2026-11-21T09:00:00Z,10.0.0.1,'=cmd()|\\x1b[31m,-7,\"a, b\",score=0.5\n1970-01-01T00:00:01.5Z,,,,,\n"},
		{Options{Format: "tsv", NoHeader: true, Columns: []string{"n", "ts"}, Time: "unix"}, "-7\t1795251600\n\t1.5\n"},
		{Options{Format: "ndjson", Summary: true, Columns: []string{"name", "n", "p"}}, `{"v":1,"name":"=cmd()|\u001b[31m","n":-7,"p":{"score":0.5}}` + "\n" + `{"v":1}` + "\n" + `{"v":1,"type":"summary","complete":true,"matched":2,"shown":2,"scanned":9}` + "\n"},
		{Options{Format: "json", Columns: []string{"n"}}, "{\"v\":1,\"rows\":[\n{\"v\":1,\"n\":-7},\n{\"v\":1}],\n\"complete\":true,\"matched\":2,\"shown\":2,\"scanned\":9}\n"},
		{Options{Format: "md", Columns: []string{"name", "n"}}, "| name | n |\n|---|---|\n| =cmd()\\|\\\\x1b\\[31m | -7 |\n|  |  |\n"},
		{Options{Format: "table", Columns: []string{"n", "name"}}, " n  name\n-7  =cmd()|\\x1b[31m\n -  -\n"},
		{Options{Format: "template={{.src.ip}} {{index . \"src.ip\"}} {{.n}}"}, "10.0.0.1 10.0.0.1 -7\n  \n"},
		{Options{Format: "template={{.name}}!", Columns: []string{"name"}}, "=cmd()|\\x1b[31m!\n!\n"},
	} {
		if got := write(t, c.o); got != c.want {
			t.Errorf("%+v:\ngot  %q\nwant %q", c.o, got, c.want)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for _, o := range []Options{{Format: "xml"}, {Format: "parquet"}, {Format: "csv", Columns: []string{"nope"}}, {Format: "csv", Time: "stardate"}, {Format: "template={{"}, {Format: "template={{.nope}}"}, {Format: "template={{.src.nope}}"}} {
		if _, err := New(&strings.Builder{}, columns, o); err == nil {
			t.Errorf("New(%+v) = nil, want an error", o)
		}
	}
}

func TestTableFits(t *testing.T) {
	var b strings.Builder
	w, err := New(&b, columns[2:3], Options{Format: "table", Width: 20})
	if err != nil {
		t.Fatal(err)
	}
	for range sampled + 5 {
		if err := w.Row(query.Row{strings.Repeat("wide ", 30)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(nil); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != sampled+6 {
		t.Errorf("%d lines, want %d", len(lines), sampled+6)
	}
	for _, l := range lines {
		if n := len([]rune(l)); n > 20 {
			t.Fatalf("line of %d columns, want 20 at most: %q", n, l)
		}
	}
}

func TestEscape(t *testing.T) {
	for in, want := range map[string]string{
		"plain é 世": "plain é 世", "\x1b[2J\r\n": `\x1b[2J\x0d\x0a`, "a\u202eb": `a\u202eb`, "\xff": `\xff`, "\u009b": `\x9b`, "\u200b": `\u200b`,
	} {
		if got := Escape(in); got != want {
			t.Errorf("Escape(%q) = %q, want %q", in, got, want)
		}
	}
}
