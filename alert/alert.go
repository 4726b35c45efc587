// Package alert joins findings into alerts: all findings of one detector with
// one key are one thing to be dealt with.
package alert

import (
	"cmp"
	"slices"
	"sync"

	"github.com/weir-nta/weir"
)

// MaxAlerts is how many alerts a [Manager] holds unless told otherwise: more
// than anybody reads, and at 4 kB each 400 MB.
const MaxAlerts = 100_000

// louder is how much more of the same makes a known alert news again.
const louder = 3

// A Manager joins findings. It holds a bounded number of alerts; at the limit
// a new one takes the place of the least severe ones whose last finding is
// oldest, unless it is less severe than all. A flood of findings can so push
// out lesser alerts, never graver ones. It may be used from many goroutines.
type Manager struct {
	mu      sync.Mutex
	limit   int
	open    map[string]*entry
	dropped uint64
}

type entry struct {
	weir.Alert
	told      weir.Finding // with which the alert was news last
	toldCount uint64
}

// NewManager returns a Manager of at most limit alerts; 0 for MaxAlerts.
func NewManager(limit int) *Manager {
	if limit <= 0 {
		limit = MaxAlerts
	}
	return &Manager{limit: limit, open: map[string]*entry{}}
}

// ID returns the identity of the alert that f belongs to: its detector and key.
func ID(f *weir.Finding) string { return f.Detector + "/" + f.Key }

// Add joins f to its alert and returns that. News says that somebody should
// look, again or for the first time: the alert is new, or f is graver or
// surer than what was told, has a technique that was not, or makes three
// times as many findings.
func (m *Manager) Add(f weir.Finding) (a weir.Alert, news bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	id := ID(&f)
	e, known := m.open[id]
	if !known {
		e = &entry{Alert: weir.Alert{ID: id, First: f.First, Last: f.Last, Finding: f}}
		if !m.room(&f) {
			e.Count = max(f.Count, 1)
			return e.Alert, true // told, though not kept
		}
		m.open[id] = e
	}
	e.join(f)
	news = !known || e.isNews(&f)
	if news {
		e.told, e.toldCount = f, e.Count
	}
	return e.Alert, news
}

func (e *entry) join(f weir.Finding) {
	if f.First.Before(e.First) {
		e.First = f.First
	}
	if f.Last.After(e.Last) {
		e.Last = f.Last
	}
	e.Count += max(f.Count, 1)
	if f.Severity >= e.Finding.Severity {
		e.Finding = f
	}
}

func (e *entry) isNews(f *weir.Finding) bool {
	return f.Severity > e.told.Severity || f.Certainty > e.told.Certainty || e.Count >= louder*e.toldCount ||
		slices.ContainsFunc(f.Techniques, func(t string) bool { return !slices.Contains(e.told.Techniques, t) })
}

// room makes room for an alert of f and reports whether there is. It drops a
// tenth at once, so that a flood does not look for the least alert each time.
func (m *Manager) room(f *weir.Finding) bool {
	if len(m.open) < m.limit {
		return true
	}
	var lesser []*entry
	for _, e := range m.open {
		if e.Finding.Severity <= f.Severity {
			lesser = append(lesser, e)
		}
	}
	if len(lesser) == 0 {
		m.dropped++ // f itself
		return false
	}
	slices.SortFunc(lesser, func(a, b *entry) int { return compare(&b.Alert, &a.Alert) })
	for _, e := range lesser[:min(len(lesser), m.limit/10+1)] {
		delete(m.open, e.ID)
		m.dropped++
	}
	return true
}

// Alerts returns all alerts: the most severe first, of equals the latest, then
// by detector and key.
func (m *Manager) Alerts() []weir.Alert {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]weir.Alert, 0, len(m.open))
	for _, e := range m.open {
		all = append(all, e.Alert)
	}
	slices.SortFunc(all, func(a, b weir.Alert) int { return compare(&a, &b) })
	return all
}

func compare(a, b *weir.Alert) int {
	return cmp.Or(cmp.Compare(b.Finding.Severity, a.Finding.Severity), b.Last.Compare(a.Last), cmp.Compare(a.ID, b.ID))
}

// Dropped returns how many alerts did not fit the limit.
func (m *Manager) Dropped() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dropped
}
