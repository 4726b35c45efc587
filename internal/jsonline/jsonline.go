// Package jsonline reads JSON objects (RFC 8259) as logs write them, one a
// line: it calls back for each member and builds nothing. What a log does not
// need costs no memory, and what it needs costs none either.
package jsonline

import (
	"errors"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// A Kind says what a value is.
type Kind uint8

// The kinds. An Object is told of by [Reader.Elements] only: [Reader.Each]
// goes into it.
const (
	String Kind = iota + 1
	Number
	True
	False
	Null
	Array
	Object
)

// maxDepth is how deep objects and arrays may lie in one another. Logs need
// less than ten; a line of brackets must not eat the stack.
const maxDepth = 64

var (
	errEnd   = errors.New("the line ends within its object")
	errDepth = fmt.Errorf("objects in one another, more than %d deep", maxDepth)
)

// A Reader reads objects. Its zero value is ready; it keeps memory to use
// again, and is not for several goroutines.
type Reader struct {
	key  []byte // of the objects that are being read, outermost first: "id."
	text []byte // strings that are not as they stand in the line
}

// Each calls f for the members of an object, in their order, those of objects
// in it as well: "orig_h" in "id" has the key "id.orig_h", just as if it stood
// outside by that name. Members that come twice are told twice.
//
// The value of a String is what it means, valid UTF-8 whatever the line holds;
// that of an Array is its text, for [Reader.Elements]; that of another kind is
// its text. A key is valid during the call, a value until the reader is asked
// again. Within the call, f may ask it to read others; those are valid until f
// returns.
//
// The error is that of f, at which reading ends, or says what is wrong with
// the line; the members before it have been told of.
func (r *Reader) Each(object []byte, f func(key, value []byte, kind Kind) error) error {
	i := space(object, 0)
	if i == len(object) || object[i] != '{' {
		return errors.New("no JSON object")
	}
	keys, texts := len(r.key), len(r.text)
	i, err := r.object(object, i, keys, 1, f)
	r.key, r.text = r.key[:keys], r.text[:texts]
	if err != nil {
		return err
	}
	if i = space(object, i); i < len(object) {
		return wrong(object, i, "after the object")
	}
	return nil
}

// Elements calls f for the elements of an array, in their order. The value of
// an Object is its text, for [Reader.Each]. All else is as Each says.
func (r *Reader) Elements(array []byte, f func(value []byte, kind Kind) error) error {
	i := space(array, 0)
	if i == len(array) || array[i] != '[' {
		return errors.New("no JSON array")
	}
	i = space(array, i+1)
	texts := len(r.text)
	defer func() { r.text = r.text[:texts] }()
	for first := true; ; first = false {
		if i == len(array) {
			return errEnd
		}
		if array[i] == ']' && first {
			break
		}
		value, kind, next, err := r.value(array, i, 1)
		if err != nil {
			return err
		}
		if kind == String {
			value = r.meaning(value)
		}
		if err = f(value, kind); err != nil {
			return err
		}
		more, next, err := comma(array, next, ']')
		if err != nil {
			return err
		}
		i = next
		if !more {
			break
		}
	}
	if i = space(array, i+1); i < len(array) {
		return wrong(array, i, "after the array")
	}
	return nil
}

// object reads the object at b[i] and returns where it has ended. What of
// r.key lies behind keys is put before the keys of its members.
func (r *Reader) object(b []byte, i, keys, depth int, f func(key, value []byte, kind Kind) error) (int, error) {
	if depth > maxDepth {
		return 0, errDepth
	}
	i = space(b, i+1)
	if i < len(b) && b[i] == '}' {
		return i + 1, nil
	}
	prefix := len(r.key)
	for {
		key, next, err := member(b, i)
		if err != nil {
			return 0, err
		}
		key = r.meaning(key)
		inner := next < len(b) && b[next] == '{'
		if prefix > keys || inner {
			r.key = append(r.key[:prefix], key...)
			key = r.key[keys:]
		}
		if inner {
			r.key = append(r.key, '.')
			next, err = r.object(b, next, keys, depth+1, f)
		} else {
			var value []byte
			var kind Kind
			if value, kind, next, err = r.value(b, next, depth); err == nil {
				if kind == String {
					value = r.meaning(value)
				}
				err = f(key, value, kind)
			}
		}
		r.key = r.key[:prefix]
		if err != nil {
			return 0, err
		}
		more, next, err := comma(b, next, '}')
		if err != nil || !more {
			return next + 1, err
		}
		i = next
	}
}

// member reads the key at b[i], without its quotes, and returns where the value begins.
func member(b []byte, i int) (key []byte, next int, err error) {
	if i == len(b) {
		return nil, 0, errEnd
	}
	if b[i] != '"' {
		return nil, 0, wrong(b, i, "where a key should be")
	}
	end, err := stringEnd(b, i)
	if err != nil {
		return nil, 0, err
	}
	next = space(b, end)
	if next == len(b) {
		return nil, 0, errEnd
	}
	if b[next] != ':' {
		return nil, 0, wrong(b, next, "after a key")
	}
	return b[i+1 : end-1], space(b, next+1), nil
}

// comma looks for what follows a value: a comma, and then it returns where the
// next value or key begins, or the end of what the value is in.
func comma(b []byte, i int, end byte) (more bool, next int, err error) {
	i = space(b, i)
	switch {
	case i == len(b):
		return false, 0, errEnd
	case b[i] == ',':
		return true, space(b, i+1), nil
	case b[i] == end:
		return false, i, nil
	}
	return false, 0, wrong(b, i, "after a value")
}

// value reads the value at b[i]: its text, of a string that between the quotes.
func (r *Reader) value(b []byte, i, depth int) (value []byte, kind Kind, next int, err error) {
	if i == len(b) {
		return nil, 0, 0, errEnd
	}
	switch c := b[i]; c {
	case '"':
		if next, err = stringEnd(b, i); err != nil {
			return nil, 0, 0, err
		}
		return b[i+1 : next-1], String, next, nil
	case '{':
		next, err = skip(b, i, depth+1)
		kind = Object
	case '[':
		next, err = skip(b, i, depth+1)
		kind = Array
	case 't':
		next, err = word(b, i, "true")
		kind = True
	case 'f':
		next, err = word(b, i, "false")
		kind = False
	case 'n':
		next, err = word(b, i, "null")
		kind = Null
	default:
		next, err = numberEnd(b, i)
		kind = Number
	}
	if err != nil {
		return nil, 0, 0, err
	}
	return b[i:next], kind, next, nil
}

// skip passes over the object or array at b[i].
func skip(b []byte, i, depth int) (int, error) {
	if depth > maxDepth {
		return 0, errDepth
	}
	end := b[i] + 2 // of { and [ in ASCII
	object := end == '}'
	i = space(b, i+1)
	if i < len(b) && b[i] == end {
		return i + 1, nil
	}
	for {
		var err error
		if object {
			if _, i, err = member(b, i); err != nil {
				return 0, err
			}
		}
		if i, err = skipValue(b, i, depth); err != nil {
			return 0, err
		}
		more, next, err := comma(b, i, end)
		if err != nil || !more {
			return next + 1, err
		}
		i = next
	}
}

func skipValue(b []byte, i, depth int) (int, error) {
	if i == len(b) {
		return 0, errEnd
	}
	switch b[i] {
	case '"':
		return stringEnd(b, i)
	case '{', '[':
		return skip(b, i, depth+1)
	case 't':
		return word(b, i, "true")
	case 'f':
		return word(b, i, "false")
	case 'n':
		return word(b, i, "null")
	}
	return numberEnd(b, i)
}

func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\r' || b[i] == '\n') {
		i++
	}
	return i
}

