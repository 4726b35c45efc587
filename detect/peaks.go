package detect

import "time"

// Again is by how much a thing must have grown to be worth telling again.
const Again = 4

const (
	// heldBack is how long evidence is held back that is not loud and never quiet.
	heldBack = time.Hour
	// toldFor is how long it is remembered what has been told.
	toldFor = 24 * time.Hour
)

// Peaks keep for each key the strongest evidence so far and say when it is to
// be reported: at once if it is loud; again when the amount has grown fourfold;
// when the key has been quiet for a while, if that was not told or has grown
// by half; and at the end of the traffic with its full amount. They hold at
// most as many keys as they were made for; at the limit the one quiet for
// longest is reported early and forgotten.
type Peaks[K comparable, E any] struct {
	entries *LRU[K, peak[E]]
	quiet   time.Duration
	limit   int
	report  func(K, *E)
	swept   time.Time
}

type peak[E any] struct {
	evidence         E
	amount, reported float64
	first, last      time.Time
}

// NewPeaks returns Peaks of at most limit keys that report one when it has
// been quiet for so long.
func NewPeaks[K comparable, E any](limit int, quiet time.Duration, report func(K, *E)) *Peaks[K, E] {
	return &Peaks[K, E]{entries: NewLRU[K, peak[E]](limit, 1<<62), quiet: quiet, limit: limit, report: report}
}

// Offer tells the evidence of k at time t, of the given amount.
func (p *Peaks[K, E]) Offer(k K, t time.Time, amount float64, loud bool, e E) {
	if p.entries.Len() == p.limit && p.entries.Get(k, t) == nil {
		p.flushOldest()
	}
	x, isNew := p.entries.Touch(k, t)
	if isNew {
		x.first = t
	}
	x.last = t
	if amount <= x.amount {
		return
	}
	x.amount, x.evidence = amount, e
	if loud && x.reported == 0 || x.reported > 0 && amount >= Again*x.reported {
		p.tell(k, x)
	}
}

// Tick reports the keys that have been quiet, or held back, for long enough.
func (p *Peaks[K, E]) Tick(now time.Time) {
	if now.Sub(p.swept) < p.quiet/5 {
		return
	}
	p.swept = now
	for k, x := range p.entries.All {
		idle := now.Sub(x.last)
		switch {
		case x.reported == 0 && (idle >= p.quiet || now.Sub(x.first) >= heldBack),
			x.amount >= 1.5*x.reported && idle >= p.quiet:
			p.tell(k, x)
		}
		if idle >= toldFor {
			p.entries.Delete(k)
		}
	}
}

// End reports what has not been told.
func (p *Peaks[K, E]) End() {
	for k, x := range p.entries.All {
		p.tell(k, x)
	}
}

// Evicted returns how many keys were forgotten because of the limit.
func (p *Peaks[K, E]) Evicted() uint64 { return p.entries.Evicted() }

func (p *Peaks[K, E]) tell(k K, x *peak[E]) {
	if x.amount > x.reported {
		x.reported = x.amount
		p.report(k, &x.evidence)
	}
}

func (p *Peaks[K, E]) flushOldest() {
	for k, x := range p.entries.All {
		p.tell(k, x)
		p.entries.evict()
		return
	}
}
