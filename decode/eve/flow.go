package eve

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/app"
	"github.com/weir-nta/weir/internal/jsonline"
)

// A conversation is what was said in a flow whose own event, which comes at its
// end, is still to come; or, after it, that it has come.
type conversation struct {
	weir.Endpoints // of the client
	ended          bool
	app            string
	tunnel         string
	tls            *weir.TLS
	http           *weir.HTTP
	rdp            *weir.RDPSession
	rpc            string // the interface bound last
}

// endpoints returns what all records of an event have in common. Src is the
// client: events of some types tell the sender of the packet as the source.
func (d *Decoder) endpoints() weir.Endpoints {
	e := &d.event
	p := weir.Endpoints{
		Time: e.time, Sensor: d.sensor(), UID: e.str(fFlowID), Proto: e.proto(),
		Src: e.src, Dst: e.dst, SrcPort: uint16(e.uint(fSrcPort, 16)), DstPort: uint16(e.uint(fDstPort, 16)),
	}
	if d.fromServer(&p) {
		turn(&p)
	}
	return p
}

func turn(p *weir.Endpoints) { p.Src, p.Dst, p.SrcPort, p.DstPort = p.Dst, p.Src, p.DstPort, p.SrcPort }

// directed are the types whose events always tell the client as the source.
var directed = map[string]bool{"flow": true, "netflow": true, "http": true, "http2": true, "tls": true, "quic": true, "ssh": true, "smb": true}

// fromServer says whether the event is told from the server's side: by what is
// known of its flow, else by the ports.
func (d *Decoder) fromServer(p *weir.Endpoints) bool {
	if directed[string(d.event.value[fType])] {
		return false
	}
	if t, ok := d.talks.index[p.UID]; ok {
		c := &t.Value.(*entry[string, conversation]).value
		if c.Src == p.Dst && c.SrcPort == p.DstPort {
			return true
		}
		if c.Src == p.Src && c.SrcPort == p.SrcPort {
			return false
		}
	}
	return app.ServerPort(p.Proto, p.SrcPort) && !app.ServerPort(p.Proto, p.DstPort)
}

func (d *Decoder) sensor() string {
	if d.c.Sensor != "" {
		return d.c.Sensor
	}
	return d.event.str(fHost)
}

// talk returns the conversation that p is of, nil if that has no identifier.
// Identifiers come again, of each run of Suricata and by chance: what is held
// of other endpoints is released.
func (d *Decoder) talk(b *weir.Batch, p *weir.Endpoints) *conversation {
	if p.UID == "" {
		return nil
	}
	c := d.talks.get(p.UID, d.now)
	if c == nil {
		c = d.talks.put(p.UID, conversation{Endpoints: *p}, d.now)
	}
	if !c.between(p.Src, p.SrcPort, p.Dst, p.DstPort) {
		d.emitAlone(b, c)
		*c = conversation{Endpoints: *p}
	}
	if from, ok := bytes.CutSuffix(d.event.value[fPktSrc], []byte(" encapsulation")); ok {
		c.tunnel = strings.ToLower(bounded(from))
	}
	return c
}

// between says whether the conversation is between these, whoever is the client.
func (c *conversation) between(src netip.Addr, srcPort uint16, dst netip.Addr, dstPort uint16) bool {
	return c.Src == src && c.SrcPort == srcPort && c.Dst == dst && c.DstPort == dstPort ||
		c.Src == dst && c.SrcPort == dstPort && c.Dst == src && c.DstPort == srcPort
}

// flow makes a flow of an event that tells of both directions.
func (d *Decoder) flow(b *weir.Batch) bool {
	e := &d.event
	f := d.newFlow()
	f.Start, f.End = e.moment(fFlowStart), e.moment(fFlowEnd)
	f.BytesUp, f.BytesDown = e.uint(fBytesUp, 64), e.uint(fBytesDown, 64)
	f.PacketsUp, f.PacketsDown = e.uint(fPktsUp, 64), e.uint(fPktsDown, 64)
	f.FlagsUp, f.FlagsDown = weir.TCPFlags(e.hex(fFlagsUp, 8)), weir.TCPFlags(e.hex(fFlagsDown, 8))
	// What ends with the program, or is forced out, may go on; a closed
	// connection does not.
	f.Ongoing = (e.is(fFlowReason, "shutdown") || e.is(fFlowReason, "forced")) && !e.is(fFlowState, "closed")
	f.Export = &weir.Export{Reason: d.reason()}
	if e.is(fFlowAction, "drop") {
		f.Export.Action = "denied"
	}
	d.complete(&f)
	if h, ok := d.halves.take(f.UID); ok {
		d.counters.Used -= h.lines
		d.counters.Duplicates += h.lines
	}
	d.join(b, &f)
	b.Flows = append(b.Flows, f)
	return true
}

