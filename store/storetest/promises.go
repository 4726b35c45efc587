package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/query"
	"github.com/weir-nta/weir/store"
)

func testEmpty(t *testing.T, s Suite) {
	st := s.open(t)
	if _, _, err := st.Span(context.Background()); !errors.Is(err, store.ErrEmpty) {
		t.Errorf("Span of an empty store: got error %v, want %v", err, store.ErrEmpty)
	}
	mustAppend(t, st, &weir.Batch{})
	for _, table := range weir.Tables {
		if rows := ask(t, st, "from "+table.Name); len(rows) != 0 {
			t.Errorf("from %s in an empty store: got %d rows", table.Name, len(rows))
		}
		if n := count(t, st, "from "+table.Name); n != 0 {
			t.Errorf("count of %s in an empty store: got %d", table.Name, n)
		}
	}
	if n, err := st.Retain(context.Background(), epoch, 1); n != 0 || err != nil {
		t.Errorf("Retain of an empty store: got %d, %v", n, err)
	}
}

func testAppend(t *testing.T, s Suite) {
	st := s.open(t)
	b := flows(epoch, 100, "one")
	b.DNS = []weir.DNSTransaction{{Time: epoch, Sensor: "one", Query: "www.example.com"}}
	b.Oddities = []weir.Oddity{{Time: epoch, Name: "dns_name_loop", Count: 1}}
	b.Findings = []weir.Finding{{Time: epoch, Detector: "beacon", Key: "k", Count: 1}}
	mustAppend(t, st, b)
	mustAppend(t, st, flows(epoch.Add(time.Hour), 50, "two"))
	for text, want := range map[string]int64{
		"from conn": 150, "from conn sensor = one": 100, "from conn sensor = two": 50,
		"from dns": 1, "from oddity": 1, "from finding": 1,
	} {
		if got := count(t, st, text); got != want {
			t.Errorf("count of %q: got %d, want %d", text, got, want)
		}
	}
}

// testAppendCancelled cancels appends before and while they run: what returned
// an error has left nothing, what returned none has left everything.
func testAppendCancelled(t *testing.T, s Suite) {
	st := s.open(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := st.Append(ctx, flows(epoch, 10, "before")); !errors.Is(err, context.Canceled) {
		t.Errorf("Append with a cancelled context: got error %v, want %v", err, context.Canceled)
	}
	if n := count(t, st, "from conn"); n != 0 {
		t.Errorf("after an Append with a cancelled context: got %d records, want 0", n)
	}
	const each = 3000
	for i := range 12 {
		sensor := fmt.Sprintf("while%d", i)
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(time.Duration(i)*time.Millisecond, cancel)
		err := st.Append(ctx, flows(epoch, each, sensor))
		cancel()
		want := int64(each)
		if err != nil {
			want = 0
		}
		if got := count(t, st, "sensor = "+sensor); got != want {
			t.Errorf("Append cancelled after %d ms returned %v: got %d records, want %d", i, err, got, want)
		}
	}
}

func testAppendKeepsNothing(t *testing.T, s Suite) {
	st := s.open(t)
	b := flows(epoch, 10, "mine")
	b.DNS = []weir.DNSTransaction{{Time: epoch, Query: "a.example", Answers: []string{"mine"}, TTLs: []uint32{1}}}
	mustAppend(t, st, b)
	for i := range b.Flows {
		b.Flows[i].Sensor = "theirs"
		b.Flows[i].TLS.SNI = "theirs"
	}
	b.DNS[0].Answers[0] = "theirs"
	if n := count(t, st, `sensor = theirs or tls.sni = "theirs"`); n != 0 {
		t.Errorf("the store sees changes of a batch after Append: %d records", n)
	}
	if n := count(t, st, `from dns answer = "theirs"`); n != 0 {
		t.Errorf("the store sees changes of a list after Append: %d records", n)
	}
}

// testRoundTrip asks for whole records and compares every column.
func testRoundTrip(t *testing.T, s Suite) {
	st := s.open(t)
	b := RandomBatch(1, 300)
	b.Findings = append(b.Findings, weir.Finding{
		Time: epoch, First: epoch, Last: epoch.Add(time.Hour), Detector: "beacon", Behaviour: "beacon",
		Severity: weir.High, Certainty: weir.Strong, Score: 0.94, Key: "k", Summary: "it calls \"home\"",
		Checks:  []weir.Check{{ID: "regular", Pass: true, Value: 0.04, Unit: "ratio", Op: "<", Threshold: 0.1, Text: "4 %"}},
		Terms:   []weir.Term{{Name: "timing"}},
		Against: []string{"the name is common", "ü"}, Techniques: []string{"T1071.001"}, Query: "from conn | head 1", Count: 2,
	})
	mustAppend(t, st, b)
	for _, table := range weir.Tables {
		var want []string
		for r := range b.Records {
			if r.Table() == table {
				want = append(want, rowText(recordRow(r)))
			}
		}
		slices.Sort(want)
		got := rowTexts(ask(t, st, "from "+table.Name))
		slices.Sort(got)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("records of %s (-want +got):\n%s", table.Name, d)
		}
	}
}

