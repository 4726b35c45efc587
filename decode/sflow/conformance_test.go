package sflow

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/flowrec"
	"github.com/weir-nta/weir/internal/sharedtest"
)

var arrival = time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC)

// differences lists by file and field where Weir says something else than
// goflow2, and why. One that no longer shows fails as well.
var differences = map[string]string{
	"gopacket-02-SFlowTestPacket2.bin: AS": "the path has three segments (dst_as_path<> in extended_gateway), of which goflow2 " +
		"reads the first: its last AS is 999, as gopacket says too",
	"gopacket-11-SFlowTestPacket11.bin: error":         "the sample says 116 octets and 76 are there; goflow2 and gopacket go by the counts within",
	"gopacket-11-SFlowTestPacket11.bin: other samples": "the same: its only record, of a LAG, is not read by either",
	"gopacket-05-SFlowTestPacket5.bin: bad samples": "the sample is four octets shorter than its only record: goflow2 makes a record " +
		"of no format and no length of it; there is no packet in it",
	"gopacket-08-SFlowTestPacket8.bin: bad samples": "the same octets, and some behind them",
}

// shares counts by field what is equal to a golden, and fails on the rest but
// for the differences.
type shares map[string][2]int

func (s shares) compare(t *testing.T, where, field string, got, want any) {
	t.Helper()
	n := s[field]
	n[1]++
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g == w {
		n[0]++
	} else if reason := differences[where+": "+field]; reason != "" {
		t.Logf("%s: %s: got %s, goflow2 says %s: %s", where, field, g, w, reason)
		seen[where+": "+field] = true
	} else {
		t.Errorf("%s: %s: got %s, want %s", where, field, g, w)
	}
	s[field] = n
}

var seen = map[string]bool{}

func (s shares) log(t *testing.T) {
	for _, field := range slices.Sorted(maps.Keys(s)) {
		t.Logf("%-22s %d / %d equal", field, s[field][0], s[field][1])
	}
}

// goflow2 is what goflow2's decoder says of a datagram.
type goflow2 struct {
	File  string
	Error string
	Msg   struct {
		Version  int
		Agent    string `json:"agent-ip"`
		SubAgent uint32 `json:"sub-agent-id"`
		Sequence uint32 `json:"sequence-number"`
		Uptime   int64
		Samples  []*goflow2Sample
	}
}

type goflow2Sample struct {
	Header struct {
		Format int
		Source uint32 `json:"source-id-value"`
		Class  uint32 `json:"source-id-type"`
	}
	Rate   uint32 `json:"sampling-rate"`
	In     uint32 `json:"input"`
	Out    uint32 `json:"output"`
	InX    uint32 `json:"input-if-value"`
	OutX   uint32 `json:"output-if-value"`
	OutFmt uint32 `json:"output-if-format"`

	Records []*struct {
		Header struct {
			Format uint32 `json:"data-format"`
		}
		Data json.RawMessage
	}
}

// notSFlow are datagrams of NetFlow 5 in a capture of tcpdump's of which all
// others are sFlow: goflow2 says "unknown version", and so does Weir.
var notSFlow = []string{
	"tcpdump-sflow_multiple_counter_30_pdus-013.bin", "tcpdump-sflow_multiple_counter_30_pdus-019.bin",
	"tcpdump-sflow_multiple_counter_30_pdus-020.bin", "tcpdump-sflow_multiple_counter_30_pdus-021.bin",
	"tcpdump-sflow_multiple_counter_30_pdus-022.bin",
}

// TestGoflow2 compares the datagrams of other projects' tests with what goflow2
// decodes of them, and the addresses in sampled headers with what gopacket does.
func TestGoflow2(t *testing.T) {
	folder := sharedtest.Path(t, "conformance/sflow-datagrams")
	f, err := os.Open(filepath.Join(folder, "peer", "goflow2.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	share, cases := shares{}, 0
	for lines := bufio.NewReader(f); ; cases++ {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			break
		}
		var want goflow2
		if err := json.Unmarshal(line, &want); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(folder, want.File))
		if err != nil {
			t.Fatal(err)
		}
		var g Datagram
		err = NewDecoder(DefaultConfig).Decode(&g, b, arrival)
		if slices.Contains(notSFlow, want.File) {
			if err != ErrVersion || want.Error == "" {
				t.Errorf("%s: error %v, goflow2's %q; want %v", want.File, err, want.Error, ErrVersion)
			}
			continue
		}
		compareDatagram(t, share, &g, err, &want)
	}
	if cases != 50 {
		t.Errorf("%d cases, want 50", cases)
	}
	share.log(t)
	for d := range differences {
		if !seen[d] {
			t.Errorf("%s: listed as a difference, and there is none", d)
		}
	}
}

