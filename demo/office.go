package demo

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"
)

// day makes the records of the n-th day, its attacks included.
func (g *generator) day(seed uint64, n int) {
	// Every day has numbers of its own, so that what is added to one day
	// leaves the others as they are.
	g.rng = rand.New(rand.NewPCG(seed, uint64(n)))
	g.ports = map[netip.Addr]uint16{}
	t := Start().Add(time.Duration(n) * day)
	if t.Weekday() != time.Sunday {
		g.officeDay(t)
	}
	g.machines(t, n)
	g.attacks(n)
}

// The office works from eight to six.
const (
	opens  = 8 * time.Hour
	closes = 18 * time.Hour
)

// officeHour returns some time between opening and closing.
func (g *generator) officeHour(t time.Time) time.Time { return t.Add(opens + g.upTo(closes-opens)) }

// officeDay makes what people do.
func (g *generator) officeDay(t time.Time) {
	for i, ws := range workstations {
		g.logOn(t, ws)
		g.portal(t, ws)
		for range 16 + g.rng.IntN(13) {
			g.visit(g.officeHour(t), ws, pick(g, sites), browserOf(ws))
		}
		for range 3 {
			g.kerberos(g.officeHour(t), ws)
			g.fileShare(g.officeHour(t), ws)
		}
		g.call(g.officeHour(t), ws, updates, browserOf(ws), 900, 2500)
		for range 4 {
			g.reputation(g.officeHour(t), ws)
		}
		if g.rng.IntN(2) == 0 {
			g.print(g.officeHour(t), ws)
		}
		switch {
		case i < 6:
			g.chatDay(t, ws)
		case i < 12:
			g.vpnDay(t, ws)
		case i == 31 || i == 32:
			g.polls(t, ws)
		}
		if i < 12 {
			g.gallery(g.officeHour(t), ws, 6, 2*time.Second)
		}
		if i%5 == 0 {
			g.meeting(g.officeHour(t), ws)
		}
	}
	for range 6 * len(servers) {
		g.application(t.Add(g.upTo(day)), pick(g, workstations[:30]), pick(g, servers))
	}
	for range 30 {
		g.branchVisit(g.officeHour(t), false)
	}
}

// browserOf returns the browser of a workstation.
func browserOf(ws netip.Addr) *client { return browsers[last(ws)%len(browsers)] }

func last(a netip.Addr) int { return int(a.As4()[3]) }

// logOn is what a workstation says when it is switched on: it asks for an
// address, looks for its domain, and tells its neighbours its name.
func (g *generator) logOn(t time.Time, ws netip.Addr) {
	t = t.Add(opens - g.upTo(30*time.Minute))
	g.udp(talk{start: t, src: unspecified, srcPort: 68, dst: broadcast, port: 67, app: "dhcp", up: 300, unanswered: true}, 1)
	for i, name := range []string{"_ldap._tcp.dc._msdcs." + zone, "_kerberos._tcp.dc._msdcs." + zone} {
		g.ask(question{time: t.Add(time.Duration(2+i) * time.Second), src: ws, dst: pick(g, controllers), name: name, typ: "SRV",
			answers: []string{"0 100 389 dc1." + zone, "0 100 389 dc2." + zone}, ttl: 600})
	}
	g.ask(question{time: t.Add(5 * time.Second), src: ws, dst: pick(g, controllers), name: "wpad." + zone, code: "NXDOMAIN"})
	g.mdns(t.Add(6*time.Second), ws)
}

// srvTarget returns the name in the presentation of an SRV record.
func srvTarget(s string) string { return s[strings.LastIndexByte(s, ' ')+1:] }

// mdns asks the neighbours for printers (RFC 6762): nobody answers the sensor.
func (g *generator) mdns(t time.Time, ws netip.Addr) {
	g.ask(question{time: t, src: ws, dst: mdnsGroup, name: "_ipp._tcp.local", typ: "PTR"})
	d := &g.dns[len(g.dns)-1]
	d.App, d.SrcPort, d.DstPort, d.ID = "mdns", 5353, 5353, 0
	d.Code, d.RTT, d.BytesDown, d.EDNSSize = "", 0, 0, 0
	d.BytesUp -= 11 // no EDNS option
	d.RecursionDesired, d.RecursionAvailable = false, false
}

