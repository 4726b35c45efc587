package stitch

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/flowrec"
)

// A case gives records, one a line, and wants flows in the order in which they
// are emitted. A record is
//
//	exporter start-end src > dst/proto packets/bytes [flags] [key=value …]
//
// with seconds for times; it arrives 15 s after its end, unless at= says when.
var cases = []struct {
	name, records, want string
}{
	{"two halves", `
		a 0-10 10.0.0.1:40000 > 203.0.113.7:443/tcp 10/1500 SAPF
		a 0.02-9.9 203.0.113.7:443 > 10.0.0.1:40000/tcp 9/9000 SAPF`,
		`0-10 10.0.0.1:40000 > 203.0.113.7:443/tcp 10/1500 9/9000 SF app=tls? by=a`},
	{"the answers come first", `
		a 0.02-9.9 203.0.113.7:40001 > 10.0.0.1:40000/tcp 9/9000 SAPF
		a 0-10 10.0.0.1:40000 > 203.0.113.7:40001/tcp 10/1500 SAPF`,
		`0-10 10.0.0.1:40000 > 203.0.113.7:40001/tcp 10/1500 9/9000 SF by=a`},
	{"no times to tell who began: the ports do", `
		a 5-5 203.0.113.7:443 > 10.0.0.1:40000/tcp 9/9000 SAPF
		a 5-5 10.0.0.1:40000 > 203.0.113.7:443/tcp 10/1500 SAPF`,
		`5-5 10.0.0.1:40000 > 203.0.113.7:443/tcp 10/1500 9/9000 SF guessed app=tls? by=a`},
	{"one direction only", `
		a 0-10 203.0.113.7:443 > 10.0.0.1:40000/tcp 9/9000 SAPF`,
		`0-10 10.0.0.1:40000 > 203.0.113.7:443/tcp 0/0 9/9000 SHR half guessed app=tls? by=a`},
	{"an attempt nobody answered", `
		a 0-3 10.0.0.1:40000 > 203.0.113.7:8443/tcp 2/120 S`,
		`0-3 10.0.0.1:40000 > 203.0.113.7:8443/tcp 2/120 0/0 S0 by=a`},
	{"an attempt refused", `
		a 0-0 10.0.0.1:40000 > 203.0.113.7:8443/tcp 1/60 S
		a 0-0 203.0.113.7:8443 > 10.0.0.1:40000/tcp 1/40 RA`,
		`0-0 10.0.0.1:40000 > 203.0.113.7:8443/tcp 1/60 1/40 REJ by=a`},
	{"a scan that resets what is open", `
		a 0-0.1 10.0.0.1:40000 > 203.0.113.7:22/tcp 2/84 SR
		a 0-0 203.0.113.7:22 > 10.0.0.1:40000/tcp 1/44 SA`,
		`0-0.1 10.0.0.1:40000 > 203.0.113.7:22/tcp 2/84 1/44 RSTO app=ssh? by=a`},
	{"slices of a minute become one record", `
		a 0-60 10.0.0.1:40000 > 203.0.113.7:443/tcp 10/1500 SAP at=61
		a 0-60 203.0.113.7:443 > 10.0.0.1:40000/tcp 10/1600 SAP at=61
		a 61-120 10.0.0.1:40000 > 203.0.113.7:443/tcp 10/1500 AP at=121
		a 61-120 203.0.113.7:443 > 10.0.0.1:40000/tcp 10/1600 AP at=121
		a 121-150 203.0.113.7:443 > 10.0.0.1:40000/tcp 10/1600 APF at=166
		a 121-150 10.0.0.1:40000 > 203.0.113.7:443/tcp 10/1500 APF at=166`,
		`0-150 10.0.0.1:40000 > 203.0.113.7:443/tcp 30/4500 30/4800 SF guessed app=tls? by=a`},
	{"a long conversation is told every five minutes", `
		a 0-120 10.0.0.1:40000 > 203.0.113.7:443/tcp 10/1500 SAP
		a 120-240 10.0.0.1:40000 > 203.0.113.7:443/tcp 10/1500 AP
		a 240-360 10.0.0.1:40000 > 203.0.113.7:443/tcp 10/1500 AP
		a 360-480 10.0.0.1:40000 > 203.0.113.7:443/tcp 10/1500 APF`, `
		0-360 10.0.0.1:40000 > 203.0.113.7:443/tcp 30/4500 0/0 S1 ongoing half guessed by=a
		360-480 10.0.0.1:40000 > 203.0.113.7:443/tcp 10/1500 0/0 S2 dur=480 slice=1 half guessed by=a`},
	{"records of half an hour come as they are", `
		a 0-1800 10.0.0.1:40000 > 203.0.113.7:443/tcp 10/1500 SAP reason=active
		a 0-1800 203.0.113.7:443 > 10.0.0.1:40000/tcp 10/1500 SAP reason=active
		a 1801-3600 10.0.0.1:40000 > 203.0.113.7:443/tcp 10/1500 AP reason=active
		a 1801-3600 203.0.113.7:443 > 10.0.0.1:40000/tcp 10/1500 AP reason=active
		a 3601-3700 10.0.0.1:40000 > 203.0.113.7:443/tcp 10/1500 AP reason=idle
		a 3601-3700 203.0.113.7:443 > 10.0.0.1:40000/tcp 10/1500 AP reason=idle`, `
		0-1800 10.0.0.1:40000 > 203.0.113.7:443/tcp 10/1500 10/1500 S1 ongoing guessed app=tls? by=a
		1801-3600 10.0.0.1:40000 > 203.0.113.7:443/tcp 10/1500 10/1500 S1 dur=3600 slice=1 ongoing guessed app=tls? by=a
		3601-3700 10.0.0.1:40000 > 203.0.113.7:443/tcp 10/1500 10/1500 S1 dur=3700 slice=2 guessed app=tls? by=a`},
	{"keep-alives that the exporter cuts at its idle timeout are no new starts", `
		a 0-0 10.0.0.1:40000 > 203.0.113.7:443/tcp 3/200 SAP
		a 100-100 10.0.0.1:40000 > 203.0.113.7:443/tcp 1/52 AP
		a 200-200 10.0.0.1:40000 > 203.0.113.7:443/tcp 1/52 AP
		a 400-400 10.0.0.1:40000 > 203.0.113.7:443/tcp 1/52 AP`, `
		0-200 10.0.0.1:40000 > 203.0.113.7:443/tcp 5/304 0/0 S1 half guessed by=a
		400-400 10.0.0.1:40000 > 203.0.113.7:443/tcp 1/52 0/0 S1 dur=400 slice=1 half guessed by=a`},
	{"a new SYN is a new connection", `
		a 0-1 10.0.0.1:40000 > 203.0.113.7:443/tcp 5/500 SAPF
		a 0.1-1 203.0.113.7:443 > 10.0.0.1:40000/tcp 5/500 SAPF
		a 60-61 10.0.0.1:40000 > 203.0.113.7:443/tcp 6/600 SAPF at=30
		a 60.1-61 203.0.113.7:443 > 10.0.0.1:40000/tcp 6/600 SAPF at=30`, `
		0-1 10.0.0.1:40000 > 203.0.113.7:443/tcp 5/500 5/500 SF app=tls? by=a
		60-61 10.0.0.1:40000 > 203.0.113.7:443/tcp 6/600 6/600 SF app=tls? by=a`},
	{"the halves of two connections on the same ports, mixed", `
		a 0-1 10.0.0.1:40000 > 203.0.113.7:443/tcp 5/500 SAPF at=90
		a 60.1-61 203.0.113.7:443 > 10.0.0.1:40000/tcp 6/600 SAPF at=90
		a 60-61 10.0.0.1:40000 > 203.0.113.7:443/tcp 6/600 SAPF at=90
		a 0.1-1 203.0.113.7:443 > 10.0.0.1:40000/tcp 5/500 SAPF at=90`, `
		0-1 10.0.0.1:40000 > 203.0.113.7:443/tcp 5/500 5/500 SF app=tls? by=a
		60-61 10.0.0.1:40000 > 203.0.113.7:443/tcp 6/600 6/600 SF app=tls? by=a`},
	{"an acknowledgment after the end belongs to it", `
		a 0-1 10.0.0.1:40000 > 203.0.113.7:443/tcp 5/500 SAPF at=2
		a 0.1-1 203.0.113.7:443 > 10.0.0.1:40000/tcp 5/500 SAPF at=2
		a 1.1-1.1 10.0.0.1:40000 > 203.0.113.7:443/tcp 1/40 A at=20`, `
		0-1 10.0.0.1:40000 > 203.0.113.7:443/tcp 5/500 5/500 SF app=tls? by=a
		1.1-1.1 10.0.0.1:40000 > 203.0.113.7:443/tcp 1/40 0/0 SF dur=1.1 slice=1 app=tls? by=a`},
	{"two exporters: one counts, both are named", `
		a 0-10 10.0.0.1:40000 > 203.0.113.7:443/tcp 10/1500 SAPF
		b 0.5-10.5 10.0.0.1:40000 > 203.0.113.7:443/tcp 10/1500 SAPF
		b 0.6-10.4 203.0.113.7:443 > 10.0.0.1:40000/tcp 9/9000 SAPF
		a 0.02-9.9 203.0.113.7:443 > 10.0.0.1:40000/tcp 9/9000 SAPF`,
		`0-10.4 10.0.0.1:40000 > 203.0.113.7:443/tcp 10/1500 9/9000 SF guessed app=tls? by=a,b`},
	{"each exporter tells one direction", `
		b 0.02-9.9 203.0.113.7:443 > 10.0.0.1:40000/tcp 9/9000 SAPF
		a 0-10 10.0.0.1:40000 > 203.0.113.7:443/tcp 10/1500 SAPF`,
		`0-10 10.0.0.1:40000 > 203.0.113.7:443/tcp 10/1500 9/9000 SF guessed app=tls? by=a,b`},
	{"an exporter that falls silent is replaced", `
		a 0-60 10.0.0.1:40000 > 203.0.113.7:443/tcp 10/1500 SAP
		b 0-60 10.0.0.1:40000 > 203.0.113.7:443/tcp 10/1500 SAP
		b 60-120 10.0.0.1:40000 > 203.0.113.7:443/tcp 10/1500 AP
		b 300-600 10.0.0.1:40000 > 203.0.113.7:443/tcp 50/7500 AP`, `
		0-60 10.0.0.1:40000 > 203.0.113.7:443/tcp 10/1500 0/0 S1 half guessed by=a,b
		300-600 10.0.0.1:40000 > 203.0.113.7:443/tcp 50/7500 0/0 S1 dur=600 slice=1 half guessed by=b,a`},
	{"ingress and egress of one exporter", `
		a 0-10 10.0.0.1:40000 > 203.0.113.7:53/udp 1/70 obs=in
		a 0-10 10.0.0.1:40000 > 203.0.113.7:53/udp 1/70 obs=out
		a 0.1-10 203.0.113.7:53 > 10.0.0.1:40000/udp 1/170 obs=out
		a 0.1-10 203.0.113.7:53 > 10.0.0.1:40000/udp 1/170 obs=in`,
		`0-10 10.0.0.1:40000 > 203.0.113.7:53/udp 1/70 1/170 SF app=dns? by=a`},
	{"a biflow", `
		a 0-10 10.0.0.1:40000 > 203.0.113.7:443/tcp 10/1500 SAPF rev=9/9000 revflags=SAPF init=src`,
		`0-10 10.0.0.1:40000 > 203.0.113.7:443/tcp 10/1500 9/9000 SF app=tls? by=a`},
	{"a biflow told from the other side", `
		a 0-10 203.0.113.7:4433 > 10.0.0.1:400/tcp 9/9000 SAPF rev=10/1500 revflags=SAPF init=dst`,
		`0-10 10.0.0.1:400 > 203.0.113.7:4433/tcp 10/1500 9/9000 SF by=a`},
	{"a biflow without an answer", `
		a 0-10 10.0.0.1:40000 > 203.0.113.7:161/udp 3/210 rev=0/0`,
		`0-10 10.0.0.1:40000 > 203.0.113.7:161/udp 3/210 0/0 S0 guessed app=snmp? by=a`},
	{"UDP of which one direction was told, by an exporter of which nothing is known", `
		a 0-0 10.0.0.1:40000 > 203.0.113.7:161/udp 1/70`,
		`0-0 10.0.0.1:40000 > 203.0.113.7:161/udp 1/70 0/0 - half guessed app=snmp? by=a`},
	{"UDP with a pause is one conversation", `
		a 0-10 10.0.0.1:40000 > 203.0.113.7:4500/udp 5/500
		a 100-110 10.0.0.1:40000 > 203.0.113.7:4500/udp 5/500
		a 231-240 10.0.0.1:40000 > 203.0.113.7:4500/udp 5/500`, `
		0-110 10.0.0.1:40000 > 203.0.113.7:4500/udp 10/1000 0/0 - half guessed app=ipsec? by=a
		231-240 10.0.0.1:40000 > 203.0.113.7:4500/udp 5/500 0/0 - half guessed app=ipsec? by=a`},
	{"sampled packets", `
		a 0-0 10.0.0.1:40000 > 203.0.113.7:443/tcp 1/1500 A n=100 at=1
		a 8-8 10.0.0.1:40000 > 203.0.113.7:443/tcp 1/60 A n=100 at=9
		a 9-9 203.0.113.7:443 > 10.0.0.1:40000/tcp 1/52 A n=200 at=9`,
		`0-9 10.0.0.1:40000 > 203.0.113.7:443/tcp 200/156000 200/10400 OTH guessed n=200 app=tls? by=a`},
	{"a sampled SYN is no proof of silence", `
		a 0-0 10.0.0.1:40000 > 203.0.113.7:443/tcp 1/60 S n=100`,
		`0-0 10.0.0.1:40000 > 203.0.113.7:443/tcp 100/6000 0/0 - half n=100 by=a`},
	{"sampled at an unknown rate", `
		a 0-0 10.0.0.1:40000 > 203.0.113.7:53/udp 1/60 n=?`,
		`0-0 10.0.0.1:40000 > 203.0.113.7:53/udp 1/60 0/0 - half guessed n=? app=dns? by=a`},
	{"ping", `
		a 0-5 203.0.113.7 > 10.0.0.1/icmp:0 5/420
		a 0-5 10.0.0.1 > 203.0.113.7/icmp:8 5/420`,
		`0-5 10.0.0.1 > 203.0.113.7/icmp:8 5/420 5/420 OTH by=a`},
	{"what nobody answers", `
		a 0-0 10.0.0.9 > 10.0.0.1/icmp:3 1/56
		a 1-1 10.0.0.1 > 10.0.0.9/icmp:3 1/56`, `
		0-0 10.0.0.9 > 10.0.0.1/icmp:3 1/56 0/0 OTH by=a
		1-1 10.0.0.1 > 10.0.0.9/icmp:3 1/56 0/0 OTH by=a`},
	{"ICMP without types", `
		a 0-5 10.0.0.1 > 203.0.113.7/icmp:? 5/420
		a 0.1-5 203.0.113.7 > 10.0.0.1/icmp:? 5/420`,
		`0-5 10.0.0.1 > 203.0.113.7/icmp:? 5/420 5/420 OTH by=a`},
	{"multicast has no answer", `
		a 0-5 10.0.0.1:5353 > 224.0.0.251:5353/udp 5/420`,
		`0-5 10.0.0.1:5353 > 224.0.0.251:5353/udp 5/420 0/0 S0 app=mdns? by=a`},
	{"without flags", `
		a 0-10 10.0.0.1:40000 > 203.0.113.7:443/tcp 10/1500
		a 0.02-9.9 203.0.113.7:443 > 10.0.0.1:40000/tcp 9/9000`,
		`0-10 10.0.0.1:40000 > 203.0.113.7:443/tcp 10/1500 9/9000 OTH guessed app=tls? by=a`},
	{"slices that come in the wrong order", `
		a 60-120 10.0.0.1:40000 > 203.0.113.7:443/tcp 10/1500 APF at=130
		a 0-60 10.0.0.1:40000 > 203.0.113.7:443/tcp 11/1500 SAP at=131
		a 0-120 203.0.113.7:443 > 10.0.0.1:40000/tcp 9/900 SAPF at=132`,
		`0-120 10.0.0.1:40000 > 203.0.113.7:443/tcp 21/3000 9/900 SF guessed app=tls? by=a`},
	{"a record after its conversation was emitted", `
		a 0-10 10.0.0.1:40000 > 203.0.113.7:4444/tcp 10/1500 SAPF at=20
		a 0.01-10 203.0.113.7:4444 > 10.0.0.1:40000/tcp 10/1600 SAPF at=200`, `
		0-10 10.0.0.1:40000 > 203.0.113.7:4444/tcp 10/1500 0/0 S2 half guessed by=a
		0.01-10 10.0.0.1:40000 > 203.0.113.7:4444/tcp 0/0 10/1600 SF dur=10 slice=1 guessed by=a`},
	{"a firewall's word, without counters", `
		a 0-0 10.0.0.1:40000 > 203.0.113.7:4444/tcp 0/0 action=denied init=src`,
		`0-0 10.0.0.1:40000 > 203.0.113.7:4444/tcp 0/0 0/0 - half action=denied by=a`},
	{"a firewall counts, and does not use its own word twice", `
		a 0-0 10.0.0.1:40000 > 203.0.113.7:4444/tcp 0/0 action=created init=src
		b 0-10 10.0.0.1:40000 > 203.0.113.7:4444/tcp 10/1500 SAPF
		b 0.1-10 203.0.113.7:4444 > 10.0.0.1:40000/tcp 10/1600 SAPF
		a 0-10 10.0.0.1:40000 > 203.0.113.7:4444/tcp 10/1500 rev=10/1600 action=deleted init=src`,
		`0-10 10.0.0.1:40000 > 203.0.113.7:4444/tcp 10/1500 10/1600 SF action=deleted by=b,a`},
}

