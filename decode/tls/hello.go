package tls

import (
	"crypto/md5" // #nosec: JA3 is defined by it
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"

	"github.com/weir-nta/weir"
)

// Extension types (IANA "TLS ExtensionType Values").
const (
	extServerName          = 0
	extSupportedGroups     = 10
	extPointFormats        = 11
	extSignatureAlgorithms = 13
	extALPN                = 16
	extSupportedVersions   = 43
)

// maxName bounds SNI and ALPN: no host name is longer (RFC 1035, 2.3.4).
const maxName = 255

// A hello is what the fingerprints of a ClientHello need. Its slices of bytes
// point into the message; those of numbers are without GREASE.
type hello struct {
	legacy     uint16 // the version field
	version    uint16 // the highest version offered
	ciphers    []uint16
	extensions []uint16
	groups     []uint16
	signatures []uint16
	points     []byte
	hasName    bool
	name       []byte
	alpn       []byte // the first protocol offered
}

// fillClientHello reads the body of a ClientHello. Lists that end early are
// taken as damage, not as a shorter list: a fingerprint of half a hello
// would be that of another client.
func fillClientHello(dst *weir.TLS, body []byte, transport byte) bool {
	var room [4][64]uint16 // for the usual: one allocation instead of one per list
	h := hello{ciphers: room[0][:0], extensions: room[1][:0], groups: room[2][:0], signatures: room[3][:0]}
	if !h.parse(body) {
		return false
	}
	dst.SNI = nameText(h.name)
	if dst.JA3S == "" {
		dst.Version = versionName(h.version)
	}
	if dst.ALPN == "" {
		dst.ALPN = nameText(h.alpn)
	}
	dst.JA3 = h.ja3()
	dst.JA4 = h.ja4(transport)
	return true
}

func (h *hello) parse(body []byte) bool {
	c := cursor{b: body}
	h.legacy = c.u16()
	h.version = h.legacy
	c.take(32)  // random
	c.vector8() // session id
	if isDTLS(h.legacy) {
		c.vector8() // cookie
	}
	h.ciphers = appendUint16s(h.ciphers, c.vector16())
	c.vector8() // compression methods
	if c.bad || h.legacy>>8 != 3 && !isDTLS(h.legacy) {
		return false
	}
	if c.empty() {
		return true // SSL 3 and TLS 1.0 know hellos without extensions
	}
	e := cursor{b: c.vector16()}
	for !e.empty() {
		typ := e.u16()
		data := e.vector16()
		if e.bad {
			break
		}
		h.extension(typ, data)
	}
	return !e.bad && !c.bad
}

func (h *hello) extension(typ uint16, data []byte) {
	if isGrease(typ) {
		return
	}
	h.extensions = append(h.extensions, typ)
	c := cursor{b: data}
	switch typ {
	case extServerName:
		h.hasName = true
		list := cursor{b: c.vector16()}
		if kind := list.u8(); kind == 0 {
			h.name = list.vector16()
		}
	case extSupportedGroups:
		h.groups = appendUint16s(h.groups[:0], c.vector16())
	case extPointFormats:
		h.points = c.vector8()
	case extSignatureAlgorithms:
		h.signatures = appendUint16s(h.signatures[:0], c.vector16())
	case extALPN:
		list := cursor{b: c.vector16()}
		h.alpn = list.vector8()
	case extSupportedVersions:
		h.supportedVersions(c.vector8())
	}
}

// supportedVersions sets the highest version of the list. Drafts of 1.3 count
// as the highest if nothing is above them.
func (h *hello) supportedVersions(list []byte) {
	best := uint16(0)
	for c := (cursor{b: list}); len(c.b) >= 2; {
		v := c.u16()
		if !isGrease(v) && versionRank(v) > versionRank(best) {
			best = v
		}
	}
	if best != 0 {
		h.version = best
	}
}

