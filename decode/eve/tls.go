package eve

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/jsonline"
)

// tls keeps what a handshake says, also one within QUIC, for its flow.
func (d *Decoder) tls(b *weir.Batch) bool {
	p := d.endpoints()
	c := d.talk(b, &p)
	if c == nil { // nothing to join it by
		c = &conversation{Endpoints: p}
		defer d.emitAlone(b, c)
	}
	c.app = "tls"
	if d.event.is(fType, "quic") {
		c.app = "quic"
	}
	if t := d.handshake(); c.tls == nil {
		c.tls = t
	} else {
		merge(c.tls, t) // QUIC tells one packet a line
	}
	return true
}

// handshake returns what an event tells of a handshake.
func (d *Decoder) handshake() *weir.TLS {
	e := &d.event
	t := &weir.TLS{
		Version: tlsVersion(e.str(fTLSVersion)), SNI: strings.ToLower(e.printable(fSNI)),
		JA3: e.lower(fJA3), JA3S: e.lower(fJA3S), JA4: e.str(fJA4),
		Subject: distinguishedName(e.str(fSubject)), Issuer: distinguishedName(e.str(fIssuer)),
		NotBefore: e.moment(fNotBefore), NotAfter: e.moment(fNotAfter),
		ALPN: d.firstAsIs(fALPNServer), SHA256: d.certificateHash(),
	}
	if t.ALPN == "" {
		t.ALPN = d.firstAsIs(fALPNClient)
	}
	t.SelfSigned = t.Subject != "" && t.Subject == t.Issuer
	return t
}

// merge takes from t what into has not.
func merge(into, t *weir.TLS) {
	for _, s := range []struct{ into, from *string }{
		{&into.Version, &t.Version}, {&into.SNI, &t.SNI}, {&into.ALPN, &t.ALPN}, {&into.JA3, &t.JA3}, {&into.JA3S, &t.JA3S},
		{&into.JA4, &t.JA4}, {&into.Subject, &t.Subject}, {&into.Issuer, &t.Issuer}, {&into.SHA256, &t.SHA256},
	} {
		if *s.into == "" {
			*s.into = *s.from
		}
	}
	if into.NotAfter.IsZero() {
		into.NotBefore, into.NotAfter = t.NotBefore, t.NotAfter
	}
	into.SelfSigned = into.SelfSigned || t.SelfSigned
}

// firstAsIs returns the first text of an array.
func (d *Decoder) firstAsIs(f field) string {
	var out string
	_ = d.array.Elements(d.event.value[f], func(value []byte, kind jsonline.Kind) error { // of no array, nothing
		if out == "" && kind == jsonline.String {
			out = bounded(value)
		}
		return nil
	})
	return out
}

// certificateHash returns the SHA-256 of the server's certificate, which
// Suricata tells where it is set to. Its own fingerprint is SHA-1.
func (d *Decoder) certificateHash() string {
	text := d.event.value[fCertificate]
	if len(text) == 0 {
		_ = d.array.Elements(d.event.value[fChain], func(value []byte, _ jsonline.Kind) error { // of no array, nothing
			if len(text) == 0 {
				text = bytes.Clone(value) // valid during the call only
			}
			return nil
		})
	}
	der := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(der, text)
	if err != nil || n == 0 {
		return ""
	}
	sum := sha256.Sum256(der[:n])
	return hex.EncodeToString(sum[:])
}

// tlsVersions are Suricata's names of versions.
var tlsVersions = map[string]string{"SSLv2": "ssl2", "SSLv3": "ssl3", "TLSv1": "1.0", "UNDETERMINED": ""}

// tlsVersion returns a version as decode/tls names it.
func tlsVersion(s string) string {
	if v, ok := tlsVersions[s]; ok {
		return v
	}
	s = strings.TrimPrefix(s, "TLS ")
	return strings.Replace(s, " draft-", "-draft", 1)
}

// distinguishedName returns a name that Suricata writes as its certificate
// does, "C=US, O=Example, Inc., CN=x", in the order and with the escapes of RFC
// 2253: "CN=x,O=Example\, Inc.,C=US".
func distinguishedName(s string) string {
	var parts []string
	for part := range strings.SplitSeq(s, ", ") {
		if len(parts) > 0 && !beginsAttribute(part) {
			parts[len(parts)-1] += `\, ` + part // a comma within a value
			continue
		}
		parts = append(parts, strings.ReplaceAll(part, ",", `\,`))
	}
	slices.Reverse(parts)
	return strings.Join(parts, ",")
}

// beginsAttribute says whether s begins with the type of an attribute: letters,
// or an object identifier, and an equals sign.
func beginsAttribute(s string) bool {
	typ, _, ok := strings.Cut(s, "=")
	return ok && typ != "" && !strings.ContainsFunc(typ, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && r != '.'
	})
}
