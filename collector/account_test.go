package collector

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/weir-nta/weir"
)

// A sender is an exporter that numbers what it sends as its format wants, and
// a network that loses, doubles and reorders it.
type sender struct {
	host    byte
	kind    kind
	first   *uint32 // number of the next record of all senders
	numbers uint32
	boot    time.Time

	out []arriving

	// What the test knows that became of what:
	records, lostRecords, lostUnits, copies, restarts uint64
}

type arriving struct {
	b  []byte
	at time.Time
}

const perDatagram = 20

// datagram writes the next datagram.
func (s *sender) datagram(at time.Time) (b []byte, records, units uint32) {
	first, n := *s.first, s.numbers
	records = perDatagram
	up := at.Sub(s.boot)
	switch s.kind {
	case netflow5:
		b, units = v5Up(at, n, first, 0, perDatagram, up), perDatagram
	case netflow9:
		ms := uint32(up / time.Millisecond)
		b, units = v9(at, n, 7, up, perDatagram, dataSet(256, first, perDatagram, ms-900, ms-100)), 1
	case ipfix:
		b, units = ipfixData(at, n, 7, 256, first, perDatagram), perDatagram
	}
	*s.first += records
	s.numbers += units
	s.records += uint64(records)
	return b, records, units
}

func (s *sender) template(at time.Time) {
	switch s.kind {
	case netflow9:
		s.out = append(s.out, arriving{v9(at, s.numbers, 7, at.Sub(s.boot), 1, templateSet(0, 256, v9Fields)), at})
		s.numbers++
	case ipfix:
		s.out = append(s.out, arriving{ipfixTemplate(at, s.numbers, 7, 256), at})
	}
}

// run has s send for some minutes through a bad network.
func (s *sender) run(rng *rand.Rand, datagrams int) {
	at := epoch
	s.boot = at.Add(-time.Hour)
	s.template(at)
	for i := range datagrams {
		at = at.Add(100 * time.Millisecond)
		if i == datagrams/2 { // begins anew
			at = at.Add(30 * time.Second)
			s.boot, s.numbers = at.Add(-2*time.Second), 0
			s.restarts++
			s.template(at)
		}
		b, records, units := s.datagram(at)
		// The border datagrams of a run have to come, or nobody could know.
		border := i == 0 || i == datagrams-1 || i == datagrams/2 || i == datagrams/2-1
		switch n := rng.IntN(20); {
		case border || n > 5:
			s.out = append(s.out, arriving{b, at})
		case n <= 1:
			s.lostRecords += uint64(records)
			s.lostUnits += uint64(units)
		case n == 2:
			s.out = append(s.out, arriving{b, at}, arriving{b, at})
			s.copies++
		case len(s.out) > 3 && i != datagrams/2+1: // comes before the one before
			last := len(s.out) - 1
			s.out = append(s.out[:last], arriving{b, at}, s.out[last])
		default:
			s.out = append(s.out, arriving{b, at})
		}
	}
}

// TestAccounts sends what exporters of three formats send, through a network
// that loses, doubles and reorders datagrams, to a collector that is restarted:
// each record is kept, or in a counter.
func TestAccounts(t *testing.T) {
	var first uint32
	var senders []*sender
	for i, k := range []kind{netflow5, netflow9, ipfix, netflow9, ipfix, netflow5} {
		s := &sender{host: byte(i + 1), kind: k, first: &first}
		s.run(rand.New(rand.NewPCG(uint64(i), 4)), 400)
		senders = append(senders, s)
	}
	dir := t.TempDir()
	var all stored
	var n Counters
	for half := range 2 {
		c := newCollector(t, func(c *Config) { c.StateDir = dir })
		var wg sync.WaitGroup
		for _, s := range senders {
			part := s.out[:len(s.out)/4] // the collector ends before the exporters do, and is started again
			if half == 1 {
				part = s.out[len(s.out)/4:]
			}
			wg.Go(func() {
				for _, d := range part {
					c.Datagram(d.b, from(s.host, 2000), d.at)
				}
			})
		}
		wg.Wait()
		if err := c.CloseEach(all.take); err != nil {
			t.Fatal(err)
		}
		m := c.Counters()
		n.Datagrams += m.Datagrams
		n.Records += m.Records
		n.Lost += m.Lost
		n.Duplicated += m.Duplicated
		n.Reordered += m.Reordered
		n.Restarts += m.Restarts
		n.Malformed += m.Malformed + m.Unknown + m.HeldLost + m.StateErrors
		if m.Stitch.Records != m.Records || m.Stitch.Joined+m.Stitch.Duplicates+m.Stitch.Mirrored+m.Stitch.Unusable != m.Records {
			t.Errorf("stitched %+v, want the %d records that were decoded", m.Stitch, m.Records)
		}
	}
	var sent, lost, units, copies, restarts uint64
	for _, s := range senders {
		sent, lost, units = sent+s.records, lost+s.lostRecords, units+s.lostUnits
		copies, restarts = copies+s.copies, restarts+s.restarts
	}
	if n.Records != sent-lost || uint64(len(all.flows)) != sent-lost || all.twice != 0 {
		t.Errorf("%d records decoded, %d flows kept, %d of them twice; want %d, all that were sent (%d) but those lost (%d)",
			n.Records, len(all.flows), all.twice, sent-lost, sent, lost)
	}
	// Where the collector was restarted, what was lost or late at the border
	// cannot be known: at most a datagram or two of each exporter.
	border := uint64(len(senders)) * 2 * perDatagram
	if n.Lost > units+border || n.Lost+border < units {
		t.Errorf("%d lost by the numbers, want %d but for the border", n.Lost, units)
	}
	if n.Duplicated != copies && n.Duplicated+6 < copies || n.Restarts != restarts || n.Reordered == 0 || n.Malformed != 0 {
		t.Errorf("counters %+v, want %d copies, %d restarts, some reordered and none malformed", n, copies, restarts)
	}
	rows := all.sum(func(e *weir.Exporter) uint64 { return e.Records })
	flows := all.sum(func(e *weir.Exporter) uint64 { return e.Flows })
	if rows != n.Records || flows != n.Records || all.sum(func(e *weir.Exporter) uint64 { return e.Lost }) != n.Lost {
		t.Errorf("rows tell of %d records and %d flows, want %d", rows, flows, n.Records)
	}
}

// TestStateCannotBeWritten takes the folder away: that is counted.
func TestStateCannotBeWritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gone")
	c := newCollector(t, func(c *Config) { c.StateDir = dir })
	c.Datagram(v9Template(epoch, 1, 7, 256), from(1, 1), epoch)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	closed(t, c)
	if n := c.Counters(); n.StateErrors != 1 {
		t.Errorf("%d errors of the state, want 1", n.StateErrors)
	}
}
