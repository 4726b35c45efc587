package coap

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weir-nta/weir/decode/dialog/dialogtest"
)

var client, server = dialogtest.Client, dialogtest.Server

// The conversation is a GET with path and query that is answered, one sent twice
// that is refused, one of the server, and one that nobody answers.
var conversation = []dialogtest.Turn{
	client("\x41\x01\x00\x01\xaa\xbb.well-known\x04core\x48rt=light\xff"), server("\x61\x45\x00\x01\xaa\xc1\x28\xff</a>"),
	client("\x41\x03\x00\x02\xab\xb3led\xffon"), client("\x41\x03\x00\x02\xab\xb3led\xffon"), server("\x61\x81\x00\x02\xab"),
	server("\x42\x02\x00\x09\x01\x02\x3d\x01host.example.c\x81x"), client("\x62\x44\x00\x09\x01\x02"),
	client("\x41\x04\x00\x03\xac\xb1x"), client("\x00"), client("\x4f\x01\x00\x00"), client("\x41\x01\x00\x07\xad\xbe\xff"),
}

func TestRead(t *testing.T) {
	var out []string
	for _, c := range dialogtest.Datagrams(New(), conversation...).Commands {
		out = append(out, fmt.Sprintf("%s [%s] %s %s n=%d", c.Command, c.Object, c.Status, c.Success, c.Count))
	}
	want := "get [/.well-known/core?rt] 2.05 true n=1\nput [/led] 4.01 false n=1\npost [//host.example.c/x] 2.04 true n=1\ndelete [/x]   n=1\nget []   n=1"
	if got := strings.Join(out, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func FuzzRead(f *testing.F) { dialogtest.Fuzz(f, New, conversation) }

func BenchmarkRead(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		dialogtest.Datagrams(New(), conversation[:2]...)
	}
}
