package live

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/net/bpf"

	"github.com/weir-nta/weir/decode/packet"
)

// A filterParser reads a filter. Its grammar is that of pcap-filter(7): "and"
// and "or" bind alike and from the left, "not" binds tighter, and an identifier
// by itself takes the qualities of the one before ("port 80 or 443").
type filterParser struct {
	words []string
	at    int
	link  packet.LinkType
	last  *quality // of the identifier before
	deep  int
}

// The most that a filter may be: what is longer is no filter of a person.
const (
	maxFilterBytes = 1 << 14
	maxFilterDepth = 100
)

var (
	errEnd    = errors.New("it ends where something should follow")
	errNested = errors.New("too many parentheses within each other")
)

func (p *filterParser) parse(expr string, link packet.LinkType) (cond, error) {
	if len(expr) > maxFilterBytes {
		return nil, fmt.Errorf("%d bytes are too many, want %d or less", len(expr), maxFilterBytes)
	}
	var err error
	if p.words, err = filterWords(expr); err != nil {
		return nil, err
	}
	p.link = link
	c, err := p.expression()
	if err != nil {
		return nil, err
	}
	if p.at < len(p.words) {
		return nil, fmt.Errorf("%q is not expected there", p.words[p.at])
	}
	return c, nil
}

// filterWords splits a filter. A minus, slash or colon is part of a word, but
// for within brackets and where it stands behind what computes.
func filterWords(s string) (words []string, err error) {
	brackets := 0
	for s != "" {
		c := s[0]
		if c == ' ' || c == '\t' || c == '\n' || c == '\r' {
			s = s[1:]
			continue
		}
		n := 0
		if brackets == 0 && (len(words) == 0 || words[len(words)-1] != "]" && words[len(words)-1] != ")" || isLetter(c)) {
			n = strings.IndexFunc(s, func(r rune) bool { return !isWord(r) && !strings.ContainsRune("-/:.\\", r) })
		} else {
			n = strings.IndexFunc(s, func(r rune) bool { return !isWord(r) && !(r == '-' && isLetter(c)) })
		}
		if n < 0 {
			n = len(s)
		}
		if n == 0 {
			n = operatorLen(s)
		}
		if n == 0 {
			return nil, fmt.Errorf("%q means nothing", s[:1])
		}
		switch word := s[:n]; word {
		case "[":
			brackets++
		case "]":
			brackets--
		}
		words = append(words, s[:n])
		s = s[n:]
	}
	return words, nil
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '\\' }

func isWord(r rune) bool { return r < 128 && (isLetter(byte(r)) || r >= '0' && r <= '9' || r == '_') }

func operatorLen(s string) int {
	for _, op := range []string{"<<", ">>", "<=", ">=", "!=", "==", "&&", "||"} {
		if strings.HasPrefix(s, op) {
			return 2
		}
	}
	if strings.IndexByte("()[]!<>=&|^+-*/%:", s[0]) >= 0 {
		return 1
	}
	return 0
}

// peek returns the word to come, "" at the end.
func (p *filterParser) peek() string {
	if p.at < len(p.words) {
		return p.words[p.at]
	}
	return ""
}

func (p *filterParser) take(list ...string) bool {
	for _, w := range list {
		if p.peek() == w {
			p.at++
			return true
		}
	}
	return false
}

// expression reads terms joined by and, or.
func (p *filterParser) expression() (cond, error) {
	left, err := p.term()
	for err == nil {
		var right cond
		switch {
		case p.take("and", "&&"):
			if right, err = p.term(); err == nil {
				left = and(left, right)
			}
		case p.take("or", "||"):
			if right, err = p.term(); err == nil {
				left = or(left, right)
			}
		default:
			return left, nil
		}
	}
	return nil, err
}

