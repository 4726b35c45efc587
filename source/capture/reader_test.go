package capture

import (
	"bytes"
	"encoding/binary"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/weir-nta/weir/internal/sharedtest"
)

var little = ng{binary.LittleEndian}

// readAll reads a capture and writes each packet as "time link wire:data".
func readAll(in io.Reader) (got []string, r *Reader, err error) {
	r, err = Open(in)
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	for {
		rec, err := r.Next()
		if err == io.EOF {
			return got, r, nil
		}
		if err != nil {
			return got, r, err
		}
		got = append(got, fmt.Sprintf("%d.%09d %v/%d %d:%s", rec.TS/1e9, rec.TS%1e9, rec.Link, rec.Interface, rec.WireLen, rec.Data))
	}
}

func TestReadPcap(t *testing.T) {
	packets := []testPacket{{1700000000, 5, "abc", 0}, {0, 0, "", 0}, {math.MaxUint32, 999999, "defgh", 1500}}
	for name, o := range orders {
		for _, c := range []struct {
			magic uint32
			want  []string
		}{
			{pcapMicro, []string{"1700000000.000005000 Ethernet/0 3:abc", "0.000000000 Ethernet/0 0:", "4294967295.999999000 Ethernet/0 1500:defgh"}},
			{pcapNano, []string{"1700000000.000000005 Ethernet/0 3:abc", "0.000000000 Ethernet/0 0:", "4294967295.000999999 Ethernet/0 1500:defgh"}},
			{pcapModified, []string{"1700000000.000005000 Ethernet/0 3:abc", "0.000000000 Ethernet/0 0:", "4294967295.999999000 Ethernet/0 1500:defgh"}},
		} {
			// The upper bits of the link type say that frames end in a checksum.
			file := pcap(o, c.magic, 1|0x54000000, packets...)
			got, r, err := readAll(bytes.NewReader(file))
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("%s, magic %x: error %v\n got %q\nwant %q", name, c.magic, err, got, c.want)
				continue
			}
			if r.Packets() != 3 || r.Offset() != int64(len(file)) || r.Stats() != (Stats{Interfaces: 1}) {
				t.Errorf("%s, magic %x: %d packets to %d, %+v; want 3 to %d", name, c.magic, r.Packets(), r.Offset(), r.Stats(), len(file))
			}
		}
	}
}

func TestReadPcapng(t *testing.T) {
	for name, o := range orders {
		w := ng{o}
		unknown := w.block(0xbad, []byte("whatever"))
		file := slices.Concat(
			w.section(), unknown,
			w.face(1, 0),
			w.face(113, 2, w.resolution(9), w.offset(1700000000)),
			w.block(4, []byte("names")), w.block(5, []byte("statistics")), // passed over
			w.enhanced(0, 1700000000_000005, testPacket{data: "abc"}),
			w.enhanced(1, 7, testPacket{data: "de", wire: 1500}),
			w.obsolete(1, 8, testPacket{data: "f"}),
			w.simple(testPacket{data: "ghi"}),
			w.enhanced(9, 0, testPacket{data: "of an interface that does not exist"}),
			w.section(),
			w.face(101, 0, w.resolution(0x80|10)),
			w.enhanced(0, 3<<10|512, testPacket{data: "jkl"}),
		)
		if name == "little endian" { // a section may change the byte order
			b := ng{binary.BigEndian}
			file = slices.Concat(file, b.section(), b.face(12, 0), b.enhanced(0, 1, testPacket{data: "m"}))
		} else {
			b := ng{binary.LittleEndian}
			file = slices.Concat(file, b.section(), b.face(12, 0), b.enhanced(0, 1, testPacket{data: "m"}))
		}
		want := []string{
			"1700000000.000005000 Ethernet/0 3:abc",
			"1700000000.000000007 Linux cooked/1 1500:de",
			"1700000000.000000008 Linux cooked/1 1:f",
			"1700000000.000000008 Ethernet/0 3:ghi",
			"3.500000000 raw IP/2 3:jkl",
			"0.000001000 raw IP/3 1:m",
		}
		got, r, err := readAll(bytes.NewReader(file))
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: error %v\n got %q\nwant %q", name, err, got, want)
			continue
		}
		if want := (Stats{Interfaces: 4, Untimed: 1, Unplaced: 1}); r.Stats() != want || r.Offset() != int64(len(file)) {
			t.Errorf("%s: %+v to %d, want %+v to %d", name, r.Stats(), r.Offset(), want, len(file))
		}
	}
}

