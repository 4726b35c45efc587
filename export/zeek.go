package export

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/weir-nta/weir"
)

// A log is one of Zeek's, with its columns as Zeek orders them: name:type.
type log struct {
	name    string
	columns string
}

// head is how the columns of most logs begin.
const head = "ts:time uid:string id.orig_h:addr id.orig_p:port id.resp_h:addr id.resp_p:port "

// logs are those of Zeek 7, with the columns of its policy scripts and packages
// that records have something for: VLANs, link-layer addresses, Community ID,
// JA3, JA4, HASSH.
var logs = []log{
	{"conn", head + "proto:enum service:string duration:interval orig_bytes:count resp_bytes:count conn_state:string local_orig:bool " +
		"local_resp:bool missed_bytes:count history:string orig_pkts:count orig_ip_bytes:count resp_pkts:count resp_ip_bytes:count " +
		"tunnel_parents:set[string] ip_proto:count vlan:int orig_l2_addr:string resp_l2_addr:string community_id:string"},
	{"ssl", head + "version:string cipher:string curve:string server_name:string resumed:bool last_alert:string next_protocol:string " +
		"established:bool ssl_history:string cert_chain_fps:vector[string] client_cert_chain_fps:vector[string] subject:string " +
		"issuer:string not_valid_before:time not_valid_after:time ja3:string ja3s:string ja4:string"},
	{"dns", head + "proto:enum trans_id:count rtt:interval query:string qclass:count qclass_name:string qtype:count qtype_name:string " +
		"rcode:count rcode_name:string AA:bool TC:bool RD:bool RA:bool Z:count answers:vector[string] TTLs:vector[interval] rejected:bool"},
	{"http", head + "trans_depth:count method:string host:string uri:string referrer:string version:string user_agent:string " +
		"origin:string request_body_len:count response_body_len:count status_code:count status_msg:string info_code:count " +
		"info_msg:string tags:set[enum] username:string password:string proxied:set[string] orig_fuids:vector[string] " +
		"orig_filenames:vector[string] orig_mime_types:vector[string] resp_fuids:vector[string] resp_filenames:vector[string] resp_mime_types:vector[string]"},
	{"ssh", head + "version:count auth_success:bool auth_attempts:count direction:enum client:string server:string cipher_alg:string " +
		"mac_alg:string compression_alg:string kex_alg:string host_key_alg:string host_key:string hassh:string hasshServer:string"},
	{"smb_mapping", head + "path:string service:string native_file_system:string share_type:string"},
	{"smb_files", head + "fuid:string action:enum path:string name:string size:count prev_name:string times.modified:time " +
		"times.accessed:time times.created:time times.changed:time"},
	{"dce_rpc", head + "rtt:interval named_pipe:string endpoint:string operation:string"},
	{"kerberos", head + "request_type:string client:string service:string success:bool error_msg:string from:time till:time " +
		"cipher:string forwardable:bool renewable:bool client_cert_subject:string client_cert_fuid:string server_cert_subject:string server_cert_fuid:string"},
	{"ntlm", head + "username:string hostname:string domainname:string server_nb_computer_name:string server_dns_computer_name:string " +
		"server_tree_name:string success:bool"},
	{"rdp", head + "cookie:string result:string security_protocol:string client_channels:vector[string] keyboard_layout:string " +
		"client_build:string client_name:string client_dig_product_id:string desktop_width:count desktop_height:count " +
		"requested_color_depth:string cert_type:string cert_count:count cert_permanent:bool encryption_level:string encryption_method:string auth_success:bool"},
	{"dhcp", "ts:time uids:set[string] client_addr:addr server_addr:addr mac:string host_name:string client_fqdn:string domain:string " +
		"requested_addr:addr assigned_addr:addr lease_time:interval client_message:string server_message:string msg_types:vector[string] " +
		"duration:interval client_software:string"},
	{"files", "ts:time fuid:string uid:string id.orig_h:addr id.orig_p:port id.resp_h:addr id.resp_p:port source:string depth:count " +
		"analyzers:set[string] mime_type:string filename:string duration:interval local_orig:bool is_orig:bool seen_bytes:count " +
		"total_bytes:count missing_bytes:count overflow_bytes:count timedout:bool parent_fuid:string md5:string sha1:string sha256:string"},
	{"weird", head + "name:string addl:string notice:bool peer:string source:string"},
	{"notice", head + "fuid:string file_mime_type:string file_desc:string proto:enum note:enum msg:string sub:string src:addr dst:addr " +
		"p:port n:count peer_descr:string actions:set[enum] email_dest:set[string] suppress_for:interval"},
}

