package tls

import (
	"sort"
	"strconv"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/wire"
)

// Client reads the head of what the client of a connection sent, in order from
// its first byte, into dst: the ClientHello, however many records and
// fragments it comes in. Of a hello in the format of SSL 2 it keeps the version.
//
// Client and Server may be called in either order: what the server agreed to
// stands before what the client offered.
func Client(dst *weir.TLS, b []byte) wire.Status {
	if len(b) > 0 && b[0]&0x80 != 0 {
		return sslv2ClientHello(dst, b)
	}
	if s := plausible(b, clientHello); s != wire.Done {
		return s
	}
	r := reader{rest: b}
	typ, body, s := r.next()
	if s != wire.Done {
		return s
	}
	if typ != clientHello || !fillClientHello(dst, body, 't') {
		return wire.No
	}
	return wire.Done
}

// ClientHello reads a whole handshake message, its four bytes of header
// included, into dst. Transport is the letter by which JA4 tells what carried
// it: 't' for TCP, 'q' for QUIC, 'd' for DTLS (whose header the caller has
// made one of TLS). It returns false if msg is no ClientHello.
func ClientHello(dst *weir.TLS, msg []byte, transport byte) bool {
	c := cursor{b: msg}
	typ := c.u8()
	body := c.take(c.u24())
	return !c.bad && typ == clientHello && fillClientHello(dst, body, transport)
}

// ServerHello reads a whole handshake message like [ClientHello]. Again says
// that the server asked for another ClientHello, after which another
// ServerHello comes.
func ServerHello(dst *weir.TLS, msg []byte) (again, ok bool) {
	c := cursor{b: msg}
	typ := c.u8()
	body := c.take(c.u24())
	if c.bad || typ != serverHello {
		return false, false
	}
	return fillServerHello(dst, body)
}

// Certificate reads a whole handshake message with the chain of a server up to
// TLS 1.2. It returns false if msg is none.
func Certificate(dst *weir.TLS, msg []byte) bool {
	c := cursor{b: msg}
	typ := c.u8()
	body := c.take(c.u24())
	if c.bad || typ != certificate {
		return false
	}
	fillCertificate(dst, body)
	return true
}

// Server reads the head of what the server of a connection sent, in order from
// its first byte, into dst: the ServerHello and, up to TLS 1.2, the first
// certificate. What it has read stands in dst even while it asks for more, so
// that a stream that ends early is not lost.
func Server(dst *weir.TLS, b []byte) wire.Status {
	if len(b) > 0 && b[0]&0x80 != 0 {
		return sslv2ServerHello(dst, b)
	}
	if len(b) > 0 && b[0] == alert {
		return soleAlert(b)
	}
	if s := plausible(b, serverHello); s != wire.Done {
		return s
	}
	r := reader{rest: b}
	// Each turn takes a message of at least four bytes.
	for {
		typ, body, s := r.next()
		if s != wire.Done {
			return s
		}
		switch typ {
		case helloRequest:
		case serverHello:
			again, ok := fillServerHello(dst, body)
			if !ok {
				return wire.No
			}
			if !again && dst.Version >= "1.3" && dst.Version < "2" {
				return wire.Done // the rest is encrypted
			}
			if again && !r.skipChangeCipherSpec() {
				return wire.More
			}
		case certificate:
			fillCertificate(dst, body)
			return wire.Done
		case encryptedExtensions, serverSupplementalData:
		default:
			return wire.Done // a handshake without certificate: resumed or anonymous
		}
	}
}

// Content types of records and types of handshake messages (RFC 8446,
// appendix B; RFC 4680 for the supplemental data).
const (
	changeCipherSpec = 20
	alert            = 21
	handshake        = 22

	helloRequest           = 0
	clientHello            = 1
	serverHello            = 2
	encryptedExtensions    = 8
	certificate            = 11
	serverSupplementalData = 23
)

