package detect

import (
	"math"
	"net/netip"
	"slices"

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

// FailedFilter is the filter of the hunting language for flows whose outcome
// is Failed, as far as it does not depend on the kind of address. Failed TCP is
// TCP without data from the responder: unanswered, answered by a reset, or
// accepted and reset by the originator. Of other protocols it is what got no
// answer, of ICMP echo requests only.
const FailedFilter = `slice = 0 and (proto = tcp and data.down = 0 and (state in ("S0", "REJ", "RSTO", "RSTR", "RSTOS0", "RSTRH", "SH") ` +
	`or pkts.down = 0 and data.up = 0) or proto != tcp and pkts.down = 0)`

// OutcomeOf returns how the attempt f ended. It is judged by the first record
// of a conversation.
func OutcomeOf(f *weir.Flow) Outcome {
	switch {
	case f.Slice > 0 || !unicast(f.Dst):
		return Unclear
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

// unicast reports whether a is that of one host. Of broadcasts only those are
// known that end in 255: the width of a network is not in the record.
func unicast(a netip.Addr) bool {
	if !a.IsValid() || a.IsMulticast() || a.IsUnspecified() {
		return false
	}
	b := a.As16()
	return !(a.Is4() && b[15] == 255)
}

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
