// Package enrich says what adds to records that which their packets do not carry.
package enrich

import "github.com/weir-nta/weir"

// An Enricher fills fields of records in place, before anybody else has seen
// them. What it cannot find out it leaves empty; it does not fail and does not
// wait for the network. Enrich is called for batches in their order, from one
// goroutine at a time.
type Enricher interface {
	Enrich(*weir.Batch)
}
