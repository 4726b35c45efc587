package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/config"
	"github.com/weir-nta/weir/output"
	"github.com/weir-nta/weir/query"
	"github.com/weir-nta/weir/store"
)

// queryFlags are what `weir query` takes besides the format.
type queryFlags struct {
	formatFlags
	files    []string
	store    string
	from, to string
	exists   bool
	explain  bool
}

func newQuery(s streams) *cobra.Command {
	var run runFlags
	var f queryFlags
	cmd := &cobra.Command{
		Use:     "query QUESTION",
		Aliases: []string{"wq"},
		Short:   "Ask the records a question in the hunting language",
		Long: "Query puts a question to a store (--store) or to files (-r): captures,\n" +
			"logs of Zeek and Suricata, files of nfdump. A question is a filter, then stages:\n" +
			"`app = tls and bytes.up > 1MB | top 10 dst.host`.\n" +
			"`weir fields` lists the fields.",
		Example: "  weir query -r capture.pcap 'stats b = sum(bytes) by dst.ip | top 20 by b'\n" +
			"  weir query --store ./weir-data 'from dns rcode = NXDOMAIN | top 10 src.ip'\n" +
			"  weir query --store ./weir-data -f -24h 'dir = outbound and dur > 8h'",
		Args: wants(1, math.MaxInt, "a question"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return ask(cmd.Context(), s, &run, &f, strings.Join(args, " "))
		},
	}
	run.register(cmd)
	f.register(cmd)
	f.registerRecords(cmd)
	flags := cmd.Flags()
	flags.BoolVar(&f.exists, "exists", false, "print nothing; exit with 0 if there is a row, with 1 if there is none")
	flags.BoolVar(&f.explain, "explain", false, "say on stderr first what is asked and what it costs")
	cmd.AddCommand(newQueryExplain(s), newQueryFormat(s))
	return cmd
}

// registerRecords adds the flags that say which records are asked.
func (f *queryFlags) registerRecords(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringSliceVarP(&f.files, "read", "r", nil, "ask these files: captures, logs, files of nfdump (- for standard input)")
	flags.StringVar(&f.store, "store", "", "ask the store in this folder")
	flags.StringVarP(&f.from, "from", "f", "", "only records from this time on: 2026-11-20T08:00Z, or -24h before the end")
	flags.StringVarP(&f.to, "to", "t", "", "only records before this time")
}

func newQueryExplain(s streams) *cobra.Command {
	var run runFlags
	var f queryFlags
	cmd := &cobra.Command{
		Use:   "explain QUESTION",
		Short: "Say what a question asks, who answers which part, and what it costs, without asking it",
		Args:  wants(1, math.MaxInt, "a question"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return explainQuestion(cmd.Context(), s, &run, &f, strings.Join(args, " "))
		},
	}
	run.register(cmd)
	f.registerRecords(cmd)
	return cmd
}

func newQueryFormat(s streams) *cobra.Command {
	var upgrade bool
	cmd := &cobra.Command{
		Use:     "fmt QUESTION",
		Short:   "Lay out a question: a line for each stage",
		Long:    "Fmt writes a question in its layout, a line for each stage, comments kept.\nWith - it reads the question from standard input.",
		Example: "  weir query fmt --upgrade 'src:10.0.0.1 | summarize n = count() by id.resp_h'",
		Args:    wants(1, math.MaxInt, "a question"),
		RunE: func(_ *cobra.Command, args []string) error {
			text := strings.Join(args, " ")
			if text == "-" {
				b, err := io.ReadAll(s.in)
				if err != nil {
					return err
				}
				text = string(b)
			}
			format := query.Format
			if upgrade {
				format = query.Upgrade
			}
			out, err := format(text)
			if err != nil {
				return &exitError{exitUsage, err}
			}
			_, err = fmt.Fprintln(s.out, out)
			return err
		},
	}
	cmd.Flags().BoolVar(&upgrade, "upgrade", false, "also write the words of other tools, and short forms, in the language")
	return cmd
}

