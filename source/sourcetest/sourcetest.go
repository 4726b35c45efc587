// Package sourcetest is the suite that every source passes: the promises of
// source.Source that do not depend on what is read.
package sourcetest

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/source"
)

// Run tests a source. Open opens it anew, each time upon the same input, which
// ends and makes two records or more.
func Run(t *testing.T, open func(t *testing.T) source.Source) {
	t.Run("HandsOver", func(t *testing.T) { handsOver(t, open(t)) })
	t.Run("SameAgain", func(t *testing.T) { sameAgain(t, open(t), open(t)) })
	t.Run("EmitFails", func(t *testing.T) { emitFails(t, open(t)) })
	t.Run("Canceled", func(t *testing.T) { canceled(t, open(t)) })
}

// handsOver checks that a batch is no longer the source's once it is handed
// on, that emit is called once at a time, and that Progress tells the truth.
func handsOver(t *testing.T, s source.Source) {
	done := make(chan struct{})
	asked := make(chan struct{})
	go func() { // Progress from another goroutine; the race detector watches
		defer close(asked)
		for {
			select {
			case <-done:
				return
			case <-time.After(time.Millisecond):
				s.Progress()
			}
		}
	}()
	var inside atomic.Int32
	var batches []*weir.Batch
	var said [][]byte
	records := int64(0)
	err := s.Run(t.Context(), func(b *weir.Batch) error {
		if inside.Add(1) != 1 {
			t.Error("emit was called while it was running")
		}
		defer inside.Add(-1)
		batches = append(batches, b)
		said = append(said, written(b))
		records += int64(b.Len())
		return nil
	})
	close(done)
	<-asked
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range batches {
		if got := written(b); !bytes.Equal(got, said[i]) {
			t.Errorf("batch %d was changed after it was handed on:\n got %s\nwant %s", i, got, said[i])
		}
	}
	p := s.Progress()
	if records < 2 || p.Records != records || p.Packets == 0 || p.Total > 0 && p.Bytes != p.Total {
		t.Errorf("after %d records: progress %+v; want 2 or more, as many counted, and all bytes read", records, p)
	}
}

// sameAgain checks that the same input gives the same records.
func sameAgain(t *testing.T, a, b source.Source) {
	var said [2][]byte
	for i, s := range []source.Source{a, b} {
		err := s.Run(t.Context(), func(b *weir.Batch) error {
			said[i] = append(said[i], written(b)...)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(said[0], said[1]) {
		t.Errorf("the second run says\n%s\nthe first said\n%s", said[1], said[0])
	}
}

// emitFails checks that Run returns the error of emit and does not call it again.
func emitFails(t *testing.T, s source.Source) {
	full := errors.New("disk full")
	calls := 0
	err := s.Run(t.Context(), func(*weir.Batch) error {
		calls++
		return full
	})
	if !errors.Is(err, full) || calls != 1 {
		t.Errorf("error %v after %d calls of emit, want %v after one", err, calls, full)
	}
}

// canceled checks that Run returns at once where ctx is done before it begins.
func canceled(t *testing.T, s source.Source) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, func(*weir.Batch) error { return nil }) }()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want %v", err, context.Canceled)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Run goes on although its context is done")
	}
}

// written returns the records of b as they are written out.
func written(b *weir.Batch) []byte {
	var out []byte
	for r := range b.Records {
		out = append(weir.AppendJSON(out, r), '\n')
	}
	return out
}
