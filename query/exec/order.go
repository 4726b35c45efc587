package exec

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/weir-nta/weir/query"
)

// A less orders rows: negative, zero or positive as a comes before b, ties or comes after.
type order func(a, b values) int

func (p *pipeline) sortOrder(s *query.Sort, cols []query.Column) order {
	orders := make([]order, 0, len(s.Keys)+1)
	for _, k := range s.Keys {
		value, compare, desc := p.expr(k.X), ordering(k.X.Column()), k.Desc
		orders = append(orders, func(a, b values) int {
			x, y := value(a), value(b)
			if x == nil || y == nil {
				return missingLast(x, y)
			}
			if desc {
				return compare(y, x)
			}
			return compare(x, y)
		})
	}
	orders = append(orders, rowOrder(cols))
	return func(a, b values) int {
		for _, o := range orders {
			if n := o(a, b); n != 0 {
				return n
			}
		}
		return 0
	}
}

// rowOrder compares rows column by column.
func rowOrder(cols []query.Column) order {
	compare := make([]func(a, b any) int, len(cols))
	for i, c := range cols {
		compare[i] = ordering(c)
	}
	return func(a, b values) int {
		for i, f := range compare {
			x, y := a.Value(i), b.Value(i)
			if x == nil || y == nil {
				if n := missingLast(x, y); n != 0 {
					return n
				}
				continue
			}
			if n := f(x, y); n != 0 {
				return n
			}
		}
		return 0
	}
}

func missingLast(x, y any) int {
	switch {
	case x == nil && y == nil:
		return 0
	case x == nil:
		return 1
	case y == nil:
		return -1
	}
	return 0
}

func sorted(in rows, by order) rows {
	return func(yield func(values, error) bool) {
		var held []values
		for v, err := range in {
			if err == nil && len(held) >= MaxHeld {
				err = ErrTooLarge
			}
			if err != nil {
				yield(nil, err)
				return
			}
			held = append(held, v)
		}
		slices.SortStableFunc(held, by)
		for _, v := range held {
			if !yield(v, nil) {
				return
			}
		}
	}
}

// ordering returns the order of the values of a column that are not missing.
func ordering(c query.Column) func(a, b any) int {
	switch {
	case c.Fields != nil:
		fields := make([]func(a, b any) int, len(c.Fields))
		for i, f := range c.Fields {
			fields[i] = ordering(f)
		}
		return func(a, b any) int { return compareRecords(a.(query.Record), b.(query.Record), fields) }
	case c.List:
		c.List = false
		element := ordering(c)
		return func(a, b any) int { return slices.CompareFunc(a.([]any), b.([]any), element) }
	case c.Enum != nil:
		rank := make(map[string]int, len(c.Enum))
		for i, v := range c.Enum {
			rank[v] = i
		}
		return func(a, b any) int { return cmp.Compare(rank[a.(string)], rank[b.(string)]) }
	}
	return compare
}

func compareRecords(a, b query.Record, fields []func(a, b any) int) int {
	for i, f := range fields {
		n := missingLast(a[i], b[i])
		if a[i] != nil && b[i] != nil {
			n = f(a[i], b[i])
		}
		if n != 0 {
			return n
		}
	}
	return 0
}

// compare orders two values of one type, or two numbers.
func compare(a, b any) int {
	switch a := a.(type) {
	case string:
		return cmp.Compare(a, b.(string))
	case int64:
		if b, ok := b.(int64); ok {
			return cmp.Compare(a, b)
		}
		return cmp.Compare(float64(a), b.(float64))
	case float64:
		return cmp.Compare(a, toFloat(b))
	case bool:
		return cmp.Compare(toInt(a), toInt(b.(bool)))
	case netip.Addr:
		return a.Compare(b.(netip.Addr))
	case time.Time:
		return a.Compare(b.(time.Time))
	case json.RawMessage:
		return bytes.Compare(a, b.(json.RawMessage))
	}
	return 0
}

func toFloat(v any) float64 {
	if n, ok := v.(int64); ok {
		return float64(n)
	}
	return v.(float64)
}

func toInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// appendKey appends bytes that are the same for equal values of one column and
// for no others.
func appendKey(key []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(key, 0)
	case string:
		key = binary.AppendUvarint(append(key, 1), uint64(len(v)))
		return append(key, v...)
	case int64:
		return binary.BigEndian.AppendUint64(append(key, 2), uint64(v))
	case float64:
		return binary.BigEndian.AppendUint64(append(key, 3), math.Float64bits(v+0)) // -0 is 0
	case bool:
		return append(key, 4, byte(toInt(v)))
	case netip.Addr:
		b, _ := v.MarshalBinary() // never fails
		return append(append(key, 5, byte(len(b))), b...)
	case time.Time:
		return binary.BigEndian.AppendUint64(append(key, 6), uint64(v.UnixMicro()))
	case []any:
		key = binary.AppendUvarint(append(key, 7), uint64(len(v)))
		for _, e := range v {
			key = appendKey(key, e)
		}
		return key
	case query.Record:
		for _, e := range v {
			key = appendKey(key, e)
		}
		return key
	case json.RawMessage:
		key = binary.AppendUvarint(append(key, 8), uint64(len(v)))
		return append(key, v...)
	}
	return key
}
