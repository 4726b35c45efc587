package smb

import (
	"bytes"
	"encoding/binary"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/internal/uri"
	"github.com/weir-nta/weir/internal/utf16le"
)

// Commands of SMB 1 (MS-CIFS 2.2.2.1).
const (
	comCreateDirectory  = 0x00
	comDeleteDirectory  = 0x01
	comClose            = 0x04
	comDelete           = 0x06
	comRename           = 0x07
	comRead             = 0x0a
	comWrite            = 0x0b
	comTransaction      = 0x25
	comOpenAndX         = 0x2d
	comReadAndX         = 0x2e
	comWriteAndX        = 0x2f
	comTransaction2     = 0x32
	comTreeDisconnect   = 0x71
	comNegotiate        = 0x72
	comSessionSetupAndX = 0x73
	comLogoffAndX       = 0x74
	comTreeConnectAndX  = 0x75
	comNTCreateAndX     = 0xa2
	comNTRename         = 0xa5
	comNone             = 0xff // the end of a chain

	smb1Command = 0x100 // tells them from commands of SMB 2
)

// Subcommands of TRANSACTION (MS-CIFS 2.2.5) and TRANSACTION2 (2.2.6).
const (
	transactNmPipe    = 0x26
	trans2SetPathInfo = 0x06
	trans2SetFileInfo = 0x08
	trans2Session     = 0x0e // reserved, and the way into a server with DoublePulsar
)

const (
	header1       = 32
	flag1Response = 0x80
	flag2Unicode  = 0x8000
	flag2NTStatus = 0x4000
	maxChain      = 4 // commands of one message
	maxDialects   = 16
	writeAndXHead = header1 + 1 + 28 + 2
	readAndXHead  = header1 + 1 + 24 + 2
)

// A head1 is the header of a message, and where in it a command is.
type head1 struct {
	command  byte
	status   uint32
	response bool
	unicode  bool
	tid, uid uint16
	id       uint64 // of process and multiplex
}

func readHead1(b []byte) head1 {
	le := binary.LittleEndian
	flags2 := le.Uint16(b[10:])
	h := head1{
		command: b[4], response: b[9]&flag1Response != 0, unicode: flags2&flag2Unicode != 0,
		tid: le.Uint16(b[24:]), uid: le.Uint16(b[28:]), id: uint64(le.Uint16(b[30:])) | uint64(le.Uint16(b[26:]))<<16,
	}
	if h.status = le.Uint32(b[5:]); flags2&flag2NTStatus == 0 && h.status != 0 {
		h.status = uint32(b[5]) | uint32(le.Uint16(b[7:]))<<16 // class and code of DOS, as MS-CIFS 2.2.2.4 pairs them
	}
	return h
}

// unit1 takes a message of SMB 1.
func (r *Reader) unit1(d *dialog.Dialog, from dialog.End, b []byte) (used int) {
	s := &r.ends[from]
	if s.left < header1+3 {
		return s.rest()
	}
	if len(b) < min(s.left, writeAndXHead) {
		return 0
	}
	h := readHead1(b)
	if len(b) < min(s.left, r.wants1(&h, b)) {
		return 0
	}
	if r.version == "" {
		r.version = "1"
	}
	whole := b[:min(len(b), s.left)]
	r.chain(d, from, &h, whole, s.left-len(whole))
	return s.rest()
}

// wants1 returns how much of a message is looked at.
func (r *Reader) wants1(h *head1, b []byte) int {
	switch {
	case h.command == comWriteAndX && !h.response && b[header1] >= 12 && len(b) >= writeAndXHead:
		id := fid(binary.LittleEndian.Uint16(b[header1+5:]))
		at := int(binary.LittleEndian.Uint16(b[header1+1+22:])) + pipeLength(binary.LittleEndian.Uint16(b[header1+1+14:]))
		if len(b) < at+pipeHead {
			return max(at, writeAndXHead) + pipeHead
		}
		if r.isPipe(&id, b[at:]) {
			return maxMessage
		}
		return writeAndXHead
	case h.command == comReadAndX && h.response && b[header1] >= 12:
		if i := r.waiting(h.id, smb1Command|comReadAndX); i >= 0 {
			if f := r.fileOf(&r.requests[i].file); f.mayBePipe() || f.pipe != nil {
				return maxMessage
			}
		}
		return readAndXHead
	}
	return maxMessage
}

// pipeLength returns how many octets of length are before what is written to a
// pipe by a mode (MS-CIFS 2.2.4.43.1).
func pipeLength(mode uint16) int {
	const raw, start = 4, 8
	if mode&(raw|start) == raw|start {
		return 2
	}
	return 0
}

// fid returns the identifier of a file of SMB 1.
func fid(n uint16) (id fileID) {
	binary.LittleEndian.PutUint16(id[:], n)
	return id
}

