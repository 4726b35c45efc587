package sflow

import (
	"encoding/binary"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/miekg/dns"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/flowrec"
	"github.com/weir-nta/weir/internal/sharedtest"
)

// x puts together XDR: uint32 from int and uint32, addresses as they are,
// octets as opaque of variable length, and parts that were put together before.
type part []byte

func x(values ...any) part {
	var b part
	for _, v := range values {
		switch v := v.(type) {
		case int:
			b = binary.BigEndian.AppendUint32(b, uint32(v))
		case uint32:
			b = binary.BigEndian.AppendUint32(b, v)
		case netip.Addr:
			b = append(b, v.AsSlice()...)
		case part:
			b = append(b, v...)
		case string:
			b = append(x(len(v)), append(b, v...)...)
		case []byte:
			b = binary.BigEndian.AppendUint32(b, uint32(len(v)))
			b = append(b, v...)
			b = append(b, make([]byte, -len(v)&3)...)
		default:
			panic(reflect.TypeOf(v))
		}
	}
	return b
}

var (
	agent = netip.MustParseAddr("192.0.2.1")
	host  = netip.MustParseAddr("10.1.2.3")
	peer  = netip.MustParseAddr("203.0.113.9")
	other = netip.MustParseAddr("198.51.100.7")
	host6 = netip.MustParseAddr("2001:db8::1")
	peer6 = netip.MustParseAddr("2001:db8::2")
)

// datagram makes a datagram of samples, which are given with their format.
func datagram(sequence, uptime int, samples ...part) []byte {
	b := x(5, 1, agent, 7, sequence, uptime, len(samples))
	for _, s := range samples {
		b = append(b, s...)
	}
	return b
}

func sample(format int, body part) part { return x(format, []byte(body)) }

func record(format int, body part) part { return x(format, []byte(body)) }

// flowOf makes a flow sample of interface 3, one in 100 packets, from 3 to out.
func flowOf(number, drops int, out uint32, records ...part) part {
	b := x(number, 3, 100, 5000, drops, 3, out, len(records))
	for _, r := range records {
		b = append(b, r...)
	}
	return sample(flowSample, b)
}

// header makes a sampled header of an Ethernet frame that is cut after n octets.
func header(frame []byte, n int) part {
	return record(sampledHeader, x(1, len(frame)+4, 4, frame[:min(n, len(frame))]))
}

var ethernetHead = []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1}

// frame makes an Ethernet frame of an IPv4 packet.
func frame(proto weir.Proto, src, dst netip.Addr, transport []byte) []byte {
	b := append(append([]byte{}, ethernetHead...), 8, 0, 0x45, 0xb8)
	b = binary.BigEndian.AppendUint16(b, uint16(20+len(transport)))
	b = append(b, 0, 1, 0, 0, 64, byte(proto), 0, 0)
	b = append(append(b, src.AsSlice()...), dst.AsSlice()...)
	return append(b, transport...)
}

func udp(sport, dport uint16, payload []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, sport)
	b = binary.BigEndian.AppendUint16(b, dport)
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(payload)))
	return append(append(b, 0, 0), payload...)
}

func tcp(sport, dport uint16, flags weir.TCPFlags, payload []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, sport)
	b = binary.BigEndian.AppendUint16(b, dport)
	return append(append(b, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, byte(flags), 1, 0, 0, 0, 0, 0), payload...)
}

// synRecord is what becomes of a SYN from host to peer.
func synRecord() flowrec.Record {
	at := arrival.UnixMicro()
	return flowrec.Record{
		Start: at, End: at, Exported: at, Src: host, Dst: peer, SrcPort: 40000, DstPort: 443, Proto: weir.TCP,
		Flags: 2, HasFlags: true, TOS: 0xb8, Bytes: 40, Packets: 1, Observed: flowrec.Ingress,
		Sampling: 100, InIf: 3, OutIf: 4, Domain: 7,
		SrcMAC: flowrec.MAC{2, 0, 0, 0, 0, 1}, DstMAC: flowrec.MAC{2, 0, 0, 0, 0, 2},
	}
}

