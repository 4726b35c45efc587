package quic_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/app"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/decode/dialog/dialogtest"
	"github.com/weir-nta/weir/decode/quic"
	"github.com/weir-nta/weir/internal/sharedtest"
	"github.com/weir-nta/weir/meter/metertest"
)

// A shake is a conversation of QUIC in a capture.
type shake struct {
	from, to netip.AddrPort
	tls      weir.TLS
}

// shakes reads the conversations of a capture that are recognised as QUIC.
func shakes(t testing.TB, file string) (out []shake) {
	t.Helper()
	for _, c := range sharedtest.Conversations(t, file) {
		turns := quicTurns(c)
		if turns == nil {
			continue
		}
		s := shake{from: c.Src, to: c.Dst}
		if turns[0].From == dialog.Server {
			s.from, s.to = s.to, s.from
		}
		if told := dialogtest.Datagrams(quic.New(), turns...); told.TLS != nil {
			s.tls = *told.TLS
		}
		out = append(out, s)
	}
	return out
}

// quicTurns returns a conversation from where it is recognised.
func quicTurns(c *sharedtest.Conversation) (turns []dialogtest.Turn) {
	known := false
	for i, b := range c.Datagrams {
		up, client, server := c.FromSrc[i], []byte(nil), []byte(nil)
		if up {
			client = b
		} else {
			server = b
		}
		if known = known || app.Recognise(weir.UDP, client, server) == "quic"; !known {
			continue
		}
		from := dialog.Server
		if up {
			from = dialog.Client
		}
		turns = append(turns, dialogtest.Turn{From: from, Data: string(b)})
	}
	return turns
}

// A tally counts per field how many values equal the golden one.
type tally map[string]*struct{ equal, explained, total int }

// A differing is a difference that has a reason. What it leaves empty fits all.
type differing struct{ where, field, why string }

func (y tally) compare(t *testing.T, reasons []differing, where, field, got, want string) {
	t.Helper()
	if want == "" || want == "-" || want == "(empty)" {
		return
	}
	if y[field] == nil {
		y[field] = new(struct{ equal, explained, total int })
	}
	y[field].total++
	if got == want {
		y[field].equal++
		return
	}
	for _, d := range reasons {
		if strings.Contains(where, d.where) && (d.field == "" || d.field == field) {
			y[field].explained++
			t.Logf("%s: %s = %q, want %q: %s", where, field, got, want, d.why)
			return
		}
	}
	t.Errorf("%s: %s = %q, want %q", where, field, got, want)
}

// require fails if fewer values than before were equal.
func (y tally) require(t *testing.T, field string, equal int) {
	t.Helper()
	got := y[field]
	if got == nil {
		t.Errorf("%s: nothing compared", field)
		return
	}
	t.Logf("%s: %d of %d equal, %d differ for a reason", field, got.equal, got.total, got.explained)
	if got.equal < equal {
		t.Errorf("%s: %d equal, want %d or more", field, got.equal, equal)
	}
}

// find takes a conversation out of the list.
func find(list *[]shake, from, to netip.AddrPort) *weir.TLS {
	i := slices.IndexFunc(*list, func(s shake) bool { return s.from == from && s.to == to })
	if i < 0 {
		return &weir.TLS{}
	}
	s := (*list)[i]
	*list = slices.Delete(slices.Clone(*list), i, i+1)
	return &s.tls
}

func glob(t *testing.T, folder, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(sharedtest.Path(t, folder), pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s/%s: %v, %d files", folder, pattern, err, len(files))
	}
	return files
}

