package duckdb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/query"
)

// The first-seen index answers which values, or tuples of them, a table has
// seen in a time, and when first: what new, known and first_seen ask. A table
// in each file of records holds, for each tuple and day (UTC), when it was
// first and last seen. It follows from the records of the file and lies beside
// them: it dies with the file, and what Retain writes anew makes its own.
//
// It is exact, but of a window that begins and ends within one day, for which
// the records themselves are read. It is brought up to date when it is asked,
// by the records that came since; the first question reads all of the file.

// maxSeen bounds the tuples that are kept: each takes time of every question
// that is asked of it, and room in every file.
const maxSeen = 16

// A seen is one kept index: which columns of which table.
type seen struct {
	layout  *layout
	columns []int // of the table, in rising order
}

// name is that of the index in a file.
func (u *seen) name() string {
	return "seen " + u.layout.table.Name + " " + strings.Join(u.fields(), " ")
}

func (u *seen) fields() (names []string) {
	for _, c := range u.columns {
		names = append(names, u.layout.table.Columns[c].Name)
	}
	return names
}

// keys are the columns of the database that hold the tuple.
func (u *seen) keys() (names []string) {
	for _, c := range u.columns {
		f := u.layout.field(c)
		names = append(names, quote(f.name))
		if f.kind == addr {
			names = append(names, quote(f.low()))
		}
	}
	return names
}

const seenSQL = `CREATE TABLE IF NOT EXISTS seen("table" VARCHAR, fields VARCHAR[])`

// KeepSeen has the store keep an index of the tuples of these fields, from the
// records that it has and all that come, for as long as it lives. What is kept
// already stays so. Lists and computed fields cannot be kept.
func (s *Store) KeepSeen(table *weir.Table, fields ...string) error {
	u, err := newSeen(table, fields)
	if err != nil {
		return err
	}
	s.segs.Lock()
	defer s.segs.Unlock()
	if s.segs.admin == nil {
		return errors.New("store is closed")
	}
	for _, have := range s.segs.seen {
		if have.covers(u) {
			return nil
		}
	}
	if len(s.segs.seen) == maxSeen {
		return fmt.Errorf("%d tuples of fields are kept already, no more can be", maxSeen)
	}
	list := make([]string, len(u.columns))
	for i, f := range u.fields() {
		list[i] = literal(f)
	}
	sql := fmt.Sprintf("INSERT INTO seen VALUES (%s, [%s])", literal(table.Name), strings.Join(list, ", "))
	if err := s.segs.admin.exec(sql); err != nil {
		return err
	}
	s.segs.seen = append(s.segs.seen, u)
	return nil
}

func newSeen(table *weir.Table, fields []string) (*seen, error) {
	u := &seen{layout: layoutOf(table)}
	for _, name := range fields {
		c := table.Column(name)
		switch {
		case c < 0:
			return nil, fmt.Errorf("table %s has no field %q", table.Name, name)
		case table.Columns[c].List || table.Columns[c].Type == weir.JSON || u.layout.field(c) == nil:
			return nil, fmt.Errorf("of %s of table %s no index can be kept", name, table.Name)
		}
		u.columns = append(u.columns, c)
	}
	slices.Sort(u.columns)
	u.columns = slices.Compact(u.columns)
	if len(u.columns) == 0 {
		return nil, errors.New("no fields to keep an index of")
	}
	return u, nil
}

// covers reports whether the index u answers what one of o would.
func (u *seen) covers(o *seen) bool {
	if u.layout != o.layout {
		return false
	}
	for _, c := range o.columns {
		if !slices.Contains(u.columns, c) {
			return false
		}
	}
	return true
}

// recallSeen reads which tuples are kept. Those of fields that this version
// does not know are left alone.
func (g *segments) recallSeen() error {
	if err := g.admin.exec(seenSQL); err != nil {
		return err
	}
	return g.admin.query(context.Background(), `SELECT "table", fields FROM seen`, nil, func(b *block) bool {
		for row := range b.rows {
			table := weir.TableByName(b.text(0, row))
			if table == nil {
				continue
			}
			var fields []string
			b.listOf(1, row, 0, func(e elements, i int) { fields = append(fields, readString(e.values, i)) })
			if u, err := newSeen(table, fields); err == nil {
				g.seen = append(g.seen, u)
			}
		}
		return true
	})
}

// firstSeen returns the kept index that answers q, asked of a window, instead
// of the records; nil if none does. It looks at nothing but which values of the
// fields there are and, of all time, when they were first seen.
func (g *segments) firstSeen(q *query.Query, from, to time.Time) *seen {
	want, first := asksSeen(q)
	if want == nil || first && !from.IsZero() || withinOneDay(from, to) {
		return nil
	}
	g.Lock()
	defer g.Unlock()
	var best *seen
	for _, u := range g.seen {
		if u.covers(want) && (best == nil || len(u.columns) < len(best.columns)) {
			best = u
		}
	}
	return best
}

