package zeek

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/jsonline"
)

// Config are the settings of a [Decoder].
type Config struct {
	// Sensor is the name of the sensor in the records; empty takes that of the
	// system where a line names it (Corelight does), else "zeek".
	Sensor string
	// Path says which log it is by the name of its file, such as "conn", for
	// lines that do not tell: JSON as Zeek writes it. If there is no such log
	// that is read, it is told by the columns; if these do not tell either, the
	// line is skipped as one of Path.
	Path string
	// Join is what the logs of one sensor have in common; nil for a decoder
	// that is alone.
	Join *Join
}

// Counters say what became of the lines: Lines is the sum of the others.
type Counters struct {
	Lines   uint64
	Headers uint64 // headers and comments
	Records uint64 // became a record
	Joined  uint64 // tell something of records of other logs: ssl, x509, tunnel …
	Damaged uint64 // could not be read
	// Skipped counts lines of logs that there is no table for, by the log.
	// After maxSkipped names, all others are "others".
	Skipped map[string]uint64
}

// maxSkipped bounds Counters.Skipped. Zeek has less than a hundred logs;
// somebody who invents names makes us say "others".
const maxSkipped = 200

// A Decoder reads the lines of one log, in their order. It is not for several
// goroutines.
type Decoder struct {
	c    Config
	join *Join

	// Of the header of TSV.
	separator, setSeparator []byte
	empty, unset            string
	path                    string
	plan                    []cell // of the columns, in their order; nil before there is a header
	kind                    *kind  // that path names; nil if there is none
	kindKnown               bool

	// Of the line.
	v       [columnCount]value
	used    []column
	text    []byte
	bad     error
	now     time.Time
	strings []string        // texts that are likely to come again
	texts   strings.Builder // texts that are not

	lines, elements, inner jsonline.Reader
	order                  []key // of the members of the last line
	at                     int
	count                  Counters
}

// A cell is what to do with what stands between two separators.
type cell struct {
	column column
	within []column // of several columns in one, between three spaces each
}

type key struct {
	name   string
	column column
}

// NewDecoder returns a decoder.
func NewDecoder(c Config) *Decoder {
	if c.Join == nil {
		c.Join = NewJoin(0)
	}
	d := &Decoder{c: c, join: c.Join, strings: make([]string, interned)}
	d.count.Skipped = map[string]uint64{}
	d.newHeader()
	return d
}

// newHeader forgets the header before: a log may be written by several Zeeks
// one after the other.
func (d *Decoder) newHeader() {
	d.separator, d.setSeparator = []byte("\t"), []byte(",")
	d.empty, d.unset = "(empty)", "-"
	d.plan = nil
	if d.setPath(""); Known(d.c.Path) {
		d.setPath(d.c.Path)
	}
}

// setPath says which log the lines are of.
func (d *Decoder) setPath(name string) {
	d.path = name
	d.kind, d.kindKnown = kindOf(name), name != ""
}

// Counters returns what became of the lines so far. The map is the decoder's own.
func (d *Decoder) Counters() Counters { return d.count }

// Time returns the time that the last line tells of, of a conversation its
// begin; the zero Time if it tells none.
func (d *Decoder) Time() time.Time { return d.now }

var (
	errNoHeader = errors.New("no #fields before it say what the columns are")
	errNoTime   = errors.New("no time (ts)")
	errNoKind   = errors.New("neither a _path nor its members say which log it is of")
)

// byteOrder is what some editors put before a text.
var byteOrder = []byte("\xef\xbb\xbf")

// Line decodes one line, without its end, and appends what it gives to b. It
// keeps nothing of line. The error says why the line could not be read; then
// b is as it was.
func (d *Decoder) Line(b *weir.Batch, line []byte) error {
	d.count.Lines++
	d.reset()
	line = bytes.TrimSuffix(line, []byte("\r"))
	if d.count.Lines == 1 {
		line = bytes.TrimPrefix(line, byteOrder)
	}
	var err error
	switch {
	case len(line) == 0:
		d.count.Headers++
		return nil
	case line[0] == '#':
		d.header(line)
		d.count.Headers++
		return nil
	case line[0] == '{':
		err = d.json(b, line)
	default:
		err = d.tsv(b, line)
	}
	if err != nil {
		d.count.Damaged++
	}
	return err
}