// resolve looks a site up shortly before t.
func (g *generator) resolve(t time.Time, host netip.Addr, s *site, ttl uint32) {
	server := pick(g, controllers)
	t = t.Add(-60*time.Millisecond - g.upTo(150*time.Millisecond))
	g.ask(question{time: t, src: host, dst: server, name: s.name, answers: []string{s.ip.String()}, ttl: ttl})
	if g.rng.IntN(6) == 0 {
		g.ask(question{time: t, src: host, dst: server, name: s.name, typ: "AAAA", answers: []string{fmt.Sprintf("2001:db8::%x", last(s.ip))}, ttl: ttl})
	}
}

// visit is a browser on a web site: mostly TLS, some of it QUIC, and some TLS
// of which the sensor missed the handshake.
func (g *generator) visit(t time.Time, ws netip.Addr, s *site, c *client) {
	g.resolve(t, ws, s, 300)
	web := talk{start: t, dur: g.around(15*time.Second, 99), src: ws, dst: s.ip, port: 443, to: s.as,
		up: g.size(4900, 1), down: g.size(60000, 1.2)}
	switch n := g.rng.IntN(20); {
	case n < 2:
		web.app = "quic"
		g.udp(web, 4+web.down/1200)
	case n == 2:
		web.app = "tls"
		g.tcp(web)
	default:
		g.tls(web, c, s)
	}
}

// tls makes t a TLS connection to s, by its name.
func (g *generator) tls(t talk, c *client, s *site) {
	t.app, t.client, t.server, t.sni = "tls", c, &s.server, s.name
	g.tcp(t)
}

// call is one request to a service that programs talk to.
func (g *generator) call(t time.Time, host netip.Addr, s *site, c *client, up, down int) {
	g.resolve(t, host, s, 600)
	g.tls(talk{start: t, dur: g.around(700*time.Millisecond, 40), src: host, dst: s.ip, port: 443, to: s.as,
		up: up + g.rng.IntN(up/20), down: down + g.rng.IntN(down/20)}, c, s)
}

func (g *generator) kerberos(t time.Time, ws netip.Addr) {
	dur := g.around(12*time.Millisecond, 50)
	dc := pick(g, controllers)
	g.tcp(talk{start: t, dur: dur, src: ws, dst: dc, port: 88, app: "kerberos", up: 1500, down: 1600})
	g.ticket(t, ws, dc, "cifs/srv12."+zone, "aes256")
}

func (g *generator) fileShare(t time.Time, ws netip.Addr) {
	d := servers[0]
	if g.rng.IntN(5) == 0 {
		d = servers[1]
	}
	g.tcp(talk{start: t, dur: g.around(90*time.Second, 80), src: ws, dst: d, port: 445, app: "smb", up: g.size(20000, 0.5), down: g.size(200000, 1)})
	g.share(t.Add(time.Second), ws, d, `\\fs\users`, fmt.Sprintf(`user%d\notes.docx`, last(ws)), "read")
}

func (g *generator) print(t time.Time, ws netip.Addr) {
	g.tcp(talk{start: t, dur: g.around(20*time.Second, 50), src: ws, dst: pick(g, printers), port: 9100, app: "jetdirect", up: g.size(400000, 1), down: 200})
}

// reputation is how a virus scanner asks about a file: in the name of a look-up.
func (g *generator) reputation(t time.Time, ws netip.Addr) {
	g.ask(question{time: t, src: ws, dst: pick(g, controllers), name: g.hexadecimal(13) + ".rep.scanner.example", answers: []string{"127.0.0.2"}, ttl: 3600})
}

func (g *generator) hexadecimal(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(g.rng.Uint32())
	}
	return hex.EncodeToString(b)
}

// gallery looks up n names of a content network that gives every picture one.
func (g *generator) gallery(t time.Time, ws netip.Addr, n int, every time.Duration) {
	for k := range n {
		at := t.Add(time.Duration(k)*every + g.upTo(time.Second))
		name := g.hexadecimal(4) + "." + images.name
		g.ask(question{time: at, src: ws, dst: controllers[0], name: name, answers: []string{images.ip.String()}, ttl: 60})
		if k%8 == 0 {
			g.tls(talk{start: at.Add(80 * time.Millisecond), dur: g.around(4*time.Second, 50), src: ws, dst: images.ip, port: 443, to: images.as, up: 1500, down: g.size(40000, 1)},
				browserOf(ws), &site{ip: images.ip, as: images.as, server: server{name: name, tls13: true}})
		}
	}
}

