package detect

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/query"
)

const (
	// queued is how many batches wait for a detector before it loses some:
	// enough for a pause of the garbage collector or a window being asked, and
	// few enough that 64 batches of a few thousand records fit any memory.
	queued = 64
	// askFor is how long the answer of one window may take by the wall clock.
	askFor = 30 * time.Second
	// maxDue is how many windows of one kind are asked for one batch. More are
	// due only if the clock of the traffic leaps, over a gap or by a forged
	// time; then the latest are asked and the others counted.
	maxDue = 256
)

// A Choice is a detector with the configuration to run it with.
type Choice struct {
	Detector *Detector
	Config   Config
}

// Options say how an [Engine] is connected.
type Options struct {
	// Report takes the findings, one at a time.
	Report func(weir.Finding)
	// Ask puts a question to the store; nil if there is none, and then no
	// windows are asked.
	Ask func(context.Context, query.Ask) iter.Seq2[query.Row, error]
	// Log is told of detectors that stop, lose batches or get no answer; nil
	// for nobody.
	Log *slog.Logger
	// Wait says that nothing may be lost, as in the import of a file: Observe
	// waits for a detector whose queue is full, and findings come in an order
	// that depends on nothing but the batches.
	Wait bool
	// Release, if not nil, is called once for each observed batch when no
	// detector needs it any more.
	Release func(*weir.Batch)
	// AskFor is how long one answer may take by the wall clock; 0 for 30 s.
	AskFor time.Duration
}

// An Engine runs detectors, each in a goroutine and with a queue of its own:
// one that is slow loses records of its own and holds up nobody, one that
// panics is stopped and the others go on.
//
// Who writes batches to the store does so before Observe, because a window
// that falls due with a batch asks the store about it.
//
// With Options.Wait, the same batches lead to the same findings in the same
// order: those of one batch are reported when all detectors have seen it,
// sorted by time, then in the order of the choices, then as the detector
// reported them; and before Observe returns from a batch with which windows
// fall due, they have been answered. Without it, each detector's findings keep
// their order, but those of two may come either way.
type Engine struct {
	o      Options
	ctx    context.Context
	runs   []*run
	wg     sync.WaitGroup
	mu     sync.Mutex // held while a batch is given to all queues
	report sync.Mutex // held while findings are handed out
	clock  map[*Window]time.Time
	closed bool
}

// A run is one detector at work.
type run struct {
	detector *Detector
	index    int
	handlers Handlers
	windows  []*asked
	queue    chan *item
	found    []weir.Finding // by the call being made
	now      time.Time

	records, findings, missedBatches, missedRecords atomic.Uint64
	answered, unanswered, skipped, evicted          atomic.Uint64
	stopped                                         atomic.Bool
}

// asked is a window and when it falls due next, zero before the first record.
type asked struct {
	Window
	next time.Time
}

// An item is a batch on its way through the detectors, or the end if it has none.
type item struct {
	batch   *weir.Batch
	now     time.Time
	found   [][]weir.Finding // by run
	pending int              // runs that have not seen it; guarded by Engine.report
	done    chan struct{}    // closed when all have
}