// Flush is for logs whose lines wait for later ones; these do not.
func (d *Decoder) Flush(*weir.Batch) {}

func (d *Decoder) reset() {
	for _, c := range d.used {
		d.v[c] = value{}
	}
	d.used, d.text, d.bad, d.now = d.used[:0], d.text[:0], nil, time.Time{}
}

func (d *Decoder) set(c column, v value) {
	if d.v[c].kind == absent {
		d.used = append(d.used, c)
	}
	d.v[c] = v
}

// header reads a line that begins with #. Those that are not known are
// comments, as are #open, #close and #types: what is in a column follows from
// its name.
func (d *Decoder) header(line []byte) {
	if rest, ok := bytes.CutPrefix(line, []byte("#separator ")); ok {
		d.newHeader()
		if s := d.meaningOfHeader(rest); len(s) > 0 && len(s) <= 8 {
			d.separator = s
		}
		return
	}
	name, rest, _ := bytes.Cut(line, d.separator)
	switch string(name) {
	case "#set_separator":
		if s := d.meaningOfHeader(rest); len(s) > 0 && len(s) <= 8 {
			d.setSeparator = s
		}
	case "#empty_field":
		d.empty = string(rest)
	case "#unset_field":
		d.unset = string(rest)
	case "#path":
		d.setPath(string(rest[:min(len(rest), 64)]))
	case "#fields":
		d.fields(rest)
	}
}

// meaningOfHeader resolves \xNN, as in "#separator \x09".
func (d *Decoder) meaningOfHeader(b []byte) []byte {
	var out []byte
	for len(b) > 0 {
		if n, ok := hexByte(b[1:]); b[0] == '\\' && ok {
			out = append(out, n)
			b = b[4:]
			continue
		}
		out = append(out, b[0])
		b = b[1:]
	}
	return out
}

// maxColumns bounds the plan. Zeek's widest log has about eighty columns.
const maxColumns = 1024

// within separates the names, and the values, of columns that are one: the
// label that Stratosphere's tools append to a log, "tunnel_parents   label
// detailed-label".
const within = "   "

func (d *Decoder) fields(names []byte) {
	d.plan = d.plan[:0]
	for more := true; more && len(d.plan) < maxColumns; {
		var name []byte
		name, names, more = bytes.Cut(names, d.separator)
		c := cell{column: columnNamed(name)}
		if parts := bytes.Split(name, []byte(within)); len(parts) > 1 {
			for _, p := range parts {
				c.within = append(c.within, columnNamed(p))
			}
		}
		d.plan = append(d.plan, c)
	}
	if !d.kindKnown {
		d.guessFromPlan()
	}
}

// guessFromPlan finds out by the columns which log it is.
func (d *Decoder) guessFromPlan() {
	var has [columnCount]bool
	for _, c := range d.plan {
		if c.column != cIgnored {
			has[c.column] = true
		}
	}
	d.kind = guess(func(c column) bool { return has[c] })
}

// maxColumnName is longer than the name of any column. Names that are longer are
// not looked up, which takes time as they are long: objects of JSON whose own
// name is long give it to each of their members.
const maxColumnName = 64

func columnNamed(name []byte) column {
	if len(name) > maxColumnName {
		return cIgnored
	}
	if c, ok := columnOf[string(name)]; ok {
		return c
	}
	return cIgnored
}

// tsv reads a line of values.
func (d *Decoder) tsv(b *weir.Batch, line []byte) error {
	if len(d.plan) == 0 {
		if !isNames(line, d.separator) {
			return errNoHeader
		}
		d.fields(line)
		d.count.Headers++
		return nil
	}
	if d.kind == nil && d.kindKnown {
		d.skip(d.path)
		return nil
	}
	if err := d.cells(line); err != nil {
		return err
	}
	return d.record(b, d.kind)
}

