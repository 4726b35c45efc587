package main

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/weir-nta/weir/query"
)

// hostile is a label of a name that does what names may not: it begins as a
// formula does, turns the direction of writing, commands the terminal, ends
// lines, strings, cells and tags.
const hostile = "=HYPERLINK(\"a\",'b')|\x1b]0;own\x07\u202e\r\n\t\\|<b>`{{.}}` [x](y)"

// TestHostileNames sends hostile names through DNS, TLS and HTTP to every
// format, and wants nothing there that a terminal, a spreadsheet, a Markdown
// viewer or a parser would obey.
func TestHostileNames(t *testing.T) {
	file := filepath.Join(t.TempDir(), "hostile.pcap")
	writeHostile(t, file)
	kept := filepath.Join(t.TempDir(), "kept")
	weirOutput(t, "scan", "--store", kept, file)
	questions := [][]string{
		{"scan", "--min", "info", file},
		{"scan", "--min", "info", "--explain", file},
		{"query", "--store", kept, "from finding"},
		{"query", "--store", kept, "from dns | dedup query"},
		{"query", "--store", kept, "has tls.sni or has http.host | dedup dst.ip"},
		{"query", "--store", kept, "from dns | stats n = count(), names = values(query) by domain"},
	}
	for _, args := range questions {
		for format, check := range map[string]func(*testing.T, string){
			"table": plainText, "md": markdownTable, "csv": noFormula(','), "tsv": noFormula('\t'),
			"json": validJSON, "ndjson": validLines, "template={{.}}": plainText,
		} {
			name := strings.Join(append(args[:len(args):len(args)], format), " ")
			out := weirOutput(t, append(args[:len(args):len(args)], "-o", format, "--wide")...)
			if strings.Count(out, "HYPERLINK") == 0 && strings.Count(out, "hyperlink") == 0 {
				t.Errorf("%s: the hostile name is not there:\n%s", name, out)
			}
			t.Run(name, func(t *testing.T) { check(t, out) })
		}
	}
}

// TestHostileQuestions asks the questions of findings about hostile names, as
// the findings print them: each parses and has something to count.
func TestHostileQuestions(t *testing.T) {
	file := filepath.Join(t.TempDir(), "hostile.pcap")
	writeHostile(t, file)
	asked := map[string]bool{}
	for line := range strings.Lines(weirOutput(t, "scan", "--min", "info", "-o", "ndjson", file)) {
		var f struct{ Query, Detector string }
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatal(err)
		}
		if _, err := query.Parse(f.Query); err != nil {
			t.Errorf("the question of a finding does not parse: %v", err)
			continue
		}
		asked[f.Detector] = true
		if out := weirOutput(t, "query", "-o", "csv", "--no-header", "--columns", "n", "-r", file, f.Query); strings.TrimSpace(out) == "0" || out == "" {
			t.Errorf("%s\ngives %q, want what the finding counted", f.Query, out)
		}
	}
	if !asked["beacon"] {
		t.Errorf("findings of %v, want one of beacon at least", asked)
	}
}

// weirOutput runs a command and returns what it writes to stdout.
func weirOutput(t *testing.T, args ...string) string {
	t.Helper()
	var out, talk bytes.Buffer
	if code := run(append(args, "-q"), streams{strings.NewReader(""), &out, &talk}); code != exitOK {
		t.Fatalf("weir %q: exit code %d\n%s", args, code, &talk)
	}
	for _, r := range talk.String() {
		if obeyed(r) {
			t.Errorf("weir %q: %q on stderr:\n%q", args, r, &talk)
		}
	}
	return out.String()
}

func obeyed(r rune) bool {
	return r != '\n' && unicode.In(r, unicode.Cc, unicode.Cf) || r == 0x2028 || r == 0x2029 || r == unicode.ReplacementChar
}

func plainText(t *testing.T, out string) {
	for line := range strings.Lines(out) {
		if i := strings.IndexFunc(line, obeyed); i >= 0 {
			t.Errorf("%q at %d of %q", line[i:i+1], i, line)
		}
	}
}

func markdownTable(t *testing.T, out string) {
	plainText(t, out)
	cells := 0
	for line := range strings.Lines(out) {
		if !strings.HasPrefix(line, "|") {
			cells = 0
			continue
		}
		n := strings.Count(strings.ReplaceAll(line, `\|`, ""), "|")
		if strings.Contains(line, "<b>") || cells != 0 && n != cells {
			t.Errorf("markup, or not %d cells, in %s", cells, line)
		}
		cells = n
	}
}

func noFormula(comma rune) func(*testing.T, string) {
	return func(t *testing.T, out string) {
		plainText(t, strings.ReplaceAll(out, "\t", " "))
		r := csv.NewReader(strings.NewReader(out))
		r.Comma = comma
		rows, err := r.ReadAll() // refuses rows of another length than the first
		if err != nil || len(rows) < 2 {
			t.Fatalf("%d rows, %v", len(rows), err)
		}
		for _, cells := range rows {
			for _, c := range cells {
				if c != "" && strings.ContainsRune("=+-@\t\r", rune(c[0])) {
					t.Errorf("a spreadsheet calculates %q", c)
				}
			}
		}
	}
}

func validJSON(t *testing.T, out string) {
	if !json.Valid([]byte(out)) {
		t.Errorf("no JSON: %s", out)
	}
	plainText(t, out)
}

func validLines(t *testing.T, out string) {
	for line := range strings.Lines(out) {
		validJSON(t, line)
	}
}

