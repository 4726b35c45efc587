package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weir-nta/weir/detect"
	"github.com/weir-nta/weir/parts"
	"github.com/weir-nta/weir/query"
)

func newDetectors(s streams) *cobra.Command {
	var f formatFlags
	cmd := &cobra.Command{
		Use:   "detectors [NAME]",
		Short: "List the detectors, or explain one",
		Args:  wants(0, 1, "one detector at most"),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return detectorNames(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
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
	return cmd
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
