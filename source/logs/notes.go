package logs

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/binetflow"
	"github.com/weir-nta/weir/decode/eve"
	"github.com/weir-nta/weir/decode/zeek"
	"github.com/weir-nta/weir/source"
)

// A tally is what a source has met so far.
type tally struct {
	files   int64
	lines   int64
	records int64 // handed on
	tooLong int64
	bad     int64
	badList []string // the first of them

	leftOut      int64
	leftOutNames []string
	alone        int64
	late         int64
	cut          int64 // logs truncated while they were read
	skipped      int64 // files that were known by another name

	// What publish adds.
	zeek  zeek.Counters
	eve   eve.Counters
	argus binetflow.Counters
	early uint64
	join  zeek.JoinCounters // when all has been read: to count those that wait takes time
}

// maxNames is how many files or lines are named in a note.
const maxNames = 3

func (t *tally) leaveOut(path string) {
	t.leftOut++
	if len(t.leftOutNames) < maxNames {
		t.leftOutNames = append(t.leftOutNames, filepath.Base(path))
	}
}

// badLine counts a line that could not be read.
func (t *tally) badLine(f *file, err error) {
	t.bad++
	if len(t.badList) < maxNames {
		t.badList = append(t.badList, fmt.Sprintf("%s line %d: %v", f.name(), f.line, err))
	}
}

// publish makes the state of things known to Progress.
func (s *Source) publish() {
	t := s.tally
	t.badList, t.leftOutNames = slices.Clone(t.badList), slices.Clone(t.leftOutNames)
	t.zeek = s.decoders.counters()
	if s.decoders.eve != nil {
		t.eve = s.decoders.eve.Counters()
		t.eve.Types = maps.Clone(t.eve.Types)
	}
	for _, a := range s.decoders.argus {
		c := a.Counters()
		t.argus.Headers += c.Headers
		t.argus.Flows += c.Flows
		t.argus.Skipped += c.Skipped
	}
	t.early = s.hold.early
	s.mu.Lock()
	s.published = t
	s.mu.Unlock()
}

// Progress tells how far Run has got. Bytes are counted as they lie on disk,
// compressed if they are; Packets are lines. All but Bytes is up to date to
// some thousand lines, and exact when Run has returned.
func (s *Source) Progress() source.Progress {
	s.mu.Lock()
	t := s.published
	s.mu.Unlock()
	return source.Progress{
		Bytes: s.bytes.Load(), Total: s.total.Load(), Packets: t.lines, Unit: "lines", Records: t.records, Skipped: t.bad, Notes: t.notes(),
	}
}

// notes says in sentences what the user should know. Every line is in the first.
func (t *tally) notes() []string {
	var out []string
	say := func(n int64, format string, args ...any) {
		if n > 0 {
			out = append(out, fmt.Sprintf(format, args...))
		}
	}
	untold := int64(t.eve.Unused + t.argus.Skipped)
	for _, n := range t.zeek.Skipped {
		untold += int64(n)
	}
	became := []string{thousands(int64(t.zeek.Records+t.eve.Used+t.argus.Flows)) + " became records or parts of one"}
	of := func(n int64, what string) {
		if n > 0 {
			became = append(became, thousands(n)+" "+what)
		}
	}
	of(int64(t.zeek.Joined), "told of handshakes and certificates")
	of(int64(t.zeek.Headers+t.argus.Headers), "of headers")
	of(untold, "of kinds without a table")
	of(int64(t.eve.Duplicates), "told what others had told")
	of(t.bad, "damaged")
	say(t.lines, "lines: %s in %s: %s", thousands(t.lines), logsIn(t.files), strings.Join(became, ", "))
	say(t.bad, "damaged lines: %s, first %s", thousands(t.bad), strings.Join(t.badList, "; "))
	say(untold, "lines without a table: %s", kindList(t))
	say(t.leftOut, "files that are empty or no logs: %s, left out: %s", thousands(t.leftOut), t.leftOutList())
	say(t.skipped, "files that had been read by another name, before they were rotated: %s", thousands(t.skipped))
	say(t.cut, "logs truncated while they were being read: %s", thousands(t.cut))
	say(t.alone+int64(t.eve.Alone), "conversations of which no conn.log or flow event told: %s, made without bytes and packets", thousands(t.alone+int64(t.eve.Alone)))
	say(int64(t.join.Forgotten), "handshakes forgotten before their conversation was logged: %s (max_join)", thousands(int64(t.join.Forgotten)))
	say(int64(t.early), "conversations handed on before their time, because too many were open: %s", thousands(int64(t.early)))
	say(t.late, "conversations that came later than any should: %s", thousands(t.late))
	return out
}

// logsIn says how many logs.
func logsIn(n int64) string {
	if n == 1 {
		return "1 log"
	}
	return thousands(n) + " logs"
}

// kindList names the logs and events that there is no table for, the most first.
func kindList(t *tally) string {
	type kind struct {
		name string
		n    uint64
	}
	var all []kind
	for name, n := range t.zeek.Skipped {
		all = append(all, kind{name, n})
	}
	if t.eve.Unused > 0 {
		all = append(all, kind{"events of Suricata", t.eve.Unused})
	}
	if t.argus.Skipped > 0 {
		all = append(all, kind{"flows of Argus that are no IP", t.argus.Skipped})
	}
	slices.SortFunc(all, func(a, b kind) int { return cmp.Or(cmp.Compare(b.n, a.n), strings.Compare(a.name, b.name)) })
	var list []string
	const most = 40 // Zeek has some eighty logs; few sensors write half of them
	for i, k := range all {
		if i == most {
			list = append(list, "…")
			break
		}
		list = append(list, k.name+" "+thousands(int64(k.n)))
	}
	return strings.Join(list, ", ")
}

func (t *tally) leftOutList() string {
	list := strings.Join(t.leftOutNames, ", ")
	if more := t.leftOut - int64(len(t.leftOutNames)); more > 0 {
		list += fmt.Sprintf(" and %s more", thousands(more))
	}
	return list
}

// thousands writes n with commas.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// health is what the table exporter is told of the logs, by who wrote them.
type health [formats]sums

type sums struct {
	lines, bytes, records, flows, bad uint64
	since, seen                       time.Time
	sensor                            string // that the last flow or question carried
}

func (c *sums) saw(t time.Time) {
	if c.since.IsZero() {
		c.since = t
	}
	c.seen = t
}

// report adds the rows to the batch and begins anew. Of logs that are read
// after the fact nobody knows when they arrived: their time is that of the
// traffic. Those that are followed have that of the clock.
func (h *health) report(s *Source) {
	for f := zeekLog; f < formats; f++ {
		c := &h[f]
		if c.lines == 0 {
			continue
		}
		row := weir.Exporter{
			Time: c.seen, Since: c.since, Seen: c.seen, Sensor: c.sensor, Input: strings.Join(s.c.Inputs, " "), Kind: f.String(),
			Datagrams: c.lines, Bytes: c.bytes, Records: c.records, Flows: c.flows, DroppedDecoder: c.bad,
		}
		if row.Sensor == "" {
			row.Sensor = cmp.Or(s.c.Sensor, f.String())
		}
		if s.follower != nil {
			row.Since, row.Time = s.follower.reported, time.Now()
			row.Seen = row.Time
		}
		if d := row.Time.Sub(row.Since).Seconds(); d > 0 {
			row.Rate = float64(row.Records) / d
		}
		s.batch.Exporters = append(s.batch.Exporters, row)
		*c = sums{}
	}
}
