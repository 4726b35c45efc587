package collector

import (
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var epoch = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)

// A sent datagram as the tests write it: its number, by how much it moves the
// numbers, when it arrives and how long its sender has been up, in seconds.
type sent struct {
	sequence, units uint32
	at, uptime      int
}

// followed returns what a stream tells of the datagrams, gaps given up at the end.
func followed(list []sent, kind kind) tally {
	var s stream
	var t tally
	for _, d := range list {
		s.follow(step{
			header: header{kind: kind, sequence: d.sequence, uptime: time.Duration(d.uptime) * time.Second, hasUptime: kind != ipfix},
			units:  d.units, other: d.units,
		}, epoch.Add(time.Duration(d.at)*time.Second), &t)
	}
	s.giveUp(&t)
	return t
}

func TestFollow(t *testing.T) {
	for _, c := range []struct {
		name string
		kind kind
		in   []sent
		want tally
	}{
		{"nothing lost", netflow5, []sent{{100, 30, 0, 9}, {130, 30, 1, 10}, {160, 2, 2, 11}, {162, 30, 3, 12}}, tally{}},
		{"one lost", netflow5, []sent{{100, 30, 0, 9}, {160, 2, 2, 11}, {162, 30, 3, 12}}, tally{lost: 30}},
		{"two change places", netflow5, []sent{{100, 30, 0, 9}, {160, 2, 1, 10}, {130, 30, 1, 10}, {162, 30, 3, 12}}, tally{reordered: 1}},
		{"three come late, one never", netflow9, []sent{{1, 1, 0, 9}, {6, 1, 0, 9}, {4, 1, 0, 9}, {3, 1, 0, 9}, {2, 1, 0, 9}, {7, 1, 0, 9}}, tally{reordered: 3, lost: 1}},
		{"too late", netflow9, []sent{{1, 1, 0, 9}, {3, 1, 1, 10}, {2, 1, 30, 39}, {4, 1, 31, 40}}, tally{reordered: 1, lost: 1}},
		{"numbers wrap", netflow9, []sent{{1<<32 - 2, 1, 0, 9}, {1<<32 - 1, 1, 1, 10}, {0, 1, 2, 11}, {1, 1, 3, 12}}, tally{}},
		{"lost while they wrap", netflow9, []sent{{1<<32 - 2, 1, 0, 9}, {3, 1, 1, 10}}, tally{lost: 4}},
		{"restart", netflow5, []sent{{5000, 30, 0, 900}, {5030, 30, 1, 901}, {0, 10, 5, 1}, {10, 5, 6, 2}}, tally{restarts: 1}},
		{"restart with a gap open", netflow5, []sent{{5000, 30, 0, 900}, {5060, 30, 1, 901}, {0, 10, 2, 1}}, tally{restarts: 1, lost: 30}},
		{"restart at a number ahead", netflow9, []sent{{10, 1, 0, 900}, {4000, 1, 5, 1}, {4001, 1, 6, 2}}, tally{restarts: 1}},
		{"IPFIX restarts at 0", ipfix, []sent{{700, 20, 0, 0}, {0, 20, 2, 0}, {20, 20, 3, 0}}, tally{restarts: 1}},
		{"IPFIX restarts elsewhere", ipfix, []sent{{700, 20, 0, 0}, {100, 20, 2, 0}, {120, 20, 3, 0}, {140, 20, 3, 0}}, tally{restarts: 1, reordered: 1}},
		{"templates alone", ipfix, []sent{{700, 20, 0, 0}, {720, 0, 2, 0}, {720, 20, 3, 0}}, tally{}},
		{"one forged number", netflow9, []sent{{10, 1, 0, 9}, {1 << 30, 1, 1, 10}, {11, 1, 2, 11}, {12, 1, 3, 12}}, tally{reordered: 1}},
		{"numbers jump for good", netflow9, []sent{{10, 1, 0, 9}, {1 << 30, 1, 1, 10}, {1<<30 + 1, 1, 2, 11}}, tally{reordered: 1, restarts: 1}},
		{"up time wraps after 49 days", netflow5, []sent{{10, 1, 0, 4294967}, {11, 1, 1, 4294968}}, tally{}},
	} {
		if got := followed(c.in, c.kind); got != c.want {
			t.Errorf("%s: %+v, want %+v, for %v", c.name, got, c.want, c.in)
		}
	}
}

// TestFollowOtherUnit has exporters count what the standard does not want.
func TestFollowOtherUnit(t *testing.T) {
	for _, kind := range []kind{netflow9, ipfix} {
		var s stream
		var got tally
		next, at := uint32(1000), epoch
		for range 50 {
			records := uint32(2 + rand.N(20))
			d := step{header: header{kind: kind, sequence: next, hasUptime: kind == netflow9}, units: 1, other: records}
			next += records
			if kind == ipfix {
				d.units, d.other = records, 1
				next += 1 - records
			}
			s.follow(d, at, &got)
			at = at.Add(time.Second)
		}
		s.giveUp(&got)
		if got.lost != 0 || got.restarts != 0 || got.reordered > otherUnit {
			t.Errorf("%v by the other unit: %+v, want nothing lost", kind, got)
		}
	}
}

