package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/detect"
	"github.com/weir-nta/weir/query"
	"github.com/weir-nta/weir/store"
)

// A recorder is a store that notes what is asked of it.
type recorder struct {
	store.Store
	flushes  atomic.Int64
	retained chan [2]any
	size     int64
}

func (s *recorder) Flush(ctx context.Context) error {
	s.flushes.Add(1)
	return s.Store.Flush(ctx)
}

func (s *recorder) Size(context.Context) (int64, error) { return s.size, nil }

func (s *recorder) Retain(ctx context.Context, before time.Time, maxBytes int64) (int64, error) {
	s.retained <- [2]any{before, maxBytes}
	return 7, nil
}

// slow is a source of a batch every ten seconds.
func slow(batches int) *flows {
	return &flows{batches: batches, each: func(int) { time.Sleep(10 * time.Second) }}
}

func TestLiveFlushes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &recorder{Store: inMemory(t)}
		p := testPipeline(st, slow(6))
		p.Live, p.FlushEvery = true, 5*time.Second
		if err := p.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := st.flushes.Load(); n < 11 || n > 13 {
			t.Errorf("%d flushes in a minute, want one every 5 s", n)
		}
	})
}

func TestLiveRetains(t *testing.T) {
	for _, c := range []struct {
		r        Retention
		size     int64
		days     int
		maxBytes int64
	}{
		{Retention{Age: 36 * time.Hour}, 100, -2, 0}, // the bubble begins at midnight
		{Retention{Bytes: 1000}, 999, 0, 0},
		{Retention{Bytes: 1000}, 1001, 0, 950},
		{Retention{Age: 24 * time.Hour, Bytes: 1000}, 5000, -1, 950},
	} {
		t.Run(fmt.Sprint(c.r), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := &recorder{Store: inMemory(t), size: c.size, retained: make(chan [2]any, 100)}
				p := testPipeline(st, slow(7))
				p.Live, p.Retention, p.RetainEvery = true, c.r, time.Minute
				midnight := time.Now().UTC()
				if err := p.Run(t.Context()); err != nil {
					t.Fatal(err)
				}
				before := time.Time{}
				if c.days != 0 {
					before = midnight.AddDate(0, 0, c.days)
				}
				if got := <-st.retained; got != [2]any{before, c.maxBytes} || len(st.retained) > 0 {
					t.Errorf("Retain(%v), want (%v, %d) once", got, before, c.maxBytes)
				}
				if n := p.Counters().Retained; n != 7 {
					t.Errorf("Retained = %d, want 7", n)
				}
			})
		})
	}
}

// A broken store refuses batches from one to before another.
type broken struct {
	store.Store
	mu           sync.Mutex
	from, to, at int
	unflushed    int
}

func (s *broken) Append(ctx context.Context, b *weir.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(b.Flows) > 0 {
		s.at++
	}
	if s.at >= s.from && s.at < s.to {
		lost := s.unflushed + b.Len()
		s.unflushed = 0
		return &store.LostError{Records: int64(lost), Err: errFull}
	}
	return s.Store.Append(ctx, b)
}

// TestLiveStoreFull checks that a full disk stops neither listening nor
// detection, that each record is in the store or counted, and that the store
// itself tells so when there is room again.
func TestLiveStoreFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		st := inMemory(t)
		p := testPipeline(&broken{Store: st, from: 3, to: 6, unflushed: 2}, slow(10))
		p.Live, p.Sensor = true, "lab"
		p.Log = slog.New(slog.NewTextHandler(&log, nil))
		found := 0
		p.Found = func(weir.Finding) { found++ }
		if err := p.Run(t.Context()); err != nil {
			t.Fatalf("Run = %v, want none: the store took records again", err)
		}
		c := p.Counters()
		flows, findings := count(t, st, "from conn"), count(t, st, "from finding")
		if found != 10 || c.Records != 10 || c.Findings != 10 {
			t.Errorf("%d findings told, %+v, want 10 of each", found, c)
		}
		if flows != 7 {
			t.Errorf("%d flows in the store, want all but 3", flows)
		}
		if kept := uint64(flows + findings); kept+c.DroppedStore != 20+2 { // 2 that the store says it had taken before
			t.Errorf("%d records kept and %d counted as lost, want 22 together", kept, c.DroppedStore)
		}
		if n := c.StoreErrors; n < 3 {
			t.Errorf("StoreErrors = %d, want 3 or more", n)
		}
		if n := count(t, st, fmt.Sprintf(`from exporter kind = "store" and sensor = "lab" and dropped.store = %d`, c.DroppedStore)); n != 1 {
			t.Errorf("%d rows of health tell of %d records lost, want 1", n, c.DroppedStore)
		}
		for _, want := range []string{"takes no records", "no space left on device", "takes records again"} {
			if strings.Count(log.String(), want) != 1 {
				t.Errorf("the log says %q not once:\n%s", want, log.String())
			}
		}
	})
}

// TestLiveEndsBroken checks that a live store that cannot be flushed at the
// end is an error all the same.
func TestLiveEndsBroken(t *testing.T) {
	p := testPipeline(unflushable{inMemory(t)}, &flows{batches: 2})
	p.Live = true
	if err := p.Run(t.Context()); !errors.Is(err, ErrStore) || !errors.Is(err, errFull) {
		t.Errorf("Run = %v, want %v", err, errFull)
	}
	if n := p.Counters().StoreErrors; n != 1 {
		t.Errorf("StoreErrors = %d, want 1", n)
	}
}

type unflushable struct{ store.Store }

func (unflushable) Flush(context.Context) error { return errFull }

// curious is a detector that asks what is new.
type curious struct{}

func (curious) New(func(weir.Finding)) (detect.Handlers, error) {
	q, err := query.Parse("new(src.ip, dst.ip, 7d) and first_seen(dst.port) > 2026-01-01T00:00:00Z | head 1")
	return detect.Handlers{Windows: []detect.Window{{Every: time.Hour, Over: time.Hour, Query: q, Row: func(time.Time, query.Row) {}}}}, err
}

// An indexed store notes what it is to keep an index of.
type indexed struct {
	store.Store
	kept []string
}

func (s *indexed) KeepSeen(t *weir.Table, fields ...string) error {
	s.kept = append(s.kept, t.Name+" "+strings.Join(fields, " "))
	return nil
}

// TestKeepSeen checks that the store keeps an index of what detectors ask for.
func TestKeepSeen(t *testing.T) {
	st := &indexed{Store: inMemory(t)}
	p := testPipeline(st, &flows{batches: 1})
	p.Detectors[0].Config = curious{}
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := []string{"conn src.ip dst.ip", "conn dst.port"}; !slices.Equal(st.kept, want) {
		t.Errorf("kept are %q, want %q", st.kept, want)
	}
}
