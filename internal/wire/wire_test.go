package wire

import (
	"errors"
	"testing"
)

func TestEachStuck(t *testing.T) {
	err := Each([]byte{1, 2, 3}, 0, func(b []byte) ([]byte, error) { return b, nil })
	if !errors.Is(err, ErrStuck) {
		t.Errorf("got %v, want %v", err, ErrStuck)
	}
}

func TestEachReachesTheEnd(t *testing.T) {
	var got []byte
	err := Each([]byte{2, 9, 3, 8, 7, 1}, 1, func(b []byte) ([]byte, error) {
		got = append(got, b[0])
		return b[min(int(b[0]), len(b)):], nil
	})
	if err != nil || string(got) != "\x02\x03\x01" {
		t.Errorf("records %v, error %v; want lengths 2, 3, 1", got, err)
	}
}

func FuzzEach(f *testing.F) {
	f.Add([]byte{3, 0, 0, 1, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		// The first byte of each record is its length.
		_ = Each(b, 1, func(b []byte) ([]byte, error) {
			return b[min(int(b[0]), len(b)):], nil
		})
	})
}
