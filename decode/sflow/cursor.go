package sflow

import (
	"encoding/binary"
	"net/netip"
)

// A cursor reads XDR (RFC 4506). What it reads behind the end is 0, and it is
// bad from then on.
type cursor struct {
	b   []byte
	at  int
	bad bool
}

func (c *cursor) left() int { return len(c.b) - c.at }

func (c *cursor) fail() { c.at, c.bad = len(c.b), true }

// take returns the next n octets, nil if there are not so many.
func (c *cursor) take(n int) []byte {
	if n > c.left() {
		c.fail()
		return nil
	}
	b := c.b[c.at : c.at+n : c.at+n]
	c.at += n
	return b
}

func (c *cursor) u32() uint32 {
	if c.left() < 4 {
		c.fail()
		return 0
	}
	v := binary.BigEndian.Uint32(c.b[c.at:])
	c.at += 4
	return v
}

func (c *cursor) u64() uint64 {
	hi := c.u32()
	return uint64(hi)<<32 | uint64(c.u32())
}

// opaque reads octets of variable length, padded to words. The padding may be
// missing at the end: there are agents that leave it out.
func (c *cursor) opaque() []byte {
	n := c.u32()
	if int64(n) > int64(c.left()) {
		c.fail()
		return nil
	}
	b := c.take(int(n))
	c.at += min(-len(b)&3, c.left())
	return b
}

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
		c.fail()
	}
	return netip.Addr{}
}
