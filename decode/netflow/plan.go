package netflow

import (
	"encoding/binary"
	"math"
	"net/netip"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/flowrec"
)

// A target is where the value of a field goes.
type target uint8

const (
	nowhere target = iota
	toBytes
	toPackets
	toRevBytes
	toRevPackets
	toDataUp
	toDataDown
	toSrc4
	toSrc6
	toDst4
	toDst6
	toNext4
	toNext6
	toSrcPort
	toDstPort
	toProto
	toFlags
	toMoreFlags // of further elements for the same flags
	toRevFlags
	toMoreRevFlags
	toTOS
	toDSCP
	toVLAN
	toIn
	toOut
	toSrcAS
	toDstAS
	toSrcMAC
	toDstMAC
	toReason
	toObserved
	toInitiator
	toICMP4
	toICMP6
	toICMPType4
	toICMPCode4
	toICMPType6
	toICMPCode6
	toStart
	toEnd
	toRevStart
	toRevEnd
	toInit
	toDuration
	toRate
	toInterval
	toSpace
	toSampler
	toSelector
	toSequence
	toPacket // a piece of a packet
	targets  // how many there are
)

// A home is one way to fill a target. Of those that a template offers, the one
// of lowest rank is taken; of the same, the first field.
type home struct {
	target target
	rank   uint8
	// redundant ones that are not taken say nothing more and are left out;
	// others are kept in More.Extra.
	redundant bool
}

