package mail

import (
	"bytes"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/internal/lines"
	"github.com/weir-nta/weir/internal/uri"
)

// A pop3Reader reads a conversation of POP3.
type pop3Reader struct {
	queue
	cut     [2]lines.Cutter
	greeted bool
	multi   bool // the answer to the first command goes on up to a lone dot
	held    bool // the client says nothing before the answer to STLS
	auth    bool // the client says responses of a logon
	block   lines.Block
	server  string
	name    string // in USER, which PASS follows
	user    string // who is logged on
	logon   logon
}

// NewPOP3 returns a reader of POP3.
func NewPOP3() dialog.Reader { return &pop3Reader{} }

// Read implements [dialog.Reader].
func (r *pop3Reader) Read(d *dialog.Dialog, from dialog.End, b []byte) int {
	used := 0
	for used < len(b) && !d.IsAnew() { // each turn takes something or is the last
		if from == dialog.Client && r.held {
			return used
		}
		if from == dialog.Server && r.multi {
			n, ended := r.block.Take(b[used:])
			if used += n; !ended {
				return used
			}
			r.blockEnds(d)
			continue
		}
		line, n, ok := r.cut[from].Next(b[used:])
		used += n
		switch {
		case !ok:
			return used
		case from == dialog.Server:
			r.reply(d, line)
		case r.auth:
			r.response(d, line)
		default:
			r.command(d, line)
		}
	}
	return used
}

func (r *pop3Reader) command(d *dialog.Dialog, line []byte) {
	word, rest := lines.CutWord(line)
	if len(word) == 0 {
		return
	}
	c := asked{Command: weir.Command{Protocol: "pop3", Command: verbs.Of(word), User: r.user}}
	switch c.Command.Command {
	case "USER":
		r.name = object(rest)
		c.User, c.Server = r.name, r.server
	case "PASS":
		c.User, c.Server = r.name, r.server
	case "APOP":
		name, _ := lines.CutWord(rest)
		c.User, c.Server = object(name), r.server
	case "AUTH":
		mechanism, initial := lines.CutWord(rest)
		r.logon.Begin(mechanism)
		c.Object, c.Server = r.logon.Mechanism, r.server
		r.auth = len(mechanism) > 0 // alone it asks what there is
		if len(initial) > 0 {
			c.User = r.logon.user(d, initial)
		}
	case "STLS":
		r.held = true
	case "LIST", "UIDL":
		if len(rest) > 0 {
			c.tag = "one" // whose answer is a line
		}
	}
	if r.add(d, c) == nil {
		r.held = false
	}
}

// response takes a line of the client within a logon, unless it is a command.
func (r *pop3Reader) response(d *dialog.Dialog, line []byte) {
	word, _ := lines.CutWord(line)
	switch verbs.Of(word) {
	case "STAT", "LIST", "QUIT", "USER", "CAPA":
		r.auth = false
		r.command(d, line)
		return
	}
	if user := r.logon.user(d, line); user != "" && len(r.list) > 0 {
		r.list[len(r.list)-1].User = user
	}
}

// reply takes the first line of an answer.
func (r *pop3Reader) reply(d *dialog.Dialog, line []byte) {
	ok := bytes.HasPrefix(line, []byte("+OK"))
	if !r.greeted {
		r.greeted = true
		if ok {
			r.server = uri.Printable(bytes.TrimSpace(line[3:]), maxBanner)
			if c := r.first(); c != nil {
				c.Server = r.server
			}
			return
		}
	}
	c := r.first()
	if c == nil {
		r.untracked = max(r.untracked-1, 0)
		return
	}
	if len(line) > 0 && line[0] == '+' && !ok { // a challenge
		if r.logon.ntlm != nil && len(line) > 2 {
			r.logon.ntlm.Header(d, line[2:])
		}
		return
	}
	switch c.Command.Command {
	case "AUTH":
		r.auth = false
		if r.logon.ntlm != nil && r.logon.ntlm.Pending() {
			r.logon.ntlm.End(d, ok, status(ok))
		}
		r.multi = ok && c.Object == ""
	case "CAPA", "RETR", "TOP":
		r.multi = ok
	case "LIST", "UIDL":
		r.multi = ok && c.tag == ""
	case "STLS":
		r.held = false
		if ok {
			r.answer(d, 0, "+OK", "true")
			d.Anew()
			return
		}
	}
	if r.multi {
		r.block = lines.Block{}
		return
	}
	r.end(d, ok)
}

func (r *pop3Reader) blockEnds(d *dialog.Dialog) {
	r.multi = false
	if c := r.first(); c != nil {
		if c.Command.Command == "RETR" || c.Command.Command == "TOP" {
			c.Size = r.block.Size
		}
		r.end(d, true)
	}
}

// end tells of the first command. Of USER nothing, if it is a logon to be.
func (r *pop3Reader) end(d *dialog.Dialog, ok bool) {
	c := r.first()
	switch c.Command.Command {
	case "PASS", "APOP", "AUTH":
		if ok {
			r.user = c.User
		}
	case "USER":
		if ok {
			copy(r.list, r.list[1:])
			r.list[len(r.list)-1] = asked{}
			r.list = r.list[:len(r.list)-1]
			return
		}
	}
	success := "false"
	if ok {
		success = "true"
	}
	r.answer(d, 0, status(ok), success)
}

func status(ok bool) string {
	if ok {
		return "+OK"
	}
	return "-ERR"
}

// Lost implements [dialog.Reader].
func (r *pop3Reader) Lost(d *dialog.Dialog, from dialog.End, n int) bool {
	if from == dialog.Server && r.multi {
		r.block.Lost(n)
		return true
	}
	r.forget(d)
	r.held, r.auth, r.multi = false, false, false
	r.cut[from].Lost()
	return true
}

// Close implements [dialog.Reader].
func (r *pop3Reader) Close(d *dialog.Dialog) {
	if c := r.first(); c != nil && r.multi {
		c.Size = r.block.Size
	}
	r.forget(d)
	r.told.Flush(d)
	if r.logon.ntlm != nil {
		r.logon.ntlm.Close(d)
	}
}
