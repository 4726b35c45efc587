// Package local knows which addresses are one's own: it says which way a
// conversation crosses the border and which network each end belongs to.
package local

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/gaissmai/bart"

	"github.com/weir-nta/weir"
)

// Default is the configuration where the operator says nothing: what can be
// nobody's but one's own.
var Default = Config{Networks: prefixes(
	"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", // RFC 1918
	"100.64.0.0/10", // RFC 6598, between a provider and its customers
	"fc00::/7",      // RFC 4193
)}

// alwaysLocal are addresses that never cross a border, whatever is configured.
var alwaysLocal = prefixes(
	"0.0.0.0/32", "::/128", // not yet an address: DHCP, duplicate address detection
	"127.0.0.0/8", "::1/128",
	"169.254.0.0/16", "fe80::/10", // RFC 3927, RFC 4291
	"224.0.0.0/4", "ff00::/8", "255.255.255.255/32", // to many at once: the neighbours
)

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, s := range list {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

// Config is what an operator may set.
type Config struct {
	// Networks are the local networks.
	Networks []netip.Prefix `yaml:"networks"`
	// Groups name networks, inside or outside; the longest prefix that
	// contains an address gives its group.
	Groups map[string][]netip.Prefix `yaml:"groups"`
}

// An Enricher fills Direction, SrcGroup and DstGroup. Its tables are made once;
// it grows with the configuration only.
type Enricher struct {
	local     bart.Lite
	groups    bart.Table[string]
	hasGroups bool
}

// New checks the configuration and returns its enricher.
func (c Config) New() (*Enricher, error) {
	if len(c.Networks) == 0 {
		return nil, fmt.Errorf("networks: got none, want one or more")
	}
	e := &Enricher{hasGroups: len(c.Groups) > 0}
	for _, p := range slices.Concat(alwaysLocal, c.Networks) {
		p, err := canonical(p)
		if err != nil {
			return nil, fmt.Errorf("networks: %w", err)
		}
		e.local.Insert(p)
	}
	owner := map[netip.Prefix]string{}
	for name, list := range c.Groups {
		for _, p := range list {
			p, err := canonical(p)
			if err != nil {
				return nil, fmt.Errorf("groups: %s: %w", name, err)
			}
			if other, ok := owner[p]; ok && other != name {
				return nil, fmt.Errorf("groups: %v is in both %s and %s", p, min(name, other), max(name, other))
			}
			owner[p] = name
			e.groups.Insert(p, name)
		}
	}
	return e, nil
}

// canonical returns p as the tables need it: masked, and IPv4 as IPv4.
func canonical(p netip.Prefix) (netip.Prefix, error) {
	if !p.IsValid() {
		return p, fmt.Errorf("%v is no network", p)
	}
	if a := p.Addr(); a.Is4In6() {
		if p.Bits() < 96 {
			return p, fmt.Errorf("%v spans all of IPv4 and more", p)
		}
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	return p.Masked(), nil
}

// Enrich implements [enrich.Enricher].
func (e *Enricher) Enrich(b *weir.Batch) {
	for i := range b.Flows {
		f := &b.Flows[i]
		f.Direction = e.direction(f.Src, f.Dst)
		if e.hasGroups {
			f.SrcGroup, f.DstGroup = e.group(f.Src), e.group(f.Dst)
		}
	}
	for i := range b.DNS {
		d := &b.DNS[i]
		d.Direction = e.direction(d.Src, d.Dst)
		if e.hasGroups {
			d.SrcGroup = e.group(d.Src)
		}
	}
	for p := range b.Endpoints {
		p.Direction = e.direction(p.Src, p.Dst)
		if e.hasGroups {
			p.SrcGroup, p.DstGroup = e.group(p.Src), e.group(p.Dst)
		}
	}
}

// Local reports whether a is an address of one's own, or one that never
// leaves its network.
func (e *Enricher) Local(a netip.Addr) bool { return e.local.Contains(a.Unmap()) }

func (e *Enricher) direction(src, dst netip.Addr) weir.Direction {
	if !src.IsValid() || !dst.IsValid() {
		return weir.NoDirection
	}
	from, to := e.Local(src), e.Local(dst)
	switch {
	case from && to:
		return weir.Internal
	case from:
		return weir.Outbound
	case to:
		return weir.Inbound
	}
	return weir.External
}

func (e *Enricher) group(a netip.Addr) string {
	name, _ := e.groups.Lookup(a.Unmap())
	return name
}
