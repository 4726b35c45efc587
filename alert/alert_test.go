package alert

import (
	"slices"
	"testing"
	"time"

	"github.com/weir-nta/weir"
)

var start = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)

func finding(key string, minute int, s weir.Severity, techniques ...string) weir.Finding {
	at := start.Add(time.Duration(minute) * time.Minute)
	return weir.Finding{Detector: "portscan", Key: key, Time: at, First: at.Add(-time.Minute), Last: at, Severity: s, Techniques: techniques, Count: 1}
}

func TestFindingsWithOneKeyAreOneAlert(t *testing.T) {
	m := NewManager(0)
	m.Add(finding("a", 10, weir.Low))
	m.Add(finding("a", 20, weir.High))
	a, _ := m.Add(finding("a", 5, weir.Medium))
	if a.Count != 3 || !a.First.Equal(start.Add(4*time.Minute)) || !a.Last.Equal(start.Add(20*time.Minute)) || a.Finding.Severity != weir.High {
		t.Errorf("alert %+v, want 3 findings from 9:04 to 9:20, high", a)
	}
	other := finding("a", 5, weir.Low)
	other.Detector = "beacon"
	if a, news := m.Add(other); !news || a.ID != "beacon/a" || len(m.Alerts()) != 2 {
		t.Errorf("alert %q news %v of %d, want another detector's to be another one", a.ID, news, len(m.Alerts()))
	}
}

func TestNews(t *testing.T) {
	m := NewManager(0)
	for i, c := range []struct {
		f    weir.Finding
		want bool
	}{
		{finding("a", 0, weir.Low, "T1046"), true},
		{finding("a", 1, weir.Low, "T1046"), false},
		{finding("a", 2, weir.Low, "T1046"), true}, // three times as many
		{finding("a", 3, weir.Low, "T1046"), false},
		{finding("a", 4, weir.Medium, "T1046"), true}, // graver
		{finding("a", 5, weir.Low, "T1046"), false},
		{finding("a", 6, weir.Low, "T1595"), true}, // another technique
	} {
		if _, got := m.Add(c.f); got != c.want {
			t.Errorf("finding %d: news %v, want %v", i, got, c.want)
		}
	}
}

func TestOrder(t *testing.T) {
	m := NewManager(0)
	for _, f := range []weir.Finding{finding("c", 1, weir.Low), finding("b", 1, weir.Low), finding("d", 2, weir.Low), finding("a", 0, weir.High)} {
		m.Add(f)
	}
	var got []string
	for _, a := range m.Alerts() {
		got = append(got, a.Finding.Key)
	}
	if want := []string{"a", "d", "b", "c"}; !slices.Equal(got, want) {
		t.Errorf("alerts %v, want %v", got, want)
	}
}

func TestLimitKeepsTheGraver(t *testing.T) {
	m := NewManager(2)
	m.Add(finding("low", 0, weir.Low))
	m.Add(finding("high", 1, weir.High))
	m.Add(finding("medium", 2, weir.Medium)) // takes the place of low
	_, news := m.Add(finding("late", 3, weir.Low))
	var got []string
	for _, a := range m.Alerts() {
		got = append(got, a.Finding.Key)
	}
	if want := []string{"high", "medium"}; !slices.Equal(got, want) || !news || m.Dropped() != 2 {
		t.Errorf("alerts %v, news %v, %d dropped; want %v, true, 2", got, news, m.Dropped(), want)
	}
}
