package live

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-nta/weir/source/capture"
)

// benchCapture names a capture of Ethernet to measure with, as in package meter.
const benchCapture = "WEIR_BENCH_PCAP"

// BenchmarkRing fills a ring and then has one worker meter what is in it: what
// one core carries from the ring, without whom it would have to share the
// machine with, who sends. It reports packets per second of the worker's own
// time, and by the clock.
func BenchmarkRing(b *testing.B) {
	if os.Getenv(inside) == "" {
		b.Skip("wants a network namespace")
	}
	b.Run("small", func(b *testing.B) {
		var list [][]byte
		for n := range 2000 { // connections of 64-byte packets and a little more
			list = append(list, frames(talkOf(fmt.Sprintf("10.%d.%d.1", n/200, n%200), "192.0.2.80", n, 0))...)
		}
		benchRing(b, list, 600_000)
	})
	b.Run("mix", func(b *testing.B) {
		name := os.Getenv(benchCapture)
		if name == "" {
			b.Skipf("wants %s to name a capture", benchCapture)
		}
		benchRing(b, framesOf(b, name, 600_000), 600_000)
	})
}

func framesOf(b *testing.B, name string, most int) (list [][]byte) {
	f, err := os.Open(name)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	r, err := capture.Open(f)
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	for len(list) < most {
		rec, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			b.Fatal(err)
		}
		if len(rec.Data) <= 1514 && len(rec.Data) >= 14 {
			list = append(list, append([]byte(nil), rec.Data...))
		}
	}
	return list
}

func benchRing(b *testing.B, list [][]byte, packets int) {
	w := newWire(b, "weir0", "weir1")
	var own, wall time.Duration
	var metered, records, bytes int64
	for b.Loop() {
		c := DefaultConfig()
		c.Points = []Point{{Sensor: "weir1", Interfaces: []string{"weir1"}}}
		c.Workers, c.BufferBytes = 1, maxBuffer
		s, err := New(c)
		if err != nil {
			b.Fatal(err)
		}
		for i := range packets {
			if _, err := unix.Write(w.socket, list[i%len(list)]); err != nil && !errors.Is(err, unix.ENOBUFS) {
				b.Fatal(err)
			}
		}
		time.Sleep(3 * retireMillis * time.Millisecond)
		one := s.workers[0]
		go func() {
			for batch := range s.queue {
				records += int64(batch.Len())
			}
		}()
		runtime.LockOSThread()
		cpu, began := threadTime(b), time.Now()
		n, _, err := one.take(packets)
		own, wall = own+threadTime(b)-cpu, wall+time.Since(began)
		runtime.UnlockOSThread()
		if err != nil {
			b.Fatal(err)
		}
		metered += int64(n)
		bytes += one.bytes
		close(s.queue)
		s.Close()
	}
	b.ReportMetric(float64(metered)/own.Seconds(), "packets/cpu-s")
	b.ReportMetric(float64(metered)/wall.Seconds(), "packets/s")
	b.ReportMetric(float64(bytes)/float64(metered), "B/packet")
	b.ReportMetric(float64(own.Nanoseconds())/float64(metered), "cpu-ns/packet")
	b.ReportMetric(0, "ns/op") // which is that of filling the ring
}

func threadTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
