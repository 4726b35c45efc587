// Package app names the application protocol of a conversation: by what is
// said in it or, as a guess, by its port. The names are Zeek's where Zeek has
// one, without the transport in it: "ssl" is "tls" here, "krb" and "krb_tcp"
// are "kerberos", "ldap_tcp" is "ldap", "dnp3_tcp" is "dnp3".
//
// A wrong name is worse than none: a signature holds more than a byte or two,
// and what could be two things is neither.
package app

import (
	"bytes"
	"encoding/binary"

	"github.com/weir-nta/weir"
)

// Recognise names the application protocol by the first bytes that client and
// server sent, or returns "" if it cannot tell (yet). For UDP they are one
// datagram of each side, either of them nil. DNS and its relatives are left to
// package dns.
func Recognise(proto weir.Proto, client, server []byte) string {
	var list []signature
	switch proto {
	case weir.TCP:
		list = streams
	case weir.UDP:
		list = datagrams
	}
	for i := range list {
		if s := &list[i]; s.matches(client, server) {
			return s.name
		}
	}
	return ""
}

// A signature matches if one of its sides does: what the client says, or what
// the server says, alone is enough. Both, if set, is asked with both.
type signature struct {
	name           string
	client, server func([]byte) bool
	both           func(client, server []byte) bool
}

func (s *signature) matches(client, server []byte) bool {
	// Most are asked when only one side has spoken: not to call the others is
	// half of the time.
	return s.client != nil && len(client) > 0 && s.client(client) || s.server != nil && len(server) > 0 && s.server(server) ||
		s.both != nil && s.both(client, server)
}

// streams are the signatures over TCP, in the order in which they are tried.
var streams = []signature{
	// RFC 8446, 5.1 and 4: a handshake record with a hello.
	{name: "tls", client: hello(1), server: hello(2)},
	// RFC 9113, 3.4.
	{name: "http2", client: begins("PRI * HTTP/2.0\r\n")},
	{name: "rtsp", client: requestLine("RTSP/1.0", "RTSP/2.0"), server: begins("RTSP/1.0 ", "RTSP/2.0 ")}, // RFC 2326
	{name: "sip", client: requestLine("SIP/2.0"), server: begins("SIP/2.0 ")},                             // RFC 3261
	{name: "http", client: requestLine("HTTP/1.0", "HTTP/1.1"), server: begins("HTTP/1.0 ", "HTTP/1.1 ")}, // RFC 9112
	{name: "ssh", client: begins("SSH-2.0-", "SSH-1."), server: begins("SSH-2.0-", "SSH-1.")},             // RFC 4253, 4.2
	{name: "rfb", client: rfb, server: rfb},                                                               // RFC 6143, 7.1.1
	{name: "smb", client: smb, server: smb},
	{name: "dce_rpc", client: dceRPC, server: dceRPC},
	{name: "rdp", client: rdp, server: rdpServer},
	{name: "s7comm", client: s7, server: s7},
	{name: "ftp", both: ftp},
	{name: "smtp", both: smtp},
	{name: "pop3", both: pop3},
	{name: "imap", both: imap},
	{name: "irc", client: irc, both: ircGreeted},
	{name: "rsync", client: begins("@RSYNCD: "), server: begins("@RSYNCD: ")}, // rsync, clientserver.c
	{name: "git", client: git},
	{name: "xmpp", client: xmpp},
	{name: "bittorrent", client: begins("\x13BitTorrent protocol"), server: begins("\x13BitTorrent protocol")}, // BEP 3
	{name: "mqtt", client: mqtt},
	{name: "mysql", server: mysql},
	{name: "postgresql", client: postgres},
	{name: "tds", client: tds},
	{name: "redis", both: redis},
	{name: "mongodb", client: mongo, server: mongo},
	{name: "ldap", client: ldap, server: ldapServer},
	{name: "kerberos", client: kerberosTCP, server: kerberosTCP},
	{name: "kpasswd", client: kpasswdTCP, server: kpasswdTCP},
	{name: "modbus", both: modbus},
	{name: "dnp3", client: dnp3, server: dnp3},
	{name: "stratum", client: stratum},
	{name: "bgp", client: bgp, server: bgp},
	{name: "enip", client: enip},
	{name: "diameter", both: diameter},
	{name: "oracle", client: oracle},
	{name: "socks", both: socks},
	{name: "telnet", client: telnet, server: telnet},
}

