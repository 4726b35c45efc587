package query

import (
	"slices"
	"strings"

	"github.com/weir-nta/weir"
)

var aggregates = strings.Fields("count count_if dcount sum min max avg median p95 pct stdev values any first last period")

// stats makes a Stats of aggregates and, if expressions of aggregates are
// among the items, a Select that computes them. A timechart is a stats by the
// time cut to a step, sorted by it.
func (c *checker) stats(st *stageSyntax) []Stage {
	out := &Stats{Span: st.Span}
	stepped := st.name != "timechart" || c.step(st, out)
	by, cols := c.fields(st.by, "group by")
	out.By, out.Cols = append(out.By, by...), append(out.Cols, cols...)
	a := aggregator{checker: c, out: out, groups: len(out.By)}
	names := slices.Clone(out.Cols)
	var results []Expr
	plain, ok := true, stepped && len(by) == len(st.by)
	for _, it := range st.items {
		e := a.expr(it.x)
		if e == nil {
			ok = false
			continue
		}
		col := e.Column()
		if col.Name = it.name; col.Name == "" {
			col.Name = defaultName(it.x)
		}
		if slices.ContainsFunc(names, func(n Column) bool { return n.Name == col.Name }) {
			c.fail(it.x.At(), "name = "+termText(it.x, 0), "two columns are called '%s'", col.Name)
		}
		names = append(names, col)
		results = append(results, e)
		if at, is := e.(*Col); !is || at.Index != a.groups+len(results)-1 {
			plain = false
		}
	}
	c.scope.stats, c.scope.left = true, st.name
	if !ok {
		c.scope.cols, c.scope.open = names, true
		return nil
	}
	stages := []Stage{out}
	if plain {
		for i := range out.Aggs {
			out.Aggs[i].Of = names[a.groups+i]
		}
		out.Cols = names
	} else {
		stages = append(stages, computed(st, out, results, names))
	}
	if st.name == "timechart" {
		stages = append(stages, &Sort{st.Span, []SortKey{{X: &Col{st.Span, 0, names[0]}}}, names})
	}
	return stages
}

// computed selects the groups and what was computed of the aggregates.
func computed(st *stageSyntax, out *Stats, results []Expr, names []Column) Stage {
	sel := &Select{Span: st.Span, Cols: names}
	for i, col := range out.Cols[:len(out.By)] {
		sel.Exprs = append(sel.Exprs, &Col{st.Span, i, col})
	}
	sel.Exprs = append(sel.Exprs, results...)
	return sel
}

func defaultName(t term) string {
	if f, ok := t.(*callTerm); ok && f.name == "count" {
		return "count"
	}
	return termText(t, 0)
}

// step adds the bucket of ts as the first group.
func (c *checker) step(st *stageSyntax, out *Stats) bool {
	ts := c.time(st.Span, "timechart")
	if ts == nil {
		return false
	}
	step := c.lit(st.step)
	if v, ok := st.step.value.(float64); !ok || v < 1e-6 {
		c.fail(st.step.Span, "timechart 5m n = count()", "timechart needs a step of a microsecond or more")
		return false
	}
	out.By = append(out.By, &Call{st.step.Span, Bucket, []Expr{ts, step}, Column{Type: weir.Time}})
	out.Cols = append(out.Cols, Column{Name: "t", Type: weir.Time})
	return true
}

// time returns the column ts, which what needs.
func (c *checker) time(at Span, what string) Expr {
	i := c.scope.index("ts")
	if i >= 0 && c.scope.cols[i].Type == weir.Time {
		return &Col{at, i, c.scope.cols[i]}
	}
	if !c.scope.open {
		fix := "add  ts = max(ts)  to the stats before it"
		if c.scope.left == "select" {
			fix = "add  ts  to the select before it"
		}
		c.fail(at, fix, "'%s' needs a time column, and %s dropped it", what, c.scope.left)
	}
	return nil
}

// An aggregator collects the aggregates in the items of a stats.
type aggregator struct {
	*checker
	out    *Stats
	groups int
}

// expr checks a term in which aggregates take the place of fields.
func (a *aggregator) expr(t term) Expr {
	switch t := t.(type) {
	case *callTerm:
		if slices.Contains(aggregates, t.name) {
			return a.aggregate(t)
		}
		a.fail(t.Span, "stats x = sum(bytes)", "'%s' is no aggregate; they are %s", t.name, strings.Join(aggregates, " "))
		return nil
	case *litTerm:
		return a.lit(t)
	case *arithTerm:
		x, y := a.expr(t.x), a.expr(t.y)
		return a.arith(t.Span, t.op, x, y)
	case *negTerm:
		return a.negate(t.Span, a.expr(t.x))
	case *fieldTerm:
		a.fail(t.Span, "sum("+t.name+")   or   any("+t.name+")", "'%s' stands outside an aggregate", t.name)
	}
	return nil
}

