package duckdb

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/weir-nta/weir"
)

// formatVersion is that of the folder: what is in weir.duckdb and how records
// are laid out. New columns do not change it, they are found by their names.
const formatVersion = 1

// maxAttached bounds the files that stay open between questions; a question
// opens as many as its window needs. Each takes some hundred kilobytes.
const maxAttached = 32

// A segment is one file of records. All of one commit go into one segment, so
// that a commit is all or none; a new one is begun with a new day, but not for
// few records: a capture that spans years does not make a thousand files.
type segment struct {
	id       int64
	name     string // as the database knows it
	bounds   bounds
	rows     int64
	attached bool
	used     int   // who reads it now
	removed  bool  // it is to go when nobody reads it any more
	lastUse  int64 // by segments.clock
}

// segments are the files of the store, in the order in which they were begun.
// The last one is written to.
type segments struct {
	sync.Mutex
	dir   string
	admin *conn
	list  []*segment
	seen  []*seen // indexes that are kept
	clock int64
	last  int64 // the highest id so far
}

// bounds are the times in a segment, in microseconds since 1970.
type bounds struct {
	all     span // of every record
	records span // of all but findings
	ended   span // when records ended
}

// A span is from the first to the last of some times; the zero span is of none.
type span struct {
	first, last int64
	any         bool
}

func (s *span) add(t int64) {
	if !s.any {
		*s = span{t, t, true}
		return
	}
	s.first, s.last = min(s.first, t), max(s.last, t)
}

func (s *span) join(o span) {
	if o.any {
		s.add(o.first)
		s.add(o.last)
	}
}

func (b *bounds) join(o bounds) {
	b.all.join(o.all)
	b.records.join(o.records)
	b.ended.join(o.ended)
}

func (b *bounds) addBatch(batch *weir.Batch) {
	for i := range batch.Flows {
		b.add(batch.Flows[i].Start, batch.Flows[i].End)
	}
	for i := range batch.DNS {
		b.add(batch.DNS[i].Time, batch.DNS[i].Time)
	}
	for i := range batch.Oddities {
		b.add(batch.Oddities[i].Time, batch.Oddities[i].Time)
	}
	for e := range batch.Endpoints {
		b.add(e.Time, e.Time)
	}
	for i := range batch.Hosts {
		b.add(batch.Hosts[i].Time, batch.Hosts[i].Time)
	}
	for i := range batch.Findings {
		b.addTold(batch.Findings[i].Time)
	}
	for i := range batch.Exporters {
		b.addTold(batch.Exporters[i].Time)
	}
}

// addTold adds the time of a record that is not itself traffic.
func (b *bounds) addTold(at time.Time) {
	t := micros(at)
	b.all.add(t)
	b.ended.add(t)
}

func (b *bounds) add(ts, end time.Time) {
	t := micros(ts)
	b.all.add(t)
	b.records.add(t)
	b.ended.add(micros(end))
}

// noTime stands for a missing time. SQL cannot spell the number below it.
const noTime = math.MinInt64 + 1

// micros returns t in microseconds since 1970, noTime for the zero time.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return noTime
	}
	return t.UnixMicro()
}

const catalogSQL = `
CREATE TABLE IF NOT EXISTS format(version BIGINT);
CREATE TABLE IF NOT EXISTS segment(id BIGINT, n BIGINT, first BIGINT, last BIGINT, record_first BIGINT, record_last BIGINT, ended_first BIGINT, ended_last BIGINT)`

// load reads the list of segments and opens the active one.
func (g *segments) load(s *Store) (err error) {
	g.dir = s.config.Dir
	if g.admin, err = connect(s.db); err != nil {
		return err
	}
	if err := g.admin.exec(catalogSQL); err != nil {
		return err
	}
	if err := g.checkVersion(); err != nil {
		return err
	}
	if err := g.makeShape(); err != nil {
		return err
	}
	if err := g.recallSeen(); err != nil {
		return err
	}
	err = g.admin.query(context.Background(), "SELECT id FROM segment ORDER BY n IS NULL, id", nil, func(b *block) bool {
		for row := range b.rows {
			g.list = append(g.list, newSegment(at[int64](b, 0, row)))
		}
		return true
	})
	if err != nil {
		return err
	}
	if err := g.removeOrphans(); err != nil {
		return err
	}
	if len(g.list) == 0 {
		return g.begin()
	}
	for _, seg := range g.list {
		g.last = max(g.last, seg.id)
	}
	for _, seg := range g.list {
		if err := g.recall(seg); err != nil {
			return err
		}
	}
	return nil
}

