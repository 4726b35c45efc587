package demo

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/weir-nta/weir"
)

// What decoders of logs tell besides flows and look-ups: tickets, shares and
// requests. Their times and values follow from the conversations, so that
// nothing here takes a number of the day's.

const megabyte = 1_000_000

// told adds a record of an application.
func (g *generator) told(r weir.Record) { g.services = append(g.services, r) }

func endpoints(t time.Time, src, dst netip.Addr, port uint16) weir.Endpoints {
	return weir.Endpoints{Time: t.Truncate(time.Microsecond), Sensor: "core-1", Src: src, Dst: dst, SrcPort: uint16(40000 + last(src)), DstPort: port, Proto: weir.TCP}
}

// ticket is a request for a ticket of a service.
func (g *generator) ticket(t time.Time, src, dst netip.Addr, service, cipher string) {
	g.told(&weir.KerberosMessage{Endpoints: endpoints(t, src, dst, 88), Type: "TGS", Service: service, Cipher: cipher, Success: "true",
		Client: fmt.Sprintf("user%d/CORP.EXAMPLE", last(src)), Forwardable: true, Renewable: true})
}

// share is something done to a file.
func (g *generator) share(t time.Time, src, dst netip.Addr, share, file, action string) {
	g.told(&weir.SMBAction{Endpoints: endpoints(t, src, dst, 445), Version: "3.1.1", Action: action, Share: share, File: file, Status: "SUCCESS", User: fmt.Sprintf(`CORP\user%d`, last(src))})
}

func (g *generator) request(t time.Time, src netip.Addr, s *site, method, uri, agent string) {
	host := s.name
	if host == "" {
		host = s.ip.String()
	}
	g.told(&weir.HTTPTransaction{Endpoints: endpoints(t, src, s.ip, 80), Method: method, Host: host, URI: uri, UserAgent: agent, Status: 200})
}

// portal is what the office's browsers ask in the clear.
func (g *generator) portal(t time.Time, ws netip.Addr) {
	method := "GET"
	if last(ws)%3 == 0 {
		method = "POST"
	}
	g.request(t.Add(opens+time.Duration(last(ws))*7*time.Minute), ws, portal, method, "/news", "Mozilla/5.0 (Windows NT 10.0; Win64; x64)")
}

// roast asks for tickets of many services with weak encryption, which can be
// cracked at leisure.
func (g *generator) roast(t time.Time) {
	for k := range 30 {
		g.ticket(t.Add(time.Duration(k)*8*time.Second), roasting, controllers[0], fmt.Sprintf("MSSQLSvc/db%02d.%s", k, zone), "rc4")
	}
}

// install is what the lateral movement does on the last of its hosts.
func (g *generator) install(t time.Time, dst netip.Addr) {
	path := fmt.Sprintf(`\\%s\ADMIN$`, dst)
	g.told(&weir.SMBAction{Endpoints: endpoints(t, lateral, dst, 445), Version: "3.1.1", Action: "write", Share: path, ShareType: "disk",
		File: `system32\updsvc.exe`, Size: megabyte / 3, Status: "SUCCESS", User: `CORP\administrator`})
	g.told(&weir.RPCCall{Endpoints: endpoints(t.Add(17*time.Second), lateral, dst, 445), Endpoint: "svcctl", Operation: "CreateServiceW", Pipe: `\pipe\svcctl`})
}

// gate is a client that nobody else runs, and that only sends.
func (g *generator) gate(t time.Time) {
	for k := range 35 {
		g.request(t.Add(time.Duration(k)*100*time.Second), posting, gateway, "POST", "/gate.php", "Mozilla/4.0 (compatible; Synapse)")
	}
}

// tell gives b what applications told up to the end of b.
func (g *generator) tell(b *weir.Batch) {
	n := 0
	for n < len(g.services) && !timeOf(g.services[n]).After(b.Through) {
		b.Add(g.services[n])
		n++
	}
	g.services = g.services[n:]
}

func (g *generator) sortServices() {
	slices.SortStableFunc(g.services, func(a, b weir.Record) int { return timeOf(a).Compare(timeOf(b)) })
}

func timeOf(r weir.Record) time.Time {
	t, _ := weir.Span(r)
	return t
}
