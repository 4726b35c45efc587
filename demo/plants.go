package demo

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// A Plant is an attack, or a fault, that the demo holds.
type Plant struct {
	// Detector names the detector that is there to find it; empty if that is
	// still to come.
	Detector string
	// Behaviour is one of weir.Behaviours.
	Behaviour string
	// Src is who does it. Dst is to whom, DstPort on which port: zero if they
	// are many.
	Src     netip.Addr
	Dst     netip.Addr
	DstPort uint16
	// First and Last are when it begins and by when it is over.
	First, Last time.Time
	// What says what happens, and Why what is bad about it.
	What, Why string
	// InPackets says that WritePcap holds enough of it to be found there.
	InPackets bool
}

// A LookAlike is honest traffic that resembles what a detector is after.
type LookAlike struct {
	// Detector names the detector that may take it for an attack.
	Detector string
	// Src are who does it. Dst is to whom, zero if they are many.
	Src []netip.Addr
	Dst netip.Addr
	// What says what happens, and Why what is honest about it.
	What, Why string
}

// The hosts of the attacks.
var (
	beaconing  = addr("10.10.1.23")
	tunnelling = addr("10.10.1.17")
	sweeping   = addr("10.10.1.26")
	sessions   = addr("10.10.1.29")
	lateral    = addr("10.10.1.31")
	guessing   = addr("10.10.1.33")
	hiding     = addr("10.10.1.36")
	nameless   = addr("10.10.1.40")
	selfSigned = addr("10.10.1.41")
	pinging    = addr("10.10.1.27")
	nightly    = addr("10.10.1.46")
	roasting   = addr("10.10.1.38")
	posting    = addr("10.10.1.19")
	infected   = addr("10.10.1.21")
	scanned    = addr("10.20.0.18")
	leaking    = addr("10.20.0.15")
)

// tunnelZone is where the names of the DNS tunnel end.
const tunnelZone = "t.badcdn.example"

// Plants returns what is planted.
func Plants() []Plant {
	last := func(d time.Duration) time.Time { return LastDay().Add(d) }
	const h, m = time.Hour, time.Minute
	return []Plant{
		{"beacon", "beacon", beaconing, commander.ip, 443, last(h), last(24*h - 10*m),
			"calls cdn-sync.example.net every 60 s, 8 % more or less, for 22 hours", "an implant waits for orders: no other host talks to that name or has that TLS client", true},
		{"dnstunnel", "dns_tunnel", tunnelling, controllers[0], 53, last(5 * h), last(8 * h),
			"asks for 900 names under badcdn.example, type TXT, in three hours", "data leaves in names that nobody else asks for", true},
		{"portscan", "port_scan", laptop, netip.Addr{}, 0, last(7 * h), last(7*h + m),
			"tries 120 ports on each of eight servers within a minute", "a visitor's laptop looks for open doors", true},
		{"portscan", "port_scan", appliance, scanned, 0, last(-21 * h), last(-h),
			"tries one port of 10.20.0.18 about every two minutes, 600 in all", "the same, slow enough to stay below limits per minute", false},
		{"hostsweep", "host_sweep", sweeping, netip.Addr{}, 445, last(-33 * h), last(-33*h + 5*m),
			"tries port 445 on all 253 neighbours in four minutes", "looks for file shares to spread to; most of the addresses do not exist", false},
		{"longconn", "long_connection", sessions, longServer.ip, 8443, last(h), last(19 * h),
			"keeps one connection to vpn.example.org open for 18 hours", "a tunnel or a shell: small packets both ways, to a place no other host knows", false},
		{"", "lateral_movement", lateral, netip.Addr{}, 445, last(9 * h), last(9*h + 20*m),
			"opens SMB to three hosts that it never used", "spreads with stolen credentials", false},
		{"", "exfiltration", leaking, dropbox.ip, 443, last(11 * h), last(12*h + 10*m),
			"uploads 4.2 GB to a network that it never used", "a server's data leaves", false},
		{"", "unauthorized_service", admin.ip, servers[4], 3389, last(10 * h), last(10*h + 40*m),
			"is answered by RDP from the internet", "remote administration must not be reachable from outside", false},
		{"", "unauthorized_service", netip.Addr{}, servers[2], 4444, last(12 * h), last(12*h + 11*m),
			"two workstations use a port of 10.20.0.14 that was never open", "a new listener is a new door", false},
		{"", "encrypted_c2", nameless, bareServer.ip, 443, last(6 * h), last(6*h + 31*m),
			"speaks TLS to an address that nobody looked up, without a server name", "command and control by address avoids DNS", false},
		{"", "policy", hiding, resolver.ip, 443, last(9 * h), last(10 * h),
			"uses a DNS resolver over HTTPS", "its look-ups are hidden from the office", false},
		{"", "encrypted_c2", selfSigned, selfSigner.ip, 443, last(5 * h), last(5*h + 13*m),
			"speaks TLS to a self-signed certificate of CN=localhost", "kits for command and control ship such certificates", false},
		{"", "brute_force", guessing, servers[5], 22, last(4 * h), last(4*h + 19*m),
			"opens 45 short SSH sessions, then a long one", "passwords are guessed, and one was right", false},
		{"", "icmp_tunnel", pinging, pinger.ip, 0, last(10 * h), last(10*h + 21*m),
			"exchanges 400 large echoes", "ICMP carries data", false},
		{"", "exfiltration", nightly, sites[11].ip, 443, last(90 * m), last(3 * h),
			"uploads 880 MB at half past one at night", "nobody is there", false},
		{"", "iot_botnet", things[1], bareServer.ip, 23, last(13 * h), last(13*h + 7*m),
			"a camera speaks telnet to the internet", "it was not bought for that", false},
		{"", "brute_force", roasting, controllers[0], 88, last(8 * h), last(8*h + 4*m),
			"asks for tickets of 30 services with weak encryption", "their passwords are guessed elsewhere", false},
		{"", "beacon", posting, gateway.ip, 80, last(9 * h), last(10 * h),
			"posts to an address every 100 s and asks for nothing else", "a client that nobody else runs hands in what it has gathered", false},
		{"", "threat_intel", infected, netip.Addr{}, 53, End().Add(-16 * day), End().Add(-12*day + m),
			"asks for login.evil.example on five days", "the name became known as bad later", false},
		{"", "evasion", netip.Addr{}, netip.Addr{}, 443, last(0), last(24 * h),
			"the sensor branch-2 sees one direction only", "no attack but a fault: what that sensor says of failures is wrong", false},
	}
}

