package nfcapd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/flowrec"
	"github.com/weir-nta/weir/internal/sharedtest"
)

// row is a record as nfdump writes it in JSON. Fields that it leaves out are nil.
type row map[string]any

func (w row) text(field string) string {
	switch v := w[field].(type) {
	case nil:
		return ""
	case string:
		return v
	default:
		return fmt.Sprint(v)
	}
}

func (w row) has(field string) bool { _, ok := w[field]; return ok }

// golden returns what nfdump says of a file: an array (nfdump 1.7.8), or
// objects with commas between them (1.7.1).
func golden(t *testing.T, file string) (rows []row) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(string(b), "No matching flows") {
		return nil
	}
	if b[0] != '[' {
		b = append(append([]byte{'['}, b...), ']')
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&rows); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return rows
}

// goldens lists the files and what nfdump says of them. Three are the same as a
// fourth, compressed.
func goldens(t *testing.T) map[string]string {
	t.Helper()
	folder := sharedtest.Path(t, "conformance/nfdump-files")
	files, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, file := range files {
		switch filepath.Ext(file) {
		case ".json", ".csv", ".txt":
			continue
		}
		for _, version := range []string{".nfdump171.json", ".nfdump178.json"} {
			if of := file + version; slices.Contains(files, of) {
				all[file] = of
			}
		}
		if strings.Contains(file, "nfdump178-dummy_flows-") {
			all[file] = filepath.Join(folder, "nfdump178-dummy_flows.nfdump178.json")
		}
	}
	return all
}

type one struct {
	flowrec.Record
	from Exporter
}

func readAllRecords(t *testing.T, b []byte) (all []one, s Stats) {
	t.Helper()
	r, err := NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	for {
		var rec flowrec.Record
		err := r.Next(&rec)
		if err == io.EOF {
			return all, r.Stats()
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, one{rec, r.Exporter()})
	}
}

// TestNfdump compares files with what nfdump says of them, field by field.
func TestNfdump(t *testing.T) {
	share := map[string][2]int{}
	files := goldens(t)
	if len(files) != 23 {
		t.Errorf("%d files, want 23", len(files))
	}
	for _, file := range slices.Sorted(maps.Keys(files)) {
		name := filepath.Base(file)
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got, stats := readAllRecords(t, b)
		want := golden(t, files[file])
		if len(got) != len(want) || stats.Damaged+stats.Unknown+stats.NoMap != 0 {
			t.Errorf("%s: %d records, %+v; want %d, and all of them known", name, len(got), stats, len(want))
			continue
		}
		for i := range got {
			compare(t, share, fmt.Sprintf("%s record %d", name, i+1), &got[i], want[i])
		}
	}
	for _, field := range slices.Sorted(maps.Keys(share)) {
		t.Logf("%-20s %d / %d equal", field, share[field][0], share[field][1])
	}
}

