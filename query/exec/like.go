package exec

import (
	"strings"
	"unicode/utf8"

	"github.com/weir-nta/weir/query"
)

// like returns the test of a Like. Pattern is lower case; what is tested need not be.
func like(op query.LikeOp, pattern string) func(string) bool {
	switch op {
	case query.Contains:
		return func(s string) bool { return containsFold(s, pattern) }
	case query.StartsWith:
		return func(s string) bool { return hasPrefixFold(s, pattern) }
	case query.EndsWith:
		return func(s string) bool { return len(s) >= len(pattern) && hasPrefixFold(s[len(s)-len(pattern):], pattern) }
	}
	parts := parsePattern(pattern)
	return func(s string) bool { return matchParts(s, parts) }
}

func small(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

func hasPrefixFold(s, prefix string) bool {
	if len(s) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		if small(s[i]) != prefix[i] {
			return false
		}
	}
	return true
}

func containsFold(s, sub string) bool {
	for i := 0; i+len(sub) <= len(s); i++ {
		if hasPrefixFold(s[i:], sub) {
			return true
		}
	}
	return false
}

// A part of a pattern is any characters, one character, or this text.
type part struct {
	many bool // %
	one  bool // _
	text string
}

func parsePattern(pattern string) []part {
	var parts []part
	var text strings.Builder
	flush := func() {
		if text.Len() > 0 {
			parts = append(parts, part{text: text.String()})
			text.Reset()
		}
	}
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '%':
			flush()
			parts = append(parts, part{many: true})
		case c == '_':
			flush()
			parts = append(parts, part{one: true})
		case c == '\\' && i+1 < len(pattern):
			i++
			text.WriteByte(pattern[i])
		default:
			text.WriteByte(c)
		}
	}
	flush()
	return parts
}

// matchParts matches all of s. On a mismatch it goes back to the last % only,
// and lets it take one character more, which is enough.
func matchParts(s string, parts []part) bool {
	i, p := 0, 0
	backPart, backPos := -1, 0
	for {
		n, ok := 0, false
		switch {
		case p == len(parts):
			ok = i == len(s)
			if ok {
				return true
			}
		case parts[p].many:
			backPart, backPos = p, i
			p++
			continue
		case parts[p].one:
			_, n = utf8.DecodeRuneInString(s[i:])
			ok = n > 0
		default:
			n = len(parts[p].text)
			ok = hasPrefixFold(s[i:], parts[p].text)
		}
		if ok {
			i, p = i+n, p+1
			continue
		}
		if backPart < 0 || backPos >= len(s) {
			return false
		}
		_, n = utf8.DecodeRuneInString(s[backPos:])
		backPos += n
		i, p = backPos, backPart+1
	}
}
