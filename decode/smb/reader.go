package smb

import (
	"bytes"
	"encoding/binary"
	"slices"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dcerpc"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/decode/ntlm"
	"github.com/weir-nta/weir/internal/uri"
)

// Bounds of one conversation. At each of them the oldest goes: a request that
// waits is told without answer, of a file the sums are told and what is done
// with it afterwards is told without name, a tree leaves files without share, a
// session actions without user.
const (
	maxRequests = 64 // 130 octets each and a name, 350 more of a logon
	maxFiles    = 64 // 150 and a name, 200 more of a pipe
	maxTrees    = 32 // 50 and a name
	maxSessions = 16 // 30 and a name
	// maxMessage is how much of one message is looked at: requests and answers
	// without data are smaller, and the readers of pipes go on behind a gap.
	maxMessage = 12 << 10
	maxName    = 512 // octets of the name of a file or share
)

const (
	shareRoot = "<share_root>"
	sumEvery  = time.Minute // reads and writes of an open file are told so often
)

// A Reader reads one conversation. It is a [dialog.Reader].
type Reader struct {
	ends     [2]stream
	version  string
	dialects []string // offered in SMB 1, until one is chosen
	sessions []session
	trees    []tree
	files    []file
	requests []request
	told     mark
}

// A mark is what is told once in a conversation.
type mark uint8

const (
	toldDialect mark = 1 << iota
	toldEncrypted
	toldCompressed
	toldSigning
)

// A stream is where one end is.
type stream struct {
	left    int  // octets of the message that have not been taken
	astray  bool // the next message is looked for
	session uint64
	tree    uint32 // of the request before, in a compound
	file    fileID // last opened, in a compound
}

// A fileID is how files are called: 16 octets by SMB 2, of which SMB 1 has two.
type fileID [16]byte

// related is the file that the request before in a compound was about.
var related = fileID{255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255}

type session struct {
	id    uint64
	user  string
	logon *ntlm.Logon // while it is being set up
}

type tree struct {
	id      uint32
	session uint64
	share   string
	kind    string // disk, pipe or print
}

type file struct {
	id            fileID
	session       uint64
	share, kind   string
	name          string
	directory     bool
	deleteOnClose bool
	read, written sum
	pipe          *dcerpc.Pipe // of a named pipe
}

// A sum is what was read or written since it was told last.
type sum struct {
	octets uint64
	since  time.Time
}

// A request waits for its answer.
type request struct {
	id      uint64
	time    time.Time
	command uint16
	tree    uint32
	session uint64
	file    fileID
	name    string // of a file to be opened, the new one of a file, of a share
	old     string // of a file to be renamed
	what    what
	logon   *ntlm.Logon
	ticket  *weir.KerberosMessage
	plain   *weir.NTLMLogon // by SMB 1 without NTLMSSP
}

// what a request is, beyond its command.
type what uint8

const (
	isDelete what = 1 << iota
	isRename
	isTransceive
	deletesOnClose
)

// New returns a reader.
func New() *Reader { return &Reader{} }

// Read implements [dialog.Reader].
func (r *Reader) Read(d *dialog.Dialog, from dialog.End, b []byte) int {
	s := &r.ends[from]
	used := 0
	for used < len(b) { // each turn takes something or leaves
		rest := b[used:]
		switch {
		case s.astray:
			at, found := next(rest)
			used += at
			if !found {
				return used
			}
			s.astray, s.left = false, 0
			fallthrough
		case s.left == 0:
			n, ok := s.begin(d, from, b[used:])
			if !ok {
				s.astray = true
				used++
				continue
			}
			if n == 0 {
				return used
			}
			used += n
		default:
			n := r.unit(d, from, rest)
			if n == 0 {
				return used
			}
			used += n
		}
	}
	return used
}

