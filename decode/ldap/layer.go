package ldap

import (
	"bytes"
	"encoding/binary"

	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/internal/ber"
)

// An end is where one end stands in what it sends.
type end struct {
	lost bool // a gap was: the next message is looked for
	// inside counts the octets left of what a layer of SASL holds, behind those
	// of its checksum after that, and owed those of a message that is passed
	// over and goes on in the next layer.
	inside, behind, owed int
}

const (
	// sealHeader is enough of a token to see whether it is sealed: the longest
	// header is that of RFC 1964 with confounder, behind an object identifier,
	// and then come the first octets of a message.
	sealHeader = 72

	cfxHeader   = 16 // RFC 4121, 4.2.6.2
	ntlmHeader  = 16 // MS-NLMP 2.2.2.9.1
	wrapHeader  = 32 // RFC 1964, 1.2.2, of RC4 with confounder (RFC 4757, 7.3)
	cfxSealed   = 2
	oidKerberos = "\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"
)

// layer takes the head of a buffer of SASL off: a length and what the mechanism
// put before the messages (RFC 4422, 3.7). What is sealed is passed over.
func (e *end) layer(b []byte) int {
	if len(b) < 4 {
		return 0
	}
	n := int(binary.BigEndian.Uint32(b))
	if n > maxMessage {
		return dialog.Stop
	}
	if len(b) < min(4+n, 4+sealHeader) {
		return 0
	}
	b = b[4:min(len(b), 4+n)]
	before, behind, ok := unsealed(b)
	if !ok || before+behind >= n || e.owed == 0 && !beginsMessage(b[before:]) {
		return 4 + n
	}
	e.inside, e.behind = n-before-behind, behind
	return 4 + before
}

// unsealed returns how many octets of a token, of which b is the beginning,
// are before and behind the messages. It returns false if it is known to be
// sealed.
func unsealed(b []byte) (before, behind int, ok bool) {
	switch {
	case bytes.HasPrefix(b, []byte("\x05\x04")) && len(b) > cfxHeader:
		return cfx(b)
	case bytes.HasPrefix(b, []byte("\x01\x00\x00\x00")) && len(b) > ntlmHeader:
		return ntlmHeader, 0, true // the header does not say
	case len(b) > 2 && b[0] == 0x60:
		return wrapped(b)
	}
	return 0, 0, true // DIGEST-MD5 has its checksum behind (RFC 2831, 2.3)
}

// cfx reads the header of a token of Kerberos with AES. Its checksum stands
// behind the data, or has been rotated before it.
func cfx(b []byte) (before, behind int, ok bool) {
	checksum, rotated := int(binary.BigEndian.Uint16(b[4:])), int(binary.BigEndian.Uint16(b[6:]))
	switch {
	case b[2]&cfxSealed != 0:
	case rotated == 0:
		return cfxHeader, checksum, true
	case rotated == checksum && cfxHeader+checksum < len(b):
		return cfxHeader + checksum, 0, true
	}
	return 0, 0, false
}

// wrapped reads the header of a token of Kerberos with RC4 or DES.
func wrapped(b []byte) (before, behind int, ok bool) {
	h, err := ber.Head(b)
	if err != nil || !bytes.HasPrefix(b[h.Size:], []byte(oidKerberos)) {
		return 0, 0, false
	}
	before = h.Size + len(oidKerberos)
	token := b[before:]
	const unsealed = "\xff\xff"
	if len(token) <= wrapHeader || string(token[:2]) != "\x02\x01" || string(token[4:6]) != unsealed {
		return 0, 0, false
	}
	return before + wrapHeader, 0, true
}

// within reads the next message of what a layer holds. One that goes on in the
// next layer is read as far as it is here.
func (r *Reader) within(d *dialog.Dialog, from dialog.End, b []byte) int {
	e := &r.ends[from]
	b = b[:min(len(b), e.inside)]
	if e.owed > 0 {
		n := min(e.owed, e.inside)
		e.owed -= n
		return e.pass(n)
	}
	n := r.one(d, from, b, e.inside)
	if n == 0 && len(b) < e.inside {
		return 0
	}
	if n <= 0 { // padding, or no message
		return e.pass(e.inside)
	}
	e.owed = max(n-e.inside, 0)
	return e.pass(n - e.owed)
}

// pass takes n octets of what a layer holds, and what is behind the last ones.
func (e *end) pass(n int) int {
	if e.inside -= n; e.inside == 0 {
		n, e.behind = n+e.behind, 0
	}
	return n
}

// beginsMessage reports whether b begins with a message of LDAP.
func beginsMessage(b []byte) bool {
	l := ber.List(b)
	body, ok := l.Take(ber.Sequence)
	if !ok {
		return false
	}
	id, ok := body.Take(ber.Integer)
	return ok && len(id) > 0 && len(id) <= 4 && isOperation(body.Peek())
}
