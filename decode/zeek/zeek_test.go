package zeek

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/sharedtest"
)

// lines decodes a log and completes its flows.
func lines(t testing.TB, d *Decoder, log string) *weir.Batch {
	t.Helper()
	b := &weir.Batch{}
	for line := range strings.SplitSeq(strings.TrimSuffix(log, "\n"), "\n") {
		if err := d.Line(b, []byte(line)); err != nil {
			t.Errorf("%.200s: %v", line, err)
		}
	}
	for i := range b.Flows {
		d.join.Complete(&b.Flows[i])
	}
	return b
}

// told returns the records as they are written out, one a line.
func told(b *weir.Batch) string {
	var out []byte
	for r := range b.Records {
		out = append(weir.AppendJSON(out, r), '\n')
	}
	return string(out)
}

// spaced turns blanks into tabs, so that logs can be read here.
func spaced(s string) string { return strings.ReplaceAll(s, " ", "\t") }

const connHeader = "#separator \\x09\n" + `#set_separator	,
#empty_field	(empty)
#unset_field	-
#path	conn
#open	2026-11-21-09-00-00
#fields	ts	uid	id.orig_h	id.orig_p	id.resp_h	id.resp_p	proto	service	duration	orig_bytes	resp_bytes	conn_state	local_orig	local_resp	missed_bytes	history	orig_pkts	orig_ip_bytes	resp_pkts	resp_ip_bytes	tunnel_parents
#types	time	string	addr	port	addr	port	enum	string	interval	count	count	string	bool	bool	count	string	count	count	count	count	set[string]
`

func TestConn(t *testing.T) {
	d := NewDecoder(Config{})
	b := lines(t, d, connHeader+spaced(`1763712841.123456 CHhAvVGS1DHFjwGM9 10.10.1.23 51512 203.0.113.77 443 tcp ssl 30.250001 1180 39120 SF T F 0 ShADadFf 12 1820 34 40960 (empty)
1763712842.000000 C1 10.10.1.23 8 192.0.2.1 0 icmp - 1.0 56 56 OTH T F 0 - 1 84 1 84 -
1763712842.000000 C2 fe80::1 135 fe80::2 136 icmp - - - - OTH - - 0 - 1 72 0 0 -
1763712842.000000 C3 10.10.1.23 3 192.0.2.1 1 icmp - - - - OTH - - 0 - 1 72 0 0 -
1763712843.000000 C4 10.10.1.23 40000 192.0.2.1 22 tcp - - - - S0 T F 0 S 1 60 0 0 -
1763712843.000000 C5 10.10.1.23 40001 192.0.2.1 80 tcp - 0.1 5 5 SF T F 0 ShADadFf 4 200 4 200 -
1763712843.000000 C6 10.10.1.23 102 192.0.2.1 50001 tcp - 0.1 5 - RSTOS0 T F 0 DR 2 100 0 0 -
1763712843.000000 C7 10.10.1.23 40001 192.0.2.1 102 tcp - 0.1 - - RSTOS0 T F 0 SR 2 100 0 0 -
`))
	var got []string
	for i := range b.Flows {
		f := &b.Flows[i]
		icmp := ""
		if f.ICMP != nil {
			icmp = fmt.Sprintf(" type %d code %d", f.ICMP.Type, f.ICMP.Code)
		}
		got = append(got, fmt.Sprintf("%s %v %v:%d %v:%d %v%s %s %v bytes %d/%d pkts %d/%d data %d/%d flags %v/%v %v %s %q",
			f.Start.Format("15:04:05.000000"), f.Duration, f.Src, f.SrcPort, f.Dst, f.DstPort, f.Proto, icmp, f.App, f.AppGuessed,
			f.BytesUp, f.BytesDown, f.PacketsUp, f.PacketsDown, f.DataUp, f.DataDown, f.FlagsUp, f.FlagsDown, f.State, f.History, f.Direction))
	}
	want := []string{
		`08:14:01.123456 30.250001s 10.10.1.23:51512 203.0.113.77:443 tcp tls false bytes 1820/40960 pkts 12/34 data 1180/39120 flags SFA/SFA SF ShADadFf "outbound"`,
		`08:14:02.000000 1s 10.10.1.23:0 192.0.2.1:0 icmp type 8 code 0  false bytes 84/84 pkts 1/1 data 56/56 flags / OTH  "outbound"`,
		`08:14:02.000000 0s fe80::1:0 fe80::2:0 icmp6 type 135 code 0  false bytes 72/0 pkts 1/0 data 0/0 flags / OTH  ""`,
		`08:14:02.000000 0s 10.10.1.23:0 192.0.2.1:0 icmp type 3 code 1  false bytes 72/0 pkts 1/0 data 0/0 flags / OTH  ""`,
		`08:14:03.000000 0s 10.10.1.23:40000 192.0.2.1:22 tcp  false bytes 60/0 pkts 1/0 data 0/0 flags S/ S0 S "outbound"`,
		`08:14:03.000000 100ms 10.10.1.23:40001 192.0.2.1:80 tcp http true bytes 200/200 pkts 4/4 data 5/5 flags SFA/SFA SF ShADadFf "outbound"`,
		`08:14:03.000000 100ms 10.10.1.23:102 192.0.2.1:50001 tcp  false bytes 100/0 pkts 2/0 data 5/0 flags RA/ OTH DR "outbound"`,
		`08:14:03.000000 100ms 10.10.1.23:40001 192.0.2.1:102 tcp  false bytes 100/0 pkts 2/0 data 0/0 flags SR/ RSTOS0 SR "outbound"`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("flows (-want +got):\n%s", diff)
	}
	c := d.Counters()
	if c.Lines != 16 || c.Headers != 8 || c.Records != 8 {
		t.Errorf("counted %+v, want 16 lines, 8 of the header and 8 records", c)
	}
}

