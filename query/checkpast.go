package query

import (
	"slices"
	"strings"
	"time"

	"github.com/weir-nta/weir"
)

// What the language knows of the records of other times and tables: new, known,
// first_seen, prevalence, usual, then, and the lists. All but the lists become
// queries of their own in the tree, which a store answers as any.

// DefaultOver is how far new and known look back where they do not say.
const DefaultOver = 30 * 24 * time.Hour

// maxKeys bounds the fields of new, known and first_seen.
const maxKeys = 16

// keys resolves the fields whose values new, known, first_seen and prevalence
// compare with those of other records: xs in the row, cols in the table.
func (c *checker) keys(at Span, name string, args []term) (xs, cols []Expr, ok bool) {
	usage := name + "(src.ip, dst.ip)"
	if len(args) == 0 || len(args) > maxKeys {
		c.fail(at, usage, "%s takes 1 to %d fields", name, maxKeys)
		return nil, nil, false
	}
	ok = true
	for _, a := range args {
		f, is := a.(*fieldTerm)
		if !is {
			c.fail(a.At(), usage, "%s takes fields of the table", name)
			ok = false
			continue
		}
		x := c.field(f)
		if x == nil {
			ok = false
			continue
		}
		of := x.Column()
		i := c.scope.table.Column(f.name)
		if i < 0 || c.scope.table.Columns[i].Type != of.Type || c.scope.table.Columns[i].List != of.List {
			c.fail(f.Span, "", "%s looks at earlier records of '%s', which have no such field '%s'", name, c.scope.table.Name, f.name)
			ok = false
			continue
		}
		if of.Type == weir.JSON {
			c.needOrdered(x, "compare")
			ok = false
			continue
		}
		xs, cols = append(xs, x), append(cols, &Col{f.Span, i, tableColumns(c.scope.table)[i]})
	}
	return xs, cols, ok
}

// grouped is the query that groups the records of the table by cols.
func (c *checker) grouped(at Span, filter Pred, cols []Expr, aggs ...Agg) *Query {
	st := &Stats{Span: at, By: cols, Aggs: aggs}
	for _, e := range cols {
		st.Cols = append(st.Cols, e.Column())
	}
	for _, a := range aggs {
		st.Cols = append(st.Cols, a.Of)
	}
	return &Query{Table: c.scope.table, Filter: filter, Stages: []Stage{st}, Columns: st.Cols}
}

// known checks the arguments of new and known: fields, and how far to look back.
func (c *checker) known(n *predCond) Pred {
	args, over := n.args, DefaultOver
	if len(args) > 0 {
		if l, ok := args[len(args)-1].(*litTerm); ok && l.kind == tDuration {
			over = time.Duration(l.value.(float64) * float64(time.Second))
			args = args[:len(args)-1]
			if over <= 0 {
				c.fail(l.Span, "30d", "%s looks back over nothing", n.name)
				return nil
			}
		}
	}
	xs, cols, ok := c.keys(n.Span, n.name, args)
	if !ok {
		return nil
	}
	return &Known{n.Span, xs, over, c.grouped(n.Span, nil, cols), condText(n, 0)}
}

// tableField is a column of the records of the table, nil if there is none.
func (c *checker) tableField(at Span, name string) Expr {
	i := c.scope.table.Column(name)
	if i < 0 {
		return nil
	}
	return &Col{at, i, tableColumns(c.scope.table)[i]}
}

func (c *checker) firstSeen(t *callTerm) Expr {
	xs, cols, ok := c.keys(t.Span, t.name, t.args)
	if !ok {
		return nil
	}
	of := Column{Type: weir.Time}
	q := c.grouped(t.Span, nil, cols, Agg{Span: t.Span, Func: Min, X: c.tableField(t.Span, "ts"), Of: of})
	return &Past{t.Span, FirstSeen, xs, q, len(xs), termText(t, 0), of}
}

func (c *checker) prevalence(t *callTerm) Expr {
	if len(t.args) != 1 {
		c.fail(t.Span, "prevalence(tls.ja4)", "prevalence takes one field")
		return nil
	}
	xs, cols, ok := c.keys(t.Span, t.name, t.args)
	if !ok {
		return nil
	}
	host := c.tableField(t.Span, "src.ip")
	switch {
	case host == nil:
		c.fail(t.Span, "", "prevalence counts hosts by src.ip, which '%s' has not", c.scope.table.Name)
		return nil
	case xs[0].Column().List:
		c.fail(t.args[0].At(), "", "prevalence takes a single value, not a list")
		return nil
	}
	local := &And{t.Span, []Pred{&Local{t.Span, host}, &Has{t.Span, cols[0]}}}
	of := Column{Type: weir.Int}
	q := c.grouped(t.Span, local, cols, Agg{Span: t.Span, Func: DCount, X: host, Of: of})
	return &Past{t.Span, Prevalence, xs, q, 1, termText(t, 0), of}
}

