package hosts

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/weir-nta/weir"
)

// TestInvariants plays random traffic of few addresses and link-layer
// addresses, so that they collide in every way, and checks that what is known
// fits together.
func TestInvariants(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		e := newTest(t, Config{MaxHosts: 6 + r.IntN(20)})
		for i := range 400 {
			s := at(time.Duration(i*r.IntN(200)) * time.Second)
			for range r.IntN(6) {
				random(r, s)
			}
			s.play(e)
			if err := e.fits(); err != nil {
				t.Fatalf("seed %d, batch %d: %v", seed, i, err)
			}
			if i == 200 {
				again := newTest(t, Config{MaxHosts: e.max})
				var list []weir.Host
				for _, h := range e.told {
					list = append(list, h)
				}
				if err := again.Recall(all(list)); err != nil {
					t.Fatal(err)
				}
				if err := again.fits(); err != nil {
					t.Fatalf("seed %d, after a restart: %v", seed, err)
				}
				e = again
			}
		}
		e.last()
		if err := e.fits(); err != nil {
			t.Fatalf("seed %d, at the end: %v", seed, err)
		}
	}
}

// random adds one thing that may happen.
func random(r *rand.Rand, s *script) {
	addr := func() string {
		switch r.IntN(8) {
		case 0:
			return fmt.Sprintf("fe80::21c:bfff:fe00:%x", r.IntN(12))
		case 1:
			return fmt.Sprintf("192.0.2.%d", r.IntN(9)+1)
		}
		return fmt.Sprintf("10.10.1.%d", r.IntN(30)+1)
	}
	hw := func() string { return fmt.Sprintf("00:1c:bf:00:00:%02x", r.IntN(12)) }
	switch r.IntN(5) {
	case 0:
		s.arp(addr(), hw())
	case 1:
		s.lease(addr(), hw(), fmt.Sprint("name-", r.IntN(30)), "MSFT 5.0", "")
	case 2:
		s.says(addr(), "mdns", "service", fmt.Sprint("i", r.IntN(9)), rules[r.IntN(len(rules))].want)
	default:
		f := s.flow(addr(), addr(), uint16(r.IntN(600)), "http", hw(), hw())
		if r.IntN(4) == 0 {
			f.PacketsDown = 0
		}
	}
}

// fits says what does not: lists and maps that tell different things, bounds.
func (e *Enricher) fits() error {
	n := 0
	inList := map[*device]bool{}
	for d := e.oldest; d != nil; d = d.newer {
		n++
		inList[d] = true
		if len(d.bindings) > maxAddrs || len(d.names) > maxNames || len(d.clues) > maxClues || len(d.offers) > maxServices {
			return fmt.Errorf("%s is too large", d.id)
		}
		if (d.mac == 0) != (d.id == "") {
			return fmt.Errorf("id %q of link-layer address %v", d.id, d.mac)
		}
		if d.mac != 0 {
			if v, ok := e.macs.Get(d.mac); ok && v.device != nil && v.device != d {
				return fmt.Errorf("two devices with %v", d.mac)
			}
		}
		if d.place >= 0 && (d.place >= len(e.due) || e.due[d.place] != d) {
			return fmt.Errorf("place %d on the agenda is another's", d.place)
		}
		for _, b := range d.bindings {
			if b.device != d || e.byAddr[b.addr] != b {
				return fmt.Errorf("%v is at another device, or at none", b.addr)
			}
		}
	}
	if n != e.count || n > e.max {
		return fmt.Errorf("%d devices in the list, %d counted, %d at most", n, e.count, e.max)
	}
	for a, b := range e.byAddr {
		if b.addr != a || !inList[b.device] {
			return fmt.Errorf("%v leads to a device that is forgotten", a)
		}
	}
	for _, d := range e.due {
		if !inList[d] {
			return fmt.Errorf("a forgotten device is on the agenda")
		}
	}
	return nil
}

// FuzzTexts shows texts as records have them to everything that reads them.
func FuzzTexts(f *testing.F) {
	f.Add("ws-0023", "1,3,6,15", "00:1c:bf:03:54:82")
	f.Add("\x1b]0;x\a", "_ipp._tcp", "its link-layer address is of ")
	f.Add("445/tcp smb (12 clients)", "mac:", "::ffff:10.0.0.1")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		e, err := Default.New(private)
		if err != nil {
			t.Fatal(err)
		}
		ends := weir.Endpoints{Time: start, Src: netip.MustParseAddr("10.10.1.5"), Dst: netip.MustParseAddr("10.20.0.10")}
		batch := &weir.Batch{
			DHCP:          []weir.DHCPMessage{{Endpoints: ends, MAC: c, Host: a, Vendor: b, Fingerprint: a, FQDN: b}},
			Announcements: []weir.Announcement{{Endpoints: ends, Protocol: a, Kind: b, MAC: c, Name: a, Text: b}, {Endpoints: ends, Protocol: "mdns", Kind: "name", Name: a}},
			DNS:           []weir.DNSTransaction{{Time: start, Src: ends.Src, App: "dns", Query: a, Domain: b, Type: "PTR", Answers: []string{c}}},
			HTTP:          []weir.HTTPTransaction{{Endpoints: ends, Host: a, UserAgent: b, URI: c, Status: 200}},
			SMB:           []weir.SMBAction{{Endpoints: ends, Share: a, ShareType: b}},
			Kerberos:      []weir.KerberosMessage{{Endpoints: ends, Client: a}},
			SSH:           []weir.SSHSession{{Endpoints: ends, Client: a, Server: b}},
			Flows:         []weir.Flow{{Start: start, End: start, Src: ends.Src, Dst: ends.Dst, Direction: weir.Internal, SrcMAC: a, DstMAC: b, DstHost: b, DstDomain: c, PacketsDown: 3, App: a, TLS: &weir.TLS{Subject: c, SNI: a}}},
		}
		e.Enrich(batch)
		told := e.Close().Hosts
		again, _ := Default.New(private)
		if err := again.Recall(all(append(told, weir.Host{ID: a, Names: []string{b}, Evidence: []string{c}, Offers: []string{a}, Addrs: []string{b}, MAC: c}))); err != nil {
			t.Fatal(err)
		}
		if err := again.fits(); err != nil {
			t.Fatal(err)
		}
		for _, h := range told {
			for _, text := range append(h.Names, h.Evidence...) {
				for _, r := range text {
					if r < ' ' || r == 0x7f {
						t.Fatalf("%q is no text for a terminal", text)
					}
				}
			}
		}
	})
}
