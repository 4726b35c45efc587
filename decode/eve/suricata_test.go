package eve

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/sharedtest"
)

// maxCapture keeps the peer's work to a few seconds.
const maxCapture = 400 << 10

// TestSuricata has Suricata itself read the captures of suricata-verify, all of
// them in one run, and imports what it writes. Times go to and fro by years
// there, and identifiers of flows come again.
func TestSuricata(t *testing.T) {
	program, err := exec.LookPath("suricata")
	if err != nil {
		t.Skip("needs suricata")
	}
	captures, err := filepath.Glob(filepath.Join(sharedtest.Path(t, "conformance/suricata-verify"), "tests/*/*.pcap"))
	if err != nil {
		t.Fatal(err)
	}
	in, out := t.TempDir(), t.TempDir()
	n := 0
	for _, c := range captures {
		if info, err := os.Stat(c); err == nil && info.Size() < maxCapture {
			copyFile(t, c, filepath.Join(in, filepath.Base(filepath.Dir(c))+".pcap"))
			n++
		}
	}
	cmd := exec.CommandContext(t.Context(), program, "-c", "testdata/suricata.yaml", "-r", in, "-l", out, "-S", "/dev/null", "--runmode", "single", "-k", "none")
	if talk, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("%v: %s", err, talk)
	}
	events, b, c := importFile(t, filepath.Join(out, "eve.json"))
	if c.Lines != uint64(len(events)) || c.Used+c.Unused+c.Duplicates != c.Lines || c.Lines < 3000 {
		t.Errorf("%d lines, counters %+v", len(events), c)
	}
	checkRecords(t, "suricata-verify", events, b)
	var flows []*weir.Flow // those of flow events, in their order
	for i := range b.Flows {
		if b.Flows[i].Packets() > 0 {
			flows = append(flows, &b.Flows[i])
		}
	}
	same, want := 0, 0
	for _, e := range events {
		if e.Type != "flow" {
			continue
		}
		if want++; want > len(flows) {
			break
		}
		f := flows[want-1]
		if f.UID != e.ID.String() || f.BytesUp != e.Flow.BytesUp || f.BytesDown != e.Flow.BytesDown || f.PacketsUp != e.Flow.PktsUp || f.PacketsDown != e.Flow.PktsDown {
			t.Errorf("flow %d: got %s %d %d, want %s %+v", want, f.UID, f.BytesUp, f.BytesDown, e.ID, e.Flow)
		}
		if f.CID() == e.CID {
			same++
		} else if cidDiffers(f) == "" {
			t.Errorf("flow %s of %v %v:%d %v:%d %+v: got Community ID %s, want %s", f.UID, f.Proto, f.Src, f.SrcPort, f.Dst, f.DstPort, f.ICMP, f.CID(), e.CID)
		}
	}
	if want != len(flows) {
		t.Errorf("%d flows, want %d", len(flows), want)
	}
	t.Logf("%d captures, %d lines: %d flows, %d with the same Community ID, %d duplicates, %d handshakes alone", n, c.Lines, want, same, c.Duplicates, c.Alone)
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	out, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}
