package netflow

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math"
	"net/netip"
	"strings"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/app"
	"github.com/weir-nta/weir/decode/dns"
	"github.com/weir-nta/weir/decode/flowrec"
	"github.com/weir-nta/weir/decode/packet"
	"github.com/weir-nta/weir/decode/tls"
	"github.com/weir-nta/weir/internal/uri"
	"github.com/zeebo/xxh3"
)

// A madeMore is what was made of the cold fields of some record.
type madeMore struct {
	plan       *plan
	generation uint32
	dom        *domain
	key        string
	more       *flowrec.More
}

// maxMadeKey bounds what is kept of what was made. A key is the octets of the
// cold fields; what is made of them is at most some six times as long. So it is
// 2 MB for one exporter with 512 of them, and one that sends what is never the
// same twice gains only that it costs as much as it did before anything was kept.
const maxMadeKey = 512

// fixedMore sets r.More from the cold fields of the record b.
func (d *Decoder) fixedMore(m *Message, r *flowrec.Record, p *plan, dom *domain, b []byte) {
	d.key = append(d.key[:0], byte(r.Proto)) // names of ports depend on it
	for _, s := range p.spans {
		d.key = append(d.key, b[s.off:s.off+s.len]...)
	}
	if !p.extraUnknown && zero(d.key[1:]) {
		return
	}
	if r.More = d.lookupMade(p, dom); r.More != nil {
		return
	}
	d.values = d.values[:0]
	for i := range p.cold {
		o := &p.cold[i]
		d.values = append(d.values, b[o.off:o.off+o.len])
	}
	d.make(m, r, p, dom)
}

// variableMore does the same for a record whose values are in d.values.
func (d *Decoder) variableMore(m *Message, r *flowrec.Record, p *plan, dom *domain) {
	d.key = append(d.key[:0], byte(r.Proto))
	for i := range p.cold {
		v := d.values[p.cold[i].field]
		d.key = binary.BigEndian.AppendUint16(d.key, uint16(len(v)))
		d.key = append(d.key, v...)
	}
	if r.More = d.lookupMade(p, dom); r.More != nil {
		return
	}
	cold := make([][]byte, len(p.cold))
	for i := range p.cold {
		cold[i] = d.values[p.cold[i].field]
	}
	d.values = append(d.values[:0], cold...)
	d.make(m, r, p, dom)
}

func (d *Decoder) lookupMade(p *plan, dom *domain) *flowrec.More {
	if d.made == nil {
		return nil
	}
	// Mostly it is what the record before had.
	if d.last.is(p, d.generation, dom, d.key) {
		return d.last.more
	}
	s := &d.made[xxh3.Hash(d.key)%uint64(len(d.made))]
	if !s.is(p, d.generation, dom, d.key) {
		return nil
	}
	d.last = s
	return s.more
}

func (s *madeMore) is(p *plan, generation uint32, dom *domain, key []byte) bool {
	return s.plan == p && s.generation == generation && s.dom == dom && s.key == string(key)
}

// make makes More of the cold fields, whose values are in d.values in the
// order of p.cold, and keeps it for records that have the same.
func (d *Decoder) make(m *Message, r *flowrec.Record, p *plan, dom *domain) {
	b := builder{d: d, dom: dom, r: r, more: &flowrec.More{}}
	for i := range p.cold {
		b.add(p.cold[i].id, d.values[i])
	}
	m.CutExtra += b.cut
	r.More = b.finish()
	if p.unshared || len(d.key) > maxMadeKey || r.More == nil || d.config.MaxCached < 1 {
		return
	}
	if d.made == nil {
		d.made = make([]madeMore, d.config.MaxCached)
	}
	d.last = &d.made[xxh3.Hash(d.key)%uint64(len(d.made))]
	*d.last = madeMore{p, d.generation, dom, string(d.key), r.More}
}

// A builder makes one More.
type builder struct {
	d    *Decoder
	dom  *domain
	r    *flowrec.Record
	more *flowrec.More
	cut  int // elements there was no room for

	appName  string // as a name was told
	appID    []byte
	dnsQuery weir.DNSTransaction
}

// maxExtra bounds More.Extra.
const maxExtra = 64

// add takes one cold field.
func (b *builder) add(e elementID, v []byte) {
	if use := moreUses[e]; use != nil {
		if zero(v) || use(b, v) {
			return
		}
	}
	b.extra(e, v)
}

