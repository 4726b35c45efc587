package peers

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"runtime"
	"syscall"
	"testing"
	"time"

	peer "github.com/netsampler/goflow2/v2/decoders/netflow"
	"github.com/netsampler/goflow2/v2/decoders/netflowlegacy"
	"github.com/netsampler/goflow2/v2/producer"
	protoproducer "github.com/netsampler/goflow2/v2/producer/proto"

	"github.com/weir-nta/weir/decode/netflow"
)

// A traffic is a datagram of data and, before it, that of its template.
type traffic struct {
	name           string
	template, data []byte
	records        int
}

// fields of templates as routers (version 9) and probes (IPFIX) send them:
// number and length.
var (
	router = [][2]uint16{
		{8, 4}, {12, 4}, {15, 4}, {10, 4}, {14, 4}, {2, 4}, {1, 4}, {22, 4}, {21, 4}, {7, 2}, {11, 2}, {6, 1}, {4, 1}, {5, 1},
		{16, 4}, {17, 4}, {9, 1}, {13, 1}, {61, 1}, {48, 1},
	}
	probe = [][2]uint16{
		{27, 16}, {28, 16}, {152, 8}, {153, 8}, {1, 8}, {2, 8}, {7, 2}, {11, 2}, {4, 1}, {6, 2}, {5, 1}, {10, 4}, {14, 4},
		{136, 1}, {60, 1}, {58, 2},
	}
)

const now = 1_700_000_000 // seconds

func traffics() []traffic {
	v9 := func(sets ...[]byte) []byte {
		b := binary.BigEndian.AppendUint16([]byte{0, 9}, 1)
		for _, v := range []uint32{100_000, now, 1, 1} {
			b = binary.BigEndian.AppendUint32(b, v)
		}
		return append(b, bytes.Join(sets, nil)...)
	}
	ipfix := func(sets ...[]byte) []byte {
		body := bytes.Join(sets, nil)
		b := binary.BigEndian.AppendUint16([]byte{0, 10}, uint16(16+len(body)))
		for _, v := range []uint32{now, 1, 1} {
			b = binary.BigEndian.AppendUint32(b, v)
		}
		return append(b, body...)
	}
	return []traffic{
		{"v5", nil, v5(29), 29},
		{"v9", v9(set(0, template(router))), v9(set(256, records(router, 24))), 24},
		{"ipfix6", ipfix(set(2, template(probe))), ipfix(set(256, records(probe, 15))), 15},
	}
}

func set(id uint16, body []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, id)
	return append(binary.BigEndian.AppendUint16(b, uint16(4+len(body))), body...)
}

func template(fields [][2]uint16) []byte {
	b := binary.BigEndian.AppendUint16([]byte{1, 0}, uint16(len(fields)))
	for _, f := range fields {
		b = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, f[0]), f[1])
	}
	return b
}

// value is what the field of a number holds in record i.
func value(id uint16, i int) uint64 {
	return map[uint16]uint64{
		8: 0x0a000000 + uint64(i), 12: 0xc6336400 + uint64(i), 15: 0xc00002fe, 27: uint64(i) + 1, 28: 2, 10: 3, 14: 7, 2: 12, 1: 1500,
		22: 90_000, 21: 95_000, 152: (now - 9) * 1000, 153: now * 1000, 7: 50_000 + uint64(i), 11: 443, 6: 0x1b, 4: 6,
		16: 64500, 17: 64510, 9: 24, 13: 16, 136: 1, 60: 6, 58: 12,
	}[id]
}

func records(fields [][2]uint16, n int) (b []byte) {
	for i := range n {
		for _, f := range fields {
			v := binary.BigEndian.AppendUint64(make([]byte, 8), value(f[0], i))
			b = append(b, v[16-f[1]:]...)
		}
	}
	return b
}

