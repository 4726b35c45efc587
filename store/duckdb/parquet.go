package duckdb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"
	"unsafe"

	bindings "github.com/duckdb/duckdb-go-bindings"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/query"
)

// parquetMemory bounds the memory of the database that writes Parquet; what is
// more goes to the disk.
const parquetMemory = "256MiB"

// WriteParquet writes the rows of an answer into a new Parquet file and returns
// how many there were. Addresses and JSON are texts, durations are seconds,
// times are UTC, lists are lists; a column made of named parts is as many
// columns. The rows pass through a temporary database in the folder of path,
// which is gone when the function returns, so that memory stays bounded.
func WriteParquet(ctx context.Context, path string, columns []query.Column, rows iter.Seq2[query.Row, error]) (n int64, err error) {
	dir, err := os.MkdirTemp(filepath.Dir(path), ".weir-parquet-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	db, err := openDatabase(filepath.Join(dir, "rows.db"), map[string]string{
		"threads": "2", "memory_limit": parquetMemory, "temp_directory": filepath.Join(dir, "tmp"),
		"autoinstall_known_extensions": "false", "autoload_known_extensions": "false",
	})
	if err != nil {
		return 0, err
	}
	defer bindings.Close(&db)
	c, err := connect(db)
	if err != nil {
		return 0, err
	}
	defer c.close()
	p := &parquet{columns: flat(columns)}
	if err := c.exec("CREATE TABLE answer (" + p.declared() + ")"); err != nil {
		return 0, err
	}
	if n, err = p.fill(ctx, c, rows); err != nil {
		return n, err
	}
	return n, c.run(ctx, "COPY answer TO '"+strings.ReplaceAll(path, "'", "''")+"' (FORMAT parquet, COMPRESSION zstd)")
}

// A flatColumn is a column of an answer or a part of one.
type flatColumn struct {
	query.Column
	index, part int // part is -1 where the column has none
}

func flat(columns []query.Column) []flatColumn {
	var out []flatColumn
	for i, c := range columns {
		if len(c.Fields) == 0 {
			out = append(out, flatColumn{c, i, -1})
		}
		for j, f := range c.Fields {
			f.Name = c.Name + "." + f.Name
			out = append(out, flatColumn{f, i, j})
		}
	}
	return out
}

func (c *flatColumn) value(row query.Row) any {
	v := row[c.index]
	if c.part < 0 {
		return v
	}
	parts, ok := v.(query.Record)
	if !ok {
		return nil
	}
	return parts[c.part]
}

// parquet is a table of the temporary database, which is filled block by block.
type parquet struct {
	columns []flatColumn
	data    bindings.DataChunk
	vecs    []bindings.Vector
	rows    int
}

// parquetTypes are the types of the columns by those of the values.
var parquetTypes = map[weir.Type]struct {
	sql     string
	logical bindings.Type
}{
	weir.String: {"VARCHAR", bindings.TypeVarchar}, weir.Int: {"BIGINT", bindings.TypeBigInt}, weir.Float: {"DOUBLE", bindings.TypeDouble},
	weir.Bool: {"BOOLEAN", bindings.TypeBoolean}, weir.Addr: {"VARCHAR", bindings.TypeVarchar}, weir.Time: {"TIMESTAMPTZ", bindings.TypeTimestampTZ},
	weir.Duration: {"DOUBLE", bindings.TypeDouble}, weir.JSON: {"VARCHAR", bindings.TypeVarchar},
}

func (p *parquet) declared() string {
	var parts []string
	for _, c := range p.columns {
		typ := parquetTypes[c.Type].sql
		if c.List {
			typ += "[]"
		}
		parts = append(parts, quote(c.Name)+" "+typ)
	}
	return strings.Join(parts, ", ")
}

// fill appends all rows to the table.
func (p *parquet) fill(ctx context.Context, c *conn, rows iter.Seq2[query.Row, error]) (n int64, err error) {
	var app bindings.Appender
	if bindings.AppenderCreate(c.c, "", "answer", &app) == bindings.StateError {
		return 0, errors.New(bindings.AppenderError(app))
	}
	defer bindings.AppenderDestroy(&app)
	p.create()
	defer bindings.DestroyDataChunk(&p.data)
	for row, err := range rows {
		if err != nil {
			return n, err
		}
		if err := p.put(row); err != nil {
			return n, err
		}
		n++
		if p.rows == vectorSize {
			if err := p.push(app); err != nil {
				return n, err
			}
		}
	}
	if err := p.push(app); err != nil {
		return n, err
	}
	if bindings.AppenderClose(app) == bindings.StateError {
		return n, errors.New(bindings.AppenderError(app))
	}
	return n, ctx.Err()
}

