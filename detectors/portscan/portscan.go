// Package portscan finds one host that tries many ports of another, or many
// services of many hosts.
package portscan

import (
	_ "embed"
	"math"
	"net/netip"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/detect"
)

//go:embed README.md
var readme string

var Detector = &detect.Detector{
	Name: "portscan", Doc: readme, Behaviour: "port_scan", Severity: weir.High, Techniques: []string{"T1046"},
	Default: Config{MinPorts: 15, MinPortsDay: 60, MinServicesDay: 100},
	Needs:   needs, Limits: limits,
}

// Config is what an operator may change.
type Config struct {
	MinPorts       int            `yaml:"min_ports"`        // failed ports of one host in 5 minutes that begin to look like a scan
	MinPortsDay    int            `yaml:"min_ports_day"`    // the same in 24 hours
	MinServicesDay int            `yaml:"min_services_day"` // failed pairs of host and port in 24 hours
	Scanners       []netip.Prefix `yaml:"scanners"`         // sources that are allowed to scan
	Discovery      []netip.Prefix `yaml:"discovery"`        // sources that look for hosts as their work: monitoring, printers, DHCP
}

const (
	// fast and day are the windows of detection.md, and how finely they slide.
	fast, fastPanes = 5 * time.Minute, 5
	day, dayPanes   = 24 * time.Hour, 24
	// maxValues bounds the ports and services counted in each window: a scan of
	// all ports of 16 hosts. At 64 bytes at most it takes 64 MB.
	maxValues = 1 << 20
	// maxSources and maxPairs bound what is known of sources and of who has
	// reached whom. At their limits those quiet for longest are forgotten.
	maxSources, maxPairs = 1 << 16, 1 << 19
	// maxTargets is how many targets of one source are told apart; of a source
	// with more only the services as a whole are counted, so that it cannot
	// take the memory of others.
	maxTargets = 4096
)

// New implements [detect.Config].
func (c Config) New(report func(weir.Finding)) (detect.Handlers, error) {
	r := &run{
		Config:   c,
		ports:    detect.NewDistinct[target, uint16](fast, fastPanes, maxValues),
		portsDay: detect.NewDistinct[target, uint16](day, dayPanes, maxValues),
		services: detect.NewDistinct[source, service](day, dayPanes, maxValues),
		spread:   detect.NewDistinct[source, uint16](day, dayPanes, maxValues),
		sources:  detect.NewLRU[source, history](maxSources, day),
		reach:    detect.NewReach(maxPairs),
		askers:   detect.NewAskers(maxSources),
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
	}{{"min_ports", c.MinPorts}, {"min_ports_day", c.MinPortsDay}, {"min_services_day", c.MinServicesDay}} {
		if err := detect.Check(k.got >= 2, "%s: got %d, want 2 or more", k.name, k.got); err != nil {
			return err
		}
	}
	return nil
}

// A run is what one run of the detector knows.
type run struct {
	Config
	ports, portsDay *detect.Distinct[target, uint16]  // failed ports of one host
	services        *detect.Distinct[source, service] // failed pairs of host and port, of hosts without a name
	spread          *detect.Distinct[source, uint16]  // ports in those
	sources         *detect.LRU[source, history]
	reach           *detect.Reach
	askers          *detect.Askers
	vantage         detect.Vantage
	peaks           *detect.Peaks[source, evidence]
}

// A source is a host with one protocol: a scan speaks one, and so does the
// query that shows it. Protocols without ports are one, ports their numbers.
type source struct {
	addr  netip.Addr
	proto weir.Proto
}

type target struct {
	source
	dst netip.Addr
}

type service struct {
	dst  netip.Addr
	port uint16
}

// history is what is known of one source.
type history struct {
	tried   int // services, each counted once a day
	targets int // that have failed ports
	best    evidence
}

// evidence is the strongest that there was against a source.
type evidence struct {
	kind        *kind
	n           int // ports or services
	threshold   int
	e           float64
	dst         netip.Addr // the host whose ports were tried; none for services of many
	ports       int        // different ports among the services of many
	first, last time.Time
	inbound     bool
	named       bool // the source knew the target by name
	answered    int  // services of the target that the source reached
	sawDNS      bool
	oneWay      bool
	targets     int // of the source, so far
	tried       int // services of all targets, so far
}

// A kind is one of the three measures.
type kind struct {
	id, label string
	weight    float64 // of the logarithm, section 5.1
}

var (
	portsKind    = kind{"ports", "many ports of one host", 1.5}
	portsDayKind = kind{"ports", "many ports of one host in a day", 1.5}
	servicesKind = kind{"services", "many services of many hosts in a day", 1.2}
)

