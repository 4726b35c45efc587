package hosts

import (
	"cmp"
	"container/heap"
	"iter"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/oui"
)

const (
	// quiet is how long a new device, or what is new of one, waits for more
	// before it is told.
	quiet = time.Minute
	// pause is the least time between two records of a device, whatever changes.
	pause = 10 * time.Minute
)

// An agenda is a heap of devices of which is to be told, the next in front.
type agenda []*device

func (a agenda) Len() int           { return len(a) }
func (a agenda) Less(i, j int) bool { return a[i].wanted < a[j].wanted }
func (a agenda) Swap(i, j int) {
	a[i], a[j] = a[j], a[i]
	a[i].place, a[j].place = i, j
}

// Push implements [heap.Interface].
func (a *agenda) Push(d any) {
	d.(*device).place = len(*a)
	*a = append(*a, d.(*device))
}

// Pop implements [heap.Interface].
func (a *agenda) Pop() any {
	d := (*a)[len(*a)-1]
	(*a)[len(*a)-1] = nil
	*a = (*a)[:len(*a)-1]
	d.place = -1
	return d
}

func (a *agenda) remove(d *device) {
	if d.place >= 0 {
		heap.Remove(a, d.place)
	}
}

// before makes all be due by then.
func (a *agenda) before(then int64) {
	for _, d := range *a {
		d.wanted = min(d.wanted, then)
	}
	heap.Init(a)
}

// want puts d on the agenda, or earlier on it.
func (e *Enricher) want(d *device, at int64) {
	switch {
	case d.place < 0:
		d.wanted = at
		heap.Push(&e.due, d)
	case at < d.wanted:
		d.wanted = at
		heap.Fix(&e.due, d.place)
	}
}

// change notes that there is something to tell of d.
func (e *Enricher) change(d *device) {
	if d.changed && d.place >= 0 && d.told == 0 {
		return
	}
	d.changed = true
	at := max(e.now, d.last) + int64(quiet)
	if d.told != 0 {
		at = max(at, d.told+int64(pause))
	}
	e.want(d, at)
}

// tellDue appends the records that are due.
func (e *Enricher) tellDue(b *weir.Batch) {
	for len(e.due) > 0 && e.due[0].wanted <= e.now {
		d := heap.Pop(&e.due).(*device)
		if !d.changed && d.flows == 0 {
			continue // silent for a day
		}
		e.tell(d, b)
	}
}

// tell appends a record of d.
func (e *Enricher) tell(d *device, b *weir.Batch) {
	d.known, d.changed = d.weigh(), false
	at := max(e.now, d.last)
	b.Hosts = append(b.Hosts, d.record(at))
	e.stats.Told++
	d.told, d.flows = at, 0
}

// record writes what is known of d.
func (d *device) record(at int64) weir.Host {
	addr, addrs := d.addresses()
	h := weir.Host{
		Time: time.Unix(0, at).UTC(), Sensor: d.sensor, ID: d.id, Addr: addr, Addrs: addrs,
		Name: bestName(d.names), Class: d.known.class, ClassCertainty: d.known.classCertainty, OS: d.known.os,
		Role: d.known.role, RoleCertainty: d.known.roleCertainty, Evidence: d.reasons(),
		Offers: words(d.offers, "client"), Uses: words(d.uses, "server"),
		First: time.Unix(0, d.first).UTC(), Last: time.Unix(0, d.last).UTC(), Flows: d.flows,
	}
	if h.ID == "" {
		h.ID = "ip:" + addr.String()
	}
	if d.mac != 0 {
		h.MAC, h.Vendor = d.mac.String(), oui.Holder(d.mac.octets())
	}
	names := slices.Clone(d.names)
	slices.SortStableFunc(names, func(a, b name) int { return byRank(b, a) })
	for _, n := range names {
		h.Names = append(h.Names, sourceNames[n.source]+":"+n.text)
	}
	return h
}

// addresses returns the address that d has, and all that it had, the latest
// first: an IPv4 address before others, since most have one of those alone.
func (d *device) addresses() (addr netip.Addr, all []string) {
	list := slices.Clone(d.bindings)
	slices.SortStableFunc(list, func(a, b *binding) int { return cmp.Compare(b.last, a.last) })
	for _, b := range list {
		if !addr.IsValid() || sort(b.addr) < sort(addr) {
			addr = b.addr
		}
		all = append(all, b.addr.String())
	}
	if len(all) == 0 && d.was.IsValid() {
		return d.was, []string{d.was.String()}
	}
	return addr, all
}

