package live

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/source"
	"github.com/weir-nta/weir/source/sourcetest"
)

// A frame is what a test sends: an IP packet in Ethernet.
type frame struct {
	src, dst         string
	srcPort, dstPort uint16
	proto            weir.Proto
	flags            weir.TCPFlags
	seq, ack         uint32
	payload          string
	id               uint16
	fragment         uint16 // flags and offset of IPv4
	tag              uint16 // VLAN, 0 for none
}

func (f frame) bytes() []byte {
	be := binary.BigEndian
	b := []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1}
	if f.tag != 0 {
		b = be.AppendUint16(append(b, 0x81, 0), f.tag)
	}
	var body []byte
	if f.fragment&0x1fff == 0 {
		body = be.AppendUint16(be.AppendUint16(nil, f.srcPort), f.dstPort)
		if f.proto == weir.TCP {
			body = be.AppendUint32(be.AppendUint32(body, f.seq), f.ack)
			body = append(body, 0x50, byte(f.flags), 0xff, 0xff, 0, 0, 0, 0)
		} else {
			body = append(be.AppendUint16(body, uint16(8+len(f.payload))), 0, 0)
		}
	}
	body = append(body, f.payload...)
	src, dst := netip.MustParseAddr(f.src), netip.MustParseAddr(f.dst)
	if src.Is4() {
		b = be.AppendUint16(append(b, 8, 0, 0x45, 0), uint16(20+len(body)))
		b = be.AppendUint16(be.AppendUint16(b, f.id), f.fragment)
		b = append(b, 64, byte(f.proto), 0, 0)
	} else {
		b = be.AppendUint16(append(b, 0x86, 0xdd, 0x60, 0, 0, 0), uint16(len(body)))
		b = append(b, byte(f.proto), 64)
	}
	return append(append(append(b, src.AsSlice()...), dst.AsSlice()...), body...)
}

// back returns an answer to f.
func (f frame) back(flags weir.TCPFlags, payload string) frame {
	f.src, f.dst, f.srcPort, f.dstPort, f.flags, f.payload = f.dst, f.src, f.dstPort, f.srcPort, flags, payload
	f.seq, f.ack = f.ack, f.seq+1
	return f
}

// talkOf returns a TCP connection of seven packets, with words in both
// directions, from port n.
func talkOf(src, dst string, n int, tag uint16) (list []frame) {
	up := frame{src: src, dst: dst, srcPort: uint16(20000 + n), dstPort: 443, proto: weir.TCP, tag: tag}
	down := up.back(0, "")
	say := func(f frame, flags weir.TCPFlags, seq, ack uint32, payload string) {
		f.flags, f.seq, f.ack, f.payload = flags, seq, ack, payload
		list = append(list, f)
	}
	say(up, weir.SYN, 100, 0, "")
	say(down, weir.SYN|weir.ACK, 500, 101, "")
	say(up, weir.ACK, 101, 501, "")
	say(up, weir.ACK|weir.PSH, 101, 501, fmt.Sprintf("question %d", n))
	say(down, weir.ACK|weir.PSH, 501, uint32(110+len(fmt.Sprint(n))), fmt.Sprintf("answer %d", n))
	say(up, weir.FIN|weir.ACK, uint32(110+len(fmt.Sprint(n))), uint32(508+len(fmt.Sprint(n))), "")
	say(down, weir.FIN|weir.ACK, uint32(508+len(fmt.Sprint(n))), uint32(111+len(fmt.Sprint(n))), "")
	return list
}

func frames(list []frame) (out [][]byte) {
	for _, f := range list {
		out = append(out, f.bytes())
	}
	return out
}

// configOf watches interfaces as one point each.
func configOf(t *testing.T, points ...string) Config {
	t.Helper()
	c := DefaultConfig()
	c.BufferBytes = 32 << 20
	for _, text := range points {
		p, err := ParsePoint(text)
		if err != nil {
			t.Fatal(err)
		}
		p.Sensor = text
		c.Points = append(c.Points, p)
	}
	return c
}

// A watched source runs beside a test.
type watched struct {
	*Source
	t    *testing.T
	stop context.CancelFunc
	done chan error

	mu   sync.Mutex
	got  weir.Batch
	last time.Time
	said []string
}