func syn() part { return header(frame(weir.TCP, host, peer, tcp(40000, 443, 2, nil)), 128) }

func decodeOne(t *testing.T, b []byte) *Datagram {
	t.Helper()
	var g Datagram
	if err := NewDecoder(DefaultConfig).Decode(&g, b, arrival); err != nil {
		t.Fatalf("Decode(%x): %v", b, err)
	}
	return &g
}

var addrs = cmpopts.EquateComparable(netip.Addr{})

// TestRecords has a case for each kind of record that may come with a packet.
func TestRecords(t *testing.T) {
	for name, c := range map[string]struct {
		out     uint32
		records []part
		want    func(*flowrec.Record)
	}{
		"header": {4, []part{syn()}, func(*flowrec.Record) {}},
		"switch": {4, []part{record(extendedSwitch, x(12, 0, 13, 0)), syn()}, func(r *flowrec.Record) { r.VLAN = 12 }},
		"router": {4, []part{syn(), record(extendedRouter, x(1, other, 24, 16))}, func(r *flowrec.Record) { r.Next = other }},
		"gateway": {4, []part{syn(), record(extendedGateway, x(2, peer6, 64500, 64501, 64502, 2, 2, 2, 64503, 64504, 1, 1, 64505, 1, 99, 100))},
			func(r *flowrec.Record) { r.Next, r.SrcAS, r.DstAS = peer6, 64501, 64505 }},
		"gateway of its own": {4, []part{syn(), record(extendedGateway, x(1, other, 64500, 0, 0, 0, 0, 100))},
			func(r *flowrec.Record) { r.Next, r.SrcAS, r.DstAS = other, 64500, 64500 }},
		"user": {4, []part{syn(), record(extendedUser, x(106, []byte("j.doe"), 106, []byte("svc\x00")))},
			func(r *flowrec.Record) { r.More = &flowrec.More{SrcUser: "j.doe", DstUser: "svc"} }},
		"URL": {4, []part{syn(), record(extendedURL, x(2, []byte("/a"), []byte("WWW.example.com")))}, func(r *flowrec.Record) {
			r.Initiator = flowrec.SrcBegan
			r.More = &flowrec.More{App: "http", HTTP: &weir.HTTP{URI: "/a", Host: "www.example.com"}}
		}},
		"MPLS": {4, []part{syn(), record(extendedMPLS, x(1, other, 2, 16000<<12, 17<<12|0x140, 1, 18<<12))}, func(r *flowrec.Record) {
			r.Next = other
			r.More = &flowrec.More{Extra: []string{"mplsLabelsIn=16000/17", "mplsLabelsOut=18"}}
		}},
		"NAT": {4, []part{syn(), record(extendedNAT, x(1, other, 1, peer)), record(extendedNATPort, x(1025, 443))},
			func(r *flowrec.Record) {
				r.More = &flowrec.More{NAT: &weir.NAT{Src: other, Dst: peer, SrcPort: 1025, DstPort: 443}}
			}},
		"VLAN tunnel": {4, []part{syn(), record(extendedVLANTunnel, x(2, uint32(0x88a80064), uint32(0x81000005)))},
			func(r *flowrec.Record) { r.More = &flowrec.More{Extra: []string{"vlanStack=100/5"}} }},
		"tunnels": {4, []part{syn(), record(ipv4TunnelEgress, x(100, 47, agent, other, 0, 0, 0, 0)), record(vniIngress, x(5000)),
			record(ipv6TunnelIngress, x(100, 17, host6, peer6, 4789, 4789, 0, 0))},
			func(r *flowrec.Record) {
				r.More = &flowrec.More{Extra: []string{"tunnelEgress=192.0.2.1>198.51.100.7 gre", "vniIngress=5000", "tunnelIngress=2001:db8::1>2001:db8::2 udp"}}
			}},
		"drop": {4, []part{syn(), record(extendedACL, x(7, []byte("in"), 1)), record(extendedFunction, x([]byte("tcp_v4_rcv"))),
			record(extendedHWTrap, x([]byte("l3_drops"), []byte("ttl"))), record(linuxDropReason, x([]byte("NO_SOCKET")))},
			func(r *flowrec.Record) {
				r.More = &flowrec.More{ACL: "in", Extra: []string{"dropFunction=tcp_v4_rcv", "trap=ttl", "linuxDropReason=NO_SOCKET"}}
			}},
		"to the device itself": {self, []part{syn()}, func(r *flowrec.Record) { r.OutIf = 0 }},
		"to several":           {2<<30 | 5, []part{syn()}, func(r *flowrec.Record) { r.OutIf = 0 }},
		"denied": {1<<30 | 258, []part{syn()}, func(r *flowrec.Record) {
			r.OutIf, r.More = 0, &flowrec.More{Action: "denied", Extra: []string{"dropReason=acl"}}
		}},
		"dropped": {1<<30 | 259, []part{syn()}, func(r *flowrec.Record) {
			r.OutIf, r.More = 0, &flowrec.More{Extra: []string{"dropReason=no_buffer_space"}}
		}},
		"egress": {3, []part{syn()}, func(r *flowrec.Record) { r.OutIf, r.Observed = 3, flowrec.Anywhere }},
		"IPv4 fields": {4, []part{record(sampledEthernet, x(64, part{2, 0, 0, 0, 0, 1, 0, 0, 2, 0, 0, 0, 0, 2, 0, 0}, 0x800)),
			record(sampledIPv4, x(40, 6, host, peer, 40000, 443, 2, 0xb8))}, func(*flowrec.Record) {}},
		"IPv6 fields": {4, []part{record(sampledIPv6, x(60, 17, host6, peer6, 40000, 443, 0, 0xb8))}, func(r *flowrec.Record) {
			r.Src, r.Dst, r.Bytes, r.Proto, r.Flags, r.HasFlags = host6, peer6, 60, weir.UDP, 0, false
			r.SrcMAC, r.DstMAC = flowrec.MAC{}, flowrec.MAC{}
		}},
		"fields after the header": {4, []part{syn(), record(sampledIPv4, x(99, 17, peer, host, 1, 2, 0, 0))}, func(*flowrec.Record) {}},
		"header after the fields": {4, []part{record(sampledIPv4, x(99, 17, peer, host, 1, 2, 0, 0)), syn()}, func(*flowrec.Record) {}},
	} {
		t.Run(name, func(t *testing.T) {
			g := decodeOne(t, datagram(1, 1000, flowOf(1, 0, c.out, c.records...)))
			want := synRecord()
			c.want(&want)
			if len(g.Records) != 1 || g.BadSamples+g.UnknownRecords+g.NotIP != 0 {
				t.Fatalf("got %+v, want one record and nothing passed over", g)
			}
			if d := cmp.Diff(g.Records[0], want, addrs); d != "" {
				t.Errorf("got + want:\n%s", d)
			}
		})
	}
}

