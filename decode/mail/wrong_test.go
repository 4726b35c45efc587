package mail

import (
	"strings"
	"testing"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/decode/dialog/dialogtest"
)

// TestLostWithinLogon: behind a gap in the responses of a logon nobody knows
// which one comes next, and a password is not taken for a name.
func TestLostWithinLogon(t *testing.T) {
	for name, open := range map[string]func() dialog.Reader{"imap": NewIMAP, "smtp": NewSMTP, "pop3": NewPOP3} {
		r, b := open(), &weir.Batch{}
		ask := func(what func(d *dialog.Dialog)) {
			var d dialog.Dialog
			d.Reset(dialogtest.Base, b, nil)
			what(&d)
		}
		begin := map[string]string{"imap": "a AUTHENTICATE LOGIN\r\n", "smtp": "AUTH LOGIN\r\n", "pop3": "AUTH LOGIN\r\n"}[name]
		ask(func(d *dialog.Dialog) { r.Read(d, dialog.Client, []byte(begin)) })
		ask(func(d *dialog.Dialog) { r.Lost(d, dialog.Client, 4) })
		ask(func(d *dialog.Dialog) { r.Read(d, dialog.Client, []byte("bmFtZQ==\r\naHVudGVyMg==\r\n")) }) // …name, hunter2
		ask(r.Close)
		for _, c := range b.Commands {
			if strings.Contains(c.User+c.Object+c.Command, "hunter2") {
				t.Errorf("%s: %+v", name, c)
			}
		}
	}
}
