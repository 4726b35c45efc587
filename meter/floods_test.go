package meter_test

import (
	"flag"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/packet"
	"github.com/weir-nta/weir/meter"
)

// full has the floods tested at the size that docs/operate/limits.md tells of,
// with the default limits: some minutes and 2 GB. Else they are fifty times
// smaller, and the limits too.
var full = flag.Bool("full", false, "test floods at full size")

// A flood sends one packet after the other from ever new addresses, at the rate
// that a link carries, while ordinary conversations go on.
type flood struct {
	t      *testing.T
	m      *meter.Meter
	now    int64
	step   int64 // nanoseconds from packet to packet of the flood
	sent   int
	calm   []*calm
	begun  int
	flows  map[uint16]*weir.Flow
	http   map[uint16]int
	before runtime.MemStats
	peak   uint64 // of the heap, garbage included
}

// A calm is an ordinary conversation: a TLS handshake whose hellos come in two
// segments each, not always in their order, or two requests of HTTP, with the times of a distant server.
type calm struct {
	packets []packet.Packet
	next    int
	at      int64
}

const calmEvery, calmStep = 10 * time.Millisecond, 20 * time.Millisecond

func newFlood(t *testing.T, step time.Duration) (*flood, meter.Config) {
	c := meter.DefaultConfig()
	if !*full {
		c.MaxFlows /= 50
		c.MaxHeadTotal /= 50
		c.MaxReaders /= 50
		c.MaxShapes /= 50
		step *= 50
	}
	d := &flood{t: t, now: t0, step: int64(step), flows: map[uint16]*weir.Flow{}, http: map[uint16]int{}}
	m, err := meter.New(c, d.take)
	if err != nil {
		t.Fatal(err)
	}
	d.m = m
	runtime.GC()
	runtime.ReadMemStats(&d.before)
	return d, c
}

// take keeps the records of ordinary conversations.
func (d *flood) take(b *weir.Batch) error {
	for i := range b.Flows {
		if r := &b.Flows[i]; r.Src.String() == "10.0.0.1" {
			if d.flows[r.SrcPort] != nil {
				d.t.Errorf("conversation %d is told twice", r.SrcPort)
			}
			own := *r // not to keep the batch
			d.flows[r.SrcPort] = &own
		}
	}
	for i := range b.HTTP {
		if r := &b.HTTP[i]; r.Src.String() == "10.0.0.1" && r.Status == 200 {
			d.http[r.SrcPort]++
		}
	}
	return nil
}

func (d *flood) send(p packet.Packet) {
	p.Bytes = 40 + p.PayloadLen
	if err := d.m.Packet(d.now, &p); err != nil {
		d.t.Fatal(err)
	}
}

// attack sends the next packet of the flood, and what is due of the ordinary
// conversations.
func (d *flood) attack(p packet.Packet) {
	d.send(p)
	d.sent++
	d.now += d.step
	if d.now-t0 > int64(d.begun)*int64(calmEvery) && d.begun < 1000 {
		d.calm = append(d.calm, newCalm(d.begun, d.now))
		d.begun++
	}
	left := d.calm[:0]
	for _, c := range d.calm {
		if c.at <= d.now {
			d.send(c.packets[c.next])
			c.next, c.at = c.next+1, c.at+int64(calmStep)
		}
		if c.next < len(c.packets) {
			left = append(left, c)
		}
	}
	d.calm = left
	if d.sent%(1<<18) == 0 {
		var now runtime.MemStats
		runtime.ReadMemStats(&now)
		d.peak = max(d.peak, now.HeapAlloc)
	}
}

