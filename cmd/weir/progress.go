package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/weir-nta/weir/source"
)

// How often progress is told: on a terminal a line is drawn over, elsewhere
// lines add up.
const (
	drawEvery  = 200 * time.Millisecond
	printEvery = 10 * time.Second
	// estimateAfter is when there is enough to estimate the time left by.
	estimateAfter = 3 * time.Second
)

// A progress tells on stderr how far sources have got.
type progress struct {
	w        io.Writer
	style    string // "bar", "lines", "json" or "none"
	of       func() source.Progress
	started  time.Time
	lastLen  int
	done     chan struct{}
	finished sync.WaitGroup
}

func startProgress(w io.Writer, style string, of func() source.Progress) *progress {
	p := &progress{w: w, style: style, of: of, started: time.Now(), done: make(chan struct{})}
	if style == "none" {
		return p
	}
	every := printEvery
	if style != "lines" {
		every = drawEvery
	}
	p.finished.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				p.tell()
			case <-p.done:
				return
			}
		}
	})
	return p
}

// stop ends the telling and leaves the line of a terminal empty.
func (p *progress) stop() {
	close(p.done)
	p.finished.Wait()
	if p.style == "bar" && p.lastLen > 0 {
		fmt.Fprintf(p.w, "\r%s\r", strings.Repeat(" ", p.lastLen))
	}
}

func (p *progress) tell() {
	now := p.of()
	elapsed := time.Since(p.started)
	switch p.style {
	case "json":
		_ = json.NewEncoder(p.w).Encode(map[string]any{
			"v": 1, "type": "progress", "bytes": now.Bytes, "total": now.Total, "packets": now.Packets, "unit": cmp.Or(now.Unit, "packets"),
			"records": now.Records, "skipped": now.Skipped, "dropped": now.Dropped, "seconds": elapsed.Seconds(),
		})
	case "lines":
		fmt.Fprintln(p.w, progressLine(now, elapsed))
	default:
		line := progressLine(now, elapsed)
		line = line[:min(len(line), p.columns())]
		fmt.Fprintf(p.w, "\r%s%s", line, strings.Repeat(" ", max(0, p.lastLen-len(line))))
		p.lastLen = len(line)
	}
}

// columns returns how long a line may be that is to be drawn over: one that
// the terminal breaks would stay. The terminal may change while it is drawn.
func (p *progress) columns() int {
	if f, ok := p.w.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 1 {
			return width - 1
		}
	}
	return 79
}

// progressLine says how far, how fast and, once it can be known, how long yet.
func progressLine(p source.Progress, elapsed time.Duration) string {
	rate := float64(p.Bytes) / max(elapsed.Seconds(), 0.001)
	read := fmt.Sprintf("read %s  %s  %s/s", amount(p), several(p.Records, "records"), size(int64(rate)))
	if p.Dropped > 0 {
		read += "  " + count(p.Dropped) + " dropped"
	}
	if p.Total == 0 {
		return read
	}
	share := min(1, float64(p.Bytes)/float64(p.Total))
	const cells = 12 // leaves room for the rest in 80 columns
	full := int(share * cells)
	line := fmt.Sprintf("[%s%s] %3.0f %%  %s", strings.Repeat("#", full), strings.Repeat(".", cells-full), 100*share, read)
	if elapsed >= estimateAfter && share > 0 {
		left := time.Duration(float64(elapsed) * (1 - share) / share)
		line += "  " + left.Round(time.Second).String() + " left"
	}
	return line
}

// amount writes how much was read, in what the source counts by.
func amount(p source.Progress) string {
	return several(p.Packets, cmp.Or(p.Unit, "packets"))
}

// several writes n of things that are named in the plural.
func several(n int64, things string) string {
	if n == 1 {
		things = strings.TrimSuffix(things, "s")
	}
	return count(n) + " " + things
}

// count writes n with commas between the thousands.
func count(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// size writes a number of bytes in decimal units, as the hunting language reads them.
func size(n int64) string {
	units := []string{"B", "kB", "MB", "GB", "TB"}
	f, i := float64(n), 0
	for f >= 1000 && i < len(units)-1 {
		f, i = f/1000, i+1
	}
	if i == 0 || f >= 100 {
		return fmt.Sprintf("%.0f %s", math.Floor(f), units[i])
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}
