package duckdb

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/query"
	"github.com/weir-nta/weir/store/storetest"
)

// seenWindows are times around the two days of RandomBatch: open, with borders
// in the middle of a day, at midnight, and in one day.
func seenWindows() (windows [][2]time.Time) {
	day := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	h := func(n float64) time.Time { return day.Add(time.Duration(n * float64(time.Hour))) }
	return [][2]time.Time{{}, {h(-100), h(100)}, {{}, h(9.5)}, {h(9.5), {}}, {h(3), h(27)}, {h(3.25), h(40)}, {h(24), h(48)}, {h(20), h(24)}, {h(23.9), h(24.1)}, {h(2), h(5)}, {h(30), h(30)}}
}

func mustParse(t testing.TB, text string) *query.Query {
	t.Helper()
	q, err := query.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return q
}

// distinct takes the aggregates away: what is left is what new and known ask.
func distinct(q *query.Query) {
	st := q.Stages[0].(*query.Stats)
	st.Aggs, st.Cols = nil, st.Cols[:len(st.By)]
	q.Columns = st.Cols
}

// sameSeen asks both stores for what an index answers. It returns how often
// the index did.
func sameSeen(t *testing.T, indexed, plain *Store, round int) (used int) {
	t.Helper()
	var questions []*query.Query
	for _, text := range []string{
		"stats n = count() by src.ip, dst.ip", "stats n = count() by dst.ip", "stats n = count() by dst.ip, dst.port, src.ip",
		"stats n = count() by app", "stats n = count() by tls.ja4, src.ip", "from dns stats n = count() by query",
	} {
		q := mustParse(t, text)
		distinct(q)
		questions = append(questions, q)
	}
	for _, text := range []string{
		"stats first = min(ts) by dst.ip, src.ip", "from dns stats first = min(ts) by query, src.ip", "stats n = count() by src.ip",
		"bytes.up > 1000 | stats first = min(ts) by src.ip", "stats first = min(ts) by src.ip, dst.ip | stats n = count()",
		"new(src.ip, dst.ip, 12h)", "from dns known(query, 30d)", "first_seen(src.ip, dst.ip) < 2026-11-20T12:00:00Z",
	} {
		questions = append(questions, mustParse(t, text))
	}
	for at, q := range questions {
		text := q.String()
		for i, w := range seenWindows() {
			if (i+at+round)%4 > 0 { // each by another round
				continue
			}
			var sum query.Summary
			got, err := collect(indexed.Query(t.Context(), query.Ask{Query: q, From: w[0], To: w[1], Summary: &sum}))
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			if strings.Contains(sum.Plan, "seen ") {
				used++
			}
			want, err := collect(plain.Query(t.Context(), query.Ask{Query: q, From: w[0], To: w[1]}))
			if err != nil {
				t.Fatal(err)
			}
			if g, w := show(got, false), show(want, false); !slices.Equal(g, w) {
				t.Errorf("%s, %v: %d rows by the index, %d by the records\n%v\n%v", text, w, len(g), len(w), g, w)
			}
		}
	}
	return used
}

