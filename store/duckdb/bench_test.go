package duckdb

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/query"
)

// cpu returns the processor time of the process so far.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

var start = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)

// office makes n flows as an office makes them: two thirds of them named, a
// third TLS.
func office(n int, seed uint64) []weir.Flow {
	r := rand.New(rand.NewPCG(seed, 1))
	names := make([]string, 3000)
	for i := range names {
		names[i] = fmt.Sprintf("host-%x.service-%d.example.net", r.Uint32(), r.IntN(400))
	}
	ja4 := make([]string, 40)
	for i := range ja4 {
		ja4[i] = fmt.Sprintf("t13d%04dh2_%012x_%012x", r.IntN(10000), r.Uint64()>>16, r.Uint64()>>16)
	}
	flows := make([]weir.Flow, n)
	for i := range flows {
		f := &flows[i]
		f.Start = start.Add(time.Duration(i) * 1500 * time.Microsecond)
		f.Duration = time.Duration(r.ExpFloat64() * float64(time.Second)).Truncate(time.Microsecond)
		f.End = f.Start.Add(f.Duration)
		f.Sensor = "core-1"
		f.Src = netip.AddrFrom4([4]byte{10, 10, byte(r.IntN(4)), byte(r.IntN(256))})
		name := int(r.ExpFloat64() * 200)
		f.Dst = netip.AddrFrom4([4]byte{203, 0, byte(name >> 8), byte(name)})
		f.SrcPort, f.DstPort, f.Proto = uint16(32768+r.IntN(28000)), 443, weir.TCP
		f.State, f.History, f.Direction = weir.StateSF, "ShADadFf", weir.Outbound
		f.BytesUp, f.BytesDown = uint64(r.ExpFloat64()*2000), uint64(r.ExpFloat64()*20000)
		f.PacketsUp, f.PacketsDown = 5+f.BytesUp/1000, 5+f.BytesDown/1400
		f.DataUp, f.DataDown = f.BytesUp*9/10, f.BytesDown*9/10
		f.FlagsUp, f.FlagsDown = weir.SYN|weir.ACK|weir.PSH|weir.FIN, weir.SYN|weir.ACK|weir.PSH|weir.FIN
		f.App = "tls"
		switch r.IntN(3) {
		case 0:
			f.TLS = &weir.TLS{Version: "1.3", Cipher: "TLS_AES_128_GCM_SHA256", SNI: names[name%len(names)], ALPN: "h2",
				JA3: fmt.Sprintf("%032x", name%40), JA3S: fmt.Sprintf("%032x", name%20), JA4: ja4[name%40]}
			f.DstHost, f.DstDomain = f.TLS.SNI, "example.net"
		case 1:
			f.App, f.DstPort, f.Proto, f.History = "dns", 53, weir.UDP, "Dd"
			f.FlagsUp, f.FlagsDown = 0, 0
		default:
			f.App, f.AppGuessed, f.State, f.History = "", false, weir.StateS0, "S"
			f.DstPort, f.BytesDown, f.PacketsDown, f.DataDown = uint16(r.IntN(65536)), 0, 0, 0
		}
	}
	return flows
}

func lookups(n int, seed uint64) []weir.DNSTransaction {
	r := rand.New(rand.NewPCG(seed, 2))
	out := make([]weir.DNSTransaction, n)
	for i := range out {
		d := &out[i]
		d.Time = start.Add(time.Duration(i) * time.Millisecond)
		d.Sensor, d.App, d.Proto = "core-1", "dns", weir.UDP
		d.Src = netip.AddrFrom4([4]byte{10, 10, byte(r.IntN(4)), byte(r.IntN(256))})
		d.Dst = netip.AddrFrom4([4]byte{10, 20, 0, 10})
		d.SrcPort, d.DstPort, d.ID = uint16(r.IntN(65536)), 53, uint16(r.IntN(65536))
		name := int(r.ExpFloat64() * 300)
		d.Query, d.Domain = fmt.Sprintf("host-%d.service-%d.example.net", name, name%40), "example.net"
		d.Type, d.Class, d.Code = "A", "IN", "NOERROR"
		d.Answers, d.TTLs = []string{fmt.Sprintf("203.0.113.%d", name%256)}, []uint32{300}
		d.RTT, d.RecursionDesired, d.RecursionAvailable = time.Duration(r.IntN(20))*time.Millisecond, true, true
		d.BytesUp, d.BytesDown = 45, 61
	}
	return out
}

