package duckdb

import "github.com/weir-nta/weir/query"

// needed returns which of n columns the rest of a question looks at, nil if it
// may be any.
func needed(h head, n int) []bool {
	if len(h.tail) == 0 && h.filter == nil {
		return nil
	}
	need := needs(make([]bool, n))
	need.pred(h.filter)
	for _, s := range h.tail {
		switch s := s.(type) {
		case *query.Where:
			need.pred(s.Pred)
		case *query.Stats:
			need.exprs(s.By)
			for _, a := range s.Aggs {
				need.expr(a.X)
				need.expr(a.TS)
				need.pred(a.Cond)
			}
			return need
		case *query.Select:
			need.exprs(s.Exprs)
			return need
		case *query.Extend: // its columns may not be among the n
			for _, a := range s.Set {
				need.expr(a.X)
			}
		case *query.Head, *query.Sort, *query.Dedup: // which row comes first depends on all columns
			return nil
		}
	}
	return nil
}

type needs []bool

func (n needs) exprs(list []query.Expr) {
	for _, e := range list {
		n.expr(e)
	}
}

func (n needs) expr(e query.Expr) {
	switch e := e.(type) {
	case *query.Col:
		if e.Index < len(n) {
			n[e.Index] = true
		}
	case *query.Part:
		n.expr(e.X)
	case *query.Arith:
		n.expr(e.X)
		n.expr(e.Y)
	case *query.Call:
		n.exprs(e.Args)
	case *query.If:
		n.pred(e.Cond)
		n.expr(e.Then)
		n.expr(e.Else)
	}
}

func (n needs) pred(p query.Pred) {
	switch p := p.(type) {
	case *query.And:
		n.preds(p.List)
	case *query.Or:
		n.preds(p.List)
	case *query.Not:
		n.pred(p.X)
	case *query.Compare:
		n.expr(p.X)
		n.expr(p.Y)
	case *query.Between:
		n.exprs([]query.Expr{p.X, p.Lo, p.Hi})
	case *query.Match:
		n.expr(p.X)
	case *query.Like:
		n.expr(p.X)
	case *query.In:
		n.exprs(p.Xs)
	case *query.Has:
		n.expr(p.X)
	case *query.Local:
		n.expr(p.X)
	}
}

func (n needs) preds(list []query.Pred) {
	for _, p := range list {
		n.pred(p)
	}
}
