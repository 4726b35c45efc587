package duckdb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	bindings "github.com/duckdb/duckdb-go-bindings"

	"github.com/weir-nta/weir/store"
)

// pending is what was appended and not yet handed to the scribe. It is guarded
// by Store.write.
type pending struct {
	rows   int64 // since the last commit that was ordered, handed on or not
	bounds bounds
	chunks []*chunk // by table, nil where there is no record
}

// An order is what the scribe is told to do: write a chunk, or commit.
type order struct {
	chunk *chunk

	rows   int64 // since the last commit
	bounds bounds
	done   chan<- error // nil if nobody waits for the commit
}

const (
	// queued is how many chunks may wait for the scribe, some 2 MB each: for as
	// long as a row group is compressed, Append goes on for 60,000 records.
	queued = 32
	// spare is how many empty chunks of a table are kept.
	spare = 8
)

// put puts rows of a table into chunks, and full ones into the hands of the scribe.
func put[R any](s *Store, table int, rows []R, putSome func(*chunk, []R, int)) {
	p := &s.pending
	for len(rows) > 0 {
		if p.chunks[table] == nil {
			p.chunks[table] = s.emptyChunk(table)
		}
		c := p.chunks[table]
		n := min(len(rows), 64, vectorSize-c.rows)
		putSome(c, rows[:n], c.rows)
		c.rows += n
		rows = rows[n:]
		if c.rows == vectorSize {
			s.handOn(table)
		}
	}
}

func (s *Store) emptyChunk(table int) *chunk {
	select {
	case c := <-s.spare[table]:
		return c
	default:
		return newChunk(&layouts[table])
	}
}

func (s *Store) handOn(table int) {
	s.orders <- order{chunk: s.pending.chunks[table]}
	s.pending.chunks[table] = nil
}

// order has the scribe commit what was appended so far. Store.write is held.
func (s *Store) order(done chan<- error) {
	p := &s.pending
	for i, c := range p.chunks {
		if c != nil {
			s.handOn(i)
		}
	}
	s.orders <- order{rows: p.rows, bounds: p.bounds, done: done}
	p.rows, p.bounds = 0, bounds{}
}

// commitNow commits what was appended so far and waits for it. Store.write is
// held, and so nothing is in the hands of the scribe when it returns.
func (s *Store) commitNow() error {
	done := make(chan error, 1)
	s.order(done)
	return s.withLost(<-done)
}

// withLost adds to err what commits have lost that nobody waited for.
func (s *Store) withLost(err error) error {
	s.lostMu.Lock()
	defer s.lostMu.Unlock()
	lost := s.lost
	s.lost = nil
	var now *store.LostError
	switch {
	case lost == nil:
		return err
	case errors.As(err, &now):
		return &store.LostError{Records: lost.Records + now.Records, Err: now.Err}
	}
	return lost
}

// A scribe writes chunks into the active segment, in a goroutine of its own,
// so that records are taken while others are compressed. It has one open
// transaction at a time.
type scribe struct {
	conn   *conn
	begun  bool
	err    error // why the transaction cannot be committed any more
	sheets []*sheet
}

// obey carries out the orders, until there are no more.
func (s *Store) obey() {
	defer close(s.written)
	for o := range s.orders {
		if o.chunk != nil {
			s.writeChunk(o.chunk)
			continue
		}
		err := s.commit(o)
		if o.done != nil {
			o.done <- err
			continue
		}
		if err != nil {
			s.lostMu.Lock()
			if s.lost != nil {
				o.rows += s.lost.Records
			}
			s.lost = &store.LostError{Records: o.rows, Err: err}
			s.lostMu.Unlock()
		}
	}
}

// writeChunk puts the rows of a chunk into the transaction.
func (s *Store) writeChunk(c *chunk) {
	w := &s.scribe
	if w.err == nil {
		if w.err = w.put(s, c); w.err != nil {
			s.failing.Store(true)
		}
	}
	c.reset()
	select {
	case s.spare[c.layout.place()] <- c:
	default:
		c.close()
	}
}

func (w *scribe) put(s *Store, c *chunk) error {
	if !w.begun {
		if err := w.conn.exec("BEGIN"); err != nil {
			return err
		}
		w.begun = true
	}
	i := c.layout.place()
	if w.sheets[i] == nil {
		sh, err := newSheet(w.conn, s.segs.active().name, c.layout)
		if err != nil {
			return err
		}
		w.sheets[i] = sh
	}
	return w.sheets[i].push(c)
}

