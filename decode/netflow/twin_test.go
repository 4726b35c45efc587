package netflow

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/flowrec"
)

// A twin decodes datagrams of version 9 and IPFIX the slow, obvious way: a
// record is a list of fields, and each field of flowrec.Record is looked for in
// it. It holds nothing back and knows no vendor.
type twin struct {
	templates map[templateID]twinTemplate
}

type twinTemplate struct {
	fields  []field
	options bool
}

type twinField struct {
	elementID
	value []byte
}

// decode returns the data records of one datagram.
func (w *twin) decode(b []byte, port uint16) (records []flowrec.Record) {
	if w.templates == nil {
		w.templates = map[templateID]twinTemplate{}
	}
	v9 := binary.BigEndian.Uint16(b) == 9
	size, c := 16, clock{exported: int64(binary.BigEndian.Uint32(b[4:])) * 1e6, ipfix: true}
	if v9 {
		size, c = 20, clock{exported: int64(binary.BigEndian.Uint32(b[8:])) * 1e6, uptime: binary.BigEndian.Uint32(b[4:])}
	}
	domain := binary.BigEndian.Uint32(b[size-4:])
	for b = b[size:]; len(b) >= 4; {
		id, n := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		body := b[4:n]
		b = b[n:]
		switch {
		case id < 2 || id == 2 || id == 3:
			w.learn(domain, port, v9, id == 1 || id == 3, body)
		default:
			if t, ok := w.templates[templateID{session{domain, port, !v9}, id}]; ok && !t.options {
				records = append(records, w.data(t, domain, c, body)...)
			}
		}
	}
	return records
}

func (w *twin) learn(domain uint32, port uint16, v9, options bool, b []byte) {
	for len(b) >= 4 {
		id, count := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		b = b[4:]
		t := twinTemplate{options: options}
		if options {
			if v9 {
				count = (count + int(binary.BigEndian.Uint16(b))) / 4
			}
			b = b[2:]
		}
		for range count {
			f := field{elementID{0, binary.BigEndian.Uint16(b)}, binary.BigEndian.Uint16(b[2:])}
			b = b[4:]
			if !v9 && f.id&enterpriseID != 0 {
				f.id &^= enterpriseID
				f.pen = binary.BigEndian.Uint32(b)
				b = b[4:]
			}
			t.fields = append(t.fields, f)
		}
		w.templates[templateID{session{domain, port, !v9}, id}] = t
	}
}

func (w *twin) data(t twinTemplate, domain uint32, c clock, b []byte) (records []flowrec.Record) {
	for len(b) > 0 {
		var fields []twinField
		for _, f := range t.fields {
			n := int(f.length)
			if f.length == variable {
				if len(b) < 1 {
					return records
				}
				n = int(b[0])
				b = b[1:]
				if n == 255 {
					if len(b) < 2 {
						return records
					}
					n = int(binary.BigEndian.Uint16(b))
					b = b[2:]
				}
			}
			if n > len(b) {
				return records // padding
			}
			fields = append(fields, twinField{f.elementID, b[:n]})
			b = b[n:]
		}
		records = append(records, twinRecord(fields, domain, c))
	}
	return records
}

// first returns the first field that is one of the elements, in their order.
func first(fields []twinField, ids ...elementID) (twinField, bool) {
	for _, id := range ids {
		for _, f := range fields {
			if f.elementID == id {
				return f, true
			}
		}
	}
	return twinField{}, false
}

