package quic

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/decode/dialog/dialogtest"
	"github.com/weir-nta/weir/internal/pieces"
)

func unhexed(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestKeys: the examples of RFC 9001, appendix A, and RFC 9369, appendix A.
func TestKeys(t *testing.T) {
	for _, c := range []struct {
		v                *version
		end              int
		iv, sample, mask string
	}{
		{&v1, ofClient, "fa044b2f42a3fd3b46fb255c", "d1b1c98dd7689fb8ec11d242b123dc9b", "437b9aec36"},
		{&v1, ofServer, "0ac1493ca1905853b0bba03e", "2cd0991cd25b0aac406a5816b6394100", "2ec0d8356a"},
		{&v2, ofClient, "91f73e2351d8fa91660e909f", "ffe67b6abcdb4298b485dd04de806071", "94a0c95e80"},
		{&v2, ofServer, "dd13c276499c0249d3310652", "6f05d8a4398c47089698baeea26b91eb", "4dd92e91ea"},
	} {
		k := newKeys(c.v, unhexed(t, "8394c8f03e515708"), c.end)
		if got := hex.EncodeToString(k.iv[:]); got != c.iv {
			t.Errorf("end %d: iv = %s, want %s", c.end, got, c.iv)
		}
		var mask [16]byte
		_, header, err := k.ciphers()
		if err != nil {
			t.Fatal(err)
		}
		header.Encrypt(mask[:], unhexed(t, c.sample))
		if got := hex.EncodeToString(mask[:5]); got != c.mask {
			t.Errorf("end %d: mask = %s, want %s", c.end, got, c.mask)
		}
	}
}

// A sealer makes Initial packets.
type sealer struct {
	number  uint32 // of the version
	id      []byte // that the client made up
	end     int
	token   []byte
	headers [2][]byte // destination and source
}

func varint(n int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)|0x80000000) }

// seal returns a packet with a number of two octets.
func (s *sealer) seal(n uint16, frames []byte) []byte {
	v := versionOf(s.number)
	typ := byte(bytes.IndexByte([]byte{byte(v.types[0]), byte(v.types[1]), byte(v.types[2]), byte(v.types[3])}, byte(initial)))
	b := []byte{0xc1 | typ<<4}
	b = binary.BigEndian.AppendUint32(b, s.number)
	for _, id := range s.headers {
		b = append(append(b, byte(len(id))), id...)
	}
	b = append(append(b, varint(len(s.token))...), s.token...)
	b = append(b, varint(2+len(frames)+tagSize)...)
	at := len(b)
	b = binary.BigEndian.AppendUint16(b, n)
	k := newKeys(v, s.id, s.end)
	nonce := k.iv
	nonce[10] ^= byte(n >> 8)
	nonce[11] ^= byte(n)
	packet, header, err := k.ciphers()
	if err != nil {
		panic(err)
	}
	b = packet.Seal(b, nonce[:], frames, b)
	var mask [16]byte
	header.Encrypt(mask[:], b[at+4:at+20])
	b[0] ^= mask[0] & 0x0f
	b[at] ^= mask[1]
	b[at+1] ^= mask[2]
	return b
}

// crypto returns a CRYPTO frame.
func crypto(offset int, b []byte) []byte {
	return append(append(append([]byte{frameCrypto}, varint(offset)...), varint(len(b))...), b...)
}

func padded(frames ...[]byte) []byte {
	b := bytes.Join(frames, nil)
	return append(b, make([]byte, max(1100-len(b), 0))...)
}

// hellos returns those of client and server, made by crypto/tls.
func hellos(t testing.TB) (client, server []byte) {
	t.Helper()
	ctx := context.Background()
	c := tls.QUICClient(&tls.QUICConfig{TLSConfig: &tls.Config{ServerName: "WWW.Example.org", NextProtos: []string{"h3"}, MinVersion: tls.VersionTLS13}})
	c.SetTransportParameters([]byte("none"))
	if err := c.Start(ctx); err != nil {
		t.Fatal(err)
	}
	client = written(c)
	s := tls.QUICServer(&tls.QUICConfig{TLSConfig: &tls.Config{NextProtos: []string{"h3"}, MinVersion: tls.VersionTLS13,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil }}})
	s.SetTransportParameters([]byte("none"))
	if err := s.Start(ctx); err != nil {
		t.Fatal(err)
	}
	_ = s.HandleData(tls.QUICEncryptionLevelInitial, client) // which ends for want of a certificate
	return client, written(s)
}

