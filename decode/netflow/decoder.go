package netflow

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/weir-nta/weir/decode/flowrec"
	"github.com/weir-nta/weir/decode/packet"
	"github.com/weir-nta/weir/internal/wire"
)

// A Config bounds what one exporter may keep.
type Config struct {
	// Sampling overrides what the exporter tells: N of 1:N, 0 to believe it.
	Sampling uint32
	// MaxTemplates is how many templates are kept. The one unused for longest
	// makes room for a new one: who forges the address of an exporter can push
	// its templates out, and its data is then held until it repeats them.
	MaxTemplates int
	// MaxFields is how many fields one template may have. A template with more
	// is refused and counted.
	MaxFields int
	// MaxDomains is how many observation domains are kept. The one unused for
	// longest makes room for a new one: who forges the address of an exporter
	// can make Weir forget its sampling rates until it repeats them.
	MaxDomains int
	// MaxHeldBytes is how many octets of data wait for their templates. Beyond
	// it they are dropped and counted: who fills it gains that data which comes
	// before its template is lost, as it is in collectors that hold nothing.
	MaxHeldBytes int
	// HoldFor is how long data waits for its template.
	HoldFor time.Duration
	// MaxFacts is how many facts told in options are kept, of all domains:
	// sampling rates and names. Further ones are counted and not kept: who
	// forges the address of an exporter can keep Weir from learning its rates,
	// and its records are then marked as of unknown sampling.
	MaxFacts int
	// MaxCached is for how many values of the fields that few records have what
	// was made of them is kept, to be shared by records that have the same. What
	// is kept of one takes some kilobytes at most. Exporters that never send the
	// same twice gain nothing by it, and lose nothing.
	MaxCached int
	// Session says that the messages come over a connection (TCP, TLS, SCTP):
	// only there do withdrawals of templates count (RFC 7011, 8.4).
	Session bool
	// DropExtra leaves More.Extra empty.
	DropExtra bool
}

// DefaultConfig suits a router with some dozen line cards.
var DefaultConfig = Config{
	MaxTemplates: 4096,
	MaxFields:    1024,
	MaxDomains:   256,
	MaxHeldBytes: 1 << 20,
	HoldFor:      30 * time.Minute,
	MaxFacts:     1 << 16,
	MaxCached:    512,
}

// A Message is what one datagram, or one IPFIX message, told.
type Message struct {
	// Version is 1, 5, 7, 9 or, for IPFIX, 10.
	Version uint16
	// Domain is the observation domain, the source of v9, or engine type and
	// engine (type<<8 | id) of v5.
	Domain uint32
	// Sequence is the sequence number of the header; see Advance.
	Sequence uint32
	// Exported is when it was sent, by the clock of the exporter.
	Exported time.Time
	// Uptime is how long the exporter had been up; 0 in IPFIX, which does not tell.
	Uptime time.Duration
	// HeaderCount is the number of records that the header tells; 0 in IPFIX.
	HeaderCount int

	// Records are the flows told, those that had been held among them.
	Records []flowrec.Record
	// Data counts the data records of this message, those of options among them.
	Data uint64
	// Replayed says how many of Records had been held from earlier messages;
	// ReplayedData counts all data records that had been.
	Replayed     int
	ReplayedData uint64
	// NoFlow counts data records, held ones included, that became no Record:
	// they have no address.
	NoFlow uint64

	// NewTemplates, ChangedTemplates and Withdrawn count what became of templates.
	NewTemplates, ChangedTemplates, Withdrawn int
	// RefusedTemplates counts templates that cannot be used: they have no field,
	// no length, or too many fields. So are withdrawals of all templates, if a
	// message has more of them than make sense.
	RefusedTemplates int
	// ReservedSets counts sets with a number that means nothing (RFC 7011, 3.3.2).
	ReservedSets int
	// EvictedTemplates counts templates dropped to make room for others.
	EvictedTemplates int
	// Missing are the sets of data for which there is no template.
	Missing []MissingSet
	// ExpiredSets and ExpiredBytes count sets that had been held and are given
	// up with this message: their templates did not come in time, or released
	// more at once than maxReplay.
	ExpiredSets, ExpiredBytes int

	// IgnoredOptions counts facts told in options that there was no room for.
	IgnoredOptions int
	// CutExtra counts elements that are missing in More.Extra, which is full.
	CutExtra int

	// Sampling is N of 1:N as the domain tells it in the header or in options
	// for all its traffic, 0 if it does not.
	Sampling uint32
	// SamplingUnknown says that a record of this message named a sampler whose
	// rate has not been told.
	SamplingUnknown bool
	// ActiveTimeout and InactiveTimeout are those that the exporter tells in
	// options, 0 if it does not.
	ActiveTimeout, InactiveTimeout time.Duration

	// unread says that Data is too low: a set could not be counted.
	unread bool
}

