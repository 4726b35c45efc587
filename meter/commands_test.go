package meter_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/sharedtest"
	"github.com/weir-nta/weir/meter"
)

// commandLogs are the logs of Zeek that tell what the table command tells, with
// what is compared of a row: the command and whether it succeeded, "" where Zeek
// cannot say.
var commandLogs = []struct {
	log, app string
	of       func(r row) string
	known    map[string]string // differences: by test, who is right
}{
	{"redis", "redis", func(r row) string { return r["cmd.name"] + " " + truth(r["success"]) }, map[string]string{
		"redis.client-reply-off":       "behind CLIENT REPLY OFF the replies are not matched: told without success",
		"redis.client-reply-off-2conn": "likewise",
		"redis.client-skip-while-off":  "likewise",
		"redis.almost-redis":           "what only resembles RESP is not taken for it",
		"redis.attributes":             "likewise",
		"redis.pipeline-with-quotes":   "Zeek leaves out what the server refuses to parse",
	}},
	{"mysql", "mysql", func(r row) string {
		if r["cmd"] != "login" {
			return ""
		}
		return r["cmd"] + " " + r["arg"] + " " + truth(r["success"])
	}, map[string]string{}},
	{"dnp3", "dnp3", func(r row) string {
		if r["fc_request"] == "-" || r["fc_request"] == "CONFIRM" { // told with the answer, or no command
			return ""
		}
		return strings.ToLower(r["fc_request"])
	}, map[string]string{}},
}

func truth(s string) string { return map[string]string{"T": "true", "F": "false"}[s] }

// TestZeekCommands compares the table command with what Zeek logs of the same
// traces.
func TestZeekCommands(t *testing.T) {
	root := sharedtest.Path(t, "conformance/zeek/testing/btest")
	for _, l := range commandLogs {
		traces := commandTraces(t, filepath.Join(root, "Traces", l.log))
		logs, err := filepath.Glob(filepath.Join(root, "Baseline/scripts.base.protocols."+l.log+".*", l.log+".log"))
		if err != nil || len(logs) == 0 {
			t.Fatalf("no logs of %s: %v", l.log, err)
		}
		equal, total := 0, 0
		for _, name := range logs {
			test := strings.TrimPrefix(filepath.Base(filepath.Dir(name)), "scripts.base.protocols.")
			rows := readZeek(t, name)
			var want []string
			for _, r := range rows {
				if w := l.of(r); w != "" {
					want = append(want, w)
				}
			}
			best := 0
			for _, tr := range traces {
				if tr.has(rows) {
					best = max(best, common(tr.said(l.app), want))
				}
			}
			equal, total = equal+best, total+len(want)
			if best != len(want) {
				reason, ok := l.known[test]
				if t.Logf("%s: %d of %d commands as Zeek: %s", test, best, len(want), reason); !ok {
					t.Errorf("%s: %d of %d commands as Zeek has them: %v", test, best, len(want), want[:min(len(want), 12)])
				}
			}
		}
		t.Logf("%s: %d of %d commands equal", l.log, equal, total)
	}
}

// common counts what both lists have.
func common(a, b []string) (n int) {
	a = slices.Clone(a)
	for _, s := range b {
		if i := slices.Index(a, s); i >= 0 {
			a = slices.Delete(a, i, i+1)
			n++
		}
	}
	return n
}

type commandTrace struct {
	ports    map[string]bool
	commands []weir.Command
}

// has reports whether all conversations of a log are in the trace: the folder
// of a test does not name it.
func (c *commandTrace) has(rows []row) bool {
	for _, r := range rows {
		if !c.ports[r["id.orig_p"]+" "+r["id.resp_p"]] {
			return false
		}
	}
	return true
}

func (c *commandTrace) said(app string) (out []string) {
	for _, one := range c.commands {
		text := one.Command
		switch app {
		case "redis":
			text += " " + one.Success
		case "mysql":
			text += " " + one.User + " " + one.Success
		}
		for range one.Count {
			out = append(out, text)
		}
	}
	return out
}

func commandTraces(t *testing.T, folder string) (traces []*commandTrace) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		tr := &commandTrace{ports: map[string]bool{}}
		meterFrames(t, readCapture(t, filepath.Join(folder, e.Name())), meter.DefaultConfig(), func(b *weir.Batch) error {
			tr.commands = append(tr.commands, b.Commands...)
			for i := range b.Flows {
				f := endsOfFlow(&b.Flows[i])
				p := strings.Fields(f)
				tr.ports[p[2]+" "+p[4]], tr.ports[p[4]+" "+p[2]] = true, true
			}
			return nil
		})
		traces = append(traces, tr)
	}
	return traces
}
