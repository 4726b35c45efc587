// Package hostsweep finds one host that tries the same service of many others.
package hostsweep

import (
	_ "embed"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/detect"
)

//go:embed README.md
var readme string

var Detector = &detect.Detector{
	Name: "hostsweep", Doc: readme, Behaviour: "host_sweep", Severity: weir.High, Techniques: []string{"T1018", "T1046"},
	Default: Config{MinHosts: 25, MinHostsDay: 40, MinOpened: 60, MinOpenedDay: 120},
	Needs:   needs, Limits: limits,
}

// Config is what an operator may change.
type Config struct {
	MinHosts     int            `yaml:"min_hosts"`      // hosts tried in vain on one port in 5 minutes that begin to look like a sweep
	MinHostsDay  int            `yaml:"min_hosts_day"`  // the same in 24 hours
	MinOpened    int            `yaml:"min_opened"`     // new internal hosts reached briefly on one port in 5 minutes
	MinOpenedDay int            `yaml:"min_opened_day"` // the same in 24 hours
	Scanners     []netip.Prefix `yaml:"scanners"`       // sources that are allowed to scan
	Discovery    []netip.Prefix `yaml:"discovery"`      // sources that look for hosts as their work: monitoring, printers, DHCP
}

const (
	// fast and day are the windows of detection.md, and how finely they slide.
	fast, fastPanes = 5 * time.Minute, 5
	day, dayPanes   = 24 * time.Hour, 24
	// maxValues bounds the hosts counted in each window: sixteen networks of
	// 65,536 addresses. At 64 bytes at most it takes 64 MB.
	maxValues = 1 << 20
	// maxSources, maxWalks and maxPairs bound what is known of sources, of
	// sources with a port, and of who has reached whom. At their limits those
	// quiet for longest are forgotten.
	maxSources, maxWalks, maxPairs = 1 << 16, 500_000, 1 << 19
	// maxPorts is how many ports of one source are told apart, so that who
	// scans all ports does not take the memory of others. That is the matter
	// of portscan; what is left out here is counted.
	maxPorts = 4096
	// brief is how many packets of the originator a contact has that looks
	// whether somebody is there, and no more.
	brief = 4
)

// adminPorts are those through which hosts are administered.
var adminPorts = []uint16{22, 23, 135, 139, 445, 1433, 3306, 3389, 5432, 5900, 5985, 5986}

// New implements [detect.Config].
func (c Config) New(report func(weir.Finding)) (detect.Handlers, error) {
	r := &run{
		Config:    c,
		failed:    detect.NewDistinct[swept, netip.Addr](fast, fastPanes, maxValues),
		failedDay: detect.NewDistinct[swept, netip.Addr](day, dayPanes, maxValues),
		opened:    detect.NewDistinct[swept, netip.Addr](fast, fastPanes, maxValues),
		openedDay: detect.NewDistinct[swept, netip.Addr](day, dayPanes, maxValues),
		contacted: detect.NewDistinct[swept, netip.Addr](day, dayPanes, maxValues),
		answered:  detect.NewDistinct[swept, netip.Addr](day, dayPanes, maxValues),
		walks:     detect.NewLRU[swept, detect.RandomWalk](maxWalks, day),
		sources:   detect.NewLRU[source, history](maxSources, day),
		reach:     detect.NewReach(maxPairs),
		askers:    detect.NewAskers(maxSources),
	}
	r.peaks = detect.NewPeaks(maxSources, fast, func(s source, e *evidence) { report(r.finding(s, e)) })
	return detect.Handlers{
		Flow: r.flow,
		DNS:  r.askers.DNS,
		Tick: r.peaks.Tick,
		End:  func(time.Time) { r.peaks.End() },
		Lost: r.lost,
	}, c.check()
}

func (c Config) check() error {
	for _, k := range []struct {
		name string
		got  int
	}{{"min_hosts", c.MinHosts}, {"min_hosts_day", c.MinHostsDay}, {"min_opened", c.MinOpened}, {"min_opened_day", c.MinOpenedDay}} {
		if err := detect.Check(k.got >= 2, "%s: got %d, want 2 or more", k.name, k.got); err != nil {
			return err
		}
	}
	return nil
}