// reason returns why the flow is reported, as exporters of flows say it.
func (d *Decoder) reason() string {
	e := &d.event
	switch {
	case e.is(fFlowReason, "shutdown"), e.is(fFlowReason, "forced"):
		return "forced"
	case e.is(fFlowState, "closed"), e.is(fFlowReason, "tcp_reuse"):
		return "end"
	case e.is(fFlowReason, "timeout"):
		return "idle"
	}
	return e.str(fFlowReason)
}

// newFlow returns a flow with what both kinds of events tell alike.
func (d *Decoder) newFlow() weir.Flow {
	e := &d.event
	p := d.endpoints()
	f := weir.Flow{
		Start: p.Time, End: p.Time, Sensor: p.Sensor, UID: p.UID, Src: p.Src, Dst: p.Dst, SrcPort: p.SrcPort, DstPort: p.DstPort,
		Proto: p.Proto, App: appName(e.value[fAppProto]), VLAN: uint16(d.firstUint(fVLAN)),
		SrcMAC: d.first(fSrcMAC, fSrcMACs), DstMAC: d.first(fDstMAC, fDstMACs),
	}
	if e.has(fICMPType) {
		f.ICMP = &weir.ICMP{Type: uint8(e.uint(fICMPType, 8)), Code: uint8(e.uint(fICMPCode, 8))}
	}
	return f
}

// complete sets what follows from the rest of a flow.
func (d *Decoder) complete(f *weir.Flow) {
	if f.Start.IsZero() {
		f.Start = d.event.time
	}
	if f.End.Before(f.Start) {
		f.End = f.Start
	}
	f.Duration = f.End.Sub(f.Start)
	f.State = state(f)
}

// first returns the text of the field one, else the first of the array many.
func (d *Decoder) first(one, many field) string {
	if one != none && d.event.has(one) {
		return d.event.lower(one)
	}
	var out string
	_ = d.array.Elements(d.event.value[many], func(value []byte, kind jsonline.Kind) error { // of no array, nothing
		if out == "" && (kind == jsonline.String || kind == jsonline.Number) {
			out = strings.ToLower(bounded(value))
		}
		return nil
	})
	return out
}

// firstUint returns the first number of an array, or the number that the field is.
func (d *Decoder) firstUint(f field) uint64 {
	n, err := strconv.ParseUint(d.first(none, f), 10, 16)
	if err != nil {
		return d.event.uint(f, 16)
	}
	return n
}

// appNames are Suricata's names of application protocols where ours are others.
var appNames = map[string]string{
	"failed": "", "unknown": "", "dcerpc": "dce_rpc", "krb5": "kerberos", "pgsql": "postgresql", "bittorrent-dht": "bittorrent",
	"ikev2": "ike", "ikev1": "ike", "http_any": "http", "http1": "http", "doh2": "http2",
	"dns": "dns", "http": "http", "quic": "quic", "smb": "smb", "ssh": "ssh", "tls": "tls", // of which there are many: no copy of them
}

func appName(b []byte) string {
	if n, ok := appNames[string(b)]; ok {
		return n
	}
	return bounded(b)
}

// state returns the state of the connection in Zeek's terms, from the flags and
// who sent anything. There are no flags where Suricata has seen no begin. Whose reset came first is not told: if both sent one, it
// is taken for that of the originator.
func state(f *weir.Flow) weir.State {
	if f.Proto != weir.TCP {
		switch {
		case f.PacketsDown == 0:
			return weir.StateS0
		case f.PacketsUp == 0:
			return weir.StateSHR
		}
		return weir.StateSF
	}
	up, down := f.FlagsUp, f.FlagsDown
	switch {
	case up&weir.SYN == 0:
		return notBegun(down)
	case down == 0:
		return notAnswered(up)
	case down&weir.SYN == 0 && down&weir.RST != 0:
		return weir.StateREJ
	case up&down&weir.FIN != 0:
		return weir.StateSF
	case up&weir.RST != 0:
		return weir.StateRSTO
	case down&weir.RST != 0:
		return weir.StateRSTR
	case up&weir.FIN != 0:
		return weir.StateS2
	case down&weir.FIN != 0:
		return weir.StateS3
	}
	return weir.StateS1
}

