package meter

import (
	"fmt"
	"time"
)

// Config says how a [Meter] works. [DefaultConfig] is what one starts from.
type Config struct {
	// Sensor names the place where the packets were seen; it stands in every record.
	Sensor string

	// TCPIdle ends a TCP connection that has sent nothing for so long.
	TCPIdle time.Duration
	// UDPIdle ends a UDP flow, and one of any other protocol but TCP and ICMP,
	// that has sent nothing for so long.
	UDPIdle time.Duration
	// ICMPIdle ends an ICMP or ICMPv6 flow that has sent nothing for so long.
	ICMPIdle time.Duration
	// Active is how long a conversation is told in one record: the first
	// packet after it begins the next slice.
	Active time.Duration
	// QueryTimeout is how long a DNS query waits for its response before it is
	// reported as unanswered.
	QueryTimeout time.Duration

	// MaxFlows is how many flows are kept at a time. A flow takes about 600
	// octets. At the limit the flow that would have ended soonest anyway is
	// reported early; [Meter] says what an attacker gains by that.
	MaxFlows int
	// MaxHeadBytes is how many of the first octets of one direction of a TCP
	// connection are assembled in order to read its handshake.
	MaxHeadBytes int
	// MaxHeadTotal is how many octets such heads may take all together. Beyond
	// it the one that has waited longest is given up.
	MaxHeadTotal int
	// MaxReaders is how many conversations are read beyond their first words at
	// a time, such as SSH or SMB. Beyond it the one of which least was read
	// lately is read no more.
	MaxReaders int
	// Shapes has flow records tell of sizes and times of the first packets, and
	// how even their octets are.
	Shapes bool
	// MaxShapes is how many conversations may have that noted at a time, 400
	// octets each. At the limit the one for which it was begun first loses it.
	MaxShapes int
	// MaxQueries is how many DNS queries may wait for a response. At the limit
	// the oldest one is reported as unanswered.
	MaxQueries int

	// BatchRecords is how many records are handed on together.
	BatchRecords int
}

// DefaultConfig returns the timeouts of Zeek and limits that fit a machine
// with 2 GB to spare.
func DefaultConfig() Config {
	return Config{
		TCPIdle:      5 * time.Minute,
		UDPIdle:      time.Minute,
		ICMPIdle:     time.Minute,
		Active:       5 * time.Minute,
		QueryTimeout: 10 * time.Second,
		MaxFlows:     1 << 20,
		MaxHeadBytes: 16 << 10,
		MaxHeadTotal: 64 << 20,
		MaxReaders:   1 << 17,
		Shapes:       true,
		MaxShapes:    1 << 19,
		MaxQueries:   1 << 16,
		BatchRecords: 1024,
	}
}

// The bounds of the timeouts: below a second a flow would be cut by ordinary
// jitter, and beyond a day no reader waits for the record.
const (
	minTimeout = time.Second
	maxTimeout = 24 * time.Hour
)

func (c *Config) check() error {
	for _, d := range []struct {
		name string
		val  time.Duration
	}{
		{"tcp_idle", c.TCPIdle}, {"udp_idle", c.UDPIdle}, {"icmp_idle", c.ICMPIdle},
		{"active", c.Active}, {"query_timeout", c.QueryTimeout},
	} {
		if d.val < minTimeout || d.val > maxTimeout {
			return fmt.Errorf("%s: got %v, want %v to %v", d.name, d.val, minTimeout, maxTimeout)
		}
	}
	for _, n := range []struct {
		name          string
		val, min, max int
	}{
		{"max_flows", c.MaxFlows, 1, 1 << 28},
		{"max_head_bytes", c.MaxHeadBytes, 256, 1 << 20},
		{"max_head_total", c.MaxHeadTotal, 0, 1 << 40},
		{"max_readers", c.MaxReaders, 0, 1 << 24},
		{"max_shapes", c.MaxShapes, 0, 1 << 24},
		{"max_queries", c.MaxQueries, 1, 1 << 24},
		{"batch_records", c.BatchRecords, 1, 1 << 20},
	} {
		if n.val < n.min || n.val > n.max {
			return fmt.Errorf("%s: got %d, want %d to %d", n.name, n.val, n.min, n.max)
		}
	}
	return nil
}

// Limited returns how often something was given up or cut short because of a
// limit.
func (c *Counters) Limited() uint64 {
	return c.Early + c.HeadsEvicted + c.ReadersRefused + c.ReadersEvicted + c.ShapesEvicted + c.DNSEvicted
}

// Notes says in sentences what was given up or cut short because of a limit.
func (c *Counters) Notes() []string {
	var notes []string
	for _, n := range []struct {
		count uint64
		text  string
	}{
		{c.Early, "conversations told before they had ended, since there were more than are kept at a time"},
		{c.HeadsEvicted, "messages in pieces given up before they were whole, since there were more than are kept at a time"},
		{c.ReadersEvicted + c.ReadersRefused, "conversations not read to their end, since there were more than are read at a time"},
		{c.ShapesEvicted, "conversations without their shape, since there were more than are kept at a time"},
		{c.DNSEvicted, "DNS queries told as unanswered too early, since there were more than are kept at a time"},
	} {
		if n.count > 0 {
			notes = append(notes, fmt.Sprintf("%s: %d", n.text, n.count))
		}
	}
	return notes
}

// Counters say what a [Meter] has done so far.
type Counters struct {
	Packets  uint64 // given to Packet
	Bytes    uint64 // of their IP packets
	Frames   uint64 // given to Frame
	Flows    uint64 // conversations begun
	Records  uint64 // flow records handed on, slices included
	Slices   uint64 // of them those of conversations that went on
	Early    uint64 // flows reported before their time because of MaxFlows
	Oddities uint64 // seen, however few records tell of them

	HeadsRead    uint64 // directions whose handshake was read
	HeadsGivenUp uint64 // directions given up: gap, too long, too many pieces, MaxHeadTotal
	HeadsEvicted uint64 // heads dropped because of MaxHeadTotal: given up, or lost to their reader
	Overlaps     uint64 // segments that said something else than an earlier copy of the same octets
	HolesMerged  uint64 // gaps in streams no longer told apart because there were too many
	HistoriesCut uint64 // letters of histories left out because the history was full

	ShapesEvicted uint64 // conversations whose shape was given up because of MaxShapes

	Readers        uint64 // conversations read beyond their first words
	ReadersRefused uint64 // that could have been and were not, since MaxReaders is 0
	ReadersEvicted uint64 // of those, read no further because of MaxReaders
	ReadersLost    uint64 // stretches of such conversations that were missed
	Transactions   uint64 // records that they led to, DNS apart
	Repeated       uint64 // announcements not told again

	DNS           uint64 // transactions handed on
	DNSUnanswered uint64 // of them queries without response
	DNSUnasked    uint64 // of them responses without query
	DNSEvicted    uint64 // of them reported before their time because of MaxQueries
	DNSDamaged    uint64 // messages that could not be read, or not to their end
	DNSCut        uint64 // messages cut by the snaplen, or a first fragment: told for what they have

	Backwards   uint64 // packets older than the one before
	Jumps       uint64 // packets whose time was not believed and replaced by that of the clock
	ClockResets uint64 // times the clock was set anew because the traffic's time had gone back for good
	LateRecords uint64 // records handed on after Batch.Through had said there would be none so old
}
