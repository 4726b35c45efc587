package tunnel

import (
	"encoding/binary"
	"strconv"
	"strings"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/decode/dtls"
	"github.com/weir-nta/weir/internal/uri"
)

// A STUN reads one conversation of STUN or TURN: some 500 octets, and the
// commands that wait to be handed on.
type STUN struct {
	commands dialog.Commands
	media    dtls.Reader       // of the media that the messages are about
	asked    [maxAsked]request // a ring
	next     int
}

// A request waits for its response.
type request struct {
	id      [12]byte
	command weir.Command
	open    bool
}

// maxAsked is how many requests wait at a time. More make the oldest be told as
// unanswered.
const maxAsked = 4

// NewSTUN returns a reader of STUN.
func NewSTUN() dialog.Reader { return &STUN{} }

// Parts of the header (RFC 8489, 5).
const (
	stunHeader   = 20
	stunCookie   = "\x21\x12\xa4\x42"
	maskClass    = 0x0110
	isRequest    = 0x0000
	isIndication = 0x0010
	isSuccess    = 0x0100
	isError      = 0x0110
)

// Attributes (RFC 8489, 18.3).
const (
	attrUser     = 0x0006
	attrError    = 0x0009
	attrRealm    = 0x0014
	attrSoftware = 0x8022
	// maxAttributes is how many of one message are looked at.
	maxAttributes = 64
	maxText       = 128
)

// stunMethods are the methods (RFC 8489, 18.2; RFC 8656, 17; RFC 6062, 6.1).
var stunMethods = map[uint16]string{
	0x001: "binding", 0x003: "allocate", 0x004: "refresh", 0x006: "send", 0x007: "data", 0x008: "create_permission",
	0x009: "channel_bind", 0x00a: "connect", 0x00b: "connection_bind", 0x00c: "connection_attempt",
}

// Read takes one datagram, or of a stream as many messages as are whole.
func (r *STUN) Read(d *dialog.Dialog, from dialog.End, b []byte) int {
	if d.Proto != weir.TCP {
		if dtls.Is(b) {
			r.media.Read(d, from, b)
		} else {
			r.message(d, b)
		}
		return len(b)
	}
	used := 0
	for len(b)-used >= stunHeader {
		rest := b[used:]
		n := stunHeader + int(binary.BigEndian.Uint16(rest[2:]))
		if string(rest[4:8]) != stunCookie { // the data of a channel, which is another's
			return dialog.Stop
		}
		if len(rest) < n {
			break
		}
		r.message(d, rest[:n])
		used += n
	}
	return used
}

// Lost gives up: where the next message begins cannot be known.
func (r *STUN) Lost(*dialog.Dialog, dialog.End, int) bool { return false }

// Close tells what was not answered.
func (r *STUN) Close(d *dialog.Dialog) {
	for i := range r.asked {
		r.unanswered(d, (r.next+i)%maxAsked)
	}
	r.commands.Flush(d)
}

// unanswered tells a request that still waits.
func (r *STUN) unanswered(d *dialog.Dialog, i int) {
	if q := &r.asked[i]; q.open {
		r.add(d, q.command)
		q.open = false
	}
}

// add takes a command with the time of its request.
func (r *STUN) add(d *dialog.Dialog, c weir.Command) {
	now := d.Time
	d.Time = c.Time
	r.commands.Add(d, c)
	d.Time = now
}

// message takes one message.
func (r *STUN) message(d *dialog.Dialog, b []byte) {
	if len(b) < stunHeader || b[0] > 0x3f || string(b[4:8]) != stunCookie || int(binary.BigEndian.Uint16(b[2:]))+stunHeader > len(b) {
		return // channel data, or what was agreed on: media
	}
	kind := binary.BigEndian.Uint16(b)
	id := [12]byte(b[8:20])
	switch kind & maskClass {
	case isRequest:
		r.unanswered(d, r.next)
		c := weir.Command{Protocol: "stun", Command: methodName(kind)}
		c.Time = d.Time
		attributes(b, func(kind uint16, v []byte) {
			switch kind {
			case attrSoftware:
				c.Client = strings.TrimSpace(uri.Printable(v, maxText))
			case attrRealm:
				c.Object = uri.Printable(v, maxText)
			case attrUser:
				c.User = uri.Printable(v, maxText)
			}
		})
		if c.Object == "" { // without a realm it is not who, but a word made up for this call (RFC 8445, 7.2.2)
			c.User = ""
		}
		r.asked[r.next] = request{id, c, true}
		r.next = (r.next + 1) % maxAsked
	case isSuccess, isError:
		r.answer(d, b, id)
	}
}

// answer tells a request with its response. One that nobody was seen to ask for
// is passed over: the flow record tells of its octets.
func (r *STUN) answer(d *dialog.Dialog, b []byte, id [12]byte) {
	for i := range r.asked {
		q := &r.asked[i]
		if !q.open || q.id != id {
			continue
		}
		q.open = false
		c := q.command
		c.Success = "true"
		attributes(b, func(kind uint16, v []byte) {
			switch {
			case kind == attrSoftware:
				c.Server = strings.TrimSpace(uri.Printable(v, maxText))
			case kind == attrRealm && c.Object == "":
				c.Object = uri.Printable(v, maxText)
			case kind == attrError && len(v) >= 4:
				c.Status, c.Success = strconv.Itoa(int(v[2]&7)*100+int(v[3]%100)), "false"
			}
		})
		if c.Success == "true" && binary.BigEndian.Uint16(b)&maskClass == isError {
			c.Success = "false"
		}
		r.add(d, c)
		return
	}
}

// methodName takes the method out of between the bits of the class.
func methodName(kind uint16) string {
	method := kind&0x000f | kind&0x00e0>>1 | kind&0x3e00>>2
	if n, ok := stunMethods[method]; ok {
		return n
	}
	return "0x" + strconv.FormatUint(uint64(method)|1<<12, 16)[1:]
}

// attributes walks those of a message.
func attributes(b []byte, take func(kind uint16, v []byte)) {
	b = b[stunHeader : stunHeader+int(binary.BigEndian.Uint16(b[2:]))]
	for range maxAttributes {
		if len(b) < 4 {
			return
		}
		n := int(binary.BigEndian.Uint16(b[2:]))
		if len(b) < 4+n {
			return
		}
		take(binary.BigEndian.Uint16(b), b[4:4+n])
		b = b[min(len(b), 4+(n+3)&^3):]
	}
}
