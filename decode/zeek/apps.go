package zeek

import (
	"bytes"
	"math"
	"net/netip"
	"strconv"
	"strings"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dns"
	"github.com/weir-nta/weir/internal/uri"
)

// Bounds of lists: what Zeek itself keeps of an answer or a certificate is less.
const maxList = 64

// add returns the place of a new record at the end of list.
func add[T any](list *[]T) *T {
	var zero T
	*list = append(*list, zero)
	return &(*list)[len(*list)-1]
}

// message fills what all records of one message have in common.
func (d *Decoder) message(e *weir.Endpoints, proto weir.Proto) {
	e.Time, e.Sensor, e.UID, e.Proto = d.now, d.sensor(), d.str(cUID), proto
	e.Src, e.Dst = d.addr(cOrigHost), d.addr(cRespHost)
	e.SrcPort, e.DstPort = d.uint16(cOrigPort), d.uint16(cRespPort)
	if p := d.proto(); p != 0 {
		e.Proto = p
	}
}

func (d *Decoder) dns(b *weir.Batch) {
	r := add(&b.DNS)
	r.Time, r.Sensor = d.now, d.sensor()
	r.Src, r.Dst = d.addr(cOrigHost), d.addr(cRespHost)
	r.SrcPort, r.DstPort = d.uint16(cOrigPort), d.uint16(cRespPort)
	if r.Proto = d.proto(); r.Proto == 0 {
		r.Proto = weir.UDP
	}
	r.App = dns.Dialect(r.SrcPort, r.DstPort)
	r.ID = d.uint16(cTransID)
	r.Query = d.intern(d.name(d.raw(cQuery), r.App))
	switch {
	case d.has(cType):
		r.Type = dns.TypeName(d.uint16(cType), r.App)
	default:
		r.Type = d.str(cTypeName)
	}
	switch {
	case d.has(cClass):
		r.Class = dns.ClassName(d.uint16(cClass), r.App)
	case d.has(cClassName):
		r.Class = strings.TrimPrefix(d.str(cClassName), "C_")
	}
	switch {
	case d.has(cCode):
		r.Code = dns.CodeName(d.uint16(cCode))
	default:
		r.Code = d.str(cCodeName)
	}
	r.RTT = d.duration(cRTT)
	r.Authoritative, r.Truncated, r.RecursionDesired, r.RecursionAvailable = d.yes(cAA), d.yes(cTC), d.yes(cRD), d.yes(cRA)
	d.answers(r)
}

// raw returns the octets of a column, valid until the next line.
func (d *Decoder) raw(c column) []byte {
	v := &d.v[c]
	if v.kind != raw && v.kind != text {
		return nil
	}
	if bytes.IndexByte(v.b, '\\') < 0 {
		return v.b
	}
	// In JSON too Zeek writes octets that are no text as \xNN, there with one
	// backslash left: none is part of a name that is to be resolved.
	start := len(d.text)
	for b := v.b; len(b) > 0; {
		if n, ok := hexByte(b[1:]); b[0] == '\\' && ok {
			d.text = append(d.text, n)
			b = b[4:]
			continue
		}
		if v.kind == raw && b[0] == '\\' && len(b) > 1 && b[1] == '\\' {
			b = b[1:]
		}
		d.text = append(d.text, b[0])
		b = b[1:]
	}
	return d.text[start:]
}

