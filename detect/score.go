package detect

import (
	"fmt"
	"math"

	"github.com/weir-nta/weir"
)

// A Score sums the log-odds of a finding, keeping every part for its
// explanation: L = evidence + context + bias, score = 1/(1+exp(-L)).
type Score struct {
	Terms []weir.Term
}

// Add adds a term of the given log-odds with the reason in words.
func (s *Score) Add(name string, logOdds float64, format string, args ...any) {
	s.Terms = append(s.Terms, weir.Term{Name: name, Value: logOdds, Text: fmt.Sprintf(format, args...)})
}

// L returns the sum of all terms.
func (s *Score) L() float64 {
	sum := 0.0
	for _, t := range s.Terms {
		sum += t.Value
	}
	return sum
}

// Value returns the score, between 0 and 1.
func (s *Score) Value() float64 { return Logistic(s.L()) }

// Logistic returns the score of log-odds l.
func Logistic(l float64) float64 { return 1 / (1 + math.Exp(-l)) }

// The scores from which a finding may be called low, medium and high.
const (
	ScoreLow    = 0.5
	ScoreMedium = 0.8
	ScoreHigh   = 0.95
)

// Severity returns the severity that a score allows, highest at most: the
// score limits how loudly a thing may be said, however bad it would be.
func Severity(score float64, highest weir.Severity) weir.Severity {
	limit := weir.Info
	switch {
	case score >= ScoreHigh:
		limit = weir.Critical
	case score >= ScoreMedium:
		limit = weir.Medium
	case score >= ScoreLow:
		limit = weir.Low
	}
	return min(limit, highest)
}

// Certainty returns how sure a score and its checks make a detector. It is
// never Proven: that is for facts of a protocol or a list.
func Certainty(score float64, checks []weir.Check) weir.Certainty {
	passed := 0
	for _, c := range checks {
		if c.Pass {
			passed++
		}
	}
	switch {
	case score >= ScoreHigh && passed >= 4:
		return weir.Strong
	case score >= ScoreMedium:
		return weir.Some
	}
	return weir.Weak
}

// Clamp returns x, at least lo and at most hi.
func Clamp(x, lo, hi float64) float64 { return min(max(x, lo), hi) }
