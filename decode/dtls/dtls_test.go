package dtls_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/app"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/decode/dialog/dialogtest"
	"github.com/weir-nta/weir/decode/dtls"
	"github.com/weir-nta/weir/internal/sharedtest"
	"github.com/weir-nta/weir/meter/metertest"
)

// record returns a record of the handshake in epoch 0.
func record(version uint16, number byte, messages ...string) string {
	body := strings.Join(messages, "")
	b := append([]byte{22}, byte(version>>8), byte(version), 0, 0, 0, 0, 0, 0, 0, number)
	return string(binary.BigEndian.AppendUint16(b, uint16(len(body)))) + body
}

// fragment returns octets lo to hi of a message.
func fragment(typ byte, number uint16, body string, lo, hi int) string {
	u24 := func(n int) string { return string([]byte{byte(n >> 16), byte(n >> 8), byte(n)}) }
	return string(typ) + u24(len(body)) + string([]byte{byte(number >> 8), byte(number)}) + u24(lo) + u24(hi-lo) + body[lo:hi]
}

func whole(typ byte, number uint16, body string) string {
	return fragment(typ, number, body, 0, len(body))
}

// clientBody and serverBody are hellos of DTLS 1.2.
func clientBody(cookie string) string {
	random := strings.Repeat("r", 32)
	name := "\x00\x00\x00\x10\x00\x0e\x00\x00\x0bexample.org"
	ext := name + "\x00\x0a\x00\x04\x00\x02\x00\x1d" + "\x00\x0d\x00\x04\x00\x02\x04\x03"
	return "\xfe\xfd" + random + "\x00" + string([]byte{byte(len(cookie))}) + cookie + "\x00\x04\xc0\x2b\xc0\x2f" + "\x01\x00" + string([]byte{0, byte(len(ext))}) + ext
}

var serverBody = "\xfe\xfd" + strings.Repeat("s", 32) + "\x00\xc0\x2b\x00"

const (
	v10 = 0xfeff
	v12 = 0xfefd
)

func up(s ...string) dialogtest.Turn {
	return dialogtest.Turn{From: dialog.Client, Data: strings.Join(s, "")}
}

func down(s ...string) dialogtest.Turn {
	return dialogtest.Turn{From: dialog.Server, Data: strings.Join(s, "")}
}

func TestRead(t *testing.T) {
	hello, again := clientBody(""), clientBody("cookie")
	n := len(hello)
	answer := record(v12, 1, whole(2, 1, serverBody), whole(14, 2, ""))
	for _, c := range []struct {
		name  string
		turns []dialogtest.Turn
	}{
		{"whole", []dialogtest.Turn{up(record(v10, 0, whole(1, 0, hello))), down(answer)}},
		{"with a cookie", []dialogtest.Turn{
			up(record(v10, 0, whole(1, 0, hello))), down(record(v10, 0, whole(3, 0, "\xfe\xff\x06cookie"))),
			up(record(v12, 1, whole(1, 1, again))), down(answer),
		}},
		{"in fragments, the last first", []dialogtest.Turn{
			up(record(v10, 0, fragment(1, 0, hello, 40, n))), up(record(v10, 1, fragment(1, 0, hello, 0, 30))),
			up(record(v10, 2, fragment(1, 0, hello, 20, 40))), down(answer),
		}},
		{"fragments of two messages", []dialogtest.Turn{
			up(record(v10, 0, fragment(1, 0, hello, 0, 30))), up(record(v10, 1, fragment(1, 1, again, 0, 30), fragment(1, 1, again, 30, len(again)))), down(answer),
		}},
		{"the client is who answered STUN", []dialogtest.Turn{
			up("\x00\x01\x00\x00\x21\x12\xa4\x42aaaaaaaaaaaa"), down(record(v10, 0, whole(1, 0, hello))), up(answer),
		}},
		{"a server in two records of a datagram", []dialogtest.Turn{
			up(record(v10, 0, whole(1, 0, hello))), down(record(v12, 0, fragment(2, 1, serverBody, 0, 10)), record(v12, 1, fragment(2, 1, serverBody, 10, len(serverBody)))),
		}},
	} {
		told := dialogtest.Datagrams(dtls.New(), c.turns...)
		h := told.TLS
		if h == nil || h.SNI != "example.org" || h.Version != "1.2" || h.Cipher != "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256" ||
			!strings.HasPrefix(h.JA4, "dd2d0203") || h.JA3 == "" || h.JA3S == "" {
			t.Errorf("%s: %+v", c.name, h)
		}
	}
}

