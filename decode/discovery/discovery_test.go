package discovery

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/decode/dialog/dialogtest"
	"github.com/weir-nta/weir/decode/dns"
	"github.com/weir-nta/weir/decode/packet"
)

var (
	base   = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	speech = weir.Endpoints{Time: base, Src: netip.MustParseAddr("10.10.1.40"), Dst: netip.MustParseAddr("224.0.0.251"), SrcPort: 5353, DstPort: 5353, Proto: weir.UDP}
	device = packet.MAC{2, 0, 0x5e, 0x10, 0, 1}
)

// told writes announcements as the tests do: who, what, and the fields that are there.
func told(b *weir.Batch) string {
	var out []string
	for i := range b.Announcements {
		a := &b.Announcements[i]
		s := strings.TrimPrefix(a.Protocol+" "+a.Kind, " ")
		for _, v := range []string{a.Name, a.Text} {
			if v != "" {
				s += fmt.Sprintf(" %q", v)
			}
		}
		if a.Addr.IsValid() {
			s += " " + a.Addr.String()
		}
		if a.Port != 0 {
			s += fmt.Sprintf(" :%d", a.Port)
		}
		out = append(out, s)
	}
	return strings.Join(out, "; ")
}

// hear shows a Local packets, a second apart, and returns what it makes of them.
func hear(l *Local, list ...packet.Packet) (b *weir.Batch, conflicts []string) {
	b = &weir.Batch{}
	for i := range list {
		p := &list[i]
		e := weir.Endpoints{Time: base.Add(time.Duration(i) * time.Second)}
		if p.Frame == 0 {
			e.Src, e.Dst = p.Src.Netip(), p.Dst.Netip()
		}
		var d dialog.Dialog
		d.Reset(e, b, nil)
		d.SrcMAC = p.SrcMAC.String()
		if c := l.Read(&d, p); c != "" {
			conflicts = append(conflicts, c)
		}
	}
	return b, conflicts
}

func arp(op byte, mac packet.MAC, sender, target string) packet.Packet {
	b := append([]byte{0, 1, 8, 0, 6, 4, 0, op}, mac[:]...)
	b = append(b, netip.MustParseAddr(sender).AsSlice()...)
	b = append(b, 0, 0, 0, 0, 0, 0)
	return packet.Packet{Frame: packet.FrameARP, SrcMAC: mac, Payload: append(b, netip.MustParseAddr(target).AsSlice()...)}
}

func TestARP(t *testing.T) {
	for _, c := range []struct {
		name string
		in   packet.Packet
		want string
	}{
		{"request", arp(1, device, "10.0.0.1", "10.0.0.2"), "arp binding 10.0.0.1; arp request 10.0.0.2"},
		{"reply", arp(2, device, "10.0.0.1", "10.0.0.2"), "arp binding 10.0.0.1"},
		{"gratuitous", arp(1, device, "10.0.0.1", "10.0.0.1"), "arp binding 10.0.0.1"},
		{"probe", arp(1, device, "0.0.0.0", "10.0.0.1"), "arp probe 10.0.0.1"},
		{"of everybody", arp(1, device, "255.255.255.255", "10.0.0.1"), ""},
		{"of a group", arp(2, device, "224.0.0.1", "10.0.0.1"), ""},
		{"reverse", arp(3, device, "10.0.0.1", "10.0.0.1"), ""},
		{"cut", packet.Packet{Frame: packet.FrameARP, Payload: arp(1, device, "10.0.0.1", "10.0.0.2").Payload[:27]}, ""},
		{"token ring", packet.Packet{Frame: packet.FrameARP, Payload: append([]byte{0, 6}, arp(1, device, "10.0.0.1", "10.0.0.2").Payload[2:]...)}, ""},
	} {
		b, _ := hear(&Local{}, c.in)
		if got := told(b); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		for _, a := range b.Announcements {
			if a.MAC != device.String() {
				t.Errorf("%s: MAC %s, want %v", c.name, a.MAC, device)
			}
		}
	}
}

