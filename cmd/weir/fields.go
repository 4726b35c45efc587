package main

import (
	"cmp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/query"
)

func newFields(s streams) *cobra.Command {
	var f formatFlags
	cmd := &cobra.Command{
		Use:   "fields [TABLE]",
		Short: "List every field of the records: type, meaning, example",
		Args:  wants(0, 1, "one table at most"),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return tableNames(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			tables := weir.Tables
			if len(args) == 1 {
				t := weir.TableByName(args[0])
				if t == nil {
					return exitWith(exitNotFound, "no table %q\n  hint: there are %s", args[0], strings.Join(tableNames(), ", "))
				}
				tables = []*weir.Table{t}
			}
			return writeRows(s, &f, fieldColumns, fieldRows(tables))
		},
	}
	f.register(cmd)
	return cmd
}

func tableNames() []string {
	var names []string
	for _, t := range weir.Tables {
		names = append(names, t.Name)
	}
	return names
}

var fieldColumns = []query.Column{{Name: "table"}, {Name: "field"}, {Name: "type"}, {Name: "speed"}, {Name: "example"}, {Name: "meaning"}}

func fieldRows(tables []*weir.Table) []query.Row {
	var rows []query.Row
	for _, t := range tables {
		for _, c := range t.Columns {
			rows = append(rows, query.Row{t.Name, c.Name, typeName(&c), speed(&c), c.Example, c.Doc})
		}
	}
	return rows
}

func typeName(c *weir.Column) string {
	name := c.Type.String()
	if c.Unit != "" {
		name = c.Unit
	}
	if c.Enum != nil && len(c.Enum) < 32 {
		name = "one of " + strings.TrimPrefix(strings.Join(c.Enum, " "), " ")
	}
	if c.List {
		return "list of " + name
	}
	return name
}

func speed(c *weir.Column) string {
	if c.Slow {
		return "slow"
	}
	return "fast"
}

// writeRows writes rows that are all at hand.
func writeRows(s streams, f *formatFlags, columns []query.Column, rows []query.Row) (err error) {
	if err := f.check(columns); err != nil {
		return err
	}
	d, err := f.open(s)
	if err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, d.close()) }()
	w, err := f.writer(d, columns)
	if err != nil {
		return err
	}
	for _, r := range rows {
		if err := w.Row(r); err != nil {
			return err
		}
	}
	return w.Close(nil)
}
