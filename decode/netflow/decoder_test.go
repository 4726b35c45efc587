package netflow

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/flowrec"
)

var epoch = time.Unix(exportTime, 0)

// feed decodes messages one second apart and returns what the last one told.
func feed(t *testing.T, d *Decoder, messages ...[]byte) *Message {
	t.Helper()
	m := &Message{}
	for i, b := range messages {
		if err := d.Decode(m, b, 2055, epoch.Add(time.Duration(i)*time.Second)); err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
	}
	return m
}

func TestRecord(t *testing.T) {
	m := feed(t, NewDecoder(DefaultConfig),
		v9Message(7, 1, dataSet(0, templateRecord(256, basic...))), v9Message(7, 2, dataSet(256, basicRecord(1000), basicRecord(1001))))
	want := flowrec.Record{
		Start: (exportTime - 10) * 1e6, End: (exportTime - 5) * 1e6, Exported: exportTime * 1e6, Domain: 7, Sampling: 1,
		Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("192.0.2.1"), SrcPort: 1000, DstPort: 443,
		Proto: weir.TCP, Flags: 0x1b, HasFlags: true, Bytes: 1500, Packets: 3,
	}
	if len(m.Records) != 2 || m.Records[0] != want || m.Records[1].SrcPort != 1001 {
		t.Errorf("records %+v, want %+v and one with port 1001", m.Records, want)
	}
	if m.Version != 9 || m.Domain != 7 || m.Sequence != 2 || m.Uptime != 100*time.Second || !m.Exported.Equal(epoch) || m.Data != 2 || m.HeaderCount != 1 {
		t.Errorf("header %+v", m)
	}
}

func TestAdvance(t *testing.T) {
	d := NewDecoder(DefaultConfig)
	for _, c := range []struct {
		name  string
		b     []byte
		n     uint32
		known bool
	}{
		{"v5", v5Message(3), 3, true},
		{"v9", v9Message(1, 1, dataSet(0, templateRecord(256, basic...))), 1, true},
		{"ipfix without template", ipfixMessage(1, 1, dataSet(256, basicRecord(1))), 0, false},
		{"ipfix with template", ipfixMessage(2, 1, dataSet(2, templateRecord(256, basic...)), dataSet(256, basicRecord(1), basicRecord(2))), 2, true},
	} {
		var m Message
		if err := d.Decode(&m, c.b, 1, epoch); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if n, known := m.Advance(); n != c.n || known != c.known {
			t.Errorf("%s: Advance() = %d, %v, want %d, %v", c.name, n, known, c.n, c.known)
		}
	}
}

// TestHeldData checks that data before its template waits for it: in the same
// message, and from another port of the same domain, and that held sets have
// the times of their own message.
func TestHeldData(t *testing.T) {
	d := NewDecoder(DefaultConfig)
	var m Message
	early := ipfixMessage(1, 0, dataSet(256, basicRecord(1), basicRecord(2)))
	binary.BigEndian.PutUint32(early[4:], exportTime-100)
	if err := d.Decode(&m, early, 1, epoch); err != nil || len(m.Missing) != 1 || !m.Missing[0].Held || m.Missing[0].Template != 256 {
		t.Fatalf("data first: %v, missing %+v; want set 256 held", err, m.Missing)
	}
	template := ipfixMessage(1, 0, dataSet(256, basicRecord(3)), dataSet(2, templateRecord(256, basic...)), dataSet(256, basicRecord(4)))
	if err := d.Decode(&m, template, 2, epoch); err != nil {
		t.Fatal(err)
	}
	var ports []uint16
	for _, r := range m.Records {
		ports = append(ports, r.SrcPort)
	}
	if !slices.Equal(ports, []uint16{1, 2, 3, 4}) || m.Replayed != 3 || m.ReplayedData != 3 || m.Data != 1 {
		t.Errorf("records of ports %v, %d replayed, %d data; want 1 to 4, 3 replayed, 1 data", ports, m.Replayed, m.Data)
	}
	if got := m.Records[0].Exported; got != (exportTime-100)*1e6 {
		t.Errorf("held record exported at %d, want the time of its message", got)
	}
	if d.heldBytes != 0 || len(d.held) != 0 {
		t.Errorf("%d octets in %d lists still held", d.heldBytes, len(d.held))
	}
}

func TestHeldDataExpires(t *testing.T) {
	d := NewDecoder(DefaultConfig)
	var m Message
	data := v9Message(1, 0, dataSet(256, basicRecord(1)))
	for range 3 {
		_ = d.Decode(&m, data, 1, epoch)
	}
	if err := d.Decode(&m, v9Message(1, 0), 1, epoch.Add(DefaultConfig.HoldFor)); err != nil {
		t.Fatal(err)
	}
	if m.ExpiredSets != 3 || m.ExpiredBytes != 3*30 || d.heldBytes != 0 {
		t.Errorf("%d sets, %d octets given up, %d octets held; want 3, 90, 0", m.ExpiredSets, m.ExpiredBytes, d.heldBytes)
	}
}

func TestHeldDataIsBounded(t *testing.T) {
	c := DefaultConfig
	c.MaxHeldBytes = 300
	d := NewDecoder(c)
	var m Message
	held, dropped := 0, 0
	for range 5 {
		_ = d.Decode(&m, v9Message(1, 0, dataSet(256, basicRecord(1))), 1, epoch)
		for _, s := range m.Missing {
			if s.Held {
				held++
			} else {
				dropped++
			}
		}
	}
	if held != 2 || dropped != 3 {
		t.Errorf("%d sets held, %d dropped; want 2 and 3 in %d octets", held, dropped, c.MaxHeldBytes)
	}
}

func TestTemplateOfAnotherPort(t *testing.T) {
	d := NewDecoder(DefaultConfig)
	var m Message
	_ = d.Decode(&m, v9Message(1, 0, dataSet(0, templateRecord(256, basic...))), 61853, epoch)
	if err := d.Decode(&m, v9Message(1, 1, dataSet(256, basicRecord(9))), 65156, epoch); err != nil || len(m.Records) != 1 {
		t.Errorf("%d records, %v; want 1 by the template of the other port", len(m.Records), err)
	}
	// A template of its own goes before that of another port.
	_ = d.Decode(&m, v9Message(1, 2, dataSet(0, templateRecord(256, spec(8, 4)))), 65156, epoch)
	_ = d.Decode(&m, v9Message(1, 3, dataSet(0, templateRecord(256, basic...))), 61853, epoch)
	if _ = d.Decode(&m, v9Message(1, 4, dataSet(256, []byte{10, 0, 0, 9})), 65156, epoch); len(m.Records) != 1 || m.Records[0].Src != netip.MustParseAddr("10.0.0.9") {
		t.Errorf("records %+v, want one from 10.0.0.9", m.Records)
	}
	// Another domain has templates of its own.
	if _ = d.Decode(&m, v9Message(2, 0, dataSet(256, basicRecord(9))), 61853, epoch); len(m.Records) != 0 || len(m.Missing) != 1 {
		t.Errorf("domain 2: %d records, missing %v; want none, and the set", len(m.Records), m.Missing)
	}
}