// name returns a name of DNS as records have it: lower case, without the dot
// at its end, octets that are not printable as \DDD. Names of NetBIOS stay as
// they are.
func (d *Decoder) name(b []byte, app string) []byte {
	if len(b) > 1 && b[len(b)-1] == '.' {
		b = b[:len(b)-1]
	}
	b = b[:min(len(b), maxText)]
	i := 0
	for i < len(b) && b[i] >= ' ' && b[i] < 0x7f && b[i] != '\\' && (b[i] < 'A' || b[i] > 'Z') {
		i++
	}
	if i == len(b) {
		return b
	}
	start := len(d.text)
	d.text = append(d.text, b[:i]...)
	for _, c := range b[i:] {
		switch {
		case c >= 'A' && c <= 'Z' && app != "nbns":
			d.text = append(d.text, c|0x20)
		case c < ' ' || c >= 0x7f || c == '\\':
			d.text = append(d.text, '\\', '0'+c/100, '0'+c/10%10, '0'+c%10)
		default:
			d.text = append(d.text, c)
		}
	}
	return d.text[start:]
}

func (d *Decoder) answers(r *weir.DNSTransaction) {
	r.Answers = d.list(cAnswers, maxList)
	for i, a := range r.Answers {
		if strings.HasPrefix(a, "TXT ") {
			r.Answers[i] = txtOf(a)
		}
	}
	if len(r.Answers) == 0 || !d.has(cTTLs) {
		return
	}
	r.TTLs = make([]uint32, 0, len(r.Answers))
	d.each(cTTLs, func(b []byte) {
		us, ok := micros(b)
		if !ok || us < 0 || us/1e6 > math.MaxUint32 {
			d.wrong(cTTLs, b, "an interval")
		}
		if len(r.TTLs) < len(r.Answers) {
			r.TTLs = append(r.TTLs, uint32(us/1e6))
		}
	})
}

// txtOf writes the strings of a TXT record, in Zeek's way TXT 9 some text TXT 2
// ab, as zone files do: "some text" "ab".
func txtOf(s string) string {
	var out strings.Builder
	for rest := s; rest != ""; {
		behind, ok := strings.CutPrefix(rest, "TXT ")
		number, behind, _ := strings.Cut(behind, " ")
		n, err := strconv.Atoi(number)
		if !ok || err != nil || n < 0 || n > len(behind) || n < len(behind) && behind[n] != ' ' {
			return s // octets that are escaped take more room than they say
		}
		if out.Len() > 0 {
			out.WriteByte(' ')
		}
		out.WriteString(quoted(behind[:n]))
		rest = strings.TrimPrefix(behind[n:], " ")
	}
	return out.String()
}

func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// Handshakes.

func (d *Decoder) ssl() {
	s := d.join.of(d)
	if s == nil {
		return
	}
	t := weir.TLS{
		Version: d.tlsVersion(), Cipher: d.cipher(), SNI: d.serverName(), ALPN: d.cut(cNextProtocol, maxWord),
		JA3: d.cut(cJA3, maxWord), JA3S: d.cut(cJA3S, maxWord), JA4: d.cut(cJA4, maxWord), Subject: d.cut(cSubject, maxSaid), Issuer: d.cut(cIssuer, maxSaid),
		NotBefore: d.time(cNotBefore), NotAfter: d.time(cNotAfter),
	}
	t.SelfSigned = t.Subject != "" && t.Subject == t.Issuer
	if d.bad != nil || s.tls != nil { // of several handshakes the first is what the flow tells of
		return
	}
	s.tls = &t
	if bytes.HasPrefix(d.bytes(cVersion), []byte("DTLS")) {
		s.proto = weir.UDP
	}
	if s.cert = d.firstID(cChainPrints); s.cert == "" {
		s.cert = d.firstID(cChainIDs)
	}
}

func (d *Decoder) serverName() string {
	b := d.name(d.raw(cServerName), "")
	return d.intern(b[:min(len(b), maxSaid)])
}

// firstID returns the first identifier of a column of them.
func (d *Decoder) firstID(c column) string {
	b := d.first(c)
	return d.intern(b[:min(len(b), maxID)])
}

