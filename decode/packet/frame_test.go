package packet

import "testing"

// TestFrames: what is not IP and is read all the same, and what is not.
func TestFrames(t *testing.T) {
	arp := join([]byte{0, 1, 8, 0, 6, 4, 0, 1}, make([]byte, 20))
	cdp := join([]byte{0xaa, 0xaa, 3, 0, 0, 0x0c, 0x20, 0}, abc)
	for _, c := range []struct {
		name    string
		link    LinkType
		in      []byte
		frame   Frame
		payload []byte
		vlan    uint16
	}{
		{"ARP", LinkEthernet, eth(0x0806, arp), FrameARP, arp, 0},
		{"ARP in a VLAN", LinkEthernet, eth(0x8100, tag(7, 0x0806, arp)), FrameARP, arp, 7},
		{"ARP, Linux cooked", LinkSLL, join(make([]byte, 14), []byte{8, 6}, arp), FrameARP, arp, 0},
		{"LLDP", LinkEthernet, eth(0x88cc, abc), FrameLLDP, abc, 0},
		{"CDP", LinkEthernet, eth(len(cdp), cdp), FrameCDP, abc, 0},
		{"spanning tree", LinkEthernet, eth(38, []byte{0x42, 0x42, 3, 0, 0, 0, 0, 0}), 0, nil, 0},
		{"another protocol of Cisco", LinkEthernet, eth(11, []byte{0xaa, 0xaa, 3, 0, 0, 0x0c, 0x20, 4, 1, 2, 3}), 0, nil, 0},
		{"wake on LAN", LinkEthernet, eth(0x0842, abc), 0, nil, 0},
	} {
		var p Packet
		d := NewDecoder(Config{})
		if err := d.Decode(&p, c.link, c.in, len(c.in), 0); err != ErrNotIP {
			t.Errorf("%s: %v, want %v", c.name, err, ErrNotIP)
		}
		if p.Frame != c.frame || string(p.Payload) != string(c.payload) || p.VLAN != c.vlan {
			t.Errorf("%s: frame %d %x in VLAN %d, want %d %x in %d", c.name, p.Frame, p.Payload, p.VLAN, c.frame, c.payload, c.vlan)
		}
		if n := d.Counters(); n.NotIP != 1 || n.Frames == 1 != (c.frame != 0) {
			t.Errorf("%s: %d counted as not IP, %d of them frames to read; want 1, %v", c.name, n.NotIP, n.Frames, c.frame != 0)
		}
	}
}

// TestICMPRest: what stands between checksum and payload.
func TestICMPRest(t *testing.T) {
	var p Packet
	in := ip6(58, join([]byte{134, 0, 0, 0, 64, 0x80, 7, 8}, make([]byte, 8)))
	if err := NewDecoder(Config{}).Decode(&p, LinkRaw, in, len(in), 0); err != nil || p.ICMPRest != [4]byte{64, 0x80, 7, 8} || len(p.Payload) != 8 {
		t.Errorf("rest %x, payload %x, error %v", p.ICMPRest, p.Payload, err)
	}
}
