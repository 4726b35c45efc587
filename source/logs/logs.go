// Package logs reads the logs of Zeek and of Suricata (EVE): files, folders
// with all their rotated and compressed past, and logs that are being written,
// across rotation. What several logs tell of one conversation becomes one
// flow, and all records come in the order of time.
package logs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/binetflow"
	"github.com/weir-nta/weir/decode/eve"
	"github.com/weir-nta/weir/decode/zeek"
	"github.com/weir-nta/weir/source"
)

// Config says what a [Source] reads.
type Config struct {
	// Inputs are files, folders and patterns such as "/nsm/zeek/logs/*/conn.*".
	// A folder stands for the logs in it and below it.
	Inputs []string
	// Sensor is the name of the sensor in the records; empty takes what the
	// lines tell, else "zeek" for Zeek's.
	Sensor string
	// Follow goes on with what is written to the logs, and with new ones.
	Follow bool
	// Every is how often it is looked for that.
	Every time.Duration
	// Wait is for how long a conversation waits for what other logs say of it,
	// when they are followed: Zeek writes each log once in a second.
	Wait time.Duration
	// State is a file in which a Source that follows writes down how far it has
	// got, to go on from there when it is started again. Empty for none.
	State string
	// BatchRecords is how many records a batch has at most, about.
	BatchRecords int
	// MaxJoin is of how many conversations it is kept in mind what other logs
	// said, some 800 bytes each.
	MaxJoin int
}

// DefaultConfig returns the configuration to start from.
func DefaultConfig() Config {
	return Config{Every: time.Second, Wait: 3 * time.Second, BatchRecords: 4096, MaxJoin: 1 << 16}
}

func (c *Config) check() error {
	switch {
	case len(c.Inputs) == 0:
		return errors.New("inputs: got none, want one or more")
	case c.Every <= 0:
		return fmt.Errorf("every: got %v, want more than none", c.Every)
	case c.Wait < 0:
		return fmt.Errorf("wait: got %v, want none or more", c.Wait)
	case c.BatchRecords < 1:
		return fmt.Errorf("batch_records: got %d, want 1 or more", c.BatchRecords)
	case c.MaxJoin < 2:
		return fmt.Errorf("max_join: got %d, want 2 or more", c.MaxJoin)
	case c.State != "" && !c.Follow:
		return errors.New("state: it is for logs that are followed")
	}
	return nil
}

// late is how much older than what has been read a record still may be: Zeek
// writes a conversation down when nothing of it has come for five minutes
// (tcp_inactivity_timeout), Suricata after ten at most.
const late = 11 * time.Minute

// A Source reads logs, all in the goroutine that calls Run, which is to be
// called once.
type Source struct {
	c        Config
	emit     func(*weir.Batch) error
	files    []*file // not opened yet, by their begin
	open     []*file
	decoders decoders
	join     *zeek.Join
	hold     hold
	in       weir.Batch // what a line gives
	batch    *weir.Batch
	conns    bool      // a log of Zeek's told of conversations
	frontier time.Time // up to here all logs have been read
	through  time.Time // what batches have promised
	round    uint64
	health   health
	damaged  []error
	tally    tally
	follower *follower

	bytes atomic.Int64
	total atomic.Int64

	mu        sync.Mutex
	published tally
}

var _ source.Source = (*Source)(nil)

// decoders gives each log its decoder. Those of Zeek tell one another through
// a Join; events of Suricata have one decoder, for they are of one log, however
// it was rotated or parted.
type decoders struct {
	sensor string
	join   *zeek.Join
	zeek   []*zeek.Decoder
	eve    *eve.Decoder
	argus  []*binetflow.Decoder
	closed zeek.Counters // of Zeek's logs that were read to their end
}

func newDecoders(sensor string, join *zeek.Join) *decoders {
	return &decoders{sensor: sensor, join: join, closed: zeek.Counters{Skipped: map[string]uint64{}}}
}

func (d *decoders) give(f *file) {
	switch f.format {
	case argusLog:
		a := binetflow.NewDecoder(binetflow.Config{Sensor: d.sensor})
		f.decoder = a
		d.argus = append(d.argus, a)
		return
	case eveLog:
		if d.eve == nil {
			d.eve = eve.NewDecoder(eve.Config{Sensor: d.sensor, MaxLine: maxLine})
		}
		f.decoder = d.eve
		return
	}
	f.zeek = zeek.NewDecoder(zeek.Config{Sensor: d.sensor, Path: zeek.PathOf(f.path), Join: d.join})
	f.decoder = f.zeek
	d.zeek = append(d.zeek, f.zeek)
}

