// Package packetring keeps the latest packets that a sensor saw, on disk and up
// to a size, so that the packets of one flow can be fetched while they are
// there. It is off unless somebody asks for it: packets hold contents.
//
// The ring is a folder of ordinary capture files (pcap, nanoseconds), each named
// by the time of its first packet and its link type. The oldest go when the
// ring is full, so that anything that reads captures reads the ring.
package packetring

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Config says where packets are kept, and how many.
type Config struct {
	// Dir is the folder; it is made if it does not exist, for its owner alone.
	Dir string
	// Bytes is how much disk the ring takes: 16 MB to 16 TB.
	Bytes int64
}

// The ring is cut into so many files: what goes at a time is a sixteenth.
const files = 16

const (
	minBytes = 16 << 20
	maxBytes = 16 << 40
	// bufferBytes is what a writer hands on at a time, and buffers how many of
	// them there are for a disk that is slow: beyond these packets are dropped.
	bufferBytes = 1 << 20
	buffers     = 64
)

// Counters say what a [Ring] has done.
type Counters struct {
	Packets uint64 // handed to the disk
	Bytes   uint64 // that they take there
	Dropped uint64 // packets not kept because the disk was too slow or refused
	Deleted uint64 // files that made room
}

// A Ring writes packets to disk in a goroutine of its own.
type Ring struct {
	config Config
	full   chan *buffer
	free   chan *buffer
	done   chan struct{}

	mu  sync.Mutex // of err
	err error      // why the disk refused last

	packets, bytes, dropped, deleted atomic.Uint64
}

// A buffer holds packets of one link type as a capture file has them.
type buffer struct {
	link    uint32
	first   int64 // time of the first packet, in nanoseconds since 1970
	packets uint64
	b       []byte
}

// Open begins to write to the ring in a folder, behind what is there.
func Open(c Config) (*Ring, error) {
	if c.Bytes < minBytes || c.Bytes > maxBytes {
		return nil, fmt.Errorf("got %d, want %d to %d bytes", c.Bytes, int64(minBytes), int64(maxBytes))
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, err
	}
	probe, err := os.CreateTemp(c.Dir, ".probe") // better now than when the first packets come
	if err != nil {
		return nil, err
	}
	if err := errors.Join(probe.Close(), os.Remove(probe.Name())); err != nil {
		return nil, err
	}
	r := &Ring{config: c, full: make(chan *buffer, buffers), free: make(chan *buffer, buffers), done: make(chan struct{})}
	for range buffers {
		r.free <- &buffer{}
	}
	go r.run()
	return r, nil
}

// Counters returns what has been done so far. It may be called at any time.
func (r *Ring) Counters() Counters {
	return Counters{Packets: r.packets.Load(), Bytes: r.bytes.Load(), Dropped: r.dropped.Load(), Deleted: r.deleted.Load()}
}

// Err returns why the disk refused the latest packets, nil if it took them.
func (r *Ring) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Close waits until what the writers have handed on is on disk. They must be
// flushed before, and not be used after it.
func (r *Ring) Close() error {
	close(r.full)
	<-r.done
	return r.Err()
}

// Writer returns a writer for one goroutine.
func (r *Ring) Writer() *Writer { return &Writer{ring: r} }

// A Writer collects packets and hands them on to the disk. It never waits for
// it: what the disk does not take is counted as dropped.
type Writer struct {
	ring *Ring
	own  *buffer
}

// Packet keeps a copy of a packet, seen at ts (nanoseconds since 1970) and
// wireLen octets long before it was cut.
func (w *Writer) Packet(ts int64, link uint32, data []byte, wireLen int) {
	if w.own != nil && (w.own.link != link || len(w.own.b)+recordHeader+len(data) > bufferBytes) {
		w.Flush()
	}
	if w.own == nil {
		select {
		case w.own = <-w.ring.free:
			w.own.reset(link, ts)
		default:
			w.ring.dropped.Add(1)
			return
		}
	}
	w.own.b = AppendPacket(w.own.b, ts, data, wireLen)
	w.own.packets++
}

// Flush hands on what is collected, for when traffic pauses.
func (w *Writer) Flush() {
	if w.own != nil {
		w.ring.full <- w.own // there is a place for each buffer
		w.own = nil
	}
}

func (b *buffer) reset(link uint32, ts int64) {
	if b.b == nil {
		b.b = make([]byte, 0, bufferBytes)
	}
	*b = buffer{link: link, first: ts, b: b.b[:0]}
}

const (
	fileHeader   = 24
	recordHeader = 16
	magicNanos   = 0xa1b23c4d
	snapLen      = 262144
)

// AppendHeader appends the header of a capture file with times in nanoseconds
// (draft-ietf-opsawg-pcap, 4).
func AppendHeader(b []byte, link uint32) []byte {
	b = binary.LittleEndian.AppendUint32(b, magicNanos)
	b = binary.LittleEndian.AppendUint16(b, 2)
	b = binary.LittleEndian.AppendUint16(b, 4)
	b = append(b, make([]byte, 8)...)
	b = binary.LittleEndian.AppendUint32(b, snapLen)
	return binary.LittleEndian.AppendUint32(b, link)
}

