package collector

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/weir-nta/weir"
)

// What exporters send, written by hand. Record number i of an exporter is a
// flow of its own, from 10.x.y.z with x.y.z of i, so that each can be found
// again by its source.

func u16(b []byte, v ...uint16) []byte {
	for _, v := range v {
		b = binary.BigEndian.AppendUint16(b, v)
	}
	return b
}

func u32(b []byte, v ...uint32) []byte {
	for _, v := range v {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return b
}

const bootBefore = 1000 * time.Second // how long exporters have been up

func source(i uint32) uint32 { return 10<<24 | i&0xffffff }

// number returns which record a flow was made of.
func number(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:]) & 0xffffff
}

// v5 is a datagram of n records from number first on, as sent by one that
// counts them from there.
func v5(at time.Time, first uint32, engine uint16, n int) []byte {
	return v5Up(at, first, first, engine, n, bootBefore)
}

func v5Up(at time.Time, sequence, first uint32, engine uint16, n int, up time.Duration) []byte {
	ms := uint32(up / time.Millisecond)
	b := u16(nil, 5, uint16(n))
	b = u32(b, ms, uint32(at.Unix()), 0, sequence)
	b = u16(b, engine, 0)
	for i := range uint32(n) {
		b = u32(b, source(first+i), 192<<24|2, 0)
		b = u16(b, 1, 2)
		b = u32(b, 10, 1000, ms-900, ms-100)
		b = u16(b, 40000, 443)
		b = append(b, 0, 0x1b, 6, 0)
		b = append(b, make([]byte, 8)...)
	}
	return b
}

func v9(at time.Time, sequence, domain uint32, up time.Duration, count int, body []byte) []byte {
	b := u16(nil, 9, uint16(count))
	b = u32(b, uint32(up/time.Millisecond), uint32(at.Unix()), sequence, domain)
	return append(b, body...)
}

var v9Fields = [][2]uint16{{8, 4}, {12, 4}, {7, 2}, {11, 2}, {4, 1}, {6, 1}, {1, 4}, {2, 4}, {22, 4}, {21, 4}}

func templateSet(set, id uint16, fields [][2]uint16) []byte {
	b := u16(nil, set, uint16(8+4*len(fields)), id, uint16(len(fields)))
	for _, f := range fields {
		b = u16(b, f[0], f[1])
	}
	return b
}

func v9Template(at time.Time, sequence, domain uint32, id uint16) []byte {
	return v9(at, sequence, domain, bootBefore, 1, templateSet(0, id, v9Fields))
}

func dataSet(id uint16, first uint32, n int, from, to uint32) []byte {
	b := u16(nil, id, 0)
	for i := range uint32(n) {
		b = u32(b, source(first+i), 192<<24|2)
		b = u16(b, 40000, 443)
		b = append(b, 6, 0x1b)
		b = u32(b, 1000, 10, from, to)
	}
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	return b
}

func v9Data(at time.Time, sequence, domain uint32, id uint16, n int) []byte {
	return v9DataFrom(at, sequence, domain, id, 0, n)
}

func v9DataFrom(at time.Time, sequence, domain uint32, id uint16, first uint32, n int) []byte {
	ms := uint32(bootBefore / time.Millisecond)
	return v9(at, sequence, domain, bootBefore, n, dataSet(id, first, n, ms-900, ms-100))
}

func ipfixMessage(at time.Time, sequence, domain uint32, body []byte) []byte {
	b := u16(nil, 10, uint16(16+len(body)))
	b = u32(b, uint32(at.Unix()), sequence, domain)
	return append(b, body...)
}

var ipfixFields = [][2]uint16{{8, 4}, {12, 4}, {7, 2}, {11, 2}, {4, 1}, {6, 1}, {1, 4}, {2, 4}, {150, 4}, {151, 4}}

func ipfixTemplate(at time.Time, sequence, domain uint32, id uint16) []byte {
	return ipfixMessage(at, sequence, domain, templateSet(2, id, ipfixFields))
}

func ipfixData(at time.Time, sequence, domain uint32, id uint16, first uint32, n int) []byte {
	s := uint32(at.Unix())
	return ipfixMessage(at, sequence, domain, dataSet(id, first, n, s-1, s))
}

// sflowDatagram has n samples of TCP packets, of a rate of 1:100.
func sflowDatagram(sequence uint32, n int) []byte {
	b := u32(nil, 5, 1, 192<<24|0x0201, 0, sequence, uint32(bootBefore/time.Millisecond), uint32(n))
	for i := range uint32(n) {
		number := sequence*uint32(n) + i
		packet := make([]byte, 12, 64)
		packet = u16(packet, 0x0800)
		packet = append(packet, 0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0)
		packet = u32(packet, source(number), 192<<24|2)
		packet = u16(packet, 40000, 443)
		packet = u32(packet, 1, 1)
		packet = append(packet, 0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0)
		packet = append(packet, 0, 0) // to a multiple of 4
		record := u32(nil, 1, uint32(16+len(packet)), 1, 54, 4, 54)
		record = append(record, packet...)
		sample := u32(nil, number, 3, 100, number*100, 0, 1, 2, 1)
		sample = append(sample, record...)
		b = append(u32(b, 1, uint32(len(sample))), sample...)
	}
	return b
}

// stored is what a collector has handed on.
type stored struct {
	flows     map[uint32]weir.Flow // by the number of the record
	twice     int                  // flows of the same number
	exporters []weir.Exporter
	oddities  []weir.Oddity
	dns       []weir.DNSTransaction
	batches   int
}

func (s *stored) take(b *weir.Batch) error {
	if s.flows == nil {
		s.flows = map[uint32]weir.Flow{}
	}
	s.batches++
	for _, f := range b.Flows {
		n := number(f.Src)
		if _, ok := s.flows[n]; ok {
			s.twice++
		}
		s.flows[n] = f
	}
	s.exporters = append(s.exporters, b.Exporters...)
	s.oddities = append(s.oddities, b.Oddities...)
	s.dns = append(s.dns, b.DNS...)
	return nil
}

// sum adds up the rows of all exporters.
func (s *stored) sum(field func(*weir.Exporter) uint64) (n uint64) {
	for i := range s.exporters {
		n += field(&s.exporters[i])
	}
	return n
}