// A block is one command of a message: its words and its octets.
type block struct {
	b       []byte // the message
	words   []byte
	bytes   []byte
	at      int // of bytes in b
	missing int // octets of b that are not there
	unicode bool
}

// chain reads the commands of a message: some say which other one is behind
// them (AndX).
func (r *Reader) chain(d *dialog.Dialog, from dialog.End, h *head1, b []byte, missing int) {
	at := header1
	for range maxChain {
		n := 2 * int(b[at])
		if at+1+n > len(b) {
			return
		}
		k := block{b: b, words: b[at+1 : at+1+n], at: min(at+1+n+2, len(b)), missing: missing, unicode: h.unicode}
		k.bytes = b[k.at:]
		if at+1+n+2 <= len(b) {
			k.bytes = k.bytes[:min(len(k.bytes), int(binary.LittleEndian.Uint16(b[at+1+n:])))]
		}
		if h.response {
			r.response1(d, from, h, &k)
		} else {
			r.request1(d, from, h, &k)
		}
		if !isAndX(h.command) || len(k.words) < 4 || k.words[0] == comNone {
			return
		}
		next := int(k.u16(2))
		if next <= at || next >= len(b) {
			return // backwards would be for ever
		}
		h.command, at = k.words[0], next
	}
}

func isAndX(command byte) bool {
	switch command {
	case comOpenAndX, comReadAndX, comWriteAndX, comSessionSetupAndX, comLogoffAndX, comTreeConnectAndX, comNTCreateAndX, 0x24:
		return true
	}
	return false
}

// u16 and its like return a field of the words, 0 if it is not there.
func (k *block) u16(at int) uint16 {
	if at+2 > len(k.words) {
		return 0
	}
	return binary.LittleEndian.Uint16(k.words[at:])
}

func (k *block) u32(at int) uint32 {
	return uint32(k.u16(at)) | uint32(k.u16(at+2))<<16
}

// text takes a string off the octets, which begins at an even place of the
// message if it is of UTF-16.
func (k *block) text() string {
	if !k.unicode {
		return k.oem()
	}
	if k.at&1 != 0 {
		k.skip(1)
	}
	i := 0
	for i+1 < len(k.bytes) && (k.bytes[i] != 0 || k.bytes[i+1] != 0) {
		i += 2
	}
	s := utf16le.Printable(k.bytes[:min(i, len(k.bytes))], maxName)
	k.skip(i + 2)
	return s
}

// oem takes a string in the character set of the machine.
func (k *block) oem() string {
	i := bytes.IndexByte(k.bytes, 0)
	if i < 0 {
		i = len(k.bytes)
	}
	s := uri.Printable(k.bytes[:i], maxName)
	k.skip(i + 1)
	return s
}

func (k *block) skip(n int) {
	n = min(n, len(k.bytes))
	k.bytes, k.at = k.bytes[n:], k.at+n
}

// format takes the octet before a string that says what it is.
func (k *block) format() { k.skip(1) }

// part returns what an offset from the header and a length say, as much as
// there is of it, and how many octets are not there.
func (k *block) part(offset, length int) (data []byte, missing int) {
	if offset < header1 || offset > len(k.b) {
		return nil, 0
	}
	end := min(offset+length, len(k.b))
	return k.b[offset:end], min(offset+length-end, k.missing)
}

// request1 reads a request.
func (r *Reader) request1(d *dialog.Dialog, from dialog.End, h *head1, k *block) {
	q := request{id: h.id, time: d.Time, command: smb1Command | uint16(h.command), tree: uint32(h.tid), session: uint64(h.uid)}
	switch h.command {
	case comNegotiate:
		r.offered(k)
		return
	case comSessionSetupAndX:
		r.sessionSetup1(d, from, &q, k)
	case comTreeConnectAndX:
		k.skip(int(k.u16(6))) // a password
		q.name = k.text()
	case comTreeDisconnect:
		r.dropTree(q.tree, q.session)
		return
	case comNTCreateAndX:
		q.name = fileName(k.text())
		if k.u32(39)&deleteOnClose != 0 {
			q.what |= deletesOnClose
		}
	case comOpenAndX:
		q.name = fileName(k.text())
	case comClose, comRead:
		q.file = fid(k.u16(0))
	case comReadAndX:
		q.file = fid(k.u16(4))
	case comWrite:
		q.file = fid(k.u16(0))
		k.skip(3) // format and length
		r.piped(d, from, &q.file, q.session, k.bytes, 0)
	case comWriteAndX:
		q.file = fid(k.u16(4))
		data, missing := k.part(int(k.u16(22)), int(k.u16(20))|int(k.u16(18))<<16)
		data = data[min(pipeLength(k.u16(14)), len(data)):]
		r.piped(d, from, &q.file, q.session, data, missing)
	case comDelete, comDeleteDirectory:
		k.format()
		q.what, q.name = isDelete, fileName(k.text())
	case comCreateDirectory:
		k.format()
		q.name = fileName(k.text())
	case comRename, comNTRename:
		k.format()
		q.what, q.old = isRename, fileName(k.text())
		k.format()
		q.name = fileName(k.text())
	case comTransaction:
		if k.u16(28) != transactNmPipe || len(k.words) < 32 {
			return
		}
		q.file, q.what = fid(k.u16(30)), isTransceive
		data, missing := k.part(int(k.u16(24)), int(k.u16(22)))
		r.piped(d, from, &q.file, q.session, data, missing)
	case comTransaction2:
		if !r.transaction2(d, &q, k) {
			return
		}
	default:
		return
	}
	r.await(d, q)
}

