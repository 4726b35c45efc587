package collector

import (
	"encoding/binary"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/weir-nta/weir/internal/wire"
)

// A kind is a format of export.
type kind uint8

const (
	unknown kind = iota
	netflow1
	netflow5
	netflow7
	netflow9
	ipfix
	sflow5
)

// String returns the name as in weir.Exporter.Kind.
func (k kind) String() string {
	return [...]string{"unknown", "netflow1", "netflow5", "netflow7", "netflow9", "ipfix", "sflow5"}[k]
}

// A header is what the beginning of a datagram says of it, before it is decoded.
type header struct {
	kind      kind
	domain    uint32 // observation domain, source, engine type and id, or sub-agent
	sender    uint64 // whose numbers these are: the port or, in sFlow, a hash of the agent's address
	sequence  uint32
	count     int           // records as the header counts them, 0 where it does not
	exported  time.Time     // zero where it is not told (sFlow)
	uptime    time.Duration // in milliseconds; valid if hasUptime
	hasUptime bool
}

// readHeader tells the format of b by its content. What is of none, or ends
// within its header, is of kind unknown: above all the versions that nobody
// documents, such as the 0x00f0 of nfpcapd, which must never pass for NetFlow.
func readHeader(b []byte) header {
	if len(b) < 2 {
		return header{}
	}
	be := binary.BigEndian
	switch version := be.Uint16(b); {
	case version == 1 && len(b) >= 16:
		h := legacy(netflow1, b)
		return h
	case version == 5 && len(b) >= 24:
		h := legacy(netflow5, b)
		h.sequence = be.Uint32(b[16:])
		h.domain = uint32(be.Uint16(b[20:]))
		return h
	case version == 7 && len(b) >= 24:
		h := legacy(netflow7, b)
		h.sequence = be.Uint32(b[16:])
		return h
	case version == 9 && len(b) >= 20:
		h := header{kind: netflow9, count: int(be.Uint16(b[2:])), sequence: be.Uint32(b[12:]), domain: be.Uint32(b[16:])}
		h.exported = time.Unix(int64(be.Uint32(b[8:])), 0)
		h.uptime, h.hasUptime = milliseconds(b[4:]), true
		return h
	case version == 10 && len(b) >= 16:
		return header{kind: ipfix, exported: time.Unix(int64(be.Uint32(b[4:])), 0), sequence: be.Uint32(b[8:]), domain: be.Uint32(b[12:])}
	case version == 0:
		return sflowHeader(b)
	}
	return header{}
}

// legacy reads what versions 1, 5 and 7 of NetFlow have in common.
func legacy(k kind, b []byte) header {
	be := binary.BigEndian
	return header{
		kind: k, count: int(be.Uint16(b[2:])),
		exported: time.Unix(int64(be.Uint32(b[8:])), int64(be.Uint32(b[12:])%1e9)),
		uptime:   milliseconds(b[4:]), hasUptime: true,
	}
}

func milliseconds(b []byte) time.Duration {
	return time.Duration(binary.BigEndian.Uint32(b)) * time.Millisecond
}

// sflowHeader reads the beginning of sFlow version 5, a word of 32 bits.
func sflowHeader(b []byte) header {
	at := sflowFixed(b)
	if at == 0 {
		return header{}
	}
	be := binary.BigEndian
	return header{
		kind: sflow5, sender: xxh3.Hash(b[8:at]), domain: be.Uint32(b[at:]), sequence: be.Uint32(b[at+4:]),
		uptime: milliseconds(b[at+8:]), hasUptime: true,
		count: int(min(be.Uint32(b[at+12:]), 1<<16)),
	}
}

// sflowFixed returns where the number of the sub-agent stands, behind an agent
// address of either length; 0 if this is no sFlow.
func sflowFixed(b []byte) int {
	if len(b) < 8 || binary.BigEndian.Uint32(b) != 5 {
		return 0
	}
	at := 0
	switch binary.BigEndian.Uint32(b[4:]) {
	case 0: // an agent without an address
		at = 8
	case 1:
		at = 12
	case 2:
		at = 24
	}
	if at == 0 || len(b) < at+16 {
		return 0
	}
	return at
}

// Begins says whether b begins like a datagram of a format that is decoded.
func Begins(b []byte) bool { return readHeader(b).kind != unknown }

// Plausible says whether b is, by all its lengths, one datagram of a format
// that is decoded. It is strict, for telling exports among other traffic: a
// datagram that is damaged is not plausible.
func Plausible(b []byte) bool {
	h := readHeader(b)
	switch h.kind {
	case netflow1:
		return h.count > 0 && h.count <= 30 && len(b) == 16+52*h.count
	case netflow5:
		return h.count > 0 && h.count <= 30 && len(b) == 24+48*h.count
	case netflow7:
		return h.count > 0 && h.count <= 30 && len(b) == 24+52*h.count
	case netflow9:
		return h.count > 0 && h.count <= len(b)/4 && sets(b[20:], 0, 1)
	case ipfix:
		return int(binary.BigEndian.Uint16(b[2:])) == len(b) && sets(b[16:], 2, 3)
	case sflow5:
		return samples(b[sflowFixed(b)+12:])
	default:
		return false
	}
}

// sets says whether b consists of one FlowSet or Set or more, of data or with
// the numbers given.
func sets(b []byte, template, options uint16) bool {
	known := len(b) >= 4
	err := wire.Each(b, 4, func(b []byte) ([]byte, error) {
		id, length := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		if id < 256 && id != template && id != options || length <= 4 || length > len(b) {
			known = false
			return nil, wire.ErrStuck
		}
		return b[length:], nil
	})
	return known && err == nil
}

// samples says whether b is a number, and as many samples of sFlow as it says.
func samples(b []byte) bool {
	left := binary.BigEndian.Uint32(b)
	whole := left > 0
	err := wire.Each(b[4:], 8, func(b []byte) ([]byte, error) {
		length := binary.BigEndian.Uint32(b[4:])
		if left == 0 || uint64(length) > uint64(len(b)-8) || length%4 != 0 {
			whole = false
			return nil, wire.ErrStuck
		}
		left--
		return b[8+length:], nil
	})
	return whole && left == 0 && err == nil
}
