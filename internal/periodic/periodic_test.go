package periodic

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestMeasureEdges(t *testing.T) {
	for _, tt := range []struct {
		name  string
		times []float64
		n, m  int
	}{
		{"none", nil, 0, 0},
		{"one", []float64{5}, 1, 0},
		{"two", []float64{5, 65}, 2, 1},
		{"all at once", []float64{5, 5, 5, 5, 5, 5, 5}, 1, 0},
		{"within a second", []float64{1, 1.9, 2.8, 3.7, 4.6}, 1, 0},
		{"more than a second", []float64{1, 2.1, 3.2, 4.3, 5.4}, 5, 4},
		{"not finite", []float64{math.NaN(), 1, math.Inf(1), math.Inf(-1), 61, 1e300}, 2, 1},
		{"far apart", []float64{-1e12, 0, 1e12, 5e11, -5e11, 7e11}, 6, 5},
	} {
		got := Measure(tt.times)
		if got.N != tt.n || got.M != tt.m {
			t.Errorf("%s: N, M = %d, %d, want %d, %d", tt.name, got.N, got.M, tt.n, tt.m)
		}
		checkFinite(t, got)
	}
}

func TestMeasureTwo(t *testing.T) {
	got := Measure([]float64{100, 40})
	want := Timing{N: 2, M: 1, First: 40, Last: 100, Median: 60, Q10: 60, Q25: 60, Q75: 60, Q90: 60}
	if got != want {
		t.Errorf("Measure(100, 40) = %+v, want %+v", got, want)
	}
}

// TestSilences: nights go, but only those that are longer than the sleep
// could explain, and never so many that nothing is left.
func TestSilences(t *testing.T) {
	hours := func(list ...float64) (times []float64) {
		at := 0.0
		for _, h := range append([]float64{0}, list...) {
			at += h * 3600
			times = append(times, at)
		}
		return times
	}
	for _, tt := range []struct {
		name  string
		times []float64
		m     int
	}{
		{"one night", hours(.5, .5, .5, .5, .5, 14, .5, .5, .5, .5), 9},
		{"a lunch of 2 h", hours(.5, .5, .5, .5, .5, 2, .5, .5, .5, .5), 10},
		{"two in a day", hours(.5, .5, .5, .5, 4, 6, .5, .5, .5, .5), 9},
		{"eight are kept", hours(.5, .5, .5, .5, 14, .5, .5, .5), 8},
		{"sleep of 4 h", hours(4, 4, 4, 4, 4, 23, 4, 4, 4, 4), 10},
	} {
		if got := Measure(tt.times).M; got != tt.m {
			t.Errorf("%s: M = %d, want %d", tt.name, got, tt.m)
		}
	}
}

func TestSizes(t *testing.T) {
	same := slices.Repeat([]float64{512}, 40)
	for _, tt := range []struct {
		name     string
		up, down []float64
		zs       float64
		spread   float64
	}{
		{"none", nil, nil, 0, 3},
		{"always the same", same, same, 5, 0},
		{"one direction only", same, nil, 5, 0},
		{"the other only", nil, same, 5, 0},
		{"zeros are left out", append(make([]float64, 100), same[:4]...), make([]float64, 104), 0, 0},
		{"four", same[:4], same[:4], 0, 0},
		{"doubling", []float64{1, 2, 4, 8, 16, 32, 64, 128, 256}, nil, -2, 4 * math.Ln2 / 1.349},
		{"not finite", append([]float64{math.NaN(), math.Inf(1), -1}, same[:3]...), nil, 0, 0},
	} {
		zs, spread := Sizes(tt.up, tt.down)
		if math.Abs(zs-tt.zs) > 1e-12 || math.Abs(spread-tt.spread) > 1e-12 {
			t.Errorf("%s: Sizes = %v, %v, want %v, %v", tt.name, zs, spread, tt.zs, tt.spread)
		}
	}
}

func TestScore(t *testing.T) {
	for _, tt := range []struct{ zt, zs, want float64 }{{3, 0, 0.5}, {2, 5, 0.5}, {8, 5, 0.99944722}, {-5, -2, 2.7535691e-05}} {
		if got := Score(Combine(tt.zt, tt.zs)); math.Abs(got-tt.want) > 1e-8 {
			t.Errorf("Score(Combine(%v, %v)) = %v, want %v", tt.zt, tt.zs, got, tt.want)
		}
	}
}