// TestUnpadded has a record and its sample without the octets that fill the
// last word, as some agents leave them out.
func TestUnpadded(t *testing.T) {
	body := append(x(9, 0, 3, 0, 3, 4, 256, 2), syn()...)
	body = append(body, x(extendedFunction, 6, 2)...) // six octets: a length, and two of text
	body = append(body, "fn"...)
	b := append(x(5, 1, agent, 7, 1, 1000, 1, discardedPacket, len(body)), body...)
	g := decodeOne(t, b)
	if len(g.Records) != 1 || g.BadSamples != 0 || g.Records[0].More.Extra[1] != "dropFunction=fn" {
		t.Errorf("got %+v", g)
	}
}

// TestExpanded has the forms of samples with wide numbers, and the discarded packet.
func TestExpanded(t *testing.T) {
	body := x(9, 0, 1<<25, 100, 5000, 0, 0, 1<<25, 0, 1<<26, 1, syn())
	g := decodeOne(t, datagram(1, 1000, sample(flowExpanded, body)))
	want := synRecord()
	want.InIf, want.OutIf = 1<<25, 1<<26
	if len(g.Records) != 1 || !cmp.Equal(g.Records[0], want, addrs) {
		t.Errorf("expanded sample: got %+v, want %+v", g.Records, want)
	}
	g = decodeOne(t, datagram(1, 1000, sample(discardedPacket, x(9, 0, 3, 0, 3, 0, 258, 1, syn()))))
	want = synRecord()
	want.OutIf, want.Sampling, want.Observed = 0, 1, flowrec.Anywhere
	want.More = &flowrec.More{Action: "denied", Extra: []string{"dropReason=acl"}}
	if len(g.Records) != 1 || g.Discarded != 1 || !cmp.Equal(g.Records[0], want, addrs) {
		t.Errorf("discarded packet: got %+v, want %+v", g.Records, want)
	}
}