// offered reads the dialects that a client offers (MS-CIFS 2.2.4.52.1).
func (r *Reader) offered(k *block) {
	r.dialects = r.dialects[:0]
	for len(k.bytes) > 1 && len(r.dialects) < maxDialects {
		k.format()
		name := k.oem()
		r.dialects = append(r.dialects, name[:min(len(name), 32)])
	}
}

// sessionSetup1 reads a request to log on (MS-CIFS 2.2.4.53.1, MS-SMB 2.2.4.6.1).
func (r *Reader) sessionSetup1(d *dialog.Dialog, from dialog.End, q *request, k *block) {
	switch len(k.words) {
	case 24: // with a token
		n := int(k.u16(14))
		r.asks(d, q, k.bytes[:min(n, len(k.bytes))])
		k.skip(n)
	case 26, 20: // with responses to the challenge, or with a password
		n := int(k.u16(14))
		if len(k.words) == 26 {
			n += int(k.u16(16))
		}
		k.skip(n)
		q.plain = &weir.NTLMLogon{Endpoints: d.Endpoints}
		q.plain.User, q.plain.Domain = k.text(), k.text()
	default:
		return
	}
	describe(d, from, "os", k.text())
}

// transaction2 reads a request to set information, and returns false if it is
// none that is told.
func (r *Reader) transaction2(d *dialog.Dialog, q *request, k *block) bool {
	if len(k.words) < 30 {
		return false
	}
	params, _ := k.part(int(k.u16(20)), int(k.u16(18)))
	data, _ := k.part(int(k.u16(24)), int(k.u16(22)))
	switch k.u16(28) {
	case trans2Session:
		q.what = isTransceive
		return true
	case trans2SetFileInfo:
		if len(params) < 4 || len(data) < 1 {
			return false
		}
		q.file = fid(binary.LittleEndian.Uint16(params))
		return q.setInfo1(binary.LittleEndian.Uint16(params[2:]), data)
	case trans2SetPathInfo:
		if len(params) < 6 || len(data) < 1 {
			return false
		}
		name := block{bytes: params[6:], unicode: k.unicode}
		q.name = fileName(name.text())
		return q.setInfo1(binary.LittleEndian.Uint16(params), data)
	}
	return false
}

// Levels of information (MS-CIFS 2.2.2.3.4); from 1000 on they are classes of
// MS-FSCC.
const (
	levelDisposition = 0x0102
	levelPassThrough = 1000
)

// setInfo1 reads what is set, and returns false if it is nothing that is told.
func (q *request) setInfo1(level uint16, data []byte) bool {
	switch level {
	case levelDisposition, levelPassThrough + classDisposition:
		q.what = isDelete
		return data[0] != 0
	case levelPassThrough + classRename:
		const name = 12 // behind replacing, the root and the length
		if len(data) < name {
			return false
		}
		n := int(min(binary.LittleEndian.Uint32(data[8:]), maxMessage))
		q.what, q.old = isRename, q.name
		q.name = fileName(utf16le.Printable(data[name:min(name+n, len(data))], maxName))
		return true
	}
	return false
}

