package netflow

import (
	"encoding/binary"
	"math"
	"strings"
	"time"
)

// The limits of what options may make known; further ones are counted and not
// kept. Cisco's largest table of applications has about 1,500 entries.
const (
	maxApps    = 1 << 14
	maxLearned = 1 << 12
	maxName    = 64 // octets of a name
)

// options reads the records of options in a set.
func (d *Decoder) options(m *Message, t *template, dom *domain, body []byte) {
	for len(body) >= t.size && len(body) > 0 {
		rest, ok := d.split(t, body)
		if !ok {
			return
		}
		m.Data++
		d.option(m, t, dom)
		body = rest
	}
}

// split cuts the record that b begins with into d.values, and returns what is
// behind it. It is not ok if the record is not whole.
func (d *Decoder) split(t *template, b []byte) (rest []byte, ok bool) {
	d.values = d.values[:0]
	for _, f := range t.fields {
		n := int(f.length)
		if f.length == variable {
			if n, b, ok = variableLength(b); !ok {
				return nil, false
			}
		}
		if n > len(b) {
			return nil, false
		}
		d.values = append(d.values, b[:n])
		b = b[n:]
	}
	return b, true
}

// variableLength reads the length in front of a value (RFC 7011, 7).
func variableLength(b []byte) (n int, rest []byte, ok bool) {
	switch {
	case len(b) < 1:
		return 0, nil, false
	case b[0] < 255:
		return int(b[0]), b[1:], true
	case len(b) < 3:
		return 0, nil, false
	}
	return int(binary.BigEndian.Uint16(b[1:])), b[3:], true
}

// told is what a record of options tells that is of use.
type told struct {
	rate, interval, space, size, population uint64
	hasSpace                                bool
	probability                             float64
	sampler, selector, sequence             samplerID
	iface                                   uint64
	hasInterface                            bool
	app                                     []byte
	appName                                 []byte
	vrf                                     uint64
	vrfName                                 []byte
	explained                               elementID
	explainedKind                           uint64
	explainedName                           []byte
}

// The scopes of version 9 (RFC 3954, 6.1).
const v9ScopeInterface = 2

// option takes from the record in d.values what it tells.
func (d *Decoder) option(m *Message, t *template, dom *domain) {
	var o told
	for i, f := range t.fields {
		o.take(dom, f.elementID, d.values[i], i < t.scopes)
	}
	d.learnRate(m, dom, &o)
	if len(o.app) > 0 && len(o.appName) > 0 && len(o.app) <= 8 {
		d.learnApp(m, o.app, o.appName)
	}
	if len(o.vrfName) > 0 {
		d.learnVRF(m, dom, uint32(o.vrf), printable(o.vrfName))
	}
	if o.explained.id != 0 && o.explained.pen != ianaPEN {
		d.learnElement(m, &o)
	}
}

func (o *told) take(dom *domain, e elementID, v []byte, scope bool) {
	switch e {
	case elementID{v9ScopePEN, v9ScopeInterface}:
		o.iface, o.hasInterface = number(v), true
	case elementID{0, 10}, elementID{0, 14}, elementID{0, 252}, elementID{0, 253}:
		if scope {
			o.iface, o.hasInterface = number(v), true
		}
	case elementID{0, 34}:
		if o.rate == 0 {
			o.rate = number(v)
		}
	case elementID{0, 50}:
		if n := number(v); n != 0 {
			o.rate = n
		}
	case elementID{0, 48}:
		o.sampler = samplerID{bySampler, number(v)}
	case elementID{0, 302}:
		o.selector = samplerID{bySelector, number(v)}
	case elementID{0, 301}:
		o.sequence = samplerID{bySequence, number(v)}
	case elementID{0, 305}:
		o.interval = number(v)
	case elementID{0, 306}:
		o.space, o.hasSpace = number(v), true
	case elementID{0, 309}:
		o.size = number(v)
	case elementID{0, 310}:
		o.population = number(v)
	case elementID{0, 311}:
		o.probability = probability(v)
	case elementID{0, 36}:
		dom.active = number(v)
	case elementID{0, 37}:
		dom.inactive = number(v)
	case elementID{0, 160}:
		dom.boot = fromMilliseconds(number(v))
	case elementID{0, 95}:
		o.app = v
	case elementID{0, 96}:
		o.appName = v
	case elementID{0, 234}:
		o.vrf = number(v)
	case elementID{0, 236}:
		o.vrfName = v
	case elementID{0, 303}:
		o.explained.id = uint16(number(v)) &^ enterpriseID
	case elementID{0, 346}:
		o.explained.pen = uint32(number(v))
	case elementID{0, 339}:
		o.explainedKind = number(v)
	case elementID{0, 341}:
		o.explainedName = v
	}
}