// written returns what an end says in Initial packets.
func written(c *tls.QUICConn) (out []byte) {
	for {
		switch e := c.NextEvent(); {
		case e.Kind == tls.QUICNoEvent:
			return out
		case e.Kind == tls.QUICWriteData && e.Level == tls.QUICEncryptionLevelInitial:
			out = append(out, e.Data...)
		}
	}
}

var clientID, serverID = []byte("made up!"), []byte("server")

func clientOf(number uint32) *sealer {
	return &sealer{number: number, id: clientID, end: ofClient, headers: [2][]byte{clientID, []byte("me")}}
}

func serverOf(number uint32) *sealer {
	return &sealer{number: number, id: clientID, end: ofServer, headers: [2][]byte{[]byte("me"), serverID}}
}

func up(b ...[]byte) dialogtest.Turn {
	return dialogtest.Turn{From: dialog.Client, Data: string(bytes.Join(b, nil))}
}

func down(b ...[]byte) dialogtest.Turn {
	return dialogtest.Turn{From: dialog.Server, Data: string(bytes.Join(b, nil))}
}

// serverHello is one that crypto/tls did not make, for it wants certificates.
const serverHello = "0200002e0303" + "0000000000000000000000000000000000000000000000000000000000000000" + "00" + "1301" + "00" + "0006" + "002b00020304"

// retryHello asks for another hello of the client.
func retryHello(t testing.TB) []byte {
	sum := sha256.Sum256([]byte("HelloRetryRequest"))
	b := unhexed(t, serverHello)
	copy(b[6:], sum[:])
	return b
}

func TestRead(t *testing.T) {
	hello, _ := hellos(t)
	answer := unhexed(t, serverHello)
	third := len(hello) / 3
	ack := []byte{frameACK, 5, 0, 1, 0, 0, 0}
	c1, s1, c2 := clientOf(version1), serverOf(version1), clientOf(version2)
	after := &sealer{number: version1, id: serverID, end: ofClient, token: []byte("token"), headers: [2][]byte{serverID, []byte("me")}}
	answered := &sealer{number: version1, id: serverID, end: ofServer, headers: s1.headers}
	handshake := append([]byte{0xe0, 0, 0, 0, 1, 2, 'm', 'e', 0}, append(varint(30), make([]byte, 30)...)...)
	early := append([]byte{0xd0, 0, 0, 0, 1, 8}, "made up!\x00\x1eaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"...)
	versions := append([]byte{0x80, 0, 0, 0, 0, 2, 'm', 'e', 8}, "made up!\x6b\x33\x43\xcf\x00\x00\x00\x01"...)
	grease := append([]byte{0xc0, 0x1a, 0x2a, 0x3a, 0x4a, 8}, "made up!\x00\x00"+strings.Repeat("a", 1200)...)
	for _, c := range []struct {
		name           string
		turns          []dialogtest.Turn
		version, agree string
	}{
		{"in one packet", []dialogtest.Turn{up(c1.seal(0, padded(crypto(0, hello)))), down(s1.seal(0, padded(ack, crypto(0, answer))))}, "1", "yes"},
		{"version 2", []dialogtest.Turn{up(c2.seal(0, padded(crypto(0, hello))))}, "2", ""},
		{"draft 29", []dialogtest.Turn{up(clientOf(draft|29).seal(0, padded(crypto(0, hello))))}, "draft-29", ""},
		{"shuffled and padded", []dialogtest.Turn{up(c1.seal(0, padded(crypto(2*third, hello[2*third:]), []byte{0, 0, framePing}, crypto(0, hello[:7]), ack, crypto(7, hello[7:2*third]))))}, "1", ""},
		{"over three datagrams, the last first", []dialogtest.Turn{
			up(c1.seal(2, padded(crypto(2*third, hello[2*third:])))),
			up(c1.seal(1, padded(crypto(third, hello[third:2*third])))),
			up(c1.seal(0, padded(crypto(0, hello[:third])))),
		}, "1", ""},
		{"sent again with other borders", []dialogtest.Turn{
			up(c1.seal(0, padded(crypto(0, hello[:2*third])))),
			up(c1.seal(1, padded(crypto(third, hello[third:])))),
		}, "1", ""},
		{"two packets in a datagram", []dialogtest.Turn{up(c1.seal(0, crypto(0, hello[:third])), c1.seal(1, padded(crypto(third, hello[third:]))))}, "1", ""},
		{"behind early data", []dialogtest.Turn{up(early), up(early, c1.seal(0, padded(crypto(0, hello))))}, "1", ""},
		{"server behind a handshake packet", []dialogtest.Turn{up(c1.seal(0, padded(crypto(0, hello)))), down(handshake, s1.seal(0, crypto(0, answer)))}, "1", "yes"},
		{"after a Retry", []dialogtest.Turn{
			up(c1.seal(0, padded(crypto(0, hello)))), down(append([]byte{0xf0, 0, 0, 0, 1, 2, 'm', 'e', 6}, "servertoken0123456789abcdef"...)),
			up(after.seal(1, padded(crypto(0, hello)))), down(answered.seal(0, padded(crypto(0, answer)))),
		}, "1", "yes"},
		{"after an offer of versions", []dialogtest.Turn{up(grease), down(versions), up(c2.seal(0, padded(crypto(0, hello))))}, "2", ""},
		{"agreed on version 2 from 1", []dialogtest.Turn{
			up(c1.seal(0, padded(crypto(0, hello)))), down(serverOf(version2).seal(0, padded(crypto(0, answer)))),
		}, "2", "yes"},
		{"asked for another hello", []dialogtest.Turn{
			up(c1.seal(0, padded(crypto(0, hello)))), down(s1.seal(0, crypto(0, retryHello(t)))),
			up(c1.seal(1, padded(crypto(len(hello), hello)))), down(s1.seal(1, crypto(len(answer), answer))),
		}, "1", "yes"},
		{"begun by the other end", []dialogtest.Turn{
			down(c1.seal(0, padded(crypto(0, hello[:third])))), down(c1.seal(1, padded(crypto(third, hello[third:])))), up(s1.seal(0, padded(ack, crypto(0, answer)))),
		}, "1", "yes"},
		{"a damaged packet first", []dialogtest.Turn{up(append(c1.seal(0, padded(crypto(0, hello)))[:1199], 0)), up(c1.seal(1, padded(crypto(0, hello))))}, "1", ""},
	} {
		told := dialogtest.Datagrams(New(), c.turns...)
		if told.TLS == nil {
			t.Errorf("%s: nothing told", c.name)
			continue
		}
		h := told.TLS
		if h.QUIC != c.version || h.SNI != "www.example.org" || h.ALPN != "h3" || h.Version != "1.3" || !strings.HasPrefix(h.JA4, "q13d") || (h.Cipher != "") != (c.agree != "") {
			t.Errorf("%s: %+v", c.name, *h)
		}
		if len(told.Oddities) > 0 {
			t.Errorf("%s: %+v", c.name, told.Oddities)
		}
	}
}

