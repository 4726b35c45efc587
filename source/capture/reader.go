package capture

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/weir-nta/weir/decode/packet"
)

const (
	// maxPacket is the most a packet may claim to have been captured of it.
	// The largest real ones are those of segmentation offload with BIG TCP,
	// 512 KiB; libpcap refuses what is above 256 KiB. What is more is damage.
	maxPacket = 512<<10 + 1024
	// window is how much of the input is in memory at a time. The largest
	// packet with its headers fits in it, so nothing grows with the input.
	window = 1 << 20
)

// ErrNotCapture says that an input is no capture at all, from its first bytes on.
var ErrNotCapture = errors.New("not a capture")

// ErrEmpty says that an input has no bytes.
var ErrEmpty = errors.New("empty file")

// ErrDamaged says that a capture could be read up to some place and no further.
// The errors that match it say what is wrong there in words of their own.
var ErrDamaged = errors.New("damaged capture")

type damage struct{ error }

func (damage) Is(target error) bool { return target == ErrDamaged }

func (d damage) Unwrap() error { return d.error }

func damaged(format string, args ...any) error { return damage{fmt.Errorf(format, args...)} }

// A Record is one packet of a capture.
type Record struct {
	TS        int64  // when it was captured, Unix nanoseconds
	Data      []byte // what was captured of it, valid until the next call of Next
	WireLen   int    // its length on the wire
	Link      packet.LinkType
	Interface int // index of the interface, counted through all sections of the capture
}

// A Reader reads the packets of one capture: pcap with micro- or nanoseconds
// in either byte order, or pcapng, plain or compressed with gzip or zstd. It
// goes by the content and asks for no name. Its memory does not depend on what
// the capture claims.
type Reader struct {
	in      *bufio.Reader
	packed  string // how the input is compressed, "" for not
	close   func()
	big     bool  // byte order of the section
	offset  int64 // of the record being read, in the decompressed input
	packets int64
	stats   Stats

	next func(*Reader) (Record, error)
	pcap pcapFile
	ng   section
}

// Stats is what a [Reader] has met besides packets.
type Stats struct {
	Interfaces int   // interfaces announced, 1 for pcap
	Untimed    int64 // packets that say no time or an impossible one: they got that of the packet before
	Unplaced   int64 // packets left out because they name an interface that was not announced
}

// Open reads the beginning of a capture. It returns an error that wraps
// [ErrNotCapture] or [ErrEmpty], or whatever in returns. Close lets go of what
// decompression needs; in stays the caller's.
func Open(in io.Reader) (*Reader, error) {
	r := &Reader{in: bufio.NewReaderSize(in, window), close: func() {}}
	head, err := r.head()
	if err != nil {
		return nil, err
	}
	if packing(head) != "" {
		if err := r.unpack(packing(head)); err != nil {
			return nil, err
		}
		if head, err = r.head(); err != nil {
			r.Close()
			return nil, err
		}
	}
	if err := r.begin(head); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// head returns the first bytes of the input, as many as there are up to 512.
func (r *Reader) head() ([]byte, error) {
	head, err := r.in.Peek(512)
	if len(head) > 0 {
		return head, nil
	}
	if err == io.EOF {
		return nil, ErrEmpty
	}
	return nil, r.failed(err)
}

// IsCapture reports whether head, the first bytes of a file out of its
// compression, begins a capture that a [Reader] reads.
func IsCapture(head []byte) bool {
	r := &Reader{in: bufio.NewReader(bytes.NewReader(head)), close: func() {}}
	return r.begin(head) == nil
}

// begin finds the format out and reads the header of the file.
func (r *Reader) begin(head []byte) error {
	switch {
	case len(head) >= 4 && binary.BigEndian.Uint32(head) == blockSection:
		r.next = (*Reader).nextBlock
		return nil
	case r.beginPcap(head):
		r.next = (*Reader).nextPcap
		return nil
	}
	return fmt.Errorf("%w: %s", ErrNotCapture, looksLike(head))
}

// Next returns the next packet, io.EOF after the last one, or an error that
// wraps [ErrDamaged] where the capture cannot be read further.
func (r *Reader) Next() (Record, error) {
	rec, err := r.next(r)
	if err == nil {
		r.packets++
	}
	return rec, err
}

// Offset returns where in the decompressed input the next record begins or,
// after an error, the one that could not be read.
func (r *Reader) Offset() int64 { return r.offset }

// Packets returns how many packets have been read.
func (r *Reader) Packets() int64 { return r.packets }

// Stats returns what else was met.
func (r *Reader) Stats() Stats { return r.stats }

// Close lets go of the memory of the decompression. It does not close the input.
func (r *Reader) Close() { r.close() }

// peek returns the next n bytes without taking them: what is a whole whatever
// of the format, and is told so if the input ends within it.
func (r *Reader) peek(n int, whatever string) ([]byte, error) {
	b, err := r.in.Peek(n)
	if err == nil {
		return b, nil
	}
	if err != io.EOF {
		return nil, r.failed(err)
	}
	return nil, damaged("the input ends within a %s: %d of %d bytes are there", whatever, len(b), n)
}

// take takes n bytes that have been peeked at, the whole record.
func (r *Reader) take(n int) {
	_, _ = r.in.Discard(n) // cannot fail: they are in memory
	r.offset += int64(n)
}

// atEnd says whether the input ends here, cleanly.
func (r *Reader) atEnd() bool {
	_, err := r.in.Peek(1)
	return err == io.EOF
}

// failed wraps an error of the input.
func (r *Reader) failed(err error) error {
	switch {
	case r.packed == "" || strings.HasPrefix(err.Error(), r.packed):
		return damaged("%w", err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return damaged("the %s data end early: %w", r.packed, err)
	}
	return damaged("%s: %w", r.packed, err)
}

func (r *Reader) u16(b []byte) uint16 {
	if r.big {
		return binary.BigEndian.Uint16(b)
	}
	return binary.LittleEndian.Uint16(b)
}

func (r *Reader) u32(b []byte) uint32 {
	if r.big {
		return binary.BigEndian.Uint32(b)
	}
	return binary.LittleEndian.Uint32(b)
}

// tooLong is the error for a packet that cannot have been that long.
func tooLong(n uint32) error {
	return damaged("a packet claims %d captured bytes, more than %d", n, maxPacket)
}
