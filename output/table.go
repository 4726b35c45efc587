package output

import (
	"bufio"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/query"
)

// sampled is how many rows the widths of a table's columns are taken from:
// those after it keep to the widths found, so that a long answer streams.
const sampled = 1000

// A tableWriter writes aligned columns. Numbers stand to the right.
type tableWriter struct {
	*picker
	w      io.Writer
	header bool
	color  bool
	width  int

	rows   [][]string
	widths []int
	out    *bufio.Writer
}

func (t *tableWriter) Row(row query.Row) error {
	cells := make([]string, len(t.columns))
	for i := range cells {
		cells[i] = Escape(t.text(row, i))
		if t.value(row, i) == nil {
			cells[i] = "-"
		}
	}
	if t.out != nil {
		return t.line(cells, true)
	}
	t.rows = append(t.rows, cells)
	if len(t.rows) < sampled {
		return nil
	}
	return t.start()
}

// start settles the widths and writes what has been held back for them.
func (t *tableWriter) start() error {
	t.out = bufio.NewWriter(t.w)
	t.widths = make([]int, len(t.columns))
	head := names(t.picker)
	for i, n := range head {
		t.widths[i] = runewidth.StringWidth(n)
	}
	for _, r := range t.rows {
		for i, c := range r {
			t.widths[i] = max(t.widths[i], runewidth.StringWidth(c))
		}
	}
	t.fit()
	if t.header {
		if err := t.line(head, false); err != nil {
			return err
		}
	}
	for _, r := range t.rows {
		if err := t.line(r, true); err != nil {
			return err
		}
	}
	t.rows = nil
	return nil
}

// fit takes from the widest column until the line fits, but leaves each its
// name or twelve columns.
func (t *tableWriter) fit() {
	const gap, least = 2, 12
	if t.width == 0 {
		return
	}
	total := -gap
	for _, w := range t.widths {
		total += w + gap
	}
	for total > t.width {
		widest := 0
		for i, w := range t.widths {
			if w > t.widths[widest] {
				widest = i
			}
		}
		if t.widths[widest] <= least {
			return
		}
		t.widths[widest]--
		total--
	}
}

func (t *tableWriter) line(cells []string, data bool) error {
	var b strings.Builder
	for i, c := range cells {
		if i > 0 {
			b.WriteString("  ")
		}
		if t.width > 0 {
			c = runewidth.Truncate(c, t.widths[i], "…")
		}
		pad := strings.Repeat(" ", max(0, t.widths[i]-runewidth.StringWidth(c)))
		switch {
		case t.rightAligned(i):
			b.WriteString(pad + c)
		case i == len(cells)-1:
			b.WriteString(t.paint(i, c, data))
		default:
			b.WriteString(t.paint(i, c, data) + pad)
		}
	}
	b.WriteByte('\n')
	_, err := t.out.WriteString(b.String())
	return err
}

func (t *tableWriter) rightAligned(i int) bool {
	c := &t.columns[i]
	return !c.List && (c.Type == weir.Int || c.Type == weir.Float || c.Type == weir.Duration)
}

func (t *tableWriter) paint(i int, cell string, data bool) string {
	if !t.color || !data || t.columns[i].Name != "severity" {
		return cell
	}
	return Severity(cell)
}

// The colours of the severities: of the sixteen that every terminal has.
var severityColors = map[string]string{"critical": "1;31", "high": "31", "medium": "33", "low": "36", "CRIT": "1;31", "HIGH": "31", "MED": "33", "LOW": "36"}

// Severity returns the word of a severity in its colour. The word stays: colour
// is never the only sign.
func Severity(word string) string {
	c, ok := severityColors[strings.TrimSpace(word)]
	if !ok || !utf8.ValidString(word) {
		return word
	}
	return "\x1b[" + c + "m" + word + "\x1b[0m"
}

func (t *tableWriter) Close(*Summary) error {
	if t.out == nil {
		if err := t.start(); err != nil {
			return err
		}
	}
	return t.out.Flush()
}
