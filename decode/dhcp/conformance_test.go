package dhcp_test

import (
	"context"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/sharedtest"
	"github.com/weir-nta/weir/meter"
	"github.com/weir-nta/weir/meter/metertest"
	"github.com/weir-nta/weir/source/capture"
)

// TestZeek compares with dhcp.log.
func TestZeek(t *testing.T) {
	c := metertest.Compare(t, nil)
	defer c.Close()
	for test, trace := range map[string]string{
		"dhcp-ack-msg-types":      "dhcp_ack_subscriber_id_and_agent_remote_id",
		"dhcp-discover-msg-types": "dhcp_discover_param_req_and_client_id",
	} {
		got := metertest.Records(t, sharedtest.Path(t, "conformance/zeek/testing/btest/Traces/dhcp/"+trace+".pcap")).DHCP
		want := metertest.Zeek(t, sharedtest.Path(t, "conformance/zeek/testing/btest/Baseline/scripts.base.protocols.dhcp."+test+"/dhcp.log"))
		if len(got) != len(want) || len(want) == 0 {
			t.Fatalf("%s: %d records, want %d", test, len(got), len(want))
		}
		for i, w := range want {
			g := &got[i]
			c.Field(test, "client_addr", address(g.Src), w["client_addr"])
			c.Field(test, "server_addr", address(g.Server), w["server_addr"])
			c.Field(test, "mac", g.MAC, w["mac"])
			c.Field(test, "host_name", g.Host, w["host_name"])
			c.Field(test, "client_fqdn", g.FQDN, w["client_fqdn"])
			c.Field(test, "domain", g.Domain, w["domain"])
			c.Field(test, "requested_addr", address(g.Requested), w["requested_addr"])
			c.Field(test, "assigned_addr", address(g.Assigned), w["assigned_addr"])
			c.Field(test, "lease_time", seconds(g.Lease), strings.TrimSuffix(w["lease_time"], ".000000"))
			c.Field(test, "msg_types", strings.Join(g.Messages, ","), w["msg_types"])
		}
	}
}

