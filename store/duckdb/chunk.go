package duckdb

import (
	"encoding/binary"
	"encoding/json"
	"runtime"
	"strings"
	"unicode/utf8"
	"unsafe"

	bindings "github.com/duckdb/duckdb-go-bindings"
)

// A chunk is the memory of up to vectorSize rows of one table, column by
// column, in the form that the database works on. Records are written straight
// into it: a call of the database's for each value would cost more than all the rest.
type chunk struct {
	layout *layout
	data   bindings.DataChunk
	rows   int
	vecs   []bindings.Vector
	memory []unsafe.Pointer // the values of each column
	masks  []unsafe.Pointer // the validity bits of each column, nil while all are valid
	filled []bool           // the columns that have a value
	heap   heap
}

// vectorSize is how many rows the database works on at once.
var vectorSize = int(bindings.VectorSize())

// str is a string as the database has it: length and 12 octets or, of a
// longer one, 4 octets and its address (duckdb_string_t).
type str [2]uint64

// entry is a list as the database has it: where it begins in the column of all
// elements, and its length (duckdb_list_entry).
type entry struct{ offset, length uint64 }

func newChunk(l *layout) *chunk {
	types := l.logicalTypes()
	c := &chunk{layout: l, data: bindings.CreateDataChunk(types)}
	for i := range types {
		bindings.DestroyLogicalType(&types[i])
	}
	n := len(types)
	c.vecs, c.memory, c.masks = make([]bindings.Vector, n), make([]unsafe.Pointer, n), make([]unsafe.Pointer, n)
	c.filled = make([]bool, n)
	c.bind()
	return c
}

// bind looks up where the columns are.
func (c *chunk) bind() {
	for i := range c.vecs {
		c.vecs[i] = bindings.DataChunkGetVector(c.data, bindings.IdxT(i))
		c.memory[i] = bindings.VectorGetData(c.vecs[i])
		c.masks[i] = nil
	}
}

// reset empties the chunk.
func (c *chunk) reset() {
	bindings.DataChunkReset(c.data)
	c.heap.reset()
	c.rows = 0
	clear(c.filled)
	c.bind()
}

func (c *chunk) close() {
	bindings.DestroyDataChunk(&c.data)
	c.heap.close()
}

// values returns the memory of column i from row at on.
func values[T any](c *chunk, i, at int) *[64]T {
	return (*[64]T)(unsafe.Add(c.memory[i], uintptr(at)*unsafe.Sizeof(*new(T))))
}

// present says which of the up to 64 rows at row at have a value in column i;
// all is the set of these rows.
func (c *chunk) present(i, at int, all, set uint64) {
	if set != 0 {
		c.filled[i] = true
	}
	if set == all {
		return
	}
	if c.masks[i] == nil {
		bindings.VectorEnsureValidityWritable(c.vecs[i])
		c.masks[i] = bindings.VectorGetValidity(c.vecs[i])
	}
	words := unsafe.Slice((*uint64)(c.masks[i]), vectorSize/64)
	missing := all &^ set
	word, shift := at/64, at%64
	words[word] &^= missing << shift
	if rest := missing >> (64 - shift); rest != 0 { // never for shift 0
		words[word+1] &^= rest
	}
}

// str puts s where the database can read it. What is not valid UTF-8, which
// the database does not accept, becomes U+FFFD.
func (c *chunk) str(s string) str {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\ufffd")
	}
	var b [16]byte
	binary.NativeEndian.PutUint32(b[:4], uint32(len(s)))
	if len(s) <= 12 {
		copy(b[4:], s)
	} else {
		copy(b[4:8], s)
		*(*uintptr)(unsafe.Pointer(&b[8])) = c.heap.put(s)
	}
	return *(*str)(unsafe.Pointer(&b))
}

func (c *chunk) json(v any) str {
	b, err := json.Marshal(v)
	if err != nil { // not a number among the values; Record.Value does the same
		b = []byte("[]")
	}
	return c.str(string(b))
}

// strs appends list to the elements of column i.
func (c *chunk) strs(i int, list []string) entry {
	e, memory := c.extend(i, len(list))
	out := unsafe.Slice((*str)(memory), e.offset+e.length)[e.offset:]
	for i, s := range list {
		out[i] = c.str(s)
	}
	return e
}

// numbers appends list to the elements of column i.
func numbers[T int32 | uint32](c *chunk, i int, list []T) entry {
	e, memory := c.extend(i, len(list))
	copy(unsafe.Slice((*T)(memory), e.offset+e.length)[e.offset:], list)
	return e
}

// extend makes room for n more elements in column i, a list.
func (c *chunk) extend(i, n int) (entry, unsafe.Pointer) {
	size := bindings.ListVectorGetSize(c.vecs[i])
	bindings.ListVectorReserve(c.vecs[i], size+bindings.IdxT(n))
	bindings.ListVectorSetSize(c.vecs[i], size+bindings.IdxT(n))
	return entry{uint64(size), uint64(n)}, bindings.VectorGetData(bindings.ListVectorGetChild(c.vecs[i]))
}

// heap keeps the strings of a chunk that are longer than fits its columns,
// pinned because the database has their addresses.
type heap struct {
	blocks [][]byte // of heapBlock octets or, for one string, more
	pins   runtime.Pinner
}

const heapBlock = 256 << 10

func (h *heap) put(s string) uintptr {
	if len(h.blocks) == 0 || cap(h.last())-len(h.last()) < len(s) {
		h.grow(len(s))
	}
	last := &h.blocks[len(h.blocks)-1]
	at := len(*last)
	*last = append(*last, s...)
	return uintptr(unsafe.Pointer(&(*last)[at]))
}

func (h *heap) last() []byte { return h.blocks[len(h.blocks)-1] }

func (h *heap) grow(n int) {
	b := make([]byte, 0, max(n, heapBlock))
	h.pins.Pin(unsafe.SliceData(b))
	h.blocks = append(h.blocks, b)
}

// reset keeps the first block.
func (h *heap) reset() {
	switch {
	case len(h.blocks) == 0:
	case len(h.blocks) == 1 && cap(h.blocks[0]) == heapBlock:
		h.blocks[0] = h.blocks[0][:0]
	default:
		h.close()
	}
}

func (h *heap) close() {
	h.pins.Unpin()
	h.blocks = nil
}
