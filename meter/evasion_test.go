package meter_test

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/packet"
	"github.com/weir-nta/weir/meter"
)

// TestEvasion tries what is done to be misread. The outcomes stand in
// docs/operate/limits.md.
func TestEvasion(t *testing.T) {
	hello, decoy := string(clientHello("true.example.com")), string(clientHello("evil.example.net"))
	n := len(hello)
	cut := func(text string, lo, hi int) packet.Packet { return tcp("c", "PA", uint32(1+lo), 1, text[lo:hi]) }
	with := func(p packet.Packet, change func(*packet.Packet)) packet.Packet {
		change(&p)
		return p
	}
	ttl := func(p packet.Packet, ttl uint8) packet.Packet {
		return with(p, func(p *packet.Packet) { p.TTL = ttl })
	}
	stamped := func(p packet.Packet, stamp uint32) packet.Packet {
		return with(p, func(p *packet.Packet) {
			p.Options = binary.BigEndian.AppendUint32([]byte{1, 1, 8, 10}, stamp)
			p.Options = append(p.Options, 0, 0, 0, 0)
		})
	}
	moved := func(p packet.Packet, by uint32) packet.Packet {
		return with(p, func(p *packet.Packet) { p.Seq += by })
	}
	syn, answer, ack := tcp("c", "S", 0, 0, ""), tcp("s", "SA", 0, 1, ""), tcp("c", "A", 1, 1, "")
	open := []packet.Packet{syn, answer, ack}
	pieces := func(size int) (list []packet.Packet) {
		for lo := 0; lo < n; lo += size {
			list = append(list, cut(hello, lo, min(lo+size, n)))
		}
		return list
	}
	reversed := pieces(20)
	slices.Reverse(reversed)
	records := splitRecords(hello, 7)
	var recordPieces []packet.Packet
	for i := range records {
		recordPieces = append(recordPieces, tcp("c", "PA", uint32(1+i), 1, records[i:i+1]))
	}
	rst, fin := tcp("c", "R", 1, 0, ""), tcp("c", "FA", 1, 1, "")
	for _, c := range []struct {
		name    string
		packets []packet.Packet
		sni     string
		odd     []string
	}{
		{"nothing", []packet.Packet{syn, answer, ack, cut(hello, 0, n)}, "true.example.com", nil},
		{"overlapping, the first wins", slices.Concat(open, []packet.Packet{cut(hello, 0, n-5), cut(decoy, 20, n-3), cut(hello, n-5, n)}), "true.example.com", []string{"tcp_overlap"}},
		{"overlapping, a decoy behind a gap first", slices.Concat(open, []packet.Packet{cut(decoy, 20, n), cut(hello, 10, n), cut(hello, 0, 20)}), "evil.example.net", []string{"tcp_overlap"}},
		{"overlapping, the same", slices.Concat(open, []packet.Packet{cut(hello, 0, 50), cut(hello, 20, 70), cut(hello, 10, n)}), "true.example.com", nil},
		{"octet by octet", slices.Concat(open, pieces(1)), "true.example.com", nil},
		{"seven octets at a time", slices.Concat(open, pieces(7)), "true.example.com", nil},
		{"last first", slices.Concat(open, []packet.Packet{cut(hello, 60, n), cut(hello, 30, 60), cut(hello, 0, 30)}), "true.example.com", nil},
		{"nearly backwards", slices.Concat(open, reversed), "true.example.com", nil},
		{"over records of seven octets", slices.Concat(open, []packet.Packet{tcp("c", "PA", 1, 1, records)}), "true.example.com", nil},
		{"over records, octet by octet", slices.Concat(open, recordPieces), "true.example.com", nil},
		{"RST of another number, then data", slices.Concat(open, []packet.Packet{moved(rst, 50000), cut(hello, 0, n)}), "true.example.com", []string{"tcp_data_after_rst"}},
		{"RST of an old number, then data", slices.Concat(open, []packet.Packet{cut(hello, 0, 50), rst, cut(hello, 50, n)}), "true.example.com", []string{"tcp_data_after_rst"}},
		{"RST of the other end, then data", slices.Concat(open, []packet.Packet{tcp("s", "R", 999, 0, ""), cut(hello, 0, n)}), "true.example.com", nil},
		{"FIN, then data", slices.Concat(open, []packet.Packet{fin, cut(hello, 0, n)}), "true.example.com", []string{"tcp_data_after_fin"}},
		{"FIN far ahead, then data", slices.Concat(open, []packet.Packet{moved(fin, 50000), cut(hello, 0, n)}), "true.example.com", nil},
		{"data before the handshake ends", []packet.Packet{syn, cut(hello, 0, n), answer, ack}, "true.example.com", nil},
		{"data before the answer, twice", []packet.Packet{syn, cut(hello, 0, 40), answer, ack, cut(hello, 0, n)}, "true.example.com", nil},
		{"SYN with data", []packet.Packet{tcp("c", "S", 0, 0, hello), answer, ack}, "true.example.com", nil},
		{"SYN with the first data", []packet.Packet{tcp("c", "S", 0, 0, hello[:50]), answer, ack, cut(hello, 50, n)}, "true.example.com", nil},
		{"a decoy that ends on its way", slices.Concat(open, []packet.Packet{ttl(cut(decoy, 0, n-5), 9), ttl(cut(hello, 0, n), 64)}), "evil.example.net", []string{"tcp_ttl", "tcp_overlap"}},
		{"another way through the network", slices.Concat(open, []packet.Packet{ttl(cut(hello, 0, 50), 61), cut(hello, 50, n)}), "true.example.com", nil},
		{"an old timestamp", slices.Concat(open, []packet.Packet{stamped(cut(hello, 0, 20), 1000), stamped(cut(decoy, 20, n), 900), stamped(cut(hello, 20, n), 1001)}), "true.example.com", []string{"tcp_old_timestamp"}},
		{"a timestamp before that of the SYN", []packet.Packet{stamped(syn, 1000), answer, ack, stamped(cut(decoy, 0, n), 999), stamped(cut(hello, 0, n), 1001)}, "true.example.com", []string{"tcp_old_timestamp"}},
		{"timestamps out of order", slices.Concat(open, []packet.Packet{stamped(cut(hello, 0, 20), 1000), stamped(cut(hello, 50, n), 1005), stamped(cut(hello, 20, 50), 1002)}), "true.example.com", nil},
		{"timestamps around 2^32", slices.Concat(open, []packet.Packet{stamped(cut(hello, 0, 20), 1<<32-2), stamped(cut(hello, 20, n), 3)}), "true.example.com", nil},
		{"numbers around 2^32", []packet.Packet{moved(syn, 1<<32-1010), with(answer, func(p *packet.Packet) { p.Ack -= 1010 }), moved(ack, 1<<32-1010), moved(cut(hello, 0, 50), 1<<32-1010), moved(cut(hello, 50, n), 1<<32-1010)}, "true.example.com", nil},
		{"overlapping fragments", slices.Concat(open, []packet.Packet{cut(hello, 0, 50), with(tcp("c", "A", 0, 0, ""), func(p *packet.Packet) { p.LaterFragment, p.OverlapsFirst = true, true }), cut(hello, 50, n)}), "true.example.com", []string{"ip_fragment_overlap"}},
	} {
		w := newWire(t, meter.DefaultConfig())
		fed := uint64(0)
		for _, p := range c.packets {
			if p.TTL == 0 {
				p.TTL = 64
			}
			w.send(p)
			fed++
		}
		w.close()
		var odd []string
		for _, o := range w.oddities() {
			odd = append(odd, o.Name)
		}
		flows := w.flows()
		if f := flows[0]; len(flows) != 1 || f.TLS == nil || f.TLS.SNI != c.sni || f.Packets() != fed {
			t.Errorf("%s: %d flows, TLS %+v, %d packets; want one with %s, %d", c.name, len(flows), flows[0].TLS, flows[0].Packets(), c.sni, fed)
		}
		if !slices.Equal(odd, c.odd) {
			t.Errorf("%s: odd %q, want %q", c.name, odd, c.odd)
		}
		if len(flows) > 0 && (flows[0].Src.String() != "10.0.0.1" || flows[0].Proto != weir.TCP) {
			t.Errorf("%s: from %v", c.name, flows[0].Src)
		}
	}
}

// splitRecords puts what is in a TLS record into records of few octets each.
func splitRecords(record string, size int) (split string) {
	for body := record[5:]; len(body) > 0; {
		k := min(size, len(body))
		split += record[:3] + string([]byte{0, byte(k)}) + body[:k]
		body = body[k:]
	}
	return split
}
