package packet

import "fmt"

// A LinkType is a LINKTYPE_ value: what the bytes of a captured packet begin
// with (https://www.tcpdump.org/linktypes.html).
type LinkType uint32

// The link types that are decoded.
const (
	LinkNull     LinkType = 0   // BSD loopback: address family in the byte order of the host
	LinkEthernet LinkType = 1   // Ethernet II and 802.3
	LinkPPP      LinkType = 9   // PPP, with or without address and control
	LinkRawBSD   LinkType = 12  // IPv4 or IPv6 (the DLT_RAW of most systems)
	LinkRawOpen  LinkType = 14  // IPv4 or IPv6 (the DLT_RAW of OpenBSD)
	LinkPPPHDLC  LinkType = 50  // PPP in HDLC-like framing
	LinkPPPoE    LinkType = 51  // PPPoE session packets without Ethernet before them
	LinkRaw      LinkType = 101 // IPv4 or IPv6
	LinkCHDLC    LinkType = 104 // Cisco HDLC
	LinkLoop     LinkType = 108 // OpenBSD loopback: address family in network order
	LinkSLL      LinkType = 113 // Linux "any", version 1
	LinkMPLS     LinkType = 219 // MPLS label stack
	LinkIPv4     LinkType = 228
	LinkIPv6     LinkType = 229
	LinkSLL2     LinkType = 276 // Linux "any", version 2
)

// linkNames also names the common link types that are not decoded, so that
// refusing one can say what it is.
var linkNames = map[LinkType]string{
	LinkNull: "BSD loopback", LinkEthernet: "Ethernet", LinkPPP: "PPP",
	LinkRawBSD: "raw IP", LinkRawOpen: "raw IP", LinkRaw: "raw IP",
	LinkPPPHDLC: "PPP in HDLC framing", LinkPPPoE: "PPPoE", LinkCHDLC: "Cisco HDLC",
	LinkLoop: "OpenBSD loopback", LinkSLL: "Linux cooked", LinkSLL2: "Linux cooked v2",
	LinkMPLS: "MPLS", LinkIPv4: "IPv4", LinkIPv6: "IPv6",

	3: "AX.25", 6: "Token Ring", 7: "ARCNET", 8: "SLIP", 10: "FDDI", 100: "ATM (RFC 1483)",
	105: "IEEE 802.11", 107: "Frame Relay", 114: "LocalTalk", 117: "OpenBSD pflog",
	119: "IEEE 802.11 with Prism header", 122: "IP over Fibre Channel", 123: "SunATM",
	127: "IEEE 802.11 with radiotap", 129: "Linux ARCNET", 138: "IP over IEEE 1394",
	143: "DOCSIS", 144: "Linux IrDA", 163: "IEEE 802.11 with AVS header",
	177: "Linux LAPD", 187: "Bluetooth HCI", 189: "USB (Linux)", 192: "PPI",
	195: "IEEE 802.15.4", 201: "Bluetooth HCI with direction", 220: "USB (Linux, mmapped)",
	224: "Fibre Channel FC-2", 227: "CAN", 230: "IEEE 802.15.4 without FCS", 239: "Linux NFLOG",
	247: "InfiniBand", 249: "USBPcap", 251: "Bluetooth LE", 253: "Linux netlink",
	258: "Apple PKTAP", 265: "Z-Wave", 272: "nRF sniffer", 283: "IEEE 802.15.4 TAP",
}

// String names l, such as "Ethernet", or "link type 147" where it has no name here.
func (l LinkType) String() string {
	if n, ok := linkNames[l]; ok {
		return n
	}
	return fmt.Sprintf("link type %d", uint32(l))
}

// Known says whether [Decoder.Decode] can read packets of l.
func (l LinkType) Known() bool {
	switch l {
	case LinkNull, LinkEthernet, LinkPPP, LinkRawBSD, LinkRawOpen, LinkPPPHDLC, LinkPPPoE, LinkRaw,
		LinkCHDLC, LinkLoop, LinkSLL, LinkMPLS, LinkIPv4, LinkIPv6, LinkSLL2:
		return true
	}
	return false
}
