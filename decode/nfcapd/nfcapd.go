package nfcapd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/flowrec"
)

// ErrNotNfcapd says that what is read does not begin as a file of nfdump.
var ErrNotNfcapd = errors.New("not an nfcapd file")

// ErrUnreadable is wrapped by errors that say that a file is sound, as far as
// that can be seen, but of a kind that is not read: encrypted, of a later
// layout, or from a big-endian machine.
var ErrUnreadable = errors.New("nfcapd file that cannot be read")

// ErrDamaged is wrapped by every error that says that a file breaks off or
// contradicts itself. What was read before is good.
var ErrDamaged = errors.New("damaged nfcapd file")

const magic = 0xa50c

// IsNfcapd reports whether head, the first 4 octets or more of a file, are
// those of an nfcapd file, be it one that cannot be read (ErrUnreadable).
func IsNfcapd(head []byte) bool {
	if len(head) < 4 {
		return false
	}
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		version := order.Uint16(head[2:])
		if order.Uint16(head) == magic && version >= 1 && version <= 3 {
			return true
		}
	}
	return false
}

// An Exporter is who sent a record, as far as the file tells.
type Exporter struct {
	Addr    netip.Addr // the zero Addr if not told
	Version uint32     // of NetFlow: 1, 5, 7, 9, 10; 9999 is sFlow; 0 if not told
	ID      uint32     // observation domain, source or engine
	SysID   uint16     // by which the file calls it
}

// Stats count what a [Reader] has met.
type Stats struct {
	Records  uint64 // of flows, returned by Next
	Blocks   uint64 // of data
	Lost     uint64 // datagrams missing by the sequence numbers, as the collector counted
	Other    uint64 // records and blocks of kinds that are not of flows, passed over
	Unknown  uint64 // extensions of flow records that are not known, passed over
	Damaged  uint64 // records and blocks that contradict themselves, given up
	NoMap    uint64 // records whose extensions are not known: the map is missing
	Unscaled uint64 // sampled records whose rate is not told, or does not divide their counters
}

// A Reader reads the records of one file. It is for one goroutine.
type Reader struct {
	from   io.Reader
	offset int64 // octets read
	layout uint16
	codec  codec
	blocks int64 // announced; 0 if the collector has not closed the file

	raw, plain []byte // a block as it lies in the file, and decompressed
	rest       []byte // what is left of it
	err        error  // why nothing more can be read

	exporters map[uint16]*Exporter
	samplers  map[uint16][]sampler
	// samplerCount is how many samplers there are in samplers.
	samplerCount int
	maps         map[uint16][]uint16 // extensions by map, layout 1
	last         Exporter
	stats        Stats

	// Of the record at hand:
	out out
	tls weir.TLS
}

// out is what a record has in its counters "out".
type out struct {
	told           bool
	bytes, packets uint64
}

// Both headers of files, in octets.
const (
	head1 = 140 + 136 // with the counts of all flows
	head2 = 40
)

// NewReader reads the head of a file. Errors wrap [ErrNotNfcapd],
// [ErrUnreadable] or [ErrDamaged], or are those of r.
func NewReader(from io.Reader) (*Reader, error) {
	r := &Reader{
		from:      from,
		exporters: map[uint16]*Exporter{},
		samplers:  map[uint16][]sampler{},
		maps:      map[uint16][]uint16{},
	}
	var b [head1]byte
	if err := r.read(b[:4]); err != nil {
		if errors.Is(err, ErrDamaged) {
			err = ErrNotNfcapd
		}
		return nil, err
	}
	if !IsNfcapd(b[:4]) {
		return nil, ErrNotNfcapd
	}
	if binary.LittleEndian.Uint16(b[:]) != magic {
		return nil, fmt.Errorf("%w: from a big-endian machine", ErrUnreadable)
	}
	r.layout = binary.LittleEndian.Uint16(b[2:])
	switch r.layout {
	case 1:
		return r, r.head1(b[:head1])
	case 2:
		return r, r.head2(b[:head2])
	}
	return nil, fmt.Errorf("%w: layout version %d", ErrUnreadable, r.layout)
}

