package quic

import (
	"encoding/hex"
	"strconv"
)

// A version of QUIC that can be read.
type version struct {
	salt   string
	labels *[5]string
	// types are the kinds of packets by the two bits of their type.
	types [4]kind
}

// A kind is that of a packet with a long header.
type kind uint8

const (
	initial kind = iota
	zeroRTT
	handshake
	retry
)

// The numbers of versions. Those of drafts are 0xff000000 and that of the draft.
const (
	version1 = 0x00000001
	version2 = 0x6b3343cf // RFC 9369, 3.1
	draft    = 0xff000000
	mvfst    = 0xfaceb000 // Facebook's, and its number

	// q050number is that of Google's last version with a hello of its own.
	q050number = 'Q'<<24 | '0'<<16 | '5'<<8 | '0'
)

// The salts from which keys begin (RFC 9001, 5.2; RFC 9369, 3.3.1; the drafts
// draft-ietf-quic-tls-22, -23, -29 and -33; Google's are in its
// quic/core/crypto/crypto_utils.cc).
var (
	salt22   = unhex("7fbcdb0e7c66bbe9193a96cd21519ebd7a02644a")
	salt23   = unhex("c3eef712c72ebb5a11a7d2432bb46365bef9f502")
	salt29   = unhex("afbfec289993d24c9e9786f19c6111e04390a899")
	salt33   = unhex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a")
	salt2    = unhex("0dede3def700a6db819381be6e269dcbf9bd2ed9")
	saltQ050 = unhex("504574efd066fe2f9d945cfcdbd3a7f0d3b56b45")
	saltT050 = unhex("7ff579e5acd072915580304c43a2367c60488310")
	saltT051 = unhex("7a4edef4e7ccee5fa4506c19124fc8ccda6e033d")
)

func unhex(s string) string {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// What HKDF-Expand-Label is told, in the order of the names below (RFC 8446,
// 7.1; RFC 9001, 5.1; RFC 9369, 3.3.2).
const (
	ofClient = iota
	ofServer
	ofKey
	ofIV
	ofHeader
)

var (
	labels1 = [5]string{info("client in", 32), info("server in", 32), info("quic key", keySize), info("quic iv", ivSize), info("quic hp", keySize)}
	labels2 = [5]string{info("client in", 32), info("server in", 32), info("quicv2 key", keySize), info("quicv2 iv", ivSize), info("quicv2 hp", keySize)}
)

func info(label string, length byte) string {
	label = "tls13 " + label
	return string([]byte{0, length, byte(len(label))}) + label + "\x00"
}

var (
	types1 = [4]kind{initial, zeroRTT, handshake, retry}
	types2 = [4]kind{retry, initial, zeroRTT, handshake} // RFC 9369, 3.2
)

var (
	v1   = version{salt33, &labels1, types1}
	v2   = version{salt2, &labels2, types2}
	d22  = version{salt22, &labels1, types1}
	d23  = version{salt23, &labels1, types1}
	d29  = version{salt29, &labels1, types1}
	q050 = version{saltQ050, &labels1, types1}
	t050 = version{saltT050, &labels1, types1}
	t051 = version{saltT051, &labels1, types1}
)

// versionOf returns how a version is read, nil if that is not known.
func versionOf(number uint32) *version {
	switch number {
	case version1:
		return &v1
	case version2:
		return &v2
	case q050number:
		return &q050
	case 'T'<<24 | '0'<<16 | '5'<<8 | '0':
		return &t050
	case 'T'<<24 | '0'<<16 | '5'<<8 | '1':
		return &t051
	case mvfst | 0x01:
		return &d22
	case mvfst | 0x02, mvfst | 0x0e:
		return &d23
	}
	switch {
	case number == draft|22:
		return &d22
	case number >= draft|23 && number <= draft|28:
		return &d23
	case number >= draft|29 && number <= draft|32:
		return &d29
	case number == draft|33 || number == draft|34:
		return &v1
	}
	return nil
}

// isGoogle reports whether a version is Google's: Q or T and three digits.
func isGoogle(number uint32) bool {
	letter, digits := number>>24, number&0xffffff
	return (letter == 'Q' || letter == 'T') && digits>>16 == '0' && digits>>8&0xff-'0' < 10 && digits&0xff-'0' < 10
}

// versionName returns what TLS.QUIC says for a version.
func versionName(number uint32) string {
	switch {
	case number == version1:
		return "1"
	case number == version2:
		return "2"
	case number>>8 == draft>>8:
		return "draft-" + strconv.Itoa(int(number&0xff))
	case number>>8 == mvfst>>8:
		return "mvfst-" + strconv.Itoa(int(number&0xff))
	case isGoogle(number):
		return string([]byte{byte(number >> 24), byte(number >> 16), byte(number >> 8), byte(number)})
	}
	return "0x" + hex.EncodeToString([]byte{byte(number >> 24), byte(number >> 16), byte(number >> 8), byte(number)})
}