func compareDatagram(t *testing.T, share shares, g *Datagram, err error, want *goflow2) {
	t.Helper()
	name := want.File
	share.compare(t, name, "agent", g.Agent, want.Msg.Agent)
	share.compare(t, name, "sub-agent", g.SubAgent, want.Msg.SubAgent)
	share.compare(t, name, "sequence", g.Sequence, want.Msg.Sequence)
	share.compare(t, name, "uptime", g.Uptime, time.Duration(want.Msg.Uptime)*time.Millisecond)
	if name == "tcpdump-sflow_print-segv-001.bin" {
		compareSegv(t, g, err)
		return
	}
	share.compare(t, name, "error", err, error(nil))
	var flows, counters, discarded, unknown, interfaces int
	records := g.Records
	for _, s := range want.Msg.Samples {
		if s == nil {
			unknown++
			continue
		}
		switch s.Header.Format {
		case 1, 3:
			flows++
		case 2, 4:
			counters++
			for _, r := range s.Records {
				if r.Header.Format == 1 && interfaces < len(g.Interfaces) {
					share.compare(t, name, "interface counters", g.Interfaces[interfaces], sorted(t, r.Data))
					interfaces++
				}
			}
			continue
		case 5:
			discarded++
		}
		if hasPacket(s) && len(records) > 0 {
			compareSample(t, share, name, &records[0], s)
			records = records[1:]
		}
	}
	share.compare(t, name, "flow samples", g.FlowSamples, flows)
	share.compare(t, name, "counter samples", g.CounterSamples, counters)
	share.compare(t, name, "discarded packets", g.Discarded, discarded)
	share.compare(t, name, "other samples", g.UnknownSamples, unknown)
	share.compare(t, name, "interfaces", len(g.Interfaces), interfaces)
	share.compare(t, name, "records besides", len(records), 0)
	share.compare(t, name, "bad samples", g.BadSamples, 0)
	share.compare(t, name, "samples accounted for", len(g.Records)+g.NotIP+g.BadHeaders, g.FlowSamples+g.Discarded)
}

// compareSegv: a fuzzed datagram, which once crashed tcpdump. Its first sample
// announces 0x03ff3200 records; goflow2 reads 770 of no length out of it, and
// four samples of nothing behind it.
func compareSegv(t *testing.T, g *Datagram, err error) {
	t.Helper()
	if err != ErrShort || g.FlowSamples != 1 || g.BadSamples != 1 || len(g.Records) != 0 {
		t.Errorf("the datagram for tcpdump: error %v, %d flow samples, %d bad, %d records; want %v, 1, 1, 0",
			err, g.FlowSamples, g.BadSamples, len(g.Records), ErrShort)
	}
}

func hasPacket(s *goflow2Sample) bool {
	for _, r := range s.Records {
		switch r.Header.Format {
		case 3, 4:
			return true
		case 1:
			if _, _, ok := gopacketIP(headerOf(r.Data)); ok {
				return true
			}
		}
	}
	return false
}

func headerOf(data json.RawMessage) (uint32, []byte) {
	var h struct {
		Protocol uint32
		Data     []byte `json:"header-data"`
	}
	_ = json.Unmarshal(data, &h)
	return h.Protocol, h.Data
}

// gopacketIP returns the innermost addresses, protocol and ports of a header.
func gopacketIP(protocol uint32, b []byte) (ends string, bytes int, ok bool) {
	first := map[uint32]gopacket.Decoder{1: layers.LayerTypeEthernet, 11: layers.LayerTypeIPv4, 12: layers.LayerTypeIPv6}[protocol]
	if first == nil {
		return "", 0, false
	}
	p := gopacket.NewPacket(b, first, gopacket.DecodeOptions{Lazy: false, NoCopy: true})
	var src, dst netip.Addr
	var proto uint8
	var ports string
	for _, l := range p.Layers() {
		switch l := l.(type) {
		case *layers.IPv4:
			src, _ = netip.AddrFromSlice(l.SrcIP)
			dst, _ = netip.AddrFromSlice(l.DstIP)
			proto, bytes, ports, ok = uint8(l.Protocol), int(l.Length), "", true
		case *layers.IPv6:
			src, _ = netip.AddrFromSlice(l.SrcIP)
			dst, _ = netip.AddrFromSlice(l.DstIP)
			proto, bytes, ports, ok = uint8(l.NextHeader), 40+int(l.Length), "", true
		case *layers.IPv6HopByHop:
			proto = uint8(l.NextHeader)
		case *layers.TCP:
			ports = fmt.Sprintf(" %d %d", l.SrcPort, l.DstPort)
		case *layers.UDP:
			ports = fmt.Sprintf(" %d %d", l.SrcPort, l.DstPort)
		}
	}
	return fmt.Sprintf("%d %v %v%s", proto, src, dst, ports), bytes, ok
}

