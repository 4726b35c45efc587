package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/alert"
	"github.com/weir-nta/weir/config"
	"github.com/weir-nta/weir/detect"
	"github.com/weir-nta/weir/enrich"
	"github.com/weir-nta/weir/enrich/local"
	"github.com/weir-nta/weir/output"
	"github.com/weir-nta/weir/parts"
	"github.com/weir-nta/weir/pipeline"
	"github.com/weir-nta/weir/query"
	"github.com/weir-nta/weir/source"
	"github.com/weir-nta/weir/source/capture"
	"github.com/weir-nta/weir/store"
	"github.com/weir-nta/weir/store/duckdb"
)

// runFlags are those of all commands that analyse traffic.
type runFlags struct {
	config   string
	local    []string
	only     []string
	quiet    bool
	verbose  bool
	progress string
}

func (r *runFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&r.config, "config", "", "configuration file (default: "+strings.Join(config.Places(), ", ")+")")
	flags.StringSliceVar(&r.local, "local", nil, "local networks, such as 203.0.113.0/24 (default: the private ones)")
	flags.StringSliceVar(&r.only, "detectors", nil, "run only these detectors, or none")
	flags.BoolVarP(&r.quiet, "quiet", "q", false, "no progress and no notes on stderr")
	flags.BoolVarP(&r.verbose, "verbose", "v", false, "say more on stderr")
	flags.StringVar(&r.progress, "progress", "auto", "progress on stderr: auto, json or none")
}

// check refuses what is wrong with the flags before anything is read.
func (r *runFlags) check(s streams) error {
	_, err := r.progressStyle(s.err)
	return err
}

// load returns the configuration, with what the flags say in its place.
func (r *runFlags) load(s streams) (*config.Config, error) {
	if err := r.check(s); err != nil {
		return nil, err
	}
	c, err := config.Load(r.config, parts.Detectors)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, &exitError{exitNotFound, err}
	case errors.Is(err, os.ErrPermission):
		return nil, &exitError{exitRefused, err}
	case err != nil:
		return nil, &exitError{exitUsage, err}
	}
	if err := r.choose(c); err != nil {
		return nil, err
	}
	if len(r.local) == 0 {
		return c, nil
	}
	c.LocalGiven = true
	c.Local.Networks = nil
	for _, text := range r.local {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, exitWith(exitUsage, "--local %q is no network\n  hint: a network is an address and a length, such as 203.0.113.0/24", text)
		}
		c.Local.Networks = append(c.Local.Networks, p)
	}
	if _, err := c.Local.New(); err != nil {
		return nil, exitWith(exitUsage, "--local: %w", err)
	}
	return c, nil
}

// choose leaves in c the detectors that --detectors names.
func (r *runFlags) choose(c *config.Config) error {
	if r.only == nil {
		return nil
	}
	var chosen []detect.Choice
	for _, name := range r.only {
		i := slices.IndexFunc(c.Detectors, func(d detect.Choice) bool { return d.Detector.Name == name })
		switch {
		case i >= 0:
			chosen = append(chosen, c.Detectors[i])
		case name != "none":
			return exitWith(exitUsage, "--detectors: no detector %q is switched on\n  hint: there are %s", name, strings.Join(detectorNames(), ", "))
		}
	}
	c.Detectors = chosen
	return nil
}

// progressStyle says how progress is told on w.
func (r *runFlags) progressStyle(w io.Writer) (string, error) {
	switch {
	case r.progress == "json":
		return "json", nil
	case r.quiet || r.progress == "none":
		return "none", nil
	case r.progress != "auto":
		return "", exitWith(exitUsage, "--progress %q: want auto, json or none", r.progress)
	}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return "bar", nil
	}
	return "lines", nil
}

func (r *runFlags) logger(s streams) *slog.Logger {
	level := slog.LevelWarn
	if r.verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(s.err, &slog.HandlerOptions{Level: level}))
}

// An analysis is one run of the pipeline over a source, from start to alerts.
type analysis struct {
	streams
	flags  *runFlags
	config *config.Config
	store  store.Store // nil for none
	detect bool        // run the detectors
	live   bool        // the traffic does not wait
	// patience is how long batches are held to learn from them what is local.
	patience time.Duration

	begin func()           // called before the run, when nothing can refuse it any more; nil for nothing
	found func(weir.Alert) // told of each alert that is news; nil for nobody

	alerts *alert.Manager
	stats  []detect.Stat
	took   time.Duration
}

