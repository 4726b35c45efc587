package app

import "github.com/weir-nta/weir"

// A portSet is a set of ports.
type portSet [1 << 16 / 64]uint64

func (s *portSet) has(p uint16) bool { return s[p/64]>>(p%64)&1 != 0 }

func makePorts(list ...uint16) *portSet {
	s := &portSet{}
	for _, p := range list {
		s[p/64] |= 1 << (p % 64)
	}
	return s
}

// The ports that Zeek takes for those of servers (likely_server_ports with its
// standard scripts).
var (
	serverTCP = makePorts(
		21, 22, 25, 53, 80, 81, 88, 102, 110, 113, 135, 139, 143, 220, 222, 389, 443, 445, 502, 513, 514, 543, 544, 563,
		585, 587, 602, 614, 631, 636, 989, 990, 992, 993, 995, 1080, 1434, 2811, 3128, 3268, 3306, 3389, 5060, 5222, 5223,
		5269, 5432, 6379, 6666, 6667, 6668, 6669, 8000, 8080, 8888, 20000, 5900, 1883)
	serverUDP = makePorts(
		53, 67, 68, 88, 111, 123, 137, 161, 162, 389, 443, 514, 1812, 2049, 2123, 2152, 3389, 3544, 4011, 4789, 5060, 5072,
		5353, 5355, 6081, 20000)
)

// ServerPort reports whether a port of TCP or UDP is likely to be that of a
// server, so that who uses it against a port that is not has not begun.
func ServerPort(proto weir.Proto, port uint16) bool {
	switch proto {
	case weir.TCP:
		return serverTCP.has(port)
	case weir.UDP:
		return serverUDP.has(port)
	}
	return false
}

// Guess names the application of f by the port of the responder, where that is
// plausible: a TCP connection must have been answered.
func Guess(f *weir.Flow) string {
	if f.Proto == weir.TCP && !answered(f.FlagsDown) {
		return ""
	}
	return ByPort(f.Proto, f.DstPort)
}

// answered reports whether a responder that sent these flags took the
// connection: it said more than RST.
func answered(flags weir.TCPFlags) bool {
	return flags != 0 && (flags&weir.RST == 0 || flags&(weir.SYN|weir.PSH|weir.FIN) != 0)
}
