// Command picture draws the text of a terminal, colours included, as an SVG:
// the picture in the README.
//
//	bin/weir demo -o table --color always | go run ./tools/picture > docs/demo.svg
package main

import (
	"bufio"
	"encoding/xml"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/mattn/go-runewidth"
)

const (
	columns    = 132  // longer lines are cut, as a terminal would
	lines      = 34   // more are left out
	charWidth  = 8.43 // of the font at its size
	lineHeight = 19
	margin     = 18
)

// palette gives the sixteen colours' names in the order of their SGR codes.
var palette = map[string]string{"31": "#ff7b72", "1;31": "#ff4d4d", "33": "#e3b341", "36": "#76c7d6"}

var sgr = regexp.MustCompile(`\x1b\[([0-9;]*)m`)

func main() {
	if err := draw(); err != nil {
		fmt.Fprintln(os.Stderr, "picture:", err)
		os.Exit(1)
	}
}

func draw() error {
	text := []string{"$ weir demo"}
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() && len(text) < lines {
		text = append(text, in.Text())
	}
	if err := in.Err(); err != nil {
		return err
	}
	out := bufio.NewWriter(os.Stdout)
	width, height := columns*charWidth+2*margin, len(text)*lineHeight+2*margin
	fmt.Fprintf(out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %d" font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace" font-size="14">`+"\n", width, height)
	fmt.Fprintf(out, `<rect width="100%%" height="100%%" rx="8" fill="#0d1117"/>`+"\n")
	for i, line := range text {
		fmt.Fprintf(out, `<text x="%d" y="%d" fill="#c9d1d9" xml:space="preserve">%s</text>`+"\n", margin, margin+lineHeight*(i+1)-5, spans(line))
	}
	fmt.Fprintln(out, "</svg>")
	return out.Flush()
}

// spans turns the colours of a line into tspans, and cuts it at the last column.
func spans(line string) string {
	var b strings.Builder
	open, used := false, 0
	for line != "" {
		at := sgr.FindStringSubmatchIndex(line)
		plain := line
		if at != nil {
			plain = line[:at[0]]
		}
		shown := runewidth.Truncate(plain, columns-used, "…")
		used += runewidth.StringWidth(shown)
		_ = xml.EscapeText(&b, []byte(shown)) // a strings.Builder does not fail
		if at == nil {
			break
		}
		if open {
			b.WriteString("</tspan>")
		}
		color, ok := palette[line[at[2]:at[3]]]
		if open = ok; ok {
			fmt.Fprintf(&b, `<tspan fill="%s" font-weight="bold">`, color)
		}
		line = line[at[1]:]
	}
	if open {
		b.WriteString("</tspan>")
	}
	return b.String()
}
