// Package flowrec holds what one record of a flow export tells, whichever
// format it came in: NetFlow, IPFIX, sFlow and nfcapd files all become a
// [Record], and only then, put together, flows of Weir.
package flowrec

import (
	"net/netip"

	"github.com/weir-nta/weir"
)

// A Record is a Flow Record in the sense of RFC 7011: what an exporter counted
// of one flow, usually one direction of a conversation, over some stretch of
// time. Counters are as exported; Sampling says by what they are to be scaled.
//
// It is one flat value, so that decoders fill slices of it without an
// allocation for each; what few exporters send is behind More.
type Record struct {
	// Start and End are the times of the first and the last packet, in
	// microseconds since 1970; 0 if not told. Decoders fill End with the
	// export time where an exporter tells no time at all.
	Start, End int64
	// Exported is when the exporter sent the record, by its clock, in
	// microseconds since 1970.
	Exported int64

	Src, Dst, Next   netip.Addr // Next: the next hop, the zero Addr if not told
	SrcPort, DstPort uint16
	Proto            weir.Proto
	// Flags are the union of the TCP flags of the direction from Src to Dst, and
	// RevFlags those of the other direction of a biflow. HasFlags says that the
	// exporter told them: a record without is not one with no flags set.
	Flags, RevFlags weir.TCPFlags
	HasFlags        bool
	// ICMPType and ICMPCode are valid if HasICMP.
	ICMPType, ICMPCode uint8
	HasICMP            bool
	TOS                uint8
	VLAN               uint16

	// Bytes counts octets of IP packets from Src to Dst, headers included, and
	// Packets these packets; RevBytes and RevPackets those of the other
	// direction (RFC 5103), valid if Biflow.
	Bytes, Packets, RevBytes, RevPackets uint64
	// DataUp and DataDown count octets of transport payload, from firewalls and
	// probes that tell these; valid if HasData.
	DataUp, DataDown uint64
	HasData          bool
	// Biflow says that the record tells of both directions.
	Biflow bool
	// Initiator says whether Src began the conversation, as far as the exporter
	// told it (RFC 5103 biflowDirection, initiator and responder elements).
	Initiator Initiator
	// Observed is where in the device the flow was seen: the same packets
	// exported at ingress and at egress are to be counted once.
	Observed Observed

	// Sampling is N of 1:N, at least 1; SamplingUnknown says that the exporter
	// samples at a rate that it has not told yet.
	Sampling        uint32
	SamplingUnknown bool

	InIf, OutIf  uint32 // ifIndex; 0 if not told
	SrcAS, DstAS uint32
	Domain       uint32
	SrcMAC       MAC
	DstMAC       MAC
	Reason       EndReason

	// More holds what most records do not have; nil if there is nothing. Many
	// records may share it: it is not to be changed.
	More *More
}

// An Initiator says who began a conversation.
type Initiator uint8

// The values.
const (
	NotTold   Initiator = iota
	SrcBegan            // Src is the initiator
	DstBegan            // Dst is the initiator: the record is of the answers
	Perimeter           // neither can be said, as biflowDirection perimeter
)

// Observed is flowDirection (IPFIX element 61).
type Observed uint8

// The values.
const (
	Anywhere Observed = iota
	Ingress
	Egress
)

// An EndReason is why a record was exported (IPFIX flowEndReason, element 136).
type EndReason uint8

// The values, as IANA numbers them.
const (
	NoReason  EndReason = 0
	Idle      EndReason = 1
	Active    EndReason = 2
	End       EndReason = 3
	Forced    EndReason = 4
	Resources EndReason = 5
)

var reasons = [...]string{"", "idle", "active", "end", "forced", "resources"}

// String returns the name that weir.Export.Reason has for it, empty for none.
func (r EndReason) String() string {
	if int(r) < len(reasons) {
		return reasons[r]
	}
	return ""
}

// A MAC is a link-layer address, all zero if not told.
type MAC [6]byte

// String returns it as six pairs of digits, empty for the zero MAC.
func (m MAC) String() string {
	if m == (MAC{}) {
		return ""
	}
	const digits = "0123456789abcdef"
	var b [17]byte
	for i, o := range m {
		b[3*i], b[3*i+1] = digits[o>>4], digits[o&15]
		if i < 5 {
			b[3*i+2] = ':'
		}
	}
	return string(b[:])
}

// More is what probes and firewalls tell beyond addresses and counters. The
// parts are those that packets would fill.
type More struct {
	App     string // by its name in Weir, else as the exporter calls it
	TLS     *weir.TLS
	HTTP    *weir.HTTP
	DNS     *weir.DNSTransaction // a whole transaction told by a record or seen in a sampled packet
	NAT     *weir.NAT
	SrcUser string
	DstUser string
	SrcHost string
	DstHost string
	Tunnel  string
	Action  string // of a firewall, as weir.Export.Action
	ACL     string
	VRF     string
	// Extra are elements that nothing else is for, as weir.Export.Extra.
	Extra []string
}
