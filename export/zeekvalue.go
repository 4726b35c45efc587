package export

import (
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/weir-nta/weir"
)

// appendTSV appends a line of tab-separated values as Zeek's ASCII writer does.
func (l *openLog) appendTSV(dst []byte, r weir.Record) []byte {
	for i := range l.columns {
		if i > 0 {
			dst = append(dst, '\t')
		}
		dst = appendCell(dst, &l.columns[i], l.columns[i].value(r))
	}
	return append(dst, '\n')
}

func appendCell(dst []byte, c *zeekColumn, v any) []byte {
	if v == nil {
		return append(dst, '-')
	}
	list, ok := v.([]any)
	if !ok {
		return appendScalar(dst, c.typ, v, false)
	}
	if len(list) == 0 {
		return append(dst, "(empty)"...)
	}
	typ := elementType(c.typ)
	for i, e := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendScalar(dst, typ, e, true)
	}
	return dst
}

// elementType returns string for vector[string].
func elementType(typ string) string {
	_, typ, _ = strings.Cut(typ, "[")
	return strings.TrimSuffix(typ, "]")
}

// appendScalar appends one value. Within a list, what separates is escaped.
func appendScalar(dst []byte, typ string, v any, listed bool) []byte {
	switch v := v.(type) {
	case string:
		return appendText(dst, v, listed)
	case bool:
		if v {
			return append(dst, 'T')
		}
		return append(dst, 'F')
	case int64:
		if typ == "interval" {
			return strconv.AppendFloat(dst, float64(v), 'f', 6, 64)
		}
		return strconv.AppendInt(dst, v, 10)
	case float64:
		return strconv.AppendFloat(dst, v, 'f', 6, 64)
	case netip.Addr:
		return v.AppendTo(dst)
	case time.Time:
		return appendEpoch(dst, v)
	}
	return append(dst, '-')
}

// appendEpoch appends seconds since 1970 with six digits of the fraction: a
// float64 would do so as well, until 2255.
func appendEpoch(dst []byte, t time.Time) []byte {
	us := t.UnixMicro()
	if us < 0 {
		return strconv.AppendFloat(dst, float64(us)/1e6, 'f', 6, 64)
	}
	dst = strconv.AppendInt(dst, us/1e6, 10)
	dst = append(dst, '.')
	for unit := int64(100_000); unit > 0; unit /= 10 {
		dst = append(dst, '0'+byte(us/unit%10))
	}
	return dst
}

const hexDigits = "0123456789abcdef"

// appendText appends s with what means something to a reader of the log as
// \xHH, and so that it is not taken for a value that is unset or empty.
func appendText(dst []byte, s string, listed bool) []byte {
	switch s {
	case "":
		return append(dst, "(empty)"...)
	case "-":
		return append(dst, `\x2d`...)
	case "(empty)":
		return append(dst, `\x28empty)`...)
	}
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '\\':
			dst = append(dst, `\\`...)
		case r == ',' && listed, r == '#' && i == 0 && len(dst) == 0, !shown(r, n):
			// A line that begins with # is a comment.
			for _, c := range []byte(s[i : i+n]) {
				dst = append(dst, '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
			}
		default:
			dst = append(dst, s[i:i+n]...)
		}
		i += n
	}
	return dst
}

// shown says whether a reader of text sees the n octets of a rune and nothing
// more: they do not move the cursor, turn the direction of writing or end the
// line, and they are UTF-8.
func shown(r rune, n int) bool {
	return !(r == utf8.RuneError && n == 1) && !unicode.Is(unicode.Cc, r) && !unicode.Is(unicode.Cf, r) && r != 0x2028 && r != 0x2029
}

// appendJSON appends a line as Zeek's JSON writer does, with _path before it as
// its streaming logs have. What is not set is left out.
func (l *openLog) appendJSON(dst []byte, r weir.Record) []byte {
	dst = append(dst, `{"_path":"`...)
	dst = append(dst, l.name...)
	dst = append(dst, '"')
	for i := range l.columns {
		c := &l.columns[i]
		v := c.value(r)
		if v == nil {
			continue
		}
		dst = append(dst, ',', '"')
		dst = append(dst, c.name...)
		dst = append(dst, '"', ':')
		dst = appendZeekJSON(dst, v)
	}
	return append(dst, '}', '\n')
}

func appendZeekJSON(dst []byte, v any) []byte {
	switch v := v.(type) {
	case time.Time:
		return appendEpoch(dst, v)
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return append(dst, '0')
		}
		return strconv.AppendFloat(dst, v, 'f', -1, 64)
	case string:
		if !utf8.ValidString(v) {
			v = strings.ToValidUTF8(v, "\ufffd")
		}
		return weir.AppendJSONString(dst, v)
	case []any:
		dst = append(dst, '[')
		for i, e := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendZeekJSON(dst, e)
		}
		return append(dst, ']')
	}
	return weir.AppendJSONValue(dst, v)
}