// versionRank orders versions by their age: those of DTLS count down, and
// drafts of TLS 1.3 come before it but after 1.2.
func versionRank(v uint16) int {
	switch {
	case v>>8 == 0xfe:
		return 0x300 + int(0xff-v&0xff)
	case v>>8 == 3 && v < 0x0304:
		return int(v)
	case v>>8 == 3:
		return 0x1000 + int(v)
	case isDraft(v), v>>8 == 0x7e:
		return 0x400 + int(v&0xff)
	default:
		return 0
	}
}

// ja3 returns the MD5 of version, ciphers, extensions, groups and point
// formats in the order in which they came, in decimal, without GREASE
// (github.com/salesforce/ja3).
func (h *hello) ja3() string {
	var room [1024]byte
	b := strconv.AppendUint(room[:0], uint64(h.legacy), 10)
	for _, list := range [...][]uint16{h.ciphers, h.extensions, h.groups} {
		b = append(b, ',')
		b = appendDecimals(b, list)
	}
	b = append(b, ',')
	for i, p := range h.points {
		if i > 0 {
			b = append(b, '-')
		}
		b = strconv.AppendUint(b, uint64(p), 10)
	}
	return md5Hex(b)
}

// ja4 returns the JA4 fingerprint (github.com/FoxIO-LLC/ja4,
// technical_details/JA4.md; the client fingerprint is under the BSD licence).
func (h *hello) ja4(transport byte) string {
	var room [40]byte
	out := append(room[:0], transport)
	out = append(out, ja4Version(h.version)...)
	if h.hasName {
		out = append(out, 'd')
	} else {
		out = append(out, 'i')
	}
	out = appendTwoDigits(out, len(h.ciphers))
	out = appendTwoDigits(out, len(h.extensions))
	first, last := ja4ALPN(h.alpn)
	out = append(out, first, last, '_')

	slices.Sort(h.ciphers)
	var hashed [1024]byte
	out = appendHash12(out, appendHexList(hashed[:0], h.ciphers))
	out = append(out, '_')

	sorted := h.extensions
	slices.Sort(sorted)
	sorted = slices.DeleteFunc(sorted, func(e uint16) bool { return e == extServerName || e == extALPN })
	list := appendHexList(hashed[:0], sorted)
	if len(h.signatures) > 0 {
		list = append(list, '_')
		list = appendHexList(list, h.signatures)
	}
	return string(appendHash12(out, list))
}

func ja4Version(v uint16) string {
	switch v {
	case 0x0304:
		return "13"
	case 0x0303:
		return "12"
	case 0x0302:
		return "11"
	case 0x0301:
		return "10"
	case 0x0300:
		return "s3"
	case 0x0002:
		return "s2"
	case 0xfeff:
		return "d1"
	case 0xfefd:
		return "d2"
	case 0xfefc:
		return "d3"
	default:
		return "00"
	}
}

// ja4ALPN returns the first and the last character of the first protocol; if
// either is not alphanumeric, those of its hexadecimal form; 00 without any.
func ja4ALPN(p []byte) (first, last byte) {
	if len(p) == 0 {
		return '0', '0'
	}
	first, last = p[0], p[len(p)-1]
	if isAlphanumeric(first) && isAlphanumeric(last) {
		return first, last
	}
	return hexDigits[first>>4], hexDigits[last&15]
}

func isAlphanumeric(c byte) bool {
	return c-'0' < 10 || c|0x20 >= 'a' && c|0x20 <= 'z'
}

// helloRetry is the random by which a ServerHello says that it is a
// HelloRetryRequest (RFC 8446, 4.1.3).
var helloRetry = sha256.Sum256([]byte("HelloRetryRequest"))