// Types of messages of the session service (RFC 1002, 4.3.1).
const (
	nbMessage   = 0
	nbRequest   = 0x81
	nbAccepted  = 0x82
	nbRefused   = 0x83
	nbRetarget  = 0x84
	nbKeepAlive = 0x85
)

// begin takes the header of the next message. It returns 0 if more is wanted,
// and false if there is none.
func (s *stream) begin(d *dialog.Dialog, from dialog.End, b []byte) (used int, ok bool) {
	if len(b) < 4 {
		return 0, b[0] == nbMessage || b[0] >= nbRequest && b[0] <= nbKeepAlive
	}
	size := int(binary.BigEndian.Uint32(b)) & 0xffffff
	switch b[0] {
	case nbMessage:
		if len(b) >= 9 && string(b[6:9]) == "SMB" && b[5] >= 0xfc && b[1] == nbMessage {
			return 1, true // the octet of a keep-alive of TCP, by which a session is met in its middle
		}
		if len(b) < 9 {
			return 0, true
		}
		if size < 4 {
			return 4 + size, true
		}
		if string(b[5:8]) != "SMB" || b[4] < 0xfc {
			return 0, false
		}
		s.left = size
		return 4, true
	case nbRequest:
		if size >= maxRequest {
			return 0, false
		}
		if len(b) < 4+size {
			return 0, true
		}
		calling(d, from, b[4:4+size])
		return 4 + size, true
	case nbAccepted, nbRefused, nbRetarget, nbKeepAlive:
		return 4 + size, size < maxRequest
	}
	return 0, false
}

// maxRequest is more than two names with their scopes have.
const maxRequest = 1024

// calling tells who asks for a session: the second name (RFC 1002, 4.3.2), of
// which the last octet is no letter but a kind (RFC 1001, 14.1).
func calling(d *dialog.Dialog, from dialog.End, b []byte) {
	const letters = 32
	called := bytes.IndexByte(b, 0) // the scope of the first one, as a rule empty, ends with it
	if called < 0 || len(b) < called+2+letters || b[called+1] != letters {
		return
	}
	var name [letters/2 - 1]byte
	for i := range name {
		name[i] = (b[called+2+2*i]-'A')<<4 | (b[called+3+2*i]-'A')&15
	}
	if s := uri.Printable(bytes.TrimRight(name[:], " \x00"), len(name)); s != "" {
		announce(d, from, weir.Announcement{Protocol: "nbss", Kind: "name", Name: s})
	}
}

// next returns where the next message begins, or from where on there may be
// more of it to come.
func next(b []byte) (at int, found bool) {
	for {
		i := bytes.Index(b[at:], []byte("SMB"))
		if i < 0 {
			return max(len(b)-7, at), false
		}
		at += i
		if at >= 5 && b[at-1] >= 0xfc && b[at-5] == nbMessage {
			return at - 5, true
		}
		at++
	}
}

// unit takes one command, of which there may be several in a message. It
// returns 0 if more of it is wanted.
func (r *Reader) unit(d *dialog.Dialog, from dialog.End, b []byte) (used int) {
	s := &r.ends[from]
	if len(b) < min(s.left, 8) {
		return 0
	}
	switch string(b[:min(len(b), 4)]) {
	case "\xffSMB":
		return r.unit1(d, from, b)
	case "\xfeSMB":
		return r.unit2(d, from, b)
	case "\xfdSMB":
		return r.encrypted(d, s, b)
	case "\xfcSMB":
		return r.compressed(d, from, b)
	}
	return s.rest()
}

// rest ends a message.
func (s *stream) rest() int {
	n := s.left
	s.left = 0
	return n
}

// encrypted marks that nothing can be seen from here on (MS-SMB2 2.2.41).
func (r *Reader) encrypted(d *dialog.Dialog, s *stream, b []byte) int {
	const header = 52
	if len(b) < min(s.left, header) {
		return 0
	}
	if r.told&toldEncrypted == 0 && s.left >= header {
		r.told |= toldEncrypted
		if r.version == "" {
			r.version = "3"
		}
		r.act(d, d.Time, "encrypted", binary.LittleEndian.Uint64(b[44:]))
	}
	return s.rest()
}

