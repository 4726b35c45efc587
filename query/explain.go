package query

import (
	"fmt"
	"slices"
	"strings"
)

// Explain says in words what a question asks, a line for each of its parts.
func (q *Query) Explain() []string {
	var e explainer
	e.query(q.syntax, "")
	return e.lines
}

// An explainer collects lines.
type explainer struct{ lines []string }

func (e *explainer) line(indent, format string, args ...any) {
	e.lines = append(e.lines, indent+fmt.Sprintf(format, args...))
}

func (e *explainer) query(s *syntax, indent string) {
	e.line(indent, "ask the records of %s%s", tableName(s), windowWords(s))
	if s.filter != nil {
		e.cond("keep those of which ", s.filter, indent)
	}
	for _, st := range s.stages {
		e.stage(st, indent)
	}
}

func tableName(s *syntax) string {
	if s.table.text == "" {
		return "conn"
	}
	return s.table.text
}

func windowWords(s *syntax) string {
	switch {
	case s.since == nil:
		return ""
	case s.until == nil:
		return ", since " + momentWords(s.since, s.sinceText)
	}
	return ", since " + momentWords(s.since, s.sinceText) + ", until " + momentWords(s.until, s.untilText)
}

func momentWords(m *Moment, text string) string {
	if m.At.IsZero() {
		return text + " before the end"
	}
	return text
}

func (e *explainer) stage(st *stageSyntax, indent string) {
	switch st.name {
	case "where":
		e.cond("keep rows of which ", st.cond, indent)
	case "stats":
		e.line(indent, "make one row%s: %s", byWords(st.by), e.itemsWords(st.items))
	case "timechart":
		e.line(indent, "make one row for each %s%s, in the order of time: %s", termText(st.step, 0), strings.Replace(byWords(st.by), " for each", " and", 1), e.itemsWords(st.items))
	case "extend":
		e.line(indent, "add %s", e.itemsWords(st.items))
	case "select":
		e.line(indent, "keep the columns %s", fieldsText(st.fields))
	case "dedup":
		e.line(indent, "keep the first row of each %s", fieldsText(st.fields))
	case "head":
		e.line(indent, "keep the first %s", plural(int(st.n), "row"))
	case "sort":
		keys := make([]string, len(st.keys))
		for i, k := range st.keys {
			keys[i] = k.field.name + map[bool]string{false: ", least first", true: ", greatest first"}[k.desc]
		}
		e.line(indent, "sort by %s", strings.Join(keys, ", then by "))
	case "top", "rare":
		e.top(st, indent)
	case "then":
		e.line(indent, "give each row the next one with the same %s within %s, and its gap in time; rows without one go. Of these:", fieldsText(st.by), termText(st.step, 0))
		e.query(st.sub, indent+"    ")
	case "lookup":
		e.line(indent, "add whether %s is in %s, as listed", st.fields[0].name, st.list)
	case "render":
		e.line(indent, "draw it as %s", st.kind)
	}
}

func (e *explainer) top(st *stageSyntax, indent string) {
	which := map[string]string{"top": "greatest", "rare": "least"}[st.name]
	if st.by != nil {
		e.line(indent, "keep the %d rows with the %s %s, sorted by it", st.n, which, st.by[0].name)
		return
	}
	e.line(indent, "count the rows of each %s, and keep the %d with the %s count, sorted by it", fieldsText(st.fields), st.n, which)
}

func byWords(by []*fieldTerm) string {
	if by == nil {
		return " of all"
	}
	return " for each " + fieldsText(by)
}

// aggregateWords say what an aggregate is of its argument.
var aggregateWords = map[string]string{
	"dcount": "how many different %s", "sum": "the sum of %s", "min": "the least %s", "max": "the greatest %s", "avg": "the average %s",
	"median": "the median %s", "p95": "the 95th percentile of %s", "stdev": "the standard deviation of %s", "values": "the different %s (20 at most)",
	"any": "one %s", "first": "the first %s", "last": "the last %s", "period": "the regularity of %s",
}

func (e *explainer) itemsWords(items []namedTerm) string {
	out := make([]string, len(items))
	for i, it := range items {
		text := termWords(it.x)
		switch {
		case it.name != "":
			text = it.name + " = " + text
		case text != termText(it.x, 0):
			text = defaultName(it.x) + " = " + text
		}
		out[i] = text
	}
	return strings.Join(out, ", ")
}