// A form returns the value of a column for a record: nil if it is not set.
type form func(weir.Record) any

// A zeekColumn is one of a log: its name and type, and where its value is from.
type zeekColumn struct {
	name, typ string
	value     form
}

// An openLog is a log that is being written.
type openLog struct {
	name    string
	columns []zeekColumn
	w       *bufio.Writer
}

// Zeek writes records as Zeek's logs.
type Zeek struct {
	json   bool
	now    time.Time
	open   func(log string) (io.Writer, error)
	logs   map[string]*openLog
	to     map[io.Writer]*bufio.Writer // lines of several logs may go to one
	line   []byte
	counts map[string]int
	// FirstRequests says that the first requests that flows tell of are written
	// to http.log: where there are no transactions that would be told twice.
	FirstRequests bool
}

// NewZeek returns a writer of Zeek's logs, each opened by its name, such as
// "conn", when the first line of it is to be written: as tab-separated values
// with Zeek's headers, which say that they were begun at the given time, or as
// JSON with the name of the log in each line, for which several logs may have
// one writer. If open returns no writer, lines
// of that log are counted and left out.
func NewZeek(json bool, now time.Time, open func(log string) (io.Writer, error)) *Zeek {
	return &Zeek{json: json, now: now, open: open, logs: map[string]*openLog{}, to: map[io.Writer]*bufio.Writer{}, counts: map[string]int{}}
}

// ErrNoLog says that Zeek has no log for a kind of record.
type ErrNoLog struct{ Table string }

// Error implements error.
func (e *ErrNoLog) Error() string { return fmt.Sprintf("Zeek has no log for records of %s", e.Table) }

// Lines returns how many lines of each log there were, those left out included.
func (z *Zeek) Lines() map[string]int { return z.counts }

// Write implements [Writer]. A flow is a line of conn.log, and one of ssl.log
// if there was a handshake. Of SMB only what is done to files and shares is told.
func (z *Zeek) Write(r weir.Record) error {
	switch r := r.(type) {
	case *weir.Flow:
		return z.flow(r)
	case *weir.SMBAction:
		switch {
		case r.File != "":
			return z.put("smb_files", r)
		case r.Action == "connect":
			return z.put("smb_mapping", r)
		}
		return nil // Zeek has no log of what is agreed before
	}
	name, ok := logOf[r.Table()]
	if !ok {
		return &ErrNoLog{r.Table().Name}
	}
	return z.put(name, r)
}

// InZeek reports whether Zeek has a log for the records of a table. Those of
// table command stand in a dozen of its logs, with too little for any of them.
func InZeek(t *weir.Table) bool {
	return t == weir.FlowTable || t == weir.SMBActionTable || logOf[t] != ""
}

// logOf are the logs of the tables that go to one.
var logOf = map[*weir.Table]string{
	weir.DNSTransactionTable: "dns", weir.HTTPTransactionTable: "http", weir.SSHSessionTable: "ssh", weir.RPCCallTable: "dce_rpc",
	weir.KerberosMessageTable: "kerberos", weir.NTLMLogonTable: "ntlm", weir.RDPSessionTable: "rdp", weir.DHCPMessageTable: "dhcp",
	weir.FileTable: "files", weir.OddityTable: "weird", weir.FindingTable: "notice",
}

func (z *Zeek) flow(f *weir.Flow) error {
	if err := z.put("conn", f); err != nil {
		return err
	}
	// A handshake stands in every slice of a conversation; Zeek tells it once.
	if f.TLS != nil && f.Slice == 0 {
		if err := z.put("ssl", f); err != nil {
			return err
		}
	}
	if f.HTTP != nil && f.Slice == 0 && z.FirstRequests {
		return z.put("http", f)
	}
	return nil
}

