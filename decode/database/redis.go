package database

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/internal/uri"
)

// maxPending is how many commands wait for their reply. Beyond it they are told
// without how they ended, and so are all after them.
const maxPending = 64

// maxLine is how long a line of RESP or of an inline command may be.
const maxLine = 4 << 10

// maxArgs is how many arguments a command may have that is read.
const maxArgs = 1 << 10

// maxElements is how many elements of a reply may be still to come.
const maxElements = 1 << 24

// A redis reads the commands of one connection: their names and, of those that
// change the server itself, what they change. Keys and values are contents.
type redis struct {
	commands dialog.Commands
	pending  []weir.Command
	blind    bool // replies are no longer matched: too many wait, or they are pushed
	deep     int  // elements of an aggregate reply still to come
	failed   bool // what is being replied is an error
	text     string
}

// NewRedis returns a reader of one connection to Redis.
func NewRedis() dialog.Reader { return &redis{} }

func (r *redis) Read(d *dialog.Dialog, from dialog.End, b []byte) int {
	if from == dialog.Client {
		return r.client(d, b)
	}
	if r.blind {
		return dialog.Stop
	}
	return r.server(d, b)
}

// client reads one command: an array of bulk strings, or a line.
func (r *redis) client(d *dialog.Dialog, b []byte) int {
	line, used, ok := cutLine(b)
	switch {
	case !ok && len(b) > maxLine:
		return dialog.Stop
	case !ok:
		return 0
	case len(line) == 0:
		return used
	case line[0] != '*':
		r.command(d, bytes.Fields(line))
		return used
	}
	n, ok := number(line[1:])
	if !ok || n > maxArgs {
		return dialog.Stop
	}
	var args [][]byte
	for range n {
		line, more, ok := cutLine(b[used:])
		if !ok {
			return 0
		}
		size, ok := number(line[min(1, len(line)):])
		if !ok || len(line) == 0 || line[0] != '$' {
			return dialog.Stop
		}
		used += more
		if len(args) < 3 { // the others are not looked at
			if len(b) < used+size+2 && size <= maxLine {
				return 0
			}
			args = append(args, b[min(used, len(b)):min(used+size, len(b))])
		}
		if used += size + 2; used > len(b) {
			if len(args) == n || len(b) > maxLine {
				break // the last one, or a value too long to wait for: it is passed over
			}
			return 0
		}
	}
	r.command(d, args)
	return used
}

// changes are the commands of which the first argument names what of the
// server is changed or run.
var changes = map[string]bool{
	"CONFIG": true, "MODULE": true, "SCRIPT": true, "FUNCTION": true, "CLIENT": true, "ACL": true, "DEBUG": true,
	"SLAVEOF": true, "REPLICAOF": true, "MIGRATE": true, "CLUSTER": true, "SELECT": true,
}

func (r *redis) command(d *dialog.Dialog, args [][]byte) {
	if len(args) == 0 {
		return
	}
	c := weir.Command{Protocol: "redis", Command: strings.ToUpper(uri.Printable(args[0], 32)), Count: 1}
	c.Endpoints = d.Endpoints
	switch {
	case c.Command == "AUTH" && len(args) > 2:
		c.User = uri.Printable(args[1], maxName)
	case changes[c.Command] && len(args) > 1:
		c.Object = uri.Printable(bytes.Join(args[1:], []byte(" ")), maxName)
	}
	if strings.HasSuffix(c.Command, "SUBSCRIBE") || c.Command == "MONITOR" || c.Command == "CLIENT" && silences(args) {
		r.blind = true // what comes now are no replies
	}
	if len(r.pending) >= maxPending {
		r.blind = true
	}
	if r.blind {
		r.flush(d)
		r.commands.Add(d, c)
		return
	}
	r.pending = append(r.pending, c)
}

// silences reports whether a CLIENT command leaves replies out: REPLY OFF or SKIP.
func silences(args [][]byte) bool {
	return len(args) > 2 && bytes.EqualFold(args[1], []byte("reply")) && !bytes.EqualFold(args[2], []byte("on"))
}

// server reads one element of a reply: a line, or the length of what follows.
func (r *redis) server(d *dialog.Dialog, b []byte) int {
	line, used, ok := cutLine(b)
	switch {
	case !ok && len(b) > maxLine:
		return dialog.Stop
	case !ok:
		return 0
	case len(line) == 0:
		return dialog.Stop
	}
	if r.deep == 0 {
		r.deep = 1
	}
	r.deep--
	n, _ := number(line[1:])
	switch line[0] {
	case '$', '=', '!':
		if !bytes.HasPrefix(line[1:], []byte("-")) { // of length -1 there is nothing
			used += n + 2
		}
	case '*', '~':
		r.deep += n
	case '%':
		r.deep += 2 * n
	case '|': // attributes, and then what they are of
		r.deep += 2*n + 1
	case '>': // pushed, in no order that is known
		r.blind = true
		return dialog.Stop
	}
	if r.deep > maxElements {
		r.blind = true
		return dialog.Stop
	}
	if line[0] == '-' || line[0] == '!' {
		r.failed, r.text = true, errorName(line[1:])
	}
	if r.deep == 0 {
		r.replied(d)
	}
	return used
}

// errorName returns the first word of an error: the rest may quote values.
func errorName(b []byte) string {
	word, _, _ := bytes.Cut(b, []byte(" "))
	return uri.Printable(word, 32)
}

func (r *redis) replied(d *dialog.Dialog) {
	if len(r.pending) > 0 {
		c := r.pending[0]
		r.pending = r.pending[1:]
		c.Status, c.Success = "ok", "true"
		if r.failed {
			c.Status, c.Success = r.text, "false"
		}
		r.commands.Add(d, c)
	}
	r.failed = false
}

func (r *redis) flush(d *dialog.Dialog) {
	for _, c := range r.pending {
		r.commands.Add(d, c)
	}
	r.pending = nil
}

// Lost ends the reading: where the next command begins is not known.
func (r *redis) Lost(*dialog.Dialog, dialog.End, int) bool {
	r.blind = true
	return false
}

func (r *redis) Close(d *dialog.Dialog) {
	r.flush(d)
	r.commands.Flush(d)
}

// cutLine cuts b behind its first line, and returns how long that is with its end.
func cutLine(b []byte) (line []byte, used int, ok bool) {
	i := bytes.IndexByte(b[:min(len(b), maxLine)], '\n')
	if i < 0 {
		return nil, 0, false
	}
	return bytes.TrimSuffix(b[:i], []byte("\r")), i + 1, true
}

// number reads a length, 0 for the -1 that stands for nothing.
func number(b []byte) (int, bool) {
	n, err := strconv.Atoi(string(b[:min(len(b), 10)]))
	if err != nil || n > 512<<20 || n < -1 || len(b) > 10 {
		return 0, false
	}
	return max(n, 0), true
}
