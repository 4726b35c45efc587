package stitch

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/flowrec"
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

// An Exporter is one exporter of flow records, as the caller knows it and as
// its records show it. The caller makes one for each and keeps it.
type Exporter struct {
	// Name is the sensor that its conversations carry.
	Name string
	// Addr is its address; the zero Addr for a file.
	Addr netip.Addr
	// ToldActive and ToldInactive are its timeouts by its own word, 0 if it
	// has not told them.
	ToldActive, ToldInactive time.Duration
	// Flows counts the records emitted whose counters are its own.
	Flows uint64
}

// ActiveTimeout returns the active timeout told, else observed, else 0.
func (x *Exporter) ActiveTimeout() time.Duration { return x.ToldActive }

// InactiveTimeout returns the inactive timeout told, else observed, else 0.
func (x *Exporter) InactiveTimeout() time.Duration { return x.ToldInactive }

// OneWay returns the share of its recent conversations of which it told one
// direction only, from 0 to 1.
func (x *Exporter) OneWay() float64 { return 0 }

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
}

// New returns a Stitcher that hands conversations to emit. The Flow is valid
// during the call only; what it points to may be kept and not be changed.
func New(c Config, emit func(*weir.Flow)) (*Stitcher, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	return &Stitcher{config: c, emit: emit}, nil
}

// Add takes a record that exporter sent and that arrived at now. It keeps
// nothing of r but More.
func (s *Stitcher) Add(r *flowrec.Record, exporter *Exporter, now time.Time) {
	s.count.Records++
}

// Advance emits what is due at now, by the clock of arrival.
func (s *Stitcher) Advance(now time.Time) {}

// Close emits all there is. Nothing may be added after it.
func (s *Stitcher) Close() {}

// Counters returns what the stitcher has done so far.
func (s *Stitcher) Counters() Counters { return s.count }
