package exec

import (
	"cmp"
	"slices"
	"sort"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/query"
)

// known asks at once which tuples were seen before the window, and holds them.
func (c *compiler) known(p *query.Known) func(values) bool {
	if c.env.From.IsZero() {
		return func(values) bool { return false }
	}
	from := c.env.From.Add(-p.Over)
	seen := map[string]bool{}
	c.ask(Question{Query: p.Seen, From: from, To: c.env.From, Now: c.env.From}, func(r query.Row) error {
		tuples(r, nil, func(key []byte) bool {
			seen[string(key)] = true
			return len(seen) > MaxHeld
		})
		return tooMany(len(seen))
	})
	xs := c.exprs(p.Xs)
	return func(v values) bool {
		return tuples(evaluate(xs, v), nil, func(key []byte) bool { return seen[string(key)] })
	}
}

// begin is the time of the first record of a table.
func (c *compiler) begin(table *weir.Table) (begin time.Time) {
	switch {
	case c.err != nil:
	case c.env.Begin == nil:
		c.err = errAlone
	default:
		begin, c.err = c.env.Begin(table)
	}
	return begin
}

// tuples calls found with the key of each combination of the elements of lists
// in r, missing being a value like any other, until that returns true, and
// says whether it did.
func tuples(r query.Row, key []byte, found func([]byte) bool) bool {
	if len(r) == 0 {
		return found(key)
	}
	list, ok := r[0].([]any)
	if !ok {
		return tuples(r[1:], appendKey(key, r[0]), found)
	}
	for _, e := range list {
		if tuples(r[1:], appendKey(key, e), found) {
			return true
		}
	}
	return false
}

func (c *compiler) past(e *query.Past) func(values) any {
	switch e.Func {
	case query.FirstSeen:
		return c.firstSeen(e)
	case query.Prevalence:
		return c.prevalence(e)
	default:
		return c.usual(e)
	}
}

func (c *compiler) firstSeen(e *query.Past) func(values) any {
	first := map[string]time.Time{}
	c.ask(Question{Query: e.Query, Now: c.env.Now}, func(r query.Row) error {
		t, ok := r[e.Value].(time.Time)
		if !ok {
			return nil
		}
		tuples(r[:len(e.Xs)], nil, func(key []byte) bool {
			if have, ok := first[string(key)]; !ok || t.Before(have) {
				first[string(key)] = t
			}
			return len(first) > MaxHeld
		})
		return tooMany(len(first))
	})
	xs := c.exprs(e.Xs)
	return func(v values) any {
		var least any
		tuples(evaluate(xs, v), nil, func(key []byte) bool {
			if t, ok := first[string(key)]; ok && (least == nil || t.Before(least.(time.Time))) {
				least = t
			}
			return false
		})
		return least
	}
}

func (c *compiler) prevalence(e *query.Past) func(values) any {
	to := c.env.To
	if to.IsZero() {
		to = c.env.End
	}
	from := to.Add(-query.PrevalenceOver)
	hosts := map[string]any{}
	c.ask(Question{Query: e.Query, From: from, To: to, Now: to}, func(r query.Row) error {
		hosts[string(appendKey(nil, r[0]))] = r[e.Value]
		return tooMany(len(hosts))
	})
	x := c.expr(e.Xs[0])
	return func(v values) any {
		if n, ok := hosts[string(appendKey(nil, x(v)))]; ok {
			return n
		}
		return int64(0)
	}
}

// usual asks for each of the windows before that of the query.
func (c *compiler) usual(e *query.Past) func(values) any {
	begin := c.begin(e.Query.Table)
	n := query.UsualWindows(c.env.From, c.env.To, begin)
	if n < query.MinUsual {
		return func(values) any { return nil }
	}
	length := c.env.To.Sub(c.env.From)
	past := map[string][]any{}
	need := make([]bool, len(e.Query.Columns))
	for i := range e.Xs {
		need[i] = true
	}
	need[e.Value] = true
	held := 0
	for i := 1; i <= n; i++ {
		back := time.Duration(i) * length
		q := Question{Query: e.Query, From: c.env.From.Add(-back), To: c.env.To.Add(-back), Now: c.env.Now.Add(-back), Need: need}
		c.ask(q, func(r query.Row) error {
			if r[e.Value] == nil {
				return nil
			}
			key := appendKeys(nil, r[:len(e.Xs)])
			past[string(key)] = append(past[string(key)], r[e.Value])
			held++
			return tooMany(held)
		})
	}
	usual := make(map[string]any, len(past))
	for key, list := range past {
		usual[key] = usualOf(list, n, zero(e.Of))
	}
	xs := c.exprs(e.Xs)
	return func(v values) any {
		if u, ok := usual[string(appendKeys(nil, evaluate(xs, v)))]; ok {
			return u
		}
		return zero(e.Of)
	}
}