func (p *parquet) create() {
	types := make([]bindings.LogicalType, len(p.columns))
	for i, c := range p.columns {
		types[i] = bindings.CreateLogicalType(parquetTypes[c.Type].logical)
		if c.List {
			list := bindings.CreateListType(types[i])
			bindings.DestroyLogicalType(&types[i])
			types[i] = list
		}
	}
	p.data = bindings.CreateDataChunk(types)
	for i := range types {
		bindings.DestroyLogicalType(&types[i])
	}
	p.vecs = make([]bindings.Vector, len(p.columns))
	p.bind()
}

func (p *parquet) bind() {
	for i := range p.vecs {
		p.vecs[i] = bindings.DataChunkGetVector(p.data, bindings.IdxT(i))
	}
}

// push appends the block to the table and empties it.
func (p *parquet) push(app bindings.Appender) error {
	bindings.DataChunkSetSize(p.data, bindings.IdxT(p.rows))
	if bindings.AppendDataChunk(app, p.data) == bindings.StateError {
		return errors.New(bindings.AppenderError(app))
	}
	bindings.DataChunkReset(p.data)
	p.rows = 0
	p.bind()
	return nil
}

// put adds a row to the block.
func (p *parquet) put(row query.Row) error {
	for i := range p.columns {
		c, vec := &p.columns[i], p.vecs[i]
		v := c.value(row)
		switch list, isList := v.([]any); {
		case v == nil:
			bindings.VectorEnsureValidityWritable(vec)
			bindings.ValiditySetRowInvalid(bindings.VectorGetValidity(vec), bindings.IdxT(p.rows))
			if c.List { // which is looked at all the same
				*place[entry](vec, p.rows) = entry{}
			}
		case c.List && isList:
			if err := putList(vec, p.rows, list); err != nil {
				return fmt.Errorf("%s: %w", c.Name, err)
			}
		case !putValue(vec, p.rows, v):
			return fmt.Errorf("%s: value of type %T", c.Name, v)
		}
	}
	p.rows++
	return nil
}

func place[T any](vec bindings.Vector, row int) *T {
	return (*T)(unsafe.Add(bindings.VectorGetData(vec), uintptr(row)*unsafe.Sizeof(*new(T))))
}

func putList(vec bindings.Vector, row int, list []any) error {
	offset := bindings.ListVectorGetSize(vec)
	size := offset + bindings.IdxT(len(list))
	if bindings.ListVectorReserve(vec, size) == bindings.StateError || bindings.ListVectorSetSize(vec, size) == bindings.StateError {
		return errors.New("no room for a list")
	}
	*place[entry](vec, row) = entry{uint64(offset), uint64(len(list))}
	child := bindings.ListVectorGetChild(vec)
	for i, v := range list {
		if !putValue(child, int(offset)+i, v) {
			return fmt.Errorf("element of type %T", v)
		}
	}
	return nil
}

// putValue writes one value, and reports whether it is of a type that there is.
func putValue(vec bindings.Vector, row int, v any) bool {
	switch v := v.(type) {
	case string:
		putText(vec, row, v)
	case netip.Addr:
		putText(vec, row, v.String())
	case json.RawMessage:
		putText(vec, row, string(v))
	case int64:
		*place[int64](vec, row) = v
	case float64:
		*place[float64](vec, row) = v
	case bool:
		*place[bool](vec, row) = v
	case time.Time:
		*place[int64](vec, row) = v.UnixMicro()
	default:
		return false
	}
	return true
}

// putText writes a text. What is no UTF-8 the database does not take.
func putText(vec bindings.Vector, row int, s string) {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\ufffd")
	}
	if s == "" {
		*place[str](vec, row) = str{}
		return
	}
	bindings.VectorAssignStringElementLen(vec, bindings.IdxT(row), []byte(s))
}
