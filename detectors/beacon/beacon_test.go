package beacon

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/detect"
	"github.com/weir-nta/weir/detect/detecttest"
)

// office adds what else happens on such a day: 40 hosts with names looked up,
// browsing at random, so that rare is rare.
func office(tr *detecttest.Traffic, hours float64) {
	r := rand.New(rand.NewPCG(1, 1))
	for i := range 40 {
		src := fmt.Sprintf("10.10.1.%d", 100+i)
		at := 0.0
		for j := 0; at < hours; j++ {
			at += 0.7 * r.ExpFloat64()
			n := r.IntN(30)
			name, addr := fmt.Sprintf("www.site%d.example", n), fmt.Sprintf("198.51.100.%d", n)
			tr.Resolve(span(at), src, name, addr)
			tr.Conn(span(at)+time.Millisecond, src, addr+":443/tcp", weir.StateSF, outbound(name, 2000+r.Uint64N(90000)))
		}
	}
}

// inOrder puts the records in the order of time, as a sensor gives them.
func inOrder(traffic func(*detecttest.Traffic)) func(*detecttest.Traffic) {
	at := func(r weir.Record) time.Time {
		if d, ok := r.(*weir.DNSTransaction); ok {
			return d.Time
		}
		return r.(*weir.Flow).End
	}
	return func(tr *detecttest.Traffic) {
		traffic(tr)
		slices.SortStableFunc(tr.Records, func(a, b weir.Record) int { return at(a).Compare(at(b)) })
	}
}

func askFor(tr *detecttest.Traffic, at time.Duration, src, name, domain string, ttl uint32) {
	tr.Resolve(at, src, name, "203.0.113.90")
	q := tr.Records[len(tr.Records)-1].(*weir.DNSTransaction)
	q.Domain, q.TTLs, q.BytesUp, q.BytesDown = domain, []uint32{ttl}, 60, 76
}

func span(hours float64) time.Duration { return time.Duration(hours * float64(time.Hour)) }

func outbound(name string, down uint64) func(*weir.Flow) {
	return func(f *weir.Flow) {
		f.Direction, f.DstHost, f.App = weir.Outbound, name, "tls"
		f.BytesDown = down
		if name != "" {
			f.TLS = &weir.TLS{SNI: name, JA4: "t13d1516h2_8daaf6152771_02713d6af862"}
		}
	}
}

// implant calls an address without a name every period with jitter, losing some.
func implant(tr *detecttest.Traffic, src, dst string, period time.Duration, jitter, lost float64, n int, change func(*weir.Flow)) {
	r := rand.New(rand.NewPCG(2, uint64(n)))
	at := time.Duration(0)
	for range n {
		at += time.Duration(float64(period) * (1 - jitter*r.Float64())).Truncate(time.Microsecond)
		if r.Float64() >= lost {
			tr.Conn(at, src, dst, weir.StateSF, change)
		}
	}
}

func strange(f *weir.Flow) {
	f.Direction, f.App = weir.Outbound, "tls"
	f.TLS = &weir.TLS{JA4: "t13d190900_9dc949149365_97f8aa674fd9", Subject: "CN=localhost", Issuer: "CN=localhost"}
}