// A MissingSet is a set of data whose template is not known.
type MissingSet struct {
	Domain   uint32
	Template uint16
	Bytes    int
	Held     bool // else dropped
}

// Advance returns by how much the sequence number of the domain's next message
// is higher: records in v5, v7 and IPFIX (RFC 7011, 3.1), one in v9 (RFC 3954,
// 5.1). It is not known for v1, which has no sequence, and for IPFIX where data
// came before its template.
func (m *Message) Advance() (n uint32, known bool) {
	switch m.Version {
	case 5, 7:
		return uint32(m.HeaderCount), true
	case 9:
		return 1, true
	case 10:
		return uint32(m.Data), !m.unread
	}
	return 0, false
}

// What can be wrong with a datagram.
var (
	ErrVersion   = errors.New("not a version of NetFlow or IPFIX that is known")
	ErrTruncated = errors.New("ends within a header, a set or a record")
	ErrSetLength = errors.New("set shorter than its own header")
)

// A Decoder decodes what one exporter address sends, from all its source ports
// and observation domains. It is not for concurrent use.
type Decoder struct {
	config Config

	templates map[templateID]*template
	shared    map[sharedID]*template // the last one of any port
	sessions  map[session]int        // how many templates each has
	order     template               // the ends of the list of templates by last use
	fields    int                    // of all templates

	held       map[sharedID][]heldSet
	heldBytes  int
	nextExpiry time.Time
	walked     int // steps through what is held, and through all templates, for this message

	domains map[uint32]*domain
	// fixedDomain is that of versions without templates, told anew each time.
	fixedDomain domain
	messages    uint64
	apps        map[uint64]string // names by applicationId, see appKey
	learned     map[elementID]element
	facts       int // entries in apps, learned and the tables of domains

	// What is the same for the records of a set, and room to work in.
	notes   notes
	values  [][]byte
	packets *packet.Decoder

	// More of records that have the same in their cold fields is made once.
	made       []madeMore
	last       *madeMore // the one in made used last
	generation uint32    // of what names are known: what was made before is stale
	key        []byte
}

// NewDecoder returns a decoder that knows no template.
func NewDecoder(c Config) *Decoder {
	d := &Decoder{
		config:    c,
		templates: map[templateID]*template{},
		shared:    map[sharedID]*template{},
		sessions:  map[session]int{},
		held:      map[sharedID][]heldSet{},
		domains:   map[uint32]*domain{},
		apps:      map[uint64]string{},
		learned:   map[elementID]element{},
	}
	d.order.older, d.order.newer = &d.order, &d.order
	return d
}

// Decode reads one datagram or IPFIX message b that came from the given source
// port at the given time. It resets m first and uses its slices again. It
// keeps nothing of b: what it holds back it copies. The error says that b, or
// what was left of it, could not be read; m.Records before that are good.
//
// What Records point to, More, may be shared by many of them and is not to be
// changed.
func (d *Decoder) Decode(m *Message, b []byte, port uint16, at time.Time) error {
	*m = Message{Records: m.Records[:0], Missing: m.Missing[:0]}
	if len(b) < 2 {
		return ErrTruncated
	}
	d.messages++
	d.walked = 0
	d.expire(m, at)
	m.Version = binary.BigEndian.Uint16(b)
	switch m.Version {
	case 1, 5, 7:
		return d.fixed(m, b)
	case 9:
		return d.v9(m, b, port, at)
	case 10:
		return d.ipfix(m, b, port, at)
	}
	return ErrVersion
}