func compare(t *testing.T, share map[string][2]int, where string, got *one, want row) {
	t.Helper()
	equal := func(field string, got, want any) {
		t.Helper()
		n := share[field]
		n[1]++
		if g, w := fmt.Sprint(got), fmt.Sprint(want); g == w {
			n[0]++
		} else {
			t.Errorf("%s: %s: got %s, want %s", where, field, g, w)
		}
		share[field] = n
	}
	// simple compares a field that is in the same form in both.
	simple := func(field string, got any) {
		t.Helper()
		if want.has(field) {
			equal(field, got, want.text(field))
		}
	}
	m := got.More
	if m == nil {
		m = &flowrec.More{}
	}
	simple("export_sysid", got.from.SysID)
	if want.has("first") {
		first, last := clock(want.text("first")), clock(want.text("last"))
		if last == 0 { // not told: Weir takes the first, or that of arrival
			if last = first; first == 0 {
				last = clock(want.text("received"))
			}
		}
		equal("first", got.Start, first)
		equal("last", got.End, last)
		equal("received", got.Exported, clock(want.text("received")))
	}
	// nfdump shows counters as it has scaled them.
	simple("in_packets", got.Packets*uint64(got.Sampling))
	simple("in_bytes", got.Bytes*uint64(got.Sampling))
	if want.has("sampled") {
		equal("sampled", got.Sampling > 1 || got.SamplingUnknown, want.text("sampled") == "1")
	}
	simple("proto", uint8(got.Proto))
	if got.Proto == weir.TCP {
		simple("tcp_flags", flags(got.Flags))
	}
	simple("src_port", got.SrcPort)
	simple("dst_port", got.DstPort)
	simple("icmp_type", got.ICMPType)
	simple("icmp_code", got.ICMPCode)
	simple("src_tos", got.TOS)
	for _, v := range []string{"4", "6"} {
		if v == "4" || !want.has("src4_addr") { // four records have both: IPv4 in SRv6
			simple("src"+v+"_addr", got.Src)
			simple("dst"+v+"_addr", got.Dst)
		}
		simple("ip"+v+"_next_hop", zero(got.Next, v))
		if !want.has("ip4_next_hop") && !want.has("ip6_next_hop") {
			simple("bgp"+v+"_next_hop", zero(got.Next, v))
		}
		simple("ip"+v+"_router", zero(got.from.Addr, v))
	}
	simple("input_snmp", got.InIf)
	simple("output_snmp", got.OutIf)
	if want.text("direction") == "1" {
		equal("direction", got.Observed, flowrec.Egress)
	}
	simple("src_vlan", got.VLAN)
	simple("src_as", got.SrcAS)
	simple("dst_as", got.DstAS)
	simple("in_src_mac", macOrZeros(got.SrcMAC))
	if dst := want.text("in_dst_mac"); dst == macOrZeros(flowrec.MAC{}) {
		equal("out_dst_mac", macOrZeros(got.DstMAC), want.text("out_dst_mac"))
	} else {
		simple("in_dst_mac", macOrZeros(got.DstMAC))
	}
	if want.has("out_packets") && (got.Biflow || want.text("out_packets") != "0") {
		out := []string{want.text("out_packets"), want.text("out_bytes")}
		switch {
		case got.Biflow:
			equal("out", []string{fmt.Sprint(got.RevPackets), fmt.Sprint(got.RevBytes)}, out)
		case slices.Contains(m.Extra, "postPacketDeltaCount="+out[0]):
			equal("out", slices.Contains(m.Extra, "postOctetDeltaCount="+out[1]), true)
		default: // the same as in, and so not told again
			equal("out", []string{fmt.Sprint(got.Packets), fmt.Sprint(got.Bytes)}, out)
		}
	}
	compareMore(want, m, equal)
}

func compareMore(want row, m *flowrec.More, equal func(field string, got, want any)) {
	has := func(field, name, value string) {
		if value != "0" && value != "" {
			equal(field, slices.Contains(m.Extra, name+"="+value), true)
		}
	}
	has("next_as", "bgpNextAdjacentAsNumber", want.text("next_as"))
	has("prev_as", "bgpPrevAdjacentAsNumber", want.text("prev_as"))
	has("nat_pool_id", "natPoolId", want.text("nat_pool_id"))
	has("pblock_start", "portRangeStart", want.text("pblock_start"))
	has("pblock_end", "portRangeEnd", want.text("pblock_end"))
	has("pblock_step", "portRangeStepSize", want.text("pblock_step"))
	has("pblock_size", "portRangeNumPorts", want.text("pblock_size"))
	for field, name := range map[string]string{"cli_latency": "clientNetworkDelay", "srv_latency": "serverNetworkDelay", "app_latency": "applicationLatency"} {
		if ms := want.text(field); ms != "" {
			d, _ := time.ParseDuration(ms + "ms")
			has(field, name+"Microseconds", fmt.Sprint(d.Microseconds()))
		}
	}
	if want.has("mpls_1") {
		var labels []string
		for i := 1; i <= 10; i++ {
			label, _, _ := strings.Cut(want.text(fmt.Sprint("mpls_", i)), "-")
			labels = append(labels, label)
		}
		for len(labels) > 0 && labels[len(labels)-1] == "0" { // there are ten in any case
			labels = labels[:len(labels)-1]
		}
		has("mpls", "mplsLabels", strings.Join(labels, "/"))
	}
	n := m.NAT
	if n == nil {
		n = &weir.NAT{}
	}
	for _, v := range []string{"4", "6"} {
		if want.has("src" + v + "_xlt_ip") {
			equal("xlt_ip", []string{zero(n.Src, v), zero(n.Dst, v)}, []string{want.text("src" + v + "_xlt_ip"), want.text("dst" + v + "_xlt_ip")})
		}
	}
	if want.has("src_xlt_port") {
		equal("xlt_port", []string{fmt.Sprint(n.SrcPort), fmt.Sprint(n.DstPort)}, []string{want.text("src_xlt_port"), want.text("dst_xlt_port")})
	}
	if e := want.text("nat_event"); e != "" {
		equal("nat_event", strings.HasSuffix(e, n.Event) && n.Event != "", true)
	}
	if in, out := want.text("ingress_vrf"), want.text("egress_vrf"); in != "" {
		if in == "0" {
			in = out
		}
		if in == "0" {
			in = ""
		}
		equal("vrf", m.VRF, in)
		if out != in {
			has("vrf", "egressVRFID", out)
		}
	}
}

