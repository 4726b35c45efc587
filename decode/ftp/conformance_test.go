package ftp_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/sharedtest"
	"github.com/weir-nta/weir/meter/metertest"
)

// commands returns the commands of FTP by their ends, in their order.
func commands(b *weir.Batch) map[string][]weir.Command {
	all := map[string][]weir.Command{}
	for _, c := range b.Commands {
		if c.Protocol == "ftp" {
			k := metertest.Ends(&c.Endpoints)
			all[k] = append(all[k], c)
		}
	}
	for _, list := range all {
		slices.SortStableFunc(list, func(a, b weir.Command) int { return a.Time.Compare(b.Time) })
	}
	return all
}

var zeekTraces = map[string]string{
	"scripts.base.protocols.ftp.cwd-navigation":                   "cwd-navigation.pcap",
	"scripts.base.protocols.ftp.ftp-get-file-size":                "ftp-with-numbers-in-filename.pcap",
	"scripts.base.protocols.ftp.ftp-invalid-reply-code":           "ftp-invalid-reply-code.pcap",
	"scripts.base.protocols.ftp.ftp-ipv4":                         "ipv4.pcap",
	"scripts.base.protocols.ftp.ftp-ipv6":                         "ipv6.pcap",
	"scripts.base.protocols.ftp.ftp-max-pending-commands":         "fake-server-delays-all.pcap",
	"scripts.base.protocols.ftp.ftp-password-pass-command-hidden": "ftp-password-pass-command.pcap",
	"scripts.policy.protocols.ftp.ftp":                            "ipv6-multiline-reply.pcap",
}

// TestZeek compares with ftp.log of Zeek's own tests: each of its rows with the
// command of that name and place.
func TestZeek(t *testing.T) {
	c := metertest.Compare(t, ofZeek)
	defer c.Close()
	root := sharedtest.Path(t, "conformance/zeek/testing/btest")
	for test, trace := range zeekTraces {
		name := test[strings.LastIndexByte(test, '.')+1:]
		records := metertest.Records(t, filepath.Join(root, "Traces/ftp", trace))
		all := commands(records)
		rows := metertest.Zeek(t, filepath.Join(root, "Baseline", test, "ftp.log"))
		if len(rows) == 0 {
			t.Errorf("%s: no rows", test)
		}
		for _, row := range rows {
			ends := metertest.EndsOf(row)
			i := slices.IndexFunc(all[ends], func(c weir.Command) bool { return c.Count > 0 && is(&c, row) })
			if i < 0 {
				c.Field(name, "command", "", row["command"])
				continue
			}
			got := &all[ends][i]
			c.Field(name, "command", got.Command, row["command"])
			c.Field(name, "reply_code", got.Status, row["reply_code"])
			user := got.User
			if user == "" {
				user = "<unknown>"
			}
			c.Field(name, "user", user, row["user"])
			if strings.HasPrefix(row["arg"], "ftp://") {
				c.Field(name, "arg", base(got.Object), base(row["arg"]))
			}
			if row["file_size"] != "" {
				c.Field(name, "file_size", strconv.FormatUint(got.Size, 10), row["file_size"])
			}
			if port := row["data_channel.resp_p"]; port != "" {
				c.Field(name, "data_channel.resp_p", got.Object[strings.LastIndexByte(got.Object, ':')+1:], port)
				c.Field(name, "ftp-data", dataFlow(records, row), "ftp-data")
			}
			got.Count-- // equal ones are one record
		}
	}
}

// is reports whether a command is that of a row: Zeek writes them when their
// connection for data has ended.
func is(c *weir.Command, row map[string]string) bool {
	port := row["data_channel.resp_p"]
	return c.Command == row["command"] && (port == "" || strings.HasSuffix(c.Object, ":"+port)) &&
		(!strings.HasPrefix(row["arg"], "ftp://") || base(c.Object) == base(row["arg"]))
}

// base returns the last part of a path.
func base(s string) string { return s[strings.LastIndexByte(s, '/')+1:] }

// dataFlow returns what the connection for data is called, or that it is not
// in the trace.
func dataFlow(b *weir.Batch, row map[string]string) string {
	for i := range b.Flows {
		f := &b.Flows[i]
		if fmt.Sprint(f.DstPort) == row["data_channel.resp_p"] && f.Dst.String() == row["data_channel.resp_h"] && f.Src.String() == row["data_channel.orig_h"] {
			return f.App
		}
	}
	return "ftp-data"
}

