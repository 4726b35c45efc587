package sflow

import (
	"encoding/binary"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dns"
	"github.com/weir-nta/weir/decode/flowrec"
	"github.com/weir-nta/weir/decode/http"
	"github.com/weir-nta/weir/decode/packet"
	"github.com/weir-nta/weir/decode/tls"
	"github.com/weir-nta/weir/internal/wire"
)

// links are the link types of sampled headers (header_protocol). Those that
// are not here, such as Token Ring, FDDI, Frame Relay, ATM and IEEE 802.11, are
// passed over.
var links = map[uint32]packet.LinkType{
	1:  packet.LinkEthernet,
	7:  packet.LinkPPP,
	11: packet.LinkIPv4,
	12: packet.LinkIPv6,
	13: packet.LinkMPLS,
	14: packet.LinkPPPHDLC, // packet over SONET, RFC 1662
}

// header reads the first octets of a packet into r.
func (d *Decoder) header(r *flowrec.Record, c *cursor) sighting {
	protocol, length := c.u32(), c.u32()
	stripped := c.u32() // octets taken off the packet, the checksum for one, that length counts
	data := c.opaque()
	if c.bad {
		return badHeader
	}
	link, ok := links[protocol]
	if !ok {
		return notIP
	}
	if link == packet.LinkEthernet && len(data) >= 12 {
		r.DstMAC, r.SrcMAC = flowrec.MAC(data[:6]), flowrec.MAC(data[6:12])
	}
	p := &d.packet
	wireLen := int64(length) - int64(stripped)
	switch err := d.packets.Decode(p, link, data, int(wireLen), d.at); {
	case err == packet.ErrNotIP, err == packet.ErrLinkType:
		return notIP
	case err != nil && (err != packet.ErrHeader || p.Bytes == 0):
		return badHeader
	}
	d.fill(r, p)
	d.payload(r, p)
	return fromHeader
}

func (d *Decoder) fill(r *flowrec.Record, p *packet.Packet) {
	r.Src, r.Dst = p.Src.Netip(), p.Dst.Netip()
	r.SrcPort, r.DstPort = p.SrcPort, p.DstPort
	r.Proto = p.Proto
	r.Bytes = uint64(p.Bytes)
	r.TOS = p.TOS
	if p.VLAN != 0 {
		r.VLAN = p.VLAN
	}
	cut := d.packets.Counters().CutHeaders
	whole := cut == d.cutHeaders
	d.cutHeaders = cut
	switch p.Proto {
	case weir.TCP:
		r.Flags = p.Flags
		r.HasFlags = p.Flags != 0 || whole && !p.LaterFragment
	case weir.ICMPv4, weir.ICMPv6:
		r.ICMPType, r.ICMPCode = p.ICMPType, p.ICMPCode
		r.HasICMP = whole && !p.LaterFragment
	}
	if p.Tunnel != 0 {
		more(r).Tunnel = p.Tunnel.String()
	}
}

// payload looks for what is worth more than the packet itself.
func (d *Decoder) payload(r *flowrec.Record, p *packet.Packet) {
	b := p.Payload
	if p.LaterFragment || len(b) == 0 {
		return
	}
	switch p.Proto {
	case weir.UDP:
		if dnsPort(p.SrcPort) || dnsPort(p.DstPort) || dns.Looks(b) {
			d.dns(r, p, b)
		}
	case weir.TCP:
		switch {
		case p.SrcPort == 53 || p.DstPort == 53:
			if len(b) > 2 && int(binary.BigEndian.Uint16(b)) == p.PayloadLen-2 {
				d.dns(r, p, b[2:])
			}
		case b[0] == 22: // a handshake record
			d.hello(r, b)
		case b[0] >= 'A' && b[0] <= 'Z':
			d.request(r, b)
		}
	}
}

func dnsPort(port uint16) bool {
	return port == 53 || port == 5353 || port == 5355 || port == 137
}

// dns reads a message, or what there is of one that the sampled header cuts.
func (d *Decoder) dns(r *flowrec.Record, p *packet.Packet, b []byte) {
	const header = 12
	cut := len(p.Payload) < p.PayloadLen || p.FirstFragment
	if err := dns.Decode(&d.message, b); err != nil && (!cut || err != dns.ErrShort || len(b) < header) {
		return
	}
	octets := uint64(len(b) + p.PayloadLen - len(p.Payload))
	t := &weir.DNSTransaction{
		Time: time.Unix(0, d.at).UTC(), Proto: r.Proto, App: dns.Dialect(r.SrcPort, r.DstPort),
		Src: r.Src, Dst: r.Dst, SrcPort: r.SrcPort, DstPort: r.DstPort,
	}
	if d.message.Response {
		t.Src, t.Dst, t.SrcPort, t.DstPort = t.Dst, t.Src, t.DstPort, t.SrcPort
		t.BytesDown = octets
		d.message.FillResponse(t)
		r.Initiator = flowrec.DstBegan
	} else {
		t.BytesUp = octets
		d.message.FillQuery(t)
		r.Initiator = flowrec.SrcBegan
	}
	m := more(r)
	m.App, m.DNS = t.App, t
}

// hello reads a ClientHello or a ServerHello. One that the sampled header cuts
// tells who is the client.
func (d *Decoder) hello(r *flowrec.Record, b []byte) {
	d.tls = weir.TLS{}
	began := flowrec.SrcBegan
	status := tls.Client(&d.tls, b)
	if status == wire.No {
		d.tls = weir.TLS{}
		began = flowrec.DstBegan
		status = tls.Server(&d.tls, b)
	}
	if status == wire.No || len(b) < 6 { // with less, either may still come
		return
	}
	r.Initiator = began
	m := more(r)
	m.App = "tls"
	if d.tls != (weir.TLS{}) {
		hello := d.tls
		m.TLS = &hello
	}
}

// request reads the head of a request, or the status of an answer.
func (d *Decoder) request(r *flowrec.Record, b []byte) {
	d.http = weir.HTTP{}
	began := flowrec.SrcBegan
	if http.Client(&d.http, b); d.http.Method == "" {
		began = flowrec.DstBegan
		if http.Server(&d.http, b); d.http.Status == 0 {
			return
		}
	}
	r.Initiator = began
	m := more(r)
	m.App = "http"
	head := d.http
	if m.HTTP != nil { // the agent has told of it as well
		if head.URI == "" {
			head.URI = m.HTTP.URI
		}
		if head.Host == "" {
			head.Host = m.HTTP.Host
		}
	}
	m.HTTP = &head
}
