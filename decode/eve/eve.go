package eve

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/jsonline"
)

// Config are the settings of a Decoder. Zero values take the default.
type Config struct {
	Sensor string // name of the sensor in the records; empty takes the host that a line names
	// MaxLine is how long a line may be, in bytes (default 1 MiB). Longer ones
	// are alerts with the payload of a whole connection in them.
	MaxLine int
	// MaxHeld is how many conversations, and how many DNS queries, may wait for
	// what belongs to them (default 65,536 each, some 30 MB). Beyond, those not
	// heard of for longest are emitted as they are: whoever opens more can keep
	// a handshake out of its flow, and makes a flow of its own of it.
	MaxHeld int
}

// How long something waits for what belongs to it, by the clock of the log.
const (
	// queryWait is longer than resolvers go on trying.
	queryWait = 10 * time.Second
	// halfWait: both events of netflow and that of flow come at the same time.
	halfWait = time.Minute
	// flowWait: a TCP connection without a packet ends after 10 minutes
	// (Suricata's flow-timeouts), but of one that goes on nothing need be told.
	flowWait = 2 * time.Hour
)

// Counters say what became of the lines. Every line is in one of Used, Unused,
// Duplicates, TooLong and Bad.
type Counters struct {
	Lines      uint64
	Used       uint64 // became a record or part of one
	Unused     uint64 // of types that no record is for: Types tells which
	Duplicates uint64 // netflow events of flows that a flow event tells of
	TooLong    uint64
	Bad        uint64 // could not be read
	Alone      uint64 // flows made of what was said in conversations whose flow event did not come
	// Types counts the events by type; beyond 100 types, which Suricata has not,
	// those of others are under "other".
	Types map[string]uint64
}

const maxTypes = 100

// A Decoder turns lines into records. It is for one log, whose lines come in
// their order, and not for several goroutines.
type Decoder struct {
	c        Config
	line     jsonline.Reader
	array    jsonline.Reader // of the members of a line, while these are still in use
	event    event
	counters Counters // without Types
	types    map[string]*uint64
	now      time.Time // the latest time told

	talks   *waiting[string, conversation]
	halves  *waiting[string, half]
	queries *waiting[queryKey, question]
}

// NewDecoder returns a decoder.
func NewDecoder(c Config) *Decoder {
	if c.MaxLine <= 0 {
		c.MaxLine = 1 << 20
	}
	if c.MaxHeld <= 0 {
		c.MaxHeld = 1 << 16
	}
	return &Decoder{
		c: c, types: map[string]*uint64{},
		talks:   newWaiting[string, conversation](c.MaxHeld, flowWait),
		halves:  newWaiting[string, half](c.MaxHeld, halfWait),
		queries: newWaiting[queryKey, question](c.MaxHeld, queryWait),
	}
}

// Counters returns what became of the lines so far. The map is a copy.
func (d *Decoder) Counters() Counters {
	c := d.counters
	c.Types = make(map[string]uint64, len(d.types))
	for typ, n := range d.types {
		c.Types[typ] = *n
	}
	return c
}

var (
	errTooLong = errors.New("line is too long")
	errNoType  = errors.New("no event_type: not an event of Suricata")
	errNoTime  = errors.New("timestamp cannot be read")
)

// Line decodes one line without its end and appends what it gives to b. It
// keeps nothing of line. What waits for the end of its flow, or for its answer,
// is appended by a later call or by Flush. The error says why the line gave
// nothing.
func (d *Decoder) Line(b *weir.Batch, line []byte) error {
	d.counters.Lines++
	if len(line) > d.c.MaxLine {
		d.counters.TooLong++
		return errTooLong
	}
	if err := d.read(line); err != nil {
		d.counters.Bad++
		return err
	}
	d.countType()
	if err := d.decode(b); err != nil {
		d.counters.Bad++
		return fmt.Errorf("%s: %w", d.event.str(fType), err)
	}
	d.release(b)
	return nil
}

// maxKey is longer than any key in fields. What is longer is not looked up, which
// takes time as it is long: an object whose own key is long gives it to each of
// its members.
const maxKey = 64