// TestNotRead: what is encrypted or damaged tells nothing.
func TestNotRead(t *testing.T) {
	hello := clientBody("")
	encrypted := []byte(record(v12, 0, whole(1, 0, hello)))
	encrypted[4] = 1
	for _, in := range []string{
		string(encrypted),
		record(v12, 0, fragment(1, 0, hello, 0, 20)),
		record(v12, 0, whole(1, 0, hello))[:60],
		record(v12, 0, whole(1, 0, hello[:50])),
		record(v12, 0, "\x01\x00\x00\x10\x00\x00\x00\x00\x0f\x00\x00\x10aaaaaaaaaaaaaaaa"),
	} {
		if told := dialogtest.Datagrams(dtls.New(), up(in)); told.TLS != nil {
			t.Errorf("%q: %+v", in, told.TLS)
		}
	}
}

// TestBounds: after 64 datagrams nobody listens any more.
func TestBounds(t *testing.T) {
	r := dtls.New()
	var d dialog.Dialog
	var b weir.Batch
	n := 0
	for ; n < 1000; n++ {
		d.Reset(dialogtest.Base, &b, nil)
		if r.Read(&d, dialog.Client, []byte(record(v12, byte(n), fragment(1, uint16(n), clientBody(""), 0, 20)))) == dialog.Stop {
			break
		}
	}
	if n != 64 {
		t.Errorf("%d datagrams read, want 64", n)
	}
}

func FuzzRead(f *testing.F) {
	hello := clientBody("")
	dialogtest.Fuzz(f, func() dialog.Reader { return dtls.New() },
		[]dialogtest.Turn{up(record(v10, 0, fragment(1, 0, hello, 0, 40))), up(record(v10, 0, fragment(1, 0, hello, 40, len(hello)))), down(record(v12, 1, whole(2, 1, serverBody), whole(14, 2, "")))},
	)
}

func BenchmarkRead(b *testing.B) {
	first, second := []byte(record(v10, 0, whole(1, 0, clientBody("")))), []byte(record(v12, 1, whole(2, 1, serverBody), whole(14, 2, "")))
	var d dialog.Dialog
	var batch weir.Batch
	b.ReportAllocs()
	for b.Loop() {
		d.Reset(dialogtest.Base, &batch, nil)
		r := dtls.New()
		r.Read(&d, dialog.Client, first)
		r.Read(&d, dialog.Server, second)
	}
}

// shakes reads the conversations of a capture that have DTLS in them. Who says
// the first hello is the client here.
func shakes(t testing.TB, file string) map[[2]netip.AddrPort]*weir.TLS {
	t.Helper()
	all := map[[2]netip.AddrPort]*weir.TLS{}
	for _, c := range sharedtest.Conversations(t, file) {
		var turns []dialogtest.Turn
		found := false
		for i, b := range c.Datagrams {
			from := dialog.Server
			if c.FromSrc[i] {
				from = dialog.Client
			}
			turns = append(turns, dialogtest.Turn{From: from, Data: string(b)})
			found = found || app.Recognise(weir.UDP, b, nil) == "dtls"
		}
		if !found {
			continue
		}
		h := dialogtest.Datagrams(dtls.New(), turns...).TLS
		if h == nil {
			h = &weir.TLS{}
		}
		all[[2]netip.AddrPort{c.Src, c.Dst}], all[[2]netip.AddrPort{c.Dst, c.Src}] = h, h
	}
	return all
}

type tally map[string]*struct{ equal, total int }

func (y tally) compare(t *testing.T, where, field, got, want string) {
	t.Helper()
	if want == "" || want == "-" {
		return
	}
	if y[field] == nil {
		y[field] = new(struct{ equal, total int })
	}
	y[field].total++
	if got == want {
		y[field].equal++
	} else {
		t.Errorf("%s: %s = %q, want %q", where, field, got, want)
	}
}

func (y tally) require(t *testing.T, counts map[string]int) {
	t.Helper()
	for field, n := range counts {
		if y[field] == nil || y[field].total < n {
			t.Errorf("%s: less than %d compared", field, n)
			continue
		}
		t.Logf("%s: %d of %d equal", field, y[field].equal, y[field].total)
	}
}

