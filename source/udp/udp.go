// Package udp receives the datagrams of flow exporters: NetFlow, IPFIX and
// sFlow, told apart by content, on any number of addresses.
package udp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/net/ipv4"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/collector"
	"github.com/weir-nta/weir/source"
)

// Default is where exporters send to by custom: NetFlow to 2055, IPFIX to 4739
// and sFlow to 6343, by IPv4 and IPv6.
var Default = Config{
	Listen:        []string{":2055", ":4739", ":6343"},
	ReceiveBuffer: 32 << 20,
}

// Config says where to listen.
type Config struct {
	// Listen are addresses with ports, such as "192.0.2.1:2055", "[::]:2055" or
	// ":2055". All formats are understood on each.
	Listen []string
	// Workers is how many goroutines receive on each address, on sockets of
	// their own among which the kernel divides the exporters; 0 for one per CPU.
	Workers int
	// ReceiveBuffer is how many bytes each socket is to hold while nobody
	// fetches them. The kernel may give less: see Notes.
	ReceiveBuffer int
	// Collector sets up the collector of a Source.
	Collector collector.Config
}

const (
	// maxWorkers is more than any kernel divides well.
	maxWorkers = 64
	// batch is how many datagrams are fetched at a time.
	batch = 32
	// maxDatagram is the most that UDP carries. A shorter buffer would cut.
	maxDatagram = 65535
	// dropsEvery is how often the kernel is asked for what it dropped.
	dropsEvery = time.Second
	// What the kernel holds when the end comes is still fetched: until nothing
	// has come for drainQuiet and the kernel says that it holds no more, or
	// nothing has come for drainEnd though it does not; for drainMost altogether
	// where it cannot be told to take no more.
	drainQuiet = 20 * time.Millisecond
	drainEnd   = 250 // times drainQuiet
	drainMost  = 2 * time.Second
)

// A Listener receives on some addresses for a collector.
type Listener struct {
	collector *collector.Collector
	places    []*place
	notes     []string
}

// A place is one address listened on.
type place struct {
	addr    netip.AddrPort
	input   *collector.Input
	sockets []*net.UDPConn
}

// Listen opens the sockets. What arrives from then on is not lost, even if
// Receive is called later, as long as the receive buffers hold it.
func Listen(c Config, col *collector.Collector) (*Listener, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	l := &Listener{collector: col}
	for _, address := range c.Listen {
		p, err := c.open(address)
		if err != nil {
			l.Close()
			return nil, err
		}
		l.places = append(l.places, p)
		p.input = col.Input("udp "+p.addr.String(), "udp")
		l.note(p, c.ReceiveBuffer)
	}
	return l, nil
}

func (c *Config) check() error {
	if len(c.Listen) == 0 {
		return errors.New("udp: got no address to listen on, want one or more")
	}
	if c.Workers < 0 || c.Workers > maxWorkers {
		return fmt.Errorf("workers: got %d, want 0 to %d", c.Workers, maxWorkers)
	}
	if c.ReceiveBuffer < 0 || c.ReceiveBuffer > 1<<30 {
		return fmt.Errorf("receive_buffer: got %d, want 0 to 1 GiB", c.ReceiveBuffer)
	}
	return nil
}

// open opens the sockets of one address.
func (c *Config) open(address string) (*place, error) {
	workers := c.Workers
	if workers == 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	if !canShare {
		workers = 1
	}
	first, err := listen(address, false)
	if err != nil {
		return nil, err
	}
	p := &place{addr: local(first)}
	if workers > 1 {
		// The first socket stood alone only to learn that nobody else listens
		// here: sockets that share an address would share it with any other
		// program of this user, and each get half of the traffic.
		_ = first.Close()
		for range workers {
			s, err := listen(p.addr.String(), true)
			if err != nil {
				p.close()
				return nil, err
			}
			p.sockets = append(p.sockets, s)
		}
	} else {
		p.sockets = []*net.UDPConn{first}
	}
	for _, s := range p.sockets {
		setBuffer(s, c.ReceiveBuffer)
	}
	return p, nil
}

// listen opens one socket.
func listen(address string, shared bool) (*net.UDPConn, error) {
	lc := net.ListenConfig{}
	if shared {
		lc.Control = share
	}
	conn, err := lc.ListenPacket(context.Background(), "udp", address)
	if err != nil {
		return nil, fmt.Errorf("udp %s: %w", address, err)
	}
	return conn.(*net.UDPConn), nil
}

func local(s *net.UDPConn) netip.AddrPort {
	return s.LocalAddr().(*net.UDPAddr).AddrPort()
}

