package ldap_test

import (
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/sharedtest"
	"github.com/weir-nta/weir/meter/metertest"
)

// A line is what Zeek tells of a request, in its columns, and what we do.
type line struct{ opcode, result, object, argument, scope, base, filter string }

func lineOf(c *weir.Command) (l line) {
	l.result, _, _ = strings.Cut(c.Status, " ") // without Active Directory's code
	l.opcode = c.Command
	kind, mechanism, _ := strings.Cut(c.Object, " ")
	switch c.Command {
	case "bind":
		if l.opcode = "bind simple"; kind == "sasl" {
			l.opcode, l.argument = "bind SASL", mechanism
		}
		if kind == "simple" {
			l.argument = "REDACTED"
		}
		l.object = c.User
	case "search":
		base, rest, _ := strings.Cut(c.Object, " (")
		i := strings.LastIndexByte(base, ' ')
		l.base, l.scope = base[:i], base[i+1:]
		if l.base == "<root>" {
			l.base = ""
		}
		l.filter = names("(" + rest)
	case "add":
	case "modify":
		l.object, l.argument, _ = strings.Cut(c.Object, " ")
	case "extended":
		l.object = c.Object
	}
	return l
}

var term = regexp.MustCompile(`\(([A-Za-z][A-Za-z0-9-]*)[:=<>~]`)

// names lists the attributes of a filter in their order.
func names(filter string) string {
	var out []string
	for _, m := range term.FindAllStringSubmatch(filter, -1) {
		out = append(out, m[1])
	}
	return strings.Join(out, " ")
}

var results = map[string]string{
	"success": "success", "SASL bind in progress": "saslBindInProgress", "invalid credentials": "invalidCredentials", "no such object": "noSuchObject",
	"": "",
}

var scopes = map[string]string{"base": "base", "single": "one", "tree": "sub", "": ""}

func lineOfZeek(t *testing.T, row map[string]string) line {
	result, ok := results[row["result"]]
	if !ok {
		t.Errorf("what is %q of Zeek in the words of RFC 4511?", row["result"])
	}
	l := line{opcode: row["opcode"], result: result, object: row["object"], argument: row["argument"], base: row["base_object"], scope: scopes[row["scope"]], filter: names(row["filter"])}
	if _, ok := row["filter"]; ok {
		l.opcode = "search"
	}
	if strings.HasPrefix(l.argument, "replace(") {
		l.argument, _, _ = strings.Cut(l.argument, "=")
		l.argument += ")"
	}
	return l
}

// closest returns the place of the line that is most like want, -1 if there is none.
func closest(list []line, want line) int {
	best, most := -1, -1
	for i, l := range list {
		n := 0
		for _, same := range []bool{l.result == want.result, l.result == want.result, l.object == want.object, l.argument == want.argument, l.base == want.base, l.scope == want.scope, l.filter == want.filter} {
			if same {
				n++
			}
		}
		if l.opcode == want.opcode && n > most {
			best, most = i, n
		}
	}
	return best
}

func TestZeek(t *testing.T) {
	c := metertest.Compare(t, []metertest.Difference{
		metertest.Explain("*", "object", "*", "", "we tell who logs on by SASL: from NTLM and from the first message of SCRAM"),
		metertest.Explain("modify-request *", "line", "search success *", "", "the baseline has no ldap_search.log"),
	})
	defer c.Close()
	root := sharedtest.Path(t, "conformance/zeek/testing/btest")
	for _, tc := range []struct{ baseline, trace string }{
		{"add", "ldap-add.pcap"}, {"who-am-i", "ldap-who-am-i.pcap"}, {"invalid_credentials", "ldap_invalid_credentials.pcap"},
		{"sasl-scram-sha-512", "sasl-scram-sha-512.pcap"}, {"sasl-srp-who-am-i", "sasl-srp-who-am-i.pcap"}, {"sasl-encrypted", "krb5-sign-seal-01.pcap"},
		{"sasl-signed-clear", "missing_ldap_logs.pcapng"}, {"sasl-signed-clear-2", "missing_krbtgt_ldap_request.pcapng"},
		{"modify-request", "modify-request.pcapng"}, {"pending-messages-exceeded", "pending-adds-10.pcap"}, {"gap", "gap-data-missing.pcapng"},
		{"search_filter_extended", "issue-32.pcapng"},
	} {
		ours := map[string][]line{}
		b := metertest.Records(t, root+"/Traces/ldap/"+tc.trace)
		for i := range b.Commands {
			r := &b.Commands[i]
			for range r.Count {
				ours[metertest.Ends(&r.Endpoints)] = append(ours[metertest.Ends(&r.Endpoints)], lineOf(r))
			}
		}
		var rows []map[string]string
		for _, log := range []string{"ldap.log", "ldap_search.log"} {
			rows = append(rows, metertest.Zeek(t, root+"/Baseline/scripts.base.protocols.ldap."+tc.baseline+"/"+log)...)
		}
		for _, row := range rows {
			ends, want := metertest.EndsOf(row), lineOfZeek(t, row)
			if len(ours) == 1 && row["id.orig_h"] == "" {
				for ends = range ours { // the log was cut to some columns
				}
			}
			name := tc.baseline + " " + ends + " " + row["message_id"]
			i := closest(ours[ends], want)
			if i < 0 {
				c.Field(name, "line", "", want.opcode)
				continue
			}
			got := ours[ends][i]
			ours[ends] = append(ours[ends][:i], ours[ends][i+1:]...)
			c.Field(name, "line", got.opcode, want.opcode)
			if _, told := row["result"]; told || want.opcode != "search" {
				c.Field(name, "result", got.result, want.result)
			}
			if want.opcode == "search" {
				c.Field(name, "base", got.base, want.base)
				if _, told := row["scope"]; told {
					c.Field(name, "scope", got.scope, want.scope)
				}
				c.Field(name, "filter", got.filter, want.filter)
			} else {
				c.Field(name, "object", got.object, want.object)
				c.Field(name, "argument", got.argument, want.argument)
			}
		}
		for ends, list := range ours {
			for _, l := range list {
				c.Field(tc.baseline+" "+ends, "line", l.opcode+" "+l.result+" "+l.object+l.base, "")
			}
		}
	}
}

