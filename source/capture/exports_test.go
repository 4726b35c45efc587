package capture

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/collector"
	"github.com/weir-nta/weir/internal/sharedtest"
)

// exported runs a capture and returns the source and the flows of its exports,
// which carry the address of an exporter, and of its packets.
func exported(t *testing.T, path string) (s *Source, exports, packets int) {
	t.Helper()
	c := collector.DefaultConfig()
	s = newSource(t, Config{Inputs: []string{path}, Collector: &c})
	err := s.Run(t.Context(), func(b *weir.Batch) error {
		for i := range b.Flows {
			if len(b.Flows[i].Exporters) > 0 {
				exports++
			} else {
				packets++
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, exports, packets
}

// TestExportsInCaptures compares what is decoded of datagrams within a capture
// with what the same datagrams give on their own.
func TestExportsInCaptures(t *testing.T) {
	captures, err := filepath.Glob(sharedtest.Path(t, "conformance/netflow-cases") + "/*/*/input.pcap")
	if err != nil || len(captures) < 10 {
		t.Fatalf("%d captures, %v", len(captures), err)
	}
	for _, path := range captures {
		dir := filepath.Dir(path)
		var list struct {
			Messages []struct {
				File, Src string
				Sport     uint16
			}
		}
		text, err := os.ReadFile(filepath.Join(dir, "case.json"))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &list); err != nil {
			t.Fatalf("%s: %v", dir, err)
		}
		col, err := collector.New(collector.DefaultConfig())
		if err != nil {
			t.Fatal(err)
		}
		for i, m := range list.Messages {
			b, err := os.ReadFile(filepath.Join(dir, m.File))
			if err != nil {
				t.Fatal(err)
			}
			col.Datagram(b, netip.AddrPortFrom(netip.MustParseAddr(m.Src), m.Sport), time.Unix(1_700_000_000, int64(i)))
		}
		want := col.Quick()
		s, flows, packets := exported(t, path)
		var got collector.Counters
		if s.exports.collector != nil {
			got = s.exports.collector.Quick()
		}
		name := filepath.Join(filepath.Base(filepath.Dir(dir)), filepath.Base(dir))
		if why := otherwise[name]; why != "" {
			t.Logf("%s: %d records of %d: %s", name, got.Records, want.Records, why)
			continue
		}
		if got.Records != want.Records || got.Datagrams != want.Datagrams {
			t.Errorf("%s: %d records of %d datagrams within the capture, want %d of %d", name, got.Records, got.Datagrams, want.Records, want.Datagrams)
		}
		if stitched := int(s.exports.collector.Counters().Stitch.Flows); packets == 0 || flows != stitched {
			t.Errorf("%s: %d flows of packets and %d of exports, want some, and %d", name, packets, flows, stitched)
		}
	}
}

// otherwise are the cases that are not the same within a capture, and why.
var otherwise = map[string]string{
	"netflow_parser/it_creates_error":        "begins like no export",
	"netflow_parser/it_parses_v5_incomplete": "cut, and not sent to a port of exports",
	"python-netflow/PACKET_INVALID":          "begins like no export",
}

// TestNoExports reads captures of other traffic: nothing in them passes for an
// export.
func TestNoExports(t *testing.T) {
	captures, err := filepath.Glob(sharedtest.Path(t, "corpus/captures") + "/*")
	if err != nil || len(captures) < 50 {
		t.Fatalf("%d captures, %v", len(captures), err)
	}
	slices.Sort(captures)
	read := 0
	for _, path := range captures {
		if info, err := os.Stat(path); err != nil || info.Size() > 2<<20 || !strings.HasPrefix(filepath.Ext(path), ".pcap") {
			continue
		}
		read++
		s, _, _ := exported(t, path)
		if s.exports.collector != nil {
			t.Errorf("%s: %s", filepath.Base(path), strings.Join(exportNotes(s.exports.collector), "; "))
		}
	}
	t.Logf("%d captures", read)
}

// TestExportPorts checks what makes an address one that exports go to.
func TestExportPorts(t *testing.T) {
	export := "\x00\x05\x00\x01" + strings.Repeat("\x00", 20+48)
	for _, c := range []struct {
		name     string
		port     uint16
		payloads []string
		want     uint64
	}{
		{"whole, to any port", 40000, []string{export}, 1},
		{"cut, to any port", 40000, []string{export[:60]}, 0},
		{"cut, to a port of exports", 2055, []string{export[:60]}, 1},
		{"something else to a port of exports", 2055, []string{"hello"}, 0},
		{"cut, after a whole one", 40000, []string{export, export[:60], "hello"}, 3},
	} {
		var packets []testPacket
		for i, p := range c.payloads {
			packets = append(packets, testPacket{1700000000 + uint32(i), 0, frameTo(1, c.port, p), 0})
		}
		path := filepath.Join(t.TempDir(), "c.pcap")
		if err := os.WriteFile(path, pcap(orders["little endian"], pcapMicro, 1, packets...), 0o600); err != nil {
			t.Fatal(err)
		}
		s, _, _ := exported(t, path)
		var got uint64
		if s.exports.collector != nil {
			got = s.exports.collector.Quick().Datagrams
		}
		if got != c.want {
			t.Errorf("%s: %d datagrams taken for exports, want %d", c.name, got, c.want)
		}
	}
}

// frameTo is frame, sent to another port.
func frameTo(host byte, port uint16, payload string) string {
	b := []byte(frame(host, payload))
	b[36], b[37] = byte(port>>8), byte(port)
	return string(b)
}
