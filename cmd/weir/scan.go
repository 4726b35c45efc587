package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"

	"github.com/spf13/cobra"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/config"
	"github.com/weir-nta/weir/inputs"
	"github.com/weir-nta/weir/meter"
	"github.com/weir-nta/weir/output"
	"github.com/weir-nta/weir/query"
	"github.com/weir-nta/weir/source"
	"github.com/weir-nta/weir/source/capture"
	"github.com/weir-nta/weir/source/logs"
	"github.com/weir-nta/weir/source/nfcapd"
)

// findingFlags are those of all commands that print findings.
type findingFlags struct {
	formatFlags
	explain bool
	failOn  string
	least   string
}

func (f *findingFlags) register(cmd *cobra.Command) {
	f.formatFlags.register(cmd)
	cmd.Flags().BoolVar(&f.explain, "explain", false, "with the table format: explain each finding below it")
	cmd.Flags().StringVar(&f.failOn, "fail-on", "none", "exit with 1 if there is a finding of this severity or above: low, medium, high, critical or none")
	cmd.Flags().StringVar(&f.least, "min", "low", "show findings of this severity and above: info, low, medium, high or critical")
}

func newScan(s streams) *cobra.Command {
	var run runFlags
	var f findingFlags
	var dir string
	cmd := &cobra.Command{
		Use:   "scan FILE...",
		Short: "Analyse captures, logs and flow files, and print what was found in them",
		Long: "Scan reads captures (pcap, pcapng; exports of flows among their packets as well),\n" +
			"logs of Zeek and Suricata (EVE) and files of nfdump: plain or compressed, folders\n" +
			"of them, or standard input (-). What a file is, its content tells. Findings go to\n" +
			"stdout, everything else to stderr.\n\n" +
			"With --store the records are kept, to be asked with `weir query`.",
		Example: "  weir scan capture.pcap\n  weir scan /opt/zeek/logs/2026-11-21\n  weir scan --fail-on high -o ndjson lab.pcap > findings.ndjson\n  tcpdump -w - -i eth0 -c 10000 | weir scan -",
		Args:    wants(1, math.MaxInt, "files, folders of them, or - for standard input"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return scan(cmd.Context(), s, &run, &f, dir, args)
		},
	}
	run.register(cmd)
	f.register(cmd)
	cmd.Flags().StringVar(&dir, "store", "", "keep the records in the store in this folder")
	return cmd
}

func scan(ctx context.Context, s streams, run *runFlags, f *findingFlags, dir string, paths []string) error {
	least, failOn, err := f.levels()
	if err != nil {
		return err
	}
	conf, err := run.load(s)
	if err != nil {
		return err
	}
	if dir == "" {
		dir = conf.Store
	}
	src, err := openInputs(paths, conf)
	if err != nil {
		return err
	}
	a := &analysis{streams: s, flags: run, config: conf, detect: true}
	return f.analyse(ctx, a, src, dir, least, failOn)
}

// analyse runs a over what src brings, keeps the records in the store in dir if
// one is named, and prints what was found.
func (f *findingFlags) analyse(ctx context.Context, a *analysis, src source.Source, dir string, least, failOn weir.Severity) (err error) {
	if a.store, err = openStore(dir, false); err != nil {
		return err
	}
	if a.store != nil {
		defer func() {
			if cerr := a.store.Close(); err == nil && cerr != nil {
				err = exitWith(exitIncomplete, "store %s: %w", dir, cerr)
			}
		}()
	}
	d, err := f.open(a.streams)
	if err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, d.close()) }()
	if a.begin != nil {
		a.begin()
	}
	runErr := a.run(ctx, src)
	if err := f.print(a.streams, d, a.alerts.Alerts(), least); err != nil {
		return err
	}
	a.sayTotals(src.Progress())
	a.sayNothingFound(src.Progress())
	if dir != "" && runErr == nil {
		a.note("kept in %s: ask with `weir query --store %s 'top 10 dst.ip'`", dir, dir)
	}
	if err := a.verdict(ctx, runErr); err != nil {
		return err
	}
	return failed(a.alerts.Alerts(), failOn)
}

// openInputs opens files of any kind that can be read.
func openInputs(paths []string, conf *config.Config) (source.Source, error) {
	m := meter.DefaultConfig()
	m.Sensor = conf.Sensor
	exports := conf.Listen.Collector()
	exports.StateDir = ""
	c := inputs.Config{
		Paths:   paths,
		Capture: capture.Config{Meter: m, Collector: &exports},
		Logs:    logs.DefaultConfig(),
		Nfcapd:  nfcapd.Config{Collector: exports},
	}
	src, err := inputs.Open(c)
	var file *os.PathError
	if errors.As(err, &file) && file.Op == "stat" { // how it was found out is of no interest
		err = fmt.Errorf("%s: %w", file.Path, file.Err)
	}
	switch {
	case errors.Is(err, os.ErrPermission):
		return nil, &exitError{exitRefused, err}
	case err != nil:
		return nil, &exitError{exitNotFound, err}
	}
	return src, nil
}

// never is above all severities: nothing fails a run.
const never = weir.Critical + 1