// Start starts one run of each choice. ctx bounds the questions to the store.
func Start(ctx context.Context, choices []Choice, o Options) (*Engine, error) {
	if o.AskFor <= 0 {
		o.AskFor = askFor
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	e := &Engine{o: o, ctx: ctx, clock: map[*Window]time.Time{}}
	for i, c := range choices {
		r := &run{detector: c.Detector, index: i, queue: make(chan *item, queued)}
		h, err := c.Config.New(Sign(c.Detector, func(f weir.Finding) { r.found = append(r.found, f) }))
		if err != nil {
			return nil, fmt.Errorf("detector %s: %w", c.Detector.Name, err)
		}
		r.handlers = h
		for _, w := range h.Windows {
			if w.Every <= 0 || w.Over <= 0 || w.Query == nil || w.Row == nil {
				return nil, fmt.Errorf("detector %s: a window needs Every, Over, Query and Row", c.Detector.Name)
			}
			if o.Ask != nil {
				r.windows = append(r.windows, &asked{Window: w})
			}
		}
		e.runs = append(e.runs, r)
	}
	for _, r := range e.runs {
		e.wg.Go(func() { e.loop(r) })
	}
	return e, nil
}

// Windows returns the windows that are asked of the store.
func (e *Engine) Windows() (list []Window) {
	for _, r := range e.runs {
		for _, w := range r.windows {
			list = append(list, w.Window)
		}
	}
	return list
}

// Sign returns report with what a detector need not say filled in: its name
// and behaviour, the techniques, severity and key by default, the score of the
// terms, the times, and that it is one finding.
func Sign(d *Detector, report func(weir.Finding)) func(weir.Finding) {
	return func(f weir.Finding) {
		f.Detector, f.Behaviour, f.Count = d.Name, d.Behaviour, 1
		if len(f.Techniques) == 0 {
			f.Techniques = d.Techniques
		}
		if len(f.Terms) > 0 {
			f.Score = (&Score{Terms: f.Terms}).Value()
		} else if f.Severity == weir.Info {
			f.Severity = d.Severity
		}
		if f.Key == "" {
			f.Key = strings.TrimSpace(addrOrNone(f.Src.IsValid(), f.Src) + " " + addrOrNone(f.Dst.IsValid(), f.Dst))
		}
		if f.First.IsZero() {
			f.First = f.Time
		}
		if f.Last.IsZero() {
			f.Last = f.Time
		}
		report(f)
	}
}

func addrOrNone(ok bool, a fmt.Stringer) string {
	if !ok {
		return ""
	}
	return a.String()
}

// Feed makes the calls that h asks for, for all records of b: names before
// the flows that they led to. It does not tick.
func Feed(h *Handlers, b *weir.Batch) {
	if h.DNS != nil {
		for i := range b.DNS {
			h.DNS(&b.DNS[i])
		}
	}
	if h.Flow != nil {
		for i := range b.Flows {
			h.Flow(&b.Flows[i])
		}
	}
	if h.Oddity != nil {
		for i := range b.Oddities {
			h.Oddity(&b.Oddities[i])
		}
	}
}

// Observe shows b, which the store has taken already, to all detectors. It may
// be called from many goroutines, not after Close. Nobody writes to b until it
// is released. Without Options.Wait it never waits; with it, it returns the
// error of ctx if that ends first, and then some detectors may not see b.
func (e *Engine) Observe(ctx context.Context, b *weir.Batch) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	it := e.newItem(b)
	for i, r := range e.runs {
		if r.stopped.Load() {
			e.miss(it, r)
			continue
		}
		select {
		case r.queue <- it:
			continue
		default:
		}
		if !e.o.Wait {
			e.miss(it, r)
			continue
		}
		select {
		case r.queue <- it:
		case <-ctx.Done():
			for _, r := range e.runs[i:] {
				e.miss(it, r)
			}
			return ctx.Err()
		}
	}
	if e.o.Wait && e.anyDue(it.now) {
		<-it.done // bounded: each answer by its time limit
	}
	return nil
}

func (e *Engine) newItem(b *weir.Batch) *item {
	it := &item{batch: b, found: make([][]weir.Finding, len(e.runs)), pending: len(e.runs), done: make(chan struct{})}
	if b != nil {
		it.now = b.Latest()
	}
	if len(e.runs) == 0 {
		e.complete(it)
	}
	return it
}

// miss counts that r does not see it.
func (e *Engine) miss(it *item, r *run) {
	r.missedBatches.Add(1)
	r.missedRecords.Add(uint64(it.batch.Len()))
	e.finish(it, r, nil)
}

// anyDue reports whether a window of any detector falls due at now. It keeps
// its own account of the clock, because the detectors run behind.
func (e *Engine) anyDue(now time.Time) bool {
	if now.IsZero() {
		return false
	}
	due := false
	for _, r := range e.runs {
		for _, w := range r.windows {
			next, started := e.clock[&w.Window]
			if !started || !now.Before(next) {
				due = due || started
				e.clock[&w.Window] = now.Truncate(w.Every).Add(w.Every)
			}
		}
	}
	return due
}

// finish takes what r has found in it, and hands findings out: at once, or
// when all runs have seen it if their order matters. All runs see the items in
// the same order, so that items are complete in that order too.
func (e *Engine) finish(it *item, r *run, found []weir.Finding) {
	e.report.Lock()
	defer e.report.Unlock()
	r.findings.Add(uint64(len(found)))
	it.found[r.index] = found
	if !e.o.Wait {
		for _, f := range found {
			e.o.Report(f)
		}
	}
	it.pending--
	if it.pending == 0 {
		e.complete(it)
	}
}

func (e *Engine) complete(it *item) {
	if e.o.Wait {
		all := slices.Concat(it.found...)
		slices.SortStableFunc(all, func(a, b weir.Finding) int { return a.Time.Compare(b.Time) })
		for _, f := range all {
			e.o.Report(f)
		}
	}
	if e.o.Release != nil && it.batch != nil {
		e.o.Release(it.batch)
	}
	close(it.done)
}

