package hosts

import (
	"strings"

	"github.com/weir-nta/weir"
)

// maxTexts is how many texts are remembered with the rule that they fit, some
// 150 octets each; maxStacks how many TCP stacks. Both are a matter of speed
// alone.
const (
	maxTexts  = 8192
	maxStacks = 4096
)

// A text is something told of a device, by what told it.
type text struct {
	kind kind
	text string
}

// A clue is a reason: the rule that it fits, and what it was.
type clue struct {
	rule uint16
	text string
}

func exact(text, want string) bool    { return text == want }
func prefix(text, want string) bool   { return strings.HasPrefix(text, want) }
func contains(text, want string) bool { return strings.Contains(text, want) }

// shaped compares with a pattern in which # stands for one letter or digit and
// everything else for itself.
func shaped(text, want string) bool {
	if len(text) != len(want) {
		return false
	}
	for i := range len(text) {
		c := text[i]
		if want[i] == '#' && (c >= '0' && c <= '9' || c >= 'a' && c <= 'z') || want[i] == c {
			continue
		}
		return false
	}
	return true
}

// byKind are the numbers of the rules of each kind.
var byKind = func() (list [kinds][]uint16) {
	for i, r := range rules[1:] {
		list[r.kind] = append(list[r.kind], uint16(i+1))
	}
	return list
}()

// lookups are the rules of kind byLookup by the name that they are about, and
// ours the registered domains of these.
var lookups, registered = func() (map[string]uint16, map[string]bool) {
	names, domains := map[string]uint16{}, map[string]bool{}
	for _, r := range byKind[byLookup] {
		name := rules[r].want
		names[name] = r
		labels := strings.Split(name, ".")
		domains[strings.Join(labels[len(labels)-2:], ".")] = true
	}
	return names, domains
}()

// match returns the rule that a text fits, 0 for none.
func (e *Enricher) match(k kind, s string) uint16 {
	t := text{k, s}
	if r, ok := e.matches.Get(t); ok {
		return r
	}
	r := firstFit(k, s)
	e.matches.Put(t, r)
	return r
}

func firstFit(k kind, s string) uint16 {
	s = strings.ToLower(s)
	for _, r := range byKind[k] {
		if rules[r].how(s, rules[r].want) {
			return r
		}
	}
	return 0
}

// learn keeps what a text says of d.
func (e *Enricher) learn(d *device, k kind, s string) {
	if s == "" {
		return
	}
	if r := e.match(k, s); r != 0 {
		e.keep(d, clue{r, s})
	}
}

// keep gives d a reason, unless it has it.
func (e *Enricher) keep(d *device, c clue) {
	for i := range d.clues {
		if d.clues[i].rule == c.rule {
			return
		}
	}
	if len(d.clues) == maxClues {
		e.stats.Refused++
		return
	}
	c.text = printable(c.text)
	d.clues = append(d.clues, c)
	e.change(d)
}

// lookedUp learns from a name that d asked for, or went to.
func (e *Enricher) lookedUp(d *device, name, domain string) {
	if domain == "" || !registered[domain] {
		return
	}
	for len(name) >= len(domain) {
		if r, ok := lookups[name]; ok {
			e.keep(d, clue{r, name})
			return
		}
		_, rest, ok := strings.Cut(name, ".")
		if !ok {
			return
		}
		name = rest
	}
}

// A stack is what the first packet of a TCP connection shows of who sent it.
type stack struct {
	options string
	window  uint16
	ttl     uint8 // as it was sent, 0 if that is not known
	answer  bool
}

// started returns the time to live that a packet seen with ttl was sent with:
// systems begin with one of four.
func started(ttl uint8) uint8 {
	switch {
	case ttl == 0:
		return 0
	case ttl <= 32:
		return 32
	case ttl <= 64:
		return 64
	case ttl <= 128:
		return 128
	}
	return 255
}

// shook learns from the SYN of d, or its SYN-ACK.
func (e *Enricher) shook(d *device, s stack) {
	if d.stack == s {
		return
	}
	d.stack = s
	r, ok := e.stacks[s]
	if !ok {
		if len(e.stacks) >= maxStacks {
			clear(e.stacks) // whoever invents stacks makes others be looked up again
		}
		r = firstFit(s.kind(), s.String())
		e.stacks[s] = r
	}
	if r != 0 {
		e.keep(d, clue{r, s.String()})
	}
}

func (s stack) kind() kind {
	if s.answer {
		return bySYNACK
	}
	return bySYN
}

// String writes s as the rules and the reasons have it.
func (s stack) String() string {
	if s.answer {
		return "ttl " + utoa(s.ttl)
	}
	return s.options + " " + utoa(s.ttl) + " window " + utoa(s.window)
}

// stack learns from the TCP headers of one end.
func (e *Enricher) stack(d *device, f *weir.Flow, answer bool) {
	switch {
	case !answer && f.TCP != nil && f.TCP.OptionsUp != "" && f.TTLUp != 0:
		e.shook(d, stack{options: f.TCP.OptionsUp, window: f.TCP.WindowUp, ttl: started(f.TTLUp)})
	case answer && f.TTLDown > 32 && f.Proto == weir.TCP:
		e.shook(d, stack{ttl: started(f.TTLDown), answer: true})
	}
}