func TestDetector(t *testing.T) {
	detecttest.Run(t, Detector,
		detecttest.Case{Name: "implant-60s", Traffic: inOrder(func(tr *detecttest.Traffic) {
			office(tr, 10)
			implant(tr, "10.10.1.101", "203.0.113.77:443/tcp", time.Minute, 0.1, 0.05, 600, strange)
		})},
		detecttest.Case{Name: "jitter-half-lost-third", Traffic: inOrder(func(tr *detecttest.Traffic) {
			office(tr, 10)
			implant(tr, "10.10.1.102", "203.0.113.78:4444/tcp", 5*time.Minute, 0.5, 0.3, 120, func(f *weir.Flow) { f.Direction = weir.Outbound })
		})},
		// Each check-in goes to another name of one domain.
		detecttest.Case{Name: "changing-names", Traffic: inOrder(func(tr *detecttest.Traffic) {
			office(tr, 4)
			n := 0
			implant(tr, "10.10.1.106", "203.0.113.91:443/tcp", 2*time.Minute, 0.2, 0, 100, func(f *weir.Flow) {
				n++
				f.Direction, f.App = weir.Outbound, "tls"
				f.DstHost, f.DstDomain = fmt.Sprintf("n%d.rotate.example", n%50), "rotate.example"
			})
		})},
		// Orders are fetched by names, and nothing else is contacted.
		detecttest.Case{Name: "by-names", Traffic: inOrder(func(tr *detecttest.Traffic) {
			office(tr, 3)
			for i := range 60 {
				askFor(tr, time.Duration(i)*2*time.Minute, "10.10.1.105", fmt.Sprintf("%08x.orders.example", i*2654435761), "orders.example", 5)
			}
		})},
		// A name that lives a minute, looked up and used all day.
		detecttest.Case{Name: "short-lived-name", Traffic: inOrder(func(tr *detecttest.Traffic) {
			for i := range 60 {
				for j := range 30 {
					at := time.Duration(j)*time.Minute + time.Duration(i)*time.Second
					src := fmt.Sprintf("10.10.1.%d", 100+i)
					askFor(tr, at, src, "api.balanced.example", "balanced.example", 60)
					tr.Conn(at+time.Millisecond, src, "203.0.113.90:443/tcp", weir.StateSF, func(f *weir.Flow) {
						outbound("api.balanced.example", 3000)(f)
						f.DstDomain = "balanced.example"
					})
				}
			}
		})},
		// The same clock to a service that all hosts use.
		detecttest.Case{Name: "everybodys-timer", Traffic: inOrder(func(tr *detecttest.Traffic) {
			for i := range 60 {
				tr.Resolve(0, fmt.Sprintf("10.10.1.%d", 100+i), "telemetry.vendor.example", "198.51.100.200")
				implant(tr, fmt.Sprintf("10.10.1.%d", 100+i), "198.51.100.200:443/tcp", time.Minute, 0.1, 0, 60, outbound("telemetry.vendor.example", 3000))
			}
		})},
		// A human who returns to one site all day.
		detecttest.Case{Name: "favourite-site", Traffic: inOrder(func(tr *detecttest.Traffic) {
			office(tr, 10)
			r := rand.New(rand.NewPCG(3, 3))
			at := 0.0
			for at < 9 {
				at += 0.2 * r.ExpFloat64() * r.ExpFloat64() * 2
				tr.Conn(span(at), "10.10.1.103", "203.0.113.79:443/tcp", weir.StateSF, outbound("", r.Uint64N(200000)))
			}
		})},
		// One conversation that an exporter reports every minute.
		detecttest.Case{Name: "cut-by-the-exporter", Traffic: inOrder(func(tr *detecttest.Traffic) {
			office(tr, 3)
			for i := range 150 {
				tr.Conn(time.Duration(i)*time.Minute, "10.10.1.104", "203.0.113.80:443/tcp", weir.NoState, func(f *weir.Flow) {
					f.Direction, f.SrcPort = weir.Outbound, 40001
				})
			}
		})},
	)
}

// run shows a detector the flows and returns what it reports.
func run(t *testing.T, c Config, flows []weir.Flow) (found []weir.Finding, lost uint64) {
	t.Helper()
	h, err := c.New(detect.Sign(Detector, func(f weir.Finding) { found = append(found, f) }))
	if err != nil {
		t.Fatal(err)
	}
	for i := range flows {
		h.Flow(&flows[i])
		h.Tick(flows[i].End)
	}
	h.End(time.Time{})
	return found, h.Lost()
}

func config() Config { return Detector.Default.(Config) }

func call(at time.Duration, src, dst string, port uint16) weir.Flow {
	f := weir.Flow{
		Start: detecttest.Start.Add(at), Src: netip.MustParseAddr(src), Dst: netip.MustParseAddr(dst), SrcPort: uint16(30000 + at/time.Second%20000),
		DstPort: port, Proto: weir.TCP, Direction: weir.Outbound, PacketsUp: 5, PacketsDown: 5, BytesUp: 500, BytesDown: 900, FlagsUp: weir.SYN | weir.ACK,
	}
	f.End = f.Start
	return f
}

func clockwork(n int, period time.Duration, change func(*weir.Flow)) (flows []weir.Flow) {
	for i := range n {
		f := call(time.Duration(i)*period, "10.0.0.1", "203.0.113.1", 4444)
		if change != nil {
			change(&f)
		}
		flows = append(flows, f)
	}
	return flows
}

