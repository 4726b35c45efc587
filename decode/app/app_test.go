package app

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/sharedtest"
)

var cases = []struct {
	want           string
	proto          weir.Proto
	client, server string
}{
	{"tls", weir.TCP, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", ""},
	{"http", weir.TCP, "GET / HTTP/1.1\r\n", ""},
	{"http2", weir.TCP, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ""},
	{"rtsp", weir.TCP, "OPTIONS rtsp://a/ RTSP/1.0\r\n", ""},
	{"sip", weir.UDP, "REGISTER sip:a SIP/2.0\r\n", ""},
	{"ssh", weir.TCP, "", "SSH-2.0-OpenSSH_9\r\n"},
	{"rfb", weir.TCP, "", "RFB 003.008\n"},
	{"smb", weir.TCP, "\x00\x00\x00\x54\xfeSMB\x40\x00", ""},
	{"rdp", weir.TCP, "\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00", ""},
	{"dce_rpc", weir.TCP, "\x05\x00\x0b\x03\x10\x00\x00\x00\x48\x00\x00\x00\x01\x00\x00\x00\xb8\x10\xb8\x10\x00\x00\x00\x00", ""},
	{"smb", weir.TCP, "\x81\x00\x00\x44\x20" + strings.Repeat("CA", 16) + "\x00", ""},
	{"smb", weir.TCP, "", "\x82\x00\x00\x00\x00\x00\x00\x54\xffSMB"},
	{"smb", weir.TCP, "\x00\x00\x00\x00\x54\xfdSMB", ""}, // behind a keep-alive
	{"", weir.TCP, "\x81\x00\x00\x44\x20" + strings.Repeat("ca", 16) + "\x00", ""},
	{"", weir.TCP, "\x00\x00\x00\x54\xaaSMB", ""},
	{"dce_rpc", weir.TCP, "", "ncacn_http/1.0"},
	{"dce_rpc", weir.TCP, "\x05\x00\x00\x03\x10\x00\x00\x00\x20\x00\x00\x00\x07\x00\x00\x00\x08\x00\x00\x00\x00\x00\x0c\x00", ""}, // a call
	{"dce_rpc", weir.TCP, "", "\x05\x00\x02\x03\x00\x00\x00\x00\x00\x20\x00\x00\x00\x00\x00\x07\x00\x00\x00\x08\x00\x00\x00\x00"}, // big-endian
	{"", weir.TCP, "\x05\x00\x00\x03\x10\x00\x00\x00\x18\x00\x10\x00\x07\x00\x00\x00\x08\x00\x00\x00\x00\x00\x0c\x00", ""},        // a token longer than it
	{"", weir.TCP, "\x05\x00\x00\x02\x10\x00\x00\x00\x20\x00\x00\x00\x07\x00\x00\x00\x08\x00\x00\x00\x00\x00\x0c\x00", ""},        // no beginning
	{"s7comm", weir.TCP, "\x03\x00\x00\x0b\x06\xe0\x00\x00\x00\x01\x00\x03\x00\x00\x19\x02\xf0\x80\x32\x01\x00\x00", ""},
	{"ftp", weir.TCP, "USER bob\r\n", "220 ready\r\n"},
	{"ftp", weir.TCP, "PASV\r\n", "227 Entering Passive Mode (10,0,0,1,4,1)\r\n"},
	{"ftp", weir.TCP, "EPSV\r\n", "229 Entering Extended Passive Mode (|||4711|)\r\n"},
	{"smtp", weir.TCP, "EHLO a\r\n", "220 ready\r\n"},
	{"pop3", weir.TCP, "USER bob\r\n", "+OK ready\r\n"},
	{"imap", weir.TCP, "a1 LOGIN bob pw\r\n", "* OK ready\r\n"},
	{"irc", weir.TCP, "NICK bob\r\nUSER bob 0 * :Bob\r\n", ""},
	{"irc", weir.TCP, "NICK bob\r\nJOIN #a\r\n", ":irc NOTICE AUTH :***\r\n"},
	{"git", weir.TCP, "0032git-upload-pack /a.git\x00host=a\x00", ""},
	{"mqtt", weir.TCP, "\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00", ""},
	{"postgresql", weir.TCP, "\x00\x00\x00\x08\x04\xd2\x16\x2f", ""},
	{"redis", weir.TCP, "*1\r\n$4\r\nPING\r\n", "+PONG\r\n"},
	{"ldap", weir.TCP, "\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00", ""},
	{"modbus", weir.TCP, "\x00\x01\x00\x00\x00\x06\x01\x03\x00\x00\x00\x01", "\x00\x01\x00\x00\x00\x05\x01\x03\x02\x00\x07"},
	{"stratum", weir.TCP, `{"id":1,"method":"mining.subscribe","params":[]}` + "\n", ""},
	{"socks", weir.TCP, "\x05\x01\x00", "\x05\x00"},
	{"socks", weir.TCP, "\x05\x02\x00\x02", "\x05\xff"},
	{"telnet", weir.TCP, "", "\xff\xfd\x18\xff\xfd\x20"},
	{"quic", weir.UDP, "\xc3\x00\x00\x00\x01\x08aaaaaaaa\x00\x00\x41\x00", ""},
	{"quic", weir.UDP, "\xcf\xff\x00\x00\x1d\x08aaaaaaaa\x00\x00\x41\x00", ""},
	{"quic", weir.UDP, "\x0d12345678Q043\x01aaaaaaaaaaaa", ""},
	{"quic", weir.UDP, "\xc3Q046\x5012345678\x00\x00\x00\x01", ""},
	{"quic", weir.UDP, "\xca\x1a\x2a\x3a\x4a\x08aaaaaaaa\x00" + strings.Repeat("a", 1200), ""},
	{"quic", weir.UDP, "", "\x80\x00\x00\x00\x00\x00\x08aaaaaaaa\x6b\x33\x43\xcf\x00\x00\x00\x01"},
	{"", weir.UDP, "", "\x80\x00\x00\x00\x00\x00\x08aaaaaaaa\x6b\x33\x43\xce\x00\x00\x00\x02"},
	{"", weir.UDP, "\xc3\x10\x01\x00\x00\x08aaaaaaaa\x00\x00\x41\x00", ""},
	{"dtls", weir.UDP, "\x16\xfe\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00\x36\x01\x00\x00\x2a\x00\x00\x00\x00\x00\x00\x00\x2a", ""},
	{"dtls", weir.UDP, "\x17\xfe\xfd\x00\x01\x00\x00\x00\x00\x00\x01\x00\x10" + strings.Repeat("a", 16), ""},
	{"", weir.UDP, "\x17\xfe\xfd\x00\x01\x00\x00\x00\x00\x00\x01\x00\x10" + strings.Repeat("a", 17), ""},
	{"ssdp", weir.UDP, "M-SEARCH * HTTP/1.1\r\n", ""},
	{"stun", weir.UDP, "\x00\x01\x00\x00\x21\x12\xa4\x42aaaaaaaaaaaa", ""},
	{"wireguard", weir.UDP, "\x01\x00\x00\x00" + strings.Repeat("a", 144), ""},
	{"tftp", weir.UDP, "\x00\x01a.bin\x00octet\x00", ""},
	{"syslog", weir.UDP, "<34>Oct 11 22:14:15 host su: a", ""},
	{"ssdp", weir.UDP, "HTTP/1.1 200 OK\r\nST: upnp:rootdevice\r\nUSN: uuid:1::upnp:rootdevice\r\n\r\n", ""},
	{"wsd", weir.UDP, `<?xml version="1.0"?><soap:Envelope xmlns:wsd="http://schemas.xmlsoap.org/ws/2005/04/discovery">` + strings.Repeat(" ", 40), ""},
	{"netbios_dgm", weir.UDP, "\x11\x02\x80\x01\x0a\x00\x00\x01\x00\x8a\x00\x50\x00\x00\x20" + strings.Repeat("CA", 16) + "\x00\x20" + strings.Repeat("FH", 16) + "\x00", ""},
	{"dhcpv6", weir.UDP, "\x01\x01\x02\x03\x00\x01\x00\x0a\x00\x03\x00\x01\x02\x00\x5e\x10\x00\x01\x00\x08\x00\x02\x00\x00", ""},
	{"dhcpv6", weir.UDP, "\x0c\x00" + strings.Repeat("\x20", 32) + "\x00\x09\x00\x04\x01\x02\x03\x04", ""},
	{"", weir.UDP, "\x01\x01\x02\x03\x00\x01\x00\x0a\x00\x03\x00\x01\x02\x00\x5e\x10\x00\x01\x00", ""},
	{"ntp", weir.UDP, "\x23" + strings.Repeat("\x00", 39) + "\xe9\x01\x02\x03\x00\x00\x00\x00", ""},
	{"ntp", weir.UDP, "\xe3\x00\x06\xec\x00\x00\x00\x00\x00\x01\x03\x04" + strings.Repeat("\x00", 28) + "\xe9\x01\x02\x03\x00\x00\x00\x00", ""},
	{"ntp", weir.UDP, "\x17\x00\x03\x2a\x00\x00\x00\x00", ""},
	{"ntp", weir.UDP, "", "\xd7\x00\x03\x2a\x00\x01\x00\x48" + strings.Repeat("a", 72)},
	{"ntp", weir.UDP, "\x16\x02\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00", ""},
	{"", weir.UDP, "\x16\x82\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03com\x00\x00\x01\x00\x01", ""},
	{"ntp", weir.UDP, "", "\x24\x02\x06\xe9" + strings.Repeat("\x00", 28) + "\xe9\x01\x02\x03\x00\x00\x00\x00\xe9\x01\x02\x03\x00\x00\x10\x00"},
	{"snmp", weir.UDP, "\x30\x18\x02\x01\x01\x04\x06public\xa0\x0b\x02\x01\x01\x02\x01\x00\x02\x01\x00\x30\x00", ""},
	{"snmp", weir.UDP, "", "\x30\x14\x02\x01\x03\x30\x0d\x02\x01\x01\x02\x02\x05\xdc\x04\x01\x04\x02\x01\x03\x04\x00"},
	{"ldap", weir.UDP, "\x30\x1c\x02\x01\x01\x63\x17\x04\x00\x0a\x01\x00\x0a\x01\x00\x02\x01\x00\x02\x01\x00\x01\x01\x00\x87\x02ab\x30\x00", ""},
	{"ldap", weir.TCP, "", "\x30\x84\x00\x00\x00\x10\x02\x01\x01\x61\x84\x00\x00\x00\x07\x0a\x01\x00\x04\x00\x04\x00"},
	{"kerberos", weir.UDP, "\x6a\x0e\x30\x0c\xa1\x03\x02\x01\x05\xa2\x03\x02\x01\x0a\xa4\x00", ""},
	{"kerberos", weir.TCP, "\x00\x00\x00\x10\x6a\x0e\x30\x0c\xa1\x03\x02\x01\x05\xa2\x03\x02\x01\x0a\xa4\x00\x00", ""},
	{"kpasswd", weir.UDP, "\x00\x17\x00\x01\x00\x10\x6e\x0e\x30\x0c\xa0\x03\x02\x01\x05\xa1\x03\x02\x01\x0e\xa4\x00\x75", ""},
	{"rdp", weir.TCP, "\x03\x00\x00\x0b\x06\xe0\x00\x00\x00\x00\x00\x03\x00\x01\x9d\x02\xf0\x80\x7f\x65", ""},
	{"rdp", weir.TCP, "", "\x03\x00\x00\x13\x0e\xd0\x00\x00\x12\x34\x00\x02\x00\x08\x00\x02\x00\x00\x00"},
}

func TestRecognise(t *testing.T) {
	for _, c := range cases {
		if got := Recognise(c.proto, []byte(c.client), []byte(c.server)); got != c.want {
			t.Errorf("Recognise(%v, %q, %q) = %q, want %q", c.proto, c.client, c.server, got, c.want)
		}
	}
}

// TestAlike: what looks like a protocol and is none.
func TestAlike(t *testing.T) {
	for name, c := range map[string]struct {
		proto          weir.Proto
		client, server string
	}{
		"AUTH and PING of Redis":        {weir.TCP, "AUTH noone password\r\nPING\r\n", "+OK\r\n+OK\r\n"},
		"the question of an NTP client": {weir.UDP, "\x23" + strings.Repeat("\x00", 47), ""},
		"sent before it was received":   {weir.UDP, "", "\x24\x02\x06\xe9" + strings.Repeat("\x00", 28) + "\xe9\x01\x02\x03\x00\x00\x00\x00\xe9\x01\x02\x02\x00\x00\x10\x00"},
		"a request of ISO transport":    {weir.TCP, "\x03\x00\x00\x0b\x06\xe0\x00\x00\x00\x00\x00", ""},
		"a length that is another's":    {weir.TCP, "\x00\x00\x00\x12\x6a\x0e\x30\x0c\xa1\x03\x02\x01\x05\xa2\x03\x02\x01\x0a\xa4\x00\x00", ""},
		"48 times the same":             {weir.UDP, "", strings.Repeat("\x0c", 48)},
	} {
		if got := Recognise(c.proto, []byte(c.client), []byte(c.server)); got != "" {
			t.Errorf("%s: %q, want nothing", name, got)
		}
	}
}

func TestGreets(t *testing.T) {
	for _, c := range []struct {
		client, server string
		want           bool
	}{
		{"", "220-hello\r\n", true}, {"", "+OK hi\r\n", true}, {"", "* OK hi\r\n", true}, {"USER bob\r\n", "", true},
		{"GET / HTTP/1.1\r\n", "", false}, {"", "HTTP/1.1 200 OK\r\n", false}, {"USER bob\r\n", "220 hello\r\n", false}, {"", "", false},
	} {
		if got := Greets([]byte(c.client), []byte(c.server)); got != c.want {
			t.Errorf("Greets(%q, %q) = %v, want %v", c.client, c.server, got, c.want)
		}
	}
}

// TestNothing: what says little is not named.
func TestNothing(t *testing.T) {
	for _, in := range []string{"", "\x00", "220 hello\r\n", "+OK\r\n", "\x05\x01\x00", "\xff\xfd\x18", "{}", "GET /", "USER a\r\n", strings.Repeat("\x00", 300), strings.Repeat("\xff", 300), strings.Repeat("A", 300)} {
		for _, proto := range []weir.Proto{weir.TCP, weir.UDP, weir.ICMPv4} {
			if got := Recognise(proto, []byte(in), nil); got != "" {
				t.Errorf("Recognise(%v, %.20q) = %q, want nothing", proto, in, got)
			}
		}
	}
}

func TestByPort(t *testing.T) {
	for _, c := range []struct {
		proto weir.Proto
		port  uint16
		want  string
	}{{weir.TCP, 443, "tls"}, {weir.UDP, 443, "quic"}, {weir.UDP, 53, "dns"}, {weir.TCP, 40000, ""}, {weir.SCTP, 80, ""}} {
		if got := ByPort(c.proto, c.port); got != c.want {
			t.Errorf("ByPort(%v, %d) = %q, want %q", c.proto, c.port, got, c.want)
		}
	}
}

// explained are the pairs that occur in the captures, each looked at: what is
// said there is what the name says. A new pair is likely a wrong signature.
var explained = []string{
	// 2,592 in 4 captures: Empire and Emotet, whose commands are plain HTTP on
	// 443; one of an application of Tencent; and a case of Suricata.
	"http on the port of tls",
	"http on the port of dns", // a POST of Suricata's uricontent cases
	"http on the port of smb", // a scanner's GET, answered by an error of NetBIOS
	// Clients of HTTP that came to an SSH server: who speaks first gives the
	// name. And an HTTP server on 22.
	"http on the port of ssh",
	"http2 on the port of http", "http2 on the port of tls", // HTTP/2 without TLS, some of it taken out of it
	"ssh on the port of tls",      // sslh, which serves both; a case of Suricata
	"tls on the port of http",     // AnyDesk on 80, Ookla on 8080
	"stun on the port of quic",    // Viber
	"dtls on the port of quic",    // a synthetic case of Arkime
	"openvpn on the port of quic", // a server on UDP 443; its reset has the session of the client
	"dce_rpc on the port of smb",  // synthetic: binds without SMB around them
	"ipsec on the port of radius", // from 4500, to a forged address: an amplification attack
	"snmp on the port of dns",     // a discovery of SNMPv3, sent to 53 to test for that
}

// TestAgainstPorts looks through all captures for conversations whose name is
// not the one that their port suggests, and fails on a pair that is not among
// those explained.
func TestAgainstPorts(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 1,500 captures")
	}
	named, agree := 0, 0
	differ, seen := map[string]int{}, map[string]int{}
	for _, folder := range []string{"conformance", "corpus"} {
		for _, file := range sharedtest.Captures(t, folder) {
			for _, c := range sharedtest.Conversations(t, file) {
				name, port := recognised(c)
				if name == "" {
					continue
				}
				seen[name]++
				if port == "" {
					continue
				}
				if named++; name == port {
					agree++
					continue
				}
				what := fmt.Sprintf("%s on the port of %s", name, port)
				differ[what]++
				if !slices.Contains(explained, what) {
					t.Errorf("%s: %v > %v: %s", file, c.Src, c.Dst, what)
				}
			}
		}
	}
	for _, k := range slices.Sorted(maps.Keys(seen)) {
		t.Logf("%6d %s", seen[k], k)
	}
	for _, k := range slices.Sorted(maps.Keys(differ)) {
		t.Logf("%6d %s", differ[k], k)
	}
	t.Logf("%d of %d named conversations agree with their port", agree, named)
	if named < 10000 {
		t.Errorf("%d conversations named, want 10,000", named)
	}
}