// TestTwoExporters checks that data of an exporter that sends templates of its
// own waits for them and is not read by those of its neighbour.
func TestTwoExporters(t *testing.T) {
	d := NewDecoder(DefaultConfig)
	var m Message
	_ = d.Decode(&m, v9Message(0, 0, dataSet(0, templateRecord(256, spec(8, 4)))), 1, epoch)
	_ = d.Decode(&m, v9Message(0, 0, dataSet(0, templateRecord(257, basic...)), dataSet(256, basicRecord(1))), 2, epoch)
	if len(m.Records) != 0 || len(m.Missing) != 1 {
		t.Errorf("%d records, missing %v; want none, and the set", len(m.Records), m.Missing)
	}
	_ = d.Decode(&m, v9Message(0, 0, dataSet(0, templateRecord(256, spec(12, 4)))), 1, epoch)
	if len(m.Records) != 0 {
		t.Errorf("%d records by the template of the other", len(m.Records))
	}
	_ = d.Decode(&m, v9Message(0, 0, dataSet(0, templateRecord(256, basic...))), 2, epoch)
	if len(m.Records) != 1 || m.Records[0].SrcPort != 1 || len(d.held) != 0 {
		t.Errorf("records %+v, want that of port 1", m.Records)
	}
	_ = d.Decode(&m, ipfixMessage(0, 0, dataSet(256, basicRecord(1))), 2, epoch)
	if len(m.Records) != 0 || len(m.Missing) != 1 {
		t.Errorf("IPFIX: %d records by a template of version 9", len(m.Records))
	}
}

func TestTemplateChanges(t *testing.T) {
	d := NewDecoder(DefaultConfig)
	template := v9Message(1, 0, dataSet(0, templateRecord(256, basic...)))
	if m := feed(t, d, template); m.NewTemplates != 1 || m.ChangedTemplates != 0 {
		t.Errorf("first: %d new, %d changed; want 1, 0", m.NewTemplates, m.ChangedTemplates)
	}
	if m := feed(t, d, template); m.NewTemplates != 0 || m.ChangedTemplates != 0 {
		t.Errorf("again: %d new, %d changed; want none", m.NewTemplates, m.ChangedTemplates)
	}
	changed := v9Message(1, 1, dataSet(0, templateRecord(256, spec(8, 4), spec(12, 4))), dataSet(256, []byte{10, 0, 0, 1, 10, 0, 0, 2}))
	if m := feed(t, d, changed); m.ChangedTemplates != 1 || len(m.Records) != 1 || m.Records[0].Dst != netip.MustParseAddr("10.0.0.2") {
		t.Errorf("changed: %d changed, records %+v; want 1 to 10.0.0.2", m.ChangedTemplates, m.Records)
	}
	if n := d.Templates(1); n != 1 {
		t.Errorf("%d templates, want 1", n)
	}
}

func TestWithdrawal(t *testing.T) {
	for _, session := range []bool{false, true} {
		c := DefaultConfig
		c.Session = session
		d := NewDecoder(c)
		feed(t, d, ipfixMessage(1, 0, dataSet(2, templateRecord(256, basic...), templateRecord(257, basic...), templateRecord(258, basic...)),
			dataSet(3, optionsRecord(260, 1, spec(149, 4), spec(34, 4)))))
		left := map[bool][2]int{false: {4, 4}, true: {3, 1}}[session]
		if m := feed(t, d, ipfixMessage(1, 0, dataSet(2, u16(u16(nil, 257), 0)))); m.Withdrawn != 1 || d.Templates(1) != left[0] {
			t.Errorf("session %v: %d withdrawn, %d left; want 1, %d", session, m.Withdrawn, d.Templates(1), left[0])
		}
		if m := feed(t, d, ipfixMessage(1, 0, dataSet(2, u16(u16(nil, 2), 0)))); m.Withdrawn != 1 || d.Templates(1) != left[1] {
			t.Errorf("session %v: all data templates withdrawn: %d left, want %d", session, d.Templates(1), left[1])
		}
	}
}

