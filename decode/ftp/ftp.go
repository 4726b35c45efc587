// Package ftp reads the control connections of FTP (RFC 959, with RFC 2428, RFC
// 3659 and RFC 4217): each command and how it ended is a [weir.Command], equal
// ones counted.
//
// The object is the argument of the command: the name of a file or folder as the
// client gave it, or address and port of PORT and EPRT. A logon is one record,
// PASS with its user, or USER where no password was asked for; passwords and
// accounts are not kept. RETR, STOR and the like tell the size where the server
// does (150, 213), and the final reply; what the server calls itself in its
// greeting stands with the logon.
//
// The connections for data that PASV, EPSV, PORT and EPRT agree on are expected:
// the meter names them ftp-data. Those who may begin one are the two ends of the
// control connection alone, so that nobody can have connections of others be
// named. AUTH with TLS gives the conversation back to be recognised anew.
//
// A reader keeps up to 16 commands that wait for their replies, each with an
// object of up to 256 octets; those beyond are told without a reply.
package ftp

import (
	"bytes"
	"net/netip"
	"strconv"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/internal/lines"
	"github.com/weir-nta/weir/internal/uri"
)

// Bounds of what is kept, in octets and commands.
const (
	maxObject  = 256
	maxUser    = 128
	maxBanner  = 128
	maxPending = 16
)

// dataApp is what connections for data are called.
const dataApp = "ftp-data"

// A reader reads one conversation.
type reader struct {
	cut       [2]lines.Cutter
	told      dialog.Commands
	list      []weir.Command // that wait for their replies
	untracked int            // told already, behind those of the list
	within    string         // the code of a reply of several lines
	greeted   bool
	held      bool // the client says nothing before the reply to AUTH
	server    string
	name      string // in USER
	user      string // who is logged on
}

// New returns a reader.
func New() dialog.Reader { return &reader{} }

// Read implements [dialog.Reader].
func (r *reader) Read(d *dialog.Dialog, from dialog.End, b []byte) int {
	used := 0
	for used < len(b) && !d.IsAnew() { // each turn takes something or is the last
		if from == dialog.Client && r.held {
			break
		}
		line, n, ok := r.cut[from].Next(b[used:])
		used += n
		if !ok {
			break
		}
		if from == dialog.Client {
			r.command(d, line)
		} else {
			r.reply(d, line)
		}
	}
	return used
}

// command takes a line of the client. Before ABOR and STAT there may be the
// interrupt of Telnet (RFC 959, 4.1.3).
func (r *reader) command(d *dialog.Dialog, line []byte) {
	for len(line) > 0 && line[0] >= 0xf0 {
		line = line[1:]
	}
	word, rest := lines.CutWord(line)
	if len(word) == 0 {
		return
	}
	c := weir.Command{Protocol: "ftp", Command: verbs.Of(word), User: r.user}
	switch c.Command {
	case "USER":
		r.name = uri.Printable(rest, maxUser)
		c.User, c.Server = r.name, r.server
	case "PASS":
		c.User, c.Server = r.name, r.server
	case "ACCT", "ADAT", lines.Unknown:
	case "SITE": // which of its own commands: with some servers one changes the password
		word, _ := lines.CutWord(rest)
		c.Object = object(word)
	case "AUTH":
		c.Object = object(rest)
		r.held = true
	case "PORT":
		if at, ok := hostPort(rest); ok {
			c.Object = at.String()
			r.active(d, at)
		} else {
			c.Object = object(rest)
		}
	case "EPRT":
		if at, ok := extended(rest); ok {
			c.Object = at.String()
			r.active(d, at)
		} else {
			c.Object = object(rest)
		}
	default:
		c.Object = object(rest)
	}
	r.add(d, c)
}

// add lets a command wait for its reply.
func (r *reader) add(d *dialog.Dialog, c weir.Command) {
	c.Time = d.Time
	if len(r.list) >= maxPending || r.untracked > 0 {
		r.untracked++
		r.held = false
		r.told.Add(d, c)
		return
	}
	r.list = append(r.list, c)
}

