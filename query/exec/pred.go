package exec

import (
	"net/netip"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/query"
)

func (c *compiler) pred(p query.Pred) func(values) bool {
	switch p := p.(type) {
	case *query.And:
		list := c.preds(p.List)
		return func(v values) bool {
			for _, f := range list {
				if !f(v) {
					return false
				}
			}
			return true
		}
	case *query.Or:
		list := c.preds(p.List)
		return func(v values) bool {
			for _, f := range list {
				if f(v) {
					return true
				}
			}
			return false
		}
	case *query.Not:
		f := c.pred(p.X)
		return func(v values) bool { return !f(v) }
	case *query.Compare:
		return c.compare(p)
	case *query.Between:
		return c.between(p)
	case *query.Match:
		return any1(c.expr(p.X), func(a any) bool { return p.Re.MatchString(a.(string)) })
	case *query.Like:
		match := like(p.Op, p.Pattern)
		return any1(c.expr(p.X), func(a any) bool { return match(a.(string)) })
	case *query.In:
		return c.in(p)
	case *query.Known:
		return c.known(p)
	case *query.Has:
		x := c.expr(p.X)
		return func(v values) bool {
			a := x(v)
			return a != nil && a != ""
		}
	default:
		local := c.env.Local
		return any1(c.expr(p.(*query.Local).X), func(a any) bool { return inNetworks(local, a.(netip.Addr)) })
	}
}

func (c *compiler) preds(list []query.Pred) []func(values) bool {
	out := make([]func(values) bool, len(list))
	for i, p := range list {
		out[i] = c.pred(p)
	}
	return out
}

// any1 returns a condition that is true if test is of x or, if x is a list, of
// any element. Test is not called with nil.
func any1(x func(values) any, test func(any) bool) func(values) bool {
	return func(v values) bool {
		a := x(v)
		if list, ok := a.([]any); ok {
			for _, e := range list {
				if test(e) {
					return true
				}
			}
			return false
		}
		return a != nil && test(a)
	}
}

// comparison returns the order of what x and y are compared in: ranks, if
// both are of one enumeration.
func comparison(x, y query.Expr) func(a, b any) int {
	of := x.Column()
	of.List = false
	if y.Column().Enum == nil {
		of.Enum = nil
	}
	return ordering(of)
}

func (c *compiler) compare(p *query.Compare) func(values) bool {
	x, y := c.expr(p.X), c.expr(p.Y)
	order := comparison(p.X, p.Y)
	if p.Op == query.EQ || p.Op == query.NE {
		order = compare // equal ranks are equal texts
	}
	if p.Op == query.NE {
		return func(v values) bool { return differ(x(v), y(v)) }
	}
	op := p.Op
	return func(v values) bool {
		a, b := x(v), y(v)
		if a == nil || b == nil {
			return false
		}
		if list, ok := a.([]any); ok {
			for _, e := range list {
				if holds(op, order(e, b)) {
					return true
				}
			}
			return false
		}
		return holds(op, order(a, b))
	}
}

// differ is "!=": of a list, that no element is equal.
func differ(a, b any) bool {
	if a == nil || b == nil {
		return a != nil || b != nil
	}
	if list, ok := a.([]any); ok {
		for _, e := range list {
			if compare(e, b) == 0 {
				return false
			}
		}
		return true
	}
	return compare(a, b) != 0
}

func holds(op query.Op, order int) bool {
	switch op {
	case query.EQ:
		return order == 0
	case query.LT:
		return order < 0
	case query.LE:
		return order <= 0
	case query.GT:
		return order > 0
	default:
		return order >= 0
	}
}

func (c *compiler) between(p *query.Between) func(values) bool {
	x, lo, hi := c.expr(p.X), c.expr(p.Lo), c.expr(p.Hi)
	order := comparison(p.X, p.Lo)
	return func(v values) bool {
		a, l, h := x(v), lo(v), hi(v)
		if a == nil || l == nil || h == nil {
			return false
		}
		within := func(a any) bool { return order(a, l) >= 0 && order(a, h) <= 0 }
		if list, ok := a.([]any); ok {
			for _, e := range list {
				if within(e) {
					return true
				}
			}
			return false
		}
		return within(a)
	}
}

func inNetworks(networks []netip.Prefix, a netip.Addr) bool {
	for _, n := range networks {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

func (c *compiler) in(p *query.In) func(values) bool {
	switch {
	case p.Sub != nil:
		return c.inSub(p)
	case p.List != "":
		return c.inList(p)
	}
	set := make(map[any]bool, len(p.Values))
	float := false
	for _, a := range p.Values {
		_, is := a.(float64)
		float = float || is
		set[setKey(a, false)] = true
	}
	if float {
		for _, a := range p.Values {
			set[setKey(a, true)] = true
		}
	}
	nets := p.Prefixes
	return any1(c.expr(p.Xs[0]), func(a any) bool {
		if set[setKey(a, float)] {
			return true
		}
		addr, ok := a.(netip.Addr)
		return ok && inNetworks(nets, addr)
	})
}

// setKey returns a value as a key of a map in which equal values are equal:
// times as microseconds, integers as floats if they are among such.
func setKey(v any, float bool) any {
	switch v := v.(type) {
	case time.Time:
		return v.UnixMicro()
	case int64:
		if float {
			return float64(v)
		}
	}
	return v
}

// inSub asks the sub-query at once and holds its answer as a set.
func (c *compiler) inSub(p *query.In) func(values) bool {
	float := make([]bool, len(p.Xs))
	for i, x := range p.Xs {
		float[i] = x.Column().Type != weir.Int || p.Sub.Columns[i].Type != weir.Int
	}
	set := map[string]bool{}
	from, to := p.Sub.Window(c.env.From, c.env.To, c.env.Now)
	c.ask(Question{Query: p.Sub, From: from, To: to, Now: c.env.Now}, func(r query.Row) error {
		combinations(r, float, nil, func(key []byte) bool {
			set[string(key)] = true
			return len(set) > MaxHeld
		})
		return tooMany(len(set))
	})
	xs := c.exprs(p.Xs)
	return func(v values) bool {
		return combinations(evaluate(xs, v), float, nil, func(key []byte) bool { return set[string(key)] })
	}
}

// tooMany is ErrTooLarge if n is more than may be held.
func tooMany(n int) error {
	if n > MaxHeld {
		return ErrTooLarge
	}
	return nil
}

func (c *compiler) inList(p *query.In) func(values) bool {
	if c.env.Set == nil {
		c.err = errAlone
		return nil
	}
	of := p.Xs[0].Column()
	of.List = false
	set := c.env.Set(p.List, of)
	return any1(c.expr(p.Xs[0]), set.Has)
}

// combinations calls found with the key of each combination of the elements
// of lists in r, until that returns true, and says whether it did. A missing
// value leaves no combination.
func combinations(r query.Row, float []bool, key []byte, found func([]byte) bool) bool {
	if len(r) == 0 {
		return found(key)
	}
	if r[0] == nil {
		return false
	}
	list, ok := r[0].([]any)
	if !ok {
		list = []any{r[0]}
	}
	for _, e := range list {
		if combinations(r[1:], float[1:], appendKey(key, setKey(e, float[0])), found) {
			return true
		}
	}
	return false
}
