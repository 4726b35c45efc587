package sflow

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/flowrec"
	"github.com/weir-nta/weir/internal/sharedtest"
)

// pmsf decodes the datagrams that pmacct's sfprobe made of a capture, one packet in two.
func pmsf(t *testing.T) (records []flowrec.Record, folder string) {
	t.Helper()
	folder = sharedtest.Path(t, "conformance/live-exporters")
	files, err := filepath.Glob(filepath.Join(folder, "pmsf", "*.bin"))
	if err != nil || len(files) != 257 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	d := NewDecoder(DefaultConfig)
	var g Datagram
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Decode(&g, b, arrival); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if g.NotIP+g.BadHeaders+g.BadSamples+g.UnknownSamples+g.UnknownRecords+g.Late+g.Repeated != 0 || g.Lost+g.Drops != 0 {
			t.Errorf("%s: %+v; want all of it read, and nothing lost", file, g)
		}
		records = append(records, g.Records...)
	}
	return records, folder
}

// readJSON reads values one after the other, or an array of them.
func readJSON[T any](t *testing.T, file string) (all []T) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) > 0 && b[0] == '[' {
		if err := json.Unmarshal(b, &all); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		return all
	}
	for d := json.NewDecoder(strings.NewReader(string(b))); d.More(); {
		var v T
		if err := d.Decode(&v); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, v)
	}
	return all
}

// TestLiveGoflow2 compares real datagrams with goflow2's records of them.
func TestLiveGoflow2(t *testing.T) {
	records, folder := pmsf(t)
	type row struct {
		Sequence uint32 `json:"sequence_num"`
		Rate     uint64 `json:"sampling_rate"`
		Bytes    uint64
		Packets  uint64
		Src      string `json:"src_addr"`
		Dst      string `json:"dst_addr"`
		Proto    string
		SrcPort  uint16 `json:"src_port"`
		DstPort  uint16 `json:"dst_port"`
		SrcMAC   string `json:"src_mac"`
		DstMAC   string `json:"dst_mac"`
		VLAN     uint16 `json:"vlan_id"`
		TOS      uint8  `json:"ip_tos"`
		Flags    uint16 `json:"tcp_flags"`
		InIf     uint32 `json:"in_if"`
	}
	rows := readJSON[row](t, filepath.Join(folder, "peer", "gf-pmsf.json"))
	if len(rows) != 1698 || len(records) != len(rows) {
		t.Fatalf("%d records, goflow2 has %d, want 1698", len(records), len(rows))
	}
	// Its workers write datagrams in any order.
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(a.Sequence, b.Sequence) })
	share := shares{}
	for i, want := range rows {
		r := &records[i]
		where := fmt.Sprintf("record %d", i)
		share.compare(t, where, "sampling rate", r.Sampling, want.Rate)
		share.compare(t, where, "packets", r.Packets, want.Packets)
		share.compare(t, where, "addresses", []any{r.Src, r.Dst}, []any{want.Src, want.Dst})
		share.compare(t, where, "ports", []any{r.SrcPort, r.DstPort}, []any{want.SrcPort, want.DstPort})
		share.compare(t, where, "protocol", strings.ToUpper(r.Proto.String()), strings.NewReplacer("ICMPv6", "ICMP6", "IPv6-ICMP", "ICMP6").Replace(want.Proto))
		share.compare(t, where, "MAC", []any{r.SrcMAC, r.DstMAC}, []any{want.SrcMAC, want.DstMAC})
		share.compare(t, where, "VLAN", r.VLAN, want.VLAN)
		share.compare(t, where, "TOS", r.TOS, want.TOS)
		share.compare(t, where, "TCP flags", uint16(r.Flags), want.Flags)
		// ICMP type and code goflow2 leaves at 0. nfdump, below, tells the code, and
		// type 0 for 3 (destination unreachable).
		share.compare(t, where, "interfaces", []any{r.InIf, r.OutIf}, []any{ifIndex(want.InIf), 0})
		// goflow2 takes the length of the frame with its checksum: 14 + 4 octets
		// more than the IP packet, or padding up to 64.
		frame := max(r.Bytes+18, 64)
		if want.Bytes < 64 { // captured where it was sent, before padding
			frame = r.Bytes + 18
		}
		share.compare(t, where, "bytes", frame, want.Bytes)
	}
	share.log(t)
}

