package meter

// Advance tells the time (nanoseconds since 1970) to a live source's meter
// while no packet does: what has been idle by then ends, and what there is is
// handed on, in a batch without records if there is none, so that who listens
// learns how far time has got. A time before the clock changes nothing. No
// packet may be on its way that is older, or it is metered as a late one.
func (m *Meter) Advance(ts int64) error {
	if m.err != nil {
		return m.err
	}
	if !m.started {
		m.started = true
		m.setClock(ts)
	}
	if m.held.packet != nil { // no packet will confirm its time, but the wall can
		if step := ts - m.held.ts; step > maxStep || step < -maxStep {
			m.denyHeld()
		} else {
			m.believeHeld()
		}
	}
	if ts > m.clock {
		m.clock = ts
		if tickOf(ts) > m.wheel.now {
			m.advance(ts)
			m.timeOut(ts)
		}
	}
	m.flush(m.promise())
	return m.err
}
