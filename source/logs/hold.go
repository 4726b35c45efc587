package logs

import (
	"cmp"
	"slices"
	"time"

	"github.com/weir-nta/weir"
)

// maxHeld is how many flows wait for their time, some 40 MB. When they are
// more, that which ends first goes on early: time may then step back for who
// comes after, by as much as the flow before it was too late. Who opens that
// many conversations at once can disorder time, and not lose any.
const maxHeld = 1 << 16

// A hold keeps flows until the logs have got to their end. Logs tell of a
// conversation when it is over or, where they have been sorted, when it began;
// what was said in it and the names that led to it stand in other logs, which
// may be a little behind. Detectors want to hear of all that in its order.
type hold struct {
	flows []weir.Flow // in slots, so that sorting moves no flows
	free  []int32
	ends  endings
	seq   uint64
	early uint64
	limit int
}

// An ending is when a held flow ends.
type ending struct {
	at    int64 // microseconds since 1970
	seq   uint64
	slot  int32
	zeek  bool
	round uint64 // of following, in which it was read
}

// endings is a heap, the earliest first. (Package heap would put each ending
// into memory of its own.)
type endings []ending

func (e endings) before(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].seq < e[j].seq
}

func (e *endings) push(x ending) {
	*e = append(*e, x)
	h := *e
	for i := len(h) - 1; i > 0; {
		up := (i - 1) / 2
		if !h.before(i, up) {
			return
		}
		h[i], h[up] = h[up], h[i]
		i = up
	}
}

func (e *endings) pop() ending {
	h := *e
	first, last := h[0], len(h)-1
	h[0] = h[last]
	*e = h[:last]
	(*e).down(0)
	return first
}

func (e endings) down(i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(e); child++ {
			if e.before(child, least) {
				least = child
			}
		}
		if least == i {
			return
		}
		e[i], e[least] = e[least], e[i]
		i = least
	}
}

// put holds a flow.
func (h *hold) put(f *weir.Flow, zeek bool, round uint64) {
	var slot int32
	if n := len(h.free); n > 0 {
		slot = h.free[n-1]
		h.free = h.free[:n-1]
	} else {
		slot = int32(len(h.flows))
		h.flows = append(h.flows, weir.Flow{})
	}
	h.flows[slot] = *f
	h.seq++
	h.ends.push(ending{f.End.UnixMicro(), h.seq, slot, zeek, round})
}

// take calls f for the held flows that end before t, the first first, and for
// those that are too many. Of t itself another log may still tell: a handshake
// at the time of a conversation that had no more.
func (h *hold) take(t time.Time, f func(*weir.Flow, bool) error) error {
	until := t.UnixMicro()
	for len(h.ends) > 0 {
		late := h.ends[0].at >= until
		if late && len(h.ends) <= h.limit {
			return nil
		}
		if late {
			h.early++
		}
		if err := h.release(h.ends.pop(), f); err != nil {
			return err
		}
	}
	return nil
}

// takeRounds calls f for the flows that were read in that round or before it.
func (h *hold) takeRounds(round uint64, f func(*weir.Flow, bool) error) error {
	var due []ending
	h.ends = slices.DeleteFunc(h.ends, func(e ending) bool {
		if e.round <= round {
			due = append(due, e)
			return true
		}
		return false
	})
	for i := len(h.ends)/2 - 1; i >= 0; i-- {
		h.ends.down(i)
	}
	slices.SortFunc(due, func(a, b ending) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.seq, b.seq)) })
	for _, e := range due {
		if err := h.release(e, f); err != nil {
			return err
		}
	}
	return nil
}

// each calls f for the held flows of Zeek, in no order.
func (h *hold) each(f func(*weir.Flow)) {
	for _, e := range h.ends {
		if e.zeek {
			f(&h.flows[e.slot])
		}
	}
}

func (h *hold) release(e ending, f func(*weir.Flow, bool) error) error {
	err := f(&h.flows[e.slot], e.zeek) // what is in the slot stays until it is used again: clearing it would cost as much as a copy
	h.free = append(h.free, e.slot)
	return err
}
