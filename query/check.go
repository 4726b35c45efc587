package query

import (
	"slices"
	"strings"
	"time"

	"github.com/weir-nta/weir"
)

// A checker makes the checked tree of the syntax tree. It reports what is
// wrong and goes on; its methods return nil for what they could not make, and
// quietly so if they were given nil.
type checker struct {
	diags    []Diagnostic
	warnings []Diagnostic
	scope    *scope
	lists    []ListName
	usuals   int  // calls of usual so far
	negated  bool // an odd number of nots around what is being checked
}

func (c *checker) fail(at Span, fix string, format string, args ...any) {
	c.diags = append(c.diags, diagnostic(at, fix, format, args...))
}

func (c *checker) warn(at Span, fix string, format string, args ...any) {
	if len(c.warnings) < maxDiagnostics {
		c.warnings = append(c.warnings, diagnostic(at, fix, format, args...))
	}
}

// query checks a query; outer is the scope around a sub-query.
func (c *checker) query(s *syntax, outer *scope) *Query {
	q := &Query{Since: s.since, Until: s.until, syntax: s}
	q.Table = c.table(s)
	c.window(s)
	sc := &scope{table: q.Table, open: s.broken || q.Table == nil}
	if q.Table == nil {
		sc.table = weir.FlowTable
	}
	sc.cols = tableColumns(sc.table)
	sc.query, sc.guarded, sc.usuals = q, guards(s), c.usuals
	negated := c.negated
	c.scope, c.negated = sc, false
	defer func() { c.scope, c.negated = outer, negated }()

	if s.filter != nil {
		q.Filter = c.cond(s.filter)
		c.odd(q.Filter, s.filter)
	}
	for _, st := range s.stages {
		if st.name == "" {
			sc.open = true
			continue
		}
		q.Stages = append(q.Stages, c.stage(st)...)
		if n := len(q.Stages); n > 0 && !sc.open {
			sc.cols = q.Stages[n-1].Columns()
		}
		if st.name == "stats" && !sc.open {
			sc.summed = &summed{stages: len(q.Stages), by: len(st.by), cols: sc.cols, usuals: c.usuals}
		} else if st.name == "timechart" {
			sc.summed = nil
		}
	}
	q.Columns = sc.cols
	q.Render = c.render(s)
	return q
}

func (c *checker) table(s *syntax) *weir.Table {
	name := s.table.text
	if name == "" {
		return weir.FlowTable
	}
	if t := weir.TableByName(name); t != nil {
		return t
	}
	if fix, ok := laterTables[name]; ok {
		c.fail(s.table.Span, fix, "table '%s' is not in this version yet", name)
		return nil
	}
	if t := weir.TableByName(tableAliases[name]); t != nil {
		s.table.text = t.Name
		return t
	}
	names := make([]string, len(weir.Tables))
	for i, t := range weir.Tables {
		names[i] = t.Name
	}
	fix := "tables: " + strings.Join(names, " ")
	if near := closest(name, names); near != "" {
		fix = "did you mean " + near + "?"
	}
	c.fail(s.table.Span, fix, "no table '%s'", name)
	return nil
}

func (c *checker) window(s *syntax) {
	if s.since == nil || s.until == nil {
		return
	}
	a, b := s.since, s.until
	if a.At.IsZero() == b.At.IsZero() && !a.time(time.Unix(0, 0)).Before(b.time(time.Unix(0, 0))) {
		c.fail(b.Span, "", "the window ends before it begins")
	}
}

func (c *checker) stage(st *stageSyntax) []Stage {
	s := c.scope
	switch st.name {
	case "where":
		p := c.cond(st.cond)
		c.odd(p, st.cond)
		return []Stage{&Where{st.Span, p, s.cols}}
	case "stats", "timechart":
		return c.stats(st)
	case "extend":
		return []Stage{c.extend(st)}
	case "select":
		exprs, cols := c.fields(st.fields, "select")
		s.stats, s.left = true, st.name
		return []Stage{&Select{st.Span, exprs, cols}}
	case "dedup":
		exprs, _ := c.fields(st.fields, "dedup")
		return []Stage{&Dedup{st.Span, exprs, s.cols}}
	case "sort":
		return []Stage{c.sort(st)}
	case "head":
		return []Stage{&Head{st.Span, st.n, s.cols}}
	case "top", "rare":
		return c.top(st)
	case "then":
		return c.then(st)
	case "lookup":
		return c.lookup(st)
	}
	return nil // render
}

// fields resolves the fields of select, by and dedup.
func (c *checker) fields(list []*fieldTerm, stage string) ([]Expr, []Column) {
	var exprs []Expr
	var cols []Column
	seen := map[string]bool{}
	for _, f := range list {
		e := c.field(f)
		if seen[f.name] {
			c.fail(f.Span, "", "'%s' stands here twice", f.name)
		}
		seen[f.name] = true
		if e == nil {
			continue
		}
		col := e.Column()
		if stage != "select" {
			c.needOrdered(e, stage)
		}
		exprs = append(exprs, e)
		cols = append(cols, col)
	}
	return exprs, cols
}

// needOrdered reports values that cannot be ordered or grouped by.
func (c *checker) needOrdered(e Expr, what string) {
	switch col := e.Column(); {
	case col.Fields != nil:
		c.fail(e.At(), partsFix(col), "cannot %s a record", what)
	case col.Type == weir.JSON:
		c.fail(e.At(), "", "cannot %s JSON", what)
	}
}

func partsFix(col Column) string {
	parts := listNames(col.Fields)
	for i := range parts {
		parts[i] = col.Name + "." + parts[i]
	}
	return strings.Join(parts, "   ")
}

func (c *checker) sort(st *stageSyntax) Stage {
	out := &Sort{Span: st.Span, Cols: c.scope.cols}
	for _, k := range st.keys {
		if k.field.name == "count" && c.scope.index("count") < 0 && c.scope.index("n") >= 0 {
			c.fail(k.field.Span, "did you mean n?", "no column 'count' here")
			continue
		}
		e := c.field(k.field)
		if e == nil {
			continue
		}
		c.needOrdered(e, "sort by")
		out.Keys = append(out.Keys, SortKey{e, k.desc})
	}
	return out
}

// top is sort and head, of the counts of values if it names fields without by.
func (c *checker) top(st *stageSyntax) []Stage {
	var stages []Stage
	key := st.by
	if key == nil {
		by, cols := c.fields(st.fields, st.name)
		count := Column{Name: "count", Type: weir.Int}
		if slices.ContainsFunc(cols, func(col Column) bool { return col.Name == "count" }) {
			c.fail(st.Span, "stats n = count() by count | top 5 by n", "%s makes a column 'count', and there is one", st.name)
		}
		cols = append(cols, count)
		stages = append(stages, &Stats{st.Span, by, []Agg{{Span: st.Span, Func: Count, Of: count}}, cols})
		c.scope.stats, c.scope.left, c.scope.cols = true, st.name, cols
		key = []*fieldTerm{{Span: st.Span, name: "count"}}
	}
	e := c.field(key[0])
	if e == nil {
		return nil
	}
	c.needOrdered(e, st.name+" by")
	cols := c.scope.cols
	return append(stages,
		&Sort{st.Span, []SortKey{{e, st.name == "top"}}, cols},
		&Head{st.Span, st.n, cols})
}

func (c *checker) extend(st *stageSyntax) Stage {
	out := &Extend{Span: st.Span, Cols: slices.Clone(c.scope.cols)}
	seen := map[string]bool{}
	for _, it := range st.items {
		e := c.expr(it.x)
		if seen[it.name] {
			c.fail(it.nameSpan, "", "'%s' stands here twice", it.name)
		}
		seen[it.name] = true
		col := Column{Name: it.name}
		if e != nil {
			col = e.Column()
			col.Name = it.name
		}
		i := slices.IndexFunc(out.Cols, func(have Column) bool { return have.Name == it.name })
		if i < 0 {
			i = len(out.Cols)
			out.Cols = append(out.Cols, col)
		} else {
			out.Cols[i] = col
		}
		out.Set = append(out.Set, Assign{i, e})
		if e == nil && !c.scope.open { // reported: what it would be is not known
			c.scope.open = true
		}
	}
	c.scope.cols = out.Cols
	return out
}

// render resolves the advice to the screen against the columns of the answer.
func (c *checker) render(s *syntax) *Render {
	var r *Render
	for _, st := range s.stages {
		if st.name != "render" {
			continue
		}
		r = &Render{Span: st.Span, Kind: st.kind}
		for _, o := range st.options {
			if e, ok := c.field(o.field).(*Col); ok {
				r.Options = append(r.Options, RenderOption{o.key, e.Index})
			}
		}
	}
	return r
}
