package smb

import (
	"encoding/binary"
	"strings"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/internal/utf16le"
)

// Commands of SMB 2 (MS-SMB2 2.2.1).
const (
	cmdNegotiate      = 0
	cmdSessionSetup   = 1
	cmdLogoff         = 2
	cmdTreeConnect    = 3
	cmdTreeDisconnect = 4
	cmdCreate         = 5
	cmdClose          = 6
	cmdRead           = 8
	cmdWrite          = 9
	cmdIoctl          = 11
	cmdSetInfo        = 17
)

// Flags of the header.
const (
	flagResponse = 1
	flagAsync    = 2
	flagRelated  = 4
)

const (
	header2         = 64 // octets before the body
	fsctlTransceive = 0x0011c017
	anyDialect      = 0x02ff // negotiation goes on by SMB 2
)

// A head2 is the header of a command.
type head2 struct {
	status, flags uint32
	command       uint16
	next          int
	id, session   uint64
	tree          uint32
}

func readHead2(b []byte) head2 {
	le := binary.LittleEndian
	return head2{
		status: le.Uint32(b[8:]), command: le.Uint16(b[12:]), flags: le.Uint32(b[16:]), next: int(le.Uint32(b[20:])),
		id: le.Uint64(b[24:]), tree: le.Uint32(b[36:]), session: le.Uint64(b[40:]),
	}
}

func (h *head2) isResponse() bool { return h.flags&flagResponse != 0 }

// unit2 takes one command of SMB 2.
func (r *Reader) unit2(d *dialog.Dialog, from dialog.End, b []byte) (used int) {
	s := &r.ends[from]
	if s.left < header2 {
		return s.rest()
	}
	if len(b) < header2 {
		return 0
	}
	h := readHead2(b)
	size := s.left
	if h.next >= header2 && h.next < s.left {
		size = h.next
	}
	if len(b) < min(size, r.wants2(&h, b)) {
		return 0
	}
	if r.version == "" {
		r.version = "2"
	}
	whole := b[:min(len(b), size)]
	if h.isResponse() {
		r.response2(d, from, &h, whole, size-len(whole))
	} else {
		r.request2(d, from, &h, whole, size-len(whole))
	}
	s.left -= size
	return size
}

// Octets of header and body before what is variable.
const (
	writeHeader     = header2 + 48
	ioctlHeader     = header2 + 56
	ioctlAnswer     = header2 + 48
	readAnswer      = header2 + 16
	createHeader    = header2 + 56
	createAnswer    = header2 + 88
	closeAnswer     = header2 + 60
	negotiateAnswer = header2 + 64
	setInfoHeader   = header2 + 32
	pipeHead        = 16 // octets that tell DCE/RPC
)

// wants2 returns how much of a command is looked at.
func (r *Reader) wants2(h *head2, b []byte) int {
	if h.isResponse() {
		return r.wantsAnswer2(h)
	}
	switch h.command {
	case cmdSessionSetup, cmdTreeConnect:
		return maxMessage
	case cmdClose:
		return header2 + 24
	case cmdRead:
		return header2 + 48
	case cmdCreate:
		if len(b) < createHeader {
			return createHeader
		}
		return min(int(binary.LittleEndian.Uint16(b[108:]))+int(binary.LittleEndian.Uint16(b[110:])), maxMessage)
	case cmdSetInfo:
		if len(b) >= setInfoHeader && kindOfSetInfo(b[header2:]) == 0 {
			return setInfoHeader
		}
		return maxMessage
	case cmdWrite:
		if len(b) < writeHeader+pipeHead {
			return writeHeader + pipeHead
		}
		at := int(binary.LittleEndian.Uint16(b[66:]))
		if id := fileID(b[80:96]); r.isPipe(&id, b[min(at, len(b)):]) {
			return maxMessage
		}
		return writeHeader
	case cmdIoctl:
		if len(b) < ioctlHeader || binary.LittleEndian.Uint32(b[68:]) == fsctlTransceive {
			return maxMessage
		}
		return ioctlHeader
	}
	return header2
}

func (r *Reader) wantsAnswer2(h *head2) int {
	switch h.command {
	case cmdNegotiate:
		return negotiateAnswer
	case cmdSessionSetup:
		return maxMessage
	case cmdTreeConnect:
		return header2 + 16
	case cmdCreate:
		return createAnswer
	case cmdClose:
		return closeAnswer
	case cmdWrite:
		return header2 + 16
	case cmdRead, cmdIoctl:
		if i := r.waiting(h.id, h.command); i >= 0 {
			if f := r.fileOf(&r.requests[i].file); f.mayBePipe() || f.pipe != nil {
				return maxMessage
			}
		}
		return readAnswer
	}
	return header2
}

