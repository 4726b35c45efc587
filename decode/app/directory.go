package app

import (
	"bytes"
	"encoding/binary"

	"github.com/weir-nta/weir/internal/ber"
)

// ldap matches the first message of a client: a bind, a search, a change or an
// extended request with its fields (RFC 4511, 4.1.1).
func ldap(b []byte) bool {
	op, ok := ldapOperation(b)
	if !ok {
		return false
	}
	l := ber.List(op.Body)
	switch op.Tag {
	case 0x60: // bind: version, name, then simple, SASL or what Windows calls Sicily
		n, ok := l.TakeInt(ber.Integer)
		_, named := l.Take(ber.OctetString)
		how := l.Peek()
		return ok && (n == 2 || n == 3) && named && (how == 0 || how == 0x80 || how == 0xa3 || how >= 0x89 && how <= 0x8b)
	case 0x63: // search: base, scope, handling of aliases, two limits
		l.Take(ber.OctetString)
		scope, ok := l.TakeInt(ber.Enumerated)
		deref, ok2 := l.TakeInt(ber.Enumerated)
		return ok && ok2 && scope >= 0 && scope <= 3 && deref >= 0 && deref <= 3
	case 0x66, 0x68, 0x6e: // modify, add, compare: a name and a list
		name, ok := l.Take(ber.OctetString)
		return ok && bytes.IndexByte(name, '=') > 0 && (l.Peek() == ber.Sequence || len(l) == 0)
	case 0x77: // extended: its object identifier in digits
		oid, ok := l.Take(0x80)
		return ok && len(oid) > 4 && len(bytes.Trim(oid, ".0123456789")) == 0
	}
	return false
}

// ldapServer matches the result of a request: a code, a name, a text (RFC
// 4511, 4.1.9), and the first entry that was found.
func ldapServer(b []byte) bool {
	op, ok := ldapOperation(b)
	if !ok {
		return false
	}
	l := ber.List(op.Body)
	switch op.Tag {
	case 0x61, 0x65, 0x67, 0x69, 0x6b, 0x6d, 0x6f, 0x78:
		code, ok := l.TakeInt(ber.Enumerated)
		_, name := l.Take(ber.OctetString)
		_, text := l.Take(ber.OctetString)
		return ok && name && text && code >= 0 && code <= 4096
	case 0x64:
		_, name := l.Take(ber.OctetString)
		_, list := l.Take(ber.Sequence)
		return name && list
	}
	return false
}

// ldapOperation returns what a message holds, of which the end may be missing.
func ldapOperation(b []byte) (op ber.Element, ok bool) {
	l := ber.List(b)
	body, ok := l.Take(ber.Sequence)
	if !ok {
		return op, false
	}
	id, ok := body.TakeInt(ber.Integer)
	if !ok || id < 0 || id > 1<<31-1 {
		return op, false
	}
	op, ok = body.Next()
	return op, ok && op.Tag>>5 == ber.Application(0)>>5
}

// kerberos matches a message by its application tag, the lengths of it and of
// the sequence within, and by version 5 and the type there (RFC 4120, 5.4 to 5.9).
func kerberos(b []byte) bool {
	h, err := ber.Head(b)
	if err != nil {
		return false
	}
	kind := byte(h.Tag) & 0x1f
	switch h.Tag {
	case 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f, 0x7e:
	default:
		return false
	}
	in, err := ber.Head(b[h.Size:])
	if err != nil || in.Tag != ber.Sequence || in.Total() != h.Body || in.Body < 10 || len(b) < h.Size+in.Size+10 {
		return false
	}
	body := b[h.Size+in.Size:]
	// Requests number the version 1 and the type 2; replies and errors 0 and 1.
	return bytes.HasPrefix(body[1:], []byte{3, 2, 1, 5}) && (body[0] == 0xa0 || body[0] == 0xa1) &&
		body[5] == body[0]+1 && bytes.HasPrefix(body[6:], []byte{3, 2, 1}) && body[9] == kind
}

