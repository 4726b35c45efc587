package meter_test

import (
	"testing"

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
