package hosts

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/weir-nta/weir"
)

// A source says where a name is from. The higher it is the better is the name:
// who gives it knows the device, and it is made to be shown.
type source uint8

const (
	fromHTTP     source = iota // asked for by clients (Host)
	fromSNI                    // asked for by clients (TLS)
	fromShare                  // asked for by clients (SMB)
	fromInstance               // of a service that it announces
	fromTLS                    // subject of its certificate
	fromLLMNR
	fromRDP
	fromKerberos
	fromWSD
	fromMDNS
	fromNetBIOS
	fromNTLM
	fromLLDP
	fromSNMP
	fromDNS // answers of servers
	fromDHCP
	sources
)

var sourceNames = [sources]string{
	fromHTTP: "http", fromSNI: "sni", fromShare: "smb", fromInstance: "service", fromTLS: "tls", fromLLMNR: "llmnr", fromRDP: "rdp",
	fromKerberos: "kerberos", fromWSD: "wsd", fromMDNS: "mdns", fromNetBIOS: "netbios", fromNTLM: "ntlm", fromLLDP: "lldp",
	fromSNMP: "snmp", fromDNS: "dns", fromDHCP: "dhcp",
}

// announcers are the sources of names by the protocol of an announcement.
var announcers = map[string]source{
	"llmnr": fromLLMNR, "mdns": fromMDNS, "nbns": fromNetBIOS, "browser": fromNetBIOS, "netbios_dgm": fromNetBIOS, "lldp": fromLLDP, "cdp": fromLLDP,
	"snmp": fromSNMP, "dhcp": fromDHCP, "wsd": fromWSD, "ssdp": fromWSD, "ntlm": fromNTLM, "rdp": fromRDP, "cldap": fromNetBIOS,
}

// everybody is the address of all neighbours (RFC 919).
var everybody = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// isHost reports whether a is an address that one device may have.
func isHost(a netip.Addr) bool {
	return a.IsValid() && !a.IsMulticast() && !a.IsUnspecified() && !a.IsLoopback() && a != everybody
}

// here returns the device at a local address that spoke, nil for others.
func (e *Enricher) here(a netip.Addr, at int64) *device {
	a = a.Unmap()
	if !isHost(a) || !e.local(a) {
		return nil
	}
	return e.meet(a, at).device
}

// flow learns from a conversation and names its ends.
func (e *Enricher) flow(f *weir.Flow) {
	if f.Direction == weir.External || f.Direction == weir.NoDirection {
		return
	}
	at := f.End.UnixNano()
	src, dst := f.Src.Unmap(), f.Dst.Unmap()
	var from, to *binding
	if f.Direction != weir.Inbound && isHost(src) {
		from = e.meet(src, at)
	}
	if f.Direction != weir.Outbound && isHost(dst) {
		if f.PacketsDown > 0 {
			to = e.meet(dst, at)
		} else {
			to = e.byAddr[dst] // asked, and silent: nobody need be there
		}
	}
	e.carriedBy(f, from, to, at)
	if from != nil {
		e.client(f, from.device, dst)
	}
	if to != nil {
		e.responder(f, to.device, src)
	}
	if f.Export != nil && f.Export.Next.IsValid() {
		if d := e.here(f.Export.Next, at); d != nil {
			e.learn(d, byCall, "next hop")
		}
	}
}

// carriedBy learns from the link-layer addresses of a flow. Of an end outside
// it is the router's.
func (e *Enricher) carriedBy(f *weir.Flow, from, to *binding, at int64) {
	if f.SrcMAC != "" {
		if from != nil {
			e.carried(from, f.SrcMAC, at)
		} else if f.Direction == weir.Inbound {
			e.forwards(f.SrcMAC)
		}
	}
	if f.DstMAC != "" {
		if to != nil && f.PacketsDown > 0 {
			e.carried(to, f.DstMAC, at)
		} else if f.Direction == weir.Outbound {
			e.forwards(f.DstMAC)
		}
	}
}

// client learns from the end that began a flow.
func (e *Enricher) client(f *weir.Flow, d *device, dst netip.Addr) {
	d.flows++
	d.sensor = f.Sensor
	f.SrcDevice = d.id
	if d.known.roleCertainty >= markRole {
		f.SrcRole = d.known.role
	}
	e.stack(d, f, false)
	if answered(f) {
		d.uses = serve(d.uses, f, dst)
	}
	if f.DstDomain != "" {
		e.lookedUp(d, f.DstHost, f.DstDomain)
	}
	if f.HTTP != nil {
		e.learn(d, byAgent, f.HTTP.UserAgent)
	}
}

