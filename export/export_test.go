package export

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/decode/zeek"
	"github.com/weir-nta/weir/query"
)

var (
	at     = time.Date(2026, 11, 21, 9, 14, 1, 250_000_000, time.UTC)
	client = netip.MustParseAddr("10.10.1.23")
	server = netip.MustParseAddr("203.0.113.77")
)

func endpoints(port uint16) weir.Endpoints {
	return weir.Endpoints{Time: at, Sensor: "core-1", UID: "CHhAvVGS1DHFjwGM9", Src: client, Dst: server, SrcPort: 51512, DstPort: port, Proto: weir.TCP}
}

// batch holds records as Zeek's logs can tell them in full.
func batch() *weir.Batch {
	flow := weir.Flow{
		Start: at, End: at.Add(1500 * time.Millisecond), Duration: 1500 * time.Millisecond, Sensor: "core-1", UID: "CHhAvVGS1DHFjwGM9",
		Src: client, Dst: server, SrcPort: 51512, DstPort: 443, Proto: weir.TCP, App: "tls", State: weir.StateSF, History: "ShADadFf",
		Direction: weir.Outbound, BytesUp: 1820, BytesDown: 40960, PacketsUp: 12, PacketsDown: 34, DataUp: 1180, DataDown: 39120,
		FlagsUp: weir.SYN | weir.ACK | weir.FIN, FlagsDown: weir.SYN | weir.ACK | weir.FIN, VLAN: 12, SrcMAC: "02:00:5e:10:00:01", DstMAC: "02:00:5e:10:00:02",
		TLS: &weir.TLS{
			Version: "1.2", Cipher: "TLS_AES_128_GCM_SHA256", SNI: "cdn.example.net", ALPN: "h2", JA3: "e7d705a3286e19ea42f587b344ee6865",
			JA4: "t13d1516h2_8daaf6152771_02713d6af862", Subject: `CN=localhost,O=a\, b`, Issuer: "CN=ca", NotBefore: at, NotAfter: at.Add(time.Hour),
		},
	}
	ping := weir.Flow{
		Start: at, End: at.Add(time.Second), Duration: time.Second, Sensor: "core-1", UID: "Cping", Src: client, Dst: server, Proto: weir.ICMPv4,
		ICMP: &weir.ICMP{Type: 8}, State: weir.StateSF, PacketsUp: 1, PacketsDown: 1, BytesUp: 84, BytesDown: 84, Direction: weir.Outbound, App: "icmp",
	}
	return &weir.Batch{
		Flows: []weir.Flow{flow, ping},
		DNS: []weir.DNSTransaction{{
			Time: at, Sensor: "core-1", Src: client, Dst: server, SrcPort: 5353, DstPort: 53, Proto: weir.UDP, App: "dns", ID: 4660, Query: "www.example.com",
			Type: "TXT", Class: "IN", Code: "NOERROR", Answers: []string{"198.51.100.9", `"some text" "a,b\"c"`}, TTLs: []uint32{300, 60}, RTT: 12 * time.Millisecond,
			RecursionDesired: true, RecursionAvailable: true,
		}},
		HTTP: []weir.HTTPTransaction{{
			Endpoints: endpoints(80), Method: "POST", Host: "portal.example.com", URI: "/gate.php?a=*", Referrer: "http://a/", UserAgent: `Mozilla, \x`,
			Version: "1.1", Status: 200, BodyUp: 312, BodyDown: 1024, TypeUp: "application/json", TypeDown: "text/html", User: "admin",
		}},
		SSH: []weir.SSHSession{{
			Endpoints: endpoints(22), Version: 2, Client: "SSH-2.0-OpenSSH_9.2", Server: "SSH-2.0-x", HASSH: "ec7378c1a92f5a8dde7e8b7a1ddf33d1",
			HASSHServer: "d43d91bc39d5aaed819ad9f6b57b7348", Auth: "failure", Attempts: 3, Cipher: "aes256", KeyExchange: "curve25519-sha256",
			HostKeyType: "ssh-ed25519", HostKey: "SHA256:n",
		}},
		SMB: []weir.SMBAction{
			{Endpoints: endpoints(445), Action: "connect", Share: `\\10.20.0.15\ADMIN$`, ShareType: "disk", Service: "IPC"},
			{Endpoints: endpoints(445), Action: "rename", Share: `\\10.20.0.15\ADMIN$`, File: `system32\a.exe`, Renamed: "-", Size: 383872},
		},
		RPC:      []weir.RPCCall{{Endpoints: endpoints(445), Endpoint: "svcctl", Operation: "CreateServiceW", Pipe: `\pipe\svcctl`, RTT: time.Millisecond}},
		Kerberos: []weir.KerberosMessage{{Endpoints: endpoints(88), Type: "TGS", Client: "j.doe/CORP", Service: "cifs/fs", Success: "true", Cipher: "aes256", Forwardable: true, Until: at.Add(time.Hour)}},
		NTLM:     []weir.NTLMLogon{{Endpoints: endpoints(445), User: "j.doe", Host: "WS", Domain: "CORP", ServerName: "FS01", ServerDomain: "corp.example", Success: "false"}},
		RDP:      []weir.RDPSession{{Endpoints: endpoints(3389), Cookie: "j.doe", Result: "Success", Security: "hybrid", Client: "WS", Build: "RDP 10.7", Keyboard: "English", Certificates: 1, Auth: "true"}},
		DHCP: []weir.DHCPMessage{{
			Endpoints: weir.Endpoints{Time: at, Sensor: "core-1", UID: "Cdhcp", Src: client, Dst: server, SrcPort: 68, DstPort: 67, Proto: weir.UDP},
			MAC:       "02:00:5e:10:00:01", Requested: client, Assigned: client, Server: server, Lease: time.Hour, Host: "ws", FQDN: "ws.corp", Domain: "corp",
			Vendor: "MSFT 5.0", Messages: []string{"DISCOVER", "ACK"},
		}},
		Files: []weir.File{{
			Endpoints: weir.Endpoints{Time: at, Sensor: "core-1", UID: "Cfile", Src: client, Dst: server, SrcPort: 1, DstPort: 80},
			ID:        "FMnxxt3xjVcWNS2141", Protocol: "http", Name: "invoice.exe", Type: "application/x-dosexec", Size: 5, Total: 6, Missing: 1,
			Duration: time.Second, MD5: "d4", SHA1: "da", SHA256: "e3",
		}},
		Oddities: []weir.Oddity{{Time: at, Sensor: "core-1", Src: client, Dst: server, SrcPort: 1, DstPort: 2, Name: "dns_name_loop", Detail: "pointer at 12", Count: 1}},
		Findings: []weir.Finding{{
			Time: at, First: at.Add(-time.Hour), Last: at, Detector: "beacon", Behaviour: "beacon", Severity: weir.High, Certainty: weir.Proven, Score: 0.94,
			Src: client, Dst: server, DstPort: 443, DstName: "cdn.example", Key: "10.10.1.23 cdn.example", Summary: "10.10.1.23 calls every 60 s",
			Techniques: []string{"T1071.001", "T1573"}, Count: 2,
		}},
	}
}

