package netflow

import (
	_ "embed"
	"encoding/binary"
	"encoding/hex"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/weir-nta/weir/decode/flowrec"
)

// The enterprises whose elements are read.
const (
	ianaPEN      = 0
	ciscoPEN     = 9
	citrixPEN    = 5951
	certPEN      = 6871 // YAF
	vmwarePEN    = 6876
	barracudaPEN = 10704
	reversePEN   = 29305 // RFC 5103, 6.1
	ntopPEN      = 35632
	v9ScopePEN   = math.MaxUint32 // no enterprise: the scopes of v9, RFC 3954, 6.1
	ntopV9Base   = 57472          // of ntop's elements in v9, which has no enterprises
	enterpriseID = 0x8000         // and of Cisco's: the bit that in IPFIX says "enterprise"
	certReverse  = 0x4000         // of CERT's own elements for the other direction
)

// An elementID is an information element: its enterprise, 0 for IANA's, and its number.
type elementID struct {
	pen uint32
	id  uint16
}

// A kind is an abstract data type (RFC 7012, 3.1), as far as reading differs.
type kind uint8

const (
	octets kind = iota // also what is not known
	unsigned
	signed
	float
	boolean
	text
	ipv4
	ipv6
	mac
	seconds
	milliseconds
	microseconds
	nanoseconds
	list
)

var kindNames = map[string]kind{
	"octets": octets, "unsigned": unsigned, "signed": signed, "float": float, "boolean": boolean, "string": text,
	"ipv4": ipv4, "ipv6": ipv6, "mac": mac, "seconds": seconds, "milliseconds": milliseconds,
	"microseconds": microseconds, "nanoseconds": nanoseconds, "list": list,
}

// ianaKinds are the numbers of the registry "IPFIX Information Element Data
// Types", which type information names (RFC 5610, 3.1).
var ianaKinds = [...]kind{
	octets, unsigned, unsigned, unsigned, unsigned, signed, signed, signed, signed, float, float, boolean, mac, text,
	seconds, milliseconds, microseconds, nanoseconds, ipv4, ipv6, list, list, list,
}

// An element is what is known of an elementID.
type element struct {
	name string
	kind kind
}

//go:embed elements.tsv
var elementTable string

// elements is the table of elements.tsv, read when the first template comes.
var elements = sync.OnceValue(func() map[elementID]element {
	table := make(map[elementID]element, strings.Count(elementTable, "\n"))
	for line := range strings.Lines(elementTable) {
		f := strings.Split(strings.TrimSpace(line), "\t")
		pen, err := strconv.ParseUint(f[0], 10, 32)
		if err != nil {
			continue // the heading; TestElements reads every line
		}
		id, _ := strconv.ParseUint(f[1], 10, 16)
		table[elementID{uint32(pen), uint16(id)}] = element{name: f[2], kind: kindNames[f[3]]}
	}
	return table
})

// lookup returns what is known of an element, also of one that an exporter
// explained (RFC 5610) and of the reverse of a known one (RFC 5103, 6.1).
func (d *Decoder) lookup(e elementID) (element, bool) {
	if known, ok := elements()[e]; ok {
		return known, true
	}
	if e.pen == reversePEN {
		if forward, ok := elements()[elementID{ianaPEN, e.id}]; ok {
			forward.name = "reverse" + strings.ToUpper(forward.name[:1]) + forward.name[1:]
			return forward, true
		}
	}
	learned, ok := d.learned[e]
	return learned, ok
}

// maxText and maxHex bound what More keeps of one value, in octets of the value.
const (
	maxText = 256
	maxHex  = 64
)

// appendExtra appends an element and its value in the form of
// weir.Export.Extra. It appends nothing where a known element has the value
// that says nothing: zero, or empty.
func (d *Decoder) appendExtra(dst []byte, e elementID, v []byte) []byte {
	known, ok := d.lookup(e)
	if !ok {
		dst = strconv.AppendUint(dst, uint64(e.pen), 10)
		dst = append(dst, '.')
		dst = strconv.AppendUint(dst, uint64(e.id), 10)
		dst = append(dst, '=')
		return hex.AppendEncode(dst, v[:min(len(v), maxHex)])
	}
	if zero(v) {
		return dst
	}
	dst = append(dst, known.name...)
	dst = append(dst, '=')
	return known.kind.appendValue(dst, v)
}