func recordRow(r weir.Record) query.Row {
	row := make(query.Row, len(r.Table().Columns))
	for i := range row {
		row[i] = r.Value(i)
	}
	return row
}

func testSpan(t *testing.T, s Suite) {
	st := s.open(t)
	mustAppend(t, st, flows(epoch, 10, "one"))
	mustAppend(t, st, &weir.Batch{
		DNS:      []weir.DNSTransaction{{Time: epoch.Add(time.Hour)}},
		Findings: []weir.Finding{{Time: epoch.Add(48 * time.Hour)}},
	})
	first, last, err := st.Span(context.Background())
	if err != nil || !first.Equal(epoch) || !last.Equal(epoch.Add(time.Hour)) {
		t.Errorf("Span: got %v, %v, %v; want %v, %v", first, last, err, epoch, epoch.Add(time.Hour))
	}
}

// testWindow checks that From is included and To is not, what wins, and from
// where durations count back.
func testWindow(t *testing.T, s Suite) {
	st := s.open(t)
	mustAppend(t, st, flows(epoch, 100, "one")) // at seconds 0 to 99
	at := func(second int) time.Time { return epoch.Add(time.Duration(second) * time.Second) }
	for _, tt := range []struct {
		text     string
		from, to time.Time
		want     int64
	}{
		{"from conn", time.Time{}, time.Time{}, 100},
		{"from conn", at(10), at(20), 10},
		{"from conn", at(90), time.Time{}, 10},
		{"from conn", time.Time{}, at(10), 10},
		{"since 5s", at(10), at(20), 5},
		{"since 50s until 40s", time.Time{}, at(100), 10},
		{"since 10s", time.Time{}, time.Time{}, 10}, // from just after the last record
		{"since 2026-11-20T00:00:30Z until 2026-11-20T00:00:40Z", at(0), at(5), 10},
		{"src.ip in (from conn | select src.ip)", at(10), at(20), 10},
		{"src.ip in (from conn since 5s | select src.ip)", at(10), at(20), 5},
		{"src.ip in (from conn since 2026-11-20T00:00:12Z until 2026-11-20T00:00:30Z | select src.ip)", at(10), at(20), 8},
	} {
		q := mustParse(t, tt.text+" | stats n = count()")
		rows, err := collect(st.Query(context.Background(), query.Ask{Query: q, From: tt.from, To: tt.to}))
		if err != nil || len(rows) != 1 || rows[0][0] != tt.want {
			t.Errorf("%q from %v to %v: got %v, %v; want %d", tt.text, tt.from, tt.to, rows, err, tt.want)
		}
	}
}

func testSummary(t *testing.T, s Suite) {
	st := s.open(t)
	mustAppend(t, st, flows(epoch, 100, "one"))
	var sum query.Summary
	a := query.Ask{Query: mustParse(t, "src.port < 5"), From: epoch, To: epoch.Add(50 * time.Second), Summary: &sum}
	if _, err := collect(st.Query(context.Background(), a)); err != nil {
		t.Fatal(err)
	}
	if sum.Scanned != 50 || sum.Matched != 5 || !sum.Complete || !sum.From.Equal(a.From) || !sum.To.Equal(a.To) {
		t.Errorf("Summary: got %+v, want 50 scanned, 5 matched, complete, the window of the ask", sum)
	}
}

