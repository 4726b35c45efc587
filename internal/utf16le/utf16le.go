// Package utf16le makes strings of the UTF-16 in little endian that protocols
// of Windows write their names in.
package utf16le

import (
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Printable returns b, up to its first zero, as a string of n bytes of UTF-8 at
// most. What does not print and halves of surrogate pairs are written \uXXXX;
// an odd octet at the end is left out.
func Printable(b []byte, n int) string {
	var room [96]byte
	return string(AppendPrintable(room[:0], b, n))
}

// AppendPrintable appends what Printable returns.
func AppendPrintable(dst, b []byte, n int) []byte {
	start := len(dst)
	for len(b) >= 2 {
		r := rune(b[0]) | rune(b[1])<<8
		b = b[2:]
		if r == 0 {
			break
		}
		if utf16.IsSurrogate(r) && len(b) >= 2 {
			if pair := utf16.DecodeRune(r, rune(b[0])|rune(b[1])<<8); pair != unicode.ReplacementChar {
				r, b = pair, b[2:]
			}
		}
		before := len(dst)
		dst = appendRune(dst, r)
		if len(dst)-start > n {
			return dst[:before]
		}
	}
	return dst
}

func appendRune(dst []byte, r rune) []byte {
	switch {
	case r >= ' ' && r < 0x7f:
		return append(dst, byte(r))
	case unicode.IsPrint(r):
		return utf8.AppendRune(dst, r)
	}
	const hex = "0123456789abcdef"
	if r > 0xffff {
		dst = append(dst, '\\', 'U', '0', '0', hex[r>>20&15], hex[r>>16&15])
	} else {
		dst = append(dst, '\\', 'u')
	}
	return append(dst, hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
}
