package collector

import (
	"encoding/binary"
	"fmt"
	"github.com/zeebo/xxh3"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/weir-nta/weir"
)

func newCollector(t testing.TB, change func(*Config)) *Collector {
	t.Helper()
	c := DefaultConfig()
	c.Input = "test"
	if change != nil {
		change(&c)
	}
	col, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return col
}

func from(host byte, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, host}), port)
}

func closed(t *testing.T, c *Collector) *stored {
	t.Helper()
	var s stored
	if err := c.CloseEach(s.take); err != nil {
		t.Fatal(err)
	}
	return &s
}

// TestFormats sends one datagram of each format from an exporter of its own.
func TestFormats(t *testing.T) {
	c := newCollector(t, nil)
	c.Datagram(v5(epoch, 0, 0x0102, 5), from(1, 9000), epoch)
	c.Datagram(v9Template(epoch, 1, 7, 256), from(2, 9000), epoch)
	c.Datagram(v9DataFrom(epoch, 2, 7, 256, 100, 5), from(2, 9000), epoch)
	c.Datagram(ipfixTemplate(epoch, 0, 8, 300), from(3, 9000), epoch)
	c.Datagram(ipfixData(epoch, 0, 8, 300, 200, 5), from(3, 9000), epoch)
	c.Datagram(sflowDatagram(60, 5), from(4, 9000), epoch)
	s := closed(t, c)
	if len(s.flows) != 20 || s.twice != 0 {
		t.Errorf("%d flows, %d of them twice; want 20", len(s.flows), s.twice)
	}
	var got []string
	for _, e := range s.exporters {
		got = append(got, fmt.Sprintf("%v %s %d: %d datagrams, %d records, %d flows, %d templates, 1:%d", e.Addr, e.Kind, e.Domain, e.Datagrams, e.Records, e.Flows, e.Templates, e.Sampling))
	}
	want := []string{
		"198.51.100.1 netflow5 258: 1 datagrams, 5 records, 5 flows, 0 templates, 1:0",
		"198.51.100.2 netflow9 7: 2 datagrams, 5 records, 5 flows, 1 templates, 1:0",
		"198.51.100.3 ipfix 8: 2 datagrams, 5 records, 5 flows, 1 templates, 1:0",
		"198.51.100.4 sflow5 0: 1 datagrams, 5 records, 5 flows, 0 templates, 1:100",
	}
	if !slices.Equal(got, want) {
		t.Errorf("exporters\n%s\nwant\n%s", got, want)
	}
	if f := s.flows[100]; f.Sensor != "198.51.100.2" || len(f.Exporters) != 1 || f.Exporters[0] != "198.51.100.2" || f.BytesUp != 1000 || f.PacketsUp != 10 {
		t.Errorf("a flow of NetFlow v9: %+v", f)
	}
	if f := s.flows[300]; f.PacketsUp != 100 || f.Sampling != 100 {
		t.Errorf("a flow of sFlow: %+v, want 100 packets scaled by 1:100", f)
	}
}

// TestSettings names exporters and overrides their rates.
func TestSettings(t *testing.T) {
	c := newCollector(t, func(c *Config) {
		c.Sampling = 3
		c.Exporters = []Setting{
			{Address: Network{netip.MustParsePrefix("198.51.100.0/24")}, Name: "all"},
			{Address: Network{netip.MustParsePrefix("198.51.100.7/32")}, Name: "edge", Sampling: 50},
		}
	})
	c.Datagram(v5(epoch, 0, 0, 1), from(7, 1), epoch)
	c.Datagram(v5(epoch, 10, 0, 1), from(8, 1), epoch)
	c.Datagram(v5(epoch, 20, 0, 1), netip.MustParseAddrPort("[::ffff:203.0.113.1]:1"), epoch)
	s := closed(t, c)
	for n, want := range map[uint32]string{0: "edge 50 500", 10: "all 0 10", 20: "203.0.113.1 3 30"} {
		f := s.flows[n]
		if got := fmt.Sprint(f.Sensor, " ", f.Sampling, " ", f.PacketsUp); got != want {
			t.Errorf("record %d: sensor, rate and packets %q, want %q", n, got, want)
		}
	}
}

