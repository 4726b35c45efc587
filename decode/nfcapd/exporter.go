package nfcapd

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"

	"github.com/weir-nta/weir/decode/flowrec"
)

// Exporters are kept by a number of 16 bits, so there are at most 65,536.

// exporter reads the address of an exporter, and the number by which records
// refer to it.
func (r *Reader) exporter(b []byte) error {
	if len(b) < 32 {
		return short("an exporter", b)
	}
	const inet = 2 // AF_INET everywhere; AF_INET6 differs by system
	x := &Exporter{
		Version: binary.LittleEndian.Uint32(b[4:]),
		SysID:   binary.LittleEndian.Uint16(b[26:]),
		ID:      binary.LittleEndian.Uint32(b[28:]),
	}
	if binary.LittleEndian.Uint16(b[24:]) == inet {
		x.Addr = addr4(b[16:])
	} else {
		x.Addr = addr6(b[8:])
	}
	r.exporters[x.SysID] = x
	return nil
}

// exporterStat reads how many datagrams of each exporter were lost.
func (r *Reader) exporterStat(b []byte) error {
	const head, size = 8, 24
	if len(b) < head {
		return short("the statistics of exporters", b)
	}
	if r.layout == 1 {
		return nil // the head of the file has the sum
	}
	for b = b[head:]; len(b) >= size; b = b[size:] {
		r.stats.Lost += uint64(binary.LittleEndian.Uint32(b[4:]))
	}
	return nil
}

// A sampler is a rate that an exporter, or the one who started the collector,
// has told.
type sampler struct {
	id   int64
	rate uint32 // N of 1:N
}

// Numbers that stand for samplers which no record names.
const (
	overwrite = -3 // set at the collector, against what is told
	fallback  = -2 // set at the collector, for those that tell nothing
	generic   = -1 // of all flows of the exporter
)

// maxSamplers is how many samplers of one exporter are kept, a line card having
// one or two, and allSamplers how many in all. A file that has more has them
// passed over, and what they sampled is told as of an unknown rate.
const (
	maxSamplers = 256
	allSamplers = 1 << 16
)

func (r *Reader) sampler(b []byte, legacy bool) error {
	var sys uint16
	var s sampler
	if legacy {
		if len(b) < 16 {
			return short("a sampler", b)
		}
		sys = binary.LittleEndian.Uint16(b[14:])
		s = sampler{int64(int32(binary.LittleEndian.Uint32(b[4:]))), binary.LittleEndian.Uint32(b[8:])}
	} else {
		if len(b) < 24 {
			return short("a sampler", b)
		}
		sys = binary.LittleEndian.Uint16(b[4:])
		taken, passed := uint64(binary.LittleEndian.Uint32(b[16:])), uint64(binary.LittleEndian.Uint32(b[20:]))
		s.id = int64(binary.LittleEndian.Uint64(b[8:]))
		if taken > 0 && (taken+passed)%taken == 0 && (taken+passed)/taken <= math.MaxUint32 {
			s.rate = uint32((taken + passed) / taken)
		}
	}
	known := r.samplers[sys]
	for i := range known {
		if known[i].id == s.id {
			known[i] = s
			return nil
		}
	}
	if len(known) < maxSamplers && r.samplerCount < allSamplers {
		r.samplerCount++
		r.samplers[sys] = append(known, s)
	}
	return nil
}

// rate returns the rate that the collector has scaled by, 0 if it is not known.
func (r *Reader) rate(sys uint16, id int64) uint32 {
	for _, want := range [...]int64{overwrite, id, generic, fallback} {
		for _, s := range r.samplers[sys] {
			if s.id == want {
				return s.rate
			}
		}
	}
	return 0
}

// finish does what a record of a flow needs once all of it is read.
func (r *Reader) finish(rec *flowrec.Record, sampled bool, samplerID int64, event bool, version uint32) {
	if x := r.exporters[r.last.SysID]; x != nil {
		addr := r.last.Addr
		r.last = *x
		if addr.IsValid() {
			r.last.Addr = addr
		}
		if rec.Domain == 0 {
			rec.Domain = x.ID
		}
	}
	r.otherDirection(rec, event, version)
	r.unscale(rec, sampled, samplerID)
	if rec.End == 0 { // not told, or nonsense
		rec.End = rec.Start
		if rec.Start == 0 {
			rec.End = rec.Exported
		}
	}
}

// otherDirection decides what the counters "out" are of.
func (r *Reader) otherDirection(rec *flowrec.Record, event bool, version uint32) {
	const ipfix = 10
	out := r.out
	if !out.told {
		return
	}
	same := out.bytes == rec.Bytes && out.packets == rec.Packets
	if event || rec.Initiator != flowrec.NotTold || version == ipfix && !same {
		rec.Biflow = true
		rec.RevBytes, rec.RevPackets = out.bytes, out.packets
		return
	}
	if !same && (out.bytes != 0 || out.packets != 0) {
		extra(rec, "postOctetDeltaCount", out.bytes)
		extra(rec, "postPacketDeltaCount", out.packets)
	}
}

// unscale undoes what the collector has done to the counters of a sampled flow.
func (r *Reader) unscale(rec *flowrec.Record, sampled bool, samplerID int64) {
	rec.Sampling = 1
	if !sampled {
		return
	}
	n := uint64(r.rate(r.last.SysID, samplerID))
	if n == 0 || rec.Bytes%n != 0 || rec.Packets%n != 0 || rec.RevBytes%n != 0 || rec.RevPackets%n != 0 {
		rec.SamplingUnknown = true
		r.stats.Unscaled++
		return
	}
	rec.Sampling = uint32(n)
	rec.Bytes /= n
	rec.Packets /= n
	rec.RevBytes /= n
	rec.RevPackets /= n
}

func short(what string, b []byte) error {
	return fmt.Errorf("%w: a record of %d octets for %s", ErrDamaged, len(b), what)
}

// Addresses are numbers in the byte order of the machine; those of IPv6 two of
// them, the upper half first.

func addr4(b []byte) netip.Addr {
	var a [4]byte
	binary.BigEndian.PutUint32(a[:], binary.LittleEndian.Uint32(b))
	return netip.AddrFrom4(a)
}

func addr6(b []byte) netip.Addr {
	var a [16]byte
	binary.BigEndian.PutUint64(a[:], binary.LittleEndian.Uint64(b))
	binary.BigEndian.PutUint64(a[8:], binary.LittleEndian.Uint64(b[8:]))
	return netip.AddrFrom16(a)
}

// told returns a, or the zero Addr for one of zeros, which nfdump has where
// the exporter told none.
func told(a netip.Addr) netip.Addr {
	if a.IsUnspecified() {
		return netip.Addr{}
	}
	return a
}

// mac reads a link-layer address: the lower 48 bits of a number.
func mac(b []byte) (m flowrec.MAC) {
	for i := range m {
		m[i] = b[5-i]
	}
	return m
}