// sort tells kinds of addresses apart, the best to know a device by first.
func sort(a netip.Addr) int {
	switch {
	case a.IsLinkLocalUnicast():
		return 2
	case a.Is4():
		return 0
	}
	return 1
}

// bestName returns the best name; none where there are but those by which
// clients ask for something that a server, or a proxy, has.
func bestName(names []name) string {
	if len(names) == 0 {
		return ""
	}
	best := slices.MaxFunc(names, byRank)
	if best.source <= fromSNI {
		return ""
	}
	return best.text
}

// words writes services, the most used first.
func words(list []service, whom string) (out []string) {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b service) int {
		return cmp.Or(cmp.Compare(b.many(), a.many()), cmp.Compare(b.flows, a.flows), cmp.Compare(a.port, b.port))
	})
	for i := range list {
		out = append(out, list[i].words(whom))
	}
	return out
}

// Recall learns from records of table host, of each device the latest, so that
// what was known before a restart is known after it. It is to be called before
// the first batch.
func (e *Enricher) Recall(records iter.Seq2[*weir.Host, error]) error {
	latest := map[string]*weir.Host{}
	for h, err := range records {
		if err != nil {
			return err
		}
		if old := latest[h.ID]; old == nil || h.Time.After(old.Time) {
			latest[h.ID] = h
		}
	}
	list := make([]*weir.Host, 0, len(latest))
	for _, h := range latest {
		list = append(list, h)
	}
	slices.SortFunc(list, func(a, b *weir.Host) int { return cmp.Or(a.Last.Compare(b.Last), cmp.Compare(a.ID, b.ID)) })
	for _, h := range list[max(0, len(list)-e.max):] {
		e.recall(h)
	}
	return nil
}

// recall makes the device that a record tells of. Who had an address last has it.
func (e *Enricher) recall(h *weir.Host) {
	at := h.Last.UnixNano()
	d := e.newDevice(at)
	if m := parseMAC(h.MAC); m != 0 && strings.HasPrefix(h.ID, "mac:") {
		e.own(d, e.heard(m))
	}
	for _, text := range slices.Backward(h.Addrs) {
		a, err := netip.ParseAddr(text)
		if err != nil {
			continue
		}
		b := e.byAddr[a]
		if b == nil {
			b = &binding{addr: a}
		}
		b.last = at
		e.give(b, d)
	}
	for _, n := range h.Names {
		from, text, _ := strings.Cut(n, ":")
		if i := slices.Index(sourceNames[:], from); i >= 0 {
			e.call(d, source(i), text, at)
		}
	}
	for _, sentence := range h.Evidence {
		if k, text, ok := reasonOf(sentence); ok {
			e.learn(d, k, text)
		}
	}
	d.offers, d.uses = recallServices(h.Offers), recallServices(h.Uses)
	d.first, d.last, d.sensor = h.First.UnixNano(), at, h.Sensor
	d.told, d.changed = h.Time.UnixNano(), false
	d.known = d.weigh()
	e.due.remove(d)
}

// reasonOf reads a sentence that reasons made.
func reasonOf(sentence string) (kind, string, bool) {
	best, found := byVendor, ""
	for k := range byOffer {
		if text, ok := strings.CutPrefix(sentence, says[k][0]); ok && k != byPlace && (found == "" || len(text) < len(found)) {
			best, found = k, text
		}
	}
	if found != "" {
		return best, found, true
	}
	if text, ok := strings.CutSuffix(sentence, says[byPlace][1]); ok {
		return byPlace, text, true
	}
	return 0, "", false
}

// recallServices reads what words wrote.
func recallServices(list []string) (out []service) {
	for _, text := range list[:min(len(list), maxServices)] {
		what, rest, ok := strings.Cut(text, " (")
		if !ok {
			continue
		}
		var s service
		what, s.app, _ = strings.Cut(what, " ")
		number, proto, ok := strings.Cut(what, "/")
		if !ok {
			number, proto = "0", what
		}
		port, err := strconv.ParseUint(number, 10, 16)
		if err != nil || s.proto.UnmarshalText([]byte(proto)) != nil {
			continue
		}
		count, _, _ := strings.Cut(rest, " ")
		n, _ := strconv.Atoi(count)
		s.port, s.least, s.flows = uint16(port), uint16(min(max(n, 0), 1<<16-1)), 1
		s.guessed = strings.HasSuffix(rest, ", by its port)")
		out = append(out, s)
	}
	return out
}
