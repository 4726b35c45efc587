package database

import (
	"strings"
	"testing"

	"github.com/weir-nta/weir/decode/dialog/dialogtest"
)

// TestRedisSecrets: passwords are not kept, whether typed as a line or sent as
// an array, nor words that are no command.
func TestRedisSecrets(t *testing.T) {
	for _, said := range []string{
		"CONFIG SET requirepass hunter2\r\n", "*4\r\n$6\r\nCONFIG\r\n$3\r\nSET\r\n$11\r\nrequirepass\r\n$7\r\nhunter2\r\n",
		"ACL SETUSER joe on >hunter2\r\n", "AUTH hunter2\r\n", "AUTH joe hunter2\r\n", "hunter2\r\n", "*1\r\n$7\r\nhunter2\r\n",
		"MIGRATE 10.0.0.1 6379 key 0 10 AUTH hunter2\r\n", "HELLO 3 AUTH joe hunter2\r\n",
	} {
		got := dialogtest.Stream(NewRedis(), 1<<20, dialogtest.Client(said))
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