// TestFollowWithin has an exporter of IPFIX count the records of each message
// with its own number, as softflowd does, and lose one message.
func TestFollowWithin(t *testing.T) {
	var s stream
	var got tally
	sequence := uint32(0)
	for i, units := range []uint32{24, 32, 32, 32, 17, 32, 9, 30, 32, 5} {
		sequence += units
		if i == 7 {
			continue // lost
		}
		s.follow(step{header: header{kind: ipfix, sequence: sequence}, units: units, other: 1}, epoch.Add(time.Duration(i)*time.Second), &got)
	}
	s.giveUp(&got)
	if want := (tally{lost: 30}); got.lost != want.lost || got.restarts != 0 {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestFollowUnsure has data come before its template: how many records there
// were, nobody knows, so that nothing can be said to be lost.
func TestFollowUnsure(t *testing.T) {
	var s stream
	var got tally
	s.follow(step{header: header{kind: ipfix, sequence: 100}, units: 0, other: 0, unsure: true}, epoch, &got)
	s.follow(step{header: header{kind: ipfix, sequence: 117}, units: 10, other: 10}, epoch, &got)
	s.follow(step{header: header{kind: ipfix, sequence: 130}, units: 10, other: 10}, epoch, &got)
	s.giveUp(&got)
	if want := (tally{lost: 3}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestFollowAccounts loses and moves datagrams at random: what did not come is
// lost, exactly, as long as nothing is later than the gaps wait.
func TestFollowAccounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfN(rapid.IntRange(1, 30), 2, 200).Draw(t, "sizes")
		type one struct{ from, units uint32 }
		next := rapid.Uint32().Draw(t, "first")
		var all []one
		for _, n := range sizes {
			all = append(all, one{next, uint32(n)})
			next += uint32(n)
		}
		lost, late := uint64(0), 0
		var out []one
		for i, d := range all {
			switch kind := rapid.IntRange(0, 9).Draw(t, "what"); {
			case i == 0 || i == len(all)-1:
				out = append(out, d)
			case kind == 0:
				lost += uint64(d.units)
			case kind == 1 && len(out) > 1: // comes one later than it should: swap with the one before
				out = append(out[:len(out)-1], d, out[len(out)-1])
				late++
			default:
				out = append(out, d)
			}
		}
		// The first and the last keep their places, so that nothing is outside.
		if len(out) > 0 && out[0] != all[0] || out[len(out)-1] != all[len(all)-1] {
			t.Skip()
		}
		var s stream
		var got tally
		for _, d := range out {
			s.follow(step{header: header{kind: netflow5, sequence: d.from, hasUptime: true}, units: d.units, other: d.units}, epoch, &got)
		}
		s.giveUp(&got)
		if got.lost != lost || got.restarts != 0 {
			t.Fatalf("%+v, want %d lost and no restart", got, lost)
		}
	})
}

// TestStreams has two processes speak for one domain, then a third one take
// the place of the first by going on with its numbers from another port.
func TestStreams(t *testing.T) {
	var ss streams
	var got tally
	now := epoch
	send := func(port uint64, sequence, units uint32, uptime int) {
		now = now.Add(time.Second / 2)
		h := header{kind: netflow9, sender: port, sequence: sequence, uptime: time.Duration(uptime) * time.Second, hasUptime: true}
		ss.of(&h, now, &got).follow(step{header: h, units: units, other: units}, now, &got)
	}
	for i := range 10 {
		send(1000, uint32(50+i), 1, 100+i)
		send(2000, uint32(90000+i), 1, 100+i)
	}
	send(3000, 60, 1, 110)
	if got != (tally{}) || len(ss) != 2 {
		t.Errorf("two processes: %+v in %d streams, want nothing odd in 2", got, len(ss))
	}
	send(4000, 0, 1, 1)
	if got.restarts != 1 || len(ss) != 2 {
		t.Errorf("begun anew from another port: %+v in %d streams, want one restart in 2", got, len(ss))
	}
	for port := range uint64(1000) {
		send(5000+port, uint32(port*100000), 1, 200)
	}
	if len(ss) > maxStreams {
		t.Errorf("%d streams after 1,000 ports, want at most %d", len(ss), maxStreams)
	}
}

func TestRecent(t *testing.T) {
	var r recent
	if r.seen(1, epoch) || !r.seen(1, epoch.Add(time.Second)) || r.seen(1, epoch.Add(time.Minute)) {
		t.Error("want a copy known after a second, and not after a minute")
	}
	for i := range uint64(len(r.hash)) {
		r.seen(100+i, epoch.Add(time.Minute))
	}
	if r.seen(1, epoch.Add(time.Minute)) {
		t.Error("want a datagram forgotten after as many others as are remembered")
	}
}

func TestSkew(t *testing.T) {
	var s skew
	if got := s.estimate(); got != 0 {
		t.Errorf("of nothing: %v, want 0", got)
	}
	s.add(3 * time.Second)
	if got := s.estimate(); got != 3*time.Second {
		t.Errorf("of one: %v, want that", got)
	}
	s = skew{}
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 1000 {
		d := -7*time.Second + time.Duration(rng.Int64N(int64(time.Second)))
		if i%10 == 0 {
			d = -1000 * time.Hour // forged
		}
		s.add(d)
	}
	if got := s.estimate(); got < -7*time.Second || got > -6500*time.Millisecond {
		t.Errorf("of whole seconds 7 s ahead, one in ten forged: %v, want -7s to -6.5s", got)
	}
}
