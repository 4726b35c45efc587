package dcerpc

import "github.com/weir-nta/weir/decode/dialog"

// A Pipe reads the calls over one named pipe, whose octets come in the pieces
// that SMB writes and reads.
type Pipe struct {
	conn
	ends   [2]piece
	spoken bool // some of it was DCE/RPC
}

// A piece is what is left of an end.
type piece struct {
	buf    []byte // the beginning of a message, below maxNegotiation
	skip   int    // octets of a message to pass over
	astray bool   // no message begins where one should: the next piece may
}

// NewPipe returns the reader of a pipe by its name, such as "svcctl", which
// user has opened.
func NewPipe(name, user string) *Pipe {
	p := &Pipe{}
	p.user = user
	if name != "" {
		p.pipe = `\pipe\` + name
		p.usual = usualOf(name)
	}
	return p
}

// Data takes what an end has sent through the pipe, of which the last missing
// octets are not there.
func (p *Pipe) Data(d *dialog.Dialog, from dialog.End, b []byte, missing int) {
	e := &p.ends[from]
	if e.astray { // pieces of SMB begin with a message as a rule
		*e = piece{}
	}
	n := min(e.skip, len(b))
	e.skip -= n
	if b = b[n:]; len(b) > 0 {
		p.take(d, e, b)
	}
	p.miss(e, missing)
}

func (p *Pipe) take(d *dialog.Dialog, e *piece, b []byte) {
	kept := len(e.buf) > 0
	if kept {
		e.buf = append(e.buf, b...)
		b = e.buf
	}
	used, ok := p.read(d, b)
	p.spoken = p.spoken || used > 0
	if !ok {
		e.buf, e.astray = nil, true
		return
	}
	e.skip = max(used-len(b), 0)
	switch rest := b[min(used, len(b)):]; {
	case len(rest) == 0:
		e.buf = nil
	case kept:
		e.buf = e.buf[:copy(e.buf, rest)]
	default:
		e.buf = append([]byte(nil), rest...)
	}
}

// miss passes over n octets that are not there: within what is passed over
// anyway that is no loss.
func (p *Pipe) miss(e *piece, n int) {
	if n <= e.skip && len(e.buf) == 0 {
		e.skip -= n
	} else if n > 0 {
		*e = piece{astray: true}
	}
}

// Close says that the pipe is closed: calls that wait are told without answer.
func (p *Pipe) Close(d *dialog.Dialog) { p.close(d) }

// Spoken reports whether something of DCE/RPC was said over the pipe.
func (p *Pipe) Spoken() bool { return p.spoken }

// Begins reports whether b begins with a message of DCE/RPC.
func Begins(b []byte) bool {
	if len(b) < commonHeader {
		return false
	}
	h, ok := readHeader(b)
	return ok && h.flags&flagFirst != 0 && h.size >= callHeader
}
