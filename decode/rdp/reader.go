package rdp

import (
	"bytes"
	"encoding/binary"
	"strconv"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/internal/uri"
	"github.com/weir-nta/weir/internal/utf16le"
)

const (
	maxCookie = 128 // octets kept; clients send nine letters of a name
	maxClient = 64  // octets kept; 15 characters are sent
	// maxUnit is how much of a unit is waited for: a conference request has
	// 500 octets, a response with a chain of certificates 3,000. Of a longer
	// one the beginning is read.
	maxUnit = 12 << 10
	tlsType = 0x16 // a handshake record
)

// X.224 and what it carries (2.2.1.1, 2.2.1.2).
const (
	connectRequest = 0xe0
	connectConfirm = 0xd0
	data           = 0xf0

	negotiationRequest  = 1
	negotiationResponse = 2
	negotiationFailure  = 3
)

// A Reader reads one conversation. It is a [dialog.Reader], and keeps a record.
type Reader struct {
	session weir.RDPSession
	state   state
}

type state uint8

const (
	waiting  state = iota // for a request
	asked                 // the server is to choose
	chosen                // RDP's own security: conference request and response follow
	finished              // told
)

// New returns a reader of RDP.
func New() *Reader { return &Reader{} }

// Read takes what has come of the stream: units with a header of four octets
// (RFC 1006, 6).
func (r *Reader) Read(d *dialog.Dialog, from dialog.End, b []byte) int {
	used := 0
	for used < len(b) {
		if r.state == finished {
			return dialog.Stop
		}
		if b[used] == tlsType && r.state >= asked { // whatever was agreed
			r.begins(d, "tls")
			d.Anew()
			return used
		}
		n := r.unit(d, from, b[used:])
		if n < 0 {
			return n
		}
		if n == 0 {
			break
		}
		if used += n; d.IsAnew() {
			break
		}
	}
	return used
}

// unit takes one unit off.
func (r *Reader) unit(d *dialog.Dialog, from dialog.End, b []byte) int {
	if b[0] != 3 {
		return dialog.Stop
	}
	if len(b) < 4 {
		return 0
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	if n < 7 {
		return dialog.Stop
	}
	if len(b) < min(n, maxUnit) {
		return 0
	}
	r.transport(d, from, b[4:min(n, len(b))])
	return n
}

// transport reads a unit of X.224: the octets of its header, its type, and
// behind a fixed part what varies.
func (r *Reader) transport(d *dialog.Dialog, from dialog.End, b []byte) {
	const fixed = 7
	header := min(int(b[0])+1, len(b))
	switch kind := b[1] & 0xf0; {
	case kind == connectRequest && from == dialog.Client && r.state == waiting:
		r.session.Endpoints = d.Endpoints
		r.session.Cookie = cookie(b[min(fixed, header):header])
		r.state = asked
	case kind == connectConfirm && from == dialog.Server && r.state <= asked:
		r.confirm(d, b[min(fixed, header):header])
	case kind == data && from == dialog.Client:
		r.request(d, b[header:])
	case kind == data:
		r.response(d, b[header:])
	}
}

// cookie returns the user name or the routing token of a connection request.
func cookie(b []byte) string {
	line, _, ok := bytes.Cut(b, []byte("\r\n"))
	if !ok {
		return ""
	}
	line, ok = bytes.CutPrefix(line, []byte("Cookie: "))
	if !ok {
		return ""
	}
	return uri.Printable(bytes.TrimPrefix(line, []byte("mstshash=")), maxCookie)
}

// confirm reads the choice of the server. One that does not know of
// negotiation says nothing of it, and means RDP's own security.
func (r *Reader) confirm(d *dialog.Dialog, b []byte) {
	if r.state == waiting {
		r.session.Endpoints = d.Endpoints
	}
	const size = 8
	var kind byte
	var value uint32
	if len(b) >= size {
		kind, value = b[0], binary.LittleEndian.Uint32(b[4:])
	}
	switch {
	case kind == negotiationFailure:
		r.session.Result = named(failures, value)
		r.tell(d)
	case kind == negotiationResponse && value != 0:
		r.begins(d, named(protocols, value))
		d.Anew()
	default:
		r.session.Security = "rdp"
		r.state = chosen
	}
}

// begins tells a session that goes on in TLS.
func (r *Reader) begins(d *dialog.Dialog, security string) {
	r.session.Security, r.session.Result = security, "encrypted"
	r.tell(d)
}

func (r *Reader) tell(d *dialog.Dialog) {
	if r.state != finished && r.session.Time.IsZero() {
		r.session.Endpoints = d.Endpoints
	}
	r.state = finished
	d.Batch.RDP = append(d.Batch.RDP, r.session)
}

// Lost ends the reading of that end: the beginning is all that is read.
func (r *Reader) Lost(*dialog.Dialog, dialog.End, int) bool { return false }

// Close tells a session that did not get far.
func (r *Reader) Close(d *dialog.Dialog) {
	if r.state == asked || r.state == chosen {
		r.tell(d)
	}
}

// request reads the conference request of the client: Connect-Initial of T.125
// with T.124 in it, whose data for RDP begin behind "Duca" (2.2.1.3).
func (r *Reader) request(d *dialog.Dialog, b []byte) {
	const coreData = 0xc001
	if !bytes.HasPrefix(b, []byte("\x7f\x65")) {
		return
	}
	r.state = chosen
	r.session.Security = "rdp"
	each(behind(b, "Duca"), func(kind uint16, block []byte) {
		if kind == coreData {
			r.core(d, block)
		}
	})
}

// core reads what the client says of itself (2.2.1.3.2).
func (r *Reader) core(d *dialog.Dialog, b []byte) {
	const layout, version, name, end = 12, 16, 20, 52
	if len(b) < end {
		return
	}
	s := &r.session
	s.Keyboard = keyboard(binary.LittleEndian.Uint32(b[layout:]))
	s.Build = build(binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[version:]))
	s.Client = utf16le.Printable(b[name:end], maxClient)
	if s.Client != "" {
		d.Announce(weir.Announcement{Protocol: "rdp", Kind: "name", Name: s.Client})
	}
}

