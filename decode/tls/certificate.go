package tls

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"
	"unicode/utf16"

	"github.com/weir-nta/weir"
)

// The certificates on the wire are read by hand and not by crypto/x509, which
// refuses what it would not trust (negative serials, odd strings, curves it
// does not know) and allocates for keys and extensions that are not kept. What
// cannot be read is left out; the fingerprint never is.

// maxDN bounds a distinguished name as text, in bytes: what comes behind is cut.
const maxDN = 1024

// fillCertificate reads the first certificate of a Certificate message, which
// is that of the server (RFC 5246, 7.4.2).
func fillCertificate(dst *weir.TLS, body []byte) {
	c := cursor{b: body}
	list := cursor{b: c.take(c.u24())}
	der := list.take(list.u24())
	if len(der) == 0 {
		return
	}
	sum := sha256.Sum256(der)
	dst.SHA256 = hex.EncodeToString(sum[:])

	var cert certificateFields
	cert.read(der)
	dst.Subject = distinguishedName(cert.subject)
	dst.Issuer = distinguishedName(cert.issuer)
	dst.NotBefore, dst.NotAfter = cert.notBefore, cert.notAfter
	dst.SelfSigned = cert.selfSigned()
}

// certificateFields are what is read of a certificate (RFC 5280, 4.1). Fields
// behind damage stay empty.
type certificateFields struct {
	issuer, subject     []byte // the contents of the Name
	notBefore, notAfter time.Time
	subjectKey          []byte // subjectKeyIdentifier
	authorityKey        []byte // keyIdentifier of authorityKeyIdentifier
}

// selfSigned tells by the names, and where both are there by the key
// identifiers, which differ in a certificate that a root signs for its next
// key. The signature is not verified: it would cost more than the rest of
// decoding, on input that an attacker chooses, and who forges one gains nothing.
func (c *certificateFields) selfSigned() bool {
	if len(c.subject) == 0 || !bytes.Equal(c.subject, c.issuer) {
		return false
	}
	return c.subjectKey == nil || c.authorityKey == nil || bytes.Equal(c.subjectKey, c.authorityKey)
}

// Tags of DER (X.690, 8.1.2).
const (
	tagOctetString     = 0x04
	tagOID             = 0x06
	tagUTF8String      = 0x0c
	tagNumericString   = 0x12
	tagPrintableString = 0x13
	tagT61String       = 0x14
	tagIA5String       = 0x16
	tagUTCTime         = 0x17
	tagGeneralizedTime = 0x18
	tagVisibleString   = 0x1a
	tagUniversalString = 0x1c
	tagBMPString       = 0x1e
	tagSequence        = 0x30
	tagSet             = 0x31
)

func (c *certificateFields) read(der []byte) {
	cert, _ := element(der)
	tbs, _ := element(cert.body)
	e, rest := element(tbs.body)
	if e.tag == 0xa0 { // version
		e, rest = element(rest)
	}
	_, rest = element(rest) // e was the serial number; the algorithm
	e, rest = element(rest)
	c.issuer = e.body
	e, rest = element(rest)
	from, until := element(e.body)
	c.notBefore = from.time()
	to, _ := element(until)
	c.notAfter = to.time()
	e, rest = element(rest)
	c.subject = e.body
	_, rest = element(rest) // the key
	for len(rest) > 0 {
		e, rest = element(rest)
		if e.tag == 0xa3 {
			list, _ := element(e.body)
			c.readExtensions(list.body)
		}
	}
}

func (c *certificateFields) readExtensions(list []byte) {
	for len(list) > 0 {
		var extension der
		extension, list = element(list)
		id, rest := element(extension.body)
		value, rest := element(rest)
		if value.tag != tagOctetString { // it was "critical"
			value, _ = element(rest)
		}
		switch string(id.body) {
		case "\x55\x1d\x0e": // 2.5.29.14
			key, _ := element(value.body)
			c.subjectKey = key.body
		case "\x55\x1d\x23": // 2.5.29.35
			sequence, _ := element(value.body)
			if key, _ := element(sequence.body); key.tag == 0x80 {
				c.authorityKey = key.body
			}
		}
	}
}

// A der is one element: its tag, its contents, and all of its bytes.
type der struct {
	tag       byte
	body, raw []byte
}

// element takes one element off b. Of anything but a short tag and a definite
// length that fits, it returns nothing, and nothing as the rest, so that
// reading ends.
func element(b []byte) (e der, rest []byte) {
	if len(b) < 2 || b[0]&0x1f == 0x1f {
		return der{}, nil
	}
	n, head := int(b[1]), 2
	if n >= 0x80 {
		size := n & 0x7f
		if size == 0 || size > 3 || len(b) < 2+size {
			return der{}, nil
		}
		n = 0
		for _, c := range b[2 : 2+size] {
			n = n<<8 | int(c)
		}
		head += size
	}
	if n > len(b)-head {
		return der{}, nil
	}
	return der{b[0], b[head : head+n], b[:head+n]}, b[head+n:]
}

