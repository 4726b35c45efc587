package database

import (
	"encoding/binary"
	"strconv"

	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/internal/utf16le"
)

// Types of TDS packets (MS-TDS 2.2.3.1.1).
const (
	tdsResponse = 4
	tdsLogin7   = 16
	tdsPrelogin = 18
)

// Tokens of a response (MS-TDS 2.2.7).
const (
	tokenError     = 0xaa
	tokenInfo      = 0xab
	tokenLoginAck  = 0xad
	tokenEnvChange = 0xe3
)

// A tds reads a session up to the end of the logon. Most servers encrypt that
// and wrap the handshake of TLS into packets of their own, where it is not
// looked for.
type tds struct {
	logon
}

// NewTDS returns a reader of one session of SQL Server.
func NewTDS() dialog.Reader { return &tds{logon: newLogon("tds")} }

func (r *tds) Read(d *dialog.Dialog, from dialog.End, b []byte) int {
	if r.told {
		return dialog.Stop
	}
	const header = 8
	if len(b) < header {
		return 0
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	if n < header || n > maxMessage {
		return dialog.Stop
	}
	if len(b) < n {
		return 0
	}
	body := b[header:n]
	switch b[0] {
	case tdsPrelogin:
		if r.asked = true; len(body) > 0 && body[0] == 22 { // a record of TLS within
			r.login.Status = "encrypted"
			r.tell(d)
		}
	case tdsLogin7:
		r.asked = true
		r.login7(body)
	case tdsResponse:
		if from == dialog.Server {
			r.tokens(d, body)
		}
	default:
		return dialog.Stop
	}
	if r.told {
		return dialog.Stop
	}
	return n
}

// login7 reads who the client says it is (MS-TDS 2.2.6.4): places and lengths
// of texts, in UTF-16, behind 36 octets.
func (r *tds) login7(b []byte) {
	text := func(at int) string {
		if len(b) < at+4 {
			return ""
		}
		from, n := int(binary.LittleEndian.Uint16(b[at:])), 2*int(binary.LittleEndian.Uint16(b[at+2:]))
		if from+n > len(b) {
			return ""
		}
		return utf16le.Printable(b[from:from+n], maxName)
	}
	const user, app, database = 40, 48, 68
	r.login.User, r.login.Client, r.login.Object = text(user), text(app), text(database)
}

// tokens reads what the server answers to the logon. The answer to the
// prelogin has no tokens, but places of options.
func (r *tds) tokens(d *dialog.Dialog, b []byte) {
	for len(b) >= 3 { // each turn takes three octets at least
		n := 3 + int(binary.LittleEndian.Uint16(b[1:]))
		if len(b) < n {
			return
		}
		body := b[3:n]
		switch b[0] {
		case tokenLoginAck:
			if len(body) > 6 && len(body) >= 6+2*int(body[5]) {
				r.login.Server = utf16le.Printable(body[6:6+2*int(body[5])], maxVersion)
			}
			r.end(d, "")
			return
		case tokenError:
			failure := "error"
			if len(body) >= 4 {
				failure = strconv.Itoa(int(binary.LittleEndian.Uint32(body)))
			}
			r.end(d, failure)
			return
		case tokenInfo, tokenEnvChange:
		default:
			return
		}
		b = b[n:]
	}
}