func ask(ctx context.Context, s streams, run *runFlags, f *queryFlags, text string) (err error) {
	q, err := query.Parse(text)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	if err := f.check(q.Columns); err != nil {
		return err
	}
	if !run.quiet {
		for _, w := range q.Warnings {
			s.talk("warning: %s", w.Message)
		}
	}
	conf, err := run.load(s)
	if err != nil {
		return err
	}
	st, damage, err := f.openRecords(ctx, s, run, conf, q)
	if err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, st.Close()) }()
	a, err := f.window(ctx, st, q)
	if errors.Is(err, store.ErrEmpty) {
		where := "nothing has been read into this store yet"
		if len(f.files) > 0 {
			where = "what was read gave none"
		}
		s.talk("no records at all: %s", where)
		a, run.quiet = query.Ask{Query: q, To: time.Unix(1, 0)}, true
	} else if err != nil {
		return err
	}
	a.Summary = new(query.Summary)
	about(&a, conf)
	if f.explain {
		if err := explain(ctx, s.err, st, a, run.verbose); err != nil {
			return queryFailed(err)
		}
	}
	if f.exists {
		return exists(ctx, st, a)
	}
	if err := f.answer(ctx, s, st, a, run.quiet); err != nil {
		return err
	}
	return damage
}

// about gives a question what the configuration says of the network.
func about(a *query.Ask, c *config.Config) {
	a.Lists = c.Lists
	if c.LocalGiven {
		a.Local = c.Local.Networks
	}
}

// explainQuestion says in words what is asked and, where there are records,
// what it costs.
func explainQuestion(ctx context.Context, s streams, run *runFlags, f *queryFlags, text string) (err error) {
	q, err := query.Parse(text)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	for _, w := range q.Warnings {
		fmt.Fprint(s.err, w.Render("warning", text))
	}
	conf, err := run.load(s)
	if err != nil {
		return err
	}
	if len(f.files) == 0 && f.store == "" && conf.Store == "" {
		s.talk("what it costs depends on the records: name a store with --store, or files with -r")
		return writeLines(s.out, q.Explain())
	}
	st, damage, err := f.openRecords(ctx, s, run, conf, q)
	if err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, st.Close()) }()
	a, err := f.window(ctx, st, q)
	if errors.Is(err, store.ErrEmpty) {
		s.talk("no records at all: nothing has been read into this store yet")
		return writeLines(s.out, q.Explain())
	} else if err != nil {
		return err
	}
	about(&a, conf)
	if err := explain(ctx, s.out, st, a, run.verbose); err != nil {
		return queryFailed(err)
	}
	return damage
}

// An explainer is a store that says what a question would cost.
type explainer interface {
	Explain(ctx context.Context, a query.Ask) (*query.Plan, error)
}

func explain(ctx context.Context, w io.Writer, st store.Store, a query.Ask, verbose bool) error {
	lines := a.Query.Explain()
	if e, ok := st.(explainer); ok {
		p, err := e.Explain(ctx, a)
		if err != nil {
			return err
		}
		lines = append(lines, p.Words()...)
		if verbose && p.SQL != "" {
			lines = append(lines, p.SQL)
		}
	}
	return writeLines(w, lines)
}

func writeLines(w io.Writer, lines []string) error {
	_, err := io.WriteString(w, strings.Join(lines, "\n")+"\n")
	return err
}

// openRecords opens the store asked for, or reads the files into one that is
// gone at the end. Damage says that a file could be read in part only.
func (f *queryFlags) openRecords(ctx context.Context, s streams, run *runFlags, conf *config.Config, q *query.Query) (st store.Store, damage, err error) {
	if len(f.files) == 0 {
		dir := f.store
		if dir == "" {
			dir = conf.Store
		}
		if dir == "" {
			return nil, nil, exitWith(exitUsage, "nothing to ask: name a store with --store, or files with -r")
		}
		st, err := openStore(dir, true)
		return st, nil, err
	}
	if f.store != "" {
		return nil, nil, exitWith(exitUsage, "--store and -r exclude each other: a question goes to one of them")
	}
	src, err := openInputs(f.files, conf)
	if err != nil {
		return nil, nil, err
	}
	st, err = openTemporary()
	if err != nil {
		return nil, nil, err
	}
	a := &analysis{streams: s, flags: run, config: conf, store: st, detect: q.Table == weir.FindingTable}
	damage = a.verdict(ctx, a.run(ctx, src))
	if run.verbose {
		a.sayTotals(src.Progress())
	}
	var e *exitError
	if damage != nil && !(errors.As(damage, &e) && e.code == exitDamaged) {
		return nil, nil, errors.Join(damage, st.Close())
	}
	return st, damage, nil
}

