package collector

import (
	"errors"
	"net/netip"
	"time"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/flowrec"
)

// A Setting is what an operator says of the exporters of one network.
type Setting struct {
	// Address is the network, or the one address, that it is about.
	Address netip.Prefix `yaml:"address"`
	// Name is the sensor's name in the records; empty for the address itself.
	Name string `yaml:"name"`
	// Sampling is N of 1:N, whatever the exporter tells; 0 for what it tells.
	Sampling uint32 `yaml:"sampling"`
}

// Config says how a Collector works. [DefaultConfig] is what one starts from.
type Config struct {
	// Input names what the datagrams come in by, such as "udp [::]:2055".
	Input string
	// Allow lists the networks of exporters; empty for all.
	Allow []netip.Prefix
	// Exporters are settings by network: the longest prefix counts.
	Exporters []Setting
	// StateDir is a folder for templates and sampling rates, so that they
	// survive a restart; empty for none.
	StateDir string
	// MaxExporters is how many addresses are known at a time.
	MaxExporters int
}

// DefaultConfig returns the settings for a machine with 2 GB to spare.
func DefaultConfig() Config { return Config{MaxExporters: 4096} }

// A Collector knows exporters and makes flows of what they send. Its methods
// may be called from many goroutines.
type Collector struct{ config Config }

// New checks the configuration and returns a collector for it.
func New(c Config) (*Collector, error) {
	if c.MaxExporters < 1 {
		return nil, errors.New("max_exporters: want 1 or more")
	}
	return &Collector{config: c}, nil
}

// Datagram takes one datagram of NetFlow, IPFIX or sFlow, told by content. It
// keeps nothing of b.
func (c *Collector) Datagram(b []byte, from netip.AddrPort, at time.Time) {}

// An Origin says whose records are given to Records.
type Origin struct {
	Addr   netip.Addr // of the exporter; the zero Addr if not known
	Sensor string     // empty: the name in the settings, else the address or the input
	Kind   string     // as weir.Exporter.Kind
	Domain uint32
	Input  string // the file
}

// Records takes records that were decoded elsewhere, from a file. It keeps
// nothing of them but More.
func (c *Collector) Records(o Origin, records []flowrec.Record, at time.Time) {}

// Take puts together what has arrived and returns the records that are ready,
// nil if there are none. The time is that of arrival.
func (c *Collector) Take(at time.Time) *weir.Batch { return nil }

// Close returns all that is left. Nothing may be given to the collector after it.
func (c *Collector) Close() *weir.Batch { return nil }