// active expects the server to connect to the client.
func (r *reader) active(d *dialog.Dialog, at netip.AddrPort) {
	d.ExpectFlow(dialog.Expected{From: d.Dst, To: at.Addr(), Port: at.Port(), App: dataApp})
}

// passive expects the client to connect to the server: where it says, and where
// it is, for one behind a translation of addresses says the wrong one.
func (r *reader) passive(d *dialog.Dialog, at netip.AddrPort) {
	d.ExpectFlow(dialog.Expected{From: d.Src, To: d.Dst, Port: at.Port(), App: dataApp})
	if at.Addr().IsValid() && at.Addr() != d.Dst {
		d.ExpectFlow(dialog.Expected{From: d.Src, To: at.Addr(), Port: at.Port(), App: dataApp})
	}
}

// reply takes a line of the server. One of several lines ends with the line that
// begins with its code and a space; those between may begin with anything.
func (r *reader) reply(d *dialog.Dialog, line []byte) {
	code, last, ok := lines.Code(line)
	if r.within != "" {
		if !ok || !last || code != r.within {
			return
		}
		r.within = ""
	} else {
		if !ok { // an answer all the same, without a code
			if r.greeted && len(line) > 0 && len(r.list) > 0 {
				r.held = r.held && r.list[0].Command != "AUTH"
				r.answer(d, "")
			}
			return
		}
		if code == "220" && !r.greeted && len(line) > 4 {
			r.server = uri.Printable(bytes.TrimSpace(line[4:]), maxBanner)
		}
		if !last {
			r.within = code
			return
		}
	}
	r.replied(d, code, line[min(4, len(line)):])
}

// replied takes the last line of a reply.
func (r *reader) replied(d *dialog.Dialog, code string, text []byte) {
	if !r.greeted && (code == "220" || code == "120") {
		r.greeted = code == "220"
		if len(r.list) > 0 { // who does not wait for the greeting
			r.list[0].Server = r.server
		}
		return
	}
	r.greeted = true
	if len(r.list) == 0 {
		r.untracked = max(r.untracked-1, 0)
		return
	}
	c := &r.list[0]
	if code[0] == '1' { // another one follows
		c.Size = max(c.Size, sizeIn(text))
		return
	}
	switch c.Command {
	case "USER":
		if code == "331" || code == "332" { // a password is asked for: PASS tells
			r.forgetFirst()
			return
		}
	case "AUTH":
		r.held = false
		if code == "234" || code == "334" {
			r.answer(d, code)
			if code == "234" {
				d.Anew()
			}
			return
		}
	case "SIZE":
		if code == "213" {
			c.Size, _ = strconv.ParseUint(string(bytes.TrimSpace(text)), 10, 62)
		}
	case "PASV", "EPSV", "LPSV", "SPSV", "CPSV":
		r.entered(d, c, code, text)
	}
	if (c.Command == "PASS" || c.Command == "USER") && code[0] == '2' {
		r.user = c.User
	}
	r.answer(d, code)
}

// entered takes where the server waits for a connection for data.
func (r *reader) entered(d *dialog.Dialog, c *weir.Command, code string, text []byte) {
	i := bytes.IndexByte(text, '(')
	inside := text[i+1:]
	if j := bytes.IndexByte(inside, ')'); j >= 0 {
		inside = inside[:j]
	}
	switch code {
	case "227":
		if i < 0 { // there are servers without the brackets
			inside = inside[max(bytes.IndexAny(inside, "0123456789"), 0):]
		}
		if at, ok := hostPort(inside); ok {
			c.Object = at.String()
			r.passive(d, at)
		}
	case "229":
		if at, ok := extended(inside); ok {
			c.Object = ":" + strconv.Itoa(int(at.Port()))
			r.passive(d, at)
		}
	}
}

// answer tells of the first command.
func (r *reader) answer(d *dialog.Dialog, code string) {
	c := r.list[0]
	r.forgetFirst()
	c.Status, c.Success = code, lines.Success(code)
	r.tell(d, c)
}

// tell tells of a command, at its own time.
func (r *reader) tell(d *dialog.Dialog, c weir.Command) {
	now := d.Time
	d.Time = c.Time
	r.told.Add(d, c)
	d.Time = now
}

