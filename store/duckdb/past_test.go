package duckdb

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/query"
	"github.com/weir-nta/weir/store/storetest"
)

// TestLooksByIndex asks what looks back with and without the first-seen index:
// the answers are the same, and only without it a scan is noted.
func TestLooksByIndex(t *testing.T) {
	s := mustOpen(t, Config{Dir: t.TempDir()})
	defer s.Close()
	for part := range uint64(3) {
		if err := s.Append(t.Context(), storetest.RandomBatch(300+part, 400)); err != nil {
			t.Fatal(err)
		}
	}
	texts := []string{
		"since 12h new(src.ip, dst.ip, app) | stats n = count() by src.ip, dst.ip, app",
		"since 20h known(dst.ip, src.ip, 30h) | stats n = count() by src.ip",
		"since 12h app = tls or new(src.ip, dst.ip, app, 5h) | stats n = count() by state",
		"since 6h stats n = count() by src.ip, dst.ip, app | where new(app, src.ip, dst.ip) | extend f = first_seen(src.ip, dst.ip)",
		"since 6h extend f = first_seen(app, dst.ip) | stats n = count() by f",
	}
	answers := func() (rows, notes []string) {
		for _, text := range texts {
			q, err := query.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			a := query.Ask{Query: q, Summary: new(query.Summary)}
			var of []string
			for r, err := range s.Query(t.Context(), a) {
				if err != nil {
					t.Fatalf("%s: %v", text, err)
				}
				of = append(of, fmt.Sprintf("%s: %v", text, r))
			}
			if len(of) == 0 {
				t.Errorf("%s: no rows: this compares nothing", text)
			}
			slices.Sort(of)
			rows, notes = append(rows, of...), append(notes, a.Summary.Notes...)
		}
		return rows, notes
	}
	// what lies within one day, as those 5h, is scanned with an index too
	scanning := func(n string) bool {
		return strings.Contains(n, "no index of these fields") && !strings.Contains(n, "5h")
	}
	want, notes := answers()
	if !slices.ContainsFunc(notes, scanning) {
		t.Errorf("without an index: the notes %q tell of no scan", notes)
	}
	if err := s.KeepSeen(weir.FlowTable, "src.ip", "dst.ip", "app"); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the first one builds the index
		got, notes := answers()
		if !slices.Equal(got, want) {
			t.Errorf("with an index: got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if slices.ContainsFunc(notes, scanning) {
			t.Errorf("with an index: the notes tell of a scan: %q", notes)
		}
	}
	q, err := query.Parse(texts[0])
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Explain(t.Context(), query.Ask{Query: q, To: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)})
	if err != nil || len(p.Looks) != 1 || !p.Looks[0].Indexed || len(p.After) != 0 || !strings.HasPrefix(p.SQL, "SELECT ") {
		t.Errorf("Explain: got %+v, %v; want the look to be answered by the index, and all in SQL", p, err)
	}
}