// extra keeps an element that there is no field for, or whose field is taken.
func (b *builder) extra(e elementID, v []byte) {
	if b.d.config.DropExtra {
		return
	}
	var room [maxText + 128]byte
	text := b.d.appendExtra(room[:0], e, v)
	switch {
	case len(text) == 0:
	case len(b.more.Extra) >= maxExtra:
		b.cut++
	default:
		b.more.Extra = append(b.more.Extra, string(text))
	}
}

// finish puts together what several fields told, and returns nil if there was
// nothing.
func (b *builder) finish() *flowrec.More {
	b.finishApp()
	if b.dnsQuery.Query != "" {
		b.finishDNS()
	}
	m := b.more
	if m.App == "" && m.TLS == nil && m.HTTP == nil && m.DNS == nil && m.NAT == nil && m.SrcUser == "" && m.DstUser == "" &&
		m.SrcHost == "" && m.DstHost == "" && m.Tunnel == "" && m.Action == "" && m.ACL == "" && m.VRF == "" && len(m.Extra) == 0 {
		return nil
	}
	return m
}

func (b *builder) finishApp() {
	if b.appName != "" {
		b.more.App = b.appName
		return
	}
	if len(b.appID) == 0 || len(b.appID) > 8 {
		return
	}
	if b.more.App = appName(b.d.apps[appKey(b.appID)]); b.more.App != "" {
		return
	}
	// RFC 6759, 4.1: the first octet is the classification engine; that of 3
	// are the ports of IANA.
	const ianaPorts = 3
	if port := number(b.appID[1:]); b.appID[0] == ianaPorts && port <= math.MaxUint16 {
		b.more.App = app.ByPort(b.r.Proto, uint16(port))
	}
	if b.more.App == "" {
		b.extra(elementID{0, 95}, b.appID)
	}
}

func (b *builder) finishDNS() {
	r := b.r
	q := b.dnsQuery
	q.Time = time.UnixMicro(r.Start).UTC()
	q.Src, q.Dst, q.SrcPort, q.DstPort, q.Proto = r.Src, r.Dst, r.SrcPort, r.DstPort, r.Proto
	if q.App = dns.Dialect(r.SrcPort, r.DstPort); q.App == "" {
		q.App = "dns"
	}
	b.more.DNS = &q
}

// The names of ports and applications that exporters use for what has another
// name in Weir.
var appNames = map[string]string{
	"ssl": "tls", "https": "tls", "secure-http": "tls", "ssl_no_cert": "tls", "web-browsing": "http", "domain": "dns", "dns-base": "dns",
	"microsoft-ds": "smb", "ms-ds-smb": "smb", "ms-ds-smbv1": "smb", "ms-ds-smbv2": "smb", "ms-ds-smbv3": "smb",
	"smbv1": "smb", "smbv23": "smb", "cifs": "smb", "bootp": "dhcp", "bootps": "dhcp", "dhcpv4": "dhcp",
	"ms-rdp": "rdp", "ms-wbt-server": "rdp", "ms-wbt": "rdp", "mssql-tds": "tds", "mssql": "tds", "mssql-db": "tds", "ms-sql-s": "tds",
	"postgres": "postgresql", "mssql-db-base": "tds", "msrpc": "dce_rpc", "ms-rpc": "dce_rpc", "rpc": "dce_rpc", "dcerpc": "dce_rpc",
	"kerberos-sec": "kerberos", "krb5": "kerberos", "netbios-ns": "nbns", "ike": "ipsec", "isakmp": "ipsec", "vnc": "rfb",
	"jabber": "xmpp", "ntp-base": "ntp", "snmp-base": "snmp",
	"http2": "http2", "quic-base": "quic", "google-quic": "quic",
}

// noApp are names that say that the exporter does not know.
var noApp = map[string]bool{
	"": true, "unknown": true, "unclassified": true, "incomplete": true, "insufficient-data": true, "not-applicable": true,
	"unknown-tcp": true, "unknown-udp": true, "non-syn-tcp": true, "layer7-not-available": true,
}

// appName returns Weir's name for what an exporter calls an application, ""
// if that says nothing.
func appName(s string) string {
	s = strings.ToLower(strings.TrimSpace(s))
	if i := strings.IndexByte(s, '.'); i > 0 { // nDPI: "TLS.Google" is TLS to Google
		s = s[:i]
	}
	if noApp[s] {
		return ""
	}
	if name, ok := appNames[s]; ok {
		return name
	}
	return s
}

// A use puts the value of an element into its field of More. It returns false
// if the element is to be kept in More.Extra after all: the field is taken, or
// the value is not what the field is for.
type use func(b *builder, v []byte) bool

// natAddresses are the addresses of More.NAT.
var natAddresses = map[elementID]bool{
	{0, 225}: true, {0, 226}: true, {0, 281}: true, {0, 282}: true, {0, 40001}: true, {0, 40002}: true,
}