func (r *run) flow(f *weir.Flow) {
	r.vantage.Flow(f)
	switch detect.OutcomeOf(f) {
	case detect.Reached, detect.Shallow:
		r.reach.Add(f)
	case detect.Failed:
		if !r.vantage.Doubts(f) && !r.reach.Has(f) {
			r.failed(f)
		}
	}
}

// failed counts a failed contact and weighs what there is now.
func (r *run) failed(f *weir.Flow) {
	src, port := sourceOf(f)
	h, _ := r.sources.Touch(src, f.Start)
	to := target{src, f.Dst}
	e := evidence{first: f.Start, last: f.Start, inbound: f.Direction == weir.Inbound, oneWay: r.vantage.OneWay()}
	if h.targets < maxTargets || r.portsDay.Count(to).N > 0 {
		r.weigh(&e, &portsKind, r.ports.Add(to, port, f.Start), r.MinPorts, f.Dst)
		inDay := r.portsDay.Add(to, port, f.Start)
		r.weigh(&e, &portsDayKind, inDay, r.MinPortsDay, f.Dst)
		if inDay.Added {
			h.tried++
			if inDay.N == 1 {
				h.targets++
			}
		}
	}
	if f.DstHost == "" { // a host that was asked for by name is no probe, whatever port of it is dead
		services := r.services.Add(src, service{f.Dst, port}, f.Start)
		ports := r.spread.Add(src, port, f.Start).N
		if ports >= r.MinPorts { // with fewer ports it is those that are swept over hosts: the matter of hostsweep
			r.weigh(&e, &servicesKind, services, r.MinServicesDay, netip.Addr{})
			e.ports = ports
		}
		if services.Added && h.targets >= maxTargets {
			h.tried++
		}
	}
	r.judge(src, h, &e, f)
}

// weigh takes the measure into e if it says more than what e holds.
func (r *run) weigh(e *evidence, k *kind, c detect.Count, threshold int, dst netip.Addr) {
	if e.oneWay {
		threshold *= 2 // section 5.1: half of what looks unanswered may have been answered
	}
	x := k.weight * math.Log(float64(c.N)/float64(threshold))
	if e.kind == nil || x > e.e {
		e.kind, e.n, e.threshold, e.e, e.dst, e.first = k, c.N, threshold, x, dst, c.First()
	}
}

// judge keeps the strongest evidence against a source and offers it if it says
// more for a scan than against.
func (r *run) judge(src source, h *history, e *evidence, f *weir.Flow) {
	if e.kind == nil || e.e < 0 {
		return // the roles only lower it
	}
	e.named = f.DstHost != ""
	e.answered = r.reach.Services(f.Src, f.Dst, f.Start)
	e.sawDNS = r.askers.Has(f.Src, f.Start)
	if e.e >= h.best.e || f.Start.Sub(h.best.last) > day {
		h.best = *e
	}
	h.best.targets, h.best.tried = h.targets, h.tried
	if l := r.logOdds(src, &h.best); l > 0 { // at 0, an authorised scanner at its loudest, there is as much against as for
		r.peaks.Offer(src, f.Start, float64(h.tried), detect.Logistic(l) >= detect.ScoreMedium, h.best)
	}
}

func sourceOf(f *weir.Flow) (source, uint16) {
	switch f.Proto {
	case weir.TCP, weir.UDP, weir.SCTP:
		return source{f.Src, f.Proto}, f.DstPort
	}
	return source{f.Src, 0}, uint16(f.Proto)
}

func (r *run) lost() uint64 {
	return r.ports.Lost() + r.portsDay.Lost() + r.services.Lost() + r.spread.Lost() + r.sources.Evicted() +
		r.reach.Evicted() + r.askers.Evicted() + r.peaks.Evicted()
}

// logOdds is L = E + C_role of section 5.1.
func (r *run) logOdds(src source, e *evidence) float64 {
	role, _ := r.role(src, e)
	return detect.Clamp(e.e, -4, 4) + role
}

// score is logOdds, told term by term.
func (r *run) score(src source, e *evidence) *detect.Score {
	s := &detect.Score{}
	s.Add(e.kind.id, detect.Clamp(e.e, -4, 4), "%d against %d, in logarithms", e.n, e.threshold)
	if role, why := r.role(src, e); role != 0 {
		s.Add("role", role, "%s", why)
	}
	return s
}

func (r *run) role(src source, e *evidence) (float64, string) {
	return detect.Role(src.addr, r.Scanners, r.Discovery, e.inbound && e.answered == 0)
}