// TestSampling goes through the ways in which exporters tell their rate.
func TestSampling(t *testing.T) {
	withSampler := append(slices.Clone(basic), spec(48, 1))
	record := func(sampler byte) []byte { return append(basicRecord(1), sampler) }
	data := func(b []byte) []byte { return v9Message(1, 9, dataSet(256, b)) }
	plain := v9Message(1, 0, dataSet(0, templateRecord(256, basic...)))
	sampled := v9Message(1, 0, dataSet(0, templateRecord(256, withSampler...)))
	v9Options := func(id uint16, values []byte, scopes uint16, specs ...[]byte) []byte {
		return v9Message(1, 0, dataSet(1, v9OptionsRecord(id, scopes, specs...)), dataSet(id, values))
	}
	ipfixOptions := func(values []byte, scopes uint16, specs ...[]byte) []byte {
		return ipfixMessage(1, 0, dataSet(3, optionsRecord(300, scopes, specs...)), dataSet(300, values))
	}
	v5 := v5Message(1)
	v5[22], v5[23] = 0x40|1, 0x2c // deterministic, 300
	override := DefaultConfig
	override.Sampling = 50
	selected := ipfixMessage(1, 0, dataSet(2, templateRecord(256, append(slices.Clone(basic), spec(302, 8))...)), dataSet(256, u64(basicRecord(1), 5)))
	for _, c := range []struct {
		name     string
		config   Config
		messages [][]byte
		rate     uint32
		unknown  bool
	}{
		{"none", DefaultConfig, [][]byte{plain, data(basicRecord(1))}, 1, false},
		{"version 5", DefaultConfig, [][]byte{v5}, 300, false},
		{"override", override, [][]byte{v5}, 50, false},
		{"domain", DefaultConfig, [][]byte{v9Options(300, u32(u32(nil, 0), 100), 1, spec(1, 4), spec(34, 4)), plain, data(basicRecord(1))}, 100, false},
		{"sampler", DefaultConfig, [][]byte{v9Options(300, u32([]byte{0, 0, 0, 0, 7}, 512), 1, spec(1, 4), spec(48, 1), spec(50, 4)), sampled, data(record(7))}, 512, false},
		{"sampler of 4 octets", DefaultConfig, [][]byte{v9Options(300, u32(u32(u32(nil, 0), 7), 512), 1, spec(1, 4), spec(48, 4), spec(50, 4)), sampled, data(record(7))}, 512, false},
		{"sampler not told", DefaultConfig, [][]byte{sampled, data(record(7))}, 1, true},
		{"no sampler", DefaultConfig, [][]byte{sampled, data(record(0))}, 1, false},
		{"the only sampler, not named", DefaultConfig, [][]byte{v9Options(300, u32([]byte{0, 0, 0, 0, 7}, 512), 1, spec(1, 4), spec(48, 1), spec(50, 4)), plain, data(basicRecord(1))}, 512, false},
		{"interval in the record", DefaultConfig, [][]byte{v9Message(1, 0, dataSet(0, templateRecord(256, append(slices.Clone(basic), spec(34, 4))...)), dataSet(256, u32(basicRecord(1), 64)))}, 64, false},
		{"packet interval and space", DefaultConfig, [][]byte{ipfixOptions(u32(u32(u32(nil, 1), 1), 999), 1, spec(149, 4), spec(305, 4), spec(306, 4)), ipfixMessage(1, 0, dataSet(2, templateRecord(256, basic...)), dataSet(256, basicRecord(1)))}, 1000, false},
		{"n out of N for a selector", DefaultConfig, [][]byte{ipfixOptions(u32(u32(u16(u64(nil, 5), 3), 10), 1000), 1, spec(302, 8), spec(304, 2), spec(309, 4), spec(310, 4)), selected}, 100, false},
		{"probability for a selector", DefaultConfig, [][]byte{ipfixOptions(u64(u64(nil, 5), 0x3f847ae147ae147b), 1, spec(302, 8), spec(311, 8)), selected}, 100, false},
		{"selector not told", DefaultConfig, [][]byte{selected}, 1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := feed(t, NewDecoder(c.config), c.messages...)
			if len(m.Records) != 1 {
				t.Fatalf("%d records, want 1", len(m.Records))
			}
			if r := m.Records[0]; r.Sampling != c.rate || r.SamplingUnknown != c.unknown || m.SamplingUnknown != c.unknown {
				t.Errorf("sampling %d, unknown %v; want %d, %v", r.Sampling, r.SamplingUnknown, c.rate, c.unknown)
			}
		})
	}
}

func TestInterfaceSampling(t *testing.T) {
	d := NewDecoder(DefaultConfig)
	fields := append(slices.Clone(basic), spec(10, 2), spec(14, 2))
	feed(t, d, v9Message(1, 0, dataSet(1, v9OptionsRecord(300, 1, spec(2, 4), spec(34, 4))), dataSet(300, u32(u32(nil, 3), 10), u32(u32(nil, 4), 20)),
		dataSet(0, templateRecord(256, fields...))))
	m := feed(t, d, v9Message(1, 1, dataSet(256, u16(u16(basicRecord(1), 3), 9), u16(u16(basicRecord(2), 9), 4), u16(u16(basicRecord(3), 8), 9))))
	for i, want := range []uint32{10, 20, 1} {
		if got := m.Records[i].Sampling; got != want {
			t.Errorf("record %d in by %d, out by %d: 1 in %d, want 1 in %d", i, m.Records[i].InIf, m.Records[i].OutIf, got, want)
		}
	}
}

func TestTimeoutsAndNames(t *testing.T) {
	d := NewDecoder(DefaultConfig)
	m := feed(t, d,
		v9Message(1, 0, dataSet(1, v9OptionsRecord(300, 1, spec(1, 4), spec(36, 2), spec(37, 2))), dataSet(300, u16(u16(u32(nil, 0), 1800), 15))))
	if m.ActiveTimeout != 30*time.Minute || m.InactiveTimeout != 15*time.Second {
		t.Errorf("timeouts %v and %v, want 30m and 15s", m.ActiveTimeout, m.InactiveTimeout)
	}
	name := make([]byte, 24)
	copy(name, "secure-http")
	fields := append(slices.Clone(basic), spec(95, 4), spec(234, 4), spec(65000, 2), spec(148, 4))
	record := u32(u16(u32(u32(basicRecord(1), 13<<24|453), 9), 0xabcd), 12)
	data := v9Message(1, 0, dataSet(256, record))
	m = feed(t, d, v9Message(1, 0, dataSet(0, templateRecord(256, fields...))), data)
	want := []string{"ingressVRFID=9", "0.65000=abcd", "flowId=12", "applicationId=0d0001c5"}
	if got := m.Records[0].More.Extra; !slices.Equal(got, want) {
		t.Errorf("before names are told: %q, want %q", got, want)
	}
	vrf := make([]byte, 16)
	copy(vrf, "guest")
	m = feed(t, d,
		v9Message(1, 0, dataSet(1, v9OptionsRecord(301, 1, spec(1, 4), spec(95, 4), spec(96, 24))), dataSet(301, append(u32(u32(nil, 0), 13<<24|453), name...))),
		v9Message(1, 0, dataSet(1, v9OptionsRecord(302, 1, spec(1, 4), spec(234, 4), spec(236, 16))), dataSet(302, append(u32(u32(nil, 0), 9), vrf...))),
		data)
	if got := m.Records[0].More; got.App != "tls" || got.VRF != "guest" || !slices.Equal(got.Extra, want[1:3]) {
		t.Errorf("after: %+v, want tls, guest, %q", got, want[1:3])
	}
}

// TestOtherAddresses reads records whose addresses are in other elements.
func TestOtherAddresses(t *testing.T) {
	avc := dataSet(2, templateRecord(256, enterprise(ciscoPEN, 12236, 4), enterprise(ciscoPEN, 12237, 4), enterprise(ciscoPEN, 12241, 2), spec(298, 4), spec(299, 4)))
	r := feed(t, NewDecoder(DefaultConfig), ipfixMessage(1, 0, avc, dataSet(256, u32(u32(u16([]byte{10, 0, 0, 1, 10, 0, 0, 2}, 443), 5), 6)))).Records[0]
	if r.Src != netip.MustParseAddr("10.0.0.1") || r.Dst != netip.MustParseAddr("10.0.0.2") || r.DstPort != 443 || r.Packets != 5 || r.RevPackets != 6 || r.Initiator != flowrec.SrcBegan {
		t.Errorf("client and server: %+v", r)
	}
	wlan := dataSet(0, templateRecord(256, spec(365, 6), spec(366, 4), spec(1, 4)))
	r = feed(t, NewDecoder(DefaultConfig), v9Message(1, 0, wlan, dataSet(256, u32([]byte{2, 0, 0, 0, 0, 1, 10, 0, 0, 1}, 99)))).Records[0]
	if r.Src != netip.MustParseAddr("10.0.0.1") || r.SrcMAC != (flowrec.MAC{2, 0, 0, 0, 0, 1}) || r.Bytes != 99 {
		t.Errorf("station: %+v", r)
	}
}

