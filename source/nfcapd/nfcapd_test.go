package nfcapd

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/collector"
	"github.com/weir-nta/weir/decode/flowrec"
	"github.com/weir-nta/weir/decode/nfcapd"
	"github.com/weir-nta/weir/internal/sharedtest"
	"github.com/weir-nta/weir/source"
	"github.com/weir-nta/weir/source/sourcetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newSource(t *testing.T, sensor string, inputs ...string) *Source {
	t.Helper()
	s, err := New(Config{Inputs: inputs, Sensor: sensor, Collector: collector.DefaultConfig()})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func shared(t *testing.T, name string) string {
	return sharedtest.Path(t, "conformance/nfdump-files/"+name)
}

// run runs s and returns all that it hands on.
func run(t *testing.T, s *Source) (all weir.Batch, err error) {
	t.Helper()
	err = s.Run(t.Context(), func(b *weir.Batch) error {
		all.Flows = append(all.Flows, b.Flows...)
		all.DNS = append(all.DNS, b.DNS...)
		all.Exporters = append(all.Exporters, b.Exporters...)
		all.Oddities = append(all.Oddities, b.Oddities...)
		return nil
	})
	return all, err
}

func TestSuite(t *testing.T) {
	file := shared(t, "nfcapd171-nprobe")
	sourcetest.Run(t, func(t *testing.T) source.Source { return newSource(t, "edge", file) })
}

// TestTotals checks that no packet of a file is lost or counted twice, whatever
// it is compressed with: the counters of conversations add up to those of records.
func TestTotals(t *testing.T) {
	for _, name := range []string{"nfpcapd171-mix-none-1", "nfpcapd171-mix-none-2", "nfpcapd171-mix-lz4-2", "nfpcapd171-mix-lzo-2", "nfdump171-mix-bz2-2",
		"nfcapd171-nprobe", "nfcapd171-fortigate", "nfcapd171-mikrotik-nat", "nfcapd171-xr-ipfix-srv6", "nfcapd171-sampled", "nfcapd16-nfcapd-small-lzo", "nfcapd171-pmsf-none"} {
		file := shared(t, name)
		bytes, packets, records := sums(t, file)
		s := newSource(t, "", file)
		got, err := run(t, s)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var gotBytes, gotPackets uint64
		for i := range got.Flows {
			f := &got.Flows[i]
			gotBytes += f.BytesUp + f.BytesDown
			gotPackets += f.PacketsUp + f.PacketsDown
		}
		if gotBytes != bytes || gotPackets != packets || len(got.Flows) == 0 {
			t.Errorf("%s: %d flows of %d packets, %d octets; want %d packets, %d octets", name, len(got.Flows), gotPackets, gotBytes, packets, bytes)
		}
		if p := s.Progress(); p.Packets != records || p.Records != int64(got.Len()) {
			t.Errorf("%s: progress %+v, want %d read, %d handed on", name, p, records, got.Len())
		}
		t.Logf("%s: %d records, %d flows", name, records, len(got.Flows))
	}
}

// sums returns what the records of a file add up to, scaled by sampling.
func sums(t *testing.T, file string) (octets, packets uint64, records int64) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r, err := nfcapd.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	var rec flowrec.Record
	for r.Next(&rec) == nil {
		records++
		octets += (rec.Bytes + rec.RevBytes) * uint64(rec.Sampling)
		packets += (rec.Packets + rec.RevPackets) * uint64(rec.Sampling)
	}
	return octets, packets, records
}

// TestWho tells which exporter sent what, and how it is.
func TestWho(t *testing.T) {
	file := shared(t, "nfcapd16-nfcapd-small-lzo")
	got, err := run(t, newSource(t, "core", file))
	if err != nil {
		t.Fatal(err)
	}
	var exporters []string
	for _, f := range got.Flows {
		if f.Sensor != "core" || len(f.Exporters) == 0 {
			t.Errorf("a flow of sensor %q, exporters %v; want core, and one", f.Sensor, f.Exporters)
		}
		exporters = append(exporters, f.Exporters...)
	}
	slices.Sort(exporters)
	if want := []string{"66.110.0.104", "66.110.0.90", "66.110.1.122", "66.110.1.17", "66.110.96.27"}; !slices.Contains(exporters, want[0]) || !slices.Contains(exporters, want[3]) {
		t.Errorf("exporters %v, want %v among them", exporters, want)
	}
	rows := 0
	for _, x := range got.Exporters {
		if x.Kind == "nfcapd" && x.Addr == netip.MustParseAddr("66.110.1.17") && x.Records > 0 && x.Sensor == "core" {
			rows++
		}
	}
	if rows == 0 {
		t.Errorf("exporters %+v, want one of 66.110.1.17", got.Exporters)
	}
	if got, _ := run(t, newSource(t, "", file)); got.Flows[0].Sensor != got.Flows[0].Exporters[0] {
		t.Errorf("no sensor named: got %q, want the exporter %v", got.Flows[0].Sensor, got.Flows[0].Exporters)
	}
}

