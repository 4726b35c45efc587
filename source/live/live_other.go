//go:build !linux

package live

import (
	"context"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/source"
)

// A Source watches interfaces.
type Source struct{}

// New returns [ErrNotHere].
func New(Config) (*Source, error) { return nil, ErrNotHere }

// Run returns [ErrNotHere].
func (*Source) Run(context.Context, func(*weir.Batch) error) error { return ErrNotHere }

// Progress returns nothing.
func (*Source) Progress() source.Progress { return source.Progress{} }

// Close does nothing.
func (*Source) Close() {}

// Views returns nothing.
func (*Source) Views() []View { return nil }

// ReduceRights returns [ErrNotHere].
func ReduceRights(string) error { return ErrNotHere }

// Synchronised reports whether this machine's clock is kept right by another.
func Synchronised() bool { return true }