func probability(v []byte) float64 {
	switch len(v) {
	case 4:
		return float64(math.Float32frombits(binary.BigEndian.Uint32(v)))
	case 8:
		return math.Float64frombits(binary.BigEndian.Uint64(v))
	}
	return 0
}

// packetRate is the rate that a record of options tells, 0 if none.
func (o *told) packetRate() uint32 {
	switch {
	case o.rate != 0:
		return clampRate(o.rate)
	case o.interval != 0: // systematic count-based
		return spacedRate(o.interval, o.space, o.hasSpace)
	case o.size != 0 && o.population != 0: // random n out of N
		return clampRate((o.population + o.size/2) / o.size)
	case o.probability > 0 && o.probability <= 1: // uniform probabilistic
		return clampRate(uint64(min(1/o.probability+0.5, math.MaxUint32)))
	}
	return 0
}

// learnRate files a rate under what it is for: a sampler, an interface, or all.
func (d *Decoder) learnRate(m *Message, dom *domain, o *told) {
	rate := o.packetRate()
	if rate == 0 && o.sequence.by != byNothing && o.selector.by != byNothing {
		// A selection sequence names its selectors (RFC 5476, 6.5.1).
		if rate = dom.samplers[o.selector]; rate != 0 {
			d.keepRate(m, dom, o.sequence, rate)
		}
		return
	}
	switch {
	case rate == 0:
	case o.sampler.by != byNothing:
		d.keepRate(m, dom, o.sampler, rate)
	case o.selector.by != byNothing:
		d.keepRate(m, dom, o.selector, rate)
	case o.sequence.by != byNothing:
		d.keepRate(m, dom, o.sequence, rate)
	case o.hasInterface && o.iface != 0:
		if dom.interfaces == nil {
			dom.interfaces = map[uint32]uint32{}
		}
		keep(d, m, dom.interfaces, uint32(o.iface), rate, maxRules)
	default:
		dom.rate = rate
	}
}

func (d *Decoder) keepRate(m *Message, dom *domain, id samplerID, rate uint32) {
	if dom.samplers == nil {
		dom.samplers = map[samplerID]uint32{}
	}
	keep(d, m, dom.samplers, id, rate, maxRules)
}

// keep sets a value unless that would make more than limit of them, or too many
// facts in all, and reports whether it changed anything.
func keep[K, V comparable](d *Decoder, m *Message, table map[K]V, key K, value V, limit int) bool {
	old, ok := table[key]
	if ok && old == value {
		return false
	}
	if !ok {
		if len(table) >= limit || d.facts >= d.config.MaxFacts {
			m.IgnoredOptions++
			return false
		}
		d.facts++
	}
	table[key] = value
	return true
}

func (d *Decoder) learnApp(m *Message, id, name []byte) {
	s := printable(name)
	if keep(d, m, d.apps, appKey(id), cut(s, maxName), maxApps) {
		d.generation++
	}
}

// appKey makes a number of an applicationId, lengths told apart.
func appKey(id []byte) uint64 { return number(id) ^ uint64(len(id))<<60 }

func (d *Decoder) learnVRF(m *Message, dom *domain, id uint32, name string) {
	if dom.vrfs == nil {
		dom.vrfs = map[uint32]string{}
	}
	if keep(d, m, dom.vrfs, id, cut(name, maxName), maxRules) {
		d.generation++
	}
}

// learnElement takes over the name and type of an enterprise's element. Those
// of IANA are not for exporters to explain, and nothing is explained anew that
// the table knows.
func (d *Decoder) learnElement(m *Message, o *told) {
	name := strings.Map(nameRune, cut(printable(o.explainedName), maxName))
	if _, known := elements()[o.explained]; known || name == "" {
		return
	}
	e := element{name: name}
	if o.explainedKind < uint64(len(ianaKinds)) {
		e.kind = ianaKinds[o.explainedKind]
	}
	if keep(d, m, d.learned, o.explained, e, maxLearned) {
		d.generation++
	}
}

// nameRune leaves of a name what cannot be confused with the form name=value.
func nameRune(r rune) rune {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '-', r == '.':
		return r
	}
	return -1
}

// cut returns the first n octets of s, less where that would split a letter.
func cut(s string, n int) string { return strings.ToValidUTF8(s[:min(len(s), n)], "") }

// facts sets what the domain has told of itself.
func (m *Message) facts(dom *domain) {
	m.Sampling = dom.rate
	m.ActiveTimeout = timeout(dom.active)
	m.InactiveTimeout = timeout(dom.inactive)
}

// timeout is a time in seconds; one of more than a day is not meant.
func timeout(sec uint64) time.Duration {
	if sec > 24*60*60 {
		return 0
	}
	return time.Duration(sec) * time.Second
}