// TestExplainedElements checks the type information of RFC 5610.
func TestExplainedElements(t *testing.T) {
	d := NewDecoder(DefaultConfig)
	record := u16(u32(nil, 64999), 12|enterpriseID)
	record = append(record, 3, 7)
	record = append(record, "=score;"...)
	feed(t, d, ipfixMessage(1, 0, dataSet(3, optionsRecord(300, 2, spec(346, 4), spec(303, 2), spec(339, 1), spec(341, variable))), dataSet(300, record)))
	m := feed(t, d, ipfixMessage(1, 0, dataSet(2, templateRecord(256, append(slices.Clone(basic), enterprise(64999, 12, 4))...)), dataSet(256, u32(basicRecord(1), 77))))
	if got := m.Records[0].More; got == nil || !slices.Equal(got.Extra, []string{"score=77"}) {
		t.Errorf("More %+v, want score=77", got)
	}
}

func TestBiflow(t *testing.T) {
	reverse := func(id, n uint16) []byte { return enterprise(reversePEN, id, n) }
	fields := append(slices.Clone(basic[:8]), spec(152, 8), spec(153, 8), reverse(1, 8), reverse(2, 8), reverse(6, 1), reverse(153, 8), reverse(5, 1), spec(239, 1))
	record := basicRecord(1000)[:22]
	record = u64(u64(u64(u64(record, 5_000), 6_000), 900), 4)
	record = append(record, 0x12)
	record = append(u64(record, 7_000), 0x28, 2)
	m := feed(t, NewDecoder(DefaultConfig), ipfixMessage(1, 0, dataSet(2, templateRecord(256, fields...)), dataSet(256, record)))
	r := m.Records[0]
	if !r.Biflow || r.RevBytes != 900 || r.RevPackets != 4 || r.RevFlags != 0x12 || r.Start != 5e6 || r.End != 7e6 || r.Initiator != flowrec.DstBegan {
		t.Errorf("record %+v, want a biflow of 900 octets back, to 7 s, begun by Dst", r)
	}
	if got := r.More; got == nil || !slices.Equal(got.Extra, []string{"reverseIpClassOfService=40"}) {
		t.Errorf("More %+v, want reverseIpClassOfService=40", got)
	}
}

// TestFirewall reads the events of a Cisco ASA: what both sides sent, the
// translation, the user and the ACL.
func TestFirewall(t *testing.T) {
	fields := append(slices.Clone(basic[:5]), spec(225, 4), spec(226, 4), spec(227, 2), spec(228, 2), spec(233, 1), spec(33002, 2),
		spec(323, 8), spec(152, 8), spec(231, 4), spec(232, 4), spec(298, 4), spec(299, 4), spec(33000, 12), spec(33001, 12), spec(40000, 20))
	record := append(basicRecord(1000)[:13], 203, 0, 113, 9, 192, 0, 2, 1)
	record = u16(append(u16(u16(record, 40122), 443), 3), 1001)
	record = u64(u64(record, 1_700_000_000_500), 1_700_000_000_100)
	record = u32(u32(u32(u32(record, 111), 222), 3), 4)
	record = append(record, 0x0f, 0x8e, 0x7f, 0xf3, 0xfc, 0x1a, 3, 15, 0, 0, 0, 0)
	record = append(record, make([]byte, 12)...)
	user := make([]byte, 20)
	copy(user, "ACME\\j.doe")
	record = append(record, user...)
	m := feed(t, NewDecoder(DefaultConfig), v9Message(1, 0, dataSet(0, templateRecord(256, fields...)), dataSet(256, record)))
	r := m.Records[0]
	if r.Bytes != 111 || r.RevBytes != 222 || r.Packets != 3 || r.RevPackets != 4 || !r.Biflow || r.Initiator != flowrec.SrcBegan ||
		r.DataUp != 111 || r.DataDown != 222 || !r.HasData || r.Start != 1_700_000_000_100_000 || r.End != 1_700_000_000_500_000 {
		t.Errorf("record %+v", r)
	}
	want := flowrec.More{
		SrcUser: "ACME\\j.doe", Action: "denied", ACL: "0f8e7ff3-fc1a030f-00000000", Extra: []string{"firewallExtendedEvent=1001"},
		NAT: &weir.NAT{Src: netip.MustParseAddr("203.0.113.9"), Dst: netip.MustParseAddr("192.0.2.1"), SrcPort: 40122, DstPort: 443},
	}
	if !reflect.DeepEqual(*r.More, want) {
		t.Errorf("More %+v, NAT %+v; want %+v", *r.More, *r.More.NAT, want)
	}
}

// TestProbe reads the elements of ntop's nProbe, in IPFIX and in version 9,
// where they have other numbers.
func TestProbe(t *testing.T) {
	values := []struct {
		id    uint16
		value string
	}{
		{119, "TLS.Google"}, {188, "WWW.Example.com"}, {493, "\x13\x01"}, {495, "\x03\x04"}, {489, "e7d705a3286e19ea42f587b344ee6865"},
		{576, "t13d1516h2_8daaf6152771_02713d6af862"}, {187, "Portal.example.com"}, {180, "/login?user=joe"}, {360, "GET"}, {181, "\x00\xc8"},
		{183, "curl/8"}, {205, "Www.Example.com"}, {206, "\x12\x34"}, {207, "\x00\x1c"}, {208, "\x00\x03"}, {398, "192.0.2.7"},
	}
	for _, v9 := range []bool{true, false} {
		fields, record := slices.Clone(basic), basicRecord(1000)
		for _, v := range values {
			n := uint16(len(v.value))
			if v9 {
				fields = append(fields, spec(ntopV9Base+v.id, n))
			} else {
				fields = append(fields, enterprise(ntopPEN, v.id, variable))
				record = append(record, byte(n))
			}
			record = append(record, v.value...)
		}
		message := ipfixMessage(1, 0, dataSet(2, templateRecord(256, fields...)), dataSet(256, record))
		if v9 {
			message = v9Message(1, 0, dataSet(0, templateRecord(256, fields...)), dataSet(256, record))
		}
		m := feed(t, NewDecoder(DefaultConfig), message)
		r := m.Records[0]
		want := flowrec.More{
			App:  "tls",
			TLS:  &weir.TLS{SNI: "www.example.com", Cipher: "TLS_AES_128_GCM_SHA256", Version: "1.3", JA3: values[4].value, JA4: values[5].value},
			HTTP: &weir.HTTP{Host: "portal.example.com", URI: "/login?user=*", Method: "GET", Status: 200, UserAgent: "curl/8"},
			DNS: &weir.DNSTransaction{
				Time: time.UnixMicro(r.Start).UTC(), Src: r.Src, Dst: r.Dst, SrcPort: 1000, DstPort: 443, Proto: weir.TCP, App: "dns",
				Query: "www.example.com", ID: 0x1234, Type: "AAAA", Code: "NXDOMAIN", Answers: []string{"192.0.2.7"},
			},
		}
		if !reflect.DeepEqual(*r.More, want) {
			t.Errorf("version 9 %v: got %+v %+v %+v %+v, want %+v %+v %+v", v9, *r.More, r.More.TLS, r.More.HTTP, r.More.DNS, want.TLS, want.HTTP, want.DNS)
		}
	}
}

