package duckdb

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/query"
	"github.com/weir-nta/weir/query/exec"
)

// Query answers a question: its head in SQL, the rest by query/exec.
func (s *Store) Query(ctx context.Context, a query.Ask) iter.Seq2[query.Row, error] {
	return func(yield func(query.Row, error) bool) {
		err := a.Check()
		if err == nil {
			err = s.Flush(ctx)
		}
		if err != nil {
			yield(nil, err)
			return
		}
		an, q := s.asked(ctx, &a)
		if err := an.whole(q, func(r query.Row) bool { return yield(r, nil) }); err != nil {
			yield(nil, err)
		}
	}
}

// An answering is what all questions that one leads to have in common.
type answering struct {
	s   *Store
	ctx context.Context
	ask *query.Ask
	now time.Time // up to which the entries of lists must count
}

// asked returns how a is answered, and the question with its window.
func (s *Store) asked(ctx context.Context, a *query.Ask) (*answering, exec.Question) {
	now := a.To
	if now.IsZero() {
		_, now = s.segs.ends()
	}
	q := exec.Question{Query: a.Query, Now: now}
	q.From, q.To = a.Query.Window(a.From, a.To, now)
	return &answering{s, ctx, a, now}, q
}

// whole answers the question itself, with its summary.
func (an *answering) whole(q exec.Question, yield func(query.Row) bool) error {
	sum := query.Summary{From: q.From, To: q.To, Complete: true}
	var err error
	if an.ask.Summary != nil {
		defer func() { *an.ask.Summary = sum }()
		if sum.Notes, err = query.Notes(q.Query.Looks(q.From, q.To, q.Now), an.begin, an.scans); err != nil {
			return err
		}
	}
	err = an.answer(q, func(plan string) { sum.Plan = plan }, func(r query.Row) bool {
		sum.Matched++
		more := yield(r)
		sum.Complete = sum.Complete && more
		return more
	})
	if an.ask.Summary != nil && err == nil {
		sum.Scanned, err = an.records(q.Query.Table, q.From, q.To)
	}
	sum.Complete = sum.Complete && err == nil
	return err
}

// answer calls yield for the rows of the answer until it returns false, and
// planned, if not nil, with what is done for them.
func (an *answering) answer(q exec.Question, planned func(string), yield func(query.Row) bool) error {
	s, ctx := an.s, an.ctx
	c, err := s.reader()
	if err != nil {
		return err
	}
	defer s.done(c)
	t := &translator{answering: an, question: q}
	var release []func()
	defer func() {
		for _, f := range release {
			f()
		}
	}()
	t.segments = func(from, to time.Time) ([]string, error) {
		names, f, err := s.segs.acquire(window(from, to))
		if err == nil {
			release = append(release, f)
		}
		return names, err
	}
	t.seen = func(segments []string) *seen { return s.seenIn(ctx, c, t, segments) }
	h := t.head()
	if t.err != nil {
		return t.err
	}
	sql := h.sql(q)
	rows := func(yield func(query.Row, error) bool) {
		err := c.query(ctx, sql, t.args, func(b *block) bool {
			for _, r := range take(b, h.cols) {
				if !yield(r, nil) {
					return false
				}
			}
			return true
		})
		if err != nil {
			yield(nil, err)
		}
	}
	if planned != nil {
		planned(plan(sql, h))
	}
	for r, err := range an.rest(q, h, rows) {
		if err != nil {
			return err
		}
		if !yield(r) {
			break
		}
	}
	return nil
}

// records counts the records of a table in a window.
func (an *answering) records(table *weir.Table, from, to time.Time) (int64, error) {
	return an.overAll(table, from, to, "count(*)")
}

