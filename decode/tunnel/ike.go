package tunnel

import (
	"encoding/binary"
	"strconv"
	"strings"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/internal/uri"
)

// An IKE reads one conversation of ISAKMP, IKE version 1 (RFC 2408, RFC 2409) or
// 2 (RFC 7296): what is said before encryption begins. It takes some 600 octets.
type IKE struct {
	waits   bool
	command weir.Command // of the exchange that goes on
	chosen  bool         // its Object is what the responder chose
	told    uint8
	cookie  uint64     // the initiator's
	starter dialog.End // the initiator: either end may negotiate anew
}

// NewIKE returns a reader of IKE.
func NewIKE() dialog.Reader { return &IKE{} }

// maxExchanges is how many exchanges of one conversation are told. A scanner of
// transforms tries hundreds; what it found shows in the first.
const maxExchanges = 32

// The payloads that are read (RFC 2408, 3.1; RFC 7296, 3.2).
const (
	ikeHeader   = 28
	v1SA        = 1
	v1Notify    = 11
	v1Vendor    = 13
	v2SA        = 33
	v2Notify    = 41
	v2Vendor    = 43
	maxPayloads = 32
)

// Read takes one datagram.
func (r *IKE) Read(d *dialog.Dialog, from dialog.End, b []byte) int {
	if len(b) > 4 && string(b[:4]) == "\x00\x00\x00\x00" { // behind NAT (RFC 3948, 2.2)
		b = b[4:]
	}
	if len(b) < ikeHeader || int(binary.BigEndian.Uint32(b[24:])) != len(b) || b[17]>>4 < 1 || b[17]>>4 > 2 {
		return len(b) // ESP in UDP, keepalives
	}
	r.message(d, from, b)
	return len(b)
}

// Lost does not happen to datagrams.
func (r *IKE) Lost(*dialog.Dialog, dialog.End, int) bool { return true }

// Close tells the exchange that has not ended.
func (r *IKE) Close(d *dialog.Dialog) { r.tell(d) }

// tell makes the record of the exchange at hand.
func (r *IKE) tell(d *dialog.Dialog) {
	if !r.waits {
		return
	}
	r.waits = false
	if r.told >= maxExchanges {
		return
	}
	r.told++
	c := r.command
	began := c.Time
	c.Endpoints = d.Endpoints
	if r.starter == dialog.Server {
		c.Src, c.Dst, c.SrcPort, c.DstPort = c.Dst, c.Src, c.DstPort, c.SrcPort
	}
	c.Time, c.Count = began, 1
	d.Batch.Commands = append(d.Batch.Commands, c)
}

// message takes one message.
func (r *IKE) message(d *dialog.Dialog, from dialog.End, b []byte) {
	cookie, responder := binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])
	name := exchange(b[17]>>4, b[18])
	if name == "" {
		return
	}
	again := cookie == r.cookie && (r.waits || from != r.starter)
	if responder == 0 && !again {
		r.tell(d)
		r.waits, r.chosen, r.cookie, r.starter = true, false, cookie, from
		r.command = weir.Command{Protocol: "ipsec", Command: name}
		r.command.Time = d.Time
	}
	if !r.waits || cookie != r.cookie {
		return
	}
	if encrypted(b) { // it has come so far: the proposal was taken
		if r.command.Success == "" {
			r.command.Success = "true"
		}
		r.tell(d)
		return
	}
	r.payloads(b, from)
	if from != r.starter && r.command.Success != "" {
		r.tell(d)
	}
}

// exchange names the exchanges that begin a negotiation, and the notification
// that refuses one.
func exchange(version, kind byte) string {
	switch {
	case version == 1 && kind == 2:
		return "main_mode"
	case version == 1 && kind == 4:
		return "aggressive_mode"
	case version == 1 && kind == 5:
		return "informational"
	case version == 1 && kind == 1:
		return "base"
	case version == 2 && kind == 34:
		return "ike_sa_init"
	case version == 2 && kind == 35:
		return "ike_auth"
	}
	return ""
}

func encrypted(b []byte) bool {
	const flag, v2Encrypted, v2EncryptedFragment = 1, 46, 53
	if b[17]>>4 == 1 {
		return b[19]&flag != 0
	}
	return b[16] == v2Encrypted || b[16] == v2EncryptedFragment
}

