package eve

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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
	flows := map[string][]*weir.Flow{} // by identifier, those that say how much went
	for i := range b.Flows {
		if f := &b.Flows[i]; f.Packets() > 0 {
			flows[f.UID] = append(flows[f.UID], f)
		}
	}
	same, want := 0, 0
	for _, e := range events {
		if e.Type != "flow" {
			continue
		}
		want++
		id := e.ID.String()
		i := slices.IndexFunc(flows[id], func(f *weir.Flow) bool {
			return f.BytesUp == e.Flow.BytesUp && f.BytesDown == e.Flow.BytesDown && f.PacketsUp == e.Flow.PktsUp && f.PacketsDown == e.Flow.PktsDown
		})
		if i < 0 {
			t.Errorf("flow %d: no record of %s %+v", want, id, e.Flow)
			continue
		}
		f := flows[id][i]
		flows[id] = slices.Delete(flows[id], i, i+1)
		if f.CID() == e.CID {
			same++
		} else if cidDiffers(f) == "" {
			t.Errorf("flow %s of %v %v:%d %v:%d %+v: got Community ID %s, want %s", f.UID, f.Proto, f.Src, f.SrcPort, f.Dst, f.DstPort, f.ICMP, f.CID(), e.CID)
		}
	}
	// Where the clock leaps by years, the halves of a flow are no longer waited
	// for when the flow comes: the threads of the peer decide how often.
	more := 0
	for _, of := range flows {
		more += len(of)
	}
	if more > want/50 {
		t.Errorf("%d records of no flow event, beside %d", more, want)
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
