package query

// A Query is a question that has been parsed and checked.
type Query struct {
	// Columns are those of the answer.
	Columns []Column
}
