package http

import (
	"bytes"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/decode/ntlm"
	"github.com/weir-nta/weir/internal/uri"
	"github.com/weir-nta/weir/internal/wire"
)

// Bounds of what a reader keeps: about 1 KB for the usual single request that
// waits for its answer.
const (
	maxWaiting     = 16        // requests that wait for their answers
	maxWaitingText = 4 << 10   // octets of their names together, apart from those of the first
	maxField       = 8 << 10   // of a field that is read
	maxHead        = 256 << 10 // of a head
	// step and openStep are how much of a body is passed over at a time, of a
	// known length or not: between two steps there is a look at the clock.
	step     = 1 << 20
	openStep = 64 << 10
	// patience is how long an answer may take before it is told of.
	patience = time.Minute
)

// A Reader reads one conversation. Its zero value is ready for use.
type Reader struct {
	ends    [2]side
	waiting []exchange // in the order of the requests
	text    int        // octets of their names
	// untracked counts requests told already, behind those waiting, whose
	// answers are to come: no room was left for them.
	untracked int
	// missed says that answers were lost: the next one belongs to the latest request.
	missed bool
	summed bool // the flow record tells of an answer

	logon       *ntlm.Logon
	host, agent string // of the request before
}

// New returns a reader.
func New() *Reader { return &Reader{} }

// A side is how far the messages of one end have been read.
type side struct {
	state state
	mute  bool // the message belongs to no transaction that is still to be told
	sniff bool // the first octets of the body are still to be seen
	begun bool // a message has been seen
	began time.Time
	head  int    // octets of the head
	left  uint64 // octets of the body, or of its chunk
	size  uint64 // octets of the body so far
	message
	first [kindLength]byte // of the body
	seen  int              // of them
	file  *weir.File
}

// A state is what an end is expected to say next.
type state uint8

const (
	inStart     state = iota // the first line of a message
	inFields                 // fields of its head
	inLongField              // the rest of one that is too long
	inBody                   // a body of a known length
	inChunkSize              // the size of a chunk
	inChunk                  // its data
	inChunkEnd               // the end of line behind them
	inTrailer                // fields behind the last chunk
	untilClose               // a body that ends with the connection
	astray                   // anything: a first line is looked for
	held                     // what waits for the answer to a CONNECT
	over                     // nothing more that is HTTP
)

// An exchange is a request and its answer.
type exchange struct {
	weir.HTTPTransaction
	asked, heard, answered bool // the request, the status, the answer is complete
	logon                  bool // the answer says how a logon has ended
	told                   bool
	text                   int
}

// Read implements [dialog.Reader].
func (r *Reader) Read(d *dialog.Dialog, from dialog.End, b []byte) int {
	r.impatient(d)
	used := 0
	for used < len(b) { // each turn takes something or is the last
		n := r.step(d, from, b[used:])
		if n == dialog.Stop {
			return n
		}
		used += n
		if n == 0 || d.IsAnew() {
			break
		}
	}
	if r.ends[from].state == over && !d.IsAnew() {
		return dialog.Stop
	}
	return used
}

func (r *Reader) step(d *dialog.Dialog, from dialog.End, b []byte) int {
	s := &r.ends[from]
	switch s.state {
	case inStart:
		return r.start(d, from, b)
	case inFields:
		return r.field(d, from, b)
	case inLongField:
		_, n, ended := cutLine(b)
		if !ended {
			n = len(b)
		} else {
			s.state = inFields
		}
		return r.ofHead(d, from, n)
	case inBody:
		return r.body(d, from, b)
	case inChunkSize:
		return r.chunkSize(d, from, b)
	case inChunk:
		return r.chunk(d, from, b)
	case inChunkEnd:
		return r.chunkEnd(d, from, b)
	case inTrailer:
		return r.trailer(d, from, b)
	case untilClose:
		return r.open(d, from, b)
	case astray:
		return r.search(d, from, b)
	case held:
		return 0
	}
	return dialog.Stop
}

// start reads the first line of a message.
func (r *Reader) start(d *dialog.Dialog, from dialog.End, b []byte) int {
	s := &r.ends[from]
	blank := 0 // empty lines before it are ignored (RFC 9112, 2.2)
	for blank < len(b) && (b[blank] == '\r' || b[blank] == '\n') {
		blank++
	}
	b = b[blank:]
	if len(b) == 0 {
		return blank
	}
	if s.began.IsZero() {
		s.began = d.Time
	}
	status := Looks(from == dialog.Client, b)
	if status == wire.No && !r.broken(from, b) {
		d.TellOdd(from, "http_astray", "")
		return blank + r.stray(d, from, b)
	}
	line, n, ended := cutLine(b)
	if !ended {
		if len(b) >= maxLine { // it looks like one: search would bring it back here
			s.state = astray
			return blank + len(b)
		}
		return blank
	}
	s.message, s.begun = message{}, true
	s.head, s.size, s.seen, s.sniff, s.state, s.file = 0, 0, 0, false, inFields, nil
	if from == dialog.Client {
		r.request(d, line)
	} else {
		r.status(d, line)
	}
	s.began = time.Time{}
	return blank + r.ofHead(d, from, n)
}

