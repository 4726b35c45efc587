package capture

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/meter"
	"github.com/weir-nta/weir/source"
	"github.com/weir-nta/weir/source/sourcetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// oneFlow is a capture of n packets of one flow from 192.0.2.host, a second apart.
func oneFlow(host byte, n int) []byte {
	var packets []testPacket
	for i := range n {
		packets = append(packets, testPacket{1700000000 + uint32(i), 0, frame(host, "abc"), 0})
	}
	return pcap(binary.LittleEndian, pcapMicro, 1, packets...)
}

// write puts files into a folder and returns their paths.
func write(t *testing.T, dir string, files map[string][]byte) {
	t.Helper()
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

func newSource(t *testing.T, c Config) *Source {
	t.Helper()
	if c.Meter == (meter.Config{}) {
		c.Meter = meter.DefaultConfig()
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// run runs s and writes each flow as "source packets".
func run(ctx context.Context, s *Source) (flows []string, err error) {
	err = s.Run(ctx, func(b *weir.Batch) error {
		for i := range b.Flows {
			f := &b.Flows[i]
			flows = append(flows, fmt.Sprintf("%v %d", f.Src, f.PacketsUp+f.PacketsDown))
		}
		return nil
	})
	slices.Sort(flows)
	return flows, err
}

func TestSuite(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string][]byte{"1": oneFlow(1, 9000), "2": oneFlow(2, 3)})
	sourcetest.Run(t, func(t *testing.T) source.Source { return newSource(t, Config{Inputs: []string{dir}}) })
}

func TestRunFiles(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string][]byte{"b.pcap": oneFlow(1, 3), "a.gz": gzipped(t, oneFlow(2, 4)), "zstd without a name": zstded(t, oneFlow(3, 5))})
	var inputs []string
	size := int64(0)
	for _, name := range []string{"b.pcap", "a.gz", "zstd without a name"} {
		path := filepath.Join(dir, name)
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
		inputs = append(inputs, path)
	}
	s := newSource(t, Config{Inputs: inputs})
	got, err := run(t.Context(), s)
	if want := []string{"192.0.2.1 3", "192.0.2.2 4", "192.0.2.3 5"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, error %v; want %v", got, err, want)
	}
	p := s.Progress()
	if p.Packets != 12 || p.Records != 4 || p.Skipped != 0 || p.Bytes != size || p.Total != size || len(p.Notes) != 0 {
		t.Errorf("progress %+v, want 12 packets, 3 records and one of health, %d bytes of as many, no notes", p, size)
	}
}

// TestRunContinues checks that a capture in two files is one stretch of traffic.
func TestRunContinues(t *testing.T) {
	dir := t.TempDir()
	whole := oneFlow(1, 6)
	half := 24 + 3*(len(whole)-24)/6
	write(t, dir, map[string][]byte{"1": whole[:half], "2": append(slices.Clone(whole[:24]), whole[half:]...)})
	got, err := run(t.Context(), newSource(t, Config{Inputs: []string{dir}}))
	if want := []string{"192.0.2.1 6"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, error %v; want %v", got, err, want)
	}
}

func TestRunFolder(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "below"), 0o777); err != nil {
		t.Fatal(err)
	}
	write(t, dir, map[string][]byte{
		"1.pcap": oneFlow(1, 1), "notes.txt": []byte("text"), "empty": nil, "conn.log": []byte("#separator"), "picture": []byte("\x89PNG"),
		"below/2.pcap": oneFlow(2, 1),
	})
	s := newSource(t, Config{Inputs: []string{dir}})
	got, err := run(t.Context(), s)
	if want := []string{"192.0.2.1 1", "192.0.2.2 1"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, error %v; want %v", got, err, want)
	}
	p := s.Progress()
	want := []string{"files that are no captures: 4, left out: conn.log, empty, notes.txt and 1 more"}
	if !slices.Equal(p.Notes, want) || p.Bytes < p.Total {
		t.Errorf("notes %q, %d of %d bytes; want %q", p.Notes, p.Bytes, p.Total, want)
	}

	only := t.TempDir()
	write(t, only, map[string][]byte{"notes.txt": []byte("text")})
	_, err = run(t.Context(), newSource(t, Config{Inputs: []string{only}}))
	var damaged *source.DamagedError
	if want := only + ": not a capture: none of its files is one"; !errors.As(err, &damaged) || err.Error() != want || !errors.Is(err, ErrNotCapture) {
		t.Errorf("a folder without captures: error %v, want %s", err, want)
	}
}

func TestRunStdin(t *testing.T) {
	for name, file := range map[string][]byte{"pcap": oneFlow(1, 3), "gzip": gzipped(t, oneFlow(1, 3))} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			_, _ = w.Write(file)
			w.Close()
		}()
		s := newSource(t, Config{Inputs: []string{"-"}, Stdin: r})
		got, err := run(t.Context(), s)
		if want := []string{"192.0.2.1 3"}; err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %v, error %v; want %v", name, got, err, want)
		}
		if p := s.Progress(); p.Total != 0 || p.Bytes != int64(len(file)) {
			t.Errorf("%s: %d of %d bytes, want %d of an unknown total", name, p.Bytes, p.Total, len(file))
		}
		r.Close()
	}
}