// window returns the question with the time it is about: all there is, unless
// flags say otherwise. Durations count back from the end of the records.
func (f *queryFlags) window(ctx context.Context, st store.Store, q *query.Query) (query.Ask, error) {
	first, last, err := st.Span(ctx)
	if err != nil {
		return query.Ask{}, err
	}
	a := query.Ask{Query: q, From: first, To: last.Add(time.Microsecond)}
	if f.from != "" {
		if a.From, err = parseWhen(f.from, a.To); err != nil {
			return a, exitWith(exitUsage, "--from: %w", err)
		}
	}
	if f.to != "" {
		if a.To, err = parseWhen(f.to, a.To); err != nil {
			return a, exitWith(exitUsage, "--to: %w", err)
		}
	}
	if f.from != "" && f.to != "" && a.To.Before(a.From) {
		return a, exitWith(exitUsage, "the time asked for ends before it begins: from %s to %s\n  hint: the records are from %s to %s",
			stamp(a.From), stamp(a.To), stamp(first), stamp(last))
	}
	return a, nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// parseWhen reads a time, or a duration that counts back from end.
func parseWhen(text string, end time.Time) (time.Time, error) {
	if back, ok := strings.CutPrefix(text, "-"); ok {
		d, err := query.ParseDuration(back)
		return end.Add(-d), err
	}
	return query.ParseTime(text)
}

func exists(ctx context.Context, st store.Store, a query.Ask) error {
	for _, err := range st.Query(ctx, a) {
		if err != nil {
			return err
		}
		return nil
	}
	return &exitError{code: exitFindings}
}

// answer writes the rows of the answer and says on stderr how many there are.
func (f *queryFlags) answer(ctx context.Context, s streams, st store.Store, a query.Ask, quiet bool) (err error) {
	d, err := f.open(s)
	if err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, d.close()) }()
	f.fewColumns(s, d, a.Query)
	w, err := f.writer(d, a.Query.Columns)
	if err != nil {
		return err
	}
	sum := output.Summary{Complete: true}
	for row, rowErr := range st.Query(ctx, a) {
		if rowErr != nil {
			err = rowErr
			sum.Complete = false
			break
		}
		sum.Matched++
		if f.limit > 0 && sum.Matched > f.limit {
			sum.Complete = false
			continue // counted: "50 of 1,371"
		}
		sum.Shown++
		if err := w.Row(row); err != nil {
			return err
		}
	}
	sum.Scanned = a.Summary.Scanned
	if cerr := w.Close(&sum); cerr != nil {
		return cerr
	}
	for _, n := range a.Summary.Notes {
		s.talk("note: %s", n)
	}
	if asksIntel(a.Query) && (a.Lists == nil || len(a.Lists.Intel) == 0) {
		s.talk("note: no indicators are loaded, so none can match: name some under intel: in the configuration file")
	}
	var sig errSignal
	switch {
	case errors.As(context.Cause(ctx), &sig):
		s.talk("%v: partial, %s rows until then", sig, count(sum.Shown))
		return &exitError{code: sig.code}
	case err != nil:
		return queryFailed(err)
	case sum.Shown < sum.Matched:
		s.talk("%s of %s rows (use -n 0 for all)", count(sum.Shown), count(sum.Matched))
	case sum.Matched == 0 && !quiet:
		s.talk("no rows: %s records between %s and %s, and none fits", count(sum.Scanned), stamp(a.Summary.From), stamp(a.Summary.To))
	}
	return nil
}

// asksIntel says whether the question asks for indicators.
func asksIntel(q *query.Query) bool {
	return slices.ContainsFunc(q.Lists, func(n query.ListName) bool { return n.Name == "@intel" })
}

