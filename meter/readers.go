package meter

import (
	"net/netip"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/coap"
	"github.com/weir-nta/weir/decode/database"
	"github.com/weir-nta/weir/decode/dcerpc"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/decode/discovery"
	"github.com/weir-nta/weir/decode/dtls"
	"github.com/weir-nta/weir/decode/ftp"
	"github.com/weir-nta/weir/decode/http"
	"github.com/weir-nta/weir/decode/industrial"
	"github.com/weir-nta/weir/decode/irc"
	"github.com/weir-nta/weir/decode/kerberos"
	"github.com/weir-nta/weir/decode/ldap"
	"github.com/weir-nta/weir/decode/mail"
	"github.com/weir-nta/weir/decode/mining"
	"github.com/weir-nta/weir/decode/mqtt"
	"github.com/weir-nta/weir/decode/ntp"
	"github.com/weir-nta/weir/decode/packet"
	"github.com/weir-nta/weir/decode/quic"
	"github.com/weir-nta/weir/decode/rdp"
	"github.com/weir-nta/weir/decode/smb"
	"github.com/weir-nta/weir/decode/snmp"
	"github.com/weir-nta/weir/decode/socks"
	"github.com/weir-nta/weir/decode/ssh"
	"github.com/weir-nta/weir/decode/tunnel"
	"github.com/weir-nta/weir/internal/pieces"
	"github.com/weir-nta/weir/internal/recent"
)

// readers make what reads a protocol, by the name that decode/app gives it. A
// protocol that is not here is named in the flow record and not read.
var readers = map[string]func() dialog.Reader{
	"dce_rpc":     func() dialog.Reader { return dcerpc.New() },
	"smb":         func() dialog.Reader { return smb.New() },
	"bacnet":      industrial.NewBACnet,
	"coap":        coap.New,
	"dtls":        func() dialog.Reader { return dtls.New() },
	"dnp3":        industrial.NewDNP3,
	"ntp":         func() dialog.Reader { return ntp.New() },
	"stun":        tunnel.NewSTUN,
	"ipsec":       tunnel.NewIKE,
	"ssdp":        discovery.NewSSDP,
	"wsd":         discovery.NewWSD,
	"netbios_dgm": discovery.NewDatagrams,
	"ftp":         ftp.New,
	"http":        func() dialog.Reader { return http.New() },
	"imap":        mail.NewIMAP,
	"irc":         irc.New,
	"pop3":        mail.NewPOP3,
	"smtp":        mail.NewSMTP,
	"socks":       socks.New,
	"modbus":      industrial.NewModbus,
	"kerberos":    func() dialog.Reader { return kerberos.New() },
	"kpasswd":     func() dialog.Reader { return kerberos.New() },
	"ldap":        func() dialog.Reader { return ldap.New() },
	"rdp":         func() dialog.Reader { return rdp.New() },
	"snmp":        func() dialog.Reader { return snmp.New() },
	"mqtt":        mqtt.New,
	"mysql":       database.NewMySQL,
	"postgresql":  database.NewPostgreSQL,
	"quic":        func() dialog.Reader { return quic.New() },
	"redis":       database.NewRedis,
	"s7comm":      industrial.NewS7comm,
	"ssh":         func() dialog.Reader { return ssh.New() },
	"stratum":     mining.New,
	"tds":         database.NewTDS,
}

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
	q, most := &m.readings, m.config.MaxReaders
	if name == "quic" || name == "dtls" {
		q, most = &m.hellos, min(most, max(m.config.MaxHeadTotal/maxHello, 1))
	}
	if q.n >= most && !m.evictReading(q) {
		m.count.ReadersRefused++
		return false
	}
	m.count.Readers++
	f.kind, f.reading = isRead, m.newReading()
	f.reading.f, f.reading.reader, f.reading.queue = f, make(), q
	q.add(&f.reading.place)
	return true
}

// maxHello is how many octets a reader may keep of hellos that come in pieces,
// of both ends: all of them together take no more than the heads of TCP.
const maxHello = 2 * pieces.MaxBytes

// A reading is that of a conversation which is read beyond its first words.
type reading struct {
	place  // in its queue
	queue  *queue
	reader dialog.Reader
	reads  uint8    // up to firstReads
	next   *reading // in the free list
}

// maxCredit is how often a conversation is passed over when another has to go,
// if it has been read as often since it was last passed over. Its first words,
// which firstReads bounds, do not count.
const (
	maxCredit  = 3
	firstReads = 4
)

func (m *Meter) newReading() *reading {
	r := m.freeReadings
	if r == nil {
		return &reading{}
	}
	m.freeReadings, r.next = r.next, nil
	return r
}

// evictReading ends the reading of the conversation of q that has been read for
// longest, unless something was read of it since it was last asked: then the
// next one is asked. So conversations of which only the first words come drive
// out each other. It returns false if there is none.
func (m *Meter) evictReading(q *queue) bool {
	const asked = 64
	for n := 1; q.oldest != nil; n++ {
		p := q.oldest
		if n < asked && p.credit > 0 {
			p.credit--
			q.renew(p)
			continue
		}
		m.count.ReadersEvicted++
		f := p.f
		m.closeReader(f)
		f.kind = isOther
		for e := range f.s {
			f.s[e].done = true
			m.release(f, uint8(e))
		}
		return true
	}
	return false
}

