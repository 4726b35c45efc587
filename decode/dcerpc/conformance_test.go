package dcerpc_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/weir-nta/weir/decode/dcerpc"
	"github.com/weir-nta/weir/internal/sharedtest"
	"github.com/weir-nta/weir/meter/metertest"
)

// captures are those of the corpus with calls over TCP or readable pipes, of
// moderate size.
var captures = []string{
	"elcabezzonn-impacket_psexec.pcap", "elcabezzonn-wmi_query.pcap", "elcabezzonn-smbexec.pcap", "elcabezzonn-wmiexecpro-create-start-service.pcap",
	"elcabezzonn-sharp-no-psexec.pcap", "elcabezzonn-netshareenum.pcap", "pcapattack-LM_psexec_smb_dcerpc_epm_svcctl.pcapng",
	"pcapattack-discovery_scan_dcerpc_endpoint_mapper.pcapng", "pcapattack-LM_WMI_ProcessCallCreate.pcapng",
	"pcapattack-Discovery_PsLoggedOn_remotelocalusers_enum_winreg_lsarpc_dcerpc_smb.pcapng", "elcabezzonn-dcsync_secretsdump.pcap",
	"pcapattack-zerologon_mimikatz_ntlm_privacy_scan_and_exploit_encrypted.pcapng", "pcapattack-Discovery_impacket_rpcdump.pcapng",
	"elcabezzonn-cme-smb-chip-douglas.pcap", "elcabezzonn-atexec_.pcap", "elcabezzonn-samrdump.pcap", "pcapattack-LM_dcom_mmc20.application_dcerpc.pcapng",
	"pcapattack-CA_LM_SpoolSample_SMB_BiAuth.pcapng", "elcabezzonn-mimikatz_rpc.pcap", "elcabezzonn-dcsync.pcapng",
	"pcapattack-CA_masterkey_rpc_protectedstorage.pcapng", "pcapattack-DCSync_krbtgt_dcerpc_smb.pcapng", "pcapattack-Discovery_dcerp_srvsvc_NetShareEnum.pcapng",
	"elcabezzonn-attempt-spools-vuln-cve-2021-1675.pcap",
}

// TestTshark compares with Wireshark which operations are called, by number.
func TestTshark(t *testing.T) {
	if testing.Short() {
		t.Skip("runs tshark 24 times")
	}
	c := metertest.Compare(t, nil)
	defer c.Close()
	for _, name := range captures {
		file := filepath.Join(sharedtest.Path(t, "corpus/captures"), name)
		want, got := map[string]int{}, map[string]int{}
		for _, row := range metertest.Tshark(t, file, "dcerpc.pkt_type == 0 && dcerpc.ver == 5", "dcerpc.pkt_type", "dcerpc.cn_flags.first_frag", "dcerpc.opnum") {
			kinds, firsts, numbers := strings.Split(row[0], "|"), strings.Split(row[1], "|"), strings.Split(row[2], "|")
			for i, n := range numbers {
				if len(kinds) == len(numbers) && kinds[i] == "0" && (i >= len(firsts) || firsts[i] == "1" || firsts[i] == "True") {
					want[n]++
				}
			}
		}
		for _, r := range metertest.Records(t, file).RPC {
			if r.Operation != "bind" {
				got[fmt.Sprint(dcerpc.Number(r.Endpoint, r.Operation))]++
			}
		}
		c.Tally(name, "operation", got, want)
	}
}

