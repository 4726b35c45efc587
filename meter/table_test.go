package meter

import (
	"math/rand/v2"
	"testing"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/packet"
)

// keyNumber returns one of many keys that differ in a port or an address.
func keyNumber(n int) key {
	return key{a: packet.Addr{Lo: 0xffff<<32 | uint64(n>>8)}, b: packet.Addr{Lo: 0xffff<<32 | 80}, ap: uint16(n & 0xff), bp: 443, proto: weir.TCP}
}

// TestTable adds and removes keys at random, and compares with a map.
func TestTable(t *testing.T) {
	m, err := New(DefaultConfig(), func(*weir.Batch) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	twin := map[key]uint32{}
	r := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		k := keyNumber(r.IntN(20_000))
		hash := m.table.hash(&k)
		i, _ := m.find(&k, hash)
		if i != twin[k] {
			t.Fatalf("find(%v) = %d, want %d", k, i, twin[k])
		}
		if i != 0 {
			m.table.remove(hash, i)
			delete(twin, k)
			continue
		}
		i, f := m.newFlow()
		f.key, f.hash = k, hash
		m.table.add(hash, i)
		twin[k] = i
	}
	if m.table.used != len(twin) {
		t.Errorf("%d in the table, want %d", m.table.used, len(twin))
	}
}

// TestPeers checks that the types of a pair answer each other.
func TestPeers(t *testing.T) {
	for name, peers := range map[string]*[256]uint16{"icmp": &icmpPeer, "icmp6": &icmp6Peer} {
		pairs := 0
		for typ, peer := range peers {
			if peer == 0 {
				continue
			}
			pairs++
			if back := peers[peer-1]; int(back) != typ+1 {
				t.Errorf("%s: %d is answered by %d, which is answered by %d", name, typ, peer-1, int(back)-1)
			}
		}
		if pairs < 10 {
			t.Errorf("%s: %d types have an answer, want 10 or more", name, pairs)
		}
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
		m.table.add(m.table.hash(&k), i)
	}
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		n = (n + 7919) % benchFlows
		k := keyNumber(n)
		if i, _ := m.find(&k, m.table.hash(&k)); i == 0 {
			b.Fatal(n)
		}
	}
}

func BenchmarkMap(b *testing.B) {
	m := map[key]uint32{}
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
		if i, ok := m[k]; !ok || flows[i].key.ap != k.ap { // the flow is touched in either case
			b.Fatal(n)
		}
	}
}
