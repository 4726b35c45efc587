package detect

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-nta/weir"
)

func TestLRU(t *testing.T) {
	l := NewLRU[string, int](2, time.Hour)
	touch := func(k string, after time.Duration) *int {
		v, _ := l.Touch(k, start.Add(after))
		return v
	}
	*touch("a", 0) = 1
	*touch("b", time.Minute) = 2
	*touch("a", 2*time.Minute) += 10
	touch("c", 3*time.Minute) // b is the oldest
	if l.Get("b", start) != nil || *l.Get("a", start) != 11 || l.Evicted() != 1 || l.Len() != 2 {
		t.Errorf("b %v, a %v, evicted %d, %d keys; want none, 11, 1, 2", l.Get("b", start), l.Get("a", start), l.Evicted(), l.Len())
	}
	if v, isNew := l.Touch("b", start.Add(4*time.Minute)); !isNew || *v != 0 {
		t.Errorf("b is %d, new %v after it was evicted; want 0, true", *v, isNew)
	}
	if l.Get("b", start.Add(64*time.Minute)) != nil {
		t.Error("b is still known an hour after it was touched")
	}
	touch("d", 3*time.Hour)
	if l.Len() != 1 || l.Evicted() != 2 { // a went for b; the others expired
		t.Errorf("%d keys, %d evicted; want 1, 2", l.Len(), l.Evicted())
	}
	l.Delete("d")
	var order []string
	for i, k := range []string{"x", "y", "x"} {
		touch(k, 4*time.Hour+time.Duration(i))
	}
	for k := range l.All {
		order = append(order, k)
		l.Delete(k)
	}
	if !slices.Equal(order, []string{"y", "x"}) || l.Len() != 0 {
		t.Errorf("All gave %v and left %d, want y before x and none", order, l.Len())
	}
}

func TestLRUDoesNotAllocateAtItsLimit(t *testing.T) {
	l := NewLRU[int, [4]int](100, time.Hour)
	i := 0
	if n := testing.AllocsPerRun(10_000, func() { i++; l.Touch(i, start) }); n != 0 {
		t.Errorf("%v allocations per new key, want 0", n)
	}
}

// TestLRUIsLikeItsTwin compares with a list that is searched from end to end.
func TestLRUIsLikeItsTwin(t *testing.T) {
	type pair struct {
		key, value int
		touched    time.Time
	}
	r := rand.New(rand.NewPCG(1, 2))
	for limit := 1; limit < 40; limit += 3 {
		l := NewLRU[int, int](limit, time.Hour)
		var slow []pair // the one touched longest ago first
		evicted := uint64(0)
		at := start
		for range 2000 {
			at = at.Add(time.Duration(r.IntN(300)-20) * time.Second) // sometimes backwards
			k := r.IntN(60)
			i := slices.IndexFunc(slow, func(p pair) bool { return p.key == k })
			known := i >= 0 && at.Sub(slow[i].touched) < time.Hour
			if got := l.Get(k, at); (got != nil) != known || known && *got != slow[i].value {
				t.Fatalf("limit %d: Get(%d) = %v, want known %v", limit, k, got, known)
			}
			var v *int
			switch r.IntN(10) {
			case 0:
				l.Delete(k)
				slow = slices.DeleteFunc(slow, func(p pair) bool { return p.key == k })
				continue
			case 1, 2:
				if v = l.TouchKnown(k, at); (v != nil) != known {
					t.Fatalf("limit %d: TouchKnown(%d) = %v, want known %v", limit, k, v, known)
				}
				if !known {
					continue
				}
			default:
				v, _ = l.Touch(k, at)
			}
			for len(slow) > 0 && at.Sub(slow[0].touched) >= time.Hour {
				slow = slow[1:]
			}
			p := pair{k, 0, at}
			if i := slices.IndexFunc(slow, func(p pair) bool { return p.key == k }); i >= 0 {
				p = slow[i]
				if at.After(p.touched) {
					p.touched = at
				}
				slow = slices.Delete(slow, i, i+1)
			} else if len(slow) == limit {
				slow = slow[1:]
				evicted++
			}
			*v++
			p.value++
			slow = append(slow, p)
			var order, want []int
			for k := range l.All {
				order = append(order, k)
			}
			for _, p := range slow {
				want = append(want, p.key)
			}
			if !slices.Equal(order, want) || l.Len() != len(slow) || l.Evicted() != evicted {
				t.Fatalf("limit %d: %v, %d evicted; want %v, %d", limit, order, l.Evicted(), want, evicted)
			}
		}
	}
}

