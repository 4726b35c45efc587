package duckdb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/weir-nta/weir/store"
)

// Span returns the times of the first and the last record, of all tables but
// the findings; store.ErrEmpty if there is none.
func (s *Store) Span(ctx context.Context) (first, last time.Time, err error) {
	if err := s.Flush(ctx); err != nil {
		return first, last, err
	}
	g := &s.segs
	g.Lock()
	defer g.Unlock()
	var all span
	for _, seg := range g.list {
		all.join(seg.bounds.records)
	}
	if !all.any {
		return first, last, store.ErrEmpty
	}
	return fromMicros(all.first), fromMicros(all.last), nil
}

// fromMicros is the inverse of micros.
func fromMicros(t int64) time.Time {
	if t == noTime {
		return time.Time{}
	}
	return time.UnixMicro(t).UTC()
}

// Size returns the bytes that the files of the records take.
func (s *Store) Size(ctx context.Context) (int64, error) {
	if err := s.Flush(ctx); err != nil {
		return 0, err
	}
	s.segs.Lock()
	defer s.segs.Unlock()
	return s.segs.size()
}

func (g *segments) size() (total int64, err error) {
	for _, seg := range g.list {
		n, err := g.sizeOf(seg)
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

func (g *segments) sizeOf(seg *segment) (size int64, err error) {
	for _, suffix := range []string{"", ".wal"} {
		info, err := os.Stat(g.path(seg.id) + suffix)
		switch {
		case errors.Is(err, os.ErrNotExist):
		case err != nil:
			return 0, err
		default:
			size += info.Size()
		}
	}
	return size, nil
}

// Retain deletes the records that ended before the given time and then the
// oldest until the store takes no more than maxBytes. A file of which all
// records are too old is deleted whole; others are written anew without them.
func (s *Store) Retain(ctx context.Context, before time.Time, maxBytes int64) (deleted int64, err error) {
	s.write.Lock()
	defer s.write.Unlock()
	if err := s.usable(ctx); err != nil {
		return 0, err
	}
	if err := s.commit(); err != nil {
		return 0, err
	}
	g := &s.segs
	g.Lock()
	defer g.Unlock()
	limit := int64(noTime)
	if !before.IsZero() {
		limit = before.UnixMicro()
	}
	for i := len(g.list) - 1; i >= 0; i-- {
		if err := ctx.Err(); err != nil {
			return deleted, err
		}
		n, err := s.cut(i, limit)
		deleted += n
		if err != nil {
			return deleted, err
		}
	}
	n, err := s.shrink(ctx, maxBytes)
	return deleted + n, err
}

// cut deletes what ended before limit from a segment.
func (s *Store) cut(i int, limit int64) (deleted int64, err error) {
	g := &s.segs
	seg := g.list[i]
	if !seg.bounds.ended.any || seg.bounds.ended.first >= limit {
		return 0, nil
	}
	if seg.bounds.ended.last < limit && i < len(g.list)-1 {
		if err := g.admin.exec(fmt.Sprintf("DELETE FROM segment WHERE id = %d", seg.id)); err != nil {
			return 0, err
		}
		g.list = slices.Delete(g.list, i, i+1)
		return seg.rows, g.remove(seg)
	}
	if err := s.rewrite(i, limit); err != nil {
		return 0, err
	}
	return seg.rows - g.list[i].rows, nil
}

// shrink deletes the oldest records until all files take no more than maxBytes.
func (s *Store) shrink(ctx context.Context, maxBytes int64) (deleted int64, err error) {
	g := &s.segs
	for maxBytes > 0 {
		total, err := g.size()
		if err != nil || total <= maxBytes || ctx.Err() != nil {
			return deleted, errors.Join(err, ctx.Err())
		}
		oldest := g.oldest()
		if oldest < 0 {
			return deleted, nil // nothing but the files themselves is left
		}
		size, err := g.sizeOf(g.list[oldest])
		if err != nil {
			return deleted, err
		}
		limit, err := g.quantile(ctx, g.list[oldest], float64(total-maxBytes)/float64(size))
		if err != nil {
			return deleted, err
		}
		n, err := s.cut(oldest, limit)
		if err != nil {
			return deleted, err
		}
		deleted += n
	}
	return deleted, nil
}

// oldest returns the segment whose records ended first, -1 if there is no record.
func (g *segments) oldest() int {
	found := -1
	for i, seg := range g.list {
		if seg.rows > 0 && (found < 0 || seg.bounds.ended.first < g.list[found].bounds.ended.first) {
			found = i
		}
	}
	return found
}

// quantile returns before when the given share of a segment's records ended:
// at least one does, and all do for a share of 1.
func (g *segments) quantile(ctx context.Context, seg *segment, share float64) (int64, error) {
	if share >= 1 {
		return seg.bounds.ended.last + 1, nil
	}
	if err := g.attach(seg); err != nil {
		return 0, err
	}
	sql := ""
	for i := range layouts {
		if i > 0 {
			sql += " UNION ALL "
		}
		sql += fmt.Sprintf("SELECT %s AS e FROM %s.main.%s", ended(layouts[i].table), seg.name, quote(layouts[i].table.Name))
	}
	at, err := g.admin.number(ctx, "SELECT quantile_disc(e, ?) FROM ("+sql+")", share)
	return at + 1, err
}

// rewrite puts what of a segment did not end before limit into a new file in
// its place and deletes the old one. The list of the files changes in one
// transaction: whatever happens, the store has one of the two.
func (s *Store) rewrite(i int, limit int64) error {
	g := &s.segs
	seg := g.list[i]
	next := newSegment(g.nextID())
	if err := g.attach(seg); err != nil {
		return err
	}
	if err := g.attach(next); err != nil {
		return err
	}
	if err := g.copyFrom(seg, next, limit); err != nil {
		return errors.Join(fmt.Errorf("thin %s: %w", g.path(seg.id), err), g.remove(next))
	}
	if err := g.measure(next); err != nil {
		return errors.Join(err, g.remove(next))
	}
	sql := fmt.Sprintf("BEGIN; UPDATE segment SET id = %d, n = NULL WHERE id = %d; COMMIT", next.id, seg.id)
	if err := g.admin.exec(sql); err != nil {
		return errors.Join(err, g.admin.exec("ROLLBACK"), g.remove(next))
	}
	if i == len(g.list)-1 {
		s.pending.drop() // its sheets lead into the old file
	}
	g.list[i] = next
	return errors.Join(g.note(next, i == len(g.list)-1), g.remove(seg))
}

func (g *segments) nextID() int64 {
	id := int64(1)
	for _, seg := range g.list {
		id = max(id, seg.id+1)
	}
	return id
}

func (g *segments) copyFrom(seg, next *segment, limit int64) error {
	sql := "BEGIN;"
	for i := range layouts {
		t := layouts[i].table
		sql += fmt.Sprintf("CREATE OR REPLACE TABLE %[1]s.main.%[2]s AS SELECT * FROM %[3]s.main.%[2]s WHERE %[4]s >= %[5]d;",
			next.name, quote(t.Name), seg.name, ended(t), limit)
	}
	if err := g.admin.exec(sql + "COMMIT"); err != nil {
		return errors.Join(err, g.admin.exec("ROLLBACK"))
	}
	return g.admin.exec("CHECKPOINT " + next.name)
}

// remove closes and deletes the file of a segment. Questions that read it now
// keep it until they end.
func (g *segments) remove(seg *segment) error {
	var err error
	if seg.attached {
		err = g.admin.exec("DETACH " + seg.name)
		seg.attached = false
	}
	for _, suffix := range []string{"", ".wal"} {
		if e := os.Remove(g.path(seg.id) + suffix); e != nil && !errors.Is(e, os.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	return err
}