// compressed marks that what is compressed is passed over (MS-SMB2 2.2.42). One
// that would become longer than a message can be, or begins behind its own end, is
// an attack (CVE-2020-0796).
func (r *Reader) compressed(d *dialog.Dialog, from dialog.End, b []byte) int {
	const header, chained, longest = 16, 1, 1<<24 + 1<<12 // octets; what a message is at most, and headers
	s := &r.ends[from]
	if len(b) < min(s.left, header) {
		return 0
	}
	if s.left < header {
		return s.rest()
	}
	if r.told&toldCompressed == 0 {
		r.told |= toldCompressed
		if r.version == "" {
			r.version = "3.1.1"
		}
		r.act(d, d.Time, "compressed", 0)
	}
	size, offset := uint64(binary.LittleEndian.Uint32(b[4:])), uint64(binary.LittleEndian.Uint32(b[12:]))
	if b[10] != chained && (offset > uint64(s.left-header) || offset+size > longest) {
		d.TellOdd(from, "smb_compression_size", "")
	}
	return s.rest()
}

// Lost implements [dialog.Reader].
func (r *Reader) Lost(_ *dialog.Dialog, from dialog.End, n int) bool {
	r.ends[from].astray = true
	return true
}

// Close implements [dialog.Reader].
func (r *Reader) Close(d *dialog.Dialog) {
	for len(r.requests) > 0 {
		r.unanswered(d, 0)
	}
	for i := range r.files {
		r.finish(d, &r.files[i])
	}
	for i := range r.sessions {
		if l := r.sessions[i].logon; l != nil {
			l.Close(d)
		}
	}
	r.requests, r.files, r.sessions = nil, nil, nil
}

// act begins a record of something done in a session.
func (r *Reader) act(d *dialog.Dialog, at time.Time, action string, session uint64) *weir.SMBAction {
	d.Batch.SMB = append(d.Batch.SMB, weir.SMBAction{Endpoints: d.Endpoints, Version: r.version, Action: action, User: r.userOf(session)})
	a := &d.Batch.SMB[len(d.Batch.SMB)-1]
	a.Time = at
	return a
}

// actIn begins a record of something done in a tree.
func (r *Reader) actIn(d *dialog.Dialog, q *request, action string, status uint32) *weir.SMBAction {
	a := r.act(d, q.time, action, q.session)
	a.Status = statusName(status)
	if t := r.treeOf(q); t != nil {
		a.Share, a.ShareType = t.share, t.kind
	}
	return a
}

// actOn begins a record of something done with a file.
func (r *Reader) actOn(d *dialog.Dialog, at time.Time, action string, f *file) *weir.SMBAction {
	a := r.act(d, at, action, f.session)
	a.Share, a.ShareType, a.File = f.share, f.kind, f.name
	return a
}

func (r *Reader) userOf(session uint64) string {
	if s := r.sessionOf(session); s != nil {
		return s.user
	}
	return ""
}

func (r *Reader) sessionOf(id uint64) *session {
	for i := range r.sessions {
		if r.sessions[i].id == id {
			return &r.sessions[i]
		}
	}
	return nil
}

// openSession returns the session with an id, a new one if need be.
func (r *Reader) openSession(d *dialog.Dialog, id uint64) *session {
	if s := r.sessionOf(id); s != nil {
		return s
	}
	if len(r.sessions) >= maxSessions {
		if l := r.sessions[0].logon; l != nil {
			l.Close(d)
		}
		r.sessions = slices.Delete(r.sessions, 0, 1)
	}
	r.sessions = append(r.sessions, session{id: id})
	return &r.sessions[len(r.sessions)-1]
}

