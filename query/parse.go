package query

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Bounds of a text. They keep what is parsed, checked, evaluated or translated
// recursively far from any stack's end; more is refused with a message.
const (
	maxText        = 256 << 10 // bytes: thousands of addresses in a list
	maxDepth       = 100       // parentheses, negations, links of a chain of arithmetic
	maxTerms       = 1000      // conditions, columns and stages
	maxDiagnostics = 20        // more help nobody
)

// Parse reads the text of a question and checks it against the tables of the
// records. Its error is an *[Error] that holds everything wrong with the text.
func Parse(text string) (*Query, error) {
	if d := refuse(text); d != nil {
		return nil, &Error{Text: text, Diagnostics: []Diagnostic{*d}}
	}
	s, diags := parse(text)
	c := checker{diags: diags}
	q := c.query(s, nil)
	if len(c.diags) > 0 {
		return nil, newError(text, c.diags)
	}
	q.Warnings, q.Lists, q.text = c.warnings, c.lists, text
	return q, nil
}

// refuse says why a text is not looked at, nil if it is.
func refuse(text string) *Diagnostic {
	if len(text) > maxText {
		return &Diagnostic{Span{maxText, 0}, fmt.Sprintf("the text has %d bytes, %d are the most", len(text), maxText), ""}
	}
	for i, r := range text {
		if r == utf8.RuneError && !strings.HasPrefix(text[i:], "\uFFFD") {
			return &Diagnostic{Span{i, 1}, "the text is not UTF-8", ""}
		}
		if r == 0 {
			return &Diagnostic{Span{i, 1}, "the text holds a NUL", ""}
		}
	}
	return nil
}

// parse returns the syntax tree of a text, and what is wrong with it.
func parse(text string) (*syntax, []Diagnostic) {
	tokens, diags := lex(text)
	p := parser{tokens: tokens, end: len(tokens) - 1, diags: diags}
	if !p.matchParentheses() {
		return &syntax{broken: true}, p.diags
	}
	s := p.query()
	return s, p.diags
}

// A parser reads tokens from top to bottom, one level of the grammar per
// method. What cannot be read is reported, and reading goes on behind the next
// "|" of the same query.
type parser struct {
	tokens []token
	i      int
	end    int         // index of the token at which the query ends
	pairs  map[int]int // index of "(" to that of its ")"
	depth  int
	terms  int
	diags  []Diagnostic
}

// bail is what fail panics with and guard recovers.
type bail struct{}

func (p *parser) fail(at Span, fix string, format string, args ...any) {
	p.diags = append(p.diags, diagnostic(at, fix, format, args...))
	panic(bail{})
}

// guard calls read and, if that fails, moves to the next "|" or the end.
func (p *parser) guard(read func()) (ok bool) {
	end, depth := p.end, p.depth
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		if _, is := r.(bail); !is {
			panic(r)
		}
		p.end, p.depth, ok = end, depth, false
		p.skip()
	}()
	read()
	return true
}

func (p *parser) skip() {
	for p.i < p.end && !p.isOp("|") {
		if close, ok := p.pairs[p.i]; ok && close < p.end {
			p.i = close
		}
		p.i++
	}
}

