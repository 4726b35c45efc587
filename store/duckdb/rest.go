package duckdb

import (
	"context"
	"iter"

	"github.com/weir-nta/weir/query"
	"github.com/weir-nta/weir/query/exec"
)

// rest puts the rows of the head through what is left of the question.
func (s *Store) rest(ctx context.Context, a *query.Ask, t *translator, h head, rows iter.Seq2[query.Row, error]) iter.Seq2[query.Row, error] {
	stages := h.tail
	if h.filter != nil {
		stages = append([]query.Stage{&query.Where{Pred: h.filter, Cols: tableColumns(a.Query)}}, stages...)
	}
	if len(stages) == 0 {
		return rows
	}
	env := &exec.Env{From: a.From, To: a.To, Local: a.LocalNetworks()}
	first, end := s.segs.ends()
	if env.From.IsZero() {
		env.From = first
	}
	if env.To.IsZero() {
		env.To = end
	}
	env.Sub = func(q *query.Query) iter.Seq2[query.Row, error] {
		sub := query.Ask{Query: q, Local: a.Local}
		sub.From, sub.To = q.Window(a.From, a.To, t.now)
		return func(yield func(query.Row, error) bool) {
			if err := s.answer(ctx, sub, t.now, func(r query.Row) bool { return yield(r, nil) }); err != nil {
				yield(nil, err)
			}
		}
	}
	return exec.Run(ctx, env, stages, exec.Input{Columns: h.names, Rows: rows, Ordered: h.order != nil})
}

// tableColumns are the columns of the records of a question.
func tableColumns(q *query.Query) []query.Column {
	cols := make([]query.Column, len(q.Table.Columns))
	for i, c := range q.Table.Columns {
		cols[i] = query.Column{Name: c.Name, Type: c.Type, List: c.List, Enum: c.Enum, Unit: c.Unit}
	}
	return cols
}