// tlsVersion returns the version in the words of decode/tls.
func (d *Decoder) tlsVersion() string {
	s := strings.TrimPrefix(d.cut(cVersion, maxWord), "D")
	switch s {
	case "SSLv2":
		return "ssl2"
	case "SSLv3":
		return "ssl3"
	}
	if n, ok := strings.CutPrefix(s, "unknown-"); ok {
		return hexOf(n)
	}
	v, ok := strings.CutPrefix(s, "TLSv")
	if !ok || len(v) < 2 {
		return s
	}
	if s[0] == 'T' && d.bytes(cVersion)[0] == 'D' && v == "10" {
		return "1.1" // DTLS 1.0 is TLS 1.1
	}
	return v[:1] + "." + v[1:]
}

// cipher returns the cipher suite in the words of decode/tls.
func (d *Decoder) cipher() string {
	s := d.cut(cCipher, maxWord)
	if n, ok := strings.CutPrefix(s, "unknown-"); ok {
		return hexOf(n)
	}
	return s
}

func hexOf(decimal string) string {
	n, err := strconv.ParseUint(decimal, 10, 16)
	if err != nil {
		return decimal
	}
	return "0x" + strconv.FormatUint(n|1<<16, 16)[1:]
}

// x509 keeps a certificate, by its fingerprint or, from Zeeks before 4, by the
// id of its file.
func (d *Decoder) x509() {
	id := d.id(cFingerprint)
	c := certificate{
		subject: d.cut(cCertSubject, maxSaid), issuer: d.cut(cCertIssuer, maxSaid), notBefore: d.time(cCertNotBefore), notAfter: d.time(cCertNotAfter),
	}
	if len(id) == 64 {
		c.sha256 = id
	}
	if id == "" {
		id = d.id(cID)
	}
	if id != "" && d.bad == nil {
		d.join.certs.Put(id, c)
	}
}

// Transactions.

// maxUserAgent is what package http keeps of one, too.
const maxUserAgent = 512

func (d *Decoder) http(b *weir.Batch) {
	r := add(&b.HTTP)
	d.message(&r.Endpoints, weir.TCP)
	r.Method = d.str(cMethod)
	r.Host = d.host()
	r.URI = uri.Masked(d.raw(cURI))
	r.Referrer = uri.Masked(d.raw(cReferrer))
	r.UserAgent = d.cut(cUserAgent, maxUserAgent)
	r.Version = d.str(cVersion)
	r.Status = d.uint16(cStatusCode)
	r.BodyUp, r.BodyDown = d.uint(cBodyUp), d.uint(cBodyDown)
	r.TypeUp, r.TypeDown = d.intern(d.first(cTypesUp)), d.intern(d.first(cTypesDown))
	if r.TypeDown == "" {
		r.TypeDown = d.str(cMediaType) // before Zeek 2.1
	}
	r.User = d.str(cUsername)
}

func (d *Decoder) cut(c column, n int) string {
	b := d.bytes(c)
	return d.intern(b[:min(len(b), n)])
}

func (d *Decoder) host() string { return uri.Host(d.raw(cHost)) }

// httpJoin keeps the first request for the flow.
func (d *Decoder) httpJoin() {
	s := d.join.of(d)
	depth := d.uint(cDepth)
	if s == nil || s.http != nil && s.depth <= depth {
		return
	}
	h := weir.HTTP{
		Method: d.cut(cMethod, maxWord), Host: d.host(), URI: uri.Masked(d.raw(cURI)),
		UserAgent: d.cut(cUserAgent, maxUserAgent), Status: d.uint16(cStatusCode),
	}
	if d.bad == nil {
		s.http, s.depth = &h, depth
	}
}

func (d *Decoder) ssh(b *weir.Batch) {
	r := add(&b.SSH)
	d.message(&r.Endpoints, weir.TCP)
	r.Version = uint8(min(d.uint(cVersion), 255))
	r.Client, r.Server = d.str(cClient), d.str(cServer)
	r.HASSH, r.HASSHServer = d.str(cHASSH), d.str(cHASSHServer)
	if yes, told := d.boolean(cAuthSuccess); told {
		if r.Auth = "failure"; yes {
			r.Auth = "success"
		}
	}
	r.Attempts = uint32(min(d.uint(cAuthAttempts), math.MaxUint32))
	r.Cipher, r.KeyExchange, r.HostKeyType, r.HostKey = d.str(cCipherAlg), d.str(cKexAlg), d.str(cHostKeyAlg), d.str(cHostKey)
}