func newCalm(n int, at int64) *calm {
	port := uint16(1000 + n)
	var list []packet.Packet
	seq := map[string]int{"c": 1, "s": 1}
	say := func(from, text string, cuts ...int) {
		other := map[string]string{"c": "s", "s": "c"}[from]
		for i, lo := range append([]int{0}, cuts...) {
			hi := len(text)
			if i < len(cuts) {
				hi = cuts[i]
			}
			list = append(list, tcp(from, "PA", uint32(seq[from]), uint32(seq[other]), text[lo:hi]))
			seq[from] += hi - lo
		}
	}
	list = append(list, tcp("c", "S", 0, 0, ""), tcp("s", "SA", 0, 1, ""), tcp("c", "A", 1, 1, ""))
	if n%2 == 0 {
		say("c", string(clientHello(fmt.Sprintf("%d.example.com", n))), 50)
		say("s", string(serverHello()), 20)
	} else {
		for range 2 {
			say("c", "GET /index.html HTTP/1.1\r\nHost: www.example.com\r\n\r\n", 40)
			say("s", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 25)
		}
	}
	if n%4 == 0 { // the pieces of the ClientHello in the wrong order
		list[3], list[4] = list[4], list[3]
	}
	list = append(list, tcp("c", "FA", uint32(seq["c"]), uint32(seq["s"]), ""), tcp("s", "FA", uint32(seq["s"]), uint32(seq["c"]+1), ""))
	for i := range list {
		if p := &list[i]; p.Src == client {
			p.SrcPort = port
		} else {
			p.DstPort = port
		}
	}
	return &calm{packets: list, at: at}
}

// check ends the flood: of all ordinary conversations everything is told, but
// for shapes that are counted, and the meter's memory is within the limit.
func (d *flood) check(maxBytes uint64) {
	for len(d.calm) > 0 { // let them end
		d.now += int64(calmStep)
		left := d.calm[:0]
		for _, c := range d.calm {
			d.send(c.packets[c.next])
			if c.next++; c.next < len(c.packets) {
				left = append(left, c)
			}
		}
		d.calm = left
	}
	var after runtime.MemStats
	runtime.ReadMemStats(&after)
	d.peak = max(d.peak, after.HeapAlloc)
	runtime.GC()
	runtime.ReadMemStats(&after)
	held := after.HeapAlloc - min(after.HeapAlloc, d.before.HeapAlloc)
	counters := d.m.Counters()
	if err := d.m.Close(); err != nil {
		d.t.Fatal(err)
	}
	shapeless := 0
	for n := range d.begun {
		f := d.flows[uint16(1000+n)]
		if f != nil && f.Shape == nil {
			shapeless++
		}
		switch {
		case f == nil:
			d.t.Fatalf("conversation %d of %d is not told", n, d.begun)
		case f.State != weir.StateSF || f.Packets() != uint64(len(newCalm(n, 0).packets)):
			d.t.Errorf("conversation %d: %v, %d packets, %s", n, f.State, f.Packets(), f.History)
		case n%2 == 0 && (f.TLS == nil || f.TLS.SNI != fmt.Sprintf("%d.example.com", n) || f.TLS.JA3S == ""):
			d.t.Errorf("conversation %d: TLS %+v, want both hellos", n, f.TLS)
		case n%2 == 1 && (d.http[f.SrcPort] != 2 || f.App != "http"):
			d.t.Errorf("conversation %d: %s, %d requests answered, want 2", n, f.App, d.http[f.SrcPort])
		case f.TCP.RTTDown-calmStep > time.Duration(d.step) && n < d.begun-2:
			d.t.Errorf("conversation %d: rtt %v, want %v", n, f.TCP.RTTDown, calmStep)
		}
	}
	if shapeless > 0 && counters.ShapesEvicted < uint64(shapeless) {
		d.t.Errorf("%d conversations without shape, %d counted", shapeless, counters.ShapesEvicted)
	}
	if held > maxBytes {
		d.t.Errorf("the meter holds %d MB, want at most %d", held>>20, maxBytes>>20)
	}
	d.t.Logf("%d packets, %d ordinary conversations among them, %d without shape; holds %d MB, with garbage up to %d MB; %+v", d.sent, d.begun, shapeless, held>>20, d.peak>>20, counters)
}

// size is that of a flood.
func size(n int) int {
	if *full {
		return n
	}
	return n / 50
}

