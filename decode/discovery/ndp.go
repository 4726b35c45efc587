package discovery

import (
	"encoding/binary"
	"net/netip"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/decode/packet"
)

// The messages of neighbour discovery (RFC 4861, 4).
const (
	routerSolicitation    = 133
	routerAdvertisement   = 134
	neighborSolicitation  = 135
	neighborAdvertisement = 136
)

// The options that are read (RFC 4861, 4.6; RFC 8106, 5.1).
const (
	optionSource = 1
	optionTarget = 2
	optionPrefix = 3
	optionDNS    = 25
)

// IsNeighbour reports whether p is a message of neighbour discovery. One that a
// router has passed on is none (RFC 4861, 7.1).
func IsNeighbour(p *packet.Packet) bool {
	return p.Proto == weir.ICMPv6 && p.ICMPType >= routerSolicitation && p.ICMPType <= neighborAdvertisement &&
		p.ICMPCode == 0 && p.TTL == 255 && p.Frame == 0 && !p.LaterFragment && !p.FirstFragment
}

// neighbour reads a message of neighbour discovery.
func (l *Local) neighbour(d *dialog.Dialog, p *packet.Packet) (conflict string) {
	s := speaker{d: d, left: maxTold, say: weir.Announcement{Protocol: "ndp", MAC: d.SrcMAC}}
	switch p.ICMPType {
	case neighborSolicitation:
		return l.solicited(&s, p)
	case neighborAdvertisement:
		return l.advertised(&s, p)
	case routerAdvertisement:
		return l.router(&s, p)
	}
	return l.sender(&s, p, p.Payload) // who asks for routers says where it is
}

// sender tells where the sender is, by the option that says so.
func (l *Local) sender(s *speaker, p *packet.Packet, options []byte) (conflict string) {
	mac, ok := linkOption(options, optionSource)
	if !ok || !spoken(s.d.Src) {
		return ""
	}
	s.say.MAC = macText(s.d, p, mac)
	s.tell(weir.Announcement{Kind: "binding", Addr: s.d.Src})
	return l.bind(s.d, s.d.Src, mac)
}

// solicited reads who asks for an address, or whether it may have it.
func (l *Local) solicited(s *speaker, p *packet.Packet) (conflict string) {
	if len(p.Payload) < 16 {
		return ""
	}
	target := netip.AddrFrom16([16]byte(p.Payload))
	if !spoken(target) {
		return ""
	}
	if s.d.Src.IsUnspecified() { // RFC 4862, 5.4
		s.tell(weir.Announcement{Kind: "probe", Addr: target})
		return ""
	}
	conflict = l.sender(s, p, p.Payload[16:])
	if spoken(s.d.Src) {
		s.tell(weir.Announcement{Kind: "request", Addr: target})
	}
	return conflict
}

// advertised reads where an address is.
func (l *Local) advertised(s *speaker, p *packet.Packet) (conflict string) {
	const fromRouter = 0x80
	if len(p.Payload) < 16 {
		return ""
	}
	target := netip.AddrFrom16([16]byte(p.Payload))
	mac, ok := linkOption(p.Payload[16:], optionTarget)
	if ok && spoken(target) {
		s.say.MAC = macText(s.d, p, mac)
		s.tell(weir.Announcement{Kind: "binding", Addr: target})
		conflict = l.bind(s.d, target, mac)
	}
	if p.ICMPRest[0]&fromRouter != 0 && spoken(s.d.Src) {
		s.tell(weir.Announcement{Kind: "role", Text: "router"})
	}
	return conflict
}

// router reads what a router says of the network.
func (l *Local) router(s *speaker, p *packet.Packet) (conflict string) {
	if len(p.Payload) < 8 || !spoken(s.d.Src) {
		return ""
	}
	options := p.Payload[8:]
	conflict = l.sender(s, p, options)
	prefixes := 0
	eachOption(options, func(kind byte, v []byte) {
		switch {
		case kind == optionPrefix && len(v) == 30:
			prefixes++
			prefix := netip.PrefixFrom(netip.AddrFrom16([16]byte(v[14:])), int(v[0]))
			s.tell(weir.Announcement{Kind: "router", Addr: s.d.Src, Text: prefix.Masked().String()})
		case kind == optionDNS && len(v) >= 22:
			for v = v[6:]; len(v) >= 16; v = v[16:] {
				s.tell(weir.Announcement{Kind: "dns", Addr: netip.AddrFrom16([16]byte(v))})
			}
		}
	})
	if lifetime := binary.BigEndian.Uint16(p.ICMPRest[2:]); lifetime > 0 && prefixes == 0 {
		s.tell(weir.Announcement{Kind: "router", Addr: s.d.Src})
	}
	return conflict
}

// linkOption returns the link-layer address of Ethernet in an option.
func linkOption(b []byte, want byte) (mac packet.MAC, ok bool) {
	eachOption(b, func(kind byte, v []byte) {
		if kind == want && len(v) == 6 && !ok {
			mac, ok = packet.MAC(v), true
		}
	})
	return mac, ok
}

// eachOption walks options, whose length is told in units of eight octets.
func eachOption(b []byte, take func(kind byte, v []byte)) {
	for range maxRecords {
		if len(b) < 8 {
			return
		}
		n := int(b[1]) * 8
		if n == 0 || n > len(b) {
			return
		}
		take(b[0], b[2:n])
		b = b[n:]
	}
}
