package nfcapd

import (
	"os/exec"
	"testing"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/sharedtest"
	"github.com/weir-nta/weir/meter"
	"github.com/weir-nta/weir/source"
	"github.com/weir-nta/weir/source/capture"
)

// TestSameAsPackets has nfpcapd make a file of a capture, and checks that it
// tells of as many packets and octets as the capture itself, and about as many
// conversations.
func TestSameAsPackets(t *testing.T) {
	if _, err := exec.LookPath("nfpcapd"); err != nil {
		t.Skip("needs nfpcapd of nfdump")
	}
	file := sharedtest.Path(t, "corpus/captures/elcabezzonn-ultra_lab_03-14.pcap")
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "nfpcapd", "-r", file, "-w", dir, "-t", "9999999", "-y").CombinedOutput(); err != nil {
		t.Fatalf("nfpcapd: %v\n%s", err, out)
	}
	packets, err := capture.New(capture.Config{Inputs: []string{file}, Meter: meter.DefaultConfig()})
	if err != nil {
		t.Fatal(err)
	}
	want, got := totals(t, packets), totals(t, newSource(t, "", dir))
	if got.bytes != want.bytes || got.packets != want.packets {
		t.Errorf("%d packets, %d octets; the capture has %d, %d", got.packets, got.bytes, want.packets, want.bytes)
	}
	if d := got.flows - want.flows; d < -want.flows/100 || d > want.flows/100 {
		t.Errorf("%d flows, of the capture %d; want within 1 %%", got.flows, want.flows)
	}
	t.Logf("%+v of nfpcapd's file, %+v of the capture", got, want)
}

type total struct {
	flows          int
	packets, bytes uint64
}

func totals(t *testing.T, s source.Source) (n total) {
	t.Helper()
	err := s.Run(t.Context(), func(b *weir.Batch) error {
		n.flows += len(b.Flows)
		for i := range b.Flows {
			n.packets += b.Flows[i].Packets()
			n.bytes += b.Flows[i].Bytes()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