// fillServerHello reads the body of a ServerHello; again says that the server
// asked for another ClientHello and will send another ServerHello.
func fillServerHello(dst *weir.TLS, body []byte) (again, ok bool) {
	c := cursor{b: body}
	legacy := c.u16()
	version := legacy
	random := c.take(32)
	// Drafts of TLS 1.3 before the 22nd had neither session nor compression here.
	short := isDraft(legacy) && legacy&0xff < 22
	if !short {
		c.vector8()
	}
	cipher := c.u16()
	if !short {
		c.u8()
	}
	if c.bad || legacy>>8 != 3 && !isDTLS(legacy) && legacy>>8 != 0x7e && !isDraft(legacy) {
		return false, false
	}
	again = [32]byte(random) == helloRetry

	var room [64]uint16
	extensions := room[:0]
	var alpn []byte
	e := cursor{b: c.vector16()}
	c.bad = false // SSL 3 and TLS 1.0 know hellos without extensions
	for !e.empty() {
		typ := e.u16()
		data := cursor{b: e.vector16()}
		if e.bad {
			break // cipher and version stand, whatever comes behind them
		}
		extensions = append(extensions, typ)
		switch typ {
		case extSupportedVersions:
			version = data.u16()
		case extALPN:
			list := cursor{b: data.vector16()}
			alpn = list.vector8()
		}
	}

	dst.Version = versionName(version)
	dst.Cipher = cipherName(cipher)
	if len(alpn) > 0 {
		dst.ALPN = nameText(alpn)
	}
	dst.JA3S = ja3s(legacy, cipher, extensions)
	return again, true
}

// ja3s returns the MD5 of version, cipher and extensions of a ServerHello.
func ja3s(version, cipher uint16, extensions []uint16) string {
	var room [512]byte
	b := strconv.AppendUint(room[:0], uint64(version), 10)
	b = append(b, ',')
	b = strconv.AppendUint(b, uint64(cipher), 10)
	b = append(b, ',')
	return md5Hex(appendDecimals(b, extensions))
}

// nameText makes a name that is fit to be shown: lower case, with octets that
// are not printable ASCII, and the backslash, as \DDD.
func nameText(b []byte) string {
	b = b[:min(len(b), maxName)]
	var room [64]byte
	out := room[:0]
	for _, c := range b {
		switch {
		case c >= 'A' && c <= 'Z':
			out = append(out, c|0x20)
		case c <= ' ' || c >= 0x7f || c == '\\':
			out = append(out, '\\', '0'+c/100, '0'+c/10%10, '0'+c%10)
		default:
			out = append(out, c)
		}
	}
	return string(out)
}

// appendUint16s appends a vector of numbers without GREASE. An odd byte at its
// end is no number.
func appendUint16s(dst []uint16, b []byte) []uint16 {
	for ; len(b) >= 2; b = b[2:] {
		if v := uint16(b[0])<<8 | uint16(b[1]); !isGrease(v) {
			dst = append(dst, v)
		}
	}
	return dst
}

func appendDecimals(dst []byte, list []uint16) []byte {
	for i, v := range list {
		if i > 0 {
			dst = append(dst, '-')
		}
		dst = strconv.AppendUint(dst, uint64(v), 10)
	}
	return dst
}

func appendHexList(dst []byte, list []uint16) []byte {
	for i, v := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendHex16(dst, v)
	}
	return dst
}

const hexDigits = "0123456789abcdef"

func appendHex16(dst []byte, v uint16) []byte {
	return append(dst, hexDigits[v>>12], hexDigits[v>>8&15], hexDigits[v>>4&15], hexDigits[v&15])
}

func appendTwoDigits(dst []byte, n int) []byte {
	n = min(n, 99)
	return append(dst, '0'+byte(n/10), '0'+byte(n%10))
}

// appendHash12 appends the first twelve digits of the SHA-256 of list, zeros
// for an empty one.
func appendHash12(dst, list []byte) []byte {
	if len(list) == 0 {
		return append(dst, "000000000000"...)
	}
	sum := sha256.Sum256(list)
	return hex.AppendEncode(dst, sum[:6])
}

func md5Hex(b []byte) string {
	sum := md5.Sum(b) // #nosec
	var out [2 * md5.Size]byte
	hex.Encode(out[:], sum[:])
	return string(out[:])
}
