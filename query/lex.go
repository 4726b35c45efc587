package query

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"
)

type kind uint8

const (
	tEOF kind = iota
	tBad      // already reported
	tString
	tList // @name
	tTime
	tCIDR
	tIP
	tSize
	tDuration
	tPercent
	tNumber
	tQuick // field:word, value holds what follows the colon
	tName
	tOp
	tRegexp
)

// A token is a piece of the text. Text is what was typed; value is what a
// literal stands for: string, netip.Addr, netip.Prefix, time.Time, int64 or
// float64 (a duration in seconds).
type token struct {
	Span
	kind  kind
	text  string
	value any
}

// The expressions of literals. They are matched with short pieces of text only:
// matching costs as much as what is given, also where it fails at once.
var (
	reTime     = regexp.MustCompile(`^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?)?`)
	reSize     = regexp.MustCompile(`^(\d+(?:\.\d+)?)\s?(KiB|MiB|GiB|TiB|KB|MB|GB|TB|B)\b`)
	reDuration = regexp.MustCompile(`^(\d+(?:\.\d+)?)(ms|s|m|h|d|w)\b`)
	rePercent  = regexp.MustCompile(`^(\d+(?:\.\d+)?)%`)
	reNumber   = regexp.MustCompile(`^\d+(\.\d+)?`)
	reWord     = regexp.MustCompile(`^[0-9A-Za-z_.:-]+`)
	reList     = regexp.MustCompile(`^@[A-Za-z_]+(:[A-Za-z0-9_.-]+)?`)
)

// maxLiteral is the length of the pieces that these are matched with.
const maxLiteral = 64

func piece(s string) string { return s[:min(len(s), maxLiteral)] }

// nameEnd returns the length of the name that s begins with: words joined by
// dots. It is 0 if there is none.
func nameEnd(s string) int {
	end := 0
	for end < len(s) && isWord(s[end]) && !isDigit(s[end]) {
		for end < len(s) && isWord(s[end]) {
			end++
		}
		if end+1 >= len(s) || s[end] != '.' || !isWord(s[end+1]) || isDigit(s[end+1]) {
			break
		}
		end++
	}
	return end
}

// quickEnd returns the length of the "field:" that s begins with, 0 if there is none.
func quickEnd(s string) int {
	if s == "" || !isWord(s[0]) || isDigit(s[0]) {
		return 0
	}
	n := 0
	for n < len(s) && (isWord(s[n]) || s[n] == '.') {
		n++
	}
	if n < len(s) && s[n] == ':' {
		return n + 1
	}
	return 0
}

// opEnd returns the length of the operator that s begins with, 0 if there is none.
func opEnd(s string) int {
	if len(s) > 1 {
		switch s[:2] {
		case "&&", "||", "!=", ">=", "<=", "!~", "==":
			return 2
		}
	}
	if strings.IndexByte("=<>~!(),|-+*/", s[0]) >= 0 {
		return 1
	}
	return 0
}

// regexpEnd returns the index of the slash that ends the expression between
// slashes that s begins with, -1 if its line has none.
func regexpEnd(s string) int {
	for i := 1; i < len(s) && s[i] != '\n'; i++ {
		switch s[i] {
		case '\\':
			i++
		case '/':
			return i
		}
	}
	return -1
}

var sizeUnits = map[string]float64{
	"B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
	"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
}

var durationUnits = map[string]float64{"ms": 1e-3, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}

// maxDuration keeps durations within those of Go.
const maxDuration = 100 * 365 * 86400.0

type lexer struct {
	text   string
	pos    int
	tokens []token
	diags  []Diagnostic
}

// lex cuts text into tokens, the last of which is tEOF. Text that is no token
// is reported and becomes a tBad.
func lex(text string) ([]token, []Diagnostic) {
	l := lexer{text: text}
	for l.pos < len(text) && len(l.diags) < maxDiagnostics {
		before := l.pos
		l.next()
		if l.pos == before { // cannot happen: every branch of next moves on
			l.bad(1, fmt.Sprintf("unexpected character %q", text[before]), "")
		}
	}
	l.tokens = append(l.tokens, token{Span: Span{len(text), 0}, kind: tEOF})
	return l.tokens, l.diags
}

