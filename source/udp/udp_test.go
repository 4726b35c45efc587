package udp

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/collector"
	"github.com/weir-nta/weir/source"
	"github.com/weir-nta/weir/source/sourcetest"
)

// v5 is a datagram of NetFlow 5 with n records, numbered from first on.
func v5(first uint32, n int) []byte {
	be := binary.BigEndian
	b := be.AppendUint16(nil, 5)
	b = be.AppendUint16(b, uint16(n))
	for _, v := range []uint32{1_000_000, 1_700_000_000, 0, first, 0} {
		b = be.AppendUint32(b, v)
	}
	for i := range uint32(n) {
		for _, v := range []uint32{10<<24 | (first + i), 192<<24 | 2, 0, 0x00010002, 10, 1000, 999_000, 999_900, 40000<<16 | 443, 0x001b0600, 0, 0} {
			b = be.AppendUint32(b, v)
		}
	}
	return b
}

func config(addresses ...string) Config {
	c := Default
	c.Listen, c.ReceiveBuffer, c.Collector = addresses, 4<<20, collector.DefaultConfig()
	return c
}

func open(t *testing.T, c Config) *Source {
	t.Helper()
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.listener.Close)
	return s
}

// send sends datagrams to an address, not faster than they are fetched.
func send(t *testing.T, to netip.AddrPort, datagrams ...[]byte) {
	t.Helper()
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for i, b := range datagrams {
		if _, err := conn.Write(b); err != nil {
			t.Fatal(err)
		}
		if i%100 == 99 {
			time.Sleep(time.Millisecond)
		}
	}
}

// loopback returns where something that listens can be reached from here.
func loopback(a netip.AddrPort) netip.AddrPort {
	if !a.Addr().IsUnspecified() {
		return a
	}
	return netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), a.Port())
}

// An ending source ends when as many datagrams have come as were sent before:
// what sourcetest wants of a source.
type ending struct {
	*Source
	after uint64
}

func (e ending) Run(ctx context.Context, emit func(*weir.Batch) error) error {
	if ctx.Err() == nil {
		var stop context.CancelFunc
		ctx, stop = context.WithCancel(ctx)
		defer stop()
		go func() {
			for ctx.Err() == nil && e.collector.Quick().Datagrams < e.after {
				time.Sleep(time.Millisecond)
			}
			stop()
		}()
		if err := e.Source.Run(ctx, emit); !errors.Is(err, context.Canceled) {
			return err
		}
		return nil
	}
	return e.Source.Run(ctx, emit)
}

// TestSuite runs what every source promises. That the same input gives the same
// is not asked of health, which has times of its own.
func TestSuite(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T) source.Source {
		s := open(t, config("127.0.0.1:0"))
		send(t, s.Addrs()[0], v5(0, 30), v5(30, 30))
		return withoutHealth{ending{s, 2}}
	})
}

type withoutHealth struct{ source.Source }

func (w withoutHealth) Run(ctx context.Context, emit func(*weir.Batch) error) error {
	return w.Source.Run(ctx, func(b *weir.Batch) error {
		for i := range b.Exporters {
			b.Exporters[i] = weir.Exporter{Records: b.Exporters[i].Records}
		}
		return emit(b)
	})
}

