// Package lines cuts streams of text into lines and dot-terminated blocks.
package lines

import "bytes"

// Max is the longest line that is shown, in octets. Of a longer one the
// beginning is shown and the rest passed over: the commands and answers of
// protocols of text have 512 to 1,000.
const Max = 2 << 10

// A Cutter cuts lines off a stream that is shown in pieces, the unread part
// again and again. Its zero value is ready for use.
type Cutter struct {
	long bool // what comes is the rest of a line that was too long
}

// Next returns the first line of b without its end, and how many octets to take
// off b. If ok is false, there is no whole line, and more has to come behind
// what is left.
func (c *Cutter) Next(b []byte) (line []byte, used int, ok bool) {
	if c.long {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			return nil, len(b), false
		}
		c.long = false
		used = i + 1
		b = b[used:]
	}
	i := bytes.IndexByte(b, '\n')
	switch {
	case i < 0 && len(b) < Max:
		return nil, used, false
	case i < 0:
		c.long = true
		return b[:Max], used + len(b), true
	}
	line = b[:i]
	if i > 0 && line[i-1] == '\r' {
		line = line[:i-1]
	}
	return line[:min(len(line), Max)], used + i + 1, true
}

// Lost says that octets were missed: what comes is the rest of some line.
func (c *Cutter) Lost() { c.long = true }

// A Block is text that ends with a line of a single dot, as of DATA in SMTP
// (RFC 5321, 4.5.2) and of answers in POP3 (RFC 1939, 3). Its zero value is one
// that begins.
type Block struct {
	begun bool
	// Size counts its octets, without the last line.
	Size uint64
}

// Take returns how many octets of b belong to the block, and whether it ends
// there.
func (t *Block) Take(b []byte) (used int, ended bool) {
	if !t.begun {
		switch n, whole := dot(b); {
		case whole:
			return n, true
		case n > 0:
			return 0, false
		}
		t.begun = true
	}
	for { // each turn moves on behind an end of line
		i := bytes.Index(b[used:], []byte("\n."))
		if i < 0 {
			break
		}
		n, whole := dot(b[used+i+1:])
		if whole {
			t.Size += uint64(used + i + 1)
			return used + i + 1 + n, true
		}
		if n > 0 { // the end of line stays, to know where it begins
			used += i
			t.Size += uint64(used)
			return used, false
		}
		used += i + 2
	}
	if used = len(b); used > 0 && b[used-1] == '\n' {
		used--
	}
	t.Size += uint64(used)
	return used, false
}

// Lost counts octets of the block that were missed.
func (t *Block) Lost(n int) {
	t.begun = true
	t.Size += uint64(n)
}

// dot looks for a line of a single dot at the beginning of b: n is its length, or
// how much of it is there.
func dot(b []byte) (n int, whole bool) {
	switch {
	case len(b) == 0:
		return 0, false
	case b[0] != '.':
		return 0, false
	case len(b) == 1:
		return 1, false
	case b[1] == '\n':
		return 2, true
	case b[1] != '\r':
		return 0, false
	case len(b) == 2:
		return 2, false
	case b[2] == '\n':
		return 3, true
	}
	return 0, false
}

// CutWord cuts b behind its first word, which ends with spaces.
func CutWord(b []byte) (word, rest []byte) {
	word, rest, _ = bytes.Cut(b, []byte(" "))
	return word, bytes.TrimLeft(rest, " ")
}

// Code returns the three digits that a line of an answer begins with, and
// whether it is the last line of that answer (RFC 959, 4.2; RFC 5321, 4.2).
// Ok is false if it begins with something else.
func Code(line []byte) (code string, last, ok bool) {
	if len(line) < 3 {
		return "", false, false
	}
	for _, c := range line[:3] {
		if c-'0' > 9 {
			return "", false, false
		}
	}
	if len(line) > 3 && line[3] != ' ' && line[3] != '-' {
		return "", false, false
	}
	return string(line[:3]), len(line) == 3 || line[3] == ' ', true
}

// Success says "true" of an answer of 2 or 3 hundred, "false" of one above.
func Success(code string) string {
	switch {
	case code == "" || code[0] == '1':
		return ""
	case code[0] <= '3':
		return "true"
	}
	return "false"
}

// Unknown stands for a word that is none of the verbs of a protocol: it may be a
// password that came too early, and is not kept.
const Unknown = "unknown"

// maxVerb bounds how long a verb may be, in octets.
const maxVerb = 16

// Verbs are the words that a protocol knows, in upper case.
type Verbs map[string]string

// NewVerbs returns these verbs, each of 16 octets at most.
func NewVerbs(words ...string) Verbs {
	v := Verbs{}
	for _, w := range words {
		v[w] = w
	}
	return v
}

// Of returns the verb that a word is in whatever case, else [Unknown]. It
// allocates nothing.
func (v Verbs) Of(word []byte) string {
	var up [maxVerb]byte
	if len(word) > len(up) {
		return Unknown
	}
	for i, c := range word {
		if c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		up[i] = c
	}
	if s, ok := v[string(up[:len(word)])]; ok {
		return s
	}
	return Unknown
}
