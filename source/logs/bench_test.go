package logs

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-nta/weir"
)

// BenchmarkSource reads logs of an hour, with a question before each
// conversation and a handshake in every fourth.
func BenchmarkSource(b *testing.B) {
	dir := b.TempDir()
	var conn, dns, ssl strings.Builder
	const n = 50_000
	for i := range n {
		t := 1e9 + float64(i)*0.07
		uid := fmt.Sprintf("CHhAvVGS1DH%d", i)
		fmt.Fprint(&conn, connLine(uid, t, float64(i%100)))
		fmt.Fprint(&dns, dnsLine(fmt.Sprintf("host%d.example", i%500), t-0.01))
		if i%4 == 0 {
			fmt.Fprint(&ssl, sslLine(uid, t))
		}
	}
	write(b, dir, map[string]string{"conn.log": conn.String(), "dns.log": dns.String(), "ssl.log": ssl.String()})
	lines := int64(0)
	b.ReportAllocs()
	for b.Loop() {
		s := open(b, filepath.Join(dir, "*.log"))
		if err := s.Run(b.Context(), func(*weir.Batch) error { return nil }); err != nil {
			b.Fatal(err)
		}
		lines += s.Progress().Packets
	}
	b.ReportMetric(float64(lines)/b.Elapsed().Seconds(), "lines/s")
}