// finish adds up what became of the lines of a log that is not read any more.
func (d *decoders) finish(f *file) {
	if f.zeek == nil {
		return
	}
	add(&d.closed, f.zeek.Counters())
	d.zeek = slices.DeleteFunc(d.zeek, func(z *zeek.Decoder) bool { return z == f.zeek })
	f.zeek, f.decoder = nil, nil
}

func add(sum *zeek.Counters, c zeek.Counters) {
	sum.Lines += c.Lines
	sum.Headers += c.Headers
	sum.Records += c.Records
	sum.Joined += c.Joined
	sum.Damaged += c.Damaged
	for name, n := range c.Skipped {
		sum.Skipped[name] += n
	}
}

// counters returns what became of all lines of Zeek's logs.
func (d *decoders) counters() zeek.Counters {
	sum := zeek.Counters{Skipped: map[string]uint64{}}
	add(&sum, d.closed)
	for _, z := range d.zeek {
		add(&sum, z.Counters())
	}
	return sum
}

// New finds the logs and checks the configuration. An input that does not
// exist is an error here, unless logs are to be followed, which may come to be.
func New(c Config) (*Source, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	s := &Source{c: c, join: zeek.NewJoin(c.MaxJoin), hold: hold{limit: maxHeld}, batch: &weir.Batch{}}
	s.decoders = *newDecoders(c.Sensor, s.join)
	if c.Follow {
		s.follower = newFollower(s)
		return s, s.follower.load()
	}
	found, err := find(c.Inputs, false)
	if err != nil {
		return nil, err
	}
	for _, f := range found {
		s.total.Add(f.info.Size())
	}
	s.files = found
	return s, nil
}

// find returns the files that inputs stand for, each once. Those of logs that
// are followed need not be there yet.
func find(inputs []string, may bool) ([]*file, error) {
	var found []*file
	type alike struct {
		size     int64
		modified time.Time
	}
	have := map[alike][]*file{} // the same file may be found by a link, too: Zeek's "current" is one
	add := func(path string, walked bool) {
		info, err := os.Stat(path)
		if err != nil || !info.Mode().IsRegular() {
			return
		}
		key := alike{info.Size(), info.ModTime()}
		if !slices.ContainsFunc(have[key], func(f *file) bool { return f.path == path || os.SameFile(f.info, info) }) {
			f := &file{path: path, info: info, walked: walked}
			found, have[key] = append(found, f), append(have[key], f)
		}
	}
	for _, input := range inputs {
		paths, err := matches(input)
		if may && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			info, err := os.Stat(path)
			if may && errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, err
			}
			if !info.IsDir() {
				add(path, path != input)
				continue
			}
			before := len(found)
			if err := walk(path, func(file string) { add(file, true) }); err != nil && !may {
				return nil, err
			}
			if !may && len(found) == before && len(paths) == 1 && path == input {
				return nil, fmt.Errorf("%s: a folder without files", path)
			}
		}
	}
	return found, nil
}

// matches returns the paths that an input stands for.
func matches(input string) ([]string, error) {
	if _, err := os.Stat(input); err == nil || !strings.ContainsAny(input, "*?[") {
		return []string{input}, nil
	}
	paths, err := filepath.Glob(input)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", input, err)
	}
	if len(paths) == 0 {
		return nil, &fs.PathError{Op: "find", Path: input, Err: fs.ErrNotExist}
	}
	return paths, nil
}

// walk calls f for the files below a folder, which may be a link, in the order
// of their names.
func walk(folder string, f func(file string)) error {
	if real, err := filepath.EvalSymlinks(folder); err == nil {
		folder = real
	}
	return filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil && path == folder:
			return err
		case err != nil: // a folder below that may not be read, or has gone
			return nil
		case !d.IsDir():
			f(path)
		}
		return nil
	})
}

// Run reads the logs there are, merged by time, and with Follow what is
// written to them from then on, until ctx is done. What was read until then is
// still handed on.
func (s *Source) Run(ctx context.Context, emit func(*weir.Batch) error) error {
	s.emit = emit
	err := ctx.Err()
	switch {
	case err != nil:
	case s.follower != nil:
		err = s.follower.run(ctx)
	default:
		s.look()
		err = s.readAll(ctx)
	}
	if s.follower == nil {
		if eerr := s.end(err); err == nil {
			err = eerr
		}
	}
	for _, f := range s.open {
		f.close()
	}
	s.tally.join = s.join.Counters()
	s.publish()
	if len(s.damaged) == 0 {
		return err
	}
	return errors.Join(append(s.damaged, err)...)
}

// look finds out what the files are, and puts the logs in the order of their
// begins.
func (s *Source) look() {
	found := s.files
	s.files = nil
	for _, f := range found {
		if err := f.sniff(); err != nil {
			s.bytes.Add(f.info.Size())
			s.reject(f, err)
			continue
		}
		s.files = append(s.files, f)
	}
	sortFiles(s.files)
	if len(s.files) == 0 && len(s.damaged) == 0 {
		s.damage(strings.Join(s.c.Inputs, ", "), 0, 0, fmt.Errorf("%w: none of its files is one", errNotLog))
	}
}

