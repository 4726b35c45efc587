package query

import (
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// The syntax tree is the text as it was typed, but for spelling: the checker
// puts the names of fields in it that it has found. It is what String prints.

// A syntax is a query or a sub-query.
type syntax struct {
	Span
	table        token // of kind tName, or the zero token: conn
	since, until *Moment
	sinceText    string
	untilText    string
	filter       cond
	stages       []*stageSyntax
	broken       bool // table or window could not be read, so the columns are unknown
}

// A cond is a condition as it was typed.
type cond interface{ At() Span }

type (
	boolCond struct { // and, or
		Span
		or   bool
		list []cond
	}
	notCond struct {
		Span
		x cond
	}
	compareCond struct {
		Span
		op   Op
		x, y term
	}
	quickCond struct { // field:word
		Span
		field *fieldTerm
		op    Op
		word  *litTerm
		star  bool // the word has a * that stands for any characters
		any   bool // the word is *
	}
	betweenCond struct {
		Span
		x, lo, hi term
	}
	matchCond struct {
		Span
		not bool
		x   term
		pattern
	}
	likeCond struct {
		Span
		op   LikeOp
		x    term
		text string
	}
	inCond struct {
		Span
		not      bool
		xs       []term // several: a tuple
		list     string // @name
		listSpan Span
		bare     bool // a network without parentheses
		items    []term
		sub      *syntax
	}
	hasCond struct {
		Span
		missing bool
		field   *fieldTerm
	}
	predCond struct {
		Span
		name string
		args []term
	}
	searchCond struct {
		Span
		text string
	}
)

// A term is a value as it was typed.
type term interface{ At() Span }

type (
	fieldTerm struct {
		Span
		name  string
		sided bool // it stands for either side
	}
	// A wordTerm is a name on the right side: a field if there is one, else text.
	wordTerm struct {
		Span
		name string
	}
	litTerm struct {
		Span
		kind  kind
		value any
		bare  bool   // of a field:word: its type is that of the field
		text  string // as typed
	}
	arithTerm struct {
		Span
		op   byte
		x, y term
	}
	negTerm struct {
		Span
		x term
	}
	callTerm struct {
		Span
		name string
		cond cond // the first argument of if and of count_if
		args []term
	}
)

// A stageSyntax is a stage as it was typed; what is set depends on name.
type stageSyntax struct {
	Span
	name    string
	cond    cond         // where
	items   []namedTerm  // stats, timechart, extend
	fields  []*fieldTerm // select, dedup; top and rare without by; lookup: one
	by      []*fieldTerm // stats, timechart, then; top and rare: one
	keys    []sortTerm   // sort
	n       int64        // head, top, rare
	step    *litTerm     // timechart; then: within
	kind    string       // render
	options []renderTerm // render
	sub     *syntax      // then
	list    string       // lookup: @name
	at      Span         // lookup: of the name
}

type namedTerm struct {
	name     string // empty if none was given
	nameSpan Span
	x        term
}

type sortTerm struct {
	field *fieldTerm
	desc  bool
}

type renderTerm struct {
	key   string
	field *fieldTerm
}

// String returns the query as text in the canonical form: one line, names of
// fields as in the tables, short forms written out. Parse of it gives the same
// query.
func (q *Query) String() string {
	var w writer
	w.query(q.syntax)
	return w.String()
}

type writer struct{ strings.Builder }

func (w *writer) words(words ...string) {
	for _, s := range words {
		if w.Len() > 0 && !strings.HasSuffix(w.String()[w.Len()-1:], "(") {
			w.WriteByte(' ')
		}
		w.WriteString(s)
	}
}

func (w *writer) query(s *syntax) {
	if s.table.text != "" {
		w.words("from", s.table.text)
	}
	if s.since != nil {
		w.words("since", s.sinceText)
	}
	if s.until != nil {
		w.words("until", s.untilText)
	}
	if s.filter != nil {
		w.words(condText(s.filter, 0))
	}
	for i, stage := range s.stages {
		if i > 0 || s.filter != nil || s.table.text != "" || s.since != nil {
			w.words("|")
		}
		w.words(stage.text())
	}
}

func (s *stageSyntax) text() string {
	switch s.name {
	case "where":
		return "where " + condText(s.cond, 0)
	case "stats", "timechart":
		text := s.name + " "
		if s.step != nil {
			text += termText(s.step, 0) + " "
		}
		text += itemsText(s.items)
		if s.by != nil {
			text += " by " + fieldsText(s.by)
		}
		return text
	case "extend":
		return "extend " + itemsText(s.items)
	case "select", "dedup":
		return s.name + " " + fieldsText(s.fields)
	case "sort":
		keys := make([]string, len(s.keys))
		for i, k := range s.keys {
			keys[i] = k.field.name
			if k.desc {
				keys[i] = "-" + keys[i]
			}
		}
		return "sort " + strings.Join(keys, ", ")
	case "top", "rare":
		text := s.name + " " + strconv.FormatInt(s.n, 10) + " "
		if s.by != nil {
			return text + "by " + fieldsText(s.by)
		}
		return text + fieldsText(s.fields)
	case "head":
		return "head " + strconv.FormatInt(s.n, 10)
	case "then":
		var w writer
		w.query(s.sub)
		return "then (" + w.String() + ") within " + termText(s.step, 0) + " by " + fieldsText(s.by)
	case "lookup":
		return "lookup " + s.list + " on " + s.fields[0].name
	default: // render
		text := "render " + s.kind
		for _, o := range s.options {
			text += " " + o.key + "=" + o.field.name
		}
		return text
	}
}

func itemsText(items []namedTerm) string {
	texts := make([]string, len(items))
	for i, it := range items {
		texts[i] = termText(it.x, 0)
		if it.name != "" {
			texts[i] = it.name + " = " + texts[i]
		}
	}
	return strings.Join(texts, ", ")
}

func fieldsText(fields []*fieldTerm) string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	return strings.Join(names, ", ")
}

