package meter

import (
	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/packet"
)

// keyOf returns the key of p, and the end that sent it: 0 for A, 1 for B.
func keyOf(p *packet.Packet) (k packet.Key, end uint8) {
	k = packet.Key{A: p.Src, B: p.Dst, APort: p.SrcPort, BPort: p.DstPort, Proto: p.Proto}
	if p.Proto == weir.ICMPv4 || p.Proto == weir.ICMPv6 {
		k.APort, k.BPort, k.OneWay = packet.ICMPPorts(p.Proto, p.ICMPType, p.ICMPCode)
		k.ID = p.ICMPID
	}
	return k, k.Order()
}
