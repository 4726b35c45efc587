package sflow

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/flowrec"
	"github.com/weir-nta/weir/internal/uri"
)

// Formats of the records of a flow sample: the enterprise (0) in the upper 20
// bits, the number below.
const (
	sampledHeader   = 1
	sampledEthernet = 2
	sampledIPv4     = 3
	sampledIPv6     = 4

	extendedSwitch     = 1001
	extendedRouter     = 1002
	extendedGateway    = 1003
	extendedUser       = 1004
	extendedURL        = 1005
	extendedMPLS       = 1006
	extendedNAT        = 1007
	extendedVLANTunnel = 1012
	extendedNATPort    = 1020
	ipv4TunnelEgress   = 1023
	ipv4TunnelIngress  = 1024
	ipv6TunnelEgress   = 1025
	ipv6TunnelIngress  = 1026
	vniEgress          = 1029
	vniIngress         = 1030
	extendedACL        = 1037
	extendedFunction   = 1038
	extendedHWTrap     = 1041
	linuxDropReason    = 1042
)

// What is kept of variable length is bounded, for an agent to be trusted with
// no more than what other decoders keep.
const (
	maxText   = 255
	maxLabels = 10
	maxExtra  = 64 // elements of More.Extra: a datagram has room for thousands
)

// A sighting is what a sample has said of the packet so far.
type sighting uint8

const (
	unseen     sighting = iota
	badHeader           // a sampled header that cannot be read
	notIP               // a packet, but not of IP
	fromFields          // addresses and ports as the agent read them
	fromHeader          // the sampled header itself
)

// records reads the records of a sample into r, the last of the datagram's, and
// takes that back if there is no IP packet in them.
func (d *Decoder) records(r *flowrec.Record, c *cursor) {
	seen := unseen
	n := c.u32()
	for ; n > 0 && !c.bad; n-- { // each takes 8 octets at least
		format := c.u32()
		body := cursor{b: c.opaque()}
		if c.bad {
			break
		}
		d.record(r, format, &body, &seen)
		if body.bad {
			d.g.BadSamples++
		}
	}
	if c.bad {
		d.g.BadSamples++
	}
	if m := r.More; m != nil && len(m.Extra) > maxExtra {
		d.g.CutExtra += len(m.Extra) - maxExtra
		m.Extra = slices.Clone(m.Extra[:maxExtra])
	}
	switch seen {
	case fromFields, fromHeader:
		return
	case badHeader:
		d.g.BadHeaders++
	default:
		d.g.NotIP++
	}
	d.g.Records = d.g.Records[:len(d.g.Records)-1]
}

func (d *Decoder) record(r *flowrec.Record, format uint32, c *cursor, seen *sighting) {
	switch format {
	case sampledHeader:
		*seen = max(*seen, d.header(r, c))
	case sampledEthernet:
		ethernet(r, c)
		*seen = max(*seen, notIP)
	case sampledIPv4, sampledIPv6:
		if *seen < fromFields && fields(r, c, format == sampledIPv6) {
			*seen = fromFields
		}
	case extendedSwitch:
		if vlan := c.u32(); r.VLAN == 0 && vlan < 4095 {
			r.VLAN = uint16(vlan)
		}
	case extendedRouter:
		if next := c.address(); next.IsValid() {
			r.Next = next
		}
	case extendedGateway:
		gateway(r, c)
	default:
		d.rare(r, format, c)
	}
}

// rare reads records that few agents send; what they say takes memory of its own.
func (d *Decoder) rare(r *flowrec.Record, format uint32, c *cursor) {
	switch format {
	case extendedUser:
		m := more(r)
		c.u32() // the character set
		m.SrcUser = text(c.opaque(), maxText)
		c.u32()
		m.DstUser = text(c.opaque(), maxText)
	case extendedURL:
		url(r, c)
	case extendedMPLS:
		if next := c.address(); next.IsValid() && !r.Next.IsValid() {
			r.Next = next
		}
		labels(r, "mplsLabelsIn", c, mplsLabel)
		labels(r, "mplsLabelsOut", c, mplsLabel)
	case extendedNAT:
		n := nat(r)
		n.Src, n.Dst = c.address(), c.address()
	case extendedNATPort:
		n := nat(r)
		n.SrcPort, n.DstPort = uint16(c.u32()), uint16(c.u32())
	case extendedVLANTunnel:
		labels(r, "vlanStack", c, vlanTag)
	case ipv4TunnelEgress, ipv6TunnelEgress:
		tunnel(r, "tunnelEgress", c, format == ipv6TunnelEgress)
	case ipv4TunnelIngress, ipv6TunnelIngress:
		tunnel(r, "tunnelIngress", c, format == ipv6TunnelIngress)
	case vniEgress:
		extra(r, "vniEgress", strconv.FormatUint(uint64(c.u32()), 10))
	case vniIngress:
		extra(r, "vniIngress", strconv.FormatUint(uint64(c.u32()), 10))
	case extendedACL:
		number, name := c.u32(), text(c.opaque(), maxText)
		if name == "" {
			name = strconv.FormatUint(uint64(number), 10)
		}
		more(r).ACL = name
	case extendedFunction:
		extra(r, "dropFunction", text(c.opaque(), maxText))
	case linuxDropReason:
		extra(r, "linuxDropReason", text(c.opaque(), maxText))
	case extendedHWTrap:
		c.opaque() // the group
		extra(r, "trap", text(c.opaque(), maxText))
	default:
		d.g.UnknownRecords++
	}
}