// TestSampling has the rates that are not simply told.
func TestSampling(t *testing.T) {
	b := datagram(1, 1000, sample(flowSample, x(1, 3, 0, 0, 0, 3, 4, 1, syn())))
	r := decodeOne(t, b).Records[0]
	if r.Sampling != 1 || !r.SamplingUnknown {
		t.Errorf("rate 0: sampling %d, unknown %v; want 1 and true", r.Sampling, r.SamplingUnknown)
	}
	d := NewDecoder(Config{Sampling: 512, MaxSources: 1})
	var g Datagram
	if err := d.Decode(&g, b, arrival); err != nil || g.Records[0].Sampling != 512 || g.Records[0].SamplingUnknown {
		t.Errorf("rate set to 512: got %+v, %v", g.Records, err)
	}
}

// TestPayloads has what sampled headers show beyond headers.
func TestPayloads(t *testing.T) {
	m := new(dns.Msg)
	m.SetQuestion("www.example.com.", dns.TypeA)
	m.Id = 4660
	query, _ := m.Pack()
	answer := m.Copy()
	answer.Response = true
	for range 20 {
		rr, _ := dns.NewRR("www.example.com. 300 IN A 198.51.100.9")
		answer.Answer = append(answer.Answer, rr)
	}
	long, _ := answer.Pack()

	g := decodeOne(t, datagram(1, 1000,
		flowOf(1, 0, 4, header(frame(weir.UDP, host, peer, udp(5000, 53, query)), 128)),
		flowOf(2, 0, 4, header(frame(weir.UDP, peer, host, udp(53, 5000, long)), 128)),
		flowOf(3, 0, 4, header(frame(weir.TCP, host, peer, tcp(40000, 80, 0x18, []byte("GET /x?token=1 HTTP/1.1\r\nHost: Example.COM\r\nUser-Agent: curl/8\r\nAccept: */*\r\n\r\n"))), 128)),
		flowOf(4, 0, 4, header(frame(weir.TCP, peer, host, tcp(80, 40000, 0x18, []byte("HTTP/1.1 404 Not Found\r\nServer: x\r\n"))), 128)),
		flowOf(5, 0, 4, header(frame(weir.TCP, host, peer, tcp(40000, 443, 0x18, append([]byte{22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3}, make([]byte, 300)...))), 128)),
		flowOf(6, 0, 4, header(frame(weir.TCP, host, peer, tcp(40000, 443, 0x18, append([]byte{22, 3, 9, 2, 0, 1}, make([]byte, 300)...))), 128)),
	))
	if len(g.Records) != 6 {
		t.Fatalf("%d records, want 6", len(g.Records))
	}
	q := g.Records[0].More.DNS
	if q == nil || q.Query != "www.example.com" || q.Type != "A" || q.ID != 4660 || q.BytesUp != uint64(len(query)) || q.Src != host || q.App != "dns" {
		t.Errorf("query: got %+v", q)
	}
	a := g.Records[1].More.DNS
	if a == nil || a.Query != "www.example.com" || a.Code != "NOERROR" || len(a.Answers) == 0 || a.BytesDown != uint64(len(long)) || a.Src != host || a.SrcPort != 5000 {
		t.Errorf("response that is cut: got %+v", a)
	}
	if r := g.Records[1]; r.Initiator != flowrec.DstBegan || r.Bytes != uint64(28+len(long)) {
		t.Errorf("response: initiator %d, %d octets; want %d, %d", r.Initiator, r.Bytes, flowrec.DstBegan, 28+len(long))
	}
	if h := g.Records[2].More.HTTP; h == nil || h.Method != "GET" || h.Host != "example.com" || h.UserAgent != "curl/8" {
		t.Errorf("request: got %+v", h)
	}
	if r := g.Records[3]; r.More.HTTP.Status != 404 || r.Initiator != flowrec.DstBegan || r.More.App != "http" {
		t.Errorf("answer: got %+v", r.More.HTTP)
	}
	if r := g.Records[4]; r.More == nil || r.More.App != "tls" || r.More.TLS != nil || r.Initiator != flowrec.SrcBegan {
		t.Errorf("hello that is cut: got %+v", r.More)
	}
	if r := g.Records[5]; r.More != nil || r.Initiator != flowrec.NotTold {
		t.Errorf("not TLS: got %+v", r.More)
	}
}

