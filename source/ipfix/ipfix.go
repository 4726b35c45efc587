// Package ipfix receives IPFIX over TCP and TLS (RFC 7011, sections 10.4 and
// 11): transports that lose nothing, and that tell who sends.
package ipfix

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/collector"
	"github.com/weir-nta/weir/source"
)

// Default are the limits; the addresses are for the operator to say. IANA has
// given IPFIX port 4739, and 4740 with TLS.
var Default = Config{
	MaxConnections: 256,
	MaxPerAddress:  16,
	IdleTimeout:    15 * time.Minute,
	MessageTimeout: 30 * time.Second,
}

// Config says where to listen and what to expect of exporters.
type Config struct {
	// TCP and TLS are addresses with ports, such as ":4739".
	TCP, TLS []string
	// Cert and Key are the files of our certificate and its key (PEM).
	Cert, Key string
	// CA is a file of certificates (PEM). If it is given, exporters have to
	// show one that these have signed; else any exporter may connect.
	CA string

	// MaxConnections is how many exporters may be connected at a time, and
	// MaxPerAddress how many of them from one address. At a limit a new
	// connection is closed and counted: who opens many gains that others of
	// his address, or with many addresses all others, cannot connect. Each
	// takes 64 KiB.
	MaxConnections, MaxPerAddress int
	// IdleTimeout ends a connection that sends nothing for so long, and
	// MessageTimeout one that does not go on within a message.
	IdleTimeout, MessageTimeout time.Duration
	// Collector sets up the collector of a Source.
	Collector collector.Config
}

// maxMessage is the longest IPFIX message: its length has 16 bits.
const maxMessage = 65535

// header is the length of its header.
const header = 16

// A Listener receives on some addresses for a collector.
type Listener struct {
	config    Config
	collector *collector.Collector
	places    []*place

	mu    sync.Mutex
	open  map[net.Conn]netip.Addr
	count map[netip.Addr]int

	refused atomic.Int64 // connections beyond a limit, or without a good certificate
	broken  atomic.Int64 // connections ended because of what they sent
}

// A place is one address listened on.
type place struct {
	kind     string // tcp or tls
	listener net.Listener
	input    *collector.Input
	tls      *tls.Config // nil for plain TCP
}

// Listen opens the sockets.
func Listen(c Config, col *collector.Collector) (*Listener, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	var secure *tls.Config
	if len(c.TLS) > 0 {
		var err error
		if secure, err = c.secure(); err != nil {
			return nil, err
		}
	}
	l := &Listener{config: c, collector: col, open: map[net.Conn]netip.Addr{}, count: map[netip.Addr]int{}}
	for _, address := range c.TCP {
		if err := l.listen("tcp", address, nil); err != nil {
			l.Close()
			return nil, err
		}
	}
	for _, address := range c.TLS {
		if err := l.listen("tls", address, secure); err != nil {
			l.Close()
			return nil, err
		}
	}
	return l, nil
}

func (c *Config) check() error {
	switch {
	case len(c.TCP)+len(c.TLS) == 0:
		return errors.New("ipfix: got no address to listen on, want one or more")
	case len(c.TLS) > 0 && (c.Cert == "" || c.Key == ""):
		return errors.New("ipfix over TLS wants a certificate and its key (cert, key)")
	case c.MaxConnections < 1 || c.MaxPerAddress < 1:
		return fmt.Errorf("max_connections: got %d and %d per address, want 1 or more", c.MaxConnections, c.MaxPerAddress)
	case c.IdleTimeout <= 0 || c.MessageTimeout <= 0:
		return fmt.Errorf("idle_timeout: got %v, and %v within a message, want more than 0", c.IdleTimeout, c.MessageTimeout)
	}
	return nil
}

