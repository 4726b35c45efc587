package kerberos_test

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/sharedtest"
	"github.com/weir-nta/weir/meter/metertest"
)

// shorten writes the names of Zeek as package zeek reads them.
func shorten(s string) string {
	for _, family := range []string{"aes256", "aes128", "rc4"} {
		if strings.HasPrefix(s, family) {
			return family
		}
	}
	return s
}

// TestZeek compares with kerberos.log, line by line and field by field.
func TestZeek(t *testing.T) {
	c := metertest.Compare(t, []metertest.Difference{
		metertest.Explain("krb.kinit *", "error", "K*_ERR_*", "*", "Zeek writes the text of the message where there is one, here MIT's; we the name of the code, which is the same from every implementation"),
		metertest.Explain("krb.kinit *", "line", "AS KDC_ERR_PREAUTH_REQUIRED", "", "Zeek leaves these out where they have MIT's text; we keep all of them: enumerating accounts shows in nothing else"),
		metertest.Explain("tcp.krb-tcp-tso * 445", "client", "", "/TEST.LOCAL", "who shows a ticket to a service is sealed in it; Zeek writes the realm of the service alone"),
	})
	defer c.Close()
	for _, tc := range []struct{ baseline, trace string }{
		{"scripts.base.protocols.krb.kinit", "krb/kinit.pcap"},
		{"scripts.base.protocols.tcp.krb-tcp-tso", "krb/kerberos_tso.pcapng"},
	} {
		root := sharedtest.Path(t, "conformance/zeek/testing/btest")
		ours := map[string][]*weir.KerberosMessage{}
		b := metertest.Records(t, root+"/Traces/"+tc.trace)
		for i := range b.Kerberos {
			k := &b.Kerberos[i]
			ours[metertest.Ends(&k.Endpoints)] = append(ours[metertest.Ends(&k.Endpoints)], k)
		}
		for _, row := range metertest.Zeek(t, root+"/Baseline/"+tc.baseline+"/kerberos.log") {
			ends := metertest.EndsOf(row)
			name := strings.TrimPrefix(tc.baseline, "scripts.base.protocols.") + " " + ends
			var m weir.KerberosMessage
			if list := ours[ends]; len(list) > 0 {
				m, ours[ends] = *list[0], list[1:]
			} else {
				c.Field(name, "line", "", "there")
				continue
			}
			c.Field(name, "line", "there", "there")
			c.Field(name, "msg", m.Type, row["request_type"])
			c.Field(name, "client", m.Client, row["client"])
			c.Field(name, "spn", m.Service, row["service"])
			c.Field(name, "success", m.Success, map[string]string{"T": "true", "F": "false"}[row["success"]])
			c.Field(name, "error", m.Error, row["error_msg"])
			c.Field(name, "etype", m.Cipher, shorten(row["cipher"]))
			c.Field(name, "forwardable", fmt.Sprint(m.Forwardable), fmt.Sprint(row["forwardable"] == "T"))
			c.Field(name, "renewable", fmt.Sprint(m.Renewable), fmt.Sprint(row["renewable"] == "T"))
			till := ""
			if !m.Until.IsZero() {
				till = fmt.Sprintf("%d.000000", m.Until.Unix())
			}
			c.Field(name, "until", till, row["till"])
		}
		for ends, list := range ours {
			for _, m := range list {
				c.Field(strings.TrimPrefix(tc.baseline, "scripts.base.protocols.")+" "+ends, "line", m.Type+" "+m.Error, "")
			}
		}
	}
}

var (
	etypes = map[string]string{"18": "aes256", "17": "aes128", "23": "rc4", "3": "des", "1": "des", "": ""}
	codes  = map[string]string{
		"1": "KDC_ERR_NAME_EXP", "23": "KDC_ERR_KEY_EXPIRED", "31": "KRB_AP_ERR_BAD_INTEGRITY", "6": "KDC_ERR_C_PRINCIPAL_UNKNOWN", "7": "KDC_ERR_S_PRINCIPAL_UNKNOWN", "14": "KDC_ERR_ETYPE_NOSUPP", "18": "KDC_ERR_CLIENT_REVOKED", "24": "KDC_ERR_PREAUTH_FAILED", "25": "KDC_ERR_PREAUTH_REQUIRED",
		"13": "KDC_ERR_BADOPTION", "37": "KRB_AP_ERR_SKEW", "32": "KRB_AP_ERR_TKT_EXPIRED", "52": "KRB_ERR_RESPONSE_TOO_BIG", "60": "KRB_ERR_GENERIC", "68": "KDC_ERR_WRONG_REALM",
	}
)

