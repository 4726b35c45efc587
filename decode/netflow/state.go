package netflow

import (
	"encoding/binary"
	"errors"
	"maps"
	"math"
	"slices"
)

// ErrState says that what LoadState was given is not what AppendState writes.
var ErrState = errors.New("not the state of a decoder")

// stateMagic begins a state; its last octet is the version of the form.
const stateMagic = "WNF\x01"

// The kinds of entries in a state. Each is kind, length of four octets, body.
const (
	stateTemplate  = 1 + iota // port, format, version, domain, the template as it was received
	stateSampler              // domain, kind, number of 8 octets, rate
	stateInterface            // domain, ifIndex, rate
	stateDomain               // domain, rate, boot time, timeouts of 4 octets
	stateApp                  // key of 8 octets, name
	stateVRF                  // domain, number, name
	stateElement              // enterprise, number, kind, name
)

// AppendState appends what the decoder has learned, templates, sampling and
// names, in a form for LoadState. Data that is held is not among it.
func (d *Decoder) AppendState(dst []byte) []byte {
	dst = append(dst, stateMagic...)
	for t := d.order.newer; t != &d.order; t = t.newer { // the least recently used first
		b := binary.BigEndian.AppendUint16(nil, t.port)
		b = append(b, byte(t.format), flag(t.ipfix))
		b = binary.BigEndian.AppendUint32(b, t.domain)
		dst = appendEntry(dst, stateTemplate, append(b, t.raw...))
	}
	for _, id := range slices.Sorted(maps.Keys(d.domains)) {
		dst = d.domains[id].appendState(dst, binary.BigEndian.AppendUint32(nil, id))
	}
	for key, name := range d.apps {
		dst = appendEntry(dst, stateApp, append(binary.BigEndian.AppendUint64(nil, key), name...))
	}
	for id, e := range d.learned {
		b := binary.BigEndian.AppendUint32(nil, id.pen)
		b = binary.BigEndian.AppendUint16(b, id.id)
		dst = appendEntry(dst, stateElement, append(append(b, byte(e.kind)), e.name...))
	}
	return dst
}

func (dom *domain) appendState(dst, id []byte) []byte {
	id = slices.Clip(id)
	b := binary.BigEndian.AppendUint32(id, dom.rate)
	b = binary.BigEndian.AppendUint64(b, uint64(dom.boot))
	b = binary.BigEndian.AppendUint32(b, uint32(min(dom.active, math.MaxUint32)))
	b = binary.BigEndian.AppendUint32(b, uint32(min(dom.inactive, math.MaxUint32)))
	dst = appendEntry(dst, stateDomain, b)
	for s, rate := range dom.samplers {
		b := binary.BigEndian.AppendUint64(append(id, byte(s.by)), s.id)
		dst = appendEntry(dst, stateSampler, binary.BigEndian.AppendUint32(b, rate))
	}
	for i, rate := range dom.interfaces {
		b := binary.BigEndian.AppendUint32(id, i)
		dst = appendEntry(dst, stateInterface, binary.BigEndian.AppendUint32(b, rate))
	}
	for vrf, name := range dom.vrfs {
		dst = appendEntry(dst, stateVRF, append(binary.BigEndian.AppendUint32(id, vrf), name...))
	}
	return dst
}

func flag(b bool) byte {
	if b {
		return 1
	}
	return 0
}

func appendEntry(dst []byte, kind byte, body []byte) []byte {
	dst = binary.BigEndian.AppendUint32(append(dst, kind), uint32(len(body)))
	return append(dst, body...)
}

// LoadState takes over what AppendState wrote, within the limits of the
// decoder's own configuration. After an error, what came before it is loaded.
func (d *Decoder) LoadState(b []byte) error {
	if len(b) < len(stateMagic) || string(b[:len(stateMagic)]) != stateMagic {
		return ErrState
	}
	b = b[len(stateMagic):]
	var m Message // counts what nobody asks for
	for len(b) >= 5 {
		n := binary.BigEndian.Uint32(b[1:])
		if uint64(n) > uint64(len(b)-5) {
			return ErrState
		}
		if err := d.loadEntry(&m, b[0], b[5:5+n]); err != nil {
			return err
		}
		b = b[5+n:]
	}
	if len(b) > 0 {
		return ErrState
	}
	return nil
}

func (d *Decoder) loadEntry(m *Message, what byte, b []byte) error {
	// The octets that an entry of each kind has at least, or has.
	least := map[byte]int{stateTemplate: 8, stateSampler: 17, stateInterface: 12, stateDomain: 24, stateApp: 8, stateVRF: 8, stateElement: 7}
	n, known := least[what]
	if !known {
		return ErrState
	}
	if len(b) < n {
		return ErrState
	}
	id := binary.BigEndian.Uint32(b)
	switch what {
	case stateTemplate:
		return d.loadTemplate(m, b)
	case stateSampler:
		s := samplerID{byNumber(b[4]), binary.BigEndian.Uint64(b[5:])}
		d.keepRate(m, d.domain(id), s, max(binary.BigEndian.Uint32(b[13:]), 1))
	case stateInterface:
		dom := d.domain(id)
		if dom.interfaces == nil {
			dom.interfaces = map[uint32]uint32{}
		}
		keep(d, m, dom.interfaces, binary.BigEndian.Uint32(b[4:]), max(binary.BigEndian.Uint32(b[8:]), 1), maxRules)
	case stateDomain:
		dom := d.domain(id)
		dom.rate = binary.BigEndian.Uint32(b[4:])
		dom.boot = int64(min(binary.BigEndian.Uint64(b[8:]), lastSecond*1e6))
		dom.active, dom.inactive = uint64(binary.BigEndian.Uint32(b[16:])), uint64(binary.BigEndian.Uint32(b[20:]))
	case stateApp:
		keep(d, m, d.apps, binary.BigEndian.Uint64(b), cut(printable(b[8:]), maxName), maxApps)
	case stateVRF:
		d.learnVRF(m, d.domain(id), binary.BigEndian.Uint32(b[4:]), printable(b[8:]))
	case stateElement:
		o := told{explained: elementID{id, binary.BigEndian.Uint16(b[4:])}, explainedName: b[7:]}
		for number, k := range ianaKinds {
			if k == min(kind(b[6]), list) {
				o.explainedKind = uint64(number)
				break
			}
		}
		d.learnElement(m, &o)
	}
	return nil
}

func (d *Decoder) loadTemplate(m *Message, b []byte) error {
	if b[2] > byte(ipfixOptions) || b[3] > 1 {
		return ErrState
	}
	t, rest, err := parseTemplate(b[8:], format(b[2]))
	if err != nil || len(rest) > 0 {
		return ErrState
	}
	t.session = session{binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint16(b), b[3] == 1}
	d.learn(m, t)
	return nil
}