func sortFiles(files []*file) {
	slices.SortStableFunc(files, func(a, b *file) int {
		if c := a.first.Compare(b.first); c != 0 {
			return c
		}
		if a.rank != b.rank {
			return a.rank - b.rank
		}
		return strings.Compare(a.path, b.path)
	})
}

// reject notes a file that cannot be read as a log. In a folder other files
// may lie.
func (s *Source) reject(f *file, err error) {
	if f.walked && (errors.Is(err, errNotLog) || errors.Is(err, errEmpty)) {
		s.tally.leaveOut(f.path)
		return
	}
	s.damage(f.path, 0, 0, err)
}

func (s *Source) damage(input string, offset, read int64, err error) {
	s.damaged = append(s.damaged, &source.DamagedError{Input: input, Offset: offset, Read: read, Unit: "lines", Err: err})
}

// maxOpen is how many logs are open at once: those of three hundred kinds and
// sensors of one hour. More wait until others have been read, out of order.
const maxOpen = 256

// readAll reads what there is in the logs, always from that which is furthest
// behind.
func (s *Source) readAll(ctx context.Context) error {
	for {
		s.openDue()
		f, until := s.behind()
		if f == nil {
			return nil
		}
		if err := s.readUntil(ctx, f, until); err != nil {
			return err
		}
		if f.done && s.follower == nil {
			s.retire(f)
		}
	}
}

// openDue opens the logs that begin before all open ones have been read so far.
func (s *Source) openDue() {
	for len(s.files) > 0 && len(s.open) < maxOpen {
		f := s.files[0]
		if b, _ := s.behind(); b != nil && f.first.After(b.clock) {
			return
		}
		s.files = s.files[1:]
		err := f.open(&s.bytes)
		if s.follower != nil && (errors.Is(err, errRenamed) || errors.Is(err, fs.ErrNotExist)) {
			s.follower.lost(f)
			continue
		}
		s.tally.files++
		if err != nil {
			s.damage(f.path, 0, 0, err)
			if s.follower != nil {
				f.known.owner = nil
				s.follower.seen[f.path] = seen{f.info, ignored}
			}
			continue
		}
		s.decoders.give(f)
		if s.follower != nil {
			s.follower.resume(f)
		}
		s.open = append(s.open, f)
	}
}

// behind returns the open log that has not been read so far as the others, and
// how far the next one has been; the zero Time if there is none.
func (s *Source) behind() (least *file, next time.Time) {
	for _, f := range s.open {
		switch {
		case f.done:
		case least == nil:
			least = f
		case f.clock.Before(least.clock) || f.clock.Equal(least.clock) && f.rank < least.rank:
			if next.IsZero() || least.clock.Before(next) {
				next = least.clock
			}
			least = f
		case next.IsZero() || f.clock.Before(next):
			next = f.clock
		}
	}
	if len(s.files) > 0 && len(s.open) < maxOpen {
		if first := s.files[0].first; next.IsZero() || first.Before(next) {
			next = first
		}
	}
	return least, next
}

// retire closes a log that has been read to its end.
func (s *Source) retire(f *file) {
	f.close()
	s.decoders.finish(f)
	s.open = slices.DeleteFunc(s.open, func(o *file) bool { return o == f })
}

// checkEvery is after how many lines Run looks whether to stop: some milliseconds.
const checkEvery = 4096

// readUntil reads lines of f until it has got beyond that time, or to its end.
func (s *Source) readUntil(ctx context.Context, f *file, until time.Time) error {
	for {
		if s.tally.lines++; s.tally.lines%checkEvery == 0 {
			s.publish()
			if ctx.Err() != nil {
				s.tally.lines--
				return ctx.Err()
			}
		}
		line, err := f.next(s.follower != nil && !f.packed && !f.final)
		switch {
		case err == nil:
			err = s.line(f, line, until)
		case errors.Is(err, errTooLong):
			s.tally.tooLong++
			s.tally.badLine(f, err)
			err = nil
		default:
			s.tally.lines--
			f.done = true
			if f.failed = !errors.Is(err, io.EOF); f.failed {
				s.damage(f.path, f.offset, f.line, unpacking(err))
			}
			return nil
		}
		if err != nil {
			return err
		}
		if !until.IsZero() && f.clock.After(until) {
			return nil
		}
	}
}

// unpacking says what is wrong with a compressed file.
func unpacking(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the compressed data end early: %w", err)
	}
	return err
}

