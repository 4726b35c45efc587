package main

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/store/memory"
)

var reported = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// reports makes the rows of an exporter, one for each minute of the hour
// before reported, the last one so long before it.
func reports(x weir.Exporter, before time.Duration) (rows []weir.Exporter) {
	for i := range 60 {
		r := x
		r.Time = reported.Add(-before - time.Duration(59-i)*time.Minute)
		r.Since, r.Seen, r.Rate = r.Time.Add(-time.Minute), r.Time.Add(-time.Second), float64(r.Records)/60
		rows = append(rows, r)
	}
	return rows
}

// told runs weir sensors on a store with these rows.
func told(t *testing.T, f *formatFlags, rows []weir.Exporter) string {
	t.Helper()
	st, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Append(t.Context(), &weir.Batch{Exporters: rows}); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	f.time, f.color = "iso", "never"
	if err := sensors(t.Context(), streams{out: &out, err: &out}, f, st, "x", 24*time.Hour); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestSensors(t *testing.T) {
	edge := weir.Exporter{Sensor: "edge", Addr: netip.MustParseAddr("192.0.2.1"), Kind: "netflow9", Domain: 256, Input: "udp [::]:2055",
		Datagrams: 100, Records: 3000, Templates: 4}
	with := func(change func(*weir.Exporter)) weir.Exporter {
		x := edge
		change(&x)
		return x
	}
	for _, c := range []struct {
		name   string
		x      weir.Exporter
		silent time.Duration
		want   []string
		wantNo []string
	}{
		{"well", edge, 0, []string{"edge", "192.0.2.1", "netflow9", "256", "50", "Nothing was lost"}, []string{"lost between", "gone", "clock", "timeout"}},
		{"long active timeout", with(func(x *weir.Exporter) { x.ActiveTimeout = 30 * time.Minute }), 0, []string{
			"edge (192.0.2.1, netflow9, domain 256)", "active timeout 30 min",
			"beacon: calls from one port (UDP, connections kept open) come as one record every 30 min: of these, beacons under 10 min are invisible here",
			"longconn: a connection shows every 30 min",
		}, nil},
		{"short active timeout", with(func(x *weir.Exporter) { x.ActiveTimeout = time.Minute }), 0, nil, []string{"active timeout"}},
		{"sampled", with(func(x *weir.Exporter) { x.Sampling = 100 }), 0, []string{
			"sampled 1:100", "beacon: 1 packet in 100 gives no timing score", "portscan: one probe in 100 is seen", "1:100",
		}, nil},
		{"sampled a little", with(func(x *weir.Exporter) { x.Sampling = 4 }), 0, []string{"sampled 1:4", "beacon: of 1 packet in 4"}, []string{"no timing score"}},
		{"rate not told", with(func(x *weir.Exporter) { x.SamplingUnknown = true }), 0, []string{"rate that it does not tell"}, nil},
		{"one way", with(func(x *weir.Exporter) { x.OneWay = 0.95 }), 0, []string{"one direction only of 95 % of conversations", "portscan: of 95 % of conversations it is not known"}, nil},
		{"lost datagrams", with(func(x *weir.Exporter) { x.Lost = 14 }), 0, []string{"12 % of datagrams lost between exporter and here (840 by its sequence numbers)", "portscan: 12 % of probes"}, nil},
		{"lost records", with(func(x *weir.Exporter) { x.Kind, x.Lost = "netflow5", 3 }), 0, []string{"0.1 % of records lost"}, []string{"probes are missing"}},
		{"kernel", with(func(x *weir.Exporter) { x.DroppedKernel = 50 }), 0, []string{"3,000 datagrams dropped by the kernel", "beacon: 20 % of calls are missing"}, nil},
		{"templates", with(func(x *weir.Exporter) { x.MissingTemplates, x.HeldLost = []uint32{260, 261}, 2 }), 0, []string{"120 sets of data given up: their template did not come (260, 261)"}, nil},
		{"unread", with(func(x *weir.Exporter) { x.DroppedDecoder, x.DroppedLimit = 1, 2 }), 0, []string{"60 could not be read", "120 not looked at because of a limit"}, nil},
		{"store", with(func(x *weir.Exporter) { x.DroppedStore = 7 }), 0, []string{"420 records not kept"}, nil},
		{"behind", with(func(x *weir.Exporter) { x.Skew = 3 * time.Hour }), 0, []string{"clock 3 h behind", "beacon: intervals are not touched"}, nil},
		{"ahead", with(func(x *weir.Exporter) { x.Skew = -90 * time.Second }), 0, []string{"clock 90 s ahead"}, []string{"intervals are not"}},
		{"restarts", with(func(x *weir.Exporter) { x.Restarts = 1 }), 0, []string{"restarted 60 times"}, nil},
		{"gone", edge, 3 * time.Hour, []string{"gone: silent for 3 h, since 2026-11-21 08:59:59Z"}, nil},
		{"gone for days", edge, 72 * time.Hour, []string{"gone: silent for 3 days"}, nil},
		{"file", with(func(x *weir.Exporter) { x.Kind, x.Domain = "pcap", 0 }), 72 * time.Hour, nil, []string{"gone"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			other := edge
			other.Sensor, other.Addr, other.Domain = "core", netip.MustParseAddr("192.0.2.2"), 0
			got := told(t, &formatFlags{format: "table"}, append(reports(c.x, c.silent), reports(other, 0)...))
			for _, w := range c.want {
				if !strings.Contains(got, w) {
					t.Errorf("want %q in:\n%s", w, got)
				}
			}
			for _, w := range c.wantNo {
				if strings.Contains(got, w) {
					t.Errorf("want no %q in:\n%s", w, got)
				}
			}
		})
	}
}

// TestSensorsFormats checks that programs get the words too.
func TestSensorsFormats(t *testing.T) {
	x := weir.Exporter{Sensor: "edge", Kind: "ipfix", Records: 3000, Sampling: 100}
	got := told(t, &formatFlags{format: "ndjson"}, reports(x, 0))
	for _, w := range []string{`"sensor":"edge"`, `"rate":50`, `"sampling":"1:100"`, `sampled 1:100: beacon: 1 packet in 100 gives no timing score`} {
		if !strings.Contains(got, w) {
			t.Errorf("want %q in:\n%s", w, got)
		}
	}
	got = told(t, &formatFlags{format: "table"}, reports(weir.Exporter{Sensor: "lab", Kind: "pcap", Records: 10}, 0))
	if !strings.Contains(got, "Nothing was lost") {
		t.Errorf("want it said that nothing was lost in:\n%s", got)
	}
}
