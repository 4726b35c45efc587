package stitch_test

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/flowrec"
	"github.com/weir-nta/weir/decode/packet"
	"github.com/weir-nta/weir/internal/sharedtest"
	"github.com/weir-nta/weir/meter"
	"github.com/weir-nta/weir/stitch"
)

// An exporter keeps a record for each direction, as a router does.
type exporter struct {
	active, inactive int64 // microseconds
	open             map[flowrec.Record]*flowrec.Record
	order            []*flowrec.Record
	done             []flowrec.Record
}

// packet counts a packet.
func (x *exporter) packet(at int64, p *packet.Packet) {
	key := flowrec.Record{Src: p.Src.Netip(), Dst: p.Dst.Netip(), SrcPort: p.SrcPort, DstPort: p.DstPort, Proto: p.Proto,
		ICMPType: p.ICMPType, ICMPCode: p.ICMPCode}
	r := x.open[key]
	if r != nil && (at-r.End > x.inactive || at-r.Start >= x.active) {
		why := flowrec.Active
		if at-r.End > x.inactive {
			why = flowrec.Idle
		}
		x.export(r, at, why)
		r = nil
	}
	if r == nil {
		fresh := key
		r = &fresh
		r.Start, r.Sampling = at, 1
		r.HasFlags, r.HasICMP = p.Proto == weir.TCP, p.Proto == weir.ICMPv4 || p.Proto == weir.ICMPv6
		x.open[key] = r
		x.order = append(x.order, r)
	}
	r.End = max(r.End, at)
	r.Packets++
	r.Bytes += uint64(p.Bytes)
	r.Flags |= p.Flags
}

func (x *exporter) export(r *flowrec.Record, at int64, why flowrec.EndReason) {
	r.Reason = why
	r.Exported = at
	if why == flowrec.Idle {
		r.Exported = min(r.End+x.inactive, at)
	}
	x.done = append(x.done, *r)
	r.Packets = 0
}

// close exports what is left, and returns all records in the order of export.
func (x *exporter) close() []flowrec.Record {
	for _, r := range x.order {
		if r.Packets > 0 {
			x.export(r, r.End+x.inactive, flowrec.Idle)
		}
	}
	slices.SortStableFunc(x.done, func(a, b flowrec.Record) int { return cmp.Compare(a.Exported, b.Exported) })
	return x.done
}

// A seen is what one conversation, all on the same ports, came out as.
type seen struct {
	src         netip.AddrPort
	guessed     bool
	up, down    [2]uint64 // bytes and packets, of the lesser end first
	first, last time.Time
	begins      int
	state       weir.State
	slices      int
	half        bool
}

// gather puts the flows of the same ends together.
func gather(flows []weir.Flow) map[string]*seen {
	all := map[string]*seen{}
	for i := range flows {
		f := &flows[i]
		src, dst := netip.AddrPortFrom(f.Src, f.SrcPort), netip.AddrPortFrom(f.Dst, f.DstPort)
		a, b := src, dst
		if b.Compare(a) < 0 {
			a, b = b, a
		}
		k := fmt.Sprint(f.Proto, a, b) // of ICMP all that two hosts exchange
		s := all[k]
		if s == nil {
			s = &seen{src: src, guessed: f.OriginGuessed, first: f.Start, last: f.End, state: f.State}
			all[k] = s
		}
		up, down := [2]uint64{f.BytesUp, f.PacketsUp}, [2]uint64{f.BytesDown, f.PacketsDown}
		if src != a {
			up, down = down, up
		}
		for j := range 2 {
			s.up[j] += up[j]
			s.down[j] += down[j]
		}
		if f.Start.Before(s.first) {
			s.first = f.Start
		}
		if f.End.After(s.last) {
			s.last, s.state = f.End, f.State
		}
		if f.Slice == 0 {
			s.begins++
		} else {
			s.slices++
		}
		s.half = f.Half
	}
	return all
}

// compatible are the states that flags, which have no order, may be taken for.
var compatible = map[[2]weir.State]string{
	{weir.StateRSTR, weir.StateREJ}:   "a RST without SYN: whether it refused is told by sequence numbers",
	{weir.StateRSTR, weir.StateSF}:    "both sent FIN and one of them RST: which came first is not told",
	{weir.StateRSTO, weir.StateOTH}:   "a RST in the middle: whether the other end had been heard before it is not told",
	{weir.StateRSTR, weir.StateRSTRH}: "the same",
	{weir.StateREJ, weir.StateRSTRH}:  "the same",
}

