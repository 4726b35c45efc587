package metertest

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
)

// Tshark returns fields of the packets of a capture that match a filter, as
// Wireshark reads them; several values of one field are separated by a vertical
// bar. Without tshark it skips the test and says so.
func Tshark(t testing.TB, file, filter string, fields ...string) (rows [][]string) {
	t.Helper()
	if _, err := exec.LookPath("tshark"); err != nil {
		t.Skip("needs tshark")
	}
	args := []string{"-r", file, "-Y", filter, "-T", "fields", "-E", "separator=/t", "-E", "aggregator=|"}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	c := exec.CommandContext(t.Context(), "tshark", args...)
	var errs bytes.Buffer
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil && len(out) == 0 {
		t.Fatalf("tshark %s: %v: %s", file, err, errs.Bytes())
	}
	for line := range strings.Lines(string(out)) {
		row := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(row) == len(fields) {
			rows = append(rows, row)
		}
	}
	return rows
}

// Tally compares how often things occur in a case: of each there is one value,
// equal where both have it. Got and want of a difference is how often it occurs
// more there than on the other side, and what it is.
func (c *Comparison) Tally(name, field string, got, want map[string]int) {
	c.t.Helper()
	for k, n := range want {
		for range min(n, got[k]) {
			c.Field(name, field, k, k)
		}
		for range max(n-got[k], 0) {
			c.Field(name, field, "", k)
		}
	}
	for k, n := range got {
		for range max(n-want[k], 0) {
			c.Field(name, field, k, "")
		}
	}
}
