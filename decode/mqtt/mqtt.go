// Package mqtt reads who connects to a broker of MQTT 3.1, 3.1.1 or 5 (OASIS
// MQTT 3.1.1 and 5.0), and which topics it subscribes to and publishes. What is
// published and passwords are passed over.
package mqtt

import (
	"encoding/binary"
	"fmt"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/internal/uri"
)

// The packets that are read (MQTT 5.0, 2.1.2).
const (
	connect     = 1
	connAck     = 2
	publish     = 3
	subscribe   = 8
	subAck      = 9
	unsubscribe = 10
	disconnect  = 14
)

// maxPacket is how long a packet may be that is read whole: a CONNECT with its
// will. Of a PUBLISH only the topic is waited for.
const maxPacket = 8 << 10

const maxText = 256 // octets kept of a topic or name

// A reader reads one connection to a broker.
type reader struct {
	commands dialog.Commands
	login    weir.Command
	waiting  bool   // the broker has not answered the login yet
	user     string // who logged on
	version  byte
	pending  [maxPending]pending
	next     int
}

// A pending is a subscription that the broker has not answered.
type pending struct {
	id      uint16
	waiting bool
	topics  []string
}

// maxPending is how many subscriptions wait for their answer; the oldest one
// makes room and is told without. maxTopics is how many topics of one packet
// are told, and maxKept how long all of them may be before the last, in octets.
const (
	maxPending = 8
	maxTopics  = 32
	maxKept    = 1 << 10
)

// New returns a reader of one connection.
func New() dialog.Reader { return &reader{} }

func (r *reader) Read(d *dialog.Dialog, from dialog.End, b []byte) int {
	if len(b) < 2 {
		return 0
	}
	n, header := remaining(b)
	switch {
	case header == 0:
		return 0
	case header < 0:
		return dialog.Stop
	}
	kind, body := b[0]>>4, b[header:min(len(b), header+n)]
	whole := len(body) == n
	switch kind {
	case publish:
		if !whole && len(body) < 2+maxText {
			return 0
		}
		r.published(d, from, body)
		return header + n
	case connect, connAck, subscribe, subAck, unsubscribe, disconnect:
		if n > maxPacket {
			return header + n
		}
		if !whole {
			return 0
		}
	case 0:
		return dialog.Stop
	default:
		return header + n
	}
	r.packet(d, kind, body)
	return header + n
}

// remaining returns the remaining length of a packet and that of its header: 0
// if there is more to come, less if it is none (MQTT 5.0, 2.1.4).
func remaining(b []byte) (n, header int) {
	for i := 1; i <= 4; i++ {
		if i >= len(b) {
			return 0, 0
		}
		n |= int(b[i]&0x7f) << (7 * (i - 1))
		if b[i]&0x80 == 0 {
			return n, i + 1
		}
	}
	return 0, -1
}

func (r *reader) packet(d *dialog.Dialog, kind byte, b []byte) {
	switch kind {
	case connect:
		r.connect(d, b)
	case connAck:
		if len(b) >= 2 && r.waiting {
			r.waiting = false
			r.commands.Add(d, outcome(r.login, b[1], connectReasons))
		}
	case subscribe:
		r.subscribe(d, b)
	case subAck:
		r.subAck(d, b)
	case unsubscribe:
		r.commands.Add(d, r.command("unsubscribe", ""))
	case disconnect:
		r.commands.Add(d, r.command("disconnect", ""))
	}
}

func (r *reader) command(name, object string) weir.Command {
	return weir.Command{Protocol: "mqtt", Command: name, Object: object, User: r.user}
}

// connect reads who connects (MQTT 5.0, 3.1): the identifier of the client, its
// user name, and the topic of its will.
func (r *reader) connect(d *dialog.Dialog, b []byte) {
	name, b, ok := text(b)
	if !ok || len(b) < 4 {
		return
	}
	r.version = b[0]
	flags := b[1]
	b = b[4:]
	if r.version >= 5 {
		if b, ok = properties(b); !ok {
			return
		}
	}
	c := r.command("connect", "")
	c.Client = fmt.Sprintf("%s level %d", uri.Printable(name, 8), r.version)
	id, b, ok := text(b)
	if ok {
		c.Object = uri.Printable(id, maxText)
	}
	if ok && flags&0x04 != 0 { // will: properties, topic, message
		if r.version >= 5 {
			b, ok = properties(b)
		}
		if ok {
			_, b, ok = text(b)
		}
		if ok {
			_, b, ok = text(b)
		}
	}
	if ok && flags&0x80 != 0 {
		if user, _, ok := text(b); ok {
			c.User = uri.Printable(user, maxText)
		}
	}
	if r.waiting {
		r.commands.Add(d, r.login)
	}
	r.login, r.waiting, r.user = c, true, c.User
}

