package packet

import (
	"encoding/binary"

	"github.com/weir-nta/weir"
)

// Extension headers of IPv6 that are not a protocol in their own right
// (RFC 8200). AH also occurs in IPv4.
const (
	extHopByHop    weir.Proto = 0
	extRouting     weir.Proto = 43
	extFragment    weir.Proto = 44
	extDestination weir.Proto = 60
)

// fragmentSlack stands for the bytes of a packet that are in later fragments.
const fragmentSlack = 65535

// ipv4 reads an IPv4 packet (RFC 791).
func (d *Decoder) ipv4(p *Packet, b []byte) error {
	if len(b) < 20 {
		return ErrShort
	}
	header := int(b[0]&0xf) * 4
	total := int(binary.BigEndian.Uint16(b[2:]))
	wire := len(b) + d.cut
	if total == 0 { // segmentation offload: the card would have filled it in
		total = wire
	}
	if b[0]>>4 != 4 || header < 20 || total < header || d.inside && total > wire {
		return ErrHeader
	}
	b = d.trim(b, total)
	if len(b) < header {
		return ErrShort
	}
	p.Src, p.Dst = addr4(b[12:]), addr4(b[16:])
	p.Bytes = total
	p.TTL, p.TOS = b[8], b[1]
	p.Proto = weir.Proto(b[9])
	fragment := binary.BigEndian.Uint16(b[6:])
	id := uint32(binary.BigEndian.Uint16(b[4:]))
	b, n := b[header:], total-header
	if fragment&0x1fff != 0 {
		d.later(p, id, int(fragment&0x1fff)*8, n)
		return nil
	}
	if p.Proto == weir.AH {
		b, n = d.authentication(p, b, n)
	}
	return d.upper(p, b, n, fragment&0x2000 != 0, id)
}

// ipv6 reads an IPv6 packet (RFC 8200) and its extension headers.
func (d *Decoder) ipv6(p *Packet, b []byte) error {
	if len(b) < 40 {
		return ErrShort
	}
	n := int(binary.BigEndian.Uint16(b[4:]))
	wire := len(b) + d.cut
	if n == 0 && wire > 46 { // jumbogram (RFC 2675) or segmentation offload; up to 46 may be Ethernet padding
		n = wire - 40
	}
	if b[0]>>4 != 6 || d.inside && 40+n > wire {
		return ErrHeader
	}
	b = d.trim(b, 40+n)
	p.V6 = true
	p.Src, p.Dst = addr6(b[8:]), addr6(b[24:])
	p.Bytes = 40 + n
	p.TTL, p.TOS = b[7], b[0]<<4|b[1]>>4
	p.Proto = weir.Proto(b[6])
	return d.extensions(p, b[40:], n)
}

// trim takes what lies behind the n bytes of a packet off b: padding, trailers,
// checksums. It notes how many of the n bytes were not captured.
func (d *Decoder) trim(b []byte, n int) []byte {
	if n <= len(b) {
		d.cut = 0
		return b[:n]
	}
	d.cut = n - len(b)
	return b
}

// extensions reads extension headers until a protocol follows that is none. In
// b is what was captured of n bytes.
func (d *Decoder) extensions(p *Packet, b []byte, n int) error {
	first, id := false, uint32(0)
	for {
		size := 8
		switch p.Proto {
		case extHopByHop, extRouting, extDestination:
			if len(b) >= 2 {
				size = (int(b[1]) + 1) * 8
			}
		case weir.AH:
			if len(b) >= 2 {
				size = (int(b[1]) + 2) * 4
			}
		case extFragment:
		default:
			return d.upper(p, b, n, first, id)
		}
		if size > n {
			return ErrHeader
		}
		if size > len(b) {
			return ErrShort
		}
		if p.Proto == extFragment {
			where := binary.BigEndian.Uint16(b[2:])
			id = binary.BigEndian.Uint32(b[4:])
			if where&0xfff8 != 0 {
				p.Proto = weir.Proto(b[0])
				d.later(p, id, int(where&0xfff8), n-size)
				return nil
			}
			first = first || where&1 != 0 // neither offset nor more: a whole packet (RFC 6946)
		}
		p.Proto = weir.Proto(b[0])
		b, n = b[size:], n-size
	}
}

// authentication takes authentication headers (RFC 4302) off an IPv4 packet.
// One that is not whole stays on, as a protocol of its own.
func (d *Decoder) authentication(p *Packet, b []byte, n int) ([]byte, int) {
	for p.Proto == weir.AH && len(b) >= 2 {
		size := (int(b[1]) + 2) * 4
		if size > len(b) {
			break
		}
		p.Proto = weir.Proto(b[0])
		b, n = b[size:], n-size
	}
	return b, n
}

// upper reads what the IP headers lead to. First says that more fragments
// follow, under this id.
func (d *Decoder) upper(p *Packet, b []byte, n int, first bool, id uint32) error {
	if !first {
		if err := d.transport(p, b, n); err != nil {
			return err
		}
		d.unwrap(p, 0)
		return nil
	}
	d.cut += fragmentSlack
	if err := d.transport(p, b, n); err != nil {
		return err
	}
	p.FirstFragment = true
	d.counters.FirstFragments++
	d.fragments.remember(p, id, n, d.now)
	d.unwrap(p, fragmentSlack)
	return nil
}

// later makes p a fragment other than the first, with n bytes of data from
// offset on. Its bytes mean nothing without those before them, so it has no Payload.
func (d *Decoder) later(p *Packet, id uint32, offset, n int) {
	p.LaterFragment = true
	p.PayloadLen = n
	d.counters.LaterFragments++
	if !d.fragments.recall(p, id, offset, d.now) {
		d.counters.OrphanFragments++
	}
	if p.OverlapsFirst {
		d.counters.OverlapFragments++
	}
}