// A header is what the sets of a message need to know of it.
type header struct {
	session
	clock clock
}

// v9 reads an export packet of version 9 (RFC 3954, 5.1).
func (d *Decoder) v9(m *Message, b []byte, port uint16, at time.Time) error {
	const size = 20
	if len(b) < size {
		return ErrTruncated
	}
	m.HeaderCount = int(binary.BigEndian.Uint16(b[2:]))
	uptime := binary.BigEndian.Uint32(b[4:])
	m.Uptime = time.Duration(uptime) * time.Millisecond
	m.Exported = time.Unix(int64(binary.BigEndian.Uint32(b[8:])), 0).UTC()
	m.Sequence = binary.BigEndian.Uint32(b[12:])
	m.Domain = binary.BigEndian.Uint32(b[16:])
	h := header{session{m.Domain, port, false}, clock{exported: m.Exported.UnixMicro(), uptime: uptime}}
	dom := d.domain(h.domain)
	err := wire.Each(b[size:], 4, func(b []byte) ([]byte, error) { return d.nextSet(m, h, dom, b, at) })
	m.facts(dom)
	return err
}

// ipfix reads a message of IPFIX (RFC 7011, 3.1). Further messages of the same
// domain that come in the same datagram are read as if they were part of it.
func (d *Decoder) ipfix(m *Message, b []byte, port uint16, at time.Time) error {
	const size = 16
	if len(b) < size {
		return ErrTruncated
	}
	m.Exported = time.Unix(int64(binary.BigEndian.Uint32(b[4:])), 0).UTC()
	m.Sequence = binary.BigEndian.Uint32(b[8:])
	m.Domain = binary.BigEndian.Uint32(b[12:])
	dom := d.domain(m.Domain)
	defer func() { m.facts(dom) }()
	return wire.Each(b, size, func(b []byte) ([]byte, error) {
		length := int(binary.BigEndian.Uint16(b[2:]))
		switch {
		case binary.BigEndian.Uint16(b) != 10, binary.BigEndian.Uint32(b[12:]) != m.Domain:
			return nil, ErrVersion
		case length < size:
			return nil, ErrTruncated
		}
		exported := fromSeconds(uint64(binary.BigEndian.Uint32(b[4:])))
		h := header{session{m.Domain, port, true}, clock{exported: exported, ipfix: true, boot: dom.boot}}
		sets, behind := b[size:min(length, len(b))], b[min(length, len(b)):]
		for len(sets) >= 4 {
			n := int(binary.BigEndian.Uint16(sets[2:]))
			if n > len(sets) && n <= len(sets)+len(behind) {
				// Exporters that forget the padding of the last set in the length of
				// the message: the datagram has it.
				sets, behind = b[len(b)-len(sets)-len(behind):], nil
			}
			rest, err := d.nextSet(m, h, dom, sets, at)
			if err != nil {
				return nil, err
			}
			h.clock.boot = dom.boot
			sets = rest
		}
		if length > len(b) {
			m.unread = true
			return nil, ErrTruncated
		}
		return behind, nil
	})
}

// nextSet reads the set that b begins with. Of one that is cut off it reads
// what is there.
func (d *Decoder) nextSet(m *Message, h header, dom *domain, b []byte, at time.Time) (rest []byte, err error) {
	id, length := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
	if length < 4 {
		m.unread = true
		if zero(b) { // padding at the end of the message
			return nil, nil
		}
		return nil, ErrSetLength
	}
	if length > len(b) {
		m.unread = true
		err = ErrTruncated
	}
	body := b[4:min(length, len(b))]
	rest = b[min(length, len(b)):]
	if id < 256 {
		if e := d.templateSet(m, h, id, body); err == nil {
			err = e
		}
		return rest, err
	}
	t := d.find(templateID{h.session, id})
	if t == nil {
		m.unread = true
		d.hold(m, h, id, body, at)
		return rest, err
	}
	d.set(m, t, dom, &h.clock, body)
	return rest, err
}

