package netflow

import (
	"cmp"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/flowrec"
	"github.com/weir-nta/weir/internal/sharedtest"
)

// A flowCase is one case of ../shared/conformance: datagrams and who sent them.
type flowCase struct {
	dir, name string
	Messages  []struct {
		File, Src string
		Sport     uint16
	}
}

func flowCases(t *testing.T, set string) (cases []flowCase) {
	dirs, err := filepath.Glob(filepath.Join(sharedtest.Path(t, "conformance/netflow-cases"), set, "*"))
	if err != nil || len(dirs) == 0 {
		t.Fatalf("cases of %s: %v, %v", set, dirs, err)
	}
	for _, dir := range dirs {
		c := flowCase{dir: dir, name: filepath.Base(dir)}
		readJSON(t, filepath.Join(dir, "case.json"), &c)
		cases = append(cases, c)
	}
	return cases
}

func readJSON(t *testing.T, file string, v any) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// A result is what one message of a case told.
type result struct {
	Message
	err error
}

// decode runs a case through decoders, one for each exporter.
func (c *flowCase) decode(t *testing.T) (results []result) {
	decoders := map[string]*Decoder{}
	for i, m := range c.Messages {
		d := decoders[m.Src]
		if d == nil {
			d = NewDecoder(DefaultConfig)
			decoders[m.Src] = d
		}
		b, err := os.ReadFile(filepath.Join(c.dir, m.File))
		if err != nil {
			t.Fatal(err)
		}
		var r result
		r.err = d.Decode(&r.Message, b, m.Sport, time.Unix(int64(i), 0))
		results = append(results, r)
	}
	return results
}

// saidOf returns what a record says of an element, as text: numbers in decimal,
// times in milliseconds since 1970, "" for nothing.
func saidOf(r *flowrec.Record, e elementID) string {
	u := func(n uint64) string {
		if n == 0 {
			return ""
		}
		return strconv.FormatUint(n, 10)
	}
	ms := func(t int64) string { return strconv.FormatInt(t/1000, 10) }
	addr := func(a netip.Addr) string {
		if !a.IsValid() || a.IsUnspecified() {
			return ""
		}
		return a.String()
	}
	more := r.More
	if more == nil {
		more = &flowrec.More{}
	}
	nat := more.NAT
	if nat == nil {
		nat = &weir.NAT{}
	}
	dstPort := uint64(r.DstPort)
	if r.HasICMP {
		dstPort = uint64(r.ICMPType)<<8 | uint64(r.ICMPCode)
	}
	switch e {
	case elementID{0, 1}, elementID{0, 85}:
		return u(r.Bytes)
	case elementID{0, 2}, elementID{0, 86}:
		return u(r.Packets)
	case elementID{reversePEN, 1}, elementID{reversePEN, 85}:
		return u(r.RevBytes)
	case elementID{reversePEN, 2}, elementID{reversePEN, 86}:
		return u(r.RevPackets)
	case elementID{0, 231}:
		return u(r.DataUp)
	case elementID{0, 232}:
		return u(r.DataDown)
	case elementID{0, 298}:
		return u(r.Packets)
	case elementID{0, 299}:
		return u(r.RevPackets)
	case elementID{9, 8338}:
		return u(r.Bytes)
	case elementID{9, 8337}:
		return u(r.RevBytes)
	case elementID{0, 195}:
		return u(uint64(r.TOS >> 2))
	case elementID{0, 4}:
		return u(uint64(r.Proto))
	case elementID{0, 5}:
		return u(uint64(r.TOS))
	case elementID{0, 6}:
		return u(uint64(r.Flags))
	case elementID{reversePEN, 6}:
		return u(uint64(r.RevFlags))
	case elementID{0, 7}, elementID{0, 180}, elementID{0, 182}, elementID{9, 12240}:
		return u(uint64(r.SrcPort))
	case elementID{0, 11}, elementID{0, 181}, elementID{0, 183}, elementID{9, 12241}:
		return u(dstPort)
	case elementID{0, 8}, elementID{0, 27}, elementID{9, 12236}, elementID{0, 366}:
		return addr(r.Src)
	case elementID{0, 12}, elementID{0, 28}, elementID{9, 12237}:
		return addr(r.Dst)
	case elementID{0, 15}, elementID{0, 62}:
		return addr(r.Next)
	case elementID{0, 10}:
		return u(uint64(r.InIf))
	case elementID{0, 14}:
		return u(uint64(r.OutIf))
	case elementID{0, 16}:
		return u(uint64(r.SrcAS))
	case elementID{0, 17}:
		return u(uint64(r.DstAS))
	case elementID{0, 32}, elementID{0, 139}:
		return u(uint64(r.ICMPType)<<8 | uint64(r.ICMPCode))
	case elementID{0, 176}, elementID{0, 178}:
		return u(uint64(r.ICMPType))
	case elementID{0, 177}, elementID{0, 179}:
		return u(uint64(r.ICMPCode))
	case elementID{0, 56}:
		return r.SrcMAC.String()
	case elementID{0, 80}:
		return r.DstMAC.String()
	case elementID{0, 57}, elementID{0, 81}: // the fields if there is no other address
		if v := extra(more, e); v != "" {
			return v
		}
		if e.id == 57 {
			return r.DstMAC.String()
		}
		return r.SrcMAC.String()
	case elementID{0, 58}:
		return u(uint64(r.VLAN))
	case elementID{0, 61}:
		return u(uint64(max(r.Observed, 1) - 1))
	case elementID{0, 136}:
		return u(uint64(r.Reason))
	case elementID{0, 239}:
		return u(uint64(r.Initiator))
	case elementID{0, 60}:
		if r.Src.Is4() {
			return "4"
		}
		return "6"
	case elementID{0, 22}, elementID{0, 150}, elementID{0, 152}, elementID{0, 154}, elementID{0, 156}:
		return ms(r.Start)
	case elementID{0, 21}, elementID{0, 151}, elementID{0, 153}, elementID{0, 155}, elementID{0, 157}:
		return ms(r.End)
	case elementID{0, 323}:
		return ms(r.End)
	case elementID{0, 161}:
		return u(uint64(r.End-r.Start) / 1000)
	case elementID{0, 34}, elementID{0, 50}:
		if r.Sampling == 1 {
			return "" // sampling of 1 in 1, or none
		}
		return u(uint64(r.Sampling))
	case elementID{0, 225}, elementID{0, 40001}, elementID{0, 281}:
		return addr(nat.Src)
	case elementID{0, 226}, elementID{0, 40002}, elementID{0, 282}:
		return addr(nat.Dst)
	case elementID{0, 227}, elementID{0, 40003}:
		return u(uint64(nat.SrcPort))
	case elementID{0, 228}, elementID{0, 40004}:
		return u(uint64(nat.DstPort))
	case elementID{0, 233}, elementID{0, 40005}:
		return u(uint64(slices.Index(actions[:], more.Action)))
	case elementID{0, 33000}:
		return strings.ReplaceAll(more.ACL, "-", "")
	case elementID{0, 40000}, elementID{0, 371}, elementID{0, 56702}:
		return more.SrcUser
	}
	return extra(more, e)
}