func v5(n int) []byte {
	b := binary.BigEndian.AppendUint16([]byte{0, 5}, uint16(n))
	for _, v := range []uint32{100_000, now, 0, 1, 0} {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	for i := range n {
		for _, f := range [][2]uint16{
			{8, 4}, {12, 4}, {15, 4}, {10, 2}, {14, 2}, {2, 4}, {1, 4}, {22, 4}, {21, 4}, {7, 2}, {11, 2}, {0, 1}, {6, 1}, {4, 1}, {0, 1},
			{16, 2}, {17, 2}, {9, 1}, {13, 1}, {0, 2},
		} {
			v := binary.BigEndian.AppendUint64(nil, value(f[0], i))
			b = append(b, v[8-f[1]:]...)
		}
	}
	return b
}

// weir decodes to flowrec.Record.
func weirDecoder(t testing.TB, tr traffic) func() int {
	d := netflow.NewDecoder(netflow.DefaultConfig)
	var m netflow.Message
	at := time.Unix(now, 0)
	if tr.template != nil {
		if err := d.Decode(&m, tr.template, 2055, at); err != nil {
			t.Fatal(err)
		}
	}
	return func() int {
		if err := d.Decode(&m, tr.data, 2055, at); err != nil {
			t.Fatal(err)
		}
		return len(m.Records)
	}
}

// A decoded is what goflow2 makes of a datagram, before its producer.
type decoded struct {
	message any
	records int
}

// goflow2Decoder decodes to the structures of goflow2's decoders: fields as
// they are on the wire.
func goflow2Decoder(t testing.TB, tr traffic) func() decoded {
	templates := peer.CreateTemplateSystem()
	decode := func(b []byte) (out decoded) {
		if tr.name == "v5" {
			var p netflowlegacy.PacketNetFlowV5
			if err := netflowlegacy.DecodeMessageVersion(bytes.NewBuffer(b), &p); err != nil {
				t.Fatal(err)
			}
			return decoded{&p, len(p.Records)}
		}
		var v9 peer.NFv9Packet
		var ipfix peer.IPFIXPacket
		if err := peer.DecodeMessageVersion(bytes.NewBuffer(b), templates, &v9, &ipfix); err != nil {
			t.Fatal(err)
		}
		sets := v9.FlowSets
		out.message = &v9
		if tr.name != "v9" {
			sets, out.message = ipfix.FlowSets, &ipfix
		}
		for _, s := range sets {
			if data, ok := s.(peer.DataFlowSet); ok {
				out.records += len(data.Records)
			}
		}
		return out
	}
	if tr.template != nil {
		decode(tr.template)
	}
	return func() decoded { return decode(tr.data) }
}

// goflow2Producer decodes to goflow2's flow messages, which say what
// flowrec.Record says.
func goflow2Producer(t testing.TB, tr traffic) func() int {
	decode := goflow2Decoder(t, tr)
	config := &protoproducer.ProducerConfig{}
	compiled, err := config.Compile()
	if err != nil {
		t.Fatal(err)
	}
	p, err := protoproducer.CreateProtoProducer(compiled, protoproducer.CreateSamplingSystem)
	if err != nil {
		t.Fatal(err)
	}
	from := netip.MustParseAddrPort("192.0.2.1:2055")
	args := &producer.ProduceArgs{Src: from, Dst: from, SamplerAddress: from.Addr(), TimeReceived: time.Unix(now, 0)}
	return func() int {
		messages, err := p.Produce(decode().message, args)
		if err != nil {
			t.Fatal(err)
		}
		n := len(messages)
		p.Commit(messages)
		return n
	}
}

// TestSameRecords checks that all decode what they are measured on.
func TestSameRecords(t *testing.T) {
	for _, tr := range traffics() {
		if got := weirDecoder(t, tr)(); got != tr.records {
			t.Errorf("%s: Weir decodes %d records, want %d", tr.name, got, tr.records)
		}
		if got := goflow2Decoder(t, tr)().records; got != tr.records {
			t.Errorf("%s: goflow2 decodes %d records, want %d", tr.name, got, tr.records)
		}
		if got := goflow2Producer(t, tr)(); got != tr.records {
			t.Errorf("%s: goflow2 produces %d records, want %d", tr.name, got, tr.records)
		}
	}
}

// BenchmarkDecode measures in turns and tells the ratios. It counts the time of
// processors, of all threads: what else the machine does does not show, and
// what collecting garbage takes does.
func BenchmarkDecode(b *testing.B) {
	const turn = 500 // datagrams
	for _, tr := range traffics() {
		b.Run(tr.name, func(b *testing.B) {
			own, decode, produce := weirDecoder(b, tr), goflow2Decoder(b, tr), goflow2Producer(b, tr)
			var took [3]time.Duration
			turns := 0
			for b.Loop() {
				for i, run := range []func(){func() { own() }, func() { decode() }, func() { produce() }} {
					runtime.GC() // not on the bill of the next
					began := processorTime(b)
					for range turn {
						run()
					}
					took[i] += processorTime(b) - began
				}
				turns++
			}
			done := float64(turns * turn * tr.records)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(done/took[0].Seconds(), "weir-rec/s")
			b.ReportMetric(done/took[1].Seconds(), "goflow2-decode-rec/s")
			b.ReportMetric(done/took[2].Seconds(), "goflow2-produce-rec/s")
			b.ReportMetric(took[1].Seconds()/took[0].Seconds(), "x-decode")
			b.ReportMetric(took[2].Seconds()/took[0].Seconds(), "x-produce")
		})
	}
}

// processorTime is what the process has used of the processors.
func processorTime(t testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
