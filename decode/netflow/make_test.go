package netflow

import "encoding/binary"

// What exporters send, written by hand.

func u16(b []byte, v uint16) []byte { return binary.BigEndian.AppendUint16(b, v) }
func u32(b []byte, v uint32) []byte { return binary.BigEndian.AppendUint32(b, v) }
func u64(b []byte, v uint64) []byte { return binary.BigEndian.AppendUint64(b, v) }

// exportTime is when all messages of these tests are sent.
const exportTime = 1_700_000_000

// v9Message returns a packet of version 9 with an up time of 100 s.
func v9Message(domain, sequence uint32, sets ...[]byte) []byte {
	b := u16(nil, 9)
	b = u16(b, uint16(len(sets)))
	b = u32(b, 100_000)
	b = u32(b, exportTime)
	b = u32(b, sequence)
	b = u32(b, domain)
	for _, s := range sets {
		b = append(b, s...)
	}
	return b
}

func ipfixMessage(domain, sequence uint32, sets ...[]byte) []byte {
	n := 16
	for _, s := range sets {
		n += len(s)
	}
	b := u16(nil, 10)
	b = u16(b, uint16(n))
	b = u32(b, exportTime)
	b = u32(b, sequence)
	b = u32(b, domain)
	for _, s := range sets {
		b = append(b, s...)
	}
	return b
}

func dataSet(id uint16, records ...[]byte) []byte {
	n := 4
	for _, r := range records {
		n += len(r)
	}
	b := u16(u16(nil, id), uint16(n))
	for _, r := range records {
		b = append(b, r...)
	}
	return b
}

// spec and enterprise make field specifiers.
func spec(id, length uint16) []byte { return u16(u16(nil, id), length) }

func enterprise(pen uint32, id, length uint16) []byte {
	return u32(u16(u16(nil, id|enterpriseID), length), pen)
}

func templateRecord(id uint16, specs ...[]byte) []byte {
	b := u16(u16(nil, id), uint16(len(specs)))
	for _, s := range specs {
		b = append(b, s...)
	}
	return b
}

// optionsRecord is an options template of IPFIX.
func optionsRecord(id uint16, scopes uint16, specs ...[]byte) []byte {
	b := u16(u16(u16(nil, id), uint16(len(specs))), scopes)
	for _, s := range specs {
		b = append(b, s...)
	}
	return b
}

// v9OptionsRecord is one of version 9, with lengths instead of counts.
func v9OptionsRecord(id uint16, scopes uint16, specs ...[]byte) []byte {
	b := u16(u16(u16(nil, id), scopes*4), (uint16(len(specs))-scopes)*4)
	for _, s := range specs {
		b = append(b, s...)
	}
	return b
}

// basic are the fields of a usual template for IPv4.
var basic = [][]byte{
	spec(8, 4), spec(12, 4), spec(7, 2), spec(11, 2), spec(4, 1), spec(6, 1), spec(1, 4), spec(2, 4), spec(22, 4), spec(21, 4),
}

// basicRecord is a record of it: 10.0.0.1:port to 192.0.2.1:443, 1,500 octets
// in 3 packets from 10 s to 5 s before the export.
func basicRecord(port uint16) []byte {
	b := append([]byte{10, 0, 0, 1, 192, 0, 2, 1}, byte(port>>8), byte(port), 443>>8, 443&255, 6, 0x1b)
	return u32(u32(u32(u32(b, 1500), 3), 90_000), 95_000)
}
