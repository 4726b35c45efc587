package collector

import (
	"slices"
	"time"
)

// A skew estimates how far the clock of an exporter is behind that of arrival,
// from the differences that the last datagrams show. The way takes time and
// exporters tell whole seconds, so that each difference is too large by up to
// a second; and a datagram may be forged or stuck. The lower quartile stands
// above the least and below what a fourth of all can move.
type skew struct {
	last [63]time.Duration
	n    int // taken in all
}

func (s *skew) add(d time.Duration) {
	s.last[s.n%len(s.last)] = d
	s.n++
}

// estimate returns the lower quartile, 0 if nothing is known.
func (s *skew) estimate() time.Duration {
	if s.n == 0 {
		return 0
	}
	sorted := s.last
	known := sorted[:min(s.n, len(sorted))]
	slices.Sort(known)
	return known[(len(known)-1)/4]
}
