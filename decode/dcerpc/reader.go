package dcerpc

import (
	"bytes"
	"encoding/binary"
	"strconv"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
)

// httpBanner is what a server says first where calls come through HTTP's port
// (MS-RPCH 2.2.3.5).
const httpBanner = "ncacn_http/1.0"

// A Reader reads one conversation over TCP or UDP. It is a [dialog.Reader].
type Reader struct {
	conn
	astray [2]bool // an end lost its way: the next message is looked for
	begun  [2]bool
}

// New returns a reader.
func New() *Reader { return &Reader{} }

// Read implements [dialog.Reader].
func (r *Reader) Read(d *dialog.Dialog, from dialog.End, b []byte) int {
	if d.Proto == weir.UDP {
		r.datagram(d, from, b)
		return len(b)
	}
	used := 0
	if !r.begun[from] && from == dialog.Server {
		if n := min(len(b), len(httpBanner)); n > 0 && string(b[:n]) == httpBanner[:n] {
			if n < len(httpBanner) {
				return 0
			}
			used = n
		}
	}
	r.begun[from] = true
	for used < len(b) { // each turn takes something or leaves
		if r.astray[from] {
			at, found := next(b[used:])
			used += at
			if !found {
				return used
			}
			r.astray[from] = false
		}
		n, ok := r.read(d, b[used:])
		used += n
		if ok {
			return used
		}
		r.astray[from] = true
		used++
	}
	return used
}

// next returns where the next message may begin, or from where on there may be
// more of it to come.
func next(b []byte) (at int, found bool) {
	for {
		i := bytes.IndexByte(b[at:], 5)
		if i < 0 {
			return len(b), false
		}
		if at += i; len(b)-at < commonHeader {
			return at, false
		}
		if h, ok := readHeader(b[at:]); ok && h.flags&flagFirst != 0 && h.size < 1<<14 {
			return at, true
		}
		at++
	}
}

// Lost implements [dialog.Reader].
func (r *Reader) Lost(_ *dialog.Dialog, from dialog.End, _ int) bool {
	r.astray[from], r.begun[from] = true, true
	return true
}

// Close implements [dialog.Reader].
func (r *Reader) Close(d *dialog.Dialog) { r.close(d) }

// Types of messages over UDP (C706, 12.5.2.6).
const (
	dgRequest  = 0
	dgResponse = 2
	dgFault    = 3
	dgReject   = 6
	dgHeader   = 80
)

// datagram reads one message of the connectionless protocol (C706, 12.5.2).
// Calls are told apart by the low half of their activity and their number in it.
func (r *Reader) datagram(d *dialog.Dialog, _ dialog.End, b []byte) {
	if len(b) < dgHeader || b[0] != 4 {
		return
	}
	var order binary.ByteOrder = binary.BigEndian
	if b[4]&0x10 != 0 {
		order = binary.LittleEndian
	}
	id := order.Uint32(b[64:]) ^ binary.LittleEndian.Uint32(b[40:]) ^ binary.LittleEndian.Uint32(b[52:])
	switch b[1] {
	case dgRequest:
		if r.find(id) >= 0 || order.Uint16(b[76:]) != 0 {
			return // sent again, or a further fragment
		}
		one := call{time: d.Time, id: id, op: order.Uint16(b[68:]), bound: true, uuid: readUUID(b[24:], order)}
		one.known = interfaces()[one.uuid]
		if len(r.calls) >= maxCalls {
			r.tell(d, 0, 0, "")
		}
		r.calls = append(r.calls, one)
		if r.pipe == "" {
			r.pipe = strconv.Itoa(int(d.DstPort))
		}
	case dgResponse, dgFault, dgReject:
		i := r.find(id)
		if i < 0 {
			return
		}
		status := ""
		if b[1] != dgResponse && len(b) >= dgHeader+4 {
			status = faultName(order.Uint32(b[dgHeader:]))
		}
		r.tell(d, i, max(d.Time.Sub(r.calls[i].time), 0), status)
	}
}
