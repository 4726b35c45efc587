// Package irc reads IRC (RFC 2812, with IRCv3's CAP, AUTHENTICATE and STARTTLS,
// and CTCP's DCC): each command of a client and how it ended is a
// [weir.Command], equal ones counted.
//
// Objects are nicknames, channels and those a message is for; what messages say
// is not kept, nor are passwords and keys of channels. Messages that the client
// is sent have the status "received", so that a channel full of orders is told
// from one full of answers. NICK and USER end with the welcome of the server
// (001) or with the numeric of an error, JOIN likewise. A file offered by DCC SEND
// has its name as object and its size; the connection that fetches it is
// expected, and named irc-dcc-data.
//
// What the server says it runs (004) stands with JOIN. STARTTLS gives the
// conversation back to be recognised anew. A reader keeps up to 8 commands that
// wait for a numeric, under 600 octets each; those beyond are told without.
package irc

import (
	"bytes"
	"net/netip"
	"strconv"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/internal/lines"
	"github.com/weir-nta/weir/internal/sasl"
	"github.com/weir-nta/weir/internal/uri"
)

// Bounds of what is kept, in octets and commands.
const (
	maxObject  = 128
	maxServer  = 128
	maxPending = 8
	maxParams  = 15 // RFC 2812, 2.3
)

// dccApp is what connections for files are called.
const dccApp = "irc-dcc-data"

// A reader reads one conversation.
type reader struct {
	cut    [2]lines.Cutter
	told   dialog.Commands
	list   []weir.Command // that wait for a numeric
	nick   string
	server string
	held   bool // the client says nothing before the answer to STARTTLS
	auth   sasl.Exchange
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
		var m message
		switch m.parse(line); {
		case from == dialog.Server:
			r.fromServer(d, &m)
		default:
			r.fromClient(d, &m)
		}
	}
	return used
}

// A message is one line, taken apart (RFC 2812, 2.3.1).
type message struct {
	command string // in upper case
	params  [maxParams][]byte
	n       int
}

func (m *message) parse(line []byte) {
	for len(line) > 0 && (line[0] == '@' || line[0] == ':') { // tags, then who says it
		_, line = lines.CutWord(line)
	}
	word, rest := lines.CutWord(line)
	m.command = verbs.Of(word)
	for len(rest) > 0 && m.n < maxParams {
		if rest[0] == ':' {
			m.params[m.n] = rest[1:]
			m.n++
			return
		}
		m.params[m.n], rest = lines.CutWord(rest)
		m.n++
	}
}

// object returns a parameter as it is kept: of the last one, which may have
// spaces in it, the first word. What comes behind may be a password or a key.
func (m *message) object(i int) string {
	if i >= m.n {
		return ""
	}
	word, _ := lines.CutWord(m.params[i])
	return uri.Printable(word, maxObject)
}

func (r *reader) fromClient(d *dialog.Dialog, m *message) {
	c := weir.Command{Protocol: "irc", Command: m.command, User: r.nick}
	switch m.command {
	case "", "PING", "PONG":
		return
	case "NICK":
		c.Object = m.object(0)
		if r.nick == "" {
			r.nick = c.Object
		}
		r.wait(d, c)
	case "USER", "OPER":
		c.Object = m.object(0)
		r.wait(d, c)
	case "JOIN":
		c.Object, c.Server = m.object(0), r.server
		r.wait(d, c)
	case "PASS":
		r.wait(d, c)
	case "AUTHENTICATE":
		r.authenticate(d, c, m)
	case "STARTTLS":
		r.held = r.wait(d, c)
	case "PRIVMSG", "NOTICE":
		c.Object = m.object(0)
		r.talk(d, c, m, false)
	case "CAP":
		c.Object = m.object(0) // LS, REQ …
		r.told.Add(d, c)
	case "QUIT", "AWAY", "WALLOPS", "SETNAME", lines.Unknown: // texts
		r.told.Add(d, c)
	default:
		c.Object = m.object(0)
		r.told.Add(d, c)
	}
}

