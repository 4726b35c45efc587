// Package ntlmtest makes the tokens of NTLM and SPNEGO, for tests of what
// carries them. Challenges and responses in them are of zeros and ones.
package ntlmtest

import (
	"encoding/binary"
	"strings"
	"unicode/utf16"
)

// Negotiate returns a NEGOTIATE_MESSAGE (MS-NLMP 2.2.1.1).
func Negotiate() string { return message(1) + le32(0xe2088297) + zeros(16) + version }

// version is that of Windows 10, build 19041.
const version = "\x0a\x00\x61\x4a\x00\x00\x00\x0f"

// Challenge returns a CHALLENGE_MESSAGE of a server by its NetBIOS name and
// domain, and the DNS name of that (2.2.1.2).
func Challenge(server, domain, dns string) string {
	info := pair(2, domain) + pair(1, server) + pair(4, dns) + pair(3, strings.ToLower(server)+"."+dns) + pair(5, dns) + pair(0, "")
	const header = 56
	name := UTF16(domain)
	return message(2) + field(name, header) + le32(0xe2898215) + zeros(8) + zeros(8) + field(info, header+len(name)) + version + name + info
}

// Authenticate returns an AUTHENTICATE_MESSAGE (2.2.1.3). Of an anonymous user
// there is no response.
func Authenticate(user, domain, host string) string {
	response := strings.Repeat("\x01", 24)
	flags := uint32(0xe2888215)
	if user == "" {
		response, flags = "", flags|1<<11
	}
	at := 72
	payload := ""
	add := func(s string) string {
		f := field(s, at)
		at, payload = at+len(s), payload+s
		return f
	}
	d, u, h := add(UTF16(domain)), add(UTF16(user)), add(UTF16(host))
	lm, nt, key := add(""), add(response), add("")
	return message(3) + lm + nt + d + u + h + key + le32(flags) + version + payload
}

// Init wraps the first token of a client by SPNEGO and GSS-API (RFC 4178, 4.2.1).
func Init(token string) string {
	list := element(0xa0, element(0x30, element(6, "\x2b\x06\x01\x04\x01\x82\x37\x02\x02\x0a")))
	return element(0x60, element(6, "\x2b\x06\x01\x05\x05\x02")+element(0xa0, element(0x30, list+element(0xa2, element(4, token)))))
}

// Response wraps a further token; state is that of the negotiation, -1 for none.
func Response(state int, token string) string {
	fields := ""
	if state >= 0 {
		fields = element(0xa0, element(0x0a, string(rune(state))))
	}
	if token != "" {
		fields += element(0xa2, element(4, token))
	}
	return element(0xa1, element(0x30, fields))
}

// UTF16 returns s in UTF-16, little-endian.
func UTF16(s string) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return string(b)
}

func message(kind uint32) string { return "NTLMSSP\x00" + le32(kind) }

func field(s string, at int) string {
	return le16(len(s)) + le16(len(s)) + le32(uint32(at))
}

func pair(id int, value string) string {
	value = UTF16(value)
	return le16(id) + le16(len(value)) + value
}

func element(tag byte, contents string) string {
	n := len(contents)
	if n < 128 {
		return string([]byte{tag, byte(n)}) + contents
	}
	return string([]byte{tag, 0x82, byte(n >> 8), byte(n)}) + contents
}

func zeros(n int) string   { return strings.Repeat("\x00", n) }
func le16(n int) string    { return string(binary.LittleEndian.AppendUint16(nil, uint16(n))) }
func le32(n uint32) string { return string(binary.LittleEndian.AppendUint32(nil, n)) }
