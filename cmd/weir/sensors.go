package main

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/detect"
	"github.com/weir-nta/weir/output"
	"github.com/weir-nta/weir/parts"
	"github.com/weir-nta/weir/query"
	"github.com/weir-nta/weir/store"
)

func newSensors(s streams) *cobra.Command {
	var f formatFlags
	var dir, config, last string
	cmd := &cobra.Command{
		Use:   "sensors",
		Short: "Say how exporters and other sources fare, and what their troubles cost",
		Long: "Sensors reads what a store knows of everything that sent records: when it was\n" +
			"last heard of, how much came, what was lost where. What that costs which detector\n" +
			"stands below the table, and in the column notes of the other formats.\n\n" +
			"docs/operate/sensors.md explains each column and how to mend what is told.",
		Example: "  weir sensors --store /var/lib/weir\n  weir sensors --store ./weir-data --last 7d -o json",
		Args:    wants(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			over, err := query.ParseDuration(last)
			if err != nil || over <= 0 {
				return exitWith(exitUsage, "--last %q: want a time such as 24h or 7d", last)
			}
			if dir == "" {
				run := runFlags{config: config, progress: "none"}
				conf, err := run.load(s)
				if err != nil {
					return err
				}
				dir = conf.Store
			}
			if dir == "" {
				return exitWith(exitUsage, "no store to look into\n  hint: name it with --store, or as store: in the configuration file")
			}
			st, err := openStore(dir, true)
			if err != nil {
				return err
			}
			defer func() { err = cmp.Or(err, st.Close()) }()
			return sensors(cmd.Context(), s, &f, st, dir, over)
		},
	}
	f.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&dir, "store", "", "the store to look into")
	flags.StringVar(&config, "config", "", "configuration file that names the store")
	flags.StringVar(&last, "last", "24h", "look at this long before the latest report; sources silent for longer are told as gone")
	return cmd
}

// A sensor is what the store knows of one exporter's domain, or of another
// source of records, over some time.
type sensor struct {
	name, input, kind string
	addr              netip.Addr
	domain            int64
	until, seen       time.Time // when it was last reported, and heard of

	datagrams, records, held, heldLost                  int64
	lost, reordered, duplicated, restarts               int64
	kernel, decoder, limit, store, interfaces, ifErrors int64
	templates, sampling                                 int64
	missing                                             []any
	samplingUnknown                                     bool
	rate, skew, active, inactive, oneWay                float64
}

// sensorsQuestion asks for what becomes sensors, in the order of sensor.take.
const sensorsQuestion = `from exporter stats finish = max(ts), seen = max(seen),
	datagrams = sum(datagrams), records = sum(records), held = sum(held), heldlost = sum(held.lost),
	lost = sum(lost), reordered = sum(reordered), duplicated = sum(duplicated), restarts = sum(restarts),
	kernel = sum(dropped.kernel), decoder = sum(dropped.decoder), limit = sum(dropped.limit), store = sum(dropped.store),
	interfaces = last(interfaces), iferrors = sum(interfaces.errors), templates = last(templates), sampling = last(sampling),
	lacking = values(templates.missing), rate = avg(rate), unknown = last(sampling.unknown),
	skew = last(skew), active = last(timeout.active), inactive = last(timeout.inactive), oneway = last(oneway)
	by sensor, ip, input, kind, domain`

// sensors writes the table and the words.
func sensors(ctx context.Context, s streams, f *formatFlags, st store.Store, dir string, over time.Duration) error {
	if err := f.check(sensorColumns); err != nil {
		return err
	}
	all, err := askSensors(ctx, st, time.Time{})
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return exitWith(exitNotFound, "the store in %s knows of no exporter and no other source\n  hint: `weir listen` and `weir scan --store` write them down", dir)
	}
	now := latest(all)
	list, err := askSensors(ctx, st, now.Add(-over))
	if err != nil {
		return err
	}
	list = append(list, silent(all, list)...)
	slices.SortStableFunc(list, func(a, b *sensor) int {
		return cmp.Or(cmp.Compare(a.name, b.name), a.addr.Compare(b.addr), cmp.Compare(a.kind, b.kind), cmp.Compare(a.domain, b.domain), cmp.Compare(a.input, b.input))
	})
	return writeSensors(s, f, list, now)
}