func (l *lexer) next() {
	rest := l.text[l.pos:]
	c := rest[0]
	switch {
	case c == ' ' || c == '\t' || c == '\n' || c == '\r':
		l.pos++
	case c == '#':
		l.pos += lineEnd(rest)
	case c == '/' && l.afterTilde():
		l.regexp(rest)
	case c == '"' || c == '\'':
		l.string(rest)
	case c == '@':
		l.list(rest)
	case l.address(rest):
	case c >= '0' && c <= '9':
		l.number(rest)
	case quickEnd(rest) > 0:
		l.quick(rest, quickEnd(rest))
	case nameEnd(rest) > 0:
		l.emit(tName, nameEnd(rest), nil)
	case opEnd(rest) > 0:
		l.operator(rest[:opEnd(rest)])
	default:
		r := []rune(rest[:min(len(rest), 4)])[0]
		l.bad(len(string(r)), fmt.Sprintf("unexpected character %q", r), "put text in quotes")
	}
}

func (l *lexer) emit(k kind, n int, value any) {
	l.tokens = append(l.tokens, token{Span: Span{l.pos, n}, kind: k, text: l.text[l.pos : l.pos+n], value: value})
	l.pos += n
}

func (l *lexer) bad(n int, message, fix string) {
	l.diags = append(l.diags, Diagnostic{Span{l.pos, n}, shortened(message), shortened(fix)})
	l.emit(tBad, n, nil)
}

func (l *lexer) afterTilde() bool {
	if len(l.tokens) == 0 {
		return false
	}
	t := l.tokens[len(l.tokens)-1]
	return t.kind == tOp && (t.text == "~" || t.text == "!~")
}

func (l *lexer) regexp(rest string) {
	end := regexpEnd(rest)
	if end < 2 {
		l.bad(lineEnd(rest), "the regular expression is empty or never closed", "~ /pattern/")
		return
	}
	p := pattern{source: rest[1:end]}
	source := p.source
	if end++; end < len(rest) && rest[end] == 'i' {
		p.fold, source = true, "(?i)"+source
		end++
	}
	var err error
	if p.re, err = regexp.Compile(source); err != nil {
		l.bad(end, strings.TrimPrefix(err.Error(), "error parsing regexp: "), "")
		return
	}
	l.emit(tRegexp, end, p)
}

// A pattern is the value of a tRegexp.
type pattern struct {
	re     *regexp.Regexp
	source string
	fold   bool
}

func (l *lexer) string(rest string) {
	n := stringEnd(rest)
	if n < 0 {
		l.bad(lineEnd(rest), "the text in quotes is never closed", "add "+rest[:1])
		return
	}
	l.emit(tString, n, unquote(rest[:n]))
}

// stringEnd returns the length of the quoted string that s begins with, -1 if it has no end.
func stringEnd(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case s[0]:
			return i + 1
		}
	}
	return -1
}

