package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/config"
	"github.com/weir-nta/weir/export"
	"github.com/weir-nta/weir/output"
	"github.com/weir-nta/weir/query"
	"github.com/weir-nta/weir/store"
	"github.com/weir-nta/weir/store/duckdb"
)

// exportFormats are those of `weir export`: the first four want whole records.
var exportFormats = []string{"zeek", "zeek-json", "ecs", "ocsf", "ndjson", "csv", "parquet"}

// An exporting is one run of `weir export`.
type exporting struct {
	streams
	run    runFlags
	ask    queryFlags // which records
	format string
	path   string
	table  string

	config  *config.Config
	store   store.Store
	files   *exportFiles
	written int64
}

func newExport(s streams) *cobra.Command {
	e := &exporting{streams: s}
	cmd := &cobra.Command{
		Use:   "export [QUESTION]",
		Short: "Write records as other tools read them: Zeek, ECS, OCSF, CSV, Parquet",
		Long: "Export writes the records of a table, or those that a question finds, from a\n" +
			"store (--store) or from files (-r): as Zeek's logs into a folder, as JSON of the\n" +
			"Elastic Common Schema or OCSF, as CSV, NDJSON or Parquet. Nothing is left under\n" +
			"the name of a file that could not be written whole.",
		Example: "  weir export --store ./weir-data --format zeek -o logs/\n" +
			"  weir export --store ./weir-data --format ecs -f -24h 'dir = outbound' > conn.ndjson\n" +
			"  weir export -r capture.pcap --table dns --format parquet -o dns.parquet\n" +
			"  weir export --store ./weir-data --format csv -o top.csv 'top 100 dst.ip'",
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.export(cmd.Context(), strings.Join(args, " "))
		},
	}
	e.run.register(cmd)
	e.ask.registerRecords(cmd)
	flags := cmd.Flags()
	flags.StringVar(&e.format, "format", "ndjson", "format: "+strings.Join(exportFormats, ", "))
	flags.StringVarP(&e.path, "output", "o", "", "write to this file, or into this folder, instead of stdout")
	flags.StringVar(&e.table, "table", "", "the table, or all with zeek, zeek-json, ecs and ocsf (default: conn; with zeek and zeek-json all, unless there is a question)")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(exportFormats, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("table", cobra.FixedCompletions(append(tableNames(), "all"), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (e *exporting) export(ctx context.Context, text string) (err error) {
	questions, err := e.questions(text)
	if err != nil {
		return err
	}
	if e.files, err = e.target(questions[0].Table); err != nil {
		return err
	}
	defer func() { e.files.discard() }()
	if e.config, err = e.run.load(e.streams); err != nil {
		return err
	}
	// Of several tables that of the findings is the one that wants detectors run.
	about := questions[0]
	if i := slices.IndexFunc(questions, func(q *query.Query) bool { return q.Table == weir.FindingTable }); i >= 0 {
		about = questions[i]
	}
	st, damage, err := e.ask.openRecords(ctx, e.streams, &e.run, e.config, about)
	if err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, st.Close()) }()
	e.store = st
	if err := e.write(ctx, questions); err != nil {
		return e.failed(ctx, err)
	}
	if err := e.files.keep(); err != nil {
		return err
	}
	if !e.run.quiet {
		e.talk("%s %s written%s", count(e.written), plural(e.written, questions), e.files.where())
	}
	return damage
}

func plural(n int64, questions []*query.Query) string {
	what := "record"
	if len(questions) == 1 && !whole(questions[0]) {
		what = "row"
	}
	if n != 1 {
		what += "s"
	}
	if len(questions) == 1 {
		what += " of " + questions[0].Table.Name
	}
	return what
}

// questions returns what is asked: the question, or one for each table.
func (e *exporting) questions(text string) ([]*query.Query, error) {
	if !slices.Contains(exportFormats, e.format) {
		return nil, exitWith(exitUsage, "--format %q: want %s", e.format, strings.Join(exportFormats, ", "))
	}
	if e.table == "" && strings.TrimSpace(text) == "" && e.several() {
		e.table = "all" // Zeek's logs are of use together
	}
	tables := []string{e.table}
	if e.table == "all" {
		if !e.records() {
			return nil, exitWith(exitUsage, "--table all: %s has one table a file\n  hint: export them one by one, or take zeek, zeek-json, ecs or ocsf", e.format)
		}
		tables = tableNames()
	}
	var out []*query.Query
	for _, t := range tables {
		q, err := e.question(t, text)
		switch {
		case err != nil:
			return nil, err
		case e.takes(q.Table):
			out = append(out, q)
		case e.table != "all":
			return nil, exitWith(exitUsage, "%s has no name for records of %s\n  hint: ecs, csv, ndjson and parquet take all tables", e.format, q.Table.Name)
		}
	}
	return out, nil
}

// takes reports whether the format has a name for the records of a table.
func (e *exporting) takes(t *weir.Table) bool {
	switch e.format {
	case "zeek", "zeek-json":
		return export.InZeek(t)
	case "ocsf":
		return export.InOCSF(t)
	}
	return true
}

// several says whether Zeek's logs have room beside each other.
func (e *exporting) several() bool {
	return e.format == "zeek" && e.path != "" || e.format == "zeek-json"
}

// question returns the question about a table. One that names its own table
// stands for itself.
func (e *exporting) question(table, text string) (*query.Query, error) {
	if table != "" && weir.TableByName(table) == nil {
		return nil, exitWith(exitNotFound, "no table %q\n  hint: there are %s", table, strings.Join(tableNames(), ", "))
	}
	full := text
	if !strings.HasPrefix(strings.TrimSpace(text), "from ") {
		full = strings.TrimSpace("from " + cmp.Or(table, "conn") + " " + text)
	} else if table != "" {
		return nil, exitWith(exitUsage, "the question names a table, and --table does: leave one of them out")
	}
	q, err := query.Parse(full)
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	if strings.HasPrefix(e.format, "zeek") && len(q.Stages) == 0 {
		// Who reads several logs goes through them side by side.
		if q, err = query.Parse(full + " | sort ts"); err != nil {
			return nil, &exitError{exitUsage, err}
		}
	}
	if e.records() && !whole(q) {
		return nil, exitWith(exitUsage, "%s is for whole records, and the question gives other rows\n  hint: leave out what comes after the filter, or take csv, ndjson or parquet", e.format)
	}
	return q, nil
}

// records says whether the format is for whole records alone.
func (e *exporting) records() bool { return slices.Index(exportFormats, e.format) < 4 }

// whole says whether the rows of the answer are whole records.
func whole(q *query.Query) bool {
	return slices.EqualFunc(q.Columns, q.Table.Columns, func(a query.Column, b weir.Column) bool { return a.Name == b.Name })
}

// write writes the answers of all questions.
func (e *exporting) write(ctx context.Context, questions []*query.Query) error {
	if e.format == "parquet" {
		return e.parquet(ctx, questions[0])
	}
	w, err := e.writer(ctx, questions)
	if err != nil {
		return err
	}
	for _, q := range questions {
		for row, err := range e.rows(ctx, q) {
			if err != nil {
				return err
			}
			if err := w.row(q, row); err != nil {
				return err
			}
			e.written++
		}
	}
	return w.close()
}

// rows are those of the answer to q, none if there are no records at all.
func (e *exporting) rows(ctx context.Context, q *query.Query) iter.Seq2[query.Row, error] {
	a, err := e.ask.window(ctx, e.store, q)
	switch {
	case errors.Is(err, store.ErrEmpty):
		return func(func(query.Row, error) bool) {}
	case err != nil:
		return func(yield func(query.Row, error) bool) { yield(nil, err) }
	}
	about(&a, e.config)
	return func(yield func(query.Row, error) bool) {
		for row, err := range e.store.Query(ctx, a) {
			if err != nil {
				err = queryFailed(err)
			}
			if !yield(row, err) || err != nil {
				return
			}
		}
	}
}

// parquet writes the file by its name: it is not written from front to back.
func (e *exporting) parquet(ctx context.Context, q *query.Query) error {
	path, err := e.files.partial(e.files.name(q.Table.Name + ".parquet"))
	if err != nil {
		return err
	}
	n, err := duckdb.WriteParquet(ctx, path, q.Columns, e.rows(ctx, q))
	e.written = n
	var known *exitError
	if err != nil && !errors.As(err, &known) {
		return exitWith(exitIncomplete, "%w", err)
	}
	return err
}

// A rowWriter writes the rows of answers.
type rowWriter struct {
	row   func(*query.Query, query.Row) error
	close func() error
}

func (e *exporting) writer(ctx context.Context, questions []*query.Query) (rowWriter, error) {
	table := questions[0].Table
	name := table.Name
	if len(questions) > 1 {
		name = "weir"
	}
	switch e.format {
	case "zeek", "zeek-json":
		return e.zeek(ctx, table)
	case "ecs", "ocsf":
		w, err := e.files.open(e.files.name(name + "." + e.format + ".ndjson"))
		if err != nil {
			return rowWriter{}, err
		}
		if e.format == "ecs" {
			return recordWriter(export.NewECS(w)), nil
		}
		return recordWriter(export.NewOCSF(w, version)), nil
	}
	w, err := e.files.open(e.files.name(name + "." + e.format))
	if err != nil {
		return rowWriter{}, err
	}
	if e.format == "ndjson" && whole(questions[0]) {
		return recordWriter(export.NewNDJSON(w)), nil
	}
	o, err := output.New(w, questions[0].Columns, output.Options{Format: e.format})
	if err != nil {
		return rowWriter{}, &exitError{exitUsage, err}
	}
	return rowWriter{
		row:   func(_ *query.Query, r query.Row) error { return o.Row(r) },
		close: func() error { return o.Close(nil) },
	}, nil
}

// recordWriter makes records of rows.
func recordWriter(w export.Writer) rowWriter {
	return rowWriter{
		row: func(q *query.Query, row query.Row) error {
			r, err := record(q.Table, row)
			if err != nil {
				return err
			}
			return w.Write(r)
		},
		close: w.Close,
	}
}

// record returns the record that a row of whole records is.
func record(t *weir.Table, row query.Row) (weir.Record, error) {
	r := t.New()
	for i, v := range row {
		if v == nil || t.Columns[i].Computed {
			continue
		}
		if err := r.Set(i, v); err != nil {
			return nil, fmt.Errorf("%s.%s: %w", t.Name, t.Columns[i].Name, err)
		}
	}
	return r, nil
}

// zeek writes logs into a folder. On stdout and in one file there is room for
// several as JSON; of the tab-separated ones that of the table alone.
func (e *exporting) zeek(ctx context.Context, table *weir.Table) (rowWriter, error) {
	first, json := "", e.format == "zeek-json"
	z := export.NewZeek(json, time.Now(), func(log string) (io.Writer, error) {
		if e.files.folder {
			return e.files.open(e.files.name(log + ".log"))
		}
		if first = cmp.Or(first, log); first != log && !json {
			return nil, nil
		}
		return e.files.open(e.files.path)
	})
	var err error
	if z.FirstRequests, err = e.none(ctx, "from http"); err != nil {
		return rowWriter{}, err
	}
	w := recordWriter(z)
	closeLogs := w.close
	w.close = func() error {
		for log, n := range z.Lines() {
			if log != first && first != "" && !json {
				e.talk("%s lines of %s.log are left out: there is room for one log (-o FOLDER takes all)", count(int64(n)), log)
			}
		}
		return closeLogs()
	}
	return w, nil
}

// none says whether there are no records that a question finds.
func (e *exporting) none(ctx context.Context, text string) (bool, error) {
	q, err := query.Parse(text + " | limit 1")
	if err != nil {
		return false, err
	}
	for _, err := range e.rows(ctx, q) {
		return false, err
	}
	return true, nil
}

// failed says what became of the files, which are gone.
func (e *exporting) failed(ctx context.Context, err error) error {
	var sig errSignal
	var known *exitError
	switch {
	case errors.As(context.Cause(ctx), &sig):
		e.talk("%v: %s records were written%s", sig, count(e.written), e.files.lost())
		return &exitError{code: sig.code}
	case errors.As(err, &known):
		return err
	}
	return exitWith(exitIncomplete, "%w%s", err, e.files.lost())
}

// exportFiles are the files that are being written, under names of their own
// until they are whole.
type exportFiles struct {
	path   string // a file, a folder, or "" for stdout
	folder bool
	stdout io.Writer
	files  []*exportFile
	kept   bool
}

type exportFile struct {
	final, partial string
	*os.File
}

// target finds out where to write, and that it is possible, before anything
// is read.
func (e *exporting) target(table *weir.Table) (*exportFiles, error) {
	out := &exportFiles{path: e.path, stdout: &destination{w: e.out}}
	if e.path == "" {
		if e.format == "parquet" {
			return nil, exitWith(exitUsage, "parquet wants a file: it is not written from front to back\n  hint: -o %s.parquet", table.Name)
		}
		return out, nil
	}
	info, err := os.Stat(e.path)
	out.folder = err == nil && info.IsDir() || strings.HasSuffix(e.path, "/") || strings.HasPrefix(e.format, "zeek")
	dir := e.path
	if !out.folder {
		dir = filepath.Dir(e.path)
	}
	if out.folder {
		if err := os.MkdirAll(e.path, 0o755); err != nil {
			return nil, exitWith(exitRefused, "%w", err)
		}
	}
	trial, err := os.CreateTemp(dir, ".weir-*")
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, exitWith(exitNotFound, "no folder %s", dir)
	case err != nil:
		return nil, exitWith(exitRefused, "%w", err)
	}
	return out, errors.Join(trial.Close(), os.Remove(trial.Name()))
}

