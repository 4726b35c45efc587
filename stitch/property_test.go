package stitch

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/flowrec"
	"pgregory.net/rapid"
)

// A packetOf is a packet of one conversation.
type packetOf struct {
	at    int64 // microseconds since the epoch of the test
	up    bool
	bytes uint64
	flags weir.TCPFlags
}

// A talk is a conversation as it was: what the flows must say of it.
type talk struct {
	src, dst netip.AddrPort
	proto    weir.Proto
	packets  []packetOf
}

func (t *talk) key() string { return fmt.Sprint(t.proto, t.src, t.dst) }

// drawTalk draws a conversation whose pauses are shorter than what would make
// it two.
func drawTalk(t *rapid.T, i int) *talk {
	k := &talk{
		src:   netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 40000+uint16(rapid.IntRange(0, 3).Draw(t, "port"))),
		dst:   netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, 113, 7}), rapid.SampledFrom([]uint16{443, 53, 50000}).Draw(t, "service")),
		proto: rapid.SampledFrom([]weir.Proto{weir.TCP, weir.UDP}).Draw(t, "proto"),
	}
	at := int64(rapid.IntRange(10, 1000).Draw(t, "begin")) * 1e6
	longest := rapid.SampledFrom([]int{100, 10_000, 40_000}).Draw(t, "longest pause") // ms: records out of order must still bridge it
	n := rapid.IntRange(1, 60).Draw(t, "packets")
	var heard [2]int64
	for j := range n {
		p := packetOf{at: at, up: j == 0 || j != 1 && rapid.Bool().Draw(t, "up"), bytes: uint64(rapid.IntRange(40, 1500).Draw(t, "bytes"))}
		if d := quiet(heard); j > 1 && at-heard[d] > 30e6 {
			p.up = d == 0 // neither end is silent for so long that it begins anew
		}
		if p.up {
			heard[0] = at
		} else {
			heard[1] = at
		}
		if k.proto == weir.TCP {
			switch {
			case j == 0:
				p.flags = weir.SYN
			case j == 1:
				p.flags = weir.SYN | weir.ACK
			default:
				p.flags = weir.ACK | weir.PSH
			}
		}
		k.packets = append(k.packets, p)
		pause := longest
		if j == 0 {
			pause = 1000
		}
		at += 1000 * int64(rapid.IntRange(1, pause).Draw(t, "pause"))
	}
	return k
}

// quiet returns which direction has been silent for longer.
func quiet(heard [2]int64) int {
	if heard[1] < heard[0] {
		return 1
	}
	return 0
}

// A model is an exporter with its timeouts.
type model struct {
	active, inactive int64 // microseconds
	skew             int64
	biflow           bool
	exporter         *Exporter
}

type sent struct {
	record flowrec.Record
	at     int64
	from   *Exporter
}

// export cuts a conversation as the exporter does, into records of each
// direction or of both.
func (m *model) export(k *talk, list []sent) []sent {
	var open [2]*flowrec.Record
	flush := func(d int, at int64, why flowrec.EndReason) {
		if r := open[d]; r != nil {
			r.Reason, r.Exported = why, at
			list = append(list, sent{*r, at, m.exporter})
			open[d] = nil
		}
	}
	for _, p := range k.packets {
		d := 0
		if !p.up && !m.biflow {
			d = 1
		}
		if r := open[d]; r != nil && p.at+m.skew-r.End > m.inactive {
			flush(d, r.End+m.inactive, flowrec.Idle)
		} else if r != nil && p.at+m.skew-r.Start >= m.active {
			flush(d, p.at+m.skew, flowrec.Active)
		}
		if open[d] == nil {
			open[d] = &flowrec.Record{Proto: k.proto, Start: p.at + m.skew, Sampling: 1, HasFlags: k.proto == weir.TCP, Biflow: m.biflow}
			open[d].Src, open[d].SrcPort, open[d].Dst, open[d].DstPort = k.src.Addr(), k.src.Port(), k.dst.Addr(), k.dst.Port()
			if d == 1 {
				open[d].Src, open[d].SrcPort, open[d].Dst, open[d].DstPort = k.dst.Addr(), k.dst.Port(), k.src.Addr(), k.src.Port()
			}
		}
		r := open[d]
		r.End = p.at + m.skew
		if m.biflow && !p.up {
			r.RevBytes, r.RevPackets, r.RevFlags = r.RevBytes+p.bytes, r.RevPackets+1, r.RevFlags|p.flags
		} else {
			r.Bytes, r.Packets, r.Flags = r.Bytes+p.bytes, r.Packets+1, r.Flags|p.flags
		}
	}
	for d := range open {
		if r := open[d]; r != nil {
			flush(d, r.End+m.inactive, flowrec.Idle)
		}
	}
	return list
}

