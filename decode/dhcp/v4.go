package dhcp

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"time"

	"github.com/weir-nta/weir/internal/uri"
)

// The fixed part of a message of DHCP (RFC 2131, 2).
const (
	bootRequest = 1
	bootReply   = 2
	ethernet    = 1
	fixedSize   = 236
	cookie      = "\x63\x82\x53\x63"
)

// The options that are read (RFC 2132, RFC 4702).
const (
	optPad           = 0
	optHostName      = 12
	optDomain        = 15
	optRequested     = 50
	optLease         = 51
	optOverload      = 52
	optType          = 53
	optServer        = 54
	optParameters    = 55
	optClass         = 60
	optClient        = 61
	optFQDN          = 81
	optEnd           = 255
	maxOptions       = 128
	overloadFile     = 1
	overloadName     = 2
	fqdnWireEncoding = 4
)

// types are the message types by number (RFC 2132, 9.6; RFC 3203, RFC 4388,
// RFC 6926), as Zeek writes them.
var types = [...]string{
	1: "DISCOVER", 2: "OFFER", 3: "REQUEST", 4: "DECLINE", 5: "ACK", 6: "NAK", 7: "RELEASE", 8: "INFORM", 9: "FORCERENEW",
	10: "LEASEQUERY", 11: "LEASEUNASSIGNED", 12: "LEASEUNKNOWN", 13: "LEASEACTIVE", 14: "BULKLEASEQUERY", 15: "LEASEQUERYDONE",
}

const (
	typeDecline = 4
	typeAck     = 5
	typeNak     = 6
	typeRelease = 7
)

// v4 reads a message of DHCP. It returns false if it is none.
func (m *message) v4(b []byte) bool {
	if len(b) < fixedSize+4 || string(b[fixedSize:fixedSize+4]) != cookie || b[0] != bootRequest && b[0] != bootReply {
		return false
	}
	m.fromClient = b[0] == bootRequest
	if m.name = "BOOTREPLY"; m.fromClient {
		m.name = "BOOTREQUEST"
	}
	m.id = binary.BigEndian.Uint32(b[4:])
	if relay := addr4(b[24:]); relay.IsValid() {
		m.relay = relay
	}
	m.takeHardware(b)
	m.record.Src = addr4(b[12:])
	if m.fromClient && !m.record.Src.IsValid() && !m.relay.IsValid() && !m.sender.IsUnspecified() {
		m.record.Src = m.sender
	}
	m.record.Assigned = addr4(b[16:])
	overload := m.options(b[fixedSize+4:])
	if overload&overloadFile != 0 {
		m.options(b[108:fixedSize])
	}
	if overload&overloadName != 0 {
		m.options(b[44:108])
	}
	if !m.fromClient && !m.record.Server.IsValid() && !m.relay.IsValid() {
		m.record.Server = m.sender
	}
	return true
}

// takeHardware takes the client's link-layer address.
func (m *message) takeHardware(b []byte) {
	size := int(min(b[2], 16))
	m.client = number(b[28 : 28+size])
	if b[1] == ethernet && size == 6 && m.client != 0 {
		m.hardware = [6]byte(b[28:34])
	}
}

// number returns up to eight octets as a number, more as a hash (FNV-1a): who
// finds two that are the same joins its own exchanges.
func number(b []byte) uint64 {
	if len(b) <= 8 {
		n := uint64(0)
		for _, c := range b {
			n = n<<8 | uint64(c)
		}
		return n
	}
	h := uint64(14695981039346656037)
	for _, c := range b {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return h
}

// options walks the options of one field and returns what they say of others
// that hold options, too (RFC 2132, 9.3).
func (m *message) options(b []byte) (overload byte) {
	for range maxOptions { // a pad is passed over in one go
		for len(b) > 0 && b[0] == optPad {
			b = b[1:]
		}
		if len(b) < 2 || b[0] == optEnd || len(b) < 2+int(b[1]) {
			return overload
		}
		kind, v := b[0], b[2:2+int(b[1])]
		if kind == optOverload && len(v) == 1 {
			overload = v[0]
		} else {
			m.option(kind, v)
		}
		b = b[2+len(v):]
	}
	return overload
}

// option takes one option. What goes on in a second of its kind (RFC 3396) is
// longer than what is kept, but for names that never are.
func (m *message) option(kind byte, v []byte) {
	r := &m.record
	switch kind {
	case optType:
		if len(v) == 1 && int(v[0]) < len(types) && v[0] > 0 {
			m.name = types[v[0]]
			m.ends = v[0] == typeAck || v[0] == typeNak || v[0] == typeRelease || v[0] == typeDecline
		}
	case optHostName:
		r.Host = text(v)
	case optDomain:
		r.Domain = text(v)
	case optRequested:
		r.Requested = addr4(v)
	case optLease:
		if len(v) == 4 {
			r.Lease = time.Duration(binary.BigEndian.Uint32(v)) * time.Second
		}
	case optServer:
		r.Server = addr4(v)
	case optParameters:
		r.Fingerprint = fingerprint(v)
	case optClass:
		r.Vendor = text(v)
	case optClient:
		if m.client == 0 { // no hardware address in the fixed part: this is its own
			m.client = number(v)
			if len(v) == 7 && v[0] == ethernet {
				m.hardware = [6]byte(v[1:])
			}
		}
	case optFQDN:
		if len(v) > 3 && v[0]&fqdnWireEncoding != 0 {
			r.FQDN = wireName(v[3:])
		} else if len(v) > 3 {
			r.FQDN = text(v[3:])
		}
	}
}

// fingerprint lists the options that a client asks for, in its order.
func fingerprint(v []byte) string {
	var room [4 * maxRequested]byte
	out := room[:0]
	for i, c := range v[:min(len(v), maxRequested)] {
		if i > 0 {
			out = append(out, ',')
		}
		out = strconv.AppendUint(out, uint64(c), 10)
	}
	return string(out)
}

// addr4 returns an address, invalid for 0.0.0.0 and for what is none.
func addr4(b []byte) netip.Addr {
	if len(b) < 4 {
		return netip.Addr{}
	}
	a := netip.AddrFrom4([4]byte(b))
	if a.IsUnspecified() {
		return netip.Addr{}
	}
	return a
}

// text returns what a name or class says, without zeros at its end.
func text(v []byte) string {
	for len(v) > 0 && v[len(v)-1] == 0 {
		v = v[:len(v)-1]
	}
	return uri.Printable(v, maxText)
}

// wireName returns a name in the encoding of DNS without compression, as far
// as it goes (RFC 4702, 2.3.1, where it may be partial).
func wireName(v []byte) string {
	var room [maxText]byte
	out := room[:0]
	for len(v) > 0 && v[0] != 0 && v[0] < 64 && int(v[0]) < len(v) && len(out) < maxText {
		if len(out) > 0 {
			out = append(out, '.')
		}
		n := int(v[0])
		out = append(out, v[1:1+n]...)
		v = v[1+n:]
	}
	return uri.Printable(out, maxText)
}

func macText(b []byte) string {
	const hex = "0123456789abcdef"
	var out [17]byte
	for i, c := range b[:6] {
		if i > 0 {
			out[3*i-1] = ':'
		}
		out[3*i], out[3*i+1] = hex[c>>4], hex[c&15]
	}
	return string(out[:])
}
