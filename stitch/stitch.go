package stitch

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/flowrec"
	"github.com/weir-nta/weir/decode/packet"
	"github.com/weir-nta/weir/internal/flowtable"
)

// Config says how a [Stitcher] works. [DefaultConfig] is what one starts from.
type Config struct {
	// Wait is how long a conversation waits for more records of it, by the
	// clock of arrival: for the other half, above all.
	Wait time.Duration
	// Linger is how long one waits of which both halves have come and which is
	// over, or has filled a record.
	Linger time.Duration
	// Active is how long a conversation is told in one record.
	Active time.Duration
	// Gap is how long a conversation of UDP, or of any other protocol but TCP,
	// may be silent and still be the same.
	Gap time.Duration
	// AssumedActive is taken for the active timeout of an exporter of which it
	// is neither told nor observed yet.
	AssumedActive time.Duration

	// MaxFlows is how many conversations are kept at a time, reported ones that
	// may go on included. A conversation takes about 400 octets.
	MaxFlows int
	// MaxMoreBytes is how many octets may be kept of what records tell beyond
	// addresses and counters.
	MaxMoreBytes int
}

// DefaultConfig returns the values of the design and limits that fit a machine
// with 2 GB to spare.
func DefaultConfig() Config {
	return Config{
		Wait: 2 * time.Minute, Linger: 5 * time.Second, Active: 5 * time.Minute, Gap: 2 * time.Minute,
		AssumedActive: 5 * time.Minute,
		MaxFlows:      1 << 20, MaxMoreBytes: 64 << 20,
	}
}

func (c *Config) check() error {
	for _, d := range []struct {
		name string
		val  time.Duration
	}{{"wait", c.Wait}, {"linger", c.Linger}, {"active", c.Active}, {"gap", c.Gap}, {"assumed_active", c.AssumedActive}} {
		if d.val < time.Second || d.val > 24*time.Hour {
			return fmt.Errorf("%s: got %v, want 1s to 24h", d.name, d.val)
		}
	}
	if c.MaxFlows < 1 || c.MaxFlows > 1<<28 {
		return fmt.Errorf("max_flows: got %d, want 1 to %d", c.MaxFlows, 1<<28)
	}
	if c.MaxMoreBytes < 0 {
		return fmt.Errorf("max_more_bytes: got %d, want 0 or more", c.MaxMoreBytes)
	}
	return nil
}

// Counters say what a [Stitcher] has done so far. Each record given to it is
// in one of Joined, Duplicates, Mirrored and Unusable.
type Counters struct {
	Records    uint64 // given to Add
	Joined     uint64 // of them those whose counters are in a flow
	Duplicates uint64 // told before by another exporter
	Mirrored   uint64 // told before by the same exporter, at its other side
	Unusable   uint64 // without addresses

	Conversations uint64 // begun
	Flows         uint64 // records emitted, slices included
	Slices        uint64 // of them those that continue a conversation
	Paired        uint64 // conversations of which both directions were told, at their first record
	Halves        uint64 // of which one was, and which could not be decided
	Unanswered    uint64 // of which one was, and which had no answer
	Guessed       uint64 // whose originator was guessed
	Switched      uint64 // directions whose exporter fell silent and was replaced
	Early         uint64 // emitted before their time because of MaxFlows or MaxMoreBytes
	Forgotten     uint64 // emitted ones that might have gone on, forgotten because of MaxFlows
	MoreLost      uint64 // records whose More was left out because of MaxMoreBytes
	ClockResets   uint64 // times the clock of arrival went back by more than an hour
}

// A Stitcher makes conversations of flow records. It belongs to one goroutine.
type Stitcher struct {
	config Config
	emit   func(*weir.Flow)
	count  Counters
	clock  int64 // of arrival, microseconds since 1970
	begun  bool

	seed  packet.Seed
	table flowtable.Table
	slabs flowtable.Slabs[conversation]
	// Conversations with something to emit are in waiting, the others, which may
	// go on, in emitted.
	waiting, emitted flowtable.Wheel
	due              []uint32 // conversations that are being emitted
	moreBytes        int
	servers          servers

	out     weir.Flow
	exports []weir.Export // room for those to come
	names   map[[maxExporters]*Exporter][]string
	macs    map[flowrec.MAC]string
	icmps   map[weir.ICMP]*weir.ICMP
}