// A run is what one run of the detector knows.
type run struct {
	Config
	failed, failedDay *detect.Distinct[swept, netip.Addr] // hosts tried in vain
	opened, openedDay *detect.Distinct[swept, netip.Addr] // new internal hosts reached briefly
	contacted         *detect.Distinct[swept, netip.Addr] // all, for the first contacts of the random walk
	answered          *detect.Distinct[swept, netip.Addr] // of these who answered
	walks             *detect.LRU[swept, detect.RandomWalk]
	sources           *detect.LRU[source, history]
	reach             *detect.Reach
	askers            *detect.Askers
	vantage           detect.Vantage
	peaks             *detect.Peaks[source, evidence]
	refused           uint64 // contacts of sources with too many ports
}

// A source is a host with one protocol.
type source struct {
	addr  netip.Addr
	proto weir.Proto
}

// swept is the service that a source tries; the port is 0 for a ping.
type swept struct {
	source
	port uint16
}

// history is what is known of one source.
type history struct {
	ports int // that it has tried
	tried int // pairs of port and host, each counted once a day
	best  evidence
	bestL float64 // of best
}

// evidence is the strongest that there was against a source.
type evidence struct {
	kind        *kind
	port        uint16
	n           int // hosts
	threshold   int
	e           float64 // of the number of hosts alone
	walk        float64
	answered    int // hosts that answered on the port
	first, last time.Time
	inbound     bool
	sawDNS      bool
	oneWay      bool
	tried       int // hosts on all ports, so far
}

// A kind is one of the two measures, over either window.
type kind struct {
	id, label string
	opened    bool
}

var (
	failedKind = kind{"hosts", "many hosts tried in vain on one port", false}
	openedKind = kind{"hosts", "many new internal hosts reached briefly on one port", true}
)

func (r *run) flow(f *weir.Flow) {
	r.vantage.Flow(f)
	if f.Proto != weir.TCP && f.Proto != weir.UDP && f.Proto != weir.SCTP && !detect.EchoRequest(f) {
		return // without a service to be swept
	}
	outcome := detect.OutcomeOf(f)
	if outcome == detect.Unclear || r.vantage.Doubts(f) || r.reach.Has(f) {
		return // what was reached before is no probe
	}
	if outcome != detect.Failed {
		r.reach.Add(f)
	}
	if f.DstHost != "" {
		return // asked for by name: else failed browsing of 22 hosts in 5 minutes looks like a sweep
	}
	r.contact(f, outcome)
}

// contact counts one contact with a stranger and weighs what there is now.
func (r *run) contact(f *weir.Flow, outcome detect.Outcome) {
	src := source{f.Src, f.Proto}
	s := swept{src, f.DstPort}
	h, _ := r.sources.Touch(src, f.Start)
	if h.ports >= maxPorts && r.contacted.Count(s).N == 0 {
		r.refused++
		return
	}
	walk, _ := r.walks.Touch(s, f.Start)
	if c := r.contacted.Add(s, f.Dst, f.Start); c.Added {
		walk.First(outcome != detect.Failed)
		h.tried++
		if c.N == 1 {
			h.ports++
		}
	}
	e := evidence{port: f.DstPort, last: f.Start, inbound: f.Direction == weir.Inbound, oneWay: r.vantage.OneWay()}
	switch {
	case outcome == detect.Failed:
		e.weigh(&failedKind, r.failed.Add(s, f.Dst, f.Start), r.MinHosts)
		e.weigh(&failedKind, r.failedDay.Add(s, f.Dst, f.Start), r.MinHostsDay)
	default:
		r.answered.Add(s, f.Dst, f.Start)
		if f.Direction != weir.Internal || f.PacketsUp > brief {
			return
		}
		e.weigh(&openedKind, r.opened.Add(s, f.Dst, f.Start), r.MinOpened)
		e.weigh(&openedKind, r.openedDay.Add(s, f.Dst, f.Start), r.MinOpenedDay)
	}
	e.walk = float64(*walk)
	if e.e > -most { // few hosts, as nearly always, are no sweep whatever else is known
		e.answered, e.sawDNS = r.answered.Count(s).N, r.askers.Has(f.Src, f.Start)
		r.judge(src, h, &e)
	}
	r.offer(src, h, f.Start)
}

