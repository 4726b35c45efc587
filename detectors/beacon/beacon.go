// Package beacon finds hosts that call somebody by a timer, as implants do to
// ask for orders.
package beacon

import (
	_ "embed"
	"net/netip"
	"slices"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/detect"
	"github.com/weir-nta/weir/internal/periodic"
	"github.com/weir-nta/weir/internal/recent"
)

//go:embed README.md
var readme string

var Detector = &detect.Detector{
	Name: "beacon", Doc: readme, Behaviour: "beacon", Severity: weir.High,
	Techniques: []string{"T1071.001", "T1573", "T1571", "T1095"},
	Default: Config{
		Every: 15 * time.Minute, MinScore: detect.ScoreLow,
		ExporterTimeouts: []time.Duration{15 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute},
		MaxCandidates:    500_000, MaxChannels: 200_000, MaxStarts: 4096, MaxAllStarts: 10_000_000,
	},
	Needs: needs, Limits: limits,
}

// Config is what an operator may change.
type Config struct {
	Every            time.Duration   `yaml:"every"`             // how often channels are judged, by the clock of the traffic
	MinScore         float64         `yaml:"min_score"`         // below this nothing is reported
	ExporterTimeouts []time.Duration `yaml:"exporter_timeouts"` // of flow exporters: intervals of this length from one port are their cuts
	MaxCandidates    int             `yaml:"max_candidates"`    // channels with fewer than 5 connections that are remembered
	MaxChannels      int             `yaml:"max_channels"`      // channels with more
	MaxStarts        int             `yaml:"max_starts"`        // connections of one channel that are remembered, the latest
	MaxAllStarts     int             `yaml:"max_all_starts"`    // of all channels together, 16 bytes each
}

// check says what is wrong with c.
func (c Config) check() error {
	for _, e := range []error{
		detect.Check(c.Every >= time.Minute, "every: got %v, want 1m or more", c.Every),
		detect.Check(c.MinScore >= 0 && c.MinScore <= 1, "min_score: got %v, want 0 to 1", c.MinScore),
		detect.Check(!slices.ContainsFunc(c.ExporterTimeouts, func(d time.Duration) bool { return d <= 0 }), "exporter_timeouts: got one of 0 or less"),
		detect.Check(c.MaxCandidates >= 1, "max_candidates: got %d, want 1 or more", c.MaxCandidates),
		detect.Check(c.MaxChannels >= 1, "max_channels: got %d, want 1 or more", c.MaxChannels),
		detect.Check(c.MaxStarts >= 2*enough, "max_starts: got %d, want %d or more", c.MaxStarts, 2*enough),
		detect.Check(c.MaxAllStarts >= c.MaxStarts, "max_all_starts: got %d, want max_starts or more", c.MaxAllStarts),
	} {
		if e != nil {
			return e
		}
	}
	return nil
}

const (
	promoteAt = 5                  // check-ins that can be judged
	enough    = 150                // intervals beyond this add no evidence
	dayWindow = 24 * time.Hour     // in which channels are judged
	weekWin   = 7 * 24 * time.Hour // and slow ones once more
	slow      = 40                 // channels with fewer check-ins in a day are slow
	quietFor  = 24 * time.Hour     // after this silence a channel is news again
	// Where fewer packets than 1 in 10 are looked at, a call of 15 packets is seen
	// seldom, and what is left has no rhythm (section 2.8).
	mostSampled = 10
)

// New implements [detect.Config].
func (c Config) New(report func(weir.Finding)) (detect.Handlers, error) {
	if err := c.check(); err != nil {
		return detect.Handlers{}, err
	}
	d := &detector{
		Config: c, report: report, context: detect.NewContext(detect.DefaultLimits),
		candidates: detect.NewLRU[key, channel](c.MaxCandidates, dayWindow),
		rotations:  detect.NewLRU[key, rotation](maxRotations, weekWin),
		asked:      recent.New[uint64, int64](askedNames),
		channels:   detect.NewLRU[key, channel](c.MaxChannels, weekWin),
	}
	return detect.Handlers{
		Flow: d.flow, DNS: d.dns,
		Tick: d.advance,
		End:  func(time.Time) { d.end() },
		Lost: d.lost,
	}, nil
}

// A detector is one run.
type detector struct {
	Config
	report  func(weir.Finding)
	context *detect.Context
	vantage detect.Vantage

	// candidates have not been called often enough to be judged. Whoever
	// invents destinations drives out other candidates, the oldest first, but
	// no channel that has been promoted.
	candidates *detect.LRU[key, channel]
	channels   *detect.LRU[key, channel]

	rotations *detect.LRU[key, rotation] // by host and domain

	asked  *recent.Map[uint64, int64] // hashes of host and name: when it was asked last, Unix microseconds
	asFlow weir.Flow                  // of the question at hand, for the context
	flows  bool                       // contacts can be seen

	starts  int   // in all channels
	touched []key // channels with check-ins since they were last judged
	due     time.Time

	trimmed uint64 // starts forgotten at a limit
	evicted uint64 // channels forgotten for want of room for starts

	measurer        periodic.Measurer
	times, up, down []float64
}

