package nfcapd

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/klauspost/compress/zstd"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/flowrec"
	"github.com/weir-nta/weir/internal/sharedtest"
)

// le puts numbers together in the byte order of files: of as many octets as
// their types have, with strings as they are.
func le(values ...any) (b []byte) {
	for _, v := range values {
		switch v := v.(type) {
		case uint8:
			b = append(b, v)
		case uint16:
			b = binary.LittleEndian.AppendUint16(b, v)
		case uint32:
			b = binary.LittleEndian.AppendUint32(b, v)
		case uint64:
			b = binary.LittleEndian.AppendUint64(b, v)
		case string:
			b = append(b, v...)
		case []byte:
			b = append(b, v...)
		}
	}
	return b
}

type (
	u8  = uint8
	u16 = uint16
	u32 = uint32
	u64 = uint64
)

// record makes a record, or an element, with its type and length.
func record(kind int, body []byte) []byte { return le(u16(kind), u16(4+len(body)), body) }

// flowOf makes a record of layout 2.
func flowOf(flags, version u8, sys u16, elements ...[]byte) []byte {
	return record(flowV3, le(u16(len(elements)), u8(0), u8(0), sys, flags, version, bytes.Join(elements, nil)))
}

// block2 makes a block of layout 2.
func block2(c codec, n int, body []byte) []byte {
	return le(u32(n), u32(len(body)), u16(records2), u16(0), body)
}

// file2 makes a file of layout 2 of blocks.
func file2(c codec, blocks ...[]byte) []byte {
	return le(u16(magic), u16(2), u32(0x01070101), u64(0), u8(c), u8(0), u16(0), u32(1), u64(0), u32(0), u32(len(blocks)), bytes.Join(blocks, nil))
}

func plainFile(records ...[]byte) []byte {
	return file2(plain, block2(plain, len(records), bytes.Join(records, nil)))
}

// file1 makes a file of layout 1.
func file1(flags u32, records ...[]byte) []byte {
	body := bytes.Join(records, nil)
	return le(u16(magic), u16(1), flags, u32(1), make([]byte, 128+132), u32(3), u32(len(records)), u32(len(body)), u16(records1), u16(0), body)
}

const (
	first = u64(1700000000123)
	last  = first + 1500
	came  = last + 30000
)

func generic3(proto, flags u8) []byte {
	return record(genericFlow, le(first, last, came, u64(12), u64(2400), u16(40000), u16(443), proto, flags, u8(64), u8(0xb8)))
}

func v4() []byte { return record(ipv4Flow, le(u32(0x0a010203), u32(0xcb007109))) }

func exporterOf(sys u16, id u32) []byte {
	return record(exporterInfo, le(u32(9), u64(0), u32(0xc0000201), u32(0), u16(2), sys, id))
}

func want3() flowrec.Record {
	return flowrec.Record{
		Start: int64(first) * 1000, End: int64(last) * 1000, Exported: int64(came) * 1000,
		Src: netip.MustParseAddr("10.1.2.3"), Dst: netip.MustParseAddr("203.0.113.9"), SrcPort: 40000, DstPort: 443,
		Proto: weir.TCP, Flags: 0x1b, HasFlags: true, TOS: 0xb8, Packets: 12, Bytes: 2400, Sampling: 1, Domain: 256,
	}
}

var addrs = cmpopts.EquateComparable(netip.Addr{})

