package export

import (
	"crypto/sha1"
	"math/big"
	"strconv"
	"strings"
	"sync"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dns"
	"github.com/weir-nta/weir/decode/packet"
)

// zeekForms are the values that Zeek writes in another form than records have
// them, by log and column; those without a log are of all that have the column.
var zeekForms = map[string]form{
	".proto":                 zeekProto,
	"conn.uid":               func(r weir.Record) any { return zeekUID(r.(*weir.Flow)) },
	"ssl.uid":                func(r weir.Record) any { return zeekUID(r.(*weir.Flow)) },
	"http.uid":               httpUID,
	"conn.id.orig_p":         func(r weir.Record) any { port, _ := zeekPorts(r.(*weir.Flow)); return int64(port) },
	"conn.id.resp_p":         func(r weir.Record) any { _, port := zeekPorts(r.(*weir.Flow)); return int64(port) },
	"conn.ip_proto":          func(r weir.Record) any { return int64(r.(*weir.Flow).Proto) },
	"conn.service":           zeekService,
	"conn.duration":          zeekDuration,
	"conn.local_orig":        func(r weir.Record) any { return isLocal(r.(*weir.Flow), weir.Outbound) },
	"conn.local_resp":        func(r weir.Record) any { return isLocal(r.(*weir.Flow), weir.Inbound) },
	"dns.qclass":             func(r weir.Record) any { return numberOf(classNumbers(), r.(*weir.DNSTransaction).Class, "CLASS") },
	"dns.qclass_name":        zeekClass,
	"dns.qtype":              func(r weir.Record) any { return numberOf(typeNumbers(), r.(*weir.DNSTransaction).Type, "TYPE") },
	"dns.rcode":              func(r weir.Record) any { return numberOf(codeNumbers(), r.(*weir.DNSTransaction).Code, "RCODE") },
	"dns.answers":            zeekAnswers,
	"ssl.version":            zeekTLSVersion,
	"ssl.cert_chain_fps":     zeekChain,
	"http.orig_mime_types":   func(r weir.Record) any { return oneType(r, true) },
	"http.resp_mime_types":   func(r weir.Record) any { return oneType(r, false) },
	"ssh.auth_success":       func(r weir.Record) any { return truth(r.(*weir.SSHSession).Auth) },
	"smb_files.action":       zeekAction,
	"smb_mapping.share_type": func(r weir.Record) any { return upper(r.(*weir.SMBAction).ShareType) },
	"kerberos.success":       func(r weir.Record) any { return truth(r.(*weir.KerberosMessage).Success) },
	"ntlm.success":           func(r weir.Record) any { return truth(r.(*weir.NTLMLogon).Success) },
	"rdp.auth_success":       func(r weir.Record) any { return truth(r.(*weir.RDPSession).Auth) },
	"rdp.security_protocol":  func(r weir.Record) any { return upper(r.(*weir.RDPSession).Security) },
	"dhcp.uids":              zeekUIDs,
	"dhcp.client_addr":       zeekClient,
	"files.source":           func(r weir.Record) any { return upper(r.(*weir.File).Protocol) },
	"weird.notice":           func(weir.Record) any { return false },
	"weird.peer":             func(r weir.Record) any { return orNil(r.(*weir.Oddity).Sensor) },
	"notice.note":            func(r weir.Record) any { return "Weir::" + r.(*weir.Finding).Detector },
	"notice.actions":         func(weir.Record) any { return []any{"Notice::ACTION_LOG"} },
	"notice.suppress_for":    func(weir.Record) any { return 0.0 },
}

func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func upper(s string) any { return orNil(strings.ToUpper(s)) }

// truth returns what a text that may be missing says.
func truth(s string) any {
	switch s {
	case "true", "success":
		return true
	case "false", "failure":
		return false
	}
	return nil
}

// zeekProto returns what Zeek's enumeration of transports has a word for.
func zeekProto(r weir.Record) any {
	i := r.Table().Column("proto")
	if i < 0 {
		return nil
	}
	switch p := r.Value(i); p {
	case nil, "tcp", "udp", "icmp":
		return p
	case "icmp6":
		return "icmp"
	}
	return "unknown_transport"
}

// zeekPorts returns the ports of a flow, for ICMP what stands in their place.
func zeekPorts(f *weir.Flow) (src, dst uint16) {
	if f.ICMP == nil {
		return f.SrcPort, f.DstPort
	}
	src, dst, _ = packet.ICMPPorts(f.Proto, f.ICMP.Type, f.ICMP.Code)
	return src, dst
}

// services are Zeek's names of applications where they differ from ours.
var services = map[string]string{"tls": "ssl", "kerberos": "krb", "mdns": "dns", "llmnr": "dns", "nbns": "dns"}

// zeekService returns the service if it was recognised: Zeek guesses none.
func zeekService(r weir.Record) any {
	f := r.(*weir.Flow)
	if f.AppGuessed {
		return nil
	}
	if s, ok := services[f.App]; ok {
		return s
	}
	return orNil(f.App)
}

// zeekDuration returns how long the record lasts, which for a slice is less
// than the conversation: ts and duration give its end.
func zeekDuration(r weir.Record) any {
	f := r.(*weir.Flow)
	return float64(f.End.Sub(f.Start).Microseconds()) / 1e6
}