// New returns a Stitcher that hands conversations to emit. The Flow is valid
// during the call only; what it points to may be kept and not be changed.
func New(c Config, emit func(*weir.Flow)) (*Stitcher, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	return &Stitcher{
		config: c, emit: emit,
		seed:  packet.Seed{rand.Uint64(), rand.Uint64(), rand.Uint64(), rand.Uint64()},
		table: flowtable.NewTable(),
		names: map[[maxExporters]*Exporter][]string{},
		macs:  map[flowrec.MAC]string{},
		icmps: map[weir.ICMP]*weir.ICMP{},
	}, nil
}

// Counters returns what the stitcher has done so far.
func (s *Stitcher) Counters() Counters { return s.count }

// Len returns how many conversations are kept.
func (s *Stitcher) Len() int { return s.table.Len() }

// Add takes a record that x sent and that arrived at now. It keeps nothing of
// r but More.
func (s *Stitcher) Add(r *flowrec.Record, x *Exporter, now time.Time) {
	s.Advance(now)
	s.count.Records++
	if !r.Src.IsValid() || !r.Dst.IsValid() {
		s.count.Unusable++
		return
	}
	sp := spanOf(r)
	k, end := keyOf(r)
	hash := k.Hash(&s.seed)
	n, c := s.find(&k, hash, end, &sp, x)
	if c == nil {
		n, c = s.open(&k, hash, end, r, &sp)
	}
	s.take(n, c, end, r, &sp, x)
}

// maxSameKey is how many connections on the same ports are told apart at a
// time; at the limit the oldest of them is emitted.
const maxSameKey = 4

// find returns the conversation that r belongs to: of several on the same ports
// the one nearest in time, and the latest of these.
func (s *Stitcher) find(k *packet.Key, hash uint32, end uint8, r *span, x *Exporter) (best uint32, c *conversation) {
	nearest, same := int64(0), 0
	var oldest uint32
	for at := hash; ; {
		n, next := s.table.Next(hash, at)
		if n == 0 {
			break
		}
		at = next
		f := s.slabs.At(n)
		if f.key != *k {
			continue
		}
		if same++; oldest == 0 || f.born < s.slabs.At(oldest).born {
			oldest = n
		}
		distance, ok := s.fits(f, end, r, x)
		if ok && (c == nil || distance < nearest || distance == nearest && f.born > c.born) {
			best, c, nearest = n, f, distance
		}
	}
	if c == nil && same >= maxSameKey {
		s.finish(oldest, early)
	}
	return best, c
}

// open begins a conversation.
func (s *Stitcher) open(k *packet.Key, hash uint32, end uint8, r *flowrec.Record, sp *span) (uint32, *conversation) {
	if s.table.Len() >= s.config.MaxFlows {
		s.evict(nil)
	}
	n, c := s.slabs.New()
	c.key, c.hash, c.from = *k, hash, end
	c.born, c.start, c.last = sp.start, sp.start, sp.end
	c.icmp = weir.ICMP{Type: r.ICMPType, Code: r.ICMPCode}
	s.count.Conversations++
	s.table.Add(hash, n)
	return n, c
}

