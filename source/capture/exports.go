package capture

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/collector"
	"github.com/weir-nta/weir/decode/packet"
)

// exportPorts are where exporters send to by custom.
var exportPorts = map[uint16]bool{
	2055: true, 2056: true, 4739: true, 6343: true, 9025: true, 9026: true, 9555: true, 9556: true, 9995: true, 9996: true,
}

// maxCollectors is how many addresses and ports are remembered to be collectors
// of exports. Beyond it each datagram has to be an export by all its lengths.
const maxCollectors = 1024

// exports is the collector within a capture, made when the first datagram is
// found that is for one.
type exports struct {
	collector *collector.Collector // set with Source.mu held
	known     map[endpoint]bool
}

type endpoint struct {
	addr packet.Addr
	port uint16
}

// export hands the payload of a packet to the collector if it is for one.
func (s *Source) export(ts int64) error {
	p := &s.packet
	if p.Proto != weir.UDP || s.config.Collector == nil || !s.exports.takes(p) {
		return nil
	}
	e := &s.exports
	if e.collector == nil {
		if err := s.collect(); err != nil {
			return err
		}
	}
	e.collector.Datagram(p.Payload, netip.AddrPortFrom(p.Src.Netip(), p.SrcPort), time.Unix(0, ts))
	select {
	case <-e.collector.Ready():
		return e.collector.Each(time.Unix(0, ts), s.handOn)
	default:
		return nil
	}
}

// takes says whether a datagram is to be read as an export: it goes where an
// export has gone before, or it is one by all its lengths, or it begins like
// one and goes to a port of exports.
func (e *exports) takes(p *packet.Packet) bool {
	to := endpoint{p.Dst, p.DstPort}
	switch {
	case len(e.known) > 0 && e.known[to]:
		return true
	case !collector.Begins(p.Payload):
		return false
	case !collector.Plausible(p.Payload):
		return exportPorts[p.DstPort]
	}
	if len(e.known) < maxCollectors {
		if e.known == nil {
			e.known = map[endpoint]bool{}
		}
		e.known[to] = true
	}
	return true
}

// collect makes the collector.
func (s *Source) collect() error {
	c := *s.config.Collector
	c.Input = strings.Join(s.config.Inputs, ", ")
	if len(s.config.Inputs) > 2 {
		c.Input = fmt.Sprintf("%s and %d more", s.config.Inputs[0], len(s.config.Inputs)-1)
	}
	col, err := collector.New(c)
	if err != nil {
		return fmt.Errorf("collector: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.exports.collector = col
	return nil
}

// closeExports hands on what is left of them.
func (s *Source) closeExports() error {
	if s.exports.collector == nil {
		return nil
	}
	return s.exports.collector.CloseEach(s.handOn)
}

// exportNotes says what was found.
func exportNotes(col *collector.Collector) []string {
	if col == nil {
		return nil
	}
	n := col.Quick()
	out := []string{fmt.Sprintf("exports of flows among the packets: %s datagrams, %s records; exporters: %s",
		thousands(int64(n.Datagrams)), thousands(int64(n.Records)), thousands(int64(n.Exporters)))}
	return append(out, n.Notes()...)
}
