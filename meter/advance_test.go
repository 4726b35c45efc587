package meter

import (
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/packet"
)

// TestAdvance ends a conversation on a link that has fallen silent, has a
// packet with a doubtful time believed or not by the wall's clock, and tells
// the time in batches without records.
func TestAdvance(t *testing.T) {
	var flows []weir.Flow
	var through time.Time
	batches := 0
	m, err := New(DefaultConfig(), func(b *weir.Batch) error {
		batches++
		flows = append(flows, b.Flows...)
		if b.Through.Before(through) {
			t.Errorf("through %v after %v", b.Through, through)
		}
		through = b.Through
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	at := func(d time.Duration) int64 { return start.Add(d).UnixNano() }
	p := packet.Packet{Src: packet.Addr{Hi: 1, Lo: 1}, Dst: packet.Addr{Hi: 1, Lo: 2}, SrcPort: 4000, DstPort: 9, Proto: weir.UDP, Bytes: 60, PayloadLen: 10}
	if err := m.Packet(at(0), &p); err != nil {
		t.Fatal(err)
	}
	if err := m.Advance(at(30 * time.Second)); err != nil || len(flows) != 0 || batches != 1 {
		t.Errorf("after half the timeout: %d flows in %d batches, %v; want none in one", len(flows), batches, err)
	}
	if err := m.Advance(at(-time.Hour)); err != nil || m.clock != at(30*time.Second) {
		t.Errorf("the clock went back to %v, %v", timeOf(m.clock), err)
	}
	if err := m.Advance(at(62 * time.Second)); err != nil || len(flows) != 1 {
		t.Fatalf("after the timeout: %d flows, %v; want one", len(flows), err)
	}
	if want := timeOf(at(62*time.Second) - int64(5*time.Minute) - late); !through.Equal(want) {
		t.Errorf("through %v, want %v", through, want)
	}
	p.SrcPort++
	if err := m.Packet(at(3*time.Hour), &p); err != nil || m.held.packet == nil {
		t.Fatalf("a jump of three hours was believed at once, %v", err)
	}
	if err := m.Advance(at(3*time.Hour + time.Second)); err != nil || m.held.packet != nil || m.Counters().Jumps != 0 {
		t.Errorf("the wall's clock did not confirm it: %v", err)
	}
	p.SrcPort++
	if err := m.Packet(at(9*time.Hour), &p); err != nil {
		t.Fatal(err)
	}
	if err := m.Advance(at(3*time.Hour + 2*time.Second)); err != nil || m.Counters().Jumps != 1 {
		t.Errorf("%d jumps denied, %v; want one", m.Counters().Jumps, err)
	}
}