// name returns the path of a file: that asked for, or the name in the folder.
func (o *exportFiles) name(name string) string {
	if o.folder {
		return filepath.Join(o.path, name)
	}
	return o.path
}

// open returns a file to write, or stdout.
func (o *exportFiles) open(path string) (io.Writer, error) {
	if o.path == "" {
		return o.stdout, nil
	}
	for _, f := range o.files {
		if f.final == path {
			return f, nil
		}
	}
	partial, err := o.partial(path)
	if err != nil {
		return nil, err
	}
	f := o.files[len(o.files)-1]
	if f.File, err = os.OpenFile(partial, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644); err != nil {
		return nil, exitWith(exitRefused, "%w", err)
	}
	return f, nil
}

// partial returns the name under which path is written until it is whole.
func (o *exportFiles) partial(path string) (string, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return "", exitWith(exitRefused, "%s is not a file", path)
	}
	name := filepath.Join(filepath.Dir(path), fmt.Sprintf(".%s.%d.partial", filepath.Base(path), os.Getpid()))
	o.files = append(o.files, &exportFile{final: path, partial: name})
	return name, nil
}

// keep gives the files their names.
func (o *exportFiles) keep() error {
	for _, f := range o.files {
		if f.File != nil {
			if err := errors.Join(f.Sync(), f.Close()); err != nil {
				return exitWith(exitIncomplete, "%w%s", err, o.lost())
			}
		}
		if err := os.Rename(f.partial, f.final); err != nil {
			return exitWith(exitRefused, "%w", err)
		}
	}
	o.kept = true
	return nil
}

// discard removes what is not whole.
func (o *exportFiles) discard() {
	if o.kept {
		return
	}
	for _, f := range o.files {
		if f.File != nil {
			_ = f.Close() // it goes
		}
		_ = os.Remove(f.partial) // there may be none yet, or no longer
	}
}

func (o *exportFiles) where() string {
	switch {
	case o.path == "":
		return ""
	case o.folder && len(o.files) != 1:
		return fmt.Sprintf(" to %d files in %s", len(o.files), o.path)
	case o.folder:
		return " to " + o.files[0].final
	}
	return " to " + o.path
}

// lost says that nothing of the files is left.
func (o *exportFiles) lost() string {
	if o.path == "" {
		return "\n  hint: what was written is not complete"
	}
	return "\n  hint: nothing is left at " + o.path
}