// isNames reports whether a line without # holds the names of columns, as what
// zeek-cut -c leaves of a log does.
func isNames(line, separator []byte) bool {
	first, rest, _ := bytes.Cut(line, separator)
	second, _, _ := bytes.Cut(rest, separator)
	return columnNamed(first) != cIgnored && columnNamed(second) != cIgnored
}

func (d *Decoder) cells(line []byte) error {
	for i := range d.plan {
		c := &d.plan[i]
		end := d.cellEnd(line)
		last := end == len(line)
		if last != (i == len(d.plan)-1) {
			return fmt.Errorf("%d columns or so, the header has %d", i+1, len(d.plan))
		}
		cell := line[:end]
		if !last {
			line = line[end+len(d.separator):]
		}
		switch {
		case c.within != nil:
			d.cellsWithin(c.within, cell)
		case c.column != cIgnored:
			d.cell(c.column, cell)
		}
	}
	return nil
}

// cellEnd returns where the first separator in line is, or its end. Cells are
// so short that a loop is quicker than a call of the assembly in package bytes.
func (d *Decoder) cellEnd(line []byte) int {
	first := d.separator[0]
	for i, c := range line {
		if c == first && (len(d.separator) == 1 || bytes.HasPrefix(line[i:], d.separator)) {
			return i
		}
	}
	return len(line)
}

func (d *Decoder) cellsWithin(columns []column, b []byte) {
	for _, c := range columns {
		var part []byte
		part, b, _ = bytes.Cut(b, []byte(within))
		if c != cIgnored {
			d.cell(c, part)
		}
	}
}

func (d *Decoder) cell(c column, b []byte) {
	switch {
	case string(b) == d.unset:
	case string(b) == d.empty || len(b) == 0:
		d.set(c, value{nil, empty})
	default:
		d.set(c, value{b, raw})
	}
}

// json reads a line that is an object.
func (d *Decoder) json(b *weir.Batch, line []byte) error {
	if err := d.members(&d.lines, line); err != nil {
		return err
	}
	// A shipper wraps the line: {"message":"{\"ts\": …}","event":{"dataset":"zeek.conn"}, …}
	if m := d.v[cMessage]; m.kind == text && !d.has(cTime) && len(m.b) > 0 && m.b[0] == '{' {
		if err := d.members(&d.inner, m.b); err != nil {
			return fmt.Errorf("in message: %w", err)
		}
	}
	k, name := d.kind, d.path
	if told := d.toldPath(); told != "" {
		if told != d.path || !d.kindKnown {
			k = kindOf(told)
			name = told
		}
	} else if !d.kindKnown {
		name = d.c.Path
		if k = guess(d.has); k == nil && name == "" {
			return errNoKind
		}
	}
	if k == nil {
		d.skip(name)
		return nil
	}
	return d.record(b, k)
}

// toldPath returns which log a line says it is of, by what it came to carry on
// its way: Corelight's _path, a shipper's stream, dataset or file.
func (d *Decoder) toldPath() string {
	for _, c := range [...]column{cPath, cStream, cDataset, cFile} {
		b := d.bytes(c)
		if len(b) == 0 {
			continue
		}
		if c == cFile {
			return PathOf(string(b))
		}
		if i := bytes.LastIndexByte(b, '.'); c == cDataset && i >= 0 {
			b = b[i+1:]
		}
		return d.intern(b[:min(len(b), 64)])
	}
	return ""
}

// members keeps the members of an object that are columns.
func (d *Decoder) members(r *jsonline.Reader, line []byte) error {
	d.at = 0
	return r.Each(line, func(name, b []byte, kind jsonline.Kind) error {
		c := d.columnOf(name)
		if c == cIgnored {
			return nil
		}
		switch kind {
		case jsonline.String:
			d.set(c, value{b, text})
		case jsonline.Number, jsonline.True, jsonline.False:
			d.set(c, value{b, literal})
		case jsonline.Array:
			d.set(c, value{b, array})
		}
		return nil
	})
}

