package ldap

import (
	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/decode/kerberos"
	"github.com/weir-nta/weir/decode/ntlm"
	"github.com/weir-nta/weir/internal/ber"
)

const (
	// maxWaiting is how many requests wait for their results. Of more the
	// oldest is told without.
	maxWaiting = 16
	// maxWhole is how much of a message is waited for. Of a longer one, which
	// holds a photo or a list of members, the beginning is read.
	maxWhole = 12 << 10
	// maxMessage is what servers take at most, unless told otherwise
	// (MS-ADTS 3.1.1.3.4.6, MaxReceiveBuffer), and more.
	maxMessage = 64 << 20
	// header is enough of a message to see what it is: its own head of six
	// octets, an identifier with its head, the head of the operation.
	header = 6 + 7 + 6
)

// The operations, by their application tags (RFC 4511, 4.2 to 4.14).
const (
	bindRequest      ber.Tag = 0x60
	bindResponse     ber.Tag = 0x61
	unbindRequest    ber.Tag = 0x42
	searchRequest    ber.Tag = 0x63
	searchEntry      ber.Tag = 0x64
	searchDone       ber.Tag = 0x65
	modifyRequest    ber.Tag = 0x66
	modifyResponse   ber.Tag = 0x67
	addRequest       ber.Tag = 0x68
	addResponse      ber.Tag = 0x69
	deleteRequest    ber.Tag = 0x4a
	deleteResponse   ber.Tag = 0x6b
	modifyDNRequest  ber.Tag = 0x6c
	modifyDNResponse ber.Tag = 0x6d
	compareRequest   ber.Tag = 0x6e
	compareResponse  ber.Tag = 0x6f
	abandonRequest   ber.Tag = 0x50
	searchReference  ber.Tag = 0x73
	extendedRequest  ber.Tag = 0x77
	extendedResponse ber.Tag = 0x78
	intermediate     ber.Tag = 0x79
)

// A Reader reads one conversation. It is a [dialog.Reader], and keeps about 150
// octets for each request that waits, and the names of who logs on.
type Reader struct {
	commands dialog.Commands
	waiting  []operation // oldest first
	user     string      // who is bound
	logon    ntlm.Logon
	ticket   *weir.KerberosMessage // that was shown, until the bind has ended
	ends     [2]end
	layered  bool // a SASL mechanism may have put its layer over what follows
}

// New returns a reader of LDAP.
func New() *Reader { return &Reader{} }

// An operation waits for its result.
type operation struct {
	weir.Command
	id       int64
	response ber.Tag
}

// Read takes a datagram or what has come of a stream.
func (r *Reader) Read(d *dialog.Dialog, from dialog.End, b []byte) int {
	if d.Proto == weir.UDP {
		r.datagram(d, from, b)
		return len(b)
	}
	used := 0
	for used < len(b) && !d.IsAnew() {
		n := r.next(d, from, b[used:])
		if n < 0 {
			return n
		}
		if n == 0 {
			break
		}
		used += n
	}
	return used
}

// next takes the next message, or the head of a layer of SASL, off a stream.
func (r *Reader) next(d *dialog.Dialog, from dialog.End, b []byte) int {
	e := &r.ends[from]
	if e.lost {
		if n := findMessage(b); n > 0 {
			return n
		}
		if len(b) < header {
			return 0
		}
		e.lost = false
	}
	switch {
	case e.inside > 0:
		return r.within(d, from, b)
	case b[0] == 0 && r.layered:
		return e.layer(b)
	}
	return r.one(d, from, b, maxMessage)
}

// one reads the message that b begins with, as soon as it is there, but no more
// than there may come of it. It returns its length.
func (r *Reader) one(d *dialog.Dialog, from dialog.End, b []byte, coming int) int {
	h, err := ber.Head(b)
	if err == ber.ErrShort {
		return 0
	}
	if err != nil || h.Tag != ber.Sequence || h.Body > maxMessage {
		return dialog.Stop
	}
	body := ber.List(b[h.Size:min(len(b), h.Total())])
	if len(b) < min(h.Total(), h.Size+header, coming) {
		return 0
	}
	if passedOver(body) {
		return h.Total()
	}
	if len(b) < min(h.Total(), maxWhole, coming) {
		return 0
	}
	r.message(d, from, body)
	return h.Total()
}

// passedOver reports whether a message is one of those that are found, of which
// nothing is wanted.
func passedOver(body ber.List) bool {
	body.Take(ber.Integer)
	op := body.Peek()
	return op == searchEntry || op == searchReference
}

// maxDatagram is how many messages of one datagram are read: there is one, or an
// entry and the end of a search.
const maxDatagram = 8

// datagram reads the messages in b, of the last of which the end may be missing.
func (r *Reader) datagram(d *dialog.Dialog, from dialog.End, b []byte) {
	l := ber.List(b)
	for range maxDatagram {
		body, ok := l.Take(ber.Sequence)
		if !ok {
			return
		}
		r.message(d, from, body)
	}
}

// Lost looks for the next message behind a gap, which cannot be found among
// those that are sealed.
func (r *Reader) Lost(_ *dialog.Dialog, from dialog.End, _ int) bool {
	r.ends[from].lost = true
	return !r.layered
}

// findMessage returns how much of b is before what looks like a message: all
// but its last octets if nothing does.
func findMessage(b []byte) int {
	for i := range len(b) - header + 1 {
		if b[i] == byte(ber.Sequence) && beginsMessage(b[i:]) {
			return i
		}
	}
	return max(len(b)-header+1, 0)
}

func isOperation(t ber.Tag) bool {
	return t >= bindRequest && t <= compareResponse || t >= searchReference && t <= intermediate || t == unbindRequest || t == deleteRequest || t == abandonRequest
}

