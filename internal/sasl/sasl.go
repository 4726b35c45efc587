// Package sasl finds out who logs on in the exchanges of SASL (RFC 4422), as
// protocols of text carry them in base64. Of secrets it keeps nothing.
package sasl

import (
	"bytes"
	"encoding/base64"
	"strings"
)

// Bounds, in octets.
const (
	maxMechanism = 20      // RFC 4422, 3.1
	maxResponse  = 1 << 10 // of which a name is looked for
)

// An Exchange is one logon. Its zero value is ready for use.
type Exchange struct {
	// Mechanism is its name, in upper case; "unknown" if it is none.
	Mechanism string
	responses int
}

// Begin begins an exchange with a mechanism. What is none that is known may be
// a response that came in its place, and the password be in it.
func (e *Exchange) Begin(mechanism []byte) {
	*e = Exchange{Mechanism: "unknown"}
	if len(mechanism) > maxMechanism {
		return
	}
	if name := strings.ToUpper(string(mechanism)); name == "" || mechanisms[name] || strings.HasPrefix(name, "SCRAM-SHA") {
		e.Mechanism = name
	}
}

// mechanisms are those that IANA lists and those in use, but for SCRAM's.
var mechanisms = map[string]bool{
	"9798-M-DSA-SHA1": true, "9798-M-ECDSA-SHA1": true, "9798-M-RSA-SHA1": true, "9798-U-DSA-SHA1": true, "9798-U-ECDSA-SHA1": true,
	"9798-U-RSA-SHA1": true, "ANONYMOUS": true, "CRAM-MD5": true, "DIGEST-MD5": true, "EAP-AES128": true, "EAP-AES128-PLUS": true,
	"ECDH-X25519-CHALLENGE": true, "ECDSA-NIST256P-CHALLENGE": true, "EXTERNAL": true, "GS2-KRB5": true, "GS2-KRB5-PLUS": true,
	"GSS-SPNEGO": true, "GSSAPI": true, "KERBEROS_V4": true, "KERBEROS_V5": true, "LOGIN": true, "MSN": true, "NMAS-SAMBA-AUTH": true,
	"NMAS_AUTHEN": true, "NMAS_LOGIN": true, "NTLM": true, "OAUTH10A": true, "OAUTHBEARER": true, "OPENID20": true, "OTP": true,
	"PLAIN": true, "PLAIN-CLIENTTOKEN": true, "SAML20": true, "SECURID": true, "SKEY": true, "SPNEGO": true, "SPNEGO-PLUS": true,
	"SXOVER-PLUS": true, "XOAUTH": true, "XOAUTH2": true, "XYMCOOKIE": true,
}

// Response takes the next response of the client, in base64, and returns who
// logs on as it stands there, nil if it does not say.
func (e *Exchange) Response(b []byte) []byte {
	e.responses++
	switch {
	case e.Mechanism == "LOGIN" && e.responses > 1: // the second is the password
		return nil
	case e.Mechanism == "GSSAPI", e.Mechanism == "NTLM", e.Mechanism == "EXTERNAL":
		return nil
	}
	var room [maxResponse]byte
	b = bytes.TrimRight(b, "= ")
	n, _ := base64.RawStdEncoding.Decode(room[:], b[:min(len(b), base64.RawStdEncoding.EncodedLen(maxResponse))])
	return bytes.Clone(e.user(room[:n]))
}

func (e *Exchange) user(b []byte) []byte {
	switch {
	case e.Mechanism == "PLAIN": // RFC 4616: who it acts as, who it is, the password
		_, b, _ = bytes.Cut(b, []byte{0})
		user, _, ok := bytes.Cut(b, []byte{0})
		if !ok {
			return nil
		}
		return user
	case e.Mechanism == "LOGIN":
		return b
	case e.Mechanism == "CRAM-MD5": // RFC 2195: name, digest
		i := bytes.LastIndexByte(b, ' ')
		return b[:max(i, 0)]
	case e.Mechanism == "XOAUTH2":
		return between(b, "user=", "\x01")
	case e.Mechanism == "OAUTHBEARER": // RFC 7628
		return between(b, "a=", ",")
	case e.Mechanism == "DIGEST-MD5": // RFC 2831
		return between(b, `username="`, `"`)
	case strings.HasPrefix(e.Mechanism, "SCRAM-"): // RFC 5802: a header, n=name, r=nonce
		return between(b, ",n=", ",")
	}
	return nil
}

// between returns what stands between two texts, nil if they do not occur.
func between(b []byte, before, after string) []byte {
	_, b, ok := bytes.Cut(b, []byte(before))
	if !ok {
		return nil
	}
	text, _, ok := bytes.Cut(b, []byte(after))
	if !ok {
		return nil
	}
	return text
}
