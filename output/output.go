// Package output writes the rows of an answer in the formats that people and
// other programs read: table, json, ndjson, csv, tsv, md and template.
//
// Every string may come from an attacker, so each format makes control
// characters visible and leaves nothing that a terminal, a spreadsheet or a
// Markdown viewer would obey.
package output

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/query"
)

// Formats are the names that Options.Format takes, besides "template=TEXT".
var Formats = []string{"table", "json", "ndjson", "csv", "tsv", "md"}

// Options say how rows are written.
type Options struct {
	Format   string   // one of Formats, or "template=TEXT"
	Columns  []string // the columns wanted, in this order; nil for all
	NoHeader bool     // no line of names in table, csv and tsv
	Time     string   // "iso" (default), "unix" or "local"
	Summary  bool     // ndjson: end with a summary object
	Nulls    bool     // json and ndjson: write missing values as null, not leave them out
	Color    bool     // table: colour the severities
	Width    int      // table: cut cells so that lines fit; 0 never cuts
}

// A Writer writes the rows of one answer.
type Writer interface {
	// Row writes one row. It keeps nothing of it but in the table format.
	Row(query.Row) error
	// Close writes what comes after the last row. A nil Summary says nothing.
	Close(*Summary) error
}

// A Summary is what is said about an answer after its rows.
type Summary struct {
	Complete bool
	Matched  int64 // rows there are
	Shown    int64 // rows written
	Scanned  int64 // records looked at
}

// New returns a Writer of the format that o names, for rows of the given
// columns. It returns an error for an unknown format, column or template.
func New(w io.Writer, columns []query.Column, o Options) (Writer, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	p, err := newPicker(columns, o)
	if err != nil {
		return nil, err
	}
	text, isTemplate := strings.CutPrefix(o.Format, "template=")
	switch {
	case isTemplate:
		return newTemplate(w, p, columns, text)
	case o.Format == "json":
		return &jsonWriter{w: bufio.NewWriter(w), picker: p, envelope: true, nulls: o.Nulls}, nil
	case o.Format == "ndjson":
		return &jsonWriter{w: bufio.NewWriter(w), picker: p, summary: o.Summary, nulls: o.Nulls}, nil
	case o.Format == "csv", o.Format == "tsv":
		return newCSV(w, p, o)
	case o.Format == "md":
		return newMarkdown(w, p)
	}
	return &tableWriter{w: w, picker: p, header: !o.NoHeader, color: o.Color, width: o.Width}, nil
}

// check returns an error for a format or time format that there is not.
func (o *Options) check() error {
	switch {
	case strings.HasPrefix(o.Format, "template="):
	case o.Format == "parquet":
		return fmt.Errorf("format parquet is not in this version yet; there are %s", strings.Join(Formats, ", "))
	case !slices.Contains(Formats, o.Format):
		return fmt.Errorf("unknown format %q: want %s or template='{{...}}'", o.Format, strings.Join(Formats, ", "))
	}
	if !slices.Contains([]string{"", "iso", "unix", "local"}, o.Time) {
		return fmt.Errorf("unknown time format %q: want iso, unix or local", o.Time)
	}
	return nil
}

// A picker takes the wanted columns out of a row.
type picker struct {
	columns []query.Column
	index   []int
	time    string
}

func newPicker(columns []query.Column, o Options) (*picker, error) {
	p := &picker{time: o.Time}
	if o.Columns == nil {
		p.columns = columns
		for i := range columns {
			p.index = append(p.index, i)
		}
		return p, nil
	}
	for _, name := range o.Columns {
		i := slices.IndexFunc(columns, func(c query.Column) bool { return c.Name == name })
		if i < 0 {
			var have []string
			for _, c := range columns {
				have = append(have, c.Name)
			}
			return nil, fmt.Errorf("no column %q in this answer: it has %s", name, strings.Join(have, ", "))
		}
		p.columns = append(p.columns, columns[i])
		p.index = append(p.index, i)
	}
	return p, nil
}

func (p *picker) value(row query.Row, i int) any { return row[p.index[i]] }