// response1 reads an answer.
func (r *Reader) response1(d *dialog.Dialog, from dialog.End, h *head1, k *block) {
	if h.command == comNegotiate {
		r.negotiated1(d, from, h, k)
		return
	}
	i := r.waiting(h.id, smb1Command|uint16(h.command))
	if i < 0 {
		return
	}
	q := r.requests[i]
	if h.command == comTransaction && r.more1(d, from, &q, k) {
		return
	}
	r.take(i)
	if q.tree == 0 || q.tree == 0xffff {
		q.tree = uint32(h.tid) // of the connect before it in the chain
	}
	if q.session == 0 {
		q.session = uint64(h.uid)
	}
	switch h.command {
	case comSessionSetupAndX:
		r.setUp1(d, from, &q, h, k)
	case comTreeConnectAndX:
		r.connected1(d, &q, h, k)
	case comNTCreateAndX, comOpenAndX:
		o := opening1(h, k)
		r.opened(d, &q, h.status, &o)
	case comClose:
		if h.status == statusSuccess {
			r.closed(d, &q, 0, false)
		}
	case comRead, comReadAndX:
		r.read1(d, from, &q, h, k)
	case comWrite, comWriteAndX:
		if f := r.fileOf(&q.file); f != nil && h.status == statusSuccess {
			n := uint64(k.u16(0))
			if h.command == comWriteAndX {
				n = uint64(k.u16(4)) | uint64(k.u16(8))<<16
			}
			r.add(d, f, "write", &f.written, q.time, n)
		}
	case comCreateDirectory:
		a := r.actIn(d, &q, "create_directory", h.status)
		a.File = q.name
	case comTransaction2:
		if q.what&isTransceive != 0 {
			r.actIn(d, &q, "trans2_session_setup", h.status)
			return
		}
		r.changed(d, &q, h.status)
	case comDelete, comDeleteDirectory, comRename, comNTRename:
		r.changed(d, &q, h.status)
	}
}

// negotiated1 reads which dialect a server chose (MS-CIFS 2.2.4.52.2).
func (r *Reader) negotiated1(d *dialog.Dialog, from dialog.End, h *head1, k *block) {
	const required = 8
	i := int(k.u16(0))
	if h.status != statusSuccess || len(k.words) < 2 || i >= len(r.dialects) {
		return
	}
	r.version = r.dialects[i]
	r.dialects = nil
	signing := len(k.words) >= 34 && k.words[2]&required != 0
	r.chosen(d, from, h.status, signing)
}

// setUp1 reads the answer to a logon.
func (r *Reader) setUp1(d *dialog.Dialog, from dialog.End, q *request, h *head1, k *block) {
	var token []byte
	if len(k.words) == 8 {
		n := min(int(k.u16(6)), len(k.bytes))
		token = k.bytes[:n]
		k.skip(n)
	}
	r.answered(d, q, uint64(h.uid), h.status, token)
	if len(k.words) >= 6 && from == dialog.Server {
		describe(d, from, "os", k.text())
	}
}

// connected1 reads the answer to connecting to a share: the service, always in
// the character set of the machine (MS-CIFS 2.2.4.55.2).
func (r *Reader) connected1(d *dialog.Dialog, q *request, h *head1, k *block) {
	a := r.act(d, q.time, "connect", uint64(h.uid))
	a.Share, a.Status = q.name, statusName(h.status)
	if h.status != statusSuccess {
		return
	}
	switch a.Service = k.oem(); a.Service {
	case "A:":
		a.ShareType = "disk"
	case "IPC":
		a.ShareType = "pipe"
	case "LPT1:":
		a.ShareType = "print"
	}
	r.addTree(tree{id: uint32(h.tid), session: uint64(h.uid), share: q.name, kind: a.ShareType})
}

// opening1 reads the answer to opening a file (MS-CIFS 2.2.4.64.2, 2.2.4.41.2).
func opening1(h *head1, k *block) opening {
	if h.command == comOpenAndX {
		o := opening{id: fid(k.u16(4)), size: uint64(k.u32(12)), action: uint32(k.u16(22) & 3)}
		return o
	}
	o := opening{id: fid(k.u16(5)), action: k.u32(7), size: uint64(k.u32(55)) | uint64(k.u32(59))<<32}
	o.directory = k.u32(43)&attributeDirectory != 0
	return o
}

// read1 takes an answer to reading (MS-CIFS 2.2.4.42.2).
func (r *Reader) read1(d *dialog.Dialog, from dialog.End, q *request, h *head1, k *block) {
	if h.status != statusSuccess && h.status != statusBufferOverflow {
		return
	}
	n := int(k.u16(0))
	data, missing := k.bytes[min(3, len(k.bytes)):], 0
	if h.command == comReadAndX {
		n = int(k.u16(10)) | int(k.u16(14))<<16
		data, missing = k.part(int(k.u16(12)), n)
	}
	if f := r.fileOf(&q.file); f != nil {
		r.add(d, f, "read", &f.read, q.time, uint64(n))
	}
	r.piped(d, from, &q.file, q.session, data, missing)
}

// more1 takes an answer to writing to a pipe and reading from it, and reports
// whether more of it is to come (MS-CIFS 2.2.4.33.2).
func (r *Reader) more1(d *dialog.Dialog, from dialog.End, q *request, k *block) bool {
	if len(k.words) < 20 {
		return false
	}
	n, moved := int(k.u16(12)), int(k.u16(16))
	data, missing := k.part(int(k.u16(14)), n)
	r.piped(d, from, &q.file, q.session, data, missing)
	return n > 0 && moved+n < int(k.u16(2))
}