// forged is the n-th address of those that nobody has.
func forged(n int) packet.Addr {
	return packet.AddrFrom(netip.AddrFrom4([4]byte{11, byte(n >> 16), byte(n >> 8), byte(n)}))
}

// flowBytes is what a flow and its place in the table and elsewhere take at most.
const flowBytes = 700

// TestFloodSYN: ten million SYNs of ten million flows, one a microsecond.
func TestFloodSYN(t *testing.T) {
	d, c := newFlood(t, time.Microsecond)
	for i := range size(10_000_000) {
		p := tcp("c", "S", uint32(i), 0, "")
		p.Src, p.SrcPort, p.TTL = forged(i), uint16(i), 40
		p.Options = []byte{2, 4, 5, 180, 1, 3, 3, byte(i), byte(i%200 + 6), 2} // of many kinds
		d.attack(p)
	}
	d.check(uint64(c.MaxFlows)*flowBytes + 10<<20)
	if got := d.m.Counters(); got.Early == 0 || got.ShapesEvicted != 0 {
		t.Errorf("%d flows reported early, %d shapes taken; want many, none", got.Early, got.ShapesEvicted)
	}
}

// TestFloodHalfOpen: a million connections that begin a ClientHello in three
// pieces, one of them behind a gap, and never finish it.
func TestFloodHalfOpen(t *testing.T) {
	d, c := newFlood(t, 2*time.Microsecond)
	hello := string(clientHello(strings.Repeat("x", 200)))
	d.eachOf(size(1_000_000), func(one func(packet.Packet)) {
		one(tcp("c", "S", 0, 0, ""))
		one(tcp("s", "SA", 0, 1, ""))
		one(tcp("c", "A", 1, 1, ""))
		one(tcp("c", "PA", 1, 1, hello[:100]))
		one(tcp("c", "PA", 101, 1, hello[100:150]))
		one(tcp("c", "PA", 201, 1, hello[200:]))
	})
	d.check(uint64(c.MaxFlows)*flowBytes + uint64(c.MaxHeadTotal)*5/4 + uint64(c.MaxShapes)*400 + 20<<20)
	if got := d.m.Counters(); got.HeadsEvicted == 0 {
		t.Errorf("no head evicted: %+v", got)
	}
}

// TestFloodReaders: a million conversations that begin as SSH and go silent.
func TestFloodReaders(t *testing.T) {
	d, c := newFlood(t, 2*time.Microsecond)
	d.eachOf(size(1_000_000), func(one func(packet.Packet)) {
		one(tcp("c", "S", 0, 0, ""))
		one(tcp("s", "SA", 0, 1, ""))
		one(tcp("c", "A", 1, 1, ""))
		one(tcp("s", "PA", 1, 1, "SSH-2.0-OpenSSH_9.6\r\n"))
		one(tcp("c", "PA", 1, 22, "SSH-2.0-Go\r\n"))
	})
	d.check(uint64(c.MaxFlows)*flowBytes + uint64(c.MaxHeadTotal)*5/4 + uint64(c.MaxShapes)*400 + uint64(c.MaxReaders)*2000 + 20<<20)
	if got := d.m.Counters(); got.Readers < uint64(size(1_000_000)) || got.ReadersEvicted == 0 || got.ReadersRefused != 0 {
		t.Errorf("readers %d, evicted %d, refused %d; want one for each, and most evicted", got.Readers, got.ReadersEvicted, got.ReadersRefused)
	}
}

// eachOf sends n connections from forged addresses, a hundred at a time.
func (d *flood) eachOf(n int, script func(one func(packet.Packet))) {
	const together = 100
	var list []packet.Packet
	script(func(p packet.Packet) { list = append(list, p) })
	for i := 0; i < n; i += together {
		for _, p := range list {
			for j := range together {
				q := p
				if n := i + j; q.Src == client {
					q.Src, q.SrcPort = forged(n), uint16(n)
				} else {
					q.Dst, q.DstPort = forged(n), uint16(n)
				}
				d.attack(q)
			}
		}
	}
}
