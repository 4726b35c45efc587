package query

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weir-nta/weir"
)

// twoSided are the names that stand for either side of a conversation.
var twoSided = []string{"ip", "port", "host", "group", "asn", "org", "country"}

// aliases are what other tools call the fields. A column of that very name wins.
var aliases = map[string]string{
	"src": "src.ip", "dst": "dst.ip",

	// ECS: Security Onion, Malcolm, Packetbeat
	"source.ip": "src.ip", "destination.ip": "dst.ip", "source.port": "src.port", "destination.port": "dst.port",
	"source.bytes": "bytes.up", "destination.bytes": "bytes.down", "source.packets": "pkts.up",
	"destination.packets": "pkts.down", "source.as.number": "src.asn", "destination.as.number": "dst.asn",
	"source.as.organization.name": "src.org", "destination.as.organization.name": "dst.org",
	"source.geo.country_iso_code": "src.country", "destination.geo.country_iso_code": "dst.country",
	"source.domain": "src.host", "destination.domain": "dst.host", "network.transport": "proto",
	"network.protocol": "app", "network.community_id": "cid", "network.bytes": "bytes", "network.packets": "pkts",
	"network.direction": "dir", "observer.name": "sensor", "dns.question.name": "query",
	"dns.question.type": "qtype", "dns.question.registered_domain": "domain", "dns.response_code": "rcode",
	"dns.answers.data": "answer", "tls.client.server_name": "tls.sni", "tls.client.ja3": "tls.ja3",
	"tls.server.ja3s": "tls.ja3s", "tls.client.ja4": "tls.ja4", "tls.server.subject": "tls.subject",
	"tls.server.issuer": "tls.issuer", "tls.next_protocol": "tls.alpn", "user_agent.original": "http.ua",
	"http.request.method": "http.method", "http.response.status_code": "http.status", "url.path": "http.uri",
	"url.domain": "http.host",

	// Zeek
	"id.orig_h": "src.ip", "id.resp_h": "dst.ip", "id.orig_p": "src.port", "id.resp_p": "dst.port",
	"orig_bytes": "bytes.up", "resp_bytes": "bytes.down", "orig_ip_bytes": "bytes.up", "resp_ip_bytes": "bytes.down",
	"orig_pkts": "pkts.up", "resp_pkts": "pkts.down", "service": "app", "conn_state": "state", "duration": "dur",
	"community_id": "cid", "qtype_name": "qtype", "rcode_name": "rcode", "answers": "answer", "TTLs": "ttl",
	"server_name": "tls.sni", "ja3": "tls.ja3", "ja3s": "tls.ja3s", "ja4": "tls.ja4", "user_agent": "http.ua",

	// Wireshark
	"ip.src": "src.ip", "ip.dst": "dst.ip", "ip.addr": "ip", "ipv6.src": "src.ip", "ipv6.dst": "dst.ip",
	"ipv6.addr": "ip", "tcp.port": "port", "udp.port": "port", "tcp.srcport": "src.port", "tcp.dstport": "dst.port",
	"udp.srcport": "src.port", "udp.dstport": "dst.port", "ip.proto": "proto", "vlan.id": "vlan",
	"frame.time": "ts", "dns.qry.name": "query", "dns.qry.type": "qtype", "dns.flags.rcode": "rcode",
	"tls.handshake.extensions_server_name": "tls.sni", "tls.handshake.ja3": "tls.ja3", "tls.handshake.ja4": "tls.ja4",
	"http.user_agent": "http.ua", "http.request.uri": "http.uri", "http.response.code": "http.status",

	// Arkime
	"port.src": "src.port", "port.dst": "dst.port", "protocols": "app", "bytes.src": "bytes.up",
	"bytes.dst": "bytes.down", "packets": "pkts", "packets.src": "pkts.up", "packets.dst": "pkts.down",
	"databytes.src": "data.up", "databytes.dst": "data.down", "country.src": "src.country",
	"country.dst": "dst.country", "asn.src": "src.asn", "asn.dst": "dst.asn", "communityId": "cid",

	// nfdump
	"srcip": "src.ip", "dstip": "dst.ip", "srcport": "src.port", "dstport": "dst.port", "srcas": "src.asn",
	"dstas": "dst.asn",

	// Akvorado
	"SrcAddr": "src.ip", "DstAddr": "dst.ip", "SrcPort": "src.port", "DstPort": "dst.port", "SrcAS": "src.asn",
	"DstAS": "dst.asn", "SrcCountry": "src.country", "DstCountry": "dst.country", "Proto": "proto",
	"Bytes": "bytes", "Packets": "pkts", "ExporterName": "sensor",
}

// laterTables are those that the language has and this version has not, with
// what there is instead.
var laterTables = map[string]string{
	"alert":   "from finding",
	"service": "stats clients = dcount(src.ip) by dst.ip, dst.port", "indicator": "dst.ip in @intel",
}

