package sflow

// An Interface is what a counter sample says of an interface (if_counters; RFC
// 2233). What the agent does not know is all ones, as it sends it.
type Interface struct {
	Index, Type                                 uint32
	Speed                                       uint64 // bits per second
	Direction                                   uint32 // 1 full duplex, 2 half duplex, 3 in, 4 out
	Status                                      uint32 // bit 0 administratively up, bit 1 up
	InOctets                                    uint64
	InUnicast, InMulticast, InBroadcast         uint32 // packets
	InDiscards, InErrors, InUnknownProtocols    uint32
	OutOctets                                   uint64
	OutUnicast, OutMulticast, OutBroadcast      uint32 // packets
	OutDiscards, OutErrors, PromiscuousListener uint32
}

// errorCounters are those counters of an interface that say that packets were lost.
type errorCounters [4]uint32

// genericInterface is the format of if_counters.
const genericInterface = 1

// counters reads a counter sample.
func (d *Decoder) counters(expanded bool, c *cursor) {
	number := c.u32()
	class, index := c.dataSource(expanded)
	records := c.u32()
	if c.bad {
		d.g.BadSamples++
		return
	}
	d.follow(source{class: class, index: index, kind: counterSample}, number, 0)
	for ; records > 0 && !c.bad; records-- { // each takes 8 octets at least
		format := c.u32()
		body := cursor{b: c.opaque()}
		switch {
		case c.bad:
		case format != genericInterface:
			d.g.UnknownRecords++
		default:
			d.readInterface(&body)
		}
	}
	if c.bad {
		d.g.BadSamples++
	}
}

func (d *Decoder) readInterface(c *cursor) {
	f := Interface{
		Index: c.u32(), Type: c.u32(), Speed: c.u64(), Direction: c.u32(), Status: c.u32(),
		InOctets: c.u64(), InUnicast: c.u32(), InMulticast: c.u32(), InBroadcast: c.u32(),
		InDiscards: c.u32(), InErrors: c.u32(), InUnknownProtocols: c.u32(),
		OutOctets: c.u64(), OutUnicast: c.u32(), OutMulticast: c.u32(), OutBroadcast: c.u32(),
		OutDiscards: c.u32(), OutErrors: c.u32(), PromiscuousListener: c.u32(),
	}
	if c.bad {
		d.g.BadSamples++
		return
	}
	d.g.Interfaces = append(d.g.Interfaces, f)

	s := source{agent: d.agent, sub: d.g.SubAgent, index: f.Index}
	now := errorCounters{f.InDiscards, f.InErrors, f.OutDiscards, f.OutErrors}
	last := d.interfaces[s]
	if last == nil {
		if len(d.interfaces) >= d.config.MaxSources {
			d.g.Untracked++
			return
		}
		first := now // else now would take memory each time
		d.interfaces[s] = &first
		return
	}
	for i, n := range now {
		// Less than before is a restart. All ones is not known.
		if n > last[i] && n != ^uint32(0) {
			d.g.Errors += uint64(n - last[i])
		}
	}
	*last = now
}

// Interfaces returns how many interfaces have told their counters.
func (d *Decoder) Interfaces() int { return len(d.interfaces) }
