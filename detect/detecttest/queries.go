package detecttest

import (
	"context"
	"iter"
	"math"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/query"
	"github.com/weir-nta/weir/query/exec"
)

// always is a window that holds every case: what a finding asks says its own.
var always = query.Ask{From: time.Unix(0, 0), To: time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)}

// ask returns what answers questions over the records of the batches.
func ask(batches []*weir.Batch) func(context.Context, query.Ask) iter.Seq2[query.Row, error] {
	return func(ctx context.Context, a query.Ask) iter.Seq2[query.Row, error] {
		from, to := a.Query.Window(a.From, a.To, a.To)
		env := &exec.Env{From: from, To: to}
		env.Sub = func(q *query.Query) iter.Seq2[query.Row, error] {
			return ask(batches)(ctx, query.Ask{Query: q, From: from, To: to})
		}
		return exec.Records(ctx, env, a.Query, func(yield func(weir.Record) bool) {
			ts := a.Query.Table.Column("ts")
			for _, b := range batches {
				for r := range b.Records {
					at, _ := r.Value(ts).(time.Time)
					if r.Table() == a.Query.Table && !at.Before(from) && at.Before(to) && !yield(r) {
						return
					}
				}
			}
		}, nil)
	}
}

// checkQueries checks that the queries of f can be asked and, asked of the
// case's own records, give its numbers: in the first row of the answer to
// f.Query, a column named like a check has the check's value; and so has the
// first column of the answer to the query of a check.
func checkQueries(t *testing.T, f *weir.Finding, batches []*weir.Batch) {
	t.Helper()
	columns, row := firstRow(t, f.Query, batches)
	for _, c := range f.Checks {
		for i, column := range columns {
			if column.Name == c.ID {
				checkValue(t, f.Query, &c, row[i])
			}
		}
		if c.Query == "" {
			continue
		}
		if columns, row := firstRow(t, c.Query, batches); len(columns) > 0 {
			checkValue(t, c.Query, &c, row[0])
		}
	}
}

func firstRow(t *testing.T, text string, batches []*weir.Batch) ([]query.Column, query.Row) {
	t.Helper()
	q, err := query.Parse(text)
	if err != nil {
		t.Errorf("query %s: %v", text, err)
		return nil, nil
	}
	a := always
	a.Query = q
	for row, err := range ask(batches)(t.Context(), a) {
		if err != nil {
			t.Errorf("query %s: %v", text, err)
			return nil, nil
		}
		return q.Columns, row
	}
	t.Errorf("query %s: no rows", text)
	return nil, nil
}

func checkValue(t *testing.T, text string, c *weir.Check, got any) {
	t.Helper()
	var x float64
	switch v := got.(type) {
	case int64:
		x = float64(v)
	case float64:
		x = v
	default:
		t.Errorf("check %s is %g, but %s gives %v", c.ID, c.Value, text, got)
		return
	}
	if math.Abs(x-c.Value) > 1e-6*math.Abs(c.Value) {
		t.Errorf("check %s is %g, but %s gives %g", c.ID, c.Value, text, x)
	}
}
