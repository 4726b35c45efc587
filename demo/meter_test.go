package demo

import (
	"cmp"
	"net/netip"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/packet"
	"github.com/weir-nta/weir/meter"
)

// fromPackets returns what Weir's own decoder and meter make of the packets.
func fromPackets(t *testing.T) *weir.Batch {
	t.Helper()
	got := &weir.Batch{}
	conf := meter.DefaultConfig()
	conf.Sensor, conf.Active = "core-1", activeTimeout
	m, err := meter.New(conf, func(b *weir.Batch) error {
		for r := range b.Records {
			got.Add(r)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	d := packet.NewDecoder(packet.Config{})
	for i, p := range capture(t) {
		var decoded packet.Packet
		ts := p.Metadata().Timestamp.UnixNano()
		if err := d.Decode(&decoded, 1, p.Data(), len(p.Data()), ts); err != nil {
			t.Fatalf("packet %d: %v", i, err)
		}
		if err := m.Packet(ts, &decoded); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	return got
}

// TestMeterGivesTheRecords sends the packets through Weir's own decoder and
// meter, and wants the records that the demo gives without packets.
func TestMeterGivesTheRecords(t *testing.T) {
	got, want := fromPackets(t), &weir.Batch{}
	got.Flows = slices.DeleteFunc(got.Flows, func(f weir.Flow) bool {
		return f.Proto == weir.UDP && (f.DstPort == 53 || f.DstPort == 5353) // not in Records
	})
	for i := range all().Flows {
		if f := &all().Flows[i]; f.Sensor == "core-1" && f.Slice == 0 && !f.Ongoing && captured(f.Start, f.End) {
			want.Flows = append(want.Flows, *f)
		}
	}
	for i := range all().DNS {
		if d := &all().DNS[i]; captured(d.Time, d.Time.Add(d.RTT)) {
			want.DNS = append(want.DNS, *d)
		}
	}
	for _, b := range []*weir.Batch{got, want} {
		slices.SortFunc(b.Flows, func(x, y weir.Flow) int { return cmp.Or(x.Start.Compare(y.Start), cmp.Compare(x.SrcPort, y.SrcPort)) })
		slices.SortFunc(b.DNS, func(x, y weir.DNSTransaction) int { return cmp.Or(x.Time.Compare(y.Time), cmp.Compare(x.ID, y.ID)) })
	}
	options := gocmp.Options{
		cmpopts.EquateComparable(netip.Addr{}, time.Time{}),
		cmpopts.EquateEmpty(),
		// An exporter adds these, and guesses applications in its own way.
		cmpopts.IgnoreFields(weir.Flow{}, "App", "AppGuessed", "SrcASN", "SrcOrg", "SrcCountry", "DstASN", "DstOrg", "DstCountry"),
		// Only packets tell these.
		cmpopts.IgnoreFields(weir.Flow{}, "TTLUp", "TTLDown", "SrcMAC", "DstMAC", "TCP", "Shape"),
	}
	if diff := gocmp.Diff(want.Flows, got.Flows, options); diff != "" {
		t.Errorf("flows differ (-records +meter):\n%.4000s", diff)
	}
	if diff := gocmp.Diff(want.DNS, got.DNS, options); diff != "" {
		t.Errorf("look-ups differ (-records +meter):\n%.4000s", diff)
	}
	if len(got.Oddities) > 0 {
		t.Errorf("oddities: %+v", got.Oddities)
	}
}
