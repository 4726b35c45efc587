package query

import (
	"fmt"
	"strings"
)

// stage reads one stage into s; one that cannot be read has no name.
func (p *parser) stage(s *syntax) {
	begin := p.i
	st := &stageSyntax{}
	ok := p.guard(func() {
		p.term()
		p.stageName(st)
		p.stageBody(st)
		p.endOfPart()
	})
	st.Span = p.since(begin)
	if !ok {
		st.name = "" // the columns after it are unknown
	}
	s.stages = append(s.stages, st)
}

func (p *parser) stageName(st *stageSyntax) {
	t := p.next()
	if t.kind != tName {
		p.fail(t.Span, "stages: "+strings.Join(stageNames, " "), "expected a stage after '|', found %s", t.found())
	}
	st.name = strings.ToLower(t.text)
	if a := stageAliases[st.name]; a != "" {
		st.name = a
	}
	switch {
	case st.name == "groupby" || st.name == "group":
		field := "<field>"
		if p.isWord("by") {
			p.next()
		}
		if p.peek(0).kind == tName {
			field = p.peek(0).text
		}
		p.fail(t.Span, "stats n = count() by "+field, "unknown stage '%s'", t.text)
	}
	for _, n := range stageNames {
		if n == st.name {
			return
		}
	}
	fix := "stages: " + strings.Join(stageNames, " ")
	if c := closest(st.name, stageNames); c != "" {
		fix = "did you mean " + c + "?"
	}
	p.fail(t.Span, fix, "unknown stage '%s'", t.text)
}

func (p *parser) stageBody(st *stageSyntax) {
	switch st.name {
	case "where":
		st.cond = p.or()
	case "stats":
		p.aggregates(st)
	case "timechart":
		t := p.next()
		if t.kind != tDuration {
			p.fail(t.Span, "timechart 5m n = count()", "timechart needs a step, found %s", t.found())
		}
		st.step = literal(t)
		p.aggregates(st)
	case "extend":
		p.assignments(st)
	case "select", "dedup":
		st.fields = p.fields()
		if p.isOp("=", "(") {
			p.fail(p.peek(0).Span, "extend x = ... | "+st.name+" x", "%s takes names of fields", st.name)
		}
	case "sort":
		p.sortKeys(st)
	case "head":
		st.n = p.count()
	case "top", "rare":
		st.n = p.count()
		if p.isWord("by") {
			p.next()
			st.by = []*fieldTerm{p.field()}
		} else {
			st.fields = p.fields()
		}
	case "then":
		p.then(st)
	case "lookup":
		t := p.next()
		if t.kind != tList {
			p.fail(t.Span, "lookup @list:assets on src.ip", "expected the name of a list after 'lookup', found %s", t.found())
		}
		st.list, st.at = t.text, t.Span
		p.expectWord("on")
		st.fields = []*fieldTerm{p.field()}
	case "render":
		p.render(st)
	}
}

// then reads "(query) within duration by fields".
func (p *parser) then(st *stageSyntax) {
	const usage = "then (from conn app = ssh) within 5m by src.ip"
	if t := p.peek(0); !t.isOp("(") {
		p.next()
		p.fail(t.Span, usage, "expected a query in parentheses after 'then', found %s", t.found())
	}
	p.enter(1)
	end, close := p.end, p.pairs[p.i]
	p.next()
	p.end = close
	st.sub = p.query()
	p.i, p.end = close, end
	p.expectOp(")")
	p.depth--
	p.expectWord("within")
	t := p.next()
	if t.kind != tDuration {
		p.fail(t.Span, usage, "expected a duration after 'within', found %s", t.found())
	}
	st.step = literal(t)
	p.expectWord("by")
	st.by = p.fields()
}

func (p *parser) aggregates(st *stageSyntax) {
	for {
		p.term()
		it := namedTerm{}
		if p.peek(1).isOp("=") {
			it.name, it.nameSpan = p.newName()
		}
		it.x = p.expr(false)
		st.items = append(st.items, it)
		if !p.isOp(",") {
			break
		}
		p.next()
	}
	if p.isWord("by") {
		p.next()
		st.by = p.fields()
	}
}

func (p *parser) assignments(st *stageSyntax) {
	for {
		p.term()
		it := namedTerm{}
		it.name, it.nameSpan = p.newName()
		it.x = p.expr(false)
		st.items = append(st.items, it)
		if !p.isOp(",") {
			return
		}
		p.next()
	}
}

// newName reads "name =".
func (p *parser) newName() (string, Span) {
	t := p.next()
	if t.kind != tName {
		p.fail(t.Span, "name = value", "expected a name, found %s", t.found())
	}
	if keywords[strings.ToLower(t.text)] {
		p.fail(t.Span, t.text+"_ = ...", "'%s' is a word of the language and cannot be a name", t.text)
	}
	p.expectOp("=")
	return t.text, t.Span
}

func (p *parser) sortKeys(st *stageSyntax) {
	if p.isWord("by") {
		p.next()
	}
	for {
		k := sortTerm{}
		if p.isOp("-") {
			p.next()
			k.desc = true
		}
		k.field = p.field()
		if p.isWord("desc", "asc") { // as KQL, SPL and SQL write it
			k.desc = strings.EqualFold(p.next().text, "desc")
		}
		st.keys = append(st.keys, k)
		if !p.isOp(",") {
			return
		}
		p.next()
	}
}

// maxHead bounds head, top and rare: more rows than any answer is read for.
const maxHead = 1_000_000_000

func (p *parser) count() int64 {
	t := p.next()
	n, ok := t.value.(int64)
	if t.kind != tNumber || !ok || n < 1 || n > maxHead {
		p.fail(t.Span, "", "expected a number of rows from 1 to %d, found %s", maxHead, t.found())
	}
	return n
}

func (p *parser) render(st *stageSyntax) {
	t := p.next()
	if t.kind != tName {
		p.fail(t.Span, "render area", "expected a kind of chart, found %s", t.found())
	}
	st.kind = t.text
	for p.peek(0).kind == tName && p.peek(1).isOp("=") {
		key := p.next().text
		p.next()
		st.options = append(st.options, renderTerm{key, p.field()})
	}
}

// closest returns the word of words that name was probably meant to be, empty
// if none is near: at most a third of its letters wrong, two at most.
func closest(name string, words []string) string {
	best, distance := "", min(2, max(1, len(name)/3))+1
	if len(name) > 64 {
		return ""
	}
	for _, w := range words {
		if d := edits(strings.ToLower(name), strings.ToLower(w)); d < distance {
			best, distance = w, d
		}
	}
	return best
}

// edits returns the number of characters to insert, delete, change or swap to
// make b of a (optimal string alignment).
func edits(a, b string) int {
	prev2, prev, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], prev2[j-2]+1)
			}
		}
		prev2, prev, row = prev, row, prev2
	}
	return prev[len(b)]
}

func listNames(columns []Column) []string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.Name
	}
	return names
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
