package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/config"
	"github.com/weir-nta/weir/output"
	"github.com/weir-nta/weir/packetring"
	"github.com/weir-nta/weir/source"
	"github.com/weir-nta/weir/source/live"
)

// watchFlags are those of `weir watch`.
type watchFlags struct {
	runFlags
	findingFlags
	store       string
	filter      string
	snapLen     int
	still       bool // not promiscuous
	workers     int
	buffer      string
	ring        string
	ringBytes   string
	user        string
	keepRights  bool
	duration    time.Duration
	count       int64
	firstReport time.Duration
}

func newWatch(s streams) *cobra.Command {
	var f watchFlags
	cmd := &cobra.Command{
		Use:   "watch INTERFACE...",
		Short: "Watch interfaces, and print what was found",
		Long: "Watch meters the packets that come in at interfaces: those of this machine, of a\n" +
			"mirror port (SPAN) or of a tap. Within half a minute it says what it sees, and what\n" +
			"keeps it from seeing all; findings are told on stderr as they come, and printed to\n" +
			"stdout when it is ended: Ctrl+C loses nothing.\n\n" +
			"Each interface is a sensor of its own; eth1+eth2 are one, such as the two outlets of\n" +
			"a tap, of which each shows one direction.\n\n" +
			"It needs the right to capture and gives all others up: as root, or after\n" +
			"`sudo setcap cap_net_raw=ep $(command -v weir)` as anybody. It runs on Linux.\n\n" +
			"With --store the records are kept, to be asked with `weir query`.",
		Example: "  weir watch eth1\n  weir watch --store /var/lib/weir eth1+eth2 eth3\n" +
			"  weir watch --filter 'not port 9200 and not host 10.0.0.5' --user weir --store /var/lib/weir eth1\n" +
			"  weir watch --ring /var/lib/weir/ring --ring-bytes 500GB eth1",
		Args: wants(1, math.MaxInt, "interfaces: `ip link` lists them"),
		RunE: func(cmd *cobra.Command, args []string) error { return watch(cmd.Context(), s, &f, args) },
	}
	f.runFlags.register(cmd)
	f.findingFlags.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.store, "store", "", "keep the records in the store in this folder")
	flags.StringVar(&f.filter, "filter", "", "see only packets that fit this expression, in the syntax of tcpdump")
	flags.IntVar(&f.snapLen, "snaplen", live.DefaultConfig().SnapLen, "bytes of a packet to take; few hide what is said in handshakes")
	flags.BoolVar(&f.still, "no-promiscuous", false, "see only what is addressed to this machine")
	flags.IntVar(&f.workers, "workers", 0, "how many processors share the packets of an interface (default: all)")
	flags.StringVar(&f.buffer, "buffer-size", "128MiB", "memory for packets of each interface that wait to be metered")
	flags.StringVar(&f.ring, "ring", "", "keep the latest packets themselves in this folder, for weir pcap")
	flags.StringVar(&f.ringBytes, "ring-bytes", "10GB", "how much that folder may take")
	flags.StringVar(&f.user, "user", "", "go on as this user once the interfaces can be watched")
	flags.BoolVar(&f.keepRights, "keep-rights", false, "keep all rights of who starts it, to write where it else may not")
	flags.DurationVar(&f.duration, "for", 0, "end after this time")
	flags.Int64Var(&f.count, "count", 0, "end after so many packets")
	flags.DurationVar(&f.firstReport, "report-after", 5*time.Second, "say after this time what is seen")
	_ = flags.MarkHidden("report-after")
	return cmd
}

func watch(ctx context.Context, s streams, f *watchFlags, args []string) (err error) {
	least, failOn, err := f.levels()
	if err != nil {
		return err
	}
	conf, err := f.load(s)
	if err != nil {
		return err
	}
	c, err := f.capture(conf, args)
	if err != nil {
		return err
	}
	kept, err := sizeFlag("--ring-bytes", f.ringBytes)
	if err != nil {
		return err
	}
	if !f.keepRights {
		if err := sameSettings(conf.File); err != nil {
			return err
		}
		if err := live.ReduceRights(f.user); err != nil {
			return refusedWatch(err)
		}
	}
	if f.ring != "" {
		if c.Ring, err = packetring.Open(packetring.Config{Dir: f.ring, Bytes: kept}); err != nil {
			return refusedRing(err)
		}
		defer func() {
			if cerr := c.Ring.Close(); err == nil && cerr != nil {
				err = exitWith(exitIncomplete, "ring of packets: %w", cerr)
			}
		}()
	}
	a := &analysis{streams: s, flags: &f.runFlags, config: conf, detect: true, live: true, patience: learnFor}
	w := &watching{analysis: a, flags: f, told: map[string]bool{}}
	c.Say = func(text string) { a.note("note: %s", output.Escape(text)) }
	if w.Source, err = live.New(*c); err != nil {
		return refusedWatch(err)
	}
	defer w.Close()
	a.found = func(al weir.Alert) { a.tellAlert(al, least) }
	a.begin = func() { a.note("watching %s; Ctrl+C ends it", output.Escape(strings.Join(args, ", "))) }
	err = f.analyse(ctx, a, w, cmp.Or(f.store, conf.Store), least, failOn)
	if errors.Is(err, os.ErrPermission) {
		return exitWith(exitRefused, "%w\n  hint: %s", err, ownFolder)
	}
	return err
}