func TestConversations(t *testing.T) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, DefaultConfig())
			w.feed(c.records)
			w.s.Close()
			got, want := strings.Join(w.lines, "\n"), unindent(c.want)
			if got != want {
				t.Errorf("flows of %s\ngot:\n%s\nwant:\n%s", unindent(c.records), got, want)
			}
			w.account()
		})
	}
}

func unindent(s string) string {
	var lines []string
	for l := range strings.Lines(s) {
		if l = strings.TrimSpace(l); l != "" {
			lines = append(lines, l)
		}
	}
	return strings.Join(lines, "\n")
}

// A world is a stitcher with what came out of it.
type world struct {
	t         testing.TB
	s         *Stitcher
	exporters map[string]*Exporter
	flows     []weir.Flow
	lines     []string
}

func newWorld(t testing.TB, c Config) *world {
	w := &world{t: t, exporters: map[string]*Exporter{}}
	s, err := New(c, func(f *weir.Flow) {
		w.flows = append(w.flows, *f)
		w.lines = append(w.lines, w.line(f))
	})
	if err != nil {
		t.Fatal(err)
	}
	w.s = s
	for i, name := range []string{"a", "b", "c", "d", "e", "f"} {
		w.exporters[name] = &Exporter{Name: name, Addr: netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})}
	}
	return w
}