// kerberosTCP is kerberos behind a length of four bytes, that of the message
// (RFC 4120, 7.2.2).
func kerberosTCP(b []byte) bool {
	if len(b) < 20 {
		return false
	}
	h, err := ber.Head(b[4:])
	return err == nil && int64(h.Total()) == int64(binary.BigEndian.Uint32(b)) && kerberos(b[4:])
}

// kpasswd matches a request to change or set a password and its answer: a
// length, a version, the length of a message of Kerberos, which comes next
// (RFC 3244, 2).
func kpasswd(b []byte) bool {
	if len(b) < 16 {
		return false
	}
	version, ap := binary.BigEndian.Uint16(b[2:]), int(binary.BigEndian.Uint16(b[4:]))
	if version != 1 && version != 0xff80 || ap+6 > int(binary.BigEndian.Uint16(b)) || !kerberos(b[6:]) {
		return false
	}
	h, err := ber.Head(b[6:])
	const apReq, apRep, failed = 0x6e, 0x6f, 0x7e
	return err == nil && (h.Total() == ap && (h.Tag == apReq || h.Tag == apRep) || ap == 0 && h.Tag == failed)
}

func kpasswdTCP(b []byte) bool {
	return len(b) >= 20 && b[0] == 0 && b[1] == 0 && string(b[2:4]) == string(b[4:6]) && kpasswd(b[4:])
}

// snmp matches a message of version 1, 2c or 3 by its head and the head of what
// follows it (RFC 1157, RFC 3416, RFC 3412).
func snmp(b []byte) bool {
	l := ber.List(b)
	body, ok := l.Take(ber.Sequence)
	if !ok {
		return false
	}
	version, ok := body.TakeInt(ber.Integer)
	if !ok {
		return false
	}
	switch version {
	case 0, 1: // a community, then a PDU that begins with a number or, of a trap, an object identifier
		_, ok := body.Take(ber.OctetString)
		pdu, there := body.Next()
		inner := ber.List(pdu.Body).Peek()
		return ok && there && pdu.Tag >= 0xa0 && pdu.Tag <= 0xa8 && (inner == ber.Integer || pdu.Tag == 0xa4 && inner == ber.OID)
	case 3: // header data: identifier, maximum size, flags of one octet, model
		head, ok := body.Take(ber.Sequence)
		_, id := head.TakeInt(ber.Integer)
		size, sized := head.TakeInt(ber.Integer)
		flags, _ := head.Take(ber.OctetString)
		_, model := head.TakeInt(ber.Integer)
		return ok && id && sized && size >= 484 && len(flags) == 1 && model && body.Peek() == ber.OctetString
	}
	return false
}

// rdp matches a connection request of X.224 in a TPKT with the cookie, the
// routing token or the negotiation request that only RDP has (MS-RDPBCGR
// 2.2.1.1), and one without them by the Connect-Initial of T.125 behind it.
func rdp(b []byte) bool {
	rest, ok := connectionRequest(b)
	if !ok {
		return false
	}
	if len(rest) == 0 {
		return connectInitial(b[11:])
	}
	cookie := bytes.HasPrefix(rest, []byte("Cookie: mst"))
	if _, behind, ended := bytes.Cut(rest, []byte("\r\n")); cookie && ended {
		rest = behind
	}
	return cookie || (len(rest) == 8 || len(rest) == 8+36) && rest[0] == 1 && rest[2] == 8 && rest[3] == 0
}

// connectInitial matches what follows a connection without negotiation (MS-RDPBCGR 2.2.1.3).
func connectInitial(b []byte) bool {
	return len(b) >= 9 && b[0] == 3 && b[1] == 0 && string(b[4:9]) == "\x02\xf0\x80\x7f\x65"
}

// rdpServer matches the confirmation with the answer to a negotiation
// (MS-RDPBCGR 2.2.1.2).
func rdpServer(b []byte) bool {
	const confirm, response, failure = 0xd0, 2, 3
	return len(b) >= 19 && string(b[:4]) == "\x03\x00\x00\x13" && b[4] == 14 && b[5] == confirm &&
		(b[11] == response || b[11] == failure) && b[13] == 8 && b[14] == 0 && b[16] == 0 && b[17] == 0 && b[18] == 0
}