// condText returns the text of c, in parentheses if it binds less than level:
// 0 for or, 1 for and, 2 for not.
func condText(c cond, level int) string {
	switch c := c.(type) {
	case *boolCond:
		own, word := 1, " and "
		if c.or {
			own, word = 0, " or "
		}
		list := make([]string, len(c.list))
		for i, x := range c.list {
			list[i] = condText(x, own+1)
		}
		text := strings.Join(list, word)
		if own < level {
			return "(" + text + ")"
		}
		return text
	case *notCond:
		return "not " + condText(c.x, 2)
	case *compareCond:
		return termText(c.x, 0) + " " + c.op.String() + " " + termText(c.y, 0)
	case *quickCond:
		return c.text()
	case *betweenCond:
		return termText(c.x, 0) + " between " + termText(c.lo, 0) + " and " + termText(c.hi, 0)
	case *matchCond:
		text := termText(c.x, 0) + " " + map[bool]string{false: "~", true: "!~"}[c.not] + " /" + c.source + "/"
		if c.fold {
			text += "i"
		}
		return text
	case *likeCond:
		return termText(c.x, 0) + " " + likeNames[c.op] + " " + Quote(c.text)
	case *inCond:
		return c.writeText()
	case *hasCond:
		return map[bool]string{false: "has ", true: "missing "}[c.missing] + c.field.name
	case *predCond:
		return c.name + "(" + termsText(c.args) + ")"
	default:
		return Quote(c.(*searchCond).text)
	}
}

// text writes a short form as the comparison that it stands for.
func (c *quickCond) text() string {
	switch {
	case c.any:
		return "has " + c.field.name
	case c.star:
		return c.field.name + " like " + Quote(starPattern(c.word.text))
	default:
		return c.field.name + " " + c.op.String() + " " + termText(c.word, 0)
	}
}

// starPattern turns the * of a short form into the % of like.
func starPattern(s string) string {
	return strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`, "*", "%").Replace(s)
}

func (c *inCond) writeText() string {
	text := termsText(c.xs)
	if len(c.xs) > 1 {
		text = "(" + text + ")"
	}
	if c.not {
		text += " not"
	}
	text += " in "
	switch {
	case c.list != "":
		return text + c.list
	case c.sub != nil:
		var w writer
		w.query(c.sub)
		return text + "(" + w.String() + ")"
	case c.bare:
		return text + termsText(c.items)
	default:
		return text + "(" + termsText(c.items) + ")"
	}
}

var likeNames = [...]string{"contains", "starts_with", "ends_with", "like"}

func termsText(terms []term) string {
	texts := make([]string, len(terms))
	for i, t := range terms {
		texts[i] = termText(t, 0)
	}
	return strings.Join(texts, ", ")
}

// termText returns the text of t, in parentheses if it binds less than level:
// 0 for + and -, 1 for * and /, 2 for what stands alone.
func termText(t term, level int) string {
	switch t := t.(type) {
	case *fieldTerm:
		return t.name
	case *wordTerm:
		return t.name
	case *litTerm:
		return litText(t)
	case *arithTerm:
		own := 0
		if t.op == '*' || t.op == '/' {
			own = 1
		}
		text := termText(t.x, own) + " " + string(t.op) + " " + termText(t.y, own+1)
		if own < level {
			return "(" + text + ")"
		}
		return text
	case *negTerm:
		return "-" + termText(t.x, 2)
	default:
		c := t.(*callTerm)
		text := termsText(c.args)
		if c.cond != nil {
			text = condText(c.cond, 0)
			if len(c.args) > 0 {
				text += ", " + termsText(c.args)
			}
		}
		return c.name + "(" + text + ")"
	}
}

func litText(t *litTerm) string {
	switch v := t.value.(type) {
	case string:
		return Quote(v)
	case netip.Addr:
		return v.String()
	case netip.Prefix:
		return v.String()
	case time.Time:
		if t.kind != tTime {
			return v.Format(time.RFC3339Nano)
		}
		return t.text
	default:
		return t.text
	}
}