func (w *world) feed(records string) {
	for l := range strings.Lines(records) {
		if strings.TrimSpace(l) != "" {
			r, x, at := w.record(strings.Fields(l))
			w.s.Add(&r, x, at)
		}
	}
}

// account checks that each record given is in one counter.
func (w *world) account() {
	w.t.Helper()
	c := w.s.Counters()
	if c.Records != c.Joined+c.Duplicates+c.Mirrored+c.Unusable {
		w.t.Errorf("%d records, but joined %d + duplicates %d + mirrored %d + unusable %d", c.Records, c.Joined, c.Duplicates, c.Mirrored, c.Unusable)
	}
	if int(c.Flows) != len(w.flows) {
		w.t.Errorf("Flows = %d, want %d", c.Flows, len(w.flows))
	}
	if w.s.Len() != 0 || w.s.moreBytes != 0 {
		w.t.Errorf("%d conversations and %d octets are left after Close", w.s.Len(), w.s.moreBytes)
	}
	if all := c.Paired + c.Halves + c.Unanswered; all+c.Slices != c.Flows {
		w.t.Errorf("paired %d + halves %d + unanswered %d + slices %d, want %d flows", c.Paired, c.Halves, c.Unanswered, c.Slices, c.Flows)
	}
}

func (w *world) record(f []string) (r flowrec.Record, x *Exporter, at time.Time) {
	x = w.exporters[f[0]]
	from, to, _ := strings.Cut(f[1], "-")
	r.Start, r.End = w.micros(from), w.micros(to)
	dst, proto, _ := strings.Cut(f[4], "/")
	proto, icmp, _ := strings.Cut(proto, ":")
	if err := r.Proto.UnmarshalText([]byte(proto)); err != nil {
		w.t.Fatal(err)
	}
	if r.HasICMP = icmp != "" && icmp != "?"; r.HasICMP {
		r.ICMPType = uint8(w.number(icmp))
	}
	r.Src, r.SrcPort = w.end(f[2])
	r.Dst, r.DstPort = w.end(dst)
	r.Packets, r.Bytes = w.counts(f[5])
	r.Sampling = 1
	at = time.UnixMicro(r.End).Add(15 * time.Second)
	for _, o := range f[6:] {
		key, val, ok := strings.Cut(o, "=")
		if !ok {
			r.HasFlags = true
			w.flags(&r.Flags, key)
			continue
		}
		switch key {
		case "at":
			at = time.UnixMicro(w.micros(val))
		case "n":
			if r.SamplingUnknown = val == "?"; !r.SamplingUnknown {
				r.Sampling = uint32(w.number(val))
			}
		case "obs":
			r.Observed = map[string]flowrec.Observed{"in": flowrec.Ingress, "out": flowrec.Egress}[val]
		case "rev":
			r.Biflow = true
			r.RevPackets, r.RevBytes = w.counts(val)
		case "revflags":
			w.flags(&r.RevFlags, val)
		case "init":
			r.Initiator = map[string]flowrec.Initiator{"src": flowrec.SrcBegan, "dst": flowrec.DstBegan}[val]
		case "reason":
			r.Reason = map[string]flowrec.EndReason{"idle": flowrec.Idle, "active": flowrec.Active, "end": flowrec.End}[val]
		case "action":
			r.More = &flowrec.More{Action: val}
		default:
			w.t.Fatalf("record with %q", o)
		}
	}
	r.Exported = at.UnixMicro()
	return r, x, at
}

