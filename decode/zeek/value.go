package zeek

import (
	"bytes"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/jsonline"
)

// maxText is how much is kept of one text, in bytes. Names, paths and subjects
// are far shorter; what is longer is cut.
const maxText = 2048

// A value is what a line has in one column, as it stands there.
type value struct {
	b    []byte
	kind valueKind
}

type valueKind uint8

const (
	absent  valueKind = iota
	raw               // of TSV: escapes in it, sets separated by the separator
	empty             // of TSV: the empty string or set
	text              // a string of JSON, without escapes
	literal           // a number or true or false of JSON
	array             // the text of an array of JSON
)

func (d *Decoder) has(c column) bool { return d.v[c].kind != absent }

// wrong notes the first value of a line that is not what its column holds.
func (d *Decoder) wrong(c column, b []byte, want string) {
	if d.bad == nil {
		d.bad = fmt.Errorf("%s is %.40q, want %s", columnNames[c], b, want)
	}
}

// bytes returns the text of a column, valid until the next line is read. Of a
// set it is the text as it stands.
func (d *Decoder) bytes(c column) []byte {
	v := &d.v[c]
	switch v.kind {
	case raw:
		return d.meaning(v.b)
	case text:
		return d.shown(v.b)
	case literal:
		return v.b
	}
	return nil
}

// meaning returns what a text of TSV means: Zeek writes a backslash as two and
// what could be taken for something else as \xNN.
func (d *Decoder) meaning(b []byte) []byte {
	i := bytes.IndexByte(b, '\\')
	if i < 0 {
		return d.shown(b)
	}
	start := len(d.text)
	d.text = append(d.text, b[:i]...)
	for i < len(b) {
		c := b[i]
		switch {
		case c != '\\' || i+1 == len(b):
			d.text = append(d.text, c)
			i++
		case b[i+1] == '\\':
			d.text = append(d.text, c)
			i += 2
		default:
			n, ok := hexByte(b[i+1:])
			if !ok {
				d.text = append(d.text, c)
				i++
				continue
			}
			d.text = append(d.text, n)
			i += 4
		}
	}
	return d.shown(d.text[start:])
}

// hexByte reads xNN.
func hexByte(b []byte) (n byte, ok bool) {
	if len(b) < 3 || b[0] != 'x' {
		return 0, false
	}
	hi, lo := hexDigit(b[1]), hexDigit(b[2])
	return hi<<4 | lo, hi < 16 && lo < 16
}

func hexDigit(c byte) byte {
	switch {
	case c-'0' <= 9:
		return c - '0'
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	}
	return 255
}

// shown returns b as it is shown: what is neither printable nor UTF-8 as \xNN,
// as JSON has it too, and no more of it than maxText.
func (d *Decoder) shown(b []byte) []byte {
	for i, c := range b {
		if c < ' ' || c >= 0x7f {
			return d.escaped(b, i)
		}
	}
	return b[:min(len(b), maxText)]
}

func (d *Decoder) escaped(b []byte, plain int) []byte {
	const hex = "0123456789abcdef"
	out := append([]byte(nil), b[:min(plain, maxText)]...) // rare: names in other scripts
	for i := plain; i < len(b) && len(out) < maxText; {
		r, size := utf8.DecodeRune(b[i:])
		if c := b[i]; c < ' ' || c == 0x7f || r == utf8.RuneError && size == 1 {
			out = append(out, '\\', 'x', hex[c>>4], hex[c&15])
			i++
			continue
		}
		out = append(out, b[i:i+size]...)
		i += size
	}
	return out
}

// str returns the text of a column. Texts that come again cost no memory.
func (d *Decoder) str(c column) string { return d.intern(d.bytes(c)) }

// lower returns the text of a column in lower case.
func (d *Decoder) lower(c column) string { return d.intern(lowered(d.bytes(c))) }

// lowered returns b in lower case, b itself if it is.
func lowered(b []byte) []byte {
	for _, c := range b {
		if c >= 'A' && c <= 'Z' {
			return bytes.ToLower(b)
		}
	}
	return b
}