// TestZeek compares with what Zeek says of WebRTC.
func TestZeek(t *testing.T) {
	got := shakes(t, sharedtest.Path(t, "conformance/zeek/testing/btest/Traces/tls/webrtc-stun.pcap"))
	h := got[[2]netip.AddrPort{netip.MustParseAddrPort("192.168.6.82:51462"), netip.MustParseAddrPort("74.201.205.9:43044")}]
	if h == nil {
		t.Fatal("not found")
	}
	b, err := os.ReadFile(sharedtest.Path(t, "conformance/zeek/testing/btest/Baseline/scripts.base.protocols.ssl.dtls-stun-dpd/ssl.log"))
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for line := range strings.Lines(string(b)) {
		if !strings.HasPrefix(line, "#") {
			want = strings.Split(line, "\t")
		}
	}
	if len(want) < 19 || want[6] != "DTLSv10" || h.Version != "1.1" { // DTLS 1.0 is TLS 1.1
		t.Fatalf("version %q of %q", h.Version, want)
	}
	y := tally{}
	y.compare(t, "webrtc", "cipher", h.Cipher, want[7])
	y.compare(t, "webrtc", "sha256", h.SHA256, want[15])
	y.compare(t, "webrtc", "subject", h.Subject, want[17])
	y.compare(t, "webrtc", "issuer", h.Issuer, want[18])
	y.require(t, map[string]int{"cipher": 1, "sha256": 1, "subject": 1, "issuer": 1})
}

// TestMeter: the meter tells of the same beside STUN.
func TestMeter(t *testing.T) {
	b := metertest.Records(t, sharedtest.Path(t, "conformance/zeek/testing/btest/Traces/tls/webrtc-stun.pcap"))
	if len(b.Flows) != 1 || b.Flows[0].App != "stun" || b.Flows[0].TLS == nil || b.Flows[0].TLS.Subject != "CN=a" || b.Flows[0].TLS.JA4 == "" {
		t.Errorf("%+v", b.Flows)
	}
}

// TestArkime compares with what Arkime says of its own captures.
func TestArkime(t *testing.T) {
	y := tally{}
	files, err := filepath.Glob(filepath.Join(sharedtest.Path(t, "conformance/arkime"), "tests/pcap/*.test"))
	if err != nil || len(files) == 0 {
		t.Fatal(err, len(files))
	}
	for _, file := range files {
		var golden struct {
			Sessions []struct {
				Body struct {
					Protocol            []string
					Source, Destination struct {
						IP   netip.Addr
						Port uint16
					}
					TLS struct{ JA4 []string }
				}
			} `json:"sessions3"`
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if json.Unmarshal(b, &golden) != nil {
			continue // not of this form
		}
		for _, s := range golden.Sessions {
			if b := s.Body; slices.Contains(b.Protocol, "dtls") && len(b.TLS.JA4) > 0 {
				h := shakes(t, strings.TrimSuffix(file, ".test")+".pcap")[[2]netip.AddrPort{
					netip.AddrPortFrom(b.Source.IP, b.Source.Port), netip.AddrPortFrom(b.Destination.IP, b.Destination.Port)}]
				if h == nil {
					h = &weir.TLS{}
				}
				y.compare(t, filepath.Base(file), "ja4", h.JA4, b.TLS.JA4[0])
			}
		}
	}
	y.require(t, map[string]int{"ja4": 3})
}

// TestTshark compares with what tshark says of every capture with DTLS in it.
func TestTshark(t *testing.T) {
	if testing.Short() {
		t.Skip("runs tshark")
	}
	if _, err := exec.LookPath("tshark"); err != nil {
		t.Skip("needs tshark")
	}
	y := tally{}
	for _, folder := range []string{"conformance", "corpus"} {
		for _, file := range sharedtest.Captures(t, folder) {
			got := shakes(t, file)
			if len(got) == 0 {
				continue
			}
			args := []string{"-n", "-r", file, "-Y", "dtls.handshake.type==1 || dtls.handshake.type==2", "-T", "fields"}
			for _, f := range []string{"ip.src", "ip.dst", "udp.srcport", "udp.dstport", "dtls.handshake.type", "dtls.handshake.ja3", "dtls.handshake.ja3s"} {
				args = append(args, "-e", f)
			}
			out, _ := exec.Command("tshark", args...).Output()
			for line := range strings.Lines(string(out)) {
				f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
				if len(f) < 7 || f[0] == "" {
					continue
				}
				src, err1 := netip.ParseAddrPort(f[0] + ":" + f[2])
				dst, err2 := netip.ParseAddrPort(f[1] + ":" + f[3])
				if err1 != nil || err2 != nil {
					continue // in a tunnel
				}
				h := got[[2]netip.AddrPort{src, dst}]
				if h == nil {
					h = &weir.TLS{}
				}
				where := fmt.Sprintf("%s %v > %v", filepath.Base(file), src, dst)
				y.compare(t, where, "ja3", h.JA3, f[5])
				y.compare(t, where, "ja3s", h.JA3S, f[6])
			}
		}
	}
	y.require(t, map[string]int{"ja3": 1, "ja3s": 1})
}
