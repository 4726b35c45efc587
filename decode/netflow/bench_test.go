package netflow

import (
	"testing"
	"time"
)

// router is a template as Cisco and Juniper routers have it.
var router = [][]byte{
	spec(8, 4), spec(12, 4), spec(15, 4), spec(10, 4), spec(14, 4), spec(2, 4), spec(1, 4), spec(22, 4), spec(21, 4),
	spec(7, 2), spec(11, 2), spec(6, 1), spec(4, 1), spec(5, 1), spec(16, 4), spec(17, 4), spec(9, 1), spec(13, 1),
	spec(61, 1), spec(48, 1),
}

func routerRecord(i int) []byte {
	b := []byte{10, 0, byte(i >> 8), byte(i), 198, 51, 100, byte(i), 192, 0, 2, 254}
	for _, v := range []uint32{3, 7, 12, 1500, 90_000, 95_000} {
		b = u32(b, v)
	}
	b = u16(u16(b, 50_000+uint16(i)), 443)
	b = append(b, 0x1b, 6, 0)
	b = u32(u32(b, 64500), 64510)
	return append(b, 24, 16, 0, 0)
}

// probe is a template as probes have it for IPv6, in IPFIX.
var probe = [][]byte{
	spec(27, 16), spec(28, 16), spec(152, 8), spec(153, 8), spec(1, 8), spec(2, 8), spec(7, 2), spec(11, 2),
	spec(4, 1), spec(6, 2), spec(5, 1), spec(10, 4), spec(14, 4), spec(136, 1), spec(60, 1), spec(58, 2),
}

func probeRecord(i int) []byte {
	b := append([]byte{0x20, 1, 0xd, 0xb8, 15: byte(i)}, append([]byte{0x20, 1, 0xd, 0xb8, 15: 2}, u64(u64(nil, exportTime*1000-9000), exportTime*1000)...)...)
	b = u64(u64(b, 123456), 99)
	b = u16(u16(b, 50_000+uint16(i)), 443)
	b = append(b, 6, 0, 0x1b, 0)
	b = u32(u32(b, 3), 7)
	return append(b, 1, 6, 0, 12)
}

func v5Message(records int) []byte {
	b := u16(u16(nil, 5), uint16(records))
	b = u32(u32(u32(u32(b, 100_000), exportTime), 0), 7)
	b = append(b, 0, 0, 0, 0)
	for i := range records {
		b = append(b, 10, 0, byte(i>>8), byte(i), 198, 51, 100, byte(i), 192, 0, 2, 254, 0, 3, 0, 7)
		b = u32(u32(u32(u32(b, 12), 1500), 90_000), 95_000)
		b = append(u16(u16(b, 50_000+uint16(i)), 443), 0, 0x1b, 6, 0, 0xfb, 0xf4, 0xfb, 0xfe, 24, 16, 0, 0)
	}
	return b
}

func records(n int, record func(int) []byte) (b []byte) {
	for i := range n {
		b = append(b, record(i)...)
	}
	return b
}

// typical are datagrams of about 1,400 octets, behind the templates they need.
func typical() map[string][2][]byte {
	return map[string][2][]byte{
		"v5":     {nil, v5Message(29)},
		"v9":     {v9Message(1, 0, dataSet(0, templateRecord(256, router...))), v9Message(1, 1, dataSet(256, records(24, routerRecord)))},
		"ipfix6": {ipfixMessage(1, 0, dataSet(2, templateRecord(256, probe...))), ipfixMessage(1, 0, dataSet(256, records(15, probeRecord)))},
	}
}

func BenchmarkDecode(b *testing.B) {
	for name, messages := range typical() {
		b.Run(name, func(b *testing.B) {
			d := NewDecoder(DefaultConfig)
			var m Message
			if messages[0] != nil {
				if err := d.Decode(&m, messages[0], 1, time.Time{}); err != nil {
					b.Fatal(err)
				}
			}
			n := 0
			b.ReportAllocs()
			b.SetBytes(int64(len(messages[1])))
			for b.Loop() {
				if err := d.Decode(&m, messages[1], 1, time.Time{}); err != nil {
					b.Fatal(err)
				}
				n += len(m.Records)
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

func TestNoAllocations(t *testing.T) {
	for name, messages := range typical() {
		d := NewDecoder(DefaultConfig)
		var m Message
		if messages[0] != nil {
			if err := d.Decode(&m, messages[0], 1, time.Time{}); err != nil {
				t.Fatal(err)
			}
		}
		decode := func() {
			if err := d.Decode(&m, messages[1], 1, time.Time{}); err != nil {
				t.Fatal(err)
			}
		}
		decode()
		if n := testing.AllocsPerRun(100, decode); n != 0 || len(m.Records) == 0 {
			t.Errorf("%s: %v allocations for %d records, want 0", name, n, len(m.Records))
		}
	}
}