// askSensors returns what is known from a time on.
func askSensors(ctx context.Context, st store.Store, from time.Time) (list []*sensor, err error) {
	q, err := query.Parse(sensorsQuestion)
	if err != nil {
		return nil, err
	}
	// A clock that was ahead once must not hide what is told now: To is open.
	for row, err := range st.Query(ctx, query.Ask{Query: q, From: from, To: time.Unix(1<<35, 0)}) {
		if err != nil {
			return nil, err
		}
		list = append(list, takeSensor(q, row))
	}
	return list, nil
}

func takeSensor(q *query.Query, row query.Row) *sensor {
	v := map[string]any{}
	for i, c := range q.Columns {
		v[c.Name] = row[i]
	}
	x := &sensor{missing: list(v["lacking"])}
	x.name, _ = v["sensor"].(string)
	x.input, _ = v["input"].(string)
	x.kind, _ = v["kind"].(string)
	x.addr, _ = v["ip"].(netip.Addr)
	x.samplingUnknown, _ = v["unknown"].(bool)
	for name, p := range map[string]*time.Time{"finish": &x.until, "seen": &x.seen} {
		*p, _ = v[name].(time.Time)
	}
	for name, p := range map[string]*int64{
		"domain": &x.domain, "datagrams": &x.datagrams, "records": &x.records, "held": &x.held, "heldlost": &x.heldLost,
		"lost": &x.lost, "reordered": &x.reordered, "duplicated": &x.duplicated, "restarts": &x.restarts,
		"kernel": &x.kernel, "decoder": &x.decoder, "limit": &x.limit, "store": &x.store,
		"interfaces": &x.interfaces, "iferrors": &x.ifErrors, "templates": &x.templates, "sampling": &x.sampling,
	} {
		*p, _ = v[name].(int64)
	}
	for name, p := range map[string]*float64{"rate": &x.rate, "skew": &x.skew, "active": &x.active, "inactive": &x.inactive, "oneway": &x.oneWay} {
		*p, _ = v[name].(float64)
	}
	return x
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}

// latest returns when the store was last told of any source: the clock by
// which the others are silent.
func latest(all []*sensor) (t time.Time) {
	for _, x := range all {
		if x.until.After(t) {
			t = x.until
		}
	}
	return t
}

// silent returns those of all of which nothing stands in now, as empty ones.
func silent(all, now []*sensor) (gone []*sensor) {
	for _, x := range all {
		if !slices.ContainsFunc(now, func(o *sensor) bool {
			return o.name == x.name && o.addr == x.addr && o.input == x.input && o.kind == x.kind && o.domain == x.domain
		}) {
			gone = append(gone, &sensor{name: x.name, addr: x.addr, input: x.input, kind: x.kind, domain: x.domain, seen: x.seen, until: x.until})
		}
	}
	return gone
}

var sensorColumns = []query.Column{
	{Name: "sensor"}, {Name: "ip", Type: weir.Addr}, {Name: "kind"}, {Name: "domain", Type: weir.Int}, {Name: "seen", Type: weir.Time},
	{Name: "rate", Type: weir.Float}, {Name: "records", Type: weir.Int}, {Name: "datagrams", Type: weir.Int},
	{Name: "templates", Type: weir.Int}, {Name: "missing", List: true}, {Name: "sampling"},
	{Name: "lost", Type: weir.Int}, {Name: "skew", Type: weir.Duration}, {Name: "active", Type: weir.Duration}, {Name: "inactive", Type: weir.Duration},
	{Name: "oneway", Type: weir.Float}, {Name: "kernel", Type: weir.Int}, {Name: "decoder", Type: weir.Int}, {Name: "limit", Type: weir.Int},
	{Name: "store", Type: weir.Int}, {Name: "input"}, {Name: "notes", List: true},
}

// smallSensor are the columns for a table, whose notes stand below it.
var smallSensor = []string{"sensor", "ip", "kind", "domain", "seen", "rate", "sampling", "lost", "kernel", "oneway"}

func (x *sensor) row(notes []note) query.Row {
	var words []any
	for _, n := range notes {
		words = append(words, n.String())
	}
	return query.Row{
		x.name, valid(x.addr), x.kind, orMissing(x.domain), when(x.seen), math.Round(10*x.rate) / 10, x.records, x.datagrams,
		orMissing(x.templates), x.missing, x.sampled(), x.lost, orMissing(x.skew), orMissing(x.active), orMissing(x.inactive),
		x.oneWay, x.kernel, x.decoder, x.limit, x.store, x.input, words,
	}
}

