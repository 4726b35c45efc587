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
		c.counters.refused.Add(1)
		in.refuse(&in.limited, 0, at)
		return nil, ErrRefused
	}
	c.counters.sessions.Add(1)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sessions++
	return &Session{in: in, from: from, e: e, decoder: netflow.NewDecoder(c.netflowConfig(e))}, nil
}

// Message takes one IPFIX message. It keeps nothing of b. The error says that b
// is no such message or contradicts itself: after it, RFC 7011 (section 10.4.3)
// wants the connection closed.
func (s *Session) Message(b []byte, at time.Time) error {
	c, e := s.in.c, s.e
	c.arrived(at, len(b))
	h := readHeader(b)
	if h.kind != ipfix {
		c.counters.unknown.Add(1)
		s.in.refuse(&s.in.unread, len(b), at)
		s.in.odd.add("export_unknown_version", e.addr, s.from.Port(), version(b), at)
		return errors.New("not an IPFIX message: " + version(b))
	}
	e.seen.Store(at.UnixNano())
	e.mu.Lock()
	defer e.mu.Unlock()
	d := e.domain(&h, s.in)
	if d == nil {
		c.counters.domains.Add(1)
		s.in.refuse(&s.in.limited, len(b), at)
		return nil
	}
	d.take(len(b), at)
	return c.netflow(e, d, s.decoder, &s.scratch, b, &h, s.from.Port(), at)
}

// Close ends the session.
func (s *Session) Close() {
	s.e.mu.Lock()
	defer s.e.mu.Unlock()
	s.e.sessions--
	for _, d := range s.e.domains {
		before := d.tally
		d.streams.end(s.from.Port(), &d.tally)
		d.settle(&before, &s.in.c.counters)
	}
}
