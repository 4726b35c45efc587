package memory_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/sharedtest"
	"github.com/weir-nta/weir/query"
	"github.com/weir-nta/weir/store/memory"
)

// TestReference compares the answers with those of the reference evaluator
// over its synthetic network of 37 days. Where the order of rows is not said,
// it does not count.
//
// Differences by design, which the questions here avoid: the score of period
// has another formula; a group of nothing is a row (count 0) and not none;
// apex knows the Public Suffix List; missing comes last when sorted
// descending.
func TestReference(t *testing.T) {
	reference := sharedtest.Path(t, "language/reference")
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("needs python3 to run the reference evaluator")
	}
	asked := questions(t, "testdata/reference.wq")
	dir := t.TempDir()
	in, err := json.Marshal(asked)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "testdata/reference.py", reference, dir)
	cmd.Stdin = bytes.NewReader(in)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	st, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	for _, table := range []*weir.Table{weir.FlowTable, weir.DNSTransactionTable} {
		load(t, st, table, filepath.Join(dir, table.Name+".json"))
	}
	var want struct {
		Now     float64
		Answers []struct {
			Rows  []map[string]any
			Error string
		}
	}
	readJSON(t, filepath.Join(dir, "answers.json"), &want)
	if len(want.Answers) != len(asked) {
		t.Fatalf("got %d answers of the reference for %d questions", len(want.Answers), len(asked))
	}
	now := time.UnixMicro(int64(want.Now * 1e6)).UTC()
	for i, text := range asked {
		if e := want.Answers[i].Error; e != "" {
			t.Errorf("the reference refuses %q: %s", text, e)
			continue
		}
		compareAnswer(t, st, text, now, want.Answers[i].Rows)
	}
}

// questions reads a file of questions, separated by empty lines.
func questions(t *testing.T, file string) []string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for q := range strings.SplitSeq(string(b), "\n\n") {
		if q = strings.TrimSpace(q); q != "" {
			out = append(out, q)
		}
	}
	return out
}

func readJSON(t *testing.T, file string, v any) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
	}
}

func load(t *testing.T, st *memory.Store, table *weir.Table, file string) {
	t.Helper()
	var rows []map[string]any
	readJSON(t, file, &rows)
	if len(rows) < 50_000 {
		t.Fatalf("the reference made %d rows of %s, want 50,000 and more", len(rows), table.Name)
	}
	var b weir.Batch
	for _, row := range rows {
		r := table.New()
		for name, v := range row {
			i := table.Column(name)
			if i < 0 {
				t.Fatalf("the reference has a field %q that table %s has not", name, table.Name)
			}
			if v == nil || table.Columns[i].Computed {
				continue
			}
			if err := r.Set(i, fromReference(&table.Columns[i], v)); err != nil {
				t.Fatal(err)
			}
		}
		b.Add(r)
	}
	if err := st.Append(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
}

func fromReference(c *weir.Column, v any) any {
	if c.List {
		return []any{v}
	}
	switch c.Type {
	case weir.Int:
		return int64(v.(float64))
	case weir.Time:
		return time.UnixMicro(int64(math.Round(v.(float64) * 1e6))).UTC()
	case weir.Addr:
		return netip.MustParseAddr(v.(string))
	}
	return v
}

func compareAnswer(t *testing.T, st *memory.Store, text string, now time.Time, want []map[string]any) {
	t.Helper()
	q, err := query.Parse(text)
	if err != nil {
		t.Errorf("Parse(%q): %v", text, err)
		return
	}
	ask := query.Ask{Query: q, From: now.Add(-24 * time.Hour), To: now, Local: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	var got []map[string]any
	for row, err := range st.Query(context.Background(), ask) {
		if err != nil {
			t.Errorf("%q: %v", text, err)
			return
		}
		m := map[string]any{}
		for i, c := range q.Columns {
			if v := toReference(row[i], c); v != nil {
				m[c.Name] = v
			}
		}
		got = append(got, m)
	}
	for _, m := range want {
		for k, v := range m {
			if v == nil || k == "cid" { // the reference makes up its Community IDs
				delete(m, k)
			}
		}
	}
	if len(q.Stages) == 0 { // whole records: the reference's have fewer fields
		for _, m := range got {
			for k := range m {
				if len(want) > 0 && want[0][k] == nil && !slices.Contains([]string{"dst.asn", "dst.org", "tls.sni", "tls.ja4", "tls.subject", "tls.issuer", "state", "app"}, k) {
					delete(m, k)
				}
			}
		}
	}
	g, w := sortedTexts(got), sortedTexts(want)
	if len(g) != len(w) {
		t.Errorf("%q: got %d rows, want %d", text, len(g), len(w))
		return
	}
	if len(w) == 0 {
		t.Errorf("%q: no rows: this compares nothing", text)
	}
	for i := range w {
		if g[i] != w[i] {
			t.Errorf("%q: got row\n  %s\nwant\n  %s", text, g[i], w[i])
			return
		}
	}
}

// toReference returns a value as the reference has it.
func toReference(v any, c query.Column) any {
	switch v := v.(type) {
	case time.Time:
		return float64(v.UnixMicro()) / 1e6
	case int64:
		return float64(v)
	case netip.Addr:
		return v.String()
	case []any:
		if len(v) == 1 && c.Name == "answer" {
			return v[0]
		}
	case query.Record:
		m := map[string]any{}
		for i, f := range c.Fields {
			if f.Name == "n" {
				m["n"] = float64(v[i].(int64))
			} else if f.Name == "coverage" {
				m["coverage"] = math.Round(v[i].(float64)*100) / 100
			}
		}
		return m
	}
	return v
}

// sortedTexts returns the rows as text with nine digits, in an order of their own.
func sortedTexts(rows []map[string]any) []string {
	out := make([]string, len(rows))
	for i, r := range rows {
		keys := make([]string, 0, len(r))
		for k := range r {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		var b strings.Builder
		for _, k := range keys {
			v := r[k]
			switch x := v.(type) {
			case float64:
				if math.Abs(x) < 1e9 || x != math.Trunc(x) {
					v = fmt.Sprintf("%.5f", x)
				} else {
					v = fmt.Sprintf("%.0f", x)
				}
			case map[string]any: // of period: what is the same in both
				v = fmt.Sprint(x["n"], " ", x["coverage"])
			}
			fmt.Fprintf(&b, "%s=%v; ", k, v)
		}
		out[i] = b.String()
	}
	slices.Sort(out)
	return out
}