var epoch = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)

func (w *world) micros(s string) int64 {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		w.t.Fatal(err)
	}
	return epoch.Add(time.Duration(v * 1e9)).UnixMicro()
}

func (w *world) number(s string) uint64 {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

func (w *world) end(s string) (netip.Addr, uint16) {
	if p, err := netip.ParseAddrPort(s); err == nil {
		return p.Addr(), p.Port()
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		w.t.Fatal(err)
	}
	return a, 0
}

func (w *world) counts(s string) (packets, bytes uint64) {
	p, b, _ := strings.Cut(s, "/")
	return w.number(p), w.number(b)
}

func (w *world) flags(f *weir.TCPFlags, s string) {
	if err := f.UnmarshalText([]byte(s)); err != nil {
		w.t.Fatal(err)
	}
}

// line tells a flow as the cases want it.
func (w *world) line(f *weir.Flow) string {
	var b strings.Builder
	since := func(t time.Time) string { return strconv.FormatFloat(t.Sub(epoch).Seconds(), 'f', -1, 64) }
	end := func(a netip.Addr, port uint16) string {
		if f.Proto == weir.ICMPv4 {
			return a.String()
		}
		return netip.AddrPortFrom(a, port).String()
	}
	proto := f.Proto.String()
	if f.Proto == weir.ICMPv4 {
		proto += ":?"
		if f.ICMP != nil {
			proto = fmt.Sprintf("icmp:%d", f.ICMP.Type)
		}
	}
	state := f.State.String()
	if state == "" {
		state = "-"
	}
	fmt.Fprintf(&b, "%s-%s %s > %s/%s %d/%d %d/%d %s", since(f.Start), since(f.End), end(f.Src, f.SrcPort), end(f.Dst, f.DstPort), proto,
		f.PacketsUp, f.BytesUp, f.PacketsDown, f.BytesDown, state)
	say := func(yes bool, format string, args ...any) {
		if yes {
			fmt.Fprintf(&b, " "+format, args...)
		}
	}
	say(f.Duration != f.End.Sub(f.Start), "dur=%v", f.Duration.Seconds())
	say(f.Slice > 0, "slice=%d", f.Slice)
	say(f.Ongoing, "ongoing")
	say(f.Half, "half")
	say(f.OriginGuessed, "guessed")
	say(f.SamplingUnknown, "n=?")
	say(f.Sampling > 0, "n=%d", f.Sampling)
	say(f.AppGuessed, "app=%s?", f.App)
	say(f.App != "" && !f.AppGuessed, "app=%s", f.App)
	say(f.Export != nil && f.Export.Action != "", "action=%s", exportOf(f).Action)
	var by []string
	for _, a := range f.Exporters {
		for name, x := range w.exporters {
			if x.Addr.String() == a {
				by = append(by, name)
			}
		}
	}
	if len(by) == 0 || by[0] != f.Sensor {
		w.t.Errorf("sensor %q of exporters %v, want that of the first", f.Sensor, by)
	}
	say(true, "by=%s", strings.Join(by, ","))
	return b.String()
}

func exportOf(f *weir.Flow) *weir.Export {
	if f.Export == nil {
		return &weir.Export{}
	}
	return f.Export
}

// TestSilence expects an exporter that tells both directions to be believed
// when it tells only one.
func TestSilence(t *testing.T) {
	w := newWorld(t, DefaultConfig())
	for i := range 5 {
		w.feed(fmt.Sprintf(`
			a 0-0 10.0.0.1:%d > 203.0.113.7:53/udp 1/70
			a 0.1-0.1 203.0.113.7:53 > 10.0.0.1:%[1]d/udp 1/170`, 40000+i))
	}
	w.s.Advance(epoch.Add(5 * time.Minute))
	w.feed(`
		a 300-300 10.0.0.1:41000 > 203.0.113.8:161/udp 1/70
		a 300-300 10.0.0.1 > 203.0.113.8/icmp:8 1/84
		a 300-310 10.0.0.1:41000 > 203.0.113.8:443/tcp 5/700 SAP`)
	w.s.Close()
	want := []string{
		"300-300 10.0.0.1:41000 > 203.0.113.8:161/udp 1/70 0/0 S0 app=snmp? by=a",
		"300-300 10.0.0.1 > 203.0.113.8/icmp:8 1/84 0/0 OTH by=a",
		"300-310 10.0.0.1:41000 > 203.0.113.8:443/tcp 5/700 0/0 S1 half guessed by=a",
	}
	got := slices.Clone(w.lines[5:])
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("flows differ (-want +got):\n%s", diff)
	}
	if got, want := w.exporters["a"].OneWay(), 3.0/8; got != want { // of the first three of which nothing was known, too
		t.Errorf("OneWay() = %v, want %v", got, want)
	}
	w.account()
}

