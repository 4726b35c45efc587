package collector

import (
	"slices"
	"time"
)

const (
	// gapFor is how long a gap in the numbers waits for a late datagram to
	// fill it. Networks reorder by milliseconds.
	gapFor = 10 * time.Second
	// maxGaps is how many gaps wait at a time in one stream; the oldest of
	// more is counted as lost at once.
	maxGaps = 8
	// farAhead is how far numbers may jump in one step and still mean loss: at
	// 100,000 records per second, almost three minutes of them. One forged
	// datagram must not tell of a loss of billions, so what jumps farther has
	// to be confirmed by the datagram after it.
	farAhead = 1 << 24
	// otherUnit is how many times in a row numbers must go by the other unit
	// to be believed: some exporters of NetFlow v9 count records (RFC 3954
	// wants datagrams), some of IPFIX messages (RFC 7011 wants records).
	otherUnit = 3
)

// A tally is what numbers and copies tell of what happened on the way.
type tally struct {
	lost, reordered, duplicated, restarts uint64
}

// A stream follows the sequence numbers of one exporting process: those of one
// domain sent from one port or, in sFlow, by one agent.
type stream struct {
	sender uint64
	at     time.Time // of the last datagram
	uptime time.Duration

	started bool
	unsure  bool   // by how much the last datagram moves the numbers is not known
	next    uint32 // number wanted
	gaps    []gap

	// Where numbers have jumped to, if the next datagram confirms it.
	jumped bool
	jump   uint32

	// Where the other unit would have led, and how often it was right alone.
	byOther bool
	other   uint32
	right   int

	last numbering
}

// A numbering says what the numbers of IPFIX count: RFC 7011 (section 3.1)
// wants the records before a message; softflowd counts those in it too.
type numbering struct {
	sequence, units uint32 // of the last message
	within          bool   // they count those in it
	wrong           int    // how often the other way was right alone
}

// otherWay is how many times the other way of counting must have been right
// alone to be believed: they differ only where messages differ in length.
const otherWay = 2

// count takes the number of a message as it is sent and returns that of its
// first record. Changed says that it is counted otherwise than was thought.
func (n *numbering) count(d *step) (sequence uint32, changed bool) {
	right, other := d.sequence == n.sequence+n.units, d.sequence == n.sequence+d.units
	if n.within {
		right, other = other, right
	}
	switch {
	case right && !other:
		n.wrong = 0
	case other && !right:
		n.wrong++
	}
	if n.wrong == otherWay {
		n.within, n.wrong, changed = !n.within, 0, true
	}
	n.sequence, n.units = d.sequence, d.units
	if n.within {
		return d.sequence - d.units, changed
	}
	return d.sequence, changed
}

// A gap is a run of numbers that have not come, from its first to before its end.
type gap struct {
	from, to uint32
	since    time.Time
}

// A step is what one datagram means for the numbers.
type step struct {
	header
	units  uint32 // that this datagram moves the numbers by
	other  uint32 // by the other unit; the same where there is none
	unsure bool   // units is a guess: records could not be counted
}

// follow takes the datagram that arrived at the time at into account.
func (s *stream) follow(d step, at time.Time, t *tally) {
	s.expire(at, t)
	if d.kind == ipfix && !d.unsure && !s.byOther {
		var changed bool
		if d.sequence, changed = s.last.count(&d); changed { // what looked like loss was counted otherwise
			s.next, s.gaps = d.sequence, nil
		}
	}
	units, other := d.units, d.other
	if s.byOther {
		units, other = other, units
	}
	ahead := int32(d.sequence - s.next)
	switch {
	case !s.started:
	case ahead == 0 || s.unsure:
		s.right = 0
	case d.sequence == s.other:
		if s.right++; s.right == otherUnit { // what looked like loss was counted otherwise
			s.byOther, s.right, s.gaps = !s.byOther, 0, nil
			units, other = other, units
			break
		}
		s.miss(ahead, d.sequence, at, t)
	case s.restarted(&d, ahead, at):
		s.restart(t)
	case ahead > 0 && ahead <= farAhead:
		s.miss(ahead, d.sequence, at, t)
	case ahead < 0 && s.fill(d.sequence, units):
		t.reordered++
		return
	case s.jumped && s.jump == d.sequence:
		s.restart(t)
	default: // late beyond waiting, or of somebody else
		t.reordered++
		s.jumped, s.jump = true, d.sequence+units
		return
	}
	s.started, s.jumped, s.unsure = true, false, d.unsure
	s.at, s.uptime = at, d.uptime
	s.next, s.other = d.sequence+units, d.sequence+other
}