// weigh takes the number of hosts into e if it says more than what e holds.
func (e *evidence) weigh(k *kind, c detect.Count, threshold int) {
	if e.oneWay {
		threshold *= 2 // section 5.1: half of what looks unanswered may have been answered
	}
	x := 1.5 * math.Log(float64(c.N)/float64(threshold))
	if e.kind == nil || x > e.e {
		e.kind, e.n, e.threshold, e.e, e.first = k, c.N, threshold, x, c.First()
	}
}

// judge keeps the strongest evidence against a source if it says more for a
// sweep than against.
func (r *run) judge(src source, h *history, e *evidence) {
	p := r.parts(src, e)
	if l := p.sum(); l > 0 && (h.best.kind == nil || l >= h.bestL || e.last.Sub(h.best.last) > day) {
		h.best, h.bestL = *e, l
	}
}

// offer tells the strongest evidence against a source, if there is any.
func (r *run) offer(src source, h *history, now time.Time) {
	if h.best.kind == nil {
		return
	}
	h.best.tried = h.tried
	r.peaks.Offer(src, now, float64(h.tried), detect.Logistic(h.bestL) >= detect.ScoreMedium, h.best)
}

// parts are those of L = E + C_role of section 5.1. E, all but the role, is
// bounded: what goes beyond is taken from the part that brings it there.
type parts struct {
	hosts, walk, admin, success, role float64
	why                               string // of the role
}

// What walk and admin add at most, and both together.
const mostWalk, mostAdmin, most = 1.5, 0.5, 2

// bounded returns as much of x as E may grow.
func (p *parts) bounded(x float64) float64 { return detect.Clamp(p.sum()+x, -4, 4) - p.sum() }

func (p *parts) sum() float64 { return p.hosts + p.walk + p.admin + p.success + p.role }

func (r *run) parts(src source, e *evidence) parts {
	p := parts{hosts: detect.Clamp(e.e, -4, 4)}
	if !e.oneWay {
		p.walk = p.bounded(detect.Clamp(0.1*(e.walk-detect.WalkDecides), -1, mostWalk))
	}
	if slices.Contains(adminPorts, e.port) {
		p.admin = p.bounded(mostAdmin)
	}
	if e.successRate() > 0.8 {
		p.success = p.bounded(-0.5)
	}
	p.role, p.why = detect.Role(src.addr, r.Scanners, r.Discovery, e.inbound && e.answered == 0)
	return p
}

// score is the same, told term by term.
func (r *run) score(src source, e *evidence) *detect.Score {
	s, p := &detect.Score{}, r.parts(src, e)
	s.Add("hosts", p.hosts, "%d hosts against %d, in logarithms", e.n, e.threshold)
	if !e.oneWay {
		s.Add("random walk", p.walk, "the sequential test of first contacts stands at %.1f; from %.1f on it says scanner", e.walk, detect.WalkDecides)
	}
	if p.admin != 0 {
		s.Add("admin port", p.admin, "port %d is one for administration", e.port)
	}
	if p.success != 0 {
		s.Add("success", p.success, "%.0f %% of the hosts answered", 100*e.successRate())
	}
	if p.role != 0 {
		s.Add("role", p.role, "%s", p.why)
	}
	return s
}

// successRate is the share of hosts on the port that answered.
func (e *evidence) successRate() float64 {
	if e.kind.opened {
		return float64(e.answered) / float64(max(e.answered, e.n))
	}
	return float64(e.answered) / float64(e.answered+e.n)
}

func (r *run) lost() uint64 {
	return r.failed.Lost() + r.failedDay.Lost() + r.opened.Lost() + r.openedDay.Lost() + r.contacted.Lost() + r.answered.Lost() +
		r.walks.Evicted() + r.sources.Evicted() + r.reach.Evicted() + r.askers.Evicted() + r.peaks.Evicted() + r.refused
}