// Numbers of elements that are used by name.
const ntopDNSQuery = 205

// moreUses are the elements that fields of flowrec.More are for. It is filled
// by init, for that uses build uses.
var moreUses map[elementID]use

func init() {
	ntop := func(id uint16) elementID { return elementID{ntopPEN, id} }
	moreUses = map[elementID]use{
		{0, 95}: func(b *builder, v []byte) bool { return b.setAppID(v) },
		{0, 96}: useApp, {0, 56701}: useApp, ntop(119): useApp, {certPEN, 33}: useAppPort,

		{0, 459}: useText(func(b *builder) *string { return &b.http().Method }), ntop(360): useText(func(b *builder) *string { return &b.http().Method }),
		{0, 460}: useHTTPHost, ntop(187): useHTTPHost,
		{0, 468}: useText(func(b *builder) *string { return &b.http().UserAgent }), ntop(183): useText(func(b *builder) *string { return &b.http().UserAgent }),
		{0, 461}: useURI, ntop(180): useURI, {citrixPEN, 130}: useURI,
		{0, 457}: useStatus, ntop(181): useStatus, {citrixPEN, 144}: useStatus,
		{citrixPEN, 141}:  useText(func(b *builder) *string { return &b.http().Method }),
		{citrixPEN, 142}:  useHost(func(b *builder) *string { return &b.http().Host }),
		{citrixPEN, 143}:  useText(func(b *builder) *string { return &b.http().UserAgent }),
		{ciscoPEN, 12235}: useSubApplication,

		ntop(188): useHost(func(b *builder) *string { return &b.tls().SNI }), {certPEN, 294}: useHost(func(b *builder) *string { return &b.tls().SNI }),
		ntop(489): useText(func(b *builder) *string { return &b.tls().JA3 }), ntop(490): useText(func(b *builder) *string { return &b.tls().JA3S }),
		ntop(576): useText(func(b *builder) *string { return &b.tls().JA4 }),
		ntop(493): useCode(func(b *builder) *string { return &b.tls().Cipher }, tls.CipherName),
		ntop(495): useCode(func(b *builder) *string { return &b.tls().Version }, tls.VersionName),

		ntop(ntopDNSQuery): useHost(func(b *builder) *string { return &b.dnsQuery.Query }),
		ntop(206):          func(b *builder, v []byte) bool { b.dnsQuery.ID = uint16(number(v)); return true },
		ntop(207):          useCode(func(b *builder) *string { return &b.dnsQuery.Type }, func(t uint16) string { return dns.TypeName(t, "dns") }),
		ntop(208):          useCode(func(b *builder) *string { return &b.dnsQuery.Code }, dns.CodeName),
		ntop(398):          useAnswers,

		{0, 225}: useAddr(func(n *weir.NAT) *netip.Addr { return &n.Src }), {0, 281}: useAddr(func(n *weir.NAT) *netip.Addr { return &n.Src }),
		{0, 226}: useAddr(func(n *weir.NAT) *netip.Addr { return &n.Dst }), {0, 282}: useAddr(func(n *weir.NAT) *netip.Addr { return &n.Dst }),
		{0, 40001}: useAddr(func(n *weir.NAT) *netip.Addr { return &n.Src }), {0, 40002}: useAddr(func(n *weir.NAT) *netip.Addr { return &n.Dst }),
		{0, 227}: usePort(func(n *weir.NAT) *uint16 { return &n.SrcPort }), {0, 40003}: usePort(func(n *weir.NAT) *uint16 { return &n.SrcPort }),
		{0, 228}: usePort(func(n *weir.NAT) *uint16 { return &n.DstPort }), {0, 40004}: usePort(func(n *weir.NAT) *uint16 { return &n.DstPort }),
		{0, 230}: useNATEvent,

		{0, 371}: useText(func(b *builder) *string { return &b.more.SrcUser }), {0, 40000}: useText(func(b *builder) *string { return &b.more.SrcUser }),
		{0, 56702}: useText(func(b *builder) *string { return &b.more.SrcUser }), ntop(121): useText(func(b *builder) *string { return &b.more.SrcUser }),
		{citrixPEN, 205}: useText(func(b *builder) *string { return &b.more.SrcUser }),
		ntop(491):        useHost(func(b *builder) *string { return &b.more.SrcHost }), ntop(492): useHost(func(b *builder) *string { return &b.more.DstHost }),

		{0, 233}: useAction, {0, 40005}: useAction,
		{0, 33000}: useACL, {0, 33001}: useACL, {barracudaPEN, 4}: useText(func(b *builder) *string { return &b.more.ACL }),
		{vmwarePEN, 950}: func(b *builder, v []byte) bool { return set(&b.more.ACL, string(unsigned.appendValue(nil, v))) },
		{0, 234}:         useVRF, {0, 236}: useText(func(b *builder) *string { return &b.more.VRF }),
		{0, 351}: useSegment, {0, 296}: useGRE, {vmwarePEN, 891}: useTunnelType,
	}
}