// TestTotals cuts random conversations into halves and slices, has several
// exporters tell them, mixes the records within bounds, and wants the totals of
// the originals, one beginning of each, and each record accounted for.
func TestTotals(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var talks []*talk
		for i := range rapid.IntRange(1, 6).Draw(t, "talks") {
			talks = append(talks, drawTalk(t, i))
		}
		var models []*model
		for i := range rapid.IntRange(1, 3).Draw(t, "exporters") {
			models = append(models, &model{
				active:   int64(rapid.SampledFrom([]int{30, 60, 300, 1800}).Draw(t, "active")) * 1e6,
				inactive: int64(rapid.SampledFrom([]int{5, 15, 60}).Draw(t, "inactive")) * 1e6,
				skew:     int64(rapid.IntRange(-1000, 1000).Draw(t, "skew")) * 1e3,
				biflow:   rapid.IntRange(0, 3).Draw(t, "biflow") == 0,
				exporter: &Exporter{Name: fmt.Sprint("x", i), Addr: netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})},
			})
		}
		var records []sent
		for _, k := range talks {
			for _, m := range models {
				records = m.export(k, records)
			}
		}
		for i := range records {
			records[i].at += int64(rapid.IntRange(0, 10_000).Draw(t, "delay")) * 1e3
		}
		slices.SortStableFunc(records, func(a, b sent) int { return cmp.Compare(a.at, b.at) })

		got := map[string]*weir.Flow{}
		begins := map[string]int{}
		c := DefaultConfig()
		patient := rapid.Bool().Draw(t, "patient") // so much that no half comes too late
		if patient {
			c.Wait = 10 * time.Minute
		}
		s, err := New(c, func(f *weir.Flow) {
			src, dst := netip.AddrPortFrom(f.Src, f.SrcPort), netip.AddrPortFrom(f.Dst, f.DstPort)
			up, down := f.BytesUp, f.BytesDown
			pu, pd := f.PacketsUp, f.PacketsDown
			k := fmt.Sprint(f.Proto, src, dst)
			if src.Addr() == talks[0].dst.Addr() { // guessed wrong
				k, up, down, pu, pd = fmt.Sprint(f.Proto, dst, src), down, up, pd, pu
				if !f.OriginGuessed && patient {
					t.Errorf("%v > %v: the originator is wrong, and is not told as a guess, of%s", src, dst,
						told(records, &talk{src: dst, proto: f.Proto}))
				}
			}
			if got[k] == nil {
				got[k] = &weir.Flow{Start: f.Start, End: f.End}
			}
			g := got[k]
			g.BytesUp, g.BytesDown, g.PacketsUp, g.PacketsDown = g.BytesUp+up, g.BytesDown+down, g.PacketsUp+pu, g.PacketsDown+pd
			if f.Start.Before(g.Start) {
				g.Start = f.Start
			}
			if f.End.After(g.End) {
				g.End = f.End
			}
			if f.Slice == 0 {
				begins[k]++
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		for i := range records {
			r := &records[i]
			s.Add(&r.record, r.from, time.UnixMicro(r.at))
		}
		s.Close()
		for _, k := range talks {
			want := weir.Flow{}
			for _, p := range k.packets {
				if p.up {
					want.BytesUp, want.PacketsUp = want.BytesUp+p.bytes, want.PacketsUp+1
				} else {
					want.BytesDown, want.PacketsDown = want.BytesDown+p.bytes, want.PacketsDown+1
				}
			}
			f := got[k.key()]
			if f == nil {
				t.Fatalf("%s is missing", k.key())
			}
			if f.BytesUp != want.BytesUp || f.BytesDown != want.BytesDown || f.PacketsUp != want.PacketsUp || f.PacketsDown != want.PacketsDown {
				t.Errorf("%s: %d/%d up, %d/%d down, want %d/%d, %d/%d", k.key(), f.PacketsUp, f.BytesUp, f.PacketsDown, f.BytesDown,
					want.PacketsUp, want.BytesUp, want.PacketsDown, want.BytesDown)
			}
			if begins[k.key()] != 1 {
				t.Errorf("%s begins %d times, want once, of%s", k.key(), begins[k.key()], told(records, k))
			}
			first, last := k.packets[0].at, k.packets[len(k.packets)-1].at
			if d := f.Start.Sub(time.UnixMicro(first)).Abs(); d > time.Second {
				t.Errorf("%s begins at %v, want %v within the skew of a second", k.key(), f.Start, time.UnixMicro(first).UTC())
			}
			if d := f.End.Sub(time.UnixMicro(last)).Abs(); d > 2*time.Second {
				t.Errorf("%s ends at %v, want %v within the skew of a second", k.key(), f.End, time.UnixMicro(last).UTC())
			}
		}
		n := s.Counters()
		if n.Records != uint64(len(records)) || n.Records != n.Joined+n.Duplicates+n.Mirrored+n.Unusable {
			t.Errorf("%d records given, %d counted: joined %d, duplicates %d", len(records), n.Records, n.Joined, n.Duplicates)
		}
	})
}

// told lists the records of a conversation, in the order of arrival.
func told(records []sent, k *talk) string {
	text := ""
	for _, s := range records {
		if r := &s.record; r.Proto == k.proto && (r.Src == k.src.Addr() || r.Dst == k.src.Addr()) {
			text += fmt.Sprintf("\n%s %.3f-%.3f at %.3f %v>%v %d/%d %v", s.from.Name, float64(r.Start)/1e6, float64(r.End)/1e6, float64(s.at)/1e6,
				r.Src, r.Dst, r.Packets, r.RevPackets, r.Flags)
		}
	}
	return text
}
