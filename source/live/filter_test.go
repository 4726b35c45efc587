package live

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/bpf"

	"github.com/weir-nta/weir/decode/packet"
)

// expressions are filters as people write them.
var expressions = []string{
	"ip", "ip6", "arp", "tcp", "udp", "icmp", "icmp6", "sctp", "igmp", "rarp", "stp", "ah or esp", "not ip", "! tcp",
	"host 10.0.0.1", "src host 10.0.0.1", "dst 10.0.0.2", "src or dst 10.0.0.1", "src and dst net 10", "ip host 10.0.0.1", "arp host 10.0.0.1",
	"host 2001:db8::1", "ip6 host 2001:db8::2", "dst host 2001:db8::1", "src net 2001:db8::/32", "net 2001:db8::/33",
	"net 10.0.0.0/8", "net 10", "net 10.0", "net 10.0.0.0 mask 255.255.255.254", "src net 192.168.0.0/16", "dst net 10.0.0.2/31", "net 0.0.0.0/0",
	"port 80", "src port 53", "dst port 443", "tcp port 80", "udp port 53", "tcp dst port 443", "sctp port 80", "port 53 or 80", "port http or https",
	"tcp port (80 or 443)", "dst port (53 or 80) and host 10.0.0.1", "portrange 50-100", "tcp src portrange 400-500", "not port 22", "udp portrange 53-53",
	"proto 17", "ip proto 6", `ip proto \tcp`, `ip6 proto \udp`, "ip6 proto 58", "ether proto 0x806", `ether proto \ip`, "ip proto 47",
	"ether host 02:00:00:00:00:01", "ether src 02:00:00:00:00:01", "ether dst host 02:00:00:00:00:02", "ether broadcast", "broadcast", "ether multicast", "multicast", "ip multicast", "ip6 multicast",
	"less 64", "greater 100", "len > 80", "len <= 60", "len - 14 = ip[2:2]",
	"tcp[tcpflags] & tcp-syn != 0", "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0 and not host 10.0.0.1", "tcp[13] == 2", "tcp[13]&0x12=0x12",
	"ip[8] < 5", "ip[0] & 0xf != 5", "ip[6:2] & 0x1fff != 0", "ip6[7] > 60", "udp[4:2] > 20", "icmp[icmptype] == icmp-echo", "icmp[0] != 8 and icmp[0] != 0", "icmp6[0] == 128",
	"tcp port 80 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)", "ether[0] & 1 != 0", "arp[6:2] = 1", "ip[2:2] % 2 = 1", "ip[(ip[0]&0xf)*4:2] = 80",
	"4 * 5 < len", "ip[8]*2+1 = 129", "(ip[8] = 64)", "((tcp))", "len & 1 | 2 = 3", "2 + 3 * 4 = 14", "10 - 3 - 2 = 5",
	"tcp or udp and port 80", "tcp and port 80 or udp and port 53", "not (tcp or udp)", "not tcp and not udp", "not host 10.0.0.1 and not net 192.168.0.0/16",
	"!(host 10.0.0.1 && port 80)", "src host 10.0.0.1 and dst port 80 or 443", "host 10.0.0.1 or 10.0.0.2", "tcp src port 80 or dst port 443",
	"(tcp[0:2] > 1023 and tcp[2:2] <= 1023) or udp",
	"port 1 or 2 or 3 or 4 or 5 or 6 or 7 or 8 or 9 or 10 or 11 or 12 or 13 or 14 or 15 or 16 or 17 or 18 or 19 or 20 or 53 or 80",
}

