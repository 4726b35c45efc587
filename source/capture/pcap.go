package capture

import (
	"encoding/binary"
	"io"

	"github.com/weir-nta/weir/decode/packet"
)

// pcapFile is what the header of a pcap file says (draft-ietf-opsawg-pcap).
type pcapFile struct {
	link   packet.LinkType
	header int   // bytes before the data of each packet
	unit   int64 // nanoseconds in one count of the second half of a time stamp
}

// The magic numbers of pcap, each in either byte order.
const (
	pcapMicro    = 0xa1b2c3d4
	pcapNano     = 0xa1b23c4d
	pcapModified = 0xa1b2cd34 // Alexey Kuznetzov's libpcap: eight bytes more per packet
)

const pcapHeader = 24

// beginPcap says whether head begins a pcap file, and takes its header if so.
// A file that ends within the header does not count as one.
func (r *Reader) beginPcap(head []byte) bool {
	if len(head) < pcapHeader {
		return false
	}
	for _, big := range []bool{false, true} {
		r.big = big
		r.pcap = pcapFile{header: 16, unit: 1000}
		switch r.u32(head) {
		case pcapMicro:
		case pcapNano:
			r.pcap.unit = 1
		case pcapModified:
			r.pcap.header = 24
		default:
			continue
		}
		// The upper bits say how long the frame check sequence is, which
		// nothing here asks for.
		r.pcap.link = packet.LinkType(r.u32(head[20:]) & 0x03ffffff)
		r.stats.Interfaces = 1
		r.take(pcapHeader)
		return true
	}
	return false
}

// nextPcap returns the next packet of a pcap file.
func (r *Reader) nextPcap() (Record, error) {
	size := r.pcap.header
	head, err := r.in.Peek(size)
	if err != nil {
		if r.atEnd() {
			return Record{}, io.EOF
		}
		_, err = r.peek(size, "packet header")
		return Record{}, err
	}
	var sec, fraction, captured, wire uint32
	if r.big {
		sec, fraction = binary.BigEndian.Uint32(head), binary.BigEndian.Uint32(head[4:])
		captured, wire = binary.BigEndian.Uint32(head[8:]), binary.BigEndian.Uint32(head[12:])
	} else {
		sec, fraction = binary.LittleEndian.Uint32(head), binary.LittleEndian.Uint32(head[4:])
		captured, wire = binary.LittleEndian.Uint32(head[8:]), binary.LittleEndian.Uint32(head[12:])
	}
	if captured > maxPacket {
		return Record{}, tooLong(captured)
	}
	b, err := r.in.Peek(size + int(captured))
	if err != nil {
		_, err = r.peek(size+int(captured), "packet")
		return Record{}, err
	}
	r.take(len(b))
	return Record{
		TS:      int64(sec)*1e9 + int64(fraction)*r.pcap.unit,
		Data:    b[size:],
		WireLen: int(max(wire, captured)),
		Link:    r.pcap.link,
	}, nil
}
