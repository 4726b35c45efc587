package collector

import (
	"context"
	"sync"
	"time"

	"github.com/weir-nta/weir"
)

// putTogetherEvery is how often Serve puts together what has arrived where that
// is less than a batch.
const putTogetherEvery = 250 * time.Millisecond

// Serve has receivers bring datagrams until ctx is done, one of them fails or
// all have ended, and hands all that becomes of them to emit, to the last
// record. A receiver returns soon after its context is done, nil if there was
// no other reason; now is the clock of arrival. Serve calls emit from its own
// goroutine, and puts the next batch together while emit is at work. It closes
// the collector. The error is that of emit, of a receiver or of ctx.
func (c *Collector) Serve(ctx context.Context, now func() time.Time, emit func(*weir.Batch) error, receivers ...func(context.Context) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	ended := c.receive(ctx, stop, receivers)
	batches := make(chan *weir.Batch)
	failed := make(chan struct{})
	go func() {
		defer close(batches)
		c.putTogether(now, ended, func(b *weir.Batch) error {
			select {
			case batches <- b:
				return nil
			case <-failed:
				return context.Canceled // why is known to who emits
			}
		})
	}()
	err := emitAll(batches, emit)
	if err != nil {
		stop(err)
		c.queue.abandon()
		close(failed)
	}
	<-ended
	for range batches { // let go of who puts together
	}
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return err
}

// receive starts the receivers and returns what is closed when all have ended.
func (c *Collector) receive(ctx context.Context, stop context.CancelCauseFunc, receivers []func(context.Context) error) <-chan struct{} {
	ended := make(chan struct{})
	var all sync.WaitGroup
	for _, r := range receivers {
		all.Go(func() {
			if err := r(ctx); err != nil {
				stop(err)
			}
		})
	}
	go func() {
		all.Wait()
		close(ended)
	}()
	return ended
}

// putTogether hands to emit what becomes ready, and all when it has ended.
func (c *Collector) putTogether(now func() time.Time, ended <-chan struct{}, emit func(*weir.Batch) error) {
	tick := time.NewTicker(putTogetherEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-c.Ready():
		case <-ended:
			_ = c.CloseEach(emit) // whoever made emit fail knows
			return
		}
		if c.Each(now(), emit) != nil {
			<-ended
			return
		}
	}
}

// emitAll hands the batches on until there are no more, or emit fails.
func emitAll(batches <-chan *weir.Batch, emit func(*weir.Batch) error) error {
	for b := range batches {
		if err := emit(b); err != nil {
			return err
		}
	}
	return nil
}
