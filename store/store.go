// Package store says how records are kept and asked for.
package store

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/query"
)

// A Store keeps records and answers questions about them. Its methods may be
// called at the same time from many goroutines.
// [github.com/weir-nta/weir/store/storetest] is the full statement of what it
// promises.
type Store interface {
	// Append takes the records of b, all or none. Questions asked from then on
	// see them; they survive the end of the process from the next Flush on, or
	// earlier: making each small batch durable by itself costs more than all
	// the rest. When it returns an error, b is not in the store, and batches
	// taken since the last Flush may have been lost with it, each as a whole:
	// a *[LostError] counts them.
	// It keeps nothing of b after it returns. Times are kept to the
	// microsecond, text as valid UTF-8, addresses without a zone.
	Append(ctx context.Context, b *weir.Batch) error
	// Flush makes the records appended before durable: when it has returned
	// nil they survive the end of the process. A source calls it at the end of
	// what it reads, or where that has none, every second. When it returns an
	// error, batches taken since the last Flush may have been lost, each as a
	// whole; the store can be used on.
	Flush(ctx context.Context) error
	// Query answers a question over the records appended before the call. The
	// same records give the same answer in every store: the same rows, in the
	// same order where the question says one. Rows are the caller's. A
	// *query.Error in the sequence means that the question cannot be answered.
	Query(ctx context.Context, a query.Ask) iter.Seq2[query.Row, error]
	// Span returns the times of the first and the last record, of all tables
	// but the findings; ErrEmpty if there is none.
	Span(ctx context.Context) (first, last time.Time, err error)
	// Retain deletes records that are too old or too many: those that ended
	// before the given time, and then the oldest until the store takes no more
	// than maxBytes (0 for no bound). A store may delete in larger pieces, such
	// as days, but never a record that both bounds allow to stay but for the
	// piece it is in. It returns how many records went.
	Retain(ctx context.Context, before time.Time, maxBytes int64) (deleted int64, err error)
	// Size returns the bytes that the records take.
	Size(ctx context.Context) (int64, error)
	// Close writes what is still buffered and lets go of the store.
	Close() error
}

// ErrEmpty says that a store holds no record yet.
var ErrEmpty = errors.New("store is empty")

// A LostError says how many records are not in the store because of what went
// wrong in Append or Flush: those of the batch, and those taken since the last
// Flush that went with it. Without one it is the batch alone.
type LostError struct {
	Records int64
	Err     error
}

// Error says what went wrong.
func (e *LostError) Error() string { return e.Err.Error() }

// Unwrap returns what went wrong.
func (e *LostError) Unwrap() error { return e.Err }
