package quic

import "github.com/weir-nta/weir/internal/pieces"

// message returns the handshake message that comes next in what an end says in
// CRYPTO frames, nil if it is not whole yet (RFC 9000, 19.6).
func message(s *pieces.Stream) []byte {
	var room [4]byte
	header := s.Append(room[:0], 4)
	if header == nil {
		return nil
	}
	n := 4 + int(header[1])<<16 + int(header[2])<<8 + int(header[3])
	if s.Ready() < n {
		return nil
	}
	return s.Append(make([]byte, 0, n), n)
}

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
	for c.padding(); !c.empty(); c.padding() { // each turn takes a type at least
		switch c.varint() {
		case framePing:
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

// padding passes over PADDING frames, of which a packet may have a thousand.
func (c *cursor) padding() {
	for c.at < len(c.b) && c.b[c.at] == framePadding {
		c.at++
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
