// Package wire helps decoders to take bytes apart safely.
package wire

import "errors"

// ErrStuck says that a decoder took nothing from what it was given.
var ErrStuck = errors.New("no progress")

// Each hands b to next as long as at least size bytes are left of it. Next
// returns what it did not use. If that is all of it, Each gives up: an IPFIX
// template without fields, for one, makes records of no length, and a plain
// loop would go on reading them until the memory is full.
func Each(b []byte, size int, next func([]byte) (rest []byte, err error)) error {
	for len(b) >= max(size, 1) {
		rest, err := next(b)
		if err != nil {
			return err
		}
		if len(rest) >= len(b) {
			return ErrStuck
		}
		b = rest
	}
	return nil
}

// A Status is what a decoder of the head of a stream says of the bytes it has
// been shown so far.
type Status uint8

// The statuses.
const (
	More Status = iota // it may be the protocol: show it the same bytes again with more behind them
	Done               // it is the protocol, and everything wanted has been read
	No                 // it is not the protocol, or damaged beyond reading
)