// TestLiveCollectors compares the same with what nfdump's and pmacct's
// collectors made of it: as sets, for theirs are aggregated or in another order.
func TestLiveCollectors(t *testing.T) {
	records, folder := pmsf(t)
	type nfdumpRow struct {
		Proto   uint8
		Packets uint64 `json:"in_packets"`
		Src4    string `json:"src4_addr"`
		Dst4    string `json:"dst4_addr"`
		Src6    string `json:"src6_addr"`
		Dst6    string `json:"dst6_addr"`
		SrcPort uint16 `json:"src_port"`
		DstPort uint16 `json:"dst_port"`
		TOS     uint8  `json:"src_tos"`
		SrcMAC  string `json:"in_src_mac"`
		DstMAC  string `json:"out_dst_mac"`
		Flags   string `json:"tcp_flags"`
		Code    uint8  `json:"icmp_code"`
	}
	got, want := map[string]uint64{}, map[string]uint64{}
	for i := range records {
		r := &records[i]
		got[fmt.Sprint(uint8(r.Proto), r.Src, r.Dst, r.SrcPort, r.DstPort, r.ICMPCode, r.TOS, r.SrcMAC, r.DstMAC, uint8(r.Flags))] += r.Packets * uint64(r.Sampling)
	}
	for _, r := range readJSON[nfdumpRow](t, filepath.Join(folder, "peer", "nfdump-pmsf.json")) {
		want[fmt.Sprint(r.Proto, r.Src4+r.Src6, " ", r.Dst4+r.Dst6, r.SrcPort, r.DstPort, r.Code, r.TOS, " ", r.SrcMAC, r.DstMAC, letters(r.Flags))] += r.Packets
	}
	t.Log(sets(t, "nfdump", strip(got), strip(want)))

	type pmacctRow struct {
		SrcMAC  string `json:"mac_src"`
		DstMAC  string `json:"mac_dst"`
		Src     string `json:"ip_src"`
		Dst     string `json:"ip_dst"`
		SrcPort uint16 `json:"port_src"`
		DstPort uint16 `json:"port_dst"`
		Proto   string `json:"ip_proto"`
		TOS     uint8
		Packets uint64
	}
	got, want = map[string]uint64{}, map[string]uint64{}
	for i := range records {
		r := &records[i]
		got[fmt.Sprint(r.Src, r.Dst, r.SrcPort, r.DstPort, r.TOS, r.SrcMAC, r.DstMAC, pmacctProto(r.Proto))] += r.Packets
	}
	for _, r := range readJSON[pmacctRow](t, filepath.Join(folder, "peer", "sfa-pmsf.json")) {
		want[fmt.Sprint(r.Src, " ", r.Dst, r.SrcPort, r.DstPort, r.TOS, r.SrcMAC, r.DstMAC, r.Proto)] += r.Packets
	}
	t.Log(sets(t, "pmacct", strip(got), strip(want)))
}

func pmacctProto(p weir.Proto) string {
	switch p {
	case weir.ICMPv6:
		return "ipv6-icmp"
	}
	return p.String()
}

// strip takes the blanks out of the keys, which Sprint puts in between some operands.
func strip(m map[string]uint64) map[string]uint64 {
	out := map[string]uint64{}
	for k, v := range m {
		out[strings.ReplaceAll(k, " ", "")] += v
	}
	return out
}

func sets(t *testing.T, peer string, got, want map[string]uint64) string {
	t.Helper()
	equal := 0
	for k, n := range want {
		if got[k] != n {
			t.Errorf("%s: %d packets of %s, got %d", peer, n, k, got[k])
			continue
		}
		equal++
	}
	for k, n := range got {
		if _, ok := want[k]; !ok {
			t.Errorf("%s: got %d packets of %s, it has none", peer, n, k)
		}
	}
	return fmt.Sprintf("%s: %d / %d keys with their packets equal", peer, equal, len(want))
}

// letters reads flags as nfdump writes them.
func letters(s string) uint8 {
	var flags uint8
	for i, c := range s {
		if c != '.' {
			flags |= 0x80 >> i
		}
	}
	return flags
}