// broken reports whether the first thing that a client says is a request without
// a version.
func (r *Reader) broken(from dialog.End, b []byte) bool {
	if from == dialog.Server || r.ends[from].begun {
		return false
	}
	line, _, _ := cutLine(b)
	_, ok := cutBroken(line)
	return ok
}

// ofHead counts octets of a head. One without end is left.
func (r *Reader) ofHead(d *dialog.Dialog, from dialog.End, n int) int {
	s := &r.ends[from]
	if s.head += n; s.head > maxHead {
		r.lose(d, from)
	}
	return n
}

// request begins an exchange.
func (r *Reader) request(d *dialog.Dialog, line []byte) {
	s := &r.ends[dialog.Client]
	q, ok := cutRequest(line)
	if !ok {
		d.TellOdd(dialog.Client, "http_request_line", "")
		q, _ = cutBroken(line)
	}
	x := exchange{HTTPTransaction: weir.HTTPTransaction{Endpoints: d.Endpoints, Method: methodName(q.method), Version: versionName(q.minor)}}
	x.Time = s.began
	x.URI = uri.Masked(q.target)
	x.Host = hostOf(x.Method == "CONNECT", q.target)
	s.minor = q.minor
	s.mute = false
	r.waiting = append(r.waiting, x)
}

// status finds out which request is answered.
func (r *Reader) status(d *dialog.Dialog, line []byte) {
	s := &r.ends[dialog.Server]
	if len(line) < statusLine {
		r.lose(d, dialog.Server)
		return
	}
	s.minor = line[7]
	s.code = 0
	for _, c := range line[9:statusLine] {
		s.code = s.code*10 + uint16(c-'0')
	}
	if s.interim() {
		return
	}
	if r.missed {
		r.missed = false
		for len(r.waiting) > 1 {
			r.tell(d)
		}
	}
	s.mute = false
	switch {
	case len(r.waiting) > 0 && !r.waiting[0].heard:
	case r.untracked > 0:
		r.untracked--
		s.mute = true
		return
	case len(r.waiting) > 0: // the request that has been answered is still being sent
		s.mute = true
		return
	default:
		x := exchange{HTTPTransaction: weir.HTTPTransaction{Endpoints: d.Endpoints, Version: versionName(s.minor)}, asked: true}
		x.Time = s.began
		r.waiting = append(r.waiting, x)
		r.ends[dialog.Client].mute = true
	}
	x := &r.waiting[0]
	x.heard, x.Status = true, s.code
}

// interim reports whether an answer is followed by another one (RFC 9110, 15.2).
func (m *message) interim() bool { return m.code < 200 && m.code != 101 }

// of returns the exchange that the message of an end belongs to, nil if none
// that is still to be told.
func (r *Reader) of(from dialog.End) *exchange {
	if r.ends[from].mute || len(r.waiting) == 0 {
		return nil
	}
	if from == dialog.Client {
		return &r.waiting[len(r.waiting)-1]
	}
	return &r.waiting[0]
}

// field reads the next field of a head.
func (r *Reader) field(d *dialog.Dialog, from dialog.End, b []byte) int {
	s := &r.ends[from]
	line, n, ended := cutField(b)
	if !ended {
		if len(b) < maxField {
			return 0
		}
		s.state = inLongField
		return r.ofHead(d, from, len(b))
	}
	if len(line) == 0 {
		r.headEnds(d, from)
		return n
	}
	key, value, _ := bytes.Cut(line, []byte(":"))
	key, value = bytes.TrimRight(key, " \t"), bytes.TrimSpace(value)
	switch {
	case from == dialog.Client:
		r.requestField(d, r.of(from), &s.message, key, value)
	case !s.interim():
		r.answerField(d, r.of(from), &s.message, key, value)
	}
	return r.ofHead(d, from, n)
}

func (r *Reader) headEnds(d *dialog.Dialog, from dialog.End) {
	if from == dialog.Client {
		r.requestEnds(d)
	} else {
		r.answerEnds(d)
	}
}

// requestEnds decides how long the body of a request is.
func (r *Reader) requestEnds(d *dialog.Dialog) {
	s, x := &r.ends[dialog.Client], r.of(dialog.Client)
	if x == nil { // its answer was told before it ended
		r.frame(d, dialog.Client)
		return
	}
	if r.logon != nil && r.logon.Pending() {
		x.logon = true
	}
	r.summary(d, x)
	if x.Method == "POST" && isWSMan(x.URI) {
		d.App = "winrm"
	}
	connect := x.Method == "CONNECT"
	if !r.track(d, x) {
		x = nil
	}
	if connect {
		if x != nil {
			x.asked = true
			s.state = held
		} else {
			s.state = over
		}
		return
	}
	r.frame(d, dialog.Client)
}