func TestVendors(t *testing.T) {
	sub := func(app uint32, sub uint16, s string) []byte { return append(u16(u32(nil, app), sub), s...) }
	list := append([]byte{3, 460 >> 8, 460 & 255, 255, 255, 9}, "list.host"...)
	for _, c := range []struct {
		name   string
		fields []field
		values [][]byte
		check  func(*flowrec.Record) (got, want any)
	}{
		{"Cisco AVC", []field{{elementID{9, 12235}, variable}, {elementID{9, 12235}, variable}, {elementID{9, 12235}, variable}},
			[][]byte{sub(subHTTP, subHost, "Example.org"), sub(subHTTP, subURL, "/a?b=c"), sub(subHTTP, subUserAgent, "x")},
			func(r *flowrec.Record) (any, any) {
				return *r.More.HTTP, weir.HTTP{Host: "example.org", URI: "/a?b=*", UserAgent: "x"}
			}},
		{"Palo Alto", []field{iana(371, variable)}, [][]byte{[]byte("acme\\joe")},
			func(r *flowrec.Record) (any, any) { return r.More.SrcUser, "acme\\joe" }},
		{"VMware", []field{{elementID{vmwarePEN, 950}, 4}, {elementID{vmwarePEN, 880}, 1}}, [][]byte{u32(nil, 1005), {6}},
			func(r *flowrec.Record) (any, any) { return r.More.ACL + " " + r.More.Extra[0], "1005 tenantProtocol=6" }},
		{"Open vSwitch", []field{{elementID{vmwarePEN, 891}, 1}}, [][]byte{{1}},
			func(r *flowrec.Record) (any, any) { return r.More.Tunnel, "vxlan" }},
		{"Citrix", []field{{elementID{citrixPEN, 142}, variable}, {elementID{citrixPEN, 144}, 2}}, [][]byte{[]byte("App.example"), u16(nil, 404)},
			func(r *flowrec.Record) (any, any) { return *r.More.HTTP, weir.HTTP{Host: "app.example", Status: 404} }},
		{"Barracuda", []field{{elementID{barracudaPEN, 4}, variable}}, [][]byte{[]byte("LAN-2-INTERNET")},
			func(r *flowrec.Record) (any, any) { return r.More.ACL, "LAN-2-INTERNET" }},
		{"nProbe's flags", []field{{elementID{ntopPEN, 78}, 1}, {elementID{ntopPEN, 79}, 1}, {elementID{ntopPEN, 118}, 2}}, [][]byte{{2}, {0x12}, {0, 82}},
			func(r *flowrec.Record) (any, any) {
				return []any{r.Flags, r.RevFlags, r.More.Extra[0]}, []any{weir.SYN, weir.SYN | weir.ACK, "l7Proto=82"}
			}},
		{"nProbe's other direction", []field{iana(23, 4), iana(24, 4), {elementID{ntopPEN, 118}, 2}}, [][]byte{u32(nil, 70), u32(nil, 1), {0, 82}},
			func(r *flowrec.Record) (any, any) {
				return []any{r.Biflow, r.RevBytes, r.RevPackets}, []any{true, uint64(70), uint64(1)}
			}},
		{"after a middlebox", []field{iana(23, 4)}, [][]byte{u32(nil, 70)},
			func(r *flowrec.Record) (any, any) {
				return []any{r.Biflow, r.RevBytes, r.More.Extra[0]}, []any{false, uint64(0), "postOctetDeltaCount=70"}
			}},
		{"YAF", []field{{elementID{certPEN, 33}, 2}}, [][]byte{u16(nil, 22)},
			func(r *flowrec.Record) (any, any) { return r.More.App, "ssh" }},
		{"a basicList", []field{iana(460, variable)}, [][]byte{list},
			func(r *flowrec.Record) (any, any) { return r.More.HTTP.Host, "list.host" }},
		{"repeated element", []field{iana(1, 4)}, [][]byte{u32(nil, 77)},
			func(r *flowrec.Record) (any, any) {
				return []any{r.Bytes, r.More.Extra[0]}, []any{uint64(1500), "octetDeltaCount=77"}
			}},
		{"Cisco NBAR, by port", []field{iana(95, 4)}, [][]byte{u32(nil, 3<<24|22)},
			func(r *flowrec.Record) (any, any) { return r.More.App, "ssh" }},
	} {
		fields, record := slices.Clone(basic), basicRecord(1000)
		for i, f := range c.fields {
			if f.pen == 0 {
				fields = append(fields, spec(f.id, f.length))
			} else {
				fields = append(fields, enterprise(f.pen, f.id, f.length))
			}
			if f.length == variable {
				record = append(record, byte(len(c.values[i])))
			}
			record = append(record, c.values[i]...)
		}
		m := feed(t, NewDecoder(DefaultConfig), ipfixMessage(1, 0, dataSet(2, templateRecord(256, fields...)), dataSet(256, record)))
		if len(m.Records) != 1 || m.Records[0].More == nil {
			t.Errorf("%s: records %+v", c.name, m.Records)
			continue
		}
		if got, want := c.check(&m.Records[0]); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", c.name, got, want)
		}
	}
}

