package memory_test

import (
	"encoding/json"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/query"
)

// hasType says whether v is what a column may hold.
func hasType(v any, c query.Column) bool {
	switch v := v.(type) {
	case nil:
		return true
	case query.Record:
		if len(v) != len(c.Fields) {
			return false
		}
		for i, f := range c.Fields {
			if !hasType(v[i], f) {
				return false
			}
		}
		return true
	case []any:
		if !c.List || len(v) == 0 {
			return false
		}
		c.List = false
		return !slices.ContainsFunc(v, func(e any) bool { return e == nil || !hasType(e, c) })
	}
	if c.List || c.Fields != nil {
		return false
	}
	switch v := v.(type) {
	case string:
		return c.Type == weir.String && (c.Enum == nil || slices.Contains(c.Enum, v))
	case int64:
		return c.Type == weir.Int
	case float64:
		return (c.Type == weir.Float || c.Type == weir.Duration) && !math.IsInf(v, 0) && !math.IsNaN(v)
	case bool:
		return c.Type == weir.Bool
	case netip.Addr:
		return c.Type == weir.Addr
	case time.Time:
		return c.Type == weir.Time && v.Location() == time.UTC && v.Nanosecond()%1000 == 0
	case json.RawMessage:
		return c.Type == weir.JSON
	}
	return false
}
