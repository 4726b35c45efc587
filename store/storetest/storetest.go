// Package storetest is what every store must do: the full statement of
// [store.Store], as a suite that each one passes in a one-line test.
package storetest

import (
	"context"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/query"
	"github.com/weir-nta/weir/store"
)

// A Suite says how to open a store.
type Suite struct {
	// Open opens the store that is kept in a folder: a new one if the folder is
	// empty.
	Open func(t testing.TB, dir string) store.Store
	// Twin makes a new store/memory, with which answers are compared. The suite
	// is on the floor of the stores and cannot import one.
	Twin func(t testing.TB) store.Store
	// Persistent says that the records are there again when the store is opened
	// again.
	Persistent bool
}

// Run runs the suite.
func Run(t *testing.T, s Suite) {
	tests := []struct {
		name string
		run  func(*testing.T, Suite)
	}{
		{"Empty", testEmpty},
		{"Append", testAppend},
		{"AppendCancelled", testAppendCancelled},
		{"AppendKeepsNothing", testAppendKeepsNothing},
		{"RoundTrip", testRoundTrip},
		{"Span", testSpan},
		{"Window", testWindow},
		{"Summary", testSummary},
		{"Looks", testLooks},
		{"Stop", testStop},
		{"Cancelled", testCancelled},
		{"Answers", testAnswers},
		{"Differential", testDifferential},
		{"Reference", testReference},
		{"ReadersWhileWriting", testReaders},
		{"RetainAge", testRetainAge},
		{"RetainSize", testRetainSize},
		{"Reopen", testReopen},
		{"Closed", testClosed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.run(t, s) })
	}
}

func (s Suite) open(t testing.TB) store.Store {
	t.Helper()
	st := s.Open(t, t.TempDir())
	t.Cleanup(func() { st.Close() })
	return st
}

var epoch = time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)

// flows makes n flows, a second apart, the first at a time.
func flows(begin time.Time, n int, sensor string) *weir.Batch {
	b := &weir.Batch{}
	for i := range n {
		start := begin.Add(time.Duration(i) * time.Second)
		b.Flows = append(b.Flows, weir.Flow{
			Start: start, End: start.Add(500 * time.Millisecond), Duration: 500 * time.Millisecond, Sensor: sensor,
			Src: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), Dst: netip.MustParseAddr("192.0.2.1"),
			SrcPort: uint16(i), DstPort: 443, Proto: weir.TCP, App: "tls", State: weir.StateSF,
			BytesUp: uint64(i), PacketsUp: 1, TLS: &weir.TLS{SNI: fmt.Sprintf("host%d.example.com", i)},
		})
	}
	return b
}

func mustAppend(t testing.TB, st store.Store, b *weir.Batch) {
	t.Helper()
	if err := st.Append(context.Background(), b); err != nil {
		t.Fatal(err)
	}
}

func mustParse(t testing.TB, text string) *query.Query {
	t.Helper()
	q, err := query.Parse(text)
	if err != nil {
		t.Fatalf("Parse(%q): %v", text, err)
	}
	return q
}

// ask returns the answer to a question over all records.
func ask(t testing.TB, st store.Store, text string) []query.Row {
	t.Helper()
	return askWith(t, st, text, nil)
}

func askWith(t testing.TB, st store.Store, text string, lists *query.Lists) []query.Row {
	t.Helper()
	rows, err := collect(st.Query(context.Background(), query.Ask{Query: mustParse(t, text), Lists: lists}))
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return rows
}

func collect(seq iter.Seq2[query.Row, error]) ([]query.Row, error) {
	var rows []query.Row
	for r, err := range seq {
		if err != nil {
			return rows, err
		}
		rows = append(rows, r)
	}
	return rows, nil
}

func count(t testing.TB, st store.Store, text string) int64 {
	t.Helper()
	rows := ask(t, st, text+" | stats n = count()")
	if len(rows) != 1 || len(rows[0]) != 1 {
		t.Fatalf("%q: got %v, want one row with one number", text, rows)
	}
	return rows[0][0].(int64)
}

// rowText returns a row as it is written in testdata: cells with bars between
// them, missing ones as "-".
func rowText(r query.Row) string {
	cells := make([]string, len(r))
	for i, v := range r {
		cells[i] = cellText(v)
	}
	return strings.Join(cells, " | ")
}

func cellText(v any) string {
	switch v := v.(type) {
	case nil:
		return "-"
	case []any:
		return "[" + cellsText(v) + "]"
	case query.Record:
		return "{" + cellsText(v) + "}"
	case string:
		if v == "" || v == "-" || strings.ContainsAny(v, " |\"\n") {
			return fmt.Sprintf("%q", v)
		}
	}
	return query.Text(v)
}

func cellsText(list []any) string {
	texts := make([]string, len(list))
	for i, v := range list {
		texts[i] = cellText(v)
	}
	return strings.Join(texts, " ")
}

func rowTexts(rows []query.Row) []string {
	out := make([]string, len(rows))
	for i, r := range rows {
		out[i] = rowText(r)
	}
	return out
}

// hasOrder says whether the question leaves its rows in an order.
func hasOrder(q *query.Query) bool {
	ordered := false
	for _, s := range q.Stages {
		switch s.(type) {
		case *query.Sort, *query.Head:
			ordered = true
		case *query.Stats:
			ordered = false
		}
	}
	return ordered
}

// inAnyOrder sorts the texts of rows unless the question says their order.
func inAnyOrder(q *query.Query, texts []string) []string {
	if !hasOrder(q) {
		slices.Sort(texts)
	}
	return texts
}