// request2 reads a request, of which the last missing octets are not there.
func (r *Reader) request2(d *dialog.Dialog, from dialog.End, h *head2, b []byte, missing int) {
	s := &r.ends[from]
	if h.flags&flagRelated != 0 {
		h.session, h.tree = s.session, s.tree
	}
	s.session, s.tree = h.session, h.tree
	q := request{id: h.id, time: d.Time, command: h.command, tree: h.tree, session: h.session}
	body := b[header2:]
	switch h.command {
	case cmdSessionSetup:
		if len(body) < 24 {
			return
		}
		r.asks(d, &q, variable(b, body[12:]))
	case cmdTreeConnect:
		if len(body) < 8 {
			return
		}
		q.name = text2(variable(b, body[4:]))
	case cmdTreeDisconnect:
		r.dropTree(h.tree, h.session)
		return
	case cmdCreate:
		if len(body) < 56 {
			return
		}
		q.name = fileName(text2(variable(b, body[44:])))
		if binary.LittleEndian.Uint32(body[40:])&deleteOnClose != 0 {
			q.what |= deletesOnClose
		}
	case cmdClose:
		if len(body) < 24 {
			return
		}
		q.file = fileID(body[8:24])
	case cmdRead:
		if len(body) < 32 {
			return
		}
		q.file = fileID(body[16:32])
	case cmdWrite:
		if len(body) < 48 {
			return
		}
		q.file = fileID(body[16:32])
		at := min(int(binary.LittleEndian.Uint16(body[2:])), len(b))
		r.piped(d, from, &q.file, q.session, b[at:], missing)
	case cmdIoctl:
		if len(body) < 56 || binary.LittleEndian.Uint32(body[4:]) != fsctlTransceive {
			return
		}
		q.file = fileID(body[8:24])
		q.what = isTransceive
		data, short := variable32(b, body[24:])
		r.piped(d, from, &q.file, q.session, data, short)
	case cmdSetInfo:
		if !r.setInfo2(&q, body) {
			return
		}
	default:
		return
	}
	r.await(d, q)
}

const deleteOnClose = 0x1000 // of the options of a create (MS-SMB2 2.2.13)

// Classes of information about a file (MS-FSCC 2.4).
const (
	classRename        = 10
	classDisposition   = 13
	classDispositionEx = 64
	classRenameEx      = 65
)

// kindOfSetInfo returns what a request to set information is, 0 if nothing that
// is told. b is its body.
func kindOfSetInfo(b []byte) what {
	if b[2] != 1 { // information about a file
		return 0
	}
	switch b[3] {
	case classRename, classRenameEx:
		return isRename
	case classDisposition, classDispositionEx:
		return isDelete
	}
	return 0
}

// setInfo2 reads a request to rename or delete a file, and returns false if it
// is another.
func (r *Reader) setInfo2(q *request, body []byte) bool {
	if len(body) < 32 {
		return false
	}
	if q.what = kindOfSetInfo(body); q.what == 0 {
		return false
	}
	q.file = fileID(body[16:32])
	at := int(binary.LittleEndian.Uint16(body[8:])) - header2
	if at < 32 || at >= len(body) {
		return false
	}
	info := body[at:]
	if q.what == isDelete {
		return info[0]&1 != 0
	}
	if len(info) < 20 {
		return false
	}
	n := int(min(binary.LittleEndian.Uint32(info[16:]), maxMessage))
	q.name = fileName(text2(info[20:min(20+n, len(info))]))
	return true
}

// response2 reads an answer.
func (r *Reader) response2(d *dialog.Dialog, from dialog.End, h *head2, b []byte, missing int) {
	body := b[header2:]
	if h.command == cmdNegotiate {
		r.negotiated2(d, from, h, body)
		return
	}
	i := r.waiting(h.id, h.command)
	if i < 0 || h.status == statusPending && h.flags&flagAsync != 0 {
		return
	}
	q := r.take(i)
	s := &r.ends[from]
	if q.file == related {
		q.file = s.file
	}
	if h.command != cmdCreate && h.command != cmdSetInfo || h.status == statusSuccess {
		s.file = q.file
	}
	switch h.command {
	case cmdSessionSetup:
		var token []byte
		if len(body) >= 8 {
			token = variable(b, body[4:])
		}
		r.answered(d, &q, h.session, h.status, token)
	case cmdTreeConnect:
		r.connected2(d, &q, h, body)
	case cmdCreate:
		var o opening
		if h.status == statusSuccess && len(body) >= 80 {
			o = opening{id: fileID(body[64:80]), action: binary.LittleEndian.Uint32(body[4:]), size: binary.LittleEndian.Uint64(body[48:]),
				directory: binary.LittleEndian.Uint32(body[56:])&attributeDirectory != 0}
			s.file = o.id
		}
		r.opened(d, &q, h.status, &o)
	case cmdClose:
		if h.status == statusSuccess && len(body) >= 60 {
			r.closed(d, &q, binary.LittleEndian.Uint64(body[48:]), body[2]&1 != 0)
		}
	case cmdRead:
		r.read2(d, from, &q, h, b, missing)
	case cmdWrite:
		if f := r.fileOf(&q.file); f != nil && h.status == statusSuccess && len(body) >= 8 {
			r.add(d, f, "write", &f.written, q.time, uint64(binary.LittleEndian.Uint32(body[4:])))
		}
	case cmdIoctl:
		if q.what&isTransceive != 0 && len(body) >= 40 {
			data, short := variable32(b, body[32:])
			r.piped(d, from, &q.file, q.session, data, short)
		}
	case cmdSetInfo:
		r.changed(d, &q, h.status)
	}
}

