package database

import (
	"bytes"
	"encoding/binary"

	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/internal/uri"
)

// The requests that begin a session (PostgreSQL manual, 55.7).
const (
	version3   = 3 << 16
	sslRequest = 80877103
	gssRequest = 80877104
)

// maxMessage is how long a message before the end of the logon may be.
const maxMessage = 16 << 10

// A postgresql reads a session up to the end of the logon.
type postgresql struct {
	logon
	secure bool // encryption was asked for and not answered yet
}

// NewPostgreSQL returns a reader of one session of PostgreSQL.
func NewPostgreSQL() dialog.Reader { return &postgresql{logon: newLogon("postgresql")} }

func (r *postgresql) Read(d *dialog.Dialog, from dialog.End, b []byte) int {
	switch {
	case len(b) == 0:
		return 0
	case r.told:
		return dialog.Stop
	case from == dialog.Client:
		return r.client(b)
	case r.secure:
		return r.answer(d, b)
	default:
		return r.server(d, b)
	}
}

// client reads what begins the session; what comes then proves the password.
func (r *postgresql) client(b []byte) int {
	if r.asked {
		return dialog.Stop
	}
	if len(b) < 8 {
		return 0
	}
	n, code := int(binary.BigEndian.Uint32(b)), binary.BigEndian.Uint32(b[4:])
	switch {
	case n < 8 || n > maxMessage:
		return dialog.Stop
	case code == sslRequest || code == gssRequest:
		r.secure = true
		return 8
	case code>>16 != version3>>16:
		return dialog.Stop // a request to cancel, or another version
	case len(b) < n:
		return 0
	}
	r.asked = true
	fields := b[8:n]
	for len(fields) > 1 { // each turn takes the zero at least
		var key, value []byte
		key, fields = cutZero(fields)
		value, fields = cutZero(fields)
		switch string(key) {
		case "user":
			r.login.User = uri.Printable(value, maxName)
		case "database":
			r.login.Object = uri.Printable(value, maxName)
		case "application_name":
			r.login.Client = uri.Printable(value, maxName)
		}
	}
	return n
}

// answer reads the one octet that grants or refuses encryption.
func (r *postgresql) answer(d *dialog.Dialog, b []byte) int {
	r.secure = false
	if b[0] == 'S' || b[0] == 'G' {
		r.told = true // what is said within is not for us
		d.Anew()
	}
	return 1
}

// server reads messages until the server is ready or refuses.
func (r *postgresql) server(d *dialog.Dialog, b []byte) int {
	if len(b) < 5 {
		return 0
	}
	n := 1 + int(binary.BigEndian.Uint32(b[1:]))
	if n < 5 || n > maxMessage {
		return dialog.Stop
	}
	if len(b) < n {
		return 0
	}
	body := b[5:n]
	switch b[0] {
	case 'S':
		if key, rest := cutZero(body); string(key) == "server_version" {
			value, _ := cutZero(rest)
			r.login.Server = "PostgreSQL " + uri.Printable(value, maxVersion)
		}
	case 'E':
		r.end(d, sqlState(body))
		return dialog.Stop
	case 'Z':
		r.end(d, "")
		return dialog.Stop
	}
	return n
}

// sqlState returns the code of an error (manual, 55.8).
func sqlState(fields []byte) string {
	for len(fields) > 1 { // each turn takes the zero at least
		var f []byte
		if f, fields = cutZero(fields); len(f) > 1 && f[0] == 'C' {
			return uri.Printable(f[1:], 8)
		}
	}
	return "error"
}

// cutZero cuts b behind its first zero.
func cutZero(b []byte) (before, after []byte) {
	before, after, _ = bytes.Cut(b, []byte{0})
	return before, after
}
