package app

import "encoding/binary"

// quic matches a long header with a version that there is and lengths of
// connection identifiers that exist (RFC 8999, 5.1; RFC 9000, 17.2; RFC 9369),
// the offer of versions by a server, and the header that Google's QUIC had
// before it (QUIC Wire Layout Specification, 2016).
func quic(b []byte) bool {
	if len(b) < 16 {
		return false
	}
	if b[0]&0xc9 == 0x09 { // a connection identifier of 8 octets, and a version
		return googleQUIC(binary.BigEndian.Uint32(b[9:]))
	}
	if b[0]&0x80 == 0 {
		return false
	}
	version := binary.BigEndian.Uint32(b[1:])
	switch {
	case version == 0:
		return quicVersions(b)
	case googleQUIC(version):
		return true
	case b[0]&0x40 == 0:
		return false
	case greasedQUIC(version): // sent to provoke such an offer
		const initial, shortest = 0xc0, 1200 // RFC 9000, 14.1
		return b[0]&0xf0 == initial && len(b) >= shortest && quicIDs(b) != nil
	}
	return knownQUIC(version) && quicIDs(b) != nil
}

// quicIDs returns what is behind the connection identifiers, nil if these are
// longer than there is or than any version allows.
func quicIDs(b []byte) []byte {
	const longest = 20
	if b[5] > longest {
		return nil
	}
	source := 6 + int(b[5])
	if source >= len(b) || b[source] > longest || source+1+int(b[source]) > len(b) {
		return nil
	}
	return b[source+1+int(b[source]):]
}

// quicVersions matches a list of versions of which at least one is known
// (RFC 9000, 17.2.1).
func quicVersions(b []byte) bool {
	list := quicIDs(b)
	if len(list) == 0 || len(list)%4 != 0 || len(list) > 4*64 {
		return false
	}
	for ; len(list) >= 4; list = list[4:] {
		if v := binary.BigEndian.Uint32(list); knownQUIC(v) || googleQUIC(v) {
			return true
		}
	}
	return false
}

// knownQUIC reports whether a version is 1, 2, one of the drafts with the
// header of today, or one of Facebook's.
func knownQUIC(v uint32) bool {
	const v1, v2, draft22, draft34 = 1, 0x6b3343cf, 0xff000016, 0xff000022
	return v == v1 || v == v2 || v >= draft22 && v <= draft34 || v>>8 == 0xfaceb0
}

// greasedQUIC reports whether a version is one of those that stand for none
// (RFC 9000, 15).
func greasedQUIC(v uint32) bool { return v&0x0f0f0f0f == 0x0a0a0a0a }

// googleQUIC reports whether a version is Q or T and three digits.
func googleQUIC(v uint32) bool {
	letter, digits := v>>24, v&0xffffff
	return (letter == 'Q' || letter == 'T') && digits>>16 == '0' && digits>>8&0xff-'0' < 10 && digits&0xff-'0' < 10
}

// dtls matches a record with the beginning of a hello, or records of a version
// of DTLS from end to end of the datagram (RFC 6347, 4.1; RFC 9147, 4).
func dtls(b []byte) bool {
	const header, handshake, longest = 13, 22, 1<<14 + 2048
	if len(b) < header+12 {
		return false
	}
	for first := true; len(b) > 0; first = false { // each turn takes a header at least
		if len(b) < header || b[0] < 20 || b[0] > 25 {
			return false
		}
		switch string(b[1:3]) {
		case "\xfe\xff", "\xfe\xfd":
		case "\x01\x00": // of OpenSSL before RFC 4347, and of Cisco
		default:
			return false
		}
		n := int(binary.BigEndian.Uint16(b[11:]))
		if first && b[0] == handshake && b[3] == 0 && b[4] == 0 && len(b) >= header+12 {
			return n >= 12 && n <= longest && helloFragment(b[header:])
		}
		if n == 0 || n > len(b)-header {
			return false
		}
		b = b[header+n:]
	}
	return true
}

// helloFragment matches the header of a handshake message that begins a
// conversation: ClientHello, ServerHello or HelloVerifyRequest.
func helloFragment(b []byte) bool {
	u24 := func(b []byte) int { return int(b[0])<<16 | int(b[1])<<8 | int(b[2]) }
	length, offset, n := u24(b[1:]), u24(b[6:]), u24(b[9:])
	return b[0] >= 1 && b[0] <= 3 && length > 0 && length < 1<<16 && offset+n <= length && n > 0
}