// BenchmarkLRU touches pairs of addresses, some of which are new.
func BenchmarkLRU(b *testing.B) {
	for _, size := range []int{1000, 100_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			l := NewLRU[hosts, string](size, time.Hour)
			r := rand.New(rand.NewPCG(1, 2))
			keys := make([]hosts, size+size/10)
			for i := range keys {
				keys[i] = hosts{hostN(i % 100), hostN(r.IntN(1 << 24))}
			}
			b.ReportAllocs()
			for b.Loop() {
				l.Touch(keys[r.IntN(len(keys))], start)
			}
		})
	}
}

// BenchmarkDistinct adds ports of hosts, most of which are known.
func BenchmarkDistinct(b *testing.B) {
	d := NewDistinct[hosts, uint16](5*time.Minute, 5, 1<<20)
	r := rand.New(rand.NewPCG(1, 2))
	at := start
	b.ReportAllocs()
	for b.Loop() {
		at = at.Add(time.Millisecond)
		d.Add(hosts{hostN(r.IntN(10)), hostN(r.IntN(1000))}, uint16(r.IntN(100)), at)
	}
}

// slowDistinct is the obvious twin of Distinct: it remembers every value and
// when it was added last.
type slowDistinct struct {
	pane   time.Duration
	panes  int64
	newest int64
	last   map[[2]int]int64
}

func (d *slowDistinct) add(k, v int, t time.Time) int {
	at := t.UnixNano() / int64(d.pane)
	d.newest = max(d.newest, at)
	if at >= d.newest-d.panes {
		d.last[[2]int{k, v}] = max(at, d.last[[2]int{k, v}])
	}
	n := 0
	for e, at := range d.last {
		if e[0] == k && at >= d.newest-d.panes {
			n++
		}
	}
	return n
}

func TestDistinctIsLikeItsTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		d := NewDistinct[int, int](5*time.Minute, 5, 1000)
		slow := slowDistinct{pane: time.Minute, panes: 5, last: map[[2]int]int64{}}
		at := start
		for range 500 {
			at = at.Add(time.Duration(r.IntN(60)-10) * time.Second) // sometimes backwards
			k, v := r.IntN(3), r.IntN(20)
			got := d.Add(k, v, at).N
			if want := slow.add(k, v, at); got != want || d.Count(k).N != want {
				t.Fatalf("Add(%d, %d, %v) = %d, want %d", k, v, at.Sub(start), got, want)
			}
		}
	}
}

func TestDistinctFirst(t *testing.T) {
	d := NewDistinct[string, int](5*time.Minute, 5, 1000)
	d.Add("a", 1, start.Add(30*time.Second))
	d.Add("a", 2, start.Add(40*time.Second))
	if got := d.Count("a").First(); !got.Equal(start.Add(30 * time.Second)) {
		t.Errorf("First = %v, want the first time", got)
	}
	d.Add("a", 2, start.Add(3*time.Minute))
	d.Add("a", 3, start.Add(6*time.Minute))
	if got := d.Count("a"); !got.First().Equal(start.Add(time.Minute)) || got.N != 2 {
		t.Errorf("First = %v of %d values, want the begin of the window and 2", got.First(), got.N)
	}
	if !d.Count("b").First().IsZero() {
		t.Error("First of no key is a time")
	}
}

