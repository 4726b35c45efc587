package meter

import (
	"math/rand/v2"
	"testing"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/packet"
)

// keyNumber returns one of many keys that differ in a port or an address.
func keyNumber(n int) packet.Key {
	return packet.Key{A: packet.Addr{Lo: 0xffff<<32 | uint64(n>>8)}, B: packet.Addr{Lo: 0xffff<<32 | 80}, APort: uint16(n & 0xff), BPort: 443, Proto: weir.TCP}
}

// TestTable adds and removes keys at random, and compares with a map.
func TestTable(t *testing.T) {
	m, err := New(DefaultConfig(), func(*weir.Batch) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	twin := map[packet.Key]uint32{}
	r := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		k := keyNumber(r.IntN(20_000))
		hash := k.Hash(&m.seed)
		i, _ := m.find(&k, hash)
		if i != twin[k] {
			t.Fatalf("find(%v) = %d, want %d", k, i, twin[k])
		}
		if i != 0 {
			m.table.Remove(hash, i)
			delete(twin, k)
			continue
		}
		i, f := m.newFlow()
		f.key, f.hash = k, hash
		m.table.Add(hash, i)
		twin[k] = i
	}
	if m.table.Len() != len(twin) {
		t.Errorf("%d in the table, want %d", m.table.Len(), len(twin))
	}
}

const benchFlows = 100_000

func BenchmarkTable(b *testing.B) {
	m, err := New(DefaultConfig(), func(*weir.Batch) error { return nil })
	if err != nil {
		b.Fatal(err)
	}
	for n := range benchFlows {
		k := keyNumber(n)
		i, f := m.newFlow()
		f.key = k
		m.table.Add(k.Hash(&m.seed), i)
	}
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		n = (n + 7919) % benchFlows
		k := keyNumber(n)
		if i, _ := m.find(&k, k.Hash(&m.seed)); i == 0 {
			b.Fatal(n)
		}
	}
}

func BenchmarkMap(b *testing.B) {
	m := map[packet.Key]uint32{}
	flows := make([]flow, benchFlows)
	for n := range benchFlows {
		m[keyNumber(n)] = uint32(n)
		flows[n].key = keyNumber(n)
	}
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		n = (n + 7919) % benchFlows
		k := keyNumber(n)
		if i, ok := m[k]; !ok || flows[i].key.APort != k.APort { // the flow is touched in either case
			b.Fatal(n)
		}
	}
}