// response reads that of the server: the result, and the certificates in its
// security data (2.2.1.4).
func (r *Reader) response(d *dialog.Dialog, b []byte) {
	const securityData, afterResult = 0x0c02, 4
	if !bytes.HasPrefix(b, []byte("\x7f\x66")) {
		return
	}
	if i := bytes.Index(b, []byte("McDn")); i >= afterResult {
		r.session.Result = named(results, uint32(b[i-afterResult]))
	}
	each(behind(b, "McDn"), func(kind uint16, block []byte) {
		if kind == securityData {
			r.session.Certificates = certificates(block)
		}
	})
	r.tell(d)
}

// behind returns the data behind a key of H.221 and their length, which is
// packed: of one octet, or of two with the first bit set (X.691, 10.9).
func behind(b []byte, key string) []byte {
	_, rest, ok := bytes.Cut(b, []byte(key))
	if !ok || len(rest) < 2 {
		return nil
	}
	if rest[0]&0x80 != 0 {
		return rest[2:]
	}
	return rest[1:]
}

// each shows the blocks of user data: type, length with this header, content.
func each(b []byte, show func(kind uint16, block []byte)) {
	for len(b) >= 4 {
		n := int(binary.LittleEndian.Uint16(b[2:]))
		if n < 4 {
			return
		}
		show(binary.LittleEndian.Uint16(b), b[4:min(n, len(b))])
		b = b[min(n, len(b)):]
	}
}

// certificates counts those in the security data (2.2.1.4.3): one of RDP's own
// form, or a chain of X.509 with its length first.
func certificates(b []byte) uint32 {
	const header, maxChain = 16, 200 // as the protocol allows (MS-RDPELE 2.2.1.4.2)
	if len(b) < header {
		return 0
	}
	random := int64(binary.LittleEndian.Uint32(b[8:]))
	if random > int64(len(b)-header) {
		return 0
	}
	b = b[header+random:]
	if len(b) < 8 {
		return 0
	}
	if binary.LittleEndian.Uint32(b)&^(1<<31) == 1 {
		return 1
	}
	return min(binary.LittleEndian.Uint32(b[4:]), maxChain)
}

// named returns the name of n, or n.
func named(names map[uint32]string, n uint32) string {
	if s, ok := names[n]; ok {
		return s
	}
	return strconv.FormatUint(uint64(n), 10)
}
