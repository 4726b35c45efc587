package weir

import (
	"encoding/json"
	"math"
	"time"
)

// The helpers of the generated Value and Set methods.

func toInt(n uint64) int64 { return int64(min(n, math.MaxInt64)) }

// seconds keeps microseconds, as all times of records do.
func seconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1e6 }

func fromSeconds(s float64) time.Duration {
	return time.Duration(math.Round(s*1e6)) * time.Microsecond
}

// toUint sets dst to v, or returns false where v does not fit.
func toUint[U ~uint8 | ~uint16 | ~uint32 | ~uint64](dst *U, v int64) bool {
	*dst = U(v)
	return v >= 0 && uint64(v) == uint64(*dst)
}

func anyStrings(list []string) any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

func anyInts[T int32 | uint32](list []T) any {
	out := make([]any, len(list))
	for i, n := range list {
		out[i] = int64(n)
	}
	return out
}

func toStrings(list []any) ([]string, bool) {
	out := make([]string, len(list))
	for i, v := range list {
		s, ok := v.(string)
		if !ok {
			return nil, false
		}
		out[i] = s
	}
	return out, true
}

func toInts[T int32 | uint32](dst *[]T, list []any) bool {
	out := make([]T, len(list))
	for i, v := range list {
		n, ok := v.(int64)
		if out[i] = T(n); !ok || int64(out[i]) != n {
			return false
		}
	}
	*dst = out
	return true
}

// rawJSON cannot fail: checks and terms hold strings, booleans and finite numbers.
func rawJSON(v any) any {
	b, err := json.Marshal(v)
	if err != nil {
		return json.RawMessage("[]")
	}
	return json.RawMessage(b)
}
