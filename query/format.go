package query

import "strings"

// Format returns a question in its layout: one line for each stage, single
// spaces, the words as they were typed, comments kept. A text that is no
// question is an *[Error].
func Format(text string) (string, error) {
	q, err := Parse(text)
	if err != nil {
		return "", err
	}
	tokens, _ := lex(text)
	f := formatter{text: text, tokens: tokens[:len(tokens)-1]}
	if s := q.syntax; s.filter != nil && len(s.stages) > 0 && (s.table.text != "" || s.since != nil) {
		f.filter = f.afterSource(s)
	}
	return f.format(), nil
}

// Upgrade returns a question in its layout and in the words of the language:
// names, stages and short forms of other tools written out, comments left out.
func Upgrade(text string) (string, error) {
	q, err := Parse(text)
	if err != nil {
		return "", err
	}
	return Format(q.String())
}

type formatter struct {
	strings.Builder
	text   string
	tokens []token
	filter int // the token that begins a filter on a line of its own, 0 for none
	depth  int
	render bool // in a render stage, whose "=" has no spaces
}

// afterSource returns the index of the first token behind table and window.
func (f *formatter) afterSource(s *syntax) int {
	end := s.table.Pos + s.table.Len
	for _, m := range []*Moment{s.since, s.until} {
		if m != nil {
			end = m.Pos + m.Len
		}
	}
	i := 0
	for i < len(f.tokens) && f.tokens[i].Pos < end {
		i++
	}
	return i
}

func (f *formatter) format() string {
	for i, t := range f.tokens {
		if t.isOp(")") {
			f.depth--
		}
		end := 0
		if i > 0 {
			end = f.tokens[i-1].Pos + f.tokens[i-1].Len
		}
		f.between(i, f.text[end:t.Pos])
		f.WriteString(f.text[t.Pos : t.Pos+t.Len])
		switch {
		case t.isOp("("):
			f.depth++
		case t.isOp("|") && f.depth == 0:
			f.render = i+1 < len(f.tokens) && f.tokens[i+1].isWord("render")
		case i == 0:
			f.render = t.isWord("render")
		}
	}
	if n := len(f.tokens); n > 0 {
		last := f.tokens[n-1]
		f.comments(f.text[last.Pos+last.Len:])
	}
	return strings.TrimRight(f.String(), " \n")
}

// between writes what stands before token i, where gap stood.
func (f *formatter) between(i int, gap string) {
	commented := f.comments(gap)
	t := f.tokens[i]
	switch {
	case f.depth == 0 && t.isOp("|"):
		f.line("")
	case f.filter > 0 && i == f.filter:
		f.line("  ")
	case commented:
		f.line("  ")
	case i > 0 && f.spaced(i, gap):
		f.WriteByte(' ')
	}
}

// line begins a new line, unless at the begin of one.
func (f *formatter) line(indent string) {
	s := f.String()
	if s != "" && !strings.HasSuffix(s, "\n") {
		f.WriteByte('\n')
	}
	if s != "" {
		f.WriteString(indent)
	}
}

// comments writes the comments of a gap, each to the end of its line.
func (f *formatter) comments(gap string) (any bool) {
	for n, line := range strings.Split(gap, "\n") {
		c := strings.TrimSpace(line)
		if !strings.HasPrefix(c, "#") {
			continue
		}
		if n == 0 && f.Len() > 0 {
			f.WriteByte(' ')
		} else {
			f.line("")
		}
		f.WriteString(c + "\n")
		any = true
	}
	return any
}

// spaced says whether a space stands before token i.
func (f *formatter) spaced(i int, gap string) bool {
	a, b := f.tokens[i-1], f.tokens[i]
	switch {
	case a.isOp("("), b.isOp(")", ","):
		return false
	case f.text[a.Pos:a.Pos+a.Len] == "!":
		return false
	case f.render && (a.isOp("=") || b.isOp("=")):
		return false
	case b.isOp("("):
		return gap != "" || a.kind != tName || keywords[strings.ToLower(a.text)]
	case a.isOp("-"):
		return f.binary(i - 1)
	}
	return true
}

// binary says whether the "-" that is token i stands between two values.
func (f *formatter) binary(i int) bool {
	if i == 0 || i+1 == len(f.tokens) {
		return false
	}
	a, b, minus := f.tokens[i-1], f.tokens[i+1], f.tokens[i]
	glued := b.Pos == minus.Pos+minus.Len
	if glued && (b.kind == tQuick || b.kind == tString || b.kind == tIP || b.kind == tCIDR) {
		return false // it excludes a term
	}
	if !glued {
		return true
	}
	value := a.kind == tName && !keywords[strings.ToLower(a.text)] || a.kind >= tString && a.kind <= tNumber || a.isOp(")")
	return value && !(a.kind == tName && stageAliases[strings.ToLower(a.text)] != "")
}