func (d *Decoder) smbMapping(b *weir.Batch) {
	r := add(&b.SMB)
	d.message(&r.Endpoints, weir.TCP)
	r.Action = "connect"
	r.Share, r.ShareType, r.Service = d.str(cFilePath), d.lower(cShareType), d.str(cService)
}

func (d *Decoder) smbFiles(b *weir.Batch) {
	r := add(&b.SMB)
	d.message(&r.Endpoints, weir.TCP)
	r.Action = smbAction(d.str(cAction))
	r.Share, r.File, r.Renamed, r.Size = d.str(cFilePath), d.str(cName), d.str(cPrevName), d.uint(cSize)
}

// smbAction returns open for SMB::FILE_OPEN and SMB::PIPE_OPEN.
func smbAction(s string) string {
	s = after(s)
	for _, of := range [...]string{"FILE_", "PIPE_", "PRINT_"} {
		if rest, ok := strings.CutPrefix(s, of); ok {
			if of == "PRINT_" && rest == "WRITE" {
				return "print"
			}
			s = rest
		}
	}
	return strings.ToLower(s)
}

func (d *Decoder) dceRPC(b *weir.Batch) {
	r := add(&b.RPC)
	d.message(&r.Endpoints, weir.TCP)
	// What Zeek has no name for is its UUID or number in records.
	r.Endpoint, r.Operation = strings.TrimPrefix(d.str(cEndpoint), "unknown-"), strings.TrimPrefix(d.str(cOperation), "unknown-")
	r.Pipe, r.RTT = d.str(cPipe), d.duration(cRTT)
}

func (d *Decoder) kerberos(b *weir.Batch) {
	r := add(&b.Kerberos)
	d.message(&r.Endpoints, 0)
	if r.Proto == 0 {
		r.Proto = weir.TCP // kerberos.log does not tell; domains have spoken it over TCP by default since 2008
	}
	r.Type, r.Client, r.Service, r.Error = d.str(cRequestType), d.str(cClient), d.str(cService), d.str(cErrorMsg)
	r.Success = d.yesNo(cSuccess)
	r.Cipher = ticketCipher(d.lower(cCipher))
	r.Forwardable, r.Renewable = d.yes(cForwardable), d.yes(cRenewable)
	r.Until = d.time(cTill)
}

// ticketCipher shortens the name of an encryption: aes256-cts-hmac-sha1-96 is aes256.
func ticketCipher(s string) string {
	for _, family := range [...]string{"aes256", "aes128", "rc4", "des"} {
		if strings.HasPrefix(s, family) && !strings.HasPrefix(s, "des3") {
			return family
		}
	}
	return s
}

func (d *Decoder) ntlm(b *weir.Batch) {
	r := add(&b.NTLM)
	d.message(&r.Endpoints, weir.TCP)
	r.User, r.Host, r.Domain = d.str(cUsername), d.str(cHostname), d.str(cDomainName)
	if r.ServerName = d.str(cServerNB); r.ServerName == "" {
		r.ServerName = d.str(cServerDNS)
	}
	r.ServerDomain = d.lower(cServerTree)
	r.Success, r.Status = d.yesNo(cSuccess), d.str(cStatus)
}

func (d *Decoder) rdp(b *weir.Batch) {
	r := add(&b.RDP)
	d.message(&r.Endpoints, weir.TCP)
	r.Cookie, r.Result, r.Security = d.str(cCookie), d.str(cResult), d.lower(cSecurity)
	if r.Security == "ssl" {
		r.Security = "tls" // as MS-RDPBCGR calls it
	}
	r.Client, r.Build, r.Keyboard = d.str(cClientName), d.str(cClientBuild), d.str(cKeyboard)
	r.Certificates = uint32(min(d.uint(cCertCount), math.MaxUint32))
	r.Auth = d.yesNo(cAuthSuccess)
}