// testStop ends the reading of an answer early, and asks again.
func testStop(t *testing.T, s Suite) {
	st := s.open(t)
	mustAppend(t, st, flows(epoch, 100, "one"))
	for range 3 {
		for _, err := range st.Query(context.Background(), query.Ask{Query: mustParse(t, "from conn")}) {
			if err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	if n := count(t, st, "from conn"); n != 100 {
		t.Errorf("after answers read in part: got %d records, want 100", n)
	}
}

func testCancelled(t *testing.T, s Suite) {
	st := s.open(t)
	mustAppend(t, st, flows(epoch, 100, "one"))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := collect(st.Query(ctx, query.Ask{Query: mustParse(t, "from conn | stats n = count() by src.ip")}))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Query with a cancelled context: got error %v, want %v", err, context.Canceled)
	}
}

// testReaders asks while batches are appended: each is seen whole or not at
// all, and what has been seen stays.
func testReaders(t *testing.T, s Suite) {
	st := s.open(t)
	const batches, each = 30, 40
	var writing sync.WaitGroup
	writing.Go(func() {
		for i := range batches {
			if err := st.Append(context.Background(), flows(epoch.Add(time.Duration(i)*time.Minute), each, fmt.Sprintf("s%d", i))); err != nil {
				t.Error(err)
			}
		}
	})
	done := make(chan struct{})
	go func() { writing.Wait(); close(done) }()
	q := mustParse(t, "stats n = count() by sensor")
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() { readWhile(t, st, q, each, done) })
	}
	readers.Wait()
	if n := count(t, st, "from conn"); n != batches*each {
		t.Errorf("at the end: got %d records, want %d", n, batches*each)
	}
}

func readWhile(t *testing.T, st store.Store, q *query.Query, each int64, done chan struct{}) {
	seen := 0
	for {
		rows, err := collect(st.Query(context.Background(), query.Ask{Query: q}))
		if err != nil {
			t.Error(err)
			return
		}
		for _, r := range rows {
			if r[1] != each {
				t.Errorf("a reader sees %v of the %d records of batch %v", r[1], each, r[0])
			}
		}
		if len(rows) < seen {
			t.Errorf("a reader sees %d batches after it has seen %d", len(rows), seen)
		}
		seen = len(rows)
		select {
		case <-done:
			return
		default:
		}
	}
}

func testRetainAge(t *testing.T, s Suite) {
	st := s.open(t)
	for day := range 4 {
		mustAppend(t, st, flows(epoch.AddDate(0, 0, day), 100, fmt.Sprintf("day%d", day)))
	}
	before := epoch.AddDate(0, 0, 2).Add(50 * time.Second) // half a minute into the third day
	n, err := st.Retain(context.Background(), before, 0)
	if err != nil || n != 250 {
		t.Errorf("Retain(%v): got %d, %v; want 250 deleted", before, n, err)
	}
	want := []string{"day2 | 50", "day3 | 100"}
	if got := rowTexts(ask(t, st, "stats n = count() by sensor | sort sensor")); !slices.Equal(got, want) {
		t.Errorf("after Retain(%v): got %v, want %v", before, got, want)
	}
	first, _, err := st.Span(context.Background())
	if err != nil || !first.Equal(before) {
		t.Errorf("Span after Retain: got %v, %v; want %v first", first, err, before)
	}
	mustAppend(t, st, flows(epoch.AddDate(0, 0, 4), 10, "after"))
	if n := count(t, st, "from conn"); n != 160 {
		t.Errorf("after Retain and Append: got %d records, want 160", n)
	}
}

// testRetainSize halves a store: it is small enough then, and no record is
// gone that is newer than one that stayed.
func testRetainSize(t *testing.T, s Suite) {
	st := s.open(t)
	const days, each = 6, 4000
	for day := range days {
		mustAppend(t, st, flows(epoch.AddDate(0, 0, day), each, fmt.Sprintf("day%d", day)))
	}
	ctx := context.Background()
	size, err := st.Size(ctx)
	if err != nil || size <= 0 {
		t.Fatalf("Size: got %d, %v", size, err)
	}
	bound := size / 2
	deleted, err := st.Retain(ctx, time.Time{}, bound)
	if err != nil {
		t.Fatal(err)
	}
	after, err := st.Size(ctx)
	if err != nil || after > bound {
		t.Errorf("Size after Retain to %d: got %d, %v", bound, after, err)
	}
	left := count(t, st, "from conn")
	if left+deleted != days*each || left == 0 || deleted == 0 {
		t.Errorf("Retain to half: %d deleted, %d left of %d", deleted, left, days*each)
	}
	rows := ask(t, st, "stats first = min(ts)")
	first, ok := rows[0][0].(time.Time)
	if !ok {
		t.Fatalf("nothing left after Retain to half")
	}
	var newer int64
	for day := range days {
		for i := range each {
			if !epoch.AddDate(0, 0, day).Add(time.Duration(i) * time.Second).Before(first) {
				newer++
			}
		}
	}
	if left != newer {
		t.Errorf("%d records left since %v, want %d: one went before an older one", left, first, newer)
	}
}