func (p *parser) matchParentheses() bool {
	p.pairs = map[int]int{}
	var open []int
	for i, t := range p.tokens {
		if t.kind != tOp {
			continue
		}
		switch t.text {
		case "(":
			open = append(open, i)
		case ")":
			if len(open) == 0 {
				p.diags = append(p.diags, Diagnostic{t.Span, "')' without a '(' before it", ""})
				return false
			}
			p.pairs[open[len(open)-1]] = i
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		p.diags = append(p.diags, Diagnostic{p.tokens[open[len(open)-1]].Span, "'(' is never closed", "add )"})
		return false
	}
	return true
}

func (p *parser) peek(ahead int) token {
	if p.i+ahead >= p.end {
		t := p.tokens[p.end]
		return token{Span: t.Span, kind: tEOF, text: t.text}
	}
	return p.tokens[p.i+ahead]
}

func (p *parser) next() token {
	t := p.peek(0)
	if t.kind == tBad {
		panic(bail{}) // reported by the lexer
	}
	if t.kind != tEOF {
		p.i++
	}
	return t
}

func (t token) isOp(ops ...string) bool { return t.kind == tOp && slices.Contains(ops, t.text) }

func (t token) isWord(words ...string) bool {
	return t.kind == tName && slices.Contains(words, strings.ToLower(t.text))
}

func (p *parser) isOp(ops ...string) bool     { return p.peek(0).isOp(ops...) }
func (p *parser) isWord(words ...string) bool { return p.peek(0).isWord(words...) }

// found names a token in a message.
func (t token) found() string {
	if t.kind == tEOF {
		if t.text != "" {
			return "'" + t.text + "'"
		}
		return "end of query"
	}
	return "'" + t.text + "'"
}

func (p *parser) expectOp(op string) token {
	t := p.next()
	if !t.isOp(op) {
		p.fail(t.Span, "", "expected '%s', found %s", op, t.found())
	}
	return t
}

func (p *parser) expectWord(word string) {
	if t := p.next(); !t.isWord(word) {
		p.fail(t.Span, "", "expected '%s', found %s", word, t.found())
	}
}

// enter counts a level of nesting; the caller calls leave with what it returns.
func (p *parser) enter(n int) {
	p.depth += n
	if p.depth > maxDepth {
		p.fail(p.peek(0).Span, "", "more than %d levels of nesting", maxDepth)
	}
}

func (p *parser) since(begin int) Span {
	last := p.tokens[max(p.i-1, begin)]
	return Span{p.tokens[begin].Pos, last.Pos + last.Len - p.tokens[begin].Pos}
}

var keywords = map[string]bool{}

func init() {
	for w := range strings.FieldsSeq(`from since until and or not in has missing between like contains starts_with
		ends_with by as within where stats extend select sort top rare head timechart dedup then render lookup`) {
		keywords[w] = true
	}
}

// alsoFields are the keywords that are fields of tables too. They begin a
// condition only before a comparison.
var alsoFields = map[string]bool{"since": true, "until": true}

var stageNames = strings.Fields("where stats timechart extend select dedup head sort top rare render then lookup")

var stageAliases = map[string]string{
	"summarize": "stats", "project": "select", "table": "select", "fields": "select", "cut": "select",
	"limit": "head", "take": "head", "filter": "where", "search": "where", "order": "sort",
}

func (p *parser) query() *syntax {
	begin := p.i
	s := &syntax{}
	if !p.guard(func() { p.source(s) }) {
		s.broken = true
	}
	switch {
	case p.startsStage():
		p.stage(s)
	case !p.isOp("|") && p.peek(0).kind != tEOF && !s.broken:
		if !p.guard(func() { s.filter = p.or(); p.endOfPart() }) {
			s.filter = nil
		}
	}
	for p.isOp("|") {
		p.i++
		p.stage(s)
	}
	s.Span = p.since(begin)
	return s
}

// source reads the table and the window.
func (p *parser) source(s *syntax) {
	if p.isWord("from") {
		p.next()
		if s.table = p.next(); s.table.kind != tName {
			p.fail(s.table.Span, "from conn", "expected the name of a table, found %s", s.table.found())
		}
	}
	if p.isWord("since") && !p.comparisonAt(1) {
		p.next()
		s.since, s.sinceText = p.moment()
		if p.isWord("until") && !p.comparisonAt(1) {
			p.next()
			s.until, s.untilText = p.moment()
		}
	}
}

func (p *parser) moment() (*Moment, string) {
	t := p.next()
	switch v := t.value.(type) {
	case time.Time:
		return &Moment{Span: t.Span, At: v}, t.text
	case float64:
		if t.kind == tDuration {
			return &Moment{Span: t.Span, Ago: time.Duration(v * float64(time.Second))}, t.text
		}
	}
	p.fail(t.Span, "since 24h   or   since 2026-11-20T08:00Z", "expected a time or a duration, found %s", t.found())
	return nil, ""
}

// endOfPart fails unless a filter or stage ends here.
func (p *parser) endOfPart() {
	t := p.peek(0)
	if t.kind == tEOF || t.isOp("|") {
		return
	}
	p.next() // of a tBad, which is reported already
	fix := ""
	switch {
	case t.isWord(stageNames...) || t.kind == tName && stageAliases[strings.ToLower(t.text)] != "":
		fix = "a stage begins with '|': | " + t.text
	case t.isOp("-") && p.peek(0).kind == tName && p.peek(0).Pos == t.Pos+1:
		name := p.peek(0).text
		fix = fmt.Sprintf("'-' must be glued to a term: -app:%s   or   -%s", name, Quote(name))
	}
	p.fail(t.Span, fix, "unexpected %s", t.found())
}

// startsStage says whether the query begins with a stage, without a "|".
func (p *parser) startsStage() bool {
	t := p.peek(0)
	if t.kind != tName || !slices.Contains(stageNames, t.text) && stageAliases[t.text] == "" {
		return false
	}
	if t.text == "then" {
		return true
	}
	return !p.peek(1).isOp("=", "==", "!=", "<", "<=", ">", ">=", "~", "!~", "(") &&
		!p.peek(1).isWord("in", "not", "like", "contains", "starts_with", "ends_with", "between")
}

func (p *parser) or() cond {
	begin := p.i
	list := []cond{p.and()}
	for p.isWord("or") {
		p.next()
		list = append(list, p.and())
	}
	if len(list) == 1 {
		return list[0]
	}
	return &boolCond{Span: p.since(begin), or: true, list: list}
}

func (p *parser) and() cond {
	begin := p.i
	list := []cond{p.not()}
	for p.isWord("and") || p.startsTerm() {
		if p.isWord("and") {
			p.next()
		}
		list = append(list, p.not())
	}
	if len(list) == 1 {
		return list[0]
	}
	return &boolCond{Span: p.since(begin), list: list}
}

// startsTerm says whether a term follows that "and" was left out before.
func (p *parser) startsTerm() bool {
	t := p.peek(0)
	switch t.kind {
	case tQuick, tString, tIP, tCIDR:
		return true
	case tOp:
		return t.text == "(" || p.gluedMinus(0)
	case tName:
		w := strings.ToLower(t.text)
		return !keywords[w] || w == "not" || w == "has" || w == "missing" || alsoFields[w] && p.comparisonAt(1)
	}
	return false
}

// gluedMinus says whether a "-" that excludes the term behind it follows.
func (p *parser) gluedMinus(ahead int) bool {
	a, b := p.peek(ahead), p.peek(ahead+1)
	return a.isOp("-") && b.Pos == a.Pos+1 && (b.kind == tQuick || b.kind == tString || b.kind == tIP || b.kind == tCIDR)
}

func (p *parser) not() cond {
	begin := p.i
	if !p.isWord("not") && !p.gluedMinus(0) {
		return p.primary()
	}
	p.next()
	p.enter(1)
	x := p.not()
	p.depth--
	return &notCond{p.since(begin), x}
}

// term counts a condition, a column or a stage.
func (p *parser) term() {
	if p.terms++; p.terms > maxTerms {
		p.fail(p.peek(0).Span, "field in (value, value, ...)", "more than %d conditions, columns and stages", maxTerms)
	}
}

func (p *parser) primary() cond {
	p.term()
	begin, t := p.i, p.peek(0)
	if c := p.primitive(); c != nil {
		return c
	}
	switch {
	case t.kind == tQuick:
		p.next()
		return p.quick(t)
	case p.isWord("has", "missing") && !p.peek(1).isOp("=", "!="):
		p.next()
		f := p.field()
		return &hasCond{p.since(begin), strings.EqualFold(t.text, "missing"), f}
	case t.kind == tString && !p.comparisonAt(1):
		p.next()
		return &searchCond{t.Span, t.value.(string)}
	case (t.kind == tIP || t.kind == tCIDR) && !p.comparisonAt(1):
		p.next()
		return &compareCond{t.Span, EQ, &fieldTerm{Span: t.Span, name: "ip"}, literal(t)}
	case t.kind == tName && isPredicate(t.text) && p.peek(1).isOp("("):
		p.next()
		args := p.arguments()
		return &predCond{p.since(begin), strings.ToLower(t.text), args}
	case t.isOp("(") && !p.valueInParentheses():
		return p.group()
	case t.isOp("(") && p.tupleAhead():
		return p.tuple()
	}
	return p.compare()
}

func isPredicate(name string) bool {
	return slices.Contains([]string{"new", "known", "local", "private", "intel"}, name)
}

// primitive reads the words of tcpdump and nfdump: src ip A, dst port N, src
// port > N, net N, proto tcp.
func (p *parser) primitive() cond {
	begin, t := p.i, p.peek(0)
	if t.kind != tName {
		return nil
	}
	side, ahead := "", 0
	if t.isWord("src", "dst") {
		side, ahead = strings.ToLower(t.text)+".", 1
	}
	what, value := p.peek(ahead), p.peek(ahead+1)
	switch {
	case ahead == 0 && t.isWord("proto") && value.kind == tName && !keywords[strings.ToLower(value.text)]:
		p.i += 2
		return &compareCond{p.since(begin), EQ, &fieldTerm{Span: t.Span, name: "proto"}, &wordTerm{value.Span, value.text}}
	case ahead == 1 && (what.kind == tIP || what.kind == tCIDR): // src 10.0.0.1
		p.i += 2
		return &compareCond{p.since(begin), EQ, &fieldTerm{Span: t.Span, name: side + "ip"}, literal(what)}
	case ahead == 1 && what.isWord("port") && value.isOp("=", "==", "!=", "<", "<=", ">", ">=") && p.peek(ahead+2).kind == tNumber: // src port > 1024
		p.i += ahead + 3
		return &compareCond{p.since(begin), compareOps[value.text], &fieldTerm{Span: Span{t.Pos, what.Pos + what.Len - t.Pos}, name: side + "port"}, literal(p.tokens[p.i-1])}
	case what.isWord("ip", "host", "net", "port") && (value.kind == tIP || value.kind == tCIDR || value.kind == tNumber):
		name := side + "ip"
		if what.isWord("port") {
			name = side + "port"
		}
		p.i += ahead + 2
		return &compareCond{p.since(begin), EQ, &fieldTerm{Span: Span{t.Pos, what.Pos + what.Len - t.Pos}, name: name}, literal(value)}
	}
	return nil
}

func (p *parser) comparisonAt(ahead int) bool {
	t := p.peek(ahead)
	return t.isOp("=", "==", "!=", "<", "<=", ">", ">=", "~", "!~") ||
		t.isWord("in", "like", "contains", "starts_with", "ends_with", "between") ||
		t.isWord("not") && p.peek(ahead+1).isWord("in")
}

// valueInParentheses says whether the "(" that follows begins a value or a
// tuple: then something is done to it behind its ")".
func (p *parser) valueInParentheses() bool {
	after := p.pairs[p.i] + 1 - p.i
	return p.comparisonAt(after) || p.peek(after).isOp("+", "*", "/") || p.peek(after).isOp("-") && !p.gluedMinus(after)
}

func (p *parser) tupleAhead() bool {
	close := p.pairs[p.i]
	for i := p.i + 1; i < close; i++ {
		if p.tokens[i].isOp(",") {
			return true
		}
		if inner, ok := p.pairs[i]; ok {
			i = inner
		}
	}
	return false
}

func (p *parser) group() cond {
	p.enter(1)
	p.expectOp("(")
	c := p.or()
	p.expectOp(")")
	p.depth--
	return c
}

func (p *parser) tuple() cond {
	begin := p.i
	p.expectOp("(")
	xs := []term{p.expr(false)}
	for p.isOp(",") {
		p.next()
		xs = append(xs, p.expr(false))
	}
	p.expectOp(")")
	c := &inCond{xs: xs}
	if p.isWord("not") {
		p.next()
		c.not = true
	}
	p.expectWord("in")
	p.set(c)
	c.Span = p.since(begin)
	return c
}

func (p *parser) quick(t token) cond {
	name, _, _ := strings.Cut(t.text, ":")
	w := t.value.(quickWord)
	c := &quickCond{Span: t.Span, field: &fieldTerm{Span: Span{t.Pos, len(name)}, name: name}}
	text := w.text
	if !w.quoted {
		for op := GE; op > EQ; op-- {
			if s := op.String(); op != NE && strings.HasPrefix(text, s) && (op == GE || op == LE || !strings.HasPrefix(text, s+"=")) {
				c.op, text = op, text[len(s):]
				break
			}
		}
		c.any, c.star = text == "*", strings.Contains(text, "*")
	}
	at := Span{t.Pos + t.Len - len(text), len(text)}
	c.word = &litTerm{Span: at, kind: tString, value: text, bare: !w.quoted, text: text}
	if text == "" {
		p.fail(t.Span, name+":value", "expected a value after '%s'", t.text)
	}
	if w.quoted || c.star {
		return c
	}
	if tokens, diags := lex(text); len(diags) == 0 && tokens[0].Len == len(text) && tokens[0].kind >= tTime && tokens[0].kind <= tNumber {
		c.word.kind, c.word.value = tokens[0].kind, tokens[0].value
	}
	return c
}

func literal(t token) *litTerm {
	return &litTerm{Span: t.Span, kind: t.kind, value: t.value, text: t.text}
}

var compareOps = map[string]Op{"=": EQ, "==": EQ, "!=": NE, "<": LT, "<=": LE, ">": GT, ">=": GE}

func (p *parser) compare() cond {
	begin := p.i
	x := p.expr(false)
	t := p.next()
	switch {
	case t.kind == tOp && slices.Contains([]string{"=", "==", "!=", "<", "<=", ">", ">="}, t.text):
		y := p.expr(true)
		return &compareCond{p.since(begin), compareOps[t.text], x, y}
	case t.isOp("~", "!~"):
		r := p.next()
		if r.kind != tRegexp {
			fix := "~ /pattern/"
			if r.kind == tName || r.kind == tString {
				fix = t.text + " /" + strings.ReplaceAll(strings.Trim(r.text, `"'`), "/", `\/`) + "/"
			}
			p.fail(r.Span, fix, "%s needs a regular expression between slashes", t.text)
		}
		return &matchCond{p.since(begin), t.text == "!~", x, r.value.(pattern)}
	case t.isWord(likeNames[:]...):
		s := p.next()
		if s.kind == tEOF || s.kind == tOp || s.kind == tRegexp {
			p.fail(s.Span, t.text+` "text"`, "expected text after '%s', found %s", t.text, s.found())
		}
		text := s.text
		if s.kind == tString {
			text = s.value.(string)
		}
		return &likeCond{p.since(begin), LikeOp(slices.Index(likeNames[:], strings.ToLower(t.text))), x, text}
	case t.isWord("between"):
		lo := p.expr(true)
		p.expectWord("and")
		hi := p.expr(true)
		return &betweenCond{p.since(begin), x, lo, hi}
	case t.isWord("in"), t.isWord("not") && p.isWord("in"):
		c := &inCond{xs: []term{x}}
		if c.not = t.isWord("not"); c.not {
			p.next()
		}
		p.set(c)
		c.Span = p.since(begin)
		return c
	}
	p.fail(t.Span, p.operatorFix(x, t), "expected an operator after %s, found %s", termText(x, 0), t.found())
	return nil
}

func (p *parser) operatorFix(x term, t token) string {
	name := termText(x, 0)
	switch {
	case t.kind >= tTime && t.kind <= tNumber || t.kind == tString:
		return name + " = " + t.text
	case services[name] != 0 || name == "icmp":
		return "app = " + name
	case name == "tcp" || name == "udp":
		return "proto = " + name
	case closest(name, stageNames) != "":
		return "did you mean the stage " + closest(name, stageNames) + "?"
	}
	return fmt.Sprintf("%s  (text search)   or   has %s", Quote(name), name)
}

func (p *parser) set(c *inCond) {
	t := p.peek(0)
	switch {
	case t.kind == tList:
		p.next()
		c.list, c.listSpan = t.text, t.Span
		return
	case t.kind == tCIDR || t.kind == tIP:
		p.next()
		c.items, c.bare = []term{literal(t)}, true
		return
	}
	if !t.isOp("(") {
		p.next()
		p.fail(t.Span, "in (a, b)   or   in 10.0.0.0/8", "expected a set after 'in', found %s", t.found())
	}
	p.enter(1)
	close := p.pairs[p.i]
	p.next()
	if p.isWord("from") {
		end := p.end
		p.end = close
		c.sub = p.query()
		p.i, p.end = close, end
	} else {
		c.items = []term{p.expr(true)}
		for p.isOp(",") {
			p.next()
			c.items = append(c.items, p.expr(true))
		}
	}
	p.expectOp(")")
	p.depth--
}

func (p *parser) field() *fieldTerm {
	p.term()
	t := p.next()
	if t.kind != tName || keywords[strings.ToLower(t.text)] && !alsoFields[t.text] {
		p.fail(t.Span, "", "expected the name of a field, found %s", t.found())
	}
	return &fieldTerm{Span: t.Span, name: t.text}
}

func (p *parser) fields() []*fieldTerm {
	list := []*fieldTerm{p.field()}
	for p.isOp(",") {
		p.next()
		list = append(list, p.field())
	}
	return list
}

func (p *parser) arguments() []term {
	p.enter(1)
	p.expectOp("(")
	var args []term
	for !p.isOp(")") {
		args = append(args, p.expr(false))
		if !p.isOp(",") {
			break
		}
		p.next()
	}
	p.expectOp(")")
	p.depth--
	return args
}

// expr reads a value. On the right side of a comparison, names may be text.
func (p *parser) expr(right bool) term {
	return p.chain(right, p.product, "+", "-")
}

func (p *parser) product(right bool) term {
	return p.chain(right, p.factor, "*", "/")
}

// chain reads operands joined by ops from left to right. Each link is a level
// of the tree.
func (p *parser) chain(right bool, operand func(bool) term, ops ...string) term {
	begin, depth := p.i, p.depth
	x := operand(right)
	for p.isOp(ops...) && !p.gluedMinus(0) {
		p.enter(1)
		op := p.next().text[0]
		y := operand(right)
		x = &arithTerm{p.since(begin), op, x, y}
	}
	p.depth = depth
	return x
}

func (p *parser) factor(right bool) term {
	begin := p.i
	t := p.next()
	switch {
	case t.isOp("-"):
		p.enter(1)
		x := p.factor(right)
		p.depth--
		return &negTerm{p.since(begin), x}
	case t.isOp("("):
		p.enter(1)
		x := p.expr(right)
		p.expectOp(")")
		p.depth--
		return x
	case t.kind >= tTime && t.kind <= tNumber || t.kind == tString:
		return literal(t)
	case t.kind == tList:
		p.fail(t.Span, "in "+t.text, "a list stands behind 'in', here is '%s'", t.text)
	case t.kind == tName && (!keywords[strings.ToLower(t.text)] || alsoFields[t.text]):
		if p.isOp("(") {
			return p.call(begin, t)
		}
		if right {
			return &wordTerm{t.Span, t.text}
		}
		return &fieldTerm{Span: t.Span, name: t.text}
	}
	p.fail(t.Span, "", "expected a value, found %s", t.found())
	return nil
}

// call reads the arguments of a function. The first one of if is a condition,
// as is that of count_if, unless it is a field followed by a value.
func (p *parser) call(begin int, name token) term {
	c := &callTerm{name: strings.ToLower(name.text)}
	switch {
	case c.name == "count_if" && p.peek(1).kind == tName && p.peek(2).isOp(","):
		p.enter(1)
		p.next()
		c.args = []term{p.field()}
		p.expectOp(",")
		c.args = append(c.args, p.expr(true))
		p.expectOp(")")
		p.depth--
	case c.name == "if" || c.name == "count_if":
		p.enter(1)
		p.next()
		c.cond = p.or()
		for p.isOp(",") {
			p.next()
			c.args = append(c.args, p.expr(false))
		}
		p.expectOp(")")
		p.depth--
	default:
		c.args = p.arguments()
	}
	c.Span = p.since(begin)
	return c
}
