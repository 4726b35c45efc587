package detect

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/query"
	"github.com/weir-nta/weir/query/exec"
)

// contacts are attempts and how they ended.
var contacts = []struct {
	name string
	f    weir.Flow
	want Outcome
}{
	{"SYN unanswered", weir.Flow{Proto: weir.TCP, State: weir.StateS0}, Failed},
	{"SYN refused", weir.Flow{Proto: weir.TCP, State: weir.StateREJ, PacketsDown: 1}, Failed},
	{"half-open scan of an open port", weir.Flow{Proto: weir.TCP, State: weir.StateRSTO, PacketsDown: 1}, Failed},
	{"FIN scan unanswered", weir.Flow{Proto: weir.TCP, State: weir.StateOTH}, Failed},
	{"FIN scan answered by a reset", weir.Flow{Proto: weir.TCP, State: weir.StateRSTR, PacketsDown: 1}, Failed},
	{"opened and closed", weir.Flow{Proto: weir.TCP, State: weir.StateSF, PacketsDown: 2}, Shallow},
	{"a conversation", weir.Flow{Proto: weir.TCP, State: weir.StateSF, PacketsDown: 9, DataUp: 100, DataDown: 900}, Reached},
	{"a conversation reset at its end", weir.Flow{Proto: weir.TCP, State: weir.StateRSTO, PacketsDown: 9, DataUp: 100, DataDown: 900}, Reached},
	{"one side of a conversation", weir.Flow{Proto: weir.TCP, State: weir.StateOTH, DataUp: 100}, Unclear},
	{"data from the middle, then a reset", weir.Flow{Proto: weir.TCP, State: weir.StateRSTOS0, History: "DR", DataUp: 60}, Unclear},
	{"data with the SYN, refused", weir.Flow{Proto: weir.TCP, State: weir.StateREJ, History: "SDr", DataUp: 60}, Failed},
	{"FIN scan by its history", weir.Flow{Proto: weir.TCP, State: weir.StateOTH, History: "F"}, Failed},
	{"a later slice", weir.Flow{Proto: weir.TCP, State: weir.StateS0, Slice: 1}, Unclear},
	{"UDP unanswered", weir.Flow{Proto: weir.UDP}, Failed},
	{"UDP answered", weir.Flow{Proto: weir.UDP, PacketsUp: 1, PacketsDown: 1}, Shallow},
	{"UDP conversation", weir.Flow{Proto: weir.UDP, PacketsUp: 9, PacketsDown: 9}, Reached},
	{"ping unanswered", weir.Flow{Proto: weir.ICMPv4, ICMP: &weir.ICMP{Type: 8}}, Failed},
	{"ping6 unanswered", weir.Flow{Proto: weir.ICMPv6, ICMP: &weir.ICMP{Type: 128}}, Failed},
	{"ping answered", weir.Flow{Proto: weir.ICMPv4, ICMP: &weir.ICMP{Type: 8}, PacketsUp: 1, PacketsDown: 1}, Shallow},
	{"unreachable", weir.Flow{Proto: weir.ICMPv4, ICMP: &weir.ICMP{Type: 3}}, Unclear},
	{"half of a connection", weir.Flow{Proto: weir.TCP, State: weir.StateOTH, Half: true}, Unclear},
	{"half of a connection, reset", weir.Flow{Proto: weir.TCP, State: weir.StateRSTO, Half: true}, Unclear},
	{"half of UDP", weir.Flow{Proto: weir.UDP, Half: true}, Unclear},
	{"IP protocol unanswered", weir.Flow{Proto: 132}, Failed},
}

func TestOutcomeOf(t *testing.T) {
	for _, c := range contacts {
		c.f.Dst = addr("10.0.0.2")
		if got := OutcomeOf(&c.f); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
		c.f.Dst = addr("224.0.0.251")
		if got := OutcomeOf(&c.f); got != Unclear {
			t.Errorf("%s to a group: %d, want %d", c.name, got, Unclear)
		}
	}
}

// TestFailedFilter checks that the filter shown to users means what is counted.
func TestFailedFilter(t *testing.T) {
	for _, c := range contacts {
		if c.want == Unclear && c.f.Proto == weir.ICMPv4 {
			continue // the queries name the type
		}
		c.f.Dst, c.f.Start = addr("10.0.0.2"), start
		q, err := query.Parse("from conn " + FailedFilter(c.f.Proto))
		if err != nil {
			t.Fatal(err)
		}
		keep, err := exec.Filter(&exec.Env{}, q.Filter)
		if err != nil {
			t.Fatal(err)
		}
		if got := keep(&c.f); got != (c.want == Failed) {
			t.Errorf("%s: filter says %v, want %v", c.name, got, c.want == Failed)
		}
	}
}