// TestNothingLost sends to several listeners, IPv4 and IPv6, and ends at once:
// all that was received is handed on.
func TestNothingLost(t *testing.T) {
	addresses := []string{"127.0.0.1:0", "127.0.0.1:0"}
	if c, err := net.ListenPacket("udp", "[::1]:0"); err == nil {
		_ = c.Close()
		addresses = append(addresses, "[::]:0") // hears IPv4 too
	}
	s := open(t, config(addresses...))
	var datagrams [][]byte
	for i := range uint32(300) {
		datagrams = append(datagrams, v5(i*30, 30))
	}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i, a := range s.Addrs() {
		part := datagrams[i*100 : (i+1)*100]
		if i == 2 {
			send(t, netip.AddrPortFrom(netip.IPv6Loopback(), a.Port()), part[:50]...)
			send(t, loopback(a), part[50:]...)
			continue
		}
		send(t, loopback(a), part...)
	}
	flows := 0
	kinds := map[string]int{}
	wg.Go(func() {
		err := s.Run(ctx, func(b *weir.Batch) error {
			flows += len(b.Flows)
			for _, e := range b.Exporters {
				kinds[e.Kind+" "+e.Input]++
			}
			return nil
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v, want %v", err, context.Canceled)
		}
	})
	stop() // what the kernel holds is fetched all the same
	wg.Wait()
	if want := 3000 * len(addresses); flows != want {
		t.Errorf("%d flows, want %d; counters %+v", flows, want, s.Counters())
	}
	n := s.Counters()
	if n.Kernel != 0 || n.Lost != 0 || n.Datagrams != uint64(100*len(addresses)) {
		t.Errorf("counters %+v, want nothing lost", n)
	}
	for _, a := range s.Addrs() {
		if kinds["udp udp "+a.String()] != 1 {
			t.Errorf("rows %v, want one of the socket %v", kinds, a)
		}
	}
}

// TestKernelDrops sends more than the kernel holds before anybody fetches, and
// reads back what it dropped: what was sent is received, or in the counter.
func TestKernelDrops(t *testing.T) {
	c := config("127.0.0.1:0")
	c.ReceiveBuffer, c.Workers = 4096, 2
	s := open(t, c)
	var datagrams [][]byte
	for i := range uint32(200) {
		datagrams = append(datagrams, v5(i*30, 30))
	}
	send(t, s.Addrs()[0], datagrams...)
	ctx, stop := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer stop()
	flows, dropped := 0, uint64(0)
	_ = s.Run(ctx, func(b *weir.Batch) error {
		flows += len(b.Flows)
		for _, e := range b.Exporters {
			dropped += e.DroppedKernel
		}
		return nil
	})
	n := s.Counters()
	if canShare && (n.Kernel == 0 || n.Kernel != dropped || n.Kernel+n.Datagrams != 200) {
		t.Errorf("%d received, %d dropped, rows tell of %d; want 200 altogether", n.Datagrams, n.Kernel, dropped)
	}
	if uint64(flows) != n.Datagrams*30 {
		t.Errorf("%d flows of %d datagrams", flows, n.Datagrams)
	}
}

// TestSlowPipeline has a consumer that takes long: what waits stays bounded,
// and nothing of what was fetched is lost.
func TestSlowPipeline(t *testing.T) {
	c := config("127.0.0.1:0")
	c.Collector.MaxWaiting, c.Collector.BatchRecords = 300, 100
	s := open(t, c)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() {
		var datagrams [][]byte
		for i := range uint32(1000) {
			datagrams = append(datagrams, v5(i*30, 30))
		}
		send(t, s.Addrs()[0], datagrams...)
		time.Sleep(50 * time.Millisecond)
		stop()
	}()
	flows := 0
	_ = s.Run(ctx, func(b *weir.Batch) error {
		flows += len(b.Flows)
		time.Sleep(time.Millisecond)
		return nil
	})
	if n := s.Counters(); uint64(flows) != n.Records || n.Datagrams+n.Kernel != 1000 {
		t.Errorf("%d flows, counters %+v; want each record received, each of 1,000 datagrams received or dropped by the kernel", flows, n)
	}
}

func TestRefusedConfig(t *testing.T) {
	busy, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	shared := open(t, config("127.0.0.1:0")) // several sockets that share an address
	for name, c := range map[string]struct {
		config Config
		is     error
		says   string
	}{
		"nowhere":       {config(), nil, "no address"},
		"busy":          {config(busy.LocalAddr().String()), syscall.EADDRINUSE, "in use"},
		"shared":        {config(shared.Addrs()[0].String()), syscall.EADDRINUSE, "in use"},
		"no port":       {config("127.0.0.1"), nil, "missing port"},
		"not ours":      {config("192.0.2.77:2055"), syscall.EADDRNOTAVAIL, "assign"},
		"many workers":  {Config{Listen: []string{":0"}, Workers: 1000, Collector: collector.DefaultConfig()}, nil, "workers: got 1000"},
		"huge buffer":   {Config{Listen: []string{":0"}, ReceiveBuffer: 2 << 30, Collector: collector.DefaultConfig()}, nil, "receive_buffer"},
		"bad collector": {Config{Listen: []string{":0"}}, nil, "max_exporters"},
	} {
		s, err := New(c.config)
		if err == nil {
			s.listener.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.says) || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: error %v, want one that says %q", name, err, c.says)
		}
	}
}

// TestBufferNote asks for more than the kernel may give and reads what it says.
func TestBufferNote(t *testing.T) {
	if !canShare {
		t.Skip("the buffer cannot be told here")
	}
	c := config("127.0.0.1:0")
	c.ReceiveBuffer = 1 << 30
	s := open(t, c)
	got := buffer(s.listener.places[0].sockets[0])
	if got >= c.ReceiveBuffer {
		t.Skip("this process may have any buffer")
	}
	notes := strings.Join(s.Progress().Notes, "\n")
	if !strings.Contains(notes, "net.core.rmem_max=1073741824") || !strings.Contains(notes, size(got)) {
		t.Errorf("notes %q, want the buffer (%s) and what to set", notes, size(got))
	}
}

// TestREADME checks that what the README says of the defaults is so.
func TestREADME(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"32MiB", "ports 2055, 4739, 6343", "4,096 exporters", "16,384 observation domains"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("README does not say %q", want)
		}
	}
	if d := collector.DefaultConfig(); Default.ReceiveBuffer != 32<<20 || d.MaxExporters != 4096 || d.MaxDomains != 16384 {
		t.Errorf("defaults %+v, %+v are not those of the README", Default, d)
	}
}

// TestEndWhileFlooded ends while datagrams keep coming, with a consumer that is
// slower than they are: it ends all the same, and what came before the end is
// received or counted as dropped.
func TestEndWhileFlooded(t *testing.T) {
	c := config("127.0.0.1:0")
	c.Collector.MaxWaiting, c.Collector.BatchRecords = 300, 100
	s := open(t, c)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(s.Addrs()[0]))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var wg sync.WaitGroup
	sent, ended := uint64(0), make(chan struct{})
	wg.Go(func() {
		for i := uint32(0); ; i++ {
			select {
			case <-ended:
				return
			default:
			}
			if i == 2000 {
				stop()
			}
			if _, err := conn.Write(v5(i*30, 30)); err != nil {
				return // the socket is closed
			}
			sent++
			if i%20 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
	})
	flows := 0
	_ = s.Run(ctx, func(b *weir.Batch) error {
		flows += len(b.Flows)
		time.Sleep(time.Millisecond)
		return nil
	})
	close(ended)
	wg.Wait()
	n := s.Counters()
	if uint64(flows) != n.Records || n.Datagrams < 100 {
		t.Errorf("%d flows, counters %+v; want each record received", flows, n)
	}
	if got := n.Datagrams + n.Kernel; canShare && (got > sent || got+50 < sent) {
		t.Errorf("%d received and %d dropped of %d sent; want all but what came when the socket was closed", n.Datagrams, n.Kernel, sent)
	}
}
