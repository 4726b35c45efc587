package detect

import (
	"encoding/binary"
	"math"
	"math/bits"
	"net/netip"
	"slices"
	"time"
)

// days is how many days back a [HostSet] remembers.
const days = 7

// exactHosts is how many hosts a HostSet knows by address; from then on it
// counts them by sketch. Decisions turn on few hosts ("at most two use it"),
// so few must be exact.
const exactHosts = 16

// A HostSet counts the different hosts of the last seven days: exactly up to
// 16, then by a HyperLogLog sketch (Flajolet et al. 2007) of 256 registers per
// day, whose standard error is 1.04/sqrt(256) = 6.5 %. It takes 64 B to 2 kB.
// The zero value is empty.
type HostSet struct {
	exact    []hostDay // nil once it is sketched
	sketched bool
	panes    [days]*sketchDay // sketches by day modulo days
}

type hostDay struct {
	host netip.Addr
	day  int64
}

type sketchDay struct {
	day       int64
	registers [256]uint8
}

func dayOf(t time.Time) int64 {
	d := t.Unix() / 86400
	if t.Unix() < 0 {
		d-- // round down before 1970 too
	}
	return d
}

// Add counts host at time t.
func (s *HostSet) Add(host netip.Addr, t time.Time) {
	day := dayOf(t)
	if s.sketched {
		s.sketch(host, day)
		return
	}
	for i := range s.exact {
		if s.exact[i].host == host {
			s.exact[i].day = max(s.exact[i].day, day)
			return
		}
	}
	if len(s.exact) == exactHosts {
		s.exact = slices.DeleteFunc(s.exact, func(h hostDay) bool { return h.day <= day-days })
	}
	if len(s.exact) < exactHosts {
		s.exact = append(s.exact, hostDay{host, day})
		return
	}
	for _, h := range s.exact {
		s.sketch(h.host, h.day)
	}
	s.exact, s.sketched = nil, true
	s.sketch(host, day)
}

func (s *HostSet) sketch(host netip.Addr, day int64) {
	i := ((day % days) + days) % days
	p := s.panes[i]
	switch {
	case p == nil:
		p = &sketchDay{day: day}
		s.panes[i] = p
	case p.day < day:
		*p = sketchDay{day: day}
	case p.day > day:
		return // later than a week
	}
	h := hashAddr(host)
	r := &p.registers[h>>56]
	*r = max(*r, uint8(bits.LeadingZeros64(h<<8|1<<7))+1)
}

// Count returns how many different hosts were counted in the seven days up to
// t, and whether the number is exact.
func (s *HostSet) Count(t time.Time) (n int, exact bool) {
	day := dayOf(t)
	if !s.sketched {
		for _, h := range s.exact {
			if h.day > day-days {
				n++
			}
		}
		return n, true
	}
	var merged [256]uint8
	for _, p := range s.panes {
		if p == nil || p.day <= day-days {
			continue
		}
		for i, r := range p.registers {
			merged[i] = max(merged[i], r)
		}
	}
	return estimate(&merged), false
}

// estimate is the HyperLogLog estimator with linear counting for small
// numbers (Flajolet et al. 2007, figure 3). Its hash has 64 bits, so that the
// correction for large ones is not needed.
func estimate(registers *[256]uint8) int {
	const m = 256.0
	sum, zeros := 0.0, 0.0
	for _, r := range registers {
		sum += 1 / float64(uint64(1)<<r)
		if r == 0 {
			zeros++
		}
	}
	e := 0.7213 / (1 + 1.079/m) * m * m / sum
	if e <= 2.5*m && zeros > 0 {
		e = m * math.Log(m/zeros)
	}
	return int(math.Round(e))
}

// hashAddr mixes an address with the finalizer of SplitMix64. It has no secret,
// because the same traffic must give the same estimate in every run; whoever
// picks addresses that collide makes a service look rarer than it is.
func hashAddr(a netip.Addr) uint64 {
	b := a.As16()
	return mix(mix(binary.BigEndian.Uint64(b[:8])) ^ binary.BigEndian.Uint64(b[8:]))
}

func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// A Prevalence counts for each key, such as a service or a fingerprint, the
// hosts that used it in the last seven days. It knows at most as many keys as
// it was made for and forgets the one used longest ago first: a forgotten key
// looks rarer than it is until it is used again.
type Prevalence struct {
	keys *LRU[string, HostSet]
}

// NewPrevalence returns a Prevalence of at most limit keys.
func NewPrevalence(limit int) *Prevalence {
	return &Prevalence{keys: NewLRU[string, HostSet](limit, days*24*time.Hour)}
}

// Add counts host as a user of key at time t.
func (p *Prevalence) Add(key string, host netip.Addr, t time.Time) {
	s, _ := p.keys.Touch(key, t)
	s.Add(host, t)
}

// Hosts returns how many hosts used key in the seven days up to t.
func (p *Prevalence) Hosts(key string, t time.Time) int {
	s := p.keys.Get(key, t)
	if s == nil {
		return 0
	}
	n, _ := s.Count(t)
	return n
}

// Evicted returns how many keys were forgotten because of the limit.
func (p *Prevalence) Evicted() uint64 { return p.keys.Evicted() }