// datagrams are the signatures over UDP.
var datagrams = []signature{
	{name: "quic", client: quic, server: quic},
	{name: "dtls", client: dtls, server: dtls},
	{name: "dhcp", client: dhcp, server: dhcp},
	{name: "dhcpv6", client: dhcp6, server: dhcp6},
	{name: "ssdp", client: begins("M-SEARCH * HTTP/1.1\r\n", "NOTIFY * HTTP/1.1\r\n"), server: ssdpAnswer}, // UPnP Device Architecture 1.1, 1.2 and 1.3
	{name: "ssdp", client: ssdpAnswer},
	{name: "wsd", client: wsd, server: wsd},
	{name: "netbios_dgm", client: netbiosDatagram, server: netbiosDatagram},
	{name: "sip", client: requestLine("SIP/2.0"), server: begins("SIP/2.0 ")}, // RFC 3261
	{name: "stun", client: stun, server: stun},
	{name: "wireguard", both: wireguard},
	{name: "openvpn", both: openvpn},
	{name: "dce_rpc", client: dceRPCDatagram, server: dceRPCDatagram},
	{name: "ntp", client: ntp, server: ntp}, // the mode says who it is from
	{name: "snmp", client: snmp, server: snmp},
	{name: "kerberos", client: kerberos, server: kerberos},
	{name: "kpasswd", client: kpasswd, server: kpasswd},
	{name: "ldap", client: ldap, server: ldapServer}, // RFC 1798, MS-ADTS 6.3.3
	{name: "tftp", client: tftp},
	{name: "syslog", client: syslog},
	{name: "radius", both: radius},
	{name: "ipsec", client: isakmp, server: isakmp},
	{name: "netflow", client: netflow},
	{name: "sflow", client: sflow},
	{name: "ptp", client: ptp},
	{name: "dnp3", client: dnp3Datagram, server: dnp3Datagram},
	{name: "bacnet", client: bacnet, server: bacnet},
	{name: "coap", both: coap},
	{name: "bittorrent", client: begins("d1:ad2:id20:"), server: begins("d1:rd2:id20:")}, // BEP 5
}

func begins(prefixes ...string) func([]byte) bool {
	return func(b []byte) bool {
		for _, p := range prefixes {
			if len(b) >= len(p) && string(b[:len(p)]) == p {
				return true
			}
		}
		return false
	}
}

