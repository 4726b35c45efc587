package collector

import (
	"context"
	"sync"
	"time"

	"github.com/weir-nta/weir/decode/flowrec"
	"github.com/weir-nta/weir/stitch"
)

// A slab is the records of one datagram on their way to the stitcher. Slices
// change hands and come back: nothing is copied and, in the long run, nothing
// allocated.
type slab struct {
	records []flowrec.Record
	from    *exporter
	told    timeouts
	at      time.Time
}

// timeouts are those that an exporter tells, 0 for not.
type timeouts struct{ active, inactive time.Duration }

func (t timeouts) tell(x *stitch.Exporter) {
	if t.active != 0 {
		x.ToldActive = t.active
	}
	if t.inactive != 0 {
		x.ToldInactive = t.inactive
	}
}

// maxSpare is how many slices wait to be used again, and maxSpareRecords how
// long the longest of them is: what a flood left behind is given back.
const (
	maxSpare        = 1024
	maxSpareRecords = 512
)

// A queue holds decoded records until they are put together.
type queue struct {
	mu      sync.Mutex
	room    sync.Cond
	slabs   []slab
	empty   []slab // to be used for slabs next
	records int    // waiting, and being put together
	spares  [][]flowrec.Record

	limit, enough int
	abandoned     bool // nobody takes any more
	ready         chan struct{}
}

func (q *queue) init(limit, enough int) {
	q.room.L = &q.mu
	q.limit, q.enough = limit, min(enough, limit)
	q.ready = make(chan struct{}, 1)
}

// put takes a slab and gives a slice for the next.
func (q *queue) put(s slab) []flowrec.Record {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.slabs = append(q.slabs, s)
	before := q.records
	q.records += len(s.records)
	if before < q.enough && q.records >= q.enough {
		select {
		case q.ready <- struct{}{}:
		default:
		}
	}
	return q.takeSpare()
}

// spare gives a slice to fill.
func (q *queue) spare() []flowrec.Record {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.takeSpare()
}

func (q *queue) takeSpare() []flowrec.Record {
	n := len(q.spares)
	if n == 0 {
		return nil
	}
	s := q.spares[n-1]
	q.spares = q.spares[:n-1]
	return s
}

// take returns all slabs that wait.
func (q *queue) take() []slab {
	q.mu.Lock()
	defer q.mu.Unlock()
	out := q.slabs
	q.slabs, q.empty = q.empty[:0], nil
	return out
}

// done takes back the slice of a slab whose records are put together.
func (q *queue) done(records []flowrec.Record) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.records -= len(records)
	if q.records <= q.limit {
		q.room.Broadcast()
	}
	if len(q.spares) < maxSpare && cap(records) > 0 && cap(records) <= maxSpareRecords {
		clear(records) // lets go of what More holds
		q.spares = append(q.spares, records[:0])
	}
}

// recycle takes back what take gave.
func (q *queue) recycle(slabs []slab) {
	clear(slabs)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.empty = slabs[:0]
}

// wait waits until no more records wait than may.
func (q *queue) wait(ctx context.Context) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.records <= q.limit || q.abandoned {
		return
	}
	stop := context.AfterFunc(ctx, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.room.Broadcast()
	})
	defer stop()
	for q.records > q.limit && !q.abandoned && ctx.Err() == nil {
		q.room.Wait()
	}
}

// abandon lets go of all who wait: there will never be room.
func (q *queue) abandon() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.abandoned = true
	q.room.Broadcast()
}