// TestFilterAgainstTcpdump compares what filters let in with what those do that
// tcpdump makes, on packets of all kinds. Packets with VLAN tags are not among
// them: see CompileFilter.
func TestFilterAgainstTcpdump(t *testing.T) {
	if _, err := exec.LookPath("tcpdump"); err != nil {
		t.Skip("no tcpdump to compare with")
	}
	packets := manyPacketsOf(4000)
	for _, expr := range expressions {
		want := tcpdumpProgram(t, expr)
		program, err := CompileFilter(expr, packet.LinkEthernet, maxSnapLen)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		ours, theirs := machine(t, program), machine(t, want)
		fit, wrong := 0, 0
		for _, b := range packets {
			got, want := accepts(t, ours, b), accepts(t, theirs, b)
			if want {
				fit++
			}
			if got != want {
				if wrong++; wrong == 1 {
					t.Errorf("filter %q: lets packet %x in: %v, tcpdump's %v", expr, b, got, want)
				}
			}
		}
		if wrong > 0 {
			t.Errorf("filter %q: wrong of %d packets, right ones %d", expr, wrong, fit)
		}
	}
}

func machine(t *testing.T, program []bpf.RawInstruction) *bpf.VM {
	t.Helper()
	code, ok := bpf.Disassemble(program)
	if !ok {
		t.Fatalf("not all of it is known: %v", code)
	}
	vm, err := bpf.NewVM(code)
	if err != nil {
		t.Fatal(err)
	}
	return vm
}

func accepts(t *testing.T, vm *bpf.VM, b []byte) bool {
	n, err := vm.Run(b)
	if err != nil {
		t.Fatal(err)
	}
	return n > 0
}

