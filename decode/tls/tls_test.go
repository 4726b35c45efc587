package tls

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/wire"
)

// A recorder keeps what is written to a connection.
type recorder struct {
	net.Conn
	sent bytes.Buffer
}

func (r *recorder) Write(b []byte) (int, error) {
	r.sent.Write(b)
	return r.Conn.Write(b)
}

// talk runs a handshake of crypto/tls and returns what each side sent.
func talk(t testing.TB, client, server *tls.Config) (up, down []byte) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	done := make(chan error, 1)
	var b recorder
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			b.Conn = conn
			err = tls.Server(&b, server).Handshake()
		}
		done <- err
	}()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	a := recorder{Conn: conn}
	defer a.Close()
	if err := tls.Client(&a, client).Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	b.Close()
	return a.sent.Bytes(), b.sent.Bytes()
}

func name(value string) pkix.Name {
	return pkix.Name{CommonName: value, Organization: []string{`Weir, "Inc."`}, Country: []string{"NL"}}
}

// certificateFor returns a certificate signed with its own key and its key.
func certificateFor(t testing.TB, subject pkix.Name) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: subject, SubjectKeyId: []byte{1, 2, 3},
		NotBefore: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), NotAfter: time.Date(2061, 2, 3, 4, 5, 6, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func configs(t testing.TB, version uint16) (client, server *tls.Config) {
	client = &tls.Config{ServerName: "WWW.Example.com", InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}, MaxVersion: version}
	server = &tls.Config{Certificates: []tls.Certificate{certificateFor(t, name("#weir "))}, NextProtos: []string{"http/1.1"}, MaxVersion: version}
	return client, server
}

func TestHandshake12(t *testing.T) {
	client, server := configs(t, tls.VersionTLS12)
	up, down := talk(t, client, server)
	var got weir.TLS
	if s := Client(&got, up); s != wire.Done {
		t.Fatalf("Client = %v, want Done", s)
	}
	if got.SNI != "www.example.com" || got.Version != "1.2" || got.ALPN != "h2" || len(got.JA3) != 32 {
		t.Errorf("of the client: %+v", got)
	}
	if want := "t12d"; got.JA4[:4] != want || got.JA4[8:10] != "h2" {
		t.Errorf("JA4 = %s, want %s....h2", got.JA4, want)
	}
	if s := Server(&got, down); s != wire.Done {
		t.Fatalf("Server = %v, want Done", s)
	}
	sum := sha256.Sum256(server.Certificates[0].Certificate[0])
	want := weir.TLS{
		SNI: got.SNI, JA3: got.JA3, JA4: got.JA4, JA3S: got.JA3S, Version: "1.2", ALPN: "http/1.1", Cipher: got.Cipher,
		Subject:   `CN=\#weir\ ,O=Weir\, \"Inc.\",C=NL`,
		Issuer:    `CN=\#weir\ ,O=Weir\, \"Inc.\",C=NL`,
		NotBefore: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), NotAfter: time.Date(2061, 2, 3, 4, 5, 6, 0, time.UTC),
		SelfSigned: true, SHA256: hex.EncodeToString(sum[:]),
	}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestEitherOrder: what was agreed stands before what was offered.
func TestEitherOrder(t *testing.T) {
	client, server := configs(t, tls.VersionTLS12)
	client.MaxVersion = tls.VersionTLS13
	up, down := talk(t, client, server)
	var one, other weir.TLS
	Client(&one, up)
	Server(&one, down)
	Server(&other, down)
	Client(&other, up)
	if one != other || one.Version != "1.2" || one.ALPN != "http/1.1" {
		t.Errorf("client first %+v\nserver first %+v", one, other)
	}
}

func TestHandshake13(t *testing.T) {
	client, server := configs(t, tls.VersionTLS13)
	up, down := talk(t, client, server)
	var got weir.TLS
	if c, s := Client(&got, up), Server(&got, down); c != wire.Done || s != wire.Done {
		t.Fatalf("Client %v, Server %v, want Done", c, s)
	}
	if got.Version != "1.3" || got.Cipher != "TLS_AES_128_GCM_SHA256" && got.Cipher != "TLS_CHACHA20_POLY1305_SHA256" || got.SHA256 != "" {
		t.Errorf("got %+v", got)
	}
}

