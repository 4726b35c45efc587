package meter_test

import (
	"testing"
	"time"

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