// TestElements has those elements that nfdump's files at hand do not.
func TestElements(t *testing.T) {
	ip := netip.MustParseAddr
	hello := "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
	for name, c := range map[string]struct {
		flags, version u8
		elements       [][]byte
		want           func(*flowrec.Record)
	}{
		"nothing more": {},
		"interfaces and end": {0, 9, [][]byte{record(flowMisc, le(u32(3), u32(4), u8(24), u8(16), u8(1), u8(0), u8(2), u8(3), u16(0)))}, func(r *flowrec.Record) {
			r.InIf, r.OutIf, r.Observed, r.Initiator, r.Reason = 3, 4, flowrec.Egress, flowrec.DstBegan, flowrec.End
		}},
		"firewall": {isEvent3, 9, [][]byte{record(nselCommon, le(first, u32(77), u16(1001), u8(3), u8(0))),
			record(nselACL, le(u32(1), u32(2), u32(0xabcdef), u32(4), u32(0), u32(0))), record(nselUser, le("j.doe", make([]byte, 61))),
			record(counters, le(u64(0), u64(3), u64(90)))}, func(r *flowrec.Record) {
			r.Biflow, r.RevPackets, r.RevBytes = true, 3, 90
			r.More = &flowrec.More{Action: "denied", ACL: "00000001-00000002-00abcdef", SrcUser: "j.doe",
				Extra: []string{"flowId=77", "firewallExtendedEvent=1001", "egressAcl=00000004-00000000-00000000"}}
		}},
		"IPFIX both ways": {0, 10, [][]byte{record(counters, le(u64(1), u64(3), u64(90)))}, func(r *flowrec.Record) { r.Biflow, r.RevPackets, r.RevBytes = true, 3, 90 }},
		"NetFlow 9 out": {0, 9, [][]byte{record(counters, le(u64(1), u64(11), u64(2200)))}, func(r *flowrec.Record) {
			r.More = &flowrec.More{Extra: []string{"postOctetDeltaCount=2200", "postPacketDeltaCount=11"}}
		}},
		"translation": {0, 10, [][]byte{record(nat4, le(u32(0xc6336407), u32(0))), record(natPorts, le(u16(1025), u16(0))), record(natCommon, le(first, u32(0), u8(5), u8(0), u16(0)))}, func(r *flowrec.Record) {
			r.More = &flowrec.More{NAT: &weir.NAT{Src: ip("198.51.100.7"), SrcPort: 1025, Event: "delete"}}
		}},
		"routing instances": {0, 10, [][]byte{record(vrf, le(u32(7), u32(6)))}, func(r *flowrec.Record) {
			r.More = &flowrec.More{VRF: "6", Extra: []string{"egressVRFID=7"}}
		}},
		"tunnel": {0, 10, [][]byte{record(tunnel4, le(u32(0xc0000201), u32(0xc0000202), u32(47)))}, func(r *flowrec.Record) {
			r.More = &flowrec.More{Tunnel: "gre", Extra: []string{"tunnelSource=192.0.2.1", "tunnelDestination=192.0.2.2"}}
		}},
		"application": {0, 9, [][]byte{record(nbarApp, le(u8(13), u8(0), u8(1), u8(0xaf)))}, func(r *flowrec.Record) {
			r.More = &flowrec.More{Extra: []string{"applicationId=13:431"}}
		}},
		"request": {0, 0, [][]byte{record(inPayload, le("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")), record(outPayload, le("HTTP/1.1 200 OK\r\n"))}, func(r *flowrec.Record) {
			r.More = &flowrec.More{App: "http", HTTP: &weir.HTTP{Method: "GET", URI: "/", Host: "example.com", Status: 200}}
		}},
		"hello that is cut": {0, 0, [][]byte{record(inPayload, le(hello))}, func(r *flowrec.Record) { r.More = &flowrec.More{App: "tls"} }},
		"packet filter": {0, 0, [][]byte{record(packetFilter, le(u8(1), u8(0), u8(0), u8(0), u32(12), u32(0), u32(0), u32(0), "em0\x00"))}, func(r *flowrec.Record) {
			r.More = &flowrec.More{Action: "denied", ACL: "rule 12"}
		}},
		"exporter and observer": {0, 10, [][]byte{record(received6, le(u64(0x20010db8<<32), u64(5))), record(observation, le(u64(0), u32(99)))}, func(r *flowrec.Record) { r.Domain = 99 }},
	} {
		t.Run(name, func(t *testing.T) {
			elements := append([][]byte{generic3(6, 0x1b), v4()}, c.elements...)
			got, stats := readAllRecords(t, plainFile(exporterOf(4, 256), flowOf(c.flags, c.version, 4, elements...)))
			want := want3()
			if c.want != nil {
				c.want(&want)
			}
			if len(got) != 1 || stats.Unknown != 0 {
				t.Fatalf("%d records, %+v; want one and all known", len(got), stats)
			}
			if d := cmp.Diff(got[0].Record, want, addrs); d != "" {
				t.Errorf("got + want:\n%s", d)
			}
			from := Exporter{Addr: ip("192.0.2.1"), Version: 9, ID: 256, SysID: 4}
			if name == "exporter and observer" {
				from.Addr = ip("2001:db8::5")
			}
			if got[0].from != from {
				t.Errorf("from %+v, want %+v", got[0].from, from)
			}
		})
	}
}