func termWords(t term) string {
	c, ok := t.(*callTerm)
	if !ok {
		return termText(t, 0)
	}
	switch {
	case c.name == "count":
		return "the number of rows"
	case c.name == "count_if" && c.cond != nil:
		return "the number of rows of which " + condWords(c.cond)
	case c.name == "count_if":
		return "the number of rows of which " + termText(c.args[0], 0) + " is " + termText(c.args[1], 0)
	case aggregateWords[c.name] != "" && len(c.args) == 1:
		return fmt.Sprintf(aggregateWords[c.name], termText(c.args[0], 0))
	}
	return termText(t, 0)
}

// cond writes a condition, the parts of an "and" on lines of their own, and
// sub-queries after it.
func (e *explainer) cond(begin string, c cond, indent string) {
	list := []cond{c}
	if and, ok := c.(*boolCond); ok && !and.or {
		list = and.list
	}
	for i, x := range list {
		if i > 0 {
			begin = "  and "
		}
		words := condWords(x)
		if or, ok := x.(*boolCond); ok && or.or && len(list) > 1 {
			words = "(" + words + ")"
		}
		e.line(indent, "%s%s", begin, words)
		e.subQueries(x, indent+"      ")
	}
}

func (e *explainer) subQueries(c cond, indent string) {
	switch c := c.(type) {
	case *boolCond:
		for _, x := range c.list {
			e.subQueries(x, indent)
		}
	case *notCond:
		e.subQueries(c.x, indent)
	case *inCond:
		if c.sub != nil {
			e.query(c.sub, indent)
		}
	}
}

var opWords = [...]string{EQ: "is", NE: "is not", LT: "is less than", LE: "is at most", GT: "is more than", GE: "is at least"}

// condWords says a condition in words.
func condWords(c cond) string {
	switch c := c.(type) {
	case *boolCond:
		out := make([]string, len(c.list))
		for i, x := range c.list {
			out[i] = condWords(x)
			if inner, ok := x.(*boolCond); ok && inner.or != c.or {
				out[i] = "(" + out[i] + ")"
			}
		}
		return strings.Join(out, map[bool]string{false: " and ", true: " or "}[c.or])
	case *notCond:
		return "not (" + condWords(c.x) + ")"
	case *compareCond:
		return comparedWords(c)
	case *quickCond:
		return quickWords(c)
	case *betweenCond:
		return sidedWords(c.x, false) + " is from " + termText(c.lo, 0) + " to " + termText(c.hi, 0)
	case *matchCond:
		return sidedWords(c.x, c.not) + map[bool]string{false: " matches ", true: " matches not "}[c.not] + strings.TrimSpace(strings.TrimLeft(strings.TrimPrefix(condText(c, 0), termText(c.x, 0)), " !~"))
	case *likeCond:
		return sidedWords(c.x, false) + " " + [...]string{"contains", "begins with", "ends with", "is like"}[c.op] + " " + Quote(c.text)
	case *inCond:
		return inWords(c)
	case *hasCond:
		return sidedWords(c.field, false) + map[bool]string{false: " is there", true: " is missing"}[c.missing]
	case *predCond:
		return predWords(c)
	default:
		return "any text or address contains " + Quote(c.(*searchCond).text)
	}
}

func comparedWords(c *compareCond) string {
	name := sidedWords(c.x, c.op == NE)
	if c.op == NE && strings.HasPrefix(name, "neither ") { // which says the "not"
		c = &compareCond{op: EQ, x: c.x, y: c.y}
	}
	return name + " " + compareWords(c)
}

func compareWords(c *compareCond) string {
	if l, ok := c.y.(*litTerm); ok && l.kind == tCIDR && (c.op == EQ || c.op == NE) {
		return map[Op]string{EQ: "lies in ", NE: "does not lie in "}[c.op] + termText(c.y, 0)
	}
	return opWords[c.op] + " " + termText(c.y, 0)
}

func quickWords(c *quickCond) string {
	name := sidedWords(c.field, false)
	switch {
	case c.any:
		return name + " is there"
	case c.star:
		return name + " is like " + Quote(c.word.text)
	}
	return comparedWords(&compareCond{op: c.op, x: c.field, y: c.word})
}

