package dnstunnel

import (
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/weir-nta/weir"
)

// sampleSize is how many names, and answers, of one pair of host and domain
// are remembered: their number is then known to about 1/sqrt(64).
const sampleSize = 64

// A sample is some of the different things seen: all whose hash is below a
// bound, which sinks when they become too many (Gibbons, "Distinct sampling
// for highly-accurate answers to distinct values queries", VLDB 2001). Each
// stands for weight() things. Whoever knows the hash can choose names that are
// seldom sampled; the hash has no secret, so that every run finds the same.
type sample[T any] struct {
	hashes []uint64
	items  []T
	below  uint64 // hashes from here on are not sampled; 0 for no bound
}

// find returns the item with hash h, nil if it is not there, and whether it
// could be.
func (s *sample[T]) find(h uint64) (item *T, wanted bool) {
	if s.below != 0 && h >= s.below {
		return nil, false
	}
	if i := slices.Index(s.hashes, h); i >= 0 {
		return &s.items[i], true
	}
	return nil, true
}

func (s *sample[T]) add(h uint64, item T) {
	s.hashes, s.items = append(s.hashes, h), append(s.items, item)
	if len(s.hashes) <= sampleSize {
		return
	}
	i := slices.Index(s.hashes, slices.Max(s.hashes))
	s.below = max(s.hashes[i], 1)
	s.remove(i)
}

func (s *sample[T]) remove(i int) {
	last := len(s.hashes) - 1
	s.hashes[i], s.items[i] = s.hashes[last], s.items[last]
	var zero T
	s.items[last] = zero
	s.hashes, s.items = s.hashes[:last], s.items[:last]
}

// expire removes the items for which old is true. When few are left, it raises
// the bound: what lay above it before is missed, so that the number is too low
// for a while rather than unsure.
func (s *sample[T]) expire(old func(*T) bool) {
	for i := len(s.items) - 1; i >= 0; i-- {
		if old(&s.items[i]) {
			s.remove(i)
		}
	}
	for s.below != 0 && len(s.items) < sampleSize/4 {
		if s.below > math.MaxUint64/4 {
			s.below = 0
			break
		}
		s.below *= 4
		if len(s.items) > 0 {
			break
		}
	}
}

func (s *sample[T]) weight() float64 {
	if s.below == 0 {
		return 1
	}
	return math.Exp2(64) / float64(s.below)
}

// A name is one that was asked for, without its registered domain.
type name struct {
	sub         string
	first, last int64 // Unix microseconds
	asked       uint32
}

// again is how much later the same name counts as asked for again: below, it
// is a retransmission or the other address family.
const again = 2 * time.Second

// An answer is what one answer can carry.
type answer struct {
	last    int64
	carries carrier
	size    uint16 // octets, or characters of a name
}

type carrier uint8

const (
	payload carrier = iota
	inName
	inA
	inAAAA
)

// maxAnswers is how many answers of one response are looked at: no message of
// 512 octets holds more than 30 addresses, and 64 k of TCP are for zones.
const maxAnswers = 64

// A state is what is remembered of one host and one domain: up to 64 names and
// 64 answers.
type state struct {
	names   sample[name]
	answers sample[answer]
	panes   [2]pane // of half the longest window each, the current one first
	pane    int64
	latest  int64

	resolver  netip.Addr // asked latest
	touched   bool
	contacted bool // the host has spoken with something of the domain

	isTold   bool
	told     weir.Severity
	toldInfo float64
	toldAt   int64
	atEnd    bool
}

// A pane counts questions.
type pane struct {
	asked, odd, answered, empty, iterative uint32
	types                                  [4]typeCount
}

type typeCount struct {
	name  string
	asked uint32
}

func (s *state) count(q *weir.DNSTransaction, longest time.Duration) {
	s.resolver = q.Dst
	at := q.Time.UnixMicro()
	s.latest = max(s.latest, at)
	if n := at / (longest.Microseconds() / 2); n > s.pane {
		if n > s.pane+1 {
			s.panes[0] = pane{}
		}
		s.panes[0], s.panes[1] = pane{}, s.panes[0]
		s.pane = n
	}
	p := &s.panes[0]
	p.asked++
	if oddType(q.Type) {
		p.odd++
	}
	if q.Answered() {
		p.answered++
		if q.Code == "NXDOMAIN" || q.Code == "NOERROR" && len(q.Answers) == 0 {
			p.empty++
		}
	}
	if q.Authoritative && !q.RecursionDesired {
		p.iterative++
	}
	p.countType(q.Type, 1)
}

// countType counts the first four types; a fifth is seldom and goes uncounted
// here, though not in odd.
func (p *pane) countType(t string, n uint32) {
	for i := range p.types {
		c := &p.types[i]
		if c.asked == 0 {
			c.name = strings.Clone(t)
		}
		if c.name == t {
			c.asked += n
			return
		}
	}
}

// oddType reports whether clients seldom ask for the type by themselves, and
// it carries what one likes.
func oddType(t string) bool {
	switch t {
	case "TXT", "NULL", "CNAME", "MX", "SRV", "KEY", "PRIVATE":
		return true
	}
	return strings.HasPrefix(t, "TYPE") || strings.HasPrefix(t, "query-")
}