// TestHello reads a ClientHello that fits, as agents send 256 octets and more.
func TestHello(t *testing.T) {
	for _, c := range sharedtest.Conversations(t, sharedtest.Path(t, "conformance/ja4/pcap/tls-handshake.pcapng")) {
		if !c.TCP || len(c.Up) < 6 || c.Up[0] != 22 {
			continue
		}
		g := decodeOne(t, datagram(1, 1000, flowOf(1, 0, 4, header(frame(weir.TCP, host, peer, tcp(40000, 443, 0x18, c.Up)), 2048))))
		if m := g.Records[0].More; m == nil || m.TLS == nil || m.TLS.JA4 == "" {
			t.Errorf("hello of %v: got %+v", c.Src, m)
		}
		return
	}
	t.Error("no hello in the capture")
}

// TestNoRecord has what is no packet of IP.
func TestNoRecord(t *testing.T) {
	arp := append(append([]byte{}, ethernetHead...), 8, 6, 0, 1, 8, 0, 6, 4)
	g := decodeOne(t, datagram(1, 1000,
		flowOf(1, 0, 4, header(arp, 128)),
		flowOf(2, 0, 4, record(sampledHeader, x(15, 300, 0, make([]byte, 100)))), // 802.11
		flowOf(3, 0, 4),
		flowOf(4, 0, 4, record(4413<<12|1, x(1, 2, 3)), record(1013, x(1, 2))),
		flowOf(5, 0, 4, header(frame(weir.TCP, host, peer, nil), 20)), // cut within the IP header
		flowOf(6, 0, 4, record(sampledHeader, x(1, 64, 0, 1<<31))),    // longer than the record
		sample(4413<<12|2, x(1, 2, 3)),
	))
	if len(g.Records) != 0 || g.FlowSamples != 6 || g.NotIP != 4 || g.BadHeaders != 2 || g.UnknownRecords != 2 || g.UnknownSamples != 1 || g.BadSamples != 1 {
		t.Errorf("got %+v, want 6 samples: 4 not IP, 2 bad headers; 2 records and 1 sample unknown; 1 bad", g)
	}
}

