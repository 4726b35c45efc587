// Package detecttest tests a detector against what it says of itself: its
// README, and the cases in its testdata.
//
// Each folder in testdata is a case: the traffic, the findings it must lead to
// (want.jsonl, an empty file for none) and, if the case needs one, a
// configuration (config.yaml, the detector's own keys). The traffic is in
// records.jsonl, a record per line as JSON with its table, such as
//
//	{"table":"conn","ts":"2026-11-21T09:00:00Z","src.ip":"10.0.0.1",…}
//
// or, where that would be long, made by a [Case] in the test. It is enriched
// before the detector sees it, as all traffic is: flows get the names that
// their sources looked up, names their registered domains. A detector has
// at least one case in which it finds something at low or above and one, as
// like it as can be, in which it does not.
//
//	go test ./detectors/portscan -update    # write want.jsonl anew, then read the diff
package detecttest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.yaml.in/yaml/v4"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/detect"
	"github.com/weir-nta/weir/enrich/domains"
	"github.com/weir-nta/weir/enrich/passivedns"
)

var update = flag.Bool("update", false, "write want.jsonl from what the detector finds")

// headings are those that a README must have, in this order.
var headings = []string{"## What it finds", "## How", "## Configuration", "## False positives", "## Blind spots", "## References"}

// A Case is traffic made by a function, for the folder testdata/Name.
type Case struct {
	Name    string
	Traffic func(*Traffic)
}

// batchSize is how many records of a case make a batch: few, so that a case
// has many, and with them many ticks.
const batchSize = 50

// Run runs all tests that every detector must pass.
func Run(t *testing.T, d *detect.Detector, made ...Case) {
	t.Helper()
	if err := detect.Validate(d); err != nil {
		t.Fatal(err)
	}
	t.Run("README", func(t *testing.T) { testReadme(t, d) })
	t.Run("empty", func(t *testing.T) {
		if got := detected(t, d, d.Default, nil); len(got) > 0 {
			t.Errorf("no traffic: %d findings, want none", len(got))
		}
	})
	loud, quiet := 0, 0
	for _, c := range cases(t, made) {
		t.Run(c.Name, func(t *testing.T) {
			if testCase(t, d, c) {
				loud++
			} else {
				quiet++
			}
		})
	}
	if loud == 0 || quiet == 0 {
		t.Errorf("testdata: %d cases with findings, %d without; want some of each", loud, quiet)
	}
}

