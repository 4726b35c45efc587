package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"

	"github.com/spf13/cobra"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/config"
	"github.com/weir-nta/weir/demo"
	"github.com/weir-nta/weir/detect"
	"github.com/weir-nta/weir/detectors/hostsweep"
	"github.com/weir-nta/weir/detectors/portscan"
	"github.com/weir-nta/weir/parts"
	"github.com/weir-nta/weir/source"
	"github.com/weir-nta/weir/store"
)

func newDemo(s streams) *cobra.Command {
	var run runFlags
	var f findingFlags
	var d demoFlags
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Analyse a synthetic office network with planted attacks",
		Long: "Demo makes 37 days of an office network that does not exist, plants attacks in\n" +
			"it and honest traffic that looks like them, and analyses it as it would real\n" +
			"traffic; then two hours of it once more, from packets. It leaves nothing behind.\n\n" +
			demo.Notice,
		Args: wants(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runDemo(cmd.Context(), s, &run, &f, &d)
		},
	}
	run.register(cmd)
	f.register(cmd)
	flags := cmd.Flags()
	f.explain = true // who tries the demo wants to see that
	flags.Lookup("explain").DefValue = "true"
	flags.Uint64Var(&d.seed, "seed", demo.Seed, "the same seed makes the same network")
	flags.StringVar(&d.store, "store", "", "keep the records in the store in this folder, to ask them with `weir query`")
	flags.StringVar(&d.pcap, "pcap", "", "write the packets to this file, to try `weir scan` on")
	return cmd
}

type demoFlags struct {
	seed  uint64
	store string
	pcap  string
}

func runDemo(ctx context.Context, s streams, run *runFlags, f *findingFlags, d *demoFlags) (err error) {
	least, failOn, err := f.levels()
	if err != nil {
		return err
	}
	conf, err := demoConfig(s, run)
	if err != nil {
		return err
	}
	if d.pcap != "" {
		return d.writePcap(s, d.pcap)
	}
	st, err := d.openStore()
	if err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, st.Close()) }()
	out, err := f.open(s)
	if err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, out.close()) }()
	s.talk("%s", demo.Notice)
	a := &analysis{streams: s, flags: run, config: conf, store: st, detect: true}
	if err := a.run(ctx, &demoSource{seed: d.seed}); err != nil {
		return a.verdict(ctx, err)
	}
	if err := f.print(s, out, a.alerts.Alerts(), least); err != nil {
		return err
	}
	a.note("%d days, analysed in %.1f s", demo.Days, a.took.Seconds())
	whole := judge(a.alerts.Alerts(), conf, false)
	whole.say(a, "of the records")
	if d.store != "" {
		a.note("kept in %s: ask with `weir query --store %s 'top 10 dst.ip'`", d.store, d.store)
	}
	packets, err := d.fromPackets(ctx, s, run, conf)
	if err != nil {
		return err
	}
	if !whole.right() || !packets.right() {
		return exitWith(exitBug, "the demo's own network is not judged as it was made")
	}
	return failed(a.alerts.Alerts(), failOn)
}

// demoConfig is the configuration of the demo's network, not of this machine's.
func demoConfig(s streams, run *runFlags) (*config.Config, error) {
	if run.config != "" || len(run.local) > 0 {
		return nil, exitWith(exitUsage, "the demo has networks and settings of its own: --config and --local do not apply")
	}
	if err := run.check(s); err != nil {
		return nil, err
	}
	conf, err := config.Parse(nil, parts.Detectors)
	if err != nil {
		return nil, err
	}
	conf.Local, conf.LocalGiven = demo.Networks(), true
	for i, c := range conf.Detectors {
		switch own := c.Config.(type) { // the office has a scanner of its own, and says so
		case portscan.Config:
			own.Scanners = demo.Scanners()
			conf.Detectors[i].Config = own
		case hostsweep.Config:
			own.Scanners = demo.Scanners()
			conf.Detectors[i].Config = own
		}
	}
	return conf, run.choose(conf)
}

func (d *demoFlags) openStore() (store.Store, error) {
	if d.store == "" {
		return openTemporary()
	}
	if entries, err := os.ReadDir(d.store); err == nil && len(entries) > 0 {
		return nil, exitWith(exitUsage, "%s is not empty: the demo does not mix with other records", d.store)
	}
	return openStore(d.store, false)
}

