package packet

import (
	"encoding/binary"

	"github.com/weir-nta/weir"
)

// udpLite is UDP-Lite (RFC 3828).
const udpLite weir.Proto = 136

// transport reads the header of the transport protocol: b is what was captured
// of n bytes. A protocol without one here keeps all n as its payload. An IP
// packet with nothing in it is one of its protocol, without ports: scans for
// protocols send them.
func (d *Decoder) transport(p *Packet, b []byte, n int) error {
	if n == 0 {
		return nil
	}
	switch p.Proto {
	case weir.TCP:
		return d.tcp(p, b, n)
	case weir.UDP:
		return d.udp(p, b, n)
	case weir.ICMPv4, weir.ICMPv6:
		return d.icmp(p, b, n)
	case weir.SCTP: // RFC 9260, section 3.1
		return d.ports(p, b, n, 12)
	case udpLite: // its length field says what the checksum covers
		return d.ports(p, b, n, 8)
	}
	p.Payload, p.PayloadLen = b, n
	return nil
}

// tcp reads a TCP header (RFC 9293, section 3.1). Where the capture or a
// fragment ends within it, the first 14 bytes will do. Options may be missing
// altogether: there are scanners that announce 24 bytes and send 20.
func (d *Decoder) tcp(p *Packet, b []byte, n int) error {
	if len(b) < 20 && (d.cut == 0 || len(b) < 14) {
		return d.ports(p, b, n, 20)
	}
	header := int(b[12]>>4) * 4
	if header < 20 {
		return ErrHeader
	}
	p.SrcPort = binary.BigEndian.Uint16(b)
	p.DstPort = binary.BigEndian.Uint16(b[2:])
	p.Seq = binary.BigEndian.Uint32(b[4:])
	p.Ack = binary.BigEndian.Uint32(b[8:])
	p.Flags = weir.TCPFlags(b[13])
	if len(b) >= 16 {
		p.Window = binary.BigEndian.Uint16(b[14:])
	}
	if len(b) < header {
		d.counters.CutHeaders++
	}
	if header > 20 && len(b) > 20 {
		p.Options = b[20:min(header, len(b))]
	}
	p.PayloadLen = max(n-header, 0)
	p.Payload = b[min(header, len(b)):]
	return nil
}

// udp reads a UDP header (RFC 768). A length that cannot be is passed over: the
// ports are what matters, and IP has said how long the packet is.
func (d *Decoder) udp(p *Packet, b []byte, n int) error {
	if len(b) < 8 {
		return d.ports(p, b, n, 8)
	}
	if size := int(binary.BigEndian.Uint16(b[4:])); size >= 8 && size < n {
		n = size
		b = b[:min(n, len(b))]
	}
	p.SrcPort = binary.BigEndian.Uint16(b)
	p.DstPort = binary.BigEndian.Uint16(b[2:])
	p.PayloadLen = n - 8
	p.Payload = b[8:]
	return nil
}

// ports reads the two ports with which a header begins, even if the rest of it
// was not captured.
func (d *Decoder) ports(p *Packet, b []byte, n, header int) error {
	if len(b) < header {
		if d.cut == 0 {
			return ErrHeader
		}
		if len(b) < 4 {
			return ErrShort
		}
		d.counters.CutHeaders++
	}
	p.SrcPort = binary.BigEndian.Uint16(b)
	p.DstPort = binary.BigEndian.Uint16(b[2:])
	p.PayloadLen = max(n-header, 0)
	p.Payload = b[min(header, len(b)):]
	return nil
}

// icmp reads a message of ICMP (RFC 792) or ICMPv6 (RFC 4443).
func (d *Decoder) icmp(p *Packet, b []byte, n int) error {
	if len(b) < 4 {
		if d.cut == 0 {
			return ErrHeader
		}
		return ErrShort
	}
	p.ICMPType, p.ICMPCode = b[0], b[1]
	if len(b) >= 8 {
		if paired(p.Proto, p.ICMPType) {
			p.ICMPID = binary.BigEndian.Uint16(b[4:])
		}
		p.ICMPRest = [4]byte(b[4:])
		p.Payload = b[8:]
	}
	p.PayloadLen = max(n-8, 0)
	return nil
}

// paired says whether messages of this type come as request and reply with an
// identifier: echo, timestamp, information, address mask, extended echo
// (RFC 792, 950, 4443, 8335).
func paired(proto weir.Proto, kind uint8) bool {
	if proto == weir.ICMPv6 {
		return kind == 128 || kind == 129 || kind == 160 || kind == 161
	}
	return kind == 0 || kind == 8 || kind >= 13 && kind <= 18 || kind == 42 || kind == 43
}