// chatDay is a chat that keeps a connection open while somebody is there.
func (g *generator) chatDay(t time.Time, ws netip.Addr) {
	t = t.Add(opens + g.upTo(time.Hour))
	g.resolve(t, ws, chat, 300)
	dur := 5*time.Hour + g.upTo(2*time.Hour)
	g.tls(talk{start: t, dur: dur, src: ws, dst: chat.ip, port: 443, to: chat.as, up: int(dur/time.Second) * 20, down: int(dur/time.Second) * 45, chunk: 180}, browserOf(ws), chat)
}

// polls is a chat in a browser tab, which asks every quarter of an hour.
func (g *generator) polls(t time.Time, ws netip.Addr) {
	for at := t.Add(opens); at.Before(t.Add(closes)); at = at.Add(15*time.Minute + g.upTo(time.Second)) {
		g.call(at, ws, chat, browserOf(ws), 1400, 3800)
	}
}

// vpnDay is a connection to the head office that lasts most of the day.
func (g *generator) vpnDay(t time.Time, ws netip.Addr) {
	t = t.Add(opens + g.upTo(40*time.Minute))
	g.resolve(t, ws, vpn, 3600)
	dur := 6*time.Hour + g.upTo(100*time.Minute)
	g.tls(talk{start: t, dur: dur, src: ws, dst: vpn.ip, port: 443, to: vpn.as, up: g.size(9e6, .5), down: g.size(4e7, .7)}, agent, vpn)
}

func (g *generator) meeting(t time.Time, ws netip.Addr) {
	g.resolve(t, ws, meetings, 300)
	dur := g.around(50*time.Minute, 80)
	packets := int(dur / (20 * time.Millisecond))
	g.udp(talk{start: t, dur: dur, src: ws, dst: meetings.ip, port: 3478, app: "stun", to: meetings.as, up: packets * 160, down: packets * 700}, packets)
}

// application is a program of the office talking to one of its servers.
func (g *generator) application(t time.Time, ws, srv netip.Addr) {
	port := [...]uint16{443, 1433, 8080}[(last(srv)-last(servers[0]))%3]
	g.tls(talk{start: t, dur: g.around(3*time.Second, 60), src: ws, dst: srv, port: port, up: g.size(4000, .6), down: g.size(60000, .8)}, agent, inside(srv))
}

// branchVisit is traffic of the branch office, which another sensor sees:
// since its last day from the wrong port of a switch, which shows one
// direction only.
func (g *generator) branchVisit(t time.Time, deaf bool) {
	s := pick(g, sites)
	g.tcp(talk{start: t, dur: g.around(3*time.Second, 60), src: pick(g, branch), dst: s.ip, port: 443, app: side(deaf, "", "tls"), sensor: "branch-2", to: s.as,
		up: g.size(2000, .7), down: g.size(30000, 1), deaf: deaf})
}

// machines makes what runs day and night.
func (g *generator) machines(t time.Time, n int) {
	g.updater(t)
	g.monitoring(t, n)
	g.clocks(t)
	for i, s := range servers {
		g.tcp(talk{start: t.Add(2*time.Hour + g.upTo(10*time.Minute)), dur: g.around(15*time.Minute, 30), src: s, dst: backup, port: 445, app: "smb", up: int(g.size(2e9, .1)), down: 9000})
		g.call(t.Add(3*time.Hour+g.upTo(10*time.Minute)), s, updates, agent, 9000, 4e7)
		g.call(t.Add(4*time.Hour+time.Duration(i)*time.Minute+g.upTo(time.Minute)), s, monitoring, agent, 1500, 900)
	}
	at := t.Add(22*time.Hour + g.upTo(5*time.Minute))
	g.resolve(at, backup, offsite, 3600)
	g.tls(talk{start: at, dur: g.around(80*time.Minute, 20), src: backup, dst: offsite.ip, port: 443, to: offsite.as, up: g.size(6e9, .1), down: 2e6}, agent, offsite)
	if t.Weekday() == time.Monday {
		g.scanWeekly(t)
	}
	for range 15 {
		g.visitor(t.Add(g.upTo(day - time.Minute)))
	}
}

