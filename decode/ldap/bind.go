package ldap

import (
	"bytes"
	"strings"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/internal/ber"
)

// How a bind authenticates (RFC 4511, 4.2; MS-ADTS 5.1.1.1.3 for Sicily).
const (
	authSimple          ber.Tag = 0x80
	authSASL            ber.Tag = 0xa3
	authSicilyDiscovery ber.Tag = 0x89
	authSicilyNegotiate ber.Tag = 0x8a
	authSicilyResponse  ber.Tag = 0x8b
	serverCredentials   ber.Tag = 0x87
)

// bind reads a request to log on. Its password is looked at for being empty only.
func (r *Reader) bind(d *dialog.Dialog, c *weir.Command, l ber.List) {
	l.Take(ber.Integer)
	who, _ := l.Take(ber.OctetString)
	c.User = name(who)
	auth, _ := l.Next()
	switch auth.Tag {
	case authSimple:
		switch {
		case len(auth.Body) > 0:
			c.Object = "simple"
		case c.User == "":
			c.Object = "anonymous"
		default:
			c.Object = "unauthenticated"
		}
	case authSASL:
		fields := ber.List(auth.Body)
		mechanism, _ := fields.Take(ber.OctetString)
		c.Object = "sasl " + text(mechanism, maxWord)
		credentials, _ := fields.Take(ber.OctetString)
		r.credentials(d, c, string(mechanism), credentials)
	case authSicilyDiscovery, authSicilyNegotiate, authSicilyResponse:
		c.Object = "sicily"
		r.token(d, auth.Body)
		c.User = r.logon.User()
	}
}

// credentials reads the name of who logs on from where the mechanism has it.
func (r *Reader) credentials(d *dialog.Dialog, c *weir.Command, mechanism string, b []byte) {
	switch {
	case strings.HasPrefix(mechanism, "GSS") || mechanism == "NTLM":
		r.token(d, b)
		if user := r.logon.User(); user != "" {
			c.User = user
		}
	case mechanism == "PLAIN": // RFC 4616: on behalf of whom, who, password
		if parts := bytes.SplitN(b, []byte{0}, 3); len(parts) == 3 {
			c.User = name(parts[1])
		}
	case strings.HasPrefix(mechanism, "SCRAM-"): // RFC 5802, 7: n,,n=user,r=…
		for part := range bytes.SplitSeq(b[:min(len(b), 1024)], []byte(",")) {
			if user, ok := bytes.CutPrefix(part, []byte("n=")); ok {
				c.User = name(user)
				return
			}
		}
	case mechanism == "DIGEST-MD5": // RFC 2831, 2.1.2
		if _, rest, ok := bytes.Cut(b, []byte(`username="`)); ok {
			user, _, _ := bytes.Cut(rest, []byte(`"`))
			c.User = name(user)
		}
	}
}

// bound ends a bind, or a step of one.
func (r *Reader) bound(d *dialog.Dialog, c *weir.Command, res *result) {
	sasl := strings.HasPrefix(c.Object, "sasl ")
	if strings.HasPrefix(c.Object, "sicily") {
		r.token(d, res.matched) // the challenge stands where other answers have a name
	} else if len(res.credentials) > 0 {
		r.token(d, res.credentials)
	}
	if res.code == saslBindInProgress || c.Object == "sicily" && !r.logon.Pending() && r.ticket == nil {
		return // another step follows
	}
	r.endLogon(d, res.success, res.status)
	if res.success != "true" {
		r.user = ""
		return
	}
	r.user = c.User
	if sasl || c.Object == "sicily" {
		r.layered = true
	}
}
