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

// AddRole adds what is known of a source that looks for hosts and services:
// that it may, that it is its work, or that it is some host of the Internet
// that nobody answered, of which there are always some.
func AddRole(s *Score, src netip.Addr, scanners, discovery []netip.Prefix, background bool) {
	switch {
	case InAny(src, scanners):
		s.Add("role", -4, "%v is an authorised scanner", src)
	case InAny(src, discovery):
		s.Add("role", -2, "%v looks for hosts as its work (discovery list)", src)
	case background:
		s.Add("role", -2, "%v is on the Internet, where somebody always scans, and nothing answered it", src)
	}
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