// makeShape makes empty tables with all columns in memory. Questions unite
// them by name with those of the files, which lack columns: so the database
// sees itself, and in the transaction that reads, which there are.
func (g *segments) makeShape() error {
	sql := "ATTACH ':memory:' AS shape;"
	for i := range layouts {
		var cols []string
		for _, c := range layouts[i].columns() {
			cols = append(cols, c.define())
		}
		sql += fmt.Sprintf("CREATE TABLE shape.main.%s (%s);", quote(layouts[i].table.Name), strings.Join(cols, ", "))
	}
	return g.admin.exec(sql)
}

func newSegment(id int64) *segment { return &segment{id: id, name: fmt.Sprintf("s%d", id)} }

func (g *segments) checkVersion() error {
	v, err := g.admin.number(context.Background(), "SELECT max(version) FROM format")
	if err != nil {
		return err
	}
	if v == 0 {
		return g.admin.exec(fmt.Sprintf("INSERT INTO format VALUES (%d)", formatVersion))
	}
	if v > formatVersion {
		return fmt.Errorf("it was written by a newer version of Weir (format %d, this one reads up to %d)", v, formatVersion)
	}
	return nil
}

// path returns where the file of a segment is.
func (g *segments) path(id int64) string {
	return filepath.Join(g.dir, fmt.Sprintf("records-%06d.duckdb", id))
}

// removeOrphans deletes files of segments that are not listed: those of a
// segment that was not listed yet, or listed no more, when the process died.
func (g *segments) removeOrphans() error {
	listed := map[string]bool{}
	for _, seg := range g.list {
		listed[filepath.Base(g.path(seg.id))] = true
	}
	files, err := filepath.Glob(filepath.Join(g.dir, "records-*.duckdb*"))
	if err != nil {
		return err
	}
	for _, f := range files {
		if !listed[strings.TrimSuffix(filepath.Base(f), ".wal")] {
			if err := os.Remove(f); err != nil {
				return err
			}
		}
	}
	return nil
}

// recall gets the bounds of a segment: from the list if it was closed, else
// from its records.
func (g *segments) recall(seg *segment) error {
	found := false
	err := g.admin.query(context.Background(), "SELECT n, first, last, record_first, record_last, ended_first, ended_last FROM segment WHERE id = ?", []any{seg.id}, func(b *block) bool {
		for row := range b.rows {
			if found = b.valid(0, row); found {
				seg.rows = at[int64](b, 0, row)
				seg.bounds = bounds{readSpan(b, 1, row), readSpan(b, 3, row), readSpan(b, 5, row)}
			}
		}
		return true
	})
	if err != nil || found {
		return err
	}
	if err := g.attach(seg); err != nil {
		return err
	}
	return g.measure(context.Background(), g.admin, seg)
}

func readSpan(b *block, col, row int) span {
	if !b.valid(col, row) {
		return span{}
	}
	return span{at[int64](b, col, row), at[int64](b, col+1, row), true}
}

// measure computes bounds and rows of a segment, which is open, from its records.
func (g *segments) measure(ctx context.Context, c *conn, seg *segment) error {
	seg.bounds, seg.rows = bounds{}, 0
	for i := range layouts {
		t := layouts[i].table
		sql := fmt.Sprintf("SELECT count(*), min(epoch_us(ts)), max(epoch_us(ts)), min(%[1]s), max(%[1]s), count(*) FILTER (ts IS NULL) FROM %[2]s.main.%[3]s",
			ended(t), seg.name, quote(t.Name))
		err := c.query(ctx, sql, nil, func(b *block) bool {
			for row := range b.rows {
				seg.rows += at[int64](b, 0, row)
				ts := readSpan(b, 1, row)
				if at[int64](b, 5, row) > 0 {
					ts.add(noTime)
				}
				seg.bounds.all.join(ts)
				if t != weir.FindingTable {
					seg.bounds.records.join(ts)
				}
				seg.bounds.ended.join(readSpan(b, 3, row))
			}
			return true
		})
		if err != nil {
			return fmt.Errorf("%s: %w", g.path(seg.id), err)
		}
	}
	return nil
}

