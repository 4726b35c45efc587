package query

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"
)

// A Diagnostic is one thing that is wrong with a text, or odd about it.
type Diagnostic struct {
	Span
	Message string // what is wrong
	Fix     string // what would be right, empty if nobody can know
}

// maxMessage bounds a message or a fix, in bytes: both may quote the text.
const maxMessage = 400

func diagnostic(at Span, fix, format string, args ...any) Diagnostic {
	return Diagnostic{at, shortened(fmt.Sprintf(format, args...)), shortened(fix)}
}

func shortened(s string) string {
	if len(s) <= maxMessage {
		return s
	}
	return s[:runeStart(s, maxMessage)] + "…"
}

// An Error is what is wrong with the text of a question.
type Error struct {
	Text        string
	Diagnostics []Diagnostic // one or more, in the order of the text
}

func newError(text string, diags []Diagnostic) *Error {
	slices.SortStableFunc(diags, func(a, b Diagnostic) int { return a.Pos - b.Pos })
	diags = slices.CompactFunc(diags, func(a, b Diagnostic) bool { return a == b })
	return &Error{Text: text, Diagnostics: diags[:min(len(diags), maxDiagnostics)]}
}

// Error returns the messages on one line, with their positions.
func (e *Error) Error() string {
	messages := make([]string, len(e.Diagnostics))
	for i, d := range e.Diagnostics {
		messages[i] = fmt.Sprintf("%s at %d", d.Message, d.Pos)
	}
	return strings.Join(messages, "; ")
}

// Render returns each message with the line it is about, a caret under the
// place, and a hint, as it is shown in a terminal.
func (e *Error) Render() string {
	var b strings.Builder
	for _, d := range e.Diagnostics {
		b.WriteString(d.Render("error", e.Text))
	}
	return b.String()
}

// maxLine is how much of a line is shown, in bytes: the part around the place.
const maxLine = 100

// Render returns the message under a heading such as "error" or "warning",
// the line of text that it is about, a caret under the place, and a hint.
func (d Diagnostic) Render(heading, text string) string {
	pos := min(max(d.Pos, 0), len(text))
	begin := strings.LastIndexByte(text[:pos], '\n') + 1
	end := len(text)
	if n := strings.IndexByte(text[pos:], '\n'); n >= 0 {
		end = pos + n
	}
	before, after := "", ""
	if pos-begin > maxLine {
		begin, before = max(begin, runeStart(text, pos-maxLine)), "…"
	}
	if end-pos > maxLine {
		end, after = max(pos, runeStart(text, pos+maxLine)), "…"
	}
	marked := text[pos:min(max(pos, pos+d.Len), end)]
	show := func(s string) string {
		return strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f {
				return ' '
			}
			return r
		}, s)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", heading, show(d.Message))
	fmt.Fprintf(&b, "  %s%s%s\n", before, show(text[begin:end]), after)
	indent := runewidth.StringWidth(before + show(text[begin:pos]))
	carets := max(1, runewidth.StringWidth(show(marked)))
	fmt.Fprintf(&b, "  %s%s\n", strings.Repeat(" ", indent), strings.Repeat("^", carets))
	if d.Fix != "" {
		fmt.Fprintf(&b, "  hint: %s\n", show(d.Fix))
	}
	return b.String()
}

// runeStart returns the begin of the character at i. The text need not be UTF-8.
func runeStart(s string, i int) int {
	for i > 0 && !utf8.RuneStart(s[i]) {
		i--
	}
	return i
}