// homes are the elements that fields of flowrec.Record are for. Deltas go
// before totals: where an exporter sends both, the totals are of all records
// of the flow so far, and adding them up would count packets twice. nProbe's
// flags of one side go before its flags of both.
var homes = map[elementID][]home{
	{0, 1}: {{toBytes, 0, false}}, {0, 85}: {{toBytes, 1, true}},
	{ciscoPEN, 8338}: {{toBytes, 2, false}}, {0, 231}: {{toBytes, 3, false}, {toDataUp, 1, false}}, {0, 23}: {{toBytes, 4, false}},
	{0, 352}: {{toBytes, 5, false}}, {0, 353}: {{toBytes, 6, false}},
	{0, 2}: {{toPackets, 0, false}}, {0, 86}: {{toPackets, 1, true}},
	{0, 298}: {{toPackets, 2, false}}, {0, 24}: {{toPackets, 3, false}},
	{reversePEN, 1}: {{toRevBytes, 0, false}}, {reversePEN, 85}: {{toRevBytes, 1, true}},
	{ciscoPEN, 8337}: {{toRevBytes, 2, false}}, {0, 232}: {{toRevBytes, 3, false}, {toDataDown, 1, false}},
	{reversePEN, 2}: {{toRevPackets, 0, false}}, {reversePEN, 86}: {{toRevPackets, 1, true}},
	{0, 299}: {{toRevPackets, 2, false}},
	{0, 401}: {{toDataUp, 0, false}}, {reversePEN, 401}: {{toDataDown, 0, false}},
	{certPEN, 502}: {{toDataUp, 2, false}}, {certPEN, 502 | certReverse}: {{toDataDown, 2, false}},

	{0, 8}: {{toSrc4, 0, false}}, {0, 27}: {{toSrc6, 0, false}},
	{0, 12}: {{toDst4, 0, false}}, {0, 28}: {{toDst6, 0, false}},
	// Cisco's client and server, and the stations of wireless networks.
	{ciscoPEN, 12236}: {{toSrc4, 1, false}}, {ciscoPEN, 12237}: {{toDst4, 1, false}},
	{ciscoPEN, 12240}: {{toSrcPort, 3, false}}, {ciscoPEN, 12241}: {{toDstPort, 3, false}},
	{0, 366}: {{toSrc4, 2, false}}, {0, 365}: {{toSrcMAC, 2, false}},
	{0, 15}: {{toNext4, 0, false}}, {0, 62}: {{toNext6, 0, false}},
	{0, 7}: {{toSrcPort, 0, false}}, {0, 182}: {{toSrcPort, 1, true}}, {0, 180}: {{toSrcPort, 2, true}},
	{0, 11}: {{toDstPort, 0, false}}, {0, 183}: {{toDstPort, 1, true}}, {0, 181}: {{toDstPort, 2, true}},
	{0, 4}: {{toProto, 0, false}}, {0, 193}: {{toProto, 1, true}},
	{ntopPEN, 78}: {{toFlags, 0, false}}, {0, 6}: {{toFlags, 1, true}}, {certPEN, 14}: {{toFlags, 2, false}}, {certPEN, 15}: {{toMoreFlags, 0, false}},
	{ntopPEN, 79}: {{toRevFlags, 0, false}}, {reversePEN, 6}: {{toRevFlags, 1, true}}, {certPEN, 14 | certReverse}: {{toRevFlags, 2, false}},
	{certPEN, 15 | certReverse}: {{toMoreRevFlags, 0, false}},
	{0, 5}:                      {{toTOS, 0, false}}, {0, 195}: {{toDSCP, 0, true}},
	{0, 58}: {{toVLAN, 0, false}}, {0, 243}: {{toVLAN, 1, false}},
	{0, 10}: {{toIn, 0, false}}, {0, 252}: {{toIn, 1, false}},
	{0, 14}: {{toOut, 0, false}}, {0, 253}: {{toOut, 1, false}},
	{0, 16}: {{toSrcAS, 0, false}}, {0, 17}: {{toDstAS, 0, false}},
	{0, 56}: {{toSrcMAC, 0, false}}, {0, 81}: {{toSrcMAC, 1, false}},
	{0, 80}: {{toDstMAC, 0, false}}, {0, 57}: {{toDstMAC, 1, false}},
	{0, 136}: {{toReason, 0, false}}, {0, 61}: {{toObserved, 0, false}}, {0, 239}: {{toInitiator, 0, false}},
	{0, 32}: {{toICMP4, 0, true}}, {0, 139}: {{toICMP6, 0, true}},
	{0, 176}: {{toICMPType4, 0, false}}, {0, 177}: {{toICMPCode4, 0, false}},
	{0, 178}: {{toICMPType6, 0, false}}, {0, 179}: {{toICMPCode6, 0, false}},

	{0, 154}: {{toStart, 0, true}}, {0, 156}: {{toStart, 1, true}}, {0, 152}: {{toStart, 2, true}},
	{0, 158}: {{toStart, 3, true}}, {0, 22}: {{toStart, 4, true}}, {0, 150}: {{toStart, 5, true}},
	{0, 324}: {{toStart, 6, true}}, {0, 325}: {{toStart, 7, true}}, {0, 323}: {{toStart, 8, true}, {toEnd, 8, true}},
	{0, 322}: {{toStart, 9, true}}, {0, 359}: {{toStart, 10, false}},
	{0, 155}: {{toEnd, 0, true}}, {0, 157}: {{toEnd, 1, true}}, {0, 153}: {{toEnd, 2, true}},
	{0, 159}: {{toEnd, 3, true}}, {0, 21}: {{toEnd, 4, true}}, {0, 151}: {{toEnd, 5, true}},
	{0, 360}:          {{toEnd, 10, false}},
	{reversePEN, 154}: {{toRevStart, 0, true}}, {reversePEN, 156}: {{toRevStart, 1, true}},
	{reversePEN, 152}: {{toRevStart, 2, true}}, {reversePEN, 150}: {{toRevStart, 5, true}},
	{reversePEN, 155}: {{toRevEnd, 0, true}}, {reversePEN, 157}: {{toRevEnd, 1, true}},
	{reversePEN, 153}: {{toRevEnd, 2, true}}, {reversePEN, 151}: {{toRevEnd, 5, true}},
	{0, 160}: {{toInit, 0, true}},
	{0, 162}: {{toDuration, 0, true}}, {0, 161}: {{toDuration, 1, true}},

	{0, 50}: {{toRate, 0, false}}, {0, 34}: {{toRate, 1, false}},
	{0, 305}: {{toInterval, 0, false}}, {0, 306}: {{toSpace, 0, false}},
	{0, 48}: {{toSampler, 0, false}}, {0, 302}: {{toSelector, 0, false}}, {0, 301}: {{toSequence, 0, false}},

	{0, 315}: {{toPacket, 0, true}}, {0, 313}: {{toPacket, 1, true}}, {0, 104}: {{toPacket, 2, false}},
	// Said by the family of the addresses; says nothing.
	{0, 60}: {{nowhere, 0, true}}, {0, 210}: {{nowhere, 0, true}},
}

