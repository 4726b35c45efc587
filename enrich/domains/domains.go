// Package domains finds the registered domain of a name: the part that
// somebody pays for and answers for.
package domains

import (
	"fmt"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/recent"
)

// Default is the configuration where the operator says nothing.
var Default = Config{Cache: 100_000}

// Config is what an operator may set.
type Config struct {
	// Cache is how many names are remembered with their domain, so that not
	// each is taken apart again: a matter of speed alone.
	Cache int `yaml:"cache"`
}

// An Enricher fills DstDomain of flows and Domain of DNS transactions. Its
// memory is a cache of bounded size: names that never come again, as in a
// tunnel, make it slower and nothing else.
type Enricher struct {
	cache *recent.Map[string, string]
}

// New checks the configuration and returns its enricher.
func (c Config) New() (*Enricher, error) {
	if c.Cache < 2 {
		return nil, fmt.Errorf("cache: got %d, want 2 or more", c.Cache)
	}
	return &Enricher{cache: recent.New[string, string](c.Cache)}, nil
}

// Enrich implements [enrich.Enricher].
func (e *Enricher) Enrich(b *weir.Batch) {
	for i := range b.Flows {
		if f := &b.Flows[i]; f.DstHost != "" {
			f.DstDomain = e.domain(f.DstHost)
		}
	}
	for i := range b.DNS {
		// The other dialects name neighbours.
		if d := &b.DNS[i]; d.Query != "" && d.App == "dns" {
			d.Domain = e.domain(d.Query)
		}
	}
}

// Forgotten returns how many names were dropped from the cache.
func (e *Enricher) Forgotten() uint64 { return e.cache.Forgotten() }

func (e *Enricher) domain(name string) string {
	domain, ok := e.cache.Get(name)
	if !ok {
		domain = Registered(name)
		e.cache.Put(name, domain)
	}
	return domain
}

// Registered returns the registered domain of a name in lower case: its public
// suffix (https://publicsuffix.org) and one label more. The private section of
// the list counts, so that each customer of a hosting service has a domain of
// his own. It returns none for names that nobody registers: single labels,
// public suffixes themselves, reverse names, addresses and those that are
// local by standard or by custom.
func Registered(name string) string {
	name = strings.TrimSuffix(name, ".")
	dot := strings.LastIndexByte(name, '.')
	if dot < 0 || isLocal(name[dot+1:]) {
		return ""
	}
	domain, err := publicsuffix.EffectiveTLDPlusOne(name)
	if err != nil {
		return "" // a public suffix, or an empty label
	}
	return domain
}

// isLocal reports whether names below the top-level domain tld mean something
// else in every network. Other unknown ones count as registered: alternative
// roots (.bit, .onion) are where some malware lives.
func isLocal(tld string) bool {
	switch tld {
	case "arpa": // RFC 3172: reverse names, home.arpa (RFC 8375)
		return true
	case "local", "localhost", "invalid", "test", "alt": // RFC 6762, RFC 6761, RFC 9476
		return true
	case "internal", // reserved by ICANN in 2024 for private use
		"lan", "home", "corp", "mail", "private", "intranet", "localdomain", "domain", "workgroup", "dhcp": // custom (RFC 6762 appendix G, ICANN name collision)
		return true
	}
	return tld == "" || tld[0] >= '0' && tld[0] <= '9' // no such top-level domain, but addresses
}
