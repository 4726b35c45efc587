// Package nfcapd reads the files that nfdump's collectors have written, and
// puts the records in them together to conversations, as if they had just come
// from their exporters.
package nfcapd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/collector"
	"github.com/weir-nta/weir/decode/flowrec"
	"github.com/weir-nta/weir/decode/nfcapd"
	"github.com/weir-nta/weir/internal/files"
	"github.com/weir-nta/weir/source"
)

// Config says what a [Source] reads.
type Config struct {
	// Inputs are files, folders and "-" for standard input, read in this order
	// as one stretch of traffic: a conversation may go on from one to the next.
	// A folder stands for the nfcapd files in it and below it, by name, which
	// for the names that nfcapd gives is by time.
	Inputs []string
	// Stdin is read for "-"; nil means os.Stdin.
	Stdin io.Reader
	// Sensor names the place where the traffic was seen; it stands in every
	// record. Empty for the name of the exporter in the collector's settings,
	// else its address, else the file.
	Sensor string
	// Collector sets up what becomes of the records, [stitch.Config] within it;
	// [collector.DefaultConfig] is what to start from. Its StateDir means
	// nothing here: files have no templates.
	Collector collector.Config
}

// A Source reads files of nfdump, all in the goroutine that calls Run, which is
// to be called once.
type Source struct {
	config    Config
	inputs    []files.File
	total     int64
	collector *collector.Collector
	emit      func(*weir.Batch) error
	damaged   []error
	tally     tally
	slab      slab

	bytes atomic.Int64

	mu        sync.Mutex
	published tally // what Progress tells, set now and then
}

// A slab is records that one exporter sent at one time, on their way to the
// collector.
type slab struct {
	from    nfcapd.Exporter
	input   string
	at      int64 // of arrival at nfcapd, microseconds
	records []flowrec.Record
}

const (
	// slabRecords is how many records are handed to the collector together.
	slabRecords = 256
	// together is how far apart records may have come to be handed over as
	// one, in microseconds: nothing waits for less.
	together = 1e6
)

var _ source.Source = (*Source)(nil)

// New finds the inputs and checks the configuration. A file that does not
// exist is an error here, before anything is read.
func New(c Config) (*Source, error) {
	if len(c.Inputs) == 0 {
		return nil, errors.New("inputs: got none, want one or more")
	}
	s := &Source{config: c}
	var err error
	if s.inputs, s.total, err = files.Find(c.Inputs); err != nil {
		return nil, err
	}
	cc := c.Collector
	cc.Input, cc.StateDir = strings.Join(c.Inputs, ", "), ""
	if len(c.Inputs) > 2 {
		cc.Input = fmt.Sprintf("%s and %d more", c.Inputs[0], len(c.Inputs)-1)
	}
	if s.collector, err = collector.New(cc); err != nil {
		return nil, fmt.Errorf("collector: %w", err)
	}
	return s, nil
}

// Run reads the inputs one after the other. What was read until ctx is done is
// still handed on before Run returns its error.
func (s *Source) Run(ctx context.Context, emit func(*weir.Batch) error) error {
	s.emit = emit
	failed := false
	var err error
	for _, in := range s.inputs {
		if err = s.read(ctx, in); err != nil {
			failed = ctx.Err() == nil
			break
		}
	}
	if !failed { // else nobody takes any more
		s.handOver()
		if cerr := s.collector.CloseEach(s.handOn); err == nil {
			err = cerr
		}
	}
	if err == nil && s.tally.files == 0 && len(s.damaged) == 0 {
		s.damaged = append(s.damaged, &source.DamagedError{Input: strings.Join(s.config.Inputs, ", "), Err: errNone})
	}
	s.publish()
	if len(s.damaged) == 0 {
		return err
	}
	return errors.Join(append(s.damaged, err)...)
}

var errNone = fmt.Errorf("%w: none of its files is one", nfcapd.ErrNotNfcapd)

func (s *Source) handOn(b *weir.Batch) error {
	s.tally.records += int64(b.Len())
	return s.emit(b)
}

