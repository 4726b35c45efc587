package query

import (
	"fmt"
	"strconv"
	"time"
)

// ParseTime reads a time as the language writes it: 2026-11-20, with T08:00,
// seconds, their parts and a zone behind it as wanted. Without a zone it is UTC.
func ParseTime(text string) (time.Time, error) {
	if reTime.FindString(piece(text)) != text || text == "" {
		return time.Time{}, fmt.Errorf("%q is not a time: want 2026-11-20T08:00Z or the like", text)
	}
	return parseTime(text)
}

// ParseDuration reads a duration as the language writes it, such as 24h or 30d.
func ParseDuration(text string) (time.Duration, error) {
	m := reDuration.FindStringSubmatch(piece(text))
	if m == nil || m[0] != text {
		return 0, fmt.Errorf("%q is not a duration: want 24h, 30d or the like", text)
	}
	seconds := parseFloat(m[1]) * durationUnits[m[2]]
	if seconds > maxDuration {
		return 0, fmt.Errorf("%q is more than 100 years", text)
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

// FormatDuration writes a duration as the language does, in the largest unit
// that it is a whole number of.
func FormatDuration(d time.Duration) string {
	for _, u := range []struct {
		name string
		of   time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}} {
		if d >= u.of && d%u.of == 0 {
			return strconv.FormatInt(int64(d/u.of), 10) + u.name
		}
	}
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + "s"
}