// tableAliases are what the language's draft and other tools call the tables.
var tableAliases = map[string]string{
	"sensor": "exporter", "sensors": "exporter", "flow": "conn", "flows": "conn", "weird": "oddity", "notice": "finding",
	"files": "file", "smb_files": "smb", "smb_mapping": "smb",
}

// A scope is what names mean at one place of a query.
type scope struct {
	table *weir.Table
	cols  []Column
	open  bool   // columns are not known, because of an error before
	stats bool   // a stage has dropped the columns of the table
	left  string // the name of that stage, the last one

	query   *Query          // being checked
	summed  *summed         // the last stats before this place, nil if none
	usuals  int             // calls of usual before the query
	guarded map[string]bool // tables T of "sensor in @sensors:T" in the query
}

// A summed is a stats, as usual looks back at it.
type summed struct {
	stages int // of the query up to it
	by     int // columns that are groups, the first ones
	cols   []Column
	usuals int // calls of usual before it, in the whole text
}

func tableColumns(t *weir.Table) []Column {
	cols := make([]Column, len(t.Columns))
	for i, c := range t.Columns {
		cols[i] = Column{Name: c.Name, Type: c.Type, List: c.List, Enum: c.Enum, Unit: c.Unit}
	}
	return cols
}

func (s *scope) index(name string) int {
	return slices.IndexFunc(s.cols, func(c Column) bool { return c.Name == name })
}

// canonical returns the name of the column or the two-sided name that a name stands for.
func (s *scope) canonical(name string) string {
	if s.index(name) >= 0 {
		return name
	}
	if a, ok := aliases[name]; ok {
		return a
	}
	return name
}

// sides returns the columns that a two-sided name stands for, nil if it is none.
func (s *scope) sides(name string) []string {
	name = s.canonical(name)
	if !slices.Contains(twoSided, name) || s.index(name) >= 0 {
		return nil
	}
	var sides []string
	for _, side := range []string{"src.", "dst."} {
		if s.index(side+name) >= 0 {
			sides = append(sides, side+name)
		}
	}
	return sides
}

// field resolves a field and puts its proper name into f. It returns nil if
// there is no such field, which is reported.
func (c *checker) field(f *fieldTerm) Expr {
	s := c.scope
	name := s.canonical(f.name)
	if i := s.index(name); i >= 0 {
		f.name = name
		return &Col{f.Span, i, s.cols[i]}
	}
	if e := s.part(f, name); e != nil {
		f.name = name
		return e
	}
	if s.open {
		return nil
	}
	if sides := s.sides(name); sides != nil {
		c.fail(f.Span, strings.Join(sides, "   or   "), "'%s' stands for either side: here it must be one", f.name)
		return nil
	}
	c.noField(f)
	return nil
}

// part resolves a name such as beacon.score.
func (s *scope) part(f *fieldTerm, name string) Expr {
	dot := strings.LastIndexByte(name, '.')
	if dot < 0 {
		return nil
	}
	i := s.index(name[:dot])
	if i < 0 {
		return nil
	}
	for j, p := range s.cols[i].Fields {
		if p.Name == name[dot+1:] {
			p.Name = name
			return &Part{f.Span, &Col{f.Span, i, s.cols[i]}, j, p}
		}
	}
	return nil
}

func (c *checker) noField(f *fieldTerm) {
	s := c.scope
	names := listNames(s.cols)
	for _, col := range s.cols {
		for _, p := range col.Fields {
			names = append(names, col.Name+"."+p.Name)
		}
	}
	fix := suggest(f.name, names)
	switch {
	case s.stats && s.table.Column(s.canonical(f.name)) >= 0:
		col := s.canonical(f.name)
		fix = fmt.Sprintf("a stage before dropped it: add any(%s) to stats, or %s to its 'by' or to select", col, col)
		if col == "ts" {
			fix = "a stage before dropped it: add ts = max(ts)"
		}
	case fix != "":
		fix = "did you mean " + fix + "?"
	case s.stats:
		fix = "the columns here are " + strings.Join(names, ", ")
	default:
		fix = fixOtherTable(f.name, s.table)
	}
	if s.stats {
		c.fail(f.Span, fix, "no column '%s' here", f.name)
		return
	}
	c.fail(f.Span, fix, "no field '%s' in '%s'", f.name, s.table.Name)
}

// suggest returns the name of names that was probably meant: one that ends in
// the same word, else one that is spelled nearly so.
func suggest(name string, names []string) string {
	last := func(s string) string { return s[strings.LastIndexByte(s, '.')+1:] }
	sorted := slices.Sorted(slices.Values(names))
	if near := closest(name, sorted); near != "" {
		return near
	}
	for _, n := range sorted {
		if strings.EqualFold(last(n), last(name)) {
			return n
		}
	}
	return ""
}

func fixOtherTable(name string, table *weir.Table) string {
	for _, t := range weir.Tables {
		if t != table && t.Column(name) >= 0 {
			return "it is a field of from " + t.Name
		}
	}
	return ""
}