// TestSuricataVerify counts what the checks of Suricata's own tests ask for.
func TestSuricataVerify(t *testing.T) {
	c := metertest.Compare(t, nil)
	defer c.Close()
	root := sharedtest.Path(t, "conformance/suricata-verify/tests")
	n := 0
	err := filepath.WalkDir(root, func(file string, d os.DirEntry, err error) error {
		if err != nil || d.Name() != "test.yaml" {
			return err
		}
		captures, _ := filepath.Glob(filepath.Join(filepath.Dir(file), "*.pcap*"))
		if len(captures) != 1 {
			return nil
		}
		name := strings.TrimPrefix(filepath.Dir(file), root+"/")
		for _, match := range checks(t, file) {
			n++
			count := 0
			for _, list := range commands(metertest.Records(t, captures[0])) {
				for _, got := range list {
					if got.Command == match.command && (match.port == "" || strings.HasSuffix(got.Object, ":"+match.port)) {
						count += int(got.Count)
					}
				}
			}
			c.Field(name, match.command, fmt.Sprint(count), fmt.Sprint(match.count))
		}
		return nil
	})
	if err != nil || n == 0 {
		t.Errorf("%d checks: %v", n, err)
	}
}

type check struct {
	count         int
	command, port string
}

func checks(t *testing.T, file string) (list []check) {
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var test struct {
		Checks []struct {
			Filter struct {
				Count    *int
				Match    map[string]any
				Requires map[string]any
			}
		}
	}
	if yaml.Unmarshal(b, &test) != nil {
		return nil
	}
	for _, c := range test.Checks {
		f := c.Filter
		if f.Count == nil || f.Match["event_type"] != "ftp" || f.Requires != nil {
			continue
		}
		one := check{count: *f.Count}
		readable := true
		for key, value := range f.Match {
			switch key {
			case "event_type":
			case "ftp.command":
				one.command = fmt.Sprint(value)
			case "ftp.dynamic_port":
				one.port = fmt.Sprint(value)
			default:
				readable = false
			}
		}
		if readable && one.command != "" {
			list = append(list, one)
		}
	}
	return list
}

// TestSuricata compares with the records of Suricata about captures of others:
// commands and the codes they were answered with.
func TestSuricata(t *testing.T) {
	c := metertest.Compare(t, nil)
	defer c.Close()
	root := sharedtest.Path(t, "conformance/eve-samples")
	files, _ := filepath.Glob(filepath.Join(root, "arkime-*.eve.json"))
	n := 0
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(b, []byte(`"event_type":"ftp"`)) {
			continue
		}
		name := strings.TrimPrefix(strings.TrimSuffix(filepath.Base(file), ".eve.json"), "arkime-")
		all := commands(metertest.Records(t, filepath.Join(root, "../arkime/tests/pcap", name)))
		lines := bufio.NewScanner(bytes.NewReader(b))
		lines.Buffer(nil, 1<<22)
		for lines.Scan() {
			var e struct {
				Type    string     `json:"event_type"`
				Src     netip.Addr `json:"src_ip"`
				SrcPort uint16     `json:"src_port"`
				Dst     netip.Addr `json:"dest_ip"`
				DstPort uint16     `json:"dest_port"`
				FTP     struct {
					Command string
					Data    string   `json:"command_data"`
					Codes   []string `json:"completion_code"`
				}
			}
			if json.Unmarshal(lines.Bytes(), &e) != nil || e.Type != "ftp" || e.FTP.Command == "" || e.FTP.Command == "USER" {
				continue // Weir tells USER with PASS
			}
			n++
			got := weir.Command{}
			for _, one := range all[fmt.Sprintf("%v %d %v %d", e.Src, e.SrcPort, e.Dst, e.DstPort)] {
				if one.Command == e.FTP.Command {
					got = one
				}
			}
			c.Field(name, "command", got.Command, e.FTP.Command)
			if len(e.FTP.Codes) > 0 {
				c.Field(name, "code", got.Status, e.FTP.Codes[len(e.FTP.Codes)-1])
			}
		}
	}
	if n == 0 {
		t.Error("no commands")
	}
}
