package collector

import (
	"fmt"
	"strconv"
	"sync/atomic"

	"github.com/weir-nta/weir/stitch"
)

// Counters say what a collector has done so far. Each datagram given to it is
// decoded, or in one of Unknown, NotAllowed, TooManyExporters, TooManyDomains
// and Duplicated. Each record decoded is in Records, and all of these in
// Stitch, once they have been put together.
type Counters struct {
	Datagrams uint64 // given, messages of sessions included
	Bytes     uint64 // of these
	Records   uint64 // decoded, or given to Records

	Unknown          uint64 // datagrams of no format that is decoded
	NotAllowed       uint64 // datagrams from addresses that Allow does not have
	TooManyExporters uint64 // datagrams from addresses beyond MaxExporters
	TooManyDomains   uint64 // datagrams of observation domains beyond their limit
	Duplicated       uint64 // datagrams that came twice and were used once
	Malformed        uint64 // datagrams that could not be read to their end; what came before counts
	RefusedRecords   uint64 // given to Records, for exporters or domains beyond their limit

	Held             uint64 // sets of data put aside until their template comes
	HeldLost         uint64 // sets of data given up
	Replayed         uint64 // data records that had been held, and were decoded later
	NoFlow           uint64 // data records that became none, because they have no address
	RefusedTemplates uint64 // templates that cannot be used
	EvictedTemplates uint64 // templates dropped to make room
	ReservedSets     uint64 // sets with numbers that mean nothing
	IgnoredOptions   uint64 // facts told in options that there was no room for
	CutElements      uint64 // elements of records that there was no room for
	Samples          uint64 // packets sampled by sFlow
	NotIP            uint64 // of these, without a record because they are not IP
	BadHeaders       uint64 // of these, without a record because their header cannot be read
	BadSamples       uint64 // samples of sFlow that contradict themselves
	UnknownSamples   uint64 // samples of sFlow of formats that are not read
	UnknownRecords   uint64 // records within samples of formats that are not read, as all agents send some
	Untracked        uint64 // samples whose numbers were not followed, for want of room
	AgentDrops       uint64 // packets that sFlow agents sampled and could not tell of

	Lost          uint64 // missing by the sequence numbers, in their units
	LostDatagrams uint64 // datagrams of sFlow missing; the samples within them are in Lost
	Reordered     uint64 // datagrams that came after later ones
	Restarts      uint64 // of exporters
	Kernel        uint64 // datagrams dropped before they were fetched

	DNS         uint64 // DNS transactions that records told
	Exporters   int    // known now
	Forgotten   uint64 // exporters that made place for others
	Sessions    uint64 // IPFIX sessions begun
	Refused     uint64 // and refused
	StateErrors uint64 // saved states that could not be read, or not be saved

	Stitch stitch.Counters
}

// counters are those of [Counters] that many goroutines change.
type counters struct {
	datagrams, bytes, records          atomic.Uint64
	unknown, malformed, duplicated     atomic.Uint64
	notAllowed, exporters, domains     atomic.Uint64
	refusedRecords, forgotten          atomic.Uint64
	held, heldLost                     atomic.Uint64
	refusedTemplates, evictedTemplates atomic.Uint64
	lost, lostDatagrams                atomic.Uint64
	reordered, restarts                atomic.Uint64
	samples, notIP, badSamples, dns    atomic.Uint64
	replayed, noFlow, reservedSets     atomic.Uint64
	ignoredOptions, cutElements        atomic.Uint64
	badHeaders, untracked              atomic.Uint64
	unknownSamples, unknownRecords     atomic.Uint64
	agentDrops, kernel, stateErrors    atomic.Uint64
	sessions, refused                  atomic.Uint64
}

// Counters returns what the collector has done so far. It waits for Each.
func (c *Collector) Counters() Counters {
	n := c.Quick()
	c.stitching.Lock()
	defer c.stitching.Unlock()
	n.Stitch = c.stitcher.Counters()
	return n
}

