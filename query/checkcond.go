package query

import (
	"net/netip"
	"strings"

	"github.com/weir-nta/weir"
)

// cond checks a condition. Its result is nil if something is wrong with it.
func (c *checker) cond(n cond) Pred {
	switch n := n.(type) {
	case *boolCond:
		return c.bool(n)
	case *notCond:
		c.negated = !c.negated
		p := c.cond(n.x)
		c.negated = !c.negated
		return not(n.Span, p)
	case *compareCond:
		return c.compare(n)
	case *quickCond:
		return c.quick(n)
	case *betweenCond:
		return c.either(n.x, n.Span, false, func(x Expr) Pred { return c.between(n, x) })
	case *matchCond:
		p := c.either(n.x, n.Span, false, func(x Expr) Pred {
			if x = c.textOf(x); x == nil {
				return nil
			}
			return &Match{n.Span, x, n.re, n.source, n.fold}
		})
		return notIf(n.not, n.Span, p)
	case *likeCond:
		return c.either(n.x, n.Span, false, func(x Expr) Pred {
			if x = c.textOf(x); x == nil {
				return nil
			}
			return &Like{n.Span, n.op, x, LowerASCII(n.text)}
		})
	case *inCond:
		return c.in(n)
	case *hasCond:
		p := c.either(n.field, n.Span, false, func(x Expr) Pred { return &Has{n.Span, x} })
		return notIf(n.missing, n.Span, p)
	case *predCond:
		return c.predicate(n)
	default:
		return c.search(n.(*searchCond))
	}
}

func not(at Span, p Pred) Pred {
	if p == nil {
		return nil
	}
	return &Not{at, p}
}

func notIf(neg bool, at Span, p Pred) Pred {
	if neg {
		return not(at, p)
	}
	return p
}

func (c *checker) bool(n *boolCond) Pred {
	var list []Pred
	for _, x := range n.list {
		if p := c.cond(x); p != nil {
			list = append(list, p)
		}
	}
	if len(list) < len(n.list) {
		return nil
	}
	if n.or {
		return &Or{n.Span, list}
	}
	return &And{n.Span, list}
}

// either calls make with the value of t or, if t is a two-sided name, with
// that of each side, and joins the results: by "and" if all is set, else by
// "or".
func (c *checker) either(t term, at Span, all bool, make func(Expr) Pred) Pred {
	var sides []string
	f, ok := t.(*fieldTerm)
	if ok {
		sides = c.scope.sides(f.name)
	}
	if sides == nil {
		x := c.expr(t)
		if x == nil {
			return nil
		}
		return make(x)
	}
	f.sided = true
	var list []Pred
	for _, side := range sides {
		before := len(c.diags)
		p := make(c.field(&fieldTerm{Span: f.Span, name: side}))
		if p == nil { // what is wrong with one side is with the other
			for i := before; i < len(c.diags); i++ {
				c.diags[i].Message = strings.Replace(c.diags[i].Message, "'"+side+"'", "'"+f.name+"'", 1)
			}
			break
		}
		list = append(list, p)
	}
	f.name = c.scope.canonical(f.name)
	switch {
	case len(list) < len(sides):
		return nil
	case len(list) == 1:
		return list[0]
	case all:
		return &And{at, list}
	}
	return &Or{at, list}
}

func (c *checker) compare(n *compareCond) Pred {
	x, y, op := n.x, n.y, n.op
	if _, ok := x.(*litTerm); ok { // 443 = dst.port
		if f := asField(y); f != nil {
			x, y, op = f, x, mirrored(op)
		}
	}
	return c.either(x, n.Span, op == NE, func(x Expr) Pred { return c.compareOne(n.Span, op, x, y) })
}

func asField(t term) term {
	switch t := t.(type) {
	case *wordTerm:
		return &fieldTerm{Span: t.Span, name: t.name}
	case *litTerm, *negTerm:
		return nil
	}
	return t
}

func mirrored(op Op) Op {
	return [...]Op{EQ: EQ, NE: NE, LT: GT, LE: GE, GT: LT, GE: LE}[op]
}

func (c *checker) compareOne(at Span, op Op, x Expr, t term) Pred {
	if l, ok := t.(*litTerm); ok {
		if p, ok := network(x, l); ok {
			return c.inNetwork(at, op, x, l, p)
		}
	}
	if f, ok := t.(*fieldTerm); ok { // of a count_if, or of a comparison turned round
		t = &wordTerm{f.Span, f.name}
	}
	if !c.isValue(x) {
		return nil
	}
	y := c.value(x, t)
	if y == nil {
		return nil
	}
	a, b := element(x), y.Column()
	if a.Type == weir.String && b.Type == weir.Addr { // a field of text with one of addresses
		x = toAddr(x)
		a = element(x)
	}
	if !c.canCompare(at, op, x, a, b) {
		return nil
	}
	return &Compare{at, op, x, y}
}

