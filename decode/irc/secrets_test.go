package irc

import (
	"strings"
	"testing"

	"github.com/weir-nta/weir/decode/dialog/dialogtest"
)

// TestSecretsInTheWrongPlace: what stands behind a name in a last parameter, and
// a response that comes in place of a mechanism, is not kept.
func TestSecretsInTheWrongPlace(t *testing.T) {
	for _, said := range []string{
		"OPER :admin hunter2\r\n", "JOIN :#room hunter2\r\n", "WALLOPS :hunter2\r\n", "SETNAME :hunter2\r\n", "hunter2\r\n",
		"AUTHENTICATE hunter2\r\n", "PRIVMSG NickServ :IDENTIFY hunter2\r\n",
	} {
		got := dialogtest.Stream(New(), 1<<20, dialogtest.Client(said))
		if len(got.Commands) != 1 {
			t.Errorf("%q: %d commands, want 1", said, len(got.Commands))
		}
		for _, c := range got.Commands {
			if s := strings.ToLower(c.Command + " " + c.Object + " " + c.User); strings.Contains(s, "hunter2") {
				t.Errorf("%q: %s", said, s)
			}
		}
	}
}
