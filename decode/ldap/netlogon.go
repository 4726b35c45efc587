package ldap

import (
	"encoding/binary"
	"strings"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/internal/ber"
)

// What a domain controller answers who looks for one over UDP: the attribute
// netlogon of the root, with NETLOGON_SAM_LOGON_RESPONSE_EX in it (MS-ADTS
// 6.3.1.9), which names the controller and its domain.
const (
	samLogonResponseEx = 23
	samUserUnknownEx   = 25
	netlogonHeader     = 2 + 2 + 4 + 16
	maxLabels          = 32 // of a name, with those that it points to
)

// found looks for that answer in an entry.
func (r *Reader) found(d *dialog.Dialog, l ber.List) {
	l.Take(ber.OctetString)
	list, _ := l.Take(ber.Sequence)
	for range 8 { // it is the only one
		attribute, ok := list.Take(ber.Sequence)
		if !ok {
			return
		}
		kind, _ := attribute.Take(ber.OctetString)
		if strings.EqualFold(text(kind, maxWord), "netlogon") {
			controller(d, attribute.In(ber.Set).In(ber.OctetString))
		}
	}
}

// controller announces what it says of itself.
func controller(d *dialog.Dialog, b []byte) {
	if len(b) < netlogonHeader {
		return
	}
	if op := binary.LittleEndian.Uint16(b); op != samLogonResponseEx && op != samUserUnknownEx {
		return
	}
	var names [5]string // forest, domain, host, domain and host of NetBIOS
	at := netlogonHeader
	for i := range names {
		var ok bool
		if names[i], at, ok = compressed(b, at); !ok {
			return
		}
	}
	domain, host, short := names[1], names[2], names[4]
	e := d.Endpoints
	defer func() { d.Endpoints = e }()
	d.Src, d.Dst, d.SrcPort, d.DstPort = e.Dst, e.Src, e.DstPort, e.SrcPort
	d.Announce(weir.Announcement{Protocol: "cldap", Kind: "name", Name: short, Text: host})
	d.Announce(weir.Announcement{Protocol: "cldap", Kind: "domain", Name: short, Text: domain})
	d.Announce(weir.Announcement{Protocol: "cldap", Kind: "role", Name: short, Text: "domain controller"})
}

// compressed reads a name as DNS writes it (RFC 1035, 4.1.4), and returns where
// the next one begins.
func compressed(b []byte, at int) (name string, next int, ok bool) {
	const pointer = 0xc0
	var out []byte
	next = -1
	for range maxLabels {
		if at >= len(b) {
			return "", 0, false
		}
		n := int(b[at])
		switch {
		case n == 0:
			if next < 0 {
				next = at + 1
			}
			return text(out, maxName), next, true
		case n&pointer == pointer:
			if at+1 >= len(b) {
				return "", 0, false
			}
			if next < 0 {
				next = at + 2
			}
			at = n&^pointer<<8 | int(b[at+1])
		case n&pointer != 0 || at+1+n > len(b):
			return "", 0, false
		default:
			if len(out) > 0 {
				out = append(out, '.')
			}
			out = append(out, b[at+1:at+1+n]...)
			at += 1 + n
		}
	}
	return "", 0, false
}
