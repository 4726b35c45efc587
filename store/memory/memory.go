// Package memory is a store that keeps its records in memory and answers by
// looking at all of them: small, obvious, and the twin with which the other
// stores are compared. With the process, its records are gone.
package memory

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"os"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/query"
	"github.com/weir-nta/weir/query/exec"
	"github.com/weir-nta/weir/store"
)

// A Config says how much a store may hold. Its zero value sets no bound.
type Config struct {
	// MaxBytes and MaxRecords bound what is held. Where an Append goes beyond
	// one, the oldest records go, and are counted by Dropped: who sends many
	// records makes the store forget sooner, and nothing else.
	MaxBytes   int64
	MaxRecords int
}

// A Store is a [store.Store] in memory.
type Store struct {
	config Config

	mu      sync.RWMutex
	batches []*batch // not changed but replaced: readers go on with what they have
	bytes   int64
	records int
	dropped int64
	closed  bool
}

// A batch holds the records of one Append, which are not changed any more.
type batch struct {
	weir.Batch
	entries []entry
}

// An entry is one record of a batch.
type entry struct {
	record weir.Record
	ts     time.Time
	end    time.Time
	bytes  int64
}

// New returns an empty store.
func New(c Config) (*Store, error) {
	if c.MaxBytes < 0 {
		return nil, fmt.Errorf("max_bytes: got %d, want 0 or more", c.MaxBytes)
	}
	if c.MaxRecords < 0 {
		return nil, fmt.Errorf("max_records: got %d, want 0 or more", c.MaxRecords)
	}
	return &Store{config: c}, nil
}

// Append implements [store.Store].
func (s *Store) Append(ctx context.Context, b *weir.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if b.Len() == 0 {
		return s.open()
	}
	nb := newBatch(b)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return os.ErrClosed
	}
	s.add(nb)
	if s.config.MaxBytes > 0 && s.bytes > s.config.MaxBytes || s.config.MaxRecords > 0 && s.records > s.config.MaxRecords {
		// To nine tenths, so that not every Append from now on sorts all records.
		s.dropped += s.retain(time.Time{}, s.config.MaxBytes*9/10, s.config.MaxRecords*9/10)
	}
	return nil
}

// Flush implements [store.Store]: there is nowhere more durable to go.
func (s *Store) Flush(ctx context.Context) error {
	if err := s.open(); err != nil {
		return err
	}
	return ctx.Err()
}

func (s *Store) open() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return os.ErrClosed
	}
	return nil
}

func newBatch(b *weir.Batch) *batch {
	nb := &batch{Batch: b.Clone()}
	nb.entries = make([]entry, 0, nb.Len())
	for r := range nb.Records {
		nb.entries = append(nb.entries, newEntry(r))
	}
	return nb
}

func newEntry(r weir.Record) entry {
	e := entry{record: r, bytes: own(reflect.ValueOf(r).Elem())}
	e.ts, e.end = weir.Span(r)
	return e
}

func (s *Store) add(b *batch) {
	s.batches = append(s.batches, b)
	for _, e := range b.entries {
		s.bytes += e.bytes
	}
	s.records += len(b.entries)
}

// snapshot returns the batches of now. Later changes do not touch them.
func (s *Store) snapshot() ([]*batch, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, os.ErrClosed
	}
	return s.batches[:len(s.batches):len(s.batches)], nil
}

// Query implements [store.Store].
func (s *Store) Query(ctx context.Context, a query.Ask) iter.Seq2[query.Row, error] {
	return func(yield func(query.Row, error) bool) {
		batches, err := s.snapshot()
		if err != nil {
			yield(nil, err)
			return
		}
		if err := a.Check(); err != nil {
			yield(nil, err)
			return
		}
		newAnswer(ctx, &a, batches).rows(yield)
	}
}

// Explain says how a question would be answered, without answering it.
func (s *Store) Explain(ctx context.Context, a query.Ask) (*query.Plan, error) {
	if err := a.Check(); err != nil {
		return nil, err
	}
	batches, err := s.snapshot()
	if err != nil {
		return nil, err
	}
	an := newAnswer(ctx, &a, batches)
	from, to := a.Query.Window(a.From, a.To, an.now)
	p := &query.Plan{Engine: "memory", Records: an.count(a.Query.Table, from, to)}
	_, p.After = a.Query.Parts(a.Query.Stages, true)
	looks := a.Query.Looks(from, to, an.now)
	for i := range looks {
		l := &looks[i]
		p.Looks = append(p.Looks, query.Cost{Text: l.Text, Records: an.count(l.Table, l.From, l.To)})
	}
	p.Notes, err = query.Notes(looks, an.beginOf, nil)
	return p, err
}

func newAnswer(ctx context.Context, a *query.Ask, batches []*batch) *answer {
	first, last, _ := span(batches)
	an := &answer{ctx: ctx, ask: a, batches: batches, first: first, end: last.Add(time.Microsecond), now: a.To}
	if an.now.IsZero() {
		an.now = an.end
	}
	return an
}

// count counts the records of a table in a window.
func (an *answer) count(table *weir.Table, from, to time.Time) (n int64) {
	for range an.records(table, from, to) {
		n++
	}
	return n
}