// ended is, as SQL, when a record of t ended, in microseconds, the least
// number for one without a time.
func ended(t *weir.Table) string {
	if t == weir.FlowTable {
		return fmt.Sprintf(`coalesce(epoch_us("end"), %d)`, int64(noTime))
	}
	return fmt.Sprintf("coalesce(epoch_us(ts), %d)", int64(noTime))
}

// begin makes a new segment and lists it. Only then may records go into it: a
// file that is not listed is deleted when the store is opened.
func (g *segments) begin() error {
	seg := newSegment(g.nextID())
	if err := g.attach(seg); err != nil {
		return err
	}
	if err := g.admin.exec(fmt.Sprintf("INSERT INTO segment(id) VALUES (%d)", seg.id)); err != nil {
		return errors.Join(err, g.remove(seg))
	}
	g.list = append(g.list, seg)
	return nil
}

// attach opens the file of a segment, which is made if there is none, with
// all tables and columns of this version.
func (g *segments) attach(seg *segment) error {
	g.clock++
	seg.lastUse = g.clock
	if seg.attached {
		return nil
	}
	err := g.admin.exec(fmt.Sprintf("ATTACH %s AS %s (ROW_GROUP_SIZE %d, STORAGE_VERSION 'v1.4.0', BLOCK_SIZE %d)", literal(g.path(seg.id)), seg.name, rowGroup, blockSize))
	if err != nil {
		return fmt.Errorf("open %s: %w", g.path(seg.id), err)
	}
	if err := g.migrate(seg); err != nil {
		return errors.Join(fmt.Errorf("open %s: %w", g.path(seg.id), err), g.admin.exec("DETACH "+seg.name))
	}
	seg.attached = true
	return nil
}

// migrate makes the tables, and adds the columns, that a file lacks; optional
// columns come when they are filled. Columns that this version does not know
// stay as they are.
func (g *segments) migrate(seg *segment) error {
	have := map[string]string{}
	err := g.admin.query(context.Background(), "SELECT table_name || '.' || column_name, data_type FROM duckdb_columns() WHERE database_name = ?", []any{seg.name}, func(b *block) bool {
		for row := range b.rows {
			have[b.text(0, row)] = b.text(1, row)
		}
		return true
	})
	if err != nil {
		return err
	}
	var sql strings.Builder
	for i := range layouts {
		if err := addMissing(&sql, seg.name, &layouts[i], have); err != nil {
			return err
		}
	}
	if sql.Len() == 0 {
		return nil
	}
	return g.admin.exec("BEGIN;" + sql.String() + "COMMIT")
}

// addMissing writes the statements that give a file the table of l.
func addMissing(sql *strings.Builder, segment string, l *layout, have map[string]string) error {
	name := fmt.Sprintf("%s.main.%s", segment, quote(l.table.Name))
	cols := l.columns()
	if have[l.table.Name+"."+cols[0].name] == "" {
		var always []string
		for _, c := range cols {
			if !c.optional {
				always = append(always, c.define())
			}
		}
		fmt.Fprintf(sql, "CREATE TABLE %s (%s);", name, strings.Join(always, ", "))
		return nil
	}
	for _, c := range cols {
		switch is := have[l.table.Name+"."+c.name]; is {
		case c.sqlType:
		case "":
			if !c.optional {
				fmt.Fprintf(sql, "ALTER TABLE %s ADD COLUMN %s;", name, c.define())
			}
		default:
			return fmt.Errorf("column %s of table %s holds %s, this version of Weir keeps %s there", c.name, l.table.Name, is, c.sqlType)
		}
	}
	return nil
}

// active is the segment that is written to.
func (g *segments) active() *segment {
	g.Lock()
	defer g.Unlock()
	return g.list[len(g.list)-1]
}