func TestReadSimplePacketSnaplen(t *testing.T) {
	file := slices.Concat(little.section(), little.face(1, 2), little.block(blockSimple, append(little.AppendUint32(nil, 900), "abcd"...)))
	got, _, err := readAll(bytes.NewReader(file))
	if want := []string{"0.000000000 Ethernet/0 900:ab"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, error %v; want %q", got, err, want)
	}
}

func TestClock(t *testing.T) {
	const no = math.MinInt64
	for _, c := range []struct {
		resolution byte
		offset     int64
		stamp      uint64
		want       int64
	}{
		{6, 0, 1_500_000, 1_500_000_000},
		{9, 0, 1_500_000, 1_500_000},
		{0, 0, 3, 3e9},
		{3, 0, 3, 3e6},
		{12, 0, 5999, 5},
		{19, 0, 2e10, 2},
		{127, 0, math.MaxUint64, 1}, // what is finer than ten billionths of a nanosecond is not told apart
		{6, 100, 1, 100_000_001_000},
		{6, -100, 1, -99_999_999_000},
		{0x80, 0, 3, 3e9},
		{0x80 | 20, 0, 5 << 19, 2_500_000_000},
		{0x80 | 32, 0, 1700000000<<32 | 1<<31, 1700000000_500_000_000},
		{0x80 | 63, 0, 1 << 62, 500_000_000},
		{0x80 | 64, 0, 1 << 63, 500_000_000},
		{0x80 | 127, 0, math.MaxUint64, 0},
		{9, 0, math.MaxInt64, math.MaxInt64},
		{9, 0, math.MaxUint64, no},
		{6, 0, math.MaxUint64, no},
		{0, 0, 1 << 40, no},
		{6, math.MaxInt64, 0, no},
		{6, math.MinInt64, 0, no},
		{9, 9e9, math.MaxInt64, no},
	} {
		k := newClock(c.resolution, c.offset)
		got, ok := k.time(c.stamp)
		if !ok {
			got = no
		}
		if got != c.want {
			t.Errorf("resolution %#x, offset %d, stamp %d: got %d, want %d", c.resolution, c.offset, c.stamp, got, c.want)
		}
	}
}

func TestReadImpossibleTime(t *testing.T) {
	file := slices.Concat(little.section(), little.face(1, 0),
		little.enhanced(0, 5e6, testPacket{data: "a"}),
		little.enhanced(0, math.MaxUint64, testPacket{data: "b"}))
	got, r, err := readAll(bytes.NewReader(file))
	want := []string{"5.000000000 Ethernet/0 1:a", "5.000000000 Ethernet/0 1:b"}
	if err != nil || !slices.Equal(got, want) || r.Stats().Untimed != 1 {
		t.Errorf("got %q, error %v, %+v; want %q, one untimed", got, err, r.Stats(), want)
	}
}

func TestReadCompressed(t *testing.T) {
	plain := pcap(binary.LittleEndian, pcapMicro, 1, testPacket{1, 2, "abc", 0}, testPacket{3, 4, "def", 0})
	want, _, err := readAll(bytes.NewReader(plain))
	if err != nil {
		t.Fatal(err)
	}
	half := len(plain) - 10
	ngFile := slices.Concat(little.section(), little.face(1, 0), little.enhanced(0, 1_000_002, testPacket{data: "abc"}), little.enhanced(0, 3_000_004, testPacket{data: "def"}))
	for name, in := range map[string][]byte{
		"plain":                      plain,
		"gzip":                       gzipped(t, plain),
		"gzip of two parts":          append(gzipped(t, plain[:half]), gzipped(t, plain[half:])...),
		"zstd":                       zstded(t, plain),
		"zstd of two frames":         append(zstded(t, plain[:half]), zstded(t, plain[half:])...),
		"zstd behind a skipped part": append([]byte{0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9}, zstded(t, plain)...),
		"pcapng":                     ngFile,
		"pcapng in gzip":             gzipped(t, ngFile),
		"pcapng in zstd":             zstded(t, ngFile),
	} {
		for how, from := range map[string]io.Reader{"at once": bytes.NewReader(in), "byte by byte": iotest.OneByteReader(bytes.NewReader(in))} {
			got, _, err := readAll(from)
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%s, %s: got %q, error %v; want %q", name, how, got, err, want)
			}
		}
	}
}