// TestEligible: what is no check-in leads to nothing, however regular.
func TestEligible(t *testing.T) {
	port := uint16(0)
	for _, tt := range []struct {
		name   string
		change func(*weir.Flow)
		want   bool
	}{
		{"a clock", nil, true},
		{"slices", func(f *weir.Flow) { f.Slice = 1 }, false},
		{"inbound", func(f *weir.Flow) { f.Direction = weir.Inbound }, false},
		{"multicast", func(f *weir.Flow) { f.Dst = netip.MustParseAddr("239.1.1.1") }, false},
		{"broadcast", func(f *weir.Flow) { f.Dst = netip.MustParseAddr("10.0.0.255") }, false},
		{"pings", func(f *weir.Flow) { f.Proto = weir.ICMPv4 }, false},
		{"one's own printer", func(f *weir.Flow) { f.Direction, f.DstPort = weir.Internal, 631 }, false},
		{"udp from one port", func(f *weir.Flow) { f.Proto, f.SrcPort = weir.UDP, 5000 }, false},
		{"udp from many ports", func(f *weir.Flow) { f.Proto = weir.UDP; port++; f.SrcPort = 5000 + port }, true},
		{"cut at its timeout, seen from the middle", func(f *weir.Flow) { f.SrcPort, f.FlagsUp = 5000, weir.ACK }, false},
		{"cut at its timeout, flags unknown", func(f *weir.Flow) { f.SrcPort, f.FlagsUp = 5000, 0 }, false},
		{"ports unknown", func(f *weir.Flow) { f.SrcPort, f.FlagsUp = 0, 0 }, true},
	} {
		c := config()
		c.MinScore = 0.2 // no context at all
		found, _ := run(t, c, clockwork(200, time.Minute, tt.change))
		if got := len(found) > 0; got != tt.want {
			t.Errorf("%s: found %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestOnce: one channel is told once, at the end with its full numbers, and
// again after a day of silence.
func TestOnce(t *testing.T) {
	if found, _ := run(t, config(), clockwork(50, time.Minute, nil)); len(found) != 1 {
		t.Errorf("%d findings of one channel, want 1", len(found))
	}
	flows := clockwork(1000, time.Minute, nil)
	found, _ := run(t, config(), flows)
	if len(found) != 2 || found[1].Checks[2].Value != 1000 {
		t.Errorf("%d findings of a channel that has grown, want 2, the second of 1000 check-ins: %v", len(found), found)
	}
	for _, f := range clockwork(100, time.Minute, nil) {
		f.Start, f.End = f.Start.Add(48*time.Hour), f.End.Add(48*time.Hour)
		flows = append(flows, f)
	}
	found, _ = run(t, config(), flows)
	if len(found) < 2 || found[1].First.Sub(found[0].First) < 24*time.Hour {
		t.Errorf("findings of a channel that comes back: %v, want one of each time", found)
	}
}

// TestWeek: a slow clock is found by the week, as a day has too few of its beats.
func TestWeek(t *testing.T) {
	found, _ := run(t, config(), clockwork(20, 7*time.Hour, nil))
	if len(found) == 0 {
		t.Fatal("a clock of 7 h is not found in 6 days")
	}
	f := found[len(found)-1]
	if got := f.Last.Sub(f.First); got <= dayWindow {
		t.Errorf("evidence of %v, want more than a day", got)
	}
}

// TestGap: what was seen before a gap in the traffic is judged all the same.
func TestGap(t *testing.T) {
	flows := append(clockwork(40, 20*time.Second, nil), call(30*24*time.Hour, "10.0.0.9", "203.0.113.9", 443))
	if found, _ := run(t, config(), flows); len(found) != 1 {
		t.Errorf("%d findings, want 1", len(found))
	}
}

func TestOrderOfFlows(t *testing.T) {
	flows := clockwork(50, time.Minute, nil)
	r := rand.New(rand.NewPCG(4, 4))
	for i := range flows { // a little late, as flows that lasted longer
		j := min(len(flows)-1, i+r.IntN(4))
		flows[i], flows[j] = flows[j], flows[i]
	}
	if found, _ := run(t, config(), flows); len(found) != 1 {
		t.Errorf("%d findings, want 1", len(found))
	}
}

// TestLimits: at each limit something is forgotten and counted, and a beacon
// that goes on is still found.
func TestLimits(t *testing.T) {
	flows := clockwork(1000, time.Minute, nil)
	for i := range 400 { // inventions
		for j := range 6 {
			flows = append(flows, call(time.Duration(i*7+j)*10*time.Second, "10.0.0.2", fmt.Sprintf("198.18.%d.%d", i/200, i%200), uint16(1000+j%(1+i%2*5))))
		}
	}
	for _, tt := range []struct {
		name   string
		change func(*Config)
		lost   uint64
	}{
		{"candidates", func(c *Config) { c.MaxCandidates = 10 }, 100},
		{"channels", func(c *Config) { c.MaxChannels = 10 }, 100},
		{"starts", func(c *Config) { c.MaxStarts = 300 }, 500},
		{"all starts", func(c *Config) { c.MaxStarts, c.MaxAllStarts = 350, 350 }, 500},
	} {
		c := config()
		tt.change(&c)
		found, lost := run(t, c, flows)
		if lost < tt.lost {
			t.Errorf("%s: %d lost, want %d or more", tt.name, lost, tt.lost)
		}
		if len(found) == 0 || found[0].Src != netip.MustParseAddr("10.0.0.1") {
			t.Errorf("%s: the beacon is not found: %v", tt.name, found)
		}
	}
}

func TestConfig(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"every: got 0s":                   func(c *Config) { c.Every = 0 },
		"min_score: got 2":                func(c *Config) { c.MinScore = 2 },
		"exporter_timeouts: got one of 0": func(c *Config) { c.ExporterTimeouts = []time.Duration{0} },
		"max_candidates: got 0":           func(c *Config) { c.MaxCandidates = 0 },
		"max_channels: got 0":             func(c *Config) { c.MaxChannels = 0 },
		"max_starts: got 10":              func(c *Config) { c.MaxStarts = 10 },
		"max_all_starts: got 1":           func(c *Config) { c.MaxAllStarts = 1 },
	} {
		c := config()
		change(&c)
		if _, err := c.New(nil); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("New: %v, want %q", err, want)
		}
	}
}

func TestWords(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{clock(22*time.Hour + 49*time.Minute), "22 h 49 min"}, {clock(50 * time.Hour), "2 days 2 h"}, {clock(90 * time.Second), "90 s"}, {clock(20 * time.Minute), "20 min"},
		{detect.Thousands(1371), "1,371"}, {detect.Thousands(999), "999"}, {detect.Thousands(1234567), "1,234,567"},
		{detect.Volume(838_900), "839 kB"}, {detect.Volume(1_617_000), "1.62 MB"}, {detect.Volume(0), "0 B"}, {detect.Volume(5e13), "50.0 TB"},
		{hostPort("2001:db8::1", 443), "[2001:db8::1]:443"}, {hostPort("a.example", 80), "a.example:80"}, {hostPort("10.0.0.1", 0), "10.0.0.1"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

// BenchmarkFlow: flows of known channels, as most are.
func BenchmarkFlow(b *testing.B) {
	h, err := config().New(func(weir.Finding) {})
	if err != nil {
		b.Fatal(err)
	}
	flows := make([]weir.Flow, 5000)
	for i := range flows {
		flows[i] = call(0, fmt.Sprintf("10.0.%d.%d", i%1000/250, i%250), fmt.Sprintf("203.0.113.%d", i%7), uint16(1000+i/1000))
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		f := &flows[i%len(flows)]
		f.Start = detecttest.Start.Add(time.Duration(i) * time.Millisecond)
		f.End = f.Start
		f.SrcPort = uint16(i)
		h.Flow(f)
		i++
	}
}

// TestSampled: up to 1 packet in 10 a beacon is found, without its sizes;
// beyond, and where the rate is not told, nothing is timed.
func TestSampled(t *testing.T) {
	for _, c := range []struct {
		sampling uint32
		unknown  bool
		found    bool
	}{{0, false, true}, {10, false, true}, {11, false, false}, {0, true, false}} {
		var found []weir.Finding
		h, err := Detector.Default.New(func(f weir.Finding) { found = append(found, f) })
		if err != nil {
			t.Fatal(err)
		}
		tr := &detecttest.Traffic{}
		implant(tr, "10.10.1.101", "203.0.113.77:443/tcp", time.Minute, 0.1, 0, 300, func(f *weir.Flow) {
			strange(f)
			f.Sampling, f.SamplingUnknown = c.sampling, c.unknown
		})
		for _, r := range tr.Records {
			h.Flow(r.(*weir.Flow))
		}
		h.End(time.Time{})
		if got := len(found) > 0; got != c.found {
			t.Errorf("sampled 1:%d (unknown: %v): found %v, want %v", c.sampling, c.unknown, got, c.found)
			continue
		}
		for _, f := range found {
			sizes := slices.ContainsFunc(f.Terms, func(t weir.Term) bool { return t.Name == "sizes" })
			blind := slices.ContainsFunc(f.CouldNotCheck, func(s string) bool { return strings.HasPrefix(s, "sizes: ") })
			if sampled := c.sampling > 1; sizes == sampled || blind != sampled {
				t.Errorf("sampled 1:%d: sizes scored %v, told as not checked %v", c.sampling, sizes, blind)
			}
		}
	}
}
