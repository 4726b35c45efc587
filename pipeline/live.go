package pipeline

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/query"
	"github.com/weir-nta/weir/store"
)

// Retention bounds what a live store keeps.
type Retention struct {
	// Age is how long records are kept at least, by the clock of the wall, 0
	// for as long as there is room. They go by the day (UTC) and so up to a day
	// later: to cut a file costs as much as to write it.
	Age time.Duration
	// Bytes is how much the store may take, 0 for any. Beyond it the oldest
	// records go, down to a twentieth below it.
	Bytes int64
}

const (
	flushEvery  = time.Second
	retainEvery = 10 * time.Minute
)

// Counters say what a pipeline has carried.
type Counters struct {
	Records      uint64 // from the sources
	Findings     uint64 // for the store
	DroppedStore uint64 // of both, those that the store did not take or has lost before a flush
	StoreErrors  uint64 // times that it refused
	Retained     uint64 // records that it has deleted because of Retention
}

// A keeper keeps account of what the store takes, and looks after it while
// traffic is live.
type keeper struct {
	mu       sync.Mutex
	counters Counters
	err      error // why the store refused last; nil since it has taken a batch

	// For the flushes alone:
	told  uint64    // DroppedStore that a row of health tells of
	since time.Time // end of that row
	down  bool
}

// Counters returns what has been carried so far. It may be called at any time.
func (p *Pipeline) Counters() Counters {
	p.keeper.mu.Lock()
	defer p.keeper.mu.Unlock()
	return p.keeper.counters
}

// took notes what became of a batch.
func (k *keeper) took(b *weir.Batch, err error) {
	k.mu.Lock()
	k.counters.Findings += uint64(len(b.Findings))
	k.counters.Records += uint64(b.Len() - len(b.Findings))
	if err == nil {
		k.err = nil
	}
	k.mu.Unlock()
	if err != nil {
		k.failed(err, b.Len())
	}
}

// failed counts what the store has lost: what err tells of, else n records.
func (k *keeper) failed(err error, n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var lost *store.LostError
	if errors.As(err, &lost) {
		n = int(lost.Records)
	}
	k.counters.DroppedStore += uint64(n)
	k.counters.StoreErrors++
	k.err = err
}

// keepUp looks after a live store until stop is called: flushes it, so that a
// crash loses no more than a second, and deletes what is too old.
func (p *Pipeline) keepUp(ctx context.Context) (stop func()) {
	if !p.Live || p.Store == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { every(ctx, cmp.Or(p.FlushEvery, flushEvery), p.flush) })
	if p.Retention != (Retention{}) {
		wg.Go(func() { every(ctx, cmp.Or(p.RetainEvery, retainEvery), p.retain) })
	}
	return func() {
		cancel()
		wg.Wait()
	}
}

// every calls f by the clock of the wall, until ctx is done.
func every(ctx context.Context, d time.Duration, f func(ctx context.Context, now time.Time)) {
	ticker := time.NewTicker(d)
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			f(ctx, now)
		case <-ctx.Done():
			return
		}
	}
}

// flush makes durable what was taken since the last time, and says so if the
// store has lost records or takes them again.
func (p *Pipeline) flush(ctx context.Context, now time.Time) {
	k := &p.keeper
	_ = p.keepFindings(ctx) // which a live pipeline counts, as all that is refused
	if err := p.Store.Flush(ctx); err != nil && ctx.Err() == nil {
		k.failed(err, 0)
	}
	k.mu.Lock()
	dropped, err := k.counters.DroppedStore, k.err
	k.mu.Unlock()
	switch {
	case err != nil && !k.down:
		p.Log.Error("the store takes no records: they are lost, detection goes on", "err", err, "lost", dropped-k.told)
	case err == nil && k.down:
		p.Log.Warn("the store takes records again", "lost", dropped-k.told)
	}
	k.down = err != nil
	if !k.down {
		p.tell(ctx, now, dropped)
	}
}

// tell keeps in the store itself how many records it lost since it last was told.
func (p *Pipeline) tell(ctx context.Context, now time.Time, dropped uint64) {
	k := &p.keeper
	if k.since.IsZero() {
		k.since = now
	}
	if dropped == k.told {
		return
	}
	row := weir.Exporter{Time: now, Since: k.since, Seen: now, Sensor: p.Sensor, Kind: "store", DroppedStore: dropped - k.told}
	if p.Store.Append(ctx, &weir.Batch{Exporters: []weir.Exporter{row}}) != nil || p.Store.Flush(ctx) != nil {
		return // the next time
	}
	k.told, k.since = dropped, now
}

// retain deletes what the store need not keep.
func (p *Pipeline) retain(ctx context.Context, now time.Time) {
	var before time.Time
	if p.Retention.Age > 0 {
		before = now.UTC().Add(-p.Retention.Age).Truncate(24 * time.Hour)
	}
	n, err := p.Store.Retain(ctx, before, p.room(ctx))
	p.keeper.mu.Lock()
	p.keeper.counters.Retained += uint64(n)
	p.keeper.mu.Unlock()
	if err != nil && ctx.Err() == nil {
		p.Log.Error("old records could not be deleted", "err", err)
	}
}

// room returns how many bytes the store shall be cut down to, 0 for leaving it.
func (p *Pipeline) room(ctx context.Context) int64 {
	if p.Retention.Bytes <= 0 {
		return 0
	}
	if size, err := p.Store.Size(ctx); err != nil || size <= p.Retention.Bytes {
		return 0 // an error shows itself where the store is flushed
	}
	return p.Retention.Bytes - p.Retention.Bytes/20
}

// keepSeen has a store that can do so keep an index of what detectors ask
// whether it is new. One that is not kept costs time, and nothing else.
func (p *Pipeline) keepSeen() {
	st, ok := p.Store.(interface {
		KeepSeen(*weir.Table, ...string) error
	})
	if !ok {
		return
	}
	for _, w := range p.engine.Windows() {
		for _, l := range w.Query.Looks(time.Time{}, time.Time{}, time.Time{}) {
			if l.Func != query.KnownFunc && l.Func != query.FirstSeen {
				continue
			}
			if err := st.KeepSeen(l.Table, l.Fields()...); err != nil {
				p.Log.Warn("no index of what was seen first", "question", l.Text, "err", err)
			}
		}
	}
}