// Quick returns Counters without those of Stitch, and waits for nobody.
func (c *Collector) Quick() Counters {
	n := &c.counters
	c.table.mu.RLock()
	known := len(c.table.byKey)
	c.table.mu.RUnlock()
	return Counters{
		Datagrams: n.datagrams.Load(), Bytes: n.bytes.Load(), Records: n.records.Load(),
		Unknown: n.unknown.Load(), NotAllowed: n.notAllowed.Load(),
		TooManyExporters: n.exporters.Load(), TooManyDomains: n.domains.Load(),
		Duplicated: n.duplicated.Load(), Malformed: n.malformed.Load(), RefusedRecords: n.refusedRecords.Load(),
		Held: n.held.Load(), HeldLost: n.heldLost.Load(),
		RefusedTemplates: n.refusedTemplates.Load(), EvictedTemplates: n.evictedTemplates.Load(),
		Replayed: n.replayed.Load(), NoFlow: n.noFlow.Load(), ReservedSets: n.reservedSets.Load(),
		IgnoredOptions: n.ignoredOptions.Load(), CutElements: n.cutElements.Load(),
		BadHeaders: n.badHeaders.Load(), UnknownSamples: n.unknownSamples.Load(), UnknownRecords: n.unknownRecords.Load(), Untracked: n.untracked.Load(),
		Samples: n.samples.Load(), NotIP: n.notIP.Load(), BadSamples: n.badSamples.Load(), AgentDrops: n.agentDrops.Load(),
		Lost: n.lost.Load(), LostDatagrams: n.lostDatagrams.Load(), Reordered: n.reordered.Load(), Restarts: n.restarts.Load(),
		Kernel: n.kernel.Load(), DNS: n.dns.Load(), Exporters: known, Forgotten: n.forgotten.Load(),
		Sessions: n.sessions.Load(), Refused: n.refused.Load(), StateErrors: n.stateErrors.Load(),
	}
}

// Skipped returns how many datagrams were not decoded, or not to their end.
func (n *Counters) Skipped() uint64 {
	return n.Unknown + n.NotAllowed + n.TooManyExporters + n.TooManyDomains + n.Duplicated + n.Malformed
}

// Notes says in sentences what the user should know.
func (n *Counters) Notes() []string {
	var out []string
	say := func(n uint64, format string) {
		if n > 0 {
			out = append(out, fmt.Sprintf(format, thousands(n)))
		}
	}
	say(n.Kernel, "dropped by the kernel because they were not fetched in time: %s datagrams")
	say(n.Lost, "lost on the way, by the sequence numbers: %s records or datagrams")
	say(n.LostDatagrams, "lost on the way, by the sequence numbers of sFlow: %s datagrams")
	say(n.Unknown, "datagrams of no format that is known: %s")
	say(n.Malformed, "malformed datagrams: %s, used up to where they are damaged")
	say(n.Duplicated, "datagrams that came twice: %s, used once")
	say(n.NotAllowed, "datagrams from addresses that are not allowed: %s")
	say(n.TooManyExporters, "datagrams from too many exporters: %s, not looked at")
	say(n.TooManyDomains, "datagrams of too many observation domains: %s, not looked at")
	say(n.Refused, "sessions refused: %s")
	say(n.RefusedRecords, "records from too many exporters: %s, not looked at")
	say(n.HeldLost, "sets of data without a template: %s, given up")
	say(n.RefusedTemplates, "templates that cannot be used: %s")
	say(n.EvictedTemplates, "templates dropped to make room for others: %s")
	say(n.NoFlow, "data records without an address: %s, no flows")
	say(n.ReservedSets, "sets of data whose numbers mean nothing: %s, left out")
	say(n.IgnoredOptions, "sampling rates and names there was no room for: %s")
	say(n.CutElements, "elements of records there was no room for: %s")
	say(n.BadHeaders, "sampled packets whose headers cannot be read: %s, left out")
	say(n.BadSamples, "samples that contradict themselves: %s, left out or used in part")
	say(n.UnknownSamples, "samples of formats that are not read: %s, left out")
	say(n.Untracked, "samples whose numbers were not followed, from too many interfaces: %s")
	say(n.StateErrors, "saved states that could not be read or written: %s")
	return out
}

// thousands writes n with commas.
func thousands(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
