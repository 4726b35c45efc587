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
	flows := before(g.flows, until, func(f weir.Flow) time.Time { return f.End })
	dns := before(g.dns, until, func(d weir.DNSTransaction) time.Time { return d.Time })
	g.flows, g.dns = g.flows[len(flows):], g.dns[len(dns):]
	for len(flows)+len(dns) > 0 {
		b := &weir.Batch{}
		flows, dns = fill(b, flows, dns)
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

// fill moves records from the sorted lists to b, in the order of their times,
// and returns the rest.
func fill(b *weir.Batch, flows []weir.Flow, dns []weir.DNSTransaction) ([]weir.Flow, []weir.DNSTransaction) {
	var end time.Time
	for len(flows)+len(dns) > 0 && b.Len() < batchRecords {
		first := len(dns) > 0 && (len(flows) == 0 || !dns[0].Time.After(flows[0].End))
		var t time.Time
		if first {
			t = dns[0].Time
		} else {
			t = flows[0].End
		}
		if end.IsZero() {
			end = t.Truncate(batchSpan).Add(batchSpan)
		}
		if !t.Before(end) {
			break
		}
		b.Through = t
		if first {
			b.DNS, dns = append(b.DNS, dns[0]), dns[1:]
		} else {
			b.Flows, flows = append(b.Flows, flows[0]), flows[1:]
		}
	}
	return flows, dns
}