// recognised returns the name of a conversation and the guess from its port.
func recognised(c *sharedtest.Conversation) (name, port string) {
	if c.TCP {
		return Recognise(weir.TCP, c.Up, c.Down), ByPort(weir.TCP, c.Dst.Port())
	}
	var client, server []byte
	for i, b := range c.Datagrams {
		if c.FromSrc[i] && client == nil {
			client = b
		} else if !c.FromSrc[i] && server == nil {
			server = b
		}
	}
	return Recognise(weir.UDP, client, server), ByPort(weir.UDP, c.Dst.Port())
}

func FuzzRecognise(f *testing.F) {
	for _, c := range cases {
		f.Add(c.proto == weir.TCP, []byte(c.client), []byte(c.server))
	}
	f.Fuzz(func(t *testing.T, tcp bool, client, server []byte) {
		proto := weir.UDP
		if tcp {
			proto = weir.TCP
		}
		name := Recognise(proto, client, server)
		if len(client)+len(server) < 4 && name != "" {
			t.Errorf("Recognise(%v, %q, %q) = %q from less than four bytes", proto, client, server, name)
		}
	})
}

// TestAllocations: recognising costs no memory.
func TestAllocations(t *testing.T) {
	client, server := []byte("GARBAGE of no known kind\r\n"), []byte("220 hello\r\n")
	if n := testing.AllocsPerRun(100, func() { Recognise(weir.TCP, client, server); Recognise(weir.UDP, client, server) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func BenchmarkRecognise(b *testing.B) {
	client, server := []byte("GARBAGE of no known kind\r\n"), []byte("220 hello\r\n")
	b.ReportAllocs()
	for b.Loop() {
		Recognise(weir.TCP, client, server)
	}
}
