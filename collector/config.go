package collector

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/gaissmai/bart"

	"github.com/weir-nta/weir/decode/netflow"
	"github.com/weir-nta/weir/decode/sflow"
	"github.com/weir-nta/weir/stitch"
)

// A Setting is what an operator says of the exporters of one network.
type Setting struct {
	// Address is the network, or the one address, that it is about.
	Address Network `yaml:"address"`
	// Name is the name of the sensor in the records; empty for the address itself.
	Name string `yaml:"name"`
	// Sampling is N of 1:N, whatever the exporter tells; 0 for what it tells.
	Sampling uint32 `yaml:"sampling"`
}

// A Network is a prefix, or one address, which is a prefix of all its bits.
type Network struct{ netip.Prefix }

// UnmarshalText reads either.
func (n *Network) UnmarshalText(text []byte) error {
	s := string(text)
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		n.Prefix = netip.PrefixFrom(a, a.BitLen())
		return nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return fmt.Errorf("%q is no network: want an address, or an address and a length, such as 203.0.113.0/24", s)
	}
	n.Prefix = p
	return nil
}

// Config says how a Collector works. [DefaultConfig] is what one starts from.
type Config struct {
	// Input names what Datagram takes its datagrams from, such as "exports.pcap".
	Input string
	// Allow lists the networks of exporters; empty for all.
	Allow []netip.Prefix
	// Sampling is N of 1:N for all exporters that no setting is for; 0 for
	// what they tell.
	Sampling uint32
	// Exporters are settings by network: the longest prefix counts.
	Exporters []Setting
	// StateDir is a folder for templates and sampling rates, so that they
	// survive a restart; empty for none. It is made if it does not exist.
	StateDir string

	// MaxExporters is how many addresses are known at a time. An exporter
	// takes some kilobytes, and its templates and what waits for them more, as
	// NetFlow says. At the limit, datagrams of addresses not known are counted
	// and not looked at, until a known one has been silent for IdleAfter: who
	// forges addresses can keep new exporters out, which Allow prevents, and
	// cannot drive out those that are there.
	MaxExporters int
	// IdleAfter is how long an exporter must have been silent to lose its
	// place to a new one when there is no other.
	IdleAfter time.Duration
	// MaxDomains is how many observation domains are followed, of all
	// exporters together; each takes 2 kB. An exporter may have 256 of them.
	// Datagrams of further ones are counted and not looked at.
	MaxDomains int
	// MaxWaiting is how many decoded records may wait to be put together
	// before Wait holds up who brings more. A record takes 256 bytes.
	MaxWaiting int
	// BatchRecords is how many records are handed on together.
	BatchRecords int
	// HealthEvery is how often exporters are reported on, and the state saved,
	// by the clock of arrival.
	HealthEvery time.Duration

	// NetFlow and SFlow set up the decoders of each exporter.
	NetFlow netflow.Config
	SFlow   sflow.Config
	// Stitch sets up how halves are put together.
	Stitch stitch.Config
}

// DefaultConfig returns the settings for a machine with 2 GB to spare.
func DefaultConfig() Config {
	return Config{
		MaxExporters: 4096,
		IdleAfter:    time.Hour,
		MaxDomains:   16384,
		MaxWaiting:   1 << 16,
		BatchRecords: 4096,
		HealthEvery:  time.Minute,
		NetFlow:      netflow.DefaultConfig,
		SFlow:        sflow.DefaultConfig,
		Stitch:       stitch.DefaultConfig(),
	}
}

// Check refuses what cannot work, by the name of its key.
func (c *Config) Check() error {
	for _, n := range []struct {
		key string
		got int
	}{{"max_exporters", c.MaxExporters}, {"max_domains", c.MaxDomains}, {"max_waiting", c.MaxWaiting}, {"batch_records", c.BatchRecords}} {
		if n.got < 1 {
			return fmt.Errorf("%s: got %d, want 1 or more", n.key, n.got)
		}
	}
	if c.HealthEvery < time.Second {
		return fmt.Errorf("health_every: got %v, want 1s or more", c.HealthEvery)
	}
	for _, p := range c.Allow {
		if !p.IsValid() {
			return fmt.Errorf("allow: an address without a length, or none at all")
		}
	}
	seen := map[netip.Prefix]bool{}
	for i, s := range c.Exporters {
		p := s.Address.Masked()
		switch {
		case !p.IsValid():
			return fmt.Errorf("exporters: number %d has no address", i+1)
		case seen[p]:
			return fmt.Errorf("exporters: %v is there twice", p)
		}
		seen[p] = true
	}
	return nil
}

// settings are Allow and Exporters, made ready to be asked for each address.
type settings struct {
	all       bool // every address is allowed
	allow     bart.Lite
	exporters bart.Table[Setting]
	sampling  uint32
}

func newSettings(c *Config) *settings {
	s := &settings{all: len(c.Allow) == 0, sampling: c.Sampling}
	for _, p := range c.Allow {
		s.allow.Insert(p.Masked())
	}
	for _, e := range c.Exporters {
		s.exporters.Insert(e.Address.Masked(), e)
	}
	return s
}

// allowed says whether datagrams of a are looked at.
func (s *settings) allowed(a netip.Addr) bool { return s.all || s.allow.Contains(a) }

// of returns what is set for a, the name always filled.
func (s *settings) of(a netip.Addr) Setting {
	set, ok := s.exporters.Lookup(a)
	if !ok {
		set = Setting{Sampling: s.sampling}
	}
	if set.Name == "" {
		set.Name = a.String()
	}
	return set
}
