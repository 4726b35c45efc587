package dnstunnel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/detect"
	"github.com/weir-nta/weir/detect/detecttest"
)

// ask adds a question for a name below a registered domain.
func ask(tr *detecttest.Traffic, at time.Duration, src, sub, domain, qtype string, answers ...string) *weir.DNSTransaction {
	q := question(at, src, sub, domain, qtype, answers...)
	tr.Records = append(tr.Records, &q)
	return &q
}

func question(at time.Duration, src, sub, domain, qtype string, answers ...string) weir.DNSTransaction {
	return weir.DNSTransaction{
		Time: detecttest.Start.Add(at), Sensor: "test", Src: netip.MustParseAddr(src), Dst: netip.MustParseAddr("10.0.0.53"),
		SrcPort: 40000, DstPort: 53, Proto: weir.UDP, App: "dns", Query: strings.TrimPrefix(sub+"."+domain, "."), Domain: domain, Type: qtype, Class: "IN", Code: "NOERROR",
		Answers: answers, RecursionDesired: true, BytesUp: uint64(30 + len(sub)), BytesDown: 90,
	}
}

// code is n characters of data as base 32.
func code(r *rand.Rand, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 && i%60 == 0 {
			b.WriteByte('.')
		}
		b.WriteByte("abcdefghijklmnopqrstuvwxyz234567"[r.IntN(32)])
	}
	return b.String()
}

// office adds 30 hosts that look up and visit common names.
func office(tr *detecttest.Traffic, minutes int) {
	r := rand.New(rand.NewPCG(1, 1))
	for i := range minutes * 10 {
		src := fmt.Sprintf("10.10.1.%d", 100+r.IntN(30))
		n := r.IntN(40)
		domain, addr := fmt.Sprintf("site%d.example", n), fmt.Sprintf("198.51.100.%d", n)
		at := time.Duration(i) * 6 * time.Second
		ask(tr, at, src, []string{"www", "cdn", "api", "static-eu"}[r.IntN(4)], domain, "A", addr)
		tr.Conn(at+50*time.Millisecond, src, addr+":443/tcp", weir.StateSF, func(f *weir.Flow) {
			f.Direction, f.DstHost, f.DstDomain = weir.Outbound, "www."+domain, domain
		})
	}
}

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

