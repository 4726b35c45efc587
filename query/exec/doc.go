// Package exec evaluates questions of the hunting language over records and
// rows in Go: it is what a store does itself with the stages that it cannot
// translate, and the slow, obvious twin that all stores are compared with.
// What it computes is told in the comment of package query.
package exec
