package live

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/weir-nta/weir/decode/packet"
)

// A link is an interface as this machine knows it. What may change is guarded:
// the one who looks after the links writes it.
type link struct {
	control int    // a socket to ask by
	name    string // as it was asked for; a renamed one keeps it in records

	index  int32
	family uint16 // ARPHRD_ of linux/if_arp.h

	longest atomic.Int64 // frame that it carries

	mu      sync.Mutex
	now     string // what it is called now
	up      bool
	there   bool
	since   time.Time // of the state up, there
	downs   int       // times it went down or away
	offload offloads
	lost    uint64 // packets that the card or its driver lost since it was opened
	before  uint64 // and had lost by then
}

// find looks an interface up by its name.
func (l *link) find() error {
	r, err := unix.NewIfreq(l.name)
	if err != nil {
		return fmt.Errorf("%q is no name of an interface", l.name)
	}
	if err := unix.IoctlIfreq(l.control, unix.SIOCGIFINDEX, r); err != nil {
		if errors.Is(err, unix.ENODEV) {
			return fmt.Errorf("%w: %s; there are %s", ErrNoInterface, l.name, strings.Join(Interfaces(), ", "))
		}
		return fmt.Errorf("%s: %w", l.name, err)
	}
	l.index = int32(r.Uint32())
	if r, err = unix.NewIfreq(l.name); err != nil {
		return err
	}
	if err := unix.IoctlIfreq(l.control, unix.SIOCGIFHWADDR, r); err != nil {
		return fmt.Errorf("%s: %w", l.name, err)
	}
	l.family = r.Uint16() // sa_family of the address
	l.mu.Lock()
	defer l.mu.Unlock()
	l.there, l.now = true, l.name
	l.up = l.flags(l.name)
	l.offload = l.readOffloads(l.name)
	l.before = deviceCounters(l.name).lost
	return nil
}

// flags returns whether the interface of a name is up, and notes how long its
// frames are at most.
func (l *link) flags(name string) (up bool) {
	if r, err := unix.NewIfreq(name); err == nil && unix.IoctlIfreq(l.control, unix.SIOCGIFFLAGS, r) == nil {
		up = r.Uint16()&unix.IFF_UP != 0
	}
	if r, err := unix.NewIfreq(name); err == nil && unix.IoctlIfreq(l.control, unix.SIOCGIFMTU, r) == nil {
		l.longest.Store(int64(r.Uint32()) + int64(l.linkBytes()) + 2*tagBytes)
	}
	return up
}

// called returns the name of the interface of this index, "" if there is none.
func (l *link) called() string {
	r := ifreqIndex{index: l.index}
	if err := ioctl(l.control, unix.SIOCGIFNAME, unsafe.Pointer(&r)); err != nil {
		return ""
	}
	return unix.ByteSliceToString(r.name[:])
}

// An ifreqIndex is a struct ifreq that holds an index.
type ifreqIndex struct {
	name  [unix.IFNAMSIZ]byte
	index int32
	_     [20]byte
}

// An ifreqPointer is a struct ifreq that points to something.
type ifreqPointer struct {
	name [unix.IFNAMSIZ]byte
	data unsafe.Pointer
	_    [16]byte
}

func ioctl(fd int, request uint, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(request), uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}

// kind returns how the packets begin, and whether the kernel is to take the
// link header off because it is of a kind that is not read here.
func (l *link) kind() (kind packet.LinkType, cooked bool) {
	switch l.family {
	case unix.ARPHRD_ETHER, unix.ARPHRD_LOOPBACK:
		return packet.LinkEthernet, false
	case unix.ARPHRD_NONE, unix.ARPHRD_RAWIP, unix.ARPHRD_TUNNEL, unix.ARPHRD_TUNNEL6, unix.ARPHRD_SIT:
		return packet.LinkRaw, false
	}
	return packet.LinkRaw, true
}

func (l *link) loopback() bool { return l.family == unix.ARPHRD_LOOPBACK }

// linkBytes returns the length of the link header.
func (l *link) linkBytes() uint32 {
	if k, _ := l.kind(); k == packet.LinkEthernet {
		return 14
	}
	return 0
}

