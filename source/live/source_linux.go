package live

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/packet"
	"github.com/weir-nta/weir/meter"
	"github.com/weir-nta/weir/source"
)

const (
	// lookEvery is how often it is looked what has become of the interfaces.
	lookEvery = time.Second
	// healthEvery is how often a point writes a row to the table of exporters.
	healthEvery = time.Minute
	// queued is how many batches wait for emit: those of a flush of the store.
	// Beyond it the workers wait, then the rings fill, and then the kernel drops
	// packets and counts them: losses are counted in one place.
	queued = 64
)

// A Source watches interfaces.
type Source struct {
	config  Config
	control int
	factor  uint32
	points  []*point
	workers []*worker
	began   time.Time

	stopping atomic.Bool  // workers end
	left     atomic.Int64 // packets that may still be taken, where Count says so
	failed   atomic.Bool  // emit has failed

	hand  sync.Mutex // order of batches in the queue, and what they promise
	queue chan *weir.Batch
	told  time.Time // the latest that a batch said of Through

	records atomic.Int64
	closing sync.Once
}

var _ source.Source = (*Source)(nil)

// A point is a place with its interfaces and workers.
type point struct {
	Point
	links   []*link
	workers []*worker
	began   time.Time

	told   tally // what the rows of health tell of
	failed int   // times that an interface that is there again could not be opened
}

