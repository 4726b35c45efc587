package sflow

import (
	"errors"
	"net/netip"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dns"
	"github.com/weir-nta/weir/decode/flowrec"
	"github.com/weir-nta/weir/decode/packet"
)

// What Decode returns. The values are fixed, so that refusing a datagram costs
// no memory.
var (
	// ErrVersion says that the datagram is not of sFlow version 5.
	ErrVersion = errors.New("not sFlow version 5")
	// ErrShort says that the datagram ends before what it announces.
	ErrShort = errors.New("datagram ends too early")
)

// Config sets up a [Decoder].
type Config struct {
	// Sampling, if not 0, is taken as the sampling rate of every flow sample,
	// whatever the agent says.
	Sampling uint32
	// MaxSources is how many data sources and how many interfaces are
	// remembered, to tell lost samples by their numbers and errors by counters
	// that have grown. At the limit those that come new are not remembered:
	// their samples become records all the same, and Untracked counts them.
	// Whoever forges sources to fill it hides losses of others, nothing else.
	MaxSources int
}

// DefaultConfig is what to start from: 8192 sources take about 1 MB.
var DefaultConfig = Config{MaxSources: 8192}

// A Datagram is what one datagram says.
type Datagram struct {
	// Agent is the address that the agent goes by: not always that which the
	// datagram came from. It is the zero Addr where the agent has none.
	Agent    netip.Addr
	SubAgent uint32        // which of the agents at this address
	Sequence uint32        // number of the datagram, counted by sub-agent
	Uptime   time.Duration // of the agent, in milliseconds; wraps after 49 days

	// Records has one record for each sampled packet that is IP.
	Records []flowrec.Record

	FlowSamples    int // samples of packets read
	CounterSamples int // samples of counters read
	Discarded      int // notices of discarded packets read
	NotIP          int // of these and FlowSamples, those without a record: the packet is not IP, or its link type is not known
	BadHeaders     int // likewise, of a packet whose header is cut or makes no sense
	UnknownSamples int // samples of other formats, passed over
	UnknownRecords int // records within samples of other formats, passed over
	BadSamples     int // samples, or records within them, that contradict their own lengths

	// CutExtra counts elements that are missing in More.Extra, which is full.
	CutExtra int

	// Lost is how many samples are missing by the numbers of the samples,
	// since the last datagram of the agent; those in lost datagrams are
	// among them. Late is how many came after they had been counted lost, and
	// Repeated how many came with a number that had just been there.
	Lost           uint64
	Late, Repeated int
	// Drops is how many packets the agent picked and could not tell of for want
	// of its own resources, since the last datagram.
	Drops uint64
	// Untracked is how many samples, and interfaces, came from sources that are
	// not remembered because of MaxSources.
	Untracked int

	// Interfaces has what counter samples say of interfaces.
	Interfaces []Interface
	// Errors is by how much errors and discards of these have grown since they
	// were last told.
	Errors uint64
}

// A Decoder decodes the datagrams of one exporter address, whatever agents and
// sub-agents speak from it. It is for one goroutine.
type Decoder struct {
	config     Config
	packets    *packet.Decoder
	sources    map[source]*sequence
	interfaces map[source]*errorCounters

	// Of the datagram and the packet at hand, kept here so that they take no
	// new memory each time:
	g          *Datagram
	agent      packet.Addr
	at         int64 // of arrival, Unix nanoseconds
	packet     packet.Packet
	cutHeaders uint64
	message    dns.Message
	tls        weir.TLS
	http       weir.HTTP
}

// fragments is how many first fragments are remembered: it is rare that both
// a first and a later fragment of one packet are picked.
const fragments = 64

// NewDecoder returns a Decoder.
func NewDecoder(c Config) *Decoder {
	return &Decoder{
		config:     c,
		packets:    packet.NewDecoder(packet.Config{Fragments: fragments}),
		sources:    make(map[source]*sequence),
		interfaces: make(map[source]*errorCounters),
	}
}

