package nfcapd

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/weir-nta/weir/internal/sharedtest"
)

// TestNfpcapd has nfpcapd make files of captures, with the payload that it
// keeps and in those compressions that it offers (bzip2, -j, it does not accept), and compares them with what nfdump
// says of them. It needs both programs.
func TestNfpcapd(t *testing.T) {
	for _, program := range []string{"nfpcapd", "nfdump"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("needs %s of nfdump", program)
		}
	}
	if testing.Short() {
		t.Skip("runs programs")
	}
	share, apps := map[string][2]int{}, map[string]int{}
	records := 0
	for i, name := range []string{"dns-notify", "http-simple-get", "openssl-tls1-tls1_2", "mpls-basic", "nbns", "dot1ad", "igmp", "sctp-www"} {
		capture := sharedtest.Path(t, "conformance/arkime/tests/pcap/"+name+".pcap")
		dir := t.TempDir()
		args := []string{"-r", capture, "-w", dir, "-o", "fat,payload", "-t", "999999"}
		if codec := [...]string{"", "-z", "-y"}[i%3]; codec != "" {
			args = append(args, codec)
		}
		if out, err := exec.CommandContext(t.Context(), "nfpcapd", args...).CombinedOutput(); err != nil {
			t.Fatalf("nfpcapd of %s: %v\n%s", name, err, out)
		}
		files, err := filepath.Glob(filepath.Join(dir, "nfcapd.*"))
		if err != nil || len(files) == 0 {
			t.Fatalf("nfpcapd made no file of %s: %v", name, err)
		}
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), "nfdump", "-r", file, "-q", "-o", "json")
			cmd.Env = append(os.Environ(), "TZ=UTC")
			said, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			json := filepath.Join(dir, "golden.json")
			if err := os.WriteFile(json, said, 0o666); err != nil {
				t.Fatal(err)
			}
			got, want := mustRead(t, b), golden(t, json)
			if len(got) != len(want) {
				t.Fatalf("%s: %d records, nfdump says %d", name, len(got), len(want))
			}
			for i := range got {
				compare(t, share, name, &got[i], want[i])
				if m := got[i].More; m != nil && m.App != "" {
					apps[m.App]++
				}
			}
			records += len(got)
		}
	}
	if apps["dns"] == 0 || apps["http"] == 0 || apps["tls"] == 0 {
		t.Errorf("applications told by payload: %v, want DNS, HTTP and TLS among them", apps)
	}
	t.Logf("%d records, applications %v", records, apps)
}

func mustRead(t *testing.T, b []byte) []one {
	t.Helper()
	all, stats := readAllRecords(t, b)
	if stats.Unknown+stats.Damaged != 0 {
		t.Errorf("%+v; want nothing unknown, nothing damaged", stats)
	}
	return all
}