// secure reads the files of certificates.
func (c *Config) secure() (*tls.Config, error) {
	cert, err := tls.LoadX509KeyPair(c.Cert, c.Key)
	if err != nil {
		return nil, fmt.Errorf("certificate %s with key %s: %w", c.Cert, c.Key, err)
	}
	t := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	if c.CA == "" {
		return t, nil
	}
	pem, err := os.ReadFile(c.CA)
	if err != nil {
		return nil, err
	}
	t.ClientCAs = x509.NewCertPool()
	if !t.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", c.CA)
	}
	t.ClientAuth = tls.RequireAndVerifyClientCert
	return t, nil
}

func (l *Listener) listen(kind, address string, secure *tls.Config) error {
	ln, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", address)
	if err != nil {
		return fmt.Errorf("ipfix %s %s: %w", kind, address, err)
	}
	l.places = append(l.places, &place{kind, ln, l.collector.Input(kind+" "+ln.Addr().String(), kind), secure})
	return nil
}

// Addrs returns the addresses listened on: those of TCP, then those of TLS.
func (l *Listener) Addrs() []netip.AddrPort {
	var out []netip.AddrPort
	for _, p := range l.places {
		out = append(out, p.listener.Addr().(*net.TCPAddr).AddrPort())
	}
	return out
}

// Places names the addresses listened on, each with its transport.
func (l *Listener) Places() []string {
	var out []string
	for _, p := range l.places {
		out = append(out, p.kind+" "+p.listener.Addr().String())
	}
	return out
}

// Notes returns what the user should know, one sentence each.
func (l *Listener) Notes() []string {
	var out []string
	if n := l.refused.Load(); n > 0 {
		out = append(out, fmt.Sprintf("connections refused, beyond a limit or without a good certificate: %d", n))
	}
	if n := l.broken.Load(); n > 0 {
		out = append(out, fmt.Sprintf("connections closed because they did not send whole IPFIX messages: %d", n))
	}
	return out
}

// Close closes the sockets, if Receive has not done so.
func (l *Listener) Close() {
	for _, p := range l.places {
		_ = p.listener.Close() // only listened on
	}
}

// Receive hands what arrives to the collector until ctx is done. What has
// arrived of each connection by then is read to its last whole message.
func (l *Listener) Receive(ctx context.Context) error {
	var connections, accepting sync.WaitGroup
	stop := context.AfterFunc(ctx, l.Close)
	defer stop()
	errs := make([]error, len(l.places))
	for i, p := range l.places {
		accepting.Go(func() { errs[i] = l.accept(ctx, p, &connections) })
	}
	accepting.Wait()
	connections.Wait()
	return errors.Join(errs...)
}

// acceptAgain is how long to wait where there is no file for a connection.
const acceptAgain = 100 * time.Millisecond

// accept takes connections until ctx is done.
func (l *Listener) accept(ctx context.Context, p *place, connections *sync.WaitGroup) error {
	for {
		conn, err := p.listener.Accept()
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		default: // too many open files, or a connection that has ended already
			time.Sleep(acceptAgain)
			continue
		}
		from := conn.RemoteAddr().(*net.TCPAddr).AddrPort()
		if !l.enter(conn, from.Addr().Unmap()) {
			l.refused.Add(1)
			p.input.Refuse(time.Now())
			_ = conn.Close() // nothing was said
			continue
		}
		connections.Go(func() {
			defer l.leave(conn)
			l.serve(ctx, p, conn, from)
		})
	}
}

// enter counts a connection, unless there are too many.
func (l *Listener) enter(conn net.Conn, addr netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.open) >= l.config.MaxConnections || l.count[addr] >= l.config.MaxPerAddress {
		return false
	}
	l.open[conn] = addr
	l.count[addr]++
	return true
}

func (l *Listener) leave(conn net.Conn) {
	_ = conn.Close() // it was only read
	l.mu.Lock()
	defer l.mu.Unlock()
	addr := l.open[conn]
	delete(l.open, conn)
	if l.count[addr]--; l.count[addr] == 0 {
		delete(l.count, addr)
	}
}

