package query

// A Diagnostic is one thing that is wrong with a text, or odd about it.
type Diagnostic struct {
	Span
	Message string // what is wrong
	Fix     string // what would be right, empty if nobody can know
}
