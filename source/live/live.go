// Package live watches interfaces: it has the kernel put their packets into
// rings shared with it (AF_PACKET, TPACKET_V3), meters them there, and says in
// words what keeps it from seeing all. It runs on Linux alone.
package live

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strings"

	"github.com/weir-nta/weir/decode/packet"
	"github.com/weir-nta/weir/meter"
	"github.com/weir-nta/weir/packetring"
)

// Config says what a [Source] watches.
type Config struct {
	// Points are where the traffic is seen.
	Points []Point
	// Filter is an expression in the syntax of tcpdump, see [CompileFilter]; ""
	// lets everything in.
	Filter string
	// SnapLen is how many bytes of a packet are taken at most.
	SnapLen int
	// NoPromiscuous leaves the interfaces as they are. Else they are told to take
	// in what is not addressed to them.
	NoPromiscuous bool
	// Workers is how many goroutines meter the packets of a point, each with
	// rings and a table of flows of its own; 0 for one per CPU.
	Workers int
	// BufferBytes is how much the rings of an interface hold, all together. It is
	// memory of the kernel, taken at once.
	BufferBytes int
	// Ring keeps the packets themselves on disk, nil for nobody.
	Ring *packetring.Ring
	// Count ends Run after so many packets, 0 for never.
	Count int64
	// Meter sets up the metering; its limits are for all workers together.
	// [meter.DefaultConfig] is what to start from. Point.Sensor names the records.
	Meter meter.Config
	// Packets sets up the decoding.
	Packets packet.Config
	// Say is told in a sentence what happens to an interface, from one goroutine
	// at a time; nil for nobody.
	Say func(string)

	// stamp gives the n-th packet of a worker its time, for tests that compare
	// what two runs say.
	stamp func(n int64) int64
}

// A Point is a place where traffic is seen: an interface, or several that show
// one link together, such as the two outlets of a tap.
type Point struct {
	Sensor     string // names the point in its records
	Interfaces []string
}

// String returns the point as [ParsePoint] reads it.
func (p Point) String() string { return strings.Join(p.Interfaces, "+") }

// ParsePoint reads the names of interfaces, joined by "+".
func ParsePoint(text string) (Point, error) {
	p := Point{Interfaces: strings.Split(text, "+")}
	for i, name := range p.Interfaces {
		switch {
		case name == "":
			return p, fmt.Errorf("%q names no interface: got an empty name", text)
		case len(name) > maxName || strings.ContainsAny(name, "/ \t\n\x00"):
			return p, fmt.Errorf("%q is no name of an interface", name)
		case slices.Contains(p.Interfaces[:i], name):
			return p, fmt.Errorf("%q names %s twice", text, name)
		}
	}
	return p, nil
}

const (
	maxName       = 15 // IFNAMSIZ less the zero
	minSnapLen    = 64
	maxSnapLen    = 65535 // with offloads packets may be longer; their first bytes are what is read
	minBuffer     = 1 << 20
	maxBuffer     = 1 << 30
	maxWorkers    = 64
	defaultBuffer = 128 << 20 // a tenth of a second of 10 Gbit/s
)

// DefaultConfig returns a configuration that lacks nothing but points.
func DefaultConfig() Config {
	return Config{SnapLen: maxSnapLen, BufferBytes: defaultBuffer, Meter: meter.DefaultConfig()}
}

// ErrNoRight says that the program may not capture.
var ErrNoRight = errors.New("not allowed to capture")

// ErrNoInterface says that there is no interface of a name. The error that
// wraps it lists those that there are.
var ErrNoInterface = errors.New("no such interface")

// ErrNotHere says that this system cannot do it.
var ErrNotHere = errors.New("live capture is there on Linux only")

func (c *Config) check() error {
	if len(c.Points) == 0 {
		return errors.New("interfaces: got none, want one or more")
	}
	var all []string
	for _, p := range c.Points {
		for _, name := range p.Interfaces {
			if slices.Contains(all, name) {
				return fmt.Errorf("interface %s is named twice", name)
			}
			all = append(all, name)
		}
	}
	for _, n := range []struct {
		name          string
		val, min, max int
	}{
		{"snaplen", c.SnapLen, minSnapLen, maxSnapLen}, {"buffer_size", c.BufferBytes, minBuffer, maxBuffer}, {"workers", c.Workers, 0, maxWorkers},
	} {
		if n.val < n.min || n.val > n.max {
			return fmt.Errorf("%s: got %d, want %d to %d", n.name, n.val, n.min, n.max)
		}
	}
	if c.Count < 0 {
		return fmt.Errorf("count: got %d, want 0 or more", c.Count)
	}
	return nil
}

// workers returns how many workers a point has.
func (c *Config) workers() int {
	if c.Workers > 0 {
		return c.Workers
	}
	return min(runtime.GOMAXPROCS(0), maxWorkers)
}

// meterOf returns the configuration of one worker's meter: its share of the
// limits that are for all.
func (c *Config) meterOf(p *Point) meter.Config {
	m := c.Meter
	n := c.workers() * len(c.Points)
	m.Sensor = p.Sensor
	m.MaxFlows = max(m.MaxFlows/n, 1)
	m.MaxHeadTotal /= n
	m.MaxReaders /= n
	m.MaxShapes /= n
	m.MaxQueries = max(m.MaxQueries/n, 1)
	return m
}

// Interfaces lists the names of the interfaces that there are.
func Interfaces() []string {
	var names []string
	list, err := net.Interfaces()
	if err != nil {
		return nil
	}
	for _, i := range list {
		names = append(names, i.Name)
	}
	return names
}
