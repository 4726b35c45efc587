package netflow

import (
	"math"

	"github.com/weir-nta/weir/decode/flowrec"
)

// A domain is what is known of an observation domain beside its templates.
type domain struct {
	used uint64 // the message that it was last used in
	// rate is N of 1:N for all traffic that no other rule is for, 0 if not told.
	rate       uint32
	samplers   map[samplerID]uint32
	interfaces map[uint32]uint32 // rates by ifIndex
	vrfs       map[uint32]string
	boot       int64 // when up time began, microseconds since 1970; 0 if not told
	// timeouts in seconds, 0 if not told
	active, inactive uint64
}

// A samplerID is how a record names what chose its packets.
type samplerID struct {
	by byNumber
	id uint64
}

type byNumber uint8

const (
	byNothing  byNumber = iota
	bySampler           // samplerId, 48
	bySelector          // selectorId, 302
	bySequence          // selectionSequenceId, 301
)

// maxRules bounds the samplers, the interfaces and the VRFs of a domain, as
// MaxFacts does those of all domains.
// Further ones are not kept and counted: their records are marked as of
// unknown sampling.
const maxRules = 4096

// domain returns the domain of a number. A new one beyond MaxDomains takes the
// place of the one unused for longest.
func (d *Decoder) domain(id uint32) *domain {
	dom := d.domains[id]
	if dom == nil {
		if len(d.domains) >= d.config.MaxDomains {
			d.evictDomain()
		}
		dom = &domain{}
		d.domains[id] = dom
	}
	dom.used = d.messages
	return dom
}

func (d *Decoder) evictDomain() {
	oldest, age := uint32(0), uint64(math.MaxUint64)
	for id, dom := range d.domains {
		if dom.used < age {
			oldest, age = id, dom.used
		}
	}
	if dom := d.domains[oldest]; dom != nil {
		d.facts -= len(dom.samplers) + len(dom.interfaces) + len(dom.vrfs)
	}
	delete(d.domains, oldest)
}

// overall is the rate for records that name no sampler. Where the exporter
// told of samplers only, and all of them have the same rate, it is theirs.
func (dom *domain) overall() uint32 {
	if dom.rate != 0 || len(dom.samplers) == 0 {
		return max(dom.rate, 1)
	}
	common := uint32(0)
	for _, rate := range dom.samplers {
		if common != 0 && rate != common {
			return 1
		}
		common = rate
	}
	return common
}

// interfaceRate is the rate of the interface that a record came in by, else of
// the one that it went out by, else that of the domain.
func (dom *domain) interfaceRate(r *flowrec.Record) uint32 {
	if rate, ok := dom.interfaces[r.InIf]; ok {
		return rate
	}
	if rate, ok := dom.interfaces[r.OutIf]; ok {
		return rate
	}
	return dom.overall()
}

// recordRate is the rate of a record that has elements of sampling.
func (dom *domain) recordRate(r *flowrec.Record, s *notes) (rate uint32, unknown bool) {
	switch {
	case s.rate != 0:
		return clampRate(s.rate), false
	case s.interval != 0:
		return spacedRate(s.interval, s.space, s.hasSpace), false
	case s.sampler.by != byNothing:
		rate, known := dom.samplers[s.sampler]
		switch {
		case known:
			return rate, false
		case s.sampler.id == 0: // "no sampler": Cisco counts samplers from 1
			return dom.interfaceRate(r), false
		case dom.rate != 0:
			return dom.rate, false
		}
		return 1, true
	}
	return dom.interfaceRate(r), false
}

func clampRate(n uint64) uint32 { return uint32(min(max(n, 1), math.MaxUint32)) }

// spacedRate is the rate of count-based sampling (RFC 5477, 8.2.2 and 8.2.3):
// of interval+space packets, interval are looked at. Exporters that send the
// interval alone mean one in so many by it.
func spacedRate(interval, space uint64, hasSpace bool) uint32 {
	if !hasSpace {
		return clampRate(interval)
	}
	if space > math.MaxUint32 { // no element is longer than four octets
		return 1
	}
	return clampRate((interval + space + interval/2) / interval)
}