// put writes a line of a log.
func (z *Zeek) put(name string, r weir.Record) error {
	l, err := z.log(name, r.Table())
	if err != nil {
		return err
	}
	z.counts[name]++
	if l.w == nil {
		return nil
	}
	z.line = z.line[:0]
	if z.json {
		z.line = l.appendJSON(z.line, r)
	} else {
		z.line = l.appendTSV(z.line, r)
	}
	_, err = l.w.Write(z.line)
	return err
}

// log returns the log of a name for records of a table, opened.
func (z *Zeek) log(name string, t *weir.Table) (*openLog, error) {
	key := name + " " + t.Name // http.log is of transactions and of flows
	if l, ok := z.logs[key]; ok {
		return l, nil
	}
	l := &openLog{name: name, columns: zeekColumns(name, t)}
	z.logs[key] = l
	for k, other := range z.logs {
		if other != l && strings.HasPrefix(k, name+" ") {
			l.w = other.w
			return l, nil
		}
	}
	w, err := z.open(name)
	if err != nil || w == nil {
		return l, err
	}
	if l.w = z.to[w]; l.w == nil {
		l.w = bufio.NewWriterSize(w, 64<<10)
		z.to[w] = l.w
	}
	if z.json {
		return l, nil
	}
	return l, l.header(z.now)
}

const zeekTime = "2006-01-02-15-04-05"

func (l *openLog) header(now time.Time) error {
	var names, types strings.Builder
	for _, c := range l.columns {
		names.WriteString("\t" + c.name)
		types.WriteString("\t" + c.typ)
	}
	_, err := fmt.Fprintf(l.w, "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\t%s\n#open\t%s\n#fields%s\n#types%s\n",
		l.name, now.UTC().Format(zeekTime), names.String(), types.String())
	return err
}

// Close implements [Writer].
func (z *Zeek) Close() error {
	closed := map[*bufio.Writer]bool{nil: true}
	for _, l := range z.logs {
		if closed[l.w] {
			continue
		}
		closed[l.w] = true
		if !z.json {
			if _, err := fmt.Fprintf(l.w, "#close\t%s\n", z.now.UTC().Format(zeekTime)); err != nil {
				return err
			}
		}
		if err := l.w.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// zeekColumns returns the columns of a log for the records of a table: the
// computed ones, those by the tags of the records, and, as Zeek writes all of
// its columns, those that records have nothing for.
func zeekColumns(name string, t *weir.Table) []zeekColumn {
	byTag := map[string]int{}
	for i := range t.Columns {
		c := &t.Columns[i]
		if c.Zeek != "" && partOf(t, c.Name) == partLog(t, name) {
			byTag[c.Zeek] = i
		}
	}
	for i := range t.Columns { // of the flow itself: time, uid, endpoints
		if _, ok := byTag[t.Columns[i].Zeek]; !ok && strings.Contains(head, t.Columns[i].Zeek+":") {
			byTag[t.Columns[i].Zeek] = i
		}
	}
	var out []zeekColumn
	for text := range strings.FieldsSeq(logNamed(name).columns) {
		col, typ, _ := strings.Cut(text, ":")
		c := zeekColumn{name: col, typ: typ, value: func(weir.Record) any { return nil }}
		if i, ok := byTag[col]; ok {
			c.value = func(r weir.Record) any { return r.Value(i) }
		}
		if f, ok := zeekForms[name+"."+col]; ok {
			c.value = f
		} else if f, ok := zeekForms["."+col]; ok {
			c.value = f
		}
		out = append(out, c)
	}
	return out
}

// partOf returns the part of a flow that a column is of: tls, http or none.
func partOf(t *weir.Table, column string) string {
	part, _, dotted := strings.Cut(column, ".")
	if t == weir.FlowTable && dotted && (part == "tls" || part == "http") {
		return part
	}
	return ""
}

// partLog returns the part of a record that a log tells of.
func partLog(t *weir.Table, log string) string {
	switch {
	case t == weir.FlowTable && log == "ssl":
		return "tls"
	case t == weir.FlowTable && log == "http":
		return "http"
	}
	return ""
}

func logNamed(name string) log {
	for _, l := range logs {
		if l.name == name {
			return l
		}
	}
	panic("export: no log " + name)
}