// TestDNS reads a message in the payload that nfpcapd keeps.
func TestDNS(t *testing.T) {
	query := "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03com\x00\x00\x01\x00\x01"
	g := record(genericFlow, le(first, last, came, u64(1), u64(57), u16(40000), u16(53), u8(17), u8(0), u8(0), u8(0)))
	got, _ := readAllRecords(t, plainFile(flowOf(0, 0, 0, g, v4(), record(inPayload, le(query)))))
	if m := got[0].More; m == nil || m.DNS == nil || m.DNS.Query != "example.com" || m.DNS.DstPort != 53 || !m.DNS.Time.Equal(time.UnixMilli(int64(first))) {
		t.Errorf("got %+v", m)
	}
}

// TestSampling undoes what the collector has multiplied.
func TestSampling(t *testing.T) {
	legacy := func(id, rate u32) []byte { return record(samplerLegacy, le(id, rate, u16(0), u16(4))) }
	info := func(id u64, taken, passed u32) []byte {
		return record(samplerInfo, le(u16(4), u16(1), id, taken, passed))
	}
	of := func(id u64) []byte { return record(samplerOf, le(id)) }
	minus := func(n u64) u64 { return -n }
	for name, c := range map[string]struct {
		samplers [][]byte
		elements [][]byte
		sampling uint32
		unknown  bool
	}{
		"none told":         {nil, nil, 1, true},
		"of all":            {[][]byte{legacy(u32(minus(1)), 4)}, nil, 4, false},
		"one in four":       {[][]byte{info(minus(1), 1, 3)}, nil, 4, false},
		"by number":         {[][]byte{info(minus(1), 1, 3), info(7, 1, 2)}, [][]byte{of(7)}, 3, false},
		"set at collector":  {[][]byte{info(7, 1, 2), info(minus(3), 1, 11)}, [][]byte{of(7)}, 12, false},
		"does not divide":   {[][]byte{info(minus(1), 1, 4)}, nil, 1, true},
		"no sampler at all": {[][]byte{info(minus(1), 0, 3)}, nil, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			elements := append([][]byte{generic3(6, 0x1b), v4()}, c.elements...)
			got, stats := readAllRecords(t, plainFile(append(c.samplers, flowOf(isSampled3, 9, 4, elements...))...))
			r := got[0]
			if r.Sampling != c.sampling || r.SamplingUnknown != c.unknown || r.Packets != 12/uint64(c.sampling) || r.Bytes != 2400/uint64(c.sampling) {
				t.Errorf("got 1:%d, unknown %v, %d packets, %d octets; want 1:%d, %v", r.Sampling, r.SamplingUnknown, r.Packets, r.Bytes, c.sampling, c.unknown)
			}
			if got := stats.Unscaled; got != 0 != c.unknown {
				t.Errorf("%d counted as not scaled back", got)
			}
		})
	}
}

