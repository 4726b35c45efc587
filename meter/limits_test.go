package meter_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/packet"
	"github.com/weir-nta/weir/meter"
)

func TestHistoriesCut(t *testing.T) {
	w := newWire(t, meter.DefaultConfig())
	w.script(handshake[:len(handshake)-1])
	for i := range uint32(100) {
		w.send(tcp("s", "R", 10+i, 0, ""))
	}
	w.close()
	f := w.flows()[0]
	if got := w.m.Counters().HistoriesCut; len(f.History) != 48 || got != 55 {
		t.Errorf("100 RSTs: history of %d letters, %d cut; want 48, 55", len(f.History), got)
	}
}

// TestHolesMerged leaves out every other segment and then acknowledges all.
func TestHolesMerged(t *testing.T) {
	w := newWire(t, meter.DefaultConfig())
	w.script(handshake[:len(handshake)-1])
	for i := range uint32(20) {
		w.send(tcp("c", "PA", 11+20*i, 1, "0123456789"))
	}
	w.send(tcp("s", "A", 1, 401, ""))
	w.close()
	if got := w.m.Counters().HolesMerged; got != 12 {
		t.Errorf("20 holes, room for 8: %d merged, want 12", got)
	}
	if f := w.flows()[0]; f.History != "ShADaG" {
		t.Errorf("history %s, want ShADaG", f.History)
	}
}

// TestMaxHoles: where there are gaps in too many streams to tell them apart,
// those that are read are put in order all the same.
func TestMaxHoles(t *testing.T) {
	c := meter.DefaultConfig()
	c.MaxFlows = 20
	w := newWire(t, c)
	hello := string(clientHello("www.example.com"))
	for i := range uint16(10) {
		for _, p := range []packet.Packet{tcp("c", "S", 0, 0, ""), tcp("c", "PA", 51, 1, hello[50:]), tcp("c", "PA", 1, 1, hello[:50])} {
			p.SrcPort = 1000 + i
			if i < 9 && p.Seq == 1001 {
				continue // the gap remains
			}
			w.send(p)
		}
	}
	w.close()
	if got := w.m.Counters().HolesMerged; got != 7 {
		t.Errorf("10 streams with gaps, room for 3: %d merged, want 7", got)
	}
	for _, f := range w.flows() {
		if f.SrcPort == 1009 && (f.TLS == nil || f.TLS.SNI != "www.example.com") {
			t.Errorf("TLS %+v, want what came in the wrong order", f.TLS)
		}
	}
}

// TestDNSDamaged sends messages that cannot be read: one in which a name
// loops, and responses that end too early: one by itself, one by the snaplen and
// one as the first fragment, of which only the first is odd.
func TestDNSDamaged(t *testing.T) {
	w := newWire(t, meter.DefaultConfig())
	loop := []byte(dnsMessage(1, false, "a.example.com"))
	copy(loop[12:], "\xc0\x0c")
	w.send(dnsPacket("c", string(loop)))
	w.send(dnsPacket("c", dnsMessage(2, false, "a.example.com")))
	w.send(dnsPacket("c", dnsMessage(3, false, "b.example.com")))
	short := dnsMessage(2, true, "a.example.com")
	w.send(dnsPacket("s", short[:len(short)-3]))
	cut := dnsPacket("s", dnsMessage(3, true, "b.example.com")[:40])
	cut.PayloadLen += 100
	w.send(cut)
	w.send(dnsPacket("c", dnsMessage(4, false, "c.example.com")))
	fragment := dnsPacket("s", dnsMessage(4, true, "c.example.com")[:40])
	fragment.FirstFragment = true
	w.send(fragment)
	w.close()
	if got := w.m.Counters(); got.DNSDamaged != 2 || got.DNSCut != 2 || got.DNS != 3 || got.DNSUnanswered != 0 {
		t.Errorf("%d damaged, %d cut, %d transactions, %d unanswered; want 2, 2, 3, 0", got.DNSDamaged, got.DNSCut, got.DNS, got.DNSUnanswered)
	}
	odd := w.oddities()
	if len(odd) != 2 || odd[0].Name != "dns_damaged" || odd[0].Detail == "" || odd[0].Src.String() != "10.0.0.1" || odd[1].Src.String() != "192.0.2.80" {
		t.Errorf("oddities %+v, want dns_damaged of both, with its reason", odd)
	}
}

// TestMulticastDNS expects queries to a group to be told at once, and
// announcements as what their sender says.
func TestMulticastDNS(t *testing.T) {
	w := newWire(t, meter.DefaultConfig())
	group := packet.AddrFrom(netip.MustParseAddr("224.0.0.251"))
	for _, response := range []bool{false, true} {
		p := udp("c", dnsMessage(0, response, "printer.local"))
		p.Dst, p.SrcPort, p.DstPort = group, 5353, 5353
		w.send(p)
	}
	if got := w.m.Counters(); got.DNS != 2 {
		t.Errorf("%d transactions before the end, want 2", got.DNS)
	}
	w.close()
	for i, d := range w.dns() {
		if d.App != "mdns" || d.Src.String() != "10.0.0.1" || d.Dst.String() != "224.0.0.251" || d.Answered() != (i == 1) {
			t.Errorf("transaction %d: %s from %v to %v, answered %v", i, d.App, d.Src, d.Dst, d.Answered())
		}
	}
}