// time reads a UTCTime or GeneralizedTime, zero if it is neither. Times that
// RFC 5280 forbids but that exist (without seconds, with an offset) are read too.
func (e der) time() time.Time {
	s := string(e.body)
	layouts := [...]string{"20060102150405Z0700", "200601021504Z0700", "20060102150405.999Z0700"}
	switch e.tag {
	case tagUTCTime:
		if len(s) < 2 {
			return time.Time{}
		}
		century := "19"
		if s < "50" { // RFC 5280, 4.1.2.5.1
			century = "20"
		}
		s = century + s
	case tagGeneralizedTime:
	default:
		return time.Time{}
	}
	for _, layout := range layouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

// distinguishedName writes a Name as RFC 2253 and, as to the details, OpenSSL's
// XN_FLAG_RFC2253 do, which is what Zeek prints: the last part first, octets
// outside printable ASCII as \XX, types without a name by their number.
func distinguishedName(name []byte) string {
	// The parts are written last first. 32 of them are four times what a name
	// is seen to have; those behind are left out.
	var parts [32][]byte
	n := 0
	for len(name) > 0 && n < len(parts) {
		var set der
		set, name = element(name)
		if set.tag == tagSet {
			parts[n] = set.body
			n++
		}
	}
	var out []byte
	for i := n - 1; i >= 0 && len(out) < maxDN; i-- {
		if len(out) > 0 {
			out = append(out, ',')
		}
		out = appendRDN(out, parts[i])
	}
	return string(out[:min(len(out), maxDN)])
}

// appendRDN appends one part of a name, which may consist of several
// attributes: they are joined by +.
func appendRDN(out, set []byte) []byte {
	for first := true; len(set) > 0 && len(out) < maxDN; first = false {
		var attribute der
		attribute, set = element(set)
		if !first {
			out = append(out, '+')
		}
		id, rest := element(attribute.body)
		value, _ := element(rest)
		if name, ok := attributeNames[string(id.body)]; ok {
			out = append(out, name...)
			out = append(out, '=')
			out = appendValue(out, value)
			continue
		}
		out = appendOID(out, id.body)
		out = append(out, '=')
		out = appendDump(out, value)
	}
	return out
}

// attributeNames are the short names that OpenSSL has for the types of
// attributes (crypto/objects), by their contents in DER.
var attributeNames = map[string]string{
	"\x55\x04\x03": "CN", "\x55\x04\x04": "SN", "\x55\x04\x05": "serialNumber", "\x55\x04\x06": "C",
	"\x55\x04\x07": "L", "\x55\x04\x08": "ST", "\x55\x04\x09": "street", "\x55\x04\x0a": "O",
	"\x55\x04\x0b": "OU", "\x55\x04\x0c": "title", "\x55\x04\x0d": "description",
	"\x55\x04\x0f": "businessCategory", "\x55\x04\x10": "postalAddress", "\x55\x04\x11": "postalCode",
	"\x55\x04\x12": "postOfficeBox", "\x55\x04\x14": "telephoneNumber", "\x55\x04\x29": "name",
	"\x55\x04\x2a": "GN", "\x55\x04\x2b": "initials", "\x55\x04\x2c": "generationQualifier",
	"\x55\x04\x2d": "x500UniqueIdentifier", "\x55\x04\x2e": "dnQualifier", "\x55\x04\x41": "pseudonym",
	"\x55\x04\x48": "role", "\x55\x04\x61": "organizationIdentifier",
	"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01":         "emailAddress",
	"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x02":         "unstructuredName",
	"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x08":         "unstructuredAddress",
	"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01":     "UID",
	"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19":     "DC",
	"\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01\x01": "jurisdictionL",
	"\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01\x02": "jurisdictionST",
	"\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01\x03": "jurisdictionC",
}

// appendValue appends a string of any of the kinds of ASN.1; other values are
// dumped.
func appendValue(out []byte, value der) []byte {
	var text []byte
	switch value.tag {
	case tagUTF8String, tagPrintableString, tagIA5String, tagNumericString, tagVisibleString:
		text = value.body
	case tagT61String: // in practice Latin-1
		for _, c := range value.body {
			text = append(text, string(rune(c))...)
		}
	case tagBMPString:
		for b := value.body; len(b) >= 2; b = b[2:] {
			r := rune(b[0])<<8 | rune(b[1])
			if utf16.IsSurrogate(r) {
				return appendDump(out, value)
			}
			text = append(text, string(r)...)
		}
	case tagUniversalString:
		for b := value.body; len(b) >= 4; b = b[4:] {
			text = append(text, string(rune(b[0])<<24|rune(b[1])<<16|rune(b[2])<<8|rune(b[3]))...)
		}
	default:
		return appendDump(out, value)
	}
	for i, c := range text {
		if len(out) > maxDN {
			break
		}
		out = appendEscaped(out, c, i == 0, i == len(text)-1)
	}
	return out
}

// appendEscaped appends one octet of a value as RFC 2253, section 2.4, says.
func appendEscaped(out []byte, c byte, first, last bool) []byte {
	switch {
	case c < ' ' || c >= 0x7f:
		const upper = "0123456789ABCDEF"
		return append(out, '\\', upper[c>>4], upper[c&15])
	case bytes.IndexByte([]byte(`,+"\<>;`), c) >= 0, first && (c == '#' || c == ' '), last && c == ' ':
		return append(out, '\\', c)
	default:
		return append(out, c)
	}
}

// appendDump appends an element as # and its bytes in hexadecimal.
func appendDump(out []byte, e der) []byte {
	out = append(out, '#')
	for _, c := range e.raw[:min(len(e.raw), maxDN)] {
		const upper = "0123456789ABCDEF"
		out = append(out, upper[c>>4], upper[c&15])
	}
	return out
}

// appendOID appends an object identifier in dotted form (X.690, 8.19).
func appendOID(out, id []byte) []byte {
	var n uint64
	first := true
	for _, c := range id[:min(len(id), 64)] {
		n = n<<7 | uint64(c&0x7f)
		if c&0x80 != 0 {
			continue
		}
		if first {
			top := min(n/40, 2)
			out = strconv.AppendUint(out, top, 10)
			n -= top * 40
			first = false
		}
		out = append(out, '.')
		out = strconv.AppendUint(out, n, 10)
		n = 0
	}
	return out
}
