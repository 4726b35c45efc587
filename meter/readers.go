package meter

import (
	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/decode/packet"
	"github.com/weir-nta/weir/internal/recent"
)

// readers make what reads a protocol, by the name that decode/app gives it. A
// protocol that is not here is named in the flow record and not read.
var readers = map[string]func() dialog.Reader{}

// beginReading gives a flow the reader of the protocol that it speaks. It
// returns false if there is none, or no room for one more.
func (m *Meter) beginReading(f *flow, name string) bool {
	make := readers[name]
	if name == "dhcp" || name == "dhcpv6" {
		make = func() dialog.Reader { return m.dhcp }
	}
	if make == nil {
		return false
	}
	if m.reading >= m.config.MaxReaders {
		m.count.ReadersRefused++
		return false
	}
	m.reading++
	m.count.Readers++
	f.kind, f.reader = isRead, make()
	return true
}

// closeReader ends the reading of a conversation.
func (m *Meter) closeReader(f *flow) {
	if f.reader == nil {
		return
	}
	m.ask(f, f.last, func(d *dialog.Dialog) bool {
		f.reader.Close(d)
		return true
	})
	f.reader = nil
	m.reading--
}

// readFirst shows a reader what has come until its protocol was recognised:
// first b, which an end has just sent, then what was kept of the other.
func (m *Meter) readFirst(f *flow, end uint8, ts int64, b []byte) int {
	f.s[0].reads, f.s[1].reads = 0, 0
	if end != f.orig { // the client speaks first, but where b is what the server said first
		m.showKept(f, end^1, ts)
	}
	used := m.read(f, end, ts, b)
	if end == f.orig {
		m.showKept(f, end^1, ts)
	}
	return used
}

// showKept shows what is kept of an end, from its beginning.
func (m *Meter) showKept(f *flow, end uint8, ts int64) {
	if h := f.s[end].head; h != nil {
		h.shown = 0
		m.show(f, end, ts)
	}
}

// readMore shows a reader what an end has sent. It returns how many octets
// need not be shown again, which may be more than there are.
func (m *Meter) readMore(f *flow, end uint8, ts int64, b []byte) int {
	used, anew := dialog.Stop, false
	m.ask(f, ts, func(d *dialog.Dialog) bool {
		used = f.reader.Read(d, f.role(end), b)
		anew = d.IsAnew()
		return true
	})
	switch {
	case anew:
		return m.beginAnew(f, end, ts, b, used)
	case used < 0:
		m.finish(&f.s[end])
		return 0
	case used > 0:
		f.s[end].reads = 0 // only reading in vain costs
	}
	return used
}

// beginAnew recognises what a conversation has changed to.
func (m *Meter) beginAnew(f *flow, end uint8, ts int64, b []byte, used int) int {
	m.closeReader(f)
	f.kind = unknown
	for e := range f.s {
		f.s[e].reads, f.s[e].done = 0, false
	}
	used = max(used, 0)
	if used < len(b) {
		rest := m.read(f, end, ts, b[used:])
		used += rest
	}
	if f.kind == unknown {
		m.showKept(f, end^1, ts)
	}
	return used
}

// ask lets a reader say something of f.
func (m *Meter) ask(f *flow, ts int64, what func(d *dialog.Dialog) bool) bool {
	m.fill()
	d := &m.dialog
	d.Reset(m.endpointsOf(f, ts), m.batch, m.announce)
	d.SrcMAC, d.DstMAC = m.macsOf(f)
	d.App, d.TLS, d.HTTP = f.app, f.tls, f.http
	before := m.batch.Len()
	ok := what(d)
	f.app, f.tls, f.http = d.App, d.TLS, d.HTTP
	m.count.Transactions += uint64(m.batch.Len() - before)
	return ok
}

// macsOf returns the link-layer addresses of client and server in the packet
// that is being metered, else those of the first ones of f. They differ where
// devices share an address: 0.0.0.0 asking for one, or a group.
func (m *Meter) macsOf(f *flow) (client, server string) {
	macs := f.macs
	if p := m.at; p != nil {
		macs[m.from] = p.SrcMAC
		if p.DstMAC != (packet.MAC{}) {
			macs[m.from^1] = p.DstMAC
		}
	}
	return m.mac(macs[f.orig]), m.mac(macs[f.orig^1])
}

// role returns what an end of f is.
func (f *flow) role(end uint8) dialog.End {
	if end == f.orig {
		return dialog.Client
	}
	return dialog.Server
}

// endpointsOf returns what records of f that are no flows begin with.
func (m *Meter) endpointsOf(f *flow, ts int64) weir.Endpoints {
	k := &f.key
	e := weir.Endpoints{Time: timeOf(ts), Sensor: m.config.Sensor, Src: k.A.Netip(), Dst: k.B.Netip(), SrcPort: k.APort, DstPort: k.BPort, Proto: k.Proto}
	if f.orig == 1 {
		e.Src, e.Dst, e.SrcPort, e.DstPort = e.Dst, e.Src, e.DstPort, e.SrcPort
	}
	return e
}

// announceEvery is how often the same announcement is told.
const announceEvery = 3600 * int64(1e9)

// announce tells what a device says of itself, unless it was told within the
// hour. Whoever invents announcements makes others be told sooner again.
func (m *Meter) announce(a *weir.Announcement) {
	key := *a // who said it and what, whoever was told
	key.Endpoints = weir.Endpoints{Src: a.Src}
	now := a.Time.UnixNano()
	if told, ok := m.announced.Get(key); ok && now-told < announceEvery && now >= told {
		m.count.Repeated++
		return
	}
	m.announced.Put(key, now)
	m.batch.Announcements = append(m.batch.Announcements, *a)
}

// maxAnnounced is how many announcements are remembered: 250 bytes each.
const maxAnnounced = 1 << 15

func newAnnounced() *recent.Map[weir.Announcement, int64] {
	return recent.New[weir.Announcement, int64](maxAnnounced)
}
