package dcerpc

import (
	"encoding/binary"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
)

// Floors of a protocol tower (C706, appendix L).
const (
	floorUUID = 0x0d
	floorTCP  = 0x07
	floorPipe = 0x0f
	maxFloors = 6
)

// towers reads what ept_map answers (C706, appendix O): for each tower it
// announces which interface the server offers at which port. b is what there is
// of the results: a handle of 20 octets, the number of towers, the bounds of
// their array, the pointers in it, then each tower behind its two lengths.
func towers(d *dialog.Dialog, h *header, b []byte) {
	const fixed, maxList = 36, 16
	if len(b) < fixed || h.order != binary.LittleEndian {
		return
	}
	n := int(h.order.Uint32(b[20:]))
	if n == 0 || n > maxList || len(b) < fixed+4*n {
		return
	}
	b = b[fixed+4*n:]
	for range n {
		if len(b) < 8 {
			return
		}
		size := int(min(h.order.Uint32(b), 1<<16))
		b = b[8:]
		tower(d, b[:min(len(b), size)])
		b = b[min(len(b), (size+3)&^3):]
	}
}

// tower reads one tower and announces what it says.
func tower(d *dialog.Dialog, b []byte) {
	if len(b) < 2 {
		return
	}
	n := int(binary.LittleEndian.Uint16(b))
	b = b[2:]
	var (
		id   uuid
		port uint16
	)
	for i := range min(n, maxFloors) {
		left, right, rest, ok := level(b)
		if !ok {
			return
		}
		b = rest
		switch {
		case i == 0 && len(left) >= 19 && left[0] == floorUUID:
			id = readUUID(left[1:], binary.LittleEndian)
		case len(left) == 1 && left[0] == floorTCP && len(right) == 2:
			port = binary.BigEndian.Uint16(right)
		}
	}
	if port == 0 || id == (uuid{}) {
		return
	}
	one := context{uuid: id, known: interfaces()[id]}
	client := d.Endpoints
	d.Src, d.Dst, d.SrcPort, d.DstPort = client.Dst, client.Src, client.DstPort, client.SrcPort
	d.Announce(weir.Announcement{Protocol: "dce_rpc", Kind: "service", Text: one.name(), Port: port})
	d.Endpoints = client
}

// level takes one floor: what names a protocol, and what that has to say.
func level(b []byte) (left, right, rest []byte, ok bool) {
	if left, rest, ok = counted(b); !ok {
		return nil, nil, nil, false
	}
	right, rest, ok = counted(rest)
	return left, right, rest, ok
}

func counted(b []byte) (value, rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, nil, false
	}
	n := int(binary.LittleEndian.Uint16(b))
	if n > len(b)-2 {
		return nil, nil, false
	}
	return b[2 : 2+n], b[2+n:], true
}
