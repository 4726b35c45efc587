package beacon

import (
	"slices"

	"github.com/zeebo/xxh3"

	"github.com/weir-nta/weir"
)

const (
	// rotatingFrom is how many names of one domain a host must use before the
	// domain is a channel of its own: a clock behind names that change shows
	// in none of them.
	rotatingFrom = 5
	// maxRotations is how many pairs of host and domain are watched for that;
	// one forgotten begins anew.
	maxRotations = 200_000
)

// allNames stands in a key for the port's protocol where the name is a domain
// with all names below it.
const allNames weir.Proto = 255

// A rotation is the names that a host has used below one domain and port.
type rotation struct {
	names []uint64 // hashes, rotatingFrom at most
	told  bool     // one of the names was reported
}

// rotating adds f to the channel of its domain, if the host changes names there.
func (d *detector) rotating(f *weir.Flow, member key) {
	if f.DstDomain == "" || member.name == "" {
		return
	}
	k := key{host: f.Src, name: f.DstDomain, port: f.DstPort, proto: allNames}
	r, _ := d.rotations.Touch(k, f.Start)
	if len(r.names) < rotatingFrom {
		if h := xxh3.HashString(member.name); !slices.Contains(r.names, h) {
			r.names = append(r.names, h)
		}
		if len(r.names) < rotatingFrom {
			return
		}
	}
	d.asFlow = *f
	d.asFlow.DstHost, d.asFlow.TLS, d.asFlow.HTTP = f.DstDomain, nil, nil
	service := d.context.Flow(&d.asFlow) // who else changes names there
	c, isNew := d.find(k, f.Start)
	if isNew {
		c.service = service
		c.internal = internal(f)
	}
	if c.add(f) {
		d.grown(k, c, f.Start)
	}
}

// tellMember notes that a name was reported: its domain then need not be.
func (d *detector) tellMember(k key, c *channel) {
	if c.domain == "" || k.proto == allNames {
		return
	}
	if r := d.rotations.Get(key{host: k.host, name: c.domain, port: k.port, proto: allNames}, forever); r != nil {
		r.told = true
	}
}

// memberTold reports whether k is a domain of which a name was reported.
func (d *detector) memberTold(k key) bool {
	if k.proto != allNames {
		return false
	}
	r := d.rotations.Get(k, forever)
	return r != nil && r.told
}
