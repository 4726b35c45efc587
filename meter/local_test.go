package meter_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/packet"
	"github.com/weir-nta/weir/meter"
)

// arp is a request for 10.0.0.<target> by 10.0.0.<sender> at 02:…:<mac>.
func arp(sender, target, mac byte) packet.Packet {
	from := packet.MAC{2, 0, 0, 0, 0, mac}
	b := []byte{0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, mac, 10, 0, 0, sender, 0, 0, 0, 0, 0, 0, 10, 0, 0, target}
	return packet.Packet{Frame: packet.FrameARP, SrcMAC: from, Payload: b}
}

// TestFrames: ARP is told without being a flow, once an hour, and two devices
// at one address are odd.
func TestFrames(t *testing.T) {
	w := newWire(t, meter.DefaultConfig())
	for range 3 {
		w.frame(arp(1, 2, 0xa))
	}
	w.frame(arp(1, 2, 0xb))
	w.close()
	if n := len(w.flows()); n != 0 {
		t.Errorf("%d flows, want none", n)
	}
	var got []string
	for _, b := range w.batches {
		for _, a := range b.Announcements {
			got = append(got, a.Protocol+" "+a.Kind+" "+a.Src.String()+" "+a.MAC+" "+a.Addr.String())
		}
		for _, o := range b.Oddities {
			got = append(got, o.Name+" "+o.Src.String()+" "+o.Detail)
		}
	}
	want := []string{
		"arp binding 10.0.0.1 02:00:00:00:00:0a 10.0.0.1", "arp request 10.0.0.1 02:00:00:00:00:0a 10.0.0.2",
		"arp binding 10.0.0.1 02:00:00:00:00:0b 10.0.0.1", "arp request 10.0.0.1 02:00:00:00:00:0b 10.0.0.2",
		"arp_conflict 10.0.0.1 10.0.0.1 is at 02:00:00:00:00:0b, was at 02:00:00:00:00:0a",
	}
	if len(got) != len(want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%d: got %q, want %q", i, got[i], want[i])
		}
	}
	if c := w.m.Counters(); c.Frames != 4 || c.Packets != 0 || c.Repeated != 4 {
		t.Errorf("%d frames, %d packets, %d repeated; want 4, 0, 4", c.Frames, c.Packets, c.Repeated)
	}
}

// frame gives one frame to the meter, and lets a millisecond pass.
func (w *wire) frame(p packet.Packet) {
	w.t.Helper()
	if err := w.m.Frame(w.now, &p); err != nil {
		w.t.Fatal(err)
	}
	w.now += int64(time.Millisecond)
}

// TestMedia: RTP is named once its packets have shown to continue each other.
func TestMedia(t *testing.T) {
	for n, want := range []string{"", "", "", "", "rtp"} {
		w := newWire(t, meter.DefaultConfig())
		for i := range n {
			w.send(udp("c", "\x80\x00\x00"+string([]byte{byte(i)})+"\x00\x00\x00\x00\x00\x00\x00\x07"+strings.Repeat("a", 160)))
		}
		w.close()
		for _, f := range w.flows() {
			if f.App != want {
				t.Errorf("after %d packets: %q, want %q", n, f.App, want)
			}
		}
	}
}

// TestExchange: an exchange of DHCP crosses conversations and is one record.
func TestExchange(t *testing.T) {
	boot := func(op, kind byte) string {
		b := make([]byte, 236)
		b[0], b[1], b[2], b[7] = op, 1, 6, 7
		copy(b[28:], "\x02\x00\x5e\x10\x00\x01")
		return string(b) + "\x63\x82\x53\x63\x35\x01" + string([]byte{kind, 255})
	}
	all, none := netip.MustParseAddr("255.255.255.255"), netip.MustParseAddr("0.0.0.0")
	say := func(src netip.Addr, from, to uint16, data string) packet.Packet {
		return packet.Packet{Src: packet.AddrFrom(src), Dst: packet.AddrFrom(all), SrcPort: from, DstPort: to, Proto: weir.UDP, Payload: []byte(data), PayloadLen: len(data)}
	}
	w := newWire(t, meter.DefaultConfig())
	for _, p := range []packet.Packet{
		say(none, 68, 67, boot(1, 1)), say(server.Netip(), 67, 68, boot(2, 2)), say(none, 68, 67, boot(1, 3)), say(server.Netip(), 67, 68, boot(2, 5)),
	} {
		w.send(p)
	}
	w.close()
	var got []string
	for _, b := range w.batches {
		for _, r := range b.DHCP {
			got = append(got, r.MAC+" "+strings.Join(r.Messages, ","))
		}
	}
	if len(got) != 1 || got[0] != "02:00:5e:10:00:01 DISCOVER,OFFER,REQUEST,ACK" {
		t.Errorf("records %q, want one of four messages", got)
	}
	if n := len(w.flows()); n != 2 {
		t.Errorf("%d flows, want 2", n)
	}
}