func (r *Reader) treeOf(q *request) *tree {
	for i := range r.trees {
		if t := &r.trees[i]; t.id == q.tree && t.session == q.session {
			return t
		}
	}
	return nil
}

func (r *Reader) dropTree(id uint32, session uint64) {
	r.trees = slices.DeleteFunc(r.trees, func(t tree) bool { return t.id == id && t.session == session })
}

func (r *Reader) addTree(t tree) {
	r.dropTree(t.id, t.session)
	if len(r.trees) >= maxTrees {
		r.trees = slices.Delete(r.trees, 0, 1)
	}
	r.trees = append(r.trees, t)
}

// fileOf returns a file that is open, the last ones first.
func (r *Reader) fileOf(id *fileID) *file {
	for i := len(r.files) - 1; i >= 0; i-- {
		if r.files[i].id == *id {
			return &r.files[i]
		}
	}
	return nil
}

func (r *Reader) addFile(d *dialog.Dialog, f file) *file {
	if old := r.fileOf(&f.id); old != nil {
		r.finish(d, old)
		*old = f
		return old
	}
	if len(r.files) >= maxFiles {
		r.finish(d, &r.files[0])
		r.files = slices.Delete(r.files, 0, 1)
	}
	r.files = append(r.files, f)
	return &r.files[len(r.files)-1]
}

func (r *Reader) dropFile(id fileID) {
	r.files = slices.DeleteFunc(r.files, func(f file) bool { return f.id == id })
}

// await keeps a request until its answer comes.
func (r *Reader) await(d *dialog.Dialog, q request) {
	if len(r.requests) >= maxRequests {
		r.unanswered(d, 0)
	}
	r.requests = append(r.requests, q)
}

// waiting returns the place of a request, -1 if there is none.
func (r *Reader) waiting(id uint64, command uint16) int {
	return slices.IndexFunc(r.requests, func(q request) bool { return q.id == id && q.command == command })
}

// take ends the waiting of a request.
func (r *Reader) take(i int) request {
	q := r.requests[i]
	r.requests = slices.Delete(r.requests, i, i+1)
	return q
}

// finish tells what was read and written, and ends the calls over a pipe.
func (r *Reader) finish(d *dialog.Dialog, f *file) {
	if f.pipe != nil {
		f.pipe.Close(d)
	}
	if f.pipe == nil || !f.pipe.Spoken() {
		r.tellSum(d, f, "read", &f.read)
		r.tellSum(d, f, "write", &f.written)
	}
}

func (r *Reader) tellSum(d *dialog.Dialog, f *file, action string, s *sum) {
	if s.octets == 0 {
		return
	}
	a := r.actOn(d, s.since, action, f)
	a.Size, a.Status = s.octets, statusName(statusSuccess)
	*s = sum{}
}

// add takes what one more answer says was read or written, asked for at a time.
func (r *Reader) add(d *dialog.Dialog, f *file, action string, s *sum, at time.Time, octets uint64) {
	if s.octets > 0 && at.Sub(s.since) >= sumEvery && f.pipe == nil {
		r.tellSum(d, f, action, s)
	}
	if s.octets == 0 {
		s.since = at
	}
	s.octets += octets
}

// opened tells of an answer to the opening of a file, and keeps it.
func (r *Reader) opened(d *dialog.Dialog, q *request, status uint32, o *opening) {
	a := r.actIn(d, q, "open", status)
	a.File = q.name
	if status != statusSuccess {
		return
	}
	f := file{id: o.id, session: q.session, share: a.Share, kind: a.ShareType, name: q.name, directory: o.directory, deleteOnClose: q.what&deletesOnClose != 0}
	if f.kind == "pipe" {
		f.pipe = dcerpc.NewPipe(f.name, a.User)
	} else {
		a.Size = o.size
		if int(o.action) < len(dispositions) {
			a.Disposition = dispositions[o.action]
		}
	}
	r.addFile(d, f)
}

