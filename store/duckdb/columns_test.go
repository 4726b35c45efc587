package duckdb

import (
	"errors"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/store"
)

// hasColumn says whether the conn table of a segment has a column.
func hasColumn(t *testing.T, s *Store, segment, column string) bool {
	t.Helper()
	n, err := s.segs.admin.number(t.Context(), "SELECT count(*) FROM duckdb_columns() WHERE database_name = ? AND table_name = 'conn' AND column_name = ?", segment, column)
	if err != nil {
		t.Fatal(err)
	}
	return n == 1
}

// plainFlows fill few columns.
func plainFlows(n int, seed uint64) *weir.Batch {
	b := &weir.Batch{Flows: office(n, seed)}
	for i := range b.Flows {
		f := &b.Flows[i]
		f.TLS, f.DstHost, f.DstDomain = nil, "", ""
	}
	return b
}

// richFlows fill more.
func richFlows(n int, seed uint64) *weir.Batch {
	b := &weir.Batch{Flows: office(n, seed)}
	for i := range b.Flows {
		b.Flows[i].HTTP = &weir.HTTP{Method: "GET", Host: "portal.example.com", Status: 200}
		b.Flows[i].DstASN = 64500
	}
	return b
}

var columnQuestions = []string{
	"from conn", "has http.host", "missing http.host", "tls.sni != http.host", "not vlan = 7", "http.status between 100 and 300",
	"stats n = count(), dcount(dst.asn), values(http.host), max(tls.ja4) by vlan", "sort -http.status, tls.sni, ts | head 50",
}

// TestColumnsWhenFilled appends records that fill more and more columns: in
// one transaction, across commits, after one that was given up, after closing
// and in a second segment. A file has a column from the first value on.
func TestColumnsWhenFilled(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, Config{Dir: dir, sealRows: 20_000})
	twin := slow(t)
	add := func(b *weir.Batch, flush bool) {
		t.Helper()
		if err := errors.Join(s.Append(t.Context(), b), twin.Append(t.Context(), b)); err != nil {
			t.Fatal(err)
		}
		if !flush {
			return
		}
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	check := func(segment, column string, want bool) {
		t.Helper()
		if got := hasColumn(t, s, segment, column); got != want {
			t.Errorf("%s has column %s: %v, want %v", segment, column, got, want)
		}
	}

	add(plainFlows(5000, 1), true)
	check("s1", "tls.sni", false)
	compareStores(t, s, twin, columnQuestions)

	if err := s.Append(t.Context(), richFlows(5000, 2)); err != nil {
		t.Fatal(err)
	}
	spoil(t, s, 5000)
	check("s1", "http.host", false)

	add(plainFlows(3000, 3), false)
	add(richFlows(3000, 4), false)
	add(plainFlows(30, 5), true)
	check("s1", "http.host", true)
	check("s1", "vlan", false)
	compareStores(t, s, twin, columnQuestions)

	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, Config{Dir: dir, sealRows: 20_000})
	tagged := plainFlows(12_000, 6)
	for i := range tagged.Flows {
		f := &tagged.Flows[i]
		f.VLAN, f.Start, f.End = 7, f.Start.Add(24*time.Hour), f.End.Add(24*time.Hour)
	}
	add(tagged, true)
	check("s1", "vlan", true)
	add(plainFlows(3000, 7), true)
	check("s2", "http.host", false)
	compareStores(t, s, twin, columnQuestions)
}

// spoil makes the transaction under way fail, of which so many records are lost.
func spoil(t *testing.T, s *Store, records int64) {
	t.Helper()
	c := newChunk(&layout{table: weir.OddityTable, fields: []field{{name: "twice"}, {name: "twice"}}})
	c.rows, c.filled = 1, []bool{true, true}
	s.orders <- order{chunk: c}
	var lost *store.LostError
	if err := s.Flush(t.Context()); !errors.As(err, &lost) || lost.Records != records {
		t.Errorf("Flush of %d records = %v, %+v, want them lost", records, err, lost)
	}
	(<-s.spare[layoutOf(weir.OddityTable).place()]).close()
	if err := s.Flush(t.Context()); err != nil {
		t.Errorf("the next Flush = %v, want none: the store goes on", err)
	}
}

// TestLost checks that what a commit lost that nobody waited for is told to
// whoever appends next, once.
func TestLost(t *testing.T) {
	s := mustOpen(t, Config{Dir: t.TempDir(), commitRows: 3000})
	if err := s.Append(t.Context(), plainFlows(2500, 1)); err != nil {
		t.Fatal(err)
	}
	c := newChunk(&layout{table: weir.OddityTable, fields: []field{{name: "twice"}, {name: "twice"}}})
	c.rows, c.filled = 1, []bool{true, true}
	s.orders <- order{chunk: c}
	var lost *store.LostError
	for n := int64(2500); ; n += 1000 {
		err := s.Append(t.Context(), plainFlows(1000, 2))
		if err == nil {
			continue
		}
		if !errors.As(err, &lost) || lost.Records > n+1000 || lost.Records < 2500+1000 {
			t.Errorf("Append of 1000 records after %d: %v, %+v, want those of the transaction lost, and its own", n, err, lost)
		}
		if kept := countIn(s, ""); kept != n+1000-lost.Records {
			t.Errorf("%d records of %d are kept and %d told lost", kept, n+1000, lost.Records)
		}
		break
	}
	(<-s.spare[layoutOf(weir.OddityTable).place()]).close()
}

// TestWidenMany gives a segment of many records, most of them committed and
// compressed, a column.
func TestWidenMany(t *testing.T) {
	s := mustOpen(t, Config{Dir: t.TempDir(), commitRows: rowGroup})
	for i := range uint64(5) {
		if err := s.Append(t.Context(), plainFlows(60_000, i)); err != nil {
			t.Fatal(err)
		}
	}
	rich := richFlows(3000, 9)
	if err := s.Append(t.Context(), rich); err != nil {
		t.Fatal(err)
	}
	want := int64(len(rich.Flows))
	for _, text := range []string{"has http.host", "http.status = 200", "dst.asn = 64500"} {
		if got := countIn(s, text); got != want {
			t.Errorf("%s: %d records, want %d", text, got, want)
		}
	}
	if got := countIn(s, "missing http.host"); got != 300_000 {
		t.Errorf("missing http.host: %d records, want 300000", got)
	}
}