// interned is how many texts are remembered, to be handed out again: enough
// for the names of a busy hour. One that hashes like another takes its place.
const interned = 1 << 13

// maxInterned is how long a text may be to be remembered; longer ones seldom
// come again.
const maxInterned = 256

// intern returns b as a string, that of last time if it still is there.
func (d *Decoder) intern(b []byte) string {
	switch {
	case len(b) == 0:
		return ""
	case len(b) > maxInterned:
		return string(b)
	}
	h := uint32(2166136261) // FNV-1a
	for _, c := range b {
		h = (h ^ uint32(c)) * 16777619
	}
	slot := &d.strings[h%interned]
	if *slot != string(b) {
		*slot = string(b)
	}
	return *slot
}

// fresh returns the text of a column that is not expected again, cut from
// memory for many such: for records, which go all together, and for nothing
// that is kept longer.
func (d *Decoder) fresh(c column) string {
	const room = 2048
	b := d.bytes(c)
	if d.texts.Cap()-d.texts.Len() < len(b) {
		d.texts = strings.Builder{}
		d.texts.Grow(max(room, len(b)))
	}
	start := d.texts.Len()
	d.texts.Write(b) // what was cut before stays as it is
	return d.texts.String()[start:]
}

// Number and boolean columns.

func (d *Decoder) uint(c column) uint64 {
	v := &d.v[c]
	if v.kind == absent || v.kind == empty {
		return 0
	}
	if len(v.b) == 0 || len(v.b) > 19 { // 19 digits always fit
		return d.looseUint(c)
	}
	var n uint64
	for _, digit := range v.b {
		if digit -= '0'; digit > 9 {
			return d.looseUint(c)
		}
		n = n*10 + uint64(digit)
	}
	return n
}

// looseUint reads what is longer, and what programs that rewrite logs make of a
// count: 62.0, 1e3.
func (d *Decoder) looseUint(c column) uint64 {
	b := d.v[c].b
	if n, err := strconv.ParseUint(string(b), 10, 64); err == nil {
		return n
	}
	f, err := strconv.ParseFloat(string(b), 64)
	if err != nil || f < 0 || f > 1<<63 || f != math.Trunc(f) {
		d.wrong(c, b, "a count")
		return 0
	}
	return uint64(f)
}

func (d *Decoder) uint16(c column) uint16 {
	n := d.uint(c)
	if n > math.MaxUint16 {
		d.wrong(c, d.v[c].b, "a number up to 65535")
	}
	return uint16(n)
}

// boolean returns whether a column says true, and whether it says anything.
func (d *Decoder) boolean(c column) (yes, told bool) {
	v := &d.v[c]
	if v.kind == absent || v.kind == empty || len(v.b) == 0 {
		return false, false
	}
	switch string(v.b) {
	case "T", "true", "1":
		return true, true
	case "F", "false", "0":
		return false, true
	}
	d.wrong(c, v.b, "T or F")
	return false, false
}

// yesNo writes a boolean as the records do that know "not seen" as well.
func (d *Decoder) yesNo(c column) string {
	switch yes, told := d.boolean(c); {
	case !told:
		return ""
	case yes:
		return "true"
	default:
		return "false"
	}
}

func (d *Decoder) yes(c column) bool {
	yes, _ := d.boolean(c)
	return yes
}

// addr returns the address in a column, the zero Addr if there is none.
func (d *Decoder) addr(c column) netip.Addr {
	v := &d.v[c]
	if v.kind == absent || v.kind == empty {
		return netip.Addr{}
	}
	a, ok := d.parseAddr(v.b)
	if !ok {
		d.wrong(c, v.b, "an address")
	}
	return a
}

