package live

import (
	"os"
	"path/filepath"
	"testing"
)

// emptyCapture returns the path of a capture of Ethernet without packets.
func emptyCapture(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "empty.pcap")
	header := []byte{0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0}
	if err := os.WriteFile(path, header, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
