package hosts

import (
	"flag"
	"fmt"
	"iter"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-nta/weir"
)

var start = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)

func private(a netip.Addr) bool { return a.IsPrivate() || a.IsLinkLocalUnicast() }

// A tested enricher keeps the last record of each device, by id.
type tested struct {
	*Enricher
	told map[string]weir.Host
}

func newTest(t *testing.T, c Config) *tested {
	t.Helper()
	e, err := c.New(private)
	if err != nil {
		t.Fatal(err)
	}
	return &tested{e, map[string]weir.Host{}}
}

// last ends the traffic and returns the last record of each device, by id.
func (e *tested) last() map[string]weir.Host {
	for _, h := range e.Close().Hosts {
		e.told[h.ID] = h
	}
	return e.told
}

const (
	macA   = "00:1c:bf:03:54:82" // Intel
	macB   = "00:17:88:24:76:ff" // Philips Lighting
	macGW  = "00:1a:1e:00:00:01"
	macGW2 = "00:1a:1e:00:00:02"
)

// A script builds batches as traffic goes on.
type script struct {
	now time.Time
	b   weir.Batch
}

// flow adds one of a client to a server that answered, from one MAC to another.
func (s *script) flow(src, dst string, port uint16, app string, macs ...string) *weir.Flow {
	f := weir.Flow{Start: s.now, End: s.now, Src: netip.MustParseAddr(src), Dst: netip.MustParseAddr(dst), SrcPort: 50000, DstPort: port,
		Proto: weir.TCP, State: weir.StateSF, App: app, PacketsUp: 5, PacketsDown: 5, DataUp: 100, DataDown: 100, Sensor: "test"}
	if len(macs) == 2 {
		f.SrcMAC, f.DstMAC = macs[0], macs[1]
	}
	f.Direction = weir.Internal
	if !private(f.Dst) {
		f.Direction = weir.Outbound
	}
	if !private(f.Src) {
		f.Direction = weir.Inbound
	}
	s.b.Flows = append(s.b.Flows, f)
	return &s.b.Flows[len(s.b.Flows)-1]
}

func (s *script) arp(addr, mac string) {
	a := netip.MustParseAddr(addr)
	s.b.Announcements = append(s.b.Announcements, weir.Announcement{
		Endpoints: weir.Endpoints{Time: s.now, Sensor: "test", Src: a}, Protocol: "arp", Kind: "binding", MAC: mac, Addr: a})
}

func (s *script) says(addr, protocol, kind, name, text string) {
	s.b.Announcements = append(s.b.Announcements, weir.Announcement{
		Endpoints: weir.Endpoints{Time: s.now, Sensor: "test", Src: netip.MustParseAddr(addr)}, Protocol: protocol, Kind: kind, Name: name, Text: text})
}

func (s *script) lease(addr, mac, host, vendor, options string) {
	s.b.DHCP = append(s.b.DHCP, weir.DHCPMessage{Endpoints: weir.Endpoints{Time: s.now, Sensor: "test"}, MAC: mac, Assigned: netip.MustParseAddr(addr),
		Host: host, Vendor: vendor, Fingerprint: options, Messages: []string{"REQUEST", "ACK"}})
}

// play gives what was built to e and returns it, enriched.
func (s *script) play(e *tested) weir.Batch {
	b := s.b
	s.b = weir.Batch{}
	e.Enrich(&b)
	for _, h := range b.Hosts {
		e.told[h.ID] = h
	}
	return b
}

// at makes a script at some time after the start.
func at(d time.Duration) *script { return &script{now: start.Add(d)} }

func TestConfig(t *testing.T) {
	if _, err := (Config{MaxHosts: 1}).New(private); err == nil {
		t.Error("max_hosts of 1 is taken")
	}
}

