package export

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/weir-nta/weir"
)

// OCSFVersion is the version of the schema that is written. Its attributes that
// are used have been there since 1.4.
const OCSFVersion = "1.7.0"

// NewOCSF returns a writer of JSON in the Open Cybersecurity Schema Framework,
// an event a line. Version is that of the product that says so. What the class
// of an event has no attribute for stands under "unmapped".
func NewOCSF(w io.Writer, version string) Writer {
	return newDocuments(w, func(t *weir.Table) (*document, error) { return ocsfDocument(t, version) })
}

// A class is one of OCSF, for the records of a table.
type class struct {
	uid      int64
	name     string
	activity form // the number of the activity
}

// The numbers of activities that several classes have in common.
const (
	activityUnknown = 0
	activityTraffic = 6
	activityOther   = 99
)

// classes are those of the tables. A table that none is for is network
// activity, named by its application.
var classes = map[*weir.Table]class{
	weir.FlowTable:            {4001, "Network Activity", ocsfFlowActivity},
	weir.HTTPTransactionTable: {4002, "HTTP Activity", ocsfHTTPActivity},
	weir.DNSTransactionTable:  {4003, "DNS Activity", ocsfDNSActivity},
	weir.DHCPMessageTable:     {4004, "DHCP Activity", ocsfDHCPActivity},
	weir.RDPSessionTable:      {4005, "RDP Activity", constant(int64(activityTraffic))},
	weir.SMBActionTable:       {4006, "SMB Activity", ocsfSMBActivity},
	weir.SSHSessionTable:      {4007, "SSH Activity", constant(int64(activityTraffic))},
	weir.FindingTable:         {2004, "Detection Finding", constant(int64(1))}, // Create
	weir.RPCCallTable:         {4001, "Network Activity", constant(int64(activityTraffic))},
	weir.KerberosMessageTable: {4001, "Network Activity", constant(int64(activityTraffic))},
	weir.NTLMLogonTable:       {4001, "Network Activity", constant(int64(activityTraffic))},
	weir.FileTable:            {4001, "Network Activity", constant(int64(activityTraffic))},
	weir.OddityTable:          {4001, "Network Activity", constant(int64(activityTraffic))},
	weir.CommandTable:         {4001, "Network Activity", constant(int64(activityTraffic))},
	weir.AnnouncementTable:    {4001, "Network Activity", constant(int64(activityTraffic))},
	weir.HostTable:            {5001, "Device Inventory Info", constant(int64(2))}, // Collect
}

// InOCSF reports whether OCSF has a class for the records of a table.
func InOCSF(t *weir.Table) bool {
	_, ok := classes[t]
	return ok
}

// ErrNoClass says that OCSF has no class for a kind of record.
type ErrNoClass struct{ Table string }

// Error implements error.
func (e *ErrNoClass) Error() string {
	return fmt.Sprintf("OCSF has no class for records of %s", e.Table)
}

// ocsfDocument returns the plan for the records of a table.
func ocsfDocument(t *weir.Table, version string) (*document, error) {
	c, ok := classes[t]
	if !ok {
		return nil, &ErrNoClass{t.Name}
	}
	d := new(document)
	ocsfBase(d, c, version)
	unmapped := &document{name: "unmapped"}
	for i := range t.Columns {
		col := &t.Columns[i]
		if col.OCSF == "" {
			// The dots stay: it is a name, not a path.
			unmapped.members = append(unmapped.members, &document{name: col.Name, value: column(i)})
			continue
		}
		d.set(col.OCSF, ocsfForm(col.OCSF, col, i))
	}
	switch t {
	case weir.FlowTable:
		ocsfFlow(d)
	case weir.DNSTransactionTable:
		ocsfDNS(d)
	case weir.SSHSessionTable:
		d.set("client_hassh.fingerprint.algorithm_id", ifText(func(r weir.Record) string { return r.(*weir.SSHSession).HASSH }, int64(1)))
		d.set("server_hassh.fingerprint.algorithm_id", ifText(func(r weir.Record) string { return r.(*weir.SSHSession).HASSHServer }, int64(1)))
	case weir.SMBActionTable:
		d.set("file.type_id", ifText(func(r weir.Record) string { return r.(*weir.SMBAction).File }, int64(1))) // regular file
		d.at("file.size").value = ifFile(d.at("file.size").value)
	case weir.RPCCallTable, weir.KerberosMessageTable, weir.NTLMLogonTable:
		d.set("app_name", constant(t.Name))
	case weir.FindingTable:
		ocsfFinding(d)
	}
	if t != weir.FindingTable && t != weir.HostTable {
		ocsfNetwork(d, t)
	}
	if i := slicesIndexOCSF(t, "status"); i >= 0 {
		d.set("status_id", func(r weir.Record) any { return statusID(r.Value(i)) })
	}
	if len(unmapped.members) > 0 {
		d.members = append(d.members, unmapped)
	}
	return d, nil
}

