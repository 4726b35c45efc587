package tls

// A cursor reads fields one after the other. Once it has been asked for more
// than there is, it is bad and gives zeros.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) take(n int) []byte {
	if n > len(c.b) {
		c.b, c.bad = nil, true
		return nil
	}
	out := c.b[:n]
	c.b = c.b[n:]
	return out
}

func (c *cursor) u8() byte {
	if b := c.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (c *cursor) u16() uint16 {
	if b := c.take(2); b != nil {
		return uint16(b[0])<<8 | uint16(b[1])
	}
	return 0
}

func (c *cursor) u24() int {
	if b := c.take(3); b != nil {
		return int(b[0])<<16 | int(b[1])<<8 | int(b[2])
	}
	return 0
}

// vector8 takes a vector with a length of one byte before it.
func (c *cursor) vector8() []byte { return c.take(int(c.u8())) }

// vector16 takes a vector with a length of two bytes before it.
func (c *cursor) vector16() []byte { return c.take(int(c.u16())) }

func (c *cursor) empty() bool { return len(c.b) == 0 }
