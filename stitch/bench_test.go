package stitch

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/flowrec"
)

// halves makes the records of so many conversations, the two halves of each
// not far apart: connections, some of them long, attempts and look-ups.
func halves(conversations int) []flowrec.Record {
	rng := rand.New(rand.NewPCG(1, 2))
	list := make([]flowrec.Record, 0, 2*conversations)
	for i := range conversations {
		at := epoch.UnixMicro() + int64(i)*20
		r := flowrec.Record{
			Src: netip.AddrFrom4([4]byte{10, 0, byte(rng.Uint32N(16)), byte(rng.Uint32())}), SrcPort: 32768 + uint16(rng.Uint32N(28000)),
			Dst: netip.AddrFrom4([4]byte{203, 0, byte(rng.Uint32N(4)), byte(rng.Uint32())}), DstPort: 443,
			Start: at, End: at + rng.Int64N(20e6), Proto: weir.TCP, Flags: weir.SYN | weir.ACK | weir.PSH | weir.FIN, HasFlags: true,
			Packets: 12, Bytes: 1800, Sampling: 1, InIf: 3, OutIf: 7, TOS: 8, Domain: 1, Reason: flowrec.Idle,
		}
		answered := true
		switch i % 10 {
		case 0, 1, 2:
			r.Proto, r.DstPort, r.Flags, r.HasFlags, r.Packets, r.Bytes = weir.UDP, 53, 0, false, 1, 70
		case 3:
			r.Flags, r.Packets, r.Bytes, answered = weir.SYN, 1, 60, false
		}
		list = append(list, r)
		if answered {
			a := r
			a.Src, a.Dst, a.SrcPort, a.DstPort, a.InIf, a.OutIf, a.Bytes = r.Dst, r.Src, r.DstPort, r.SrcPort, 7, 3, 9000
			a.Start += 2000
			a.End = max(a.End-1000, a.Start)
			list = append(list, a)
		}
	}
	for i := range list { // some tens of records between the halves
		j := min(i+rng.IntN(40), len(list)-1)
		list[i], list[j] = list[j], list[i]
	}
	return list
}

// BenchmarkAdd gives 500,000 records of as many conversations as arrive in six
// seconds at 50,000 a second, again and again.
func BenchmarkAdd(b *testing.B) {
	for _, conversations := range []int{1_000, 30_000, 300_000} {
		b.Run(fmt.Sprint(conversations), func(b *testing.B) {
			records := halves(conversations)
			flows := 0
			s, err := New(DefaultConfig(), func(*weir.Flow) { flows++ })
			if err != nil {
				b.Fatal(err)
			}
			x := &Exporter{Name: "a", Addr: netip.AddrFrom4([4]byte{192, 0, 2, 1})}
			round := func(n int64) {
				shift := n * 600e6 // ten minutes on: all that was is over
				for i := range records {
					r := records[i]
					r.Start, r.End = r.Start+shift, r.End+shift
					r.Exported = r.End + 15e6
					s.Add(&r, x, time.UnixMicro(epoch.UnixMicro()+shift+int64(i)*10))
				}
			}
			round(0)
			round(1)
			b.ReportAllocs()
			b.ResetTimer()
			n, cpu := int64(2), cpuTime(b)
			for b.Loop() {
				round(n)
				n++
			}
			b.ReportMetric(float64(len(records))*float64(b.N)/(cpuTime(b)-cpu).Seconds()/1e6, "Mrecords/cpu-s")
		})
	}
}

// cpuTime returns what the process has used: on a machine with other work the
// time of the wall says nothing.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestAllocations wants none per record, once there is room: only the lists of
// what exporters know are made anew, 256 at a time.
func TestAllocations(t *testing.T) {
	records := halves(5000)
	s, err := New(DefaultConfig(), func(*weir.Flow) {})
	if err != nil {
		t.Fatal(err)
	}
	x := &Exporter{Name: "a", Addr: netip.AddrFrom4([4]byte{192, 0, 2, 1})}
	n := int64(0)
	round := func() {
		shift := n * 600e6
		n++
		for i := range records {
			r := records[i]
			r.Start, r.End = r.Start+shift, r.End+shift
			s.Add(&r, x, time.UnixMicro(epoch.UnixMicro()+shift+int64(i)*10))
		}
	}
	round()
	round()
	if got := testing.AllocsPerRun(5, round) / float64(len(records)); got > 0.01 {
		t.Errorf("%v allocations per record, want at most 0.01", got)
	}
}
