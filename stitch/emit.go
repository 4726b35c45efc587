package stitch

import (
	"cmp"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/app"
	"github.com/weir-nta/weir/decode/flowrec"
)

// A reason is why a flow is emitted.
type reason uint8

const (
	due    reason = iota // nothing more is expected soon
	cut                  // it has filled a record, and more has come
	early                // it had to make room
	closed               // the input is at its end
)

// report emits what is pending of c.
func (s *Stitcher) report(c *conversation, why reason) {
	if !c.decided {
		s.decide(c)
	}
	up, down := &c.sides[c.orig], &c.sides[c.orig^1]
	f := &s.out
	*f = weir.Flow{
		Start: timeOf(c.start), End: timeOf(c.last), Duration: time.Duration(c.last-c.born) * time.Microsecond,
		Slice: c.slices, Ongoing: why == cut || !c.over() && (c.goesOn || why == early),
		Proto: c.key.Proto, OriginGuessed: c.guessed, Half: s.half(c),
		BytesUp: up.bytes, PacketsUp: up.packets, DataUp: up.data, FlagsUp: up.flags,
		BytesDown: down.bytes, PacketsDown: down.packets, DataDown: down.data, FlagsDown: down.flags,
		Sampling: c.sampling, SamplingUnknown: c.samplingUnknown,
	}
	s.endpoints(c, f)
	f.State = s.state(c, f.Half)
	s.tellExporters(c, f)
	s.tellWay(c, f)
	tellMore(c, f)
	s.name(c, f)

	s.count.Flows++
	if c.slices++; c.slices > 1 {
		s.count.Slices++
	}
	c.pending = 0
	for e := range c.sides {
		d := &c.sides[e]
		d.bytes, d.packets, d.data = 0, 0, 0
	}
	s.emit(f)
}

// decide settles who began, which holds for all slices.
func (s *Stitcher) decide(c *conversation) {
	c.orig, c.guessed = s.origin(c)
	c.decided = true
	if c.guessed {
		s.count.Guessed++
	} else if c.both() && !c.key.OneWay {
		a, port := c.key.A, c.key.APort
		if c.orig == 0 {
			a, port = c.key.B, c.key.BPort
		}
		s.servers.add(s.serverHash(a, port, c.key.Proto))
	}
	s.learnVantage(c)
}

// learnVantage counts c for who told it.
func (s *Stitcher) learnVantage(c *conversation) {
	paired, half := c.sides[0].sent && c.sides[1].sent, s.half(c)
	switch {
	case paired:
		s.count.Paired++
	case half:
		s.count.Halves++
	default:
		s.count.Unanswered++
	}
	if paired || c.key.OneWay || nobody(c.key.A) || nobody(c.key.B) || c.attempt() {
		return // nothing was to be heard
	}
	flags := c.sides[0].flags | c.sides[1].flags
	mute := c.key.Proto == weir.TCP && flags&weir.ACK != 0 && c.sides[0].packets+c.sides[1].packets >= 3
	for _, x := range c.exporters {
		if x != nil {
			x.learnOneWay(mute)
		}
	}
}

// half reports whether one direction only was told, and whether the other end
// answered is not known.
func (s *Stitcher) half(c *conversation) bool {
	if c.both() || c.key.OneWay || nobody(c.key.A) || nobody(c.key.B) {
		return false
	}
	if c.decided && c.sides[c.orig^1].told() {
		return true // the answer without the question
	}
	return !s.unanswered(c)
}

// unanswered reports whether c, of which one direction was told, is known to
// have had no answer: TCP without ACK shows it, and for the rest an exporter
// that usually tells both directions. Of sampled traffic nothing is known.
func (s *Stitcher) unanswered(c *conversation) bool {
	if c.sampling > 1 || c.samplingUnknown {
		return false
	}
	if c.key.Proto == weir.TCP && c.hasFlags {
		return c.attempt()
	}
	x := c.exporters[0]
	return x != nil && x.tellsBoth()
}

