// Package longconn finds connections to the outside that stay open for hours,
// as tunnels and remote shells do.
package longconn

import (
	_ "embed"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/detect"
)

//go:embed README.md
var readme string

var Detector = &detect.Detector{
	Name: "longconn", Doc: readme, Behaviour: "long_connection", Severity: weir.Medium, Techniques: []string{"T1071", "T1572"},
	Default: Config{Min: time.Hour},
	Needs:   needs, Limits: limits, Bears: bears,
}

// Config is what an operator may change.
type Config struct {
	Min     time.Duration  `yaml:"min"`     // connections open for less are never reported
	Exclude []netip.Prefix `yaml:"exclude"` // destinations to which long connections are meant to be, such as your VPN
}

const (
	// day is the time over which the open time of a channel is summed.
	day = 24 * time.Hour
	// usual is the duration that speaks neither for nor against: measured on
	// workstations, 2 to 11 connections a day last longer (detection.md 4.1).
	usual = 4 * time.Hour
	// begins is how long a conversation must have lasted to be followed.
	// Exporters with an active timeout of a minute, the shortest in use, tell a
	// long one in pieces just below that.
	begins = 50 * time.Second
	// maxChannels bounds the pairs of host and service followed, of which a
	// busy workstation has some hundred: at 400 bytes it takes 50 MB. At the
	// limit the one silent for longest is forgotten: whoever opens many long
	// connections hides those that are older and silent.
	maxChannels = 1 << 17
	// maxSpans is how many separate stretches of open time of a channel are
	// told apart; the two closest are then taken for one.
	maxSpans = 16
	// quiet is how long after its last record a channel is judged for good:
	// longer than any usual active timeout.
	quiet = time.Hour
)

// infrastructure are ports of services whose conversations are long by nature
// and lead to known servers: DNS, DHCP, NTP, BGP, IPsec.
var infrastructure = []uint16{53, 67, 68, 123, 179, 500, 853, 4500}

// adminApps and adminNames are ways to administer a host from afar.
var (
	adminApps  = []string{"ssh", "rdp", "vnc", "rfb", "telnet", "winrm"}
	adminPorts = []uint16{22, 23, 3389, 5900, 5938, 5985, 5986, 7070}
	adminNames = []string{
		"anydesk.com", "atera.com", "connectwise.com", "dwservice.net", "gotomypc.com", "logmein.com", "ngrok.com", "ngrok.io",
		"rustdesk.com", "screenconnect.com", "splashtop.com", "teamviewer.com", "trycloudflare.com",
	}
)

// New implements [detect.Config].
func (c Config) New(report func(weir.Finding)) (detect.Handlers, error) {
	r := &run{
		Config:   c,
		context:  detect.NewContext(detect.DefaultLimits),
		channels: detect.NewLRU[key, channel](maxChannels, day),
	}
	r.peaks = detect.NewPeaks(maxChannels, quiet, func(k key, e *evidence) { r.judge(k, e, report) })
	return detect.Handlers{
		Flow: r.flow,
		DNS:  r.context.DNS,
		Tick: r.peaks.Tick,
		End:  func(time.Time) { r.peaks.End() },
		Lost: func() uint64 { return r.context.Evicted() + r.channels.Evicted() + r.peaks.Evicted() },
	}, detect.Check(c.Min >= begins, "min: got %v, want %v or more", c.Min, begins)
}

// A run is what one run of the detector knows.
type run struct {
	Config
	context  *detect.Context
	channels *detect.LRU[key, channel]
	peaks    *detect.Peaks[key, evidence]
	vantage  detect.Vantage
}

// A key names a channel: a host and the service it uses.
type key struct {
	host    netip.Addr
	service detect.Service
}

// A channel is what is known of one.
type channel struct {
	spans       []span    // open time of the last day, in order, apart from each other
	first, last time.Time // when records begin
	end         time.Time
	longest     time.Duration // by what a record says
	stitched    time.Duration // by pieces that follow each other
	connections int
	up, down    uint64
	admin       string
	ongoing     bool
	srcPort     uint16
	dst         netip.Addr // of the latest connection
	port        uint16
	proto       weir.Proto
	dsts        int // how often the address changed
}

type span struct{ from, to time.Time }

// evidence is a channel as it was when it had been open for the longest.
type evidence struct {
	open, longest time.Duration
	first, last   time.Time // when records begin
	end           time.Time
	connections   int
	up, down      uint64
	admin         string
	ongoing       bool
	dst           netip.Addr
	port          uint16
	proto         weir.Proto
	moved         bool
	oneWay        bool
	stitched      bool // longest is of pieces
}

func (r *run) flow(f *weir.Flow) {
	k := key{f.Src, r.context.Flow(f)}
	r.vantage.Flow(f)
	if !r.concerns(f) {
		return
	}
	if f.Duration < begins && r.channels.Get(k, f.End) == nil {
		return
	}
	c, isNew := r.channels.Touch(k, f.End)
	if isNew {
		c.first = f.Start
	}
	c.add(f)
	open := c.open(f.End)
	if max(c.longest, c.stitched) < r.Min {
		return // many short ones are no long one, however little time is between them
	}
	e := c.evidence(open, r.vantage.OneWay())
	if score, _, _ := r.score(k, &e); score.L() >= 0 {
		r.peaks.Offer(k, f.End, open.Seconds(), false, e)
	}
}

// judge reports e if it still says more for than against: it was held back,
// because whether others use the service too shows with time.
func (r *run) judge(k key, e *evidence, report func(weir.Finding)) {
	if score, _, _ := r.score(k, e); score.L() >= 0 {
		report(r.finding(k, e))
	}
}

