// Package dnstunnel finds hosts that move data in DNS names: it counts the
// bytes of information that a host tells, and is told, by the names below one
// domain.
package dnstunnel

import (
	_ "embed"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/detect"
)

//go:embed README.md
var readme string

var Detector = &detect.Detector{
	Name: "dnstunnel", Doc: readme, Behaviour: "dns_tunnel", Severity: weir.High,
	Techniques: []string{"T1071.004", "T1572", "T1048.003"},
	Default: Config{
		Every: time.Minute, MinScore: detect.ScoreLow,
		Windows: []Window{{10 * time.Minute, 400}, {time.Hour, 1000}, {24 * time.Hour, 2500}},
		Allow: []string{
			"avqs.mcafee.com", "avts.mcafee.com", "sophosxl.net", "e5.sk", "cymru.com", "spamhaus.org", "spamhaus.net", "spamcop.net",
			"barracudacentral.org", "surbl.org", "uribl.com", "sorbs.net", "dnswl.org", "mailspike.net", "senderscore.com",
		},
		AllowBytes: 50_000, MaxKeys: 50_000, MaxCandidates: 500_000,
	},
	Needs: needs, Limits: limits, Bears: bears,
}

// Config is what an operator may change.
type Config struct {
	Every         time.Duration `yaml:"every"`          // how often domains are judged, by the clock of the traffic
	MinScore      float64       `yaml:"min_score"`      // below this nothing is reported
	Windows       []Window      `yaml:"windows"`        // stretches in which information is counted, the longest last
	Allow         []string      `yaml:"allow"`          // names below which reputation is asked for, as mail servers and virus scanners do
	AllowBytes    float64       `yaml:"allow_bytes"`    // information for which allow excuses a host in the longest window
	MaxKeys       int           `yaml:"max_keys"`       // pairs of host and domain with 16 names and more, up to 10 kB each
	MaxCandidates int           `yaml:"max_candidates"` // pairs with fewer names
}

// A Window is a stretch of time and the information, in bytes, at which it is
// even whether there is a tunnel.
type Window struct {
	Over  time.Duration `yaml:"over"`
	Bytes float64       `yaml:"bytes"`
}

func (c Config) check() error {
	for _, e := range []error{
		detect.Check(c.Every > 0, "every: got %v, want more than 0", c.Every),
		detect.Check(c.MinScore >= 0 && c.MinScore <= 1, "min_score: got %v, want 0 to 1", c.MinScore),
		detect.Check(len(c.Windows) > 0, "windows: got none, want one or more"),
		detect.Check(!slices.ContainsFunc(c.Windows, func(w Window) bool { return w.Over <= 0 || w.Bytes <= 0 }), "windows: got one of 0 or less"),
		detect.Check(slices.IsSortedFunc(c.Windows, func(a, b Window) int { return int(a.Over - b.Over) }), "windows: the longest is not the last"),
		detect.Check(c.AllowBytes >= 0, "allow_bytes: got %v, want 0 or more", c.AllowBytes),
		detect.Check(c.MaxKeys >= 1, "max_keys: got %d, want 1 or more", c.MaxKeys),
		detect.Check(c.MaxCandidates >= 1, "max_candidates: got %d, want 1 or more", c.MaxCandidates),
	} {
		if e != nil {
			return e
		}
	}
	return nil
}

const (
	promoteAt = 16  // names from which a pair is no candidate any more
	leastSeen = 8   // names below which nothing is judged
	leastInfo = 200 // bytes of information below which nothing is judged: 192 are the most that a crawler's ten minutes showed
	resolvers = 100_000
	toldNames = 10_000
)

// New implements [detect.Config].
func (c Config) New(report func(weir.Finding)) (detect.Handlers, error) {
	if err := c.check(); err != nil {
		return detect.Handlers{}, err
	}
	longest := c.Windows[len(c.Windows)-1].Over
	d := &detector{
		Config: c, report: report, longest: longest, context: detect.NewContext(detect.DefaultLimits),
		candidates: detect.NewLRU[key, state](c.MaxCandidates, longest),
		keys:       detect.NewLRU[key, state](c.MaxKeys, longest),
		asked:      detect.NewLRU[netip.Addr, struct{}](resolvers, longest),
		told:       detect.NewLRU[string, struct{}](toldNames, longest),
		volumes:    detect.NewLRU[pair, volume](mostPairs, 2*volumeOver),
		servers:    detect.NewLRU[netip.Addr, struct{}](resolvers, longest),
		askers:     detect.NewAskers(resolvers),
	}
	d.peaks = detect.NewPeaks(mostPairs, volumeOver/volumePanes, d.byLength)
	return detect.Handlers{
		DNS: d.dns, Flow: d.flow,
		Tick: func(now time.Time) {
			d.advance(now)
			d.peaks.Tick(now)
		},
		End:  func(time.Time) { d.end() },
		Lost: d.lost,
	}, nil
}

