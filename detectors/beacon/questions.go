package beacon

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/detect"
	"github.com/weir-nta/weir/query"
)

const (
	// askedNames is how many names asked for by hosts are remembered for a
	// day. A name forgotten looks new, and its question like a check-in.
	askedNames = 1_000_000
	// shortTTL is that of answers which are meant to be asked for again.
	shortTTL = 60 // s

	// pageLoad is for how long a browser may go on asking for names of one
	// domain as a page loads more and more of itself: with some regularity, but
	// not for ten minutes without ever speaking with any of them.
	pageLoad = 10 * time.Minute

	dnsPort        = 53
	uncontacted    = 0.7
	oddQuestions   = 0.5
	oddShare       = 0.3
	fewestSameName = 3
)

// questions are what is remembered of the names that a host asks for below one
// domain, where those are check-ins.
type questions struct {
	contacted bool // the host has spoken with something of the domain
	odd       int  // of types that carry what one likes
	newNames  int
	nowhere   bool       // an answer in 0.0.0.0/8
	address   netip.Addr // the first answer
	others    bool       // there were other answers
}

// dns takes questions for names for check-ins, as implants over DNS make them:
// those that no cache can have answered before, and those whose answer is not
// meant to be kept.
func (d *detector) dns(q *weir.DNSTransaction) {
	d.advance(q.Time)
	d.context.DNS(q)
	if q.App != "dns" || q.Domain == "" || !q.Src.IsValid() {
		return
	}
	d.asFlow = weir.Flow{ // the context knows services: the domain is one
		Start: q.Time, End: q.Time, Src: q.Src, Dst: q.Dst, DstPort: dnsPort, Proto: weir.UDP, DstHost: q.Domain, Direction: weir.Outbound,
	}
	service := d.context.Flow(&d.asFlow)
	isNew := d.isNew(q)
	if !isNew && !shortLived(q) {
		return
	}
	k := key{host: q.Src, name: q.Domain, port: dnsPort, proto: weir.UDP}
	c, unknown := d.find(k, q.Time)
	if unknown {
		c.service = service
		c.questions = &questions{}
	}
	c.questions.learn(q, isNew)
	c.addr = q.Dst
	c.start(q.Time, q.BytesUp, q.BytesDown)
	d.grown(k, c, q.Time)
}

// isNew reports whether the host has not asked for the name within a day.
func (d *detector) isNew(q *weir.DNSTransaction) bool {
	seed := q.Src.As16()
	h := xxh3.HashStringSeed(q.Query, binary.BigEndian.Uint64(seed[:8])^binary.BigEndian.Uint64(seed[8:]))
	at := q.Time.UnixMicro()
	last, ok := d.asked.Get(h)
	d.asked.Put(h, at)
	return !ok || at-last >= dayWindow.Microseconds()
}

func shortLived(q *weir.DNSTransaction) bool {
	for _, ttl := range q.TTLs {
		if ttl <= shortTTL {
			return true
		}
	}
	return false
}

func (qs *questions) learn(q *weir.DNSTransaction, isNew bool) {
	if isNew {
		qs.newNames++
	}
	switch q.Type {
	case "TXT", "NULL", "CNAME", "MX":
		qs.odd++
		return
	case "A", "AAAA":
	default:
		return
	}
	for _, text := range q.Answers[:min(len(q.Answers), 4)] {
		a, err := netip.ParseAddr(text)
		if err != nil {
			continue
		}
		qs.nowhere = qs.nowhere || a.Is4() && a.As4()[0] == 0
		qs.others = qs.others || qs.address.IsValid() && qs.address != a
		if !qs.address.IsValid() {
			qs.address = a
		}
	}
}

// contact notes that a host speaks with what it asked for: then its flows
// tell more than its questions.
func (d *detector) contact(f *weir.Flow) {
	if f.DstPort == dnsPort {
		return
	}
	d.flows = true
	if f.DstDomain == "" {
		return
	}
	k := key{host: f.Src, name: f.DstDomain, port: dnsPort, proto: weir.UDP}
	c := d.channels.Get(k, f.Start)
	if c == nil {
		c = d.candidates.Get(k, f.Start)
	}
	if c != nil && c.questions != nil {
		c.questions.contacted = true
	}
}

// addQuestions adds what the questions themselves say.
func (d *detector) addQuestions(s *detect.Score, c *channel) (couldNotCheck []string) {
	qs := c.questions
	if d.flows {
		s.Add("no contact", uncontacted, "nothing of the domain was contacted")
	} else {
		couldNotCheck = append(couldNotCheck, "contacts: no flows were seen")
	}
	switch {
	case float64(qs.odd) >= oddShare*float64(c.total):
		s.Add("odd questions", oddQuestions, "%d of %d questions are for TXT, NULL, CNAME or MX", qs.odd, c.total)
	case qs.nowhere:
		s.Add("odd questions", oddQuestions, "answers lie in 0.0.0.0/8, where nothing is")
	case qs.newNames >= fewestSameName && qs.address.IsValid() && !qs.others:
		s.Add("odd questions", oddQuestions, "%d different names all lead to %v", qs.newNames, qs.address)
	}
	return couldNotCheck
}

func questionSummary(k key, w *window, latest string) string {
	what := fmt.Sprintf("%v asks for names below %s by a timer: %s%s questions in %s, one every %s (spread %s)", k.host, k.name,
		latest, detect.Thousands(w.starts), clock(w.last.Sub(w.first)), interval(w.timing.Median), detect.Percent(bestSpread(w)))
	if w.up+w.down == 0 {
		return what // logs do not tell the size of questions
	}
	return fmt.Sprintf("%s, %s up, %s down", what, detect.Volume(w.up), detect.Volume(w.down))
}

// questionQuery is the question to the store that shows them, those that a
// cache could have answered included.
func questionQuery(k key, w *window) string {
	return fmt.Sprintf("from dns %s src.ip = %v and domain = %s | stats n = count(), p = period(ts), up = sum(bytes.up), down = sum(bytes.down)",
		detect.Since(w.first, w.last), k.host, query.Quote(k.name))
}

// withoutCertificates drops what cannot be missed: questions have none.
func withoutCertificates(list []string) []string {
	var out []string
	for _, s := range list {
		if !strings.HasPrefix(s, "certificate") {
			out = append(out, s)
		}
	}
	return out
}
