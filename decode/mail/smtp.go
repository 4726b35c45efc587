package mail

import (
	"bytes"
	"strconv"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/internal/lines"
	"github.com/weir-nta/weir/internal/uri"
)

// An smtpReader reads a conversation of SMTP or LMTP.
type smtpReader struct {
	queue
	cut     [2]lines.Cutter
	mode    smtpMode // of the client
	block   lines.Block
	left    uint64 // octets of a BDAT to come
	greeted bool
	server  string
	user    string
	logon   logon
}

// An smtpMode is what the client is expected to say next.
type smtpMode uint8

const (
	saysCommands smtpMode = iota
	saysData              // a message up to a lone dot
	saysChunk             // octets of BDAT
	saysResponse          // responses of a logon
	waitsForTLS           // nothing before the answer to STARTTLS
)

// NewSMTP returns a reader of SMTP.
func NewSMTP() dialog.Reader { return &smtpReader{} }

// Read implements [dialog.Reader].
func (r *smtpReader) Read(d *dialog.Dialog, from dialog.End, b []byte) int {
	used := 0
	for used < len(b) && !d.IsAnew() { // each turn takes something or is the last
		if from == dialog.Client {
			switch r.mode {
			case waitsForTLS:
				return used
			case saysData:
				n, ended := r.block.Take(b[used:])
				if used += n; !ended {
					return used
				}
				r.dataEnds()
				continue
			case saysChunk:
				used += r.chunk(uint64(len(b) - used))
				continue
			}
		}
		line, n, ok := r.cut[from].Next(b[used:])
		used += n
		switch {
		case !ok:
			return used
		case from == dialog.Server:
			r.reply(d, line)
		case r.mode == saysResponse:
			r.response(d, line)
		default:
			r.command(d, line)
		}
	}
	return used
}

// command takes a line of the client.
func (r *smtpReader) command(d *dialog.Dialog, line []byte) {
	word, rest := lines.CutWord(line)
	if len(word) == 0 {
		return
	}
	c := asked{Command: weir.Command{Protocol: "smtp", Command: verbs.Of(word), User: r.user}}
	switch c.Command.Command {
	case "EHLO", "HELO", "LHLO":
		c.Object, c.Server = object(rest), r.server
	case "MAIL", "RCPT":
		c.Object = address(rest)
		c.Size = parameter(rest, "SIZE=")
	case "VRFY", "EXPN":
		c.Object = object(rest)
	case "DATA":
		r.mode, r.block = saysData, lines.Block{}
	case "BDAT":
		size, _ := lines.CutWord(rest)
		r.left, _ = strconv.ParseUint(string(size), 10, 62)
		c.Size = r.left
		if r.left > 0 {
			r.mode = saysChunk
		}
	case "AUTH":
		r.begin(d, &c, rest)
	case "STARTTLS":
		r.mode = waitsForTLS
	}
	if r.add(d, c) == nil && r.mode == waitsForTLS {
		r.mode = saysCommands
	}
}

// begin begins a logon.
func (r *smtpReader) begin(d *dialog.Dialog, c *asked, rest []byte) {
	mechanism, initial := lines.CutWord(rest)
	r.logon.Begin(mechanism)
	c.Object = r.logon.Mechanism
	c.Server = r.server
	r.mode = saysResponse
	if len(initial) > 0 {
		c.User = r.logon.user(d, initial)
	}
}

// response takes a line of the client within a logon. What is a command ends it:
// of a conversation of which only this end was seen.
func (r *smtpReader) response(d *dialog.Dialog, line []byte) {
	word, _ := lines.CutWord(line)
	switch verbs.Of(word) {
	case "MAIL", "EHLO", "HELO", "QUIT", "RSET":
		r.mode = saysCommands
		r.command(d, line)
		return
	}
	if user := r.logon.user(d, line); user != "" && len(r.list) > 0 {
		r.list[len(r.list)-1].User = user
	}
}

// chunk passes over octets of BDAT.
func (r *smtpReader) chunk(there uint64) int {
	const step = 1 << 30
	n := min(r.left, there+step)
	if r.left -= n; r.left == 0 {
		r.mode = saysCommands
	}
	return int(n)
}

