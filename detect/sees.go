package detect

import (
	"slices"
	"strings"
)

// A SourceKind is a kind of source of records, and what it can tell.
type SourceKind struct {
	Name string // as the matrix of detectors and sources calls it
	// Kinds are the values of exporter.kind that it stands for.
	Kinds []string
	// Sees are, by table, the fields that it fills at its best, where the
	// traffic has what they tell of; "tls.*" is all of a group.
	Sees map[string][]string
	// Befall are conditions that its records are never without, with a value
	// that is usual.
	Befall map[Condition]float64
	Note   string // what is to be known of it
}

var (
	counted = []string{"ts", "end", "dur", "sensor", "src.ip", "dst.ip", "src.port", "dst.port", "proto", "dir",
		"origin.guessed", "half", "app", "app.guessed", "bytes.up", "bytes.down", "pkts.up", "pkts.down", "data.up", "data.down", "icmp.*"}
	// exported are the fields of every export; NetFlow 5 has no more.
	exported = slices.Concat(counted, []string{"slice", "ongoing", "exporter", "flags.up", "flags.down", "state", "sampling", "sampling.unknown",
		"src.asn", "dst.asn", "export.*"})
	templated = slices.Concat(exported, []string{"vlan", "src.mac", "dst.mac", "nat.*", "src.user", "dst.user", "tunnel"})
	// transactions are the fields that all records of an application message have.
	dnsFields = []string{"ts", "sensor", "src.ip", "dst.ip", "src.port", "dst.port", "proto", "app", "id", "query", "domain",
		"qtype", "qclass", "rcode", "answer", "ttl", "rtt", "aa", "tc", "rd", "ra", "bytes.up", "bytes.down"}
	named = []string{"tls.*", "http.*"}
)

// SourceKinds are the kinds of sources, from the one that tells most of a
// conversation's packets on. That the declarations hold is tested by decoding
// real input of each.
var SourceKinds = []SourceKind{
	{Name: "packets", Kinds: []string{"pcap", "interface"}, Note: "captures and interfaces; what is encrypted stays so",
		Sees: map[string][]string{
			"conn": slices.Concat(counted, named, []string{"slice", "ongoing", "state", "history", "flags.up", "flags.down", "vlan", "tunnel",
				"src.mac", "dst.mac", "ttl.up", "ttl.down", "tcp.*", "shape.*"}),
			"dns": {"*"}, "http": {"*"}, "ssh": {"*"}, "smb": {"*"}, "dce_rpc": {"*"}, "kerberos": {"*"}, "ntlm": {"*"}, "rdp": {"*"}, "dhcp": {"*"},
			"command": {"*"}, "announcement": {"*"}, "oddity": {"*"},
		}},
	{Name: "NetFlow 1, 5, 7", Kinds: []string{"netflow1", "netflow5", "netflow7"}, Note: "IPv4 only; counters and flags",
		Sees: map[string][]string{"conn": exported}},
	{Name: "NetFlow 9, IPFIX", Kinds: []string{"netflow9", "ipfix"}, Note: "with the templates that most exporters have",
		Sees: map[string][]string{"conn": templated}},
	{Name: "IPFIX with names", Kinds: nil, Note: "of exporters that look into packets (nProbe, NBAR, YAF, firewalls): what they are told to export",
		Sees: map[string][]string{"conn": slices.Concat(templated, named, []string{"src.host", "dst.host"}), "dns": dnsFields}},
	{Name: "sFlow", Kinds: []string{"sflow5"}, Befall: map[Condition]float64{Sampled: 100}, Note: "sampled headers: handshakes and DNS of the sampled packets alone",
		Sees: map[string][]string{"conn": slices.Concat(templated, named), "dns": dnsFields}},
	{Name: "nfcapd", Kinds: []string{"nfcapd"}, Note: "as the exporters behind it, without names",
		Sees: map[string][]string{"conn": templated}},
	{Name: "Zeek", Kinds: []string{"zeek"}, Note: "one record for a conversation, at its end",
		Sees: map[string][]string{
			"conn":   slices.Concat(counted, named, []string{"uid", "state", "history", "flags.up", "flags.down", "ongoing", "vlan", "tunnel", "src.mac", "dst.mac"}),
			"dns":    slices.Concat(dnsFields, []string{"uid"}),
			"oddity": {"*"},
		}},
	{Name: "Suricata EVE", Kinds: []string{"eve"}, Note: "one record for a conversation, at its end",
		Sees: map[string][]string{
			"conn":   slices.Concat(counted, named, []string{"uid", "ongoing", "state", "flags.up", "flags.down", "vlan", "tunnel", "src.mac", "dst.mac", "export.reason"}),
			"dns":    slices.Concat(dnsFields, []string{"uid"}),
			"oddity": {"*"},
		}},
}

// SourceKindOf returns the kind of source of which exporters of this
// exporter.kind are, nil if there is none.
func SourceKindOf(kind string) *SourceKind {
	for i := range SourceKinds {
		if slices.Contains(SourceKinds[i].Kinds, kind) {
			return &SourceKinds[i]
		}
	}
	return nil
}

// Fills reports whether the source can tell a field of a table.
func (s *SourceKind) Fills(table, field string) bool {
	for _, f := range s.Sees[table] {
		if group, all := strings.CutSuffix(f, "*"); f == field || all && strings.HasPrefix(field, group) {
			return true
		}
	}
	return false
}

func (s *SourceKind) fills(n *Need) bool {
	for _, f := range n.Fields {
		any := false
		for one := range strings.SplitSeq(f, "|") {
			any = any || s.Fills(n.Table, one)
		}
		if !any {
			return false
		}
	}
	return true
}