// take adds r to the conversation it belongs to.
func (s *Stitcher) take(n uint32, c *conversation, end uint8, r *flowrec.Record, sp *span, x *Exporter) {
	up, down := s.judge(c, &c.sides[end], sp, x), duplicate
	if r.Biflow {
		down = s.judge(c, &c.sides[end^1], sp, x)
	}
	counted := up == count || down == count
	if counted && s.full(c, end, sp) {
		s.report(c, cut)
	}
	x.observe(r, sp, &c.sides[end], counted && c.continues(end, sp, x))
	switch {
	case counted:
		s.count.Joined++
	case up == mirrored:
		s.count.Mirrored++
	default:
		s.count.Duplicates++
	}
	// A firewall's word that something began has no counters, and does not make
	// it the exporter whose counters are used.
	nothing := r.Packets|r.Bytes|r.RevPackets|r.RevBytes|r.DataUp|r.DataDown == 0
	if up == count && !nothing {
		s.add(c, end, &tally{r.Bytes, r.Packets, r.DataUp, r.HasData, r.Flags}, r, sp, x)
		c.sides[end].way(r)
	}
	if down == count && !nothing {
		s.add(c, end^1, &tally{r.RevBytes, r.RevPackets, r.DataDown, r.HasData, r.RevFlags}, r, sp, x)
	}
	s.learn(c, end, r, sp, x)
	c.touched = s.clock
	if counted {
		c.extend(sp)
		c.goesOn = r.Reason == flowrec.Active || r.Reason == flowrec.Forced || r.Reason == flowrec.Resources ||
			r.Reason == flowrec.NoReason && x.cuts(sp.end-sp.start)
	}
	s.schedule(n, c)
}

// extend takes the time of a record into that of the conversation.
func (c *conversation) extend(sp *span) {
	if c.pending == 0 {
		c.start = sp.start
		if c.slices == 0 {
			c.last = sp.end
		}
	}
	c.pending++
	c.longest = max(c.longest, sp.end-sp.start)
	c.born, c.start, c.last = min(c.born, sp.start), min(c.start, sp.start), max(c.last, sp.end)
}

// continues reports whether r goes on where the last record of its direction
// ended: the exporter cut there.
func (c *conversation) continues(end uint8, sp *span, x *Exporter) bool {
	d := &c.sides[end]
	gap := sp.start - d.last
	return d.told() && c.exporters[d.owner-1] == x && gap >= 0 && gap < handshake
}

// full reports whether what is pending is to be emitted before a record is
// added: it spans the active timeout, and the other direction has been told as
// far, unless it stays behind too long.
func (s *Stitcher) full(c *conversation, end uint8, sp *span) bool {
	active := s.config.Active.Microseconds()
	d, other := &c.sides[end], &c.sides[end^1]
	if c.pending == 0 || sp.start-c.start < active || sp.start < d.last {
		return false
	}
	return !other.told() || other.last >= sp.start-handshake || sp.start-c.start >= 2*active
}

// activeOf returns the active timeout of x in microseconds, as far as known.
func (s *Stitcher) activeOf(x *Exporter) int64 {
	if a := x.ActiveTimeout(); a != 0 {
		return a.Microseconds()
	}
	return s.config.AssumedActive.Microseconds()
}

// deadline returns when c is emitted if it has something to emit, and when it
// is forgotten if not, unless more comes.
func (s *Stitcher) deadline(c *conversation) int64 {
	wait := s.config.Wait.Microseconds()
	switch {
	case c.pending > 0:
		if c.both() && (c.over() || c.last-c.start >= s.config.Active.Microseconds()) {
			wait = s.config.Linger.Microseconds()
		}
	case c.over() || c.attempt():
		wait *= 2 // for what other exporters may tell, and an answer that comes late
	default:
		// The next record begins within the gap and may be told only an active
		// timeout after.
		x := c.exporters[0]
		wait += s.gap(c, x) + max(s.activeOf(x), c.longest)
	}
	return c.touched + wait
}

// A tick is 2^17 microseconds, 131 ms.
func tickOf(micros int64) int64 { return micros >> 17 }

// schedule puts c where its deadline is: what comes up too early is asked
// again, so only what is due earlier than before is moved.
func (s *Stitcher) schedule(n uint32, c *conversation) {
	to, other := &s.waiting, &s.emitted
	if c.pending == 0 {
		to, other = other, to
	}
	if other.Has(n) {
		other.Remove(n)
	}
	tick := tickOf(s.deadline(c))
	if to.Has(n) {
		if to.Tick(n) <= tick {
			return
		}
		to.Remove(n)
	}
	to.Put(n, tick)
}

