package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/weir-nta/weir/output"
	"github.com/weir-nta/weir/query"
)

// formatFlags are those of all commands that write rows.
type formatFlags struct {
	format   string
	columns  []string
	noHeader bool
	time     string
	summary  bool
	color    string
	wide     bool
	nulls    bool
	file     string
	limit    int64
}

func (f *formatFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVarP(&f.format, "output", "o", "", "format: "+strings.Join(output.Formats, ", ")+" or template='{{...}}' (default: table on a terminal, ndjson in a pipe)")
	flags.StringSliceVar(&f.columns, "columns", nil, "the columns wanted, in this order")
	flags.BoolVar(&f.noHeader, "no-header", false, "no line of names in table, csv and tsv")
	flags.StringVar(&f.time, "time", "iso", "how times are written: iso, unix or local")
	flags.BoolVar(&f.summary, "summary", false, "end ndjson with a summary object")
	flags.StringVar(&f.color, "color", "auto", "colours: auto, always or never")
	flags.BoolVar(&f.wide, "wide", false, "never cut a cell of a table to fit the terminal")
	flags.StringVarP(&f.file, "write", "w", "", "write to this file instead of stdout")
	flags.Int64VarP(&f.limit, "rows", "n", 0, "at most this many rows, said on stderr (0: all)")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(output.Formats, cobra.ShellCompDirectiveNoFileComp))
}

// check refuses what is wrong with the flags before a command does its work,
// whose answer will have these columns.
func (f *formatFlags) check(columns []query.Column) error {
	if f.limit < 0 {
		return exitWith(exitUsage, "-n %d: want 0, for all, or more", f.limit)
	}
	trial := &destination{w: io.Discard}
	if _, err := f.writer(trial, columns); err != nil {
		return err
	}
	return nil
}

// A destination is where rows go: stdout or a file.
type destination struct {
	w        io.Writer
	terminal bool
	width    int
	close    func() error
}

// small reports whether d is a screen without room for a dozen columns.
func (d *destination) small() bool { return d.width > 0 && d.width < 120 }

// Write writes b. What comes in its way leads to an exit code; that nobody
// reads any more, as with `| head`, is nothing to talk about.
func (d *destination) Write(b []byte) (int, error) {
	n, err := d.w.Write(b)
	switch {
	case errors.Is(err, syscall.EPIPE):
		return n, &exitError{code: exitPipe}
	case err != nil:
		return n, exitWith(exitIncomplete, "%w\n  hint: what was written is not complete", err)
	}
	return n, nil
}

func (f *formatFlags) open(s streams) (*destination, error) {
	if f.file == "" {
		d := &destination{w: s.out, close: func() error { return nil }}
		if out, ok := s.out.(*os.File); ok && term.IsTerminal(int(out.Fd())) {
			d.terminal = true
			d.width, _, _ = term.GetSize(int(out.Fd()))
		}
		return d, nil
	}
	file, err := os.Create(f.file)
	if err != nil {
		return nil, exitWith(exitRefused, "%w", err)
	}
	return &destination{w: file, close: file.Close}, nil
}

func (f *formatFlags) colored(d *destination) (bool, error) {
	switch f.color {
	case "always":
		return true, nil
	case "never":
		return false, nil
	case "auto":
		return d.terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb", nil
	}
	return false, exitWith(exitUsage, "--color %q: want auto, always or never", f.color)
}

// formatFor returns the format asked for, else the one that suits d.
func (f *formatFlags) formatFor(d *destination) string {
	switch {
	case f.format != "":
		return f.format
	case d.terminal:
		return "table"
	}
	return "ndjson"
}

// writer returns a writer of rows to d.
func (f *formatFlags) writer(d *destination, columns []query.Column) (output.Writer, error) {
	color, err := f.colored(d)
	if err != nil {
		return nil, err
	}
	o := output.Options{Format: f.formatFor(d), Columns: f.columns, NoHeader: f.noHeader, Time: f.time, Summary: f.summary, Nulls: f.nulls, Color: color}
	if !f.wide {
		o.Width = d.width
	}
	w, err := output.New(d, columns, o)
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	return w, nil
}

// talk writes a sentence to stderr.
func (s streams) talk(format string, args ...any) { fmt.Fprintf(s.err, format+"\n", args...) }