// TestSameInJSON checks that one line gives the same record in every form that
// logs come in.
func TestSameInJSON(t *testing.T) {
	want := told(lines(t, NewDecoder(Config{}), connHeader+spaced(`1763712841.123456 CHhAvVGS1DHFjwGM9 10.10.1.23 51512 203.0.113.77 443 tcp ssl 30.250001 1180 39120 SF T F 0 ShADadFf 12 1820 34 40960 -`)))
	rest := `"proto":"tcp","service":"ssl","duration":30.25000092,"orig_bytes":1180,"resp_bytes":39120,"conn_state":"SF","local_orig":true,"local_resp":false,"missed_bytes":0,"history":"ShADadFf","orig_pkts":12,"orig_ip_bytes":1820,"resp_pkts":34,"resp_ip_bytes":40960}`
	plain := `{"ts":1763712841.123456,"uid":"CHhAvVGS1DHFjwGM9","id.orig_h":"10.10.1.23","id.orig_p":51512,"id.resp_h":"203.0.113.77","id.resp_p":443,` + rest
	for name, c := range map[string]struct {
		config Config
		log    string
	}{
		"plain, told by its members":      {Config{}, plain},
		"plain, told by the file":         {Config{Path: "conn"}, plain},
		"ISO 8601":                        {Config{}, strings.Replace(plain, "1763712841.123456", `"2025-11-21T08:14:01.123456Z"`, 1)},
		"ISO 8601 with an offset":         {Config{}, strings.Replace(plain, "1763712841.123456", `"2025-11-21T09:14:01.123456+0100"`, 1)},
		"more digits than there are":      {Config{}, strings.Replace(plain, "1763712841.123456", `1763712841.1234558`, 1)},
		"a float with an exponent":        {Config{}, strings.Replace(plain, "1763712841.123456", `1.763712841123456e9`, 1)},
		"Corelight":                       {Config{}, `{"_path":"conn","_system_name":"zeek","_write_ts":"2025-11-21T08:20:00.000000Z",` + plain[1:]},
		"nested id":                       {Config{}, `{"ts":1763712841.123456,"uid":"CHhAvVGS1DHFjwGM9","id":{"orig_h":"10.10.1.23","orig_p":51512,"resp_h":"203.0.113.77","resp_p":443},` + rest},
		"underscores and a stream":        {Config{}, strings.NewReplacer("id.orig", "id_orig", "id.resp", "id_resp").Replace(`{"@stream":"conn","@system":"zeek","@proc":"zeek",` + plain[1:])},
		"@path and @timestamp":            {Config{}, `{"@path":"conn","@timestamp":"2025-11-21T08:14:02.000Z",` + plain[1:]},
		"wrapped":                         {Config{}, `{"@timestamp":"2025-11-21T08:14:02.000Z","event":{"dataset":"zeek.conn","module":"zeek"},"message":` + fmt.Sprintf("%q", plain) + `}`},
		"wrapped, told by the file":       {Config{}, `{"message":` + fmt.Sprintf("%q", plain) + `,"log":{"file":{"path":"/nsm/zeek/logs/current/conn.log"}}}`},
		"with a carriage return":          {Config{}, plain + "\r"},
		"with a byte order mark":          {Config{}, "\xef\xbb\xbf" + plain},
		"one of another log before":       {Config{}, `{"_path":"stats","ts":1}` + "\n" + plain},
		"the same members in other order": {Config{}, `{"uid":"X","ts":1,"_path":"stats"}` + "\n" + plain},
	} {
		if got := told(lines(t, NewDecoder(c.config), c.log)); got != want {
			t.Errorf("%s:\n got %swant %s", name, got, want)
		}
	}
	millis := told(lines(t, NewDecoder(Config{}), strings.Replace(plain, "1763712841.123456", "1763712841123", 1)))
	if !strings.Contains(millis, "2025-11-21T08:14:01.123Z") {
		t.Errorf("milliseconds: got %s, want them read", millis)
	}
}