// set sets a text once.
func set(dst *string, s string) bool {
	if *dst != "" || s == "" {
		return *dst == s
	}
	*dst = s
	return true
}

func useText(field func(*builder) *string) use {
	return func(b *builder, v []byte) bool {
		s := printable(listed(v))
		return s != "" && set(field(b), s)
	}
}

func useHost(field func(*builder) *string) use {
	return func(b *builder, v []byte) bool {
		s := strings.ToLower(strings.TrimSuffix(printable(listed(v)), "."))
		return s != "" && set(field(b), s)
	}
}

func useCode(field func(*builder) *string, name func(uint16) string) use {
	return func(b *builder, v []byte) bool { return set(field(b), name(uint16(number(v)))) }
}

func useAddr(field func(*weir.NAT) *netip.Addr) use {
	return func(b *builder, v []byte) bool {
		a, ok := netip.AddrFromSlice(v)
		if !ok {
			return false
		}
		dst := field(b.nat())
		if dst.IsValid() {
			return *dst == a
		}
		*dst = a
		return true
	}
}

func usePort(field func(*weir.NAT) *uint16) use {
	return func(b *builder, v []byte) bool {
		dst, port := field(b.nat()), uint16(number(v))
		if *dst != 0 {
			return *dst == port
		}
		*dst = port
		return true
	}
}

// listed returns the first value of a basicList, if v cannot be anything but
// one (RFC 6313, 4.5.1): semantic, element, length, and values. Exporters put
// texts that may occur several times into such lists.
func listed(v []byte) []byte {
	if len(v) < 5 || v[0] > 4 && v[0] != 0xff {
		return v
	}
	e, n, values := binary.BigEndian.Uint16(v[1:]), binary.BigEndian.Uint16(v[3:]), v[5:]
	if e&enterpriseID != 0 {
		if len(values) < 4 {
			return v
		}
		values = values[4:]
	}
	if n == variable {
		length, rest, ok := variableLength(values)
		if !ok || length > len(rest) {
			return v
		}
		return rest[:length]
	}
	if int(n) > len(values) || n == 0 {
		return v
	}
	return values[:n]
}

func (b *builder) http() *weir.HTTP {
	if b.more.HTTP == nil {
		b.more.HTTP = &weir.HTTP{}
	}
	return b.more.HTTP
}

func (b *builder) tls() *weir.TLS {
	if b.more.TLS == nil {
		b.more.TLS = &weir.TLS{}
	}
	return b.more.TLS
}

func (b *builder) nat() *weir.NAT {
	if b.more.NAT == nil {
		b.more.NAT = &weir.NAT{}
	}
	return b.more.NAT
}

func (b *builder) setAppID(v []byte) bool {
	if b.appID != nil || len(v) > 8 {
		return false
	}
	b.appID = v
	return true
}

func useApp(b *builder, v []byte) bool {
	v = bytes.TrimRight(v, "\x00 ")
	for _, c := range v {
		if c < ' ' || c > '~' {
			return false // not a name: some exporters send what lay in their memory
		}
	}
	name := appName(printable(v))
	return name != "" && set(&b.appName, name)
}

// useAppPort reads a label of YAF: the port that the protocol usually has.
func useAppPort(b *builder, v []byte) bool {
	name := app.ByPort(b.r.Proto, uint16(number(v)))
	return name != "" && set(&b.appName, name)
}

func useURI(b *builder, v []byte) bool {
	s := uri.Masked(bytes.TrimRight(listed(v), "\x00"))
	return s != "" && set(&b.http().URI, s)
}

func useHTTPHost(b *builder, v []byte) bool {
	s := uri.Host(bytes.TrimRight(listed(v), "\x00 "))
	return s != "" && set(&b.http().Host, s)
}

func useStatus(b *builder, v []byte) bool {
	n := number(v)
	if n < 100 || n > 999 || b.http().Status != 0 {
		return false
	}
	b.http().Status = uint16(n)
	return true
}

func useAnswers(b *builder, v []byte) bool {
	for s := range strings.FieldsFuncSeq(printable(v), func(r rune) bool { return r == ',' || r == ';' }) {
		b.dnsQuery.Answers = append(b.dnsQuery.Answers, s)
	}
	return true
}