func testReopen(t *testing.T, s Suite) {
	if !s.Persistent {
		t.Skip("the store keeps nothing when it is closed")
	}
	dir := t.TempDir()
	st := s.Open(t, dir)
	b := RandomBatch(2, 200)
	mustAppend(t, st, b)
	want := rowTexts(ask(t, st, "from conn"))
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		st = s.Open(t, dir)
		got := rowTexts(ask(t, st, "from conn"))
		slices.Sort(want)
		slices.Sort(got)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("after opening again (-want +got):\n%s", d)
		}
		extra := flows(epoch, 1, "again")
		mustAppend(t, st, extra)
		want = append(want, rowText(recordRow(&extra.Flows[0])))
		if err := st.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func testClosed(t *testing.T, s Suite) {
	st := s.Open(t, t.TempDir())
	mustAppend(t, st, flows(epoch, 1, "one"))
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	if err := st.Append(context.Background(), flows(epoch, 1, "two")); err == nil {
		t.Error("Append to a closed store: got no error")
	}
	if _, err := collect(st.Query(context.Background(), query.Ask{Query: mustParse(t, "from conn")})); err == nil {
		t.Error("Query of a closed store: got no error")
	}
}

// testLooks checks that the answer says where history is too short for what it
// looks back at, that unknown lists are refused, and what Explain tells of the
// cost, where the store has it.
func testLooks(t *testing.T, s Suite) {
	st := s.open(t)
	mustAppend(t, st, flows(epoch, 3600*10/100, "one"))
	mustAppend(t, st, flows(epoch.Add(9*time.Hour), 100, "one"))
	to := epoch.Add(10 * time.Hour)
	ctx := context.Background()
	for text, want := range map[string]string{
		"since 1h new(src.ip) | stats n = count()":                                       "new(src.ip): history is shorter than 30d: records of 'conn' begin 2026-11-20T00:00:00Z",
		"since 1h new(src.ip, 2h) | stats n = count()":                                   "",
		"from dns since 1h known(query) | stats n = count()":                             "known(query): there are no records of 'dns'",
		"since 2h stats n = count() by src.ip | where n > usual(n)":                      "usual(n): missing, because there are 4 windows of 2h before the question's own, and 7 are needed",
		"since 1h stats n = count() by src.ip | where n > usual(n)":                      "",
		"stats n = count() by app | where prevalence(app) > 1":                           "prevalence(app): history is shorter than 30d",
		"since 1h src.ip in (from conn since 2h known(dst.ip, 1d) | select src.ip)":      "known(dst.ip, 1d): history is shorter than 1d",
		"since 1h | then (from conn since 2h new(dst.ip)) within 1h by src.ip | head 1":  "new(dst.ip): history is shorter than 30d",
		"since 1h stats n = count() by src.ip | extend f = first_seen(src.ip) | head 10": "",
	} {
		a := query.Ask{Query: mustParse(t, text), From: epoch, To: to, Summary: new(query.Summary)}
		if _, err := collect(st.Query(ctx, a)); err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		notes := slices.DeleteFunc(a.Summary.Notes, func(n string) bool { return strings.Contains(n, "no index") })
		if got := strings.Join(notes, "; "); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%q: notes are %q, want %q in them", text, got, want)
		}
	}
	q := mustParse(t, "src.ip in @list:nosuch or dst.ip in @intel")
	var refused *query.Error
	_, err := collect(st.Query(ctx, query.Ask{Query: q}))
	if !errors.As(err, &refused) || len(refused.Diagnostics) != 1 || refused.Diagnostics[0].Pos != len("src.ip in ") {
		t.Errorf("%q without that list: got %v, want it refused at the list", q, err)
	}
	testExplain(t, st, to)
}

func testExplain(t *testing.T, st store.Store, to time.Time) {
	e, ok := st.(interface {
		Explain(context.Context, query.Ask) (*query.Plan, error)
	})
	if !ok {
		return
	}
	q := mustParse(t, "since 1h app = tls and new(src.ip, 2h) | stats n = count() by src.ip | where n > 3 * usual(n) | sort -n")
	p, err := e.Explain(context.Background(), query.Ask{Query: q, From: epoch, To: to})
	if err != nil {
		t.Fatal(err)
	}
	parts := slices.Sorted(slices.Values(append(slices.Clone(p.Pushed), p.After...)))
	want := []string{"app = tls and new(src.ip, 2h)", "sort -n", "stats n = count() by src.ip", "where n > 3 * usual(n)"}
	if !slices.Equal(parts, want) || p.Records != 100 || len(p.Looks) != 2 || p.Looks[0].Records != 0 || p.Looks[1].Records != 360 {
		t.Errorf("Explain: got %+v, want the parts %q, 100 records in the window, none in the 2h before it and 360 in the windows before", p, want)
	}
}