// TestCaptures meters captures, exports the same packets as a router would, in
// halves and in slices, and wants the meter's conversations back.
func TestCaptures(t *testing.T) {
	for i, file := range sharedtest.Captures(t, "corpus/captures") {
		if info, err := os.Stat(file); err != nil || info.Size() > 8<<20 {
			continue // the small ones are many enough
		}
		c := []struct{ active, inactive time.Duration }{
			{time.Minute, 15 * time.Second}, {30 * time.Minute, 15 * time.Second}, {5 * time.Minute, 30 * time.Second},
		}[i%3]
		t.Run(fmt.Sprintf("%s/%v", filepath.Base(file), c.active), func(t *testing.T) {
			x := &exporter{active: c.active.Microseconds(), inactive: c.inactive.Microseconds(), open: map[flowrec.Record]*flowrec.Record{}}
			metered := meterAndExport(t, file, x)
			records := x.close()
			var joined []weir.Flow
			s, err := stitch.New(stitch.DefaultConfig(), func(f *weir.Flow) { joined = append(joined, *f) })
			if err != nil {
				t.Fatal(err)
			}
			from := &stitch.Exporter{Name: "x", Addr: netip.MustParseAddr("192.0.2.1")}
			for i := range records {
				s.Add(&records[i], from, time.UnixMicro(records[i].Exported))
			}
			s.Close()
			compare(t, x, gather(metered), gather(joined))
			n := s.Counters()
			if n.Joined != uint64(len(records)) {
				t.Errorf("%d of %d records joined", n.Joined, len(records))
			}
			t.Logf("%d packets' flows %d, records %d, flows %d; %+v", len(metered), len(metered), len(records), len(joined), n)
		})
	}
}

func compare(t *testing.T, x *exporter, want, got map[string]*seen) {
	if len(got) != len(want) {
		t.Errorf("%d conversations, want %d", len(got), len(want))
	}
	shares := map[string]int{}
	differ := map[string]int{}
	for k, w := range want {
		g := got[k]
		if g == nil {
			t.Errorf("%s is missing", k)
			continue
		}
		if g.up != w.up || g.down != w.down {
			t.Errorf("%s: bytes and packets %v, %v, want %v, %v", k, g.up, g.down, w.up, w.down)
		}
		if !g.first.Equal(w.first) || !g.last.Equal(w.last) {
			t.Errorf("%s: from %v to %v, want %v to %v", k, g.first, g.last, w.first, w.last)
		}
		if strings.HasPrefix(k, "icmp") {
			continue // the meter tells pings apart by their identifiers, which exporters do not tell
		}
		count := func(what string, same bool) {
			if same {
				shares[what]++
			}
		}
		count("originator", g.src == w.src)
		if g.src != w.src && !g.guessed {
			t.Errorf("%s: begun by %v, want %v or a guess", k, g.src, w.src)
		}
		count("told, not guessed", !g.guessed)
		count("beginnings", g.begins == w.begins)
		// While one half of a conversation by UDP stays in the exporter for half
		// an hour, pauses of the other make it look like several.
		if g.begins > w.begins && !(x.active > 600e6 && strings.HasPrefix(k, "udp")) {
			t.Errorf("%s begins %d times, want %d at most", k, g.begins, w.begins)
		}
		if g.half {
			shares["half"]++
		}
		if g.src == w.src && !g.half && g.begins == 1 && w.begins == 1 {
			shares["states compared"]++
			count("states", g.state == w.state)
			if g.state != w.state {
				differ[fmt.Sprintf("%v for %v", g.state, w.state)]++
				if compatible[[2]weir.State{w.state, g.state}] == "" {
					t.Errorf("%s: state %v, want %v or one like it", k, g.state, w.state)
				}
			}
		}
	}
	t.Logf("of %d conversations: %v; states that differ: %v", len(want), shares, differ)
}

// meterAndExport reads a capture.
func meterAndExport(t *testing.T, file string, x *exporter) (flows []weir.Flow) {
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m, err := meter.New(meter.DefaultConfig(), func(b *weir.Batch) error {
		flows = append(flows, b.Flows...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	next := reader(t, b)
	var d packet.Decoder
	var p packet.Packet
	for {
		data, at, length, link, err := next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Logf("%s: %v", file, err)
			break
		}
		if d.Decode(&p, link, data, length, at.UnixNano()) != nil {
			continue
		}
		if err := m.Packet(at.UnixNano(), &p); err != nil {
			t.Fatal(err)
		}
		x.packet(at.UnixMicro(), &p)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if n := m.Counters(); n.Backwards+n.Jumps > 0 {
		t.Skipf("%d packets are older than those before them, and the meter has changed the time of %d", n.Backwards, n.Jumps)
	}
	return flows
}

func reader(t *testing.T, b []byte) func() ([]byte, time.Time, int, packet.LinkType, error) {
	if bytes.HasPrefix(b, []byte("\x0a\x0d\x0d\x0a")) {
		r, err := pcapgo.NewNgReader(bytes.NewReader(b), pcapgo.DefaultNgReaderOptions)
		if err != nil {
			t.Fatal(err)
		}
		return func() ([]byte, time.Time, int, packet.LinkType, error) {
			data, ci, err := r.ReadPacketData()
			return data, ci.Timestamp, ci.Length, packet.LinkType(r.LinkType()), err
		}
	}
	r, err := pcapgo.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return func() ([]byte, time.Time, int, packet.LinkType, error) {
		data, ci, err := r.ReadPacketData()
		link := r.LinkType()
		if link == layers.LinkTypeRaw {
			link = 101
		}
		return data, ci.Timestamp, ci.Length, packet.LinkType(link), err
	}
}
