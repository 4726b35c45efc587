package memory_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/weir-nta/weir/query"
	"github.com/weir-nta/weir/query/exec"
	"github.com/weir-nta/weir/store/memory"
	"github.com/weir-nta/weir/store/storetest"
)

// FuzzQuery asks whatever is a question: no panic, no value of another type
// than the columns say, and the same answer to the canonical text.
func FuzzQuery(f *testing.F) {
	st, err := memory.New(memory.Config{})
	if err != nil {
		f.Fatal(err)
	}
	if err := st.Append(context.Background(), storetest.RandomBatch(5, 40)); err != nil {
		f.Fatal(err)
	}
	for _, file := range []string{"../../query/testdata/accepted.txt", "../storetest/testdata/answers.txt"} {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for line := range strings.SplitSeq(string(b), "\n") {
			for _, prefix := range []string{"> ", "ask "} {
				if text, ok := strings.CutPrefix(line, prefix); ok {
					f.Add(text)
				}
			}
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := query.Parse(text)
		if err != nil {
			return
		}
		again, err := query.Parse(q.String())
		if err != nil {
			t.Fatalf("Parse(%q) of the canonical text of %q: %v", q.String(), text, err)
		}
		got, want := answer(t, st, again), answer(t, st, q)
		if !slices.Equal(got, want) {
			t.Errorf("%q and its canonical text %q differ:\n%v\n%v", text, q, want, got)
		}
	})
}

func answer(t *testing.T, st *memory.Store, q *query.Query) []string {
	var out []string
	var refused *query.Error
	for r, err := range st.Query(context.Background(), query.Ask{Query: q, Lists: storetest.Lists}) {
		if errors.Is(err, exec.ErrTooLarge) || errors.As(err, &refused) { // a list that there is not
			return nil
		}
		if err != nil {
			t.Fatalf("%q: %v", q, err)
		}
		if len(r) != len(q.Columns) {
			t.Fatalf("%q: a row has %d values for %d columns", q, len(r), len(q.Columns))
		}
		for i, c := range q.Columns {
			if !hasType(r[i], c) {
				t.Fatalf("%q: column %s of type %v (list %v) holds a %T: %v", q, c.Name, c.Type, c.List, r[i], r[i])
			}
		}
		out = append(out, fmt.Sprint(r))
	}
	slices.Sort(out)
	return out
}
