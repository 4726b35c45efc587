package ldap

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/decode/dialog/dialogtest"
)

// TestManyInDatagram: a datagram full of requests does not become thousands of
// records.
func TestManyInDatagram(t *testing.T) {
	var all strings.Builder
	for i := range 4000 { // each deletes an entry of four letters
		fmt.Fprintf(&all, "\x30\x09\x02\x01\x01\x4a\x04%04d", i)
	}
	r, b := New(), &weir.Batch{}
	var d dialog.Dialog
	e := dialogtest.Base
	e.Proto = weir.UDP
	d.Reset(e, b, nil)
	r.Read(&d, dialog.Client, []byte(all.String()))
	r.Close(&d)
	if n := len(b.Commands); n == 0 || n > maxDatagram {
		t.Errorf("%d records, want %d at most", n, maxDatagram)
	}
}
