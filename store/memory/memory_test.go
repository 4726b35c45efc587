package memory_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/query"
	"github.com/weir-nta/weir/store"
	"github.com/weir-nta/weir/store/memory"
	"github.com/weir-nta/weir/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, storetest.Suite{
		Open: func(t testing.TB, _ string) store.Store { return open(t) },
		Twin: open,
	})
}

func open(t testing.TB) store.Store {
	st, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// TestBounds checks that at each bound the oldest records go, counted.
func TestBounds(t *testing.T) {
	epoch := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	for _, c := range []memory.Config{{MaxRecords: 100}, {MaxBytes: 100 << 10}} {
		st, err := memory.New(c)
		if err != nil {
			t.Fatal(err)
		}
		const n = 1000
		for i := range n {
			at := epoch.Add(time.Duration(i) * time.Second)
			if err := st.Append(context.Background(), &weir.Batch{Flows: []weir.Flow{{Start: at, End: at}}}); err != nil {
				t.Fatal(err)
			}
		}
		q, err := query.Parse("stats n = count(), first = min(ts), last = max(ts)")
		if err != nil {
			t.Fatal(err)
		}
		for r, err := range st.Query(context.Background(), query.Ask{Query: q}) {
			if err != nil {
				t.Fatal(err)
			}
			left := r[0].(int64)
			size, err := st.Size(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if c.MaxRecords > 0 && left > int64(c.MaxRecords) || c.MaxBytes > 0 && size > c.MaxBytes || left < 50 {
				t.Errorf("%+v: %d records of %d bytes are left", c, left, size)
			}
			if st.Dropped() != n-left {
				t.Errorf("%+v: %d of %d records left, but %d counted as dropped", c, left, n, st.Dropped())
			}
			if first := epoch.Add(time.Duration(n-left) * time.Second); !r[1].(time.Time).Equal(first) || !r[2].(time.Time).Equal(epoch.Add((n-1)*time.Second)) {
				t.Errorf("%+v: the %d records left are from %v to %v, want the newest", c, left, r[1], r[2])
			}
		}
	}
}

func TestConfig(t *testing.T) {
	for _, tt := range []struct {
		config memory.Config
		want   string
	}{
		{memory.Config{MaxBytes: -1}, "max_bytes: got -1, want 0 or more"},
		{memory.Config{MaxRecords: -1}, "max_records: got -1, want 0 or more"},
	} {
		if _, err := memory.New(tt.config); err == nil || err.Error() != tt.want {
			t.Errorf("New(%+v): got %v, want %s", tt.config, err, tt.want)
		}
	}
}

// TestFlushWhileAppending flushes from several goroutines while records are
// appended: a reader that locks twice would wait for a writer between for ever.
func TestFlushWhileAppending(t *testing.T) {
	st, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if err := st.Flush(t.Context()); err != nil {
					t.Errorf("Flush() = %v", err)
					return
				}
			}
		})
	}
	at := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	for range 20_000 {
		if err := st.Append(t.Context(), &weir.Batch{Flows: []weir.Flow{{Start: at, End: at}}}); err != nil {
			t.Errorf("Append() = %v", err)
		}
	}
	close(done)
	wg.Wait()
}