// TestZeekFlood: hundreds of requests of one transaction in seconds. Zeek joins
// what has its identifier, up to a number; here each answer ends an exchange. No
// message is lost either way.
func TestZeekFlood(t *testing.T) {
	got, want := map[string]int{}, map[string]int{}
	for _, r := range metertest.Records(t, sharedtest.Path(t, "conformance/zeek/testing/btest/Traces/dhcp/dhcp_flood.pcap")).DHCP {
		for _, m := range r.Messages {
			got[m+" "+r.MAC]++
		}
	}
	for _, w := range metertest.Zeek(t, sharedtest.Path(t, "conformance/zeek/testing/btest/Baseline/scripts.base.protocols.dhcp.dhcp-prevent-large-uids/dhcp.log")) {
		for m := range strings.SplitSeq(w["msg_types"], ",") {
			want[m+" "+w["mac"]]++
		}
	}
	for k, n := range want {
		if got[k] != n {
			t.Errorf("%s: %d, want %d", k, got[k], n)
		}
	}
	if len(want) == 0 || len(got) != len(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func address(a netip.Addr) string {
	if !a.IsValid() || a.IsUnspecified() {
		return ""
	}
	return a.String()
}

func seconds(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return strconv.Itoa(int(d / time.Second))
}

// tsharkFields are asked of every message; what is behind the number of the
// type is compared with the records.
var tsharkFields = []string{
	"frame.time_epoch", "dhcp.hw.mac_addr", "dhcp.option.dhcp", "dhcp.ip.your", "dhcp.option.dhcp_server_id", "dhcp.option.ip_address_lease_time",
	"dhcp.option.hostname", "dhcp.fqdn.name", "dhcp.option.domain_name", "dhcp.option.vendor_class_id", "dhcp.option.request_list_item",
	"dhcp.option.requested_ip_address", "dhcp.type", "_ws.malformed", "ip.src",
}

var typeNames = map[string]string{"1": "DISCOVER", "2": "OFFER", "3": "REQUEST", "4": "DECLINE", "5": "ACK", "6": "NAK", "7": "RELEASE", "8": "INFORM"}

// TestTshark compares every message of DHCP in all captures with the record
// that tells of it.
func TestTshark(t *testing.T) {
	if testing.Short() {
		t.Skip("runs tshark")
	}
	if _, err := exec.LookPath("tshark"); err != nil {
		t.Skip("needs tshark")
	}
	c := metertest.Compare(t, tsharkDifferences)
	defer c.Close()
	messages := 0
	for _, folder := range []string{"conformance", "corpus"} {
		for _, file := range sharedtest.Captures(t, folder) {
			all, ok := read(t, file)
			if !ok || !slices.ContainsFunc(all.Flows, func(f weir.Flow) bool { return f.App == "dhcp" }) {
				continue
			}
			records := all.DHCP
			for _, m := range tshark(file, "dhcp && !icmp", tsharkFields) {
				if m["dhcp.option.dhcp"] == "" || m["_ws.malformed"] != "" || strings.Contains(m["dhcp.option.dhcp"], ",") {
					continue // BOOTP alone, or damaged
				}
				messages++
				compareMessage(c, file[strings.LastIndexByte(file, '/')+1:], records, m)
			}
		}
	}
	if messages < 300 {
		t.Errorf("%d messages compared, want 300", messages)
	}
}

// read meters a capture; of a damaged one it returns nothing.
func read(t *testing.T, file string) (*weir.Batch, bool) {
	b := &weir.Batch{}
	s, err := capture.New(capture.Config{Inputs: []string{file}, Meter: meter.DefaultConfig()})
	if err != nil {
		return nil, false
	}
	err = s.Run(context.Background(), func(n *weir.Batch) error {
		b.Flows, b.DHCP = append(b.Flows, n.Flows...), append(b.DHCP, n.DHCP...)
		return nil
	})
	return b, err == nil
}

// tshark returns one map a packet.
func tshark(file, filter string, fields []string) (rows []map[string]string) {
	args := []string{"-n", "-r", file, "-Y", filter, "-T", "fields", "-E", "aggregator=,"}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	out, _ := exec.Command("tshark", args...).Output() // what it says of damaged files, too
	for line := range strings.Lines(string(out)) {
		row := map[string]string{}
		for i, v := range strings.Split(strings.TrimSuffix(line, "\n"), "\t") {
			row[fields[i]] = v
		}
		rows = append(rows, row)
	}
	return rows
}

func compareMessage(c *metertest.Comparison, file string, records []weir.DHCPMessage, m map[string]string) {
	kind := typeNames[m["dhcp.option.dhcp"]]
	mac, _, _ := strings.Cut(m["dhcp.hw.mac_addr"], ",") // the client identifier may repeat it
	at, _ := strconv.ParseFloat(m["frame.time_epoch"], 64)
	var r *weir.DHCPMessage
	for i := range records {
		n := &records[i]
		since := at - float64(n.Time.UnixMicro())/1e6
		if n.MAC == mac && slices.Contains(n.Messages, kind) && since > -1e-4 && since < 31 && (r == nil || n.Time.After(r.Time)) {
			r = n
		}
	}
	name := file + " " + kind
	if r == nil {
		c.Field(name, "record", "none", mac)
		return
	}
	c.Field(name, "record", mac, mac)
	field := func(what, got, want string) {
		if want != "" {
			c.Field(name, what, got, want)
		}
	}
	switch {
	case kind == "ACK" || kind == "OFFER" && !slices.Contains(r.Messages, "ACK") && !slices.Contains(r.Messages, "NAK"):
		field("assigned", address(r.Assigned), strings.TrimPrefix(m["dhcp.ip.your"], "0.0.0.0"))
		field("server", address(r.Server), m["dhcp.option.dhcp_server_id"])
		field("lease", seconds(r.Lease), m["dhcp.option.ip_address_lease_time"])
		field("domain", r.Domain, m["dhcp.option.domain_name"])
	case kind == "REQUEST", kind == "INFORM", kind == "DISCOVER" && !slices.Contains(r.Messages, "REQUEST"):
		field("host", r.Host, m["dhcp.option.hostname"])
		field("fqdn", r.FQDN, m["dhcp.fqdn.name"])
		field("vendor", r.Vendor, m["dhcp.option.vendor_class_id"])
		field("requested", address(r.Requested), m["dhcp.option.requested_ip_address"])
		if !slices.Contains(r.Messages, "DISCOVER") || kind == "DISCOVER" {
			field("fingerprint", r.Fingerprint, m["dhcp.option.request_list_item"])
		}
	}
}

var tsharkDifferences = []metertest.Difference{
	metertest.Explain("*", "requested", "", "0.0.0.0", "who asks for no address in particular has asked for none (RFC 2132, 9.1)"),
	metertest.Explain("test*.pcapng REQUEST", "record", "none", "*", "the packet tells no time: tshark takes 1970, the meter that of the packet before"),
}

// TestTshark6 compares how many messages of each type there are of DHCPv6, and
// the addresses that were given.
func TestTshark6(t *testing.T) {
	if testing.Short() {
		t.Skip("runs tshark")
	}
	if _, err := exec.LookPath("tshark"); err != nil {
		t.Skip("needs tshark")
	}
	types := map[string]string{"1": "SOLICIT", "2": "ADVERTISE", "3": "REQUEST", "4": "CONFIRM", "5": "RENEW", "6": "REBIND", "7": "REPLY", "8": "RELEASE", "11": "INFORMATION-REQUEST"}
	c := metertest.Compare(t, nil)
	defer c.Close()
	for _, folder := range []string{"conformance", "corpus"} {
		for _, file := range sharedtest.Captures(t, folder) {
			if info, err := os.Stat(file); err != nil || info.Size() > 1<<20 {
				continue
			}
			all, ok := read(t, file)
			if !ok || !slices.ContainsFunc(all.Flows, func(f weir.Flow) bool { return f.App == "dhcpv6" }) {
				continue
			}
			name := file[strings.LastIndexByte(file, '/')+1:]
			got, given := map[string]int{}, map[string]bool{}
			for _, r := range all.DHCP {
				given[r.Assigned.String()] = true
				for _, m := range r.Messages {
					if r.Src.Is6() {
						got[m]++
					}
				}
			}
			want := map[string]int{}
			for _, m := range tshark(file, "dhcpv6 && !icmpv6", []string{"dhcpv6.msgtype", "dhcpv6.iaaddr.ip", "_ws.malformed"}) {
				list := strings.Split(m["dhcpv6.msgtype"], ",")
				kind := types[list[len(list)-1]] // the last is inside of relays
				if kind == "" {
					continue
				}
				if want[kind]++; kind == "REPLY" && m["dhcpv6.iaaddr.ip"] != "" {
					c.Field(name, "assigned", strconv.FormatBool(given[strings.Split(m["dhcpv6.iaaddr.ip"], ",")[0]]), "true")
				}
			}
			for kind, n := range want {
				c.Field(name, kind, strconv.Itoa(got[kind]), strconv.Itoa(n))
			}
		}
	}
}
