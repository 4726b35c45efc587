package http

import (
	"strings"
	"testing"

	"github.com/weir-nta/weir/decode/dialog"
	"github.com/weir-nta/weir/decode/dialog/dialogtest"
)

// TestEndlessLine: a first line that looks like one of HTTP and does not end is
// passed over, and what comes behind it is found.
func TestEndlessLine(t *testing.T) {
	for name, begin := range map[string]string{"client": "GET /", "server": "HTTP/1.1 200 "} {
		from := dialog.Client
		if name == "server" {
			from = dialog.Server
		}
		got := dialogtest.Stream(New(), 1<<20,
			dialogtest.Turn{From: from, Data: begin + strings.Repeat("a", maxLine)}, dialogtest.Turn{From: from, Data: strings.Repeat("b", 100) + "\r\n"},
			dialogtest.Client("GET /x HTTP/1.1\r\n\r\n"), dialogtest.Server("HTTP/1.1 204 No\r\n\r\n"))
		if n := len(got.Batch.HTTP); n == 0 || got.Batch.HTTP[n-1].URI != "/x" || got.Batch.HTTP[n-1].Status != 204 {
			t.Errorf("%s: %+v, want one of /x with 204 at the end", name, got.Batch.HTTP)
		}
	}
}
