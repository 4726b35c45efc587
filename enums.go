package weir

import (
	"fmt"
	"strconv"
	"strings"
)

// Severity says how soon somebody should look.
type Severity uint8

// The severities, from "for the record" to "now".
const (
	Info Severity = iota
	Low
	Medium
	High
	Critical
)

var severityNames = []string{"info", "low", "medium", "high", "critical"}

// Certainty says how sure a detector is of what it reports.
type Certainty uint8

// The certainties: Strong has four checks and more passed, Proven is a fact
// of the protocol or of a list.
const (
	Weak Certainty = iota
	Some
	Strong
	Proven
)

var certaintyNames = []string{"weak", "some", "strong", "proven"}

// Direction says how a conversation crosses the border of the local networks.
type Direction uint8

// The directions. External is between two addresses outside.
const (
	NoDirection Direction = iota
	Inbound
	Outbound
	Internal
	External
)

var directionNames = []string{"", "inbound", "outbound", "internal", "external"}

// State is the state of a connection in Zeek's terms, which also serve for
// UDP and ICMP (S0 unanswered, SF answered, SHR only the responder spoke).
type State uint8

// The states, as Zeek's documentation of conn.log defines conn_state.
const (
	NoState     State = iota
	StateS0           // attempt seen, no reply
	StateS1           // established, not ended
	StateSF           // established and ended normally
	StateREJ          // attempt rejected
	StateS2           // established, originator has closed, no reply from responder
	StateS3           // established, responder has closed, no reply from originator
	StateRSTO         // established, originator aborted
	StateRSTR         // responder aborted
	StateRSTOS0       // originator sent SYN then RST, no SYN-ACK seen
	StateRSTRH        // responder sent SYN-ACK then RST, no SYN seen
	StateSH           // originator sent SYN then FIN, no SYN-ACK seen
	StateSHR          // responder sent SYN-ACK then FIN, no SYN seen
	StateOTH          // no SYN seen: traffic from the middle
)

var stateNames = []string{"", "S0", "S1", "SF", "REJ", "S2", "S3", "RSTO", "RSTR", "RSTOS0", "RSTRH", "SH", "SHR", "OTH"}

// Proto is an IP protocol number (IANA "protocol-numbers").
type Proto uint8

// The protocols with handling of their own.
const (
	ICMPv4 Proto = 1
	IGMP   Proto = 2
	TCP    Proto = 6
	UDP    Proto = 17
	GRE    Proto = 47
	ESP    Proto = 50
	AH     Proto = 51
	ICMPv6 Proto = 58
	OSPF   Proto = 89
	SCTP   Proto = 132
)

var protoNames = makeProtoNames()

func makeProtoNames() []string {
	names := make([]string, 256)
	for i := range names {
		names[i] = strconv.Itoa(i)
	}
	for p, n := range map[Proto]string{
		0: "hopopt", ICMPv4: "icmp", IGMP: "igmp", 4: "ipip", TCP: "tcp", 8: "egp", UDP: "udp", 27: "rdp", 33: "dccp",
		41: "ipv6", 46: "rsvp", GRE: "gre", ESP: "esp", AH: "ah", 55: "mobile", ICMPv6: "icmp6", 88: "eigrp", OSPF: "ospf",
		94: "ipip-micro", 98: "encap", 103: "pim", 108: "ipcomp", 112: "vrrp", 115: "l2tp", SCTP: "sctp", 133: "fc",
		136: "udplite", 137: "mpls-in-ip",
	} {
		names[p] = n
	}
	return names
}

// TCPFlags is a set of TCP flags (RFC 9293, RFC 3168).
type TCPFlags uint8

// The flags.
const (
	FIN TCPFlags = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
	ECE
	CWR
)

const flagLetters = "FSRPAUEC"

// String returns one letter per flag, such as "SA".
func (f TCPFlags) String() string {
	var b strings.Builder
	for _, i := range [...]int{1, 0, 2, 3, 4, 5, 6, 7} { // S before F: the order in which they come
		if f&(1<<i) != 0 {
			b.WriteByte(flagLetters[i])
		}
	}
	return b.String()
}

// UnmarshalText is the inverse of String.
func (f *TCPFlags) UnmarshalText(text []byte) error {
	*f = 0
	for _, c := range string(text) {
		i := strings.IndexRune(flagLetters, c)
		if i < 0 {
			return fmt.Errorf("tcp flag %q", c)
		}
		*f |= 1 << i
	}
	return nil
}

// String returns the name of the severity, such as "high".
func (s Severity) String() string { return enumName(severityNames, int(s)) }

// String returns the name of the certainty, such as "strong".
func (c Certainty) String() string { return enumName(certaintyNames, int(c)) }

// String returns the name of the direction, empty for NoDirection.
func (d Direction) String() string { return enumName(directionNames, int(d)) }

// String returns Zeek's name of the state, empty for NoState.
func (s State) String() string { return enumName(stateNames, int(s)) }

// String returns the name of the protocol, else its number.
func (p Proto) String() string { return protoNames[p] }

// MarshalText implements encoding.TextMarshaler.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Severity) UnmarshalText(text []byte) error {
	return parseEnum(s, "severity", severityNames, text)
}

// MarshalText implements encoding.TextMarshaler.
func (c Certainty) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *Certainty) UnmarshalText(text []byte) error {
	return parseEnum(c, "certainty", certaintyNames, text)
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Direction) UnmarshalText(text []byte) error {
	return parseEnum(d, "direction", directionNames, text)
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *State) UnmarshalText(text []byte) error { return parseEnum(s, "state", stateNames, text) }

// UnmarshalText accepts a name that String returns, or a number.
func (p *Proto) UnmarshalText(text []byte) error {
	if n, err := strconv.ParseUint(string(text), 10, 8); err == nil {
		*p = Proto(n)
		return nil
	}
	return parseEnum(p, "protocol", protoNames, text)
}

func enumName(names []string, i int) string {
	if i < len(names) {
		return names[i]
	}
	return strconv.Itoa(i)
}

func parseEnum[E ~uint8](dst *E, kind string, names []string, text []byte) error {
	for i, n := range names {
		if n == string(text) {
			*dst = E(i)
			return nil
		}
	}
	return fmt.Errorf("unknown %s %q", kind, text)
}
