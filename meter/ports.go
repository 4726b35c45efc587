package meter

import (
	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/app"
	"github.com/weir-nta/weir/decode/packet"
)

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
// standard scripts): where a conversation is seen from the middle, its first
// packet came from the server if it came from one of these.
var (
	serverTCP = makePorts(
		21, 22, 25, 53, 80, 81, 88, 102, 110, 113, 135, 139, 143, 220, 222, 389, 443, 445, 502, 513, 514, 543, 544, 563,
		585, 587, 602, 614, 631, 636, 989, 990, 992, 993, 995, 1080, 1434, 2811, 3128, 3268, 3306, 3389, 5060, 5222, 5223,
		5269, 5432, 6379, 6666, 6667, 6668, 6669, 8000, 8080, 8888, 20000, 5900, 1883)
	serverUDP = makePorts(
		53, 67, 68, 88, 111, 123, 137, 161, 162, 389, 443, 514, 1812, 2049, 2123, 2152, 3389, 3544, 4011, 4789, 5060, 5072,
		5353, 5355, 6081, 20000)
)

// flipped reports whether the first packet seen of a conversation came from
// its responder.
//
// As in Zeek, a UDP packet from a port of servers to another port does, and a
// TCP packet without SYN from such a port, unless both are and the lower port
// is the receiver's. A SYN-ACK answers a SYN that was missed: Zeek believes
// that only of ports of servers, for fear of scans with SYN-ACK; here it is
// also believed where neither is one and the sender's port is the lower, or a
// server on a port of its own would pass for a client.
func flipped(p *packet.Packet) bool {
	switch p.Proto {
	case weir.UDP:
		return serverUDP.has(p.SrcPort) && !serverUDP.has(p.DstPort) && !p.LaterFragment && !broadcast(p.Dst)
	case weir.TCP:
		syn, ack := p.Flags&weir.SYN != 0, p.Flags&weir.ACK != 0
		if syn && !ack || p.LaterFragment {
			return false
		}
		src, dst := serverTCP.has(p.SrcPort), serverTCP.has(p.DstPort)
		if !src {
			return !dst && syn && p.SrcPort < p.DstPort
		}
		return !dst || !syn && p.SrcPort < p.DstPort
	default:
		return false
	}
}

func broadcast(a packet.Addr) bool { return a.Is4() && uint32(a.Lo) == 0xffffffff }

// guess names the application by the port of the responder, where that is
// plausible: a TCP connection must have been answered, and what was said in it
// must not be something that a recogniser would have known.
func guess(f *flow, r *weir.Flow) string {
	if r.Proto != weir.TCP && r.Proto != weir.UDP {
		return ""
	}
	name := app.ByPort(r.Proto, r.DstPort)
	if name == "" || r.Proto == weir.TCP && !answered(r.FlagsDown) {
		return ""
	}
	if said := f.kind == isSilent || f.kind == unknown && f.tries > 0; said && recognisable[name] {
		return ""
	}
	return name
}

// answered reports whether a responder that sent these flags took the
// connection: it said more than RST.
func answered(flags weir.TCPFlags) bool {
	return flags != 0 && (flags&weir.RST == 0 || flags&(weir.SYN|weir.PSH|weir.FIN) != 0)
}

// recognisable are the protocols that show in the first words of the client,
// so that other words rule them out.
var recognisable = map[string]bool{
	"tls": true, "http": true, "dns": true, "ssh": true, "smb": true, "rdp": true, "rfb": true, "bittorrent": true,
}