func TestDropExtra(t *testing.T) {
	c := DefaultConfig
	c.DropExtra = true
	fields := append(slices.Clone(basic), spec(148, 4), spec(40000, 8))
	record := append(u32(basicRecord(1), 5), "joe     "...)
	m := feed(t, NewDecoder(c), v9Message(1, 0, dataSet(0, templateRecord(256, fields...)), dataSet(256, record)))
	if more := m.Records[0].More; more == nil || len(more.Extra) != 0 || more.SrcUser != "joe" {
		t.Errorf("More %+v, want a user and nothing extra", more)
	}
}

// TestUptimeOfIPFIX checks that up times count from the time of boot, told in
// the record or in options, and else keep their distance.
func TestUptimeOfIPFIX(t *testing.T) {
	boot := uint64(exportTime-1000) * 1000
	template := dataSet(2, templateRecord(256, basic...))
	data := dataSet(256, basicRecord(1))
	options := dataSet(3, optionsRecord(300, 1, spec(143, 4), spec(160, 8)))
	own := dataSet(2, templateRecord(257, append(slices.Clone(basic), spec(160, 8))...))
	for name, c := range map[string]struct {
		b          []byte
		start, end int64
	}{
		"options": {ipfixMessage(1, 0, options, dataSet(300, u64(u32(nil, 1), boot)), template, data), exportTime - 910, exportTime - 905},
		"record":  {ipfixMessage(1, 0, own, dataSet(257, u64(basicRecord(1), boot))), exportTime - 910, exportTime - 905},
		"not":     {ipfixMessage(1, 0, template, data), exportTime - 5, exportTime},
	} {
		r := feed(t, NewDecoder(DefaultConfig), c.b).Records[0]
		if r.Start != c.start*1e6 || r.End != c.end*1e6 {
			t.Errorf("boot time told in %s: from %d to %d, want %d to %d", name, r.Start, r.End, c.start*1_000_000, c.end*1_000_000)
		}
	}
}

func TestUptimeBeginsAgain(t *testing.T) {
	m := v5Message(1)
	binary.BigEndian.PutUint32(m[4:], 2000)                // 2 s after zero
	binary.BigEndian.PutUint32(m[24+24:], 0xffffffff-7999) // 8 s before it
	binary.BigEndian.PutUint32(m[24+28:], 1000)
	r := feed(t, NewDecoder(DefaultConfig), m).Records[0]
	if r.Start != (exportTime-10)*1e6 || r.End != (exportTime-1)*1e6 {
		t.Errorf("from %d to %d, want 10 s and 1 s before %d", r.Start, r.End, exportTime)
	}
}

// TestPSAMP reads packets reported one by one (RFC 5476).
func TestPSAMP(t *testing.T) {
	ip := []byte{0x45, 0, 0, 60, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 192, 0, 2, 1, 0x30, 0x39, 1, 0xbb, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0, 0, 0, 0, 0, 0}
	fields := [][]byte{spec(324, 8), spec(313, variable)}
	record := append(u64(nil, (exportTime-5+2208988800)<<32), byte(len(ip)))
	m := feed(t, NewDecoder(DefaultConfig), ipfixMessage(1, 0, dataSet(2, templateRecord(256, fields...)), dataSet(256, append(record, ip...))))
	if len(m.Records) != 1 {
		t.Fatalf("%d records, want 1", len(m.Records))
	}
	r := m.Records[0]
	if r.Src != netip.MustParseAddr("10.0.0.1") || r.DstPort != 443 || r.Proto != weir.TCP || r.Packets != 1 || r.Bytes != 60 || r.Flags != weir.SYN ||
		r.Start != (exportTime-5)*1e6 || r.End != r.Start {
		t.Errorf("record %+v, want a SYN of 60 octets", r)
	}
}

// TestDamaged checks what is read of messages that are cut off or wrong.
func TestDamaged(t *testing.T) {
	template := dataSet(2, templateRecord(256, basic...))
	good := dataSet(256, basicRecord(1))
	short := ipfixMessage(1, 0, template, good)
	binary.BigEndian.PutUint16(short[2:], uint16(len(short)-2)) // the header forgets two octets
	v5 := v5Message(3)
	binary.BigEndian.PutUint16(v5[2:], 55582)
	two := append(ipfixMessage(1, 0, template, good), ipfixMessage(1, 1, good)...)
	for _, c := range []struct {
		name    string
		b       []byte
		err     error
		records int
	}{
		{"nothing", nil, ErrTruncated, 0},
		{"version 240", []byte{0, 240, 0, 0}, ErrVersion, 0},
		{"header of v9", []byte{0, 9, 0, 1}, ErrTruncated, 0},
		{"set cut off", ipfixMessage(1, 0, template, good, u16(u16(nil, 256), 100)), ErrTruncated, 1},
		{"set of 3 octets", ipfixMessage(1, 0, template, good, []byte{1, 0, 0, 3}), ErrSetLength, 1},
		{"padding after the last set", ipfixMessage(1, 0, template, good, []byte{0, 0, 0, 0}), nil, 1},
		{"length without padding", short, nil, 1},
		{"count beyond the end", v5, ErrTruncated, 3},
		{"two messages", two, nil, 2},
		{"reserved set", ipfixMessage(1, 0, dataSet(17, []byte{1, 2, 3, 4}), template, good), nil, 1},
	} {
		var m Message
		if err := NewDecoder(DefaultConfig).Decode(&m, c.b, 1, epoch); !errors.Is(err, c.err) || len(m.Records) != c.records {
			t.Errorf("%s: %d records, error %v; want %d, %v", c.name, len(m.Records), err, c.records, c.err)
		}
	}
}

// TestCounters checks that what is not kept is counted.
func TestCounters(t *testing.T) {
	fields := [][]byte{spec(8, 4)}
	record := []byte{10, 0, 0, 1}
	for i := range 100 {
		fields, record = append(fields, spec(uint16(60_000+i), 1)), append(record, 1)
	}
	m := feed(t, NewDecoder(DefaultConfig), v9Message(1, 0, dataSet(0, templateRecord(256, fields...)), dataSet(256, record)))
	if got := len(m.Records[0].More.Extra); got != maxExtra || m.CutExtra != 100-maxExtra {
		t.Errorf("%d elements extra, %d cut; want %d of 100", got, m.CutExtra, maxExtra)
	}
	m = feed(t, NewDecoder(DefaultConfig), v9Message(1, 0, dataSet(0, templateRecord(256, spec(1, 4))), dataSet(256, u32(u32(nil, 1), 2))))
	if m.Data != 2 || m.NoFlow != 2 || len(m.Records) != 0 {
		t.Errorf("without addresses: %d data, %d no flow, %d records; want 2, 2, 0", m.Data, m.NoFlow, len(m.Records))
	}
	d := NewDecoder(DefaultConfig)
	ignored := 0
	for i := range 10 {
		var rates [][]byte
		for n := range 1000 {
			rates = append(rates, u32(u32(nil, uint32(i*1000+n+1)), 5))
		}
		ignored += feed(t, d, v9Message(1, 0, dataSet(1, v9OptionsRecord(300, 1, spec(2, 4), spec(34, 4))), dataSet(300, rates...))).IgnoredOptions
	}
	if want := 10_000 - maxRules; ignored != want {
		t.Errorf("%d facts ignored, want %d", ignored, want)
	}
	if m = feed(t, d, v9Message(1, 0, dataSet(9, []byte{1, 2, 3, 4}))); m.ReservedSets != 1 {
		t.Errorf("%d reserved sets, want 1", m.ReservedSets)
	}
}