// begin is the time of the first record of a table, the zero time if there is none.
func (an *answering) begin(table *weir.Table) (time.Time, error) {
	const none = math.MaxInt64
	us, err := an.overAll(table, time.Time{}, time.Time{}, fmt.Sprintf("coalesce(min(epoch_us(ts)), %d)", int64(none)))
	if err != nil || us == none {
		return time.Time{}, err
	}
	return time.UnixMicro(us).UTC(), nil
}

// overAll computes a number of all records of a table in a window.
func (an *answering) overAll(table *weir.Table, from, to time.Time, what string) (int64, error) {
	c, err := an.s.reader()
	if err != nil {
		return 0, err
	}
	defer an.s.done(c)
	segs, release, err := an.s.segs.acquire(window(from, to))
	if err != nil {
		return 0, err
	}
	defer release()
	t := &translator{answering: an, segments: func(time.Time, time.Time) ([]string, error) { return segs, nil }}
	rows, where := t.rows(table, from, to)
	if t.err != nil {
		return 0, t.err
	}
	if where != "" {
		where = " WHERE " + where
	}
	return c.number(an.ctx, "SELECT "+what+" FROM "+rows+where, t.args...)
}

// physical returns the expressions of all columns.
func physical(cols []value) (sql []string) {
	for _, c := range cols {
		sql = append(sql, c.sql...)
	}
	return sql
}

// sql is the statement of the head, in which columns that nobody needs cost
// nothing.
func (h *head) sql(q exec.Question) string {
	need := q.Need
	if h.filter != nil || len(h.tail) > 0 {
		need = query.Needs(h.filter, h.tail, len(h.cols))
	}
	h.forget(need)
	return "SELECT " + strings.Join(physical(h.cols), ", ") + " FROM " + h.from + orderBy(h.order)
}

// forget makes the columns that nobody needs cost nothing.
func (h *head) forget(needed []bool) {
	for i := range h.cols {
		if needed != nil && !needed[i] {
			h.cols[i] = value{form: asText, sql: []string{"CAST(NULL AS VARCHAR)"}}
		}
	}
}

// reader takes a connection for one question, and gives the database the
// threads for it.
func (s *Store) reader() (*conn, error) {
	s.asking.Lock()
	defer s.asking.Unlock()
	if s.closed {
		return nil, os.ErrClosed
	}
	s.reading++
	if s.reading == 1 && s.config.Threads > 1 {
		if err := s.control.exec(fmt.Sprintf("SET threads = %d", s.config.Threads)); err != nil {
			return nil, err
		}
	}
	select {
	case c := <-s.idle:
		return c, nil
	default:
		return connect(s.db)
	}
}

// done gives a connection back.
func (s *Store) done(c *conn) {
	s.asking.Lock()
	defer s.asking.Unlock()
	if s.closed {
		c.close()
		return
	}
	s.reading--
	if s.reading == 0 && s.config.Threads > 1 {
		_ = s.control.exec("SET threads = 1") // more than one only costs more
	}
	select {
	case s.idle <- c:
	default:
		c.close()
	}
}

// take makes Go values of the rows of a block.
func take(b *block, cols []value) []query.Row {
	rows := make([]query.Row, b.rows)
	values := make([]any, b.rows*len(cols))
	for i := range rows {
		rows[i] = values[i*len(cols) : (i+1)*len(cols) : (i+1)*len(cols)]
	}
	at := 0
	for i, c := range cols {
		read := reader(c)
		for row := range rows {
			rows[row][i] = read(b, at, row)
		}
		at += len(c.sql)
	}
	return rows
}

// reader returns the function that makes a value of one form of what stands in
// column col, and those after it, of a block.
func reader(c value) func(b *block, col, row int) any {
	read := readers[c.form]
	if c.form == asCode {
		read = func(b *block, col, row int) any { return c.names[at[uint8](b, col, row)] }
	}
	if c.form == asValues {
		of := *c.of
		read = func(b *block, col, row int) any { return readValues(b, col, row, of) }
	}
	return func(b *block, col, row int) any {
		if !b.valid(col, row) {
			return nil
		}
		return read(b, col, row)
	}
}