func TestDistinctAtItsLimit(t *testing.T) {
	d := NewDistinct[string, int](5*time.Minute, 5, 10)
	for i := range 8 {
		d.Add("old", i, start)
	}
	for i := range 12 {
		d.Add("new", i, start.Add(2*time.Minute))
	}
	// The pane of old goes for the ninth to tenth value, then two are refused.
	if d.Count("old").N != 0 || d.Count("new").N != 10 || d.Lost() != 10 || d.Keys() != 1 {
		t.Errorf("old %d, new %d, lost %d, %d keys; want 0, 10, 10, 1", d.Count("old").N, d.Count("new").N, d.Lost(), d.Keys())
	}
}

// TestDistinctForgetsTheKeyItAdds checks a key whose old values make room for
// its new one.
func TestDistinctForgetsTheKeyItAdds(t *testing.T) {
	d := NewDistinct[string, int](5*time.Minute, 5, 3)
	for i := range 3 {
		d.Add("a", i, start)
	}
	for i := range 2 {
		if got := d.Add("a", 10+i, start.Add(time.Minute)); got.N != 1+i || !got.Added || d.Count("a").N != 1+i {
			t.Errorf("value %d: count %d, added %v, then %d; want %d, true", i, got.N, got.Added, d.Count("a").N, 1+i)
		}
	}
}

func TestDistinctDoesNotAllocate(t *testing.T) {
	d := NewDistinct[netip.Addr, uint16](5*time.Minute, 5, 1<<20)
	k := addr("10.0.0.1")
	d.Add(k, 1, start)
	if n := testing.AllocsPerRun(1000, func() { d.Add(k, 1, start) }); n != 0 {
		t.Errorf("%v allocations per known value, want 0", n)
	}
}

func hostN(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
}

func TestHostSet(t *testing.T) {
	for _, c := range []struct {
		hosts     int
		exact     bool
		tolerance float64 // three standard errors, and half that where linear counting helps
	}{{0, true, 0}, {1, true, 0}, {16, true, 0}, {17, false, 0.1}, {100, false, 0.15}, {1000, false, 0.2}, {50_000, false, 0.2}} {
		var s HostSet
		for range 2 {
			for i := range c.hosts {
				s.Add(hostN(i), start)
			}
		}
		n, exact := s.Count(start)
		if exact != c.exact || math.Abs(float64(n-c.hosts)) > c.tolerance*float64(c.hosts) {
			t.Errorf("%d hosts count as %d, exact %v; want %v", c.hosts, n, exact, c.exact)
		}
	}
}

func TestHostSetForgets(t *testing.T) {
	const day = 24 * time.Hour
	for _, hosts := range []int{10, 100} {
		var s HostSet
		for i := range hosts {
			s.Add(hostN(i), start)
		}
		s.Add(hostN(1e6), start.Add(5*day))
		full, _ := s.Count(start.Add(6 * day))
		later, _ := s.Count(start.Add(7 * day))
		gone, _ := s.Count(start.Add(12 * day))
		if full < hosts*9/10 || later != 1 || gone != 0 {
			t.Errorf("%d hosts: %d after 6 days, %d after 7, %d after 12; want about all, 1, 0", hosts, full, later, gone)
		}
	}
}

func TestPrevalence(t *testing.T) {
	p := NewPrevalence(2)
	p.Add("a", hostN(1), start)
	p.Add("a", hostN(2), start)
	p.Add("b", hostN(1), start)
	p.Add("c", hostN(1), start)
	if a, b := p.Hosts("a", start), p.Hosts("b", start); a != 0 || b != 1 || p.Evicted() != 1 {
		t.Errorf("a %d, b %d, evicted %d; want 0 (forgotten), 1, 1", a, b, p.Evicted())
	}
}

