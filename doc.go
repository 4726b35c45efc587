// Package weir is the vocabulary of Weir: the records it keeps of network
// traffic, and what its detectors say about them.
//
// Traffic moves one way through the program:
//
//	source → decode → record → enrich → store
//	                                 ↘ detect → finding → alert → sink
//
// This package holds the records and nothing that moves them. It imports only
// the standard library, starts no goroutine and does no I/O, so that every
// other package can speak in its words. Each stage has a package of the same
// name; [github.com/weir-nta/weir/pipeline] is the page on which they meet.
//
// The structs of this package are the one declaration of what a record holds.
// The tag of a field is its name in the hunting language, in the stores, in
// JSON and in exports; its comment is its help text there. What follows from
// them (zrecords.go, docs/fields.md) is generated:
//
//go:generate go run ./tools/genrecords
//go:generate go run ./tools/genmatrix
package weir
