package ldap

import (
	"strings"

	"github.com/weir-nta/weir/internal/ber"
	"github.com/weir-nta/weir/internal/uri"
)

// Bounds of what is kept, in octets. A filter or list that is longer ends with "…".
const (
	maxName       = 255
	maxWord       = 64
	maxFilter     = 400
	maxAttributes = 160
	maxDepth      = 16  // of a filter: Active Directory's own have 6
	maxTerms      = 200 // of a filter that are looked at
	maxChanges    = 32
)

const (
	startTLSOID = "1.3.6.1.4.1.1466.20037 (StartTLS)"
	noticeOID   = "1.3.6.1.4.1.1466.20036 (notice of disconnection)"
)

// extensions are the extended operations that are met (IANA, "LDAP
// Parameters"; MS-ADTS 3.1.1.3.4.2).
var extensions = map[string]string{
	"1.3.6.1.4.1.1466.20037": "StartTLS", "1.3.6.1.4.1.1466.20036": "notice of disconnection", "1.3.6.1.4.1.4203.1.11.1": "password modify",
	"1.3.6.1.4.1.4203.1.11.3": "whoami", "1.3.6.1.1.8": "cancel", "1.3.6.1.1.21.1": "start transaction", "1.3.6.1.1.21.3": "end transaction",
	"1.3.6.1.4.1.1466.101.119.1": "refresh", "1.2.840.113556.1.4.1781": "fast bind", "1.2.840.113556.1.4.2212": "batch request",
}

// extension returns an object identifier with its name.
func extension(oid []byte) string {
	s := text(oid, maxWord)
	if n := extensions[s]; n != "" {
		return s + " (" + n + ")"
	}
	return s
}

// text returns b as a string of n octets at most. Directories speak UTF-8;
// what is not printable ASCII is escaped.
func text(b []byte, n int) string { return uri.Printable(b, n) }

// name returns the name of an entry or of who binds.
func name(b []byte) string { return text(b, maxName) }

var scopes = [...]string{"base", "one", "sub", "children"}

// search returns what a search asks for, and the octets of its filter (4.5.1).
func search(l ber.List) (object string, size uint64) {
	base, _ := l.Take(ber.OctetString)
	scope, _ := l.TakeInt(ber.Enumerated)
	l.Take(ber.Enumerated)
	l.Take(ber.Integer)
	l.Take(ber.Integer)
	l.Take(ber.Boolean)
	var s strings.Builder
	if s.WriteString(name(base)); len(base) == 0 {
		s.WriteString("<root>")
	}
	s.WriteByte(' ')
	if scope >= 0 && int(scope) < len(scopes) {
		s.WriteString(scopes[scope])
	}
	if h, err := ber.Head(l); err == nil {
		size = uint64(h.Total())
	}
	if f, ok := l.Next(); ok {
		s.WriteByte(' ')
		w := filter{limit: s.Len() + maxFilter, out: &s}
		w.write(f, 0)
		if w.cut {
			s.WriteString("…")
		}
	}
	if wanted := attributes(l.In(ber.Sequence)); wanted != "" {
		s.WriteString(" [" + wanted + "]")
	}
	return s.String(), size
}

// attributes lists the attributes that are wanted.
func attributes(l ber.List) string {
	var s strings.Builder
	for range maxAttributes {
		a, ok := l.Take(ber.OctetString)
		if !ok {
			break
		}
		if s.Len()+len(a) > maxAttributes {
			s.WriteString("…")
			break
		}
		if s.Len() > 0 {
			s.WriteByte(',')
		}
		s.WriteString(text(a, maxWord))
	}
	return s.String()
}

// A filter is written term by term (RFC 4511, 4.5.1.7; RFC 4515, 3).
type filter struct {
	out   *strings.Builder
	limit int // of out
	terms int
	cut   bool
}

// put writes s unless there is no room left.
func (f *filter) put(s string) {
	if f.cut = f.cut || f.out.Len()+len(s) > f.limit; !f.cut {
		f.out.WriteString(s)
	}
}