// published counts a topic (MQTT 5.0, 3.3); one of no length goes by an alias.
func (r *reader) published(d *dialog.Dialog, from dialog.End, b []byte) {
	topic, _, ok := text(b)
	if !ok && len(b) >= 2 { // longer than was waited for
		topic, ok = b[2:], true
	}
	if !ok {
		return
	}
	name := "publish"
	if from == dialog.Server {
		name = "deliver" // the broker passes it on to who subscribed
	}
	c := r.command(name, uri.Printable(topic, maxText))
	r.commands.Add(d, c)
}

// subscribe keeps the topics until they are granted (MQTT 5.0, 3.8).
func (r *reader) subscribe(d *dialog.Dialog, b []byte) {
	if len(b) < 2 {
		return
	}
	p := pending{id: binary.BigEndian.Uint16(b), waiting: true}
	b = b[2:]
	ok := true
	if r.version >= 5 {
		b, ok = properties(b)
	}
	kept := 0
	for ok && len(b) > 2 && len(p.topics) < maxTopics && kept < maxKept {
		var topic []byte
		if topic, b, ok = text(b); ok {
			p.topics = append(p.topics, uri.Printable(topic, maxText))
			kept += len(p.topics[len(p.topics)-1])
			b = b[min(1, len(b)):] // options
		}
	}
	at := &r.pending[r.next]
	r.next = (r.next + 1) % maxPending
	r.unanswered(d, at)
	*at = p
}

func (r *reader) unanswered(d *dialog.Dialog, p *pending) {
	if !p.waiting {
		return
	}
	p.waiting = false
	for _, t := range p.topics {
		r.commands.Add(d, r.command("subscribe", t))
	}
}

// subAck tells how each topic was answered.
func (r *reader) subAck(d *dialog.Dialog, b []byte) {
	if len(b) < 3 {
		return
	}
	id, codes := binary.BigEndian.Uint16(b), b[2:]
	if r.version >= 5 {
		var ok bool
		if codes, ok = properties(codes); !ok {
			return
		}
	}
	for i := range r.pending {
		p := &r.pending[i]
		if !p.waiting || p.id != id {
			continue
		}
		p.waiting = false
		for n, t := range p.topics {
			c := r.command("subscribe", t)
			if n < len(codes) {
				c = outcome(c, codes[n], nil)
			}
			r.commands.Add(d, c)
		}
		return
	}
}

// connectReasons are the answers of 3.1.1 that refuse; those of 5 are above 0x80.
var connectReasons = map[byte]string{
	1: "unacceptable_protocol_version", 2: "identifier_rejected", 3: "server_unavailable", 4: "bad_user_name_or_password", 5: "not_authorized",
	0x84: "unsupported_protocol_version", 0x85: "client_identifier_not_valid", 0x86: "bad_user_name_or_password", 0x87: "not_authorized",
	0x88: "server_unavailable", 0x89: "server_busy", 0x8a: "banned",
}

// outcome sets how a command was answered. Of a subscription 0 to 2 grant a
// quality of service.
func outcome(c weir.Command, code byte, reasons map[byte]string) weir.Command {
	c.Status, c.Success = "ok", "true"
	if code >= 0x80 || code != 0 && reasons != nil {
		c.Success = "false"
		if c.Status = reasons[code]; c.Status == "" {
			c.Status = fmt.Sprintf("reason 0x%02x", code)
		}
	}
	return c
}

// text cuts b behind a text with its length before it (MQTT 5.0, 1.5.4).
func text(b []byte) (value, rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, nil, false
	}
	n := 2 + int(binary.BigEndian.Uint16(b))
	if len(b) < n {
		return nil, nil, false
	}
	return b[2:n], b[n:], true
}

// properties cuts b behind its properties (MQTT 5.0, 2.2.2).
func properties(b []byte) (rest []byte, ok bool) {
	n := 0
	for i := 0; i < 4 && i < len(b); i++ {
		n |= int(b[i]&0x7f) << (7 * i)
		if b[i]&0x80 == 0 {
			if len(b) < i+1+n {
				return nil, false
			}
			return b[i+1+n:], true
		}
	}
	return nil, false
}

// Lost ends the reading: where the next packet begins is not known.
func (r *reader) Lost(*dialog.Dialog, dialog.End, int) bool { return false }

func (r *reader) Close(d *dialog.Dialog) {
	if r.waiting {
		r.commands.Add(d, r.login)
	}
	for i := range r.pending {
		r.unanswered(d, &r.pending[(r.next+i)%maxPending])
	}
	r.commands.Flush(d)
}
