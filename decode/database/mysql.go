package database

import (
	"encoding/binary"
	"strconv"

	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/internal/uri"
)

// The capabilities that decide how a handshake response is read (MySQL
// internals, capability flags).
const (
	capConnectWithDB = 1 << 3
	capProtocol41    = 1 << 9
	capSSL           = 1 << 11
	capSecure        = 1 << 15
	capLenencAuth    = 1 << 21
)

// A mysql reads a session up to the end of the logon.
type mysql struct {
	logon
	greeted bool
}

// NewMySQL returns a reader of one session of MySQL or MariaDB.
func NewMySQL() dialog.Reader { return &mysql{logon: newLogon("mysql")} }

func (r *mysql) Read(d *dialog.Dialog, from dialog.End, b []byte) int {
	if r.told || from == dialog.Client && r.asked {
		return dialog.Stop // what the client says then proves the password, or is a query
	}
	const header = 4
	if len(b) < header {
		return 0
	}
	n := int(b[0]) | int(b[1])<<8 | int(b[2])<<16
	if n == 0 || n > maxMessage {
		return dialog.Stop
	}
	if len(b) < header+n {
		return 0
	}
	body := b[header : header+n]
	ok := true
	switch {
	case from == dialog.Client:
		ok = r.response(d, body)
	case !r.greeted:
		ok = r.greeting(d, body)
	default:
		r.result(d, body)
	}
	if !ok || r.told && !d.IsAnew() {
		return dialog.Stop
	}
	return header + n
}

// greeting reads what the server says first.
func (r *mysql) greeting(d *dialog.Dialog, b []byte) bool {
	r.greeted = true
	if b[0] == 0xff { // it refuses to talk at all
		r.result(d, b)
		return true
	}
	version, _ := cutZero(b[1:])
	r.login.Server = "MySQL " + uri.Printable(version, maxVersion)
	return b[0] == 10
}

// response reads who the client says it is, or that it wants TLS first.
func (r *mysql) response(d *dialog.Dialog, b []byte) bool {
	const fixed = 32 // capabilities, maximum packet, character set, filler
	if len(b) < 4 {
		return false
	}
	caps := binary.LittleEndian.Uint32(b)
	if caps&capProtocol41 == 0 || len(b) < fixed {
		return false
	}
	if caps&capSSL != 0 && len(b) == fixed {
		r.told = true
		d.Anew()
		return true
	}
	r.asked = true
	user, rest := cutZero(b[fixed:])
	r.login.User = uri.Printable(user, maxName)
	if rest, ok := behindProof(rest, caps); ok && caps&capConnectWithDB != 0 {
		name, _ := cutZero(rest)
		r.login.Object = uri.Printable(name, maxName)
	}
	return true
}

// behindProof returns what follows the proof of the password.
func behindProof(b []byte, caps uint32) ([]byte, bool) {
	if caps&(capLenencAuth|capSecure) == 0 {
		_, rest := cutZero(b)
		return rest, true
	}
	// A length of 251 and more takes several octets; no proof is so long.
	if len(b) == 0 || b[0] > 250 || len(b) < 1+int(b[0]) {
		return nil, false
	}
	return b[1+b[0]:], true
}

// result reads how the server takes it. Requests for another proof are passed over.
func (r *mysql) result(d *dialog.Dialog, b []byte) {
	switch {
	case b[0] == 0 && r.asked:
		r.end(d, "")
	case b[0] == 0xff && len(b) >= 3:
		r.end(d, strconv.Itoa(int(binary.LittleEndian.Uint16(b[1:]))))
	}
}
