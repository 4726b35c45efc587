package query

// Needs returns which of the n columns of rows a filter and the stages after it
// look at, nil if it may be any.
func Needs(filter Pred, stages []Stage, n int) []bool {
	if len(stages) == 0 && filter == nil {
		return nil
	}
	need := needs(make([]bool, n))
	need.pred(filter)
	for _, s := range stages {
		switch s := s.(type) {
		case *Where:
			need.pred(s.Pred)
		case *Stats:
			need.exprs(s.By)
			for _, a := range s.Aggs {
				need.expr(a.X)
				need.expr(a.TS)
				need.pred(a.Cond)
			}
			return need
		case *Select:
			need.exprs(s.Exprs)
			return need
		case *Then: // what it adds may cover some of the n
			need.exprs(s.By)
			need.expr(s.TS)
		case *Extend: // its columns may not be among the n
			for _, a := range s.Set {
				need.expr(a.X)
			}
		case *Head, *Sort, *Dedup: // which row comes first depends on all columns
			return nil
		}
	}
	return nil
}

type needs []bool

func (n needs) exprs(list []Expr) {
	for _, e := range list {
		n.expr(e)
	}
}

func (n needs) expr(e Expr) {
	switch e := e.(type) {
	case *Col:
		if e.Index < len(n) {
			n[e.Index] = true
		}
	case *Part:
		n.expr(e.X)
	case *Arith:
		n.expr(e.X)
		n.expr(e.Y)
	case *Call:
		n.exprs(e.Args)
	case *Past:
		n.exprs(e.Xs)
	case *If:
		n.pred(e.Cond)
		n.expr(e.Then)
		n.expr(e.Else)
	}
}

func (n needs) pred(p Pred) {
	switch p := p.(type) {
	case *And:
		n.preds(p.List)
	case *Or:
		n.preds(p.List)
	case *Not:
		n.pred(p.X)
	case *Compare:
		n.expr(p.X)
		n.expr(p.Y)
	case *Between:
		n.exprs([]Expr{p.X, p.Lo, p.Hi})
	case *Match:
		n.expr(p.X)
	case *Like:
		n.expr(p.X)
	case *In:
		n.exprs(p.Xs)
	case *Known:
		n.exprs(p.Xs)
	case *Has:
		n.expr(p.X)
	case *Local:
		n.expr(p.X)
	}
}

func (n needs) preds(list []Pred) {
	for _, p := range list {
		n.pred(p)
	}
}
