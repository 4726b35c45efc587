// Package periodic measures how regular the events of a channel are: whether
// a timer runs behind them or a human.
//
// The measure is the spread of the logarithm of the intervals, by quantiles,
// weighed by how many intervals there are. A sleep that is drawn anew from
// T(1-j)…T after each check-in spreads by 0.20 at a jitter j of 50 % and by
// 0.64 at 90 %; events without memory spread by 1.2, humans by 1.5 to 3. The
// border is put between. Unlike a spectrum, the spread does not mind that the
// phase drifts with every sleep, and unlike mean and standard deviation it
// does not mind lost check-ins and nights.
package periodic

import (
	"math"
	"slices"
)

// The constants of the measure. None is fitted to captures: each has a reason.
const (
	border     = 1.05 // spread between renewal timers (at most 0.64) and memoryless events (1.2)
	resolution = 0.05 // a smaller spread is not told apart: the sketch form has bins of 5 %
	enough     = 150  // intervals beyond this add no evidence: weak regularity in 10,000 flows must not win
	maxZT      = 8    // timing evidence beyond this changes no decision
	minM       = 4    // fewer intervals say nothing
	minLocal   = 12   // fewer intervals give no local spread worth a second look
	localPrice = 1    // nats that the second look costs, as it is a second chance to be lucky
	iqrSigma   = 1.349
	idrSigma   = 2.563 // q90-q10 of a normal distribution in standard deviations
	madSigma   = 1.4826
	quartileSE = 1.16 // times 1/sqrt(m): standard error of the log of a quartile-based deviation

	minBurst, maxBurst = 1, 30 // s: starts closer than this belong to one check-in
	burstShare         = 0.05  // of the median interval
	day                = 86400 // s
	silence            = 3 * 3600
	silenceMedians     = 6
	silencesPerDay     = 1.5
	keepIntervals      = 8 // silences are not removed below this

	sizeBorder     = 0.5 // spread of sizes between the same request again and different ones
	sizeEnough     = 40
	minSizes       = 5
	minZS, maxZS   = -2, 5
	noSpread       = 3   // spread of fewer than 3 sizes: as good as unknown
	sizeGain       = 0.2 // more lets constant-size requests of browsers pass (0.4: 23 of 1,000)
	evenE, scaleE  = 3, 0.8
	minForQuartile = 3

	maxTime = 1e12 // s: up to here differences are finite and finer than a millisecond
)

// Timing is what the intervals between the check-ins of one channel look like.
// With fewer than two check-ins all but N is zero; with fewer than five (M
// below 4) there is a median but no verdict. No field is ever NaN or infinite.
type Timing struct {
	N int // check-ins: events less those that follow another too closely to be one of their own
	M int // intervals judged: N-1 less the silences in which the host was off

	First, Last float64 // the first and the last check-in, Unix seconds

	Median float64 // of all intervals, s
	MAD    float64 // median absolute deviation from Median, s
	// Quantiles of the M intervals, s, linear between order statistics. Q90
	// estimates the sleep of an implant, 1-Q10/Q90 its jitter.
	Q10, Q25, Q75, Q90 float64

	// Spread is the robust standard deviation of ln(interval): 0 for a clock,
	// 1.2 for events without memory.
	Spread float64
	// LocalSpread is the same from the ratios of successive intervals, which
	// does not mind that the sleep was changed; 0 where N is below 3.
	LocalSpread float64

	ZT    float64 // evidence of the timing, at most 8
	Score float64 // score of the timing alone, 0 to 1, 0.5 at ZT = 3
}

// Measure returns the timing of events at the given times, in Unix seconds and
// any order. Times that are not finite, or 31,000
// years and more from 1970, are left out.
func Measure(times []float64) Timing {
	var m Measurer
	return m.Measure(times)
}

// A Measurer measures one channel after another in the same memory. Its zero
// value is ready to use, by one goroutine at a time.
type Measurer struct {
	times, checkins, intervals, sorted, deviations []float64
}

// Measure is as the function of that name, without its allocations.
func (ms *Measurer) Measure(times []float64) Timing {
	ms.times = ms.times[:0]
	for _, t := range times {
		if math.Abs(t) <= maxTime { // false for NaN as well
			ms.times = append(ms.times, t)
		}
	}
	slices.Sort(ms.times)
	ms.debounce()
	t := Timing{N: len(ms.checkins)}
	if t.N < 2 {
		if t.N == 1 {
			t.First, t.Last = ms.checkins[0], ms.checkins[0]
		}
		return t
	}
	t.First, t.Last = ms.checkins[0], ms.checkins[t.N-1]
	ms.intervals = gaps(ms.intervals[:0], ms.checkins)
	ms.sorted = append(ms.sorted[:0], ms.intervals...)
	slices.Sort(ms.sorted)
	t.Median = median(ms.sorted)
	t.MAD = ms.mad(t.Median)
	t.LocalSpread = ms.localSpread()

	judged := withoutSilences(ms.sorted, t.Median, t.Last-t.First)
	t.M = len(judged)
	t.Q10, t.Q25 = Quantile(judged, 0.10), Quantile(judged, 0.25)
	t.Q75, t.Q90 = Quantile(judged, 0.75), Quantile(judged, 0.90)
	t.Spread = (math.Log(t.Q75/t.Q25)/iqrSigma + math.Log(t.Q90/t.Q10)/idrSigma) / 2
	if t.M < minM {
		return t
	}
	t.ZT = timingEvidence(t.Spread, t.LocalSpread, t.M)
	t.Score = Score(Combine(t.ZT, 0))
	return t
}