// LookAlikes returns what is not planted and only looks so.
func LookAlikes() []LookAlike {
	return []LookAlike{
		{"beacon", []netip.Addr{updating}, updates.ip, "asks update.example.com every 30 minutes, day and night", "all hosts ask there, for weeks"},
		{"beacon", []netip.Addr{monitor}, monitoring.ip, "sends measurements every 60 s", "all servers do, for weeks"},
		{"beacon", workstations[31:33], chat.ip, "poll a chat every 15 minutes", "many hosts talk to it, for weeks"},
		{"beacon", controllers, timeServer.ip, "ask for the time every hour", "NTP, looked up by name, for weeks"},
		{"dnstunnel", others(workstations[:12], tunnelling), netip.Addr{}, "look up 480 names under cdn.example that are asked once", "many hosts do, and go there"},
		{"dnstunnel", others(workstations, tunnelling), netip.Addr{}, "look up a virus scanner's verdicts, each a name of its own", "all workstations do, a few each"},
		{"portscan", []netip.Addr{scanner}, netip.Addr{}, "tries 59 ports on eight servers every Monday", "the office's own scanner, authorised"},
		{"hostsweep", []netip.Addr{scanner}, netip.Addr{}, "fails at the same port of eight servers", "the office's own scanner, authorised"},
		{"hostsweep", branch, netip.Addr{}, "seem to fail at port 443 of many sites", "their sensor hears one direction only"},
		{"longconn", workstations[6:12], vpn.ip, "keep a VPN open for six hours and more", "many hosts do, for weeks"},
		{"longconn", workstations[:6], chat.ip, "keep a chat open for five hours and more", "many hosts do, for weeks"},
	}
}

// others returns the hosts of list without one.
func others(list []netip.Addr, one netip.Addr) []netip.Addr {
	return slices.DeleteFunc(slices.Clone(list), func(a netip.Addr) bool { return a == one })
}

// attacks makes what is planted on the n-th day.
func (g *generator) attacks(n int) {
	t := Start().Add(time.Duration(n) * day)
	if left := Days - n; left >= 12 && left <= 16 {
		g.ask(question{time: t, src: infected, dst: controllers[0], name: "login.evil.example", answers: []string{"203.0.113.5"}, ttl: 300})
	}
	switch n {
	case Days - 3:
		g.hostSweep(t.Add(15 * time.Hour))
	case Days - 2:
		g.slowScan(t.Add(3 * time.Hour))
	case Days - 1:
		g.foundFirst(t)
		g.foundLater(t)
		g.crowds(t)
		g.roast(t.Add(8 * time.Hour))
		g.gate(t.Add(9 * time.Hour))
	}
}

