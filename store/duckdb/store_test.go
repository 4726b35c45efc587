package duckdb

import (
	"fmt"
	"iter"
	"net/netip"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/query"
	"github.com/weir-nta/weir/store/memory"
)

func mustOpen(t testing.TB, c Config) *Store {
	t.Helper()
	s, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// various returns a batch with some of everything: both address families,
// missing and strange values, lists, several days.
func various() *weir.Batch {
	b := &weir.Batch{Flows: office(700, 3), DNS: lookups(500, 4)}
	for i := range b.Flows {
		f := &b.Flows[i]
		f.Start = f.Start.Add(time.Duration(i%5) * 20 * time.Hour)
		f.End = f.Start.Add(f.Duration)
		switch i % 11 {
		case 1:
			f.Src, f.Dst = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("fe80::1:2")
			f.Proto, f.ICMP = weir.ICMPv6, &weir.ICMP{Type: 128}
		case 2:
			f.Dst = netip.MustParseAddr("::1")
			f.HTTP = &weir.HTTP{Method: "GET", Host: "Portal.Example.COM", URI: "/a'b\"c\\d%_", UserAgent: "Größe ÄÖÜ \U0001F600 \u212a\u0130", Status: 404}
		case 3:
			f.TLS = &weir.TLS{SelfSigned: true, NotBefore: start, Subject: "CN=a", Issuer: "CN=a"}
		case 4:
			f.Dst, f.Sensor, f.DstASN, f.VLAN = netip.Addr{}, "", 64500, 7
		case 5:
			f.BytesUp, f.BytesDown = 1<<62, 1<<62+5
		}
	}
	for i := range b.DNS {
		switch d := &b.DNS[i]; i % 7 {
		case 1:
			d.Answers, d.TTLs, d.Code = nil, nil, ""
		case 2:
			d.Answers, d.TTLs = []string{"a.example", "198.51.100.7", "b.example"}, []uint32{1, 4294967295, 60}
		case 3:
			d.Answers, d.TTLs, d.RTT = []string{"a.example"}, nil, 0
		}
	}
	for i := range 20 {
		b.Oddities = append(b.Oddities, weir.Oddity{Time: start.Add(time.Duration(i) * time.Hour), Name: fmt.Sprint("odd", i%3), Count: uint64(i), Detail: strings.Repeat("x", i)})
		b.Findings = append(b.Findings, weir.Finding{Time: start, First: start, Last: start.Add(time.Hour), Detector: "beacon", Severity: weir.Severity(i % 5), Certainty: weir.Certainty(i % 4),
			Score: float64(i) / 20, Checks: []weir.Check{{ID: "n", Value: float64(i)}}, Against: []string{"it's \"quoted\"", ""}, Src: netip.MustParseAddr("10.0.0.1")})
	}
	return b
}

// slow returns the twin, which answers by looking at every record.
func slow(t testing.TB, batches ...*weir.Batch) *memory.Store {
	t.Helper()
	m, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range batches {
		if err := m.Append(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func collect(rows iter.Seq2[query.Row, error]) (list []query.Row, err error) {
	for r, err := range rows {
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}

// ordered says whether the answer to q comes in an order.
func ordered(q *query.Query) bool {
	is := false
	for _, s := range q.Stages {
		switch s.(type) {
		case *query.Sort, *query.Head:
			is = true
		case *query.Stats:
			is = false
		}
	}
	return is
}

func show(rows []query.Row, inOrder bool) []string {
	out := make([]string, len(rows))
	for i, r := range rows {
		var b strings.Builder
		for j, v := range r {
			if v != nil {
				fmt.Fprintf(&b, "%d:%T:%s ", j, v, showValue(v))
			}
		}
		out[i] = b.String()
	}
	if !inOrder {
		sort.Strings(out)
	}
	return out
}

func showValue(v any) string {
	switch v := v.(type) {
	case float64:
		return fmt.Sprintf("%b", v)
	case []any:
		var b strings.Builder
		for _, e := range v {
			fmt.Fprintf(&b, "%T:%s,", e, showValue(e))
		}
		return b.String()
	}
	return query.Text(v)
}

func compareAnswers(t testing.TB, text string, q *query.Query, got, want []query.Row) {
	t.Helper()
	g, w := show(got, ordered(q)), show(want, ordered(q))
	for i := range max(len(g), len(w)) {
		switch {
		case i >= len(g):
			t.Errorf("%s: row %d is missing, want %s", text, i, w[i])
		case i >= len(w):
			t.Errorf("%s: row %d: got %s, want no such row", text, i, g[i])
		case g[i] != w[i]:
			t.Errorf("%s: row %d:\n got %s\nwant %s", text, i, g[i], w[i])
		default:
			continue
		}
		return
	}
}

var questions = []string{
	`from conn`, `from dns`, `from oddity`, `from finding`,
	`src.ip = 10.10.1.23`, `src.ip in 10.10.0.0/23`, `dst.ip in 2001:db8::/32`, `ip in 10.0.0.0/8`, `ip != ::1`, `not src.ip in 10.10.0.0/24`,
	`src.ip < 10.10.1.0`, `dst.ip > 203.0.0.9`, `dst.ip in (203.0.0.1, ::1, fe80::/10)`, `missing dst.ip`, `has http.host`, `has sensor`,
	`port = 53`, `proto = udp`, `proto != tcp`, `proto in (udp, icmp6)`, `proto < udp`, `state = SF`, `state != S0`, `flags.up = "SPAF"`, `flags.up != "SPAF"`, `flags.up > "S"`,
	`app = tls`, `app != tls`, `missing app`, `not app = tls`, `tls.sni ~ /service-1/`, `tls.sni !~ /SERVICE-1/i`, `tls.sni like "host-%1._e%"`, `http.ua contains "größe"`, `http.host starts_with "portal"`, `http.uri contains "'B\"c"`, `http.ua contains "k"`, `http.ua ends_with "i"`, `http.ua contains "größe äöü"`, `http.ua contains "\u212A"`,
	`"portal"`, `dur > 1s`, `dur between 1s and 2s`, `bytes > 1MB`, `bytes.up + bytes.down > 20000`, `bytes.up / bytes.down > 0.2`, `bytes.up * 4 > 100`, `bytes.up - bytes.down > 0`,
	`local(dst.ip)`, `private(src.ip)`, `tls.self_signed = true`, `tls.not_before > 2020-01-01`, `tls.subject = tls.issuer`, `tls.subject != tls.issuer`, `since 24h`, `since 48h until 24h app = tls`,
	`cid = "1:hO+sN4H+MG5MY/8hIrXPqc4ZQz0="`, `head 7`, `app = tls | sort -dur | head 5`, `sort -dst.ip, ts | head 40`, `sort -proto | head 4`, `sort flags.up, -bytes | head 40`,
	`stats count()`, `app = nothing | stats count(), sum(bytes), min(dur), values(app), dcount(src.ip), median(bytes), avg(dur)`, `stats n = count() by src.ip`, `stats n = count() by app, proto, state`,
	`stats sum(bytes.up), sum(dur), avg(bytes.down), avg(dur), min(dst.ip), max(dst.ip), min(state), max(tls.sni) by dst.port`,
	`stats median(bytes.down), p95(dur), pct(bytes.up, 10), dcount(dst.ip), dcount(tls.sni), dcount(dur), count_if(state, "S0") by app`,
	`stats values(app), values(dst.ip), values(dst.port), values(proto), values(dur), values(ts), values(flags.up) by dir`, `stats any(dst.ip), first(tls.sni), last(src.ip), last(state), any(dur) by src.ip`,
	`top 5 dst.port`, `rare 5 app`, `top 5 by bytes`, `stats n = count() by src.ip | where n > 1 | sort -n | head 3`, `timechart 1h n = count(), sum(bytes) by app`,
	`extend h = hour(ts), w = weekday(ts), l = len(tls.sni), x = lower(http.host), a = abs(bytes.up - bytes.down), b = coalesce(tls.sni, http.host, "none"), c = if(dur > 1s, 1, 2.5) | select h, w, l, x, a, b, c`,
	`extend w = weekday(ts) | where w > tue | stats count() by w | sort w`, `extend d = end - ts, e = ts + 60 | select d, e`, `stats p = period(ts) by src.ip | where p.n > 3 | select src.ip, p`,
	`extend s = subnet(src.ip, 24) | stats n = count() by s | sort -n`, `extend a = apex(tls.sni), e = entropy(tls.sni) | stats max(e), count() by a`, `dedup src.ip`, `sort -bytes | dedup app | head 3`,
	`sort -bytes | extend z = bytes * 2 | select z, src.ip | head 5`, `sort -bytes | select app, src.ip | head 9`, `select cid, src.ip`, `select ts, app | head 20`, `select bytes, pkts | sort -bytes`,
	`from dns answer = "a.example"`, `from dns answer != "a.example"`, `from dns answer not in ("a.example", "b.example")`, `from dns answer ~ /^a/`, `from dns not answer ~ /^a/`, `from dns ttl > 60`, `from dns ttl between 2 and 61`, `from dns ttl != 300`, `from dns has answer`,
	`from dns stats values(answer), dcount(answer), values(ttl), n = count() by qtype`, `from dns stats count() by answer`, `from dns extend n = len(answer) | stats count() by n`, `from dns sort answer, ttl | head 30`, `from dns rcode != "NOERROR"`, `from dns rtt > 5ms`,
	`dst.ip in (from dns has answer | select answer)`, `src.ip in (from dns domain = "example.net" | select src.ip)`, `(src.ip, dst.port) not in (from conn app = tls | select src.ip, dst.port)`, `dst.port in (from dns | stats n = count() by id | select id)`,
	`from finding severity >= high`, `from finding score > 0.5 | sort -score`, `from finding against contains "QUOTED"`, `from finding stats avg(score), max(severity) by certainty`, `from oddity stats sum(count), max(detail) by name`,
	`"203.0.0.1"`, `"10.10.1"`, `"cafe"`, `"::1"`, `"fe80:"`, `"."`, `not "10.10."`, `ip starts_with "203.0.1"`, `dst.ip ends_with ".0.7"`, `src.ip contains ".1"`, `dst.ip like "203.%.1"`, `src.ip contains "10.10.x"`,
	`extend x = bytes * 1000000000000000000.0 | stats a = sum(x), b = avg(x), n = count() by app`, `extend x = dur * 100000000000000000000.0 | stats a = sum(x), b = avg(x) by dst.port`, `extend x = bytes * 10000000000000000000000000000000000000000.0 * 10000000000000000000000000000000000000000.0 * 10000000000000000000000000000000000000000.0 | stats a = sum(x), avg(x) by app`, `extend x = 0 - 1000000000000000000000.0 | stats sum(x), avg(x)`,
	`stats n = count() by ongoing, app.guessed | sort n`, `extend x = bytes.up * bytes.down | where missing x | stats count()`, `where bytes.up > 10 and (app = dns or app = tls) and not dst.port = 53 | stats count() by app`,
}

// TestAnswers asks the same of this store and of its twin.
func TestAnswers(t *testing.T) {
	s := mustOpen(t, Config{Dir: t.TempDir()})
	b := various()
	if err := s.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	twin := slow(t, b)
	for _, text := range questions {
		q, err := query.Parse(text)
		if err != nil {
			t.Errorf("Parse(%s): %v", text, err)
			continue
		}
		want, err := collect(twin.Query(t.Context(), query.Ask{Query: q}))
		if err != nil {
			t.Errorf("%s: exec: %v", text, err)
			continue
		}
		var sum query.Summary
		got, err := collect(s.Query(t.Context(), query.Ask{Query: q, Summary: &sum}))
		if err != nil {
			t.Errorf("%s: %v\n%s", text, err, sum.Plan)
			continue
		}
		compareAnswers(t, text, q, got, want)
		if testing.Verbose() {
			_, tail, _ := strings.Cut(sum.Plan, "\n")
			t.Logf("%s: %d rows; tail: %s", text, len(got), tail)
		}
	}
}
