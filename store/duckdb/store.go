// Package duckdb keeps records in files of DuckDB, an analytic database that
// runs inside the process.
//
// A store is a folder. Its weir.duckdb lists the files that hold records
// (segments); being open for writing, it is also what keeps a second process
// out. Records are written column by column into the memory that the database
// works on and are committed by the hundred thousand; see
// docs/decisions/2026-11-22-embedded-store.md.
package duckdb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	bindings "github.com/duckdb/duckdb-go-bindings"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/store"
)

// Config says where a store is and what it may use.
type Config struct {
	// Dir is the folder of the store, which is made where it does not exist.
	Dir string
	// MemoryLimit bounds, in bytes, what the database takes for its cache,
	// questions and records not yet written; questions that need more go to
	// disk. 0 stands for 1 GiB.
	MemoryLimit int64
	// Threads bounds the threads that work on one question; 0 stands for one
	// per processor.
	Threads int

	// For tests: 0 stands for the constants below.
	commitRows, sealRows, maxRows int64
}

const (
	defaultMemory = 1 << 30
	minMemory     = 128 << 20
	// commitRows is after how many records Append commits by itself: enough
	// for the database to write full row groups of all busy tables straight to
	// the file, without its log.
	commitRows = 4 * rowGroup
	// rowGroup is how many rows the database compresses together.
	rowGroup = 122_880
	// flushRows is after how many rows they are handed on to the row group that
	// is being filled, while they still are in the processor's cache.
	flushRows = 10_240
	// blockSize is the unit of the files: smaller than usual, since a segment
	// of a quiet network has more columns than records.
	blockSize = 64 << 10
	// A segment is closed when it has sealRows and a new day begins, or at maxRows.
	sealRows = 1_000_000
	maxRows  = 50_000_000
)

// ErrInUse says that another process, or another Store of this one, has the
// folder open.
var ErrInUse = errors.New("store is in use")

// A Store keeps records in files of DuckDB. It implements store.Store.
type Store struct {
	config Config
	db     bindings.Database

	// The way of records: Append fills chunks, the scribe writes them.
	write   sync.Mutex // held while appending; taken before segs
	pending pending
	orders  chan order
	scribe  scribe        // in its own goroutine
	written chan struct{} // closed when that has ended
	spare   []chan *chunk // by table, empty ones
	failing atomic.Bool   // the scribe waits for the commit to tell that it failed
	lostMu  sync.Mutex
	lost    *store.LostError // what commits have lost that nobody waited for
	closed  bool             // guarded by write and asking

	// The way of questions.
	asking  sync.Mutex // not held while another of these is taken
	control *conn      // for settings
	reading int        // questions under way

	segs    segments
	growing sync.Mutex // held while a first-seen index is brought up to date
	retain  sync.Mutex // held while old records are deleted

	idle chan *conn // connections for questions that wait for the next one
}

// open holds the folders that are open in this process: the lock of the
// database is the process's and does not tell two stores of one process apart.
var open = struct {
	sync.Mutex
	dirs map[string]bool
}{dirs: map[string]bool{}}

// Open opens the store, which is made if there is none. It returns ErrInUse
// if it is open already.
func Open(c Config) (*Store, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	if c.Dir, err = filepath.EvalSymlinks(dir); err != nil {
		return nil, err
	}
	if !claim(c.Dir) {
		return nil, fmt.Errorf("%s: %w by this process", c.Dir, ErrInUse)
	}
	s := newStore(c)
	if err := s.start(); err != nil {
		s.stop()
		release(c.Dir)
		return nil, fmt.Errorf("open store %s: %w", c.Dir, err)
	}
	go s.obey()
	return s, nil
}

func newStore(c Config) *Store {
	s := &Store{config: c, idle: make(chan *conn, 8), orders: make(chan order, queued), written: make(chan struct{})}
	s.pending.chunks = make([]*chunk, len(layouts))
	s.scribe.sheets = make([]*sheet, len(layouts))
	s.spare = make([]chan *chunk, len(layouts))
	for i := range s.spare {
		s.spare[i] = make(chan *chunk, spare)
	}
	return s
}

// database is the file of a store that is there as long as the store is.
const database = "weir.duckdb"

// Exists reports whether there is a store in dir. Open would make one.
func Exists(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, database))
	return err == nil
}

