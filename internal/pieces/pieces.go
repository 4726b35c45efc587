// Package pieces puts together what comes in pieces, in whatever order, in
// bounded memory.
package pieces

import (
	"bytes"
	"slices"
)

// Bounds of what is gathered: octets of the whole, and pieces. A ClientHello has
// 2 KB with a key against quantum computers, a chain of certificates 2 to 5 KB.
const (
	MaxBytes  = 8 << 10
	MaxPieces = 128
)

// A Stream is made of pieces that each say where they belong. It holds what has
// come and no room for what has not. Its zero value is ready for use.
type Stream struct {
	octets []byte  // in the order in which they came
	pieces []piece // in their order in the stream
	base   int     // what is before it has been read
	// Differs says that the same octets came twice and not the same.
	Differs bool
}

// A piece says where in the stream n octets belong and where they are held.
type piece struct{ offset, n, at int }

// Put takes a copy of a piece. It returns false, and has taken nothing, if that
// exceeds the bounds.
func (s *Stream) Put(offset uint64, b []byte) bool {
	if offset > MaxBytes || offset+uint64(len(b)) > MaxBytes {
		return false
	}
	p := piece{int(offset), len(b), len(s.octets)}
	if p.n == 0 || p.offset+p.n <= s.base {
		return true
	}
	for _, old := range s.pieces {
		lo, hi := max(old.offset, p.offset), min(old.offset+old.n, p.offset+p.n)
		if lo >= hi {
			continue
		}
		if !bytes.Equal(s.octets[old.at+lo-old.offset:old.at+hi-old.offset], b[lo-p.offset:hi-p.offset]) {
			s.Differs = true
		}
		if lo == p.offset && hi == p.offset+p.n {
			return true // sent again
		}
	}
	if len(s.pieces) >= MaxPieces || len(s.octets)+p.n > MaxBytes {
		return false
	}
	s.octets = append(s.octets, b...)
	i, _ := slices.BinarySearchFunc(s.pieces, p, func(old, p piece) int { return old.offset - p.offset })
	s.pieces = slices.Insert(s.pieces, i, p)
	return true
}

// Ready returns how many octets are there without a gap behind those skipped.
func (s *Stream) Ready() int {
	at := s.base
	for _, p := range s.pieces {
		if p.offset > at {
			break
		}
		at = max(at, p.offset+p.n)
	}
	return at - s.base
}

// Append appends the next n octets to dst, nil if they have not all come. Of
// octets that came twice those count whose piece begins first.
func (s *Stream) Append(dst []byte, n int) []byte {
	at := s.base
	for _, p := range s.pieces {
		if p.offset > at || at >= s.base+n {
			break
		}
		if end := min(p.offset+p.n, s.base+n); end > at {
			dst = append(dst, s.octets[p.at+at-p.offset:p.at+end-p.offset]...)
			at = end
		}
	}
	if at < s.base+n {
		return nil
	}
	return dst
}

// Skip moves behind the next n octets, which have been read.
func (s *Stream) Skip(n int) { s.base += n }