func unquote(s string) string {
	s = s[1 : len(s)-1]
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

var quoted = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// Quote returns s as a string of the language, whatever is in it.
func Quote(s string) string {
	return `"` + quoted.Replace(s) + `"`
}

func lineEnd(s string) int {
	if n := strings.IndexByte(s, '\n'); n > 0 {
		return n
	}
	return len(s)
}

func (l *lexer) list(rest string) {
	m := reList.FindString(piece(rest))
	if m == "" {
		l.bad(1, "expected the name of a list after '@'", "@list:scanners")
		return
	}
	l.emit(tList, len(m), nil)
}

// address emits an address or a network if rest begins with what looks like
// one: four numbers with dots, or hexadecimal with two colons.
func (l *lexer) address(rest string) bool {
	n := 0
	colons, dots := 0, 0
	for n < len(rest) && (isHex(rest[n]) || rest[n] == ':' || rest[n] == '.') {
		switch rest[n] {
		case ':':
			colons++
		case '.':
			dots++
		}
		n++
	}
	if colons < 2 && (dots < 3 || colons > 0) || n < len(rest) && isWord(rest[n]) {
		return false
	}
	if colons == 0 && strings.IndexFunc(rest[:n], func(r rune) bool { return r > '9' }) >= 0 {
		return false // a name such as a.b.c.d
	}
	if reTime.MatchString(piece(rest)) {
		return false
	}
	if n < len(rest) && rest[n] == '/' {
		bits := n + 1
		for bits < len(rest) && isDigit(rest[bits]) {
			bits++
		}
		if bits > n+1 {
			l.network(rest, bits)
			return true
		}
	}
	a, err := netip.ParseAddr(rest[:n])
	if err != nil {
		l.bad(n, fmt.Sprintf("'%s' is not an address", rest[:n]), "")
		return true
	}
	l.emit(tIP, n, a.Unmap())
	return true
}

func (l *lexer) network(rest string, n int) {
	p, err := netip.ParsePrefix(rest[:n])
	if err != nil {
		l.bad(n, fmt.Sprintf("'%s' is not a network", rest[:n]), "10.20.0.0/24")
		return
	}
	l.emit(tCIDR, n, p.Masked())
}

func (l *lexer) number(rest string) {
	short := piece(rest)
	if m := reTime.FindString(short); m != "" && !startsWord(rest[len(m):]) {
		t, err := parseTime(m)
		if err != nil {
			l.bad(len(m), fmt.Sprintf("'%s' is not a time", m), "2026-11-20T08:00Z")
			return
		}
		l.emit(tTime, len(m), t)
		return
	}
	if m := reSize.FindStringSubmatch(short); m != nil {
		l.emit(tSize, len(m[0]), whole(parseFloat(m[1])*sizeUnits[m[2]]))
		return
	}
	if m := reDuration.FindStringSubmatch(short); m != nil {
		d := parseFloat(m[1]) * durationUnits[m[2]]
		if d > maxDuration {
			l.bad(len(m[0]), "a duration has 100 years at most", "")
			return
		}
		l.emit(tDuration, len(m[0]), d)
		return
	}
	if m := rePercent.FindStringSubmatch(short); m != nil {
		l.emit(tPercent, len(m[0]), parseFloat(m[1])/100)
		return
	}
	m := reNumber.FindString(short)
	if startsWord(rest[len(m):]) || strings.HasPrefix(rest[len(m):], ".") {
		w := reWord.FindString(short)
		l.bad(len(w), fmt.Sprintf("'%s' is no number, size, duration, address or time", w), numberFix(m, w[len(m):], w))
		return
	}
	l.emit(tNumber, len(m), parseNumber(m))
}

// numberFix guesses what was meant by a number and what stands after it.
func numberFix(number, unit, word string) string {
	u := strings.ToUpper(unit)
	if _, ok := sizeUnits[u]; ok {
		return "did you mean " + number + u + "?"
	}
	if _, ok := sizeUnits[u+"B"]; ok {
		return "did you mean " + number + u + "B?"
	}
	if _, ok := durationUnits[strings.ToLower(unit)]; ok {
		return "did you mean " + number + strings.ToLower(unit) + "?"
	}
	return "text stands in quotes: " + Quote(word)
}

func (l *lexer) quick(rest string, n int) {
	if n < len(rest) && (rest[n] == '"' || rest[n] == '\'') {
		m := stringEnd(rest[n:])
		if m < 0 {
			l.bad(lineEnd(rest), "the text in quotes is never closed", "add "+rest[n:n+1])
			return
		}
		l.emit(tQuick, n+m, quickWord{unquote(rest[n : n+m]), true})
		return
	}
	end := n
	for end < len(rest) && !strings.ContainsRune(" \t\r\n()|,\"", rune(rest[end])) {
		end++
	}
	if end == n {
		l.bad(n, fmt.Sprintf("expected a value after '%s'", rest[:n]), rest[:n]+"value, without a space")
		return
	}
	l.emit(tQuick, end, quickWord{rest[n:end], false})
}

// A quickWord is the value of a tQuick.
type quickWord struct {
	text   string
	quoted bool
}

func (l *lexer) operator(op string) {
	k := tOp
	if op == "&&" || op == "||" || op == "!" {
		k = tName
	}
	l.emit(k, len(op), nil)
	if k == tName {
		l.tokens[len(l.tokens)-1].text = map[string]string{"&&": "and", "||": "or", "!": "not"}[op]
	}
}

func parseTime(s string) (time.Time, error) {
	layout := "2006-01-02T15:04:05.999999999"[:min(len(s), len("2006-01-02"))]
	switch date, clock, _ := strings.Cut(s, "T"); {
	case clock == "":
	default:
		layout = "2006-01-02T15:04"
		zone := strings.IndexAny(clock, "Z+-")
		if zone < 0 {
			zone = len(clock)
		}
		if zone > len("15:04") {
			layout += ":05"
		}
		if zone < len(clock) {
			layout += "Z07:00"
		}
		s = date + "T" + clock
	}
	t, err := time.Parse(layout, s)
	return t.UTC().Truncate(time.Microsecond), err
}

func parseFloat(s string) float64 {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 1e300 // only the range can be wrong: what is compared with it is smaller
	}
	return f
}

func parseNumber(s string) any {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n
	}
	return parseFloat(s)
}

// whole returns f as an integer if it is one that a double holds exactly.
func whole(f float64) any {
	if f == float64(int64(f)) && f < 1<<53 {
		return int64(f)
	}
	return f
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isHex(c byte) bool   { return isDigit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' }
func isWord(c byte) bool {
	return isDigit(c) || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
}
func startsWord(s string) bool { return s != "" && isWord(s[0]) }
