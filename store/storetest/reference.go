package storetest

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
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
	"github.com/weir-nta/weir/store"
)

var (
	//go:embed testdata/reference.py
	referenceScript []byte
	//go:embed testdata/reference.wq
	moreQuestions string
)

// A referenceAnswer is what the reference evaluator says to a question.
type referenceAnswer struct {
	Title, Text string
	Rows        []map[string]any
	Scanned     int64
	Sort        string // the first column sorted by, empty for no order
	Error, Fix  string // why it refuses the question, and what it proposes
}

// testReference asks the hunts and the dialect questions of the language's
// definition, and some more, over its synthetic network of 37 days, and wants
// the answers of its evaluator: the same rows in the same order of the sort,
// the same refusals with the same fix.
//
// The differences, by design:
//
//   - Records of Weir have more fields: of whole records, those of the
//     reference are compared. It makes up its Community IDs, which are not.
//   - period is not rounded, and its score is another formula, that of
//     internal/periodic: the other parts are compared as rounded.
//   - gap is not rounded to tenths.
//   - usual repeats all stages before its stats in the earlier windows, as
//     "off-hours upload above its own usual" (H17) says, and not the filter
//     alone; it is missing where there are fewer than 7 windows, as the
//     definition says.
//   - apex knows the Public Suffix List, as the definition says.
//   - A group of nothing is a row (count 0), and missing comes last also where
//     it is sorted descending.
//   - Of rows that are equal in what they are sorted by, top, rare and head
//     keep others: of those equal to the last one, only that is compared.
//   - "share ~ ADMIN" is refused with "~ /ADMIN/", as the definition says.
func testReference(t *testing.T, s Suite) {
	folder := sharedtest.Path(t, "language/reference")
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("needs python3 to run the reference evaluator")
	}
	dir := t.TempDir()
	in, err := json.Marshal(separated(moreQuestions))
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(dir, "reference.py")
	if err := os.WriteFile(script, referenceScript, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python, script, folder, dir)
	cmd.Stdin = bytes.NewReader(in)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	st := s.open(t)
	for _, table := range []string{"conn", "dns", "kerberos", "smb", "dce_rpc", "http"} {
		loadReference(t, st, weir.TableByName(table), filepath.Join(dir, table+".json"))
	}
	b, err := os.ReadFile(filepath.Join(dir, "answers.json"))
	if err != nil {
		t.Fatal(err)
	}
	var want struct {
		Now     float64
		Lists   map[string][]string
		Answers []referenceAnswer
	}
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	if len(want.Answers) < 20+34 {
		t.Fatalf("the reference gave %d answers, want those of 20 hunts and 34 dialect questions", len(want.Answers))
	}
	now := time.UnixMicro(int64(want.Now * 1e6)).UTC()
	for _, w := range want.Answers {
		if w.Error != "" {
			compareRefusal(t, w)
			continue
		}
		a := query.Ask{From: now.Add(-24 * time.Hour), To: now, Local: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Lists: referenceLists(want.Lists)}
		compareReference(t, st, a, w)
	}
}

// separated returns the questions of a text, with empty lines between them.
func separated(text string) []string {
	var out []string
	for q := range strings.SplitSeq(text, "\n\n") {
		if q = strings.TrimSpace(q); q != "" {
			out = append(out, q)
		}
	}
	return out
}

func referenceLists(lists map[string][]string) *query.Lists {
	out := &query.Lists{Named: map[string][]query.Entry{}}
	for name, values := range lists {
		var entries []query.Entry
		for _, v := range values {
			entries = append(entries, query.Entry{Value: v})
		}
		if name == "@intel" {
			out.Intel = entries
		} else if list, ok := strings.CutPrefix(name, "@list:"); ok {
			out.Named[list] = entries
		}
	}
	return out
}

// loadReference appends the records of a file of JSON lines.
func loadReference(t *testing.T, st store.Store, table *weir.Table, file string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b weir.Batch
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var row map[string]any
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			t.Fatal(err)
		}
		r := table.New()
		for name, v := range row {
			i := table.Column(name)
			switch {
			case i < 0 && name == "cid":
				continue
			case i < 0:
				t.Fatalf("the reference has a field %q that table %s has not", name, table.Name)
			case v == nil || table.Columns[i].Computed:
				continue
			}
			if err := r.Set(i, fromReference(&table.Columns[i], v)); err != nil {
				t.Fatal(err)
			}
		}
		b.Add(r)
	}
	if b.Len() == 0 {
		t.Fatalf("the reference made no records of %s", table.Name)
	}
	mustAppend(t, st, &b)
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

