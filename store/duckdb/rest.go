package duckdb

import (
	"iter"

	"github.com/weir-nta/weir/query"
	"github.com/weir-nta/weir/query/exec"
)

// rest puts the rows of the head through what is left of the question.
func (an *answering) rest(q exec.Question, h head, rows iter.Seq2[query.Row, error]) iter.Seq2[query.Row, error] {
	stages := h.tail
	if h.filter != nil {
		stages = append([]query.Stage{&query.Where{Pred: h.filter, Cols: tableColumns(q.Query)}}, stages...)
	}
	if len(stages) == 0 {
		return rows
	}
	env := &exec.Env{From: q.From, To: q.To, Now: q.Now, Local: an.ask.LocalNetworks(), Begin: an.begin}
	env.First, env.End = an.s.segs.ends()
	env.Set = func(name string, of query.Column) query.Set { return an.ask.Set(name, of, an.now) }
	env.Ask = func(sub exec.Question) iter.Seq2[query.Row, error] {
		return func(yield func(query.Row, error) bool) {
			if err := an.answer(sub, nil, func(r query.Row) bool { return yield(r, nil) }); err != nil {
				yield(nil, err)
			}
		}
	}
	return exec.Run(an.ctx, env, stages, exec.Input{Columns: h.names, Rows: rows, Ordered: h.order != nil})
}

// tableColumns are the columns of the records of a question.
func tableColumns(q *query.Query) []query.Column {
	cols := make([]query.Column, len(q.Table.Columns))
	for i, c := range q.Table.Columns {
		cols[i] = query.Column{Name: c.Name, Type: c.Type, List: c.List, Enum: c.Enum, Unit: c.Unit}
	}
	return cols
}
