package meter

import (
	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/app"
	"github.com/weir-nta/weir/decode/packet"
)

// flipped reports whether the first packet seen of a conversation came from
// its responder: where a conversation is seen from the middle, its first packet
// came from the server if it came from a port of servers.
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
		return app.ServerPort(weir.UDP, p.SrcPort) && !app.ServerPort(weir.UDP, p.DstPort) && !p.LaterFragment && !broadcast(p.Dst)
	case weir.TCP:
		syn, ack := p.Flags&weir.SYN != 0, p.Flags&weir.ACK != 0
		if syn && !ack || p.LaterFragment {
			return false
		}
		src, dst := app.ServerPort(weir.TCP, p.SrcPort), app.ServerPort(weir.TCP, p.DstPort)
		if !src {
			return !dst && syn && p.SrcPort < p.DstPort
		}
		return !dst || !syn && p.SrcPort < p.DstPort
	default:
		return false
	}
}

func broadcast(a packet.Addr) bool { return a.Is4() && uint32(a.Lo) == 0xffffffff }

// guess names the application by the port of the responder, unless what was
// said is not what a recogniser would have known by that name.
func guess(f *flow, r *weir.Flow) string {
	name := app.Guess(r)
	if said := f.kind == isSilent || f.kind == unknown && f.tries > 0; said && recognisable[name] {
		return ""
	}
	return name
}

// recognisable are the protocols that show in the first words of the client,
// so that other words rule them out.
var recognisable = map[string]bool{
	"tls": true, "http": true, "dns": true, "ssh": true, "smb": true, "rdp": true, "rfb": true, "bittorrent": true,
}