// look finds out what has become of the interface. It returns what there is to
// say, and whether the interface is not there any more.
func (l *link) look(now time.Time) (said []string, gone bool) {
	name := l.called()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.there {
		return nil, true
	}
	if name == "" {
		l.there, l.up, l.since = false, false, now
		l.downs++
		return []string{fmt.Sprintf("%s is not there any more: nothing is seen of it until an interface of this name is there again", l.now)}, true
	}
	if name != l.now {
		said = append(said, fmt.Sprintf("%s is called %s now: it is watched on, and its records still say %s", l.now, name, l.name))
		l.now = name
	}
	up := l.flags(name)
	l.offload = l.readOffloads(name)
	if lost := deviceCounters(name).lost; lost > l.before {
		l.lost += lost - l.before
		l.before = lost
	}
	switch {
	case l.up && !up:
		l.since = now
		l.downs++
		said = append(said, fmt.Sprintf("%s is down: nothing is seen of it until it is up again", name))
	case !l.up && up:
		said = append(said, fmt.Sprintf("%s is up again%s", name, after(l.since, now)))
	}
	l.up = up
	return said, false
}

func after(since, now time.Time) string {
	if since.IsZero() {
		return ""
	}
	return ", after " + now.Sub(since).Round(time.Second).String()
}

func (l *link) isUp() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.up
}

// lose says that the interface is not there although its name is.
func (l *link) lose() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.there, l.up = false, false
}

// losses returns what the card or its driver has lost.
func (l *link) losses() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

// A deviceCount is what the kernel counts of an interface.
type deviceCount struct{ lost, sent uint64 }

// deviceCounters reads /proc/net/dev (proc_pid_net(5)): received packets that
// were dropped, missed by the card or did not fit its queue, and packets sent.
func deviceCounters(name string) (c deviceCount) {
	text, err := os.ReadFile("/proc/net/dev")
	if err != nil {
		return c
	}
	for line := range strings.Lines(string(text)) {
		of, counts, _ := strings.Cut(line, ":")
		f := strings.Fields(counts)
		if strings.TrimSpace(of) != name || len(f) < 10 {
			continue
		}
		const drop, fifo, sent = 3, 4, 9
		for _, at := range []int{drop, fifo} {
			n, _ := strconv.ParseUint(f[at], 10, 64)
			c.lost += n
		}
		c.sent, _ = strconv.ParseUint(f[sent], 10, 64)
	}
	return c
}

// notes says what the user should know of the interface.
func (l *link) notes(seen *Seen) (list []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case !l.there:
		list = append(list, fmt.Sprintf("%s is down, or not there", l.now))
	case !l.up:
		list = append(list, fmt.Sprintf("%s is down: nothing is seen of it; `ip link set %s up`", l.now, l.now))
	}
	if l.downs > 0 {
		list = append(list, fmt.Sprintf("%s went down or away %s: what passed meanwhile is not known", l.name, times(l.downs)))
	}
	if l.lost > 0 {
		list = append(list, fmt.Sprintf("%s lost %s packets in the card or its driver, before they could be seen: a longer queue (`ethtool -G %s rx 4096`) may help; `ethtool -S %s` tells more",
			l.now, thousands(int64(l.lost)), l.now, l.now))
	}
	return append(list, l.offload.notes(l.now, seen.Merged)...)
}

// offloads are what the interface does to packets before they are seen.
type offloads struct{ gro, lro, tso, gso, untag bool }

const (
	flagLRO   = 1 << 15 // ETH_FLAG_LRO of linux/ethtool.h
	flagUntag = 1 << 8  // ETH_FLAG_RXVLAN
)

// readOffloads asks the driver; whoever does not tell has none.
func (l *link) readOffloads(name string) offloads {
	flags := l.ethtool(name, unix.ETHTOOL_GFLAGS)
	return offloads{
		gro: l.ethtool(name, unix.ETHTOOL_GGRO) != 0, tso: l.ethtool(name, unix.ETHTOOL_GTSO) != 0, gso: l.ethtool(name, unix.ETHTOOL_GGSO) != 0,
		lro: flags&flagLRO != 0, untag: flags&flagUntag != 0,
	}
}

// An ethtoolValue is struct ethtool_value.
type ethtoolValue struct{ command, data uint32 }

