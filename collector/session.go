package collector

import (
	"errors"
	"net/netip"
	"time"

	"github.com/weir-nta/weir/decode/netflow"
)

// ErrRefused says that the other side of a session may not send, or that there
// are too many exporters. It has been counted.
var ErrRefused = errors.New("exporter refused")

// A Session is one IPFIX transport session over a connection (RFC 7011,
// section 8.2 and 10.4): it has templates of its own, which end with it. It
// belongs to one goroutine.
type Session struct {
	in      *Input
	from    netip.AddrPort
	e       *exporter
	decoder *netflow.Decoder
	scratch scratch
}

// Session begins a session with from. The error is ErrRefused.
func (in *Input) Session(from netip.AddrPort, at time.Time) (*Session, error) {
	c := in.c
	from = netip.AddrPortFrom(from.Addr().Unmap().WithZone(""), from.Port())
	e := c.exporter(from.Addr(), &c.counters, at)
	if e == nil {
		in.Refuse(at)
		return nil, ErrRefused
	}
	c.counters.sessions.Add(1)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sessions++
	config := c.netflowConfig(e)
	config.Session = true
	return &Session{in: in, from: from, e: e, decoder: netflow.NewDecoder(config)}, nil
}

// Refuse counts a session that was not begun, because there are too many.
func (in *Input) Refuse(at time.Time) {
	in.c.counters.refused.Add(1)
	in.refuse(&in.limited, 0, at)
}

// Message takes one IPFIX message, whole by its length. It keeps nothing of b.
// What contradicts itself within it is counted and costs this message alone:
// the next begins where it should.
func (s *Session) Message(b []byte, at time.Time) {
	c, e := s.in.c, s.e
	c.arrived(at, len(b))
	h := readHeader(b)
	if h.kind != ipfix {
		s.unread(b, at)
		return
	}
	e.seen.Store(at.UnixNano())
	e.mu.Lock()
	defer e.mu.Unlock()
	d := e.domain(&h, s.in)
	if d == nil {
		c.counters.domains.Add(1)
		s.in.refuse(&s.in.limited, len(b), at)
		return
	}
	d.take(len(b), at)
	_ = c.netflow(e, d, s.decoder, &s.scratch, b, &h, s.from.Port(), at) // counted there
}

// Damaged counts what came instead of a message, or was left of one that ended
// too early: b is what there is of it.
func (s *Session) Damaged(b []byte, at time.Time) {
	s.in.c.arrived(at, len(b))
	s.unread(b, at)
}

func (s *Session) unread(b []byte, at time.Time) {
	s.in.c.counters.unknown.Add(1)
	s.in.refuse(&s.in.unread, len(b), at)
	s.in.odd.add("export_unknown_version", s.e.addr, s.from.Port(), version(b), at)
}

// Close ends the session.
func (s *Session) Close() {
	s.e.mu.Lock()
	defer s.e.mu.Unlock()
	s.e.sessions--
	if s.e.last != nil {
		s.e.lose(s.decoder, &s.in.c.counters)
	}
	for _, d := range s.e.domains {
		before := d.tally
		d.streams.end(uint64(s.from.Port()), &d.tally)
		d.settle(&before, &s.in.c.counters)
	}
}
