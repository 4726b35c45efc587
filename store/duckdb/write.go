package duckdb

import (
	"errors"
	"fmt"

	bindings "github.com/duckdb/duckdb-go-bindings"

	"github.com/weir-nta/weir"
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
	chunk    *chunk
	appender bindings.Appender
	appended int // rows in the appender
}

// add puts the records of b into the transaction.
func (p *pending) add(s *Store, b *weir.Batch) error {
	if !p.begun {
		if err := s.writer.exec("BEGIN"); err != nil {
			return err
		}
		p.begun = true
	}
	p.rows += int64(b.Len())
	p.bounds.addBatch(b)
	return errors.Join(
		put(s, p, weir.FlowTable, b.Flows, (*chunk).putFlow),
		put(s, p, weir.DNSTransactionTable, b.DNS, (*chunk).putDNSTransaction),
		put(s, p, weir.OddityTable, b.Oddities, (*chunk).putOddity),
		put(s, p, weir.FindingTable, b.Findings, (*chunk).putFinding),
	)
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
	sh := &sheet{chunk: newChunk(l)}
	if bindings.AppenderCreateExt(c.c, segment, "main", l.table.Name, &sh.appender) == bindings.StateError {
		err := errors.New(bindings.AppenderError(sh.appender))
		sh.close()
		return nil, err
	}
	// By name: a file of another version may have the columns in another order.
	for _, col := range l.columns() {
		if bindings.AppenderAddColumn(sh.appender, col.name) == bindings.StateError {
			err := errors.New(bindings.AppenderError(sh.appender))
			sh.close()
			return nil, err
		}
	}
	return sh, nil
}

// push hands the rows of the chunk to the database.
func (sh *sheet) push() error {
	if sh.chunk.rows == 0 {
		return nil
	}
	bindings.DataChunkSetSize(sh.chunk.data, bindings.IdxT(sh.chunk.rows))
	if bindings.AppendDataChunk(sh.appender, sh.chunk.data) == bindings.StateError {
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

// close gives the memory back; what was not flushed is dropped.
func (sh *sheet) close() {
	bindings.AppenderClear(sh.appender)
	bindings.AppenderDestroy(&sh.appender)
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
	s.pending.drop()
	_ = s.writer.exec("ROLLBACK") // which a COMMIT that failed has done already
	return err
}