// dataEnds notes the size of a message, whose reply is to come.
func (r *smtpReader) dataEnds() {
	r.mode = saysCommands
	for i := len(r.list) - 1; i >= 0; i-- {
		if r.list[i].Command.Command == "DATA" {
			r.list[i].Size = r.block.Size
			return
		}
	}
}

// reply takes a line of the server.
func (r *smtpReader) reply(d *dialog.Dialog, line []byte) {
	code, last, ok := lines.Code(line)
	if !ok {
		return
	}
	if !r.greeted {
		r.greeted = true
		if code == "220" && len(line) > 4 && r.server == "" {
			r.server = uri.Printable(bytes.TrimSpace(line[4:]), maxBanner)
			if c := r.first(); c != nil && isHello(c.Command.Command) {
				c.Server = r.server // who does not wait for the greeting
			}
		}
		if code == "220" || code == "554" {
			r.greeted = last
			return
		}
	}
	if !last {
		return
	}
	c := r.first()
	if c == nil {
		r.untracked = max(r.untracked-1, 0)
		return
	}
	switch c.Command.Command {
	case "AUTH":
		r.authReply(d, c, code, line)
		return
	case "DATA":
		if code == "354" { // go on
			return
		}
		if r.mode == saysData { // refused, or its end was not seen
			c.Size = r.block.Size
			r.mode = saysCommands
		}
	case "STARTTLS":
		r.mode = saysCommands
		if code == "220" {
			r.answer(d, 0, code, "true")
			d.Anew()
			return
		}
	}
	r.answer(d, 0, code, lines.Success(code))
}

func isHello(verb string) bool { return verb == "EHLO" || verb == "HELO" || verb == "LHLO" }

// authReply takes what the server says within a logon, up to its outcome.
func (r *smtpReader) authReply(d *dialog.Dialog, c *asked, code string, line []byte) {
	if code == "334" {
		if r.logon.ntlm != nil && len(line) > 4 {
			r.logon.ntlm.Header(d, line[4:])
		}
		return
	}
	r.mode = saysCommands
	success := "false"
	if code[0] == '2' {
		success = "true"
		r.user = c.User
	}
	if r.logon.ntlm != nil && r.logon.ntlm.Pending() {
		r.logon.ntlm.End(d, success == "true", code)
	}
	r.answer(d, 0, code, success)
}

// Lost implements [dialog.Reader].
func (r *smtpReader) Lost(d *dialog.Dialog, from dialog.End, n int) bool {
	switch {
	case from == dialog.Client && r.mode == saysData:
		r.block.Lost(n)
		return true
	case from == dialog.Client && r.mode == saysChunk && uint64(n) <= r.left:
		r.left -= uint64(n)
		if r.left == 0 {
			r.mode = saysCommands
		}
		return true
	}
	if r.mode != saysData { // whose reply is still to come
		r.forget(d)
		r.mode = saysCommands
	}
	r.cut[from].Lost()
	return true
}

// Close implements [dialog.Reader].
func (r *smtpReader) Close(d *dialog.Dialog) {
	if r.mode == saysData {
		r.dataEnds()
	}
	r.forget(d)
	r.told.Flush(d)
	if r.logon.ntlm != nil {
		r.logon.ntlm.Close(d)
	}
}

// address returns the path of MAIL or RCPT, without what is around it.
func address(b []byte) string {
	_, path, ok := bytes.Cut(b, []byte(":"))
	if !ok {
		return object(b)
	}
	path = bytes.TrimLeft(path, " ")
	if len(path) > 0 && path[0] == '<' {
		if i := bytes.IndexByte(path, '>'); i > 0 {
			return object(path[1:i])
		}
	}
	path, _ = lines.CutWord(path)
	return object(path)
}

// parameter returns the number behind a name in upper case, 0 if there is none.
func parameter(b []byte, name string) uint64 {
	for field := range bytes.FieldsSeq(b) {
		if len(field) > len(name) && bytes.EqualFold(field[:len(name)], []byte(name)) {
			n, _ := strconv.ParseUint(string(field[len(name):]), 10, 62)
			return n
		}
	}
	return 0
}
