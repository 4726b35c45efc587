package exec

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/query"
)

// MaxHeld bounds what one stage holds at once: rows to sort, groups, values of
// a median. An answer that needs more fails with ErrTooLarge rather than be
// wrong. 20 million rows are about 4 GB.
const MaxHeld = 20_000_000

// ErrTooLarge says that a stage would have to hold more than MaxHeld rows,
// groups or values.
var ErrTooLarge = errors.New("the question holds too many rows, groups or values at once: narrow the filter or the window")

// An Env is what the evaluation of a query needs to know besides its rows.
type Env struct {
	// From and To are the window of the query; the zero time is no bound.
	From, To time.Time
	// Now is what durations of "since" and "until" in sub-queries count back from.
	Now time.Time
	// First and End are the time of the first of all records and that just after
	// the last: they stand for From and To in the coverage of period where these
	// are no bounds.
	First, End time.Time
	// Local are the networks of the predicate local.
	Local []netip.Prefix
	// Set returns a named list as values of a column. It may be nil if there is none.
	Set func(name string, of query.Column) query.Set
	// Ask answers another question: a sub-query, or what the records of other
	// times tell. It is called before the first row is looked at. It may be nil
	// if there is none.
	Ask func(Question) iter.Seq2[query.Row, error]
	// Begin returns the time of the first record of a table, the zero time if
	// there is none. It may be nil if Ask is.
	Begin func(*weir.Table) (time.Time, error)
}

// A Question is one that answering another leads to.
type Question struct {
	Query    *query.Query
	From, To time.Time // its window; the text's own since and until do not count any more
	Now      time.Time // for those of its sub-queries
	Need     []bool    // the columns of the answer that are looked at, nil for all: others may be nil
}

var errAlone = errors.New("this condition needs a store to ask")

// ask answers a question for the compiler, which keeps the error.
func (c *compiler) ask(q Question, each func(query.Row) error) {
	if c.err != nil {
		return
	}
	if c.env.Ask == nil {
		c.err = errAlone
		return
	}
	for r, err := range c.env.Ask(q) {
		if err == nil {
			err = each(r)
		}
		if err != nil {
			c.err = err
			return
		}
	}
}

// Input are rows that come from elsewhere, such as from the part of a query
// that a store has translated.
type Input struct {
	Columns []query.Column
	Rows    iter.Seq2[query.Row, error]
	// Ordered says that a Sort or a Head before has put the rows in order.
	Ordered bool
}

// Run puts rows through stages. It takes the rows over and may change them.
func Run(ctx context.Context, env *Env, stages []query.Stage, in Input) iter.Seq2[query.Row, error] {
	rows := func(yield func(values, error) bool) {
		for r, err := range in.Rows {
			if !yield(&row{r}, err) || err != nil {
				return
			}
		}
	}
	return run(ctx, env, stages, in.Columns, in.Ordered, rows)
}

// Records answers a query over the records of its table and window. It counts
// into scanned, if that is not nil, how many of them it has looked at.
func Records(ctx context.Context, env *Env, q *query.Query, records iter.Seq[weir.Record], scanned *int64) iter.Seq2[query.Row, error] {
	return func(yield func(query.Row, error) bool) {
		keep, err := Filter(env, q.Filter)
		if err != nil {
			yield(nil, err)
			return
		}
		rows := func(yield func(values, error) bool) {
			for r := range records {
				if scanned != nil {
					*scanned++
				}
				if keep(r) && !yield(r, nil) {
					return
				}
			}
		}
		run(ctx, env, q.Stages, tableColumns(q), false, rows)(yield)
	}
}

// Filter returns the condition p, compiled, as a function that tells of a
// record of the table whose columns p is about whether it is true. A nil p is
// true of all. The function may be called from many goroutines.
func Filter(env *Env, p query.Pred) (func(weir.Record) bool, error) {
	if p == nil {
		return func(weir.Record) bool { return true }, nil
	}
	c := compiler{env: env}
	test := c.pred(p)
	if c.err != nil {
		return nil, c.err
	}
	return func(r weir.Record) bool { return test(r) }, nil
}

func tableColumns(q *query.Query) []query.Column {
	cols := make([]query.Column, len(q.Table.Columns))
	for i, c := range q.Table.Columns {
		cols[i] = query.Column{Name: c.Name, Type: c.Type, List: c.List, Enum: c.Enum, Unit: c.Unit}
	}
	return cols
}

// values is what an expression reads: a record, or a row.
type values interface {
	Value(column int) any
}

// A row is a query.Row with a method. Its columns grow with extend.
type row struct{ cells query.Row }

func (r *row) Value(i int) any {
	if i >= len(r.cells) {
		return nil
	}
	return r.cells[i]
}

// An extended row is one with columns added or covered.
type extended struct {
	values
	width int // columns of values
	cover []cell
	added query.Row
}

type cell struct {
	index int
	value any
}

