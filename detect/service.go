package detect

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/weir-nta/weir"
)

// A Service is what a flow talks to, as specific as it is known: a name and a
// port, or address, port and protocol. It is what a [Context] knows things by.
type Service struct {
	Name  string     // with it, Addr and Proto are not set
	Addr  netip.Addr // of who has no name
	Port  uint16     // 0 for protocols without ports
	Proto weir.Proto
}

// ServiceOf returns the service of f, by its [Name] if it has one.
func ServiceOf(f *weir.Flow) Service {
	name := Name(f)
	switch {
	case name != "":
		return Service{Name: name, Port: f.DstPort}
	case hasPorts(f.Proto):
		return Service{Addr: f.Dst, Port: f.DstPort, Proto: f.Proto}
	}
	return Service{Addr: f.Dst, Proto: f.Proto}
}

func hasPorts(p weir.Proto) bool { return p == weir.TCP || p == weir.UDP || p == weir.SCTP }

// String writes s as "cdn.example.net:443", "203.0.113.9:4444/tcp" or
// "203.0.113.9/icmp".
func (s Service) String() string {
	switch {
	case s.Name != "":
		return s.Name + ":" + strconv.Itoa(int(s.Port))
	case hasPorts(s.Proto):
		return netip.AddrPortFrom(s.Addr, s.Port).String() + "/" + s.Proto.String()
	}
	return s.Addr.String() + "/" + s.Proto.String()
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

func isAddr(s string) bool {
	if !looksLikeAddr(s) {
		return false
	}
	_, err := netip.ParseAddr(s)
	return err == nil
}

// looksLikeAddr is asked for each record, because the error of ParseAddr costs
// an allocation: an address ends in a digit or has a colon, which names seldom
// do.
func looksLikeAddr(s string) bool {
	return s != "" && (s[len(s)-1] <= '9' || strings.IndexByte(s, ':') >= 0)
}
