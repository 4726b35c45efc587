package collector

import (
	"strings"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/netflow"
	"github.com/weir-nta/weir/decode/sflow"
)

// TestNothingIsSilent checks that what a decoder counts as left out, the
// counters of the collector and the notes tell as well.
func TestNothingIsSilent(t *testing.T) {
	c, d := newCollector(t, nil), &domain{}
	d.message(&netflow.Message{NoFlow: 3, ReplayedData: 5, ReservedSets: 7, IgnoredOptions: 11, CutExtra: 13, RefusedTemplates: 100}, netflow.NewDecoder(netflow.DefaultConfig), &c.counters)
	d.datagram(&sflow.Datagram{BadHeaders: 17, UnknownSamples: 19, UnknownRecords: 23, Untracked: 29, CutExtra: 31, BadSamples: 200}, sflow.NewDecoder(sflow.DefaultConfig), &c.counters)
	got := c.Quick()
	want := Counters{NoFlow: 3, Replayed: 5, ReservedSets: 7, IgnoredOptions: 11, CutElements: 13 + 31, BadHeaders: 17, UnknownSamples: 19, UnknownRecords: 23, Untracked: 29, BadSamples: 200, RefusedTemplates: 100}
	if got != want {
		t.Errorf("counted %+v, want %+v", got, want)
	}
	if d.malformed != 7+100+17+200 || d.limited != 11 {
		t.Errorf("a row tells of %d not read, %d beyond limits; want %d, 11", d.malformed, d.limited, 7+100+17+200)
	}
	notes := strings.Join(got.Notes(), "\n")
	for _, number := range []string{": 3,", ": 7,", ": 11", ": 44", ": 17,", ": 19,", ": 29", ": 200,"} {
		if !strings.Contains(notes, number) {
			t.Errorf("no note has %q:\n%s", number, notes)
		}
	}
}

// TestLateSamples checks that samples that come late are not lost.
func TestLateSamples(t *testing.T) {
	c := newCollector(t, nil)
	for i, sequence := range []uint32{60, 62, 61} {
		c.Datagram(sflowDatagram(sequence, 5), from(4, 9000), epoch.Add(time.Duration(i)*time.Millisecond))
		if want := [...]uint64{0, 5, 0}[i]; c.Quick().Lost != want {
			t.Errorf("after datagram %d: %d samples lost, want %d", sequence, c.Quick().Lost, want)
		}
	}
	got := closed(t, c)
	if lost := got.sum(func(r *weir.Exporter) uint64 { return r.Lost }); lost != 0 || len(got.flows) == 0 {
		t.Errorf("rows tell of %d samples lost, with %d flows; want none lost", lost, len(got.flows))
	}
}