// debounce fills ms.checkins with those of ms.times that follow no other too
// closely. How close is too close depends on the interval, so it looks twice.
func (ms *Measurer) debounce() {
	ms.checkins = starts(ms.checkins[:0], ms.times, minBurst)
	if len(ms.checkins) < 4 {
		return
	}
	ms.sorted = gaps(ms.sorted[:0], ms.checkins)
	slices.Sort(ms.sorted)
	gap := min(max(burstShare*median(ms.sorted), minBurst), maxBurst)
	if gap > minBurst {
		ms.checkins = starts(ms.checkins[:0], ms.times, gap)
	}
}

// starts appends to dst the times that come more than gap after the time before.
func starts(dst, times []float64, gap float64) []float64 {
	for i, t := range times {
		if i == 0 || t-times[i-1] > gap {
			dst = append(dst, t)
		}
	}
	return dst
}

func gaps(dst, times []float64) []float64 {
	for i := 1; i < len(times); i++ {
		dst = append(dst, times[i]-times[i-1])
	}
	return dst
}

func (ms *Measurer) mad(center float64) float64 {
	ms.deviations = ms.deviations[:0]
	for _, d := range ms.sorted {
		ms.deviations = append(ms.deviations, math.Abs(d-center))
	}
	slices.Sort(ms.deviations)
	return median(ms.deviations)
}

func (ms *Measurer) localSpread() float64 {
	ms.deviations = ms.deviations[:0]
	for i := 1; i < len(ms.intervals); i++ {
		ms.deviations = append(ms.deviations, math.Abs(math.Log(ms.intervals[i]/ms.intervals[i-1])))
	}
	slices.Sort(ms.deviations)
	return madSigma * median(ms.deviations) / math.Sqrt2
}

// withoutSilences cuts the longest intervals off, those in which the host was
// off: three in two days, longer than 3 h and than 6 medians.
func withoutSilences(sorted []float64, median, span float64) []float64 {
	limit := max(silenceMedians*median, silence)
	for n := int(silencesPerDay * math.Ceil(span/day)); n > 0; n-- {
		last := len(sorted) - 1
		if last < keepIntervals || sorted[last] <= limit {
			break
		}
		sorted = sorted[:last]
	}
	return sorted
}

func timingEvidence(spread, local float64, m int) float64 {
	z := logEvidence(border, spread, min(m, enough))
	if m >= minLocal {
		z = max(z, logEvidence(border, local, min(m, enough))-localPrice)
	}
	return min(z, maxZT)
}

// logEvidence is how many standard errors the spread of n values lies below
// the border, in logarithms.
func logEvidence(border, spread float64, n int) float64 {
	return math.Log(border/max(spread, resolution)) * math.Sqrt(float64(n-1)) / quartileSE
}

// Sizes returns the evidence of the sizes of a channel's flows, bytes up and
// bytes down, from -2 (all different) to 5 (always the same), and the spread
// behind it: the smaller one of the two directions' robust standard deviations
// of ln(bytes). Zeros and less are left out; fewer than 5 sizes give 0.
func Sizes(up, down []float64) (zs, spread float64) {
	up, down = positive(up), positive(down)
	spread = min(logSpread(up), logSpread(down))
	n := min(max(len(up), len(down)), sizeEnough)
	if n < minSizes {
		return 0, spread
	}
	return min(max(logEvidence(sizeBorder, spread, n), minZS), maxZS), spread
}

func positive(sizes []float64) []float64 {
	out := make([]float64, 0, len(sizes))
	for _, s := range sizes {
		if s > 0 && !math.IsInf(s, 0) {
			out = append(out, s)
		}
	}
	slices.Sort(out)
	return out
}

func logSpread(sorted []float64) float64 {
	if len(sorted) < minForQuartile {
		return noSpread
	}
	return math.Log(Quantile(sorted, 0.75)/Quantile(sorted, 0.25)) / iqrSigma
}

// Combine returns the evidence of timing and sizes together.
func Combine(zt, zs float64) float64 { return zt + sizeGain*zs }

// LogOdds returns what evidence e, of [Combine], says for a timer, in nats: 0
// at 3. A timer is not yet an implant: benign timers pass as well.
func LogOdds(e float64) float64 { return (e - evenE) / scaleE }

// Score returns the score of evidence e, of [Combine]: 0 to 1, 0.5 at 3.
func Score(e float64) float64 { return 1 / (1 + math.Exp(-LogOdds(e))) }

// Quantile returns the q-th quantile, 0 to 1, of sorted values, linear between
// order statistics; 0 if there are none.
func Quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i >= len(sorted)-1 {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

func median(sorted []float64) float64 {
	n := len(sorted)
	switch {
	case n == 0:
		return 0
	case n%2 == 1:
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}
