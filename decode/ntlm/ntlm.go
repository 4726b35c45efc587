package ntlm

import (
	"encoding/base64"
	"encoding/binary"
	"strconv"
	"strings"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/internal/uri"
	"github.com/weir-nta/weir/internal/utf16le"
)

// Bounds of what is kept and read, in octets.
const (
	maxName  = 255               // of a user, machine or domain
	maxToken = 16 << 10          // of a token in a header, decoded
	maxPairs = 32                // of the target information, of which there are eleven kinds
	anonym   = "ANONYMOUS LOGON" // what Windows calls who gives no name
)

// Flags of the negotiation (MS-NLMP 2.2.2.5).
const (
	flagUnicode = 1
	flagVersion = 1 << 25
)

// The messages (MS-NLMP 2.2.1).
const (
	negotiate    = 1
	challenge    = 2
	authenticate = 3
)

// A Logon follows one authentication after another through the tokens of a
// carrier. Its zero value is ready. It keeps names and endpoints, 260
// octets and the names.
type Logon struct {
	rec     weir.NTLMLogon
	began   bool // a message has been seen
	pending bool // the last one has: the outcome is awaited
	done    bool // and told
	oem     bool // the server chose the character set of its machine
	anon    bool
}

// Token takes a token of either end, bare or wrapped, and returns with what it
// authenticates. The first message of another authentication ends the one
// before, without outcome if that was not told.
func (l *Logon) Token(d *dialog.Dialog, b []byte) Mechanism {
	t := Unwrap(b)
	if t.Mechanism == NTLM {
		l.message(d, t.Body)
	}
	return t.Mechanism
}

// Header takes the value of a header field that carries a token in base64,
// with or without the name of the scheme before it: "NTLM TlRMTVNT…" (RFC 4559).
func (l *Logon) Header(d *dialog.Dialog, value []byte) Mechanism {
	s := strings.TrimSpace(string(value[:min(len(value), base64.StdEncoding.EncodedLen(maxToken))]))
	if i := strings.IndexByte(s, ' '); i >= 0 {
		s = strings.TrimSpace(s[i+1:])
	}
	b, _ := base64.StdEncoding.DecodeString(s) // what is there before damage is of use
	return l.Token(d, b)
}

// Pending reports whether somebody has answered a challenge and it has not been
// said how that ended.
func (l *Logon) Pending() bool { return l.pending }