// shown are the columns of whole records that a screen has room for.
var shown = map[*weir.Table][]string{
	weir.FlowTable:            {"ts", "src.ip", "src.port", "dst.ip", "dst.port", "dst.host", "proto", "app", "state", "dur", "bytes.up", "bytes.down"},
	weir.DNSTransactionTable:  {"ts", "src.ip", "dst.ip", "app", "query", "qtype", "rcode", "answer"},
	weir.OddityTable:          {"ts", "src.ip", "dst.ip", "name", "detail", "count"},
	weir.FindingTable:         {"ts", "severity", "certainty", "detector", "src.ip", "dst.name", "summary"},
	weir.HTTPTransactionTable: {"ts", "src.ip", "dst.ip", "method", "host", "uri", "status", "ua"},
	weir.SSHSessionTable:      {"ts", "src.ip", "dst.ip", "client", "server", "auth", "attempts"},
	weir.SMBActionTable:       {"ts", "src.ip", "dst.ip", "action", "share", "file", "user", "status"},
	weir.RPCCallTable:         {"ts", "src.ip", "dst.ip", "endpoint", "operation"},
	weir.KerberosMessageTable: {"ts", "src.ip", "dst.ip", "msg", "client", "spn", "etype", "success", "error"},
	weir.NTLMLogonTable:       {"ts", "src.ip", "dst.ip", "user", "host", "domain", "success", "status"},
	weir.RDPSessionTable:      {"ts", "src.ip", "dst.ip", "cookie", "client", "security", "result", "auth"},
	weir.DHCPMessageTable:     {"ts", "mac", "assigned", "host", "vendor", "msg"},
	weir.FileTable:            {"ts", "src.ip", "dst.ip", "app", "name", "type", "size", "sha256"},
	weir.CommandTable:         {"ts", "src.ip", "dst.ip", "app", "command", "object", "user", "status", "count"},
	weir.AnnouncementTable:    {"ts", "src.ip", "app", "kind", "name", "addr", "mac", "text"},
	weir.HostTable:            {"ts", "ip", "name", "class", "role", "os", "vendor", "offers"},
	weir.ExporterTable:        {"ts", "sensor", "ip", "kind", "records", "rate", "lost", "sampling", "oneway"},
}

// narrow are those of them that a small screen has room for.
var narrow = map[*weir.Table][]string{
	weir.FlowTable:            {"ts", "src.ip", "dst.ip", "dst.port", "app"},
	weir.DNSTransactionTable:  {"ts", "src.ip", "query", "qtype", "rcode"},
	weir.OddityTable:          {"ts", "src.ip", "dst.ip", "name"},
	weir.FindingTable:         {"severity", "detector", "summary"},
	weir.HTTPTransactionTable: {"ts", "src.ip", "method", "host", "status"},
	weir.SSHSessionTable:      {"ts", "src.ip", "dst.ip", "auth"},
	weir.SMBActionTable:       {"ts", "src.ip", "dst.ip", "action", "file"},
	weir.RPCCallTable:         {"ts", "src.ip", "dst.ip", "operation"},
	weir.KerberosMessageTable: {"ts", "src.ip", "msg", "spn", "etype"},
	weir.NTLMLogonTable:       {"ts", "src.ip", "dst.ip", "user", "success"},
	weir.RDPSessionTable:      {"ts", "src.ip", "dst.ip", "cookie", "auth"},
	weir.DHCPMessageTable:     {"ts", "mac", "assigned", "host"},
	weir.FileTable:            {"ts", "src.ip", "dst.ip", "name", "type"},
	weir.CommandTable:         {"ts", "src.ip", "app", "command", "object"},
	weir.AnnouncementTable:    {"ts", "src.ip", "app", "kind", "name"},
	weir.HostTable:            {"ip", "name", "class", "role"},
	weir.ExporterTable:        {"ts", "sensor", "kind", "rate", "lost"},
}

// fewColumns leaves out of a table of whole records what a screen has no room
// for, and says so.
func (f *queryFlags) fewColumns(s streams, d *destination, q *query.Query) {
	whole := slices.EqualFunc(q.Columns, q.Table.Columns, func(a query.Column, b weir.Column) bool { return a.Name == b.Name })
	if !whole || f.wide || f.columns != nil || f.formatFor(d) != "table" {
		return
	}
	f.columns = shown[q.Table]
	if d.small() {
		f.columns = narrow[q.Table]
	}
	s.talk("%d of %d columns (--wide shows all, --columns chooses)", len(f.columns), len(q.Columns))
}

func queryFailed(err error) error {
	var q *query.Error
	if errors.As(err, &q) {
		return &exitError{exitUsage, err}
	}
	return exitWith(exitIncomplete, "the answer is not complete: %w", err)
}