// TestSequence follows the numbers of samples through losses, restarts and floods.
func TestSequence(t *testing.T) {
	d := NewDecoder(Config{MaxSources: 2})
	var g Datagram
	for i, step := range []struct {
		uptime, number, drops  int
		lost, dropped          uint64
		late, repeated, untold int
	}{
		{uptime: 1000, number: 10, drops: 5},
		{uptime: 1001, number: 11, drops: 5},
		{uptime: 1002, number: 15, drops: 8, lost: 3, dropped: 3},
		{uptime: 1001, number: 13, drops: 6, late: 1},
		{uptime: 1002, number: 15, drops: 8, repeated: 1},
		{uptime: 90000, number: 16, drops: 8},
		{uptime: 5, number: 1, drops: 0}, // restarted
		{uptime: 6, number: 3, drops: 0, lost: 1},
		{uptime: 7, number: 1 << 25, drops: 9}, // set anew
		{uptime: 8, number: 1<<25 + 1, drops: 9},
	} {
		if err := d.Decode(&g, datagram(i, step.uptime, flowOf(step.number, step.drops, 4, syn())), arrival); err != nil {
			t.Fatal(err)
		}
		if g.Lost != step.lost || g.Drops != step.dropped || g.Late != step.late || g.Repeated != step.repeated || len(g.Records) != 1 {
			t.Errorf("step %d, number %d: lost %d, drops %d, late %d, repeated %d; want %+v", i, step.number, g.Lost, g.Drops, g.Late, g.Repeated, step)
		}
	}
	flood := func(source int) part {
		return sample(flowSample, x(1, source, 100, 0, 0, 3, 4, 1, syn()))
	}
	if err := d.Decode(&g, datagram(1, 9, flood(4), flood(5), flood(6)), arrival); err != nil || g.Untracked != 2 || len(g.Records) != 3 || len(d.sources) != 2 {
		t.Errorf("three sources more than the limit of 2 allows: untracked %d, %d records, %d kept; want 2, 3, 2", g.Untracked, len(g.Records), len(d.sources))
	}
}

// TestCounters has interfaces whose errors grow.
func TestCounters(t *testing.T) {
	d := NewDecoder(DefaultConfig)
	var g Datagram
	counters := func(number, discards, errors int) part {
		f := x(3, 6, 0, 1000000000, 1, 3, 1, 2, 10, 11, 12, discards, errors, uint32(1<<32-1), 3, 4, 20, 21, 22, 0, uint32(1<<32-1), 2)
		return sample(counterSample, x(number, 3, 2, record(genericInterface, f), record(2, x(1, 2, 3))))
	}
	for i, c := range []struct {
		discards, errors int
		grown            uint64
	}{{100, 7, 0}, {110, 8, 11}, {5, 8, 0}, {6, 8, 1}} {
		if err := d.Decode(&g, datagram(i, 1000+i, counters(i, c.discards, c.errors)), arrival); err != nil {
			t.Fatal(err)
		}
		if g.Errors != c.grown || len(g.Interfaces) != 1 || g.CounterSamples != 1 || g.UnknownRecords != 1 || d.Interfaces() != 1 {
			t.Errorf("step %d: %+v; want errors grown by %d, one interface, one other record", i, g, c.grown)
		}
	}
	want := Interface{Index: 3, Type: 6, Speed: 1000000000, Direction: 1, Status: 3, InOctets: 1<<32 | 2,
		InUnicast: 10, InMulticast: 11, InBroadcast: 12, InDiscards: 6, InErrors: 8, InUnknownProtocols: 1<<32 - 1,
		OutOctets: 3<<32 | 4, OutUnicast: 20, OutMulticast: 21, OutBroadcast: 22, OutErrors: 1<<32 - 1, PromiscuousListener: 2}
	if g.Interfaces[0] != want {
		t.Errorf("got %+v, want %+v", g.Interfaces[0], want)
	}
}