// levels returns the severities asked for, and refuses what is wrong with the
// flags before anything is read.
func (f *findingFlags) levels() (least, failOn weir.Severity, err error) {
	if err := f.check(findingColumns()); err != nil {
		return 0, 0, err
	}
	if err := least.UnmarshalText([]byte(f.least)); err != nil {
		return 0, 0, exitWith(exitUsage, "--min: %w", err)
	}
	if f.failOn == "none" {
		return least, never, nil
	}
	if err := failOn.UnmarshalText([]byte(f.failOn)); err != nil {
		return 0, 0, exitWith(exitUsage, "--fail-on: %w", err)
	}
	return least, failOn, nil
}

// failed returns exit code 1 if an alert is of the severity or above.
func failed(alerts []weir.Alert, failOn weir.Severity) error {
	for _, a := range alerts {
		if a.Finding.Severity >= failOn {
			return &exitError{code: exitFindings}
		}
	}
	return nil
}

// print writes the findings of alerts to d, each joined as its alert is.
func (f *findingFlags) print(s streams, d *destination, alerts []weir.Alert, least weir.Severity) error {
	findings := joined(alerts, least)
	if hidden := len(alerts) - len(findings); hidden > 0 {
		s.talk("%s findings below %s are not shown (--min info)", count(int64(hidden)), least)
	}
	matched := len(findings)
	if f.limit > 0 && int64(matched) > f.limit {
		findings = findings[:f.limit]
		s.talk("%s of %s findings (use -n 0 for all)", count(f.limit), count(int64(matched)))
	}
	format := f.formatFor(d)
	if format == "md" {
		return markdownFindings(d, findings)
	}
	if err := f.findingRows(s, d, format, findings, int64(matched)); err != nil {
		return err
	}
	if format != "table" || !f.explain {
		return nil
	}
	fmt.Fprintln(d)
	color, err := f.colored(d)
	if err != nil {
		return err
	}
	for i := range findings {
		if err := output.Explain(d, &findings[i], d.width, color); err != nil {
			return err
		}
	}
	return nil
}

func markdownFindings(d *destination, findings []weir.Finding) error {
	fmt.Fprintf(d, "# %s\n\n", several(int64(len(findings)), "findings"))
	for i := range findings {
		if err := output.ExplainMarkdown(d, &findings[i]); err != nil {
			return err
		}
	}
	return nil
}

// joined returns the finding of each alert of the least severity and above,
// with the times and the count of all that joined it.
func joined(alerts []weir.Alert, least weir.Severity) []weir.Finding {
	var out []weir.Finding
	for _, a := range alerts {
		if a.Finding.Severity < least {
			continue
		}
		f := a.Finding
		f.First, f.Last, f.Count = a.First, a.Last, a.Count
		out = append(out, f)
	}
	return out
}

// findingColumns are the columns of whole findings, under their JSON names.
func findingColumns() []query.Column {
	var columns []query.Column
	for _, c := range weir.FindingTable.Columns {
		columns = append(columns, query.Column{Name: c.JSON, Type: c.Type, List: c.List, Enum: c.Enum, Unit: c.Unit})
	}
	return columns
}

// findingRows writes findings as rows: whole ones for programs, the columns
// that fit a screen for people.
func (f *findingFlags) findingRows(s streams, d *destination, format string, findings []weir.Finding, matched int64) error {
	if format == "table" && f.columns == nil {
		return f.shortRows(s, d, findings)
	}
	columns := findingColumns()
	f.nulls = true // who reads findings can rely on every key
	w, err := f.writer(d, columns)
	if err != nil {
		return err
	}
	row := make(query.Row, len(columns))
	for i := range findings {
		for c := range columns {
			row[c] = value(&findings[i], c)
		}
		if err := w.Row(row); err != nil {
			return err
		}
	}
	return w.Close(&output.Summary{Complete: matched == int64(len(findings)), Matched: matched, Shown: int64(len(findings)), Scanned: matched})
}

// value returns column c of f. An empty list of a finding is a statement, not
// a missing value.
func value(f *weir.Finding, c int) any {
	v := f.Value(c)
	if v == nil && (weir.FindingTable.Columns[c].List || weir.FindingTable.Columns[c].Type == weir.JSON) {
		return []any{}
	}
	return v
}

var shortColumns = []query.Column{
	{Name: "severity"}, {Name: "certainty"}, {Name: "detector"}, {Name: "host"}, {Name: "first"}, {Name: "n", Type: weir.Int}, {Name: "what"},
}

// shortRows writes a line for each finding. What was found begins with the
// host, and on a small screen little else fits beside it.
func (f *findingFlags) shortRows(s streams, d *destination, findings []weir.Finding) error {
	if len(findings) == 0 {
		return nil // a line of names above nothing says nothing
	}
	if d.small() && !f.wide {
		f.columns = []string{"severity", "detector", "what"}
		defer func() { f.columns = nil }()
		s.talk("%d of %d columns (--wide shows all)", len(f.columns), len(shortColumns))
	}
	w, err := f.writer(d, shortColumns)
	if err != nil {
		return err
	}
	for i := range findings {
		g := &findings[i]
		host := "-"
		if g.Src.IsValid() {
			host = g.Src.String()
		}
		err := w.Row(query.Row{g.Severity.String(), g.Certainty.String(), g.Detector, host, g.First.UTC().Format("2006-01-02 15:04:05Z"), int64(g.Count), g.Summary})
		if err != nil {
			return err
		}
	}
	return w.Close(nil)
}