// TestOverlap: other octets for the same place are told, and those that began
// first count.
func TestOverlap(t *testing.T) {
	hello, _ := hellos(t)
	other := bytes.Replace(hello, []byte("WWW.Example.org"), []byte("www.another.org"), 1)
	if bytes.Equal(hello, other) {
		other = bytes.Replace(hello, []byte("www.example.org"), []byte("www.another.org"), 1)
	}
	c := clientOf(version1)
	told := dialogtest.Datagrams(New(), up(c.seal(0, padded(crypto(1, other[1:])))), up(c.seal(1, padded(crypto(0, hello[:20])))))
	if told.TLS == nil || told.TLS.SNI != "www.another.org" || len(told.Oddities) != 0 {
		t.Errorf("the same octets twice: %+v, oddities %+v", told.TLS, told.Oddities)
	}
	told = dialogtest.Datagrams(New(), up(c.seal(0, padded(crypto(1, other[1:])))), up(c.seal(1, padded(crypto(0, hello[:len(hello)-1])))))
	if told.TLS == nil || len(told.Oddities) != 1 || told.Oddities[0].Name != "quic_crypto_overlap" || told.Oddities[0].Src != dialogtest.Base.Src {
		t.Errorf("other octets: %+v, oddities %+v", told.TLS, told.Oddities)
	}
}

// TestGoogle: the hello of Google's QUIC, in the clear and in Q050.
func TestGoogle(t *testing.T) {
	chlo := []byte("CHLO\x03\x00\x00\x00PAD\x00\x05\x00\x00\x00SNI\x00\x14\x00\x00\x00VER\x00\x18\x00\x00\x00-----Www.Example.orgQ043")
	public := append([]byte("\x0d12345678Q043\x01aaaaaaaaaaaa\xa0\x01\x04\x00"), chlo...)
	long := append([]byte("\xc3Q046\x5012345678\x00\x00\x00\x01aaaaaaaaaaaa\xa0\x01\x04\x00"), chlo...)
	none := []byte("\x0d12345678Q039\x01aaaaaaaaaaaa\xa0\x01\x04\x00")
	for _, c := range []struct{ version, sni, packet string }{
		{"Q043", "www.example.org", string(public)},
		{"Q046", "www.example.org", string(long)},
		{"Q039", "", string(none)},
		{"Q050", "www.example.org", string(clientOf(q050number).seal(1, padded(crypto(0, chlo))))},
	} {
		told := dialogtest.Datagrams(New(), dialogtest.Turn{From: dialog.Client, Data: c.packet})
		if told.TLS == nil || told.TLS.QUIC != c.version || told.TLS.SNI != c.sni {
			t.Errorf("%s: %+v", c.version, told.TLS)
		}
	}
}

