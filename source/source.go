// Package source says what brings traffic in.
package source

import (
	"cmp"
	"context"
	"fmt"

	"github.com/weir-nta/weir"
)

// A Source reads traffic, has it decoded, and hands on batches of records.
type Source interface {
	// Run hands batches to emit until ctx is done, the input ends, or emit
	// returns an error, which Run returns. Emit is called from one goroutine
	// at a time; a batch handed to it is no longer the source's. Input that is
	// damaged does not stop Run: it hands on what was readable, goes on with
	// the next input if there is one, and returns a *[DamagedError] at the end
	// (several joined by errors.Join).
	Run(ctx context.Context, emit func(*weir.Batch) error) error
	// Progress tells how far Run has got. It may be called at any time from
	// any goroutine.
	Progress() Progress
}

// Progress is how far a source has got.
type Progress struct {
	Bytes   int64 // of input read, as it lies on disk
	Total   int64 // bytes of input there are, 0 where nobody knows (standard input)
	Packets int64 // packets, datagrams or log lines read
	// Unit says what Packets and Skipped count, in the plural: "lines",
	// "datagrams". "" is packets.
	Unit    string
	Records int64 // records handed on
	Skipped int64 // packets, datagrams or log lines that could not be read
	Dropped int64 // packets that the kernel dropped because they were not fetched in time
	// Notes are what the user should know of what was read: "cut packets:
	// 1,204 of 9,000 (snaplen 96)". One sentence each.
	Notes []string
}

// A DamagedError says that an input could only be read in part.
type DamagedError struct {
	Input  string // the file
	Offset int64  // where it broke, in bytes of the (decompressed) input
	Read   int64  // packets read before that
	Unit   string // what Read counts, in the plural; "" is packets
	Err    error  // what is wrong there
}

// Error says which input broke where.
func (e *DamagedError) Error() string {
	if e.Offset == 0 && e.Read == 0 { // not a capture at all, say
		return fmt.Sprintf("%s: %v", e.Input, e.Err)
	}
	return fmt.Sprintf("%s: damaged at byte %d, after %d %s: %v", e.Input, e.Offset, e.Read, cmp.Or(e.Unit, "packets"), e.Err)
}

// Unwrap returns what was wrong.
func (e *DamagedError) Unwrap() error { return e.Err }
