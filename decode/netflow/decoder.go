package netflow

import (
	"time"

	"github.com/weir-nta/weir/decode/flowrec"
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
	// MaxDomains is how many observation domains are kept. Messages of further
	// ones are not read: ErrDomains.
	MaxDomains int
	// MaxHeldBytes is how many octets of data wait for their templates. Beyond
	// it they are dropped and counted: who fills it gains that data which comes
	// before its template is lost, as it is in collectors that hold nothing.
	MaxHeldBytes int
	// HoldFor is how long data waits for its template.
	HoldFor time.Duration
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
}

// A Decoder decodes what one exporter address sends, from all its source ports
// and observation domains. It is not for concurrent use.
type Decoder struct {
	config Config
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
	// Replayed says how many of Records had been held from earlier messages.
	Replayed int

	// NewTemplates, ChangedTemplates and Withdrawn count what became of templates.
	NewTemplates, ChangedTemplates, Withdrawn int
	// RefusedTemplates counts templates that cannot be used: they have no field,
	// no length, or too many fields.
	RefusedTemplates int
	// EvictedTemplates counts templates dropped to make room for others.
	EvictedTemplates int
	// Missing are the sets of data for which there is no template.
	Missing []MissingSet
	// ExpiredSets and ExpiredBytes count sets that had been held and are given
	// up with this message: their templates did not come in time.
	ExpiredSets, ExpiredBytes int

	// Sampling is N of 1:N as the domain tells it in the header or in options
	// for all its traffic, 0 if it does not.
	Sampling uint32
	// SamplingUnknown says that a record of this message named a sampler whose
	// rate has not been told.
	SamplingUnknown bool
	// ActiveTimeout and InactiveTimeout are those that the exporter tells in
	// options, 0 if it does not.
	ActiveTimeout, InactiveTimeout time.Duration
}

// A MissingSet is a set of data whose template is not known.
type MissingSet struct {
	Domain   uint32
	Template uint16
	Bytes    int
	Held     bool // else dropped
}

// Advance returns by how much the sequence number of the domain's next message
// is higher: records in v5, v7 and IPFIX, one in v9. It is not known for v1,
// which has no sequence, and where data came before its template.
func (m *Message) Advance() (n uint32, known bool) { return 0, false }

// NewDecoder returns a decoder that knows no template.
func NewDecoder(c Config) *Decoder { return &Decoder{config: c} }

// Decode reads one datagram or IPFIX message b that came from the given source
// port at the given time. It resets m first and uses its slices again. It
// keeps nothing of b: what it holds back it copies. The error says that b, or
// what was left of it, could not be read; m.Records before that are good.
func (d *Decoder) Decode(m *Message, b []byte, port uint16, at time.Time) error {
	_, _, _ = b, port, at
	*m = Message{Records: m.Records[:0], Missing: m.Missing[:0]}
	return nil
}

// Templates returns how many templates of a domain are known.
func (d *Decoder) Templates(domain uint32) int { return 0 }

// AppendState appends what the decoder has learned, templates, sampling and
// names, in a form for LoadState.
func (d *Decoder) AppendState(dst []byte) []byte { return dst }

// LoadState takes over what AppendState wrote, within the limits of the
// decoder's own configuration. After an error, what came before it is loaded.
func (d *Decoder) LoadState(b []byte) error { return nil }
