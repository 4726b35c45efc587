// Package dns decodes messages of the DNS (RFC 1035, RFC 6891) and of what
// speaks its format: multicast DNS (RFC 6762), LLMNR (RFC 4795) and the
// NetBIOS name service (RFC 1002).
package dns

import (
	"errors"

	"github.com/weir-nta/weir"
)

// A Message is one decoded message. It points into the bytes it was decoded
// from and is valid as long as those are; decoding into it again reuses it.
type Message struct {
	// ID is the transaction identifier.
	ID uint16
	// Response is the QR bit.
	Response bool
}

// ErrShort says that a message ends before its header or records do.
var ErrShort = errors.New("message too short")

// Decode reads b into m.
func Decode(m *Message, b []byte) error { return ErrShort }

// Looks reports whether b, a UDP payload, looks like a DNS message.
func Looks(b []byte) bool { return false }

// Dialect names what of the DNS family runs on a pair of ports: dns, mdns,
// llmnr or nbns.
func Dialect(srcPort, dstPort uint16) string { return "dns" }

// FillQuery sets what a query says.
func (m *Message) FillQuery(d *weir.DNSTransaction) {}

// FillResponse sets what a response says.
func (m *Message) FillResponse(d *weir.DNSTransaction) {}