// Decode reads b, which arrived at the time at, into g, which is reset first:
// its slices are used again. Nothing of b is kept. An error, [ErrVersion] or
// [ErrShort], says that the datagram or what was left of it could not be read;
// what stands in g before that is good.
func (d *Decoder) Decode(g *Datagram, b []byte, at time.Time) error {
	clear(g.Records) // let go of their More
	*g = Datagram{Records: g.Records[:0], Interfaces: g.Interfaces[:0]}
	d.g, d.at = g, at.UnixNano()
	defer func() { d.g = nil }()

	c := cursor{b: b}
	if c.u32() != 5 {
		return ErrVersion
	}
	g.Agent = c.address()
	d.agent = packet.AddrFrom(g.Agent)
	g.SubAgent, g.Sequence = c.u32(), c.u32()
	g.Uptime = time.Duration(c.u32()) * time.Millisecond
	samples := c.u32()
	// A sample takes 8 octets at least, so that this ends however many are announced.
	for ; samples > 0 && !c.bad; samples-- {
		format := c.u32()
		body := cursor{b: c.opaque()}
		if !c.bad {
			d.sample(format, &body)
		}
	}
	if c.bad {
		return ErrShort
	}
	return nil
}

// Formats of samples: the enterprise (0) in the upper 20 bits, the number below.
const (
	flowSample      = 1
	counterSample   = 2
	flowExpanded    = 3
	counterExpanded = 4
	discardedPacket = 5
)

func (d *Decoder) sample(format uint32, c *cursor) {
	switch format {
	case flowSample, flowExpanded:
		d.g.FlowSamples++
		d.flow(format == flowExpanded, c)
	case counterSample, counterExpanded:
		d.g.CounterSamples++
		d.counters(format == counterExpanded, c)
	case discardedPacket:
		d.g.Discarded++
		d.discarded(c)
	default:
		d.g.UnknownSamples++
	}
}

// dataSource reads what a sample is of: class (0 interface, 1 VLAN, 2 physical
// entity, 3 logical entity) and number.
func (c *cursor) dataSource(expanded bool) (class, index uint32) {
	if expanded {
		return c.u32(), c.u32()
	}
	v := c.u32()
	return v >> 24, v & 0xffffff
}

// A port is an interface that a packet came in or went out by. Its index is 0
// where the agent does not say one: unknown, the device itself, or several.
type port struct {
	index   uint32
	dropped bool
	reason  uint32 // why it was dropped
}

const (
	self         = 0x3fffffff // the packet began or ended in the agent
	selfExpanded = 0xffffffff
)

func (c *cursor) port(expanded bool) port {
	var format, value uint32
	if expanded {
		format, value = c.u32(), c.u32()
	} else {
		v := c.u32()
		format, value = v>>30, v&self
	}
	switch {
	case format == 1:
		return port{dropped: true, reason: value}
	case format != 0, value == self, value == selfExpanded:
		return port{}
	}
	return port{index: value}
}

// flow reads a flow sample.
func (d *Decoder) flow(expanded bool, c *cursor) {
	number := c.u32()
	class, index := c.dataSource(expanded)
	rate := c.u32()
	c.u32() // the pool: packets that could have been picked
	drops := c.u32()
	in, out := c.port(expanded), c.port(expanded)
	if c.bad {
		d.g.BadSamples++
		return
	}
	d.follow(source{class: class, index: index, kind: flowSample}, number, drops)

	r := d.begin()
	r.InIf, r.OutIf = in.index, out.index
	if class == 0 && in.index != out.index {
		switch index {
		case in.index:
			r.Observed = flowrec.Ingress
		case out.index:
			r.Observed = flowrec.Egress
		}
	}
	switch {
	case d.config.Sampling != 0:
		r.Sampling = d.config.Sampling
	case rate != 0:
		r.Sampling = rate
	default:
		r.SamplingUnknown = true
	}
	if out.dropped {
		drop(r, out.reason)
	}
	d.records(r, c)
}

// discarded reads a notice of a packet that the device discarded. They are not
// sampled, but limited in rate.
func (d *Decoder) discarded(c *cursor) {
	number := c.u32()
	class, index := c.dataSource(true)
	drops := c.u32()
	in, out := c.u32(), c.u32()
	reason := c.u32()
	if c.bad {
		d.g.BadSamples++
		return
	}
	d.follow(source{class: class, index: index, kind: discardedPacket}, number, drops)

	r := d.begin()
	r.InIf, r.OutIf = in, out
	drop(r, reason)
	d.records(r, c)
}

// begin appends a record of one packet.
func (d *Decoder) begin() *flowrec.Record {
	at := d.at / 1000
	d.g.Records = append(d.g.Records, flowrec.Record{
		Start: at, End: at, Exported: at,
		Packets: 1, Sampling: 1, Domain: d.g.SubAgent,
	})
	return &d.g.Records[len(d.g.Records)-1]
}

// more returns where r keeps what most records do not have.
func more(r *flowrec.Record) *flowrec.More {
	if r.More == nil {
		r.More = new(flowrec.More)
	}
	return r.More
}
