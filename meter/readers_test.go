package meter_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/decode/packet"
	"github.com/weir-nta/weir/meter"
)

// A lines reads conversations of lines, and notes what it is shown:
//
//	skip N   N octets behind the line are passed over
//	stop     it wants nothing more of that end
//	anew     another protocol begins
//	again    another protocol begins with this line
//	say X    X is announced
//	gone     it cannot go on behind a gap any more
type lines struct {
	log  *[]string
	gone bool
}

func (l *lines) note(d *dialog.Dialog, from dialog.End, format string, args ...any) {
	name := [...]string{"c", "s"}[from]
	*l.log = append(*l.log, name+" "+fmt.Sprintf(format, args...))
}

func (l *lines) Read(d *dialog.Dialog, from dialog.End, b []byte) int {
	for used := 0; ; {
		line, _, ok := strings.Cut(string(b[min(used, len(b)):]), "\n")
		if !ok {
			return used
		}
		if line == "again" {
			d.Anew()
			return used
		}
		used += len(line) + 1
		l.note(d, from, "%s", line)
		command, arg, _ := strings.Cut(line, " ")
		switch command {
		case "skip":
			var n int
			fmt.Sscan(arg, &n)
			used += n
		case "stop":
			return dialog.Stop
		case "anew":
			d.Anew()
			return used
		case "say":
			d.Announce(weir.Announcement{Kind: "service", Text: arg})
		case "gone":
			l.gone = true
		}
	}
}

func (l *lines) Lost(d *dialog.Dialog, from dialog.End, n int) bool {
	l.note(d, from, "lost %d", n)
	return !l.gone
}

func (l *lines) Close(d *dialog.Dialog) {
	*l.log = append(*l.log, fmt.Sprintf("close %d %d", d.Ahead[0], d.Ahead[1]))
}

// readLines has conversations that begin as those of rsync read by lines.
func readLines(t testing.TB) (log *[]string) {
	log = new([]string)
	meter.SetReader(t, "rsync", func() dialog.Reader { return &lines{log: log} })
	return log
}

const hello = "@RSYNCD: 31\n"

// A said is what one end sends: octets lo to hi of what it says in all. With
// hi 0 it acknowledges lo octets of the other end.
type said struct {
	from   string
	lo, hi int
}

func (w *wire) say(c, s string, list []said) {
	w.t.Helper()
	text := map[string]string{"c": c, "s": s}
	for _, p := range list {
		switch {
		case p.hi != 0:
			w.send(tcp(p.from, "PA", uint32(1+p.lo), 1, text[p.from][p.lo:p.hi]))
		default:
			w.send(tcp(p.from, "A", uint32(1+len(text[p.from])), uint32(1+p.lo), ""))
		}
	}
}

// pieces cuts octets lo to hi of an end into pieces.
func pieces(from string, lo, hi, size int) (list []said) {
	for ; lo < hi; lo += size {
		list = append(list, said{from, lo, min(lo+size, hi)})
	}
	return list
}

