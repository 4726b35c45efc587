package eve

import (
	"bytes"
	"net/netip"
	"strings"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/jsonline"
	"github.com/weir-nta/weir/internal/uri"
)

// http makes a transaction, the first of which stands in its flow as well.
func (d *Decoder) http(b *weir.Batch) bool {
	e := &d.event
	t := weir.HTTPTransaction{
		Endpoints: d.endpoints(), Method: e.printable(fMethod), Host: uri.Host(e.value[fHostname]), URI: uri.Masked(e.value[fURL]),
		Referrer: uri.Masked(e.value[fReferrer]), UserAgent: e.printable(fUserAgent), Status: uint16(e.uint(fStatus, 16)),
		BodyDown: e.uint(fLength, 64), TypeDown: e.printable(fContentType), Version: d.httpVersion(),
	}
	if t.Host == "" {
		t.Host = d.authority()
	}
	b.HTTP = append(b.HTTP, t)
	if c := d.talk(b, &t.Endpoints); c != nil && c.http == nil && !c.ended {
		c.app = "http"
		if t.Version == "2" {
			c.app = "http2"
		}
		c.http = &weir.HTTP{Method: t.Method, Host: t.Host, URI: t.URI, UserAgent: t.UserAgent, Status: t.Status}
	}
	return true
}

func (d *Decoder) httpVersion() string {
	if v, ok := strings.CutPrefix(d.event.printable(fHTTPProtocol), "HTTP/"); ok {
		return v
	}
	return d.event.printable(fHTTPVersion)
}

// authority returns the host that an HTTP/2 request names (RFC 9113, 8.3.1),
// from the array of its headers.
func (d *Decoder) authority() (host string) {
	_ = d.array.Elements(d.event.value[fRequestHeaders], func(value []byte, kind jsonline.Kind) error { // of no array, nothing
		if kind != jsonline.Object {
			return nil
		}
		var name, text string
		err := d.array.Each(value, func(key, value []byte, _ jsonline.Kind) error {
			switch string(key) {
			case "name":
				name = bounded(value)
			case "value":
				text = uri.Host(value)
			}
			return nil
		})
		if name == ":authority" && host == "" {
			host = text
		}
		return err
	})
	return host
}

func (d *Decoder) ssh(b *weir.Batch) bool {
	e := &d.event
	s := weir.SSHSession{
		Endpoints: d.endpoints(), HASSH: e.lower(fHASSH), HASSHServer: e.lower(fHASSHServer),
		Client: sshIdentification(e, fSSHClientProto, fSSHClient), Server: sshIdentification(e, fSSHServerProto, fSSHServer),
	}
	for _, f := range []field{fSSHServerProto, fSSHClientProto} {
		switch v := e.value[f]; {
		case bytes.HasPrefix(v, []byte("2.")), string(v) == "1.99": // RFC 4253, 5.1
			s.Version = 2
		case bytes.HasPrefix(v, []byte("1.")):
			s.Version = 1
		}
	}
	b.SSH = append(b.SSH, s)
	d.remember(b, &s.Endpoints)
	return true
}

// remember keeps in mind which side of the conversation is the client.
func (d *Decoder) remember(b *weir.Batch, p *weir.Endpoints) { d.talk(b, p) }

func sshIdentification(e *event, proto, software field) string {
	if !e.has(software) {
		return ""
	}
	return "SSH-" + e.printable(proto) + "-" + e.printable(software)
}

// smbActions are Suricata's names of commands, without their prefix, as
// actions; others are told by their name in lower case.
var smbActions = map[string]string{
	"TREE_CONNECT": "connect", "TREE_CONNECT_ANDX": "connect", "CREATE": "open", "NT_CREATE_ANDX": "open", "NT_CREATE": "open",
	"OPEN_ANDX": "open", "OPEN": "open", "CLOSE": "close", "READ": "read", "READ_ANDX": "read", "WRITE": "write",
	"WRITE_ANDX": "write", "WRITE_AND_CLOSE": "write", "DELETE": "delete", "RENAME": "rename",
}

