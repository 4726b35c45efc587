package weir

// A Table describes one kind of record: the table it makes in a store and in
// the hunting language.
type Table struct {
	Name    string
	Doc     string
	Columns []Column
	// New returns an empty record of the table.
	New func() Record

	index map[string]int
}

// A Column is one field of a table.
type Column struct {
	Name    string   // in the hunting language and in stores
	JSON    string   // in JSON; the same as Name but for a few
	Type    Type     // what Value returns
	List    bool     // the field holds any number of values of Type: Value returns []any
	Enum    []string // the values of an enumeration in their order
	Doc     string   // one sentence or two
	Unit    string   // "bytes", "packets" or empty
	Example string
	// Zeek, ECS and OCSF are the names of the column in exports: in the Zeek log
	// that its table makes, in the Elastic Common Schema and in the Open
	// Cybersecurity Schema Framework; empty where there is none.
	Zeek, ECS, OCSF string
	// OmitZero says that the zero value means missing. Columns of an absent
	// part (a flow without TLS) are missing as well.
	OmitZero bool
	// Computed says that the value follows from other columns and is not stored.
	Computed bool
	// Slow says that no store can filter by the column without reading all rows.
	Slow bool
}

// A Type is the type of a column's values, which decides the dynamic type
// that Record.Value returns.
type Type uint8

// The types and the Go types of their values.
const (
	String   Type = iota // string; for an enumeration one of Column.Enum
	Int                  // int64
	Float                // float64
	Bool                 // bool
	Addr                 // netip.Addr
	Time                 // time.Time, in UTC
	Duration             // float64, in seconds
	JSON                 // json.RawMessage
)

var typeNames = [...]string{"string", "int", "float", "bool", "address", "time", "duration", "json"}

// String returns the name of the type as it is shown to users.
func (t Type) String() string { return typeNames[t] }

// A Record is one row of a table: a *Flow, *DNSTransaction, *Oddity or *Finding.
type Record interface {
	// Table returns the record's table.
	Table() *Table
	// Value returns the value of column i of the table: nil if it is missing,
	// else of the Go type that the column's Type names.
	Value(i int) any
	// Set sets column i, which is not a computed one, from a value as Value
	// returns it. It returns an error for a value of another type.
	Set(i int, v any) error
}

// Column returns the index of the column called name, -1 if there is none.
func (t *Table) Column(name string) int {
	if i, ok := t.index[name]; ok {
		return i
	}
	return -1
}

// TableByName returns the table called name, nil if there is none.
func TableByName(name string) *Table {
	for _, t := range Tables {
		if t.Name == name {
			return t
		}
	}
	return nil
}

func newTable(name, doc string, make func() Record, columns []Column) *Table {
	t := &Table{Name: name, Doc: doc, Columns: columns, New: make, index: map[string]int{}}
	for i, c := range columns {
		t.index[c.Name] = i
	}
	return t
}
