// Package capture reads capture files as they are written by tcpdump,
// Wireshark and most of what captures packets: pcap and pcapng, plain or
// compressed, from files, folders and standard input. Its [Source] has their
// packets decoded and metered; its [Reader] gives the packets themselves.
package capture

import (
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
	"github.com/weir-nta/weir/decode/packet"
	"github.com/weir-nta/weir/internal/files"
	"github.com/weir-nta/weir/meter"
	"github.com/weir-nta/weir/source"
)

// Config says what a [Source] reads.
type Config struct {
	// Inputs are files, folders and "-" for standard input, read in this
	// order as one stretch of traffic: a flow may go on from one to the next.
	// A folder stands for the captures in it and below it, by name.
	Inputs []string
	// Stdin is read for "-"; nil means os.Stdin.
	Stdin io.Reader
	// Meter sets up the metering; [meter.DefaultConfig] is what to start from.
	Meter meter.Config
	// Packets sets up the decoding.
	Packets packet.Config
	// Collector sets up how datagrams that are exports of flows are also read
	// as such; [collector.DefaultConfig] is what to start from. Nil means that
	// they are metered as packets only.
	Collector *collector.Config
}

// A Source reads captures and meters their packets, all in the goroutine that
// calls Run, which is to be called once.
type Source struct {
	config  Config
	inputs  []files.File
	total   int64
	decoder *packet.Decoder
	meter   *meter.Meter
	emit    func(*weir.Batch) error
	packet  packet.Packet
	damaged []error
	tally   tally
	exports exports

	bytes atomic.Int64

	mu        sync.Mutex
	published tally // what Progress tells, set now and then
}

var _ source.Source = (*Source)(nil)

// New finds the inputs and checks the configuration. A file that does not
// exist is an error here, before anything is read.
func New(c Config) (*Source, error) {
	if len(c.Inputs) == 0 {
		return nil, errors.New("inputs: got none, want one or more")
	}
	s := &Source{config: c, decoder: packet.NewDecoder(c.Packets), tally: newTally()}
	var err error
	if s.inputs, s.total, err = files.Find(c.Inputs); err != nil {
		return nil, err
	}
	if c.Collector != nil {
		if err := c.Collector.Check(); err != nil {
			return nil, fmt.Errorf("collector: %w", err)
		}
	}
	s.meter, err = meter.New(c.Meter, s.handOn)
	if err != nil {
		return nil, fmt.Errorf("meter: %w", err)
	}
	return s, nil
}

// Run reads the inputs one after the other. What was metered until ctx is done
// is still handed on before Run returns its error.
func (s *Source) Run(ctx context.Context, emit func(*weir.Batch) error) error {
	s.emit = emit
	var err error
	for _, in := range s.inputs {
		if err = s.read(ctx, in); err != nil {
			break
		}
	}
	if cerr := s.meter.Close(); err == nil {
		err = cerr
	}
	if err == nil || ctx.Err() != nil {
		if cerr := s.closeExports(); err == nil {
			err = cerr
		}
	}
	if s.tally.packets > 0 && (err == nil || ctx.Err() != nil) {
		if herr := s.handOn(s.health()); err == nil {
			err = herr
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

var errNone = fmt.Errorf("%w: none of its files is one", ErrNotCapture)

func (s *Source) handOn(b *weir.Batch) error {
	s.tally.records += int64(b.Len())
	s.tally.flows += int64(len(b.Flows))
	if s.exports.collector != nil { // which tells of flows long past
		b.Through = time.Time{}
	}
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
	r, err := Open(from)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return ctx.Err()
	case in.Walked && (errors.Is(err, ErrNotCapture) || errors.Is(err, ErrEmpty)):
		s.bytes.Add(in.Size)
		s.tally.leaveOut(in.Path)
		return nil
	default:
		s.damage(in, 0, 0, err)
		return nil
	}
	defer r.Close()
	s.tally.files++
	err = s.packets(ctx, r)
	s.tally.finish(r.Stats())
	if errors.Is(err, ErrDamaged) {
		s.damage(in, r.Offset(), r.Packets(), err)
		return nil
	}
	return err
}

// checkEvery is after how many packets Run looks whether to stop: a few
// milliseconds.
const checkEvery = 4096

// packets decodes and meters what r gives.
func (s *Source) packets(ctx context.Context, r *Reader) error {
	s.tally.begin()
	for n := 1; ; n++ {
		if n%checkEvery == 0 {
			s.publish()
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
		rec, err := r.Next()
		if err != nil {
			if err == io.EOF {
				return nil
			}
			if ctx.Err() != nil { // it was the reading that was stopped
				return ctx.Err()
			}
			return err
		}
		s.tally.packet(&rec)
		switch err := s.decoder.Decode(&s.packet, rec.Link, rec.Data, rec.WireLen, rec.TS); err {
		case nil:
			if err := s.meter.Packet(rec.TS, &s.packet); err != nil {
				return err
			}
			if err := s.export(rec.TS); err != nil {
				return err
			}
		case packet.ErrNotIP:
			if s.packet.Frame != 0 {
				if err := s.meter.Frame(rec.TS, &s.packet); err != nil {
					return err
				}
			}
		case packet.ErrHeader:
			if s.packet.Bytes != 0 { // else nobody can be said to have sent it
				s.meter.Oddity(rec.TS, &s.packet, "malformed_header", "")
			}
		case packet.ErrLinkType:
			s.tally.links[rec.Link]++
		}
	}
}

// open opens an input, counting the bytes read from it.
func (s *Source) open(ctx context.Context, in files.File) (io.Reader, func(), error) {
	if in.Path == "-" {
		from := s.config.Stdin
		if from == nil {
			from = os.Stdin
		}
		return &counting{interruptible(ctx, from), ctx, &s.bytes}, func() {}, nil
	}
	f, err := os.Open(in.Path)
	if err != nil {
		return nil, nil, err
	}
	done := func() { _ = f.Close() } // it was only read
	if info, err := f.Stat(); err == nil && !info.Mode().IsRegular() {
		return &counting{interruptible(ctx, f), ctx, &s.bytes}, done, nil
	}
	return &counting{f, ctx, &s.bytes}, done, nil
}

func (s *Source) damage(in files.File, offset, read int64, err error) {
	name := in.Path
	if name == "-" {
		name = "standard input"
	}
	s.damaged = append(s.damaged, &source.DamagedError{Input: name, Offset: offset, Read: read, Err: err})
}

// A counting reader counts what is read, and reads nothing more once ctx is
// done: there are captures that go on for long without a packet.
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