func isWSMan(target string) bool {
	const path = "/wsman"
	return len(target) >= len(path) && target[:len(path)] == path && (len(target) == len(path) || target[len(path)] == '/' || target[len(path)] == '?')
}

// track lets the latest request wait for its answer, or tells it without if
// there is no room for one more.
func (r *Reader) track(d *dialog.Dialog, x *exchange) bool {
	x.text = len(x.URI) + len(x.Referrer) + len(x.Host) + len(x.UserAgent) + len(x.User) + len(x.TypeUp)
	full := len(r.waiting) > maxWaiting || len(r.waiting) > 1 && r.text+x.text > maxWaitingText || r.untracked > 0
	if !full {
		r.text += x.text
		return true
	}
	x.BodyUp = r.ends[dialog.Client].length
	r.untracked++
	r.ends[dialog.Client].mute = true
	d.Batch.HTTP = append(d.Batch.HTTP, x.HTTPTransaction)
	r.waiting[len(r.waiting)-1] = exchange{}
	r.waiting = r.waiting[:len(r.waiting)-1]
	return false
}

// summary tells the flow record of the first request and its answer.
func (r *Reader) summary(d *dialog.Dialog, x *exchange) {
	if d.HTTP == nil {
		d.HTTP = &weir.HTTP{Method: x.Method, Host: x.Host, URI: x.URI, UserAgent: x.UserAgent, Status: x.Status}
		r.summed = x.Status != 0
		return
	}
	if !r.summed && d.HTTP.Status == 0 {
		d.HTTP.Status, r.summed = x.Status, x.Status != 0
	}
}

// answerEnds decides what follows the head of an answer.
func (r *Reader) answerEnds(d *dialog.Dialog) {
	s, x := &r.ends[dialog.Server], r.of(dialog.Server)
	if s.interim() {
		s.state = inStart
		return
	}
	if x != nil {
		r.heard(d, x)
	}
	client := &r.ends[dialog.Client]
	connect := x != nil && x.Method == "CONNECT"
	switch {
	case s.code == 101:
		r.upgrade(d)
	case connect && s.code < 300:
		r.ended(d, dialog.Server)
		d.Anew()
	case x != nil && x.Method == "HEAD", s.code == 204, s.code == 304:
		r.ended(d, dialog.Server)
	default:
		r.frame(d, dialog.Server)
	}
	if connect && s.code >= 300 {
		client.state = inStart
	}
	if s.code >= 300 && client.expect && client.state == inBody && client.left == client.length {
		// Refused before it was sent, the body will hardly come (RFC 9110,
		// 10.1.1); if it does, what is behind it is found.
		client.state = astray
		r.ended(d, dialog.Client)
	}
}

// heard tells what the head of an answer says.
func (r *Reader) heard(d *dialog.Dialog, x *exchange) {
	r.summary(d, x)
	if x.logon {
		refused := x.Status == 401 || x.Status == 407
		r.logon.End(d, !refused, statusName(x.Status))
	}
}

func statusName(code uint16) string {
	return string([]byte{'0' + byte(code/100%10), '0' + byte(code/10%10), '0' + byte(code%10)})
}

// upgrade ends the reading: both speak something else from here on.
func (r *Reader) upgrade(d *dialog.Dialog) {
	to := r.ends[dialog.Server].message.upgrade
	r.ended(d, dialog.Server)
	r.ends[dialog.Client].state, r.ends[dialog.Server].state = over, over
	switch to {
	case webSocket:
		d.App = "websocket"
	case http2:
		d.App = "http2"
	default:
		d.Anew()
	}
}

// frame decides how the body of a message ends (RFC 9112, 6.3).
func (r *Reader) frame(d *dialog.Dialog, from dialog.End) {
	s := &r.ends[from]
	if s.hasCoded && s.hasLength || s.invalid {
		d.TellOdd(from, "http_length", "lengths that contradict each other or are none")
	}
	client := from == dialog.Client
	s.sniff = !s.encoded
	switch {
	case s.hasCoded && s.chunked && (client || s.minor != '0'):
		s.state = inChunkSize
	case s.hasCoded || s.invalid, !client && !s.hasLength:
		if client {
			r.lose(d, from)
			return
		}
		s.state = untilClose
	case s.length > 0:
		s.state, s.left = inBody, s.length
	default:
		r.ended(d, from)
	}
}

