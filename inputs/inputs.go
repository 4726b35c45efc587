// Package inputs opens whatever a user names as input: captures, logs of Zeek
// and Suricata, files of nfdump. What a file is, its content tells, not its name.
package inputs

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/bzip2"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/weir-nta/weir"
	decodenfcapd "github.com/weir-nta/weir/decode/nfcapd"
	"github.com/weir-nta/weir/source"
	"github.com/weir-nta/weir/source/capture"
	"github.com/weir-nta/weir/source/logs"
	"github.com/weir-nta/weir/source/nfcapd"
)

// Config says what to open and how each kind of input is to be read.
type Config struct {
	// Paths are files, folders, patterns of the shell and "-" for standard
	// input. A folder stands for all files in it and below it whose content is
	// of a kind that can be read.
	Paths []string
	// Stdin is read for "-"; nil means os.Stdin.
	Stdin io.Reader
	// Capture, Logs and Nfcapd set up the sources; their inputs are filled in here.
	Capture capture.Config
	Logs    logs.Config
	Nfcapd  nfcapd.Config
}

// A Kind is a family of formats that one source reads.
type Kind uint8

// The kinds.
const (
	Unknown Kind = iota
	Capture      // pcap, pcapng
	Log          // Zeek, Suricata EVE
	Nfcapd       // files of nfdump
)

// headBytes is how much of the beginning is looked at: enough for the header
// of a Zeek log with many fields and for a line of EVE.
const headBytes = 64 << 10

// Open finds out what the paths are and returns one source for them all. The
// kinds are read one after the other, captures first: what came in together
// makes the same records in every run. A file named that is of no kind is
// given to the source of captures, which says what is wrong with it; one found
// in a folder is left out and told in a note. A path that does not exist is an
// error that wraps [fs.ErrNotExist].
func Open(c Config) (source.Source, error) {
	s := sorting{config: &c}
	for _, path := range c.Paths {
		if err := s.add(path); err != nil {
			return nil, errors.Join(err, removeAll(s.temporary))
		}
	}
	src, err := s.open()
	if err != nil {
		return nil, errors.Join(err, removeAll(s.temporary))
	}
	return src, nil
}

func removeAll(dirs []string) error {
	var errs []error
	for _, d := range dirs {
		errs = append(errs, os.RemoveAll(d))
	}
	return errors.Join(errs...)
}

// sorting puts paths to the sources that can read them.
type sorting struct {
	config  *Config
	paths   [Nfcapd + 1][]string // by kind
	leftOut []string
	// temporary are folders to be removed at the end.
	temporary []string
}

func (s *sorting) add(path string) error {
	if path == "-" {
		return s.addStdin()
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		matches, gerr := filepath.Glob(path)
		if gerr != nil || len(matches) == 0 {
			return err
		}
		for _, m := range matches {
			if err := s.add(m); err != nil {
				return err
			}
		}
		return nil
	}
	if err != nil {
		return err
	}
	if info.IsDir() {
		return s.addFolder(path)
	}
	kind := Capture // of what is no regular file, such as a named pipe, nothing is read twice
	if info.Mode().IsRegular() {
		if kind, err = Sniff(path); err != nil {
			return err
		}
		if kind == Unknown {
			kind = Capture
		}
	}
	s.paths[kind] = append(s.paths[kind], path)
	return nil
}

// addStdin looks at what standard input brings first, and has it read from
// there again. Logs are read twice, once to find the time they begin at, and so
// go through a file.
func (s *sorting) addStdin() error {
	from := s.config.Stdin
	if from == nil {
		from = os.Stdin
	}
	r := bufio.NewReaderSize(from, headBytes)
	_, _ = r.Peek(1) // an error comes again when it is read
	head, _ := r.Peek(r.Buffered())
	path := "-"
	kind := kindOf(unpacked(bytes.NewReader(head)))
	switch kind {
	case Log:
		var err error
		if path, err = s.spool(r); err != nil {
			return err
		}
	case Nfcapd:
		s.config.Nfcapd.Stdin = r
	default:
		kind, s.config.Capture.Stdin = Capture, r
	}
	s.paths[kind] = append(s.paths[kind], path)
	return nil
}

// spool writes what r brings to a file that is gone when all has been read.
func (s *sorting) spool(r io.Reader) (string, error) {
	dir, err := os.MkdirTemp("", "weir-stdin-")
	if err != nil {
		return "", err
	}
	s.temporary = append(s.temporary, dir)
	f, err := os.Create(filepath.Join(dir, "standard input"))
	if err != nil {
		return "", err
	}
	_, err = io.Copy(f, r)
	if err := errors.Join(err, f.Close()); err != nil {
		return "", fmt.Errorf("standard input: %w", err)
	}
	return f.Name(), nil
}