// updater is one workstation that looks for updates every half hour, day and
// night, on behalf of the others.
func (g *generator) updater(t time.Time) {
	for k := range 48 {
		g.call(t.Add(5*time.Minute+time.Duration(k)*30*time.Minute+g.around(4*time.Second, 99)), updating, updates, browserOf(updating), 900, 2500)
	}
}

// monitoring is the office's own: the printers are asked how they are, and
// what is known is sent to a service outside, once a minute since the last
// days and every half hour before.
func (g *generator) monitoring(t time.Time, n int) {
	for _, p := range printers {
		for k := range 12 {
			g.udp(talk{start: t.Add(time.Duration(k)*2*time.Hour + g.upTo(time.Second)), dur: g.around(20*time.Millisecond, 50), src: monitor, dst: p, port: 161, app: "snmp", up: len(snmpGet), down: len(snmpGet)}, 1)
		}
	}
	every := 30 * time.Minute
	if n >= Days-5 {
		every = time.Minute
	}
	for at := t.Add(30 * time.Second); at.Before(t.Add(day)); at = at.Add(every) {
		start := at.Add(g.upTo(400 * time.Millisecond))
		if at.Minute()%30 == 0 { // a look-up is good for half an hour
			g.ask(question{time: start.Add(-20 * time.Millisecond), src: monitor, dst: controllers[0], name: monitoring.name, answers: []string{monitoring.ip.String()}, ttl: 1800})
		}
		g.tls(talk{start: start, dur: g.around(300*time.Millisecond, 30), src: monitor, dst: monitoring.ip, port: 443, to: monitoring.as, up: 1600 + g.rng.IntN(300), down: 900}, agent, monitoring)
	}
}

// clocks sets those of the domain controllers by a server outside and those of
// the cameras by the domain controllers.
func (g *generator) clocks(t time.Time) {
	for _, dc := range controllers {
		g.ask(question{time: t.Add(g.upTo(time.Second)), src: dc, dst: upstream, name: timeServer.name, answers: []string{timeServer.ip.String()}, ttl: oneDay})
		for k := range 24 {
			g.ntp(t.Add(time.Minute+time.Duration(k)*time.Hour+g.upTo(time.Second)), dc, timeServer.ip, timeServer.as)
		}
	}
	for _, h := range things {
		for k := range 8 {
			g.ntp(t.Add(time.Hour+time.Duration(k)*150*time.Minute+g.upTo(time.Second)), h, controllers[0], system{})
		}
	}
}

// oneDay is a day as a time to live.
const oneDay = uint32(day / time.Second)

func (g *generator) ntp(t time.Time, src, dst netip.Addr, as system) {
	g.udp(talk{start: t, dur: g.around(10*time.Millisecond, 60), src: src, srcPort: 123, dst: dst, port: 123, app: "ntp", to: as, up: 48, down: 48}, 1)
}

// scannedPorts is how far the office's own scanner counts.
const scannedPorts = 59

// scanWeekly is the office's own vulnerability scanner.
func (g *generator) scanWeekly(t time.Time) {
	for _, s := range servers {
		for p := 1; p <= scannedPorts; p++ {
			g.tcp(talk{start: t.Add(4*time.Hour + time.Duration(p)*time.Second + g.upTo(time.Second)), dur: 200 * time.Microsecond, src: scanner, dst: s, port: uint16(p), refused: true})
		}
	}
}

// visitor comes from outside to the office's web server.
func (g *generator) visitor(t time.Time) {
	from := netip.AddrFrom4([4]byte{192, 0, 2, byte(100 + g.rng.IntN(100))})
	www := &site{ip: servers[0], server: server{name: "www.example.org"}}
	g.tls(talk{start: t, dur: g.around(4*time.Second, 80), src: from, from: provider, dst: servers[0], port: 443, up: g.size(3000, .5), down: g.size(30000, 1)}, pick(g, browsers), www)
}