// TestHelloRetry: a server that asks for another key share is read on.
func TestHelloRetry(t *testing.T) {
	client, server := configs(t, tls.VersionTLS13)
	client.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP384}
	server.CurvePreferences = []tls.CurveID{tls.CurveP384}
	_, down := talk(t, client, server)
	r := reader{rest: down}
	typ, body, _ := r.next()
	var first weir.TLS
	if again, ok := fillServerHello(&first, body); typ != serverHello || !again || !ok {
		t.Fatalf("the first message is no HelloRetryRequest")
	}
	n := 5 + (int(down[3])<<8 | int(down[4]))
	for cut := n; cut < n+7; cut++ { // middleboxes are told that this is 1.2: a ChangeCipherSpec follows
		if s := Server(new(weir.TLS), down[:cut]); s != wire.More {
			t.Errorf("Server of the HelloRetryRequest and %d bytes = %v, want More", cut-n, s)
		}
	}
	var got weir.TLS
	if s := Server(&got, down); s != wire.Done || got.Version != "1.3" {
		t.Errorf("Server = %v, version %q, want Done and 1.3", s, got.Version)
	}
}

// split puts the handshake messages of whole records into records of n bytes.
func split(b []byte, n int) []byte {
	var out []byte
	for len(b) >= 5 && b[0] == handshake {
		body := b[5 : 5+(int(b[3])<<8|int(b[4]))]
		for rest := body; len(rest) > 0; rest = rest[min(n, len(rest)):] {
			k := min(n, len(rest))
			out = append(out, handshake, 3, 1, 0, byte(k))
			out = append(out, rest[:k]...)
		}
		b = b[5+len(body):]
	}
	return append(out, b...)
}

// TestFragments: however a handshake is cut into records, it says the same;
// and no beginning of it is taken for something else.
func TestFragments(t *testing.T) {
	client, server := configs(t, tls.VersionTLS12)
	up, down := talk(t, client, server)
	var want weir.TLS
	Client(&want, up)
	Server(&want, down)
	for _, n := range []int{1, 3, 4, 7, 200} {
		var got weir.TLS
		fragmentedUp, fragmentedDown := split(up, n), split(down, n)
		// The first type byte of a record of fewer than two bytes is alone.
		if c := Client(&got, fragmentedUp); n > 1 && c != wire.Done {
			t.Errorf("records of %d: Client = %v", n, c)
		}
		Server(&got, fragmentedDown)
		if n > 1 && got != want {
			t.Errorf("records of %d: got %+v, want %+v", n, got, want)
		}
	}
	for i := range up {
		var got weir.TLS
		if s := Client(&got, up[:i]); s == wire.Done {
			if got.JA3 != want.JA3 {
				t.Errorf("Client of the first %d bytes: Done with %+v", i, got)
			}
			break
		} else if s != wire.More || got != (weir.TLS{}) {
			t.Fatalf("Client of the first %d bytes = %v with %+v, want More", i, s, got)
		}
	}
	for i := range down {
		var got weir.TLS
		if s := Server(&got, down[:i]); s == wire.No {
			t.Fatalf("Server of the first %d bytes = No", i)
		} else if s == wire.Done {
			if got.SHA256 != want.SHA256 {
				t.Errorf("Server of the first %d bytes: Done with %+v", i, got)
			}
			break
		}
	}
}

func TestNotTLS(t *testing.T) {
	for _, in := range []string{
		"GET / HTTP/1.1\r\n", "SSH-2.0-x\r\n", "\x16\x04\x01\x00\x10\x01", "\x16\x03\x01\x00\x10\x02\x00",
		"\x80\x00\x00\x85\xffSMB", "\x17\x03\x03\x00\x10aaaaaaaaa", "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
		"\x16\x03\x01\x00\x10\x01\x01\x00\x00",
	} {
		var got weir.TLS
		if s := Client(&got, []byte(in)); s != wire.No || got != (weir.TLS{}) {
			t.Errorf("Client(%q) = %v with %+v, want No", in, s, got)
		}
	}
}

func TestSmallServers(t *testing.T) {
	for in, want := range map[string]wire.Status{
		"":                             wire.More,
		"\x15\x03\x01\x00\x02\x02":     wire.More,
		"\x15\x03\x01\x00\x02\x02\x28": wire.Done, // handshake_failure
		"\x15\x03\x01\x00\x02\x07\x28": wire.No,
		"\x16\x03\x01\x00\x04\x00\x00\x00\x00\x15\x03\x01\x00\x02\x02\x28": wire.Done,
		"220 ready\r\n": wire.No,
	} {
		if got := Server(new(weir.TLS), []byte(in)); got != want {
			t.Errorf("Server(%q) = %v, want %v", in, got, want)
		}
	}
}

func TestSSLv2Hello(t *testing.T) {
	in := []byte("\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10" + string(make([]byte, 21+16)))
	var got weir.TLS
	if s := Client(&got, in); s != wire.Done || got != (weir.TLS{Version: "1.0"}) {
		t.Errorf("Client(%x) = %v with %+v, want Done with version 1.0", in, s, got)
	}
	in[1]++
	if s := Client(&got, in); s != wire.No {
		t.Errorf("Client of a wrong length = %v, want No", s)
	}
}