// serve reads one connection to its end.
func (l *Listener) serve(ctx context.Context, p *place, conn net.Conn, from netip.AddrPort) {
	if p.tls != nil {
		secured := tls.Server(conn, p.tls)
		shake, cancel := context.WithTimeout(ctx, l.config.MessageTimeout)
		err := secured.HandshakeContext(shake)
		cancel()
		if err != nil {
			l.refused.Add(1)
			p.input.Refuse(time.Now())
			return
		}
		conn = secured
	}
	session, err := p.input.Session(from, time.Now())
	if err != nil {
		return // counted there
	}
	defer session.Close()
	r := &reader{conn: conn, config: &l.config, in: bufio.NewReaderSize(conn, maxMessage)}
	stop := context.AfterFunc(ctx, r.end)
	defer stop()
	for {
		message, err := r.next()
		if err != nil {
			if len(message) > 0 { // the connection ended within it, or it is none
				l.broken.Add(1)
				session.Damaged(message, time.Now())
			}
			return
		}
		session.Message(message, time.Now())
		r.took(len(message))
		l.collector.Wait(ctx)
	}
}

// A reader takes messages from a connection.
type reader struct {
	conn   net.Conn
	config *Config
	in     *bufio.Reader

	mu     sync.Mutex
	ending bool
}

// drainFor is how long a connection may go on to send what is under way when
// the end has come.
const drainFor = 100 * time.Millisecond

// end lets the connection be read for a little longer.
func (r *reader) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ending = true
	_ = r.conn.SetReadDeadline(time.Now().Add(drainFor)) // fails if it is closed
}

// within sets how long the next bytes may take, unless the end has come.
func (r *reader) within(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.ending {
		_ = r.conn.SetReadDeadline(time.Now().Add(d)) // fails if it is closed, and so will reading
	}
}

var errMessage = errors.New("not an IPFIX message")

// next returns the next message, valid until took. With an error it returns
// what there is of a message that is none or that does not end.
func (r *reader) next() ([]byte, error) {
	r.within(r.config.IdleTimeout)
	if _, err := r.in.Peek(1); err != nil {
		return nil, err
	}
	r.within(r.config.MessageTimeout)
	head, err := r.in.Peek(4)
	if err != nil {
		return head, err
	}
	length := int(binary.BigEndian.Uint16(head[2:]))
	if binary.BigEndian.Uint16(head) != 10 || length < header {
		return head, errMessage
	}
	return r.in.Peek(length)
}

// took lets go of a message.
func (r *reader) took(n int) { _, _ = r.in.Discard(n) } // cannot fail: it has been peeked at

// A Source is a collector with a listener of its own.
type Source struct {
	collector *collector.Collector
	listener  *Listener
	records   atomic.Int64
}

var _ source.Source = (*Source)(nil)

// New opens the sockets and makes the collector.
func New(c Config) (*Source, error) {
	col, err := collector.New(c.Collector)
	if err != nil {
		return nil, err
	}
	l, err := Listen(c, col)
	if err != nil {
		return nil, err
	}
	return &Source{collector: col, listener: l}, nil
}

// Run receives until ctx is done, and then hands on all that has arrived.
func (s *Source) Run(ctx context.Context, emit func(*weir.Batch) error) error {
	return s.collector.Serve(ctx, time.Now, func(b *weir.Batch) error {
		s.records.Add(int64(b.Len()))
		return emit(b)
	}, s.listener.Receive)
}

// Addrs returns the addresses listened on.
func (s *Source) Addrs() []netip.AddrPort { return s.listener.Addrs() }

// Counters returns what the collector has counted.
func (s *Source) Counters() collector.Counters { return s.collector.Counters() }

// Progress tells how far Run has got.
func (s *Source) Progress() source.Progress {
	n := s.collector.Quick()
	return source.Progress{
		Bytes: int64(n.Bytes), Packets: int64(n.Datagrams), Unit: "messages", Records: s.records.Load(),
		Skipped: int64(n.Skipped()), Notes: append(s.listener.Notes(), n.Notes()...),
	}
}