// templateSet reads a set of templates, or skips one that is reserved.
func (d *Decoder) templateSet(m *Message, h header, id uint16, body []byte) error {
	var f format
	switch id {
	case 0:
		f = v9Templates
	case 1:
		f = v9Options
	case 2:
		f = ipfixTemplates
	case 3:
		f = ipfixOptions
	default:
		m.ReservedSets++
		return nil
	}
	return wire.Each(body, 4, func(b []byte) ([]byte, error) {
		t, rest, err := parseTemplate(b, f)
		switch {
		case err != nil:
			if zero(b) { // padding
				return nil, nil
			}
			m.RefusedTemplates++
			return nil, err
		case t.id == 0 && len(t.fields) == 0:
			return rest, nil // padding
		}
		t.session = h.session
		if t.withdrawal {
			d.withdraw(m, t.templateID, f)
			return rest, nil
		}
		if d.learn(m, t); d.templates[t.templateID] == t {
			d.release(m, t)
		}
		return rest, nil
	})
}

// set reads the data records of a set.
func (d *Decoder) set(m *Message, t *template, dom *domain, c *clock, body []byte) {
	d.notes = notes{}
	switch {
	case t.format.options():
		d.options(m, t, dom, body)
	case t.variable:
		d.variableRecords(m, t, dom, c, body)
	default:
		d.fixedRecords(m, t.plan, t.size, dom, c, body)
	}
}

// prototype is what all records of a set have in common.
func (d *Decoder) prototype(p *plan, m *Message, dom *domain, c *clock) flowrec.Record {
	rate := d.config.Sampling
	if rate == 0 {
		rate = dom.overall()
	}
	return flowrec.Record{
		Exported: c.exported, Domain: m.Domain, Sampling: rate,
		Biflow: p.biflow, HasFlags: p.hasFlags, HasData: p.hasData, Initiator: p.initiator,
	}
}

// fixedRecords reads records of a fixed length. What is behind the last one is
// padding.
func (d *Decoder) fixedRecords(m *Message, p *plan, size int, dom *domain, c *clock, body []byte) {
	n := len(body) / size
	if p.nobody {
		m.Data += uint64(n)
		m.NoFlow += uint64(n)
		return
	}
	first := len(m.Records)
	m.Records = slices.Grow(m.Records, n)[:first+n]
	records := m.Records[first:]
	prototype := d.prototype(p, m, dom, c)
	made := 0
	for range n {
		r := &records[made]
		*r = prototype
		d.read(r, p.ops, body[:size:size], c)
		d.finish(r, p, dom, c)
		if len(p.cold) > 0 {
			d.fixedMore(m, r, p, dom, body[:size:size])
		}
		if tellsFlow(r) {
			made++
		}
		m.SamplingUnknown = m.SamplingUnknown || r.SamplingUnknown
		body = body[size:]
	}
	m.Data += uint64(n)
	m.NoFlow += uint64(n - made)
	m.Records = m.Records[:first+made]
}

// variableRecords reads records with fields of variable length.
func (d *Decoder) variableRecords(m *Message, t *template, dom *domain, c *clock, body []byte) {
	prototype := d.prototype(t.plan, m, dom, c)
	for len(body) >= t.size { // t.size is at least the octet of a length, which split takes
		rest, ok := d.split(t, body)
		if !ok {
			return // padding, or a record that is cut off
		}
		body = rest
		m.Data++
		m.Records = append(m.Records, prototype)
		r := &m.Records[len(m.Records)-1]
		for i := range t.plan.ops {
			o := &t.plan.ops[i]
			d.readAny(r, o, d.values[o.field], c)
		}
		d.finish(r, t.plan, dom, c)
		if len(t.plan.cold) > 0 {
			d.variableMore(m, r, t.plan, dom)
		}
		m.SamplingUnknown = m.SamplingUnknown || r.SamplingUnknown
		if !tellsFlow(r) {
			m.NoFlow++
			m.Records = m.Records[:len(m.Records)-1]
		}
	}
}

// tellsFlow reports whether a record says between whom the traffic was.
func tellsFlow(r *flowrec.Record) bool {
	return r.Src.IsValid() || r.Dst.IsValid() || r.SrcMAC != (flowrec.MAC{}) || r.DstMAC != (flowrec.MAC{}) ||
		r.More != nil && r.More.NAT != nil && (r.More.NAT.Src.IsValid() || r.More.NAT.Dst.IsValid())
}