// TestReadDamaged damages captures and checks what the user is told, where it
// broke, and that the packets before are still read.
func TestReadDamaged(t *testing.T) {
	w := little
	file := pcap(binary.LittleEndian, pcapMicro, 1, testPacket{1, 2, "abc", 0}, testPacket{3, 4, "defghi", 0})
	claims := func(n uint32) []byte {
		b := slices.Clone(file)
		binary.LittleEndian.PutUint32(b[24+16+3+8:], n)
		return b
	}
	head := slices.Concat(w.section(), w.face(1, 0), w.enhanced(0, 1, testPacket{data: "abc"}))
	next := w.enhanced(0, 2, testPacket{data: "defghi"})
	edit := func(block []byte, at int, v uint32) []byte {
		b := slices.Clone(block)
		binary.LittleEndian.PutUint32(b[at:], v)
		return append(slices.Clone(head), b...)
	}
	gz := gzipped(t, bytes.Repeat(file, 1))
	flipped := slices.Clone(gz)
	flipped[len(flipped)-6] ^= 1
	for _, c := range []struct {
		name    string
		in      []byte
		packets int
		offset  int64
		want    string
	}{
		{"cut in a packet", file[:len(file)-2], 1, 43, "the input ends within a packet: 20 of 22 bytes are there"},
		{"cut in a packet header", file[:43+9], 1, 43, "the input ends within a packet header: 9 of 16 bytes are there"},
		{"2 GB packet", claims(2 << 30), 1, 43, "a packet claims 2147483648 captured bytes, more than 525312"},
		{"4 GB packet", claims(math.MaxUint32), 1, 43, "a packet claims 4294967295 captured bytes, more than 525312"},
		{"packet longer than the file", claims(500000), 1, 43, "the input ends within a packet: 22 of 500016 bytes are there"},
		{"gzip cut", gz[:len(gz)-12], 1, 43, "the gzip data end early: unexpected EOF"},
		{"gzip checksum", flipped, 2, int64(len(file)), "gzip: invalid checksum"},
		{"block cut", append(slices.Clone(head), next[:20]...), 1, int64(len(head)), "the input ends within a packet header: 20 of 28 bytes are there"},
		{"packet cut", append(slices.Clone(head), next[:40]...), 1, int64(len(head)), "the input ends within a packet: 40 of 56 bytes are there"},
		{"block header cut", append(slices.Clone(head), next[:7]...), 1, int64(len(head)), "the input ends within a block header: 7 of 12 bytes are there"},
		{"block of 2 bytes", edit(next, 4, 2), 1, int64(len(head)), "a block of 2 bytes, which is not possible"},
		{"block of odd length", edit(next, 4, 57), 1, int64(len(head)), "a block of 57 bytes, which is not possible"},
		{"packet block of 16 bytes", edit(w.block(blockEnhanced, make([]byte, 4)), 0, blockEnhanced), 1, int64(len(head)), "a packet block of 16 bytes, which is not possible"},
		{"2 GB packet block", edit(next, 4, 2<<30), 1, int64(len(head)), "a packet block of 2147483648 bytes, more than 1048576"},
		{"2 GB packet in a block", edit(next, 20, 2<<30), 1, int64(len(head)), "a packet claims 2147483648 captured bytes, more than 525312"},
		{"packet longer than its block", edit(next, 20, 90), 1, int64(len(head)), "a packet of 90 bytes in a block of 56"},
		{"lengths of a packet differ", edit(next, len(next)-4, 9), 1, int64(len(head)), "a block says 56 bytes at its beginning and 9 at its end"},
		{"2 GB block of a kind that is skipped", edit(w.block(0xbad, nil), 4, 2<<30), 1, int64(len(head)), "the input ends within a block of 2147483648 bytes"},
		{"lengths of a skipped block differ", edit(w.block(0xbad, make([]byte, 8)), 16, 9), 1, int64(len(head)), "a block says 20 bytes at its beginning and 9 at its end"},
		{"short interface", edit(w.block(blockInterface, nil), 0, blockInterface), 1, int64(len(head)), "an interface description of 12 bytes, which is not possible"},
		{"section of unknown order", edit(w.section(), 8, 0x11223344), 1, int64(len(head)), "a section header with the unknown byte order 44332211"},
		{"section of 16 bytes", edit(w.section(), 4, 16), 1, int64(len(head)), "a section header of 16 bytes, which is not possible"},
		{"too many interfaces", slices.Concat(w.section(), bytes.Repeat(w.face(1, 0), maxInterfaces+1)), 0, int64(len(w.section()) + maxInterfaces*len(w.face(1, 0))), "more than 65536 interfaces"},
	} {
		got, r, err := readAll(bytes.NewReader(c.in))
		if r == nil || err == nil || err.Error() != c.want || !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: error %v, want %s", c.name, err, c.want)
			continue
		}
		if len(got) != c.packets || r.Packets() != int64(c.packets) || r.Offset() != c.offset {
			t.Errorf("%s: %d packets to %d, want %d to %d", c.name, len(got), r.Offset(), c.packets, c.offset)
		}
	}
	failing := io.MultiReader(bytes.NewReader(file[:50]), iotest.ErrReader(os.ErrPermission))
	if got, _, err := readAll(failing); len(got) != 1 || !errors.Is(err, ErrDamaged) || !errors.Is(err, os.ErrPermission) {
		t.Errorf("disk error: %d packets, error %v; want 1 and %v", len(got), err, os.ErrPermission)
	}
}