// TestLeaseMoves: a device keeps its identity when its address changes, and who
// gets the address is another.
func TestLeaseMoves(t *testing.T) {
	e := newTest(t, Default)
	s := at(0)
	s.lease("10.10.1.5", macA, "ws-0023", "MSFT 5.0", "")
	s.flow("10.10.1.5", "192.0.2.1", 443, "tls")
	if got := s.play(e).Flows[0].SrcDevice; got != "mac:"+macA {
		t.Errorf("device %q, want that of the lease", got)
	}
	s = at(time.Hour)
	s.lease("10.10.1.77", macA, "ws-0023", "MSFT 5.0", "")
	s.lease("10.10.1.5", macB, "lamp", "", "")
	s.flow("10.10.1.77", "192.0.2.1", 443, "tls")
	s.flow("10.10.1.5", "192.0.2.1", 443, "tls")
	b := s.play(e)
	if b.Flows[0].SrcDevice != "mac:"+macA || b.Flows[1].SrcDevice != "mac:"+macB {
		t.Errorf("devices %q and %q, want %s and %s", b.Flows[0].SrcDevice, b.Flows[1].SrcDevice, macA, macB)
	}
	if e.Stats().Moved != 1 {
		t.Errorf("%d addresses moved, want 1", e.Stats().Moved)
	}
	h := e.last()["mac:"+macA]
	if h.Name != "ws-0023" || h.Addr.String() != "10.10.1.77" || h.Vendor != "Intel Corporate" || h.OS != "Windows" {
		t.Errorf("host %+v", h)
	}
}

// TestRouter: the link-layer address of a router is no identity of those behind
// it, whether they are outside or on other local networks; its own it is.
func TestRouter(t *testing.T) {
	e := newTest(t, Default)
	for i := range 10 {
		s := at(time.Duration(i) * time.Minute)
		s.arp("10.10.1.1", macGW)
		s.flow("10.10.1.5", "192.0.2.1", 443, "tls", macA, macGW)    // outside
		s.flow("10.10.1.5", "10.20.0.9", 445, "smb", macA, macGW2)   // another local network
		s.flow("10.10.1.5", "10.20.0.10", 445, "smb", macA, macGW2)  // the same router
		s.flow("10.20.0.11", "10.10.1.5", 22, "ssh", macGW2, macA)   // and back
		s.flow("198.51.100.7", "10.10.1.5", 22, "ssh", macGW2, macA) // by that one too
		b := s.play(e)
		for _, f := range b.Flows {
			for _, d := range []string{f.SrcDevice, f.DstDevice} {
				if d == "mac:"+macGW2 || d == "mac:"+macGW {
					t.Fatalf("%v to %v is taken for a router: %s", f.Src, f.Dst, d)
				}
			}
		}
	}
	h := e.last()
	if g := h["mac:"+macGW]; g.Role != "gateway" || g.Addr.String() != "10.10.1.1" {
		t.Errorf("the router by ARP: role %q at %v, want gateway at 10.10.1.1", g.Role, g.Addr)
	}
	if h["mac:"+macA].Addr.String() != "10.10.1.5" {
		t.Errorf("a device alone on its link-layer address is not known by it: %v", h)
	}
	if _, ok := h["ip:10.20.0.9"]; !ok {
		t.Errorf("a device behind a router is not known by its address: %v", h)
	}
}

// TestGuessTakenBack: what looked like one device turns out to be a router.
func TestGuessTakenBack(t *testing.T) {
	e := newTest(t, Default)
	for i := range 3 {
		s := at(time.Duration(i) * time.Minute)
		s.flow("10.20.0.9", "10.10.1.5", 445, "smb", macGW, macA)
		s.play(e)
	}
	if d := e.byAddr[netip.MustParseAddr("10.20.0.9")].device; d.id != "mac:"+macGW {
		t.Fatalf("after two minutes of one address: %q", d.id)
	}
	s := at(4 * time.Minute)
	s.flow("10.20.0.10", "10.10.1.5", 445, "smb", macGW, macA)
	s.play(e)
	s.flow("10.20.0.9", "10.10.1.5", 445, "smb", macGW, macA)
	if got := s.play(e).Flows[0].SrcDevice; got != "" {
		t.Errorf("device %q after another address came from the same frames, want none", got)
	}
}

