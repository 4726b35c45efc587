package output

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"

	"github.com/weir-nta/weir"
)

// severityWords are five letters wide at most, so that they make a column.
var severityWords = map[weir.Severity]string{weir.Info: "INFO", weir.Low: "LOW", weir.Medium: "MED", weir.High: "HIGH", weir.Critical: "CRIT"}

// Explain writes a finding as a block of text: what, who, how sure, what
// speaks against it, and the question that reproduces its numbers. Lines are
// broken at width columns; 0 never breaks.
func Explain(w io.Writer, f *weir.Finding, width int, color bool) error {
	e := &explainer{w: bufio.NewWriter(w), width: width}
	word := fmt.Sprintf("%-4s", severityWords[f.Severity])
	if color {
		word = Severity(word)
	}
	fmt.Fprintf(e.w, "%s  %s  %s   %s  score %.2f\n", word, f.Detector, Escape(parties(f)), f.Certainty, f.Score)
	e.paragraph("", f.Summary)
	e.paragraph("when     ", when(f))
	for i, c := range f.Checks {
		e.paragraph(label("checks", i), checkText(&c))
	}
	for i, t := range f.Terms {
		e.paragraph(label("score", i), fmt.Sprintf("%+.2f %s: %s", t.Value, t.Name, t.Text))
	}
	e.list("against", f.Against, "nothing found that speaks against it")
	e.list("blind to", f.CouldNotCheck, "nothing: all that counts could be seen")
	e.paragraph("ATT&CK   ", strings.Join(f.Techniques, " "))
	e.paragraph("query    ", f.Query)
	fmt.Fprintln(e.w)
	return e.w.Flush()
}

type explainer struct {
	w     *bufio.Writer
	width int
}

// indent is how far everything but the headline stands in.
const indent = "      "

func label(name string, i int) string {
	if i > 0 {
		name = ""
	}
	return fmt.Sprintf("%-9s", name)
}

func (e *explainer) list(name string, items []string, none string) {
	if len(items) == 0 {
		items = []string{none}
	}
	for i, s := range items {
		e.paragraph(label(name, i), s)
	}
}

// paragraph writes text behind a label, broken between words.
func (e *explainer) paragraph(label, text string) {
	words := strings.Fields(Escape(text))
	if len(words) == 0 {
		return
	}
	line, used := indent+label, 0
	for _, w := range words {
		if used > 0 && e.width > 0 && runewidth.StringWidth(line)+1+runewidth.StringWidth(w) > e.width {
			fmt.Fprintln(e.w, line)
			line, used = indent+strings.Repeat(" ", len(label)), 0
		}
		if used > 0 {
			line += " "
		}
		line += w
		used++
	}
	fmt.Fprintln(e.w, line)
}

func checkText(c *weir.Check) string {
	pass := "no "
	if c.Pass {
		pass = "yes"
	}
	return fmt.Sprintf("%s %s: %s (%s %s %s)", pass, c.Label, c.Text, number(c.Value, c.Unit), c.Op, number(c.Threshold, c.Unit))
}

// number writes a measured value with its unit, to three significant digits
// behind the point.
func number(v float64, unit string) string {
	s := strconv.FormatFloat(v, 'f', 3, 64)
	s = strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
	if unit == "" || unit == "ratio" {
		return s
	}
	return s + " " + unit
}

// parties says who did it to whom.
func parties(f *weir.Finding) string {
	who := "?"
	if f.Src.IsValid() {
		who = f.Src.String()
	}
	to := target(f)
	if to == "" {
		return who
	}
	return who + " → " + to
}

func target(f *weir.Finding) string {
	to := f.DstName
	if to == "" && f.Dst.IsValid() {
		to = f.Dst.String()
	}
	if to != "" && f.DstPort != 0 {
		return net.JoinHostPort(to, strconv.Itoa(int(f.DstPort)))
	}
	return to
}

func when(f *weir.Finding) string {
	text := f.First.UTC().Format("2006-01-02 15:04:05Z")
	if f.Last.After(f.First) {
		text += " to " + f.Last.UTC().Format("2006-01-02 15:04:05Z") + ", " + f.Last.Sub(f.First).Round(time.Second).String()
	}
	if f.Count > 1 {
		text += fmt.Sprintf(", told %d times", f.Count)
	}
	return text
}

// ExplainMarkdown writes a finding as a section of Markdown, for a ticket.
func ExplainMarkdown(w io.Writer, f *weir.Finding) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "## %s: %s, %s\n\n%s\n\n", f.Severity, f.Detector, Markdown(parties(f)), Markdown(f.Summary))
	fmt.Fprintf(b, "- when: %s\n- certainty: %s, score %.2f\n- techniques: %s\n", when(f), f.Certainty, f.Score, Markdown(strings.Join(f.Techniques, ", ")))
	if len(f.Checks) > 0 {
		b.WriteString("\n| check | passed | measured |\n|---|---|---|\n")
	}
	for _, c := range f.Checks {
		pass := "no"
		if c.Pass {
			pass = "yes"
		}
		fmt.Fprintf(b, "| %s | %s | %s (%s %s %s) |\n", Markdown(c.Label), pass, Markdown(c.Text), number(c.Value, c.Unit), Markdown(c.Op), number(c.Threshold, c.Unit))
	}
	markdownList(b, "What speaks against it", f.Against)
	markdownList(b, "What could not be checked", f.CouldNotCheck)
	if f.Query != "" {
		fmt.Fprintf(b, "\nThe question that reproduces the numbers:\n\n    %s\n", Escape(f.Query))
	}
	b.WriteString("\n")
	return b.Flush()
}

func markdownList(b *bufio.Writer, title string, items []string) {
	if len(items) == 0 {
		fmt.Fprintf(b, "\n%s: nothing.\n", title)
		return
	}
	fmt.Fprintf(b, "\n%s:\n\n", title)
	for _, s := range items {
		fmt.Fprintf(b, "- %s\n", Markdown(s))
	}
}