func ethernet(r *flowrec.Record, c *cursor) {
	c.u32() // length
	src, dst := c.take(8), c.take(8)
	if dst == nil || r.SrcMAC != (flowrec.MAC{}) {
		return
	}
	r.SrcMAC, r.DstMAC = flowrec.MAC(src[:6]), flowrec.MAC(dst[:6])
}

// fields reads sampled_ipv4 and sampled_ipv6, whose values the agent has read
// out of the packet itself. It reports whether they were there.
func fields(r *flowrec.Record, c *cursor, v6 bool) bool {
	length, proto := c.u32(), c.u32()
	src, dst := addresses(c, v6)
	sport, dport := c.u32(), c.u32()
	flags, tos := c.u32(), c.u32()
	if c.bad {
		return false
	}
	r.Bytes = uint64(length)
	r.Src, r.Dst = src, dst
	r.Proto = weir.Proto(proto)
	r.TOS = uint8(tos)
	switch r.Proto {
	case weir.TCP:
		r.Flags, r.HasFlags = weir.TCPFlags(flags), true
	case weir.ICMPv4, weir.ICMPv6: // agents differ in what the ports are then
		return true
	}
	r.SrcPort, r.DstPort = uint16(sport), uint16(dport)
	return true
}

func addresses(c *cursor, v6 bool) (src, dst netip.Addr) {
	size := 4
	if v6 {
		size = 16
	}
	src, _ = netip.AddrFromSlice(c.take(size))
	dst, _ = netip.AddrFromSlice(c.take(size))
	return src, dst
}

// gateway reads what BGP knows of the packet. A source without a number of its
// own, and a destination without a path, are in the AS of the router.
func gateway(r *flowrec.Record, c *cursor) {
	next := c.address()
	own, src := c.u32(), c.u32()
	c.u32() // the AS of the peer that the source is behind
	dst := own
	for n := c.u32(); n > 0 && !c.bad; n-- { // each segment of the path takes 8 octets at least
		c.u32() // set or sequence
		size := int64(c.u32())
		if size*4 > int64(c.left()) {
			c.fail()
			return
		}
		if size > 0 {
			c.take(int(size-1) * 4)
			dst = c.u32()
		}
	}
	if c.bad {
		return
	}
	if src == 0 {
		src = own
	}
	r.SrcAS, r.DstAS = src, dst
	if !r.Next.IsValid() {
		r.Next = next
	}
}

// url reads what the agent knows of the HTTP conversation that the packet is
// of, without what is not to be kept of a URI.
func url(r *flowrec.Record, c *cursor) {
	direction := c.u32()
	target, host := c.opaque(), c.opaque()
	if c.bad {
		return
	}
	m := more(r)
	if m.HTTP == nil {
		m.HTTP = new(weir.HTTP)
	}
	m.App = "http"
	if m.HTTP.URI == "" {
		m.HTTP.URI = uri.Masked(target)
	}
	if m.HTTP.Host == "" {
		m.HTTP.Host = uri.Host(host)
	}
	switch direction {
	case 1: // the URL is that of the source
		r.Initiator = flowrec.DstBegan
	case 2:
		r.Initiator = flowrec.SrcBegan
	}
}

func nat(r *flowrec.Record) *weir.NAT {
	m := more(r)
	if m.NAT == nil {
		m.NAT = new(weir.NAT)
	}
	return m.NAT
}

// tunnel reads the addresses of a tunnel that the packet goes into on its way
// out, or came out of on its way in.
func tunnel(r *flowrec.Record, name string, c *cursor, v6 bool) {
	c.u32() // length
	proto := c.u32()
	src, dst := addresses(c, v6)
	if c.bad {
		return
	}
	extra(r, name, src.String()+">"+dst.String()+" "+weir.Proto(proto).String())
}

func mplsLabel(v uint32) uint32 { return v >> 12 }
func vlanTag(v uint32) uint32   { return v & 0xfff }

// labels reads a stack of labels or tags, outermost first.
func labels(r *flowrec.Record, name string, c *cursor, value func(uint32) uint32) {
	var b []byte
	n := c.u32()
	if int64(n)*4 > int64(c.left()) {
		c.fail()
		return
	}
	for i := range n {
		v := c.u32()
		if i >= maxLabels {
			continue
		}
		if i > 0 {
			b = append(b, '/')
		}
		b = strconv.AppendUint(b, uint64(value(v)), 10)
	}
	if len(b) > 0 {
		extra(r, name, string(b))
	}
}

func extra(r *flowrec.Record, name, value string) {
	m := more(r)
	m.Extra = append(m.Extra, name+"="+value)
}

// text returns b as a string of at most n octets, without the zeros behind it
// and with what is no valid UTF-8 replaced.
func text(b []byte, n int) string {
	s := strings.TrimRight(string(b[:min(len(b), n)]), "\x00")
	return strings.ToValidUTF8(s, "\uFFFD")
}
