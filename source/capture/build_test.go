package capture

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// An order is a byte order that can append.
type order interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

var orders = map[string]order{"little endian": binary.LittleEndian, "big endian": binary.BigEndian}

// A testPacket is a packet as the tests write it.
type testPacket struct {
	sec, fraction uint32
	data          string
	wire          int // 0: as captured
}

func (p testPacket) wireLen() uint32 { return uint32(max(p.wire, len(p.data))) }

// pcap writes a pcap file.
func pcap(o order, magic uint32, link uint32, packets ...testPacket) []byte {
	b := o.AppendUint32(nil, magic)
	b = o.AppendUint16(b, 2)
	b = o.AppendUint16(b, 4)
	b = append(b, make([]byte, 8)...)
	b = o.AppendUint32(b, 262144)
	b = o.AppendUint32(b, link)
	for _, p := range packets {
		for _, v := range []uint32{p.sec, p.fraction, uint32(len(p.data)), p.wireLen()} {
			b = o.AppendUint32(b, v)
		}
		if magic == pcapModified {
			b = append(b, make([]byte, 8)...)
		}
		b = append(b, p.data...)
	}
	return b
}

// ng writes blocks of pcapng in one byte order.
type ng struct{ order }

// block is one block, its body padded.
func (o ng) block(kind uint32, body []byte) []byte {
	body = pad(body)
	size := uint32(12 + len(body))
	b := o.AppendUint32(o.AppendUint32(nil, kind), size)
	return o.AppendUint32(append(b, body...), size)
}

func pad(b []byte) []byte { return append(slices.Clone(b), make([]byte, -len(b)&3)...) }

func (o ng) section() []byte {
	b := o.AppendUint32(nil, sectionMagic)
	b = o.AppendUint16(o.AppendUint16(b, 1), 0)
	b = o.AppendUint64(b, ^uint64(0))
	return o.block(blockSection, append(b, o.option(4, "a test")...))
}

func (o ng) option(kind uint16, value string) []byte {
	b := o.AppendUint16(o.AppendUint16(nil, kind), uint16(len(value)))
	return pad(append(b, value...))
}

func (o ng) face(link uint16, snaplen uint32, options ...[]byte) []byte {
	b := o.AppendUint16(o.AppendUint16(nil, link), 0)
	b = o.AppendUint32(b, snaplen)
	b = append(b, o.option(2, "eth0")...)
	b = append(b, slices.Concat(options...)...)
	return o.block(blockInterface, append(b, o.option(optionEnd, "")...))
}

func (o ng) resolution(v byte) []byte { return o.option(optionResolution, string([]byte{v})) }

func (o ng) offset(seconds int64) []byte {
	return o.option(optionOffset, string(o.AppendUint64(nil, uint64(seconds))))
}

func (o ng) enhanced(face uint32, stamp uint64, p testPacket) []byte {
	b := o.AppendUint32(nil, face)
	b = o.AppendUint32(o.AppendUint32(b, uint32(stamp>>32)), uint32(stamp))
	b = o.AppendUint32(o.AppendUint32(b, uint32(len(p.data))), p.wireLen())
	b = append(b, pad([]byte(p.data))...)
	return o.block(blockEnhanced, append(b, o.option(1, "a comment")...))
}

func (o ng) obsolete(face uint16, stamp uint64, p testPacket) []byte {
	b := o.AppendUint16(o.AppendUint16(nil, face), 0)
	b = o.AppendUint32(o.AppendUint32(b, uint32(stamp>>32)), uint32(stamp))
	b = o.AppendUint32(o.AppendUint32(b, uint32(len(p.data))), p.wireLen())
	return o.block(blockPacket, append(b, p.data...))
}

func (o ng) simple(p testPacket) []byte {
	return o.block(blockSimple, append(o.AppendUint32(nil, p.wireLen()), p.data...))
}

func gzipped(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zstded(t testing.TB, b []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return w.EncodeAll(b, nil)
}

// frame is an Ethernet frame with a UDP packet of IPv4 from 192.0.2.host:1111
// to 198.51.100.2:9.
func frame(host byte, payload string) string {
	b := []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0}
	b = append(b, 0x45, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(28+len(payload)))
	b = append(b, 0, 1, 0, 0, 64, 17, 0, 0, 192, 0, 2, host, 198, 51, 100, 2)
	b = append(b, 1111>>8, 1111&0xff, 0, 9)
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(payload)))
	return string(append(b, 0, 0)) + payload
}