// read reads one input. Damage is noted and no error here.
func (s *Source) read(ctx context.Context, in files.File) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	from, done, err := s.open(ctx, in)
	if err != nil {
		s.damage(in, 0, 0, err)
		return nil
	}
	defer done()
	r, err := nfcapd.NewReader(from)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return ctx.Err()
	case in.Walked && errors.Is(err, nfcapd.ErrNotNfcapd):
		_, err = io.Copy(io.Discard, from) // so that all bytes are accounted for
		s.tally.leaveOut(in.Path)
		return err
	default:
		s.damage(in, 0, 0, err)
		return nil
	}
	s.tally.files++
	err = s.records(ctx, r, in)
	s.tally.finish(r.Stats())
	return err
}

// checkEvery is after how many records Run looks whether to stop: a few
// milliseconds.
const checkEvery = 4096

// records hands over what r gives. Of damage the first is told, and what can be
// read behind it is read.
func (s *Source) records(ctx context.Context, r *nfcapd.Reader, in files.File) error {
	told := false
	var rec flowrec.Record
	for n := 1; ; n++ {
		if n%checkEvery == 0 {
			s.publish()
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
		switch err := r.Next(&rec); {
		case err == nil:
			s.tally.read++
			if err := s.add(&rec, r.Exporter(), in.Path); err != nil {
				return err
			}
		case errors.Is(err, io.EOF):
			return nil
		case ctx.Err() != nil: // it was the reading that was stopped
			return ctx.Err()
		default:
			if !told {
				told = true
				s.damage(in, r.Offset(), int64(r.Stats().Records), err)
			}
			if !errors.Is(err, nfcapd.ErrDamaged) {
				return nil // the file itself cannot be read any more
			}
		}
	}
}

// add puts a record to those that came with it.
func (s *Source) add(rec *flowrec.Record, from nfcapd.Exporter, path string) error {
	at := rec.Exported
	if at == 0 { // nfpcapd has its flows of packets, and nobody sent them
		at = rec.End
	}
	b := &s.slab
	if len(b.records) == slabRecords || b.from != from || b.input != path || at-b.at > together || b.at-at > together {
		s.handOver()
		b.from, b.input, b.at = from, path, at
	}
	b.records = append(b.records, *rec)
	select {
	case <-s.collector.Ready():
		return s.collector.Each(time.UnixMicro(at), s.handOn)
	default:
		return nil
	}
}

// handOver gives the records that came together to the collector.
func (s *Source) handOver() {
	b := &s.slab
	if len(b.records) == 0 {
		return
	}
	o := collector.Origin{Addr: b.from.Addr, Sensor: s.config.Sensor, Kind: "nfcapd", Domain: b.from.ID, Input: b.input}
	s.collector.Records(o, b.records, time.UnixMicro(b.at))
	clear(b.records) // let go of what is behind More
	b.records = b.records[:0]
}

// open opens an input, counting the bytes read from it.
func (s *Source) open(ctx context.Context, in files.File) (io.Reader, func(), error) {
	if in.Path == "-" {
		from := s.config.Stdin
		if from == nil {
			from = os.Stdin
		}
		return &counting{bufio.NewReader(from), ctx, &s.bytes}, func() {}, nil
	}
	f, err := os.Open(in.Path)
	if err != nil {
		return nil, nil, err
	}
	return bufio.NewReaderSize(&counting{f, ctx, &s.bytes}, 1<<16), func() { _ = f.Close() }, nil // it was only read
}

func (s *Source) damage(in files.File, offset, read int64, err error) {
	name := in.Path
	if name == "-" {
		name = "standard input"
	}
	s.damaged = append(s.damaged, &source.DamagedError{Input: name, Offset: offset, Read: read, Unit: "flow records", Err: err})
}

// A counting reader counts what is read, and reads nothing more once ctx is done.
type counting struct {
	from io.Reader
	ctx  context.Context
	n    *atomic.Int64
}

func (c *counting) Read(b []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, c.ctx.Err()
	}
	n, err := c.from.Read(b)
	c.n.Add(int64(n))
	return n, err
}
