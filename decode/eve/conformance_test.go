package eve

import (
	"bufio"
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/packet"
	"github.com/weir-nta/weir/internal/sharedtest"
)

// told is what the test reads of an event, by another reader of JSON.
type told struct {
	Type string      `json:"event_type"`
	ID   json.Number `json:"flow_id"`
	CID  string      `json:"community_id"`
	Flow struct {
		PktsUp    uint64 `json:"pkts_toserver"`
		PktsDown  uint64 `json:"pkts_toclient"`
		BytesUp   uint64 `json:"bytes_toserver"`
		BytesDown uint64 `json:"bytes_toclient"`
	} `json:"flow"`
	DNS struct {
		Type string `json:"type"`
	} `json:"dns"`
	SMB struct {
		NTLM *struct{} `json:"ntlmssp"`
	} `json:"smb"`
}

// cidDiffers says why the Community ID of a flow differs, "" if it should not.
// The specification (github.com/corelight/community-id-spec) is right in each.
func cidDiffers(f *weir.Flow) string {
	switch {
	case f.Proto == weir.ESP:
		return "esp: Suricata takes the SPI for ports; a protocol without ports has none in the hash"
	case f.Proto == 41:
		return "ipv6 in ipv4: Suricata hashes two ports of 0"
	case f.ICMP != nil && oneWay(f):
		return "icmp without answer: Suricata orders the addresses and hashes 0 and the type, not type and code as sent"
	case f.Src == f.Dst:
		return "one address on both sides: Suricata does not order by the ports then"
	}
	return ""
}

// oneWay says whether nobody answers a message of the type by another.
func oneWay(f *weir.Flow) bool {
	_, _, one := packet.ICMPPorts(f.Proto, f.ICMP.Type, f.ICMP.Code)
	return one
}

// wantDiffers is how many flows differ for each of these reasons, by its first word.
var wantDiffers = map[string]int{"esp": 9, "ipv6 in ipv4": 1, "icmp without answer": 8, "one address on both sides": 2}

// TestSamples imports each EVE file of the conformance data alone and counts:
// every line accounted for, every flow there with its counters and its
// Community ID, as many records as events.
func TestSamples(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(sharedtest.Path(t, "conformance/eve-samples"), "*.json"))
	if err != nil || len(files) < 100 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	var lines, flows, cids, records int
	differs := map[string]int{}
	for _, file := range files {
		events, b, c := importFile(t, file)
		name := filepath.Base(file)
		lines += len(events)
		if c.Lines != uint64(len(events)) || c.Used+c.Unused+c.Duplicates != c.Lines || c.Bad+c.TooLong != 0 {
			t.Errorf("%s: %d lines, counters %+v", name, len(events), c)
		}
		checkRecords(t, name, events, b)
		byID := map[string]*weir.Flow{}
		for i := range b.Flows {
			byID[b.Flows[i].UID] = &b.Flows[i]
		}
		n := 0
		for _, e := range events {
			if e.Type != "flow" {
				continue
			}
			n++
			f := byID[e.ID.String()]
			if f == nil {
				t.Errorf("%s: no flow %s", name, e.ID)
				continue
			}
			if f.BytesUp != e.Flow.BytesUp || f.BytesDown != e.Flow.BytesDown || f.PacketsUp != e.Flow.PktsUp || f.PacketsDown != e.Flow.PktsDown {
				t.Errorf("%s: flow %s: got %d %d bytes, %d %d packets, want %+v", name, e.ID, f.BytesUp, f.BytesDown, f.PacketsUp, f.PacketsDown, e.Flow)
			}
			why, _, _ := strings.Cut(cidDiffers(f), ":")
			switch got := f.CID(); {
			case got == e.CID:
				cids++
			case why != "":
				differs[why]++
			default:
				t.Errorf("%s: flow %s %v:%d %v:%d %v %+v: got Community ID %s, want %s", name, e.ID, f.Src, f.SrcPort, f.Dst, f.DstPort, f.Proto, f.ICMP, got, e.CID)
			}
		}
		flows += n
		records += b.Len()
		if n != len(b.Flows)-int(c.Alone) {
			t.Errorf("%s: %d flows and %d alone, want %d", name, len(b.Flows), c.Alone, n)
		}
		for i := range b.Flows {
			if b.Flows[i].State == weir.NoState && b.Flows[i].PacketsUp > 0 {
				t.Errorf("%s: flow %s of %v has no state", name, b.Flows[i].UID, b.Flows[i].Proto)
			}
		}
	}
	t.Logf("%d files, %d lines: %d flows, %d with the same Community ID, %d records in all", len(files), lines, flows, cids, records)
	if !maps.Equal(differs, wantDiffers) {
		t.Errorf("Community IDs that differ: %v, want %v", differs, wantDiffers)
	}
	if lines < 4000 || flows < 900 {
		t.Errorf("%d lines, %d flows: that is not all", lines, flows)
	}
}

// checkRecords compares the number of records with that of events.
func checkRecords(t *testing.T, name string, events []told, b *weir.Batch) {
	t.Helper()
	n := map[string]int{}
	rdp := map[string]bool{}
	for _, e := range events {
		key := e.Type
		if key == "dns" {
			key += e.DNS.Type
		}
		if e.Type == "smb" && e.SMB.NTLM != nil {
			n["ntlm"]++
		}
		if e.Type == "rdp" {
			rdp[e.ID.String()] = true
			continue
		}
		n[key]++
	}
	n["rdp"] = len(rdp)
	if name == "arkime-arkime_synthetic.pcap.eve.json" {
		n["rdp"]++ // made by hand: two events of one session are 14 months apart, and after two hours the first is told alone
	}
	answered := 0
	for i := range b.DNS {
		if b.DNS[i].Answered() {
			answered++
		}
	}
	// A query and its answer are one transaction: there are as many as queries,
	// and those answers whose query was not seen.
	if len(b.DNS) < n["dnsquery"] || len(b.DNS) > n["dnsquery"]+n["dnsanswer"] || answered != n["dnsanswer"] {
		t.Errorf("%s: %d DNS transactions, %d answered, want from %d queries and %d answers", name, len(b.DNS), answered, n["dnsquery"], n["dnsanswer"])
	}
	got := map[string]int{
		"http": len(b.HTTP), "ssh": len(b.SSH), "smb": len(b.SMB), "dcerpc": len(b.RPC), "krb5": len(b.Kerberos), "ntlm": len(b.NTLM),
		"rdp": len(b.RDP), "dhcp": len(b.DHCP), "fileinfo": len(b.Files), "alert": len(b.Findings), "anomaly": len(b.Oddities),
	}
	for typ, g := range got {
		if g != n[typ] {
			t.Errorf("%s: %d records of %s, want %d", name, g, typ, n[typ])
		}
	}
}

func importFile(t *testing.T, file string) (events []told, b *weir.Batch, c Counters) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !IsLog(data[:min(len(data), 4096)]) && len(data) > 0 {
		t.Errorf("%s: not taken for an EVE log", file)
	}
	b = new(weir.Batch)
	d := NewDecoder(Config{Sensor: "test"})
	s := bufio.NewScanner(bytes.NewReader(data))
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		var e told
		if err := json.Unmarshal(s.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
		if err := d.Line(b, s.Bytes()); err != nil {
			t.Errorf("%s: %v: %.200s", file, err, s.Bytes())
		}
	}
	if s.Err() != nil {
		t.Fatal(s.Err())
	}
	d.Flush(b)
	return events, b, d.Counters()
}
