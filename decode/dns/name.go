package dns

import "bytes"

// maxName is the longest name on the wire, in octets (RFC 1035, 2.3.4).
const maxName = 255

// skipName returns where the name at off ends.
func skipName(b []byte, off int) (end int, err error) {
	start := off
	for off < len(b) {
		n := int(b[off])
		switch {
		case n == 0:
			return off + 1, nil
		case n >= 0xc0:
			if off+2 > len(b) {
				return 0, ErrShort
			}
			return off + 2, nil
		case n >= 0x40:
			return 0, ErrLabel
		}
		off += 1 + n
		if off-start > maxName {
			return 0, ErrName
		}
	}
	return 0, ErrShort
}

// appendName appends the name at off: lower case, without the final dot, the
// root as a dot. Octets that are not printable ASCII, and dots and backslashes
// within labels, stand as \DDD. Each compression pointer must point before
// the part that it ends, so that following them comes to an end.
func appendName(dst, b []byte, off int) ([]byte, error) {
	start := len(dst)
	length := 0
	part := off // where the labels being read began
	for {
		if off >= len(b) {
			return dst, ErrShort
		}
		n := int(b[off])
		if n >= 0xc0 {
			if off+2 > len(b) {
				return dst, ErrShort
			}
			off = (n&0x3f)<<8 | int(b[off+1])
			if off >= part {
				return dst, ErrPointer
			}
			part = off
			continue
		}
		if n >= 0x40 {
			return dst, ErrLabel
		}
		off++
		if n == 0 {
			break
		}
		if off+n > len(b) {
			return dst, ErrShort
		}
		if length += 1 + n; length >= maxName {
			return dst, ErrName
		}
		if len(dst) > start {
			dst = append(dst, '.')
		}
		dst = appendLabel(dst, b[off:off+n])
		off += n
	}
	if len(dst) == start {
		dst = append(dst, '.')
	}
	return dst, nil
}

func appendLabel(dst, label []byte) []byte {
	for _, c := range label {
		switch {
		case c >= 'A' && c <= 'Z':
			dst = append(dst, c|0x20)
		case c == '.':
			dst = appendDDD(dst, c)
		default:
			dst = appendOctet(dst, c)
		}
	}
	return dst
}

// appendOctet appends c, escaped if it is not printable.
func appendOctet(dst []byte, c byte) []byte {
	if c < ' ' || c >= 0x7f || c == '\\' {
		return appendDDD(dst, c)
	}
	return append(dst, c)
}

func appendDDD(dst []byte, c byte) []byte {
	return append(dst, '\\', '0'+c/100, '0'+c/10%10, '0'+c%10)
}

// appendNetBIOS appends a NetBIOS name, whose sixteen octets are spelt in the
// 32 letters of the first label (RFC 1001, 14.1), as NAME<20>, the number
// being the kind of service. What is not so spelt is appended as it stands.
func appendNetBIOS(dst, b []byte, off int) []byte {
	const spelt = 32
	if off+1+spelt >= len(b) || b[off] != spelt {
		dst, _ = appendName(dst, b, off)
		return dst
	}
	var name [spelt / 2]byte
	for i, c := range b[off+1 : off+1+spelt] {
		if c < 'A' || c > 'P' {
			dst, _ = appendName(dst, b, off)
			return dst
		}
		name[i/2] = name[i/2]<<4 | (c - 'A')
	}
	dst = appendService(dst, name[:])
	if off += 1 + spelt; b[off] != 0 { // a scope
		dst = append(dst, '.')
		dst, _ = appendName(dst, b, off)
	}
	return dst
}

// appendService appends a name of sixteen octets, of which the last says the
// kind of service.
func appendService(dst, name []byte) []byte {
	last := len(name) - 1
	for _, c := range bytes.TrimRight(name[:last], " \x00") {
		dst = appendOctet(dst, c)
	}
	const hex = "0123456789abcdef"
	return append(dst, '<', hex[name[last]>>4], hex[name[last]&15], '>')
}
