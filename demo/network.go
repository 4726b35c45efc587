package demo

import (
	"fmt"
	"net/netip"

	"github.com/weir-nta/weir/enrich/local"
)

// Networks returns the networks and groups of the office, as its
// configuration would name them.
func Networks() local.Config {
	group := func(p ...string) (list []netip.Prefix) {
		for _, s := range p {
			list = append(list, netip.MustParsePrefix(s))
		}
		return list
	}
	return local.Config{
		Networks: group("10.0.0.0/8"),
		Groups: map[string][]netip.Prefix{
			"workstations":       group("10.10.1.0/24"),
			"printers":           group("10.10.2.0/24"),
			"servers":            group("10.20.0.0/24"),
			"domain_controllers": group("10.20.0.10/31"),
			"scanners":           group("10.20.0.40/32"),
			"iot":                group("10.30.0.0/24"),
			"branch":             group("10.40.2.0/24"),
		},
	}
}

// Scanners returns the hosts that are authorised to scan the office: its
// vulnerability scanner, which does so every Monday.
func Scanners() []netip.Prefix { return []netip.Prefix{netip.PrefixFrom(scanner, scanner.BitLen())} }

var (
	workstations = hosts("10.10.1", 11, 50)
	printers     = hosts("10.10.2", 5, 7)
	controllers  = hosts("10.20.0", 10, 11)
	servers      = hosts("10.20.0", 12, 19)
	things       = hosts("10.30.0", 21, 22)
	branch       = hosts("10.40.2", 11, 30)

	backup    = addr("10.20.0.30")
	scanner   = addr("10.20.0.40")
	laptop    = addr("10.10.1.52") // a visitor's, there on the last day only
	appliance = addr("10.10.1.53") // a test machine, which scans slowly
	updating  = addr("10.10.1.14") // fetches updates for the others
	monitor   = servers[7]         // 10.20.0.19 watches the printers and reports outside
	upstream  = addr("192.0.2.1")  // the provider's resolver

	broadcast   = addr("255.255.255.255")
	unspecified = addr("0.0.0.0")
	mdnsGroup   = addr("224.0.0.251")
)

// zone is the office's own zone of names.
const zone = "corp.example"

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func hosts(net string, first, last int) []netip.Addr {
	var list []netip.Addr
	for i := first; i <= last; i++ {
		list = append(list, addr(fmt.Sprintf("%s.%d", net, i)))
	}
	return list
}

// An autonomous system outside, of the range for documentation (RFC 5398).
type system struct {
	number       uint32
	org, country string
}

var (
	cdn      = system{64496, "ExampleCDN", "US"}
	cloud    = system{64497, "ExampleCloud", "US"}
	mail     = system{64498, "ExampleMail", "DE"}
	news     = system{64499, "ExampleNews", "GB"}
	filedrop = system{64501, "FILEDROP", "SC"}
	doh      = system{64502, "ExampleDoH", "CH"}
	provider = system{64503, "ExampleNet", "NL"}
	bullet   = system{64510, "BULLET-HOSTING", "MD"}
)

// A site is a service outside the office.
type site struct {
	ip netip.Addr
	as system
	server
}

func at(ip string, as system, name string) *site {
	return &site{ip: addr(ip), as: as, server: server{name: name, tls13: true}}
}

var (
	sites = makeSites()

	updates    = at("198.51.100.9", cloud, "update.example.com")
	images     = at("198.51.100.3", news, "img.cdn.example")
	monitoring = at("198.51.100.60", cloud, "ingest.monitoring.example.com")
	chat       = at("198.51.100.61", cloud, "chat.example.com")
	meetings   = at("198.51.100.62", cloud, "meet.example.com")
	timeServer = at("198.51.100.123", mail, "ntp.example.org")
	offsite    = at("198.51.100.200", cloud, "vault.backup.example.com")
	vpn        = at("198.51.100.251", news, "vpn.example.com")

	commander  = at("203.0.113.77", bullet, "cdn-sync.example.net")
	bareServer = at("203.0.113.9", bullet, "")
	selfSigner = &site{addr("203.0.113.61"), bullet, server{name: "localhost", selfSigned: true}}
	pinger     = at("203.0.113.150", bullet, "")
	gateway    = at("203.0.113.88", bullet, "")
	portal     = at("198.51.100.7", news, "portal.example.com")
	dropbox    = at("203.0.113.200", filedrop, "")
	resolver   = at("192.0.2.53", doh, "doh.resolver.example")
	longServer = at("198.51.100.250", news, "vpn.example.org")
	admin      = &site{ip: addr("192.0.2.45"), as: provider}
)

// makeSites returns what the office's browsers go to: 59 web sites, every
// fourth of which still speaks TLS 1.2.
func makeSites() []*site {
	owners := [...]system{cdn, cloud, mail, news}
	var list []*site
	for i := 1; i <= 59; i++ {
		s := at(fmt.Sprintf("198.51.100.%d", i), owners[i%4], fmt.Sprintf("www%d.example.com", i))
		s.tls13 = i%4 != 1
		list = append(list, s)
	}
	return list
}

// inside is a service of the office's own, with certificates of its own authority.
func inside(ip netip.Addr) *site {
	b := ip.As4()
	return &site{ip: ip, server: server{name: fmt.Sprintf("srv%d.%s", b[3], zone), tls13: true}}
}
