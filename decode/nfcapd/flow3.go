package nfcapd

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/flowrec"
)

// Elements of records of layout 2 (nfxV3.h).
const (
	genericFlow  = 1
	ipv4Flow     = 2
	ipv6Flow     = 3
	flowMisc     = 4
	counters     = 5
	vlan         = 6
	asRouting    = 7
	bgpNext4     = 8
	bgpNext6     = 9
	next4        = 10
	next6        = 11
	received4    = 12
	received6    = 13
	mplsLabels   = 14
	macAddresses = 15
	asAdjacent   = 16
	latency      = 17
	samplerOf    = 18
	nselCommon   = 19
	nat4         = 20
	nat6         = 21
	natPorts     = 22
	nselACL      = 23
	nselUser     = 24
	natCommon    = 25
	natPortBlock = 26
	nbarApp      = 27
	label        = 28
	inPayload    = 29
	outPayload   = 30
	tunnel4      = 31
	tunnel6      = 32
	observation  = 33
	inmonMeta    = 34
	inmonFrame   = 35
	vrf          = 36
	packetFilter = 37
	layer2       = 38
	flowID       = 39
	nokiaNAT     = 40
	nokiaString  = 41
	ipInfo       = 42
)

// sizes are how many octets an element has at least, for what is read of it.
var sizes = [...]int{
	genericFlow: 48, ipv4Flow: 8, ipv6Flow: 32, flowMisc: 12, counters: 24, vlan: 8, asRouting: 8,
	bgpNext4: 4, bgpNext6: 16, next4: 4, next6: 16, received4: 4, received6: 16, mplsLabels: 40,
	macAddresses: 32, asAdjacent: 8, latency: 24, samplerOf: 8, nselCommon: 15, nat4: 8, nat6: 32,
	natPorts: 4, nselACL: 24, nselUser: 1, natCommon: 13, natPortBlock: 8, nbarApp: 4,
	tunnel4: 12, tunnel6: 36, observation: 12, vrf: 8, packetFilter: 12, layer2: 24, flowID: 8,
	nokiaNAT: 4, nokiaString: 1, ipInfo: 0,
}

// Flags of records.
const (
	isEvent3   = 1
	isSampled3 = 2
)

// maxElements is how many elements a record may have: there are 42, and each is
// there once. A record of thousands could take ten times its octets in More.
const maxElements = 64

// flow3 reads a record of layout 2.
func (r *Reader) flow3(rec *flowrec.Record, b []byte) error {
	const head = 12
	if len(b) < head {
		return short("a flow", b)
	}
	*rec = flowrec.Record{}
	r.out = out{}
	r.last = Exporter{SysID: binary.LittleEndian.Uint16(b[8:])}
	elements, flags, version := binary.LittleEndian.Uint16(b[4:]), b[10], uint32(b[11])
	if elements > maxElements {
		return fmt.Errorf("%w: a record of %d elements for a flow", ErrDamaged, elements)
	}
	f := flow{r: r, rec: rec, sampler: generic}
	for b = b[head:]; elements > 0; elements-- { // each takes 4 octets at least
		if len(b) < 4 {
			return short("a flow", b)
		}
		kind, size := binary.LittleEndian.Uint16(b), int(binary.LittleEndian.Uint16(b[2:]))
		if size < 4 || size > len(b) {
			return short("a flow", b)
		}
		e := b[4:size]
		b = b[size:]
		if int(kind) < len(sizes) && len(e) < sizes[kind] {
			return short("a flow", e)
		}
		f.element(kind, e)
	}
	f.payloads()
	r.finish(rec, flags&isSampled3 != 0, f.sampler, flags&isEvent3 != 0, version)
	return nil
}

// A flow is a record of layout 2 that is being read.
type flow struct {
	r       *Reader
	rec     *flowrec.Record
	sampler int64
	in, out []byte // payload
}

