package nfcapd

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/flowrec"
)

// Flags of records of layout 1.
const (
	isIPv6    = 1
	packets64 = 2
	bytes64   = 4
	isEvent   = 64
	isSampled = 128
)

// maxExtensions is how many extensions a map may name: there are 48, and each is
// there once. One map of more would have room for 32,000, and there may be
// 65,536 maps.
const maxExtensions = 64

// extensionMap reads which extensions records have that refer to the map.
func (r *Reader) extensionMap(b []byte) error {
	if len(b) < 8 {
		return short("a map", b)
	}
	id := binary.LittleEndian.Uint16(b[4:])
	extensions := make([]uint16, 0, min(len(b)/2, maxExtensions)) // of a map without any too: it is known
	for b = b[8:]; len(b) >= 2; b = b[2:] {
		x := binary.LittleEndian.Uint16(b)
		if x == 0 {
			break
		}
		if len(extensions) == maxExtensions {
			delete(r.maps, id) // its records are read without it, and counted
			return fmt.Errorf("%w: a map of more than %d extensions", ErrDamaged, maxExtensions)
		}
		extensions = append(extensions, x)
	}
	r.maps[id] = extensions
	return nil
}

// flow1 reads a record of layout 1. Those of the older kind have eight bits for
// their flags and eight for the exporter.
func (r *Reader) flow1(rec *flowrec.Record, b []byte, older bool) error {
	head := 32
	if older {
		head = 28
	}
	if len(b) < head {
		return short("a flow", b)
	}
	flags := binary.LittleEndian.Uint16(b[4:])
	*rec = flowrec.Record{}
	r.out = out{}
	r.last = Exporter{}
	if older {
		flags, r.last.SysID = uint16(b[4]), uint16(b[5])
	} else {
		r.last.SysID = binary.LittleEndian.Uint16(b[28:])
	}
	rec.Start, rec.End = seconds(b[12:], b[8:]), seconds(b[16:], b[10:])
	rec.Flags, rec.Proto, rec.TOS = weir.TCPFlags(b[21]), weir.Proto(b[22]), b[23]
	rec.SrcPort, rec.DstPort = binary.LittleEndian.Uint16(b[24:]), binary.LittleEndian.Uint16(b[26:])
	protocol(rec)
	status(rec, b[20])

	x := extensions{r: r, rec: rec, b: b[head:]}
	if err := x.required(flags); err != nil {
		return err
	}
	known, ok := r.maps[binary.LittleEndian.Uint16(b[6:])]
	if !ok {
		r.stats.NoMap++
	}
	if err := x.all(known); err != nil {
		return err
	}
	r.finish(rec, flags&isSampled != 0, generic, flags&isEvent != 0, 0)
	return nil
}

// seconds returns a time of seconds and milliseconds in microseconds.
func seconds(s, ms []byte) int64 {
	return int64(binary.LittleEndian.Uint32(s))*1e6 + int64(binary.LittleEndian.Uint16(ms))*1e3
}

func timeOf(micros int64) time.Time { return time.UnixMicro(micros).UTC() }

// extensions are those of one record, one behind the other, their sizes known
// by their numbers only.
type extensions struct {
	r   *Reader
	rec *flowrec.Record
	b   []byte
}

// required reads the extensions 1 to 3, which every record has.
func (x *extensions) required(flags uint16) error {
	ends, packets, octets := 8, 4, 4
	if flags&isIPv6 != 0 {
		ends = 32
	}
	if flags&packets64 != 0 {
		packets = 8
	}
	if flags&bytes64 != 0 {
		octets = 8
	}
	if len(x.b) < ends+packets+octets {
		return short("a flow", x.b)
	}
	if ends == 8 {
		x.rec.Src, x.rec.Dst = addr4(x.b), addr4(x.b[4:])
	} else {
		x.rec.Src, x.rec.Dst = addr6(x.b), addr6(x.b[16:])
	}
	x.b = x.b[ends:]
	x.rec.Packets = x.number(packets)
	x.rec.Bytes = x.number(octets)
	return nil
}

// number takes a number of 2, 4 or 8 octets.
func (x *extensions) number(size int) (v uint64) {
	switch size {
	case 2:
		v = uint64(binary.LittleEndian.Uint16(x.b))
	case 4:
		v = uint64(binary.LittleEndian.Uint32(x.b))
	case 8:
		v = binary.LittleEndian.Uint64(x.b)
	}
	x.b = x.b[size:]
	return v
}