// aggregate adds an aggregate to the Stats and returns the column it makes.
func (a *aggregator) aggregate(t *callTerm) Expr {
	agg, ok := a.checker.aggregate(t)
	if !ok {
		return nil
	}
	a.out.Aggs = append(a.out.Aggs, agg)
	col := agg.Of
	col.Name = "#" + termText(t, 0)
	a.out.Cols = append(a.out.Cols, col)
	return &Col{t.Span, len(a.out.Cols) - 1, agg.Of}
}

func (c *checker) aggregate(t *callTerm) (Agg, bool) {
	agg := Agg{Span: t.Span, Func: AggFunc(t.name), Of: Column{Type: weir.Int}}
	switch t.name {
	case "count":
		return agg, c.arity(t, 0)
	case "count_if":
		agg.Cond = c.countIf(t)
		return agg, agg.Cond != nil
	case "pct":
		if !c.arity(t, 2) || !c.percent(t, &agg) {
			return agg, false
		}
	case "p95":
		agg.Func, agg.Percent = Pct, 95
		if !c.arity(t, 1) {
			return agg, false
		}
	default:
		if !c.arity(t, 1) {
			return agg, false
		}
	}
	agg.X = c.expr(t.args[0])
	if agg.X == nil {
		return agg, false
	}
	return agg, c.aggregateOf(t, &agg)
}

// aggregateOf checks the type of X and says that of the result.
func (c *checker) aggregateOf(t *callTerm, agg *Agg) bool {
	x := agg.X.Column()
	x.Name = ""
	if x.Fields != nil || x.Type == weir.JSON {
		c.needOrdered(agg.X, "take "+t.name+" of")
		return false
	}
	number := !x.List && (x.Type == weir.Int || x.Type == weir.Float || x.Type == weir.Duration)
	ok := true
	switch t.name {
	case "dcount":
	case "values":
		agg.Of = Column{Type: weir.String, List: true}
	case "sum":
		agg.Of, ok = x, number
	case "avg", "median", "stdev":
		agg.Of, ok = x, number
		if x.Type == weir.Int {
			agg.Of.Type = weir.Float
		}
	case "min", "max", "pct", "p95":
		agg.Of, ok = x, !x.List
	case "period":
		agg.Of, ok = Column{Fields: PeriodFields}, x.Type == weir.Time && !x.List
	default: // any, first, last
		agg.Of = x
		ok = c.firstOf(t, agg)
		if !ok {
			return false
		}
	}
	if !ok {
		c.fail(t.args[0].At(), "", "%s takes %s, not %s", t.name, map[bool]string{true: "times, such as ts", false: "one number"}[t.name == "period"], typeName(x))
	}
	return ok
}

// firstOf gives first, last and any their time. Where rows have none any more,
// any is min.
func (c *checker) firstOf(t *callTerm, agg *Agg) bool {
	if t.name == "any" && c.scope.index("ts") < 0 {
		agg.Func = Min
		return true
	}
	if t.name == "any" {
		agg.Func = First
	}
	agg.TS = c.time(t.Span, t.name)
	return agg.TS != nil
}

func (c *checker) countIf(t *callTerm) Pred {
	if t.cond != nil {
		if len(t.args) > 0 {
			c.fail(t.args[0].At(), "count_if(condition)   or   count_if(field, value)", "count_if has too many arguments")
			return nil
		}
		return c.cond(t.cond)
	}
	return c.cond(&compareCond{t.Span, EQ, t.args[0], t.args[1]})
}

func (c *checker) percent(t *callTerm, agg *Agg) bool {
	lit, ok := t.args[1].(*litTerm)
	if ok {
		switch v := lit.value.(type) {
		case int64:
			agg.Percent = float64(v)
		case float64:
			agg.Percent = v
			if lit.kind == tPercent {
				agg.Percent = v * 100
			}
		}
		ok = (lit.kind == tNumber || lit.kind == tPercent) && agg.Percent >= 0 && agg.Percent <= 100
	}
	if !ok {
		c.fail(t.args[1].At(), "pct(dur, 99)", "pct takes a field and a number from 0 to 100")
	}
	return ok
}

func (c *checker) arity(t *callTerm, n int) bool {
	if len(t.args) == n && t.cond == nil {
		return true
	}
	fix := ""
	if n == 1 {
		fix = t.name + "(field)"
	}
	c.fail(t.Span, fix, "%s takes %s, not %d", t.name, plural(n, "argument"), len(t.args))
	return false
}

func typeName(c Column) string {
	switch {
	case c.Fields != nil:
		return "a record"
	case c.List:
		return "a list"
	}
	return map[weir.Type]string{
		weir.String: "text", weir.Int: "a number", weir.Float: "a number", weir.Bool: "true or false",
		weir.Addr: "an address", weir.Time: "a time", weir.Duration: "a duration", weir.JSON: "JSON",
	}[c.Type]
}