// element reads those elements that most records have.
func (f *flow) element(kind uint16, b []byte) {
	rec := f.rec
	switch kind {
	case genericFlow:
		f.generic(b)
	case ipv4Flow:
		rec.Src, rec.Dst = addr4(b), addr4(b[4:])
	case ipv6Flow:
		if !rec.Src.IsValid() { // routers tell IPv4 in SRv6 with both, the second made of the first
			rec.Src, rec.Dst = addr6(b), addr6(b[16:])
		}
	case flowMisc:
		f.misc(b)
	case counters:
		f.r.out = out{true, binary.LittleEndian.Uint64(b[16:]), binary.LittleEndian.Uint64(b[8:])}
	case vlan:
		if v := binary.LittleEndian.Uint32(b); v < 4096 {
			rec.VLAN = uint16(v)
		}
	case asRouting:
		rec.SrcAS, rec.DstAS = binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
	case next4:
		rec.Next = told(addr4(b))
	case next6:
		rec.Next = told(addr6(b))
	case bgpNext4:
		if !rec.Next.IsValid() {
			rec.Next = told(addr4(b))
		}
	case bgpNext6:
		if !rec.Next.IsValid() {
			rec.Next = told(addr6(b))
		}
	case received4:
		f.r.last.Addr = told(addr4(b))
	case received6:
		f.r.last.Addr = told(addr6(b))
	case macAddresses:
		rec.SrcMAC, rec.DstMAC = mac(b), mac(b[16:])
		if rec.DstMAC == (flowrec.MAC{}) {
			rec.DstMAC = mac(b[8:]) // after the device: sfcapd knows no other
		}
	case samplerOf:
		f.sampler = int64(binary.LittleEndian.Uint64(b))
	case observation:
		rec.Domain = binary.LittleEndian.Uint32(b[8:])
		if point := binary.LittleEndian.Uint64(b); point != 0 {
			extra(rec, "observationPointId", point)
		}
	case inPayload:
		f.in = b
	case outPayload:
		f.out = b
	default:
		f.firewall(kind, b)
	}
}

func (f *flow) generic(b []byte) {
	rec := f.rec
	rec.Start, rec.End = micros(b), micros(b[8:])
	rec.Exported = micros(b[16:])
	rec.Packets, rec.Bytes = binary.LittleEndian.Uint64(b[24:]), binary.LittleEndian.Uint64(b[32:])
	rec.SrcPort, rec.DstPort = binary.LittleEndian.Uint16(b[40:]), binary.LittleEndian.Uint16(b[42:])
	rec.Proto = weir.Proto(b[44])
	rec.Flags = weir.TCPFlags(b[45])
	rec.TOS = b[47]
	protocol(rec)
	status(rec, b[46])
}

// micros reads milliseconds as microseconds, and 0 where they are none that a
// record of today could have.
func micros(b []byte) int64 {
	const latest = 1 << 43 // in the year 2248
	if ms := binary.LittleEndian.Uint64(b); ms < latest {
		return int64(ms) * 1000
	}
	return 0
}

// protocol makes of ports and flags what they are for the protocol.
func protocol(rec *flowrec.Record) {
	switch rec.Proto {
	case weir.TCP:
		rec.HasFlags = rec.Flags != 0
		return
	case weir.ICMPv4, weir.ICMPv6:
		rec.ICMPType, rec.ICMPCode, rec.HasICMP = uint8(rec.DstPort>>8), uint8(rec.DstPort), true
		rec.SrcPort, rec.DstPort = 0, 0
	}
	rec.Flags = 0
}

// status notes that the device did not forward the packets (IPFIX element 89).
func status(rec *flowrec.Record, s uint8) {
	const dropped, deniedByACL, droppedByACL = 2, 129, 130
	if s>>6 != dropped {
		return
	}
	if s == deniedByACL || s == droppedByACL {
		more(rec).Action = "denied"
	}
	extra(rec, "forwardingStatus", uint64(s))
}

func (f *flow) misc(b []byte) {
	rec := f.rec
	rec.InIf, rec.OutIf = binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
	if b[10] == 1 { // 0 is ingress, or not told
		rec.Observed = flowrec.Egress
	}
	if len(b) < 14 { // nfdump 1.7.1
		return
	}
	if b[12] <= uint8(flowrec.Perimeter) {
		rec.Initiator = flowrec.Initiator(b[12])
	}
	if b[13] <= uint8(flowrec.Resources) {
		rec.Reason = flowrec.EndReason(b[13])
	}
}

