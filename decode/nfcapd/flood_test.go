package nfcapd

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/weir-nta/weir/decode/flowrec"
)

// measured reads a file to its end and returns the reader, how many errors there
// were, and how much memory it keeps.
func measured(t *testing.T, file []byte) (r *Reader, failed int, kept int64) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	r, err := NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	var rec flowrec.Record
	for {
		err := r.Next(&rec)
		if err == io.EOF {
			break
		}
		if err != nil {
			failed++
		}
		if err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatal(err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	return r, failed, int64(after.HeapAlloc) - int64(before.HeapAlloc)
}

// TestStateIsBounded has files tell of more maps and samplers than there can be.
func TestStateIsBounded(t *testing.T) {
	long := bytes.Repeat(le(u16(5)), 30_000)
	var maps [][]byte
	for i := range 500 {
		maps = append(maps, record(extensionMap, le(u16(i), u16(0), long)))
	}
	r, failed, kept := measured(t, file1(0, maps...))
	// A block is held as it was read.
	if limit := int64(cap(r.raw)) + 1<<20; failed != 500 || len(r.maps) != 0 || kept > limit {
		t.Errorf("maps of 30,000 extensions: %d of 500 refused, %d kept, in %d octets of at most %d", failed, len(r.maps), kept, limit)
	}

	var samplers [][]byte
	for sys := range 300 {
		for i := range 300 {
			samplers = append(samplers, record(samplerInfo, le(u16(sys), u16(0), u64(i), u32(1), u32(9))))
		}
	}
	r, _, _ = measured(t, plainFile(samplers...))
	n := 0
	for _, s := range r.samplers {
		if n += len(s); len(s) > maxSamplers {
			t.Errorf("%d samplers of one exporter, want at most %d", len(s), maxSamplers)
		}
	}
	if n != r.samplerCount || n != allSamplers {
		t.Errorf("%d samplers kept, %d counted; want %d", n, r.samplerCount, allSamplers)
	}
}

// TestRecordIsBounded has a record of a thousand elements, and one with a text
// that fills it.
func TestRecordIsBounded(t *testing.T) {
	elements := [][]byte{generic3(6, 2), v4()}
	for range 1000 {
		elements = append(elements, record(natPortBlock, le(u16(1), u16(2), u16(3), u16(4))))
	}
	name := bytes.Repeat([]byte("n"), 60_000)
	got, stats := readSome(t, plainFile(flowOf(0, 9, 0, elements...), flowOf(0, 9, 0, generic3(6, 2), v4(), record(nselUser, name))))
	if stats.Damaged != 1 || len(got) != 1 || len(got[0].More.SrcUser) != maxText {
		t.Errorf("%d records, %+v; want the first damaged, and %d octets of the name in the second", len(got), stats, maxText)
	}
}

func readSome(t *testing.T, file []byte) (records []flowrec.Record, _ Stats) {
	t.Helper()
	r, err := NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	for {
		var rec flowrec.Record
		switch err := r.Next(&rec); {
		case err == io.EOF:
			return records, r.Stats()
		case err == nil:
			records = append(records, rec)
		}
	}
}

// TestManyWindows has thousands of small blocks that each ask for a window of
// 64 MB, as Zstandard may, or announce as much: memory that is made anew for
// each would cost more time than there is.
func TestManyWindows(t *testing.T) {
	zeros := []byte{1 | 1<<1 | 4<<3, 0, 0, 0} // one block of four zeros
	for name, frame := range map[string][]byte{
		"window": le("\x28\xb5\x2f\xfd", u8(0), u8(16<<3), zeros),
		"size":   le("\x28\xb5\x2f\xfd", u8(0xa0), u32(60<<20), zeros),
	} {
		blocks := make([][]byte, 2000)
		for i := range blocks {
			blocks[i] = block2(zstandard, 1, frame)
		}
		began := time.Now()
		r, failed, _ := measured(t, file2(zstandard, blocks...))
		if took := time.Since(began); took > 5*time.Second { // a hundredth, but for a busy machine
			t.Errorf("%s: %d blocks took %v, want less than 5s", name, len(blocks), took)
		}
		if r.Stats().Blocks != 2000 || failed != 2000 {
			t.Errorf("%s: %d blocks, %d refused; want 2000, none of which holds a record", name, r.Stats().Blocks, failed)
		}
	}
}