// ownFolder says why a folder is refused that root could write to.
const ownFolder = "the rights of root are given up: the folder has to belong to who Weir runs as; or --keep-rights"

// refusedRing says what can be done where packets cannot be kept.
func refusedRing(err error) error {
	var of *fs.PathError
	switch {
	case errors.Is(err, os.ErrPermission):
		return exitWith(exitRefused, "--ring: %w\n  hint: %s", err, ownFolder)
	case errors.As(err, &of):
		return exitWith(exitRefused, "--ring: %w", err)
	}
	return exitWith(exitUsage, "--ring-bytes: %w", err)
}

// begunWith names in the environment the configuration file, "" for none, that
// was found before rights were given up.
const begunWith = "WEIR_BEGUN_WITH"

// sameSettings refuses to go on with other settings than those that were found
// before: who it goes on as may not be allowed to read them.
func sameSettings(file string) error {
	before, again := os.LookupEnv(begunWith)
	if !again {
		return os.Setenv(begunWith, file)
	}
	if before != file {
		return exitWith(exitRefused, "%s may not be read by who it goes on as\n  hint: let them read it, put it to /etc/weir/weir.yaml, or name another with --config", before)
	}
	return os.Unsetenv(begunWith)
}

// learnFor is how long it is learnt from the traffic what is local.
const learnFor = 20 * time.Second

// capture returns what the flags and the configuration say of capturing.
func (f *watchFlags) capture(conf *config.Config, args []string) (*live.Config, error) {
	c := live.DefaultConfig()
	c.Filter, c.SnapLen, c.NoPromiscuous, c.Workers = f.filter, f.snapLen, f.still, f.workers
	c.Count = f.count
	buffer, err := sizeFlag("--buffer-size", f.buffer)
	if err != nil {
		return nil, err
	}
	c.BufferBytes = int(min(buffer, math.MaxInt32))
	for _, text := range args {
		p, err := live.ParsePoint(text)
		if err != nil {
			return nil, &exitError{exitUsage, err}
		}
		p.Sensor = sensorOf(conf.Sensor, text, len(args))
		c.Points = append(c.Points, p)
	}
	if f.duration < 0 || f.count < 0 {
		return nil, exitWith(exitUsage, "--for and --count: want 0 or more")
	}
	return &c, nil
}

// sizeFlag reads a size.
func sizeFlag(name, text string) (int64, error) {
	var b config.Bytes
	if err := b.UnmarshalText([]byte(text)); err != nil {
		return 0, exitWith(exitUsage, "%s: %w", name, err)
	}
	return int64(b), nil
}

// sensorOf names the records of a point: as the operator named this place, as
// the point, or both where there are several.
func sensorOf(place, point string, points int) string {
	const unnamed = "local" // what the configuration says if nobody says anything
	switch {
	case place == unnamed || place == "":
		return point
	case points == 1:
		return place
	}
	return place + "/" + point
}

// refusedWatch says what can be done about an interface that cannot be watched.
func refusedWatch(err error) error {
	program := "weir"
	if path, perr := os.Executable(); perr == nil {
		program = path
	}
	switch {
	case errors.Is(err, live.ErrNoRight):
		return exitWith(exitRefused, "%w: it needs CAP_NET_RAW\n  hint: `sudo setcap cap_net_raw=ep %s` lets everybody who may run it capture; or run it as root", err, program)
	case errors.Is(err, live.ErrNoInterface):
		return &exitError{exitNotFound, err}
	case errors.Is(err, live.ErrNotHere), errors.Is(err, os.ErrPermission):
		return exitWith(exitRefused, "%w\n  hint: --keep-rights goes on with all rights; captures are read with `weir scan`", err)
	}
	return &exitError{exitUsage, err}
}

// A watching source tells on stderr what it sees while it watches.
type watching struct {
	*live.Source
	*analysis
	flags *watchFlags

	mu    sync.Mutex
	bytes [5]uint64 // of flows, by direction

	told map[string]bool // notes that have been told, without their numbers
}

var _ source.Source = (*watching)(nil)

// When it is told what is seen: soon, when enough was seen to judge, and from
// then on what is new.
const (
	secondReport = 25 * time.Second
	newsEvery    = 10 * time.Second
)