// read puts the members of a line into d.event.
func (d *Decoder) read(line []byte) error {
	clear(d.event.value[:])
	err := d.line.Each(line, func(key, value []byte, kind jsonline.Kind) error {
		if len(key) > maxKey {
			return nil
		}
		if f := fields[string(key)]; f != none && kind != jsonline.Null {
			d.event.value[f] = value
		}
		return nil
	})
	if err != nil {
		return err
	}
	if !d.event.has(fType) {
		return errNoType
	}
	t, ok := parseTime(d.event.value[fTimestamp])
	if !ok {
		return errNoTime
	}
	d.event.time, d.event.src, d.event.dst = t, d.event.addr(fSrcIP), d.event.addr(fDstIP)
	// The time of an event may be that of the first packet of its flow: what
	// waits does so by the latest time told.
	d.now = later(d.now, t)
	return nil
}

func (d *Decoder) countType() {
	typ := d.event.value[fType]
	n := d.types[string(typ)]
	if n == nil {
		name := bounded(typ)
		if len(d.types) >= maxTypes {
			name = "other"
		}
		if n = d.types[name]; n == nil {
			n = new(uint64)
			d.types[name] = n
		}
	}
	*n++
}

var errNoAddress = errors.New("no addresses")

// decode makes records of d.event.
func (d *Decoder) decode(b *weir.Batch) error {
	e := &d.event
	make, ok := makers[string(e.value[fType])]
	if !ok {
		d.counters.Unused++
		return nil
	}
	if !make.anywhere && (!e.src.IsValid() || !e.dst.IsValid()) {
		return errNoAddress
	}
	if make.records(d, b) {
		d.counters.Used++
	}
	return nil
}

// A maker makes records of the events of one type. It returns false if it has
// counted the event elsewhere than as used.
type maker struct {
	records  func(*Decoder, *weir.Batch) bool
	anywhere bool // an event without addresses makes a record, too
}

// makers are by event_type.
var makers = map[string]maker{
	"flow":     {records: (*Decoder).flow},
	"netflow":  {records: (*Decoder).netflow},
	"dns":      {records: (*Decoder).dns},
	"mdns":     {records: (*Decoder).dns},
	"tls":      {records: (*Decoder).tls},
	"quic":     {records: (*Decoder).tls},
	"http":     {records: (*Decoder).http},
	"http2":    {records: (*Decoder).http},
	"ssh":      {records: (*Decoder).ssh},
	"smb":      {records: (*Decoder).smb},
	"dcerpc":   {records: (*Decoder).dcerpc},
	"krb5":     {records: (*Decoder).krb5},
	"dhcp":     {records: (*Decoder).dhcp},
	"rdp":      {records: (*Decoder).rdp},
	"fileinfo": {records: (*Decoder).file},
	"alert":    {records: (*Decoder).alert, anywhere: true},
	"anomaly":  {records: (*Decoder).anomaly, anywhere: true},
	"drop":     {records: (*Decoder).drop, anywhere: true},
}

// release appends to b what has waited long enough.
func (d *Decoder) release(b *weir.Batch) {
	d.queries.due(d.now, func(q *question) { b.DNS = append(b.DNS, q.DNSTransaction) })
	d.halves.due(d.now, func(h *half) { d.emitHalf(b, h) })
	d.talks.due(d.now, func(c *conversation) { d.emitAlone(b, c) })
}

// Flush appends to b all that was held back in wait for the end of its flow or
// for an answer. It is called at the end of the log.
func (d *Decoder) Flush(b *weir.Batch) {
	d.queries.all(func(q *question) { b.DNS = append(b.DNS, q.DNSTransaction) })
	d.halves.all(func(h *half) { d.emitHalf(b, h) })
	d.talks.all(func(c *conversation) { d.emitAlone(b, c) })
}

// IsLog reports whether head, the begin of a file, is that of an EVE log: an
// object with a timestamp and an event_type in its first line.
func IsLog(head []byte) bool {
	head = bytes.TrimLeft(head, " \t\r\n\ufeff")
	line, _, _ := bytes.Cut(head, []byte("\n"))
	return len(line) > 0 && line[0] == '{' && bytes.Contains(line, []byte(`"event_type"`)) && bytes.Contains(line, []byte(`"timestamp"`))
}