// usual looks back at the last stats before it: at the query up to there.
func (c *checker) usual(t *callTerm) Expr {
	const usage = "stats n = count() by src.ip | where n > 5 * usual(n)"
	s := c.scope
	if len(t.args) != 1 {
		c.fail(t.Span, usage, "usual takes the name of one aggregate")
		return nil
	}
	f, ok := t.args[0].(*fieldTerm)
	if !ok {
		c.fail(t.args[0].At(), usage, "usual takes the name of an aggregate")
		return nil
	}
	switch {
	case s.open:
		return nil
	case s.summed == nil:
		c.fail(t.Span, usage, "usual looks back at a stats, and there is none before it")
		return nil
	case s.summed.usuals != s.usuals:
		c.fail(t.Span, "", "usual cannot look back at a stats that comes after another usual")
		return nil
	}
	of := s.summed
	i := slices.IndexFunc(of.cols[of.by:], func(col Column) bool { return col.Name == f.name })
	if i < 0 || !isNumber(of.cols[of.by+i]) {
		c.fail(f.Span, "usual of one of: "+strings.Join(listNames(of.cols[of.by:]), " "), "'%s' is no number that the stats before has made", f.name)
		return nil
	}
	past := &Past{Span: t.Span, Func: Usual, Value: of.by + i, Text: termText(t, 0), Of: of.cols[of.by+i]}
	past.Of.Name = ""
	for _, col := range of.cols[:of.by] {
		at := s.index(col.Name)
		if at < 0 || s.cols[at].Type != col.Type || s.cols[at].List != col.List {
			c.fail(t.Span, "keep '"+col.Name+"'", "usual compares by '%s', which a stage before dropped", col.Name)
			return nil
		}
		past.Xs = append(past.Xs, &Col{t.Span, at, s.cols[at]})
	}
	past.Query = &Query{Table: s.query.Table, Filter: s.query.Filter, Stages: s.query.Stages[:of.stages:of.stages], Columns: of.cols}
	c.usuals++
	return past
}

// then joins each row with the next one of another query.
func (c *checker) then(st *stageSyntax) []Stage {
	left := c.scope
	ts := c.time(st.Span, "then")
	by, _ := c.fields(st.by, "match by")
	before := len(c.diags)
	sub := c.query(st.sub, left)
	if ts == nil || len(by) < len(st.by) || len(c.diags) > before {
		left.open = true
		return nil
	}
	out := &Then{Span: st.Span, Sub: sub, By: by, TS: ts, Within: time.Duration(st.step.value.(float64) * float64(time.Second))}
	right := &scope{table: sub.Table, cols: sub.Columns}
	out.SubTS = right.index("ts")
	if out.SubTS < 0 || sub.Columns[out.SubTS].Type != weir.Time {
		c.fail(st.sub.Span, "add  ts = min(ts)  to its stats", "the query of 'then' needs a time column, and a stage of it dropped it")
		left.open = true
		return nil
	}
	for i, f := range st.by {
		at := right.index(right.canonical(f.name))
		switch {
		case at < 0:
			c.fail(f.Span, "its columns are "+strings.Join(listNames(right.cols), ", "), "the query of 'then' has no column '%s'", f.name)
		case right.cols[at].Type != by[i].Column().Type || right.cols[at].List != by[i].Column().List:
			c.fail(f.Span, "", "'%s' is %s here and %s in the query of 'then'", f.name, typeName(by[i].Column()), typeName(right.cols[at]))
		default:
			out.SubBy = append(out.SubBy, at)
		}
	}
	out.columns(left.cols)
	left.cols = out.Cols
	if len(out.SubBy) < len(st.by) {
		return nil
	}
	return []Stage{out}
}

// columns sets the columns that leave the stage, and where each comes to.
func (s *Then) columns(left []Column) {
	s.Cols = slices.Clone(left)
	put := func(col Column) int {
		i := slices.IndexFunc(s.Cols, func(have Column) bool { return have.Name == col.Name })
		if i < 0 {
			s.Cols = append(s.Cols, col)
			return len(s.Cols) - 1
		}
		s.Cols[i] = col
		return i
	}
	s.Gap = put(Column{Name: "gap", Type: weir.Duration})
	for i, col := range s.Sub.Columns {
		if i == s.SubTS {
			s.Put = append(s.Put, -1)
			continue
		}
		col.Name = "then." + col.Name
		s.Put = append(s.Put, put(col))
	}
}

