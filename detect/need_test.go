package detect

import (
	"strings"
	"testing"
)

func needy() *Detector {
	return &Detector{
		Name: "needy",
		Needs: []Need{
			{Table: "dns", Fields: []string{"query"}, Must: true, Without: "no names"},
			{Table: "conn", Fields: []string{"tls.sni|http.host", "state"}, Without: "no servers"},
		},
		Limits: []Limit{
			{Condition: Sampled, Above: 1, Cost: "one in {}"}, {Condition: Sampled, Above: 10, Cost: "nearly none at 1:{}"},
			{Condition: ActiveTimeout, Above: 60, Cost: "{} late, blind under {/3}"}, {Condition: Lost, Above: 0.05, Cost: "{} missing"},
		},
		Bears: []Condition{InactiveTimeout, OneWay, Skewed},
	}
}

func TestCosts(t *testing.T) {
	for _, c := range []struct {
		condition Condition
		value     float64
		want      string
	}{
		{Sampled, 1, ""}, {Sampled, 4, "one in 4"}, {Sampled, 10, "one in 10"}, {Sampled, 100, "nearly none at 1:100"},
		{ActiveTimeout, 60, ""}, {ActiveTimeout, 1800, "30 min late, blind under 10 min"}, {ActiveTimeout, 90, "90 s late, blind under 30 s"},
		{ActiveTimeout, 6 * 3600, "6 h late, blind under 2 h"}, {Lost, 0.051, "5.1 % missing"}, {Lost, 0.12, "12 % missing"},
		{OneWay, 1, ""},
	} {
		if got := needy().Costs(c.condition, c.value); got != c.want {
			t.Errorf("Costs(%d, %v) = %q, want %q", c.condition, c.value, got, c.want)
		}
	}
}

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		sees  map[string][]string
		blind bool
		lost  string
	}{
		{map[string][]string{"dns": {"*"}, "conn": {"http.*", "state"}}, false, ""},
		{map[string][]string{"dns": {"query"}, "conn": {"tls.*"}}, false, "no servers"},
		{map[string][]string{"dns": {"rcode"}, "conn": {"*"}}, true, "no names"},
		{nil, true, "no names"},
	} {
		blind, lost := needy().Judge(&SourceKind{Sees: c.sees})
		if got := strings.Join(lost, "; "); blind != c.blind || got != c.lost {
			t.Errorf("Judge(%v) = %v, %q, want %v, %q", c.sees, blind, got, c.blind, c.lost)
		}
	}
	_, lost := needy().Judge(&SourceKind{Sees: map[string][]string{"dns": {"*"}, "conn": {"*"}}, Befall: map[Condition]float64{Sampled: 100}})
	if got := strings.Join(lost, "; "); got != "as a rule nearly none at 1:100" {
		t.Errorf("of a source that is always sampled: %q", got)
	}
}

func TestCheckNeeds(t *testing.T) {
	for _, c := range []struct {
		change func(*Detector)
		want   string
	}{
		{func(*Detector) {}, ""},
		{func(d *Detector) { d.Needs = nil }, "what it must have"},
		{func(d *Detector) { d.Needs[0].Table = "nosuch" }, "no table"},
		{func(d *Detector) { d.Needs[1].Fields = []string{"tls.sni|nosuch"} }, `no field "nosuch"`},
		{func(d *Detector) { d.Needs[0].Fields = nil }, "no fields"},
		{func(d *Detector) { d.Needs[0].Without = "" }, "what is lost"},
		{func(d *Detector) { d.Limits[0].Cost = "" }, "limits"},
		{func(d *Detector) { d.Bears = d.Bears[1:] }, "condition 2"},
	} {
		d := needy()
		c.change(d)
		err := d.checkNeeds()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("checkNeeds = %v, want %q", err, c.want)
		}
	}
}