// TestReadCutAnywhere cuts captures after every byte: what is before the cut
// is read, and a cut is noticed unless it is between two records.
func TestReadCutAnywhere(t *testing.T) {
	first := pcap(binary.BigEndian, pcapMicro, 1, testPacket{1, 2, "abc", 0})
	second := pcap(binary.BigEndian, pcapMicro, 1, testPacket{3, 4, "def", 0})[24:]
	ngHead := slices.Concat(little.section(), little.face(1, 0))
	ngPacket := little.enhanced(0, 1, testPacket{data: "abc"})
	for name, parts := range map[string][][]byte{
		"pcap":   {first[:24], first[24:], second},
		"pcapng": {ngHead, ngPacket, ngPacket},
	} {
		whole := slices.Concat(parts...)
		for n := len(parts[0]); n < len(whole); n++ {
			got, _, err := readAll(bytes.NewReader(whole[:n]))
			clean := n == len(parts[0]) || n == len(parts[0])+len(parts[1])
			want := 0
			if n >= len(parts[0])+len(parts[1]) {
				want = 1
			}
			if len(got) != want || (err == nil) != clean {
				t.Errorf("%s cut after %d: %d packets, error %v; want %d", name, n, len(got), err, want)
			}
		}
	}
}

func TestNotACapture(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"text", "Dear reader,\nthis is a letter.", `not a capture: it looks like text: "Dear reader,"`},
		{"long text", strings.Repeat("word ", 200), `not a capture: it looks like text: "word word word word word word word word …"`},
		{"text cut in a character", strings.Repeat("ä", 300)[:511], `not a capture: it looks like text: "ääääääääääääääääääääääääääääääääääääääää…"`},
		{"HTML", "\n<!DOCTYPE html>\n<html>", "not a capture: it looks like HTML, as a download page would be"},
		{"JSON", `{"ts":1,"uid":"C1"}`, "not a capture: it looks like JSON"},
		{"ELF", "\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 600), "not a capture: it looks like a program (ELF)"},
		{"Zeek", "#separator \\x09\n#fields\tts", "not a capture: it looks like a Zeek log"},
		{"zip", "PK\x03\x04\x14\x00", "not a capture: it looks like a zip archive: unpack it first"},
		{"xz", "\xfd7zXZ\x00\x00", "not a capture: it looks like xz-compressed: unpack it first"},
		{"nfdump", "\x0c\xa5\x02\x00", "not a capture: it looks like an nfdump file"},
		{"Git LFS", "version https://git-lfs.github.com/spec/v1\noid sha256:0", "not a capture: it is a Git LFS pointer: fetch the file itself"},
		{"zeros", strings.Repeat("\x00", 64), "not a capture: it begins with zeros"},
		{"bytes", "\x01\x02\x03\x04\xff\xfe", "not a capture: it begins with the bytes 01 02 03 04 ff fe"},
		{"half a pcap header", string(pcap(binary.LittleEndian, pcapMicro, 1)[:20]), "not a capture: it ends within its pcap header, 20 of 24 bytes are there"},
		{"text in gzip", string(gzipped(t, []byte("Dear reader,"))), `not a capture: it looks like text: "Dear reader,"`},
		{"gzip in gzip", string(gzipped(t, gzipped(t, []byte("x")))), "not a capture: it looks like compressed more than once: unpack it first"},
		{"nothing", "", "empty file"},
		{"nothing in gzip", string(gzipped(t, nil)), "empty file"},
		{"cut zstd", string(zstded(t, pcap(binary.LittleEndian, pcapMicro, 1))[:20]), "the zstd data end early: unexpected EOF"},
		{"cut gzip header", "\x1f\x8b\x08\x00\x00", "the gzip data end early: unexpected EOF"},
		{"zstd with a window of a terabyte", "\x28\xb5\x2f\xfd\x00\xf8\x00\x00", "zstd: window size exceeded"},
	} {
		r, err := Open(strings.NewReader(c.in))
		if err == nil {
			_, err = r.Next()
			r.Close()
		}
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: error %v, want %s", c.name, err, c.want)
		}
	}
}

