package collector

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/zeebo/xxh3"
)

// The saved state is one file: a name, a number of entries, each an address, a
// time and what the decoder of that exporter has learned, and a hash of it all.
const (
	stateFile = "exporters.state"
	stateName = "weir exporters 1\n"
	// maxState is how large the file may be: what all templates that a
	// collector keeps take many times over.
	maxState = 256 << 20
	// stateFor is how long what is known of an exporter that does not come
	// back is kept.
	stateFor = 30 * 24 * time.Hour
)

var errState = errors.New("damaged state")

// state is what exporters have told, from one run to the next.
type state struct {
	path string // empty for none
	most int    // exporters

	mu    sync.Mutex
	saved map[netip.Addr]saved // of exporters that are not in the table
	hash  uint64               // of the file
}

type saved struct {
	seen  int64 // Unix nanoseconds
	state []byte
}

// open makes the folder and reads what is in it. A file that cannot be read is
// counted and will be replaced; a folder that cannot be made is an error.
func (s *state) open(c *Config, n *counters) error {
	s.saved = map[netip.Addr]saved{}
	s.most = c.MaxExporters
	if c.StateDir == "" {
		return nil
	}
	if err := os.MkdirAll(c.StateDir, 0o750); err != nil {
		return fmt.Errorf("state: %w", err)
	}
	s.path = filepath.Join(c.StateDir, stateFile)
	b, err := readState(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = s.load(b)
	}
	if err != nil {
		n.stateErrors.Add(1)
		clear(s.saved)
	}
	return nil
}

// readState reads the file, if it is not too large.
func readState(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	b, err := io.ReadAll(io.LimitReader(f, maxState+1))
	if err == nil && len(b) > maxState {
		err = errState
	}
	return b, err
}

// load takes the entries of b.
func (s *state) load(b []byte) error {
	if len(b) < len(stateName)+8 || string(b[:len(stateName)]) != stateName {
		return errState
	}
	body := b[:len(b)-8]
	if xxh3.Hash(body) != binary.BigEndian.Uint64(b[len(b)-8:]) {
		return errState
	}
	for body = body[len(stateName):]; len(body) > 0; {
		n, size := binary.Uvarint(body)
		if size <= 0 || n > uint64(len(body)-size) || n < 17+8 {
			return errState
		}
		entry := body[size : size+int(n)]
		body = body[size+int(n):]
		addr, ok := netip.AddrFromSlice(entry[1:17])
		if !ok || len(s.saved) >= s.most {
			return errState
		}
		s.saved[addr.Unmap()] = saved{int64(binary.BigEndian.Uint64(entry[17:])), entry[25:]}
	}
	return nil
}

// appendEntry appends an entry.
func appendEntry(b []byte, addr netip.Addr, e saved) []byte {
	b = binary.AppendUvarint(b, uint64(17+8+len(e.state)))
	a := addr.As16()
	b = append(append(b, 16), a[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(e.seen))
	return append(b, e.state...)
}

// of returns what was known of the exporter at addr and forgets it: from now
// on its decoder knows.
func (s *state) of(addr netip.Addr) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.saved[addr]
	delete(s.saved, addr)
	return e.state
}

// keep keeps what an exporter knew that makes place for another.
func (s *state) keep(e *exporter) {
	b := e.state(nil)
	if s.path == "" || len(b) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.saved) < s.most {
		s.saved[e.addr] = saved{e.seen.Load(), b}
	}
}

// state appends what the decoder of e has learned, nothing if it has nothing
// to keep.
func (e *exporter) state(b []byte) []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.netflow == nil || !e.addr.IsValid() {
		return b
	}
	return e.netflow.AppendState(b)
}

// save writes the state if it has changed: into another file first, so that
// there is a whole one at any time.
func (s *state) save(c *Collector, at time.Time) {
	if s.path == "" {
		return
	}
	b := s.append([]byte(stateName), c.table.all(), at)
	hash := xxh3.Hash(b)
	if hash == s.hash {
		return
	}
	if len(b)+8 > maxState {
		c.counters.stateErrors.Add(1)
		return
	}
	if err := writeFile(s.path, binary.BigEndian.AppendUint64(b, hash)); err != nil {
		c.counters.stateErrors.Add(1)
		return
	}
	s.hash = hash
}

// append appends the entries of the exporters in the table and of those that
// have not come back yet, by address, so that the same state is the same file.
func (s *state) append(b []byte, exporters []*exporter, at time.Time) []byte {
	entries := map[netip.Addr]saved{}
	for _, e := range exporters {
		if st := e.state(nil); len(st) > 0 {
			entries[e.addr] = saved{at.Truncate(24 * time.Hour).UnixNano(), st} // by the day: not a new file each minute
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for addr, e := range s.saved {
		if at.Sub(time.Unix(0, e.seen)) > stateFor {
			delete(s.saved, addr)
			continue
		}
		if _, ok := entries[addr]; !ok && len(entries) < s.most {
			entries[addr] = e
		}
	}
	order := make([]netip.Addr, 0, len(entries))
	for addr := range entries {
		order = append(order, addr)
	}
	slices.SortFunc(order, netip.Addr.Compare)
	for _, addr := range order {
		b = appendEntry(b, addr, entries[addr])
	}
	return b
}

// writeFile writes b to path, all or nothing.
func writeFile(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+stateFile+"-*")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // what is left of it is of no use
	}
	return err
}
