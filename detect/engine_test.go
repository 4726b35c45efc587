package detect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/query"
)

// start is when the traffic of the tests begins.
var start = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// A configFunc is a configuration that is nothing but its New.
type configFunc func(report func(weir.Finding)) (Handlers, error)

func (c configFunc) New(report func(weir.Finding)) (Handlers, error) { return c(report) }

func choice(name string, c configFunc) Choice {
	return Choice{&Detector{Name: name, Behaviour: "recon", Severity: weir.Low, Techniques: []string{"T1046"}}, c}
}

func startEngine(t *testing.T, o Options, choices ...Choice) *Engine {
	t.Helper()
	if o.Report == nil {
		o.Report = func(weir.Finding) {}
	}
	e, err := Start(t.Context(), choices, o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func observe(t *testing.T, e *Engine, b *weir.Batch) {
	t.Helper()
	if err := e.Observe(t.Context(), b); err != nil {
		t.Fatal(err)
	}
}

func batchAt(at time.Time, flows int) *weir.Batch {
	b := &weir.Batch{Flows: make([]weir.Flow, flows)}
	for i := range b.Flows {
		b.Flows[i].Start, b.Flows[i].End = at, at
	}
	return b
}

func TestCallsOfOneRun(t *testing.T) {
	var calls []string
	log := func(format string, args ...any) { calls = append(calls, fmt.Sprintf(format, args...)) }
	e := startEngine(t, Options{Wait: true}, choice("a", func(func(weir.Finding)) (Handlers, error) {
		return Handlers{
			Flow:   func(*weir.Flow) { log("flow") },
			DNS:    func(*weir.DNSTransaction) { log("dns") },
			Oddity: func(*weir.Oddity) { log("oddity") },
			Tick:   func(now time.Time) { log("tick %v", now.Sub(start)) },
			End:    func(now time.Time) { log("end %v", now.Sub(start)) },
		}, nil
	}))
	b := batchAt(start, 2)
	b.DNS = []weir.DNSTransaction{{Time: start}}
	b.Oddities = []weir.Oddity{{Time: start}}
	b.Through = start.Add(time.Minute)
	observe(t, e, b)
	observe(t, e, &weir.Batch{Through: start.Add(time.Second)}) // time does not run back
	e.Close()
	want := []string{"dns", "flow", "flow", "oddity", "tick 1m0s", "tick 1m0s", "tick 1m0s", "end 1m0s"}
	if !slices.Equal(calls, want) {
		t.Errorf("calls:\n%v\nwant:\n%v", calls, want)
	}
}

func TestSlowDetectorLosesItsOwn(t *testing.T) {
	hold := make(chan struct{})
	released := 0
	e := startEngine(t, Options{Release: func(*weir.Batch) { released++ }},
		choice("slow", func(func(weir.Finding)) (Handlers, error) {
			return Handlers{Flow: func(*weir.Flow) { <-hold }}, nil
		}),
		choice("quick", func(func(weir.Finding)) (Handlers, error) {
			return Handlers{Flow: func(*weir.Flow) {}}, nil
		}))
	const n = queued + 30
	for i := range n {
		observe(t, e, batchAt(start, 3))
		for i+1 > int(e.Stats()[1].Records)/3 { // the quick one is never held up
			time.Sleep(10 * time.Microsecond)
		}
	}
	close(hold)
	e.Close()
	slow, quick := e.Stats()[0], e.Stats()[1]
	if quick.Records != 3*n || quick.MissedBatches != 0 {
		t.Errorf("quick: %+v, want %d records and none missed", quick, 3*n)
	}
	if slow.Records+slow.MissedRecords != 3*n || slow.MissedRecords != 3*slow.MissedBatches || slow.MissedBatches < 29 {
		t.Errorf("slow: %+v, want %d records seen or missed, of 29 batches missed or more", slow, 3*n)
	}
	if released != n {
		t.Errorf("%d batches released, want %d", released, n)
	}
}

func TestWaitLosesNothing(t *testing.T) {
	e := startEngine(t, Options{Wait: true}, choice("slow", func(func(weir.Finding)) (Handlers, error) {
		return Handlers{Flow: func(*weir.Flow) { time.Sleep(50 * time.Microsecond) }}, nil
	}))
	for range 2 * queued {
		observe(t, e, batchAt(start, 3))
	}
	e.Close()
	if s := e.Stats()[0]; s.Records != 6*queued || s.MissedBatches != 0 {
		t.Errorf("%+v, want %d records and none missed", s, 6*queued)
	}
}

func TestWaitEndsWithContext(t *testing.T) {
	hold := make(chan struct{})
	e := startEngine(t, Options{Wait: true}, choice("stuck", func(func(weir.Finding)) (Handlers, error) {
		return Handlers{Flow: func(*weir.Flow) { <-hold }}, nil
	}))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	var err error
	for range queued + 2 {
		err = e.Observe(ctx, batchAt(start, 1))
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Observe = %v, want deadline exceeded", err)
	}
	close(hold)
	e.Close()
	if s := e.Stats()[0]; s.MissedBatches != 1 {
		t.Errorf("%d batches missed, want 1", s.MissedBatches)
	}
}

func TestPanicStopsOneDetector(t *testing.T) {
	var log bytes.Buffer
	e := startEngine(t, Options{Wait: true, Log: slog.New(slog.NewTextHandler(&log, nil))},
		choice("bad", func(func(weir.Finding)) (Handlers, error) {
			n := 0
			return Handlers{Flow: func(*weir.Flow) { n++; _ = 1 / (2 - n) }}, nil
		}),
		choice("good", func(func(weir.Finding)) (Handlers, error) {
			return Handlers{Flow: func(*weir.Flow) {}}, nil
		}))
	for range 3 * queued {
		observe(t, e, batchAt(start, 1))
	}
	e.Close()
	bad, good := e.Stats()[0], e.Stats()[1]
	if !bad.Stopped || bad.Records != 1 || bad.MissedBatches != 3*queued-2 {
		t.Errorf("bad: %+v, want stopped in its second batch", bad)
	}
	if good.Stopped || good.Records != 3*queued {
		t.Errorf("good: %+v, want %d records", good, 3*queued)
	}
	if !strings.Contains(log.String(), "detector stopped") || !strings.Contains(log.String(), "divide by zero") {
		t.Errorf("log: %s, want the panic", log.String())
	}
}

func TestFindingsAreInOrder(t *testing.T) {
	finder := func(delay time.Duration, offsets ...int) configFunc {
		return func(report func(weir.Finding)) (Handlers, error) {
			return Handlers{Flow: func(f *weir.Flow) {
				time.Sleep(delay)
				for _, o := range offsets {
					report(weir.Finding{Time: f.Start.Add(time.Duration(o) * time.Second), Src: addr("10.0.0.1")})
				}
			}}, nil
		}
	}
	for range 5 {
		var got []string
		e := startEngine(t, Options{Wait: true, Report: func(f weir.Finding) {
			got = append(got, fmt.Sprint(f.Detector, f.Time.Sub(start).Seconds()))
		}}, choice("a", finder(200*time.Microsecond, 2, 1)), choice("b", finder(0, 1, 0)))
		observe(t, e, batchAt(start, 1))
		observe(t, e, batchAt(start.Add(time.Second), 1))
		e.Close()
		want := []string{"b0", "a1", "b1", "a2", "b1", "a2", "b2", "a3"}
		if !slices.Equal(got, want) {
			t.Fatalf("findings %v, want %v", got, want)
		}
	}
}

func TestSign(t *testing.T) {
	d := &Detector{Name: "a", Behaviour: "recon", Severity: weir.High, Techniques: []string{"T1046"}}
	var got weir.Finding
	report := Sign(d, func(f weir.Finding) { got = f })
	report(weir.Finding{Time: start, Src: addr("10.0.0.1"), Dst: addr("10.0.0.2")})
	want := weir.Finding{
		Time: start, First: start, Last: start, Detector: "a", Behaviour: "recon", Severity: weir.High,
		Src: addr("10.0.0.1"), Dst: addr("10.0.0.2"), Key: "10.0.0.1 10.0.0.2", Techniques: []string{"T1046"}, Count: 1,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	report(weir.Finding{Time: start, Terms: []weir.Term{{Value: 0}}, Techniques: []string{"T1018"}, Key: "k"})
	if got.Severity != weir.Info || got.Score != 0.5 || got.Key != "k" || got.Techniques[0] != "T1018" {
		t.Errorf("got %+v, want what it said itself and score 0.5", got)
	}
}

// answers returns an Ask that notes what it is asked and answers one row.
func answers(asked *[]string, err error) func(context.Context, query.Ask) iter.Seq2[query.Row, error] {
	return func(_ context.Context, a query.Ask) iter.Seq2[query.Row, error] {
		return func(yield func(query.Row, error) bool) {
			*asked = append(*asked, fmt.Sprint(a.From.Sub(start), " ", a.To.Sub(start)))
			yield(query.Row{int64(1)}, err)
		}
	}
}

func windowed(rows *[]string, every, over time.Duration) configFunc {
	return func(func(weir.Finding)) (Handlers, error) {
		return Handlers{Windows: []Window{{Every: every, Over: over, Query: &query.Query{}, Row: func(now time.Time, r query.Row) {
			*rows = append(*rows, fmt.Sprint(now.Sub(start), " ", r != nil))
		}}}}, nil
	}
}

func TestWindowsAreAskedByTheClockOfTheTraffic(t *testing.T) {
	var asked, rows []string
	e := startEngine(t, Options{Wait: true, Ask: answers(&asked, nil)}, choice("a", windowed(&rows, 10*time.Minute, time.Hour)))
	for _, at := range []time.Duration{time.Minute, 9 * time.Minute, 10 * time.Minute, 35 * time.Minute} {
		observe(t, e, batchAt(start.Add(at), 1))
		if at == 10*time.Minute && len(asked) != 1 {
			t.Errorf("asked %v when Observe returned, want one answer by then", asked)
		}
	}
	e.Close()
	want := []string{"-50m0s 10m0s", "-40m0s 20m0s", "-30m0s 30m0s", "-24m59.999999s 35m0.000001s"}
	if !slices.Equal(asked, want) {
		t.Errorf("asked %v, want %v", asked, want)
	}
	if len(rows) != 8 || rows[0] != "10m0s true" || rows[1] != "10m0s false" {
		t.Errorf("rows %v, want one and the end of each of 4 answers", rows)
	}
}

func TestLeapOfTheClockIsBounded(t *testing.T) {
	var asked, rows []string
	e := startEngine(t, Options{Wait: true, Ask: answers(&asked, nil)}, choice("a", windowed(&rows, time.Minute, time.Hour)))
	observe(t, e, batchAt(time.Unix(0, 0), 1))
	observe(t, e, batchAt(start, 1))
	e.Close()
	s := e.Stats()[0]
	if want := uint64(start.Unix() / 60); s.Answers != maxDue+1 || s.Answers+s.Skipped != want+1 {
		t.Errorf("%d asked and %d skipped, want %d asked and %d in all", s.Answers, s.Skipped, maxDue+1, want+1)
	}
}

func TestFailedAnswerEnds(t *testing.T) {
	var asked, rows []string
	e := startEngine(t, Options{Wait: true, Ask: answers(&asked, errors.New("disk gone"))}, choice("a", windowed(&rows, time.Minute, time.Hour)))
	observe(t, e, batchAt(start, 1))
	e.Close()
	if s := e.Stats()[0]; s.Unanswered != 1 || s.Stopped {
		t.Errorf("%+v, want one unanswered and not stopped", s)
	}
	if len(rows) != 1 {
		t.Errorf("rows %v, want only the end", rows)
	}
}

func TestSlowAnswerEnds(t *testing.T) {
	var rows []string
	endless := func(ctx context.Context, _ query.Ask) iter.Seq2[query.Row, error] {
		return func(yield func(query.Row, error) bool) {
			for yield(query.Row{}, nil) {
				time.Sleep(time.Millisecond)
			}
		}
	}
	e := startEngine(t, Options{Wait: true, Ask: endless, AskFor: 10 * time.Millisecond}, choice("a", windowed(&rows, time.Minute, time.Hour)))
	observe(t, e, batchAt(start, 1))
	e.Close()
	if s := e.Stats()[0]; s.Unanswered != 1 {
		t.Errorf("%+v, want one unanswered", s)
	}
}

func TestLostIsRead(t *testing.T) {
	e := startEngine(t, Options{Wait: true}, choice("a", func(func(weir.Finding)) (Handlers, error) {
		n := uint64(0)
		return Handlers{Flow: func(*weir.Flow) { n++ }, Lost: func() uint64 { return n }}, nil
	}))
	observe(t, e, batchAt(start, 4))
	e.Close()
	if got := e.Stats()[0].Lost; got != 4 {
		t.Errorf("Lost = %d, want 4", got)
	}
}

func TestStartRefusesConfiguration(t *testing.T) {
	_, err := Start(t.Context(), []Choice{choice("a", func(func(weir.Finding)) (Handlers, error) {
		return Handlers{}, Check(false, "min: got %d, want 2 or more", 1)
	})}, Options{})
	if err == nil || err.Error() != "detector a: min: got 1, want 2 or more" {
		t.Errorf("Start: %v", err)
	}
}