// writeHostile writes a capture of hosts that use hostile names every minute
// for three hours: one asks for them, one says them to a web server, one in TLS.
func writeHostile(t *testing.T, file string) {
	t.Helper()
	out, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	b := bufio.NewWriter(out)
	h := &hostileCapture{t: t, w: pcapgo.NewWriter(b)}
	if err := h.w.WriteFileHeader(65536, layers.LinkTypeRaw); err != nil {
		t.Fatal(err)
	}
	begin := time.Date(2026, 11, 21, 1, 0, 0, 0, time.UTC)
	for i := range 180 {
		h.at, h.port = begin.Add(time.Duration(i)*time.Minute), uint16(40000+i)
		h.lookup("10.0.0.1", string(rune('a'+i%26))+hostile)
		h.stream("10.0.0.2", "198.51.100.2", 80, []byte("GET / HTTP/1.1\r\nHost: "+strings.ReplaceAll(hostile, "\r\n", "")+".example\r\n\r\n"))
		h.stream("10.0.0.3", "198.51.100.3", 443, clientHello(hostile+".example"))
	}
	if err := b.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

type hostileCapture struct {
	t    *testing.T
	w    *pcapgo.Writer
	at   time.Time
	port uint16
}

func (h *hostileCapture) packet(src, dst string, proto layers.IPProtocol, upper ...gopacket.SerializableLayer) {
	h.t.Helper()
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: proto, SrcIP: net.ParseIP(src), DstIP: net.ParseIP(dst)}
	for _, l := range upper {
		if s, ok := l.(interface {
			SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
		}); ok {
			if err := s.SetNetworkLayerForChecksum(ip); err != nil {
				h.t.Fatal(err)
			}
		}
	}
	buf := gopacket.NewSerializeBuffer()
	all := append([]gopacket.SerializableLayer{ip}, upper...)
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, all...); err != nil {
		h.t.Fatal(err)
	}
	h.at = h.at.Add(time.Millisecond)
	info := gopacket.CaptureInfo{Timestamp: h.at, CaptureLength: len(buf.Bytes()), Length: len(buf.Bytes())}
	if err := h.w.WritePacket(info, buf.Bytes()); err != nil {
		h.t.Fatal(err)
	}
}

// lookup asks for label below a domain that is hostile as well, in vain.
func (h *hostileCapture) lookup(src, label string) {
	name := []byte{byte(len(label))}
	name = append(append(name, label...), byte(len(hostile)))
	name = append(append(name, hostile...), "\x07example\x00"...)
	const resolver = "192.0.2.53"
	for _, flags := range []uint16{0x0100, 0x8183} {
		msg := append([]byte{0, 1, byte(flags >> 8), byte(flags), 0, 1, 0, 0, 0, 0, 0, 0}, name...)
		msg = append(msg, 0, 1, 0, 1)
		if flags == 0x0100 {
			h.packet(src, resolver, layers.IPProtocolUDP, &layers.UDP{SrcPort: layers.UDPPort(h.port), DstPort: 53}, gopacket.Payload(msg))
		} else {
			h.packet(resolver, src, layers.IPProtocolUDP, &layers.UDP{SrcPort: 53, DstPort: layers.UDPPort(h.port)}, gopacket.Payload(msg))
		}
	}
}

// stream is a connection in which the client says something and leaves.
func (h *hostileCapture) stream(src, dst string, port uint16, says []byte) {
	up := func(seq uint32, l layers.TCP, data []byte) {
		l.SrcPort, l.DstPort, l.Seq, l.Window = layers.TCPPort(h.port), layers.TCPPort(port), seq, 1000
		h.packet(src, dst, layers.IPProtocolTCP, &l, gopacket.Payload(data))
	}
	down := func(seq, ack uint32, l layers.TCP) {
		l.SrcPort, l.DstPort, l.Seq, l.Ack, l.ACK, l.Window = layers.TCPPort(port), layers.TCPPort(h.port), seq, ack, true, 1000
		h.packet(dst, src, layers.IPProtocolTCP, &l)
	}
	end := 1 + uint32(len(says))
	up(0, layers.TCP{SYN: true}, nil)
	down(0, 1, layers.TCP{SYN: true})
	up(1, layers.TCP{ACK: true, Ack: 1, PSH: true}, says)
	down(1, end, layers.TCP{})
	up(end, layers.TCP{ACK: true, Ack: 1, FIN: true}, nil)
	down(1, end+1, layers.TCP{FIN: true})
	up(end+1, layers.TCP{ACK: true, Ack: 2}, nil)
}

// clientHello returns a TLS record with a ClientHello for the name (RFC 5246,
// 7.4.1.2; RFC 6066, 3).
func clientHello(name string) []byte {
	block := func(bytes int, b []byte) []byte { // b behind its length
		n := len(b)
		head := []byte{byte(n >> 16), byte(n >> 8), byte(n)}
		return append(head[3-bytes:], b...)
	}
	sni := block(2, block(2, append([]byte{0}, block(2, []byte(name))...)))
	body := append([]byte{3, 3}, make([]byte, 32+1)...)  // version, random, no session
	body = append(body, block(2, []byte{0x13, 0x01})...) // ciphers
	body = append(body, 1, 0)                            // no compression
	body = append(body, block(2, append([]byte{0, 0}, sni...))...)
	return append([]byte{22, 3, 1}, block(2, append([]byte{1}, block(3, body)...))...)
}