// compareRefusal wants that a question is refused, with the fix of the reference.
func compareRefusal(t *testing.T, w referenceAnswer) {
	_, err := query.Parse(w.Text)
	refused, ok := err.(*query.Error)
	if !ok {
		t.Errorf("%q: got %v, want it to be refused: %s", w.Text, err, w.Error)
		return
	}
	plain := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	fix := strings.Replace(plain(w.Fix), "~ /pattern/", "~ /ADMIN/", 1)
	if !strings.Contains(plain(refused.Render()), fix) {
		t.Errorf("%q: got\n%swant the fix %q in it", w.Text, refused.Render(), fix)
	}
}

func compareReference(t *testing.T, st store.Store, a query.Ask, w referenceAnswer) {
	q, err := query.Parse(w.Text)
	if err != nil {
		t.Errorf("Parse(%q): %v", w.Text, err)
		return
	}
	a.Query, a.Summary = q, new(query.Summary)
	answer, err := collect(st.Query(context.Background(), a))
	if err != nil {
		t.Errorf("%q: %v", w.Text, err)
		return
	}
	if a.Summary.Scanned != w.Scanned {
		t.Errorf("%q: %d records scanned, want %d", w.Text, a.Summary.Scanned, w.Scanned)
	}
	names := map[string]bool{}
	for _, m := range w.Rows {
		for k := range m {
			names[k] = k != "cid"
		}
	}
	var got []map[string]any
	for _, row := range answer {
		m := map[string]any{}
		for i, c := range q.Columns {
			if names[c.Name] {
				m[c.Name] = toReference(row[i], c)
			}
		}
		got = append(got, m)
	}
	if len(got) != len(w.Rows) {
		t.Errorf("%s: %q: got %d rows, want %d", w.Title, w.Text, len(got), len(w.Rows))
		return
	}
	if len(w.Rows) == 0 {
		t.Errorf("%q: no rows: this compares nothing", w.Text)
	}
	if by := keptBy(q); by != "" && len(got) > 0 {
		forgetTies(got, by)
		forgetTies(w.Rows, by)
	}
	g, r := referenceTexts(got, names), referenceTexts(w.Rows, names)
	if w.Sort != "" {
		order := map[string]bool{w.Sort: true}
		if go1, r1 := referenceTexts(got, order), referenceTexts(w.Rows, order); !slices.Equal(go1, r1) {
			t.Errorf("%s: %q: order by %s: got %v, want %v", w.Title, w.Text, w.Sort, go1, r1)
		}
	}
	slices.Sort(g)
	slices.Sort(r)
	for i := range r {
		if g[i] != r[i] {
			t.Errorf("%s: %q: got row\n  %s\nwant\n  %s", w.Title, w.Text, g[i], r[i])
			return
		}
	}
}

// forgetTies leaves of the rows that are equal to the last one in a column only
// that.
func forgetTies(rows []map[string]any, column string) {
	last := rows[len(rows)-1][column]
	for i, r := range rows {
		if r[column] == last {
			rows[i] = map[string]any{column: last}
		}
	}
}

// keptBy returns the column by which a question keeps only some rows of many,
// empty if it keeps all.
func keptBy(q *query.Query) (column string) {
	for i, s := range q.Stages {
		if _, ok := s.(*query.Head); !ok || i == 0 {
			continue
		}
		if sort, ok := q.Stages[i-1].(*query.Sort); ok && len(sort.Keys) > 0 {
			column = sort.Keys[0].X.Column().Name
		}
	}
	return column
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
		if len(v) == 1 && (c.Name == "answer" || c.Name == "then.answer") {
			return v[0]
		}
	case query.Record:
		m := map[string]any{}
		for i, f := range c.Fields {
			m[f.Name] = toReference(v[i], f)
		}
		return m
	}
	return v
}

// referenceTexts returns the rows as text, of the columns of names only.
func referenceTexts(rows []map[string]any, names map[string]bool) []string {
	out := make([]string, len(rows))
	for i, r := range rows {
		keys := make([]string, 0, len(r))
		for k, v := range r {
			if v != nil && names[k] {
				keys = append(keys, k)
			}
		}
		slices.Sort(keys)
		var b strings.Builder
		for _, k := range keys {
			fmt.Fprintf(&b, "%s=%v; ", k, referenceCell(k, r[k]))
		}
		out[i] = b.String()
	}
	return out
}

func referenceCell(name string, v any) any {
	switch v := v.(type) {
	case float64:
		switch {
		case name == "gap":
			return fmt.Sprintf("%.1f", v)
		case v == math.Trunc(v):
			return fmt.Sprintf("%.0f", v)
		}
		return fmt.Sprintf("%.10g", v)
	case map[string]any: // of period
		cell := fmt.Sprintf("n=%v", v["n"])
		for part, digits := range map[string]int{"interval": 1, "jitter": 3, "coverage": 2} {
			if f, ok := v[part].(float64); ok {
				cell += fmt.Sprintf(" %s=%.*f", part, digits, f)
			}
		}
		return strings.Join(sortedFields(cell), " ")
	}
	return v
}

func sortedFields(s string) []string { return slices.Sorted(strings.FieldsSeq(s)) }
