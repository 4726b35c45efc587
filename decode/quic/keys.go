package quic

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"sync"
)

const (
	keySize = 16 // AES-128-GCM, whatever is agreed later (RFC 9001, 5.2)
	ivSize  = 12
	tagSize = 16
)

// keys open the Initial packets of one end. They are kept as octets: what AES
// makes of them is 3 KB for each conversation, and made again for each of the
// few packets that need it in a fifth of the time that HKDF takes.
type keys struct {
	packet, header [keySize]byte
	iv             [ivSize]byte
}

// newKeys makes the keys of an end from the connection identifier that the
// client has made up (RFC 9001, 5.2). End is ofClient or ofServer. It returns
// nil where Go allows only what FIPS 140 does: then QUIC is named and not read.
func newKeys(v *version, id []byte, end int) *keys {
	first, err := hkdf.Extract(sha256.New, id, []byte(v.salt))
	if err != nil {
		return nil
	}
	secret := expand(first, v.labels[end], sha256.Size)
	return &keys{
		packet: [keySize]byte(expand(secret, v.labels[ofKey], keySize)),
		header: [keySize]byte(expand(secret, v.labels[ofHeader], keySize)),
		iv:     [ivSize]byte(expand(secret, v.labels[ofIV], ivSize)),
	}
}

// expand is HKDF-Expand with lengths that it cannot refuse.
func expand(secret []byte, info string, n int) []byte {
	out, err := hkdf.Expand(sha256.New, secret, info, n)
	if err != nil {
		panic(err)
	}
	return out
}

// ciphers returns what opens packets, and what hides their headers.
func (k *keys) ciphers() (packet cipher.AEAD, header cipher.Block, err error) {
	if header, err = aes.NewCipher(k.header[:]); err != nil {
		return nil, nil, err
	}
	block, err := aes.NewCipher(k.packet[:])
	if err != nil {
		return nil, nil, err
	}
	packet, err = cipher.NewGCM(block)
	return packet, header, err
}

// A room is where a packet is opened.
type room struct {
	mask   [aes.BlockSize]byte
	nonce  [ivSize]byte
	header []byte
	plain  []byte
}

var rooms = sync.Pool{New: func() any { return &room{plain: make([]byte, 0, 1500), header: make([]byte, 0, 256)} }}

// open returns the frames of a packet, whose number begins at an offset behind
// which there are at least 20 octets, nil if the keys do not fit. The frames
// are valid until the room is used again.
//
// The number of the packet is taken as it stands there: nobody sends so many
// Initial packets that its upper part would have to be guessed.
func (k *keys) open(r *room, packet []byte, number int) []byte {
	aead, header, err := k.ciphers()
	if err != nil {
		return nil
	}
	header.Encrypt(r.mask[:], packet[number+4:number+4+aes.BlockSize])
	length := int((packet[0]^r.mask[0])&3) + 1
	r.header = append(r.header[:0], packet[:number+length]...)
	r.header[0] ^= r.mask[0] & 0x0f
	var n [8]byte
	for i := range length {
		r.header[number+i] ^= r.mask[1+i]
		n[8-length+i] = r.header[number+i]
	}
	r.nonce = k.iv
	low := r.nonce[ivSize-8:]
	binary.BigEndian.PutUint64(low, binary.BigEndian.Uint64(low)^binary.BigEndian.Uint64(n[:]))
	plain, err := aead.Open(r.plain[:0], r.nonce[:], packet[number+length:], r.header)
	if err != nil {
		return nil
	}
	r.plain = plain
	return plain
}