// TestHostile feeds what should cost much and checks that it does not.
func TestHostile(t *testing.T) {
	many := func(n int) (b []byte) {
		for range n {
			b = append(b, spec(8, 4)...)
		}
		return append(u16(u16(nil, 300), uint16(n)), b...)
	}
	floods := func(n int, message func(i int) []byte) (b [][]byte) {
		for i := range n {
			b = append(b, message(i))
		}
		return b
	}
	nested := bytes.Repeat([]byte{3, 1, 0x25, 0xff, 0xff, 255, 0xff, 0xff}, 500)
	for _, c := range []struct {
		name     string
		messages [][]byte
		refused  bool
	}{
		{"zero length", [][]byte{v9Message(1, 0, dataSet(0, templateRecord(300, spec(8, 0), spec(12, 0))), dataSet(300, make([]byte, 1000)))}, true},
		{"no fields", [][]byte{v9Message(1, 0, dataSet(0, templateRecord(300)), dataSet(300, make([]byte, 1000)))}, true},
		{"16,000 fields", [][]byte{v9Message(1, 0, dataSet(0, many(16_000)), dataSet(300, make([]byte, 100)))}, true},
		{"65,535 fields told", [][]byte{v9Message(1, 0, dataSet(0, u16(u16(nil, 300), 65535)))}, true},
		{"1,000 fields of no length", [][]byte{v9Message(1, 0, dataSet(0, templateRecord(300, append(slices.Repeat([][]byte{spec(60001, 0)}, 1000), spec(60000, 1))...)), dataSet(300, make([]byte, 60_000))),
			ipfixMessage(1, 0, dataSet(3, optionsRecord(300, 1000, append(slices.Repeat([][]byte{spec(149, 0)}, 1000), spec(34, 1))...)), dataSet(300, make([]byte, 60_000)))}, false},
		{"lists in lists", [][]byte{ipfixMessage(1, 0, dataSet(2, templateRecord(300, spec(8, 4), spec(291, variable), spec(460, variable))),
			dataSet(300, append([]byte{1, 2, 3, 4, 255, 0x0f, 0xa0}, append(nested, append([]byte{255, 0x0f, 0xa0}, nested...)...)...)))}, false},
		{"records of one octet", [][]byte{ipfixMessage(1, 0, dataSet(2, templateRecord(300, spec(8, variable))), dataSet(300, make([]byte, 60_000)))}, false},
		{"20,000 templates", floods(20_000, func(i int) []byte {
			return v9Message(uint32(i/1000), 0, dataSet(0, templateRecord(uint16(256+i), spec(8, 4), spec(uint16(i), 8))))
		}), false},
		{"20,000 domains", floods(20_000, func(i int) []byte {
			return v9Message(uint32(i), 0, dataSet(1, v9OptionsRecord(300, 1, spec(1, 4), spec(34, 4))), dataSet(300, u32(u32(nil, 0), uint32(i))))
		}), false},
		{"20,000 sets without templates", floods(20_000, func(i int) []byte {
			return v9Message(uint32(i), 0, dataSet(300, make([]byte, 1000)))
		}), false},
		{"40,000 applications", floods(40, func(i int) []byte {
			b := [][]byte{}
			for n := range 1000 {
				b = append(b, append(u32(u32(nil, 0), uint32(i*1000+n)), "a name"...))
			}
			return v9Message(1, 0, dataSet(1, v9OptionsRecord(301, 1, spec(1, 4), spec(95, 4), spec(96, 6))), dataSet(301, b...))
		}), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			d := NewDecoder(DefaultConfig)
			var m Message
			refused, began := 0, time.Now()
			for _, b := range c.messages {
				_ = d.Decode(&m, b, 1, epoch)
				refused += m.RefusedTemplates
			}
			took := time.Since(began)
			runtime.GC()
			runtime.ReadMemStats(&after)
			if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 16<<20 {
				t.Errorf("%d MB kept, want at most 16", grown>>20)
			}
			if limit := 5*time.Second + time.Duration(len(c.messages))*time.Millisecond; took > limit { // a hundredth, but for a busy machine
				t.Errorf("took %v, want at most %v", took, limit)
			}
			if (refused > 0) != c.refused {
				t.Errorf("%d templates refused, want some: %v", refused, c.refused)
			}
			if len(d.templates) > DefaultConfig.MaxTemplates || len(d.domains) > DefaultConfig.MaxDomains || d.heldBytes > DefaultConfig.MaxHeldBytes || len(d.apps) > maxApps {
				t.Errorf("%d templates, %d domains, %d octets held, %d applications", len(d.templates), len(d.domains), d.heldBytes, len(d.apps))
			}
			runtime.KeepAlive(d)
		})
	}
}

// TestEviction checks that the templates that are used stay.
func TestEviction(t *testing.T) {
	c := DefaultConfig
	c.MaxTemplates = 10
	d := NewDecoder(c)
	feed(t, d, v9Message(1, 0, dataSet(0, templateRecord(256, basic...))))
	evicted := 0
	for i := range 100 {
		m := feed(t, d, v9Message(2, 0, dataSet(0, templateRecord(uint16(300+i), basic...))))
		evicted += m.EvictedTemplates
		if m := feed(t, d, v9Message(1, 0, dataSet(256, basicRecord(1)))); len(m.Records) != 1 {
			t.Fatalf("after %d templates of others: %d records, want 1", i+1, len(m.Records))
		}
	}
	if evicted != 91 || d.fields != 10*len(basic) {
		t.Errorf("%d evicted, %d fields left; want 91, %d", evicted, d.fields, 10*len(basic))
	}
}

