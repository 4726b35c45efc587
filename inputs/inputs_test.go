package inputs

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/collector"
	"github.com/weir-nta/weir/meter"
	"github.com/weir-nta/weir/source"
	"github.com/weir-nta/weir/source/capture"
	"github.com/weir-nta/weir/source/logs"
	"github.com/weir-nta/weir/source/nfcapd"
)

const zeekConn = `{"_path":"conn","ts":1795305600.0,"uid":"C1","id.orig_h":"10.0.0.1","id.orig_p":50000,"id.resp_h":"192.0.2.1","id.resp_p":443,"proto":"tcp","duration":1.0,"orig_bytes":10,"resp_bytes":20,"conn_state":"SF","orig_pkts":5,"orig_ip_bytes":300,"resp_pkts":4,"resp_ip_bytes":400}
`

const eveFlow = `{"timestamp":"2026-11-21T10:00:00.000000+0000","flow_id":1,"event_type":"flow","src_ip":"10.0.0.2","src_port":50000,"dest_ip":"192.0.2.1","dest_port":443,"proto":"TCP","flow":{"pkts_toserver":5,"pkts_toclient":4,"bytes_toserver":300,"bytes_toclient":400,"start":"2026-11-21T09:59:59.000000+0000","end":"2026-11-21T10:00:00.000000+0000","age":1,"state":"closed","reason":"timeout"}}
`

// emptyPcap is a capture of no packets: the header alone, Ethernet.
var emptyPcap = []byte{0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0}

func config(paths ...string) Config {
	return Config{
		Paths: paths, Capture: capture.Config{Meter: meter.DefaultConfig()}, Logs: logs.DefaultConfig(),
		Nfcapd: nfcapd.Config{Collector: collector.DefaultConfig()},
	}
}

func gzipped(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func write(t *testing.T, dir, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// run reads all and returns the sources of the conversations.
func run(t *testing.T, c Config) (clients []string, notes string, _ error) {
	t.Helper()
	s, err := Open(c)
	if err != nil {
		return nil, "", err
	}
	err = s.Run(t.Context(), func(b *weir.Batch) error {
		for i := range b.Flows {
			clients = append(clients, b.Flows[i].Src.String())
		}
		return nil
	})
	return clients, strings.Join(s.Progress().Notes, "\n"), err
}

func TestSniff(t *testing.T) {
	dir := t.TempDir()
	for name, tt := range map[string]struct {
		data []byte
		want Kind
	}{
		"capture":      {emptyPcap, Capture},
		"packed":       {gzipped(t, string(emptyPcap)), Capture},
		"conn.log":     {[]byte(zeekConn), Log},
		"conn.log.gz":  {gzipped(t, zeekConn), Log},
		"eve.json":     {[]byte(eveFlow), Log},
		"nfcapd.1":     {append([]byte{0x0c, 0xa5, 1, 0}, make([]byte, 300)...), Nfcapd},
		"diary":        {[]byte("Dear diary\n"), Unknown},
		"empty":        {nil, Unknown},
		"cut.gz":       {gzipped(t, zeekConn)[:9], Unknown},
		"weir.ndjson":  {[]byte(`{"v":1,"ts":"2026-11-21T09:00:00Z","src.ip":"10.0.0.1","dst.ip":"10.0.0.2","proto":"tcp","service":"dns"}` + "\n"), Unknown},
		"weir.export":  {[]byte(`{"ts":"2026-11-21T09:00:00Z","end":"2026-11-21T09:00:01Z","sensor":"a","src.ip":"10.0.0.1","dst.ip":"10.0.0.2","proto":"tcp"}` + "\n"), Unknown},
		"other.ndjson": {[]byte(`{"a":1}` + "\n"), Unknown},
	} {
		got, err := Sniff(write(t, dir, name, tt.data))
		if err != nil || got != tt.want {
			t.Errorf("Sniff(%s) = %v, %v; want %v", name, got, err, tt.want)
		}
	}
}

// TestFolder checks that a folder of several kinds is read kind by kind, and
// that what was left out is told.
func TestFolder(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "conn.log", []byte(zeekConn))
	write(t, dir, "none.pcap", emptyPcap)
	write(t, dir, "README", []byte("Dear diary\n"))
	clients, notes, err := run(t, config(dir))
	if err != nil || strings.Join(clients, " ") != "10.0.0.1" {
		t.Errorf("conversations of %v, %v; want those of 10.0.0.1", clients, err)
	}
	if !strings.Contains(notes, "file of nfdump: 1, left out") || !strings.Contains(notes, "README") {
		t.Errorf("notes %q do not name the file left out", notes)
	}
}

func TestSeveralPaths(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.log", []byte(zeekConn))
	eve := write(t, dir, "eve.json", []byte(eveFlow))
	clients, _, err := run(t, config(filepath.Join(dir, "*.log"), eve))
	if err != nil || len(clients) != 2 {
		t.Errorf("conversations of %v, %v; want those of a pattern and a file", clients, err)
	}
}

func TestStandardInput(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	for name, data := range map[string][]byte{"log": []byte(zeekConn), "gzip": gzipped(t, zeekConn)} {
		c := config("-")
		c.Stdin = bytes.NewReader(data)
		clients, _, err := run(t, c)
		if err != nil || len(clients) != 1 {
			t.Errorf("%s on standard input: conversations of %v, %v; want one", name, clients, err)
		}
	}
	left, err := filepath.Glob(filepath.Join(os.TempDir(), "weir-stdin-*"))
	if err != nil || len(left) != 0 {
		t.Errorf("%v is left behind, %v", left, err)
	}
}

func TestUnreadable(t *testing.T) {
	diary := write(t, t.TempDir(), "diary", []byte("Dear diary\n"))
	_, _, err := run(t, config(diary))
	var damaged *source.DamagedError
	if !errors.As(err, &damaged) || damaged.Input != diary {
		t.Errorf("reading a text gives %v, want a DamagedError for it", err)
	}
	if _, _, err := run(t, config(filepath.Join(t.TempDir(), "none"))); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a path that does not exist gives %v", err)
	}
}

// TestDamageKeepsTheRest checks that a damaged capture does not keep the logs
// from being read.
func TestDamageKeepsTheRest(t *testing.T) {
	dir := t.TempDir()
	bad := write(t, dir, "bad.pcap", append(bytes.Clone(emptyPcap), 1, 2, 3))
	log := write(t, dir, "conn.log", []byte(zeekConn))
	clients, _, err := run(t, config(bad, log))
	var damaged *source.DamagedError
	if !errors.As(err, &damaged) || len(clients) != 1 {
		t.Errorf("conversations of %v, %v; want those of the log and the damage", clients, err)
	}
}

func TestCanceled(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(config(write(t, dir, "a.log", []byte(zeekConn)), write(t, dir, "b.pcap", emptyPcap)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Run(ctx, func(*weir.Batch) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %v, want %v", err, context.Canceled)
	}
}
