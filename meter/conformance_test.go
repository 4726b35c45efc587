package meter_test

import (
	"bufio"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sort"
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
	switch service {
	case "tls":
		service = "ssl"
	case "mdns", "llmnr", "nbns":
		service = "dns"
	case "":
		service = "-"
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
// length, count as long as they were on the wire; and the service is of those
// protocols that we recognise.
var floors = map[string]float64{
	"id.orig_h": 0.98, "conn_state": 0.99, "service": 0.5, "history": 0.98, "duration": 0.83,
	"orig_pkts": 0.98, "resp_pkts": 0.98, "orig_ip_bytes": 0.95, "resp_ip_bytes": 0.98,
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
		rows := readZeek(t, log)
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
	var fields []string
	for field := range floors {
		fields = append(fields, field)
	}
	sort.Strings(fields)
	for _, field := range fields {
		share := float64(equal[field]) / float64(total[field])
		t.Logf("%-14s %5d of %5d equal, %.3f", field, equal[field], total[field], share)
		if !(share >= floors[field]) {
			t.Errorf("%s: %.3f equal to Zeek, want %.3f or more", field, share, floors[field])
		}
	}
}
