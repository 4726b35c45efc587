package hosts

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/weir-nta/weir"
)

// office returns flows as an office makes them: 200 clients of 300 servers
// outside and 10 inside.
func office(n int) []weir.Flow {
	flows := make([]weir.Flow, n)
	for i := range flows {
		f := &flows[i]
		client := netip.AddrFrom4([4]byte{10, 10, 1, byte(i*7%200 + 1)})
		f.Start = start.Add(time.Duration(i) * time.Millisecond)
		f.End = f.Start.Add(50 * time.Millisecond)
		f.Src, f.SrcPort, f.Proto, f.State = client, uint16(20000+i%20000), weir.TCP, weir.StateSF
		f.SrcMAC, f.DstMAC = fmt.Sprintf("00:1c:bf:03:54:%02x", i*7%200), "00:1a:1e:00:00:01"
		f.PacketsUp, f.PacketsDown, f.DataUp, f.DataDown = 8, 12, 600, 9000
		f.TTLUp, f.TTLDown = 128, 57
		f.TCP = &weir.TCPHead{OptionsUp: "mss,nop,ws,nop,nop,sok", WindowUp: 64240}
		if i%5 == 0 {
			f.Direction, f.Dst, f.DstPort, f.App, f.TTLDown = weir.Internal, netip.AddrFrom4([4]byte{10, 20, 0, byte(i % 10)}), 445, "smb", 127
			continue
		}
		f.Direction, f.Dst, f.DstPort, f.App = weir.Outbound, netip.AddrFrom4([4]byte{192, 0, 2, byte(i % 250)}), 443, "tls"
		f.DstHost, f.DstDomain = "www.example.com", "example.com"
	}
	return flows
}

// BenchmarkEnrich measures a flow, once the devices are known.
func BenchmarkEnrich(b *testing.B) {
	e, err := Default.New(private)
	if err != nil {
		b.Fatal(err)
	}
	batch := &weir.Batch{Flows: office(2000)}
	e.Enrich(batch)
	b.ReportAllocs()
	for b.Loop() {
		batch.Hosts = batch.Hosts[:0]
		e.Enrich(batch)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(batch.Flows)), "ns/flow")
}

// BenchmarkPassedBy measures a flow between addresses that are nobody's here.
func BenchmarkPassedBy(b *testing.B) {
	e, err := Default.New(private)
	if err != nil {
		b.Fatal(err)
	}
	batch := &weir.Batch{Flows: office(2000)}
	for i := range batch.Flows {
		batch.Flows[i].Direction = weir.External
	}
	for b.Loop() {
		e.Enrich(batch)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(batch.Flows)), "ns/flow")
}

// TestNoAllocations: a flow of known devices costs no memory.
func TestNoAllocations(t *testing.T) {
	e := newTest(t, Default)
	batch := &weir.Batch{Flows: office(500)}
	e.Enrich(batch)
	if n := testing.AllocsPerRun(20, func() { e.Enrich(batch) }); n > 0 {
		t.Errorf("%v allocations for a batch of %d flows, want none", n, len(batch.Flows))
	}
}