// closeReader ends the reading of a conversation.
func (m *Meter) closeReader(f *flow) {
	if f.reading == nil {
		return
	}
	m.ask(f, f.last, func(d *dialog.Dialog) bool {
		d.Ahead[dialog.Client], d.Ahead[dialog.Server] = f.ahead(f.orig), f.ahead(f.orig^1)
		f.reading.reader.Close(d)
		return true
	})
	f.reading.queue.remove(&f.reading.place)
	*f.reading = reading{next: m.freeReadings}
	m.freeReadings, f.reading = f.reading, nil
}

// ahead returns how many octets of those that were passed over an end has not sent.
func (f *flow) ahead(end uint8) uint64 {
	s, r := &f.s[end], &f.rest[end]
	if r.base == 0 { // nothing was read of it
		return 0
	}
	return r.base - 1 - min(r.base-1, s.size(&f.s[end^1]))
}

// stopReading ends the reading of one end, and that of the conversation if
// nothing more is wanted of the other either.
func (m *Meter) stopReading(f *flow, end uint8) {
	m.finish(f, end)
	if f.s[end^1].done {
		m.closeReader(f)
		f.kind = isOther
	}
}

// readMore shows a reader what an end has sent.
func (m *Meter) readMore(f *flow, end uint8, ts int64, b []byte) {
	switch used, anew := m.askReader(f, end, ts, b); {
	case anew:
		m.pass(f, end, uint64(max(used, 0)))
		m.beginAnew(f)
	case used < 0:
		m.stopReading(f, end)
	case used > 0:
		f.rest[end].reads = 0 // only reading in vain costs
		m.pass(f, end, uint64(used))
	}
}

// readDatagram shows a reader what an end has sent by UDP.
func (m *Meter) readDatagram(f *flow, end uint8, ts int64, b []byte) {
	switch used, anew := m.askReader(f, end, ts, b); {
	case anew: // from the next datagram on
		m.beginAnew(f)
	case used < 0:
		m.stopReading(f, end)
	}
}

func (m *Meter) askReader(f *flow, end uint8, ts int64, b []byte) (used int, anew bool) {
	r := f.reading
	if r.reads < firstReads {
		r.reads++
	} else {
		r.credit = min(r.credit+1, maxCredit)
	}
	m.ask(f, ts, func(d *dialog.Dialog) bool {
		used = r.reader.Read(d, f.role(end), b)
		anew = d.IsAnew()
		return true
	})
	return used, anew
}

// maxAnew is how often a conversation may change to another protocol, as with
// CONNECT, TLS and what is in it. Beyond it nothing more is looked at.
const maxAnew = 6

// beginAnew has what comes from here on recognised: what was not taken, which
// is shown again, and what is to come.
func (m *Meter) beginAnew(f *flow) {
	m.closeReader(f)
	f.kind, f.tries = unknown, 0
	f.showAgain()
	if f.anew++; f.anew > maxAnew {
		f.kind = isOther
	}
	for e := range f.s {
		s, r := &f.s[e], &f.rest[e]
		if s.done && r.base != 0 {
			r.base = max(r.base, s.front) // what came since nobody wanted it is gone
		}
		if s.done = f.kind == isOther; s.done {
			m.release(f, uint8(e))
		}
	}
}

// ask lets a reader say something of f.
func (m *Meter) ask(f *flow, ts int64, what func(d *dialog.Dialog) bool) bool {
	m.fill()
	d := &m.dialog
	d.Reset(m.endpointsOf(f, ts), m.batch, m.tell.announce)
	d.SrcMAC, d.DstMAC = m.macsOf(f)
	d.Odd, d.Expect = m.tell.odd, m.tell.expect
	m.tell.f, m.tell.ts = f, ts
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
	macs := [2]packet.MAC{f.rest[0].mac, f.rest[1].mac}
	if p := m.at; p != nil && m.on == f {
		macs[m.from] = p.SrcMAC
		if p.DstMAC != (packet.MAC{}) {
			macs[m.from^1] = p.DstMAC
		}
	}
	return m.macs.text(macs[f.orig]), m.macs.text(macs[f.orig^1])
}

// telling is what readers call back by: functions made once, and whom they are
// asked about.
type telling struct {
	announce func(*weir.Announcement)
	odd      func(from dialog.End, name, detail string)
	expect   func(dialog.Expected)

	f  *flow
	ts int64
}

func (m *Meter) beginTelling() {
	t := &m.tell
	t.announce, t.expect = m.announce, m.expect
	t.odd = func(from dialog.End, name, detail string) {
		m.oddFlow(t.f, t.f.orig^uint8(from), t.ts, name, detail)
	}
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

// An expectation is the connection that another one has agreed on.
type expectation struct {
	from, to netip.Addr
	port     uint16
}

// maxExpected is how many of them are remembered, 150 octets each. Whoever
// invents them makes others be recognised by what is said in them.
const maxExpected = 1 << 13

func (m *Meter) expect(e dialog.Expected) {
	m.expected.Put(expectation{e.From.Unmap(), e.To.Unmap(), e.Port}, e.App)
}

// meet names a new connection that was expected, which is not looked into.
func (m *Meter) meet(f *flow) {
	if m.expected.Len() == 0 || f.key.Proto != weir.TCP {
		return
	}
	e := m.endpointsOf(f, f.start)
	if name, ok := m.expected.Get(expectation{e.Src, e.Dst, e.DstPort}); ok {
		f.call(name)
		f.kind = isOther
		f.s[0].done, f.s[1].done = true, true
	}
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