// TestZeek compares with dce_rpc.log and ntlm.log of the one trace there is.
func TestZeek(t *testing.T) {
	c := metertest.Compare(t, []metertest.Difference{
		metertest.Explain("* 1073 *", "call", "", "exchange_mapi EcRRegisterPushNotification 1032 3998", "call 7 is operation 2 (Wireshark, frame 800) and has no answer: Zeek repeats what it knew of call 6"),
		metertest.Explain("* 1073 *", "call", "exchange_mapi EcDoRpc 1032 0", "", "that call 7: we are right"),
	})
	defer c.Close()
	root := sharedtest.Path(t, "conformance/zeek/testing/btest")
	b := metertest.Records(t, root+"/Traces/dce-rpc/mapi.pcap")
	calls, logons := map[string]map[string]int{}, map[string]map[string]int{}
	for i := range b.RPC {
		r := &b.RPC[i]
		add(calls, metertest.Ends(&r.Endpoints), fmt.Sprint(r.Endpoint, " ", r.Operation, " ", r.Pipe, " ", r.RTT.Microseconds()))
	}
	for i := range b.NTLM {
		n := &b.NTLM[i]
		add(logons, metertest.Ends(&n.Endpoints), fmt.Sprint(n.User, " ", n.Host, " ", n.Domain, " ", n.ServerName))
	}
	wantCalls, wantLogons := map[string]map[string]int{}, map[string]map[string]int{}
	for _, row := range metertest.Zeek(t, root+"/Baseline/scripts.base.protocols.dce-rpc.mapi/dce_rpc.log") {
		us := strings.TrimLeft(strings.Replace(row["rtt"], ".", "", 1), "0")
		add(wantCalls, metertest.EndsOf(row), fmt.Sprint(row["endpoint"], " ", row["operation"], " ", row["named_pipe"], " ", us))
	}
	for _, row := range metertest.Zeek(t, root+"/Baseline/scripts.base.protocols.dce-rpc.mapi/ntlm.log") {
		add(wantLogons, metertest.EndsOf(row), fmt.Sprint(row["username"], " ", row["hostname"], " ", row["domainname"], " ", row["server_nb_computer_name"]))
	}
	// Zeek names a conversation by its bind: of those that it did not name it
	// tells nothing.
	for ends := range wantCalls {
		c.Tally(ends, "call", calls[ends], wantCalls[ends])
	}
	for ends := range wantLogons {
		c.Tally(ends, "logon", logons[ends], wantLogons[ends])
	}
}

func add(all map[string]map[string]int, ends, what string) {
	if all[ends] == nil {
		all[ends] = map[string]int{}
	}
	all[ends][what]++
}

// TestSuricata compares the counts of calls by interface and operation that
// Suricata's tests check.
func TestSuricata(t *testing.T) {
	c := metertest.Compare(t, nil)
	defer c.Close()
	root := sharedtest.Path(t, "conformance/suricata-verify/tests")
	for name, capture := range map[string]string{
		"dcerpc/dcerpc-dce-iface-01":     "dcerpc/dcerpc-dce-iface-01/20171220_smb_psexec_mimikatz_ticket_dump-s2.pcap",
		"dcerpc/dcerpc-dce-stub-data-04": "dcerpc/dcerpc-dce-stub-data-04/input.pcap",
		"dcerpc/dcerpc-dce-opnum":        "dcerpc/dcerpc-dce-iface-02/input.pcap",
		"dcerpc/dcerpc-auth3-5133":       "dcerpc/dcerpc-auth3-5133/input.pcap",
		"bug-6191":                       "bug-6191/input.pcap",
		"bug-5133":                       "bug-5133/input.pcap",
	} {
		operations, numbers := map[string]int{}, map[string]int{}
		for _, r := range metertest.Records(t, filepath.Join(root, capture)).RPC {
			operations[r.Endpoint+" "+r.Operation]++
			numbers[fmt.Sprint(dcerpc.Number(r.Endpoint, r.Operation))]++
		}
		for _, k := range checks(t, filepath.Join(root, name, "test.yaml")) {
			service, procedure := k.Match["dcerpc.interfaces[0].service"], k.Match["dcerpc.interfaces[0].procedure"]
			switch {
			case service != nil && procedure != nil:
				what := fmt.Sprint(service, " ", procedure)
				c.Field(name, "operation", fmt.Sprint(what, " ", operations[what]), fmt.Sprint(what, " ", k.Count))
			case k.Match["event_type"] == "dcerpc" && k.Match["dcerpc.req.opnum"] != nil && len(k.Match) == 2:
				what := fmt.Sprint(k.Match["dcerpc.req.opnum"])
				c.Field(name, "number", fmt.Sprint(what, " ", numbers[what]), fmt.Sprint(what, " ", k.Count))
			}
		}
	}
}

type check struct {
	Count int
	Match map[string]any
}

// checks returns the filters of a test.yaml.
func checks(t *testing.T, file string) (all []check) {
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Checks []struct{ Filter check }
	}
	if err := yaml.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	for _, c := range doc.Checks {
		all = append(all, c.Filter)
	}
	return all
}