func text(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

// TestJA4 compares with the snapshots of FoxIO's implementation in Rust.
func TestJA4(t *testing.T) {
	y := tally{}
	for _, snapshot := range glob(t, "conformance/ja4", "rust/ja4/src/snapshots/*.snap") {
		b, err := os.ReadFile(snapshot)
		if err != nil {
			t.Fatal(err)
		}
		_, body, _ := bytes.Cut(b[3:], []byte("\n---\n"))
		var rows []map[string]any
		if err := yaml.Unmarshal(body, &rows); err != nil {
			t.Fatalf("%s: %v", snapshot, err)
		}
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(snapshot), "ja4__insta@"), ".snap")
		var got []shake
		read := false
		for _, row := range rows {
			if !strings.HasPrefix(text(row["ja4"]), "q") {
				continue
			}
			if !read {
				got, read = shakes(t, filepath.Join(sharedtest.Path(t, "conformance/ja4/pcap"), name)), true
			}
			from := netip.AddrPortFrom(netip.MustParseAddr(text(row["src"])), uint16(row["src_port"].(int)))
			to := netip.AddrPortFrom(netip.MustParseAddr(text(row["dst"])), uint16(row["dst_port"].(int)))
			mine := find(&got, from, to)
			where := fmt.Sprintf("%s %v > %v", name, from, to)
			y.compare(t, nil, where, "ja4", mine.JA4, text(row["ja4"]))
			y.compare(t, nil, where, "sni", mine.SNI, text(row["tls_server_name"]))
		}
	}
	y.require(t, "ja4", 48)
	y.require(t, "sni", 48)
}

// TestMeter: what the meter tells of the flows of a capture is the same.
func TestMeter(t *testing.T) {
	file := filepath.Join(sharedtest.Path(t, "conformance/ja4/pcap"), "tls-handshake.pcapng")
	got := map[[2]netip.AddrPort]*weir.Flow{}
	flows := metertest.Records(t, file).Flows
	for i := range flows {
		f := &flows[i]
		got[[2]netip.AddrPort{netip.AddrPortFrom(f.Src, f.SrcPort), netip.AddrPortFrom(f.Dst, f.DstPort)}] = f
	}
	for _, s := range shakes(t, file) {
		f := got[[2]netip.AddrPort{s.from, s.to}]
		if f == nil || f.App != "quic" || f.TLS == nil || *f.TLS != s.tls || f.TLS.JA4 == "" {
			t.Errorf("%v > %v: %+v, want %+v", s.from, s.to, f, s.tls)
		}
	}
}

// TestZeek compares with quic.log and ssl.log of Zeek's own tests.
func TestZeek(t *testing.T) {
	traces := map[string]string{
		"39264-rand": "quic-39264-rand.pcap", "chromium": "chromium-115.0.5790.110-api-cirrus-com.pcap",
		"curl-http3": "curl-8.1.2-dev-http3-www-google-de.pcap", "firefox": "firefox-102.13.0esr-blog-cloudflare-com.pcap",
		"dpd-v2-custom-port": "quicv2-echo-dpd-custom-port-4433.pcap", "quicv2-echo-443": "quicv2-echo-443.pcap",
		"quicv2-http3-443": "quicv2-http3-443.pcap", "interop.quic-go_quic-go.retry": "interop/quic-go_quic-go/retry.pcap",
		"vector-max-size-crash": "vector-max-size-crash.pcap",
	}
	reasons := []differing{
		{"vector-max-size-crash", "", "a version that nobody has: not QUIC to Weir"},
	}
	names := map[string]string{"1": "1", "2": "quicv2"}
	y := tally{}
	for test, trace := range traces {
		all := shakes(t, filepath.Join(sharedtest.Path(t, "conformance/zeek/testing/btest/Traces/quic"), trace))
		folder := filepath.Join(sharedtest.Path(t, "conformance/zeek/testing/btest/Baseline"), "scripts.base.protocols.quic."+test)
		rows := zeekLog(filepath.Join(folder, "quic.log"))
		if len(rows) == 0 {
			t.Errorf("%s: no rows", test)
		}
		for _, row := range rows {
			got := slices.Clone(all) // with a Retry Zeek tells the connection twice
			from, to := endpoint(row["id.orig_h"], row["id.orig_p"]), endpoint(row["id.resp_h"], row["id.resp_p"])
			mine := find(&got, from, to)
			y.compare(t, reasons, test, "version", names[mine.QUIC], row["version"])
			y.compare(t, reasons, test, "sni", mine.SNI, row["server_name"])
			y.compare(t, reasons, test, "alpn", mine.ALPN, row["client_protocol"])
		}
		for _, row := range zeekLog(filepath.Join(folder, "ssl.log")) {
			got := slices.Clone(all)
			mine := find(&got, endpoint(row["id.orig_h"], row["id.orig_p"]), endpoint(row["id.resp_h"], row["id.resp_p"]))
			y.compare(t, reasons, test, "tls.version", "TLSv"+strings.ReplaceAll(mine.Version, ".", ""), row["version"])
			y.compare(t, reasons, test, "cipher", mine.Cipher, row["cipher"])
			y.compare(t, reasons, test, "tls.sni", mine.SNI, row["server_name"])
		}
	}
	for field, equal := range map[string]int{"version": 9, "sni": 8, "alpn": 9, "tls.version": 7, "cipher": 7, "tls.sni": 6} {
		y.require(t, field, equal)
	}
}

