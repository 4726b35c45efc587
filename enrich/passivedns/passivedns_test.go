package passivedns

import (
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/enrich"
)

var _ enrich.Enricher = (*Enricher)(nil)

func at(seconds float64) time.Time {
	return time.Unix(1_700_000_000, 0).Add(time.Duration(seconds * float64(time.Second)))
}

func lookUp(seconds float64, host, name string, answers ...string) weir.DNSTransaction {
	return weir.DNSTransaction{Time: at(seconds), Src: netip.MustParseAddr(host), Query: name, Type: "A", Code: "NOERROR", Answers: answers}
}

// call is a flow that began and ended at these times.
func call(begin, end float64, src, dst string) weir.Flow {
	return weir.Flow{Start: at(begin), End: at(end), Duration: at(end).Sub(at(begin)), Src: netip.MustParseAddr(src), Dst: netip.MustParseAddr(dst)}
}

func TestNames(t *testing.T) {
	const day = 86400
	sni := func(f weir.Flow, name string) weir.Flow { f.TLS = &weir.TLS{SNI: name}; return f }
	host := func(f weir.Flow, name string) weir.Flow { f.HTTP = &weir.HTTP{Host: name}; return f }
	plain := call(10, 20, "10.0.0.1", "203.0.113.5")
	for _, tt := range []struct {
		name string
		dns  []weir.DNSTransaction
		flow weir.Flow
		want string
	}{
		{"looked up", []weir.DNSTransaction{lookUp(5, "10.0.0.1", "a.example", "203.0.113.4", "203.0.113.5")}, plain, "a.example"},
		{"by another host", []weir.DNSTransaction{lookUp(5, "10.0.0.2", "a.example", "203.0.113.5")}, plain, ""},
		{"by an alias", []weir.DNSTransaction{lookUp(5, "10.0.0.1", "www.a.example", "edge.cdn.example", "203.0.113.5")}, plain, "www.a.example"},
		{"within the slack", []weir.DNSTransaction{lookUp(11.9, "10.0.0.1", "a.example", "203.0.113.5")}, plain, "a.example"},
		{"too late", []weir.DNSTransaction{lookUp(12.1, "10.0.0.1", "a.example", "203.0.113.5")}, plain, ""},
		{"the day before", []weir.DNSTransaction{lookUp(11-day, "10.0.0.1", "a.example", "203.0.113.5")}, plain, "a.example"},
		{"before that", []weir.DNSTransaction{lookUp(9-day, "10.0.0.1", "a.example", "203.0.113.5")}, plain, ""},
		{"again during the flow", []weir.DNSTransaction{lookUp(5, "10.0.0.1", "a.example", "203.0.113.5"), lookUp(15, "10.0.0.1", "a.example", "203.0.113.5")}, plain, "a.example"},
		{"another name during the flow", []weir.DNSTransaction{lookUp(5, "10.0.0.1", "a.example", "203.0.113.5"), lookUp(15, "10.0.0.1", "b.example", "203.0.113.5")}, plain, "a.example"},
		{"another name before", []weir.DNSTransaction{lookUp(4, "10.0.0.1", "a.example", "203.0.113.5"), lookUp(5, "10.0.0.1", "b.example", "203.0.113.5")}, plain, "b.example"},
		{"two names, the handshake decides", []weir.DNSTransaction{lookUp(4, "10.0.0.1", "a.example", "203.0.113.5"), lookUp(5, "10.0.0.1", "b.example", "203.0.113.5")}, sni(plain, "a.example"), "a.example"},
		{"handshake claims another", []weir.DNSTransaction{lookUp(5, "10.0.0.1", "a.example", "203.0.113.5")}, sni(plain, "front.example"), "a.example"},
		{"handshake alone", nil, sni(plain, "a.example"), "a.example"},
		{"host alone", nil, host(plain, "a.example."), "a.example"},
		{"host is an address", nil, host(plain, "203.0.113.5"), ""},
		{"host is an IPv6 address", nil, host(plain, "[2001:db8::1]"), ""},
		{"slices count from the first", []weir.DNSTransaction{lookUp(5, "10.0.0.1", "a.example", "203.0.113.5")},
			weir.Flow{Start: at(3600), End: at(3660), Duration: 3650 * time.Second, Src: plain.Src, Dst: plain.Dst}, "a.example"},
		{"no address in answers of text", []weir.DNSTransaction{{Time: at(5), Src: plain.Src, Query: "a.example", Type: "TXT", Answers: []string{"203.0.113.5"}}}, plain, ""},
		{"mapped", []weir.DNSTransaction{lookUp(5, "::ffff:10.0.0.1", "a.example", "::ffff:203.0.113.5")}, plain, "a.example"},
	} {
		e, err := Default.New()
		if err != nil {
			t.Fatal(err)
		}
		b := weir.Batch{DNS: tt.dns, Flows: []weir.Flow{tt.flow}}
		e.Enrich(&b)
		if got := b.Flows[0].DstHost; got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestKnownNameStays(t *testing.T) {
	e, _ := Default.New()
	f := call(10, 20, "10.0.0.1", "203.0.113.5")
	f.DstHost = "of.the.log"
	b := weir.Batch{DNS: []weir.DNSTransaction{lookUp(5, "10.0.0.1", "a.example", "203.0.113.5")}, Flows: []weir.Flow{f}}
	e.Enrich(&b)
	if got := b.Flows[0].DstHost; got != "of.the.log" {
		t.Errorf("DstHost = %q, want what the log said", got)
	}
}

func TestBoundsAndStats(t *testing.T) {
	c := Config{MaxNames: 100, Keep: time.Hour}
	e, err := c.New()
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		e.Enrich(&weir.Batch{DNS: []weir.DNSTransaction{lookUp(float64(i), "10.0.0.1", "a.example", fmt.Sprintf("203.0.%d.%d", i/250, i%250))}})
	}
	many := lookUp(1000, "10.0.0.1", "many.example", slices.Repeat([]string{"203.0.113.9"}, 70)...)
	sni := call(1002, 1003, "10.0.0.1", "203.0.0.2")
	sni.TLS = &weir.TLS{SNI: "b.example"}
	e.Enrich(&weir.Batch{DNS: []weir.DNSTransaction{many}, Flows: []weir.Flow{
		call(1001, 1002, "10.0.0.1", "203.0.3.249"), call(1001, 1002, "10.0.0.1", "203.0.0.1"), sni,
	}})
	got := e.Stats()
	want := Stats{Learnt: 1064, Ignored: 6, Looked: 1, Shaken: 1, Unnamed: 1, Forgotten: got.Forgotten}
	if got != want {
		t.Errorf("Stats = %+v, want %+v", got, want)
	}
	if got.Forgotten < 900 {
		t.Errorf("Forgotten = %d of 1001 with room for 100", got.Forgotten)
	}
}

func TestConfig(t *testing.T) {
	for _, tt := range []struct {
		config Config
		want   string
	}{
		{Config{MaxNames: 1, Keep: time.Hour}, "max_names: got 1, want 2 or more"},
		{Config{MaxNames: 10}, "keep: got 0s, want 1m or more"},
	} {
		if _, err := tt.config.New(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("New(%v): %v, want %q", tt.config, err, tt.want)
		}
	}
}

func TestReadme(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindSubmatch(text)
	var got struct{ Enrich struct{ Passivedns Config } }
	if err := yaml.Unmarshal(block[1], &got); err != nil {
		t.Fatal(err)
	}
	if got.Enrich.Passivedns != Default {
		t.Errorf("README shows %v, default is %v", got.Enrich.Passivedns, Default)
	}
}

// FuzzNames: no names or answers make it panic or name a flow by an address.
func FuzzNames(f *testing.F) {
	f.Add("a.example", "203.0.113.5", "b.example", int64(0))
	f.Add("", ":", "[::1]", int64(1)<<62)
	f.Fuzz(func(t *testing.T, query, answer, sni string, when int64) {
		e, _ := Default.New()
		flow := call(10, 20, "10.0.0.1", "203.0.113.5")
		flow.TLS = &weir.TLS{SNI: sni}
		d := lookUp(0, "10.0.0.1", query, answer)
		d.Time = time.Unix(0, when)
		b := weir.Batch{DNS: []weir.DNSTransaction{d}, Flows: []weir.Flow{flow}}
		e.Enrich(&b)
		if _, err := netip.ParseAddr(b.Flows[0].DstHost); err == nil && b.Flows[0].DstHost != query {
			t.Errorf("flow named %q", b.Flows[0].DstHost)
		}
	})
}

func BenchmarkFlow(b *testing.B) {
	e, batch := busy(b)
	batch.DNS = nil
	if n := testing.AllocsPerRun(100, func() { e.Enrich(batch) }); n != 0 {
		b.Errorf("a flow allocates %v times, want 0", n)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		f := &batch.Flows[0]
		f.DstHost = ""
		f.Dst = netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)})
		e.Enrich(batch)
	}
}

func BenchmarkDNS(b *testing.B) {
	e, batch := busy(b)
	batch.Flows = nil
	if n := testing.AllocsPerRun(100, func() { e.Enrich(batch) }); n != 0 {
		b.Errorf("a repeated look-up allocates %v times, want 0", n)
	}
	b.ReportAllocs()
	for b.Loop() {
		e.Enrich(batch)
	}
}

// busy is an enricher that knows 65,536 addresses.
func busy(b *testing.B) (*Enricher, *weir.Batch) {
	e, err := Default.New()
	if err != nil {
		b.Fatal(err)
	}
	for i := range 1 << 16 {
		e.Enrich(&weir.Batch{DNS: []weir.DNSTransaction{lookUp(1, "10.0.0.1", "a.example", fmt.Sprintf("203.0.%d.%d", i>>8, i&255))}})
	}
	return e, &weir.Batch{
		DNS:   []weir.DNSTransaction{lookUp(5, "10.0.0.1", "www.a.example", "edge.cdn.example", "203.0.113.5")},
		Flows: []weir.Flow{call(10, 20, "10.0.0.1", "203.0.113.5")},
	}
}