// foundFirst makes the plants of the last day that have a detector.
func (g *generator) foundFirst(t time.Time) {
	g.beacon(t.Add(time.Hour), t.Add(day-10*time.Minute))
	g.dnsTunnel(t.Add(5 * time.Hour))
	g.fastScan(t.Add(7 * time.Hour))
	g.longConnection(t.Add(time.Hour))
}

func (g *generator) beacon(t, until time.Time) {
	g.ask(question{time: t.Add(-time.Second), src: beaconing, dst: controllers[0], name: commander.name, answers: []string{commander.ip.String()}, ttl: oneDay})
	for ; t.Before(until); t = t.Add(g.around(time.Minute, 8)) {
		g.tls(talk{start: t, dur: g.around(time.Second, 20), src: beaconing, dst: commander.ip, port: 443, to: commander.as, up: 612, down: 1180}, implant, commander)
	}
}

func (g *generator) dnsTunnel(t time.Time) {
	for k := range 900 {
		g.ask(question{time: t.Add(time.Duration(k) * 12 * time.Second), src: tunnelling, dst: controllers[0], name: g.base32(42) + "." + tunnelZone, typ: "TXT",
			answers: []string{g.base32(20 + g.rng.IntN(60))}, ttl: 0, rtt: 20*time.Millisecond + g.upTo(60*time.Millisecond)})
	}
}

// base32 returns n letters and digits as RFC 4648 uses them, in lower case.
func (g *generator) base32(n int) string {
	const digits = "abcdefghijklmnopqrstuvwxyz234567"
	b := make([]byte, n)
	for i := range b {
		b[i] = digits[g.rng.IntN(len(digits))]
	}
	return string(b)
}

// fastScan tries 120 ports on each server. The servers refuse what the
// office's own scanner may ask and drop the rest.
func (g *generator) fastScan(t time.Time) {
	for range 6 {
		g.visit(t.Add(2*time.Hour+g.upTo(8*time.Hour)), laptop, pick(g, sites), browserOf(laptop))
	}
	for _, d := range servers {
		for _, p := range g.rng.Perm(1023)[:120] {
			port := uint16(p + 1)
			refused := port <= scannedPorts
			g.tcp(talk{start: t.Add(g.upTo(time.Minute)), dur: side[time.Duration](refused, 300*time.Microsecond, 0), src: laptop, dst: d, port: port, refused: refused, unanswered: !refused})
		}
	}
}

func (g *generator) slowScan(t time.Time) {
	for _, p := range g.rng.Perm(1023)[:600] {
		g.tcp(talk{start: t, src: appliance, dst: scanned, port: uint16(p + 1), unanswered: true})
		t = t.Add(g.around(119*time.Second, 15))
	}
}

func (g *generator) hostSweep(t time.Time) {
	for _, i := range g.rng.Perm(254) {
		d := netip.AddrFrom4([4]byte{10, 10, 1, byte(i + 1)})
		if d == sweeping {
			continue
		}
		g.tcp(talk{start: t, src: sweeping, dst: d, port: 445, unanswered: true})
		t = t.Add(500*time.Millisecond + g.upTo(900*time.Millisecond))
	}
}

func (g *generator) longConnection(t time.Time) {
	g.resolve(t, sessions, longServer, 3600)
	g.tls(talk{start: t, dur: 18 * time.Hour, src: sessions, dst: longServer.ip, port: 8443, to: longServer.as, up: 4e6, down: 3e6, chunk: 110}, browserOf(sessions), longServer)
}

// foundLater makes the plants of the last day whose detectors are to come. None
// of them keeps time: those that should be found by their clock are beacons.
func (g *generator) foundLater(t time.Time) {
	g.spread(t.Add(9 * time.Hour))
	g.uploads(t)
	g.doors(t)
	g.hiddenServers(t)
	g.guess(t.Add(4 * time.Hour))
	for k := range 400 {
		g.ping(talk{start: t.Add(10*time.Hour + time.Duration(k)*3*time.Second), dur: 20 * time.Millisecond, src: pinging, dst: pinger.ip, to: bullet}, 1172)
	}
	for range 6 {
		g.tcp(talk{start: t.Add(13*time.Hour + g.upTo(6*time.Minute)), dur: g.around(4*time.Second, 40), src: things[1], dst: bareServer.ip, port: 23, to: bullet, app: "telnet", up: 400, down: 900})
	}
	for i := range 310 {
		g.branchVisit(t.Add(g.upTo(day-time.Minute)), i < 300)
	}
}