// smb makes a record of a command, and of what is carried in it: the logon by
// NTLM or Kerberos, the remote call.
func (d *Decoder) smb(b *weir.Batch) bool {
	e := &d.event
	a := weir.SMBAction{
		Endpoints: d.endpoints(), Version: smbVersion(e.str(fDialect)), Action: smbAction(e.str(fCommand)), Share: e.str(fShare),
		ShareType: e.lower(fShareType), Service: e.str(fServiceReply), File: e.str(fFilename), Size: e.uint(fSMBSize, 64),
		Status: strings.TrimPrefix(e.str(fSMBStatus), "STATUS_"), User: e.str(fNTLMUser),
	}
	if a.File == "" {
		a.File = e.str(fPipe)
	}
	if a.ShareType == "file" {
		a.ShareType = "disk"
	}
	if e.has(fRenamedTo) {
		a.Action, a.File, a.Renamed = "rename", e.str(fRenamedTo), e.str(fRenamedFrom)
	}
	if domain := e.str(fNTLMDomain); a.User != "" && domain != "" {
		a.User = domain + `\` + a.User
	}
	b.SMB = append(b.SMB, a)
	d.remember(b, &a.Endpoints)
	d.smbLogon(b, &a)
	if e.has(fSMBRPCRequest) {
		d.call(b, a.Endpoints, fSMBRPCRequest, fSMBRPCInterfaces, fSMBRPCOpnum, e.str(fPipe))
	}
	return true
}

func smbVersion(dialect string) string {
	switch dialect {
	case "unknown":
		return ""
	case "2.02", "2.10", "3.00", "3.02", "3.11": // 3.11 is told as 3.1.1 by everybody else
		return strings.TrimSuffix(dialect[:3]+"."+dialect[3:], ".0")
	}
	return dialect
}

func smbAction(command string) string {
	command = strings.TrimPrefix(strings.TrimPrefix(command, "SMB1_COMMAND_"), "SMB2_COMMAND_")
	if a, ok := smbActions[command]; ok {
		return a
	}
	return strings.ToLower(command)
}

func (d *Decoder) smbLogon(b *weir.Batch, a *weir.SMBAction) {
	e := &d.event
	if e.has(fNTLMUser) || e.has(fNTLMHost) || e.has(fNTLMDomain) {
		b.NTLM = append(b.NTLM, weir.NTLMLogon{
			Endpoints: a.Endpoints, User: e.str(fNTLMUser), Host: e.str(fNTLMHost), Domain: e.str(fNTLMDomain),
			Success: smbSuccess(a.Status), Status: a.Status,
		})
	}
	if e.has(fSMBRealm) || e.has(fSMBSNames) {
		b.Kerberos = append(b.Kerberos, weir.KerberosMessage{
			Endpoints: a.Endpoints, Type: "AP", Service: d.joined(fSMBSNames), Success: smbSuccess(a.Status),
		})
	}
}

// smbSuccess says how a logon ended by the status of the answer: that more is
// to be said is neither.
func smbSuccess(status string) string {
	switch {
	case status == "SUCCESS":
		return "true"
	case status == "" || status == "MORE_PROCESSING_REQUIRED" || strings.HasPrefix(status, "UNKNOWN"):
		return ""
	}
	return "false"
}

// joined returns the texts of an array with slashes between them, as the parts
// of a principal are written.
func (d *Decoder) joined(f field) string {
	var parts []string
	_ = d.array.Elements(d.event.value[f], func(value []byte, kind jsonline.Kind) error { // of no array, nothing
		if kind == jsonline.String && len(parts) < 8 {
			parts = append(parts, bounded(value))
		}
		return nil
	})
	return strings.Join(parts, "/")
}

func (d *Decoder) dcerpc(b *weir.Batch) bool {
	d.call(b, d.endpoints(), fRPCRequest, fRPCInterfaces, fRPCOpnum, "")
	return true
}

// call makes a record of a remote call. That of a bind names the interface,
// that of a request in old versions does not: it is that bound last.
func (d *Decoder) call(b *weir.Batch, p weir.Endpoints, request, interfaces, opnum field, pipe string) {
	e := &d.event
	c := weir.RPCCall{Endpoints: p, Pipe: pipe, Operation: e.lower(request), Endpoint: interfaceName(e.lower(fRPCInterface))}
	if e.is(request, "REQUEST") && e.has(opnum) {
		c.Operation = e.str(opnum)
	}
	if e.has(interfaces) {
		c.Endpoint = interfaceName(d.uuid(interfaces))
	}
	if t := d.talk(b, &p); t != nil {
		if c.Endpoint == "" {
			c.Endpoint = t.rpc
		}
		t.rpc = c.Endpoint
	}
	b.RPC = append(b.RPC, c)
}

// uuid returns the first interface of an array of them.
func (d *Decoder) uuid(f field) (uuid string) {
	_ = d.array.Elements(d.event.value[f], func(value []byte, kind jsonline.Kind) error { // of no array, nothing
		if kind != jsonline.Object || uuid != "" {
			return nil
		}
		return d.array.Each(value, func(key, value []byte, _ jsonline.Kind) error {
			if string(key) == "uuid" {
				uuid = strings.ToLower(bounded(value))
			}
			return nil
		})
	})
	return uuid
}

// interfaces are the common names of interfaces that attackers and
// administrators call (MS-RPCE and the documents of each).
var interfaces = map[string]string{
	"e1af8308-5d1f-11c9-91a4-08002b14a0fa": "epmapper", "367abb81-9844-35f1-ad32-98f038001003": "svcctl",
	"12345778-1234-abcd-ef00-0123456789ac": "samr", "12345778-1234-abcd-ef00-0123456789ab": "lsarpc",
	"12345678-1234-abcd-ef00-01234567cffb": "netlogon", "e3514235-4b06-11d1-ab04-00c04fc2dcd2": "drsuapi",
	"1ff70682-0a51-30e8-076d-740be8cee98b": "atsvc", "86d35949-83c9-4044-b424-db363231fd0c": "ITaskSchedulerService",
	"4b324fc8-1670-01d3-1278-5a47bf6ee188": "srvsvc", "6bffd098-a112-3610-9833-46c3f87e345a": "wkssvc",
	"338cd001-2244-31f1-aaaa-900038001003": "winreg", "12345678-1234-abcd-ef00-0123456789ab": "spoolss",
	"82273fdc-e32a-18c3-3f78-827929dc23ea": "eventlog", "4fc742e0-4a10-11cf-8273-00aa004ae673": "netdfs",
	"c681d488-d850-11d0-8c52-00c04fd90f7e": "efsrpc", "df1941c5-fe89-4e79-bf10-463657acf44d": "efsrpc",
	"000001a0-0000-0000-c000-000000000046": "IRemoteSCMActivator", "99fcfec4-5260-101b-bbcb-00aa0021347a": "IOXIDResolver",
	"9556dc99-828c-11cf-a37e-00aa003240c7": "IWbemServices", "50abc2a4-574d-40b3-9d66-ee4fd5fba076": "dnsserver",
}

func interfaceName(uuid string) string {
	if n, ok := interfaces[uuid]; ok {
		return n
	}
	return uuid
}

func (d *Decoder) krb5(b *weir.Batch) bool {
	e := &d.event
	typ := e.str(fKrbType)
	m := weir.KerberosMessage{
		Endpoints: d.endpoints(), Client: principal(e, fKrbClient), Service: principal(e, fKrbService), Error: e.str(fKrbError),
		Cipher: cipherName(e.lower(fKrbTicketCipher)),
	}
	if realm := e.str(fKrbRealm); m.Client != "" && realm != "" {
		m.Client += "/" + realm
	}
	if m.Cipher == "" {
		m.Cipher = cipherName(e.lower(fKrbCipher))
	}
	switch {
	case typ == "KRB_ERROR":
		m.Success, typ = "false", e.str(fKrbFailed)
	case strings.HasSuffix(typ, "_REP"):
		m.Success = "true"
	}
	m.Type = strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(typ, "KRB_"), "_REQ"), "_REP")
	b.Kerberos = append(b.Kerberos, m)
	return true
}

// principal returns a name, for which Suricata writes a word where there is none.
func principal(e *event, f field) string {
	if e.is(f, "<empty>") || e.is(f, "<none>") {
		return ""
	}
	return e.str(f)
}

// cipherName returns the short name of an encryption (RFC 3961, IANA
// "kerberos-parameters").
func cipherName(s string) string {
	for _, c := range []struct{ prefix, name string }{{"aes128", "aes128"}, {"aes256", "aes256"}, {"rc4", "rc4"}, {"des-", "des"}, {"<", ""}} {
		if strings.HasPrefix(s, c.prefix) {
			return c.name
		}
	}
	return s
}

func (d *Decoder) dhcp(b *weir.Batch) bool {
	e := &d.event
	m := weir.DHCPMessage{
		Endpoints: d.endpoints(), MAC: e.lower(fDHCPMAC), Requested: given(e.addr(fDHCPRequested)), Assigned: given(e.addr(fDHCPAssigned)),
		Lease: time.Duration(e.uint(fDHCPLease, 32)) * time.Second, Host: e.printable(fDHCPHost), Domain: e.printable(fDHCPDomain),
		Vendor: e.printable(fDHCPVendor),
	}
	if e.is(fDHCPKind, "reply") {
		m.Server = given(e.src)
		if m.Src == e.src {
			turn(&m.Endpoints)
		}
		if m.Assigned.IsValid() && !m.Src.IsGlobalUnicast() {
			m.Src = m.Assigned // the answer went to all, for the client has no address yet
		}
	}
	if e.has(fDHCPType) {
		m.Messages = []string{strings.ToUpper(e.str(fDHCPType))}
	}
	b.DHCP = append(b.DHCP, m)
	return true
}

// given returns a, or none for the unspecified address, which DHCP fills its
// fields with (RFC 2131, 2).
func given(a netip.Addr) netip.Addr {
	if a.IsUnspecified() {
		return netip.Addr{}
	}
	return a
}

// rdp gathers the events of one session, each of a step of its beginning.
func (d *Decoder) rdp(b *weir.Batch) bool {
	e := &d.event
	p := d.endpoints()
	c := d.talk(b, &p)
	if c == nil || c.ended { // nothing to gather it by
		c = &conversation{Endpoints: p}
		defer d.emitAlone(b, c)
	}
	if c.rdp == nil {
		c.rdp = &weir.RDPSession{Endpoints: p}
	}
	s := c.rdp
	for _, m := range []struct {
		into *string
		text string
	}{
		{&s.Cookie, e.printable(fRDPCookie)}, {&s.Security, rdpSecurity(e.lower(fRDPProtocol))}, {&s.Client, e.printable(fRDPClient)},
		{&s.Build, e.printable(fRDPBuild)}, {&s.Keyboard, e.printable(fRDPKeyboard)}, {&s.Result, e.printable(fRDPError)},
	} {
		if m.text != "" {
			*m.into = m.text
		}
	}
	if s.Result == "" && e.is(fRDPEvent, "initial_response") {
		s.Result = "Success"
	}
	_ = d.array.Elements(e.value[fRDPCerts], func([]byte, jsonline.Kind) error { // of no array, nothing
		s.Certificates++
		return nil
	})
	return true
}

func rdpSecurity(protocol string) string {
	if protocol == "ssl" {
		return "tls"
	}
	return protocol
}

// file makes a record of a file. The source of its event is who sent it.
func (d *Decoder) file(b *weir.Batch) bool {
	e := &d.event
	f := weir.File{
		Endpoints: d.endpoints(), Protocol: appName(e.value[fAppProto]), Name: e.str(fFileName), Size: e.uint(fFileSize, 64),
		MD5: e.lower(fFileMD5), SHA1: e.lower(fFileSHA1), SHA256: e.lower(fFileSHA256), ID: e.str(fFileID),
	}
	if strings.HasPrefix(f.Protocol, "http") {
		f.Name = uri.Masked(e.value[fFileName]) // the target of the request, where no other name was told
	}
	f.FromSrc = f.Src == e.src && f.SrcPort == uint16(e.uint(fSrcPort, 16))
	if f.FromSrc && e.is(fMethod, "GET") && !d.knows(f.UID) {
		turn(&f.Endpoints) // a GET has no body: the server sent it, on whatever port
		f.FromSrc = false
	}
	b.Files = append(b.Files, f)
	return true
}

// knows says whether something else told the sides of a conversation.
func (d *Decoder) knows(uid string) bool {
	_, ok := d.talks.index[uid]
	return ok
}