// responder learns from the end that answered a flow, or did not.
func (e *Enricher) responder(f *weir.Flow, d *device, src netip.Addr) {
	f.DstDevice = d.id
	if d.known.roleCertainty >= markRole {
		f.DstRole = d.known.role
	}
	if f.PacketsDown == 0 {
		return
	}
	d.flows++
	d.sensor = f.Sensor
	if !answered(f) {
		return
	}
	e.stack(d, f, true)
	d.offers = serve(d.offers, f, src)
	if t := f.TLS; t != nil && f.Slice == 0 && f.HTTP == nil { // behind a CONNECT it is another's
		e.call(d, fromTLS, commonName(t.Subject), f.End.UnixNano())
		e.call(d, fromSNI, t.SNI, f.End.UnixNano())
	}
}

// commonName returns the host name in a distinguished name (RFC 2253), "" if
// it names something else.
func commonName(subject string) string {
	for part := range strings.SplitSeq(subject, ",") {
		if v, ok := strings.CutPrefix(strings.TrimSpace(part), "CN="); ok && !strings.ContainsAny(v, " *@:/\\") {
			return v
		}
	}
	return ""
}

// lease learns from an exchange of DHCP.
func (e *Enricher) lease(m *weir.DHCPMessage) {
	at := m.Time.UnixNano()
	given := len(m.Messages) == 0 || slices.Contains(m.Messages, "ACK") || slices.Contains(m.Messages, "REPLY")
	var d *device
	hw := parseMAC(m.MAC)
	switch a := m.Assigned.Unmap(); {
	case hw != 0 && given && isHost(a) && e.local(a):
		d = e.bind(a, hw, at)
	case hw != 0:
		d = e.withMAC(hw, at)
	case isHost(a):
		d = e.here(a, at)
	default:
		d = e.here(m.Src, at)
	}
	if d != nil {
		d.sensor = m.Sensor
		e.call(d, fromDHCP, m.Host, at)
		e.call(d, fromDHCP, m.FQDN, at)
		e.learn(d, byClient, m.Vendor)
		e.learn(d, byOptions, m.Fingerprint)
	}
	if s := e.here(m.Server, at); s != nil && given {
		e.learn(s, byCall, "dhcp")
	}
}

// announced learns from what a device says of itself.
func (e *Enricher) announced(a *weir.Announcement) {
	at := a.Time.UnixNano()
	d := e.announcer(a, at)
	if d == nil {
		return
	}
	d.sensor = a.Sensor
	switch a.Kind {
	case "name":
		e.call(d, announcers[a.Protocol], a.Name, at)
	case "service":
		e.call(d, fromInstance, a.Name, at)
		e.learn(d, byService, a.Text)
	case "model", "vendor", "os", "software":
		e.learn(d, byModel, a.Text)
	case "role":
		e.learn(d, byRole, a.Text)
	case "router":
		e.learn(d, byRole, "router")
	}
}

// announcer returns the device that an announcement is about, nil if that is
// nobody here.
func (e *Enricher) announcer(a *weir.Announcement, at int64) *device {
	hw := parseMAC(a.MAC)
	switch addr := a.Addr.Unmap(); {
	case a.Kind == "binding" && hw != 0:
		if isHost(addr) && e.local(addr) {
			return e.bind(addr, hw, at)
		}
		return nil
	case a.Kind == "probe" || a.Kind == "request":
		if hw == 0 {
			return nil
		}
		return e.withMAC(hw, at)
	case !isHost(a.Src.Unmap()) && hw != 0 && (a.Protocol == "lldp" || a.Protocol == "cdp" || a.Protocol == "dhcp"):
		return e.withMAC(hw, at)
	case a.Kind == "name" && isHost(addr) && addr != a.Src.Unmap() && addr.Is4() == a.Src.Unmap().Is4():
		// It tells of another, as reflectors and sleep proxies do.
		if b := e.byAddr[addr]; b != nil {
			return b.device
		}
		return nil
	}
	return e.here(a.Src, at)
}

// said learns from what messages of applications tell of their two ends.
func (e *Enricher) said(b *weir.Batch) {
	for i := range b.DNS {
		e.resolved(&b.DNS[i])
	}
	for i := range b.HTTP {
		e.browsed(&b.HTTP[i])
	}
	for i := range b.SSH {
		s := &b.SSH[i]
		e.software(&s.Endpoints, s.Client, s.Server)
	}
	for i := range b.Commands {
		c := &b.Commands[i]
		e.software(&c.Endpoints, c.Client, c.Server)
	}
	for i := range b.SMB {
		e.shared(&b.SMB[i])
	}
	for i := range b.RPC {
		if r := &b.RPC[i]; r.Endpoint != "" {
			e.learnAt(r.Dst, r.Time.UnixNano(), byCall, r.Endpoint)
		}
	}
	for i := range b.Kerberos {
		e.ticket(&b.Kerberos[i])
	}
	for i := range b.NTLM {
		n := &b.NTLM[i]
		e.callAt(n.Src, fromNTLM, n.Host, n.Time.UnixNano())
		e.callAt(n.Dst, fromNTLM, n.ServerName, n.Time.UnixNano())
	}
	for i := range b.RDP {
		r := &b.RDP[i]
		e.callAt(r.Src, fromRDP, r.Client, r.Time.UnixNano())
		e.learnAt(r.Src, r.Time.UnixNano(), byAgent, r.Build)
	}
}

