package http_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/sharedtest"
	"github.com/weir-nta/weir/meter/metertest"
)

// maxTshark is the largest capture that is shown to tshark, in octets.
const maxTshark = 3 << 20

// TestTshark compares with what tshark says of the captures of the corpus.
func TestTshark(t *testing.T) {
	if testing.Short() {
		t.Skip("runs tshark on 100 captures")
	}
	if _, err := exec.LookPath("tshark"); err != nil {
		t.Skip("needs tshark")
	}
	c := metertest.Compare(t, ofTshark)
	defer c.Close()
	for _, file := range sharedtest.Captures(t, "corpus") {
		if info, err := os.Stat(file); err != nil || info.Size() > maxTshark {
			continue
		}
		if all := transactions(t, file); len(all) > 0 {
			compareTshark(t, c, file, all)
		}
	}
}

// An asked is what tshark says of one end of a conversation.
type asked struct{ method, host, uri, agent, status []string }

func compareTshark(t *testing.T, c *metertest.Comparison, file string, all map[string][]weir.HTTPTransaction) {
	theirs := tshark(t, file)
	name := filepath.Base(file)
	for ends, list := range all {
		up := theirs[ends]
		part := strings.Fields(ends)
		down := theirs[strings.Join([]string{part[2], part[3], part[0], part[1]}, " ")]
		if up == nil {
			up = &asked{}
		}
		if down == nil {
			down = &asked{}
		}
		var ours asked
		for i := range list {
			x := &list[i]
			if x.Method != "" {
				ours.method = append(ours.method, x.Method)
				ours.uri = append(ours.uri, x.URI)
				ours.host = appendSet(ours.host, x.Host)
				ours.agent = appendSet(ours.agent, x.UserAgent)
			}
			if x.Status != 0 {
				ours.status = append(ours.status, fmt.Sprint(x.Status))
			}
		}
		c.Field(name, "requests", fmt.Sprint(len(ours.method)), fmt.Sprint(len(up.method)))
		c.Field(name, "answers", fmt.Sprint(len(ours.status)), fmt.Sprint(len(down.status)))
		if len(ours.method) == len(up.method) {
			for i := range ours.method {
				c.Field(name, "method", ours.method[i], up.method[i])
				c.Field(name, "uri", ours.uri[i], up.uri[i])
			}
			c.Field(name, "hosts", strings.Join(ours.host, " "), strings.Join(up.host, " "))
			c.Field(name, "uas", strings.Join(ours.agent, " "), strings.Join(up.agent, " "))
		}
		if len(ours.status) == len(down.status) {
			for i := range ours.status {
				c.Field(name, "status", ours.status[i], down.status[i])
			}
		}
	}
}

// appendSet appends what is not empty, to compare where fields may be missing.
func appendSet(list []string, s string) []string {
	if s == "" {
		return list
	}
	return append(list, s)
}

// tshark returns by sender and receiver what it says of HTTP/1.
func tshark(t *testing.T, file string) map[string]*asked {
	args := []string{"-n", "-r", file, "-Y", "http", "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=\x1f", "-E", "separator=/t"}
	for _, f := range []string{"ip.src", "ipv6.src", "tcp.srcport", "ip.dst", "ipv6.dst", "tcp.dstport", "http.request.method", "http.request.uri", "http.host", "http.user_agent", "http.response.code"} {
		args = append(args, "-e", f)
	}
	out, err := exec.Command("tshark", args...).Output()
	if err != nil && len(out) == 0 {
		t.Logf("%s: tshark: %v", file, err)
	}
	all := map[string]*asked{}
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) < 11 || strings.Contains(f[0]+f[1], "\x1f") { // in a tunnel
			continue
		}
		k := f[0] + f[1] + " " + f[2] + " " + f[3] + f[4] + " " + f[5]
		a := all[k]
		if a == nil {
			a = &asked{}
			all[k] = a
		}
		each(f[6], func(s string) { a.method = append(a.method, s) })
		each(f[7], func(s string) { a.uri = append(a.uri, masked(s)) })
		each(f[8], func(s string) { a.host = append(a.host, host(s)) })
		each(f[9], func(s string) { a.agent = append(a.agent, s) })
		each(f[10], func(s string) {
			if s >= "2" || s == "101" {
				a.status = append(a.status, s)
			}
		})
	}
	return all
}

func each(values string, do func(string)) {
	if values == "" {
		return
	}
	for v := range strings.SplitSeq(values, "\x1f") {
		do(v)
	}
}