func TestAskers(t *testing.T) {
	a := NewAskers(10)
	a.DNS(&weir.DNSTransaction{Time: start, Src: hostN(1), Query: "www.example.net"})
	for _, c := range []struct {
		host  netip.Addr
		after time.Duration
		want  bool
	}{
		{hostN(1), 0, true},
		{hostN(1), 24*time.Hour - 1, true},
		{hostN(1), 24 * time.Hour, false},
		{hostN(2), 0, false},
	} {
		if got := a.Has(c.host, start.Add(c.after)); got != c.want {
			t.Errorf("Has(%v, +%v) = %v, want %v", c.host, c.after, got, c.want)
		}
	}
	for i := range 20 {
		a.DNS(&weir.DNSTransaction{Time: start, Src: hostN(100 + i)})
	}
	if a.Has(hostN(1), start) || a.Evicted() != 11 {
		t.Errorf("after 20 more: oldest known %v, %d evicted; want it forgotten, 11 of 21", a.Has(hostN(1), start), a.Evicted())
	}
}

func TestService(t *testing.T) {
	for _, c := range []struct {
		f    weir.Flow
		want string
	}{
		{weir.Flow{Dst: addr("203.0.113.9"), DstPort: 443, Proto: weir.TCP}, "203.0.113.9:443/tcp"},
		{weir.Flow{Dst: addr("2001:db8::9"), DstPort: 53, Proto: weir.UDP}, "[2001:db8::9]:53/udp"},
		{weir.Flow{Dst: addr("203.0.113.9"), Proto: weir.ICMPv4}, "203.0.113.9/icmp"},
		{weir.Flow{Dst: addr("203.0.113.9"), DstPort: 443, Proto: weir.TCP, DstHost: "a.example"}, "a.example:443"},
		{weir.Flow{DstPort: 443, DstHost: "a.example", TLS: &weir.TLS{SNI: "b.example"}}, "b.example:443"},
		{weir.Flow{DstPort: 80, DstHost: "a.example", HTTP: &weir.HTTP{Host: "c.example"}}, "c.example:80"},
		{weir.Flow{Dst: addr("203.0.113.9"), DstPort: 80, Proto: weir.TCP, HTTP: &weir.HTTP{Host: "203.0.113.9"}}, "203.0.113.9:80/tcp"},
	} {
		if got := ServiceOf(&c.f).String(); got != c.want {
			t.Errorf("ServiceOf(%+v) = %q, want %q", c.f, got, c.want)
		}
	}
}

func TestIsBenignPeriodic(t *testing.T) {
	for _, c := range []struct {
		svc      string
		interval time.Duration
		bytes    float64
		want     string
	}{
		{"203.0.113.9:123/udp", 64 * time.Second, 180, "ntp"},
		{"[2001:db8::1]:123/udp", 64 * time.Second, 180, "ntp"},
		{"203.0.113.9:123/udp", 64 * time.Second, 4000, ""}, // too large for a clock
		{"203.0.113.9:123/udp", 3 * time.Second, 180, ""},   // too often
		{"203.0.113.9:1234/udp", 64 * time.Second, 180, ""}, // another port
		{"x.windowsupdate.com:443", time.Minute, 5_000, ""}, // an implant behind the name of an updater
		{"x.windowsupdate.com:443", time.Hour, 5_000, "update"},
		{"windowsupdate.com:80", time.Hour, 5_000, "update"},
		{"evilwindowsupdate.com:443", time.Hour, 5_000, ""},
		{"x.windowsupdate.com.evil.example:443", time.Hour, 5_000, ""},
		{"x.windowsupdate.com:443", 0, 5_000, ""},
		{"x.windowsupdate.com:443", time.Hour, 0, ""},
	} {
		e, ok := IsBenignPeriodic(c.svc, c.interval, c.bytes)
		if e.Class != c.want || ok != (c.want != "") {
			t.Errorf("IsBenignPeriodic(%q, %v, %g) = %q, %v; want %q", c.svc, c.interval, c.bytes, e.Class, ok, c.want)
		}
	}
}

