package logs

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/sharedtest"
	"github.com/weir-nta/weir/source"
	"github.com/weir-nta/weir/source/sourcetest"
)

// connLine is a line of conn.log in JSON.
func connLine(uid string, start, duration float64) string {
	return fmt.Sprintf(`{"_path":"conn","ts":%.6f,"uid":%q,"id.orig_h":"10.0.0.1","id.orig_p":1000,"id.resp_h":"192.0.2.1","id.resp_p":443,"proto":"tcp","duration":%.6f,"orig_bytes":1,"resp_bytes":2,"conn_state":"SF","history":"ShADadFf","orig_pkts":3,"orig_ip_bytes":300,"resp_pkts":4,"resp_ip_bytes":400}`+"\n", start, uid, duration)
}

func sslLine(uid string, ts float64) string {
	return fmt.Sprintf(`{"_path":"ssl","ts":%.6f,"uid":%q,"id.orig_h":"10.0.0.1","id.orig_p":1000,"id.resp_h":"192.0.2.1","id.resp_p":443,"version":"TLSv13","server_name":"%s.example"}`+"\n", ts, uid, strings.ToLower(uid))
}

func dnsLine(name string, ts float64) string {
	return fmt.Sprintf(`{"_path":"dns","ts":%.6f,"uid":"D","id.orig_h":"10.0.0.1","id.orig_p":5000,"id.resp_h":"10.0.0.53","id.resp_p":53,"proto":"udp","trans_id":1,"query":%q,"qtype":1,"rcode":0}`+"\n", ts, name)
}

