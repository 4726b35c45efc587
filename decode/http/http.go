// Package http reads the head of the first request of an HTTP/1 connection and
// of its answer (RFC 9112). It looks at nothing behind the heads, and of the
// query of a request it keeps the keys only.
package http

import (
	"bytes"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/uri"
	"github.com/weir-nta/weir/internal/wire"
)

// Bounds of what is read and kept, in bytes. What is longer is cut.
const (
	maxHead      = 16 << 10 // servers refuse longer heads: 8 KB is the usual limit
	maxMethod    = 24       // the longest registered one is UPDATEREDIRECTREF, 17
	maxUserAgent = 512
)

// Client reads the head of the first request, from the first byte that the
// client sent. What it has read stands in dst even while it asks for more.
func Client(dst *weir.HTTP, b []byte) wire.Status {
	head := b[:min(len(b), maxHead)]
	n := methodLength(head)
	if n < 0 {
		return wire.No
	}
	line, rest, ended := cutLine(head)
	if !ended {
		if len(b) >= maxHead {
			return wire.No
		}
		return wire.More
	}
	target, version, ok := cutLast(line[min(n+1, len(line)):])
	if !ok || n == 0 || n >= len(line) || !isVersion(version) || len(target) == 0 || bytes.IndexByte(target, ' ') == 0 {
		return wire.No
	}
	dst.Method = string(line[:n])
	dst.URI = uri.Masked(target)
	dst.Host = hostOf(dst.Method, target)
	fromTarget := dst.Host != ""

	for seen := false; ; {
		if line, rest, ended = cutLine(rest); !ended {
			break
		}
		if len(line) == 0 {
			return wire.Done
		}
		key, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case !fromTarget && !seen && equalFold(key, "host"):
			dst.Host = uri.Host(bytes.TrimSpace(value))
			seen = true
		case dst.UserAgent == "" && equalFold(key, "user-agent"):
			dst.UserAgent = uri.Printable(bytes.TrimSpace(value), maxUserAgent)
		}
	}
	if len(b) >= maxHead {
		return wire.Done
	}
	return wire.More
}

// Server reads the status of the first final answer, from the first byte that
// the server sent. Interim answers (1xx) are passed over, except 101, after
// which the connection speaks something else (RFC 9110, 15.2).
func Server(dst *weir.HTTP, b []byte) wire.Status {
	const statusLine = len("HTTP/1.1 200")
	head := b[:min(len(b), maxHead)]
	// Each turn takes a head of more than twelve bytes.
	for {
		for i, c := range []byte("HTTP/1.") {
			if i < len(head) && head[i] != c {
				return wire.No
			}
		}
		if len(head) < statusLine {
			break
		}
		code, ok := statusCode(head[:statusLine])
		if !ok || len(head) > statusLine && head[statusLine] > ' ' {
			return wire.No
		}
		if code >= 200 || code == 101 {
			dst.Status = code
			return wire.Done
		}
		_, rest, found := bytes.Cut(head, []byte("\r\n\r\n"))
		if !found {
			break
		}
		head = rest
	}
	if len(b) >= maxHead {
		return wire.No
	}
	return wire.More
}

// methodLength returns how many bytes of b are the method: upper case letters
// and dashes up to a space. -1 if b does not begin with one.
func methodLength(b []byte) int {
	for i, c := range b {
		switch {
		case c == ' ' && i > 0:
			return i
		case i >= maxMethod, (c < 'A' || c > 'Z') && c != '-' && c != '_':
			return -1
		}
	}
	return 0
}

func isVersion(b []byte) bool {
	return len(b) == 8 && string(b[:7]) == "HTTP/1." && b[7]-'0' < 10
}

func statusCode(line []byte) (code uint16, ok bool) {
	if !isVersion(line[:8]) || line[8] != ' ' {
		return 0, false
	}
	for _, c := range line[9:12] {
		if c-'0' > 9 {
			return 0, false
		}
		code = code*10 + uint16(c-'0')
	}
	return code, code >= 100 && code < 1000
}

// cutLine cuts b behind its first line, which ends with LF or CR LF.
func cutLine(b []byte) (line, rest []byte, ended bool) {
	line, rest, ended = bytes.Cut(b, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r")), rest, ended
}

// cutLast cuts a request line, without its method, at its last space: there
// are clients that send spaces within the target.
func cutLast(b []byte) (target, version []byte, ok bool) {
	i := bytes.LastIndexByte(b, ' ')
	if i < 0 {
		return nil, nil, false
	}
	return b[:i], b[i+1:], true
}

// hostOf returns the host that the target names: in the absolute form, which
// goes before the header (RFC 9112, 3.2.2), or as the far end of a CONNECT.
func hostOf(method string, target []byte) string {
	if method == "CONNECT" {
		return uri.Host(target)
	}
	i := bytes.Index(target, []byte("://"))
	if i <= 0 || bytes.ContainsAny(target[:i], "/?") {
		return ""
	}
	authority := target[i+3:]
	authority = authority[:uri.AuthorityEnd(authority)]
	return uri.Host(authority[bytes.LastIndexByte(authority, '@')+1:])
}

// equalFold reports whether b, in ASCII, is lower, whatever its case.
func equalFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if c|0x20 != lower[i] && c != lower[i] {
			return false
		}
	}
	return true
}