func TestState(t *testing.T) {
	d := NewDecoder(DefaultConfig)
	name := make([]byte, 8)
	copy(name, "http")
	explain := append(append(u16(u32(nil, 64999), 12), 3, 5), "score"...)
	feed(t, d,
		v9Message(1, 0, dataSet(0, templateRecord(256, append(slices.Clone(basic), spec(95, 4), spec(48, 1))...)),
			dataSet(1, v9OptionsRecord(300, 1, spec(1, 4), spec(48, 1), spec(50, 4))), dataSet(300, u32([]byte{0, 0, 0, 0, 7}, 512))),
		v9Message(1, 0, dataSet(1, v9OptionsRecord(301, 1, spec(1, 4), spec(95, 4), spec(96, 8))), dataSet(301, append(u32(u32(nil, 0), 13<<24|80), name...))),
		ipfixMessage(2, 0, dataSet(3, optionsRecord(300, 2, spec(346, 4), spec(303, 2), spec(339, 1), spec(341, variable))), dataSet(300, explain),
			dataSet(2, templateRecord(256, append(slices.Clone(basic), enterprise(64999, 12, 4))...)),
			dataSet(3, optionsRecord(303, 1, spec(10, 4), spec(34, 4))), dataSet(303, u32(u32(nil, 3), 8))))
	state := d.AppendState([]byte("before"))
	if string(state[:6]) != "before" {
		t.Fatal("AppendState does not append")
	}
	state = state[6:]
	e := NewDecoder(DefaultConfig)
	if err := e.LoadState(state); err != nil {
		t.Fatal(err)
	}
	data := v9Message(1, 1, dataSet(256, append(u32(basicRecord(1), 13<<24|80), 7)))
	r := feed(t, e, data).Records[0]
	if r.Sampling != 512 || r.More == nil || r.More.App != "http" {
		t.Errorf("record %+v, More %+v; want 1:512 and http", r, r.More)
	}
	r = feed(t, e, ipfixMessage(2, 1, dataSet(256, u32(basicRecord(1), 77)))).Records[0]
	if r.More == nil || !slices.Equal(r.More.Extra, []string{"score=77"}) {
		t.Errorf("More %+v, want score=77", r.More)
	}
	if e.domains[2].interfaces[3] != 8 {
		t.Errorf("rates of interfaces %v, want 3: 8", e.domains[2].interfaces)
	}
	for n := range state {
		if err := NewDecoder(DefaultConfig).LoadState(state[:n]); err == nil && n < len(stateMagic) {
			t.Errorf("LoadState takes %d octets of a state", n)
		}
	}
}

func TestElements(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(elementTable), "\n")[1:]
	if got := elements(); len(got) != len(lines) {
		t.Errorf("%d elements of %d lines: some are there twice", len(got), len(lines))
	}
	for _, line := range lines {
		f := strings.Split(line, "\t")
		if _, ok := kindNames[f[len(f)-1]]; len(f) != 4 || !ok {
			t.Errorf("line %q, want enterprise, number, name and type", line)
		}
	}
	for e := range homes {
		if _, ok := NewDecoder(DefaultConfig).lookup(e); !ok {
			t.Errorf("element %v has a home and is not in elements.tsv", e)
		}
	}
	for e := range moreUses {
		if _, ok := elements()[e]; !ok {
			t.Errorf("element %v is used and is not in elements.tsv", e)
		}
	}
}

// FuzzDecode feeds several datagrams, cut out of the input, into one decoder,
// saves its state and loads it again.
func FuzzDecode(f *testing.F) {
	join := func(messages ...[]byte) (b []byte) {
		for _, m := range messages {
			b = append(u16(b, uint16(len(m))), m...)
		}
		return b
	}
	for _, m := range typical() {
		f.Add(join(m[0], m[1], m[1]))
		f.Add(join(m[1], m[0]))
	}
	f.Add(join(ipfixMessage(1, 0, dataSet(2, templateRecord(256, spec(8, 4), spec(460, variable), spec(291, variable))), dataSet(256, []byte{1, 2, 3, 4, 3, 'a', 'b', 'c', 0}))))
	f.Add(join(v9Message(1, 0, dataSet(1, v9OptionsRecord(300, 1, spec(1, 4), spec(48, 1), spec(50, 4))), dataSet(300, u32([]byte{0, 0, 0, 0, 7}, 512)))))
	f.Add(join(v9Message(1, 0, dataSet(0, templateRecord(256, spec(8, 4), spec(ntopV9Base+205, 10), spec(40000, 4), spec(225, 4))), dataSet(256, []byte("1234www.ab.cd.joe9999"), make([]byte, 3)))))
	f.Fuzz(func(t *testing.T, b []byte) {
		d := NewDecoder(DefaultConfig)
		var m Message
		for port := uint16(0); len(b) >= 2; port++ {
			n := min(int(binary.BigEndian.Uint16(b)), len(b)-2)
			_ = d.Decode(&m, b[2:2+n], port%3, epoch)
			if len(m.Records)-m.Replayed > n {
				t.Fatalf("%d records in %d octets", len(m.Records), n)
			}
			b = b[2+n:]
		}
		state := d.AppendState(nil)
		e := NewDecoder(DefaultConfig)
		if err := e.LoadState(state); err != nil {
			t.Fatalf("LoadState of AppendState: %v", err)
		}
		if len(e.templates) != len(d.templates) {
			t.Fatalf("%d templates loaded of %d", len(e.templates), len(d.templates))
		}
	})
}

func FuzzLoadState(f *testing.F) {
	d := NewDecoder(DefaultConfig)
	var m Message
	for _, b := range typical() {
		if b[0] != nil {
			_ = d.Decode(&m, b[0], 1, epoch)
		}
	}
	f.Add(d.AppendState(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		d := NewDecoder(DefaultConfig)
		_ = d.LoadState(b)
		for _, m := range typical() {
			var got Message
			_ = d.Decode(&got, m[1], 1, epoch)
		}
	})
}

// TestShared checks that records with the same cold fields share their More.
func TestShared(t *testing.T) {
	d := NewDecoder(DefaultConfig)
	messages := typical()["v9"]
	m := feed(t, d, messages[0], messages[1])
	if m.Records[0].More == nil || m.Records[0].More != m.Records[1].More {
		t.Errorf("More %p and %p, want one", m.Records[0].More, m.Records[1].More)
	}
	if want := []string{"sourceIPv4PrefixLength=24", "destinationIPv4PrefixLength=16"}; !slices.Equal(m.Records[0].More.Extra, want) {
		t.Errorf("Extra %q, want %q", m.Records[0].More.Extra, want)
	}

}