// An answer is being made to one question, of the records of one moment.
type answer struct {
	ctx     context.Context
	ask     *query.Ask
	batches []*batch
	first   time.Time // of all records
	end     time.Time // just after the last one
	now     time.Time // from which durations count back, and up to which lists must count
}

func (an *answer) rows(yield func(query.Row, error) bool) {
	a := an.ask
	from, to := a.Query.Window(a.From, a.To, an.now)
	sum := query.Summary{From: from, To: to, Complete: true, Plan: "memory: look at every record of the table"}
	sum.Notes, _ = query.Notes(a.Query.Looks(from, to, an.now), an.beginOf, nil) // beginOf never fails
	for r, err := range an.query(exec.Question{Query: a.Query, From: from, To: to, Now: an.now}, &sum.Scanned) {
		if err == nil {
			sum.Matched++
		} else {
			sum.Complete = false
		}
		if !yield(r, err) || err != nil {
			sum.Complete = false
			break
		}
	}
	if a.Summary != nil {
		*a.Summary = sum
	}
}

// query answers a question in its window: the one that was asked, or one that
// this leads to.
func (an *answer) query(q exec.Question, scanned *int64) iter.Seq2[query.Row, error] {
	env := &exec.Env{From: q.From, To: q.To, Now: q.Now, First: an.first, End: an.end, Local: an.ask.LocalNetworks()}
	env.Set = func(name string, of query.Column) query.Set { return an.ask.Set(name, of, an.now) }
	env.Begin = an.beginOf
	env.Ask = func(sub exec.Question) iter.Seq2[query.Row, error] { return an.query(sub, nil) }
	return exec.Records(an.ctx, env, q.Query, an.records(q.Query.Table, q.From, q.To), scanned)
}

// beginOf is the time of the first record of a table, zero if there is none.
func (an *answer) beginOf(table *weir.Table) (first time.Time, _ error) {
	for r := range an.records(table, time.Time{}, time.Time{}) {
		if ts, _ := weir.Span(r); first.IsZero() || ts.Before(first) {
			first = ts
		}
	}
	return first, nil
}

// records are those of a table whose ts lies in the window.
func (an *answer) records(table *weir.Table, from, to time.Time) iter.Seq[weir.Record] {
	return func(yield func(weir.Record) bool) {
		for _, b := range an.batches {
			for i := range b.entries {
				e := &b.entries[i]
				if e.record.Table() != table || e.ts.Before(from) || !to.IsZero() && !e.ts.Before(to) {
					continue
				}
				if !yield(e.record) {
					return
				}
			}
		}
	}
}

// Span implements [store.Store].
func (s *Store) Span(ctx context.Context) (first, last time.Time, err error) {
	batches, err := s.snapshot()
	if err != nil {
		return first, last, err
	}
	first, last, ok := span(batches)
	if !ok {
		return first, last, store.ErrEmpty
	}
	return first, last, ctx.Err()
}

func span(batches []*batch) (first, last time.Time, ok bool) {
	for _, b := range batches {
		for i := range b.entries {
			e := &b.entries[i]
			if e.record.Table() == weir.FindingTable {
				continue
			}
			if !ok || e.ts.Before(first) {
				first = e.ts
			}
			if !ok || e.ts.After(last) {
				last = e.ts
			}
			ok = true
		}
	}
	return first, last, ok
}

// Retain implements [store.Store].
func (s *Store) Retain(ctx context.Context, before time.Time, maxBytes int64) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, os.ErrClosed
	}
	return s.retain(before, maxBytes, 0), nil
}

// retain deletes what ended before a time, and then the oldest until no more
// than so many bytes and records are left; 0 is no bound.
func (s *Store) retain(before time.Time, maxBytes int64, maxRecords int) (deleted int64) {
	var all []*entry
	for _, b := range s.batches {
		for i := range b.entries {
			all = append(all, &b.entries[i])
		}
	}
	slices.SortStableFunc(all, func(a, b *entry) int { return cmp.Or(a.end.Compare(b.end), a.ts.Compare(b.ts)) })
	bytes, records := s.bytes, s.records
	gone := map[*entry]bool{}
	for _, e := range all {
		tooMany := maxBytes > 0 && bytes > maxBytes || maxRecords > 0 && records > maxRecords
		if !e.end.Before(before) && !tooMany {
			break
		}
		gone[e] = true
		bytes -= e.bytes
		records--
	}
	if len(gone) == 0 {
		return 0
	}
	s.keep(gone)
	return int64(len(gone))
}

// keep makes the batches anew without the entries that are gone.
func (s *Store) keep(gone map[*entry]bool) {
	old := s.batches
	s.batches, s.bytes, s.records = nil, 0, 0
	for _, b := range old {
		var left weir.Batch
		n := 0
		for i := range b.entries {
			if !gone[&b.entries[i]] {
				left.Add(b.entries[i].record)
				n++
			}
		}
		switch n {
		case 0:
		case len(b.entries):
			s.add(b)
		default:
			s.add(newBatch(&left))
		}
	}
}

// Size implements [store.Store].
func (s *Store) Size(ctx context.Context) (int64, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return 0, os.ErrClosed
	}
	return s.bytes, ctx.Err()
}

// Dropped returns how many records went because of the bounds of the Config.
func (s *Store) Dropped() int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.dropped
}

// Close implements [store.Store].
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batches, s.bytes, s.records, s.closed = nil, 0, 0, true
	return nil
}