func (p *filterParser) term() (cond, error) {
	if p.deep++; p.deep > maxFilterDepth {
		return nil, errNested
	}
	defer func() { p.deep-- }()
	if p.take("not", "!") {
		c, err := p.term()
		if err != nil {
			return nil, err
		}
		return not(c), nil
	}
	if c, err := p.relation(); c != nil || err != nil {
		return c, err
	}
	if p.take("(") {
		c, err := p.expression()
		if err == nil && !p.take(")") {
			err = p.unexpected(")")
		}
		return c, err
	}
	return p.primitive()
}

func (p *filterParser) unexpected(want string) error {
	if p.at >= len(p.words) {
		return fmt.Errorf("it ends where %s should follow", want)
	}
	return fmt.Errorf("%q where %s should be", p.words[p.at], want)
}

// primitive reads one test.
func (p *filterParser) primitive() (cond, error) {
	word := p.peek()
	switch word {
	case "":
		return nil, errEnd
	case "broadcast", "multicast":
		p.at++
		return p.toMany("ether", word)
	case "inbound", "outbound":
		p.at++
		c := extIs(bpf.ExtType, whole, packetOutgoing)
		if word == "inbound" {
			c = not(c)
		}
		return c, nil
	case "vlan":
		p.at++
		id, given, err := p.maybeNumber(4095)
		if err != nil {
			return nil, err
		}
		if !given {
			id = -1
		}
		return inVLAN(id, p.link), nil
	case "less", "greater":
		p.at++
		n, given, err := p.maybeNumber(whole)
		if err != nil || !given {
			return nil, errors.Join(err, p.unexpectedIf(!given, "a length"))
		}
		test := bpf.JumpLessOrEqual
		if word == "greater" {
			test = bpf.JumpGreaterOrEqual
		}
		return func(a *assembler, yes, no label) {
			a.add(bpf.LoadExtension{Num: bpf.ExtLen})
			a.jump(test, uint32(n), yes, no)
		}, nil
	case "gateway", "protochain", "mpls", "pppoed", "pppoes", "geneve", "vxlan", "wlan", "on", "ifname", "rnr", "rulenum":
		return nil, fmt.Errorf("%q is not known to the filters of this program", word)
	}
	return p.qualified()
}

func (p *filterParser) unexpectedIf(is bool, want string) error {
	if !is {
		return nil
	}
	return p.unexpected(want)
}

func (p *filterParser) maybeNumber(most uint64) (n int64, given bool, err error) {
	word := p.peek()
	if word == "" || word[0] < '0' || word[0] > '9' {
		return 0, false, nil
	}
	v, err := strconv.ParseUint(word, 0, 32)
	if err != nil || v > most {
		return 0, false, fmt.Errorf("%q: want a number up to %d", word, most)
	}
	p.at++
	return int64(v), true, nil
}

// toMany returns the condition for multicast or broadcast.
func (p *filterParser) toMany(proto, word string) (cond, error) {
	switch proto + " " + word {
	case "ether broadcast":
		if p.link != packet.LinkEthernet {
			return never, nil
		}
		return and(linkIs(0, 4, whole, whole), linkIs(4, 2, whole, 0xffff)), nil
	case "ether multicast":
		if p.link != packet.LinkEthernet {
			return never, nil
		}
		return linkIs(0, 1, 1, 1), nil
	case "ip multicast":
		return and(isIP4, netIs(ip4Dst, 1, 0xf0, 0xe0)), nil
	case "ip6 multicast":
		return and(isIP6, netIs(ip6Src+16, 1, whole, 0xff)), nil
	}
	return nil, fmt.Errorf("%s %s cannot be told from a packet", proto, word)
}

