package tunnel

import "encoding/binary"

// An RTP remembers of one end of a conversation what its datagrams looked like,
// to tell RTP by its shape (RFC 3550, 5.1): nothing in a single packet is
// certain. Its zero value is ready for use.
type RTP struct {
	source uint32 // SSRC
	seq    uint16
	kind   uint8 // payload type
	row    uint8 // packets that continued each the one before, and the first
}

// inRow is how many packets must continue each the one before: the same source
// and type, and sequence numbers that go on by one to three. Two of them agree
// by chance once in 2^52.
const inRow = 3

// Next takes the next datagram of that end, and reports whether they are RTP.
func (r *RTP) Next(b []byte) bool {
	const header, version2 = 12, 0x80
	if len(b) < header || b[0]&0xc0 != version2 || isRTCP(b[1]) {
		*r = RTP{}
		return false
	}
	seq, source, kind := binary.BigEndian.Uint16(b[2:]), binary.BigEndian.Uint32(b[8:]), b[1]&0x7f
	if step := seq - r.seq; r.row > 0 && source == r.source && kind == r.kind && step >= 1 && step <= 3 {
		r.row++
	} else {
		r.row = 1
	}
	r.seq, r.source, r.kind = seq, source, kind
	return r.row > inRow
}

// isRTCP reports whether a packet type is one of RTCP, which RTP keeps clear of
// (RFC 5761, 4).
func isRTCP(kind byte) bool { return kind >= 192 && kind <= 223 }

// IsRTCP reports whether b is a compound packet of RTCP (RFC 3550, 6.1): a report
// of sender or receiver first, then another of a known kind, each as long as it
// says, to the end.
func IsRTCP(b []byte) bool {
	const header, sender, receiver = 4, 200, 201
	packets := 0
	for len(b) > 0 { // each turn takes four octets or more
		if len(b) < header || b[0]&0xc0 != 0x80 || !isRTCP(b[1]) || packets == 0 && b[1] != sender && b[1] != receiver {
			return false
		}
		n := header * (int(binary.BigEndian.Uint16(b[2:])) + 1)
		if n > len(b) || packets == 0 && n < 8 {
			return false
		}
		packets++
		b = b[n:]
	}
	return packets >= 2
}