// cases returns the cases of made and those of testdata, each folder with one
// source of traffic.
func cases(t *testing.T, made []Case) []Case {
	all := slices.Clone(made)
	dirs, err := os.ReadDir("testdata")
	if err != nil && len(made) == 0 {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		if dir.Name() == "fuzz" {
			continue // the go command's own, with what fuzzing found
		}
		file := filepath.Join("testdata", dir.Name(), "records.jsonl")
		_, err := os.Stat(file)
		isMade := slices.ContainsFunc(made, func(c Case) bool { return c.Name == dir.Name() })
		switch {
		case err == nil && !isMade:
			all = append(all, Case{dir.Name(), func(tr *Traffic) { tr.read(t, file) }})
		case err == nil || !isMade:
			t.Errorf("testdata/%s: want records.jsonl or a Case of that name, and not both", dir.Name())
		}
	}
	slices.SortFunc(all, func(a, b Case) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// testReadme checks that the headings are there and that the configuration
// printed under "## Configuration" is exactly the default one.
func testReadme(t *testing.T, d *detect.Detector) {
	at := 0
	for _, h := range headings {
		i := strings.Index(d.Doc[at:], "\n"+h+"\n")
		if i < 0 {
			t.Fatalf("no %q, or not in its place", h)
		}
		at += i + 1
	}
	for _, id := range d.Techniques {
		if !strings.Contains(d.Doc, id) {
			t.Errorf("technique %s is not mentioned", id)
		}
	}
	block := regexp.MustCompile("(?s)```yaml\ndetectors:\n  (\\w+):\n(.*?)```").FindStringSubmatch(d.Doc)
	if block == nil || block[1] != d.Name {
		t.Fatalf("no yaml block that begins with detectors: and %s:", d.Name)
	}
	shown := decode(t, d, []byte(block[2]), false)
	if diff := cmp.Diff(d.Default, shown, cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
		t.Errorf("README shows another configuration than the default one (-default +README):\n%s", diff)
	}
}

// decode decodes text over the default configuration of d, or over an empty
// one, and refuses keys that it lacks.
func decode(t *testing.T, d *detect.Detector, text []byte, overDefault bool) detect.Config {
	c := reflect.New(reflect.TypeOf(d.Default))
	if overDefault {
		c.Elem().Set(reflect.ValueOf(d.Default))
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(c.Interface()); err != nil {
		t.Fatal(err)
	}
	return c.Elem().Interface().(detect.Config)
}

// testCase runs c twice and reports whether something was found.
func testCase(t *testing.T, d *detect.Detector, c Case) (found bool) {
	dir := filepath.Join("testdata", c.Name)
	config := d.Default
	text, err := os.ReadFile(filepath.Join(dir, "config.yaml"))
	switch {
	case err == nil:
		config = decode(t, d, text, true)
	case !os.IsNotExist(err):
		t.Fatal(err)
	}
	tr := &Traffic{}
	c.Traffic(tr)
	if len(tr.Records) == 0 {
		t.Fatal("no records")
	}
	batches := enriched(t, tr.Records)
	findings := detected(t, d, config, batches)
	for i := range findings {
		checkFinding(t, d, &findings[i])
		checkQueries(t, &findings[i], batches)
		found = found || findings[i].Severity >= weir.Low
	}
	got := lines(findings)
	if again := lines(detected(t, d, config, batches)); got != again {
		t.Errorf("a second run gives other findings: %s", cmp.Diff(got, again))
	}
	compare(t, filepath.Join(dir, "want.jsonl"), got)
	return found
}

func compare(t *testing.T, file, got string) {
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), fs.ModePerm); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

func lines(findings []weir.Finding) string {
	var b []byte
	for i := range findings {
		b = append(weir.AppendJSON(b, &findings[i]), '\n')
	}
	return string(b)
}

// enriched returns the records in batches, as they leave the enrichers.
func enriched(t *testing.T, records []weir.Record) []*weir.Batch {
	names, err1 := passivedns.Default.New()
	registered, err2 := domains.Default.New()
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	var batches []*weir.Batch
	for some := range slices.Chunk(records, batchSize) {
		b := &weir.Batch{}
		for _, r := range some {
			b.Add(r)
		}
		names.Enrich(b)
		registered.Enrich(b)
		batches = append(batches, b)
	}
	return batches
}

// detected returns what d finds in the batches, which it is shown as an import
// shows them.
func detected(t *testing.T, d *detect.Detector, config detect.Config, batches []*weir.Batch) []weir.Finding {
	t.Helper()
	var findings []weir.Finding
	e, err := detect.Start(t.Context(), []detect.Choice{{Detector: d, Config: config}}, detect.Options{
		Report: func(f weir.Finding) { findings = append(findings, f) },
		Log:    slog.New(slog.NewTextHandler(t.Output(), nil)),
		Ask:    ask(batches),
		Wait:   true,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range batches {
		if err := e.Observe(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	e.Close()
	if s := e.Stats()[0]; s.Stopped || s.Unanswered > 0 || s.MissedBatches > 0 {
		t.Errorf("the run went wrong: %+v", s)
	}
	return findings
}

// checkFinding checks what must hold for every finding of every detector.
func checkFinding(t *testing.T, d *detect.Detector, f *weir.Finding) {
	t.Helper()
	must := func(ok bool, format string, args ...any) {
		t.Helper()
		if !ok {
			t.Errorf("finding %q: %s", f.Summary, fmt.Sprintf(format, args...))
		}
	}
	must(strings.ContainsAny(f.Summary, "0123456789") && len(f.Summary) > 20, "the summary lacks a number")
	must(f.Detector == d.Name && f.Key != "" && f.Query != "" && f.Src.IsValid(), "lacks detector, key, query or source")
	must(slices.Contains(weir.Behaviours, f.Behaviour), "behaviour %q is not in the list", f.Behaviour)
	must(len(f.Techniques) > 0, "no techniques")
	for _, id := range f.Techniques {
		must(technique.MatchString(id), "technique %q", id)
	}
	must(!f.First.IsZero() && !f.Last.Before(f.First) && !f.Time.IsZero(), "times %v %v %v", f.First, f.Last, f.Time)
	must(len(f.Checks) > 0, "no checks")
	seen := map[string]bool{}
	for _, c := range f.Checks {
		must(c.ID != "" && c.Label != "" && c.Text != "" && !seen[c.ID], "check %+v lacks something or is told twice", c)
		must(passes(&c) == c.Pass, "check %s: %g %s %g is not %v", c.ID, c.Value, c.Op, c.Threshold, c.Pass)
		seen[c.ID] = true
	}
	if f.Certainty != weir.Proven {
		must(len(f.Terms) > 0, "no terms")
		must(f.Severity <= detect.Severity(f.Score, weir.Critical), "severity %v is more than score %.3f allows", f.Severity, f.Score)
		must(f.Certainty == detect.Certainty(f.Score, f.Checks), "certainty %v is not that of score %.3f and its checks", f.Certainty, f.Score)
	}
}

var technique = regexp.MustCompile(`^T\d{4}(\.\d{3})?$`)

func passes(c *weir.Check) bool {
	switch c.Op {
	case "<":
		return c.Value < c.Threshold
	case "<=":
		return c.Value <= c.Threshold
	case ">":
		return c.Value > c.Threshold
	case ">=":
		return c.Value >= c.Threshold
	}
	return c.Value == c.Threshold
}

// read appends the records of a file.
func (tr *Traffic) read(t *testing.T, file string) {
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	for n := 1; s.Scan(); n++ {
		r, err := parseRecord(s.Bytes())
		if err != nil {
			t.Fatalf("%s:%d: %v", file, n, err)
		}
		tr.Records = append(tr.Records, r)
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
}

func parseRecord(line []byte) (weir.Record, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(line, &fields); err != nil {
		return nil, err
	}
	var name string
	if err := json.Unmarshal(fields["table"], &name); err != nil {
		return nil, fmt.Errorf("table: %w", err)
	}
	table := weir.TableByName(name)
	if table == nil {
		return nil, fmt.Errorf("no table %q", name)
	}
	delete(fields, "table")
	rest, err := json.Marshal(fields)
	if err != nil {
		return nil, err
	}
	r := table.New()
	return r, weir.ParseJSON(r, rest)
}