// concerns reports whether f leads outside and was answered. Inside, long
// connections are the rule: file servers, databases, management.
func (r *run) concerns(f *weir.Flow) bool {
	switch {
	case f.Direction == weir.Internal || f.Direction == weir.Inbound || inside(f.Dst):
		return false
	case f.Proto != weir.TCP && f.Proto != weir.UDP && f.Proto != weir.SCTP:
		return false
	case slices.Contains(infrastructure, f.DstPort) || detect.InAny(f.Dst, r.Exclude):
		return false
	}
	return f.Answered() || r.vantage.OneWay()
}

func inside(a netip.Addr) bool {
	return !a.IsValid() || a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() ||
		a == netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// add takes in one record. All slices of a conversation say since when it has
// been open, so that none of them need be remembered.
func (c *channel) add(f *weir.Flow) {
	from := f.First()
	if f.Slice == 0 && c.continues(f) {
		from = c.end
	} else if f.Slice == 0 {
		c.connections++
	}
	if f.Start.Before(c.first) {
		c.first = f.Start
	}
	if f.Start.After(c.last) {
		c.last = f.Start
	}
	c.up += f.BytesUp
	c.down += f.BytesDown
	if c.dst.IsValid() && c.dst != f.Dst {
		c.dsts++
	}
	c.dst, c.port, c.proto, c.ongoing = f.Dst, f.DstPort, f.Proto, f.Ongoing
	if a := admin(f); a != "" {
		c.admin = a
	}
	c.spans = merge(c.spans, span{from, f.End})
	for _, s := range c.spans {
		if !f.End.Before(s.from) && !f.End.After(s.to) && (f.Slice > 0 || from != f.First()) {
			c.stitched = max(c.stitched, s.to.Sub(s.from)) // pieces that follow each other
		}
	}
	c.longest = max(c.longest, f.Duration)
	if f.End.After(c.end) {
		c.end = f.End
	}
	c.srcPort = f.SrcPort
}

// continues reports whether f goes on with the connection before it, which an
// exporter has cut at its active timeout: same ports, no new handshake, and no
// longer a pause than the shortest timeout in use and 5 seconds.
func (c *channel) continues(f *weir.Flow) bool {
	return c.srcPort == f.SrcPort && c.dst == f.Dst && f.FlagsUp&weir.SYN == 0 && !f.Start.Before(c.end) && f.Start.Sub(c.end) <= 65*time.Second
}

// admin names the way of remote administration that f shows, if any.
func admin(f *weir.Flow) string {
	if slices.Contains(adminApps, f.App) {
		return f.App
	}
	name := detect.Name(f)
	for _, n := range adminNames {
		if name == n || strings.HasSuffix(name, "."+n) {
			return n
		}
	}
	if f.App == "" && slices.Contains(adminPorts, f.DstPort) {
		return "a port of remote administration"
	}
	return ""
}

// merge returns the union of spans, which are apart and in order, and s.
func merge(spans []span, s span) []span {
	i, _ := slices.BinarySearchFunc(spans, s.from, func(x span, from time.Time) int { return x.to.Compare(from) })
	j := i
	for ; j < len(spans) && !spans[j].from.After(s.to); j++ {
		if spans[j].from.Before(s.from) {
			s.from = spans[j].from
		}
		if spans[j].to.After(s.to) {
			s.to = spans[j].to
		}
	}
	spans = slices.Replace(spans, i, j, s)
	if len(spans) > maxSpans {
		closest := 1
		for i := 2; i < len(spans); i++ {
			if spans[i].from.Sub(spans[i-1].to) < spans[closest].from.Sub(spans[closest-1].to) {
				closest = i
			}
		}
		spans[closest-1].to = spans[closest].to
		spans = slices.Delete(spans, closest, closest+1)
	}
	return spans
}

// open returns for how long of the day before now the channel was open, or for
// how long its longest connection was, if that is more.
func (c *channel) open(now time.Time) time.Duration {
	since := now.Add(-day)
	c.spans = slices.DeleteFunc(c.spans, func(s span) bool { return s.to.Before(since) })
	var sum time.Duration
	for _, s := range c.spans {
		if s.from.Before(since) {
			s.from = since
		}
		sum += s.to.Sub(s.from)
	}
	return max(sum, c.longest, c.stitched)
}

func (c *channel) evidence(open time.Duration, oneWay bool) evidence {
	return evidence{
		open: open, longest: max(c.longest, c.stitched), stitched: c.stitched > c.longest, first: c.first, last: c.last, end: c.end, connections: max(c.connections, 1), up: c.up, down: c.down,
		admin: c.admin, ongoing: c.ongoing, dst: c.dst, port: c.port, proto: c.proto, moved: c.dsts > 0, oneWay: oneWay,
	}
}

// score is L = E + C - 1.5 of section 4.1, without the two terms for which
// packet times are needed.
func (r *run) score(k key, e *evidence) (s *detect.Score, against, couldNotCheck []string) {
	s = &detect.Score{}
	s.Add("duration", detect.Clamp(math.Log(float64(e.open)/float64(usual)), -2, 2), "open for %s; %s is nothing unusual", detect.Span(e.open), detect.Span(usual))
	if e.connections == 1 {
		s.Add("single", 0.5, "one connection, not many one after the other")
	}
	if e.admin != "" {
		s.Add("remote administration", 1, "%s, which gives control of a host, leads outside", e.admin)
	}
	against, couldNotCheck = r.context.Score(s, k.host, k.service, detect.Pattern{})
	s.Add("bias", -1.5, "long connections are common: push, meetings, web sockets")
	return s, against, couldNotCheck
}
