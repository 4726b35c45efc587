package meter_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/gopacket/gopacket/pcapgo"

	"github.com/weir-nta/weir/decode/packet"
)

// A frame is one packet of a capture.
type frame struct {
	ts   int64
	wire int
	link packet.LinkType
	data []byte
}

// readCapture returns the packets of a capture file.
func readCapture(t testing.TB, name string) []frame {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(name, ".gz") {
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if b, err = io.ReadAll(z); err != nil {
			t.Fatal(err)
		}
	}
	var frames []frame
	if len(b) > 4 && binary.BigEndian.Uint32(b) == 0x0a0d0d0a {
		frames, err = readNG(b)
	} else {
		frames, err = readClassic(b)
	}
	if err != nil {
		t.Logf("%s: %v", name, err)
	}
	return frames
}

func readNG(b []byte) (frames []frame, err error) {
	r, err := pcapgo.NewNgReader(bufio.NewReader(bytes.NewReader(b)), pcapgo.NgReaderOptions{WantMixedLinkType: true})
	if err != nil {
		return nil, err
	}
	for {
		data, ci, err := r.ReadPacketData()
		if err == io.EOF {
			return frames, nil
		}
		if err != nil {
			return frames, err
		}
		iface, err := r.Interface(ci.InterfaceIndex)
		if err != nil {
			return frames, err
		}
		frames = append(frames, frame{ci.Timestamp.UnixNano(), ci.Length, packet.LinkType(iface.LinkType), data})
	}
}

// readClassic reads a pcap file in place.
func readClassic(b []byte) (frames []frame, err error) {
	if len(b) < 24 {
		return nil, io.ErrUnexpectedEOF
	}
	var order binary.ByteOrder = binary.LittleEndian
	unit := int64(1000)
	switch magic := order.Uint32(b); magic {
	case 0xa1b2c3d4:
	case 0xa1b23c4d:
		unit = 1
	case 0xd4c3b2a1:
		order = binary.BigEndian
	case 0x4d3cb2a1:
		order, unit = binary.BigEndian, 1
	default:
		return nil, fmt.Errorf("magic %x", magic)
	}
	link := packet.LinkType(order.Uint32(b[20:]) & 0xfffffff)
	for b = b[24:]; len(b) >= 16; {
		n := int(order.Uint32(b[8:]))
		if n < 0 || n > len(b)-16 {
			return frames, io.ErrUnexpectedEOF
		}
		ts := int64(order.Uint32(b))*1e9 + int64(order.Uint32(b[4:]))*unit
		frames = append(frames, frame{ts, int(order.Uint32(b[12:])), link, b[16 : 16+n : 16+n]})
		b = b[16+n:]
	}
	return frames, nil
}
