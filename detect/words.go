package detect

import (
	"fmt"
	"strconv"
)

// Percent writes a ratio as "4 %".
func Percent(ratio float64) string { return fmt.Sprintf("%.0f %%", 100*ratio) }

// Volume writes a number of bytes as "839 kB", in decimal units as the hunting
// language reads them.
func Volume[N int | uint64 | float64](n N) string {
	bytes := float64(n)
	for _, unit := range []string{"B", "kB", "MB", "GB"} {
		if bytes < 999.5 {
			return fmt.Sprintf("%.3g %s", bytes, unit)
		}
		bytes /= 1000
	}
	return fmt.Sprintf("%.1f TB", bytes)
}

// Thousands writes n, which is not negative, as "1,371".
func Thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
