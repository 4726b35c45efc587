package periodic

import (
	"math"
	"testing"
)

// noise is a linear congruential generator (Knuth's MMIX constants), so that
// the same channels can be made anywhere.
type noise uint64

func (n *noise) next() float64 {
	*n = *n*6364136223846793005 + 1442695040888963407
	return float64(*n>>11) / (1 << 53)
}

// events are the flows of one made-up channel.
type events struct{ times, up, down []float64 }

func (e *events) add(t, up, down float64) {
	e.times, e.up, e.down = append(e.times, t), append(e.up, up), append(e.down, down)
}

// channel makes n check-ins with sleeps between period*(1-jitter) and period,
// of which the share lost is missing, with bursts of burst flows each and
// sizes spread over a factor of 1+sizes, and offHours of silence after half of
// them, in which the sleep is multiplied by change.
func channel(seed uint64, n int, period, jitter, lost float64, burst int, sizes, offHours, change float64) events {
	r := noise(seed)
	var e events
	t := 1.7e9
	for i := range n {
		if i == n/2 {
			t += offHours * 3600
			period *= change
		}
		t += period * (1 - jitter*r.next())
		if r.next() < lost {
			continue
		}
		for b := range burst {
			e.add(t+0.3*float64(b), 400*(1+sizes*r.next()), 900*(1+sizes*r.next()))
		}
	}
	return e
}

// TestGolden compares with the reference implementation of the formula. The
// numbers are its output (features and weir of the beacon simulator's
// scores.go, run on 2026-11-22) for the channels that channel makes here.
func TestGolden(t *testing.T) {
	for _, tt := range []struct {
		name             string
		e                events
		n, m             int
		median           float64
		local, zt, zs, E float64
		score            float64
	}{
		{"clock", channel(1, 100, 60, 0, 0, 1, 0, 0, 1), 100, 99, 60, 0, 8, 5, 9, 0.9994472214},
		{"jitter 20 %", channel(2, 300, 60, 0.2, 0, 1, 0.1, 0, 1), 300, 299, 53.77527523, 0.07130731177, 8, 5, 9, 0.9994472214},
		{"jitter 50 %, lost 30 %", channel(3, 200, 300, 0.5, 0.3, 1, 0.5, 0, 1), 147, 146, 258.9601465, 0.3538470052, 8, 5, 9, 0.9994472214},
		{"jitter 90 %", channel(4, 400, 120, 0.9, 0.1, 1, 4, 0, 1), 351, 350, 74.52929068, 0.6208873284, 5.088503667, 0.03269591764, 5.09504285, 0.9320619843},
		{"nearly no minimum", channel(5, 60, 900, 0.99, 0.3, 1, 9, 0, 1), 44, 43, 666.941817, 0.5743760526, 2.538540523, -0.6039970463, 2.417741114, 0.3256725033},
		{"two flows per check-in", channel(6, 120, 45, 0.3, 0.1, 2, 0.2, 0, 1), 111, 110, 37.31823361, 0.1701844114, 8, 5, 9, 0.9994472214},
		{"a night off", channel(7, 40, 1800, 0.3, 0.1, 1, 0.02, 14, 1), 35, 33, 1520.067852, 0.1923748076, 7.276074572, 5, 8.276074572, 0.9986348068},
		{"changed sleep", channel(8, 80, 10, 0.2, 0, 1, 0, 0, 30), 41, 40, 275.1462648, 0.05455097954, 8, 5, 9, 0.9994472214},
		{"five check-ins", channel(9, 5, 60, 0.1, 0, 1, 0, 0, 1), 5, 4, 55.92234397, 0.005742701086, 4.545920299, 3.969974298, 5.339915159, 0.9490634032},
		{"four check-ins", channel(10, 4, 60, 0.1, 0, 1, 0, 0, 1), 4, 3, 57.60554576, 0.04285796648, 0, 0, 0, 0},
		{"fast", channel(11, 500, 2, 0.5, 0, 1, 0, 0, 1), 500, 499, 1.497575045, 0.2146289188, 8, 5, 9, 0.9994472214},
		{"slow, seven days", channel(12, 40, 14400, 0.2, 0.1, 1, 1, 0, 1), 36, 35, 12783.89719, 0.1019108244, 8, 2.550994199, 8.51019884, 0.9989808316},
	} {
		got := Measure(tt.e.times)
		zs, _ := Sizes(tt.e.up, tt.e.down)
		E := 0.0
		score := 0.0
		if got.M >= 4 {
			E = Combine(got.ZT, zs)
			score = Score(E)
		} else {
			zs = 0 // the reference stops before the sizes
		}
		if got.N != tt.n || got.M != tt.m {
			t.Errorf("%s: N, M = %d, %d, want %d, %d", tt.name, got.N, got.M, tt.n, tt.m)
		}
		for _, c := range []struct {
			what      string
			got, want float64
		}{
			{"median", got.Median, tt.median}, {"local spread", got.LocalSpread, tt.local},
			{"ZT", got.ZT, tt.zt}, {"ZS", zs, tt.zs}, {"E", E, tt.E}, {"score", score, tt.score},
		} {
			if math.Abs(c.got-c.want) > 1e-6*max(1, math.Abs(c.want)) {
				t.Errorf("%s: %s = %.9g, want %.9g", tt.name, c.what, c.got, c.want)
			}
		}
	}
}
