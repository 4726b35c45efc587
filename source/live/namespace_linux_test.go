package live

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// inside is set where the tests run in a network namespace of their own.
const inside = "WEIR_TEST_NAMESPACE"

// TestMain runs the tests once more in a network namespace of their own, where
// they can make interfaces, if that can be had: as root, or in a user namespace.
func TestMain(m *testing.M) {
	if user, asked := os.LookupEnv(asking); asked {
		os.Exit(captureWithLess(user))
	}
	if os.Getenv(inside) != "" {
		os.Exit(m.Run())
	}
	for _, flags := range []uintptr{unix.CLONE_NEWNET, unix.CLONE_NEWNET | unix.CLONE_NEWUSER} {
		cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
		cmd.Env = append(os.Environ(), inside+"=1")
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags, Pdeathsig: unix.SIGKILL}
		if flags&unix.CLONE_NEWUSER != 0 {
			one := func(id int) []syscall.SysProcIDMap {
				return []syscall.SysProcIDMap{{ContainerID: 0, HostID: id, Size: 1}}
			}
			cmd.SysProcAttr.UidMappings, cmd.SysProcAttr.GidMappings = one(os.Getuid()), one(os.Getgid())
		}
		runtime.LockOSThread() // whose end is what the other process is told of
		err := cmd.Run()
		var exit *exec.ExitError
		if err == nil || errors.As(err, &exit) {
			os.Exit(cmd.ProcessState.ExitCode())
		}
	}
	os.Exit(m.Run())
}

// needNamespace skips a test by name where no network namespace can be had.
func needNamespace(t testing.TB) {
	t.Helper()
	if os.Getenv(inside) == "" {
		t.Skip("wants a network namespace: to be root, or to be allowed user namespaces")
	}
}

// A wire is a pair of interfaces: what goes in at one comes out at the other.
type wire struct {
	t        testing.TB
	in, out  string
	socket   int
	netlink  int
	sequence uint32
}

// newWire makes a pair of interfaces that are up and have no addresses.
func newWire(t testing.TB, in, out string) *wire {
	t.Helper()
	needNamespace(t)
	w := &wire{t: t, in: in, out: out, socket: -1}
	var err error
	if w.netlink, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE); err != nil {
		t.Fatal(err)
	}
	w.make()
	t.Cleanup(func() {
		w.remove()
		_ = unix.Close(w.netlink)
		_ = unix.Close(w.socket)
	})
	return w
}

// make makes the pair: ip link add IN type veth peer name OUT.
func (w *wire) make() {
	w.t.Helper()
	const vethPeer = 1 // VETH_INFO_PEER
	peer := append(make([]byte, unix.SizeofIfInfomsg), attribute(unix.IFLA_IFNAME, []byte(w.out+"\x00"))...)
	info := append(attribute(unix.IFLA_INFO_KIND, []byte("veth")), attribute(unix.IFLA_INFO_DATA, attribute(vethPeer, peer))...)
	body := append(attribute(unix.IFLA_IFNAME, []byte(w.in+"\x00")), attribute(unix.IFLA_LINKINFO, info)...)
	w.link(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL, unix.IfInfomsg{}, body)
	for _, name := range []string{w.in, w.out} {
		_ = os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/disable_ipv6", []byte("1"), 0) // or the kernel sends of its own
	}
	w.up(w.out, true) // first: the sender is then ready when it is up
	w.up(w.in, true)
	w.running()
	if w.socket >= 0 {
		_ = unix.Close(w.socket)
	}
	var err error
	if w.socket, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
		w.t.Fatal(err)
	}
	if err := unix.Bind(w.socket, &unix.SockaddrLinklayer{Ifindex: w.index(w.in)}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *wire) remove() {
	if l := (&link{control: w.netlink, name: w.in}); l.find() == nil {
		w.link(unix.RTM_DELLINK, 0, unix.IfInfomsg{Index: l.index}, nil)
	}
}

func (w *wire) up(name string, up bool) {
	w.t.Helper()
	m := unix.IfInfomsg{Index: int32(w.index(name)), Change: unix.IFF_UP}
	if up {
		m.Flags = unix.IFF_UP
	}
	w.link(unix.RTM_NEWLINK, 0, m, nil)
}

// running waits until the kernel has noticed that both ends are up: before that
// it throws away what is sent.
func (w *wire) running() {
	w.t.Helper()
	for range 500 {
		all := true
		for _, name := range []string{w.in, w.out} {
			r, err := unix.NewIfreq(name)
			all = all && err == nil && unix.IoctlIfreq(w.netlink, unix.SIOCGIFFLAGS, r) == nil && r.Uint16()&unix.IFF_RUNNING != 0
		}
		if all {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	w.t.Fatal("the interfaces do not come up")
}

func (w *wire) rename(name, to string) {
	w.t.Helper()
	w.link(unix.RTM_NEWLINK, 0, unix.IfInfomsg{Index: int32(w.index(name))}, attribute(unix.IFLA_IFNAME, []byte(to+"\x00")))
}

func (w *wire) index(name string) int {
	w.t.Helper()
	l := &link{control: w.netlink, name: name}
	if err := l.find(); err != nil {
		w.t.Fatal(err)
	}
	return int(l.index)
}

func attribute(kind uint16, value []byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(value)))
	b = append(binary.NativeEndian.AppendUint16(b, kind), value...)
	return append(b, make([]byte, (4-len(b)%4)%4)...)
}

// link asks the kernel to change an interface and waits for its answer.
func (w *wire) link(kind, flags uint16, m unix.IfInfomsg, attributes []byte) {
	w.t.Helper()
	w.sequence++
	body := append(unsafe.Slice((*byte)(unsafe.Pointer(&m)), unix.SizeofIfInfomsg), attributes...)
	b := binary.NativeEndian.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+len(body)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = binary.NativeEndian.AppendUint16(b, flags|unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	b = binary.NativeEndian.AppendUint32(b, w.sequence)
	b = append(binary.NativeEndian.AppendUint32(b, 0), body...)
	if err := unix.Sendto(w.netlink, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		w.t.Fatal(err)
	}
	answer := make([]byte, 4096)
	n, _, err := unix.Recvfrom(w.netlink, answer, 0)
	if err != nil || n < unix.SizeofNlMsghdr+4 {
		w.t.Fatalf("netlink: %d bytes, %v", n, err)
	}
	if code := int32(binary.NativeEndian.Uint32(answer[unix.SizeofNlMsghdr:])); code != 0 {
		w.t.Fatalf("netlink: message %d: %v", kind, syscall.Errno(-code))
	}
}

// send puts frames on the wire.
func (w *wire) send(frames ...[]byte) {
	w.t.Helper()
	for i, f := range frames {
		if i%100 == 99 {
			time.Sleep(time.Millisecond) // a queue of the kernel in between is short
		}
		for {
			_, err := unix.Write(w.socket, f)
			if err == nil {
				break
			}
			if !errors.Is(err, unix.ENOBUFS) && !errors.Is(err, unix.EAGAIN) {
				w.t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
		}
	}
}

// ethtoolSet switches an offload of an interface.
func (w *wire) ethtoolSet(name string, command uint32, on bool) error {
	v := ethtoolValue{command: command}
	if on {
		v.data = 1
	}
	r := ifreqPointer{data: unsafe.Pointer(&v)}
	copy(r.name[:unix.IFNAMSIZ-1], name)
	if err := ioctl(w.netlink, unix.SIOCETHTOOL, unsafe.Pointer(&r)); err != nil {
		return fmt.Errorf("ethtool %s: %w", name, err)
	}
	return nil
}