// A code says how a field is read. Those of one shape only come first: they are
// what almost all fields of almost all exporters are.
type code uint8

const (
	readSrc4 code = iota // addresses of their full length
	readDst4
	readNext4
	readSrc6
	readDst6
	readNext6
	readSrcPort2
	readDstPort2
	readProto1
	readFlags1
	readTOS1
	readBytes4
	readBytes8
	readPackets4
	readPackets8
	readIn2
	readIn4
	readOut2
	readOut4
	readSrcAS2
	readSrcAS4
	readDstAS2
	readDstAS4
	readObserved1
	readSampler1
	readFirst4 // milliseconds of up time
	readLast4
	readStartMilli8
	readEndMilli8
	readSrcDst4 // two fields that lie side by side
	readSrcDst6
	readPorts
	readPacketsBytes4
	readBytesPackets4
	readInOut2
	readInOut4
	readSrcDstAS2
	readSrcDstAS4
	readFirstLast4
	readLastFirst4
	readAny // any element of any length
)

// An op reads one field of a record.
type op struct {
	code   code
	target target
	field  uint16 // index in template.fields
	off    uint16 // from the start of the record; in a record of variable length, found out each time
	len    uint16
	id     elementID
}

// A plan is a template made ready for reading data records.
type plan struct {
	ops []op
	// cold are the fields that go into More; spans is where they are, put
	// together where they touch, if all fields have a fixed length.
	cold  []op
	spans []span
	// extraUnknown says that cold has elements that are not known, which are
	// kept even if they are zero.
	extraUnknown bool
	// unshared says that what cold makes belongs to one record alone.
	unshared bool
	// slow says that finishing a record needs what notes hold.
	slow bool
	// nobody says that there is no address: records tell of no flow.
	nobody bool
	// template of the record: what the presence of fields says.
	biflow, hasFlags, hasData bool
	initiator                 flowrec.Initiator
}

type span struct{ off, len uint16 }

// compile makes a plan for the fields of t.
func (d *Decoder) compile(t *template) *plan {
	p := &plan{}
	ids := make([]elementID, len(t.fields))
	ntop := false
	for i, f := range t.fields {
		ids[i] = f.elementID
		ntop = ntop || f.pen == ntopPEN
	}
	best := bestRanks(ids)
	if ntop && best[toBytes] == 0 && best[toRevBytes] == noRank {
		ntopBiflow(ids)
		best = bestRanks(ids)
	}
	var taken [targets]bool
	off := 0
	for i, f := range t.fields {
		o := op{field: uint16(i), off: uint16(off), len: f.length, id: f.elementID}
		if f.length != variable {
			off += int(f.length)
		}
		if !p.place(o, ids[i], &best, &taken) {
			d.placeCold(p, o)
		}
	}
	p.nobody = !p.hasAddress()
	if !t.variable {
		p.shape()
	}
	p.biflow = taken[toRevBytes] || taken[toRevPackets]
	p.hasFlags = taken[toFlags] || taken[toMoreFlags]
	p.hasData = taken[toDataUp] || taken[toDataDown]
	if has(ids, elementID{0, 231}) || has(ids, elementID{0, 298}) || has(ids, elementID{ciscoPEN, 12236}) {
		p.initiator = flowrec.SrcBegan
	}
	for _, n := range []target{toRate, toInterval, toSpace, toSampler, toSelector, toSequence, toDuration, toInit} {
		p.slow = p.slow || taken[n]
	}
	return p
}

// hasAddress reports whether there is a field that can hold an address: one that
// is too short for it would make a record of every octet that is sent.
func (p *plan) hasAddress() bool {
	for _, o := range p.cold {
		if natAddresses[o.id] && o.len >= 4 {
			return true
		}
	}
	for _, o := range p.ops {
		switch o.target {
		case toSrc4, toSrc6, toDst4, toDst6:
			if o.len >= 4 {
				return true
			}
		case toSrcMAC, toDstMAC:
			if o.len >= 6 {
				return true
			}
		case toPacket:
			if o.len >= 20 { // the header of IPv4
				return true
			}
		}
	}
	return false
}