// TestConflict: two devices that both say to have one address, within five
// minutes, and then once a minute.
func TestConflict(t *testing.T) {
	thief := packet.MAC{2, 0, 0, 0, 0, 9}
	a, b := arp(2, device, "10.0.0.1", "10.0.0.2"), arp(2, thief, "10.0.0.1", "10.0.0.2")
	_, got := hear(&Local{}, a, b, a, b)
	if want := "10.0.0.1 is at 02:00:00:00:00:09, was at 02:00:5e:10:00:01"; len(got) != 1 || got[0] != want {
		t.Errorf("%q, want %q once", got, want)
	}
	list := []packet.Packet{a}
	for range 300 {
		list = append(list, arp(2, device, "10.0.0.7", "10.0.0.2"))
	}
	if _, got := hear(&Local{}, append(list, b)...); len(got) != 0 {
		t.Errorf("an address that another device has after five minutes: %q, want nothing", got)
	}
}

// TestBindingsBounded: whoever invents addresses makes others be forgotten.
func TestBindingsBounded(t *testing.T) {
	l := &Local{}
	for i := range 3 * maxBindings {
		hear(l, arp(2, device, netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}).String(), "10.0.0.2"))
	}
	if n := l.bindings.Len(); n > maxBindings {
		t.Errorf("%d addresses are watched, want %d", n, maxBindings)
	}
}

func nd(kind uint8, src string, rest [4]byte, payload string) packet.Packet {
	return packet.Packet{
		Proto: weir.ICMPv6, ICMPType: kind, TTL: 255, V6: true, Src: packet.AddrFrom(netip.MustParseAddr(src)),
		Dst: packet.AddrFrom(netip.MustParseAddr("ff02::1")), SrcMAC: device, ICMPRest: rest, Payload: []byte(payload),
	}
}

func raw(addr string) string { return string(netip.MustParseAddr(addr).AsSlice()) }

