// Package pipeline is the page on which all stages meet.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/detect"
	"github.com/weir-nta/weir/enrich"
	"github.com/weir-nta/weir/query"
	"github.com/weir-nta/weir/source"
	"github.com/weir-nta/weir/store"
)

// A Pipeline carries batches from sources through enrichment to the store and
// then to the detectors, and what those find to the store as well.
type Pipeline struct {
	Sources   []source.Source
	Enrich    []enrich.Enricher
	Store     store.Store // nil: records are not kept
	Detectors []detect.Choice
	// Found is called for each finding, of the detectors and of the sources
	// (Suricata's alerts, Zeek's notices), one at a time; nil for nobody.
	Found func(weir.Finding)
	Log   *slog.Logger

	// Live says that the traffic does not wait: a slow detector loses records
	// instead of holding up the sources, and so does a store that takes none
	// (a full disk). What is lost is counted and the sources go on.
	Live bool
	// FlushEvery is how often a live store makes durable what it has taken, 0
	// for 1 s; RetainEvery how often it deletes what Retention no longer wants,
	// 0 for 10 min.
	FlushEvery, RetainEvery time.Duration
	// Retention bounds a live store.
	Retention Retention
	// Sensor names this place in the records of its own health.
	Sensor string
	// Lists are the named lists that the questions of detectors may use.
	Lists *query.Lists
	// Local are the networks that these questions mean by local, nil for the
	// private ones.
	Local []netip.Prefix

	keeper keeper
	engine *detect.Engine
	carry1 sync.Mutex     // enrichers and the order of batches want one at a time
	found  []weir.Finding // reported and not yet in the store
	foundM sync.Mutex
	tellM  sync.Mutex // detectors and sources find at the same time
}

// ErrStore says that the store took no more records. Those before are in it,
// and what they led to has been found.
var ErrStore = errors.New("store")

// Run runs the pipeline until ctx is done or all sources have ended. What has
// been read by then goes all the way: ending early loses nothing of it. The
// error is that of the sources, of the store ([ErrStore]) or the cause of ctx.
func (p *Pipeline) Run(ctx context.Context) error {
	last := context.WithoutCancel(ctx)
	o := detect.Options{Report: p.report, Wait: !p.Live, Log: p.Log}
	if p.Store != nil {
		o.Ask = func(ctx context.Context, a query.Ask) iter.Seq2[query.Row, error] {
			a.Lists, a.Local = p.Lists, p.Local
			return p.Store.Query(ctx, a)
		}
	}
	engine, err := detect.Start(last, p.Detectors, o)
	if err != nil {
		return err
	}
	p.engine = engine
	p.keepSeen()

	stop := p.keepUp(last)
	errs := p.runSources(ctx, func(b *weir.Batch) error { return p.carry(last, b) })
	if !errors.Is(errors.Join(errs...), ErrStore) {
		errs = append(errs, p.lastWords(last))
	}
	engine.Close()
	stop()
	if err := p.finish(last); err != nil && !errors.Is(errors.Join(errs...), ErrStore) {
		errs = append(errs, err) // said once: a full disk refuses this too
	}
	return errors.Join(errs...)
}

// A closer is an enricher that has something to tell when no more will come.
type closer interface {
	// Close is called once, after the last Enrich.
	Close() *weir.Batch
}

// lastWords carries what enrichers have to tell at the end.
func (p *Pipeline) lastWords(ctx context.Context) error {
	for _, e := range p.Enrich {
		c, ok := e.(closer)
		if !ok {
			continue
		}
		if b := c.Close(); b != nil && b.Len() > 0 {
			if err := p.carry(ctx, b); err != nil {
				return err
			}
		}
	}
	return nil
}

// finish writes the last findings and makes all that is in the store durable.
func (p *Pipeline) finish(ctx context.Context) error {
	if p.Store == nil {
		return nil
	}
	if err := p.keepFindings(ctx); err != nil {
		return err
	}
	if err := p.Store.Flush(ctx); err != nil {
		p.keeper.failed(err, 0)
		return fmt.Errorf("%w: %w", ErrStore, err)
	}
	return nil
}

// Stats says what each detector has seen, found and lost. It is for after Run,
// and nil if Run could not start them.
func (p *Pipeline) Stats() []detect.Stat {
	if p.engine == nil {
		return nil
	}
	return p.engine.Stats()
}

// runSources runs all sources at once. The first that fails for another reason
// than damaged input ends the others.
func (p *Pipeline) runSources(ctx context.Context, emit func(*weir.Batch) error) []error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	done := make(chan error)
	for _, s := range p.Sources {
		go func() { done <- s.Run(ctx, emit) }()
	}
	var errs []error
	for range p.Sources {
		err := <-done
		if err == nil {
			continue
		}
		if errors.Is(err, context.Canceled) && context.Cause(ctx) != nil {
			err = context.Cause(ctx)
		}
		errs = append(errs, err)
		var damaged *source.DamagedError
		if !errors.As(err, &damaged) {
			stop(err)
		}
	}
	return errs
}

// carry takes one batch all the way.
func (p *Pipeline) carry(ctx context.Context, b *weir.Batch) error {
	p.carry1.Lock()
	defer p.carry1.Unlock()
	for _, e := range p.Enrich {
		e.Enrich(b)
	}
	if err := p.keep(ctx, b); err != nil {
		return err
	}
	for i := range b.Findings {
		p.announce(b.Findings[i])
	}
	if err := p.engine.Observe(ctx, b); err != nil {
		return err
	}
	return p.keepFindings(ctx)
}

// announce tells who listens of a finding.
func (p *Pipeline) announce(f weir.Finding) {
	if p.Found == nil {
		return
	}
	p.tellM.Lock()
	defer p.tellM.Unlock()
	p.Found(f)
}

// report takes a finding from the engine.
func (p *Pipeline) report(f weir.Finding) {
	p.announce(f)
	if p.Store == nil {
		return
	}
	p.foundM.Lock()
	defer p.foundM.Unlock()
	p.found = append(p.found, f)
}

// keepFindings writes what has been found so far to the store.
func (p *Pipeline) keepFindings(ctx context.Context) error {
	p.foundM.Lock()
	found := p.found
	p.found = nil
	p.foundM.Unlock()
	if len(found) == 0 {
		return nil
	}
	return p.keep(ctx, &weir.Batch{Findings: found})
}

// keep gives b to the store. A live pipeline goes on without one that refuses.
func (p *Pipeline) keep(ctx context.Context, b *weir.Batch) (err error) {
	if p.Store != nil {
		err = p.Store.Append(ctx, b)
	}
	p.keeper.took(b, err)
	if err == nil || p.Live {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrStore, err)
}
