package detect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weir-nta/weir"
)

// A Need is something of the records that a detector looks at.
type Need struct {
	// Table is where: the name of a table.
	Table string
	// Fields are which; one of those parted by "|" is enough.
	Fields []string
	// Without says what is lost where a source does not fill them: "slow
	// failures at named hosts count too".
	Without string
	// Must says that without them nothing is found at all.
	Must bool
}

// A Condition is what befalls records on their way here. It has a value.
type Condition uint8

// The conditions.
const (
	ActiveTimeout   Condition = iota + 1 // of the exporter, in seconds
	InactiveTimeout                      // of the exporter, in seconds
	Sampled                              // N of 1:N
	OneWay                               // share of conversations of which one direction is told
	Lost                                 // share of records that were lost before they were stored
	Skewed                               // how far the exporter's clock is off, in seconds
)

// A Limit says what a condition costs a detector.
type Limit struct {
	Condition Condition
	Above     float64 // the value from which on it costs that
	// Cost says what: "beacons by UDP under {} are invisible". {} stands for
	// the value as people write it, {/3} for a third of it.
	Cost string
}

// Costs returns what a condition of this value costs d: of the limits that it
// exceeds the highest, empty if there is none.
func (d *Detector) Costs(c Condition, value float64) string {
	var worst *Limit
	for i := range d.Limits {
		l := &d.Limits[i]
		if l.Condition == c && value > l.Above && (worst == nil || l.Above > worst.Above) {
			worst = l
		}
	}
	if worst == nil {
		return ""
	}
	return strings.NewReplacer("{}", c.Format(value), "{/3}", c.Format(value/3)).Replace(worst.Cost)
}

// Format writes a value of the condition as people do.
func (c Condition) Format(value float64) string {
	switch c {
	case Sampled:
		return fmt.Sprintf("%.0f", value)
	case OneWay, Lost:
		return share(value)
	}
	return span(value)
}

// share writes a share in percent, small ones with a digit more.
func share(v float64) string {
	if v < 0.1 {
		return fmt.Sprintf("%.1f %%", 100*v)
	}
	return fmt.Sprintf("%.0f %%", 100*v)
}

// span writes seconds in the largest unit that leaves a number of 2 or more.
func span(seconds float64) string {
	switch {
	case seconds >= 2*86400:
		return fmt.Sprintf("%.0f days", seconds/86400)
	case seconds >= 2*3600:
		return fmt.Sprintf("%.0f h", seconds/3600)
	case seconds >= 120:
		return fmt.Sprintf("%.0f min", seconds/60)
	}
	return fmt.Sprintf("%.0f s", seconds)
}

func (n *Need) check() error {
	t := weir.TableByName(n.Table)
	switch {
	case t == nil:
		return fmt.Errorf("there is no table %q", n.Table)
	case len(n.Fields) == 0:
		return fmt.Errorf("of table %s no fields", n.Table)
	case n.Without == "":
		return fmt.Errorf("of %s of table %s it is not said what is lost without", strings.Join(n.Fields, ", "), n.Table)
	}
	for _, f := range n.Fields {
		for one := range strings.SplitSeq(f, "|") {
			if t.Column(one) < 0 {
				return fmt.Errorf("table %s has no field %q", n.Table, one)
			}
		}
	}
	return nil
}

// checkNeeds reports what is wrong with what d says that it needs.
func (d *Detector) checkNeeds() error {
	if !slices.ContainsFunc(d.Needs, func(n Need) bool { return n.Must }) {
		return fmt.Errorf("detector %s: it is not said what it must have", d.Name)
	}
	for i := range d.Needs {
		if err := d.Needs[i].check(); err != nil {
			return fmt.Errorf("detector %s: needs: %w", d.Name, err)
		}
	}
	for _, l := range d.Limits {
		if l.Condition < ActiveTimeout || l.Condition > Skewed || l.Above < 0 || l.Cost == "" {
			return fmt.Errorf("detector %s: limits: %+v is none", d.Name, l)
		}
	}
	for c := ActiveTimeout; c <= Skewed; c++ {
		if !slices.ContainsFunc(d.Limits, func(l Limit) bool { return l.Condition == c }) && !slices.Contains(d.Bears, c) {
			return fmt.Errorf("detector %s: it is not said what condition %d costs, nor that it costs nothing", d.Name, c)
		}
	}
	return nil
}

// Judge says how d fares with what a kind of source tells: whether it finds
// anything, and what is lost.
func (d *Detector) Judge(s *SourceKind) (blind bool, lost []string) {
	for i := range d.Needs {
		n := &d.Needs[i]
		if s.fills(n) {
			continue
		}
		if n.Must {
			return true, []string{n.Without}
		}
		lost = append(lost, n.Without)
	}
	for c := ActiveTimeout; c <= Skewed; c++ {
		if v, ok := s.Befall[c]; ok {
			if cost := d.Costs(c, v); cost != "" {
				lost = append(lost, "as a rule "+cost)
			}
		}
	}
	return false, lost
}
