package udp

import (
	"errors"
	"net"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// canShare says that several sockets can listen on one address, and the kernel
// divides the senders among them.
const canShare = true

// share lets a socket listen where others do (SO_REUSEPORT).
func share(_, _ string, c syscall.RawConn) error {
	return control(c, func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
}

func control(c syscall.RawConn, do func(fd int) error) error {
	var err error
	if cerr := c.Control(func(fd uintptr) { err = do(int(fd)) }); cerr != nil {
		return cerr
	}
	return err
}

// setBuffer asks for a receive buffer, beyond the limit of the system if that
// is allowed to us. How much there is then, buffer tells.
func setBuffer(s *net.UDPConn, size int) {
	if size == 0 {
		return
	}
	c, err := s.SyscallConn()
	if err != nil {
		return
	}
	_ = control(c, func(fd int) error {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, size); err == nil {
			return nil
		}
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, size)
	})
}

// buffer returns the size of the receive buffer, 0 if it cannot be told. The
// kernel doubles what it is asked for, for its own needs (socket(7)).
func buffer(s *net.UDPConn) int {
	size := 0
	if c, err := s.SyscallConn(); err == nil {
		_ = control(c, func(fd int) (err error) {
			size, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
			return err
		})
	}
	return size / 2
}

// memInfo is what SO_MEMINFO gives: numbers by the indices of
// linux/sock_diag.h, of which later kernels may have more.
type memInfo [9]uint32

const (
	memInfoQueued = 0 // bytes, as the kernel counts them
	memInfoDrops  = 8
)

// drops returns how many datagrams the kernel has dropped at this socket.
func drops(s *net.UDPConn) uint32 { return info(s)[memInfoDrops] }

// queued returns how many bytes the kernel holds for this socket.
func queued(s *net.UDPConn) uint32 { return info(s)[memInfoQueued] }

func info(s *net.UDPConn) (m memInfo) {
	if c, err := s.SyscallConn(); err == nil {
		_ = control(c, func(fd int) error {
			size := uint32(unsafe.Sizeof(m))
			_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
				uintptr(unsafe.Pointer(&m)), uintptr(unsafe.Pointer(&size)), 0)
			if errno != 0 {
				return errno
			}
			return nil
		})
	}
	return m
}

// passing says whether an error of receiving is about one datagram, or about
// none: the next may come.
func passing(err error) bool {
	return errors.Is(err, unix.EINTR) || errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.ENOMEM)
}