// payloads walks those of one message.
func (r *IKE) payloads(b []byte, from dialog.End) {
	kind, b := b[16], b[ikeHeader:]
	for range maxPayloads {
		if kind == 0 || len(b) < 4 {
			return
		}
		n := int(binary.BigEndian.Uint16(b[2:]))
		if n < 4 || n > len(b) {
			return
		}
		r.payload(kind, b[4:n], from)
		kind, b = b[0], b[n:]
	}
}

func (r *IKE) payload(kind byte, v []byte, from dialog.End) {
	c := &r.command
	switch kind {
	case v1SA, v2SA:
		proposal := ""
		if kind == v1SA && len(v) > 8 {
			proposal = proposal1(v[8:])
		} else if kind == v2SA {
			proposal = proposal2(v)
		}
		if from != r.starter {
			c.Object, r.chosen, c.Success = proposal, true, "true"
		} else if !r.chosen {
			c.Object = proposal
		}
	case v1Notify:
		if len(v) >= 8 {
			r.notified(binary.BigEndian.Uint16(v[6:]), from, false)
		}
	case v2Notify:
		if len(v) >= 4 {
			r.notified(binary.BigEndian.Uint16(v[2:]), from, true)
		}
	case v1Vendor, v2Vendor:
		maker := &c.Client
		if from != r.starter {
			maker = &c.Server
		}
		if name := vendor(v); name != "" && !strings.Contains(*maker, name) && len(*maker)+len(name) < maxText {
			*maker = strings.TrimPrefix(*maker+", "+name, ", ")
		}
	}
}

// notified takes an error: types below 16384 are (RFC 7296, 3.10.1; RFC 2408,
// 3.14.1, where they are below 8192).
func (r *IKE) notified(kind uint16, from dialog.End, v2 bool) {
	if from == r.starter || kind >= 16384 || !v2 && kind >= 8192 {
		return
	}
	names := v1Errors
	if v2 {
		names = v2Errors
	}
	r.command.Success = "false"
	if r.command.Status = names[kind]; r.command.Status == "" {
		r.command.Status = strconv.Itoa(int(kind))
	}
}

// The errors that occur before encryption (RFC 2408, 3.14.1; RFC 7296, 3.10.1).
var (
	v1Errors = map[uint16]string{
		1: "INVALID-PAYLOAD-TYPE", 4: "INVALID-COOKIE", 5: "INVALID-MAJOR-VERSION", 7: "INVALID-EXCHANGE-TYPE", 14: "NO-PROPOSAL-CHOSEN",
		15: "BAD-PROPOSAL-SYNTAX", 16: "PAYLOAD-MALFORMED", 18: "INVALID-ID-INFORMATION", 24: "AUTHENTICATION-FAILED",
	}
	v2Errors = map[uint16]string{
		1: "UNSUPPORTED_CRITICAL_PAYLOAD", 4: "INVALID_IKE_SPI", 5: "INVALID_MAJOR_VERSION", 7: "INVALID_SYNTAX", 9: "INVALID_MESSAGE_ID",
		11: "INVALID_SPI", 14: "NO_PROPOSAL_CHOSEN", 17: "INVALID_KE_PAYLOAD", 24: "AUTHENTICATION_FAILED",
	}
)

// proposal1 writes the first transform of version 1: the attributes behind the
// proposal and the transform (RFC 2409, appendix A).
func proposal1(b []byte) string {
	const transform, attributes = 8, 8
	if len(b) < transform || len(b) < transform+int(b[6])+attributes { // the SPI is before the transforms
		return ""
	}
	b = b[transform+int(b[6]):]
	n := int(binary.BigEndian.Uint16(b[2:]))
	if n < attributes || n > len(b) {
		return ""
	}
	const encryption, hash, method, group, keyLength = 1, 2, 3, 4, 14
	var parts [4]string
	key := ""
	b = b[attributes:n]
	for range maxPayloads {
		if len(b) < 4 {
			break
		}
		kind, value := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
		size := 4
		if kind&0x8000 == 0 { // of variable length, such as a lifetime
			size = min(4+int(value), len(b))
		}
		switch kind &^ 0x8000 {
		case encryption:
			parts[0] = named(v1Encryption, value, "enc")
		case hash:
			parts[1] = named(v1Hash, value, "hash")
		case group:
			parts[2] = named(groups, value, "group")
		case method:
			parts[3] = named(v1Method, value, "auth")
		case keyLength:
			key = strconv.Itoa(int(value))
		}
		b = b[size:]
	}
	if parts[0] != "" {
		parts[0] += key
	}
	return strings.Join(strings.Fields(strings.Join(parts[:], " ")), " ")
}

