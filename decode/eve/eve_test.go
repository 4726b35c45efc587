package eve

import (
	"bytes"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/query"
)

var update = flag.Bool("update", false, "write what is got to testdata")

// TestEvents decodes an event of each kind, written after Suricata's
// documentation and its own samples, and compares the records with those of
// testdata/records.ndjson.
func TestEvents(t *testing.T) {
	lines := bytes.Split(bytes.TrimSpace(read(t, "testdata/events.ndjson")), []byte("\n"))
	b := new(weir.Batch)
	d := NewDecoder(Config{})
	for _, l := range lines {
		if err := d.Line(b, l); err != nil {
			t.Errorf("Line(%s): %v", l, err)
		}
	}
	d.Flush(b)
	var got bytes.Buffer
	for r := range b.Records {
		fmt.Fprintf(&got, "%s %s\n", r.Table().Name, weir.AppendJSON(nil, r))
	}
	if *update {
		if err := os.WriteFile("testdata/records.ndjson", got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(strings.Split(string(read(t, "testdata/records.ndjson")), "\n"), strings.Split(got.String(), "\n")); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	for i := range b.Findings {
		if _, err := query.Parse(b.Findings[i].Query); b.Findings[i].Query != "" && err != nil {
			t.Errorf("query %q of a finding: %v", b.Findings[i].Query, err)
		}
	}
	c := d.Counters()
	if c.Lines != uint64(len(lines)) || c.Unused != 2 || c.Used != c.Lines-2 || c.Types["mqtt"] != 1 || c.Types["dns"] != 8 {
		t.Errorf("counters %+v", c)
	}
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestRefused(t *testing.T) {
	d := NewDecoder(Config{MaxLine: 200})
	for _, c := range []struct{ line, want string }{
		{"", "no JSON object"},
		{`{"timestamp":"2026-01-02T03:04:05.000001+0000"`, "the line ends within its object"},
		{`{"timestamp":"2026-01-02T03:04:05.000001+0000"}`, "no event_type: not an event of Suricata"},
		{`{"timestamp":"yesterday","event_type":"flow"}`, "timestamp cannot be read"},
		{`{"timestamp":"2026-13-02T03:04:05","event_type":"flow"}`, "timestamp cannot be read"},
		{`{"timestamp":"2026-01-02T03:04:05","event_type":"flow","src_ip":"10.0.0.300","dest_ip":"10.0.0.1"}`, "flow: no addresses"},
		{`{"timestamp":"` + strings.Repeat("1", 200), "line is too long"},
	} {
		b := new(weir.Batch)
		err := d.Line(b, []byte(c.line))
		if err == nil || err.Error() != c.want || b.Len() > 0 {
			t.Errorf("Line(%.60s): got %v, %d records, want %q", c.line, err, b.Len(), c.want)
		}
	}
	if c := d.Counters(); c.Lines != 7 || c.Bad != 6 || c.TooLong != 1 {
		t.Errorf("counters %+v", c)
	}
}

// TestLongKeys has an object with a long key and many members: to look each of
// these up by its whole key would take time as the square of the line.
func TestLongKeys(t *testing.T) {
	line := `{"timestamp":"2026-01-02T03:04:05","event_type":"stats","` + strings.Repeat("k", 500_000) + `":{` +
		strings.TrimSuffix(strings.Repeat(`"a":1,`, 80_000), ",") + `}}`
	const times = 10 // of which each would take a second
	began := time.Now()
	for range times {
		if err := NewDecoder(Config{}).Line(new(weir.Batch), []byte(line)); err != nil {
			t.Error(err)
		}
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("%d lines of %d octets took %v, want at most 5s", times, len(line), took)
	}
}

// TestLineIsNotWritten has a certificate that is empty before a chain: what is
// found in the chain may not be put where the certificate stands.
func TestLineIsNotWritten(t *testing.T) {
	line := `{"timestamp":"2026-01-02T03:04:05","flow_id":1,"event_type":"tls","src_ip":"10.0.0.1","src_port":1024,"dest_ip":"192.0.2.1","dest_port":443,"proto":"TCP",` +
		`"tls":{"certificate":"","client_alpns":["h2"],"chain":["QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo="]}}`
	d, b, read := NewDecoder(Config{}), new(weir.Batch), []byte(line)
	if err := d.Line(b, read); err != nil {
		t.Fatal(err)
	}
	d.Flush(b)
	if string(read) != line {
		t.Errorf("the line has become %s", read)
	}
	if tls := b.Flows[0].TLS; tls.ALPN != "h2" || len(tls.SHA256) != 64 {
		t.Errorf("ALPN %q, SHA-256 %q; want h2, and one", tls.ALPN, tls.SHA256)
	}
}

// flowLine is of a flow event, or of one half by netflow.
func flowLine(kind string, id int, at string) []byte {
	return fmt.Appendf(nil, `{"timestamp":%q,"flow_id":%d,"event_type":%q,"src_ip":"10.0.0.1","src_port":1024,"dest_ip":"192.0.2.1","dest_port":443,"proto":"TCP",
"flow":{"pkts_toserver":1,"pkts_toclient":1,"bytes_toserver":60,"bytes_toclient":60,"start":%[1]q,"end":%[1]q,"state":"closed","reason":"timeout"},
"netflow":{"pkts":1,"bytes":60,"start":%[1]q,"end":%[1]q},"tls":{"sni":"a.example"},"tcp":{"tcp_flags":"02","tcp_flags_ts":"1b","tcp_flags_tc":"1b"}}`, at, id, kind)
}

// TestNetflow checks that netflow events count where no flow event comes, and
// only there, whichever comes first.
func TestNetflow(t *testing.T) {
	const at = "2026-01-02T03:04:05.000000+0000"
	for _, c := range []struct {
		kinds           string
		flows, packets  int
		used, duplicate uint64
	}{
		{"flow netflow", 1, 2, 1, 1},
		{"netflow flow", 1, 2, 1, 1},
		{"netflow netflow flow", 1, 2, 1, 2},
		{"netflow", 1, 1, 1, 0},
	} {
		d, b := NewDecoder(Config{}), new(weir.Batch)
		for kind := range strings.FieldsSeq(c.kinds) {
			if err := d.Line(b, flowLine(kind, 1, at)); err != nil {
				t.Fatal(err)
			}
		}
		d.Flush(b)
		got := d.Counters()
		if len(b.Flows) != c.flows || b.Flows[0].Packets() != uint64(c.packets) || got.Used != c.used || got.Duplicates != c.duplicate {
			t.Errorf("%s: got %d flows, %d packets, %+v, want %+v", c.kinds, len(b.Flows), b.Flows[0].Packets(), got, c)
		}
	}
}

// TestWaits checks what is released when: by the clock of the log, or because
// too much waits. A handshake whose flow does not come is a flow of its own.
func TestWaits(t *testing.T) {
	d, b := NewDecoder(Config{MaxHeld: 10}), new(weir.Batch)
	line := func(kind string, id int, at string) {
		t.Helper()
		if err := d.Line(b, flowLine(kind, id, at)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 25 {
		line("tls", 100+i, "2026-01-02T03:04:05Z")
	}
	if c := d.Counters(); len(b.Flows) != 15 || c.Alone != 15 || !b.Flows[0].Ongoing || b.Flows[0].TLS.SNI != "a.example" {
		t.Errorf("of 25 handshakes with room for 10: %d flows, %+v", len(b.Flows), c)
	}
	line("netflow", 1, "2026-01-02T03:04:05Z")
	line("stats", 1, "2026-01-02T03:05:06Z")
	if len(b.Flows) != 17 { // that it has come is to be kept in mind as well
		t.Errorf("a minute after an event of netflow: %d flows, want 17", len(b.Flows))
	}
	line("stats", 1, "2026-01-02T06:00:00Z")
	if len(b.Flows) != 25+1 {
		t.Errorf("hours later: %d flows, want 26", len(b.Flows))
	}
	line("flow", 1, "2026-01-02T06:00:00Z")
	if n := len(b.Flows); n != 27 || b.Flows[n-1].TLS != nil {
		t.Errorf("a flow whose identifier was used before: %d flows", n)
	}
}

func TestParseTime(t *testing.T) {
	want := time.Date(2017, 6, 27, 11, 11, 8, 6624000, time.UTC)
	for _, in := range []string{
		"2017-06-27T11:11:08.006624+0000", "2017-06-27T13:11:08.006624+0200", "2017-06-27T07:41:08.006624-03:30",
		"2017-06-27T11:11:08.006624", "2017-06-27T11:11:08.006624Z", "06/27/2017-11:11:08.006624",
	} {
		if got, ok := parseTime([]byte(in)); !ok || !got.Equal(want) {
			t.Errorf("parseTime(%q) = %v, %v, want %v", in, got, ok, want)
		}
	}
	for _, in := range []string{"", "2017-06-27", "2017-06-27T11:11:0x", "2017-06-27T11:11:08+0000x", "2017-06-27T25:11:08", "2262-01-01T00:00:00"} {
		if got, ok := parseTime([]byte(in)); ok {
			t.Errorf("parseTime(%q) = %v, want an error", in, got)
		}
	}
}

// TestParseIPv4 compares with what reads all addresses.
func TestParseIPv4(t *testing.T) {
	for _, in := range []string{
		"0.0.0.0", "10.0.0.1", "255.255.255.255", "", "1", "1.2.3", "1.2.3.", ".1.2.3", "1.2.3.4.5", "1.2.3.256", "256.1.1.1", "01.2.3.4",
		"1.2.3.04", "00.0.0.0", "1..2.3", "1.2.3.4x", "1234.1.1.1", "::1",
	} {
		want, err := netip.ParseAddr(in)
		got, ok := parseIPv4([]byte(in))
		if ok != (err == nil && want.Is4()) || ok && got != want {
			t.Errorf("parseIPv4(%q) = %v, %v, want %v, %v", in, got, ok, want, err)
		}
	}
}

func TestDistinguishedName(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "CN=localhost": "CN=localhost", "C=US, O=Example, Inc., CN=x": `CN=x,O=Example\, Inc.,C=US`, "O=a,b, CN=c": `CN=c,O=a\,b`,
	} {
		if got := distinguishedName(in); got != want {
			t.Errorf("distinguishedName(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestIsLog(t *testing.T) {
	for in, want := range map[string]bool{
		"": false, "\ufeff" + string(flowLine("flow", 1, "2026-01-02T03:04:05Z")): true, `{"_path":"conn","ts":1}`: false,
		"#separator \\x09\n": false, `{"timestamp":"x"}` + "\n" + `{"event_type":1}`: false,
	} {
		if got := IsLog([]byte(in)); got != want {
			t.Errorf("IsLog(%.40q) = %v, want %v", in, got, want)
		}
	}
}

// TestAllocs checks that a line costs no memory but what stays: of a type
// without records none, of a flow its own strings, parts and place in memory.
func TestAllocs(t *testing.T) {
	d, b := NewDecoder(Config{Sensor: "s", MaxHeld: 100}), new(weir.Batch)
	b.Flows = make([]weir.Flow, 0, 10)
	for _, c := range []struct {
		kind string
		most float64
	}{{"stats", 0}, {"flow", 6}} {
		line := flowLine(c.kind, 1, "2026-01-02T03:04:05Z")
		n := testing.AllocsPerRun(1000, func() {
			b.Flows = b.Flows[:0]
			if err := d.Line(b, line); err != nil {
				t.Fatal(err)
			}
		})
		if n > c.most {
			t.Errorf("%s: %v allocations a line, want %v at most", c.kind, n, c.most)
		}
	}
}

func BenchmarkLine(b *testing.B) {
	lines := bytes.Split(bytes.TrimSpace(read(b, "testdata/events.ndjson")), []byte("\n"))
	d, batch, size := NewDecoder(Config{}), new(weir.Batch), 0
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		l := lines[i%len(lines)]
		size += len(l)
		if err := d.Line(batch, l); err != nil {
			b.Fatal(err)
		}
		if batch.Len() > 1000 {
			batch.Reset()
		}
	}
	b.SetBytes(int64(size / b.N))
}

// FuzzLine decodes any lines: there is no panic, every line is accounted for,
// and what waits is bounded.
func FuzzLine(f *testing.F) {
	for _, l := range bytes.Split(read(f, "testdata/events.ndjson"), []byte("\n")) {
		f.Add(l)
	}
	f.Add(read(f, "testdata/events.ndjson"))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, b := NewDecoder(Config{MaxHeld: 4, MaxLine: 8 << 10}), new(weir.Batch)
		for l := range bytes.SplitSeq(data, []byte("\n")) {
			_ = d.Line(b, l) // counted
			if n := d.talks.order.Len() + d.halves.order.Len() + d.queries.order.Len(); n > 3*4 {
				t.Fatalf("%d values wait, want 12 at most", n)
			}
		}
		d.Flush(b)
		c := d.Counters()
		if c.Lines != c.Used+c.Unused+c.Duplicates+c.TooLong+c.Bad {
			t.Errorf("not every line accounted for: %+v", c)
		}
		for r := range b.Records {
			if begin, end := weir.Span(r); begin.IsZero() || end.Before(begin) {
				t.Errorf("%s from %v to %v", r.Table().Name, begin, end)
			}
			weir.AppendJSON(nil, r)
		}
	})
}