func TestBenignList(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range BenignPeriodic() {
		if seen[e.Match] {
			t.Errorf("%s is listed twice", e.Match)
		}
		seen[e.Match] = true
		if e.Max < 2*e.Min || strings.ToLower(e.Match) != e.Match || !strings.ContainsAny(e.Match, "./") {
			t.Errorf("entry %+v is odd", e)
		}
	}
	if len(seen) < 70 || !strings.Contains(benignText, "version "+BenignVersion) {
		t.Errorf("%d entries, version %s in the file: %v", len(seen), BenignVersion, strings.Contains(benignText, BenignVersion))
	}
	for _, bad := range []string{"a b", "a b.c 1m 2m x", "a b.c 2m 1m 5", "a b.c 1x 2m 5", "a b.c 1m 2m 0"} {
		if _, err := parseBenign(bad); err == nil || !strings.HasPrefix(err.Error(), "benign.tsv:1: ") {
			t.Errorf("parseBenign(%q): %v, want an error with its line", bad, err)
		}
	}
}

// contextOf returns a context in which n hosts use www.example.net, at the
// given age, and host 1 alone uses 203.0.113.9:4444.
func contextOf(n int, age time.Duration) *Context {
	c := NewContext(Limits{Services: 100, Askers: 100})
	for i := range n {
		f := weir.Flow{Start: start, End: start, Src: hostN(i), DstHost: "www.example.net", DstPort: 443, Proto: weir.TCP, Direction: weir.Outbound}
		c.Flow(&f)
	}
	c.DNS(&weir.DNSTransaction{Time: start.Add(age), Src: hostN(1)})
	f := weir.Flow{Start: start.Add(age), End: start.Add(age), Src: hostN(1), Dst: addr("203.0.113.9"), DstPort: 4444, Proto: weir.TCP, App: "tls",
		Direction: weir.Outbound, TLS: &weir.TLS{Subject: "CN=localhost", Issuer: "CN=localhost", JA4: "j"}, BytesDown: 100_000}
	c.Flow(&f)
	return c
}

func TestContext(t *testing.T) {
	odd := Service{Addr: addr("203.0.113.9"), Port: 4444, Proto: weir.TCP}
	www := Service{Name: "www.example.net", Port: 443}
	for _, c := range []struct {
		name  string
		ctx   *Context
		svc   Service
		p     Pattern
		terms string
	}{
		{"two hosts", contextOf(2, 0), odd, Pattern{}, "no name 0.7, self-signed 0.7, port 0.5"},
		{"small network", contextOf(20, 0), odd, Pattern{}, "prevalence 0.6, rare client 0.5, no name 0.7, self-signed 0.7, port 0.5"},
		{"everything", contextOf(100, 0), odd, Pattern{}, "prevalence 1.2, rare client 1, no name 0.7, self-signed 0.7, port 0.5, context limit -0.1"},
		{"bulk", contextOf(100, 0), odd, Pattern{Timing: true}, "prevalence 1.2, rare client 1, no name 0.7, self-signed 0.7, port 0.5, bulk -1.5"},
		{"common", contextOf(100, 0), www, Pattern{}, "prevalence -2.5"},
		{"unknown", contextOf(100, 0), Service{Name: "no.example", Port: 1}, Pattern{}, ""},
		{"allow-listed", contextOf(100, 0), Service{Addr: addr("203.0.113.9"), Port: 123, Proto: weir.UDP}, Pattern{Interval: time.Minute, Bytes: 180}, "allow-list -3"},
		{"new", contextOf(20, 15*24*time.Hour), odd, Pattern{}, "age 1, no name 0.7, self-signed 0.7, port 0.5"},
		{"old", contextOf(20, 61*24*time.Hour), www, Pattern{}, "age -1"},
	} {
		var s Score
		against, cannot := c.ctx.Score(&s, hostN(1), c.svc, c.p)
		var terms []string
		negative := 0
		for _, x := range s.Terms {
			terms = append(terms, fmt.Sprintf("%s %.2g", x.Name, x.Value))
			if x.Value < 0 && x.Name != "context limit" {
				negative++
			}
		}
		if got := strings.Join(terms, ", "); got != c.terms {
			t.Errorf("%s: terms %s\nwant %s", c.name, got, c.terms)
		}
		if len(against) != negative || len(cannot) < 3 {
			t.Errorf("%s: against %q, could not check %q; want %d and 3 or more", c.name, against, cannot, negative)
		}
	}
}