func TestMeasureAllocs(t *testing.T) {
	e := channel(1, 500, 60, 0.3, 0.1, 1, 0, 0, 1)
	var m Measurer
	if n := testing.AllocsPerRun(100, func() { m.Measure(e.times) }); n != 0 {
		t.Errorf("Measure allocates %v times, want 0", n)
	}
}

func checkFinite(t interface{ Errorf(string, ...any) }, g Timing) {
	for _, v := range []float64{g.First, g.Last, g.Median, g.MAD, g.Q10, g.Q25, g.Q75, g.Q90, g.Spread, g.LocalSpread, g.ZT, g.Score} {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			t.Errorf("%+v is not finite", g)
			return
		}
	}
}

func TestMeasureProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		times := rapid.SliceOfN(rapid.Float64(), 0, 60).Draw(t, "any times")
		checkFinite(t, Measure(times))
	})
	rapid.Check(t, func(t *rapid.T) {
		times := rapid.SliceOfN(rapid.Float64Range(0, 7*day), 0, 80).Draw(t, "times")
		got := Measure(times)
		checkFinite(t, got)
		if got.ZT > maxZT || got.Score < 0 || got.Score > 1 || got.Spread < 0 || got.LocalSpread < 0 {
			t.Errorf("out of range: %+v", got)
		}
		if got.N > len(times) || got.M > max(0, got.N-1) {
			t.Errorf("N, M = %d, %d of %d times", got.N, got.M, len(times))
		}
		if len(times) > 0 {
			shuffled := rapid.Permutation(times).Draw(t, "shuffled")
			if again := Measure(shuffled); again != got {
				t.Errorf("the order matters: %+v, %+v", got, again)
			}
		}
	})
}

// TestScale: a sleep twice as long is exactly as regular, where neither
// bursts (below 20 s) nor silences (above 3 h) are in play.
func TestScale(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		factor := rapid.Float64Range(1, 2).Draw(t, "factor")
		list := rapid.SliceOfN(rapid.Float64Range(600, 3600), 4, 50).Draw(t, "intervals")
		var a, b []float64
		at := 0.0
		for _, d := range append([]float64{0}, list...) {
			at += d
			a, b = append(a, at), append(b, at*factor)
		}
		one, two := Measure(a), Measure(b)
		if one.N != two.N || math.Abs(one.ZT-two.ZT) > 1e-6 || math.Abs(one.Spread-two.Spread) > 1e-6 {
			t.Errorf("times %v: %+v, want %+v", factor, two, one)
		}
	})
}

// TestMonotone: more jitter never looks more regular.
func TestMonotone(t *testing.T) {
	for _, n := range []int{8, 30, 200} {
		last := math.Inf(1)
		for j := range 20 {
			zt := Measure(channel(7, n, 600, float64(j)/20, 0, 1, 0, 0, 1).times).ZT
			if zt > last+1e-9 {
				t.Errorf("%d check-ins, jitter %d %%: ZT = %v, with less jitter %v", n, 5*j, zt, last)
			}
			last = zt
		}
	}
}

// simulated is the beacon of the study that the formula comes from: a sleep
// drawn anew after each check-in, some of them lost, execution and network
// latency, sizes of one request with occasional padding and tasks.
func simulated(r *rand.Rand, sleep func() float64, period, lost float64) (e events) {
	up, down := 180+1020*r.Float64(), logUniform(r, 150, 6000)
	pad := 0.0
	if r.Float64() < 0.2 {
		pad = 100 + 1900*r.Float64()
	}
	for t := period * r.Float64(); t < day; t += sleep() + logNormal(r, 0.3, 0.8) {
		if r.Float64() >= lost {
			e.add(t+logNormal(r, 0.15, 0.6), up+pad*r.Float64(), down)
		}
	}
	return e
}

func logNormal(r *rand.Rand, median, sigma float64) float64 {
	return median * math.Exp(sigma*r.NormFloat64())
}

func logUniform(r *rand.Rand, low, high float64) float64 {
	return low * math.Exp(r.Float64()*math.Log(high/low))
}

// browsing is a human: sessions of pages of connections.
func browsing(r *rand.Rand) (e events) {
	begin, end := (6.5+3.5*r.Float64())*3600, (15+8.5*r.Float64())*3600
	sessions, pages := 1+r.IntN(8), 1+14*r.Float64()
	for range sessions {
		t := begin + (end-begin)*r.Float64()
		for range 1 + int(pages*r.ExpFloat64()) {
			for i := range 1 + r.IntN(5) {
				e.add(t+0.4*r.ExpFloat64()*float64(i), logNormal(r, 1500, .9), logNormal(r, 20000, 1.8))
			}
			t += logNormal(r, 30, 1.2)
		}
	}
	return e
}