// A detector is one run.
type detector struct {
	Config
	report  func(weir.Finding)
	longest time.Duration
	context *detect.Context

	// candidates have few names. Whoever invents domains drives out other
	// candidates, but no pair that has been promoted.
	candidates *detect.LRU[key, state]
	keys       *detect.LRU[key, state]
	asked      *detect.LRU[netip.Addr, struct{}] // hosts that answered others: resolvers, or domain servers
	told       *detect.LRU[string, struct{}]     // domains reported for a host that is no resolver

	touched []key
	due     time.Time
	volumes *detect.LRU[pair, volume]         // of conversations that exporters tell
	servers *detect.LRU[netip.Addr, struct{}] // hosts that answered on port 53, by the same
	askers  *detect.Askers                    // hosts whose questions are seen
	peaks   *detect.Peaks[pair, lengths]

	flows  bool      // contacts can be seen
	asFlow weir.Flow // of the query at hand, for the context
}

func (d *detector) lost() uint64 {
	return d.candidates.Evicted() + d.keys.Evicted() + d.asked.Evicted() + d.told.Evicted() + d.context.Evicted() +
		d.volumes.Evicted() + d.servers.Evicted() + d.askers.Evicted() + d.peaks.Evicted()
}

// A key is a host and the registered domain that it asks for.
type key struct {
	client netip.Addr
	domain string
}

func (d *detector) dns(q *weir.DNSTransaction) {
	d.advance(q.Time)
	d.askers.DNS(q)
	if q.App != "dns" || q.Domain == "" || !q.Src.IsValid() {
		return // names of neighbours, reverse names and the like tell nobody outside anything
	}
	d.learn(q)
	sub := subdomain(q.Query, q.Domain)
	k := key{q.Src, q.Domain}
	if s := d.keys.TouchKnown(k, q.Time); s != nil {
		d.count(k, s, q, sub)
		return
	}
	s, _ := d.candidates.Touch(k, q.Time)
	d.count(k, s, q, sub)
	if len(s.names.items) < promoteAt {
		return
	}
	promoted, _ := d.keys.Touch(k, q.Time)
	*promoted = *s
	d.candidates.Delete(k)
}

// learn tells the context who asks for which domain, as if the question were
// a conversation with it, and who answers questions.
func (d *detector) learn(q *weir.DNSTransaction) {
	d.asFlow = weir.Flow{
		Start: q.Time, End: q.Time, Src: q.Src, Dst: q.Dst, DstPort: dnsPort, Proto: weir.UDP, DstHost: q.Domain, Direction: weir.Outbound,
	}
	d.context.Flow(&d.asFlow)
	if q.Answered() {
		d.asked.Touch(q.Dst, q.Time)
	}
}

const dnsPort = 53

// subdomain returns what name has before its registered domain.
func subdomain(name, domain string) string {
	return strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "."), domain), ".")
}

func (d *detector) count(k key, s *state, q *weir.DNSTransaction, sub string) {
	s.count(q, d.longest)
	if sub != "" {
		s.addName(sub, q.Time.UnixMicro())
	}
	s.addAnswers(q)
	if !s.touched && len(s.names.items) >= leastSeen {
		s.touched = true
		d.touched = append(d.touched, k)
	}
}

// flow notes that a host has contacted what it looked up.
func (d *detector) flow(f *weir.Flow) {
	d.advance(f.Start)
	if f.DstPort == dnsPort {
		if len(f.Exporters) > 0 {
			d.exported(f)
		}
		return
	}
	d.flows = true
	if f.DstDomain == "" {
		return
	}
	k := key{f.Src, f.DstDomain}
	if s := d.keys.Get(k, f.Start); s != nil {
		s.contacted = true
	} else if s := d.candidates.Get(k, f.Start); s != nil {
		s.contacted = true
	}
}

func (d *detector) advance(now time.Time) {
	switch {
	case d.due.IsZero():
		d.due = now.Add(d.Every)
	case !now.Before(d.due):
		d.judgeAll()
		d.due = now.Add(d.Every)
	}
}

// judgeAll judges the pairs that were used since the last time, those of
// resolvers after all others: what a resolver asks for, it asks for somebody.
func (d *detector) judgeAll() {
	for _, ofResolver := range []bool{false, true} {
		for _, k := range d.touched {
			if d.isResolver(k.client) != ofResolver {
				continue
			}
			if s := d.state(k); s != nil {
				s.touched = false
				s.expire(d.longest)
				d.judge(k, s, ofResolver)
			}
		}
	}
	d.touched = d.touched[:0]
}

// end judges what is left and tells anew, with the full numbers, of tunnels
// that have grown much since they were told.
func (d *detector) end() {
	d.judgeAll()
	d.peaks.End()
	for k, s := range d.keys.All {
		if s.isTold {
			s.atEnd = true
			d.judge(k, s, d.isResolver(k.client))
		}
	}
}

// forever is a time at which no memory has expired, for states are judged by
// their own latest time.
var forever = time.UnixMicro(0)

func (d *detector) state(k key) *state {
	if s := d.keys.Get(k, forever); s != nil {
		return s
	}
	return d.candidates.Get(k, forever)
}

// isResolver reports whether the host answers the questions of others.
func (d *detector) isResolver(a netip.Addr) bool { return d.asked.Get(a, forever) != nil }

func hash(s string) uint64 { return xxh3.HashString(s) }
