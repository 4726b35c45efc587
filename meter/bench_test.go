package meter_test

import (
	"os"
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

// BenchmarkCapture decodes and meters a whole capture that lies in memory. One
// operation is the capture.
func BenchmarkCapture(b *testing.B) {
	name := os.Getenv(benchCapture)
	if name == "" {
		b.Skip(benchCapture + " names no capture")
	}
	frames := readCapture(b, name)
	b.ReportAllocs()
	for b.Loop() {
		start := time.Now()
		meterFrames(b, frames, meter.DefaultConfig(), func(*weir.Batch) error { return nil })
		b.ReportMetric(float64(time.Since(start).Nanoseconds())/float64(len(frames)), "ns/packet")
	}
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