// total sums both panes.
func (s *state) total() (t pane) {
	for _, p := range s.panes {
		t.asked += p.asked
		t.odd += p.odd
		t.answered += p.answered
		t.empty += p.empty
		t.iterative += p.iterative
		for _, c := range p.types {
			if c.asked > 0 {
				t.countType(c.name, c.asked)
			}
		}
	}
	return t
}

func (s *state) addName(sub string, at int64) {
	h := hash(sub)
	n, wanted := s.names.find(h)
	switch {
	case n != nil:
		if at-n.last > again.Microseconds() {
			n.asked++
		}
		n.last = max(n.last, at)
	case wanted:
		s.names.add(h, name{sub: strings.Clone(sub), first: at, last: at, asked: 1})
	}
}

func (s *state) addAnswers(q *weir.DNSTransaction) {
	at := q.Time.UnixMicro()
	for i, text := range q.Answers {
		if i == maxAnswers {
			return
		}
		h := hash(text)
		a, wanted := s.answers.find(h)
		switch {
		case a != nil:
			a.last = max(a.last, at)
		case wanted:
			c, size := carried(q.Type, text)
			s.answers.add(h, answer{last: at, carries: c, size: uint16(min(size, math.MaxUint16))})
		}
	}
}

// carried returns what an answer to a question of type t carries.
func carried(t, text string) (carrier, int) {
	switch t {
	case "TXT", "NULL", "PRIVATE", "KEY", "DNSKEY":
		return payload, payloadSize(text)
	case "A", "AAAA", "ANY":
		addr, err := netip.ParseAddr(text)
		switch {
		case err != nil:
		case addr.Is4():
			return inA, 4
		default:
			return inAAAA, 16
		}
	}
	if strings.HasPrefix(text, `\# `) || strings.HasPrefix(t, "TYPE") {
		return payload, payloadSize(text)
	}
	return inName, octetCount(text)
}

// payloadSize returns how many octets a payload in presentation format has:
// text, or the form for unknown data of RFC 3597, "\# 4 0a000001".
func payloadSize(text string) int {
	if rest, ok := strings.CutPrefix(text, `\# `); ok {
		_, hex, _ := strings.Cut(rest, " ")
		return len(hex) / 2
	}
	return octetCount(strings.Trim(text, `"`))
}

func octetCount(text string) (n int) {
	for text != "" {
		_, text = octet(text)
		n++
	}
	return n
}

// octet returns the first octet of a text in presentation format and the rest.
func octet(text string) (byte, string) {
	if text[0] != '\\' || len(text) < 2 {
		return text[0], text[1:]
	}
	if len(text) >= 4 && isDigit(text[1]) && isDigit(text[2]) && isDigit(text[3]) {
		return (text[1]-'0')*100 + (text[2]-'0')*10 + text[3] - '0', text[4:]
	}
	return text[1], text[2:]
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// expire forgets what the longest window does not reach.
func (s *state) expire(longest time.Duration) {
	before := s.latest - longest.Microseconds()
	s.names.expire(func(n *name) bool { return n.last < before })
	s.answers.expire(func(a *answer) bool { return a.last < before })
}

// A measure is what a window holds.
type measure struct {
	Window
	names      float64 // different ones; about, if estimated
	estimated  bool
	length     float64 // mean, without dots
	entropy    float64 // bits per character
	once       float64 // share of names asked for once
	up, down   float64 // bytes of information
	first      int64
	sampled    []string // some of the names
	thresholds float64  // bytes, for this host
}

// info is the information that counts: up, or half of down.
func (m *measure) info() float64 { return max(m.up, m.down/2) }

// measure measures the window of the given length up to the latest time.
func (s *state) measure(w Window) measure {
	m := measure{Window: w, first: s.latest, estimated: s.names.below != 0, thresholds: w.Bytes}
	after := s.latest - w.Over.Microseconds()
	var counts [256]int
	chars, names, once := 0, 0, 0
	for i := range s.names.items {
		n := &s.names.items[i]
		if n.last < after {
			continue
		}
		names++
		if n.asked == 1 {
			once++
		}
		m.first = min(m.first, max(n.first, after))
		for rest := n.sub; rest != ""; {
			var c byte
			if c, rest = octet(rest); c != '.' {
				counts[c]++
				chars++
			}
		}
		if len(m.sampled) < 3 {
			m.sampled = append(m.sampled, n.sub)
		}
	}
	if names == 0 {
		return m
	}
	m.names = float64(names) * s.names.weight()
	m.length = float64(chars) / float64(names)
	m.once = float64(once) / float64(names)
	m.entropy = entropy(&counts, chars)
	m.up = m.names * m.length * m.entropy / 8
	m.down = s.down(after, m.names, m.entropy)
	return m
}

// manyNames is how many names there must be before addresses count as data:
// below, they are addresses.
const manyNames = 50

func (s *state) down(after int64, names, entropy float64) (sum float64) {
	for _, a := range s.answers.items {
		if a.last < after {
			continue
		}
		switch {
		case a.carries == payload:
			sum += float64(a.size)
		case a.carries == inName:
			sum += float64(a.size) * entropy / 8
		case names >= manyNames:
			sum += float64(a.size)
		}
	}
	return sum * s.answers.weight()
}

// entropy returns the entropy of the characters in bits (Shannon 1948).
func entropy(counts *[256]int, n int) (h float64) {
	for _, c := range counts {
		if c > 0 {
			p := float64(c) / float64(n)
			h -= p * math.Log2(p)
		}
	}
	return h
}