// ended says that the message of an end is complete.
func (r *Reader) ended(d *dialog.Dialog, from dialog.End) {
	s := &r.ends[from]
	r.tellFile(d, from, 0)
	if s.state != astray && s.state != over {
		s.state = inStart
	}
	x := r.of(from)
	s.mute = true
	if x == nil {
		return
	}
	if from == dialog.Client {
		x.asked = true
	} else {
		x.answered = true
	}
	for len(r.waiting) > 0 && r.waiting[0].asked && r.waiting[0].answered {
		r.tell(d)
	}
}

// tell tells of the first exchange and forgets it.
func (r *Reader) tell(d *dialog.Dialog) {
	x := &r.waiting[0]
	if !x.told {
		d.Batch.HTTP = append(d.Batch.HTTP, x.HTTPTransaction)
	}
	r.text -= x.text
	n := copy(r.waiting, r.waiting[1:])
	r.waiting[n] = exchange{}
	r.waiting = r.waiting[:n]
	if n == 0 {
		r.ends[dialog.Client].mute = true
	}
}

// impatient tells of an answer that takes long, with the length that was
// announced, else what has come of it.
func (r *Reader) impatient(d *dialog.Dialog) {
	if len(r.waiting) == 0 {
		return
	}
	x := &r.waiting[0]
	if !x.heard || x.told || d.Time.Sub(x.Time) < patience {
		return
	}
	x.told = true
	one := x.HTTPTransaction
	if s := &r.ends[dialog.Server]; s.state == inBody {
		one.BodyDown += s.left
	}
	if s := &r.ends[dialog.Client]; s.state == inBody && len(r.waiting) == 1 {
		one.BodyUp += s.left
	}
	d.Batch.HTTP = append(d.Batch.HTTP, one)
}

// lose says that an end cannot be followed any more until a first line is found.
func (r *Reader) lose(d *dialog.Dialog, from dialog.End) {
	r.ends[from].state = astray
	r.ended(d, from)
}

// stray looks for a first line from here on.
func (r *Reader) stray(d *dialog.Dialog, from dialog.End, b []byte) int {
	r.ends[from].state = astray
	return r.search(d, from, b)
}

// search passes over lines until one is the first of a message.
func (r *Reader) search(d *dialog.Dialog, from dialog.End, b []byte) int {
	s := &r.ends[from]
	used := 0
	for used < len(b) { // each turn takes a line or is the last
		rest := b[used:]
		switch Looks(from == dialog.Client, rest) {
		case wire.Done:
			s.state, s.began = inStart, time.Time{}
			if used > 0 {
				return used
			}
			return r.start(d, from, b)
		case wire.More:
			if len(rest) < maxField {
				return used
			}
		}
		_, n, ended := cutLine(rest)
		if !ended {
			return len(b)
		}
		used += n
	}
	return used
}

// Lost implements [dialog.Reader].
func (r *Reader) Lost(d *dialog.Dialog, from dialog.End, n int) bool {
	s := &r.ends[from]
	switch s.state {
	case over:
		return false
	case held:
		return true
	case inBody, inChunk:
		if r.lostOfBody(d, from, uint64(n)) {
			return true
		}
	case untilClose:
		r.skip(from, uint64(n))
		return true
	}
	s.began = time.Time{}
	if from == dialog.Server {
		r.missed = true
		if x := r.of(from); x != nil && !x.heard {
			s.state = astray // it may still be answered
			return true
		}
	}
	r.lose(d, from)
	return true
}

// lostOfBody goes on behind octets of a body or chunk that were missed, unless
// they were more than it has.
func (r *Reader) lostOfBody(d *dialog.Dialog, from dialog.End, n uint64) bool {
	s := &r.ends[from]
	all := n <= s.left
	n = min(n, s.left)
	s.left -= n
	r.skip(from, n)
	if !all || s.left > 0 {
		return all
	}
	if s.state == inChunk {
		s.state = inChunkEnd
	} else {
		r.ended(d, from)
	}
	return true
}

// skip counts octets of a body that were missed.
func (r *Reader) skip(from dialog.End, n uint64) {
	s := &r.ends[from]
	s.sniff = false
	r.count(from, n)
	if s.file != nil {
		s.file.Missing += n
	}
}

// Close implements [dialog.Reader].
func (r *Reader) Close(d *dialog.Dialog) {
	for e := range r.ends {
		from := dialog.End(e)
		if x := r.of(from); x != nil {
			body := &x.BodyUp
			if from == dialog.Server {
				body = &x.BodyDown
			}
			*body -= min(*body, d.Ahead[e])
		}
		r.tellFile(d, from, d.Ahead[e])
	}
	for len(r.waiting) > 0 {
		r.summary(d, &r.waiting[0])
		r.tell(d)
	}
	if r.logon != nil {
		r.logon.Close(d)
	}
}
