package meter_test

import (
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"time"

	"testing"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/packet"
	"github.com/weir-nta/weir/meter"
)

// TestMACs: a flow has the link-layer addresses of its first packet, and where
// that does not tell the receiver's, of the first that the receiver sends.
func TestMACs(t *testing.T) {
	a, b, other := packet.MAC{2, 0, 0x5e, 0x10, 0, 1}, packet.MAC{2, 0, 0x5e, 0x10, 0, 0xab}, packet.MAC{2, 9}
	for _, c := range []struct {
		name     string
		macs     [3][2]packet.MAC // from and to in SYN, SYN-ACK, ACK
		src, dst string
	}{
		{"Ethernet", [3][2]packet.MAC{{a, b}, {b, a}, {a, b}}, "02:00:5e:10:00:01", "02:00:5e:10:00:ab"},
		{"another way back", [3][2]packet.MAC{{a, b}, {other, a}, {a, b}}, "02:00:5e:10:00:01", "02:00:5e:10:00:ab"},
		{"Linux any", [3][2]packet.MAC{{a}, {b}, {a}}, "02:00:5e:10:00:01", "02:00:5e:10:00:ab"},
		{"none", [3][2]packet.MAC{}, "", ""},
	} {
		w := newWire(t, meter.DefaultConfig())
		for i, p := range []packet.Packet{tcp("c", "S", 0, 0, ""), tcp("s", "SA", 0, 1, ""), tcp("c", "A", 1, 1, "")} {
			p.SrcMAC, p.DstMAC = c.macs[i][0], c.macs[i][1]
			w.send(p)
		}
		w.close()
		if f := w.flows()[0]; f.SrcMAC != c.src || f.DstMAC != c.dst {
			t.Errorf("%s: from %q to %q, want %q, %q", c.name, f.SrcMAC, f.DstMAC, c.src, c.dst)
		}
	}
}

// TestMACsFlipped: who was guessed to have begun has the address of its own packets.
func TestMACsFlipped(t *testing.T) {
	w := newWire(t, meter.DefaultConfig())
	p := tcp("s", "SA", 0, 1, "")
	p.SrcMAC, p.DstMAC = packet.MAC{2, 2}, packet.MAC{2, 1}
	w.send(p)
	w.close()
	if f := w.flows()[0]; f.SrcMAC != "02:01:00:00:00:00" || f.DstMAC != "02:02:00:00:00:00" {
		t.Errorf("from %q to %q, want the receiver's as the source", f.SrcMAC, f.DstMAC)
	}
}

// TestTCPHead reads SYN and SYN-ACK, and measures the handshake.
func TestTCPHead(t *testing.T) {
	const ms = int64(time.Millisecond)
	syn, answer, ack := tcp("c", "S", 0, 0, ""), tcp("s", "SA", 0, 1, ""), tcp("c", "A", 1, 1, "")
	syn.Options = []byte{2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7}
	answer.Options = []byte{2, 4, 5, 172, 1, 3, 3, 9, 34, 2, 0, 9}
	syn.Window, answer.Window, syn.TTL, answer.TTL, ack.TTL = 64240, 65160, 64, 57, 63
	usual := weir.TCPHead{WindowUp: 64240, WindowDown: 65160, ScaleUp: 7, ScaleDown: 9, MSSUp: 1460, MSSDown: 1452,
		OptionsUp: "mss,sok,ts,nop,ws", OptionsDown: "mss,nop,ws,?34,eol"}
	with := func(up, down time.Duration) weir.TCPHead {
		h := usual
		h.RTTUp, h.RTTDown = up, down
		return h
	}
	type step struct {
		wait int64
		p    packet.Packet
	}
	data := tcp("c", "PA", 1, 1, "data")
	again := with(3*time.Millisecond, 20*time.Millisecond)
	again.RetransUp = 2
	for _, c := range []struct {
		name  string
		steps []step
		want  weir.TCPHead
	}{
		{"handshake", []step{{0, syn}, {20 * ms, answer}, {3 * ms, ack}}, with(3*time.Millisecond, 20*time.Millisecond)},
		{"at once", []step{{0, syn}, {0, answer}, {0, ack}}, with(0, 0)},
		{"retransmissions", []step{{0, syn}, {20 * ms, answer}, {3 * ms, ack}, {0, data}, {0, data}, {0, data}}, again},
		{"SYN twice", []step{{0, syn}, {ms, syn}, {20 * ms, answer}, {3 * ms, ack}}, with(0, 0)},
		{"SYN-ACK twice", []step{{0, syn}, {20 * ms, answer}, {ms, answer}, {3 * ms, ack}}, with(0, 20*time.Millisecond)},
		{"acknowledged by a RST", []step{{0, syn}, {20 * ms, answer}, {3 * ms, tcp("c", "RA", 1, 1, "")}}, with(0, 20*time.Millisecond)},
		{"from the middle", []step{{0, data}}, weir.TCPHead{}},
	} {
		w := newWire(t, meter.DefaultConfig())
		for _, s := range c.steps {
			w.wait(time.Duration(s.wait))
			w.send(s.p)
			w.now -= ms // send lets one pass
		}
		w.close()
		f := w.flows()[0]
		if f.TCP == nil || *f.TCP != c.want {
			t.Errorf("%s:\n got %+v\nwant %+v", c.name, f.TCP, c.want)
		}
		if len(c.steps) > 1 && c.steps[1].p.Flags == answer.Flags && (f.TTLUp != 64 || f.TTLDown != 57) {
			t.Errorf("%s: ttl %d, %d; want those of the first packets, 64, 57", c.name, f.TTLUp, f.TTLDown)
		}
	}
}