// TestThrough checks that no record is older than promised, unless it is counted.
func TestThrough(t *testing.T) {
	for _, late := range []time.Duration{0, 30 * time.Minute} {
		c := meter.DefaultConfig()
		c.BatchRecords = 5
		w := newWire(t, c)
		for i := range 1000 {
			p := udp("c", "x")
			p.SrcPort = uint16(i)
			w.send(p)
			w.wait(time.Second)
		}
		w.wait(-late)
		w.script("c S 0 0")
		w.close()
		var through time.Time
		broken := uint64(0)
		for _, b := range w.batches {
			for _, f := range b.Flows {
				if f.End.Before(through) {
					broken++
				}
			}
			if b.Through.Before(through) {
				t.Errorf("Through goes back from %v to %v", through, b.Through)
			}
			through = b.Through
		}
		if got := w.m.Counters().LateRecords; got != broken || (broken > 0) != (late > 0) {
			t.Errorf("a packet late by %v: %d records older than promised, %d counted", late, broken, got)
		}
	}
}

// TestFragments expects later fragments to count, and to say nothing.
func TestFragments(t *testing.T) {
	w := newWire(t, meter.DefaultConfig())
	w.script(handshake + "c PA 1 1 hello")
	p := tcp("c", "A", 0, 0, "")
	p.Flags, p.LaterFragment, p.PayloadLen = 0, true, 500
	w.send(p)
	w.close()
	if f := w.flows()[0]; f.History != "ShAD" || f.PacketsUp != 4 || f.DataUp != 505 {
		t.Errorf("history %s, %d packets, %d octets up; want ShAD, 4, 505", f.History, f.PacketsUp, f.DataUp)
	}
}

// TestGuess checks when the port may name the application.
func TestGuess(t *testing.T) {
	for _, c := range []struct {
		name, script, app string
		port              uint16
	}{
		{"unanswered", "c S 0 0", "", 22},
		{"rejected", "c S 0 0; s RA 0 1", "", 22},
		{"answered, silent", handshake + "c A 1 1", "ssh", 22},
		{"says something else", handshake + "c PA 1 1 \x01\x02\x03\x04\x05\x06\x07\x08\x09", "", 443},
		{"a port of nothing", handshake + "c A 1 1", "", 48765},
	} {
		w := newWire(t, meter.DefaultConfig())
		w.toPort = c.port
		w.script(c.script)
		w.close()
		if f := w.flows()[0]; f.App != c.app || f.AppGuessed != (c.app != "") {
			t.Errorf("%s: app %q, guessed %v; want %q", c.name, f.App, f.AppGuessed, c.app)
		}
	}
}

// TestFlush checks that a live source gets what there is.
func TestFlush(t *testing.T) {
	w := newWire(t, meter.DefaultConfig())
	w.send(dnsPacket("s", dnsMessage(9, true, "unasked.example.com")))
	if err := w.m.Flush(); err != nil || len(w.dns()) != 1 {
		t.Errorf("Flush = %v with %d transactions, want one", err, len(w.dns()))
	}
}

// TestOddity checks that what its caller finds odd is counted in one record.
func TestOddity(t *testing.T) {
	w := newWire(t, meter.DefaultConfig())
	p := udp("c", "x")
	for range 3 {
		w.m.Oddity(t0, &p, "ip_fragment_overlap", "")
	}
	w.send(p)
	w.close()
	odd := w.oddities()
	if len(odd) != 1 || odd[0].Count != 3 || odd[0].Proto != weir.UDP || w.m.Counters().Oddities != 3 {
		t.Errorf("three times the same: %+v, want one record that counts 3", odd)
	}
}

// TestOddityAlone: of a capture in which no packet could be decoded the
// oddities are told all the same.
func TestOddityAlone(t *testing.T) {
	w := newWire(t, meter.DefaultConfig())
	w.m.Oddity(t0, &packet.Packet{}, "bad_header", "")
	w.close()
	if odd := w.oddities(); len(odd) != 1 || odd[0].Name != "bad_header" {
		t.Errorf("oddities %+v, want bad_header", odd)
	}
}

// TestNotes: what limits have cost is told in sentences, and only that.
func TestNotes(t *testing.T) {
	c := meter.Counters{Packets: 10, Early: 3, ReadersEvicted: 2, ReadersRefused: 5}
	notes := c.Notes()
	if len(notes) != 2 || !strings.HasSuffix(notes[0], ": 3") || !strings.HasSuffix(notes[1], ": 7") || c.Limited() != 10 {
		t.Errorf("%q, %d in all; want two notes of 3 and 7, and 10", notes, c.Limited())
	}
	if c = (meter.Counters{Packets: 10, HeadsGivenUp: 4}); c.Notes() != nil || c.Limited() != 0 {
		t.Errorf("%q, %d without any", c.Notes(), c.Limited())
	}
}
