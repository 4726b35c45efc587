package hosts

import (
	"encoding/binary"
	"math"
	"math/bits"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/uri"
)

// Bounds of what is kept of one device. What does not fit pushes out what was
// used least or longest ago.
const (
	maxAddrs    = 8
	maxNames    = 8
	maxSame     = 3 // names from one source
	maxServices = 24
	maxClues    = 32
	maxText     = 64 // octets of a name, and of what a reason quotes
)

const day = 24 * time.Hour

// A device is what is known of one machine. It stands in a list, the one seen
// last in front.
type device struct {
	newer, older *device

	id       string // "" while it is its address alone
	mac      mac
	guessed  bool // mac is known from the frames of flows alone
	bindings []*binding
	was      netip.Addr // the address that it lost, of one without any
	sensor   string
	names    []name
	clues    []clue
	offers   []service
	uses     []service

	first, last int64 // Unix nanoseconds
	flows       uint64
	stack       stack // seen last: most flows repeat it

	told    int64 // when a record was made last, 0 for never
	changed bool  // since then
	wanted  int64 // when the next one is due
	place   int   // in the agenda, -1 for none
	known   known // as told
}

// A binding is an address that a device has, and what frames said of it.
type binding struct {
	addr   netip.Addr
	device *device
	last   int64
	// frame is the link-layer address that came with it last, since when, and
	// what is known of that.
	frame string
	since int64
	via   *frames
}

// A name is a name of a device and where it is from.
type name struct {
	text   string
	source source
	last   int64
}

// A service is one that a device offers to others or uses elsewhere.
type service struct {
	proto   weir.Proto
	guessed bool // the application is told by the port alone
	port    uint16
	app     string
	flows   uint32
	least   uint16   // others, as far as was known before a restart
	others  distinct // clients or servers
}

// distinct counts different addresses, with an error of some percent up to a
// thousand (linear counting, Whang et al. 1990).
type distinct [4]uint64

const distinctBits = 256

func (c *distinct) add(a netip.Addr) {
	h := hash(a)
	c[h>>6&3] |= 1 << (h & 63)
}

func (c *distinct) count() int {
	set := 0
	for _, w := range c {
		set += bits.OnesCount64(w)
	}
	if set == distinctBits {
		set--
	}
	return int(math.Round(-distinctBits * math.Log(1-float64(set)/distinctBits)))
}