func (d *Decoder) parseAddr(b []byte) (netip.Addr, bool) {
	if a, ok := parseIPv4(b); ok {
		return a, true
	}
	if len(b) > 45 {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(d.intern(b))
	return a.Unmap().WithZone(""), err == nil
}

func parseIPv4(b []byte) (netip.Addr, bool) {
	var a [4]byte
	part, digits := 0, 0
	n := 0
	for _, c := range b {
		switch {
		case c-'0' <= 9 && digits < 3:
			n = n*10 + int(c-'0')
			digits++
		case c == '.' && digits > 0 && part < 3 && n < 256:
			a[part] = byte(n)
			part++
			n, digits = 0, 0
		default:
			return netip.Addr{}, false
		}
	}
	if part != 3 || digits == 0 || n > 255 {
		return netip.Addr{}, false
	}
	a[3] = byte(n)
	return netip.AddrFrom4(a), true
}

// Times. Zeek writes seconds since 1970 with six digits behind the point, or
// by its settings ISO 8601 or milliseconds. Records know microseconds.

// maxSeconds is the year 2262, beyond which int64 holds no nanoseconds.
const maxSeconds = math.MaxInt64 / int64(time.Second)

// time returns the time in a column, the zero Time if there is none.
func (d *Decoder) time(c column) time.Time {
	v := &d.v[c]
	if v.kind == absent || v.kind == empty {
		return time.Time{}
	}
	if us, ok := micros(v.b); ok && us >= 0 {
		// JSON::TS_MILLIS gives milliseconds, without a point: seconds of that
		// size would be thousands of years away.
		if us/1_000_000 >= 1e11 && bytes.IndexByte(v.b, '.') < 0 {
			us /= 1000
		}
		if us/1_000_000 < maxSeconds {
			return time.UnixMicro(us).UTC()
		}
	}
	if t, ok := isoTime(v.b); ok {
		return t
	}
	d.wrong(c, v.b, "a time")
	return time.Time{}
}

// isoTime reads ISO 8601, with or without a colon in the offset.
func isoTime(b []byte) (time.Time, bool) {
	if len(b) < len("2006-01-02T15:04:05") || len(b) > 40 || b[4] != '-' {
		return time.Time{}, false
	}
	if t, ok := isoUTC(b); ok {
		return t, true
	}
	for _, layout := range [...]string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999-0700", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999"} {
		if t, err := time.Parse(layout, string(b)); err == nil {
			return t.UTC().Round(time.Microsecond), t.Year() >= 1970 && t.Year() < 2262
		}
	}
	return time.Time{}, false
}

// isoUTC reads what Zeek writes: 2018-03-24T17:15:20.600843Z.
func isoUTC(b []byte) (time.Time, bool) {
	if len(b) < 20 || b[len(b)-1] != 'Z' || b[10] != 'T' || b[7] != '-' || b[13] != ':' || b[16] != ':' {
		return time.Time{}, false
	}
	var n [6]int
	for i, at := range [...]int{0, 5, 8, 11, 14, 17} {
		width := 2
		if i == 0 {
			width = 4
		}
		for _, c := range b[at : at+width] {
			if c-'0' > 9 {
				return time.Time{}, false
			}
			n[i] = n[i]*10 + int(c-'0')
		}
	}
	us := int64(0)
	if rest := b[19 : len(b)-1]; len(rest) > 0 {
		if rest[0] != '.' || len(rest) == 1 || len(rest) > 7 {
			return time.Time{}, false
		}
		unit := int64(100_000)
		for _, c := range rest[1:] {
			if c-'0' > 9 {
				return time.Time{}, false
			}
			us += int64(c-'0') * unit
			unit /= 10
		}
	}
	if n[0] < 1970 || n[0] >= 2262 || n[1] < 1 || n[1] > 12 || n[2] < 1 || n[2] > 31 || n[3] > 23 || n[4] > 59 || n[5] > 60 {
		return time.Time{}, false
	}
	return time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], int(us)*1000, time.UTC), true
}

// maxInterval is the longest that is believed. Leases of DHCP are 136 years at most.
const maxInterval = 137 * 365 * 24 * time.Hour