func twinRecord(fields []twinField, domain uint32, c clock) (r flowrec.Record) {
	num := func(ids ...elementID) uint64 {
		f, _ := first(fields, ids...)
		return number(f.value)
	}
	addr := func(v4, v6 uint16) (a netip.Addr) {
		f4, ok4 := first(fields, elementID{0, v4})
		f6, ok6 := first(fields, elementID{0, v6})
		a4, valid4 := netip.AddrFromSlice(f4.value)
		a6, valid6 := netip.AddrFromSlice(f6.value)
		switch {
		case ok4 && valid4 && (!ok6 || !valid6):
			return a4
		case ok6 && valid6 && (!ok4 || !valid4):
			return a6
		case ok4 && ok6 && valid4 && !a4.IsUnspecified() && a6.IsUnspecified():
			return a4
		case ok4 && ok6 && valid6 && !a6.IsUnspecified() && a4.IsUnspecified():
			return a6
		}
		return a
	}
	at := func(up, sec, ms uint16) int64 {
		if f, ok := first(fields, elementID{0, ms}); ok {
			return fromMilliseconds(number(f.value))
		}
		if f, ok := first(fields, elementID{0, up}); ok {
			return c.at(uint32(number(f.value)))
		}
		f, _ := first(fields, elementID{0, sec})
		return fromSeconds(number(f.value))
	}
	reverse := func(id uint16) elementID { return elementID{reversePEN, id} }
	r = flowrec.Record{
		Exported: c.exported, Domain: domain, Sampling: 1,
		Src: addr(8, 27), Dst: addr(12, 28), Next: addr(15, 62),
		SrcPort: uint16(num(elementID{0, 7})), DstPort: uint16(num(elementID{0, 11})), Proto: weir.Proto(num(elementID{0, 4})),
		Flags: weir.TCPFlags(num(elementID{0, 6})), RevFlags: weir.TCPFlags(num(reverse(6))), TOS: uint8(num(elementID{0, 5})),
		VLAN:  uint16(num(elementID{0, 58}, elementID{0, 243})) & 0xfff,
		Bytes: num(elementID{0, 1}, elementID{0, 85}), Packets: num(elementID{0, 2}, elementID{0, 86}),
		RevBytes: num(reverse(1), reverse(85)), RevPackets: num(reverse(2), reverse(86)),
		InIf: uint32(num(elementID{0, 10})), OutIf: uint32(num(elementID{0, 14})),
		SrcAS: uint32(num(elementID{0, 16})), DstAS: uint32(num(elementID{0, 17})), Reason: flowrec.EndReason(num(elementID{0, 136})),
		Start: at(22, 150, 152), End: at(21, 151, 153),
	}
	if r.Next.IsUnspecified() {
		r.Next = netip.Addr{}
	}
	if f, ok := first(fields, elementID{0, 56}); ok && len(f.value) == 6 {
		r.SrcMAC = flowrec.MAC(f.value)
	}
	if f, ok := first(fields, elementID{0, 80}); ok && len(f.value) == 6 {
		r.DstMAC = flowrec.MAC(f.value)
	}
	return r
}

// twinElements are those the twin knows, with the lengths that a template may
// give them.
var twinElements = []struct {
	elementID
	lengths []uint16
}{
	{elementID{0, 8}, []uint16{4}}, {elementID{0, 12}, []uint16{4}}, {elementID{0, 15}, []uint16{4}},
	{elementID{0, 27}, []uint16{16}}, {elementID{0, 28}, []uint16{16}}, {elementID{0, 62}, []uint16{16}},
	{elementID{0, 7}, []uint16{2, 1}}, {elementID{0, 11}, []uint16{2, 1}}, {elementID{0, 4}, []uint16{1}},
	{elementID{0, 6}, []uint16{1, 2}}, {elementID{reversePEN, 6}, []uint16{1, 2}}, {elementID{0, 5}, []uint16{1}},
	{elementID{0, 58}, []uint16{2}}, {elementID{0, 243}, []uint16{2}},
	{elementID{0, 1}, []uint16{4, 8, 3, 1}}, {elementID{0, 85}, []uint16{8, 4}}, {elementID{0, 2}, []uint16{4, 8, 2}}, {elementID{0, 86}, []uint16{8, 4}},
	{elementID{reversePEN, 1}, []uint16{8, 4}}, {elementID{reversePEN, 2}, []uint16{8, 4}},
	{elementID{0, 10}, []uint16{2, 4}}, {elementID{0, 14}, []uint16{2, 4, 1}}, {elementID{0, 16}, []uint16{2, 4}}, {elementID{0, 17}, []uint16{2, 4}},
	{elementID{0, 136}, []uint16{1}}, {elementID{0, 152}, []uint16{8}}, {elementID{0, 153}, []uint16{8}},
	{elementID{0, 150}, []uint16{4}}, {elementID{0, 151}, []uint16{4}}, {elementID{0, 22}, []uint16{4}}, {elementID{0, 21}, []uint16{4}},
	{elementID{0, 56}, []uint16{6}}, {elementID{0, 80}, []uint16{6}}, {elementID{0, 210}, []uint16{1, 5, variable}},
	{elementID{0, 460}, []uint16{8, variable}}, {elementID{9999, 1}, []uint16{2, 0, variable}},
}

