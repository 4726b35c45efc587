package peers

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	peer "github.com/netsampler/goflow2/v2/decoders/sflow"
	"github.com/netsampler/goflow2/v2/producer"
	protoproducer "github.com/netsampler/goflow2/v2/producer/proto"

	"github.com/weir-nta/weir/decode/sflow"
)

// samples is a datagram as switches send them: seven samples, each with 128
// octets of a TCP packet and the data of switch and router.
func samples() []byte {
	words := func(v ...uint32) (b []byte) {
		for _, v := range v {
			b = binary.BigEndian.AppendUint32(b, v)
		}
		return b
	}
	opaque := func(b []byte) []byte { return append(words(uint32(len(b))), b...) }
	frame := append([]byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 4, 16, 0, 1, 0, 0, 64, 6, 0, 0}, words(0x0a010203, 0xcb007109)...)
	frame = append(frame, words(40000<<16|443, 1, 2, 0x50100100, 0)...)
	frame = append(frame, make([]byte, 128-len(frame))...)
	b := words(5, 1, 0xc0000201, 0, 1, 1000, 7)
	for i := range uint32(7) {
		s := words(i, 3, 100, 5000, 0, 3, 4, 3, 1)
		s = append(s, opaque(append(words(1, 1058, 4), opaque(frame)...))...)
		s = append(s, append(words(1001), opaque(words(12, 0, 13, 0))...)...)
		s = append(s, append(words(1002), opaque(words(1, 0xc6336407, 24, 16))...)...)
		b = append(append(b, words(1)...), opaque(s)...)
	}
	return b
}

// BenchmarkSFlow measures as BenchmarkDecode does. Weir reads the sampled
// headers, as goflow2's producer does and its decoder does not.
func BenchmarkSFlow(b *testing.B) {
	datagram, at := samples(), time.Unix(now, 0)
	d := sflow.NewDecoder(sflow.DefaultConfig)
	var g sflow.Datagram
	own := func() int {
		if err := d.Decode(&g, datagram, at); err != nil {
			b.Fatal(err)
		}
		return len(g.Records)
	}
	var p peer.Packet
	decode := func() int {
		p = peer.Packet{}
		if err := peer.DecodeMessageVersion(bytes.NewBuffer(datagram), &p); err != nil {
			b.Fatal(err)
		}
		return len(p.Samples)
	}
	compiled, err := (&protoproducer.ProducerConfig{}).Compile()
	if err != nil {
		b.Fatal(err)
	}
	pp, err := protoproducer.CreateProtoProducer(compiled, protoproducer.CreateSamplingSystem)
	if err != nil {
		b.Fatal(err)
	}
	from := netip.MustParseAddrPort("192.0.2.1:6343")
	args := &producer.ProduceArgs{Src: from, Dst: from, SamplerAddress: from.Addr(), TimeReceived: at}
	produce := func() int {
		decode()
		messages, err := pp.Produce(&p, args)
		if err != nil {
			b.Fatal(err)
		}
		n := len(messages)
		pp.Commit(messages)
		return n
	}
	if a, c, e := own(), decode(), produce(); a != 7 || c != 7 || e != 7 {
		b.Fatalf("%d, %d and %d records, want 7 of each", a, c, e)
	}
	var took [3]time.Duration
	turns := 0
	for b.Loop() {
		for i, run := range []func() int{own, decode, produce} {
			began := time.Now()
			for range 200 {
				run()
			}
			took[i] += time.Since(began)
		}
		turns++
	}
	done := float64(turns * 200 * 7)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(done/took[0].Seconds(), "weir-rec/s")
	b.ReportMetric(done/took[1].Seconds(), "goflow2-decode-rec/s")
	b.ReportMetric(done/took[2].Seconds(), "goflow2-produce-rec/s")
	b.ReportMetric(took[1].Seconds()/took[0].Seconds(), "x-decode")
	b.ReportMetric(took[2].Seconds()/took[0].Seconds(), "x-produce")
}