// firstLine returns the first line of b within 8 KB, false if it is not whole.
func firstLine(b []byte) (line []byte, ok bool) {
	line, _, ok = bytes.Cut(b[:min(len(b), 8<<10)], []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r")), ok
}

// requestLine matches a method in upper case, a target and one of the versions.
func requestLine(versions ...string) func([]byte) bool {
	return func(b []byte) bool {
		if len(b) == 0 || b[0] < 'A' || b[0] > 'Z' {
			return false
		}
		line, ok := firstLine(b)
		if !ok {
			return false
		}
		line = bytes.TrimRight(line, " \t")
		method := bytes.IndexByte(line, ' ')
		last := bytes.LastIndexByte(line, ' ')
		if method < 2 || method > 24 || last <= method {
			return false
		}
		for _, c := range line[:method] {
			if (c < 'A' || c > 'Z') && c != '-' && c != '_' {
				return false
			}
		}
		for _, v := range versions {
			if string(line[last+1:]) == v {
				return true
			}
		}
		return false
	}
}

func hello(message byte) func([]byte) bool {
	return func(b []byte) bool {
		return len(b) >= 11 && b[0] == 22 && b[1] == 3 && b[2] <= 4 && b[5] == message && b[6] == 0 && b[9] == 3 && b[10] <= 4
	}
}

// rfb matches "RFB 003.008\n".
func rfb(b []byte) bool {
	return len(b) >= 12 && string(b[:6]) == "RFB 00" && b[7] == '.' && b[11] == '\n'
}

// smb matches the magic of SMB 1, 2 and 3, its encrypted and its compressed
// form behind the header of the NetBIOS session service or of direct TCP
// (MS-CIFS 2.2.3.1, MS-SMB2 2.2.1, 2.2.41 and 2.2.42, RFC 1002 4.3.1). A session
// request, its acceptance or a keep-alive may come first.
func smb(b []byte) bool {
	const message, request, accepted, keepAlive = 0, 0x81, 0x82, 0x85
	for range 3 {
		if len(b) < 8 {
			return false
		}
		size := int(binary.BigEndian.Uint32(b)) & 0xffffff
		switch b[0] {
		case request:
			return size >= 68 && size < 600 && len(b) >= 37 && netBIOSName(b[4:37])
		case accepted, keepAlive:
			if size != 0 {
				return false
			}
			b = b[4:]
		case message:
			if len(b) >= 9 && b[1] == message && string(b[6:9]) == "SMB" {
				b = b[1:] // behind the octet of a keep-alive of TCP
			}
			magic := b[4]
			return string(b[5:8]) == "SMB" && (magic == 0xff || magic == 0xfe || magic == 0xfd || magic == 0xfc)
		default:
			return false
		}
	}
	return false
}

// netBIOSName matches the first level of a name: 32 letters from A to P
// (RFC 1001, 14.1).
func netBIOSName(b []byte) bool {
	if b[0] != 32 {
		return false
	}
	for _, c := range b[1:33] {
		if c < 'A' || c > 'P' {
			return false
		}
	}
	return true
}

// dceRPC matches a message of version 5 that begins one: a bind, a call, their
// answers (C706, 12.6.3). Integers may be in either order; the lengths in it
// must agree. A server on the port of HTTP says so first (MS-RPCH 2.2.3.5).
func dceRPC(b []byte) bool {
	if begins("ncacn_http/1.0")(b) {
		return true
	}
	const first, last, auth3 = 1, 2, 16
	if len(b) < 24 || b[0] != 5 || b[1] > 1 || b[5] != 0 || b[6] != 0 || b[7] != 0 {
		return false
	}
	var order binary.ByteOrder = binary.LittleEndian
	if b[4] != 0x10 {
		if order = binary.BigEndian; b[4] != 0 {
			return false
		}
	}
	size, auth := int(order.Uint16(b[8:])), int(order.Uint16(b[10:]))
	if b[3]&first == 0 || auth+24 > size {
		return false
	}
	switch b[2] {
	case 0: // a call: length, context, operation
		return order.Uint16(b[20:]) < 256 && order.Uint16(b[22:]) < 256
	case 2, 3: // its answer: length, context, cancels
		return order.Uint16(b[20:]) < 256 && b[23] == 0
	case 11, 12, 14, 15: // negotiation, in one fragment: the sizes of fragments
		return b[3]&last != 0 && (order.Uint16(b[16:]) >= 1024 || b[2] >= 14)
	case auth3:
		return b[3]&last != 0 && auth > 0
	}
	return false
}

// dceRPCDatagram matches the header of version 4, in which the sizes agree and
// an interface is named (C706, 12.5.2).
func dceRPCDatagram(b []byte) bool {
	if len(b) < 80 || b[0] != 4 || b[1] > 10 || b[2]&0x81 != 0 || b[4]&^0x10 != 0 || b[5] > 3 || b[6] != 0 {
		return false
	}
	var order binary.ByteOrder = binary.BigEndian
	if b[4] != 0 {
		order = binary.LittleEndian
	}
	body := int(order.Uint16(b[74:]))
	return order.Uint32(b[24:]) != 0 && order.Uint16(b[68:]) < 256 && body <= len(b)-80 && (b[78] != 0 || body >= len(b)-80-3)
}

// connectionRequest returns the variable part of a connection request of X.224
// in a TPKT (RFC 1006).
func connectionRequest(b []byte) (variable []byte, ok bool) {
	if len(b) < 11 || b[0] != 3 || b[1] != 0 || b[5] != 0xe0 {
		return nil, false
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	if n < 11 || n > len(b) || int(b[4]) != n-5 {
		return nil, false
	}
	return b[11:n], true
}

// s7 matches S7 communication: TPKT, COTP data, and the protocol identifier
// 0x32 with a known message type (Wireshark, packet-s7comm.c). A connection
// request of COTP, or its confirmation, comes first.
func s7(b []byte) bool {
	const request, confirm = 0xe0, 0xd0
	if len(b) >= 11 && b[0] == 3 && b[1] == 0 && (b[5] == request || b[5] == confirm) {
		b = b[min(len(b), int(binary.BigEndian.Uint16(b[2:]))):]
	}
	return len(b) >= 10 && b[0] == 3 && b[1] == 0 && b[4] == 2 && b[5] == 0xf0 && b[7] == 0x32 &&
		(b[8] >= 1 && b[8] <= 3 || b[8] == 7)
}

// ftp, smtp and pop3 need the greeting of the server and a command of the
// client, for their greetings can look alike (RFC 959, RFC 5321, RFC 1939).
func ftp(client, server []byte) bool {
	return greets(server, "220", "120") && command(client, "USER ", "AUTH TLS", "AUTH SSL", "FEAT", "SYST") ||
		greets(server, "227") && command(client, "PASV") || greets(server, "229") && command(client, "EPSV") // from the middle
}

// AwaitsAnswer reports whether a datagram may begin a conversation that only it
// and its answer together tell.
func AwaitsAnswer(b []byte) bool {
	const clientReset = 7 << 3 // of OpenVPN
	switch {
	case len(b) >= 14 && b[0] == clientReset:
		return true
	case len(b) >= 20 && (b[0] == 1 || b[0] == 4) && int(binary.BigEndian.Uint16(b[2:])) == len(b): // RADIUS
		return true
	}
	return coapHeader(b) && b[1] > 0 && b[1] <= 7 && coapOptions(b[4+int(b[0]&0xf):])
}

// Greets reports whether one end has said what begins a conversation of mail or
// FTP and the other nothing yet: how long a greeting is, and how many commands
// somebody sends without waiting for it, says nothing against it.
func Greets(client, server []byte) bool {
	if len(client) == 0 {
		return greets(server, "220") || begins("+OK", "* OK")(server)
	}
	return len(server) == 0 && command(client, "USER ", "EHLO ", "HELO ", "PASS ", "AUTH ")
}

func smtp(client, server []byte) bool {
	return (len(server) == 0 || greets(server, "220", "554")) && command(client, "EHLO ", "HELO ", "LHLO ")
}

// pop3 takes AUTH with a mechanism only (RFC 5034, 4): Redis answers AUTH and a
// password with +OK, too.
func pop3(client, server []byte) bool {
	return begins("+OK")(server) && command(client, "USER ", "APOP ", "CAPA", "STLS", "AUTH PLAIN", "AUTH LOGIN",
		"AUTH CRAM-MD5", "AUTH DIGEST-MD5", "AUTH NTLM", "AUTH GSSAPI", "AUTH SCRAM-", "AUTH XOAUTH2", "AUTH OAUTHBEARER")
}

// imap is told by the greeting, which names a capability or the protocol, or
// by a tagged command (RFC 9051, 7.1).
func imap(client, server []byte) bool {
	if begins("* OK [CAPABILITY IMAP4", "* PREAUTH [CAPABILITY IMAP4")(server) {
		return true
	}
	line, ok := firstLine(client)
	_, verb, spaced := bytes.Cut(line, []byte(" "))
	return ok && spaced && begins("* OK", "* PREAUTH")(server) && command(append(verb[:len(verb):len(verb)], '\n'), "LOGIN ", "CAPABILITY", "AUTHENTICATE ", "STARTTLS", "ID ", "NOOP")
}

func greets(server []byte, codes ...string) bool {
	for _, c := range codes {
		if len(server) > 3 && string(server[:3]) == c && (server[3] == ' ' || server[3] == '-') {
			return true
		}
	}
	return false
}

// command reports whether the first line begins with one of the commands,
// whatever its case.
func command(b []byte, commands ...string) bool {
	line, ok := firstLine(b)
	if !ok {
		return false
	}
	for _, c := range commands {
		if len(line) >= len(c) && bytes.EqualFold(line[:len(c)], []byte(c)) {
			return true
		}
	}
	return false
}

// irc matches a registration: NICK and USER within the first lines (RFC 2812, 3.1).
func irc(b []byte) bool {
	nick, user := false, false
	lines := 0
	for line := range bytes.Lines(b[:min(len(b), 1024)]) {
		if lines++; lines > 6 {
			break
		}
		nick = nick || bytes.HasPrefix(line, []byte("NICK "))
		user = user || bytes.HasPrefix(line, []byte("USER ")) && bytes.Count(line, []byte(" ")) >= 4
	}
	return nick && user
}

// ircGreeted matches a NICK and what a server says to it: a numeric or a notice,
// behind its name (RFC 2812, 2.3.1 and 5.1).
func ircGreeted(client, server []byte) bool {
	line, ok := firstLine(server)
	_, rest, spaced := bytes.Cut(line, []byte(" "))
	if !ok || !spaced || len(line) < 10 || line[0] != ':' || !(bytes.HasPrefix(rest, []byte("NOTICE ")) || greets(rest, "001", "020", "433")) {
		return false
	}
	lines := 0
	for line := range bytes.Lines(client[:min(len(client), 1024)]) {
		if bytes.HasPrefix(line, []byte("NICK ")) {
			return true
		}
		if lines++; lines > 6 {
			break
		}
	}
	return false
}

// git matches the first packet line of git:// (gitprotocol-pack).
func git(b []byte) bool {
	return len(b) >= 15 && (string(b[4:15]) == "git-upload-" || string(b[4:15]) == "git-receive")
}

// xmpp matches the opening of a stream (RFC 6120, 4.2).
func xmpp(b []byte) bool {
	head := b[:min(len(b), 512)]
	return (bytes.HasPrefix(b, []byte("<?xml")) || bytes.HasPrefix(b, []byte("<stream:stream"))) && bytes.Contains(head, []byte("http://etherx.jabber.org/streams"))
}

// mqtt matches CONNECT with the name of the protocol (MQTT 3.1.1 and 5, 3.1).
func mqtt(b []byte) bool {
	if len(b) < 10 || b[0] != 0x10 {
		return false
	}
	i := 1
	for i < 5 && b[i]&0x80 != 0 { // the remaining length, up to four bytes
		i++
	}
	rest := b[i+1:]
	return bytes.HasPrefix(rest, []byte("\x00\x04MQTT")) || bytes.HasPrefix(rest, []byte("\x00\x06MQIsdp"))
}

// mysql matches the handshake of version 10: a packet of sequence 0 with a
// version that ends in a zero, as MySQL's internals manual has it.
func mysql(b []byte) bool {
	if len(b) < 40 || b[3] != 0 || b[4] != 10 || b[5] < '3' || b[5] > '9' && b[5] != '1' {
		return false
	}
	n := int(b[0]) | int(b[1])<<8 | int(b[2])<<16
	end := bytes.IndexByte(b[5:min(len(b), 80)], 0)
	return n < 512 && end > 3 && b[6] >= '.' && b[6] <= '9'
}

// postgres matches the requests that begin a session: version 3.0, SSL and GSS
// encryption (PostgreSQL manual, 55.7).
func postgres(b []byte) bool {
	if len(b) < 8 {
		return false
	}
	n, code := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	const sslRequest, gssRequest, version3 = 80877103, 80877104, 196608
	return n == 8 && (code == sslRequest || code == gssRequest) || code == version3 && n < 10000 && bytes.HasPrefix(b[8:], []byte("user\x00"))
}

// tds matches the PRELOGIN of SQL Server (MS-TDS 2.2.6.5): its first option is
// VERSION, six bytes long, and the options end with 0xff.
func tds(b []byte) bool {
	return len(b) >= 20 && b[0] == 0x12 && b[1] == 1 && int(binary.BigEndian.Uint16(b[2:])) <= len(b) && b[6] <= 1 &&
		b[8] == 0 && b[11] == 0 && b[12] == 6 && bytes.IndexByte(b[13:min(len(b), 50)], 0xff) >= 0
}

// redis matches a command as an array of bulk strings, or as a line, answered in
// kind (RESP).
func redis(client, server []byte) bool {
	if len(client) < 6 || len(server) < 3 || bytes.IndexByte([]byte("+-:$*%|>"), server[0]) < 0 ||
		!bytes.Contains(server[:min(len(server), 4096)], []byte("\r\n")) {
		return false
	}
	if client[0] == '*' {
		_, rest, ok := bytes.Cut(client[1:min(len(client), 8)], []byte("\r\n"))
		return client[1] >= '1' && client[1] <= '9' && ok && bytes.HasPrefix(rest, []byte("$"))
	}
	line, ok := firstLine(client)
	word, _, _ := bytes.Cut(line, []byte(" "))
	switch string(word) {
	case "PING":
		return server[0] == '+' && bytes.HasPrefix(server, []byte("+PONG\r\n")) || bytes.HasPrefix(server, []byte("-NOAUTH "))
	case "SET", "GET", "INFO", "CONFIG", "CLIENT", "SELECT", "KEYS", "HELLO", "FLUSHALL", "EVAL", "MODULE", "SLAVEOF", "REPLICAOF":
		return ok
	}
	return false
}

// mongo matches a header of the wire protocol with OP_QUERY, OP_REPLY or
// OP_MSG (MongoDB manual, wire protocol).
func mongo(b []byte) bool {
	if len(b) < 26 {
		return false
	}
	n, code := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[12:])
	const reply, query, msg = 1, 2004, 2013
	switch code {
	case msg:
		return n >= 26 && n < 48<<20 && binary.LittleEndian.Uint32(b[16:])&^0x10003 == 0 && b[20] <= 1
	case query:
		return n < 48<<20 && bytes.Contains(b[20:min(len(b), 148)], []byte(".$cmd\x00"))
	case reply:
		return false // would be known by the query
	}
	return false
}

// modbus matches a request and the response with its transaction, unit and
// function (Modbus Messaging on TCP/IP 1.0b, 3.1.3).
func modbus(client, server []byte) bool {
	for _, b := range [][]byte{client, server} {
		if len(b) < 9 || b[2] != 0 || b[3] != 0 || b[4] != 0 || b[5] < 3 || b[7] == 0 || int(b[5])+6 > len(b) {
			return false
		}
	}
	return client[7] < 0x80 && client[0] == server[0] && client[1] == server[1] && client[6] == server[6] && client[7] == server[7]&0x7f
}

// dnp3 matches the start of a link frame with a length and a control that
// exist (IEEE 1815).
func dnp3(b []byte) bool {
	return len(b) >= 10 && b[0] == 0x05 && b[1] == 0x64 && b[2] >= 5 && b[3]&0x0f <= 15 && dnp3Function(b[3])
}

// dnp3Datagram matches a frame that is all of a datagram: data in blocks of 16
// octets, with two of check behind each.
func dnp3Datagram(b []byte) bool {
	if !dnp3(b) {
		return false
	}
	data := int(b[2]) - 5
	return len(b) == 10+data+(data+15)/16*2
}

func dnp3Function(control byte) bool {
	f := control & 0x0f
	if control&0x40 != 0 { // from the primary station
		return f == 0 || f == 2 || f == 3 || f == 4 || f == 9
	}
	return f == 0 || f == 1 || f == 11 || f == 14 || f == 15
}

// stratum matches how miners begin: JSON with one of the methods (Stratum
// mining protocol; the login of Monero's dialect).
func stratum(b []byte) bool {
	if len(b) == 0 || b[0] != '{' {
		return false
	}
	line := b[:min(len(b), 1024)]
	return bytes.Contains(line, []byte(`"mining.subscribe"`)) || bytes.Contains(line, []byte(`"mining.authorize"`)) ||
		bytes.Contains(line, []byte(`"eth_submitLogin"`)) || bytes.Contains(line, []byte(`"login"`)) && bytes.Contains(line, []byte(`"agent"`)) && bytes.Contains(line, []byte(`"pass"`))
}

// socks matches the greetings of version 5 (RFC 1928, 3) and the request and
// answer of version 4.
func socks(client, server []byte) bool {
	switch {
	case len(client) >= 3 && client[0] == 5 && client[1] > 0 && client[1] < 10 && len(client) >= 2+int(client[1]):
		for _, method := range client[2 : 2+client[1]] {
			if method > 9 && method < 0x80 { // not assigned
				return false
			}
		}
		methods := client[2 : 2+client[1]]
		refused := len(server) == 2 && server[1] == 0xff && len(client) == 2+len(methods)
		return len(server) >= 2 && server[0] == 5 && (refused || bytes.IndexByte(methods, server[1]) >= 0)
	case len(client) >= 9 && client[0] == 4 && (client[1] == 1 || client[1] == 2):
		return bytes.IndexByte(client[8:], 0) >= 0 && len(server) >= 8 && server[0] == 0 && server[1] >= 90 && server[1] <= 93
	}
	return false
}

// telnet matches option negotiation: two commands of three bytes in a row
// (RFC 854, RFC 855).
func telnet(b []byte) bool {
	return len(b) >= 6 && negotiates(b) && negotiates(b[3:])
}

func negotiates(b []byte) bool {
	const iac, will, dont = 255, 251, 254
	return b[0] == iac && b[1] >= will && b[1] <= dont && b[2] <= 49
}

// dhcp matches BOOTP with the magic cookie of DHCP (RFC 2131, 3).
func dhcp(b []byte) bool {
	return len(b) >= 240 && (b[0] == 1 || b[0] == 2) && b[2] <= 16 && string(b[236:240]) == "\x63\x82\x53\x63"
}

// stun matches the magic cookie and a length that is that of the datagram
// (RFC 8489, 5).
func stun(b []byte) bool {
	return len(b) >= 20 && b[0]&0xc0 == 0 && b[3]&3 == 0 && string(b[4:8]) == "\x21\x12\xa4\x42" &&
		int(binary.BigEndian.Uint16(b[2:])) == len(b)-20
}

// wireguard matches the initiation with its 148 bytes, answered by 92 or by a
// cookie of 64 (WireGuard, 5.4).
func wireguard(client, server []byte) bool {
	if len(client) != 148 || string(client[:4]) != "\x01\x00\x00\x00" {
		return false
	}
	response, cookie := string(prefix(server, 4)) == "\x02\x00\x00\x00", string(prefix(server, 4)) == "\x03\x00\x00\x00"
	return len(server) == 0 || len(server) == 92 && response || len(server) == 64 && cookie
}

func prefix(b []byte, n int) []byte { return b[:min(len(b), n)] }

// openvpn matches a hard reset of the client and that of the server, which
// answers with the session of the client (OpenVPN, ssl_pkt.h).
func openvpn(client, server []byte) bool {
	const clientReset, serverReset = 7 << 3, 8 << 3
	return len(client) >= 14 && client[0] == clientReset && len(server) >= 26 && server[0] == serverReset &&
		bytes.Contains(server[9:], client[1:9])
}

// bgp matches an OPEN behind a marker of ones (RFC 4271, 4.1 and 4.2).
func bgp(b []byte) bool {
	return len(b) >= 29 && binary.BigEndian.Uint64(b) == 1<<64-1 && binary.BigEndian.Uint64(b[8:]) == 1<<64-1 &&
		b[16] == 0 && b[17] >= 29 && b[18] == 1 && b[19] == 4
}

// enip matches RegisterSession, ListServices, ListIdentity or ListInterfaces of
// EtherNet/IP with no session, status nor options (CIP volume 2, 2-3).
func enip(b []byte) bool {
	if len(b) < 24 || int(binary.LittleEndian.Uint16(b[2:]))+24 != len(b) || binary.LittleEndian.Uint64(b[4:]) != 0 || binary.LittleEndian.Uint32(b[20:]) != 0 {
		return false
	}
	switch binary.LittleEndian.Uint16(b) {
	case 0x65: // version 1, no options
		return len(b) == 28 && string(b[24:]) == "\x01\x00\x00\x00"
	case 0x04, 0x63, 0x64:
		return len(b) == 24
	}
	return false
}

// diameter matches a request for capabilities and its answer (RFC 6733, 3 and 5.3).
func diameter(client, server []byte) bool {
	for _, b := range [][]byte{client, server} {
		if len(b) < 20 || b[0] != 1 || int(binary.BigEndian.Uint32(b)&0xffffff) > len(b) || binary.BigEndian.Uint32(b[4:])&0xffffff != 257 {
			return false
		}
	}
	return client[4]&0x80 != 0 && server[4]&0x80 == 0 && string(client[12:20]) == string(server[12:20])
}

// oracle matches the CONNECT of Oracle's TNS: its type, versions that go
// together, and a description in parentheses (as Wireshark's dissector has it).
func oracle(b []byte) bool {
	return len(b) >= 60 && int(binary.BigEndian.Uint16(b)) <= len(b) && b[2] == 0 && b[3] == 0 && b[4] == 1 &&
		binary.BigEndian.Uint16(b[8:]) >= binary.BigEndian.Uint16(b[10:]) && b[10] >= 1 && bytes.Contains(b[26:min(len(b), 400)], []byte("(DESCRIPTION="))
}

// netflow matches an export of NetFlow 5, 9 or IPFIX whose counts or lengths
// agree with the datagram.
func netflow(b []byte) bool {
	if len(b) < 24 {
		return false
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	switch binary.BigEndian.Uint16(b) {
	case 5:
		return n > 0 && len(b) == 24+48*n
	case 9: // then a template, or data, whose set is within
		id, size := binary.BigEndian.Uint16(b[20:]), int(binary.BigEndian.Uint16(b[22:]))
		return n > 0 && n < 512 && (id < 2 || id > 255) && size >= 4 && 20+size <= len(b)
	case 10:
		id, size := binary.BigEndian.Uint16(b[16:]), int(binary.BigEndian.Uint16(b[18:]))
		return n == len(b) && (id == 2 || id == 3 || id > 255) && size >= 4 && 16+size <= len(b)
	}
	return false
}

// sflow matches a datagram of version 5 from an agent with an address, with
// samples of kinds that there are (sFlow 5, 5).
func sflow(b []byte) bool {
	if len(b) < 36 || binary.BigEndian.Uint32(b) != 5 {
		return false
	}
	at := 8 + 4
	switch binary.BigEndian.Uint32(b[4:]) {
	case 1:
	case 2:
		at += 12
	default:
		return false
	}
	if len(b) < at+20 {
		return false
	}
	samples, kind, size := binary.BigEndian.Uint32(b[at+12:]), binary.BigEndian.Uint32(b[at+16:]), 0
	if len(b) >= at+24 {
		size = int(binary.BigEndian.Uint32(b[at+20:]))
	}
	return samples > 0 && samples < 100 && kind >= 1 && kind <= 5 && at+24+size <= len(b)
}

// ptp matches a message of version 2 to the ports of the Precision Time
// Protocol by its length and its kind (IEEE 1588, 13.3).
func ptp(b []byte) bool {
	return len(b) >= 44 && b[1]&0xf == 2 && int(binary.BigEndian.Uint16(b[2:])) == len(b) && b[5] == 0 && (b[0]&0xf <= 3 || b[0]&0xf >= 8) && b[32] <= 5
}

// bacnet matches a virtual link header whose length is that of the datagram, and
// version 1 of the network layer behind it (ASHRAE 135, annex J.2 and 6.2).
func bacnet(b []byte) bool {
	if len(b) < 8 || b[0] != 0x81 || int(binary.BigEndian.Uint16(b[2:])) != len(b) {
		return false
	}
	const forwarded, distribute, unicast, broadcast = 4, 9, 10, 11
	switch b[1] {
	case forwarded:
		return len(b) > 12 && b[10] == 1 && b[11]&0x50 == 0
	case distribute, unicast, broadcast:
		return b[4] == 1 && b[5]&0x50 == 0
	}
	return false
}

// coap matches a request with a path or host that prints, answered with its
// token or its message number (RFC 7252, 3).
func coap(client, server []byte) bool {
	if !coapHeader(client) || !coapHeader(server) || client[1]>>5 != 0 || client[1] == 0 || client[1] > 7 {
		return false
	}
	class, n := server[1]>>5, int(client[0]&0xf)
	if class == 1 || class == 0 && server[1] != 0 || class > 5 {
		return false
	}
	sameNumber := client[2] == server[2] && client[3] == server[3]
	sameToken := n > 0 && server[0]&0xf == client[0]&0xf && bytes.Equal(client[4:4+n], server[4:4+n])
	return (sameNumber || sameToken) && coapOptions(client[4+n:])
}

func coapHeader(b []byte) bool {
	return len(b) >= 4 && b[0]>>6 == 1 && b[0]&0xf <= 8 && len(b) >= 4+int(b[0]&0xf)
}

// coapOptions reports whether b begins with the option of a host, port or path.
func coapOptions(b []byte) bool {
	if len(b) < 2 {
		return false
	}
	delta, n := b[0]>>4, int(b[0]&0xf)
	if delta != 3 && delta != 7 && delta != 11 && delta != 6 || n > 12 || len(b) < 1+n {
		return false
	}
	return delta == 7 || delta == 6 || !bytes.ContainsFunc(b[1:1+n], func(r rune) bool { return r < ' ' || r > '~' })
}

// tftp matches a request: name, mode (RFC 1350, 5).
func tftp(b []byte) bool {
	if len(b) < 10 || b[0] != 0 || b[1] != 1 && b[1] != 2 {
		return false
	}
	name, rest, ok := bytes.Cut(b[2:], []byte{0})
	mode, _, ended := bytes.Cut(rest, []byte{0})
	return ok && ended && len(name) > 0 && (bytes.EqualFold(mode, []byte("octet")) || bytes.EqualFold(mode, []byte("netascii")))
}

// syslog matches a priority up to 191 and either version 1 or a date (RFC
// 5424, 6; RFC 3164, 4.1.2).
func syslog(b []byte) bool {
	if len(b) < 12 || b[0] != '<' {
		return false
	}
	n, i := 0, 1
	for ; i < 4 && b[i]-'0' < 10; i++ {
		n = n*10 + int(b[i]-'0')
	}
	if i == 1 || b[i] != '>' || n > 191 {
		return false
	}
	rest := b[i+1:]
	const months = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec "
	return bytes.HasPrefix(rest, []byte("1 ")) || len(rest) > 4 && rest[3] == ' ' && bytes.Contains([]byte(months), rest[:4])
}

// radius matches a request and its answer with the same identifier (RFC 2865, 3).
func radius(client, server []byte) bool {
	for _, b := range [][]byte{client, server} {
		if len(b) < 20 || int(binary.BigEndian.Uint16(b[2:])) != len(b) {
			return false
		}
	}
	const request, accept, reject, accounting, accounted, challenge = 1, 2, 3, 4, 5, 11
	if client[1] != server[1] {
		return false
	}
	return client[0] == request && (server[0] == accept || server[0] == reject || server[0] == challenge) ||
		client[0] == accounting && server[0] == accounted
}

// isakmp matches the first message of IKE, version 1 or 2: no responder yet
// or both, and the length is that of the datagram, which on port 4500 has four
// zeros before it (RFC 2408, 3.1; RFC 7296, 3.1; RFC 3948, 2.2).
func isakmp(b []byte) bool {
	if len(b) > 4 && string(b[:4]) == "\x00\x00\x00\x00" {
		b = b[4:]
	}
	if len(b) < 28 || int(binary.BigEndian.Uint32(b[24:])) != len(b) || binary.BigEndian.Uint64(b) == 0 {
		return false
	}
	version, exchange := b[17], b[18]
	return version == 0x10 && exchange >= 1 && exchange <= 34 && exchange != 3 || version == 0x20 && exchange >= 34 && exchange <= 37
}

// ByPort names what usually runs on a port, "" if nothing does. The list is
// short on purpose: ports of servers that IANA assigns below 1024 and that are
// used for little else, and above that those of databases, remote control and
// industry whose number is a convention everybody keeps.
func ByPort(proto weir.Proto, port uint16) string {
	switch proto {
	case weir.TCP:
		return tcpPorts[port]
	case weir.UDP:
		return udpPorts[port]
	}
	return ""
}

var tcpPorts = map[uint16]string{
	20: "ftp-data", 21: "ftp", 22: "ssh", 23: "telnet", 25: "smtp", 53: "dns", 80: "http", 88: "kerberos", 102: "s7comm",
	110: "pop3", 139: "smb", 143: "imap", 179: "bgp", 389: "ldap", 443: "tls", 445: "smb", 465: "tls", 502: "modbus", 554: "rtsp",
	587: "smtp", 636: "tls", 853: "tls", 873: "rsync", 993: "tls", 995: "tls", 1080: "socks", 1433: "tds", 1883: "mqtt",
	3306: "mysql", 3389: "rdp", 5060: "sip", 5222: "xmpp", 5432: "postgresql", 5900: "rfb", 6379: "redis", 6667: "irc",
	8080: "http", 8883: "tls", 20000: "dnp3", 27017: "mongodb",
}

var udpPorts = map[uint16]string{
	53: "dns", 67: "dhcp", 68: "dhcp", 69: "tftp", 88: "kerberos", 123: "ntp", 137: "nbns", 161: "snmp", 162: "snmp", 443: "quic",
	500: "ipsec", 514: "syslog", 1194: "openvpn", 1812: "radius", 1813: "radius", 1900: "ssdp", 3478: "stun", 4500: "ipsec",
	5060: "sip", 5353: "mdns", 5355: "llmnr", 5683: "coap", 51820: "wireguard",
}