// TestDamaged checks that what cannot be read is said, counted and leaves nothing.
func TestDamaged(t *testing.T) {
	good := "1763712841.1\tC1\t10.0.0.1\t1\t10.0.0.2\t2\ttcp\t-\t-\t-\t-\tS0\t-\t-\t0\tS\t1\t40\t0\t0\t-"
	for want, log := range map[string]string{
		"no #fields":              good,
		"columns or so":           connHeader + good[:60],
		"21":                      connHeader + good + "\tmore",
		"ts is":                   connHeader + strings.Replace(good, "1763712841.1", "noon", 1),
		"no time":                 connHeader + strings.Replace(good, "1763712841.1", "-", 1),
		"id.orig_h is \"10.0.0\"": connHeader + strings.Replace(good, "10.0.0.1", "10.0.0", 1),
		"two addresses":           connHeader + strings.Replace(good, "10.0.0.1", "-", 1),
		"id.orig_p is \"70000\"":  connHeader + strings.Replace(good, "\t1\t10", "\t70000\t10", 1),
		"proto is \"xyz\"":        connHeader + strings.Replace(good, "tcp", "xyz", 1),
		"orig_pkts is \"-1\"":     connHeader + strings.Replace(good, "S\t1\t40", "S\t-1\t40", 1),
		"conn_state is":           connHeader + strings.Replace(good, "S0", "S9", 1),
		"local_orig is":           connHeader + strings.Replace(good, "S0\t-", "S0\tx", 1),
		"duration is":             connHeader + strings.Replace(good, "tcp\t-\t-", "tcp\t-\t1e300", 1),
		"neither a _path":         `{"ts":1,"a":"b"}`,
		"the line ends":           `{"ts":1,"conn_state":"SF"`,
		"in message":              `{"message":"{\"ts\":}"}`,
	} {
		d := NewDecoder(Config{})
		b := &weir.Batch{}
		var err error
		for line := range strings.SplitSeq(log, "\n") {
			err = d.Line(b, []byte(line))
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want one with %q", log[max(0, len(log)-60):], err, want)
		}
		if c := d.Counters(); c.Damaged != 1 || b.Len() != 0 || c.Lines != c.Headers+1 {
			t.Errorf("%q: counted %+v, %d records, want one damaged line and no record", log[max(0, len(log)-60):], c, b.Len())
		}
	}
}

// TestHeaders checks what headers may say.
func TestHeaders(t *testing.T) {
	d := NewDecoder(Config{Sensor: "s"})
	b := lines(t, d, `#separator ,
#set_separator,|
#empty_field,EMPTY
#unset_field,NIL
#path,dns
#fields,query,ts,surprise,id.orig_h,id.orig_p,id.resp_h,id.resp_p,answers,TTLs,trans_id,qtype,rcode
A.example.,1.5,?,10.0.0.1,5000,10.0.0.53,53,192.0.2.1|a\x7cb,30.0|0.0,7,1,0
NIL,2,?,10.0.0.1,5000,10.0.0.53,53,EMPTY,NIL,8,28,NIL
#close,2026-11-21
#fields,ts,id.orig_h,id.orig_p,id.resp_h,id.resp_p,query
3,10.0.0.1,5000,10.0.0.53,53,b.example
#separator \x09
#path	weird
#fields	ts	name	peer
4	odd	zeek
`)
	var got []string
	for _, r := range b.DNS {
		got = append(got, fmt.Sprintf("%d %s %s %s %q %v %d", r.Time.UnixMilli(), r.Query, r.Type, r.Code, r.Answers, r.TTLs, r.ID))
	}
	want := []string{`1500 a.example A NOERROR ["192.0.2.1" "a|b"] [30 0] 7`, `2000  AAAA  [] [] 8`, `3000 b.example   [] [] 0`}
	if diff := cmp.Diff(want, got); diff != "" || len(b.Oddities) != 1 || b.Oddities[0].Name != "odd" {
		t.Errorf("questions (-want +got):\n%s and oddities %v, want one", diff, b.Oddities)
	}
}

// TestLabels checks logs that Stratosphere's tools have labelled: columns more,
// or three in one.
func TestLabels(t *testing.T) {
	fields := "#path\tconn\n#fields\tts\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tconn_state\ttunnel_parents"
	line := "\n1\t10.0.0.1\t1\t10.0.0.2\t2\ttcp\tS0\t(empty)"
	want := told(lines(t, NewDecoder(Config{}), fields+line))
	for _, log := range []string{
		fields + "\tlabel\tdetailedlabel" + line + "\tMalicious\tPartOfAHorizontalPortScan",
		fields + "   label   detailed-label" + line + "   Malicious   PartOfAHorizontalPortScan",
	} {
		if got := told(lines(t, NewDecoder(Config{}), log)); got != want {
			t.Errorf("%q gives\n%swant\n%s", log, got, want)
		}
	}
	b := lines(t, NewDecoder(Config{}), fields+"   label   detailed-label"+strings.Replace(line, "(empty)", "CP1", 1)+"   Benign   -")
	if got := b.Flows[0].Tunnel; got != "tunnel" {
		t.Errorf("the tunnel in three columns in one is %q, want that there is one", got)
	}
}