// TestTCPOptionsDamaged: what comes before a damaged option is told, and never
// more than sixteen.
func TestTCPOptionsDamaged(t *testing.T) {
	for in, want := range map[string]string{
		"":                                     "",
		"\x02\x04\x05\xb4\x03":                 "mss",
		"\x01\x03\x00":                         "nop",
		"\x01\x03\x01\x01":                     "nop",
		"\x01\x08\x0a\x00":                     "nop",
		"\x00\x02\x04\x05\xb4":                 "eol",
		"\x02\x03\x05\x05\x02":                 "mss,sack",
		strings.Repeat("\x01", 40):             strings.TrimSuffix(strings.Repeat("nop,", 16), ","),
		"\xfe\x02\x03\x03\x07\x02\x04\x02\x00": "?254,ws,mss",
	} {
		w := newWire(t, meter.DefaultConfig())
		p := tcp("c", "S", 0, 0, "")
		p.Options = []byte(in)
		w.send(p)
		w.close()
		if got := w.flows()[0].TCP.OptionsUp; got != want {
			t.Errorf("options %x: %q, want %q", in, got, want)
		}
	}
}

// TestRetransPerSlice counts what was sent again in the slice alone.
func TestRetransPerSlice(t *testing.T) {
	w := newWire(t, meter.DefaultConfig())
	w.script(handshake + "c PA 1 1 hello; c PA 1 1 hello; c PA 1 1 hello")
	for range 6 {
		w.wait(time.Minute)
		w.script("c A 6 1")
	}
	w.script("c PA 1 1 hello")
	w.close()
	flows := w.flows()
	if len(flows) != 2 || flows[0].TCP.RetransUp != 2 || flows[1].TCP.RetransUp != 1 || flows[1].Shape != nil || flows[0].Shape == nil {
		t.Errorf("%d slices, %+v; want two with 2 and 1 retransmissions, the first with a shape", len(flows), flows)
	}
}

func TestShape(t *testing.T) {
	w := newWire(t, meter.DefaultConfig())
	w.script(handshake[:len(handshake)-1])
	w.wait(7 * time.Millisecond)
	w.send(tcp("c", "PA", 1, 1, "aabb"))
	w.send(tcp("s", "A", 1, 5, ""))
	w.send(tcp("s", "PA", 1, 5, strings.Repeat("a", 100)))
	big := tcp("s", "PA", 101, 5, strings.Repeat("abcd", 100))
	big.PayloadLen = 1400 // cut by the snaplen
	w.send(big)
	w.close()
	got := w.flows()[0].Shape
	// 100 of one octet are enough to tell by.
	want := &weir.Shape{Lengths: []int32{4, -100, -1400}, Gaps: []uint32{10000, 2000, 1000}, EntropyUp: 1, EntropyDown: 0}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("shape %+v, want %+v", got, want)
	}
}

// TestShapeOfMany: twenty packets are told, and entropy as of a slow twin, of
// up to 256 octets in as many packets as it takes to have 64.
func TestShapeOfMany(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		w := newWire(t, meter.DefaultConfig())
		size, letters := 1+r.IntN(300), 1+r.IntN(256)
		var sent []byte
		for range 30 {
			b := make([]byte, size)
			for i := range b {
				b[i] = byte(r.IntN(letters))
			}
			sent = append(sent, b...)
			w.send(udp("c", string(b)))
		}
		w.close()
		s := w.flows()[0].Shape
		if len(s.Lengths) != 20 || len(s.Gaps) != 20 || s.Lengths[19] != int32(size) || s.Gaps[0] != 0 || s.Gaps[19] != 1000 {
			t.Fatalf("30 packets of %d: %+v; want 20", size, s)
		}
		n := min((64+size-1)/size*size, 256, 20*size)
		if want := slowEntropy(sent[:n]); math.Abs(s.EntropyUp-want) > 1e-4 {
			t.Errorf("%d octets of %d kinds: entropy %v, want %v", n, letters, s.EntropyUp, want)
		}
	}
}

func slowEntropy(b []byte) (h float64) {
	count := map[byte]float64{}
	for _, c := range b {
		count[c]++
	}
	for _, n := range count {
		h -= n / float64(len(b)) * math.Log2(n/float64(len(b)))
	}
	return h
}

// TestShapeLimits: who has had a shape for longest loses it, flows without
// payload have none, DNS has none, and it can be switched off.
func TestShapeLimits(t *testing.T) {
	config := meter.DefaultConfig()
	config.MaxShapes = 10
	w := newWire(t, config)
	for i := range 30 {
		p := udp("c", "x")
		p.SrcPort = uint16(1000 + i)
		w.send(p)
		p.SrcPort = uint16(2000 + i)
		p.Payload, p.PayloadLen = nil, 0
		w.send(p)
	}
	w.send(dnsPacket("c", dnsMessage(1, false, "a.example.com")))
	w.close()
	with := 0
	for _, f := range w.flows() {
		if f.Shape != nil {
			with++
			if f.SrcPort < 1020 || f.SrcPort > 1029 {
				t.Errorf("flow of port %d has a shape, want the last ten", f.SrcPort)
			}
		}
	}
	if got := w.m.Counters().ShapesEvicted; with != 10 || got != 20 {
		t.Errorf("%d shapes, %d evicted; want 10, 20", with, got)
	}
	for _, c := range []func(*meter.Config){
		func(c *meter.Config) { c.Shapes = false },
		func(c *meter.Config) { c.MaxShapes = 0 },
	} {
		config := meter.DefaultConfig()
		c(&config)
		w := newWire(t, config)
		w.send(udp("c", "x"))
		w.close()
		if f := w.flows()[0]; f.Shape != nil || w.m.Counters().ShapesEvicted != 0 {
			t.Errorf("switched off: %+v", f.Shape)
		}
	}
}
