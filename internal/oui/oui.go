// Package oui knows who holds the first part of a link-layer address: blocks
// of 24, 28 and 36 bits, assigned by the IEEE Registration Authority (RFC 9542,
// 2.1).
package oui

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"io"
	"strconv"
	"strings"
	"sync"
)

// table is written by tools/genoui.
//
//go:embed table.gz
var table []byte

// Bits of an address that are not of its holder (IEEE 802, 8.2).
const (
	group = 1 << 40 // I/G: to many
	local = 2 << 40 // U/L: made up by whoever uses it
)

// holders maps the first bits of addresses to names, by their number.
type holders struct {
	of24, of28, of36 map[uint64]string
}

// load unpacks the table, of some 54,000 blocks: 5 MB from the first question on.
var load = sync.OnceValue(func() *holders {
	h := &holders{of24: map[uint64]string{}, of28: map[uint64]string{}, of36: map[uint64]string{}}
	z, err := gzip.NewReader(bytes.NewReader(table))
	if err != nil {
		panic(err) // it is built in
	}
	text, err := io.ReadAll(z)
	if err != nil {
		panic(err)
	}
	for line := range strings.Lines(string(text)) {
		name, prefixes, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		for p := range strings.FieldsSeq(prefixes) {
			h.add(p, name)
		}
	}
	return h
})

func (h *holders) add(prefix, name string) {
	n, err := strconv.ParseUint(prefix, 16, 64)
	if err != nil {
		return
	}
	switch len(prefix) {
	case 6:
		h.of24[n] = name
	case 7:
		h.of28[n] = name
	case 9:
		h.of36[n] = name
	}
}

// Holder returns who holds the block that the address is of, as registered;
// "" if nobody does, or if the address is made up or of a group.
func Holder(mac [6]byte) string {
	n := number(mac)
	if n&(group|local) != 0 {
		return ""
	}
	h := load()
	if name, ok := h.of36[n>>12]; ok {
		return name
	}
	if name, ok := h.of28[n>>20]; ok {
		return name
	}
	return h.of24[n>>24]
}

// IsLocal reports whether the address was made up by whoever uses it, as those
// of virtual machines and the random ones of phones.
func IsLocal(mac [6]byte) bool { return number(mac)&local != 0 }

func number(mac [6]byte) (n uint64) {
	for _, b := range mac {
		n = n<<8 | uint64(b)
	}
	return n
}