// TestTimeouts reads back what records show of an exporter's timeouts.
func TestTimeouts(t *testing.T) {
	for _, c := range []struct{ active, inactive int }{{60, 15}, {300, 30}, {1800, 15}, {47, 60}} {
		w := newWorld(t, DefaultConfig())
		for i := range 30 {
			port := 40000 + i
			for n := range 3 {
				start := n*(c.active+1) + i
				w.feed(fmt.Sprintf(`a %d-%d 10.0.0.1:%d > 203.0.113.7:443/tcp 10/1500 AP at=%[2]d`, start, start+c.active, port))
			}
			last := 3*(c.active+1) + i
			w.feed(fmt.Sprintf(`a %d-%d 10.0.0.1:%d > 203.0.113.7:443/tcp 10/1500 AP at=%d`, last, last+5, port, last+5+c.inactive))
		}
		x := w.exporters["a"]
		near := func(got time.Duration, want int) bool {
			return (got - time.Duration(want)*time.Second).Abs() <= time.Duration(want)*time.Second*5/100
		}
		if got := x.ActiveTimeout(); !near(got, c.active) {
			t.Errorf("active timeout %v, want %d s", got, c.active)
		}
		if got := x.InactiveTimeout(); !near(got, c.inactive) {
			t.Errorf("inactive timeout %v, want %d s", got, c.inactive)
		}
		x.ToldActive, x.ToldInactive = time.Second, 2*time.Second
		if x.ActiveTimeout() != time.Second || x.InactiveTimeout() != 2*time.Second {
			t.Errorf("timeouts %v, %v, want those that it told itself", x.ActiveTimeout(), x.InactiveTimeout())
		}
		w.s.Close()
	}
}