// TestLayout1 has the extensions of nfdump 1.6 that its files at hand do not.
func TestLayout1(t *testing.T) {
	ip := netip.MustParseAddr
	flow := func(kind int, flags u16, ends, counters []byte, more ...[]byte) []byte {
		head := le(flags, u16(1), u16(123), u16(623), u32(1700000000), u32(1700000001), u8(64), u8(0x1b), u8(6), u8(0xb8), u16(40000), u16(443))
		if kind == flowV1 {
			head = le(head, u16(4), u16(0))
		}
		return record(kind, le(head, ends, counters, bytes.Join(more, nil)))
	}
	extensions := func(ids ...u16) []byte {
		b := le(u16(1), u16(0))
		for _, id := range ids {
			b = le(b, id)
		}
		return record(extensionMap, le(b, u16(0)))
	}
	v4 := le(u32(0x0a010203), u32(0xcb007109))
	v6 := le(u64(0x20010db8<<32), u64(1), u64(0x20010db8<<32), u64(2))

	got, stats := readAllRecords(t, file1(0, exporterOf(4, 256),
		extensions(5, 7, 8, 9, 12, 13, 15, 17, 20, 21, 23, 25, 27, 37, 38, 39, 41, 42, 46),
		flow(flowV1, isEvent, v4, le(u32(12), u32(2400)),
			le(u32(3), u32(4)), le(u32(64501), u32(64502)), le(u8(0), u8(1), u8(24), u8(16)), le(u32(0xc6336407)), le(u64(0), u64(0)),
			le(u16(12), u16(13)), le(u64(3)), le(u64(90)), le(u64(0x020000000001), u64(0x020000000002)), le(u64(0x020000000003), u64(0)),
			le(u32(0xc0000202)), le(u16(0), u8(1), u8(2)), le(came),
			le(first, u32(77), u16(0), u8(1), u8(0), u16(1001), u16(0)), le(u16(1025), u16(443)), le(u32(0xc6336407), u32(0xcb007109)),
			le(u32(1), u32(2), u32(3), u32(0), u32(0), u32(0)), le("j.doe", make([]byte, 19)), le(u8(1), u8(0), u16(0), u32(7), u32(7)))))
	want := want3()
	want.End = 1700000001623000
	want.InIf, want.OutIf, want.SrcAS, want.DstAS, want.Observed = 3, 4, 64501, 64502, flowrec.Egress
	want.Next, want.VLAN, want.Domain = ip("198.51.100.7"), 12, 1<<8|2
	want.Biflow, want.RevPackets, want.RevBytes = true, 3, 90
	want.SrcMAC, want.DstMAC = flowrec.MAC{2, 0, 0, 0, 0, 1}, flowrec.MAC{2, 0, 0, 0, 0, 3}
	want.More = &flowrec.More{Action: "created", ACL: "00000001-00000002-00000003", SrcUser: "j.doe", VRF: "7",
		NAT:   &weir.NAT{Src: ip("198.51.100.7"), SrcPort: 1025, Dst: ip("203.0.113.9"), DstPort: 443, Event: "create"},
		Extra: []string{"flowId=77", "firewallExtendedEvent=1001"}}
	if len(got) != 1 || stats.Lost != 3 {
		t.Fatalf("%d records, %+v; want 1, and 3 lost", len(got), stats)
	}
	if d := cmp.Diff(got[0].Record, want, addrs); d != "" {
		t.Errorf("got + want:\n%s", d)
	}
	if from := (Exporter{ip("192.0.2.2"), 9, 256, 4}); got[0].from != from {
		t.Errorf("from %+v, want %+v", got[0].from, from)
	}

	got, stats = readAllRecords(t, file1(0,
		flow(flowV0, isIPv6|packets64|bytes64, v6, le(u64(1<<33), u64(1<<40))),
		extensions(4, 99, 5), flow(flowV1, 0, v4, le(u32(12), u32(2400)), le(u16(3), u16(4)), le(u64(1)))))
	if len(got) != 2 || got[0].Src != ip("2001:db8::1") || got[0].Dst != ip("2001:db8::2") || got[0].Packets != 1<<33 || got[0].Bytes != 1<<40 {
		t.Errorf("of the older kind: got %+v", got)
	}
	if got[1].InIf != 3 || stats.NoMap != 1 || stats.Unknown != 1 {
		t.Errorf("an extension not known: got interface %d, %+v; want 3, one record without a map, one unknown", got[1].InIf, stats)
	}
}

// TestCodecs reads a block in each of the compressions, Zstandard made here
// and the others by nfdump.
func TestCodecs(t *testing.T) {
	body := bytes.Repeat(flowOf(0, 9, 0, generic3(6, 2), v4()), 5000)
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	got, _ := readAllRecords(t, file2(zstandard, block2(zstandard, 5000, z.EncodeAll(body, nil))))
	if len(got) != 5000 {
		t.Errorf("Zstandard: %d records, want 5000", len(got))
	}
	for _, c := range []codec{lzo, bz2, lz4, zstandard} {
		if _, err := decompress(nil, []byte("this is not compressed with anything"), c); err == nil {
			t.Errorf("%s: no error for what is not", codecs[c])
		}
	}
	if _, err := decompress(nil, z.EncodeAll(make([]byte, maxBlock+2), nil), zstandard); err == nil {
		t.Error("Zstandard: no error for a block that grows beyond the limit")
	}
}