// ntopBiflow renames the elements 23 and 24, which to nProbe are the other
// direction where others mean "after a middlebox" (IN_BYTES and OUT_BYTES).
func ntopBiflow(ids []elementID) {
	for i, e := range ids {
		switch e {
		case elementID{0, 23}:
			ids[i] = elementID{reversePEN, 1}
		case elementID{0, 24}:
			ids[i] = elementID{reversePEN, 2}
		}
	}
}

func has(ids []elementID, e elementID) bool {
	for _, id := range ids {
		if id == e {
			return true
		}
	}
	return false
}

const noRank = 255

func bestRanks(ids []elementID) (best [targets]uint8) {
	for i := range best {
		best[i] = noRank
	}
	for _, id := range ids {
		for _, h := range homes[id] {
			best[h.target] = min(best[h.target], h.rank)
		}
	}
	return best
}

// place adds o to the ops if it is the best for a target, and reports whether
// that, or its redundancy, settles it.
func (p *plan) place(o op, id elementID, best *[targets]uint8, taken *[targets]bool) bool {
	settled := false
	for _, h := range homes[id] {
		if h.target == nowhere {
			return true
		}
		if h.rank != best[h.target] {
			settled = settled || h.redundant
			continue
		}
		if taken[h.target] { // the same element again: kept beside the first
			continue
		}
		taken[h.target] = true
		settled = true
		o.target = h.target
		o.code = readAny
		p.ops = append(p.ops, o)
	}
	return settled
}

// placeCold adds o to what goes into More.
func (d *Decoder) placeCold(p *plan, o op) {
	if _, used := moreUses[o.id]; !used {
		if d.config.DropExtra {
			return
		}
		_, known := d.lookup(o.id)
		p.extraUnknown = p.extraUnknown || !known
	}
	p.unshared = p.unshared || o.id.pen == ntopPEN && o.id.id == ntopDNSQuery
	p.cold = append(p.cold, o)
}

// shape chooses the codes for fields of common shapes and puts together the
// spans of cold ones.
func (p *plan) shape() {
	both4and6 := [targets]bool{}
	for _, o := range p.ops {
		both4and6[o.target] = true
	}
	for i := range p.ops {
		o := &p.ops[i]
		o.code = shapeOf(o)
		// Templates for both families fill one and leave the other zero.
		switch o.code {
		case readSrc4, readSrc6:
			if both4and6[toSrc4] && both4and6[toSrc6] {
				o.code = readAny
			}
		case readDst4, readDst6:
			if both4and6[toDst4] && both4and6[toDst6] {
				o.code = readAny
			}
		}
	}
	p.ops = pair(p.ops)
	for _, o := range p.cold {
		if n := len(p.spans); n > 0 && p.spans[n-1].off+p.spans[n-1].len == o.off {
			p.spans[n-1].len += o.len
			continue
		}
		p.spans = append(p.spans, span{o.off, o.len})
	}
}

// pairs are the codes for two fields side by side: most templates have them
// in these orders, and finding out what to do next costs as much as a load.
var pairs = map[[2]code]code{
	{readSrc4, readDst4}: readSrcDst4, {readSrc6, readDst6}: readSrcDst6, {readSrcPort2, readDstPort2}: readPorts,
	{readPackets4, readBytes4}: readPacketsBytes4, {readBytes4, readPackets4}: readBytesPackets4,
	{readIn2, readOut2}: readInOut2, {readIn4, readOut4}: readInOut4,
	{readSrcAS2, readDstAS2}: readSrcDstAS2, {readSrcAS4, readDstAS4}: readSrcDstAS4,
	{readFirst4, readLast4}: readFirstLast4, {readLast4, readFirst4}: readLastFirst4,
}