// TestRunDamaged gives Run inputs of which some are damaged: all the others
// are read, each damage is told, and what was readable counts.
func TestRunDamaged(t *testing.T) {
	dir := t.TempDir()
	cut := oneFlow(2, 3)
	write(t, dir, map[string][]byte{
		"notes.txt": []byte("Dear reader,"), "empty.pcap": nil, "good": oneFlow(1, 2),
		"cut.pcap": cut[:len(cut)-1], "cut.gz": gzipped(t, oneFlow(3, 2))[:60], "last": oneFlow(4, 1),
	})
	var inputs []string
	for _, name := range []string{"cut.pcap", "cut.gz", "good", "notes.txt", "empty.pcap", "last"} {
		inputs = append(inputs, filepath.Join(dir, name))
	}
	s := newSource(t, Config{Inputs: inputs})
	got, err := run(t.Context(), s)
	if want := []string{"192.0.2.1 2", "192.0.2.2 2", "192.0.2.4 1"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	const want = `cut.pcap: damaged at byte 146, after 2 packets: the input ends within a packet: 60 of 61 bytes are there
cut.gz: damaged at byte 24, after 0 packets: the gzip data end early: unexpected EOF
notes.txt: not a capture: it looks like text: "Dear reader,"
empty.pcap: empty file`
	if err == nil || strings.ReplaceAll(err.Error(), dir+"/", "") != want {
		t.Errorf("error\n%v\nwant\n%s", err, want)
	}
	readme, rerr := os.ReadFile("README.md")
	if indented := "    " + strings.ReplaceAll(want, "\n", "\n    "); rerr != nil || !strings.Contains(string(readme), indented) {
		t.Errorf("README.md (%v) does not show these messages", rerr)
	}
	var damaged *source.DamagedError
	if !errors.As(err, &damaged) {
		t.Errorf("error %T, want a DamagedError in it", err)
	}
}

// endless is a capture that never ends. It tells when some of it has been read.
type endless struct {
	head, packets []byte
	reads         int
	begun         chan struct{}
}

func newEndless() *endless {
	file := oneFlow(1, 1)
	return &endless{head: file[:24], packets: bytes.Repeat(file[24:], 2000), begun: make(chan struct{})}
}

func (e *endless) Read(b []byte) (int, error) {
	e.reads++
	if e.reads == 1 {
		return copy(b, e.head), nil
	}
	if e.reads == 10 {
		close(e.begun)
	}
	return copy(b, e.packets), nil // they fit
}

func TestRunInterrupted(t *testing.T) {
	silent, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	if _, err := w.Write(oneFlow(1, 3)); err != nil {
		t.Fatal(err)
	}
	traffic := newEndless()
	for name, c := range map[string]struct {
		from io.Reader
		when func(s *Source)
	}{
		"endless": {traffic, func(*Source) { <-traffic.begun }},
		"silent": {silent, func(s *Source) {
			for s.bytes.Load() == 0 {
				time.Sleep(time.Millisecond)
			}
		}},
	} {
		s := newSource(t, Config{Inputs: []string{"-"}, Stdin: c.from})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			c.when(s)
			cancel()
		}()
		got, err := run(ctx, s)
		if err != context.Canceled || len(got) != 1 {
			t.Errorf("%s: got %v, error %v; want what was metered and %v", name, got, err, context.Canceled)
		}
	}
	w.Close() // lets the goroutine that waits for the silent pipe go
}

// TestRunInterruptedWithoutPackets stops a capture that goes on for ever
// without a packet, so that nobody but the reading can notice.
func TestRunInterruptedWithoutPackets(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	blocks := bytes.Repeat(little.block(0xbad, make([]byte, 1000)), 100)
	at := 0
	from := readerFunc(func(b []byte) (int, error) {
		if at++; at == 1 {
			return copy(b, little.section()), nil
		}
		if at == 20 {
			cancel()
		}
		return copy(b, blocks), nil
	})
	if _, err := run(ctx, newSource(t, Config{Inputs: []string{"-"}, Stdin: from})); err != context.Canceled {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

func TestRunEmitFails(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string][]byte{"1": oneFlow(1, 3), "2": oneFlow(2, 3)})
	full := errors.New("disk full")
	calls := 0
	err := newSource(t, Config{Inputs: []string{dir}}).Run(t.Context(), func(*weir.Batch) error {
		calls++
		return full
	})
	if !errors.Is(err, full) || calls != 1 {
		t.Errorf("error %v after %d calls, want %v after one", err, calls, full)
	}
}

