// Package nfcapd reads the files that nfdump's collectors have written.
package nfcapd

import (
	"context"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/source"
)

// Config says what a [Source] reads.
type Config struct {
	// Inputs are files, folders and "-" for standard input, read in this order
	// as one stretch of traffic.
	Inputs []string
	// Sensor names the place where the traffic was seen; it stands in every
	// record.
	Sensor string
}

// A Source reads files of nfdump.
type Source struct {
	config Config
}

var _ source.Source = (*Source)(nil)

// New finds the inputs and checks the configuration.
func New(c Config) (*Source, error) { return &Source{config: c}, nil }

// Run reads the inputs one after the other.
func (s *Source) Run(ctx context.Context, emit func(*weir.Batch) error) error { return ctx.Err() }

// Progress tells how far Run has got.
func (s *Source) Progress() source.Progress { return source.Progress{} }