func zero(v []byte) bool {
	for _, c := range v {
		if c != 0 {
			return false
		}
	}
	return true
}

// appendValue appends a value in words. One that has not the length of its
// kind is appended in hexadecimal.
func (k kind) appendValue(dst, v []byte) []byte {
	switch {
	case k == unsigned && len(v) <= 8:
		return strconv.AppendUint(dst, number(v), 10)
	case k == signed && len(v) <= 8:
		shift := 64 - 8*len(v)
		return strconv.AppendInt(dst, int64(number(v)<<shift)>>shift, 10)
	case k == float && len(v) == 4:
		return strconv.AppendFloat(dst, float64(math.Float32frombits(binary.BigEndian.Uint32(v))), 'g', -1, 32)
	case k == float && len(v) == 8:
		return strconv.AppendFloat(dst, math.Float64frombits(binary.BigEndian.Uint64(v)), 'g', -1, 64)
	case k == boolean && len(v) == 1: // RFC 7011, 6.1.5: 1 is true, 2 is false
		return strconv.AppendBool(dst, v[0] == 1)
	case k == text:
		return append(dst, printable(v)...)
	case k == ipv4 && len(v) == 4, k == ipv6 && len(v) == 16:
		a, _ := netip.AddrFromSlice(v)
		return a.AppendTo(dst)
	case k == mac && len(v) == 6:
		return append(dst, flowrec.MAC(v).String()...)
	}
	if t, ok := k.time(v); ok {
		return time.UnixMicro(t).UTC().AppendFormat(dst, time.RFC3339Nano)
	}
	return hex.AppendEncode(dst, v[:min(len(v), maxHex)])
}

// time returns a value that is a time, in microseconds since 1970.
func (k kind) time(v []byte) (int64, bool) {
	switch {
	case k == seconds && len(v) <= 8:
		return fromSeconds(number(v)), true
	case k == milliseconds && len(v) <= 8:
		return fromMilliseconds(number(v)), true
	case (k == microseconds || k == nanoseconds) && len(v) == 8:
		return fromNTP(number(v)), true
	}
	return 0, false
}

// printable returns the text of a value: without the padding that fixed
// lengths need, cut, and with dots where something cannot be printed.
func printable(v []byte) string {
	for len(v) > 0 && (v[len(v)-1] == 0 || v[len(v)-1] == ' ') {
		v = v[:len(v)-1]
	}
	v = v[:min(len(v), maxText)]
	for _, c := range v {
		if c < ' ' || c > '~' {
			return strings.Map(func(r rune) rune {
				if r == utf8.RuneError || !unicode.IsPrint(r) {
					return '.'
				}
				return r
			}, string(v))
		}
	}
	return string(v)
}

// number reads an unsigned integer of any length (RFC 7011, 6.2); of more than
// eight octets, the last eight.
func number(v []byte) uint64 {
	var n uint64
	for _, c := range v {
		n = n<<8 | uint64(c)
	}
	return n
}

// lastSecond is the last one of the year 9999. What claims to be later says
// nothing, and would overflow in the stores.
const lastSecond = 253402300799

func fromSeconds(v uint64) int64 {
	if v > lastSecond {
		return 0
	}
	return int64(v) * 1e6
}

func fromMilliseconds(v uint64) int64 {
	if v > lastSecond*1e3 {
		return 0
	}
	return int64(v) * 1e3
}

// fromNTP reads a time in the format of NTP (RFC 7011, 6.1.9 and 6.1.10). Some
// exporters send plain microseconds instead: what would lie before 1904 is that.
func fromNTP(v uint64) int64 {
	const era = 2208988800 // seconds from 1900 to 1970
	sec, frac := v>>32, v&math.MaxUint32
	switch {
	case sec >= era:
		return int64(sec-era)*1e6 + int64(frac*1e6>>32)
	case v < 1<<55:
		return int64(v)
	}
	return 0
}
