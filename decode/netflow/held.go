package netflow

import (
	"slices"
	"time"
)

// A heldSet is a set of data that waits for its template, with what its
// message said of it.
type heldSet struct {
	body   []byte
	header header
	came   time.Time
}

// heldCost is what a held set takes beside its octets; it counts as these do.
const heldCost = 96

// hold puts a set aside if there is room.
func (d *Decoder) hold(m *Message, h header, id uint16, body []byte, at time.Time) {
	missing := MissingSet{Domain: h.domain, Template: id, Bytes: len(body)}
	if d.heldBytes+len(body)+heldCost <= d.config.MaxHeldBytes {
		missing.Held = true
		d.heldBytes += len(body) + heldCost
		key := templateID{h.session, id}.shared()
		d.held[key] = append(d.held[key], heldSet{slices.Clone(body), h, at})
		if due := at.Add(d.config.HoldFor); d.nextExpiry.IsZero() || due.Before(d.nextExpiry) {
			d.nextExpiry = due
		}
	}
	m.Missing = append(m.Missing, missing)
}

// maxReplay is how many records a message may have for sets to be released with
// it. What had been held beyond that is given up and counted: real exporters
// need not come near it, for MaxHeldBytes of what they send is less. The
// shortest records, an address alone, would take 64 times as much as was held.
const maxReplay = 1 << 15

// maxWalked is how many sets that are held, and templates that may have to go,
// one message may have looked at. A message with thousands of templates of one
// number would else have all that is held looked at for each of them. What is
// not looked at stays held, until its time is over.
const maxWalked = 1 << 17

// mayWalk reports whether n more steps are within the bounds of this message.
func (d *Decoder) mayWalk(n int) bool {
	if d.walked+n > maxWalked {
		return false
	}
	d.walked += n
	return true
}

// release decodes what waited for t: the sets of its session, and those of
// sessions that send no templates.
func (d *Decoder) release(m *Message, t *template) {
	key := t.templateID.shared()
	sets := d.held[key]
	if len(sets) == 0 || !d.mayWalk(len(sets)) {
		return
	}
	data, before := m.Data, len(m.Records)
	kept := sets[:0]
	for _, s := range sets {
		if s.header.session != t.session && d.sessions[s.header.session] > 0 {
			kept = append(kept, s)
			continue
		}
		d.heldBytes -= len(s.body) + heldCost
		if len(m.Records) >= maxReplay {
			m.ExpiredSets++
			m.ExpiredBytes += len(s.body)
			continue
		}
		dom := d.domain(s.header.domain)
		c := s.header.clock
		if c.ipfix {
			c.boot = dom.boot
		}
		d.set(m, t, dom, &c, s.body)
	}
	d.keepHeld(key, sets, kept)
	m.Replayed += len(m.Records) - before
	m.ReplayedData += m.Data - data
	m.Data = data
}

// keepHeld leaves of the sets only those at their front.
func (d *Decoder) keepHeld(key sharedID, sets, kept []heldSet) {
	clear(sets[len(kept):])
	if len(kept) == 0 {
		delete(d.held, key)
		return
	}
	d.held[key] = kept
}

// expire gives up sets whose time is over.
func (d *Decoder) expire(m *Message, at time.Time) {
	if d.nextExpiry.IsZero() || at.Before(d.nextExpiry) {
		return
	}
	d.nextExpiry = time.Time{}
	for key, sets := range d.held {
		kept := sets[:0]
		for _, s := range sets {
			due := s.came.Add(d.config.HoldFor)
			if at.Before(due) {
				kept = append(kept, s)
				if d.nextExpiry.IsZero() || due.Before(d.nextExpiry) {
					d.nextExpiry = due
				}
				continue
			}
			d.heldBytes -= len(s.body) + heldCost
			m.ExpiredSets++
			m.ExpiredBytes += len(s.body)
		}
		d.keepHeld(key, sets, kept)
	}
	// A walk over all that is held is due again no sooner than after a part of
	// the time: sets that came one after the other do not each cause one.
	if soonest := at.Add(d.config.HoldFor / 16); !d.nextExpiry.IsZero() && d.nextExpiry.Before(soonest) {
		d.nextExpiry = soonest
	}
}

// Held returns how many sets wait for their templates. Those that still do
// when nothing more will come are lost, for the caller to count.
func (d *Decoder) Held() int {
	n := 0
	for _, sets := range d.held {
		n += len(sets)
	}
	return n
}