func TestContextWithoutDNS(t *testing.T) {
	c := NewContext(DefaultLimits)
	f := weir.Flow{Start: start, End: start, Src: hostN(1), Dst: addr("203.0.113.9"), DstPort: 4444, Proto: weir.TCP, Direction: weir.Outbound}
	c.Flow(&f)
	var s Score
	_, cannot := c.Score(&s, hostN(1), ServiceOf(&f), Pattern{})
	if len(s.Terms) != 0 || !slices.ContainsFunc(cannot, func(s string) bool { return strings.HasPrefix(s, "name: no DNS") }) {
		t.Errorf("terms %v, could not check %q; want no term for the missing name", s.Terms, cannot)
	}
	c.DNS(&weir.DNSTransaction{Time: start, Src: hostN(1), Query: "x.example"})
	c.Score(&s, hostN(1), ServiceOf(&f), Pattern{})
	if len(s.Terms) != 1 || s.Terms[0].Name != "no name" {
		t.Errorf("terms %v once DNS of the host is seen, want the missing name alone", s.Terms)
	}
}

// TestContextOfExports expects to be told that an exporter tells no handshakes.
func TestContextOfExports(t *testing.T) {
	c := NewContext(DefaultLimits)
	f := weir.Flow{Src: addr("10.0.0.1"), Dst: addr("203.0.113.7"), DstPort: 443, Proto: weir.TCP, Direction: weir.Outbound, Exporters: []string{"192.0.2.1"}}
	svc := c.Flow(&f)
	_, blind := c.Score(&Score{}, f.Src, svc, Pattern{})
	told := func(what string) bool {
		return slices.ContainsFunc(blind, func(s string) bool { return strings.HasPrefix(s, what) && strings.Contains(s, "exporter") })
	}
	if !told("name: ") || !told("certificate and client fingerprint: ") {
		t.Errorf("could not check %q, want name and certificate with the exporter as the reason", blind)
	}
	f.TLS = &weir.TLS{JA4: "t13d1516h2_8daaf6152771_02713d6af862"}
	c.Flow(&f)
	if _, blind = c.Score(&Score{}, f.Src, svc, Pattern{}); told("name: ") || told("certificate") {
		t.Errorf("could not check %q, want nothing for the sake of an exporter that tells handshakes", blind)
	}
}

func TestContextDoesNotAllocate(t *testing.T) {
	c := NewContext(DefaultLimits)
	f := weir.Flow{Start: start, End: start, Src: hostN(1), Dst: addr("203.0.113.9"), DstPort: 443, Proto: weir.TCP, Direction: weir.Outbound,
		TLS: &weir.TLS{SNI: "www.example.net", JA4: "j"}}
	c.Flow(&f)
	if n := testing.AllocsPerRun(1000, func() { c.Flow(&f) }); n != 0 {
		t.Errorf("%v allocations per flow to a known service, want 0", n)
	}
	d := weir.DNSTransaction{Time: start, Src: hostN(1), Query: "www.example.net", Answers: []string{"203.0.113.9"}}
	c.DNS(&d)
	if n := testing.AllocsPerRun(1000, func() { c.DNS(&d) }); n != 0 {
		t.Errorf("%v allocations per question of a known host, want 0", n)
	}
}
