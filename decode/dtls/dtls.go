// Package dtls reads what a conversation of DTLS says before its encryption
// begins (versions 1.0 to 1.3: RFC 4347, RFC 6347, RFC 9147): the hellos, also
// in fragments and after an exchange of cookies, and up to 1.2 the certificate
// of the server. What they say goes into the TLS of the flow; the fingerprint
// JA4 begins with a d.
//
// Where DTLS shares its ports with STUN and media, as that of WebRTC does,
// what is not DTLS is passed over (RFC 7983), and the conversation keeps the name
// of what it began with.
package dtls

import (
	"encoding/binary"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/decode/tls"
	"github.com/weir-nta/weir/internal/pieces"
)

// Bounds for one conversation.
const (
	// maxDatagrams is how many of each end are looked at: hellos are sent
	// again when they are lost, and STUN may come before them.
	maxDatagrams = 64
	// maxOpen is how many messages of an end may be incomplete at a time. The
	// oldest makes place for another.
	maxOpen = 3
)

// Content types and handshake messages (RFC 6347, 4.1 and 4.3.2).
const (
	changeCipherSpec = 20
	handshake        = 22
	lastType         = 63 // RFC 7983, 7: a first octet of 20 to 63 is DTLS

	clientHello = 1
	serverHello = 2
	certificate = 11

	recordHeader  = 13
	messageHeader = 12
)

// A Reader reads the handshake of one conversation. It holds 64 octets and
// what has come of messages in fragments, 24 KB at most of each end, until the
// hellos are read.
type Reader struct {
	ends [2]end
}

// An end is what has come of one of the two.
type end struct {
	datagrams uint8
	done      bool
	serves    bool // it has said a ServerHello
	open      []message
}

// A message is one of which fragments are missing.
type message struct {
	number uint16
	header [4]byte // as TLS has it: type and length
	body   pieces.Stream
}

// Is reports whether a datagram is DTLS where it may be STUN or media as well
// (RFC 7983, 7).
func Is(b []byte) bool { return len(b) > 0 && b[0] >= changeCipherSpec && b[0] <= lastType }

// New returns a reader for a conversation that has just been recognised.
func New() *Reader { return &Reader{} }

// Read takes one datagram.
func (r *Reader) Read(d *dialog.Dialog, from dialog.End, b []byte) int {
	e := &r.ends[from]
	if e.datagrams++; e.done || e.datagrams > maxDatagrams {
		e.open = nil
		return dialog.Stop
	}
	for rest := b; len(rest) >= recordHeader && !e.done; { // each turn takes a header at least
		n := int(binary.BigEndian.Uint16(rest[11:]))
		typ, epoch := rest[0], binary.BigEndian.Uint16(rest[3:])
		if typ < changeCipherSpec || typ > lastType || n > len(rest)-recordHeader {
			break
		}
		switch {
		case typ == handshake && epoch == 0:
			r.fragments(d, from, rest[recordHeader:recordHeader+n])
		case typ == changeCipherSpec || epoch > 0:
			e.done = true // the rest is encrypted
		}
		rest = rest[recordHeader+n:]
	}
	if e.done {
		e.open = nil
		return dialog.Stop
	}
	return len(b)
}

// Lost never happens to datagrams.
func (r *Reader) Lost(*dialog.Dialog, dialog.End, int) bool { return false }

// Close has nothing left to tell.
func (r *Reader) Close(*dialog.Dialog) {}

// fragments takes the messages, or fragments of such, of a record.
func (r *Reader) fragments(d *dialog.Dialog, from dialog.End, b []byte) {
	e := &r.ends[from]
	for len(b) >= messageHeader && !e.done { // each turn takes a header at least
		length, offset, n := u24(b[1:]), u24(b[6:]), u24(b[9:])
		if n > len(b)-messageHeader || offset+n > length {
			return
		}
		if body := b[messageHeader : messageHeader+n]; n == length {
			r.message(d, from, append(append(make([]byte, 0, 4+n), b[:4]...), body...))
		} else {
			r.fragment(d, from, b[:messageHeader], body)
		}
		b = b[messageHeader+n:]
	}
}

func u24(b []byte) int { return int(b[0])<<16 | int(b[1])<<8 | int(b[2]) }

// fragment adds to a message that is not whole yet.
func (r *Reader) fragment(d *dialog.Dialog, from dialog.End, header, body []byte) {
	e := &r.ends[from]
	number, length := binary.BigEndian.Uint16(header[4:]), u24(header[1:])
	i := 0
	for i < len(e.open) && e.open[i].number != number {
		i++
	}
	if i == len(e.open) {
		if i == maxOpen {
			copy(e.open, e.open[1:])
			i--
			e.open = e.open[:i]
		}
		e.open = append(e.open, message{number: number, header: [4]byte(header[:4])})
	}
	m := &e.open[i]
	if m.header != [4]byte(header[:4]) || !m.body.Put(uint64(u24(header[6:])), body) || m.body.Ready() < length {
		return
	}
	msg := m.body.Append(append(make([]byte, 0, 4+length), m.header[:]...), length)
	e.open = append(e.open[:i], e.open[i+1:]...)
	r.message(d, from, msg)
}

// message takes a whole message with a header as TLS has it. Who is the client
// of DTLS is told by the hellos: with STUN before it, it may be either end.
func (r *Reader) message(d *dialog.Dialog, from dialog.End, msg []byte) {
	e := &r.ends[from]
	t := d.TLS
	if t == nil {
		t = &weir.TLS{}
	}
	ok, again := false, false
	switch typ := msg[0]; {
	case typ == clientHello:
		ok = tls.ClientHello(t, msg, 'd') // with a cookie the client says the same again
		e.done = ok
	case typ == serverHello:
		again, ok = tls.ServerHello(t, msg)
		e.serves = ok
		e.done = ok && !again && t.Version == "1.3" // the rest is encrypted
	case typ == certificate && e.serves:
		ok = tls.Certificate(t, msg)
		e.done = true
	case typ > certificate && e.serves:
		e.done = true // no certificate: resumed or anonymous
	}
	if ok {
		d.TLS = t
	}
}