// isValue reports an x that cannot be compared with anything.
func (c *checker) isValue(x Expr) bool {
	switch of := x.Column(); {
	case of.Fields != nil:
		c.fail(x.At(), partsFix(of), "%s is a record: compare one of its parts", exprName(x))
		return false
	case of.Type == weir.JSON:
		c.fail(x.At(), "has "+of.Name, "%s is JSON and cannot be compared", exprName(x))
		return false
	}
	return true
}

func (c *checker) canCompare(at Span, op Op, x Expr, a, b Column) bool {
	switch {
	case op == EQ || op == NE:
		return true
	case a.Type == weir.Bool:
		c.fail(at, "= true", "true and false have no order")
		return false
	case (a.Enum == nil) != (b.Enum == nil):
		c.fail(at, "", "%s has an order of its own and cannot be compared with other text", exprName(x))
		return false
	}
	return true
}

// network returns the network that a literal compared with x stands for.
func network(x Expr, l *litTerm) (netip.Prefix, bool) {
	of := element(x)
	switch v := l.value.(type) {
	case netip.Prefix:
		return v, of.Type == weir.Addr || of.Type == weir.String && of.Enum == nil
	case string:
		if of.Type == weir.Addr && strings.Contains(v, "/") {
			p, err := netip.ParsePrefix(v)
			return p.Masked(), err == nil
		}
	}
	return netip.Prefix{}, false
}

func (c *checker) inNetwork(at Span, op Op, x Expr, l *litTerm, p netip.Prefix) Pred {
	if op != EQ && op != NE {
		c.fail(l.Span, "in "+p.String(), "a network is compared with = or !=")
		return nil
	}
	if x.Column().Type == weir.String {
		x = toAddr(x)
	}
	return notIf(op == NE, at, &In{Span: at, Xs: []Expr{x}, Prefixes: []netip.Prefix{p}})
}

// quick checks a short form, field:word.
func (c *checker) quick(n *quickCond) Pred {
	return c.either(n.field, n.Span, false, func(x Expr) Pred {
		switch {
		case n.any:
			return &Has{n.Span, x}
		case !n.star:
			return c.compareOne(n.Span, n.op, x, n.word)
		case n.op != EQ:
			c.fail(n.word.Span, "", "a pattern with '*' has no order")
			return nil
		}
		if x = c.textOf(x); x == nil {
			return nil
		}
		return &Like{n.Span, LikePattern, x, LowerASCII(starPattern(n.word.text))}
	})
}

// textOf makes x text, to be looked into.
func (c *checker) textOf(x Expr) Expr {
	if of := x.Column(); of.Fields != nil || of.Type == weir.JSON {
		c.fail(x.At(), partsFix(of), "cannot look for text in %s", typeName(of))
		return nil
	}
	return toText(x)
}

func (c *checker) between(n *betweenCond, x Expr) Pred {
	if !c.isValue(x) {
		return nil
	}
	lo, hi := c.value(x, n.lo), c.value(x, n.hi)
	if lo == nil || hi == nil {
		return nil
	}
	a := element(x)
	if !c.canCompare(n.Span, LE, x, a, lo.Column()) || !c.canCompare(n.Span, LE, x, a, hi.Column()) {
		return nil
	}
	return &Between{n.Span, x, lo, hi}
}

func (c *checker) in(n *inCond) Pred {
	var p Pred
	switch {
	case n.list != "" && len(n.xs) > 1:
		c.fail(n.Span, "src.ip in "+n.list, "a tuple can only be looked for in a query")
	case n.list != "":
		p = c.inList(n.xs[0], n.list, n.Span, n.listSpan)
	case n.sub != nil:
		c.guard(n)
		p = c.inQuery(n)
	case len(n.xs) > 1:
		c.fail(n.Span, "(src.ip, dst.ip) in (from dns | select src.ip, answer)", "a tuple can only be looked for in a query")
	default:
		p = c.either(n.xs[0], n.Span, false, func(x Expr) Pred { return c.inItems(n, x) })
	}
	return notIf(n.not, n.Span, p)
}

