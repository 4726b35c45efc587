package dcerpc

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strconv"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/decode/kerberos"
	"github.com/weir-nta/weir/decode/ntlm"
	"github.com/weir-nta/weir/internal/uri"
)

// Bounds of one association.
const (
	// maxContexts is how many presentation contexts are remembered: of more the
	// oldest are forgotten, and calls in them told without interface.
	maxContexts = 32
	// maxCalls is how many calls wait for their answers: of more the oldest are
	// told without.
	maxCalls = 32
	// maxNegotiation is how much is read of a message that negotiates, and
	// maxTowers of an answer of the endpoint mapper.
	maxNegotiation = 8 << 10
	maxTowers      = 4 << 10
	maxPipe        = 64 // octets of the name of a pipe
)

// Types of messages (C706, 12.6.3; MS-RPCE 2.2.2.1).
const (
	ptRequest      = 0
	ptResponse     = 2
	ptFault        = 3
	ptBind         = 11
	ptBindAck      = 12
	ptBindNak      = 13
	ptAlter        = 14
	ptAlterAck     = 15
	ptAuth3        = 16
	ptOrphaned     = 19
	flagFirst      = 1
	commonHeader   = 16 // octets that all messages begin with
	callHeader     = 24 // of a request, response or fault
	faultHeader    = 28
	bindHeader     = 28
	trailerHeader  = 8 // of the security trailer
	syntaxSize     = 20
	resultSize     = 24
	authSPNEGO     = 9
	authNTLM       = 10
	authKerberos   = 16
	statusDenied   = 5
	statusSecurity = 0x721
)

// A conn is one association: what has been bound, and the calls that wait. It
// keeps about 200 octets, 32 for each context and 64 for each call that waits,
// and 350 of a logon.
type conn struct {
	pipe     string // or port
	contexts []context
	calls    []call
	logon    *ntlm.Logon           // made by the first token of NTLM
	ticket   *weir.KerberosMessage // shown to the service, which has not answered
	user     string                // who is known to call from elsewhere
	usual    *inter                // of the pipe, for calls of which the bind was not seen
}

type context struct {
	id    uint16
	uuid  uuid
	known *inter // nil for an unknown UUID
}

type call struct {
	time    time.Time
	id      uint32
	op      uint16
	context uint16
	bound   bool // uuid and known are of a context
	uuid    uuid
	known   *inter
}

// A header is what all messages begin with.
type header struct {
	kind, flags byte
	order       binary.ByteOrder
	size        int // of the message
	auth        int // of the token in its security trailer
	id          uint32
}

// readHeader reads the common header; b has commonHeader octets.
func readHeader(b []byte) (h header, ok bool) {
	if b[0] != 5 || b[1] > 1 || b[2] > ptOrphaned || b[4]&0xee != 0 || b[5] > 3 || b[6] != 0 || b[7] != 0 {
		return h, false
	}
	h = header{kind: b[2], flags: b[3], order: binary.BigEndian}
	if b[4]&0x10 != 0 {
		h.order = binary.LittleEndian
	}
	h.size, h.auth, h.id = int(h.order.Uint16(b[8:])), int(h.order.Uint16(b[10:])), h.order.Uint32(b[12:])
	return h, h.size >= commonHeader && h.auth <= h.size-commonHeader
}

// wants returns how many octets of a message are read.
func (c *conn) wants(h *header) int {
	switch h.kind {
	case ptRequest:
		return min(h.size, callHeader)
	case ptResponse, ptFault:
		if i := c.find(h.id); i >= 0 && c.calls[i].maps() {
			return min(h.size, maxTowers)
		}
		return min(h.size, faultHeader)
	}
	return min(h.size, maxNegotiation)
}

// maps reports whether a call asks the endpoint mapper where an interface is.
func (c *call) maps() bool {
	return c.known != nil && c.known.name == epmapper && c.known.operation(c.op) == "ept_map"
}

// read takes messages from the beginning of b. It returns how many octets it
// took or, with more to come, passes over; and false if there is no message at
// what is left.
func (c *conn) read(d *dialog.Dialog, b []byte) (used int, ok bool) {
	for len(b)-used >= commonHeader {
		h, ok := readHeader(b[used:])
		if !ok {
			return used, false
		}
		rest := b[used:]
		if len(rest) < c.wants(&h) {
			return used, true
		}
		c.message(d, &h, rest[:min(len(rest), h.size)])
		used += h.size
	}
	return used, true
}