func TestDetector(t *testing.T) {
	detecttest.Run(t, Detector,
		// What an exporter tells of a tunnel, of a host that only asks much, and of
		// a resolver with long questions of its own.
		detecttest.Case{Name: "exported", Traffic: func(tr *detecttest.Traffic) {
			export := func(at time.Duration, src, dst string, questions, octets uint64) {
				tr.Conn(at, src, dst+":53/udp", weir.StateSF, func(f *weir.Flow) {
					f.Exporters, f.App, f.AppGuessed = []string{"192.0.2.1"}, "dns", true
					f.PacketsUp, f.PacketsDown, f.BytesUp, f.BytesDown = questions, questions, questions*octets, questions*150
					f.Duration = time.Minute
					f.End = f.Start.Add(f.Duration)
				})
			}
			for i := range 10 {
				at := time.Duration(i) * time.Minute
				export(at, "10.10.1.17", "10.0.0.53", 60, 140)
				export(at, "10.10.1.18", "10.0.0.53", 60, 68)
				export(at, "10.10.1.19", "10.0.0.53", 5, 140)
				export(at, "10.0.0.53", "198.51.100.53", 600, 95)
			}
		}},
		// Both ways, fast, as iodine does.
		detecttest.Case{Name: "tunnel-null", Traffic: inOrder(func(tr *detecttest.Traffic) {
			office(tr, 20)
			r := rand.New(rand.NewPCG(2, 2))
			for i := range 600 {
				ask(tr, 5*time.Minute+time.Duration(i)*time.Second/2, "10.10.1.101", code(r, 110), "tunnel.example", "NULL", `\# 80 `+strings.Repeat("0a", 79)+fmt.Sprintf("%02x", i%256))
			}
		})},
		// One way, one name a minute with 40 characters, as for stolen cards.
		detecttest.Case{Name: "drip", Traffic: inOrder(func(tr *detecttest.Traffic) {
			office(tr, 120)
			r := rand.New(rand.NewPCG(3, 3))
			for i := range 120 {
				q := ask(tr, time.Duration(i)*time.Minute, "10.10.1.102", code(r, 40), "drip.example", "A")
				q.Code = "NXDOMAIN"
			}
		})},
		// Orders in TXT records of short names, as dnscat2 and implants.
		detecttest.Case{Name: "orders-in-txt", Traffic: inOrder(func(tr *detecttest.Traffic) {
			office(tr, 20)
			r := rand.New(rand.NewPCG(4, 4))
			for i := range 60 {
				ask(tr, time.Duration(i)*10*time.Second, "10.10.1.103", fmt.Sprintf("%06x", i*7919), "orders.example", "TXT", `"`+code(r, 180)+`"`)
			}
		})},
		// Shards and identifiers of a content network, contacted at once.
		detecttest.Case{Name: "content-network", Traffic: inOrder(func(tr *detecttest.Traffic) {
			office(tr, 20)
			for i := range 400 {
				at := time.Duration(i) * 3 * time.Second
				ask(tr, at, "10.10.1.104", fmt.Sprintf("shard%d.eu-west", i%20), "content.example", "A", fmt.Sprintf("203.0.113.%d", i%20))
				tr.Conn(at+time.Millisecond, "10.10.1.104", fmt.Sprintf("203.0.113.%d:443/tcp", i%20), weir.StateSF, func(f *weir.Flow) {
					f.Direction, f.DstDomain = weir.Outbound, "content.example"
				})
			}
		})},
		// A mail server that asks block lists about its visitors.
		detecttest.Case{Name: "block-list", Traffic: inOrder(func(tr *detecttest.Traffic) {
			office(tr, 20)
			r := rand.New(rand.NewPCG(5, 5))
			for i := range 150 {
				q := ask(tr, time.Duration(i)*6*time.Second, "10.10.1.105", fmt.Sprintf("%d.%d.%d.%d.zen", r.IntN(256), r.IntN(256), r.IntN(256), r.IntN(223)), "spamhaus.org", "A")
				q.Code = "NXDOMAIN"
			}
		})},
	)
}

func run(t *testing.T, c Config, questions []weir.DNSTransaction) (found []weir.Finding, lost uint64) {
	t.Helper()
	h, err := c.New(detect.Sign(Detector, func(f weir.Finding) { found = append(found, f) }))
	if err != nil {
		t.Fatal(err)
	}
	for i := range questions {
		h.DNS(&questions[i])
		h.Tick(questions[i].Time)
	}
	h.End(time.Time{})
	return found, h.Lost()
}

func config() Config { return Detector.Default.(Config) }

func tunnel(n int, change func(*weir.DNSTransaction)) (list []weir.DNSTransaction) {
	r := rand.New(rand.NewPCG(6, 6))
	for i := range n {
		q := question(time.Duration(i)*time.Second, "10.0.0.1", code(r, 60), "tunnel.example", "TXT", "x")
		if change != nil {
			change(&q)
		}
		list = append(list, q)
	}
	return list
}

