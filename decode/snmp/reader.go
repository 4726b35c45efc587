package snmp

import (
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/internal/ber"
)

const (
	// maxWaiting is how many requests wait for their answers, and how long: of
	// more, and of older ones, the oldest are told without.
	maxWaiting = 16
	maxWait    = 30 * time.Second
)

// A Reader reads one conversation. It is a [dialog.Reader], and keeps about 150
// octets for each request that waits.
type Reader struct {
	commands dialog.Commands
	waiting  []request // oldest first
}

// New returns a reader of SNMP.
func New() *Reader { return &Reader{} }

// A request waits for its answer.
type request struct {
	weir.Command
	id    int64
	asker dialog.End
}

// Read takes a datagram.
func (r *Reader) Read(d *dialog.Dialog, from dialog.End, b []byte) int {
	l := ber.List(b)
	fields, ok := l.Take(ber.Sequence)
	if !ok {
		return len(b)
	}
	version, ok := fields.TakeInt(ber.Integer)
	switch {
	case !ok:
	case version == 3:
		r.version3(d, from, fields)
	case version == 0 || version == 1:
		community, _ := fields.Take(ber.OctetString)
		r.pdu(d, from, fields, head{version: [...]string{"SNMPv1", "SNMPv2c"}[version], user: delivered(community)})
	}
	return len(b)
}

// delivered returns a community if it is one that devices are delivered with.
func delivered(community []byte) string {
	switch string(community) {
	case "public", "private":
		return string(community)
	}
	return ""
}

// A head is what is said around a PDU.
type head struct {
	version, user string
	message       int64 // of version 3: the number of the message
}

// version3 reads a message of version 3 (RFC 3412, 6) with the parameters of
// the user-based security model (RFC 3414, 2.4).
func (r *Reader) version3(d *dialog.Dialog, from dialog.End, fields ber.List) {
	global, _ := fields.Take(ber.Sequence)
	var h head
	h.message, _ = global.TakeInt(ber.Integer)
	global.Take(ber.Integer)
	flags, _ := global.Take(ber.OctetString)
	parameters, _ := fields.Take(ber.OctetString)
	usm := parameters.In(ber.Sequence)
	engine, _ := usm.Take(ber.OctetString)
	usm.Take(ber.Integer)
	usm.Take(ber.Integer)
	user, _ := usm.Take(ber.OctetString)
	h.user = text(user, maxUser)
	h.version = "SNMPv3"
	if len(flags) == 1 {
		h.version += [...]string{" noAuthNoPriv", " authNoPriv", " ", " authPriv"}[flags[0]&3]
	}
	if scoped, ok := fields.Take(ber.Sequence); ok {
		scoped.Take(ber.OctetString)
		scoped.Take(ber.OctetString)
		r.announceEngine(d, from, engine, scoped.Peek())
		r.pdu(d, from, scoped, h)
		return
	}
	if fields.Peek() == ber.OctetString {
		r.encrypted(d, from, h)
	}
}

// encrypted notes a message that cannot be read. What comes with the same
// number from the other end is its answer.
func (r *Reader) encrypted(d *dialog.Dialog, from dialog.End, h head) {
	if q := r.take(from, h.message); q != nil {
		q.Success = "true"
		r.tell(d, q)
		return
	}
	r.wait(d, request{Command: r.command(d, "encrypted", "", h), id: h.message, asker: from})
}

// pdu reads what is asked, answered or reported (RFC 3416, 3).
func (r *Reader) pdu(d *dialog.Dialog, from dialog.End, l ber.List, h head) {
	e, ok := l.Next()
	if !ok {
		return
	}
	if e.Tag == trap1 {
		r.report1(d, from, e.Body, h)
		return
	}
	p := pduOf(e.Body)
	id := p.id
	if h.message != 0 {
		id = h.message
	}
	switch e.Tag {
	case get, getNext, getBulk, set, inform:
		kind := kinds[e.Tag]
		r.wait(d, request{Command: r.command(d, kind.name, objects(p.bindings, kind.arcs, e.Tag == inform), h), id: id, asker: from})
	case trap2:
		c := r.command(d, "trap", objects(p.bindings, allArcs, true), h)
		r.tell(d, &request{Command: c, asker: from})
	case response, report:
		r.answer(d, from, id, e.Tag, &p, h)
	}
}

func (r *Reader) command(d *dialog.Dialog, name, object string, h head) weir.Command {
	c := weir.Command{Protocol: "snmp", Command: name, Object: object, User: h.user, Client: h.version}
	c.Time = d.Time
	return c
}

// answer tells the request that a response or report answers. A response that
// nobody asked for, as far as was seen, is a command of its own: the victim of a
// reflection gets nothing else.
func (r *Reader) answer(d *dialog.Dialog, from dialog.End, id int64, tag ber.Tag, p *pdu, h head) {
	if tag == response && p.status == 0 {
		r.announce(d, from, p.bindings)
	}
	q := r.take(from, id)
	if q == nil && tag == report {
		return
	}
	if q == nil {
		q = &request{Command: r.command(d, "response", objects(p.bindings, kinds[getNext].arcs, false), h), asker: from.Other()}
	}
	switch {
	case tag == report:
		q.Status, q.Success = reported(p.bindings)
	case p.status == 0:
		q.Status, q.Success = "noError", "true"
	default:
		q.Status, q.Success = errorName(p.status), "false"
	}
	if q.User == "" && tag == response {
		q.User = h.user
	}
	r.tell(d, q)
}

// wait notes a request, unless it is one that waits, sent once more.
func (r *Reader) wait(d *dialog.Dialog, q request) {
	for i := range r.waiting {
		if w := &r.waiting[i]; w.id == q.id && w.asker == q.asker && w.Command.Command == q.Command.Command && w.Object == q.Object {
			return
		}
	}
	for len(r.waiting) > 0 && (len(r.waiting) >= maxWaiting || d.Time.Sub(r.waiting[0].Time) > maxWait) {
		r.tell(d, &r.waiting[0])
		r.waiting = append(r.waiting[:0], r.waiting[1:]...)
	}
	r.waiting = append(r.waiting, q)
}

// take takes the request out that has a number and is not of the end that
// answers; nil if none waits.
func (r *Reader) take(from dialog.End, id int64) *request {
	for i := range r.waiting {
		if w := &r.waiting[i]; w.id == id && w.asker != from {
			q := *w
			r.waiting = append(r.waiting[:i], r.waiting[i+1:]...)
			return &q
		}
	}
	return nil
}

// tell adds a command with the time of its request, from who asked.
func (r *Reader) tell(d *dialog.Dialog, q *request) {
	defer from(d, q.asker)()
	d.Time = q.Time
	r.commands.Add(d, q.Command)
}

// from turns d so that its client is an end. What it returns turns it back.
func from(d *dialog.Dialog, end dialog.End) (back func()) {
	e := d.Endpoints
	if end == dialog.Server {
		d.Src, d.Dst, d.SrcPort, d.DstPort = e.Dst, e.Src, e.DstPort, e.SrcPort
	}
	return func() { d.Endpoints = e }
}

// Lost is for streams.
func (r *Reader) Lost(*dialog.Dialog, dialog.End, int) bool { return true }

// Close tells the requests that were not answered.
func (r *Reader) Close(d *dialog.Dialog) {
	for i := range r.waiting {
		r.tell(d, &r.waiting[i])
	}
	r.waiting = nil
	r.commands.Flush(d)
}
