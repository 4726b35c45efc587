package export

import (
	"io"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/weir-nta/weir"
)

// ECSVersion is the version of the Elastic Common Schema that is written.
const ECSVersion = "8.17.0"

// NewECS returns a writer of JSON in the Elastic Common Schema, an object a
// line. What the schema has no field for stands under "weir", by its own name
// with underscores for dots.
func NewECS(w io.Writer) Writer { return newDocuments(w, ecsDocument) }

// ecsDocument returns the plan for the records of a table.
func ecsDocument(t *weir.Table) (*document, error) {
	d := new(document)
	d.set("@timestamp", ecsForm("@timestamp", t, max(t.Column("ts"), 0)))
	d.set("ecs.version", constant(ECSVersion))
	ecsEvent(d, t)
	own := new(document)
	for i := range t.Columns {
		c := &t.Columns[i]
		if c.ECS == "" {
			own.set(strings.ReplaceAll(c.Name, ".", "_"), column(i))
			continue
		}
		d.set(c.ECS, ecsForm(c.ECS, t, i))
	}
	switch t {
	case weir.FlowTable:
		d.set("event.start", column(t.Column("ts")))
		d.set("tls.version_protocol", ecsTLSProtocol)
	case weir.DNSTransactionTable:
		d.at("dns.answers").each = true
		d.set("dns.type", ecsDNSType)
		d.set("dns.header_flags", ecsDNSFlags)
	case weir.FindingTable:
		d.set("event.severity", ecsSeverity)
		d.set("threat.framework", ecsFramework)
	}
	if i := t.Column("src.ip"); i >= 0 {
		d.set("related.ip", ecsRelated(i, t.Column("dst.ip")))
		d.set("network.type", ecsNetworkType(i))
	}
	if i := t.Column("proto"); i >= 0 {
		d.set("network.iana_number", ecsProtoNumber(i))
	}
	for _, m := range d.members {
		if m.name == "url" && m.at("original").value != nil {
			original := m.at("original").value
			m.set("path", func(r weir.Record) any { return beforeQuery(original(r)) })
			m.set("query", func(r weir.Record) any { return behindQuery(original(r)) })
		}
	}
	if len(own.members) > 0 {
		own.name = "weir"
		d.members = append(d.members, own)
	}
	return d, nil
}

// ecsCategories are the categories of events; those of other tables are of the
// network alone.
var ecsCategories = map[*weir.Table][]any{
	weir.FindingTable: {"intrusion_detection"}, weir.FileTable: {"network", "file"}, weir.HostTable: {"host"}, weir.HTTPTransactionTable: {"network", "web"},
	weir.KerberosMessageTable: {"network", "authentication"}, weir.NTLMLogonTable: {"network", "authentication"},
	weir.SSHSessionTable: {"network", "authentication"}, weir.ExporterTable: {"host"},
}

// ecsTypes are the types of events; those of other tables are of a protocol.
var ecsTypes = map[*weir.Table][]any{
	weir.FlowTable: {"connection"}, weir.FindingTable: {"info"}, weir.FileTable: {"info"}, weir.OddityTable: {"info"}, weir.ExporterTable: {"info"}, weir.HostTable: {"info"},
	weir.KerberosMessageTable: {"protocol", "start"}, weir.NTLMLogonTable: {"protocol", "start"}, weir.SSHSessionTable: {"protocol", "start"},
}

func ecsEvent(d *document, t *weir.Table) {
	kind, category, typ := "event", []any{"network"}, []any{"protocol"}
	switch t {
	case weir.FindingTable:
		kind = "alert"
	case weir.ExporterTable:
		kind = "metric"
	}
	if c, ok := ecsCategories[t]; ok {
		category = c
	}
	if c, ok := ecsTypes[t]; ok {
		typ = c
	}
	d.set("event.kind", constant(kind))
	d.set("event.category", constant(category))
	d.set("event.type", constant(typ))
	if t == weir.FlowTable {
		d.set("event.type", ecsFlowType)
	}
	d.set("event.module", constant("weir"))
	d.set("event.dataset", constant("weir."+t.Name))
}

// ecsFlowType says whether a connection began, ended or was denied with the record.
func ecsFlowType(r weir.Record) any {
	f := r.(*weir.Flow)
	out := []any{"connection"}
	if f.Slice == 0 {
		out = append(out, "start")
	}
	if !f.Ongoing {
		out = append(out, "end")
	}
	if f.Export != nil && f.Export.Action == "denied" {
		out = append(out, "denied")
	}
	return out
}