func (c *Config) check() error {
	if c.Dir == "" {
		return errors.New("dir: got none, want the folder of the store")
	}
	if c.MemoryLimit == 0 {
		c.MemoryLimit = defaultMemory
	}
	if c.MemoryLimit < minMemory {
		return fmt.Errorf("memory_limit: got %d, want %d or more", c.MemoryLimit, minMemory)
	}
	if c.Threads < 0 {
		return fmt.Errorf("threads: got %d, want 0 or more", c.Threads)
	}
	if c.Threads == 0 {
		c.Threads = runtime.GOMAXPROCS(0)
	}
	for _, d := range []struct {
		n   *int64
		def int64
	}{{&c.commitRows, commitRows}, {&c.sealRows, sealRows}, {&c.maxRows, maxRows}} {
		if *d.n == 0 {
			*d.n = d.def
		}
	}
	return nil
}

func claim(dir string) bool {
	open.Lock()
	defer open.Unlock()
	if open.dirs[dir] {
		return false
	}
	open.dirs[dir] = true
	return true
}

func release(dir string) {
	open.Lock()
	defer open.Unlock()
	delete(open.dirs, dir)
}

// start opens the database and the segments.
func (s *Store) start() (err error) {
	if s.db, err = openDatabase(filepath.Join(s.config.Dir, database), s.settings()); err != nil {
		if strings.Contains(err.Error(), "Could not set lock") {
			return fmt.Errorf("%w by another process%s", ErrInUse, holder(err))
		}
		return err
	}
	if s.scribe.conn, err = connect(s.db); err != nil {
		return err
	}
	if s.control, err = connect(s.db); err != nil {
		return err
	}
	return s.segs.load(s)
}

var lockHolder = regexp.MustCompile(` \(PID \d+\)`)

// holder returns who holds the lock of a database, if the database told.
func holder(err error) string { return lockHolder.FindString(err.Error()) }

func (s *Store) settings() map[string]string {
	return map[string]string{
		"threads":                      "1", // while nobody asks: see reader
		"memory_limit":                 fmt.Sprintf("%dB", s.config.MemoryLimit),
		"temp_directory":               filepath.Join(s.config.Dir, "tmp"),
		"autoinstall_known_extensions": "false",
		"autoload_known_extensions":    "false",
		"preserve_insertion_order":     "false",
		"write_buffer_row_group_count": "1", // with 5, its default, appending costs a fifth more
	}
}

// stop lets go of the database.
func (s *Store) stop() {
	s.scribe.drop()
	for i := range s.spare {
		close(s.spare[i])
		for c := range s.spare[i] {
			c.close()
		}
	}
	close(s.idle)
	for c := range s.idle {
		c.close()
	}
	for _, c := range []*conn{s.scribe.conn, s.control} {
		if c != nil {
			c.close()
		}
	}
	if s.segs.admin != nil {
		s.segs.close()
	}
	bindings.Close(&s.db)
}

// Close writes what is still buffered and lets go of the store.
func (s *Store) Close() error {
	s.retain.Lock()
	defer s.retain.Unlock()
	s.write.Lock()
	defer s.write.Unlock()
	if s.closed {
		return nil
	}
	err := s.commitNow()
	close(s.orders)
	<-s.written
	s.asking.Lock()
	defer s.asking.Unlock()
	s.closed = true
	s.stop()
	release(s.config.Dir)
	return err
}

// Append takes the records of b, all or none; a Flush makes them durable. It
// waits while too much is on its way to the disk.
func (s *Store) Append(ctx context.Context, b *weir.Batch) error {
	s.write.Lock()
	defer s.write.Unlock()
	if err := s.usable(ctx); err != nil {
		return err
	}
	if err := s.lostBefore(); err != nil {
		return &store.LostError{Records: err.Records + int64(b.Len()), Err: err.Err}
	}
	s.pending.rows += int64(b.Len())
	s.pending.bounds.addBatch(b)
	putBatch(s, b)
	if s.pending.rows >= s.config.commitRows {
		s.order(nil)
	}
	return nil
}

// lostBefore tells what was lost of the records appended so far.
func (s *Store) lostBefore() (lost *store.LostError) {
	var err error
	if s.failing.Load() {
		err = s.commitNow()
	} else {
		err = s.withLost(nil)
	}
	errors.As(err, &lost)
	return lost
}

// Flush makes durable what was appended before.
func (s *Store) Flush(ctx context.Context) error {
	s.write.Lock()
	if err := s.usable(ctx); err != nil {
		s.write.Unlock()
		return err
	}
	done := make(chan error, 1)
	s.order(done)
	s.write.Unlock()
	return s.withLost(<-done) // meanwhile others append
}

func (s *Store) usable(ctx context.Context) error {
	if s.closed {
		return os.ErrClosed
	}
	return ctx.Err()
}
