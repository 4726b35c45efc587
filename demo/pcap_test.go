package demo

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/miekg/dns"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/tls"
)

// capture returns the packets of the demo as gopacket reads them.
func capture(t *testing.T) []gopacket.Packet {
	t.Helper()
	var b bytes.Buffer
	if err := WritePcap(&b, Seed); err != nil {
		t.Fatal(err)
	}
	r, err := pcapgo.NewReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	var list []gopacket.Packet
	for {
		data, info, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		p := gopacket.NewPacket(data, layers.LayerTypeEthernet, gopacket.Default)
		p.Metadata().CaptureInfo = info
		list = append(list, p)
	}
}

// TestPacketsAreSound has gopacket decode every packet, and compute its
// checksums anew.
func TestPacketsAreSound(t *testing.T) {
	var last time.Time
	packets := capture(t)
	if n := len(packets); n < 8000 || n > 30000 {
		t.Errorf("got %d packets, want 8,000 to 30,000", n)
	}
	for i, p := range packets {
		if e := p.ErrorLayer(); e != nil && p.TransportLayer() == nil {
			t.Fatalf("packet %d: %v", i, e.Error())
		}
		if at := p.Metadata().Timestamp; at.Before(last) || !captured(at, at) {
			t.Fatalf("packet %d at %v after one at %v", i, at, last)
		}
		last = p.Metadata().Timestamp
		if got, want := p.Data(), again(t, p); !bytes.Equal(got, want) {
			t.Fatalf("packet %d: got % x, with gopacket's lengths and checksums % x", i, got, want)
		}
	}
}