// memoryless is a machine that is asked at random.
func memoryless(r *rand.Rand) (e events) {
	for range 5 + int(logUniform(r, 5, 600)) {
		e.add(day*r.Float64(), logNormal(r, 800, .3), logNormal(r, 3000, .8))
	}
	return e
}

// TestDetectionRates repeats the study's tables 2 and 7 in small: beacons of
// 10 s to 1 h with 0 to 30 % lost must be told from humans and memoryless
// machines as often as there, but for three standard errors, at its cut for
// one false positive in 1,000.
func TestDetectionRates(t *testing.T) {
	const cutZT, cutE, n = 2.80, 2.82, 300
	r := rand.New(rand.NewPCG(1, 2))
	rates := func(make func() events) (timing, both float64) {
		for range n {
			e := make()
			m := Measure(e.times)
			zs, _ := Sizes(e.up, e.down)
			if m.M >= minM && m.ZT >= cutZT {
				timing += 1. / n
			}
			if m.M >= minM && Combine(m.ZT, zs) >= cutE {
				both += 1. / n
			}
		}
		return timing, both
	}
	for _, tt := range []struct {
		kind         string
		jitter       float64
		low, high    float64 // of the sleep, in periods
		timing, both float64 // the study's rates
	}{
		{"Cobalt Strike 0 %", 0, 1, 1, .98, .99},
		{"Cobalt Strike 20 %", .2, .8, 1, .97, .99},
		{"Cobalt Strike 50 %", .5, .5, 1, .98, .99},
		{"Cobalt Strike 90 %", .9, .1, 1, .86, .94},
		{"Sliver 50 %", .5, 1, 1.5, .95, .97},
		{"symmetric 90 %", .9, .1, 1.9, .68, .86},
	} {
		timing, both := rates(func() events {
			period, lost := logUniform(r, 10, 3600), 0.1*float64(r.IntN(4))
			return simulated(r, func() float64 { return period * (tt.low + (tt.high-tt.low)*r.Float64()) }, period, lost)
		})
		t.Logf("%s: %.3f by timing, %.3f with sizes", tt.kind, timing, both)
		if low := tt.timing - 3*math.Sqrt(tt.timing*(1-tt.timing)/n); timing < low {
			t.Errorf("%s: found %.3f by timing, want %.3f at least", tt.kind, timing, low)
		}
		if low := tt.both - 3*math.Sqrt(tt.both*(1-tt.both)/n); both < low {
			t.Errorf("%s: found %.3f with sizes, want %.3f at least", tt.kind, both, low)
		}
	}
	for _, tt := range []struct {
		name         string
		make         func(*rand.Rand) events
		timing, both float64 // the study's rates (table 7)
	}{{"browsing", browsing, 0.001, 0.001}, {"memoryless", memoryless, 0.002, 0.007}} {
		timing, both := 0., 0.
		for range 10 {
			a, b := rates(func() events { return tt.make(r) })
			timing, both = timing+a/10, both+b/10
		}
		t.Logf("%s: %.4f by timing, %.4f with sizes", tt.name, timing, both)
		if high := tt.timing + 3*math.Sqrt(tt.timing/(10*n)); timing > high {
			t.Errorf("%s: %.4f pass by timing, want %.4f at most", tt.name, timing, high)
		}
		if high := tt.both + 3*math.Sqrt(tt.both/(10*n)); both > high {
			t.Errorf("%s: %.4f pass with sizes, want %.4f at most", tt.name, both, high)
		}
	}
	if timing, _ := rates(func() events {
		period := logUniform(r, 10, 3600)
		return simulated(r, func() float64 { return period * r.ExpFloat64() }, period, 0)
	}); timing > .03 { // by design: no timer, no timing
		t.Errorf("exponential sleep: %.3f pass, want as good as none", timing)
	}
}

func BenchmarkMeasure(b *testing.B) {
	for _, tt := range []struct {
		name string
		n    int
	}{{"30", 30}, {"1440", 1440}} {
		b.Run(tt.name, func(b *testing.B) {
			e := channel(1, tt.n, 60, 0.3, 0.1, 1, 0, 0, 1)
			var m Measurer
			b.ReportAllocs()
			for b.Loop() {
				m.Measure(e.times)
			}
		})
	}
}
