package quic

import (
	"bytes"
	"encoding/binary"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/uri"
)

// Google's QUIC up to Q043 begins with a public header: flags, an identifier
// of 8 octets, and the version if the flags say so.
const (
	publicVersion = 0x01
	publicID      = 0x08
	publicHeader  = 1 + 8 + 4
)

// googleVersion returns the version in a public header.
func googleVersion(b []byte) (number uint32, ok bool) {
	if len(b) < publicHeader || b[0]&0xc0 != 0 || b[0]&(publicVersion|publicID) != publicVersion|publicID {
		return 0, false
	}
	number = binary.BigEndian.Uint32(b[9:])
	return number, isGoogle(number)
}

// maxBeforeHello bounds what is before the hello in a packet: number, hash,
// and the header of the frame with its variants.
const maxBeforeHello = 64

// googleHello reads the hello in the clear of a packet behind its header, and
// says whether there was one.
func googleHello(dst *weir.TLS, b []byte) bool {
	i := bytes.Index(b[:min(len(b), maxBeforeHello)], []byte("CHLO"))
	return i >= 0 && clientHello(dst, b[i:])
}

// clientHello reads CHLO: a tag, how many values there are, and of each a tag
// and where it ends.
func clientHello(dst *weir.TLS, b []byte) bool {
	const header, entry, most = 8, 8, 128
	if len(b) < header || string(b[:4]) != "CHLO" {
		return false
	}
	n := int(binary.LittleEndian.Uint16(b[4:]))
	if n == 0 || n > most || len(b) < header+n*entry {
		return false
	}
	values := b[header+n*entry:]
	begin := uint32(0)
	for i := range n {
		tag := b[header+i*entry:]
		end := binary.LittleEndian.Uint32(tag[4:])
		if end < begin || end > uint32(len(values)) {
			break // the rest is in the next packet
		}
		if string(tag[:4]) == "SNI\x00" {
			dst.SNI = uri.Printable(bytes.ToLower(values[begin:end]), maxName)
		}
		begin = end
	}
	return true
}

// maxName bounds a server name: no host name is longer (RFC 1035, 2.3.4).
const maxName = 255