// again serialises a packet with lengths and checksums of gopacket's own.
func again(t *testing.T, p gopacket.Packet) []byte {
	t.Helper()
	var list []gopacket.SerializableLayer
	for _, l := range p.Layers()[:2] {
		list = append(list, l.(gopacket.SerializableLayer))
	}
	ip := p.NetworkLayer()
	var payload []byte
	switch l := p.Layers()[2].(type) {
	case *layers.TCP:
		_ = l.SetNetworkLayerForChecksum(ip)
		list, payload = append(list, l), l.Payload
	case *layers.UDP:
		_ = l.SetNetworkLayerForChecksum(ip)
		list, payload = append(list, l), l.Payload
	default:
		t.Fatalf("a packet of %v", l.LayerType())
	}
	b := gopacket.NewSerializeBuffer()
	options := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(b, options, append(list, gopacket.Payload(payload))...); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// metered is what of a flow the packets show.
type metered struct {
	Start, End                                                   time.Time
	BytesUp, BytesDown, PacketsUp, PacketsDown, DataUp, DataDown uint64
	FlagsUp, FlagsDown                                           weir.TCPFlags
	JA3, JA3S, JA4, SNI, Version, Subject, SHA256                string
}

// TestPacketsGiveTheRecords meters the packets in the simplest way and wants
// the flows of Records: the same times, counters, flags and handshakes.
func TestPacketsGiveTheRecords(t *testing.T) {
	type streams struct{ up, down []byte }
	flows, heads := map[string]*metered{}, map[*metered]*streams{}
	current := map[string]*metered{}
	for _, p := range capture(t) {
		ip := p.NetworkLayer().(*layers.IPv4)
		var src, dst uint16
		var flags weir.TCPFlags
		var payload []byte
		switch l := p.TransportLayer().(type) {
		case *layers.TCP:
			src, dst, payload = uint16(l.SrcPort), uint16(l.DstPort), l.Payload
			flags = weir.TCPFlags(l.Contents[13])
		case *layers.UDP:
			src, dst, payload = uint16(l.SrcPort), uint16(l.DstPort), l.Payload
			if dst == 53 || src == 53 || dst == 5353 {
				continue // has no flow in Records
			}
		}
		at := p.Metadata().Timestamp
		id, back := tuple(ip.SrcIP, src, ip.DstIP, dst), tuple(ip.DstIP, dst, ip.SrcIP, src)
		f, up := current[id], true
		// NTP has the same port on both sides: an answer comes at once.
		if r := current[back]; r != nil && at.Sub(r.End) < time.Minute {
			f, up = r, false
		}
		if f == nil || at.Sub(f.End) > time.Minute {
			f = &metered{Start: at}
			current[id], flows[id+at.String()], heads[f] = f, f, &streams{}
		}
		f.End = at
		if up {
			f.BytesUp += uint64(ip.Length)
			f.PacketsUp++
			f.DataUp += uint64(len(payload))
			f.FlagsUp |= flags
			heads[f].up = append(heads[f].up, payload...)
		} else {
			f.BytesDown += uint64(ip.Length)
			f.PacketsDown++
			f.DataDown += uint64(len(payload))
			f.FlagsDown |= flags
			heads[f].down = append(heads[f].down, payload...)
		}
	}
	for _, f := range flows {
		var facts weir.TLS
		tls.Client(&facts, heads[f].up)
		if facts.JA4 != "" {
			tls.Server(&facts, heads[f].down)
			f.tls(&facts)
		}
	}

	want := map[string]*metered{}
	for i := range all().Flows {
		f := &all().Flows[i]
		if f.Sensor != "core-1" || f.Slice > 0 || f.Ongoing || !captured(f.Start, f.End) {
			continue
		}
		m := &metered{Start: f.Start, End: f.End, BytesUp: f.BytesUp, BytesDown: f.BytesDown, PacketsUp: f.PacketsUp, PacketsDown: f.PacketsDown,
			DataUp: f.DataUp, DataDown: f.DataDown, FlagsUp: f.FlagsUp, FlagsDown: f.FlagsDown}
		if f.TLS != nil {
			m.tls(f.TLS)
		}
		want[tuple(f.Src.AsSlice(), f.SrcPort, f.Dst.AsSlice(), f.DstPort)+f.Start.String()] = m
	}
	if diff := cmp.Diff(want, flows); diff != "" {
		t.Errorf("records and metered packets differ (-records +packets):\n%.3000s", diff)
	}
	if len(want) < 1200 {
		t.Errorf("got %d flows in these hours, want 1,200 and more", len(want))
	}
}

func (m *metered) tls(t *weir.TLS) {
	m.JA3, m.JA3S, m.JA4, m.SNI, m.Version, m.Subject, m.SHA256 = t.JA3, t.JA3S, t.JA4, t.SNI, t.Version, t.Subject, t.SHA256
}

func tuple(src []byte, srcPort uint16, dst []byte, dstPort uint16) string {
	return fmt.Sprint(src, srcPort, dst, dstPort)
}

// TestMessagesGiveTheRecords unpacks all DNS messages and wants the look-ups
// of Records: names, types, codes, answers and sizes.
func TestMessagesGiveTheRecords(t *testing.T) {
	type message struct {
		At       time.Time
		ID       uint16
		Response bool
		Name     string
		Type     string
		Code     string
		Answers  int
		Size     uint64
	}
	order := func(a, b message) int {
		if c := a.At.Compare(b.At); c != 0 {
			return c
		}
		return int(a.ID) - int(b.ID)
	}
	var got, want []message
	for _, p := range capture(t) {
		u, ok := p.TransportLayer().(*layers.UDP)
		if !ok || u.SrcPort != 53 && u.DstPort != 53 && u.DstPort != 5353 {
			continue
		}
		var m dns.Msg
		if err := m.Unpack(u.Payload); err != nil {
			t.Fatalf("message % x: %v", u.Payload, err)
		}
		q := m.Question[0]
		got = append(got, message{p.Metadata().Timestamp, m.Id, m.Response, q.Name, dns.TypeToString[q.Qtype], dns.RcodeToString[m.Rcode], len(m.Answer), uint64(len(u.Payload))})
	}
	for i := range all().DNS {
		d := &all().DNS[i]
		if !captured(d.Time, d.Time.Add(d.RTT)) {
			continue
		}
		want = append(want, message{d.Time, d.ID, false, d.Query + ".", d.Type, "NOERROR", 0, d.BytesUp})
		if d.Answered() {
			want = append(want, message{d.Time.Add(d.RTT), d.ID, true, d.Query + ".", d.Type, d.Code, len(d.Answers), d.BytesDown})
		}
	}
	slices.SortFunc(got, order)
	slices.SortFunc(want, order)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records and messages differ (-records +messages):\n%.3000s", diff)
	}
	if len(got) < 2000 {
		t.Errorf("got %d messages, want 2,000 and more", len(got))
	}
}

// TestMessageSizes packs messages of all days, so that the lengths in the
// records hold for those that are not in the packets as well.
func TestMessageSizes(t *testing.T) {
	for i := 0; i < len(all().DNS); i += 37 {
		d := &all().DNS[i]
		query, err := dnsMessage(d, false)
		if err != nil {
			t.Fatal(err)
		}
		response, err := dnsMessage(d, true)
		if err != nil {
			t.Fatal(err)
		}
		if !d.Answered() {
			response = nil
		}
		if d.BytesUp != uint64(len(query)) || d.BytesDown != uint64(len(response)) {
			t.Fatalf("sizes of %+v: got %d and %d, want %d and %d", *d, d.BytesUp, d.BytesDown, len(query), len(response))
		}
	}
}

// A full disk is reported.
func TestWritePcapError(t *testing.T) {
	full := errors.New("no space left on device")
	if err := WritePcap(failing{full}, Seed); !errors.Is(err, full) {
		t.Errorf("WritePcap to a full disk = %v, want %v", err, full)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
