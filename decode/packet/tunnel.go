package packet

import "strings"

// The encapsulations, as they lie in a [Tunnel].
const (
	tunnelGRE     = 1 + iota // RFC 2784 and 2890, also PPTP's (RFC 2637)
	tunnelERSPAN             // types I, II and III; the GRE below it is implied
	tunnelIPIP               // IP in IP: RFC 2003, RFC 2473
	tunnel6in4               // RFC 4213
	tunnelVXLAN              // RFC 7348
	tunnelGENEVE             // RFC 8926
	tunnelGTPU               // 3GPP TS 29.281
	tunnelMPLS               // RFC 3032
	tunnelPPPoE              // RFC 2516
	tunnelTeredo             // RFC 4380
	tunnelEtherIP            // RFC 3378
)

var tunnelNames = [...]string{
	tunnelGRE:     "gre",
	tunnelERSPAN:  "erspan",
	tunnelIPIP:    "ipip",
	tunnel6in4:    "6in4",
	tunnelVXLAN:   "vxlan",
	tunnelGENEVE:  "geneve",
	tunnelGTPU:    "gtpu",
	tunnelMPLS:    "mpls",
	tunnelPPPoE:   "pppoe",
	tunnelTeredo:  "teredo",
	tunnelEtherIP: "etherip",
}

// String returns the names of the encapsulations, outermost first, joined by
// slashes, such as "gre/vxlan"; it is empty for a packet that came as it is.
func (t Tunnel) String() string {
	if t>>8 == 0 { // the usual ones need no memory of their own
		return tunnelName(byte(t))
	}
	var b strings.Builder
	for ; t != 0; t >>= 8 {
		if b.Len() > 0 {
			b.WriteByte('/')
		}
		b.WriteString(tunnelName(byte(t)))
	}
	return b.String()
}

func tunnelName(kind byte) string {
	if int(kind) < len(tunnelNames) {
		return tunnelNames[kind]
	}
	return "unknown"
}

// push puts one encapsulation more into t. It says whether there was room.
func (t *Tunnel) push(kind Tunnel) bool {
	for shift := 0; shift < 32; shift += 8 {
		if *t>>shift&0xff == 0 {
			*t |= kind << shift
			return true
		}
	}
	return false
}
