package packetring

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"
)

var start = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC).UnixNano()

// read returns the times of the packets in a file, and checks their contents.
func read(t *testing.T, path string) (times []int64) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b[:fileHeader], AppendHeader(nil, 1)) {
		t.Fatalf("%s begins with %x", path, b[:fileHeader])
	}
	for b = b[fileHeader:]; len(b) > 0; {
		ts := int64(binary.LittleEndian.Uint32(b))*1e9 + int64(binary.LittleEndian.Uint32(b[4:]))
		n := int(binary.LittleEndian.Uint32(b[8:]))
		if wire := binary.LittleEndian.Uint32(b[12:]); wire != 1500 || b[recordHeader] != byte(ts/1e6) {
			t.Fatalf("packet at %d: %d octets on the wire, content %x; want 1500, %x", ts, wire, b[recordHeader], byte(ts/1e6))
		}
		times = append(times, ts)
		b = b[recordHeader+n:]
	}
	return times
}

func write(w *Writer, from, n int) {
	for i := range n {
		ts := start + int64(from+i)*1e6
		w.Packet(ts, 1, bytes.Repeat([]byte{byte(ts / 1e6)}, 1000), 1500)
	}
}

// TestRing writes more than fits: the latest packets stay, no file of somebody
// else goes, and what is kept is within the size.
func TestRing(t *testing.T) {
	dir := t.TempDir()
	other := filepath.Join(dir, "other.pcap")
	if err := os.WriteFile(other, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := Open(Config{Dir: dir, Bytes: minBytes})
	if err != nil {
		t.Fatal(err)
	}
	w := r.Writer()
	const n, batch = 40_000, 500 // 40 MB
	for from := 0; from < n; from += batch {
		write(w, from, batch)
		w.Flush()
		for len(r.full) > buffers/2 { // as fast as the disk
			time.Sleep(time.Millisecond)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	list, err := Files(dir)
	if err != nil {
		t.Fatal(err)
	}
	var size int64
	var times []int64
	for _, f := range list {
		size += f.Size
		got := read(t, f.Path)
		if got[0] != f.First.UnixNano() {
			t.Errorf("%s begins at %v", f.Path, got[0])
		}
		times = append(times, got...)
	}
	for i := 1; i < len(times); i++ {
		if times[i]-times[i-1] != 1e6 {
			t.Fatalf("packet %d is %d ns after the one before", i, times[i]-times[i-1])
		}
	}
	c := r.Counters()
	if last := start + (n-1)*1e6; times[len(times)-1] != last || size > minBytes || size < minBytes*3/4 || c.Packets != n || c.Dropped != 0 || c.Deleted == 0 {
		t.Errorf("%d packets up to %d in %d bytes, %+v; want up to %d, nearly %d bytes", len(times), times[len(times)-1], size, c, last, minBytes)
	}
	if _, err := os.Stat(other); err != nil {
		t.Error(err)
	}

	from := time.Unix(0, times[len(times)/2])
	some := Between(list, from, from.Add(time.Second))
	if len(some) == 0 || some[0].First.After(from) {
		t.Errorf("between %v and a second later: %v", from, some)
	}
	if none := Between(list, time.Time{}, time.Unix(0, start).Add(-time.Hour)); len(none) != 0 {
		t.Errorf("before the beginning: %v", none)
	}
	if all := Between(list, time.Time{}, time.Time{}); len(all) != len(list) {
		t.Errorf("at any time: %d of %d", len(all), len(list))
	}
}

// TestSlowDisk wants packets dropped and counted where the disk does not keep up.
func TestSlowDisk(t *testing.T) {
	r := &Ring{full: make(chan *buffer, buffers), free: make(chan *buffer, buffers)}
	for range 2 {
		r.free <- &buffer{}
	}
	w := r.Writer()
	write(w, 0, 3000) // two buffers hold about 2,000
	w.Flush()
	kept := uint64(0)
	for len(r.full) > 0 {
		kept += (<-r.full).packets
	}
	if c := r.Counters(); kept+c.Dropped != 3000 || c.Dropped == 0 {
		t.Errorf("%d kept, %d dropped, want 3000 in all", kept, c.Dropped)
	}
}

// TestFolderGone wants what the disk refuses counted, and writing to go on
// when it takes packets again.
func TestFolderGone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ring")
	r, err := Open(Config{Dir: dir, Bytes: minBytes})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	w := r.Writer()
	write(w, 0, 10)
	w.Flush()
	for r.Counters().Dropped == 0 {
		time.Sleep(time.Millisecond)
	}
	if r.Err() == nil {
		t.Error("no error")
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	write(w, 10, 10)
	w.Flush()
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if c := r.Counters(); c.Packets != 10 || c.Dropped != 10 {
		t.Errorf("%+v, want 10 kept and 10 dropped", c)
	}
}

func TestOpen(t *testing.T) {
	if _, err := Open(Config{Dir: t.TempDir(), Bytes: 1000}); err == nil {
		t.Error("a ring of 1000 bytes: no error")
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{Dir: file, Bytes: minBytes}); err == nil {
		t.Error("a file for a folder: no error")
	}
}

func BenchmarkPacket(b *testing.B) {
	r, err := Open(Config{Dir: b.TempDir(), Bytes: 256 << 20})
	if err != nil {
		b.Fatal(err)
	}
	w := r.Writer()
	data := make([]byte, 700)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		w.Packet(start+int64(i), 1, data, len(data))
	}
	w.Flush()
	if err := r.Close(); err != nil {
		b.Fatal(err)
	}
	c := r.Counters()
	b.ReportMetric(float64(c.Dropped)/float64(c.Packets+c.Dropped), "dropped")
}