func (f *filter) write(e ber.Element, depth int) {
	if f.terms++; f.terms > maxTerms || depth > maxDepth {
		f.cut = true
	}
	if f.cut {
		return
	}
	l := ber.List(e.Body)
	f.put("(")
	switch e.Tag {
	case 0xa0, 0xa1, 0xa2: // and, or, not
		f.put([]string{"&", "|", "!"}[e.Tag-0xa0])
		for range maxTerms {
			in, ok := l.Next()
			if !ok || f.cut {
				break
			}
			f.write(in, depth+1)
		}
	case 0xa3:
		f.assertion(l, "=")
	case 0xa5:
		f.assertion(l, ">=")
	case 0xa6:
		f.assertion(l, "<=")
	case 0xa8:
		f.assertion(l, "~=")
	case 0xa4: // substrings
		a, _ := l.Take(ber.OctetString)
		f.put(text(a, maxWord) + "=" + pattern(l.In(ber.Sequence)))
	case 0x87: // present
		f.put(text(e.Body, maxWord) + "=*")
	case 0xa9:
		f.matching(l)
	}
	f.put(")")
}

// assertion writes an attribute and, if it is of the schema, its value.
func (f *filter) assertion(l ber.List, operator string) {
	a, _ := l.Take(ber.OctetString)
	v, _ := l.Take(ber.OctetString)
	attribute := text(a, maxWord)
	f.put(attribute + operator + value(attribute, v))
}

// pattern tells where the parts of a pattern are, without them.
func pattern(l ber.List) string {
	var s []byte
	for range maxTerms {
		e, ok := l.Next()
		if !ok || len(s) > 16 {
			break
		}
		if e.Tag != 0x80 && len(s) == 0 { // no beginning
			s = append(s, '*')
		}
		s = append(s, '?')
		if e.Tag != 0x82 { // not the end
			s = append(s, '*')
		}
	}
	return string(s)
}

// matching writes an extensible match: attribute:rule:=value.
func (f *filter) matching(l ber.List) {
	rule, _ := l.Find(0x81)
	attribute, _ := l.Find(0x82)
	v, _ := l.Find(0x83)
	f.put(text(attribute, maxWord))
	if dn, ok := l.Find(0x84); ok && len(dn) == 1 && dn[0] != 0 {
		f.put(":dn")
	}
	if len(rule) > 0 {
		f.put(":" + text(rule, maxWord))
	}
	switch string(rule) {
	case "1.2.840.113556.1.4.803", "1.2.840.113556.1.4.804": // bit masks (MS-ADTS 3.1.1.3.4.4)
		f.put(":=" + number(v))
	default:
		f.put(":=" + value(text(attribute, maxWord), v))
	}
}

// schema are the attributes whose values are words of the schema, or numbers
// that stand for kinds of objects.
var schema = map[string]bool{
	"objectclass": true, "objectcategory": true, "samaccounttype": true, "useraccountcontrol": true, "grouptype": true, "admincount": true,
	"systemflags": true, "instancetype": true, "trusttype": true, "trustdirection": true, "isdeleted": true, "iscriticalsystemobject": true,
	"attributesyntax": true, "msds-supportedencryptiontypes": true,
}

// value returns a value if it is one of the schema, else "?". Of a name of the
// schema its first part says it all: CN=Person.
func value(attribute string, v []byte) string {
	if !schema[strings.ToLower(attribute)] {
		return "?"
	}
	s, _, _ := strings.Cut(text(v, maxWord), ",")
	return s
}

// number returns v if it is a number, else "?".
func number(v []byte) string {
	for _, c := range v {
		if (c < '0' || c > '9') && c != '-' {
			return "?"
		}
	}
	return text(v, 20)
}

// modification returns the name of an entry and what is done to which of its
// attributes (4.6).
func modification(l ber.List) string {
	dn, _ := l.Take(ber.OctetString)
	s := name(dn)
	changes := l.In(ber.Sequence)
	for range maxChanges {
		c, ok := changes.Take(ber.Sequence)
		if !ok {
			break
		}
		kind, _ := c.TakeInt(ber.Enumerated)
		attribute := c.In(ber.Sequence).In(ber.OctetString)
		if len(s) > maxName+maxAttributes {
			return s + "…"
		}
		if kind >= 0 && kind < 4 {
			s += " " + [...]string{"add", "delete", "replace", "increment"}[kind] + "(" + text(attribute, maxWord) + ")"
		}
	}
	return s
}

// renaming returns the name of an entry and what it becomes (4.9).
func renaming(l ber.List) string {
	dn, _ := l.Take(ber.OctetString)
	rdn, _ := l.Take(ber.OctetString)
	l.Take(ber.Boolean)
	s := name(dn) + " to " + name(rdn)
	if superior, ok := l.Take(0x80); ok {
		s += "," + name(superior)
	}
	return s
}

// comparison returns the name of an entry and the attribute that is compared (4.10).
func comparison(l ber.List) string {
	dn, _ := l.Take(ber.OctetString)
	return name(dn) + " (" + text(l.In(ber.Sequence).In(ber.OctetString), maxWord) + ")"
}
