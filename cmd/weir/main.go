// Command weir watches a network from what it already tells, keeps it as
// records, and says what it found in them and why.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/weir-nta/weir/query"
)

// version is set when the program is built (Makefile).
var version = "dev"

// Exit codes, so that scripts can tell what happened.
const (
	exitOK          = 0
	exitFindings    = 1   // findings at or above --fail-on; no row with --exists
	exitUsage       = 2   // wrong usage, or a question that does not parse
	exitNotFound    = 3   // no such file, store, table or detector
	exitDamaged     = 4   // input damaged or only partly read; what was readable is on stdout
	exitRefused     = 5   // no permission, or the store is in use
	exitIncomplete  = 6   // results are valid but partial: disk full, limit, write error
	exitBug         = 70  // a panic, with the path of a dump
	exitInterrupted = 130 // SIGINT
	exitPipe        = 141 // SIGPIPE: nobody reads any more, nothing is said
	exitTerminated  = 143 // SIGTERM
)

// An exitError is an error with the exit code it leads to.
type exitError struct {
	code int
	err  error // nil: everything has been said already
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func exitWith(code int, format string, args ...any) error {
	return &exitError{code, fmt.Errorf(format, args...)}
}

// A command's streams: stdout is data, stderr is talk.
type streams struct {
	in  io.Reader
	out io.Writer
	err io.Writer
}

func main() { os.Exit(run(os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr})) }

func run(args []string, s streams) (code int) {
	defer func() {
		if r := recover(); r != nil {
			code = bug(s.err, r)
		}
	}()
	ctx, stop := withSignals(context.Background())
	defer stop()

	root := newRoot(s)
	root.SetArgs(args)
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	return exitCode(s.err, root.ExecuteContext(ctx))
}

// errSignal is the cause of a context that a signal has ended.
type errSignal struct{ code int }

func (e errSignal) Error() string {
	if e.code == exitTerminated {
		return "terminated"
	}
	return "interrupted"
}

// withSignals returns a context that SIGINT and SIGTERM cancel, so that a
// command stops cleanly and keeps its results. A second signal kills. SIGPIPE
// becomes an error of the write, so that a temporary store is removed.
func withSignals(ctx context.Context) (context.Context, func()) {
	signal.Ignore(syscall.SIGPIPE)
	ctx, cancel := context.WithCancelCause(ctx)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case sig := <-signals:
			signal.Stop(signals)
			if sig == syscall.SIGTERM {
				cancel(errSignal{exitTerminated})
			} else {
				cancel(errSignal{exitInterrupted})
			}
		case <-ctx.Done():
		}
	}()
	return ctx, func() { signal.Stop(signals); cancel(nil) }
}

// exitCode prints err, if there is something to say, and returns the code for it.
func exitCode(w io.Writer, err error) int {
	if err == nil {
		return exitOK
	}
	var e *exitError
	if errors.As(err, &e) {
		if e.err != nil {
			printError(w, e.err)
		}
		return e.code
	}
	printError(w, err)
	return exitUsage // what cobra finds wrong with flags and arguments
}

func printError(w io.Writer, err error) {
	var q *query.Error
	if errors.As(err, &q) {
		fmt.Fprint(w, q.Render())
		return
	}
	fmt.Fprintf(w, "error: %v\n", err)
}

// bug writes what is known of a panic into a file and says where it is.
func bug(w io.Writer, cause any) int {
	fmt.Fprintf(w, "error: this is a bug in weir %s: %v\n", version, cause)
	f, err := os.CreateTemp("", "weir-bug-*.txt")
	if err != nil {
		fmt.Fprintf(w, "%s\n", debug.Stack())
		return exitBug
	}
	defer func() { _ = f.Close() }() // what it holds has been said or not
	fmt.Fprintf(f, "weir %s\n%q\n%v\n\n%s", version, os.Args, cause, debug.Stack())
	fmt.Fprintf(w, "  hint: report it with %s (it holds the command line and addresses in the program, no traffic)\n", f.Name())
	return exitBug
}

func newRoot(s streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "weir",
		Short: "Finds threats in network traffic and explains them",
		Long: "Weir reads what a network tells of itself, keeps it as records, finds\n" +
			"command and control, tunnels, scans and more in them, and explains each finding.\n\n" +
			"Try `weir demo`, then `weir scan FILE.pcap`.",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          known,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return exitWith(exitUsage, "%w\n  hint: `%s --help` lists the flags", err, cmd.CommandPath())
	})
	root.SuggestionsMinimumDistance = 2 // letters between what is typed and what is meant
	profile(root)
	root.AddCommand(newScan(s), newListen(s), newWatch(s), newQuery(s), newExport(s), newFields(s), newDetectors(s), newSensors(s), newHosts(s), newPcap(s), newDemo(s), newVersion(s))
	root.SetHelpCommand(newHelp(root))
	root.InitDefaultCompletionCmd()
	if shells, _, err := root.Find([]string{"completion"}); err == nil {
		shells.Args = known
		shells.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	}
	return root
}

func newHelp(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Explain a command",
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return known(root, args)
			}
			cmd.InitDefaultHelpFlag()
			return cmd.Help()
		},
	}
}

// known refuses what is not the name of a command, and says which may be meant.
func known(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := fmt.Sprintf("`%s --help` lists the commands", cmd.CommandPath())
	if like := cmd.SuggestionsFor(args[0]); len(like) > 0 {
		hint = "did you mean " + strings.Join(like, " or ") + "?"
	}
	return exitWith(exitUsage, "no command %q\n  hint: %s", args[0], hint)
}

// wants refuses fewer than least or more than most arguments, and says what
// they should be.
func wants(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return exitWith(exitUsage, "%s wants %s\n  hint: `%s --help` shows examples", cmd.CommandPath(), what, cmd.CommandPath())
		case len(args) > most:
			return exitWith(exitUsage, "%s wants %s; %q is one too many", cmd.CommandPath(), what, args[most])
		}
		return nil
	}
}

// profile lets every command write a CPU profile, for `go tool pprof`.
func profile(root *cobra.Command) {
	var path string
	root.PersistentFlags().StringVar(&path, "cpuprofile", "", "write a CPU profile to this file")
	_ = root.PersistentFlags().MarkHidden("cpuprofile")
	var out *os.File
	root.PersistentPreRunE = func(*cobra.Command, []string) (err error) {
		if path == "" {
			return nil
		}
		if out, err = os.Create(path); err != nil {
			return err
		}
		return pprof.StartCPUProfile(out)
	}
	cobra.OnFinalize(func() {
		if out != nil {
			pprof.StopCPUProfile()
			_ = out.Close()
		}
	})
}
