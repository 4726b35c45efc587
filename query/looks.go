package query

import (
	"fmt"
	"slices"
	"time"

	"github.com/weir-nta/weir"
)

// A Look is a look at the records of another time, which a question takes by
// new, known, first_seen, prevalence or usual.
type Look struct {
	Text     string // as it stands in the question, in canonical form
	Func     Func   // KnownFunc, FirstSeen, Prevalence or Usual
	Table    *weir.Table
	Query    *Query    // what is asked of the records; for usual, of each window
	From, To time.Time // of the records; zero is no bound
	Windows  int       // of usual: how many there should be
	blind    bool      // the window of the question lacks an end that is needed
}

// Fields returns the names of the fields whose values are looked for, of new,
// known and first_seen.
func (l *Look) Fields() (names []string) {
	if st, ok := l.Query.Stages[0].(*Stats); ok {
		for _, e := range st.By {
			if c, ok := e.(*Col); ok {
				names = append(names, l.Table.Columns[c.Index].Name)
			}
		}
	}
	return names
}

// KnownFunc is the Func of a Look by new or known.
const KnownFunc Func = "known"

// Looks returns the looks that q and its sub-queries take, if it is asked of a
// window, with durations counting back from now.
func (q *Query) Looks(from, to, now time.Time) []Look {
	var out []Look
	for n := range q.nodes {
		switch n := n.(type) {
		case *In:
			if n.Sub != nil {
				f, t := n.Sub.Window(from, to, now)
				out = append(out, n.Sub.Looks(f, t, now)...)
			}
		case *Then:
			f, t := n.Sub.Window(from, to, now)
			out = append(out, n.Sub.Looks(f, t, now)...)
		case *Known:
			l := Look{Text: n.Text, Func: KnownFunc, Table: n.Seen.Table, Query: n.Seen, To: from, blind: from.IsZero()}
			if !l.blind {
				l.From = from.Add(-n.Over)
			}
			out = append(out, l)
		case *Past:
			out = append(out, n.look(from, to, now))
		}
	}
	return out
}

func (e *Past) look(from, to, now time.Time) Look {
	l := Look{Text: e.Text, Func: e.Func, Table: e.Query.Table, Query: e.Query}
	switch e.Func {
	case Prevalence:
		if l.To = to; to.IsZero() {
			l.To = now
		}
		l.From = l.To.Add(-PrevalenceOver)
	case Usual:
		l.To = from
		if l.blind = from.IsZero() || to.IsZero() || !from.Before(to); !l.blind {
			l.Windows = usualMost(to.Sub(from))
			l.From = from.Add(-time.Duration(l.Windows) * to.Sub(from))
		}
	}
	return l
}

// Note says what the reader of the answer must know of the look, empty if
// nothing. Begin is the time of the first record of the table, the zero time
// if there is none.
func (l *Look) Note(begin time.Time) string {
	switch {
	case l.blind && l.Func == KnownFunc:
		return l.Text + ": the window has no begin, so nothing is known before it"
	case l.blind:
		return l.Text + ": the window has no begin or no end, so there are none before it like it"
	case begin.IsZero():
		return fmt.Sprintf("%s: there are no records of '%s'", l.Text, l.Table.Name)
	case l.Func == Usual:
		return l.usualNote(begin)
	case !l.From.IsZero() && begin.After(l.From):
		return fmt.Sprintf("%s: history is shorter than %s: records of '%s' begin %s", l.Text, FormatDuration(l.To.Sub(l.From)), l.Table.Name, begin.UTC().Format(time.RFC3339))
	}
	return ""
}

func (l *Look) usualNote(begin time.Time) string {
	length := l.To.Sub(l.From) / time.Duration(l.Windows)
	n := UsualWindows(l.To, l.To.Add(length), begin)
	if n >= MinUsual {
		return ""
	}
	return fmt.Sprintf("%s: missing, because there are %s of %s before the question's own, and %d are needed", l.Text, plural(n, "window"), FormatDuration(length), MinUsual)
}

// UsualWindows returns how many windows usual looks at, given the window of
// the query and the time of the first record of its table.
func UsualWindows(from, to, begin time.Time) int {
	length := to.Sub(from)
	if from.IsZero() || to.IsZero() || length <= 0 || begin.IsZero() {
		return 0
	}
	n := 0
	for n < usualMost(length) && !from.Add(-time.Duration(n+1)*length).Before(begin) {
		n++
	}
	return n
}

func usualMost(length time.Duration) int { return min(MaxUsual, max(1, int(UsualOver/length))) }

// nodes calls yield with every condition, expression and stage of q, but not
// with those of other queries in it.
func (q *Query) nodes(yield func(any) bool) {
	w := walk{yield: yield}
	w.pred(q.Filter)
	for _, s := range q.Stages {
		w.stage(s)
	}
}

// A walk calls yield with nodes until that returns false.
type walk struct {
	yield func(any) bool
	done  bool
}

func (w *walk) visit(n any) {
	w.done = w.done || !w.yield(n)
}

func (w *walk) stage(s Stage) {
	w.visit(s)
	switch s := s.(type) {
	case *Where:
		w.pred(s.Pred)
	case *Stats:
		w.exprs(s.By...)
		for _, a := range s.Aggs {
			w.exprs(a.X, a.TS)
			w.pred(a.Cond)
		}
	case *Extend:
		for _, a := range s.Set {
			w.exprs(a.X)
		}
	case *Select:
		w.exprs(s.Exprs...)
	case *Dedup:
		w.exprs(s.By...)
	case *Sort:
		for _, k := range s.Keys {
			w.exprs(k.X)
		}
	case *Then:
		w.exprs(s.By...)
		w.exprs(s.TS)
	}
}

func (w *walk) exprs(list ...Expr) {
	for _, e := range list {
		if w.done || e == nil {
			continue
		}
		w.visit(e)
		switch e := e.(type) {
		case *Part:
			w.exprs(e.X)
		case *Arith:
			w.exprs(e.X, e.Y)
		case *Call:
			w.exprs(e.Args...)
		case *If:
			w.pred(e.Cond)
			w.exprs(e.Then, e.Else)
		case *Past:
			w.exprs(e.Xs...)
		}
	}
}

func (w *walk) pred(p Pred) {
	if w.done || p == nil {
		return
	}
	w.visit(p)
	switch p := p.(type) {
	case *And:
		w.preds(p.List)
	case *Or:
		w.preds(p.List)
	case *Not:
		w.pred(p.X)
	case *Compare:
		w.exprs(p.X, p.Y)
	case *Between:
		w.exprs(p.X, p.Lo, p.Hi)
	case *Match:
		w.exprs(p.X)
	case *Like:
		w.exprs(p.X)
	case *In:
		w.exprs(p.Xs...)
	case *Known:
		w.exprs(p.Xs...)
	case *Has:
		w.exprs(p.X)
	case *Local:
		w.exprs(p.X)
	}
}

func (w *walk) preds(list []Pred) {
	for _, p := range list {
		w.pred(p)
	}
}

// Notes are the notes of looks, each once. Begin returns the time of the first
// record of a table; scans says what a look costs beyond the window, empty if
// an index answers it.
func Notes(looks []Look, begin func(*weir.Table) (time.Time, error), scans func(*Look) string) ([]string, error) {
	var notes []string
	add := func(n string) {
		if n != "" && !slices.Contains(notes, n) {
			notes = append(notes, n)
		}
	}
	for i := range looks {
		first, err := begin(looks[i].Table)
		if err != nil {
			return nil, err
		}
		add(looks[i].Note(first))
		if scans != nil {
			add(scans(&looks[i]))
		}
	}
	return notes, nil
}
