package weir

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// AppendJSON appends r as a JSON object with the columns of its table as keys,
// missing ones left out.
func AppendJSON(dst []byte, r Record) []byte {
	t := r.Table()
	dst = append(dst, '{')
	first := true
	for i := range t.Columns {
		v := r.Value(i)
		if v == nil && !alwaysPresent(&t.Columns[i]) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = AppendJSONString(dst, t.Columns[i].JSON)
		dst = append(dst, ':')
		if v == nil {
			dst = append(dst, "[]"...)
			continue
		}
		dst = AppendJSONValue(dst, v)
	}
	return append(dst, '}')
}

// stated are the lists of a finding.
var stated = []string{"against", "could_not_check", "techniques"}

// alwaysPresent says whether an empty column is written as an empty list:
// the lists of a finding, where an empty one is a statement.
func alwaysPresent(c *Column) bool {
	return c.Type == JSON || c.List && slices.Contains(stated, c.Name)
}

// AppendJSONValue appends v, a value as Record.Value returns it, as JSON.
// Times are RFC 3339 in UTC with as many digits as they need.
func AppendJSONValue(dst []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...)
	case string:
		return AppendJSONString(dst, v)
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case float64:
		return appendFloat(dst, v)
	case bool:
		return strconv.AppendBool(dst, v)
	case netip.Addr:
		dst = append(dst, '"')
		dst = v.AppendTo(dst)
		return append(dst, '"')
	case time.Time:
		dst = append(dst, '"')
		dst = v.AppendFormat(dst, time.RFC3339Nano)
		return append(dst, '"')
	case json.RawMessage:
		return append(dst, v...)
	case []any:
		dst = append(dst, '[')
		for i, e := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = AppendJSONValue(dst, e)
		}
		return append(dst, ']')
	}
	panic(fmt.Sprintf("weir: value of type %T", v))
}

func appendFloat(dst []byte, f float64) []byte {
	b, err := json.Marshal(f)
	if err != nil { // not a number, infinite: JSON has no word for them
		return append(dst, "null"...)
	}
	return append(dst, b...)
}

const hexDigits = "0123456789abcdef"

// AppendJSONString appends s as a JSON string. Invalid UTF-8 becomes U+FFFD;
// control characters, which a terminal would obey, and < > & are escaped.
func AppendJSONString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			i++
			switch {
			case c == '"' || c == '\\':
				dst = append(dst, '\\', c)
			case c < ' ' || c == 0x7f || c == '<' || c == '>' || c == '&':
				dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			default:
				dst = append(dst, c)
			}
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			dst = append(dst, `\ufffd`...)
		case r < 0xa0 || r >= 0x200b && r <= 0x200f || r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0xfeff:
			// C1 controls, line separators and what turns the direction of writing
			dst = append(dst, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
		default:
			dst = append(dst, s[i:i+n]...)
		}
		i += n
	}
	return append(dst, '"')
}

// ParseJSON sets the columns of r from a JSON object as AppendJSON writes it.
// Keys that are no column of r's table are an error.
func ParseJSON(r Record, data []byte) error {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(data, &object); err != nil {
		return err
	}
	t := r.Table()
	for i := range t.Columns {
		c := &t.Columns[i]
		raw, ok := object[c.JSON]
		if !ok {
			continue
		}
		delete(object, c.JSON)
		if c.Computed || string(raw) == "null" {
			continue
		}
		v, err := parseJSONValue(c, raw)
		if err != nil {
			return fmt.Errorf("%s: %w", c.JSON, err)
		}
		if err := r.Set(i, v); err != nil {
			return fmt.Errorf("%s: %w", c.JSON, err)
		}
	}
	for k := range object {
		return fmt.Errorf("no field %q in %s", k, t.Name)
	}
	return nil
}

func parseJSONValue(c *Column, raw json.RawMessage) (any, error) {
	if c.List {
		var parts []json.RawMessage
		if err := json.Unmarshal(raw, &parts); err != nil {
			return nil, err
		}
		list := make([]any, len(parts))
		one := *c
		one.List = false
		for i, p := range parts {
			v, err := parseJSONValue(&one, p)
			if err != nil {
				return nil, err
			}
			list[i] = v
		}
		return list, nil
	}
	switch c.Type {
	case String:
		return unmarshal[string](raw)
	case Int:
		return unmarshal[int64](raw)
	case Float, Duration:
		return unmarshal[float64](raw)
	case Bool:
		return unmarshal[bool](raw)
	case Addr:
		return unmarshal[netip.Addr](raw)
	case Time:
		t, err := unmarshal[time.Time](raw)
		return t.UTC(), err
	default:
		return raw, nil
	}
}

func unmarshal[T any](raw json.RawMessage) (v T, err error) {
	err = json.Unmarshal(raw, &v)
	return v, err
}