// AppendPacket appends a packet as such a file has it (5). Times before 1970
// and after 2106 do not fit and are cut.
func AppendPacket(b []byte, ts int64, data []byte, wireLen int) []byte {
	ts = min(max(ts, 0), int64(1)<<32*1e9-1)
	b = binary.LittleEndian.AppendUint32(b, uint32(ts/1e9))
	b = binary.LittleEndian.AppendUint32(b, uint32(ts%1e9))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(data)))
	b = binary.LittleEndian.AppendUint32(b, uint32(max(wireLen, len(data))))
	return append(b, data...)
}

// run writes what the writers hand on.
func (r *Ring) run() {
	defer close(r.done)
	var open *os.File
	var link uint32
	var size int64
	closeOpen := func() error {
		if open == nil {
			return nil
		}
		err := open.Close()
		open = nil
		return err
	}
	for b := range r.full {
		err := error(nil)
		if open != nil && (link != b.link || size >= r.config.Bytes/files) {
			err = closeOpen()
		}
		if open == nil {
			r.makeRoom()
			if open, err = r.create(b); err == nil {
				link, size = b.link, fileHeader
			}
		}
		if err == nil {
			_, err = open.Write(b.b)
			size += int64(len(b.b))
		}
		if r.note(b, err); err != nil {
			_ = closeOpen() // the next one may fare better
		}
		r.free <- b
	}
	r.noteErr(closeOpen())
}

func (r *Ring) note(b *buffer, err error) {
	if err != nil {
		r.dropped.Add(b.packets)
	} else {
		r.packets.Add(b.packets)
		r.bytes.Add(uint64(len(b.b)))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
}

func (r *Ring) noteErr(err error) {
	if err == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
}

// create begins a file. Two may begin at the same time: then one is named a
// nanosecond later.
func (r *Ring) create(b *buffer) (*os.File, error) {
	for first := b.first; ; first++ {
		f, err := os.OpenFile(filepath.Join(r.config.Dir, nameOf(first, b.link)), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if _, err := f.Write(AppendHeader(nil, b.link)); err != nil {
			return nil, errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
		return f, nil
	}
}

// makeRoom deletes the oldest files until one more fits.
func (r *Ring) makeRoom() {
	list, err := Files(r.config.Dir)
	if err != nil {
		r.noteErr(err)
		return
	}
	total := r.config.Bytes/files + bufferBytes // a file ends with the buffer that fills it
	for _, f := range list {
		total += f.Size
	}
	for _, f := range list {
		if total <= r.config.Bytes {
			return
		}
		if err := os.Remove(f.Path); err != nil {
			r.noteErr(err)
			continue
		}
		r.deleted.Add(1)
		total -= f.Size
	}
}

const (
	prefix = "packets-"
	layout = "20060102T150405.000000000Z"
	suffix = ".pcap"
)

func nameOf(first int64, link uint32) string {
	return prefix + time.Unix(0, first).UTC().Format(layout) + "-" + strconv.FormatUint(uint64(link), 10) + suffix
}

// A File is one of a ring.
type File struct {
	Path  string
	First time.Time // of its first packet
	Link  uint32    // link type of all of them (LINKTYPE_…)
	Size  int64     // in octets
}

// Files returns the files of the ring in a folder, the oldest first. Other
// files there are left alone.
func Files(dir string) ([]File, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var list []File
	for _, e := range entries {
		f, ok := parseName(e.Name())
		if !ok {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, os.ErrNotExist) { // it has just made room
			continue
		}
		if err != nil {
			return nil, err
		}
		f.Path, f.Size = filepath.Join(dir, e.Name()), info.Size()
		list = append(list, f)
	}
	slices.SortFunc(list, func(a, b File) int { return a.First.Compare(b.First) })
	return list, nil
}

func parseName(name string) (f File, ok bool) {
	rest, isOurs := strings.CutPrefix(name, prefix)
	rest, ends := strings.CutSuffix(rest, suffix)
	at, link, cut := strings.Cut(rest, "-")
	first, err := time.Parse(layout, at)
	n, lerr := strconv.ParseUint(link, 10, 32)
	return File{First: first, Link: uint32(n)}, isOurs && ends && cut && err == nil && lerr == nil
}

// slack is how far the packets of a file may be out of order: several writers
// hand on a buffer each.
const slack = time.Minute

// Between returns those of the files that may hold packets from one time to
// another; the zero time stands for any.
func Between(list []File, from, to time.Time) (out []File) {
	for i, f := range list {
		last := time.Time{}
		for _, next := range list[i+1:] {
			if next.Link == f.Link {
				last = next.First
				break
			}
		}
		if !to.IsZero() && f.First.After(to.Add(slack)) || !last.IsZero() && last.Before(from.Add(-slack)) {
			continue
		}
		out = append(out, f)
	}
	return out
}