func (l *link) ethtool(name string, command uint32) uint32 {
	v := ethtoolValue{command: command}
	r := ifreqPointer{data: unsafe.Pointer(&v)}
	copy(r.name[:unix.IFNAMSIZ-1], name)
	if ioctl(l.control, unix.SIOCETHTOOL, unsafe.Pointer(&r)) != nil {
		return 0
	}
	return v.data
}

// notes says what the offloads do, given how many packets were longer than
// the interface carries.
func (o offloads) notes(name string, merged int64) (list []string) {
	var on, off []string
	for _, f := range []struct {
		is         bool
		name, flag string
	}{{o.gro, "GRO", "gro off"}, {o.lro, "LRO", "lro off"}} {
		if f.is {
			on, off = append(on, f.name), append(off, f.flag)
		}
	}
	fix := fmt.Sprintf("`ethtool -K %s %s`", name, strings.Join(off, " "))
	switch {
	case len(on) > 0 && merged > 0:
		list = append(list, fmt.Sprintf("%s is on at %s, and %s packets were longer than it carries: numbers and sizes of packets are those of merged ones; %s",
			strings.Join(on, " and "), name, thousands(merged), fix))
	case len(on) > 0:
		is := "is"
		if len(on) > 1 {
			is = "are"
		}
		list = append(list, fmt.Sprintf("%s %s on at %s: numbers and sizes of packets may be those of merged ones; %s", strings.Join(on, " and "), is, name, fix))
	case merged > 0 && (o.tso || o.gso):
		list = append(list, fmt.Sprintf("%s packets were longer than %s carries: those that this machine sends are seen before the card cuts them (TSO, GSO); `ethtool -K %s tso off gso off`",
			thousands(merged), name, name))
	case merged > 0:
		list = append(list, fmt.Sprintf("%s packets were longer than %s carries: whoever sends them here has merged them", thousands(merged), name))
	}
	return list
}

// openControl opens a socket to ask the kernel by.
func openControl() (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		// A machine without IPv4 can be asked by IPv6.
		fd, err = unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	}
	return fd, err
}

// A bundle is the rings of one interface, one for each worker, among which
// fanout divides its packets.
type bundle []*ring

// openBundle opens the rings of an interface and has them see it.
func (c *Config) openBundle(l *link, factor uint32) (_ bundle, err error) {
	kind, _ := l.kind()
	program, err := CompileFilter(c.Filter, kind, c.SnapLen)
	if err != nil {
		return nil, err
	}
	if l.loopback() {
		program = append(slices.Clone(takeIncoming), program...)
	}
	n := c.workers()
	b := make(bundle, 0, n)
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	for range n {
		r, err := openRing(l, c.BufferBytes/n)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", l.name, err)
		}
		b = append(b, r)
		if err := r.bind(!c.NoPromiscuous); err != nil {
			return nil, fmt.Errorf("%s: %w", l.name, err)
		}
	}
	if n > 1 {
		if err := b.join(factor); err != nil {
			return nil, fmt.Errorf("%s: fanout: %w", l.name, err)
		}
	}
	for _, r := range slices.Backward(b) {
		if err := r.filter(program); err != nil {
			return nil, fmt.Errorf("%s: %w", l.name, err)
		}
	}
	return b, nil
}

// join makes the rings one group. Nothing is let into them before that, or the
// first would see what is the others'.
func (b bundle) join(factor uint32) error {
	const kind = unix.PACKET_FANOUT_CBPF
	if err := unix.SetsockoptInt(b[0].fd, unix.SOL_PACKET, unix.PACKET_FANOUT, (kind|unix.PACKET_FANOUT_FLAG_UNIQUEID)<<16); err != nil {
		return err
	}
	id, err := unix.GetsockoptInt(b[0].fd, unix.SOL_PACKET, unix.PACKET_FANOUT)
	if err != nil {
		return err
	}
	for _, r := range b[1:] {
		if err := unix.SetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_FANOUT, id&0xffff|kind<<16); err != nil {
			return err
		}
	}
	program := sockFilter(fanoutProgram(factor, b[0].link.linkBytes()))
	return unix.SetsockoptSockFprog(b[0].fd, unix.SOL_PACKET, unix.PACKET_FANOUT_DATA, program)
}

func (b bundle) close() {
	for _, r := range b {
		if r != nil {
			r.close()
		}
	}
}

// times writes how often something happened.
func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