func (r *Reader) head1(b []byte) error {
	if err := r.read(b[4:]); err != nil {
		return err
	}
	switch flags := binary.LittleEndian.Uint32(b[4:]); {
	case flags&1 != 0:
		r.codec = lzo
	case flags&8 != 0:
		r.codec = bz2
	case flags&16 != 0:
		r.codec = lz4
	}
	r.blocks = int64(binary.LittleEndian.Uint32(b[8:]))
	r.stats.Lost = uint64(binary.LittleEndian.Uint32(b[140+132:]))
	return nil
}

func (r *Reader) head2(b []byte) error {
	if err := r.read(b[4:]); err != nil {
		return err
	}
	if b[17] != 0 {
		return fmt.Errorf("%w: encrypted", ErrUnreadable)
	}
	r.codec = codec(b[16])
	if r.codec > zstandard {
		return fmt.Errorf("%w: compression %d", ErrUnreadable, r.codec)
	}
	r.blocks = int64(binary.LittleEndian.Uint32(b[36:]))
	return nil
}

// read fills b.
func (r *Reader) read(b []byte) error {
	n, err := io.ReadFull(r.from, b)
	r.offset += int64(n)
	if err == io.ErrUnexpectedEOF || err == io.EOF {
		return fmt.Errorf("%w: ends after %d octets", ErrDamaged, r.offset)
	}
	return err
}

// Next reads the next record into rec, whatever that held before. At the end it
// returns io.EOF. An error that wraps [ErrDamaged] says that a record or a
// block had to be given up: what follows it, if anything, the next call reads.
// Other errors are those of the file and final.
func (r *Reader) Next(rec *flowrec.Record) error {
	for {
		if len(r.rest) < 4 {
			if len(r.rest) > 0 {
				return r.damaged("%d octets left in a block", len(r.rest))
			}
			if err := r.block(); err != nil {
				return err
			}
			continue
		}
		kind, size := binary.LittleEndian.Uint16(r.rest), int(binary.LittleEndian.Uint16(r.rest[2:]))
		if size < 4 || size > len(r.rest) {
			return r.damaged("a record of %d octets where %d are left", size, len(r.rest))
		}
		b := r.rest[:size]
		r.rest = r.rest[size:]
		isFlow, err := r.record(rec, kind, b)
		if err != nil {
			r.stats.Damaged++
			return err
		}
		if isFlow {
			r.stats.Records++
			return nil
		}
	}
}

// damaged gives up the rest of the block.
func (r *Reader) damaged(format string, args ...any) error {
	r.rest = nil
	r.stats.Damaged++
	return fmt.Errorf("%w: "+format, append([]any{ErrDamaged}, args...)...)
}

// Types of records.
const (
	flowV0        = 1 // nfdump 1.6, up to 255 exporters
	extensionMap  = 2
	exporterInfo  = 7
	exporterStat  = 8
	samplerLegacy = 9
	flowV1        = 10 // nfdump 1.6
	flowV3        = 11 // nfdump 1.7
	samplerInfo   = 15
)

// record reads one record. It reports whether it is one of a flow.
func (r *Reader) record(rec *flowrec.Record, kind uint16, b []byte) (isFlow bool, _ error) {
	switch kind {
	case flowV3:
		return true, r.flow3(rec, b)
	case flowV0, flowV1:
		return true, r.flow1(rec, b, kind == flowV0)
	case extensionMap:
		return false, r.extensionMap(b)
	case exporterInfo:
		return false, r.exporter(b)
	case exporterStat:
		return false, r.exporterStat(b)
	case samplerInfo, samplerLegacy:
		return false, r.sampler(b, kind == samplerLegacy)
	}
	r.stats.Other++
	return false, nil
}

// Exporter returns who sent the record that Next read last.
func (r *Reader) Exporter() Exporter { return r.last }

// Offset returns how many octets have been read.
func (r *Reader) Offset() int64 { return r.offset }

// Stats returns what has been counted so far.
func (r *Reader) Stats() Stats { return r.stats }
