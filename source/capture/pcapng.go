package capture

import (
	"io"
	"math"
	"math/bits"

	"github.com/weir-nta/weir/decode/packet"
)

// The block types of pcapng that are read (draft-ietf-opsawg-pcapng). All
// others are passed over by their length.
const (
	blockSection   = 0x0a0d0d0a // the same in either byte order
	blockInterface = 1
	blockPacket    = 2 // obsolete
	blockSimple    = 3
	blockEnhanced  = 6
)

// Options of an interface description.
const (
	optionEnd        = 0
	optionResolution = 9  // if_tsresol
	optionOffset     = 14 // if_tsoffset
)

const (
	sectionMagic = 0x1a2b3c4d
	// maxInterfaces bounds what is remembered of a capture. Real ones have a
	// few dozen; one that announces more is damaged, and not read further.
	maxInterfaces = 1 << 16
)

// A section is the part of a pcapng file behind one section header.
type section struct {
	interfaces []networkInterface
	before     int   // interfaces of the sections before
	last       int64 // time of the last packet that said one
}

// A networkInterface is what an interface description says.
type networkInterface struct {
	link    packet.LinkType
	snaplen uint32
	clock   clock
}

// nextBlock reads blocks until one holds a packet.
func (r *Reader) nextBlock() (Record, error) {
	for {
		head, err := r.in.Peek(12)
		if err != nil {
			if r.atEnd() {
				return Record{}, io.EOF
			}
			_, err = r.peek(12, "block header")
			return Record{}, err
		}
		kind := r.u32(head)
		if kind == blockSection {
			if err := r.section(head); err != nil {
				return Record{}, err
			}
			continue
		}
		size := r.u32(head[4:])
		if size < 12 || size%4 != 0 {
			return Record{}, damaged("a block of %d bytes, which is not possible", size)
		}
		switch kind {
		case blockInterface:
			err = r.describe(int64(size))
		case blockEnhanced, blockPacket, blockSimple:
			rec, ok, err := r.packet(kind, size)
			if err != nil || ok {
				return rec, err
			}
			continue
		default:
			err = r.skip(int64(size))
		}
		if err != nil {
			return Record{}, err
		}
	}
}

// section reads a section header, which sets the byte order anew and forgets
// the interfaces.
func (r *Reader) section(head []byte) error {
	for _, big := range []bool{false, true} {
		r.big = big
		if r.u32(head[8:]) != sectionMagic {
			continue
		}
		size := r.u32(head[4:])
		if size < 28 || size%4 != 0 {
			return damaged("a section header of %d bytes, which is not possible", size)
		}
		r.ng.before += len(r.ng.interfaces)
		r.ng.interfaces = r.ng.interfaces[:0]
		return r.skip(int64(size))
	}
	return damaged("a section header with the unknown byte order %x", head[8:12])
}

// skip passes over a block, however long it claims to be, by way of the window.
func (r *Reader) skip(size int64) error {
	if _, err := r.in.Discard(int(size) - 4); err != nil {
		if err != io.EOF {
			return r.failed(err)
		}
		return damaged("the input ends within a block of %d bytes", size)
	}
	trailer, err := r.peek(4, "block")
	if err != nil {
		return err
	}
	if again := int64(r.u32(trailer)); again != size {
		return damaged("a block says %d bytes at its beginning and %d at its end", size, again)
	}
	_, _ = r.in.Discard(4)
	r.offset += size
	return nil
}

// describe reads an interface description.
func (r *Reader) describe(size int64) error {
	if size < 20 {
		return damaged("an interface description of %d bytes, which is not possible", size)
	}
	if r.ng.before+len(r.ng.interfaces) >= maxInterfaces {
		return damaged("more than %d interfaces", maxInterfaces)
	}
	// What does not fit in the window are options nobody has written.
	b, err := r.peek(int(min(size, window)), "interface description")
	if err != nil {
		return err
	}
	face := networkInterface{link: packet.LinkType(r.u16(b[8:])), snaplen: r.u32(b[12:]), clock: newClock(6, 0)}
	resolution, offset := byte(6), int64(0)
	for b = b[16 : len(b)-4]; len(b) >= 4; {
		kind, n := r.u16(b), int(r.u16(b[2:]))
		padded := 4 + (n+3)&^3
		if kind == optionEnd || padded > len(b) {
			break
		}
		switch {
		case kind == optionResolution && n >= 1:
			resolution = b[4]
		case kind == optionOffset && n >= 8:
			offset = r.i64(b[4:])
		}
		b = b[padded:]
	}
	face.clock = newClock(resolution, offset)
	r.ng.interfaces = append(r.ng.interfaces, face)
	r.stats.Interfaces++
	return r.skip(size)
}