// hash mixes the bits of an address (the finalizer of MurmurHash3).
func hash(a netip.Addr) uint64 {
	b := a.As16()
	h := binary.BigEndian.Uint64(b[:8]) ^ binary.BigEndian.Uint64(b[8:])*0x9e3779b97f4a7c15
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// many returns how many others were seen.
func (s *service) many() int { return max(s.others.count(), int(s.least)) }

// serve notes that other was served, or asked.
func serve(list []service, f *weir.Flow, other netip.Addr) []service {
	port := f.DstPort
	if f.ICMP != nil {
		port = 0
	}
	for i := range list {
		s := &list[i]
		if s.port != port || s.proto != f.Proto {
			continue
		}
		if s.app == "" || s.guessed && !f.AppGuessed && f.App != "" {
			s.app, s.guessed = f.App, f.AppGuessed
		}
		s.flows++
		s.others.add(other)
		return list
	}
	s := service{proto: f.Proto, port: port, app: f.App, guessed: f.AppGuessed, flows: 1}
	s.others.add(other)
	if len(list) < maxServices {
		return append(list, s)
	}
	least := 0
	for i := range list {
		if list[i].flows < list[least].flows {
			least = i
		}
	}
	list[least] = s
	return list
}

// answered reports whether the responder of a flow took part in it, so that
// there is a service. Of DHCP the leases tell.
func answered(f *weir.Flow) bool {
	if f.PacketsDown == 0 || f.App == "dhcp" || f.OriginGuessed && (f.App == "" || f.AppGuessed) {
		return false
	}
	if f.Proto != weir.TCP {
		return true
	}
	switch f.State {
	case weir.StateS1, weir.StateSF, weir.StateS2, weir.StateS3, weir.StateRSTO, weir.StateRSTR:
		return true
	case weir.NoState, weir.StateOTH:
		return f.DataDown > 0 && f.PacketsDown > 1
	}
	return false
}

// meet returns the binding of a local address that has spoken, and makes its
// device if it has none.
func (e *Enricher) meet(a netip.Addr, at int64) *binding {
	b := e.byAddr[a]
	if b == nil {
		b = &binding{addr: a}
		e.give(b, e.newDevice(at))
		if m := fromAddr(a); m != 0 {
			e.bind(a, m, at)
			b = e.byAddr[a]
		}
	}
	e.see(b.device, at)
	b.last = max(b.last, at)
	return b
}

// give makes d the device of b.
func (e *Enricher) give(b *binding, d *device) {
	if old := b.device; old != nil {
		old.bindings = slices.DeleteFunc(old.bindings, func(o *binding) bool { return o == b })
		old.was = b.addr
		e.change(old)
	}
	if len(d.bindings) == maxAddrs {
		oldest := slices.MinFunc(d.bindings, func(x, y *binding) int { return int(min(max(x.last-y.last, -1), 1)) })
		delete(e.byAddr, oldest.addr)
		d.bindings = slices.DeleteFunc(d.bindings, func(o *binding) bool { return o == oldest })
	}
	b.device = d
	d.bindings = append(d.bindings, b)
	e.byAddr[b.addr] = b
	e.change(d)
}

func (e *Enricher) newDevice(at int64) *device {
	if e.count >= e.max {
		e.stats.Forgotten++
		e.forget(e.oldest)
	}
	d := &device{first: at, last: at, place: -1, changed: true}
	e.count++
	e.front(d)
	return d
}

// forget drops a device and its addresses.
func (e *Enricher) forget(d *device) {
	for _, b := range d.bindings {
		delete(e.byAddr, b.addr)
		b.device = nil
	}
	if v, ok := e.macs.Get(d.mac); ok && v.device == d {
		v.device = nil
	}
	e.due.remove(d)
	e.unlink(d)
	e.count--
}

// see moves d to the front of the list.
func (e *Enricher) see(d *device, at int64) {
	d.last = max(d.last, at)
	d.first = min(d.first, at)
	if d.place < 0 {
		e.want(d, max(d.told+int64(day), at))
	}
	if e.latest != d {
		e.unlink(d)
		e.front(d)
	}
}

func (e *Enricher) front(d *device) {
	d.older, d.newer = e.latest, nil
	if e.latest != nil {
		e.latest.newer = d
	}
	e.latest = d
	if e.oldest == nil {
		e.oldest = d
	}
}

func (e *Enricher) unlink(d *device) {
	if d.newer != nil {
		d.newer.older = d.older
	} else {
		e.latest = d.older
	}
	if d.older != nil {
		d.older.newer = d.newer
	} else {
		e.oldest = d.newer
	}
	d.newer, d.older = nil, nil
}

// call notes that d is called so.
func (e *Enricher) call(d *device, from source, text string, at int64) {
	text = strings.TrimSuffix(printable(text), ".")
	if !isName(text) {
		return
	}
	least, same := -1, 0
	for i := range d.names {
		n := &d.names[i]
		if n.source == from && strings.EqualFold(n.text, text) {
			n.last = max(n.last, at)
			return
		}
		if n.source == from {
			if same++; same == 1 || n.last < d.names[least].last {
				least = i
			}
		}
	}
	n := name{text: text, source: from, last: at}
	switch {
	case same >= maxSame:
		d.names[least] = n
	case len(d.names) < maxNames:
		d.names = append(d.names, n)
	default:
		worst := slices.MinFunc(d.names, byRank)
		if byRank(worst, n) > 0 {
			return
		}
		d.names[slices.Index(d.names, worst)] = n
	}
	e.change(d)
	e.learn(d, byName, text)
}

// byRank orders names, the best last.
func byRank(a, b name) int {
	if a.source != b.source {
		return int(a.source) - int(b.source)
	}
	return int(min(max(a.last-b.last, -1), 1))
}

// isName tells a name from what stands where a name was to be: an address,
// nothing, or what every machine calls itself.
func isName(s string) bool {
	if len(s) < 2 || strings.EqualFold(s, "localhost") || strings.EqualFold(s, "(none)") || strings.HasPrefix(s, "*") {
		return false
	}
	_, err := netip.ParseAddr(strings.Trim(s, "[]"))
	return err != nil
}

// printable bounds a text and makes it one that terminals can be shown. Letters
// of all languages stay.
func printable(s string) string {
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "")
	}
	if strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }) < 0 {
		return s
	}
	return uri.Printable([]byte(s), maxText)
}

// merge gives all that is known of a device to another, and forgets it.
func (e *Enricher) merge(from, to *device) {
	for _, n := range from.names {
		e.call(to, n.source, n.text, n.last)
	}
	for _, c := range from.clues {
		e.keep(to, c)
	}
	to.offers = append(to.offers, from.offers[:min(len(from.offers), maxServices-len(to.offers))]...)
	to.uses = append(to.uses, from.uses[:min(len(from.uses), maxServices-len(to.uses))]...)
	for _, b := range slices.Clone(from.bindings) {
		e.give(b, to)
	}
	to.flows += from.flows
	to.first, to.last = min(to.first, from.first), max(to.last, from.last)
	e.forget(from)
	e.change(to)
}
