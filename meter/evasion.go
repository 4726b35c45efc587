package meter

import (
	"encoding/binary"
	"strconv"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/packet"
)

// Whoever wants to be misread sends segments that Weir sees and the receiver
// does not take: too old, or with a time to live that ends on the way. What
// betrays them is told; docs/operate/limits.md says what comes of each.

// stale reports whether a segment of a stream that is wanted is one which its
// receiver drops, for its timestamp is older than that of what came in order
// before it (RFC 7323, section 5). It is told, and is no part of the stream.
func (m *Meter) stale(f *flow, end uint8, rel uint64, ts int64, p *packet.Packet) bool {
	if f.s[end].done {
		return false
	}
	m.noteTTL(f, end, ts, p)
	stamp := timestamp(p.Options)
	if stamp == 0 {
		return false
	}
	r := &f.rest[end]
	if r.stamp != 0 && int32(stamp-r.stamp) < 0 {
		m.oddFlow(f, end, ts, "tcp_old_timestamp", "")
		return true
	}
	if rel <= max(f.s[end].front, 1) {
		r.stamp = stamp
	}
	return false
}

// timestamp returns that of a segment, 0 if it has none.
func timestamp(options []byte) (stamp uint32) {
	const usual = 12 // nop, nop, timestamps
	if len(options) == usual && options[2] == optionTimestamps && options[3] == 10 && options[0] == optionNop && options[1] == optionNop {
		return binary.BigEndian.Uint32(options[4:])
	}
	eachOption(options, func(kind byte, value []byte) {
		if kind == optionTimestamps && len(value) == 8 {
			stamp = binary.BigEndian.Uint32(value)
		}
	})
	return stamp
}

// A segment that is to end on its way has few hops left, and fewer than the
// others of its sender. Other ways through the network differ by less.
const (
	fewHops  = 32
	lessHops = 5
)

func (m *Meter) noteTTL(f *flow, end uint8, ts int64, p *packet.Packet) {
	if first := f.s[end].ttl; p.TTL < fewHops && int(p.TTL)+lessHops <= int(first) {
		m.oddFlow(f, end, ts, "tcp_ttl", strconv.Itoa(int(p.TTL))+", first "+strconv.Itoa(int(first)))
	}
}

// noteAfterEnd tells of an end that goes on with new data after its own RST, or
// behind its own FIN: the other end may never have got these.
func (m *Meter) noteAfterEnd(f *flow, end uint8, ts int64, flags weir.TCPFlags, rel uint64, p *packet.Packet) {
	e := &f.s[end]
	if p.PayloadLen == 0 || flags&(weir.RST|weir.SYN) != 0 {
		return
	}
	switch next := rel + uint64(p.PayloadLen); {
	case e.phase == reset && next > max(e.front, 1):
		m.oddFlow(f, end, ts, "tcp_data_after_rst", "")
	case e.sentFIN && flags&weir.FIN == 0 && next > e.fin-1:
		m.oddFlow(f, end, ts, "tcp_data_after_fin", "")
	}
}
