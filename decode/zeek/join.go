package zeek

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/recent"
)

// defaultJoin is how many conversations a [Join] keeps in mind: those of an
// hour of a busy sensor, in some 50 MB.
const defaultJoin = 1 << 16

// A Join is what the logs of one sensor know of one another's conversations:
// ssl.log, x509.log, http.log and tunnel.log tell of handshakes, which stand in
// the flow of conn.log, by the uid of the conversation.
//
// It is bounded. When it is full, the conversations not heard of for longest
// are forgotten and their flows stay without handshakes: Counters tells how
// many. Whoever opens more conversations than it holds can hide a handshake
// from the flows, and not the flow.
type Join struct {
	said    *recent.Map[string, *said]
	certs   *recent.Map[string, certificate]
	tunnels *recent.Map[string, string]
	open    *recent.Map[string, progress]
	count   JoinCounters
}

// said is what was said in a conversation, until its flow is complete.
type said struct {
	time             time.Time
	sensor           string
	src, dst         netip.Addr
	srcPort, dstPort uint16
	proto            weir.Proto
	tls              *weir.TLS
	cert             string // the first certificate of the chain: its fingerprint or the id of the file
	http             *weir.HTTP
	depth            uint64 // of http
	flow             bool   // a flow has it already
}

// A certificate is a line of x509.log.
type certificate struct {
	subject, issuer     string
	notBefore, notAfter time.Time
	sha256              string
}

// progress is how much of a conversation that goes on has been told.
type progress struct {
	end                                        time.Time
	bytesUp, bytesDown, packetsUp, packetsDown uint64
	dataUp, dataDown                           uint64
	slices                                     uint32
}

// Bounds of what a Join keeps of one text. Records have more of it: here it is
// kept for each of thousands of conversations.
const (
	maxSaid = 512 // names, subjects
	maxWord = 128 // words, fingerprints
	maxID   = 64  // identifiers: those of conversations have 18 octets
)

// id returns the identifier in a column, "" if there is none. One that is too
// long is none of Zeek's.
func (d *Decoder) id(c column) string {
	b := d.bytes(c)
	if len(b) > maxID {
		d.wrong(c, b, "an identifier")
		return ""
	}
	return d.intern(b)
}

// NewJoin returns a Join of at most limit conversations and as many
// certificates; 0 for 65,536.
func NewJoin(limit int) *Join {
	if limit <= 0 {
		limit = defaultJoin
	}
	return &Join{
		said: recent.New[string, *said](limit), certs: recent.New[string, certificate](limit),
		tunnels: recent.New[string, string](limit), open: recent.New[string, progress](limit),
	}
}

// JoinCounters say how the joining went, in conversations of which something
// was said: Said is the sum of the others.
type JoinCounters struct {
	Said      uint64
	Joined    uint64 // their flows have it
	Alone     uint64 // no conn.log told of them: flows were made of what was said
	Waiting   uint64 // no flow of them has come yet
	Forgotten uint64 // while they were waiting, for want of room
}

// Counters returns how the joining went so far.
func (j *Join) Counters() JoinCounters {
	c := j.count
	for _, s := range j.said.All() {
		if !s.flow {
			c.Waiting++
		}
	}
	c.Forgotten = c.Said - c.Joined - c.Alone - c.Waiting
	return c
}

// of returns what was said in the conversation of the line.
func (j *Join) of(d *Decoder) *said {
	uid := d.id(cUID)
	if uid == "" {
		return nil
	}
	s, ok := j.said.Get(uid)
	if !ok {
		s = &said{
			time: d.now, sensor: d.sensor(), src: d.addr(cOrigHost), dst: d.addr(cRespHost),
			srcPort: d.uint16(cOrigPort), dstPort: d.uint16(cRespPort), proto: weir.TCP,
		}
		if d.bad == nil {
			j.said.Put(uid, s)
			j.count.Said++
		}
	}
	return s
}

// Complete gives a flow what was said in its conversation, as far as that has
// been read: its handshakes and, by them, its application.
func (j *Join) Complete(f *weir.Flow) {
	if f.UID == "" {
		return
	}
	s, ok := j.said.Get(f.UID)
	if !ok {
		return
	}
	if !s.flow {
		s.flow = true
		j.count.Joined++
	}
	if s.tls != nil && f.TLS == nil {
		t := *s.tls
		j.certify(&t, s.cert)
		f.TLS = &t
	}
	if s.http != nil && f.HTTP == nil {
		h := *s.http
		f.HTTP = &h
	}
	s.name(f)
}

// name says which application a flow is by its handshakes, if nothing better does.
func (s *said) name(f *weir.Flow) {
	if f.App != "" && !f.AppGuessed {
		return
	}
	switch {
	case s.http != nil:
		f.App, f.AppGuessed = "http", false
	case s.tls != nil:
		f.App, f.AppGuessed = "tls", false
	}
}

// certify sets what is known of the certificate.
func (j *Join) certify(t *weir.TLS, id string) {
	c, ok := j.certs.Get(id)
	if id == "" || !ok {
		if len(id) == 64 {
			t.SHA256 = id
		}
		return
	}
	if t.Subject == "" {
		t.Subject, t.Issuer = c.subject, c.issuer
	}
	if t.NotBefore.IsZero() {
		t.NotBefore, t.NotAfter = c.notBefore, c.notAfter
	}
	if t.SHA256 == "" {
		t.SHA256 = c.sha256
	}
	t.SelfSigned = t.Subject != "" && t.Subject == t.Issuer
}

// Alone appends to b a flow for each conversation of which something was said
// before the given time (the zero Time: ever) and no conn.log has told, oldest
// first, and forgets them. Of such a flow only the handshake is known: whether
// Dst answered is not, and it counts nothing.
func (j *Join) Alone(b *weir.Batch, before time.Time) {
	type entry struct {
		uid string
		*said
	}
	var all []entry
	for uid, s := range j.said.All() {
		if !s.flow && (before.IsZero() || s.time.Before(before)) {
			all = append(all, entry{uid, s})
		}
	}
	slices.SortFunc(all, func(a, b entry) int {
		return cmp.Or(a.time.Compare(b.time), cmp.Compare(a.uid, b.uid))
	})
	for _, e := range all {
		f := weir.Flow{
			Start: e.time, End: e.time, Sensor: e.sensor, UID: e.uid, Src: e.src, Dst: e.dst,
			SrcPort: e.srcPort, DstPort: e.dstPort, Proto: e.proto, Half: true,
		}
		j.Complete(&f)
		b.Flows = append(b.Flows, f)
		j.count.Joined--
		j.count.Alone++
	}
}
