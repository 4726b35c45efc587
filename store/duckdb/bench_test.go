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
