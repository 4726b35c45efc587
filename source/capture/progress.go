package capture

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
	"github.com/weir-nta/weir/decode/packet"
	"github.com/weir-nta/weir/meter"
	"github.com/weir-nta/weir/source"
)

// A tally is what a source has met so far.
type tally struct {
	files   int64 // captures opened
	packets int64
	records int64
	decoded packet.Counters
	metered meter.Counters
	links   map[packet.LinkType]int64 // packets of link types that are not decoded

	cut     int64 // packets of which not all was captured
	snaplen int   // the most that was captured of one of them

	first, latest int64 // times of packets
	flows         int64 // among the records

	last     int64 // time of the packet before, in the same file
	started  bool
	back     int64         // packets older than the one before
	backMost time.Duration // by how much at most

	untimed    int64
	unplaced   int64
	interfaces int // the most in one file

	leftOut      int64 // files in folders that are no captures
	leftOutNames []string
}

func newTally() tally { return tally{links: map[packet.LinkType]int64{}} }

// begin forgets the time of the last packet: files need not be in order.
func (t *tally) begin() { t.started = false }

// packet counts one packet.
func (t *tally) packet(r *Record) {
	if t.packets == 0 {
		t.first, t.latest = r.TS, r.TS
	}
	t.first, t.latest = min(t.first, r.TS), max(t.latest, r.TS)
	t.packets++
	if len(r.Data) < r.WireLen {
		t.cut++
		t.snaplen = max(t.snaplen, len(r.Data))
	}
	if t.started && r.TS < t.last {
		t.back++
		t.backMost = max(t.backMost, time.Duration(t.last-r.TS))
	}
	t.last, t.started = r.TS, true
}

// finish counts what a file had besides packets.
func (t *tally) finish(s Stats) {
	t.untimed += s.Untimed
	t.unplaced += s.Unplaced
	t.interfaces = max(t.interfaces, s.Interfaces)
}

// maxNames is how many files are named in a note.
const maxNames = 3

func (t *tally) leaveOut(path string) {
	t.leftOut++
	if len(t.leftOutNames) < maxNames {
		t.leftOutNames = append(t.leftOutNames, filepath.Base(path))
	}
}

// health is what the captures were as a source of records, for the table of
// exporters.
func (s *Source) health() *weir.Batch {
	t, d, m := &s.tally, s.decoder.Counters(), s.meter.Counters()
	row := weir.Exporter{
		Time: time.Unix(0, t.latest).UTC(), Since: time.Unix(0, t.first).UTC(), Seen: time.Unix(0, t.latest).UTC(),
		Sensor: s.config.Meter.Sensor, Input: strings.Join(s.config.Inputs, " "), Kind: "pcap",
		Datagrams: uint64(t.packets), Bytes: uint64(s.bytes.Load()), Records: uint64(t.records), Flows: uint64(t.flows),
		DroppedDecoder: uint64(d.Short+d.BadHeaders+d.BadLinks) + uint64(t.unplaced),
		DroppedLimit:   m.Limited(),
	}
	if d := row.Time.Sub(row.Since).Seconds(); d > 0 {
		row.Rate = float64(row.Records) / d
	}
	return &weir.Batch{Exporters: []weir.Exporter{row}}
}

// publish makes the state of things known to Progress.
func (s *Source) publish() {
	t := s.tally
	t.decoded, t.metered = s.decoder.Counters(), s.meter.Counters()
	t.links = maps.Clone(t.links)
	t.leftOutNames = slices.Clone(t.leftOutNames)
	s.mu.Lock()
	s.published = t
	s.mu.Unlock()
}

// Progress tells how far Run has got. Bytes are counted as they lie on disk,
// compressed if they are; Packets and Notes are up to date to some thousand
// packets, and exact when Run has returned.
func (s *Source) Progress() source.Progress {
	s.mu.Lock()
	t, col := s.published, s.exports.collector
	s.mu.Unlock()
	d := &t.decoded
	return source.Progress{
		Bytes:   s.bytes.Load(),
		Total:   s.total,
		Packets: t.packets,
		Records: t.records,
		Skipped: int64(d.Short+d.BadHeaders+d.BadLinks) + t.unplaced,
		Notes:   append(t.notes(), exportNotes(col)...),
	}
}

// notes says in sentences what the user should know.
func (t *tally) notes() []string {
	var out []string
	say := func(n int64, format string, args ...any) {
		if n > 0 {
			out = append(out, fmt.Sprintf(format, args...))
		}
	}
	d := &t.decoded
	say(t.cut, "cut packets: %s of %s (snaplen %d)", thousands(t.cut), thousands(t.packets), t.snaplen)
	other := int64(d.NotIP - d.Frames)
	say(other, "packets that are neither IP nor ARP, LLDP or CDP: %s, not analysed", thousands(other))
	for _, l := range slices.SortedFunc(maps.Keys(t.links), func(a, b packet.LinkType) int { return cmp.Compare(a, b) }) {
		say(1, "packets of a link type that cannot be read, %v: %s", l, thousands(t.links[l]))
	}
	say(int64(d.Short), "packets that end within their headers: %s", thousands(int64(d.Short)))
	say(int64(d.BadHeaders), "packets with malformed headers: %s", thousands(int64(d.BadHeaders)))
	say(int64(d.TooDeep), "packets in more than four tunnels: %s", thousands(int64(d.TooDeep)))
	say(int64(d.OrphanFragments), "fragments of which the first was not seen: %s, counted without ports", thousands(int64(d.OrphanFragments)))
	say(t.back, "packets with an earlier time than the one before: %s, by %v at most", thousands(t.back), rounded(t.backMost))
	say(t.untimed, "packets without a time: %s, given that of the packet before", thousands(t.untimed))
	say(t.unplaced, "packets of an interface that is not described: %s, left out", thousands(t.unplaced))
	for _, limited := range t.metered.Notes() {
		say(1, "%s", limited)
	}
	if t.interfaces > 1 {
		say(1, "several interfaces in one capture: %d, analysed as one network", t.interfaces)
	}
	say(t.leftOut, "files that are no captures: %s, left out: %s", thousands(t.leftOut), t.leftOutList())
	return out
}

func (t *tally) leftOutList() string {
	list := strings.Join(t.leftOutNames, ", ")
	if more := t.leftOut - int64(len(t.leftOutNames)); more > 0 {
		list += fmt.Sprintf(" and %s more", thousands(more))
	}
	return list
}

// rounded leaves three digits of a second, or of less than one all there are.
func rounded(d time.Duration) time.Duration {
	if d < time.Second {
		return d
	}
	return d.Round(time.Millisecond)
}

// thousands writes n with commas.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
