package meter

import (
	"testing"

	"github.com/weir-nta/weir/decode/dialog"
)

// SetReader has conversations of a protocol read by another reader, until the
// test ends.
func SetReader(t testing.TB, name string, make func() dialog.Reader) {
	old, ok := readers[name]
	readers[name] = make
	t.Cleanup(func() {
		if delete(readers, name); ok {
			readers[name] = old
		}
	})
}