// TestPcapngConformance reads the captures of the pcapng test generator and
// compares each packet with what Wireshark says of it. Custom blocks, which
// Wireshark counts as packets of the protocol PCAPNG, are none here.
func TestPcapngConformance(t *testing.T) {
	goldens, err := filepath.Glob(sharedtest.Path(t, "conformance/pcapng-tests") + "/*/*/*.tshark.csv")
	if err != nil || len(goldens) < 20 {
		t.Fatalf("%d goldens, error %v; want 20 or more", len(goldens), err)
	}
	for _, golden := range goldens {
		want := wireshark(t, golden)
		f, err := os.Open(strings.TrimSuffix(golden, ".tshark.csv") + ".pcapng")
		if err != nil {
			t.Fatal(err)
		}
		r, err := Open(f)
		if err != nil {
			t.Fatalf("%s: %v", f.Name(), err)
		}
		var got []wiresharkPacket
		last := int64(0)
		for {
			rec, err := r.Next()
			if err != nil {
				if err != io.EOF {
					t.Errorf("%s: %v", f.Name(), err)
				}
				break
			}
			p := wiresharkPacket{rec.Interface, rec.TS, rec.WireLen, len(rec.Data)}
			if n := len(got); n < len(want) && want[n].ts < 0 && rec.TS == last { // a packet without a time has that of the one before
				p.ts = -1
			}
			last = rec.TS
			got = append(got, p)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s:\n got %v\nwant %v", f.Name(), got, want)
		}
		f.Close()
	}
}

type wiresharkPacket struct {
	face     int
	ts       int64 // -1: none
	wire, in int
}

