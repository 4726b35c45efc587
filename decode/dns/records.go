package dns

import "encoding/binary"

// A Record is one resource record of a message, of any section but the
// questions. Its slices and offsets are valid as long as the message is.
type Record struct {
	Type, Class uint16
	TTL         uint32
	Name        int    // where its name begins, for Labels
	At          int    // where Data begins, for Labels
	Data        []byte // as it stands there
}

// The types of records that [Message.Records] is asked for.
const (
	TypeA      = typeA
	TypePTR    = typePTR
	TypeTXT    = typeTXT
	TypeAAAA   = typeAAAA
	TypeSRV    = typeSRV
	TypeNB     = typeNB
	TypeNBSTAT = typeNBSTAT
)

// Records shows the first n records of all sections but the questions, as far
// as they can be read, until yield returns false.
func (m *Message) Records(n int, yield func(Record) bool) {
	b, off, err := m.msg, headerSize, error(nil)
	if len(b) < headerSize {
		return
	}
	for range binary.BigEndian.Uint16(b[4:]) { // each turn moves on by five octets or ends
		if off, err = skipName(b, off); err != nil || off+4 > len(b) {
			return
		}
		off += 4
	}
	left := int(binary.BigEndian.Uint16(b[6:])) + int(binary.BigEndian.Uint16(b[8:])) + int(binary.BigEndian.Uint16(b[10:]))
	for range min(left, n) {
		r := Record{Name: off}
		if off, err = skipName(b, off); err != nil || off+10 > len(b) {
			return
		}
		r.Type, r.Class, r.TTL = binary.BigEndian.Uint16(b[off:]), binary.BigEndian.Uint16(b[off+2:]), binary.BigEndian.Uint32(b[off+4:])
		r.At = off + 10
		if off = r.At + int(binary.BigEndian.Uint16(b[off+8:])); off > len(b) {
			return
		}
		r.Data = b[r.At:off]
		if !yield(r) {
			return
		}
	}
}

// Labels appends the labels of the name at off to dst, as they stand there,
// without the root.
func (m *Message) Labels(dst [][]byte, off int) ([][]byte, error) {
	b, part := m.msg, off
	for length := 0; ; {
		if off >= len(b) {
			return dst, ErrShort
		}
		n := int(b[off])
		switch {
		case n >= 0xc0:
			if off+2 > len(b) {
				return dst, ErrShort
			}
			if off = (n&0x3f)<<8 | int(b[off+1]); off >= part { // as in appendName
				return dst, ErrPointer
			}
			part = off
			continue
		case n >= 0x40:
			return dst, ErrLabel
		case n == 0:
			return dst, nil
		case off+1+n > len(b):
			return dst, ErrShort
		}
		if length += 1 + n; length >= maxName {
			return dst, ErrName
		}
		dst = append(dst, b[off+1:off+1+n])
		off += 1 + n
	}
}

// Question returns the type of the first question and where its name begins,
// false if there is none.
func (m *Message) Question() (typ uint16, name int, ok bool) { return m.typ, m.question, m.asks }

// NetBIOSName returns the NetBIOS name at off, without padding, and the octet
// that says the kind of service (RFC 1001, 14.1).
func (m *Message) NetBIOSName(off int) (name [15]byte, suffix byte, ok bool) {
	return NetBIOSName(m.msg[min(off, len(m.msg)):])
}

// NetBIOSName returns the name that b begins with, spelt in the 32 letters of a
// label (RFC 1001, 14.1), and the octet that says the kind of service.
func NetBIOSName(b []byte) (name [15]byte, suffix byte, ok bool) {
	const spelt = 32
	if len(b) < 1+spelt || b[0] != spelt {
		return name, 0, false
	}
	for i, c := range b[1 : 1+spelt] {
		if c -= 'A'; c > 15 {
			return name, 0, false
		}
		switch {
		case i/2 < len(name):
			name[i/2] = name[i/2]<<4 | c
		default:
			suffix = suffix<<4 | c
		}
	}
	return name, suffix, true
}
