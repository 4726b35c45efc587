package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weir-nta/weir/detect"
	"github.com/weir-nta/weir/parts"
	"github.com/weir-nta/weir/query"
)

func newDetectors(s streams) *cobra.Command {
	var f formatFlags
	var matrix bool
	cmd := &cobra.Command{
		Use:   "detectors [NAME]",
		Short: "List the detectors, or explain one",
		Args:  wants(0, 1, "one detector at most"),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return detectorNames(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if matrix {
				return writeMatrix(s, &f, args)
			}
			if len(args) == 0 {
				return writeRows(s, &f, detectorColumns, detectorRows())
			}
			for _, d := range parts.Detectors {
				if d.Name == args[0] {
					fmt.Fprint(s.out, d.Doc)
					return nil
				}
			}
			return exitWith(exitNotFound, "no detector %q\n  hint: there are %s", args[0], strings.Join(detectorNames(), ", "))
		},
	}
	f.register(cmd)
	cmd.Flags().BoolVar(&matrix, "matrix", false, "say what each detector sees in each kind of source")
	return cmd
}

// writeMatrix writes which detector sees what in which source; of one detector
// with what is lost.
func writeMatrix(s streams, f *formatFlags, args []string) error {
	var rows []query.Row
	if len(args) == 0 {
		columns := []query.Column{{Name: "detector"}}
		for _, k := range detect.SourceKinds {
			columns = append(columns, query.Column{Name: k.Name})
		}
		for _, cells := range detect.Matrix(parts.Detectors) {
			row := query.Row{cells[0].Detector.Name}
			for i := range cells {
				row = append(row, cells[i].String())
			}
			rows = append(rows, row)
		}
		return writeRows(s, f, columns, rows)
	}
	i := slices.Index(detectorNames(), args[0])
	if i < 0 {
		return exitWith(exitNotFound, "no detector %q\n  hint: there are %s", args[0], strings.Join(detectorNames(), ", "))
	}
	for _, c := range detect.Matrix(parts.Detectors)[i] {
		rows = append(rows, query.Row{c.Source.Name, c.String(), strings.Join(c.Lost, "; ")})
	}
	return writeRows(s, f, []query.Column{{Name: "source"}, {Name: "sees"}, {Name: "lost"}}, rows)
}

func detectorNames() []string {
	var names []string
	for _, d := range parts.Detectors {
		names = append(names, d.Name)
	}
	return names
}

var detectorColumns = []query.Column{{Name: "detector"}, {Name: "behaviour"}, {Name: "severity"}, {Name: "techniques"}, {Name: "finds"}}

func detectorRows() []query.Row {
	var rows []query.Row
	for _, d := range parts.Detectors {
		rows = append(rows, query.Row{d.Name, d.Behaviour, d.Severity.String(), strings.Join(d.Techniques, " "), finds(d)})
	}
	return rows
}

// finds returns the first sentence of what a detector says that it finds.
func finds(d *detect.Detector) string {
	_, text, _ := strings.Cut(d.Doc, "## What it finds\n")
	text = strings.Join(strings.Fields(text), " ")
	if i := strings.Index(text, ". "); i >= 0 {
		text = text[:i+1]
	}
	text, _, _ = strings.Cut(text, " ## ")
	return text
}
