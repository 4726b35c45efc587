package sflow

import (
	"errors"
	"net/netip"
	"time"

	"github.com/weir-nta/weir/decode/flowrec"
)

// What Decode returns. The values are fixed, so that refusing a datagram costs
// no memory.
var (
	// ErrVersion says that the datagram is not of sFlow version 5.
	ErrVersion = errors.New("not sFlow version 5")
	// ErrShort says that the datagram ends before what it announces.
	ErrShort = errors.New("datagram ends too early")
)

// Config sets up a Decoder.
type Config struct {
	// Sampling, if not 0, is taken as the sampling rate of every flow sample,
	// whatever the agent says.
	Sampling uint32
	// MaxSources is how many data sources and how many interfaces are
	// remembered, to tell lost samples by their numbers and errors by counters
	// that have grown.
	MaxSources int
}

// DefaultConfig is what to start from.
var DefaultConfig = Config{MaxSources: 8192}

// A Datagram is what one datagram says.
type Datagram struct {
	// Agent is the address that the agent goes by: not always that which the
	// datagram came from. It is the zero Addr where the agent has none.
	Agent    netip.Addr
	SubAgent uint32        // which of the agents at this address
	Sequence uint32        // number of the datagram, counted by sub-agent
	Uptime   time.Duration // of the agent, in milliseconds; wraps after 49 days

	// Records has one record for each sampled packet that is IP, and for each
	// other one that names IP addresses.
	Records []flowrec.Record

	FlowSamples    int // samples of packets read
	CounterSamples int // samples of counters read
	Discarded      int // notices of discarded packets read
	NotIP          int // samples of packets without a record: no IP, or headers that make no sense
	UnknownSamples int // samples of other formats, passed over
	UnknownRecords int // records within samples of other formats, passed over
	BadSamples     int // samples that contradict their own lengths, given up from there on

	// Lost is how many samples are missing since the last datagram by the
	// numbers of the samples. Lost datagrams are counted by their own numbers,
	// and the samples within them here.
	Lost uint64
	// Drops is how many packets the agent picked and could not tell of, for
	// want of its own resources, since the last datagram.
	Drops uint64

	// Interfaces has what counter samples say of interfaces.
	Interfaces []Interface
	// Errors is by how much errors and discards of these have grown since they
	// were last told.
	Errors uint64
}

// Interface is what a counter sample says of an interface (if_counters). What
// is not told is 0 or, as the agent sends it, all ones.
type Interface struct {
	Index, Type                            uint32
	Speed                                  uint64 // bits per second
	Direction, Status                      uint32
	InOctets, OutOctets                    uint64
	InPackets, InMulticast, InBroadcast    uint32 // InPackets: unicast
	OutPackets, OutMulticast, OutBroadcast uint32 // OutPackets: unicast
	InDiscards, InErrors, InUnknown        uint32
	OutDiscards, OutErrors, Promiscuous    uint32
}

// A Decoder decodes the datagrams of one exporter address, whatever agents and
// sub-agents speak from it. It is for one goroutine.
type Decoder struct {
	config Config
}

// NewDecoder returns a Decoder.
func NewDecoder(c Config) *Decoder { return &Decoder{config: c} }

// Decode reads b, which arrived at the time at, into g, which is reset first:
// its slices are used again. Nothing of b is kept. An error, ErrVersion or
// ErrShort, says that the datagram or what was left of it could not be read;
// what stands in g before that is good.
func (d *Decoder) Decode(g *Datagram, b []byte, at time.Time) error {
	*g = Datagram{Records: g.Records[:0], Interfaces: g.Interfaces[:0]}
	return ErrVersion
}

// Interfaces returns how many interfaces have told their counters.
func (d *Decoder) Interfaces() int { return 0 }