// Advance emits what is due at now, by the clock of arrival.
func (s *Stitcher) Advance(now time.Time) {
	clock := min(max(now.UnixMicro(), 0), maxMicros)
	if !s.begun || clock < s.clock-maxBack {
		if s.begun {
			s.count.ClockResets++
			s.finishAll(closed)
		}
		s.begun = true
		s.clock = clock
		s.waiting.Now, s.emitted.Now = tickOf(clock), tickOf(clock)
		return
	}
	if clock <= s.clock {
		return
	}
	s.clock = clock
	end := tickOf(clock)
	if end == s.waiting.Now {
		return
	}
	for n := s.waiting.Due(end); n != 0; n = s.waiting.Due(end) {
		if c := s.slabs.At(n); tickOf(s.deadline(c)) < end {
			s.due = append(s.due, n)
		} else {
			s.schedule(n, c)
		}
	}
	s.inOrder(func(n uint32, c *conversation) {
		s.report(c, due)
		s.schedule(n, c)
	})
	for n := s.emitted.Due(end); n != 0; n = s.emitted.Due(end) {
		c := s.slabs.At(n)
		if tickOf(s.deadline(c)) < end {
			s.forget(n, c)
		} else {
			s.schedule(n, c)
		}
	}
}

// maxBack is how far the clock of arrival may go back, in microseconds, before
// it is set anew: records from several threads are not quite in order, and
// captures may be read one after the other.
const maxBack = 3600e6

// Close emits all there is. Nothing may be added after it.
func (s *Stitcher) Close() { s.finishAll(closed) }

// finishAll ends all conversations, in the order in which they ended.
func (s *Stitcher) finishAll(why reason) {
	for _, w := range []*flowtable.Wheel{&s.waiting, &s.emitted} {
		for n, t := w.First(w.Now); n != 0; n, t = w.First(t) {
			w.Remove(n)
			s.due = append(s.due, n)
		}
	}
	s.inOrder(func(n uint32, c *conversation) { s.finish(n, why) })
}

// inOrder does something with each of the conversations that are due at once,
// in the order in which they ended: hours of them may have arrived in a second,
// from an exporter that read a file or after an outage, and who takes the flows
// wants to see them in the order of the traffic.
func (s *Stitcher) inOrder(do func(uint32, *conversation)) {
	slices.SortFunc(s.due, func(a, b uint32) int {
		x, y := s.slabs.At(a), s.slabs.At(b)
		return cmp.Or(cmp.Compare(x.last, y.last), cmp.Compare(x.start, y.start), cmp.Compare(a, b))
	})
	for _, n := range s.due {
		do(n, s.slabs.At(n))
	}
	s.due = s.due[:0]
}

// finish emits what there is of a conversation and forgets it.
func (s *Stitcher) finish(n uint32, why reason) {
	c := s.slabs.At(n)
	if c.pending > 0 {
		if why == early {
			s.count.Early++
		}
		s.report(c, why)
	}
	for _, w := range []*flowtable.Wheel{&s.waiting, &s.emitted} {
		if w.Has(n) {
			w.Remove(n)
		}
	}
	s.forget(n, c)
}

// forget gives back a conversation that is in no wheel.
func (s *Stitcher) forget(n uint32, c *conversation) {
	s.moreBytes -= int(c.moreBytes)
	s.table.Remove(c.hash, n)
	s.slabs.Free(n)
}

// evict makes room: it forgets the emitted conversation that would be forgotten
// next, else emits the one that is due next, but not keep. It asks a bounded
// number, since most may have gone on meanwhile. It returns false if there is
// none.
func (s *Stitcher) evict(keep *conversation) bool {
	const asked = 16
	for _, w := range []*flowtable.Wheel{&s.emitted, &s.waiting} {
		at := w.Now
		for i := 1; ; i++ {
			n, t := w.First(at)
			if n == 0 {
				break
			}
			c := s.slabs.At(n)
			if c == keep {
				at = t + 1 // and with it the others of its slot
				if at >= w.Now+flowtable.Slots-1 {
					break
				}
				continue
			}
			if i < asked && tickOf(s.deadline(c)) > t {
				w.Remove(n)
				w.Put(n, tickOf(s.deadline(c)))
				continue
			}
			if w == &s.emitted {
				s.count.Forgotten++
			}
			s.finish(n, early)
			return true
		}
	}
	return false
}