// endpoints sets addresses and ports. Those of ICMP are no ports.
func (s *Stitcher) endpoints(c *conversation, f *weir.Flow) {
	k := &c.key
	f.Src, f.Dst, f.SrcPort, f.DstPort = k.A.Netip(), k.B.Netip(), k.APort, k.BPort
	if c.orig == 1 {
		f.Src, f.Dst, f.SrcPort, f.DstPort = f.Dst, f.Src, f.DstPort, f.SrcPort
	}
	if k.Proto != weir.ICMPv4 && k.Proto != weir.ICMPv6 {
		return
	}
	m := c.icmp
	if !k.OneWay {
		m.Type = uint8(f.SrcPort) // the first record may have been of the answers
	}
	told := k.OneWay || f.SrcPort != f.DstPort // no type is the answer to itself
	f.SrcPort, f.DstPort = 0, 0
	if !told {
		return
	}
	p := s.icmps[m]
	if p == nil {
		p = &weir.ICMP{Type: m.Type, Code: m.Code}
		s.icmps[m] = p // 65,536 of them at most
	}
	f.ICMP = p
}

// state returns the state of the connection in Zeek's terms, as far as the
// flags of both directions tell it; of a half what it alone shows.
func (s *Stitcher) state(c *conversation, half bool) weir.State {
	up, down := &c.sides[c.orig], &c.sides[c.orig^1]
	switch {
	case c.key.Proto == weir.TCP && c.hasFlags:
		return tcpState(up, down, half)
	case half:
		return weir.NoState
	case c.key.Proto == weir.TCP && !down.sent:
		return weir.StateS0
	case c.key.Proto != weir.UDP:
		return weir.StateOTH
	case !up.sent:
		return weir.StateSHR
	case !down.sent:
		return weir.StateS0
	}
	return weir.StateSF
}

func tcpState(up, down *side, half bool) weir.State {
	u, d := up.flags, down.flags
	has := func(set, flag weir.TCPFlags) bool { return set&flag != 0 }
	switch {
	case half && down.sent: // the answers alone
		switch {
		case !has(d, weir.SYN):
			return weir.StateOTH
		case has(d, weir.FIN) && !has(d, weir.RST):
			return weir.StateSHR
		}
		return weir.StateOTH
	case half:
		switch {
		case !has(u, weir.SYN) || has(u, weir.RST):
			return weir.StateOTH // a RST shows neither that there was an answer nor that there was none
		case has(u, weir.FIN):
			return weir.StateS2
		case has(u, weir.ACK): // who acknowledges has been answered
			return weir.StateS1
		}
		return weir.NoState // a sampled SYN
	case !down.sent:
		return attemptState(u)
	case has(d, weir.RST) && !has(d, weir.SYN) && has(u, weir.SYN) && !has(d, weir.FIN|weir.PSH):
		return weir.StateREJ
	case has(u, weir.FIN) && has(d, weir.FIN):
		return weir.StateSF
	case !has(u|d, weir.SYN) && !has(u|d, weir.FIN|weir.RST):
		return weir.StateOTH // seen from the middle
	case has(d, weir.RST):
		if !has(u, weir.SYN|weir.FIN) {
			return weir.StateRSTRH
		}
		return weir.StateRSTR
	case has(u, weir.RST):
		if !has(d, weir.SYN) {
			return weir.StateOTH
		}
		return weir.StateRSTO
	case has(u, weir.FIN):
		if !has(d, weir.SYN) {
			return weir.StateSH
		}
		return weir.StateS2
	case has(d, weir.FIN):
		if !has(u, weir.SYN) {
			return weir.StateSHR
		}
		return weir.StateS3
	case has(d, weir.SYN):
		return weir.StateS1
	}
	return weir.StateOTH
}

// attemptState is the state where nobody answered.
func attemptState(up weir.TCPFlags) weir.State {
	switch {
	case up&weir.SYN == 0 && up&weir.FIN != 0:
		return weir.StateSH
	case up&weir.SYN == 0:
		return weir.StateOTH
	case up&weir.RST != 0:
		return weir.StateRSTOS0
	case up&weir.FIN != 0:
		return weir.StateSH
	}
	return weir.StateS0
}

// tellExporters names who told of c: whose counters are used first, those of
// the originator before those of the responder.
func (s *Stitcher) tellExporters(c *conversation, f *weir.Flow) {
	list := c.exporters
	owner := cmp.Or(c.sides[c.orig].owner, c.sides[c.orig^1].owner, 1) - 1
	for i := owner; i > 0; i-- {
		list[i], list[i-1] = list[i-1], list[i]
	}
	x := list[0]
	x.Flows++
	f.Sensor = x.Name
	if list[1] == nil {
		f.Exporters = x.alone()
		return
	}
	names, ok := s.names[list]
	if !ok {
		if len(s.names) >= maxInterned {
			clear(s.names)
		}
		for _, x := range list {
			if x != nil && x.Addr.IsValid() {
				names = append(names, x.Addr.String())
			}
		}
		s.names[list] = names
	}
	f.Exporters = names
}

