package detect

import (
	"net/netip"
	"slices"

	"github.com/weir-nta/weir"
)

// InAny reports whether a is in one of the networks.
func InAny(a netip.Addr, networks []netip.Prefix) bool {
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(a) })
}

// Role returns the log-odds, 0 or below, of what is known of a source that
// looks for hosts and services, with the reason: that it may, that it is its
// work, or that it is some host of the Internet that nobody answered, of which
// there are always some.
func Role(src netip.Addr, scanners, discovery []netip.Prefix, background bool) (logOdds float64, why string) {
	switch {
	case InAny(src, scanners):
		return -4, "the source is an authorised scanner"
	case InAny(src, discovery):
		return -2, "the source looks for hosts as its work (discovery list)"
	case background:
		return -2, "the source is on the Internet, where somebody always scans, and nothing answered it"
	}
	return 0, ""
}

// Against returns the reasons of the terms of s that are below zero.
func Against(s *Score) []string {
	var list []string
	for _, t := range s.Terms {
		if t.Value < 0 {
			list = append(list, t.Text)
		}
	}
	return list
}

// Doubts reports whether f, which looks like a failed contact, may be none
// because the sensor hears only one side: then only a bare attempt, a SYN sent
// twice at most, is taken for one.
func (v *Vantage) Doubts(f *weir.Flow) bool {
	return v.OneWay() && (f.PacketsUp > 2 || f.Proto == weir.TCP && f.FlagsUp != weir.SYN)
}