// message reads one message, of which at least the wanted octets are there.
func (c *conn) message(d *dialog.Dialog, h *header, b []byte) {
	switch h.kind {
	case ptBind, ptAlter:
		c.bind(h, b)
		c.token(d, h, b)
	case ptBindAck, ptAlterAck:
		c.accepted(h, b)
		c.token(d, h, b)
	case ptAuth3:
		c.token(d, h, b)
	case ptBindNak:
		c.rejected(d, h, b)
	case ptRequest:
		c.request(d, h, b)
	case ptResponse:
		c.authenticated(d, true, "")
		c.answer(d, h, b)
	case ptFault:
		c.fault(d, h, b)
	}
}

// bind reads the contexts of bind or alter_context (C706, 12.6.4.1 and 12.6.4.3).
func (c *conn) bind(h *header, b []byte) {
	if len(b) < bindHeader {
		return
	}
	n := int(b[24])
	b = b[bindHeader:]
	for range min(n, maxContexts) {
		if len(b) < 4+syntaxSize {
			return
		}
		one := context{id: h.order.Uint16(b), uuid: readUUID(b[4:], h.order)}
		one.known = interfaces()[one.uuid]
		c.context(one)
		b = b[min(len(b), 4+syntaxSize*(1+int(b[2]))):]
	}
}

// context remembers one.
func (c *conn) context(one context) {
	if i := slices.IndexFunc(c.contexts, func(o context) bool { return o.id == one.id }); i >= 0 {
		c.contexts[i] = one
		return
	}
	if len(c.contexts) >= maxContexts {
		c.contexts = slices.Delete(c.contexts, 0, 1)
	}
	c.contexts = append(c.contexts, one)
}

// accepted reads the secondary address of an acceptance: the pipe or port.
func (c *conn) accepted(h *header, b []byte) {
	if len(b) < bindHeader {
		return
	}
	n := int(h.order.Uint16(b[24:]))
	if n < 2 || n > len(b)-26 {
		return
	}
	c.pipe = uri.Printable(bytes.TrimRight(b[26:26+n], "\x00"), maxPipe)
}

// rejected tells of a bind that was refused.
func (c *conn) rejected(d *dialog.Dialog, h *header, b []byte) {
	status := ""
	if len(b) >= commonHeader+2 {
		status = rejection(h.order.Uint16(b[commonHeader:]))
	}
	c.authenticated(d, false, status)
	r := c.record(d)
	r.Operation, r.Status = "bind", status
	if len(c.contexts) > 0 {
		r.Endpoint = c.contexts[len(c.contexts)-1].name()
	}
}

func (c *context) name() string {
	if c.known != nil {
		return c.known.name
	}
	return c.uuid.String()
}

// token reads the token of a logon in the security trailer (MS-RPCE 2.2.2.11).
func (c *conn) token(d *dialog.Dialog, h *header, b []byte) {
	if h.auth == 0 || h.auth+trailerHeader > h.size-commonHeader || len(b) < h.size {
		return
	}
	trailer := b[h.size-h.auth-trailerHeader:]
	if kind := trailer[0]; kind != authSPNEGO && kind != authNTLM && kind != authKerberos {
		return
	}
	token := trailer[trailerHeader:]
	t := ntlm.Unwrap(token)
	switch {
	case t.Mechanism == ntlm.NTLM && t.Body != nil:
		if c.logon == nil {
			c.logon = new(ntlm.Logon)
		}
		c.logon.Token(d, token)
	case t.Mechanism == ntlm.Kerberos:
		c.kerberos(d, t.Body)
	case trailer[0] == authKerberos:
		c.kerberos(d, token) // without GSS-API around it
	}
	switch t.State {
	case ntlm.Completed:
		c.authenticated(d, true, "")
	case ntlm.Rejected:
		c.authenticated(d, false, "")
	}
}

// kerberos reads a ticket that is shown, or the answer to it (RFC 4120, 5.10).
func (c *conn) kerberos(d *dialog.Dialog, b []byte) {
	const reply, failure = 0x6f, 0x7e
	m := weir.KerberosMessage{Endpoints: d.Endpoints}
	switch {
	case kerberos.AP(&m, b):
		c.shown(d, "", "")
		c.ticket = &m
	case len(b) > 0 && b[0] == reply:
		c.shown(d, "true", "")
	case len(b) > 0 && b[0] == failure:
		c.shown(d, "false", "")
	}
}

