package logs

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/binetflow"
	"github.com/weir-nta/weir/decode/eve"
	"github.com/weir-nta/weir/decode/zeek"
)

// A decoder turns the lines of one log into records.
type decoder interface {
	// Line appends what a line gives; its error says why it gave nothing.
	Line(b *weir.Batch, line []byte) error
	// Flush appends what was held back, at the end of the log.
	Flush(b *weir.Batch)
}

// A format is who wrote a log.
type format uint8

const (
	notLog format = iota
	zeekLog
	eveLog
	argusLog // flows of Argus as CSV, as the CTU data sets have them
	formats
)

func (f format) String() string { return [...]string{"", "zeek", "eve", "argus"}[f] }

const (
	// headBytes is how much of a file is looked at to tell what it is.
	headBytes = 64 << 10
	// maxLine is how long a line may be. Lines of Zeek have a few hundred
	// bytes; EVE holds payloads if it is told to.
	maxLine = 1 << 20
	// zstdWindow bounds what a zstd stream may make us keep.
	zstdWindow = 128 << 20
)

var (
	errNotLog  = errors.New("neither a log of Zeek, nor EVE of Suricata, nor flows of Argus")
	errEmpty   = errors.New("empty file")
	errRenamed = errors.New("renamed while it was being looked into")
	errTooLong = fmt.Errorf("longer than %d MiB", maxLine>>20)
)

// A file is one log.
type file struct {
	path   string
	info   os.FileInfo
	walked bool // found in a folder or by a glob: nobody claimed that it is a log

	format  format
	head    []byte // the first bytes of the decompressed log
	packed  bool   // compressed
	rank    int    // of two files at the same time, which is read first
	first   time.Time
	clock   time.Time // how far it has got
	decoder decoder
	zeek    *zeek.Decoder

	f      *os.File
	unpack func() // closes the decompressor
	r      *bufio.Reader
	long   []byte // the begin of a line that is longer than the buffer, or has no end yet
	length int64  // of that line so far; no more than maxLine+1 of it is kept
	// offset is where the next line begins, in bytes of the decompressed log;
	// line is the number of the last one.
	offset, line int64
	done         bool   // read to its end, for now
	failed       bool   // it cannot be read further
	gone         bool   // no name leads to it
	final        bool   // nothing will be written to it any more
	known        *known // of those that are followed
}

// open opens f and detects how it is compressed. What is read from it is added
// to n. It returns errRenamed if there is another file now by its name.
func (f *file) open(n *atomic.Int64) error {
	from, err := os.Open(f.path)
	if err != nil {
		return err
	}
	f.f = from
	if info, err := from.Stat(); err != nil || !os.SameFile(info, f.info) {
		f.close()
		return errors.Join(errRenamed, err)
	}
	raw := bufio.NewReaderSize(&counting{from, n}, 64<<10)
	if err := f.unpackFrom(raw); err != nil {
		f.close()
		return err
	}
	return nil
}

func (f *file) unpackFrom(raw *bufio.Reader) error {
	f.unpack, f.packed, f.r = nil, true, nil
	magic, _ := raw.Peek(4)
	switch {
	case bytes.HasPrefix(magic, []byte("\x1f\x8b")):
		z, err := gzip.NewReader(raw)
		if err != nil {
			return fmt.Errorf("gzip: %w", err)
		}
		f.r = bufio.NewReaderSize(z, 64<<10)
	case bytes.Equal(magic, []byte("\x28\xb5\x2f\xfd")):
		z, err := zstd.NewReader(raw, zstd.WithDecoderMaxWindow(zstdWindow), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return fmt.Errorf("zstd: %w", err)
		}
		f.unpack = z.Close
		f.r = bufio.NewReaderSize(z, 64<<10)
	default:
		f.packed, f.r = false, raw
	}
	return nil
}

func (f *file) close() {
	if f.unpack != nil {
		f.unpack()
		f.unpack = nil
	}
	if f.f != nil {
		_ = f.f.Close() // it was only read
		f.f = nil
	}
	f.r, f.long, f.length = nil, nil, 0
}

// A counting reader counts what is read.
type counting struct {
	from io.Reader
	n    *atomic.Int64
}

func (c *counting) Read(b []byte) (int, error) {
	n, err := c.from.Read(b)
	if c.n != nil {
		c.n.Add(int64(n))
	}
	return n, err
}