// callAt notes that who is at a local address is called so.
func (e *Enricher) callAt(a netip.Addr, from source, text string, at int64) {
	if text == "" {
		return
	}
	if d := e.here(a, at); d != nil {
		e.call(d, from, text, at)
	}
}

// learnAt keeps what a text says of who is at a local address.
func (e *Enricher) learnAt(a netip.Addr, at int64, k kind, text string) {
	if text == "" || e.match(k, text) == 0 {
		return
	}
	if d := e.here(a, at); d != nil {
		e.learn(d, k, text)
	}
}

func (e *Enricher) software(p *weir.Endpoints, client, server string) {
	e.learnAt(p.Src, p.Time.UnixNano(), byAgent, client)
	e.learnAt(p.Dst, p.Time.UnixNano(), byBanner, server)
}

// resolved learns from DNS whom a device asks for, and how local addresses are
// called by servers.
func (e *Enricher) resolved(m *weir.DNSTransaction) {
	if m.App != "dns" {
		return // announcements tell these
	}
	at := m.Time.UnixNano()
	if registered[m.Domain] {
		if d := e.here(m.Src, at); d != nil {
			e.lookedUp(d, m.Query, m.Domain)
		}
	}
	if len(m.Answers) == 0 {
		return
	}
	switch m.Type {
	case "A", "AAAA":
		for _, text := range m.Answers[:min(len(m.Answers), 8)] {
			if a := answer(text); isHost(a) && e.local(a) {
				e.callKnown(a, m.Query, at)
			}
		}
	case "PTR":
		if a := reversed(m.Query); isHost(a) && e.local(a) {
			e.callKnown(a, m.Answers[0], at)
		}
	}
}

// callKnown names the device of an address if there is one: that a name exists
// does not say that a device does.
func (e *Enricher) callKnown(a netip.Addr, name string, at int64) {
	if b := e.byAddr[a]; b != nil {
		e.call(b.device, fromDNS, name, at)
	}
}

// answer reads an address, spared the cost of an error for names.
func answer(s string) netip.Addr {
	if s == "" || (s[0] < '0' || s[0] > '9') && strings.IndexByte(s, ':') < 0 {
		return netip.Addr{}
	}
	a, _ := netip.ParseAddr(s)
	return a.Unmap()
}

// reversed reads "1.2.0.192.in-addr.arpa" (RFC 1035, 3.5).
func reversed(name string) netip.Addr {
	digits, ok := strings.CutSuffix(name, ".in-addr.arpa")
	if !ok {
		return netip.Addr{}
	}
	parts := strings.Split(digits, ".")
	slices.Reverse(parts)
	a, _ := netip.ParseAddr(strings.Join(parts, "."))
	return a
}

// browsed learns from a request of HTTP.
func (e *Enricher) browsed(h *weir.HTTPTransaction) {
	at := h.Time.UnixNano()
	e.learnAt(h.Src, at, byAgent, h.UserAgent)
	if h.Direction == weir.Outbound || h.Status == 0 {
		return
	}
	if h.Method == "CONNECT" && h.Status == 200 {
		e.learnAt(h.Dst, at, byCall, "connect")
		return
	}
	if h.Status < 400 && strings.HasPrefix(h.URI, "/") { // not by a proxy
		e.callAt(h.Dst, fromHTTP, h.Host, at)
	}
}

// shared learns from what is asked of a file server.
func (e *Enricher) shared(s *weir.SMBAction) {
	at := s.Time.UnixNano()
	if s.Share == "" || s.Status != "" && s.Status != "SUCCESS" {
		return
	}
	server, share, _ := strings.Cut(strings.TrimLeft(s.Share, `\`), `\`)
	e.callAt(s.Dst, fromShare, server, at)
	switch name := strings.ToLower(share); name {
	case "sysvol", "netlogon", "admin$":
		e.learnAt(s.Dst, at, byCall, "share "+name)
	case "ipc$", "c$", "print$", "":
	default:
		if s.ShareType == "disk" || s.ShareType == "print" || s.ShareType == "DISK" || s.ShareType == "PRINT" {
			e.learnAt(s.Dst, at, byCall, "share "+strings.ToLower(s.ShareType))
		}
	}
}

// ticket learns the name of a machine that asks for a ticket for itself.
func (e *Enricher) ticket(k *weir.KerberosMessage) {
	principal, _, _ := strings.Cut(k.Client, "/")
	if machine, ok := strings.CutSuffix(principal, "$"); ok {
		e.callAt(k.Src, fromKerberos, machine, k.Time.UnixNano())
	}
}
