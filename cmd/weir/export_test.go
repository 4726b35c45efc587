package main

import (
	"strconv"
	"strings"

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