func isLocal(f *weir.Flow, side weir.Direction) any {
	if f.Direction == weir.NoDirection {
		return nil
	}
	return f.Direction == side || f.Direction == weir.Internal
}

// zeekUID returns the identifier of the conversation or, as the logs are
// joined by it, one that follows from its endpoints and begin.
func zeekUID(f *weir.Flow) string {
	if f.UID != "" {
		return f.UID
	}
	sum := sha1.Sum(strconv.AppendInt([]byte(f.CID()), f.First().UnixMicro(), 10))
	return "C" + new(big.Int).SetBytes(sum[:12]).Text(62)
}

func httpUID(r weir.Record) any {
	if f, ok := r.(*weir.Flow); ok {
		return zeekUID(f)
	}
	return orNil(r.(*weir.HTTPTransaction).UID)
}

func zeekClass(r weir.Record) any {
	c := r.(*weir.DNSTransaction).Class
	if c == "IN" {
		return "C_INTERNET"
	}
	return orNil(c)
}

// numberOf returns the number of a name of DNS, also of TYPE65280 (RFC 3597).
func numberOf(numbers map[string]int64, name, unnamed string) any {
	if n, ok := numbers[name]; ok {
		return n
	}
	if text, ok := strings.CutPrefix(name, unnamed); ok {
		if n, err := strconv.ParseUint(text, 10, 16); err == nil {
			return int64(n)
		}
	}
	return nil
}

// The numbers are those that decode/dns names.
var (
	typeNumbers  = sync.OnceValue(func() map[string]int64 { return numbersOf(func(n uint16) string { return dns.TypeName(n, "dns") }) })
	classNumbers = sync.OnceValue(func() map[string]int64 { return numbersOf(func(n uint16) string { return dns.ClassName(n, "dns") }) })
	codeNumbers  = sync.OnceValue(func() map[string]int64 { return numbersOf(dns.CodeName) })
)

func numbersOf(name func(uint16) string) map[string]int64 {
	m := map[string]int64{}
	for n := 0; n < 1<<16; n++ {
		text := name(uint16(n))
		if text != "" && !strings.HasSuffix(text, strconv.Itoa(n)) {
			m[text] = int64(n)
		}
	}
	return m
}

// zeekAnswers returns the answers; Zeek writes a text with its length before it.
func zeekAnswers(r weir.Record) any {
	d := r.(*weir.DNSTransaction)
	if len(d.Answers) == 0 {
		return nil
	}
	out := make([]any, len(d.Answers))
	for i, a := range d.Answers {
		out[i] = a
		if strings.HasPrefix(a, `"`) {
			out[i] = zeekTXT(a)
		}
	}
	return out
}

// zeekTXT turns "some text" "ab", as zone files write TXT records, into
// TXT 9 some text TXT 2 ab.
func zeekTXT(s string) string {
	var parts []string
	for rest := s; rest != ""; rest = strings.TrimPrefix(rest, " ") {
		quoted, err := strconv.QuotedPrefix(rest)
		if err != nil {
			return s
		}
		rest = rest[len(quoted):]
		text, err := strconv.Unquote(quoted)
		if err != nil {
			return s
		}
		parts = append(parts, "TXT "+strconv.Itoa(len(text))+" "+text)
	}
	return strings.Join(parts, " ")
}

func zeekTLSVersion(r weir.Record) any {
	f := r.(*weir.Flow)
	v := f.TLS.Version
	switch {
	case v == "":
		return nil
	case v == "ssl2", v == "ssl3":
		return "SSLv" + v[3:]
	case strings.HasPrefix(v, "0x"):
		return v
	}
	if f.Proto == weir.UDP && f.App != "quic" {
		if v == "1.1" {
			return "DTLSv10" // DTLS 1.0 is TLS 1.1
		}
		return "DTLSv" + strings.Replace(v, ".", "", 1)
	}
	return "TLSv" + strings.Replace(v, ".", "", 1)
}

func zeekChain(r weir.Record) any {
	if s := r.(*weir.Flow).TLS.SHA256; s != "" {
		return []any{s}
	}
	return nil
}

func oneType(r weir.Record, up bool) any {
	t, ok := r.(*weir.HTTPTransaction)
	switch {
	case ok && up && t.TypeUp != "":
		return []any{t.TypeUp}
	case ok && !up && t.TypeDown != "":
		return []any{t.TypeDown}
	}
	return nil
}

// zeekAction returns SMB::FILE_OPEN for open.
func zeekAction(r weir.Record) any {
	a := r.(*weir.SMBAction)
	if a.Action == "" {
		return nil
	}
	switch {
	case a.Action == "print":
		return "SMB::PRINT_WRITE"
	case a.ShareType == "pipe":
		return "SMB::PIPE_" + strings.ToUpper(a.Action)
	}
	return "SMB::FILE_" + strings.ToUpper(a.Action)
}

func zeekUIDs(r weir.Record) any {
	if uid := r.(*weir.DHCPMessage).UID; uid != "" {
		return []any{uid}
	}
	return nil
}

func zeekClient(r weir.Record) any {
	if src := r.(*weir.DHCPMessage).Src; src.IsValid() && !src.IsUnspecified() {
		return src
	}
	return nil
}