// firewall reads what firewalls and translating devices tell.
func (f *flow) firewall(kind uint16, b []byte) {
	rec := f.rec
	switch kind {
	case nselCommon:
		event(rec, micros(b))
		if id := binary.LittleEndian.Uint32(b[8:]); id != 0 {
			extra(rec, "flowId", uint64(id))
		}
		if x := binary.LittleEndian.Uint16(b[12:]); x != 0 {
			extra(rec, "firewallExtendedEvent", uint64(x))
		}
		action(rec, b[14])
	case nat4:
		nat(rec).Src, nat(rec).Dst = told(addr4(b)), told(addr4(b[4:]))
	case nat6:
		nat(rec).Src, nat(rec).Dst = told(addr6(b)), told(addr6(b[16:]))
	case natPorts:
		nat(rec).SrcPort, nat(rec).DstPort = binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint16(b[2:])
	case natCommon:
		event(rec, micros(b))
		if pool := binary.LittleEndian.Uint32(b[8:]); pool != 0 {
			extra(rec, "natPoolId", uint64(pool))
		}
		natEvent(rec, b[12])
	case natPortBlock:
		portBlock(rec, b)
	case nselACL:
		acl(rec, b)
	case nselUser:
		more(rec).SrcUser = text(b)
	case packetFilter: // of OpenBSD: action, reason, direction, rewritten, rule, rule within
		if b[0] == 1 {
			more(rec).Action = "denied"
		}
		more(rec).ACL = "rule " + strconv.FormatUint(uint64(binary.LittleEndian.Uint32(b[4:])), 10)
	default:
		f.rare(kind, b)
	}
}

// rare reads what is left.
func (f *flow) rare(kind uint16, b []byte) {
	rec := f.rec
	switch kind {
	case mplsLabels:
		labels(rec, b)
	case asAdjacent:
		if next := binary.LittleEndian.Uint32(b); next != 0 {
			extra(rec, "bgpNextAdjacentAsNumber", uint64(next))
		}
		if prev := binary.LittleEndian.Uint32(b[4:]); prev != 0 {
			extra(rec, "bgpPrevAdjacentAsNumber", uint64(prev))
		}
	case latency:
		for i, name := range [...]string{"clientNetworkDelayMicroseconds", "serverNetworkDelayMicroseconds", "applicationLatencyMicroseconds"} {
			if v := binary.LittleEndian.Uint64(b[8*i:]); v != 0 {
				extra(rec, name, v)
			}
		}
	case nbarApp: // engine and selector (RFC 6759)
		selector := uint64(b[1])<<16 | uint64(b[2])<<8 | uint64(b[3])
		m := more(rec)
		m.Extra = append(m.Extra, "applicationId="+strconv.Itoa(int(b[0]))+":"+strconv.FormatUint(selector, 10))
	case tunnel4:
		tunnel(rec, addr4(b).String(), addr4(b[4:]).String(), binary.LittleEndian.Uint32(b[8:]))
	case tunnel6:
		tunnel(rec, addr6(b).String(), addr6(b[16:]).String(), binary.LittleEndian.Uint32(b[32:]))
	case vrf:
		routing(rec, binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b))
	case layer2:
		f.link(b)
	case flowID:
		if id := binary.LittleEndian.Uint64(b); id != 0 {
			extra(rec, "flowId", id)
		}
	case nokiaNAT:
		extra(rec, "natInsideServiceId", uint64(binary.LittleEndian.Uint16(b)))
		extra(rec, "natOutsideServiceId", uint64(binary.LittleEndian.Uint16(b[2:])))
	case nokiaString:
		if s := text(b); s != "" {
			m := more(rec)
			m.Extra = append(m.Extra, "natSubString="+s)
		}
	case 0, label, inmonMeta, inmonFrame, ipInfo: // nothing that Weir keeps
	default:
		f.r.stats.Unknown++
	}
}

func (f *flow) link(b []byte) {
	rec := f.rec
	if v := binary.LittleEndian.Uint16(b); rec.VLAN == 0 && v < 4096 {
		rec.VLAN = v
	}
	if rec.InIf == 0 && rec.OutIf == 0 {
		rec.InIf, rec.OutIf = binary.LittleEndian.Uint32(b[8:]), binary.LittleEndian.Uint32(b[12:])
	}
	if id := binary.LittleEndian.Uint64(b[16:]); id != 0 {
		extra(rec, "layer2SegmentId", id)
	}
}

// maxText is how many octets are kept of a string: a record has room for 65,000,
// and names of users have 72 at most.
const maxText = 255

// text reads a string that zeros end.
func text(b []byte) string {
	s, _, _ := strings.Cut(string(b[:min(len(b), maxText)]), "\x00")
	return strings.ToValidUTF8(s, "\uFFFD")
}
