// Package detect runs detectors over the records that pass by, and over
// windows of those already stored.
//
// A detector is a value of type [Detector], in a folder of its own under
// detectors/. It is given records and reports findings; it does not know the
// pipeline, the clock, the store's make, or any other detector.
package detect

import (
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/query"
)

// A Detector describes one way of finding something in traffic.
type Detector struct {
	// Name identifies the detector in the configuration, in findings and in
	// the hunting language: lower case, a folder name.
	Name string
	// Doc is the README of the detector's folder.
	Doc string
	// Behaviour is that of its findings, one of weir.Behaviours.
	Behaviour string
	// Severity is the highest that its findings may have, unless a finding
	// says otherwise.
	Severity weir.Severity
	// Techniques are the MITRE ATT&CK techniques it shows, such as "T1046",
	// unless a finding names its own.
	Techniques []string
	// Default is its configuration where the operator says nothing.
	Default Config
	// Needs are what it looks at. Limits say what exporters and losses cost it,
	// Bears which of the conditions cost it nothing.
	Needs  []Need
	Limits []Limit
	Bears  []Condition
}

// A Config is a detector's configuration: a struct whose exported fields,
// tagged yaml, are what an operator may set.
type Config interface {
	// New checks the configuration and starts one run of the detector, with
	// no memory of earlier ones. Findings go to report, from within the
	// handlers only.
	New(report func(weir.Finding)) (Handlers, error)
}

// Handlers are the calls that a running detector asks for; nil ones are not
// made. They are made one at a time, in the order of arrival; within a batch
// DNS transactions come first, so that a question is known before the flows
// that it led to. Records have been enriched: what a host looked up stands in
// DstHost of its flows. They belong to everybody: a handler reads them and
// keeps copies.
type Handlers struct {
	Flow   func(*weir.Flow)
	DNS    func(*weir.DNSTransaction)
	Oddity func(*weir.Oddity)

	// Tick is called after each batch with the time that the traffic has
	// reached, which in a replay is not that of the wall.
	Tick func(now time.Time)
	// End is called once, when the traffic has ended, after a last Tick: what
	// has been waiting for more evidence is judged by what there is.
	End func(now time.Time)

	// Windows are the queries that the detector wants answered periodically.
	Windows []Window

	// Lost returns how many keys or values the detector has forgotten or
	// refused because a limit was reached. It is called like the handlers.
	Lost func() uint64
}

// A Window is a question about the recent past, asked again and again as the
// traffic's clock goes on, and once more at its end. It is asked of the store,
// after the records it is about have been written there.
type Window struct {
	Every time.Duration // how often it is asked
	Over  time.Duration // how far back it looks
	Query *query.Query  // the question
	// Row is called for each row of the answer, with the time up to which was
	// asked; a nil row says that the answer has ended, be it by an error or
	// because it took too long.
	Row func(now time.Time, row query.Row)
}

var name = regexp.MustCompile(`^[a-z][a-z0-9]+$`)

// Validate reports what a Detector still lacks.
func Validate(d *Detector) error {
	switch {
	case !name.MatchString(d.Name):
		return fmt.Errorf("detector name %q: want lower-case letters and digits", d.Name)
	case d.Doc == "":
		return fmt.Errorf("detector %s: no documentation", d.Name)
	case !slices.Contains(weir.Behaviours, d.Behaviour):
		return fmt.Errorf("detector %s: behaviour %q is not one of weir.Behaviours", d.Name, d.Behaviour)
	case len(d.Techniques) == 0:
		return fmt.Errorf("detector %s: no techniques", d.Name)
	case d.Default == nil:
		return fmt.Errorf("detector %s: no default configuration", d.Name)
	}
	if err := d.checkNeeds(); err != nil {
		return err
	}
	_, err := d.Default.New(func(weir.Finding) {})
	if err != nil {
		return fmt.Errorf("detector %s: its own defaults: %w", d.Name, err)
	}
	return nil
}

// Check returns nil if ok, and otherwise an error: it is for a detector's New
// to say what is wrong with a configuration.
func Check(ok bool, format string, args ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf(format, args...)
}