// qualified reads qualities and what they are of.
func (p *filterParser) qualified() (cond, error) {
	var q quality
	word := p.peek()
	_, isProto := protocols[word]
	if isProto = isProto && word != "gre" && word != "ipv6" || bare(word) != nil || word == "ether" || word == "link"; isProto {
		q.proto = word
		p.at++
	}
	if w := p.peek(); isProto && (w == "broadcast" || w == "multicast") {
		p.at++
		return p.toMany(q.proto, w)
	}
	dir := p.direction(&q)
	kind := p.kind(&q)
	switch {
	case isProto && !dir && !kind && p.ended():
		if c := bare(q.proto); c != nil {
			return c, nil
		}
		return nil, p.unexpected("host, proto, broadcast or multicast")
	case isProto && !dir && !kind && p.peek() != "(" && !p.looksLikeID():
		return nil, fmt.Errorf("%q is not expected after %s", p.peek(), q.proto)
	case !isProto && !dir && !kind:
		if p.last == nil || !p.looksLikeID() {
			return p.alone(q)
		}
		q = *p.last
	}
	return p.identifiers(q)
}

// alone reads an address without any word before it.
func (p *filterParser) alone(q quality) (cond, error) {
	if !p.looksLikeID() {
		return nil, fmt.Errorf("%q is not known", p.peek())
	}
	return p.identifiers(q)
}

// looksLikeID reports whether the next word may be an address, a network or a
// port; names by themselves are most often misspelt words.
func (p *filterParser) looksLikeID() bool {
	w := p.peek()
	return w != "" && (w[0] >= '0' && w[0] <= '9' || strings.Contains(w, ":")) || p.last != nil && p.last.what == "port" && w != "" && isLetter(w[0])
}

func (p *filterParser) ended() bool {
	switch p.peek() {
	case "", "and", "or", "&&", "||", ")":
		return true
	}
	return false
}

func (p *filterParser) direction(q *quality) bool {
	first := p.peek()
	if first != "src" && first != "dst" {
		return false
	}
	p.at++
	q.dir = srcEnd
	if first == "dst" {
		q.dir = dstEnd
	}
	// "src or dst", "src and dst": not to be taken for the end of the test.
	if p.at+1 < len(p.words) && p.words[p.at+1] != first && (p.words[p.at+1] == "src" || p.words[p.at+1] == "dst") {
		switch p.peek() {
		case "or", "||":
			q.dir = eitherEnd
			p.at += 2
		case "and", "&&":
			q.dir = bothEnds
			p.at += 2
		}
	}
	return true
}

func (p *filterParser) kind(q *quality) bool {
	switch w := p.peek(); w {
	case "host", "net", "port", "portrange", "proto":
		q.what = w
		p.at++
		return true
	}
	return false
}

// identifiers reads what qualities are of: one, or several in parentheses.
func (p *filterParser) identifiers(q quality) (cond, error) {
	if !p.take("(") {
		return p.identifier(q)
	}
	left, err := p.identifier(q)
	for err == nil && !p.take(")") {
		var right cond
		switch {
		case p.take("or", "||"):
			if right, err = p.identifier(q); err == nil {
				left = or(left, right)
			}
		case p.take("and", "&&"):
			if right, err = p.identifier(q); err == nil {
				left = and(left, right)
			}
		default:
			err = p.unexpected(")")
		}
	}
	return left, err
}

func (p *filterParser) identifier(q quality) (cond, error) {
	if p.take("not", "!") {
		c, err := p.identifier(q)
		if err != nil {
			return nil, err
		}
		return not(c), nil
	}
	if w := p.peek(); p.ended() || operatorLen(w) > 0 && w[0] != ':' {
		return nil, p.unexpected("an address, a network, a port or a protocol")
	}
	id := p.words[p.at]
	p.at++
	if q.what == "net" && p.take("mask") {
		length, err := maskLength(p.peek())
		if err != nil {
			return nil, err
		}
		p.at++
		id += "/" + length
	}
	p.last = &q
	return q.of(id, p.link)
}

// maskLength turns 255.255.0.0 into 16.
func maskLength(mask string) (string, error) {
	net, err := parseNet(mask)
	if err == nil && net.Addr().Is4() {
		b := net.Addr().As4()
		v := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
		for n := range 33 {
			if v == ^uint32(0)<<(32-n) {
				return strconv.Itoa(n), nil
			}
		}
	}
	return "", fmt.Errorf("%q is no mask, such as 255.255.0.0", mask)
}
