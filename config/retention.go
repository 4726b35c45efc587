package config

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/weir-nta/weir/query"
)

// Retention says what the store of a program that listens need not keep.
type Retention struct {
	Age  Age   `yaml:"age"`  // how long records are kept at least, such as 30d; they go by the day; 0 for as long as there is room
	Size Bytes `yaml:"size"` // what the store may take, such as 50GB: beyond it the oldest records go; 0 for any
}

// DefaultRetention bounds the size alone, so that a listener that nobody looks
// after does not fill the disk. By age it deletes nothing that nobody told it to.
var DefaultRetention = Retention{Size: 50e9}

// An Age is a time that may be told in days and weeks.
type Age time.Duration

// UnmarshalText reads a time as the hunting language writes it.
func (a *Age) UnmarshalText(text []byte) error {
	if string(text) == "0" {
		*a = 0
		return nil
	}
	d, err := query.ParseDuration(string(text))
	switch {
	case err != nil:
		return fmt.Errorf("%q is no time: want one such as 30d or 12h", text)
	case d < 0:
		return fmt.Errorf("got %s, want a time of 0 or more", text)
	}
	*a = Age(d)
	return nil
}

// Bytes is a size that may be told with a unit.
type Bytes int64

var sized = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?) ?([kKMGT]?)(i?)B?$`)

// UnmarshalText reads a number of bytes such as 500000, 50GB (10⁹) or 50GiB (2³⁰).
func (b *Bytes) UnmarshalText(text []byte) error {
	m := sized.FindStringSubmatch(strings.TrimSpace(string(text)))
	if m == nil {
		return fmt.Errorf("%q is no size: want one such as 50GB or 500MiB", text)
	}
	base := 1000.0
	if m[3] != "" {
		base = 1024
	}
	n, err := strconv.ParseFloat(m[1], 64)
	if m[2] != "" {
		n *= math.Pow(base, float64(strings.Index(" KMGT", strings.ToUpper(m[2]))))
	}
	if err != nil || n >= math.MaxInt64 {
		return fmt.Errorf("%q is more than there is", text)
	}
	*b = Bytes(n)
	return nil
}
