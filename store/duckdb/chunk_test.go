package duckdb

import (
	"testing"

	"github.com/weir-nta/weir"
)

// TestPutAllocates fills chunks as appending does: nothing is allocated per
// record, nor per chunk.
func TestPutAllocates(t *testing.T) {
	flows, dns := office(64, 1), lookups(64, 1)
	for _, tt := range []struct {
		table *weir.Table
		put   func(c *chunk)
	}{
		{weir.FlowTable, func(c *chunk) { c.putFlow(flows, c.rows) }},
		{weir.DNSTransactionTable, func(c *chunk) { c.putDNSTransaction(dns, c.rows) }},
	} {
		c := newChunk(layoutOf(tt.table))
		fill := func() {
			for c.rows = 0; c.rows < vectorSize; c.rows += 64 {
				tt.put(c)
			}
			c.reset()
		}
		fill() // which gets the heap its block
		if n := testing.AllocsPerRun(20, fill); n != 0 {
			t.Errorf("%s: %v allocations for %d records, want 0", tt.table.Name, n, vectorSize)
		}
		c.close()
	}
}
