package snmp_test

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/weir-nta/weir/internal/sharedtest"
	"github.com/weir-nta/weir/meter/metertest"
)

// TestZeek compares with the one log of Zeek there is: version 3 and nothing
// that can be read.
func TestZeek(t *testing.T) {
	root := sharedtest.Path(t, "conformance/zeek/testing/btest")
	rows := metertest.Zeek(t, root+"/Baseline/scripts.base.protocols.snmp.snmp-crash-62790/snmp.log")
	b := metertest.Records(t, root+"/Traces/snmp/snmp-crash-62790.pcap")
	c := metertest.Compare(t, nil)
	defer c.Close()
	for _, row := range rows {
		requests := uint64(0)
		for i := range b.Commands {
			if r := &b.Commands[i]; metertest.Ends(&r.Endpoints) == metertest.EndsOf(row) {
				c.Field(r.Command, "version", strings.Fields(strings.TrimPrefix(r.Client, "SNMPv"))[0], row["version"])
				if r.Command != "encrypted" {
					requests += r.Count
				}
			}
		}
		c.Field("snmp-crash-62790", "requests", fmt.Sprint(requests), row["get_requests"])
	}
}

// pdus are the kinds of messages by their numbers (RFC 3416, 3).
var pdus = map[uint64]string{0: "get", 1: "get_next", 3: "set", 4: "trap", 5: "get_bulk", 6: "inform", 7: "trap"}

// TestTShark compares with the dissector of Wireshark: how many of each kind of
// message, who asks, and which errors are answered.
func TestTShark(t *testing.T) {
	if _, err := exec.LookPath("tshark"); err != nil || testing.Short() {
		t.Skip("needs tshark, and its time")
	}
	c := metertest.Compare(t, []metertest.Difference{
		metertest.Explain("*snmpv3_synthetic.pcap get", "command", "3", "0", "synthetic messages whose variables are not in sequences: tshark gives them up as malformed, we tell the request that stands before them"),
	})
	defer c.Close()
	for _, file := range []string{
		"corpus/captures/ndpi-snmp.pcap", "conformance/arkime/tests/pcap/snmpv3_synthetic.pcap", "conformance/arkime/tests/pcap/SNMPv2c_get_requests.pcap",
	} {
		capture := sharedtest.Path(t, file)
		commands, users, states := map[string]int{}, map[string]int{}, map[string]int{}
		for _, r := range metertest.Records(t, capture).Commands {
			n := int(r.Count)
			if r.Command != "response" {
				commands[r.Command] += n
			}
			if strings.HasPrefix(r.Client, "SNMPv3") && r.User != "" {
				users[r.User] += n
			}
			if r.Success == "false" {
				states[r.Status] += n
			}
		}
		out, err := exec.Command("tshark", "-r", capture, "-Y", "snmp", "-T", "fields", "-E", "separator=|", "-E", "occurrence=f",
			"-e", "snmp.data", "-e", "snmp.error_status", "-e", "snmp.msgUserName", "-e", "snmp.encryptedPDU", "-e", "udp.dstport").Output()
		if err != nil {
			t.Logf("%s: %v", file, err)
		}
		for l := range strings.Lines(string(out)) {
			f := strings.Split(strings.TrimRight(l, "\n"), "|")
			toAgent := f[4] == "161" || f[4] == "162"
			kind := ""
			if n, err := strconv.ParseUint(f[0], 0, 8); err == nil {
				kind = pdus[n]
			}
			if f[3] != "" && toAgent {
				kind = "encrypted"
			}
			if kind != "" {
				commands[kind]--
			}
			if f[2] != "" && toAgent {
				users[f[2]]--
			}
			if f[0] == "2" && f[1] != "0" {
				name := map[string]string{"1": "tooBig", "2": "noSuchName", "5": "genErr"}[f[1]]
				if name == "" {
					name = f[1]
				}
				states[name]--
			}
		}
		for field, left := range map[string]map[string]int{"command": commands, "user": users, "status": states} {
			for value, n := range left {
				c.Field(file+" "+value, field, fmt.Sprint(n), "0")
			}
		}
	}
}
