package ssh

import (
	"bytes"
	"crypto/md5" // #nosec: HASSH is defined by it
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"

	"github.com/weir-nta/weir/internal/uri"
)

// The lists of KEXINIT in their order (RFC 4253, 7.1).
const (
	keyExchange = iota
	hostKeyType
	cipherUp // from client to server
	cipherDown
	macUp
	macDown
	compressionUp
	compressionDown
	lists = compressionDown + 1
)

// An offer is what one end proposes: the lists of its KEXINIT.
type offer [lists][]byte

// readOffer reads a KEXINIT behind its type. The offer points into it.
func readOffer(b []byte) (o offer, ok bool) {
	const cookie = 16
	if len(b) < cookie {
		return o, false
	}
	b = b[cookie:]
	for i := range o {
		if o[i], b, ok = str(b); !ok {
			return o, false
		}
	}
	return o, true
}

// str takes a string off b (RFC 4251, 5).
func str(b []byte) (s, rest []byte, ok bool) {
	if len(b) < 4 {
		return nil, nil, false
	}
	n := binary.BigEndian.Uint32(b)
	if uint64(n) > uint64(len(b)-4) {
		return nil, nil, false
	}
	return b[4 : 4+n], b[4+n:], true
}

// clone returns an offer that does not point into what was read.
func (o *offer) clone() *offer {
	n := 0
	for _, l := range o {
		n += len(l)
	}
	all, c := make([]byte, 0, n), &offer{}
	for i, l := range o {
		all = append(all, l...)
		c[i] = all[len(all)-len(l):]
	}
	return c
}

// hassh returns the fingerprint of four lists: the MD5 of what they say with
// semicolons between.
func (o *offer) hassh(cipher, mac, compression int) string {
	h := md5.New() // #nosec
	for i, l := range [...]int{keyExchange, cipher, mac, compression} {
		if i > 0 {
			h.Write([]byte(";"))
		}
		h.Write(o[l])
	}
	var room [md5.Size]byte
	return hex.EncodeToString(h.Sum(room[:0]))
}

// agreed returns the first name of the client's list that the server has, too
// (RFC 4253, 7.1); empty if there is none.
func agreed(client, server *offer, list int) string {
	for rest := client[list]; len(rest) > 0; { // each turn takes a name and its comma
		name, after, _ := bytes.Cut(rest, []byte(","))
		if len(name) > 0 && has(server[list], name) {
			return uri.Printable(name, maxName)
		}
		rest = after
	}
	return ""
}

// maxName bounds the names of algorithms, which have 64 octets at most (RFC
// 4251, 6).
const maxName = 128

func has(list, name []byte) bool {
	for len(list) > 0 { // each turn takes a name and its comma
		var one []byte
		one, list, _ = bytes.Cut(list, []byte(","))
		if bytes.Equal(one, name) {
			return true
		}
	}
	return false
}

// hostKey returns the fingerprint of the host key in a reply of the server, as
// OpenSSH writes it, and the type that the key says it has. The reply begins
// with the key whatever the exchange (RFC 4253, 8; RFC 4419, 3; RFC 4432, 4;
// RFC 5656, 4); the group of an exchange that has the same number does not look
// like one.
func hostKey(b []byte) (fingerprint, typ string) {
	key, _, ok := str(b)
	name, _, named := str(key)
	if !ok || !named || len(name) < 7 || len(name) > maxName {
		return "", ""
	}
	for _, c := range name {
		if c <= ' ' || c >= 0x7f {
			return "", ""
		}
	}
	sum := sha256.Sum256(key)
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:]), string(name)
}
