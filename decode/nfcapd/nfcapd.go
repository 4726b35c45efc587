package nfcapd

import (
	"encoding/binary"
	"errors"
	"io"
	"net/netip"

	"github.com/weir-nta/weir/decode/flowrec"
)

// ErrNotNfcapd says that what is read does not begin as a file of nfdump.
var ErrNotNfcapd = errors.New("not an nfcapd file")

// ErrDamaged is wrapped by every error that says that a file breaks off or
// contradicts itself. What was read before is good.
var ErrDamaged = errors.New("damaged nfcapd file")

// IsNfcapd reports whether head, the first 4 octets or more of a file, are
// those of an nfcapd file of layout 1 or 2.
func IsNfcapd(head []byte) bool {
	if len(head) < 4 {
		return false
	}
	magic, version := binary.LittleEndian.Uint16(head), binary.LittleEndian.Uint16(head[2:])
	return magic == 0xA50C && (version == 1 || version == 2)
}

// An Exporter is who sent a record, as far as the file tells.
type Exporter struct {
	Addr    netip.Addr // zero if not told
	Version uint16     // of NetFlow: 5, 9, 10; 0 if not told
	ID      uint32     // observation domain, source or engine
}

// A Reader reads the records of one file.
type Reader struct {
	from io.Reader
}

// NewReader reads the head of a file.
func NewReader(r io.Reader) (*Reader, error) { return &Reader{from: r}, nil }

// Next reads the next record into rec. At the end it returns io.EOF.
func (r *Reader) Next(rec *flowrec.Record) error { return io.EOF }

// Exporter returns who sent the record that Next read last.
func (r *Reader) Exporter() Exporter { return Exporter{} }
