package detect

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/weir-nta/weir"
)

// Service returns the name of what f talks to, as specific as it is known: the
// name in its handshake (TLS server name, HTTP host) and the port, else the
// name that was looked up and the port, else address, port and protocol:
// "cdn.example.net:443", "203.0.113.9:4444/tcp", "203.0.113.9/icmp".
func Service(f *weir.Flow) string {
	name := Name(f)
	if name == "" {
		return addrService(f.Dst, f.DstPort, f.Proto)
	}
	return name + ":" + strconv.Itoa(int(f.DstPort))
}

// Name returns the name of what f talks to: that of its handshake, else the
// one looked up, else none.
func Name(f *weir.Flow) string {
	name := f.DstHost
	switch {
	case f.TLS != nil && f.TLS.SNI != "":
		name = f.TLS.SNI
	case f.HTTP != nil && f.HTTP.Host != "":
		name = f.HTTP.Host
	}
	if isAddr(name) {
		return "" // an address in the Host header is no name
	}
	return name
}

// isAddr is asked for each flow, and the error of ParseAddr costs an
// allocation: an address ends in a digit or has a colon, which names seldom do.
func isAddr(s string) bool {
	if s == "" || s[len(s)-1] > '9' && strings.IndexByte(s, ':') < 0 {
		return false
	}
	_, err := netip.ParseAddr(s)
	return err == nil
}

func addrService(addr netip.Addr, port uint16, proto weir.Proto) string {
	b := make([]byte, 0, 64)
	switch proto {
	case weir.TCP, weir.UDP, weir.SCTP:
		b = netip.AddrPortFrom(addr, port).AppendTo(b)
	default:
		b = addr.AppendTo(b)
	}
	b = append(b, '/')
	return string(append(b, proto.String()...))
}
