package collector

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/weir-nta/weir/internal/sharedtest"
)

// TestReadHeader tells the format of real datagrams by their content.
func TestReadHeader(t *testing.T) {
	dir := sharedtest.Path(t, "conformance/sflow-datagrams")
	for file, want := range map[string]kind{
		"goflow2-01-TestSFlowDecode.bin":                 sflow5,
		"tcpdump-sflow_multiple_counter_30_pdus-001.bin": sflow5,
		"tcpdump-sflow_multiple_counter_30_pdus-013.bin": netflow5, // among the sFlow of the same capture
	} {
		b, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		if got := readHeader(b).kind; got != want {
			t.Errorf("%s: %v, want %v", file, got, want)
		}
		if want == sflow5 && !Plausible(b) {
			t.Errorf("%s: not plausible", file)
		}
		for n := range min(len(b), 300) {
			if Plausible(b[:n]) {
				t.Errorf("%s: plausible when cut to %d of %d bytes", file, n, len(b))
			}
		}
	}
}

// TestUnknownVersions checks that what is not NetFlow never passes for it.
func TestUnknownVersions(t *testing.T) {
	for _, version := range []uint16{0, 2, 3, 4, 6, 8, 11, 0x00f0, 0x0500, 0xffff} {
		b := make([]byte, 1400)
		binary.BigEndian.PutUint16(b, version)
		if got := readHeader(b).kind; got != unknown || Plausible(b) {
			t.Errorf("version %#04x: %v, plausible %v; want unknown", version, got, Plausible(b))
		}
	}
	for _, b := range [][]byte{nil, {0}, {0, 9}, {0, 5, 0, 1}, make([]byte, 4)} {
		if got := readHeader(b).kind; got != unknown {
			t.Errorf("%x: %v, want unknown", b, got)
		}
	}
}

func FuzzPlausible(f *testing.F) {
	f.Add(v5(epoch, 1, 0, 2))
	f.Add(v9Template(epoch, 1, 7, 256))
	f.Add(v9Data(epoch, 2, 7, 256, 3))
	f.Add(ipfixTemplate(epoch, 0, 7, 256))
	f.Add(sflowDatagram(1, 2))
	f.Fuzz(func(t *testing.T, b []byte) {
		if Plausible(b) && !Begins(b) {
			t.Errorf("%x is plausible and does not begin like an export", b)
		}
	})
}