// dispositions are what a server says became of a file (MS-SMB2 2.2.14).
var dispositions = [...]string{"superseded", "opened", "created", "overwritten"}

// An opening is what the answer to one says.
type opening struct {
	id        fileID
	action    uint32
	size      uint64
	directory bool
}

// changed tells of an answer to renaming or deleting.
func (r *Reader) changed(d *dialog.Dialog, q *request, status uint32) {
	f := r.fileOf(&q.file)
	switch {
	case q.what&isDelete != 0:
		a := r.actIn(d, q, "delete", status)
		if a.File = q.name; f != nil {
			a.Share, a.ShareType, a.File = f.share, f.kind, f.name
			f.deleteOnClose = f.deleteOnClose && status != statusSuccess // told
		}
	case q.what&isRename != 0:
		a := r.actIn(d, q, "rename", status)
		a.File, a.Renamed = q.name, q.old
		if f != nil {
			a.Share, a.ShareType, a.Renamed = f.share, f.kind, f.name
			if status == statusSuccess {
				f.name = q.name
			}
		}
	}
}

// closed tells of the end of a file. Of its size the server may say something.
func (r *Reader) closed(d *dialog.Dialog, q *request, size uint64, told bool) {
	f := r.fileOf(&q.file)
	if f == nil {
		return
	}
	r.finish(d, f)
	if f.deleteOnClose {
		r.actOn(d, q.time, "delete", f).Status = statusName(statusSuccess)
	}
	if told && !f.directory && f.pipe == nil {
		a := r.actOn(d, q.time, "close", f)
		a.Size, a.Status = size, statusName(statusSuccess)
	}
	r.dropFile(q.file)
}

// piped hands what was sent through a pipe to its reader, of which the last
// missing octets are not there. Of a file on a share that is not known, it finds
// out by them whether it is one.
func (r *Reader) piped(d *dialog.Dialog, from dialog.End, id *fileID, session uint64, b []byte, missing int) {
	f := r.fileOf(id)
	if f.mayBePipe() && dcerpc.Begins(b) {
		if f == nil {
			f = r.addFile(d, file{id: *id, session: session})
		}
		f.kind, f.pipe = "pipe", dcerpc.NewPipe(f.name, r.userOf(session))
	}
	if f != nil && f.pipe != nil {
		f.pipe.Data(d, from, b, missing)
	}
}

// mayBePipe reports whether a file, nil for one that is not known, may be a pipe
// though nothing has said so.
func (f *file) mayBePipe() bool { return f == nil || f.pipe == nil && f.kind == "" }

// isPipe reports whether what is written to a file goes to the reader of a
// pipe; data are the first octets.
func (r *Reader) isPipe(id *fileID, data []byte) bool {
	f := r.fileOf(id)
	return f != nil && f.pipe != nil || f.mayBePipe() && dcerpc.Begins(data)
}

// unanswered tells of a request without answer.
func (r *Reader) unanswered(d *dialog.Dialog, i int) {
	q := r.take(i)
	switch {
	case q.logon != nil:
		q.logon.Close(d)
	case q.plain != nil:
		d.Batch.NTLM = append(d.Batch.NTLM, *q.plain)
	case q.ticket != nil:
		d.Batch.Kerberos = append(d.Batch.Kerberos, *q.ticket)
	}
	switch action := actionOf(q.command); {
	case q.what&(isDelete|isRename) != 0:
		r.changed(d, &q, noAnswer)
	case action == "connect":
		a := r.act(d, q.time, action, q.session)
		a.Share = q.name
	case action == "open":
		r.actIn(d, &q, action, noAnswer).File = q.name
	}
}

// actionOf returns what an answer to a command would be told as.
func actionOf(command uint16) string {
	switch command {
	case cmdTreeConnect, smb1Command | comTreeConnectAndX:
		return "connect"
	case cmdCreate, smb1Command | comNTCreateAndX, smb1Command | comOpenAndX:
		return "open"
	}
	return ""
}
