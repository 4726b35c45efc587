package weir

import "time"

// An Alert is all findings of one detector with one key, as one thing to be
// dealt with.
type Alert struct {
	ID          string // detector and key
	First, Last time.Time
	Count       uint64  // findings joined
	Finding     Finding // the most severe so far, the latest among equals
}
