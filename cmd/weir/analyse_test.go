package main

import (
	"context"
	"testing"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/config"
	"github.com/weir-nta/weir/parts"
	"github.com/weir-nta/weir/source"
)

// oddities is a source of batches that hold nothing else.
type oddities struct{ batches int }

func (o oddities) Run(_ context.Context, emit func(*weir.Batch) error) error {
	for range o.batches {
		if err := emit(&weir.Batch{Oddities: make([]weir.Oddity, 1000)}); err != nil {
			return err
		}
	}
	return nil
}

func (oddities) Progress() source.Progress { return source.Progress{} }

// TestLocatingHoldsLittle checks that records without flows are not held until
// the end, and that each is handed on once and in order.
func TestLocatingHoldsLittle(t *testing.T) {
	c, err := config.Parse(nil, parts.Detectors)
	if err != nil {
		t.Fatal(err)
	}
	border, err := c.Local.New()
	if err != nil {
		t.Fatal(err)
	}
	const batches = 200
	emitted, most := 0, 0
	l := &locating{Source: oddities{batches}, config: c.Local, border: border, say: t.Logf}
	err = l.Run(t.Context(), func(*weir.Batch) error {
		emitted++
		most = max(most, len(l.held))
		return nil
	})
	if limit := 10 * proposeFrom / 1000; err != nil || emitted != batches || most != limit {
		t.Errorf("%d batches handed on, %d held at most, %v; want %d, %d, nil", emitted, most, err, batches, limit)
	}
}
