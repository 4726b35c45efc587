package app

import "encoding/binary"

// The modes of NTP (RFC 5905, figure 10).
const (
	ntpSymmetricActive = 1 + iota
	ntpSymmetricPassive
	ntpClient
	ntpServer
	ntpBroadcast
	ntpControl
	ntpPrivate
)

// ntp matches a packet of NTP (RFC 5905, 7.3), a control message (RFC 9327) or
// one of the private mode of ntpd (ntp_request.h), such as monlist.
func ntp(b []byte) bool {
	const header = 48
	if len(b) < 8 || b[0]>>3&7 < 1 || b[0]>>3&7 > 4 {
		return false
	}
	switch mode := b[0] & 7; mode {
	case ntpControl:
		return ntpControlMessage(b)
	case ntpPrivate:
		return ntpPrivateMessage(b)
	case ntpClient:
		return len(b) == header && bare(b) || ntpTimes(b)
	case ntpServer:
		if len(b) < header {
			return false
		}
		received, sent := binary.BigEndian.Uint32(b[32:]), binary.BigEndian.Uint32(b[40:])
		return ntpClock(b) && received != 0 && sent-received <= 2
	case ntpSymmetricActive, ntpSymmetricPassive, ntpBroadcast:
		return ntpTimes(b)
	}
	return false
}

// bare reports whether a client says nothing but that it asks and when, as
// simple ones do (RFC 4330, 5): all zero between the first octet and the time of
// sending. Without that time it could be anything.
func bare(b []byte) bool {
	if binary.BigEndian.Uint32(b[40:]) == 0 {
		return false
	}
	for _, c := range b[1:40] {
		if c != 0 {
			return false
		}
	}
	return true
}

// ntpClock reports whether stratum, poll and precision exist.
func ntpClock(b []byte) bool {
	const slowest = 17
	precision := int8(b[3])
	return b[1] <= 16 && b[2] <= slowest && precision <= 0 && precision >= -40
}

// ntpTimes reports whether a packet is one of a clock that may be right: delay
// and dispersion are short, and it was sent at a time after 1995, which is not
// before that of the last setting.
func ntpTimes(b []byte) bool {
	const header, since1995 = 48, 3_000_000_000
	if len(b) < header || len(b)%4 != 0 || !ntpClock(b) || b[4] != 0 || b[8] != 0 {
		return false
	}
	set, sent := binary.BigEndian.Uint32(b[16:]), binary.BigEndian.Uint32(b[40:])
	return sent >= since1995 && (set == 0 || set >= since1995 && set <= sent+2)
}

// ntpControlMessage matches an operation that exists with a count of data that
// is theirs (RFC 9327, 2). A request has no status and may have a key and digest
// behind it; an answer ends with its data.
func ntpControlMessage(b []byte) bool {
	const header, maxData, answer = 12, 480, 0x80
	if len(b) < header || b[0]>>6 != 0 {
		return false
	}
	n := int(binary.BigEndian.Uint16(b[10:]))
	op, rest := b[1]&0x1f, len(b)-header-n
	if op == 0 || op > 12 && op != 31 || n > maxData || rest < 0 {
		return false
	}
	if b[1]&answer == 0 && binary.BigEndian.Uint16(b[4:]) == 0 {
		rest -= (4 - n%4) % 4 // some do not pad
		return rest <= 0 || rest == 8 || rest == 20 || rest == 24
	}
	return b[1]&answer != 0 && rest < 4
}

// ntpPrivateMessage matches a request or answer of an implementation that
// exists, whose items have the size that it says.
func ntpPrivateMessage(b []byte) bool {
	const header, lastCode = 8, 46
	const universal, old, current = 0, 2, 3
	if b[2] != universal && b[2] != old && b[2] != current || b[3] > lastCode || b[0]>>3&7 < 2 {
		return false
	}
	items, size := int(binary.BigEndian.Uint16(b[4:])&0xfff), int(binary.BigEndian.Uint16(b[6:]))
	if b[0]&0x80 == 0 && items*size == 0 { // a request: padded with zeros, or not at all
		for _, c := range b[4:min(len(b), header+32)] {
			if c != 0 {
				return false
			}
		}
		return b[2] != universal
	}
	return items > 0 && size > 0 && size <= 500 && header+items*size <= len(b) && len(b)-header-items*size <= 192
}
