package duckdb

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/query"
	"github.com/weir-nta/weir/query/exec"
)

// scans says that a look is not answered by the index.
func (an *answering) scans(l *query.Look) string {
	if l.Func == query.Usual {
		return ""
	}
	if an.s.segs.firstSeen(l.Query, l.From, l.To) != nil {
		return ""
	}
	return l.Text + ": no index of these fields and this time: the records are scanned"
}

// known says whether the tuple of p was seen before the window. Missing is a
// value here, which SQL's IN does not have: it becomes another value and a
// flag.
func (t *translator) known(p *query.Known, r relation) string {
	from := t.question.From
	if from.IsZero() {
		return "false"
	}
	seen, ok := t.inner(exec.Question{Query: p.Seen, From: from.Add(-p.Over), To: from, Now: from})
	if !ok {
		return ""
	}
	var left, right []string
	for i, e := range p.Xs {
		x := t.expr(e, r)
		if t.bad || x.form != seen.cols[i].form || x.form > asTime {
			t.fail()
			return ""
		}
		left, right = append(left, present(x)...), append(right, present(seen.cols[i])...)
	}
	return fmt.Sprintf("((%s) IN (SELECT %s FROM %s))", strings.Join(left, ", "), tuple(right), seen.from)
}

// instead are values that stand for a missing one of a form, next to a flag.
var instead = map[form]string{
	asInt: "0", asFloat: "0", asBool: "false", asText: "''", asCode: "0", asAddr: "0", asTime: "make_timestamp(0)",
}

// present returns the expressions of a value without NULL, and whether it is missing.
func present(x value) []string {
	out := []string{"(" + x.sql[0] + " IS NULL)"}
	for _, sql := range x.sql {
		out = append(out, "coalesce("+sql+", "+instead[x.form]+")")
	}
	return out
}

// maxInList is how many values of a list are written into SQL: of more, Go's
// sets are the faster ones.
const maxInList = 200

// maybeInList is true of the texts of a list, and of all that may be spelled
// addresses.
func (t *translator) maybeInList(p *query.In, r relation) string {
	of := p.Xs[0].Column()
	of.List = false
	set := t.ask.Set(p.List, of, t.now)
	if of.Type != weir.String || of.Enum != nil || len(set.Values) > maxInList {
		t.fail()
		return ""
	}
	return t.each(t.expr(p.Xs[0], r), func(x value) string {
		any := []string{"regexp_full_match(" + x.sql[0] + ", '[0-9A-Fa-f:.]*')"}
		for v := range set.Values {
			any = append(any, t.ordered(query.EQ, x, t.literal(v, nil)))
		}
		return "(" + strings.Join(any, " OR ") + ")"
	})
}

func (t *translator) inList(p *query.In, r relation) string {
	of := p.Xs[0].Column()
	of.List = false
	set := t.ask.Set(p.List, of, t.now)
	if len(set.Values)+len(set.All) > maxInList || of.Type == weir.String && len(set.All) > 0 {
		t.fail() // which texts are an address SQL cannot say
		return ""
	}
	in := &query.In{Span: p.Span, Xs: p.Xs, Prefixes: set.All}
	for v := range set.Values {
		in.Values = append(in.Values, v)
	}
	return t.in(in, r)
}

// Explain says how a question would be answered, without answering it.
func (s *Store) Explain(ctx context.Context, a query.Ask) (*query.Plan, error) {
	if err := a.Check(); err != nil {
		return nil, err
	}
	if err := s.Flush(ctx); err != nil {
		return nil, err
	}
	an, q := s.asked(ctx, &a)
	sql, h, err := an.translated(q)
	if err != nil {
		return nil, err
	}
	p := &query.Plan{Engine: "duckdb", SQL: sql}
	p.Pushed, p.After = a.Query.Parts(h.tail, h.filter != nil)
	looks := a.Query.Looks(q.From, q.To, q.Now)
	if p.Notes, err = query.Notes(looks, an.begin, nil); err != nil {
		return nil, err
	}
	if p.Records, err = an.records(q.Query.Table, q.From, q.To); err != nil {
		return nil, err
	}
	for i := range looks {
		l := &looks[i]
		c := query.Cost{Text: l.Text, Indexed: an.scans(l) == "" && l.Func != query.Usual}
		if !c.Indexed {
			if c.Records, err = an.records(l.Table, l.From, l.To); err != nil {
				return nil, err
			}
		}
		p.Looks = append(p.Looks, c)
	}
	return p, nil
}

// translated returns the SQL for the head of a question, and what is left.
func (an *answering) translated(q exec.Question) (sql string, h head, err error) {
	t := &translator{answering: an, question: q}
	t.segments = func(from, to time.Time) ([]string, error) {
		names, release, err := an.s.segs.acquire(window(from, to))
		if err == nil {
			release()
		}
		return names, err
	}
	h = t.head()
	if t.err != nil {
		return "", h, t.err
	}
	return h.sql(q), h, nil
}
