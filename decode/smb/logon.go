package smb

import (
	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/decode/kerberos"
	"github.com/weir-nta/weir/decode/ntlm"
)

// asks takes the token of a client that sets up a session.
func (r *Reader) asks(d *dialog.Dialog, q *request, token []byte) {
	t := ntlm.Unwrap(token)
	switch t.Mechanism {
	case ntlm.NTLM:
		if s := r.sessionOf(q.session); s != nil {
			q.logon = s.logon
		}
		if q.logon == nil {
			q.logon = new(ntlm.Logon)
		}
		q.logon.Token(d, token)
	case ntlm.Kerberos:
		m := weir.KerberosMessage{Endpoints: d.Endpoints}
		if kerberos.AP(&m, t.Body) {
			q.ticket = &m
		}
	}
}

// answered takes what the server says to that: the session by its id, and the
// token.
func (r *Reader) answered(d *dialog.Dialog, q *request, id uint64, status uint32, token []byte) {
	if status == statusMoreProcessing {
		if q.logon != nil {
			q.logon.Token(d, token)
			r.openSession(d, id).logon = q.logon
		}
		return
	}
	ok, name := status == statusSuccess, statusName(status)
	user := ""
	switch {
	case q.logon != nil:
		q.logon.End(d, ok, name)
		user = q.logon.User()
	case q.ticket != nil:
		q.ticket.Success = yesNo(ok)
		if !ok {
			q.ticket.Error = name
		}
		d.Batch.Kerberos = append(d.Batch.Kerberos, *q.ticket)
	case q.plain != nil:
		q.plain.Success, q.plain.Status = yesNo(ok), name
		d.Batch.NTLM = append(d.Batch.NTLM, *q.plain)
		if user = q.plain.User; q.plain.Domain != "" && user != "" {
			user = q.plain.Domain + `\` + user
		}
	}
	if ok {
		s := r.openSession(d, id)
		if s.logon = nil; user != "" {
			s.user = user
		}
	} else if s := r.sessionOf(id); s != nil {
		s.logon = nil
	}
	a := r.act(d, q.time, "session_setup", id)
	a.Status = name
	if user != "" {
		a.User = user
	}
}

func yesNo(yes bool) string {
	if yes {
		return "true"
	}
	return "false"
}