// sidedWords names a value; of a two-sided name it says which side is meant.
func sidedWords(t term, all bool) string {
	text := termText(t, 0)
	f, ok := t.(*fieldTerm)
	if !ok || !slices.Contains(twoSided, f.name) || !f.sided {
		return text
	}
	if all {
		return "neither src." + f.name + " nor dst." + f.name
	}
	return "src." + f.name + " or dst." + f.name
}

func inWords(c *inCond) string {
	text := termsText(c.xs)
	if len(c.xs) > 1 {
		text = "(" + text + ")"
	} else {
		text = sidedWords(c.xs[0], c.not)
	}
	not := c.not && !strings.HasPrefix(text, "neither ")
	is := map[bool]string{false: " is in ", true: " is not in "}[not]
	switch table, sensors := strings.CutPrefix(c.list, "@sensors:"); {
	case sensors:
		return text + map[bool]string{false: " has", true: " has no"}[c.not] + " records of " + table + " in the window"
	case c.list == "@intel":
		return text + is + "the active indicators"
	case c.list != "":
		return text + is + "the list " + c.list
	case c.sub != nil:
		return text + is + "the answer to:"
	case c.bare:
		return text + is + termsText(c.items)
	}
	return text + map[bool]string{false: " is one of ", true: " is none of "}[not] + termsText(c.items)
}

func predWords(c *predCond) string {
	args := termsText(c.args)
	switch c.name {
	case "local":
		return args + " is in the local networks"
	case "private":
		return args + " is a private address"
	case "intel":
		return args + " is an active indicator"
	}
	over := FormatDuration(DefaultOver)
	if l, ok := c.args[len(c.args)-1].(*litTerm); ok {
		over, args = termText(l, 0), termsText(c.args[:len(c.args)-1])
	}
	if len(c.args) > 2 || len(c.args) == 2 && strings.Contains(args, ",") {
		args = "(" + args + ")"
	}
	return args + map[string]string{"new": " was not seen", "known": " was seen"}[c.name] + " in the " + over + " before the window"
}

// A Plan says how a store answers a question, and what that costs, before it does.
type Plan struct {
	Engine  string   // what kind of store it is
	Pushed  []string // the parts of the question that the store itself answers, in canonical form
	After   []string // those that are done after it, in Go
	SQL     string   // empty if the store has none
	Records int64    // in the window of the question
	Looks   []Cost   // at records of other times
	Notes   []string
}

// A Cost is what a look at records of other times costs.
type Cost struct {
	Text    string // what looks
	Records int64  // to be looked at
	Indexed bool   // these are entries of the first-seen index, not records
}

// Parts returns the parts of a question in canonical form: those that a store
// answers itself, and those that are left to do. Rest are the stages that are;
// filtered says that the filter, too, is done after the store.
func (q *Query) Parts(rest []Stage, filtered bool) (pushed, after []string) {
	left := map[Span]bool{}
	for _, s := range rest {
		left[s.At()] = true
	}
	put := func(text string, isLeft bool) {
		if isLeft {
			after = append(after, text)
		} else {
			pushed = append(pushed, text)
		}
	}
	if q.syntax.filter != nil {
		put(condText(q.syntax.filter, 0), filtered)
	}
	for _, st := range q.syntax.stages {
		if st.name != "render" {
			put(st.text(), left[st.Span])
		}
	}
	return pushed, after
}

// Words writes the plan as lines.
func (p *Plan) Words() []string {
	lines := []string{"in the store (" + p.Engine + "): " + partsWords(p.Pushed)}
	if len(p.After) > 0 {
		lines = append(lines, "after it: "+partsWords(p.After))
	}
	lines = append(lines, "looks at "+plural(int(p.Records), "record")+" in the window")
	for _, c := range p.Looks {
		what := plural(int(c.Records), "earlier record")
		if c.Indexed {
			what = "the first-seen index"
		}
		lines = append(lines, "  and for "+c.Text+" at "+what)
	}
	for _, n := range p.Notes {
		lines = append(lines, "note: "+n)
	}
	return lines
}

func partsWords(parts []string) string {
	if len(parts) == 0 {
		return "all records of the window"
	}
	return strings.Join(parts, " | ")
}