const (
	recordHeader = 5
	// maxRecord is the longest ciphertext record allowed (RFC 5246, 6.2.3).
	maxRecord = 1<<14 + 2048
	// maxMessage bounds a handshake message. Certificate chains have been seen
	// at 40 KB; a longer message ends the reading, and what was read before
	// it is kept.
	maxMessage = 1 << 17
)

// plausible checks the first record header and the type of its first message
// as far as b reaches.
func plausible(b []byte, message byte) wire.Status {
	if len(b) > 0 && b[0] != handshake || len(b) > 1 && b[1] != 3 || len(b) > 2 && b[2] > 4 {
		return wire.No
	}
	if len(b) > 5 && b[5] != message && !(message == serverHello && b[5] == helloRequest) {
		return wire.No
	}
	// A hello has at least 38 bytes and less than 64 KB: version, random, lengths of the rest.
	if len(b) > 6 && b[5] == message && b[6] != 0 {
		return wire.No
	}
	if len(b) <= 6 {
		return wire.More
	}
	return wire.Done
}

// soleAlert reads a server that refuses the hello at once.
func soleAlert(b []byte) wire.Status {
	if len(b) < 7 {
		return wire.More
	}
	if b[1] == 3 && b[2] <= 4 && b[3] == 0 && b[4] == 2 && (b[5] == 1 || b[5] == 2) {
		return wire.Done
	}
	return wire.No
}

// A reader takes the handshake messages out of a stream of records.
type reader struct {
	rest     []byte // records not looked at yet
	fragment []byte // what the current record still holds
}

// next returns the next handshake message, without its header. Done stands for
// a message; after the last one readable it returns Done with a type that no
// message has.
func (r *reader) next() (typ byte, body []byte, s wire.Status) {
	if len(r.fragment) == 0 {
		fragment, rest, s := record(r.rest)
		if s != wire.Done || fragment == nil {
			return noMessage, nil, s
		}
		r.fragment, r.rest = fragment, rest
	}
	head := r.fragment
	if len(head) < 4 {
		if head, s = r.gather(4); s != wire.Done || head == nil {
			return noMessage, nil, s
		}
	}
	n := 4 + (int(head[1])<<16 | int(head[2])<<8 | int(head[3]))
	if n > maxMessage {
		return noMessage, nil, wire.Done
	}
	if len(r.fragment) < n {
		if head, s = r.gather(n); s != wire.Done || head == nil {
			return noMessage, nil, s
		}
	}
	r.consume(n)
	return head[0], head[4:n], wire.Done
}

const noMessage = 0xff

// gather returns the next n bytes of handshake that cross the border of
// records, without consuming them: nil with Done if the handshake in the clear
// ends before, nil with More if the stream does. It copies only once all are there.
func (r *reader) gather(n int) ([]byte, wire.Status) {
	have := len(r.fragment)
	for rest := r.rest; have < n; {
		fragment, after, s := record(rest)
		if s != wire.Done || fragment == nil {
			return nil, s
		}
		have += len(fragment)
		rest = after
	}
	whole := append(make([]byte, 0, have), r.fragment...)
	for rest := r.rest; len(whole) < n; {
		var fragment []byte
		fragment, rest, _ = record(rest)
		whole = append(whole, fragment...)
	}
	return whole, wire.Done
}

// consume moves behind n bytes of handshake, which are known to be there.
func (r *reader) consume(n int) {
	for n > len(r.fragment) {
		n -= len(r.fragment)
		r.fragment, r.rest, _ = record(r.rest)
	}
	r.fragment = r.fragment[n:]
}

// skipChangeCipherSpec moves behind the record that servers send after a
// HelloRetryRequest to please middleboxes (RFC 8446, appendix D.4). It returns
// false if that is cut off.
func (r *reader) skipChangeCipherSpec() bool {
	const length = recordHeader + 1
	if len(r.fragment) > 0 || len(r.rest) > 0 && r.rest[0] != changeCipherSpec {
		return true
	}
	if len(r.rest) < length {
		return false
	}
	r.rest = r.rest[length:]
	return true
}

