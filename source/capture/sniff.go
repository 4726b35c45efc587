package capture

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxWindow is how far back a zstd stream may refer, and so how much memory it
// may take: what "zstd -19 --long=27" needs. What needs more is refused.
const maxWindow = 128 << 20

// packing returns how the bytes after head are compressed, "" for not in a way
// that can be read.
func packing(head []byte) string {
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b, 8}):
		return "gzip"
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return "zstd"
	case len(head) >= 4 && head[0]&0xf0 == 0x50 && bytes.Equal(head[1:4], []byte{0x2a, 0x4d, 0x18}):
		return "zstd" // a skippable frame first, as pzstd writes
	}
	return ""
}

// unpack puts a decompressor between r and its input. Both kinds of stream may
// consist of several behind one another.
func (r *Reader) unpack(how string) error {
	r.packed = how
	if how == "gzip" {
		z, err := gzip.NewReader(r.in)
		if err != nil {
			return r.failed(err)
		}
		r.in = bufio.NewReaderSize(z, window)
		return nil
	}
	// One at a time: a source is one goroutine.
	z, err := zstd.NewReader(r.in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return r.failed(err)
	}
	r.close = z.Close
	r.in = bufio.NewReaderSize(io.Reader(z), window)
	return nil
}

// signatures are how things begin that people take for captures, or that lie
// beside them.
var signatures = []struct{ prefix, what string }{
	{"\x7fELF", "a program (ELF)"},
	{"MZ", "a Windows program"},
	{"PK\x03\x04", "a zip archive: unpack it first"},
	{"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it first"},
	{"Rar!", "a rar archive: unpack it first"},
	{"\xfd7zXZ", "xz-compressed: unpack it first"},
	{"BZh", "bzip2-compressed: unpack it first"},
	{"\x04\x22\x4d\x18", "lz4-compressed: unpack it first"},
	{"\x1f\x8b", "compressed more than once: unpack it first"},
	{"\x28\xb5\x2f\xfd", "compressed more than once: unpack it first"},
	{"snoop\x00\x00\x00", "a snoop capture: convert it with editcap"},
	{"GMBU", "a Microsoft Network Monitor capture: convert it with editcap"},
	{"RTSS", "a Microsoft Network Monitor capture: convert it with editcap"},
	{"XCP\x00", "a NetXRay capture: convert it with editcap"},
	{"\x0c\xa5", "an nfdump file"},
	{"\xa5\x0c", "an nfdump file"},
	{"#separator", "a Zeek log"},
	{"#fields", "a Zeek log"},
	{"%PDF", "a PDF document"},
	{"\x89PNG", "a picture (PNG)"},
	{"SQLite format 3", "an SQLite database"},
}

// looksLike says what a file that begins with head seems to be.
func looksLike(head []byte) string {
	for _, s := range signatures {
		if bytes.HasPrefix(head, []byte(s.prefix)) {
			return "it looks like " + s.what
		}
	}
	for _, magic := range [][]byte{{0xd4, 0xc3, 0xb2, 0xa1}, {0x4d, 0x3c, 0xb2, 0xa1}, {0xa1, 0xb2, 0xc3, 0xd4}, {0xa1, 0xb2, 0x3c, 0x4d}} {
		if bytes.HasPrefix(head, magic) {
			return fmt.Sprintf("it ends within its pcap header, %d of %d bytes are there", len(head), pcapHeader)
		}
	}
	if len(bytes.Trim(head, "\x00")) == 0 {
		return "it begins with zeros"
	}
	if !isText(head) {
		return fmt.Sprintf("it begins with the bytes % x", head[:min(len(head), 8)])
	}
	text := strings.TrimSpace(string(head))
	lower := strings.ToLower(text)
	switch {
	case strings.HasPrefix(lower, "<!doctype html"), strings.HasPrefix(lower, "<html"):
		return "it looks like HTML, as a download page would be"
	case strings.HasPrefix(text, "{"), strings.HasPrefix(text, "["):
		return "it looks like JSON"
	case strings.HasPrefix(text, "version https://git-lfs"):
		return "it is a Git LFS pointer: fetch the file itself"
	}
	line, _, _ := strings.Cut(text, "\n")
	if r := []rune(line); len(r) > 40 {
		line = string(r[:40]) + "…"
	}
	return fmt.Sprintf("it looks like text: %q", line)
}

// isText says whether head is UTF-8 without control characters. The last
// character may be cut.
func isText(head []byte) bool {
	for len(head) > 0 {
		c, n := utf8.DecodeRune(head)
		if c == utf8.RuneError && n == 1 {
			return len(head) < utf8.UTFMax && !utf8.FullRune(head)
		}
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' {
			return false
		}
		head = head[n:]
	}
	return true
}