// zeekLogs returns what is written of b, by log.
func zeekLogs(t *testing.T, b *weir.Batch, asJSON bool) map[string]*bytes.Buffer {
	t.Helper()
	out := map[string]*bytes.Buffer{}
	z := NewZeek(asJSON, at, func(log string) (io.Writer, error) {
		out[log] = new(bytes.Buffer)
		return out[log], nil
	})
	for r := range b.Records {
		if err := z.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestZeekRoundTrip writes records as Zeek's logs and reads these with
// decode/zeek: they are the same.
func TestZeekRoundTrip(t *testing.T) {
	for _, asJSON := range []bool{false, true} {
		want := batch()
		logs := zeekLogs(t, want, asJSON)
		join, got := zeek.NewJoin(0), new(weir.Batch)
		for _, name := range []string{"ssl", "http", "conn", "dns", "ssh", "smb_mapping", "smb_files", "dce_rpc", "kerberos", "ntlm", "rdp", "dhcp", "files", "weird", "notice"} {
			if logs[name] == nil {
				t.Fatalf("no %s.log", name)
			}
			d := zeek.NewDecoder(zeek.Config{Sensor: "core-1", Path: name, Join: join})
			for line := range bytes.Lines(logs[name].Bytes()) {
				if err := d.Line(got, bytes.TrimSuffix(line, []byte("\n"))); err != nil {
					t.Errorf("%s: %v: %s", name, err, line)
				}
			}
		}
		for i := range got.Flows {
			join.Complete(&got.Flows[i])
		}
		// What Zeek's logs do not tell, or in other words.
		want.Flows[0].HTTP = got.Flows[0].HTTP
		for i := range want.SMB {
			want.SMB[i].ShareType = got.SMB[i].ShareType // smb_files tells none
		}
		if got.SMB[0].ShareType != "disk" {
			t.Errorf("type of a share mapped: got %q, want disk", got.SMB[0].ShareType)
		}
		want.Findings, got.Findings = nil, nil // Zeek's findings are its own: TestNotice
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Errorf("json %v: read back (-want +got):\n%s", asJSON, diff)
		}
	}
}

// TestZeekText checks header and values of the tab-separated form to the letter.
func TestZeekText(t *testing.T) {
	b := batch()
	b.HTTP[0].UserAgent = "M\toz\u202eilla, \\x"
	logs := zeekLogs(t, b, false)
	want := "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tntlm\n#open\t2026-11-21-09-14-01\n" +
		"#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tusername\thostname\tdomainname\tserver_nb_computer_name\tserver_dns_computer_name\tserver_tree_name\tsuccess\n" +
		"#types\ttime\tstring\taddr\tport\taddr\tport\tstring\tstring\tstring\tstring\tstring\tstring\tbool\n" +
		"1795252441.250000\tCHhAvVGS1DHFjwGM9\t10.10.1.23\t51512\t203.0.113.77\t445\tj.doe\tWS\tCORP\tFS01\t-\tcorp.example\tF\n#close\t2026-11-21-09-14-01\n"
	if got := logs["ntlm"].String(); got != want {
		t.Errorf("ntlm.log:\ngot  %q\nwant %q", got, want)
	}
	for log, part := range map[string]string{
		"dns":       "\t198.51.100.9,TXT 9 some text TXT 5 a\\x2cb\"c\t300.000000,60.000000\t",
		"http":      "\tM\\x09oz\\xe2\\x80\\xaeilla, \\\\x\t",
		"notice":    "\tWeir::beacon\t10.10.1.23 calls every 60 s\t10.10.1.23 cdn.example\t10.10.1.23\t203.0.113.77\t443\t2\t",
		"smb_files": "\tSMB::FILE_RENAME\t\\\\\\\\10.20.0.15\\\\ADMIN$\tsystem32\\\\a.exe\t383872\t\\x2d\t",
		"conn":      "\ttcp\tssl\t1.500000\t1180\t39120\tSF\tT\tF\t-\tShADadFf\t12\t1820\t34\t40960\t-\t6\t12\t02:00:5e:10:00:01\t",
	} {
		if !strings.Contains(logs[log].String(), part) {
			t.Errorf("%s.log: got %s\nwant %q in it", log, logs[log], part)
		}
	}
	for name, b := range logs {
		lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
		n := strings.Count(lines[6], "\t")
		for _, l := range lines[7 : len(lines)-1] {
			want := n
			if !strings.HasPrefix(l, "#") {
				want = n - 1
			}
			if got := strings.Count(l, "\t"); got != want {
				t.Errorf("%s.log: %d tabs, want %d: %s", name, got, want, l)
			}
		}
	}
}

// TestZeekSlices checks that a conversation told in slices is several lines
// with its identifier, and one handshake.
func TestZeekSlices(t *testing.T) {
	b := batch()
	first := b.Flows[0]
	first.UID, first.HTTP = "", &weir.HTTP{Method: "GET"}
	second := first
	second.Slice, second.Start, second.End, second.Duration = 1, first.End, first.End.Add(time.Second), first.Duration+time.Second
	out := map[string]*bytes.Buffer{}
	z := NewZeek(true, at, func(log string) (io.Writer, error) {
		out[log] = new(bytes.Buffer)
		return out[log], nil
	})
	z.FirstRequests = true
	for _, f := range []*weir.Flow{&first, &second} {
		if err := z.Write(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if n := z.Lines(); n["conn"] != 2 || n["ssl"] != 1 || n["http"] != 1 {
		t.Errorf("lines %v, want 2 of conn, 1 of ssl, 1 of http", n)
	}
	uids := map[any]int{}
	for _, log := range out {
		for line := range bytes.Lines(log.Bytes()) {
			var m map[string]any
			if err := json.Unmarshal(line, &m); err != nil {
				t.Fatal(err)
			}
			uids[m["uid"]]++
		}
	}
	if len(uids) != 1 {
		t.Errorf("identifiers %v, want one in all lines", uids)
	}
}

// TestZeekOneWriter checks that lines of several logs stay whole in one stream.
func TestZeekOneWriter(t *testing.T) {
	var out bytes.Buffer
	z := NewZeek(true, at, func(string) (io.Writer, error) { return &out, nil })
	b := batch()
	const times = 2000 // more than what is buffered
	for range times {
		for r := range b.Records {
			if err := z.Write(r); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range bytes.Lines(out.Bytes()) {
		if n++; !json.Valid(line) {
			t.Fatalf("line %d is no JSON: %s", n, line)
		}
	}
	if want := times * (b.Len() + 1); n != want { // one handshake
		t.Errorf("%d lines, want %d", n, want)
	}
}

// TestNoLog checks that what has no log or class is an error, and not lost.
func TestNoLog(t *testing.T) {
	for _, w := range []Writer{NewZeek(true, at, func(string) (io.Writer, error) { return io.Discard, nil }), NewOCSF(io.Discard, "1")} {
		if err := w.Write(new(weir.Exporter)); err == nil {
			t.Errorf("%T: health of an exporter: got no error", w)
		}
	}
}

// TestNames checks that the names in the tags mean in the language what they
// are written as: they are among its aliases, and nobody wants to learn two.
func TestNames(t *testing.T) {
	// Where they differ on purpose.
	differ := map[string]string{
		"conn orig_bytes": "the language takes it for octets with headers: payload alone is told by few inputs",
		"conn resp_bytes": "the same",
	}
	checked := 0
	for _, table := range weir.Tables {
		for i := range table.Columns {
			c := &table.Columns[i]
			for _, name := range []string{c.Zeek, c.ECS} {
				if name == "" || table.Column(name) >= 0 {
					continue
				}
				q, err := query.Parse("from " + table.Name + " | select " + name)
				if err != nil {
					continue // no alias
				}
				checked++
				if got := q.Columns[0].Name; got != c.Name && differ[table.Name+" "+name] == "" {
					t.Errorf("%s: %s is exported from %s, and means %s in a question", table.Name, name, c.Name, got)
				}
			}
		}
	}
	if checked < 50 {
		t.Errorf("%d names checked, want 50 and more", checked)
	}
}

// TestPaths checks that no name is both a value and an object, and none is told twice.
func TestPaths(t *testing.T) {
	plans := map[string]func(*weir.Table) (*document, error){
		"ecs": ecsDocument, "ocsf": func(t *weir.Table) (*document, error) { return ocsfDocument(t, "1") },
	}
	for schema, plan := range plans {
		for _, table := range weir.Tables {
			d, err := plan(table)
			if err != nil {
				if table != weir.ExporterTable {
					t.Errorf("%s: %v", schema, err)
				}
				continue
			}
			var walk func(d *document, path string)
			walk = func(d *document, path string) {
				if (d.value == nil) == (d.members == nil) {
					t.Errorf("%s %s: %s is a value and an object, or neither", schema, table.Name, path)
				}
				seen := map[string]bool{}
				for _, m := range d.members {
					if seen[m.name] {
						t.Errorf("%s %s: %s.%s twice", schema, table.Name, path, m.name)
					}
					seen[m.name] = true
					walk(m, path+"."+m.name)
				}
			}
			walk(d, "")
		}
	}
	for _, table := range weir.Tables {
		tags := map[string]string{}
		for _, c := range table.Columns {
			for schema, name := range map[string]string{"ecs": c.ECS, "ocsf": c.OCSF} {
				if name == "" {
					continue
				}
				if other, ok := tags[schema+name]; ok {
					t.Errorf("%s: %s and %s are both %s %s", table.Name, other, c.Name, schema, name)
				}
				tags[schema+name] = c.Name
			}
		}
	}
}

// documentsOf writes the records of b and reads them as JSON.
func documentsOf(t *testing.T, b *weir.Batch, make func(io.Writer) Writer) []map[string]any {
	t.Helper()
	var out bytes.Buffer
	w := make(&out)
	for r := range b.Records {
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var docs []map[string]any
	for line := range bytes.Lines(out.Bytes()) {
		var d map[string]any
		if err := json.Unmarshal(line, &d); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		docs = append(docs, d)
	}
	if len(docs) != b.Len() {
		t.Fatalf("%d documents of %d records", len(docs), b.Len())
	}
	return docs
}

// get returns what stands at a path, with numbers for elements of arrays.
func get(v any, path string) any {
	for name := range strings.SplitSeq(path, ".") {
		switch in := v.(type) {
		case map[string]any:
			v = in[name]
		case []any:
			var i int
			if _, err := fmt.Sscan(name, &i); err != nil || i >= len(in) {
				return nil
			}
			v = in[i]
		default:
			return nil
		}
	}
	return v
}

// ecsTop are the field sets of ECS 8 that are written, and the one of our own.
var ecsTop = strings.Fields("@timestamp ecs event source destination network observer dns tls http url user user_agent file rule related message threat service error weir")

func TestECS(t *testing.T) {
	docs := documentsOf(t, batch(), NewECS)
	for _, d := range docs {
		for name := range d {
			if !slices.Contains(ecsTop, name) {
				t.Errorf("field set %q, which ECS has not", name)
			}
		}
		for _, path := range []string{"@timestamp", "ecs.version", "event.kind", "event.category.0", "event.type.0", "event.dataset"} {
			if get(d, path) == nil {
				t.Errorf("%s is missing: %v", path, d)
			}
		}
	}
	for _, c := range []struct {
		doc  int
		path string
		want any
	}{
		{0, "@timestamp", "2026-11-21T09:14:01.25Z"}, {0, "event.duration", 1.5e9}, {0, "event.start", "2026-11-21T09:14:01.25Z"},
		{0, "event.type.0", "connection"}, {0, "event.type.2", "end"}, {0, "source.ip", "10.10.1.23"}, {0, "source.mac", "02-00-5E-10-00-01"},
		{0, "network.vlan.id", "12"}, {0, "network.type", "ipv4"}, {0, "network.iana_number", "6"}, {0, "network.bytes", 42780.0},
		{0, "tls.client.server_name", "cdn.example.net"}, {0, "tls.version_protocol", "tls"}, {0, "weir.flags_up", "SFA"}, {0, "weir.state", "SF"},
		{1, "weir.icmp_type", 8.0}, {1, "tls", nil},
		{2, "dns.answers.0.data", "198.51.100.9"}, {2, "dns.answers.1.ttl", 60.0}, {2, "dns.answers.2", nil}, {2, "dns.id", "4660"}, {2, "dns.type", "answer"},
		{2, "dns.header_flags.1", "RA"}, {3, "url.path", "/gate.php"}, {3, "url.query", "a=*"}, {3, "http.request.method", "POST"},
		{4, "event.outcome", "failure"}, {11, "event.action", "ACK"}, {14, "rule.name", "beacon"}, {14, "event.severity", 73.0},
		{14, "threat.technique.id.1", "T1573"}, {14, "related.ip.1", "203.0.113.77"}, {14, "event.kind", "alert"},
	} {
		if got := get(docs[c.doc], c.path); got != c.want {
			t.Errorf("document %d: %s = %v, want %v\n%v", c.doc, c.path, got, c.want, docs[c.doc])
		}
	}
}

// The required attributes of the classes of OCSF 1.7.0 that are written, those
// that a class may have besides, and what objects must have.
var (
	ocsfRequired = strings.Fields("activity_id category_uid class_uid metadata severity_id time type_uid")
	ocsfAllowed  = strings.Fields("activity_name app_name category_name class_name connection_info count dst_endpoint duration end_time ja4_fingerprint_list message severity src_endpoint start_time status status_code status_detail status_id tls traffic unmapped is_alert")
	ocsfOfClass  = map[float64][]string{
		4002: strings.Fields("http_request http_response"), 4003: strings.Fields("answers query query_time rcode rcode_id response_time"),
		4004: {"lease_dur"}, 4005: {"protocol_ver"}, 4006: strings.Fields("command dialect file share share_type"),
		4007: strings.Fields("client_hassh server_hassh protocol_ver"), 2004: strings.Fields("confidence confidence_id confidence_score evidences finding_info"), 4001: nil,
	}
	ocsfObjects = map[string][]string{
		"metadata": {"product", "version"}, "connection_info": {"direction_id"}, "tls": {"version"}, "ja3_hash": {"algorithm_id", "value"},
		"ja3s_hash": {"algorithm_id", "value"}, "finding_info": {"uid"}, "query": {"hostname"}, "answers": {"rdata"},
		"ja4_fingerprint_list": {"type_id", "value"}, "analytic": {"type_id"}, "http_response": {"code"}, "client_hassh": {"fingerprint"},
		"server_hassh": {"fingerprint"}, "fingerprint": {"algorithm_id", "value"}, "file": {"name", "type_id"},
	}
)

func TestOCSF(t *testing.T) {
	b := batch()
	b.Flows = append(b.Flows, weir.Flow{Start: at, End: at, Src: client, Dst: server, TLS: &weir.TLS{SelfSigned: true}})
	b.DNS = append(b.DNS, weir.DNSTransaction{Time: at, Src: client, Dst: server, ID: 7})
	b.Findings = append(b.Findings, weir.Finding{Time: at, Detector: "x", Behaviour: "policy", Key: "k"})
	docs := documentsOf(t, b, func(w io.Writer) Writer { return NewOCSF(w, "0.1") })
	seen := map[float64]bool{}
	for _, d := range docs {
		class := d["class_uid"].(float64)
		seen[class] = true
		for _, name := range ocsfRequired {
			if d[name] == nil {
				t.Errorf("class %v: no %s: %v", class, name, d)
			}
		}
		for name := range d {
			if of, ok := ocsfOfClass[class]; !ok || !slices.Contains(ocsfAllowed, name) && !slices.Contains(ocsfRequired, name) && !slices.Contains(of, name) {
				t.Errorf("class %v has no attribute %s", class, name)
			}
		}
		if d["type_uid"] != class*100+d["activity_id"].(float64) || d["category_uid"] != float64(int(class)/1000) {
			t.Errorf("class %v: type_uid %v, category_uid %v, activity_id %v", class, d["type_uid"], d["category_uid"], d["activity_id"])
		}
		if ms, ok := d["time"].(float64); !ok || int64(ms) != at.UnixMilli() {
			t.Errorf("class %v: time %v, want %d", class, d["time"], at.UnixMilli())
		}
		checkObjects(t, d, "")
	}
	if len(seen) != len(ocsfOfClass) {
		t.Errorf("classes %v, want %d", seen, len(ocsfOfClass))
	}
	for _, c := range []struct {
		doc  int
		path string
		want any
	}{
		{0, "class_uid", 4001.0}, {0, "activity_id", 2.0}, {0, "src_endpoint.ip", "10.10.1.23"}, {0, "connection_info.direction_id", 2.0},
		{0, "connection_info.protocol_num", 6.0}, {0, "traffic.bytes_out", 1820.0}, {0, "traffic.bytes", 42780.0}, {0, "duration", 1500.0}, {0, "tls.ja3_hash.algorithm_id", 1.0},
		{0, "ja4_fingerprint_list.0.value", "t13d1516h2_8daaf6152771_02713d6af862"}, {0, "unmapped.history", nil}, {0, "connection_info.flag_history", "ShADadFf"},
		{0, "src_endpoint.vlan_uid", "12"}, {2, "tls.version", "unknown"}, {3, "answers.1.ttl", 60.0}, {3, "rcode_id", 0.0}, {3, "response_time", float64(at.UnixMilli() + 12)},
		{4, "query", nil}, {5, "http_request.http_method", "POST"}, {5, "http_response.code", 200.0}, {5, "activity_id", 6.0}, {6, "status_id", 2.0},
		{16, "finding_info.attacks.1.technique.uid", "T1573"}, {16, "evidences.0.dst_endpoint.port", 443.0}, {16, "severity_id", 4.0}, {16, "confidence_score", 94.0},
		{16, "confidence_id", 3.0}, {17, "evidences", nil},
	} {
		if got := get(docs[c.doc], c.path); got != c.want {
			t.Errorf("document %d: %s = %v, want %v\n%v", c.doc, c.path, got, c.want, docs[c.doc])
		}
	}
}

func checkObjects(t *testing.T, v any, name string) {
	t.Helper()
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			checkObjects(t, e, name)
		}
	case map[string]any:
		for _, want := range ocsfObjects[name] {
			if v[want] == nil {
				t.Errorf("object %s has no %s: %v", name, want, v)
			}
		}
		for k, e := range v {
			if k != "unmapped" {
				checkObjects(t, e, k)
			}
		}
	}
}

// TestNothingLost checks that what a record holds is found in the documents:
// every column is a member, or follows from others.
func TestNothingLost(t *testing.T) {
	for _, table := range weir.Tables {
		for schema, plan := range map[string]func(*weir.Table) (*document, error){
			"ecs": ecsDocument, "ocsf": func(t *weir.Table) (*document, error) { return ocsfDocument(t, "1") },
		} {
			d, err := plan(table)
			if err != nil {
				continue
			}
			for i := range table.Columns {
				c := &table.Columns[i]
				path := c.ECS
				if schema == "ocsf" {
					path = c.OCSF
				}
				if path == "" && schema == "ecs" {
					path = "weir." + strings.ReplaceAll(c.Name, ".", "_")
				}
				found := d
				if path == "" {
					found = member(member(d, "unmapped"), c.Name)
				} else {
					for name := range strings.SplitSeq(path, ".") {
						found = member(found, name)
					}
				}
				if found == nil || found.value == nil {
					t.Errorf("%s: %s.%s is written nowhere", schema, table.Name, c.Name)
				}
			}
		}
	}
}

func member(d *document, name string) *document {
	if d == nil {
		return nil
	}
	for _, m := range d.members {
		if m.name == name {
			return m
		}
	}
	return nil
}

func TestNDJSON(t *testing.T) {
	b := batch()
	var out bytes.Buffer
	w := NewNDJSON(&out)
	for r := range b.Records {
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	i := 0
	for r := range b.Records {
		got := r.Table().New()
		if err := weir.ParseJSON(got, []byte(lines[i])); err != nil {
			t.Fatal(err)
		}
		if again := weir.AppendJSON(nil, got); string(again) != lines[i] {
			t.Errorf("read back: got  %s\nwant %s", again, lines[i])
		}
		i++
	}
}

func BenchmarkWrite(b *testing.B) {
	flow := &batch().Flows[0]
	for name, w := range map[string]Writer{
		"zeek": NewZeek(false, at, func(string) (io.Writer, error) { return io.Discard, nil }), "ecs": NewECS(io.Discard), "ocsf": NewOCSF(io.Discard, "1"),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := w.Write(flow); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