func notBegun(down weir.TCPFlags) weir.State {
	switch {
	case down&weir.SYN == 0:
		return weir.StateOTH
	case down&weir.RST != 0:
		return weir.StateRSTRH
	case down&weir.FIN != 0:
		return weir.StateSHR
	}
	return weir.StateOTH
}

func notAnswered(up weir.TCPFlags) weir.State {
	switch {
	case up&weir.RST != 0:
		return weir.StateRSTOS0
	case up&weir.FIN != 0:
		return weir.StateSH
	}
	return weir.StateS0
}

// A half is a flow made of netflow events, one for each direction.
type half struct {
	weir.Flow
	lines uint64
}

// netflow takes one direction of a flow. It is used where no flow event tells
// of the whole.
func (d *Decoder) netflow(*weir.Batch) bool {
	e := &d.event
	uid, src, srcPort := e.str(fFlowID), e.src, uint16(e.uint(fSrcPort, 16))
	if c := d.talks.get(uid, d.now); c != nil && c.ended && c.between(src, srcPort, e.dst, uint16(e.uint(fDstPort, 16))) {
		d.counters.Duplicates++
		return false
	}
	h := d.halves.get(uid, d.now)
	if h == nil {
		h = d.halves.put(uid, half{Flow: d.newFlow()}, d.now)
		h.Start, h.End = e.moment(fNetflowStart), e.moment(fNetflowEnd)
	}
	h.lines++
	if h.Src == src && h.SrcPort == srcPort {
		h.BytesUp += e.uint(fNetflowBytes, 64)
		h.PacketsUp += e.uint(fNetflowPkts, 64)
		h.FlagsUp |= weir.TCPFlags(e.hex(fFlags, 8))
	} else {
		h.BytesDown += e.uint(fNetflowBytes, 64)
		h.PacketsDown += e.uint(fNetflowPkts, 64)
		h.FlagsDown |= weir.TCPFlags(e.hex(fFlags, 8))
	}
	h.Start, h.End = earlier(h.Start, e.moment(fNetflowStart)), later(h.End, e.moment(fNetflowEnd))
	return true
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) && !b.IsZero() {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// emitHalf appends a flow made of netflow events. Suricata writes none for a
// direction without packets: one alone is an attempt that went unanswered.
func (d *Decoder) emitHalf(b *weir.Batch, h *half) {
	d.complete(&h.Flow)
	d.join(b, &h.Flow)
	b.Flows = append(b.Flows, h.Flow)
}

// join puts into f what was said in it, and keeps in mind that it has come.
func (d *Decoder) join(b *weir.Batch, f *weir.Flow) {
	c := d.talk(b, &weir.Endpoints{UID: f.UID, Src: f.Src, Dst: f.Dst, SrcPort: f.SrcPort, DstPort: f.DstPort, Proto: f.Proto})
	if c == nil {
		return
	}
	if c.rdp != nil {
		b.RDP = append(b.RDP, *c.rdp)
	}
	f.TLS, f.HTTP = c.tls, c.http
	if f.App == "" {
		f.App = c.app
	}
	f.Tunnel = c.tunnel
	*c = conversation{Endpoints: c.Endpoints, ended: true, rpc: c.rpc}
	c.Src, c.Dst, c.SrcPort, c.DstPort = f.Src, f.Dst, f.SrcPort, f.DstPort
}

// emitAlone appends what was said in a conversation whose flow event did not
// come, as a flow without counters.
func (d *Decoder) emitAlone(b *weir.Batch, c *conversation) {
	if c.rdp != nil {
		b.RDP = append(b.RDP, *c.rdp)
	}
	if c.tls == nil && c.http == nil {
		return
	}
	d.counters.Alone++
	b.Flows = append(b.Flows, weir.Flow{
		Start: c.Time, End: c.Time, Sensor: c.Sensor, UID: c.UID, Src: c.Src, Dst: c.Dst, SrcPort: c.SrcPort, DstPort: c.DstPort,
		Proto: c.Proto, App: c.app, Tunnel: c.tunnel, TLS: c.tls, HTTP: c.http, Ongoing: true,
	})
}
