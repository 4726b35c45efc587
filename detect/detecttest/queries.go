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
		return answer(ctx, batches, exec.Question{Query: a.Query, From: from, To: to, Now: a.To})
	}
}

func answer(ctx context.Context, batches []*weir.Batch, q exec.Question) iter.Seq2[query.Row, error] {
	env := &exec.Env{From: q.From, To: q.To, Now: q.Now}
	env.Ask = func(q exec.Question) iter.Seq2[query.Row, error] { return answer(ctx, batches, q) }
	env.Begin = func(t *weir.Table) (first time.Time, err error) {
		for r := range records(batches, t) {
			if ts, _ := weir.Span(r); first.IsZero() || ts.Before(first) {
				first = ts
			}
		}
		return first, nil
	}
	return exec.Records(ctx, env, q.Query, func(yield func(weir.Record) bool) {
		for r := range records(batches, q.Query.Table) {
			ts, _ := weir.Span(r)
			if !ts.Before(q.From) && (q.To.IsZero() || ts.Before(q.To)) && !yield(r) {
				return
			}
		}
	}, nil)
}

// records are those of a table.
func records(batches []*weir.Batch, table *weir.Table) iter.Seq[weir.Record] {
	return func(yield func(weir.Record) bool) {
		for _, b := range batches {
			for r := range b.Records {
				if r.Table() == table && !yield(r) {
					return
				}
			}
		}
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
