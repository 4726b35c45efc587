package zeek

import (
	"bytes"
	"slices"
	"strings"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/app"
	"github.com/weir-nta/weir/decode/dns"
)

func (d *Decoder) sensor() string {
	if d.c.Sensor != "" {
		return d.c.Sensor
	}
	if s := d.str(cSystem); s != "" {
		return s
	}
	return "zeek"
}

// conn makes a flow of a line of conn.log.
func (d *Decoder) conn(b *weir.Batch) {
	f := d.flow(b)
	if p, ok := d.join.open.Get(f.UID); ok {
		d.since(f, p)
	}
}

// openConn makes a slice of a line that tells how far a conversation has got.
func (d *Decoder) openConn(b *weir.Batch) {
	f := d.flow(b)
	f.Ongoing = true
	total := progress{
		end: f.End, bytesUp: f.BytesUp, bytesDown: f.BytesDown, packetsUp: f.PacketsUp, packetsDown: f.PacketsDown,
		dataUp: f.DataUp, dataDown: f.DataDown, slices: 1,
	}
	if p, ok := d.join.open.Get(f.UID); ok {
		total.slices = p.slices + 1
		d.since(f, p)
	}
	if id := d.id(cUID); id != "" && d.bad == nil {
		d.join.open.Put(id, total)
	}
}

// since leaves of the totals of a conversation what came since it was told of
// last, so that sums over records count nothing twice.
func (d *Decoder) since(f *weir.Flow, p progress) {
	f.Slice = p.slices
	if p.end.Before(f.End) {
		f.Start = p.end
	} else {
		f.Start = f.End
	}
	less := func(n *uint64, before uint64) { *n -= min(*n, before) }
	less(&f.BytesUp, p.bytesUp)
	less(&f.BytesDown, p.bytesDown)
	less(&f.PacketsUp, p.packetsUp)
	less(&f.PacketsDown, p.packetsDown)
	less(&f.DataUp, p.dataUp)
	less(&f.DataDown, p.dataDown)
}

// flow appends the flow that a line tells of from its begin.
func (d *Decoder) flow(b *weir.Batch) *weir.Flow {
	b.Flows = append(b.Flows, weir.Flow{})
	f := &b.Flows[len(b.Flows)-1]
	f.Start = d.now
	f.Duration = d.duration(cDuration)
	if f.End = f.Start.Add(f.Duration); f.End.Unix() >= maxSeconds {
		d.wrong(cDuration, d.v[cDuration].b, "an interval that ends before the year 2262")
	}
	f.Sensor = d.sensor()
	f.UID = d.fresh(cUID)
	d.endpoints(f)
	if s := d.bytes(cConnState); len(s) > 0 && f.State.UnmarshalText(s) != nil {
		d.wrong(cConnState, s, "a state of a connection")
	}
	f.History = d.str(cHistory)
	if f.State == weir.StateRSTOS0 && f.History != "" && !strings.Contains(f.History, "S") {
		f.State = weir.StateOTH // as newer Zeeks say: a reset from the middle is no SYN that was taken back
	}
	f.FlagsUp, f.FlagsDown = flagsOf(f)
	d.counters(f)
	f.Direction = d.direction()
	f.VLAN = d.uint16(cVLAN)
	f.SrcMAC, f.DstMAC = d.lower(cOrigMAC), d.lower(cRespMAC)
	f.Tunnel = d.tunnelOf()
	f.App = d.service(f)
	if f.App == "" {
		f.App = app.Guess(f)
		f.AppGuessed = f.App != ""
	}
	return f
}

func (d *Decoder) endpoints(f *weir.Flow) {
	f.Src, f.Dst = d.addr(cOrigHost), d.addr(cRespHost)
	f.SrcPort, f.DstPort = d.uint16(cOrigPort), d.uint16(cRespPort)
	f.Proto = d.proto()
	if d.bad == nil && (!f.Src.IsValid() || !f.Dst.IsValid()) {
		d.wrong(cOrigHost, nil, "two addresses")
	}
	if f.Proto == weir.ICMPv4 && f.Src.Is6() {
		f.Proto = weir.ICMPv6 // Zeek calls both icmp
	}
	if f.Proto == weir.ICMPv4 || f.Proto == weir.ICMPv6 {
		f.ICMP = icmpOf(f)
		f.SrcPort, f.DstPort = 0, 0
	}
}

// counterparts are the types of ICMP that answer one another (RFC 792, 950,
// 1256, 2461 and so on): of these Zeek logs the other's type as port of the
// responder, of all others the code.
var counterparts = [...]struct {
	proto weir.Proto
	a, b  uint16
}{
	{weir.ICMPv4, 8, 0}, {weir.ICMPv4, 13, 14}, {weir.ICMPv4, 15, 16}, {weir.ICMPv4, 17, 18}, {weir.ICMPv4, 10, 9},
	{weir.ICMPv6, 128, 129}, {weir.ICMPv6, 133, 134}, {weir.ICMPv6, 135, 136}, {weir.ICMPv6, 139, 140}, {weir.ICMPv6, 130, 131}, {weir.ICMPv6, 144, 145},
}

