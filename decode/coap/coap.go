// Package coap reads what is asked for by the Constrained Application Protocol
// (RFC 7252) over UDP: method, path and the code of the answer. Contents and the
// values of queries are passed over.
package coap

import (
	"fmt"
	"strings"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/internal/uri"
)

// maxWaiting is how many requests wait for their answer; the oldest one makes
// room and is told without. maxPath is how much of a path is kept, in octets.
const (
	maxWaiting = 16
	maxPath    = 256
)

// methods are the requests (RFC 7252, 12.1.1; RFC 8132).
var methods = [...]string{1: "get", 2: "post", 3: "put", 4: "delete", 5: "fetch", 6: "patch", 7: "ipatch"}

type reader struct {
	commands dialog.Commands
	waiting  [maxWaiting]request
	next     int
}

// A request waits for the answer with its token. One end may ask as well as
// the other.
type request struct {
	from    dialog.End
	token   string
	waiting bool
	command weir.Command
}

// New returns a reader of one conversation.
func New() dialog.Reader { return &reader{} }

func (r *reader) Read(d *dialog.Dialog, from dialog.End, b []byte) int {
	const header = 4
	if len(b) < header || b[0]>>6 != 1 {
		return 0
	}
	n, code := header+int(b[0]&0xf), b[1]
	if n > header+8 || len(b) < n {
		return 0
	}
	token := string(b[header:n])
	switch class := code >> 5; {
	case class == 0 && code > 0 && int(code) < len(methods):
		r.ask(d, request{from, token, true, weir.Command{Protocol: "coap", Command: methods[code], Object: path(b[n:])}})
	case class >= 2 && class <= 5:
		r.answer(d, from, token, code)
	}
	return 0
}

func (r *reader) ask(d *dialog.Dialog, q request) {
	for i := range r.waiting { // sent again
		if w := &r.waiting[i]; w.waiting && w.from == q.from && w.token == q.token && w.command.Object == q.command.Object {
			return
		}
	}
	at := &r.waiting[r.next]
	r.next = (r.next + 1) % maxWaiting
	if at.waiting {
		r.commands.Add(d, at.command)
	}
	*at = q
}

func (r *reader) answer(d *dialog.Dialog, from dialog.End, token string, code byte) {
	for i := range r.waiting {
		w := &r.waiting[i]
		if !w.waiting || w.from == from || w.token != token {
			continue
		}
		w.waiting = false
		c := w.command
		c.Status, c.Success = fmt.Sprintf("%d.%02d", code>>5, code&0x1f), "true"
		if code>>5 > 2 {
			c.Success = "false"
		}
		r.commands.Add(d, c)
		return
	}
}

// path returns the path and the names of the query of a request (RFC 7252, 5.10).
func path(b []byte) string {
	const uriHost, uriPath, uriQuery = 3, 11, 15
	var out strings.Builder
	number := 0
	mark := byte('?')
	for len(b) > 0 && b[0] != 0xff && out.Len() < maxPath {
		delta, length := int(b[0]>>4), int(b[0]&0xf)
		b = b[1:]
		var ok bool
		if delta, b, ok = extended(delta, b); !ok {
			break
		}
		if length, b, ok = extended(length, b); !ok || len(b) < length {
			break
		}
		number += delta
		switch number {
		case uriHost:
			out.WriteString("//" + uri.Printable(b[:length], maxPath))
		case uriPath:
			out.WriteString("/" + uri.Printable(b[:length], maxPath))
		case uriQuery:
			key, _, _ := strings.Cut(uri.Printable(b[:length], maxPath), "=")
			out.WriteString(string(mark) + key)
			mark = '&'
		}
		b = b[length:]
	}
	return out.String()[:min(out.Len(), maxPath)]
}

// extended reads a number of an option that did not fit its four bits (RFC 7252, 3.1).
func extended(n int, b []byte) (int, []byte, bool) {
	switch {
	case n < 13:
		return n, b, true
	case n == 13 && len(b) >= 1:
		return 13 + int(b[0]), b[1:], true
	case n == 14 && len(b) >= 2:
		return 269 + int(b[0])<<8 + int(b[1]), b[2:], true
	}
	return 0, nil, false
}

// Lost means nothing where there is no stream.
func (r *reader) Lost(*dialog.Dialog, dialog.End, int) bool { return true }

func (r *reader) Close(d *dialog.Dialog) {
	for i := range r.waiting {
		if w := &r.waiting[(r.next+i)%maxWaiting]; w.waiting {
			w.waiting = false
			r.commands.Add(d, w.command)
		}
	}
	r.commands.Flush(d)
}