// TestScored: what names are never scored, and what makes none of a tunnel.
func TestScored(t *testing.T) {
	for _, tt := range []struct {
		name   string
		n      int
		change func(*weir.DNSTransaction)
		want   bool
	}{
		{"a tunnel", 100, nil, true},
		{"seven names", 7, nil, false},
		{"no registered domain", 100, func(q *weir.DNSTransaction) { q.Domain = "" }, false},
		{"multicast", 100, func(q *weir.DNSTransaction) { q.App = "mdns" }, false},
		{"always the same name", 100, func(q *weir.DNSTransaction) { q.Query = "aaaa.tunnel.example" }, false},
		{"the domain itself", 100, func(q *weir.DNSTransaction) { q.Query = "tunnel.example" }, false},
		{"over tcp", 100, func(q *weir.DNSTransaction) { q.Proto = weir.TCP }, true},
		{"unanswered", 100, func(q *weir.DNSTransaction) { q.Code, q.Answers = "", nil }, true},
	} {
		found, _ := run(t, config(), tunnel(tt.n, tt.change))
		if got := len(found) > 0; got != tt.want {
			t.Errorf("%s: found %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestResolver: of a client and its resolver, the client is told; of a
// resolver alone, the resolver, from twice as much on.
func TestResolver(t *testing.T) {
	upstream := func(q weir.DNSTransaction) weir.DNSTransaction {
		q.Src, q.Dst, q.RecursionDesired, q.Authoritative = q.Dst, netip.MustParseAddr("203.0.113.53"), false, true
		return q
	}
	var both, alone []weir.DNSTransaction
	for _, q := range tunnel(300, nil) {
		both = append(both, upstream(q), q)
		alone = append(alone, upstream(q))
	}
	found, _ := run(t, config(), both)
	for _, f := range found {
		if f.Src != netip.MustParseAddr("10.0.0.1") {
			t.Errorf("told of %v, want the client alone", f.Src)
		}
	}
	if len(found) == 0 {
		t.Error("the client is not told")
	}
	found, _ = run(t, config(), alone)
	if len(found) == 0 || found[0].Src != netip.MustParseAddr("10.0.0.53") || found[0].Checks[0].Threshold != 2*config().Windows[0].Bytes {
		t.Errorf("of a resolver alone: %v, want it told with twice the threshold", found)
	}
}

// TestOnce: the same is not told again before a day has passed.
func TestOnce(t *testing.T) {
	day := tunnel(600, nil)
	found, _ := run(t, config(), day)
	seen := map[weir.Severity]int{}
	for _, f := range found {
		seen[f.Severity]++
	}
	if len(found) == 0 || len(found) > 4 {
		t.Errorf("%d findings of ten minutes, want a few: %v", len(found), seen)
	}
	next := tunnel(600, func(q *weir.DNSTransaction) { q.Time = q.Time.Add(30 * time.Hour) })
	again, _ := run(t, config(), append(day, next...))
	if len(again) <= len(found)-1 || again[len(again)-1].First.Sub(found[0].First) < 24*time.Hour {
		t.Errorf("of two days %d findings, of one %d", len(again), len(found))
	}
}

// TestLimits: at each limit something is forgotten and counted, and a tunnel
// that goes on is still found.
func TestLimits(t *testing.T) {
	var list []weir.DNSTransaction
	for i, q := range tunnel(500, nil) {
		list = append(list, q)
		for j := range 5 {
			list = append(list, question(time.Duration(i)*time.Second, "10.0.0.2", "www", fmt.Sprintf("invented%d.example", 5*i+j), "A", "198.51.100.1"))
		}
	}
	c := config()
	c.MaxCandidates, c.MaxKeys = 150, 2
	found, lost := run(t, c, list)
	if len(found) == 0 {
		t.Error("the tunnel is not found")
	}
	if lost < 2000 {
		t.Errorf("%d lost, want 2000 or more", lost)
	}
}

// TestSample: the sample knows the number of different things within four
// standard errors, whatever their order and repetition.
func TestSample(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 20_000).Draw(t, "n")
		salt := rapid.Uint32().Draw(t, "salt")
		var s sample[int]
		for i := range n + n/3 {
			h := hash(fmt.Sprint(salt, i%n))
			if item, wanted := s.find(h); item == nil && wanted {
				s.add(h, i)
			}
		}
		got := float64(len(s.items)) * s.weight()
		tolerance := 0.0
		if n > sampleSize {
			tolerance = 4.5 * float64(n) / math.Sqrt(sampleSize-2)
		}
		if math.Abs(got-float64(n)) > tolerance {
			t.Errorf("counts %.0f of %d", got, n)
		}
		if len(s.items) > sampleSize || len(s.items) != len(s.hashes) {
			t.Errorf("holds %d", len(s.items))
		}
	})
}

func TestSampleExpires(t *testing.T) {
	var s sample[int]
	for i := range 10_000 {
		h := hash(fmt.Sprint(i))
		if item, wanted := s.find(h); item == nil && wanted {
			s.add(h, i)
		}
	}
	s.expire(func(*int) bool { return true })
	if len(s.items) != 0 || s.weight() != 1 {
		t.Errorf("after all has expired: %d items of weight %v, want none of 1", len(s.items), s.weight())
	}
}

func TestOctets(t *testing.T) {
	for text, want := range map[string]int{"": 0, "abc": 3, `a\.b`: 3, `\000\255x`: 3, `\`: 1, `\1`: 1, `\12`: 2} {
		if got := octetCount(text); got != want {
			t.Errorf("octetCount(%q) = %d, want %d", text, got, want)
		}
	}
	for text, want := range map[string]int{`"abc"`: 3, `\# 4 0a000001`: 4, `\# 0`: 0, `\# 4`: 0} {
		if got := payloadSize(text); got != want {
			t.Errorf("payloadSize(%q) = %d, want %d", text, got, want)
		}
	}
}

func TestInformation(t *testing.T) {
	var s state
	for i := range 32 { // 32 names of 4 characters, each character of 16 as frequent: 4 bits
		var sub []byte
		for j := range 4 {
			sub = append(sub, "0123456789abcdef"[(i*4+j)%16])
		}
		s.addName(fmt.Sprintf("%s.%d", sub, i), 0)
	}
	m := s.measure(Window{Over: time.Hour, Bytes: 1000})
	if m.names != 32 || m.once != 1 || m.up <= 0 || m.up > 32*6*5/8 {
		t.Errorf("32 names: %+v", m)
	}
	var counts [256]int
	for i := range 16 {
		counts[i] = 3
	}
	if got := entropy(&counts, 48); math.Abs(got-4) > 1e-12 {
		t.Errorf("entropy of 16 characters = %v, want 4", got)
	}
}

func TestConfig(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"every: got 0s":                    func(c *Config) { c.Every = 0 },
		"min_score: got -1":                func(c *Config) { c.MinScore = -1 },
		"windows: got none":                func(c *Config) { c.Windows = nil },
		"windows: got one of 0":            func(c *Config) { c.Windows = []Window{{time.Hour, 0}} },
		"windows: the longest is not last": func(c *Config) { c.Windows = []Window{{2 * time.Hour, 1}, {time.Hour, 1}} },
		"allow_bytes: got -1":              func(c *Config) { c.AllowBytes = -1 },
		"max_keys: got 0":                  func(c *Config) { c.MaxKeys = 0 },
		"max_candidates: got 0":            func(c *Config) { c.MaxCandidates = 0 },
	} {
		c := config()
		change(&c)
		if _, err := c.New(nil); err == nil || !strings.HasPrefix(strings.Replace(err.Error(), "the last", "last", 1), want) {
			t.Errorf("New: %v, want %q", err, want)
		}
	}
}