func watch(t *testing.T, c Config) *watched {
	t.Helper()
	needNamespace(t)
	w := &watched{t: t, done: make(chan error, 1)}
	c.Say = func(text string) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.said = append(w.said, text)
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	w.Source = s
	ctx, cancel := context.WithCancel(context.Background())
	w.stop = cancel
	go func() {
		w.done <- s.Run(ctx, func(b *weir.Batch) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.got.Flows = append(w.got.Flows, b.Flows...)
			w.got.DNS = append(w.got.DNS, b.DNS...)
			w.got.Exporters = append(w.got.Exporters, b.Exporters...)
			if b.Through.Before(w.last) && !b.Through.IsZero() {
				t.Errorf("through %v after %v", b.Through, w.last)
			}
			w.last = b.Through
			return nil
		})
	}()
	t.Cleanup(cancel)
	return w
}

// end ends it and returns all its records.
func (w *watched) end() *weir.Batch {
	w.t.Helper()
	w.stop()
	if err := <-w.done; err != nil && !errors.Is(err, context.Canceled) {
		w.t.Fatal(err)
	}
	return &w.got
}

// until waits until something holds.
func (w *watched) until(what string, holds func() bool) {
	w.t.Helper()
	for range 1000 {
		w.mu.Lock()
		ok := holds()
		w.mu.Unlock()
		if ok {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	w.t.Errorf("it does not come to it that %s; said %q, seen %+v", what, w.said, w.Views())
}

func (w *watched) hasSaid(text string) func() bool {
	return func() bool {
		return slices.ContainsFunc(w.said, func(s string) bool { return strings.Contains(s, text) })
	}
}

// A timeless source is one whose records of health tell no time of the wall.
type timeless struct{ *Source }

func (s timeless) Run(ctx context.Context, emit func(*weir.Batch) error) error {
	return s.Source.Run(ctx, func(b *weir.Batch) error {
		if b.Exporters != nil {
			c := *b
			c.Exporters = slices.Clone(b.Exporters)
			for i := range c.Exporters {
				e := &c.Exporters[i]
				e.Time, e.Since, e.Seen, e.Rate, e.Input = time.Time{}, time.Time{}, time.Time{}, 0, ""
			}
			b = &c
		}
		return emit(b)
	})
}

// TestSource is the suite that every source passes, on packets that come in at
// an interface. Two runs cannot see packets at the same times: the packets are
// given theirs by their number.
func TestSource(t *testing.T) {
	needNamespace(t)
	wires := 0
	sourcetest.Run(t, func(t *testing.T) source.Source {
		wires++
		w := newWire(t, fmt.Sprint("weira", wires), fmt.Sprint("weirb", wires))
		var list []frame
		for n := range 20 {
			list = append(list, talkOf("10.0.0.1", "10.0.0.2", n, 0)...)
		}
		c := configOf(t, w.out)
		c.Points[0].Sensor, c.Points[0].Interfaces = "tap", []string{w.out}
		c.Workers, c.Count = 1, int64(len(list))
		c.stamp = func(n int64) int64 { return 1795305600e9 + n*1e6 }
		s, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		w.send(frames(list)...) // the ring holds them until it runs
		return timeless{s}
	})
}

// TestBothDirectionsMeet sends conversations of all kinds to four workers: each
// becomes one flow with both directions, and all workers have something to do.
func TestBothDirectionsMeet(t *testing.T) {
	w := newWire(t, "weir0", "weir1")
	c := configOf(t, "weir1")
	c.Workers = 4
	s := watch(t, c)
	const talks = 300
	var list []frame
	for n := range talks {
		switch n % 4 {
		case 0:
			list = append(list, talkOf(fmt.Sprintf("10.0.%d.%d", n%250, 1+n/250), "192.0.2.80", n, 0)...)
		case 1:
			list = append(list, talkOf(fmt.Sprintf("2001:db8::%x", n), "2001:db8:1::80", n, 0)...)
		case 2:
			list = append(list, talkOf("10.9.9.9", "192.0.2.80", n, 10)...)
		case 3:
			list = append(list, talkOf("2001:db8::9", "2001:db8:1::80", n, 20)...)
		}
	}
	// DNS whose response comes in two fragments.
	for n := range talks {
		q := frame{src: fmt.Sprintf("10.1.%d.7", n%256), dst: "192.0.2.53", srcPort: uint16(1024 + n), dstPort: 53, proto: weir.UDP, payload: dnsMessage(n, false), id: uint16(n)}
		r := q.back(0, dnsMessage(n, true))
		r.fragment = 0x2000
		// The datagram tells its whole length; what is missing follows.
		rest := r
		r.payload, rest.payload = r.payload[:24], r.payload[24:]
		first := r.bytes()
		binary.BigEndian.PutUint16(first[14+20+4:], uint16(8+len(dnsMessage(n, true))))
		rest.fragment = (24 + 8) / 8
		w.send(q.bytes(), first, rest.bytes())
	}
	w.send(frames(list)...)
	s.until("all packets were metered", func() bool { return s.Progress().Packets == int64(len(list)+3*talks) })
	got := s.end()
	whole := 0
	for i := range got.Flows {
		f := &got.Flows[i]
		if f.PacketsUp == 0 || f.PacketsDown == 0 {
			t.Errorf("one direction alone: %s:%d to %s:%d, %d packets up, %d down", f.Src, f.SrcPort, f.Dst, f.DstPort, f.PacketsUp, f.PacketsDown)
			continue
		}
		whole++
	}
	if whole != 2*talks {
		t.Errorf("%d flows with both directions, want %d", whole, 2*talks)
	}
	for i, one := range s.workers {
		if one.packets < int64(len(list))/20 {
			t.Errorf("worker %d had %d of %d packets: the hash does not divide them", i, one.packets, len(list))
		}
	}
	if v := s.Views()[0]; !slices.Equal(v.VLANs, []uint16{10, 20}) {
		t.Errorf("seen VLANs %v, want 10 and 20", v.VLANs)
	}
	tags := map[uint16]int{}
	for _, f := range got.Flows {
		tags[f.VLAN]++
	}
	if tags[10] != talks/4 || tags[20] != talks/4 {
		t.Errorf("flows by VLAN: %v, want %d in 10 and in 20", tags, talks/4)
	}
}

// dnsMessage returns a question for example.org, or a response to it.
func dnsMessage(id int, response bool) string {
	b := binary.BigEndian.AppendUint16(nil, uint16(id))
	flags, answers := []byte{1, 0}, byte(0)
	if response {
		flags, answers = []byte{0x81, 0x80}, 1
	}
	b = append(append(b, flags...), 0, 1, 0, answers, 0, 0, 0, 0)
	b = append(b, "\x07example\x03org\x00\x00\x01\x00\x01"...)
	if response {
		b = append(b, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1)
	}
	return string(b)
}

// TestTap watches the two outlets of a tap as one point: each shows one
// direction, and together they give whole conversations in their order.
func TestTap(t *testing.T) {
	a, b := newWire(t, "weira0", "weira1"), newWire(t, "weirb0", "weirb1")
	c := configOf(t, "weira1+weirb1")
	c.Workers = 2
	s := watch(t, c)
	sent := 0
	for n := range 40 {
		for _, f := range talkOf("10.0.0.1", "192.0.2.80", n, 0) {
			if f.src == "10.0.0.1" {
				a.send(f.bytes())
			} else {
				b.send(f.bytes())
			}
			sent++
		}
	}
	s.until("all packets were metered", func() bool { return s.Progress().Packets == int64(sent) })
	got := s.end()
	if len(got.Flows) != 40 {
		t.Fatalf("%d flows, want 40", len(got.Flows))
	}
	for _, f := range got.Flows {
		if f.Src.String() != "10.0.0.1" || f.State != weir.StateSF || f.Sensor != "weira1+weirb1" {
			t.Errorf("flow from %s, state %v, sensor %s, history %s; want it whole and in order", f.Src, f.State, f.Sensor, f.History)
		}
	}
}

// TestQuietLink ends a conversation, and has time go on, although no packet comes.
func TestQuietLink(t *testing.T) {
	w := newWire(t, "weir0", "weir1")
	c := configOf(t, "weir1")
	c.Meter.UDPIdle, c.Meter.ICMPIdle, c.Meter.TCPIdle, c.Meter.QueryTimeout = time.Second, time.Second, time.Second, time.Second
	s := watch(t, c)
	w.send(frame{src: "10.0.0.1", dst: "10.0.0.2", srcPort: 5000, dstPort: 9, proto: weir.UDP, payload: "x"}.bytes())
	s.until("the flow ended", func() bool { return len(s.got.Flows) == 1 })
	s.until("time goes on", func() bool { return time.Since(s.last) < 20*time.Second })
	s.end()
}

// TestInterfaceComesAndGoes takes the interface down, renames it, and takes it
// away and makes it again: it is said each time, and watching goes on.
func TestInterfaceComesAndGoes(t *testing.T) {
	w := newWire(t, "weir0", "weir1")
	c := configOf(t, "weir1")
	c.Workers = 2
	s := watch(t, c)
	sent := 0
	show := func() {
		t.Helper()
		for range 20 {
			sent++
			w.send(frame{src: "10.0.0.1", dst: "10.0.0.2", srcPort: uint16(sent), dstPort: 9, proto: weir.UDP, payload: "x"}.bytes())
		}
		s.until("the packets were seen", func() bool { return s.Progress().Packets == int64(sent) })
	}
	show()
	w.up("weir1", false)
	s.until("it is said to be down", s.hasSaid("weir1 is down"))
	w.up("weir1", true)
	s.until("it is said to be up", s.hasSaid("weir1 is up again"))
	show()
	w.up("weir1", false)
	w.rename("weir1", "mirror")
	w.up("mirror", true)
	s.until("it is said to be renamed", s.hasSaid("weir1 is called mirror now"))
	show()
	w.up("mirror", false)
	w.rename("mirror", "weir1")
	w.up("weir1", true)
	s.until("it is said to be renamed back", s.hasSaid("mirror is called weir1 now"))
	show()
	w.remove()
	s.until("it is said to be gone", s.hasSaid("weir1 is not there any more"))
	w.make()
	s.until("it is said to be there", s.hasSaid("weir1 is there again"))
	show()
	got := s.end()
	if n := len(got.Flows); n != sent {
		t.Errorf("%d flows, want %d", n, sent)
	}
	if notes := strings.Join(s.Progress().Notes, "\n"); !strings.Contains(notes, "went down or away") {
		t.Errorf("notes %q do not tell that it was away", notes)
	}
	for _, f := range got.Flows {
		if f.Sensor != "weir1" {
			t.Fatalf("sensor %q, want weir1 whatever it is called", f.Sensor)
		}
	}
}

// TestDownAtStart watches an interface that is down: it is said, and what comes
// when it is up is seen.
func TestDownAtStart(t *testing.T) {
	w := newWire(t, "weir0", "weir1")
	w.up("weir1", false)
	c := configOf(t, "weir1")
	c.Workers = 2
	s := watch(t, c)
	if notes := strings.Join(s.Progress().Notes, "\n"); !strings.Contains(notes, "ip link set weir1 up") {
		t.Errorf("notes %q do not say how to have it up", notes)
	}
	w.up("weir1", true)
	s.until("it is up", s.hasSaid("weir1 is up"))
	w.send(frames(talkOf("10.0.0.1", "10.0.0.2", 1, 0))...)
	s.until("packets are seen", func() bool { return s.Progress().Packets == 7 })
	s.end()
}

// TestLosses has nobody take the records while more comes than the ring holds:
// what was sent is what was metered and what the kernel says it dropped.
func TestLosses(t *testing.T) {
	w := newWire(t, "weir0", "weir1")
	c := configOf(t, "weir1")
	c.Workers, c.BufferBytes = 1, minBuffer
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	f := frame{src: "10.0.0.1", dst: "10.0.0.2", srcPort: 1, dstPort: 9, proto: weir.UDP, payload: strings.Repeat("x", 1000)}
	const sent = 5000
	for range sent { // nothing fetches yet: some 4,000 do not fit
		w.send(f.bytes())
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(300*time.Millisecond, cancel)
	var health weir.Exporter
	var packets uint64
	err = s.Run(ctx, func(b *weir.Batch) error {
		for _, f := range b.Flows {
			packets += f.PacketsUp
		}
		for _, e := range b.Exporters {
			health = e
		}
		return nil
	})
	v := s.Views()[0]
	// A busy machine drops some before they leave, at the sending interface.
	left := int64(deviceCounters("weir0").sent)
	if !errors.Is(err, context.Canceled) || v.Packets+v.Dropped != left || left > sent || v.Dropped < 1000 || packets != uint64(v.Packets) {
		t.Errorf("%v: of %d packets %d were seen, %d dropped, %d are in flows", err, left, v.Packets, v.Dropped, packets)
	}
	if health.Kind != "interface" || health.DroppedKernel != uint64(v.Dropped) || health.Datagrams != uint64(v.Packets) || health.Input != "weir1" {
		t.Errorf("health %+v does not tell it", health)
	}
	if notes := strings.Join(s.Progress().Notes, "\n"); !strings.Contains(notes, "the kernel dropped") {
		t.Errorf("notes %q do not tell it", notes)
	}
}

// TestSlowStore has who takes the records stand still: packets are metered on,
// and none is dropped.
func TestSlowStore(t *testing.T) {
	w := newWire(t, "weir0", "weir1")
	c := configOf(t, "weir1")
	c.Workers = 2
	c.Meter.BatchRecords, c.Meter.UDPIdle = 64, time.Second
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	stand, goOn := make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	var once sync.Once
	var flows int
	go func() {
		ended <- s.Run(ctx, func(b *weir.Batch) error {
			once.Do(func() { close(stand) })
			<-goOn
			flows += len(b.Flows)
			return nil
		})
	}()
	one := func(n int) []byte {
		return frame{src: "10.0.0.1", dst: fmt.Sprintf("10.1.%d.%d", n/250, 1+n%250), srcPort: 1, dstPort: 9, proto: weir.UDP, payload: strings.Repeat("x", 1000)}.bytes()
	}
	w.send(one(0))
	<-stand // the first record, when it has been idle, or the time
	const more = 3000
	for n := range more {
		w.send(one(1 + n))
	}
	for range 500 {
		if s.Progress().Packets == more+1 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if p := s.Progress(); p.Packets != more+1 || p.Dropped != 0 {
		t.Errorf("while nobody took records %d packets were metered and %d dropped, want %d and none", p.Packets, p.Dropped, more+1)
	}
	close(goOn)
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) || flows != more+1 {
		for _, w := range s.workers {
			t.Logf("worker: %+v, decoder %+v", w.meter.Counters(), w.decoder.Counters())
		}
		t.Errorf("%d flows, %v; want %d", flows, err, more+1)
	}
}

// TestFilter lets in what fits, and of packets in a VLAN by their tag.
func TestFilter(t *testing.T) {
	for expr, want := range map[string]int64{
		"": 30, "udp port 9": 10, "vlan 10": 10, "vlan": 20, "not vlan": 10, "vlan 10 and udp port 9": 0, "port 11": 10, "ether proto 0x800": 30, "inbound": 30, "outbound": 0,
	} {
		t.Run(expr, func(t *testing.T) {
			w := newWire(t, "weir0", "weir1")
			c := configOf(t, "weir1")
			c.Filter, c.Workers = expr, 2
			s := watch(t, c)
			for n := range 10 {
				for tag := range uint16(3) {
					w.send(frame{src: "10.0.0.1", dst: "10.0.0.2", srcPort: uint16(100 + n), dstPort: 9 + tag, proto: weir.UDP, payload: "x", tag: 10 * tag}.bytes())
				}
			}
			time.Sleep(200 * time.Millisecond)
			s.end()
			if got := s.Progress().Packets; got != want {
				t.Errorf("filter %q: %d packets of 30, want %d", expr, got, want)
			}
		})
	}
}

// TestLoopback sees each packet once, although the kernel shows it twice.
func TestLoopback(t *testing.T) {
	w := newWire(t, "weir0", "weir1")
	w.up("lo", true)
	c := configOf(t, "lo")
	s := watch(t, c)
	to, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	from, err := net.Dial("udp4", to.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	for range 10 {
		if _, err := from.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(200 * time.Millisecond)
	got := s.end()
	if len(got.Flows) != 1 || got.Flows[0].PacketsUp != 10 {
		t.Errorf("flows %+v, want one of 10 packets", got.Flows)
	}
}

// TestOutgoing sees what the machine itself sends at an interface, once.
func TestOutgoing(t *testing.T) {
	w := newWire(t, "weir0", "weir1")
	s := watch(t, configOf(t, "weir0"))
	w.send(frames(talkOf("10.0.0.1", "10.0.0.2", 1, 0))...)
	time.Sleep(200 * time.Millisecond)
	got := s.end()
	if v := s.Views()[0]; len(got.Flows) != 1 || v.Packets != 7 || v.Outgoing != 7 {
		t.Errorf("%d flows, %d packets, %d of them outgoing; want one of 7", len(got.Flows), v.Packets, v.Outgoing)
	}
}

// TestMirrorFaults tells in words of traffic in one direction and of packets
// that come twice, and says nothing of traffic as it should be.
func TestMirrorFaults(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(f frame) (times int)
		want   string
	}{
		{"sound", func(frame) int { return 1 }, ""},
		{"one way", func(f frame) int { return map[bool]int{true: 1}[f.src == "10.0.0.1"] }, "one direction only is seen"},
		{"twice", func(frame) int { return 2 }, "of packets come twice"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWire(t, "weir0", "weir1")
			s := watch(t, configOf(t, "weir1"))
			for n := range 100 {
				for _, f := range talkOf("10.0.0.1", "192.0.2.80", n, 0) {
					for range test.change(f) {
						w.send(f.bytes())
					}
				}
			}
			time.Sleep(time.Duration(judgeAfter+2) * time.Second)
			var health weir.Exporter
			for _, e := range s.end().Exporters {
				health = e
			}
			notes := strings.Join(s.Progress().Notes, "\n")
			faulty := strings.Contains(notes, "one direction only") || strings.Contains(notes, "twice")
			if faulty != (test.want != "") || !strings.Contains(notes, test.want) {
				t.Errorf("notes %q, want %q; seen %+v", notes, test.want, s.Views()[0].Seen)
			}
			if want := map[bool]float64{true: 1}[test.name == "one way"]; health.OneWay != want {
				t.Errorf("health tells %v one-way, want %v", health.OneWay, want)
			}
		})
	}
}

// TestOffloads tells of GRO with the command that ends it, and of packets
// longer than the interface carries.
func TestOffloads(t *testing.T) {
	w := newWire(t, "weir0", "weir1")
	const setGRO = 0x2c // ETHTOOL_SGRO
	if err := w.ethtoolSet("weir1", setGRO, true); err != nil {
		t.Skip(err)
	}
	s := watch(t, configOf(t, "weir1"))
	notes := func() string { return strings.Join(s.Progress().Notes, "\n") }
	if got := notes(); !strings.Contains(got, "GRO") || !strings.Contains(got, "`ethtool -K weir1 gro off`") {
		t.Errorf("notes %q do not tell of GRO", got)
	}
	if err := w.ethtoolSet("weir1", setGRO, false); err != nil {
		t.Fatal(err)
	}
	s.until("it is not told any more", func() bool { return !strings.Contains(notes(), "GRO") })
	s.end()
}

// TestRefused says what there is where an interface is not.
func TestRefused(t *testing.T) {
	needNamespace(t)
	_, err := New(configOf(t, "nowhere9"))
	if !errors.Is(err, ErrNoInterface) || !strings.Contains(err.Error(), "there are lo") {
		t.Errorf("error %v, want one that lists the interfaces", err)
	}
	c := configOf(t, "lo")
	c.Filter = "tcp prt 80"
	if _, err := New(c); err == nil || !strings.Contains(err.Error(), `"prt"`) {
		t.Errorf("error %v, want one about the filter", err)
	}
	for _, bad := range []string{"", "a+", "a+a", "a/b", "averyverylongname"} {
		if _, err := ParsePoint(bad); err == nil {
			t.Errorf("%q is taken for a point", bad)
		}
	}
}

// TestAllocations meters packets of one flow without allocating for any of them.
func TestAllocations(t *testing.T) {
	w := newWire(t, "weir0", "weir1")
	c := configOf(t, "weir1")
	c.Workers, c.BufferBytes = 1, 64<<20
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	f := frame{src: "10.0.0.1", dst: "10.0.0.2", srcPort: 1, dstPort: 9, proto: weir.UDP, payload: "x", tag: 7}.bytes()
	const packets = 20000
	for range packets {
		w.send(f)
	}
	time.Sleep(3 * retireMillis * time.Millisecond)
	one := s.workers[0]
	if n, _, err := one.take(1000); n != 1000 || err != nil { // the flow and its slab
		t.Fatal(n, err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	n, _, err := one.take(packets)
	runtime.ReadMemStats(&after)
	if n != packets-1000 || err != nil || after.Mallocs-before.Mallocs > 20 {
		t.Errorf("%d allocations for %d packets, %v", after.Mallocs-before.Mallocs, n, err)
	}
}

// TestTimes says how often in words.
func TestTimes(t *testing.T) {
	if got := times(1) + ", " + times(2); got != "once, 2 times" {
		t.Errorf("got %q", got)
	}
}