// inItems makes an In of the items, or two where x is text and networks are
// among them.
func (c *checker) inItems(n *inCond, x Expr) Pred {
	if !c.isValue(x) {
		return nil
	}
	of := x.Column()
	in := &In{Span: n.Span, Xs: []Expr{x}}
	bad := false
	for _, t := range n.items {
		l, isLit := t.(*litTerm)
		if isLit {
			if p, ok := network(x, l); ok {
				in.Prefixes = append(in.Prefixes, p)
				continue
			}
		}
		v, ok := c.item(x, t).(*Lit)
		if !ok {
			bad = true
			continue
		}
		in.Values = append(in.Values, v.Value)
	}
	if bad {
		return nil
	}
	if of.Type != weir.String || in.Prefixes == nil {
		return in
	}
	nets := &In{Span: n.Span, Xs: []Expr{toAddr(x)}, Prefixes: in.Prefixes}
	if in.Prefixes = nil; in.Values == nil {
		return nets
	}
	return &Or{n.Span, []Pred{in, nets}}
}

// item is one value of a set: a name in it is text even if a field is called so.
func (c *checker) item(x Expr, t term) Expr {
	if w, ok := t.(*wordTerm); ok {
		return c.text(x, w.Span, w.name)
	}
	y := c.value(x, t)
	if _, ok := y.(*Lit); y != nil && !ok {
		c.fail(t.At(), "", "a set holds values, not fields or arithmetic")
		return nil
	}
	return y
}

// inQuery makes the columns of a sub-query comparable with what is looked for.
func (c *checker) inQuery(n *inCond) Pred {
	in := &In{Span: n.Span}
	for _, t := range n.xs {
		x := c.expr(t)
		if x == nil {
			return nil
		}
		in.Xs = append(in.Xs, x)
	}
	before := len(c.diags)
	sub := c.query(n.sub, c.scope)
	if len(c.diags) > before {
		return nil
	}
	if len(sub.Columns) != len(in.Xs) {
		c.fail(n.sub.Span, "(from dns | select answer)", "the query gives %s, and %d are looked for", plural(len(sub.Columns), "column"), len(in.Xs))
		return nil
	}
	exprs, convert := make([]Expr, len(in.Xs)), false
	cols := append([]Column{}, sub.Columns...)
	for i, x := range in.Xs {
		col := &Col{n.sub.Span, i, sub.Columns[i]}
		exprs[i] = col
		a, b := element(x), element(col)
		switch {
		case a.Fields == nil && b.Fields == nil && a.Type != weir.JSON && (a.Type == b.Type || isNumber(a) && isNumber(b)):
		case a.Type == weir.Addr && b.Type == weir.String:
			exprs[i], convert = toAddr(col), true
			cols[i] = Column{Name: cols[i].Name, Type: weir.Addr, List: cols[i].List}
		case a.Type == weir.String && b.Type == weir.Addr:
			in.Xs[i] = toAddr(x)
		default:
			c.fail(n.Span, "", "cannot look for %s among %s", typeName(a), typeName(b))
			return nil
		}
	}
	if convert {
		sub.Stages = append(sub.Stages, &Select{n.sub.Span, exprs, cols})
		sub.Columns = cols
	}
	in.Sub = sub
	return in
}

func (c *checker) predicate(n *predCond) Pred {
	switch n.name {
	case "new", "known":
		return notIf(n.name == "new", n.Span, c.known(n))
	case "intel":
		return c.intel(n)
	}
	if len(n.args) != 1 {
		c.fail(n.Span, n.name+"(src.ip)", "%s takes one address", n.name)
		return nil
	}
	return c.either(n.args[0], n.Span, false, func(x Expr) Pred {
		switch of := x.Column(); {
		case of.Type == weir.String && of.Enum == nil && of.Fields == nil:
			x = toAddr(x)
		case of.Type != weir.Addr || of.Fields != nil:
			c.fail(x.At(), n.name+"(src.ip)", "%s takes an address, not %s", n.name, typeName(of))
			return nil
		}
		if n.name == "local" {
			return &Local{n.Span, x}
		}
		return &In{Span: n.Span, Xs: []Expr{x}, Prefixes: Private}
	})
}

// search looks for text in every column that holds some: strings and
// addresses, but not those that no store keeps.
func (c *checker) search(n *searchCond) Pred {
	s := c.scope
	var list []Pred
	for i, col := range s.cols {
		text := col.Fields == nil && (col.Type == weir.String || col.Type == weir.Addr)
		if !text || !s.stats && i < len(s.table.Columns) && s.table.Columns[i].Slow {
			continue
		}
		list = append(list, &Like{n.Span, Contains, toText(&Col{n.Span, i, col}), LowerASCII(n.text)})
	}
	switch {
	case len(list) == 1:
		return list[0]
	case list == nil:
		if !s.open {
			c.fail(n.Span, "", "no column here holds text")
		}
		return nil
	}
	return &Or{n.Span, list}
}