// run analyses all that src brings. Its error tells what came in the way; what
// was found before that is in a.alerts all the same.
func (a *analysis) run(ctx context.Context, src source.Source) error {
	a.alerts = alert.NewManager(0)
	style, err := a.flags.progressStyle(a.err)
	if err != nil {
		return err
	}
	border, err := a.config.Local.New()
	if err != nil {
		return &exitError{exitUsage, err}
	}
	names, err := a.config.Names.New()
	if err != nil {
		return err
	}
	registered, err := a.config.Domains.New()
	if err != nil {
		return err
	}
	located := &locating{Source: src, config: a.config.Local, border: border, given: a.config.LocalGiven, patience: a.patience, say: a.note}
	devices, err := a.devices(ctx, located)
	if err != nil {
		return err
	}
	p := pipeline.Pipeline{
		Sources: []source.Source{located},
		Enrich:  []enrich.Enricher{located, names, registered, devices},
		Store:   a.store,
		Found:   a.take,
		Log:     a.flags.logger(a.streams),
		Lists:   a.config.Lists,
	}
	if a.live {
		p.Live, p.Sensor = true, a.config.Sensor
		p.Retention = pipeline.Retention{Age: time.Duration(a.config.Retention.Age), Bytes: int64(a.config.Retention.Size)}
	}
	if a.config.LocalGiven && len(a.config.Local.Networks) > 0 {
		p.Local = a.config.Local.Networks
	}
	if a.detect {
		p.Detectors = a.config.Detectors
	}
	started := time.Now()
	shown := startProgress(a.err, style, src.Progress)
	err = p.Run(ctx)
	shown.stop()
	a.took = time.Since(started)
	a.stats = p.Stats()
	return err
}

// take joins a finding to its alert.
func (a *analysis) take(f weir.Finding) {
	if joined, news := a.alerts.Add(f); news && a.found != nil {
		a.found(joined)
	}
}

// looked names the detectors that ran.
func (a *analysis) looked() string {
	if len(a.stats) == 0 {
		return "no detector"
	}
	var names []string
	for _, s := range a.stats {
		names = append(names, s.Detector)
	}
	return strings.Join(names, ", ")
}

// note says something on stderr, unless nobody wants to hear it.
func (a *analysis) note(format string, args ...any) {
	if !a.flags.quiet {
		a.talk(format, args...)
	}
}

// sayTotals ends the run on stderr: how much was read, what could not be.
func (a *analysis) sayTotals(p source.Progress) {
	a.note("read %s, %s in %s: %s", amount(p), size(p.Bytes), a.took.Round(time.Millisecond), several(p.Records, "records"))
	for _, n := range p.Notes {
		a.note("note: %s", output.Escape(n))
	}
	for _, s := range a.stats {
		switch {
		case s.Stopped:
			a.note("note: detector %s stopped: a bug, see above; the others went on", s.Detector)
		case s.MissedRecords > 0:
			a.note("note: detector %s did not see %s records", s.Detector, count(int64(s.MissedRecords)))
		case s.Lost > 0:
			a.note("note: detector %s reached its limits and forgot or refused %s entries: it may have missed something", s.Detector, count(int64(s.Lost)))
		}
	}
	if n := a.alerts.Dropped(); n > 0 {
		a.note("note: %s alerts did not fit and are not shown", count(int64(n)))
	}
}

// sayNothingFound says who looked in vain, if there was something to look into.
func (a *analysis) sayNothingFound(p source.Progress) {
	if len(a.alerts.Alerts()) == 0 && p.Packets > 0 {
		a.note("no findings: looked for by %s", a.looked())
	}
}

// verdict turns what came in the way of a run into what the user is told and
// the exit code. Damage to one input of several is told for each.
func (a *analysis) verdict(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	var sig errSignal
	var damaged *source.DamagedError
	switch {
	case errors.As(err, &sig):
		a.talk("%v: partial, what was read until then is above", sig)
		return &exitError{code: sig.code}
	case errors.Is(err, pipeline.ErrStore) && isTemporary(a.store):
		return exitWith(exitIncomplete, "%w\n  hint: what is asked is read into a temporary store in %s: TMPDIR may name a folder with more room", err, os.TempDir())
	case errors.Is(err, pipeline.ErrStore):
		return exitWith(exitIncomplete, "%w\n  hint: %s records are kept in the store; the findings above are those of all that was read until then", err, count(a.kept(ctx)))
	case errors.Is(err, capture.ErrNotCapture):
		return exitWith(exitDamaged, "%w\n  hint: pcap, pcapng, logs of Zeek and Suricata (EVE) and files of nfdump are read", err)
	case errors.As(err, &damaged):
		return &exitError{exitDamaged, err}
	}
	return err
}

