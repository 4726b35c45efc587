package storetest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/query"
)

// Values come from small pools, so that records and questions meet, and so
// that the corners are among them: ties, upper case, characters of patterns,
// other scripts, numbers beyond 53 bits.
var (
	poolAddrs = addrs("10.0.0.1", "10.0.0.2", "10.0.1.1", "192.168.1.5", "203.0.113.9", "2001:db8::1", "2001:db8:0:1::2", "fe80::1")
	poolInts  = []int64{0, 1, 2, 3, 22, 53, 80, 443, 65535}
	poolBig   = []int64{0, 1, 40, 1000, 1500, 123456, 1 << 53, 1<<53 + 1, math.MaxInt64, math.MaxInt64 - 1}
	poolDurs  = []time.Duration{0, time.Microsecond, 500 * time.Millisecond, time.Second, 90 * time.Second, 8*time.Hour + 123456*time.Microsecond}
	poolTexts = []string{
		"tls", "TLS", "ssh", "www.example.com", "WWW.example.com", "cdn.example.co.uk", "a_b%c\\d", "ünïcode.example", "日本",
		"10.0.0.1", "203.0.113.9", "2001:db8::1", "x", "quote\"d", "com", "",
	}
)

// Lists are those that generated questions name.
var Lists = &query.Lists{
	Named: map[string][]query.Entry{
		"assets": {{Value: "10.0.0.0/24"}, {Value: "203.0.113.9"}, {Value: "www.example.com"}, {Value: "443"}, {Value: "2001:db8::/32"}},
		"ports":  {{Value: "22"}, {Value: "53"}, {Value: "1.5"}},
		"empty":  {},
	},
	Intel: []query.Entry{
		{Value: "10.0.1.1", Source: "misp"}, {Value: "cdn.example.co.uk", Source: "misp", Expires: epoch.Add(30 * 24 * time.Hour)},
		{Value: "tls", Expires: epoch.Add(time.Hour)}, {Value: "2001:db8::1", Source: "feed"},
	},
}

func addrs(texts ...string) []netip.Addr {
	out := make([]netip.Addr, len(texts))
	for i, s := range texts {
		out[i] = netip.MustParseAddr(s)
	}
	return out
}

// RandomBatch makes n flows and n DNS transactions, and some records of every
// other table, of two days from 2026-11-20 on, the same for the same seed.
func RandomBatch(seed uint64, n int) *weir.Batch {
	r := rand.New(rand.NewPCG(seed, 1))
	b := &weir.Batch{}
	for range n {
		b.Add(randomRecord(r, weir.FlowTable))
		b.Add(randomRecord(r, weir.DNSTransactionTable))
		if r.IntN(3) != 0 {
			continue
		}
		for _, t := range weir.Tables {
			if t != weir.FlowTable && t != weir.DNSTransactionTable {
				b.Add(randomRecord(r, t))
			}
		}
	}
	return b
}

func randomRecord(r *rand.Rand, table *weir.Table) weir.Record {
	rec := table.New()
	tls, http, icmp := r.IntN(2) == 0, r.IntN(4) == 0, r.IntN(6) == 0
	for i := range table.Columns {
		c := &table.Columns[i]
		absent := group(c.Name, "tls.") && !tls || group(c.Name, "http.") && !http || group(c.Name, "icmp.") && !icmp
		if c.Computed || c.Type == weir.JSON || absent || c.Name != "ts" && r.IntN(4) == 0 {
			continue
		}
		v := randomValue(r, c)
		if c.List {
			list := make([]any, r.IntN(4))
			for j := range list {
				list[j] = randomValue(r, c)
			}
			v = list
		}
		n, isInt := v.(int64)
		err := rec.Set(i, v)
		if err != nil && isInt { // a field of one octet
			err = rec.Set(i, n&0xff)
		}
		if err != nil {
			panic(fmt.Sprintf("set %s of %s to %v: %v", c.Name, table.Name, v, err)) // the pools are wrong
		}
	}
	return rec
}

func group(name, prefix string) bool {
	return len(name) > len(prefix) && name[:len(prefix)] == prefix
}

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

func randomValue(r *rand.Rand, c *weir.Column) any {
	switch {
	case c.Name == "flags.up" || c.Name == "flags.down":
		return pick(r, []string{"S", "SA", "SAPF", "R"})
	case c.Enum != nil:
		if c.Name == "proto" {
			return pick(r, []string{"tcp", "udp", "icmp", "igmp"})
		}
		return pick(r, c.Enum[1:])
	case c.Type == weir.Int && (c.Unit != "" || c.Name == "count"):
		if r.IntN(8) == 0 {
			return pick(r, poolBig)
		}
		return int64(r.IntN(5000))
	}
	switch c.Type {
	case weir.Int:
		return pick(r, poolInts)
	case weir.Bool:
		return r.IntN(2) == 0
	case weir.Addr:
		return pick(r, poolAddrs)
	case weir.Time:
		t := epoch.Add(time.Duration(r.IntN(48*4)) * 15 * time.Minute)
		if r.IntN(2) == 0 {
			t = t.Add(time.Duration(r.IntN(1e6)) * time.Microsecond)
		}
		return t
	case weir.Duration:
		return pick(r, poolDurs).Seconds()
	case weir.Float:
		return r.Float64()
	}
	return pick(r, poolTexts)
}