// record returns what the next record holds of the handshake. A record that
// is cut off gives More; one that ends the handshake in the clear gives Done
// with no fragment.
func record(b []byte) (fragment, rest []byte, s wire.Status) {
	if len(b) < recordHeader {
		return nil, nil, wire.More
	}
	n := int(b[3])<<8 | int(b[4])
	if b[0] != handshake || b[1] != 3 || n == 0 || n > maxRecord {
		return nil, nil, wire.Done
	}
	if len(b) < recordHeader+n {
		return nil, nil, wire.More
	}
	return b[recordHeader : recordHeader+n], b[recordHeader+n:], wire.Done
}

// sslv2ClientHello reads the hello that old clients send for the sake of older
// servers (RFC 5246, appendix E.2).
func sslv2ClientHello(dst *weir.TLS, b []byte) wire.Status {
	const header = 11
	if len(b) > 2 && b[2] != clientHello || len(b) > 3 && b[3] > 3 {
		return wire.No
	}
	if len(b) < header {
		return wire.More
	}
	length := int(b[0]&0x7f)<<8 | int(b[1])
	version := uint16(b[3])<<8 | uint16(b[4])
	ciphers, session, challenge := int(b[5])<<8|int(b[6]), int(b[7])<<8|int(b[8]), int(b[9])<<8|int(b[10])
	if version != 2 && (version < 0x300 || version > 0x303) || ciphers == 0 || ciphers%3 != 0 ||
		session != 0 && session != 16 || challenge < 16 || challenge > 32 || length != header-2+ciphers+session+challenge {
		return wire.No
	}
	if dst.JA3S == "" {
		dst.Version = versionName(version)
	}
	return wire.Done
}

func sslv2ServerHello(dst *weir.TLS, b []byte) wire.Status {
	const serverHello2 = 4
	if len(b) > 2 && b[2] != serverHello2 || len(b) > 3 && b[3] > 1 {
		return wire.No
	}
	if len(b) < 7 {
		return wire.More
	}
	if b[5] != 0 || b[6] != 2 {
		return wire.No
	}
	dst.Version = versionName(2)
	return wire.Done
}

// VersionName returns what TLS.Version says for a version on the wire.
func VersionName(v uint16) string { return versionName(v) }

// CipherName returns the IANA name of a cipher suite, else its number.
func CipherName(id uint16) string { return cipherName(id) }

// versionName returns what dst.Version says for a version on the wire.
func versionName(v uint16) string {
	switch v {
	case 0x0002:
		return "ssl2"
	case 0x0300:
		return "ssl3"
	case 0x0301:
		return "1.0"
	case 0x0302, 0xfeff:
		return "1.1" // DTLS 1.0 is TLS 1.1
	case 0x0303, 0xfefd:
		return "1.2"
	case 0x0304, 0xfefc:
		return "1.3"
	}
	switch {
	case isDraft(v): // drafts of TLS 1.3
		return "1.3-draft" + strconv.Itoa(int(v&0xff))
	case v>>8 == 0x7e: // RFC 8446 in the experiments of 2017 with middleboxes
		return "1.3-experiment" + strconv.Itoa(int(v&0xff))
	default:
		return "0x" + string(appendHex16(nil, v))
	}
}

// isDTLS reports whether a version is one of DTLS, or 1.0: that is what OpenSSL
// spoke before RFC 4347, and what Cisco's AnyConnect has kept.
func isDTLS(v uint16) bool { return v>>8 == 0xfe || v == 0x0100 }

func isDraft(v uint16) bool { return v>>8 == 0x7f }

// cipherName returns the IANA name of a cipher suite, else its number.
func cipherName(id uint16) string {
	i := sort.Search(len(cipherSuites), func(i int) bool { return cipherSuites[i].id >= id })
	if i < len(cipherSuites) && cipherSuites[i].id == id {
		return cipherSuites[i].name
	}
	return "0x" + string(appendHex16(nil, id))
}

// isGrease reports whether v is one of the values that clients send for
// nothing but to keep servers tolerant (RFC 8701).
func isGrease(v uint16) bool { return v&0x0f0f == 0x0a0a && v>>8 == v&0xff }