// asksSeen returns the fields that q groups all records of its table by, if
// that is all that it looks at, but for the least time (first).
func asksSeen(q *query.Query) (u *seen, first bool) {
	if q.Filter != nil || len(q.Stages) == 0 {
		return nil, false
	}
	st, ok := q.Stages[0].(*query.Stats)
	if !ok {
		return nil, false
	}
	u = &seen{layout: layoutOf(q.Table)}
	for _, e := range st.By {
		c, ok := e.(*query.Col)
		if !ok {
			return nil, false
		}
		u.columns = append(u.columns, c.Index)
	}
	for _, a := range st.Aggs {
		c, ok := a.X.(*query.Col)
		if a.Func != query.Min || a.Cond != nil || !ok || q.Table.Columns[c.Index].Name != "ts" {
			return nil, false
		}
		first = true
	}
	return u, first
}

// withinOneDay reports whether a window begins and ends within one day: there
// the index cannot tell what was seen between its two times.
func withinOneDay(from, to time.Time) bool {
	const day = 24 * time.Hour
	return !from.IsZero() && !to.IsZero() && from.UTC().Truncate(day).Equal(to.UTC().Add(-time.Microsecond).Truncate(day))
}

// records returns, as SQL, the index of a file in the place of its records:
// two for each tuple and day, at the first and the last time.
func (u *seen) records(segment string) string {
	index := segment + ".main." + quote(u.name())
	keys := strings.Join(u.keys(), ", ")
	return fmt.Sprintf(`(SELECT %[1]s, "first" AS ts FROM %[2]s UNION ALL SELECT %[1]s, "last" FROM %[2]s WHERE "last" <> "first")`, keys, index)
}

// grow brings the index of a file up to date. One at a time may do so.
func (u *seen) grow(ctx context.Context, c *conn, segment string) (err error) {
	if err := c.exec("BEGIN"); err != nil {
		return err
	}
	if err := u.take(ctx, c, segment); err != nil {
		return errors.Join(err, c.exec("ROLLBACK"))
	}
	return c.exec("COMMIT")
}

// take puts into the index what the file has got since the last time.
func (u *seen) take(ctx context.Context, c *conn, segment string) error {
	index, state, table := segment+".main."+quote(u.name()), segment+".main.seen", segment+".main."+quote(u.layout.table.Name)
	keys := strings.Join(u.keys(), ", ")
	// rows is the table with all columns of this version.
	rows := fmt.Sprintf("(FROM shape.main.%s UNION ALL BY NAME SELECT *, rowid AS r FROM %s)", quote(u.layout.table.Name), table)
	sql := fmt.Sprintf(`CREATE TABLE IF NOT EXISTS %s(name VARCHAR, upto BIGINT, n BIGINT);
		CREATE TABLE IF NOT EXISTS %s AS SELECT %s, ts AS "first", ts AS "last" FROM %s LIMIT 0`, state, index, keys, rows)
	if err := c.exec(sql); err != nil {
		return err
	}
	upto, err := c.number(ctx, "SELECT max(upto) FROM "+state+" WHERE name = $1", u.name())
	if err != nil {
		return err
	}
	count, err := c.number(ctx, "SELECT count(*) FROM "+table)
	if err != nil || count == upto {
		return err
	}
	err = c.run(ctx, fmt.Sprintf(`INSERT INTO %s SELECT %[2]s, min(ts), max(ts) FROM %[3]s WHERE r >= %[4]d GROUP BY %[2]s, CAST(ts AS DATE)`, index, keys, rows, upto))
	if err != nil {
		return err
	}
	n, err := u.compact(ctx, c, state, index)
	if err != nil {
		return err
	}
	return c.exec(fmt.Sprintf("DELETE FROM %[1]s WHERE name = %[2]s; INSERT INTO %[1]s VALUES (%[2]s, %[3]d, %[4]d)", state, literal(u.name()), count, n))
}

// compactFrom is how many rows an index may have more than twice what it had
// when each tuple and day had one row.
const compactFrom = 10_000

// compact joins the rows of each tuple and day, once there are twice as many
// as when that was done last, and returns how many there were then.
func (u *seen) compact(ctx context.Context, c *conn, state, index string) (int64, error) {
	n, err := c.number(ctx, "SELECT max(n) FROM "+state+" WHERE name = $1", u.name())
	if err != nil {
		return 0, err
	}
	now, err := c.number(ctx, "SELECT count(*) FROM "+index)
	if err != nil || now <= 2*n+compactFrom {
		return n, err
	}
	keys := strings.Join(u.keys(), ", ")
	err = c.run(ctx, fmt.Sprintf(`CREATE OR REPLACE TABLE %[1]s AS SELECT %[2]s, min("first") AS "first", max("last") AS "last" FROM %[1]s GROUP BY %[2]s, CAST("first" AS DATE)`, index, keys))
	if err != nil {
		return 0, err
	}
	return c.number(ctx, "SELECT count(*) FROM "+index)
}

// seenIn returns the index that answers the question of t from these files,
// brought up to date; nil if none does. A question that the index cannot be
// made ready for is answered by the records.
func (s *Store) seenIn(ctx context.Context, c *conn, t *translator, segments []string) *seen {
	u := s.segs.firstSeen(t.question.Query, t.question.From, t.question.To)
	if u == nil {
		return nil
	}
	s.growing.Lock()
	defer s.growing.Unlock()
	for _, name := range segments {
		if u.grow(ctx, c, name) != nil {
			return nil
		}
	}
	return u
}