// TestClockOff lets exporters tell of what is long past, as one whose clock is
// off or that reads a capture does: that is no timeout.
func TestClockOff(t *testing.T) {
	for _, c := range []struct{ off, want int }{{3600, 3600}, {3700, 0}, {135291, 0}, {400 * 86400, 0}} {
		w := newWorld(t, DefaultConfig())
		for i := range 30 {
			w.feed(fmt.Sprintf("a %d-%[1]d 10.0.0.1:%d > 203.0.113.7:443/tcp 10/1500 AP at=%d", i, 40000+i, i+c.off))
		}
		want := time.Duration(c.want) * time.Second
		if got := w.exporters["a"].InactiveTimeout(); (got - want).Abs() > want*5/100 {
			t.Errorf("inactive timeout %v of records told after %d s, want %v", got, c.off, want)
		}
		w.s.Close()
	}
}

// TestMaxFlows fills the stitcher and expects everything to be told, early.
func TestMaxFlows(t *testing.T) {
	c := DefaultConfig()
	c.MaxFlows = 100
	w := newWorld(t, c)
	for i := range 1000 {
		w.feed(fmt.Sprintf("a 0-1 10.0.0.1:%d > 203.0.113.7:443/tcp 1/60 S", 1000+i))
		if w.s.Len() > 100 {
			t.Fatalf("%d conversations, want at most 100", w.s.Len())
		}
	}
	if got := w.s.Counters().Early; got != 900 || len(w.flows) != 900 {
		t.Errorf("%d flows, %d of them early, want 900", len(w.flows), got)
	}
	w.s.Close()
	if len(w.flows) != 1000 {
		t.Errorf("%d flows, want 1000", len(w.flows))
	}
	w.account()

	// Those already emitted go first.
	w = newWorld(t, c)
	for i := range 60 {
		w.feed(fmt.Sprintf("a 0-1 10.0.0.1:%d > 203.0.113.7:443/tcp 1/60 AP at=1", 1000+i))
	}
	w.s.Advance(epoch.Add(4 * time.Minute))
	for i := range 100 {
		w.feed(fmt.Sprintf("a 240-241 10.0.0.1:%d > 203.0.113.7:443/tcp 1/60 S at=241", 5000+i))
	}
	if got := w.s.Counters(); got.Forgotten != 60 || got.Early != 0 {
		t.Errorf("%d forgotten and %d early, want 60 and none", got.Forgotten, got.Early)
	}
	w.s.Close()
	w.account()
}

