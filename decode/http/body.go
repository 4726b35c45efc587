package http

import (
	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
)

// count adds octets to the length of a body.
func (r *Reader) count(from dialog.End, n uint64) {
	if x := r.of(from); x != nil {
		if from == dialog.Client {
			x.BodyUp += n
		} else {
			x.BodyDown += n
		}
	}
	r.ends[from].size += n
}

// take counts octets of what is left of a body or chunk.
func (r *Reader) take(from dialog.End, n uint64) {
	r.ends[from].left -= n
	r.count(from, n)
}

// body passes over a body of a known length, all but its last octet: that is
// asked for, to see when the message is complete.
func (r *Reader) body(d *dialog.Dialog, from dialog.End, b []byte) int {
	s := &r.ends[from]
	n := min(s.left, uint64(len(b)))
	if r.look(d, from, b[:n]) && n < s.left {
		n += min(s.left-n-1, step)
	}
	r.take(from, n)
	if s.left == 0 {
		r.ended(d, from)
	}
	return int(n)
}

// open passes over a body that ends with the connection.
func (r *Reader) open(d *dialog.Dialog, from dialog.End, b []byte) int {
	n := len(b)
	if r.look(d, from, b) {
		n += openStep
	}
	r.count(from, uint64(n))
	return n
}

func (r *Reader) chunkSize(d *dialog.Dialog, from dialog.End, b []byte) int {
	const maxExtension = 4 << 10
	s := &r.ends[from]
	line, n, ended := cutLine(b)
	if !ended && len(b) < maxExtension {
		return 0
	}
	size, ok := chunkSize(line)
	switch {
	case !ended || !ok:
		r.unchunked(d, from)
		return n
	case size == 0:
		s.state = inTrailer
	default:
		s.state, s.left = inChunk, size
	}
	return n
}

// unchunked goes on behind what should be a chunk and is none.
func (r *Reader) unchunked(d *dialog.Dialog, from dialog.End) {
	d.TellOdd(from, "http_chunk", "")
	if from == dialog.Client {
		r.lose(d, from)
		return
	}
	r.ends[from].state = untilClose
}

func (r *Reader) chunk(d *dialog.Dialog, from dialog.End, b []byte) int {
	s := &r.ends[from]
	n := min(s.left, uint64(len(b)))
	if r.look(d, from, b[:n]) {
		n = min(s.left, n+step)
	}
	r.take(from, n)
	if s.left == 0 {
		s.state = inChunkEnd
	}
	return int(n)
}

// chunkEnd takes the end of line behind the data of a chunk.
func (r *Reader) chunkEnd(d *dialog.Dialog, from dialog.End, b []byte) int {
	switch {
	case b[0] == '\n':
		r.ends[from].state = inChunkSize
		return 1
	case b[0] != '\r' || len(b) > 1 && b[1] != '\n':
		r.unchunked(d, from)
		return 1
	case len(b) == 1:
		return 0
	}
	r.ends[from].state = inChunkSize
	return 2
}

// trailer takes the fields behind the last chunk.
func (r *Reader) trailer(d *dialog.Dialog, from dialog.End, b []byte) int {
	line, n, ended := cutLine(b)
	if !ended {
		if len(b) < maxField {
			return 0
		}
		n = len(b)
	}
	if ended && len(line) == 0 {
		r.ended(d, from)
		return n
	}
	return r.ofHead(d, from, n)
}

// look looks at the first octets of a body, of which b begins with the next.
// It returns false if some of them are still to come.
func (r *Reader) look(d *dialog.Dialog, from dialog.End, b []byte) bool {
	s := &r.ends[from]
	if s.name != "" {
		r.fileOf(d, from).Name = s.name
		s.name = ""
	}
	if !s.sniff {
		return true
	}
	n := min(len(b), len(s.first)-s.seen)
	if s.seen == 0 && n == len(s.first) { // the usual way
		r.judge(d, from, b[:n])
		return true
	}
	s.seen += copy(s.first[s.seen:], b[:n])
	if s.seen == len(s.first) {
		r.judge(d, from, s.first[:])
	}
	return !s.sniff
}

// judge notes what kind of file it is that begins with b.
func (r *Reader) judge(d *dialog.Dialog, from dialog.End, b []byte) {
	r.ends[from].sniff = false
	if kind := kindOf(b); kind != "" {
		r.fileOf(d, from).Type = kind
	}
}

// fileOf returns the file that a body is.
func (r *Reader) fileOf(d *dialog.Dialog, from dialog.End) *weir.File {
	s := &r.ends[from]
	if s.file == nil {
		s.file = &weir.File{Endpoints: d.Endpoints, Protocol: "http", FromSrc: from == dialog.Client}
		if s.state == inBody {
			s.file.Total = s.length
		}
	}
	return s.file
}

// tellFile tells of the file in a body that has ended, of which ahead octets
// were passed over and did not come.
func (r *Reader) tellFile(d *dialog.Dialog, from dialog.End, ahead uint64) {
	s := &r.ends[from]
	if s.sniff && s.seen > 0 {
		r.judge(d, from, s.first[:s.seen])
	}
	if s.file == nil {
		return
	}
	f := *s.file
	s.file = nil
	f.Size = s.size - min(s.size, ahead+f.Missing)
	f.Duration = max(d.Time.Sub(f.Time), 0)
	d.Batch.Files = append(d.Batch.Files, f)
}
