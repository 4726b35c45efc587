package demo

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/weir-nta/weir/config"
	"github.com/weir-nta/weir/internal/sharedtest"
	"github.com/weir-nta/weir/output"
	"github.com/weir-nta/weir/query"
	"github.com/weir-nta/weir/store/memory"
)

var update = flag.Bool("update", false, "write the answers into docs/hunt/README.md")

const hunting = "../docs/hunt/README.md"

// aHunt is a question of the page and, in a second block, what it finds.
var aHunt = regexp.MustCompile("(?s)## ([^\n]+)\n.*?```wq\n(.*?)```\n\n```text\n(.*?)```")

// TestHunts asks the questions of docs/hunt/README.md and wants what is
// printed there, and in each answer the host that the demo planted.
func TestHunts(t *testing.T) {
	page, err := os.ReadFile(hunting)
	if err != nil {
		t.Fatal(err)
	}
	planted := map[string]string{
		"A port scan inside": "10.10.1.52",
		"A slow one":         "10.10.1.53",
		"Many names of one zone, asked by one host": "10.10.1.17",
		"A clock":                             "10.10.1.23",
		"Connections longer than eight hours": "10.10.1.29",
		"Remote administration answered from the internet": "10.20.0.16",
		"DNS over HTTPS outside policy":                    "10.10.1.36",
		"ICMP carrying data":                               "10.10.1.27",
		"Devices leaving their lane":                       "10.30.0.22",
		"A sensor that hears one side only":                "branch-2",
	}
	st := stored(t)
	answered := aHunt.ReplaceAllFunc(page, func(block []byte) []byte {
		m := aHunt.FindSubmatch(block)
		title, text, want := string(m[1]), string(m[2]), string(m[3])
		got := answer(t, st, text)
		if !*update && got != want {
			t.Errorf("%s: got\n%swant\n%s", title, got, want)
		}
		if p := planted[title]; p == "" || !strings.Contains(got, p) {
			t.Errorf("%s: got\n%swant %q in it", title, got, p)
		}
		delete(planted, title)
		return []byte(strings.TrimSuffix(string(block), want+"```") + got + "```")
	})
	if *update {
		if err := os.WriteFile(hunting, answered, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for title := range planted {
		t.Errorf("%s: not on the page", title)
	}
}

// TestTwentyHunts asks the questions of docs/hunt/hunts.md, and wants what is
// printed there.
func TestTwentyHunts(t *testing.T) {
	const file = "../docs/hunt/hunts.md"
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	st := stored(t)
	n := 0
	answered := aHunt.ReplaceAllFunc(page, func(block []byte) []byte {
		m := aHunt.FindSubmatch(block)
		title, text, want := string(m[1]), string(m[2]), string(m[3])
		n++
		got := answer(t, st, text)
		if !*update && got != want {
			t.Errorf("%s: got\n%swant\n%s", title, got, want)
		}
		if len(strings.Split(got, "\n")) < 3 {
			t.Errorf("%s finds nothing:\n%s", title, got)
		}
		return []byte(strings.TrimSuffix(string(block), want+"```") + got + "```")
	})
	if n != 20 {
		t.Errorf("%d hunts on the page, want 20", n)
	}
	if *update {
		if err := os.WriteFile(file, answered, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// stored returns a store with the records of the demo and their groups.
func stored(t *testing.T) *memory.Store {
	t.Helper()
	st, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	border, err := Networks().New()
	if err != nil {
		t.Fatal(err)
	}
	for b := range Records(Seed) {
		border.Enrich(b)
		if err := st.Append(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	return st
}

// lists are those that docs/hunt/hunts.md has in its configuration.
var lists = sync.OnceValue(func() *query.Lists {
	page, err := os.ReadFile("../docs/hunt/hunts.md")
	if err != nil {
		panic(err)
	}
	c, err := config.Parse(regexp.MustCompile("(?s)```yaml\n(.*?)```").FindSubmatch(page)[1], nil)
	if err != nil {
		panic(err)
	}
	return c.Lists
})

// rows calls yield with each row of the answer.
func rows(t *testing.T, st *memory.Store, q *query.Query, yield func(query.Row)) {
	t.Helper()
	for row, err := range st.Query(t.Context(), query.Ask{Query: q, From: Start(), To: End(), Lists: lists()}) {
		if err != nil {
			t.Fatal(err)
		}
		yield(row)
	}
}

func answer(t *testing.T, st *memory.Store, text string) string {
	t.Helper()
	q, err := query.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	var b bytes.Buffer
	w, err := output.New(&b, q.Columns, output.Options{Format: "table"})
	if err != nil {
		t.Fatal(err)
	}
	rows(t, st, q, func(row query.Row) {
		if err := w.Row(row); err != nil {
			t.Fatal(err)
		}
	})
	if err := w.Close(nil); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestReferenceHunts asks the worked hunts of the language's definition.
func TestReferenceHunts(t *testing.T) {
	page, err := os.ReadFile(sharedtest.Path(t, "language/reference/hunts.wq"))
	if err != nil {
		t.Fatal(err)
	}
	type want struct {
		column string
		values []string
	}
	wants := map[string]want{
		"H01": {"src.ip", []string{"10.10.1.31"}},
		"H02": {"src.ip", []string{"10.10.1.23"}},
		"H03": {"src", []string{"10.10.1.17"}},
		"H04": {"src.ip", []string{"10.20.0.15"}},
		"H05": {"src.ip", []string{"10.10.1.52"}},
		"H06": {"dst.ip", []string{"10.20.0.16"}},
		"H07": {"src.ip", []string{"10.10.1.29"}},
		"H08": {"dst.ip", []string{"10.20.0.14", "10.20.0.15", "10.20.0.16"}},
		"H09": {"src.ip", []string{"10.10.1.38"}},
		"H10": {"src.ip", []string{"10.10.1.40", "10.20.0.15"}},
		"H11": {"src.ip", []string{"10.10.1.36"}},
		"H12": {"src.ip", []string{"10.10.1.41"}},
		"H13": {"src.ip", []string{"10.10.1.31"}},
		"H14": {"src.ip", []string{"10.10.1.33"}},
		"H15": {"src.ip", []string{"10.10.1.27"}},
		"H16": {"src", []string{"10.10.1.19"}},
		"H17": {"src.ip", []string{"10.10.1.46"}},
		"H18": {"src.ip", []string{"10.30.0.22"}},
		"H19": {"src.ip", []string{"10.10.1.21", "10.10.1.23"}},
		"H20": {"sensor", []string{"branch-2"}},
	}
	st := stored(t)
	asked := 0
	for part := range strings.SplitSeq("\n"+string(page), "\n## ") {
		title, text, _ := strings.Cut(part, "\n")
		id, _, _ := strings.Cut(title, " ")
		w, ok := wants[id]
		if !ok {
			continue
		}
		asked++
		q, err := query.Parse(text)
		if err != nil {
			t.Errorf("%s: %v", title, err)
			continue
		}
		column := slices.IndexFunc(q.Columns, func(c query.Column) bool { return c.Name == w.column })
		var got []string
		rows(t, st, q, func(row query.Row) { got = append(got, fmt.Sprint(row[column])) })
		slices.Sort(got)
		if got = slices.Compact(got); !slices.Equal(got, w.values) {
			t.Errorf("%s: got %v, want %v", title, got, w.values)
		}
	}
	if asked != len(wants) {
		t.Errorf("%d hunts asked, want %d", asked, len(wants))
	}
}