func TestSince(t *testing.T) {
	got := Since(start.Add(1500*time.Nanosecond), start.Add(time.Second))
	if want := "since 2026-11-21T09:00:00.000001Z until 2026-11-21T09:00:01.000001Z"; got != want {
		t.Errorf("Since = %q, want %q", got, want)
	}
	if _, err := query.Parse("from conn " + got); err != nil {
		t.Error(err)
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 ms", 230 * time.Millisecond: "230 ms", 12 * time.Second: "12 s", 150 * time.Second: "2.5 min",
		18 * time.Hour: "18 h", 72 * time.Hour: "3 days",
	} {
		if got := Span(d); got != want {
			t.Errorf("Span(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestReach(t *testing.T) {
	r := NewReach(1)
	f := weir.Flow{Start: start, Src: hostN(1), Dst: hostN(2), DstPort: 445, Proto: weir.TCP}
	r.Add(&f)
	r.Add(&f)
	other := f
	other.DstPort = 22
	later := f
	later.Start = start.Add(reachedFor)
	if !r.Has(&f) || r.Has(&other) || r.Has(&later) || r.Services(f.Src, f.Dst, start) != 1 {
		t.Errorf("Has %v, another port %v, after a week %v, %d services; want true, false, false, 1",
			r.Has(&f), r.Has(&other), r.Has(&later), r.Services(f.Src, f.Dst, start))
	}
	for port := range uint16(2 * maxServices) {
		f.DstPort = port
		r.Add(&f)
	}
	if n := r.Services(f.Src, f.Dst, start); n != maxServices {
		t.Errorf("%d services, want %d", n, maxServices)
	}
	f.Src = hostN(9)
	if r.Add(&f); r.Evicted() != 1 {
		t.Errorf("%d evicted, want 1", r.Evicted())
	}
}

func TestVantage(t *testing.T) {
	oneSided := weir.Flow{Proto: weir.TCP, FlagsUp: weir.SYN | weir.ACK | weir.PSH, PacketsUp: 5, DataUp: 100}
	both := oneSided
	both.PacketsDown = 5
	probe := weir.Flow{Proto: weir.TCP, FlagsUp: weir.SYN, PacketsUp: 1}
	var v Vantage
	for range 100 {
		v.Flow(&probe)
	}
	for range 4 {
		v.Flow(&oneSided)
	}
	if v.OneWay() || v.Doubts(&oneSided) {
		t.Error("one way after probes and four losses")
	}
	v.Flow(&oneSided)
	if !v.OneWay() || v.Doubts(&probe) || !v.Doubts(&oneSided) {
		t.Error("five one-sided conversations and no other: want one way, doubts of conversations, none of a bare SYN")
	}
	for range 5 {
		v.Flow(&both)
	}
	if v.OneWay() {
		t.Error("one way though as many conversations are heard from both sides")
	}
}

func TestRandomWalk(t *testing.T) {
	var w RandomWalk
	for range 8 {
		w.First(false)
	}
	if w < 11 || w > WalkDecides {
		t.Errorf("%v after 8 failures, want just below %v", w, WalkDecides)
	}
	w.First(false)
	if w < WalkDecides {
		t.Errorf("%v after 9 failures, want %v or more", w, WalkDecides)
	}
	for range 50 {
		w.First(true)
	}
	if w != 0 {
		t.Errorf("%v after many successes, want 0", w)
	}
}

func TestPeaks(t *testing.T) {
	var got []string
	p := NewPeaks(2, 5*time.Minute, func(k string, e *int) { got = append(got, fmt.Sprint(k, *e)) })
	offer := func(k string, after time.Duration, n int, loud bool) {
		p.Offer(k, start.Add(after), float64(n), loud, n)
		p.Tick(start.Add(after))
	}
	want := func(step string, findings ...string) {
		t.Helper()
		if !slices.Equal(got, findings) {
			t.Errorf("%s: reported %v, want %v", step, got, findings)
		}
		got = nil
	}
	offer("a", 0, 10, false)
	want("not loud")
	offer("a", time.Minute, 20, true)
	want("loud", "a20")
	offer("a", 2*time.Minute, 79, true)
	offer("a", 2*time.Minute, 30, true)
	want("not fourfold, then less")
	offer("a", 3*time.Minute, 80, true)
	want("fourfold", "a80")
	offer("a", 4*time.Minute, 110, true)
	p.Tick(start.Add(20 * time.Minute))
	want("quiet, but hardly grown")
	offer("a", 21*time.Minute, 120, true)
	p.Tick(start.Add(30 * time.Minute))
	want("quiet and grown by half", "a120")
	offer("b", 31*time.Minute, 5, false)
	p.Tick(start.Add(40 * time.Minute))
	want("quiet, not told before", "b5")
	for i := range 16 {
		offer("b", 41*time.Minute+time.Duration(i)*4*time.Minute, 6+i, false)
	}
	want("never quiet, fourfold", "b20")
	offer("a", 2*time.Hour, 121, false)
	offer("c", 2*time.Hour, 1, false) // b makes room
	want("limit", "b21")
	p.End()
	want("end", "a121", "c1")
	if p.Evicted() != 1 {
		t.Errorf("%d evicted, want 1", p.Evicted())
	}
}
