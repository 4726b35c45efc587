package kerberos

import (
	"encoding/binary"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/internal/ber"
)

const (
	// maxWaiting is how many requests of a conversation wait for their answers.
	// Clients ask one at a time; of more the oldest is told without answer.
	maxWaiting = 8
	// maxWhole is how much of a message over TCP is waited for. Tickets with
	// long lists of groups are longer: such a message is read up to here, a
	// request then from behind its tickets on.
	maxWhole = 12 << 10
	// maxMessage is more than any message has: Windows allows 65,535.
	maxMessage = 1 << 20
)

// A Reader reads one conversation. It is a [dialog.Reader], and keeps about 300
// octets for each request that waits.
type Reader struct {
	waiting []request // oldest first
	ends    [2]struct {
		tail int // octets left of a request of which the beginning was passed over
		long request
	}
}

// New returns a reader of Kerberos or of the changing of passwords.
func New() *Reader { return &Reader{} }

// A request waits for its answer.
type request struct {
	weir.KerberosMessage
	nonce int64
}

// Read takes a datagram or what has come of a stream.
func (r *Reader) Read(d *dialog.Dialog, from dialog.End, b []byte) int {
	if d.Proto == weir.UDP {
		r.message(d, b)
		return len(b)
	}
	if r.ends[from].tail > 0 {
		return r.behind(d, from, b)
	}
	if len(b) < 4 {
		return 0
	}
	n := int(binary.BigEndian.Uint32(b)) // RFC 4120, 7.2.2
	if n > maxMessage {
		return dialog.Stop
	}
	switch b = b[4:]; {
	case len(b) >= n:
		r.message(d, b[:n])
		return 4 + n
	case len(b) < maxWhole:
		return 0
	}
	if at := r.long(from, b, n); at > 0 {
		return 4 + at
	}
	r.message(d, b)
	return 4 + n
}

// long prepares for the rest of a long request, and returns where the part with
// the names begins; 0 if it is no such thing.
func (r *Reader) long(from dialog.End, b []byte, n int) (at int) {
	l := ber.List(b)
	e, _ := l.Next()
	q := request{}
	if e.Tag != asReq && e.Tag != tgsReq {
		return 0
	}
	fields := ber.List(e.Body).In(ber.Sequence)
	if _, ok := fields.Find(ber.Context(2)); !ok {
		return 0
	}
	h, err := ber.Head(fields)
	if err != nil || h.Tag != ber.Context(3) {
		return 0
	}
	q.of(e.Tag)
	q.preAuth(ber.List(fields)[h.Size:min(len(fields), h.Total())])
	at = len(b) - len(fields) + h.Total()
	if at >= n {
		return 0
	}
	r.ends[from].tail, r.ends[from].long = n-at, q
	return at
}

// behind reads a long request from where its body begins.
func (r *Reader) behind(d *dialog.Dialog, from dialog.End, b []byte) int {
	e := &r.ends[from]
	if len(b) < min(e.tail, maxWhole) {
		return 0
	}
	n := e.tail
	q := e.long
	e.tail, e.long = 0, request{}
	fields := ber.List(b[:min(n, len(b))])
	if body, ok := fields.Find(ber.Context(4)); ok {
		q.body(body.In(ber.Sequence))
		r.asked(d, &q)
	}
	return n
}

// Lost ends the reading: where the next message begins is not known any more.
func (r *Reader) Lost(*dialog.Dialog, dialog.End, int) bool { return false }

// Close tells the requests that were not answered.
func (r *Reader) Close(d *dialog.Dialog) {
	for i := range r.waiting {
		d.Batch.Kerberos = append(d.Batch.Kerberos, r.waiting[i].KerberosMessage)
	}
	r.waiting = nil
}

