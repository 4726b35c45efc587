package ftp

import (
	"testing"

	"github.com/weir-nta/weir/decode/dialog/dialogtest"
)

// TestSite: of a command of the server's own only its name is kept.
func TestSite(t *testing.T) {
	got := dialogtest.Stream(New(), 1<<20, dialogtest.Client("SITE PSWD old hunter2\r\n"), dialogtest.Server("200 done\r\n"))
	if len(got.Commands) != 1 || got.Commands[0].Object != "PSWD" {
		t.Errorf("%+v, want the object PSWD", got.Commands)
	}
}
