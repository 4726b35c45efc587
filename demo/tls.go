package demo

import (
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"io"
	"math/big"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/tls"
)

// A client is a kind of TLS client, by what its ClientHello offers.
type client struct {
	ciphers, extensions, groups, algorithms []uint16
	alpn                                    []string
	tls13, grease                           bool
}

// A server is a TLS server.
type server struct {
	name       string // of its certificate
	tls13      bool
	selfSigned bool
}

// The extensions with contents of their own (IANA "tls-extensiontype-values").
const (
	extServerName     = 0
	extStatus         = 5
	extGroups         = 10
	extPointFormats   = 11
	extAlgorithms     = 13
	extALPN           = 16
	extCompress       = 27
	extRecordLimit    = 28
	extDelegated      = 34
	extVersions       = 43
	extPSKModes       = 45
	extKeyShare       = 51
	extSettings       = 17513
	extEncryptedHello = 0xfe0d
	extRenegotiation  = 0xff01
)

const (
	x25519        = 0x001d
	aes128gcm13   = 0x1301
	ecdheAES128   = 0xc02b
	grease        = 0x0a0a
	minRecord     = 40 // payload of the smallest answer or request of the demo
	applicationID = 23
	changeCipher  = 20
	handshakeID   = 22
)

var (
	browserCiphers = []uint16{0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x9c, 0x9d, 0x2f, 0x35}
	browserAlgs    = []uint16{0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601}
	browserALPN    = []string{"h2", "http/1.1"}

	// The browsers of the office, and what its other programs are built with.
	browsers = []*client{
		{browserCiphers, []uint16{45, 35, 11, 16, 0, 18, 0xfe0d, 0xff01, 27, 51, 5, 43, 13, 10, 17513, 23}, []uint16{x25519, 23, 24}, browserAlgs, browserALPN, true, true},
		{browserCiphers, []uint16{45, 35, 11, 16, 0, 18, 0xfe0d, 0xff01, 27, 51, 5, 43, 13, 10, 17513, 23, 28}, []uint16{x25519, 23, 24}, browserAlgs, browserALPN, true, true},
		{[]uint16{0x1301, 0x1303, 0x1302, 0xc02b, 0xc02f, 0xcca9, 0xcca8, 0xc02c, 0xc030, 0xc00a, 0xc009, 0xc013, 0xc014, 0x9c, 0x9d, 0x2f, 0x35},
			[]uint16{0, 23, 0xff01, 10, 11, 35, 16, 5, 34, 51, 43, 13, 45, 28, 0xfe0d}, []uint16{x25519, 23, 24, 25, 256, 257},
			[]uint16{0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0203, 0x0201}, browserALPN, true, false},
		{[]uint16{0xc02c, 0xc02b, 0xc030, 0xc02f, 0xc024, 0xc023, 0xc028, 0xc027, 0xc00a, 0xc009, 0xc014, 0xc013, 0x9d, 0x9c, 0x3d, 0x3c, 0x35, 0x2f, 0x0a},
			[]uint16{0, 5, 10, 11, 13, 35, 16, 23, 0xff01}, []uint16{x25519, 23, 24},
			[]uint16{0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0201, 0x0403, 0x0503, 0x0203, 0x0202, 0x0601, 0x0603}, browserALPN, false, false},
		{[]uint16{0x1301, 0x1302, 0x1303, 0xc02c, 0xc02b, 0xcca9, 0xc030, 0xc02f, 0xcca8, 0xc00a, 0xc009, 0xc014, 0xc013, 0x9d, 0x9c, 0x35, 0x2f, 0xc008, 0xc012, 0x0a},
			[]uint16{0, 23, 0xff01, 10, 11, 16, 5, 13, 18, 51, 45, 43, 27, 35}, []uint16{x25519, 23, 24, 25},
			[]uint16{0x0403, 0x0804, 0x0401, 0x0503, 0x0203, 0x0805, 0x0501, 0x0806, 0x0601, 0x0201}, browserALPN, true, true},
	}
	agent = &client{[]uint16{0x1302, 0x1303, 0x1301, 0xc02c, 0xc030, 0x9f, 0xcca9, 0xcca8, 0xc02b, 0xc02f, 0x9e, 0xc024, 0xc028, 0xc023, 0xc027, 0x9d, 0x9c, 0x35, 0x2f, 0xff},
		[]uint16{0, 11, 10, 35, 22, 23, 13, 43, 45, 51, 16}, []uint16{x25519, 23, 24, 25},
		[]uint16{0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0809, 0x080a, 0x080b, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601}, []string{"http/1.1"}, true, false}
	// scripted is how programs without names speak: TLS 1.2, nothing negotiated.
	scripted = &client{[]uint16{0xc02c, 0xc030, 0xc02b, 0xc02f, 0xc024, 0xc028, 0xc023, 0xc027, 0x9d, 0x9c, 0x35, 0x2f, 0xff},
		[]uint16{11, 10, 35, 22, 23, 13}, []uint16{x25519, 23, 24},
		[]uint16{0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601}, nil, false, false}
	// implant is what the TLS of the Go standard library offered in 2022, as
	// several implants did: it speaks no ALPN.
	implant = &client{[]uint16{0xc02f, 0xc030, 0xc02b, 0xc02c, 0xcca8, 0xcca9, 0xc013, 0xc009, 0xc014, 0xc00a, 0x9c, 0x9d, 0x2f, 0x35, 0xc012, 0x0a, 0x1301, 0x1302, 0x1303},
		[]uint16{0, 5, 10, 11, 13, 0xff01, 18, 43, 51}, []uint16{x25519, 23, 24, 25},
		[]uint16{0x0804, 0x0403, 0x0807, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0503, 0x0603, 0x0201, 0x0203}, nil, true, false}
)