// New opens the interfaces. What arrives from then on is not lost, even if Run
// is called later, as long as the rings hold it. The errors that are not about
// the configuration wrap [ErrNoRight] and [ErrNoInterface].
func New(c Config) (_ *Source, err error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	s := &Source{config: c, factor: rand.Uint32() | 1, queue: make(chan *weir.Batch, queued), began: time.Now(), control: -1}
	s.left.Store(c.Count)
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if _, err := CompileFilter(c.Filter, packet.LinkEthernet, c.SnapLen); err != nil {
		return nil, err
	}
	if s.control, err = openControl(); err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	for i := range c.Points {
		if err := s.open(&c.Points[i]); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// open opens a point.
func (s *Source) open(at *Point) error {
	p := &point{Point: *at, began: s.began, told: tally{at: s.began}}
	s.points = append(s.points, p)
	var bundles []bundle
	for _, name := range p.Interfaces {
		l := &link{control: s.control, name: name}
		if err := l.find(); err != nil {
			return err
		}
		p.links = append(p.links, l)
	}
	for _, l := range p.links {
		b, err := s.config.openBundle(l, s.factor)
		if errors.Is(err, unix.EINVAL) && !l.isUp() {
			// Before Linux 6.10 what is down cannot join a group: it is opened
			// when it is up.
			l.lose()
			b, err = make(bundle, s.config.workers()), nil
		}
		if err != nil {
			for _, b := range bundles {
				b.close()
			}
			return err
		}
		bundles = append(bundles, b)
	}
	for i := range s.config.workers() {
		w, err := s.newWorker(p)
		if err != nil {
			return err
		}
		for at, b := range bundles {
			w.rings[at] = b[i]
		}
	}
	return nil
}

func (s *Source) newWorker(p *point) (_ *worker, err error) {
	n := len(p.links)
	w := &worker{source: s, point: p, rings: make([]*ring, n), coming: make([]atomic.Pointer[ring], n), decoder: packet.NewDecoder(s.config.Packets)}
	if s.config.Ring != nil {
		w.keep = s.config.Ring.Writer()
	}
	p.workers = append(p.workers, w)
	s.workers = append(s.workers, w)
	if w.meter, err = meter.New(s.config.meterOf(&p.Point), w.handOn); err != nil {
		return nil, fmt.Errorf("meter: %w", err)
	}
	return w, nil
}

// Close closes the interfaces, if Run has not done so.
func (s *Source) Close() {
	s.closing.Do(func() {
		for _, w := range s.workers {
			w.close()
		}
		if s.control >= 0 {
			_ = unix.Close(s.control)
		}
	})
}

// Run meters until ctx is done, with all that the kernel holds by then, or
// until Config.Count packets have been.
func (s *Source) Run(ctx context.Context, emit func(*weir.Batch) error) error {
	defer s.Close()
	if err := ctx.Err(); err != nil {
		return err
	}
	wake := context.AfterFunc(ctx, func() { s.stopping.Store(true) })
	defer wake()

	var working sync.WaitGroup
	errs := make([]error, len(s.workers))
	for i, w := range s.workers {
		working.Go(func() { errs[i] = w.run() })
	}
	ended := make(chan struct{})
	var looking sync.WaitGroup
	looking.Go(func() { s.look(ended) })
	go func() {
		working.Wait()
		close(ended)
		looking.Wait()
		close(s.queue)
	}()

	var failure error
	for b := range s.queue {
		if failure != nil {
			continue
		}
		s.records.Add(int64(b.Len()))
		if failure = emit(b); failure != nil {
			s.failed.Store(true)
			s.stopping.Store(true)
		}
	}
	if failure != nil {
		return failure
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	if s.enough() {
		return nil
	}
	return ctx.Err()
}

// mayTake counts a packet that is about to be metered, where a number of them
// is to end Run.
func (s *Source) mayTake() bool {
	if s.config.Count == 0 {
		return true
	}
	left := s.left.Add(-1)
	if left <= 0 {
		s.stopping.Store(true)
	}
	return left >= 0
}

// enough reports whether the packets asked for have been.
func (s *Source) enough() bool { return s.config.Count > 0 && s.left.Load() <= 0 }

// errStopped ends a worker whose batches nobody takes any more.
var errStopped = errors.New("batches are not taken any more")

// handOn puts a batch into the queue. What it says of how far the source has
// got is what holds for all workers.
func (s *Source) handOn(w *worker, b *weir.Batch) error {
	s.hand.Lock()
	defer s.hand.Unlock()
	if s.failed.Load() {
		return errStopped
	}
	if b.Through.After(w.through) {
		w.through = b.Through
	}
	b.Through = w.through
	for _, o := range s.workers {
		if o.through.Before(b.Through) {
			b.Through = o.through
		}
	}
	if b.Len() == 0 && b.Through.Sub(s.told) < tickEvery {
		return nil
	}
	s.told = b.Through
	s.queue <- b
	return nil
}

// look looks after the interfaces and writes the rows of health, until the
// workers have ended.
func (s *Source) look(ended <-chan struct{}) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	health := s.began
	for {
		select {
		case now := <-tick.C:
			for _, p := range s.points {
				s.lookAfter(p, now)
			}
			if now.Sub(health) >= healthEvery {
				health = now
				s.health(now)
			}
		case <-ended:
			s.health(time.Now())
			return
		}
	}
}

// lookAfter finds out what has become of the interfaces of a point, and opens
// one again that was away.
func (s *Source) lookAfter(p *point, now time.Time) {
	for i, l := range p.links {
		said, gone := l.look(now)
		for _, text := range said {
			s.say(text)
		}
		if !gone || l.find() != nil {
			continue
		}
		b, err := s.config.openBundle(l, s.factor)
		if err != nil {
			l.lose()
			if p.failed++; p.failed == 1 {
				s.say(fmt.Sprintf("%s is there again and cannot be opened: %v", l.name, err))
			}
			continue
		}
		p.failed = 0
		s.say(fmt.Sprintf("%s is there again%s", l.name, after(l.since, now)))
		for n, w := range p.workers {
			if unused := w.coming[i].Swap(b[n]); unused != nil {
				unused.close()
			}
		}
	}
}

func (s *Source) say(text string) {
	if s.config.Say != nil {
		s.config.Say(text)
	}
}

// health writes a row for each point on what came since the row before it.
func (s *Source) health(now time.Time) {
	var rows []weir.Exporter
	for _, p := range s.points {
		rows = append(rows, p.row(now))
	}
	s.hand.Lock()
	defer s.hand.Unlock()
	if !s.failed.Load() {
		s.queue <- &weir.Batch{Exporters: rows}
	}
}

// A tally is what a point has counted by a time.
type tally struct {
	at             time.Time
	seen           Seen
	records, flows int64
	unread         int64
	lost           uint64 // by the cards
}

// tally adds up what the workers have counted.
func (p *point) tally(now time.Time) (t tally, latest time.Time) {
	seen, read, at := p.all()
	t = tally{at: now, seen: seen, unread: int64(read.Short + read.BadHeaders + read.BadLinks)}
	for _, w := range p.workers {
		t.records += w.records.Load()
		t.flows += w.flows.Load()
	}
	for _, l := range p.links {
		t.lost += l.losses()
	}
	return t, at
}

func (p *point) row(now time.Time) weir.Exporter {
	t, latest := p.tally(now)
	o := &p.told
	row := weir.Exporter{
		Time: now.UTC(), Since: o.at.UTC(), Seen: latest.UTC(), Sensor: p.Sensor, Input: p.String(), Kind: "interface",
		Datagrams: uint64(t.seen.Packets - o.seen.Packets), Bytes: uint64(t.seen.Bytes - o.seen.Bytes),
		Records: uint64(t.records - o.records), Flows: uint64(t.flows - o.flows),
		DroppedKernel: uint64(t.seen.Dropped - o.seen.Dropped), DroppedDecoder: uint64(t.unread - o.unread),
		Interfaces: uint32(len(p.links)), InterfaceErrors: t.lost - o.lost,
	}
	if d := row.Time.Sub(row.Since).Seconds(); d > 0 {
		row.Rate = float64(row.Records) / d
	}
	if share, ok := t.seen.OneWayShare(); ok {
		row.OneWay = share
	}
	p.told = t
	return row
}

// all adds up what the workers have seen, and returns when the latest packet
// came; when the source was opened if none did.
func (p *point) all() (seen Seen, read packet.Counters, latest time.Time) {
	var vlans [4096 / 64]uint64
	latest = p.began
	for _, w := range p.workers {
		w.mu.Lock()
		seen.add(&w.seen)
		for i, word := range w.vlan {
			vlans[i] |= word
		}
		addCounters(&read, &w.read)
		if at := time.Unix(0, w.seenAt); w.seenAt != 0 && at.After(latest) {
			latest = at
		}
		w.mu.Unlock()
	}
	seen.VLANs = vlanList(&vlans)
	return seen, read, latest
}

func addCounters(to, from *packet.Counters) {
	to.Packets += from.Packets
	to.NotIP += from.NotIP
	to.Short += from.Short
	to.BadHeaders += from.BadHeaders
	to.BadLinks += from.BadLinks
	to.TooDeep += from.TooDeep
	to.OrphanFragments += from.OrphanFragments
}

// Views returns what each point has shown, as of the last second. It may be
// called at any time from any goroutine.
func (s *Source) Views() []View {
	var list []View
	for _, p := range s.points {
		seen, read, _ := p.all()
		v := View{Point: p.Point, Seen: seen}
		for _, l := range p.links {
			v.Notes = append(v.Notes, l.notes(&seen)...)
		}
		v.Notes = append(v.Notes, notes(p.String(), &seen, &read, s.config.SnapLen)...)
		list = append(list, v)
	}
	return list
}

// Progress tells how far Run has got, up to a second ago; when Run has
// returned, exactly.
func (s *Source) Progress() source.Progress {
	p := source.Progress{Records: s.records.Load()}
	for _, v := range s.Views() {
		p.Bytes += v.Bytes
		p.Dropped += v.Dropped
		p.Packets += v.Packets
		p.Notes = append(p.Notes, v.Notes...)
	}
	for _, at := range s.points {
		_, read, _ := at.all()
		p.Skipped += int64(read.Short + read.BadHeaders + read.BadLinks)
	}
	return p
}
