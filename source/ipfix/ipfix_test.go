package ipfix

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/collector"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var be = binary.BigEndian

func message(sequence uint32, set []byte) []byte {
	b := be.AppendUint16(nil, 10)
	b = be.AppendUint16(b, uint16(16+len(set)))
	b = be.AppendUint32(b, 1_700_000_000)
	b = be.AppendUint32(b, sequence)
	b = be.AppendUint32(b, 7)
	return append(b, set...)
}

// template is one of addresses, octets and packets.
func template(id uint16) []byte {
	b := []byte{0, 2, 0, 24}
	for _, v := range []uint16{id, 4, 8, 4, 12, 4, 1, 4, 2, 4} {
		b = be.AppendUint16(b, v)
	}
	return b
}

// data has n records of sources from number first on.
func data(id uint16, first uint32, n int) []byte {
	b := be.AppendUint16(nil, id)
	b = be.AppendUint16(b, uint16(4+16*n))
	for i := range uint32(n) {
		for _, v := range []uint32{10<<24 | (first + i), 192<<24 | 2, 1000, 10} {
			b = be.AppendUint32(b, v)
		}
	}
	return b
}

func config() Config {
	c := Default
	c.Collector = collector.DefaultConfig()
	return c
}

// A running source, and what it has handed on when it has ended.
type running struct {
	*Source
	flows int
	rows  []weir.Exporter
	stop  func()
}

func start(t *testing.T, c Config) *running {
	t.Helper()
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{Source: s}
	var wg sync.WaitGroup
	wg.Go(func() {
		err := s.Run(ctx, func(b *weir.Batch) error {
			r.flows += len(b.Flows)
			r.rows = append(r.rows, b.Exporters...)
			return nil
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v, want %v", err, context.Canceled)
		}
	})
	r.stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(r.stop)
	return r
}

func (r *running) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", r.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func write(t *testing.T, c net.Conn, parts ...[]byte) {
	t.Helper()
	for _, b := range parts {
		if _, err := c.Write(b); err != nil {
			t.Fatal(err)
		}
	}
}

// until waits for a condition.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 500 {
		if is() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("waited for %s in vain", what)
}

func tcp(c Config) Config {
	c.TCP = []string{"127.0.0.1:0"}
	return c
}

// TestSession sends messages in pieces of any size, ends the source while the
// connection is open, and gets all.
func TestSession(t *testing.T) {
	r := start(t, tcp(config()))
	c := r.dial(t)
	var all []byte
	all = append(all, message(0, template(256))...)
	for i := range uint32(20) {
		all = append(all, message(i*50, data(256, i*50, 50))...)
	}
	for i := 0; i < len(all); i += 700 {
		write(t, c, all[i:min(i+700, len(all))])
	}
	r.stop()
	n := r.Counters()
	if r.flows != 1000 || n.Datagrams != 21 || n.Lost != 0 || n.Sessions != 1 || n.Unknown+n.Malformed != 0 {
		t.Errorf("%d flows, counters %+v; want 1000 of 21 messages", r.flows, n)
	}
}

// TestTemplatesOfSession checks that templates end with their connection.
func TestTemplatesOfSession(t *testing.T) {
	r := start(t, tcp(config()))
	c := r.dial(t)
	write(t, c, message(0, template(256)), message(0, data(256, 0, 5)))
	until(t, "5 records", func() bool { return r.Counters().Records == 5 })
	_ = c.Close()
	write(t, r.dial(t), message(0, data(256, 100, 5)))
	until(t, "a held set", func() bool { return r.Counters().Held == 1 })
	r.stop()
	if n := r.Counters(); n.Records != 5 || n.HeldLost != 1 {
		t.Errorf("counters %+v, want 5 records and the set of the second session given up", n)
	}
}

// TestNotMessages sends what is no message: the connection ends, it is counted,
// and others go on.
func TestNotMessages(t *testing.T) {
	r := start(t, tcp(config()))
	good := r.dial(t)
	write(t, good, message(0, template(256)))
	for name, b := range map[string][]byte{
		"HTTP":         []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
		"NetFlow 9":    {0, 9, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"short length": {0, 10, 0, 15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
	} {
		bad := r.dial(t)
		write(t, bad, b)
		_ = bad.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := bad.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: the connection is still open", name)
		}
	}
	cut := r.dial(t)
	write(t, cut, message(0, data(256, 0, 5))[:40])
	_ = cut.Close()
	until(t, "the cut message", func() bool { return r.Counters().Unknown == 4 })
	write(t, good, message(0, data(256, 0, 5)))
	until(t, "the records of the good one", func() bool { return r.Counters().Records == 5 })
	r.stop()
	if notes := strings.Join(r.Progress().Notes, "\n"); !strings.Contains(notes, "did not send whole IPFIX messages: 4") {
		t.Errorf("notes %q, want 4 connections told of", notes)
	}
	dropped := uint64(0)
	for _, e := range r.rows {
		dropped += e.DroppedDecoder
	}
	if dropped != 4 {
		t.Errorf("rows tell of %d that could not be read, want 4", dropped)
	}
}

// TestLimits checks that connections are bounded, by address and in time.
func TestLimits(t *testing.T) {
	c := tcp(config())
	c.MaxPerAddress, c.IdleTimeout, c.MessageTimeout = 2, 300*time.Millisecond, 100*time.Millisecond
	r := start(t, c)
	idle, slow, over := r.dial(t), r.dial(t), r.dial(t)
	write(t, slow, []byte{0, 10, 0}) // and no more of it
	for name, conn := range map[string]net.Conn{"one too many": over, "silent": idle, "within a message": slow} {
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: the connection is still open", name)
		}
	}
	r.stop()
	if n := r.Counters(); n.Refused != 1 || n.Sessions != 2 || n.Unknown != 1 {
		t.Errorf("counters %+v, want one connection refused and one message cut", n)
	}
}

