package dhcp

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"time"
)

// The message types of DHCPv6 (RFC 8415, 7.3).
var types6 = [...]string{
	1: "SOLICIT", 2: "ADVERTISE", 3: "REQUEST", 4: "CONFIRM", 5: "RENEW", 6: "REBIND", 7: "REPLY", 8: "RELEASE", 9: "DECLINE",
	10: "RECONFIGURE", 11: "INFORMATION-REQUEST",
}

const (
	type6Advertise   = 2
	type6Reply       = 7
	type6Reconfigure = 10
	type6RelayForw   = 12
	type6RelayRepl   = 13
	relayHeader      = 34
	// maxRelays is how many relays are unpacked; RFC 8415, 7.6 allows eight.
	maxRelays = 8
)

// The options that are read (RFC 8415, 21; RFC 3646, RFC 4704, RFC 6939).
const (
	opt6Client      = 1
	opt6IANA        = 3
	opt6IATA        = 4
	opt6Address     = 5
	opt6Requested   = 6
	opt6Relayed     = 9
	opt6Class       = 16
	opt6Domains     = 24
	opt6FQDN        = 39
	opt6LinkAddress = 79
)

// v6message reads a message of DHCPv6, out of the relays that have passed it
// on. It returns false if it is none.
func (m *message) v6message(b []byte) bool {
	client := m.sender
	for range maxRelays {
		if len(b) < relayHeader || b[0] != type6RelayForw && b[0] != type6RelayRepl {
			break
		}
		client = netip.AddrFrom16([16]byte(b[18:]))
		if m.relay = netip.AddrFrom16([16]byte(b[2:])); b[0] == type6RelayForw && m.relay.IsUnspecified() {
			m.relay = m.sender // it tells no address of its own there
		}
		var inner []byte
		options6(b[relayHeader:], func(kind uint16, v []byte) {
			switch {
			case kind == opt6Relayed:
				inner = v
			case kind == opt6LinkAddress && len(v) == 8 && binary.BigEndian.Uint16(v) == ethernet:
				m.record.MAC = macText(v[2:])
			}
		})
		if inner == nil {
			return false
		}
		b = inner
	}
	if len(b) < 4 || int(b[0]) >= len(types6) || b[0] == 0 {
		return false
	}
	m.v6, m.name = true, types6[b[0]]
	m.fromClient = b[0] != type6Advertise && b[0] != type6Reply && b[0] != type6Reconfigure
	m.ends = b[0] == type6Reply || b[0] == type6Reconfigure
	if m.fromClient && client.Is6() && !client.IsUnspecified() {
		m.record.Src = client
	}
	if m.fromClient && !m.relay.IsValid() && client.IsLinkLocalUnicast() {
		m.record.MAC = m.mac
	}
	options6(b[4:], m.option6)
	if m.client == 0 {
		m.id = binary.BigEndian.Uint32(b) & 0xffffff
	}
	if !m.fromClient && !m.relay.IsValid() {
		m.record.Server = m.sender
	}
	return true
}

// options6 walks options of a code and a length of two octets each.
func options6(b []byte, take func(kind uint16, v []byte)) {
	for range maxOptions {
		if len(b) < 4 {
			return
		}
		n := int(binary.BigEndian.Uint16(b[2:]))
		if len(b) < 4+n {
			return
		}
		take(binary.BigEndian.Uint16(b), b[4:4+n])
		b = b[4+n:]
	}
}

// option6 takes one option of a client's or server's message.
func (m *message) option6(kind uint16, v []byte) {
	r := &m.record
	switch kind {
	case opt6Client:
		m.client = number(v)
		if r.MAC == "" {
			r.MAC = duidMAC(v)
		}
	case opt6IANA:
		if len(v) > 12 {
			options6(v[12:], m.association)
		}
	case opt6IATA:
		if len(v) > 4 {
			options6(v[4:], m.association)
		}
	case opt6Requested:
		r.Fingerprint = fingerprint6(v)
	case opt6Class:
		if len(v) > 6 {
			r.Vendor = text(v[6:min(len(v), 6+int(binary.BigEndian.Uint16(v[4:])))])
		}
	case opt6Domains:
		r.Domain = wireName(v)
	case opt6FQDN:
		if len(v) > 1 {
			r.FQDN = wireName(v[1:])
		}
	}
}

// association takes the first address of an association.
func (m *message) association(kind uint16, v []byte) {
	r := &m.record
	if kind != opt6Address || len(v) < 24 {
		return
	}
	addr, valid := netip.AddrFrom16([16]byte(v)), binary.BigEndian.Uint32(v[20:])
	switch {
	case m.fromClient && !r.Requested.IsValid():
		r.Requested = addr
	case !m.fromClient && !r.Assigned.IsValid() && valid > 0:
		r.Assigned = addr
		r.Lease = time.Duration(valid) * time.Second
	}
}

// duidMAC returns the address of Ethernet in a DUID of the kinds that have one
// (RFC 8415, 11.2 and 11.4). It is of one of the client's interfaces.
func duidMAC(v []byte) string {
	const byAddressAndTime, byAddress = 1, 3
	switch {
	case len(v) == 14 && binary.BigEndian.Uint16(v) == byAddressAndTime && binary.BigEndian.Uint16(v[2:]) == ethernet:
		return macText(v[8:])
	case len(v) == 10 && binary.BigEndian.Uint16(v) == byAddress && binary.BigEndian.Uint16(v[2:]) == ethernet:
		return macText(v[4:])
	}
	return ""
}

// fingerprint6 lists the options that a client asks for, in its order.
func fingerprint6(v []byte) string {
	var room [6 * maxRequested]byte
	out := room[:0]
	for i := 0; i+2 <= len(v) && i < 2*maxRequested; i += 2 {
		if i > 0 {
			out = append(out, ',')
		}
		out = strconv.AppendUint(out, uint64(binary.BigEndian.Uint16(v[i:])), 10)
	}
	return string(out)
}