// User returns who logs on as DOMAIN\user, "ANONYMOUS LOGON" for who gave no
// name, and "" as long as that was not said.
func (l *Logon) User() string {
	switch {
	case !l.pending && !l.done:
		return ""
	case l.anon:
		return anonym
	case l.rec.User == "": // cut off
		return ""
	case l.rec.Domain == "" || strings.Contains(l.rec.User, "@"):
		return l.rec.User
	}
	return l.rec.Domain + `\` + l.rec.User
}

// End says how a pending authentication ended, in the words of the carrier, and
// records it. Without one pending it does nothing.
func (l *Logon) End(d *dialog.Dialog, success bool, status string) {
	l.end(d, strconv.FormatBool(success), status)
}

// Close records what is pending, without outcome.
func (l *Logon) Close(d *dialog.Dialog) { l.end(d, "", "") }

func (l *Logon) end(d *dialog.Dialog, success, status string) {
	if !l.pending {
		return
	}
	l.pending, l.done = false, true
	l.rec.Success, l.rec.Status = success, status
	d.Batch.NTLM = append(d.Batch.NTLM, l.rec)
}

// message reads one message of NTLMSSP.
func (l *Logon) message(d *dialog.Dialog, b []byte) {
	if len(b) < 12 {
		return
	}
	switch binary.LittleEndian.Uint32(b[8:]) {
	case negotiate:
		l.begin(d)
	case challenge:
		if !l.began || l.pending || l.done {
			l.begin(d)
		}
		l.challenge(d, b)
	case authenticate:
		if !l.began || l.pending || l.done {
			l.begin(d)
		}
		l.authenticate(d, b)
	}
}

// begin begins another authentication.
func (l *Logon) begin(d *dialog.Dialog) {
	l.Close(d)
	*l = Logon{began: true}
	l.rec.Endpoints = d.Endpoints
}

// challenge reads CHALLENGE_MESSAGE (MS-NLMP 2.2.1.2).
func (l *Logon) challenge(d *dialog.Dialog, b []byte) {
	if len(b) < 24 {
		return
	}
	flags := binary.LittleEndian.Uint32(b[20:])
	l.oem = flags&flagUnicode == 0
	var s machine
	if len(b) >= 48 {
		s.target(field(b, 40))
	}
	if s.name == "" && s.dns == "" {
		s.name = text(field(b, 12), l.oem) // the target's: its domain's or its own
	}
	if flags&flagVersion != 0 && len(b) >= 56 {
		s.os = version(b[48:])
	}
	l.server(&s)
	s.announce(d, dialog.Server)
}

// authenticate reads AUTHENTICATE_MESSAGE (MS-NLMP 2.2.1.3).
func (l *Logon) authenticate(d *dialog.Dialog, b []byte) {
	if len(b) < 52 {
		return
	}
	var c machine
	payload := len(b) // old ones end their header early
	for at := 12; at < 52; at += 8 {
		if n := binary.LittleEndian.Uint16(b[at:]); n > 0 {
			payload = min(payload, int(binary.LittleEndian.Uint32(b[at+4:])))
		}
	}
	oem := l.oem
	if payload >= 64 && len(b) >= 64 {
		flags := binary.LittleEndian.Uint32(b[60:])
		oem = flags&flagUnicode == 0
		if flags&flagVersion != 0 && payload >= 72 && len(b) >= 72 {
			c.os = version(b[64:])
		}
	}
	l.rec.Domain, l.rec.User, l.rec.Host = text(name(b, 28), oem), text(name(b, 36), oem), text(name(b, 44), oem)
	l.anon = binary.LittleEndian.Uint16(b[36:]) == 0
	if l.rec.ServerName == "" {
		l.echoed(field(b, 20))
	}
	l.pending = true
	c.name = l.rec.Host
	c.announce(d, dialog.Client)
}

// echoed takes the names of the server from the response of NTLMv2, which
// repeats them (MS-NLMP 2.2.2.7 and 2.2.2.8), where the challenge was missed.
func (l *Logon) echoed(response []byte) {
	const pairs = 44
	if len(response) <= pairs || response[16] != 1 || response[17] != 1 {
		return
	}
	var s machine
	s.target(response[pairs:])
	l.server(&s)
}

func (l *Logon) server(s *machine) {
	if l.rec.ServerName = s.name; s.name == "" {
		l.rec.ServerName = s.dns
	}
	switch {
	case s.tree != "":
		l.rec.ServerDomain = strings.ToLower(s.tree)
	case !strings.EqualFold(s.dnsDomain, s.dns): // of a machine in no domain they are the same
		l.rec.ServerDomain = strings.ToLower(s.dnsDomain)
	}
}

// A machine is what is told of one of the two.
type machine struct {
	name, domain         string // of NetBIOS
	dns, dnsDomain, tree string
	os                   string
}

// target reads the pairs of the target information (MS-NLMP 2.2.2.1).
func (m *machine) target(b []byte) {
	const endOfList = 0
	for range maxPairs {
		if len(b) < 4 {
			return
		}
		id, n := binary.LittleEndian.Uint16(b), int(binary.LittleEndian.Uint16(b[2:]))
		if id == endOfList || n > len(b)-4 {
			return
		}
		value := b[4 : 4+n]
		b = b[4+n:]
		switch id {
		case 1:
			m.name = text(value, false)
		case 2:
			m.domain = text(value, false)
		case 3:
			m.dns = text(value, false)
		case 4:
			m.dnsDomain = text(value, false)
		case 5:
			m.tree = text(value, false)
		}
	}
}

// announce tells what a machine says of itself. Its link-layer address is left
// out: it may be behind a router.
func (m *machine) announce(d *dialog.Dialog, who dialog.End) {
	if who == dialog.Server {
		e := d.Endpoints
		defer func() { d.Endpoints = e }()
		d.Src, d.Dst, d.SrcPort, d.DstPort = e.Dst, e.Src, e.DstPort, e.SrcPort
	}
	if m.name != "" {
		d.Announce(weir.Announcement{Protocol: "ntlm", Kind: "name", Name: m.name, Text: m.dns})
	}
	if m.domain != "" && m.domain != m.name {
		d.Announce(weir.Announcement{Protocol: "ntlm", Kind: "domain", Name: m.name, Text: m.domain})
	}
	if m.os != "" {
		d.Announce(weir.Announcement{Protocol: "ntlm", Kind: "os", Name: m.name, Text: m.os})
	}
}

// version reads VERSION (MS-NLMP 2.2.2.10). Without a build it was not made by
// Windows, and says nothing.
func version(b []byte) string {
	build := binary.LittleEndian.Uint16(b[2:])
	if b[0] == 0 || build == 0 {
		return ""
	}
	return "Windows " + strconv.Itoa(int(b[0])) + "." + strconv.Itoa(int(b[1])) + "." + strconv.Itoa(int(build))
}

// field returns what a field at offset at points to: length, room, offset. Of
// one that is not all there it returns nothing.
func field(b []byte, at int) []byte {
	n, off := int(binary.LittleEndian.Uint16(b[at:])), uint64(binary.LittleEndian.Uint32(b[at+4:]))
	if off+uint64(n) > uint64(len(b)) {
		return nil
	}
	return b[off : off+uint64(n)]
}

// name returns what a field of AUTHENTICATE_MESSAGE at offset at points to,
// unless that is part of a response or of the key.
func name(b []byte, at int) []byte {
	v := field(b, at)
	lo := binary.LittleEndian.Uint32(b[at+4:])
	for _, secret := range [...]int{12, 20, 52} {
		if secret+8 > len(b) {
			break // an old message, without a key
		}
		n, from := uint32(binary.LittleEndian.Uint16(b[secret:])), binary.LittleEndian.Uint32(b[secret+4:])
		if lo < from+n && from < lo+uint32(len(v)) {
			return nil
		}
	}
	return v
}

func text(b []byte, oem bool) string {
	if oem {
		return uri.Printable(b, maxName)
	}
	return utf16le.Printable(b, maxName)
}