// TestTooManyForOne: who answers ARP for many addresses is not one device.
func TestTooManyForOne(t *testing.T) {
	e := newTest(t, Default)
	s := at(0)
	for i := range 50 {
		s.arp(fmt.Sprintf("10.10.1.%d", i+1), macGW)
	}
	s.play(e)
	n := 0
	for _, b := range e.byAddr {
		if b.device.mac != 0 {
			n++
		}
	}
	if n > maxShared {
		t.Errorf("%d addresses have one link-layer address, want %d at most", n, maxShared)
	}
}

// TestVirtualRouter: the link-layer addresses of VRRP and HSRP and of groups
// are of no device.
func TestVirtualRouter(t *testing.T) {
	for _, text := range []string{"00:00:5e:00:01:07", "00:00:0c:07:ac:01", "00:00:0c:9f:f1:23", "01:00:5e:00:00:fb", "ff:ff:ff:ff:ff:ff", "00:11", "zz:00:00:00:00:01"} {
		if m := parseMAC(text); m != 0 {
			t.Errorf("parseMAC(%q) = %v, want none", text, m)
		}
	}
	if m := parseMAC("02:00:5E:10:00:0f"); m.String() != "02:00:5e:10:00:0f" {
		t.Errorf("parseMAC of a device's own = %v", m)
	}
}

// TestEUI64: IPv6 addresses made of a link-layer address are of its device.
func TestEUI64(t *testing.T) {
	e := newTest(t, Default)
	s := at(0)
	s.flow("fe80::217:88ff:fe24:76ff", "fe80::1", 5683, "coap")
	s.arp("10.10.1.6", macB)
	b := s.play(e)
	if b.Flows[0].SrcDevice != "mac:"+macB {
		t.Errorf("device %q, want %s", b.Flows[0].SrcDevice, macB)
	}
	h := e.last()["mac:"+macB]
	if h.Addr.String() != "10.10.1.6" || len(h.Addrs) != 2 {
		t.Errorf("addresses %v of %v", h.Addr, h.Addrs)
	}
}

// TestFirstPacketsBeforeARP: what was learnt of an address just before its
// link-layer address showed is of the device; after long it may be another's.
func TestFirstPacketsBeforeARP(t *testing.T) {
	for _, c := range []struct {
		after time.Duration
		want  bool
	}{{time.Minute, true}, {30 * time.Minute, true}, {2 * time.Hour, false}} {
		e := newTest(t, Default)
		s := at(0)
		s.says("10.10.1.6", "mdns", "name", "lamp", "")
		s.flow("10.10.1.6", "192.0.2.1", 443, "tls")
		s.play(e)
		s = at(c.after)
		s.arp("10.10.1.6", macB)
		s.play(e)
		h := e.last()
		if got := h["mac:"+macB].Name == "lamp"; got != c.want {
			t.Errorf("ARP %v after the first packets: taken for the same: %v, want %v", c.after, got, c.want)
		}
		for id, x := range h {
			if !x.Addr.IsValid() || len(x.Addrs) == 0 {
				t.Errorf("%s is told without the address that it had", id)
			}
		}
	}
}

// TestSilentTargets: addresses that are only asked for are no devices.
func TestSilentTargets(t *testing.T) {
	e := newTest(t, Default)
	s := at(0)
	for i := range 200 {
		f := s.flow("10.10.1.5", fmt.Sprintf("10.10.2.%d", i+1), 445, "")
		f.PacketsDown, f.State = 0, weir.StateS0
	}
	s.play(e)
	if n := e.Stats().Devices; n != 1 {
		t.Errorf("%d devices after a scan of 200 empty addresses, want the scanner alone", n)
	}
}

// TestBounded: whoever invents addresses makes others be forgotten, no more.
func TestBounded(t *testing.T) {
	e := newTest(t, Config{MaxHosts: 100})
	for i := range 5000 {
		s := at(time.Duration(i) * time.Second)
		s.flow(fmt.Sprintf("10.%d.%d.9", i/250, i%250), "192.0.2.1", 443, "tls", fmt.Sprintf("00:1c:bf:%02x:%02x:09", i/250, i%250), macGW)
		s.play(e)
	}
	st := e.Stats()
	if st.Devices != 100 || st.Forgotten != 4900 || len(e.byAddr) != 100 || len(e.due) > 100 || e.macs.Len() > 400 {
		t.Errorf("%+v, %d addresses, %d due, %d link-layer addresses", st, len(e.byAddr), len(e.due), e.macs.Len())
	}
	n := 0
	for d := e.oldest; d != nil; d = d.newer {
		n++
	}
	if n != 100 {
		t.Errorf("list of %d devices, want 100", n)
	}
}

