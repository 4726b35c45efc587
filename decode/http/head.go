package http

import (
	"bytes"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/uri"
	"github.com/weir-nta/weir/internal/wire"
)

// Client reads the head of a request from its first octets alone, for sources
// that have no more: what they hold of it stands in dst even where the rest is
// missing.
func Client(dst *weir.HTTP, b []byte) wire.Status {
	if s := looksRequest(b); s != wire.Done {
		return s
	}
	line, n, _ := cutLine(b)
	q, _ := cutRequest(line)
	dst.Method, dst.URI = methodName(q.method), uri.Masked(q.target)
	dst.Host = hostOf(dst.Method == "CONNECT", q.target)
	for { // each turn takes a line
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

// Server reads the status of the first final answer from its first octets
// alone. Interim answers (1xx) are passed over, except 101 (RFC 9110, 15.2).
func Server(dst *weir.HTTP, b []byte) wire.Status {
	for { // each turn takes a head of more than twelve octets
		if s := looksStatus(b); s != wire.Done {
			return s
		}
		code, _ := statusCode(b)
		if code >= 200 || code == 101 {
			dst.Status = code
			return wire.Done
		}
		_, rest, found := bytes.Cut(b, []byte("\r\n\r\n"))
		if !found {
			return wire.More
		}
		b = rest
	}
}
