// Package export writes records as other tools keep them: Zeek's logs, and JSON
// of the Elastic Common Schema and of the Open Cybersecurity Schema Framework.
//
// What a column is called there stands in the tags of the records
// ([weir.Column]); the few that need another form than their value are computed
// here. What the records hold and a schema has no name for is written beside
// it, or told in docs/export.md to be left out.
package export

import "github.com/weir-nta/weir"

// A Writer writes records one after the other.
type Writer interface {
	// Write writes r and keeps nothing of it.
	Write(r weir.Record) error
	// Close writes what is still buffered. It closes nothing that it was given.
	Close() error
}
