package query

import (
	"reflect"
	"slices"
	"strings"

	"github.com/weir-nta/weir"
)

// odd warns of conditions that are always or never true, and of "!=" on a
// two-sided name joined by "or", which hardly means what it says.
func (c *checker) odd(p Pred, n cond) {
	if p == nil {
		return
	}
	c.oddSides(n, false)
	c.oddPred(p)
}

func (c *checker) oddSides(n cond, or bool) {
	switch n := n.(type) {
	case *boolCond:
		seen := map[string]bool{}
		for _, x := range n.list {
			c.oddSides(x, n.or)
			text := condText(x, 0)
			if seen[text] {
				c.warn(x.At(), "", "'%s' stands here twice", shortened(text))
			}
			seen[text] = true
		}
	case *inCond:
		f, ok := n.xs[0].(*fieldTerm)
		if or && n.not && ok && len(n.xs) == 1 && c.scope.sides(f.name) != nil {
			c.warn(n.Span, "not ("+f.name+" in (a, b) or ...)", "'%s not in' means neither side; joined by 'or' it is true of nearly everything", f.name)
		}
	case *notCond:
		c.oddSides(n.x, or)
	case *compareCond:
		f, ok := n.x.(*fieldTerm)
		if or && n.op == NE && ok && c.scope.sides(f.name) != nil {
			c.warn(n.Span, "not ("+f.name+" = a or "+f.name+" = b)", "'%s !=' means neither side; joined by 'or' it is true of nearly everything", f.name)
		}
	}
}

func (c *checker) oddPred(p Pred) {
	switch p := p.(type) {
	case *And:
		c.contradiction(p)
		for _, x := range p.List {
			c.oddPred(x)
		}
	case *Or:
		c.tautology(p)
		for _, x := range p.List {
			c.oddPred(x)
		}
	case *Not:
		c.oddPred(p.X)
	case *Compare:
		c.oddCompare(p)
	case *In:
		c.oddIn(p)
	case *Between:
		lo, ok1 := number(p.Lo)
		hi, ok2 := number(p.Hi)
		if ok1 && ok2 && lo > hi {
			c.never(p.Span, "the bounds are the wrong way round")
		}
	}
}

func (c *checker) never(at Span, why string) {
	c.warn(at, "", "this is never true: %s", why)
}

func (c *checker) always(at Span, why string) {
	c.warn(at, "", "this is always true: %s", why)
}

// oddCompare warns of a comparison with what the field cannot be.
func (c *checker) oddCompare(p *Compare) {
	if a, b := column(p.X), column(p.Y); a != nil && b != nil && a.Index == b.Index {
		c.warn(p.Span, "", "'%s' is compared with itself", a.Of.Name)
		return
	}
	col := column(p.X)
	n, ok := number(p.Y)
	if col == nil || !ok || c.scope.stats {
		return
	}
	if col.Of.Type != weir.Int && col.Of.Type != weir.Duration {
		return
	}
	if col.Of.Type == weir.Int && n != float64(int64(n)) && (p.Op == EQ || p.Op == NE) {
		c.neverOrAlways(p, p.Op == NE, "'"+col.Of.Name+"' is a whole number")
	}
	c.oddRange(p, n, 0, "'"+col.Of.Name+"' is never below 0")
	if strings.HasSuffix(col.Of.Name, ".port") {
		c.oddRange(p, n, 65535, "no port is above 65535")
	}
}

// oddIn warns of values of a set that the field cannot be.
func (c *checker) oddIn(p *In) {
	if p.Sub != nil || p.List != "" || c.scope.stats {
		return
	}
	col := column(p.Xs[0])
	if col == nil || !strings.HasSuffix(col.Of.Name, ".port") {
		return
	}
	for _, v := range p.Values {
		if n, ok := v.(int64); ok && (n < 0 || n > 65535) {
			c.warn(p.Span, "", "no port is %d", n)
		}
	}
}

// oddRange warns if the comparison with n is settled by the bound: 0 is a
// lower one, others are upper ones.
func (c *checker) oddRange(p *Compare, n, bound float64, why string) {
	outside, edge := n > bound, n == bound
	above, below := GT, LT // that no value fulfils beyond an upper bound, and all do
	aboveOrEqual, belowOrEqual := GE, LE
	if bound == 0 {
		outside = n < bound
		above, below, aboveOrEqual, belowOrEqual = LT, GT, LE, GE
	}
	switch {
	case outside && (p.Op == EQ || p.Op == above || p.Op == aboveOrEqual), edge && p.Op == above:
		c.never(p.Span, why)
	case outside && (p.Op == NE || p.Op == below || p.Op == belowOrEqual), edge && p.Op == belowOrEqual:
		c.always(p.Span, why)
	}
}

