package weir

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"net/netip"
)

// CommunityID returns the Community ID, version 1, of a conversation: a hash
// that other tools compute alike, whichever side they saw first
// (github.com/corelight/community-id-spec). For ICMP and ICMPv6, type and code
// take the place of the ports; icmp may be nil for other protocols.
func CommunityID(seed uint16, proto Proto, src, dst netip.Addr, srcPort, dstPort uint16, icmp *ICMP) string {
	src, dst = src.Unmap(), dst.Unmap()
	oneWay := false
	if icmp != nil {
		srcPort, dstPort, oneWay = icmpPorts(proto, icmp)
	}
	if !oneWay && (dst.Less(src) || src == dst && dstPort < srcPort) {
		src, dst, srcPort, dstPort = dst, src, dstPort, srcPort
	}
	b := make([]byte, 0, 2+16+16+2+4)
	b = binary.BigEndian.AppendUint16(b, seed)
	b = append(b, src.AsSlice()...)
	b = append(b, dst.AsSlice()...)
	b = append(b, byte(proto), 0)
	if hasPorts(proto) {
		b = binary.BigEndian.AppendUint16(b, srcPort)
		b = binary.BigEndian.AppendUint16(b, dstPort)
	}
	sum := sha1.Sum(b)
	return "1:" + base64.StdEncoding.EncodeToString(sum[:])
}

func hasPorts(p Proto) bool {
	return p == TCP || p == UDP || p == SCTP || p == ICMPv4 || p == ICMPv6
}

// The message types whose answer has another type (RFC 792, 950, 1256, 4443,
// 4861, 3810): the pair stands for the ports, so that both directions hash alike.
var (
	icmpPeer = map[uint8]uint8{8: 0, 0: 8, 13: 14, 14: 13, 15: 16, 16: 15, 17: 18, 18: 17, 10: 9, 9: 10}
	// 135 and 136 are neighbour, 133 and 134 router discovery, 144 and 145 home agent discovery.
	icmp6Peer = map[uint8]uint8{128: 129, 129: 128, 130: 131, 131: 130, 133: 134, 134: 133, 135: 136, 136: 135, 139: 140, 140: 139, 144: 145, 145: 144}
)

// icmpPorts returns what the specification puts in place of the ports, and
// whether the message has no answer, so that direction counts.
func icmpPorts(proto Proto, m *ICMP) (src, dst uint16, oneWay bool) {
	peers := icmpPeer
	if proto == ICMPv6 {
		peers = icmp6Peer
	}
	if p, ok := peers[m.Type]; ok {
		return uint16(m.Type), uint16(p), false
	}
	return uint16(m.Type), uint16(m.Code), true
}
