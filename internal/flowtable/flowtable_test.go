package flowtable

import (
	"math/rand/v2"
	"testing"
)

// TestTable compares the table with a map, for hashes that collide much.
func TestTable(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	table, twin := NewTable(), map[uint32]uint32{}
	for n := range 200_000 {
		flow := 1 + rng.Uint32N(5000)
		hash, in := twin[flow]
		if in {
			table.Remove(hash, flow)
			delete(twin, flow)
		} else {
			hash = rng.Uint32N(3000)
			table.Add(hash, flow)
			twin[flow] = hash
		}
		if got := found(&table, hash, flow); got == in {
			t.Fatalf("step %d: found(%d, %d) = %v, want %v", n, hash, flow, got, !in)
		}
	}
	if table.Len() != len(twin) {
		t.Errorf("Len() = %d, want %d", table.Len(), len(twin))
	}
	for flow, hash := range twin {
		if !found(&table, hash, flow) {
			t.Errorf("flow %d of hash %d is lost", flow, hash)
		}
	}
}

func found(t *Table, hash, flow uint32) bool {
	for at := hash; ; {
		f, next := t.Next(hash, at)
		if f == 0 || f == flow {
			return f != 0
		}
		at = next
	}
}

// TestWheel puts flows at random ticks, moves some, and wants each once, at its
// tick or, if that lies too far ahead, asked again until it has come.
func TestWheel(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	w := &Wheel{Now: 1000}
	due := map[uint32]int64{}
	for flow := uint32(1); flow <= 3000; flow++ {
		due[flow] = 900 + rng.Int64N(3*Slots)
		w.Put(flow, due[flow])
	}
	for flow := uint32(1); flow <= 3000; flow += 3 {
		if !w.Has(flow) {
			t.Fatalf("Has(%d) = false, want true", flow)
		}
		w.Remove(flow)
		if flow%2 == 0 {
			due[flow] = 1000 + rng.Int64N(Slots-1)
			w.Put(flow, due[flow])
			if got := w.Tick(flow); got != due[flow] {
				t.Fatalf("Tick(%d) = %d, want %d", flow, got, due[flow])
			}
		} else {
			delete(due, flow)
		}
	}
	asked := 0
	for end := int64(1000); len(due) > 0; end += 1 + rng.Int64N(50) {
		for flow := w.Due(end); flow != 0; flow = w.Due(end) {
			if asked++; asked > 20_000 {
				t.Fatal("the wheel goes on asking")
			}
			tick, ok := due[flow]
			switch {
			case !ok:
				t.Fatalf("flow %d came up again", flow)
			case tick >= w.Now:
				w.Put(flow, tick)
			case tick >= end:
				t.Fatalf("flow %d came up before %d, want not before tick %d", flow, end, tick)
			default:
				delete(due, flow)
			}
		}
		if w.Now != end {
			t.Fatalf("Now = %d after Due(%d)", w.Now, end)
		}
		if end > 5*Slots {
			t.Fatalf("%d flows have not come up", len(due))
		}
	}
	if flow, _ := w.First(w.Now); flow != 0 {
		t.Errorf("flow %d is left", flow)
	}
}

func TestSlabs(t *testing.T) {
	var s Slabs[[2]int]
	seen := map[uint32]*[2]int{}
	for i := range 3 * SlabFlows {
		n, p := s.New()
		if n == 0 || seen[n] != nil || *p != [2]int{} {
			t.Fatalf("New() = %d, %v, want a new number and an empty flow", n, *p)
		}
		*p = [2]int{i, i}
		seen[n] = p
	}
	for n, p := range seen {
		if s.At(n) != p {
			t.Errorf("flow %d has moved", n)
		}
		s.Free(n)
	}
	if n, p := s.New(); seen[n] != p || *p != [2]int{} {
		t.Errorf("New() = %d, %v after Free, want an old number and an empty flow", n, *p)
	}
}