// maxInterned bounds what is kept so as not to be made for each flow anew. When
// it is full, all is forgotten and made again.
const maxInterned = 1 << 12

// alone returns the list of x only, nil for one without an address.
func (x *Exporter) alone() []string {
	if x.names == nil && x.Addr.IsValid() {
		x.names = []string{x.Addr.String()}
	}
	return x.names
}

// tellWay tells the way through the device, as packets of the originator took it.
func (s *Stitcher) tellWay(c *conversation, f *weir.Flow) {
	up, down := &c.sides[c.orig], &c.sides[c.orig^1]
	f.VLAN = cmp.Or(up.vlan, down.vlan)
	f.SrcMAC, f.DstMAC = s.mac(up.srcMAC, down.dstMAC), s.mac(up.dstMAC, down.srcMAC)
	f.SrcASN, f.DstASN = cmp.Or(up.srcAS, down.dstAS), cmp.Or(up.dstAS, down.srcAS)
	e := weir.Export{
		InIf: cmp.Or(up.inIf, down.outIf), OutIf: cmp.Or(up.outIf, down.inIf), Next: up.next,
		TOS: up.tos, Domain: cmp.Or(up.domain, down.domain), Reason: cmp.Or(up.reason, down.reason).String(),
	}
	for _, d := range [...]*side{up, down} {
		if m := d.more; m != nil {
			e.Action, e.ACL, e.VRF = cmp.Or(e.Action, m.Action), cmp.Or(e.ACL, m.ACL), cmp.Or(e.VRF, m.VRF)
			if e.Extra == nil {
				e.Extra = m.Extra
			}
		}
	}
	if e.InIf|e.OutIf|e.Domain == 0 && e.TOS == 0 && !e.Next.IsValid() && e.Extra == nil && e.Reason+e.Action+e.ACL+e.VRF == "" {
		return
	}
	if len(s.exports) == cap(s.exports) {
		s.exports = make([]weir.Export, 0, 256)
	}
	s.exports = append(s.exports, e)
	f.Export = &s.exports[len(s.exports)-1]
}

// mac returns the first of the addresses that was told, as a string.
func (s *Stitcher) mac(a, b flowrec.MAC) string {
	a = cmp.Or(a, b)
	if a == (flowrec.MAC{}) {
		return ""
	}
	m, ok := s.macs[a]
	if !ok {
		if len(s.macs) >= maxInterned {
			clear(s.macs)
		}
		m = a.String()
		s.macs[a] = m
	}
	return m
}

// tellMore tells what records told beyond addresses and counters: what the
// originator's did, and where these are silent what the others did.
func tellMore(c *conversation, f *weir.Flow) {
	if m := c.sides[c.orig].more; m != nil {
		fill(f, m)
	}
	if m := c.sides[c.orig^1].more; m != nil {
		fill(f, turned(m))
	}
}

func fill(f *weir.Flow, m *flowrec.More) {
	f.App = cmp.Or(f.App, m.App)
	f.TLS, f.HTTP, f.NAT = cmp.Or(f.TLS, m.TLS), cmp.Or(f.HTTP, m.HTTP), cmp.Or(f.NAT, m.NAT)
	f.SrcUser, f.DstUser = cmp.Or(f.SrcUser, m.SrcUser), cmp.Or(f.DstUser, m.DstUser)
	f.SrcHost, f.DstHost = cmp.Or(f.SrcHost, m.SrcHost), cmp.Or(f.DstHost, m.DstHost)
	f.Tunnel = cmp.Or(f.Tunnel, m.Tunnel)
}

// name names the application: as told, as what was told of it shows, or by the
// port.
func (s *Stitcher) name(c *conversation, f *weir.Flow) {
	switch {
	case f.App != "":
	case f.TLS != nil:
		f.App = "tls"
	case f.HTTP != nil:
		f.App = "http"
	case c.hasFlags || f.Proto != weir.TCP:
		f.App = app.Guess(f)
		f.AppGuessed = f.App != ""
	case f.PacketsDown > 0: // without flags an answer is all there is to go by
		f.App = app.ByPort(f.Proto, f.DstPort)
		f.AppGuessed = f.App != ""
	}
}

// timeOf returns a time in UTC.
func timeOf(micros int64) time.Time { return time.UnixMicro(micros).UTC() }
