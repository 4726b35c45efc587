package http

import (
	"bytes"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/uri"
	"github.com/weir-nta/weir/internal/wire"
)

// Client reads the head of the first request, from the first byte that the
// client sent. What it has read stands in dst even while it asks for more.
func Client(dst *weir.HTTP, b []byte) wire.Status {
	if s := looksRequest(b); s != wire.Done {
		return s
	}
	line, n, _ := cutLine(b)
	q, _ := cutRequest(line)
	dst.Method, dst.URI = string(q.method), uri.Masked(q.target)
	dst.Host = hostOf(dst.Method == "CONNECT", q.target)
	for {
		b = b[n:]
		if line, n, _ = cutLine(b); n == 0 {
			return wire.More
		}
		if len(line) == 0 {
			return wire.Done
		}
		key, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case dst.Host == "" && equalFold(key, "host"):
			dst.Host = uri.Host(bytes.TrimSpace(value))
		case dst.UserAgent == "" && equalFold(key, "user-agent"):
			dst.UserAgent = uri.Printable(bytes.TrimSpace(value), maxUserAgent)
		}
	}
}

// Server reads the status of the first final answer.
func Server(dst *weir.HTTP, b []byte) wire.Status {
	s := looksStatus(b)
	if s == wire.Done {
		dst.Status, _ = statusCode(b)
	}
	return s
}