// lookup adds the name of the list, and whether the field is in it.
func (c *checker) lookup(st *stageSyntax) []Stage {
	f := st.fields[0]
	in := c.inList(f, st.list, st.Span, st.at)
	cols := slices.Clone(c.scope.cols)
	out := &Extend{Span: st.Span}
	set := func(name string, x Expr) {
		col := x.Column()
		col.Name = name
		i := slices.IndexFunc(cols, func(have Column) bool { return have.Name == name })
		if i < 0 {
			i = len(cols)
			cols = append(cols, col)
		}
		cols[i] = col
		out.Set = append(out.Set, Assign{i, x})
	}
	set("list", &Lit{st.at, st.list, Column{Type: weir.String}})
	boolean := Column{Type: weir.Bool}
	set("listed", &If{st.Span, in, &Lit{st.Span, true, boolean}, &Lit{st.Span, false, boolean}, boolean})
	out.Cols, c.scope.cols = cols, cols
	if in == nil {
		return nil
	}
	return []Stage{out}
}

// inList says whether t is in the list called name.
func (c *checker) inList(t term, name string, at, nameAt Span) Pred {
	if err := checkListName(name); err != nil {
		c.fail(nameAt, "@list:NAME   @intel   @intel:SOURCE   @sensors:TABLE", "%v", err)
		return nil
	}
	table, sensors := strings.CutPrefix(name, "@sensors:")
	if !sensors {
		c.lists = append(c.lists, ListName{nameAt, name})
	}
	return c.either(t, at, false, func(x Expr) Pred {
		of := x.Column()
		switch {
		case !c.isValue(x):
			return nil
		case sensors:
			return c.inSensors(x, at, weir.TableByName(table))
		case of.Type == weir.Bool || of.Type == weir.Time:
			c.fail(x.At(), "", "a list holds addresses, networks, text and numbers, and %s is %s", exprName(x), typeName(of))
			return nil
		}
		return &In{Span: at, Xs: []Expr{x}, List: name}
	})
}

// inSensors says whether x is a sensor that has records of a table in the window.
func (c *checker) inSensors(x Expr, at Span, table *weir.Table) Pred {
	i := table.Column("sensor")
	switch {
	case i < 0:
		c.fail(at, "", "records of '%s' have no sensor", table.Name)
		return nil
	case x.Column().Type != weir.String || x.Column().Enum != nil:
		c.fail(x.At(), "sensor in @sensors:"+table.Name, "%s is no name of a sensor", exprName(x))
		return nil
	}
	col := tableColumns(table)[i]
	st := &Stats{Span: at, By: []Expr{&Col{at, i, col}}, Cols: []Column{col}}
	return &In{Span: at, Xs: []Expr{x}, Sub: &Query{Table: table, Stages: []Stage{st}, Columns: st.Cols}}
}

// intel says whether any of its fields is in @intel.
func (c *checker) intel(n *predCond) Pred {
	if len(n.args) == 0 {
		c.fail(n.Span, "intel(src.ip, dst.ip)", "intel takes fields")
		return nil
	}
	var list []Pred
	for _, a := range n.args {
		if _, ok := a.(*fieldTerm); !ok {
			c.fail(a.At(), "intel(src.ip, dst.ip)", "intel takes fields")
			continue
		}
		if p := c.inList(a, "@intel", n.Span, n.Span); p != nil {
			list = append(list, p)
		}
	}
	switch {
	case len(list) < len(n.args):
		return nil
	case len(list) == 1:
		return list[0]
	}
	return &Or{n.Span, list}
}

// guards returns the tables T of which all of the query says "sensor in
// @sensors:T": in its filter or in a where.
func guards(s *syntax) map[string]bool {
	out := map[string]bool{}
	var walk func(c cond)
	walk = func(c cond) {
		switch c := c.(type) {
		case *boolCond:
			if !c.or {
				for _, x := range c.list {
					walk(x)
				}
			}
		case *inCond:
			if table, ok := strings.CutPrefix(c.list, "@sensors:"); ok && !c.not {
				out[table] = true
			}
		}
	}
	if s.filter != nil {
		walk(s.filter)
	}
	for _, st := range s.stages {
		if st.name == "where" && st.cond != nil {
			walk(st.cond)
		}
	}
	return out
}

// guard warns of "not in (from dns …)" over the records of sensors that may
// see no DNS at all: of these it is always true.
func (c *checker) guard(n *inCond) {
	table := n.sub.table.text
	if t := tableAliases[table]; t != "" {
		table = t
	}
	if n.not == c.negated || table == "" || table == c.scope.table.Name || c.scope.guarded[table] || c.scope.table.Column("sensor") < 0 {
		return
	}
	if t := weir.TableByName(table); t == nil || t.Column("sensor") < 0 {
		return
	}
	c.warn(n.Span, "sensor in @sensors:"+table+" and ...", "this is true of all that a sensor without %s tells: ask only those that have it", table)
}
