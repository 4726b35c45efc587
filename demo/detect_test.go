package demo

import (
	"context"
	"errors"
	"io"
	"iter"
	"log/slog"
	"net/netip"
	"slices"
	"testing"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/detect"
	"github.com/weir-nta/weir/detectors/hostsweep"
	"github.com/weir-nta/weir/detectors/portscan"
	"github.com/weir-nta/weir/enrich"
	"github.com/weir-nta/weir/enrich/domains"
	"github.com/weir-nta/weir/enrich/passivedns"
	"github.com/weir-nta/weir/parts"
	"github.com/weir-nta/weir/pipeline"
	"github.com/weir-nta/weir/source"
)

// batches is a source of batches that are there.
type batches iter.Seq[*weir.Batch]

func (s batches) Run(_ context.Context, emit func(*weir.Batch) error) error {
	for b := range s {
		if err := emit(b); err != nil {
			return err
		}
	}
	return nil
}

func (batches) Progress() source.Progress { return source.Progress{} }

// findings runs the whole pipeline but a store over s.
func findings(t *testing.T, s iter.Seq[*weir.Batch]) []weir.Finding {
	t.Helper()
	border, err1 := Networks().New()
	names, err2 := passivedns.Default.New()
	registered, err3 := domains.Default.New()
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	var found []weir.Finding
	p := pipeline.Pipeline{
		Sources:   []source.Source{batches(s)},
		Enrich:    []enrich.Enricher{border, names, registered},
		Found:     func(f weir.Finding) { found = append(found, f) },
		Detectors: choices(),
		Log:       slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return found
}

// choices are all detectors as they come, knowing the office's own scanner.
func choices() (list []detect.Choice) {
	for _, d := range parts.Detectors {
		c := detect.Choice{Detector: d, Config: d.Default}
		switch own := c.Config.(type) {
		case portscan.Config:
			own.Scanners = Scanners()
			c.Config = own
		case hostsweep.Config:
			own.Scanners = Scanners()
			c.Config = own
		}
		list = append(list, c)
	}
	return list
}

// TestDetectors wants every plant found that has a detector, and nobody taken
// for an attacker who is none.
func TestDetectors(t *testing.T) {
	for _, c := range []struct {
		name    string
		records iter.Seq[*weir.Batch]
		packets bool
	}{
		{"records", Records(Seed), false},
		{"packets", slices.Values([]*weir.Batch{fromPackets(t)}), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			found := findings(t, c.records)
			for _, p := range Plants() {
				if built(p.Detector) && (p.InPackets || !c.packets) && !slices.ContainsFunc(found, p.toldBy) {
					t.Errorf("%s did not find %v: %s", p.Detector, p.Src, p.What)
				}
			}
			for _, f := range found {
				if f.Severity >= weir.Medium && !bad(f.Src) {
					t.Errorf("%s, %v: %s", f.Detector, f.Severity, f.Summary)
				}
			}
		})
	}
}

// built reports whether there is a detector of that name.
func built(name string) bool {
	return slices.ContainsFunc(parts.Detectors, func(d *detect.Detector) bool { return d.Name == name })
}

// toldBy reports whether f, said loudly enough to be listed, is about p. Two
// hours of packets without the weeks before them allow no louder word.
func (p Plant) toldBy(f weir.Finding) bool {
	return f.Detector == p.Detector && f.Src == p.Src && f.Severity >= weir.Low
}

// bad reports whether a plant names a as who does it.
func bad(a netip.Addr) bool {
	return slices.ContainsFunc(Plants(), func(p Plant) bool { return p.Src == a })
}
