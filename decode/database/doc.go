// Package database reads how clients log on to databases, and what is asked of
// Redis, which attackers use to write files:
//
//   - PostgreSQL's frontend/backend protocol 3.0 (PostgreSQL manual, 55),
//   - MySQL's and MariaDB's client/server protocol, handshake version 10,
//   - the Tabular Data Stream of SQL Server (MS-TDS),
//   - Redis' RESP2 and RESP3.
//
// Queries and their results are contents and are not read; passwords and the
// proofs of them are passed over.
package database

import (
	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
)

// Bounds of what is kept, in octets. What is longer is cut.
const (
	maxName    = 128
	maxVersion = 64
)

// A logon is what the readers of logons have in common.
type logon struct {
	login weir.Command
	asked bool // the client has begun to log on
	told  bool // the record was made: nothing more is wanted
}

func newLogon(app string) logon {
	return logon{login: weir.Command{Protocol: app, Command: "login", Count: 1}}
}

// end tells how the logon ended: failure says why it failed, "" that it did not.
func (l *logon) end(d *dialog.Dialog, failure string) {
	l.login.Status, l.login.Success = "ok", "true"
	if failure != "" {
		l.login.Status, l.login.Success = failure, "false"
	}
	l.tell(d)
}

func (l *logon) tell(d *dialog.Dialog) {
	l.told = true
	l.login.Endpoints = d.Endpoints
	d.Batch.Commands = append(d.Batch.Commands, l.login)
}

// Lost ends the reading: where the next message begins is not known.
func (l *logon) Lost(*dialog.Dialog, dialog.End, int) bool { return false }

// Close tells of a logon whose end was not seen.
func (l *logon) Close(d *dialog.Dialog) {
	if l.asked && !l.told {
		l.tell(d)
	}
}
