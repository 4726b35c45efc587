package kerberos

import (
	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/ber"
	"github.com/weir-nta/weir/internal/uri"
)

// The messages, by their application tags (RFC 4120, 5.10).
const (
	asReq    = ber.Tag(0x60 | 10)
	asRep    = ber.Tag(0x60 | 11)
	tgsReq   = ber.Tag(0x60 | 12)
	tgsRep   = ber.Tag(0x60 | 13)
	apReq    = ber.Tag(0x60 | 14)
	apRep    = ber.Tag(0x60 | 15)
	ticket   = ber.Tag(0x60 | 1)
	krbError = ber.Tag(0x60 | 30)
)

// Types of pre-authentication (RFC 4120, 7.5.2; IANA, "Kerberos Parameters").
const (
	paEncTimestamp  = 2
	paPKReqOld      = 14
	paPKReq         = 16
	paForUser       = 129 // MS-SFU 2.2.1: a ticket for the named user
	paFast          = 136 // RFC 6113: what is within is not to be seen
	paEncChallenge  = 138
	paOTPRequest    = 142
	paAsFreshness   = 150
	maxPreAuth      = 32  // elements looked at
	maxEtypes       = 16  // kept
	maxParts        = 8   // of a name
	maxName         = 255 // octets of a principal
	generalString   = ber.Tag(0x1b)
	forwardable     = 0x40 // in the first octet of the options
	renewable       = 0x80 // in the second
	maxEtypesOnWire = 64
)

// of sets the kind of request that a message is or answers.
func (q *request) of(tag ber.Tag) {
	switch tag {
	case asReq, asRep:
		q.Type = "AS"
	case tgsReq, tgsRep:
		q.Type = "TGS"
	case apReq, apRep:
		q.Type = "AP"
	}
}

// kdcRequest reads a request to the key distribution centre (5.4.1).
func (q *request) kdcRequest(fields ber.List) {
	known, ok := fields.Find(ber.Context(3))
	if q.Type == "AS" {
		q.PreAuth = "false"
	}
	if ok {
		q.preAuth(known)
	}
	if body, ok := fields.Find(ber.Context(4)); ok {
		q.body(body.In(ber.Sequence))
	}
}

// preAuth reads by what the client shows that it knows its key, and for whom it
// asks. A ticket is granted to who has another one, so only of a first request
// it is of interest whether it does.
func (q *request) preAuth(l ber.List) {
	l = l.In(ber.Sequence)
	armoured := false
	for range maxPreAuth {
		e, ok := l.Next()
		if !ok {
			break
		}
		fields := ber.List(e.Body)
		kind, _ := fields.Find(ber.Context(1))
		n, _ := kind.TakeInt(ber.Integer)
		switch n {
		case paEncTimestamp, paPKReqOld, paPKReq, paEncChallenge, paOTPRequest:
			if q.Type == "AS" {
				q.PreAuth = "true"
			}
		case paFast:
			armoured = true
		case paForUser:
			value, _ := fields.Find(ber.Context(2))
			q.forUser(value.In(ber.OctetString).In(ber.Sequence))
		}
	}
	if armoured && q.Type == "AS" && q.PreAuth != "true" {
		q.PreAuth = ""
	}
}

// forUser reads the user that a service asks a ticket for.
func (q *request) forUser(fields ber.List) {
	name, _ := fields.Find(ber.Context(0))
	realm, _ := fields.Find(ber.Context(1))
	q.Client = joined(principal(name), text(realm))
}

// body reads the names and wishes of a request (5.4.1, KDC-REQ-BODY).
func (q *request) body(fields ber.List) {
	if options, ok := fields.Find(ber.Context(0)); ok {
		if bits := options.In(ber.BitString); len(bits) >= 3 {
			q.Forwardable = bits[1]&forwardable != 0
			q.Renewable = bits[2]&renewable != 0
		}
	}
	name, _ := fields.Find(ber.Context(1))
	realm, _ := fields.Find(ber.Context(2))
	if client := principal(name); client != "" {
		q.Client = joined(client, text(realm))
	}
	if service, ok := fields.Find(ber.Context(3)); ok {
		q.Service = principal(service)
	}
	if till, ok := fields.Find(ber.Context(5)); ok {
		q.Until = timeOf(till.In(ber.GeneralTime))
	}
	if nonce, ok := fields.Find(ber.Context(7)); ok {
		q.nonce, _ = nonce.TakeInt(ber.Integer)
	}
	if etypes, ok := fields.Find(ber.Context(8)); ok {
		q.etypes(etypes.In(ber.Sequence))
	}
}

