package ssh

import "strings"

// A seal is how packets look once they are encrypted.
type seal struct {
	known bool
	// block is what the encrypted part is a multiple of, mac what follows it.
	block, mac int
	// apart says that the length is outside of the encrypted part (AES-GCM,
	// ChaCha20, encrypt-then-mac), open that it can be read.
	apart, open bool
}

// sealOf returns how packets look with a cipher and a MAC, not known if one of
// both is not, or if compression makes sizes say nothing. That which begins
// after the logon (zlib@openssh.com) does no harm.
func sealOf(cipher, mac, compression string) seal {
	if compression != "none" && compression != "zlib@openssh.com" {
		return seal{}
	}
	switch cipher {
	case "chacha20-poly1305@openssh.com", "chacha20-poly1305":
		return seal{known: true, block: 8, mac: 16, apart: true}
	case "aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "AEAD_AES_128_GCM", "AEAD_AES_256_GCM":
		return seal{known: true, block: 16, mac: 16, apart: true, open: true}
	}
	s := seal{block: blockOf(cipher)}
	s.mac, s.known = macSize(mac)
	s.apart = strings.Contains(mac, "-etm@")
	s.open = s.apart
	s.known = s.known && s.block > 0
	return s
}

// blockOf returns the size of the blocks of a cipher, 8 for ciphers of
// streams (RFC 4253, 6), 0 if it is not known.
func blockOf(cipher string) int {
	switch {
	case strings.HasPrefix(cipher, "aes"), strings.HasPrefix(cipher, "rijndael"), strings.HasPrefix(cipher, "twofish"),
		strings.HasPrefix(cipher, "serpent"), strings.HasPrefix(cipher, "camellia"):
		return 16
	case strings.HasPrefix(cipher, "3des"), strings.HasPrefix(cipher, "blowfish"), strings.HasPrefix(cipher, "cast128"),
		strings.HasPrefix(cipher, "idea"), strings.HasPrefix(cipher, "des-"), strings.HasPrefix(cipher, "arcfour"), cipher == "none":
		return 8
	}
	return 0
}

// macSize returns how many octets a MAC has.
func macSize(name string) (n int, known bool) {
	name, _, _ = strings.Cut(name, "@")
	switch name = strings.TrimSuffix(name, "-etm"); {
	case name == "none":
		return 0, true
	case strings.HasSuffix(name, "-96"):
		return 12, true
	case name == "hmac-md5", name == "umac-128":
		return 16, true
	case name == "hmac-sha1", strings.HasPrefix(name, "hmac-ripemd160"):
		return 20, true
	case strings.HasPrefix(name, "hmac-sha2-256"), name == "hmac-sha256":
		return 32, true
	case strings.HasPrefix(name, "hmac-sha2-512"), name == "hmac-sha512":
		return 64, true
	case name == "umac-64":
		return 8, true
	}
	return 0, false
}

// size returns how many octets a message of n octets takes with the least
// padding, which is 4 (RFC 4253, 6).
func (s *seal) size(n int) int {
	inside := 1 + n + 4
	if !s.apart {
		inside += 4
	}
	sealed := (inside + s.block - 1) / s.block * s.block
	if s.apart {
		sealed += 4
	}
	return sealed + s.mac
}