func tcpdumpProgram(t *testing.T, expr string) (program []bpf.RawInstruction) {
	t.Helper()
	out, err := exec.Command("tcpdump", "-y", "EN10MB", "-r", emptyCapture(t), "-ddd", expr).Output()
	if err != nil {
		t.Fatalf("tcpdump: %q: %v", expr, err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	for _, line := range lines[1:] {
		f := strings.Fields(line)
		var v [4]uint64
		for i := range v {
			if v[i], err = strconv.ParseUint(f[i], 10, 32); err != nil {
				t.Fatal(err)
			}
		}
		program = append(program, bpf.RawInstruction{Op: uint16(v[0]), Jt: uint8(v[1]), Jf: uint8(v[2]), K: uint32(v[3])})
	}
	return program
}

// emptyCapture returns the path of a capture of Ethernet without packets.
func emptyCapture(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "empty.pcap")
	header := []byte{0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0}
	if err := os.WriteFile(path, header, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// manyPacketsOf returns frames of few addresses and ports, so that filters fit
// some of them.
func manyPacketsOf(n int) (list [][]byte) {
	r := rand.New(rand.NewPCG(1, 2))
	for range n {
		list = append(list, randomFrame(r))
	}
	return list
}

func randomFrame(r *rand.Rand) []byte {
	macs := [][]byte{{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}, {255, 255, 255, 255, 255, 255}, {1, 0, 0x5e, 0, 0, 1}}
	b := append(append([]byte(nil), macs[r.IntN(4)]...), macs[r.IntN(2)]...)
	v4 := [][]byte{{10, 0, 0, 1}, {10, 0, 0, 2}, {10, 1, 0, 3}, {192, 168, 0, 1}, {224, 0, 0, 5}}
	v6 := [][]byte{{0x20, 1, 0xd, 0xb8, 15: 1}, {0x20, 1, 0xd, 0xb8, 15: 2}, {0x20, 1, 0xd, 0xb8, 0x80, 15: 1}, {0xff, 2, 15: 1}}
	protos := []byte{1, 2, 6, 6, 6, 17, 17, 47, 50, 51, 58, 132}
	switch r.IntN(10) {
	case 0:
		b = append(b, 8, 6, 0, 1, 8, 0, 6, 4, 0, byte(1+r.IntN(2)))
		b = append(append(b, macs[0]...), v4[r.IntN(4)]...)
		b = append(append(b, macs[1]...), v4[r.IntN(4)]...)
	case 1:
		b = append(b, 0, 38, 0x42, 0x42, 3, 0, 0, 0)
	case 2, 3, 4:
		b = append(b, 0x86, 0xdd, 0x60, 0, 0, 0)
		next := protos[r.IntN(len(protos))]
		body := transportOf(r, next)
		if r.IntN(8) == 0 {
			body = append([]byte{next, 0, 0, 0, 0, 0, 0, 1}, body...)
			next = 44
		}
		b = binary.BigEndian.AppendUint16(b, uint16(len(body)))
		b = append(b, next, byte(60+r.IntN(10)))
		b = append(append(append(b, v6[r.IntN(3)]...), v6[r.IntN(4)]...), body...)
	default:
		proto := protos[r.IntN(len(protos))]
		words := 5
		if r.IntN(4) == 0 {
			words += 1 + r.IntN(3)
		}
		body := transportOf(r, proto)
		b = append(b, 8, 0, 0x40|byte(words), 0)
		b = binary.BigEndian.AppendUint16(b, uint16(4*words+len(body)))
		b = append(b, 0, 1)
		b = binary.BigEndian.AppendUint16(b, []uint16{0, 0, 0, 0x4000, 0x2000, 0x2001, 0x0123}[r.IntN(7)])
		b = append(b, []byte{1, 4, 64, 64, 128}[r.IntN(5)], proto, 0, 0)
		b = append(append(b, v4[r.IntN(4)]...), v4[r.IntN(5)]...)
		b = append(append(b, make([]byte, 4*(words-5))...), body...)
	}
	// Where a cut packet ends within headers, what looks beyond refuses it, and
	// tcpdump's optimizer looks in an order of its own.
	if r.IntN(10) == 0 && len(b) > 90 {
		b = b[:80+r.IntN(len(b)-80)]
	}
	return b
}

func transportOf(r *rand.Rand, proto byte) (b []byte) {
	ports := []uint16{22, 53, 80, 443, 8080, 17, 50000, 100}
	switch proto {
	case 6:
		b = binary.BigEndian.AppendUint16(b, ports[r.IntN(len(ports))])
		b = binary.BigEndian.AppendUint16(b, ports[r.IntN(len(ports))])
		b = append(b, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, byte(r.IntN(64)), 1, 0, 0, 0, 0, 0)
	case 17, 132:
		b = binary.BigEndian.AppendUint16(b, ports[r.IntN(len(ports))])
		b = binary.BigEndian.AppendUint16(b, ports[r.IntN(len(ports))])
		b = binary.BigEndian.AppendUint16(b, uint16(8+r.IntN(40)))
		b = append(b, 0, 0)
	default:
		b = append(b, []byte{0, 8, 3, 128, 135}[r.IntN(5)], 0, 0, 0, 0, 0, 0, 0)
	}
	return append(b, make([]byte, r.IntN(60))...)
}

// TestFilterVLAN shows packets with tags that stand in their places: filters
// look behind them.
func TestFilterVLAN(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		frame := randomFrame(r)
		if len(frame) < 60 {
			continue
		}
		tagged := append(append(append([]byte(nil), frame[:12]...), 0x81, 0, 0x20, 10), frame[12:]...)
		twice := append(append(append([]byte(nil), frame[:12]...), 0x88, 0xa8, 0, 20), tagged[12:]...)
		for _, expr := range expressions {
			if strings.Contains(expr, "len") || strings.Contains(expr, "less") || strings.Contains(expr, "greater") || strings.Contains(expr, "stp") {
				continue // the tag counts
			}
			program, err := CompileFilter(expr, packet.LinkEthernet, maxSnapLen)
			if err != nil {
				t.Fatal(err)
			}
			vm := machine(t, program)
			if want := accepts(t, vm, frame); accepts(t, vm, tagged) != want || accepts(t, vm, twice) != want {
				t.Fatalf("filter %q: packet %x: %v, with one tag %v, with two %v", expr, frame, want, accepts(t, vm, tagged), accepts(t, vm, twice))
			}
		}
	}
}

// TestFilterRefused wants what is no filter to be refused in words.
func TestFilterRefused(t *testing.T) {
	for expr, want := range map[string]string{
		"tcp prt 80": `"prt"`, "((": "ends", "port": "ends where an address, a network, a port", "host example.org": "not looked up", "bogus": `"bogus" is not known`,
		"port 70000": "no port", "portrange 80": "no range", "net 10.0.0.1/8": "10.0.0.0/8", "net 10.0.0.0/40": "no length", "host 10.0.0.0/8": "net 10.0.0.0/8",
		"tcp host 10.0.0.1": "no addresses", "icmp port 80": "no ports", "ip proto 300": "no protocol", "ether host 10.0.0.1": "no address of Ethernet",
		"mpls": "not known", "gateway 10.0.0.1": "not known", "tcp[13": "where ] should", "tcp[13]": "compared", "tcp[13:3] = 1": "1, 2 or 4", "len > 5 / 0": "division",
		"host 10.0.0.1 port 80": "not expected", "and tcp": `"and"`, "tcp and": "ends", "host fe80::1%eth0": "not expected", "vlan 5000": "4095",
		"ip6 host 10.0.0.1": "IPv4", "ip host ::1": "IPv6", "ether": "ends", "tcp &": `"&" is not expected`, "ip broadcast": "cannot be told", "foo[1] = 2": "no bytes",
		strings.Repeat("(", 200) + "tcp": "parentheses", strings.Repeat("not ", 200) + "tcp": "parentheses", strings.Repeat("tcp or ", 4000) + "tcp": "too many",
		strings.Repeat("net 2001:db8:1:2::/64 or ", 300) + "tcp": "instructions",
	} {
		_, err := CompileFilter(expr, packet.LinkEthernet, maxSnapLen)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("filter %.60q: error %.200v, want one with %q", expr, err, want)
		}
	}
}

// TestFilterLong has jumps further than 255 instructions.
func TestFilterLong(t *testing.T) {
	var list []string
	for i := range 100 {
		list = append(list, "host 10.9.8."+strconv.Itoa(i))
	}
	program, err := CompileFilter("not ("+strings.Join(list, " or ")+")", packet.LinkEthernet, 100)
	if err != nil {
		t.Fatal(err)
	}
	vm := machine(t, program)
	for i := range 255 {
		frame := randomFrame(rand.New(rand.NewPCG(1, 0)))
		for seed := uint64(1); frame[12] != 8 || frame[13] != 0 || len(frame) < 40; seed++ {
			frame = randomFrame(rand.New(rand.NewPCG(seed, 0)))
		}
		copy(frame[30:], []byte{10, 9, 8, byte(i)})
		if got, want := accepts(t, vm, frame), i >= 100; got != want {
			t.Fatalf("to 10.9.8.%d: %v, want %v", i, got, want)
		}
	}
}

// FuzzFilter wants any text to be refused or to make a program that runs.
func FuzzFilter(f *testing.F) {
	for _, e := range expressions {
		f.Add(e)
	}
	r := rand.New(rand.NewPCG(5, 6))
	frames := [][]byte{randomFrame(r), randomFrame(r), {}, make([]byte, 14)}
	f.Fuzz(func(t *testing.T, expr string) {
		for _, link := range []packet.LinkType{packet.LinkEthernet, packet.LinkRaw} {
			program, err := CompileFilter(expr, link, maxSnapLen)
			if err != nil {
				continue
			}
			code, ok := bpf.Disassemble(program)
			if !ok {
				t.Fatalf("filter %q makes %v", expr, code)
			}
			vm, err := bpf.NewVM(code)
			if err != nil { // the machine here does not know all that the kernel gives
				if strings.Contains(err.Error(), "extension") {
					continue
				}
				t.Fatalf("filter %q: %v", expr, err)
			}
			for _, b := range frames {
				_, _ = vm.Run(b)
			}
		}
	})
}
