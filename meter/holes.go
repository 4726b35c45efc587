package meter

// holes are the stretches of a stream that have come beyond a gap.
type holes struct {
	spans [maxSpans]span
	n     uint8
	next  *holes
}

// flowsPerHoles is how many flows there may be for each direction that has
// holes, of 150 octets. Beyond it what came beyond a gap is not remembered: the
// history may tell of a gap (G) that was filled.
const flowsPerHoles = 8

// cover notes that the octets from lo to hi of a stream have come.
func (m *Meter) cover(f *flow, end uint8, lo, hi uint64) {
	e := &f.s[end]
	e.front = max(e.front, 1)
	if hi <= e.front {
		return
	}
	if lo <= e.front {
		e.front = hi
		if e.holey {
			m.absorb(f, end)
		}
		return
	}
	r := &f.rest[end]
	if r.holes == nil && m.holes > m.config.MaxFlows/flowsPerHoles {
		m.count.HolesMerged++
		return
	}
	if r.holes == nil {
		r.holes, e.holey = m.newHoles(), true
	}
	h := r.holes
	var ok bool
	if h.n, ok = join(&h.spans, h.n, span{lo, hi}); !ok {
		// Too many holes: the first is no longer told apart from what has come.
		m.count.HolesMerged++
		h.spans[0].lo = e.front
		m.absorb(f, end)
		m.cover(f, end, lo, hi)
	}
}

// absorb moves the front over what has come beyond it.
func (m *Meter) absorb(f *flow, end uint8) {
	e, h := &f.s[end], f.rest[end].holes
	for h.n > 0 && h.spans[0].lo <= e.front {
		e.front = max(e.front, h.spans[0].hi)
		copy(h.spans[:], h.spans[1:h.n])
		h.n--
	}
	if h.n == 0 {
		m.releaseHoles(f, end)
	}
}

func (m *Meter) newHoles() *holes {
	m.holes++
	h := m.freeHoles
	if h == nil {
		return &holes{}
	}
	m.freeHoles, h.next = h.next, nil
	return h
}

func (m *Meter) releaseHoles(f *flow, end uint8) {
	r := &f.rest[end]
	if r.holes == nil {
		return
	}
	m.holes--
	*r.holes = holes{next: m.freeHoles}
	m.freeHoles, r.holes = r.holes, nil
	f.s[end].holey = false
}

// missing takes an acknowledgment up to acked of what an end has sent: what
// has not come until then was missed by the sensor.
func (m *Meter) missing(f *flow, end uint8, acked uint64, ts int64) {
	e := &f.s[end]
	e.front = max(e.front, 1)
	if e.sentFIN && acked >= e.fin {
		acked = e.fin - 1
	}
	if acked <= e.front || acked <= 2 && f.partial || acked > e.front+1<<31 {
		return
	}
	r := &f.rest[end]
	for r.holes != nil && r.holes.spans[0].lo < acked {
		m.gap(f, end)
		e.front = r.holes.spans[0].lo
		m.absorb(f, end)
	}
	if acked > e.front {
		m.gap(f, end)
		e.front = acked
	}
	m.settle(f, end, ts)
}

// gap tells of one, but only of a connection that was seen from its beginning
// and is not torn down: elsewhere they are mere guesses.
func (m *Meter) gap(f *flow, end uint8) {
	e, peer := &f.s[end], &f.s[end^1]
	if e.clean() && peer.clean() {
		m.scaled(f, end, 'G', &f.rest[end].gap)
	}
}

func (e *side) clean() bool {
	return e.phase == established || e.phase == finished && e.before == established
}
