package netflow

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// variable is the length that says "the record tells it" (RFC 7011, 7).
const variable = 65535

// A field is a field specifier of a template.
type field struct {
	elementID
	length uint16
}

// A templateID names a template: those of one port of one domain. RFC 7011
// (8) and RFC 3954 (5) both say that they are of one session or source; but
// see template lookups in find.
type templateID struct {
	session
	id uint16
}

// A session is what templates are of: who sends what to whom. Exporters of
// version 9 and of IPFIX at one address have nothing in common.
type session struct {
	domain uint32
	port   uint16
	ipfix  bool
}

// A sharedID names a template of whichever port.
type sharedID struct {
	domain uint32
	ipfix  bool
	id     uint16
}

func (id templateID) shared() sharedID { return sharedID{id.domain, id.ipfix, id.id} }

// A format says how the records of a set of templates look.
type format uint8

const (
	v9Templates format = iota
	v9Options
	ipfixTemplates
	ipfixOptions
)

func (f format) options() bool { return f == v9Options || f == ipfixOptions }

// A template is a template that was received, and what was made of it.
type template struct {
	templateID
	format   format
	raw      []byte // as received, to tell a change from a repetition
	fields   []field
	scopes   int // of fields, the first ones, in options
	size     int // of a data record; the least one if variable
	variable bool
	// withdrawal says that it takes back the template of its number.
	withdrawal bool
	plan       *plan

	older, newer *template // by last use
}

// parseTemplate reads the template record that b begins with. It returns nil
// for one that is only padding. A template without fields is a withdrawal.
func parseTemplate(b []byte, f format) (t *template, rest []byte, err error) {
	head := 4
	if f.options() {
		head = 6
	}
	if len(b) < head {
		return nil, nil, ErrTruncated
	}
	t = &template{format: f}
	t.id = binary.BigEndian.Uint16(b)
	count := int(binary.BigEndian.Uint16(b[2:]))
	if f == ipfixTemplates || f == ipfixOptions {
		if count == 0 { // a withdrawal has no scope count (RFC 7011, 8.1)
			t.withdrawal = true
			return t, b[4:], nil
		}
	}
	switch f {
	case v9Options: // lengths in octets
		t.scopes = count / 4
		count = t.scopes + int(binary.BigEndian.Uint16(b[4:]))/4
	case ipfixOptions:
		t.scopes = int(binary.BigEndian.Uint16(b[4:]))
	}
	rest = b[head:]
	t.fields = make([]field, 0, min(count, len(rest)/4))
	scopes := t.scopes
	for i := range count {
		if rest, err = t.appendField(rest, i < scopes); err != nil {
			return nil, nil, err
		}
	}
	t.raw = b[:len(b)-len(rest)]
	return t, rest, nil
}

// appendField reads one field specifier. A field of no length says nothing and
// is left out: a record would else cost more work than it has octets.
func (t *template) appendField(b []byte, scope bool) (rest []byte, err error) {
	if len(b) < 4 {
		return nil, ErrTruncated
	}
	f := field{elementID{0, binary.BigEndian.Uint16(b)}, binary.BigEndian.Uint16(b[2:])}
	b = b[4:]
	switch {
	case t.format == v9Options && scope:
		f.pen = v9ScopePEN
	case t.format == v9Templates || t.format == v9Options:
		f.elementID = v9Element(f.id)
	case f.id&enterpriseID != 0:
		if len(b) < 4 {
			return nil, ErrTruncated
		}
		f.id &^= enterpriseID
		f.pen = binary.BigEndian.Uint32(b)
		b = b[4:]
	}
	if f.length == 0 {
		if scope {
			t.scopes--
		}
		return b, nil
	}
	t.fields = append(t.fields, f)
	if f.length == variable {
		t.variable = true
		t.size++
	} else {
		t.size += int(f.length)
	}
	return b, nil
}

// v9Element tells whose element a number is in version 9, where vendors use
// high numbers instead of an enterprise.
func v9Element(id uint16) elementID {
	if _, ok := elements()[elementID{ianaPEN, id}]; ok || id&enterpriseID == 0 {
		return elementID{ianaPEN, id}
	}
	if id >= ntopV9Base {
		if e := (elementID{ntopPEN, id - ntopV9Base}); elements()[e].name != "" {
			return e
		}
	}
	if e := (elementID{ciscoPEN, id &^ enterpriseID}); elements()[e].name != "" {
		return e
	}
	return elementID{ianaPEN, id}
}