// extra returns what More.Extra says of an element.
func extra(m *flowrec.More, e elementID) string {
	name := fmt.Sprintf("%d.%d", e.pen, e.id)
	d := NewDecoder(DefaultConfig)
	if known, ok := d.lookup(e); ok {
		name = known.name
	}
	for _, s := range m.Extra {
		if value, ok := strings.CutPrefix(s, name+"="); ok {
			return value
		}
	}
	return ""
}

// raw returns the same text for a value on the wire.
func raw(e elementID, v []byte, h clock) string {
	known, ok := NewDecoder(DefaultConfig).lookup(e)
	switch {
	case !ok:
		return hex.EncodeToString(v[:min(len(v), maxHex)])
	case zero(v), (e == elementID{0, 34} && number(v) == 1):
		return ""
	case e.pen == 0 && (e.id == 21 || e.id == 22):
		if h.ipfix {
			return "" // compared in TestUptimeOfIPFIX
		}
		return strconv.FormatInt(h.exported/1000-int64(h.uptime)+int64(number(v)), 10)
	case known.kind >= seconds && known.kind <= nanoseconds:
		t, _ := known.kind.time(v)
		return strconv.FormatInt(t/1000, 10)
	}
	return string(known.kind.appendValue(nil, v))
}

// A tally counts comparisons and keeps the reasons of differences.
type tally struct {
	equal, compared int
	reasons         map[string]int
}

// compare counts one value. A difference needs a reason, else it is an error.
func (y *tally) compare(t *testing.T, where, got, want, reason string) {
	t.Helper()
	y.compared++
	switch {
	case got == want:
		y.equal++
	case reason != "":
		if y.reasons == nil {
			y.reasons = map[string]int{}
		}
		y.reasons[reason]++
	default:
		t.Errorf("%s: got %q, want %q", where, got, want)
	}
}

func (y *tally) report(t *testing.T, name string, least int) {
	t.Helper()
	t.Logf("%s: %d of %d values equal; differ with reason: %v", name, y.equal, y.compared, y.reasons)
	if y.equal < least {
		t.Errorf("%s: %d values equal, were %d", name, y.equal, least)
	}
}

// The decode of goflow2: the fields as they are on the wire.
type goflow2Line struct {
	Msg struct {
		Version    uint16
		Uptime     uint32 `json:"system-uptime"`
		UnixSecs   uint32 `json:"unix-seconds"`
		ExportTime uint32 `json:"export-time"`
		FlowSets   []struct {
			ID      uint16
			Records json.RawMessage
		} `json:"flow-sets"`
		Records []map[string]any // version 5
	}
}