// addFolder adds the files of a folder. One whose files are of one kind is left
// to their source, as is one in which nothing can be read.
func (s *sorting) addFolder(dir string) error {
	var found [Nfcapd + 1][]string
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Stat(path) // the file that a link leads to
		if err != nil || !info.Mode().IsRegular() {
			return nil
		}
		kind, err := Sniff(path)
		if err != nil {
			kind = Unknown
		}
		found[kind] = append(found[kind], path)
		return nil
	})
	if err != nil {
		return err
	}
	var kinds []Kind
	for k := Capture; k <= Nfcapd; k++ {
		if len(found[k]) > 0 {
			kinds = append(kinds, k)
		}
	}
	switch len(kinds) {
	case 0:
		s.paths[Capture] = append(s.paths[Capture], dir)
	case 1:
		s.paths[kinds[0]] = append(s.paths[kinds[0]], dir)
	default:
		for _, k := range kinds {
			s.paths[k] = append(s.paths[k], found[k]...)
		}
		s.leftOut = append(s.leftOut, found[Unknown]...)
	}
	return nil
}

// open makes the sources.
func (s *sorting) open() (source.Source, error) {
	q := sequence{temporary: s.temporary}
	c := s.config
	if paths := s.paths[Capture]; len(paths) > 0 {
		c.Capture.Inputs = paths
		src, err := capture.New(c.Capture)
		if err != nil {
			return nil, err
		}
		q.sources = append(q.sources, src)
	}
	if paths := s.paths[Log]; len(paths) > 0 {
		c.Logs.Inputs = paths
		src, err := logs.New(c.Logs)
		if err != nil {
			return nil, err
		}
		q.sources = append(q.sources, src)
	}
	if paths := s.paths[Nfcapd]; len(paths) > 0 {
		c.Nfcapd.Inputs = paths
		src, err := nfcapd.New(c.Nfcapd)
		if err != nil {
			return nil, err
		}
		q.sources = append(q.sources, src)
	}
	if len(q.sources) == 0 {
		return nil, errors.New("inputs: got none, want one or more")
	}
	if n := len(s.leftOut); n > 0 {
		q.note = fmt.Sprintf("files that are no capture, log or file of nfdump: %d, left out, such as %s", n, s.leftOut[0])
	}
	if len(q.sources) == 1 && q.note == "" && len(q.temporary) == 0 {
		return q.sources[0], nil
	}
	return &q, nil
}

// Sniff says what the file at path is, by its first bytes.
func Sniff(path string) (Kind, error) {
	f, err := os.Open(path)
	if err != nil {
		return Unknown, err
	}
	defer func() { _ = f.Close() }() // it was only read
	return kindOf(unpacked(f)), nil
}

// unpacked returns the first bytes of what r holds, out of its compression.
func unpacked(r io.Reader) []byte {
	in := bufio.NewReaderSize(r, 4096)
	magic, _ := in.Peek(4)
	var from io.Reader = in
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil
		}
		from = z
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(64<<20))
		if err != nil {
			return nil
		}
		defer z.Close()
		from = z
	case bytes.HasPrefix(magic, []byte("BZh")):
		from = bzip2.NewReader(in)
	}
	head := make([]byte, headBytes)
	n, _ := io.ReadFull(from, head) // less is what there is
	return head[:n]
}

func kindOf(head []byte) Kind {
	switch {
	case capture.IsCapture(head):
		return Capture
	case decodenfcapd.IsNfcapd(head):
		return Nfcapd
	case logs.IsLog(head):
		return Log
	}
	return Unknown
}

// A sequence runs sources one after the other.
type sequence struct {
	sources   []source.Source
	note      string
	temporary []string // folders to be removed at the end
}

// Run implements [source.Source]. Damage to one input keeps none of the others
// from being read.
func (q *sequence) Run(ctx context.Context, emit func(*weir.Batch) error) (err error) {
	defer func() {
		if rerr := removeAll(q.temporary); rerr != nil {
			err = errors.Join(err, rerr)
		}
	}()
	var errs []error
	for _, s := range q.sources {
		err := s.Run(ctx, emit)
		var damaged *source.DamagedError
		if err != nil && !errors.As(err, &damaged) {
			return errors.Join(append(errs, err)...)
		}
		if err != nil {
			errs = append(errs, err)
		}
		if ctx.Err() != nil {
			return errors.Join(append(errs, ctx.Err())...)
		}
	}
	return errors.Join(errs...)
}

// Progress implements [source.Source].
func (q *sequence) Progress() source.Progress {
	var sum source.Progress
	whole := true
	var units []string
	for _, s := range q.sources {
		p := s.Progress()
		sum.Bytes += p.Bytes
		sum.Total += p.Total
		sum.Packets += p.Packets
		sum.Records += p.Records
		sum.Skipped += p.Skipped
		sum.Notes = append(sum.Notes, p.Notes...)
		whole = whole && p.Total > 0
		if u := cmp.Or(p.Unit, "packets"); !slices.Contains(units, u) {
			units = append(units, u)
		}
	}
	sum.Unit = listed(units)
	if !whole {
		sum.Total = 0
	}
	if q.note != "" {
		sum.Notes = append(sum.Notes, q.note)
	}
	return sum
}

// listed writes a list as one says it: "packets, lines and records".
func listed(list []string) string {
	last := len(list) - 1
	if last < 1 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:last], ", ") + " and " + list[last]
}

// String names the kind, for what is said to users.
func (k Kind) String() string {
	return strings.Fields("unknown capture log nfcapd")[k]
}
