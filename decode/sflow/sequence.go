package sflow

import (
	"time"

	"github.com/weir-nta/weir/decode/packet"
)

// A source is what samples are numbered by: a data source of one agent. For
// interfaces, index is theirs.
type source struct {
	agent        packet.Addr
	sub          uint32
	class, index uint32
	kind         uint8 // of sample: those of counters and of discarded packets have numbers of their own
}

// A sequence is how far the samples of a source have got.
type sequence struct {
	number uint32
	drops  uint32
	uptime time.Duration
}

// far is how far numbers may jump before it is a restart of the agent rather
// than a loss. late is how far back a sample may come late, and lateTime by how
// much of the agent's time.
const (
	far      = 1 << 20
	late     = 1 << 10
	lateTime = 10 * time.Second
)

// follow takes the number of a sample, and what its agent says of packets that
// it could not tell of.
func (d *Decoder) follow(s source, number, drops uint32) {
	s.agent, s.sub = d.agent, d.g.SubAgent
	now := sequence{number, drops, d.g.Uptime}
	last := d.sources[s]
	if last == nil {
		if len(d.sources) >= d.config.MaxSources {
			d.g.Untracked++
			return
		}
		first := now // else now would take memory each time
		d.sources[s] = &first
		return
	}
	switch step := number - last.number; {
	case last.uptime-now.uptime > lateTime: // restarted
	case step == 0:
		d.g.Repeated++
		return
	case -step <= late: // a little back
		d.g.Late++
		return
	case step < far:
		d.g.Lost += uint64(step - 1)
		if more := drops - last.drops; more < 1<<31 {
			d.g.Drops += uint64(more)
		}
	}
	*last = now
}