// Extensions of layout 1 (nffile.h of nfdump 1.6).
var sizes1 = [...]int{
	4: 4, 5: 8, // interfaces
	6: 4, 7: 8, // autonomous systems
	8: 4,         // type of service, direction, masks
	9: 4, 10: 16, // next hop
	11: 4, 12: 16, // next hop of BGP
	13: 4,        // VLANs
	14: 4, 15: 8, // packets out
	16: 4, 17: 8, // octets out
	18: 4, 19: 8, // flows aggregated
	20: 16, 21: 16, // link-layer addresses
	22: 40,        // MPLS labels
	23: 4, 24: 16, // address of the exporter
	25: 4,         // engine
	26: 8,         // adjacent autonomous systems
	27: 8,         // received at
	37: 20,        // firewall event
	38: 4,         // ports after translation
	39: 8, 40: 32, // addresses after translation
	41: 24,         // rules
	42: 24, 43: 72, // user
	45: 24, // latencies
	46: 12, // translation event and routing instances
	47: 8,  // not used any more
	48: 8,  // block of ports
}

func (x *extensions) all(known []uint16) error {
	for _, id := range known {
		if int(id) >= len(sizes1) || sizes1[id] == 0 {
			if id > 3 {
				x.r.stats.Unknown++ // how long it is is not known either
				return nil
			}
			continue // 1 to 3, which have been read
		}
		size := sizes1[id]
		if size > len(x.b) {
			return fmt.Errorf("%w: extension %d needs %d octets, %d are left", ErrDamaged, id, size, len(x.b))
		}
		x.read(id, x.b[:size])
		x.b = x.b[size:]
	}
	return nil
}

// read reads those extensions that most records have.
func (x *extensions) read(id uint16, b []byte) {
	rec := x.rec
	switch id {
	case 4:
		rec.InIf, rec.OutIf = uint32(binary.LittleEndian.Uint16(b)), uint32(binary.LittleEndian.Uint16(b[2:]))
	case 5:
		rec.InIf, rec.OutIf = binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
	case 6:
		rec.SrcAS, rec.DstAS = uint32(binary.LittleEndian.Uint16(b)), uint32(binary.LittleEndian.Uint16(b[2:]))
	case 7:
		rec.SrcAS, rec.DstAS = binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
	case 8:
		if b[1] == 1 {
			rec.Observed = flowrec.Egress
		}
	case 9:
		rec.Next = told(addr4(b))
	case 10:
		rec.Next = told(addr6(b))
	case 11:
		if !rec.Next.IsValid() {
			rec.Next = told(addr4(b))
		}
	case 12:
		if !rec.Next.IsValid() {
			rec.Next = told(addr6(b))
		}
	case 13:
		rec.VLAN = binary.LittleEndian.Uint16(b) & 0xfff
	case 14:
		x.r.out.told, x.r.out.packets = true, uint64(binary.LittleEndian.Uint32(b))
	case 15:
		x.r.out.told, x.r.out.packets = true, binary.LittleEndian.Uint64(b)
	case 16:
		x.r.out.told, x.r.out.bytes = true, uint64(binary.LittleEndian.Uint32(b))
	case 17:
		x.r.out.told, x.r.out.bytes = true, binary.LittleEndian.Uint64(b)
	case 20:
		rec.SrcMAC = mac(b)
		if rec.DstMAC == (flowrec.MAC{}) {
			rec.DstMAC = mac(b[8:])
		}
	case 21:
		if m := mac(b); m != (flowrec.MAC{}) {
			rec.DstMAC = m
		}
	case 23:
		x.r.last.Addr = told(addr4(b))
	case 24:
		x.r.last.Addr = told(addr6(b))
	case 27:
		rec.Exported = micros(b)
	default:
		x.rare(id, b)
	}
}

func (x *extensions) rare(id uint16, b []byte) {
	rec := x.rec
	switch id {
	case 22:
		labels(rec, b)
	case 25:
		rec.Domain = uint32(b[2])<<8 | uint32(b[3])
	case 37:
		event(rec, micros(b))
		if id := binary.LittleEndian.Uint32(b[8:]); id != 0 {
			extra(rec, "flowId", uint64(id))
		}
		action(rec, b[14])
		if e := binary.LittleEndian.Uint16(b[16:]); e != 0 {
			extra(rec, "firewallExtendedEvent", uint64(e))
		}
	case 38:
		nat(rec).SrcPort, nat(rec).DstPort = binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint16(b[2:])
	case 39:
		nat(rec).Src, nat(rec).Dst = told(addr4(b)), told(addr4(b[4:]))
	case 40:
		nat(rec).Src, nat(rec).Dst = told(addr6(b)), told(addr6(b[16:]))
	case 41:
		acl(rec, b)
	case 42, 43:
		if user := text(b); user != "" {
			more(rec).SrcUser = user
		}
	case 46:
		natEvent(rec, b[0])
		routing(rec, binary.LittleEndian.Uint32(b[8:]), binary.LittleEndian.Uint32(b[4:]))
	case 48:
		portBlock(rec, b)
	}
}