// TestRefused checks who is not listened to, and that each datagram is counted.
func TestRefused(t *testing.T) {
	c := newCollector(t, func(c *Config) {
		c.Allow = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/25")}
		c.MaxExporters, c.MaxDomains = 3, 5
	})
	c.Datagram(v5(epoch, 0, 0, 1), from(200, 1), epoch)                               // not allowed
	c.Datagram(v5(epoch, 0, 0, 1), netip.MustParseAddrPort("[2001:db8::1]:1"), epoch) // nor this
	for host := range byte(5) {
		c.Datagram(v5(epoch, uint32(host), 0, 1), from(host, 1), epoch) // two too many
	}
	for engine := range uint16(4) {
		c.Datagram(v5(epoch, 100, 1+engine, 1), from(1, 1), epoch) // two too many, with the three of before
	}
	c.Datagram([]byte{0x00, 0xf0, 0, 1}, from(1, 1), epoch)
	c.Datagram(nil, from(1, 1), epoch)
	s := closed(t, c)
	n := c.Counters()
	if n.NotAllowed != 2 || n.TooManyExporters != 2 || n.TooManyDomains != 2 || n.Unknown != 2 || n.Datagrams != 13 || n.Records != 5 {
		t.Errorf("counters %+v", n)
	}
	if got := s.sum(func(e *weir.Exporter) uint64 { return e.Datagrams }); got != n.Datagrams {
		t.Errorf("rows tell of %d datagrams, want %d", got, n.Datagrams)
	}
	if got := s.sum(func(e *weir.Exporter) uint64 { return e.DroppedLimit }); got != 6 {
		t.Errorf("rows tell of %d dropped at a limit, want 6", got)
	}
	if got := s.sum(func(e *weir.Exporter) uint64 { return e.DroppedDecoder }); got != 2 {
		t.Errorf("rows tell of %d that could not be read, want 2", got)
	}
	if len(s.oddities) != 1 || s.oddities[0].Name != "export_unknown_version" || s.oddities[0].Count != 2 || s.oddities[0].Detail != "version 0x00f0, 4 bytes" {
		t.Errorf("oddities %+v, want one that tells of version 0x00f0 and counts 2", s.oddities)
	}
}

// TestDuplicates sends each datagram twice: once by the network's making, once
// much later by the exporter's.
func TestDuplicates(t *testing.T) {
	c := newCollector(t, nil)
	for i := range uint32(10) {
		at := epoch.Add(time.Duration(i) * time.Second)
		b := v5(at, i*30, 0, 30)
		c.Datagram(b, from(1, 1), at)
		c.Datagram(b, from(1, 1), at.Add(time.Millisecond))
	}
	s := closed(t, c)
	n := c.Counters()
	if n.Duplicated != 10 || n.Records != 300 || len(s.flows) != 300 || n.Lost+n.Reordered+n.Restarts != 0 {
		t.Errorf("%d flows, counters %+v; want 300, and 10 datagrams that came twice", len(s.flows), n)
	}
	if f := s.flows[0]; f.PacketsUp != 10 {
		t.Errorf("%d packets, want 10: those of one copy", f.PacketsUp)
	}
}

// TestMalformed cuts a datagram: what comes before the cut counts, and the
// damage is told.
func TestMalformed(t *testing.T) {
	c := newCollector(t, nil)
	b := v5(epoch, 0, 0, 30)
	c.Datagram(b[:24+48*10+7], from(1, 5555), epoch)
	s := closed(t, c)
	n := c.Counters()
	if n.Malformed != 1 || n.Records != 10 || len(s.flows) != 10 {
		t.Errorf("%d flows, counters %+v; want 10 and one datagram malformed", len(s.flows), n)
	}
	if len(s.oddities) != 1 || s.oddities[0].Name != "export_malformed" || s.oddities[0].Src != from(1, 0).Addr() || s.oddities[0].SrcPort != 5555 || s.oddities[0].Sensor != "198.51.100.1" {
		t.Errorf("oddities %+v, want one of 198.51.100.1:5555", s.oddities)
	}
}

// TestMissingTemplate has data come before its template, and without one.
func TestMissingTemplate(t *testing.T) {
	c := newCollector(t, nil)
	c.Datagram(v9DataFrom(epoch, 1, 7, 256, 0, 5), from(1, 1), epoch)
	c.Datagram(v9DataFrom(epoch, 2, 7, 999, 50, 5), from(1, 1), epoch)
	var first stored
	if err := c.Each(epoch.Add(2*time.Minute), first.take); err != nil {
		t.Fatal(err)
	}
	if len(first.exporters) != 1 || fmt.Sprint(first.exporters[0].MissingTemplates) != "[256 999]" || first.exporters[0].Held != 2 {
		t.Errorf("rows %+v, want templates 256 and 999 missing and 2 sets held", first.exporters)
	}
	c.Datagram(v9Template(epoch.Add(3*time.Minute), 3, 7, 256), from(1, 1), epoch.Add(3*time.Minute))
	s := closed(t, c)
	n := c.Counters()
	if n.Records != 5 || len(s.flows) != 5 || n.Held != 2 {
		t.Errorf("%d flows, counters %+v; want the 5 of template 256", len(s.flows), n)
	}
	if n.HeldLost != 1 {
		t.Errorf("%d sets given up, want the one whose template never came", n.HeldLost)
	}
}

