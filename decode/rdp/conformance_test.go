package rdp_test

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/weir-nta/weir"
	"github.com/weir-nta/weir/internal/sharedtest"
	"github.com/weir-nta/weir/meter/metertest"
)

func TestZeek(t *testing.T) {
	c := metertest.Compare(t, []metertest.Difference{})
	defer c.Close()
	root := sharedtest.Path(t, "conformance/zeek/testing/btest")
	for _, tc := range []struct{ baseline, trace string }{
		{"rdp-to-ssl", "rdp-to-ssl.pcap"}, {"rdp-x509", "rdp-x509.pcap"}, {"rdp-no-cookie-msthash", "rdp-no-cookie-mstshash.pcap"},
		{"rdp-invalid-length", "rdp-invalid-length.pcap"}, {"rdpeudp-handshake-fail", "rdpeudp-handshake-fail.pcap"},
	} {
		b := metertest.Records(t, root+"/Traces/rdp/"+tc.trace)
		ours := map[string]*weir.RDPSession{}
		for i := range b.RDP {
			ours[metertest.Ends(&b.RDP[i].Endpoints)] = &b.RDP[i]
		}
		for _, row := range metertest.Zeek(t, root+"/Baseline/scripts.base.protocols.rdp."+tc.baseline+"/rdp.log") {
			ends := metertest.EndsOf(row)
			name := tc.baseline + " " + ends
			s := ours[ends]
			if s == nil {
				c.Field(name, "line", "", "there")
				continue
			}
			delete(ours, ends)
			c.Field(name, "line", "there", "there")
			c.Field(name, "cookie", s.Cookie, row["cookie"])
			c.Field(name, "result", s.Result, row["result"])
			c.Field(name, "security", s.Security, strings.Replace(strings.ToLower(row["security_protocol"]), "ssl", "tls", 1))
			c.Field(name, "client", s.Client, row["client_name"])
			c.Field(name, "build", s.Build, row["client_build"])
			c.Field(name, "keyboard", s.Keyboard, row["keyboard_layout"])
			c.Field(name, "certificates", fmt.Sprint(s.Certificates), row["cert_count"])
		}
		for ends, s := range ours {
			c.Field(tc.baseline+" "+ends, "line", fmt.Sprintf("%+v", s), "")
		}
	}
}

// TestSuricata compares with what a case of Suricata's expects.
func TestSuricata(t *testing.T) {
	b := metertest.Records(t, sharedtest.Path(t, "conformance/suricata-verify/tests/rdp-protocol/RDP-003.pcap"))
	if len(b.RDP) != 1 {
		t.Fatalf("%d sessions, want 1", len(b.RDP))
	}
	s := b.RDP[0]
	if s.Cookie != "A70067" || s.Client != "ISD2-KM84178" || s.Security != "rdp" || s.Build != "RDP 5.1" { // "Windows XP"
		t.Errorf("%+v", s)
	}
}

// TestTShark compares with the dissector of Wireshark on captures.
func TestTShark(t *testing.T) {
	if _, err := exec.LookPath("tshark"); err != nil || testing.Short() {
		t.Skip("needs tshark, and its time")
	}
	c := metertest.Compare(t, []metertest.Difference{})
	defer c.Close()
	for _, file := range []string{
		"corpus/captures/elcabezzonn-rdp-then-wmiexec.pcap", "corpus/captures/pcapattack-LM_rdp_sharprdp.pcapng",
		"conformance/suricata-verify/tests/rdp-protocol/RDP-003.pcap", "conformance/zeek/testing/btest/Traces/rdp/rdp-x509.pcap",
		"conformance/zeek/testing/btest/Traces/rdp/rdp-to-ssl.pcap", "conformance/zeek/testing/btest/Traces/rdp/rdp-no-cookie-mstshash.pcap",
	} {
		capture := sharedtest.Path(t, file)
		cookies, securities, clients := map[string]int{}, map[string]int{}, map[string]int{}
		for _, s := range metertest.Records(t, capture).RDP {
			if s.Cookie != "" {
				cookies[s.Cookie]++
			}
			if s.Security != "rdp" && s.Security != "" {
				securities[s.Security]++
			}
			if s.Client != "" {
				clients[s.Client]++
			}
		}
		out, err := exec.Command("tshark", "-r", capture, "-Y", "rdp", "-T", "fields", "-E", "separator=|", "-e", "rdp.rt_cookie", "-e", "rdp.negReq.selectedProtocol", "-e", "rdp.client.name").Output()
		if err != nil {
			t.Logf("%s: %v", file, err)
		}
		for l := range strings.Lines(string(out)) {
			f := strings.Split(strings.TrimRight(l, "\n"), "|")
			if f[0] != "" {
				name := strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(f[0], "Cookie: mstshash="), "\\r\\n"), "\r\n")
				cookies[name]--
			}
			if n, err := strconv.ParseUint(f[1], 0, 32); err == nil && n != 0 {
				securities[map[uint64]string{1: "tls", 2: "hybrid", 8: "hybrid_ex"}[n]]--
			}
			if f[2] != "" {
				clients[f[2]]--
			}
		}
		for field, left := range map[string]map[string]int{"cookie": cookies, "security": securities, "client": clients} {
			for value, n := range left {
				c.Field(file+" "+value, field, fmt.Sprint(n), "0")
			}
		}
	}
}