func (d *demoFlags) writePcap(s streams, path string) error {
	out, err := os.Create(path)
	if err != nil {
		return exitWith(exitRefused, "%w", err)
	}
	if err := errors.Join(demo.WritePcap(out, d.seed), out.Close()); err != nil {
		return exitWith(exitIncomplete, "%s: %w", path, err)
	}
	s.talk("%s\nwrote %s: try `weir scan %s`", demo.Notice, path, path)
	return nil
}

// fromPackets analyses the demo's packets, which go the whole way of a capture.
func (d *demoFlags) fromPackets(ctx context.Context, s streams, run *runFlags, conf *config.Config) (*judgement, error) {
	dir, err := os.MkdirTemp("", "weir-demo-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, "demo.pcap")
	if err := d.writePcap(streams{err: discard{}}, file); err != nil {
		return nil, err
	}
	there := *conf
	there.Sensor = "core-1"
	src, err := openInputs([]string{file}, &there)
	if err != nil {
		return nil, err
	}
	a := &analysis{streams: s, flags: run, config: conf, detect: true}
	if err := a.run(ctx, src); err != nil {
		return nil, a.verdict(ctx, err)
	}
	p := src.Progress()
	a.note("the two hours from %s once more, as %s packets, in %.1f s", demo.PacketsFrom().Format("2006-01-02 15:04Z"), count(p.Packets), a.took.Seconds())
	j := judge(a.alerts.Alerts(), conf, true)
	j.say(a, "of the packets")
	return j, nil
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// A judgement holds the findings against what the demo is made of.
type judgement struct {
	found, missed []demo.Plant
	fooled        []demo.LookAlike // taken for an attack, at medium or above
	other         []weir.Finding   // at medium or above, and neither planted nor expected
}

// judge compares alerts with the plants that the detectors of conf are to find:
// all of them, or those in the packets.
func judge(alerts []weir.Alert, conf *config.Config, packets bool) *judgement {
	j := new(judgement)
	for _, p := range demo.Plants() {
		ran := slices.ContainsFunc(conf.Detectors, func(c detect.Choice) bool { return c.Detector.Name == p.Detector })
		switch {
		case !ran || packets && !p.InPackets:
		case slices.ContainsFunc(alerts, func(a weir.Alert) bool { return tells(&a.Finding, &p) }):
			j.found = append(j.found, p)
		default:
			j.missed = append(j.missed, p)
		}
	}
	for _, a := range alerts {
		if a.Finding.Severity >= weir.Medium {
			j.blame(&a.Finding)
		}
	}
	return j
}

// tells reports whether a finding is about a plant.
func tells(f *weir.Finding, p *demo.Plant) bool {
	return f.Detector == p.Detector && f.Src == p.Src && f.Severity >= weir.Low
}

// blame sorts a loud finding into what it is about.
func (j *judgement) blame(f *weir.Finding) {
	for _, l := range demo.LookAlikes() {
		if l.Detector == f.Detector && slices.Contains(l.Src, f.Src) && (l.Dst == f.Dst || l.Dst == netip.Addr{}) {
			j.fooled = append(j.fooled, l)
			return
		}
	}
	if !slices.ContainsFunc(demo.Plants(), func(p demo.Plant) bool { return f.Src == p.Src }) {
		j.other = append(j.other, *f)
	}
}

func (j *judgement) right() bool { return len(j.missed)+len(j.fooled)+len(j.other) == 0 }

func (j *judgement) say(a *analysis, where string) {
	a.note("%s: %d of %d planted attacks found, %d of %d look-alikes taken for one, %d other findings at medium or above",
		where, len(j.found), len(j.found)+len(j.missed), len(j.fooled), len(demo.LookAlikes()), len(j.other))
	for _, p := range j.missed {
		a.note("  missed: %s %v: %s", p.Detector, p.Src, p.What)
	}
	for _, l := range j.fooled {
		a.note("  fooled: %s: %s", l.Detector, l.What)
	}
	for _, f := range j.other {
		a.note("  other: %s", f.Summary)
	}
}

// A demoSource hands on the demo's records.
type demoSource struct {
	seed    uint64
	records atomic.Int64
}

// Run implements [source.Source].
func (d *demoSource) Run(ctx context.Context, emit func(*weir.Batch) error) error {
	for b := range demo.Records(d.seed) {
		if ctx.Err() != nil {
			return fmt.Errorf("demo: %w", context.Cause(ctx))
		}
		n := int64(b.Len())
		if err := emit(b); err != nil {
			return err
		}
		d.records.Add(n)
	}
	return nil
}

// Progress implements [source.Source].
func (d *demoSource) Progress() source.Progress {
	return source.Progress{Records: d.records.Load()}
}
