package meter_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/sharedtest"
	"github.com/weir-nta/weir/meter"
)

// A row is one line of a Zeek log, by column.
type row map[string]string

func readZeek(t testing.TB, name string) (rows []row) {
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var fields []string
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		cols := strings.Split(lines.Text(), "\t")
		if cols[0] == "#fields" {
			fields = cols[1:]
		}
		if strings.HasPrefix(cols[0], "#") || len(cols) != len(fields) {
			continue
		}
		r := row{}
		for i, c := range cols {
			r[fields[i]] = c
		}
		rows = append(rows, r)
	}
	return rows
}

// ends names the two ends of a conversation, whichever of them began.
func ends(proto, a, ap, b, bp string) string {
	x, y := a+" "+ap, b+" "+bp
	if y < x {
		x, y = y, x
	}
	return proto + " " + x + " " + y
}

func endsOfRow(r row) string {
	proto := r["proto"]
	if n, err := strconv.ParseUint(r["ip_proto"], 10, 8); err == nil && proto == "unknown_transport" {
		proto = weir.Proto(n).String()
	}
	if proto == "icmp" && strings.Contains(r["id.orig_h"], ":") {
		proto = "icmp6"
	}
	if strings.HasPrefix(proto, "icmp") {
		return ends(proto, r["id.orig_h"], "", r["id.resp_h"], "")
	}
	return ends(proto, r["id.orig_h"], r["id.orig_p"], r["id.resp_h"], r["id.resp_p"])
}

func endsOfFlow(f *weir.Flow) string {
	if f.ICMP != nil {
		return ends(f.Proto.String(), f.Src.String(), "", f.Dst.String(), "")
	}
	return ends(f.Proto.String(), f.Src.String(), fmt.Sprint(f.SrcPort), f.Dst.String(), fmt.Sprint(f.DstPort))
}

// A metered trace of the Zeek test suite.
type trace struct {
	name  string
	flows map[string][]*weir.Flow
	n     int
}