// text returns the value of column i for people: empty if missing.
func (p *picker) text(row query.Row, i int) string {
	return p.format(p.value(row, i), &p.columns[i])
}

func (p *picker) format(v any, c *query.Column) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return formatFloat(v)
	case bool:
		return strconv.FormatBool(v)
	case netip.Addr:
		return v.String()
	case time.Time:
		return p.formatTime(v)
	case json.RawMessage:
		return string(v)
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = p.format(e, c)
		}
		return strings.Join(parts, ", ")
	case query.Record:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = c.Fields[i].Name + "=" + p.format(e, &c.Fields[i])
		}
		return strings.Join(parts, " ")
	}
	return fmt.Sprint(v)
}

// formatFloat keeps six significant digits behind the point and no tail of zeros.
func formatFloat(f float64) string {
	s := strconv.FormatFloat(f, 'f', 6, 64)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

func (p *picker) formatTime(t time.Time) string {
	switch p.time {
	case "unix":
		return formatFloat(float64(t.UnixMicro()) / 1e6)
	case "local":
		return t.Local().Format("2006-01-02T15:04:05.999999Z07:00")
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// appendJSON appends v as JSON, times as the options say.
func (p *picker) appendJSON(dst []byte, v any, c *query.Column) []byte {
	switch v := v.(type) {
	case time.Time:
		if p.time == "unix" {
			return append(dst, p.formatTime(v)...)
		}
		return weir.AppendJSONString(dst, p.formatTime(v))
	case query.Record:
		dst = append(dst, '{')
		for i, e := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = weir.AppendJSONString(dst, c.Fields[i].Name)
			dst = append(dst, ':')
			dst = p.appendJSON(dst, e, &c.Fields[i])
		}
		return append(dst, '}')
	}
	return weir.AppendJSONValue(dst, v)
}

// A jsonWriter writes one object a line, or all in an envelope.
type jsonWriter struct {
	*picker
	w        *bufio.Writer
	buf      []byte
	rows     int64
	envelope bool
	summary  bool
	nulls    bool
}

func (j *jsonWriter) Row(row query.Row) error {
	j.buf = j.buf[:0]
	if j.envelope {
		if j.rows == 0 {
			j.buf = append(j.buf, `{"v":1,"rows":[`...)
		} else {
			j.buf = append(j.buf, ',')
		}
		j.buf = append(j.buf, '\n')
	}
	j.rows++
	j.buf = append(j.buf, `{"v":1`...)
	for i := range j.columns {
		v := j.value(row, i)
		if v == nil && !j.nulls {
			continue
		}
		j.buf = append(j.buf, ',')
		j.buf = weir.AppendJSONString(j.buf, j.columns[i].Name)
		j.buf = append(j.buf, ':')
		j.buf = j.appendJSON(j.buf, v, &j.columns[i])
	}
	j.buf = append(j.buf, '}')
	if !j.envelope {
		j.buf = append(j.buf, '\n')
	}
	_, err := j.w.Write(j.buf)
	return err
}

func (j *jsonWriter) Close(s *Summary) error {
	if s == nil {
		s = &Summary{Complete: true, Matched: j.rows, Shown: j.rows}
	}
	counts := fmt.Sprintf(`"complete":%v,"matched":%d,"shown":%d,"scanned":%d`, s.Complete, s.Matched, s.Shown, s.Scanned)
	switch {
	case j.envelope && j.rows == 0:
		fmt.Fprintf(j.w, "{\"v\":1,\"rows\":[],%s}\n", counts)
	case j.envelope:
		fmt.Fprintf(j.w, "],\n%s}\n", counts)
	case j.summary:
		fmt.Fprintf(j.w, "{\"v\":1,\"type\":\"summary\",%s}\n", counts)
	}
	return j.w.Flush()
}

// A csvWriter writes RFC 4180, or tab-separated values.
type csvWriter struct {
	*picker
	w *csv.Writer
}

func newCSV(w io.Writer, p *picker, o Options) (*csvWriter, error) {
	c := &csvWriter{picker: p, w: csv.NewWriter(w)}
	if o.Format == "tsv" {
		c.w.Comma = '\t'
	}
	if o.NoHeader {
		return c, nil
	}
	return c, c.w.Write(names(p))
}

func names(p *picker) []string {
	out := make([]string, len(p.columns))
	for i, c := range p.columns {
		out[i] = c.Name
	}
	return out
}

func (c *csvWriter) Row(row query.Row) error {
	cells := make([]string, len(c.columns))
	for i := range cells {
		cells[i] = c.cell(row, i)
	}
	return c.w.Write(cells)
}

// cell returns the text of a cell. A text that a spreadsheet would take for a
// formula gets an apostrophe before it; numbers, which begin with a minus at
// the worst, do not.
func (c *csvWriter) cell(row query.Row, i int) string {
	v := c.value(row, i)
	s := Escape(c.format(v, &c.columns[i]))
	switch v.(type) {
	case int64, float64, time.Time, bool, netip.Addr:
		return s
	}
	if s != "" && strings.ContainsRune("=+-@", rune(s[0])) {
		return "'" + s
	}
	return s
}

func (c *csvWriter) Close(*Summary) error {
	c.w.Flush()
	return c.w.Error()
}

// A markdownWriter writes a Markdown table.
type markdownWriter struct {
	*picker
	w *bufio.Writer
}

func newMarkdown(w io.Writer, p *picker) (*markdownWriter, error) {
	m := &markdownWriter{p, bufio.NewWriter(w)}
	fmt.Fprintf(m.w, "| %s |\n|%s\n", strings.Join(names(p), " | "), strings.Repeat("---|", len(p.columns)))
	return m, nil
}

func (m *markdownWriter) Row(row query.Row) error {
	cells := make([]string, len(m.columns))
	for i := range cells {
		cells[i] = Markdown(m.text(row, i))
	}
	_, err := fmt.Fprintf(m.w, "| %s |\n", strings.Join(cells, " | "))
	return err
}

func (m *markdownWriter) Close(*Summary) error { return m.w.Flush() }

// A templateWriter runs a text/template for each row, on a map of its columns:
// {{.app}}, and {{.src.ip}} for a name with a dot.
type templateWriter struct {
	*picker
	w    *bufio.Writer
	tmpl *template.Template
}

func newTemplate(w io.Writer, p *picker, columns []query.Column, text string) (*templateWriter, error) {
	t, err := template.New("row").Option("missingkey=error").Parse(text)
	if err != nil {
		return nil, err
	}
	tw := &templateWriter{p, bufio.NewWriter(w), t}
	// An empty row tells of columns that there are not; what else is wrong with
	// it may be right with others.
	if err := t.Execute(io.Discard, tw.values(make(query.Row, len(columns)))); err != nil && strings.Contains(err.Error(), "no entry for key") {
		return nil, err
	}
	return tw, nil
}

// values returns the texts of a row by the names of its columns, and those of
// names with dots also in maps of maps.
func (t *templateWriter) values(row query.Row) map[string]any {
	values := map[string]any{}
	for i, c := range t.columns {
		values[c.Name] = Escape(t.text(row, i))
	}
	for _, c := range t.columns {
		nest(values, c.Name, values[c.Name])
	}
	return values
}

// nest puts v where the dots of a name lead: a.b into a map in m. What has such
// a name already goes before; {{index . "a.b"}} finds v all the same.
func nest(m map[string]any, name string, v any) {
	first, rest, dotted := strings.Cut(name, ".")
	switch {
	case m[first] == nil && !dotted:
		m[first] = v
	case m[first] == nil:
		m[first] = map[string]any{}
	}
	if inner, ok := m[first].(map[string]any); ok && dotted {
		nest(inner, rest, v)
	}
}

func (t *templateWriter) Row(row query.Row) error {
	if err := t.tmpl.Execute(t.w, t.values(row)); err != nil {
		return err
	}
	return t.w.WriteByte('\n')
}

func (t *templateWriter) Close(*Summary) error { return t.w.Flush() }