// proposal2 writes the first transform of each kind in the first proposal of
// version 2 (RFC 7296, 3.3).
func proposal2(b []byte) string {
	const proposal, transform = 8, 8
	if len(b) < proposal {
		return ""
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	if n > len(b) || n < proposal+int(b[6]) {
		return ""
	}
	b = b[proposal+int(b[6]) : n]
	var parts [5]string // by kind of transform
	for range maxPayloads {
		if len(b) < transform {
			break
		}
		size := int(binary.BigEndian.Uint16(b[2:]))
		if size < transform || size > len(b) {
			break
		}
		kind, id := b[4], binary.BigEndian.Uint16(b[6:])
		if kind >= 1 && kind <= 4 && parts[kind] == "" {
			parts[kind] = named(v2Transforms[kind], id, v2Kinds[kind])
			if kind == 1 && size >= 12 && binary.BigEndian.Uint16(b[8:]) == 0x800e {
				parts[kind] += strconv.Itoa(int(binary.BigEndian.Uint16(b[10:])))
			}
		}
		b = b[size:]
	}
	return strings.Join(strings.Fields(strings.Join(parts[:], " ")), " ")
}

func named(names map[uint16]string, id uint16, kind string) string {
	if n, ok := names[id]; ok {
		return n
	}
	return kind + "-" + strconv.Itoa(int(id))
}

// Names of transforms (IANA, Internet Key Exchange Attributes and IKEv2
// Parameters).
var (
	v1Encryption = map[uint16]string{1: "des", 2: "idea", 3: "blowfish", 5: "3des", 6: "cast", 7: "aes", 8: "camellia"}
	v1Hash       = map[uint16]string{1: "md5", 2: "sha1", 4: "sha256", 5: "sha384", 6: "sha512"}
	v1Method     = map[uint16]string{1: "psk", 2: "dss", 3: "rsa", 4: "rsa-encryption", 65001: "xauth-psk", 64221: "hybrid-rsa", 65005: "xauth-rsa"}
	groups       = map[uint16]string{
		1: "modp768", 2: "modp1024", 5: "modp1536", 14: "modp2048", 15: "modp3072", 16: "modp4096", 17: "modp6144", 18: "modp8192",
		19: "ecp256", 20: "ecp384", 21: "ecp521", 31: "curve25519", 32: "curve448",
	}
	v2Kinds      = [5]string{1: "enc", 2: "prf", 3: "integ", 4: "group"}
	v2Transforms = [5]map[uint16]string{
		1: {2: "des", 3: "3des", 12: "aes-cbc", 13: "aes-ctr", 18: "aes-gcm8-", 19: "aes-gcm12-", 20: "aes-gcm", 28: "chacha20poly1305"},
		2: {1: "prf-md5", 2: "prf-sha1", 5: "prf-sha256", 6: "prf-sha384", 7: "prf-sha512"},
		3: {0: "", 1: "md5-96", 2: "sha1-96", 5: "aes-xcbc", 12: "sha256-128", 13: "sha384-192", 14: "sha512-256"},
		4: groups,
	}
)

// vendors are makers by the beginning of their vendor identifiers (Wireshark,
// packet-isakmp.c). Those of mere abilities, such as NAT traversal, are not here.
var vendors = []struct{ prefix, name string }{
	{"\x88\x2f\xe5\x6d\x6f\xd2\x0d\xbc\x22\x51\x61\x3b\x2e\xbe\x5b\xeb", "strongSwan"},
	{"\x12\xf5\xf2\x8c\x45\x71\x68\xa9\x70\x2d\x9f\xe2\x74\xcc", "Cisco Unity"},
	{"\x1e\x2b\x51\x69\x05\x99\x1c\x7d\x7c\x96\xfc\xbf\xb5\x87\xe4\x61", "Microsoft"},
}

// vendor names the maker, or gives back an identifier that is text.
func vendor(v []byte) string {
	for _, k := range vendors {
		if strings.HasPrefix(string(v[:min(len(v), 16)]), k.prefix) {
			return k.name
		}
	}
	if len(v) < 8 {
		return ""
	}
	for _, c := range v {
		if c < ' ' || c >= 0x7f {
			return ""
		}
	}
	return uri.Printable(v, 64)
}
