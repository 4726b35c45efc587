package dhcp

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/decode/dialog/dialogtest"
)

// option is one of DHCP.
func option(kind byte, v string) string { return string([]byte{kind, byte(len(v))}) + v }

// boot is a message of DHCP of transaction 7 for 02:00:5e:10:00:01.
func boot(op byte, yours, relay string, options ...string) string {
	b := make([]byte, fixedSize)
	b[0], b[1], b[2], b[7] = op, 1, 6, 7
	if yours != "" {
		copy(b[16:], netip.MustParseAddr(yours).AsSlice())
	}
	if relay != "" {
		copy(b[24:], netip.MustParseAddr(relay).AsSlice())
	}
	copy(b[28:], "\x02\x00\x5e\x10\x00\x01")
	return string(b) + cookie + strings.Join(options, "") + "\xff"
}

func u32(n int) string { return string(binary.BigEndian.AppendUint32(nil, uint32(n))) }

var (
	fromAll  = weir.Endpoints{Src: netip.MustParseAddr("0.0.0.0"), Dst: netip.MustParseAddr("255.255.255.255"), SrcPort: 68, DstPort: 67, Proto: weir.UDP}
	toAll    = weir.Endpoints{Src: netip.MustParseAddr("10.10.1.1"), Dst: netip.MustParseAddr("255.255.255.255"), SrcPort: 67, DstPort: 68, Proto: weir.UDP}
	other    = weir.Endpoints{Src: netip.MustParseAddr("10.10.1.66"), Dst: netip.MustParseAddr("255.255.255.255"), SrcPort: 67, DstPort: 68, Proto: weir.UDP}
	relayed  = weir.Endpoints{Src: netip.MustParseAddr("10.20.0.1"), Dst: netip.MustParseAddr("10.10.2.1"), SrcPort: 67, DstPort: 67, Proto: weir.UDP}
	fromAll6 = weir.Endpoints{Src: netip.MustParseAddr("fe80::1"), Dst: allServers, SrcPort: 546, DstPort: 547, Proto: weir.UDP}
	toOne6   = weir.Endpoints{Src: netip.MustParseAddr("fe80::2"), Dst: netip.MustParseAddr("fe80::1"), SrcPort: 547, DstPort: 546, Proto: weir.UDP}
)

// A said is one datagram, sent by the Src of a conversation.
type said struct {
	in    weir.Endpoints
	after time.Duration
	data  string
}

var base = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)

// play shows a new reader what was said, and ends all conversations.
func play(list ...said) *weir.Batch {
	r, b := New(), &weir.Batch{}
	now, flows := base, []weir.Endpoints{}
	ask := func(e weir.Endpoints, what func(d *dialog.Dialog)) {
		var d dialog.Dialog
		e.Time = now
		d.Reset(e, b, nil)
		d.SrcMAC, d.DstMAC = "02:00:00:00:00:01", "02:00:00:00:00:02"
		what(&d)
	}
	for _, s := range list {
		now = now.Add(s.after)
		ask(s.in, func(d *dialog.Dialog) { r.Read(d, dialog.Client, []byte(s.data)) })
		if !slices.Contains(flows, s.in) {
			flows = append(flows, s.in)
		}
	}
	for _, e := range flows {
		ask(e, r.Close)
	}
	return b
}

var (
	discover = boot(1, "", "", option(53, "\x01"), option(12, "ws-0023\x00"), option(60, "MSFT 5.0"), option(55, "\x01\x03\x06\x0f"), option(61, "\x01\x02\x00\x5e\x10\x00\x01"))
	offer    = boot(2, "10.10.1.23", "", option(53, "\x02"), option(54, "\x0a\x0a\x01\x01"), option(51, u32(3600)))
	request  = boot(1, "", "", option(53, "\x03"), option(50, "\x0a\x0a\x01\x17"), option(54, "\x0a\x0a\x01\x01"), option(55, "\x01"), option(81, "\x00\x00\x00ws-0023.corp.example"))
	ack      = boot(2, "10.10.1.23", "", option(53, "\x05"), option(54, "\x0a\x0a\x01\x01"), option(51, u32(86400)), option(15, "corp.example\x00"))
	nak      = boot(2, "", "", option(53, "\x06"), option(54, "\x0a\x0a\x01\x01"))
)