func TestText(t *testing.T) {
	d := NewDecoder(Config{})
	for in, want := range map[string]string{
		`plain`: `plain`, `a\\b`: `a\b`, `a\x2cb`: `a,b`, `\xc3\xbc`: `ü`, `ü`: `ü`, `\xff\x00`: `\xff\x00`, `\x2d`: `-`,
		`\\x41`: `\x41`, `\x`: `\x`, `\`: `\`, `a\q`: `a\q`, "\x01": `\x01`, strings.Repeat("x", 5000): strings.Repeat("x", maxText),
	} {
		if got := string(d.meaning([]byte(in))); got != want {
			t.Errorf("%q means %q, want %q", in, got, want)
		}
	}
}

func TestUint(t *testing.T) {
	d := NewDecoder(Config{})
	for in, want := range map[string]uint64{"0": 0, "62": 62, "62.0": 62, "1e3": 1000, "18446744073709551615": 1<<64 - 1, "9999999999999999999": 9999999999999999999} {
		d.reset()
		d.set(cSize, value{[]byte(in), literal})
		if got := d.uint(cSize); got != want || d.bad != nil {
			t.Errorf("%s is %d, %v, want %d", in, got, d.bad, want)
		}
	}
	for _, in := range []string{"", "-1", "1.5", "18446744073709551616", "x", "1e30", "NaN", "Inf"} {
		d.reset()
		if d.set(cSize, value{[]byte(in), literal}); d.uint(cSize) != 0 || d.bad == nil {
			t.Errorf("%q is a count", in)
		}
	}
}

func TestService(t *testing.T) {
	d := NewDecoder(Config{})
	for in, want := range map[string]string{
		"ssl": "tls", "http,ssl": "http", "ssl,http": "http", "smtp,ssl": "smtp", "gssapi,ntlm,smb,dce_rpc,krb": "smb", "dce_rpc,gssapi,ntlm": "dce_rpc",
		"ssl,quic": "quic", "krb_tcp": "kerberos", "-ssl": "", "-ssl,http": "http", "SSL": "tls", "dns": "mdns", "ldap_tcp,gssapi": "ldap", "": "",
	} {
		d.reset()
		d.cell(cService, []byte(in))
		f := weir.Flow{SrcPort: 5353, DstPort: 5353}
		if got := d.service(&f); got != want {
			t.Errorf("service %q is %q, want %q", in, got, want)
		}
	}
}

func TestPathOf(t *testing.T) {
	for in, want := range map[string]string{
		"conn.log": "conn", "/a/b/conn.13:00:00-14:00:00.log.gz": "conn", "conn_20240101_10:00:00-11:00:00-0000.log.gz": "conn",
		"smb_files.log.labeled": "smb_files", "2026-11-21-dns.log": "dns", "conn.json": "conn", "labeled-conn.log": "labeled", "x509.log": "x509",
		"x509_20240101_10:00:00-11:00:00+0000.log.gz": "x509", "dce_rpc.00:00:00-01:00:00.log.zst": "dce_rpc", "CONN.LOG": "conn", "20240101": "", "": "",
		`C:\zeek\known_hosts.log`: "known_hosts",
	} {
		if got := PathOf(in); got != want {
			t.Errorf("PathOf(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestIsLog(t *testing.T) {
	for in, want := range map[string]bool{
		connHeader: true, "#fields\tts\tuid\n": true, "### btest\n#separator \\x09\n": true, "ts\tuid\tid.orig_h\n": true,
		`{"ts":1.0,"uid":"C","id.orig_h":"10.0.0.1"}`: true, `{"_path":"stats","ts":"2024-01-01T00:00:00Z"}`: true,
		`{"ts":1,"uid":"C","proto":"tcp"` + "":                           true, // cut
		`{"timestamp":"2017-07-26T20:10:23.1+0000","event_type":"flow"}`: false,
		`{"level":"info","ts":1,"caller":"x"}`:                           false, `{"ts":1.5,"mem":3}`: true, "": false, "# a comment\nhello\n": false, "Dear reader,\n": false, "\x1f\x8b": false, "{": false,
		`{"@timestamp":"x","message":"{\"ts\":1,\"conn_state\":\"SF\"}"}`: true,
	} {
		if got := IsLog([]byte(in)); got != want {
			t.Errorf("IsLog(%.60q) = %v, want %v", in, got, want)
		}
	}
}

// TestJoin checks that flows get what was said in their conversations.
func TestJoin(t *testing.T) {
	fp := strings.Repeat("ab", 32)
	j := NewJoin(0)
	apps := NewDecoder(Config{Join: j})
	b := lines(t, apps, `{"_path":"x509","ts":10.2,"fingerprint":"`+fp+`","certificate.subject":"CN=a","certificate.issuer":"CN=a","certificate.not_valid_before":1,"certificate.not_valid_after":2}
{"_path":"x509","ts":10.2,"id":"F1","certificate.subject":"CN=b","certificate.issuer":"CN=ca","certificate.not_valid_before":1,"certificate.not_valid_after":2}
{"_path":"ssl","ts":10.1,"uid":"C1","id.orig_h":"10.0.0.1","id.orig_p":1000,"id.resp_h":"192.0.2.1","id.resp_p":4443,"version":"TLSv12","cipher":"TLS_X","server_name":"WWW.Example.","cert_chain_fps":["`+fp+`"],"ja3":"aa","ja3s":"bb","ja4":"t13","next_protocol":"h2"}
{"_path":"ssl","ts":10.1,"uid":"C2","id.orig_h":"10.0.0.1","id.orig_p":1001,"id.resp_h":"192.0.2.1","id.resp_p":443,"version":"DTLSv10","cert_chain_fuids":["F1"],"cipher":"unknown-255"}
{"_path":"http","ts":10.3,"uid":"C3","id.orig_h":"10.0.0.1","id.orig_p":1002,"id.resp_h":"192.0.2.1","id.resp_p":8080,"trans_depth":2,"method":"POST","host":"H.example:8080","uri":"/b?k=secret","status_code":404}
{"_path":"http","ts":10.1,"uid":"C3","id.orig_h":"10.0.0.1","id.orig_p":1002,"id.resp_h":"192.0.2.1","id.resp_p":8080,"trans_depth":1,"method":"GET","host":"H.example:8080","uri":"/a?k=secret","referrer":"http://u:p@x/?q=secret","user_agent":"ua","status_code":200,"username":"u","password":"secret","resp_mime_types":["text/html"]}
{"_path":"tunnel","ts":9,"uid":"CT","id.orig_h":"10.0.0.1","id.orig_p":0,"id.resp_h":"192.0.2.1","id.resp_p":0,"tunnel_type":"Tunnel::GRE"}
{"_path":"ssl","ts":11,"uid":"C9","id.orig_h":"10.0.0.1","id.orig_p":1009,"id.resp_h":"192.0.2.9","id.resp_p":443,"version":"TLSv13","server_name":"alone.example"}`)
	if len(b.HTTP) != 2 || b.HTTP[0].URI != "/b?k=*" || b.HTTP[1].Referrer != "http://x/?q=*" || b.HTTP[1].Host != "h.example" || strings.Contains(told(b), "secret") {
		t.Errorf("requests: %s, want two with masked values", told(b))
	}
	conn := NewDecoder(Config{Join: j})
	flow := `{"ts":10,"uid":"%s","id.orig_h":"10.0.0.1","id.orig_p":1000,"id.resp_h":"192.0.2.1","id.resp_p":4443,"proto":"tcp","duration":1,"conn_state":"SF","history":"ShAD","orig_pkts":1,"resp_pkts":1,"tunnel_parents":["CT"]}` + "\n"
	b = lines(t, conn, fmt.Sprintf(flow+flow+flow+flow, "C1", "C2", "C3", "C4"))
	f := b.Flows
	want := &weir.TLS{Version: "1.2", Cipher: "TLS_X", SNI: "www.example", ALPN: "h2", JA3: "aa", JA3S: "bb", JA4: "t13", Subject: "CN=a", Issuer: "CN=a",
		NotBefore: time.Unix(1, 0).UTC(), NotAfter: time.Unix(2, 0).UTC(), SelfSigned: true, SHA256: fp}
	if diff := cmp.Diff(want, f[0].TLS); diff != "" || f[0].App != "tls" || f[0].AppGuessed || f[0].Tunnel != "gre" {
		t.Errorf("tls (-want +got):\n%s of a flow of %s in %s", diff, f[0].App, f[0].Tunnel)
	}
	if got := f[1].TLS; got == nil || got.Version != "1.1" || got.Subject != "CN=b" || got.SelfSigned || got.Cipher != "0x00ff" || got.SHA256 != "" {
		t.Errorf("DTLS with the id of a file: %+v", got)
	}
	if diff := cmp.Diff(&weir.HTTP{Method: "GET", Host: "h.example", URI: "/a?k=*", UserAgent: "ua", Status: 200}, f[2].HTTP); diff != "" || f[2].App != "http" {
		t.Errorf("http (-want +got):\n%s of a flow of %s", diff, f[2].App)
	}
	if f[3].TLS != nil || f[3].HTTP != nil {
		t.Errorf("a flow in which nothing was said has %v, %v", f[3].TLS, f[3].HTTP)
	}
	if c := j.Counters(); c != (JoinCounters{Said: 4, Joined: 3, Waiting: 1}) {
		t.Errorf("counted %+v, want 4 of which 3 are joined", c)
	}
	alone := &weir.Batch{}
	j.Alone(alone, time.Unix(11, 0))
	if len(alone.Flows) != 0 {
		t.Errorf("Alone before 11 gives %s, want nothing", told(alone))
	}
	j.Alone(alone, time.Time{})
	j.Alone(alone, time.Time{})
	if len(alone.Flows) != 1 || alone.Flows[0].TLS.SNI != "alone.example" || alone.Flows[0].App != "tls" || !alone.Flows[0].Half {
		t.Errorf("Alone gives %s, want one flow", told(alone))
	}
	if c := j.Counters(); c != (JoinCounters{Said: 4, Joined: 3, Alone: 1}) {
		t.Errorf("counted %+v, want 4 of which 1 was alone", c)
	}
}

// TestJoinBounded checks the limit, and that what it costs is told.
func TestJoinBounded(t *testing.T) {
	j := NewJoin(10)
	d := NewDecoder(Config{Join: j})
	for i := range 1000 {
		lines(t, d, fmt.Sprintf(`{"_path":"ssl","ts":1,"uid":"C%d","id.orig_h":"10.0.0.1","id.resp_h":"192.0.2.9"}`, i))
	}
	if c := j.Counters(); c.Said != 1000 || c.Waiting > 10 || c.Forgotten != 1000-c.Waiting {
		t.Errorf("counted %+v, want 1000 of which at most 10 wait and the others are forgotten", c)
	}
}

// TestOngoing checks that what goes on is told in slices that add up.
func TestOngoing(t *testing.T) {
	j := NewJoin(0)
	line := func(path string, dur, n int) string {
		return fmt.Sprintf(`{"_path":%q,"ts":1000,"uid":"C1","id.orig_h":"10.0.0.1","id.orig_p":1,"id.resp_h":"192.0.2.1","id.resp_p":22,"proto":"tcp","duration":%d,"conn_state":"S1","orig_bytes":%d,"resp_bytes":%d,"orig_pkts":%d,"resp_pkts":%d,"orig_ip_bytes":%d,"resp_ip_bytes":%d}`, path, dur, n, 2*n, 3*n, 4*n, 5*n, 6*n)
	}
	b := lines(t, NewDecoder(Config{Join: j}), line("open_conn", 3600, 100)+"\n"+line("open_conn", 7200, 250)+"\n"+line("open_conn", 7200, 250))
	last := lines(t, NewDecoder(Config{Join: j}), line("conn", 9000, 300))
	var sum weir.Flow
	var got []string
	for _, f := range append(b.Flows, last.Flows...) {
		got = append(got, fmt.Sprint(f.Slice, f.Ongoing, f.Start.Unix(), f.End.Unix(), f.Duration, f.DataUp))
		sum.DataUp += f.DataUp
		sum.DataDown += f.DataDown
		sum.PacketsUp += f.PacketsUp
		sum.PacketsDown += f.PacketsDown
		sum.BytesUp += f.BytesUp
		sum.BytesDown += f.BytesDown
	}
	want := []string{"0 true 1000 4600 1h0m0s 100", "1 true 4600 8200 2h0m0s 150", "2 true 8200 8200 2h0m0s 0", "3 false 8200 10000 2h30m0s 50"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("slices (-want +got):\n%s", diff)
	}
	if sum.DataUp != 300 || sum.DataDown != 600 || sum.PacketsUp != 900 || sum.PacketsDown != 1200 || sum.BytesUp != 1500 || sum.BytesDown != 1800 {
		t.Errorf("the slices add up to %+v, want what conn.log says", sum)
	}
}

// TestWithoutIPBytes checks what stands for what is not logged.
func TestWithoutIPBytes(t *testing.T) {
	b := lines(t, NewDecoder(Config{}), `{"ts":1,"id.orig_h":"10.0.0.1","id.orig_p":1,"id.resp_h":"192.0.2.1","id.resp_p":80,"proto":"tcp","conn_state":"SF","orig_bytes":10,"resp_bytes":20}
{"ts":1,"id.orig_h":"10.0.0.1","id.orig_p":1,"id.resp_h":"192.0.2.1","id.resp_p":80,"proto":"tcp","conn_state":"S0"}`)
	f, g := b.Flows[0], b.Flows[1]
	if f.BytesUp != 10 || f.BytesDown != 20 || f.DataUp != 10 || f.PacketsUp != 1 || f.PacketsDown != 1 {
		t.Errorf("answered: %s", told(b))
	}
	if g.PacketsUp != 1 || g.PacketsDown != 0 {
		t.Errorf("unanswered: %s", told(b))
	}
}

// TestRecords checks the records of the other logs.
func TestRecords(t *testing.T) {
	ids := `"ts":1763712841.5,"uid":"C1","id.orig_h":"10.0.0.1","id.orig_p":1000,"id.resp_h":"10.0.0.2","id.resp_p":445`
	b := lines(t, NewDecoder(Config{Sensor: "s"}), strings.ReplaceAll(`{"_path":"dns",IDS,"proto":"udp","trans_id":7,"rtt":0.012,"query":"B\u00e4D.\\xff.Example","qclass":1,"qtype":16,"rcode":3,"AA":true,"RD":true,"answers":["TXT 5 a \"b\" TXT 2 cd","TXT 4 a\\xff"],"TTLs":[300.0,60]}
{"_path":"ssh",IDS,"version":2,"auth_success":false,"auth_attempts":3,"client":"SSH-2.0-x","server":"SSH-2.0-y","cipher_alg":"c","kex_alg":"k","host_key_alg":"h","host_key":"SHA256:z","hassh":"aa","hasshServer":"bb"}
{"_path":"smb_mapping",IDS,"path":"\\\\10.0.0.2\\ADMIN$","share_type":"DISK"}
{"_path":"smb_files",IDS,"action":"SMB::FILE_RENAME","path":"\\\\10.0.0.2\\ADMIN$","name":"b.exe","prev_name":"a.exe","size":12}
{"_path":"dce_rpc",IDS,"rtt":0.001,"named_pipe":"\\pipe\\svcctl","endpoint":"svcctl","operation":"CreateServiceW"}
{"_path":"kerberos",IDS,"request_type":"TGS","client":"u/D","service":"cifs/x","success":true,"till":2,"cipher":"aes256-cts-hmac-sha1-96","forwardable":true,"renewable":false}
{"_path":"ntlm",IDS,"username":"u","hostname":"H","domainname":"D","server_nb_computer_name":"S","server_tree_name":"D.example","success":false,"status":"LOGON_FAILURE"}
{"_path":"rdp",IDS,"cookie":"u","result":"encrypted","security_protocol":"HYBRID","client_name":"H","client_build":"RDP 10","keyboard_layout":"English","cert_count":1}
{"_path":"dhcp","ts":1763712841.5,"uids":["C8","C9"],"client_addr":"10.0.0.1","server_addr":"10.0.0.3","mac":"02:00:5E:10:00:01","host_name":"h","requested_addr":"10.0.0.1","assigned_addr":"10.0.0.1","lease_time":3600.0,"msg_types":["DISCOVER","ACK"]}
{"_path":"dhcp","ts":1763712841.5,"uid":"C7","id.orig_h":"10.0.0.1","id.orig_p":68,"id.resp_h":"10.0.0.3","id.resp_p":67,"mac":"02:00:5e:10:00:01","assigned_ip":"10.0.0.1","lease_time":60}
{"_path":"files","ts":1763712841.5,"fuid":"F1","tx_hosts":["10.0.0.2"],"rx_hosts":["10.0.0.1"],"conn_uids":["C1"],"source":"HTTP","mime_type":"text/plain","filename":"a.txt","duration":0.5,"is_orig":false,"seen_bytes":5,"total_bytes":6,"missing_bytes":1,"md5":"m"}
{"_path":"weird",IDS,"name":"bad_TCP_checksum","addl":"x","notice":false,"peer":"zeek"}
{"_path":"notice",IDS,"note":"Scan::Port_Scan","msg":"10.0.0.1 scanned 15 ports","sub":"remote","src":"10.0.0.1","dst":"10.0.0.2"}
{"_path":"notice",IDS,"note":"Heartbleed::SSL_Heartbeat_Attack","msg":"an attack"}
`, "IDS", ids))
	got := told(b)
	const file = "testdata/records.ndjson"
	if os.Getenv("WEIR_UPDATE") != "" {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

func TestSkipped(t *testing.T) {
	d := NewDecoder(Config{})
	b := lines(t, d, "#path\tstats\n#fields\tts\tpeer\n1\tzeek\n2\tzeek\n{\"_path\":\"loaded_scripts\",\"ts\":1}")
	c := d.Counters()
	if want := map[string]uint64{"stats": 2, "loaded_scripts": 1}; b.Len() != 0 || !maps.Equal(c.Skipped, want) || c.Headers != 2 || c.Damaged != 0 {
		t.Errorf("%d records, counted %+v, want %v skipped", b.Len(), c, want)
	}
	for i := range 1000 {
		lines(t, d, fmt.Sprintf(`{"_path":"x%d","ts":1}`, i))
	}
	if n := len(d.Counters().Skipped); n != maxSkipped+1 {
		t.Errorf("%d logs are counted apart, want %d and the others", n, maxSkipped)
	}
}

// accounted checks that every line is in one counter.
func accounted(t *testing.T, name string, d *Decoder, lines uint64) {
	t.Helper()
	c := d.Counters()
	sum := c.Headers + c.Records + c.Joined + c.Damaged
	for _, n := range c.Skipped {
		sum += n
	}
	if c.Lines != lines || sum != lines {
		t.Errorf("%s: %d lines, accounted for %d of %d: %+v", name, lines, sum, c.Lines, c)
	}
}

// read decodes a whole file, and returns how many lines it has and what was
// wrong with how many.
func read(t testing.TB, d *Decoder, b *weir.Batch, file string) (n uint64, wrong []error) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var from io.Reader = f
	if strings.HasSuffix(file, ".gz") {
		if from, err = gzip.NewReader(f); err != nil {
			t.Fatal(err)
		}
	}
	s := bufio.NewScanner(from)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		n++
		// Zeek's tests mask the times of their baselines.
		line := bytes.ReplaceAll(s.Bytes(), []byte("XXXXXXXXXX.XXXXXX"), []byte("1763712841.000001"))
		if err := d.Line(b, line); err != nil {
			wrong = append(wrong, fmt.Errorf("line %d: %w", n, err))
		}
	}
	if s.Err() != nil {
		t.Fatal(s.Err())
	}
	return n, wrong
}

// TestZed checks that the same data as TSV and as JSON give equal records.
func TestZed(t *testing.T) {
	folder := sharedtest.Path(t, "conformance/zed-sample-data")
	records := 0
	for _, path := range []string{"ntlm", "smb_mapping", "weird", "x509", "analyzer", "ntp", "software", "syslog"} {
		j := [2]*Join{NewJoin(0), NewJoin(0)}
		var b [2]weir.Batch
		for i, file := range []string{"zeek-default/" + path + ".log.gz", "zeek-json/" + path + ".json.gz"} {
			d := NewDecoder(Config{Join: j[i]})
			n, wrong := read(t, d, &b[i], filepath.Join(folder, file))
			if len(wrong) > 0 {
				t.Errorf("%s: %d lines cannot be read, first %v", file, len(wrong), wrong[0])
			}
			accounted(t, file, d, n)
		}
		tsv, json := told(&b[0]), told(&b[1])
		if tsv != json {
			t.Errorf("%s: the records differ (-TSV +JSON):\n%.2000s", path, cmp.Diff(firstDifference(tsv, json)))
		}
		certs := [2]map[string]certificate{maps.Collect(j[0].certs.All()), maps.Collect(j[1].certs.All())}
		if diff := cmp.Diff(certs[0], certs[1], cmp.AllowUnexported(certificate{})); diff != "" || path == "x509" && len(certs[0]) == 0 {
			t.Errorf("%s: %d certificates (-TSV +JSON):\n%.2000s", path, len(certs[0]), diff)
		}
		records += b[0].Len() + len(certs[0])
		t.Logf("%s: %d records and %d certificates, equal", path, b[0].Len(), len(certs[0]))
	}
	if records < 20_000 {
		t.Errorf("compared %d records, want all of them", records)
	}
}

// firstDifference returns the first lines that differ.
func firstDifference(a, b string) (string, string) {
	as, bs := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(as), len(bs)) {
		if as[i] != bs[i] {
			return as[i], bs[i]
		}
	}
	return fmt.Sprint(len(as)), fmt.Sprint(len(bs))
}

// TestBaselines reads the logs of Zeek's own tests. All are read; what remains
// are the outputs of zeek-cut and scripts that have no times any more.
func TestBaselines(t *testing.T) {
	root := sharedtest.Path(t, "conformance/zeek/testing/btest/Baseline")
	var logs, rows, records, joined, skipped, noTime, renamed int
	var others []string
	err := filepath.WalkDir(root, func(file string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(file, ".log") {
			return err
		}
		name, _ := filepath.Rel(root, file)
		all, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if !IsLog(all) {
			others = append(others, name)
			return nil
		}
		logs++
		d := NewDecoder(Config{})
		b := &weir.Batch{}
		n, wrong := read(t, d, b, file)
		accounted(t, name, d, n)
		for _, err := range wrong {
			switch {
			case errors.Is(err, errNoTime) && !bytes.Contains(all, []byte("#fields\tts")):
				noTime++
			case strings.Contains(name, "field-name-map"): // a test of renaming id.orig_h to what one likes
				renamed++
			default:
				t.Errorf("%s: %v", name, err)
			}
		}
		c := d.Counters()
		rows += int(c.Lines - c.Headers)
		records += int(c.Records)
		joined += int(c.Joined)
		for _, n := range c.Skipped {
			skipped += int(n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d logs, %d lines: %d records, %d joined, %d of logs without a table, %d without ts (zeek-cut), %d with columns renamed", logs, rows, records, joined, skipped, noTime, renamed)
	t.Logf("%d files that are no logs: %v", len(others), others)
	if logs < 390 || len(others) > 20 || noTime > 34 || renamed > 35 {
		t.Errorf("%d logs and %d others, %d lines without ts: want more, fewer and fewer", logs, len(others), noTime)
	}
}

func TestAllocations(t *testing.T) {
	for name, c := range map[string]struct {
		log  string
		most float64
	}{
		"conn, TSV":  {connHeader + spaced(`1763712841.123456 CHhAvVGS1DHFjwGM9 10.10.1.23 51512 203.0.113.77 443 tcp ssl 30.250001 1180 39120 SF T F 0 ShADadFf 12 1820 34 40960 -`), 0},
		"conn, JSON": {`{"ts":1763712841.123456,"uid":"CHhAvVGS1DHFjwGM9","id.orig_h":"10.10.1.23","id.orig_p":51512,"id.resp_h":"2001:db8::1","id.resp_p":443,"proto":"tcp","service":"ssl","duration":30.25,"orig_bytes":1180,"resp_bytes":39120,"conn_state":"SF","history":"ShADadFf","orig_pkts":12,"orig_ip_bytes":1820,"resp_pkts":34,"resp_ip_bytes":40960,"tunnel_parents":["Cx"]}`, 0},
		"dns, TSV":   {"#path\tdns\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tquery\tqtype\trcode\tanswers\tTTLs\n1\tC\t10.0.0.1\t1\t10.0.0.2\t53\tWWW.example\t1\t0\t192.0.2.1,192.0.2.2\t1.0,2.0", 2},
	} {
		d := NewDecoder(Config{})
		b := &weir.Batch{Flows: make([]weir.Flow, 0, 1), DNS: make([]weir.DNSTransaction, 0, 1)}
		rows := bytes.Split([]byte(c.log), []byte("\n"))
		for _, r := range rows {
			if err := d.Line(b, r); err != nil {
				t.Fatal(err)
			}
		}
		got := testing.AllocsPerRun(100, func() {
			b.Flows, b.DNS = b.Flows[:0], b.DNS[:0]
			_ = d.Line(b, rows[len(rows)-1])
		})
		if got > c.most {
			t.Errorf("%s: %v allocations a line, want %v", name, got, c.most)
		}
	}
}

func FuzzLine(f *testing.F) {
	f.Add(connHeader + spaced(`1763712841.1 C1 10.0.0.1 1 10.0.0.2 2 tcp ssl 1.0 1 1 SF T F 0 Sh 1 40 0 0 a\x2cb,c`))
	f.Add(`{"ts":1,"uid":"C","id":{"orig_h":"::1","orig_p":1,"resp_h":"::2","resp_p":2},"proto":"udp","query":"a\\xff","qtype":1,"answers":["TXT 1 a"],"TTLs":[1.5]}`)
	f.Add("#separator \\x2c\n#fields,ts,name   peer   x\n1,a   b   c")
	f.Add(`{"message":"{\"ts\":\"2018-03-24T17:15:20.600843Z\",\"note\":\"Scan::Port_Scan\",\"msg\":\"x\"}"}`)
	f.Add(`{"_path":"ssl","ts":1e3,"uid":"C","cert_chain_fps":["a",null],"version":"TLSv1"}` + "\n" + `{"_path":"http","ts":1,"uid":"C","trans_depth":1,"uri":"/?a=b"}`)
	f.Fuzz(func(t *testing.T, log string) {
		d := NewDecoder(Config{Join: NewJoin(100)})
		b := &weir.Batch{}
		n := uint64(0)
		for line := range strings.SplitSeq(log, "\n") {
			before := b.Len()
			if err := d.Line(b, []byte(line)); err != nil && b.Len() != before {
				t.Errorf("%q: error %v, and a record", line, err)
			}
			n++
		}
		accounted(t, "fuzzed", d, n)
		for i := range b.Flows {
			d.join.Complete(&b.Flows[i])
		}
		d.join.Alone(b, time.Time{})
		if s := told(b); !bytes.Equal([]byte(s), bytes.ToValidUTF8([]byte(s), nil)) {
			t.Errorf("%q gives what is no UTF-8: %q", log, s)
		}
		IsLog([]byte(log))
		PathOf(log)
	})
}