// TestBoundedDevice: one device cannot fill the memory by what it says.
func TestBoundedDevice(t *testing.T) {
	e := newTest(t, Default)
	for i := range 3000 {
		s := at(time.Duration(i) * time.Second)
		s.says("10.10.1.5", "mdns", "name", fmt.Sprintf("name-%d-%s", i, strings.Repeat("x", 300)), "")
		s.says("10.10.1.5", "mdns", "service", fmt.Sprint("i", i), rules[i%len(rules)].want)
		s.flow("10.10.1.5", fmt.Sprintf("10.10.3.%d", i%200+1), uint16(i+1), "")
		s.flow("10.10.3.9", "10.10.1.5", uint16(i+1), "")
		s.play(e)
	}
	d := e.byAddr[netip.MustParseAddr("10.10.1.5")].device
	if len(d.names) > maxNames || len(d.clues) > maxClues || len(d.offers) > maxServices || len(d.uses) > maxServices {
		t.Errorf("%d names, %d reasons, %d offers, %d uses", len(d.names), len(d.clues), len(d.offers), len(d.uses))
	}
	for _, n := range d.names {
		if len(n.text) > maxText {
			t.Errorf("a name of %d octets", len(n.text))
		}
	}
}

// TestTold: a new device is told after a minute, what changes ten minutes after
// the record before at the earliest, and an active one once a day.
func TestTold(t *testing.T) {
	e := newTest(t, Default)
	var told []time.Duration
	play := func(d time.Duration, more func(*script)) {
		s := at(d)
		s.flow("10.10.1.5", "192.0.2.1", 443, "tls")
		if more != nil {
			more(s)
		}
		if b := s.play(e); len(b.Hosts) > 0 {
			told = append(told, d)
		}
	}
	for m := range 26 * 60 {
		var more func(*script)
		if m == 3 {
			more = func(s *script) { s.says("10.10.1.5", "mdns", "name", "desk", "") }
		}
		play(time.Duration(m)*time.Minute, more)
	}
	want := []time.Duration{time.Minute, 11 * time.Minute, 24*time.Hour + 11*time.Minute}
	if !slices.Equal(told, want) {
		t.Errorf("told at %v, want %v", told, want)
	}
}

// TestClockGoesBack: a record from the future, or an older capture after a newer
// one, does not keep devices from being told.
func TestClockGoesBack(t *testing.T) {
	e := newTest(t, Default)
	s := at(50 * 365 * 24 * time.Hour)
	s.flow("10.10.1.5", "192.0.2.1", 443, "tls")
	s.play(e)
	var told int
	for m := range 4 {
		s := at(time.Duration(m) * time.Minute)
		s.flow("10.10.1.6", "192.0.2.1", 443, "tls")
		b := s.play(e)
		told += len(b.Hosts)
	}
	if told == 0 {
		t.Error("nothing is told any more after a record from the future")
	}
}

// TestRoleInFlows: a role stands in flows once it is sure, and not before.
func TestRoleInFlows(t *testing.T) {
	e := newTest(t, Default)
	var first, late string
	for i := range 20 {
		s := at(time.Duration(i) * 10 * time.Second)
		f := s.flow(fmt.Sprintf("10.10.1.%d", i+1), "10.20.0.10", 53, "dns")
		f.Proto, f.State = weir.UDP, weir.StateSF
		late = s.play(e).Flows[0].DstRole
		if i == 0 {
			first = late
		}
	}
	if first != "" || late != "dns server" {
		t.Errorf("roles %q at first and %q after some minutes and clients, want none and dns server", first, late)
	}
}