// etypes reads the encryptions offered, each name once.
func (q *request) etypes(l ber.List) {
	for range maxEtypesOnWire {
		n, ok := l.TakeInt(ber.Integer)
		if !ok || len(q.Requested) >= maxEtypes {
			return
		}
		name := cipher(n)
		known := false
		for _, old := range q.Requested {
			known = known || old == name
		}
		if !known {
			q.Requested = append(q.Requested, name)
		}
	}
}

// apRequest reads the ticket that is shown to a service (5.5.1).
func (q *request) apRequest(fields ber.List) {
	if t, ok := fields.Find(ber.Context(3)); ok {
		q.Service, q.Cipher = ticketOf(t)
	}
}

// AP reads the request to a service, as it is carried in GSS-API and SPNEGO,
// from the application tag of Kerberos on: m gets type, service and cipher. The
// rest is for who carries it: endpoints, and how it ended. It returns false,
// and leaves m, if b begins otherwise.
func AP(m *weir.KerberosMessage, b []byte) bool {
	l := ber.List(b)
	body, ok := l.Take(apReq)
	if !ok {
		return false
	}
	var q request
	q.apRequest(body.In(ber.Sequence))
	m.Type, m.Service, m.Cipher = "AP", q.Service, q.Cipher
	return true
}

// A grant is what a reply says in clear.
type grant struct {
	client, service string
	ticket, sealed  string // encryption of the ticket and of what is for the client
}

// reply reads the answer of the key distribution centre (5.4.2).
func reply(fields ber.List) (g grant) {
	realm, _ := fields.Find(ber.Context(3))
	name, _ := fields.Find(ber.Context(4))
	if client := principal(name); client != "" {
		g.client = joined(client, text(realm))
	}
	if t, ok := fields.Find(ber.Context(5)); ok {
		g.service, g.ticket = ticketOf(t)
	}
	if sealed, ok := fields.Find(ber.Context(6)); ok {
		g.sealed = etypeOf(sealed)
	}
	return g
}

// ticketOf reads for what a ticket is and how it is encrypted (5.3).
func ticketOf(l ber.List) (service, cipher string) {
	fields := l.In(ticket).In(ber.Sequence)
	if name, ok := fields.Find(ber.Context(2)); ok {
		service = principal(name)
	}
	if sealed, ok := fields.Find(ber.Context(3)); ok {
		cipher = etypeOf(sealed)
	}
	return service, cipher
}

// etypeOf reads how something is encrypted (5.2.9).
func etypeOf(l ber.List) string {
	fields := l.In(ber.Sequence)
	kind, ok := fields.Find(ber.Context(0))
	if !ok {
		return ""
	}
	n, ok := kind.TakeInt(ber.Integer)
	if !ok {
		return ""
	}
	return cipher(n)
}

// A refusal is what an error message says (5.9.1).
type refusal struct {
	name            string
	client, service string
}

func failure(fields ber.List) (e refusal) {
	if code, ok := fields.Find(ber.Context(6)); ok {
		n, _ := code.TakeInt(ber.Integer)
		e.name = errorName(n)
	}
	crealm, _ := fields.Find(ber.Context(7))
	cname, _ := fields.Find(ber.Context(8))
	if client := principal(cname); client != "" {
		e.client = joined(client, text(crealm))
	}
	fields.Find(ber.Context(9))
	sname, _ := fields.Find(ber.Context(10))
	e.service = principal(sname)
	return e
}

// principal reads a name, its parts with slashes between them (5.2.2).
func principal(l ber.List) string {
	fields := l.In(ber.Sequence)
	parts, ok := fields.Find(ber.Context(1))
	if !ok {
		return ""
	}
	parts = parts.In(ber.Sequence)
	var room [maxName]byte
	out := room[:0]
	for i := range maxParts {
		part, ok := parts.Next()
		if !ok || part.Tag != generalString {
			break
		}
		if part.Cut {
			return "" // half a name is another one
		}
		if i > 0 {
			out = append(out, '/')
		}
		out = append(out, part.Body[:min(len(part.Body), maxName-len(out))]...)
		if len(out) >= maxName-1 {
			break
		}
	}
	return uri.Printable(out, maxName)
}

// text reads a string of Kerberos (5.2.1).
func text(l ber.List) string {
	e, _ := l.Next()
	if e.Tag != generalString || e.Cut {
		return ""
	}
	return uri.Printable(e.Body, maxName)
}

// joined returns a principal with its realm, as records have it.
func joined(name, realm string) string {
	if realm == "" {
		return name
	}
	return name + "/" + realm
}
