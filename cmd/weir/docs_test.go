package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/weir-nta/weir/config"
	"github.com/weir-nta/weir/parts"
	"github.com/weir-nta/weir/query"
)

// TestREADME checks what the README prints: its configuration is accepted, its
// questions parse, and its commands and flags are known.
func TestREADME(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	yaml := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindSubmatch(text)
	if yaml == nil {
		t.Fatal("no configuration in the README")
	}
	c, err := config.Parse(yaml[1], parts.Detectors)
	if err != nil || c.Sensor != "core-1" || !c.LocalGiven || len(c.Detectors) != len(parts.Detectors) {
		t.Errorf("the configuration of the README: %+v, %v", c, err)
	}
	commands := regexp.MustCompile(`(?m)^ +(weir .*?)( +#.*)?$`).FindAllSubmatch(text, -1)
	if len(commands) < 8 {
		t.Errorf("%d commands in the README, want those of \"Use it\"", len(commands))
	}
	for _, m := range commands {
		checkCommand(t, string(m[1]))
	}
}

// checkCommand checks a command line without running it.
func checkCommand(t *testing.T, line string) {
	t.Helper()
	line, question, asked := strings.Cut(line, " '")
	if asked && !strings.HasPrefix(line, "weir pcap") { // whose argument is a Community ID
		if _, err := query.Parse(strings.TrimSuffix(question, "'")); err != nil {
			t.Errorf("%s '%s: %v", line, question, err)
		}
	}
	cmd, args, err := newRoot(streams{}).Find(strings.Fields(line)[1:])
	if err != nil {
		t.Errorf("%s: %v", line, err)
		return
	}
	if err := cmd.ParseFlags(args); err != nil {
		t.Errorf("%s: %v", line, err)
	}
}