// TestSamePorts reuses ports again and again: a few connections are told apart,
// and none is lost.
func TestSamePorts(t *testing.T) {
	w := newWorld(t, DefaultConfig())
	for i := range 50 {
		w.feed(fmt.Sprintf("a %d-%d 10.0.0.1:1000 > 203.0.113.7:443/tcp 1/60 S at=1", i, i))
		if w.s.Len() > maxSameKey {
			t.Fatalf("%d connections, want at most %d", w.s.Len(), maxSameKey)
		}
	}
	w.s.Close()
	if len(w.flows) != 50 {
		t.Errorf("%d flows, want 50", len(w.flows))
	}
	w.account()
}

// TestMore expects what a probe tells to land in the flow, from whichever side
// it came, within a bound.
func TestMore(t *testing.T) {
	w := newWorld(t, DefaultConfig())
	up, _, at := w.record(strings.Fields("a 0-1 10.0.0.1:1000 > 203.0.113.7:8443/tcp 5/600 SAPF"))
	down, x, _ := w.record(strings.Fields("a 0.1-1 203.0.113.7:8443 > 10.0.0.1:1000/tcp 5/600 SAPF"))
	up.More = &flowrec.More{TLS: &weir.TLS{SNI: "www.example.net"}, DNS: &weir.DNSTransaction{}, Extra: []string{"x=1"}}
	up.InIf, up.OutIf, up.TOS, up.VLAN, up.Domain, up.Next = 3, 7, 184, 12, 256, netip.MustParseAddr("192.0.2.254")
	up.SrcMAC, up.DstMAC = flowrec.MAC{2, 1}, flowrec.MAC{2, 2}
	down.More = &flowrec.More{SrcUser: "svc", DstUser: "j.doe", DstHost: "ws-23", Action: "created", ACL: "out",
		NAT: &weir.NAT{Src: netip.MustParseAddr("10.20.0.15"), SrcPort: 443, Dst: netip.MustParseAddr("203.0.113.9"), DstPort: 40122}}
	down.SrcAS, down.DstAS, down.Reason = 64511, 64510, flowrec.Idle
	w.s.Add(&up, x, at)
	w.s.Add(&down, x, at)
	again := down
	again.Packets, again.Bytes, again.More = 0, 0, &flowrec.More{Action: "deleted", VRF: "guest"}
	w.s.Add(&again, x, at)
	w.s.Close()
	want := weir.Flow{
		Start: time.UnixMicro(up.Start).UTC(), End: time.UnixMicro(up.End).UTC(), Duration: time.Second, Sensor: "a", Exporters: []string{"192.0.2.0"},
		Src: up.Src, Dst: up.Dst, SrcPort: 1000, DstPort: 8443, Proto: weir.TCP, App: "tls", State: weir.StateSF,
		BytesUp: 600, BytesDown: 600, PacketsUp: 5, PacketsDown: 5, DataUp: 600 - 5*52 - 8, DataDown: 600 - 5*52 - 8,
		FlagsUp: up.Flags, FlagsDown: down.Flags, VLAN: 12, SrcHost: "ws-23", SrcUser: "j.doe", DstUser: "svc",
		SrcMAC: "02:01:00:00:00:00", DstMAC: "02:02:00:00:00:00", SrcASN: 64510, DstASN: 64511,
		TLS:    up.More.TLS,
		NAT:    &weir.NAT{Src: netip.MustParseAddr("203.0.113.9"), SrcPort: 40122, Dst: netip.MustParseAddr("10.20.0.15"), DstPort: 443},
		Export: &weir.Export{InIf: 3, OutIf: 7, Next: up.Next, TOS: 184, Domain: 256, Reason: "idle", Action: "deleted", ACL: "out", VRF: "guest", Extra: []string{"x=1"}},
	}
	if len(w.flows) != 1 {
		t.Fatalf("%d flows, want 1", len(w.flows))
	}
	if diff := cmp.Diff(want, w.flows[0], cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("flow differs (-want +got):\n%s", diff)
	}
	if up.More.DNS == nil {
		t.Error("More was written to")
	}
	w.account()
}

