package duckdb

import (
	"encoding/binary"
	"math"
	"net/netip"
	"slices"
	"sort"
	"strings"

	bindings "github.com/duckdb/duckdb-go-bindings"

	"github.com/weir-nta/weir"
)

// A kind is how the values of a field are kept.
type kind uint8

// The kinds. Missing values are NULL in all of them.
const (
	text       kind = iota // VARCHAR; of JSON columns the document
	texts                  // VARCHAR[]
	code                   // UTINYINT: the index of the value in field.names
	boolean                // BOOLEAN
	uint8s                 // UTINYINT
	uint16s                // USMALLINT
	uint32s                // UINTEGER
	uint32List             // UINTEGER[]
	int32List              // INTEGER[]
	int64s                 // BIGINT: unsigned counters, which the records cut at its maximum too
	float64s               // DOUBLE
	timestamp              // TIMESTAMP: microseconds since 1970 in UTC
	duration               // BIGINT: microseconds
	addr                   // two UBIGINT, name and name~: the halves of the address, IPv4 mapped into IPv6
)

var sqlTypes = [...]string{
	text: "VARCHAR", texts: "VARCHAR[]", code: "UTINYINT", boolean: "BOOLEAN", uint8s: "UTINYINT", uint16s: "USMALLINT",
	uint32s: "UINTEGER", uint32List: "UINTEGER[]", int32List: "INTEGER[]", int64s: "BIGINT", float64s: "DOUBLE", timestamp: "TIMESTAMP",
	duration: "BIGINT", addr: "UBIGINT",
}

// A field is one field of a record as it is kept.
type field struct {
	index int    // in the columns of the table
	name  string // of the column
	kind  kind
	names []string // of a code: the values in their order
	// optional columns are in a file from the first record on that fills them:
	// most networks fill half of them never, and all would be compressed.
	optional bool
}

// low is the column of the lower half of an address.
func (f field) low() string { return f.name + "~" }

// A layout is how a table is kept.
type layout struct {
	table  *weir.Table
	fields []field
}

// A column is a column of the database.
type column struct {
	name, sqlType string
	optional      bool
}

// define returns the column as CREATE and ALTER TABLE want it.
func (c column) define() string { return quote(c.name) + " " + c.sqlType }

// columns returns the columns of the table in the order in which a chunk has
// them.
func (l *layout) columns() []column {
	var cols []column
	for _, f := range l.fields {
		cols = append(cols, column{f.name, sqlTypes[f.kind], f.optional})
		if f.kind == addr {
			cols = append(cols, column{f.low(), sqlTypes[f.kind], f.optional})
		}
	}
	return cols
}

// field returns the field that keeps column index of the table, or nil for one
// that is computed.
func (l *layout) field(index int) *field {
	for i := range l.fields {
		if l.fields[i].index == index {
			return &l.fields[i]
		}
	}
	return nil
}

// place returns the place of l among the layouts.
func (l *layout) place() int {
	return slices.IndexFunc(layouts, func(o layout) bool { return o.table == l.table })
}

func layoutOf(t *weir.Table) *layout {
	for i := range layouts {
		if layouts[i].table == t {
			return &layouts[i]
		}
	}
	return nil
}

// logicalTypes returns the types of the columns; the caller destroys them.
func (l *layout) logicalTypes() []bindings.LogicalType {
	simple := map[string]bindings.Type{
		"VARCHAR": bindings.TypeVarchar, "UTINYINT": bindings.TypeUTinyInt, "BOOLEAN": bindings.TypeBoolean,
		"USMALLINT": bindings.TypeUSmallInt, "UINTEGER": bindings.TypeUInteger, "INTEGER": bindings.TypeInteger, "BIGINT": bindings.TypeBigInt,
		"DOUBLE": bindings.TypeDouble, "TIMESTAMP": bindings.TypeTimestamp, "UBIGINT": bindings.TypeUBigInt,
	}
	var types []bindings.LogicalType
	for _, c := range l.columns() {
		element, isList := strings.CutSuffix(c.sqlType, "[]")
		t := bindings.CreateLogicalType(simple[element])
		if isList {
			list := bindings.CreateListType(t)
			bindings.DestroyLogicalType(&t)
			t = list
		}
		types = append(types, t)
	}
	return types
}

// flagNames are the names of all sets of TCP flags in the order of the
// language, which is that of text; flagCodes is the place of each set in it.
var flagNames, flagCodes = orderFlags()

func orderFlags() (names []string, codes [256]uint8) {
	for f := range 256 {
		names = append(names, weir.TCPFlags(f).String())
	}
	sort.Strings(names)
	for f := range 256 {
		codes[f] = uint8(sort.SearchStrings(names, weir.TCPFlags(f).String()))
	}
	return names, codes
}

func clamp(n uint64) int64 { return int64(min(n, math.MaxInt64)) }

// halves returns the two halves of an address, an IPv4 one as IPv6.
func halves(a netip.Addr) (high, low uint64) {
	b := a.As16()
	return binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
}

// joinHalves is the inverse of halves.
func joinHalves(high, low uint64) netip.Addr {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], high)
	binary.BigEndian.PutUint64(b[8:], low)
	return netip.AddrFrom16(b).Unmap()
}

// quote returns a name as an SQL identifier.
func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// literal returns s as an SQL string literal.
func literal(s string) string { return `'` + strings.ReplaceAll(s, `'`, `''`) + `'` }
