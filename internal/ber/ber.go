// Package ber walks through what is encoded by the Basic or Distinguished
// Encoding Rules of ASN.1 (ITU-T X.690), as LDAP, Kerberos, SNMP, GSS-API and
// MCS are. It copies and allocates nothing, looks at no schema, and knows
// lengths of the definite form only, as those protocols demand (RFC 4511, 5.1).
package ber

import (
	"errors"
	"strconv"
)

// A Tag is the identifier octet of an element: class, form and number. A
// number that needs a second octet has that in its lower half: 0x7f65 is
// [APPLICATION 101], constructed.
type Tag uint16

// The universal tags that are met.
const (
	Boolean     Tag = 0x01
	Integer     Tag = 0x02
	BitString   Tag = 0x03
	OctetString Tag = 0x04
	Null        Tag = 0x05
	OID         Tag = 0x06
	Enumerated  Tag = 0x0a
	GeneralTime Tag = 0x18
	Sequence    Tag = 0x30
	Set         Tag = 0x31
)

// Context returns the tag of a constructed element [n], n up to 30.
func Context(n byte) Tag { return Tag(0xa0 | n&0x1f) }

// Application returns the tag of a constructed element [APPLICATION n], n up to 30.
func Application(n byte) Tag { return Tag(0x60 | n&0x1f) }

// What is wrong with the header of an element.
var (
	// ErrShort says that the header goes on behind what is there.
	ErrShort = errors.New("header cut short")
	// ErrForm says that it is no header of the definite form, or one of more
	// than 2 GB.
	ErrForm = errors.New("no identifier and definite length")
)

// A Header is identifier and length of an element.
type Header struct {
	Tag  Tag
	Size int // of the header itself, in octets: 2 to 7
	Body int // of what follows it, in octets
}

// Total returns the octets of the whole element.
func (h Header) Total() int { return h.Size + h.Body }

// Head reads the header that b begins with. Its error is [ErrShort] or [ErrForm].
func Head(b []byte) (h Header, err error) {
	if len(b) < 2 {
		return h, ErrShort
	}
	h.Tag, h.Size = Tag(b[0]), 2
	if b[0]&0x1f == 0x1f { // the number follows (8.1.2.4)
		if b[1]&0x80 != 0 {
			return h, ErrForm // a number above 127: nobody has one
		}
		if len(b) < 3 {
			return h, ErrShort
		}
		h.Tag, h.Size = h.Tag<<8|Tag(b[1]), 3
	}
	first := b[h.Size-1]
	if first < 0x80 {
		h.Body = int(first)
		return h, nil
	}
	n := int(first & 0x7f)
	if n == 0 || n > 4 {
		return h, ErrForm
	}
	if len(b) < h.Size+n {
		return h, ErrShort
	}
	length := uint32(0)
	for _, c := range b[h.Size : h.Size+n] {
		length = length<<8 | uint32(c)
	}
	if length > 1<<31-1 {
		return h, ErrForm
	}
	h.Size += n
	h.Body = int(length)
	return h, nil
}

// An Element is one data value.
type Element struct {
	Tag  Tag
	Body []byte
	Cut  bool // Body is the beginning only: the rest is not there
}

// A List is what is left of a series of elements: the body of a sequence, a
// message. Each step takes at least two octets off it, so that every walk ends.
type List []byte

// Next takes the first element off. It returns false at the end and where
// nothing can be read; the list is empty then. Of an element that is longer
// than the list the beginning is given.
func (l *List) Next() (e Element, ok bool) {
	h, err := Head(*l)
	if err != nil {
		*l = nil
		return e, false
	}
	rest := (*l)[h.Size:]
	e = Element{Tag: h.Tag, Body: rest[:min(h.Body, len(rest))], Cut: h.Body > len(rest)}
	*l = rest[len(e.Body):]
	return e, true
}

// Peek returns the tag of the first element, 0 if there is none.
func (l List) Peek() Tag {
	h, err := Head(l)
	if err != nil {
		return 0
	}
	return h.Tag
}

// Take takes the first element off if it has that tag, and returns its body.
func (l *List) Take(tag Tag) (body List, ok bool) {
	if l.Peek() != tag {
		return nil, false
	}
	e, ok := l.Next()
	return e.Body, ok
}

// Find takes elements off until it has taken one with that tag, whose body it
// returns. For optional fields, which stand in ascending order of their tags,
// it stops before a context tag of a higher number.
func (l *List) Find(tag Tag) (body List, ok bool) {
	for range *l {
		first := l.Peek()
		if first == tag {
			return l.Take(tag)
		}
		if first == 0 || first > tag && first>>5 == tag>>5 {
			return nil, false
		}
		l.Next()
	}
	return nil, false
}

// In returns the body of the element with that tag, if the list begins with
// one, for what is wrapped: explicit tags, sequences in applications.
func (l List) In(tag Tag) List {
	body, _ := l.Take(tag)
	return body
}

// Int returns the number that is the body of an INTEGER or ENUMERATED (8.3),
// false if that is empty or longer than eight octets.
func Int(body []byte) (n int64, ok bool) {
	if len(body) == 0 || len(body) > 8 {
		return 0, false
	}
	n = int64(int8(body[0]))
	for _, c := range body[1:] {
		n = n<<8 | int64(c)
	}
	return n, true
}

// TakeInt takes an element off that has that tag and is a number.
func (l *List) TakeInt(tag Tag) (n int64, ok bool) {
	body, ok := l.Take(tag)
	if !ok {
		return 0, false
	}
	return Int(body)
}

// maxArcs bounds an object identifier that is written out: a MIB's are
// around 12 arcs, with an address and a port as index 25.
const maxArcs = 40

// AppendOID appends the dotted form of the object identifier that is the body
// of an element (8.19). What is no arc ends it; so do 40 arcs, with "…" behind.
func AppendOID(dst, body []byte) []byte {
	arcs := 0
	arc := uint64(0)
	for _, c := range body {
		if arc > 1<<56 {
			return append(dst, "…"...)
		}
		arc = arc<<7 | uint64(c&0x7f)
		if c&0x80 != 0 {
			continue
		}
		if arcs == maxArcs {
			return append(dst, "…"...)
		}
		if arcs == 0 { // the first two are in one
			top := min(arc/40, 2)
			dst = strconv.AppendUint(dst, top, 10)
			arc -= 40 * top
			arcs++
		}
		dst = append(dst, '.')
		dst = strconv.AppendUint(dst, arc, 10)
		arcs, arc = arcs+1, 0
	}
	return dst
}
