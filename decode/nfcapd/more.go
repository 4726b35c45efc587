package nfcapd

import (
	"encoding/binary"
	"fmt"
	"strconv"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/app"
	"github.com/weir-nta/weir/decode/dns"
	"github.com/weir-nta/weir/decode/flowrec"
	"github.com/weir-nta/weir/decode/http"
	"github.com/weir-nta/weir/decode/tls"
	"github.com/weir-nta/weir/internal/wire"
)

// more returns where rec keeps what most records do not have.
func more(rec *flowrec.Record) *flowrec.More {
	if rec.More == nil {
		rec.More = new(flowrec.More)
	}
	return rec.More
}

func nat(rec *flowrec.Record) *weir.NAT {
	m := more(rec)
	if m.NAT == nil {
		m.NAT = new(weir.NAT)
	}
	return m.NAT
}

func extra(rec *flowrec.Record, name string, value uint64) {
	m := more(rec)
	m.Extra = append(m.Extra, name+"="+strconv.FormatUint(value, 10))
}

// event sets the time of what is an event rather than a stretch of traffic.
func event(rec *flowrec.Record, at int64) {
	if rec.Start == 0 && rec.End == 0 {
		rec.Start, rec.End = at, at
	}
}

// actions names firewallEvent (IPFIX element 233).
var actions = [...]string{1: "created", 2: "deleted", 3: "denied", 4: "alert", 5: "update"}

func action(rec *flowrec.Record, event uint8) {
	if int(event) < len(actions) && event > 0 {
		more(rec).Action = actions[event]
	}
}

// natEvents names natEvent (IPFIX element 230): translations, sessions,
// bindings and blocks of ports are created and deleted alike.
var natEvents = [...]string{
	1: "create", 2: "delete", 3: "addresses exhausted", 4: "create", 5: "delete", 6: "create", 7: "delete",
	8: "create", 9: "delete", 10: "create", 11: "delete", 12: "ports exhausted", 13: "quota exceeded",
	14: "create", 15: "delete", 16: "create", 17: "delete", 18: "threshold reached",
}

func natEvent(rec *flowrec.Record, event uint8) {
	if int(event) < len(natEvents) && event > 0 {
		nat(rec).Event = natEvents[event]
	}
}

func portBlock(rec *flowrec.Record, b []byte) {
	for i, name := range [...]string{"portRangeStart", "portRangeEnd", "portRangeStepSize", "portRangeNumPorts"} {
		if v := binary.LittleEndian.Uint16(b[2*i:]); v != 0 {
			extra(rec, name, uint64(v))
		}
	}
}

// acl reads the identifiers of the rules that let the first packet in and out,
// each three numbers (rule, entry, hash of the extended entry).
func acl(rec *flowrec.Record, b []byte) {
	id := func(b []byte) string {
		var n [3]uint32
		for i := range n {
			n[i] = binary.LittleEndian.Uint32(b[4*i:])
		}
		if n == [3]uint32{} {
			return ""
		}
		return fmt.Sprintf("%08x-%08x-%08x", n[0], n[1], n[2])
	}
	in, out := id(b), id(b[12:])
	if in != "" {
		more(rec).ACL = in
	}
	if out != "" {
		m := more(rec)
		if m.ACL == "" {
			m.ACL = out
		} else {
			m.Extra = append(m.Extra, "egressAcl="+out)
		}
	}
}

// labels reads a stack of MPLS labels, outermost first.
func labels(rec *flowrec.Record, b []byte) {
	var s []byte
	for ; len(b) >= 4; b = b[4:] {
		v := binary.LittleEndian.Uint32(b)
		if v == 0 {
			break
		}
		if len(s) > 0 {
			s = append(s, '/')
		}
		s = strconv.AppendUint(s, uint64(v>>4), 10)
	}
	if len(s) > 0 {
		m := more(rec)
		m.Extra = append(m.Extra, "mplsLabels="+string(s))
	}
}

func tunnel(rec *flowrec.Record, src, dst string, proto uint32) {
	m := more(rec)
	m.Tunnel = map[uint32]string{4: "ipip", 41: "6in4", 47: "gre"}[proto]
	if m.Tunnel == "" {
		m.Tunnel = weir.Proto(proto).String()
	}
	m.Extra = append(m.Extra, "tunnelSource="+src, "tunnelDestination="+dst)
}

// routing sets the routing instance: that by which packets came in, if told.
func routing(rec *flowrec.Record, ingress, egress uint32) {
	switch {
	case ingress != 0:
		more(rec).VRF = strconv.FormatUint(uint64(ingress), 10)
		if egress != 0 && egress != ingress {
			extra(rec, "egressVRFID", uint64(egress))
		}
	case egress != 0:
		more(rec).VRF = strconv.FormatUint(uint64(egress), 10)
	}
}

// payloads reads the first octets of both directions, where the collector was
// told to keep them (nfpcapd).
func (f *flow) payloads() {
	if len(f.in) == 0 && len(f.out) == 0 {
		return
	}
	switch f.rec.Proto {
	case weir.UDP:
		f.dns()
	case weir.TCP:
		f.hello()
		f.head()
	}
	if m := f.rec.More; m == nil || m.App == "" {
		if name := app.Recognise(f.rec.Proto, f.in, f.out); name != "" {
			more(f.rec).App = name
		}
	}
}

// dns reads a message in a datagram; of one that is cut, what there is.
func (f *flow) dns() {
	const header = 12
	var m dns.Message
	rec, b := f.rec, f.in
	if !dnsPort(rec.SrcPort) && !dnsPort(rec.DstPort) && !dns.Looks(b) {
		return
	}
	if err := dns.Decode(&m, b); err != nil && (err != dns.ErrShort || len(b) < header) {
		return
	}
	t := &weir.DNSTransaction{
		Time: timeOf(rec.Start), Proto: rec.Proto, App: dns.Dialect(rec.SrcPort, rec.DstPort),
		Src: rec.Src, Dst: rec.Dst, SrcPort: rec.SrcPort, DstPort: rec.DstPort,
	}
	if m.Response {
		t.Src, t.Dst, t.SrcPort, t.DstPort = t.Dst, t.Src, t.DstPort, t.SrcPort
		t.BytesDown = uint64(len(b))
		m.FillResponse(t)
	} else {
		t.BytesUp = uint64(len(b))
		m.FillQuery(t)
	}
	more(rec).App, more(rec).DNS = t.App, t
}

func dnsPort(port uint16) bool {
	return port == 53 || port == 5353 || port == 5355 || port == 137
}

func (f *flow) hello() {
	t := &f.r.tls
	*t = weir.TLS{}
	if len(f.in) == 0 || f.in[0] != 22 {
		return
	}
	if tls.Client(t, f.in) == wire.No {
		*t = weir.TLS{}
		if tls.Server(t, f.in) == wire.No {
			return
		}
	} else if len(f.out) > 0 {
		tls.Server(t, f.out)
	}
	m := more(f.rec)
	m.App = "tls"
	if *t != (weir.TLS{}) {
		hello := *t
		m.TLS = &hello
	}
}

func (f *flow) head() {
	var h weir.HTTP
	if http.Client(&h, f.in); h.Method == "" {
		http.Server(&h, f.in)
	} else if len(f.out) > 0 {
		http.Server(&h, f.out)
	}
	if h.Method == "" && h.Status == 0 {
		return
	}
	m := more(f.rec)
	m.App, m.HTTP = "http", &h
}
