package weir

import "time"

// A Batch is the unit that moves through the program: records decoded from
// some stretch of input. Until it is handed on, a batch belongs to the stage
// that fills it; from then on nobody writes to it.
type Batch struct {
	Flows    []Flow
	DNS      []DNSTransaction
	Oddities []Oddity
	Findings []Finding
	// Through is how far the source has got by the clock of the traffic: no
	// later batch of it holds a record that ended before. The zero time says
	// nothing.
	Through time.Time
}

// Len returns the number of records in b.
func (b *Batch) Len() int { return len(b.Flows) + len(b.DNS) + len(b.Oddities) + len(b.Findings) }

// Reset empties b and keeps its memory.
func (b *Batch) Reset() {
	clear(b.Flows)
	clear(b.DNS)
	clear(b.Oddities)
	clear(b.Findings)
	*b = Batch{Flows: b.Flows[:0], DNS: b.DNS[:0], Oddities: b.Oddities[:0], Findings: b.Findings[:0]}
}

// Records calls yield for each record of b, table by table.
func (b *Batch) Records(yield func(Record) bool) {
	for i := range b.Flows {
		if !yield(&b.Flows[i]) {
			return
		}
	}
	for i := range b.DNS {
		if !yield(&b.DNS[i]) {
			return
		}
	}
	for i := range b.Oddities {
		if !yield(&b.Oddities[i]) {
			return
		}
	}
	for i := range b.Findings {
		if !yield(&b.Findings[i]) {
			return
		}
	}
}

// Add appends a copy of r to b.
func (b *Batch) Add(r Record) {
	switch r := r.(type) {
	case *Flow:
		b.Flows = append(b.Flows, *r)
	case *DNSTransaction:
		b.DNS = append(b.DNS, *r)
	case *Oddity:
		b.Oddities = append(b.Oddities, *r)
	case *Finding:
		b.Findings = append(b.Findings, *r)
	}
}

// Latest returns the latest time in b, which is how far its source has got at least.
func (b *Batch) Latest() time.Time {
	t := b.Through
	for i := range b.Flows {
		if b.Flows[i].End.After(t) {
			t = b.Flows[i].End
		}
	}
	for i := range b.DNS {
		if b.DNS[i].Time.After(t) {
			t = b.DNS[i].Time
		}
	}
	for i := range b.Oddities {
		if b.Oddities[i].Time.After(t) {
			t = b.Oddities[i].Time
		}
	}
	return t
}