// spread is the lateral movement.
func (g *generator) spread(t time.Time) {
	for k, d := range []netip.Addr{addr("10.10.1.44"), addr("10.10.1.45"), leaking} {
		at := t.Add(time.Duration(k) * 7 * time.Minute)
		g.tcp(talk{start: at, dur: time.Minute, src: lateral, dst: d, port: 445, app: "smb", up: 350000, down: 9000})
		if d == leaking {
			g.install(at.Add(time.Second), d)
		} else {
			g.share(at.Add(time.Second), lateral, d, fmt.Sprintf(`\\%s\IPC$`, d), "", "connect")
		}
	}
}

// uploads are the exfiltrations: one to a new network, one at night.
func (g *generator) uploads(t time.Time) {
	for range 12 {
		at := t.Add(11*time.Hour + g.upTo(65*time.Minute))
		g.tcp(talk{start: at, dur: g.around(200*time.Second, 30), src: leaking, dst: dropbox.ip, port: 443, to: filedrop,
			app: "tls", up: 3.5e8, down: 90000, client: scripted, server: &server{name: "upload.example.net"}})
	}
	mirror := sites[11]
	for k := range 4 {
		at := t.Add(90*time.Minute + time.Duration(k)*15*time.Minute)
		g.resolve(at, nightly, mirror, 300)
		g.tls(talk{start: at, dur: 5 * time.Minute, src: nightly, dst: mirror.ip, port: 443, to: mirror.as, up: 2.2e8, down: 80000}, browserOf(nightly), mirror)
	}
}

// doors are the services that should not be there.
func (g *generator) doors(t time.Time) {
	g.tcp(talk{start: t.Add(10 * time.Hour), dur: 25 * time.Minute, src: admin.ip, from: admin.as, dst: servers[4], port: 3389, app: "rdp", up: 900000, down: 7e6})
	for _, ws := range workstations[:2] {
		g.tcp(talk{start: t.Add(12*time.Hour + g.upTo(10*time.Minute)), dur: 30 * time.Second, src: ws, dst: servers[2], port: 4444, up: 5000, down: 5000})
	}
}

// hiddenServers are what TLS is spoken to without a name, with a certificate
// of its own, or to hide look-ups.
func (g *generator) hiddenServers(t time.Time) {
	for range 15 {
		at := t.Add(6*time.Hour + g.upTo(30*time.Minute))
		g.tcp(talk{start: at, dur: g.around(2*time.Second, 80), src: nameless, dst: bareServer.ip, port: 443, to: bullet,
			app: "tls", up: g.size(2500, .5), down: g.size(4000, .5), client: scripted, server: &server{name: "gate.example.net"}})
	}
	for range 8 {
		at := t.Add(5*time.Hour + time.Second + g.upTo(12*time.Minute))
		g.tcp(talk{start: at, dur: g.around(time.Second, 80), src: selfSigned, dst: selfSigner.ip, port: 443, to: bullet,
			app: "tls", up: g.size(3000, .4), down: g.size(5000, .4), client: browsers[3], server: &selfSigner.server, sni: "srv.example.net"})
	}
	for k := range 60 {
		at := t.Add(9 * time.Hour)
		if k > 0 {
			at = at.Add(g.upTo(time.Hour))
		}
		g.tls(talk{start: at, dur: g.around(time.Second, 80), src: hiding, dst: resolver.ip, port: 443, to: doh, up: g.size(700, .3), down: g.size(900, .3)}, browserOf(hiding), resolver)
	}
}

// guess is the guessing of passwords, and what follows a right one.
func (g *generator) guess(t time.Time) {
	ssh := talk{src: guessing, dst: servers[5], port: 22, app: "ssh", up: 1800, down: 2300}
	for k := range 45 {
		ssh.start, ssh.dur = t.Add(time.Duration(k)*4*time.Second), g.around(1500*time.Millisecond, 20)
		g.tcp(ssh)
	}
	ssh.start, ssh.dur, ssh.up, ssh.down = t.Add(200*time.Second), 15*time.Minute, 60000, 400000
	g.tcp(ssh)
}

// crowds makes the look-alikes of the last day: many names, asked by many.
func (g *generator) crowds(t time.Time) {
	for _, ws := range workstations[:12] {
		g.gallery(t.Add(6*time.Hour), ws, 40, 30*time.Second)
	}
	for _, ws := range workstations {
		for range 8 {
			g.reputation(g.officeHour(t), ws)
		}
	}
}
