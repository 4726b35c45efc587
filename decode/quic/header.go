package quic

import "encoding/binary"

// A packet is one with a long header (RFC 9000, 17.2).
type packet struct {
	version     uint32
	kind        kind
	known       *version // nil: nothing behind the identifiers is read
	destination []byte   // connection identifiers
	source      []byte
	whole       []byte // without those behind it in the datagram
	number      int    // where its number begins
}

const (
	longForm = 0x80
	maxID    = 20 // of the versions read here
)

// next takes the first packet of a datagram. It returns false if there is none
// with a long header, or none that can be read; of one of an unknown version
// the rest is its own.
func next(b []byte) (p packet, rest []byte, ok bool) {
	if len(b) < 7 || b[0]&longForm == 0 {
		return p, nil, false
	}
	p.version = binary.BigEndian.Uint32(b[1:])
	p.whole, p.known = b, versionOf(p.version)
	if p.known == nil && isGoogle(p.version) {
		return p, nil, true // whose identifiers have other lengths
	}
	c := cursor{b: b, at: 5}
	p.destination = c.take(uint64(c.u8()))
	p.source = c.take(uint64(c.u8()))
	if c.bad {
		return p, nil, false
	}
	if p.known == nil {
		return p, nil, true
	}
	if len(p.destination) > maxID || len(p.source) > maxID {
		return p, nil, false
	}
	if p.kind = p.known.types[b[0]>>4&3]; p.kind == retry {
		return p, nil, true
	}
	if p.kind == initial {
		c.take(c.varint()) // token
	}
	length := c.varint()
	p.number = c.at
	if c.take(length); c.bad {
		return p, nil, false
	}
	p.whole = b[:c.at]
	return p, b[c.at:], true
}

// sealed reports whether a packet is an Initial that may be opened: 4 octets
// for the number, then the 16 that the header is hidden with (RFC 9001, 5.4.2).
func (p *packet) sealed() bool { return p.kind == initial && len(p.whole) >= p.number+4+tagSize }

// A cursor reads fields one after the other. Once it has been asked for more
// than there is, it is bad and gives zeros.
type cursor struct {
	b   []byte
	at  int
	bad bool
}

func (c *cursor) take(n uint64) []byte {
	if c.bad || n > uint64(len(c.b)-c.at) {
		c.bad = true
		return nil
	}
	out := c.b[c.at : c.at+int(n)]
	c.at += int(n)
	return out
}

func (c *cursor) u8() byte {
	if b := c.take(1); b != nil {
		return b[0]
	}
	return 0
}

// varint takes an integer of 1, 2, 4 or 8 octets (RFC 9000, 16).
func (c *cursor) varint() uint64 {
	first := c.u8()
	v := uint64(first & 0x3f)
	for _, b := range c.take(1<<(first>>6) - 1) {
		v = v<<8 | uint64(b)
	}
	return v
}

func (c *cursor) empty() bool { return c.bad || c.at >= len(c.b) }