var readers = map[form]func(b *block, col, row int) any{
	asInt:   func(b *block, col, row int) any { return at[int64](b, col, row) },
	asFloat: func(b *block, col, row int) any { return at[float64](b, col, row) },
	asBool:  func(b *block, col, row int) any { return at[bool](b, col, row) },
	asText:  func(b *block, col, row int) any { return b.text(col, row) },
	asTime:  func(b *block, col, row int) any { return time.UnixMicro(at[int64](b, col, row)).UTC() },
	asJSON:  func(b *block, col, row int) any { return json.RawMessage(b.text(col, row)) },
	asAddr: func(b *block, col, row int) any {
		return joinHalves(at[uint64](b, col, row), at[uint64](b, col+1, row))
	},
	asTexts: func(b *block, col, row int) any {
		var list []any
		b.listOf(col, row, 0, func(e elements, i int) { list = append(list, readString(e.values, i)) })
		return list
	},
	asInts: func(b *block, col, row int) any {
		var list []any
		b.listOf(col, row, 0, func(e elements, i int) { list = append(list, element[int64](e.values, i)) })
		return list
	},
	asCID: readCID,
}

func readCID(b *block, col, row int) any {
	addr := func(col int) (a netip.Addr) {
		if b.valid(col, row) {
			a = joinHalves(at[uint64](b, col, row), at[uint64](b, col+1, row))
		}
		return a
	}
	f := weir.Flow{
		Proto: weir.Proto(at[uint8](b, col, row)), Src: addr(col + 1), Dst: addr(col + 3),
		SrcPort: at[uint16](b, col+5, row), DstPort: at[uint16](b, col+6, row),
	}
	if b.valid(col+7, row) {
		f.ICMP = &weir.ICMP{Type: at[uint8](b, col+7, row), Code: at[uint8](b, col+8, row)}
	}
	return f.CID()
}

// readValues makes what the aggregate values gives of a list of distinct values.
func readValues(b *block, col, row int, of value) any {
	var texts []string
	parts := 0
	if of.form == asAddress {
		parts = 3
	}
	b.listOf(col, row, parts, func(e elements, i int) { texts = append(texts, query.Text(readElement(e, i, of))) })
	slices.Sort(texts)
	texts = slices.Compact(texts)
	list := make([]any, min(len(texts), query.MaxValues))
	for i := range list {
		list[i] = texts[i]
	}
	return list
}

func readElement(m elements, i int, of value) any {
	switch of.form {
	case asText:
		return readString(m.values, i)
	case asInt:
		return element[int64](m.values, i)
	case asFloat:
		return element[float64](m.values, i)
	case asBool:
		return element[bool](m.values, i)
	case asTime:
		return time.UnixMicro(element[int64](m.values, i)).UTC()
	case asCode:
		return of.names[element[uint8](m.values, i)]
	case asAddress:
		return joinHalves(element[uint64](m.parts[1], i), element[uint64](m.parts[2], i))
	}
	panic(fmt.Sprintf("duckdb: form %d in a list", of.form))
}

// window returns the bounds of a question as segments have theirs.
func window(from, to time.Time) (int64, int64) {
	first, end := int64(math.MinInt64), int64(math.MaxInt64)
	if !from.IsZero() {
		first = from.UnixMicro()
	}
	if !to.IsZero() {
		end = to.UnixMicro()
	}
	return first, end
}

// plan says what is done in SQL and what after it.
func plan(sql string, h head) string {
	var b strings.Builder
	b.WriteString(sql)
	if h.filter != nil {
		b.WriteString("\nthen the filter")
	}
	for _, s := range h.tail {
		fmt.Fprintf(&b, "\nthen %s", strings.ToLower(strings.TrimPrefix(fmt.Sprintf("%T", s), "*query.")))
	}
	return b.String()
}
