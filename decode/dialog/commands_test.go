package dialog

import (
	"strconv"
	"strings"
	"testing"

	"github.com/weir-nta/weir"
)

// TestCommandsHold: long texts are handed on sooner, and not held behind that.
func TestCommandsHold(t *testing.T) {
	var c Commands
	var d Dialog
	b := &weir.Batch{}
	d.Reset(weir.Endpoints{}, b, nil)
	const n, long = 500, 1000
	for i := range n {
		c.Add(&d, weir.Command{Command: "a", Object: strconv.Itoa(i) + strings.Repeat("x", long)})
		held := 0
		for _, one := range c.list[:cap(c.list)] {
			held += len(one.Object)
		}
		if held > maxText+2*long {
			t.Fatalf("%d octets held", held)
		}
	}
	c.Flush(&d)
	if len(b.Commands) != n {
		t.Errorf("%d told, want %d", len(b.Commands), n)
	}
}
