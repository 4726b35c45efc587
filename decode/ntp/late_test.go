package ntp

import (
	"testing"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/decode/dialog/dialogtest"
)

// TestAnsweredLate: a record does not go back to a question of an hour ago that
// nobody answered.
func TestAnsweredLate(t *testing.T) {
	r, b := New(), &weir.Batch{}
	show := func(at time.Duration, from dialog.End, s string) {
		var d dialog.Dialog
		e := dialogtest.Base
		e.Time = e.Time.Add(at)
		d.Reset(e, b, nil)
		r.Read(&d, from, []byte(s))
	}
	for i := range 120 {
		show(time.Duration(i)*30*time.Second, dialog.Client, packet(0, 4, client, 0, ""))
	}
	show(time.Hour, dialog.Server, packet(0, 4, server, 2, "\x0a\x00\x00\x01"))
	if len(b.Commands) != 1 || dialogtest.Base.Time.Add(time.Hour).Sub(b.Commands[0].Time) > time.Minute {
		t.Errorf("%+v, want one of the last minute", b.Commands)
	}
}
