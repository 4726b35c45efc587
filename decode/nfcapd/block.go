package nfcapd

import (
	"bytes"
	"compress/bzip2"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	golzo "github.com/anchore/go-lzo"
	"github.com/klauspost/compress/zstd"
	golz4 "github.com/pierrec/lz4/v4"
)

// A codec is what blocks are compressed with.
type codec uint8

// The codecs, as nfdump 1.7 numbers them.
const (
	plain codec = iota
	lzo
	bz2
	lz4
	zstandard
)

var codecs = [...]string{"none", "LZO", "bzip2", "LZ4", "Zstandard"}

const (
	blockHead = 12
	// firstBlock is what is taken for a block at first: nfdump writes blocks
	// of 1 MB, and not more than 5 MB.
	firstBlock = 1 << 20
	// maxBlock is how many octets a block may have, compressed or not. A file
	// that says more is damaged, or made to fill the memory.
	maxBlock = 64 << 20
)

// Types of blocks: of records in layout 1 and 2.
const (
	records1 = 2
	records2 = 3
)

// block reads the next block of records. At the end it returns io.EOF.
func (r *Reader) block() error {
	if r.err != nil {
		return r.err
	}
	head, err := r.blockHead()
	if err == nil {
		err = r.body(head.size)
	}
	if err != nil {
		r.err = err
		if errors.Is(err, ErrDamaged) {
			r.stats.Damaged++
			r.err = io.EOF // where the next one begins is not known
		}
		return err
	}
	r.stats.Blocks++
	if !head.ofRecords {
		r.stats.Other++
		return nil
	}
	if r.codec == plain || head.plain {
		r.rest = r.raw
		return nil
	}
	r.plain, err = decompress(r.plain, r.raw, r.codec)
	if err != nil {
		return r.damaged("block %d, compressed with %s: %w", r.stats.Blocks, codecs[r.codec], err)
	}
	r.rest = r.plain
	return nil
}

type blockHeader struct {
	size      uint32
	ofRecords bool
	plain     bool // not compressed, though the file is
}

func (r *Reader) blockHead() (h blockHeader, _ error) {
	var b [blockHead]byte
	n, err := io.ReadFull(r.from, b[:])
	r.offset += int64(n)
	switch {
	case err == io.EOF && int64(r.stats.Blocks) < r.blocks:
		return h, fmt.Errorf("%w: ends after %d of %d blocks", ErrDamaged, r.stats.Blocks, r.blocks)
	case err == io.ErrUnexpectedEOF:
		return h, fmt.Errorf("%w: ends after %d octets", ErrDamaged, r.offset)
	case err != nil:
		return h, err
	}
	h.size = binary.LittleEndian.Uint32(b[4:])
	kind, flags := binary.LittleEndian.Uint16(b[8:]), binary.LittleEndian.Uint16(b[10:])
	if r.layout == 1 {
		h.ofRecords = kind == records1
		h.plain = flags == 1
		return h, nil
	}
	h.ofRecords = kind == records2
	h.plain = flags&1 != 0
	return h, nil
}

// body reads a block as it lies in the file. It takes memory as octets come,
// not as they are announced.
func (r *Reader) body(size uint32) error {
	if size > maxBlock {
		return fmt.Errorf("%w: a block of %d octets", ErrDamaged, size)
	}
	r.raw = r.raw[:0]
	for left := int(size); left > 0; {
		n := min(left, firstBlock)
		have := len(r.raw)
		r.raw = append(r.raw, make([]byte, n)...)
		if err := r.read(r.raw[have:]); err != nil {
			return err
		}
		left -= n
	}
	return nil
}

var errLarge = fmt.Errorf("more than %d octets", maxBlock)

// zstandardDecoder decompresses whole blocks, which it does from many
// goroutines. Into a block that is large enough it needs no window, whose size,
// up to maxBlock, the sender says: to make one for each block would cost some
// milliseconds for twenty octets.
var zstandardDecoder = sync.OnceValue(func() *zstd.Decoder {
	z, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxBlock))
	if err != nil {
		panic(err) // of options that are wrong, which TestCodecs would show
	}
	return z
})

// decompress puts what is in b into dst, which it makes larger as needed.
func decompress(dst, b []byte, c codec) ([]byte, error) {
	switch c {
	case bz2:
		return readAll(dst, bzip2.NewReader(bytes.NewReader(b)))
	case zstandard:
		return zstandardDecoder().DecodeAll(b, dst[:0])
	}
	// How long it becomes is not told: try.
	for size := max(cap(dst), firstBlock); ; size *= 4 {
		size = min(size, maxBlock)
		if cap(dst) < size {
			dst = make([]byte, size)
		}
		n, short, err := intoBuffer(dst[:size], b, c)
		if !short {
			return dst[:n], err
		}
		if size == maxBlock {
			return nil, errLarge
		}
	}
}

// intoBuffer decompresses b into dst. Short says that dst may be too short.
func intoBuffer(dst, b []byte, c codec) (n int, short bool, _ error) {
	if c == lzo {
		n, err := golzo.Decompress(b, dst)
		if err == golzo.ErrOutputOverrun {
			return 0, true, nil
		}
		return n, false, err
	}
	n, err := golz4.UncompressBlock(b, dst)
	// The library does not tell damage from a short buffer; but nothing that
	// is sound grows by more than 255.
	if err != nil && len(dst) < 255*len(b) {
		return 0, true, nil
	}
	return n, false, err
}

func readAll(dst []byte, from io.Reader) ([]byte, error) {
	w := bytes.NewBuffer(dst[:0])
	n, err := io.Copy(w, io.LimitReader(from, maxBlock+1))
	if err == nil && n > maxBlock {
		err = errLarge
	}
	return w.Bytes(), err
}