// write writes files below a folder; names that end in .gz and .zst are compressed.
func write(t testing.TB, folder string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		b := []byte(text)
		switch {
		case strings.HasSuffix(name, ".gz"):
			b = gzipped(t, text)
		case strings.HasSuffix(name, ".zst"):
			z, err := zstd.NewWriter(nil)
			if err != nil {
				t.Fatal(err)
			}
			b = z.EncodeAll([]byte(text), nil)
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func gzipped(t testing.TB, text string) []byte {
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

// open opens a source of inputs that are read once.
func open(t testing.TB, inputs ...string) *Source {
	t.Helper()
	c := DefaultConfig()
	c.Inputs = inputs
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// run runs a source to its end and returns all its records.
func run(t testing.TB, s *Source) (*weir.Batch, error) {
	t.Helper()
	all := &weir.Batch{}
	err := s.Run(t.Context(), func(b *weir.Batch) error {
		gather(all, b)
		return nil
	})
	return all, err
}

func gather(all, b *weir.Batch) {
	all.Flows = append(all.Flows, b.Flows...)
	all.DNS = append(all.DNS, b.DNS...)
	all.HTTP = append(all.HTTP, b.HTTP...)
	all.Oddities = append(all.Oddities, b.Oddities...)
	all.Findings = append(all.Findings, b.Findings...)
	all.Exporters = append(all.Exporters, b.Exporters...)
	all.Files = append(all.Files, b.Files...)
	all.DHCP = append(all.DHCP, b.DHCP...)
}

// uids returns the uids of flows in their order, with the name of the server
// where it is known.
func uids(b *weir.Batch) string {
	var out []string
	for i := range b.Flows {
		f := &b.Flows[i]
		s := f.UID
		if f.TLS != nil {
			s += ":" + f.TLS.SNI
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

// checkLines checks that each line was counted once.
func checkLines(t testing.TB, s *Source, lines int64) {
	t.Helper()
	p := s.published
	sum := int64(p.zeek.Headers + p.zeek.Records + p.zeek.Joined + p.eve.Used + p.eve.Unused + p.eve.Duplicates +
		p.argus.Headers + p.argus.Flows + p.argus.Skipped)
	for _, n := range p.zeek.Skipped {
		sum += int64(n)
	}
	if sum += p.bad; p.lines != lines || sum != lines {
		t.Errorf("%d lines: read %d, accounted for %d: %s", lines, p.lines, sum, strings.Join(p.notes(), "\n"))
	}
}

func TestSource(t *testing.T) {
	dir := t.TempDir()
	var conn, dns strings.Builder
	for i := range 10_000 {
		conn.WriteString(connLine(fmt.Sprintf("C%d", i), 1e9+float64(i), 30))
		dns.WriteString(dnsLine("a.example", 1e9+float64(i)))
	}
	write(t, dir, map[string]string{"conn.log": conn.String(), "dns.log.gz": dns.String(), "ssl.log": sslLine("C5", 1e9+6) + sslLine("Calone", 1e9)})
	sourcetest.Run(t, func(t *testing.T) source.Source { return open(t, dir) })
}

// TestOrder checks that rotated logs of several days are merged by time, that
// flows come by their ends, and that they know their handshakes.
func TestOrder(t *testing.T) {
	dir := t.TempDir()
	const hour = 3600
	write(t, dir, map[string]string{
		"2026-11-21/conn.00:00:00-01:00:00.log.gz":            connLine("C1", 1e9+10, 5) + connLine("C3", 1e9+20, 1) + connLine("C2", 1e9+12, 8.5),
		"2026-11-21/conn.01:00:00-02:00:00.log.zst":           connLine("C4", 1e9+30, hour) + connLine("C6", 1e9+hour+50, 1),
		"2026-11-21/ssl.00:00:00-01:00:00.log.gz":             sslLine("C1", 1e9+11) + sslLine("C4", 1e9+31) + sslLine("C2", 1e9+13),
		"2026-11-21/ssl.01:00:00-02:00:00.log.gz":             sslLine("C6", 1e9+hour+50),
		"2026-11-22/conn_20261122_00:00:00-01:00:00-0000.log": connLine("C7", 1e9+30*hour, 1),
		"2026-11-22/dns.00:00:00-01:00:00.log":                dnsLine("late.example", 1e9+30*hour),
		"2026-11-22/stats.log":                                `{"ts":1,"peer":"zeek"}` + "\n",
		"2026-11-22/notes.txt":                                "Dear reader,\n",
		"2026-11-22/empty.log":                                "",
	})
	s := open(t, dir)
	all, err := run(t, s)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := uids(all), "C1:c1.example C2:c2.example C3 C4:c4.example C6:c6.example C7"; got != want {
		t.Errorf("flows %s, want %s", got, want)
	}
	checkLines(t, s, 12)
	notes := strings.Join(s.Progress().Notes, "\n")
	for _, want := range []string{"12 in 7 logs", "stats 1", "files that are empty or no logs: 2, left out: empty.log, notes.txt"} {
		if !strings.Contains(notes, want) {
			t.Errorf("notes %q, want %q in them", notes, want)
		}
	}
	if len(all.Exporters) != 1 || all.Exporters[0].Kind != "zeek" || all.Exporters[0].Datagrams != 12 || all.Exporters[0].Flows != 6 {
		t.Errorf("health %+v, want one row of 12 lines and 6 flows", all.Exporters)
	}
}

// TestSameTime checks that conversations get the handshakes that are logged at
// the very time at which they end, the last one of all as well.
func TestSameTime(t *testing.T) {
	dir := t.TempDir()
	var conn, ssl string
	for i, at := range []float64{0, 10, 10, 10, 20, 20} {
		uid := fmt.Sprintf("C%d", i)
		conn += connLine(uid, 1e9+at, 0)
		ssl += sslLine(uid, 1e9+at)
	}
	write(t, dir, map[string]string{"conn.log": conn, "ssl.log": ssl})
	s := open(t, dir)
	all, err := run(t, s)
	want := "C0:c0.example C1:c1.example C2:c2.example C3:c3.example C4:c4.example C5:c5.example"
	if got := uids(all); err != nil || got != want || s.tally.alone != 0 {
		t.Errorf("flows %s of which %d of no conn.log, %v; want %s", got, s.tally.alone, err, want)
	}
}

// TestSortedByBegin checks a log that somebody sorted: what ends last comes last.
func TestSortedByBegin(t *testing.T) {
	dir := t.TempDir()
	log := connLine("Clong", 1e9, 5000)
	for i := range 10 {
		log += connLine(fmt.Sprintf("C%d", i), 1e9+float64(i*1000), 1)
	}
	write(t, dir, map[string]string{"conn.json": log})
	s := open(t, filepath.Join(dir, "*.json"))
	all, err := run(t, s)
	if want := "C0 C1 C2 C3 C4 Clong C5 C6 C7 C8 C9"; uids(all) != want || err != nil {
		t.Errorf("flows %s, %v, want %s", uids(all), err, want)
	}
}

// TestHeldBounded checks that too many open conversations cost order, not flows.
func TestHeldBounded(t *testing.T) {
	dir := t.TempDir()
	log := ""
	for i := range 100 {
		log += connLine(fmt.Sprintf("C%d", i), 1e9+float64(i), 5000)
	}
	write(t, dir, map[string]string{"conn.json": log})
	s := open(t, dir)
	s.hold.limit = 10
	all, err := run(t, s)
	if len(all.Flows) != 100 || err != nil || s.Progress().Notes[1] != "conversations handed on before their time, because too many were open: 90" {
		t.Errorf("%d flows, %v, notes %q, want 100 of which 90 were early, all but the last ten", len(all.Flows), err, s.Progress().Notes)
	}
}

func TestDamaged(t *testing.T) {
	dir := t.TempDir()
	long := connLine("Clong", 1e9, 1)
	long = strings.Replace(long, `"_path"`, `"x":"`+strings.Repeat("x", maxLine)+`","_path"`, 1)
	var many strings.Builder
	for i := range 5000 {
		many.WriteString(connLine(fmt.Sprintf("C%d", i), 1e9+float64(i), 1))
	}
	write(t, dir, map[string]string{"conn.log": connLine("C1", 1e9, 1) + "{\"ts\":}\n" + long + connLine("C2", 1e9, 1) + strings.TrimSuffix(connLine("C3", 1e9, 1), "\n")})
	cut := gzipped(t, many.String())
	if err := os.WriteFile(filepath.Join(dir, "cut.log.gz"), cut[:len(cut)/2], 0o644); err != nil {
		t.Fatal(err)
	}
	write(t, dir, map[string]string{"notes.txt": "Dear reader,\n"})
	s := open(t, filepath.Join(dir, "conn.log"), filepath.Join(dir, "cut.log.gz"), filepath.Join(dir, "notes.txt"))
	all, err := run(t, s)
	var damaged *source.DamagedError
	if !errors.As(err, &damaged) || strings.Count(err.Error(), "\n") != 1 || !errors.Is(err, errNotLog) || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error %v, want notes.txt and the cut one damaged", err)
	}
	p := s.Progress()
	if p.Skipped != 2 || len(all.Flows) < 1000 || !strings.Contains(strings.Join(p.Notes, "\n"), "conn.log line 2: ") || !strings.Contains(strings.Join(p.Notes, "\n"), "conn.log line 3: longer") {
		t.Errorf("%d flows, progress %+v, want two lines damaged and named", len(all.Flows), p)
	}
	for _, uid := range []string{"C1", "C2", "C3"} {
		if !slices.ContainsFunc(all.Flows, func(f weir.Flow) bool { return f.UID == uid }) {
			t.Errorf("no flow %s", uid)
		}
	}
	checkLines(t, s, p.Packets)
	if _, err := New(Config{}); err == nil {
		t.Error("New took a configuration without inputs")
	}
	c := DefaultConfig()
	c.Inputs = []string{filepath.Join(dir, "missing.log")}
	if _, err := New(c); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("New(missing.log) = %v, want %v", err, fs.ErrNotExist)
	}
}

// TestHandshakesAlone checks that a folder of ssl.log alone is of use.
func TestHandshakesAlone(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"ssl.log": sslLine("C2", 1e9+2) + sslLine("C1", 1e9+1)})
	s := open(t, dir)
	all, err := run(t, s)
	if want := "C1:c1.example C2:c2.example"; uids(all) != want || err != nil || !all.Flows[0].Half {
		t.Errorf("flows %s, %v, want %s, of which only half is known", uids(all), err, want)
	}
}

// TestEVE checks that EVE is read by the same source.
func TestEVE(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(sharedtest.Path(t, "conformance/eve-samples"), "*"))
	if err != nil {
		t.Fatal(err)
	}
	flows, lines, read := 0, int64(0), 0
	for _, f := range files {
		s := open(t, f)
		all, err := run(t, s)
		if errors.Is(err, errEmpty) { // of captures in which Suricata saw nothing
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", f, err)
		}
		read++
		flows += len(all.Flows)
		lines += s.Progress().Packets
		checkLines(t, s, countLines(t, f, s))
	}
	t.Logf("%d logs, %d lines, %d flows", read, lines, flows)
	if read < 108 || flows < 900 {
		t.Errorf("%d flows in %d logs, want more", flows, read)
	}
}

// TestCorpus reads the development corpus, every line of which is accounted for.
func TestCorpus(t *testing.T) {
	root := sharedtest.Path(t, "corpus")
	f, err := os.Open(filepath.Join(root, "labels.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comma, r.LazyQuotes, r.FieldsPerRecord = '\t', true, -1
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	entries := 0
	for _, row := range rows {
		if row[8] != "zeek" && row[8] != "zeek-derived" && row[8] != "binetflow" {
			continue
		}
		entries++
		path := filepath.Join(root, row[1])
		s := open(t, path)
		all, err := run(t, s)
		if err != nil {
			t.Errorf("%s: %v", row[0], err)
		}
		p := s.Progress()
		checkLines(t, s, countLines(t, path, s))
		if p.Skipped != 0 || len(all.Flows) == 0 {
			t.Errorf("%s: %d lines damaged, %d flows", row[0], p.Skipped, len(all.Flows))
		}
		handshakes := 0
		back := 0
		var last time.Time
		for i := range all.Flows {
			if all.Flows[i].TLS != nil || all.Flows[i].HTTP != nil {
				handshakes++
			}
			if all.Flows[i].End.Before(last) {
				back++
			}
			last = all.Flows[i].End
		}
		t.Logf("%s: %d flows (%d with handshakes, %d out of order), %d questions, %d findings", row[0], len(all.Flows), handshakes, back, len(all.DNS), len(all.Findings))
		for _, n := range p.Notes {
			t.Logf("    %s", n)
		}
	}
	if entries != 23 {
		t.Errorf("%d entries, want 23", entries)
	}
}

// countLines counts the lines of the logs below path, in another way than the
// source does.
func countLines(t *testing.T, path string, s *Source) (n int64) {
	t.Helper()
	found, err := find([]string{path}, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		if err := f.sniff(); err != nil {
			continue
		}
		b, err := os.ReadFile(f.path)
		if err != nil {
			t.Fatal(err)
		}
		if f.packed {
			z, err := gzip.NewReader(bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			if b, err = io.ReadAll(z); err != nil {
				t.Fatal(err)
			}
		}
		n += int64(bytes.Count(b, []byte("\n")))
		if len(b) > 0 && b[len(b)-1] != '\n' {
			n++
		}
	}
	return n
}

func TestCanceled(t *testing.T) {
	dir := t.TempDir()
	var conn strings.Builder
	for i := range 50_000 {
		conn.WriteString(connLine(fmt.Sprintf("C%d", i), 1e9+float64(i), 30))
	}
	write(t, dir, map[string]string{"conn.log": conn.String()})
	ctx, cancel := context.WithCancel(t.Context())
	s := open(t, dir)
	got := 0
	err := s.Run(ctx, func(b *weir.Batch) error { got += len(b.Flows); cancel(); return nil })
	if p := s.Progress(); !errors.Is(err, context.Canceled) || int64(got) != p.Packets || got == 0 || got == 50_000 {
		t.Errorf("error %v, %d flows of %d lines read: want all that was read", err, got, p.Packets)
	}
}