func word(b []byte, i int, w string) (int, error) {
	if len(b)-i < len(w) {
		return 0, errEnd
	}
	if string(b[i:i+len(w)]) != w {
		return 0, wrong(b, i, "where a value should be")
	}
	return i + len(w), nil
}

// plain are the bytes that stand for themselves in a string and need no
// further look: ASCII without quotes, backslashes and control characters.
var plain = func() (t [256]bool) {
	for c := ' '; c < 0x7f; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// stringEnd returns the position behind the string at b[i].
func stringEnd(b []byte, i int) (int, error) {
	for i++; i < len(b); i++ {
		switch c := b[i]; {
		case plain[c]:
		case c == '"':
			return i + 1, nil
		case c == '\\':
			if i++; i == len(b) {
				return 0, errEnd
			}
			switch b[i] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				if len(b)-i < 5 {
					return 0, errEnd
				}
				if _, ok := hex4(b[i+1:]); !ok {
					return 0, wrong(b, i, "in an escape")
				}
				i += 4
			default:
				return 0, wrong(b, i, "behind a backslash")
			}
		case c < ' ':
			return 0, wrong(b, i, "in a string")
		}
	}
	return 0, errEnd
}

// numberEnd returns the position behind the number at b[i].
func numberEnd(b []byte, i int) (int, error) {
	start := i
	if b[i] == '-' {
		i++
	}
	whole := digits(b, i)
	if whole == i || b[i] == '0' && whole > i+1 {
		return 0, wrong(b, start, "where a value should be")
	}
	i = whole
	if i < len(b) && b[i] == '.' {
		part := digits(b, i+1)
		if part == i+1 {
			return 0, wrong(b, i, "in a number")
		}
		i = part
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		at := i + 1
		if at < len(b) && (b[at] == '+' || b[at] == '-') {
			at++
		}
		if i = digits(b, at); i == at {
			return 0, wrong(b, start, "where a number should be")
		}
	}
	return i, nil
}