// authenticate takes a step of a logon (IRCv3, sasl): first the mechanism.
func (r *reader) authenticate(d *dialog.Dialog, c weir.Command, m *message) {
	if m.n == 0 {
		return
	}
	for i := range r.list {
		if r.list[i].Command == c.Command {
			if user := r.auth.Response(m.params[0]); len(user) > 0 {
				r.list[i].User = uri.Printable(user, maxObject)
			}
			return
		}
	}
	r.auth.Begin(m.params[0])
	c.Object = r.auth.Mechanism
	r.wait(d, c)
}

// wait lets a command wait for a numeric. It returns false, and has told of it,
// if there is no room.
func (r *reader) wait(d *dialog.Dialog, c weir.Command) bool {
	if len(r.list) >= maxPending {
		r.told.Add(d, c)
		return false
	}
	c.Time = d.Time
	r.list = append(r.list, c)
	return true
}

// talk tells of a message, and of a file that it offers.
func (r *reader) talk(d *dialog.Dialog, c weir.Command, m *message, received bool) {
	if received {
		c.Status = "received"
	}
	if m.n > 1 && len(m.params[1]) > 0 && m.params[1][0] == 1 {
		if offer, ok := offered(m.params[1]); ok {
			c.Command, c.Size, c.Object = "DCC SEND", offer.size, offer.name
			if received && offer.at.IsValid() && offer.at.Port() != 0 {
				d.ExpectFlow(dialog.Expected{From: d.Src, To: offer.at.Addr(), Port: offer.at.Port(), App: dccApp})
			}
		}
	}
	r.told.Add(d, c)
}

// An offer is one of a file.
type offer struct {
	name string
	at   netip.AddrPort
	size uint64
}

// offered reads "DCC SEND name address port size" between two octets of 1, where
// the address is a number, or an IPv6 address; names with spaces are quoted.
func offered(b []byte) (o offer, ok bool) {
	b = bytes.Trim(b, "\x01")
	const begin = "DCC SEND "
	if len(b) < len(begin) || !bytes.EqualFold(b[:len(begin)], []byte(begin)) {
		return o, false
	}
	b = b[len(begin):]
	var name []byte
	if len(b) > 0 && b[0] == '"' {
		name, b, _ = bytes.Cut(b[1:], []byte(`"`))
		b = bytes.TrimLeft(b, " ")
	} else {
		name, b = lines.CutWord(b)
	}
	o.name = uri.Printable(name, maxObject)
	where, b := lines.CutWord(b)
	port, b := lines.CutWord(b)
	size, _ := lines.CutWord(b)
	p, err := strconv.ParseUint(string(port), 10, 16)
	if err != nil {
		return o, false
	}
	o.at = netip.AddrPortFrom(address(string(where)), uint16(p))
	o.size, _ = strconv.ParseUint(string(size), 10, 62)
	return o, len(name) > 0
}