const attributeDirectory = 0x10 // MS-FSCC 2.6

// read2 takes an answer to reading.
func (r *Reader) read2(d *dialog.Dialog, from dialog.End, q *request, h *head2, b []byte, missing int) {
	body := b[header2:]
	if len(body) < 16 || h.status != statusSuccess && h.status != statusBufferOverflow {
		return
	}
	if f := r.fileOf(&q.file); f != nil {
		r.add(d, f, "read", &f.read, q.time, uint64(binary.LittleEndian.Uint32(body[4:])))
	}
	r.piped(d, from, &q.file, q.session, b[min(int(body[2]), len(b)):], missing)
}

// negotiated2 reads the answer to a negotiation (MS-SMB2 2.2.4).
func (r *Reader) negotiated2(d *dialog.Dialog, from dialog.End, h *head2, body []byte) {
	if len(body) < 8 || h.status != statusSuccess {
		return
	}
	dialect := binary.LittleEndian.Uint16(body[4:])
	if dialect == anyDialect {
		return
	}
	r.version = dialectName(dialect)
	r.chosen(d, from, statusSuccess, body[2]&2 != 0)
}

// chosen tells of a dialect chosen, once.
func (r *Reader) chosen(d *dialog.Dialog, from dialog.End, status uint32, signing bool) {
	if r.told&toldDialect != 0 {
		return
	}
	r.told |= toldDialect
	r.act(d, d.Time, "negotiate", 0).Status = statusName(status)
	text := "signing not required"
	if signing {
		text = "signing required"
	}
	describe(d, from, "security", text)
	describe(d, from, "dialect", r.version)
}

// describe tells what one end says of itself, if it does.
func describe(d *dialog.Dialog, from dialog.End, kind, text string) {
	if text != "" {
		announce(d, from, weir.Announcement{Protocol: "smb", Kind: kind, Text: text})
	}
}

// announce tells what one end says, which it is the source of.
func announce(d *dialog.Dialog, from dialog.End, a weir.Announcement) {
	e := d.Endpoints
	if from == dialog.Server {
		d.Src, d.Dst, d.SrcPort, d.DstPort = e.Dst, e.Src, e.DstPort, e.SrcPort
	}
	d.Announce(a)
	d.Endpoints = e
}

// dialectName writes 0x0311 as 3.1.1.
func dialectName(v uint16) string {
	const digits = "0123456789abcdef"
	out := []byte{digits[v>>8&15], '.', digits[v>>4&15]}
	if v&15 != 0 {
		out = append(out, '.', digits[v&15])
	}
	return string(out)
}

// connected2 reads the answer to connecting to a share (MS-SMB2 2.2.10).
func (r *Reader) connected2(d *dialog.Dialog, q *request, h *head2, body []byte) {
	a := r.act(d, q.time, "connect", q.session)
	a.Share, a.Status = q.name, statusName(h.status)
	if h.status != statusSuccess || len(body) < 16 {
		return
	}
	switch body[2] {
	case 1:
		a.ShareType = "disk"
	case 2:
		a.ShareType = "pipe"
	case 3:
		a.ShareType = "print"
	}
	r.addTree(tree{id: h.tree, session: q.session, share: q.name, kind: a.ShareType})
}

// variable returns what an offset from the header and a length, both at the
// beginning of where, say; as much as there is of it.
func variable(b, where []byte) []byte {
	at, n := int(binary.LittleEndian.Uint16(where)), int(binary.LittleEndian.Uint16(where[2:]))
	if at < header2 || at > len(b) {
		return nil
	}
	return b[at:min(at+n, len(b))]
}

// variable32 does the same for offsets and lengths of four octets. It returns
// also how many octets are not there.
func variable32(b, where []byte) (data []byte, missing int) {
	at, n := uint64(binary.LittleEndian.Uint32(where)), uint64(binary.LittleEndian.Uint32(where[4:]))
	if at < header2 || at > uint64(len(b)) {
		return nil, 0
	}
	end := min(at+n, uint64(len(b)))
	return b[at:end], int(min(at+n-end, 1<<24))
}

func text2(b []byte) string { return utf16le.Printable(b, maxName) }

// fileName returns the name of a file as records have it.
func fileName(s string) string {
	if s = strings.TrimLeft(s, `\/`); s == "" {
		return shareRoot
	}
	return s
}