// TestDomainController: what makes one, and what is not enough.
func TestDomainController(t *testing.T) {
	play := func(services ...string) weir.Host {
		e := newTest(t, Default)
		s := at(0)
		if services[0] == "drsuapi" { // as in DCShadow
			ends := weir.Endpoints{Time: s.now, Src: netip.MustParseAddr("10.10.1.5"), Dst: netip.MustParseAddr("10.20.0.10")}
			s.b.RPC = append(s.b.RPC, weir.RPCCall{Endpoints: ends, Endpoint: "drsuapi", Operation: "DRSReplicaAdd"})
			services = []string{"smb"}
		}
		ports := map[string]uint16{"kerberos": 88, "ldap": 389, "smb": 445, "dns": 53}
		for _, app := range services {
			s.flow("10.10.1.5", "10.20.0.10", ports[app], app)
		}
		s.play(e)
		return e.last()["ip:10.20.0.10"]
	}
	if h := play("kerberos", "ldap", "smb", "dns"); h.Role != "domain controller" || h.RoleCertainty < 0.8 {
		t.Errorf("with all four: %q %v", h.Role, h.RoleCertainty)
	}
	if h := play("kerberos"); h.Role == "domain controller" && h.RoleCertainty > 0.7 {
		t.Errorf("a KDC alone, which may be MIT's: %q %v", h.Role, h.RoleCertainty)
	}
	if h := play("drsuapi"); h.RoleCertainty >= markRole {
		t.Errorf("one call of DRSUAPI, as DCShadow makes it: %q %v, sure enough for flows", h.Role, h.RoleCertainty)
	}
	if h := play("smb"); h.Role != "" {
		t.Errorf("SMB alone, which every Windows machine offers: %q", h.Role)
	}
}

// TestUnknown: nothing is said of a device that shows nothing.
func TestUnknown(t *testing.T) {
	e := newTest(t, Default)
	s := at(0)
	s.flow("10.10.1.5", "192.0.2.1", 443, "tls")
	s.play(e)
	h := e.last()["ip:10.10.1.5"]
	if h.Class != "" || h.OS != "" || h.Role != "" || h.ClassCertainty != 0 || h.RoleCertainty != 0 {
		t.Errorf("class %q, system %q, role %q of a device that opened one connection", h.Class, h.OS, h.Role)
	}
}

// TestReasonsOfOneKind: what says the same in many ways counts once.
func TestReasonsOfOneKind(t *testing.T) {
	certainty := func(services ...string) float64 {
		e := newTest(t, Default)
		s := at(0)
		for _, x := range services {
			s.says("10.10.1.5", "mdns", "service", "HP", x)
		}
		s.flow("10.10.1.5", "192.0.2.1", 443, "tls")
		s.play(e)
		return e.last()["ip:10.10.1.5"].ClassCertainty
	}
	one, three := certainty("_printer._tcp"), certainty("_printer._tcp", "_ipp._tcp", "_pdl-datastream._tcp")
	if one == 0 || three > one {
		t.Errorf("certainty %v of one announcement, %v of three of the same kind", one, three)
	}
}

// TestNames: the best of the names is told, all are kept, and one by which
// clients ask a server for something is none of its own.
func TestNames(t *testing.T) {
	e := newTest(t, Default)
	s := at(0)
	f := s.flow("10.10.1.5", "10.20.0.10", 443, "tls")
	f.TLS = &weir.TLS{SNI: "intranet.example"}
	s.b.NTLM = append(s.b.NTLM, weir.NTLMLogon{Endpoints: weir.Endpoints{Time: s.now, Src: f.Src, Dst: f.Dst}, Host: "WS-0023", ServerName: "FS01"})
	s.b.Kerberos = append(s.b.Kerberos, weir.KerberosMessage{Endpoints: weir.Endpoints{Time: s.now, Src: f.Src, Dst: f.Dst}, Client: "WS-0023$/CORP.EXAMPLE"})
	s.flow("10.10.1.5", "10.20.0.11", 443, "tls").TLS = &weir.TLS{SNI: "www.example"}
	s.lease("10.10.1.5", macA, "ws-0023\x1b[31m", "", "")
	s.play(e)
	h := e.last()
	ws := h["mac:"+macA]
	if want := []string{`dhcp:ws-0023\x1b[31m`, "ntlm:WS-0023", "kerberos:WS-0023"}; !slices.Equal(ws.Names, want) {
		t.Errorf("names %q, want %q", ws.Names, want)
	}
	if h["ip:10.20.0.10"].Name != "FS01" {
		t.Errorf("server %q, want FS01", h["ip:10.20.0.10"].Name)
	}
	if n := h["ip:10.20.0.11"]; n.Name != "" || !slices.Equal(n.Names, []string{"sni:www.example"}) {
		t.Errorf("a server that is only asked for www.example is called %q, %q", n.Name, n.Names)
	}
}

