package exec

import (
	"math"
	"math/bits"
	"slices"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/periodic"
	"github.com/weir-nta/weir/query"
)

func (p *pipeline) stats(in rows, s *query.Stats) rows {
	by := p.exprs(s.By)
	makers := make([]func() aggregate, len(s.Aggs))
	for i := range s.Aggs {
		makers[i] = p.aggregate(&s.Aggs[i])
	}
	return func(yield func(values, error) bool) {
		g := groups{by: by, makers: makers, index: map[string]int{}}
		if len(by) == 0 {
			g.group(nil)
		}
		for v, err := range in {
			if err == nil {
				err = g.add(v)
			}
			if err != nil {
				yield(nil, err)
				return
			}
		}
		for _, gr := range g.list {
			out := gr.by
			for _, a := range gr.aggs {
				out = append(out, a.result())
			}
			if !yield(&row{out}, nil) {
				return
			}
		}
	}
}

type groups struct {
	by     []func(values) any
	makers []func() aggregate
	index  map[string]int
	list   []group
	key    []byte
	held   int // values that aggregates keep
}

type group struct {
	by   query.Row
	aggs []aggregate
}

func (g *groups) add(v values) error {
	r := make(query.Row, len(g.by), len(g.by)+len(g.makers))
	g.key = g.key[:0]
	for i, f := range g.by {
		r[i] = f(v)
		g.key = appendKey(g.key, r[i])
	}
	for _, a := range g.group(r).aggs {
		g.held += a.add(v)
	}
	if len(g.list) > MaxHeld || g.held > MaxHeld {
		return ErrTooLarge
	}
	return nil
}

func (g *groups) group(r query.Row) *group {
	i, ok := g.index[string(g.key)]
	if !ok {
		i = len(g.list)
		g.index[string(g.key)] = i
		aggs := make([]aggregate, len(g.makers))
		for j, make := range g.makers {
			aggs[j] = make()
		}
		g.list = append(g.list, group{r, aggs})
	}
	return &g.list[i]
}

// An aggregate is computed of the rows of one group.
type aggregate interface {
	// add returns how many values more it keeps.
	add(v values) int
	result() any
}

// aggregate returns what makes the aggregate of a group.
func (p *pipeline) aggregate(a *query.Agg) func() aggregate {
	if a.Func == query.Count || a.Func == query.CountIf {
		test := func(values) bool { return true }
		if a.Cond != nil {
			test = p.pred(a.Cond)
		}
		return func() aggregate { return &counter{test: test} }
	}
	x, of := p.expr(a.X), a.X.Column()
	switch a.Func {
	case query.DCount:
		return func() aggregate { return &distinct{x: x, seen: map[string]bool{}} }
	case query.Values:
		return func() aggregate { return &texts{x: x, seen: map[string]bool{}} }
	case query.Sum:
		return func() aggregate { return &sum{x: x, of: of.Type} }
	case query.Avg:
		return func() aggregate { return &sum{x: x, of: of.Type, average: true} }
	case query.Min, query.Max:
		order := ordering(of)
		if a.Func == query.Max {
			order = reversed(order)
		}
		return func() aggregate { return &least{x: x, order: order} }
	case query.First, query.Last:
		order, times := ordering(of), compare
		if a.Func == query.Last {
			order, times = reversed(order), reversed(times)
		}
		ts := p.expr(a.TS)
		return func() aggregate { return &least{x: x, order: order, ts: ts, times: times} }
	}
	f := p.ofSorted(a)
	order := ordering(of)
	return func() aggregate { return &held{x: x, order: order, of: f} }
}

func reversed(order func(a, b any) int) func(a, b any) int {
	return func(a, b any) int { return order(b, a) }
}

// ofSorted returns the function of an aggregate that needs all values, sorted.
func (p *pipeline) ofSorted(a *query.Agg) func([]any) any {
	switch a.Func {
	case query.Median:
		return median
	case query.Pct:
		share := a.Percent / 100
		return func(list []any) any {
			if len(list) == 0 {
				return nil
			}
			return list[min(len(list)-1, int(share*float64(len(list))))]
		}
	case query.Stdev:
		return stdev
	default:
		from, to := p.env.From, p.env.To
		if from.IsZero() {
			from = p.env.First
		}
		if to.IsZero() {
			to = p.env.End
		}
		window := to.Sub(from).Seconds()
		return func(list []any) any { return period(list, window) }
	}
}

type counter struct {
	test func(values) bool
	n    int64
}

func (c *counter) add(v values) int {
	if c.test(v) {
		c.n++
	}
	return 0
}

func (c *counter) result() any { return c.n }

type distinct struct {
	x    func(values) any
	seen map[string]bool
	key  []byte
}

func (d *distinct) add(v values) int {
	before := len(d.seen)
	elements(d.x(v), func(a any) {
		d.key = appendKey(d.key[:0], a)
		if !d.seen[string(d.key)] {
			d.seen[string(d.key)] = true
		}
	})
	return len(d.seen) - before
}

func (d *distinct) result() any { return int64(len(d.seen)) }

// elements calls f with the elements of a list, or with a value that is none.
func elements(v any, f func(any)) {
	if list, ok := v.([]any); ok {
		for _, e := range list {
			f(e)
		}
	} else if v != nil {
		f(v)
	}
}

type texts struct {
	x    func(values) any
	seen map[string]bool
}

// maxTexts is how many texts are kept before those are dropped that cannot
// be among the first any more.
const maxTexts = 16 * query.MaxValues