// line has a line decoded, and the records that are due handed on. Other logs
// have been read up to a time.
func (s *Source) line(f *file, line []byte, others time.Time) error {
	h := &s.health[f.format]
	h.lines++
	h.bytes += uint64(len(line)) + 1
	if err := f.decoder.Line(&s.in, line); err != nil {
		h.bad++
		s.tally.badLine(f, err)
	}
	if t := f.timeOf(&s.in, line); t.After(f.clock) {
		f.clock = t
		h.saw(t)
	}
	s.conns = s.conns || f.format == zeekLog && len(s.in.Flows) > 0
	s.sort(f.format)
	now := f.clock
	if !others.IsZero() && others.Before(now) {
		now = others
	}
	if now.After(s.frontier) {
		s.frontier = now
	}
	return s.release()
}

// sort takes what a line gave: flows are held, the rest goes into the batch.
func (s *Source) sort(from format) {
	s.health[from].records += uint64(s.in.Len())
	s.health[from].flows += uint64(len(s.in.Flows))
	switch {
	case len(s.in.Flows) > 0:
		s.health[from].sensor = s.in.Flows[0].Sensor
	case len(s.in.DNS) > 0:
		s.health[from].sensor = s.in.DNS[0].Sensor
	}
	for i := range s.in.Flows {
		s.hold.put(&s.in.Flows[i], from == zeekLog, s.round)
	}
	s.in.Flows = s.in.Flows[:0]
	if s.in.Len() > 0 {
		move(&s.batch.DNS, &s.in.DNS)
		move(&s.batch.HTTP, &s.in.HTTP)
		move(&s.batch.SSH, &s.in.SSH)
		move(&s.batch.SMB, &s.in.SMB)
		move(&s.batch.RPC, &s.in.RPC)
		move(&s.batch.Kerberos, &s.in.Kerberos)
		move(&s.batch.NTLM, &s.in.NTLM)
		move(&s.batch.RDP, &s.in.RDP)
		move(&s.batch.DHCP, &s.in.DHCP)
		move(&s.batch.Files, &s.in.Files)
		move(&s.batch.Oddities, &s.in.Oddities)
		move(&s.batch.Findings, &s.in.Findings)
	}
}

func move[T any](to, from *[]T) {
	if len(*from) > 0 {
		*to = append(*to, *from...)
		clear(*from)
		*from = (*from)[:0]
	}
}

// release hands on the flows that are due.
func (s *Source) release() error {
	if s.follower == nil || s.follower.catchingUp {
		if err := s.hold.take(s.frontier, s.flow); err != nil {
			return err
		}
	} else if len(s.hold.ends) > s.hold.limit {
		if err := s.hold.take(time.Time{}, s.flow); err != nil {
			return err
		}
	}
	return s.full()
}

// flow puts a held flow into the batch, complete with what was said in it.
func (s *Source) flow(f *weir.Flow, zeek bool) error {
	if zeek {
		s.join.Complete(f)
	}
	s.batch.Flows = append(s.batch.Flows, *f)
	return s.full()
}

// full hands on the batch if it is full.
func (s *Source) full() error {
	if s.batch.Len() < s.c.BatchRecords {
		return nil
	}
	return s.handOn()
}

// handOn hands on the batch.
func (s *Source) handOn() error {
	b := s.batch
	if b.Len() == 0 {
		return nil
	}
	if t := s.frontier.Add(-late); t.After(s.through) && t.Year() >= 1970 {
		s.through = t
	}
	for i := range b.Flows {
		if b.Flows[i].End.Before(b.Through) {
			s.tally.late++
		}
	}
	b.Through = s.through
	s.batch = &weir.Batch{Flows: make([]weir.Flow, 0, min(len(b.Flows)+64, s.c.BatchRecords)), DNS: make([]weir.DNSTransaction, 0, min(len(b.DNS)+64, s.c.BatchRecords))}
	s.tally.records += int64(b.Len())
	return s.emit(b)
}

// end hands on what is still held, and how it went. After an error of emit it
// calls emit no more.
func (s *Source) end(err error) error {
	if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	if s.tally.lines == 0 {
		return nil
	}
	if s.decoders.eve != nil {
		s.decoders.eve.Flush(&s.in)
		s.sort(eveLog)
	}
	s.hold.each(s.join.Complete)       // what was said in these was not said alone
	if s.follower == nil || !s.conns { // of those that go on, conn.log has yet to tell
		s.alone(time.Time{})
	}
	if err := s.hold.takeRounds(s.round, s.flow); err != nil {
		return err
	}
	s.health.report(s)
	return s.handOn()
}

// alone makes flows of handshakes before a time of which no conn.log has told.
func (s *Source) alone(before time.Time) {
	s.join.Alone(&s.in, before)
	s.tally.alone += int64(len(s.in.Flows))
	s.sort(zeekLog)
}
