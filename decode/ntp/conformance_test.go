package ntp_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/sharedtest"
	"github.com/weir-nta/weir/meter/metertest"
)

const (
	traces    = "conformance/zeek/testing/btest/Traces/ntp/"
	baselines = "conformance/zeek/testing/btest/Baseline/scripts.base.protocols.ntp."
)

// of returns the commands of NTP by their ends.
func of(t *testing.T, trace string) map[string][]weir.Command {
	all := map[string][]weir.Command{}
	for _, c := range metertest.Records(t, sharedtest.Path(t, traces+trace)).Commands {
		if c.Protocol == "ntp" {
			all[metertest.Ends(&c.Endpoints)] = append(all[metertest.Ends(&c.Endpoints)], c)
		}
	}
	return all
}

// TestZeek compares the answers in ntp.log with the commands.
func TestZeek(t *testing.T) {
	c := metertest.Compare(t, differences)
	defer c.Close()
	modes := map[string]string{"1": "symmetric_active", "2": "symmetric_active", "3": "client", "4": "client", "5": "broadcast"}
	for test, trace := range map[string]string{"ntp3": "NTP_sync.pcap", "misordered-ntp": "misordered-ntp.pcap"} {
		got := of(t, trace)
		rows := metertest.Zeek(t, sharedtest.Path(t, baselines+test+"/ntp.log"))
		if len(rows) == 0 {
			t.Fatalf("%s: nothing to compare", test)
		}
		for _, row := range rows {
			list := got[metertest.EndsOf(row)]
			if len(list) != 1 {
				c.Field(test, "records", fmt.Sprint(len(list)), "1")
				continue
			}
			c.Field(test, "records", "1", "1")
			g := list[0]
			c.Field(test, "mode", g.Command, modes[row["mode"]])
			if row["mode"] == "1" || row["mode"] == "3" {
				c.Field(test, "client", g.Client, "NTPv"+row["version"])
				continue
			}
			c.Field(test, "server", g.Server, "NTPv"+row["version"])
			c.Field(test, "status", g.Status, strings.TrimSuffix("stratum "+row["stratum"]+" refid "+refid(row["ref_id"]), " refid "))
		}
	}
}

// refid writes an identifier as Zeek's logs have it without its padding.
func refid(s string) string {
	s = strings.ReplaceAll(s, `\x00`, "")
	if a, err := netip.ParseAddr(s); err == nil {
		return a.String()
	}
	return s
}

// TestZeekControl compares the commands of modes 6 and 7.
func TestZeekControl(t *testing.T) {
	got, want := map[string]int{}, map[string]int{}
	for ends, list := range of(t, "ntpmode67.pcap") {
		for _, c := range list {
			got[ends+" "+c.Command] += int(c.Count)
		}
	}
	codes := map[string]string{"1": "control read_status", "2": "control read_variables", "p1": "private peer_list_sum", "p42": "private monlist"}
	for _, row := range metertest.Zeek(t, sharedtest.Path(t, baselines+"ntpmode67/ntp_control.log")) {
		want[metertest.EndsOf(row)+" "+codes[row["op_code"]]]++
	}
	for _, row := range metertest.Zeek(t, sharedtest.Path(t, baselines+"ntpmode67/ntp_private.log")) {
		want[metertest.EndsOf(row)+" "+codes["p"+row["req_code"]]]++
	}
	for k, n := range want {
		if got[k] != n {
			t.Errorf("%s: %d, want %d", k, got[k], n)
		}
	}
	if len(want) < 5 || len(got) != len(want) {
		t.Errorf("%d commands, want %d: %v, %v", len(got), len(want), got, want)
	}
}

var differences = []metertest.Difference{
	metertest.Explain("misordered-ntp", "client", "", "NTPv4", "the answer was seen before the question, and is told at once"),
}
