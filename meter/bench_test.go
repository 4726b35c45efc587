package meter_test

import (
	"encoding/binary"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/packet"
	"github.com/weir-nta/weir/meter"
)

// benchCapture names the capture that the benchmarks meter: a large one of
// ordinary traffic.
const benchCapture = "WEIR_BENCH_PCAP"

// BenchmarkPacket meters a whole capture, decoded before. One operation is one
// packet; flow records are made and dropped.
func BenchmarkPacket(b *testing.B) {
	name := os.Getenv(benchCapture)
	if name == "" {
		b.Skip(benchCapture + " names no capture")
	}
	frames := readCapture(b, name)
	packets := make([]packet.Packet, 0, len(frames))
	times := make([]int64, 0, len(frames))
	d := packet.NewDecoder(packet.Config{})
	for _, f := range frames {
		var p packet.Packet
		if d.Decode(&p, f.link, f.data, f.wire, f.ts) == nil {
			packets, times = append(packets, p), append(times, f.ts)
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	var counters meter.Counters
	for done := 0; done < b.N; {
		m, err := meter.New(meter.DefaultConfig(), func(*weir.Batch) error { return nil })
		if err != nil {
			b.Fatal(err)
		}
		for i := range packets {
			if err := m.Packet(times[i], &packets[i]); err != nil {
				b.Fatal(err)
			}
			done++
		}
		if err := m.Close(); err != nil {
			b.Fatal(err)
		}
		counters = m.Counters()
	}
	b.ReportMetric(float64(counters.Flows), "flows")
	b.ReportMetric(float64(counters.Records+counters.DNS+counters.Oddities), "records")
	b.Logf("%+v", counters)
}

// BenchmarkCapture decodes, and decodes and meters, a whole capture that lies
// in memory. One operation is the capture. Processor time is told beside that of
// the clock, since the machine may have other things to do.
func BenchmarkCapture(b *testing.B) {
	name := os.Getenv(benchCapture)
	if name == "" {
		b.Skip(benchCapture + " names no capture")
	}
	frames := readCapture(b, name)
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		start := cpuTime()
		for b.Loop() {
			d := packet.NewDecoder(packet.Config{})
			var p packet.Packet
			for _, f := range frames {
				_ = d.Decode(&p, f.link, f.data, f.wire, f.ts) // what cannot be decoded is counted
			}
		}
		reportCPU(b, start, len(frames))
	})
	b.Run("meter", func(b *testing.B) {
		b.ReportAllocs()
		start := cpuTime()
		for b.Loop() {
			meterFrames(b, frames, meter.DefaultConfig(), func(*weir.Batch) error { return nil })
		}
		reportCPU(b, start, len(frames))
	})
}

// BenchmarkSmall decodes and meters packets of 64 octets (a TCP segment without
// data in Ethernet) of so many connections in turn.
func BenchmarkSmall(b *testing.B) {
	for _, flows := range []int{100, 10_000, 1_000_000} {
		b.Run(strconv.Itoa(flows), func(b *testing.B) {
			m, err := meter.New(meter.DefaultConfig(), func(*weir.Batch) error { return nil })
			if err != nil {
				b.Fatal(err)
			}
			d := packet.NewDecoder(packet.Config{})
			var p packet.Packet
			frame := make([]byte, 60)
			copy(frame[12:], "\x08\x00\x45\x00\x00\x28\x00\x00\x00\x00\x40\x06\x00\x00\x0a\x00\x00\x00\xc0\x00\x02\x50")
			copy(frame[34:], "\x9c\x40\x01\xbb\x00\x00\x10\x00\x00\x00\x20\x00\x50\x10\x10\x00")
			now := t0
			next := func(i int) {
				n := uint32(i) % uint32(flows) * 2654435761 % uint32(flows) // in no order
				binary.BigEndian.PutUint32(frame[26:], 0x0a000000|n)
				now += 400
				if d.Decode(&p, packet.LinkEthernet, frame, 64, now) != nil || m.Packet(now, &p) != nil {
					b.Fatal("a packet was refused")
				}
			}
			for i := range flows {
				next(i)
			}
			b.ReportAllocs()
			start := cpuTime()
			i := 0
			for b.Loop() {
				next(i)
				i++
			}
			reportCPU(b, start, 1)
		})
	}
}

// cpuTime returns how much processor time this process has had.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func reportCPU(b *testing.B, start time.Duration, packets int) {
	b.ReportMetric(float64(cpuTime()-start)/float64(b.N)/float64(packets), "cpu-ns/packet")
}

// meterFrames decodes and meters frames.
func meterFrames(t testing.TB, frames []frame, c meter.Config, emit func(*weir.Batch) error) meter.Counters {
	m, err := meter.New(c, emit)
	if err != nil {
		t.Fatal(err)
	}
	d := packet.NewDecoder(packet.Config{})
	var p packet.Packet
	for _, f := range frames {
		if d.Decode(&p, f.link, f.data, f.wire, f.ts) != nil {
			continue
		}
		if err := m.Packet(f.ts, &p); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	return m.Counters()
}