// pair puts ops together that pairs has a code for.
func pair(ops []op) []op {
	out := ops[:0]
	for i := 0; i < len(ops); i++ {
		o := ops[i]
		if i+1 < len(ops) && o.off+o.len == ops[i+1].off {
			if c, ok := pairs[[2]code{o.code, ops[i+1].code}]; ok {
				o.code = c
				o.len += ops[i+1].len
				i++
			}
		}
		out = append(out, o)
	}
	return out
}

func shapeOf(o *op) code {
	type shape struct {
		target target
		len    uint16
	}
	switch (shape{o.target, o.len}) {
	case shape{toSrc4, 4}:
		return readSrc4
	case shape{toDst4, 4}:
		return readDst4
	case shape{toNext4, 4}:
		return readNext4
	case shape{toSrc6, 16}:
		return readSrc6
	case shape{toDst6, 16}:
		return readDst6
	case shape{toNext6, 16}:
		return readNext6
	case shape{toSrcPort, 2}:
		return readSrcPort2
	case shape{toDstPort, 2}:
		return readDstPort2
	case shape{toProto, 1}:
		return readProto1
	case shape{toFlags, 1}:
		return readFlags1
	case shape{toTOS, 1}:
		return readTOS1
	case shape{toBytes, 4}:
		return readBytes4
	case shape{toBytes, 8}:
		return readBytes8
	case shape{toPackets, 4}:
		return readPackets4
	case shape{toPackets, 8}:
		return readPackets8
	case shape{toIn, 2}:
		return readIn2
	case shape{toIn, 4}:
		return readIn4
	case shape{toOut, 2}:
		return readOut2
	case shape{toOut, 4}:
		return readOut4
	case shape{toSrcAS, 2}:
		return readSrcAS2
	case shape{toSrcAS, 4}:
		return readSrcAS4
	case shape{toDstAS, 2}:
		return readDstAS2
	case shape{toDstAS, 4}:
		return readDstAS4
	case shape{toObserved, 1}:
		return readObserved1
	case shape{toSampler, 1}:
		return readSampler1
	case shape{toStart, 4}:
		if o.id.id == 22 {
			return readFirst4
		}
	case shape{toEnd, 4}:
		if o.id.id == 21 {
			return readLast4
		}
	case shape{toStart, 8}:
		if o.id.id == 152 {
			return readStartMilli8
		}
	case shape{toEnd, 8}:
		if o.id.id == 153 {
			return readEndMilli8
		}
	}
	return readAny
}

// A clock puts the times of records right: what of them is relative is so to
// the time and the up time in the header.
type clock struct {
	exported int64  // microseconds since 1970
	uptime   uint32 // milliseconds
	// boot is when up time began, for IPFIX, whose header does not tell it; 0
	// if that is not known.
	boot  int64
	ipfix bool
}

// at returns the time of an up time. Up time begins again after 49.7 days, so
// one that seems to be long after that of the header was before it. Ahead by
// less than a quarter of that it is taken for what it says: there are
// exporters whose clocks are as wrong.
func (c *clock) at(uptime uint32) int64 {
	if c.ipfix {
		if c.boot == 0 {
			return 0
		}
		return c.boot + int64(uptime)*1e3
	}
	ahead := int64(uptime - c.uptime)
	if ahead > math.MaxUint32/4 {
		ahead -= 1 << 32
	}
	return c.exported + ahead*1e3
}

// notes hold what a record says about itself while it is read. Records of one
// set have the same fields, so that it is enough to forget them after each set.
type notes struct {
	first, last       uint32 // up times, for a record that tells the boot time behind them
	hasFirst, hasLast bool
	boot, duration    int64 // microseconds
	rate              uint64
	interval, space   uint64
	hasSpace          bool
	sampler           samplerID
}