func valid(a netip.Addr) any {
	if !a.IsValid() {
		return nil
	}
	return a
}

func when(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t
}

func orMissing[T comparable](v T) any {
	if v == *new(T) {
		return nil
	}
	return v
}

func (x *sensor) sampled() any {
	switch {
	case x.samplingUnknown:
		return "unknown"
	case x.sampling > 1:
		return fmt.Sprintf("1:%d", x.sampling)
	}
	return nil
}

func writeSensors(s streams, f *formatFlags, list []*sensor, now time.Time) (err error) {
	d, err := f.open(s)
	if err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, d.close()) }()
	table := f.formatFor(d) == "table"
	if table && f.columns == nil && !f.wide {
		f.columns = smallSensor
	}
	w, err := f.writer(d, sensorColumns)
	if err != nil {
		return err
	}
	notes := make([][]note, len(list))
	fetched := map[string]int64{} // datagrams, by input
	for _, x := range list {
		fetched[x.input] += x.datagrams
	}
	for i, x := range list {
		notes[i] = x.notes(now, fetched[x.input])
		if err := w.Row(x.row(notes[i])); err != nil {
			return err
		}
	}
	if err := w.Close(nil); err != nil || !table {
		return err
	}
	return writeNotes(d, list, notes)
}

// writeNotes writes the words below a table.
func writeNotes(d *destination, list []*sensor, notes [][]note) error {
	quiet := true
	for i, x := range list {
		if len(notes[i]) == 0 {
			continue
		}
		quiet = false
		if _, err := fmt.Fprintf(d, "\n%s\n", output.Escape(x.title())); err != nil {
			return err
		}
		for _, n := range notes[i] {
			if _, err := fmt.Fprintf(d, "  %s\n", output.Escape(n.what)); err != nil {
				return err
			}
			for _, c := range n.costs {
				if _, err := fmt.Fprintf(d, "    %s\n", c); err != nil {
					return err
				}
			}
		}
	}
	if !quiet {
		_, err := fmt.Fprintln(d, "\nHow to mend it: docs/operate/sensors.md")
		return err
	}
	_, err := fmt.Fprintln(d, "\nNothing was lost, and no source does worse than its kind (weir detectors --matrix).")
	return err
}

func (x *sensor) title() string {
	parts := []string{}
	if x.addr.IsValid() && x.addr.String() != x.name {
		parts = append(parts, x.addr.String())
	}
	if x.kind != "" {
		parts = append(parts, x.kind)
	}
	if x.domain != 0 {
		parts = append(parts, fmt.Sprintf("domain %d", x.domain))
	}
	if len(parts) == 0 {
		return x.name
	}
	return fmt.Sprintf("%s (%s)", x.name, strings.Join(parts, ", "))
}

// A note is a sentence on a sensor, and what it costs which detector.
type note struct {
	what  string
	costs []string
}

func (n note) String() string {
	if len(n.costs) == 0 {
		return n.what
	}
	return n.what + ": " + strings.Join(n.costs, "; ")
}

const (
	// goneAfter is how long a live exporter is silent before it is called gone:
	// longer than the flow timeouts in use, for one with little to tell.
	goneAfter = 15 * time.Minute
	// skewed is how far a clock is off before it is told: less is delay.
	skewed = 60.0
)