func TestReading(t *testing.T) {
	const c, s = hello + "one\ntwo two\nthree\n", hello + "eins\nzwei\n"
	nc, ns := len(c), len(s)
	all := []string{"c @RSYNCD: 31", "c one", "c two two", "c three", "s @RSYNCD: 31", "s eins", "s zwei", "close 0 0"}
	body := hello + "skip 5000\n" + strings.Repeat("x\n", 2500) + "end\n"
	nb, begin := len(body), len(hello)+len("skip 5000\n")
	bodyRead := []string{"c @RSYNCD: 31", "c skip 5000", "c end", "close 0 0"}
	for _, k := range []struct {
		name, c, s string
		list       []said
		want       []string
		lost       uint64
	}{
		{"whole", c, s, []said{{"c", 0, nc}, {"s", 0, ns}}, all, 0},
		{"octet by octet", c, s, append(pieces("c", 0, nc, 1), pieces("s", 0, ns, 1)...), all, 0},
		{"server first", c, s, []said{{"s", 0, 4}, {"s", 4, ns}, {"c", 0, nc}}, []string{all[4], all[5], all[6], all[0], all[1], all[2], all[3], all[7]}, 0},
		{"server first, recognised by the client", c, s, []said{{"s", 0, 4}, {"c", 0, nc}, {"s", 4, ns}}, all, 0},
		{"reordered", c, s, []said{{"c", 14, 20}, {"c", 20, nc}, {"c", 0, 14}, {"s", 5, ns}, {"s", 0, 5}}, all, 0},
		{"reordered later", c, s, []said{{"c", 0, 13}, {"c", 20, nc}, {"c", 13, 20}, {"s", 0, ns}}, all, 0},
		{"overlapping", c, s, []said{{"c", 0, 14}, {"c", 3, 18}, {"c", 16, 25}, {"c", 1, nc}, {"s", 0, ns}, {"s", 0, ns}}, all, 0},
		{"a gap, acknowledged", c, s, []said{{"c", 0, 14}, {"c", 24, nc}, {"s", nc, 0}}, []string{all[0], "c lost 12", "c three", "close 0 0"}, 1},
		{"a gap, acknowledged before what is behind it", c, s, []said{{"c", 0, 12}, {"s", nc, 0}, {"c", 24, nc}}, []string{all[0], "c lost 12", "c three", "close 0 0"}, 1},
		{"acknowledged before it came", c, s, []said{{"c", 0, 12}, {"s", nc, 0}, {"c", 12, nc}}, append(all[:4:4], "close 0 0"), 0},
		{"a gap, not acknowledged", c, s, []said{{"c", 0, 14}, {"c", 24, nc}}, []string{all[0], "close 0 0"}, 0},
		{"two gaps", c, s, []said{{"c", 0, 12}, {"c", 13, 16}, {"c", 24, nc}, {"s", nc, 0}}, []string{all[0], "c lost 1", "c ne", "c lost 8", "c three", "close 0 0"}, 2},
		{"a body", body, s, pieces("c", 0, nb, 1400), bodyRead, 0},
		{"a body in small pieces", body, s, pieces("c", 0, nb, 3), bodyRead, 0},
		{"a body that was missed", body, s, []said{{"c", 0, begin}, {"c", begin + 5000, nb}, {"s", nb, 0}}, bodyRead, 0},
		{"a body reordered", body, s, []said{{"c", 0, begin - 1}, {"c", 4000, nb}, {"c", begin - 1, 4000}}, bodyRead, 0},
		{"a body that goes on", body, s, pieces("c", 0, nb-504, 1400), []string{"c @RSYNCD: 31", "c skip 5000", "close 500 0"}, 0},
		{"stop", hello + "stop\nmore\n", s, []said{{"c", 0, 12}, {"c", 12, 17}, {"c", 17, 22}, {"s", 0, ns}}, []string{"c @RSYNCD: 31", "c stop", all[4], all[5], all[6], "close 0 0"}, 0},
		{"both stop", hello + "stop\n", hello + "stop\n", []said{{"c", 0, 17}, {"s", 0, 17}}, []string{"c @RSYNCD: 31", "c stop", "s @RSYNCD: 31", "s stop", "close 0 0"}, 0},
		{"lost its way", hello + "gone\n1\n2\n3\n", s, []said{{"c", 0, 17}, {"c", 19, 21}, {"s", 21, 0}, {"c", 21, 23}}, []string{"c @RSYNCD: 31", "c gone", "c lost 2", "close 0 0"}, 1},
	} {
		log := readLines(t)
		w := newWire(t, meter.DefaultConfig())
		w.script(handshake[:len(handshake)-1])
		w.say(k.c, k.s, k.list)
		w.close()
		if !slices.Equal(*log, k.want) {
			t.Errorf("%s:\n got %q\nwant %q", k.name, *log, k.want)
		}
		got := w.m.Counters()
		if got.Readers != 1 || got.ReadersLost != k.lost || w.flows()[0].App != "rsync" {
			t.Errorf("%s: %d readers, %d stretches lost, %s; want 1, %d, rsync", k.name, got.Readers, got.ReadersLost, w.flows()[0].App, k.lost)
		}
	}
}

