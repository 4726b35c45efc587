package meter_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/packet"
	"github.com/weir-nta/weir/meter"
)

var (
	client = packet.AddrFrom(netip.MustParseAddr("10.0.0.1"))
	server = packet.AddrFrom(netip.MustParseAddr("192.0.2.80"))
)

const sec = int64(time.Second)

// t0 is when the tests begin.
const t0 = 1_700_000_000 * sec

// A wire feeds a meter with packets made by hand and keeps what it says.
type wire struct {
	t       testing.TB
	m       *meter.Meter
	now     int64
	toPort  uint16 // the server's in scripts, if not 4444
	batches []*weir.Batch
}

func newWire(t testing.TB, c meter.Config) *wire {
	w := &wire{t: t, now: t0}
	m, err := meter.New(c, func(b *weir.Batch) error {
		w.batches = append(w.batches, b)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	w.m = m
	return w
}

// send gives one packet to the meter, and lets a millisecond pass.
func (w *wire) send(p packet.Packet) {
	w.t.Helper()
	if p.Bytes == 0 {
		p.Bytes = 40 + p.PayloadLen
	}
	if err := w.m.Packet(w.now, &p); err != nil {
		w.t.Fatal(err)
	}
	w.now += int64(time.Millisecond)
}

func (w *wire) wait(d time.Duration) { w.now += int64(d) }

func (w *wire) close() {
	w.t.Helper()
	if err := w.m.Close(); err != nil {
		w.t.Fatal(err)
	}
}

func (w *wire) flows() (all []weir.Flow) {
	for _, b := range w.batches {
		all = append(all, b.Flows...)
	}
	return all
}

func (w *wire) dns() (all []weir.DNSTransaction) {
	for _, b := range w.batches {
		all = append(all, b.DNS...)
	}
	return all
}

func (w *wire) oddities() (all []weir.Oddity) {
	for _, b := range w.batches {
		all = append(all, b.Oddities...)
	}
	return all
}

// tcp makes a segment from what its sender says: "c" or "s", flags as
// [weir.TCPFlags] writes them, numbers relative to 1000 and 5000.
func tcp(from, flags string, seq, ack uint32, data string) packet.Packet {
	p := packet.Packet{Src: client, Dst: server, SrcPort: 40000, DstPort: 4444, Proto: weir.TCP,
		Seq: 1000 + seq, Ack: 5000 + ack, Window: 1000, Payload: []byte(data), PayloadLen: len(data)}
	if from == "s" {
		p.Src, p.Dst, p.SrcPort, p.DstPort = p.Dst, p.Src, p.DstPort, p.SrcPort
		p.Seq, p.Ack = 5000+seq, 1000+ack
	}
	if err := p.Flags.UnmarshalText([]byte(flags)); err != nil {
		panic(err)
	}
	if p.Flags&weir.ACK == 0 {
		p.Ack = 0
	}
	return p
}

// script sends segments written as "c SA 0 1 data; …".
func (w *wire) script(text string) {
	w.t.Helper()
	for _, line := range strings.Split(text, ";") {
		words := strings.Fields(line)
		var seq, ack uint32
		fmt.Sscan(words[2], &seq)
		fmt.Sscan(words[3], &ack)
		data := ""
		if len(words) > 4 {
			data = words[4]
		}
		p := tcp(words[0], words[1], seq, ack, data)
		if w.toPort != 0 && words[0] == "c" {
			p.DstPort = w.toPort
		} else if w.toPort != 0 {
			p.SrcPort = w.toPort
		}
		w.send(p)
	}
}

const handshake = "c S 0 0; s SA 0 1; c A 1 1;"

func TestStates(t *testing.T) {
	for _, c := range []struct {
		state, history, script string
	}{
		{"S0", "S", "c S 0 0"},
		{"S0", "S", "c S 0 0; c S 0 0"},
		{"S1", "ShA", "c S 0 0; s SA 0 1; c A 1 1"},
		{"S1", "ShADd", handshake + "c PA 1 1 hello; s PA 1 6 world"},
		{"SF", "ShADadFf", handshake + "c PA 1 1 hello; s A 1 6; s PA 1 6 world; c FA 6 6; s FA 6 7; c A 7 7"},
		{"REJ", "Sr", "c S 0 0; s RA 0 1"},
		{"S2", "ShAF", handshake + "c FA 1 1"},
		{"S3", "ShAf", handshake + "s FA 1 1"},
		{"RSTO", "ShADR", handshake + "c PA 1 1 hello; c RA 6 1"},
		{"RSTR", "ShADr", handshake + "c PA 1 1 hello; s RA 1 6"},
		{"RSTOS0", "SR", "c S 0 0; c R 1 0"},
		{"SH", "SF", "c S 0 0; c F 1 0"},
		{"SHR", "^hf", "s SA 0 1; s FA 1 1"},
		{"RSTRH", "^hr", "s SA 0 1; s R 1 0"},
		{"OTH", "Dd", "c PA 1 1 hello; s PA 1 6 world"},
		{"OTH", "A", "c A 1 1"},
		{"S1", "^hA", "s SA 0 1; c A 1 1"},
		{"S1", "ShADT", handshake + "c PA 1 1 hello; c PA 1 1 hello"},
		{"S1", "ShADTT", handshake + strings.Repeat("c PA 1 1 hello;", 10) + "c PA 1 1 hello"},
		{"S1", "ShADaG", handshake + "c PA 1 1 hello; c PA 11 1 world; s A 1 16"},
		{"S1", "ShAaG", handshake + "s A 1 11"},
		{"S1", "ShADTa", handshake + "c PA 6 1 world; c PA 1 1 hello; s A 1 11"},
		{"SH", "Q", "c SF 0 0"},
		{"RSTO", "ShAI", handshake + "c RFA 1 1"},
	} {
		w := newWire(t, meter.DefaultConfig())
		w.script(c.script)
		w.close()
		flows := w.flows()
		f := flows[0]
		if len(flows) != 1 || f.State.String() != c.state || f.History != c.history {
			t.Errorf("%q: %d flows, the first %v %s; want one, %s %s", c.script, len(flows), f.State, f.History, c.state, c.history)
		}
		if f.Src.String() != "10.0.0.1" || f.SrcPort != 40000 {
			t.Errorf("%q: begun by %v:%d, want the client", c.script, f.Src, f.SrcPort)
		}
	}
}

func TestZeroWindow(t *testing.T) {
	w := newWire(t, meter.DefaultConfig())
	w.script("c S 0 0; s SA 0 1; c A 1 1")
	p := tcp("s", "A", 1, 1, "")
	p.Window = 0
	w.send(p)
	w.close()
	if got, want := w.flows()[0].History, "ShAaw"; got != want {
		t.Errorf("history with a zero window: %s, want %s", got, want)
	}
}

func udp(from string, data string) packet.Packet {
	p := packet.Packet{Src: client, Dst: server, SrcPort: 40000, DstPort: 4444, Proto: weir.UDP, Payload: []byte(data), PayloadLen: len(data)}
	if from == "s" {
		p.Src, p.Dst, p.SrcPort, p.DstPort = p.Dst, p.Src, p.DstPort, p.SrcPort
	}
	return p
}

func TestUDPStates(t *testing.T) {
	for _, c := range []struct {
		from, state, history string
		port                 uint16
	}{
		{"c", "S0", "D", 4444},
		{"cs", "SF", "Dd", 4444},
		{"s", "SHR", "^d", 123},
		{"sc", "SF", "^dD", 123},
	} {
		w := newWire(t, meter.DefaultConfig())
		for _, from := range strings.Split(c.from, "") {
			p := udp(from, "\x01\x02\x03")
			if from == "c" {
				p.DstPort = c.port
			} else {
				p.SrcPort = c.port
			}
			w.send(p)
		}
		w.close()
		f := w.flows()[0]
		if f.State.String() != c.state || f.History != c.history || f.DstPort != c.port {
			t.Errorf("%s: %v %s to port %d, want %s %s to %d", c.from, f.State, f.History, f.DstPort, c.state, c.history, c.port)
		}
	}
}

func TestICMP(t *testing.T) {
	w := newWire(t, meter.DefaultConfig())
	for id := range uint16(2) {
		w.send(packet.Packet{Src: client, Dst: server, Proto: weir.ICMPv4, ICMPType: 8, ICMPID: id})
		w.send(packet.Packet{Src: server, Dst: client, Proto: weir.ICMPv4, ICMPType: 0, ICMPID: id})
	}
	w.send(packet.Packet{Src: server, Dst: client, Proto: weir.ICMPv4, ICMPType: 3, ICMPCode: 1})
	w.close()
	flows := w.flows()
	if len(flows) != 3 {
		t.Fatalf("two pings and an error: %d flows, want 3", len(flows))
	}
	for _, f := range flows {
		up, down, typ := uint64(1), uint64(1), uint8(8)
		if f.Src.String() != "10.0.0.1" {
			down, typ = 0, 3
		}
		if f.PacketsUp != up || f.PacketsDown != down || f.ICMP.Type != typ || f.State != weir.StateOTH || f.SrcPort != 0 {
			t.Errorf("%v: up %d down %d type %d state %v, want %d %d %d OTH", f.Src, f.PacketsUp, f.PacketsDown, f.ICMP.Type, f.State, up, down, typ)
		}
	}
}

// TestTimers checks how many flows a pause makes of packets on the same ports.
func TestTimers(t *testing.T) {
	for _, c := range []struct {
		name          string
		first, second string
		pause         time.Duration
		flows         int
	}{
		{"tcp, not idle", handshake + "c PA 1 1 x", "c PA 2 1 y", 4 * time.Minute, 1},
		{"tcp, idle", handshake + "c PA 1 1 x", "c PA 2 1 y", 5*time.Minute + time.Second, 2},
		{"syn answered late", "c S 0 0", "s SA 0 1", 4 * time.Second, 1},
		{"syn given up", "c S 0 0", "c S 0 0", 6 * time.Second, 2},
		{"trailing packet", handshake + "c FA 1 1; s FA 1 2", "c A 2 2", 4 * time.Second, 1},
		{"after the close", handshake + "c FA 1 1; s FA 1 2", "c A 2 2", 6 * time.Second, 2},
		{"half closed", handshake + "c FA 1 1", "s PA 1 2 more", time.Minute, 1},
		{"after a reset", handshake + "c RA 1 1", "s A 1 1", 6 * time.Second, 2},
		{"new syn after the close", handshake + "c FA 1 1; s FA 1 2", "c S 7000 0", time.Second, 2},
		{"new syn meanwhile", handshake + "c PA 1 1 x", "c S 7000 0", time.Minute, 2},
		{"same syn again", "c S 0 0", "c S 0 0", time.Second, 1},
	} {
		w := newWire(t, meter.DefaultConfig())
		w.script(c.first)
		w.wait(c.pause)
		w.script(c.second)
		w.close()
		if got := len(w.flows()); got != c.flows {
			t.Errorf("%s: %d flows, want %d", c.name, got, c.flows)
		}
	}
}

// TestExpiry checks that a flow is reported when its time has come, not with
// the next packet of its own or the end.
func TestExpiry(t *testing.T) {
	c := meter.DefaultConfig()
	c.BatchRecords = 1
	w := newWire(t, c)
	w.send(udp("c", "x"))
	other := udp("c", "x")
	other.SrcPort = 5
	w.wait(59 * time.Second)
	w.send(other)
	if w.m.Counters().Records != 0 {
		t.Error("reported before it was idle for a minute")
	}
	w.wait(2 * time.Second)
	w.send(other)
	if w.m.Counters().Records != 1 {
		t.Error("not reported after it was idle for a minute")
	}
	w.close()
	if f := w.flows()[0]; f.Ongoing || f.SrcPort != 40000 {
		t.Errorf("first record: ongoing %v from port %d, want ended, 40000", f.Ongoing, f.SrcPort)
	}
	if f := w.flows()[1]; !f.Ongoing {
		t.Error("the flow cut off by the end of the input is not ongoing")
	}
}

func TestSlices(t *testing.T) {
	w := newWire(t, meter.DefaultConfig())
	w.script("c S 0 0; s SA 0 1; c A 1 1")
	for i := range uint32(200) { // 400 s
		w.script(fmt.Sprintf("c PA %d 1 x; s A 1 %d", 1+i, 2+i))
		w.wait(2 * time.Second)
	}
	w.script("c FA 201 1; s FA 1 202")
	w.close()
	flows := w.flows()
	if len(flows) != 2 {
		t.Fatalf("400 s with slices of 300: %d records, want 2", len(flows))
	}
	var up, down, data uint64
	for i, f := range flows {
		up, down, data = up+f.PacketsUp, down+f.PacketsDown, data+f.DataUp
		if f.Slice != uint32(i) || f.Ongoing != (i == 0) {
			t.Errorf("record %d: slice %d, ongoing %v", i, f.Slice, f.Ongoing)
		}
		if first := f.First(); !first.Equal(time.Unix(0, t0)) {
			t.Errorf("record %d: begun %v, want %v", i, first, time.Unix(0, t0))
		}
	}
	if up != 203 || down != 202 || data != 200 {
		t.Errorf("sums: %d packets up, %d down, %d octets; want 203, 202, 200", up, down, data)
	}
	if !flows[1].Start.After(flows[0].End) || flows[1].State != weir.StateSF || flows[0].State != weir.StateS1 {
		t.Errorf("slices %v–%v %v, %v–%v %v", flows[0].Start, flows[0].End, flows[0].State, flows[1].Start, flows[1].End, flows[1].State)
	}
}

// TestMaxFlows fills the table with SYNs that nobody answers, and expects the
// established connection to stay.
func TestMaxFlows(t *testing.T) {
	c := meter.DefaultConfig()
	c.MaxFlows = 10
	w := newWire(t, c)
	w.script(handshake + "c PA 1 1 hello")
	for port := range uint16(100) {
		p := tcp("c", "S", 0, 0, "")
		p.SrcPort = port
		w.send(p)
	}
	w.script("s A 1 6")
	w.close()
	if got := w.m.Counters(); got.Early != 91 || got.Flows != 101 || got.Records != 101 {
		t.Errorf("early %d, flows %d, records %d; want 91, 101, 101", got.Early, got.Flows, got.Records)
	}
	for _, f := range w.flows() {
		if f.SrcPort == 40000 && f.PacketsDown != 2 {
			t.Errorf("the established connection was cut after %d packets down", f.PacketsDown)
		}
	}
}

func TestClock(t *testing.T) {
	w := newWire(t, meter.DefaultConfig())
	w.script(handshake + "c PA 1 1 x")
	right := w.now
	w.now = t0 + 1000*24*3600*sec
	w.script("c PA 2 1 y") // one damaged time
	w.now = right
	w.script("c PA 3 1 z")
	w.now -= 30 * sec
	w.script("c PA 4 1 z") // late
	w.close()
	flows, got := w.flows(), w.m.Counters()
	if len(flows) != 1 || flows[0].End.Sub(flows[0].Start) > time.Second {
		t.Errorf("%d flows, the first lasting %v; want one of less than a second", len(flows), flows[0].Duration)
	}
	if got.Jumps != 1 || got.Backwards != 1 || got.ClockResets != 0 {
		t.Errorf("jumps %d, backwards %d, resets %d; want 1, 1, 0", got.Jumps, got.Backwards, got.ClockResets)
	}
	if odd := w.oddities(); len(odd) != 2 || odd[0].Name != "clock_jump" || odd[1].Name != "clock_backwards" {
		t.Errorf("oddities %v, want clock_jump and clock_backwards", odd)
	}
}

// TestClockSteps checks steps that the next packet confirms.
func TestClockSteps(t *testing.T) {
	for _, days := range []int64{2, -2} {
		w := newWire(t, meter.DefaultConfig())
		w.send(udp("c", "a"))
		w.now += days * 24 * 3600 * sec
		from := w.now
		w.send(udp("c", "b"))
		w.send(udp("c", "c"))
		w.close()
		flows := w.flows()
		if len(flows) != 2 || flows[1].PacketsUp != 2 || flows[1].Start.UnixNano() != from {
			t.Errorf("step of %d days: %d flows %v, want 2, the second of 2 packets from %d on", days, len(flows), flows, from)
		}
		if got := w.m.Counters(); got.Jumps != 0 || got.ClockResets != uint64(max(0, -days/2)) {
			t.Errorf("step of %d days: jumps %d, resets %d", days, got.Jumps, got.ClockResets)
		}
	}
}

func TestEmitError(t *testing.T) {
	full := errors.New("disk full")
	m, err := meter.New(meter.DefaultConfig(), func(*weir.Batch) error { return full })
	if err != nil {
		t.Fatal(err)
	}
	p := udp("c", "x")
	if err := m.Packet(t0, &p); err != nil {
		t.Errorf("first packet: %v", err)
	}
	if err := m.Close(); err != full {
		t.Errorf("Close = %v, want %v", err, full)
	}
	if err := m.Packet(t0, &p); err != full {
		t.Errorf("Packet after it = %v, want %v", err, full)
	}
}

func TestConfig(t *testing.T) {
	c := meter.DefaultConfig()
	c.MaxFlows = 0
	if _, err := meter.New(c, nil); err == nil || err.Error() != "max_flows: got 0, want 1 to 268435456" {
		t.Errorf("max_flows 0: %v", err)
	}
	c = meter.DefaultConfig()
	c.UDPIdle = 0
	if _, err := meter.New(c, nil); err == nil || err.Error() != "udp_idle: got 0s, want 1s to 24h0m0s" {
		t.Errorf("udp_idle 0: %v", err)
	}
}

// dnsMessage makes a query or response for the A record of a name.
func dnsMessage(id uint16, response bool, name string) string {
	b := binary.BigEndian.AppendUint16(nil, id)
	flags, answers := uint16(0x0100), uint16(0)
	if response {
		flags, answers = 0x8180, 1
	}
	for _, n := range []uint16{flags, 1, answers, 0, 0} {
		b = binary.BigEndian.AppendUint16(b, n)
	}
	for _, label := range strings.Split(name, ".") {
		b = append(append(b, byte(len(label))), label...)
	}
	b = append(b, 0, 0, 1, 0, 1)
	if response {
		b = append(b, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1)
	}
	return string(b)
}

func dnsPacket(from string, message string) packet.Packet {
	p := udp(from, message)
	if from == "c" {
		p.DstPort = 53
	} else {
		p.SrcPort = 53
	}
	return p
}

func TestDNS(t *testing.T) {
	w := newWire(t, meter.DefaultConfig())
	w.send(dnsPacket("c", dnsMessage(7, false, "www.example.com")))
	w.send(dnsPacket("c", dnsMessage(7, false, "other.example.com"))) // the same id
	w.send(dnsPacket("s", dnsMessage(7, true, "WWW.example.com")))
	w.send(dnsPacket("s", dnsMessage(9, true, "unasked.example.com")))
	w.wait(11 * time.Second)
	w.send(dnsPacket("c", dnsMessage(8, false, "late.example.com")))
	before := w.m.Counters()
	w.close()
	if before.DNSUnanswered != 1 {
		t.Errorf("after 11 s: %d unanswered, want 1", before.DNSUnanswered)
	}
	got := w.m.Counters()
	if got.DNS != 4 || got.DNSUnanswered != 2 || got.DNSUnasked != 1 {
		t.Errorf("%d transactions, %d unanswered, %d unasked; want 4, 2, 1", got.DNS, got.DNSUnanswered, got.DNSUnasked)
	}
	for i, want := range []struct {
		query, code string
		rtt         time.Duration
	}{
		{"www.example.com", "NOERROR", 2 * time.Millisecond},
		{"unasked.example.com", "NOERROR", 0},
		{"other.example.com", "", 0},
		{"late.example.com", "", 0},
	} {
		d := w.dns()[i]
		if d.Query != want.query || d.Code != want.code || d.RTT != want.rtt || d.Src.String() != "10.0.0.1" || d.DstPort != 53 {
			t.Errorf("transaction %d: %s %q %v from %v to port %d, want %v", i, d.Query, d.Code, d.RTT, d.Src, d.DstPort, want)
		}
	}
	if f := w.flows()[0]; f.App != "dns" || f.AppGuessed {
		t.Errorf("app %q, guessed %v; want dns", f.App, f.AppGuessed)
	}
}

// TestDNSOverTCP sends several messages in pieces that end nowhere in particular.
func TestDNSOverTCP(t *testing.T) {
	w := newWire(t, meter.DefaultConfig())
	at := map[string]uint32{"c": 1, "s": 1}
	onPort53 := func(p packet.Packet) packet.Packet {
		if p.SrcPort == 4444 {
			p.SrcPort = 53
		} else {
			p.DstPort = 53
		}
		return p
	}
	send := func(from, data string) {
		other := "c"
		if from == "c" {
			other = "s"
		}
		w.send(onPort53(tcp(from, "PA", at[from], at[other], data)))
		at[from] += uint32(len(data))
	}
	w.send(onPort53(tcp("c", "S", 0, 0, "")))
	w.send(onPort53(tcp("s", "SA", 0, 1, "")))
	var queries, responses string
	const n = 40
	for id := range uint16(n) {
		for dst, response := range map[*string]bool{&queries: false, &responses: true} {
			m := dnsMessage(id, response, fmt.Sprintf("host%d.example.com", id))
			*dst += string(binary.BigEndian.AppendUint16(nil, uint16(len(m)))) + m
		}
	}
	for len(queries) > 0 {
		k := min(len(queries), 17)
		send("c", queries[:k])
		queries = queries[k:]
	}
	for len(responses) > 0 {
		k := min(len(responses), 101)
		send("s", responses[:k])
		responses = responses[k:]
	}
	w.close()
	if got := w.m.Counters(); got.DNS != n || got.DNSUnanswered != 0 || got.DNSUnasked != 0 || got.DNSDamaged != 0 {
		t.Errorf("%d queries over TCP: %d transactions, %d unanswered, %d unasked, %d damaged", n, got.DNS, got.DNSUnanswered, got.DNSUnasked, got.DNSDamaged)
	}
	if f := w.flows()[0]; f.App != "dns" || f.AppGuessed {
		t.Errorf("app %q, guessed %v; want dns", f.App, f.AppGuessed)
	}
}

func TestDNSLimit(t *testing.T) {
	c := meter.DefaultConfig()
	c.MaxQueries = 3
	w := newWire(t, c)
	for id := range uint16(10) {
		w.send(dnsPacket("c", dnsMessage(id, false, "a.example.com")))
	}
	if got := w.m.Counters(); got.DNSEvicted != 7 || got.DNS != 7 {
		t.Errorf("10 queries, room for 3: %d evicted, %d reported; want 7, 7", got.DNSEvicted, got.DNS)
	}
}

// TestNoAllocations sends packets of conversations that are under way.
func TestNoAllocations(t *testing.T) {
	w := newWire(t, meter.DefaultConfig())
	w.script(handshake + "c PA 1 1 hello; s PA 1 6 world")
	seq := uint32(6)
	data, ack := tcp("c", "PA", seq, 6, strings.Repeat("x", 1000)), tcp("s", "A", 6, 0, "")
	datagram := udp("c", "0123456789")
	for range 100 {
		w.send(datagram)
	}
	now := w.now
	n := testing.AllocsPerRun(1000, func() {
		now += int64(time.Microsecond)
		for _, p := range []*packet.Packet{&data, &ack, &datagram} {
			if err := w.m.Packet(now, p); err != nil {
				t.Fatal(err)
			}
		}
		data.Seq += 1000
		ack.Ack = data.Seq
	})
	if n != 0 {
		t.Errorf("%v allocations for three packets of known flows, want 0", n)
	}
}
