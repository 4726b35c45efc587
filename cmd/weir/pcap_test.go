package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-nta/weir/packetring"
)

// TestPcapRefuses says what is wrong with what was asked for, and speaks of the
// ring only where there is one.
func TestPcapRefuses(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pcap")
	if err := os.WriteFile(empty, packetring.AppendHeader(nil, 1), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		want string
		not  string
	}{
		{[]string{"-r", empty, "--port", "21"}, exitNotFound, "none of the packets fit", "ring"},
		{[]string{"-r", empty, "--port", "99999"}, exitUsage, "--port: got 99999, want 0 to 65535", "fit"},
		{[]string{"-r", empty}, exitUsage, "which packets?", "ring"},
		{[]string{"--ring", t.TempDir(), "--port", "21"}, exitNotFound, "`weir watch --ring", "fit"},
	} {
		var told bytes.Buffer
		root := newRoot(streams{strings.NewReader(""), &bytes.Buffer{}, &told})
		root.SetArgs(append([]string{"pcap"}, c.args...))
		code := exitCode(&told, root.ExecuteContext(t.Context()))
		if text := told.String(); code != c.code || !strings.Contains(text, c.want) || strings.Contains(text, c.not) {
			t.Errorf("%q: exit code %d, %s", c.args, code, text)
		}
	}
}