// message reads one message, of which the end may be missing.
func (r *Reader) message(d *dialog.Dialog, b []byte) {
	b = password(b)
	l := ber.List(b)
	e, ok := l.Next()
	fields := ber.List(e.Body).In(ber.Sequence)
	if !ok || len(fields) == 0 {
		return
	}
	var q request
	switch q.of(e.Tag); e.Tag {
	case asReq, tgsReq:
		q.kdcRequest(fields)
		r.asked(d, &q)
	case apReq:
		q.apRequest(fields)
		r.asked(d, &q)
	case asRep, tgsRep:
		r.granted(d, &q, fields)
	case apRep:
		r.accepted(d, &q)
	case krbError:
		r.refused(d, &q, fields)
	}
}

// password returns the first message of Kerberos in b, which may be one that
// changes a password: length, version, the length of the first and, behind it, a
// private or an error message (RFC 3244, 2).
func password(b []byte) []byte {
	const header, version1, versionMS = 6, 1, 0xff80
	if len(b) < header || b[0] >= byte(asReq) || int(binary.BigEndian.Uint16(b)) < header {
		return b
	}
	if v := binary.BigEndian.Uint16(b[2:]); v != version1 && v != versionMS {
		return b
	}
	return b[header:] // of a length of 0 this is an error
}

// asked notes a request, unless it is one that waits already, sent once more.
func (r *Reader) asked(d *dialog.Dialog, q *request) {
	q.Endpoints = d.Endpoints
	for i := range r.waiting {
		if old := &r.waiting[i]; old.Type == q.Type && old.nonce == q.nonce && old.Service == q.Service && old.PreAuth == q.PreAuth {
			return
		}
	}
	if len(r.waiting) >= maxWaiting {
		d.Batch.Kerberos = append(d.Batch.Kerberos, r.waiting[0].KerberosMessage)
		r.waiting = append(r.waiting[:0], r.waiting[1:]...)
	}
	r.waiting = append(r.waiting, *q)
}

// answered takes the request that fits out of those that wait, or makes one
// where it was missed. Answers have no number in clear: the oldest request of
// their kind is theirs, rather one with the same names.
func (r *Reader) answered(d *dialog.Dialog, kind, service string) weir.KerberosMessage {
	best := -1
	for i := range r.waiting {
		w := &r.waiting[i]
		if kind != "" && w.Type != kind {
			continue
		}
		if w.Service == service {
			best = i
			break
		}
		if best < 0 {
			best = i
		}
	}
	if best < 0 {
		return weir.KerberosMessage{Endpoints: d.Endpoints, Type: kind, Service: service}
	}
	m := r.waiting[best].KerberosMessage
	r.waiting = append(r.waiting[:best], r.waiting[best+1:]...)
	return m
}

func (r *Reader) granted(d *dialog.Dialog, q *request, fields ber.List) {
	a := reply(fields)
	m := r.answered(d, q.Type, a.service)
	if a.client != "" && (m.Client == "" || m.Type == "TGS") {
		m.Client = a.client // of a ticket for somebody else: that somebody
	}
	if a.service != "" {
		m.Service = a.service
	}
	m.Success, m.Cipher, m.ReplyCipher = "true", a.ticket, a.sealed
	d.Batch.Kerberos = append(d.Batch.Kerberos, m)
}

func (r *Reader) accepted(d *dialog.Dialog, q *request) {
	m := r.answered(d, q.Type, "")
	m.Success = "true"
	d.Batch.Kerberos = append(d.Batch.Kerberos, m)
}

func (r *Reader) refused(d *dialog.Dialog, q *request, fields ber.List) {
	e := failure(fields)
	m := r.answered(d, "", e.service)
	if m.Client == "" {
		m.Client = e.client
	}
	if m.Service == "" {
		m.Service = e.service
	}
	m.Success, m.Error = "false", e.name
	d.Batch.Kerberos = append(d.Batch.Kerberos, m)
}

// timeOf reads a time (RFC 4120, 5.2.3), the zero time if it is none. Windows
// asks for 20370913024805Z, and for 19700101000000Z where it means as long as
// possible.
func timeOf(b []byte) time.Time {
	t, err := time.Parse("20060102150405Z", string(b[:min(len(b), 20)]))
	if err != nil || t.Unix() <= 0 {
		return time.Time{}
	}
	return t
}