// shown tells how showing a ticket ended, if one was.
func (c *conn) shown(d *dialog.Dialog, success, status string) {
	if c.ticket == nil {
		return
	}
	c.ticket.Success, c.ticket.Error = success, status
	d.Batch.Kerberos = append(d.Batch.Kerberos, *c.ticket)
	c.ticket = nil
}

// authenticated says how a logon ended, if one waits for that. A server says
// nothing to the last message of NTLM: it is what comes of the first call.
func (c *conn) authenticated(d *dialog.Dialog, success bool, status string) {
	if c.logon != nil && c.logon.Pending() {
		c.logon.End(d, success, status)
	}
	c.shown(d, strconv.FormatBool(success), status)
}

// request reads the first fragment of a call (C706, 12.6.4.9).
func (c *conn) request(d *dialog.Dialog, h *header, b []byte) {
	if len(b) < callHeader || h.flags&flagFirst == 0 {
		return
	}
	one := call{time: d.Time, id: h.id, context: h.order.Uint16(b[20:]), op: h.order.Uint16(b[22:])}
	if i := slices.IndexFunc(c.contexts, func(o context) bool { return o.id == one.context }); i >= 0 {
		one.bound, one.uuid, one.known = true, c.contexts[i].uuid, c.contexts[i].known
	} else if len(c.contexts) == 0 {
		one.known = c.usual
	}
	if i := c.find(h.id); i >= 0 { // used again: the answer was missed, or there is none
		c.tell(d, i, 0, "")
	}
	if len(c.calls) >= maxCalls {
		c.tell(d, 0, 0, "")
	}
	c.calls = append(c.calls, one)
}

// find returns the place of a call that waits, -1 if there is none.
func (c *conn) find(id uint32) int {
	return slices.IndexFunc(c.calls, func(o call) bool { return o.id == id })
}

// answer reads the first fragment of an answer.
func (c *conn) answer(d *dialog.Dialog, h *header, b []byte) {
	i := c.find(h.id)
	if i < 0 {
		return // one whose call was not seen, or a further fragment
	}
	if c.calls[i].maps() && h.auth == 0 && len(b) >= callHeader {
		towers(d, h, b[callHeader:])
	}
	c.tell(d, i, max(d.Time.Sub(c.calls[i].time), 0), "")
}

// fault reads a refusal (C706, 12.6.4.7).
func (c *conn) fault(d *dialog.Dialog, h *header, b []byte) {
	if len(b) < faultHeader {
		return
	}
	code := h.order.Uint32(b[24:])
	c.authenticated(d, code != statusDenied && code != statusSecurity, faultName(code))
	if i := c.find(h.id); i >= 0 {
		c.tell(d, i, max(d.Time.Sub(c.calls[i].time), 0), faultName(code))
	}
}

// tell records a call and forgets it.
func (c *conn) tell(d *dialog.Dialog, i int, rtt time.Duration, status string) {
	one := c.calls[i]
	c.calls = slices.Delete(c.calls, i, i+1)
	r := c.record(d)
	r.Time, r.RTT, r.Status, r.Operation = one.time, rtt, status, one.known.operation(one.op)
	switch {
	case one.known != nil:
		r.Endpoint = one.known.name
	case one.bound:
		r.Endpoint = one.uuid.String()
	}
}

// record begins a record.
func (c *conn) record(d *dialog.Dialog) *weir.RPCCall {
	d.Batch.RPC = append(d.Batch.RPC, weir.RPCCall{Endpoints: d.Endpoints, Pipe: c.pipe, User: c.user})
	r := &d.Batch.RPC[len(d.Batch.RPC)-1]
	if c.logon != nil {
		if user := c.logon.User(); user != "" {
			r.User = user
		}
	}
	if r.Pipe == "" && d.Proto == weir.TCP {
		r.Pipe = strconv.Itoa(int(d.DstPort))
	}
	return r
}

// close tells what waits.
func (c *conn) close(d *dialog.Dialog) {
	for len(c.calls) > 0 {
		c.tell(d, 0, 0, "")
	}
	if c.logon != nil {
		c.logon.Close(d)
	}
	c.shown(d, "", "")
}
