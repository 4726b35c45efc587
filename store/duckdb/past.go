package duckdb

import (
	"fmt"
	"strings"

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
	return l.Text + ": no index of these fields: the records are scanned"
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