func zeekLog(file string) (rows []map[string]string) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	var fields []string
	for line := range strings.Lines(string(b)) {
		cells := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		switch {
		case cells[0] == "#fields":
			fields = cells[1:]
		case len(fields) == 0 && cells[0] == "ts":
			fields = cells
		case !strings.HasPrefix(line, "#") && len(cells) == len(fields):
			row := map[string]string{}
			for i, f := range fields {
				row[f] = cells[i]
			}
			rows = append(rows, row)
		}
	}
	return rows
}

func endpoint(addr, port string) netip.AddrPort {
	p, _ := strconv.ParseUint(port, 10, 16)
	a, _ := netip.ParseAddr(addr)
	return netip.AddrPortFrom(a, uint16(p))
}

// TestArkime compares with what Arkime says of its own captures.
func TestArkime(t *testing.T) {
	y := tally{}
	for _, file := range glob(t, "conformance/arkime", "tests/pcap/*.test") {
		var golden struct {
			Sessions []struct {
				Body struct {
					Protocol            []string
					Source, Destination struct {
						IP   string
						Port uint16
					}
					QUIC map[string]json.RawMessage
					TLS  map[string]json.RawMessage
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
		var got []shake
		read := false
		for _, s := range golden.Sessions {
			b := s.Body
			if !slices.Contains(b.Protocol, "quic") || !slices.Contains(b.Protocol, "udp") {
				continue
			}
			if !read {
				got, read = shakes(t, strings.TrimSuffix(file, ".test")+".pcap"), true
			}
			from := netip.AddrPortFrom(netip.MustParseAddr(b.Source.IP), b.Source.Port)
			to := netip.AddrPortFrom(netip.MustParseAddr(b.Destination.IP), b.Destination.Port)
			mine := find(&got, from, to)
			where := fmt.Sprintf("%s %v", filepath.Base(file), from)
			y.compare(t, nil, where, "sni", mine.SNI, only(b.QUIC["host"]))
			y.compare(t, nil, where, "version", mine.QUIC, only(b.QUIC["version"]))
			y.compare(t, nil, where, "ja3", mine.JA3, only(b.TLS["ja3"]))
			y.compare(t, nil, where, "ja4", mine.JA4, only(b.TLS["ja4"]))
		}
	}
	for field, equal := range map[string]int{"sni": 4, "version": 4, "ja3": 3, "ja4": 3} {
		y.require(t, field, equal)
	}
}

func only(raw json.RawMessage) string {
	var list []string
	if json.Unmarshal(raw, &list) != nil || len(list) == 0 {
		return ""
	}
	return list[0]
}

// TestSuricata compares with what Suricata 7.0.10 says of Arkime's captures.
func TestSuricata(t *testing.T) {
	reasons := []differing{
		{"quic34", "version", "writes it as a number"},
		{"arkime_synthetic.pcap 10.", "version", "octets of zero behind a header: no Initial packet, so no handshake to tell of"},
	}
	root := sharedtest.Path(t, "conformance/eve-samples")
	y := tally{}
	for _, file := range glob(t, "conformance/eve-samples", "arkime-*.eve.json") {
		name := strings.TrimPrefix(strings.TrimSuffix(filepath.Base(file), ".eve.json"), "arkime-")
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var got []shake
		lines := bufio.NewScanner(bytes.NewReader(b))
		lines.Buffer(nil, 1<<22)
		for lines.Scan() {
			var e struct {
				EventType string     `json:"event_type"`
				SrcIP     netip.Addr `json:"src_ip"`
				DestIP    netip.Addr `json:"dest_ip"`
				SrcPort   uint16     `json:"src_port"`
				DestPort  uint16     `json:"dest_port"`
				QUIC      struct {
					Version, SNI string
					JA3          struct{ Hash string }
				}
			}
			if json.Unmarshal(lines.Bytes(), &e) != nil || e.EventType != "quic" {
				continue
			}
			if got == nil {
				got = shakes(t, filepath.Join(root, "../arkime/tests/pcap", name))
			}
			list := slices.Clone(got) // Suricata has an event for each Initial packet
			mine := find(&list, netip.AddrPortFrom(e.SrcIP, e.SrcPort), netip.AddrPortFrom(e.DestIP, e.DestPort))
			where := fmt.Sprintf("%s %v:%d", name, e.SrcIP, e.SrcPort)
			y.compare(t, reasons, where, "version", mine.QUIC, e.QUIC.Version)
			y.compare(t, reasons, where, "sni", mine.SNI, e.QUIC.SNI)
			y.compare(t, reasons, where, "ja3", mine.JA3, e.QUIC.JA3.Hash)
		}
	}
	for field, equal := range map[string]int{"version": 7, "sni": 4, "ja3": 3} {
		y.require(t, field, equal)
	}
}

// TestTshark compares with what tshark says of every capture with QUIC in it.
func TestTshark(t *testing.T) {
	if testing.Short() {
		t.Skip("runs tshark on 30 captures")
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
			for pair, want := range tsharkQUIC(t, file) {
				mine := find(&got, pair[0], pair[1])
				where := fmt.Sprintf("%s %v > %v", filepath.Base(file), pair[0], pair[1])
				y.compare(t, nil, where, "sni", mine.SNI, want.SNI)
				y.compare(t, nil, where, "ja3", mine.JA3, want.JA3)
				y.compare(t, nil, where, "ja3s", mine.JA3S, want.JA3S)
			}
		}
	}
	for field, equal := range map[string]int{"sni": 93, "ja3": 78, "ja3s": 43} {
		y.require(t, field, equal)
	}
}

// tsharkQUIC returns what tshark says of the hellos by client and server.
func tsharkQUIC(t *testing.T, file string) map[[2]netip.AddrPort]*weir.TLS {
	t.Helper()
	args := []string{"-n", "-r", file, "-Y", "tls.handshake.type==1 || tls.handshake.type==2 || gquic.tag.sni", "-T", "fields"}
	for _, f := range []string{"ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "udp.srcport", "udp.dstport", "tls.handshake.type",
		"tls.handshake.extensions_server_name", "tls.handshake.ja3", "tls.handshake.ja3s", "gquic.tag.sni"} {
		args = append(args, "-e", f)
	}
	out, err := exec.Command("tshark", args...).Output()
	if err != nil {
		t.Logf("%s: tshark: %v", file, err) // a capture that is cut: what it said counts
	}
	all := map[[2]netip.AddrPort]*weir.TLS{}
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		last := func(s string) string { return s[strings.LastIndexByte(s, ',')+1:] }
		if len(f) < 11 || f[4] == "" {
			continue
		}
		from, to := endpoint(last(f[0]+f[2]), last(f[4])), endpoint(last(f[1]+f[3]), last(f[5]))
		server := strings.HasPrefix(f[6], "2")
		if server {
			from, to = to, from
		}
		pair := [2]netip.AddrPort{from, to}
		if all[pair] == nil {
			all[pair] = &weir.TLS{}
		}
		w := all[pair]
		if server {
			w.JA3S = f[9]
			continue
		}
		if w.SNI == "" {
			w.SNI = strings.ToLower(f[7] + f[10])
		}
		if w.JA3 == "" {
			w.JA3 = f[8]
		}
	}
	return all
}
