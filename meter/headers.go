package meter

import (
	"encoding/binary"
	"strconv"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/packet"
)

// Options of TCP (IANA, TCP Option Kind Numbers).
const (
	optionEnd        = 0
	optionNop        = 1
	optionMSS        = 2
	optionScale      = 3
	optionSACKok     = 4
	optionSACK       = 5
	optionTimestamps = 8
)

// optionNames are p0f's.
var optionNames = [...]string{optionEnd: "eol", optionNop: "nop", optionMSS: "mss", optionScale: "ws", optionSACKok: "sok", optionSACK: "sack", optionTimestamps: "ts"}

// maxOptions is how many options are told; 40 octets may hold that many of no use.
const maxOptions = 16

// eachOption calls take for every option of a segment, until one is damaged.
func eachOption(b []byte, take func(kind byte, value []byte)) {
	for len(b) > 0 {
		kind := b[0]
		if kind == optionEnd || kind == optionNop {
			take(kind, nil)
			if b = b[1:]; kind == optionEnd {
				return
			}
			continue
		}
		if len(b) < 2 || b[1] < 2 || int(b[1]) > len(b) {
			return
		}
		take(kind, b[2:b[1]])
		b = b[b[1]:]
	}
}

// introduce notes what the first packet of an end shows.
func (f *flow) introduce(end uint8, p *packet.Packet) {
	f.s[end].ttl = p.TTL
	if r := &f.rest[end]; r.mac == (packet.MAC{}) {
		r.mac = p.SrcMAC // Linux "any" links tell it of the sender alone
	}
}

// synOptions notes what the first SYN of an end says in its options.
func (m *Meter) synOptions(f *flow, end uint8, p *packet.Packet) {
	if f.history.seen&f.bit(sawSYN, end) != 0 {
		return
	}
	r := &f.rest[end]
	r.window = p.Window
	var kinds [maxOptions]byte
	n := 0
	eachOption(p.Options, func(kind byte, value []byte) {
		if n < maxOptions {
			kinds[n] = kind
			n++
		}
		switch {
		case kind == optionMSS && len(value) == 2:
			r.mss = binary.BigEndian.Uint16(value)
		case kind == optionScale && len(value) == 1:
			r.scale = value[0]
		case kind == optionTimestamps && len(value) == 8:
			r.stamp = binary.BigEndian.Uint32(value)
		}
	})
	r.options = m.nameOptions(kinds[:n])
}

// nameOptions returns the names of options, mostly without allocating: there
// are few orders. When there are many others, it forgets them all and begins
// again.
func (m *Meter) nameOptions(kinds []byte) string {
	const most = 4096
	if s, ok := m.options[string(kinds)]; ok || len(kinds) == 0 {
		return s
	}
	var b []byte
	for i, kind := range kinds {
		if i > 0 {
			b = append(b, ',')
		}
		if int(kind) < len(optionNames) && optionNames[kind] != "" {
			b = append(b, optionNames[kind]...)
		} else {
			b = strconv.AppendUint(append(b, '?'), uint64(kind), 10)
		}
	}
	if len(m.options) >= most {
		clear(m.options)
	}
	s := string(b)
	m.options[string(kinds)] = s
	return s
}

// A handshake says what of it has been seen, to measure its times.
type handshake uint8

const (
	noSYN    handshake = iota
	asked              // a SYN, the first packet
	answered           // and a SYN-ACK
	measured           // and its acknowledgment; or there were two of one, and it is not clear which was answered
)

// measure takes a packet of the handshake: the SYN and its answer give the time
// from the sensor to the responder and back, the answer and its acknowledgment
// that to the originator. Of what was sent twice nobody knows which one was
// answered (Karn).
func (f *flow) measure(end uint8, ts int64, flags weir.TCPFlags) {
	if f.handshake == measured {
		return
	}
	orig := end == f.orig
	switch since := (ts - f.born) / 1000; flags & (weir.SYN | weir.ACK | weir.RST) {
	case weir.SYN:
		if f.handshake++; f.handshake != asked || !orig || ts != f.born {
			f.handshake = measured
		}
	case weir.SYN | weir.ACK:
		if f.handshake++; f.handshake != answered || orig || since < 0 || since > 1<<31 {
			f.handshake = measured
			return
		}
		f.rtts[end] = uint32(since)
	case weir.ACK:
		if !orig || f.handshake != answered {
			return
		}
		f.handshake = measured
		if since -= int64(f.rtts[end^1]); since >= 0 && since < 1<<31 {
			f.rtts[end] = uint32(since)
		}
	}
}

// tcpHead returns what the headers of a connection have shown.
func (m *Meter) tcpHead(f *flow) *weir.TCPHead {
	if len(m.tcpHeads) == 0 {
		m.tcpHeads = make([]weir.TCPHead, recordSlab)
	}
	h := &m.tcpHeads[0]
	m.tcpHeads = m.tcpHeads[1:]
	up, down := &f.rest[f.orig], &f.rest[f.orig^1]
	*h = weir.TCPHead{
		WindowUp: up.window, WindowDown: down.window, ScaleUp: up.scale, ScaleDown: down.scale,
		MSSUp: up.mss, MSSDown: down.mss, OptionsUp: up.options, OptionsDown: down.options,
		RTTUp: micros(f.rtts[f.orig]), RTTDown: micros(f.rtts[f.orig^1]),
		RetransUp: up.retrans, RetransDown: down.retrans,
	}
	return h
}
