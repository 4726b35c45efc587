package tunnel

import (
	"strings"

	"github.com/weir-nta/weir"
)

// IsTor reports whether a handshake has the shape that Tor gives to the first
// layer of its connections (tor-spec, channels: certificates): the client asks
// for www.<random>.com, the server shows a certificate of www.<random>.net that
// www.<random>.com has signed, the random parts being base32 of 8 to 20
// characters and all different, and nothing else in the names. In TLS 1.3 the
// certificate is not seen, so that nothing is told.
func IsTor(t *weir.TLS) bool {
	if t == nil || t.Subject == "" || t.SelfSigned {
		return false
	}
	subject, ok := torName(strings.TrimPrefix(t.Subject, "CN="), ".net")
	if !ok {
		return false
	}
	issuer, ok := torName(strings.TrimPrefix(t.Issuer, "CN="), ".com")
	if !ok || issuer == subject {
		return false
	}
	if t.SNI == "" {
		return true
	}
	asked, ok := torName(t.SNI, ".com")
	return ok && asked != subject && asked != issuer
}

// torName returns the random part of a name.
func torName(name, top string) (random string, ok bool) {
	random, ok = strings.CutPrefix(name, "www.")
	if !ok {
		return "", false
	}
	if random, ok = strings.CutSuffix(random, top); !ok || len(random) < 8 || len(random) > 20 {
		return "", false
	}
	for _, c := range []byte(random) {
		if (c < 'a' || c > 'z') && (c < '2' || c > '7') {
			return "", false
		}
	}
	return random, true
}