// TestJA4Example is the example of FoxIO's description of JA4.
func TestJA4Example(t *testing.T) {
	h := hello{
		version: 0x0304, hasName: true, alpn: []byte("h2"),
		ciphers:    []uint16{0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035},
		extensions: []uint16{0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005, 0x0023, 0x0012, 0x002b, 0xff01, 0x000b, 0x000a, 0x0015},
		signatures: []uint16{0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601},
	}
	if got, want := h.ja4('t'), "t13d1516h2_8daaf6152771_e5627efa2ab1"; got != want {
		t.Errorf("ja4 = %s, want %s", got, want)
	}
	if got, want := (&hello{version: 0x0300}).ja4('t'), "ts3i000000_000000000000_000000000000"; got != want {
		t.Errorf("ja4 of nothing = %s, want %s", got, want)
	}
}

func TestJA4ALPN(t *testing.T) {
	for in, want := range map[string]string{"": "00", "h2": "h2", "http/1.1": "h1", "x": "xx", "\xab": "ab", "\xab\xcd": "ad", "0\xab": "3b", "h-": "6d"} {
		if a, b := ja4ALPN([]byte(in)); string([]byte{a, b}) != want {
			t.Errorf("ja4ALPN(%q) = %c%c, want %s", in, a, b, want)
		}
	}
}

// TestGrease: JA3 and JA4 of a hello with GREASE are those without.
func TestGrease(t *testing.T) {
	make := func(ciphers, extensions string) []byte {
		body := "\x03\x03" + string(bytes.Repeat([]byte{7}, 32)) + "\x00" +
			"\x00" + string(rune(len(ciphers))) + ciphers + "\x01\x00\x00" + string(rune(len(extensions))) + extensions
		return []byte("\x01\x00\x00" + string(rune(len(body))) + body)
	}
	var plain, greased weir.TLS
	groups := "\x00\x0a\x00\x04\x00\x02\x00\x1d"
	if !ClientHello(&plain, make("\x13\x01", groups), 'q') || plain.JA4[:3] != "q12" {
		t.Fatalf("plain hello not read: %+v", plain)
	}
	if !ClientHello(&greased, make("\x0a\x0a\x13\x01", "\x1a\x1a\x00\x00"+"\x00\x0a\x00\x06\x00\x04\x2a\x2a\x00\x1d"), 'q') {
		t.Fatal("hello with GREASE not read")
	}
	if plain != greased {
		t.Errorf("with GREASE %+v, without %+v", greased, plain)
	}
}

// TestDistinguishedName compares the forms of strings that occur.
func TestDistinguishedName(t *testing.T) {
	encode := func(parts ...[]pkix.AttributeTypeAndValue) []byte {
		var rdns pkix.RDNSequence
		for _, p := range parts {
			rdns = append(rdns, p)
		}
		der, err := asn1.Marshal(rdns)
		if err != nil {
			t.Fatal(err)
		}
		e, _ := element(der)
		return e.body
	}
	cn := asn1.ObjectIdentifier{2, 5, 4, 3}
	one := func(id asn1.ObjectIdentifier, v any) []pkix.AttributeTypeAndValue {
		return []pkix.AttributeTypeAndValue{{Type: id, Value: v}}
	}
	for _, c := range []struct {
		in   []byte
		want string
	}{
		{encode(one(asn1.ObjectIdentifier{2, 5, 4, 6}, "DE"), one(cn, "a")), "CN=a,C=DE"},
		{encode(one(cn, "Größe")), `CN=Gr\C3\B6\C3\9Fe`},
		{encode(one(cn, asn1.RawValue{Tag: 30, Bytes: []byte("\x00G\x00\xf6")})), `CN=G\C3\B6`},
		{encode(one(cn, asn1.RawValue{Tag: 20, Bytes: []byte("G\xf6")})), `CN=G\C3\B6`},
		{encode(one(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1}, "x")), "1.3.6.1.4.1.99999.1=#130178"},
		{encode([]pkix.AttributeTypeAndValue{{Type: cn, Value: "a"}, {Type: asn1.ObjectIdentifier{2, 5, 4, 10}, Value: "b"}}), "CN=a+O=b"},
		{encode(one(cn, " a+b;c ")), `CN=\ a\+b\;c\ `},
	} {
		if got := distinguishedName(c.in); got != c.want {
			t.Errorf("distinguishedName(%x) = %s, want %s", c.in, got, c.want)
		}
	}
	if got := distinguishedName(encode(one(cn, string(bytes.Repeat([]byte("x"), 5000))))); len(got) != maxDN {
		t.Errorf("a name of 5,000 bytes gives %d, want %d", len(got), maxDN)
	}
}