// ecsForm returns the value of a column in the form that its field wants.
func ecsForm(field string, t *weir.Table, i int) form {
	switch field {
	case "event.duration":
		return func(r weir.Record) any { return nanoseconds(r.Value(i)) }
	case "event.outcome":
		return func(r weir.Record) any { return outcome(r.Value(i)) }
	case "network.transport":
		return func(r weir.Record) any { return transport(r.Value(i)) }
	case "source.mac", "destination.mac":
		return func(r weir.Record) any { return ecsMAC(r.Value(i)) }
	case "dns.id", "network.vlan.id", "observer.ingress.interface.id", "observer.egress.interface.id":
		return func(r weir.Record) any { return decimal(r.Value(i)) }
	case "observer.ip":
		return func(r weir.Record) any { return addressesOf(r.Value(i)) }
	case "event.action":
		return func(r weir.Record) any { return oneText(r.Value(i)) }
	}
	return column(i)
}

func nanoseconds(v any) any {
	s, ok := v.(float64)
	if !ok {
		return nil
	}
	return int64(math.Round(s*1e6)) * int64(time.Microsecond)
}

func outcome(v any) any {
	switch v {
	case "true", "success":
		return "success"
	case "false", "failure":
		return "failure"
	}
	return nil
}

func transport(v any) any {
	if v == "icmp6" {
		return "ipv6-icmp" // as IANA calls it, and ECS asks for
	}
	return v
}

// ecsMAC returns an address in the notation of RFC 7042: 02-00-5E-10-00-01.
func ecsMAC(v any) any {
	s, ok := v.(string)
	if !ok {
		return nil
	}
	return strings.ToUpper(strings.ReplaceAll(s, ":", "-"))
}

// decimal returns a number as a keyword.
func decimal(v any) any {
	n, ok := v.(int64)
	if !ok {
		return nil
	}
	return strconv.FormatInt(n, 10)
}

// addressesOf returns the addresses of a list of texts, or the one address.
func addressesOf(v any) any {
	list, ok := v.([]any)
	if !ok {
		return v
	}
	var out []any
	for _, e := range list {
		if a, err := netip.ParseAddr(e.(string)); err == nil {
			out = append(out, a)
		}
	}
	if out == nil {
		return nil
	}
	return out
}

// oneText returns the last of a list of texts: of DHCP the answer.
func oneText(v any) any {
	if list, ok := v.([]any); ok {
		return list[len(list)-1]
	}
	return v
}

func beforeQuery(v any) any {
	s, ok := v.(string)
	if !ok {
		return nil
	}
	path, _, _ := strings.Cut(s, "?")
	return orNil(path)
}

func behindQuery(v any) any {
	s, ok := v.(string)
	if !ok {
		return nil
	}
	_, query, _ := strings.Cut(s, "?")
	return orNil(query)
}

func ecsTLSProtocol(r weir.Record) any {
	f := r.(*weir.Flow)
	switch {
	case f.TLS == nil:
		return nil
	case strings.HasPrefix(f.TLS.Version, "ssl"):
		return "ssl"
	}
	return "tls"
}

func ecsDNSType(r weir.Record) any {
	if r.(*weir.DNSTransaction).Answered() {
		return "answer"
	}
	return "query"
}

func ecsDNSFlags(r weir.Record) any {
	d := r.(*weir.DNSTransaction)
	var out []any
	for _, f := range []struct {
		set  bool
		name string
	}{{d.Authoritative, "AA"}, {d.Truncated, "TC"}, {d.RecursionDesired, "RD"}, {d.RecursionAvailable, "RA"}} {
		if f.set {
			out = append(out, f.name)
		}
	}
	if out == nil {
		return nil
	}
	return out
}

// ecsSeverity returns a number as Elastic's own detections rate theirs.
func ecsSeverity(r weir.Record) any {
	return []int64{10, 21, 47, 73, 99}[min(r.(*weir.Finding).Severity, weir.Critical)]
}

func ecsFramework(r weir.Record) any {
	if len(r.(*weir.Finding).Techniques) == 0 {
		return nil
	}
	return "MITRE ATT&CK"
}

func ecsRelated(src, dst int) form {
	return func(r weir.Record) any {
		var out []any
		for _, i := range []int{src, dst} {
			if v := r.Value(i); v != nil && (len(out) == 0 || out[0] != v) {
				out = append(out, v)
			}
		}
		if out == nil {
			return nil
		}
		return out
	}
}

func ecsNetworkType(i int) form {
	return func(r weir.Record) any {
		a, ok := r.Value(i).(netip.Addr)
		switch {
		case !ok:
			return nil
		case a.Is4():
			return "ipv4"
		}
		return "ipv6"
	}
}

func ecsProtoNumber(i int) form {
	return func(r weir.Record) any {
		n, ok := protoNumber(r.Value(i))
		if !ok {
			return nil
		}
		return strconv.FormatInt(n, 10)
	}
}

// protoNumber returns the number of a protocol by its name.
func protoNumber(v any) (int64, bool) {
	name, ok := v.(string)
	if !ok {
		return 0, false
	}
	var p weir.Proto
	if err := p.UnmarshalText([]byte(name)); err != nil {
		return 0, false
	}
	return int64(p), true
}