func ends(r *flowrec.Record) string {
	s := fmt.Sprintf("%d %v %v", uint8(r.Proto), r.Src, r.Dst)
	if r.Proto == weir.TCP || r.Proto == weir.UDP {
		s += fmt.Sprintf(" %d %d", r.SrcPort, r.DstPort)
	}
	return s
}

// ifIndex returns an interface as Weir tells it: by policy 0 for the device
// itself (0x3fffffff), a dropped packet, and several.
func ifIndex(v uint32) uint32 {
	if v>>30 != 0 || v == 0x3fffffff {
		return 0
	}
	return v
}

func compareSample(t *testing.T, share shares, name string, r *flowrec.Record, s *goflow2Sample) {
	t.Helper()
	in, out := ifIndex(s.In), ifIndex(s.Out)
	if s.Header.Format == 3 {
		in, out = ifIndex(s.InX), ifIndex(s.OutX)
		if s.OutFmt != 0 {
			out = 0
		}
	}
	share.compare(t, name, "interface in", r.InIf, in)
	share.compare(t, name, "interface out", r.OutIf, out)
	if s.Header.Format != 5 {
		share.compare(t, name, "sampling rate", r.Sampling, s.Rate)
	}
	vlan := uint16(0)
	for _, rec := range s.Records {
		switch rec.Header.Format {
		case 1:
			protocol, b := headerOf(rec.Data)
			want, bytes, ok := gopacketIP(protocol, b)
			if !ok {
				continue
			}
			share.compare(t, name, "addresses and ports", ends(r), want)
			share.compare(t, name, "bytes", r.Bytes, bytes)
			if protocol == 1 {
				share.compare(t, name, "MAC", r.DstMAC.String()+r.SrcMAC.String(), flowrec.MAC(b[:6]).String()+flowrec.MAC(b[6:12]).String())
				if b[12] == 0x81 && b[13] == 0 {
					vlan = (uint16(b[14])<<8 | uint16(b[15])) & 0xfff
					share.compare(t, name, "VLAN of the header", r.VLAN, vlan)
				}
			}
		case 1001:
			var v struct {
				VLAN uint16 `json:"src-vlan"`
			}
			decode(t, rec.Data, &v)
			if vlan == 0 {
				share.compare(t, name, "VLAN of the switch", r.VLAN, v.VLAN)
			}
		case 1002:
			var v struct {
				Next string `json:"next-hop"`
			}
			decode(t, rec.Data, &v)
			share.compare(t, name, "next hop", r.Next, v.Next)
		case 1003:
			var v struct {
				Own  uint32   `json:"as"`
				Src  uint32   `json:"src-as"`
				Path []uint32 `json:"as-path"`
			}
			decode(t, rec.Data, &v)
			src, dst := v.Src, v.Own
			if src == 0 {
				src = v.Own
			}
			if len(v.Path) > 0 {
				dst = v.Path[len(v.Path)-1]
			}
			share.compare(t, name, "AS", []uint32{r.SrcAS, r.DstAS}, []uint32{src, dst})
		case 1004: // goflow2 leaves it as octets
			c := cursor{b: opaqueData(t, rec.Data)}
			c.u32()
			src := string(c.opaque())
			c.u32()
			share.compare(t, name, "users", r.More.SrcUser+" "+r.More.DstUser, src+" "+string(c.opaque()))
		case 1005:
			c := cursor{b: opaqueData(t, rec.Data)}
			c.u32()
			uri := string(c.opaque())
			share.compare(t, name, "URL", r.More.HTTP.URI+" "+r.More.HTTP.Host, uri+" "+string(c.opaque()))
		}
	}
}

func decode(t *testing.T, b []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
	}
}

func opaqueData(t *testing.T, b []byte) []byte {
	var v struct{ Data []byte }
	decode(t, b, &v)
	return v.Data
}

// sorted returns the values of a JSON object by the order of if_counters.
func sorted(t *testing.T, b []byte) string {
	var m map[string]json.Number
	decode(t, b, &m)
	var out []string
	for _, k := range strings.Fields("index type speed direction status in-octets in-ucast-pkts in-multicast-pkts in-broadcast-pkts in-discards in-errors in-unknown-protos out-octets out-ucast-pkts out-multicast-pkts out-broadcast-pkts out-discards out-errors promiscuous-mode") {
		out = append(out, m["if-"+k].String())
	}
	return "{" + strings.Join(out, " ") + "}"
}
