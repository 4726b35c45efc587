// Package uri takes from the URIs of requests what may be kept of them: all
// but what they hold of passwords, tokens and names.
package uri

import "bytes"

// Bounds of what is kept, in bytes. What is longer is cut.
const (
	MaxMasked = 1024
	MaxHost   = 255
	// maxBareKey is the longest part of a query without = that is taken for a
	// key ("?wsdl"); a longer one may itself be what should not be kept.
	maxBareKey = 32
)

// Masked returns the target with the values of its parameters replaced by
// *, for they hold passwords, tokens and names: those of the query and those
// behind a semicolon in the path. User names before a host are left out.
func Masked(target []byte) string {
	if i := bytes.Index(target, []byte("://")); i > 0 {
		authority := target[i+3:]
		end := AuthorityEnd(authority)
		if at := bytes.LastIndexByte(authority[:end], '@'); at >= 0 {
			target = append(append([]byte{}, target[:i+3]...), authority[at+1:]...)
		}
	}
	out := make([]byte, 0, min(len(target), MaxMasked)+8)
	query := false
	for len(target) > 0 && len(out) < MaxMasked {
		end := partEnd(target, query)
		out = appendMasked(out, target[:end], query)
		if end == len(target) {
			break
		}
		query = query || target[end] == '?'
		// In the path a slash ends what a semicolon began.
		inParameter := query || target[end] == ';'
		out = append(out, target[end])
		target = target[end+1:]
		if inParameter && !query {
			end = bytes.IndexAny(target, "/;?")
			if end < 0 {
				end = len(target)
			}
			out = appendMasked(out, target[:end], true)
			target = target[end:]
		}
	}
	return string(out[:min(len(out), MaxMasked)])
}

// partEnd returns where the next delimiter is: of parameters within a query,
// of the path outside.
func partEnd(b []byte, query bool) int {
	delimiters := ";?"
	if query {
		delimiters = "&;"
	}
	if i := bytes.IndexAny(b, delimiters); i >= 0 {
		return i
	}
	return len(b)
}

// appendMasked appends part; of a parameter only its key.
func appendMasked(dst, part []byte, parameter bool) []byte {
	if parameter {
		key, value, pair := bytes.Cut(part, []byte("="))
		switch {
		case pair && len(value) > 0:
			return append(appendPrintable(dst, key), "=*"...)
		case !pair && len(part) > maxBareKey:
			return append(dst, '*')
		}
	}
	return appendPrintable(dst, part)
}

// AuthorityEnd returns where the authority ends that b begins with.
func AuthorityEnd(b []byte) int {
	if i := bytes.IndexAny(b, "/?#"); i >= 0 {
		return i
	}
	return len(b)
}

// Host returns an authority without its port and who logs on there, in lower
// case; of an IPv6 address without the brackets.
func Host(b []byte) string {
	b = b[bytes.LastIndexByte(b, '@')+1:] // user and password, where none belong
	if len(b) > 0 && b[0] == '[' {
		if i := bytes.IndexByte(b, ']'); i > 0 {
			return Printable(bytes.ToLower(b[1:i]), MaxHost)
		}
	}
	if i := bytes.LastIndexByte(b, ':'); i >= 0 && bytes.IndexByte(b, ':') == i {
		b = b[:i]
	}
	return Printable(bytes.ToLower(b[:min(len(b), MaxHost)]), MaxHost)
}

// Printable returns b as a string of n bytes at most.
func Printable(b []byte, n int) string {
	var room [64]byte
	out := appendPrintable(room[:0], b[:min(len(b), n)])
	return string(out[:min(len(out), n)])
}

// appendPrintable appends b with octets outside printable ASCII as \xHH.
func appendPrintable(dst, b []byte) []byte {
	const hex = "0123456789abcdef"
	for _, c := range b {
		if c < ' ' || c >= 0x7f {
			dst = append(dst, '\\', 'x', hex[c>>4], hex[c&15])
			continue
		}
		dst = append(dst, c)
	}
	return dst
}