// TestHealth checks the rows of some minutes: counted once, and only where
// there is something to tell.
func TestHealth(t *testing.T) {
	c := newCollector(t, nil)
	var s stored
	sequence := uint32(0)
	for second := range 300 {
		at := epoch.Add(time.Duration(second) * time.Second)
		if second < 180 {
			c.Datagram(v5(at.Add(5*time.Second), sequence, 0, 10), from(1, 1), at) // its clock is ahead
			sequence += 10
			if second%60 == 30 {
				sequence += 10 // one is lost
			}
		}
		if err := c.Each(at, s.take); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.CloseEach(s.take); err != nil {
		t.Fatal(err)
	}
	if got := s.sum(func(e *weir.Exporter) uint64 { return e.Records }); got != 1800 {
		t.Errorf("rows tell of %d records, want 1800", got)
	}
	if got := s.sum(func(e *weir.Exporter) uint64 { return e.Lost }); got != 30 {
		t.Errorf("rows tell of %d records lost, want 30", got)
	}
	if got := s.sum(func(e *weir.Exporter) uint64 { return e.Flows }); got != 1800 || len(s.flows) != 1800 {
		t.Errorf("rows tell of %d flows, there are %d; want 1800", got, len(s.flows))
	}
	if n := len(s.exporters); n < 4 || n > 6 {
		t.Errorf("%d rows in five minutes of which three have datagrams, want 4 to 6", n)
	}
	first := s.exporters[0]
	if first.Skew != -5*time.Second || !first.Since.Equal(epoch) || !first.Time.Equal(epoch.Add(time.Minute)) || first.Rate < 9.9 || first.Rate > 10.3 {
		t.Errorf("first row %+v, want a clock 5 s ahead and 10 records/s from %v on", first, epoch)
	}
}

// TestIdleExporterMakesPlace keeps out new exporters as long as those that are
// known are heard of, and then gives their places away.
func TestIdleExporterMakesPlace(t *testing.T) {
	c := newCollector(t, func(c *Config) { c.MaxExporters = 2 })
	at := epoch
	c.Datagram(v5(at, 0, 0, 1), from(1, 1), at)
	c.Datagram(v5(at, 1, 0, 1), from(2, 1), at)
	c.Datagram(v5(at, 2, 0, 1), from(3, 1), at)
	if n := c.Counters(); n.TooManyExporters != 1 || n.Exporters != 2 {
		t.Fatalf("counters %+v, want 2 exporters and one refused", n)
	}
	c.Take(at.Add(time.Hour)) // all has been told
	at = at.Add(2 * time.Hour)
	c.Datagram(v5(at, 3, 0, 1), from(2, 1), at)
	c.Datagram(v5(at, 4, 0, 1), from(3, 1), at)
	c.Datagram(v5(at, 5, 0, 1), from(4, 1), at)
	if n := c.Counters(); n.TooManyExporters != 2 || n.Forgotten != 1 || n.Records != 4 {
		t.Errorf("counters %+v, want one more refused and the silent one forgotten", n)
	}
}

// TestState restarts the collector between a template and its data.
func TestState(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	set := func(c *Config) { c.StateDir = dir }
	c := newCollector(t, set)
	c.Datagram(v9Template(epoch, 1, 7, 256), from(1, 1), epoch)
	closed(t, c)
	for range 2 { // it survives a run in which the exporter says nothing
		closed(t, newCollector(t, set))
	}
	c = newCollector(t, set)
	c.Datagram(v9DataFrom(epoch.Add(time.Hour), 1, 7, 256, 0, 5), from(1, 1), epoch.Add(time.Hour))
	s := closed(t, c)
	if n := c.Counters(); len(s.flows) != 5 || n.Held != 0 || n.StateErrors != 0 {
		t.Errorf("%d flows, counters %+v; want 5 by the template of the first run", len(s.flows), n)
	}
	list, err := os.ReadDir(dir)
	if err != nil || len(list) != 1 {
		t.Errorf("files %v, %v; want one", list, err)
	}
}

// TestDamagedState damages each byte of a saved state, and cuts it: that is
// counted, costs the state, and nothing else.
func TestDamagedState(t *testing.T) {
	dir := t.TempDir()
	set := func(c *Config) { c.StateDir = dir }
	c := newCollector(t, set)
	c.Datagram(v9Template(epoch, 1, 7, 256), from(1, 1), epoch)
	closed(t, c)
	path := filepath.Join(dir, stateFile)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string, b []byte) {
		t.Helper()
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		var n counters
		var s state
		if err := s.open(&Config{StateDir: dir, MaxExporters: 10}, &n); err != nil {
			t.Fatal(err)
		}
		if n.stateErrors.Load() != 1 || len(s.saved) != 0 {
			t.Errorf("%s: %d errors counted and %d exporters read, want 1 and 0", what, n.stateErrors.Load(), len(s.saved))
		}
	}
	for i := range good {
		b := slices.Clone(good)
		b[i] ^= 0x41
		check(fmt.Sprintf("byte %d changed", i), b)
		check(fmt.Sprintf("cut to %d bytes", i), good[:i])
	}
}