// A handshake is how long the parts of a TLS handshake are and what it shows.
type handshake struct {
	hello, flight        int // first of the client, and the server's answer
	clientEnd, serverEnd int // what follows until both encrypt
	facts                weir.TLS
}

type handshakeKey struct {
	client *client
	server server
	sni    string
}

// handshake returns the handshake between c and s. Its facts are those that
// Weir's own decoder reads from its bytes.
func (g *generator) handshake(c *client, s *server, sni string) *handshake {
	key := handshakeKey{c, *s, sni}
	hs := g.known[key]
	if hs == nil {
		hs = &handshake{}
		hello, flight := clientHello(c, sni, zero{}), serverFlight(c, s, zero{})
		tls.Client(&hs.facts, hello)
		tls.Server(&hs.facts, flight)
		hs.hello, hs.flight = len(hello), len(flight)
		hs.clientEnd, hs.serverEnd = len(clientEnd(c, s, zero{})), len(serverEnd(c, s, zero{}))
		g.known[key] = hs
	}
	return hs
}

// zero stands for the random bytes where only lengths and offers matter.
type zero struct{}

// Read fills b with zeros.
func (zero) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// random returns n bytes of r, which cannot fail: it is [zero] or a generator
// of pseudo-random numbers.
func random(r io.Reader, n int) []byte {
	b := make([]byte, n)
	_, _ = io.ReadFull(r, b)
	return b
}

// clientHello returns the first record of a client (RFC 8446, 4.1.2).
func clientHello(c *client, sni string, r io.Reader) []byte {
	ciphers, extensions := c.ciphers, c.extensions
	if c.grease {
		ciphers = append([]uint16{grease}, ciphers...)
		extensions = append([]uint16{grease}, extensions...)
	}
	b := append([]byte{3, 3}, random(r, 32)...)
	b = vector8(b, random(r, 32))
	b = vector16(b, list16(ciphers))
	b = append(b, 1, 0) // no compression
	var list []byte
	for _, id := range extensions {
		if id == extServerName && sni == "" {
			continue
		}
		list = vector16(binary.BigEndian.AppendUint16(list, id), c.extension(id, sni, r))
	}
	return record(nil, handshakeID, message(nil, 1, vector16(b, list)))
}

func (c *client) extension(id uint16, sni string, r io.Reader) []byte {
	switch id {
	case extServerName:
		return vector16(nil, vector16([]byte{0}, []byte(sni)))
	case extStatus:
		return []byte{1, 0, 0, 0, 0}
	case extGroups:
		return vector16(nil, list16(c.groups))
	case extPointFormats:
		return []byte{1, 0}
	case extAlgorithms:
		return vector16(nil, list16(c.algorithms))
	case extALPN:
		var names []byte
		for _, p := range c.alpn {
			names = vector8(names, []byte(p))
		}
		return vector16(nil, names)
	case extCompress:
		return []byte{2, 0, 2}
	case extRecordLimit:
		return []byte{0x40, 1}
	case extDelegated:
		return vector16(nil, list16([]uint16{0x0403, 0x0503, 0x0603, 0x0203}))
	case extVersions:
		return vector8(nil, list16([]uint16{0x0304, 0x0303}))
	case extPSKModes:
		return []byte{1, 1}
	case extKeyShare:
		return vector16(nil, vector16([]byte{0, x25519}, random(r, 32)))
	case extSettings:
		return []byte{0, 3, 2, 'h', '2'}
	case extEncryptedHello: // as browsers send it for nothing but to have sent it
		return vector16(vector16([]byte{0, 0, 1, 0, 1, 7}, random(r, 32)), random(r, 144))
	case extRenegotiation:
		return []byte{0}
	}
	return nil
}

func agree13(c *client, s *server) bool { return c.tls13 && s.tls13 }