// TestExchange: four messages of two conversations are one record, told with
// the last of them.
func TestExchange(t *testing.T) {
	const s = 100 * time.Millisecond
	b := play(said{fromAll, 0, discover}, said{toAll, s, offer}, said{fromAll, s, request}, said{toAll, s, ack}, said{toAll, s, ack})
	if len(b.DHCP) != 1 {
		t.Fatalf("%d records, want 1: %+v", len(b.DHCP), b.DHCP)
	}
	got, want := b.DHCP[0], weir.DHCPMessage{
		MAC: "02:00:5e:10:00:01", Requested: netip.MustParseAddr("10.10.1.23"), Assigned: netip.MustParseAddr("10.10.1.23"),
		Server: netip.MustParseAddr("10.10.1.1"), Lease: 24 * time.Hour, Host: "ws-0023", FQDN: "ws-0023.corp.example", Domain: "corp.example",
		Vendor: "MSFT 5.0", Fingerprint: "1,3,6,15",
	}
	if m := strings.Join(got.Messages, " "); m != "DISCOVER OFFER REQUEST ACK" {
		t.Errorf("messages %s", m)
	}
	if !got.Time.Equal(base) || got.Src.String() != "0.0.0.0" || got.SrcPort != 68 || got.Dst != want.Server || got.DstPort != 67 {
		t.Errorf("ends %+v", got.Endpoints)
	}
	got.Endpoints, got.Messages = weir.Endpoints{}, nil
	if !equal(&got, &want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if a := b.Announcements[0]; a.Kind != "role" || a.Text != "dhcp server" || a.Src != toAll.Src || a.MAC != "02:00:00:00:00:01" || a.Addr != want.Server {
		t.Errorf("server announced as %+v", a)
	}
}

func equal(a, b *weir.DHCPMessage) bool {
	return a.MAC == b.MAC && a.Requested == b.Requested && a.Assigned == b.Assigned && a.Server == b.Server && a.Lease == b.Lease &&
		a.Host == b.Host && a.FQDN == b.FQDN && a.Domain == b.Domain && a.Vendor == b.Vendor && a.Fingerprint == b.Fingerprint
}

// summary writes records as tests read them.
func summary(b *weir.Batch) string {
	var out []string
	for i := range b.DHCP {
		r := &b.DHCP[i]
		out = append(out, r.Src.String()+" "+r.MAC+" "+r.Assigned.String()+" of "+r.Server.String()+" "+strings.Join(r.Messages, ","))
	}
	return strings.ReplaceAll(strings.Join(out, "; "), "invalid IP", "-")
}

func TestRecords(t *testing.T) {
	const mac = " 02:00:5e:10:00:01 "
	solicit := "\x01\x00\x00\x09" + "\x00\x01\x00\x0a\x00\x03\x00\x01\x02\x00\x5e\x10\x00\x01"
	reply := func(kind string) string {
		return kind + "\x00\x00\x0a" + "\x00\x01\x00\x0a\x00\x03\x00\x01\x02\x00\x5e\x10\x00\x01" +
			"\x00\x03\x00\x28" + strings.Repeat("\x00", 12) + "\x00\x05\x00\x18\x20\x01\x0d\xb8" + strings.Repeat("\x00", 11) + "\x07" + u32(100) + u32(200)
	}
	relay := func(kind, inner string) string {
		return kind + "\x00" + "\x20\x01\x0d\xb8" + strings.Repeat("\x00", 11) + "\x01" + "\xfe\x80" + strings.Repeat("\x00", 13) + "\x09" +
			"\x00\x4f\x00\x08\x00\x01\x02\xaa\x00\x00\x00\x0f" + "\x00\x09" + string([]byte{0, byte(len(inner))}) + inner
	}
	for _, c := range []struct {
		name string
		list []said
		want string
	}{
		{"refused", []said{{fromAll, 0, request}, {toAll, 0, nak}}, "0.0.0.0" + mac + "- of 10.10.1.1 REQUEST,NAK"},
		{"answer alone", []said{{toAll, 0, ack}}, "10.10.1.23" + mac + "10.10.1.23 of 10.10.1.1 ACK"},
		{"nobody answers", []said{{fromAll, 0, discover}}, "0.0.0.0" + mac + "- of - DISCOVER"},
		{"nobody answers in time", []said{{fromAll, 0, discover}, {fromAll, 31 * time.Second, discover}}, "0.0.0.0" + mac + "- of - DISCOVER; 0.0.0.0" + mac + "- of - DISCOVER"},
		{"another server", []said{{fromAll, 0, request}, {toAll, 0, ack}, {other, 0, strings.Replace(ack, "\x0a\x0a\x01\x01", "\x0a\x0a\x01\x42", 1)}},
			"0.0.0.0" + mac + "10.10.1.23 of 10.10.1.1 REQUEST,ACK; 10.10.1.23" + mac + "10.10.1.23 of 10.10.1.66 ACK"},
		{"renewed at once", []said{{fromAll, 0, request}, {toAll, 0, ack}, {fromAll, 0, request}, {toAll, 0, ack}},
			"0.0.0.0" + mac + "10.10.1.23 of 10.10.1.1 REQUEST,ACK; 0.0.0.0" + mac + "10.10.1.23 of 10.10.1.1 REQUEST,ACK"},
		{"passed on", []said{{relayed, 0, boot(2, "10.10.2.9", "10.10.2.1", option(53, "\x05"), option(54, "\x0a\x14\x00\x01"))}}, "10.10.2.9" + mac + "10.10.2.9 of 10.20.0.1 ACK"},
		{"options in the name of the server", []said{{fromAll, 0, overloaded()}}, "0.0.0.0" + mac + "- of - REQUEST"},
		{"six", []said{{fromAll6, 0, solicit}, {toOne6, 0, reply("\x02")}, {fromAll6, 0, "\x03" + solicit[1:]}, {toOne6, 0, reply("\x07")}},
			"fe80::1 02:00:5e:10:00:01 2001:db8::7 of fe80::2 SOLICIT,ADVERTISE,REQUEST,REPLY"},
		{"six, passed on", []said{{fromAll6, 0, relay("\x0c", solicit)}}, "fe80::9 02:00:5e:10:00:01 - of - SOLICIT"},
		{"neither", []said{{fromAll, 0, "abc"}, {fromAll6, 0, "\x00\x01\x02\x03"}, {fromAll6, 0, "\x0c"}}, ""},
	} {
		got := summary(play(c.list...))
		if c.name == "six" || c.name == "six, passed on" {
			got = strings.ReplaceAll(strings.ReplaceAll(got, "02:00:00:00:00:01", "02:00:5e:10:00:01"), "02:aa:00:00:00:0f", "02:00:5e:10:00:01")
		}
		if got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

// overloaded is a request whose type lies in the field for the server's name.
func overloaded() string {
	b := []byte(boot(1, "", "", option(52, "\x02")))
	copy(b[44:], option(53, "\x03")+"\xff")
	return string(b)
}

// TestFlood: clients that nobody answers are told, the oldest first, and what
// waits is bounded.
func TestFlood(t *testing.T) {
	r, b := New(), &weir.Batch{}
	const n = 3 * maxPending
	for i := range n {
		in := []byte(discover)
		binary.BigEndian.PutUint16(in[30:], uint16(i))
		var d dialog.Dialog
		e := fromAll
		e.Time = base
		d.Reset(e, b, nil)
		r.Read(&d, dialog.Client, in)
	}
	if len(r.pending) != maxPending || len(b.DHCP) != n-maxPending {
		t.Errorf("%d wait, %d told; want %d, %d", len(r.pending), len(b.DHCP), maxPending, n-maxPending)
	}
}

// TestRepetition: what is repeated takes no memory.
func TestRepetition(t *testing.T) {
	r, b := New(), &weir.Batch{}
	var d dialog.Dialog
	e := toAll
	e.Time = base
	in := []byte(nak)
	announce := func(*weir.Announcement) {}
	show := func() {
		d.Reset(e, b, announce)
		r.Read(&d, dialog.Client, in)
	}
	show()
	if n := testing.AllocsPerRun(100, show); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
	if len(b.DHCP) != 1 {
		t.Errorf("%d records, want 1", len(b.DHCP))
	}
}

func FuzzRead(f *testing.F) {
	turn := func(s string) []dialogtest.Turn { return []dialogtest.Turn{{From: dialog.Client, Data: s}} }
	dialogtest.Fuzz(f, func() dialog.Reader { return New() }, turn(discover), turn(offer), turn(request), turn(ack), turn(overloaded()))
}

// FuzzRead6: the same for DHCPv6.
func FuzzRead6(f *testing.F) {
	f.Add([]byte("\x01\x00\x00\x09\x00\x01\x00\x0a\x00\x03\x00\x01\x02\x00\x5e\x10\x00\x01\x00\x10\x00\x0a\x00\x00\x01\x37\x00\x04MSFT"))
	f.Add([]byte("\x0c\x00" + strings.Repeat("\x00", 32) + "\x00\x09\x00\x04\x01\x00\x00\x09"))
	f.Fuzz(func(_ *testing.T, b []byte) {
		play(said{fromAll6, 0, string(b)}, said{toOne6, time.Second, string(b)})
	})
}

func BenchmarkRead(b *testing.B) {
	b.ReportAllocs()
	list := [][]byte{[]byte(discover), []byte(offer), []byte(request), []byte(ack)}
	ends := []weir.Endpoints{fromAll, toAll, fromAll, toAll}
	r := New()
	var d dialog.Dialog
	batch := &weir.Batch{}
	announce := func(*weir.Announcement) {}
	now := base
	for b.Loop() {
		now = now.Add(time.Minute)
		batch.DHCP = batch.DHCP[:0]
		for i := range list {
			e := ends[i]
			e.Time = now
			d.Reset(e, batch, announce)
			r.Read(&d, dialog.Client, list[i])
		}
	}
}