// TestReadingBounds: what a reader leaves is kept up to a bound, and what comes
// behind a gap, too; then it is lost, and the rest is read.
func TestReadingBounds(t *testing.T) {
	long := strings.Repeat("x", 20000)
	for _, c := range []struct {
		name, c string
		list    []said
		want    []string
	}{
		{"a line too long", hello + long + "\nend\n", pieces("c", 0, len(hello)+20005, 1000), []string{"c lost 16384", "c " + long[16384:], "c end"}},
		{"a line too long, from offload", hello + long + "\nend\n", pieces("c", 0, len(hello)+20005, 9000), []string{"c lost 16384", "c " + long[16384:], "c end"}},
		{"a gap too wide", hello + long + "\nend\n", append([]said{{"c", 0, 12}, {"c", 12, 13}}, pieces("c", 19000, len(hello)+20005, 500)...), []string{"c lost 18988", "c " + long[18988:], "c end"}},
		{"too many segments behind a gap", hello + "12\n" + strings.Repeat("a\n", 49), append([]said{{"c", 0, 12}}, pieces("c", 15, 15+49*2, 2)...), append([]string{"c lost 3"}, slices.Repeat([]string{"c a"}, 49)...)},
		{"too many gaps", hello + strings.Repeat("ab\n", 20), func() (list []said) {
			list = append(list, said{"c", 0, 12})
			for i := 12; i < 12+20*3; i += 6 {
				list = append(list, said{"c", i + 3, i + 6})
			}
			return list
		}(), []string{}},
	} {
		log := readLines(t)
		w := newWire(t, meter.DefaultConfig())
		w.script(handshake[:len(handshake)-1])
		w.say(c.c, "", c.list)
		w.close()
		want := slices.Concat([]string{"c @RSYNCD: 31"}, c.want, []string{"close 0 0"})
		if !slices.Equal(*log, want) {
			t.Errorf("%s:\n got %.200q\nwant %.200q", c.name, *log, want)
		}
	}
}

// TestAnew hands what comes from a line on to the recognisers: a TLS handshake,
// whose two hellos may come in any order, and around the server's consent.
func TestAnew(t *testing.T) {
	c := hello + "please\n" + string(clientHello("inner.example.com"))
	s := hello + "anew\n" + string(serverHello())
	nc, ns, ask, consent := len(c), len(s), len(hello)+7, len(hello)+5
	for name, list := range map[string][]said{
		"in order":                           {{"c", 0, ask}, {"s", 0, consent}, {"c", ask, nc}, {"s", consent, ns}},
		"client ahead":                       {{"c", 0, ask}, {"c", ask, nc}, {"s", 0, consent}, {"s", consent, ns}},
		"client ahead, in one":               {{"c", 0, nc}, {"s", 0, ns}},
		"client ahead in two":                {{"c", 0, ask + 20}, {"s", 0, consent}, {"c", ask + 20, nc}, {"s", consent, ns}},
		"server ahead":                       {{"c", 0, ask}, {"s", 0, ns}, {"c", ask, nc}},
		"server ahead in two":                {{"c", 0, ask}, {"s", 0, consent + 9}, {"c", ask, nc}, {"s", consent + 9, ns}},
		"server reordered":                   {{"c", 0, ask}, {"s", 0, 13}, {"s", consent, ns}, {"s", 13, consent}, {"c", ask, nc}},
		"both reordered":                     {{"c", ask, nc}, {"s", 20, ns}, {"c", 0, ask}, {"s", 0, 20}},
		"octet by octet":                     slices.Concat(pieces("c", 0, ask, 1), pieces("s", 0, consent, 1), pieces("c", ask, nc, 1), pieces("s", consent, ns, 1)),
		"octet by octet, the client at once": slices.Concat(pieces("c", 0, nc, 1), pieces("s", 0, ns, 1)),
	} {
		log := readLines(t)
		w := newWire(t, meter.DefaultConfig())
		w.script(handshake[:len(handshake)-1])
		// What the client says before the consent is a line that has no end.
		w.say(c, s, list)
		w.close()
		f := w.flows()[0]
		if f.TLS == nil || f.TLS.SNI != "inner.example.com" || f.TLS.JA3S == "" || f.App != "rsync" {
			t.Errorf("%s: %s, TLS %+v; want both hellos, and the name of what it began as", name, f.App, f.TLS)
		}
		if got := w.m.Counters(); got.HeadsGivenUp != 0 || got.ReadersLost != 0 {
			t.Errorf("%s: %d heads given up, %d lost, log %q", name, got.HeadsGivenUp, got.ReadersLost, *log)
		}
	}
}