// note says where the kernel gives less room than was asked for.
func (l *Listener) note(p *place, want int) {
	if got := buffer(p.sockets[0]); got > 0 && got < want {
		l.notes = append(l.notes, fmt.Sprintf("udp %v: the kernel holds %s for each socket instead of %s, so that bursts may be lost: "+
			"set net.core.rmem_max (sysctl -w net.core.rmem_max=%d), or give the program CAP_NET_ADMIN", p.addr, size(got), size(want), want))
	}
}

func size(n int) string {
	if n >= 1<<20 {
		return fmt.Sprintf("%.3g MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.3g KiB", float64(n)/(1<<10))
}

// Addrs returns the addresses listened on, in the order of the configuration.
func (l *Listener) Addrs() []netip.AddrPort {
	var out []netip.AddrPort
	for _, p := range l.places {
		out = append(out, p.addr)
	}
	return out
}

// Notes returns what the user should know, one sentence each.
func (l *Listener) Notes() []string { return l.notes }

// Close closes the sockets, if Receive has not done so.
func (l *Listener) Close() {
	for _, p := range l.places {
		p.close()
	}
}

func (p *place) close() {
	for _, s := range p.sockets {
		_ = s.Close() // nothing is written to it
	}
}

// Receive hands what arrives to the collector until ctx is done, with all that
// the kernel holds by then, and closes the sockets. A socket that breaks is an
// error, and ends it too.
func (l *Listener) Receive(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var workers, watch sync.WaitGroup
	var failed atomic.Pointer[error]
	for _, p := range l.places {
		for _, s := range p.sockets {
			workers.Go(func() {
				if err := l.work(ctx, p, s); err != nil {
					failed.CompareAndSwap(nil, &err)
					stop(err)
				}
			})
		}
		watch.Go(func() { p.watch(ctx) })
	}
	workers.Wait()
	stop(nil)
	watch.Wait()
	for _, p := range l.places {
		p.drops()
	}
	l.Close()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

// watch asks for drops until ctx is done.
func (p *place) watch(ctx context.Context) {
	tick := time.NewTicker(dropsEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			p.drops()
		case <-ctx.Done():
			return
		}
	}
}

// drops tells the collector what the kernel has dropped. The kernel counts in
// 32 bits, which are taken as they are: four billion are more than will be.
func (p *place) drops() {
	var sum uint64
	for _, s := range p.sockets {
		sum += uint64(drops(s))
	}
	p.input.Dropped(sum)
}

// work receives on one socket.
func (l *Listener) work(ctx context.Context, p *place, s *net.UDPConn) error {
	messages := make([]ipv4.Message, batch)
	for i := range messages {
		messages[i].Buffers = [][]byte{make([]byte, maxDatagram)}
	}
	conn := ipv4.NewPacketConn(s) // reads IPv6 as well: only the options differ
	wake := context.AfterFunc(ctx, func() { _ = s.SetReadDeadline(time.Now()) })
	defer wake()
	for {
		n, err := conn.ReadBatch(messages, 0)
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return l.drain(p, s, conn, messages)
		case passing(err):
			continue
		default:
			return fmt.Errorf("udp %v: %w", p.addr, err)
		}
		l.take(p, messages[:n])
		l.collector.Wait(ctx)
	}
}

// take hands datagrams to the collector.
func (l *Listener) take(p *place, messages []ipv4.Message) {
	at := time.Now()
	for i := range messages {
		m := &messages[i]
		if from, ok := m.Addr.(*net.UDPAddr); ok {
			p.input.Datagram(m.Buffers[0][:m.N], from.AddrPort(), at)
		}
	}
}

// takeNone is a filter that lets nothing into a socket. What it keeps out, the
// kernel counts as dropped.
var takeNone = []bpf.RawInstruction{{Op: 0x06}} // ret #0

// drain fetches what the kernel still holds, and lets it take no more, so that
// this ends however much is being sent.
func (l *Listener) drain(p *place, s *net.UDPConn, conn *ipv4.PacketConn, messages []ipv4.Message) error {
	ctx := context.Background()
	if err := conn.SetBPF(takeNone); err != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, drainMost)
		defer cancel()
	}
	for quiet := 0; ctx.Err() == nil && quiet < drainEnd; {
		if err := s.SetReadDeadline(time.Now().Add(drainQuiet)); err != nil {
			return err
		}
		n, err := conn.ReadBatch(messages, 0)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			// On a busy machine the time may be over before reading began.
			if quiet++; queued(s) == 0 {
				return nil
			}
			continue
		}
		quiet = 0
		if err != nil && !passing(err) {
			return fmt.Errorf("udp %v: %w", p.addr, err)
		}
		l.take(p, messages[:max(n, 0)])
		l.collector.Wait(ctx)
	}
	return nil
}

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
		Bytes: int64(n.Bytes), Packets: int64(n.Datagrams), Unit: "datagrams", Records: s.records.Load(),
		Skipped: int64(n.Skipped()), Notes: append(s.listener.Notes(), n.Notes()...),
	}
}
