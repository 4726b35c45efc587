package duckdb

import (
	"context"
	"errors"
	"fmt"
	"unsafe"

	bindings "github.com/duckdb/duckdb-go-bindings"
)

// The C interface of the database is used as it is. What database/sql would
// put on top costs a call and several allocations a value, on both ways.

// A conn is a connection to the database. It is used by one goroutine at a time.
type conn struct{ c bindings.Connection }

// openDatabase opens a database instance on path, ":memory:" or a file.
func openDatabase(path string, settings map[string]string) (db bindings.Database, err error) {
	var config bindings.Config
	if bindings.CreateConfig(&config) == bindings.StateError {
		return db, errors.New("create the configuration of the database")
	}
	defer bindings.DestroyConfig(&config)
	for k, v := range settings {
		if bindings.SetConfig(config, k, v) == bindings.StateError {
			return db, fmt.Errorf("%s: value %q not accepted", k, v)
		}
	}
	var message string
	if bindings.OpenExt(path, &db, config, &message) == bindings.StateError {
		bindings.Close(&db)
		return db, errors.New(message)
	}
	return db, nil
}

func connect(db bindings.Database) (*conn, error) {
	c := new(conn)
	if bindings.Connect(db, &c.c) == bindings.StateError {
		return nil, errors.New("connect to the database")
	}
	return c, nil
}

func (c *conn) close() { bindings.Disconnect(&c.c) }

// exec runs statements that give no rows.
func (c *conn) exec(sql string) error {
	var res bindings.Result
	defer bindings.DestroyResult(&res)
	if bindings.Query(c.c, sql, &res) == bindings.StateError {
		return errors.New(bindings.ResultError(&res))
	}
	return nil
}

// query runs one statement with parameters and calls each for every block of
// its rows, until each returns false. Cancelling ctx interrupts it.
func (c *conn) query(ctx context.Context, sql string, args []any, each func(*block) bool) error {
	var stmt bindings.PreparedStatement
	defer bindings.DestroyPrepare(&stmt)
	if bindings.Prepare(c.c, sql, &stmt) == bindings.StateError {
		return errors.New(bindings.PrepareError(stmt))
	}
	for i, a := range args {
		if err := bind(stmt, bindings.IdxT(i+1), a); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	defer c.interruptOn(ctx)()
	var pending bindings.PendingResult
	defer bindings.DestroyPending(&pending)
	if bindings.PendingPreparedStreaming(stmt, &pending) == bindings.StateError {
		return c.failed(ctx, bindings.PendingError(pending))
	}
	var res bindings.Result
	defer bindings.DestroyResult(&res)
	if bindings.ExecutePending(pending, &res) == bindings.StateError {
		return c.failed(ctx, bindings.ResultError(&res))
	}
	b := newBlock(&res)
	for {
		chunk := bindings.FetchChunk(res)
		if chunk.Ptr == nil {
			if message := bindings.ResultError(&res); message != "" {
				return c.failed(ctx, message)
			}
			return ctx.Err()
		}
		b.bind(chunk)
		more := each(b)
		bindings.DestroyDataChunk(&chunk)
		if !more {
			return nil
		}
	}
}

// run runs one statement that may take long. Cancelling ctx interrupts it.
func (c *conn) run(ctx context.Context, sql string) error {
	return c.query(ctx, sql, nil, func(*block) bool { return true })
}

// interruptOn interrupts what the connection does when ctx is cancelled, until
// the function that it returns has returned.
func (c *conn) interruptOn(ctx context.Context) (stop func()) {
	done := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		bindings.Interrupt(c.c)
		close(done)
	})
	return func() {
		if !cancel() { // it has begun: it must not hit the next statement
			<-done
		}
	}
}

// failed says what went wrong, which after cancelling is that.
func (c *conn) failed(ctx context.Context, message string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return errors.New(message)
}

// number runs a query whose answer is one number, 0 for NULL.
func (c *conn) number(ctx context.Context, sql string, args ...any) (n int64, err error) {
	err = c.query(ctx, sql, args, func(b *block) bool {
		if b.rows > 0 && b.valid(0, 0) {
			n = at[int64](b, 0, 0)
		}
		return true
	})
	return n, err
}

func bind(stmt bindings.PreparedStatement, i bindings.IdxT, v any) error {
	state := bindings.StateError
	switch v := v.(type) {
	case string:
		state = bindings.BindVarcharLength(stmt, i, v, bindings.IdxT(len(v)))
	case int64:
		state = bindings.BindInt64(stmt, i, v)
	case uint64:
		state = bindings.BindUInt64(stmt, i, v)
	case float64:
		state = bindings.BindDouble(stmt, i, v)
	case bool:
		state = bindings.BindBoolean(stmt, i, v)
	}
	if state == bindings.StateError {
		return fmt.Errorf("bind parameter %d, %T", i, v)
	}
	return nil
}

// A block is some rows of a result as the database has them in memory. What
// it gives is copied where it is kept.
type block struct {
	rows   int
	vecs   []bindings.Vector
	memory []unsafe.Pointer
	masks  []unsafe.Pointer
}

func newBlock(res *bindings.Result) *block {
	n := int(bindings.ColumnCount(res))
	b := &block{vecs: make([]bindings.Vector, n), memory: make([]unsafe.Pointer, n), masks: make([]unsafe.Pointer, n)}
	return b
}

func (b *block) bind(chunk bindings.DataChunk) {
	b.rows = int(bindings.DataChunkGetSize(chunk))
	for i := range b.vecs {
		b.vecs[i] = bindings.DataChunkGetVector(chunk, bindings.IdxT(i))
		b.memory[i] = bindings.VectorGetData(b.vecs[i])
		b.masks[i] = bindings.VectorGetValidity(b.vecs[i])
	}
}

func (b *block) valid(col, row int) bool {
	return isValid(b.masks[col], row)
}

func isValid(mask unsafe.Pointer, row int) bool {
	if mask == nil {
		return true
	}
	return *(*uint64)(unsafe.Add(mask, row/64*8))>>(row%64)&1 != 0
}

// at returns the value of a column of fixed width.
func at[T any](b *block, col, row int) T { return element[T](b.memory[col], row) }

func element[T any](memory unsafe.Pointer, i int) T {
	return *(*T)(unsafe.Add(memory, uintptr(i)*unsafe.Sizeof(*new(T))))
}

// text returns a copy of a string.
func (b *block) text(col, row int) string { return readString(b.memory[col], row) }

func readString(memory unsafe.Pointer, i int) string {
	p := unsafe.Add(memory, 16*i)
	n := *(*uint32)(p)
	if n <= 12 {
		return string(unsafe.Slice((*byte)(unsafe.Add(p, 4)), n))
	}
	return string(unsafe.Slice(*(**byte)(unsafe.Add(p, 8)), n))
}

// elements is the memory of what is in a list: that of the values or, if these
// are structures, of each of their parts.
type elements struct {
	values unsafe.Pointer
	parts  []unsafe.Pointer
}

// listOf calls each for the places of the elements of a list.
func (b *block) listOf(col, row, parts int, each func(e elements, i int)) {
	list := at[entry](b, col, row)
	child := bindings.ListVectorGetChild(b.vecs[col])
	e := elements{values: bindings.VectorGetData(child), parts: make([]unsafe.Pointer, parts)}
	for i := range e.parts {
		e.parts[i] = bindings.VectorGetData(bindings.StructVectorGetChild(child, bindings.IdxT(i)))
	}
	for i := range int(list.length) {
		each(e, int(list.offset)+i)
	}
}