// TestAnewAgain: what changes to itself for ever is looked at a few times.
func TestAnewAgain(t *testing.T) {
	readLines(t)
	meter.SetReader(t, "git", func() dialog.Reader { return forever{} })
	for _, text := range []string{"001cgit-upload-pack /a\x00host=b", strings.Repeat("001cgit-upload-pack /a\x00host=b", 30)} {
		w := newWire(t, meter.DefaultConfig())
		w.script(handshake[:len(handshake)-1])
		w.say(text, "", []said{{"c", 0, len(text)}})
		w.close()
		if got := w.m.Counters().Readers; got != 7 {
			t.Errorf("%d readers, want 7", got)
		}
	}
}

// A forever takes nothing and wants it shown to another.
type forever struct{}

func (forever) Read(d *dialog.Dialog, _ dialog.End, _ []byte) int { d.Anew(); return 0 }
func (forever) Lost(*dialog.Dialog, dialog.End, int) bool         { return true }
func (forever) Close(*dialog.Dialog)                              {}

// TestReadingDatagrams shows each datagram by itself, with the link-layer
// addresses of its packet.
func TestReadingDatagrams(t *testing.T) {
	var got []string
	meter.SetReader(t, "tftp", func() dialog.Reader { return &datagrams{&got} })
	w := newWire(t, meter.DefaultConfig())
	for i, text := range []string{"\x00\x01boot\x00octet\x00", "second", "anew", "\x00\x01boot\x00octet\x00", "stop", "no more"} {
		p := udp("c", text)
		p.SrcMAC, p.DstMAC = packet.MAC{2, byte(i)}, packet.MAC{2, 255}
		w.send(p)
	}
	w.send(udp("s", "answer"))
	w.close()
	want := []string{
		"0 02:00:00:00:00:00 \x00\x01boot\x00octet\x00", "0 02:01:00:00:00:00 second", "0 02:02:00:00:00:00 anew", "close 02:02:00:00:00:00",
		"0 02:03:00:00:00:00 \x00\x01boot\x00octet\x00", "0 02:04:00:00:00:00 stop", "1 02:00:00:00:00:00 answer", "close 02:00:00:00:00:00",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

type datagrams struct{ log *[]string }

func (r *datagrams) Read(d *dialog.Dialog, from dialog.End, b []byte) int {
	*r.log = append(*r.log, fmt.Sprintf("%d %s %s", from, d.SrcMAC, b))
	switch string(b) {
	case "anew":
		d.Anew()
	case "stop":
		return dialog.Stop
	}
	return 0
}

func (r *datagrams) Lost(*dialog.Dialog, dialog.End, int) bool { return false }

func (r *datagrams) Close(d *dialog.Dialog) { *r.log = append(*r.log, "close "+d.SrcMAC) }

// TestMaxReaders: at the limit the conversation of which least was read makes
// way for the next.
func TestMaxReaders(t *testing.T) {
	log := readLines(t)
	config := meter.DefaultConfig()
	config.MaxReaders = 3
	w := newWire(t, config)
	line := func(port uint16, at int, text string) {
		if at == 0 {
			p := tcp("c", "S", 0, 0, "")
			p.SrcPort = port
			w.send(p)
		}
		p := tcp("c", "PA", uint32(1+at), 1, text)
		p.SrcPort = port
		w.send(p)
	}
	line(1, 0, hello)
	for i := range 5 {
		line(1, len(hello)+4*i, "one\n")
	}
	for i := range 10 {
		line(uint16(100+i), 0, hello)
		line(1, len(hello)+20+4*i, "one\n")
	}
	line(1, len(hello)+60, "two\n")
	w.close()
	got := w.m.Counters()
	if got.Readers != 11 || got.ReadersEvicted != 8 || got.ReadersRefused != 0 {
		t.Errorf("%d readers, %d evicted, %d refused; want 11, 8, 0", got.Readers, got.ReadersEvicted, got.ReadersRefused)
	}
	if !slices.Contains(*log, "c two") {
		t.Errorf("%q: the conversation that goes on was read no more", *log)
	}
	if n := strings.Count(strings.Join(*log, ","), "close"); n != 11 {
		t.Errorf("%d readers closed, want all 11", n)
	}

	config.MaxReaders = 0
	w = newWire(t, config)
	line(1, 0, hello)
	w.close()
	if got := w.m.Counters(); got.Readers != 0 || got.ReadersRefused != 1 || w.flows()[0].App != "rsync" {
		t.Errorf("without readers: %d, %d refused, %s; want 0, 1, rsync", got.Readers, got.ReadersRefused, w.flows()[0].App)
	}
}

// TestAnnounce tells the same of a device once an hour.
func TestAnnounce(t *testing.T) {
	readLines(t)
	w := newWire(t, meter.DefaultConfig())
	w.script(handshake[:len(handshake)-1])
	at := uint32(1)
	for _, text := range []string{hello, "say x\n", "say x\n", "say y\n", "say x\n"} {
		w.wait(4 * time.Minute)
		w.send(tcp("c", "PA", at, 1, text))
		at += uint32(len(text))
	}
	for range 14 {
		w.wait(4 * time.Minute)
		w.send(tcp("c", "PA", at, 1, "say x\n"))
		at += 6
	}
	w.close()
	var said []string
	for _, b := range w.batches {
		for _, a := range b.Announcements {
			said = append(said, a.Text)
		}
	}
	if want := []string{"x", "y", "x"}; !slices.Equal(said, want) {
		t.Errorf("announced %q, want %q", said, want)
	}
	if got := w.m.Counters(); got.Repeated != 15 || got.Transactions != 3 {
		t.Errorf("%d repeated, %d transactions; want 15, 3", got.Repeated, got.Transactions)
	}
}

// TestExpected: a connection that another one has agreed on has the name that
// was agreed, and is not looked into.
func TestExpected(t *testing.T) {
	meter.SetReader(t, "rsync", func() dialog.Reader { return agrees{} })
	w := newWire(t, meter.DefaultConfig())
	w.script(handshake[:len(handshake)-1])
	w.say(hello, "", []said{{"c", 0, len(hello)}})
	w.toPort = 2020
	w.script("c S 0 0; s SA 0 1; c A 1 1; c PA 1 1 SSH-2.0-x")
	w.toPort = 2021
	w.script("c S 0 0; s SA 0 1; c A 1 1")
	w.close()
	apps := map[uint16]string{}
	for _, f := range w.flows() {
		apps[f.DstPort] = f.App
	}
	if apps[2020] != "rsync-data" || apps[2021] != "" || apps[4444] != "rsync" {
		t.Errorf("%v, want rsync-data at 2020 alone", apps)
	}
	odd := w.oddities()
	if len(odd) != 1 || odd[0].Name != "rsync_odd" || odd[0].Detail != "very" || odd[0].Src.String() != "192.0.2.80" {
		t.Errorf("oddities %+v, want the server's", odd)
	}
}

// An agrees agrees on a connection at once, and finds the server odd.
type agrees struct{}

func (agrees) Read(d *dialog.Dialog, _ dialog.End, b []byte) int {
	d.ExpectFlow(dialog.Expected{From: d.Src, To: d.Dst, Port: 2020, App: "rsync-data"})
	d.TellOdd(dialog.Server, "rsync_odd", "very")
	return len(b)
}
func (agrees) Lost(*dialog.Dialog, dialog.End, int) bool { return true }
func (agrees) Close(*dialog.Dialog)                      {}

// clientHello returns a record with a ClientHello (RFC 8446, 4.1.2) for a name.
func clientHello(name string) []byte {
	sni := bytes16(bytes16(append([]byte{0}, bytes16([]byte(name))...)))
	versions := []byte{0, 43, 0, 3, 2, 3, 4}
	extensions := bytes16(slices.Concat([]byte{0, 0}, sni, versions))
	return tlsRecord(1, slices.Concat([]byte{3, 3}, make([]byte, 32), []byte{0, 0, 2, 0x13, 1, 1, 0}, extensions))
}

// serverHello returns a record with the answer (4.1.3).
func serverHello() []byte {
	extensions := bytes16([]byte{0, 43, 0, 2, 3, 4})
	return tlsRecord(2, slices.Concat([]byte{3, 3}, make([]byte, 32), []byte{0, 0x13, 1, 0}, extensions))
}

func tlsRecord(kind byte, body []byte) []byte {
	return slices.Concat([]byte{22, 3, 1}, bytes16(slices.Concat([]byte{kind, 0}, bytes16(body))))
}

// bytes16 puts the length of b before it.
func bytes16(b []byte) []byte { return append([]byte{byte(len(b) >> 8), byte(len(b))}, b...) }
