package query

import (
	"time"

	"github.com/weir-nta/weir"
)

// An Ask is a question put to a store.
type Ask struct {
	Query *Query
	// From and To bound the records by their ts, From included, To not. A
	// "since … until" in the text wins; its durations count back from To.
	From, To time.Time
	// Summary, if not nil, is filled when the sequence of rows has ended.
	Summary *Summary
}

// A Summary says how an answer came about and whether it is complete.
type Summary struct {
	Scanned  int64     // records in the window that were looked at
	Matched  int64     // rows of the answer before any limit of the caller
	From, To time.Time // the window asked, after the text's own since and until
	Complete bool      // no budget, limit or error cut the answer
	Notes    []string  // what the reader must know: "history is shorter than 30d"
	Plan     string    // what a store did, for explain: its SQL and the stages left to do after it
}

// A Row is one row of an answer: the values of Query.Columns in their order,
// each nil if missing, else of the Go type that weir.Type names. A value of
// the type Record is a [Record].
type Row []any

// A Column is one column of an answer.
type Column struct {
	Name string
	Type weir.Type
	List bool     // values are []any of Type
	Enum []string // set if the values are of an enumeration, in its order
	Unit string
	// Fields is set for a record-valued column, such as that of period.
	Fields []Column
}

// A Record is a value made of named parts, such as that of period.
type Record []any
