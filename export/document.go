package export

import (
	"bufio"
	"io"
	"slices"
	"strings"

	"github.com/weir-nta/weir"
)

// A document is the plan of a JSON object: its members in their order, and
// where their values are from. What has no value is left out, and so is an
// object without members.
type document struct {
	name    string
	value   form        // of a member that is no object
	members []*document // of an object
	// each makes an array of the object: element i has the elements i of the
	// lists that its members are.
	each bool
	// one makes an array with the object as its only element.
	one bool
}

// at returns the member of d by its path, which it makes if there is none.
func (d *document) at(path string) *document {
	for name := range strings.SplitSeq(path, ".") {
		i := slices.IndexFunc(d.members, func(m *document) bool { return m.name == name })
		if i < 0 {
			d.members = append(d.members, &document{name: name})
			i = len(d.members) - 1
		}
		d = d.members[i]
	}
	return d
}

// set says where the value of a path is from.
func (d *document) set(path string, value form) { d.at(path).value = value }

// append appends the members of d that r has values for, and reports whether
// there are any. Element is that of the lists to take, -1 for what is no list.
func (d *document) append(dst []byte, r weir.Record, element int) ([]byte, bool) {
	dst = append(dst, '{')
	begin := len(dst)
	for _, m := range d.members {
		before := len(dst)
		if before > begin {
			dst = append(dst, ',')
		}
		dst = weir.AppendJSONString(dst, m.name)
		dst = append(dst, ':')
		var some bool
		if dst, some = m.appendValue(dst, r, element); !some {
			dst = dst[:before]
		}
	}
	return append(dst, '}'), len(dst) > begin
}

func (d *document) appendValue(dst []byte, r weir.Record, element int) ([]byte, bool) {
	switch {
	case d.each:
		return d.appendEach(dst, r)
	case d.one:
		dst = append(dst, '[')
		dst, some := d.append(dst, r, element)
		return append(dst, ']'), some
	case d.members != nil:
		return d.append(dst, r, element)
	}
	v := d.value(r)
	if list, ok := v.([]any); ok && element >= 0 {
		if element >= len(list) {
			return dst, false
		}
		v = list[element]
	}
	if v == nil || v == "" { // a sensor without a name has none, and not an empty one
		return dst, false
	}
	return weir.AppendJSONValue(dst, v), true
}

// maxElements bounds the lists that are written as objects: no record has more.
const maxElements = 1 << 12

func (d *document) appendEach(dst []byte, r weir.Record) ([]byte, bool) {
	dst = append(dst, '[')
	n := 0
	for ; n < maxElements; n++ {
		before := len(dst)
		if n > 0 {
			dst = append(dst, ',')
		}
		var some bool
		if dst, some = d.append(dst, r, n); !some {
			dst = dst[:before]
			break
		}
	}
	return append(dst, ']'), n > 0
}

// column is the value of a column as it is.
func column(i int) form { return func(r weir.Record) any { return r.Value(i) } }

// constant is the same for all records.
func constant(v any) form { return func(weir.Record) any { return v } }

// A documents writer writes records as JSON objects, one a line.
type documents struct {
	w    *bufio.Writer
	line []byte
	plan func(*weir.Table) (*document, error)
	docs map[*weir.Table]*document
}

func newDocuments(w io.Writer, plan func(*weir.Table) (*document, error)) *documents {
	return &documents{w: bufio.NewWriterSize(w, 64<<10), plan: plan, docs: map[*weir.Table]*document{}}
}

// Write implements [Writer].
func (d *documents) Write(r weir.Record) error {
	doc, ok := d.docs[r.Table()]
	if !ok {
		var err error
		if doc, err = d.plan(r.Table()); err != nil {
			return err
		}
		d.docs[r.Table()] = doc
	}
	d.line, _ = doc.append(d.line[:0], r, -1)
	d.line = append(d.line, '\n')
	_, err := d.w.Write(d.line)
	return err
}

// Close implements [Writer].
func (d *documents) Close() error { return d.w.Flush() }

// NewNDJSON returns a writer of records as Weir itself tells them, one a line;
// [weir.ParseJSON] reads them back.
func NewNDJSON(w io.Writer) Writer { return &ndjson{w: bufio.NewWriterSize(w, 64<<10)} }

type ndjson struct {
	w    *bufio.Writer
	line []byte
}

// Write implements [Writer].
func (n *ndjson) Write(r weir.Record) error {
	n.line = append(weir.AppendJSON(n.line[:0], r), '\n')
	_, err := n.w.Write(n.line)
	return err
}

// Close implements [Writer].
func (n *ndjson) Close() error { return n.w.Flush() }