func (c *checker) neverOrAlways(p *Compare, always bool, why string) {
	if always {
		c.always(p.Span, why)
		return
	}
	c.never(p.Span, why)
}

// contradiction warns of two equations of one field, and of bounds that leave nothing.
func (c *checker) contradiction(p *And) {
	c.hasAndMissing(p.List, c.never)
	equal := map[int]any{}
	for _, x := range p.List { // the first equation of each field
		if cmp, ok := x.(*Compare); ok && cmp.Op == EQ {
			if col, lit := column(cmp.X), literalOf(cmp.Y); col != nil && lit != nil && !col.Of.List && equal[col.Index] == nil {
				equal[col.Index] = lit.Value
			}
		}
	}
	for _, x := range p.List {
		if in, ok := x.(*In); ok && in.Sub == nil && in.List == "" && in.Prefixes == nil {
			col := column(in.Xs[0])
			if col == nil || equal[col.Index] == nil {
				continue
			}
			value := equal[col.Index]
			if !slices.ContainsFunc(in.Values, func(v any) bool { return v == value || reflect.TypeOf(v) != reflect.TypeOf(value) }) {
				c.never(in.Span, "'"+col.Of.Name+"' has one value, and it is not in the set")
			}
		}
	}
	clear(equal)
	type bound struct {
		n      float64
		strict bool
	}
	lower, upper := map[int]bound{}, map[int]bound{}
	for _, x := range p.List {
		cmp, ok := x.(*Compare)
		if !ok {
			continue
		}
		col, lit := column(cmp.X), literalOf(cmp.Y)
		if col == nil || lit == nil || col.Of.List {
			continue
		}
		if cmp.Op == EQ {
			if have, ok := equal[col.Index]; ok && have != lit.Value {
				c.never(cmp.Span, "'"+col.Of.Name+"' has one value")
			}
			equal[col.Index] = lit.Value
		}
		n, ok := number(lit)
		if !ok {
			continue
		}
		if b, have := lower[col.Index]; cmp.Op == GT || cmp.Op == GE || cmp.Op == EQ {
			if !have || n > b.n {
				lower[col.Index] = bound{n, cmp.Op == GT}
			}
		}
		if b, have := upper[col.Index]; cmp.Op == LT || cmp.Op == LE || cmp.Op == EQ {
			if !have || n < b.n {
				upper[col.Index] = bound{n, cmp.Op == LT}
			}
		}
		lo, ok1 := lower[col.Index]
		hi, ok2 := upper[col.Index]
		_, both := equal[col.Index]
		if ok1 && ok2 && (lo.n > hi.n || lo.n == hi.n && (lo.strict || hi.strict)) && !(both && cmp.Op == EQ && lo.n == hi.n) {
			c.never(cmp.Span, "no '"+col.Of.Name+"' lies between the bounds")
		}
	}
}

// hasAndMissing tells of terms that say that a field is there and that it is not.
func (c *checker) hasAndMissing(list []Pred, tell func(Span, string)) {
	has, missing := map[int]bool{}, map[int]bool{}
	for _, x := range list {
		into := has
		if n, ok := x.(*Not); ok {
			x, into = n.X, missing
		}
		h, ok := x.(*Has)
		if !ok {
			continue
		}
		if col := column(h.X); col != nil {
			into[col.Index] = true
			if has[col.Index] && missing[col.Index] {
				tell(h.Span, "'"+col.Of.Name+"' is there or it is not")
			}
		}
	}
}

// tautology warns of "a != 1 or a != 2".
func (c *checker) tautology(p *Or) {
	c.hasAndMissing(p.List, c.always)
	unequal := map[int]any{}
	for _, x := range p.List {
		cmp, ok := x.(*Compare)
		if !ok || cmp.Op != NE {
			continue
		}
		col, lit := column(cmp.X), literalOf(cmp.Y)
		if col == nil || lit == nil || col.Of.List {
			continue
		}
		if have, ok := unequal[col.Index]; ok && have != lit.Value {
			c.always(cmp.Span, "'"+col.Of.Name+"' has one value; did you mean 'and'?")
		}
		unequal[col.Index] = lit.Value
	}
}

func column(e Expr) *Col {
	c, _ := e.(*Col)
	return c
}

func literalOf(e Expr) *Lit {
	l, _ := e.(*Lit)
	return l
}

func number(e Expr) (float64, bool) {
	l := literalOf(e)
	if l == nil {
		return 0, false
	}
	switch v := l.Value.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}
