package ntlm

import "bytes"

// A Mechanism is what a token authenticates with.
type Mechanism uint8

// The mechanisms.
const (
	None     Mechanism = iota // not told in this token
	NTLM                      // MS-NLMP
	Kerberos                  // RFC 4121
	Other                     // NEGOEX, TLS, SCRAM …
)

// String returns the name of m in lower case, "" for None.
func (m Mechanism) String() string {
	return [...]string{"", "ntlm", "kerberos", "other"}[min(m, Other)]
}

// A State is how a negotiation stands (RFC 4178, 4.2.2).
type State uint8

// The states.
const (
	NoState State = iota // not told
	Completed
	Incomplete
	Rejected
	RequestMIC
)

// A Token is what [Unwrap] finds.
type Token struct {
	Mechanism Mechanism
	// State is that of the answer to a negotiation.
	State State
	// Body is the message of NTLMSSP from its signature on, or that of Kerberos
	// from behind its two octets of token identifier; nil if there is none. It
	// is part of what Unwrap was given.
	Body []byte
}

const (
	signature = "NTLMSSP\x00"

	oidSPNEGO     = "\x2b\x06\x01\x05\x05\x02"                 // 1.3.6.1.5.5.2
	oidNTLM       = "\x2b\x06\x01\x04\x01\x82\x37\x02\x02\x0a" // 1.3.6.1.4.1.311.2.2.10
	oidKerberos   = "\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"     // 1.2.840.113554.1.2.2
	oidKerberosMS = "\x2a\x86\x48\x82\xf7\x12\x01\x02\x02"     // 1.2.840.48018.1.2.2, a slip of Windows 2000
	oidUser2User  = "\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x03" // 1.2.840.113554.1.2.2.3
)

// Tags of GSS-API and SPNEGO.
const (
	tagSequence    = 0x30
	tagOID         = 0x06
	tagEnumerated  = 0x0a
	tagOctets      = 0x04
	tagApplication = 0x60 // of GSS-API: a mechanism, then its token
	tagInit        = 0xa0 // NegTokenInit within GSS-API
	tagResponse    = 0xa1 // NegTokenResp, bare
)

// Unwrap finds the token of NTLM or Kerberos in b, which is one, or one of
// SPNEGO. Of a token that is cut short it returns what there is.
func Unwrap(b []byte) Token {
	if bytes.HasPrefix(b, []byte(signature)) {
		return Token{Mechanism: NTLM, Body: b}
	}
	tag, body, _ := element(b)
	switch tag {
	case tagApplication:
		return initial(body)
	case tagInit: // without the framing of GSS-API, as some servers and clients do
		return negotiation(body)
	case tagResponse:
		return negotiation(body)
	}
	return Token{}
}

// initial reads the first token of GSS-API (RFC 2743, 3.1).
func initial(b []byte) Token {
	tag, oid, rest := element(b)
	if tag != tagOID {
		return Token{}
	}
	if string(oid) == oidSPNEGO {
		_, body, _ := element(rest)
		return negotiation(body)
	}
	t := Token{Mechanism: mechanism(oid), Body: rest}
	if t.Mechanism == Kerberos {
		t.Body = rest[min(len(rest), 2):]
	}
	return t
}

// negotiation reads NegTokenInit or NegTokenResp. Their fields are told apart
// by what is in them: of the first [0] is the list of mechanisms and [1] are
// flags, of the second a state and the mechanism chosen.
func negotiation(b []byte) Token {
	var t Token
	_, fields, _ := element(b)
	for range 8 { // there are five
		tag, field, rest := element(fields)
		if tag == 0 {
			break
		}
		inner, value, _ := element(field)
		switch {
		case tag == 0xa0 && inner == tagEnumerated && len(value) == 1:
			t.State = State(min(value[0], 4) + 1)
		case tag == 0xa0 && inner == tagSequence:
			_, oid, _ := element(value) // the token is for the first of them
			t.Mechanism = mechanism(oid)
		case tag == 0xa1 && inner == tagOID:
			t.Mechanism = mechanism(value)
		case tag == 0xa2 && inner == tagOctets:
			t.token(value)
		}
		fields = rest
	}
	if t.State > RequestMIC {
		t.State = NoState
	}
	return t
}

// token takes the token within a negotiation.
func (t *Token) token(b []byte) {
	if bytes.HasPrefix(b, []byte(signature)) {
		t.Mechanism, t.Body = NTLM, b
		return
	}
	if tag, body, _ := element(b); tag == tagApplication {
		if in := initial(body); in.Mechanism != None {
			t.Mechanism, t.Body = in.Mechanism, in.Body
		}
	}
}

func mechanism(oid []byte) Mechanism {
	switch string(oid) {
	case "":
		return None
	case oidNTLM:
		return NTLM
	case oidKerberos, oidKerberosMS, oidUser2User:
		return Kerberos
	}
	return Other
}

// element takes one element of DER off b: its tag, 0 if there is none, and its
// contents, as much as there is of them.
func element(b []byte) (tag byte, contents, rest []byte) {
	if len(b) < 2 {
		return 0, nil, nil
	}
	tag, n, head := b[0], int(b[1]), 2
	if n >= 0x80 {
		octets := n & 0x7f
		if octets == 0 || octets > 4 || len(b) < 2+octets {
			return 0, nil, nil
		}
		n = 0
		for _, c := range b[2 : 2+octets] {
			n = n<<8 | int(c)
		}
		head += octets
	}
	if n > len(b)-head {
		return tag, b[head:], nil
	}
	return tag, b[head : head+n], b[head+n:]
}