func TestNeighbours(t *testing.T) {
	source, target := "\x01\x01"+string(device[:]), "\x02\x01"+string(device[:])
	prefix := "\x03\x04\x40\xc0" + strings.Repeat("\x00", 12) + raw("2001:db8:1::")
	servers := "\x19\x03\x00\x00\x00\x00\x00\x10" + raw("2001:db8:1::53")
	routed := nd(135, "fe80::1", [4]byte{}, raw("fe80::2")+source)
	routed.TTL = 64
	for _, c := range []struct {
		name string
		in   packet.Packet
		want string
	}{
		{"solicitation", nd(135, "fe80::1", [4]byte{}, raw("fe80::2")+source), "ndp binding fe80::1; ndp request fe80::2"},
		{"may I have it?", nd(135, "::", [4]byte{}, raw("fe80::2")), "ndp probe fe80::2"},
		{"advertisement", nd(136, "fe80::2", [4]byte{0x60}, raw("fe80::2")+target), "ndp binding fe80::2"},
		{"advertisement of a router", nd(136, "fe80::2", [4]byte{0xe0}, raw("fe80::2")+target), "ndp binding fe80::2; ndp role \"router\""},
		{"who routes?", nd(133, "fe80::1", [4]byte{}, source), "ndp binding fe80::1"},
		{"I route", nd(134, "fe80::9", [4]byte{64, 0, 7, 8}, strings.Repeat("\x00", 8)+source+prefix+servers),
			"ndp binding fe80::9; ndp router \"2001:db8:1::/64\" fe80::9; ndp dns 2001:db8:1::53"},
		{"I route without a prefix", nd(134, "fe80::9", [4]byte{64, 0, 7, 8}, strings.Repeat("\x00", 8)), "ndp router fe80::9"},
		{"I route no more", nd(134, "fe80::9", [4]byte{64, 0, 0, 0}, strings.Repeat("\x00", 8)), ""},
		{"from beyond a router", routed, ""},
		{"an option without length", nd(135, "fe80::1", [4]byte{}, raw("fe80::2")+"\x01\x00"+string(device[:])), "ndp request fe80::2"},
		{"cut", nd(136, "fe80::1", [4]byte{}, raw("fe80::2")[:15]), ""},
	} {
		b, _ := hear(&Local{}, c.in)
		if got := told(b); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func tlv(kind int, v string) string {
	return string([]byte{byte(kind<<1 | len(v)>>8), byte(len(v))}) + v
}

func TestLLDP(t *testing.T) {
	in := tlv(1, "\x04\x02\x00\x5e\x10\x00\x07") + tlv(2, "\x05Gi1/0/12") + tlv(3, "\x00\x78") + tlv(5, "sw-core") + tlv(6, "Example OS 7.1") +
		tlv(7, "\x00\x14\x00\x14") + tlv(8, "\x05\x01\x0a\x00\x00\xfe\x02\x00\x00\x00\x01\x00") + tlv(127, "\x00\x80\xc2\x01\x00\x0a") + tlv(127, "\x00\x12\xbb\x0aModel 9") + tlv(0, "") + tlv(5, "behind the end")
	b, _ := hear(&Local{}, packet.Packet{Frame: packet.FrameLLDP, SrcMAC: device, Payload: []byte(in)})
	want := `lldp port "Gi1/0/12"; lldp name "sw-core"; lldp software "Example OS 7.1"; lldp role "switch"; lldp role "router"; lldp vlan "10"; lldp model "Model 9"; lldp address 10.0.0.254`
	if got := told(b); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if a := b.Announcements[0]; a.Src.String() != "10.0.0.254" || a.MAC != "02:00:5e:10:00:07" {
		t.Errorf("from %v at %s", a.Src, a.MAC)
	}
}

func cdpElement(kind int, v string) string {
	return string([]byte{0, byte(kind), byte((len(v) + 4) >> 8), byte(len(v) + 4)}) + v
}

func TestCDP(t *testing.T) {
	in := "\x02\xb4\x00\x00" + cdpElement(1, "phone-7") + cdpElement(2, "\x00\x00\x00\x01\x01\x01\xcc\x00\x04\x0a\x00\x00\x07") + cdpElement(3, "Port 1") +
		cdpElement(4, "\x00\x00\x00\x90") + cdpElement(5, "SIP 9.4") + cdpElement(6, "Phone 8845") + cdpElement(10, "\x00\x14")
	b, _ := hear(&Local{}, packet.Packet{Frame: packet.FrameCDP, SrcMAC: device, Payload: []byte(in)})
	want := `cdp name "phone-7"; cdp port "Port 1"; cdp role "station"; cdp role "telephone"; cdp software "SIP 9.4"; cdp model "Phone 8845"; cdp vlan "20"; cdp address 10.0.0.7`
	if got := told(b); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// name spells a name of DNS.
func name(labels ...string) string {
	out := ""
	for _, l := range labels {
		out += string([]byte{byte(len(l))}) + l
	}
	return out + "\x00"
}

func record(name string, typ byte, data string) string {
	return name + "\x00" + string([]byte{typ}) + "\x80\x01\x00\x00\x00\x78" + string([]byte{byte(len(data) >> 8), byte(len(data))}) + data
}

func response(records ...string) string {
	return "\x00\x00\x84\x00\x00\x00\x00" + string([]byte{byte(len(records))}) + "\x00\x00\x00\x00" + strings.Join(records, "")
}

// netbiosName spells one (RFC 1001, 14.1).
func netbiosName(s string, suffix byte) string {
	out := "\x20"
	for _, c := range []byte(fmt.Sprintf("%-15s", s) + string([]byte{suffix})) {
		out += string([]byte{'A' + c>>4, 'A' + c&15})
	}
	return out + "\x00"
}

func TestDNS(t *testing.T) {
	const a, ptr, txt, aaaa, srv, nb, nbstat = 1, 12, 16, 28, 33, 32, 33
	host, printer, kind := name("kitchen", "local"), name("Büro 2", "_ipp", "_tcp", "local"), name("_ipp", "_tcp", "local")
	registration := func(name string, data string) string {
		return "\x00\x01\x29\x10\x00\x01\x00\x00\x00\x00\x00\x01" + name + "\x00\x20\x00\x01" + record(name, nb, data)
	}
	status := "\x03" + fmt.Sprintf("%-15s", "WS-7") + "\x00\x04\x00" + fmt.Sprintf("%-15s", "CORP") + "\x00\x84\x00" + fmt.Sprintf("%-15s", "CORP") + "\x1c\x84\x00"
	for _, c := range []struct {
		dialect, in, want string
	}{
		{"mdns", response(record(host, a, "\x0a\x0a\x01\x28"), record(host, aaaa, raw("fe80::7"))), `mdns name "kitchen" 10.10.1.40; mdns name "kitchen" fe80::7`},
		{"mdns", response(record(kind, ptr, printer), record(printer, srv, "\x00\x00\x00\x00\x02\x77"+host), record(printer, txt, "\x07ty=LJ 4\x09usb_MFG=H\x01x")),
			`mdns service "Büro 2" "_ipp._tcp" :631; mdns model "Büro 2" "LJ 4"; mdns vendor "Büro 2" "H"`},
		{"mdns", response(record(kind, ptr, printer)), `mdns service "Büro 2" "_ipp._tcp"`},
		{"mdns", response(record(name("_services", "_dns-sd", "_udp", "local"), ptr, kind)), ""},
		{"mdns", response(record(name("x", "_device-info", "_tcp", "local"), txt, "\x0amodel=Mac7\x0aosxvers=22")), `mdns model "x" "Mac7"; mdns os "x" "macOS, Darwin 22"`},
		{"mdns", response(strings.Replace(record(host, a, "\x0a\x0a\x01\x28"), "\x00\x78", "\x00\x00", 1)), ""},
		{"llmnr", response(record(name("ws-7"), a, "\x0a\x0a\x01\x28")), `llmnr name "ws-7" 10.10.1.40`},
		{"llmnr", response(record(name("ws-7", "example"), a, "\x0a\x0a\x01\x28")), ""},
		{"nbns", registration(netbiosName("WS-7", 0x20), "\x00\x00\x0a\x0a\x01\x28"), `nbns name "WS-7" "server" 10.10.1.40`},
		{"nbns", registration(netbiosName("CORP", 0x00), "\x80\x00\x0a\x0a\x01\x28"), `nbns workgroup "CORP"`},
		{"nbns", registration(netbiosName("CORP", 0x1c), "\x80\x00\x0a\x0a\x01\x28"), `nbns role "domain controller"; nbns workgroup "CORP"`},
		{"nbns", registration(netbiosName("CORP", 0x1b), "\x00\x00\x0a\x0a\x01\x28"), `nbns role "domain master browser"; nbns workgroup "CORP"`},
		{"nbns", registration(netbiosName("FS", 0x20), "\x00\x00\x0a\x0a\x01\x63"), `nbns name "FS" "server" 10.10.1.99`},
		{"nbns", registration(netbiosName("CORP", 0x1c), "\x80\x00\x0a\x0a\x01\x63"), ""},
		{"nbns", response(record(netbiosName("*", 0), nbstat, status)), `nbns name "WS-7" "workstation"; nbns workgroup "CORP"; nbns role "domain controller"; nbns workgroup "CORP"`},
		{"nbns", "\x00\x01\x01\x10\x00\x01\x00\x00\x00\x00\x00\x00" + netbiosName("WS-7", 0) + "\x00\x20\x00\x01", ""},
	} {
		var m dns.Message
		if err := dns.Decode(&m, []byte(c.in)); err != nil {
			t.Errorf("%s %x: %v", c.dialect, c.in, err)
			continue
		}
		b := &weir.Batch{}
		var d dialog.Dialog
		d.Reset(speech, b, nil)
		d.SrcMAC = device.String()
		(&Local{}).DNS(&d, dialog.Client, c.dialect, &m)
		if got := told(b); got != c.want {
			t.Errorf("%s: %s, want %s", c.dialect, got, c.want)
		}
		for _, a := range b.Announcements {
			if other := a.Addr.String() == "10.10.1.99"; a.MAC == "" != other {
				t.Errorf("%s %s: MAC %q", c.dialect, a.Name, a.MAC)
			}
		}
	}
}

// TestServer: what the server says is told with it as Src.
func TestServer(t *testing.T) {
	b := &weir.Batch{}
	var d dialog.Dialog
	d.Reset(speech, b, nil)
	d.SrcMAC, d.DstMAC = "02:00:00:00:00:01", "02:00:00:00:00:02"
	ssdp(&d, dialog.Server, []byte(answer))
	if a := b.Announcements[0]; a.Src != speech.Dst || a.Dst != speech.Src || a.MAC != "02:00:00:00:00:02" {
		t.Errorf("from %v at %s to %v", a.Src, a.MAC, a.Dst)
	}
}

const (
	answer = "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=1800\r\nLOCATION: http://10.10.1.40:49152/d.xml\r\nSERVER: Linux/3.14.0 UPnP/1.0 Example/1.2\r\n" +
		"ST: urn:schemas-upnp-org:device:MediaRenderer:1\r\nUSN: uuid:1::urn:x\r\n\r\n"
	notify = "NOTIFY * HTTP/1.1\r\nHost: 239.255.255.250:1900\r\nNT: upnp:rootdevice\r\nNTS: ssdp:alive\r\nServer: UPnP/1.0\r\nLocation: http://10.10.1.40/\r\n\r\n"
	hello  = `<?xml version="1.0"?><s:Envelope xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"><s:Header><a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Hello</a:Action></s:Header>` +
		`<s:Body><d:Hello><d:Types>dn:NetworkVideoTransmitter tds:Device</d:Types><d:Scopes>onvif://www.onvif.org/hardware/M1065 onvif://www.onvif.org/name/Gate%20cam x:y</d:Scopes><d:XAddrs>http://10.10.1.40:8080/onvif</d:XAddrs></d:Hello></s:Body></s:Envelope>`
)

// browserDatagram is an announcement to browsers by 10.10.1.23.
func browserDatagram(kind byte, name string, kinds string, comment string) string {
	frame := string([]byte{kind, 0}) + "\x00\x00\x00\x00" + fmt.Sprintf("%s%s", name, strings.Repeat("\x00", 16-len(name))) + "\x0a\x00" + kinds + "\x0f\x01\x55\xaa" + comment + "\x00"
	words := strings.Repeat("\x00", 22) + string([]byte{byte(len(frame)), 0}) + "\x56\x00" + "\x03\x00\x01\x00\x00\x00\x02\x00"
	smb := "\xffSMB\x25" + strings.Repeat("\x00", 27) + "\x11" + words + string([]byte{byte(len(frame) + 17), 0}) + `\MAILSLOT\BROWSE` + "\x00" + frame
	return "\x11\x02\x00\x01\x0a\x0a\x01\x17\x00\x8a\x00\x00\x00\x00" + netbiosName("WS-7", 0x20) + netbiosName("CORP", 0x1d) + smb
}

func TestDatagrams(t *testing.T) {
	for _, c := range []struct {
		name     string
		open     func() dialog.Reader
		in, want string
	}{
		{"answer to a search", NewSSDP, answer, `ssdp service "urn:schemas-upnp-org:device:MediaRenderer:1" :49152; ssdp software "Linux/3.14.0 UPnP/1.0 Example/1.2"; ssdp os "Linux/3.14.0"`},
		{"alive", NewSSDP, notify, `ssdp software "UPnP/1.0"`},
		{"goodbye", NewSSDP, strings.Replace(notify, "alive", "byebye", 1), ""},
		{"search", NewSSDP, "M-SEARCH * HTTP/1.1\r\nST: ssdp:all\r\nUSER-AGENT: Chrome/1 Windows\r\n\r\n", `ssdp search "ssdp:all"; ssdp software "Chrome/1 Windows"`},
		{"not SSDP", NewSSDP, "GET / HTTP/1.1\r\nSERVER: x\r\n", ""},
		{"hello of a camera", NewWSD, hello, `wsd service "dn:NetworkVideoTransmitter" :8080; wsd service "tds:Device" :8080; wsd model "M1065"; wsd name "Gate cam" "camera"`},
		{"probe", NewWSD, strings.Replace(hello, "discovery/Hello", "discovery/Probe", 1), `wsd search "dn:NetworkVideoTransmitter"; wsd search "tds:Device"`},
		{"not WSD", NewWSD, "<a:Action", ""},
		{"announcement to browsers", NewDatagrams, browserDatagram(1, "WS-7", "\x03\x10\x00\x00", "Bookkeeping"),
			`netbios_dgm name "WS-7" "server" 10.10.1.23; browser name "WS-7" "server" 10.10.1.23; browser os "Windows 10.0"; browser role "workstation"; browser role "server"; browser comment "Bookkeeping"`},
		{"of Samba", NewDatagrams, browserDatagram(15, "FS", "\x00\x18\x04\x00", ""),
			`netbios_dgm name "WS-7" "server" 10.10.1.23; browser name "FS" "server" 10.10.1.23; browser os "Samba, as Windows 10.0"; browser role "unix server"; browser role "master browser"`},
		{"of a workgroup", NewDatagrams, browserDatagram(12, "CORP", "\x00\x10\x00\x80", "FS"), `netbios_dgm name "WS-7" "server" 10.10.1.23; browser workgroup "CORP"`},
		{"passed on by another", NewDatagrams, strings.Replace(browserDatagram(1, "WS-7", "\x03\x10\x00\x00", ""), "\x0a\x0a\x01\x17", "\x0a\x0a\x01\x18", 1), ""},
	} {
		got := told(&dialogtest.Datagrams(c.open(), dialogtest.Turn{From: dialog.Client, Data: c.in}).Batch)
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"  Büro\x00\x00": "Büro", "a\x01b": `a\x01b`, "\xff": `\xff`, "": "", "\x00": "", strings.Repeat("ü", 200): strings.Repeat("ü", 64), strings.Repeat("a", 127) + "ü": strings.Repeat("a", 127),
	} {
		if got := printable([]byte(in)); got != want {
			t.Errorf("printable(%q) = %q, want %q", in, got, want)
		}
	}
}

// TestMany: one message makes a bounded number of announcements.
func TestMany(t *testing.T) {
	scopes := strings.Repeat("dn:x ", 1000)
	b := dialogtest.Datagrams(NewWSD(), dialogtest.Turn{From: dialog.Client, Data: strings.Replace(hello, "tds:Device", scopes, 1)})
	if n := len(b.Announcements); n != maxTold {
		t.Errorf("%d announcements, want %d", n, maxTold)
	}
}

// TestQuiet: an address that is told again and again takes no memory.
func TestQuiet(t *testing.T) {
	l, p := &Local{}, arp(1, device, "10.0.0.1", "10.0.0.2")
	var d dialog.Dialog
	batch, mac := &weir.Batch{}, device.String()
	show := func() {
		d.Reset(weir.Endpoints{Time: base}, batch, func(*weir.Announcement) {})
		d.SrcMAC = mac
		l.Read(&d, &p)
	}
	show()
	if n := testing.AllocsPerRun(100, show); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func FuzzRead(f *testing.F) {
	turn := func(s string) []dialogtest.Turn { return []dialogtest.Turn{{From: dialog.Client, Data: s}} }
	all := messages(func(d *dialog.Dialog, from dialog.End, b []byte) {
		for _, read := range []messages{ssdp, wsd, datagrams} {
			e := d.Endpoints
			read(d, from, b)
			d.Endpoints = e
		}
	})
	dialogtest.Fuzz(f, func() dialog.Reader { return all }, turn(answer), turn(notify), turn(hello), turn(browserDatagram(1, "WS-7", "\x03\x10\x00\x00", "x")))
}

// FuzzLocal: frames, neighbour discovery and names, whatever they hold.
func FuzzLocal(f *testing.F) {
	f.Add(uint8(0), []byte(response(record(name("a", "_x", "_tcp", "local"), 16, "\x03a=b"))))
	f.Add(uint8(1), arp(1, device, "10.0.0.1", "10.0.0.2").Payload)
	f.Add(uint8(2), []byte(tlv(1, "\x04\x02\x00\x5e\x10\x00\x07")+tlv(8, "\x05\x01\x0a\x00\x00\xfe\x02")))
	f.Add(uint8(3), []byte("\x02\xb4\x00\x00"+cdpElement(2, "\x00\x00\x00\x01\x01\x01\xcc\x00\x04\x0a\x00\x00\x07")))
	f.Add(uint8(134), []byte(strings.Repeat("\x00", 8)+"\x19\x03\x00\x00\x00\x00\x00\x10"+raw("2001:db8:1::53")))
	f.Fuzz(func(_ *testing.T, kind uint8, b []byte) {
		l := &Local{}
		if kind == 0 {
			var m dns.Message
			for _, dialect := range []string{"mdns", "llmnr", "nbns"} {
				_ = dns.Decode(&m, b)
				var d dialog.Dialog
				d.Reset(speech, &weir.Batch{}, nil)
				l.DNS(&d, dialog.Server, dialect, &m)
			}
			return
		}
		p := nd(kind, "fe80::1", [4]byte{0x80, 0, 1, 1}, string(b))
		if kind <= 3 {
			p = packet.Packet{Frame: packet.Frame(kind), SrcMAC: device, Payload: b}
		}
		hear(l, p, p)
	})
}

func BenchmarkARP(b *testing.B) {
	b.ReportAllocs()
	l, p := &Local{}, arp(1, device, "10.0.0.1", "10.0.0.2")
	var d dialog.Dialog
	batch, mac := &weir.Batch{}, device.String()
	for b.Loop() {
		d.Reset(weir.Endpoints{Time: base}, batch, func(*weir.Announcement) {})
		d.SrcMAC = mac
		l.Read(&d, &p)
	}
}

func BenchmarkRead(b *testing.B) {
	b.ReportAllocs()
	batch := &weir.Batch{}
	in := []byte(answer)
	var d dialog.Dialog
	for b.Loop() {
		d.Reset(speech, batch, func(*weir.Announcement) {})
		ssdp(&d, dialog.Client, in)
	}
}