// commit makes durable what was written since the last one: all or nothing.
func (s *Store) commit(o order) error {
	w := &s.scribe
	for _, sh := range w.sheets {
		if sh != nil && w.err == nil {
			w.err = sh.flush()
		}
	}
	if w.begun && w.err == nil {
		w.err = w.conn.exec("COMMIT")
	}
	if w.err != nil {
		err := w.err
		w.drop()
		_ = w.conn.exec("ROLLBACK") // which a COMMIT that failed has done already
		w.begun, w.err = false, nil
		s.failing.Store(false)
		return &store.LostError{Records: o.rows, Err: fmt.Errorf("write %d records: %w", o.rows, err)}
	}
	if w.begun {
		w.begun = false
		s.segs.committed(o.bounds, o.rows)
		s.sealIfFull()
	}
	return nil
}

// drop lets go of the sheets: of the segment, or of what was not committed.
func (w *scribe) drop() {
	for i, sh := range w.sheets {
		if sh != nil {
			sh.shut()
			w.sheets[i] = nil
		}
	}
}

// A sheet is the way of records into one table of the active segment.
type sheet struct {
	conn     *conn
	segment  string
	layout   *layout
	has      []bool             // the columns of the layout that the table has
	part     bindings.DataChunk // of a chunk, only these
	appender bindings.Appender  // into these
	appended int                // rows in the appender
}

func newSheet(c *conn, segment string, l *layout) (*sheet, error) {
	sh := &sheet{conn: c, segment: segment, layout: l}
	if err := errors.Join(sh.look(), sh.open()); err != nil {
		sh.shut()
		return nil, err
	}
	return sh, nil
}

// table is the table as SQL has it.
func (sh *sheet) table() string {
	return sh.segment + ".main." + quote(sh.layout.table.Name)
}

// look finds out which columns the table has.
func (sh *sheet) look() error {
	cols := sh.layout.columns()
	sh.has = make([]bool, len(cols))
	return sh.conn.query(context.Background(), "SELECT name FROM pragma_table_info(?)", []any{sh.table()}, func(b *block) bool {
		for row := range b.rows {
			name := b.text(0, row)
			if i := slices.IndexFunc(cols, func(c column) bool { return c.name == name }); i >= 0 { // else it is another version's
				sh.has[i] = true
			}
		}
		return true
	})
}

// open makes the appender, of the columns that the table has. It knows them by
// name: a file of another version may have them in another order.
func (sh *sheet) open() error {
	l := sh.layout
	if bindings.AppenderCreateExt(sh.conn.c, sh.segment, "main", l.table.Name, &sh.appender) == bindings.StateError {
		return errors.New(bindings.AppenderError(sh.appender))
	}
	var types []bindings.LogicalType
	for i, t := range l.logicalTypes() {
		defer bindings.DestroyLogicalType(&t)
		if !sh.has[i] {
			continue
		}
		types = append(types, t)
		if bindings.AppenderAddColumn(sh.appender, l.columns()[i].name) == bindings.StateError {
			return errors.New(bindings.AppenderError(sh.appender))
		}
	}
	sh.part = bindings.CreateDataChunk(types)
	return nil
}

// widen gives the table the columns that c fills and it lacks.
func (sh *sheet) widen(c *chunk) error {
	var sql strings.Builder
	for i, col := range sh.layout.columns() {
		if c.filled[i] && !sh.has[i] {
			fmt.Fprintf(&sql, "ALTER TABLE %s ADD COLUMN %s;", sh.table(), col.define())
			sh.has[i] = true
		}
	}
	if sql.Len() == 0 {
		return nil
	}
	if err := sh.flush(); err != nil {
		return err
	}
	sh.shut()
	if err := sh.conn.exec(sql.String()); err != nil {
		return err
	}
	return sh.open()
}

// push hands the rows of a chunk to the database.
func (sh *sheet) push(c *chunk) error {
	if err := sh.widen(c); err != nil {
		return err
	}
	to := 0
	for i, has := range sh.has {
		if has {
			bindings.VectorReferenceVector(bindings.DataChunkGetVector(sh.part, bindings.IdxT(to)), c.vecs[i])
			to++
		}
	}
	bindings.DataChunkSetSize(sh.part, bindings.IdxT(c.rows))
	if bindings.AppendDataChunk(sh.appender, sh.part) == bindings.StateError {
		return errors.New(bindings.AppenderError(sh.appender))
	}
	sh.appended += c.rows
	if sh.appended < flushRows {
		return nil
	}
	return sh.flush()
}

// flush hands what the appender has gathered to the transaction.
func (sh *sheet) flush() error {
	sh.appended = 0
	if bindings.AppenderFlush(sh.appender) == bindings.StateError {
		return errors.New(bindings.AppenderError(sh.appender))
	}
	return nil
}

// shut closes the appender; what was not flushed is dropped.
func (sh *sheet) shut() {
	if sh.appender.Ptr != nil {
		bindings.AppenderClear(sh.appender)
		bindings.AppenderDestroy(&sh.appender)
	}
	bindings.DestroyDataChunk(&sh.part)
}
