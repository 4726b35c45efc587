package smb_test

import (
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/weir-nta/weir/decode/smb"
	"github.com/weir-nta/weir/internal/sharedtest"
	"github.com/weir-nta/weir/meter/metertest"
)

// captures are those of the corpus in which SMB can be read, of moderate size.
var captures = []string{
	"elcabezzonn-smb_anomalous_traffic.pcap", "elcabezzonn-impacket_psexec.pcap", "elcabezzonn-smbexec.pcap",
	"elcabezzonn-smb_exec_only_two_commands.pcap", "elcabezzonn-sharp-no-psexec.pcap", "elcabezzonn-netshareenum.pcap",
	"pcapattack-LM_psexec_smb_dcerpc_epm_svcctl.pcapng", "elcabezzonn-wmiexec.pcap", "elcabezzonn-psexec_cmd.pcap",
	"pcapattack-Discovery_PsLoggedOn_remotelocalusers_enum_winreg_lsarpc_dcerpc_smb.pcapng", "elcabezzonn-dcsync_secretsdump.pcap",
	"elcabezzonn-psexec_calc.pcap", "elcabezzonn-cme-smb-chip-douglas.pcap", "elcabezzonn-atexec_.pcap", "elcabezzonn-samrdump.pcap",
	"pcapattack-LM_smbexec_smb_dcerpc_svcctl_epm.pcapng", "pcapattack-CA_LM_SpoolSample_SMB_BiAuth.pcapng", "elcabezzonn-mimikatz_rpc.pcap",
	"pcapattack-Discovery_dcerp_srvsvc_NetShareEnum.pcapng", "elcabezzonn-attempt-spools-vuln-cve-2021-1675.pcap",
	"pcapattack-CredAccess_BackupMasterKey_LSARPC_43_RetrievePrivateData.pcapng", "pcapattack-DCSync_krbtgt_dcerpc_smb.pcapng",
}

// TestTshark compares with Wireshark: the names of files opened, shares
// connected to, how that ended, and who logged on.
func TestTshark(t *testing.T) {
	if testing.Short() {
		t.Skip("runs tshark 22 times")
	}
	c := metertest.Compare(t, nil)
	defer c.Close()
	for _, name := range captures {
		file := filepath.Join(sharedtest.Path(t, "corpus/captures"), name)
		want := map[string]map[string]int{"open": {}, "connect": {}, "status": {}, "logon": {}}
		for _, row := range metertest.Tshark(t, file, "smb2 || smb || ntlmssp.messagetype == 3", "smb2.cmd", "smb2.flags.response", "smb2.filename", "smb2.tree", "smb2.nt_status",
			"smb.cmd", "smb.flags.response", "smb.file", "smb.path", "smb.nt_status", "ntlmssp.messagetype", "ntlmssp.auth.username", "ntlmssp.auth.domain", "ntlmssp.auth.hostname") {
			ofTshark(want, row)
		}
		got := map[string]map[string]int{"open": {}, "connect": {}, "status": {}, "logon": {}}
		b := metertest.Records(t, file)
		for _, a := range b.SMB {
			switch a.Action {
			case "open":
				got["open"][a.File]++
			case "connect":
				got["connect"][a.Share]++
			default:
				continue
			}
			if a.Status != "" {
				got["status"][a.Action+" "+a.Status]++
			}
		}
		for _, n := range b.NTLM {
			got["logon"][n.User+" "+n.Domain+" "+n.Host]++
		}
		for field := range want {
			c.Tally(name, field, got[field], want[field])
		}
	}
}

// ofTshark adds what one packet says. Of a compound its first command counts.
func ofTshark(all map[string]map[string]int, row []string) {
	first := func(i int) string { s, _, _ := strings.Cut(row[i], "|"); return s }
	status := func(i int) string {
		n, err := strconv.ParseUint(first(i), 0, 32)
		if err != nil {
			return ""
		}
		return smb.StatusName(uint32(n))
	}
	isYes := func(s string) bool { return s == "1" || s == "True" }
	action := map[string]string{"5": "open", "3": "connect"}[first(0)]
	name, ended, answer := first(2), status(4), isYes(first(1))
	if action == "connect" {
		name = first(3)
	}
	if action == "" {
		action = map[string]string{"0xa2": "open", "0x75": "connect", "162": "open", "117": "connect"}[first(5)]
		name, ended, answer = strings.TrimLeft(first(7), `\`), status(9), isYes(first(6))
		if action == "connect" {
			name = row[8][strings.LastIndexByte(row[8], '|')+1:] // that of the tree in the header may come before
		}
	}
	if action != "" && answer && ended != "PENDING" {
		all["status"][action+" "+ended]++
	}
	if action != "" && !answer {
		if action == "open" && name == "" {
			name = "<share_root>"
		}
		all[action][name]++
	}
	if first(10) == "0x00000003" {
		all["logon"][null(first(11))+" "+null(first(12))+" "+null(first(13))]++
	}
}

func null(s string) string { return strings.TrimPrefix(s, "NULL") }