// packet reads a block that holds a packet. It says false for a packet of an
// interface of which nothing is known.
func (r *Reader) packet(kind, size uint32) (Record, bool, error) {
	header := 28 // of the enhanced block, and of the obsolete one
	if kind == blockSimple {
		header = 12
	}
	if int64(size) < int64(header)+4 {
		return Record{}, false, damaged("a packet block of %d bytes, which is not possible", size)
	}
	head, err := r.peek(header, "packet header")
	if err != nil {
		return Record{}, false, err
	}
	id, captured, wire := uint32(0), uint32(0), uint32(0)
	switch kind {
	case blockEnhanced:
		id, captured, wire = r.u32(head[8:]), r.u32(head[20:]), r.u32(head[24:])
	case blockPacket:
		id, captured, wire = uint32(r.u16(head[8:])), r.u32(head[20:]), r.u32(head[24:])
	case blockSimple:
		wire = r.u32(head[8:])
		captured = min(wire, size-16)
	}
	if int64(id) >= int64(len(r.ng.interfaces)) {
		r.stats.Unplaced++
		return Record{}, false, r.skip(int64(size))
	}
	face := &r.ng.interfaces[id]
	rec := Record{Link: face.link, Interface: r.ng.before + int(id)}
	if kind == blockSimple {
		if face.snaplen != 0 {
			captured = min(captured, face.snaplen)
		}
		r.untimed(&rec)
	} else if t, ok := face.clock.time(uint64(r.u32(head[12:]))<<32 | uint64(r.u32(head[16:]))); ok {
		rec.TS, r.ng.last = t, t
	} else {
		r.untimed(&rec)
	}
	if captured > maxPacket {
		return Record{}, false, tooLong(captured)
	}
	if int64(captured) > int64(size)-int64(header)-4 {
		return Record{}, false, damaged("a packet of %d bytes in a block of %d", captured, size)
	}
	rec.WireLen = int(max(wire, captured))
	return r.data(rec, header, int(captured), int64(size))
}

// data fills in the bytes of a packet and takes its block.
func (r *Reader) data(rec Record, header, captured int, size int64) (Record, bool, error) {
	if size > window { // a packet and options longer than anybody writes
		return Record{}, false, damaged("a packet block of %d bytes, more than %d", size, window)
	}
	b, err := r.peek(int(size), "packet")
	if err != nil {
		return Record{}, false, err
	}
	if again := int64(r.u32(b[size-4:])); again != size {
		return Record{}, false, damaged("a block says %d bytes at its beginning and %d at its end", size, again)
	}
	r.take(len(b))
	rec.Data = b[header : header+captured]
	return rec, true, nil
}

// untimed gives rec, which has no time, that of the packet before.
func (r *Reader) untimed(rec *Record) {
	rec.TS = r.ng.last
	r.stats.Untimed++
}

func (r *Reader) i64(b []byte) int64 {
	first, second := uint64(r.u32(b)), uint64(r.u32(b[4:]))
	if r.big {
		return int64(first<<32 | second)
	}
	return int64(second<<32 | first)
}

// A clock turns the time stamps of an interface into Unix nanoseconds.
type clock struct {
	times  uint64 // nanoseconds in a count, 0 if a count is less than one
	over   uint64 // counts in a nanosecond, 0 if the resolution is a power of two
	shift  uint   // that power
	offset int64  // seconds to add
}

// newClock reads if_tsresol: a negative power of ten or, with the highest bit
// set, of two.
func newClock(resolution byte, offset int64) clock {
	power := uint(resolution & 0x7f)
	c := clock{offset: offset}
	switch {
	case resolution&0x80 != 0:
		c.shift = power
	case power <= 9:
		c.times = pow10(9 - power)
	default:
		c.over = pow10(min(power-9, 19)) // 10^19 is the last that fits; with 19 or more a count of 64 bits lasts seconds
	}
	return c
}

func pow10(n uint) uint64 {
	p := uint64(1)
	for range n {
		p *= 10
	}
	return p
}

// time returns the time of a stamp, and whether it lies between 1678 and 2262,
// beyond which 64 bits of nanoseconds do not reach.
func (c *clock) time(stamp uint64) (int64, bool) {
	high, ns := uint64(0), uint64(0)
	switch {
	case c.times != 0:
		high, ns = bits.Mul64(stamp, c.times)
	case c.over != 0:
		ns = stamp / c.over
	default:
		high, ns = bits.Mul64(stamp, 1e9)
		high, ns = shiftRight(high, ns, c.shift)
	}
	if high != 0 || ns > math.MaxInt64 {
		return 0, false
	}
	if c.offset == 0 {
		return int64(ns), true
	}
	const most = math.MaxInt64 / int64(1e9)
	if c.offset > most || c.offset < -most {
		return 0, false
	}
	t := int64(ns) + c.offset*1e9
	if c.offset > 0 && t < 0 {
		return 0, false
	}
	return t, true
}

// shiftRight shifts a number of two words.
func shiftRight(high, low uint64, n uint) (uint64, uint64) {
	if n >= 64 {
		return 0, high >> (n - 64)
	}
	return high >> n, low>>n | high<<(64-n)
}
