package meter_test

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/packet"
	"github.com/weir-nta/weir/meter"
)

// packets makes a sequence of packets between few endpoints of any bytes:
// sixteen octets each, and the payload from the rest.
func packets(b []byte, yield func(step int64, p *packet.Packet)) {
	protos := []weir.Proto{weir.TCP, weir.TCP, weir.TCP, weir.UDP, weir.ICMPv4, weir.ICMPv6, weir.SCTP, weir.GRE}
	ports := []uint16{40000, 53, 80, 5353}
	rest := b
	for len(b) >= 16 {
		h := b[:16]
		b = b[16:]
		p := packet.Packet{Src: client, Dst: server, Proto: protos[h[0]&7],
			SrcPort: ports[h[0]>>3&3], DstPort: ports[h[0]>>5&3],
			Flags: weir.TCPFlags(h[1]), Seq: uint32(int16(binary.BigEndian.Uint16(h[2:]))), Ack: uint32(int16(binary.BigEndian.Uint16(h[4:]))),
			Window: uint16(h[6]), ICMPType: h[7], ICMPCode: h[8], ICMPID: uint16(h[9] & 3), LaterFragment: h[10]&0xf0 == 0xf0}
		if h[10]&1 != 0 {
			p.Src, p.Dst = p.Dst, p.Src
		}
		if h[10]&2 != 0 {
			p.Seq += 1 << 31
		}
		p.TTL, p.Options = h[15], rest[:min(len(rest), int(h[15])%40)]
		p.SrcMAC[0], p.OverlapsFirst = h[15]&1, p.LaterFragment && h[15]&2 != 0
		p.PayloadLen = int(binary.BigEndian.Uint16(h[11:]) & 0xfff)
		p.Payload = rest[:min(len(rest), p.PayloadLen)]
		p.Bytes = 40 + p.PayloadLen
		step := int64(int8(h[13])) * int64(time.Millisecond) << (h[14] & 31)
		yield(step, &p)
	}
}

// FuzzPacket meters any sequence of packets and checks that the records tell
// of all of them, once.
func FuzzPacket(f *testing.F) {
	f.Add([]byte("0123456789abcdef0123456789abcdefGET / HTTP/1.1\r\nHost: a\r\n\r\n"), uint8(3))
	f.Add([]byte("\x40\x18\x00\x01\x00\x01\x01\x00\x00\x00\x00\x00\x20\x01\x01\x40USER joe\r\nSTARTTLS\r\nSSH-2.0-x\r\n* OK\r\n220 hello\r\n"), uint8(255))
	f.Add([]byte(dnsMessage(1, false, "a.example.com")+dnsMessage(1, true, "a.example.com")), uint8(0))
	f.Fuzz(func(t *testing.T, b []byte, limits uint8) {
		c := meter.DefaultConfig()
		c.Active = 10 * time.Second
		c.BatchRecords = 1 + int(limits&3)
		c.MaxFlows = 1 + int(limits>>2&7)
		c.MaxQueries = 1 + int(limits>>5)
		c.MaxHeadBytes, c.MaxHeadTotal = 4096, 1<<14
		c.MaxReaders, c.MaxShapes = 2, 2
		var fed, told, packetsFed, packetsTold, flows, late uint64
		var through time.Time
		m, err := meter.New(c, func(b *weir.Batch) error {
			for i := range b.Flows {
				r := &b.Flows[i]
				told += r.Bytes()
				if r.End.Before(through) {
					late++
				}
				packetsTold += r.Packets()
				if r.Slice == 0 {
					flows++
				}
				if r.End.Before(r.Start) || r.Duration < r.End.Sub(r.Start) || r.Packets() == 0 {
					t.Errorf("from %v to %v, lasting %v, of %d packets", r.Start, r.End, r.Duration, r.Packets())
				}
			}
			for i := range b.DNS {
				if b.DNS[i].Time.Before(through) {
					late++
				}
			}
			if b.Through.Before(through) {
				t.Errorf("Through goes back from %v to %v", through, b.Through)
			}
			through = b.Through
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		now := int64(t0)
		packets(b, func(step int64, p *packet.Packet) {
			now += step
			fed += uint64(p.Bytes)
			packetsFed++
			if err := m.Packet(now, p); err != nil {
				t.Fatal(err)
			}
		})
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		if fed != told || packetsFed != packetsTold {
			t.Errorf("fed %d packets, %d octets; told %d, %d", packetsFed, fed, packetsTold, told)
		}
		got := m.Counters()
		if got.Flows != flows || got.Records != flows+got.Slices || got.Packets != packetsFed || got.LateRecords != late {
			t.Errorf("%d flows in records, %d late; counters %+v", flows, late, got)
		}
	})
}
