package app

import (
	"bytes"
	"encoding/binary"
)

// ssdpAnswer matches the answer to a search, which comes from the device's own
// conversation: HTTP with the headers that only SSDP has (UPnP Device
// Architecture 2.0, 1.3.3).
func ssdpAnswer(b []byte) bool {
	if !bytes.HasPrefix(b, []byte("HTTP/1.1 200 OK\r\n")) {
		return false
	}
	head := bytes.ToUpper(b[:min(len(b), 1024)])
	return bytes.Contains(head, []byte("\r\nST:")) && bytes.Contains(head, []byte("\r\nUSN:"))
}

// wsd matches SOAP with one of the namespaces of WS-Discovery (OASIS 1.1 and
// the draft of 2005).
func wsd(b []byte) bool {
	if len(b) < 100 || b[0] != '<' && !bytes.HasPrefix(b, []byte("\xef\xbb\xbf<")) {
		return false
	}
	head := b[:min(len(b), 2048)]
	return bytes.Contains(head, []byte("http://schemas.xmlsoap.org/ws/2005/04/discovery")) ||
		bytes.Contains(head, []byte("http://docs.oasis-open.org/ws-dd/ns/discovery/2009/01"))
}

// netbiosDatagram matches a datagram of NetBIOS to a name, with both names
// spelt in 32 letters and without scope (RFC 1002, 4.4.2).
func netbiosDatagram(b []byte) bool {
	const names, spelt = 14, 34
	if len(b) < names+2*spelt || b[0] < 0x10 || b[0] > 0x12 || b[1]&0xf0 != 0 {
		return false
	}
	for _, name := range [...][]byte{b[names : names+spelt], b[names+spelt : names+2*spelt]} {
		if name[0] != 32 || name[33] != 0 {
			return false
		}
		for _, c := range name[1:33] {
			if c < 'A' || c > 'P' {
				return false
			}
		}
	}
	return true
}

// dhcp6 matches a message of a client or server with a client identifier that
// is a DUID, or one that a relay has passed on, whose options end where the
// datagram does (RFC 8415, 8, 9, 11).
func dhcp6(b []byte) bool {
	const relayForward, relayReply, relayHeader = 12, 13, 34
	if len(b) < 8 || b[0] == 0 || b[0] > relayReply {
		return false
	}
	if b[0] == relayForward || b[0] == relayReply {
		const relayed = 9
		if len(b) < relayHeader || b[1] > 32 {
			return false
		}
		inner, ok := dhcp6Option(b[relayHeader:], relayed)
		return ok && len(inner) >= 4 && inner[0] > 0 && inner[0] <= relayReply
	}
	const clientID = 1
	duid, ok := dhcp6Option(b[4:], clientID)
	return ok && len(duid) >= 6 && duid[0] == 0 && duid[1] >= 1 && duid[1] <= 4
}

// dhcp6Option returns the first option of a kind, if all of them are whole.
func dhcp6Option(b []byte, kind uint16) (value []byte, ok bool) {
	for len(b) > 0 { // each turn takes four octets or more
		if len(b) < 4 || len(b) < 4+int(binary.BigEndian.Uint16(b[2:])) {
			return nil, false
		}
		n := int(binary.BigEndian.Uint16(b[2:]))
		if !ok && binary.BigEndian.Uint16(b) == kind {
			value, ok = b[4:4+n], true
		}
		b = b[4+n:]
	}
	return value, ok
}