func FuzzState(f *testing.F) {
	f.Add([]byte(stateName))
	f.Add(appendEntry([]byte(stateName), from(1, 1).Addr(), saved{1, []byte("x")}))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := state{saved: map[netip.Addr]saved{}, most: 100}
		b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)
		sign(b)
		if s.load(b) == nil && len(s.saved) > 100 {
			t.Errorf("%d exporters, want at most 100", len(s.saved))
		}
	})
}

// TestSpoofed sends from a million addresses. Memory and the known exporter
// must not care.
func TestSpoofed(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	c := newCollector(t, nil)
	var s stored
	c.Datagram(v9Template(epoch, 1, 7, 256), from(1, 1), epoch)
	b := v5(epoch, 0, 0, 1)
	const spoofed = 1_000_000
	began := time.Now()
	for i := range uint32(spoofed) {
		at := epoch.Add(time.Duration(i) * 10 * time.Microsecond)
		a := netip.AddrFrom4([4]byte{11, byte(i >> 16), byte(i >> 8), byte(i)})
		c.Datagram(b, netip.AddrPortFrom(a, 1), at)
		if i%100_000 == 0 {
			c.Datagram(v9DataFrom(at, 2+i/100_000, 7, 256, 1000+i/100_000*5, 5), from(1, 1), at)
			if err := c.Each(at, s.take); err != nil {
				t.Fatal(err)
			}
		}
	}
	took := time.Since(began)
	n := c.Quick()
	if n.Exporters != 4096 || n.TooManyExporters != spoofed-4095 || n.Records != 4095+50 {
		t.Errorf("counters %+v, want 4,096 exporters and the known one heard", n)
	}
	if took > time.Minute { // with the race detector on a busy machine a quarter of that
		t.Errorf("took %v, want microseconds for each", took)
	}
	if used := heap(); used > 500<<20 {
		t.Errorf("%d MB in use, want less than 500", used>>20)
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// sign puts the hash of b behind it, so that fuzzing gets past it.
func sign(b []byte) {
	n := len(b) - 8
	binary.BigEndian.PutUint64(b[n:], xxh3.Hash(b[:n]))
}

// TestAllocs checks that datagrams of known exporters cost no memory: neither
// decoding nor the way to the stitcher.
func TestAllocs(t *testing.T) {
	c := newCollector(t, nil)
	c.Datagram(v9Template(epoch, 0, 7, 256), from(1, 1), epoch)
	discard := func(*weir.Batch) error { return nil }
	sequence := uint32(1)
	var datagrams [][]byte
	for range 400 {
		datagrams = append(datagrams, v9DataFrom(epoch, sequence, 7, 256, 0, 30))
		sequence++
	}
	next := 0
	one := func() {
		c.Datagram(datagrams[next], from(1, 1), epoch)
		next++
		if next%10 == 0 {
			if err := c.Each(epoch, discard); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 100 {
		one()
	}
	if n := testing.AllocsPerRun(200, one); n >= 1 {
		t.Errorf("%v allocations for each datagram of 30 records, want less than one", n)
	}
	if n := c.Counters(); n.Records != 301*30 || n.Duplicated != 0 {
		t.Errorf("counters %+v, want each datagram decoded", n)
	}
}

// BenchmarkDatagram decodes datagrams of 30 records and puts them together.
func BenchmarkDatagram(b *testing.B) {
	c := newCollector(b, nil)
	c.Datagram(v9Template(epoch, 0, 7, 256), from(1, 1), epoch)
	discard := func(*weir.Batch) error { return nil }
	d := v9DataFrom(epoch, 1, 7, 256, 0, 30)
	sequence := uint32(1)
	b.ReportAllocs()
	for b.Loop() {
		binary.BigEndian.PutUint32(d[12:], sequence)
		sequence++
		c.Datagram(d, from(1, 1), epoch)
		if sequence%100 == 0 {
			if err := c.Each(epoch, discard); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(30*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}
