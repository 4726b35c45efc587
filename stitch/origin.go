package stitch

import (
	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/app"
	"github.com/weir-nta/weir/decode/packet"
)

// origin returns the end that began, and whether that is a guess: by the
// exporter's word, by flags, by order, and only then by ports.
func (s *Stitcher) origin(c *conversation) (end uint8, guessed bool) {
	if c.told != 0 {
		return c.told - 1, false
	}
	if end, ok := c.byNature(); ok {
		return end, false
	}
	if end, ok := c.byFlags(); ok {
		return end, false
	}
	first, ordered := c.first()
	server, known := s.serverEnd(c)
	switch {
	case c.key.Proto == weir.TCP && ordered && c.sides[0].flags&c.sides[1].flags&weir.SYN != 0:
		return first, false
	case c.key.Proto == weir.UDP && (ordered || !c.both()):
		// As for packets: who sends from a port of servers to another answers.
		if known && server == first {
			return first ^ 1, true
		}
		return first, !ordered && !s.unanswered(c)
	case c.key.Proto != weir.TCP && c.key.Proto != weir.UDP:
		return first, !ordered
	}
	if known {
		return server ^ 1, true
	}
	if k := &c.key; k.APort != k.BPort {
		if k.APort < k.BPort {
			return 1, true
		}
		return 0, true
	}
	return first, true
}

// byNature decides where one end cannot have begun, or the message says it.
func (c *conversation) byNature() (end uint8, ok bool) {
	k := &c.key
	switch {
	case nobody(k.A):
		return 1, true
	case nobody(k.B):
		return 0, true
	case k.Proto == weir.ICMPv4 || k.Proto == weir.ICMPv6:
		if k.OneWay || asks(k.Proto, k.APort) {
			return 0, true
		}
		return 1, asks(k.Proto, k.BPort)
	}
	return 0, false
}

// nobody reports whether a is a group or everybody.
func nobody(a packet.Addr) bool {
	if a.Is4() {
		v4 := uint32(a.Lo)
		return v4>>28 == 0xe || v4 == 0xffffffff
	}
	return a.Hi>>56 == 0xff
}

// asks reports whether an ICMP type is that of a request.
func asks(p weir.Proto, typ uint16) bool {
	if p == weir.ICMPv4 {
		return typ == 8 || typ == 13 || typ == 15 || typ == 17 || typ == 10
	}
	return typ == 128 || typ == 130 || typ == 133 || typ == 135 || typ == 139 || typ == 144
}

// byFlags decides TCP where one end sent SYN without ever acknowledging
// anything, or was refused. Where one end alone sent SYN and the other went on
// to talk, either SYN may have been missed.
func (c *conversation) byFlags() (end uint8, ok bool) {
	if c.key.Proto != weir.TCP || !c.hasFlags {
		return 0, false
	}
	syn := func(e uint8) bool { return c.sides[e].flags&weir.SYN != 0 }
	pure := func(e uint8) bool { return syn(e) && c.sides[e].flags&weir.ACK == 0 }
	for e := range uint8(2) {
		refused := c.sides[e^1].flags&(weir.RST|weir.SYN|weir.FIN|weir.PSH) == weir.RST
		if pure(e) && !pure(e^1) || c.both() && syn(e) && refused {
			return e, true
		}
	}
	return 0, false
}

// first returns the end that was heard first; ordered says that the order is
// known: both were told by one exporter, with times that differ.
func (c *conversation) first() (end uint8, ordered bool) {
	a, b := &c.sides[0], &c.sides[1]
	switch {
	case !a.told() && !b.told():
		return c.from, false
	case !b.told():
		return 0, false
	case !a.told():
		return 1, false
	}
	end = c.from
	if a.first != b.first && a.owner == b.owner {
		ordered = true
		if end = 0; b.first < a.first {
			end = 1
		}
	}
	return end, ordered
}

// serverEnd returns the end whose port is that of a server: known for it,
// seen as one before, or with an application of its own.
func (s *Stitcher) serverEnd(c *conversation) (end uint8, ok bool) {
	k := &c.key
	for _, is := range [...]func(packet.Addr, uint16) bool{
		func(_ packet.Addr, port uint16) bool { return app.ServerPort(k.Proto, port) },
		func(a packet.Addr, port uint16) bool { return s.servers.has(s.serverHash(a, port, k.Proto)) },
		func(_ packet.Addr, port uint16) bool { return app.ByPort(k.Proto, port) != "" },
	} {
		if a, b := is(k.A, k.APort), is(k.B, k.BPort); a != b {
			if b {
				return 1, true
			}
			return 0, true
		}
	}
	return 0, false
}

// servers remembers ports that have been seen to be of servers: a fingerprint
// for each of 65,536 places, so that a new one takes the place of an old one.
// Who invents servers makes it forget; what is then guessed is told as such.
type servers [1 << 16]uint16

func (s *servers) has(h uint32) bool { return s[uint16(h)] == uint16(h>>16)|1 }

func (s *servers) add(h uint32) { s[uint16(h)] = uint16(h>>16) | 1 }

func (s *Stitcher) serverHash(a packet.Addr, port uint16, proto weir.Proto) uint32 {
	k := packet.Key{A: a, APort: port, Proto: proto}
	return k.Hash(&s.seed)
}
