package duckdb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	bindings "github.com/duckdb/duckdb-go-bindings"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/store"
)

// pending is what was appended since the last commit: one open transaction on
// the active segment. It is guarded by Store.write.
type pending struct {
	begun  bool
	rows   int64
	bounds bounds
	tables []*sheet // by table, nil until the segment gets the first record of it
}

// A sheet is the way of records into one table of the active segment.
type sheet struct {
	conn     *conn
	segment  string
	chunk    *chunk
	has      []bool             // the columns of the chunk that the table has
	part     bindings.DataChunk // of the chunk, only these
	appender bindings.Appender  // into these
	appended int                // rows in the appender
}

// add puts the records of b into the transaction.
func (p *pending) add(s *Store, b *weir.Batch) error {
	p.rows += int64(b.Len())
	if !p.begun {
		if err := s.writer.exec("BEGIN"); err != nil {
			return err
		}
		p.begun = true
	}
	p.bounds.addBatch(b)
	return putBatch(s, p, b)
}

// put puts rows into the sheet of their table.
func put[R any](s *Store, p *pending, t *weir.Table, rows []R, putSome func(*chunk, []R, int)) error {
	if len(rows) == 0 {
		return nil
	}
	sh, err := p.sheet(s, t)
	if err != nil {
		return err
	}
	for len(rows) > 0 {
		c := sh.chunk
		n := min(len(rows), 64, vectorSize-c.rows)
		putSome(c, rows[:n], c.rows)
		c.rows += n
		rows = rows[n:]
		if c.rows == vectorSize {
			if err := sh.push(); err != nil {
				return err
			}
		}
	}
	return nil
}

// sheet returns the sheet of t, made where there is none yet.
func (p *pending) sheet(s *Store, t *weir.Table) (*sheet, error) {
	if p.tables == nil {
		p.tables = make([]*sheet, len(layouts))
	}
	for i := range layouts {
		if layouts[i].table != t {
			continue
		}
		if p.tables[i] == nil {
			sh, err := newSheet(s.writer, s.segs.active().name, &layouts[i])
			if err != nil {
				return nil, err
			}
			p.tables[i] = sh
		}
		return p.tables[i], nil
	}
	return nil, fmt.Errorf("no table %s", t.Name)
}

func newSheet(c *conn, segment string, l *layout) (*sheet, error) {
	sh := &sheet{conn: c, segment: segment, chunk: newChunk(l)}
	if err := sh.look(); err != nil {
		sh.close()
		return nil, err
	}
	if err := sh.open(); err != nil {
		sh.close()
		return nil, err
	}
	return sh, nil
}

// table is the table as SQL has it.
func (sh *sheet) table() string {
	return sh.segment + ".main." + quote(sh.chunk.layout.table.Name)
}

// look finds out which columns the table has.
func (sh *sheet) look() error {
	cols := sh.chunk.layout.columns()
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
	l := sh.chunk.layout
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

// widen gives the table the columns that the chunk fills and it lacks.
func (sh *sheet) widen() error {
	var sql strings.Builder
	for i, c := range sh.chunk.layout.columns() {
		if sh.chunk.filled[i] && !sh.has[i] {
			fmt.Fprintf(&sql, "ALTER TABLE %s ADD COLUMN %s;", sh.table(), c.define())
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

// push hands the rows of the chunk to the database.
func (sh *sheet) push() error {
	if sh.chunk.rows == 0 {
		return nil
	}
	if err := sh.widen(); err != nil {
		return err
	}
	to := 0
	for i, has := range sh.has {
		if has {
			bindings.VectorReferenceVector(bindings.DataChunkGetVector(sh.part, bindings.IdxT(to)), sh.chunk.vecs[i])
			to++
		}
	}
	bindings.DataChunkSetSize(sh.part, bindings.IdxT(sh.chunk.rows))
	if bindings.AppendDataChunk(sh.appender, sh.part) == bindings.StateError {
		return errors.New(bindings.AppenderError(sh.appender))
	}
	sh.appended += sh.chunk.rows
	sh.chunk.reset()
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

// close gives the memory back.
func (sh *sheet) close() {
	sh.shut()
	sh.chunk.close()
}

// drop forgets all records since the last commit.
func (p *pending) drop() {
	p.close()
	*p = pending{}
}

// close gives back the memory of the sheets.
func (p *pending) close() {
	for _, sh := range p.tables {
		if sh != nil {
			sh.close()
		}
	}
	p.tables = nil
}

// commit makes durable what was appended. Store.write is held.
func (s *Store) commit() error {
	p := &s.pending
	if !p.begun {
		return nil
	}
	for _, sh := range p.tables {
		if sh == nil {
			continue
		}
		if err := errors.Join(sh.push(), sh.flush()); err != nil {
			return s.abandon(fmt.Errorf("write %d records: %w", p.rows, err))
		}
	}
	if err := s.writer.exec("COMMIT"); err != nil {
		return s.abandon(fmt.Errorf("write %d records: %w", p.rows, err))
	}
	s.segs.committed(p.bounds, p.rows)
	p.begun, p.rows, p.bounds = false, 0, bounds{}
	s.sealIfFull()
	return nil
}

// abandon drops what was appended since the last commit, because of err.
func (s *Store) abandon(err error) error {
	lost := &store.LostError{Records: s.pending.rows, Err: err}
	s.pending.drop()
	_ = s.writer.exec("ROLLBACK") // which a COMMIT that failed has done already
	return lost
}