// certificates makes a CA, and a certificate of it for the server and one for
// the exporter, each in a file of a folder.
func certificates(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	var ca *x509.Certificate
	var caKey *ecdsa.PrivateKey
	for i, name := range []string{"ca", "server", "exporter"} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		cert := &x509.Certificate{
			SerialNumber: big.NewInt(int64(i + 1)), Subject: pkix.Name{CommonName: name},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			IsCA: i == 0, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
			KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		}
		if i == 0 {
			ca, caKey = cert, key
		}
		der, err := x509.CreateCertificate(rand.Reader, cert, ca, &key.PublicKey, caKey)
		if err != nil {
			t.Fatal(err)
		}
		secret, err := x509.MarshalECPrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		for file, block := range map[string]*pem.Block{name + ".pem": {Type: "CERTIFICATE", Bytes: der}, name + ".key": {Type: "EC PRIVATE KEY", Bytes: secret}} {
			if err := os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

// TestTLS lets in an exporter with a good certificate, and none without.
func TestTLS(t *testing.T) {
	dir := certificates(t)
	file := func(name string) string { return filepath.Join(dir, name) }
	c := config()
	c.TLS, c.Cert, c.Key, c.CA = []string{"127.0.0.1:0"}, file("server.pem"), file("server.key"), file("ca.pem")
	r := start(t, c)
	roots := x509.NewCertPool()
	text, err := os.ReadFile(file("ca.pem"))
	if err != nil || !roots.AppendCertsFromPEM(text) {
		t.Fatal(err)
	}
	own, err := tls.LoadX509KeyPair(file("exporter.pem"), file("exporter.key"))
	if err != nil {
		t.Fatal(err)
	}
	good := tls.Client(r.dial(t), &tls.Config{RootCAs: roots, ServerName: "127.0.0.1", Certificates: []tls.Certificate{own}})
	write(t, good, message(0, template(256)), message(0, data(256, 0, 5)))
	until(t, "5 records", func() bool { return r.Counters().Records == 5 })
	stranger := tls.Client(r.dial(t), &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"})
	_ = stranger.Handshake() // in TLS 1.3 the server's refusal comes later
	until(t, "the stranger to be refused", func() bool { return r.Counters().Refused == 1 })
	write(t, r.dial(t), message(0, data(256, 0, 5))) // no TLS at all
	until(t, "plain TCP to be refused", func() bool { return r.Counters().Refused == 2 })
	_ = good.Close()
	r.stop()
	if r.flows != 5 || r.rows[0].Kind != "ipfix" || !strings.HasPrefix(r.rows[0].Input, "tls 127.0.0.1:") {
		t.Errorf("%d flows, first row %+v; want 5 by TLS", r.flows, r.rows[0])
	}
}

func TestRefusedConfig(t *testing.T) {
	dir := certificates(t)
	file := func(name string) string { return filepath.Join(dir, name) }
	for says, change := range map[string]func(*Config){
		"no address":                 func(c *Config) {},
		"wants a certificate":        func(c *Config) { c.TLS = []string{":0"} },
		"no such file":               func(c *Config) { c.TLS, c.Cert, c.Key = []string{":0"}, "none.pem", "none.key" },
		"private key does not match": func(c *Config) { c.TLS, c.Cert, c.Key = []string{":0"}, file("server.pem"), file("ca.key") },
		"holds no certificate": func(c *Config) {
			c.TLS, c.Cert, c.Key, c.CA = []string{":0"}, file("server.pem"), file("server.key"), file("ca.key")
		},
		"max_connections": func(c *Config) { c.TCP, c.MaxConnections = []string{":0"}, 0 },
		"missing port":    func(c *Config) { c.TCP = []string{"127.0.0.1"} },
	} {
		c := config()
		change(&c)
		s, err := New(c)
		if err == nil {
			s.listener.Close()
		}
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v, want one that says %q", err, says)
		}
	}
}