// notes says in words what is the matter with a sensor at a time, by whose
// input so many datagrams were fetched.
func (x *sensor) notes(now time.Time, fetched int64) (list []note) {
	say := func(format string, args ...any) { list = append(list, note{what: fmt.Sprintf(format, args...)}) }
	cost := func(c detect.Condition, value float64, format string, args ...any) {
		list = append(list, note{fmt.Sprintf(format, args...), x.costs(c, value)})
	}
	if x.live() && now.Sub(x.seen) > goneAfter {
		say("gone: silent for %s, since %s", detect.Skewed.Format(now.Sub(x.seen).Seconds()), x.seen.UTC().Format("2006-01-02 15:04:05Z"))
	}
	if x.active > 0 && len(x.costs(detect.ActiveTimeout, x.active)) > 0 {
		cost(detect.ActiveTimeout, x.active, "active timeout %s", detect.ActiveTimeout.Format(x.active))
	}
	if x.inactive > 0 && len(x.costs(detect.InactiveTimeout, x.inactive)) > 0 {
		cost(detect.InactiveTimeout, x.inactive, "inactive timeout %s", detect.InactiveTimeout.Format(x.inactive))
	}
	switch {
	case x.samplingUnknown:
		say("sampled at a rate that it does not tell: bytes and packets are as exported, too small by that rate; tell the rate in the configuration")
	case x.sampling > 1:
		cost(detect.Sampled, float64(x.sampling), "sampled 1:%d", x.sampling)
	}
	if x.oneWay > 0.1 {
		cost(detect.OneWay, x.oneWay, "one direction only of %s of conversations", detect.OneWay.Format(x.oneWay))
	}
	if share, of := x.lostShare(); share > 0 {
		cost(detect.Lost, share, "%s of %s lost between exporter and here (%s by its sequence numbers)", detect.Lost.Format(share), of, count(x.lost))
	}
	switch {
	case x.kernel > 0 && x.kind == "interface":
		cost(detect.Lost, float64(x.kernel)/float64(x.kernel+x.datagrams), "%s packets dropped by the kernel: they came faster than they were metered", count(x.kernel))
	case x.kernel > 0:
		cost(detect.Lost, float64(x.kernel)/float64(x.kernel+fetched), "%s datagrams dropped by the kernel: they came faster than they were fetched", count(x.kernel))
	}
	if x.ifErrors > 0 && x.kind == "interface" {
		say("%s packets lost by the card or its driver before they could be seen", count(x.ifErrors))
	}
	if x.heldLost > 0 {
		say("%s sets of data given up: their template did not come (%s)", count(x.heldLost), templates(x.missing))
	}
	if x.decoder > 0 {
		say("%s could not be read", count(x.decoder))
	}
	if x.limit > 0 {
		say("%s not looked at because of a limit, or an address that is not allowed", count(x.limit))
	}
	if x.store > 0 {
		say("%s records not kept: the store took none (a full disk?); detectors saw them, questions do not", count(x.store))
	}
	if x.skew >= skewed || x.skew <= -skewed {
		word, off := "behind", x.skew
		if off < 0 {
			word, off = "ahead", -off
		}
		cost(detect.Skewed, off, "clock %s %s", detect.Skewed.Format(off), word)
	}
	if x.restarts > 0 {
		say("restarted %s: what it held then was lost", several(x.restarts, "times"))
	}
	return append(list, x.blind()...)
}

// blind says which detectors find nothing in records of its kind.
func (x *sensor) blind() []note {
	k := detect.SourceKindOf(x.kind)
	if k == nil {
		return nil
	}
	var names []string
	for _, d := range parts.Detectors {
		if blind, _ := d.Judge(k); blind {
			names = append(names, d.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return []note{{what: fmt.Sprintf("%s finds nothing in %s: see `weir detectors --matrix`", strings.Join(names, ", "), k.Name)}}
}

// live reports whether the sensor sends as long as it is there: files end.
func (x *sensor) live() bool {
	return strings.HasPrefix(x.kind, "netflow") || x.kind == "ipfix" || x.kind == "sflow5" || x.kind == "interface"
}

// lostShare returns which share is missing by the sequence numbers, and of
// what: NetFlow 9 and sFlow number datagrams, the others records.
func (x *sensor) lostShare() (share float64, of string) {
	got, of := x.records, "records"
	if x.kind == "netflow9" || x.kind == "sflow5" {
		got, of = x.datagrams, "datagrams"
	}
	if x.lost == 0 {
		return 0, of
	}
	return float64(x.lost) / float64(x.lost+got), of
}

// costs returns what a condition of this value costs which detectors, but for
// those that find nothing in such records anyway.
func (x *sensor) costs(c detect.Condition, value float64) (list []string) {
	k := detect.SourceKindOf(x.kind)
	for _, d := range parts.Detectors {
		if k != nil {
			if blind, _ := d.Judge(k); blind {
				continue
			}
		}
		if what := d.Costs(c, value); what != "" {
			list = append(list, d.Name+": "+what)
		}
	}
	return list
}

func templates(ids []any) string {
	if len(ids) == 0 {
		return "which is not known"
	}
	words := make([]string, min(len(ids), 5))
	for i := range words {
		words[i] = fmt.Sprint(ids[i])
	}
	text := strings.Join(words, ", ")
	if len(ids) > len(words) {
		text += " …"
	}
	return text
}