// next returns the next line, without its end, valid until the next call. One
// that is too long comes cut, with errTooLong. With whole, what has no end yet
// is no line: next returns io.EOF, and goes on from there when it is called
// again after the file has grown.
func (f *file) next(whole bool) (line []byte, err error) {
	for {
		part, err := f.r.ReadSlice('\n')
		if err == nil && f.length == 0 {
			return f.took(part, int64(len(part)))
		}
		f.length += int64(len(part))
		f.long = append(f.long, part[:min(len(part), maxLine+1-len(f.long))]...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil && !errors.Is(err, io.EOF):
			return nil, err
		case err != nil && (f.length == 0 || whole):
			return nil, io.EOF
		}
		line, n := f.long, f.length
		f.long, f.length = f.long[:0], 0
		return f.took(line, n)
	}
}

// took counts a line of n bytes that has been read.
func (f *file) took(line []byte, n int64) ([]byte, error) {
	f.line++
	f.offset += n
	if n > maxLine {
		return line[:min(len(line), maxLine)], errTooLong
	}
	return bytes.TrimSuffix(line, []byte("\n")), nil
}

// sniff finds out what f is, and the time at which it begins.
func (f *file) sniff() error {
	if err := f.open(nil); err != nil {
		return err
	}
	defer f.close()
	// Peek gives what can be read of a damaged file, too.
	f.r = bufio.NewReaderSize(f.r, headBytes)
	head, err := f.r.Peek(headBytes)
	if len(head) == 0 {
		if err == nil || errors.Is(err, io.EOF) {
			err = errEmpty
		}
		return err
	}
	if f.format = formatOf(head); f.format == notLog {
		return errNotLog
	}
	f.head = slices.Clone(head[:min(len(head), identityBytes)])
	f.begin(head)
	return nil
}

// IsLog reports whether head, the begin of a file that is not compressed any
// more, is that of a log that a [Source] reads.
func IsLog(head []byte) bool { return formatOf(head) != notLog }

func formatOf(head []byte) format {
	switch {
	case eve.IsLog(head):
		return eveLog
	case binetflow.IsLog(head):
		return argusLog
	case zeek.IsLog(head):
		return zeekLog
	}
	return notLog
}

// begin sets when f begins, by its first lines. Conversations stand in a log
// when they have ended, so the earliest end is nearest to when it was written;
// in a log sorted by their begins it is near that, too.
func (f *file) begin(head []byte) {
	const enough = 200 // lines
	probe := file{path: f.path, format: f.format}
	newDecoders("", zeek.NewJoin(2*enough)).give(&probe)
	var b weir.Batch
	earliest := func(t time.Time) {
		if !t.IsZero() && (f.first.IsZero() || t.Before(f.first)) {
			f.first = t
		}
	}
	f.rank = 1
	n := 0
	for line := range bytes.SplitSeq(head, []byte("\n")) {
		if n++; n > enough {
			break
		}
		_ = probe.decoder.Line(&b, line) // what is wrong is said when it is read
		if len(b.Flows) > 0 {
			f.rank = 2 // what was said in a conversation is read before it
			for i := range b.Flows {
				earliest(b.Flows[i].End)
			}
			b.Reset()
			continue
		}
		earliest(probe.timeOf(&b, line))
	}
	f.clock = f.first
}

// timeOf returns the time that the last line of f tells of, the zero Time if
// none. It gave b.
func (f *file) timeOf(b *weir.Batch, line []byte) time.Time {
	switch {
	case f.zeek != nil:
		return f.zeek.Time()
	case f.format == argusLog:
		if n := len(b.Flows); n > 0 {
			return b.Flows[n-1].Start
		}
		return time.Time{}
	}
	// Suricata puts it first: {"timestamp":"2017-07-26T20:10:23.123456+0000",
	const layout = "2006-01-02T15:04:05.999999999-0700"
	_, rest, ok := bytes.Cut(line[:min(len(line), 256)], []byte(`"timestamp":"`))
	if !ok {
		return time.Time{}
	}
	text, _, _ := bytes.Cut(rest, []byte(`"`))
	t, err := time.Parse(layout, string(text))
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// name is by what f is called in notes: its folder, which may be a date, and itself.
func (f *file) name() string {
	return filepath.ToSlash(filepath.Join(filepath.Base(filepath.Dir(f.path)), filepath.Base(f.path)))
}