func slicesIndexOCSF(t *weir.Table, name string) int {
	for i := range t.Columns {
		if t.Columns[i].OCSF == name {
			return i
		}
	}
	return -1
}

// ocsfBase sets what every event has.
func ocsfBase(d *document, c class, version string) {
	category, name := c.uid/1000, "Network Activity"
	switch category {
	case 2:
		name = "Findings"
	case 5:
		name = "Discovery"
	}
	d.set("class_uid", constant(c.uid))
	d.set("class_name", constant(c.name))
	d.set("category_uid", constant(category))
	d.set("category_name", constant(name))
	d.set("activity_id", c.activity)
	d.set("type_uid", func(r weir.Record) any { return c.uid*100 + c.activity(r).(int64) })
	d.set("severity_id", constant(int64(1))) // informational: what is merely recorded
	d.set("metadata.version", constant(OCSFVersion))
	d.set("metadata.product.name", constant("Weir"))
	d.set("metadata.product.vendor_name", constant("Weir"))
	d.set("metadata.product.version", constant(version))
}

// ocsfForm returns the value of a column in the form that its attribute wants.
func ocsfForm(attribute string, c *weir.Column, i int) form {
	switch {
	case attribute == "status":
		return func(r weir.Record) any { return captionOf(outcome(r.Value(i))) }
	case attribute == "confidence_score":
		return func(r weir.Record) any { return percent(r.Value(i)) }
	case attribute == "severity":
		return func(r weir.Record) any { return severityCaptions[r.(*weir.Finding).Severity] }
	case attribute == "confidence":
		return func(r weir.Record) any { return confidenceCaptions[confidenceID(r)] }
	case attribute == "finding_info.types":
		return func(r weir.Record) any { return []any{r.Value(i)} }
	case attribute == "src_endpoint.vlan_uid", attribute == "protocol_ver":
		return func(r weir.Record) any { return text(r.Value(i)) }
	case attribute == "connection_info.direction":
		return func(r weir.Record) any { return directionCaptions[directionOf(r.Value(i))] }
	case c.Type == weir.Time:
		return func(r weir.Record) any { return milliseconds(r.Value(i)) }
	case attribute == "duration":
		return func(r weir.Record) any { return thousandths(r.Value(i)) }
	case attribute == "lease_dur":
		return func(r weir.Record) any { return wholeSeconds(r.Value(i)) }
	}
	return column(i)
}

func text(v any) any {
	if v == nil {
		return nil
	}
	return fmt.Sprint(v)
}

func milliseconds(v any) any {
	t, ok := v.(time.Time)
	if !ok {
		return nil
	}
	return t.UnixMilli()
}

func thousandths(v any) any {
	s, ok := v.(float64)
	if !ok {
		return nil
	}
	return int64(math.Round(s * 1000))
}

func wholeSeconds(v any) any {
	s, ok := v.(float64)
	if !ok {
		return nil
	}
	return int64(math.Round(s))
}

