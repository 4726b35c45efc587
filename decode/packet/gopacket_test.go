package packet

import (
	"bufio"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/sharedtest"
)

// TestAgainstGopacket decodes every packet of the shared captures with
// gopacket as well. Both must say the same of each that is in no tunnel and
// that gopacket can read. What is not compared is counted by its reason.
func TestAgainstGopacket(t *testing.T) {
	if testing.Short() {
		t.Skip("reads all the shared captures")
	}
	same, reasons := 0, map[string]int{}
	for _, dir := range []string{"corpus/captures", "conformance/arkime", "conformance/zeek", "conformance/suricata-verify"} {
		err := filepath.WalkDir(sharedtest.Path(t, dir), func(file string, e fs.DirEntry, err error) error {
			if err != nil || !e.Type().IsRegular() {
				return err
			}
			n, err := compareFile(t, file, reasons)
			same += n
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d packets the same; others: %v", same, reasons)
	if n := reasons[sameInTunnel]; same < 300_000 || n < 1000 {
		t.Errorf("%d packets compared and %d in tunnels, want 300,000 and 1,000 or more", same, n)
	}
}

// compareFile decodes one capture with both, and returns how many packets are
// the same. Where gopacket's readers stop, it stops.
func compareFile(t *testing.T, file string, reasons map[string]int) (same int, _ error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	next := openCapture(f)
	if next == nil {
		return 0, nil
	}
	d := NewDecoder(Config{})
	for n := 1; ; n++ {
		data, info, link, err := next()
		if err != nil {
			return same, nil
		}
		var p Packet
		err = d.Decode(&p, link, data, info.Length, info.Timestamp.UnixNano())
		want := ask(data, layers.LinkType(link))
		if reason := want.incomparable(&p, err); reason != "" {
			reasons[reason]++
			continue
		}
		got := oracle{src: p.Src.Netip(), dst: p.Dst.Netip(), proto: p.Proto, srcPort: p.SrcPort, dstPort: p.DstPort, bytes: p.Bytes, payload: p.PayloadLen}
		if err != nil || got != want.comparable(&p) {
			t.Errorf("%s, packet %d:\n got %+v (error %v)\nwant %+v", file, n, got, err, want)
			continue
		}
		same++
	}
}

type nextPacket func() ([]byte, gopacket.CaptureInfo, LinkType, error)

// openCapture opens a capture with gopacket's own readers, or returns nil.
func openCapture(f *os.File) nextPacket {
	if r, err := pcapgo.NewReader(bufio.NewReader(f)); err == nil {
		return func() ([]byte, gopacket.CaptureInfo, LinkType, error) {
			data, info, err := r.ReadPacketData()
			return data, info, LinkType(r.LinkType()), err
		}
	}
	if _, err := f.Seek(0, 0); err != nil {
		return nil
	}
	r, err := pcapgo.NewNgReader(f, pcapgo.NgReaderOptions{WantMixedLinkType: true})
	if err != nil {
		return nil
	}
	return func() ([]byte, gopacket.CaptureInfo, LinkType, error) {
		data, info, err := r.ReadPacketData()
		link := LinkType(0)
		if err == nil {
			link = LinkType(info.AncillaryData[0].(layers.LinkType))
		}
		return data, info, link, err
	}
}

// An oracle is what gopacket says of a packet.
type oracle struct {
	src, dst         netip.Addr
	proto            weir.Proto
	srcPort, dstPort uint16
	bytes            int
	payload          int

	ips       int // IP headers in it
	tunnel    bool
	fragment  bool
	transport bool // it has read the transport header
}

// incomparable says why the packet is none to compare, "" if it is one.
func (o *oracle) incomparable(p *Packet, err error) string {
	switch {
	case err == ErrLinkType:
		return "link type not decoded"
	case err == ErrNotIP && o.ips == 0:
		return "not IP to both"
	case err != nil && o.ips == 0:
		return "damaged to both"
	case err != nil && o.ips == 1 && !o.transport:
		return "transport damaged to both"
	case o.ips == 0: // link types that gopacket does not know
		return "IP to weir only"
	case o.tunnel || o.ips > 1 || p.Tunnel != 0:
		if err == nil && o.src == p.Src.Netip() && o.dst == p.Dst.Netip() && o.bytes == p.Bytes {
			return sameInTunnel
		}
		return "tunnel, differently" // PPP, Teredo and others that gopacket leaves closed; packet by packet in TestDecodeTunnels
	case !o.src.IsValid():
		return "IPv4 options damaged to gopacket only"
	case err == nil && hasHeader(o.proto) && !o.transport && !o.fragment:
		return "transport damaged to gopacket only"
	}
	return ""
}

const sameInTunnel = "tunnel, the same in it"

// comparable returns of o what p also means.
func (o oracle) comparable(p *Packet) oracle {
	if o.fragment { // gopacket does not look into fragments
		o.proto, o.srcPort, o.dstPort, o.payload = p.Proto, p.SrcPort, p.DstPort, p.PayloadLen
	}
	o.ips, o.tunnel, o.fragment, o.transport = 0, false, false, false
	return o
}

func hasHeader(proto weir.Proto) bool {
	return proto == weir.TCP || proto == weir.UDP || proto == weir.SCTP || proto == weir.ICMPv4 || proto == weir.ICMPv6
}

// ask decodes with gopacket.
func ask(data []byte, link layers.LinkType) oracle {
	var o oracle
	for _, l := range gopacket.NewPacket(data, link, gopacket.DecodeOptions{NoCopy: true}).Layers() {
		switch l := l.(type) {
		case *layers.IPv4:
			o = oracle{src: addrOf(l.SrcIP), dst: addrOf(l.DstIP), proto: weir.Proto(l.Protocol), bytes: int(l.Length), ips: o.ips + 1, tunnel: o.tunnel}
			o.payload = o.bytes - 4*int(l.IHL)
			o.fragment = l.FragOffset != 0 || l.Flags&layers.IPv4MoreFragments != 0
		case *layers.IPv6:
			o = oracle{src: addrOf(l.SrcIP), dst: addrOf(l.DstIP), proto: weir.Proto(l.NextHeader), bytes: 40 + int(l.Length), payload: int(l.Length), ips: o.ips + 1, tunnel: o.tunnel}
		case *layers.IPv6HopByHop:
			o.extension(weir.Proto(l.NextHeader), l.Contents)
		case *layers.IPv6Destination:
			o.extension(weir.Proto(l.NextHeader), l.Contents)
		case *layers.IPv6Routing:
			o.extension(weir.Proto(l.NextHeader), l.Contents)
		case *layers.IPv6Fragment:
			o.extension(weir.Proto(l.NextHeader), l.Contents)
			o.fragment = l.FragmentOffset != 0 || l.MoreFragments
		case *layers.IPSecAH:
			o.extension(weir.Proto(l.NextHeader), l.Contents)
		case *layers.TCP:
			if l.DataOffset >= 5 {
				o.ports(uint16(l.SrcPort), uint16(l.DstPort), o.payload-4*int(l.DataOffset))
			}
		case *layers.UDP:
			if l.Length >= 8 { // else the length by IP
				o.payload = int(l.Length)
			}
			o.ports(uint16(l.SrcPort), uint16(l.DstPort), o.payload-8)
		case *layers.SCTP:
			o.ports(uint16(l.SrcPort), uint16(l.DstPort), o.payload-12)
		case *layers.ICMPv4:
			o.payload -= 8
			o.transport = true
		case *layers.ICMPv6:
			o.payload -= 8
			o.transport = true
		case *layers.GRE, *layers.MPLS, *layers.PPPoE, *layers.VXLAN, *layers.Geneve, *layers.GTPv1U, *layers.EtherIP, *layers.ERSPANII:
			o.tunnel = true
		}
	}
	return o
}

func (o *oracle) extension(next weir.Proto, header []byte) {
	o.proto = next
	o.payload -= len(header)
}

// ports notes a transport header, unless it is longer than the packet, which
// gopacket does not mind.
func (o *oracle) ports(src, dst uint16, payload int) {
	if payload >= 0 {
		o.srcPort, o.dstPort, o.payload = src, dst, payload
		o.transport = true
	}
}

func addrOf(b []byte) netip.Addr {
	a, _ := netip.AddrFromSlice(b)
	return a.Unmap()
}