// TestTShark compares with the dissector of Wireshark: requests with their
// clients, tickets with their encryptions, errors.
func TestTShark(t *testing.T) {
	if _, err := exec.LookPath("tshark"); err != nil || testing.Short() {
		t.Skip("needs tshark, and its time")
	}
	c := metertest.Compare(t, []metertest.Difference{
		metertest.Explain("*bug-8278-krb5-01*", "request", "1", "0", "two requests in one segment: tshark prints them in one line, of which this test takes the first; we tell both"),
	})
	defer c.Close()
	for _, file := range tsharkFiles {
		capture := sharedtest.Path(t, file)
		tally := map[string]map[string]int{"request": {}, "grant": {}, "error": {}}
		for _, m := range metertest.Records(t, capture).Kerberos {
			if m.Type == "AP" {
				continue
			}
			if len(m.Requested) > 0 || !m.Until.IsZero() {
				who := ""
				if m.Type == "AS" {
					who, _, _ = strings.Cut(m.Client, "/")
				}
				tally["request"][m.Type+" "+who]++
			}
			switch m.Success {
			case "true":
				tally["grant"][m.Type+" "+m.Cipher+" "+m.ReplyCipher]++
			case "false":
				tally["error"][m.Error]++
			}
		}
		for _, f := range tshark(t, capture) {
			first, _, _ := strings.Cut(f[0], ",")
			who, _, _ := strings.Cut(f[1], ",")
			kinds := strings.Split(f[2], ",")
			switch first {
			case "10":
				tally["request"]["AS "+who]--
			case "12":
				tally["request"]["TGS "]--
			case "11", "13":
				reply := ""
				if len(kinds) > 1 {
					reply = kinds[len(kinds)-1]
				}
				ticket := kinds[max(len(kinds)-2, 0)]
				tally["grant"][map[string]string{"11": "AS", "13": "TGS"}[first]+" "+etypes[ticket]+" "+etypes[reply]]--
			case "30":
				tally["error"][codes[f[3]]]--
			}
		}
		for field, left := range tally {
			for value, n := range left {
				c.Field(file+" "+value, field, fmt.Sprint(n), "0")
			}
		}
	}
}

// tshark returns type, client, encryptions and error of each message on the
// ports of the key distribution centre.
func tshark(t *testing.T, capture string) (rows [][]string) {
	out, err := exec.Command("tshark", "-r", capture, "-Y", "kerberos.msg_type && (udp.port == 88 || tcp.port == 88) && !tcp.analysis.retransmission", "-T", "fields", "-E", "separator=|",
		"-e", "kerberos.msg_type", "-e", "kerberos.CNameString", "-e", "kerberos.etype", "-e", "kerberos.error_code").Output()
	if err != nil {
		t.Logf("%s: %v", capture, err)
	}
	for l := range strings.Lines(string(out)) {
		rows = append(rows, strings.Split(strings.TrimRight(l, "\n"), "|"))
	}
	return rows
}

var tsharkFiles = []string{
	"corpus/captures/ndpi-kerberos-login.pcap", "corpus/captures/pcapattack-lm_mimikazt_skeleton_kerberos_rc4_etype.pcapng",
	"corpus/captures/pcapattack-CA_kerbrute_passwordspray_kerberos_AS-REQ.pcapng", "corpus/captures/elcabezzonn-rubeus-kerberoast-cmdline-parameter.pcap",
	"conformance/arkime/tests/pcap/krb5-tcp.pcap", "conformance/suricata-verify/tests/krb5-probing/krb.pcap",
	"conformance/suricata-verify/tests/krb5-request-frag-log/krb5-frag.pcap", "conformance/suricata-verify/tests/bug-8278-krb5-01/evasion.1.flow.1.segment.pcap",
	"conformance/suricata-verify/tests/bug-8278-krb5-03/baseline.2.flows.pcap", "conformance/zeek/testing/btest/Traces/krb/kinit.pcap",
	"conformance/zeek/testing/btest/Traces/krb/kerberos_tso.pcapng",
}

// TestSuricata compares with what the cases of Suricata's expect: messages that
// it tells one by one are requests and answers here.
func TestSuricata(t *testing.T) {
	for _, tc := range []struct{ file, want string }{
		{"krb5-probing/krb.pcap", "AS false"},
		{"bug-8278-krb5-01/evasion.1.flow.1.segment.pcap", "AS testuser/DEMO.LOCAL krbtgt/DEMO.LOCAL|TGS testuser/DEMO.LOCAL krbtgt/DEMO.LOCAL"},
		{"bug-8278-krb5-03/baseline.2.flows.pcap", "AS test/DOM189.LOCAL krbtgt/DOM189.LOCAL false KDC_ERR_PREAUTH_REQUIRED|AS test/DOM189.LOCAL krbtgt/DOM189.LOCAL true aes256 rc4|TGS host/anything"},
		{"krb5-request-frag-log/krb5-frag.pcap", "AS user01/dom.test.lo.com krbtgt/dom.test.lo.com true|TGS user01/dom.test.lo.com HTTP/epgidvwman1088.epga.dom.lo.com true"},
	} {
		var told []string
		for _, m := range metertest.Records(t, sharedtest.Path(t, "conformance/suricata-verify/tests/"+tc.file)).Kerberos {
			told = append(told, strings.Join([]string{m.Type, m.Client, m.Service, m.Success, m.Error, m.Cipher, m.ReplyCipher}, " "))
		}
		for want := range strings.SplitSeq(tc.want, "|") {
			found := false
			for _, m := range told {
				all := true
				for word := range strings.FieldsSeq(want) {
					all = all && strings.Contains(" "+m+" ", " "+word+" ")
				}
				found = found || all
			}
			if !found {
				t.Errorf("%s: no %s in\n%s", tc.file, want, strings.Join(told, "\n"))
			}
		}
	}
}

// TestArkime compares with what Arkime tells of a session.
func TestArkime(t *testing.T) {
	for _, m := range metertest.Records(t, sharedtest.Path(t, "conformance/arkime/tests/pcap/krb5-tcp.pcap")).Kerberos {
		if m.Service != "krbtgt/xxxxxxxxxxxxxx.xxxxxx.xxx.COM" || m.Client != "xxxxxxxxxxx$/xxxxxxxxxxxxxx.xxxxxx.xxx.COM" || fmt.Sprint(m.Requested) != "[aes256 rc4]" && m.Cipher != "aes256" {
			t.Errorf("%+v", m)
		}
	}
}