// TestMaxMoreBytes gives more than may be kept: the counters remain.
func TestMaxMoreBytes(t *testing.T) {
	c := DefaultConfig()
	c.MaxMoreBytes = 10_000
	w := newWorld(t, c)
	add := func(i, n int) {
		r, x, at := w.record(strings.Fields(fmt.Sprintf("a 0-1 10.0.0.1:%d > 203.0.113.7:443/tcp 1/60 S", 1000+i)))
		r.More = &flowrec.More{ACL: strings.Repeat("x", n)}
		w.s.Add(&r, x, at)
		if w.s.moreBytes > c.MaxMoreBytes {
			t.Fatalf("%d octets kept, want at most %d", w.s.moreBytes, c.MaxMoreBytes)
		}
	}
	for i := range 100 {
		add(i, 500)
	}
	add(100, 20_000)
	if got := w.s.Counters(); got.Early < 80 || got.MoreLost != 1 {
		t.Errorf("%d flows early and %d lists lost, want 80 or more and 1", got.Early, got.MoreLost)
	}
	w.s.Close()
	if len(w.flows) != 101 {
		t.Errorf("%d flows, want 101", len(w.flows))
	}
	w.account()
}

func TestUnusable(t *testing.T) {
	w := newWorld(t, DefaultConfig())
	w.s.Add(&flowrec.Record{Packets: 1}, w.exporters["a"], epoch)
	if got := w.s.Counters().Unusable; got != 1 {
		t.Errorf("Unusable = %d, want 1", got)
	}
	w.account()
}

// TestClock sets the clock back by a day: what there was is told, and the new
// day begins.
func TestClock(t *testing.T) {
	w := newWorld(t, DefaultConfig())
	w.feed("a 86400-86401 10.0.0.1:1000 > 203.0.113.7:443/tcp 1/60 S at=86402")
	w.feed("a 0-1 10.0.0.1:1000 > 203.0.113.7:443/tcp 1/60 S at=1")
	if got := w.s.Counters().ClockResets; got != 1 || len(w.flows) != 1 {
		t.Errorf("%d resets and %d flows, want 1 and 1", got, len(w.flows))
	}
	w.s.Advance(epoch.Add(3 * time.Minute))
	if len(w.flows) != 2 {
		t.Errorf("%d flows three minutes into the new day, want 2", len(w.flows))
	}
	w.s.Close()
	w.account()
}

func TestConfig(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"wait": func(c *Config) { c.Wait = 0 }, "linger": func(c *Config) { c.Linger = -1 }, "active": func(c *Config) { c.Active = 25 * time.Hour },
		"gap": func(c *Config) { c.Gap = 0 }, "assumed_active": func(c *Config) { c.AssumedActive = 0 },
		"max_flows": func(c *Config) { c.MaxFlows = 0 }, "max_more_bytes": func(c *Config) { c.MaxMoreBytes = -1 },
	} {
		c := DefaultConfig()
		change(&c)
		if _, err := New(c, nil); err == nil || !strings.HasPrefix(err.Error(), want+": got ") {
			t.Errorf("New with a bad %s: %v, want an error that names it", want, err)
		}
	}
}

// TestSize keeps a conversation from growing unseen: MaxFlows of them is the
// memory that a stitcher takes.
func TestSize(t *testing.T) {
	if got := unsafe.Sizeof(conversation{}); got > 464 {
		t.Errorf("a conversation takes %d octets, want at most 464", got)
	}
}