type goflow2Record struct {
	Values []struct {
		Type  uint16
		PEN   uint32
		Value []byte
	}
}

// values returns the data records of all lines.
func goflow2Records(t *testing.T, c *flowCase) (records []goflow2Record, clocks []clock) {
	b, err := os.ReadFile(filepath.Join(c.dir, "peer-goflow2.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		var l goflow2Line
		if json.Unmarshal([]byte(line), &l) != nil {
			continue // a note, or an error of goflow2
		}
		h := clock{exported: int64(l.Msg.UnixSecs) * 1e6, uptime: l.Msg.Uptime}
		if l.Msg.Version == 10 {
			h = clock{exported: int64(l.Msg.ExportTime) * 1e6, ipfix: true}
		}
		for _, set := range l.Msg.FlowSets {
			var rs []goflow2Record
			if json.Unmarshal(set.Records, &rs) != nil {
				continue // raw
			}
			for _, r := range rs {
				if len(r.Values) > 0 {
					records, clocks = append(records, r), append(clocks, h)
				}
			}
		}
	}
	return records, clocks
}

// whyNot says why a record does not tell an element of which the same record
// has others. Where Weir keeps one value of two, RFC 7011, 4.2 leaves the
// choice to the collector.
func whyNot(e elementID, has map[elementID]int) string {
	hasAny := func(ids ...uint16) bool {
		for _, id := range ids {
			if has[elementID{0, id}] > 0 {
				return true
			}
		}
		return false
	}
	switch {
	case has[e] > 1:
		return "the element occurs several times: the first is the field, others are in Extra"
	case e == elementID{0, 85} && hasAny(1), e == elementID{0, 86} && hasAny(2), e == elementID{reversePEN, 85} && has[elementID{reversePEN, 1}] > 0:
		return "a total beside a delta: the delta is kept"
	case (e.pen == 0 || e.pen == reversePEN) && (e.id >= 150 && e.id <= 162 || e.id == 21 || e.id == 22):
		return "a time beside another or of a clock that is not right: one is kept"
	case e == elementID{0, 60}, e == elementID{0, 210}:
		return "padding and ipVersion say nothing"
	case e.id == 95 || e.id == 96 || e == elementID{certPEN, 33} || e == elementID{0, 56701} || e.pen == ntopPEN && (e.id == 118 || e.id == 119):
		return "names of applications become those of Weir"
	case e.id == 7 || e.id == 11 || e.id == 180 || e.id == 181 || e.id == 182 || e.id == 183:
		return "ports of ICMP, which has none"
	case e.pen == certPEN && (e.id&^certReverse == 14 || e.id&^certReverse == 15):
		return "YAF tells flags in two elements: their union is kept"
	case e.id == 48 || e.id == 302:
		return "the sampler becomes its rate"
	case e.id == 32 || e.id == 139 || e.id >= 176 && e.id <= 179:
		return "type and code of ICMP for what is not ICMP"
	case e == elementID{9, 12235}:
		return "Cisco's sub-applications become fields of HTTP and TLS"
	}
	return ""
}

// goflow2Stops are the cases of which goflow2 reads less, and why Weir reads more.
var goflow2Stops = map[string]string{
	"v9_example_from_integration_test":   "a template before a set that is cut off: the template is whole, and the golden of netflow_parser has the data",
	"v9_example_from_integration_test_2": "the same",
	"it_parses_ipfix_with_v9_options_template_packet": "sets 0 and 1 in IPFIX, reserved by RFC 7011, 3.3.2: read as the templates of version 9 that they are, " +
		"and the data that uses them is as it should be",
	"Netflow-9-invalid-01": "goflow2 keeps no data of the message",
}

// TestGoflow2 compares every value of every data record with what goflow2
// found on the wire.
func TestGoflow2(t *testing.T) {
	least := map[string]int{"fluent": 44, "ipfixcol1": 76438, "logstash": 2563, "netflow_parser": 1173, "python-netflow": 466, "telegraf": 688}
	for _, set := range []string{"fluent", "ipfixcol1", "logstash", "netflow_parser", "python-netflow", "telegraf"} {
		var y tally
		records := 0
		for _, c := range flowCases(t, set) {
			var ours []flowrec.Record
			var noFlow uint64
			for _, r := range c.decode(t) {
				if r.Version >= 9 {
					ours = append(ours, r.Records...)
					noFlow += r.NoFlow
				}
			}
			theirs, clocks := goflow2Records(t, &c)
			if len(ours) != len(theirs) {
				if goflow2Stops[c.name] == "" {
					t.Errorf("%s/%s: %d records and %d without address, goflow2 has %d", set, c.name, len(ours), noFlow, len(theirs))
				}
				continue
			}
			records += len(theirs)
			for i, r := range theirs {
				has := map[elementID]int{}
				for _, v := range r.Values {
					has[goflow2Element(v.PEN, v.Type, clocks[i])]++
				}
				for _, v := range r.Values {
					e := goflow2Element(v.PEN, v.Type, clocks[i])
					where := fmt.Sprintf("%s/%s record %d, %d.%d", set, c.name, i, e.pen, e.id)
					y.compare(t, where, saidOf(&ours[i], e), raw(e, v.Value, clocks[i]), whyNot(e, has))
				}
			}
		}
		y.report(t, fmt.Sprintf("%s, %d records", set, records), least[set])
	}
}

func goflow2Element(pen uint32, id uint16, h clock) elementID {
	if pen == 0 && !h.ipfix {
		return v9Element(id)
	}
	return elementID{pen, id}
}

// fieldNames returns the elements by the names that a peer has for them.
func fieldNames(t *testing.T, column string) map[string][]elementID {
	b, err := os.ReadFile(sharedtest.Path(t, "conformance/fieldmap.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	names, column_ := map[string][]elementID{}, -1
	for line := range strings.Lines(string(b)) {
		f := strings.Split(strings.TrimRight(line, "\n"), "\t")
		if column_ < 0 {
			column_ = slices.Index(f, column)
			continue
		}
		pen, _ := strconv.ParseUint(f[0], 10, 32)
		id, _ := strconv.ParseUint(f[1], 10, 16)
		name, _, _ := strings.Cut(f[column_], " ")
		if name != "" {
			names[name] = append(names[name], elementID{uint32(pen), uint16(id)})
		}
	}
	return names
}

// TestLogstash compares the events that the tests of logstash's codec expect.
func TestLogstash(t *testing.T) {
	var y tally
	v9, ipfix := fieldNames(t, "logstash_v9"), fieldNames(t, "logstash_ipfix")
	for name, ids := range map[string]uint16{ // version 5, and what the map has not
		"conn_id": 148, "fw_event": 233, "fw_ext_event": 33002, "event_time_msec": 323, "in_permanent_bytes": 85, "flow_start_msec": 152,
		"ingress_acl_id": 33000, "egress_acl_id": 33001, "username": 40000, "xlate_src_addr_ipv4": 40001, "xlate_dst_addr_ipv4": 40002,
		"xlate_src_port": 40003, "xlate_dst_port": 40004, "user_id": 56702, "app_id": 56701, "privateEnterpriseNumber": 346,
		"icmp_code": 177, "sampling_interval": 34,
	} {
		v9[name] = []elementID{{0, ids}}
	}
	for _, c := range flowCases(t, "logstash") {
		var golden struct {
			Size *int
			JSON []struct {
				Index int
				Event struct {
					Time    string `json:"@timestamp"`
					Netflow map[string]any
				}
			}
			Asserts []struct {
				Index int
				Field []string
				Value any
			}
		}
		readJSON(t, filepath.Join(c.dir, "golden.json"), &golden)
		var records []flowrec.Record
		events := 0
		for _, r := range c.decode(t) {
			records = append(records, r.Records...)
			events += int(r.Data)
		}
		if golden.Size != nil && events != *golden.Size {
			t.Errorf("%s: %d data records, want %d", c.name, events, *golden.Size)
		}
		options := 0 // events that are no records
		for _, j := range golden.JSON {
			_, scope := j.Event.Netflow["scope_system"]
			_, totals := j.Event.Netflow["exportedFlowRecordTotalCount"]
			if scope || totals {
				options++
				continue
			}
			if c.name == "Netflow-9-multiple-netflow-exporters" {
				continue // which exporter comes first is not told
			}
			j.Index -= options
			for name, want := range j.Event.Netflow {
				ids := v9[name]
				if j.Event.Netflow["version"] == 10.0 {
					ids = ipfix[name]
				}
				if len(ids) == 0 {
					continue // of the header
				}
				where := c.name + " " + strconv.Itoa(j.Index) + " " + name
				got, want := saidOf(&records[j.Index], ids[0]), logstashText(name, want)
				y.compare(t, where, got, want, cmp.Or(logstashTime(got, want), logstashReason(name, j.Event.Netflow)))
			}
		}
	}
	y.report(t, "logstash events", 329)
}

// logstashText returns a value as saidOf says it.
func logstashText(name string, v any) string {
	s := fmt.Sprint(v)
	if f, ok := v.(float64); ok {
		s = strconv.FormatFloat(f, 'f', -1, 64)
	}
	if at, err := time.Parse(time.RFC3339, s); err == nil {
		return strconv.FormatInt(at.UnixMilli(), 10)
	}
	switch {
	case strings.HasSuffix(name, "Seconds") && !strings.Contains(name, "illi"):
		return s + "000"
	case s == "0", s == "0.0.0.0", s == "::", s == "00:00:00:00:00:00":
		return ""
	case strings.HasSuffix(name, "_acl_id"):
		return strings.ReplaceAll(s, "-", "")
	}
	return s
}

// logstashTime says why a time differs. Everybody else computes them as Weir.
func logstashTime(got, want string) string {
	g, err1 := strconv.ParseInt(got, 10, 64)
	w, err2 := strconv.ParseInt(want, 10, 64)
	switch {
	case err1 != nil || err2 != nil:
		return ""
	case w-g == 1000:
		return "logstash adds a second to up times"
	case w-g == 1<<32:
		return "logstash does not let up time begin again (RFC 3954, 8)"
	}
	return ""
}

func logstashReason(name string, event map[string]any) string {
	has := func(n string) bool { _, ok := event[n]; return ok }
	switch {
	case strings.HasSuffix(name, "SysUpTime"), strings.HasSuffix(name, "DeltaMilliseconds"), name == "flowDurationMilliseconds":
		return "Weir tells times, not up times"
	case name == "octetTotalCount" && has("octetDeltaCount"), name == "packetTotalCount" && has("packetDeltaCount"):
		return "a total beside a delta"
	case name == "application_id", name == "application_name", name == "silkAppLabel", name == "nprobe_proto", name == "nprobe_proto_name", name == "app_id":
		return "names of applications become those of Weir"
	case strings.Contains(name, "TCPFlags"):
		return "YAF tells flags in two elements: their union is kept"
	case name == "egress_acl_id" || name == "mpls_label_stack_octets":
		return "presentation"
	case name == "l4_dst_port", name == "l4_src_port", name == "icmp_type", name == "icmp_code", name == "destinationTransportPort":
		return "ports of ICMP, which has none"
	case name == "sampling_algorithm", name == "flow_sampler_id", name == "sampling_interval":
		return "the sampler becomes its rate"
	case name == "engine_type", name == "engine_id":
		return "of the header in version 5: the domain"
	}
	return ""
}

// The programs whose exports are at hand, with what nfdump made of them.
func TestNfdump(t *testing.T) {
	type nfdumpFlow struct {
		First, Last string
		Proto       uint64
		Flags       string `json:"tcp_flags"`
		SrcPort     uint64 `json:"src_port"`
		DstPort     uint64 `json:"dst_port"`
		ICMPType    uint64 `json:"icmp_type"`
		ICMPCode    uint64 `json:"icmp_code"`
		Src4        string `json:"src4_addr"`
		Dst4        string `json:"dst4_addr"`
		Src6        string `json:"src6_addr"`
		Dst6        string `json:"dst6_addr"`
		InPackets   uint64 `json:"in_packets"`
		InBytes     uint64 `json:"in_bytes"`
		OutPackets  uint64 `json:"out_packets"`
		OutBytes    uint64 `json:"out_bytes"`
		TOS         uint64 `json:"src_tos"`
		InIf        uint64 `json:"input_snmp"`
		OutIf       uint64 `json:"output_snmp"`
	}
	const timesDiffer = "times of a clock that began 49 days from now: nfdump does not let up time begin again (RFC 3954, 8)"
	const noCode = "fprobe puts the type into the source port and the code into the destination port; nfdump takes the type alone"
	reasons := map[string]map[string]string{
		"fp1": {"icmp_code": noCode}, "fp5": {"icmp_code": noCode}, "fp7": {"icmp_code": noCode},
		"sf9":   {"first": timesDiffer, "last": timesDiffer},
		"sf10":  {"first": "nfdump swaps the times of IPFIX with systemInitTimeMilliseconds in options", "last": "the same"},
		"sf10b": {"flags": "nfdump keeps those of the other direction, which come later in the record", "tos": "the same"},
		"pm9":   {"icmp_type": "nfdump does not read element 32", "icmp_code": "the same"},
	}
	var y tally
	for _, name := range []string{"fp1", "fp5", "fp7", "nr5", "ovsnf5", "pm5", "pm9", "sf10", "sf10b", "sf5", "sf9"} {
		var theirs []nfdumpFlow
		readJSON(t, sharedtest.Path(t, "conformance/live-exporters/peer/nfdump-"+name+".json"), &theirs)
		ours := exported(t, name)
		if len(ours) != len(theirs) {
			t.Errorf("%s: %d records, nfdump has %d", name, len(ours), len(theirs))
			continue
		}
		key := func(f *nfdumpFlow) string {
			return fmt.Sprintf("%s%s %s%s %d %d %d %d %08d", f.Src4, f.Src6, f.Dst4, f.Dst6, f.Proto, f.SrcPort, f.DstPort, f.InPackets+f.OutPackets, f.InBytes+f.OutBytes)
		}
		var converted []nfdumpFlow
		for _, r := range ours {
			f := nfdumpFlow{
				Proto: uint64(r.Proto), SrcPort: uint64(r.SrcPort), DstPort: uint64(r.DstPort), InPackets: r.Packets, InBytes: r.Bytes,
				OutPackets: r.RevPackets, OutBytes: r.RevBytes, TOS: uint64(r.TOS), InIf: uint64(r.InIf), OutIf: uint64(r.OutIf),
				ICMPType: uint64(r.ICMPType), ICMPCode: uint64(r.ICMPCode),
				First: time.UnixMicro(r.Start).UTC().Format("2006-01-02T15:04:05.000"), Last: time.UnixMicro(r.End).UTC().Format("2006-01-02T15:04:05.000"),
			}
			for i, letter := range "FSRPAUEC" {
				if c := "."; r.Flags&(1<<i) == 0 {
					f.Flags = c + f.Flags
				} else {
					f.Flags = string(letter) + f.Flags
				}
			}
			if r.Src.Is4() {
				f.Src4, f.Dst4 = r.Src.String(), r.Dst.String()
			} else {
				f.Src6, f.Dst6 = r.Src.String(), r.Dst.String()
			}
			if f.Proto != uint64(weir.TCP) {
				f.Flags = "" // nfdump tells some of what is not TCP, and some not
			}
			converted = append(converted, f)
		}
		byKey := func(a, b nfdumpFlow) int { return cmp.Or(cmp.Compare(key(&a), key(&b)), cmp.Compare(a.First, b.First)) }
		for i := range theirs {
			if theirs[i].Proto != uint64(weir.TCP) {
				theirs[i].Flags = ""
			}
		}
		slices.SortFunc(converted, byKey)
		slices.SortFunc(theirs, byKey)
		for i := range theirs {
			g, w := converted[i], theirs[i]
			for _, field := range []struct {
				name      string
				got, want any
			}{
				{"first", g.First, w.First}, {"last", g.Last, w.Last}, {"proto", g.Proto, w.Proto}, {"flags", g.Flags, w.Flags},
				{"src_port", g.SrcPort, w.SrcPort}, {"dst_port", g.DstPort, w.DstPort}, {"src", g.Src4 + g.Src6, w.Src4 + w.Src6},
				{"dst", g.Dst4 + g.Dst6, w.Dst4 + w.Dst6}, {"in_packets", g.InPackets, w.InPackets}, {"in_bytes", g.InBytes, w.InBytes},
				{"out_packets", g.OutPackets, w.OutPackets}, {"out_bytes", g.OutBytes, w.OutBytes}, {"tos", g.TOS, w.TOS},
				{"in_if", g.InIf, w.InIf}, {"out_if", g.OutIf, w.OutIf}, {"icmp_type", g.ICMPType, w.ICMPType}, {"icmp_code", g.ICMPCode, w.ICMPCode},
			} {
				where := fmt.Sprintf("%s record %d (%s) %s", name, i, key(&w), field.name)
				y.compare(t, where, fmt.Sprint(field.got), fmt.Sprint(field.want), reasons[name][field.name])
			}
		}
	}
	y.report(t, "exporters by nfdump", 35197)
}

// exported returns the records of the datagrams of a live exporter.
func exported(t *testing.T, name string) (records []flowrec.Record) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(sharedtest.Path(t, "conformance/live-exporters"), name, "*.bin"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %d files, %v", name, len(files), err)
	}
	slices.Sort(files)
	d := NewDecoder(DefaultConfig)
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var m Message
		if err := d.Decode(&m, b, 2055, time.Unix(0, 0)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		records = append(records, m.Records...)
	}
	return records
}

// TestTelegraf compares the metrics that the tests of Telegraf expect, whose
// order is not that of the records.
func TestTelegraf(t *testing.T) {
	var y tally
	names := fieldNames(t, "telegraf")
	names["flow_start_ms"], names["flow_end_ms"] = []elementID{{0, 152}}, []elementID{{0, 153}}
	for _, c := range flowCases(t, "telegraf") {
		var golden struct{ Lines []string }
		readJSON(t, filepath.Join(c.dir, "golden.json"), &golden)
		var left []flowrec.Record
		for _, r := range c.decode(t) {
			left = append(left, r.Records...)
		}
		for _, line := range golden.Lines {
			if strings.HasPrefix(line, "netflow_options,") {
				continue
			}
			values := telegrafFields(line, names)
			best, most := -1, -1
			for i := range left {
				n := 0
				for e, want := range values {
					if saidOf(&left[i], e) == want {
						n++
					}
				}
				if n > most {
					best, most = i, n
				}
			}
			if best < 0 {
				t.Errorf("%s: no record for %s", c.name, line)
				continue
			}
			for e, want := range values {
				y.compare(t, fmt.Sprintf("%s %d.%d of %s", c.name, e.pen, e.id, line), saidOf(&left[best], e), want, telegrafReason(e))
			}
			left = slices.Delete(left, best, best+1)
		}
		if len(left) > 0 {
			t.Errorf("%s: %d records that Telegraf does not have", c.name, len(left))
		}
	}
	y.report(t, "telegraf metrics", 795)
}

func telegrafReason(e elementID) string {
	if e == (elementID{0, 21}) || e == (elementID{0, 22}) {
		return "an up time there"
	}
	if e.pen == 0 && (e.id == 3 || e.id == 38 || e.id == 39) {
		return "of the header of version 5"
	}
	return ""
}

// telegrafFields returns the fields of a metric in Influx's line protocol that
// are elements, as saidOf says them.
func telegrafFields(line string, names map[string][]elementID) map[elementID]string {
	_, body, _ := strings.Cut(line, " ")
	values := map[elementID]string{}
	for len(body) > 0 {
		name, rest, ok := strings.Cut(body, "=")
		if !ok {
			break
		}
		var value string
		if strings.HasPrefix(rest, `"`) {
			value, body, _ = strings.Cut(rest[1:], `"`)
			body = strings.TrimPrefix(body, ",")
		} else {
			end := strings.IndexAny(rest, ", ")
			if end < 0 {
				end = len(rest)
			}
			value, body = strings.TrimSuffix(rest[:end], "u"), strings.TrimPrefix(rest[end:], ",")
		}
		if strings.HasPrefix(body, " ") {
			body = "" // the time of arrival
		}
		var e elementID
		if ids := names[name]; len(ids) > 0 {
			e = ids[0]
		} else if !telegrafUnknown(name, &e) {
			continue
		}
		if v, ok := telegrafText(e, value); ok {
			values[e] = v
		}
	}
	return values
}

// telegrafUnknown reads the name of an element that Telegraf has no name for.
func telegrafUnknown(name string, e *elementID) bool {
	f := strings.Split(strings.Replace(name, "_rev_", "_", 1), "_")
	if len(f) != 3 || f[0] != "type" {
		return false
	}
	pen, err1 := strconv.ParseUint(f[1], 10, 32)
	id, err2 := strconv.ParseUint(f[2], 10, 16)
	if strings.Contains(name, "_rev_") {
		id |= certReverse
	}
	*e = elementID{uint32(pen), uint16(id) &^ enterpriseID}
	return err1 == nil && err2 == nil
}

func telegrafText(e elementID, s string) (string, bool) {
	protocols := map[string]string{"tcp": "6", "udp": "17", "icmp": "1"}
	ends := map[string]string{"idle timeout": "1", "active timeout": "2", "end of flow": "3", "forced end": "4"}
	switch {
	case e.pen == 0 && e.id == 4:
		v, ok := protocols[s]
		return v, ok
	case e.pen == 0 && e.id == 136:
		v, ok := ends[s]
		return v, ok
	case e.pen == 0 && e.id == 6:
		n := uint64(0)
		for i, c := range s {
			if c != '.' {
				n |= 1 << (len(s) - 1 - i)
			}
		}
		return strconv.FormatUint(n, 10), true
	case e.pen == 0 && e.id == 89:
		return "", false // in words
	case strings.HasPrefix(s, "0x"):
		v, err := hex.DecodeString(s[2:])
		return raw(e, v, clock{}), err == nil
	case s == "0", s == "0.0.0.0":
		return "", true
	}
	return s, true
}

// TestCounts compares how many records and options there are, of all cases.
func TestCounts(t *testing.T) {
	more := map[string]string{ // where more is read than the reference counted
		"v9-data-first": "", "Netflow-9-invalid-01": "", "it_creates_error": "",
		"PACKET_V1":               "the reference does not count records of version 1",
		"Netflow-5-invalid-01":    "the 30 records that are there, of 55,582 in the header",
		"it_parses_v5_incomplete": "the records that are whole",
		"it_parses_ipfix_with_v9_options_template_packet": goflow2Stops["it_parses_ipfix_with_v9_options_template_packet"],
		"v9_example_from_integration_test":                goflow2Stops["v9_example_from_integration_test"],
		"v9_example_from_integration_test_2":              goflow2Stops["v9_example_from_integration_test"],
	}
	equal, cases := 0, 0
	for _, set := range []string{"fluent", "ipfixcol1", "logstash", "netflow_parser", "python-netflow", "telegraf"} {
		for _, c := range flowCases(t, set) {
			var reference struct {
				Refdec struct{ Flow, Options, V5rec int }
			}
			readJSON(t, filepath.Join(c.dir, "case.json"), &reference)
			want := reference.Refdec.Flow + reference.Refdec.Options + reference.Refdec.V5rec
			got := 0
			for _, r := range c.decode(t) {
				got += int(r.Data + r.ReplayedData)
			}
			cases++
			if got == want {
				equal++
			} else if _, known := more[c.name]; !known || got < want {
				t.Errorf("%s/%s: %d data records, want %d", set, c.name, got, want)
			}
		}
	}
	t.Logf("%d of %d cases have as many data records as the reference", equal, cases)
}

// TestIpfixcol checks that what ipfixcol logs of damaged messages is told here.
func TestIpfixcol(t *testing.T) {
	for _, c := range flowCases(t, "ipfixcol1") {
		var missing, withdrawn, refused int
		var err error
		for _, r := range c.decode(t) {
			missing += len(r.Missing)
			withdrawn += r.Withdrawn
			refused += r.RefusedTemplates
			if r.err != nil {
				err = r.err
			}
		}
		switch c.name {
		case "bad-length-in-set":
			if err == nil || refused == 0 {
				t.Errorf("%s: error %v, %d templates refused; want both", c.name, err, refused)
			}
		case "only-data-no-templates":
			if missing != 3 {
				t.Errorf("%s: %d sets without template, want 3", c.name, missing)
			}
		case "withdrawal-message-256":
			if withdrawn != 1 {
				t.Errorf("%s: %d withdrawals, want 1", c.name, withdrawn)
			}
		default:
			if err != nil || missing > 0 || refused > 0 {
				t.Errorf("%s: error %v, %d sets missing, %d templates refused; want none", c.name, err, missing, refused)
			}
		}
	}
}

// TestTruth compares the totals of live exporters with the traffic that they
// were shown.
func TestTruth(t *testing.T) {
	// IP octets of the traffic. softflowd also counts the padding of Ethernet.
	const v4, mix, v4Padded, mixPadded = 655_687, 1_342_495, 656_023, 1_342_831
	for _, c := range []struct {
		name         string
		records      int
		packets, sum uint64
	}{
		{"fp1", 157, 1498, v4}, {"fp5", 158, 1498, v4}, {"fp7", 159, 1498, v4}, {"nr5", 161, 1498, v4}, {"pm5", 160, 1498, v4}, {"pm9", 288, 3440, mix},
		{"sf5", 157, 1498, v4Padded}, {"sf9", 277, 3440, mixPadded}, {"sf10", 277, 3440, mixPadded}, {"sf10b", 143, 3440, mixPadded}, {"sftcp", 143, 3440, mixPadded},
		{"ovsnf5", 200, 200, 0},
	} {
		var packets, octets uint64
		records := exported(t, c.name)
		for _, r := range records {
			packets += r.Packets + r.RevPackets
			octets += r.Bytes + r.RevBytes
		}
		if len(records) != c.records || packets != c.packets || octets != c.sum && c.sum != 0 {
			t.Errorf("%s: %d records, %d packets, %d octets; want %d, %d, %d", c.name, len(records), packets, octets, c.records, c.packets, c.sum)
		}
	}
}

// TestFieldmap checks names and types against the shared map of elements.
func TestFieldmap(t *testing.T) {
	b, err := os.ReadFile(sharedtest.Path(t, "conformance/fieldmap.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	d := NewDecoder(DefaultConfig)
	types := map[string]kind{
		"octetArray": octets, "float64": float, "float32": float, "boolean": boolean, "macAddress": mac, "string": text, "ipv4Address": ipv4, "ipv6Address": ipv6,
		"dateTimeSeconds": seconds, "dateTimeMilliseconds": milliseconds, "dateTimeMicroseconds": microseconds, "dateTimeNanoseconds": nanoseconds,
		"basicList": list, "subTemplateList": list, "subTemplateMultiList": list,
	}
	checked := 0
	for line := range strings.Lines(string(b)) {
		f := strings.Split(line, "\t")
		pen, _ := strconv.ParseUint(f[0], 10, 32)
		id, err := strconv.ParseUint(f[1], 10, 16)
		if err != nil || pen != ianaPEN && pen != reversePEN {
			continue // vendors' names differ from collector to collector
		}
		got, ok := d.lookup(elementID{uint32(pen), uint16(id)})
		want, known := types[f[3]]
		switch {
		case strings.HasPrefix(f[3], "unsigned"):
			want, known = unsigned, true
		case strings.HasPrefix(f[3], "signed"):
			want, known = signed, true
		}
		if pen == reversePEN {
			want = got.kind // the map has no type of its own for most of these
		}
		if !ok || !known || got.name != f[2] || got.kind != want {
			t.Errorf("%d.%d: %q of kind %d, want %q %s", pen, id, got.name, got.kind, f[2], f[3])
		}
		checked++
	}
	if checked < 800 {
		t.Errorf("%d elements checked, want 800 or more", checked)
	}
}