// operations and codes are numbers of RFC 4511 as tshark prints them.
var (
	operations = map[string]string{"0": "bind", "2": "unbind", "3": "search", "6": "modify", "8": "add", "10": "delete", "12": "modify_dn", "14": "compare", "16": "abandon", "23": "extended"}
	codes      = map[string]string{"0": "success", "5": "compareFalse", "6": "compareTrue", "10": "referral", "14": "saslBindInProgress", "32": "noSuchObject", "49": "invalidCredentials", "52": "unavailable", "53": "unwillingToPerform", "1": "operationsError", "2": "protocolError"}
)

// TestTShark compares with the dissector of Wireshark: how many requests of
// each kind, which bases are searched, who binds, and what the results are.
func TestTShark(t *testing.T) {
	if _, err := exec.LookPath("tshark"); err != nil || testing.Short() {
		t.Skip("needs tshark, and its time")
	}
	c := metertest.Compare(t, []metertest.Difference{
		metertest.Explain("*ldap-abandon*", "request", "-1", "0", "the one message is eight octets with two small numbers: too little to name a protocol by; tshark goes by the port"),
	})
	defer c.Close()
	for _, file := range []string{
		"corpus/captures/elcabezzonn-tinkersec-ldapsearch.pcap", "corpus/captures/elcabezzonn-find_service_accounts.pcap", "corpus/captures/elcabezzonn-remote_recon_toolie.pcapng",
		"conformance/zeek/testing/btest/Traces/ldap/simpleauth.pcap", "conformance/zeek/testing/btest/Traces/ldap/missing_ldap_logs.pcapng",
		"conformance/zeek/testing/btest/Traces/ldap/missing_krbtgt_ldap_request.pcapng",
		"conformance/arkime/tests/pcap/ldap-and-search.pcap", "conformance/suricata-verify/tests/ldap-compare/ldap.pcap", "conformance/suricata-verify/tests/ldap-search/ldap.pcap",
		"conformance/suricata-verify/tests/ldap-abandon/ldap.pcap", "conformance/suricata-verify/tests/ldap-unsolicited/ldap.pcap", "conformance/suricata-verify/tests/ldap-udp/cldap.pcap",
	} {
		capture := sharedtest.Path(t, file)
		tally := map[string]map[string]int{"request": {}, "base": {}, "user": {}, "result": {}}
		b := metertest.Records(t, capture)
		for i := range b.Commands {
			r := &b.Commands[i]
			if r.Protocol != "ldap" {
				continue
			}
			n, l := int(r.Count), lineOf(r)
			if r.Object != "" || r.Command == "unbind" || r.Command == "abandon" {
				tally["request"][r.Command] += n
			}
			if l.base != "" {
				tally["base"][l.base] += n
			}
			if r.Command == "bind" && r.User != "" && !strings.HasPrefix(r.Object, "sasl") {
				tally["user"][r.User] += n
			}
			if l.result != "" {
				tally["result"][l.result] += n
			}
		}
		out, err := exec.Command("tshark", "-r", capture, "-Y", "(ldap || cldap) && !tcp.analysis.retransmission", "-T", "fields", "-E", "separator=|", "-E", "aggregator=;",
			"-e", "ldap.protocolOp", "-e", "ldap.baseObject", "-e", "ldap.name", "-e", "ldap.resultCode").Output()
		if err != nil {
			t.Logf("%s: %v", file, err)
		}
		for row := range strings.Lines(string(out)) {
			f := strings.Split(strings.TrimRight(row, "\n"), "|")
			for i, field := range []string{"request", "base", "user", "result"} {
				for value := range strings.SplitSeq(f[i], ";") {
					switch field {
					case "request":
						value = operations[value]
					case "result":
						value = codes[value]
					}
					if value != "" && value != "<ROOT>" {
						tally[field][value]--
					}
				}
			}
		}
		for field, left := range tally {
			for value, n := range left {
				c.Field(file+" "+value, field, fmt.Sprint(n), "0")
			}
		}
	}
}
