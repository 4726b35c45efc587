package mail

import (
	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/decode/ntlm"
	"github.com/weir-nta/weir/internal/lines"
	"github.com/weir-nta/weir/internal/sasl"
	"github.com/weir-nta/weir/internal/uri"
)

// Bounds of what is kept, in octets and commands.
const (
	maxObject  = 256
	maxTag     = 32
	maxBanner  = 128
	maxPending = 16
)

// queue are the commands that wait for their answers, in their order.
type queue struct {
	list []asked
	// untracked counts commands told already, behind those of the list.
	untracked int
	told      dialog.Commands
}

// An asked command waits for its answer.
type asked struct {
	weir.Command
	tag string // of IMAP
}

// add lets a command wait, and returns it. If there is no room it is told at
// once, and nil returned.
func (q *queue) add(d *dialog.Dialog, c asked) *asked {
	c.Time = d.Time
	if len(q.list) >= maxPending || q.untracked > 0 {
		q.untracked++
		q.told.Add(d, c.Command)
		return nil
	}
	q.list = append(q.list, c)
	return &q.list[len(q.list)-1]
}

// first returns the command that is answered next, nil if there is none.
func (q *queue) first() *asked {
	if len(q.list) == 0 {
		return nil
	}
	return &q.list[0]
}

// answer tells of the command at i with its answer and forgets it.
func (q *queue) answer(d *dialog.Dialog, i int, status, success string) {
	c := q.list[i]
	copy(q.list[i:], q.list[i+1:])
	q.list[len(q.list)-1] = asked{}
	q.list = q.list[:len(q.list)-1]
	c.Status, c.Success = status, success
	now := d.Time
	d.Time = c.Time // that of the command
	q.told.Add(d, c.Command)
	d.Time = now
}

// forget tells of all without an answer.
func (q *queue) forget(d *dialog.Dialog) {
	for len(q.list) > 0 {
		q.answer(d, 0, "", "")
	}
	q.untracked = 0
}

// verbs are the commands of the standards, and of extensions in use.
var verbs = lines.NewVerbs(
	"EHLO", "HELO", "LHLO", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "NOOP", "QUIT", "AUTH", "STARTTLS", "VRFY", "EXPN", "HELP",
	"ETRN", "TURN", "SEND", "SOML", "SAML", "BURL", "XCLIENT", "XFORWARD", "X-EXPS", "XEXCH50",
	"USER", "PASS", "APOP", "STAT", "LIST", "RETR", "DELE", "TOP", "UIDL", "CAPA", "STLS", "UTF8", "LANG", "XTND",
	"LOGIN", "AUTHENTICATE", "SELECT", "EXAMINE", "CREATE", "DELETE", "RENAME", "SUBSCRIBE", "UNSUBSCRIBE", "LSUB", "XLIST", "NAMESPACE",
	"STATUS", "APPEND", "IDLE", "CAPABILITY", "LOGOUT", "CLOSE", "UNSELECT", "EXPUNGE", "ID", "COMPRESS", "ENABLE", "CHECK", "NOTIFY",
	"FETCH", "STORE", "SEARCH", "COPY", "MOVE", "UID", "SORT", "THREAD", "GETACL", "SETACL", "DELETEACL", "LISTRIGHTS", "MYRIGHTS",
	"GETQUOTA", "GETQUOTAROOT", "SETQUOTA", "GETMETADATA", "SETMETADATA", "GENURLAUTH", "URLFETCH",
	"OK", "NO", "BAD", "BYE", "PREAUTH",
)

func object(b []byte) string { return uri.Printable(b, maxObject) }

// A logon is an exchange of SASL, in which NTLM may be carried.
type logon struct {
	sasl.Exchange
	ntlm *ntlm.Logon // nil until something of it is said
}

// user returns who the client says it is in a response, "" if it does not.
func (l *logon) user(d *dialog.Dialog, response []byte) string {
	if l.Mechanism == "NTLM" {
		if l.ntlm == nil {
			l.ntlm = &ntlm.Logon{}
		}
		l.ntlm.Header(d, response)
		return l.ntlm.User()
	}
	return object(l.Response(response))
}