func percent(v any) any {
	f, ok := v.(float64)
	if !ok {
		return nil
	}
	return int64(math.Round(f * 100))
}

func captionOf(outcome any) any {
	switch outcome {
	case "success":
		return "Success"
	case "failure":
		return "Failure"
	}
	return nil
}

func statusID(v any) any {
	switch outcome(v) {
	case "success":
		return int64(1)
	case "failure":
		return int64(2)
	}
	return int64(0)
}

// ifText is v where there is a text.
func ifText(text func(weir.Record) string, v any) form {
	return func(r weir.Record) any {
		if text(r) == "" {
			return nil
		}
		return v
	}
}

// ifFile leaves out what is said of a file that has no name: an object of OCSF
// must have one.
func ifFile(size form) form {
	return func(r weir.Record) any {
		if r.(*weir.SMBAction).File == "" {
			return nil
		}
		return size(r)
	}
}

// directionCaptions are by direction_id.
var directionCaptions = map[int64]any{1: "Inbound", 2: "Outbound", 3: "Lateral", 99: "Other"}

// directionOf returns the direction_id: 0 if it is not known.
func directionOf(v any) int64 {
	switch v {
	case "inbound":
		return 1
	case "outbound":
		return 2
	case "internal":
		return 3
	case "external":
		return activityOther
	}
	return 0
}

// ocsfNetwork sets what all classes of network activity have.
func ocsfNetwork(d *document, t *weir.Table) {
	if i := t.Column("dir"); i >= 0 {
		d.set("connection_info.direction_id", func(r weir.Record) any { return directionOf(r.Value(i)) })
	} else {
		d.set("connection_info.direction_id", constant(int64(0)))
	}
	if i := t.Column("proto"); i >= 0 {
		d.set("connection_info.protocol_num", func(r weir.Record) any {
			if n, ok := protoNumber(r.Value(i)); ok {
				return n
			}
			return int64(-1) // not known, in OCSF
		})
	}
}

// ocsfFlowActivity tells how a connection stands: refused or reset, failed,
// open, closed, or one slice of its traffic.
func ocsfFlowActivity(r weir.Record) any {
	f := r.(*weir.Flow)
	switch {
	case f.State == weir.StateREJ:
		return int64(5)
	case f.State == weir.StateRSTO || f.State == weir.StateRSTR:
		return int64(3)
	case f.State == weir.StateS0 && f.Proto == weir.TCP:
		return int64(4)
	case f.Ongoing && f.Slice == 0:
		return int64(1)
	case f.State == weir.StateSF && f.Slice == 0:
		return int64(2)
	}
	return int64(activityTraffic)
}

func ocsfFlow(d *document) {
	has := func(text func(*weir.TLS) string, v any) form {
		return func(r weir.Record) any {
			if t := r.(*weir.Flow).TLS; t != nil && text(t) != "" {
				return v
			}
			return nil
		}
	}
	d.set("start_time", func(r weir.Record) any { return r.(*weir.Flow).Start.UnixMilli() })
	d.set("tls.version", func(r weir.Record) any { // which must be there
		switch t := r.(*weir.Flow).TLS; {
		case t == nil:
			return nil
		case t.Version == "":
			return "unknown"
		default:
			return t.Version
		}
	})
	d.set("tls.ja3_hash.algorithm_id", has(func(t *weir.TLS) string { return t.JA3 }, int64(1))) // MD5
	d.set("tls.ja3s_hash.algorithm_id", has(func(t *weir.TLS) string { return t.JA3S }, int64(1)))
	d.set("ja4_fingerprint_list.type_id", has(func(t *weir.TLS) string { return t.JA4 }, int64(1))) // JA4
	d.at("ja4_fingerprint_list").one = true
}

func ocsfDNSActivity(r weir.Record) any {
	switch d := r.(*weir.DNSTransaction); {
	case !d.Answered():
		return int64(1) // query
	case d.RTT == 0:
		return int64(2) // an answer, or one whose query was not seen
	}
	return int64(activityTraffic) // both
}

