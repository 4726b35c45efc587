package sflow

import (
	"encoding/binary"
	"net/netip"
)

// A cursor reads XDR (RFC 4506). What it reads behind the end is 0, and it is
// bad from then on.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) take(n int) []byte {
	if n < 0 || n > len(c.b) {
		c.b, c.bad = nil, true
		return nil
	}
	b := c.b[:n]
	c.b = c.b[n:]
	return b
}

func (c *cursor) u32() uint32 {
	if b := c.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (c *cursor) u64() uint64 {
	hi := c.u32()
	return uint64(hi)<<32 | uint64(c.u32())
}

// opaque reads octets of variable length, padded to words. The padding may be
// missing at the end: there are agents that leave it out.
func (c *cursor) opaque() []byte {
	n := int64(c.u32())
	if n > int64(len(c.b)) {
		c.b, c.bad = nil, true
		return nil
	}
	b := c.take(int(n))
	c.take(min(padding(int(n)), len(c.b)))
	return b
}

func padding(n int) int { return -n & 3 }

// address reads an address with its type before it. The zero Addr stands for
// an unknown one.
func (c *cursor) address() netip.Addr {
	switch c.u32() {
	case 0: // unknown, without octets
	case 1:
		if b := c.take(4); b != nil {
			return netip.AddrFrom4([4]byte(b))
		}
	case 2:
		if b := c.take(16); b != nil {
			return netip.AddrFrom16([16]byte(b))
		}
	default:
		c.b, c.bad = nil, true
	}
	return netip.Addr{}
}