// restarted says whether the exporter began anew: its up time fell and its
// numbers do not go on. Without an up time, only numbers that begin at 0 say
// so at once; all else has to be confirmed.
func (s *stream) restarted(d *step, ahead int32, at time.Time) bool {
	if ahead < 0 && s.covers(d.sequence) {
		return false
	}
	if !d.hasUptime {
		return ahead < 0 && d.sequence == 0 && d.units > 0
	}
	// In 32 bits of milliseconds, as exporters count: it may have wrapped.
	fell := s.uptime/time.Millisecond - d.uptime/time.Millisecond
	return int32(fell) > 0 && time.Duration(int32(fell))*time.Millisecond+at.Sub(s.at) > lateBy
}

// lateBy is by how much the up time of a late datagram may be less than that of
// the one before.
const lateBy = 2 * time.Second

// restart counts a restart. What had not come until then will not come.
func (s *stream) restart(t *tally) {
	t.restarts++
	s.giveUp(t)
}

// miss notes that the numbers from next to sequence have not come.
func (s *stream) miss(ahead int32, sequence uint32, at time.Time, t *tally) {
	if ahead < 0 {
		return
	}
	if len(s.gaps) == maxGaps {
		t.lost += uint64(s.gaps[0].to - s.gaps[0].from)
		s.gaps = append(s.gaps[:0], s.gaps[1:]...)
	}
	s.gaps = append(s.gaps, gap{s.next, sequence, at})
}

// covers says whether number n is in a gap.
func (s *stream) covers(n uint32) bool {
	for _, g := range s.gaps {
		if n-g.from < g.to-g.from {
			return true
		}
	}
	return false
}

// fill takes the numbers of a late datagram out of the gap that they are in,
// and says whether there was one.
func (s *stream) fill(n, units uint32) bool {
	for i, g := range s.gaps {
		if n-g.from >= g.to-g.from {
			continue
		}
		units = min(units, g.to-n)
		before, after := gap{g.from, n, g.since}, gap{n + units, g.to, g.since}
		s.gaps = append(s.gaps[:i], s.gaps[i+1:]...)
		for _, rest := range [...]gap{before, after} {
			if rest.from != rest.to {
				s.gaps = append(s.gaps, rest)
			}
		}
		return true
	}
	return false
}

// expire counts the gaps that have waited long enough as lost.
func (s *stream) expire(at time.Time, t *tally) {
	kept := s.gaps[:0]
	for _, g := range s.gaps {
		if at.Sub(g.since) < gapFor {
			kept = append(kept, g)
			continue
		}
		t.lost += uint64(g.to - g.from)
	}
	s.gaps = kept
}

// giveUp counts all gaps as lost.
func (s *stream) giveUp(t *tally) {
	for _, g := range s.gaps {
		t.lost += uint64(g.to - g.from)
	}
	s.gaps = s.gaps[:0]
}

// maxStreams is how many processes of one domain are told apart. Of more, the
// one silent for longest is forgotten: its gaps are counted.
const maxStreams = 16

// streams are those of one domain.
type streams []*stream

// of returns the stream that a datagram belongs to: that of its sender, else the one that the number continues or that the datagram shows to
// have been restarted, else a new one.
func (ss *streams) of(h *header, at time.Time, t *tally) *stream {
	var latest, stalest *stream
	for _, s := range *ss {
		if s.sender == h.sender {
			return s
		}
		if latest == nil || s.at.After(latest.at) {
			latest = s
		}
		if stalest == nil || s.at.Before(stalest.at) {
			stalest = s
		}
	}
	for _, s := range *ss {
		if s.next == h.sequence && h.kind != sflow5 { // an agent is who it says
			s.sender = h.sender
			return s
		}
	}
	if latest != nil && h.kind != sflow5 && latest.restarted(&step{header: *h, units: 1}, int32(h.sequence-latest.next), at) {
		latest.sender = h.sender
		return latest
	}
	s := &stream{sender: h.sender}
	if len(*ss) < maxStreams {
		*ss = append(*ss, s)
		return s
	}
	stalest.giveUp(t)
	*stalest = *s
	return stalest
}

// end forgets the stream of a sender whose connection has ended: what it has
// not sent will not come.
func (ss *streams) end(sender uint64, t *tally) {
	for i, s := range *ss {
		if s.sender == sender {
			s.giveUp(t)
			*ss = slices.Delete(*ss, i, i+1)
			return
		}
	}
}

// recently is within which time a copy of a datagram is one of the network's
// making. Who sends the same again later means it, as a replay does.
const recently = 10 * time.Second

// recent remembers the last datagrams of a domain by their hashes, so that one
// that comes twice is used once.
type recent struct {
	hash [64]uint64
	at   [64]int64 // Unix nanoseconds
	last int
}

// seen says whether the datagram with this hash has been here, and remembers it.
func (r *recent) seen(hash uint64, at time.Time) bool {
	now := at.UnixNano()
	for i, h := range r.hash {
		if h == hash && r.at[i] != 0 && now-r.at[i] < int64(recently) && r.at[i]-now < int64(recently) {
			return true
		}
	}
	r.last = (r.last + 1) % len(r.hash)
	r.hash[r.last], r.at[r.last] = hash, now
	return false
}