// A key tells channels apart: a host and the service that it calls, by name
// and port if there is a name, else by address, port and protocol. Of
// questions for names it is the registered domain, port 53 and UDP; of names
// that rotate below one domain it is that and allNames.
type key struct {
	host  netip.Addr
	name  string
	addr  netip.Addr
	port  uint16
	proto weir.Proto
}

func keyOf(f *weir.Flow) key {
	if name := detect.Name(f); name != "" {
		return key{host: f.Src, name: name, port: f.DstPort}
	}
	return key{host: f.Src, addr: f.Dst, port: f.DstPort, proto: f.Proto}
}

// infrastructure are ports on which hosts of one network talk by timers all
// day: names, addresses, clocks, directories, shares, logs, printers,
// discovery, control systems.
var infrastructure = []uint16{53, 67, 68, 88, 102, 123, 135, 136, 137, 138, 139, 161, 162, 389, 445, 502, 514, 546, 547, 631, 636, 1900, 2404, 3268, 4840, 5353, 5355, 20000, 34962, 34964, 44818, 47808}

// eligible reports whether f can be a check-in: the begin of a conversation
// with one host outside, or inside with a service that has no timers anyhow.
// What comes from outside is somebody else's habit. Pings are the business of
// the ICMP detector.
func eligible(f *weir.Flow) bool {
	switch {
	case f.Slice > 0 || f.Direction == weir.Inbound || !f.Src.IsValid() || !unicast(f.Dst):
		return false
	case f.Proto == weir.ICMPv4 || f.Proto == weir.ICMPv6 || f.Proto == weir.IGMP:
		return false
	case f.App == "dns":
		return false // what counts is the name that was asked for
	}
	return !internal(f) || !slices.Contains(infrastructure, f.DstPort)
}

func internal(f *weir.Flow) bool {
	return f.Direction == weir.Internal || f.Direction == weir.NoDirection && f.Dst.IsPrivate()
}

// unicast reports whether a is the address of one host. Of the broadcasts of
// networks only those are known that end in 255.
func unicast(a netip.Addr) bool {
	if !a.IsValid() || a.IsMulticast() || a.IsUnspecified() || a.IsLoopback() || a.IsLinkLocalUnicast() {
		return false
	}
	return !a.Is4() || a.As4()[3] != 255
}

func (d *detector) flow(f *weir.Flow) {
	d.advance(f.Start)
	service := d.context.Flow(f)
	d.vantage.Flow(f)
	d.contact(f)
	if !eligible(f) || f.Sampling > mostSampled || f.SamplingUnknown {
		return
	}
	k := keyOf(f)
	c, isNew := d.find(k, f.Start)
	if isNew {
		c.service = service
		c.internal = internal(f)
	}
	c.domain = f.DstDomain
	if c.add(f) {
		d.grown(k, c, f.Start)
	}
	d.rotating(f, k)
}

// find returns the channel or candidate of k, a new candidate if there is none.
func (d *detector) find(k key, t time.Time) (c *channel, isNew bool) {
	if c = d.channels.TouchKnown(k, t); c != nil {
		return c, false
	}
	return d.candidates.Touch(k, t)
}

// grown promotes a candidate that has got enough check-ins, or keeps a channel
// within its limits.
func (d *detector) grown(k key, c *channel, t time.Time) {
	switch {
	case c.promoted:
		d.checkIn(k, c)
	case len(c.starts) >= promoteAt:
		promoted, _ := d.channels.Touch(k, t)
		*promoted = *c
		promoted.promoted = true
		d.candidates.Delete(k)
		d.starts += len(promoted.starts)
		d.touch(k, promoted)
	}
}

func (d *detector) checkIn(k key, c *channel) {
	d.starts++
	if len(c.starts) > d.MaxStarts || d.starts > d.MaxAllStarts && len(c.starts) > 2*enough {
		d.forget(c, c.trim())
	}
	for d.starts > d.MaxAllStarts && d.dropOldest(k) {
	}
	d.touch(k, c)
}

func (d *detector) touch(k key, c *channel) {
	if !c.touched {
		c.touched = true
		d.touched = append(d.touched, k)
	}
}

func (d *detector) forget(c *channel, n int) {
	d.starts -= n
	d.trimmed += uint64(n)
}

// dropOldest makes room for starts: it forgets the channel that has been
// silent for longest, unless that is the one that needs the room.
func (d *detector) dropOldest(not key) bool {
	for k, c := range d.channels.All {
		if k == not {
			return false
		}
		d.starts -= len(c.starts)
		d.evicted++
		d.channels.Delete(k)
		return true
	}
	return false
}

// advance judges the channels when it is time to. It is called before a flow
// can make the memory forget what has not been judged, as after a gap in the
// traffic.
func (d *detector) advance(now time.Time) {
	switch {
	case d.due.IsZero():
		d.due = now.Add(d.Every)
	case !now.Before(d.due):
		d.judgeAll()
		d.due = now.Add(d.Every)
	}
}

func (d *detector) lost() uint64 {
	return d.candidates.Evicted() + d.channels.Evicted() + d.evicted + d.trimmed + d.asked.Forgotten() + d.rotations.Evicted() + d.context.Evicted()
}