// FuzzPlan compares compiled plans with the twin, for templates made of the
// fuzzer's octets: each octet is an element and one of its lengths.
func FuzzPlan(f *testing.F) {
	f.Add([]byte{0, 1, 6, 7, 8, 9, 14, 16, 28, 29}, []byte("0123456789abcdefghijklmnopqrstuvwxyz0123456789ABCDEF"), true)
	f.Add([]byte{3, 4, 5, 40, 72, 100, 18, 19, 33, 34, 35}, []byte("................................\x03abc...................."), false)
	f.Add([]byte{0, 3, 1, 4, 2, 5}, []byte("\x00\x00\x00\x00\x20\x01aaaabbbbccccdd"), true)
	f.Fuzz(func(t *testing.T, shape, data []byte, v9 bool) {
		if len(shape) > 40 || len(data) > 1000 || len(data) == 0 {
			return
		}
		specs, size := [][]byte{spec(8, 4)}, 4
		for _, s := range shape {
			e := twinElements[int(s)%len(twinElements)]
			length := e.lengths[int(s)/len(twinElements)%len(e.lengths)]
			if v9 && e.pen != 0 {
				continue
			}
			if e.pen != 0 {
				specs = append(specs, enterprise(e.pen, e.id, length))
			} else {
				specs = append(specs, spec(e.id, length))
			}
			size += int(length)
		}
		var template, message []byte
		if v9 {
			template, message = v9Message(7, 0, dataSet(0, templateRecord(300, specs...))), v9Message(7, 1, dataSet(300, data))
		} else {
			template, message = ipfixMessage(7, 0, dataSet(2, templateRecord(300, specs...))), ipfixMessage(7, 0, dataSet(300, data))
		}
		d := NewDecoder(DefaultConfig)
		var m Message
		var w twin
		for _, b := range [][]byte{template, message} {
			if err := d.Decode(&m, b, 1, time.Unix(0, 0)); err != nil {
				t.Fatalf("Decode: %v", err)
			}
			want := w.decode(b, 1)
			if len(m.Records) != len(want) {
				t.Fatalf("%d records, the twin has %d", len(m.Records), len(want))
			}
			for i, got := range m.Records {
				twinSame(t, i, got, want[i])
			}
		}
	})
}

// twinSame compares what the twin reads; what follows from several fields it
// leaves to the tests of that.
func twinSame(t *testing.T, i int, got, want flowrec.Record) {
	if got.Proto == weir.ICMPv4 || got.Proto == weir.ICMPv6 {
		got.SrcPort, got.DstPort, want.SrcPort, want.DstPort = 0, 0, 0, 0
	}
	if want.Start == 0 || want.End == 0 { // one told by the other, or by the export
		got.Start, got.End, want.Start, want.End = 0, 0, 0, 0
	}
	got.More, got.HasFlags, got.HasData, got.Biflow, got.Initiator = nil, false, false, false, 0
	got.HasICMP, got.ICMPType, got.ICMPCode = false, 0, 0
	if !want.Src.IsValid() { // both families, and both told
		want.Src = got.Src
	}
	if !want.Dst.IsValid() {
		want.Dst = got.Dst
	}
	if !want.Next.IsValid() {
		want.Next = got.Next
	}
	if got != want {
		t.Errorf("record %d:\n got %+v\nwant %+v", i, got, want)
	}
}
