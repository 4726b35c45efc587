package dns

import (
	"encoding/binary"
	"net/netip"
	"strconv"
)

// maxData bounds the text of one answer, in bytes: what is beyond is cut off.
const maxData = 4096

// appendData appends the data of r in presentation format, without quotes: of
// TXT and the like the text, strings joined by a space; of SVCB and HTTPS the
// priority and target. Types that are not known, and data that is not as its
// type says, are appended as \# LENGTH HEX (RFC 3597, 5).
func (m *Message) appendData(dst []byte, r *record, netbios bool) []byte {
	data := m.msg[r.data:r.end]
	var out []byte
	ok := false
	if netbios && (r.typ == typeNB || r.typ == typeNBSTAT) {
		out, ok = appendNetBIOSData(dst, r.typ, data)
	} else {
		out, ok = m.appendKnown(dst, r, data)
	}
	if !ok {
		out = appendUnknown(dst, data)
	}
	return out[:min(len(out), maxData)]
}

func (m *Message) appendKnown(dst []byte, r *record, data []byte) (out []byte, ok bool) {
	switch r.typ {
	case typeA:
		if len(data) != 4 {
			return dst, false
		}
		return netip.AddrFrom4([4]byte(data)).AppendTo(dst), true
	case typeAAAA:
		if len(data) != 16 {
			return dst, false
		}
		return netip.AddrFrom16([16]byte(data)).AppendTo(dst), true
	case typeNS, typeCNAME, typePTR, typeDNAME:
		return m.appendNames(dst, r, 0, 1)
	case typeMX, typeAFSDB, typeKX:
		return m.appendNames(dst, r, 1, 1)
	case typeSVCB, typeHTTPS:
		return m.appendNames(dst, r, 1, -1)
	case typeSRV:
		return m.appendNames(dst, r, 3, 1)
	case typeSOA:
		return m.appendSOA(dst, r)
	case typeTXT, typeSPF, typeHINFO:
		return appendStrings(dst, data)
	case typeCAA:
		return appendCAA(dst, data)
	}
	return dst, false
}

// appendNames appends so many numbers of two octets and so many names; -1
// stands for one name with something behind it.
func (m *Message) appendNames(dst []byte, r *record, numbers, names int) ([]byte, bool) {
	off := r.data
	if off+2*numbers >= r.end {
		return dst, false
	}
	for range numbers {
		dst = strconv.AppendUint(dst, uint64(binary.BigEndian.Uint16(m.msg[off:])), 10)
		dst = append(dst, ' ')
		off += 2
	}
	dst, off, ok := m.appendNameWithin(dst, off, r.end)
	return dst, ok && (off == r.end || names < 0)
}

// appendNameWithin appends the name at off, which must end before end.
func (m *Message) appendNameWithin(dst []byte, off, end int) (out []byte, next int, ok bool) {
	next, err := skipName(m.msg[:end], off)
	if err != nil {
		return dst, 0, false
	}
	out, err = appendName(dst, m.msg[:end], off)
	return out, next, err == nil
}

func (m *Message) appendSOA(dst []byte, r *record) (out []byte, ok bool) {
	dst, off, ok := m.appendNameWithin(dst, r.data, r.end)
	if !ok {
		return dst, false
	}
	dst = append(dst, ' ')
	if dst, off, ok = m.appendNameWithin(dst, off, r.end); !ok || r.end-off != 20 {
		return dst, false
	}
	for ; off < r.end; off += 4 {
		dst = append(dst, ' ')
		dst = strconv.AppendUint(dst, uint64(binary.BigEndian.Uint32(m.msg[off:])), 10)
	}
	return dst, true
}

// appendStrings appends character strings, joined by a space.
func appendStrings(dst, data []byte) ([]byte, bool) {
	for first := true; len(data) > 0; first = false {
		n := 1 + int(data[0])
		if n > len(data) {
			return dst, false
		}
		if !first {
			dst = append(dst, ' ')
		}
		for _, c := range data[1:n] {
			dst = appendOctet(dst, c)
		}
		data = data[n:]
	}
	return dst, true
}

// appendCAA appends flags, tag and value (RFC 8659).
func appendCAA(dst, data []byte) ([]byte, bool) {
	if len(data) < 2 || len(data) < 2+int(data[1]) {
		return dst, false
	}
	dst = strconv.AppendUint(dst, uint64(data[0]), 10)
	n := 2 + int(data[1])
	for _, part := range [...][]byte{data[2:n], data[n:]} {
		dst = append(dst, ' ')
		for _, c := range part {
			dst = appendOctet(dst, c)
		}
	}
	return dst, true
}

// appendNetBIOSData appends the addresses of an NB record, or the names of a
// node status (RFC 1002, 4.2.1.3 and 4.2.18).
func appendNetBIOSData(dst []byte, typ uint16, data []byte) (out []byte, ok bool) {
	const nameSize, entry = 16, 18
	start := len(dst)
	if typ == typeNB {
		if len(data) == 0 || len(data)%6 != 0 {
			return dst, false
		}
		for ; len(data) > 0; data = data[6:] {
			if len(dst) > start {
				dst = append(dst, ' ')
			}
			dst = netip.AddrFrom4([4]byte(data[2:6])).AppendTo(dst)
		}
		return dst, true
	}
	if len(data) < 1 || len(data)-1 < int(data[0])*entry {
		return dst, false
	}
	for i := range int(data[0]) {
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = appendService(dst, data[1+i*entry:][:nameSize])
	}
	return dst, true
}

func appendUnknown(dst, data []byte) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, `\# `...)
	dst = strconv.AppendUint(dst, uint64(len(data)), 10)
	if len(data) > 0 {
		dst = append(dst, ' ')
	}
	for _, c := range data[:min(len(data), maxData/2)] {
		dst = append(dst, hex[c>>4], hex[c&15])
	}
	return dst
}
