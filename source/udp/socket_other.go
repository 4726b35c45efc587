//go:build !linux

package udp

import (
	"net"
	"syscall"
)

// canShare is false: where several sockets may listen on one address, not all
// systems divide the senders among them.
const canShare = false

func share(_, _ string, _ syscall.RawConn) error { return nil }

func setBuffer(s *net.UDPConn, size int) {
	if size > 0 {
		_ = s.SetReadBuffer(size) // what there is then cannot be told
	}
}

// buffer cannot be told.
func buffer(*net.UDPConn) int { return 0 }

// drops are not told by the socket.
func drops(*net.UDPConn) uint32 { return 0 }

// queued cannot be told.
func queued(*net.UDPConn) uint32 { return 0 }

func passing(error) bool { return false }