// TestSelfSigned: the same name on both sides, but another key, is not signed
// with its own.
func TestSelfSigned(t *testing.T) {
	for _, c := range []struct {
		fields certificateFields
		want   bool
	}{
		{certificateFields{subject: []byte("a"), issuer: []byte("a")}, true},
		{certificateFields{subject: []byte("a"), issuer: []byte("b")}, false},
		{certificateFields{}, false},
		{certificateFields{subject: []byte("a"), issuer: []byte("a"), subjectKey: []byte("1"), authorityKey: []byte("1")}, true},
		{certificateFields{subject: []byte("a"), issuer: []byte("a"), subjectKey: []byte("1"), authorityKey: []byte("2")}, false},
	} {
		if got := c.fields.selfSigned(); got != c.want {
			t.Errorf("selfSigned(%+v) = %v, want %v", c.fields, got, c.want)
		}
	}
}

func TestTimes(t *testing.T) {
	for _, c := range []struct {
		tag  byte
		in   string
		want string
	}{
		{tagUTCTime, "491231235959Z", "2049-12-31T23:59:59Z"},
		{tagUTCTime, "500101000000Z", "1950-01-01T00:00:00Z"},
		{tagUTCTime, "1501010000Z", "2015-01-01T00:00:00Z"},
		{tagUTCTime, "150101000000+0200", "2014-12-31T22:00:00Z"},
		{tagGeneralizedTime, "99991231235959Z", "9999-12-31T23:59:59Z"},
		{tagUTCTime, "x", "0001-01-01T00:00:00Z"},
	} {
		if got := (der{tag: c.tag, body: []byte(c.in)}).time().Format(time.RFC3339); got != c.want {
			t.Errorf("time(%q) = %s, want %s", c.in, got, c.want)
		}
	}
}

// TestCipherOrder: the table is searched by halves.
func TestCipherOrder(t *testing.T) {
	for i := 1; i < len(cipherSuites); i++ {
		if cipherSuites[i-1].id >= cipherSuites[i].id {
			t.Errorf("%#04x before %#04x", cipherSuites[i-1].id, cipherSuites[i].id)
		}
	}
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if got := cipherName(suite.ID); got != suite.Name {
			t.Errorf("cipherName(%#04x) = %s, want %s", suite.ID, got, suite.Name)
		}
	}
	if got := cipherName(0xfefe); got != "0xfefe" {
		t.Errorf("cipherName(0xfefe) = %s", got)
	}
}

func FuzzClient(f *testing.F) {
	client, server := configs(f, tls.VersionTLS13)
	up, _ := talk(f, client, server)
	f.Add(up)
	f.Add(split(up, 5)[:len(up)/2])
	f.Add([]byte("\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10" + string(make([]byte, 21+16))))
	f.Fuzz(func(t *testing.T, b []byte) {
		var got weir.TLS
		s := Client(&got, b)
		if s != wire.Done && got != (weir.TLS{}) {
			t.Errorf("Client(%x) = %v, but filled %+v", b, s, got)
		}
		if len(got.SNI) > 4*maxName {
			t.Errorf("SNI of %d bytes", len(got.SNI))
		}
		if len(b) > 4 {
			ClientHello(new(weir.TLS), b, 'q')
		}
	})
}

func FuzzServer(f *testing.F) {
	for _, v := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		client, server := configs(f, v)
		_, down := talk(f, client, server)
		f.Add(down)
		f.Add(split(down, 100))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var got weir.TLS
		Server(&got, b)
		if len(got.Subject) > maxDN || len(got.Issuer) > maxDN {
			t.Errorf("Server(%x): names of %d and %d bytes", b, len(got.Subject), len(got.Issuer))
		}
	})
}

// TestAllocations: a hello costs its lists and the strings that are kept, and
// no more: SNI, ALPN, JA3 and JA4.
func TestAllocations(t *testing.T) {
	client, server := configs(t, tls.VersionTLS13)
	up, _ := talk(t, client, server)
	var got weir.TLS
	if n := testing.AllocsPerRun(100, func() { got = weir.TLS{}; Client(&got, up) }); n > 5 {
		t.Errorf("Client allocates %v times, want 5", n)
	}
	other := []byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if n := testing.AllocsPerRun(100, func() { Client(&got, other) }); n != 0 {
		t.Errorf("Client allocates %v times for what is not TLS", n)
	}
}

func BenchmarkClient(b *testing.B) {
	client, server := configs(b, tls.VersionTLS13)
	up, _ := talk(b, client, server)
	b.SetBytes(int64(len(up)))
	b.ReportAllocs()
	for b.Loop() {
		var got weir.TLS
		Client(&got, up)
	}
}

func BenchmarkServer(b *testing.B) {
	client, server := configs(b, tls.VersionTLS12)
	_, down := talk(b, client, server)
	b.SetBytes(int64(len(down)))
	b.ReportAllocs()
	for b.Loop() {
		var got weir.TLS
		Server(&got, down)
	}
}