// TestBounds: what does not end is not read to no end.
func TestBounds(t *testing.T) {
	hello, _ := hellos(t)
	c := clientOf(version1)
	r := New()
	var d dialog.Dialog
	var b told
	ask := func(p []byte) int {
		d.Reset(dialogtest.Base, &b.Batch, nil)
		return r.Read(&d, dialog.Client, p)
	}
	bogus := c.seal(0, padded(crypto(0, hello)))
	bogus[len(bogus)-1] ^= 1
	n := 0
	for ; n < 1000; n++ {
		bogus[7]++ // another identifier each time
		if ask(bogus) == dialog.Stop {
			break
		}
	}
	if n != maxDatagrams || r.made > maxKeys || r.opened > maxOpened {
		t.Errorf("%d datagrams, %d keys, %d opened; want %d at most, %d, %d", n, r.made, r.opened, maxDatagrams, maxKeys, maxOpened)
	}
}

func FuzzRead(f *testing.F) {
	hello, _ := hellos(f)
	c := clientOf(version1)
	dialogtest.Fuzz(f, func() dialog.Reader { return New() },
		[]dialogtest.Turn{up(c.seal(0, padded(crypto(0, hello)))), down(serverOf(version1).seal(0, crypto(0, unhexed(f, serverHello))))},
		[]dialogtest.Turn{up([]byte("\x0d12345678Q043\x01aaaaaaaaaaaa\xa0\x01\x04\x00CHLO\x01\x00\x00\x00SNI\x00\x05\x00\x00\x00a.org"))},
		[]dialogtest.Turn{up([]byte("\xc3Q046\x5012345678\x00\x00\x00\x01"))},
		[]dialogtest.Turn{up([]byte("\xc0\x00\x00\x00\x01\x08aaaaaaaa\x00\x00\x7f\xff"))},
	)
}

// FuzzFrames reads what stands in an Initial packet, which its seal keeps from
// FuzzRead.
func FuzzFrames(f *testing.F) {
	f.Add(padded(crypto(0, []byte("abc")), []byte{frameACK, 5, 0, 1, 0, 0, 0}, crypto(3, []byte("def"))))
	f.Fuzz(func(t *testing.T, frames []byte) {
		s, all := pieces.Stream{}, make([]byte, pieces.MaxBytes)
		have := make([]bool, pieces.MaxBytes)
		eachCrypto(frames, func(offset uint64, b []byte) bool {
			if !s.Put(offset, b) {
				return false
			}
			for i, c := range b {
				if at := int(offset) + i; !have[at] {
					all[at], have[at] = c, true
				}
			}
			return true
		})
		n := 0
		for n < pieces.MaxBytes && have[n] {
			n++
		}
		if s.Ready() != n {
			t.Errorf("reaches %d, want %d", s.Ready(), n)
		}
		if got := s.Append(nil, s.Ready()); !s.Differs && !bytes.Equal(got, all[:n]) {
			t.Errorf("got %x, want %x", got, all[:n])
		}
		_ = message(&s)
	})
}

// BenchmarkRead reads both hellos of a conversation, an Initial packet each.
func BenchmarkRead(b *testing.B) {
	hello, _ := hellos(b)
	first := clientOf(version1).seal(0, padded(crypto(0, hello)))
	second := serverOf(version1).seal(0, padded(crypto(0, unhexed(b, serverHello))))
	var d dialog.Dialog
	var batch told
	b.ReportAllocs()
	for b.Loop() {
		d.Reset(dialogtest.Base, &batch.Batch, nil)
		r := New()
		r.Read(&d, dialog.Client, first)
		r.Read(&d, dialog.Server, second)
		if d.TLS.Cipher == "" {
			b.Fatal("not read")
		}
	}
}

// BenchmarkBogus reads a packet that does not open.
func BenchmarkBogus(b *testing.B) {
	p := clientOf(version1).seal(0, padded([]byte{framePing}))
	p[len(p)-1] ^= 1
	var d dialog.Dialog
	var batch told
	b.ReportAllocs()
	for b.Loop() {
		d.Reset(dialogtest.Base, &batch.Batch, nil)
		New().Read(&d, dialog.Client, p)
	}
}

type told = dialogtest.Told