// TestHostile has datagrams that promise more than is there.
func TestHostile(t *testing.T) {
	huge := uint32(1<<32 - 1)
	for name, c := range map[string]struct {
		b    []byte
		want error
	}{
		"empty":                    {nil, ErrVersion},
		"version 4":                {x(4, 1, agent), ErrVersion},
		"no end":                   {x(5, 1, agent, 7, 1, 1), ErrShort},
		"agent of an unknown type": {x(5, 9, agent, 7, 1, 1, 0), ErrShort},
		"2^32 samples":             {x(5, 1, agent, 7, 1, 1, huge), ErrShort},
		"2^32 empty samples":       {x(5, 1, agent, 7, 1, 1, huge, 1, 0, 1, 0, 1, 0), ErrShort},
		"a sample too long":        {x(5, 1, agent, 7, 1, 1, 1, flowSample, huge, 1), ErrShort},
		"2^32 records":             {datagram(1, 1, sample(flowSample, x(1, 3, 100, 0, 0, 3, 4, huge, 0, 0, 0, 0))), nil},
		"a record too long":        {datagram(1, 1, sample(flowSample, x(1, 3, 100, 0, 0, 3, 4, 1, sampledHeader, huge))), nil},
		"a header too long":        {datagram(1, 1, flowOf(1, 0, 4, record(sampledHeader, x(1, 64, 4, huge)))), nil},
		"a path of 2^32":           {datagram(1, 1, flowOf(1, 0, 4, record(extendedGateway, x(1, agent, 1, 2, 3, huge, 2, huge)))), nil},
		"labels of 2^32":           {datagram(1, 1, flowOf(1, 0, 4, record(extendedMPLS, x(0, huge, 1)))), nil},
		"2^32 counters":            {datagram(1, 1, sample(counterSample, x(1, 3, huge, 1, 0))), nil},
	} {
		var g Datagram
		if err := NewDecoder(DefaultConfig).Decode(&g, c.b, arrival); err != c.want {
			t.Errorf("%s: error %v, want %v", name, err, c.want)
		}
		if len(g.Records) != 0 {
			t.Errorf("%s: records %+v, want none", name, g.Records)
		}
		if c.want == nil && g.BadSamples == 0 {
			t.Errorf("%s: no bad sample counted", name)
		}
	}
}

// TestExtraIsBounded has more to tell of one packet than is kept.
func TestExtraIsBounded(t *testing.T) {
	records := []part{syn()}
	for i := range 3000 {
		records = append(records, record(vniEgress, x(i)))
	}
	g := decodeOne(t, datagram(1, 1, flowOf(1, 0, 4, records...)))
	if got := g.Records[0].More.Extra; len(got) != maxExtra || cap(got) > 2*maxExtra || g.CutExtra != 3000-maxExtra {
		t.Errorf("%d elements in room for %d, %d cut; want %d of 3000", len(got), cap(got), g.CutExtra, maxExtra)
	}
}

// TestURLIsMasked checks that what a URI holds of passwords is not kept, as it
// is not from packets either.
func TestURLIsMasked(t *testing.T) {
	g := decodeOne(t, datagram(1, 1, flowOf(1, 0, 4, syn(), record(extendedURL, x(2, []byte("/login?user=me&pw=secret"), []byte("WWW.example.com:8080"))))))
	if got := g.Records[0].More.HTTP; got.URI != "/login?user=*&pw=*" || got.Host != "www.example.com" {
		t.Errorf("got %q of %q, want the values masked, and the host without its port", got.URI, got.Host)
	}
}

// TestAllocs checks that a known source costs no memory.
func TestAllocs(t *testing.T) {
	d := NewDecoder(DefaultConfig)
	var g Datagram
	b := busy()
	at := arrival
	if n := testing.AllocsPerRun(100, func() {
		at = at.Add(time.Millisecond)
		if err := d.Decode(&g, b, at); err != nil || len(g.Records) != 7 {
			t.Fatal(err, len(g.Records))
		}
	}); n != 0 {
		t.Errorf("%v allocations for a datagram, want 0", n)
	}
}