// committed notes what was written to the active segment.
func (g *segments) committed(b bounds, rows int64) {
	g.Lock()
	defer g.Unlock()
	seg := g.list[len(g.list)-1]
	seg.bounds.join(b)
	seg.rows += rows
}

// sealIfFull begins a new segment if the active one has enough records.
// The scribe calls it between two transactions. What goes wrong here leaves the
// active segment as it is: the records that were just written are durable, and
// the next commit tries again.
func (s *Store) sealIfFull() {
	g := &s.segs
	g.Lock()
	defer g.Unlock()
	seg := g.list[len(g.list)-1]
	newDay := day(seg.bounds.all.last) > day(seg.bounds.all.first)
	if seg.rows < s.config.maxRows && (seg.rows < s.config.sealRows || !newDay) {
		return
	}
	if g.admin.exec("CHECKPOINT "+seg.name) != nil || g.begin() != nil {
		return
	}
	s.scribe.drop()
	_ = g.note(seg, false) // without it the bounds are computed again at the next start
}

// close lets go of the connection, but not while a question opens or closes
// files with it.
func (g *segments) close() {
	g.Lock()
	defer g.Unlock()
	g.admin.close()
	g.admin = nil
}

func day(t int64) int64 { return t / (24 * time.Hour).Microseconds() }

// note lists the bounds of a segment, unless it may still grow.
func (g *segments) note(seg *segment, active bool) error {
	if active {
		return nil
	}
	b := seg.bounds
	return g.admin.exec(fmt.Sprintf("UPDATE segment SET n = %d, first = %s, last = %s, record_first = %s, record_last = %s, ended_first = %s, ended_last = %s WHERE id = %d",
		seg.rows, b.all.firstSQL(), b.all.lastSQL(), b.records.firstSQL(), b.records.lastSQL(), b.ended.firstSQL(), b.ended.lastSQL(), seg.id))
}

func (s span) firstSQL() string { return s.sql(s.first) }
func (s span) lastSQL() string  { return s.sql(s.last) }

func (s span) sql(t int64) string {
	if !s.any {
		return "NULL"
	}
	return fmt.Sprint(t)
}

// acquire opens the segments that may have records of the window, from the
// first time to before the second, and keeps them open until release is
// called. It returns at least one.
func (g *segments) acquire(from, to int64) (names []string, release func(), err error) {
	g.Lock()
	defer g.Unlock()
	if g.admin == nil {
		return nil, nil, os.ErrClosed
	}
	var list []*segment
	for i, seg := range g.list {
		all := seg.bounds.all
		none := seg.rows == 0 || all.first >= to || all.last < from
		if none && (i < len(g.list)-1 || len(list) > 0) {
			continue
		}
		list = append(list, seg)
	}
	release = func() {
		g.Lock()
		defer g.Unlock()
		for _, seg := range list {
			g.unuse(seg)
		}
		g.closeIdle()
	}
	for i, seg := range list {
		if err := g.attach(seg); err != nil {
			list = list[:i]
			g.Unlock()
			release()
			g.Lock()
			return nil, nil, err
		}
		seg.used++
		names = append(names, seg.name)
	}
	return names, release, nil
}

// ends returns the time of the first record and that just after the last one,
// findings apart; of an empty store zero times, as store/memory has them.
func (g *segments) ends() (first, end time.Time) {
	g.Lock()
	defer g.Unlock()
	var all span
	for _, seg := range g.list {
		all.join(seg.bounds.records)
	}
	if !all.any {
		return first, end.Add(time.Microsecond)
	}
	return fromMicros(all.first), fromMicros(all.last).Add(time.Microsecond)
}

// closeIdle closes files that no question reads, the longest unused first,
// until no more than maxAttached are open. An error leaves one open, which
// does no harm.
func (g *segments) closeIdle() {
	for g.admin != nil {
		open, victim := 0, (*segment)(nil)
		for i, seg := range g.list {
			if !seg.attached {
				continue
			}
			open++
			if seg.used == 0 && i < len(g.list)-1 && (victim == nil || seg.lastUse < victim.lastUse) {
				victim = seg
			}
		}
		if open <= maxAttached || victim == nil || g.admin.exec("DETACH "+victim.name) != nil {
			return
		}
		victim.attached = false
	}
}
