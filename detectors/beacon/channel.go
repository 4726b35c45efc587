package beacon

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/detect"
)

const (
	// A conversation over UDP that is silent for so long may have been ended
	// by the meter and gone on; one over TCP says so by a SYN.
	continuesUDP = 120 * time.Second
	continuesTCP = 30*time.Minute + 5*time.Second // the longest active timeout in use
)

// A channel is what is remembered of one host calling one service. It is about
// 400 bytes and 16 for each connection.
type channel struct {
	service  detect.Service // as the context knows it
	domain   string         // registered, if it is known
	internal bool           // the service is on a host of one's own
	promoted bool           // it is no candidate any more
	starts   []start
	open     [4]conversation // the latest ones
	next     uint8           // of open, to be replaced

	addr        netip.Addr // of the latest far side
	lastPort    uint16
	portChanges bool
	names       nameField
	app         string
	guessed     bool
	mismatch    string
	sampling    uint32 // N of 1:N, at most mostSampled; 0 if all packets were seen
	unanswered  int    // of starts, all ever
	total       int
	questions   *questions // nil if its starts are flows

	touched bool
	latest  int64 // start

	isTold    bool          // since the last silence
	told      weir.Severity // the highest reported
	toldTotal int           // total at that time
}

// A start is one connection.
type start struct {
	at       int64  // Unix microseconds
	up, down uint32 // bytes, at most 4 GiB
}

// A conversation is what tells whether a further record continues it.
type conversation struct {
	key  conversationKey
	ends time.Time
}

type conversationKey struct {
	dst  [16]byte
	port uint16
	udp  bool
}

// nameField says in which fields of its flows the name of a channel stood.
type nameField uint8

const (
	inSNI nameField = 1 << iota
	inHTTP
	inDst
)

// add adds f and reports whether it is a check-in, and not a part of a
// conversation that has been counted.
func (c *channel) add(f *weir.Flow) bool {
	if c.continues(f) {
		return false
	}
	c.start(f.Start, f.BytesUp, f.BytesDown)
	if !f.Answered() && !f.Half {
		c.unanswered++
	}
	c.sampling = max(c.sampling, f.Sampling)
	c.portChanges = c.portChanges || c.lastPort != 0 && c.lastPort != f.SrcPort
	c.lastPort, c.addr = f.SrcPort, f.Dst
	c.learn(f)
	return true
}

// start adds a check-in.
func (c *channel) start(t time.Time, up, down uint64) {
	at := t.UnixMicro()
	if at-c.latest >= quietFor.Microseconds() {
		c.isTold = false
	}
	c.latest = max(c.latest, at)
	c.starts = append(c.starts, start{at, clip(up), clip(down)})
	c.total++
}

func clip(n uint64) uint32 { return uint32(min(n, 1<<32-1)) }

func (c *channel) learn(f *weir.Flow) {
	switch {
	case f.TLS != nil && f.TLS.SNI != "":
		c.names |= inSNI
	case f.HTTP != nil && f.HTTP.Host != "":
		c.names |= inHTTP
	default:
		c.names |= inDst
	}
	if f.App != "" && (c.app == "" || c.guessed) {
		c.app, c.guessed = strings.Clone(f.App), f.AppGuessed
	}
	if c.mismatch == "" {
		c.mismatch = detect.Mismatch(f)
	}
}

// continues reports whether f goes on with a conversation that was cut by an
// exporter's timeout or by a pause.
func (c *channel) continues(f *weir.Flow) bool {
	k := conversationKey{dst: f.Dst.As16(), port: f.SrcPort, udp: f.Proto == weir.UDP}
	i := slices.IndexFunc(c.open[:], func(o conversation) bool { return o.key == k && !o.ends.IsZero() })
	if i < 0 {
		i = int(c.next)
		c.next = (c.next + 1) % uint8(len(c.open))
		c.open[i] = conversation{k, f.End}
		return false
	}
	gap := f.Start.Sub(c.open[i].ends)
	if f.End.After(c.open[i].ends) {
		c.open[i].ends = f.End
	}
	switch {
	case f.SrcPort == 0:
		return false // nothing is known of ports
	case f.Proto == weir.UDP:
		return gap <= continuesUDP
	case f.Proto == weir.TCP:
		// Without flags, as in some logs, it has a begin of its own.
		return f.FlagsUp != 0 && f.FlagsUp&weir.SYN == 0 && gap <= continuesTCP
	}
	return gap <= continuesUDP
}

// trim forgets the older half of the starts and returns how many those were.
// The evidence does not grow beyond the latest 150 anyhow.
func (c *channel) trim() int {
	n := len(c.starts) / 2
	slices.SortFunc(c.starts, func(a, b start) int { return int(min(max(a.at-b.at, -1), 1)) })
	c.starts = append(c.starts[:0], c.starts[n:]...)
	return n
}

// expire forgets the starts before the given time and returns how many those were.
func (c *channel) expire(before int64) int {
	n := len(c.starts)
	c.starts = slices.DeleteFunc(c.starts, func(s start) bool { return s.at < before })
	return n - len(c.starts)
}
