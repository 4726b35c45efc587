// Package query is the hunting language: its text, its syntax tree, and the
// check of a tree against the fields of the records. It does not know how any
// store answers.
package query