// kept counts the records that the store holds, whatever befell it.
func (a *analysis) kept(ctx context.Context) (n int64) {
	for _, t := range weir.Tables {
		q, err := query.Parse("from " + t.Name + " | stats n = count()")
		if err != nil {
			continue
		}
		for row, err := range a.store.Query(context.WithoutCancel(ctx), query.Ask{Query: q, To: time.Unix(1<<40, 0)}) {
			if err == nil {
				n += row[0].(int64)
			}
		}
	}
	return n
}

// openStore opens the store in dir; "" gives none.
func openStore(dir string, mustExist bool) (store.Store, error) {
	if dir == "" {
		return nil, nil
	}
	if mustExist && !duckdb.Exists(dir) {
		return nil, exitWith(exitNotFound, "no store in %s\n  hint: `weir scan --store %s FILE` makes one", dir, dir)
	}
	st, err := duckdb.Open(duckdb.Config{Dir: dir})
	switch {
	case errors.Is(err, duckdb.ErrInUse):
		return nil, exitWith(exitRefused, "%w\n  hint: a store is one program's at a time: wait for it to end, or name another with --store", err)
	case err != nil:
		return nil, exitWith(exitRefused, "store %s: %w", dir, err)
	}
	return st, nil
}

// temporary is a store that is gone when it is closed.
type temporary struct {
	store.Store
	dir string
}

// openTemporary opens an empty store on disk: records outgrow memory.
func openTemporary() (store.Store, error) {
	dir, err := os.MkdirTemp("", "weir-")
	if err != nil {
		return nil, exitWith(exitRefused, "temporary store: %w", err)
	}
	st, err := duckdb.Open(duckdb.Config{Dir: dir})
	if err != nil {
		return nil, errors.Join(exitWith(exitRefused, "temporary store: %w", err), os.RemoveAll(dir))
	}
	return &temporary{st, dir}, nil
}

func isTemporary(st store.Store) bool {
	_, is := st.(*temporary)
	return is
}

// Close implements [store.Store].
func (t *temporary) Close() error { return errors.Join(t.Store.Close(), os.RemoveAll(t.dir)) }

// A locating source finds out what is local before anything is enriched: when
// the operator did not say and the first records show none of the private
// networks, it proposes others and says so.
type locating struct {
	source.Source
	config local.Config
	border *local.Enricher
	given  bool
	say    func(format string, args ...any)
	// patience bounds how long batches are held, 0 for as long as the input goes on.
	patience time.Duration
	held     []*weir.Batch
	flows    int // held
	others   int // other records held
}

// proposeFrom is how many flows a proposal is made from: enough to see the
// same hosts again and again, few enough to be held in memory.
// Where flows do not come, as in a flood of nothing but oddities, it is made
// from what there is after ten times as many other records.
const proposeFrom = 5000

// Run implements [source.Source].
func (l *locating) Run(ctx context.Context, emit func(*weir.Batch) error) error {
	settled := l.given
	began := time.Now()
	err := l.Source.Run(ctx, func(b *weir.Batch) error {
		if settled {
			return emit(b)
		}
		l.held = append(l.held, b)
		l.flows += len(b.Flows)
		l.others += b.Len() - len(b.Flows)
		if l.flows < proposeFrom && l.others < 10*proposeFrom && (l.patience == 0 || time.Since(began) < l.patience) {
			return nil
		}
		settled = true
		return l.release(emit)
	})
	if settled {
		return err
	}
	return errors.Join(l.release(emit), err)
}

func (l *locating) release(emit func(*weir.Batch) error) error {
	l.settle()
	for _, b := range l.held {
		if err := emit(b); err != nil {
			return err
		}
	}
	l.held = nil
	return nil
}

// settle decides by what is held.
func (l *locating) settle() {
	var flows []weir.Flow
	for _, b := range l.held {
		flows = append(flows, b.Flows...)
	}
	proposed, err := l.config.Propose(flows)
	if err != nil || len(proposed) == 0 {
		return
	}
	border, err := local.Config{Networks: proposed, Groups: l.config.Groups}.New()
	if err != nil {
		return // a proposal that does not stand is none
	}
	l.border = border
	l.say("note: none of the private networks occur here; taking %s as local (--local says otherwise)", join(proposed))
}

// Enrich implements [enrich.Enricher] with the networks settled on.
func (l *locating) Enrich(b *weir.Batch) { l.border.Enrich(b) }

func join[T fmt.Stringer](list []T) string {
	parts := make([]string, len(list))
	for i, v := range list {
		parts[i] = v.String()
	}
	return strings.Join(parts, ", ")
}
