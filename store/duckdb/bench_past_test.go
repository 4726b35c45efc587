package duckdb

import (
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/query"
)

// BenchmarkPast asks what looks back at 30 days of three million flows, of a
// hundred thousand a day.
func BenchmarkPast(b *testing.B) {
	const days, each = 31, 100_000
	s, err := Open(Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for day := range days {
		flows := office(each, uint64(day%7))
		for i := range flows {
			flows[i].Start = flows[i].Start.AddDate(0, 0, day-30).Add(time.Duration(i) * 500 * time.Millisecond)
			flows[i].End = flows[i].Start.Add(flows[i].Duration)
		}
		if err := s.Append(b.Context(), &weir.Batch{Flows: flows}); err != nil {
			b.Fatal(err)
		}
	}
	for _, tt := range []struct{ name, text string }{
		{"new pair", "since 24h new(src.ip, dst.ip) | stats n = count() by src.ip | top 5 by n"},
		{"new few", "since 24h app = tls and dst.port = 443 and tls.sni contains \"host-f\" and new(src.ip, tls.sni) | stats n = count()"},
		{"new of many", "since 24h new(src.ip, dst.ip, dst.port) | stats n = count()"},
		{"known after stats", "since 24h stats n = count() by src.ip, dst.ip | where new(src.ip, dst.ip) | stats n = count()"},
		{"prevalence after stats", "since 24h stats n = count() by tls.ja4 | where prevalence(tls.ja4) < 3"},
		{"prevalence of records", "since 24h prevalence(dst.ip) < 3 | stats n = count()"},
		{"first_seen", "since 24h stats n = count() by src.ip, dst.ip | extend f = first_seen(src.ip, dst.ip) | sort -f | head 3"},
		{"usual", "since 24h stats up = sum(bytes.up) by src.ip | where up > 2 * usual(up)"},
		{"then", "since 24h app = tls | stats n = count(), ts = max(ts) by src.ip, dst.ip | then (state = S0) within 1h by src.ip | stats n = count()"},
		{"in list", "since 30d tls.sni in @list:names or dst.ip in @list:names | stats n = count()"},
	} {
		b.Run(tt.name, func(b *testing.B) {
			q, err := query.Parse(tt.text)
			if err != nil {
				b.Fatal(err)
			}
			lists := &query.Lists{Named: map[string][]query.Entry{"names": {{Value: "203.0.4.4"}, {Value: "host-1.example.net"}}}}
			for b.Loop() {
				n := 0
				for _, err := range s.Query(b.Context(), query.Ask{Query: q, Lists: lists}) {
					if err != nil {
						b.Fatal(err)
					}
					n++
				}
				b.ReportMetric(float64(n), "rows")
			}
		})
	}
}
