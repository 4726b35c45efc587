package weir

import (
	"net/netip"
	"testing"
)

// The expected values are those of the specification's own baseline.
func TestCommunityID(t *testing.T) {
	for _, c := range []struct {
		proto            Proto
		src, dst         string
		srcPort, dstPort uint16
		icmp             *ICMP
		want             string
	}{
		{TCP, "128.232.110.120", "66.35.250.204", 34855, 80, nil, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
		{TCP, "66.35.250.204", "128.232.110.120", 80, 34855, nil, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
		{UDP, "192.168.1.52", "8.8.8.8", 54585, 53, nil, "1:d/FP5EW3wiY1vCndhwleRRKHowQ="},
		{ICMPv4, "192.168.0.89", "192.168.0.1", 0, 0, &ICMP{8, 0}, "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="},
		{ICMPv4, "192.168.0.1", "192.168.0.89", 0, 0, &ICMP{0, 0}, "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="},
		{ICMPv6, "fe80::200:86ff:fe05:80da", "fe80::260:97ff:fe07:69ea", 0, 0, &ICMP{135, 0}, "1:dGHyGvjMfljg6Bppwm3bg0LO8TY="},
	} {
		got := CommunityID(0, c.proto, netip.MustParseAddr(c.src), netip.MustParseAddr(c.dst), c.srcPort, c.dstPort, c.icmp)
		if got != c.want {
			t.Errorf("CommunityID(%v %s:%d → %s:%d) = %s, want %s", c.proto, c.src, c.srcPort, c.dst, c.dstPort, got, c.want)
		}
	}
}