func appendKeys(key []byte, r query.Row) []byte {
	for _, a := range r {
		key = appendKey(key, a)
	}
	return key
}

func zero(of query.Column) any {
	if of.Type == weir.Int {
		return int64(0)
	}
	return 0.0
}

// usualOf is the 95th percentile of the values and of as many zeros as make n.
func usualOf(list []any, n int, zero any) any {
	for len(list) < n {
		list = append(list, zero)
	}
	slices.SortFunc(list, compare)
	return list[min(len(list)-1, int(0.95*float64(len(list))))]
}

// A later is a row of the query of a then.
type later struct {
	ts int64 // in microseconds
	r  query.Row
}

// then holds the answer to the query of s and looks up the next row in it.
// Need are the columns that are looked at afterwards, nil for all.
func (p *pipeline) then(in rows, s *query.Then, need []bool) rows {
	used := thenNeeds(s, need)
	from, to := s.Sub.Window(p.env.From, p.env.To, p.env.Now)
	index := map[string][]later{}
	n := 0
	p.ask(Question{Query: s.Sub, From: from, To: to, Now: p.env.Now, Need: used}, func(r query.Row) error {
		ts, ok := r[s.SubTS].(time.Time)
		if !ok {
			return nil
		}
		var key []byte
		for _, i := range s.SubBy {
			key = appendKey(key, r[i])
		}
		index[string(key)] = append(index[string(key)], later{ts.UnixMicro(), r})
		n++
		return tooMany(n)
	})
	order := rowOrder(s.Sub.Columns)
	for _, list := range index {
		slices.SortFunc(list, func(a, b later) int {
			if a.ts != b.ts {
				return cmp.Compare(a.ts, b.ts)
			}
			return order(usedOf(a.r, used), usedOf(b.r, used))
		})
	}
	by, at := p.exprs(s.By), p.expr(s.TS)
	within, width := s.Within.Microseconds(), len(p.cols)
	return func(yield func(values, error) bool) {
		var key []byte
		for v, err := range in {
			if err != nil {
				yield(nil, err)
				return
			}
			t, ok := at(v).(time.Time)
			if !ok {
				continue
			}
			key = key[:0]
			for _, f := range by {
				key = appendKey(key, f(v))
			}
			ts := t.UnixMicro()
			list := index[string(key)]
			i := sort.Search(len(list), func(i int) bool { return list[i].ts >= ts })
			if i == len(list) || list[i].ts-ts > within {
				continue
			}
			if !yield(joined(v, width, s, list[i], ts), nil) {
				return
			}
		}
	}
}

// thenNeeds returns the columns of the query of s that are looked at.
func thenNeeds(s *query.Then, need []bool) []bool {
	if need == nil {
		return nil
	}
	used := make([]bool, len(s.Sub.Columns))
	for i, to := range s.Put {
		used[i] = to >= 0 && need[to]
	}
	used[s.SubTS] = true
	for _, i := range s.SubBy {
		used[i] = true
	}
	return used
}

// usedOf is a row without the columns that are not used, so that what follows
// from a row is the same whether the answer holds these or not.
func usedOf(r query.Row, used []bool) values {
	if used == nil {
		return &row{r}
	}
	out := make(query.Row, len(r))
	for i, u := range used {
		if u {
			out[i] = r[i]
		}
	}
	return &row{out}
}

// joined is the row v, of so many columns, with what comes next.
func joined(v values, width int, s *query.Then, next later, ts int64) values {
	out := make(query.Row, len(s.Cols))
	for i := range width {
		out[i] = v.Value(i)
	}
	out[s.Gap] = float64(next.ts-ts) / 1e6
	for i, to := range s.Put {
		if to >= 0 {
			out[to] = next.r[i]
		}
	}
	return &row{out}
}
