package detect

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// BenignVersion is that of the list of benign periodic traffic.
const BenignVersion = "2026-11"

//go:embed benign.tsv
var benignText string

// A Benign is one entry of the list of traffic that is periodic for a good
// reason. It covers only conversations of the interval and the size that the
// reason explains: who hides behind a covered name must keep to both.
type Benign struct {
	Class    string        // such as "update" or "push"
	Match    string        // a domain with all below it, and ":port" for one port only; or "port/proto" with any address
	Min, Max time.Duration // how far apart its conversations are
	MaxBytes float64       // how large one is at most, both ways
}

// BenignPeriodic returns the list, in the order of its file.
var BenignPeriodic = sync.OnceValue(func() []Benign {
	list, err := parseBenign(benignText)
	if err != nil {
		panic(err) // the list is part of the program, and a test reads it
	}
	return list
})

// IsBenignPeriodic returns the first entry that explains why conversations
// with svc, as [Service] names it, are interval apart and bytes large. A
// pattern without interval or size fits none.
func IsBenignPeriodic(svc string, interval time.Duration, bytes float64) (Benign, bool) {
	if interval <= 0 || bytes <= 0 {
		return Benign{}, false
	}
	for _, e := range BenignPeriodic() {
		if e.matches(svc) && interval >= e.Min && interval <= e.Max && bytes <= e.MaxBytes {
			return e, true
		}
	}
	return Benign{}, false
}

func (e *Benign) matches(svc string) bool {
	if strings.Contains(e.Match, "/") { // port/proto: only where no name is known
		i := strings.LastIndexByte(svc, ':')
		return i >= 0 && svc[i+1:] == e.Match
	}
	domain, port, withPort := strings.Cut(e.Match, ":")
	host, svcPort, ok := strings.Cut(svc, ":")
	if !ok || withPort && port != svcPort {
		return false
	}
	return host == domain || strings.HasSuffix(host, domain) && host[len(host)-len(domain)-1] == '.'
}

func parseBenign(text string) ([]Benign, error) {
	var list []Benign
	for i, line := range strings.Split(text, "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		e, err := parseBenignLine(line)
		if err != nil {
			return nil, fmt.Errorf("benign.tsv:%d: %w", i+1, err)
		}
		list = append(list, e)
	}
	return list, nil
}

func parseBenignLine(line string) (Benign, error) {
	f := strings.Fields(line)
	if len(f) != 5 {
		return Benign{}, fmt.Errorf("got %d columns, want 5", len(f))
	}
	e := Benign{Class: f[0], Match: f[1]}
	var err error
	if e.Min, err = time.ParseDuration(f[2]); err != nil {
		return e, err
	}
	if e.Max, err = time.ParseDuration(f[3]); err != nil {
		return e, err
	}
	if e.MaxBytes, err = strconv.ParseFloat(f[4], 64); err != nil {
		return e, err
	}
	if e.Min <= 0 || e.Max <= e.Min || e.MaxBytes <= 0 {
		return e, fmt.Errorf("%s: interval %v to %v, %g bytes", e.Match, e.Min, e.Max, e.MaxBytes)
	}
	return e, nil
}