func ocsfDNS(d *document) {
	d.at("answers").each = true
	asked := func(value form) form { // a query of OCSF must have a name
		return func(r weir.Record) any {
			if r.(*weir.DNSTransaction).Query == "" {
				return nil
			}
			return value(r)
		}
	}
	for _, m := range d.at("query").members {
		m.value = asked(m.value)
	}
	d.set("query_time", func(r weir.Record) any {
		q := r.(*weir.DNSTransaction)
		if q.Answered() && q.RTT == 0 {
			return nil
		}
		return q.Time.UnixMilli()
	})
	d.set("response_time", func(r weir.Record) any {
		q := r.(*weir.DNSTransaction)
		if !q.Answered() {
			return nil
		}
		return q.Time.Add(q.RTT).UnixMilli()
	})
	d.set("rcode_id", func(r weir.Record) any {
		code := r.(*weir.DNSTransaction).Code
		if code == "" {
			return nil
		}
		if n, ok := numberOf(codeNumbers(), code, "RCODE").(int64); ok && n <= 24 {
			return n
		}
		return int64(activityOther)
	})
}

var httpActivities = map[string]int64{
	"CONNECT": 1, "DELETE": 2, "GET": 3, "HEAD": 4, "OPTIONS": 5, "POST": 6, "PUT": 7, "TRACE": 8, "PATCH": 9,
}

func ocsfHTTPActivity(r weir.Record) any {
	method := r.(*weir.HTTPTransaction).Method
	if n, ok := httpActivities[method]; ok {
		return n
	}
	if method == "" {
		return int64(activityUnknown)
	}
	return int64(activityOther)
}

var dhcpActivities = map[string]int64{
	"DISCOVER": 1, "OFFER": 2, "REQUEST": 3, "DECLINE": 4, "ACK": 5, "NAK": 6, "RELEASE": 7, "INFORM": 8,
}

// ocsfDHCPActivity is that of the last message.
func ocsfDHCPActivity(r weir.Record) any {
	m := r.(*weir.DHCPMessage).Messages
	if len(m) == 0 {
		return int64(activityUnknown)
	}
	if n, ok := dhcpActivities[strings.ToUpper(m[len(m)-1])]; ok {
		return n
	}
	return int64(activityOther)
}

func ocsfSMBActivity(r weir.Record) any {
	if r.(*weir.SMBAction).Action == "open" {
		return int64(2)
	}
	return int64(activityOther)
}

var (
	severityCaptions   = map[weir.Severity]any{weir.Info: "Informational", weir.Low: "Low", weir.Medium: "Medium", weir.High: "High", weir.Critical: "Critical"}
	confidenceCaptions = map[int64]any{1: "Low", 2: "Medium", 3: "High"}
)

// confidenceID returns the confidence: nothing is above high.
func confidenceID(r weir.Record) int64 {
	return int64(min(r.(*weir.Finding).Certainty, weir.Strong)) + 1
}

func ocsfFinding(d *document) {
	d.set("severity_id", func(r weir.Record) any { return int64(min(r.(*weir.Finding).Severity, weir.Critical)) + 1 })
	d.set("confidence_id", func(r weir.Record) any { return confidenceID(r) })
	d.set("is_alert", constant(true))
	d.set("finding_info.title", func(r weir.Record) any { f := r.(*weir.Finding); return orNil(f.Behaviour + ": " + f.Key) })
	d.set("finding_info.uid", func(r weir.Record) any { f := r.(*weir.Finding); return f.Detector + " " + f.Key })
	d.set("finding_info.desc", func(r weir.Record) any { return orNil(r.(*weir.Finding).Summary) })
	d.set("finding_info.analytic.type_id", constant(int64(2))) // behavioural
	d.set("finding_info.created_time", func(r weir.Record) any { return r.(*weir.Finding).Time.UnixMilli() })
	d.at("finding_info.attacks").each = true
	d.at("evidences").one = true
}