func keepSome(t testing.TB, s *Store) {
	t.Helper()
	for _, c := range []struct {
		table  *weir.Table
		fields []string
	}{
		{weir.FlowTable, []string{"src.ip", "dst.ip"}},
		{weir.FlowTable, []string{"dst.port", "src.ip", "dst.ip"}},
		{weir.FlowTable, []string{"tls.ja4", "src.ip"}},
		{weir.FlowTable, []string{"app"}},
		{weir.DNSTransactionTable, []string{"query", "src.ip"}},
	} {
		if err := s.KeepSeen(c.table, c.fields...); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSeen checks that the index tells the same as the records, as these come,
// after the store was opened anew, in files of several days, and after Retain.
func TestSeen(t *testing.T) {
	small := func(dir string) Config { return Config{Dir: dir, sealRows: 2000} }
	dir := t.TempDir()
	indexed, err := Open(small(dir))
	if err != nil {
		t.Fatal(err)
	}
	keepSome(t, indexed)
	plain := mustOpen(t, small(t.TempDir()))
	add := func(seed uint64, n int) {
		t.Helper()
		for _, s := range []*Store{indexed, plain} {
			if err := s.Append(context.Background(), storetest.RandomBatch(seed, n)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for seed := range uint64(4) {
		add(seed, 400)
		if used := sameSeen(t, indexed, plain, int(seed)); used < 8 {
			t.Errorf("the index answered %d questions, want most", used)
		}
	}
	if err := indexed.Close(); err != nil {
		t.Fatal(err)
	}
	indexed = mustOpen(t, small(dir))
	add(10, 100)
	if used := sameSeen(t, indexed, plain, 4); used < 8 {
		t.Errorf("after opening anew, the index answered %d questions, want most", used)
	}
	for _, s := range []*Store{indexed, plain} {
		if _, err := s.Retain(t.Context(), time.Date(2026, 11, 20, 13, 0, 0, 0, time.UTC), 0); err != nil {
			t.Fatal(err)
		}
	}
	sameSeen(t, indexed, plain, 5)
	add(11, 100)
	sameSeen(t, indexed, plain, 6)
}

// TestSeenCompact checks that an index grows with what was seen, not with how
// often it was asked.
func TestSeenCompact(t *testing.T) {
	s := mustOpen(t, Config{Dir: t.TempDir()})
	keepSome(t, s)
	q := mustParse(t, "stats n = count() by dst.port, src.ip, dst.ip")
	distinct(q)
	flows := make([]weir.Flow, 3000)
	for i := range flows {
		flows[i] = weir.Flow{Start: start.Add(time.Duration(i) * time.Millisecond), DstPort: uint16(i)}
	}
	for range 12 {
		if err := s.Append(t.Context(), &weir.Batch{Flows: flows}); err != nil {
			t.Fatal(err)
		}
		rows, err := collect(s.Query(t.Context(), query.Ask{Query: q}))
		if err != nil || len(rows) != len(flows) {
			t.Fatalf("%d rows, %v, want %d", len(rows), err, len(flows))
		}
	}
	n, err := s.segs.admin.number(t.Context(), `SELECT count(*) FROM s1.main."seen conn src.ip dst.ip dst.port"`)
	if err != nil || n >= 2*3000+compactFrom {
		t.Errorf("the index has %d rows, %v, want fewer than 16,000 for 3,000 tuples", n, err)
	}
}

func TestKeepSeenRefuses(t *testing.T) {
	s := mustOpen(t, Config{Dir: t.TempDir()})
	for _, c := range []struct {
		fields []string
		want   string
	}{
		{nil, "no fields"}, {[]string{"nonsense"}, "no field"}, {[]string{"exporter"}, "no index"}, {[]string{"cid"}, "no index"},
	} {
		if err := s.KeepSeen(weir.FlowTable, c.fields...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("KeepSeen(%v) = %v, want an error with %q", c.fields, err, c.want)
		}
	}
	for i := range maxSeen + 1 {
		err := s.KeepSeen(weir.FlowTable, "src.ip", weir.FlowTable.Columns[weir.FlowColBytesUp].Name, []string{
			"dst.ip", "dst.port", "src.port", "proto", "app", "state", "dir", "vlan", "tunnel", "sensor", "history", "dst.host", "dst.domain", "src.host", "src.user", "dst.user", "src.mac",
		}[i])
		if (err != nil) != (i == maxSeen) {
			t.Errorf("KeepSeen, tuple %d: %v", i+1, err)
		}
	}
}

// BenchmarkSeen asks what is new among a million flows, with and without the index.
func BenchmarkSeen(b *testing.B) {
	for _, keep := range []bool{false, true} {
		b.Run(fmt.Sprintf("index=%v", keep), func(b *testing.B) {
			s := mustOpen(b, Config{Dir: b.TempDir()})
			for part := range 5 {
				if err := s.Append(b.Context(), &weir.Batch{Flows: office(200_000, uint64(part))}); err != nil {
					b.Fatal(err)
				}
			}
			if keep {
				if err := s.KeepSeen(weir.FlowTable, "src.ip", "dst.host"); err != nil {
					b.Fatal(err)
				}
			}
			q := mustParse(b, "stats n = count() by src.ip, dst.host")
			distinct(q)
			for b.Loop() {
				if _, err := collect(s.Query(b.Context(), query.Ask{Query: q})); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
