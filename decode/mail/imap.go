package mail

import (
	"bytes"
	"strconv"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/internal/lines"
	"github.com/weir-nta/weir/internal/sasl"
	"github.com/weir-nta/weir/internal/uri"
)

// An imapReader reads a conversation of IMAP.
type imapReader struct {
	queue
	ends    [2]imapSide
	greeted bool
	mode    imapMode // of the client
	server  string
	user    string // who is logged on
	logon   logon
}

// An imapSide is how far one end has been read: its lines contain literals
// (RFC 9051, 4.3).
type imapSide struct {
	cut     lines.Cutter
	literal uint64 // octets of one to come
	inside  bool   // the line goes on behind a literal
	wanted  bool   // the literal is the name of who logs on, or a mailbox
}

// An imapMode is what the client is expected to say next.
type imapMode uint8

const (
	saysTagged    imapMode = iota
	saysLogon              // responses of AUTHENTICATE
	saysDone               // DONE, which ends IDLE
	waitsForReply          // nothing before the answer to STARTTLS
	compresses             // nothing that can be read
)

// NewIMAP returns a reader of IMAP.
func NewIMAP() dialog.Reader { return &imapReader{} }

// Read implements [dialog.Reader].
func (r *imapReader) Read(d *dialog.Dialog, from dialog.End, b []byte) int {
	s := &r.ends[from]
	used := 0
	for used < len(b) && !d.IsAnew() { // each turn takes something or is the last
		switch {
		case r.mode == compresses:
			return dialog.Stop
		case r.mode == waitsForReply && from == dialog.Client:
			return used
		case s.literal > 0:
			n := r.takeLiteral(from, b[used:])
			if n == 0 {
				return used
			}
			used += n
			continue
		}
		line, n, ok := s.cut.Next(b[used:])
		used += n
		if !ok {
			return used
		}
		inside := s.inside
		s.literal, s.inside = literal(line)
		switch {
		case from == dialog.Server && !inside:
			r.reply(d, line)
		case from == dialog.Server:
		case inside:
			r.goesOn()
		default:
			r.line(d, line)
		}
	}
	return used
}

// takeLiteral passes over a literal, or takes the name that it is.
func (r *imapReader) takeLiteral(from dialog.End, b []byte) int {
	const step = 1 << 30
	s := &r.ends[from]
	if s.wanted {
		if s.literal <= maxObject && uint64(len(b)) < s.literal {
			return 0
		}
		s.wanted = false
		if len(r.list) > 0 {
			r.named(&r.list[len(r.list)-1], b[:min(s.literal, maxObject, uint64(len(b)))])
		}
	}
	n := min(s.literal, uint64(len(b))+step)
	s.literal -= n
	return int(n)
}

// named notes the first argument of a command: a user or a mailbox.
func (r *imapReader) named(c *asked, name []byte) {
	if c.Command.Command == "LOGIN" {
		c.User = object(name)
	} else {
		c.Object = object(name)
	}
}

// literal returns the length of the literal that a line announces at its end.
func literal(line []byte) (n uint64, ok bool) {
	if len(line) < 3 || line[len(line)-1] != '}' {
		return 0, false
	}
	i := bytes.LastIndexByte(line, '{')
	if i < 0 {
		return 0, false
	}
	digits := bytes.TrimSuffix(line[i+1:len(line)-1], []byte("+"))
	n, err := strconv.ParseUint(string(digits), 10, 62)
	return n, err == nil
}

// line takes the first line of what the client says.
func (r *imapReader) line(d *dialog.Dialog, line []byte) {
	switch r.mode {
	case saysLogon:
		if c := r.latest(); c != nil {
			if user := r.logon.user(d, line); user != "" {
				c.User = user
			}
		}
	case saysDone:
		if bytes.EqualFold(line, []byte("DONE")) {
			r.mode = saysTagged
			return
		}
		r.command(d, line)
	default:
		r.command(d, line)
	}
}

func (r *imapReader) latest() *asked {
	if len(r.list) == 0 {
		return nil
	}
	return &r.list[len(r.list)-1]
}