// busy is a datagram as switches send them: seven samples with 128 octets of
// header, of their VLAN, router and path, and counters of an interface.
func busy() []byte {
	var samples []part
	for i := range 7 {
		samples = append(samples, flowOf(i, 0, 4,
			header(frame(weir.TCP, host, peer, tcp(40000, 443, 0x10, make([]byte, 1000))), 128),
			record(extendedSwitch, x(12, 0, 13, 0)),
			record(extendedRouter, x(1, other, 24, 16)),
			record(extendedGateway, x(1, other, 64500, 64501, 64502, 1, 2, 2, 64503, 64504, 0, 100))))
	}
	return datagram(1, 1000, append(samples, sample(counterSample, x(1, 3, 1, record(genericInterface, part(make([]byte, 88))))))...)
}

func FuzzDecode(f *testing.F) {
	f.Add(busy(), uint8(1))
	f.Add(datagram(1, 1, sample(discardedPacket, x(9, 0, 3, 0, 3, 0, 258, 1, syn()))), uint8(0))
	f.Add(datagram(1, 1, flowOf(1, 0, 4, record(extendedUser, x(106, []byte("a"), 106, []byte("b"))), record(extendedURL, x(1, []byte("/"), []byte("h"))),
		record(extendedMPLS, x(1, other, 1, 1, 1, 2)), record(extendedNAT, x(1, other, 1, peer)), record(sampledIPv6, x(60, 17, host6, peer6, 1, 2, 0, 0)))), uint8(0))
	f.Add(datagram(1, 1, sample(counterExpanded, x(1, 0, 3, 1, record(genericInterface, part(make([]byte, 88)))))), uint8(0))
	f.Add(datagram(1, 1, flowOf(1, 0, 4, header(frame(weir.UDP, host, peer, udp(53, 53, []byte("\x12\x34\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01"))), 128))), uint8(2))
	f.Fuzz(func(t *testing.T, b []byte, again uint8) {
		d := NewDecoder(Config{MaxSources: 4})
		var g Datagram
		for range int(again)%3 + 1 {
			_ = d.Decode(&g, b, arrival)
			// A record or a counter takes 8 octets at least.
			if len(g.Records)+g.NotIP+g.BadHeaders > g.FlowSamples+g.Discarded || 8*(g.FlowSamples+g.CounterSamples+g.Discarded+g.UnknownSamples+g.UnknownRecords) > len(b) {
				t.Fatalf("%d octets: %+v", len(b), g)
			}
			for _, r := range g.Records {
				if !r.Src.IsValid() || r.Packets != 1 || r.Sampling == 0 {
					t.Fatalf("record %+v", r)
				}
			}
			if len(d.sources) > 4 || d.Interfaces() > 4 {
				t.Fatalf("%d sources and %d interfaces kept, want 4 at most", len(d.sources), d.Interfaces())
			}
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	run := func(b *testing.B, datagrams [][]byte) {
		d := NewDecoder(DefaultConfig)
		var g Datagram
		b.ReportAllocs()
		records := 0
		for i := 0; b.Loop(); i++ {
			_ = d.Decode(&g, datagrams[i%len(datagrams)], arrival)
			records += len(g.Records)
		}
		b.ReportMetric(float64(records)/b.Elapsed().Seconds(), "records/s")
	}
	b.Run("switch", func(b *testing.B) { run(b, [][]byte{busy()}) })
	b.Run("pmacct", func(b *testing.B) {
		files, _ := filepath.Glob(filepath.Join(sharedtest.Path(b, "conformance/live-exporters"), "pmsf", "*.bin"))
		var datagrams [][]byte
		for _, file := range files {
			d, err := os.ReadFile(file)
			if err != nil {
				b.Fatal(err)
			}
			datagrams = append(datagrams, d)
		}
		run(b, datagrams)
	})
}