// TestFolder reads a folder with what is nfdump's and what is not.
func TestFolder(t *testing.T) {
	dir := t.TempDir()
	for from, to := range map[string]string{"nfpcapd171-mix-lzo-1": "nfcapd.202611221400", "nfpcapd171-mix-lz4-2": "nfcapd.202611221405"} {
		b, err := os.ReadFile(shared(t, from))
		if err != nil {
			t.Fatal(err)
		}
		write(t, dir, to, b)
	}
	write(t, dir, "notes.txt", []byte("not a file of nfdump's"))
	s := newSource(t, "", dir)
	_, err := run(t, s)
	p := s.Progress()
	if err != nil || p.Packets != 122+167 || p.Bytes != p.Total {
		t.Errorf("error %v, progress %+v; want 289 records, and all bytes read", err, p)
	}
	if !slices.ContainsFunc(p.Notes, func(n string) bool { return strings.HasSuffix(n, "left out: notes.txt") }) {
		t.Errorf("notes %q, want notes.txt among them", p.Notes)
	}
}

func write(t *testing.T, dir, name string, b []byte) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, b, 0o666); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestDamaged reads what is readable of damaged files, goes on, and says so.
func TestDamaged(t *testing.T) {
	dir := t.TempDir()
	whole := shared(t, "nfpcapd171-mix-none-1")
	b, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	cut := write(t, dir, "cut", b[:len(b)/2])
	text := write(t, dir, "text", []byte("hello, hello"))
	flipped := bytes.Clone(b)
	flipped[40+12+2] = 0xff // the size of the first record
	flipped[40+12+3] = 0xff
	wrong := write(t, dir, "wrong", flipped)
	s := newSource(t, "", cut, text, wrong, whole)
	got, err := run(t, s)
	var damaged *source.DamagedError
	if !errors.As(err, &damaged) || damaged.Input != cut || !errors.Is(err, nfcapd.ErrDamaged) || !errors.Is(err, nfcapd.ErrNotNfcapd) {
		t.Errorf("error %v, want a DamagedError for each of three", err)
	}
	for _, want := range []string{"cut: ", "text: not an nfcapd file", "wrong: damaged at byte"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q, want %q in it", err, want)
		}
	}
	p := s.Progress()
	if p.Packets != 122 || p.Skipped != 2 || len(got.Flows) == 0 {
		t.Errorf("progress %+v, %d flows; want the 122 records of the file that is whole, 2 skipped", p, len(got.Flows))
	}
	if _, err := run(t, newSource(t, "", write(t, t.TempDir(), "x", []byte("hello, hello")))); !errors.Is(err, nfcapd.ErrNotNfcapd) {
		t.Errorf("a file that is not nfdump's: error %v", err)
	}
}

// TestNew refuses what cannot be read before reading.
func TestNew(t *testing.T) {
	for _, c := range []struct {
		inputs []string
		want   string
	}{{nil, "inputs: got none"}, {[]string{"/no/such"}, "no such file"}, {[]string{t.TempDir()}, "a folder without files"}} {
		if _, err := New(Config{Inputs: c.inputs, Collector: collector.DefaultConfig()}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("inputs %v: error %v, want %q", c.inputs, err, c.want)
		}
	}
	if _, err := New(Config{Inputs: []string{"-"}}); err == nil || !strings.HasPrefix(err.Error(), "collector: ") {
		t.Errorf("no settings of the collector: error %v", err)
	}
}

// TestStdin reads standard input, and stops where its context is done.
func TestStdin(t *testing.T) {
	b, err := os.ReadFile(shared(t, "nfcapd171-nprobe"))
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Inputs: []string{"-"}, Stdin: bytes.NewReader(b), Collector: collector.DefaultConfig()}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	got, err := run(t, s)
	if p := s.Progress(); err != nil || p.Packets != 892 || p.Total != 0 || p.Bytes != int64(len(b)) || len(got.Flows) == 0 {
		t.Errorf("error %v, progress %+v; want 892 records", err, p)
	}
	ctx, cancel := context.WithCancel(t.Context())
	c.Stdin = readerFunc(func([]byte) (int, error) { cancel(); return 1, nil })
	if s, err = New(c); err != nil {
		t.Fatal(err)
	}
	if err := s.Run(ctx, func(*weir.Batch) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled while reading: error %v", err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }
