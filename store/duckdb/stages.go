package duckdb

import (
	"strings"

	"github.com/weir-nta/weir/query"
)

// A head is what of a question is said in SQL, and what is left to do.
type head struct {
	relation
	names  []query.Column // of the relation
	filter query.Pred     // the filter, if not all of it is in the SQL
	tail   []query.Stage  // the stages that are not
}

// head translates as many stages of the question as can be said in SQL.
func (t *translator) head() head {
	q := t.question.Query
	h := head{relation: t.base(q.Table, t.question.From, t.question.To), names: tableColumns(q), tail: q.Stages}
	if t.err != nil {
		return h
	}
	if q.Filter != nil {
		all := false
		if h.relation, all = t.filter(q.Filter, h.relation); !all {
			h.filter = q.Filter
			return h
		}
	}
	for _, s := range q.Stages {
		var next relation
		if !t.try(func() { next = t.stage(s, h.relation) }) {
			return h
		}
		h.relation, h.names, h.tail = next, s.Columns(), h.tail[1:]
	}
	return h
}

// filter puts the parts of a filter that can be said in SQL around r, and
// returns whether these are all.
func (t *translator) filter(p query.Pred, r relation) (relation, bool) {
	parts := []query.Pred{p}
	if and, ok := p.(*query.And); ok {
		parts = and.List
	}
	var where []string
	all := true
	for _, p := range parts {
		var sql string
		if t.try(func() { sql = t.truth(p, r) }) {
			where = append(where, sql)
			continue
		}
		all = false
		if t.try(func() { sql = t.atMost(p, r) }) {
			where = append(where, sql)
		}
	}
	if len(where) == 0 {
		return r, all
	}
	return t.layer(r, r.cols, strings.Join(where, " AND ")), all
}

// atMost returns SQL that is TRUE of every row that p is true of, and of not
// many more: what is left for query/exec to look at.
func (t *translator) atMost(p query.Pred, r relation) string {
	switch p := p.(type) {
	case *query.Or:
		parts := make([]string, len(p.List))
		for i, x := range p.List {
			if t.try(func() { parts[i] = t.truth(x, r) }) {
				continue
			}
			if parts[i] = t.atMost(x, r); t.bad {
				return ""
			}
		}
		return "(" + strings.Join(parts, " OR ") + ")"
	case *query.In:
		if p.List != "" {
			return t.maybeInList(p, r)
		}
	}
	t.fail()
	return ""
}

func (t *translator) stage(s query.Stage, r relation) relation {
	switch s := s.(type) {
	case *query.Where:
		return t.layer(r, r.cols, t.truth(s.Pred, r))
	case *query.Extend:
		return t.extend(s, r)
	case *query.Select:
		cols := make([]value, len(s.Exprs))
		for i, e := range s.Exprs {
			cols[i] = t.expr(e, r)
		}
		return t.layer(r, cols, "")
	case *query.Stats:
		return t.stats(s, r)
	case *query.Sort:
		var order []string
		for _, k := range s.Keys {
			order = append(order, t.sortTerms(t.expr(k.X, r), k.Desc)...)
		}
		return t.layerOrdered(r, r.cols, "", append(order, t.rowOrder(r)...))
	case *query.Head:
		return t.first(s, r)
	}
	t.fail()
	return r
}

// rowOrder returns the terms that put rows in row order.
func (t *translator) rowOrder(r relation) (order []string) {
	for _, c := range r.cols {
		if c.form == asCID {
			continue // it follows from the columns before it
		}
		order = append(order, t.sortTerms(c, false)...)
	}
	return order
}

func (t *translator) extend(s *query.Extend, r relation) relation {
	cols := append([]value(nil), r.cols...)
	for _, a := range s.Set {
		x := t.expr(a.X, r)
		for a.Index >= len(cols) {
			cols = append(cols, value{})
		}
		cols[a.Index] = x
	}
	return t.layer(r, cols, "")
}

func (t *translator) stats(s *query.Stats, r relation) relation {
	var cols []value
	for _, e := range s.By {
		x := t.expr(e, r)
		cols = append(cols, x)
		if x.form >= opaque {
			t.fail()
		}
	}
	for _, a := range s.Aggs {
		cols = append(cols, t.agg(a, r))
	}
	if t.bad {
		return r
	}
	out := t.layerOrdered(r, cols, "", nil)
	if len(s.By) > 0 {
		out.from = strings.TrimSuffix(out.from, ")") + " GROUP BY ALL)"
	}
	return t.unpack(out)
}

// unpack makes addresses again of the structures that min and max gave.
func (t *translator) unpack(r relation) relation {
	cols := append([]value(nil), r.cols...)
	found := false
	for i, c := range cols {
		if c.form == asAddress {
			cols[i] = value{form: asAddr, sql: []string{c.sql[0] + "['h']", c.sql[0] + "['l']"}}
			found = true
		}
	}
	if !found {
		return r
	}
	return t.layer(r, cols, "")
}

// first keeps the first rows of the order there is, else of row order, in which
// it leaves them.
func (t *translator) first(s *query.Head, r relation) relation {
	order := r.order
	if order == nil {
		order = t.rowOrder(r)
		r = t.layerOrdered(r, r.cols, "", order)
	}
	out := t.layer(r, r.cols, "")
	out.from = strings.TrimSuffix(out.from, ")") + orderBy(r.order) + " LIMIT " + t.arg(s.N) + ")"
	return out
}

// orderBy writes ORDER BY.
func orderBy(order []string) string {
	if order == nil {
		return ""
	}
	terms := make([]string, len(order))
	for i, o := range order {
		terms[i] = strings.Replace(o, "\x00", " ", 1)
	}
	return " ORDER BY " + strings.Join(terms, ", ")
}
