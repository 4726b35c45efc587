package duckdb

import (
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/query"
)

// TestHostsAreInTheSpan keeps what is told of hosts at the end, after the last
// flow began, within what a question looks at by default.
func TestHostsAreInTheSpan(t *testing.T) {
	s, err := Open(Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	began := time.Date(2026, 11, 21, 9, 14, 1, 0, time.UTC)
	told := began.Add(3 * time.Second)
	if err := s.Append(t.Context(), &weir.Batch{Flows: []weir.Flow{{Start: began, End: began}}, Hosts: []weir.Host{{Time: told, ID: "ip:10.0.0.1"}}}); err != nil {
		t.Fatal(err)
	}
	first, last, err := s.Span(t.Context())
	if err != nil || !first.Equal(began) || !last.Equal(told) {
		t.Errorf("Span() = %v, %v, %v, want %v, %v", first, last, err, began, told)
	}
	q, err := query.Parse("from host")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, err := range s.Query(t.Context(), query.Ask{Query: q, From: first, To: last.Add(time.Microsecond)}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 1 {
		t.Errorf("%d hosts, want 1", n)
	}
}
