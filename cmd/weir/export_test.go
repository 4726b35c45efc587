package main

import (
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// same COUNT FILE wants a file of as many lines as the file COUNT says.
func same(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(strings.TrimSpace(ts.ReadFile(args[0])))
	ts.Check(err)
	if got := strings.Count(ts.ReadFile(args[1]), "\n"); got != want || want == 0 {
		ts.Fatalf("%s has %d lines, want %d", args[1], got, want)
	}
}

// TestHostileExports sends hostile names through every format that is text.
func TestHostileExports(t *testing.T) {
	file := filepath.Join(t.TempDir(), "hostile.pcap")
	writeHostile(t, file)
	kept := filepath.Join(t.TempDir(), "kept")
	weirOutput(t, "scan", "--store", kept, file)
	for format, check := range map[string]func(*testing.T, string){
		"zeek": noCommands, "zeek-json": validLines, "ecs": validLines, "ocsf": validLines, "ndjson": validLines, "csv": noFormula(','),
	} {
		for _, table := range []string{"conn", "dns", "finding"} {
			t.Run(format+" "+table, func(t *testing.T) {
				out := weirOutput(t, "export", "--store", kept, "--format", format, "--table", table)
				check(t, out)
				if table == "dns" && !strings.Contains(strings.ToUpper(out), "HYPERLINK") {
					t.Errorf("the hostile name is not there:\n%s", out)
				}
			})
		}
	}
}

// noCommands checks what is meant for programs and may be read on a terminal:
// tabs are what separates.
func noCommands(t *testing.T, out string) { plainText(t, strings.ReplaceAll(out, "\t", " ")) }