// TestNamesOfOthers: what a reflector passes on names others, not itself.
func TestNamesOfOthers(t *testing.T) {
	e := newTest(t, Default)
	s := at(0)
	s.flow("10.10.1.5", "10.10.1.6", 80, "http")
	s.play(e)
	s.says("10.10.1.5", "mdns", "name", "lamp", "")
	s.b.Announcements[0].Addr = netip.MustParseAddr("10.10.1.6")
	s.says("10.10.1.5", "mdns", "name", "bridge", "")
	s.b.Announcements[1].Addr = netip.MustParseAddr("fe80::5")
	s.play(e)
	h := e.last()
	if h["ip:10.10.1.5"].Name != "bridge" || h["ip:10.10.1.6"].Name != "lamp" {
		t.Errorf("names %q and %q, want bridge and lamp", h["ip:10.10.1.5"].Names, h["ip:10.10.1.6"].Names)
	}
}

// TestRecall: what was told is known again after a restart.
func TestRecall(t *testing.T) {
	e := newTest(t, Default)
	s := at(0)
	s.lease("10.10.1.5", macA, "DESKTOP-H8ALZBV", "MSFT 5.0", "1,3,6,15,31,33,43,44,46,47,119,121,249,252")
	for i := range 12 {
		s.flow("10.10.1.5", fmt.Sprintf("192.0.2.%d", i+1), 443, "tls")
	}
	for i := range 9 {
		s.flow(fmt.Sprintf("10.10.1.%d", i+10), "10.20.0.10", 53, "dns")
	}
	s.arp("10.10.1.1", macGW)
	s.flow("10.10.1.5", "192.0.2.9", 443, "tls", macA, macGW)
	s.play(e)
	before := e.Close().Hosts

	again := newTest(t, Default)
	if err := again.Recall(all(before)); err != nil {
		t.Fatal(err)
	}
	if b := again.Close(); len(b.Hosts) != 0 {
		t.Errorf("%d devices are told anew though nothing happened", len(b.Hosts))
	}
	s = at(time.Hour)
	s.flow("10.10.1.5", "10.20.0.10", 53, "dns")
	b := s.play(again)
	if b.Flows[0].SrcDevice != "mac:"+macA || b.Flows[0].DstRole != "dns server" || b.Flows[0].SrcRole != "workstation" {
		t.Errorf("%q is %q, to %q, after a restart", b.Flows[0].SrcDevice, b.Flows[0].SrcRole, b.Flows[0].DstRole)
	}
	after := again.last()
	for _, was := range before {
		if now, ok := after[was.ID]; ok && (now.Class != was.Class || now.Role != was.Role || now.OS != was.OS || !slices.Equal(now.Names, was.Names) ||
			now.Vendor != was.Vendor || !now.First.Equal(was.First)) {
			t.Errorf("before %+v\nafter  %+v", was, now)
		}
	}
}

func all(list []weir.Host) iter.Seq2[*weir.Host, error] {
	return func(yield func(*weir.Host, error) bool) {
		for i := range list {
			if !yield(&list[i], nil) {
				return
			}
		}
	}
}