// duration returns the interval in a column, 0 if there is none.
func (d *Decoder) duration(c column) time.Duration {
	v := &d.v[c]
	if v.kind == absent || v.kind == empty {
		return 0
	}
	us, ok := micros(v.b)
	if us < 0 {
		us = 0 // a clock that was set back
	}
	if !ok || us > maxInterval.Microseconds() {
		d.wrong(c, v.b, "an interval")
		return 0
	}
	return time.Duration(us) * time.Microsecond
}

// micros reads seconds as microseconds, rounded.
func micros(b []byte) (us int64, ok bool) {
	i := 0
	negative := len(b) > 0 && b[0] == '-'
	if negative {
		i++
	}
	start := i
	for ; i < len(b) && b[i]-'0' <= 9 && i < 19; i++ {
		us = us*10 + int64(b[i]-'0')
	}
	if i == start || us >= math.MaxInt64/1_000_000 {
		return 0, false
	}
	us *= 1_000_000
	if i < len(b) && b[i] == '.' {
		unit := int64(100_000)
		for i++; i < len(b) && b[i]-'0' <= 9; i++ {
			if unit == 0 {
				if b[i] >= '5' {
					us++
				}
				for i++; i < len(b) && b[i]-'0' <= 9; {
					i++
				}
				break
			}
			us += int64(b[i]-'0') * unit
			unit /= 10
		}
	}
	if i < len(b) { // 6.0e-05, as some programs write what is small
		f, err := strconv.ParseFloat(string(b), 64)
		if err != nil || !(math.Abs(f) < math.MaxInt64/1_000_000) {
			return 0, false
		}
		return int64(math.Round(f * 1e6)), true
	}
	if negative {
		us = -us
	}
	return us, true
}

// each calls f for the elements of a set or vector, valid until the next line.
func (d *Decoder) each(c column, f func([]byte)) {
	v := &d.v[c]
	switch v.kind {
	case raw:
		rest := v.b
		for more := true; more; {
			var e []byte
			if e, rest, more = bytes.Cut(rest, d.setSeparator); string(e) != d.unset {
				f(d.meaning(e))
			}
		}
	case array:
		err := d.elements.Elements(v.b, func(e []byte, kind jsonline.Kind) error {
			if kind != jsonline.Null {
				f(d.shown(e))
			}
			return nil
		})
		if err != nil { // the reader of the line has been over it: it cannot be
			d.wrong(c, v.b, err.Error())
		}
	case text, literal: // a log rewritten by a program that knows no sets
		f(d.bytes(c))
	}
}

// first returns the first element of a set or vector.
func (d *Decoder) first(c column) []byte {
	var first []byte
	d.each(c, func(e []byte) {
		if first == nil {
			first = e
		}
	})
	return first
}

// list returns the elements of a set or vector, not more than limit.
func (d *Decoder) list(c column, limit int) []string {
	if k := d.v[c].kind; k == absent || k == empty {
		return nil
	}
	n := 0
	d.each(c, func([]byte) { n++ })
	if n = min(n, limit); n == 0 {
		return nil
	}
	out := make([]string, 0, n)
	d.each(c, func(e []byte) {
		if len(out) < n {
			out = append(out, d.intern(e))
		}
	})
	return out
}

// proto returns the transport of a line, 0 if it tells none.
func (d *Decoder) proto() weir.Proto {
	if d.has(cIPProto) {
		if n := d.uint(cIPProto); n < 256 {
			return weir.Proto(n)
		}
	}
	b := lowered(d.bytes(cProto))
	switch string(b) {
	case "tcp":
		return weir.TCP
	case "udp":
		return weir.UDP
	case "icmp":
		return weir.ICMPv4
	case "", "unknown_transport", "unknown":
		return 0
	}
	var p weir.Proto
	if p.UnmarshalText(b) != nil {
		d.wrong(cProto, b, "a protocol")
	}
	return p
}

// after returns what is behind the last "::" of an enumeration of Zeek's.
func after(s string) string { return s[strings.LastIndexByte(s, ':')+1:] }
