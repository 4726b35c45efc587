package nfcapd

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/weir-nta/weir/decode/nfcapd"
	"github.com/weir-nta/weir/source"
)

// A tally is what a source has met so far.
type tally struct {
	files   int64 // of nfdump's opened
	read    int64 // records of flows
	records int64 // handed on
	stats   nfcapd.Stats

	leftOut      int64 // files in folders that are not nfdump's
	leftOutNames []string
}

// finish adds up what a file had.
func (t *tally) finish(s nfcapd.Stats) {
	t.stats.Lost += s.Lost
	t.stats.Unknown += s.Unknown
	t.stats.Damaged += s.Damaged
	t.stats.NoMap += s.NoMap
	t.stats.Unscaled += s.Unscaled
}

// maxNames is how many files are named in a note.
const maxNames = 3

func (t *tally) leaveOut(path string) {
	t.leftOut++
	if len(t.leftOutNames) < maxNames {
		t.leftOutNames = append(t.leftOutNames, filepath.Base(path))
	}
}

// publish makes the state of things known to Progress.
func (s *Source) publish() {
	t := s.tally
	t.leftOutNames = slices.Clone(t.leftOutNames)
	s.mu.Lock()
	s.published = t
	s.mu.Unlock()
}

// Progress tells how far Run has got. Packets are records of flows as they lie
// in the files, and Records what they became. Both, and Notes, are up to date
// to some thousand records, and exact when Run has returned.
func (s *Source) Progress() source.Progress {
	s.mu.Lock()
	t := s.published
	s.mu.Unlock()
	n := s.collector.Quick()
	return source.Progress{
		Bytes:   s.bytes.Load(),
		Total:   s.total,
		Packets: t.read,
		Unit:    "flow records",
		Records: t.records,
		Skipped: int64(t.stats.Damaged),
		Notes:   append(t.notes(), n.Notes()...),
	}
}

// notes says in sentences what the user should know.
func (t *tally) notes() []string {
	var out []string
	say := func(n uint64, format string) {
		if n > 0 {
			out = append(out, fmt.Sprintf(format, n))
		}
	}
	say(t.stats.Lost, "datagrams of exporters that nfdump's collector missed by their numbers: %d")
	say(t.stats.Unscaled, "sampled records whose rate the files do not tell: %d, counted as nfdump has scaled them")
	say(t.stats.NoMap, "records whose extensions cannot be read, for want of their map: %d")
	say(t.stats.Unknown, "extensions of records that are not known: %d, left out")
	say(t.stats.Damaged, "records and blocks that contradict themselves: %d, left out")
	if t.leftOut > 0 {
		list := strings.Join(t.leftOutNames, ", ")
		if more := t.leftOut - int64(len(t.leftOutNames)); more > 0 {
			list += fmt.Sprintf(" and %d more", more)
		}
		out = append(out, fmt.Sprintf("files that are not nfdump's: %d, left out: %s", t.leftOut, list))
	}
	return out
}