func (e *extended) Value(i int) any {
	if i >= e.width {
		return e.added[i-e.width]
	}
	for _, c := range e.cover {
		if c.index == i {
			return c.value
		}
	}
	return e.values.Value(i)
}

// rows are those that flow from stage to stage.
type rows = iter.Seq2[values, error]

func run(ctx context.Context, env *Env, stages []query.Stage, cols []query.Column, ordered bool, in rows) iter.Seq2[query.Row, error] {
	return func(yield func(query.Row, error) bool) {
		p := pipeline{compiler: compiler{env: env}, ctx: ctx, cols: cols, ordered: ordered, rows: watch(ctx, in)}
		for i, s := range stages {
			p.stage(s, stages[i+1:])
		}
		if p.err != nil {
			yield(nil, p.err)
			return
		}
		width := len(p.cols)
		for v, err := range p.rows {
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(cells(v, width), nil) {
				return
			}
		}
	}
}

// cells returns the row as a slice of its own.
func cells(v values, width int) query.Row {
	if r, ok := v.(*row); ok && len(r.cells) == width {
		return r.cells
	}
	out := make(query.Row, width)
	for i := range out {
		out[i] = v.Value(i)
	}
	return out
}

// watch ends the rows with the context's error when that is done.
func watch(ctx context.Context, in rows) rows {
	return func(yield func(values, error) bool) {
		n := 0
		for v, err := range in {
			if n++; n%1024 == 1 && ctx.Err() != nil {
				yield(nil, ctx.Err())
				return
			}
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// A pipeline joins the stages.
type pipeline struct {
	compiler
	ctx     context.Context
	cols    []query.Column
	ordered bool
	rows    rows
}

// stage adds a stage; rest are those after it.
func (p *pipeline) stage(s query.Stage, rest []query.Stage) {
	in, cols := p.rows, p.cols
	switch s := s.(type) {
	case *query.Where:
		p.rows = where(in, p.pred(s.Pred))
	case *query.Extend:
		p.rows = p.extend(in, s, len(cols))
	case *query.Select:
		p.rows = selects(in, p.exprs(s.Exprs))
	case *query.Stats:
		p.rows = p.stats(in, s)
		p.ordered = false
	case *query.Sort:
		p.rows = sorted(in, p.sortOrder(s, cols))
		p.ordered = true
	case *query.Head:
		p.rows = head(p.inOrder(in), s.N)
		p.ordered = true
	case *query.Dedup:
		p.rows = dedup(p.inOrder(in), p.exprs(s.By))
	case *query.Then:
		p.rows = p.then(in, s, query.Needs(nil, rest, len(s.Cols)))
	default:
		p.err = fmt.Errorf("stage %T cannot be evaluated", s)
	}
	p.cols = s.Columns()
}

// inOrder returns the rows in the order they have, else in row order.
func (p *pipeline) inOrder(in rows) rows {
	if p.ordered {
		return in
	}
	return sorted(in, rowOrder(p.cols))
}

func where(in rows, test func(values) bool) rows {
	return func(yield func(values, error) bool) {
		for v, err := range in {
			if (err != nil || test(v)) && !yield(v, err) {
				return
			}
		}
	}
}

func (p *pipeline) extend(in rows, s *query.Extend, width int) rows {
	type set struct {
		index int
		value func(values) any
	}
	sets := make([]set, len(s.Set))
	for i, a := range s.Set {
		sets[i] = set{a.Index, p.expr(a.X)}
	}
	added := len(s.Cols) - width
	return func(yield func(values, error) bool) {
		for v, err := range in {
			if err != nil {
				yield(nil, err)
				return
			}
			e := &extended{values: v, width: width, added: make(query.Row, added)}
			for _, a := range sets {
				if a.index < width {
					e.cover = append(e.cover, cell{a.index, a.value(v)})
				} else {
					e.added[a.index-width] = a.value(v)
				}
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

func selects(in rows, exprs []func(values) any) rows {
	return func(yield func(values, error) bool) {
		for v, err := range in {
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(&row{evaluate(exprs, v)}, nil) {
				return
			}
		}
	}
}

func evaluate(exprs []func(values) any, v values) query.Row {
	out := make(query.Row, len(exprs))
	for i, e := range exprs {
		out[i] = e(v)
	}
	return out
}

func head(in rows, n int64) rows {
	return func(yield func(values, error) bool) {
		left := n
		for v, err := range in {
			if !yield(v, err) {
				return
			}
			if left--; left <= 0 {
				return
			}
		}
	}
}

func dedup(in rows, by []func(values) any) rows {
	return func(yield func(values, error) bool) {
		seen := map[string]bool{}
		var key []byte
		for v, err := range in {
			if err != nil {
				yield(nil, err)
				return
			}
			key = key[:0]
			for _, f := range by {
				key = appendKey(key, f(v))
			}
			if seen[string(key)] {
				continue
			}
			if len(seen) >= MaxHeld {
				yield(nil, ErrTooLarge)
				return
			}
			seen[string(key)] = true
			if !yield(v, nil) {
				return
			}
		}
	}
}
