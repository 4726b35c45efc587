package local

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"

	"github.com/weir-nta/weir"
)

const (
	proposeFlows    = 100_000 // more flows are not looked at: the border shows in the first few
	proposeNetworks = 16      // more networks than this are no proposal anybody can check
	proposeShare    = 0.95    // of the links that the proposal must touch
	widenFrom       = 3       // so many /24 of one /16 stand for the /16
)

// Propose returns the networks that are probably local in a capture in which
// none of those in c occur, as in a campus with public addresses, by what
// its first flows show; none if c fits or nothing can be told.
//
// A sensor at a border sees no traffic without a local end. So the local
// networks are the fewest that touch nearly all links between networks: it
// takes the one with the most links, then the one with most of the rest.
// Each link counts once, so that a busy server does not look like a network.
// A guess it remains: tell the operator, and let him correct it.
func (c Config) Propose(flows []weir.Flow) ([]netip.Prefix, error) {
	e, err := c.New()
	if err != nil {
		return nil, err
	}
	links := map[link]struct{}{}
	for i := range flows[:min(len(flows), proposeFlows)] {
		src, dst := flows[i].Src.Unmap(), flows[i].Dst.Unmap()
		if c.contains(src) || c.contains(dst) {
			return nil, nil
		}
		if !src.IsValid() || !dst.IsValid() || e.Local(src) || e.Local(dst) {
			continue // neighbours talking: says nothing of a border
		}
		links[link{from: network(src), to: network(dst)}] = struct{}{}
	}
	return widen(cover(links)), nil
}

func (c Config) contains(a netip.Addr) bool {
	return slices.ContainsFunc(c.Networks, func(p netip.Prefix) bool { return p.Contains(a) })
}

// A link says that somebody in from talked to somebody in to.
type link struct{ from, to netip.Prefix }

// network returns the /24 or /64 of a, the sizes in which networks are built.
func network(a netip.Addr) netip.Prefix {
	bits := 24
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // both sizes fit their family
	return p
}

// cover returns few networks that touch most links, the most linked one first.
func cover(links map[link]struct{}) (out []netip.Prefix) {
	left := int(float64(len(links)) * (1 - proposeShare))
	for len(links) > left && len(out) < proposeNetworks {
		best := mostLinked(links)
		out = append(out, best)
		maps.DeleteFunc(links, func(l link, _ struct{}) bool { return l.from == best || l.to == best })
	}
	return out
}

// mostLinked returns the network with the most links; of equal ones that which
// began more of them, for clients are nearer to a sensor than servers, then
// the lower one.
func mostLinked(links map[link]struct{}) netip.Prefix {
	type degree struct{ all, begun int }
	degrees := map[netip.Prefix]degree{}
	for l := range links {
		from, to := degrees[l.from], degrees[l.to]
		from.begun++
		from.all++
		degrees[l.from] = from
		if l.to != l.from {
			to.all++
			degrees[l.to] = to
		}
	}
	return slices.MaxFunc(slices.Collect(maps.Keys(degrees)), func(a, b netip.Prefix) int {
		return cmp.Or(cmp.Compare(degrees[a].all, degrees[b].all), cmp.Compare(degrees[a].begun, degrees[b].begun), b.Compare(a))
	})
}

// widen replaces several /24 of one /16 by that, for the rest of it is
// probably there too. The result is in order.
func widen(networks []netip.Prefix) []netip.Prefix {
	wide := func(p netip.Prefix) netip.Prefix {
		w, _ := p.Addr().Prefix(16)
		return w
	}
	count := map[netip.Prefix]int{}
	for _, p := range networks {
		if p.Addr().Is4() {
			count[wide(p)]++
		}
	}
	out := slices.Clone(networks)
	for i, p := range out {
		if p.Addr().Is4() && count[wide(p)] >= widenFrom {
			out[i] = wide(p)
		}
	}
	slices.SortFunc(out, netip.Prefix.Compare)
	return slices.Compact(out)
}