// TestDamaged has files that are no files of nfdump's, cut, or made up.
func TestDamaged(t *testing.T) {
	ok := flowOf(0, 9, 0, generic3(6, 2), v4())
	whole := plainFile(ok, ok)
	big := le(u16(0x0ca5), u16(0x0100))
	for name, c := range map[string]struct {
		b       []byte
		records int
		open    error // of NewReader
		want    string
		after   int // records that follow the damage
	}{
		"empty":                  {b: nil, open: ErrNotNfcapd},
		"text":                   {b: []byte("ts uid id.orig_h"), open: ErrNotNfcapd},
		"big-endian":             {b: big, open: ErrUnreadable},
		"layout 3":               {b: le(u16(magic), u16(3), make([]byte, 100)), open: ErrUnreadable},
		"encrypted":              {b: le(whole[:17], u8(1), whole[18:]), open: ErrUnreadable},
		"compression 9":          {b: le(whole[:16], u8(9), whole[17:]), open: ErrUnreadable},
		"cut in the head":        {b: whole[:20], open: ErrDamaged},
		"cut in a block's head":  {b: whole[:45], want: "ends after 45 octets"},
		"cut in a block":         {b: whole[:len(whole)-1], want: "ends after"},
		"cut between blocks":     {b: file2(plain, block2(plain, 1, ok), nil), records: 1, want: "ends after 1 of 2 blocks"},
		"a block of 4 GB":        {b: file2(plain, le(u32(1), u32(1<<32-1), u16(records2), u16(0), ok)), want: "a block of 4294967295 octets"},
		"a record of nothing":    {b: file2(plain, block2(plain, 1, le(ok, u16(11), u16(0), ok)), block2(plain, 1, ok)), records: 1, want: "a record of 0 octets", after: 1},
		"a record too long":      {b: file2(plain, block2(plain, 1, le(u16(11), u16(500), ok)), block2(plain, 1, ok)), want: "a record of 500 octets", after: 1},
		"an element too long":    {b: plainFile(record(flowV3, le(u16(1), u8(0), u8(0), u16(0), u8(0), u8(9), u16(1), u16(400))), ok), want: "for a flow", after: 1},
		"65,535 empty elements":  {b: plainFile(record(flowV3, le(u16(65535), u8(0), u8(0), u16(0), u8(0), u8(9))), ok), want: "for a flow", after: 1},
		"an element too short":   {b: plainFile(flowOf(0, 9, 0, record(genericFlow, make([]byte, 40))), ok), want: "for a flow", after: 1},
		"a short exporter":       {b: plainFile(record(exporterInfo, make([]byte, 8)), ok), want: "for an exporter", after: 1},
		"a short sampler":        {b: plainFile(record(samplerInfo, make([]byte, 8)), ok), want: "for a sampler", after: 1},
		"not compressed with it": {b: file2(lzo, block2(lzo, 1, ok), block2(lzo, 1, ok)), want: "compressed with LZO", after: 0},
		"octets left in a block": {b: file2(plain, block2(plain, 1, le(ok, u16(0)))), records: 1, want: "2 octets left"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := NewReader(bytes.NewReader(c.b))
			if c.open != nil {
				if !errors.Is(err, c.open) {
					t.Errorf("NewReader: error %v, want %v", err, c.open)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var rec flowrec.Record
			n := 0
			for err = r.Next(&rec); err == nil; err = r.Next(&rec) {
				n++
			}
			if n != c.records || !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %q after %d records; want %q after %d", err, n, c.want, c.records)
			}
			after, more := 0, 0
			for err = r.Next(&rec); err != io.EOF && more < 10; err = r.Next(&rec) {
				if more++; err == nil {
					after++
				}
			}
			if after != c.after || err != io.EOF || r.Stats().Damaged == 0 {
				t.Errorf("then %d records, error %v, %+v; want %d, the end, and the damage counted", after, err, r.Stats(), c.after)
			}
		})
	}
}

