package demo

import (
	"cmp"
	"iter"
	"slices"
	"time"

	"github.com/weir-nta/weir"
)

const (
	// batchRecords and batchSpan bound a batch, which ends with whichever is
	// reached first: detectors are told the time after each.
	batchRecords = 4096
	batchSpan    = 2 * time.Hour
)

// Records returns the records of all days in the order in which they ended. A
// batch belongs to who receives it.
func Records(seed uint64) iter.Seq[*weir.Batch] {
	return func(yield func(*weir.Batch) bool) {
		g := newGenerator()
		for n := range Days {
			g.day(seed, n)
			until := Start().Add(time.Duration(n+1) * day)
			if n == Days-1 {
				until = until.Add(day) // what still goes on at midnight is told too
			}
			if !g.hand(until, yield) {
				return
			}
		}
	}
}

// hand yields what ended before until, and forgets it.
func (g *generator) hand(until time.Time, yield func(*weir.Batch) bool) bool {
	slices.SortStableFunc(g.flows, func(a, b weir.Flow) int { return a.End.Compare(b.End) })
	slices.SortStableFunc(g.dns, func(a, b weir.DNSTransaction) int { return a.Time.Compare(b.Time) })
	g.sortServices()
	flows := before(g.flows, until, func(f weir.Flow) time.Time { return f.End })
	dns := before(g.dns, until, func(d weir.DNSTransaction) time.Time { return d.Time })
	// What is left begins the next day, in memory of its own.
	g.flows = append(make([]weir.Flow, 0, len(g.flows)), g.flows[len(flows):]...)
	g.dns = append(make([]weir.DNSTransaction, 0, len(g.dns)), g.dns[len(dns):]...)
	for len(flows)+len(dns) > 0 {
		b := &weir.Batch{}
		flows, dns = fill(b, flows, dns)
		g.tell(b)
		if !yield(b) {
			return false
		}
	}
	return true
}

// before returns the records of the sorted list that lie before until.
func before[R any](list []R, until time.Time, at func(R) time.Time) []R {
	n, _ := slices.BinarySearchFunc(list, until, func(r R, t time.Time) int { return cmp.Or(at(r).Compare(t), 1) })
	return list[:n]
}

// fill gives b the first records of the sorted lists, in the order of their
// times, and returns the rest. Nothing is copied: what b has been given is not
// touched again.
func fill(b *weir.Batch, flows []weir.Flow, dns []weir.DNSTransaction) ([]weir.Flow, []weir.DNSTransaction) {
	var end time.Time
	f, d := 0, 0
	for f+d < batchRecords && (f < len(flows) || d < len(dns)) {
		asked := f == len(flows) || d < len(dns) && !dns[d].Time.After(flows[f].End)
		var t time.Time
		if asked {
			t = dns[d].Time
		} else {
			t = flows[f].End
		}
		if end.IsZero() {
			end = t.Truncate(batchSpan).Add(batchSpan)
		}
		if !t.Before(end) {
			break
		}
		b.Through = t
		if asked {
			d++
		} else {
			f++
		}
	}
	b.Flows, b.DNS = flows[:f:f], dns[:d:d]
	return flows[f:], dns[d:]
}