// BenchmarkAppend appends records in batches of 512, as a source does, and
// reports what one costs in the whole process, to the closing of the store.
func BenchmarkAppend(b *testing.B) {
	const n = 400_000
	flows, dns := office(n, 1), lookups(n, 1)
	for _, table := range []string{"conn", "dns"} {
		b.Run(table, func(b *testing.B) {
			var total time.Duration
			var size int64
			for b.Loop() {
				s, err := Open(Config{Dir: b.TempDir()})
				if err != nil {
					b.Fatal(err)
				}
				before := cpu(b)
				for at := 0; at < n; at += 512 {
					batch := &weir.Batch{Flows: flows[at:min(at+512, n)]}
					if table == "dns" {
						batch = &weir.Batch{DNS: dns[at:min(at+512, n)]}
					}
					if err := s.Append(context.Background(), batch); err != nil {
						b.Fatal(err)
					}
				}
				dir := s.config.Dir
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
				total += cpu(b) - before
				size = 0
				files, _ := os.ReadDir(dir)
				for _, f := range files {
					info, _ := f.Info()
					size += info.Size()
				}
			}
			b.ReportMetric(float64(total.Nanoseconds())/float64(b.N)/n, "cpu-ns/record")
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
			b.ReportMetric(float64(size)/n, "B/record")
		})
	}
}

// BenchmarkQuery asks what large stores are asked, of a million flows.
func BenchmarkQuery(b *testing.B) {
	s := mustOpen(b, Config{Dir: b.TempDir()})
	for part := range 5 {
		flows := office(200_000, uint64(part))
		if err := s.Append(context.Background(), &weir.Batch{Flows: flows}); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Flush(context.Background()); err != nil {
		b.Fatal(err)
	}
	for _, bb := range []struct{ name, text string }{
		{"talkers", "stats up = sum(bytes.up), down = sum(bytes.down), n = count() by src.ip, dst.ip | sort -up | head 10"},
		{"network", "src.ip in 10.10.1.0/24 and dst.port = 443 | stats n = count()"},
		{"peers", "stats n = dcount(dst.ip) by src.ip | sort -n | head 10"},
		{"period", "app = tls | stats n = count(), p = period(ts) by src.ip, dst.ip | where p.score > 0.9 | sort -n | head 10"},
		{"head", "dur > 2s | head 100"},
		{"text", `"service-17"| stats n = count()`},
		{"timechart", "timechart 1m n = count(), up = sum(bytes.up) by app"},
	} {
		q, err := query.Parse(bb.text)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(bb.name, func(b *testing.B) {
			before := cpu(b)
			for b.Loop() {
				if _, err := collect(s.Query(context.Background(), query.Ask{Query: q})); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((cpu(b)-before).Milliseconds())/float64(b.N), "cpu-ms/op")
		})
	}
}

// BenchmarkAsked appends in batches and asks a small question between them,
// as detectors do, which makes durable what was appended before.
func BenchmarkAsked(b *testing.B) {
	flows := office(200_000, 1)
	q, err := query.Parse("app = tls | stats n = count() by src.ip | sort -n | head 3")
	if err != nil {
		b.Fatal(err)
	}
	for _, every := range []int{2_000, 10_000, 50_000} {
		b.Run(fmt.Sprint(every), func(b *testing.B) {
			before := cpu(b)
			for b.Loop() {
				s := mustOpen(b, Config{Dir: b.TempDir()})
				for at := 0; at < len(flows); at += every {
					if err := s.Append(context.Background(), &weir.Batch{Flows: flows[at:min(at+every, len(flows))]}); err != nil {
						b.Fatal(err)
					}
					if _, err := collect(s.Query(context.Background(), query.Ask{Query: q, From: flows[at].Start})); err != nil {
						b.Fatal(err)
					}
				}
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/float64(b.N)/float64(len(flows)), "cpu-ns/record")
		})
	}
}
