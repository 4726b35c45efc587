package netflow

import (
	"encoding/binary"
	"sync"
	"time"
)

// A fixedFormat is a version of NetFlow without templates, written down as one.
type fixedFormat struct {
	header int
	fields []field
}

func iana(id, length uint16) field { return field{elementID{ianaPEN, id}, length} }

// fixedFormats are those of versions 1, 5 and 7 (Cisco, "NetFlow Services
// Export Version 9 and earlier"). 210 is padding.
var fixedFormats = map[uint16]fixedFormat{
	1: {16, []field{
		iana(8, 4), iana(12, 4), iana(15, 4), iana(10, 2), iana(14, 2), iana(2, 4), iana(1, 4), iana(22, 4), iana(21, 4),
		iana(7, 2), iana(11, 2), iana(210, 2), iana(4, 1), iana(5, 1), iana(6, 1), iana(210, 7),
	}},
	5: {24, []field{
		iana(8, 4), iana(12, 4), iana(15, 4), iana(10, 2), iana(14, 2), iana(2, 4), iana(1, 4), iana(22, 4), iana(21, 4),
		iana(7, 2), iana(11, 2), iana(210, 1), iana(6, 1), iana(4, 1), iana(5, 1),
		iana(16, 2), iana(17, 2), iana(9, 1), iana(13, 1), iana(210, 2),
	}},
	7: {24, []field{
		iana(8, 4), iana(12, 4), iana(15, 4), iana(10, 2), iana(14, 2), iana(2, 4), iana(1, 4), iana(22, 4), iana(21, 4),
		iana(7, 2), iana(11, 2), iana(210, 1), iana(6, 1), iana(4, 1), iana(5, 1),
		iana(16, 2), iana(17, 2), iana(9, 1), iana(13, 1), iana(210, 2), iana(43, 4),
	}},
}

// A fixedPlan is a fixedFormat made ready for reading.
type fixedPlan struct {
	header, size int
	plan         *plan
}

// fixedPlans are the plans with all fields, and those without More.Extra.
var fixedPlans = sync.OnceValue(func() (plans [2]map[uint16]fixedPlan) {
	for i := range plans {
		d := Decoder{config: Config{DropExtra: i == 1}}
		plans[i] = map[uint16]fixedPlan{}
		for version, f := range fixedFormats {
			t := &template{fields: f.fields}
			for _, f := range f.fields {
				t.size += int(f.length)
			}
			plans[i][version] = fixedPlan{f.header, t.size, d.compile(t)}
		}
	}
	return plans
})

// fixed reads a datagram of a version without templates. How many records it
// has, its length says: some headers count more than there are.
func (d *Decoder) fixed(m *Message, b []byte) error {
	kind := 0
	if d.config.DropExtra {
		kind = 1
	}
	f := fixedPlans()[kind][m.Version]
	if len(b) < f.header {
		return ErrTruncated
	}
	m.HeaderCount = int(binary.BigEndian.Uint16(b[2:]))
	uptime := binary.BigEndian.Uint32(b[4:])
	m.Uptime = time.Duration(uptime) * time.Millisecond
	m.Exported = time.Unix(int64(binary.BigEndian.Uint32(b[8:])), int64(binary.BigEndian.Uint32(b[12:]))).UTC()
	dom := &d.fixedDomain
	dom.rate = 0
	if m.Version != 1 {
		m.Sequence = binary.BigEndian.Uint32(b[16:])
	}
	if m.Version == 5 {
		m.Domain = uint32(binary.BigEndian.Uint16(b[20:])) // engine type and engine
		// The upper two bits are the mode; they are not always set.
		if rate := uint32(binary.BigEndian.Uint16(b[22:]) & 0x3fff); rate > 1 {
			dom.rate = rate
		}
	}
	c := clock{exported: m.Exported.UnixMicro(), uptime: uptime}
	body := b[f.header:]
	n := min(m.HeaderCount, len(body)/f.size)
	d.notes = notes{}
	d.fixedRecords(m, f.plan, f.size, dom, &c, body[:n*f.size])
	m.facts(dom)
	if n < m.HeaderCount {
		return ErrTruncated
	}
	return nil
}