// Close waits until the detectors have seen what is queued and have been told
// that the traffic has ended. It reports what is found thereby.
func (e *Engine) Close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return
	}
	e.closed = true
	end := e.newItem(nil)
	for _, r := range e.runs {
		r.queue <- end
		close(r.queue)
	}
	e.wg.Wait()
	for _, r := range e.runs {
		if n := r.missedBatches.Load(); n > 0 {
			e.o.Log.Warn("detector missed batches", "detector", r.detector.Name, "batches", n, "records", r.missedRecords.Load())
		}
	}
}

// loop shows r its items. After a panic it only takes them off the queue.
func (e *Engine) loop(r *run) {
	for it := range r.queue {
		switch {
		case r.stopped.Load() && it.batch != nil:
			e.miss(it, r)
			continue
		case !r.stopped.Load():
			e.see(r, it)
		}
		found := r.found
		r.found = nil
		e.finish(it, r, found)
	}
}

// see makes the calls of one item. Whatever a detector does wrong ends here.
func (e *Engine) see(r *run, it *item) {
	defer func() {
		if p := recover(); p != nil {
			r.stopped.Store(true)
			e.o.Log.Error("detector stopped", "detector", r.detector.Name, "panic", p, "stack", string(debug.Stack()))
		}
	}()
	if it.batch != nil {
		Feed(&r.handlers, it.batch)
		r.records.Add(uint64(it.batch.Len()))
	}
	if it.now.After(r.now) {
		r.now = it.now
	}
	if r.now.IsZero() {
		return // no record yet, or none with a time
	}
	e.ask(r, it.batch == nil)
	if r.handlers.Tick != nil {
		r.handlers.Tick(r.now)
	}
	if it.batch == nil && r.handlers.End != nil {
		r.handlers.End(r.now)
	}
	if r.handlers.Lost != nil {
		r.evicted.Store(r.handlers.Lost())
	}
}

// ask puts the questions of the windows that have fallen due, oldest first,
// and at the end of the traffic all of them once more.
func (e *Engine) ask(r *run, end bool) {
	for _, w := range r.windows {
		for _, to := range w.due(r) {
			e.answer(r, w, to)
		}
		if end {
			e.answer(r, w, r.now.Add(time.Microsecond)) // stores keep times to the microsecond, and To is excluded
		}
	}
}

// due returns the times up to which w is to be asked: multiples of Every that
// the traffic has reached since the last call.
func (w *asked) due(r *run) []time.Time {
	if w.next.IsZero() {
		w.next = r.now.Truncate(w.Every).Add(w.Every)
		return nil
	}
	if r.now.Before(w.next) {
		return nil
	}
	last := r.now.Truncate(w.Every)
	if n := last.Sub(w.next)/w.Every + 1; n > maxDue {
		r.skipped.Add(uint64(n - maxDue))
		w.next = last.Add(-(maxDue - 1) * w.Every)
	}
	var due []time.Time
	for ; !w.next.After(last); w.next = w.next.Add(w.Every) {
		due = append(due, w.next)
	}
	return due
}

// answer asks w for the time up to to and hands the rows to the detector. An
// answer that fails or takes too long ends early; the detector then judges by
// what it got.
func (e *Engine) answer(r *run, w *asked, to time.Time) {
	ctx, cancel := context.WithTimeout(e.ctx, e.o.AskFor)
	defer cancel()
	for row, err := range e.o.Ask(ctx, query.Ask{Query: w.Query, From: to.Add(-w.Over), To: to}) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			r.unanswered.Add(1)
			e.o.Log.Warn("detector got no answer", "detector", r.detector.Name, "until", to,
				"late", errors.Is(err, context.DeadlineExceeded), "err", err)
			break
		}
		w.Row(to, row)
	}
	w.Row(to, nil)
	r.answered.Add(1)
}

// A Stat counts what one detector has seen and done so far.
type Stat struct {
	Detector      string
	Records       uint64 // seen
	Findings      uint64 // reported
	MissedBatches uint64 // not seen, because its queue was full or it had stopped
	MissedRecords uint64 // in those
	Answers       uint64 // windows asked
	Unanswered    uint64 // of these cut short by an error or the time limit
	Skipped       uint64 // windows not asked, because the clock leapt
	Lost          uint64 // forgotten or refused at the detector's own limits
	Stopped       bool   // it panicked
}

// Stats returns the counters of each detector, in the order of the choices. It
// may be called at any time.
func (e *Engine) Stats() []Stat {
	var stats []Stat
	for _, r := range e.runs {
		stats = append(stats, Stat{
			Detector: r.detector.Name, Records: r.records.Load(), Findings: r.findings.Load(),
			MissedBatches: r.missedBatches.Load(), MissedRecords: r.missedRecords.Load(),
			Answers: r.answered.Load(), Unanswered: r.unanswered.Load(), Skipped: r.skipped.Load(),
			Lost: r.evicted.Load(), Stopped: r.stopped.Load(),
		})
	}
	return stats
}
