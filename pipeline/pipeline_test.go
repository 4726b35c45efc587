package pipeline

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/detect"
	"github.com/weir-nta/weir/enrich"
	"github.com/weir-nta/weir/query"
	"github.com/weir-nta/weir/source"
	"github.com/weir-nta/weir/store"
	"github.com/weir-nta/weir/store/memory"
)

var start = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)

// flows is a source of so many batches of one flow each, which then ends with err.
type flows struct {
	batches int
	err     error
	each    func(i int) // called before batch i
}

func (s *flows) Run(ctx context.Context, emit func(*weir.Batch) error) error {
	for i := range s.batches {
		if s.each != nil {
			s.each(i)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		t := start.Add(time.Duration(i) * time.Second)
		f := weir.Flow{Start: t, End: t, Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("192.0.2.1"), BytesUp: 100}
		if err := emit(&weir.Batch{Flows: []weir.Flow{f}}); err != nil {
			return err
		}
	}
	return s.err
}

func (s *flows) Progress() source.Progress { return source.Progress{} }

// named is an enricher that gives every flow a name.
type named struct{}

func (named) Enrich(b *weir.Batch) {
	for i := range b.Flows {
		b.Flows[i].DstHost = "host.example"
	}
}

// everything is a detector that reports each flow it sees.
type everything struct{}

func (everything) New(report func(weir.Finding)) (detect.Handlers, error) {
	return detect.Handlers{Flow: func(f *weir.Flow) {
		report(weir.Finding{Time: f.End, Src: f.Src, Dst: f.Dst, DstName: f.DstHost, Summary: "a flow"})
	}}, nil
}

func testPipeline(st store.Store, sources ...source.Source) *Pipeline {
	d := &detect.Detector{Name: "everything", Behaviour: "policy", Severity: weir.Low, Techniques: []string{"T0000"}, Default: everything{}}
	return &Pipeline{Sources: sources, Enrich: []enrich.Enricher{named{}}, Store: st,
		Detectors: []detect.Choice{{Detector: d, Config: d.Default}}, Log: slog.New(slog.DiscardHandler)}
}

func inMemory(t *testing.T) store.Store {
	t.Helper()
	st, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// count asks the store how many records of a table fit.
func count(t *testing.T, st store.Store, text string) int64 {
	t.Helper()
	q, err := query.Parse(text + " | stats n = count()")
	if err != nil {
		t.Fatal(err)
	}
	for row, err := range st.Query(t.Context(), query.Ask{Query: q, To: start.Add(time.Hour)}) {
		if err != nil {
			t.Fatal(err)
		}
		return row[0].(int64)
	}
	return 0
}

func TestRun(t *testing.T) {
	st := inMemory(t)
	p := testPipeline(st, &flows{batches: 5}, &flows{batches: 3})
	found := 0
	p.Found = func(weir.Finding) { found++ }
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := count(t, st, `from conn dst.host = "host.example"`); n != 8 {
		t.Errorf("%d enriched flows in the store, want 8", n)
	}
	if n := count(t, st, `from finding dst.name = "host.example"`); n != 8 || found != 8 {
		t.Errorf("%d findings in the store and %d told, want 8 and 8", n, found)
	}
	if s := p.Stats(); s[0].Records != 8 {
		t.Errorf("the detector saw %d records, want 8", s[0].Records)
	}
}

// told is a source of findings that others have made.
type told struct{ n int }

func (s told) Run(_ context.Context, emit func(*weir.Batch) error) error {
	return emit(&weir.Batch{Findings: make([]weir.Finding, s.n)})
}

func (told) Progress() source.Progress { return source.Progress{} }

// TestFindingsOfSources checks that what a source has found is told as well,
// and kept once.
func TestFindingsOfSources(t *testing.T) {
	st := inMemory(t)
	p := testPipeline(st, told{3}, &flows{batches: 2})
	found := 0
	p.Found = func(weir.Finding) { found++ }
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := count(t, st, "from finding"); n != 5 || found != 5 {
		t.Errorf("%d findings in the store and %d told, want 3 of a source and 2 of the detector", n, found)
	}
}

// TestDamage checks that damage to one input keeps neither its readable part
// nor the other input from going all the way.
func TestDamage(t *testing.T) {
	st := inMemory(t)
	damage := &source.DamagedError{Input: "x.pcap", Err: errors.New("cut")}
	err := testPipeline(st, &flows{batches: 2, err: damage}, &flows{batches: 3}).Run(t.Context())
	var got *source.DamagedError
	if !errors.As(err, &got) || got != damage {
		t.Errorf("Run = %v, want %v", err, damage)
	}
	if n := count(t, st, "from finding"); n != 5 {
		t.Errorf("%d findings, want 5", n)
	}
}

// TestInterrupted checks that what was read before the end of the context is kept.
func TestInterrupted(t *testing.T) {
	st := inMemory(t)
	cause := errors.New("somebody pressed a key")
	ctx, cancel := context.WithCancelCause(t.Context())
	src := &flows{batches: 10, each: func(i int) {
		if i == 4 {
			cancel(cause)
		}
	}}
	if err := testPipeline(st, src).Run(ctx); !errors.Is(err, cause) {
		t.Errorf("Run = %v, want %v", err, cause)
	}
	if n := count(t, st, "from finding"); n != 4 {
		t.Errorf("%d findings, want those of the 4 batches read", n)
	}
}

// full is a store whose disk fills after some batches.
type full struct {
	store.Store
	room int
}

var errFull = errors.New("no space left on device")

func (s *full) Append(ctx context.Context, b *weir.Batch) error {
	if s.room--; s.room < 0 {
		return errFull
	}
	return s.Store.Append(ctx, b)
}

func TestStoreFull(t *testing.T) {
	st := inMemory(t)
	p := testPipeline(&full{st, 3}, &flows{batches: 10})
	found := 0
	p.Found = func(weir.Finding) { found++ }
	err := p.Run(t.Context())
	if !errors.Is(err, ErrStore) || !errors.Is(err, errFull) {
		t.Errorf("Run = %v, want %v: %v", err, ErrStore, errFull)
	}
	if n := count(t, st, "from conn"); n < 2 || n > 3 || found < int(n) {
		t.Errorf("%d flows in the store and %d findings told, want those of the batches that were taken", n, found)
	}
}

// telling is an enricher that tells at the end how many flows it saw.
type telling struct{ flows int }

func (e *telling) Enrich(b *weir.Batch) { e.flows += len(b.Flows) }

func (e *telling) Close() *weir.Batch {
	return &weir.Batch{Hosts: []weir.Host{{Time: start, ID: "ip:10.0.0.1", Flows: uint64(e.flows)}}}
}

// TestLastWords: what an enricher has to tell at the end is stored, also where a
// source was damaged, and not where the store took no more.
func TestLastWords(t *testing.T) {
	st := inMemory(t)
	p := testPipeline(st, &flows{batches: 3, err: &source.DamagedError{Err: errors.New("cut short")}})
	p.Enrich = append(p.Enrich, &telling{})
	if err := p.Run(t.Context()); err == nil {
		t.Error("Run = nil, want the damage")
	}
	if n := count(t, st, "from host | where flows = 3"); n != 1 {
		t.Errorf("%d records of what was told at the end, want 1", n)
	}
}

func TestWithoutStore(t *testing.T) {
	p := testPipeline(nil, &flows{batches: 2})
	found := 0
	p.Found = func(weir.Finding) { found++ }
	if err := p.Run(t.Context()); err != nil || found != 2 {
		t.Errorf("Run = %v with %d findings, want nil with 2", err, found)
	}
}

// refusing is a configuration that starts no detector.
type refusing struct{}

var errRefused = errors.New("min_ports: got 0, want 2 or more")

func (refusing) New(func(weir.Finding)) (detect.Handlers, error) {
	return detect.Handlers{}, errRefused
}

func TestDetectorRefuses(t *testing.T) {
	p := testPipeline(nil, &flows{batches: 2})
	p.Detectors[0].Config = refusing{}
	if err := p.Run(t.Context()); !errors.Is(err, errRefused) {
		t.Errorf("Run = %v, want %v", err, errRefused)
	}
	if s := p.Stats(); s != nil {
		t.Errorf("Stats = %v of detectors that did not start, want none", s)
	}
}

// TestLists checks that the questions of detectors have the named lists and
// mean the configured networks by local.
func TestLists(t *testing.T) {
	q, err := query.Parse("src.ip in @list:ours and local(dst.ip) | stats n = count()")
	if err != nil {
		t.Fatal(err)
	}
	var got []query.Row
	detector := asks{query: q, row: func(r query.Row) { got = append(got, r) }}
	st, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	p := Pipeline{
		Sources: []source.Source{&flows{batches: 3}}, Store: st, Log: slog.New(slog.DiscardHandler),
		Lists:     &query.Lists{Named: map[string][]query.Entry{"ours": {{Value: "10.0.0.0/24"}}}},
		Local:     []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")},
		Detectors: []detect.Choice{{Detector: &detect.Detector{Name: "asks"}, Config: detector}},
	}
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(got) == 0 || got[len(got)-1][0] != int64(3) {
		t.Errorf("a detector's question with a list: got %v, want 3 flows at the end", got)
	}
}

// asks is a detector that asks one question.
type asks struct {
	query *query.Query
	row   func(query.Row)
}

func (a asks) New(func(weir.Finding)) (detect.Handlers, error) {
	return detect.Handlers{Windows: []detect.Window{{Every: time.Second, Over: time.Hour, Query: a.query, Row: func(_ time.Time, r query.Row) {
		if r != nil {
			a.row(r)
		}
	}}}}, nil
}