// read runs the ops over the record b.
func (d *Decoder) read(r *flowrec.Record, ops []op, b []byte, c *clock) {
	for i := range ops {
		o := &ops[i]
		v := b[o.off:]
		switch o.code {
		case readSrc4:
			r.Src = netip.AddrFrom4([4]byte(v))
		case readDst4:
			r.Dst = netip.AddrFrom4([4]byte(v))
		case readNext4:
			if binary.BigEndian.Uint32(v) != 0 {
				r.Next = netip.AddrFrom4([4]byte(v))
			}
		case readSrc6:
			r.Src = netip.AddrFrom16([16]byte(v))
		case readDst6:
			r.Dst = netip.AddrFrom16([16]byte(v))
		case readNext6:
			if binary.BigEndian.Uint64(v)|binary.BigEndian.Uint64(v[8:]) != 0 {
				r.Next = netip.AddrFrom16([16]byte(v))
			}
		case readSrcPort2:
			r.SrcPort = binary.BigEndian.Uint16(v)
		case readDstPort2:
			r.DstPort = binary.BigEndian.Uint16(v)
		case readProto1:
			r.Proto = weir.Proto(v[0])
		case readFlags1:
			r.Flags |= weir.TCPFlags(v[0])
		case readTOS1:
			r.TOS = v[0]
		case readBytes4:
			r.Bytes = uint64(binary.BigEndian.Uint32(v))
		case readBytes8:
			r.Bytes = binary.BigEndian.Uint64(v)
		case readPackets4:
			r.Packets = uint64(binary.BigEndian.Uint32(v))
		case readPackets8:
			r.Packets = binary.BigEndian.Uint64(v)
		case readIn2:
			r.InIf = uint32(binary.BigEndian.Uint16(v))
		case readIn4:
			r.InIf = binary.BigEndian.Uint32(v)
		case readOut2:
			r.OutIf = uint32(binary.BigEndian.Uint16(v))
		case readOut4:
			r.OutIf = binary.BigEndian.Uint32(v)
		case readSrcAS2:
			r.SrcAS = uint32(binary.BigEndian.Uint16(v))
		case readSrcAS4:
			r.SrcAS = binary.BigEndian.Uint32(v)
		case readDstAS2:
			r.DstAS = uint32(binary.BigEndian.Uint16(v))
		case readDstAS4:
			r.DstAS = binary.BigEndian.Uint32(v)
		case readObserved1:
			r.Observed = observed(uint64(v[0]))
		case readSampler1:
			d.notes.sampler = samplerID{bySampler, uint64(v[0])}
		case readFirst4:
			d.notes.first, d.notes.hasFirst = binary.BigEndian.Uint32(v), true
			r.Start = c.at(d.notes.first)
		case readLast4:
			d.notes.last, d.notes.hasLast = binary.BigEndian.Uint32(v), true
			r.End = c.at(d.notes.last)
		case readStartMilli8:
			r.Start = fromMilliseconds(binary.BigEndian.Uint64(v))
		case readEndMilli8:
			r.End = fromMilliseconds(binary.BigEndian.Uint64(v))
		case readSrcDst4:
			r.Src, r.Dst = netip.AddrFrom4([4]byte(v)), netip.AddrFrom4([4]byte(v[4:]))
		case readSrcDst6:
			r.Src, r.Dst = netip.AddrFrom16([16]byte(v)), netip.AddrFrom16([16]byte(v[16:]))
		case readPorts:
			r.SrcPort, r.DstPort = binary.BigEndian.Uint16(v), binary.BigEndian.Uint16(v[2:])
		case readPacketsBytes4:
			r.Packets, r.Bytes = uint64(binary.BigEndian.Uint32(v)), uint64(binary.BigEndian.Uint32(v[4:]))
		case readBytesPackets4:
			r.Bytes, r.Packets = uint64(binary.BigEndian.Uint32(v)), uint64(binary.BigEndian.Uint32(v[4:]))
		case readInOut2:
			r.InIf, r.OutIf = uint32(binary.BigEndian.Uint16(v)), uint32(binary.BigEndian.Uint16(v[2:]))
		case readInOut4:
			r.InIf, r.OutIf = binary.BigEndian.Uint32(v), binary.BigEndian.Uint32(v[4:])
		case readSrcDstAS2:
			r.SrcAS, r.DstAS = uint32(binary.BigEndian.Uint16(v)), uint32(binary.BigEndian.Uint16(v[2:]))
		case readSrcDstAS4:
			r.SrcAS, r.DstAS = binary.BigEndian.Uint32(v), binary.BigEndian.Uint32(v[4:])
		case readFirstLast4:
			d.readUptimes(r, binary.BigEndian.Uint32(v), binary.BigEndian.Uint32(v[4:]), c)
		case readLastFirst4:
			d.readUptimes(r, binary.BigEndian.Uint32(v[4:]), binary.BigEndian.Uint32(v), c)
		default:
			d.readAny(r, o, v[:o.len], c)
		}
	}
}