func icmpOf(f *weir.Flow) *weir.ICMP {
	icmp := &weir.ICMP{Type: uint8(f.SrcPort), Code: uint8(f.DstPort)}
	for _, c := range counterparts {
		if c.proto == f.Proto && (f.SrcPort == c.a && f.DstPort == c.b || f.SrcPort == c.b && f.DstPort == c.a) {
			icmp.Code = 0
		}
	}
	return icmp
}

// flagsOf returns the TCP flags that the history tells of.
func flagsOf(f *weir.Flow) (up, down weir.TCPFlags) {
	if f.Proto != weir.TCP {
		return 0, 0
	}
	for _, c := range []byte(f.History) {
		flags := &up
		if c >= 'a' && c <= 'z' {
			flags = &down
			c -= 'a' - 'A'
		}
		switch c {
		case 'S':
			*flags |= weir.SYN
		case 'H':
			*flags |= weir.SYN | weir.ACK
		case 'A', 'D':
			*flags |= weir.ACK
		case 'F':
			*flags |= weir.FIN
		case 'R':
			*flags |= weir.RST
		}
	}
	return up, down
}

func (d *Decoder) counters(f *weir.Flow) {
	f.DataUp, f.DataDown = d.uint(cOrigBytes), d.uint(cRespBytes)
	f.BytesUp, f.BytesDown = f.DataUp, f.DataDown
	if d.has(cOrigIPBytes) || d.has(cRespIPBytes) {
		f.BytesUp, f.BytesDown = d.uint(cOrigIPBytes), d.uint(cRespIPBytes)
	}
	if d.has(cOrigPackets) || d.has(cRespPackets) {
		f.PacketsUp, f.PacketsDown = d.uint(cOrigPackets), d.uint(cRespPackets)
		return
	}
	if f.DataUp > 0 || spoke(f, false) {
		f.PacketsUp = 1
	}
	if f.DataDown > 0 || spoke(f, true) {
		f.PacketsDown = 1
	}
}

// spoke reports whether history or state show that a side sent anything.
func spoke(f *weir.Flow, responder bool) bool {
	for _, c := range []byte(f.History) {
		if lower := c >= 'a' && c <= 'z'; lower == responder && c != '^' {
			return true
		}
	}
	switch f.State {
	case weir.StateS1, weir.StateSF, weir.StateS2, weir.StateS3, weir.StateREJ, weir.StateRSTO, weir.StateRSTR:
		return true
	case weir.StateRSTRH, weir.StateSHR:
		return responder
	case weir.StateS0, weir.StateRSTOS0, weir.StateSH:
		return !responder
	}
	return false
}

func (d *Decoder) direction() weir.Direction {
	src, told := d.boolean(cLocalOrig)
	dst, both := d.boolean(cLocalResp)
	switch {
	case !told || !both:
		return weir.NoDirection
	case src && dst:
		return weir.Internal
	case src:
		return weir.Outbound
	case dst:
		return weir.Inbound
	}
	return weir.External
}

// tunnelOf names the tunnel that the conversation came in.
func (d *Decoder) tunnelOf() string {
	uid := d.first(cTunnelParents)
	if len(uid) == 0 {
		return ""
	}
	if name, ok := d.join.tunnels.Get(d.intern(uid)); ok {
		return name
	}
	return "tunnel"
}

// tunnel keeps the kind of a tunnel.
func (d *Decoder) tunnel() {
	if uid := d.id(cUID); uid != "" {
		d.join.tunnels.Put(uid, d.intern(lowered([]byte(after(d.cut(cTunnelType, maxWord))))))
	}
}

// serviceNames are the names of applications where they differ from Zeek's.
var serviceNames = map[string]string{
	"ssl": "tls", "krb": "kerberos", "krb_tcp": "kerberos", "krb_udp": "kerberos", "ldap_tcp": "ldap", "ldap_udp": "ldap",
	"dnp3_tcp": "dnp3", "dnp3_udp": "dnp3", "gtpv1": "gtp",
}

// inner are services that run within others, from the outer to the inner: of
// several names, the one that is not among them, or else is first here, is
// the application.
var inner = []string{"smb", "dce_rpc", "http", "tls", "kerberos", "ldap", "gssapi", "spnego", "ntlm"}

// service returns the application by what Zeek has recognised, "" if nothing.
func (d *Decoder) service(f *weir.Flow) string {
	if k := d.v[cService].kind; k == absent || k == empty {
		return ""
	}
	best, rank := "", len(inner)+1
	weigh := func(name []byte) {
		if len(name) == 0 || name[0] == '-' { // -ssl: what it had seemed to be and was not
			return
		}
		s, ok := serviceNames[string(name)]
		if !ok {
			s = d.intern(name)
		}
		if r := slices.Index(inner, s); r < rank {
			best, rank = s, r
		}
	}
	d.each(cService, func(names []byte) { // a string, whose names commas separate in JSON too
		for name := range bytes.SplitSeq(lowered(names), []byte(",")) {
			weigh(name)
		}
	})
	if best == "dns" {
		return dns.Dialect(f.SrcPort, f.DstPort)
	}
	return best
}
