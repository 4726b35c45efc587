package quic

import (
	"bytes"
	"slices"
)

// Bounds of what is gathered of one end: hellos with keys against quantum
// computers have 2 KB, and the longest in the captures come in 30 pieces. A
// sender that exceeds them is not read further.
const (
	maxCrypto = 16 << 10
	maxPieces = 128
)

// A stream is what an end says in CRYPTO frames, whatever order these come in
// (RFC 9000, 19.6). It holds what has come and no room for what has not.
type stream struct {
	octets []byte  // in the order in which they came
	pieces []piece // in their order in the stream
	base   int     // what is before it has been read
	// differs says that the same octets came twice and not the same.
	differs bool
}

// A piece says where in the stream n octets belong and where they are held.
type piece struct{ offset, n, at int }

// put takes a piece of the stream. It returns false if that exceeds the bounds.
func (s *stream) put(offset uint64, b []byte) bool {
	if offset+uint64(len(b)) > maxCrypto {
		return false
	}
	p := piece{int(offset), len(b), len(s.octets)}
	if p.n == 0 || p.offset+p.n <= s.base {
		return true
	}
	for _, old := range s.pieces {
		lo, hi := max(old.offset, p.offset), min(old.offset+old.n, p.offset+p.n)
		if lo >= hi {
			continue
		}
		if !bytes.Equal(s.octets[old.at+lo-old.offset:old.at+hi-old.offset], b[lo-p.offset:hi-p.offset]) {
			s.differs = true
		}
		if lo == p.offset && hi == p.offset+p.n {
			return true // sent again
		}
	}
	if len(s.pieces) >= maxPieces || len(s.octets)+p.n > maxCrypto {
		return false
	}
	s.octets = append(s.octets, b...)
	i, _ := slices.BinarySearchFunc(s.pieces, p, func(old, p piece) int { return old.offset - p.offset })
	s.pieces = slices.Insert(s.pieces, i, p)
	return true
}

// message returns the handshake message that comes next, nil if it is not
// whole yet.
func (s *stream) message() []byte {
	var room [4]byte
	header := s.copy(room[:0], 4)
	if header == nil {
		return nil
	}
	n := 4 + int(header[1])<<16 + int(header[2])<<8 + int(header[3])
	if n > maxCrypto || s.reach() < s.base+n {
		return nil
	}
	return s.copy(make([]byte, 0, n), n)
}

// all returns what has come up to the first gap.
func (s *stream) all() []byte { return s.copy(nil, s.reach()-s.base) }

// reach returns how far the stream has come without a gap.
func (s *stream) reach() int {
	at := s.base
	for _, p := range s.pieces {
		if p.offset > at {
			break
		}
		at = max(at, p.offset+p.n)
	}
	return at
}

// copy appends the next n octets to dst, nil if they have not all come. Of
// octets that came twice those count that began first in the stream.
func (s *stream) copy(dst []byte, n int) []byte {
	at := s.base
	for _, p := range s.pieces {
		if p.offset > at || at >= s.base+n {
			break
		}
		if end := min(p.offset+p.n, s.base+n); end > at {
			dst = append(dst, s.octets[p.at+at-p.offset:p.at+end-p.offset]...)
			at = end
		}
	}
	if at < s.base+n {
		return nil
	}
	return dst
}

// skip moves behind n octets.
func (s *stream) skip(n int) { s.base += n }

// Types of frames that Initial packets hold (RFC 9000, 12.4); in Google's Q050
// crypto has a number of its own.
const (
	framePadding      = 0x00
	framePing         = 0x01
	frameACK          = 0x02
	frameACKECN       = 0x03
	frameCrypto       = 0x06
	frameCryptoGoogle = 0x08
)

// eachCrypto hands on the CRYPTO frames of a packet until there is none or one
// of another kind, behind which nothing can be found, or take returns false.
func eachCrypto(frames []byte, take func(offset uint64, b []byte) bool) {
	c := cursor{b: frames}
	for !c.empty() { // each turn takes a type at least
		switch c.varint() {
		case framePadding, framePing:
		case frameACK:
			c.ack()
		case frameACKECN:
			c.ack()
			c.varint()
			c.varint()
			c.varint()
		case frameCrypto, frameCryptoGoogle:
			offset := c.varint()
			b := c.take(c.varint())
			if c.bad || !take(offset, b) {
				return
			}
		default:
			return
		}
	}
}

// ack passes over an ACK frame behind its type (RFC 9000, 19.3).
func (c *cursor) ack() {
	c.varint() // largest
	c.varint() // delay
	n := c.varint()
	c.varint()                                 // first range
	for i := uint64(0); i < n && !c.bad; i++ { // each turn takes two octets
		c.varint()
		c.varint()
	}
}