func (d *Decoder) readUptimes(r *flowrec.Record, first, last uint32, c *clock) {
	d.notes.first, d.notes.last, d.notes.hasFirst, d.notes.hasLast = first, last, true, true
	r.Start, r.End = c.at(first), c.at(last)
}

// readAny reads an element of any length.
func (d *Decoder) readAny(r *flowrec.Record, o *op, v []byte, c *clock) {
	switch o.target {
	case toSrc4, toSrc6:
		setAddr(&r.Src, v)
		return
	case toDst4, toDst6:
		setAddr(&r.Dst, v)
		return
	case toNext4, toNext6:
		if !zero(v) {
			setAddr(&r.Next, v)
		}
		return
	case toSrcMAC:
		if len(v) == 6 {
			r.SrcMAC = flowrec.MAC(v)
		}
		return
	case toDstMAC:
		if len(v) == 6 {
			r.DstMAC = flowrec.MAC(v)
		}
		return
	case toStart, toEnd, toRevStart, toRevEnd:
		d.readTime(r, o, v, c)
		return
	case toPacket:
		d.readPacket(r, o, v)
		return
	}
	d.readNumber(r, o, number(v))
}

// setAddr sets dst unless that would put zeros over an address.
func setAddr(dst *netip.Addr, v []byte) {
	if dst.IsValid() && zero(v) {
		return
	}
	if a, ok := netip.AddrFromSlice(v); ok {
		*dst = a
	}
}

func (d *Decoder) readNumber(r *flowrec.Record, o *op, n uint64) {
	switch o.target {
	case toBytes:
		r.Bytes = n
	case toPackets:
		r.Packets = n
	case toRevBytes:
		r.RevBytes = n
	case toRevPackets:
		r.RevPackets = n
	case toDataUp:
		r.DataUp = n
	case toDataDown:
		r.DataDown = n
	case toSrcPort:
		r.SrcPort = uint16(n)
	case toDstPort:
		r.DstPort = uint16(n)
	case toProto:
		r.Proto = weir.Proto(n)
	case toFlags, toMoreFlags:
		r.Flags |= weir.TCPFlags(n)
	case toRevFlags, toMoreRevFlags:
		r.RevFlags |= weir.TCPFlags(n)
	case toTOS:
		r.TOS = uint8(n)
	case toDSCP:
		if r.TOS == 0 {
			r.TOS = uint8(n) << 2
		}
	case toVLAN:
		r.VLAN = uint16(n) & 0xfff
	case toIn:
		r.InIf = uint32(n)
	case toOut:
		r.OutIf = uint32(n)
	case toSrcAS:
		r.SrcAS = uint32(n)
	case toDstAS:
		r.DstAS = uint32(n)
	case toReason:
		r.Reason = flowrec.EndReason(n)
	case toObserved:
		r.Observed = observed(n)
	case toInitiator:
		if n <= 3 { // RFC 5103, 6.2: arbitrary, initiator, reverseInitiator, perimeter
			r.Initiator = flowrec.Initiator(n)
		}
	case toICMP4, toICMP6:
		if n != 0 || !r.HasICMP {
			r.ICMPType, r.ICMPCode, r.HasICMP = uint8(n>>8), uint8(n), true
		}
	case toICMPType4, toICMPType6:
		if n != 0 || !r.HasICMP {
			r.ICMPType, r.HasICMP = uint8(n), true
		}
	case toICMPCode4, toICMPCode6:
		if n != 0 {
			r.ICMPCode = uint8(n)
		}
	default:
		d.notes.take(o, n)
	}
}

// observed reads flowDirection: 0 is ingress, 1 egress.
func observed(n uint64) flowrec.Observed {
	if n > 1 {
		return flowrec.Anywhere
	}
	return flowrec.Ingress + flowrec.Observed(n)
}