// TestRules: each rule can be met, and says something a record can.
func TestRules(t *testing.T) {
	for i, r := range rules[1:] {
		for _, w := range r.is {
			if claims[w.what] == "" || w.ln == 0 {
				t.Errorf("rule %d (%s) is for nothing", i+1, r.want)
			}
		}
		if r.want != strings.ToLower(r.want) {
			t.Errorf("rule %d: %q is never met: texts are compared in lower case", i+1, r.want)
		}
		if r.kind == byLookup {
			continue
		}
		if got := firstFit(r.kind, strings.ReplaceAll(r.want, "#", "0")); rules[got].want != r.want {
			t.Errorf("%q meets the rule for %q, which stands before", r.want, rules[got].want)
		}
	}
	for k := range byOffer {
		sentence := says[k][0] + behind + says[k][1]
		if got, text, ok := reasonOf(sentence); !ok || got != k || text != behind {
			t.Errorf("%q is read back as kind %d, %q", sentence, got, text)
		}
	}
}

// TestDistinct: counts of different addresses are near the truth.
func TestDistinct(t *testing.T) {
	for _, n := range []int{1, 2, 3, 5, 12, 50, 200, 600} {
		var c distinct
		for i := range n {
			c.add(netip.AddrFrom4([4]byte{10, byte(i >> 8), 7, byte(i)}))
			c.add(netip.AddrFrom4([4]byte{10, byte(i >> 8), 7, byte(i)}))
		}
		if got := c.count(); got < n*8/10-1 || got > n*12/10+1 {
			t.Errorf("count of %d = %d", n, got)
		}
	}
}

// TestServicesReadBack: services are read as they were written.
func TestServicesReadBack(t *testing.T) {
	for _, r := range reads("445/tcp smb (12 clients)", "53/udp dns (1 client, by its port)", "icmp (3 servers)", "8443/tcp (2 clients)") {
		if !r.ok {
			t.Errorf("%q is read back as %q", r.text, r.got)
		}
	}
}

type read struct {
	text, got string
	ok        bool
}

// reads writes services again that were read from text.
func reads(texts ...string) (out []read) {
	for _, text := range texts {
		whom := "client"
		if strings.Contains(text, "server") {
			whom = "server"
		}
		r := read{text: text}
		if list := recallServices([]string{text}); len(list) == 1 {
			r.got = list[0].words(whom)
		}
		r.ok = r.got == text
		out = append(out, r)
	}
	return out
}

// TestREADME checks that what the README prints is what is the default.
func TestREADME(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("    max_hosts: %d  #", Default.MaxHosts); !strings.Contains(string(text), want) {
		t.Errorf("README.md does not say %q", want)
	}
}

var update = flag.Bool("update", false, "write the table of rules in docs/operate/hosts.md")

// TestRulesDoc checks that docs/operate/hosts.md lists the rules as they are.
func TestRulesDoc(t *testing.T) {
	const page, begin = "../../docs/operate/hosts.md", "<!-- below: go test ./enrich/hosts -run RulesDoc -update -->\n"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	head, _, ok := strings.Cut(string(text), begin)
	if !ok {
		t.Fatalf("%s has no line %q", page, begin)
	}
	want := head + begin + rulesDoc()
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if string(text) != want {
		t.Errorf("%s does not list the rules as they are: run this test with -update", page)
	}
}

// rulesDoc lists the rules by kind.
func rulesDoc() string {
	var b strings.Builder
	for k := range byOffer {
		fmt.Fprintf(&b, "\n### %s…%s\n\n| text | speaks for |\n|---|---|\n", says[k][0], says[k][1])
		for _, r := range byKind[k] {
			if len(rules[r].is) > 0 {
				fmt.Fprintf(&b, "| `%s` | %s |\n", rules[r].want, weights(rules[r].is, noClaim))
			}
		}
	}
	b.WriteString("\n### offers …\n\n| service | speaks for |\n|---|---|\n")
	for _, app := range slices.Sorted(maps.Keys(offers)) {
		fmt.Fprintf(&b, "| %s | %s |\n", app, weights(offers[app].is, offers[app].many))
	}
	for _, port := range slices.Sorted(maps.Keys(offersAt)) {
		fmt.Fprintf(&b, "| port %d | %s |\n", port, weights(offersAt[port].is, offersAt[port].many))
	}
	return b.String()
}

func weights(list []weight, many claim) string {
	var out []string
	for _, w := range list {
		text := fmt.Sprintf("%s %g", claims[w.what], w.ln)
		if w.what == many {
			text += " + 0.7 ln(clients)"
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}
