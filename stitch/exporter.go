package stitch

import (
	"math/bits"
	"net/netip"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/flowrec"
)

// An Exporter is one exporter of flow records, as the caller knows it and as
// its records show it. The caller makes one for each and keeps it; it belongs
// to the goroutine of the Stitcher.
type Exporter struct {
	// Name is the sensor that its conversations carry.
	Name string
	// Addr is its address; the zero Addr for a file.
	Addr netip.Addr
	// ToldActive and ToldInactive are its timeouts by its own word, 0 if it
	// has not told them.
	ToldActive, ToldInactive time.Duration
	// Flows counts the flows emitted whose counters, those of the originator
	// first, are its own.
	Flows uint64

	// pairs and oneWay count conversations of which both directions, or one
	// only, were told; mute those of the latter that must have had another. They
	// are halved together from time to time.
	pairs, oneWay, mute uint32
	// active and inactive are what its records show of its timeouts.
	active, inactive durations

	names []string // its address, as weir.Flow.Exporters has it
}

// ActiveTimeout returns the active timeout told, else observed, else 0: how
// long records are that the next one continues.
func (x *Exporter) ActiveTimeout() time.Duration {
	if x.ToldActive > 0 {
		return x.ToldActive
	}
	return x.active.mode
}

// InactiveTimeout returns the inactive timeout told, else observed, else 0: how
// long after its last packet a conversation is exported that has not ended
// otherwise.
func (x *Exporter) InactiveTimeout() time.Duration {
	if x.ToldInactive > 0 {
		return x.ToldInactive
	}
	return x.inactive.mode
}

// OneWay returns the share of its recent conversations of which it told one
// direction only, from 0 to 1. Attempts that show by themselves that nobody
// answered do not count.
func (x *Exporter) OneWay() float64 {
	if x.pairs+x.oneWay == 0 {
		return 0
	}
	return float64(x.oneWay) / float64(x.pairs+x.oneWay)
}

// tellsBoth reports whether x usually tells both directions, so that the one
// that is missing was silent. A scan by UDP must not make it look deaf:
// against it count only conversations that must have had another direction.
func (x *Exporter) tellsBoth() bool { return x.pairs >= 4 && x.pairs >= 4*x.mute }

// learnPair counts a conversation of which both directions have been told.
func (x *Exporter) learnPair() {
	x.pairs++
	x.decay()
}

// learnOneWay counts a conversation of which one has, when it is emitted for
// the first time.
func (x *Exporter) learnOneWay(mute bool) {
	x.oneWay++
	if mute {
		x.mute++
	}
	x.decay()
}

func (x *Exporter) decay() {
	const most = 1 << 12
	if x.pairs+x.oneWay >= most {
		x.pairs, x.oneWay, x.mute = x.pairs/2, x.oneWay/2, x.mute/2
	}
}

// observe learns the timeouts of x from a record; continued says that the
// record before it, of the same direction, was cut where this one begins.
func (x *Exporter) observe(r *flowrec.Record, sp *span, d *side, continued bool) {
	if continued {
		x.active.add(d.last - d.from)
	}
	ended := (r.Flags|r.RevFlags)&(weir.FIN|weir.RST) != 0 || r.Reason != flowrec.NoReason && r.Reason != flowrec.Idle
	if silent := r.Exported - sp.end; !ended && silent > 0 && silent <= maxInactive && !x.cuts(sp.end-sp.start) {
		x.inactive.add(silent)
	}
}

// maxInactive bounds what is taken for an inactive timeout, in microseconds:
// exporters wait for seconds to minutes, an hour at most. More comes of a clock
// that is off, or of an exporter that tells of an old capture.
const maxInactive = int64(time.Hour / time.Microsecond)

// cuts reports whether a record of so many microseconds looks cut by the
// active timeout.
func (x *Exporter) cuts(micros int64) bool {
	a := x.ActiveTimeout().Microseconds()
	return a > 0 && micros >= a-a/10
}

// durations is a histogram of durations of 1 s to 38 h, sixteen bins to the
// doubling, that forgets: the mode is what is most frequent of late.
type durations struct {
	bins  [17 * 16]uint16
	total uint32
	since uint32
	mode  time.Duration
}

const minDuration = 1 << 20 // microseconds

// add counts a duration in microseconds. Shorter ones are no timeouts.
func (h *durations) add(micros int64) {
	if micros < minDuration {
		return
	}
	const most = 1 << 12
	n := bits.Len64(uint64(micros))
	bin := (n-21)*16 + int(micros>>(n-5)&15)
	h.bins[min(bin, len(h.bins)-1)]++
	h.total++
	if h.since++; h.since < 16 && h.total != 5 { // the first five say something
		return
	}
	h.since = 0
	h.mode = h.find()
	if h.total >= most {
		h.total = 0
		for i := range h.bins {
			h.bins[i] /= 2
			h.total += uint32(h.bins[i])
		}
	}
}

// find returns the mode, 0 if there is none: three bins side by side with at
// least five durations and three in ten of all. It is told as the timeout that
// people set, if one is near.
func (h *durations) find() time.Duration {
	best, at := uint32(0), 0
	for i := 1; i+1 < len(h.bins); i++ {
		if n := uint32(h.bins[i-1]) + uint32(h.bins[i]) + uint32(h.bins[i+1]); n > best {
			best, at = n, i
		}
	}
	if best < 5 || best*10 < h.total*3 {
		return 0
	}
	if at+1 < len(h.bins) && h.bins[at-1] > h.bins[at] && h.bins[at-1] > h.bins[at+1] {
		at--
	} else if h.bins[at+1] > h.bins[at] {
		at++
	}
	micros := (int64(16+at%16) << (at/16 + 16)) + 1<<(at/16+15) // the middle of the bin
	d := time.Duration(micros) * time.Microsecond
	for _, usual := range usualTimeouts {
		if diff := (d - usual).Abs(); diff <= usual*6/100 {
			return usual
		}
	}
	return d.Round(time.Second / 10)
}

var usualTimeouts = []time.Duration{
	2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 20 * time.Second, 30 * time.Second, 60 * time.Second,
	90 * time.Second, 2 * time.Minute, 3 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 20 * time.Minute,
	30 * time.Minute, time.Hour, 2 * time.Hour,
}