// take keeps what is needed to finish the record.
func (s *notes) take(o *op, n uint64) {
	switch o.target {
	case toInit:
		s.boot = fromMilliseconds(n)
	case toDuration:
		s.duration = int64(min(n, lastSecond))
		if o.id.id == 161 {
			s.duration *= 1e3
		}
	case toRate:
		s.rate = n
	case toInterval:
		s.interval = n
	case toSpace:
		s.space, s.hasSpace = n, true
	case toSampler:
		s.sampler = samplerID{bySampler, n}
	case toSelector:
		s.sampler = samplerID{bySelector, n}
	case toSequence:
		s.sampler = samplerID{bySequence, n}
	}
}

func (d *Decoder) readTime(r *flowrec.Record, o *op, v []byte, c *clock) {
	var t int64
	switch o.id.id {
	case 22:
		d.notes.first, d.notes.hasFirst = uint32(number(v)), true
		t = c.at(d.notes.first)
	case 21:
		d.notes.last, d.notes.hasLast = uint32(number(v)), true
		t = c.at(d.notes.last)
	case 158, 159:
		t = c.exported - int64(uint32(number(v)))
	case 150, 151, 322:
		t = fromSeconds(number(v))
	case 152, 153, 323, 359, 360:
		t = fromMilliseconds(number(v))
	default:
		t = fromNTP(number(v))
	}
	switch o.target {
	case toStart:
		r.Start = t
	case toEnd:
		r.End = t
	case toRevStart:
		if t != 0 && (r.Start == 0 || t < r.Start) {
			r.Start = t
		}
	case toRevEnd:
		r.End = max(r.End, t)
	}
}

// finish sets what follows from several fields.
func (d *Decoder) finish(r *flowrec.Record, p *plan, dom *domain, c *clock) {
	if r.Proto == weir.ICMPv4 || r.Proto == weir.ICMPv6 {
		finishICMP(r)
	} else if r.HasICMP {
		r.ICMPType, r.ICMPCode, r.HasICMP = 0, 0, false
	}
	if p.slow {
		d.finishSlow(r, dom, c)
	} else if d.config.Sampling == 0 && len(dom.interfaces) > 0 {
		r.Sampling = dom.interfaceRate(r)
	}
	if r.Start == 0 || r.End == 0 {
		d.finishTimes(r, c)
	}
}

// finishICMP reads type and code out of the ports, for formats without a field
// for them, and leaves no ports. By convention both are in the destination
// port; fprobe and others put the type into the source port.
func finishICMP(r *flowrec.Record) {
	switch {
	case r.HasICMP:
	case r.SrcPort == 0:
		r.ICMPType, r.ICMPCode, r.HasICMP = uint8(r.DstPort>>8), uint8(r.DstPort), true
	case r.SrcPort < 256 && r.DstPort < 256:
		r.ICMPType, r.ICMPCode, r.HasICMP = uint8(r.SrcPort), uint8(r.DstPort), true
	}
	if r.HasICMP {
		r.SrcPort, r.DstPort = 0, 0
	}
}

func (d *Decoder) finishSlow(r *flowrec.Record, dom *domain, c *clock) {
	s := &d.notes
	if s.boot != 0 && c.ipfix {
		own := clock{boot: s.boot, ipfix: true}
		if s.hasFirst {
			r.Start = own.at(s.first)
		}
		if s.hasLast {
			r.End = own.at(s.last)
		}
	}
	if d.config.Sampling == 0 {
		r.Sampling, r.SamplingUnknown = dom.recordRate(r, s)
	}
}

// finishTimes fills times that were not told from those that were.
func (d *Decoder) finishTimes(r *flowrec.Record, c *clock) {
	s := &d.notes
	lasted := s.duration
	if s.hasFirst && s.hasLast && lasted == 0 {
		// Up times, and nobody said since when: how long it lasted is known.
		lasted = int64(s.last-s.first) * 1e3
		if s.last < s.first {
			lasted = 0
		}
	}
	switch {
	case r.Start == 0 && r.End == 0:
		r.End = c.exported
		r.Start = r.End - lasted
	case r.Start == 0:
		r.Start = r.End - lasted
	case r.End == 0:
		r.End = r.Start + lasted
	}
}