// serverFlight returns what a server sends up to its Finished (TLS 1.3) or its
// ServerHelloDone (TLS 1.2).
func serverFlight(c *client, s *server, r io.Reader) []byte {
	hello := append([]byte{3, 3}, random(r, 32)...)
	hello = vector8(hello, random(r, 32))
	var list []byte
	if agree13(c, s) {
		list = vector16([]byte{0, extVersions}, []byte{3, 4})
		list = vector16(append(list, 0, extKeyShare), vector16([]byte{0, x25519}, random(r, 32)))
		hello = vector16(append(hello, aes128gcm13>>8, aes128gcm13&0xff, 0), list)
		b := record(nil, handshakeID, message(nil, 2, hello))
		b = record(b, changeCipher, []byte{1})
		return record(b, applicationID, random(r, encryptedFlight))
	}
	list = vector16([]byte{0xff, 1}, []byte{0})
	list = vector16(append(list, 0, extPointFormats), []byte{1, 0})
	hello = vector16(append(hello, ecdheAES128>>8, ecdheAES128&0xff, 0), list)
	flight := message(nil, 2, hello)
	flight = message(flight, 11, vector24(nil, vector24(nil, s.certificate())))
	exchange := vector8([]byte{3, 0, x25519}, random(r, 32))
	flight = message(flight, 12, vector16(append(exchange, 8, 7), random(r, 64)))
	return record(nil, handshakeID, message(flight, 14, nil))
}

// encryptedFlight is the length of EncryptedExtensions to Finished with one
// small certificate.
const encryptedFlight = 690

func clientEnd(c *client, s *server, r io.Reader) []byte {
	if agree13(c, s) {
		return record(record(nil, changeCipher, []byte{1}), applicationID, random(r, 53))
	}
	b := record(nil, handshakeID, message(nil, 16, vector8(nil, random(r, 32))))
	return finished12(b, r)
}

func serverEnd(c *client, s *server, r io.Reader) []byte {
	if agree13(c, s) {
		return nil
	}
	return finished12(nil, r)
}

func finished12(b []byte, r io.Reader) []byte {
	return record(record(b, changeCipher, []byte{1}), handshakeID, random(r, 40))
}

// applicationData returns records of exactly n bytes in all, n at least minRecord.
func applicationData(n int, r io.Reader) []byte {
	const header, most = 5, 1 << 14
	var b []byte
	for n > 0 {
		chunk := min(n-header, most)
		if rest := n - header - chunk; rest > 0 && rest < minRecord {
			chunk -= minRecord // leave enough for a last record
		}
		b = record(b, applicationID, random(r, chunk))
		n -= header + chunk
	}
	return b
}

// certificate returns the certificate of s. It is the same on every run: keys
// come from names, and Ed25519 signs without chance (RFC 8032).
func (s *server) certificate() []byte {
	authority := &x509.Certificate{Subject: pkix.Name{Country: []string{"US"}, Organization: []string{"Example Trust"}, CommonName: "Example Public CA R3"}}
	signer := key("Example Public CA R3")
	notBefore := End().Add(-60 * day)
	leaf := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(digest(s.name)[:8]),
		Subject:      pkix.Name{CommonName: s.name},
		DNSNames:     []string{s.name},
		NotBefore:    notBefore, NotAfter: notBefore.Add(90 * day),
	}
	if s.selfSigned {
		leaf.NotAfter = notBefore.Add(3650 * day)
		authority, signer = leaf, key(s.name)
	}
	der, err := x509.CreateCertificate(nil, leaf, authority, key(s.name).Public(), signer)
	if err != nil {
		panic(err) // cannot happen: nothing in it comes from outside
	}
	return der
}

func key(name string) crypto.Signer { return ed25519.NewKeyFromSeed(digest("key of " + name)) }

func digest(s string) []byte {
	sum := sha256.Sum256([]byte(s))
	sum[0] &= 0x7f // a serial number is positive
	return sum[:]
}

// record appends a TLS record (RFC 8446, 5.1).
func record(dst []byte, typ byte, body []byte) []byte {
	return vector16(append(dst, typ, 3, 3), body)
}

// message appends a handshake message (RFC 8446, 4).
func message(dst []byte, typ byte, body []byte) []byte {
	return vector24(append(dst, typ), body)
}

func vector8(dst, b []byte) []byte { return append(append(dst, byte(len(b))), b...) }

func vector16(dst, b []byte) []byte {
	return append(binary.BigEndian.AppendUint16(dst, uint16(len(b))), b...)
}

func vector24(dst, b []byte) []byte {
	return append(append(dst, byte(len(b)>>16), byte(len(b)>>8), byte(len(b))), b...)
}

func list16(list []uint16) []byte {
	var b []byte
	for _, v := range list {
		b = binary.BigEndian.AppendUint16(b, v)
	}
	return b
}