// Close tells the requests that were not answered.
func (r *Reader) Close(d *dialog.Dialog) {
	for i := range r.waiting {
		r.tell(d, &r.waiting[i].Command)
	}
	r.waiting = nil
	r.endLogon(d, "", "")
	r.commands.Flush(d)
}

// tell adds a command with the time of its request.
func (r *Reader) tell(d *dialog.Dialog, c *weir.Command) {
	now := d.Time
	if !c.Time.IsZero() {
		d.Time = c.Time
	}
	r.commands.Add(d, *c)
	d.Time = now
}

// message reads one message (4.1.1).
func (r *Reader) message(d *dialog.Dialog, from dialog.End, body ber.List) {
	id, ok := body.TakeInt(ber.Integer)
	op, there := body.Next()
	if !ok || !there {
		return
	}
	if from == dialog.Client {
		r.request(d, id, op.Tag, op.Body)
	} else {
		r.response(d, id, op.Tag, op.Body)
	}
}

func (r *Reader) request(d *dialog.Dialog, id int64, tag ber.Tag, l ber.List) {
	c := weir.Command{Protocol: "ldap", User: r.user}
	c.Time = d.Time
	switch tag {
	case bindRequest:
		c.Command = "bind"
		r.bind(d, &c, l)
	case searchRequest:
		c.Command = "search"
		c.Object, c.Size = search(l)
	case modifyRequest:
		c.Command, c.Object = "modify", modification(l)
	case addRequest:
		c.Command, c.Object = "add", name(l.In(ber.OctetString))
	case deleteRequest:
		c.Command, c.Object = "delete", name(l)
	case modifyDNRequest:
		c.Command, c.Object = "modify_dn", renaming(l)
	case compareRequest:
		c.Command, c.Object = "compare", comparison(l)
	case extendedRequest:
		c.Command, c.Object = "extended", extension(l.In(0x80))
	case unbindRequest:
		c.Command = "unbind"
		r.tell(d, &c)
		return
	case abandonRequest:
		c.Command = "abandon"
		r.tell(d, &c)
		return
	default:
		return
	}
	r.wait(d, operation{Command: c, id: id, response: answers(tag)})
}

// answers returns the operation that answers a request.
func answers(request ber.Tag) ber.Tag {
	switch request {
	case searchRequest:
		return searchDone
	case deleteRequest:
		return deleteResponse
	}
	return request + 1
}

// wait notes a request. One with the number of another that waits is that
// once more, as over UDP.
func (r *Reader) wait(d *dialog.Dialog, o operation) {
	for i := range r.waiting {
		if w := &r.waiting[i]; w.id == o.id && w.response == o.response && w.Object == o.Object {
			return
		}
	}
	if len(r.waiting) >= maxWaiting {
		r.tell(d, &r.waiting[0].Command)
		r.waiting = append(r.waiting[:0], r.waiting[1:]...)
	}
	r.waiting = append(r.waiting, o)
}

// response tells the request that it answers with its result.
func (r *Reader) response(d *dialog.Dialog, id int64, tag ber.Tag, l ber.List) {
	var command string
	switch tag {
	case bindResponse:
		command = "bind"
	case searchDone:
		command = "search"
	case modifyResponse:
		command = "modify"
	case addResponse:
		command = "add"
	case deleteResponse:
		command = "delete"
	case modifyDNResponse:
		command = "modify_dn"
	case compareResponse:
		command = "compare"
	case extendedResponse:
		command = "extended"
	case searchEntry:
		if d.Proto == weir.UDP {
			r.found(d, l)
		}
		return
	default:
		return
	}
	c := weir.Command{Protocol: "ldap", Command: command, User: r.user}
	c.Time = d.Time
	for i := range r.waiting {
		if w := &r.waiting[i]; w.id == id && w.response == tag {
			c = w.Command
			r.waiting = append(r.waiting[:i], r.waiting[i+1:]...)
			break
		}
	}
	res := resultOf(l)
	c.Status, c.Success = res.status, res.success
	switch tag {
	case bindResponse:
		r.bound(d, &c, &res)
	case extendedResponse:
		r.extended(d, &c, id, &res)
	}
	r.tell(d, &c)
}

// extended ends an extended operation. One that nobody asked for is the notice
// that the server ends the connection (4.4.1); TLS begins behind the success of
// StartTLS (4.14).
func (r *Reader) extended(d *dialog.Dialog, c *weir.Command, id int64, res *result) {
	if c.Object == "" && res.oid != "" {
		c.Object = res.oid
	}
	if id == 0 && c.Object == noticeOID {
		c.Command, c.Object = "disconnection", ""
	}
	if c.Object == startTLSOID && res.success == "true" {
		d.Anew()
	}
}

// endLogon tells how the logon ended that a bind carried.
func (r *Reader) endLogon(d *dialog.Dialog, success, status string) {
	if success != "" {
		r.logon.End(d, success == "true", status)
	} else {
		r.logon.Close(d)
	}
	if r.ticket != nil {
		r.ticket.Success = success
		d.Batch.Kerberos = append(d.Batch.Kerberos, *r.ticket)
		r.ticket = nil
	}
}

// token reads a token of GSS-API in a bind or in its answer.
func (r *Reader) token(d *dialog.Dialog, b []byte) {
	if r.logon.Token(d, b) != ntlm.Kerberos {
		return
	}
	var m weir.KerberosMessage
	if kerberos.AP(&m, ntlm.Unwrap(b).Body) {
		m.Endpoints = d.Endpoints
		r.ticket = &m
	}
}