// FuzzQuestion: no names or answers make it panic, and no number is not one.
func FuzzQuestion(f *testing.F) {
	f.Add(`\000\255abc`, "TXT", `\# 3 aabbcc`)
	f.Add(`.`, "TYPE65399", `\`)
	f.Fuzz(func(t *testing.T, sub, qtype, answer string) {
		c := config()
		c.MinScore = 0
		var list []weir.DNSTransaction
		for i := range 30 {
			list = append(list, question(time.Duration(i)*time.Second, "10.0.0.1", fmt.Sprint(sub, i), "t.example", qtype, answer, fmt.Sprint(i, answer)))
		}
		found, _ := run(t, c, list)
		for _, f := range found {
			for _, c := range f.Checks {
				if math.IsNaN(c.Value) || math.IsInf(c.Value, 0) {
					t.Errorf("check %s = %v", c.ID, c.Value)
				}
			}
			if math.IsNaN(f.Score) {
				t.Error("the score is no number")
			}
		}
	})
}

func BenchmarkDNS(b *testing.B) {
	for _, tt := range []struct {
		name string
		make func(i int) weir.DNSTransaction
	}{
		{"common", func(i int) weir.DNSTransaction {
			return question(0, fmt.Sprintf("10.0.%d.%d", i%1000/250, i%250), "www", fmt.Sprintf("site%d.example", i/1000), "A", "198.51.100.1")
		}},
		{"tunnel", func(i int) weir.DNSTransaction {
			return question(0, "10.0.0.1", fmt.Sprintf("%032x", hash(fmt.Sprint(i))), "tunnel.example", "TXT", fmt.Sprintf("%032x", i))
		}},
	} {
		b.Run(tt.name, func(b *testing.B) {
			h, err := config().New(func(weir.Finding) {})
			if err != nil {
				b.Fatal(err)
			}
			list := make([]weir.DNSTransaction, 5000)
			for i := range list {
				list[i] = tt.make(i)
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				q := &list[i%len(list)]
				q.Time = detecttest.Start.Add(time.Duration(i) * time.Millisecond)
				h.DNS(q)
				i++
			}
		})
	}
}