func address(s string) netip.Addr {
	if n, err := strconv.ParseUint(s, 10, 32); err == nil {
		return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap().WithZone("")
}

func (r *reader) fromServer(d *dialog.Dialog, m *message) {
	switch m.command {
	case "PRIVMSG", "NOTICE":
		if m.command == "PRIVMSG" || r.isDCC(m) {
			r.talk(d, weir.Command{Protocol: "irc", Command: m.command, Object: m.object(0), User: r.nick}, m, true)
		}
	case "001": // welcome: who the client is from now on
		if m.n > 0 {
			r.nick = m.object(0)
		}
		r.ended(d, "001", true, "PASS", "NICK", "USER")
	case "004": // name, version
		if r.server = m.object(2); m.n < 3 {
			r.server = m.object(1)
		}
	case "JOIN":
		r.joined(d, m)
	case "NICK":
		r.ended(d, "", true, "NICK")
	case "366": // the end of a channel's names
		r.ended(d, "366", true, "JOIN")
	case "381":
		r.ended(d, "381", true, "OPER")
	case "900", "903":
		r.ended(d, "903", true, "AUTHENTICATE")
	case "902", "904", "905", "906", "907":
		r.ended(d, m.command, false, "AUTHENTICATE")
	case "431", "432", "433", "436", "437":
		r.ended(d, m.command, false, "NICK")
	case "464":
		r.ended(d, "464", false, "PASS", "OPER")
	case "465":
		r.ended(d, "465", false, "PASS", "NICK", "USER")
	case "491":
		r.ended(d, "491", false, "OPER")
	case "403", "405", "471", "473", "474", "475", "476", "477", "489":
		r.ended(d, m.command, false, "JOIN")
	case "670":
		r.held = false
		if r.ended(d, "670", true, "STARTTLS") {
			d.Anew()
		}
	case "691", "421":
		r.held = false
		r.ended(d, m.command, false, "STARTTLS")
	}
}

func (r *reader) isDCC(m *message) bool {
	return m.n > 1 && bytes.HasPrefix(m.params[1], []byte("\x01DCC SEND "))
}

// joined takes a JOIN of the server: that of this client or of another.
func (r *reader) joined(d *dialog.Dialog, m *message) {
	for i := range r.list {
		if r.list[i].Command == "JOIN" && r.list[i].Object == m.object(0) {
			r.end(d, i, "", "true")
			return
		}
	}
}

// ended tells of the first that waits of each of these commands, and reports
// whether there was one.
func (r *reader) ended(d *dialog.Dialog, status string, ok bool, commands ...string) (found bool) {
	success := "false"
	if ok {
		success = "true"
	}
	for _, name := range commands {
		for i := range r.list {
			if r.list[i].Command == name {
				r.end(d, i, status, success)
				found = true
				break
			}
		}
	}
	return found
}

// end tells of the command at i and forgets it.
func (r *reader) end(d *dialog.Dialog, i int, status, success string) {
	c := r.list[i]
	n := i + copy(r.list[i:], r.list[i+1:])
	r.list[n] = weir.Command{}
	r.list = r.list[:n]
	c.Status, c.Success = status, success
	if c.Command == "JOIN" {
		c.Server = r.server
	}
	now := d.Time
	d.Time = c.Time // that of the command
	r.told.Add(d, c)
	d.Time = now
}

// Lost implements [dialog.Reader].
func (r *reader) Lost(_ *dialog.Dialog, from dialog.End, _ int) bool {
	r.cut[from].Lost()
	r.held = false
	r.auth = sasl.Exchange{Mechanism: "unknown"} // which response comes next is not known
	return true
}

// Close implements [dialog.Reader].
func (r *reader) Close(d *dialog.Dialog) {
	for len(r.list) > 0 {
		r.end(d, 0, "", "")
	}
	r.told.Flush(d)
}

var verbs = lines.NewVerbs(
	"", "PASS", "NICK", "USER", "OPER", "MODE", "SERVICE", "QUIT", "SQUIT", "JOIN", "PART", "TOPIC", "NAMES", "LIST", "INVITE", "KICK",
	"PRIVMSG", "NOTICE", "MOTD", "LUSERS", "VERSION", "STATS", "LINKS", "TIME", "CONNECT", "TRACE", "ADMIN", "INFO", "SERVLIST",
	"SQUERY", "WHO", "WHOIS", "WHOWAS", "KILL", "PING", "PONG", "ERROR", "AWAY", "REHASH", "DIE", "RESTART", "SUMMON", "USERS",
	"WALLOPS", "USERHOST", "ISON", "CAP", "AUTHENTICATE", "STARTTLS", "TAGMSG", "MONITOR", "SETNAME", "CHGHOST", "ACCOUNT",
	"001", "004", "366", "381", "403", "405", "421", "431", "432", "433", "436", "437", "464", "465", "471", "473", "474", "475", "476",
	"477", "489", "491", "670", "691", "900", "902", "903", "904", "905", "906", "907",
)