// Ports of DHCP (RFC 2131, 4.1), for logs that tell addresses alone.
const (
	dhcpServer = 67
	dhcpClient = 68
)

func (d *Decoder) dhcp(b *weir.Batch) {
	r := add(&b.DHCP)
	d.message(&r.Endpoints, weir.UDP)
	if r.UID == "" {
		r.UID = d.intern(d.first(cUIDs))
	}
	r.Requested, r.Assigned, r.Server = d.addr(cRequestedAddr), d.addr(cAssignedAddr), d.addr(cServerAddr)
	if !r.Src.IsValid() {
		r.Src, r.SrcPort, r.DstPort = d.addr(cClientAddr), dhcpClient, dhcpServer
	}
	if !r.Src.IsValid() {
		r.Src = netip.IPv4Unspecified() // who has no address yet
	}
	if !r.Dst.IsValid() {
		r.Dst = r.Server
	}
	if !r.Dst.IsValid() {
		r.Dst = netip.AddrFrom4([4]byte{255, 255, 255, 255})
	}
	if !r.Server.IsValid() && d.has(cRespHost) {
		r.Server = r.Dst
	}
	r.MAC, r.Lease = d.lower(cMAC), d.duration(cLeaseTime)
	r.Host, r.FQDN, r.Domain, r.Vendor = d.str(cHostName), d.str(cClientFQDN), d.str(cDomain), d.str(cClientSoftware)
	r.Messages = d.list(cMsgTypes, maxList)
}

func (d *Decoder) files(b *weir.Batch) {
	r := add(&b.Files)
	d.message(&r.Endpoints, 0)
	if r.UID == "" {
		r.UID = d.intern(d.first(cUIDs))
	}
	r.FromSrc = d.yes(cIsOrig)
	if !r.Src.IsValid() { // before Zeek 5.1: who sent and who received, without ports
		tx, rx := d.firstAddr(cTxHosts), d.firstAddr(cRxHosts)
		if r.Src, r.Dst = rx, tx; r.FromSrc {
			r.Src, r.Dst = tx, rx
		}
	}
	r.ID, r.Protocol, r.Name, r.Type = d.str(cFUID), d.fileProtocol(), d.str(cFilename), d.str(cMediaType)
	r.Size, r.Total, r.Missing, r.Duration = d.uint(cSeenBytes), d.uint(cTotalBytes), d.uint(cMissingBytes), d.duration(cDuration)
	r.MD5, r.SHA1, r.SHA256 = d.str(cMD5), d.str(cSHA1), d.str(cSHA256)
}

func (d *Decoder) fileProtocol() string {
	s := strings.ToLower(strings.TrimSuffix(d.str(cSource), "_DATA")) // FTP_DATA
	if name, ok := serviceNames[s]; ok {
		return name
	}
	return s
}

func (d *Decoder) firstAddr(c column) netip.Addr {
	b := d.first(c)
	if len(b) == 0 {
		return netip.Addr{}
	}
	a, ok := d.parseAddr(b)
	if !ok {
		d.wrong(c, b, "addresses")
	}
	return a
}

func (d *Decoder) weird(b *weir.Batch) {
	r := add(&b.Oddities)
	r.Time, r.Sensor, r.Count = d.now, d.sensor(), 1
	r.Src, r.Dst = d.addr(cOrigHost), d.addr(cRespHost)
	r.SrcPort, r.DstPort = d.uint16(cOrigPort), d.uint16(cRespPort)
	r.Proto = d.proto()
	r.Name, r.Detail = d.str(cName), d.str(cAddl)
}