// columnOf returns the column of a member. Lines of one log have the same
// members in the same order, but for those that are unset: what came next in
// an earlier line is likely to come next, and to be known without a search.
func (d *Decoder) columnOf(name []byte) column {
	const near = 4
	for i := d.at; i < min(d.at+near, len(d.order)); i++ {
		if d.order[i].name == string(name) {
			d.at = i + 1
			return d.order[i].column
		}
	}
	c := columnNamed(name)
	const most = 64
	if len(d.order) < most && len(name) < 64 {
		k := key{string(name), c}
		d.order = append(d.order, key{})
		copy(d.order[d.at+1:], d.order[d.at:])
		d.order[d.at] = k
		d.at++
	}
	return c
}

// record has the line made into what its log holds.
func (d *Decoder) record(b *weir.Batch, k *kind) error {
	if k == nil {
		d.skip(d.c.Path)
		return nil
	}
	d.now = d.time(cTime)
	if d.bad == nil && d.now.IsZero() && !k.timeless {
		return errNoTime
	}
	if k.becomes == nothing {
		k.join(d)
		if d.bad != nil {
			return d.bad
		}
		d.count.Joined++
		return nil
	}
	k.append(d, b)
	if d.bad != nil {
		k.takeBack(b)
		return d.bad
	}
	if k.join != nil {
		k.join(d)
	}
	d.count.Records++
	return nil
}

func (d *Decoder) skip(name string) {
	if name == "" {
		name = "unknown"
	}
	if _, known := d.count.Skipped[name]; !known && len(d.count.Skipped) >= maxSkipped {
		name = "others"
	}
	d.count.Skipped[name]++
}

// PathOf returns which log a file is, by its name: "conn" for conn.log,
// conn.13:00:00-14:00:00.log.gz and conn_20240101_10:00:00-11:00:00-0000.log.gz.
// It is what stands before the first character that no log has in its name.
func PathOf(file string) string {
	name := path.Base(strings.ReplaceAll(file, `\`, "/"))
	name = strings.TrimLeft(name, "0123456789-_.") // 2026-11-21-conn.log
	end := 0
	for end < len(name) && (name[end] >= 'a' && name[end] <= 'z' || name[end] >= 'A' && name[end] <= 'Z' || name[end] == '_' || name[end]-'0' <= 9 && !dated(name[end:])) {
		end++
	}
	return strings.ToLower(strings.TrimRight(name[:end], "_"))
}

// dated reports whether s begins with a date, as 20240101.
func dated(s string) bool {
	return len(s) >= 8 && strings.IndexFunc(s[:8], func(r rune) bool { return r < '0' || r > '9' }) < 0
}

// IsLog reports whether head, the begin of a file, is that of a log of Zeek.
func IsLog(head []byte) bool {
	head = bytes.TrimPrefix(head, byteOrder)
	for range 8 { // comments before the header
		if bytes.HasPrefix(head, []byte("#separator ")) || bytes.HasPrefix(head, []byte("#fields\t")) || bytes.HasPrefix(head, []byte("#path\t")) {
			return true
		}
		if len(head) == 0 || head[0] != '#' {
			break
		}
		_, head, _ = bytes.Cut(head, []byte("\n"))
	}
	line, _, _ := bytes.Cut(head, []byte("\n"))
	line = bytes.TrimSpace(line)
	if len(line) == 0 {
		return false
	}
	d := NewDecoder(Config{})
	if line[0] != '{' {
		return isNames(line, d.separator)
	}
	if bytes.HasPrefix(line, []byte(`{"v":`)) || bytes.Contains(line, []byte(`"src.ip":`)) {
		return false // Weir's own records, whose fields Zeek's logs do not have
	}
	// A line longer than what was read of the file is damaged, and yet told by
	// the members that it begins with.
	_ = d.members(&d.lines, line)
	if m := d.v[cMessage]; m.kind == text && !d.has(cTime) {
		_ = d.members(&d.inner, m.b)
	}
	if !d.has(cTime) {
		return false
	}
	// Zeek writes ts first; others who have a ts begin with other things.
	return len(d.order) > 0 && d.order[0].name == "ts" || d.has(cPath) || d.has(cUID) || d.has(cStream) || guess(d.has) != nil
}
