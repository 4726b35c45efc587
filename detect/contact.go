package detect

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/weir-nta/weir"
)

// An Outcome says how an attempt to reach a service ended.
type Outcome uint8

// The outcomes. Unclear is what says nothing about an attempt: traffic from
// the middle, a later slice, multicast.
const (
	Unclear Outcome = iota
	Failed          // nobody answered, or the answer was a refusal
	Shallow         // it was opened and nothing came of it
	Reached         // the service said something
)

// failedStates are those of a TCP connection that was refused, ignored, or
// dropped by who opened it as soon as it was accepted.
var failedStates = []weir.State{
	weir.StateS0, weir.StateREJ, weir.StateRSTO, weir.StateRSTR, weir.StateRSTOS0, weir.StateRSTRH, weir.StateSH,
}

// FailedFilter returns the filter of the hunting language for flows of proto
// whose outcome is Failed. Failed TCP is TCP without data from the responder:
// unanswered, answered by a reset, or accepted and reset by the originator. Of
// other protocols it is what got no answer.
func FailedFilter(proto weir.Proto) string {
	if proto == weir.TCP {
		return "slice = 0 and half = false and data.down = 0 and (state in (S0, REJ, RSTO, RSTR, RSTOS0, RSTRH, SH) or pkts.down = 0 and data.up = 0) and (history !~ /D/ or history ~ /S/)"
	}
	return "slice = 0 and half = false and pkts.down = 0"
}

// Since returns "since … until …" of the hunting language for records that
// begin from first to last, both included: stores keep microseconds, and the
// end of a window is not part of it.
func Since(first, last time.Time) string {
	return "since " + first.UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano) +
		" until " + last.UTC().Truncate(time.Microsecond).Add(time.Microsecond).Format(time.RFC3339Nano)
}

// Span writes a duration as it is said: "12 s", "4 min", "3.5 h", "2 days".
func Span(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%.3g s", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.3g min", d.Minutes())
	case d < 48*time.Hour:
		return fmt.Sprintf("%.3g h", d.Hours())
	}
	return fmt.Sprintf("%.3g days", d.Hours()/24)
}

// OutcomeOf returns how the attempt f ended. It is judged by the first record
// of a conversation.
func OutcomeOf(f *weir.Flow) Outcome {
	switch {
	case f.Slice > 0 || !unicast(f.Dst):
		return Unclear
	case f.Half:
		return Unclear // an exporter told of one direction: there may have been an answer
	case f.Proto == weir.TCP && strings.Contains(f.History, "D") && !strings.Contains(f.History, "S"):
		return Unclear // data without a SYN before it: the middle of a conversation, whoever began it
	case f.Proto == weir.TCP:
		return outcomeTCP(f)
	case (f.Proto == weir.ICMPv4 || f.Proto == weir.ICMPv6) && !EchoRequest(f):
		return Unclear
	case f.PacketsDown == 0:
		return Failed
	case f.PacketsUp <= 2:
		return Shallow
	}
	return Reached
}

func outcomeTCP(f *weir.Flow) Outcome {
	switch {
	case f.DataDown > 0:
		return Reached
	case slices.Contains(failedStates, f.State) || f.PacketsDown == 0 && f.DataUp == 0:
		return Failed
	case f.State == weir.StateSF || f.State == weir.StateS1 || f.State == weir.StateS2 || f.State == weir.StateS3:
		return Shallow
	}
	return Unclear
}

// EchoRequest reports whether f is a ping (RFC 792, RFC 4443).
func EchoRequest(f *weir.Flow) bool {
	return f.ICMP != nil && (f.Proto == weir.ICMPv4 && f.ICMP.Type == 8 || f.Proto == weir.ICMPv6 && f.ICMP.Type == 128)
}

// unicast reports whether a may be that of one host. Broadcasts of a network
// are not told apart, because its width is not in the record: each looks like
// one host.
func unicast(a netip.Addr) bool {
	return a.IsValid() && !a.IsMulticast() && !a.IsUnspecified() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// reachedFor is how long a service counts as reached after it was.
const reachedFor = 7 * 24 * time.Hour

// maxServices is how many services of one host are remembered as reached by
// another; a failure at a further one then counts as one at a strange service.
const maxServices = 64

// A Reach remembers which services of which host another host has reached in
// the last seven days. It holds at most as many pairs of hosts as it was made
// for and forgets the one longest unused: a service that fails after it has
// been forgotten looks like a strange one.
type Reach struct {
	pairs *LRU[hosts, []portProto]
}

type hosts struct{ src, dst netip.Addr }

type portProto struct {
	port  uint16
	proto weir.Proto
}

// NewReach returns a Reach of at most limit pairs of hosts.
func NewReach(limit int) *Reach { return &Reach{NewLRU[hosts, []portProto](limit, reachedFor)} }

// Add remembers that f reached its service.
func (r *Reach) Add(f *weir.Flow) {
	services, _ := r.pairs.Touch(hosts{f.Src, f.Dst}, f.Start)
	s := portProto{f.DstPort, f.Proto}
	if len(*services) < maxServices && !slices.Contains(*services, s) {
		*services = append(*services, s)
	}
}

// Has reports whether the service of f has been reached before.
func (r *Reach) Has(f *weir.Flow) bool {
	services := r.pairs.Get(hosts{f.Src, f.Dst}, f.Start)
	return services != nil && slices.Contains(*services, portProto{f.DstPort, f.Proto})
}

// Services returns how many services of dst src has reached, 64 at most.
func (r *Reach) Services(src, dst netip.Addr, t time.Time) int {
	if services := r.pairs.Get(hosts{src, dst}, t); services != nil {
		return len(*services)
	}
	return 0
}

// Evicted returns how many pairs were forgotten because of the limit.
func (r *Reach) Evicted() uint64 { return r.pairs.Evicted() }

// A Vantage notices whether a sensor hears only one side of conversations, in
// which nothing ever seems to be answered.
type Vantage struct {
	oneSided, both uint64
}

// enough is how many one-sided conversations show that the other side exists
// and is not heard; a few may be losses.
const enough = 5

// Flow learns from f: an originator that goes on to acknowledge and to send
// has been answered, whether the answer was heard or not.
func (v *Vantage) Flow(f *weir.Flow) {
	if f.Proto != weir.TCP || f.FlagsUp&weir.ACK == 0 || f.PacketsUp < 3 || f.DataUp == 0 {
		return
	}
	if f.PacketsDown == 0 {
		v.oneSided++
	} else {
		v.both++
	}
}

// OneWay reports whether most conversations were heard from one side only.
func (v *Vantage) OneWay() bool { return v.oneSided >= enough && v.oneSided > v.both }

// A RandomWalk is the sequential test of Jung et al. (2004), "Fast portscan
// detection using sequential hypothesis testing", in its cumulative form: the
// log-likelihood ratio that a host is a scanner, over its first contacts with
// others, never below 0. A scanner succeeds with probability 0.2, others with
// 0.8.
type RandomWalk float64

// WalkDecides is the ratio at which the test says scanner: ln(0.99/1e-5) for a
// false positive in a hundred thousand.
const WalkDecides = 11.5

// First counts a first contact.
func (w *RandomWalk) First(success bool) {
	step := math.Log(0.8 / 0.2)
	if success {
		step = -step
	}
	*w = RandomWalk(max(float64(*w)+step, 0))
}