func clock(s string) int64 {
	at, err := time.Parse("2006-01-02T15:04:05.000", s)
	if err != nil {
		return -1
	}
	return at.UnixMicro()
}

// zero writes an address as nfdump does, which has zeros for none.
func zero(a fmt.Stringer, version string) string {
	if s := a.String(); s != "invalid IP" {
		return s
	}
	return map[string]string{"4": "0.0.0.0", "6": "::"}[version]
}

func macOrZeros(m flowrec.MAC) string {
	if s := m.String(); s != "" {
		return s
	}
	return "00:00:00:00:00:00"
}

func flags(f weir.TCPFlags) string {
	b := []byte("CEUAPRSF")
	for i := range b {
		if f&(0x80>>i) == 0 {
			b[i] = '.'
		}
	}
	return string(b)
}

// TestStat compares sums of records with what nfdump has counted of the files.
func TestStat(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(sharedtest.Path(t, "conformance/nfdump-files"), "*.stat.txt"))
	if err != nil || len(files) != 14 {
		t.Fatalf("%d files, %v; want 14", len(files), err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{}
		for line := range strings.Lines(string(b)) {
			k, v, _ := strings.Cut(strings.TrimSpace(line), ": ")
			want[k] = v
		}
		if b, err = os.ReadFile(strings.TrimSuffix(file, ".stat.txt")); err != nil {
			t.Fatal(err)
		}
		all, stats := readAllRecords(t, b)
		got := map[string]uint64{"Sequence failures": stats.Lost}
		for _, r := range all {
			kind := map[weir.Proto]string{weir.TCP: "tcp", weir.UDP: "udp", weir.ICMPv4: "icmp", weir.ICMPv6: "icmp"}[r.Proto]
			if kind == "" {
				kind = "other"
			}
			n := uint64(r.Sampling)
			for k, v := range map[string]uint64{"Flows": 1, "Packets": r.Packets * n, "Bytes": r.Bytes * n} {
				got[k] += v
				got[k+"_"+kind] += v
			}
		}
		for k, w := range want {
			switch k {
			case "Ident", "First", "Last", "msec_first", "msec_last":
				continue
			}
			if strings.HasPrefix(filepath.Base(file), "nfcapd171-fortigate") && (k == "Packets" || k == "Bytes") {
				// nfdump adds what the firewall tells as "out" (NetFlow 9, elements
				// 23 and 24): the same packets on their way out, and so each twice.
				got[k] *= 2
			}
			if g := fmt.Sprint(got[k]); g != w {
				t.Errorf("%s: %s: got %s, want %s", filepath.Base(file), k, g, w)
			}
		}
	}
}