// Run implements [source.Source]. That it is ended is no error.
func (w *watching) Run(ctx context.Context, emit func(*weir.Batch) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	if w.flags.duration > 0 {
		defer time.AfterFunc(w.flags.duration, func() { stop(errEnough) }).Stop()
	}
	var reports sync.WaitGroup
	ended := make(chan struct{})
	reports.Go(func() { w.report(ended) })
	err := w.Source.Run(ctx, func(b *weir.Batch) error {
		if err := emit(b); err != nil {
			return err
		}
		w.weigh(b)
		return nil
	})
	close(ended)
	reports.Wait()
	var sig errSignal
	if errors.Is(err, context.Canceled) && (errors.Is(context.Cause(ctx), errEnough) || errors.As(context.Cause(ctx), &sig)) {
		return nil
	}
	return err
}

// weigh adds up the bytes of flows of which it is known whether they cross the border.
func (w *watching) weigh(b *weir.Batch) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range b.Flows {
		f := &b.Flows[i]
		if int(f.Direction) < len(w.bytes) {
			w.bytes[f.Direction] += f.BytesUp + f.BytesDown
		}
	}
}

// report tells what is seen, until watching has ended.
func (w *watching) report(ended <-chan struct{}) {
	began := time.Now()
	at := w.flags.firstReport
	for n := 0; ; n++ {
		select {
		case <-ended:
			return
		case <-time.After(time.Until(began.Add(at))):
		}
		views := w.Views()
		if n < 2 {
			w.tellViews(views, time.Since(began))
		}
		if n == 1 {
			w.tellPlace()
		}
		w.tellNews(views)
		if n == 0 {
			at = max(at, secondReport)
			continue
		}
		at += newsEvery
	}
}

// tellViews says what each point shows.
func (w *watching) tellViews(views []live.View, elapsed time.Duration) {
	for _, v := range views {
		w.note("%s", output.Escape(viewLine(&v, elapsed)))
	}
	if !live.Synchronised() && !w.told["clock"] {
		w.told["clock"] = true
		w.note("note: this machine's clock is not kept right by another: times may not fit those of other sensors; `timedatectl set-ntp true`")
	}
}

// viewLine says in a line what a point shows.
func viewLine(v *live.View, elapsed time.Duration) string {
	seconds := max(elapsed.Seconds(), 0.001)
	if v.Packets == 0 {
		return fmt.Sprintf("%v: no packet in %s: is it up, does the mirror point here, does the filter let anything in?", v.Point, elapsed.Round(time.Second))
	}
	parts := []string{
		several(int64(math.Round(float64(v.Packets)/seconds)), "packets") + "/s",
		strings.TrimSuffix(size(int64(8*float64(v.Bytes)/seconds)), "B") + "bit/s",
	}
	if share, ok := v.OneWayShare(); !ok {
		parts = append(parts, "too few TCP conversations yet to tell directions")
	} else if share < 0.2 {
		parts = append(parts, "both directions")
	} else {
		parts = append(parts, fmt.Sprintf("one direction only of %.0f %%", 100*share))
	}
	if len(v.VLANs) == 0 {
		parts = append(parts, "no VLAN tags")
	} else {
		parts = append(parts, "VLAN "+numbers(v.VLANs))
	}
	if v.Dropped == 0 {
		parts = append(parts, "nothing dropped")
	} else {
		parts = append(parts, count(v.Dropped)+" dropped by the kernel")
	}
	return fmt.Sprintf("%v: %s", v.Point, strings.Join(parts, ", "))
}

func numbers(list []uint16) string {
	const most = 8
	var words []string
	for _, v := range list[:min(len(list), most)] {
		words = append(words, fmt.Sprint(v))
	}
	if more := len(list) - most; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(words, ", "), more)
	}
	return strings.Join(words, ", ")
}

// tellPlace says what kind of place this looks like, by where the bytes go.
func (w *watching) tellPlace() {
	w.mu.Lock()
	bytes := w.bytes
	w.mu.Unlock()
	crossing, inside, others := bytes[weir.Inbound]+bytes[weir.Outbound], bytes[weir.Internal], bytes[weir.External]
	all := crossing + inside + others
	if all == 0 {
		return
	}
	percent := func(n uint64) string { return fmt.Sprintf("%.0f %%", 100*float64(n)/float64(all)) }
	switch most := slices.Max([]uint64{crossing, inside, others}); most {
	case crossing:
		w.note("this looks like an internet edge: %s of bytes cross the border", percent(crossing))
	case inside:
		w.note("this looks like the inside of a network: %s of bytes stay within it", percent(inside))
	default:
		w.note("note: %s of bytes are between addresses that are not local: --local names your networks", percent(others))
	}
}

// tellNews says what there is to know and has not been said.
func (w *watching) tellNews(views []live.View) {
	for _, v := range views {
		for _, n := range v.Notes {
			key := strings.Map(func(r rune) rune {
				if r >= '0' && r <= '9' || r == ',' || r == '.' {
					return -1
				}
				return r
			}, n)
			if !w.told[key] {
				w.told[key] = true
				w.note("note: %s", output.Escape(n))
			}
		}
	}
}