// maxRecord is the longest data record that can be in a set.
const maxRecord = 65535 - 4

// usable says whether records of t can be read. The plan of a template of no
// length would make records out of nothing.
func (t *template) usable(maxFields int) bool {
	return t.id >= 256 && t.size > 0 && t.size <= maxRecord && len(t.fields) <= maxFields && t.scopes <= len(t.fields)
}

// find returns the template for a set. Exporters with several processes send
// templates from one port and use them from another; so a template of the same
// domain from another port serves if this port has sent none at all.
func (d *Decoder) find(id templateID) *template {
	t := d.templates[id]
	if t == nil && d.sessions[id.session] == 0 {
		t = d.shared[id.shared()]
	}
	if t != nil {
		d.touch(t)
	}
	return t
}

// learn takes over a template and reports what that changed. It keeps a copy.
func (d *Decoder) learn(m *Message, t *template) {
	if !t.usable(d.config.MaxFields) {
		m.RefusedTemplates++
		return
	}
	old := d.templates[t.templateID]
	if old != nil && old.format == t.format && bytes.Equal(old.raw, t.raw) {
		d.touch(old)
		d.shared[old.templateID.shared()] = old
		return
	}
	if old != nil {
		d.forget(old)
		m.ChangedTemplates++
	} else {
		m.NewTemplates++
	}
	for len(d.templates) > 0 && (len(d.templates) >= d.config.MaxTemplates || d.fields+len(t.fields) > d.maxFields()) {
		d.forget(d.order.newer)
		m.EvictedTemplates++
	}
	t.raw = slices.Clone(t.raw)
	if !t.format.options() {
		t.plan = d.compile(t)
	}
	d.templates[t.templateID] = t
	d.shared[t.templateID.shared()] = t
	d.sessions[t.session]++
	d.fields += len(t.fields)
	d.link(t)
}

// maxFields bounds the fields of all templates of an exporter: of as many
// templates as may be kept, 32 each. 64 octets each in a plan and 12 in the
// template make 10 MB for 4,096 of them. At the bound the templates unused for
// longest go, as with MaxTemplates.
func (d *Decoder) maxFields() int { return max(32*d.config.MaxTemplates, d.config.MaxFields) }

// withdraw forgets a template, or with the number of a set of templates all of
// that kind in the domain and session (RFC 7011, 8.1).
func (d *Decoder) withdraw(m *Message, id templateID, f format) {
	m.Withdrawn++
	if !d.config.Session {
		return // "MUST be ignored by Collecting Processes collecting via UDP" (RFC 7011, 8.4)
	}
	if id.id >= 256 {
		if t := d.templates[id]; t != nil {
			d.forget(t)
		}
		return
	}
	if !d.mayWalk(len(d.templates)) {
		m.RefusedTemplates++
		return
	}
	for other, t := range d.templates {
		if other.session == id.session && t.format == f {
			d.forget(t)
		}
	}
}

// forget removes t.
func (d *Decoder) forget(t *template) {
	delete(d.templates, t.templateID)
	if s := t.templateID.shared(); d.shared[s] == t {
		delete(d.shared, s)
	}
	if d.sessions[t.session]--; d.sessions[t.session] == 0 {
		delete(d.sessions, t.session)
	}
	d.fields -= len(t.fields)
	t.older.newer, t.newer.older = t.newer, t.older
}

// link puts t at the end of the list for the most recently used.
func (d *Decoder) link(t *template) {
	t.older, t.newer = d.order.older, &d.order
	t.older.newer, d.order.older = t, t
}

func (d *Decoder) touch(t *template) {
	if d.order.older == t {
		return
	}
	t.older.newer, t.newer.older = t.newer, t.older
	d.link(t)
}

// Templates returns how many templates of a domain are known.
func (d *Decoder) Templates(domain uint32) int {
	n := 0
	for id := range d.templates {
		if id.domain == domain {
			n++
		}
	}
	return n
}
