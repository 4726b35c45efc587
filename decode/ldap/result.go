package ldap

import (
	"bytes"
	"strconv"

	"github.com/weir-nta/weir/internal/ber"
)

// A result is what an answer says (RFC 4511, 4.1.9).
type result struct {
	code            int64
	status, success string
	matched         ber.List
	credentials     ber.List // of the server
	oid             string   // of an extended operation
}

const (
	compareFalse       = 5
	compareTrue        = 6
	referral           = 10
	saslBindInProgress = 14
	invalidCredentials = 49
)

func resultOf(l ber.List) (r result) {
	code, ok := l.TakeInt(ber.Enumerated)
	if !ok {
		return r
	}
	r.code, r.status = code, resultName(code)
	switch code {
	case 0, compareFalse, compareTrue:
		r.success = "true"
	case referral, saslBindInProgress: // to be gone on with
	default:
		r.success = "false"
	}
	r.matched, _ = l.Take(ber.OctetString)
	diagnosis, _ := l.Take(ber.OctetString)
	if code == invalidCredentials {
		if why := reason(diagnosis); why != "" {
			r.status += " " + why
		}
	}
	for range 4 { // referrals, credentials, name, value
		e, ok := l.Next()
		if !ok {
			break
		}
		switch e.Tag {
		case serverCredentials:
			r.credentials = e.Body
		case 0x8a:
			r.oid = extension(e.Body)
		}
	}
	return r
}

// reason returns Active Directory's code for a logon that failed, from a text
// such as "80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext
// error, data 52e, v1db1": 525 no such user, 52e wrong password, 530 to 533
// times, machines and accounts that may not, 701 and 773 expired, 775 locked.
func reason(diagnosis []byte) string {
	_, rest, ok := bytes.Cut(diagnosis, []byte(", data "))
	if !ok {
		return ""
	}
	code, _, ok := bytes.Cut(rest, []byte(","))
	if !ok || len(code) == 0 || len(code) > 4 || len(bytes.Trim(code, "0123456789abcdef")) > 0 {
		return ""
	}
	return string(code)
}

var resultNames = map[int64]string{
	0: "success", 1: "operationsError", 2: "protocolError", 3: "timeLimitExceeded", 4: "sizeLimitExceeded", 5: "compareFalse",
	6: "compareTrue", 7: "authMethodNotSupported", 8: "strongerAuthRequired", 10: "referral", 11: "adminLimitExceeded",
	12: "unavailableCriticalExtension", 13: "confidentialityRequired", 14: "saslBindInProgress", 16: "noSuchAttribute",
	17: "undefinedAttributeType", 18: "inappropriateMatching", 19: "constraintViolation", 20: "attributeOrValueExists",
	21: "invalidAttributeSyntax", 32: "noSuchObject", 33: "aliasProblem", 34: "invalidDNSyntax", 36: "aliasDereferencingProblem",
	48: "inappropriateAuthentication", 49: "invalidCredentials", 50: "insufficientAccessRights", 51: "busy", 52: "unavailable",
	53: "unwillingToPerform", 54: "loopDetect", 64: "namingViolation", 65: "objectClassViolation", 66: "notAllowedOnNonLeaf",
	67: "notAllowedOnRDN", 68: "entryAlreadyExists", 69: "objectClassModsProhibited", 71: "affectsMultipleDSAs", 80: "other",
	118: "canceled", 119: "noSuchOperation", 120: "tooLate", 121: "cannotCancel",
}

func resultName(code int64) string {
	if s, ok := resultNames[code]; ok {
		return s
	}
	return strconv.FormatInt(code, 10)
}