func meterTraces(t testing.TB, root string) (traces []trace) {
	c := meter.DefaultConfig()
	c.Active = maxActive // Zeek writes no slices
	err := filepath.WalkDir(filepath.Join(root, "Traces"), func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		tr := trace{name: strings.TrimPrefix(name, root), flows: map[string][]*weir.Flow{}}
		meterFrames(t, readCapture(t, name), c, func(b *weir.Batch) error {
			for i := range b.Flows {
				k := endsOfFlow(&b.Flows[i])
				tr.flows[k] = append(tr.flows[k], &b.Flows[i])
				tr.n++
			}
			return nil
		})
		traces = append(traces, tr)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return traces
}

const maxActive = 24 * 3600e9

// traceOf returns the trace that a log was made of. The folder does not say,
// so it is the one in which all of its conversations occur, with the fewest
// others and most equal fields.
func traceOf(traces []trace, rows []row) *trace {
	var best *trace
	bestScore := math.Inf(-1)
	for i := range traces {
		tr := &traces[i]
		score := -math.Abs(float64(tr.n - len(rows)))
		for _, r := range rows {
			flows := tr.flows[endsOfRow(r)]
			if len(flows) == 0 {
				score = math.Inf(-1)
				break
			}
			for field, got := range compare(flows[0], r) {
				if got == r[field] {
					score += 0.01
				}
			}
		}
		if score > bestScore {
			best, bestScore = tr, score
		}
	}
	return best
}

// compare returns what Weir says for the fields of a row.
func compare(f *weir.Flow, r row) row {
	service := ""
	if !f.AppGuessed {
		service = f.App
	}
	if zeek, ok := zeekNames[service]; ok {
		service = zeek
	}
	duration := fmt.Sprintf("%.6f", f.Duration.Seconds())
	if f.Duration == 0 {
		duration = "-"
	}
	history := f.History
	if history == "" {
		history = "-"
	}
	all := row{
		"id.orig_h": f.Src.String(), "conn_state": f.State.String(), "service": service, "history": history, "duration": duration,
		"orig_pkts": fmt.Sprint(f.PacketsUp), "resp_pkts": fmt.Sprint(f.PacketsDown),
		"orig_ip_bytes": fmt.Sprint(f.BytesUp), "resp_ip_bytes": fmt.Sprint(f.BytesDown),
	}
	for field := range all {
		want, ok := r[field]
		uncounted := want == "-" && (strings.HasSuffix(field, "_pkts") || strings.HasSuffix(field, "_ip_bytes"))
		if !ok || uncounted { // the test leaves the column out, or runs without the analyzer that counts
			delete(all, field)
		}
	}
	return all
}

// zeekNames are what Zeek calls the protocols that have another name here.
var zeekNames = map[string]string{
	"": "-", "tls": "ssl", "mdns": "dns", "llmnr": "dns", "nbns": "dns", "ldap": "ldap_tcp", "kerberos": "krb",
}

// nearest takes the flow with the most equal fields out of the list.
func nearest(flows []*weir.Flow, r row) (*weir.Flow, []*weir.Flow) {
	best, most := 0, -1
	for i, f := range flows {
		n := 0
		for field, got := range compare(f, r) {
			if got == r[field] {
				n++
			}
		}
		if n > most {
			best, most = i, n
		}
	}
	f := flows[best]
	return f, append(append([]*weir.Flow(nil), flows[:best]...), flows[best+1:]...)
}

// floors is the share of equal values per field below which the test fails.
// What differs is in the log of go test -v. The reasons: Zeek's duration leaves
// out what trails after both ends have closed, and ours does not; tests run
// with bare scripts know no ports of servers and do not flip; Zeek flips NTP by
// what it says; packets of TCP segmentation offload, whose header has no
// length, count as long as they were on the wire; and of services one is HTTP/0.9.
var floors = map[string]float64{
	"id.orig_h": 0.975, "conn_state": 0.99, "service": 0.98, "history": 0.975, "duration": 0.82,
	"orig_pkts": 0.98, "resp_pkts": 0.97, "orig_ip_bytes": 0.95, "resp_ip_bytes": 0.97,
}

// otherwise are the logs that say something else than what the packets do.
var otherwise = map[string]string{
	"scripts.base.protocols.ssh.half-duplex-server": "its trace is not there, only that of the other direction",
	"core.local-flip":                  "flipped because the test declares local networks",
	"core.pcap.dynamic-filter":         "made with a filter on the packets",
	"core.pcap.read-trace-with-filter": "made with a filter on the packets",
}

// same reports whether Weir says what Zeek does. Of services Weir names one,
// the outermost, and Zeek all it found.
func same(field, got, want string) bool {
	if field == "service" {
		return slices.Contains(strings.Split(want, ","), got)
	}
	return got == want
}

func TestZeekConn(t *testing.T) {
	root := sharedtest.Path(t, "conformance/zeek/testing/btest")
	traces := meterTraces(t, root)
	logs, err := filepath.Glob(filepath.Join(root, "Baseline", "*", "conn.log"))
	if err != nil || len(logs) == 0 {
		t.Fatalf("no conn.log below %s: %v", root, err)
	}
	equal, total := map[string]int{}, map[string]int{}
	untraced, missed := 0, 0
	for _, log := range logs {
		test := filepath.Base(filepath.Dir(log))
		if why := otherwise[test]; why != "" {
			t.Logf("%s left out: %s", test, why)
			continue
		}
		rows := slices.DeleteFunc(readZeek(t, log), func(r row) bool { return r["service"] == "geneve" || r["service"] == "vxlan" }) // Weir counts what is within, once
		tr := traceOf(traces, rows)
		if tr == nil {
			t.Logf("%s: no trace with all of its conversations", test)
			untraced++
			continue
		}
		left := map[string][]*weir.Flow{}
		for k, flows := range tr.flows {
			left[k] = flows
		}
		for _, r := range rows {
			k := endsOfRow(r)
			if len(left[k]) == 0 {
				t.Logf("%s: %s: told once more by Zeek: %s %s", test, tr.name, k, r["history"])
				missed++
				continue
			}
			var f *weir.Flow
			f, left[k] = nearest(left[k], r)
			for field, got := range compare(f, r) {
				want := r[field]
				if field == "service" && want == "-" {
					continue // most tests run without the analyzers
				}
				total[field]++
				if same(field, got, want) {
					equal[field]++
				} else {
					t.Logf("%s: %s: %s: %s = %s, want %s", test, tr.name, k, field, got, want)
				}
			}
		}
	}
	t.Logf("%d logs, %d without trace, %d rows without flow", len(logs), untraced, missed)
	report(t, floors, equal, total)
}

// dnsFloors are the same for the fields of dns.log. What differs: Zeek says *
// for ANY, leaves the type out without a query, writes out SPF, DS, LOC and the
// parts of a dynamic update in its own way. What it lists of the fields of a
// record we do not read (DNSKEY, RRSIG, DS) stands in the bytes of RFC 3597.
var dnsFloors = map[string]float64{
	"id.orig_h": 1, "trans_id": 1, "query": 0.85, "qtype_name": 0.62, "rcode_name": 1, "AA": 0.95, "RD": 0.95, "RA": 0.91, "rtt": 0.83,
	"TTLs": 0.87, "answers": 0.58,
}

func compareDNS(d *weir.DNSTransaction, r row) row {
	dash := func(s string) string {
		if s == "" {
			return "-"
		}
		return s
	}
	flag := func(b bool) string {
		if b {
			return "T"
		}
		return "F"
	}
	var ttls []string
	for _, ttl := range d.TTLs {
		ttls = append(ttls, fmt.Sprintf("%d.000000", ttl))
	}
	rtt := "-"
	if d.RTT > 0 {
		rtt = fmt.Sprintf("%.6f", d.RTT.Seconds())
	}
	all := row{
		"id.orig_h": d.Src.String(), "trans_id": fmt.Sprint(d.ID), "query": dash(d.Query), "qtype_name": dash(d.Type),
		"rcode_name": dash(d.Code), "AA": flag(d.Authoritative), "RD": flag(d.RecursionDesired), "RA": flag(d.RecursionAvailable),
		"rtt": rtt, "TTLs": dash(strings.Join(ttls, ",")), "answers": dash(strings.Join(d.Answers, ",")),
	}
	for field := range all {
		if _, ok := r[field]; !ok {
			delete(all, field)
		}
	}
	return all
}

func TestZeekDNS(t *testing.T) {
	root := sharedtest.Path(t, "conformance/zeek/testing/btest")
	logs, err := filepath.Glob(filepath.Join(root, "Baseline", "*", "dns.log"))
	if err != nil || len(logs) == 0 {
		t.Fatalf("no dns.log below %s: %v", root, err)
	}
	transactions := dnsOfTraces(t, root)
	equal, total := map[string]int{}, map[string]int{}
	untraced := 0
	for _, log := range logs {
		test := filepath.Base(filepath.Dir(log))
		rows := readZeek(t, log)
		var list []weir.DNSTransaction
		fewest := math.MaxInt
		for _, all := range transactions {
			if holdsAll(all, rows) && len(all) < fewest {
				list, fewest = slices.Clone(all), len(all)
			}
		}
		if list == nil {
			t.Logf("%s: no trace with all of its transactions", test)
			untraced++
			continue
		}
		for _, r := range rows {
			i := slices.IndexFunc(list, func(d weir.DNSTransaction) bool { return sameQuestion(&d, r) })
			if i < 0 {
				t.Logf("%s: told once more by Zeek: %v", test, r)
				continue
			}
			for field, got := range compareDNS(&list[i], r) {
				total[field]++
				if want := r[field]; got == want {
					equal[field]++
				} else {
					t.Logf("%s: %s %s: %s = %s, want %s", test, r["trans_id"], r["query"], field, got, want)
				}
			}
			list = slices.Delete(list, i, i+1)
		}
	}
	t.Logf("%d logs, %d without trace", len(logs), untraced)
	report(t, dnsFloors, equal, total)
}

func dnsOfTraces(t testing.TB, root string) (all [][]weir.DNSTransaction) {
	err := filepath.WalkDir(filepath.Join(root, "Traces"), func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		var list []weir.DNSTransaction
		meterFrames(t, readCapture(t, name), meter.DefaultConfig(), func(b *weir.Batch) error {
			list = append(list, b.DNS...)
			return nil
		})
		if list != nil {
			all = append(all, list)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func sameQuestion(d *weir.DNSTransaction, r row) bool {
	return fmt.Sprint(d.ID) == r["trans_id"] && fmt.Sprint(d.SrcPort) == r["id.orig_p"] &&
		(d.Src.String() == r["id.orig_h"] || d.Dst.String() == r["id.orig_h"])
}

func holdsAll(all []weir.DNSTransaction, rows []row) bool {
	for _, r := range rows {
		if !slices.ContainsFunc(all, func(d weir.DNSTransaction) bool { return sameQuestion(&d, r) }) {
			return false
		}
	}
	return true
}

// report prints the share that is equal and fails below the floor.
func report(t *testing.T, floors map[string]float64, equal, total map[string]int) {
	t.Helper()
	for _, field := range slices.Sorted(maps.Keys(floors)) {
		share := float64(equal[field]) / float64(total[field])
		t.Logf("%-14s %5d of %5d equal, %.3f", field, equal[field], total[field], share)
		if !(share >= floors[field]) {
			t.Errorf("%s: %.3f equal, want %.3f or more", field, share, floors[field])
		}
	}
}

// TestCommunityID meters the captures of the specification: every flow has an
// ID that the specification lists, and every ID it lists has a flow.
func TestCommunityID(t *testing.T) {
	root := sharedtest.Path(t, "conformance/community-id")
	b, err := os.ReadFile(filepath.Join(root, "baseline", "baseline_deflt.json"))
	if err != nil {
		t.Fatal(err)
	}
	var list []struct {
		CommunityID string
	}
	if err := json.Unmarshal(b, &list); err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for _, e := range list {
		want[e.CommunityID] = true
	}
	got := map[string]bool{}
	captures, err := filepath.Glob(filepath.Join(root, "pcaps", "*.pcap*"))
	if err != nil || len(captures) == 0 {
		t.Fatalf("no captures below %s: %v", root, err)
	}
	for _, name := range captures {
		meterFrames(t, readCapture(t, name), meter.DefaultConfig(), func(b *weir.Batch) error {
			for i := range b.Flows {
				f := &b.Flows[i]
				got[f.CID()] = true
				if !want[f.CID()] {
					t.Errorf("%s: %v %v:%d %v:%d: %s, which is not listed", filepath.Base(name), f.Proto, f.Src, f.SrcPort, f.Dst, f.DstPort, f.CID())
				}
			}
			return nil
		})
	}
	for id := range want {
		if !got[id] {
			t.Errorf("no flow with %s", id)
		}
	}
	t.Logf("%d IDs", len(got))
}