func TestNewErrors(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		config Config
		want   string
	}{
		{Config{Meter: meter.DefaultConfig()}, "inputs: got none, want one or more"},
		{Config{Inputs: []string{dir + "/absent.pcap"}, Meter: meter.DefaultConfig()}, "stat " + dir + "/absent.pcap: no such file or directory"},
		{Config{Inputs: []string{dir}, Meter: meter.DefaultConfig()}, dir + ": a folder without files"},
		{Config{Inputs: []string{"-"}}, "meter: tcp_idle: got 0s, want 1s to 24h0m0s"},
	} {
		if _, err := New(c.config); err == nil || err.Error() != c.want {
			t.Errorf("New(%v): error %v, want %s", c.config.Inputs, err, c.want)
		}
	}
}

// TestNotes feeds a source with everything that it has a note for.
func TestNotes(t *testing.T) {
	packetOf := func(sec uint64, data string) []byte { return little.enhanced(0, sec*1e6, testPacket{data: data}) }
	pppoe := frame(1, "")[:12] + "\x88\x63" + strings.Repeat("\x00", 28)
	bad := frame(1, "")[:14] + "\x44" + frame(1, "")[15:]
	short := []byte(frame(1, ""))
	short[14+3] = 24 // leaves four bytes for UDP
	later := []byte(frame(1, "abcdefgh"))
	later[14+7] = 1 // offset 8
	file := slices.Concat(
		little.section(), little.face(1, 0), little.face(105, 0),
		packetOf(1700000002, frame(1, "abc")),
		packetOf(1700000000, frame(1, "abc")), // two seconds back
		packetOf(1700000003, pppoe),
		packetOf(1700000003, bad),
		packetOf(1700000003, string(short)),
		packetOf(1700000003, frame(1, "")[:20]),
		packetOf(1700000003, string(later)),
		little.enhanced(0, 1700000003e6, testPacket{data: frame(1, "abc")[:40], wire: 1500}),
		little.enhanced(1, 1700000003e6, testPacket{data: "beacon"}),
		little.enhanced(7, 1700000003e6, testPacket{data: "of no interface"}),
		little.simple(testPacket{data: frame(1, "abc")}),
	)
	dir := t.TempDir()
	write(t, dir, map[string][]byte{"all.pcapng": file})
	s := newSource(t, Config{Inputs: []string{filepath.Join(dir, "all.pcapng")}})
	oddities := 0
	err := s.Run(t.Context(), func(b *weir.Batch) error {
		for i := range b.Oddities {
			if o := &b.Oddities[i]; o.Name == "malformed_header" {
				oddities += int(o.Count)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	p := s.Progress()
	want := []string{
		"cut packets: 1 of 10 (snaplen 40)",
		"packets that are neither IP nor ARP, LLDP or CDP: 1, not analysed",
		"packets of a link type that cannot be read, IEEE 802.11: 1",
		"packets that end within their headers: 1",
		"packets with malformed headers: 2",
		"fragments of which the first was not seen: 1, counted without ports",
		"packets with an earlier time than the one before: 1, by 2s at most",
		"packets without a time: 1, given that of the packet before",
		"packets of an interface that is not described: 1, left out",
		"several interfaces in one capture: 2, analysed as one network",
	}
	if !slices.Equal(p.Notes, want) {
		t.Errorf("notes\n%s\nwant\n%s", strings.Join(p.Notes, "\n"), strings.Join(want, "\n"))
	}
	if p.Packets != 10 || p.Skipped != 5 || oddities != 1 {
		t.Errorf("%d packets, %d skipped, %d oddities; want 10, 5 and 1", p.Packets, p.Skipped, oddities)
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("thousands(%d) = %s, want %s", n, got, want)
		}
	}
}

// BenchmarkRun reads, decodes and meters.
func BenchmarkRun(b *testing.B) {
	path := filepath.Join(b.TempDir(), "bench.pcap")
	file := benchFile()
	if err := os.WriteFile(path, file, 0o666); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(file)))
	b.ReportAllocs()
	for b.Loop() {
		s, err := New(Config{Inputs: []string{path}, Meter: meter.DefaultConfig()})
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Run(b.Context(), func(*weir.Batch) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}

// TestLimitNotes: what the meter's limits have cost is told, in words and in
// the row for sensors.
func TestLimitNotes(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string][]byte{"1": oneFlow(1, 3), "2": oneFlow(2, 3)})
	c := meter.DefaultConfig()
	c.MaxFlows = 1
	s := newSource(t, Config{Inputs: []string{dir}, Meter: c})
	limited := uint64(0)
	err := s.Run(t.Context(), func(b *weir.Batch) error {
		for i := range b.Exporters {
			limited += b.Exporters[i].DroppedLimit
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := "conversations told before they had ended, since there were more than are kept at a time: 1"
	if notes := s.Progress().Notes; !slices.Contains(notes, want) || limited != 1 {
		t.Errorf("notes %q, %d in the row; want %q, 1", notes, limited, want)
	}
}