// Cisco's extracted fields (AVC): four octets of application, two of what it
// is, and the text. Those of HTTP (3..80) and the name in a certificate (13..453).
const (
	subHTTP      = 3<<24 | 80
	subTLS       = 13<<24 | 453
	subURL       = 13313
	subHost      = 13314
	subUserAgent = 13315
)

func useSubApplication(b *builder, v []byte) bool {
	if len(v) < 6 {
		return false
	}
	text := v[6:]
	if len(text) == 0 || zero(text) {
		return true // that there was none
	}
	switch application, sub := binary.BigEndian.Uint32(v), binary.BigEndian.Uint16(v[4:]); {
	case application == subHTTP && sub == subURL:
		return useURI(b, text)
	case application == subHTTP && sub == subHost:
		return useHTTPHost(b, text)
	case application == subHTTP && sub == subUserAgent:
		return set(&b.http().UserAgent, printable(text))
	case application == subTLS && sub == subURL:
		return set(&b.tls().Subject, "CN="+printable(text))
	}
	return false
}

// natEvents are the names of the registry "NAT Event Type" that a flow can have.
var natEvents = [...]string{
	1: "create", 2: "delete", 3: "exhausted", 4: "create", 5: "delete", 6: "create", 7: "delete", 8: "create",
	9: "delete", 10: "create", 11: "delete", 12: "quota", 13: "bind", 14: "unbind", 15: "bind", 16: "unbind", 17: "alert", 18: "alert",
}

func useNATEvent(b *builder, v []byte) bool {
	n := number(v)
	return n < uint64(len(natEvents)) && set(&b.nat().Event, natEvents[n])
}

// actions are the names of the registry "firewallEvent".
var actions = [...]string{"", "created", "deleted", "denied", "alert", "update"}

func useAction(b *builder, v []byte) bool {
	n := number(v)
	return n < uint64(len(actions)) && set(&b.more.Action, actions[n])
}

// useACL reads the three hashes by which an ASA names an ACL, its entry and
// the entry it was made from.
func useACL(b *builder, v []byte) bool {
	if len(v) != 12 {
		return false
	}
	s := hex.EncodeToString(v)
	return set(&b.more.ACL, s[:8]+"-"+s[8:16]+"-"+s[16:])
}

func useVRF(b *builder, v []byte) bool {
	name := b.dom.vrfs[uint32(number(v))]
	return name != "" && set(&b.more.VRF, name)
}

// useSegment reads the kind of a layer 2 segment; its number is kept in Extra.
func useSegment(b *builder, v []byte) bool {
	if len(v) == 8 {
		switch v[0] {
		case 1:
			set(&b.more.Tunnel, "vxlan")
		case 2:
			set(&b.more.Tunnel, "nvgre")
		}
	}
	return false
}

func useGRE(b *builder, _ []byte) bool {
	set(&b.more.Tunnel, "gre")
	return false
}

// useTunnelType reads Open vSwitch's names of tunnels.
func useTunnelType(b *builder, v []byte) bool {
	names := [...]string{1: "vxlan", 2: "gre", 3: "lisp", 4: "stt", 5: "ipsec-gre", 7: "geneve"}
	n := number(v)
	return n < uint64(len(names)) && set(&b.more.Tunnel, names[n])
}

// readPacket reads the headers of a sampled packet (RFC 5477) into the record.
func (d *Decoder) readPacket(r *flowrec.Record, o *op, v []byte) {
	link := packet.LinkEthernet
	if o.id.id == 313 {
		link = packet.LinkRaw
	}
	if d.packets == nil {
		d.packets = packet.NewDecoder(packet.Config{Fragments: 1})
	}
	var p packet.Packet
	if err := d.packets.Decode(&p, link, v, len(v), 0); err != nil {
		return // the record is kept for what else it says
	}
	r.Src, r.Dst = p.Src.Netip(), p.Dst.Netip()
	r.SrcPort, r.DstPort, r.Proto = p.SrcPort, p.DstPort, p.Proto
	r.Flags, r.HasFlags, r.TOS = p.Flags, true, p.TOS
	if p.VLAN != 0 {
		r.VLAN = p.VLAN
	}
	if p.Proto == weir.ICMPv4 || p.Proto == weir.ICMPv6 {
		r.ICMPType, r.ICMPCode, r.HasICMP = p.ICMPType, p.ICMPCode, true
	}
	if r.Packets == 0 {
		r.Packets, r.Bytes = 1, uint64(p.Bytes)
	}
}