// TestCorrupt cuts and flips real files everywhere: errors, no crash and no
// endless reading.
func TestCorrupt(t *testing.T) {
	for file := range goldens(t) {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) > 5000 { // of each kind there is a smaller one
			continue
		}
		for i := 0; i < len(b); i += 17 {
			drain(t, b[:i])
			flipped := bytes.Clone(b)
			flipped[i] ^= 0xff
			drain(t, flipped)
		}
	}
}

// drain reads all that is to be had of b.
func drain(t *testing.T, b []byte) {
	r, err := NewReader(bytes.NewReader(b))
	if err != nil {
		return
	}
	var rec flowrec.Record
	// A record takes 4 octets at least, in a block of at most maxBlock.
	for range maxBlock {
		err := r.Next(&rec)
		if err == io.EOF {
			return
		}
		if err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatalf("error %v", err)
		}
		if err == nil && rec.Sampling == 0 {
			t.Fatalf("record %+v without a rate", rec)
		}
	}
	t.Fatalf("does not end: %x", b[:min(len(b), 100)])
}

func FuzzReader(f *testing.F) {
	ok := flowOf(0, 9, 4, generic3(6, 2), v4())
	f.Add(plainFile(exporterOf(4, 1), ok))
	f.Add(plainFile(record(samplerInfo, make([]byte, 20)), flowOf(isSampled3, 10, 4, generic3(1, 0), record(flowMisc, make([]byte, 16)),
		record(nselCommon, make([]byte, 16)), record(nselACL, make([]byte, 24)), record(inPayload, le("GET / HTTP/1.1\r\n")), record(mplsLabels, bytes.Repeat([]byte{1}, 40)))))
	f.Add(file1(0, exporterOf(4, 1), record(extensionMap, le(u16(1), u16(0), u16(5), u16(37), u16(0))),
		record(flowV1, le(u16(0), u16(1), make([]byte, 24+8+8+8+20)))))
	for _, c := range []codec{lzo, bz2, lz4, zstandard} {
		f.Add(file2(c, block2(c, 1, ok)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<16 {
			return
		}
		drain(t, b)
	})
}

func BenchmarkReader(b *testing.B) {
	for _, name := range []string{"nfpcapd171-mix-none-2", "nfpcapd171-mix-lz4-2", "nfpcapd171-mix-lzo-2", "nfdump171-mix-bz2-2"} {
		b.Run(name, func(b *testing.B) {
			file, err := os.ReadFile(sharedtest.Path(b, "conformance/nfdump-files/"+name))
			if err != nil {
				b.Fatal(err)
			}
			read(b, file)
		})
	}
	// As large as collectors make them: a block of 1 MB has about 6,000 records.
	one := flowOf(0, 9, 4, generic3(6, 2), v4(), record(flowMisc, make([]byte, 12)), record(asRouting, make([]byte, 8)),
		record(next4, make([]byte, 4)), record(received4, make([]byte, 4)), record(vlan, make([]byte, 8)))
	block := block2(plain, 6000, bytes.Repeat(one, 6000))
	b.Run("60,000 records", func(b *testing.B) {
		read(b, file2(plain, block, block, block, block, block, block, block, block, block, block))
	})
}

func read(b *testing.B, file []byte) {
	b.ReportAllocs()
	records := 0
	for b.Loop() {
		r, err := NewReader(bytes.NewReader(file))
		if err != nil {
			b.Fatal(err)
		}
		var rec flowrec.Record
		for r.Next(&rec) == nil {
			records++
		}
	}
	b.ReportMetric(float64(records)/b.Elapsed().Seconds(), "records/s")
}

// TestAllocs checks that records with the usual elements cost no memory.
func TestAllocs(t *testing.T) {
	one := flowOf(0, 9, 4, generic3(6, 2), v4(), record(flowMisc, make([]byte, 12)), record(asRouting, make([]byte, 8)),
		record(next4, make([]byte, 4)), record(received4, make([]byte, 4)), record(vlan, make([]byte, 8)), record(macAddresses, make([]byte, 32)))
	r, err := NewReader(bytes.NewReader(plainFile(bytes.Repeat(one, 300))))
	if err != nil {
		t.Fatal(err)
	}
	var rec flowrec.Record
	if err := r.Next(&rec); err != nil { // reads the block
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(200, func() {
		if err := r.Next(&rec); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for a record, want 0", n)
	}
}