func (t *texts) add(v values) int {
	before := len(t.seen)
	elements(t.x(v), func(a any) { t.seen[query.Text(a)] = true })
	if len(t.seen) > maxTexts {
		for _, s := range t.sorted()[query.MaxValues:] {
			delete(t.seen, s)
		}
	}
	return len(t.seen) - before
}

func (t *texts) sorted() []string {
	list := make([]string, 0, len(t.seen))
	for s := range t.seen {
		list = append(list, s)
	}
	slices.Sort(list)
	return list
}

func (t *texts) result() any {
	list := t.sorted()
	if len(list) == 0 {
		return nil
	}
	out := make([]any, min(len(list), query.MaxValues))
	for i := range out {
		out[i] = list[i]
	}
	return out
}

// A least keeps the least value or, with ts, the value at the least time.
type least struct {
	x     func(values) any
	order func(a, b any) int
	ts    func(values) any // nil for min and max
	times func(a, b any) int

	best, bestTime any
}

func (l *least) add(v values) int {
	a := l.x(v)
	if a == nil {
		return 0
	}
	n := 0
	if l.ts != nil {
		t := l.ts(v)
		if t == nil {
			return 0
		}
		if l.best != nil {
			n = l.times(t, l.bestTime)
		}
		if l.best == nil || n < 0 {
			l.best, l.bestTime = a, t
			return 0
		}
	}
	if l.best == nil || n == 0 && l.order(a, l.best) < 0 {
		l.best = a
	}
	return 0
}

func (l *least) result() any { return l.best }

// A sum adds integers exactly, in 128 bits, and floats as whole numbers of
// 1e-9, so that the order does not matter.
type sum struct {
	x       func(values) any
	of      weir.Type
	average bool

	hi       int64
	lo       uint64
	n        int64
	overflow bool
}

const unitsPerOne = 1e9

func (s *sum) add(v values) int {
	switch a := s.x(v).(type) {
	case int64:
		s.n++
		s.addInt128(a>>63, uint64(a))
	case float64:
		s.n++
		s.addFloat(math.Round(a * unitsPerOne))
	}
	return 0
}

func (s *sum) addInt128(hi int64, lo uint64) {
	var carry uint64
	s.lo, carry = bits.Add64(s.lo, lo, 0)
	s.hi += hi + int64(carry)
}

// maxUnits bounds one float in a sum, at 1e21, so that 128 bits hold a hundred
// million of them. A greater one makes the sum missing.
const maxUnits = 1e30

const two64 = 1 << 64

func (s *sum) addFloat(f float64) {
	magnitude := math.Abs(f)
	if !(magnitude <= maxUnits) {
		s.overflow = true
		return
	}
	high := math.Floor(magnitude / two64)
	hi, lo := int64(high), uint64(magnitude-high*two64)
	if f < 0 {
		hi, lo = negative(hi, lo)
	}
	s.addInt128(hi, lo)
}

func negative(hi int64, lo uint64) (int64, uint64) {
	lo, borrow := bits.Sub64(0, lo, 0)
	return -hi - int64(borrow), lo
}

func (s *sum) float() float64 {
	if s.hi < 0 {
		hi, lo := negative(s.hi, s.lo)
		return -(float64(hi)*two64 + float64(lo))
	}
	return float64(s.hi)*two64 + float64(s.lo)
}

func (s *sum) result() any {
	switch {
	case s.overflow || s.average && s.n == 0:
		return nil
	case s.of != weir.Int && s.average:
		return s.float() / unitsPerOne / float64(s.n)
	case s.of != weir.Int:
		return s.float() / unitsPerOne
	case s.average:
		return s.float() / float64(s.n)
	case s.hi != int64(s.lo)>>63:
		return nil
	}
	return int64(s.lo)
}

// A held keeps all values.
type held struct {
	x     func(values) any
	order func(a, b any) int
	of    func(sorted []any) any
	list  []any
}

func (h *held) add(v values) int {
	a := h.x(v)
	if a == nil {
		return 0
	}
	h.list = append(h.list, a)
	return 1
}

func (h *held) result() any {
	slices.SortFunc(h.list, h.order)
	return h.of(h.list)
}

func median(list []any) any {
	n := len(list)
	switch {
	case n == 0:
		return nil
	case n%2 == 1:
		return toFloat(list[n/2])
	}
	return (toFloat(list[n/2-1]) + toFloat(list[n/2])) / 2
}

func stdev(list []any) any {
	if len(list) == 0 {
		return nil
	}
	// Welford's way: of equal values it is exactly 0.
	n := float64(len(list))
	mean, squares := 0.0, 0.0
	for i, a := range list {
		x := toFloat(a)
		d := x - mean
		mean += d / float64(i+1)
		squares += d * (x - mean)
	}
	return finite(math.Sqrt(squares / n))
}

// minPeriod is the number of times from which a period is judged.
const minPeriod = 9

// period returns the record of query.PeriodFields. List holds times, sorted.
func period(list []any, window float64) any {
	out := query.Record{int64(len(list)), nil, nil, 0.0, 0.0}
	if len(list) < minPeriod {
		return out
	}
	seconds := make([]float64, len(list))
	for i, t := range list {
		seconds[i] = float64(t.(time.Time).UnixMicro()) / 1e6
	}
	t := periodic.Measure(seconds)
	if t.Median > 0 {
		out[1] = t.Median
		out[2] = t.MAD / t.Median
	}
	if window > 0 {
		out[3] = min(1, (seconds[len(seconds)-1]-seconds[0])/window)
	}
	out[4] = t.Score
	return out
}