func (r *imapReader) command(d *dialog.Dialog, line []byte) {
	tag, rest := lines.CutWord(line)
	word, rest := lines.CutWord(rest)
	if len(tag) == 0 || len(word) == 0 {
		return
	}
	c := asked{tag: uri.Printable(tag, maxTag), Command: weir.Command{Protocol: "imap", Command: verbs.Of(word), User: r.user}}
	s := &r.ends[dialog.Client]
	mode := saysTagged
	switch c.Command.Command {
	case "UID":
		word, _ = lines.CutWord(rest)
		c.Command.Command = "UID " + verbs.Of(word)
	case "LOGIN":
		c.Server = r.server
		r.argument(s, &c, rest)
	case "AUTHENTICATE":
		mechanism, initial := lines.CutWord(rest)
		r.logon.Begin(mechanism)
		c.Object, c.Server = r.logon.Mechanism, r.server
		mode = saysLogon
		if len(initial) > 0 {
			c.User = r.logon.user(d, initial)
		}
	case "SELECT", "EXAMINE", "CREATE", "DELETE", "RENAME", "SUBSCRIBE", "UNSUBSCRIBE", "STATUS":
		r.argument(s, &c, rest)
	case "APPEND":
		if s.literal > 0 {
			c.Size = s.literal
		}
		if i := bytes.LastIndexByte(rest, '{'); i > 0 && s.inside {
			r.argument(s, &c, rest[:i])
		}
	case "STARTTLS":
		mode = waitsForReply
	case "IDLE":
		mode = saysDone
	case "COMPRESS":
		c.Object = object(rest)
	}
	if r.add(d, c) != nil {
		r.mode = mode
	}
}

// argument takes the first argument of a command: an atom or a quoted string, or
// a literal to come.
func (r *imapReader) argument(s *imapSide, c *asked, b []byte) {
	if len(b) > 0 && b[0] == '{' && s.inside {
		s.wanted = s.literal > 0
		return
	}
	if len(b) > 0 && b[0] == '"' {
		if i := bytes.IndexByte(b[1:], '"'); i >= 0 {
			r.named(c, b[1:1+i])
		}
		return
	}
	word, _ := lines.CutWord(b)
	r.named(c, word)
}

// goesOn takes what stands behind a literal of a command.
func (r *imapReader) goesOn() {
	if c := r.latest(); c != nil && c.Command.Command == "APPEND" && r.ends[dialog.Client].inside {
		c.Size += r.ends[dialog.Client].literal
	}
}

// reply takes the first line of what the server says.
func (r *imapReader) reply(d *dialog.Dialog, line []byte) {
	tag, rest := lines.CutWord(line)
	switch {
	case len(tag) == 1 && tag[0] == '+':
		if r.logon.ntlm != nil && r.mode == saysLogon {
			r.logon.ntlm.Header(d, rest)
		}
	case len(tag) == 1 && tag[0] == '*':
		if !r.greeted {
			r.greet(rest)
		}
	default:
		r.tagged(d, tag, rest)
	}
	r.greeted = true
}

// greet takes the greeting: what is behind its code and capabilities.
func (r *imapReader) greet(rest []byte) {
	_, text := lines.CutWord(rest)
	if len(text) > 0 && text[0] == '[' {
		_, text, _ = bytes.Cut(text, []byte("]"))
	}
	r.server = uri.Printable(bytes.TrimSpace(text), maxBanner)
}

// tagged takes the answer to a command.
func (r *imapReader) tagged(d *dialog.Dialog, tag, rest []byte) {
	i := 0
	for i < len(r.list) && r.list[i].tag != string(tag[:min(len(tag), maxTag)]) {
		i++
	}
	if i == len(r.list) {
		r.untracked = max(r.untracked-1, 0)
		return
	}
	word, _ := lines.CutWord(rest)
	result := verbs.Of(word)
	ok := result == "OK"
	success := "false"
	if ok {
		success = "true"
	}
	c := &r.list[i]
	name := c.Command.Command
	switch name {
	case "LOGIN", "AUTHENTICATE":
		if ok {
			r.user = c.User
		}
		if r.logon.ntlm != nil && r.logon.ntlm.Pending() {
			r.logon.ntlm.End(d, ok, result)
		}
		r.mode = saysTagged
	case "STARTTLS", "IDLE":
		r.mode = saysTagged
	case "COMPRESS":
		if ok {
			r.mode = compresses
		}
	}
	r.answer(d, i, result, success)
	if name == "STARTTLS" && ok {
		d.Anew()
	}
}

// Lost implements [dialog.Reader].
func (r *imapReader) Lost(d *dialog.Dialog, from dialog.End, n int) bool {
	s := &r.ends[from]
	if r.mode == compresses {
		return false
	}
	if uint64(n) <= s.literal {
		s.literal -= uint64(n)
		s.wanted = false
		return true
	}
	*s = imapSide{}
	s.cut.Lost()
	if r.mode == saysLogon { // which of the responses comes next is not known: the password may
		r.logon.Exchange = sasl.Exchange{Mechanism: "unknown"}
	}
	if from == dialog.Server {
		r.forget(d) // of whose answers some are lost
		r.mode = saysTagged
	}
	return true
}

// Close implements [dialog.Reader].
func (r *imapReader) Close(d *dialog.Dialog) {
	r.forget(d)
	r.told.Flush(d)
	if r.logon.ntlm != nil {
		r.logon.ntlm.Close(d)
	}
}
