package http

import (
	"bytes"

	"github.com/weir-nta/weir/internal/uri"
	"github.com/weir-nta/weir/internal/wire"
)

const (
	maxLine   = 12 << 10 // of a start line: servers refuse longer ones, 8 KB is the usual limit
	maxMethod = 24       // the longest registered one is UPDATEREDIRECTREF, 17
)

// Looks says whether b, which one end sent first, is the beginning of HTTP.
func Looks(client bool, b []byte) wire.Status {
	if client {
		return looksRequest(b)
	}
	return looksStatus(b)
}

func looksRequest(b []byte) wire.Status {
	if methodLength(b) < 0 {
		return wire.No
	}
	line, _, ended := cutLine(b)
	if !ended {
		if len(b) >= maxLine {
			return wire.No
		}
		return wire.More
	}
	if _, ok := cutRequest(line); !ok {
		return wire.No
	}
	return wire.Done
}

const statusLine = len("HTTP/1.1 200")

func looksStatus(b []byte) wire.Status {
	for i, c := range []byte("HTTP/1.") {
		if i < len(b) && b[i] != c {
			return wire.No
		}
	}
	if len(b) <= statusLine {
		return wire.More
	}
	if _, ok := statusCode(b); !ok {
		return wire.No
	}
	return wire.Done
}

// methodLength returns how many octets of b are the method: upper case letters
// and dashes up to a space. 0 if it goes on, -1 if b does not begin with one.
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

// A requestLine is the first line of a request.
type requestLine struct {
	method, target []byte
	minor          byte // of the version
}

// cutRequest takes a request line apart. The target reaches to the last space:
// there are clients that send spaces within it.
func cutRequest(line []byte) (r requestLine, ok bool) {
	n := methodLength(line)
	if n <= 0 {
		return r, false
	}
	line = bytes.TrimRight(line, " \t")
	i := bytes.LastIndexByte(line, ' ')
	if i <= n || !isVersion(line[i+1:]) || line[n+1] == ' ' {
		return r, false
	}
	return requestLine{line[:n], line[n+1 : i], line[len(line)-1]}, true
}

// cutBroken takes a request line apart whose version is missing or none: what a
// scanner sends that looks how a server answers, which it does.
func cutBroken(line []byte) (r requestLine, ok bool) {
	n := methodLength(line)
	if n <= 0 {
		return r, false
	}
	r.method, r.target = line[:n], bytes.TrimSpace(line[n+1:])
	if i := bytes.LastIndex(line, []byte(" HTTP/")); i > n {
		r.target = line[n+1 : i]
	} else if i == n {
		r.target = nil
	}
	return r, usualMethod(r.method)
}

func isVersion(b []byte) bool {
	return len(b) == 8 && string(b[:7]) == "HTTP/1." && b[7]-'0' < 10
}

// statusCode returns the code of a status line, of which at least one octet
// behind the code is there.
func statusCode(line []byte) (code uint16, ok bool) {
	if !isVersion(line[:8]) || line[8] != ' ' || line[statusLine] > ' ' {
		return 0, false
	}
	for _, c := range line[9:12] {
		if c-'0' > 9 {
			return 0, false
		}
		code = code*10 + uint16(c-'0')
	}
	return code, code >= 100
}

// cutLine cuts b behind its first line, which ends with LF or CR LF. Used counts
// its octets with that.
func cutLine(b []byte) (line []byte, used int, ended bool) {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		return nil, 0, false
	}
	line = b[:i]
	if i > 0 && line[i-1] == '\r' {
		line = line[:i-1]
	}
	return line, i + 1, true
}

// cutField cuts b behind its first field line with the lines that continue it
// (obsolete folding, RFC 9112, 5.2). The octet behind it must be there to tell;
// that of an empty line need not.
func cutField(b []byte) (field []byte, used int, ended bool) {
	for {
		line, n, ok := cutLine(b[used:])
		if !ok {
			return nil, 0, false
		}
		used += n
		if len(line) == 0 && used == n {
			return nil, used, true
		}
		if used == len(b) {
			return nil, 0, false
		}
		if b[used] != ' ' && b[used] != '\t' {
			return bytes.TrimRight(b[:used], "\r\n"), used, true
		}
	}
}

// hostOf returns the host that the target names: in the absolute form, which
// goes before the header (RFC 9112, 3.2.2), or as the far end of a CONNECT.
func hostOf(connect bool, target []byte) string {
	if len(target) > 0 && target[0] == '/' {
		return ""
	}
	if connect {
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

// methodName returns a method as a string, the usual ones without allocating.
func methodName(b []byte) string {
	switch string(b) {
	case "GET":
		return "GET"
	case "POST":
		return "POST"
	case "HEAD":
		return "HEAD"
	case "PUT":
		return "PUT"
	case "OPTIONS":
		return "OPTIONS"
	case "CONNECT":
		return "CONNECT"
	}
	return string(b)
}

// usualMethod reports whether it is one of the methods of RFC 9110, 9.3.
func usualMethod(b []byte) bool {
	switch string(b) {
	case "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE":
		return true
	}
	return false
}

// versionName returns the version with that minor number, "" for none.
func versionName(minor byte) string {
	switch minor {
	case 0:
		return ""
	case '1':
		return "1.1"
	case '0':
		return "1.0"
	}
	return "1." + string(rune(minor))
}
