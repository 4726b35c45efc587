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
// records are too old is deleted whole; others are written anew without them,
// while records go on to be taken and questions to be answered.
func (s *Store) Retain(ctx context.Context, before time.Time, maxBytes int64) (deleted int64, err error) {
	s.retain.Lock()
	defer s.retain.Unlock()
	if err := s.Flush(ctx); err != nil {
		return 0, err
	}
	c, err := connect(s.db)
	if err != nil {
		return 0, err
	}
	defer c.close()
	limit := int64(noTime)
	if !before.IsZero() {
		limit = before.UnixMicro()
	}
	for _, seg := range s.segs.all() {
		n, err := s.cut(ctx, c, seg, limit)
		deleted += n
		if err != nil {
			return deleted, err
		}
	}
	n, err := s.shrink(ctx, c, maxBytes)
	return deleted + n, err
}

// all returns the segments as they are now.
func (g *segments) all() []*segment {
	g.Lock()
	defer g.Unlock()
	return slices.Clone(g.list)
}

// cut deletes what ended before limit from a segment.
func (s *Store) cut(ctx context.Context, c *conn, seg *segment, limit int64) (deleted int64, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	g := &s.segs
	g.Lock()
	ended, rows, active := seg.bounds.ended, seg.rows, seg == g.list[len(g.list)-1]
	switch {
	case !ended.any || ended.first >= limit:
		g.Unlock()
		return 0, nil
	case ended.last < limit && !active:
		defer g.Unlock()
		if err := g.admin.exec(fmt.Sprintf("DELETE FROM segment WHERE id = %d", seg.id)); err != nil {
			return 0, err
		}
		g.list = slices.DeleteFunc(g.list, func(o *segment) bool { return o == seg })
		return rows, g.remove(seg)
	}
	g.Unlock()
	if !active {
		return s.rewrite(ctx, c, seg, limit)
	}
	s.write.Lock() // nobody may write to it meanwhile
	defer s.write.Unlock()
	if s.closed {
		return 0, os.ErrClosed
	}
	if err := s.commitNow(); err != nil {
		return 0, err
	}
	return s.rewrite(ctx, c, seg, limit)
}

// shrink deletes the oldest records until all files take no more than maxBytes.
func (s *Store) shrink(ctx context.Context, c *conn, maxBytes int64) (deleted int64, err error) {
	g := &s.segs
	for maxBytes > 0 {
		seg, share, err := g.excess(maxBytes)
		if err != nil || seg == nil {
			return deleted, err
		}
		limit, err := g.quantile(ctx, c, seg, share)
		if err != nil {
			return deleted, err
		}
		n, err := s.cut(ctx, c, seg, limit)
		if err != nil {
			return deleted, err
		}
		deleted += n
	}
	return deleted, nil
}

// excess returns the oldest segment and which share of it must go for the
// files to take no more than maxBytes; nil if none must, or nothing but the
// files themselves is left.
func (g *segments) excess(maxBytes int64) (*segment, float64, error) {
	g.Lock()
	defer g.Unlock()
	total, err := g.size()
	if err != nil || total <= maxBytes {
		return nil, 0, err
	}
	oldest := g.oldest()
	if oldest < 0 {
		return nil, 0, nil
	}
	seg := g.list[oldest]
	size, err := g.sizeOf(seg)
	return seg, float64(total-maxBytes) / float64(size), err
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
func (g *segments) quantile(ctx context.Context, c *conn, seg *segment, share float64) (int64, error) {
	if share >= 1 {
		g.Lock()
		defer g.Unlock()
		return seg.bounds.ended.last + 1, nil
	}
	release, err := g.hold(seg)
	if err != nil {
		return 0, err
	}
	defer release()
	sql := ""
	for i := range layouts {
		if i > 0 {
			sql += " UNION ALL "
		}
		sql += fmt.Sprintf("SELECT %s AS e FROM %s.main.%s", ended(layouts[i].table), seg.name, quote(layouts[i].table.Name))
	}
	at, err := c.number(ctx, "SELECT quantile_disc(e, ?) FROM ("+sql+")", share)
	return at + 1, err
}

// hold keeps a segment open until release is called.
func (g *segments) hold(seg *segment) (release func(), err error) {
	g.Lock()
	defer g.Unlock()
	if err := g.attach(seg); err != nil {
		return nil, err
	}
	seg.used++
	return func() {
		g.Lock()
		defer g.Unlock()
		g.unuse(seg)
	}, nil
}

// unuse takes note that somebody has read a segment. One that was to go then
// goes; a file that cannot be deleted is not listed and goes when the store is
// opened.
func (g *segments) unuse(seg *segment) {
	if seg.used--; seg.used == 0 && seg.removed && g.admin != nil {
		_ = g.remove(seg)
	}
}

// rewrite puts what of a segment did not end before limit into a new file in
// its place and deletes the old one. The list of the files changes in one
// transaction: whatever happens, the store has one of the two. Nobody writes
// to the segment meanwhile.
func (s *Store) rewrite(ctx context.Context, c *conn, seg *segment, limit int64) (deleted int64, err error) {
	g := &s.segs
	release, err := g.hold(seg)
	if err != nil {
		return 0, err
	}
	defer release()
	g.Lock()
	next := newSegment(g.nextID())
	err = g.attach(next)
	g.Unlock()
	if err != nil {
		return 0, err
	}
	if err := errors.Join(g.copyFrom(ctx, c, seg, next, limit), g.measure(ctx, c, next)); err != nil {
		return 0, errors.Join(fmt.Errorf("thin %s: %w", g.path(seg.id), err), g.removeLocked(next))
	}
	g.Lock()
	defer g.Unlock()
	sql := fmt.Sprintf("BEGIN; UPDATE segment SET id = %d, n = NULL WHERE id = %d; COMMIT", next.id, seg.id)
	if err := g.admin.exec(sql); err != nil {
		return 0, errors.Join(err, g.admin.exec("ROLLBACK"), g.remove(next))
	}
	i := slices.Index(g.list, seg)
	active := i == len(g.list)-1
	if active {
		s.scribe.drop() // its sheets lead into the old file
	}
	g.list[i] = next
	return seg.rows - next.rows, errors.Join(g.note(next, active), g.remove(seg))
}

func (g *segments) removeLocked(seg *segment) error {
	g.Lock()
	defer g.Unlock()
	return g.remove(seg)
}

func (g *segments) nextID() int64 {
	g.last++
	return g.last
}

func (g *segments) copyFrom(ctx context.Context, c *conn, seg, next *segment, limit int64) error {
	sql := "BEGIN;"
	for i := range layouts {
		t := layouts[i].table
		sql += fmt.Sprintf("CREATE OR REPLACE TABLE %[1]s.main.%[2]s AS SELECT * FROM %[3]s.main.%[2]s WHERE %[4]s >= %[5]d;",
			next.name, quote(t.Name), seg.name, ended(t), limit)
	}
	stop := c.interruptOn(ctx)
	err := c.exec(sql + "COMMIT")
	stop()
	if err != nil {
		return errors.Join(ctx.Err(), err, c.exec("ROLLBACK"))
	}
	return c.exec("FORCE CHECKPOINT " + next.name) // which waits for who else writes, and cuts nobody off
}

// remove closes and deletes the file of a segment, which is listed no more:
// when those who read it have ended.
func (g *segments) remove(seg *segment) error {
	if seg.removed = true; seg.used > 0 {
		return nil
	}
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