// wireshark reads a golden.
func wireshark(t *testing.T, golden string) (want []wiresharkPacket) {
	b, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows[1:] {
		if row[5] == "PCAPNG" {
			continue
		}
		p := wiresharkPacket{face: number(t, row[1]), ts: -1, wire: number(t, row[3]), in: number(t, row[4])}
		if sec, fraction, ok := strings.Cut(row[2], "."); ok {
			p.ts = int64(number(t, sec))*1e9 + int64(number(t, fraction))
		}
		want = append(want, p)
	}
	return want
}

func number(t *testing.T, s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// benchFile is a capture of ordinary sizes, 64 MB long.
func benchFile() []byte {
	small, large := testPacket{1700000000, 0, frame(1, strings.Repeat("x", 20)), 0}, testPacket{1700000000, 9, frame(2, strings.Repeat("y", 600)), 0}
	some := pcap(binary.LittleEndian, pcapMicro, 1, small, small, large, small, large)
	return append(some, bytes.Repeat(some[24:], 40000)...)
}

func BenchmarkReader(b *testing.B) {
	file := benchFile()
	r, err := Open(bytes.NewReader(file))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Next(); err != nil {
			b.StopTimer()
			if r, err = Open(bytes.NewReader(file)); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
	}
}

func TestReaderAllocs(t *testing.T) {
	ngFile := slices.Concat(little.section(), little.face(1, 0), bytes.Repeat(little.enhanced(0, 1, testPacket{data: frame(1, "abc")}), 200))
	for name, file := range map[string][]byte{"pcap": benchFile(), "pcapng": ngFile} {
		r, err := Open(bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(100, func() {
			if _, err := r.Next(); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations per packet, want 0", name, n)
		}
	}
}

func FuzzReader(f *testing.F) {
	packets := []testPacket{{1, 2, "abc", 0}, {3, 4, "defghi", 99}}
	f.Add(pcap(binary.LittleEndian, pcapMicro, 1, packets...))
	f.Add(pcap(binary.BigEndian, pcapNano, 1, packets...))
	f.Add(pcap(binary.BigEndian, pcapModified, 1, packets...))
	for _, o := range orders {
		w := ng{o}
		f.Add(slices.Concat(w.section(), w.face(1, 0), w.enhanced(0, 1, packets[0]), w.block(0xbad, []byte("x")), w.simple(packets[1])))
		f.Add(slices.Concat(w.section(), w.face(113, 2, w.resolution(0x8a), w.offset(-1)), w.obsolete(0, 1, packets[0]), w.section(), w.enhanced(0, 1, packets[1])))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if packing(in) != "" {
			return // FuzzCompressed: setting up a decompressor takes a hundred times as long
		}
		readThrough(t, in)
	})
}

// FuzzCompressed reads captures behind gzip and zstd.
func FuzzCompressed(f *testing.F) {
	in := pcap(binary.LittleEndian, pcapMicro, 1, testPacket{1, 2, "abc", 0}, testPacket{3, 4, "defghi", 99})
	f.Add(gzipped(f, in))
	f.Add(zstded(f, in))
	f.Fuzz(func(t *testing.T, in []byte) {
		if packing(in) == "" {
			return
		}
		readThrough(t, in)
	})
}

// readThrough reads the first megabyte of a capture and checks what every reader
// of one relies on.
func readThrough(t *testing.T, in []byte) {
	r, err := Open(bytes.NewReader(in))
	if err != nil {
		if !errors.Is(err, ErrNotCapture) && !errors.Is(err, ErrEmpty) && !errors.Is(err, ErrDamaged) {
			t.Fatalf("Open: %v", err)
		}
		return
	}
	defer r.Close()
	at := r.Offset()
	for r.Offset() < 1<<20 { // zstd makes gigabytes of a few bytes
		rec, err := r.Next()
		if err == io.EOF || errors.Is(err, ErrDamaged) {
			return
		}
		if err != nil {
			t.Fatalf("Next: %v", err)
		}
		if len(rec.Data) > maxPacket || rec.WireLen < len(rec.Data) {
			t.Fatalf("%d bytes captured of %d", len(rec.Data), rec.WireLen)
		}
		if r.Offset() <= at {
			t.Fatalf("no progress at %d", at)
		}
		at = r.Offset()
	}
}
