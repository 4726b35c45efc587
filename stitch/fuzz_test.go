package stitch

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/flowrec"
)

// FuzzAdd gives records with any times, counters and flags, of a few hosts, and
// wants each accounted for, the limits kept, and no flow that contradicts
// itself.
func FuzzAdd(f *testing.F) {
	f.Add([]byte("\x00\x00\x01\x06\x12\x10\x00\x00\x10\x00\x05\x06\x00\x00\x00\x00\x00\x00\x00\x01"))
	seed := make([]byte, 20*40)
	for i := range seed {
		seed[i] = byte(i * i >> 3)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, b []byte) {
		c := DefaultConfig()
		c.MaxFlows, c.MaxMoreBytes = 8, 2000
		flows, packets := uint64(0), uint64(0)
		s, err := New(c, func(f *weir.Flow) {
			flows++
			packets = sum(packets, f.Packets())
			if f.End.Before(f.Start) || f.Duration < f.End.Sub(f.Start) {
				t.Errorf("from %v to %v, %v long", f.Start, f.End, f.Duration)
			}
			if !f.Src.IsValid() || !f.Dst.IsValid() || len(f.Exporters) == 0 || f.Sensor == "" {
				t.Errorf("%v > %v of %v (%q)", f.Src, f.Dst, f.Exporters, f.Sensor)
			}
			if f.Half && f.PacketsUp > 0 && f.PacketsDown > 0 {
				t.Errorf("half, with %d packets up and %d down", f.PacketsUp, f.PacketsDown)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		var exporters [8]*Exporter
		for i := range exporters {
			exporters[i] = &Exporter{Name: "x", Addr: netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})}
		}
		given := uint64(0)
		now := epoch
		for ; len(b) >= 20; b = b[20:] {
			r := record(b)
			now = now.Add(time.Duration(int8(b[19])) * 10 * time.Second)
			if b[19] == 128 {
				now = now.Add(-48 * time.Hour)
			}
			s.Add(&r, exporters[b[18]&7], now)
			given = sum(given, r.Packets)
			if s.Len() > c.MaxFlows || s.moreBytes > c.MaxMoreBytes {
				t.Fatalf("%d conversations and %d octets, want at most %d and %d", s.Len(), s.moreBytes, c.MaxFlows, c.MaxMoreBytes)
			}
		}
		s.Close()
		n := s.Counters()
		if n.Records != n.Joined+n.Duplicates+n.Mirrored+n.Unusable || n.Flows != flows || s.Len() != 0 || s.moreBytes != 0 {
			t.Errorf("counters %+v, %d flows, %d left", n, flows, s.Len())
		}
		if n.Duplicates+n.Mirrored+n.Unusable == 0 && n.Joined > 0 && given != 0 && packets == 0 {
			t.Errorf("%d packets given, none told", given)
		}
	})
}

// record makes a record of twenty octets.
func record(b []byte) flowrec.Record {
	host := func(n byte) netip.Addr {
		switch n & 7 {
		case 5:
			return netip.AddrFrom4([4]byte{224, 0, 0, 251})
		case 6:
			return netip.MustParseAddr("2001:db8::1")
		case 7:
			return netip.Addr{}
		}
		return netip.AddrFrom4([4]byte{10, 0, 0, n & 7})
	}
	at := epoch.UnixMicro() + int64(int16(binary.BigEndian.Uint16(b[4:])))*1e6
	r := flowrec.Record{
		Src: host(b[0]), Dst: host(b[0] >> 3), SrcPort: uint16(b[1] & 3), DstPort: uint16(b[1] >> 2 & 3),
		Proto: []weir.Proto{weir.TCP, weir.UDP, weir.ICMPv4, weir.ICMPv6}[b[2]&3], HasFlags: b[2]&4 != 0, Biflow: b[2]&8 != 0,
		HasICMP: b[2]&16 != 0, ICMPType: b[6], ICMPCode: b[7], Observed: flowrec.Observed(b[2] >> 5 & 3),
		Flags: weir.TCPFlags(b[3]), RevFlags: weir.TCPFlags(b[8]),
		Start: at, End: at + int64(int8(b[9]))*10e6, Exported: at + int64(b[10])*1e6,
		Packets: uint64(b[11]), Bytes: uint64(b[12]) * 100, RevPackets: uint64(b[13]), RevBytes: uint64(b[13]) * 100,
		Sampling: uint32(b[14] & 3), SamplingUnknown: b[14]&4 != 0, Initiator: flowrec.Initiator(b[14] >> 3 & 3), Reason: flowrec.EndReason(b[15] & 7),
	}
	switch b[16] & 15 {
	case 1:
		r.Start, r.End = -1<<63, 1<<63-1
	case 2:
		r.Bytes, r.Packets, r.Sampling = 1<<64-1, 1<<64-1, 1<<32-1
	case 3:
		r.More = &flowrec.More{ACL: string(b[:b[17]%20]), Extra: []string{"x"}, NAT: &weir.NAT{}}
	case 4:
		r.More = &flowrec.More{TLS: &weir.TLS{SNI: "x"}, DNS: &weir.DNSTransaction{}}
	case 5:
		r.More = &flowrec.More{ACL: string(make([]byte, 3000))}
	}
	return r
}