func digits(b []byte, i int) int {
	for i < len(b) && b[i]-'0' <= 9 {
		i++
	}
	return i
}

// meaning returns what the text between quotes means: itself, if there are
// neither escapes in it nor bytes that are no UTF-8.
func (r *Reader) meaning(s []byte) []byte {
	for i, c := range s {
		if !plain[c] {
			return r.unescape(s, i)
		}
	}
	return s
}

// unescape appends what s means to r.text and returns that. The first n bytes
// of s are plain.
func (r *Reader) unescape(s []byte, n int) []byte {
	start := len(r.text)
	r.text = append(r.text, s[:n]...)
	for i := n; i < len(s); {
		c := s[i]
		switch {
		case c == '\\':
			i = r.escape(s, i+1)
		case c < utf8.RuneSelf:
			r.text = append(r.text, c)
			i++
		default:
			run, size := utf8.DecodeRune(s[i:])
			r.text = utf8.AppendRune(r.text, run) // of what is no UTF-8, the replacement character
			i += size
		}
	}
	return r.text[start:]
}

// escape appends what the escape means whose letter is s[i], and returns the
// position behind it. stringEnd has checked it.
func (r *Reader) escape(s []byte, i int) int {
	c := s[i]
	switch c {
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	case 'u':
		run, _ := hex4(s[i+1:])
		i += 5
		if utf16.IsSurrogate(run) {
			second := rune(0)
			if len(s)-i >= 6 && s[i] == '\\' && s[i+1] == 'u' {
				second, _ = hex4(s[i+2:])
			}
			if run = utf16.DecodeRune(run, second); run != utf8.RuneError {
				i += 6
			}
		}
		r.text = utf8.AppendRune(r.text, run)
		return i
	}
	r.text = append(r.text, c)
	return i + 1
}

// hex4 reads four hexadecimal digits, of which b holds enough.
func hex4(b []byte) (run rune, ok bool) {
	for _, c := range b[:4] {
		switch {
		case c-'0' <= 9:
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		run = run<<4 | rune(c)
	}
	return run, true
}

func wrong(b []byte, i int, where string) error {
	if i >= len(b) {
		return errEnd
	}
	return fmt.Errorf("%q %s, at byte %d", b[i], where, i)
}