func (r *reader) forgetFirst() {
	n := copy(r.list, r.list[1:])
	r.list[n] = weir.Command{}
	r.list = r.list[:n]
}

// Lost implements [dialog.Reader].
func (r *reader) Lost(d *dialog.Dialog, from dialog.End, _ int) bool {
	r.cut[from].Lost()
	r.forgetAll(d)
	r.held, r.within = false, ""
	return true
}

// forgetAll tells of the commands without a reply.
func (r *reader) forgetAll(d *dialog.Dialog) {
	for len(r.list) > 0 {
		c := r.list[0]
		r.forgetFirst()
		r.tell(d, c)
	}
	r.untracked = 0
}

// Close implements [dialog.Reader].
func (r *reader) Close(d *dialog.Dialog) {
	r.forgetAll(d)
	r.told.Flush(d)
}

// hostPort reads the six numbers of PORT and PASV (RFC 959, 5.3.2).
func hostPort(b []byte) (at netip.AddrPort, ok bool) {
	var n [6]byte
	for i := range n {
		var part []byte
		part, b, _ = bytes.Cut(b, []byte(","))
		if i == len(n)-1 { // what may stand behind it
			if end := bytes.IndexFunc(part, func(c rune) bool { return c < '0' || c > '9' }); end > 0 {
				part = part[:end]
			}
		}
		v, err := strconv.ParseUint(string(bytes.TrimSpace(part)), 10, 8)
		if err != nil {
			return at, false
		}
		n[i] = byte(v)
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(n[:4])), uint16(n[4])<<8|uint16(n[5])), true
}

// extended reads the argument of EPRT and the answer of EPSV, whose delimiter is
// its first character (RFC 2428, 2 and 3): |1|10.0.0.1|4711| or |||4711|.
func extended(b []byte) (at netip.AddrPort, ok bool) {
	if len(b) < 5 {
		return at, false
	}
	parts := bytes.SplitN(b[1:], b[:1], 4)
	if len(parts) < 3 {
		return at, false
	}
	port, err := strconv.ParseUint(string(parts[2]), 10, 16)
	if err != nil {
		return at, false
	}
	var addr netip.Addr
	if len(parts[1]) > 0 {
		if addr, err = netip.ParseAddr(string(parts[1])); err != nil {
			return at, false
		}
	}
	return netip.AddrPortFrom(addr.Unmap().WithZone(""), uint16(port)), true
}

// sizeIn returns the number in "Opening BINARY mode data connection for a (1234
// bytes)", 0 if there is none.
func sizeIn(text []byte) uint64 {
	i := bytes.LastIndexByte(text, '(')
	if i < 0 {
		return 0
	}
	digits, unit, _ := bytes.Cut(text[i+1:], []byte(" "))
	if !bytes.HasPrefix(unit, []byte("byte")) {
		return 0
	}
	n, _ := strconv.ParseUint(string(digits), 10, 62)
	return n
}

func object(b []byte) string { return uri.Printable(bytes.TrimSpace(b), maxObject) }

// verbs are those of IANA's registry of FTP commands and extensions (RFC 5797),
// and some of servers in use.
var verbs = lines.NewVerbs(
	"ABOR", "ACCT", "ADAT", "ALLO", "APPE", "AUTH", "AVBL", "CCC", "CDUP", "CLNT", "CONF", "COMB", "CPSV", "CSID", "CWD", "DELE", "DSIZ",
	"ENC", "EPRT", "EPSV", "FEAT", "HASH", "HELP", "HOST", "LANG", "LIST", "LPRT", "LPSV", "MD5", "MDTM", "MFCT", "MFF", "MFMT", "MIC",
	"MKD", "MLSD", "MLST", "MODE", "NLST", "NOOP", "OPTS", "PASS", "PASV", "PBSZ", "PORT", "PRET", "PROT", "PWD", "QUIT", "RANG", "REIN",
	"REST", "RETR", "RMD", "RMDA", "RNFR", "RNTO", "SITE", "SIZE", "SMNT", "SPSV", "STAT", "STOR", "STOU", "STRU", "SYST", "THMB", "TYPE",
	"USER", "XCRC", "XCUP", "XCWD", "XMD5", "XMKD", "XPWD", "XRMD", "XSHA",
)
